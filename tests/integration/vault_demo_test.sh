#!/usr/bin/env bash
# The README's demonstration with OpenBao and PostgreSQL, on what was built in build/release:  vault_demo_test.sh SOURCES
#
# A claim that does not hold fails it, and so does what the demonstration leaves. (fresh_tree_test.sh SOURCES sudo packaging/demo.sh
# vault runs it in a Debian tree that has nothing yet.)
set -euo pipefail
cd "$1"
[ "$(id -u)" = 0 ] || { echo "needs root: it mounts and changes users" >&2; exit 1; }
command=(packaging/demo.sh vault) top=/run/leasefs-demo-vault user=leasefs-demo
grep -qx "sudo ${command[*]} *\(#.*\)\?" README.md || { echo "README.md does not give this command: sudo ${command[*]}" >&2; exit 1; }
trap '"${command[@]}" --clean >/dev/null' EXIT

said=$(mktemp)
status=0
"${command[@]}" >"$said" 2>&1 || status=$?
cat "$said"
last=$(tail -1 "$said")
rm -f "$said"
if [ $status != 0 ]; then
  tail -n 40 "$top/demo.log" "$top"/daemon*.log || true
  exit 1
fi
[[ $last =~ ^[1-9][0-9]*' claims held, 0 did not'$ ]] || { echo "its last line does not say what held: $last" >&2; exit 1; }

"${command[@]}" --clean
[ ! -e $top ] || { echo "$top is left" >&2; exit 1; }
! id $user 2>/dev/null || { echo "the user $user is left" >&2; exit 1; }
! pgrep -f "^[^ ]*$top|-config=$top" || { echo "processes are left" >&2; exit 1; }
