# Part of packaging/demo.sh: programs that know nothing of leasefs.

say "nginx, wholly as www-data, its master too"
install -d -o www-data -g www-data nginx
cat >nginx/nginx.conf <<CONF
daemon off;
pid $top/nginx/pid;
error_log $top/nginx/error.log;
events {}
http {
  access_log off;
  client_body_temp_path $top/nginx/body; proxy_temp_path $top/nginx/proxy; fastcgi_temp_path $top/nginx/fastcgi;
  uwsgi_temp_path $top/nginx/uwsgi; scgi_temp_path $top/nginx/scgi;
  server {
    listen 127.0.0.1:18443 ssl;
    ssl_certificate     $mount/web/tls/cert.pem;
    ssl_certificate_key $mount/web/tls/key.pem;
    location / { return 200 "served\n"; }
  }
}
CONF
setpriv --reuid=www-data --regid=www-data --clear-groups /usr/sbin/nginx -c "$top/nginx/nginx.conf" >>demo.log 2>&1 &
nginx=$!
pids+=("$nginx")
serial() { openssl s_client -connect 127.0.0.1:18443 </dev/null 2>/dev/null | openssl x509 -noout -serial; }
serves() { [ "$(serial)" = "serial=$1" ]; }
claim "it serves TLS with key and certificate from the mount" until_true serves 03E9
claim "curl, trusting that certificate, gets a page" curl -sf --cacert web.pem https://localhost:18443/ --resolve localhost:18443:127.0.0.1

say "a new certificate"
certificate web 1002
claim "the new one is put" put web/tls key.pem=@web.key cert.pem=@web.pem
rm -f web.key
claim "nginx goes on with what it has" serves 03E9
claim "nginx reloads" kill -HUP "$nginx"
claim "and its next handshakes show the new one" until_true serves 03EA

say "PostgreSQL, which insists on owner and mode of its key"
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
install -d -o postgres -g postgres pg
as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups env HOME="$top/pg" "$@"; }
as_postgres "$bin/initdb" -D "$top/pg/data" -A trust -U postgres >>demo.log 2>&1
postgres_with() {  # postgres_with TREE: does it start with the key of that tree, and speak TLS?
  local status=0
  as_postgres "$bin/pg_ctl" -D "$top/pg/data" -w -t 30 -l "$top/pg/log" start -o "-c ssl=on -c ssl_key_file=$mount/$1/tls/server.key \
    -c ssl_cert_file=$mount/$1/tls/server.crt -c port=15432 -c listen_addresses=127.0.0.1 -c unix_socket_directories=$top/pg" || return 1
  as_postgres psql "host=127.0.0.1 port=15432 sslmode=require user=postgres dbname=postgres" -Atc \
    "select ssl from pg_stat_ssl where pid = pg_backend_pid()" | grep -qx t || status=1
  as_postgres "$bin/pg_ctl" -D "$top/pg/data" -w -m fast stop || status=1
  return $status
}
shows() { [ "$(stat -c '%U:%G %a' "$mount/$1")" = "$2" ]; }
claim "a rule for the user shows postgres:postgres 0400" shows db-user/tls/server.key "postgres:postgres 400"
claim "PostgreSQL starts with it and speaks TLS" postgres_with db-user
claim "a rule for a group shows root:ssl-cert 0440" shows db-group/tls/server.key "root:ssl-cert 440"
claim "PostgreSQL starts with it, too" postgres_with db-group
claim "with mode = \"0444\" it refuses" refused postgres_with db-open
printf '          %s\n' "$(grep -h 'private key file' pg/log | tail -1)"

say "ssh, which insists on the mode of its key"
install -d -m 755 /run/sshd
ssh-keygen -q -t ed25519 -N '' -f "$top/host_key"
/usr/sbin/sshd -D -f /dev/null -h "$top/host_key" -p 12222 -o ListenAddress=127.0.0.1 -o UsePAM=no -o StrictModes=no -o PidFile=none \
  -o "AuthorizedKeysFile=$top/authorized_keys" -o PasswordAuthentication=no >>demo.log 2>&1 &
pids+=($!)
login() {
  setpriv --reuid="$user" --regid="$user" --clear-groups env HOME="$top/home" ssh -F none -o BatchMode=yes -o IdentitiesOnly=yes \
    -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -p 12222 -i "$mount/$1/id/id_ed25519" "$user@127.0.0.1" true
}
claim "it logs in with a key from the mount (0400)" until_true login ssh
claim "with mode = \"0444\" it refuses" refused login ssh-open
printf '          %s\n' "$(grep -h 'are too open' demo.log | tail -1)"

say "a container"
bundle=$top/bundle
mkdir -p "$bundle/rootfs/bin" "$bundle/rootfs/secrets" "$bundle/rootfs/proc" "$bundle/rootfs/dev" "$bundle/rootfs/sys"
cp "$(command -v busybox)" "$bundle/rootfs/bin/busybox"
www=$(id -u www-data)
container() {  # container UID: reads the certificate from a bind-mounted directory
  (cd "$bundle" && rm -f config.json && runc spec)
  jq --arg mount "$mount/web" --argjson uid "$1" '.process.terminal = false | .process.user = {uid: $uid, gid: $uid}
    | .process.args = ["/bin/busybox", "cat", "/secrets/tls/cert.pem"] | del(.process.rlimits)
    | .mounts += [{destination: "/secrets", type: "bind", source: $mount, options: ["rbind", "ro"]}]' \
    "$bundle/config.json" >"$bundle/new.json" && mv "$bundle/new.json" "$bundle/config.json"
  # runc cannot work with a hybrid of both cgroup hierarchies: it does not see the second one.
  unshare -m sh -c 'mountpoint -q /sys/fs/cgroup/unified && umount /sys/fs/cgroup/unified; exec runc --root "$1/runc" run --bundle "$1" leasefs-demo' \
    sh "$bundle"
}
container_reads() { [ "$(container "$1" 2>>demo.log)" = "$(cat web.pem)" ]; }
claim "its www-data reads the certificate from a bind-mounted directory" container_reads "$www"
claim "its root does not" refused container_reads 0
