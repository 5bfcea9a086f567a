#!/usr/bin/env python3
"""S1 to S4, S6: what a file on the mount is to programs that know nothing of it."""

import concurrent.futures
import errno
import fcntl
import mmap
import os
import random
import stat
import subprocess
import unittest

import harness
from harness import ALICE, BOB, MIB, DaemonTest, as_user, errno_as, read_as

VALUES = {
    "text": b"correct horse\nbattery staple\n",
    "no-newline": b"no newline at the end",
    "binary": bytes(range(256)) * 33 + b"\0",
    "empty": b"",
    "large": random.Random(1).randbytes(MIB),
}


def run_as(uid, *command, input=None):
    result = subprocess.run(command, user=uid, group=uid, extra_groups=[], input=input, capture_output=True, check=False)
    if result.returncode != 0:
        raise AssertionError(f"{command}: exit {result.returncode}: {result.stderr.decode(errors='replace')}")
    return result.stdout


class Bytes(DaemonTest):
    def setUp(self):
        super().setUp()
        self.daemon.put("web/v", **VALUES)

    def file(self, name):
        return self.path(f"web/v/{name}")

    def test_s1_s2_every_way_of_reading_gives_the_same_bytes(self):
        for name, value in VALUES.items():
            with self.subTest(name):
                file = self.file(name)
                self.assertEqual(run_as(ALICE, "cat", file), value)
                for block in ("1", "7", "513", "65537") if len(value) < MIB else ("4097", "65537"):
                    self.assertEqual(run_as(ALICE, "dd", f"if={file}", f"bs={block}", "status=none"), value)
                self.assertEqual(run_as(ALICE, "tail", "-c", "5", file), value[-5:] if value else b"")
                self.assertEqual(run_as(ALICE, "python3", "-c", "import sys; sys.stdout.buffer.write(open(sys.argv[1],'rb').read())", file),
                                 value)
                self.assertEqual(run_as(ALICE, "sh", "-c", 'd=$(mktemp -d) && cp "$1" $d/copy && cat $d/copy && rm -r $d', "sh", file), value)

    def test_s2_size_seek_mmap_and_sendfile(self):
        for name, value in VALUES.items():
            with self.subTest(name):
                self.assertTrue(as_user(ALICE, lambda: self.probe(self.file(name), value)))

    @staticmethod
    def probe(path, value):
        size = os.stat(path).st_size
        assert size == len(value), f"stat says {size}, not {len(value)}"
        fd = os.open(path, os.O_RDONLY)
        assert os.fstat(fd).st_size == len(value)
        assert os.lseek(fd, 0, os.SEEK_END) == len(value)
        assert os.pread(fd, 100, 3) == value[3:103]
        assert os.pread(fd, 100, len(value)) == b""
        os.lseek(fd, 0, os.SEEK_SET)
        if value:
            for flags in (mmap.MAP_PRIVATE, mmap.MAP_SHARED):
                with mmap.mmap(fd, 0, flags=flags, prot=mmap.PROT_READ) as view:
                    assert view[:] == value, "mmap"
        out = os.memfd_create("out")
        sent = 0
        while sent < len(value):
            count = os.sendfile(out, fd, sent, len(value) - sent)
            assert count > 0, f"sendfile stopped at {sent} of {len(value)}"
            sent += count
        assert os.pread(out, len(value) + 1, 0) == value, "sendfile"
        return True

    def test_s2_a_value_over_the_limit_is_efbig_never_truncated(self):
        big = b"x" * (MIB + 1)
        refused = self.daemon.cli("put", "web/big", "k=-", input=big, check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn(b"limit", refused.stderr)
        self.daemon.stop()
        self.daemon.write_config(extra='[limits]\nvalue = "2MiB"\n')
        self.daemon.start()
        self.daemon.cli("put", "web/big", "k=-", input=big)
        self.assertEqual(read_as(ALICE, self.path("web/big/k")), big)
        self.daemon.stop()
        self.daemon.write_config(extra="")
        self.daemon.start()
        self.assertEqual(errno_as(ALICE, self.path("web/big/k")), errno.EFBIG)
        self.assertEqual(read_as(ALICE, self.file("large")), VALUES["large"])

    def test_s6_the_size_is_true_before_the_first_open_for_who_may_open(self):
        java = self.daemon.dir / "Length.java"
        java.write_text("class Length { public static void main(String[] a) { System.out.println(new java.io.File(a[0]).length()); } }")
        tools = {"stat": ["stat", "-c", "%s", "FILE"], "find": ["find", "FILE", "-printf", "%s\n"], "java": ["java", str(java), "FILE"]}
        for name, command in tools.items():
            with self.subTest(name):
                self.daemon.put(f"web/{name}", k=b"twelve bytes")
                file = self.path(f"web/{name}/k")
                self.assertEqual(run_as(ALICE, *(file if word == "FILE" else word for word in command)), b"12\n")
        self.daemon.put("web/t", k=b"x")
        run_as(ALICE, "test", "-s", self.path("web/t/k"))
        self.daemon.put("web/r", k=b"rsync me")
        self.assertEqual(run_as(ALICE, "sh", "-c", 'd=$(mktemp -d) && rsync "$1" $d/ && cat $d/k && rm -r $d', "sh", self.path("web/r/k")),
                         b"rsync me")
        self.daemon.put("web/o", k=b"not for bob")
        self.assertEqual(as_user(BOB, lambda: os.stat(self.path("web/o/k")).st_size), 0)


    def test_s2_s6_stat_shows_the_size_of_a_change_without_an_open(self):
        file = self.path("web/v/text")
        for number in range(20):
            self.daemon.put("web/v", text=b"short")
            self.assertEqual(read_as(ALICE, file), b"short")
            longer = b"longer than it was before " * (number + 1)
            self.daemon.put("web/v", text=longer)
            self.assertEqual(as_user(ALICE, lambda: os.stat(file).st_size), len(longer))
            self.assertEqual(as_user(ALICE, lambda: os.stat(file).st_size), len(longer))
            self.assertEqual(run_as(ALICE, "sh", "-c", 'head -c "$(stat -c %s "$1")" "$1"', "sh", file), longer)

    def test_s8_an_open_descriptor_keeps_its_size_and_can_be_mapped_also_after_rm(self):
        file = self.path("web/v/text")

        def child():
            fd = os.open(file, os.O_RDONLY)
            os.write(opened, b"x")
            os.read(go_on, 1)
            assert os.fstat(fd).st_size == len(VALUES["text"]), os.fstat(fd).st_size
            assert os.lseek(fd, 0, os.SEEK_END) == len(VALUES["text"])
            with mmap.mmap(fd, 0, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ) as view:
                return view[:] == VALUES["text"]

        for change in ("put", "rm"):
            with self.subTest(change):
                (ready, opened), (go_on, tell) = os.pipe(), os.pipe()
                with concurrent.futures.ThreadPoolExecutor() as pool:
                    reader = pool.submit(as_user, ALICE, child)
                    os.read(ready, 1)
                    if change == "put":
                        self.daemon.put("web/v", text=b"another and longer value" * 3)
                        self.assertEqual(read_as(ALICE, file), b"another and longer value" * 3)
                        self.assertEqual(as_user(ALICE, lambda: os.stat(file).st_size), 72)
                    else:
                        self.daemon.cli("rm", "--yes", "web/v")
                        self.assertEqual(errno_as(ALICE, file), errno.ENOENT)
                    os.write(tell, b"x")
                    self.assertTrue(reader.result(20))
                for fd in (ready, opened, go_on, tell):
                    os.close(fd)
                self.daemon.put("web/v", **VALUES)

    def test_s25_a_limit_that_is_raised_or_lowered_holds_for_what_is_held(self):
        self.daemon.stop()
        self.daemon.write_config(extra='[limits]\nvalue = "2MiB"\n')
        self.daemon.start()
        big = b"y" * (MIB + 1)
        self.daemon.cli("put", "web/big", "k=-", input=big)
        file = self.path("web/big/k")
        self.assertEqual(read_as(ALICE, file), big)
        for limit, expected in (("1MiB", errno.EFBIG), ("2MiB", 0), ("1MiB", errno.EFBIG)):
            self.daemon.write_config(extra=f'[limits]\nvalue = "{limit}"\n')
            self.assertEqual(self.daemon.reload().returncode, 0)
            harness.wait_for(f"the limit {limit}", lambda expected=expected: errno_as(ALICE, file) == expected)


class Changes(DaemonTest):
    def test_s3_every_attempt_to_change_is_erofs(self):
        self.daemon.put("web/v", k=b"value")
        file, folder = self.path("web/v/k"), self.path("web/v")
        mount = ctypes_calls()
        attempts = {
            "write": lambda: os.open(file, os.O_WRONLY),
            "read-write": lambda: os.open(file, os.O_RDWR),
            "append": lambda: os.open(file, os.O_WRONLY | os.O_APPEND),
            "truncate at open": lambda: os.open(file, os.O_RDONLY | os.O_TRUNC),
            "create": lambda: os.open(folder + "/new", os.O_CREAT | os.O_WRONLY),
            "exclusive create": lambda: os.open(folder + "/new", os.O_CREAT | os.O_EXCL | os.O_RDONLY),
            "truncate": lambda: os.truncate(file, 0),
            "unlink": lambda: os.unlink(file),
            "rename": lambda: os.rename(file, folder + "/other"),
            "mkdir": lambda: os.mkdir(folder + "/d"),
            "rmdir": lambda: os.rmdir(folder),
            "symlink": lambda: os.symlink("x", folder + "/s"),
            "link": lambda: os.link(file, folder + "/l"),
            "mknod": lambda: os.mknod(folder + "/n", 0o600 | stat.S_IFIFO),
            "chmod": lambda: os.chmod(file, 0o777),
            "chown": lambda: os.chown(file, 0, 0),
            "utime": lambda: os.utime(file, (0, 0)),
            "setxattr": lambda: os.setxattr(file, "user.x", b"y"),
            "removexattr": lambda: os.removexattr(file, "user.leasefs.status"),
            "exchange": mount,
            "O_TMPFILE": lambda: os.open(folder, os.O_TMPFILE | os.O_WRONLY),
        }
        for uid in (ALICE, 0):
            for name, attempt in attempts.items():
                with self.subTest(f"{name} by {uid}"):
                    with self.assertRaises(OSError) as caught:
                        as_user(uid, lambda attempt=attempt: attempt(file) if attempt is mount else attempt())
                    self.assertEqual(errno.errorcode[caught.exception.errno], "EROFS")
        self.assertEqual(read_as(ALICE, file), b"value")

    def test_s3_the_mount_is_read_only_nosuid_nodev_noexec(self):
        flags = os.statvfs(self.daemon.mount).f_flag
        for flag in (os.ST_RDONLY, os.ST_NOSUID, os.ST_NODEV, os.ST_NOEXEC):
            self.assertTrue(flags & flag)

    def test_nothing_of_a_file_can_be_locked_for_writing_or_executed(self):
        self.daemon.put("web/v", k=b"#!/bin/sh\necho executed\n")
        file = self.path("web/v/k")
        with self.assertRaises(OSError) as caught:
            as_user(ALICE, lambda: os.execv(file, [file]))
        self.assertEqual(caught.exception.errno, errno.EACCES)

        def shared_lock():
            fd = os.open(file, os.O_RDONLY)
            fcntl.flock(fd, fcntl.LOCK_SH)
            return True

        self.assertTrue(as_user(ALICE, shared_lock))


def ctypes_calls():
    def exchange(file):
        result = harness._libc.syscall(316, -100, file.encode(), -100, (file + "x").encode(), 2)
        if result != 0:
            code = harness.ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    return exchange


class Attributes(DaemonTest):
    def test_extended_attributes_say_status_version_and_end(self):
        self.daemon.put("web/v", k=b"one")
        file = self.path("web/v/k")
        self.assertEqual(sorted(os.listxattr(file)),
                         ["user.leasefs.expires", "user.leasefs.kind", "user.leasefs.status", "user.leasefs.version"])
        self.assertEqual(os.getxattr(file, "user.leasefs.status"), b"not read yet")
        self.assertEqual(read_as(ALICE, file), b"one")
        self.assertEqual(os.getxattr(file, "user.leasefs.status"), b"fresh")
        self.assertEqual(os.getxattr(file, "user.leasefs.version"), b"1")
        self.assertEqual(os.getxattr(file, "user.leasefs.expires"), b"never")
        with self.assertRaises(OSError) as caught:
            os.getxattr(file, "user.other")
        self.assertEqual(caught.exception.errno, errno.ENODATA)

    def test_access_is_answered_by_the_rules(self):
        self.daemon.put("web/v", k=b"one")
        file = self.path("web/v/k")
        self.assertTrue(as_user(ALICE, lambda: os.access(file, os.R_OK)))
        self.assertFalse(as_user(BOB, lambda: os.access(file, os.R_OK)))
        self.assertFalse(as_user(0, lambda: os.access(file, os.R_OK)))
        self.assertFalse(as_user(ALICE, lambda: os.access(file, os.W_OK)))
        self.assertTrue(as_user(BOB, lambda: os.access(file, os.F_OK)))


if __name__ == "__main__":
    harness.main()
