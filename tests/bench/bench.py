#!/usr/bin/env python3
"""What leasefs costs, beside the least that could be done: both sides in one run, pinned alike, alternating; ratios are printed.

  tests/bench/bench.py [--quick] [--rounds N] [--only open|scale|put|memory]

The server has core 0, the clients core 1. Each figure is the median of N rounds (at least 5), in which the sides take turns. --quick
does everything once and briefly: it shows that the benchmark works. Exit status 1: a goal was missed; with --quick, a floor far below it.
"""

import argparse
import contextlib
import os
import pathlib
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
import harness
from harness import ALICE, BUILD, Daemon, read_as, wait_for

SERVER_CPU, CLIENT_CPU = 0, 1
VALUE = b"x" * 100


def pin(pid, cpu):
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), {cpu})


class Leasefs:
    """A daemon with audit file and rules, all of its processes on the server's core."""

    name = "leasefs"

    def __init__(self, secrets, trees=None):
        self.daemon = Daemon(**({"trees": trees} if trees else {}))
        self.secrets = secrets

    def __enter__(self):
        os.sched_setaffinity(0, {SERVER_CPU})  # inherited: the daemon sees one core and sizes itself for it
        try:
            self.daemon.init().start()
        finally:
            os.sched_setaffinity(0, {SERVER_CPU, CLIENT_CPU})
        fill(self.daemon, self.secrets)
        return self

    def paths(self, count):
        return [str(self.daemon.mount / f"web/s{number}/k") for number in range(count)]

    def __exit__(self, *error):
        self.daemon.close()


def fill(daemon, secrets):
    """web/s0 … with one key of 100 bytes each, by import."""
    source = daemon.dir / "import.json"
    with open(source, "w", encoding="ascii") as file:
        file.write("{" + ",".join(f'"web/s{number}":{{"k":"{VALUE.decode()}"}}' for number in range(secrets)) + "}")
    daemon.cli("import", source, timeout=600)
    source.unlink()


class Plain:
    """A bare low-level libfuse server."""

    def __init__(self, mode):
        self.name = mode
        self.mode = mode

    def __enter__(self):
        self.mount = tempfile.mkdtemp(prefix="leasefs-bench-")
        self.process = subprocess.Popen(["taskset", "-c", str(SERVER_CPU), BUILD / "bench_plain_server", self.mount, "1000000",
                                         str(len(VALUE)), self.mode])
        wait_for("the plain server is mounted", lambda: os.path.ismount(self.mount))
        return self

    def paths(self, count):
        return [f"{self.mount}/s{number}" for number in range(count)]

    def __exit__(self, *error):
        self.process.terminate()
        self.process.wait()
        subprocess.run(["umount", "-l", self.mount], capture_output=True, check=False)
        os.rmdir(self.mount)


class Tmpfs(Plain):
    def __init__(self):
        self.name = "tmpfs"

    def __enter__(self):
        self.mount = tempfile.mkdtemp(prefix="leasefs-bench-", dir="/dev/shm")
        os.chmod(self.mount, 0o755)
        for path in self.paths(10):
            pathlib.Path(path).write_bytes(VALUE)
        return self

    def __exit__(self, *error):
        for path in self.paths(10):
            os.unlink(path)
        os.rmdir(self.mount)


def cycle_us(side, clients, seconds, files=10):
    result = subprocess.run([BUILD / "bench_open_client", str(clients), str(seconds), str(CLIENT_CPU), *side.paths(files)], user=ALICE,
                            group=ALICE, extra_groups=[], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise AssertionError(f"the client failed on {side.name}: {result.returncode} {result.stderr}")
    return float(result.stdout)


def compare(sides, clients, rounds, seconds):
    """Median microseconds per cycle of each side, the sides taking turns."""
    figures = {side.name: [] for side in sides}
    for side in sides:
        cycle_us(side, clients, seconds / 4)  # warm
    for _ in range(rounds):
        for side in sides:
            figures[side.name].append(cycle_us(side, clients, seconds))
    return {name: statistics.median(values) for name, values in figures.items()}


QUICK = False
broken = []  # what ends the run with exit status 1: a goal missed, with --quick a floor


def report(what, value, goal=None, met=None, unit="", floor=None):
    """One line. `floor`: whether the figure is at least such as a run of a second on a busy machine must show."""
    if met is False and not QUICK or floor is False:
        broken.append(what.strip())
    verdict = "" if goal is None else f"   goal {goal}: {'met' if met else 'MISSED'}"
    print(f"{what:64} {value:>10}{unit}{verdict}", flush=True)


def bench_open(rounds, seconds):
    print("\nopen + fstat + read to the end + close, 100 bytes, policy and audit file on; server on one core, clients on the other")
    with Leasefs(10) as leasefs, Plain("cached") as cached, Plain("direct") as direct, Tmpfs() as tmpfs:
        for clients, goal in ((1, 0.95), (8, 0.8)):
            median = compare([leasefs, cached, direct, tmpfs], clients, rounds, seconds)
            for name, value in median.items():
                report(f"  {clients} client(s), {name}", f"{value:.2f}", unit=" us")
            ratio = median["cached"] / median["leasefs"]
            report(f"  {clients} client(s): throughput against the bare cached server", f"{ratio:.3f}", f">= {goal}", ratio >= goal,
                   floor=ratio >= goal / 2)
            against_direct = median["direct"] / median["leasefs"]
            if clients == 1:
                report("  1 client: throughput against the bare direct_io server", f"{against_direct:.2f}", ">= 2", against_direct >= 2,
                       floor=against_direct >= 1)


def bench_scale(rounds, seconds, sizes=(10, 1000, 100000)):
    print("\nthe same with 10, 1,000 and 100,000 secrets in the store; 10 of them are opened")
    with contextlib.ExitStack() as stack:
        sides = [stack.enter_context(Leasefs(size)) for size in sizes]
        for side in sides:
            side.name = f"{side.secrets} secrets"
        medians = compare(sides, 1, rounds, seconds)
    for name, value in medians.items():
        report(f"  {name}", f"{value:.2f}", unit=" us")
    spread = max(medians.values()) / min(medians.values()) - 1
    report("  spread", f"{spread * 100:.1f}", "flat within 10 %", spread <= 0.10, " %", floor=spread <= 1)


def bench_put(rounds):
    print("\nput: from the request on the control socket to the first open with new bytes")
    with Leasefs(1) as leasefs:
        daemon = leasefs.daemon
        path = str(daemon.mount / "web/s0/k")
        os.sched_setaffinity(0, {SERVER_CPU, CLIENT_CPU})
        times, starts = [], []
        for number in range(max(rounds * 4, 20)):
            value = b"%0100d" % number
            frame = put_frame("web/s0", "k", value)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(daemon.run / "store-local.sock"))
                start = time.perf_counter()
                client.sendall(frame)
                client.recv(65536)
                elapsed = open_until(path, value, start)
            times.append(elapsed)
            start = time.perf_counter()
            daemon.cli("version")
            starts.append(time.perf_counter() - start)
        median = statistics.median(times) * 1000
        report("  median", f"{median:.2f}", "< 5 ms", median < 5, " ms", floor=median < 100)
        report("  the command line's own start, beside it", f"{statistics.median(starts) * 1000:.2f}", unit=" ms")


def open_until(path, value, start):
    """Seconds from `start` until an open by ALICE shows `value`. This thread opens as her."""
    os.setresgid(-1, ALICE, -1)
    os.setresuid(-1, ALICE, -1)
    try:
        while True:
            with open(path, "rb") as file:
                if file.read() == value:
                    return time.perf_counter() - start
            if time.perf_counter() - start > 5:
                raise AssertionError("the new bytes did not appear within 5 s")
    finally:
        os.setresuid(-1, 0, -1)
        os.setresgid(-1, 0, -1)


def put_frame(secret, key, value):
    """A put as the command line sends it (backend/store/admin_wire.h)."""

    def text(data):
        return struct.pack("<I", len(data)) + data

    put = text(secret.encode()) + b"\x01" + struct.pack("<I", 1) + text(key.encode()) + b"\x00" + text(value) + b"\x00"
    request = b"\x00" + text(secret.encode()) + struct.pack("<I", 0) + struct.pack("<Q", 0) + b"\x00" + struct.pack("<I", 1) + put
    request += b"\x00" + text(b"")
    return struct.pack("<IHH", len(request), 1, 0) + request


def pss_kib(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            total += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total


def bench_memory(secrets=10000):
    print("\nmemory: PSS of all processes together")
    with Leasefs(1) as leasefs:
        daemon = leasefs.daemon
        pids = [daemon.process.pid, *daemon.children().values()]
        empty = pss_kib(pids) / 1024
        report("  empty", f"{empty:.1f}", "< 20 MB", empty < 19, " MiB", floor=empty < 19)
        for pid in pids:
            report(f"    {pathlib.Path(f'/proc/{pid}/cmdline').read_text().replace(chr(0), ' ')[-40:]}", f"{pss_kib([pid]) / 1024:.1f}",
                   unit=" MiB")
        fill(daemon, secrets)
        harness.as_user(ALICE, lambda: [open(path, "rb").read() and 0 for path in leasefs.paths(secrets)] and 0)
        full = pss_kib(pids) / 1024
        report("  per 1,000 secrets of 100 bytes, all read", f"{(full - empty) * 1024 / secrets * 1000 / 1024:.2f}", unit=" MiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["open", "scale", "put", "memory"])
    options = parser.parse_args()
    global QUICK
    QUICK = options.quick
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("the comparison needs two cores: one for the server, one for the clients")
    rounds, seconds = (1, 0.5) if options.quick else (max(5, options.rounds), 2.0)
    chosen = [options.only] if options.only else ["open", "scale", "put", "memory"]
    if "open" in chosen:
        bench_open(rounds, seconds)
    if "scale" in chosen:
        bench_scale(rounds, seconds, (10, 1000) if options.quick else (10, 1000, 100000))
    if "put" in chosen:
        bench_put(rounds)
    if "memory" in chosen:
        bench_memory(1000 if options.quick else 10000)
    if broken:
        sys.exit("missed: " + ", ".join(broken))


if __name__ == "__main__":
    main()
