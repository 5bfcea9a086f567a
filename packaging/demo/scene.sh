# Part of packaging/demo.sh: the daemon, its rules and the secrets.

say "a store, rules and a mount"
id "$user" >/dev/null 2>&1 || useradd --system --create-home --home-dir "$top/home" --shell /bin/sh "$user"
usermod -p '*' "$user"  # an account without a password that sshd does not call locked
getent group ssl-cert >/dev/null || groupadd --system ssl-cert
usermod -aG ssl-cert postgres

cat >leasefs.toml <<TOML
mount = "$mount"
run_directory = "$top/run"

[audit]
file = "$top/audit.jsonl"
syslog = false

[backend.local]
type = "store"
path = "$top/store/store.db"
key  = { file = "$top/store.key" }

[[tree]]
path   = "web"
source = "local:web"

[[tree]]
path   = "db-user"
source = "local:db"

[[tree]]
path   = "db-group"
source = "local:db"

[[tree]]
path   = "ssh"
source = "local:ssh"

[[tree]]
path   = "ssh-open"
source = "local:ssh"
mode   = "0444"

[[tree]]
path   = "db-open"
source = "local:db"
mode   = "0444"

[[allow]]
path = "web/**"
user = ["www-data"]

[[allow]]
path = "db-user/**"
user = ["postgres"]

[[allow]]
path  = "db-group/**"
group = ["ssl-cert"]

[[allow]]
path = "db-open/**"
user = ["postgres"]

[[allow]]
path = "ssh/**"
user = ["$user"]

[[allow]]
path = "ssh-open/**"
user = ["$user"]
TOML
export LEASEFS_CONFIG=$top/leasefs.toml
claim "a store and its key are made" "$leasefs" store init
"$leasefsd" --config "$LEASEFS_CONFIG" >daemon.log 2>&1 &
pids+=($!)
claim "leasefsd serves $mount" until_true grep -q serving daemon.log

certificate() {  # certificate NAME SERIAL
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$1" -set_serial "$2" \
    -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" -keyout "$top/$1.key" -out "$top/$1.pem" 2>>"$top/demo.log"
}
put() { "$leasefs" put "$@"; }
certificate web 1001
certificate db 2001
ssh-keygen -q -t ed25519 -N '' -C demo -f "$top/identity"
claim "a TLS key and certificate are put" put web/tls key.pem=@web.key cert.pem=@web.pem
claim "a key for PostgreSQL is put" put db/tls server.key=@db.key server.crt=@db.pem
claim "a key for ssh is put" put ssh/id id_ed25519=@identity
install -o "$user" -m 600 identity.pub "$top/authorized_keys"
rm -f web.key db.key identity
