#!/usr/bin/env bash
# The installed unit under a booted systemd:  systemd_unit_test.sh BUILD_DIRECTORY
#
# Makes a small Debian tree, installs the build into it as `cmake --install` does, boots it with systemd-nspawn and runs
# systemd_unit_inside.sh there. Nothing is left. Exit status 77: this machine cannot boot a tree (with the reason).
# A backend of type vault talks to an OpenBao that runs outside of the tree, on loopback.
set -euo pipefail
build=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
skip() { echo "SKIPPED: $*: the unit was not tested under systemd"; exit 77; }

[ "$(id -u)" = 0 ] || skip "needs root"
for tool in mmdebstrap systemd-nspawn cmake; do
  command -v "$tool" >/dev/null || skip "$tool is not installed"
done
[ -c /dev/fuse ] || skip "there is no /dev/fuse"

bao=${LEASEFS_BAO:-$here/../../build/openbao/bao}
[ -x "$bao" ] || skip "there is no OpenBao: packaging/install-openbao.sh build/openbao"

tree=$(mktemp -d /var/tmp/leasefs-systemd-XXXXXX)
server=
finish() {
  [ -z "$server" ] || { kill "$server"; wait "$server"; } 2>/dev/null || true
  rm -rf --one-file-system "$tree"
}
trap finish EXIT
trap 'exit 1' INT TERM
# The packages that bring the libraries of the programs, as a package's dependencies would.
package_of() { dpkg -S "$1" 2>/dev/null || dpkg -S "${1#/usr}"; }  # dpkg knows a file by the name that its package gave it
libraries=$(ldd "$build/leasefsd" "$build/leasefs" | awk '$3 ~ /^\// {print $3}' | sort -u | xargs -n1 readlink -f |
  while read -r file; do package_of "$file"; done | cut -d: -f1 | sort -u | paste -sd,)
mmdebstrap --quiet --variant=minbase --include="systemd,systemd-sysv,dbus,fuse3,procps,$libraries" bookworm "$tree" >"$tree.log" 2>&1 ||
  { tail -5 "$tree.log"; rm -f "$tree.log"; skip "mmdebstrap could not make a tree"; }
rm -f "$tree.log"

# In memory; its data at secret/ is KV 2. TLS for 127.0.0.1, by an authority of its own.
mkdir "$tree/bao"
port=$((20000 + RANDOM % 10000))
HOME=$tree/bao BAO_DEV_ROOT_TOKEN_ID=root-of-the-test "$bao" server -dev -dev-tls -dev-tls-cert-dir="$tree/bao" -dev-no-store-token \
  -dev-listen-address="127.0.0.1:$port" >"$tree/bao/log" 2>&1 &
server=$!
ca=
for _ in $(seq 200); do
  ca=$(find "$tree/bao" -name '*-ca.pem')
  [ -z "$ca" ] || ! BAO_ADDR=https://127.0.0.1:$port BAO_CACERT=$ca BAO_TOKEN=root-of-the-test "$bao" kv put secret/app key=from-bao >/dev/null 2>&1 || break
  kill -0 "$server" || { tail -5 "$tree/bao/log"; exit 1; }
  sleep 0.1
done
printf root-of-the-test >"$tree/bao/token"
chmod 600 "$tree/bao/token"
echo "$port ${ca#"$tree"}" >"$tree/bao/place"

DESTDIR=$tree cmake --install "$build" >/dev/null
install -m 755 "$here/systemd_unit_inside.sh" "$tree/inside.sh"
cat >"$tree/etc/systemd/system/inside.service" <<UNIT
[Unit]
After=multi-user.target systemd-user-sessions.service
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
ExecStart=/inside.sh
StandardOutput=file:/result
StandardError=inherit
TimeoutStartSec=200
[Install]
WantedBy=default.target
UNIT
mkdir -p "$tree/etc/systemd/system/default.target.wants"
ln -sf ../inside.service "$tree/etc/systemd/system/default.target.wants/inside.service"

timeout 240 systemd-nspawn --quiet -D "$tree" --register=no --keep-unit --bind=/dev/fuse --capability=CAP_IPC_LOCK \
  --console=pipe --boot </dev/null >"$tree/console" 2>&1 || true
[ -s "$tree/result" ] || { tail -20 "$tree/console"; skip "the tree did not boot"; }
cat "$tree/result"
tail -1 "$tree/result" | grep -q '^all .* held$'
