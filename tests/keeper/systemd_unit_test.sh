#!/usr/bin/env bash
# The installed unit under a booted systemd:  systemd_unit_test.sh BUILD_DIRECTORY
#
# Makes a small Debian tree, installs the build into it as `cmake --install` does, boots it with systemd-nspawn and runs
# systemd_unit_inside.sh there. Nothing is left. Exit status 77: this machine cannot boot a tree (with the reason).
set -euo pipefail
build=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
skip() { echo "SKIPPED: $*: the unit was not tested under systemd"; exit 77; }

[ "$(id -u)" = 0 ] || skip "needs root"
for tool in mmdebstrap systemd-nspawn cmake; do
  command -v "$tool" >/dev/null || skip "$tool is not installed"
done
[ -c /dev/fuse ] || skip "there is no /dev/fuse"

tree=$(mktemp -d /var/tmp/leasefs-systemd-XXXXXX)
trap 'rm -rf --one-file-system "$tree"' EXIT
# The packages that bring the libraries of the programs, as a package's dependencies would.
package_of() { dpkg -S "$1" 2>/dev/null || dpkg -S "${1#/usr}"; }  # dpkg knows a file by the name that its package gave it
libraries=$(ldd "$build/leasefsd" "$build/leasefs" | awk '$3 ~ /^\// {print $3}' | sort -u | xargs -n1 readlink -f |
  while read -r file; do package_of "$file"; done | cut -d: -f1 | sort -u | paste -sd,)
mmdebstrap --quiet --variant=minbase --include="systemd,systemd-sysv,dbus,fuse3,procps,$libraries" bookworm "$tree" >"$tree.log" 2>&1 ||
  { tail -5 "$tree.log"; rm -f "$tree.log"; skip "mmdebstrap could not make a tree"; }
rm -f "$tree.log"

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
