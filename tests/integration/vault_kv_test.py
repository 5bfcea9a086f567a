#!/usr/bin/env python3
"""KV secrets of a real OpenBao, versions 1 and 2, read through the mount."""

import errno
import os
import time

import harness
import openbao_setup as setup
from harness import ALICE, BOB, as_user, wait_for
from vault_harness import VaultTest, tree

NAMES = ["a b", "ü中", "50%", "%2f", "q?x=1&y", "h#x", "plus+", "a..b", "-rf", "quote'\"", "ünï/cödé"]


class Kv(VaultTest):
    @classmethod
    def prepare(cls):
        bao = cls.bao
        setup.policy(bao, "app", {"kv1/*": ["read", "list"], "kv2/*": ["read", "list"]})
        setup.kv1(bao)
        setup.kv2(bao)
        for put in (setup.put1, setup.put2):
            put(bao, "web/a", user="alice", password="correct horse\n")
            put(bao, "web/deep/er/b", x="1")
            put(bao, "top", y="2")

    def test_s1_a_whole_mount_a_folder_and_a_secret_of_both_versions(self):
        setup.kv1(self.bao, "deep/whole1")  # a mount's path may have slashes
        setup.kv2(self.bao, "whole2")
        setup.policy(self.bao, "whole", {"deep/whole1/*": ["read", "list"], "whole2/*": ["read", "list"]})
        for put, mount in ((setup.put1, "deep/whole1"), (setup.put2, "whole2")):
            put(self.bao, "web/a", mount=mount, user="alice", password="correct horse\n")
            put(self.bao, "web/deep/er/b", mount=mount, x="1")
            put(self.bao, "top", mount=mount, y="2")
        self.serve([tree("all1", "deep/whole1"), tree("all2", "whole2"), tree("web1", "deep/whole1/web"), tree("web2", "whole2/web"),
                    tree("a1", "deep/whole1/web/a"), tree("a2", "whole2/web/a"),
                    tree("told1", "deep/whole1", engine="kv1"), tree("told2", "whole2", engine="kv2")], self.approle(["whole"], "whole"))
        for mount in ("all1", "all2", "told1", "told2"):
            self.assertEqual(self.names(mount), ["top", "web"])
            self.assertEqual(self.names(f"{mount}/web"), ["a", "deep"])
            self.assertEqual(self.read(f"{mount}/web/deep/er/b/x"), "1")
            self.assertEqual(self.read(f"{mount}/top/y"), "2")
        for folder in ("web1", "web2"):
            self.assertEqual(self.read(f"{folder}/a/password"), "correct horse\n")
            self.assertEqual(self.read(f"{folder}/deep/er/b/x"), "1")
        for secret in ("a1", "a2"):
            self.assertEqual(self.names(secret), ["password", "user"])
            self.assertEqual(self.read(f"{secret}/user"), "alice")
            self.assertEqual(os.stat(self.path(f"{secret}/user")).st_size, 5)

    def test_stat_shows_the_source_of_the_configuration_and_the_rest_of_the_path(self):
        self.serve([tree("t", "kv2/web"), tree("all", "kv1")])
        for name, source in (("t/a/user", "kv2/web/a"), ("all/web/deep/er/b/x", "kv1/web/deep/er/b"), ("all/web", "kv1/web"), ("t", "kv2/web")):
            self.names(os.path.dirname(name) or name)
            self.assertEqual(self.daemon.json("stat", name)["source"], source)
        self.assertIn(b"vault:kv2/web/a\n", self.daemon.cli("stat", "t/a/user").stdout)

    def test_s15_lease_scope_on_a_static_value_is_eremoteio_and_says_what_to_do(self):
        for scope in ("uid", "process", "open"):
            with self.subTest(scope):
                self.serve([tree("one", "kv1/web/a", lease_scope=scope), tree("two", "kv2/web/a", lease_scope=scope)])
                for path in ("one", "two"):
                    as_user(ALICE, lambda file=self.path(f"{path}/user"): os.stat(file).st_size)  # as ls -l does: this asks for the value
                    self.assertEqual(self.errno(f"{path}/user"), errno.EREMOTEIO)
                    self.assertIn("remove lease_scope", self.daemon.words(f"{path}/user"))
                self.daemon.stop()

    def test_names_are_read_without_a_listing_where_the_policy_gives_none(self):
        setup.policy(self.bao, "unlisted", {"kv1/web/*": ["read"], "kv2/data/web/*": ["read"]})
        self.serve([tree("one", "kv1/web"), tree("two", "kv2/web")], self.approle(["unlisted"], "unlisted"))
        self.assertEqual(self.read("one/a/user"), "alice")
        self.assertEqual(self.read("two/a/user"), "alice")

    def test_a_pinned_version_stays_and_the_other_tree_has_the_current_one(self):
        for value in ("one", "two", "three"):
            setup.put2(self.bao, "pinned", k=value)
        self.serve([tree("old", "kv2/pinned", version=2), tree("new", "kv2/pinned", ttl="1s")])
        self.assertEqual([self.read("old/k"), self.read("new/k")], ["two", "three"])
        setup.put2(self.bao, "pinned", k="four")
        wait_for("the current one", lambda: self.read("new/k") == "four")
        self.assertEqual(self.read("old/k"), "two")

    def test_a_soft_deleted_secret_is_enoent_and_undelete_brings_it_back(self):
        setup.put2(self.bao, "gone", k="v")
        self.serve(tree("t", "kv2", ttl="1s"))
        self.assertEqual(self.read("t/gone/k"), "v")
        self.bao("DELETE", "kv2/data/gone")
        wait_for("it is gone", lambda: self.errno("t/gone/k") == errno.ENOENT)
        self.bao("POST", "kv2/undelete/gone", {"versions": [1]})
        wait_for("it is back", lambda: self.errno("t/gone/k") == 0)
        self.assertEqual(self.read("t/gone/k"), "v")
        self.bao("PUT", "kv2/destroy/gone", {"versions": [1]})
        wait_for("it is destroyed", lambda: self.errno("t/gone/k") == errno.ENOENT)
        self.assertEqual(self.read("t/top/y"), "2")

    def test_what_never_was_is_enoent(self):
        self.serve([tree("one", "kv1"), tree("two", "kv2"), tree("none", "kv2/never/was")])
        for name in ("one/none/k", "two/none/k", "two/top/none", "one/top/y/z", "none/k"):
            with self.subTest(name):
                self.assertIn(self.errno(name), (errno.ENOENT, errno.ENOTDIR))

    def test_s4_names_with_odd_characters_are_found_listed_and_read(self):
        for number, name in enumerate(NAMES):
            quoted = "/".join(setup.quote(part) for part in name.split("/"))
            setup.put1(self.bao, f"odd/{quoted}", **{"key": f"one {number}", name: "named so"})
            setup.put2(self.bao, f"odd/{quoted}", **{"key": f"two {number}", name: "named so"})
        self.serve([tree("one", "kv1/odd"), tree("two", "kv2/odd")])
        for number, name in enumerate(NAMES):
            shown = name.replace("%", "%25")
            with self.subTest(name):
                self.assertEqual(self.read(f"one/{shown}/key"), f"one {number}")
                self.assertEqual(self.read(f"two/{shown}/key"), f"two {number}")
                self.assertEqual(self.read(f"two/{shown}/{shown.replace('/', '%2F')}"), "named so")
        folders = sorted({name.split("/")[0].replace("%", "%25") for name in NAMES})
        self.assertEqual(self.names("one"), folders)
        self.assertEqual(self.names("two"), folders)

    def test_s1_numbers_have_the_digits_that_the_server_sends_and_nested_values_are_compact_json(self):
        body = (b'{"big": 12345678901234567890, "fraction": 1.10, "small": -0.0000001, "flag": true, "nothing": null,'
                b' "nested": {"b": [1, 2.50, "x\\u00e9"], "a": {}}, "text": "1.10", "empty": ""}')
        self.bao("PUT", "kv1/numbers", body)
        sent = self.bao.node.request("GET", "kv1/numbers", token=self.bao.root)[2].decode()
        self.assertIn('"big":12345678901234567890', sent.replace(" ", ""))
        self.serve(tree("n", "kv1/numbers"))
        expected = {"big": "12345678901234567890", "fraction": "1.10", "flag": "true", "nothing": "null", "text": "1.10", "empty": ""}
        for key, value in expected.items():
            with self.subTest(key):
                self.assertEqual(self.read(f"n/{key}"), value)
        self.assertIn(self.read("n/nested"), ('{"a":{},"b":[1,2.50,"xé"]}', '{"b":[1,2.50,"xé"],"a":{}}'))
        self.assertIn(f'"small":{self.read("n/small")}', sent.replace(" ", ""))

    def test_s17_a_change_is_seen_after_ttl_and_the_server_is_asked_once_per_ttl(self):
        setup.put2(self.bao, "fresh", k="old")
        self.serve(tree("t", "kv2/fresh", ttl="2s"))
        self.assertEqual(self.read("t/k"), "old")
        mark, start = self.audit.mark(), time.monotonic()
        setup.put2(self.bao, "fresh", k="new")
        while self.read("t/k") == "old":
            self.assertLess(time.monotonic() - start, 4)
            time.sleep(0.02)
        self.assertGreater(time.monotonic() - start, 0.5)
        for _ in range(50):
            self.assertEqual(self.read("t/k"), "new")
        self.assertLessEqual(self.audit.reads("kv2/data/fresh", mark), 3)
        self.assertEqual(self.audit.logins(mark), 0)

    def test_s17_removed_keys_and_secrets_go(self):
        setup.put1(self.bao, "less", a="1", b="2")
        self.serve(tree("t", "kv1", ttl="1s"))
        self.assertEqual([self.read("t/less/a"), self.read("t/less/b")], ["1", "2"])
        setup.put1(self.bao, "less", a="1")
        wait_for("b is gone", lambda: self.errno("t/less/b") == errno.ENOENT)
        self.assertEqual(self.read("t/less/a"), "1")
        self.bao("DELETE", "kv1/less")
        wait_for("the secret is gone", lambda: self.errno("t/less/a") == errno.ENOENT)

    def test_s21_who_may_read_is_decided_by_the_rules_and_s25_what_the_policy_denies_is_eacces_for_that_path_only(self):
        setup.put2(self.bao, "dark/s", k="v")
        setup.policy(self.bao, "partly", {"kv2/data/web/*": ["read"], "kv2/metadata/*": ["list", "read"]})
        self.serve(tree("t", "kv2"), self.approle(["partly"], "partly"), rules=f'[[allow]]\npath = "**"\nuser = [{ALICE}]\n')
        self.assertEqual(self.errno("t/web/a/user", BOB), errno.EACCES)
        self.assertEqual(self.read("t/web/a/user"), "alice")
        mark = self.audit.mark()
        self.assertEqual(self.errno("t/dark/s/k"), errno.EACCES)
        self.assertEqual(self.read("t/web/a/user"), "alice")
        self.assertEqual(self.read("t/web/deep/er/b/x"), "1")
        self.assertEqual(self.audit.logins(mark), 0)

    def test_s4_what_is_a_secret_and_a_folder_shows_both(self):
        setup.put2(self.bao, "both", name="key", other="o")
        setup.put2(self.bao, "both/name", inner="folder")
        self.serve(tree("t", "kv2/both"))
        self.assertEqual(self.names("t"), ["nam%65", "name", "other"])
        self.assertEqual([self.read("t/nam%65"), self.read("t/name/inner")], ["key", "folder"])

    def test_s15_a_crowd_of_readers_of_a_cold_value_is_one_request(self):
        setup.put2(self.bao, "crowd", k="the same for all")
        self.serve(tree("t", "kv2"))
        self.assertEqual(self.names("t/web"), ["a", "deep"])
        mark = self.audit.mark()
        result = self.crowd(1000, "t/crowd/k", "the same for all")
        self.assertEqual((result["same"], result["errors"]), (1000, {}))
        self.assertEqual(self.audit.reads("kv2/data/crowd", mark), 1)

    def test_s2_binary_text_large_values_and_their_size(self):
        text = "".join(chr(c) for c in range(1, 0x180)) * 500
        setup.put2(self.bao, "large", k=text, one="x")
        self.serve(tree("t", "kv2/large"))
        self.assertEqual(self.read("t/k"), text)
        self.assertEqual(as_user(ALICE, lambda: os.stat(self.path("t/k")).st_size), len(text.encode()))


if __name__ == "__main__":
    harness.main()
