#!/usr/bin/env bash
# Shows the main job on real programs:  sudo packaging/demo.sh [vault] [--clean]
#
# Installs what it needs, builds, and shows nginx, PostgreSQL, ssh and a container that read keys from the mount, unmodified;
# who is refused; what the audit says; and a certificate that changes. With `vault`: a real OpenBao and PostgreSQL, and an
# unmodified psql that logs in with credentials that live for seconds, while they are replaced, and fs and the backend's process
# are killed. Every claim is checked: the last line says how many held. A few minutes on a fresh Debian 12; seconds (with
# `vault` a minute) when it was run before. --clean removes what it left (build/, packages and the users of the package stay).
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8
show=main top=/run/leasefs-demo user=leasefs-demo
if [ "${1:-}" = vault ]; then
  show=vault top=/run/leasefs-demo-vault
  shift
fi
mount=$top/mnt
pids=() held=0 broken=0

say() { printf '\n== %s\n' "$*"; }
ok() { held=$((held + 1)); printf '  ok      %s\n' "$*"; }
no() { broken=$((broken + 1)); printf '  FAILED  %s\n' "$*"; }
claim() {  # claim WORDS COMMAND…: runs it and says whether it held
  local words=$1
  shift
  if "$@" >>"$top/demo.log" 2>&1; then ok "$words"; else no "$words (see $top/demo.log)"; fi
}
refused() { ! "$@"; }
until_true() {
  local i
  for ((i = 0; i < 100; i++)); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done
  return 1
}
mounted() { grep -qF " $mount " /proc/self/mounts; }  # mountpoint(1) does not see one whose daemon was killed
stop_all() {
  local pid i
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    pid=${pids[i]}
    kill "$pid" 2>/dev/null || continue
    until_true sh -c "! kill -0 $pid" || kill -9 "$pid" 2>/dev/null || true
  done
  pids=()
  ! mounted || umount -l "$mount"
}
clean() {
  stop_all
  rm -rf "$top"
  if id "$user" >/dev/null 2>&1; then userdel "$user" 2>/dev/null; fi
}

[ "$(id -u)" = 0 ] || { echo "demo.sh: it installs packages, mounts and changes users: run it as root (sudo)" >&2; exit 1; }
if [ "${1:-}" = --clean ]; then
  clean
  echo "cleaned: $top and the user $user are gone"
  exit 0
fi
[ $# = 0 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 1; }
[ -c /dev/fuse ] || { echo "demo.sh: there is no /dev/fuse here: load the module fuse, or bind the device into this container" >&2; exit 1; }
trap stop_all EXIT

say "what it needs"
packaging/install-packages.sh build demo
[ $show = main ] || packaging/install-openbao.sh build/openbao
say "build (build/release)"
mkdir -p build
[ -e build/release/build.ninja ] || cmake --preset release -DLEASEFS_TESTS=OFF >build/demo.log 2>&1 || { cat build/demo.log; exit 1; }
cmake --build --preset release --target leasefsd leasefs >build/demo.log 2>&1 || { tail -40 build/demo.log; exit 1; }
leasefs=$PWD/build/release/leasefs leasefsd=$PWD/build/release/leasefsd
systemd-sysusers "$PWD/systemd/sysusers.conf"

clean
mkdir -p "$mount" && chmod 755 "$top" && cd "$top"
if [ $show = vault ]; then
  parts="vault-servers vault-scene vault-logins vault-end"
else
  parts="scene programs records"
fi
source=$OLDPWD
for part in $parts; do . "$source/packaging/demo/$part.sh"; done

say "what it did"
what_it_did
cat <<TEXT
    $top/demo.log        what the programs said
  $0 $([ $show = main ] || echo "vault ")--clean removes all that.
TEXT
printf '\n%d claims held, %d did not\n' "$held" "$broken"
[ "$broken" = 0 ]
