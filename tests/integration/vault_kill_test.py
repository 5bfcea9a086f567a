#!/usr/bin/env python3
"""Nobody notices that fs or the backend is killed (S14, S15, S18): no failed read, and by the server's audit no login, mint or revocation."""

import os
import random
import subprocess
import threading
import time

import harness
import openbao_setup as setup
from harness import ALICE, wait_for
from scripted_server import ScriptedServer
from vault_harness import VaultTest, tree

KILLS = int(os.environ.get("LEASEFS_KILLS", "100"))
PYTHON = "/usr/bin/python3"  # one that every user may run
READER = """
import os, sys, time
mount, failures, reads, longest = sys.argv[1], [], 0, 0.0
expected = {}
os.set_blocking(0, False)
while True:
    try:
        if os.read(0, 1) == b"":
            break
    except BlockingIOError:
        pass
    for name in sys.argv[2:]:
        start = time.monotonic()
        try:
            with open(f"{mount}/{name}", "rb") as file:
                got = file.read()
            if not got or expected.setdefault(name, got) != got:
                failures.append(f"{name}: {len(got)} bytes, not those of before")
        except OSError as error:
            failures.append(f"{name}: {error}")
        longest = max(longest, time.monotonic() - start)
        reads += 1
print(reads, f"{longest:.3f}", "; ".join(failures[:5]))
"""


class Kill(VaultTest):
    POSTGRES = True

    @classmethod
    def prepare(cls):
        setup.policy(cls.bao, "app", {"kv2/*": ["read", "list"], "database/*": ["read"], "pki/issue/*": ["update"],
                                      "sys/leases/revoke": ["update"]})
        setup.kv2(cls.bao)
        setup.put2(cls.bao, "a", k="static")
        cls.issue = setup.pki(cls.bao)

    def everything(self, role):
        """Trees of each kind, and the files that are read; all have been minted when this returns."""
        self.db = setup.database_role(self.bao, role)
        self.serve([tree("db", self.db), tree("kv", "kv2", ttl="1h"),
                    tree("tls", self.issue, method="POST", params={"common_name": "a.test"})])
        files = ["db/username", "db/password", "kv/a/k", "tls/private_key", "tls/certificate"]
        for name in files:
            self.assertNotEqual(self.read(name), "")
        return files

    def readers(self, files, count=3):
        return [subprocess.Popen([PYTHON, "-c", READER, self.daemon.mount, *files], user=ALICE, group=ALICE, extra_groups=[],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(count)]

    def kill_under_load(self, name, role):
        files = self.everything(name)
        credential = self.credential("db")
        mark = self.audit.mark()
        readers, chance = self.readers(files), random.Random(1)
        self.addCleanup(lambda: [reader.kill() for reader in readers if reader.poll() is None])
        for _ in range(KILLS):
            self.daemon.wait_new_child(role(), self.daemon.kill_child(role()))
            time.sleep(chance.uniform(0, 0.05))
            self.assertNotEqual(self.read("kv/a/k"), "")  # a successor that serves: the next kill is another event
        time.sleep(0.5)
        total = 0
        for reader in readers:
            words = reader.communicate(timeout=20)[0].decode().strip().split(" ", 2)
            total += int(words[0])
            self.assertEqual(words[2:], [], "reads failed")
            self.assertLess(float(words[1]), 5.0)
        print(f"{KILLS} kills of {name}: {total} reads")
        self.assertGreater(total, KILLS)
        self.assertEqual(self.credential("db"), credential)
        self.assertEqual({**self.counts(mark, self.db), "certificates": self.audit.mints(self.issue, mark)},
                         {"logins": 0, "mints": 0, "revocations": 0, "certificates": 0})
        self.assertLessEqual(self.audit.reads("kv2/data/a", mark), 1, "a value that is fresh for an hour was fetched again")
        self.assertTrue(self.postgres.can_log_in(*credential))

    def test_s14_fs_killed_under_load_costs_nothing(self):
        self.kill_under_load("fs", lambda: "fs")

    def test_s14_the_backend_killed_under_load_costs_nothing(self):
        self.kill_under_load("backend", lambda: "vault vault")

    def test_s14_renewals_go_on_after_a_kill(self):
        path = setup.database_role(self.bao, "brief", ttl="3s", max_ttl="1h")
        self.serve(tree("db", path))
        credential = self.credential("db")
        mark = self.audit.mark()
        for _ in range(6):
            self.daemon.wait_new_child("vault vault", self.daemon.kill_child("vault vault"))
            time.sleep(1.5)
        self.assertEqual(self.credential("db"), credential)
        self.assertTrue(self.postgres.can_log_in(*credential))
        self.assertEqual(self.audit.mints(path, mark), 0)
        self.assertGreaterEqual(self.audit.renewals(mark), 3)

    def test_s15_a_kill_between_request_and_answer_costs_one_more_mint_and_the_orphan_is_in_status(self):
        path = setup.database_role(self.bao, "orphan")
        asked, answer_now = threading.Event(), threading.Event()

        def forward(request, stream):
            sent = {name: value for name, value in request.headers.items() if name.startswith("x-vault-")}
            status, headers, body = self.bao.node.request(request.method, request.path, request.body or None, headers=sent)
            if request.path == path and not asked.is_set():
                asked.set()
                answer_now.wait(20)
            head = f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            return head.encode() + body
        proxy = ScriptedServer(self.bao.authority.issue("proxy"), forward)
        self.addCleanup(proxy.close)
        self.addCleanup(answer_now.set)
        self.serve(tree("db", path, mint_interval="1s"), address=proxy.address, extra='[limits]\ndeadline = "15s"\n')
        self.assertIn("username", self.names("db"))
        mark = self.audit.mark()
        reader = subprocess.Popen(["cat", self.path("db/username")], user=ALICE, group=ALICE, extra_groups=[], stdout=subprocess.PIPE)
        self.assertTrue(asked.wait(10))
        self.assertEqual(self.audit.mints(path, mark), 1)
        self.daemon.wait_new_child("vault vault", self.daemon.kill_child("vault vault"))
        answer_now.set()
        username = reader.communicate(timeout=10)[0].decode()
        self.assertEqual(reader.returncode, 0)
        self.assertIn(username, self.postgres.roles())
        self.assertEqual((self.audit.mints(path, mark), self.audit.logins(mark)), (2, 0))
        wait_for("status counts it", lambda: self.daemon.status()["report"]["orphans"] == 1, 5)
        self.assertIn("backend vault: 1 lease may have been minted whose answers never came: nobody has their ids; they end by themselves",
                      self.daemon.json("status")["problems"])


if __name__ == "__main__":
    harness.main()
