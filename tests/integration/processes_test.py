#!/usr/bin/env python3
"""What each process is and is not: users, capabilities, namespaces, descriptors, environment; and what it may not do."""

import contextlib
import errno
import os
import pathlib
import pwd
import signal
import subprocess
import time

import harness
from harness import ALICE, DaemonTest, read_as, wait_for


def status_of(pid):
    return dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


def descriptors_of(pid):
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
    return found


class Processes(DaemonTest):
    def setUp(self):
        super().setUp()
        self.daemon.put("web/v", k=b"value")
        self.assertEqual(read_as(ALICE, self.path("web/v/k")), b"value")
        self.fs = self.daemon.child("fs")
        self.store = self.daemon.child("store local")

    def test_each_child_is_its_own_user_without_any_privilege(self):
        for pid, user in ((self.fs, "leasefs"), (self.store, "leasefs-backend")):
            status = status_of(pid)
            ids = pwd.getpwnam(user)
            self.assertEqual(status["Uid"].split(), [str(ids.pw_uid)] * 4)
            self.assertEqual(status["Gid"].split(), [str(ids.pw_gid)] * 4)
            self.assertEqual(status["Groups"].split(), [])
            for set_of in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                self.assertEqual(int(status[set_of], 16), 0, f"{user} {set_of}")
            self.assertEqual(status["NoNewPrivs"], "1")
            self.assertLessEqual(int(status["Threads"]), 8)
            limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
            core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
            self.assertEqual(core.split()[4:6], ["0", "0"])
            self.assertEqual(pathlib.Path(f"/proc/{pid}/fd").stat().st_uid, 0, "it is dumpable: its uid owns its /proc")

    def test_fs_and_store_have_a_network_of_their_own_that_is_empty(self):
        keeper = os.readlink(f"/proc/{self.daemon.process.pid}/ns/net")
        networks = {os.readlink(f"/proc/{pid}/ns/net") for pid in (self.fs, self.store)}
        self.assertNotIn(keeper, networks)
        self.assertEqual(len(networks), 2)
        for pid in (self.fs, self.store):
            lines = pathlib.Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
            self.assertEqual([line.split(":")[0].strip() for line in lines], ["lo"])
            self.assertLessEqual(pathlib.Path(f"/proc/{pid}/net/route").read_text().count("\n"), 1)  # a heading at the most

    def test_each_child_holds_just_the_descriptors_that_it_needs(self):
        fs, store = descriptors_of(self.fs), descriptors_of(self.store)
        self.assertIn("/dev/fuse", fs.values())
        self.assertNotIn("/dev/fuse", store.values())
        self.assertFalse([name for name in fs.values() if "store" in name], "fs holds something of the store")
        memories = {name.split(":")[1].split()[0] for name in fs.values() if name.startswith("/memfd:")}
        self.assertEqual(memories, {"leasefs-config", "leasefs-slots", "leasefs-state", "leasefs-audit"})
        self.assertLessEqual({name.split(":")[1].split()[0] for name in store.values() if name.startswith("/memfd:")}, {"leasefs-config"})
        log, audit = str(self.daemon.log), str(self.daemon.audit_file)
        self.assertLessEqual(self.files(fs), {"/dev/null", "/dev/fuse", "/", log, audit})  # "/": the procfs that hides nobody
        own = {name for name in self.files(store) if name.startswith((str(self.daemon.store), str(self.daemon.key)))}
        self.assertLessEqual(self.files(store) - own, {"/dev/null", log})

    @staticmethod
    def files(descriptors):
        return {name for name in descriptors.values() if name.startswith("/") and not name.startswith("/memfd:")}

    def test_the_keeper_maps_no_state_and_listens_to_nobody_but_its_sockets(self):
        maps = pathlib.Path(f"/proc/{self.daemon.process.pid}/maps").read_text()
        self.assertNotIn("memfd:", maps)
        self.assertIn("memfd:", " ".join(descriptors_of(self.daemon.process.pid).values()))

    def test_the_environment_of_the_children_is_cleared(self):
        for pid in (self.fs, self.store):
            names = {entry.split(b"=")[0].decode() for entry in pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if entry}
            self.assertLessEqual(names, {"JOURNAL_STREAM", "NO_COLOR", "LEASEFS_LOG"})

    def test_another_process_of_the_same_user_can_look_into_neither(self):
        for pid, user in ((self.fs, "leasefs"), (self.store, "leasefs-backend")):
            ids = pwd.getpwnam(user)
            for name in ("mem", "environ", "maps", "fd"):
                with self.assertRaises(OSError) as caught:
                    harness.as_user(ids.pw_uid, lambda pid=pid, name=name: os.listdir(f"/proc/{pid}/fd") if name == "fd" else len(
                        open(f"/proc/{pid}/{name}", "rb").read(1)), gid=ids.pw_gid)
                self.assertIn(caught.exception.errno, (errno.EACCES, errno.EPERM))

    def test_sockets_are_for_root_and_the_group(self):
        for name in ("control.sock", "store-local.sock"):
            stat = (self.daemon.run / name).stat()
            self.assertEqual(stat.st_uid, 0)
            self.assertEqual(stat.st_mode & 0o777, 0o660)
        refused = self.daemon.cli("status", uid=ALICE, check=False)
        self.assertEqual(refused.returncode, 2)

    def test_nothing_is_left_when_the_keeper_is_killed(self):
        keeper = self.daemon.process.pid
        os.kill(keeper, signal.SIGKILL)
        self.daemon.process.wait()
        for pid in (self.fs, self.store):
            wait_for(f"child {pid} ends", lambda pid=pid: not pathlib.Path(f"/proc/{pid}").exists())
        self.daemon.process = None
        self.daemon.log_offset = len(self.daemon.log_text())
        self.daemon.start()  # the stale mount is replaced
        self.assertEqual(read_as(ALICE, self.path("web/v/k")), b"value")

    def test_a_second_daemon_on_the_same_place_is_refused(self):
        second = subprocess.run([harness.BUILD / "leasefsd", "--config", self.daemon.config], capture_output=True, timeout=20, check=False)
        self.assertNotEqual(second.returncode, 0)
        self.assertTrue(second.stderr)

    def test_a_second_daemon_does_not_take_the_mount_of_one_that_lives(self):
        elsewhere = self.daemon.dir / "elsewhere.toml"
        elsewhere.write_text(self.daemon.config.read_text().replace(f'run_directory = "{self.daemon.run}"', f'run_directory = "{self.daemon.dir}/run2"'))
        device = os.stat(self.daemon.mount).st_dev
        for arguments in ([], ["--detach"]):
            second = subprocess.run([harness.BUILD / "leasefsd", "--config", elsewhere, *arguments], capture_output=True, timeout=20, check=False)
            self.assertNotEqual(second.returncode, 0)
            self.assertIn(b"another leasefsd is serving it: stop that one, or set another `mount`", second.stderr)
            self.assertEqual(os.stat(self.daemon.mount).st_dev, device)
        self.assertEqual(read_as(ALICE, self.path("web/v/k")), b"value")

    def test_reload_by_signal_and_a_bad_file_changes_nothing(self):
        self.daemon.write_config(rules='[[allow]]\npath = "web/**"\nuser = [1]\n')
        self.daemon.process.send_signal(signal.SIGHUP)
        wait_for("the rule is taken away", lambda: harness.errno_as(ALICE, self.path("web/v/k")) == errno.EACCES)
        generation = self.daemon.json("status")["rules"]["generation"]
        self.daemon.write_config(rules='[[allow]]\npath = "web/**"\nusr = [1]\n')
        refused = self.daemon.reload()
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn(b"user", refused.stderr)
        self.assertRegex(refused.stderr.decode(), r"leasefs\.toml:\d+:\d+")
        time.sleep(0.2)
        self.assertEqual(self.daemon.json("status")["rules"]["generation"], generation)

    def test_the_audit_file_is_opened_anew_on_a_signal(self):
        rotated = str(self.daemon.audit_file) + ".1"
        os.rename(self.daemon.audit_file, rotated)
        self.daemon.process.send_signal(signal.SIGUSR1)
        wait_for("the new file", self.daemon.audit_file.exists)

        def recorded():  # what was on its way when the file appeared may still be in the old one
            self.assertEqual(read_as(ALICE, self.path("web/v/k")), b"value")
            return self.daemon.opens()

        wait_for("a record in the new file", recorded)


if __name__ == "__main__":
    harness.main()
