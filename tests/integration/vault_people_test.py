#!/usr/bin/env python3
"""What people set a Vault backend up with, against a real OpenBao: the policy that `leasefs vault-policy` prints is enough and no more,
`leasefs vault-config` prints what the daemon takes, `leasefs login-check` logs in and leaves nothing behind."""

import base64
import errno
import json
import os
import re
import subprocess

import harness
import openbao_setup as setup
from certificates import Authority
from harness import BUILD, wait_for
from openbao import ApiError
from scripted_server import ScriptedServer, answer
from vault_harness import VaultTest, at, tree

BLOCK = re.compile(r'(?:# Only if (?P<condition>.*):\n)?path "(?P<path>.*)" \{\n  capabilities = \[(?P<words>.*)\]\n\}\n')
REVOKE = {"sys/leases/revoke": ["update"]}  # to renew is in the policy `default`
STRANGE = "s.T0kenOfTheEnvironment"


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
        setup.policy(bao, "app", {"kv1/*": ["read", "list"], "database/creds/*": ["read"], **REVOKE})

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

    def test_the_printed_policy_of_whole_mounts_is_enough_as_it_is(self):
        whole = {"one": "kv1", "one-deep": "deep/whole1", "two": "kv2", "two-deep": "deep/whole2"}
        for path, source in whole.items():  # each by itself: the rules of one could make up for what another lacks
            with self.subTest(source):
                auth = self.role_with_only("whole", self.printed(tree(path, source)))
                mark = self.audit.mark()
                self.serve(tree(path, source), auth)
                self.assertEqual(sorted(self.names(path)), ["other", "web"])
                self.read_all({path: (None, "web/b/c/k")})
                self.assertEqual(self.denied(mark), [])
                self.daemon.stop()

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

    # ---- vault-config ----

    def vault_config(self, *arguments, cwd="/", **variables):
        return subprocess.run([BUILD / "leasefs", "vault-config", *arguments], env={"PATH": os.environ["PATH"], **variables}, cwd=cwd,
                              capture_output=True, check=False, timeout=60)

    def config_file(self, text):
        """In a directory that nobody else may write."""
        file = self.bao.dir / "printed.toml"
        file.write_text(text)
        file.chmod(0o600)
        return file

    def settings(self, **variables):
        """The lines of what is printed, which check-config takes."""
        result = self.vault_config(**variables)
        self.assertEqual(result.returncode, 0, result.stderr)
        file = self.config_file(result.stdout.decode())
        checked = subprocess.run([BUILD / "leasefs", "check-config", file], capture_output=True, check=False, timeout=60)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        return result.stdout.decode().splitlines()

    def test_vault_config_takes_bao_before_vault_and_a_file_before_a_directory(self):
        lines = self.settings(BAO_ADDR="https://bao.test:8200", VAULT_ADDR="https://vault.test:8200", VAULT_CACERT="/etc/a \"b\".pem",
                              BAO_CAPATH="/etc/certs", VAULT_TLS_SERVER_NAME="name.test", BAO_NAMESPACE="a/b/", VAULT_NAMESPACE="c",
                              BAO_CLIENT_CERT="/etc/c.pem", VAULT_CLIENT_KEY="/etc/k.pem")
        self.assertEqual(lines, ["[backend.vault]", 'type = "vault"', 'address = "https://bao.test:8200"', 'ca_file = "/etc/a \\"b\\".pem"',
                                 'client_certificate = "/etc/c.pem"', 'client_key = "/etc/k.pem"', 'server_name = "name.test"',
                                 'namespace = "a/b"', 'auth = { method = "token", token = { file = "/etc/leasefs/vault-token" } }'])
        self.assertIn('address = "https://vault.test:8200"', self.settings(VAULT_ADDR="https://vault.test:8200"))
        self.assertIn('address = "https://127.0.0.1:8200"', self.settings(BAO_ADDR="", VAULT_ADDR="https://vault.test:8200"))  # as bao has it
        self.assertIn("[backend.other]", self.vault_config("other").stdout.decode().splitlines())
        self.assertIn(b"neither BAO_ADDR nor VAULT_ADDR", self.vault_config().stderr)

    def test_vault_config_says_what_a_directory_of_certificates_needs_and_where_it_is(self):
        lines = self.settings(VAULT_CAPATH="/etc/certs")
        place = lines.index('ca_directory = "/etc/certs"')
        self.assertIn("openssl rehash", lines[place - 1])
        relative = self.vault_config(VAULT_CACERT="../ca.pem", cwd="/usr/share").stdout.decode()
        self.assertIn('ca_file = "/usr/ca.pem"', relative)

    def test_vault_config_says_what_it_cannot_take_over(self):
        for address in ("https://vault.test:8200/base/", "unix:///run/vault.sock", "http://vault.test:8200", "vault.test:8200"):
            with self.subTest(address):
                result = self.vault_config(VAULT_ADDR=address)
                self.assertNotEqual(result.returncode, 0)
                self.assertEqual(result.stdout, b"")
                self.assertIn(f"VAULT_ADDR is {address}".encode(), result.stderr)
        for variables in ({"VAULT_CLIENT_CERT": "/etc/c.pem"}, {"VAULT_NAMESPACE": "a//b"}):
            result = self.vault_config(**variables)
            self.assertEqual((result.returncode != 0, result.stdout), (True, b""), variables)
        self.assertNotEqual(self.vault_config("not a name").returncode, 0)
        for value, warned in (("true", True), ("1", True), ("false", False), ("", False)):
            self.assertEqual(b"SKIP_VERIFY" in self.vault_config(BAO_ADDR="https://a", VAULT_SKIP_VERIFY=value).stderr, warned, value)

    def test_vault_config_never_prints_a_token(self):
        for name in ("BAO_TOKEN", "VAULT_TOKEN"):
            result = self.vault_config(VAULT_ADDR="https://vault.test", **{name: STRANGE})
            self.assertNotIn(STRANGE, (result.stdout + result.stderr).decode())

    def test_what_vault_config_prints_logs_in(self):
        printed = self.vault_config(BAO_ADDR=self.bao.address, VAULT_ADDR="https://127.0.0.1:1", BAO_CACERT=str(self.bao.ca)).stdout.decode()
        token = self.secret_file(setup.token(self.bao, ["app"]))
        file = self.config_file(printed.replace("/etc/leasefs/vault-token", token))
        result = subprocess.run([BUILD / "leasefs", "--config", file, "login-check"], capture_output=True, check=False, timeout=60)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertTrue(result.stdout.startswith(b"ok "), result.stdout)

    # ---- the daemon and the environment ----

    def hostile(self):
        """A server that is never to be asked, and variables that name it to whoever looks at them."""
        server = ScriptedServer(None, lambda request, stream: answer(200, {}))
        self.addCleanup(server.close)
        variables = {"SKIP_VERIFY": "true", "TOKEN": STRANGE, "NAMESPACE": "nowhere", "ADDR": server.address, "AGENT_ADDR": server.address,
                     "PROXY_ADDR": server.address, "HTTP_PROXY": server.address, "CACERT": "/nonexistent", "TLS_SERVER_NAME": "hostile.test"}
        words = [f"{prefix}_{name}={value}" for prefix in ("BAO", "VAULT") for name, value in variables.items()]
        words += [f"{name}={server.address}" for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")]
        return server, ["env", "SSL_CERT_FILE=/nonexistent", "SSL_CERT_DIR=/nonexistent", *words]

    def test_the_daemon_does_not_look_at_the_environment(self):
        server, prefix = self.hostile()
        self.daemon = self.daemon_for(tree("t", "kv1")).start(prefix)
        self.assertEqual(self.read("t/web/a/k"), "kv1 web/a")
        self.assertEqual(server.connections, 0)
        self.assertNotIn(STRANGE, self.daemon.log_text())

    def test_skip_verify_in_the_environment_lets_no_stranger_in(self):
        server, prefix = self.hostile()
        other = Authority(self.bao.dir / "another-authority", "another")
        self.daemon = self.daemon_for(tree("t", "kv1"), ca=other.ca).start(prefix)
        mark = self.audit.mark()
        self.assertEqual(self.errno("t/web/a/k"), errno.EREMOTEIO)
        self.assertEqual((server.connections, self.audit.logins(mark)), (0, 0))

    # ---- login-check ----

    def check(self, trees, auth, expected=0, **options):
        """(the lines, the findings of -o json), both with that exit status."""
        daemon = self.daemon_for(trees, auth, **options)
        lines, found = daemon.cli("login-check", check=False), daemon.cli("login-check", "-o", "json", check=False)
        self.assertEqual((lines.returncode, found.returncode), (expected, expected), lines.stdout + lines.stderr + found.stdout + found.stderr)
        return lines.stdout.decode(), json.loads(found.stdout)["findings"]

    def accessors(self):
        return set(self.bao("LIST", "auth/token/accessors")["data"]["keys"])

    def test_login_check_by_approle_succeeds_and_leaves_no_token_and_mints_nothing(self):
        auth = self.approle()
        before, mark = self.accessors(), self.audit.mark()
        lines, found = self.check([tree("kv", "kv1"), tree("db", "database/creds/app")], auth)
        self.assertEqual((self.audit.logins(mark), self.audit.count("auth/token/revoke-self", since=mark)), (2, 2))
        self.assertEqual(self.accessors() - before, set())
        self.assertEqual(self.audit.mints("database/creds/app", mark), 0)
        self.assertEqual([line.split()[0] for line in lines.splitlines()], ["ok", "ok", "ok"], lines)
        self.assertEqual([(entry["backend"], entry["identity"], entry["tree"], entry["ok"]) for entry in found],
                         [("vault", "", "", True), ("vault", "", "kv", True), ("vault", "", "db", True)])
        self.assertIn("kv1 has 2 names", found[1]["message"])
        self.assertIn("it would be allowed", found[2]["message"])

    def test_login_check_finds_no_fault_with_a_batch_token_which_nobody_can_revoke(self):
        lines, found = self.check([tree("kv", "kv1")], self.approle(role="batch", token_type="batch"))
        self.assertEqual([entry["ok"] for entry in found], [True, True], lines)

    def test_login_check_finds_out_whether_a_mint_would_be_allowed(self):
        mints = [tree("db", "database/creds/other"), tree("tls", "pki/issue/web", params={"common_name": "a.test"})]
        for name, words, expected in (
                ("reads", {"database/creds/*": ["read"], "pki/issue/*": ["read"]}, [True, False]),
                ("writes", {"database/creds/*": ["update"], "pki/issue/*": ["update"]}, [False, True]),
                ("denies", {"database/creds/*": ["read"], "database/creds/other": ["deny"], "pki/issue/*": ["create"]}, [False, False])):
            setup.policy(self.bao, name, words | REVOKE)
            mark = self.audit.mark()
            with self.subTest(name):
                _, found = self.check(mints, self.approle([name], name), expected=1)
                self.assertEqual([entry["ok"] for entry in found], [True, *expected], found)
                for entry, wanted, good in zip(found[1:], ("read on database/creds/other", "update on pki/issue/web"), expected):
                    self.assertIn("it would be allowed" if good else f"the policy does not allow it, which needs {wanted}: `leasefs vault-policy`",
                                  entry["message"])
            self.assertEqual(self.audit.mints("pki/issue/web", mark), 0)
        lines, found = self.check(mints, self.role_with_only("unasked", self.printed(mints)))
        self.assertEqual([line.split()[0] for line in lines.splitlines()], ["ok", "warning", "warning"], lines)
        self.assertEqual([(entry["ok"], entry["warning"]) for entry in found], [(True, False), (True, True), (True, True)], found)
        for entry in found[1:]:
            self.assertIn("not known", entry["message"])
            self.assertIn("sys/capabilities-self", entry["message"])

    def test_login_check_warns_of_leases_that_may_not_be_renewed_or_revoked(self):
        reads = {"database/creds/*": ["read"], "kv1/*": ["read", "list"]}
        ask = {"sys/capabilities-self": ["update"], "auth/token/revoke-self": ["update"]}
        trees = [tree("db", "database/creds/app"), tree("db2", "database/creds/app"), tree("kv", "kv1")]
        for name, words, default, expected in (
                ("default-only", {}, True, ["revoke"]), ("neither", ask, False, ["renew", "revoke"]),
                ("renews", ask | {"sys/leases/renew": ["update"]}, False, ["revoke"]), ("revokes", ask | REVOKE, False, ["renew"]),
                ("both", REVOKE, True, [])):
            with self.subTest(name):
                setup.policy(self.bao, name, reads | words)
                lines, found = self.check(trees, self.approle([name], name, token_no_default_policy=not default))
                warnings = [entry["message"] for entry in found if entry["warning"]]
                self.assertEqual([re.search("sys/leases/([a-z]*)", message).group(1) for message in warnings], expected, lines)
                self.assertEqual([line.split()[0] for line in lines.splitlines()], ["ok"] * 4 + ["warning"] * len(expected), lines)
        setup.policy(self.bao, "reads-only", reads)
        _, found = self.check(tree("kv", "kv1"), self.approle(["reads-only"], "reads-only"))
        self.assertEqual([entry["warning"] for entry in found], [False, False], "nothing is minted")
        token = setup.token(self.bao, ["reads-only"])
        lines, _ = self.check(trees, {"method": "token", "token": at(self.secret_file(token))})
        self.assertIn("revoke nothing", lines)

    def test_login_check_says_what_its_token_would_need_to_be_revoked(self):
        setup.policy(self.bao, "stays", {"kv1/*": ["read", "list"]})
        lines, _ = self.check(tree("kv", "kv1"), self.approle(["stays"], "stays", token_no_default_policy=True), expected=1)
        self.assertIn("the token's policy does not allow update on auth/token/revoke-self, or", lines)

    def test_login_check_leaves_the_token_of_a_file_alone(self):
        token = setup.token(self.bao, ["app"])
        file = self.secret_file(token)
        mark = self.audit.mark()
        lines, _ = self.check(tree("kv", "kv1"), {"method": "token", "token": at(file)})
        self.assertEqual(self.audit.revocations(mark), 0)
        self.bao("GET", "auth/token/lookup-self", token=token)
        self.assertNotIn(token, lines)

    def test_login_check_does_not_use_up_a_wrapped_secret_id(self):
        role = setup.approle(self.bao, ["app"], role="wrapped")
        wrapping = role.wrapped_secret_id(self.bao)
        mark = self.audit.mark()
        _, found = self.check(tree("kv", "kv1"), {"method": "approle", "role_id": role.role_id, "secret_id": at(self.secret_file(wrapping)),
                                                  "wrapped": role.secret_id_path})
        self.assertEqual((self.audit.count("sys/wrapping/unwrap", since=mark), self.audit.logins(mark)), (0, 0))
        self.assertIn("not tried", found[0]["message"])
        self.assertIn("secret_id", self.bao("POST", "sys/wrapping/unwrap", token=wrapping)["data"])

    def test_login_check_says_what_is_wrong_and_what_to_do(self):
        other = Authority(self.bao.dir / "wrong-authority", "another")
        mark = self.audit.mark()
        lines, found = self.check(tree("kv", "kv1"), self.approle(), expected=1, ca=other.ca)
        self.assertEqual(self.audit.logins(mark), 0)
        for word in ("FAILED", "certificate", "ca_file"):
            self.assertIn(word, lines)
        self.assertFalse(found[0]["ok"])
        role = {"method": "approle", "role_id": "no-such-role", "secret_id": at(self.secret_file("Sup3r-s3cret-id"))}
        lines, _ = self.check(tree("kv", "kv1"), role, expected=1)
        self.assertIn("approle", lines)
        self.assertNotIn("Sup3r-s3cret-id", lines)

    def test_login_check_of_one_backend_and_of_none(self):
        daemon = self.daemon_for(tree("kv", "kv1"))
        self.assertEqual(len(daemon.json("login-check", "vault")["findings"]), 2)
        missing = daemon.cli("login-check", "elsewhere", check=False)
        self.assertNotEqual(missing.returncode, 0)
        self.assertIn(b"elsewhere", missing.stderr)


if __name__ == "__main__":
    harness.main()
