#!/usr/bin/env python3
"""Credentials that a real OpenBao makes on demand, with leases: minted once, by an open, and renewed, replaced and given back as S14 to S19
say. Counts are those of the server's audit device and of pg_roles."""

import base64
import datetime
import errno
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor  # by name: a child of another uid may not read where Python lies

import harness
import openbao_setup as setup
from harness import ALICE, BOB, as_user, wait_for
from vault_harness import VaultTest, at, stays, tree

READERS = int(os.environ.get("LEASEFS_READERS", "10000"))
KEYS = ("username", "password")


def moment(text):
    """A time of the server's, as time.time() counts."""
    return datetime.datetime.fromisoformat(re.sub(r"\.(\d{6})\d*", r".\1", text).replace("Z", "+00:00")).timestamp()


def read_file(place):
    with open(place, encoding="utf-8") as file:
        return file.read()


class Dynamic(VaultTest):
    POSTGRES = True

    @classmethod
    def prepare(cls):
        setup.policy(cls.bao, "app", {"database/*": ["read"], "kv1/*": ["read", "list"], "sys/leases/revoke": ["update"]})
        setup.kv1(cls.bao)
        setup.put1(cls.bao, "a", k="static")

    def role(self, **times):
        """A role of the test's own; the path that mints."""
        return setup.database_role(self.bao, self.id().rsplit(".", 1)[1][-40:], **times)

    def held(self, username):
        return username in self.postgres.roles()

    def wait_until_given_back(self, path, *usernames):
        """The server revokes in its own time: it has noted it when it answers."""
        for username in usernames:
            wait_for(f"{username} is revoked", lambda u=username: not self.held(u))
        wait_for("the server has no lease any more", lambda: self.bao.leases(path) == [])

    def bind_mounts(self, name):
        """The directory of a secret at another place, and its files at others: the directory, [the username, the password]."""
        self.credential(name)
        place = pathlib.Path(tempfile.mkdtemp(prefix="leasefs-bound-"))
        self.addCleanup(shutil.rmtree, place)
        place.chmod(0o755)
        (place / "directory").mkdir()
        for key in KEYS:
            (place / key).touch()
        for source, target in ((self.path(name), place / "directory"), *((f"{self.path(name)}/{key}", place / key) for key in KEYS)):
            subprocess.run(["mount", "--bind", source, target], check=True)
            self.addCleanup(subprocess.run, ["umount", target], check=True)
        return str(place / "directory"), [str(place / key) for key in KEYS]

    def test_s15_a_crowd_of_readers_of_a_cold_credential_is_one_mint(self):
        path = self.role()
        self.serve(tree("db", path), extra="[limits]\ndeadline = \"10s\"\n")
        mark = self.audit.mark()
        result = self.crowd(READERS, "db/password")
        print(f"{READERS} readers: {result}")
        self.assertEqual((result["same"], result["errors"]), (READERS, {}))
        self.assertTrue(self.logs_in("db"))
        self.assertLessEqual(self.audit.logins(mark), 1)
        self.assertEqual(self.audit.mints(path, mark), 1)
        self.assertEqual(len(self.bao.leases(path)), 1)

    def test_s6_walkers_mint_nothing_and_see_all_names(self):
        path = self.role()
        self.serve([tree("db", path), tree("deep/er/db", path)])
        mark, mount = self.audit.mark(), str(self.daemon.mount)
        for uid in (0, ALICE):
            found = self.walk(uid, "find", mount).stdout.decode().split()
            for name in ("db/username", "db/password", "deep/er/db/username", "deep/er/db/password"):
                self.assertIn(f"{mount}/{name}", found)
            listed = self.walk(uid, "ls", "-lR", mount)
            self.assertEqual((listed.returncode, listed.stdout.count(b" password\n")), (0, 2), listed.stderr)
            self.assertEqual(self.walk(uid, "tar", "cf", "/dev/null", mount).returncode, 0)
            self.assertEqual(self.walk(uid, "df", mount).returncode, 0)
            with tempfile.TemporaryDirectory() as place:
                os.chown(place, uid, uid)
                database = place + "/locate.db"
                updated = self.walk(uid, "updatedb", "-l", "no", "--prunefs", "", "--prunepaths", "", "-U", mount, "-o", database)
                self.assertEqual(updated.returncode, 0, updated.stderr)
                self.assertEqual(self.walk(uid, "locate", "-d", database, "password").stdout.count(b"/password\n"), 2)
        self.assertEqual(os.stat(self.path("db/password")).st_size, 0)
        self.assertEqual(self.audit.mints(path, mark), 0)
        self.assertTrue(self.logs_in("db"))
        self.assertEqual(self.audit.mints(path, mark), 1)

    def test_s14_a_lease_is_renewed_whether_or_not_somebody_reads_and_stays_the_same(self):
        path = self.role(ttl="3s", max_ttl="1h")
        self.serve(tree("db", path))
        mark = self.audit.mark()
        first = self.credential("db")
        time.sleep(8)
        self.assertEqual(self.credential("db"), first)
        self.assertTrue(self.postgres.can_log_in(*first))
        self.assertEqual(self.audit.mints(path, mark), 1)
        self.assertTrue(2 <= self.audit.renewals(mark) <= 6, self.audit.renewals(mark))

    def test_s14_a_lease_at_its_limit_is_replaced_before_it_ends_and_every_read_logs_in(self):
        path = self.role(ttl="4s", max_ttl="8s")
        self.serve(tree("db", path, mint_interval="1s"))
        mark, end = self.audit.mark(), time.monotonic() + 20
        seen, worked, late = [], 0, 0
        while time.monotonic() < end:
            username, password = self.credential("db")
            read = time.monotonic()
            said = self.postgres.login(username, password)
            if said.returncode == 0:
                worked += 1
            elif time.monotonic() - read > 0.25:
                late += 1  # of what a lease has left when it is replaced, this machine has used up its part
            else:
                self.fail(f"{username}, number {len(seen)}: {said.stderr.decode()}")
            if username not in seen:
                seen.append(username)
            time.sleep(0.1)
        print(f"leases of 8 s: {worked} logins, {late} too late to count")
        self.assertGreaterEqual(len(seen), 3)
        self.assertGreaterEqual(worked, 20)
        self.assertLessEqual(late, 3)
        self.assertLessEqual(self.audit.mints(path, mark), 5)

    def test_s14_what_was_read_just_before_a_replacement_works_until_its_own_lease_ends(self):
        path = self.role(ttl="16s", max_ttl="16s")
        self.serve(tree("db", path, min_ttl="5s", mint_interval="1s"))  # so that there is time to look between replacement and end
        first = self.credential("db")
        lease, = self.bao.leases(path)
        wait_for("a replacement", lambda: self.credential("db") != first, 20)
        replaced, last, worked = time.time(), 0, 0
        end = self.bao.lease_end(lease)  # only now: the last renewal may have cut it, by less than a second
        self.assertLess(replaced, end)
        while time.time() < end - 0.2:
            said = self.postgres.login(*first)
            done = time.time()
            if done < end:
                self.assertEqual(said.returncode, 0, f"{end - done:.2f} s before its end: {said.stderr.decode()}")
                last, worked = done, worked + 1
            time.sleep(0.3)
        print(f"replaced {end - replaced:.1f} s before its end, {worked} logins with it, the last one {end - last:.2f} s before")
        self.assertGreaterEqual(worked, 4)
        self.assertLess(end - last, 1.5)
        self.assertNotEqual(self.credential("db"), first)
        wait_for("it ends", lambda: not self.held(first[0]), 15)

    def test_s8_s9_s10_after_a_rotation_every_way_gets_the_new_one_and_descriptors_keep_theirs(self):
        path = self.role(ttl="5s", max_ttl="5s")
        names = ("cached", "plain")
        self.serve([tree("cached", path, mint_interval="1s"), tree("plain", path, mint_interval="1s", page_cache=False)])
        ways = {name: [self.path(name), *self.bind_mounts(name)] for name in names}

        def pair(way):
            return [read_file(place) for place in way] if isinstance(way, list) else [read_file(f"{way}/{key}") for key in KEYS]

        def rounds(ways):
            """Each way is the first one to see a rotation once; then all have it, whose pages were all read before."""
            found = []
            for first in ways:
                for _ in range(3):  # a rotation may fall between
                    before = [pair(way) for way in ways]
                    held = [os.open(way[1] if isinstance(way, list) else f"{way}/password", os.O_RDONLY) for way in ways]
                    current, end = pair(ways[0]), time.monotonic() + 15
                    if before == [current] * len(ways):
                        break
                while pair(first) == current and time.monotonic() < end:
                    time.sleep(0.02)
                after = [pair(way) for way in ways]
                kept = [os.pread(descriptor, 1000, 0).decode() for descriptor in held]
                found.append([before, current, after, kept, [pair(way) for way in ways]])
                for descriptor in held:
                    os.close(descriptor)
            return found

        def child():
            with ThreadPoolExecutor(len(names)) as threads:
                return list(threads.map(lambda name: rounds(ways[name]), names))
        for name, found in zip(names, as_user(ALICE, child)):
            self.assertEqual(len(found), 3, found)
            for before, current, after, kept, again in found:
                self.assertEqual(before, [current] * 3, f"{name}: not the same by each way")
                self.assertNotEqual(after[0], current, name)
                self.assertEqual(after, [after[0]] * 3, f"{name}: an old one was handed out after a new one")
                self.assertEqual(kept, [current[1]] * 3, f"{name}: a descriptor changed")
                self.assertEqual(again, after, name)

    def test_s19_nobody_gets_a_credential_with_less_than_min_ttl_left(self):
        path = self.role(ttl="8s", max_ttl="8s")
        self.serve(tree("db", path, min_ttl="4s", mint_interval="1s"))
        ends, leases, stop = {}, set(), time.monotonic() + 14
        while time.monotonic() < stop:
            before = time.time()
            username, _ = self.credential("db")
            if username not in ends:
                new = [lease for lease in self.bao.leases(path) if lease not in leases]
                leases.update(new)
                self.assertEqual(len(new), 1)
                ends[username] = self.bao.lease_end(new[0])
            self.assertGreater(ends[username] - before, 3.9, "less than min_ttl")
            time.sleep(0.2)
        self.assertGreaterEqual(len(ends), 3)

    def test_s15_idle_revokes_and_the_next_open_mints(self):
        path = self.role()
        self.serve(tree("db", path, idle="2s", mint_interval="1s"))
        mark = self.audit.mark()
        username, _ = self.credential("db")
        self.assertTrue(self.held(username))
        wait_for("it is revoked", lambda: not self.held(username), 10)
        self.assertEqual(self.audit.revocations(mark), 1)
        self.assertTrue(self.logs_in("db"))
        self.assertEqual(self.audit.mints(path, mark), 2)

    def test_s15_without_idle_nothing_is_revoked(self):
        path = self.role()
        self.serve(tree("db", path))
        mark = self.audit.mark()
        username, _ = self.credential("db")
        self.assertTrue(stays(4, lambda: self.held(username)))
        self.assertEqual(self.audit.revocations(mark), 0)

    def test_s15_sigterm_keeps_leases(self):
        path = self.role()
        self.serve(tree("db", path))
        mark = self.audit.mark()
        credential = self.credential("db")
        self.assertEqual(self.daemon.stop(), 0)
        self.assertTrue(self.postgres.can_log_in(*credential))
        self.assertEqual((len(self.bao.leases(path)), self.audit.revocations(mark)), (1, 0))

    def test_s15_stop_with_revoke_revokes(self):
        path = self.role()
        self.serve([tree("db", path), tree("db2", path)])
        usernames = [self.credential(name)[0] for name in ("db", "db2")]
        self.assertEqual(len(set(usernames)), 2)
        self.daemon.cli("stop", "--revoke")
        self.assertEqual(self.daemon.process.wait(15), 0)
        self.wait_until_given_back(path, *usernames)

    def test_s15_on_stop_revoke_revokes_at_sigterm(self):
        path = self.role()
        self.serve(tree("db", path), backend={"on_stop": "revoke"})
        username, _ = self.credential("db")
        self.daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.daemon.process.wait(15), 0)
        self.wait_until_given_back(path, username)

    def power_cut(self, state_key, prefix=()):
        """What a daemon with that key had minted is kept when it starts again in this boot, and revoked in the next."""
        path = self.role()
        state = tempfile.mkdtemp(prefix="leasefs-state-")
        shutil.chown(state, "leasefs-backend")
        self.addCleanup(shutil.rmtree, state)
        self.daemon = self.daemon_for(tree("db", path), backend={"state_key": state_key, "state_file": f"{state}/vault.leases"})
        self.daemon.start(prefix=prefix)
        username, _ = self.credential("db")
        time.sleep(1)  # what was minted in the last moment before a power cut is not listed, and runs out
        self.assertNotIn("state_key", self.daemon.cli("status").stdout.decode())
        self.daemon.kill_all()
        self.daemon.start(prefix=prefix)
        self.assertTrue(self.held(username), "of this boot: a program may live on it")
        self.daemon.kill_all()
        boot = pathlib.Path(state, "boot_id")
        boot.write_text("00000000-0000-0000-0000-000000000000\n", encoding="ascii")
        self.daemon.start(prefix=[*prefix, "unshare", "--mount", "--propagation", "private", "sh", "-c",
                                  'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"', str(boot)])
        wait_for("the lease of before is revoked", lambda: not self.held(username), 15)
        self.wait_until_given_back(path)

    def state_key(self):
        return f"leasefs-store-key-1:{base64.b64encode(os.urandom(32)).decode()}\n"

    def test_s15_with_a_state_key_the_leases_of_a_power_cut_are_revoked_at_the_next_start(self):
        self.power_cut(at(self.secret_file(self.state_key())))

    def test_s15_the_state_key_may_be_a_credential_of_the_service_manager(self):
        with tempfile.TemporaryDirectory(prefix="leasefs-credentials-") as directory:
            credential = pathlib.Path(directory, "leases-key")
            credential.touch(0o400)
            credential.write_text(self.state_key(), encoding="ascii")
            self.power_cut({"credential": "leases-key"}, ["env", f"CREDENTIALS_DIRECTORY={directory}"])

    def test_without_a_state_key_status_says_that_leases_are_not_listed(self):
        self.serve(tree("db", self.role()))
        self.credential("db")
        self.assertIn("state_key", self.daemon.cli("status").stdout.decode())

    def test_a_policy_that_may_not_revoke_is_said_in_status_and_the_lease_runs_out(self):
        path = self.role(ttl="8s", max_ttl="1h")
        setup.policy(self.bao, "norevoke", {"database/*": ["read"]})
        self.serve(tree("db", path, idle="2s"), self.approle(["norevoke"], "norevoke"))
        username, _ = self.credential("db")
        said = "the lease may not be revoked and runs out: "

        def problem():
            return next((text for text in self.daemon.json("status")["problems"] if said in text), None)
        text = wait_for("status says it", problem, 15)
        self.assertIn("vault: db: ", text)
        self.assertIn("the token's policy does not allow update on sys/leases/revoke", text)
        self.assertTrue(self.held(username), "it was revoked all the same")
        wait_for("it ran out", lambda: not self.held(username), 20)
        self.assertEqual(self.bao.leases(path), [])
        wait_for("status is done with it", lambda: problem() is None, 5)

    def test_s18_static_secrets_and_other_leases_go_on_where_one_cannot_be_minted(self):
        path = self.role()
        self.bao("PUT", "database/roles/broken", {"db_name": "pg", "default_ttl": "1h", "creation_statements": ["CREATE NONSENSE"]})
        self.serve([tree("db", path), tree("broken", "database/creds/broken"), tree("kv", "kv1")])
        good = self.credential("db")
        self.assertEqual(self.errno("broken/password"), errno.EREMOTEIO)
        self.assertEqual((self.credential("db"), self.read("kv/a/k")), (good, "static"))

    def test_s8_a_descriptor_keeps_what_it_opened_over_a_replacement(self):
        path = self.role(ttl="3s", max_ttl="3s")
        self.serve(tree("db", path, mint_interval="1s"))

        def current():
            with open(self.path("db/username"), "rb") as file:
                return file.read()

        def child():
            with open(self.path("db/username"), "rb") as file:
                before, end = file.read(), time.monotonic() + 10
                while current() == before and time.monotonic() < end:
                    time.sleep(0.1)
                return [before == os.pread(file.fileno(), 1000, 0), before == current()]
        self.assertEqual(as_user(ALICE, child), [True, False])

    def test_lease_scope_uid_gives_each_uid_a_credential_and_revokes_it_when_it_is_idle(self):
        path = self.role()
        self.serve(tree("db", path, lease_scope="uid", idle="2s"))
        alice, bob = self.credential("db", ALICE), self.credential("db", BOB)
        self.assertNotEqual(alice[0], bob[0])
        wait_for("both are revoked", lambda: not self.held(alice[0]) and not self.held(bob[0]), 15)

    def test_lease_scope_process_gives_each_process_a_credential_until_it_ends(self):
        path = self.role()
        self.serve(tree("db", path, lease_scope="process", mint_interval="500ms"))
        script = 'exec 3<"$1/username"; read -r name <&3; echo "$name"; read -r line'
        holders = [subprocess.Popen(["bash", "-c", script, "bash", self.path("db")], user=ALICE, group=ALICE, extra_groups=[],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
        names = [holder.stdout.readline().decode().strip() for holder in holders]
        self.assertNotEqual(names[0], names[1])
        self.assertTrue(stays(1, lambda: self.held(names[0]) and self.held(names[1])))
        for holder in holders:
            holder.communicate(b"\n")
        wait_for("both are revoked", lambda: not self.held(names[0]) and not self.held(names[1]), 15)

    def test_lease_scope_open_gives_each_open_a_credential_until_its_close(self):
        path = self.role()
        self.serve(tree("db", path, lease_scope="open", mint_interval="500ms"))

        def child():
            with open(self.path("db/username"), encoding="utf-8") as one, open(self.path("db/username"), encoding="utf-8") as two:
                return [one.read(), two.read()]
        names = as_user(ALICE, child)
        self.assertNotEqual(names[0], names[1])
        wait_for("both are revoked", lambda: not self.held(names[0]) and not self.held(names[1]), 15)

    def test_run_hands_over_one_lease_that_lives_or_refuses(self):
        path = self.role()
        self.serve([tree("process", path, lease_scope="process"), tree("uid", path, lease_scope="uid"), tree("open", path, lease_scope="open")])
        os.chmod(self.daemon.config, 0o644)
        for scope in ("process", "uid"):
            script = 'printf "%s\\n%s\\n" "$username" "$password"; read -r line'
            command = [harness.BUILD / "leasefs", "--config", self.daemon.config, "run", "--env-from", scope, "--", "bash", "-c", script]
            program = subprocess.Popen(command, user=ALICE, group=ALICE, extra_groups=[], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            credential = [program.stdout.readline().decode().strip() for _ in KEYS]
            with self.subTest(scope):
                self.assertTrue(stays(3, lambda c=credential: self.postgres.can_log_in(*c)))
            program.communicate(b"\n")
        mark = self.audit.mark()
        refused = self.daemon.cli("run", "--env-from", "open", "--", "true", uid=ALICE, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn(b"each open has a lease of its own", refused.stderr)
        self.assertEqual(self.audit.mints(path, mark), 0)

    def test_a_static_role_shows_the_new_password_soon_after_its_rotation_and_mints_nothing(self):
        path = setup.static_role(self.bao, self.postgres, "rotating", "rotuser")
        self.serve(tree("db", path))
        username, password = self.credential("db")
        self.assertEqual(username, "rotuser")
        self.assertNotIn("ttl", self.names("db"))
        self.assertTrue(self.postgres.can_log_in(username, password))
        mark = self.audit.mark()
        wait_for("the next one", lambda: self.credential("db")[1] != password, 15)
        end = time.monotonic() + 14
        worked = failed = 0
        longest = 0.0
        while time.monotonic() < end:
            read, credential = time.time(), self.credential("db")
            if self.postgres.can_log_in(*credential):
                worked += 1
                time.sleep(0.1)
                continue
            # A rotation came between; the server tells of it only when it is asked.
            failed += 1
            now = self.bao("GET", path)["data"]
            self.assertNotEqual(now["password"], credential[1], "no login, and the server has no other password")
            longest = max(longest, read - moment(now["last_vault_rotation"]))
            self.assertLess(longest, 2.0, "an old password was read long after the rotation")
            wait_for("what is read anew logs in", lambda: self.logs_in("db"), 4)
        print(f"a static role of 5 s: {worked} logins, {failed} rotations fell between; the old one was read for {longest:.1f} s at most")
        self.assertGreater(worked, 2 * failed)
        self.assertLess(self.audit.reads(path, mark) - failed, 40)


if __name__ == "__main__":
    harness.main()
