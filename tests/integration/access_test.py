#!/usr/bin/env python3
"""S5, S21, S22, S24: who may open what, on the real mount with warm caches."""

import errno
import os
import random
import shutil
import subprocess
import tempfile
import time
import unittest

import harness
from harness import ALICE, BOB, Daemon, DaemonTest, as_user, errno_as, read_as

OPENS = int(os.environ.get("LEASEFS_OPENS", "100000"))
GROUP = 54400

RULES = f"""
[[allow]]
path = "web/alice/**"
user = [{ALICE}]
[[allow]]
path = "web/both/**"
user = [{ALICE}, {BOB}]
[[allow]]
path = "web/group/**"
group = [{GROUP}]
[[allow]]
path = "web/and/**"
user = [{ALICE}]
group = [{GROUP}]
"""


class Matrix(DaemonTest):
    def configure(self):
        return Daemon(rules=RULES)

    def setUp(self):
        super().setUp()
        for name in ("alice", "both", "group", "and", "nobody"):
            self.daemon.put(f"web/{name}/s", k=name.encode())

    def outcome(self, uid, name, gid=None, groups=()):
        return errno_as(uid, self.path(f"web/{name}/s/k"), gid, groups)

    def test_s21_users_groups_and_both(self):
        allowed = {
            ("alice", ALICE): 0, ("alice", BOB): 13, ("alice", 0): 13,
            ("both", ALICE): 0, ("both", BOB): 0, ("both", 0): 13,
            ("group", ALICE): 13, ("and", ALICE): 13, ("nobody", ALICE): 13, ("nobody", 0): 13,
        }
        for (name, uid), expected in allowed.items():
            with self.subTest(f"{name} {uid}"):
                self.assertEqual(self.outcome(uid, name), expected)
        self.assertEqual(self.outcome(BOB, "group", groups=[GROUP]), 0)
        self.assertEqual(self.outcome(BOB, "group", gid=GROUP), 0)
        self.assertEqual(self.outcome(ALICE, "and", groups=[1, 2, GROUP, 7]), 0)
        self.assertEqual(self.outcome(BOB, "and", groups=[GROUP]), 13)
        many = list(range(70000, 70000 + 500)) + [GROUP]
        self.assertEqual(self.outcome(BOB, "group", groups=many), 0)

    def test_s21_a_setgid_program_is_the_program_and_nothing_else(self):
        folder = tempfile.mkdtemp(prefix="leasefs-setgid-", dir="/var/tmp")
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o755)
        program = os.path.join(folder, "reader")
        shutil.copy("/bin/cat", program)
        os.chown(program, 0, GROUP)
        os.chmod(program, 0o2755)
        run = lambda command: subprocess.run([command, self.path("web/group/s/k")], user=BOB, group=BOB, extra_groups=[],
                                             capture_output=True, check=False)
        self.assertEqual(run(program).stdout, b"group")
        self.assertIn(b"Permission denied", run("/bin/cat").stderr)

    def test_s5_owner_and_mode_follow_from_the_rules(self):
        shown = {name: os.stat(self.path(f"web/{name}/s/k")) for name in ("alice", "both", "group", "nobody")}
        self.assertEqual((shown["alice"].st_uid, shown["alice"].st_mode & 0o7777), (ALICE, 0o400))
        self.assertEqual((shown["group"].st_uid, shown["group"].st_gid, shown["group"].st_mode & 0o7777), (0, GROUP, 0o440))
        self.assertEqual((shown["both"].st_uid, shown["both"].st_mode & 0o7777), (0, 0o444))
        self.assertEqual(shown["nobody"].st_mode & 0o7777, 0o444)

    def test_s22_names_are_visible_to_all_and_a_hidden_tree_to_none_else(self):
        self.assertEqual(sorted(as_user(BOB, lambda: os.listdir(self.path("web")))), ["alice", "and", "both", "group", "nobody"])
        self.daemon.write_config(trees='[[tree]]\npath = "web"\nsource = "local:web"\nhidden = true\n')
        self.assertEqual(self.daemon.reload().returncode, 0)
        self.assertEqual(as_user(BOB, lambda: os.listdir(self.path("web"))), ["both"])
        with self.assertRaises(FileNotFoundError):
            as_user(BOB, lambda: os.stat(self.path("web/alice/s/k")).st_size)
        self.assertEqual(self.outcome(ALICE, "alice"), 0)

    def test_s22_a_tree_that_is_hidden_by_a_reload_is_hidden_from_those_who_have_looked(self):
        paths = [self.path(f"web/alice{below}") for below in ("", "/s", "/s/k")]
        self.assertEqual(self.outcome(ALICE, "alice"), 0)
        for path in paths:  # the kernel keeps these for an hour
            self.assertGreater(as_user(BOB, lambda path=path: os.stat(path).st_mode), 0)
        self.daemon.write_config(trees='[[tree]]\npath = "web"\nsource = "local:web"\nhidden = true\n')
        self.assertEqual(self.daemon.reload().returncode, 0)

        def sees(path, look):
            try:
                as_user(BOB, lambda: bool(look(path)))
                return True
            except FileNotFoundError:
                return False

        for path in paths:
            harness.wait_for(f"{path} is hidden", lambda path=path: not sees(path, os.stat))
        for path in paths[:2]:
            self.assertFalse(sees(path, os.listdir), path)
        self.assertEqual(self.outcome(BOB, "alice"), 2)
        self.assertEqual(self.outcome(ALICE, "alice"), 0)

    def test_s24_one_user_then_another_then_a_rule_taken_away_with_warm_caches(self):
        """No wrong answer in OPENS opens by three users, while the rules change; every cache of the kernel is warm."""
        path = self.path("web/alice/s/k")

        def open_many(count, expect_ok):
            wrong = 0
            for _ in range(count):
                try:
                    fd = os.open(path, os.O_RDONLY)
                    ok = os.read(fd, 10) == b"alice"
                    os.close(fd)
                except PermissionError:
                    ok = False
                wrong += ok != expect_ok
            return wrong

        rounds = 5
        share = OPENS // (rounds * 5)
        for _ in range(rounds):
            self.assertEqual(as_user(ALICE, lambda: open_many(share, True)), 0)
            self.assertEqual(as_user(BOB, lambda: open_many(share, False)), 0)
            self.assertEqual(as_user(0, lambda: open_many(share, False)), 0)
            self.daemon.write_config(rules=RULES.replace(f"[{ALICE}]", f"[{BOB}]", 1))
            self.assertEqual(self.daemon.reload().returncode, 0)
            self.assertEqual(as_user(ALICE, lambda: open_many(share, False)), 0)
            self.assertEqual(as_user(BOB, lambda: open_many(share, True)), 0)
            self.daemon.write_config(rules=RULES)
            self.assertEqual(self.daemon.reload().returncode, 0)

    def test_explain_says_what_the_mount_does(self):
        chance = random.Random(5)
        for _ in range(60):
            uid = chance.choice([0, ALICE, BOB])
            groups = chance.choice([[], [GROUP]])
            name = chance.choice(["alice", "both", "group", "and", "nobody"])
            said = self.daemon.json("explain", "--user", str(uid), *[f"--group={group}" for group in groups], f"web/{name}/s/k")
            self.assertEqual(said["allowed"], self.outcome(uid, name, groups=groups) == 0, (uid, groups, name, said))

    def test_a_descriptor_is_a_capability_after_open(self):
        fd = -1

        def receive():
            return os.pread(fd, 10, 0).decode()

        pid_holder = as_user(ALICE, lambda: os.open(self.path("web/alice/s/k"), os.O_RDONLY) >= 0)
        self.assertTrue(pid_holder)
        os.setresuid(ALICE, ALICE, 0)  # this process opens as Alice, and passes the descriptor on
        try:
            fd = os.open(self.path("web/alice/s/k"), os.O_RDONLY)
        finally:
            os.setresuid(0, 0, 0)
        self.addCleanup(os.close, fd)
        self.assertEqual(as_user(BOB, receive), "alice")
        self.assertEqual(self.outcome(BOB, "alice"), errno.EACCES)

    def test_s23_every_open_is_in_the_audit_refusals_too(self):
        before = len(self.daemon.opens())
        self.outcome(ALICE, "alice")
        self.outcome(BOB, "alice")
        self.outcome(ALICE, "missing")  # is no open: a record of it would stand before the last one
        self.outcome(0, "alice")
        harness.wait_for("three records", lambda: len(self.daemon.opens()) >= before + 3)
        records = self.daemon.opens()[before:]
        self.assertEqual([(r["uid"], r["outcome"], r["path"]) for r in records], [
            (ALICE, "allowed", "web/alice/s/k"), (BOB, "denied", "web/alice/s/k"), (0, "denied", "web/alice/s/k")])
        self.assertEqual([r["rule"] for r in records], [0, None, None])


class Refusal(unittest.TestCase):
    def test_s23_without_a_working_sink_opens_fail_within_moments_and_recover(self):
        with Daemon(audit='file = ""\nsyslog = true\nsyslog_socket = "SOCKET"\n') as daemon:
            import socket
            address = str(daemon.dir / "log.sock")
            daemon.write_config(audit=daemon.parts["audit"].replace("SOCKET", address))
            receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            receiver.bind(address)
            os.chmod(address, 0o666)
            daemon.init().start()
            daemon.put("web/v", k=b"value")
            path = str(daemon.mount / "web/v/k")
            self.assertEqual(read_as(ALICE, path), b"value")
            time.sleep(0.1)
            receiver.settimeout(5)
            text = receiver.recv(65536)
            self.assertTrue(text)
            receiver.close()
            os.unlink(address)
            harness.wait_for("opens fail", lambda: errno_as(ALICE, path) == errno.EIO, 4)
            start = time.monotonic()
            self.assertEqual(errno_as(ALICE, path), errno.EIO)
            self.assertLess(time.monotonic() - start, 2)  # and not at the deadline of 5 s
            receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            receiver.bind(address)
            os.chmod(address, 0o666)
            harness.wait_for("opens succeed again", lambda: errno_as(ALICE, path) == 0)
            receiver.close()


if __name__ == "__main__":
    harness.main()
