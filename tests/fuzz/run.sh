#!/usr/bin/env bash
# Runs every fuzzer on its corpus and then for a while on what it makes of it:  tests/fuzz/run.sh BUILD_DIRECTORY SECONDS
#
# What it finds new goes to build/corpus; a crash is kept as build/corpus/NAME/crash-… and fails the run.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$1 seconds=$2 status=0
for fuzzer in "$build"/*_fuzz; do
  name=$(basename "$fuzzer")
  mkdir -p "build/corpus/$name"
  seeds="tests/fuzz/corpus/$name"
  log="build/corpus/$name.log"
  if ! "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="build/corpus/$name/" \
    -print_final_stats=1 "build/corpus/$name" $([ -d "$seeds" ] && echo "$seeds") >"$log" 2>&1; then
    echo "fuzzer $name failed:"
    tail -40 "$log"
    status=1
  fi
  echo "fuzzer $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -1) inputs in $seconds s"
done
exit $status
