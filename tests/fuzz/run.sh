#!/usr/bin/env bash
# Runs every fuzzer on its corpus and then for a while on what it makes of it, one on each processor:
#   tests/fuzz/run.sh BUILD_DIRECTORY SECONDS
#
# What it finds new goes to build/corpus; a crash is kept as build/corpus/NAME/crash-… and fails the run.
set -euo pipefail
cd "$(dirname "$0")/../.."
export build=$1 seconds=$2

search() {
  local name=$1 seeds=tests/fuzz/corpus/$1 found=build/corpus/$1 log=build/corpus/$1.log status=0
  mkdir -p "$found"
  [ -d "$seeds" ] || seeds=
  "$build/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$found/" -print_final_stats=1 \
    "$found" ${seeds:+"$seeds"} >"$log" 2>&1 || status=$?
  if ((status)); then
    echo "fuzzer $name failed:"
    tail -40 "$log"
  fi
  echo "fuzzer $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -1) inputs in $seconds s"
  return "$status"
}
export -f search

fuzzers=("$build"/*_fuzz)
[ -x "${fuzzers[0]}" ] || { echo "tests/fuzz/run.sh: there is no fuzzer in $build" >&2; exit 1; }
printf '%s\n' "${fuzzers[@]##*/}" | xargs -P "$(nproc)" -I NAME bash -c 'search NAME'
