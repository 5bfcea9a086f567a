#!/usr/bin/env python3
"""How leasefs gets its token from a real OpenBao, keeps it and replaces it. Each test has an identity that may read one secret."""

import errno
import os
import shutil
import time

import harness
import openbao_setup as setup
from harness import wait_for
from token_review import Issuer
from vault_harness import VaultTest, at, stays, tree


class Login(VaultTest):
    POSTGRES = True

    @classmethod
    def prepare(cls):
        bao = cls.bao
        setup.policy(bao, "app", {"kv1/*": ["read", "list"], "database/*": ["read"], "sys/leases/revoke": ["update"]})
        setup.policy(bao, "inner", {"kv/*": ["read", "list"]})
        setup.kv1(bao)
        setup.put1(bao, "a", k="value")
        cls.issuer = Issuer(bao.dir)

    def assert_reads(self, auth, logins=1, **options):
        """The secret is there with that login, and one login was enough."""
        mark = self.audit.mark()
        self.serve(tree("t", "kv1", ttl="1s"), auth, **options)
        self.assertEqual(self.read("t/a/k"), "value")
        self.assertIn("a", self.names("t"))
        self.assertEqual(self.audit.logins(mark), logins)
        return mark

    def test_approle(self):
        self.assert_reads(self.approle())

    def test_approle_elsewhere_and_without_a_secret_id(self):
        role = setup.approle(self.bao, ["app"], role="bound", mount="team/approle", bind_secret_id=False, token_bound_cidrs=["127.0.0.0/8"])
        self.assert_reads({"method": "approle", "mount": "team/approle", "role_id": role.role_id})

    def test_userpass(self):
        setup.userpass(self.bao, ["app"])
        self.assert_reads({"method": "userpass", "username": "bob", "password": at(self.secret_file("correct horse\n"))})

    def test_cert(self):
        pair = self.bao.authority.issue("client")
        setup.cert(self.bao, ["app"], pair)
        self.assert_reads({"method": "cert", "role": "web"},
                          backend={"client_certificate": pair.certificate, "client_key": pair.key})

    def test_jwt(self):
        setup.jwt(self.bao, ["app"], self.issuer)
        self.assert_reads({"method": "jwt", "role": "service", "jwt": at(self.secret_file(self.issuer.jwt(sub="app", aud="leasefs")))})

    def test_kubernetes(self):
        review = setup.kubernetes(self.bao, ["app"], self.issuer)
        self.addCleanup(review.close)
        self.assert_reads({"method": "kubernetes", "role": "pods", "jwt": at(self.secret_file(self.issuer.service_account()))})
        self.assertEqual(review.reviews, 1)

    def test_a_token_from_a_file_is_used_as_it_is_and_read_again_when_it_changes(self):
        file = self.secret_file(setup.token(self.bao, ["app"]) + "\n")
        self.assert_reads({"method": "token", "token": at(file)}, logins=0)
        old = open(file, encoding="utf-8").read().strip()
        with open(file + ".new", "w", encoding="utf-8") as out:
            out.write(setup.token(self.bao, ["app"]))
        shutil.copymode(file, file + ".new")
        os.rename(file + ".new", file)
        self.bao("POST", "auth/token/revoke", {"token": old})
        setup.put1(self.bao, "later", k="by the new one")
        wait_for("the new token reads", lambda: self.errno("t/later/k") == 0, 15)
        self.assertEqual(self.read("t/later/k"), "by the new one")

    def test_a_wrapped_secret_id_is_unwrapped_once_and_its_creation_path_checked(self):
        role = setup.approle(self.bao, ["app"], role="wrapped")
        file = self.secret_file(role.wrapped_secret_id(self.bao))
        auth = {"method": "approle", "role_id": role.role_id, "secret_id": at(file), "wrapped": role.secret_id_path}
        mark = self.assert_reads(auth)
        self.assertEqual(self.audit.count("sys/wrapping/unwrap", since=mark), 1)

    def test_a_wrapping_token_made_by_somebody_else_is_refused_and_not_unwrapped(self):
        role = setup.approle(self.bao, ["app"], role="wrapped")
        forged = self.bao("POST", "sys/wrapping/wrap", {"secret_id": "mine"}, headers={"X-Vault-Wrap-TTL": "60s"})["wrap_info"]["token"]
        auth = {"method": "approle", "role_id": role.role_id, "secret_id": at(self.secret_file(forged)), "wrapped": role.secret_id_path}
        mark = self.audit.mark()
        self.serve(tree("t", "kv1"), auth)
        self.assertEqual(self.errno("t/a/k"), errno.EKEYREJECTED)
        self.assertEqual((self.audit.count("sys/wrapping/unwrap", since=mark), self.audit.logins(mark)), (0, 0))
        wait_for("status says where it was made", lambda: "sys/wrapping/wrap" in self.daemon.cli("status").stdout.decode())
        self.assertNotIn(forged, self.daemon.cli("status").stdout.decode() + self.daemon.log_text())

    def test_a_namespace_is_that_of_login_and_secrets(self):
        setup.namespace(self.bao, "a/b")
        setup.kv1(self.bao, "kv", namespace="a/b")
        setup.put1(self.bao, "s", mount="kv", namespace="a/b", k="inner")
        setup.policy(self.bao, "inner", {"kv/*": ["read", "list"]}, namespace="a/b")
        role = setup.approle(self.bao, ["inner"], namespace="a/b")
        auth = {"method": "approle", "role_id": role.role_id, "secret_id": at(self.secret_file(role.secret_id(self.bao, namespace="a/b")))}
        self.serve(tree("t", "kv"), auth, backend={"namespace": "a/b"})
        self.assertEqual(self.names("t"), ["s"])
        self.assertEqual(self.read("t/s/k"), "inner")

    def test_each_tree_is_read_by_its_own_identity(self):
        setup.policy(self.bao, "left", {"kv1/left": ["read"]})
        setup.policy(self.bao, "right", {"kv1/right": ["read"]})
        setup.put1(self.bao, "left", k="l")
        setup.put1(self.bao, "right", k="r")
        mark = self.audit.mark()
        self.serve([tree("l", "kv1/left"), tree("r", "kv1/right", identity="other"), tree("x", "kv1/right")],
                   self.approle(["left"], "left"), identities={"other": self.approle(["right"], "right")})
        self.assertEqual([self.read("l/k"), self.read("r/k")], ["l", "r"])
        self.assertEqual(self.errno("x/k"), errno.EACCES)
        self.assertEqual(self.audit.logins(mark), 2)

    def test_s18_an_identity_that_cannot_log_in_takes_no_other_along(self):
        broken = {"method": "approle", "role_id": "wrong", "secret_id": at(self.secret_file("wrong"))}
        self.serve([tree("l", "kv1"), tree("r", "kv1", identity="other")], identities={"other": broken})
        self.assertEqual(self.errno("r/a/k"), errno.EKEYREJECTED)
        self.assertEqual(self.read("l/a/k"), "value")

    def test_another_login_in_the_settings_is_used_after_a_reload_and_breaks_nothing(self):
        path = setup.database_role(self.bao, "relogged")
        setup.policy(self.bao, "wider", {"kv1/*": ["read", "list"], "kv2/*": ["read"], "database/*": ["read"], "sys/leases/revoke": ["update"]})
        mark = self.audit.mark()
        self.serve([tree("t", "kv1"), tree("db", path)])
        credential = self.credential("db")
        self.daemon.settings["auth"] = self.approle(["wider"], "wider")
        self.daemon.write_config()
        self.assertEqual(self.daemon.cli("reload").returncode, 0)
        wait_for("the other login", lambda: self.audit.logins(mark) == 2, 10)
        self.assertEqual((self.read("t/a/k"), self.credential("db")), ("value", credential))
        self.assertTrue(self.postgres.can_log_in(*credential))
        self.assertTrue(stays(2, lambda: self.audit.logins(mark) == 2))
        self.assertEqual(self.audit.mints(path, mark), 1)

    def test_s16_a_token_is_renewed_and_no_second_login_is_needed(self):
        mark = self.assert_reads(self.approle(role="brief", token_ttl="4s", token_max_ttl="1h"))
        setup.put1(self.bao, "renewed", k="v")
        time.sleep(9)
        self.assertEqual(self.read("t/renewed/k"), "v")
        self.assertEqual(self.audit.logins(mark), 1)
        self.assertTrue(2 <= self.audit.token_renewals(mark) <= 8, self.audit.token_renewals(mark))

    def test_s16_before_a_token_ends_another_one_is_there_and_the_leases_of_the_old_one_are_replaced(self):
        path = setup.database_role(self.bao, "coupled")
        auth = self.approle(role="ending", token_ttl="20s", token_max_ttl="20s")
        mark = self.audit.mark()
        self.serve(tree("db", path, mint_interval="1s"), auth)
        end, seen, late = time.monotonic() + 45, [], 0
        while time.monotonic() < end:
            username, password = self.credential("db")
            read_at = time.monotonic()
            if not self.postgres.can_log_in(username, password):
                late += 1  # the replacement comes 3 s before the end: a login that took longer tells nothing of us
                self.assertGreater(time.monotonic() - read_at, 2, f"{username}, number {len(seen)}")
            if username not in seen:
                seen.append(username)
            time.sleep(0.2)
        self.assertGreaterEqual(len(seen), 2)
        self.assertLessEqual(late, 2)
        self.assertLessEqual(self.audit.logins(mark), 5)
        self.assertLessEqual(self.audit.mints(path, mark), self.audit.logins(mark) + 1)

    def test_a_batch_token_reads_static_values(self):
        self.assert_reads(self.approle(role="batch", token_type="batch"))

    def test_a_token_that_was_revoked_costs_one_login(self):
        for number in range(10):
            setup.put1(self.bao, f"new{number}", k="v")
        mark = self.assert_reads(self.approle(role="revoked"))
        accessors = self.bao("LIST", "auth/token/accessors/")["data"]["keys"]
        for accessor in accessors:
            found = self.bao("POST", "auth/token/lookup-accessor", {"accessor": accessor})["data"]
            if found["path"] == "auth/approle/login":
                self.bao("POST", "auth/token/revoke-accessor", {"accessor": accessor})
        for number in range(10):
            self.assertEqual(self.read(f"t/new{number}/k"), "v")
        self.assertEqual(self.audit.logins(mark), 2)

    def test_a_refused_login_is_ekeyrejected_said_and_not_repeated_at_once(self):
        mark = self.audit.mark()
        setup.userpass(self.bao, ["app"], user="eve")
        wrong = "Wr0ng-Passw0rd"
        self.serve(tree("t", "kv1"), {"method": "userpass", "username": "eve", "password": at(self.secret_file(wrong))})
        for _ in range(30):
            self.assertEqual(self.errno("t/a/k"), errno.EKEYREJECTED)
        self.assertTrue(stays(2, lambda: self.audit.logins(mark, failed=True) <= 4), self.audit.logins(mark, failed=True))
        said = self.daemon.cli("status").stdout.decode() + self.daemon.log_text() + self.daemon.words("t/a/k")
        self.assertIn("userpass", said)
        self.assertNotIn(wrong, said)


if __name__ == "__main__":
    harness.main()
