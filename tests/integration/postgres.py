"""A private PostgreSQL for tests: a cluster in a directory of its own, on a free loopback port, with password logins over TCP."""

import contextlib
import os
import pathlib
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile

from harness import wait_for
from openbao import free_port

ADMIN = "baoadmin"


def programs():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if not found:
        sys.exit("PostgreSQL is not installed: packaging/install-packages.sh demo installs it")
    return found[-1].parent


class Postgres:
    """A context manager; close() leaves nothing. Its superuser is postgres, over the socket only; ADMIN may make roles, by password."""

    def __init__(self):
        self.bin = programs()
        self.psql = self.bin / "psql"  # the program itself: /usr/bin/psql is a script that looks for clusters first
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="leasefs-pg-"))
        self.port = free_port()
        self.admin_password = secrets.token_hex(12)
        self.process = None
        try:
            os.chown(self.dir, pwd.getpwnam("postgres").pw_uid, -1)
            self.dir.chmod(0o755)
            self._as_postgres(self.bin / "initdb", "-D", self.dir / "data", "-U", "postgres", "--auth-local=peer", "--auth-host=scram-sha-256",
                              "--no-sync", "--encoding=UTF8", "--locale=C")
            self.start()
            self.sql(f"CREATE ROLE {ADMIN} LOGIN CREATEROLE PASSWORD '{self.admin_password}'; CREATE TABLE facts (n integer);"
                     f"INSERT INTO facts VALUES (42); GRANT SELECT ON facts TO {ADMIN} WITH GRANT OPTION")
        except BaseException:
            self.close()
            raise

    def _as_postgres(self, *command):
        result = subprocess.run(list(map(str, command)), user="postgres", group="postgres", extra_groups=[], cwd=self.dir, capture_output=True,
                                env={"PATH": os.environ["PATH"], "HOME": str(self.dir), "LC_ALL": "C"}, check=False)
        if result.returncode != 0:
            raise AssertionError(f"{command}: {result.stderr.decode(errors='replace')}")
        return result.stdout.decode()

    def start(self):
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=KILL", self.bin / "postgres", "-D", self.dir / "data",
                 "-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.dir}", "-c", "fsync=off",
                 "-c", "max_connections=200"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.dir, env={"PATH": os.environ["PATH"], "LC_ALL": "C"})
        wait_for("PostgreSQL answers", self._answers, 20)

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"postgres ended with {self.process.returncode}: {(self.dir / 'log').read_text(errors='replace')}")
        with contextlib.suppress(AssertionError):
            return self.sql("SELECT 1") == ["1"]
        return False

    def stop(self):
        """At once, as after a crash: clients see their connections end."""
        if self.process is not None:
            if self.process.poll() is None:
                os.kill(self.process.pid, signal.SIGQUIT)
            self.process.wait(20)
            self.process = None

    def sql(self, text):
        """Rows, as the superuser; columns are separated by |."""
        return self._as_postgres(self.psql, "-X", "-At", "-v", "ON_ERROR_STOP=1", "-h", self.dir, "-p", self.port, "-U", "postgres", "-d", "postgres",
                                 "-c", text).splitlines()

    def roles(self, prefix="v-"):
        """The roles that exist now: those that OpenBao makes begin with v-."""
        return [name for name in self.sql("SELECT rolname FROM pg_roles ORDER BY oid") if name.startswith(prefix)]

    def login(self, username=None, password=None, query="SELECT n FROM facts", uid=None, **environment):
        """An unmodified psql. With PGPASSFILE, PGSERVICEFILE … in `environment`, it finds the rest itself. The CompletedProcess."""
        settings = {"PATH": os.environ["PATH"], "LC_ALL": "C", "PGCONNECT_TIMEOUT": "5", **environment}
        if "PGSERVICE" not in settings:
            settings.update(PGHOST="127.0.0.1", PGPORT=str(self.port), PGDATABASE="postgres")
        if username:
            settings["PGUSER"] = username
        if password is not None:
            settings["PGPASSWORD"] = password
        return subprocess.run([self.psql, "-X", "-At", "-w", "-c", query], env=settings, user=uid, group=uid, cwd="/", stdin=subprocess.DEVNULL,
                              extra_groups=[] if uid is not None else None, capture_output=True, check=False, timeout=30)

    def can_log_in(self, username, password):
        return self.login(username, password).returncode == 0

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is not None:
            print("--- the end of the log of PostgreSQL", (self.dir / "log").read_text(errors="replace")[-2000:], sep="\n", file=sys.stderr)
        self.close()
