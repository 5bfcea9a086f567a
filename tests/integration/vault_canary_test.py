#!/usr/bin/env python3
"""Canaries of the Vault backend: tokens, secret-ids, passwords and private keys, in every form in which they could leak, in every process.

Each one is first found where it has to be while it is in use (a scan that finds nothing then is blind and fails).
"""

import base64
import concurrent.futures
import contextlib
import os
import pathlib
import re
import resource
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import harness
import openbao
import openbao_setup as setup
from harness import ALICE, read_as, wait_for
from memory_scan import SWAPPABLE, forms, hits_in, read_private, scan_process
from openbao import ApiError
from vault_harness import VaultTest, at, tree

TOKEN = re.compile(rb"(?:hv)?s\.[A-Za-z0-9_-]{20,110}")
PGPASS = """
[[file]]
path = "etc/pgpass"
template = "*:*:*:{{ db.username | pgpass }}:{{ db.password | pgpass }}\\n"
secrets = { db = "db" }
"""
BASIC = """
[[file]]
path = "etc/basic"
template = "Basic {{ db.password | base64 }}\\n"
secrets = { db = "db" }
"""
LIMITS = '[limits]\ndeadline = "15s"\n'  # for readers while the server is stopped and every process is looked through


def canary(what):
    """Without bytes that JSON escapes: those have tests of their own."""
    return f"canary-{what}-{secrets.token_hex(16)}".encode()


def key_forms(pem):
    """A private key of P-256: its text, and its number as DER, big numbers and hexadecimal have it."""
    lines = pem.split(b"-----")[2].strip().split(b"\n")
    number = base64.b64decode(b"".join(lines)).split(b"\x02\x01\x01\x04\x20", 1)[1][:32]
    return {"text": lines[1], "number": number, "reversed": number[::-1], "hex": number.hex().encode(), "HEX": number.hex().upper().encode()}


def name_forms(canaries):
    """{"name: form": bytes} of {name: bytes or forms}."""
    return {f"{name}: {form}": text for name, value in canaries.items()
            for form, text in (value if isinstance(value, dict) else forms(value)).items()}


def of(names, found):
    """What was found of these canaries."""
    return {hit for hit in found if hit[1].split(": ")[0] in names}


class VaultCanaries(VaultTest):
    POSTGRES = True

    @classmethod
    def prepare(cls):
        setup.policy(cls.bao, "app", {"kv1/*": ["read", "list"], "kv2/*": ["read", "list"], "database/*": ["read"], "pki/*": ["update"],
                                      "brief/*": ["update"], "sys/leases/revoke": ["update"]})
        setup.kv1(cls.bao)
        setup.kv2(cls.bao)
        cls.issues = setup.pki(cls.bao)

    def setUp(self):
        os.environ["LEASEFS_LOG"] = "debug"
        self.addCleanup(os.environ.pop, "LEASEFS_LOG", None)
        self.said = b""

    def role(self, name="app", **times):
        return setup.database_role(self.bao, name, **times)

    def approle_with(self, secret_id, wrapped=False, role="canary", **settings):
        """An auth table whose secret-id is the one given."""
        made = setup.approle(self.bao, ["app"], role=role, **settings)
        path = made.secret_id_path.replace("/secret-id", "/custom-secret-id")
        answer = self.bao("POST", path, {"secret_id": secret_id.decode()}, headers={"X-Vault-Wrap-TTL": "60s"} if wrapped else None)
        file = self.secret_file(answer["wrap_info"]["token"] if wrapped else secret_id.decode() + "\n")
        return {"method": "approle", "role_id": made.role_id, "secret_id": at(file), **({"wrapped": path} if wrapped else {})}

    # ---- where to look ----

    @property
    def keeper(self):
        return self.daemon.process.pid

    @property
    def fs(self):
        return self.daemon.child("fs")

    @property
    def vault(self):
        return self.daemon.child(self.daemon.backend_role())

    def gone(self, what, looked_for, seconds, pids=()):
        """In no memory and no memfd of these processes (all of them, if none is named) within that time."""
        found = set()

        def none_left():
            found.clear()
            for pid in pids or (self.keeper, self.fs, self.vault):
                found.update(scan_process(pid, looked_for))
            return not found
        try:
            wait_for(what, none_left, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}: {sorted(found)}") from None

    def live_tokens(self, mount=""):
        """The tokens in the memory of the backend's process that the server knows: got by a login at that mount."""
        found = set()
        for _, text in read_private(self.vault):
            found.update(TOKEN.findall(text))
        return {token for token in found if self.login_path(token.decode()).startswith(f"auth/{mount}")}

    def login_path(self, token):
        with contextlib.suppress(ApiError):
            return self.bao("POST", "auth/token/lookup", {"token": token})["data"]["path"]
        return ""

    def cli(self, *arguments):
        result = self.daemon.cli(*arguments, check=False)
        self.said += result.stdout + result.stderr

    def talk(self, files):
        """Everything that the daemon can be asked about them."""
        self.cli("status"), self.cli("status", "-o", "json"), self.cli("history", "db"), self.cli("login-check"), self.cli("vault-policy")
        for file in files:
            path = self.path(file)
            self.cli("stat", file), self.cli("stat", file, "-o", "json"), self.cli("explain", file), self.cli("get", file + "/none")
            with contextlib.suppress(OSError):  # not there: the errors are in the log
                for name in os.listxattr(path):
                    self.said += os.getxattr(path, name)

    def scan_text(self, looked_for):
        """Logs, audit, what was said, files of the daemon, command lines and environments of all processes."""
        found = {("what was said", form) for form in hits_in(self.said, looked_for)}
        for file in self.daemon.dir.rglob("*"):
            if not str(file).startswith(str(self.daemon.mount)) and file.is_file():
                with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                    found |= {(str(file), form) for form in hits_in(file.read_bytes(), looked_for)}
        for process in pathlib.Path("/proc").iterdir():
            for name in ("cmdline", "environ") if process.name.isdigit() else ():
                with contextlib.suppress(OSError):
                    found |= {(f"{name} of {process.name}", form) for form in hits_in((process / name).read_bytes(), looked_for)}
        return found

    def provoke_cores(self):
        """Aborts fs and the backend, their limits raised where that may be done, beside a process that does dump."""
        cores = pathlib.Path(tempfile.mkdtemp(prefix="leasefs-cores-"))
        self.addCleanup(shutil.rmtree, cores)
        cores.chmod(0o777)
        pattern = pathlib.Path("/proc/sys/kernel/core_pattern")
        self.addCleanup(pattern.write_text, pattern.read_text())
        pattern.write_text(f"{cores}/core.%p")
        control = subprocess.Popen([sys.executable, "-c", "import os, sys; sys.stdin.read(); os.abort()"], stdin=subprocess.PIPE)
        roles = ("fs", self.daemon.backend_role())
        most = resource.getrlimit(resource.RLIMIT_CORE)[1]
        for pid in (control.pid, *map(self.daemon.child, roles)):
            with contextlib.suppress(PermissionError):  # without CAP_SYS_RESOURCE their own limit of 0 stays
                resource.prlimit(pid, resource.RLIMIT_CORE, (most, most))
        control.communicate(b"")
        for role in roles:
            self.daemon.wait_new_child(role, self.daemon.kill_child(role, signal.SIGABRT))
        self.assertEqual([file.name for file in cores.iterdir()], [f"core.{control.pid}"] if most else [])

    def while_the_server_is_silent(self, files, looked_for, names):
        """Opens files while the server does not answer, until each canary was seen in the backend; then it answers. The bytes."""
        def read(file):  # a connection that takes longer than 3 s is given up: the next attempt is for a new one
            with contextlib.suppress(OSError):
                return read_as(ALICE, self.path(file))
            time.sleep(0.1)
            return None

        openbao.pause(self.bao.pid)
        try:
            with concurrent.futures.ThreadPoolExecutor() as threads:
                reading = [threads.submit(wait_for, file, lambda file=file: read(file), 30) for file in files]
                try:
                    for name in names:
                        wait_for(f"{name} is in use", lambda name=name: of({name}, scan_process(self.vault, looked_for)))
                finally:
                    openbao.resume(self.bao.pid)
                return [thread.result() for thread in reading]
        finally:
            openbao.resume(self.bao.pid)

    # ---- the tests ----

    def test_what_logs_in_and_what_is_read_is_nowhere_but_where_it_may_be(self):
        logins = {"secret-id": canary("secret-id"), "login password": canary("login")}
        values = {"kv1": canary("kv1"), "kv2": canary("kv2")}
        pair = self.bao.authority.issue("canary")
        setup.put1(self.bao, "v", k=values["kv1"].decode())
        setup.put2(self.bao, "v", k=values["kv2"].decode())
        setup.userpass(self.bao, ["app"], user="canary", password=logins["login password"].decode())
        setup.cert(self.bao, ["app"], pair)
        identities = {"user": {"method": "userpass", "username": "canary", "password": at(self.secret_file(logins["login password"].decode()))},
                      "web": {"method": "cert", "role": "web"}}
        self.serve([tree("one", "kv1"), tree("two", "kv2", identity="user"), tree("db", self.role()), tree("bad", "nowhere/at/all"),
                    tree("tls", self.issues, identity="web", method="POST", params={"common_name": "www.example.org"}), PGPASS],
                   self.approle_with(logins["secret-id"]), identities=identities, extra=LIMITS,
                   backend={"client_certificate": pair.certificate, "client_key": pair.key})
        looked_for = name_forms({**logins, **values})
        files = ["one/v/k", "two/v/k", "db/password", "tls/private_key"]
        read = self.while_the_server_is_silent(files, looked_for, logins)
        self.assertEqual(read[:2], list(values.values()))
        self.assertIn(read[2], read_as(ALICE, self.path("etc/pgpass")))
        values.update({"database password": read[2], "issued key": key_forms(read[3])})
        tokens = {mount: self.live_tokens(mount) for mount in ("approle", "userpass", "cert")}
        self.assertEqual([len(found) for found in tokens.values()], [1, 1, 1], "the scan is blind, or tokens lie about")
        tokens = {f"token of {mount}": found.pop() for mount, found in tokens.items()}
        looked_for = name_forms({**logins, **values, **tokens, "client key": key_forms(pair.key.read_bytes())})

        for file in [*files, "etc/pgpass"]:
            read_as(ALICE, self.path(file))
        self.gone("the backend lets go of what it passed on", name_forms({**logins, "kv1": values["kv1"], "kv2": values["kv2"]}), 5, [self.vault])
        kept = {"client key", "database password", "issued key", *tokens}  # what it minted it may be asked for again, by a successor of fs
        for pid, expected in ((self.keeper, set()), (self.fs, set(values)), (self.vault, kept)):
            found = scan_process(pid, looked_for)
            self.assertEqual({form.split(": ")[0] for _, form in found}, expected, "a secret where it should not be, or the scan is blind")
            self.assertFalse({hit for hit in found if "memfd" in hit[0]}, "surviving memory holds plaintext")
            swappable = {hit for hit in found if hit[0].endswith(SWAPPABLE)}
            self.assertEqual({form.split(": ")[0] for _, form in swappable} - {"client key"}, set(), "OpenSSL's key alone lies in memory of its own")

        self.assertNotEqual(self.errno("bad/k"), 0)
        self.talk([*files, "etc/pgpass", "one/none/k", "bad/k"])
        self.provoke_cores()
        self.assertEqual([read_as(ALICE, self.path(file)) for file in files], read, "what was held is held")
        self.assertEqual(self.scan_text(looked_for), set())

    def test_a_wrapped_secret_id_is_seen_only_while_somebody_logs_in_and_outlives_the_backend(self):
        secret_id = canary("wrapped")
        looked_for = name_forms({"secret-id": secret_id})
        setup.put1(self.bao, "w", k="value")
        setup.put1(self.bao, "x", k="later")
        self.serve(tree("one", "kv1"), self.approle_with(secret_id, wrapped=True, token_ttl="4s", token_max_ttl="4s"), extra=LIMITS)
        mark = self.audit.mark()
        self.assertEqual(self.read("one/w/k"), "value")
        self.gone("the secret-id after the login", looked_for, 3)
        openbao.pause(self.bao.pid)  # so that the token ends, and nobody logs in before that
        self.addCleanup(openbao.resume, self.bao.pid)
        self.daemon.wait_new_child(self.daemon.backend_role(), self.daemon.kill_child(self.daemon.backend_role()))
        time.sleep(4.5)
        self.assertEqual(self.while_the_server_is_silent(["one/x/k"], looked_for, ["secret-id"]), [b"later"])
        self.gone("the secret-id after the second login", looked_for, 3)
        self.assertEqual(self.audit.count("sys/wrapping/unwrap", since=mark), 1)
        self.assertGreaterEqual(self.audit.logins(mark), 2)
        self.assertEqual(self.scan_text(looked_for), set())

    def test_s16_a_token_is_nowhere_once_it_was_replaced_or_revoked(self):
        for number in range(3):
            setup.put1(self.bao, f"t{number}", k="value")
        self.serve([tree("one", "kv1"), tree("two", "kv1", identity="brief")], self.approle_with(canary("secret-id")),
                   identities={"brief": self.approle_with(canary("secret-id"), role="brief", token_ttl="15s", token_max_ttl="15s")})
        self.read("two/t0/k")
        ending, = self.live_tokens()
        self.read("one/t0/k")
        revoked, = self.live_tokens() - {ending}
        looked_for = name_forms({"ending": ending, "revoked": revoked})
        self.bao("POST", "auth/token/revoke", {"token": revoked.decode()})
        self.read("one/t1/k")
        self.gone("the token that was revoked", name_forms({"token": revoked}), 2)
        wait_for("the other one has ended", lambda: not self.login_path(ending.decode()), 25)
        self.read("two/t2/k")
        self.gone("the token that has ended", looked_for, 2)
        self.assertTrue(self.live_tokens(), "the scan is blind")
        self.assertEqual(self.scan_text(looked_for), set())

    def test_s14_a_credential_is_nowhere_after_the_end_of_its_lease(self):
        ends, revoked, idle = self.role("ends", ttl="15s", max_ttl="15s"), self.role("revoked", ttl="12s", max_ttl="1h"), self.role("idle")
        issues = setup.pki(self.bao, path="brief", ttl="1h", generate_lease=True)
        self.serve([tree("db", ends, min_ttl="1s", forms=["keys", "json", "env"]), PGPASS, BASIC, tree("revoked", revoked),
                    tree("idle", idle, idle="10s"),
                    tree("tls", issues, method="POST", params={"common_name": "www.example.org"}, idle="10s")],
                   self.approle_with(canary("secret-id")))
        made = ["db/.json", "db/.env", "etc/pgpass", "etc/basic"]  # of the password, by fs alone
        files = ["db/password", "revoked/password", "idle/password", "tls/private_key"]
        values = {file: read_as(ALICE, self.path(file)) for file in [*files, *made]}
        (ending,), (taken,) = self.bao.leases(ends), self.bao.leases(revoked)
        ends_at = self.bao.lease_end(ending)
        self.assertEqual([len(self.bao.leases(path)) for path in (idle, issues)], [1, 1])
        password = values[files[0]]
        for file in made:
            self.assertIn(password if file != "etc/basic" else base64.b64encode(password), values[file])
        values["tls/private_key"] = key_forms(values["tls/private_key"])
        looked_for = name_forms({name: value if name in files else {"text": value.strip()} for name, value in values.items()})
        for pid, expected in ((self.fs, {*files, *made}), (self.vault, set(files))):
            self.assertEqual({form.split(": ")[0] for _, form in scan_process(pid, looked_for)}, expected, "the scan is blind")
        self.bao.revoke(taken)
        wait_for("the first lease has ended", lambda: ends_at <= time.time(), 20)
        self.gone("what ran out", name_forms({files[0]: password, **{file: {"text": values[file].strip()} for file in made}}), 1)
        self.gone("what was revoked, once the server says so", name_forms({files[1]: values[files[1]]}), 12)
        wait_for("idle ones are given back", lambda: not self.bao.leases(idle) and not self.bao.leases(issues), 30)
        self.gone("what was given back", looked_for, 2)
        self.assertEqual(self.scan_text(looked_for), set())

    def test_nothing_is_left_by_stop_with_revoke(self):
        self.serve(tree("db", self.role()), self.approle_with(canary("secret-id")))
        looked_for = name_forms({"password": self.read("db/password").encode()})
        self.assertTrue(scan_process(self.fs, looked_for), "the scan is blind")
        pids = [self.keeper, self.fs, self.vault]
        self.daemon.cli("stop", "--revoke")
        self.assertEqual(self.daemon.process.wait(15), 0)
        self.assertEqual([pid for pid in pids if os.path.exists(f"/proc/{pid}")], [])
        self.assertEqual(self.scan_text(looked_for), set())

    def test_a_request_costs_no_connection(self):
        for number in range(60):
            setup.put1(self.bao, f"many{number}", k="value")
        self.serve(tree("one", "kv1"), self.approle_with(canary("secret-id")))
        self.read("one/many0/k")
        before = self.connections()
        for number in range(1, 60):
            self.read(f"one/many{number}/k")
        self.assertLessEqual(len(self.connections() - before), 2, "kept ones were not used again")

    def connections(self):
        """The client's ports of connections to the server, also of those that ended lately."""
        found = set()
        with open(f"/proc/{self.vault}/net/tcp", encoding="ascii") as file:
            for line in file.read().splitlines()[1:]:
                local, remote = line.split()[1:3]
                if int(remote.split(":")[1], 16) == self.bao.node.port:
                    found.add(local)
        return found


if __name__ == "__main__":
    harness.main()
