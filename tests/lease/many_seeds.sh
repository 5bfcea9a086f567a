#!/bin/sh
# The lease machine under simulation, for longer than a test run may take: tests/lease/many_seeds.sh [SEEDS [FIRST]]
# (default 100000 from 1), with the release build. The last line says how it went; a failing seed is printed.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
export LEASEFS_SIM_SEEDS="${1:-100000}" LEASEFS_SIM_FIRST="${2:-1}"
cmake --build "$root/build/release" --target lease_sim_test
exec "$root/build/release/lease_sim_test"
