#!/usr/bin/env bash
# The README's demonstration in a Debian tree that has nothing yet, twice:  fresh_tree_test.sh SOURCES
#
# The tree is the root of a mount and pid namespace of its own (not of a network namespace: it installs packages). It gets a
# copy of the sources without build/, and sudo, since the README says it. Nothing is left. `fresh_tree_test.sh SOURCES COMMAND…`
# runs another command of the README instead.
set -euo pipefail
sources=$(realpath "$1")
shift
[ "$(id -u)" = 0 ] || { echo "needs root: it makes namespaces and a tree" >&2; exit 1; }
(($#)) || { set -- sudo packaging/demo.sh; }
grep -qx "$* *\(#.*\)\?" "$sources/README.md" || { echo "README.md does not give this command: $*" >&2; exit 1; }

tree=$(mktemp -d /var/tmp/leasefs-tree-XXXXXX)
trap 'rm -rf --one-file-system "$tree"' EXIT
trap 'exit 1' INT TERM
mmdebstrap --quiet --variant=minbase --include=sudo bookworm "$tree/root"
cp /etc/resolv.conf "$tree/root/etc/resolv.conf"
# Where packages come through a proxy with a certificate of its own, the tree must know it, as a host there would.
mkdir -p "$tree/root/usr/local/share"
[ ! -d /usr/local/share/ca-certificates ] || cp -r /usr/local/share/ca-certificates "$tree/root/usr/local/share/"
mkdir "$tree/root/leasefs"
(cd "$sources" && git ls-files -co --exclude-standard -z | tar c --null -T -) | tar x -C "$tree/root/leasefs"
(cd "$tree/root/leasefs" && git init -q && git add -A)  # a checkout, as the README says

cat >"$tree/enter.sh" <<'ENTER'
set -euo pipefail
cd "$1"
shift
mount --bind . .
cd "$PWD"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mkdir -p old
pivot_root . old
umount -l /old
cd /leasefs
exec chroot / /bin/bash -c 'cd /leasefs && exec "$@"' bash "$@"
ENTER
# Whatever ends this script ends all that runs in the tree.
enter() {
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root setpriv --pdeathsig KILL \
    unshare --mount --pid --fork --kill-child --propagation private bash "$tree/enter.sh" "$tree/root" "$@"
}
for round in first second; do
  echo "==== the $round time: $*"
  enter "$@"
done
[ "$1 $2" != "sudo packaging/demo.sh" ] || enter "$@" --clean
