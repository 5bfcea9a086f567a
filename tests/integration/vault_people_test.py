#!/usr/bin/env python3
"""What people set a Vault backend up with, against a real OpenBao: the policy that `leasefs vault-policy` prints is enough and no more."""

import base64
import json
import re
import subprocess

import harness
import openbao_setup as setup
from harness import wait_for
from openbao import ApiError
from vault_harness import VaultTest, tree

BLOCK = re.compile(r'(?:# Only if (?P<condition>.*):\n)?path "(?P<path>.*)" \{\n  capabilities = \[(?P<words>.*)\]\n\}\n')


class People(VaultTest):
    POSTGRES = True

    @classmethod
    def prepare(cls):
        bao = cls.bao
        for put, make, mounts in ((setup.put1, setup.kv1, ("kv1", "deep/whole1")), (setup.put2, setup.kv2, ("kv2", "deep/whole2"))):
            for mount in mounts:
                make(bao, mount)
                for name in ("web/a", "web/b/c", "other"):
                    put(bao, name, mount=mount, k=f"{mount} {name}")
        setup.database_role(bao, "app", ttl="6s", max_ttl="1h")
        setup.static_role(bao, cls.postgres, "fixed", "fixed", period="1h")
        setup.database(bao, cls.postgres, path="inner/db")
        for role in ("one", "two"):
            setup.database_role(bao, role, path="inner/db")
        setup.pki(bao)
        setup.pki(bao, path="ca/inner")
        setup.ssh(bao)
        setup.totp(bao)
        setup.transit(bao)
        bao("PUT", "identity/oidc/key/k", {"allowed_client_ids": ["*"]})
        bao("PUT", "identity/oidc/role/job", {"key": "k"})
        plaintext = base64.b64encode(b"the plaintext").decode()
        cls.sealed = bao("POST", "transit/encrypt/box", {"plaintext": plaintext})["data"]["ciphertext"]
        key = bao.dir / "user"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        cls.public_key = key.with_suffix(".pub").read_text().strip()
        setup.policy(bao, "app", {"kv1/*": ["read", "list"], "database/creds/*": ["read"]})

    def trees(self):
        """{path: (tree, a file of it)}: all kinds of engines, told by the configuration and not."""
        certificate = {"common_name": "a.test"}
        sources = {
            "kv1": ("kv1/web", {}, "b/c/k"), "kv1-deep": ("deep/whole1/web", {}, "b/c/k"), "kv1-told": ("deep/whole1/web/a", {"engine": "kv1"}, "k"),
            "kv2": ("kv2/web", {}, "b/c/k"), "kv2-deep": ("deep/whole2/web", {}, "b/c/k"), "kv2-told": ("deep/whole2/web/a", {"engine": "kv2"}, "k"),
            "db": ("database/creds/app", {}, "password"), "db-static": ("database/static-creds/fixed", {}, "password"),
            "db-deep": ("inner/db/creds/one", {}, "password"), "db-told": ("inner/db/creds/one", {"engine": "dynamic"}, "password"),
            "tls": ("pki/issue/web", {"params": certificate}, "private_key"), "ca": ("pki/ca/pem", {}, "ca"),
            "tls-told": ("ca/inner/issue/web", {"params": certificate, "engine": "dynamic"}, "private_key"),
            "ssh": ("ssh/sign/login", {"method": "POST", "params": {"public_key": self.public_key, "valid_principals": "app"}}, "signed_key"),
            "totp": ("totp/code/phone", {}, "code"), "plain": ("transit/decrypt/box", {"params": {"ciphertext": self.sealed}}, "plaintext"),
            "datakey": ("transit/datakey/plaintext/box", {}, "plaintext"), "oidc": ("identity/oidc/token/job", {}, "token"),
        }
        return {path: (tree(path, source, **settings), file) for path, (source, settings, file) in sources.items()}

    def printed(self, trees, **options):
        daemon = self.daemon_for(trees, **options)
        policies = daemon.json("vault-policy")["policies"]
        self.assertEqual(daemon.cli("vault-policy").stdout.decode(), "\n".join(policy["policy"] for policy in policies))
        return policies[0]["policy"]

    def rules(self, text):
        """{path: (capabilities, the conditions)}"""
        found = {match["path"]: (sorted(json.loads(f"[{match['words']}]")), (match["condition"] or "").split(", or if "))
                 for match in BLOCK.finditer(text)}
        left = [line for line in BLOCK.sub("", text).splitlines() if not line.startswith("# ")]
        self.assertEqual(left, [], text)
        return found

    def role_with_only(self, name, text, **settings):
        """A login that has this policy and not even `default`."""
        self.bao("PUT", f"sys/policies/acl/{name}", {"policy": text})
        return self.approle([name], name, token_no_default_policy=True, **settings)

    def denied(self, mark):
        return [record["request"]["path"] for record in self.audit.responses(mark, failed=True) if "permission denied" in record["error"]]

    def read_all(self, trees):
        for path, (_, file) in trees.items():
            with self.subTest(path):
                if path == "ca":  # one text, whose name is the place's last
                    file = self.names(path)[0]
                self.assertEqual(self.errno(f"{path}/{file}"), 0, self.daemon.log_text())
                self.assertIn(file.split("/")[0], self.names(path))

    def test_the_printed_policy_is_enough_and_refuses_what_is_beside(self):
        trees = self.trees()
        text = self.printed([made for made, _ in trees.values()])
        auth = self.role_with_only("printed", text, token_ttl="8s")
        mark = self.audit.mark()
        self.serve([made for made, _ in trees.values()], auth)
        self.read_all(trees)
        wait_for("the lease of the database is renewed", lambda: self.audit.renewals(mark) > 0, 15)
        wait_for("the token is renewed", lambda: self.audit.token_renewals(mark) > 0, 15)
        self.assertNotEqual(self.bao.leases("database/creds/app"), [])
        self.daemon.cli("stop", "--revoke")
        self.daemon.process.wait(20)
        wait_for("the leases are given back", lambda: self.bao.leases("database/creds/app") + self.bao.leases("inner/db/creds/one") == [])
        self.assertGreater(self.audit.count("sys/leases/revoke", since=mark), 0)
        self.assertEqual(self.denied(mark), [], text)
        login = self.bao("POST", "auth/approle/login", {"role_id": auth["role_id"], "secret_id": open(auth["secret_id"]["file"]).read()})
        token = login["auth"]["client_token"]
        for method, path, body in (
                ("GET", "kv1/other", None), ("GET", "deep/whole1/other", None), ("GET", "kv2/data/other", None),
                ("GET", "deep/whole2/data/other", None), ("LIST", "kv1/", None), ("LIST", "kv2/metadata/", None),
                ("GET", "kv2/metadata/web/a", None), ("PUT", "kv2/data/web/a", {"data": {"k": "x"}}), ("PUT", "kv1/web/a", {"k": "x"}),
                ("PUT", "kv1/web/new", {"k": "x"}), ("GET", "database/creds/other", None), ("GET", "inner/db/creds/two", None),
                ("GET", "database/roles/app", None), ("POST", "pki/issue/other", {}), ("POST", "pki/sign/web", {}), ("GET", "totp/code/x", None),
                ("GET", "totp/keys/phone", None), ("POST", "transit/encrypt/box", {}), ("POST", "transit/decrypt/x", {}),
                ("GET", "transit/keys/box", None), ("POST", "ssh/sign/x", {}), ("GET", "sys/mounts", None),
                ("POST", "auth/token/create", {}), ("PUT", "sys/leases/lookup", {"lease_id": "x"})):
            with self.subTest(f"{method} {path}"), self.assertRaises(ApiError) as refused:
                self.bao(method, path, body, token=token)
            self.assertEqual(refused.exception.status, 403, refused.exception)

    def test_what_the_conditions_say_can_be_removed(self):
        trees = {path: made for path, made in self.trees().items() if path.startswith(("kv", "db"))}
        text = self.printed([made for made, _ in trees.values()])
        holds = {"kv2 is a mount of KV version 2", "deep/whole2 is a mount of KV version 2", "deep/whole2 is the mount",
                 "kv1/web is of KV version 1", "deep/whole1/web is of KV version 1",
                 "inner/db/creds/one is of an engine other than KV", "inner/db/creds/one is minted"}
        rules = self.rules(text)
        kept = {path: words for path, (words, conditions) in rules.items() if conditions == [""] or holds.intersection(conditions)}
        self.assertLess(len(kept), len(rules))
        self.assertIn("deep/whole2/data/web/*", kept)
        self.assertNotIn("deep/data/whole2/web/*", kept)
        auth = self.role_with_only("cut", "".join('path "%s" { capabilities = %s }\n' % (path, json.dumps(kept[path])) for path in kept))
        mark = self.audit.mark()
        self.serve([made for made, _ in trees.values()], auth)
        self.read_all(trees)
        self.assertEqual(self.denied(mark), [], kept)

    def test_no_rule_of_what_is_told_is_too_many(self):
        trees = {path: made for path, made in self.trees().items() if path in ("kv1-told", "db", "tls", "plain", "totp", "db-static", "oidc")}
        rules = self.rules(self.printed([made for made, _ in trees.values()]))
        self.assertTrue(all(conditions == [""] for _, conditions in rules.values()), rules)
        own = {"auth/token/lookup-self": ["read"], "auth/token/renew-self": ["update"], "auth/token/revoke-self": ["update"],
               "sys/leases/renew": ["update"], "sys/leases/revoke": ["update"]}
        self.assertEqual({path: words for path, (words, _) in rules.items()}, {
            **own, "deep/whole1/web/a": ["read"], "deep/whole1/web/a/": ["list"], "deep/whole1/web/a/*": ["list", "read"], "database/creds/app": ["read"],
            "database/static-creds/fixed": ["read"], "pki/issue/web": ["update"], "transit/decrypt/box": ["update"], "totp/code/phone": ["read"],
            "identity/oidc/token/job": ["read"]})

    def test_a_folder_of_roles(self):
        roles = tree("roles", "database/creds")
        text = self.printed(roles)
        self.assertEqual(self.rules(text)["database/creds/*"], (["read"], [""]))
        self.serve(roles, self.role_with_only("roles", text))
        self.assertEqual(self.errno("roles/app/password"), 0)

    def test_a_source_that_no_policy_can_name_is_said(self):
        text = self.printed([tree("star", "kv1/a*"), tree("plus", "kv1/+/a"), tree("braces", "kv1/{{a}}"), tree("fine", "kv1/+a", engine="kv1")])
        for path in ("star", "plus", "braces"):
            self.assertRegex(text, rf"# tree {path}: .* by hand")
        self.assertEqual([path for path in self.rules(text) if path.startswith("kv1")], ["kv1/+a", "kv1/+a/", "kv1/+a/*"])


if __name__ == "__main__":
    harness.main()
