#!/usr/bin/env python3
"""S4, S6: programs that walk trees find every name and cause no fetch beyond what S6 allows; and names of every kind."""

import os
import random
import subprocess
import tempfile

import harness
from harness import ALICE, DaemonTest, as_user, read_as

SECRETS = 30


class Walkers(DaemonTest):
    def setUp(self):
        super().setUp()
        for number in range(SECRETS):
            self.daemon.put(f"web/app{number % 3}/s{number}", user=b"u%d" % number, password=b"p" * number)

    def fetches(self):
        return self.daemon.json("status")["counters"]["fetches"]

    def walk(self, uid, *command):
        return subprocess.run(command, user=uid, group=uid, extra_groups=[], capture_output=True, check=False, cwd="/")

    def test_s6_names_are_all_there_and_nothing_is_fetched_for_who_may_not_open(self):
        mount = str(self.daemon.mount)
        names = self.walk(0, "find", mount).stdout.decode().split()
        self.assertEqual(len(names), 1 + 1 + 3 + SECRETS * 3)
        self.assertEqual(self.walk(0, "find", mount, "-type", "f").stdout.count(b"\n"), SECRETS * 2)
        listed = self.walk(0, "ls", "-lR", mount)
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertEqual(listed.stdout.count(b" password\n"), SECRETS)
        self.assertEqual(self.walk(0, "tar", "cf", "/dev/null", mount).returncode, 0)
        self.assertEqual(self.walk(0, "df", mount).returncode, 0)
        database = self.daemon.dir / "locate.db"
        updated = self.walk(0, "updatedb", "--prunefs", "", "--prunepaths", "", "-U", mount, "-o", str(database))
        self.assertEqual(updated.returncode, 0, updated.stderr)
        found = self.walk(0, "locate", "-d", str(database), "password").stdout
        self.assertEqual(found.count(b"/password\n"), SECRETS)
        self.assertEqual(self.fetches(), 0)

    def test_s6_an_allowed_user_causes_one_fetch_per_secret_by_stat_and_no_more(self):
        mount = str(self.daemon.mount)
        self.assertEqual(self.walk(ALICE, "find", mount).stdout.count(b"\n"), 1 + 1 + 3 + SECRETS * 3)
        self.assertEqual(self.walk(ALICE, "ls", "-R", mount).returncode, 0)
        self.assertEqual(self.walk(ALICE, "df", mount).returncode, 0)
        self.assertEqual(self.fetches(), 0, "names alone need no value")
        sizes = self.walk(ALICE, "ls", "-lR", mount).stdout
        self.assertIn(b" 29 ", sizes)
        self.assertEqual(sizes.count(b" password\n"), SECRETS)
        self.assertEqual(self.fetches(), SECRETS)
        self.assertEqual(self.walk(ALICE, "ls", "-lR", mount).stdout, sizes)
        self.assertEqual(self.walk(ALICE, "tar", "cf", "/dev/null", mount).returncode, 0)
        with tempfile.TemporaryDirectory() as place:
            os.chown(place, ALICE, ALICE)
            database = place + "/locate.db"
            updated = self.walk(ALICE, "updatedb", "-l", "no", "--prunefs", "", "--prunepaths", "", "-U", mount, "-o", database)
            self.assertEqual(updated.returncode, 0, updated.stderr)
            found = self.walk(ALICE, "locate", "-d", database, "password").stdout
            self.assertEqual(found.count(b"/password\n"), SECRETS)
        self.assertEqual(self.fetches(), SECRETS)
        self.assertEqual(len(self.daemon.opens()), 0, "nobody opened anything")

    def test_s4_names_of_every_kind_round_trip(self):
        chance = random.Random(3)
        keys = {"%": b"percent", "a/b": b"slash", ".": b"dot", "..": b"dots", " space ": b"space", "\u00fc\u4e2d": b"unicode", "-rf": b"dash",
                "new\nline": b"newline", "x" * 255: b"long"}
        for _ in range(40):
            keys["".join(chance.choice("ab/.%~ \u00e4") for _ in range(1 + chance.randrange(30)))] = b"random"
        source = self.daemon.dir / "import.json"
        import json
        source.write_text(json.dumps({"web/names": {key: value.decode() for key, value in keys.items()}}))
        self.daemon.cli("import", source)

        def unescape(name):
            out, i = b"", 0
            name = os.fsencode(name)
            while i < len(name):
                if name[i:i + 1] == b"%":
                    out += bytes([int(name[i + 1:i + 3], 16)])
                    i += 3
                else:
                    out += name[i:i + 1]
                    i += 1
            return out.decode()

        shown = os.listdir(self.path("web/names"))
        self.assertEqual(sorted(map(unescape, shown)), sorted(keys))
        for name in shown:
            self.assertEqual(read_as(ALICE, os.path.join(self.path("web/names"), name)), keys[unescape(name)])

    def test_s4_what_is_a_secret_and_a_folder_shows_both(self):
        self.daemon.put("web/x", name=b"key", other=b"o")
        self.daemon.put("web/x/name", inner=b"folder")
        self.assertEqual(sorted(os.listdir(self.path("web/x"))), ["nam%65", "name", "other"])
        self.assertEqual(read_as(ALICE, self.path("web/x/nam%65")), b"key")
        self.assertEqual(read_as(ALICE, self.path("web/x/name/inner")), b"folder")

    def test_a_removed_secret_is_gone_and_may_come_back(self):
        self.assertEqual(read_as(ALICE, self.path("web/app0/s0/user")), b"u0")
        held = as_user(ALICE, lambda: 1)
        self.assertEqual(held, 1)
        self.daemon.cli("rm", "--yes", "web/app0/s0")
        with self.assertRaises(FileNotFoundError):
            read_as(ALICE, self.path("web/app0/s0/user"))
        self.assertNotIn("s0", os.listdir(self.path("web/app0")))
        self.daemon.put("web/app0/s0", user=b"again")
        self.assertEqual(read_as(ALICE, self.path("web/app0/s0/user")), b"again")

    def test_rollback_and_history(self):
        for value in (b"one", b"two", b"three"):
            self.daemon.put("web/h", k=value)
        self.assertEqual(read_as(ALICE, self.path("web/h/k")), b"three")
        self.daemon.cli("rollback", "web/h", "1")
        self.assertEqual(read_as(ALICE, self.path("web/h/k")), b"one")
        self.assertEqual(os.getxattr(self.path("web/h/k"), "user.leasefs.version"), b"4")


if __name__ == "__main__":
    harness.main()
