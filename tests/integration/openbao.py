"""Real OpenBao servers for tests: TLS on loopback, unsealed, with a file audit device that is the honest count of what a client did.

A server lives in a directory of its own and leaves nothing behind. It is `bao` as packaging/install-openbao.sh installs it
(LEASEFS_BAO names another one). What is mounted in it is openbao_setup.py's part.
"""

import contextlib
import ctypes
import datetime
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile

from certificates import Authority
from harness import ROOT, wait_for

BAO = pathlib.Path(os.environ.get("LEASEFS_BAO", ROOT / "build" / "openbao" / "bao"))
_libc = ctypes.CDLL(None, use_errno=True)


def need_bao():
    if not os.access(BAO, os.X_OK):
        sys.exit(f"{BAO} is not there: packaging/install-openbao.sh {BAO.parent} installs it")


def free_port():
    """A port that nothing listens on now, below those that the kernel gives to clients: it stays free over a server's restart."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _die_with_parent():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class ApiError(Exception):
    """What the server answered, for tests that want it refused."""

    def __init__(self, method, path, status, errors):
        super().__init__(f"{method} {path}: {status}: {errors}")
        self.status = status
        self.errors = errors


class Audit:
    """The records of the file audit device. A mark is a place in it; each count is of what succeeded since a mark."""

    def __init__(self, file):
        self.file = file

    def mark(self):
        return self.file.stat().st_size if self.file.exists() else 0

    def responses(self, since=0, failed=False):
        """Records of type response: those of requests that succeeded, or those that failed."""
        with open(self.file, "rb") as file:
            file.seek(since)
            lines = file.read().split(b"\n")
        # The last piece is empty, or a record that is being written.
        records = [json.loads(line) for line in lines[:-1] if line]
        return [record for record in records if record["type"] == "response" and bool(record.get("error")) == failed]

    def count(self, path=None, operations=("read", "create", "update", "list", "delete"), since=0, failed=False, prefix=None):
        """How many requests to exactly that path, or below that prefix."""
        return sum(1 for record in self.responses(since, failed)
                   if record["request"]["operation"] in operations
                   and (path is None or record["request"]["path"] == path)
                   and (prefix is None or record["request"]["path"].startswith(prefix)))

    def logins(self, since=0, failed=False):
        """Tokens got by a login, whatever the method."""
        return sum(1 for record in self.responses(since, failed)
                   if record["request"]["operation"] in ("create", "update") and record["request"]["path"].startswith("auth/")
                   and "/login" in record["request"]["path"])

    def mints(self, path, since=0):
        """Credentials that the engine made, by GET or POST, at that path."""
        return self.count(path, ("read", "create", "update"), since)

    def reads(self, path, since=0):
        return self.count(path, ("read",), since)

    def renewals(self, since=0, failed=False):
        """Of leases."""
        return self.count("sys/leases/renew", ("create", "update"), since, failed)

    def token_renewals(self, since=0, failed=False):
        return self.count("auth/token/renew-self", ("create", "update"), since, failed)

    def revocations(self, since=0):
        """Leases and tokens that a client gave back."""
        paths = ("sys/leases/revoke", "auth/token/revoke-self", "auth/token/revoke")
        return sum(self.count(path, ("create", "update"), since) for path in paths) + self.count(prefix="sys/leases/revoke-", since=since)


class Node:
    """One server process and its files."""

    def __init__(self, directory, authority, storage, name, listener="", listen="127.0.0.1"):
        self.dir = directory
        self.dir.mkdir(exist_ok=True)
        self.authority = authority
        self.name = name
        self.port = free_port()
        self.address = f"https://127.0.0.1:{self.port}"
        self.audit = Audit(self.dir / "audit.jsonl")
        self.log = self.dir / "server.log"
        self.process = None
        pair = authority.issue(name)
        self.certificate, self.key = pair.certificate, pair.key
        self.cluster_port = next(port for port in iter(free_port, None) if port != self.port)
        self.config = self.dir / "server.hcl"
        self._storage, self._listener, self._listen = storage, listener, listen
        self.write_config()

    def write_config(self):
        # The audit device's settings must be equal on all nodes of a cluster: its path is relative to the directory of each.
        raft = f'storage "raft" {{\n  path = "{self.dir}/data"\n  node_id = "{self.name}"\n  performance_multiplier = 1\n}}\n'
        (self.dir / "data").mkdir(exist_ok=True)
        self.config.write_text(
            (raft if self._storage == "raft" else 'storage "inmem" {}\n')
            + f'listener "tcp" {{\n  address = "{self._listen}:{self.port}"\n  cluster_address = "127.0.0.1:{self.cluster_port}"\n'
            f'  tls_cert_file = "{self.certificate}"\n  tls_key_file = "{self.key}"\n{self._listener}}}\n'
            f'api_addr = "{self.address}"\ncluster_addr = "https://127.0.0.1:{self.cluster_port}"\n'
            'audit "file" "tests" {\n  options {\n    file_path = "audit.jsonl"\n    mode = "0600"\n  }\n}\n'
            'ui = false\n')

    def start(self):
        assert self.process is None
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([BAO, "server", f"-config={self.config}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.dir, env={"PATH": os.environ["PATH"], "HOME": str(self.dir)}, start_new_session=True,
                                            preexec_fn=_die_with_parent)
        wait_for(f"{self.name} listens", self._listens, 20)

    def _listens(self):
        if self.process.poll() is not None:
            raise AssertionError(f"bao ended with {self.process.returncode}:\n{self.log.read_text(errors='replace')}")
        with contextlib.suppress(OSError, http.client.HTTPException, ApiError):
            return "sealed" in self.api("GET", "sys/seal-status", token=None)
        return False

    def running(self):
        return self.process is not None and self.process.poll() is None

    def end(self, number=signal.SIGKILL):
        """Ends this server by a signal and waits for its death. SIGKILL is what a crash is."""
        if self.process is not None:
            if self.process.poll() is None:
                os.kill(self.process.pid, number)
            self.process.wait(30)
            self.process = None

    def request(self, method, path, body=None, token=None, namespace=None, headers=None, certificate=None, timeout=30):
        """(status, headers, the body's bytes), whatever the status. body: bytes are sent as they are, anything else as JSON."""
        context = ssl.create_default_context(cafile=str(self.authority.ca))
        if certificate:
            context.load_cert_chain(certificate.certificate, certificate.key)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=context)
        sent = {"X-Vault-Request": "true", **(headers or {})}
        if token:
            sent["X-Vault-Token"] = token
        if namespace:
            sent["X-Vault-Namespace"] = namespace
        try:
            connection.request(method, "/v1/" + path, body if body is None or isinstance(body, bytes) else json.dumps(body), sent)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def api(self, method, path, body=None, **options):
        """The answer's JSON; {} if it has none. ApiError for every status but a good one."""
        status, _, text = self.request(method, path, body, **options)
        answer = {}
        if text:
            with contextlib.suppress(ValueError):
                answer = json.loads(text)
        if status >= 300:
            raise ApiError(method, path, status, answer.get("errors", text[:200]))
        return answer


class OpenBao:
    """A server, or with nodes=3 a raft cluster, unsealed and with its root token. A context manager; close() leaves nothing.

    storage: "inmem" is gone with its process, "raft" lives on over restarts, sealed until unseal().
    listener: more lines of the listener block. listen: the address that it listens on.
    """

    def __init__(self, storage="raft", nodes=1, listener="", listen="127.0.0.1"):
        need_bao()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="leasefs-bao-"))
        self.dir.chmod(0o755)
        self.nodes = []
        self.root = None
        self._unseal_key = None
        try:
            self.authority = Authority(self.dir / "tls")
            storage = "raft" if nodes > 1 else storage
            for number in range(nodes):
                self.nodes.append(Node(self.dir / f"node{number}", self.authority, storage, f"node{number}", listener, listen))
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self):
        for node in self.nodes:
            node.start()
        first = self.nodes[0]
        made = first.api("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        self.root, self._unseal_key = made["root_token"], made["keys_base64"][0]
        self.unseal(first)
        if len(self.nodes) > 1:  # a new node votes after the default of 10 s otherwise
            self("POST", "sys/storage/raft/autopilot/configuration", {"server_stabilization_time": "1s"}, node=first)
        for node in self.nodes[1:]:
            node.api("POST", "sys/storage/raft/join", {"leader_api_addr": first.address, "leader_ca_cert": self.ca.read_text()})
            self.unseal(node)
        if len(self.nodes) > 1:
            wait_for("all nodes are voters", self._all_vote, 40)

    def _all_vote(self):
        with contextlib.suppress(ApiError, OSError):
            peers = self("GET", "sys/storage/raft/configuration")["data"]["config"]["servers"]
            return len(peers) == len(self.nodes) and all(peer["voter"] for peer in peers)
        return False

    # One node's matters; the first node's where a test has only one.
    @property
    def node(self):
        return self.nodes[0]

    @property
    def address(self):
        return self.node.address

    @property
    def addresses(self):
        return [node.address for node in self.nodes]

    @property
    def ca(self):
        return self.authority.ca

    @property
    def audit(self):
        return self.node.audit

    @property
    def pid(self):
        return self.node.process.pid

    def __call__(self, method, path, body=None, token=None, node=None, **options):
        """bao("PUT", "sys/mounts/kv1", {...}) as root, or with another token; token="" sends none. The answer's JSON."""
        node = node or (self.leader() if len(self.nodes) > 1 else self.node)
        return node.api(method, path, body, token=self.root if token is None else token, **options)

    def health(self, node=None):
        """200 active, 429 standby, 503 sealed, 501 not initialized; 0: not listening."""
        try:
            return (node or self.node).request("GET", "sys/health")[0]
        except (OSError, http.client.HTTPException):
            return 0

    def leader(self):
        """The active node of those that run."""
        def find():
            return next((node for node in self.nodes if node.running() and self.health(node) == 200), None)
        return find() or wait_for("a leader", find, 40)

    def standbys(self):
        leader = self.leader()
        return [node for node in self.nodes if node is not leader and node.running()]

    def settle(self):
        """Until every node that runs has what was written so far: standbys answer reads, and logins, from a copy of their own."""
        name = f"settled-{random.randrange(1 << 40)}"
        self("PUT", f"sys/policies/acl/{name}", {"policy": 'path "none" { capabilities = ["deny"] }'})

        def has(node):
            with contextlib.suppress(ApiError, OSError):
                return bool(node.api("GET", f"sys/policies/acl/{name}", token=self.root))
            return False
        for node in self.nodes:
            if node.running():
                wait_for(f"{node.name} has it", lambda n=node: has(n), 20)

    def step_down(self):
        """The leader gives up its office; returns when another one, or the same again, has it. Returns the old one."""
        old = self.leader()
        old.api("PUT", "sys/step-down", token=self.root)
        self.leader()
        return old

    def seal(self):
        self("PUT", "sys/seal")
        wait_for("it is sealed", lambda: self.health() == 503)

    def unseal(self, node=None):
        node = node or self.node
        node.api("PUT", "sys/unseal", {"key": self._unseal_key})
        wait_for(f"{node.name} is unsealed", lambda: self.health(node) in (200, 429), 30)
        self.leader()  # a node alone is a standby, too, until it has voted for itself

    def kill(self, node=None):
        """SIGKILL: what is connected sees its connections end and no listener."""
        (node or self.node).end()

    def start(self, node=None, unseal=True):
        """Starts one that was ended."""
        node = node or self.node
        node.start()
        if unseal:
            self.unseal(node)

    def restart(self):
        self.kill()
        self.start()

    def new_certificate(self, pair):
        """Serves with this certificate from now on, by SIGHUP; new handshakes only."""
        for source, target in ((pair.certificate, self.node.certificate), (pair.key, self.node.key)):
            if source != target:
                shutil.copy(source, target)
        os.kill(self.pid, signal.SIGHUP)

    def leases(self, prefix, namespace=None):
        """Ids of the leases below e.g. "database/creds/app", as the server has them now."""
        try:
            keys = self("LIST", f"sys/leases/lookup/{prefix}/", namespace=namespace)["data"]["keys"]
        except ApiError as error:
            if error.status != 404:
                raise
            return []
        return [f"{prefix}/{key}" for key in keys]

    def lease(self, lease_id):
        """issue_time, expire_time, ttl … of one lease. ApiError when it has ended."""
        return self("PUT", "sys/leases/lookup", {"lease_id": lease_id})["data"]

    def lease_end(self, lease_id):
        """As time.time() counts."""
        text = self.lease(lease_id)["expire_time"]  # with nanoseconds, which are more digits than Python reads
        return datetime.datetime.fromisoformat(re.sub(r"\.(\d{6})\d*", r".\1", text).replace("Z", "+00:00")).timestamp()

    def revoke(self, lease_id):
        self("PUT", "sys/leases/revoke", {"lease_id": lease_id, "sync": True})

    def close(self):
        for node in self.nodes:
            node.end()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is not None:
            for node in self.nodes:
                print(f"--- the end of the log of {node.name}", node.log.read_text(errors="replace")[-3000:], sep="\n", file=sys.stderr)
        self.close()


def pause(process_id):
    """SIGSTOP: it accepts connections (the kernel does) and never answers. Undone by resume()."""
    os.kill(process_id, signal.SIGSTOP)


def resume(process_id):
    os.kill(process_id, signal.SIGCONT)
