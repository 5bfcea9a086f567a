#!/usr/bin/env python3
"""Rows F1, F2, F4 and F9 to F13 of the fault matrix where no real server will do: a scripted one stalls, drips, lies, redirects and shows bad
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
from concurrent.futures import ThreadPoolExecutor  # by name: a child of another uid may not read where Python lies

import harness
from certificates import HOUR, Authority
from harness import ALICE, BOB, MIB, as_user, errno_as, errno_of, read_as, wait_for
from scripted_server import FakeVault, ScriptedServer, answer, data, errors
from vault_harness import VaultDaemon, at, tree

TOKEN = "s.TheTokenOfTheseTests"
SLACK = 2  # s, for what a busy machine adds to a deadline
ENVELOPE = b'{"request_id":"r","lease_id":"","renewable":false,"lease_duration":60,"data":%s,"wrap_info":null,"warnings":null,"auth":null}'


class Outage:
    """A server of its own that fails in one way, and a daemon with a static, a leased and two cold secrets of it. Several run side by side."""

    WARM, COLD, LIFE = "database/creds/warm", "database/creds/cold", 20  # s

    def __init__(self, test, how):
        self.test, self.how = test, how
        self.vault = FakeVault({"a": {"k": "value"}, "cold": {"k": "value"}}, TOKEN, {self.WARM: self.LIFE, self.COLD: 3600})
        self.server = test.server(self.vault)
        test.addCleanup(self.vault.recover)
        self.errno = errno.EREMOTEIO if isinstance(how, int) else errno.ETIMEDOUT  # S25

    def open(self, name):
        return errno_as(ALICE, self.daemon.mount / name)

    def credential(self):
        return [read_as(ALICE, self.daemon.mount / "warm" / key) for key in ("username", "password")]

    def is_stale(self):
        return self.daemon.words("t/a/k").startswith("stale: ")

    def begin(self):
        trees = tree("t", "kv", ttl="1s", max_stale="5s") + tree("warm", self.WARM) + tree("cold", self.COLD)
        self.daemon = self.test.serve(self.server, trees, auth={"method": "approle", "role_id": "r", "secret_id": at(self.test.token_file)})
        self.test.assertEqual(self.open("t/a/k"), 0)
        self.held = self.credential()
        self.test.assertEqual((self.server.count("auth/approle/login"), self.server.count(self.WARM)), (1, 1))
        self.vault.fail(self.how)
        self.mark, self.begun = len(self.server.requests), time.monotonic()

    def copies_are_served(self):
        wait_for(f"{self.how}: stale", lambda: self.open("t/a/k") == 0 and self.is_stale(), 5)
        self.test.assertEqual(self.credential(), self.held)

    def what_is_cold_fails(self):
        for name in ("t/cold/k", "cold/password"):
            self.test.assertEqual((self.how, name, self.open(name)), (self.how, name, self.errno))
        wait_for(f"{self.how}: max_stale is over", lambda: self.open("t/a/k") == self.errno)

    def has_tried_to_renew(self):
        """Twice, or, where no answer comes and the address rests, for the time when it was due."""
        if isinstance(self.how, int):
            return self.server.count("sys/leases/renew", self.mark) >= 2
        return time.monotonic() - self.begun > self.LIFE * 0.75

    def end(self):
        self.test.assertEqual(self.credential(), self.held)
        requests = len(self.server.requests) - self.mark
        tried = {path: self.server.count(path, self.mark) for path in (
            "auth/approle/login", self.WARM, self.COLD, "sys/leases/revoke", "auth/token/revoke-self", "auth/token/revoke")}
        self.vault.recover()
        took = time.monotonic() - self.begun
        print(f"{self.how}: {took:.1f} s, {requests} requests, of them {tried}")
        self.test.assertLess(took, self.LIFE)
        self.test.assertLessEqual(tried.pop(self.COLD), 1)  # there was one open, so one mint
        self.test.assertEqual(set(tried.values()), {0}, tried)

    def is_over(self):
        wait_for(f"{self.how}: all is there", lambda: [self.open(name) for name in ("t/a/k", "t/cold/k", "cold/password", "warm/password")] == [0] * 4, 40)
        self.test.assertEqual([self.server.count(path) for path in ("auth/approle/login", "sys/leases/revoke")], [1, 0])
        if isinstance(self.how, int):  # the others' address rested, perhaps beyond the end of the lease
            wait_for(f"{self.how}: it is renewed", lambda: self.vault.renewed > 0)
            self.test.assertEqual((self.credential(), self.server.count(self.WARM)), (self.held, 1))


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

    def serve(self, server, trees=None, deadline="2s", address=None, auth=None, **options):
        self.daemon = VaultDaemon(address or server.address, options.pop("ca", self.authority.ca), [trees or tree("t", "kv", ttl="1s")],
                                  auth or {"method": "token", "token": at(self.token_file)}, extra=f'[limits]\ndeadline = "{deadline}"\n', **options)
        self.addCleanup(self._close, self.daemon)
        self.daemon.start()
        return self.daemon

    def _close(self, daemon):
        if self._outcome is not None and not self._outcome.success:
            print(f"--- log of the daemon of {self.id()}\n{daemon.log_text()}", file=sys.stderr)
        daemon.close()

    def read(self, name):
        return read_as(ALICE, self.daemon.mount / name).decode()

    def errno(self, name):
        return errno_as(ALICE, self.daemon.mount / name)

    def resident(self, what="VmRSS"):
        """KiB of the backend's process; VmHWM: the most since forget_peak()."""
        pid = self.daemon.child(self.daemon.backend_role())
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(what + ":"):
                return int(line.split()[1])
        raise AssertionError(f"no {what}")

    def forget_peak(self):
        pathlib.Path(f"/proc/{self.daemon.child(self.daemon.backend_role())}/clear_refs").write_text("5")

    # F1, F2, F4: outages. A real server's audit does not know what was asked of it while it was down; this one records all that arrives.

    def test_f1_f2_f4_in_an_outage_no_login_mint_or_revocation_is_even_tried(self):
        outages = [Outage(self, how) for how in (500, 502, 503, "hang", "close")]
        for outage in outages:
            outage.begin()
        for outage in outages:
            outage.copies_are_served()
        for outage in outages:
            outage.what_is_cold_fails()
        under_way = list(outages)
        while under_way:
            for outage in [outage for outage in under_way if outage.has_tried_to_renew()]:
                outage.end()
                under_way.remove(outage)
            time.sleep(0.02)
        for outage in outages:
            outage.is_over()

    # S18: of one mount all reads hang, nearly four times as many as there are places.

    def test_s18_a_mount_that_hangs_fails_no_path_of_another(self):
        names, calm = [f"s{n}" for n in range(60)], threading.Event()

        def slow(request, stream):
            path = request.path.split("?")[0].rstrip("/")
            if path.startswith("sys/internal/ui/mounts/slow"):
                return data({"path": "slow/", "type": "kv", "options": {"version": "1"}, "uuid": "s", "accessor": "kv_2"})
            if path.split("/")[0] != "slow":
                return self.vault(request, stream)
            if request.method == "LIST" or "list=true" in request.path:
                return data({"keys": names}) if path == "slow" else errors(404)
            calm.wait(60)
            return data({"k": "at last"})

        server = self.server(slow)
        self.addCleanup(calm.set)
        self.serve(server, tree("t", "kv", ttl="1h") + tree("slow", "slow"), deadline="4s")
        self.assertEqual(self.read("t/good/k"), "value")

        def read_all():
            with ThreadPoolExecutor(len(names)) as threads:
                return list(threads.map(lambda name: errno_of(self.daemon.mount / "slow" / name / "k"), names))

        enough = self.daemon.dir / "enough"

        def read_and_read():
            seen = set()
            while not enough.exists():
                seen |= set(read_all())
            return sorted(seen)

        with ThreadPoolExecutor() as threads:
            hanging = threads.submit(as_user, BOB, read_and_read)
            try:
                wait_for("no place is left", lambda: sum(server.count(f"slow/{name}") for name in names) >= 16)
                self.assertEqual(as_user(ALICE, lambda: [errno_of(self.daemon.mount / "t" / name / "k") for name in names]), [0] * len(names))
            finally:
                enough.touch()
            self.assertEqual(hanging.result(60), [errno.ETIMEDOUT])
        calm.set()
        wait_for("all are there", lambda: as_user(ALICE, read_all) == [0] * len(names), 40)

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
        ways = [drip, stall, endless]
        self.vault.odd = {f"kv/stalls{number}": ways[number % 3] for number in range(15)}  # all but one of as many as are asked for at once
        names = [name.removeprefix("kv/") for name in self.vault.odd]
        server = self.server()
        self.serve(server, deadline="6s")

        def times(first, count=40):
            def child():
                found = []
                for number in range(first, first + count):
                    start = time.monotonic()
                    with open(self.daemon.mount / f"t/s{number}/k", encoding="utf-8") as file:
                        assert file.read() == f"value {number}"
                    found.append(time.monotonic() - start)
                return sorted(found)
            return as_user(ALICE, child)
        ended = {}

        def end(name):
            start = time.monotonic()
            ended[name] = (self.errno(f"t/{name}/k"), time.monotonic() - start)
        calm = times(0)
        readers = [threading.Thread(target=end, args=(name,)) for name in names]
        for reader in readers:
            reader.start()
        wait_for("all of them are asked for", lambda: sum(map(server.count, self.vault.odd)) == 15, 3)
        busy = times(40)
        self.assertEqual(ended, {}, busy)
        for reader in readers:
            reader.join()
        for what, found in (("calm", calm), ("beside 15 that stall", busy)):
            print(f"40 other secrets, {what}: median {found[20] * 1000:.1f} ms, at most {found[-1] * 1000:.1f} ms")
        self.assertLess(busy[20], 3 * calm[20] + 0.1)
        self.assertLess(busy[-1], 2)  # one that waits for a stalling one to end takes up to its 6 s
        self.assertEqual(set(ended), set(names))
        for name, (number, took) in ended.items():
            with self.subTest(name):
                self.assertIn(number, (errno.ETIMEDOUT, errno.EREMOTEIO))
                self.assertLess(took, 6 + SLACK)

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
            "keys": ENVELOPE % keys, "twice": ENVELOPE % b'{"k":"v","k":"w"}', "data-twice": b'{"data":{"k":"v"},"data":{"k":"w"}}',
            "twice-below": ENVELOPE % b'{"k":{"a":1,"a":2}}', "nul-outside": b"\x00" + ENVELOPE % b'{"k":"v"}'}
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
                self.forget_peak()
                # An answer that ends before its length is a connection that broke.
                self.assertIn(self.errno(f"t/{name}/k"), (errno.EREMOTEIO, errno.EFBIG if name != "short" else errno.ETIMEDOUT))
                peak = self.resident("VmHWM")
                taken = len(bodies.get(name, b"")) // 1024  # whole, up to 16 MiB, before it is looked at
                print(f"{name}: resident {before} KiB before, {peak} KiB at the peak, of an answer of {taken} KiB")
                self.assertLess(peak - before - taken, 8 * 1024)
                self.assertEqual(self.read("t/good/k"), "value")
        self.assertLess(self.resident() - before, 8 * 1024)
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
            wait_for("status says why", lambda: any(word in self.daemon.cli("status").stdout.decode().lower() for word in ("certificate", "tls")))
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
