#!/usr/bin/env python3
"""Credentials with leases of a real OpenBao's namespace: their leases are known there and nowhere else."""

import time

import harness
import openbao_setup as setup
from harness import wait_for
from vault_harness import VaultTest, at, tree

NAMESPACE = "a/b"


class Namespace(VaultTest):
    POSTGRES = True

    @classmethod
    def prepare(cls):
        setup.namespace(cls.bao, NAMESPACE)
        setup.database(cls.bao, cls.postgres, "inner", namespace=NAMESPACE)  # no such mount elsewhere
        setup.policy(cls.bao, "app", {"inner/creds/*": ["read"], "sys/leases/revoke": ["update"]}, namespace=NAMESPACE)

    def serve_role(self, name, ttl, **settings):
        """A daemon that logs in to the namespace and shows a role of its database as db/; the path that mints."""
        path = setup.database_role(self.bao, name, ttl=ttl, path="inner", namespace=NAMESPACE)
        role = setup.approle(self.bao, ["app"], namespace=NAMESPACE)
        secret_id = at(self.secret_file(role.secret_id(self.bao, namespace=NAMESPACE)))
        self.serve(tree("db", path, mint_interval="1s", **settings), {"method": "approle", "role_id": role.role_id, "secret_id": secret_id},
                   backend={"namespace": NAMESPACE})
        return path

    def leases(self, path):
        return self.bao.leases(path, namespace=NAMESPACE)

    def held(self, username):
        return username in self.postgres.roles()

    def wait_until_given_back(self, path, username):
        wait_for("its role is gone", lambda: not self.held(username), 20)
        wait_for("the server has no lease any more", lambda: self.leases(path) == [])

    def assert_all_went_to_the_namespace(self, mark):
        """By the server's record; what this test itself asks for is in the namespace, too."""
        sent = self.audit.responses(mark) + self.audit.responses(mark, failed=True)
        self.assertEqual({record["request"]["namespace"]["path"] for record in sent}, {NAMESPACE + "/"})

    def test_s14_s15_a_lease_is_minted_renewed_and_given_back_when_idle(self):
        mark = self.audit.mark()
        path = self.serve_role("renewed", "3s", idle="6s")
        begin = time.monotonic()
        first = self.credential("db")
        lease, = self.leases(path)
        self.assertRegex(lease, r"\.\w+$", "a lease of a namespace ends with its id")
        wait_for("two renewals", lambda: self.audit.renewals(mark) >= 2, 6)
        self.assertTrue(self.postgres.can_log_in(*first))
        self.assertEqual((self.leases(path), self.audit.revocations(mark)), ([lease], 0))
        self.wait_until_given_back(path, first[0])
        self.assertGreater(time.monotonic() - begin, 5.9)
        self.assertEqual((self.audit.mints(path, mark), self.audit.revocations(mark)), (1, 1))
        second = self.credential("db")
        self.assertNotEqual(second, first)
        self.assertTrue(self.postgres.can_log_in(*second))
        self.assertEqual((self.audit.mints(path, mark), self.audit.logins(mark)), (2, 1))
        self.assert_all_went_to_the_namespace(mark)

    def test_s15_stop_with_revoke_gives_it_back(self):
        mark = self.audit.mark()
        path = self.serve_role("stopped", "1h")
        username, password = self.credential("db")
        self.assertTrue(self.postgres.can_log_in(username, password))
        self.daemon.cli("stop", "--revoke")
        self.assertEqual(self.daemon.process.wait(15), 0)
        self.wait_until_given_back(path, username)
        self.assertEqual(self.audit.count("sys/leases/revoke", since=mark), 1)
        self.assert_all_went_to_the_namespace(mark)


if __name__ == "__main__":
    harness.main()
