#!/usr/bin/env python3
"""Canaries: a value, the key file, a passphrase, in every form in which they could leak, looked for in every place where they could lie.

What is looked for is first found where it has to be (a scan that finds nothing then is blind and fails).
"""

import array
import base64
import binascii
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
import urllib.parse

import harness
from harness import ALICE, Daemon, DaemonTest, read_as, wait_for

CHUNK = 1 << 20
OVERLAP = 512


def forms(canary):
    """{name: bytes} of all encodings that are looked for. base64 at its three offsets, without the parts that neighbours change."""
    found = {"raw": canary, "hex": binascii.hexlify(canary), "HEX": binascii.hexlify(canary).upper(),
             "percent": urllib.parse.quote_from_bytes(canary, safe="").encode(), "json": json.dumps(canary.decode("latin-1"))[1:-1].encode()}
    for offset in range(3):
        for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            text = encode(b"\0" * offset + canary + b"\0" * ((-len(canary) - offset) % 3))
            found[f"{name}+{offset}"] = text[4 if offset else 0:-4]
    return found


def hits_in(data, looked_for):
    return {name for name, form in looked_for.items() if form in data}


def scan_chunks(read, looked_for, begin, end):
    found, tail, at = set(), b"", begin
    while at < end:
        data = read(at, min(CHUNK, end - at))
        if not data:
            break
        if data.count(0) != len(data):
            found |= hits_in(tail + data, looked_for)
        tail, at = data[-OVERLAP:], at + len(data)
    return found


def touched(pid, begin, end):
    """The runs of pages in [begin, end) that are in memory or swapped: the rest was never written."""
    page = os.sysconf("SC_PAGESIZE")
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap:
        entries = array.array("Q", os.pread(pagemap.fileno(), (end - begin) // page * 8, begin // page * 8))
    run = None
    for number, entry in enumerate(entries):
        here = entry >> 62 != 0
        if here and run is None:
            run = number
        if not here and run is not None:
            yield begin + run * page, begin + number * page
            run = None
    if run is not None:
        yield begin + run * page, end


def scan_process(pid, looked_for):
    """Writable maps and memfds of one process; {(where, form)}."""
    found = set()
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        maps = [line.split(None, 5) for line in file]
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for entry in maps:
            name = entry[5].strip() if len(entry) > 5 else "anonymous"
            if "w" not in entry[1] or name.startswith(("/memfd:", "/dev/", "[vv")):
                continue
            begin, end = (int(part, 16) for part in entry[0].split("-"))

            def read(at, size):
                try:
                    return os.pread(memory.fileno(), size, at)
                except OSError:
                    return b""

            for first, last in touched(pid, begin, end):
                found |= {(f"{name} of {pid}", form) for form in scan_chunks(read, looked_for, first, last)}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        link = os.readlink(f"/proc/{pid}/fd/{fd}")
        if not link.startswith("/memfd:"):
            continue
        with open(f"/proc/{pid}/fd/{fd}", "rb", buffering=0) as memfd:
            size, at = os.fstat(memfd.fileno()).st_size, 0
            while at < size:
                try:
                    at = os.lseek(memfd.fileno(), at, os.SEEK_DATA)
                except OSError:
                    break
                hole = os.lseek(memfd.fileno(), at, os.SEEK_HOLE)
                found |= {(link, form) for form in scan_chunks(lambda where, count: os.pread(memfd.fileno(), count, where), looked_for, at, hole)}
                at = hole
    return found


def seen_while_it_runs(pid, looked_for, steps=400, step=0.001):
    """Lets a process run for moments, stopped in between, until the scan sees what it works with. Leaves it running."""
    try:
        for _ in range(steps):
            os.kill(pid, signal.SIGSTOP)
            wait_for("it is stopped", lambda: pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "TtZ")
            found = scan_process(pid, looked_for)
            if found:
                return found
            os.kill(pid, signal.SIGCONT)
            time.sleep(step)
    finally:
        os.kill(pid, signal.SIGCONT)
    return set()


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
        for _ in range(5):  # the key is held for the moment of opening: a successor that does so is looked at
            self.daemon.wait_new_child("store local", self.daemon.kill_child("store local"))
            live = seen_while_it_runs(self.daemon.child("store local"), looked_for)
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
