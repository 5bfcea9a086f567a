"""A TLS server that answers as a test wants, wrongly above all, and records what it got. And enough of the Vault API to be believed."""

import contextlib
import dataclasses
import json
import socket
import ssl
import threading


@dataclasses.dataclass
class Request:
    method: str
    path: str  # with its query, without /v1/ in front where it has that
    headers: dict  # names in lower case
    body: bytes


def answer(status, body=b"", **headers):
    """An HTTP/1.1 answer with its length. body: bytes, or what becomes JSON."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} said so"] + [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"Content-Length: {len(text)}", "", ""]).encode() + text


def data(fields, **more):
    """A 200 as Vault gives it."""
    return answer(200, {"request_id": "r", "lease_id": "", "renewable": False, "lease_duration": 0, "data": fields, "wrap_info": None,
                        "warnings": None, "auth": None, **more})


def errors(status, *words, **headers):
    return answer(status, {"errors": list(words)}, **headers)


class ScriptedServer:
    """script(request, stream) returns the bytes of the answer, or None when it has written to the stream (a socket) itself; None and a closed
    stream end the connection. Each connection has a thread. `pair`: None is plain HTTP. `requests`: all, in the order of their arrival."""

    def __init__(self, pair, script):
        self.script = script
        self.requests = []
        self.connections = 0
        self._open = set()
        self._lock = threading.Lock()
        self.context = None
        if pair:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.set_ciphers("ALL:@SECLEVEL=0")  # it may offer what a client must refuse
            self.context.load_cert_chain(pair.certificate, pair.key)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listener.getsockname()[1]
        self.address = f"{'https' if pair else 'http'}://127.0.0.1:{self.port}"
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def _accept(self):
        while True:
            try:
                stream, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.add(stream)
            threading.Thread(target=self._serve, args=(stream,), daemon=True).start()

    def _serve(self, raw):
        stream = raw
        with contextlib.suppress(OSError, ssl.SSLError, ValueError):
            if self.context:
                stream = self.context.wrap_socket(raw, server_side=True)
                with self._lock:
                    self._open.discard(raw)
                    self._open.add(stream)
            reader = stream.makefile("rb")
            while True:
                request = self._read(reader)
                if request is None:
                    break
                with self._lock:
                    self.requests.append(request)
                said = self.script(request, stream)
                if said is None:
                    break
                stream.sendall(said)
        with contextlib.suppress(OSError):
            stream.close()
        with self._lock:
            self._open.discard(stream)

    @staticmethod
    def _read(reader):
        words = reader.readline().decode("latin-1").split()
        if len(words) < 3:
            return None
        headers = {}
        while (line := reader.readline().decode("latin-1").strip()):
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        body = reader.read(int(headers.get("content-length", 0)))
        return Request(words[0], words[1].removeprefix("/v1/"), headers, body)

    def tokens(self):
        """Every token that arrived, in whatever header."""
        with self._lock:
            return [value for request in self.requests for name, value in request.headers.items() if name in ("x-vault-token", "authorization")]

    def count(self, path, since=0):
        """Of those that arrived, but for the first `since`."""
        with self._lock:
            return sum(1 for request in self.requests[since:] if request.path.split("?")[0] == path)

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            left = list(self._open)
        for stream in left:
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(5)


class FakeVault:
    """A script for ScriptedServer: a KV v1 mount at kv/, whose secrets the test names, a token that is good, and a role that logs in by approle.
    `leased`: {path: seconds}, where each GET makes a credential with a lease. `odd` goes first: {path: function(request, stream)}, for what a
    real server never says. `outage` goes before all: None, a status, or "hang" and "close", which give no answer."""

    def __init__(self, secrets=None, token="the token", leased=None):
        self.secrets = secrets or {}
        self.token = token
        self.leased = leased or {}
        self.odd = {}
        self.minted = self.renewed = 0
        self.outage = None
        self._calm = threading.Event()

    def fail(self, how):
        self._calm.clear()
        self.outage = how

    def recover(self):
        self.outage = None
        self._calm.set()

    def __call__(self, request, stream):
        if (how := self.outage) is not None:
            if how == "hang":
                self._calm.wait(60)
            return errors(how, "it fails") if isinstance(how, int) else None
        path = request.path.split("?")[0]
        if path in self.odd:
            return self.odd[path](request, stream)
        if path == "sys/health":
            return answer(200, {"initialized": True, "sealed": False, "standby": False, "version": "2.7.2"})
        if path == "sys/seal-status":
            return answer(200, {"initialized": True, "sealed": False, "type": "shamir", "version": "2.7.2"})
        if path == "auth/approle/login":
            return data(None, auth=self._auth())
        if request.headers.get("x-vault-token") != self.token:
            return errors(403, "permission denied")
        if path == "auth/token/lookup-self":
            return data({"id": self.token, "ttl": 3600, "renewable": True, "policies": ["default"], "num_uses": 0, "type": "service"})
        if path == "auth/token/renew-self":
            return data(None, auth=self._auth())
        if path.startswith("sys/internal/ui/mounts/kv"):
            return data({"path": "kv/", "type": "kv", "options": {"version": "1"}, "uuid": "u", "accessor": "kv_1"})
        if path.startswith("sys/internal/ui/mounts/database"):
            return data({"path": "database/", "type": "database", "options": None, "uuid": "d", "accessor": "database_1"})
        if path in self.leased:
            self.minted += 1
            return data({"username": f"v-{self.minted}", "password": f"p-{self.minted}"}, lease_id=f"{path}/{self.minted}", renewable=True,
                        lease_duration=self.leased[path])
        if path == "sys/leases/renew":
            self.renewed += 1
            lease = json.loads(request.body)["lease_id"]
            return data(None, lease_id=lease, renewable=True, lease_duration=self.leased[lease.rsplit("/", 1)[0]])
        if path == "kv" or path.startswith("kv/"):
            return self._kv(request, path)
        return errors(404, "no handler for route")

    def _auth(self):
        return {"client_token": self.token, "lease_duration": 3600, "renewable": True, "policies": ["default"], "token_type": "service",
                "num_uses": 0, "mfa_requirement": None}

    def _kv(self, request, path):
        name = path[len("kv/"):].rstrip("/")
        if request.method == "LIST" or "list=true" in request.path:
            prefix = name + "/" if name else ""
            known = [*self.secrets, *(odd[len("kv/"):] for odd in self.odd if odd.startswith("kv/"))]
            below = {key[len(prefix):] for key in known if key.startswith(prefix)}
            keys = sorted({key.split("/")[0] + "/" if "/" in key else key for key in below})
            return data({"keys": keys}) if keys else errors(404)
        return data(self.secrets[name], lease_duration=2764800) if name in self.secrets else errors(404)
