# Part of packaging/demo.sh vault: the daemon, its login, and files made of credentials.

say "leasefs, which logs in with an AppRole that may do just this"
id "$user" >/dev/null 2>&1 || useradd --system --create-home --home-dir "$top/home" --shell /bin/sh "$user"
cat >bao/policy.hcl <<HCL
path "database/creds/app"    { capabilities = ["read"] }
path "database/creds/steady" { capabilities = ["read"] }
path "sys/leases/revoke"     { capabilities = ["update"] }
HCL
"$bao" policy write leasefs bao/policy.hcl >>demo.log
"$bao" auth enable approle >>demo.log
"$bao" write auth/approle/role/leasefs token_policies=leasefs token_ttl=1h >>demo.log
role_id=$("$bao" read -field=role_id auth/approle/role/leasefs/role-id)
(umask 077 && "$bao" write -f -field=secret_id auth/approle/role/leasefs/secret-id >"$top/secret-id")

cat >leasefs.toml <<TOML
mount = "$mount"
run_directory = "$top/run"

[audit]
file = "$top/audit.jsonl"
syslog = false

[backend.vault]
type    = "vault"
address = "$BAO_ADDR"
ca_file = "$BAO_CACERT"
auth    = { method = "approle", role_id = "$role_id", secret_id = { file = "$top/secret-id" } }

[[tree]]                 # $mount/db/{username,password}
path          = "db"
source        = "vault:database/creds/app"
min_ttl       = "2s"
mint_interval = "1s"

[[tree]]
path   = "steady"
source = "vault:database/creds/steady"

[[file]]                 # what psql reads by itself
path     = "app/pgpass"
template = "127.0.0.1:$pg_port:*:{{ db.username }}:{{ db.password }}\n"
secrets  = { db = "db" }

[[file]]
path     = "app/pg_service.conf"
template = "[app]\nhost=127.0.0.1\nport=$pg_port\ndbname=postgres\nuser={{ db.username }}\n"
secrets  = { db = "db" }

[[allow]]
path = "**"
user = ["$user"]
TOML
export LEASEFS_CONFIG=$top/leasefs.toml
start() {  # start LOG
  "$leasefsd" --config "$LEASEFS_CONFIG" >"$1" 2>&1 &
  keeper=$!
  pids+=("$keeper")
  until_true grep -q serving "$1"
}
claim "leasefsd serves $mount" start daemon.log
as_user() { setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups env -i PATH="$PATH" LC_ALL=C "$@"; }
password_of() { as_user cat "$mount/$1/password"; }
# psql as it comes, told only where its files are.
login() {
  as_user PGPASSFILE="$mount/app/pgpass" PGSERVICEFILE="$mount/app/pg_service.conf" "$bin/psql" -X -At -w service=app \
    -c "select current_user, n from facts" 2>>demo.log
}
child() {  # child ROLE: the pid of that child of the daemon
  local pid
  for pid in $(cat "/proc/$keeper/task/$keeper/children"); do
    if tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q -- "--role $1"; then echo "$pid" && return; fi
  done
  return 1
}
another() { local now; now=$(child "$1") && [ "$now" != "$2" ]; }
kill_child() {  # kill_child ROLE: by SIGKILL, and waits for its successor
  local old
  old=$(child "$1")
  kill -9 "$old"
  until_true another "$1" "$old"
}
