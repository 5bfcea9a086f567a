#!/usr/bin/env python3
"""Forms, files that are made of secrets, and `leasefs run`, on a real mount and by those who read such files (S7)."""

import json
import os
import re
import shutil
import subprocess
import unittest

from harness import ALICE, BOB, Daemon, DaemonTest, errno_as, main, read_as
import errno

TREES = """
[[tree]]
path = "web"
source = "local:web"
forms = ["keys", "json", "env"]

[[file]]
path = "etc/pgpass"
template = "*:*:*:{{ db.user | pgpass }}:{{ db.password | pgpass }}\\n"
secrets = { db = "web/db" }

[[file]]
path = "etc/nginx.conf"
template_file = "TEMPLATE"
secrets = { db = "web/db", api = "web/api" }
"""
RULES = """
[[allow]]
path = "web/**"
user = [%d]
[[allow]]
path = "etc/*"
user = [%d]
""" % (ALICE, BOB)
TEMPLATE = 'events {}\nhttp { server { listen 127.0.0.1:1; location / { proxy_set_header Authorization "Basic {{ api.token | base64 }}"; } } }\n'


def systemd_lines(text):
    """EnvironmentFile= of systemd.exec(5), as far as it goes without quotes; anything else is refused, not guessed."""
    found = {}
    for line in text.split("\n"):
        if not line or line[0] in "#;":
            continue
        name, value = line.split("=", 1)
        if re.search(r"""["'\\]""", value) or value != value.strip(" \t\r"):
            raise AssertionError(f"systemd would change {value!r}")
        found[name] = value
    return found


def docker_lines(text):
    """docker run --env-file: the line as it is; see docker/cli, pkg/kvfile."""
    found = {}
    for line in text.split("\n"):
        line = line.lstrip()
        if line and not line.startswith("#"):
            name, value = line.split("=", 1)
            found[name] = value
    return found


class Forms(DaemonTest):
    def configure(self):
        daemon = Daemon(rules=RULES)
        template = daemon.dir / "nginx.tmpl"
        template.write_text(TEMPLATE)
        template.chmod(0o644)
        daemon.write_config(trees=TREES.replace("TEMPLATE", str(template)))
        return daemon

    def setUp(self):
        super().setUp()
        self.daemon.put("web/db", user=b"jo:e", password=rb"p\w:d")
        self.daemon.put("web/api", token=b"T0")

    def test_s7_json_is_an_object_of_all_keys(self):
        odd = "ä\"\\\n\0" + "".join(map(chr, [*range(0x7f, 0xa1), 0x2028, 0x2029, 0xfeff, 0xfffd, 0xfffe, 0xffff, 0x1f511]))
        self.daemon.put("web/x", a=odd.encode(), b=b"5")
        text = read_as(ALICE, self.path("web/x/.json"))
        self.assertEqual(json.loads(text), {"a": odd, "b": "5"})
        self.assertEqual(os.stat(self.path("web/x/.json")).st_size, len(text))
        self.assertEqual(os.getxattr(self.path("web/x/.json"), "user.leasefs.kind"), b"form")
        self.assertEqual(errno_as(BOB, self.path("web/x/.json")), errno.EACCES)
        self.daemon.put("web/x", a=b"\xff")
        self.assertEqual(errno_as(ALICE, self.path("web/x/.json")), errno.EREMOTEIO)
        self.assertIn(b"cannot express the key a", os.getxattr(self.path("web/x/.json"), "user.leasefs.status"))
        self.assertEqual(read_as(ALICE, self.path("web/x/a")), b"\xff")

    def test_s7_env_is_read_alike_by_sh_systemd_and_docker(self):
        values = {"A": "", "B_1": "x=@%+:,./-^!*?[]{}", "_c": "ä", "URL": "https://u:p@h:1/d?x=1%20y"}
        self.daemon.put("web/e", **{name: value.encode() for name, value in values.items()})
        text = read_as(ALICE, self.path("web/e/.env")).decode()
        self.assertEqual(systemd_lines(text), values)
        self.assertEqual(docker_lines(text), values)
        script = ". /dev/stdin; printf '%s\\n' " + " ".join(f'"${name}"' for name in values)
        for shell in ("sh", "bash"):
            out = subprocess.run([shell, "-c", script], input=text.encode(), capture_output=True, check=True, cwd="/").stdout
            self.assertEqual(out.decode().split("\n")[:-1], list(values.values()), shell)
        for bad in (b"a b", b"$x", b"'", b"#", b"~", b"\n"):
            self.daemon.put("web/e", A=bad)
            self.assertEqual(errno_as(ALICE, self.path("web/e/.env")), errno.EREMOTEIO, bad)

    def test_s7_s8_a_file_is_replaced_when_one_of_its_secrets_is(self):
        file = self.path("etc/nginx.conf")
        self.assertIn(b'"Basic VDA="', read_as(BOB, file))
        self.assertEqual(errno_as(BOB, self.path("web/api/token")), errno.EACCES)
        self.assertEqual(errno_as(ALICE, file), errno.EACCES)
        before = os.stat(file)
        self.daemon.put("web/db", user=b"other")  # which it does not show: equal bytes are no new version
        read_as(BOB, file)
        self.assertEqual(os.stat(file).st_ino, before.st_ino)
        for number in range(10):
            self.daemon.put("web/api", token=b"T" * (number + 4))
            text = read_as(BOB, file)
            self.assertEqual(os.stat(file).st_size, len(text))
            if number == 5:
                old = self.daemon.kill_child("fs")
                self.assertEqual(read_as(BOB, file), text)
                self.daemon.wait_new_child("fs", old)
                self.assertEqual(os.stat(file).st_size, len(text))
        self.assertNotEqual(os.stat(file).st_ino, before.st_ino)

    @unittest.skipUnless(shutil.which("nginx"), "no nginx")
    def test_s7_nginx_takes_a_file_as_its_configuration(self):
        config = self.daemon.dir / "outer.conf"
        config.write_bytes(read_as(BOB, self.path("etc/nginx.conf")))
        result = subprocess.run(["nginx", "-t", "-q", "-c", str(config), "-g", "error_log stderr; pid /dev/null;"], capture_output=True,
                                check=False)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_s7_psql_reads_a_pgpass(self):
        """libpq itself undoes the escapes: it finds the password for this user and sends it to a server that listens here."""
        psql = shutil.which("psql")
        if psql is None:
            self.skipTest("no psql")
        file = self.path("etc/pgpass")
        self.assertEqual(read_as(BOB, file), b"*:*:*:jo\\:e:p\\\\w\\:d\n")
        self.assertEqual(oct(os.stat(file).st_mode & 0o777), "0o400")  # what libpq insists on (S5)
        self.assertEqual(self.password_that_libpq_sends(psql, file), rb"p\w:d")

    def password_that_libpq_sends(self, psql, file):
        import socket
        import struct
        import threading
        received = []
        with socket.create_server(("127.0.0.1", 0)) as server:
            def answer():
                connection, _ = server.accept()
                with connection, connection.makefile("rb") as stream:
                    size, = struct.unpack("!I", stream.read(4))
                    stream.read(size - 4)                                # StartupMessage
                    connection.sendall(b"R" + struct.pack("!II", 8, 3))  # AuthenticationCleartextPassword
                    kind, size = struct.unpack("!cI", stream.read(5))
                    received.append((kind, stream.read(size - 4)))
            thread = threading.Thread(target=answer)
            thread.start()
            subprocess.run([psql, "-w", "-h", "127.0.0.1", "-p", str(server.getsockname()[1]), "-U", "jo:e", "-d", "db"], user=BOB,
                           extra_groups=[], env={"PGPASSFILE": file, "PGSSLMODE": "disable", "PGGSSENCMODE": "disable", "PATH": "/usr/bin:/bin"},
                           capture_output=True, check=False, timeout=20, cwd="/")
            thread.join(20)
        (kind, text), = received
        self.assertEqual(kind, b"p")
        return text.rstrip(b"\0")

    def run_with(self, *arguments, uid=ALICE):
        return self.daemon.cli("run", *arguments, uid=uid, check=False)

    def test_s7_run_puts_keys_into_the_environment(self):
        os.chmod(self.daemon.config, 0o644)
        self.daemon.put("web/r", TOKEN=b" a'b$\n\xff", empty=b"")
        out = self.run_with("--env-from", "web/r", "--env-from", self.path("web/db"), "--", "env", "-0")
        self.assertEqual(out.returncode, 0, out.stderr)
        lines = out.stdout.split(b"\0")
        for line in (b"TOKEN= a'b$\n\xff", b"empty=", b"user=jo:e", rb"password=p\w:d"):
            self.assertIn(line, lines)
        self.assertEqual(self.run_with("--env-from", "web/db", "--", "sh", "-c", "exit 9").returncode, 9)
        refused = self.run_with("--env-from", "web/db", "--", "true", uid=BOB)
        self.assertEqual(refused.returncode, 1)
        self.assertIn(b"Permission denied", refused.stderr)
        self.daemon.put("web/odd", **{"tls.key": b"secret-bytes"})
        odd = self.run_with("--env-from", "web/odd", "--", "true")
        self.assertIn(b"the key tls.key is no identifier", odd.stderr)
        self.assertNotIn(b"secret-bytes", odd.stderr)

    def test_s24_a_template_that_is_wrong_changes_nothing(self):
        self.daemon.write_config(trees=self.daemon.parts["trees"].replace("db.user | pgpass", "db.user | pgpas"))
        result = self.daemon.reload()
        self.assertNotEqual(result.returncode, 0)
        self.assertIn(b'unknown filter "pgpas"', result.stderr)
        self.assertEqual(read_as(BOB, self.path("etc/pgpass")), b"*:*:*:jo\\:e:p\\\\w\\:d\n")


if __name__ == "__main__":
    main()
