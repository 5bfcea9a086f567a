#!/usr/bin/env bash
# What a test may have left behind: FUSE mounts, our processes, network namespaces.  leftovers.sh remember | compare
set -euo pipefail
cd "$(dirname "$0")/../.."
list() {
  awk '$3 ~ /^fuse/ && $3 != "fusectl" {print "mount " $2}' /proc/mounts
  ps -eo pid=,comm= | awk '$2 ~ /^(leasefs|leasefsd)$/ {print "process " $1 " " $2}'
  ps -eo pid=,stat=,comm= | awk '$2 ~ /^D/ && $3 !~ /^(kworker|jbd2)/ {print "stuck " $1 " " $3}'
  ls /run/netns 2>/dev/null | sed 's/^/namespace /' || true
}
case $1 in
  remember) list | sort >build/leftovers.before ;;
  compare)
    # Twice, a moment apart: a process that is just ending, or just waits for the disk, is not left behind.
    list | sort >build/leftovers.once
    sleep 2
    left=$(list | sort | comm -12 build/leftovers.once - | comm -13 build/leftovers.before -)
    [ -z "$left" ] || { printf 'left behind: %s\n' "$left"; exit 1; }
    ;;
esac
