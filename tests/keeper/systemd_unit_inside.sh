#!/bin/bash
# Runs inside the booted tree, outside of the unit. Each claim is a line; the last line says whether all held.
export LC_ALL=C
held=0 broken=0
claim() {  # claim WORDS COMMAND…
  local words=$1
  shift
  if "$@" >/tmp/claim 2>&1; then
    held=$((held + 1)); echo "ok      $words"
  else
    broken=$((broken + 1)); echo "FAILED  $words"; tail -4 /tmp/claim | sed 's/^/        /'
  fi
}
as() { local user=$1; shift; setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups "$@"; }
reads() { [ "$(as "$1" cat /run/leasefs/web/tls/key)" = "$2" ]; }
refused() { ! as "$1" cat /run/leasefs/web/tls/key; }
mounted() { grep -q ' /run/leasefs .*fuse.leasefs' /proc/1/mountinfo; }
property() { systemctl show -p "$1" --value leasefs; }
eventually() { for _ in $(seq 100); do "$@" && return 0; sleep 0.1; done; return 1; }
write_config() {  # write_config USER
  cat >/etc/leasefs/leasefs.toml <<TOML
[backend.local]
type = "store"
path = "/var/lib/leasefs/store.db"
key = { credential = "store-key" }
[[tree]]
path = "web"
source = "local:web"
[[allow]]
path = "web/**"
user = ["$1"]
TOML
}
put() { printf %s "$1" | leasefs put web/tls key=-; }

useradd -M reader && useradd -M other
claim "systemd accepts the unit" systemd-analyze verify --man=no leasefs.service
claim "the users are made" systemd-sysusers
claim "the directories are made" systemd-tmpfiles --create leasefs.conf
claim "the configuration as installed is valid" leasefsd --check-config
write_config reader
claim "a store is made" leasefs store init --credential-file /run/store.key
claim "its key is sealed as a credential" systemd-creds encrypt --name=store-key /run/store.key /etc/leasefs/store-key.cred
rm -f /run/store.key
mkdir -p /etc/systemd/system/leasefs.service.d
printf '[Service]\nLoadCredentialEncrypted=store-key:/etc/leasefs/store-key.cred\n' >/etc/systemd/system/leasefs.service.d/key.conf
systemctl daemon-reload

claim "the unit starts and says that it is ready" systemctl start leasefs
claim "the store is open" grep -q 'store local: open' <(property StatusText)
claim "PID 1 sees the mount" mounted
claim "a secret is put" put one
claim "an allowed user outside the unit reads it" reads reader one
claim "another user is refused" refused other
claim "root is refused" refused root
children() { pgrep -P "$(property MainPID)" -u "$1" >/dev/null; }
claim "fs runs as leasefs" children leasefs
claim "the store runs as leasefs-backend" children leasefs-backend
claim "every open is in the audit file" eventually grep -q '"path":"web/tls/key".*"outcome"\|"outcome".*"path":"web/tls/key"' /var/log/leasefs/audit.jsonl

read -r port ca </bao/place
cat >>/etc/leasefs/leasefs.toml <<TOML
[backend.bao]
type = "vault"
address = "https://127.0.0.1:$port"
ca_file = "$ca"
auth = { method = "token", token = { file = "/bao/token" } }
[[tree]]
path = "app"
source = "bao:secret/app"
[[allow]]
path = "app/**"
user = ["reader"]
TOML
claim "the unit starts with a server as a second backend" systemctl restart leasefs
from_server() { [ "$(as reader cat /run/leasefs/app/key)" = from-bao ]; }
claim "what lies on the server is read" from_server
claim "and what lies in the store" eventually reads reader one
alone() { [ "$(ip_links "$(pgrep -u leasefs -f '^leasefsd')")" = lo ]; }
ip_links() { awk -F: 'NR > 2 {gsub(/ /, "", $1); print $1}' "/proc/$1/net/dev" | sort | paste -sd,; }
claim "fs has no network" alone
write_config reader
claim "the unit starts without it" systemctl restart leasefs

write_config other
claim "a reload is accepted" systemctl reload leasefs
claim "the new rule holds" eventually reads other one
claim "the old rule is gone" refused reader
echo 'no such key' >>/etc/leasefs/leasefs.toml
claim "a reload with a bad file fails" eval '! systemctl reload leasefs'
told() { property StatusText | grep -q 'configuration not loaded'; }
claim "a bad file is told in the status line" eventually told
claim "and changes nothing" reads other one
write_config reader

mv /var/log/leasefs/audit.jsonl /var/log/leasefs/audit.jsonl.1
claim "what logrotate runs afterwards" sh -e <(sed -n '/postrotate/,/endscript/{//!p}' /etc/logrotate.d/leasefs)
claim "makes a new audit file" eventually test -e /var/log/leasefs/audit.jsonl
claim "the last rules hold" reads other one
claim "and the record is in it" eventually grep -q '"path":"web/tls/key"' /var/log/leasefs/audit.jsonl

main=$(property MainPID)
kill -9 "$main"
another() { [ "$(property MainPID)" != "$main" ] && [ "$(property ActiveState)" = active ]; }
claim "after SIGKILL of the daemon the unit comes back" eventually another
claim "and serves" eventually reads reader one
claim "one mount, not two" test "$(grep -c ' /run/leasefs .*fuse.leasefs' /proc/1/mountinfo)" = 1

claim "the unit stops" systemctl stop leasefs
claim "no mount is left" eval '! mounted'
claim "no process is left" eval '! pgrep "^leasefsd"'
claim "no socket is left" eval '! ls /run/leasefsd/*.sock'

echo 'no such key' >>/etc/leasefs/leasefs.toml
systemctl start leasefs
claim "a wrong configuration fails with status 78" test "$(property ExecMainStatus)" = 78
sleep 1.5
claim "and is not tried again" test "$(property NRestarts)" = 0
echo "daemon's log:"
journalctl -u leasefs --no-pager -o cat | tail -25 | sed 's/^/        /'
if ((broken)); then echo "$broken of $((held + broken)) did not hold"; exit 1; fi
echo "all $held held"
