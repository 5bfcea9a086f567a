"""A bad network on one machine: packets to PEER come back, as if PEER had sent them to HERE, late, out of order, or not at all.

A server on HERE is reached by clients that connect to PEER; both directions pass the relay. Swapping the addresses of a packet leaves its
checksums right. What gets lost the kernel drops as it comes back from the relay (nftables, numgen). Works in the network namespace that it is
made in, which must be the test's own.
"""

import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time

HERE, PEER = "10.9.0.1", "10.9.0.2"


def enter_own_network():
    """Runs this program again in a network and mount namespace of its own, with loopback up; returns in the second one."""
    import sys
    if os.environ.get("LEASEFS_OWN_NETWORK") != str(os.getppid()):
        code = 'export LEASEFS_OWN_NETWORK=$$; "$@"; exit $?'
        os.execvp("unshare", ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", code, "sh", sys.executable, *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


class TunRelay:
    """delay, jitter: seconds; with jitter packets overtake each other. May be changed at any time, as may the loss."""

    DEVICE = "leasefs0"

    def __init__(self, delay=0.0, jitter=0.0, seed=1):
        self.delay, self.jitter = delay, jitter
        self.relayed = 0
        self._chance = random.Random(seed)
        self._nft("table inet leasefs { counter lost {} ; chain loss { type filter hook input priority 0; }; }")
        self._tun = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(self._tun, 0x400454CA, struct.pack("16sH22x", self.DEVICE.encode(), 0x1001))  # TUNSETIFF: IFF_TUN | IFF_NO_PI
        subprocess.run(["ip", "addr", "add", f"{HERE}/24", "dev", self.DEVICE], check=True)
        subprocess.run(["ip", "link", "set", self.DEVICE, "up"], check=True)
        self._stop_read, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @staticmethod
    def _nft(commands):
        return subprocess.run(["nft", "-f", "-"], input=commands, stdout=subprocess.PIPE, text=True, check=True).stdout

    def lose(self, percent):
        """So many of a hundred packets, drawn by the kernel for each of them."""
        drawn = f"numgen random mod 100 < {percent}" if percent < 100 else ""
        rule = f'add rule inet leasefs loss iifname "{self.DEVICE}" {drawn} counter name lost drop' if percent else ""
        self._nft(f"flush chain inet leasefs loss; {rule};")

    def lost(self):
        return int(self._nft("list counter inet leasefs lost").split("packets")[1].split()[0])

    def _run(self):
        waiting, number = [], 0
        while True:
            timeout = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
            ready, _, _ = select.select([self._tun, self._stop_read], [], [], timeout)
            if self._stop_read in ready:
                return
            if self._tun in ready:
                packet = os.read(self._tun, 65536)
                if packet[0] >> 4 == 4:
                    number += 1
                    due = time.monotonic() + self.delay + self._chance.random() * self.jitter
                    heapq.heappush(waiting, (due, number, packet[:12] + packet[16:20] + packet[12:16] + packet[20:]))
            while waiting and waiting[0][0] <= time.monotonic():
                os.write(self._tun, heapq.heappop(waiting)[2])
                self.relayed += 1

    def close(self):
        os.close(self._stop)
        self._thread.join()
        os.close(self._stop_read)
        os.close(self._tun)
        self._nft("delete table inet leasefs")
