#!/usr/bin/env python3
"""The servers that the Vault tests stand on do what those tests rely on: they start, seal, count, mint, log in and die."""

import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import openbao_setup as setup
from certificates import HOUR, Authority
from harness import ALICE, wait_for
from openbao import BAO, ApiError, OpenBao
from postgres import Postgres
from token_review import Issuer


class OneServer(unittest.TestCase):
    """One server and one PostgreSQL for all tests of the class; each test mounts what it needs under names of its own."""

    @classmethod
    def setUpClass(cls):
        cls.bao = cls.enterClassContext(OpenBao())
        cls.postgres = cls.enterClassContext(Postgres())
        setup.database(cls.bao, cls.postgres)

    def refused(self, status, *request, **options):
        with self.assertRaises(ApiError) as caught:
            self.bao(*request, **options)
        self.assertEqual(caught.exception.status, status, caught.exception)

    def client(self, *arguments, **environment):
        """bao as a client, as people use it."""
        return subprocess.run([BAO, *arguments], capture_output=True, timeout=30, check=False, env={
            "PATH": os.environ["PATH"], "HOME": str(self.bao.dir), "BAO_ADDR": self.bao.address, "BAO_CACERT": str(self.bao.ca), **environment})

    def test_it_serves_over_tls_with_the_authority_of_the_test_only(self):
        self.assertEqual(self.client("status").returncode, 0)
        other = Authority(self.bao.dir / "other")
        said = self.client("status", BAO_CACERT=str(other.ca))
        self.assertNotEqual(said.returncode, 0)
        self.assertIn(b"certificate", said.stderr)

    def test_a_seal_is_503_and_values_are_there_after_it_and_after_a_kill(self):
        setup.kv1(self.bao, "kept")
        setup.put1(self.bao, "a", mount="kept", x="1")
        self.bao.seal()
        self.refused(503, "GET", "kept/a")
        self.bao.unseal()
        self.assertEqual(self.bao("GET", "kept/a")["data"], {"x": "1"})
        pid = self.bao.pid
        self.bao.restart()
        self.assertNotEqual(self.bao.pid, pid)
        self.assertEqual(self.bao("GET", "kept/a")["data"], {"x": "1"})

    def test_a_minted_credential_logs_in_and_its_lease_is_counted_renewed_and_revoked(self):
        path = setup.database_role(self.bao, "app")
        mark = self.bao.audit.mark()
        minted = self.bao("GET", path)
        username, password = minted["data"]["username"], minted["data"]["password"]
        self.assertTrue(self.postgres.can_log_in(username, password))
        self.assertFalse(self.postgres.can_log_in(username, password + "x"))
        self.assertIn(username, self.postgres.roles())
        self.assertEqual(self.bao.leases(path), [minted["lease_id"]])
        self.bao("PUT", "sys/leases/renew", {"lease_id": minted["lease_id"]})
        self.bao.revoke(minted["lease_id"])
        self.assertNotIn(username, self.postgres.roles())
        self.assertFalse(self.postgres.can_log_in(username, password))
        audit = self.bao.audit
        self.assertEqual([audit.mints(path, mark), audit.renewals(mark), audit.revocations(mark), audit.logins(mark)], [1, 1, 1, 0])
        self.assertEqual(audit.mints(path, audit.mark()), 0)

    def test_psql_logs_in_with_a_passfile_and_a_service_file(self):
        minted = self.bao("GET", setup.database_role(self.bao, "files"))["data"]
        place = tempfile.mkdtemp(prefix="leasefs-test-")
        self.addCleanup(shutil.rmtree, place)
        os.chmod(place, 0o755)
        for name, text in (("pgpass", f"127.0.0.1:{self.postgres.port}:*:{minted['username']}:{minted['password']}\n"),
                           ("service", f"[app]\nhost=127.0.0.1\nport={self.postgres.port}\ndbname=postgres\nuser={minted['username']}\n")):
            with open(f"{place}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
            os.chown(f"{place}/{name}", ALICE, ALICE)
            os.chmod(f"{place}/{name}", 0o400)
        said = self.postgres.login(uid=ALICE, PGPASSFILE=f"{place}/pgpass", PGSERVICEFILE=f"{place}/service", PGSERVICE="app")
        self.assertEqual((said.returncode, said.stdout), (0, b"42\n"), said.stderr)

    def test_a_lease_that_nobody_renews_ends_by_itself_without_a_revocation_of_ours(self):
        path = setup.database_role(self.bao, "short", ttl="1s", max_ttl="2s")
        mark = self.bao.audit.mark()
        username = self.bao("GET", path)["data"]["username"]
        wait_for("the role is gone", lambda: username not in self.postgres.roles(), 15)
        self.assertEqual(self.bao.audit.revocations(mark), 0)

    def test_a_static_role_gets_a_new_password_and_keeps_its_name(self):
        path = setup.static_role(self.bao, self.postgres, "rotating", "rotuser")
        first = self.bao("GET", path)["data"]
        self.assertTrue(self.postgres.can_log_in("rotuser", first["password"]))
        wait_for("a rotation", lambda: self.bao("GET", path)["data"]["password"] != first["password"], 20)
        self.assertFalse(self.postgres.can_log_in("rotuser", first["password"]))

    def test_kv_of_both_versions_and_the_count_of_reads(self):
        setup.kv1(self.bao)
        setup.kv2(self.bao)
        setup.put1(self.bao, "web/a", x="1")
        self.assertEqual([setup.put2(self.bao, "web/a", x="1"), setup.put2(self.bao, "web/a", x="2")], [1, 2])
        mark = self.bao.audit.mark()
        self.assertEqual(self.bao("GET", "kv2/data/web/a")["data"]["data"], {"x": "2"})
        self.assertEqual(self.bao("GET", "kv2/data/web/a?version=1")["data"]["data"], {"x": "1"})
        self.refused(404, "GET", "kv1/web/none")
        self.assertEqual(self.bao.audit.reads("kv2/data/web/a", mark), 2)

    def test_computed_secrets_are_issued(self):
        issued = self.bao("POST", setup.pki(self.bao), {"common_name": "a.test"})["data"]
        self.assertIn("BEGIN CERTIFICATE", issued["certificate"])
        key = self.bao.dir / "id"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        signed = self.bao("POST", setup.ssh(self.bao), {"public_key": key.with_suffix(".pub").read_text()})["data"]
        self.assertTrue(signed["signed_key"].startswith("ssh-ed25519-cert-v01@openssh.com "))
        self.assertRegex(self.bao("GET", setup.totp(self.bao))["data"]["code"], r"^\d{6}$")
        setup.transit(self.bao)
        self.assertIn("ciphertext", self.bao("POST", "transit/encrypt/box", {"plaintext": "c2VjcmV0"})["data"])

    def test_every_login_gives_a_token_and_is_counted(self):
        bao = self.bao
        setup.policy(bao, "reader", {"kv1/*": ["read"]})
        role = setup.approle(bao, ["reader"])
        setup.userpass(bao, ["reader"])
        issuer = Issuer(bao.dir)
        setup.jwt(bao, ["reader"], issuer)
        review = setup.kubernetes(bao, ["reader"], issuer)
        self.addCleanup(review.close)
        pair = bao.authority.issue("client")
        setup.cert(bao, ["reader"], pair)
        mark = bao.audit.mark()
        logins = [("auth/approle/login", {"role_id": role.role_id, "secret_id": role.secret_id(bao)}, {}),
                  ("auth/userpass/login/bob", {"password": "correct horse"}, {}),
                  ("auth/jwt/login", {"role": "service", "jwt": issuer.jwt(sub="app", aud="leasefs")}, {}),
                  ("auth/kubernetes/login", {"role": "pods", "jwt": issuer.service_account()}, {}),
                  ("auth/cert/login", {"name": "web"}, {"certificate": pair})]
        for path, body, options in logins:
            with self.subTest(path):
                answer = bao("POST", path, body, token="", **options)["auth"]
                self.assertEqual(sorted(answer["policies"]), ["default", "reader"])
        self.assertEqual(bao.audit.logins(mark), len(logins))
        self.assertEqual(review.reviews, 1)
        revoked = issuer.service_account()
        review.revoked.add(revoked)
        self.refused(403, "POST", "auth/kubernetes/login", {"role": "pods", "jwt": revoked}, token="")
        self.refused(400, "POST", "auth/approle/login", {"role_id": role.role_id, "secret_id": "wrong"}, token="")
        self.assertEqual([bao.audit.logins(mark), bao.audit.logins(mark, failed=True)], [len(logins), 2])

    def test_a_wrapped_secret_id_is_unwrapped_once(self):
        role = setup.approle(self.bao, ["default"], role="wrapped")
        wrapped = role.wrapped_secret_id(self.bao)
        self.assertEqual(self.bao("POST", "sys/wrapping/lookup", {"token": wrapped}, token="")["data"]["creation_path"], role.secret_id_path)
        self.assertIn("secret_id", self.bao("POST", "sys/wrapping/unwrap", token=wrapped)["data"])
        self.refused(400, "POST", "sys/wrapping/unwrap", token=wrapped)

    def test_namespaces_have_secrets_of_their_own(self):
        setup.namespace(self.bao, "a/b")
        setup.kv1(self.bao, "kv", namespace="a/b")
        setup.put1(self.bao, "s", mount="kv", namespace="a/b", x="inner")
        self.assertEqual(self.bao("GET", "kv/s", namespace="a/b")["data"], {"x": "inner"})
        self.refused(404, "GET", "kv/s")

    def test_a_rate_limit_is_429_with_retry_after_until_it_is_taken_away(self):
        setup.kv1(self.bao, "limited")
        setup.put1(self.bao, "a", mount="limited", x="1")
        unlimit = setup.rate_limit(self.bao, "limited/", 2)
        answers = [self.bao.node.request("GET", "limited/a", token=self.bao.root)[:2] for _ in range(6)]
        self.assertIn(429, [status for status, _ in answers])
        self.assertTrue(all("Retry-After" in headers for status, headers in answers if status == 429))
        unlimit()
        self.assertEqual(self.bao("GET", "limited/a")["data"], {"x": "1"})

    def test_a_new_certificate_is_served_after_sighup(self):
        expired = self.bao.authority.issue("expired", begins=-2 * HOUR, ends=-HOUR)
        good = self.bao.authority.issue("good")
        self.bao.new_certificate(expired)
        wait_for("the expired one is served", lambda: b"expired" in self.client("status").stderr)
        self.bao.new_certificate(good)
        wait_for("the good one is served", lambda: self.client("status").returncode == 0)


class Cluster(unittest.TestCase):
    def test_three_nodes_have_a_new_leader_after_a_kill_and_after_a_step_down(self):
        with OpenBao(nodes=3) as bao:
            setup.kv1(bao)
            setup.put1(bao, "a", x="1")
            standby = bao.standbys()[0]

            def redirect():  # 404 while the standby does not know of the mount yet
                status, headers, _ = standby.request("PUT", "kv1/a", {"x": "1"}, token=bao.root, headers={"X-Vault-No-Request-Forwarding": "1"})
                return status != 404 and (status, headers["Location"])

            self.assertEqual(wait_for("the standby knows the mount", redirect), (307, bao.leader().address + "/v1/kv1/a"))
            old = bao.leader()
            bao.kill(old)
            self.assertIsNot(bao.leader(), old)
            self.assertEqual(bao("GET", "kv1/a")["data"], {"x": "1"})
            bao.start(old)
            stepped = bao.step_down()
            wait_for("another leads", lambda: bao.leader() is not stepped, 20)
            self.assertEqual(bao("GET", "kv1/a")["data"], {"x": "1"})


class Leftovers(unittest.TestCase):
    def test_a_failing_test_leaves_neither_process_nor_directory(self):
        with self.assertRaises(ZeroDivisionError):
            with Postgres() as postgres, OpenBao(storage="inmem") as bao:
                processes, places = [postgres.process.pid, bao.pid], [postgres.dir, bao.dir]
                raise ZeroDivisionError
        for pid in processes:
            self.assertFalse(os.path.exists(f"/proc/{pid}"))
        for place in places:
            self.assertFalse(place.exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
