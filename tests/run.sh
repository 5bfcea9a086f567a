#!/usr/bin/env bash
# Installs what it needs, builds, and runs the tests:  sudo tests/run.sh [--quick] [--fuzz] [--soak] [--sim-seeds N]
#
#   --quick        only the release build and its tests: no sanitizers, no clang-tidy, no fuzzers
#   --fuzz         each fuzzer for ten minutes, not one
#   --soak         short leases for an hour, besides the three minutes of every run
#   --sim-seeds N  simulated hours of each simulation (default 1000 for fs, 10000 for the lease machine)
#
# Idempotent. Everything it makes lies in build/, but for the Debian packages and the users of the package. It leaves no mount, no process
# and no namespace behind. The last lines are ctest's summary of the release build, which runs the real mounts, containers and servers,
# and what was not run, if anything.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive PYTHONDONTWRITEBYTECODE=1
quick=0 fuzz_seconds=60 soak_seconds=0 sim_seeds= failed=() not_run=()
while (($#)); do
  case $1 in
    --quick) quick=1 ;;
    --fuzz) fuzz_seconds=600 ;;
    --soak) soak_seconds=3600 ;;
    --sim-seeds) sim_seeds=$2; shift ;;
    *) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 1 ;;
  esac
  shift
done
[ "$(id -u)" = 0 ] || { echo "tests/run.sh: it installs packages, mounts and changes users: run it as root (sudo)" >&2; exit 1; }
setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$PWD" || {
  echo "tests/run.sh: other users cannot reach $PWD, and the tests run programs as such: have the checkout elsewhere, as in /srv" >&2
  exit 1
}
[ -c /dev/fuse ] || { echo "tests/run.sh: there is no /dev/fuse: the real mounts cannot be tested here" >&2; exit 1; }

began=$SECONDS
say() { printf '\n==== %s  (%d s)\n' "$*" "$((SECONDS - began))"; }
# try NAME COMMAND…: a failure is remembered and the rest still runs.
try() {
  local name=$1
  shift
  say "$name"
  "$@" || { echo "FAILED: $name"; failed+=("$name"); }
}
build() {  # build PRESET [TARGET…]
  local preset=$1
  shift
  local ccache=()
  command -v ccache >/dev/null && ccache=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros
  cmake --preset "$preset" "${ccache[@]}" >"build/$preset.log" 2>&1 || { cat "build/$preset.log"; return 1; }
  cmake --build --preset "$preset" ${1+--target} "$@" >"build/$preset.log" 2>&1 || { grep -E 'error|FAILED|warning' -A 12 "build/$preset.log" | head -80; return 1; }
}
# The suites that need no real mount: built by clang, whose warnings are errors too, so that one build shows both.
sanitized() {
  build asan || return 1
  LEASEFS_SIM_SEEDS=50 ctest --preset asan
}
# Those with threads.
threaded() {
  build tsan threads_tests || return 1
  ctest --preset tsan
}

soaked() {
  LEASEFS_BUILD=$PWD/build/release LEASEFS_LEASE_SECONDS=$soak_seconds timeout "$((soak_seconds + 300))" python3 tests/integration/vault_short_leases_test.py
}
fuzzed() {
  build fuzz fuzzers || return 1
  tests/fuzz/run.sh build/fuzz "$fuzz_seconds"
}

say "packages, OpenBao and users"
packaging/install-packages.sh build test
packaging/install-openbao.sh build/openbao
systemd-sysusers "$PWD/systemd/sysusers.conf"
mkdir -p build

try "lint: layers, sizes, libraries" tests/lint/lint.py
say "build release (g++)"
build release
if ((quick)); then
  not_run+=("the sanitizers, clang-tidy and the fuzzers (--quick)")
else
  try "ASan and UBSan (clang++)" sanitized
  try "TSan (g++)" threaded
  try "clang-tidy" tests/lint/tidy.sh build/asan
  try "fuzzers, $fuzz_seconds s each" fuzzed
fi

[ -z "$sim_seeds" ] || export LEASEFS_SIM_SEEDS=$sim_seeds  # else each simulation has its own number
tests/lint/leftovers.sh remember
if ((soak_seconds)); then try "short leases, $soak_seconds s" soaked; fi
say "all tests of the release build"
status=0
ctest --preset release || status=$?
tests/lint/leftovers.sh compare || failed+=("something was left behind")
if ((${#failed[@]})); then printf 'FAILED: %s\n' "${failed[@]}"; fi
if ((${#not_run[@]})); then printf 'not run: %s\n' "${not_run[@]}"; fi
((${#failed[@]} == 0)) || exit 1
exit "$status"
