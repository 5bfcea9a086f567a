#!/usr/bin/env python3
"""What secrets from a server cost through leasefs, beside a plain client and beside `bao agent`: both sides in one run, pinned alike.

  tests/bench/vault_bench.py [--quick] [--only cold|agent|rotation|counts]

The server (a real OpenBao, or tests/bench/vault_server.cc) has core 0; leasefs, the agent, readers and plain clients have core 1. --quick does
everything once and briefly: it shows that figures come out. Exit status 1: a goal was missed; with --quick, one that is a count.
"""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import random
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
import bench
import openbao_setup as setup
from bench import CLIENT_CPU, SERVER_CPU, pss_kib, report
from certificates import Authority
from harness import ALICE, BUILD, as_user, read_as, wait_for
from openbao import BAO, OpenBao
from postgres import Postgres
from vault_harness import VaultDaemon, at, tree

TOKEN = "s.token-of-the-benchmark"
MARK = "plaintext-of-the-benchmark"  # in every KV value: what is looked for on disk


@contextlib.contextmanager
def on(cpu):
    """What is started in here has that core, and sizes itself for it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def started(server):
    """An OpenBao or a Postgres on the server's core."""
    with on(SERVER_CPU):
        running = server()
    with running:
        yield running


class Place:
    """A directory for a side's credentials and outputs, gone at the end."""

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="leasefs-bench-"))
        self.dir.chmod(0o755)
        return self

    def __exit__(self, *error):
        shutil.rmtree(self.dir, ignore_errors=True)

    def file(self, name, text):
        path = self.dir / name
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.write(text)
        return path


class Scripted:
    """tests/bench/vault_server.cc on the server's core."""

    def __init__(self, place, secrets=0, delay_us=0, lease_seconds=3600):
        self.authority = Authority(place.dir / "tls")
        self.ca = self.authority.ca
        self.words = [str(word) for word in (secrets, delay_us, lease_seconds)]
        self.auth = {"method": "token", "token": at(place.file("token", TOKEN))}
        self.token = TOKEN

    def __enter__(self):
        pair = self.authority.issue("scripted")
        with on(SERVER_CPU):
            self.process = subprocess.Popen([BUILD / "bench_vault_server", pair.certificate, pair.key, *self.words], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()
        return self

    def counts(self):
        """{"logins":, "token":, "mounts":, "lists":, "reads":, "mints":, "revocations":, "other":} since its start."""
        connection = http.client.HTTPSConnection(self.address.removeprefix("https://"), context=ssl.create_default_context(cafile=str(self.ca)))
        try:
            connection.request("GET", "/v1/bench/counts")
            return {"logins": 0, "mints": 0, "reads": 0, "lists": 0, **json.loads(connection.getresponse().read())}
        finally:
            connection.close()

    def __exit__(self, *error):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


@contextlib.contextmanager
def serving(server, trees, auth, **options):
    """leasefsd on the client's core."""
    daemon = VaultDaemon(server.address, server.ca, trees, auth, **options)
    with daemon:
        with on(CLIENT_CPU):
            daemon.start()
        yield daemon


def client(server, token, mode, *words):
    """Runs tests/bench/vault_client.cc as ALICE on the client's core."""
    with on(CLIENT_CPU):
        result = subprocess.run([BUILD / "bench_vault_client", mode, server.ca, *map(str, words)], input=token + "\n", text=True, user=ALICE,
                                group=ALICE, extra_groups=[], capture_output=True, check=False, timeout=300)
    if result.returncode != 0:
        raise AssertionError(f"the client failed: {result.returncode} {result.stderr}")
    return json.loads(result.stdout)


# Cold opens beside bare GETs.


def bench_cold(count, rounds):
    print(f"\ncold open + read + close of a KV secret beside a GET of the same URL by libcurl over a kept connection, in turns, {rounds} rounds of {count}")
    with started(OpenBao) as bao, Place() as place:
        setup.policy(bao, "bench", {"kv1/*": ["read", "list"], "kv2/*": ["read", "list"]})
        setup.kv1(bao)
        setup.kv2(bao)
        for number in range(count * rounds + 1):
            setup.put1(bao, f"web/s{number}", k="x" * 100)
            setup.put2(bao, f"web/s{number}", k="x" * 100)
        token = setup.token(bao, ["bench"])
        auth = {"method": "token", "token": at(place.file("token", token))}
        with serving(bao, [tree("one", "kv1/web", ttl="1h"), tree("two", "kv2/web", ttl="1h")], auth) as daemon:
            for version, name, path in ((1, "one", "kv1/web"), (2, "two", "kv2/data/web")):
                mark = bao.audit.mark()
                measured = cold_rounds(bao, daemon, name, token, path, count, rounds)
                requests = bao.audit.count(prefix=f"kv{version}/", since=mark) - (count + 1) * rounds  # libcurl's own, one of them to connect
                less = [figures["difference"] for figures in measured]
                report_cold(f"OpenBao on loopback, KV version {version}", measured)
                report(f"  KV version {version}: the one less the other, median of pairs ({min(less):.0f} to {max(less):.0f})",
                       f"{statistics.median(less):.0f}", "<= 300 us", statistics.median(less) <= 300, " us")
                report("  requests per cold open", f"{requests / count / rounds:.2f}", floor=requests < (version + 0.5) * count * rounds)
    with Place() as place, Scripted(place, secrets=count * rounds + 1, delay_us=2000) as server, \
            serving(server, [tree("kv", "kv", ttl="1h")], server.auth) as daemon:
        measured = cold_rounds(server, daemon, "kv", TOKEN, "kv", count, rounds)
    ratios = [figures["open"] / figures["get"] for figures in measured]
    report_cold("scripted TLS server that answers after 2 ms", measured)
    report(f"  after 2 ms: the one by the other ({min(ratios):.2f} to {max(ratios):.2f})", f"{statistics.median(ratios):.3f}", "<= 1.2",
           statistics.median(ratios) <= 1.2)


def report_cold(server, measured):
    get, opened = (statistics.median(figures[what] for figures in measured) for what in ("get", "open"))
    report(f"  {server}: a GET (HTTP/{measured[0]['http']})", f"{get:.0f}", unit=" us")
    report("  a cold open, read, close", f"{opened:.0f}", unit=" us")


def cold_rounds(server, daemon, name, token, path, count, rounds):
    """What `client cold` says of secrets that were not opened before, in rounds, since what a core does after a pause differs from minute to
    minute. s0 is opened before, so that leasefs is logged in and has the names."""
    read_as(ALICE, daemon.mount / name / "s0/k")
    return [client(server, token, "cold", f"{server.address}/v1/{path}/s{{}}", f"{daemon.mount}/{name}/s{{}}/k", 1 + number * count, count)
            for number in range(rounds)]


# Beside the server's own agent.


class Agent:
    """`bao agent`, which renders each KV secret and one database credential into a file, once a second."""

    def __init__(self, bao, place, role, secrets, mints_at):
        self.out = place.dir / "rendered"
        self.log = place.dir / "agent.log"
        templates = [(f"s{number}", f'{{{{ with secret "kv2/data/app/s{number}" }}}}{{{{ .Data.data.k }}}}{{{{ end }}}}')
                     for number in range(secrets)]
        templates.append(("db", f'{{{{ with secret "{mints_at}" }}}}{{{{ .Data.username }}}}:{{{{ .Data.password }}}}{{{{ end }}}}'))
        self.names = [name for name, _ in templates]
        text = f'vault {{\n  address = "{bao.address}"\n  ca_cert = "{bao.ca}"\n}}\n'
        text += ('auto_auth {\n  method "approle" {\n    config = {\n'
                 f'      role_id_file_path = "{place.file("role", role.role_id)}"\n'
                 f'      secret_id_file_path = "{place.file("secret", role.secret_id(bao))}"\n'
                 '      remove_secret_id_file_after_reading = false\n    }\n  }\n}\n'
                 'template_config {\n  static_secret_render_interval = "1s"\n}\n')
        for name, contents in templates:
            text += f'template {{\n  contents = {json.dumps(contents)}\n  destination = "{self.out / name}"\n}}\n'
        self.config = place.file("agent.hcl", text)
        self.place = place

    def start(self):
        with open(self.log, "ab") as log, on(CLIENT_CPU):
            self.process = subprocess.Popen([BAO, "agent", f"-config={self.config}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={"PATH": os.environ["PATH"], "HOME": str(self.place.dir)})
        return self

    def rendered(self):
        if self.process.poll() is not None:
            raise AssertionError(f"bao agent ended with {self.process.returncode}:\n{self.log.read_text(errors='replace')[-2000:]}")
        return all((self.out / name).exists() for name in self.names)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        shutil.rmtree(self.out, ignore_errors=True)  # of one before
        return self.start()

    def __exit__(self, *error):
        self.kill()


def bench_agent(secrets, changes, rounds):
    print(f"\nbeside `bao agent`: {secrets} KV secrets and a database credential, asked for again every second")
    with started(OpenBao) as bao, started(Postgres) as postgres, Place() as place:
        setup.policy(bao, "bench", {"kv2/*": ["read", "list"], "database/creds/*": ["read"], "sys/leases/revoke": ["update"]})
        setup.kv2(bao)
        for number in range(secrets):
            setup.put2(bao, f"app/s{number}", k=f"{MARK} {number} of the beginning")
        setup.database(bao, postgres)
        ours, theirs = (setup.database_role(bao, name) for name in ("leasefs", "agent"))
        role = setup.approle(bao, ["bench"])
        auth = {"method": "approle", "role_id": role.role_id, "secret_id": at(place.file("our-secret", role.secret_id(bao)))}
        names = [f"kv/s{number}/k" for number in range(secrets)] + ["db/username", "db/password"]
        seen = {"leasefs": [], "the agent": []}
        # In turns and each alone, since the agent takes most of the core. The agent first: leasefs is to ask no more often than that really did.
        # It asks more often than its ttl says: an open of what has just become stale asks too, and when that crosses new bytes, once more.
        for number in range(rounds):
            with Agent(bao, place, role, secrets, theirs) as agent:
                wait_for("the agent has rendered everything", agent.rendered, 60)
                paths = [agent.out / f"s{secret}" for secret in range(secrets)]
                seen["the agent"].append(Changes(bao, theirs, f"agent {number}", paths, changes, schedule=number))
                agent_kib = pss_kib([agent.process.pid])
            ttl = seen["the agent"][-1].interval * 1.12
            with serving(bao, [tree("kv", "kv2/app", ttl=f"{ttl * 1000:.0f}ms"), tree("db", ours)], auth) as daemon:
                read_all(daemon, names)
                paths = [daemon.mount / name for name in names[:-2]]
                seen["leasefs"].append(Changes(bao, ours, f"leasefs {number}", paths, changes, schedule=number))
                if number == rounds - 1:
                    compare_memory(daemon, agent_kib)
        compare_changes(seen)
        with serving(bao, [tree("kv", "kv2/app", ttl="900ms"), tree("db", ours)], auth) as daemon:
            read_all(daemon, names)
            with Agent(bao, place, role, secrets, theirs) as agent:
                wait_for("the agent has rendered everything", agent.rendered, 60)
                compare_disk(daemon, agent)
                compare_kills(bao, daemon, agent, names, ours, theirs)


def read_all(daemon, names):
    """As ALICE, so that everything is in use."""

    def read():
        for name in names:
            with open(daemon.mount / name, "rb") as file:
                assert file.read(), name
    as_user(ALICE, read)


def compare_memory(daemon, agent_kib):
    """Both have seen the same number of changes."""
    pids = [daemon.process.pid, *daemon.children().values()]
    ours, theirs = pss_kib(pids) / 1024, agent_kib / 1024
    report(f"  PSS of all {len(pids)} processes of leasefs", f"{ours:.1f}", unit=" MiB")
    report("  PSS of the agent", f"{theirs:.1f}", unit=" MiB")
    report("  the one by the other", f"{ours / theirs:.2f}", "<= 1/3", ours / theirs <= 1 / 3, floor=ours < theirs)


class Changes:
    """Changes on the server, at random phases (of that schedule), and how long each took to be seen by ALICE, who looks every few milliseconds."""

    def __init__(self, bao, mints_at, name, paths, changes, schedule):
        self.paths, self.seen, self.times = paths, {}, []
        rng = random.Random(schedule)
        os.setresgid(-1, ALICE, -1)
        os.setresuid(-1, ALICE, -1)
        try:
            self.read_for(min(changes, 8))  # until each secret is asked for at a time of its own
            mark, start = bao.audit.mark(), time.monotonic()
            for change in range(changes):
                self.read_for(1.0 + rng.random())
                # All of them, so that their median is no toss of a coin.
                self.once(bao, [f"{MARK} {number} after change {change} for {name}" for number in range(len(paths))])
        finally:
            os.setresuid(-1, 0, -1)
            os.setresgid(-1, 0, -1)
        self.interval = polling_interval(bao, mints_at, len(paths), mark, time.monotonic() - start)

    def read_for(self, seconds):
        """Readers are there before the change, as they are in use."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for path in self.paths:
                path.read_bytes()
            time.sleep(0.1)

    def once(self, bao, values):
        self.seen = {}
        watcher = threading.Thread(target=self.watch, args=([value.encode() for value in values],))
        watcher.start()
        changed = []
        for number, value in enumerate(values):
            setup.put2(bao, f"app/s{number}", k=value)
            changed.append(time.monotonic())
        watcher.join()
        missing = [number for number in range(len(values)) if number not in self.seen]
        if missing:
            raise AssertionError(f"{self.paths[missing[0]]} and {len(missing) - 1} more did not show a change within 30 s")
        self.times += [max(self.seen[number] - when, 0.0) for number, when in enumerate(changed)]

    def watch(self, values):
        end = time.monotonic() + 30
        while len(self.seen) < len(values) and time.monotonic() < end:
            for number, path in enumerate(self.paths):
                if number not in self.seen:
                    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
                        if file.read() == values[number]:
                            self.seen[number] = time.monotonic()
            time.sleep(0.002)


def polling_interval(bao, mints_at, secrets, since, seconds):
    """Seconds between two reads of one secret by whoever minted last at that path."""
    minted = [record for record in bao.audit.responses() if record["request"]["path"] == mints_at][-1]
    reads = sum(1 for record in bao.audit.responses(since) if record["request"]["path"].startswith("kv2/data/app/")
                and record["auth"]["accessor"] == minted["auth"]["accessor"])
    return seconds * secrets / reads


def compare_changes(seen):
    """By side, a Changes for each round."""
    medians, intervals = {}, {}
    for side, rounds in seen.items():
        times = [took for changes in rounds for took in changes.times]
        each = [statistics.median(changes.times) for changes in rounds]
        medians[side], intervals[side] = statistics.median(times), statistics.mean(changes.interval for changes in rounds)
        report(f"  each secret is read from the server by {side} every", f"{intervals[side]:.3f}", unit=" s")
        report(f"  from {len(times)} changes to new bytes, {side}: median ({min(each):.3f} to {max(each):.3f} by round, longest {max(times):.2f})",
               f"{medians[side]:.3f}", unit=" s")
    ratio = medians["leasefs"] / medians["the agent"]
    report("  the one by the other", f"{ratio:.2f}", "<= 1", ratio <= 1)
    rarer = intervals["leasefs"] / intervals["the agent"]
    report("  leasefs asks no more often: its interval by the agent's", f"{rarer:.3f}", ">= 1", rarer >= 1)


def files_with(mark, root, without=()):
    """Regular files below root that contain the bytes; what is mounted there is left out."""
    result = subprocess.run(["find", root, *(word for path in without for word in ("-path", path, "-prune", "-o")), "-xdev", "-type", "f", "-print0"],
                            capture_output=True, check=True)
    return sum(1 for name in result.stdout.split(b"\0") if name and mark.encode() in pathlib.Path(os.fsdecode(name)).read_bytes())


def compare_disk(daemon, agent):
    ours = files_with(MARK, daemon.dir, [daemon.mount])
    report("  files with plaintext in leasefs' directories", ours, "0", ours == 0, floor=ours == 0)
    password = read_as(ALICE, daemon.mount / "db/password").decode()
    ours = files_with(password, daemon.dir, [daemon.mount])
    report("  files with the database's password there", ours, "0", ours == 0, floor=ours == 0)
    report("  files with plaintext in the agent's", files_with(MARK, agent.out) + (agent.out / "db").exists())


def compare_kills(bao, daemon, agent, names, ours, theirs):
    mark = bao.audit.mark()
    for role in ("fs", daemon.backend_role()):
        daemon.wait_new_child(role, daemon.kill_child(role))
        read_all(daemon, names)
    mints, logins = bao.audit.mints(ours, mark), bao.audit.logins(mark)
    report("  kill -9 of fs and of the backend: mints", mints, "0", mints == 0, floor=mints == 0)
    report("  kill -9 of fs and of the backend: logins", logins, "0", logins == 0, floor=logins == 0)
    mark = bao.audit.mark()
    agent.kill()
    agent.start()
    wait_for("the agent has a new credential", lambda: bao.audit.mints(theirs, mark) > 0, 60)
    report("  kill -9 of the agent and its start: mints", bao.audit.mints(theirs, mark))
    report("  kill -9 of the agent and its start: logins", bao.audit.logins(mark))
    mark = bao.audit.mark()
    daemon.kill_all()
    with on(CLIENT_CPU):
        daemon.start()
    read_all(daemon, names)
    report("  all of leasefs killed at once, the keeper too, and its start: mints", bao.audit.mints(ours, mark))


# Opens while leases rotate.


def bench_rotation(leases, rounds, seconds):
    print(f"\nopens per second of {leases} credentials whose leases of 2 s rotate, beside as many that stay, with the same load from a plain client")
    rotating, still, rates = [], [], []
    for _ in range(rounds):
        cycles, rate = opens_while_rotating(leases, seconds)
        rotating.append(cycles)
        rates.append(rate)
        still.append(opens_beside_plain_load(leases, seconds, rate))
    ratio = statistics.median(rotating) / statistics.median(still)
    report("  opens per second, rotating", f"{statistics.median(rotating):.0f}")
    report(f"  opens per second beside a plain client with {statistics.median(rates):.0f} requests/s", f"{statistics.median(still):.0f}")
    report("  the one by the other", f"{ratio:.3f}", ">= 0.9", ratio >= 0.9)


def lease_trees(leases):
    return [tree(f"r{number}", f"database/creds/r{number}", engine="dynamic", keys=["username", "password"], mint_interval="1s")
            for number in range(leases)]


def lease_files(daemon, leases):
    return [str(daemon.mount / f"r{number}/username") for number in range(leases)]


def opens_per_second(paths, seconds):
    with on(CLIENT_CPU):
        result = subprocess.run([BUILD / "bench_open_client", "1", str(seconds), str(CLIENT_CPU), *paths], user=ALICE, group=ALICE, extra_groups=[],
                                capture_output=True, text=True, check=False, timeout=seconds + 60)
    if result.returncode != 0:
        raise AssertionError(f"the client failed: {result.returncode} {result.stderr}")
    return 1e6 / float(result.stdout)


def opens_while_rotating(leases, seconds):
    """(opens per second, requests per second that the server had)"""
    with Place() as place, Scripted(place, lease_seconds=2) as server, serving(server, lease_trees(leases), server.auth) as daemon:
        paths = lease_files(daemon, leases)
        opens_per_second(paths, 1)
        before, start = server.counts(), time.monotonic()
        cycles = opens_per_second(paths, seconds)
        after, took = server.counts(), time.monotonic() - start
        least = leases * int(seconds / 2)
        if after["mints"] - before["mints"] < least:
            raise AssertionError(f"{after['mints'] - before['mints']} mints where leases of 2 s need {least}: they did not rotate")
        return cycles, (sum(after.values()) - sum(before.values())) / took


def opens_beside_plain_load(leases, seconds, rate):
    with Place() as place, Scripted(place) as server, serving(server, lease_trees(leases), server.auth) as daemon:
        paths = lease_files(daemon, leases)
        opens_per_second(paths, 1)
        url = f"{server.address}/v1/database/creds/r{{}}"
        load = threading.Thread(target=client, args=(server, TOKEN, "load", url, rate, seconds + 1, leases))
        before = server.counts()["mints"]
        load.start()
        cycles = opens_per_second(paths, seconds)
        load.join()
        if server.counts()["mints"] - before < rate * seconds * 0.9:
            raise AssertionError("the plain client did not make its load")
        return cycles


# Counts.


def bench_counts(secrets):
    print(f"\nwhat {secrets} KV secrets and a database credential in use cost the server: requests")
    with Place() as place, Scripted(place, secrets=secrets) as server:
        auth = {"method": "approle", "role_id": "bench", "secret_id": at(place.file("secret-id", "secret-id-of-the-benchmark"))}
        with serving(server, [tree("kv", "kv", ttl="1h"), tree("db", "database/creds/app")], auth) as daemon:
            counts_of(server, daemon, secrets)


def counts_of(server, daemon, secrets):
    names = [f"kv/s{number}/k" for number in range(secrets)] + ["db/username", "db/password"]
    told = {}  # what the server had counted

    def cost(what, act):
        act()
        now = server.counts()
        new = {kind: count - told.get(kind, 0) for kind, count in now.items()}
        told.update(now)
        report(f"  {what}", f"{sum(new.values())}")
        for kind, count in new.items():
            report(f"    {kind}", count)
        return new

    first = cost("from the start until each was read", lambda: read_all(daemon, names))
    one = (first["reads"], first["mints"], first["logins"]) == (secrets, 1, 1)
    # A lookup whose open comes late on a busy machine is asked for twice.
    report("  one request for each secret, one mint, one login", "yes" if one else str(first), "yes", one,
           floor=first["mints"] == first["logins"] == 1 and secrets <= first["reads"] <= secrets * 1.1)
    again = cost("each read again", lambda: read_all(daemon, names))

    def kill():
        for role in ("fs", daemon.backend_role()):
            daemon.wait_new_child(role, daemon.kill_child(role))
            read_all(daemon, names)
    killed = cost("fs and the backend killed, each read again after each", kill)
    nothing = [new["reads"] + new["mints"] + new["logins"] for new in (again, killed)] == [0, 0]
    report("  neither costs a read, a mint or a login", "yes" if nothing else f"{again} {killed}", "yes", nothing, floor=nothing)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=["cold", "agent", "rotation", "counts"])
    options = parser.parse_args()
    bench.QUICK = quick = options.quick
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("the comparison needs two cores: one for the server, one for its clients")
    parts = {
        "cold": lambda: bench_cold(50 if quick else 200, 1 if quick else 9),
        "agent": lambda: bench_agent(10 if quick else 100, 2 if quick else 10, 1 if quick else 3),
        "rotation": lambda: bench_rotation(100, 1 if quick else 5, 3 if quick else 6),
        "counts": lambda: bench_counts(200 if quick else 10000),
    }
    for name, part in parts.items():
        if options.only in (None, name):
            part()
    if bench.broken:
        sys.exit("missed: " + ", ".join(bench.broken))


if __name__ == "__main__":
    main()
