#!/usr/bin/env python3
"""Leases of 5 s (15 s at most) and min_ttl = "2s": every login begun within a second of its read succeeds, and hardly more is minted than must be.
Three minutes; LEASEFS_LEASE_SECONDS=N for another time. An hour by  tests/run.sh --soak."""

import concurrent.futures
import math
import os
import statistics
import time

import harness
import openbao_setup as setup
from harness import wait_for
from vault_harness import VaultTest, tree

SECONDS = int(os.environ.get("LEASEFS_LEASE_SECONDS", "180"))
MAX_TTL, MIN_TTL = 15, 2
TREES = 3


class ShortLeases(VaultTest):
    POSTGRES = True

    @classmethod
    def prepare(cls):
        setup.policy(cls.bao, "app", {"database/creds/*": ["read"], "sys/leases/revoke": ["update"]})

    def test_s14_s19_every_login_within_a_second_of_its_read_succeeds_and_mints_are_few(self):
        paths = [setup.database_role(self.bao, f"short{number}", "5s", f"{MAX_TTL}s") for number in range(TREES)]
        self.serve([tree(f"db{number}", path, min_ttl=f"{MIN_TTL}s", mint_interval="1s") for number, path in enumerate(paths)])
        mark, start = self.audit.mark(), time.monotonic()
        waits, seen = [], [[] for _ in paths]

        def read(number):
            before = time.monotonic()
            username, password = self.credential(f"db{number}")
            waits.append(time.monotonic() - before)
            if username not in seen[number]:
                seen[number].append(username)
            return before, username, password

        def log_in(before, username, password):
            """What came of it, and words for a failure."""
            time.sleep(max(0, before + 0.75 - time.monotonic()))  # late, in the second that is allowed
            begun = time.monotonic() - before
            if begun > 1.0:
                return "late", ""  # this machine was too slow to begin in time: it tells nothing of us
            said = self.postgres.login(username, password)
            took = time.monotonic() - before
            if said.returncode == 0:
                return "login", ""
            if took > MIN_TTL:
                return "late", ""  # too slow to come to an end: no more was promised
            return "failure", (f"{before - start:.1f} s: {username}, begun after {begun:.2f} s, ended after {took:.2f} s: "
                               f"{said.stderr.decode().strip()}")
        with concurrent.futures.ThreadPoolExecutor(32) as threads:
            pending = []
            while time.monotonic() < start + SECONDS:
                pending += [threads.submit(log_in, *read(number)) for number in range(TREES)]
                time.sleep(0.25)
            ends = [login.result() for login in pending]
        logins, late = (sum(what == kind for what, _ in ends) for kind in ("login", "late"))
        failures = [words for what, words in ends if what == "failure"]

        def all_shown():
            for number in range(TREES):
                read(number)
            return [len(names) for names in seen] == [self.audit.mints(path, mark) for path in paths]
        mints = [self.audit.mints(path, mark) for path in paths]
        least = math.ceil(SECONDS / (MAX_TTL - MIN_TTL))
        print(f"{SECONDS} s: {logins} logins, {late} too late to count; {mints} mints where {least} are the least possible; "
              f"reads took {statistics.median(waits) * 1000:.0f} ms, {max(waits) * 1000:.0f} ms at most; {self.audit.renewals(mark)} renewals")
        self.assertFalse(failures, "\n".join(failures))
        self.assertGreater(logins, SECONDS)
        self.assertLessEqual(late, 3 + len(ends) // 50, "too many to say that every login succeeds")
        wait_for("what was minted and never shown was minted in vain: all of it is shown", all_shown, 5)
        for count in mints:
            self.assertLessEqual(count, math.ceil(least * 1.25) + 1)
        self.assertEqual(self.audit.logins(mark), 1)
        self.assertLess(max(waits), 2.0)


if __name__ == "__main__":
    harness.main()
