"""Finding a secret, in every form in which it could leak, in the memory and the memfds of a process."""

import array
import base64
import binascii
import json
import os
import pathlib
import signal
import time
import urllib.parse

from harness import wait_for

CHUNK = 1 << 20
OVERLAP = 512
SWAPPABLE = ", which may be swapped"


def forms(canary):
    """{name: bytes} of all encodings that are looked for. base64 at its three offsets, without the parts that neighbours change."""
    found = {"raw": canary, "hex": binascii.hexlify(canary), "HEX": binascii.hexlify(canary).upper(),
             "percent": urllib.parse.quote_from_bytes(canary, safe="").encode(), "json": json.dumps(canary.decode("latin-1"))[1:-1].encode()}
    for offset in range(3):
        for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            text = encode(b"\0" * offset + canary + b"\0" * ((-len(canary) - offset) % 3))
            found[f"{name}+{offset}"] = text[4 if offset else 0:-4]
    return found


def hits_in(data, looked_for):
    return {name for name, form in looked_for.items() if form in data}


def chunks(read, begin, end):
    """The bytes of [begin, end) piece by piece, each with the end of the one before; without those that are all zero."""
    tail, at = b"", begin
    while at < end:
        data = read(at, min(CHUNK, end - at))
        if not data:
            break
        if data.count(0) != len(data):
            yield tail + data
        tail, at = data[-OVERLAP:], at + len(data)


def touched(pid, begin, end):
    """The runs of pages in [begin, end) that are in memory or swapped: the rest was never written."""
    page = os.sysconf("SC_PAGESIZE")
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap:
        entries = array.array("Q", os.pread(pagemap.fileno(), (end - begin) // page * 8, begin // page * 8))
    run = None
    for number, entry in enumerate(entries):
        here = entry >> 62 != 0
        if here and run is None:
            run = number
        if not here and run is not None:
            yield begin + run * page, begin + number * page
            run = None
    if run is not None:
        yield begin + run * page, end


def writable(pid):
    """(name, begin, end) of the writable maps of a process; the name says which ones are not locked."""
    header, found = None, []
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as file:
        for line in file:
            words = line.split(None, 5)
            if not words[0].endswith(":"):
                header = words
            elif words[0] == "VmFlags:" and "w" in header[1]:
                name = header[5].strip() if len(header) > 5 else "anonymous"
                begin, end = (int(part, 16) for part in header[0].split("-"))
                found.append((f"{name} of {pid}" + ("" if "lo" in line.split() else SWAPPABLE), begin, end))
    return [entry for entry in found if not entry[0].startswith(("/memfd:", "/dev/", "[vv"))]


def read_private(pid):
    """(where, bytes) of the writable maps of a process, but for its memfds."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        def read(at, size):
            try:
                return os.pread(memory.fileno(), size, at)
            except OSError:
                return b""

        for name, begin, end in writable(pid):
            for first, last in touched(pid, begin, end):
                for data in chunks(read, first, last):
                    yield name, data


def read_memfds(pid):
    """(where, bytes) of the memfds that a process has open, mapped or not."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            link = os.readlink(f"/proc/{pid}/fd/{fd}")
            if not link.startswith("/memfd:"):
                continue
            memfd = open(f"/proc/{pid}/fd/{fd}", "rb", buffering=0)
        except FileNotFoundError:  # closed meanwhile
            continue
        with memfd:
            size, at = os.fstat(memfd.fileno()).st_size, 0
            while at < size:
                try:
                    at = os.lseek(memfd.fileno(), at, os.SEEK_DATA)
                except OSError:
                    break
                hole = os.lseek(memfd.fileno(), at, os.SEEK_HOLE)
                for data in chunks(lambda where, count: os.pread(memfd.fileno(), count, where), at, hole):
                    yield link, data
                at = hole


def scan_process(pid, looked_for):
    """Writable maps and memfds of one process; {(where, form)}."""
    found = set()
    for read in (read_private, read_memfds):
        for where, data in read(pid):
            found |= {(where, form) for form in hits_in(data, looked_for)}
    return found


def seen_while_it_runs(pid, looked_for, steps=400, step=0.001):
    """Lets a process run for moments, stopped in between, until the scan sees what it works with. Leaves it running."""
    try:
        for _ in range(steps):
            os.kill(pid, signal.SIGSTOP)
            wait_for("it is stopped", lambda: pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "TtZ")
            found = scan_process(pid, looked_for)
            if found:
                return found
            os.kill(pid, signal.SIGCONT)
            time.sleep(step)
    finally:
        os.kill(pid, signal.SIGCONT)
    return set()
