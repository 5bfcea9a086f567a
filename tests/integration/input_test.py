#!/usr/bin/env python3
"""Bad input: an error that names the place; nothing changed, nothing lost."""

import os
import random
import socket
import struct
import subprocess
import time
import unittest

import harness
from harness import ALICE, BOB, BUILD, Daemon, DaemonTest, as_user, read_as


class Configuration(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon()
        self.addCleanup(self.daemon.close)
        self.daemon.init()
        self.good = self.daemon.config.read_text()

    def check(self, text=None, program="leasefsd"):
        if text is not None:
            self.daemon.config.write_bytes(text if isinstance(text, bytes) else text.encode())
        command = [BUILD / "leasefsd", "--config", self.daemon.config, "--check-config"] if program == "leasefsd" else [
            BUILD / "leasefs", "check-config", self.daemon.config]
        start = time.monotonic()
        result = subprocess.run(command, capture_output=True, timeout=20, check=False)
        self.assertLess(time.monotonic() - start, 5)
        return result.returncode, (result.stdout + result.stderr).decode(errors="replace")

    def refused(self, text, *words):
        for program in ("leasefsd", "leasefs"):
            status, said = self.check(text, program)
            self.assertEqual(status, 78, said)
            for word in words:
                self.assertIn(word, said)

    def line_of(self, text, part):
        return text[:text.index(part)].count("\n") + 1

    def test_the_good_one_is_good(self):
        self.assertEqual(self.check()[0], 0)

    def test_each_error_names_its_place_and_what_to_do(self):
        misspelt = self.good.replace("[[allow]]\npath", "[[allow]]\npaht")
        self.refused(misspelt, f"leasefs.toml:{self.line_of(misspelt, 'paht')}:", "path")
        unknown = self.good.replace(f"user = [{ALICE}]", 'user = ["nobody-of-this-name"]')
        self.refused(unknown, f"leasefs.toml:{self.line_of(unknown, 'nobody-of')}:", "nobody-of-this-name")
        self.refused(self.good + '\n[[tree]]\npath = "web/inner"\nsource = "local:x"\n', "web")
        self.refused(self.good + '\n[[tree]]\npath = "other"\nsource = "loacl:x"\n', "loacl", "local")
        self.refused(self.good.replace('source = "local:web"', "source = 5"), "source")
        self.refused(self.good + "\n[[allow]\n", "leasefs.toml:")
        self.refused(self.good.encode() + b'\nx = "\xff\xfe"\n', "leasefs.toml")
        self.refused(b"# " + b"x" * (10 << 20), "leasefs.toml")
        self.refused("\0" * 100, "leasefs.toml")

    def test_files_that_are_not_what_they_should_be(self):
        os.chmod(self.daemon.config, 0o666)
        self.refused(None, "leasefs.toml")
        os.chmod(self.daemon.config, 0o644)
        os.chown(self.daemon.config, ALICE, ALICE)
        self.refused(None, "leasefs.toml")
        os.unlink(self.daemon.config)
        self.refused_path("there is none")
        os.mkdir(self.daemon.config)
        self.refused_path("a directory")
        os.rmdir(self.daemon.config)
        os.mkfifo(self.daemon.config)
        self.refused_path("a FIFO")

    def test_a_key_file_is_judged_alike_by_all_who_read_the_configuration(self):
        place = f"leasefs.toml:{self.line_of(self.good, 'key = ')}:7: key file {self.daemon.key}"
        os.rename(self.daemon.key, self.daemon.key.with_suffix(".away"))
        for program in ("leasefsd", "leasefs"):
            status, said = self.check(None, program)
            self.assertEqual(status, 0, said)
            self.assertIn(place + " is not there", said)
        self.daemon.start()
        self.assertIn(place + " is not there", self.daemon.cli("reload").stderr.decode())
        os.rename(self.daemon.key.with_suffix(".away"), self.daemon.key)
        os.chmod(self.daemon.key, 0o440)
        self.refused(None, place + " is open to others than root")
        reload = self.daemon.cli("reload", check=False)
        self.assertEqual(reload.returncode, 2)
        self.assertIn(place + " is open to others than root", reload.stderr.decode())
        os.chmod(self.daemon.key, 0o400)

    def refused_path(self, what):
        status, said = self.check()
        self.assertEqual(status, 78, what)
        self.assertIn("leasefs.toml", said)

    def test_a_daemon_does_not_start_with_a_bad_file_and_mounts_nothing(self):
        self.daemon.config.write_text(self.good + "\nunknown = 1\n")
        result = subprocess.run([BUILD / "leasefsd", "--config", self.daemon.config], capture_output=True, timeout=20, check=False)
        self.assertEqual(result.returncode, 78)
        self.assertEqual(harness.mounts_below(self.daemon.dir), [])


class Sockets(DaemonTest):
    """Garbage on both sockets closes that connection and nothing else."""

    def setUp(self):
        super().setUp()
        self.daemon.put("web/v", k=b"value")

    def connect(self, name):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(15)
        client.connect(str(self.daemon.run / name))
        return client

    def closed(self, client):
        try:
            while client.recv(65536):
                pass
        except ConnectionError:
            pass
        return True

    def still_fine(self):
        self.assertEqual(read_as(ALICE, self.path("web/v/k")), b"value")
        self.daemon.cli("status")
        self.daemon.cli("ls", "web")

    def test_garbage_huge_lengths_and_early_ends(self):
        chance = random.Random(9)
        for name in ("control.sock", "store-local.sock"):
            for bytes_ in (b"GET / HTTP/1.1\r\n\r\n", struct.pack("<IHH", 0xFFFFFFFF, 1, 0), struct.pack("<IHH", 1 << 30, 1, 0) + b"x" * 1000,
                           struct.pack("<IHH", 4, 0, 0) + b"abcd", struct.pack("<IHH", 4, 1, 7) + b"abcd",
                           *(struct.pack("<IHH", 64, 1, 0) + chance.randbytes(64) for _ in range(50))):
                with self.connect(name) as client:
                    client.sendall(bytes_)
                    client.shutdown(socket.SHUT_WR)
                    self.assertTrue(self.closed(client))
        self.still_fine()

    def test_slow_and_silent_peers_do_not_keep_others_out(self):
        clients = []
        for name in ("control.sock", "store-local.sock"):
            for _ in range(20):
                client = self.connect(name)
                client.sendall(struct.pack("<I", 100))
                clients.append(client)
        self.still_fine()
        for client in clients:
            client.close()

    def test_a_wrong_peer_is_not_listened_to(self):
        for name in ("control.sock", "store-local.sock"):
            os.chmod(self.daemon.run / name, 0o666)  # the mode alone is not what keeps strangers out

            def try_it(name=name):
                client = socket.socket(socket.AF_UNIX)
                client.settimeout(10)
                client.connect(str(self.daemon.run / name))
                try:
                    client.sendall(struct.pack("<IHH", 16, 1, 0) + b"\0" * 16)
                    return len(client.recv(100))
                except ConnectionError:
                    return 0

            self.assertEqual(as_user(BOB, try_it), 0)
        self.still_fine()

    def test_an_act_that_was_allowed_and_fails_is_in_the_audit_twice(self):
        def acts():
            return [(record["verb"], record["outcome"], record.get("error")) for record in self.daemon.audit() if record["type"] == "admin"]

        before = len(harness.wait_for("the record of the first put", acts))
        self.daemon.cli("get", "web/nowhere", "k", check=False)
        self.daemon.put("web/v", k=b"value")
        harness.wait_for("three records", lambda: len(acts()) >= before + 3)
        self.assertEqual(acts()[before:], [("get", "allowed", None), ("get", "failed", "ENOENT"), ("put", "allowed", None)])

    def test_what_needs_root_is_refused_to_the_group(self):
        import grp
        group = grp.getgrnam("leasefs").gr_gid
        for arguments, allowed in ((["status"], True), (["ls"], True), (["get", "web/v", "k"], False), (["store", "backup", "/tmp/x"], False)):
            result = subprocess.run([BUILD / "leasefs", "--config", self.daemon.config, "--socket-dir", self.daemon.run, *arguments], user=BOB,
                                    group=BOB, extra_groups=[group], capture_output=True, check=False)
            self.assertEqual(result.returncode == 0, allowed, (arguments, result.stderr))


class FirstHour(unittest.TestCase):
    def test_a_store_that_is_made_after_the_start_opens_without_a_restart(self):
        daemon = Daemon()
        self.addCleanup(daemon.close)
        daemon.start()
        for said in (daemon.cli("store", "status").stdout, daemon.cli("ls", check=False).stderr, daemon.cli("status").stdout):
            self.assertIn(b"leasefs store init", said)
            self.assertNotIn(b"store unlock local", said)
        daemon.init()
        harness.wait_for("the store opens", lambda: daemon.json("store", "status")["stores"][0]["state"] == "open")
        daemon.put("web/v", k=b"value")
        self.assertEqual(read_as(ALICE, daemon.mount / "web/v/k"), b"value")

    def test_a_key_that_was_mended_is_taken_at_a_reload(self):
        daemon = Daemon()
        self.addCleanup(daemon.close)
        daemon.init()
        good = daemon.key.read_bytes()
        daemon.key.chmod(0o600)
        for bad in (b"no key", good[:30] + b"AAAA" + good[34:]):
            daemon.key.write_bytes(bad)
            daemon.start()
            self.assertIn(b"leasefs reload", daemon.cli("ls", check=False).stderr)
            daemon.key.write_bytes(good)
            daemon.cli("reload")
            harness.wait_for("the store opens", lambda: daemon.json("store", "status")["stores"][0]["state"] == "open")
            daemon.stop()


class Import(DaemonTest):
    def bad(self, name, content, *words):
        file = self.daemon.dir / name
        file.write_bytes(content)
        before = self.daemon.cli("ls", "-r").stdout
        result = self.daemon.cli("import", file, "--to", "web/imported", check=False)
        self.assertEqual(result.returncode, 1, result.stderr)
        said = result.stderr.decode()
        self.assertIn(name, said)
        for word in words:
            self.assertIn(word, said)
        self.assertNotIn("sesame", said, "the value was quoted")
        self.assertEqual(self.daemon.cli("ls", "-r").stdout, before)

    def test_bad_files_name_the_place_and_change_nothing(self):
        self.daemon.put("web/v", k=b"value")
        self.bad("a.json", b'{"k": "sesame",\n "l": sesame}', ":2:")
        self.bad("b.json", b'{"k": "sesame\xff"}', ":1:")
        self.bad("c.json", b"[" * 100000)
        self.bad("d.json", b'{"k": "sesame"')
        self.bad("e.env", b"A=1\nB='sesame\n", ":2:")
        self.bad("f.env", b"A=1\n=sesame\n", ":2:")
        self.assertEqual(read_as(ALICE, self.path("web/v/k")), b"value")

    def test_good_ones_arrive(self):
        (self.daemon.dir / "x.env").write_text("export A=1\nB='two words'\n# comment\nC=\"a\\nb\"\n")
        self.daemon.cli("import", self.daemon.dir / "x.env", "--to", "web/env")
        self.assertEqual(read_as(ALICE, self.path("web/env/B")), b"two words")
        self.assertEqual(read_as(ALICE, self.path("web/env/C")), b"a\nb")
        folder = self.daemon.dir / "tree"
        (folder / "sub").mkdir(parents=True)
        (folder / "sub" / "k").write_bytes(b"\x00\xff")
        self.daemon.cli("import", folder, "--to", "web/tree")
        self.assertEqual(read_as(ALICE, self.path("web/tree/sub/k")), b"\x00\xff")


if __name__ == "__main__":
    harness.main()
