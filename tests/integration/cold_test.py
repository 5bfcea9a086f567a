#!/usr/bin/env python3
"""S15, S25: many readers of what is not known yet, against a backend that takes a second for every answer."""

import errno
import json
import os
import pathlib
import signal
import subprocess
import threading
import time
import unittest

import harness
from harness import ALICE, BOB, BUILD, Daemon, errno_as, read_as, wait_for

READERS = int(os.environ.get("LEASEFS_READERS", "10000"))


class SlowDaemon(Daemon):
    """leasefsd's keeper and fs, with the scripted backend of tests/support/slow_daemon.cc for the store."""

    def start(self):
        self.store.parent.mkdir(exist_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([BUILD / "slow_daemon", BUILD / "leasefsd", "--config", self.config], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True)
        wait_for("the daemon serves", self.serves, 20)
        return self

    def reads(self):
        time.sleep(0.3)
        return int(pathlib.Path(f"{self.store}.reads").read_text().split()[1])


RULES = f'[[allow]]\npath = "web/**"\nuser = [{ALICE}, {BOB}]\n'
LIMITS = '[limits]\ndeadline = "15s"\n'
AT_ONCE = 5  # seconds: what would have to wait for the stopped store waits for longer


class Cold(unittest.TestCase):
    def setUp(self):
        self.daemon = SlowDaemon(rules=RULES, extra=LIMITS)
        self.addCleanup(self.daemon.close)
        self.daemon.init()
        self.daemon.start()
        self.mount = self.daemon.mount

    def stop_the_store(self):
        """It answers nothing until the function that this returns is called."""
        store = self.daemon.child("store local")
        os.kill(store, signal.SIGSTOP)
        go_on = lambda: os.kill(store, signal.SIGCONT)
        self.addCleanup(go_on)
        return go_on

    def crowd(self, count, path, expected):
        result = subprocess.run([BUILD / "crowd", str(count), path, expected], user=ALICE, group=ALICE, extra_groups=[], capture_output=True,
                                timeout=60, check=True)
        return json.loads(result.stdout)

    def test_s15_a_crowd_of_readers_is_one_request_and_a_few_threads(self):
        threads = []

        def watch():
            fs = self.daemon.child("fs")
            while not done.is_set():
                threads.append(len(os.listdir(f"/proc/{fs}/task")))
                time.sleep(0.02)

        done = threading.Event()
        watcher = threading.Thread(target=watch)
        watcher.start()
        result = self.crowd(READERS, f"{self.mount}/web/s5/k", "value 5")
        done.set()
        watcher.join()
        print(f"{READERS} readers: {result}, at most {max(threads)} threads")
        self.assertEqual(result["same"], READERS)
        self.assertEqual(result["errors"], {})
        self.assertLess(result["longest_ms"], 12000)
        self.assertEqual(self.daemon.reads(), 1)
        self.assertLessEqual(max(threads), 8)

    def test_s25_a_uid_that_waits_for_too_many_secrets_is_busy_and_another_is_served(self):
        self.assertEqual(read_as(BOB, self.mount / "web/s199/k"), b"value 199")
        for first in range(0, 100, 50):  # names first, so that only values are waited for
            for process in [subprocess.Popen(["ls", self.mount / f"web/s{n}"], stdout=subprocess.DEVNULL) for n in range(first, first + 50)]:
                self.assertEqual(process.wait(), 0)
        go_on = self.stop_the_store()
        readers = [subprocess.Popen(["cat", self.mount / f"web/s{n}/k"], user=ALICE, group=ALICE, extra_groups=[], stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE) for n in range(64)]
        wait_for("64 secrets are waited for", lambda: self.daemon.json("status")["counters"]["waiting"] >= 64)
        start = time.monotonic()
        self.assertEqual(errno_as(ALICE, self.mount / "web/s70/k"), errno.EBUSY)
        self.assertLess(time.monotonic() - start, AT_ONCE)
        start = time.monotonic()
        self.assertEqual(read_as(BOB, self.mount / "web/s199/k"), b"value 199")
        self.assertLess(time.monotonic() - start, AT_ONCE)
        go_on()
        for number, reader in enumerate(readers):
            self.assertEqual(reader.communicate()[0], b"value %d" % number)

    def test_s25_a_signal_ends_the_wait_of_that_reader_only(self):
        os.listdir(self.mount / "web/s9")
        go_on = self.stop_the_store()
        readers = [subprocess.Popen(["cat", self.mount / "web/s9/k"], user=ALICE, group=ALICE, extra_groups=[], stdout=subprocess.PIPE)
                   for _ in range(2)]
        wait_for("both wait", lambda: self.daemon.json("status")["counters"]["waiting"] == 2)
        start = time.monotonic()
        readers[0].kill()
        readers[0].wait()
        self.assertLess(time.monotonic() - start, AT_ONCE)
        self.assertIsNone(readers[1].poll())
        go_on()
        self.assertEqual(readers[1].communicate()[0], b"value 9")
        self.assertEqual(self.daemon.reads(), 1)


if __name__ == "__main__":
    harness.main()
