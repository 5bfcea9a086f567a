# Part of packaging/demo.sh vault: what is left when leasefs stops.

say "leasefs stop --revoke"
claim "status says until when the token and the leases live" sh -c "'$leasefs' status | grep -q 'logged in, token until'"
claim "it revokes what it holds and stops" "$leasefs" stop --revoke
gone() { [ -z "$(roles)" ]; }
claim "PostgreSQL has no role of ours any more" until_true gone
stopped() { ! kill -0 "$keeper" 2>/dev/null; }
claim "the daemon has ended, the mount is gone" until_true sh -c "! mountpoint -q '$mount'"
claim "no value is in the log or the audit" refused grep -qF -f <(echo "$before"; cat "$top/secret-id") daemon.log audit.jsonl

what_it_did() {
  cat <<TEXT
  psql, which knows nothing of leasefs, logged in $good times with ${#seen[@]} credentials that OpenBao made in PostgreSQL, each for
  seconds. It read them from $mount/app/pgpass and pg_service.conf. They were minted by the first read, replaced before
  they ended, kept over $((killed[fs] + killed[vault] + 10)) kills, and revoked at the end. Look at
    $top/leasefs.toml    the configuration: backend, trees, files, rules
    $top/bao/audit.jsonl what OpenBao was asked
    $top/audit.jsonl     one line for each open
TEXT
}
