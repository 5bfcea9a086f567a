"""What a test mounts in an OpenBao: engines, logins, policies, quotas. Each function makes one thing and returns what a client needs."""

import contextlib
import dataclasses
import pathlib
import time
import urllib.parse

from openbao import ApiError
from postgres import ADMIN
from token_review import TokenReview

GRANTS = "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'; GRANT SELECT ON facts TO \"{{name}}\";"


def policy(bao, name, rules, namespace=None):
    """policy(bao, "app", {"kv1/*": ["read", "list"]})"""
    text = "".join('path "%s" { capabilities = [%s] }\n' % (path, ", ".join(f'"{word}"' for word in words)) for path, words in rules.items())
    bao("PUT", f"sys/policies/acl/{name}", {"policy": text}, namespace=namespace)


def token(bao, policies, ttl="1h", namespace=None, **more):
    """A token that no parent takes along."""
    return bao("POST", "auth/token/create", {"policies": policies, "ttl": ttl, "renewable": True, "no_parent": True, **more},
               namespace=namespace)["auth"]["client_token"]


def quote(name):
    """One component of a path, as it must stand in a URL. A % is escaped, too."""
    return urllib.parse.quote(name, safe="")


def kv1(bao, path="kv1", namespace=None):
    bao("PUT", f"sys/mounts/{path}", {"type": "kv", "options": {"version": "1"}}, namespace=namespace)


def kv2(bao, path="kv2", namespace=None):
    bao("PUT", f"sys/mounts/{path}", {"type": "kv", "options": {"version": "2"}}, namespace=namespace)
    _when_upgraded(lambda: bao("GET", f"{path}/config", namespace=namespace))


def _when_upgraded(call):
    """A new mount of version 2 answers 400 "Upgrading…" for a moment."""
    for _ in range(100):
        with contextlib.suppress(ApiError):
            return call()
        time.sleep(0.05)
    return call()


def put1(bao, name, /, mount="kv1", namespace=None, **keys):
    bao("PUT", f"{mount}/{name}", keys, namespace=namespace)


def put2(bao, name, /, mount="kv2", namespace=None, **keys):
    """Returns the number of the new version."""
    return bao("PUT", f"{mount}/data/{name}", {"data": keys}, namespace=namespace)["data"]["version"]


def database(bao, postgres, path="database", namespace=None):
    bao("PUT", f"sys/mounts/{path}", {"type": "database"}, namespace=namespace)
    bao("PUT", f"{path}/config/pg", {
        "plugin_name": "postgresql-database-plugin", "allowed_roles": ["*"], "username": ADMIN, "password": postgres.admin_password,
        "connection_url": f"postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{postgres.port}/postgres?sslmode=disable"}, namespace=namespace)


def database_role(bao, name, ttl="1h", max_ttl="24h", path="database", namespace=None):
    """Returns the path that mints."""
    bao("PUT", f"{path}/roles/{name}", {"db_name": "pg", "default_ttl": ttl, "max_ttl": max_ttl, "creation_statements": [GRANTS]},
        namespace=namespace)
    return f"{path}/creds/{name}"


def static_role(bao, postgres, name, username, period="5s", path="database"):
    """A role of PostgreSQL whose password OpenBao changes every `period` (5 s at least). Returns the path to read."""
    # PostgreSQL 15: who has CREATEROLE may set the password of any role that is no superuser's.
    postgres.sql(f"CREATE ROLE {username} LOGIN PASSWORD 'first'; GRANT SELECT ON facts TO {username}")
    bao("PUT", f"{path}/static-roles/{name}", {"db_name": "pg", "username": username, "rotation_period": period,
                                              "rotation_statements": ["ALTER USER \"{{name}}\" WITH PASSWORD '{{password}}';"]})
    return f"{path}/static-creds/{name}"


def pki(bao, role="web", ttl="1h", path="pki", generate_lease=False):
    """An issuer with a root of its own. Returns the path that issues."""
    bao("PUT", f"sys/mounts/{path}", {"type": "pki", "config": {"max_lease_ttl": "8760h"}})
    bao("POST", f"{path}/root/generate/internal", {"common_name": "test root", "ttl": "8000h", "key_type": "ec", "key_bits": 256})
    pki_role(bao, role, ttl, path, generate_lease)
    return f"{path}/issue/{role}"


def pki_role(bao, role, ttl, path="pki", generate_lease=False):
    bao("PUT", f"{path}/roles/{role}", {"allow_any_name": True, "enforce_hostnames": False, "key_type": "ec", "key_bits": 256, "ttl": ttl,
                                       "max_ttl": "72h", "generate_lease": generate_lease, "not_before_duration": "30s"})


def ssh(bao, role="login", ttl="1h", path="ssh"):
    """Signs the keys of users. Returns the path that signs."""
    bao("PUT", f"sys/mounts/{path}", {"type": "ssh"})
    bao("POST", f"{path}/config/ca", {"generate_signing_key": True, "key_type": "ed25519"})
    bao("PUT", f"{path}/roles/{role}", {"key_type": "ca", "allow_user_certificates": True, "allowed_users": "*", "default_user": "app",
                                       "ttl": ttl, "default_extensions": {"permit-pty": ""}})
    return f"{path}/sign/{role}"


def totp(bao, name="phone", path="totp", period="30s"):
    bao("PUT", f"sys/mounts/{path}", {"type": "totp"})
    bao("PUT", f"{path}/keys/{name}", {"generate": True, "issuer": "tests", "account_name": name, "period": period})
    return f"{path}/code/{name}"


def transit(bao, key="box", path="transit"):
    bao("PUT", f"sys/mounts/{path}", {"type": "transit"})
    bao("PUT", f"{path}/keys/{key}")
    return path


@dataclasses.dataclass
class AppRole:
    role_id: str
    secret_id_path: str  # where secret-ids are made: the creation path of a wrapped one

    def secret_id(self, bao, namespace=None):
        return bao("POST", self.secret_id_path, namespace=namespace)["data"]["secret_id"]

    def wrapped_secret_id(self, bao, ttl="60s", namespace=None):
        return bao("POST", self.secret_id_path, headers={"X-Vault-Wrap-TTL": ttl}, namespace=namespace)["wrap_info"]["token"]


def _enable(bao, method, mount, namespace=None):
    with contextlib.suppress(ApiError):  # it is there already
        bao("PUT", f"sys/auth/{mount}", {"type": method}, namespace=namespace)


def approle(bao, policies, role="app", mount="approle", namespace=None, **settings):
    """token_ttl="10s", token_max_ttl="40s", token_type="batch", secret_id_num_uses=1 …"""
    _enable(bao, "approle", mount, namespace)
    bao("PUT", f"auth/{mount}/role/{role}", {"token_policies": policies, "token_ttl": "1h", "token_max_ttl": "24h", **settings}, namespace=namespace)
    role_id = bao("GET", f"auth/{mount}/role/{role}/role-id", namespace=namespace)["data"]["role_id"]
    return AppRole(role_id, f"auth/{mount}/role/{role}/secret-id")


def userpass(bao, policies, user="bob", password="correct horse", mount="userpass", **settings):
    _enable(bao, "userpass", mount)
    bao("PUT", f"auth/{mount}/users/{user}", {"password": password, "token_policies": policies, "token_ttl": "1h", **settings})


def cert(bao, policies, pair, role="web", mount="cert", **settings):
    """Logs in who shows that certificate."""
    _enable(bao, "cert", mount)
    bao("PUT", f"auth/{mount}/certs/{role}", {"certificate": pathlib.Path(pair.certificate).read_text(), "token_policies": policies,
                                             "token_ttl": "1h", **settings})


def jwt(bao, policies, issuer, role="service", mount="jwt", audience="leasefs", subject="app", **settings):
    """Logs in who has a JWT of that Issuer for that audience and subject."""
    _enable(bao, "jwt", mount)
    bao("PUT", f"auth/{mount}/config", {"jwt_validation_pubkeys": [issuer.public_key]})
    bao("PUT", f"auth/{mount}/role/{role}", {"role_type": "jwt", "user_claim": "sub", "bound_audiences": [audience], "bound_subject": subject,
                                            "token_policies": policies, "token_ttl": "1h", **settings})


def kubernetes(bao, policies, issuer, role="pods", mount="kubernetes", name="app", namespace="default", **settings):
    """Logs in that service account. Returns the TokenReview, which the caller closes."""
    review = TokenReview(bao.authority.issue("kubernetes"))
    _enable(bao, "kubernetes", mount)
    bao("PUT", f"auth/{mount}/config", {"kubernetes_host": review.address, "kubernetes_ca_cert": bao.ca.read_text(),
                                       "token_reviewer_jwt": review.reviewer, "disable_local_ca_jwt": True})
    bao("PUT", f"auth/{mount}/role/{role}", {"bound_service_account_names": [name], "bound_service_account_namespaces": [namespace],
                                            "token_policies": policies, "token_ttl": "1h", **settings})
    return review


def namespace(bao, path):
    """namespace(bao, "a/b") makes a and a/b."""
    parts = path.split("/")
    for depth, part in enumerate(parts):
        with contextlib.suppress(ApiError):  # it is there already
            bao("PUT", f"sys/namespaces/{part}", {}, namespace="/".join(parts[:depth]) or None)


def rate_limit(bao, path, rate, interval="1s", block="3s"):
    """429 with Retry-After beyond `rate` requests per interval. Returns a function that takes it away."""
    bao("PUT", "sys/quotas/config", {"enable_rate_limit_response_headers": True})
    bao("PUT", "sys/quotas/rate-limit/tests", {"path": path, "rate": rate, "interval": interval, "block_interval": block})
    return lambda: bao("DELETE", "sys/quotas/rate-limit/tests")
