#!/usr/bin/env bash
# Installs what it needs, builds, and runs the tests:  sudo tests/run.sh [--sanitizers] [--tidy] [--fuzz] [--sim-seeds N]
#
#   --sanitizers   the kernel-less and threaded suites under ASan+UBSan (built by clang) and TSan as well
#   --tidy         clang-tidy on the product's sources as well
#   --fuzz         each fuzzer for ten minutes as well
#   --sim-seeds N  simulated hours (default 400)
#
# Idempotent. Everything it makes lies in build/, but for the Debian packages and the users of the package. It leaves no mount, no process
# and no namespace behind. The last lines are ctest's summary of the release build, which runs the real mounts, containers and servers.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive PYTHONDONTWRITEBYTECODE=1
sanitizers=0 tidy=0 fuzz_seconds=0 sim_seeds=400 failed=()
while (($#)); do
  case $1 in
    --sanitizers) sanitizers=1 ;;
    --tidy) tidy=1 ;;
    --fuzz) fuzz_seconds=600 ;;
    --sim-seeds) sim_seeds=$2; shift ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 1 ;;
  esac
  shift
done
[ "$(id -u)" = 0 ] || { echo "tests/run.sh: it installs packages, mounts and changes users: run it as root (sudo)" >&2; exit 1; }
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
  export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
  cmake --preset "$preset" "${ccache[@]}" >"build/$preset.log" 2>&1 || { cat "build/$preset.log"; return 1; }
  cmake --build --preset "$preset" ${1+--target} "$@" >"build/$preset.log" 2>&1 || { grep -E 'error|FAILED|warning' -A 12 "build/$preset.log" | head -80; return 1; }
}

say "packages and users"
packaging/install-packages.sh build test
systemd-sysusers "$PWD/systemd/sysusers.conf"
mkdir -p build

try "lint: layers, sizes, libraries" tests/lint/lint.py
say "build release (g++)"
build release
if ((sanitizers)); then
  # The suites that need no kernel and those with threads. clang's build is the one with AddressSanitizer and UBSan, so that
  # one pass shows both.
  try "build asan (clang++)" build asan sanitized_tests
  try "kernel-less and threaded tests under ASan and UBSan" ctest --preset asan
  try "build tsan (g++)" build tsan sanitized_tests
  try "the same under TSan" ctest --preset tsan
fi
if ((tidy)); then
  try "build clang, for clang-tidy" build clang leasefsd leasefs
  try "clang-tidy" tests/lint/tidy.sh build/clang
fi
if ((fuzz_seconds)); then
  try "build fuzz (clang++)" build fuzz
  try "fuzzers, $fuzz_seconds s each" tests/fuzz/run.sh build/fuzz "$fuzz_seconds"
fi

export LEASEFS_SIM_SEEDS=$sim_seeds
tests/lint/leftovers.sh remember
((sanitizers)) || echo "not run: the sanitizers (--sanitizers)"
((tidy)) || echo "not run: clang-tidy (--tidy)"
((fuzz_seconds)) || echo "not run: the fuzzers (--fuzz)"
say "all tests of the release build"
status=0
ctest --preset release || status=$?
tests/lint/leftovers.sh compare || failed+=("something was left behind")
if ((${#failed[@]})); then
  printf 'FAILED: %s\n' "${failed[@]}"
  exit 1
fi
exit "$status"
