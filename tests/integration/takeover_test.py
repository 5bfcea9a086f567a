#!/usr/bin/env python3
"""Nobody notices a crash: fs and the store process are killed under load, and stopped; readers see neither failure nor old bytes."""

import json
import os
import random
import secrets
import signal
import subprocess
import threading
import time

import harness
from harness import ALICE, Daemon, DaemonTest, HeldThreads, as_user, read_as, threads_of, wait_for

KILLS = int(os.environ.get("LEASEFS_KILLS", "100"))
SECRETS = 20


def value_of(number):
    return random.Random(number).randbytes(10 + number * 997 % 20000)


class Readers:
    """Child processes that open, read and close until they are told to stop; each counts and reports its failures."""

    def __init__(self, daemon, count=4):
        self.stop_read, self.stop_write = os.pipe()
        self.children = []
        for child in range(count):
            read_end, write_end = os.pipe()
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    os.close(self.stop_write)
                    os.setgroups([])
                    os.setresgid(ALICE, ALICE, ALICE)
                    os.setresuid(ALICE, ALICE, ALICE)
                    os.write(write_end, self.work(daemon, child).encode())
                    status = 0
                finally:
                    os._exit(status)
            os.close(write_end)
            self.children.append((pid, read_end))

    def work(self, daemon, child):
        chance = random.Random(child)
        kept = os.open(daemon.mount / "web/s0/k", os.O_RDONLY)  # an old descriptor, read again and again
        reads, failures, longest = 0, [], 0.0
        os.set_blocking(self.stop_read, False)
        while True:
            try:
                if os.read(self.stop_read, 1) == b"":
                    break
            except BlockingIOError:
                pass
            number = chance.randrange(SECRETS)
            start = time.monotonic()
            try:
                with open(daemon.mount / f"web/s{number}/k", "rb") as file:
                    got = file.read()
                if got != value_of(number):
                    failures.append(f"s{number}: {len(got)} bytes, not {len(value_of(number))} or not the same")
                if os.pread(kept, 1 << 20, 0) != value_of(0):
                    failures.append("the old descriptor reads other bytes")
            except OSError as error:
                failures.append(f"s{number}: {error}")
            reads += 1
            longest = max(longest, time.monotonic() - start)
        return f"{reads} {longest:.3f} {'; '.join(failures[:5])}"

    def finish(self):
        """(reads, the longest in seconds, failures)"""
        os.close(self.stop_write)
        os.close(self.stop_read)
        total, longest, failures = 0, 0.0, []
        for pid, pipe in self.children:
            with os.fdopen(pipe) as file:
                words = file.read().split(" ", 2)
            os.waitpid(pid, 0)
            if len(words) < 2:
                failures.append("a reader died")
                continue
            total += int(words[0])
            longest = max(longest, float(words[1]))
            if words[2:] and words[2]:
                failures.append(words[2])
        return total, longest, failures


class Takeover(DaemonTest):
    def setUp(self):
        super().setUp()
        for number in range(SECRETS):
            self.daemon.put(f"web/s{number}", k=value_of(number))

    def fetches(self):
        return self.daemon.json("status")["counters"]["fetches"]

    def when_fetched(self):
        return [self.daemon.json("stat", f"web/s{number}")["fetched"] for number in range(SECRETS)]

    def kill_under_load(self, role):
        for number in range(SECRETS):
            self.assertEqual(read_as(ALICE, self.path(f"web/s{number}/k")), value_of(number))
        cold = self.put_cold(KILLS)
        before, known = self.fetches(), self.when_fetched()
        readers = Readers(self.daemon)
        waiting = []
        for number in range(KILLS):
            time.sleep(random.uniform(0.02, 0.06))
            waiting.append(self.read_soon(f"web/cold{number}/k"))  # is somewhere in its open when the kill comes
            time.sleep(random.uniform(0, 0.004))
            old, killed = self.daemon.kill_child(role), time.monotonic()
            self.daemon.wait_new_child(role, old)
            # Where one is slow to start, some are killed before they are ready, and the keeper waits longer each time: up to 2 s.
            if time.monotonic() - killed > 0.3:
                wait_for("it serves again", lambda: self.daemon.json("status")["backends"][0]["state"] == "up")
        time.sleep(0.5)
        reads, longest, failures = readers.finish()
        for reader, value in zip(waiting, cold):
            got, said = reader.communicate(timeout=10)
            if (got, reader.returncode) != (value, 0):
                failures.append(f"a cold reader: {got!r}, {said!r}")
        print(f"{KILLS} kills of {role}: {reads} reads, the longest {longest:.3f} s")
        self.assertEqual(failures, [])
        self.assertGreater(reads, KILLS)
        self.assertLess(longest, 5.0)
        self.assertEqual(self.when_fetched(), known, "what was known was fetched again")
        # One for each cold secret; a kill between the question and its answer costs the question once more.
        self.assertGreaterEqual(self.fetches(), before + KILLS)
        self.assertLessEqual(self.fetches(), before + 2 * KILLS)
        # The kernel tells of a close in its own time.
        wait_for("no handle is left over", lambda: self.daemon.json("status")["counters"]["handles"] == 0, 2)

    def put_cold(self, count):
        values = [secrets.token_hex(20) for _ in range(count)]
        source = self.daemon.dir / "cold.json"
        source.write_text(json.dumps({f"web/cold{number}": {"k": value} for number, value in enumerate(values)}))
        self.daemon.cli("import", source)
        return [value.encode() for value in values]

    def read_soon(self, name):
        return subprocess.Popen(["cat", self.path(name)], user=ALICE, group=ALICE, extra_groups=[], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def test_fs_killed_under_load(self):
        self.kill_under_load("fs")

    def test_store_killed_under_load(self):
        self.kill_under_load("store local")

    def test_readers_waiting_in_open_are_answered_by_the_successor(self):
        store = self.daemon.child("store local")
        os.kill(store, signal.SIGSTOP)  # nobody answers, so that readers wait
        readers = [subprocess.Popen(["cat", self.path(f"web/s{n}/k")], user=ALICE, group=ALICE, extra_groups=[], stdout=subprocess.PIPE)
                   for n in range(8)]
        wait_for("readers wait", lambda: self.daemon.json("status")["counters"]["waiting"] >= 8)
        for _ in range(3):
            self.daemon.wait_new_child("fs", self.daemon.kill_child("fs"))
        os.kill(store, signal.SIGCONT)
        for number, reader in enumerate(readers):
            self.assertEqual(reader.communicate(timeout=10)[0], value_of(number))
            self.assertEqual(reader.returncode, 0)

    def hold_up_the_notifier(self):
        """A READ that no worker takes locks its page, and the notifier, told to drop it, waits for that in the kernel.
        Returns fs, what holds its workers, and the reader."""
        read = 'exec 3<"$1"; echo opened; read go; exec cat <&3'
        reader = subprocess.Popen(["sh", "-c", read, "sh", self.path("web/s1/k")], user=ALICE, group=ALICE, extra_groups=[],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        reader.stdout.readline()
        fs = self.daemon.child("fs")
        held = HeldThreads([tid for tid, name, _ in threads_of(fs) if name.startswith("fuse-")])
        reader.stdin.write(b"\n")
        time.sleep(0.3)
        self.daemon.put("web/s1", k=value_of(2))
        self.daemon.cli("refresh", "web/s1")
        wait_for("the notifier is held up", lambda: ("notifier", "D") in [thread[1:] for thread in threads_of(fs)], 5)
        return fs, held, reader

    def test_a_notifier_held_up_in_the_kernel_delays_no_successor(self):
        fs, held, reader = self.hold_up_the_notifier()
        os.kill(fs, signal.SIGKILL)
        held.bury()
        self.assertEqual(reader.communicate(timeout=10)[0], value_of(1))
        self.daemon.wait_new_child("fs", fs)
        self.assertEqual(read_as(ALICE, self.path("web/s1/k")), value_of(2))
        wait_for("the old process is gone", lambda: not os.path.exists(f"/proc/{fs}"))

    def test_a_notifier_held_up_in_the_kernel_delays_no_stop(self):
        _, held, reader = self.hold_up_the_notifier()
        os.kill(self.daemon.process.pid, signal.SIGTERM)
        held.bury()
        self.daemon.process.wait(5)
        self.assertEqual(reader.communicate(timeout=5)[0], b"")

    def test_a_mount_that_the_kernel_has_ended_is_made_anew_and_no_audit_record_is_lost(self):
        old = self.daemon.child("fs")
        for number in range(SECRETS):
            self.assertEqual(read_as(ALICE, self.path(f"web/s{number}/k")), value_of(number))
        harness.force_unmount(self.daemon.mount)
        self.daemon.wait_new_child("fs", old)
        wait_for("the mount is there", lambda: harness.errno_as(ALICE, self.path("web/s1/k")) == 0)
        paths = [record["path"] for record in self.daemon.opens()]
        self.assertLessEqual({f"web/s{number}/k" for number in range(SECRETS)}, set(paths))
        self.assertNotIn("are lost", self.daemon.log_text())

    def test_a_stopped_fs_is_replaced_by_the_watchdog(self):
        self.assertEqual(read_as(ALICE, self.path("web/s1/k")), value_of(1))
        readers = Readers(self.daemon)
        time.sleep(0.3)
        old = self.daemon.kill_child("fs", signal.SIGSTOP)
        self.daemon.wait_new_child("fs", old)
        time.sleep(0.5)
        reads, longest, failures = readers.finish()
        print(f"SIGSTOP: {reads} reads, the longest {longest:.3f} s")
        self.assertEqual(failures, [])
        self.assertLess(longest, 5.0)

    def test_a_change_made_while_fs_is_away_is_seen(self):
        self.assertEqual(read_as(ALICE, self.path("web/s2/k")), value_of(2))
        self.daemon.kill_child("fs")
        self.daemon.put("web/s2", k=b"changed")
        self.assertEqual(read_as(ALICE, self.path("web/s2/k")), b"changed")

    def test_every_open_is_recorded_once_across_kills(self):
        opens = 300
        before = len(self.daemon.opens())

        def work():
            for i in range(opens):
                with open(self.path(f"web/s{i % SECRETS}/k"), "rb") as file:
                    file.read()
            return True

        thread = threading.Thread(target=lambda: as_user(ALICE, work))
        thread.start()
        while thread.is_alive():
            time.sleep(0.03)
            self.daemon.wait_new_child("fs", self.daemon.kill_child("fs"))
        thread.join()
        wait_for("all records are in the file", lambda: len(self.daemon.opens()) >= before + opens)
        records = self.daemon.opens()
        self.assertEqual(len(records), before + opens)
        sequence = [record["seq"] for record in self.daemon.audit()]
        self.assertEqual(len(sequence), len(set(sequence)), "a record stands twice in the file")


if __name__ == "__main__":
    harness.main()
