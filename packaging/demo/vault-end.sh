# Part of packaging/demo.sh vault: what is left when leasefs stops, and when its keeper is killed.

say "leasefs stop --revoke"
claim "status says until when the token lives" sh -c "'$leasefs' status | grep -q 'logged in, token until'"
claim "it revokes what it holds and stops" "$leasefs" stop --revoke
claim "PostgreSQL has no role of ours any more" until_true no_role
ended() { ! kill -0 "$keeper" 2>/dev/null && ! mounted; }
claim "the daemon has ended, the mount is gone" until_true ended
lacks() {  # lacks FILE WORD…: it can be read, and none of the words is in it
  local status=0
  printf '%s\n' "${@:2}" | grep -qF -f - "$1" || status=$?
  [ $status = 1 ]
}
claim "no value is in the log" lacks daemon.log "$password" "$(cat secret-id)"
claim "nor in the audit" lacks audit.jsonl "$password" "$(cat secret-id)"

say "kill -9 of the keeper, which holds the mount and all that outlives the others: this does end leasefs"
claim "leasefsd serves again" start daemon-2.log
read_for_5_seconds() { [ -n "$(password_of db)" ] && [ "$(roles | wc -l)" = 1 ]; }
claim "a credential for 5 seconds is read, PostgreSQL has its role" read_for_5_seconds
children=("$(child fs)" "$(child vault)")
{ kill -9 "$keeper" && wait "$keeper"; } 2>>demo.log || true
none_lives() { local pid; for pid in "$keeper" "${children[@]}"; do [ ! -e "/proc/$pid" ] || return 1; done; }
claim "fs and the backend's process end with it" until_true none_lives
claim "nobody reads from the mount" refused password_of db
claim "the credential, which nobody renews, ends by itself: PostgreSQL has no role of ours" until_true no_role

what_it_did() {
  cat <<TEXT
  psql, which knows nothing of leasefs, logged in $good times with ${#seen[@]} credentials that OpenBao made in PostgreSQL, each for
  seconds. It read them from $mount/app/pgpass and pg_service.conf. They were minted by the first read, replaced before
  they ended, and kept over $((killed[fs] + killed[vault] + 10)) kills of fs and of the backend's process. leasefs stop --revoke gave them
  back; the kill of the keeper ended leasefs, and left what it held to its end. Look at
    $top/leasefs.toml    the configuration: backend, trees, files, rules
    $top/bao/audit.jsonl what OpenBao was asked
    $top/audit.jsonl     one line for each open
TEXT
}
