"""What the integration tests stand on: a real daemon on a real mount, and callers of any uid.

A Daemon lives in a directory of its own and leaves nothing behind: no mount, no process, also after a failure. Programs come from
the build directory in LEASEFS_BUILD. The tests are root's.
"""

import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("LEASEFS_BUILD", ROOT / "build" / "release"))
ALICE, BOB = 54321, 54322  # uids that nobody has
MIB = 1 << 20

_libc = ctypes.CDLL(None, use_errno=True)


def wait_for(what, condition, timeout=10.0):
    """Until condition() is true; fails naming `what`. For what another process does in its own time."""
    end = time.monotonic() + timeout
    while True:
        last = time.monotonic() > end  # the last look begins after the end, however long this process did not run
        value = condition()
        if value:
            return value
        if last:
            raise AssertionError(f"{what}: not within {timeout} s")
        time.sleep(0.01)


class HeldThreads:
    """Threads of another process that do not run until they are killed, while the others do: held by ptrace, by the thread that made this."""

    def __init__(self, tids):
        self.tids = tids
        for tid in tids:
            self._ptrace(0x4206, tid)  # PTRACE_SEIZE
            self._ptrace(0x4207, tid)  # PTRACE_INTERRUPT
            os.waitpid(tid, 0x40000000)  # __WALL

    @staticmethod
    def _ptrace(request, tid):
        if _libc.ptrace(ctypes.c_long(request), ctypes.c_long(tid), None, None) != 0:
            raise OSError(ctypes.get_errno(), f"ptrace({request:#x}, {tid})")

    def bury(self):
        """After the kill: their deaths are told to the tracer first."""
        for tid in self.tids:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(tid, 0x40000000)


def threads_of(pid):
    """[(tid, name, state)]"""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            name, fields = (task / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
            found.append((int(task.name), name, fields.split()[0]))
    return found


def force_unmount(path):
    """umount -f: the kernel ends the connection."""
    if _libc.umount2(str(path).encode(), 1) != 0:
        raise OSError(ctypes.get_errno(), f"umount -f {path}")


def mounts_below(path):
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        points = [line.split()[4] for line in file]
    return [point for point in points if point == str(path) or point.startswith(str(path) + "/")]


def as_user(uid, function, gid=None, groups=()):
    """Runs function() in a child that is uid:gid, and returns what it returned (JSON) or raises the OSError that it raised."""
    gid = uid if gid is None else gid
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(read_end)
            os.setgroups(list(groups))
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            try:
                answer = {"value": function()}
            except OSError as error:
                answer = {"errno": error.errno}
            with os.fdopen(write_end, "w") as out:
                json.dump(answer, out)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    if status != 0 or not text:
        raise AssertionError(f"the child of uid {uid} ended with {status}")
    answer = json.loads(text)
    if "errno" in answer:
        raise OSError(answer["errno"], os.strerror(answer["errno"]))
    return answer["value"]


def read_as(uid, path, gid=None, groups=()):
    """The bytes of a file as that user reads them. OSError as the user gets it."""

    def read():
        with open(path, "rb") as file:
            return file.read().hex()

    return bytes.fromhex(as_user(uid, read, gid, groups))


def errno_of(path):
    """0, or the errno that open and read give."""
    try:
        with open(path, "rb") as file:
            file.read()
        return 0
    except OSError as error:
        return error.errno


def errno_as(uid, path, gid=None, groups=()):
    return as_user(uid, lambda: errno_of(path), gid, groups)


class Daemon:
    """leasefsd with one embedded store, in the foreground of a directory of its own."""

    def __init__(self, rules='[[allow]]\npath = "web/**"\nuser = [%d]\n' % ALICE, trees='[[tree]]\npath = "web"\nsource = "local:web"\n',
                 extra="", audit='file = "AUDIT"\nsyslog = false\n'):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="leasefs-test-"))
        self.dir.chmod(0o755)
        self.mount = self.dir / "mnt"
        self.mount.mkdir()
        self.run = self.dir / "run"
        self.store = self.dir / "store" / "store.db"
        self.key = self.dir / "store.key"
        self.audit_file = self.dir / "audit.jsonl"
        self.config = self.dir / "leasefs.toml"
        self.log = self.dir / "daemon.log"
        self.process = None
        self.parts = {"rules": rules, "trees": trees, "extra": extra, "audit": audit}
        self.write_config()

    def write_config(self, **parts):
        self.parts.update(parts)
        self.config.write_text(
            f'mount = "{self.mount}"\nrun_directory = "{self.run}"\n{self.parts["extra"]}\n[audit]\n'
            + self.parts["audit"].replace("AUDIT", str(self.audit_file))
            + f'\n[backend.local]\ntype = "store"\npath = "{self.store}"\nkey = {{ file = "{self.key}" }}\n\n'
            + self.parts["trees"] + "\n" + self.parts["rules"], encoding="utf-8")

    def cli(self, *arguments, input=None, check=True, uid=None, timeout=60):
        """Runs leasefs. Returns the CompletedProcess; with check, any exit status but 0 fails."""
        result = subprocess.run([BUILD / "leasefs", "--config", self.config, "--socket-dir", self.run, *map(str, arguments)], input=input,
                                capture_output=True, user=uid, timeout=timeout, env={"PATH": os.environ["PATH"]},
                                extra_groups=[] if uid else None, check=False)
        if check and result.returncode != 0:
            raise AssertionError(f"leasefs {arguments}: exit {result.returncode}: {result.stderr.decode()}")
        return result

    def json(self, *arguments):
        return json.loads(self.cli(*arguments, "-o", "json").stdout)

    def init(self):
        self.cli("store", "init")
        return self

    def put(self, secret, **keys):
        """put("web/tls", **{"key.pem": b"..."}): the given keys, the others stay."""
        arguments = []
        for number, (key, value) in enumerate(keys.items()):
            file = self.dir / f"value{number}"
            with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
                out.write(value)
            arguments.append(f"{key}=@{file}")
        self.cli("put", secret, *arguments)
        for argument in arguments:
            os.unlink(argument.split("=@")[1])

    def start(self, prefix=()):
        assert self.process is None
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*prefix, BUILD / "leasefsd", "--config", self.config], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True)
        wait_for(f"the daemon serves; its log is\n{self.log_text()}", self.serves, 20)
        return self

    def serves(self):
        if self.process.poll() is not None:
            raise AssertionError(f"leasefsd ended with {self.process.returncode}:\n{self.log_text()}")
        return "serving" in self.log_text()[self._log_seen():]

    def _log_seen(self):
        return getattr(self, "log_offset", 0)

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def children(self):
        """{"fs": pid, "store local": pid}, of the living children of the keeper: the role, and the name if it has one."""
        found = {}
        for pid in pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            with contextlib.suppress(OSError, ValueError):  # between fork and exec it has the keeper's words
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
                name = " " + words[words.index("--name") + 1] if "--name" in words else ""
                found[words[words.index("--role") + 1] + name] = int(pid)
        return found

    def child(self, role):
        return wait_for(f"child {role}", lambda: self.children().get(role))

    def kill_child(self, role, number=signal.SIGKILL):
        """Signals a child of this daemon and returns its pid."""
        pid = self.child(role)
        os.kill(pid, number)
        return pid

    def wait_new_child(self, role, old):
        return wait_for(f"a successor of {role}", lambda: self.children().get(role) not in (None, old))

    def audit(self):
        """All records so far; waits a moment for those that are on their way."""
        time.sleep(0.15)
        lines = self.audit_file.read_bytes().split(b"\n")
        return [json.loads(line) for line in lines[:-1]]  # the last piece is empty, or a record that is being written

    def opens(self):
        return [record for record in self.audit() if record["type"] == "open"]

    def reload(self):
        return self.cli("reload", check=False)

    def stop(self):
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                for pid in [*self.children().values(), self.process.pid]:
                    with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                        os.kill(pid, signal.SIGKILL)
                self.process.wait(15)
        status, self.process = self.process.returncode, None
        self.log_offset = len(self.log_text())
        return status

    def close(self):
        """Stops, and fails if something is left behind."""
        try:
            self.stop()
            left = mounts_below(self.dir)
            for point in reversed(left):
                _libc.umount2(point.encode(), 2)
            if left:
                raise AssertionError(f"mounts were left behind: {left}")
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is not None:
            print(f"--- log of the daemon\n{self.log_text()}", file=sys.stderr)
            with contextlib.suppress(AssertionError):
                self.close()
        else:
            self.close()


class DaemonTest(unittest.TestCase):
    """A test with one daemon that has web/** for ALICE and nobody else. Override `configure` for more."""

    def setUp(self):
        self.daemon = self.configure()
        self.addCleanup(self._close)
        self.daemon.init()
        self.daemon.start()

    def configure(self):
        return Daemon()

    def _close(self):
        failed = self._outcome is not None and not self._outcome.success
        if failed:
            print(f"--- log of the daemon\n{self.daemon.log_text()}", file=sys.stderr)
            with contextlib.suppress(Exception):  # it may be what does not run
                print(f"--- status\n{self.daemon.cli('status', check=False, timeout=5).stdout.decode()}", file=sys.stderr)
        self.daemon.close()

    def path(self, name):
        return str(self.daemon.mount / name)


def main():
    if os.geteuid() != 0:
        sys.exit("these tests mount and change users: run them as root")
    unittest.main(verbosity=2)
