"""Who a service account is: JWTs signed as a cluster signs them, and the API that OpenBao's kubernetes login asks about them."""

import base64
import http.server
import json
import pathlib
import ssl
import threading
import time

from certificates import make_key, public_key, sign


def _base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Signs JWTs with a key of its own."""

    def __init__(self, directory):
        self.key = pathlib.Path(directory) / "jwt.key"
        make_key(self.key, "rsa")
        self.public_key = public_key(self.key)

    def jwt(self, lifetime=600, **claims):
        now = int(time.time())
        claims = {"iss": "https://issuer.test", "iat": now, "nbf": now, "exp": now + lifetime, **claims}
        text = ".".join(_base64url(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
        return f"{text}.{_base64url(sign(self.key, text.encode()))}"

    def service_account(self, namespace="default", name="app"):
        account = {"namespace": namespace, "serviceaccount": {"name": name, "uid": f"uid-{name}"}}
        return self.jwt(sub=f"system:serviceaccount:{namespace}:{name}", aud=["https://kubernetes.test"], **{"kubernetes.io": account})


def _subject(token):
    text = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))["sub"]


class TokenReview:
    """The API server's authentication.k8s.io/v1 TokenReview on a loopback port. `revoked`: tokens that it does not know (any more)."""

    def __init__(self, pair, reviewer="the reviewer"):
        review = self
        self.reviewer = reviewer
        self.revoked = set()
        self.reviews = 0

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer = review._answer(self.path, self.headers.get("Authorization"), body)
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.address = f"https://127.0.0.1:{self._server.server_address[1]}"

    def _answer(self, path, authorization, body):
        if path != "/apis/authentication.k8s.io/v1/tokenreviews" or "token" not in body.get("spec", {}):
            return 404, {"kind": "Status", "status": "Failure", "code": 404}
        if authorization != f"Bearer {self.reviewer}":
            return 401, {"kind": "Status", "status": "Failure", "message": "Unauthorized", "code": 401}
        self.reviews += 1
        token = body["spec"]["token"]
        status = {"authenticated": False, "error": "unknown token"}
        if token not in self.revoked:
            subject = _subject(token)
            status = {"authenticated": True, "audiences": body["spec"].get("audiences", ["https://kubernetes.test"]),
                      "user": {"username": subject, "uid": "uid-" + subject.split(":")[-1],
                               "groups": ["system:serviceaccounts", "system:serviceaccounts:" + subject.split(":")[2]]}}
        return 201, {"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "status": status}

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
