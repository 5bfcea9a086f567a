#!/usr/bin/env python3
"""Settings that are wrong, and servers that are not what they should be: what is wrong and what to do is said, and the reader gets the row of
S25."""

import errno
import time

import harness
import openbao_setup as setup
from certificates import HOUR, Authority
from harness import wait_for
from openbao import free_port
from scripted_server import ScriptedServer, answer
from vault_harness import VaultTest, at, tree

PAGE = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body>It works! marker-of-the-body</body></html>"


class BadInput(VaultTest):
    POSTGRES = True

    @classmethod
    def prepare(cls):
        bao = cls.bao
        setup.policy(bao, "app", {"kv1/*": ["read", "list"], "kv2/data/web/*": ["read"], "database/creds/*": ["read"]})
        setup.kv1(bao)
        setup.kv2(bao)
        setup.put1(bao, "a", k="v")
        setup.put1(bao, "b", k="w")
        setup.put2(bao, "web/a", k="v")
        setup.put2(bao, "dark", k="v")

    def tree_with(self, source="kv1", path="t", **settings):
        return tree(path, source, **settings)

    def assert_said(self, name, expected, *words):
        """The reader's errno, and that the problems of status, the log and the attribute all have each of these words: what is wrong, what to do."""
        self.assertEqual(self.errno(name), expected, self.daemon.log_text())
        said = {"status": lambda: "\n".join(self.daemon.json("status")["problems"]), "log": self.daemon.log_text,
                "attribute": lambda: self.daemon.words(name)}
        for place, text in said.items():
            for word in words:
                try:
                    wait_for(word, lambda t=text, w=word: w.lower() in t().lower(), 10)
                except AssertionError:
                    self.fail(f"the {place} does not say {word}: {text()}")

    def test_an_authority_that_did_not_sign_the_server(self):
        other = Authority(self.bao.dir / "wrong-authority", "another")
        self.serve(self.tree_with(), ca=other.ca)
        self.assert_said("t/a/k", errno.EREMOTEIO, "its certificate is from an unknown authority", "give the right one as ca_file")

    def test_a_certificate_that_has_expired(self):
        pair = self.bao.authority.issue("late", begins=-2 * HOUR, ends=-HOUR)
        server = ScriptedServer(pair, lambda request, stream: answer(200, {}))
        self.addCleanup(server.close)
        self.serve(self.tree_with(), address=server.address)
        self.assert_said("t/a/k", errno.EREMOTEIO, "its certificate has expired", "renew it on the server, or set this host's clock right")
        self.assertEqual(server.tokens(), [])

    def test_a_certificate_for_another_name(self):
        pair = self.bao.authority.issue("elsewhere", names="DNS:vault.example")
        server = ScriptedServer(pair, lambda request, stream: answer(200, {}))
        self.addCleanup(server.close)
        self.serve(self.tree_with(), address=server.address)
        self.assert_said("t/a/k", errno.EREMOTEIO, "certificate", "127.0.0.1", "server_name")
        self.assertEqual(server.requests, [])

    def test_a_role_that_the_login_does_not_know(self):
        self.serve(self.tree_with(), {"method": "approle", "role_id": "no-such-role", "secret_id": at(self.secret_file("Sup3r-s3cret-id"))})
        self.assert_said("t/a/k", errno.EKEYREJECTED, "approle", "the server refuses the login", "is the credential right", "does the role exist")
        self.assertNotIn("Sup3r-s3cret-id", self.daemon.log_text() + self.daemon.cli("status").stdout.decode())

    def test_a_login_method_that_is_not_mounted_there(self):
        auth = self.approle()
        self.serve(self.tree_with(), {**auth, "mount": "aprole"})
        self.assert_said("t/a/k", errno.EKEYREJECTED, "auth/aprole", "no such method is mounted there")

    def test_a_role_of_the_database_that_is_not_there(self):
        self.serve(self.tree_with("database/creds/misspelt"))
        self.assert_said("t/password", errno.ENOENT, "database/creds/misspelt: the server has no such role or name", "check the last part of the path")

    def test_a_mount_that_is_misspelt(self):
        self.serve(self.tree_with("kv11/a"))
        self.assert_said("t/k", errno.EACCES, "kv11/a", "nothing is mounted there", "check the path")

    def test_a_policy_that_is_too_narrow_names_the_path_that_it_needs(self):
        self.serve([self.tree_with("kv2/dark"), self.tree_with("kv2/web/a", "good")])
        self.assertEqual(self.read("good/k"), "v")
        self.assert_said("t/k", errno.EACCES, "the token's policy does not allow read on kv2/data/dark")

    def test_a_mount_that_may_not_be_listed_is_no_empty_folder(self):
        self.serve(self.tree_with("kv2"))
        with self.assertRaises(PermissionError):
            self.names("t")
        for said in (lambda: "\n".join(self.daemon.json("status")["problems"]), self.daemon.log_text, lambda: self.daemon.words("t")):
            wait_for("the listing that is denied is named", lambda s=said: "list on kv2/metadata/" in s(), 10)
        self.assertEqual(self.read("t/web/a/k"), "v")
        checked = self.daemon.cli("login-check", check=False)
        self.assertNotEqual(checked.returncode, 0)
        self.assertIn("list on kv2/metadata/", (checked.stdout + checked.stderr).decode())

    def test_a_reload_to_an_address_that_is_none_changes_nothing(self):
        self.serve(self.tree_with())
        self.assertEqual(self.read("t/a/k"), "v")
        self.daemon.settings["address"] += "/v1"
        self.daemon.write_config()
        refused = self.daemon.reload()
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn(b"it ends after the port", refused.stderr)
        self.assertEqual(self.read("t/b/k"), "w")

    def test_a_server_that_is_a_web_page(self):
        server = ScriptedServer(self.bao.authority.issue("page"), lambda request, stream: answer(200, PAGE, Content_Type="text/html"))
        self.addCleanup(server.close)
        self.serve(self.tree_with(), address=server.address)
        self.assert_said("t/a/k", errno.EREMOTEIO, f"{server.address} answered 200 with a web page", "is this the address of the server")
        text = self.daemon.cli("status").stdout.decode() + self.daemon.log_text() + self.daemon.words("t/a/k")
        self.assertNotIn("marker-of-the-body", text)

    def test_a_load_balancer_without_a_server_behind_it(self):
        server = ScriptedServer(self.bao.authority.issue("balancer"), lambda request, stream: answer(503, PAGE, Content_Type="text/html"))
        self.addCleanup(server.close)
        self.serve(self.tree_with(), address=server.address)
        self.assert_said("t/a/k", errno.EREMOTEIO, f"{server.address} answered 503 with a web page", "that has no server behind")

    def test_an_address_that_nothing_listens_on(self):
        port = free_port()
        self.serve(self.tree_with(), address=f"https://127.0.0.1:{port}", extra='[limits]\ndeadline = "2s"\n')
        self.assert_said("t/a/k", errno.ETIMEDOUT, f"127.0.0.1:{port}: nothing answers there", "is the server running, is the port right")
        with self.assertRaises(TimeoutError):
            self.names("t")

    def test_what_cannot_be_asked_for_fails_at_once(self):
        self.serve(self.tree_with(), address=f"https://127.0.0.1:{free_port()}")
        self.assertEqual(self.errno("t/a/k"), errno.ETIMEDOUT)
        time.sleep(2)  # the address rests for longer with each failure, and a login is not waited for meanwhile
        took = []
        for _ in range(5):
            start = time.monotonic()
            self.assertEqual(self.errno("t/a/k"), errno.ETIMEDOUT)
            took.append(time.monotonic() - start)
        self.assertLess(sorted(took)[2], 1, took)

    def test_plain_http_where_the_server_speaks_tls(self):
        self.serve(self.tree_with(), address=self.bao.address.replace("https:", "http:"))
        self.assert_said("t/a/k", errno.EREMOTEIO, "https", "write https://")

    def test_a_server_that_is_sealed(self):
        auth = self.approle()
        self.bao.seal()
        self.addCleanup(self.bao.unseal)
        self.serve(self.tree_with(), auth)
        self.assert_said("t/a/k", errno.EREMOTEIO, "is sealed: unseal it")

    def test_a_token_that_is_none(self):
        self.serve(self.tree_with(), {"method": "token", "token": at(self.secret_file("s.N0tAToken"))})
        self.assert_said("t/a/k", errno.EKEYREJECTED, "the server does not know the token in the file", "put a new one there")
        self.assertNotIn("s.N0tAToken", self.daemon.log_text())


if __name__ == "__main__":
    harness.main()
