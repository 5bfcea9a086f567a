# Part of packaging/demo.sh: who is refused, and what the audit says.

say "everybody else"
before=$(wc -l <audit.jsonl)
as() { setpriv --reuid="$1" --regid="$(id -g "$1")" --clear-groups "${@:2}"; }
denied() {
  local said
  said=$(as "$1" cat "$mount/web/tls/key.pem" 2>&1) && return 1
  [[ $said == *"Permission denied"* ]]
}
claim "another user gets EACCES" denied nobody
claim "root gets EACCES" denied root
claim "nobody can change anything, root neither" refused rm -f "$mount/web/tls/key.pem"
claim "the rule that decides is shown" sh -c "'$leasefs' explain --user www-data web/tls/key.pem | grep -q leasefs.toml"

say "the audit: $top/audit.jsonl"
as www-data cat "$mount/web/tls/cert.pem" >>demo.log
sleep 0.3
records() { tail -n "+$((before + 1))" audit.jsonl | jq -r 'select(.type == "open") | "\(.outcome) uid \(.uid) \(.path)"'; }
records | sed 's/^/          /'
three() { [ "$(records | wc -l)" = 3 ] && [ "$(records | grep -c ^denied)" = 2 ]; }
claim "one record for each of these three opens, refusals too" three
claim "and no value in any of them" refused grep -qE 'BEGIN|PRIVATE' audit.jsonl daemon.log
claim "the daemon is well" sh -c "'$leasefs' status | grep -q ' ok '"

what_it_did() {
  cat <<TEXT
  Keys and certificates were put into an encrypted store and read from $mount by nginx, PostgreSQL, ssh and a
  container, none of which knows of it. Look at
    $top/leasefs.toml    the configuration: trees and rules
    $top/audit.jsonl     one line for each open, refusals too
TEXT
}
