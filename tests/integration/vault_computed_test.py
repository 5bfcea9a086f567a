#!/usr/bin/env python3
"""What a real OpenBao computes on demand, without leases: certificates, signatures, codes, plaintexts."""

import base64
import subprocess
import time

import harness
import openbao_setup as setup
from harness import ALICE, as_user, wait_for
from vault_harness import VaultTest, tree


class Computed(VaultTest):
    @classmethod
    def prepare(cls):
        bao = cls.bao
        setup.policy(bao, "app", {"pki/issue/*": ["update"], "ssh/*": ["update", "read"], "totp/code/*": ["read"], "transit/*": ["update"]})
        cls.issue = setup.pki(bao)
        cls.sign = setup.ssh(bao)
        cls.code = setup.totp(bao)
        setup.transit(bao)

    def certificate_tree(self, path="tls", role="web", **settings):
        return tree(path, f"pki/issue/{role}", method="POST", params={"common_name": "a.test", "alt_names": "b.test"}, **settings)

    def whole(self, name):
        """All files of a secret, read one after the other in one process."""
        def read():
            files = {}
            for key in ("certificate", "private_key", "issuing_ca", "chain", "fullchain", "bundle", "serial_number"):
                with open(f"{self.path(name)}/{key}", encoding="utf-8") as file:
                    files[key] = file.read()
            return files
        return as_user(ALICE, read)

    def openssl(self, *arguments, text):
        result = subprocess.run(["openssl", *arguments], input=text.encode(), capture_output=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.decode()

    def check_pair(self, files):
        """Certificate and key belong together, and the compounds are made of them."""
        self.assertEqual(self.openssl("x509", "-noout", "-pubkey", text=files["certificate"]),
                         self.openssl("pkey", "-pubout", text=files["private_key"]))
        self.assertIn(files["issuing_ca"].strip(), files["chain"])
        for compound, first in (("fullchain", "certificate"), ("bundle", "private_key")):
            self.assertTrue(files[compound].startswith(files[first].strip()), compound)
        self.assertEqual(files["bundle"].strip(), f"{files['private_key'].strip()}\n{files['fullchain'].strip()}")
        self.assertEqual(files["fullchain"].count("BEGIN CERTIFICATE"), 1 + files["chain"].count("BEGIN CERTIFICATE"))

    def test_s12_a_certificate_its_key_and_chain_are_of_one_version_and_one_mint(self):
        self.serve(self.certificate_tree())
        mark = self.audit.mark()
        names = self.names("tls")
        for name in ("certificate", "private_key", "issuing_ca", "chain", "fullchain", "bundle"):
            self.assertIn(name, names)
        self.assertEqual(self.audit.mints(self.issue, mark), 0, "names cost no certificate (S6)")
        files = self.whole("tls")
        self.check_pair(files)
        self.assertIn("DNS:b.test", self.openssl("x509", "-noout", "-ext", "subjectAltName", text=files["certificate"]))
        self.assertEqual(self.whole("tls"), files)
        self.assertEqual(self.audit.mints(self.issue, mark), 1)

    def test_s14_a_certificate_is_replaced_before_not_after_and_the_files_stay_of_one_version(self):
        setup.pki_role(self.bao, "short", "12s")
        self.serve(self.certificate_tree(role="short", mint_interval="1s"))
        mark, end, serials = self.audit.mark(), time.monotonic() + 24, []
        while time.monotonic() < end:
            files = self.whole("tls")
            self.check_pair(files)
            ends = self.openssl("x509", "-noout", "-checkend", "0", text=files["certificate"])
            self.assertIn("will not expire", ends)
            if files["serial_number"] not in serials:
                serials.append(files["serial_number"])
            time.sleep(0.2)
        self.assertTrue(2 <= len(serials) <= 4, serials)
        self.assertLessEqual(self.audit.mints("pki/issue/short", mark), 4)

    def test_two_trees_with_other_parameters_are_two_certificates(self):
        self.serve([self.certificate_tree("one"), tree("two", "pki/issue/web", method="POST", params={"common_name": "other.test"})])
        subjects = [self.openssl("x509", "-noout", "-subject", text=self.read(f"{name}/certificate")) for name in ("one", "two")]
        self.assertIn("a.test", subjects[0])
        self.assertIn("other.test", subjects[1])

    def test_an_ssh_key_is_signed(self):
        key = self.bao.dir / "user"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        public = key.with_suffix(".pub").read_text().strip()
        self.serve(tree("ssh", self.sign, method="POST", params={"public_key": public, "valid_principals": "app"}, keys=["signed_key"]))
        self.assertIn("signed_key", self.names("ssh"))
        signed = self.read("ssh/signed_key")
        shown = subprocess.run(["ssh-keygen", "-L", "-f", "-"], input=signed.encode(), capture_output=True, check=True).stdout.decode()
        self.assertIn("user certificate", shown)
        self.assertIn("app", shown)
        fingerprint = subprocess.run(["ssh-keygen", "-lf", key], capture_output=True, check=True).stdout.decode().split()[1]
        self.assertIn(fingerprint, shown)

    def test_a_code_is_the_one_of_its_period(self):
        self.serve(tree("totp", self.code))
        for _ in range(3):  # a period may end in between
            before, shown, after = self.bao("GET", self.code), self.read("totp/code"), self.bao("GET", self.code)
            if before["data"]["code"] == after["data"]["code"]:
                break
        self.assertEqual(shown, before["data"]["code"])

    def test_a_code_is_replaced_with_its_period(self):
        code = setup.totp(self.bao, "fast", path="totp2", period="3s")
        setup.policy(self.bao, "totp2", {"totp2/code/*": ["read"]})
        self.serve(tree("totp", code, mint_interval="500ms"), self.approle(["totp2"], "totp2"))
        first = self.read("totp/code")
        wait_for("the next code", lambda: self.read("totp/code") != first, 8)

    def test_a_ciphertext_is_decrypted(self):
        plaintext = base64.b64encode(b"the plaintext").decode()
        sealed = self.bao("POST", "transit/encrypt/box", {"plaintext": plaintext})["data"]["ciphertext"]
        self.serve(tree("file", "transit/decrypt/box", method="POST", params={"ciphertext": sealed}, keys=["plaintext"]))
        self.assertEqual(self.names("file"), ["plaintext"])
        self.assertEqual(self.read("file/plaintext"), plaintext)


if __name__ == "__main__":
    harness.main()
