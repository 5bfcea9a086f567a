#!/usr/bin/env bash
# Installs the Debian 12 packages that a purpose needs, if they are missing:  packaging/install-packages.sh build|demo|test …
set -euo pipefail

build="build-essential g++ cmake ninja-build pkg-config git ca-certificates python3 systemd
  libfuse3-dev libcurl4-openssl-dev libssl-dev nlohmann-json3-dev libspdlog-dev libfmt-dev libtomlplusplus-dev libsqlite3-dev libcli11-dev scdoc"
demo="fuse3 openssl curl nginx-light postgresql openssh-server openssh-client runc busybox-static procps iproute2 jq python3-venv"
test="$demo libgtest-dev libgmock-dev libbenchmark-dev clang-14 clang-tidy-14 libclang-rt-14-dev ccache
  attr rsync plocate openjdk-17-jdk-headless nftables mmdebstrap systemd-container inotify-tools strace sqlite3 util-linux"

[ "$(id -u)" = 0 ] || { echo "install-packages.sh: run it as root (sudo)" >&2; exit 1; }
wanted=()
for purpose in "$@"; do
  case $purpose in
    build | demo | test) read -r -d '' -a more <<<"${!purpose}" || true; wanted+=("${more[@]}") ;;
    *) sed -n '2s/^# //p' "$0"; exit 1 ;;
  esac
done
missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  echo "all ${#wanted[@]} packages for: $* are installed"
  exit 0
fi
echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# Servers that these packages bring must not start by themselves: the tests and the demonstration start their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
  trap 'rm -f $policy' EXIT
fi
log=$(mktemp)
if ! { apt-get -qq update && apt-get -qq install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -40 "$log" >&2
  rm -f "$log"
  exit 1
fi
rm -f "$log"
