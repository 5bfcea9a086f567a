# Part of packaging/demo.sh vault: a real OpenBao and a real PostgreSQL, on loopback.

bao=$source/build/openbao/bao
bao_port=18200 pg_port=15433
[ -x "$bao" ] || { echo "demo.sh: $bao is not there" >&2; exit 1; }
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
for port in $bao_port $pg_port; do
  ! listens $port || { echo "demo.sh: something listens on 127.0.0.1:$port already, which the demonstration needs" >&2; exit 1; }
done

say "PostgreSQL, which knows one user who may make others"
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
install -d -o postgres -g postgres pg
as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups env HOME="$top/pg" "$@"; }
as_postgres "$bin/initdb" -D "$top/pg/data" --auth-local=peer --auth-host=scram-sha-256 -U postgres --no-sync >>demo.log 2>&1
setpriv --reuid=postgres --regid=postgres --init-groups "$bin/postgres" -D "$top/pg/data" -c port=$pg_port \
  -c listen_addresses=127.0.0.1 -c unix_socket_directories="$top/pg" >>demo.log 2>&1 &
pids+=($!)
sql() { as_postgres "$bin/psql" -X -At -h "$top/pg" -p $pg_port -U postgres -d postgres -c "$1"; }
claim "PostgreSQL serves on 127.0.0.1:$pg_port" until_true sql "select 1"
admin_password=$(openssl rand -hex 16)
sql "create role baoadmin login createrole password '$admin_password'; create table facts (n integer); insert into facts values (42);
  grant select on facts to baoadmin with grant option" >>demo.log
roles() { sql "select rolname from pg_roles where rolname like 'v-%' order by oid"; }
no_role() { local left; left=$(roles) && [ -z "$left" ]; }

say "OpenBao, over TLS, with an audit of its own"
install -d -m 755 bao
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=demo" -addext "subjectAltName=IP:127.0.0.1" \
  -keyout bao/key.pem -out bao/cert.pem 2>>demo.log
cat >bao/server.hcl <<HCL
storage "inmem" {}
listener "tcp" {
  address       = "127.0.0.1:$bao_port"
  tls_cert_file = "$top/bao/cert.pem"
  tls_key_file  = "$top/bao/key.pem"
}
api_addr = "https://127.0.0.1:$bao_port"
audit "file" "demo" {
  options {
    file_path = "$top/bao/audit.jsonl"
  }
}
HCL
export BAO_ADDR=https://127.0.0.1:$bao_port BAO_CACERT=$top/bao/cert.pem HOME=$top/bao
"$bao" server -config="$top/bao/server.hcl" >bao/server.log 2>&1 &
server=$!
pids+=("$server")
until_true listens $bao_port || { tail -5 bao/server.log >&2; exit 1; }
"$bao" operator init -key-shares=1 -key-threshold=1 -format=json >bao/init.json
"$bao" operator unseal "$(jq -r '.unseal_keys_b64[0]' bao/init.json)" >>demo.log
BAO_TOKEN=$(jq -r .root_token bao/init.json)
export BAO_TOKEN
claim "OpenBao serves on $BAO_ADDR, unsealed" until_true "$bao" token lookup -field=policies
# What the server itself counted, of requests that succeeded: counted OPERATIONS PATH-REGEX, as of now.
counted() {
  jq -s --arg operations "$1" --arg path "^($2)$" '[.[] | select(.type == "response" and .error == null
    and (.request.operation | inside($operations)) and (.request.path | test($path)))] | length' bao/audit.jsonl
}
mints() { counted "read create update" "database/creds/$1"; }
logins() { counted "create update" "auth/.*/login"; }

"$bao" secrets enable database >>demo.log
"$bao" write database/config/pg plugin_name=postgresql-database-plugin allowed_roles='*' username=baoadmin password="$admin_password" \
  connection_url="postgresql://{{username}}:{{password}}@127.0.0.1:$pg_port/postgres?sslmode=disable" >>demo.log
database_role() {  # database_role NAME TTL MAX
  "$bao" write "database/roles/$1" db_name=pg default_ttl="$2" max_ttl="$3" creation_statements="create role \"{{name}}\" login
    password '{{password}}' valid until '{{expiration}}'; grant select on facts to \"{{name}}\"" >>demo.log
}
claim "a role whose credentials live for 5 seconds, 10 at most" database_role app 5s 10s
claim "and one whose credentials live for an hour" database_role steady 1h 24h
