#!/usr/bin/env python3
"""Canaries: a value, the key file, a passphrase, in every form in which they could leak, looked for in every place where they could lie.

What is looked for is first found where it has to be (a scan that finds nothing then is blind and fails).
"""

import base64
import concurrent.futures
import contextlib
import json
import os
import pathlib
import resource
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import harness
from harness import ALICE, Daemon, read_as, wait_for
from memory_scan import forms, hits_in, scan_process, seen_while_it_runs


class Canaries(unittest.TestCase):
    def setUp(self):
        self.value = b"canary-value-" + secrets.token_hex(16).encode() + b"/+?\"~"
        self.daemon = Daemon()
        self.addCleanup(self.daemon.close)
        self.said = b""

    def cli(self, *arguments, **options):
        result = self.daemon.cli(*arguments, check=False, **options)
        self.said += result.stdout + result.stderr
        return result

    def pids(self):
        return [self.daemon.process.pid, *self.daemon.children().values()]

    def scan_everything(self, looked_for, pids):
        found = set()
        for pid in pids:
            found |= scan_process(pid, looked_for)
        return found

    def scan_text(self, looked_for):
        """Logs, audit, what commands printed, command lines and environments of all processes, extended attributes, the store's files."""
        found = {("what commands said", form) for form in hits_in(self.said, looked_for)}
        for file in self.daemon.dir.rglob("*"):
            if file.is_file() and not str(file).startswith(str(self.daemon.mount)) and file != self.daemon.key:
                with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                    found |= {(str(file), form) for form in hits_in(file.read_bytes(), looked_for)}
        for process in pathlib.Path("/proc").iterdir():
            if process.name.isdigit():
                for name in ("cmdline", "environ"):
                    try:
                        found |= {(f"{name} of {process.name}", form) for form in hits_in((process / name).read_bytes(), looked_for)}
                    except OSError:
                        pass
        return found

    def provoke_cores(self, looked_for):
        """Aborts fs and the store process, their limits raised where that may be done, beside a process that does dump."""
        cores = pathlib.Path(tempfile.mkdtemp(prefix="leasefs-cores-"))
        self.addCleanup(shutil.rmtree, cores)
        cores.chmod(0o777)
        pattern = pathlib.Path("/proc/sys/kernel/core_pattern")
        self.addCleanup(pattern.write_text, pattern.read_text())
        pattern.write_text(f"{cores}/core.%p")
        control = subprocess.Popen([sys.executable, "-c", "import os, sys; kept = sys.stdin.buffer.read(); os.abort()"], stdin=subprocess.PIPE)
        pids = [(control.pid, None)] + [(self.daemon.child(role), role) for role in ("fs", "store local")]
        most = resource.getrlimit(resource.RLIMIT_CORE)[1]
        for pid, _ in pids:
            with contextlib.suppress(PermissionError):  # without CAP_SYS_RESOURCE their own limit of 0 stays
                resource.prlimit(pid, resource.RLIMIT_CORE, (most, most))
        control.communicate(self.value)
        for pid, role in pids[1:]:
            os.kill(pid, signal.SIGABRT)
            self.daemon.wait_new_child(role, pid)
        if most == 0:
            return self.assertEqual(list(cores.iterdir()), [])
        self.assertTrue(hits_in((cores / f"core.{control.pid}").read_bytes(), looked_for), "no core where there should be one")
        self.assertEqual([file.name for file in cores.iterdir()], [f"core.{control.pid}"], "a process with secrets left a core")

    def test_a_value_is_nowhere_but_where_it_is_read(self):
        looked_for = forms(self.value)
        self.daemon.init()
        os.environ["LEASEFS_LOG"] = "debug"
        self.addCleanup(os.environ.pop, "LEASEFS_LOG", None)
        self.daemon.start()
        self.daemon.put("web/v", k=self.value)
        path = str(self.daemon.mount / "web/v/k")
        self.assertEqual(read_as(ALICE, path), self.value)
        live = scan_process(self.daemon.child("fs"), looked_for)
        self.assertTrue(any(form == "raw" and "memfd" not in where for where, form in live), f"the scan is blind: {live}")
        self.assertFalse({hit for hit in live if "memfd" in hit[0]}, "surviving memory holds plaintext")
        self.assertEqual(scan_process(self.daemon.process.pid, looked_for), set(), "the keeper holds plaintext")

        self.cli("status", "-o", "json")
        self.cli("stat", "web/v/k", "-o", "json")
        self.cli("history", "web/v")
        self.cli("put", "web/v", f"k={self.value.decode()}x")  # refused, and not repeated
        self.cli("put", "web/v", "k=-", input=b"x" * (1 << 20) + self.value)
        source = self.daemon.dir / "bad.json"
        source.write_bytes(b'{"web/z": {"k": "' + self.value.replace(b'"', b"") + b'"')
        self.cli("import", source)
        source.unlink()
        for name in os.listxattr(path):
            self.said += os.getxattr(path, name)
        self.provoke_cores(looked_for)
        self.assertEqual(read_as(ALICE, path), self.value)
        # The refused put named the value on a command line; that is the caller's mistake, and that process is gone.
        self.assertEqual(self.scan_text(looked_for), set())

        self.daemon.cli("rm", "--yes", "web/v")
        wait_for("it is gone", lambda: harness.errno_as(ALICE, path) == 2)
        wait_for("no copy of it is left in any process", lambda: not self.scan_everything(looked_for, self.pids()), 15)

    def test_the_key_is_in_the_store_process_alone(self):
        self.daemon.init()
        text = self.daemon.key.read_bytes()
        self.daemon.start()
        self.daemon.put("web/v", k=b"value")
        self.assertEqual(read_as(ALICE, self.daemon.mount / "web/v/k"), b"value")
        encoded = text.split(b":", 1)[1].strip()
        looked_for = {**forms(base64.b64decode(encoded)), "file": encoded}
        live = set()
        for _ in range(20):  # the key is held for the moment of opening: a successor that does so is looked at
            self.daemon.wait_new_child("store local", self.daemon.kill_child("store local"))
            live = seen_while_it_runs(self.daemon.child("store local"), looked_for, steps=60)
            if live:
                break
        self.assertTrue(live, "the scan is blind: the store process was never seen with its key")
        self.assertEqual(read_as(ALICE, self.daemon.mount / "web/v/k"), b"value")
        wait_for("the key is gone once the store is open", lambda: not self.scan_everything(looked_for, self.pids()), 10)
        for pid in (self.daemon.process.pid, self.daemon.child("fs")):
            self.assertEqual(scan_process(pid, looked_for), set())
        self.cli("status"), self.cli("store", "status")
        self.assertEqual(self.scan_text(looked_for), set())

    def test_a_passphrase_is_nowhere_once_it_has_opened_the_store(self):
        passphrase = b"canary passphrase " + secrets.token_hex(12).encode()
        looked_for = forms(passphrase)
        config = self.daemon.config.read_text()
        self.daemon.config.write_text(config.replace(f'{{ file = "{self.daemon.key}" }}', "{ passphrase = true }"))
        self.cli("store", "init", "--passphrase", input=passphrase + b"\n")
        self.daemon.start()
        path = str(self.daemon.mount / "web/v/k")
        self.assertEqual(self.cli("store", "unlock", input=b"wrong " + passphrase[::-1] + b"\n").returncode, 2)
        time.sleep(1.1)
        store = self.daemon.child("store local")
        os.kill(store, signal.SIGSTOP)
        with concurrent.futures.ThreadPoolExecutor() as threads:
            unlocking = threads.submit(self.cli, "store", "unlock", input=passphrase + b"\n")
            self.assertTrue(seen_while_it_runs(store, looked_for, step=0.003), "the scan is blind: it did not see the passphrase in use")
            unlocked = unlocking.result()
        self.assertEqual(unlocked.returncode, 0, unlocked.stderr)
        self.daemon.put("web/v", k=b"value")
        self.daemon.put("web/unread", k=b"value")
        self.assertEqual(read_as(ALICE, path), b"value")
        self.assertEqual(self.scan_text(looked_for), set())
        wait_for("the passphrase is gone from every process", lambda: not self.scan_everything(looked_for, self.pids()), 10)
        self.daemon.kill_child("store local")
        self.assertEqual(read_as(ALICE, path), b"value", "known values go on while the store is locked")
        self.assertEqual(harness.errno_as(ALICE, self.daemon.mount / "web/unread/k"), 126)  # ENOKEY


if __name__ == "__main__":
    harness.main()
