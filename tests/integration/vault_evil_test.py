#!/usr/bin/env python3
"""Rows F4 and F9 to F13 of the fault matrix that no real server causes: a scripted one stalls, drips, lies, redirects and shows bad
certificates. A path that fails touches no other, and the token reaches no host but the configured ones."""

import errno
import gzip
import pathlib
import shutil
import ssl
import sys
import tempfile
import threading
import time
import unittest

import harness
from certificates import HOUR, Authority
from harness import ALICE, MIB, as_user, errno_as, read_as, wait_for
from scripted_server import FakeVault, ScriptedServer, answer, data, errors
from vault_harness import VaultDaemon, at, tree

TOKEN = "s.TheTokenOfTheseTests"
ENVELOPE = b'{"request_id":"r","lease_id":"","renewable":false,"lease_duration":60,"data":%s,"wrap_info":null,"warnings":null,"auth":null}'


class Evil(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="leasefs-evil-"))
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        cls.dir.chmod(0o755)
        cls.authority = Authority(cls.dir / "tls")
        cls.pair = cls.authority.issue("server")
        cls.token_file = cls.dir / "token"
        cls.token_file.write_text(TOKEN)
        cls.token_file.chmod(0o600)

    def server(self, script=None, pair=None):
        server = ScriptedServer(pair or self.pair, script or self.vault)
        self.addCleanup(server.close)
        return server

    def setUp(self):
        self.vault = FakeVault({"good": {"k": "value"}, **{f"s{n}": {"k": f"value {n}"} for n in range(100)}}, TOKEN)

    def serve(self, server, trees=None, deadline="2s", address=None, **options):
        self.daemon = VaultDaemon(address or server.address, options.pop("ca", self.authority.ca), [trees or tree("t", "kv", ttl="1s")],
                                  {"method": "token", "token": at(self.token_file)}, extra=f'[limits]\ndeadline = "{deadline}"\n', **options)
        self.addCleanup(self._close, self.daemon)
        self.daemon.start()

    def _close(self, daemon):
        if self._outcome is not None and not self._outcome.success:
            print(f"--- log of the daemon of {self.id()}\n{daemon.log_text()}", file=sys.stderr)
        daemon.close()

    def read(self, name):
        return read_as(ALICE, self.daemon.mount / name).decode()

    def errno(self, name):
        return errno_as(ALICE, self.daemon.mount / name)

    def resident(self):
        """KiB of the backend's process."""
        pid = self.daemon.child(self.daemon.backend_role())
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")

    # F4: what a load balancer and a broken storage say.

    def test_f4_errors_of_the_server_are_eremoteio_and_pass(self):
        for status in (500, 502, 503):
            self.vault.odd[f"kv/e{status}"] = lambda request, stream, status=status: errors(status, "1 error occurred")
            self.vault.secrets[f"e{status}"] = {"k": "there again"}
        server = self.server()
        self.serve(server)
        for status in (500, 502, 503):
            with self.subTest(status):
                self.assertEqual(self.errno(f"t/e{status}/k"), errno.EREMOTEIO)
                self.assertEqual(self.read("t/good/k"), "value")
        self.vault.odd.clear()
        for status in (500, 502, 503):
            wait_for(f"{status} passes", lambda s=status: self.errno(f"t/e{s}/k") == 0, 31)

    def test_f4_a_429_is_waited_for_within_the_deadline_and_etimedout_beyond_it(self):
        until = time.monotonic() + 1
        self.vault.secrets["soon"] = {"k": "after a second"}
        self.vault.odd["kv/late"] = lambda request, stream: errors(429, "rate limit", Retry_After=60)
        limited = lambda request, stream: (errors(429, "rate limit", Retry_After=1) if time.monotonic() < until  # noqa: E731
                                           else data(self.vault.secrets["soon"]))
        server = self.server()
        self.serve(server, deadline="4s")
        until = time.monotonic() + 1
        self.vault.odd["kv/soon"] = limited
        self.assertEqual(self.read("t/soon/k"), "after a second")
        self.assertEqual(self.errno("t/late/k"), errno.ETIMEDOUT)
        self.assertEqual(self.read("t/good/k"), "value")
        self.assertLess(server.count("kv/late"), 5, "it asked again before it may")

    # F9: slow.

    def test_f9_a_stalling_path_ends_at_its_deadline_and_slows_no_other(self):
        def drip(request, stream):
            stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(100):
                stream.sendall(b"{")
                time.sleep(1)

        def stall(request, stream):
            stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            time.sleep(30)

        def endless(request, stream):
            stream.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(3000):
                stream.sendall(b"1\r\n \r\n")
                time.sleep(0.01)
        self.vault.odd = {"kv/drip": drip, "kv/stall": stall, "kv/endless": endless}
        self.serve(self.server())

        def times(count, first):
            def child():
                found = []
                for number in range(first, first + count):
                    start = time.monotonic()
                    with open(self.daemon.mount / f"t/s{number}/k", encoding="utf-8") as file:
                        assert file.read() == f"value {number}"
                    found.append(time.monotonic() - start)
                return sorted(found)
            return as_user(ALICE, child)
        calm = times(40, 0)
        names = [name.removeprefix("kv/") for name in self.vault.odd]
        readers = [threading.Thread(target=self.errno, args=(f"t/{name}/k",)) for name in names]
        for reader in readers:
            reader.start()
        time.sleep(0.3)
        busy = times(40, 40)
        for reader in readers:
            reader.join()
        print(f"the slowest of 40 other secrets: {calm[-1] * 1000:.1f} ms calm, {busy[-1] * 1000:.1f} ms beside three stalling ones")
        self.assertLess(busy[-1], max(0.1, 5 * calm[-1]))
        for name in names:
            with self.subTest(name):
                start = time.monotonic()
                self.assertIn(self.errno(f"t/{name}/k"), (errno.ETIMEDOUT, errno.EREMOTEIO))
                self.assertLess(time.monotonic() - start, 2.3)

    # F10: bodies.

    def test_f10_answers_that_are_none_are_eremoteio_and_cost_no_memory(self):
        def long_body(request, stream):
            stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
            for _ in range(1024):
                stream.sendall(b" " * MIB)
        self.vault.secrets["largest"] = {"k": "x" * MIB}
        gzip_bomb = gzip.compress(b" " * (64 * MIB))
        keys = b"{" + b",".join(b'"k%d":"v"' % number for number in range(1000000)) + b"}"
        bodies = {
            "truncated": (ENVELOPE % b'{"k":"v"}')[:-20], "not-json": b"<html>hello</html>", "empty": b"", "array": b"[1,2,3]",
            "bad-utf8": ENVELOPE % b'{"k":"\xff\xfe"}', "deep": ENVELOPE % (b'{"k":' + b"[" * 1000000 + b"]" * 1000000 + b"}"),
            "keys": ENVELOPE % keys, "nul-outside": b"\x00" + ENVELOPE % b'{"k":"v"}'}
        for name, body in bodies.items():
            self.vault.odd[f"kv/{name}"] = lambda request, stream, body=body: answer(200, body)
        self.vault.odd["kv/bomb"] = lambda request, stream: answer(200, gzip_bomb, Content_Encoding="gzip")
        self.vault.odd["kv/gigabyte"] = long_body
        self.vault.odd["kv/short"] = lambda request, stream: stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
        self.serve(self.server(), deadline="5s")
        self.assertEqual(self.read("t/good/k"), "value")
        self.assertEqual(len(self.read("t/largest/k")), MIB)  # what memory an honest answer takes is no growth
        before, pid = self.resident(), self.daemon.child(self.daemon.backend_role())
        for name in [*bodies, "bomb", "gigabyte", "short"]:
            with self.subTest(name):
                # An answer that ends before its length is a connection that broke.
                self.assertIn(self.errno(f"t/{name}/k"), (errno.EREMOTEIO, errno.EFBIG if name != "short" else errno.ETIMEDOUT))
                self.assertEqual(self.read("t/good/k"), "value")
        after = self.resident()
        print(f"resident: {before} KiB before, {after} KiB after")
        self.assertLess(after - before, 8 * 1024)
        self.assertEqual(self.daemon.child(self.daemon.backend_role()), pid, "it was killed by an answer")

    # F11: sizes.

    def test_f11_values_of_every_size_and_kind_are_exact_or_efbig(self):
        values = {"empty": "", "one": "x", "nul": "a\0b\0", "binary": "".join(map(chr, range(1, 0x250))), "cap": "y" * MIB}
        self.vault.secrets["sizes"] = values
        self.vault.secrets["over"] = {"k": "z" * (MIB + 1), "small": "s"}
        self.serve(self.server(), deadline="5s")
        for name, value in values.items():
            with self.subTest(name):
                self.assertEqual(read_as(ALICE, self.daemon.mount / "t/sizes" / name), value.encode())
        self.assertEqual(self.errno("t/over/k"), errno.EFBIG)

    # F12: TLS.

    def test_f12_a_bad_certificate_is_refused_before_the_token_is_sent(self):
        other = Authority(self.dir / "other", "other")
        cases = {"expired": self.authority.issue("expired", begins=-2 * HOUR, ends=-HOUR),
                 "not yet valid": self.authority.issue("early", begins=HOUR, ends=2 * HOUR),
                 "wrong host": self.authority.issue("host", names="DNS:elsewhere.example"),
                 "unknown authority": other.issue("unknown"),
                 "SHA-1": self.authority.issue("sha1", digest="sha1")}
        for name, pair in cases.items():
            with self.subTest(name):
                self.refused_without_a_token(self.server(pair=pair))

    def test_f12_an_old_protocol_is_refused_before_the_token_is_sent(self):
        server = self.server()
        server.context.minimum_version = ssl.TLSVersion.TLSv1
        server.context.maximum_version = ssl.TLSVersion.TLSv1_1
        self.refused_without_a_token(server)

    def refused_without_a_token(self, server, **options):
        self.serve(server, **options)
        try:
            self.assertEqual(self.errno("t/good/k"), errno.EREMOTEIO)
            self.assertEqual(server.tokens(), [])
            wait_for("status says why", lambda: any(word in self.daemon.cli("status").stdout.decode().lower() for word in ("certificate", "tls")), 3)
        finally:
            self.daemon.stop()

    def test_f12_a_client_certificate_that_has_expired_is_refused_by_the_server_and_said(self):
        server = self.server()
        server.context.load_verify_locations(self.authority.ca)
        server.context.verify_mode = ssl.CERT_REQUIRED
        expired = self.authority.issue("client-late", begins=-2 * HOUR, ends=-HOUR)
        good = self.authority.issue("client-good")
        self.serve(server, backend={"client_certificate": expired.certificate, "client_key": expired.key})
        self.assertEqual(self.errno("t/good/k"), errno.EREMOTEIO)
        self.assertEqual(server.tokens(), [])
        self.daemon.stop()
        self.serve(server, backend={"client_certificate": good.certificate, "client_key": good.key})
        self.assertEqual(self.read("t/good/k"), "value")

    # F13: redirects.

    def test_f13_a_redirect_is_followed_to_configured_hosts_only_and_no_other_gets_the_token(self):
        other = self.server(FakeVault({"r": {"k": "stolen"}}, TOKEN))
        plain = ScriptedServer(None, FakeVault({"r": {"k": "stolen"}}, TOKEN))
        self.addCleanup(plain.close)
        server = self.server()
        for name, target in {"other": other.address, "plain": plain.address, "itself": server.address, "file": "file:///etc/passwd",
                             "none": None}.items():
            headers = {"Location": f"{target}/v1/kv/{name}"} if target else {}
            self.vault.odd[f"kv/{name}"] = lambda request, stream, headers=headers: answer(307, b"", **headers)
        self.serve(server)
        for name in ("other", "plain", "itself", "file", "none"):
            with self.subTest(name):
                self.assertEqual(self.errno(f"t/{name}/k"), errno.EREMOTEIO)
        self.assertEqual((other.requests, plain.requests), ([], []))
        self.assertLess(server.count("kv/itself"), 20)
        self.assertEqual(self.read("t/good/k"), "value")

    def test_f13_a_standby_that_redirects_to_a_configured_leader_is_followed(self):
        leader = self.server()
        standby = self.server(lambda request, stream: answer(307, b"", Location=f"{leader.address}/v1/{request.path}"))
        self.serve(standby, address=[standby.address, leader.address])
        self.assertEqual(self.read("t/good/k"), "value")

    def test_s1_escapes_numbers_and_unknown_members_are_read_as_json_says(self):
        body = (b'{"new":[{"x":{}}],"request_id":"r","data":{"e":"\\u00fc\\ud83d\\ude00\\n","n":1e300,"i":-0,'
                b'"long":0.10000000000000000000001},"lease_duration":"60"}')
        self.vault.odd["kv/json"] = lambda request, stream: answer(200, body)
        self.serve(self.server())
        self.assertEqual(self.read("t/json/e"), "\u00fc\U0001f600\n")
        for key, text in {"n": "1e300", "i": "-0", "long": "0.10000000000000000000001"}.items():
            with self.subTest(key):
                self.assertEqual(self.read(f"t/json/{key}"), text)


if __name__ == "__main__":
    harness.main()
