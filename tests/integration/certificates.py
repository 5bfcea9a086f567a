"""Certificate authorities for the tests' servers and clients, made by openssl: any dates, any names."""

import datetime
import pathlib
import subprocess

HOUR = datetime.timedelta(hours=1)


def _openssl(*arguments, input=None):
    result = subprocess.run(["openssl", *map(str, arguments)], input=input, capture_output=True, check=False)
    if result.returncode != 0:
        raise AssertionError(f"openssl {' '.join(map(str, arguments))}: {result.stderr.decode(errors='replace')}")
    return result.stdout


def make_key(path, kind="ec"):
    """A private key file that its owner alone may read."""
    options = ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
    _openssl("genpkey", "-algorithm", *options, "-out", path)
    path.chmod(0o600)


def public_key(path):
    """The public half of a private key file, as PEM text."""
    return _openssl("pkey", "-in", path, "-pubout").decode()


def sign(path, data):
    """RSASSA-PKCS1-v1_5 with SHA-256 (the RS256 of JWTs)."""
    return _openssl("dgst", "-sha256", "-sign", path, input=data)


class Pair:
    """The files of a certificate and its key."""

    def __init__(self, certificate, key):
        self.certificate = certificate
        self.key = key


class Authority:
    """An authority in a directory of its own. `ca` is its certificate's file."""

    def __init__(self, directory, name="tests"):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.ca = self.dir / "ca.pem"
        self.key = self.dir / "ca.key"
        make_key(self.key)
        _openssl("req", "-x509", "-new", "-key", self.key, "-days", "2", "-subj", f"/CN={name} authority", "-out", self.ca,
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        (self.dir / "index.txt").write_text("")
        (self.dir / "serial").write_text("1000\n")
        (self.dir / "ca.cnf").write_text(
            f"[ca]\ndefault_ca = it\n[it]\ndir = {self.dir}\nnew_certs_dir = {self.dir}\ndatabase = {self.dir}/index.txt\n"
            f"serial = {self.dir}/serial\ndefault_md = sha256\npolicy = any\nunique_subject = no\n[any]\ncommonName = supplied\n")

    def issue(self, name, begins=-HOUR, ends=24 * HOUR, names="IP:127.0.0.1,DNS:localhost", digest="sha256"):
        """A certificate for servers and clients, valid from now + begins to now + ends. The same name again replaces the files."""
        key, request, certificate, extensions = (self.dir / f"{name}{suffix}" for suffix in (".key", ".csr", ".pem", ".ext"))
        make_key(key)
        _openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
        extensions.write_text(f"subjectAltName = {names}\nextendedKeyUsage = serverAuth, clientAuth\nbasicConstraints = CA:FALSE\n")
        now = datetime.datetime.now(datetime.timezone.utc)
        dates = [(now + offset).strftime("%Y%m%d%H%M%SZ") for offset in (begins, ends)]
        _openssl("ca", "-batch", "-notext", "-config", self.dir / "ca.cnf", "-cert", self.ca, "-keyfile", self.key, "-in", request,
                 "-out", certificate, "-extfile", extensions, "-startdate", dates[0], "-enddate", dates[1], "-md", digest)
        return Pair(certificate, key)
