"""What the tests of the Vault backend stand on: leasefsd on a real OpenBao, with trees and logins as a test wants them."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

import openbao_setup as setup
from harness import ALICE, BOB, BUILD, Daemon, as_user, errno_as, read_as, wait_for
from openbao import OpenBao
from postgres import Postgres

RULES = f'[[allow]]\npath = "**"\nuser = [{ALICE}, {BOB}]\n'
BACKEND = "vault"


def toml(value):
    """A Python value as TOML: strings, numbers, lists, and inline tables."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(str(value) if isinstance(value, os.PathLike) else value)


def tree(path, source, **settings):
    """tree("db", "database/creds/app", min_ttl="2s")"""
    settings = {"path": path, "source": f"{BACKEND}:{source}", **settings}
    return "[[tree]]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in settings.items()) + "\n"


def at(file):
    """Where a credential is, as the configuration says it."""
    return {"file": str(file)}


class VaultDaemon(Daemon):
    """leasefsd with one backend, of type vault. `backend`: more keys of its section; an empty value takes one away.

    `identities`: {"other": {"method": …}}.
    """

    def __init__(self, address, ca, trees, auth, backend=None, identities=None, rules=RULES, extra=""):
        self.settings = {"type": "vault", "address": address, "ca_file": ca, "auth": auth, **(backend or {})}
        self.identities = identities or {}
        super().__init__(rules=rules, trees="".join(trees), extra=extra)

    def section(self):
        text = f"[backend.{BACKEND}]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in self.settings.items() if value != "")
        for name, login in self.identities.items():
            text += f"\n[backend.{BACKEND}.identity.{name}]\nauth = {toml(login)}\n"
        return text

    def write_config(self, **parts):
        self.parts.update(parts)
        self.config.write_text(
            f'mount = "{self.mount}"\nrun_directory = "{self.run}"\n{self.parts["extra"]}\n[audit]\n'
            + self.parts["audit"].replace("AUDIT", str(self.audit_file)) + f"\n{self.section()}\n" + self.parts["trees"] + self.parts["rules"],
            encoding="utf-8")

    def backend_role(self):
        """The name that children() has for the backend's process."""
        return wait_for("the backend's process", lambda: next((role for role in self.children() if role.endswith(" " + BACKEND)), None))

    def status(self):
        """status -o json: what it says of the backend."""
        return next(backend for backend in self.json("status")["backends"] if backend["name"] == BACKEND)

    def words(self, path):
        """user.leasefs.status of a file, or, where it cannot be looked up, of the directory above it that can; as ALICE reads it."""
        def ask():
            place = self.mount / path
            while True:
                try:
                    return os.getxattr(place, "user.leasefs.status").decode()
                except OSError:
                    place = place.parent
                    if place == self.mount:
                        return ""
        return as_user(ALICE, ask)

    def kill_all(self):
        """What a power cut leaves: nothing of the daemon but its files. Mounts are taken away."""
        for pid in [self.process.pid, *self.children().values()]:
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile, or with its parent
                os.kill(pid, 9)
        self.process.wait(15)
        self.process = None
        subprocess.run(["umount", "-l", self.mount], check=False, stderr=subprocess.DEVNULL)
        self.log_offset = len(self.log_text())


class VaultTest(unittest.TestCase):
    """One server for the class, and what prepare() puts there; a daemon for each test, which serve() starts."""

    POSTGRES = False
    NODES = 1
    STORAGE = "raft"
    LISTEN = "127.0.0.1"

    @classmethod
    def setUpClass(cls):
        cls.bao = cls.enterClassContext(OpenBao(storage=cls.STORAGE, nodes=cls.NODES, listen=cls.LISTEN))
        if cls.POSTGRES:
            cls.postgres = cls.enterClassContext(Postgres())
            setup.database(cls.bao, cls.postgres)
        cls.prepare()

    @classmethod
    def prepare(cls):
        pass

    @property
    def audit(self):
        return self.bao.audit

    def secret_file(self, text):
        """A file for a login's credential; root's."""
        descriptor, name = tempfile.mkstemp(prefix="leasefs-credential-")
        self.addCleanup(lambda: os.path.exists(name) and os.unlink(name))
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        return name

    def approle(self, policies=("app",), role="app", **settings):
        """A role, and the auth table that logs in with it."""
        made = setup.approle(self.bao, list(policies), role=role, **settings)
        return {"method": "approle", "role_id": made.role_id, "secret_id": at(self.secret_file(made.secret_id(self.bao)))}

    def daemon_for(self, trees, auth=None, **options):
        """A daemon that is not started yet."""
        address = options.pop("address", self.bao.addresses if self.NODES > 1 else self.bao.address)
        ca = options.pop("ca", self.bao.ca)
        daemon = VaultDaemon(address, ca, trees if isinstance(trees, (list, tuple)) else [trees], auth or self.approle(), **options)
        if self.NODES > 1:
            self.bao.settle()
        self.addCleanup(self._close, daemon)
        return daemon

    def serve(self, trees, auth=None, **options):
        self.daemon = self.daemon_for(trees, auth, **options).start()
        return self.daemon

    def _close(self, daemon):
        if self._outcome is not None and not self._outcome.success:
            print(f"--- log of the daemon of {self.id()}\n{daemon.log_text()}", file=sys.stderr)
        daemon.close()

    def path(self, name):
        return str(self.daemon.mount / name)

    def read(self, name, uid=ALICE):
        return read_as(uid, self.path(name)).decode()

    def errno(self, name, uid=ALICE):
        return errno_as(uid, self.path(name))

    def credential(self, name, uid=ALICE):
        """(username, password) of a database tree, one after the other in one process, as programs read them."""
        def both():
            with open(self.path(f"{name}/username"), encoding="utf-8") as username:
                with open(self.path(f"{name}/password"), encoding="utf-8") as password:
                    return [username.read(), password.read()]
        return tuple(as_user(uid, both))

    def names(self, name, uid=ALICE):
        return sorted(as_user(uid, lambda: os.listdir(self.path(name))))

    def logs_in(self, name):
        """Reads a credential and logs in with it."""
        return self.postgres.can_log_in(*self.credential(name))

    def walk(self, uid, *command):
        return subprocess.run(command, user=uid, group=uid, extra_groups=[], capture_output=True, check=False, cwd="/", timeout=60)

    def crowd(self, count, name, *expected):
        """count threads open and read at the same moment: {"same":, "longest_ms":, "errors":}"""
        result = subprocess.run([BUILD / "crowd", str(count), self.path(name), *expected], user=ALICE, group=ALICE, extra_groups=[],
                                capture_output=True, timeout=60, check=True)
        return json.loads(result.stdout)

    def counts(self, since, path):
        """What the server counted, as a dictionary, so that a failure shows all of it."""
        return {"logins": self.audit.logins(since), "mints": self.audit.mints(path, since), "revocations": self.audit.revocations(since)}


def stays(seconds, condition):
    """True if condition() holds now and until the end of that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not condition():
            return False
        time.sleep(0.05)
    return True
