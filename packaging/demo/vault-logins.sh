# Part of packaging/demo.sh vault: logins, replacements and kills.

say "looking costs nothing"
claim "find and ls -lR see the names" sh -c "find '$mount' | grep -q db/password && ls -lR '$mount' | grep -q pgpass"
nothing_minted() { [ "$(mints '.*')" = 0 ] && no_role; }
claim "and nothing was minted: PostgreSQL has no role of ours" nothing_minted

say "20 seconds of logins, a new credential every few seconds, fs and the backend's process killed in between"
seen=() last='' good=0 bad=0 crossed=0
declare -A killed=([fs]=0 [vault]=0) does=([fs]="fs, which answers readers" [vault]="the backend's process, which renews and replaces")
# psql takes the user from one file and the password from another. Once in a long while the credential is replaced in between,
# they do not fit, and it must try again (S12 in fs/SEMANTICS.md, "Not in this version"). No other failure is forgiven.
log_in() {
  local shown
  shown=$(as_user cat "$mount/db/username") || return 1
  row=$(login) && return 0
  [ "$(as_user cat "$mount/db/username")" != "$shown" ] || return 1
  crossed=$((crossed + 1))
  row=$(login)
}
end=$((SECONDS + 20)) next_kill=$((SECONDS + 3)) victim=fs
while ((SECONDS < end)); do
  if log_in && [[ $row == v-*'|42' ]]; then
    good=$((good + 1)) name=${row%|42}
    if [ "$last" != "$name" ]; then
      seen+=("$name") last=$name
      printf '          %(%T)T  psql is %s\n' -1 "$name"
    fi
  else
    bad=$((bad + 1))
  fi
  if ((SECONDS >= next_kill)); then
    printf '          %(%T)T  kill -9 of %s\n' -1 "${does[$victim]}"
    kill_child $victim || bad=$((bad + 1))
    killed[$victim]=$((killed[$victim] + 1))
    [ $victim = fs ] && victim=vault || victim=fs
    next_kill=$((SECONDS + 3))
  fi
  sleep 0.2
done
minted=$(mints app) || minted=unknown
printf '          %d logins, %d failed, %d fell into a replacement; %d credentials\n' "$good" "$bad" "$crossed" "${#seen[@]}"
every_login_worked() { [ "$bad" = 0 ] && [ "$good" -gt 20 ] && [ "$crossed" -le 1 ]; }
claim "every login worked" every_login_worked
replaced() { [ "${#seen[@]}" -ge 2 ]; }
claim "the credentials were replaced before the eyes of psql" replaced
# One more may be on its way, or have been asked for by a process that was killed before the answer.
minted_once_each() { [ "$minted" -ge "${#seen[@]}" ] && [ "$minted" -le $((${#seen[@]} + 1)) ]; }
claim "each was minted once, says the audit of OpenBao: $minted mints" minted_once_each
one_login() { [ "$(logins)" = 1 ] && [ "${killed[fs]}" -ge 2 ] && [ "${killed[vault]}" -ge 2 ]; }
claim "leasefs has logged in once, though fs was killed ${killed[fs]} times and the backend's process ${killed[vault]} times" one_login

say "a credential for an hour: ten readers at once, before anybody has it"
minted_for_steady() { [ "$(mints steady)" = "$1" ] && [ "$(roles | grep -c '^v-.*-steady-')" = "$1" ]; }
claim "nobody has it yet" minted_for_steady 0
kill -STOP "$server"  # no answer before all ten wait
readers=() passwords=()
for _ in {1..10}; do
  exec {reader}< <(password_of steady)
  readers+=("$reader")
done
ten_wait() { [ "$("$leasefs" status -o json | jq .counters.waiting)" = 10 ]; }
claim "OpenBao is held, and ten readers wait" until_true ten_wait
kill -CONT "$server"
for reader in "${readers[@]}"; do
  passwords+=("$(cat <&"$reader")")
  exec {reader}<&-
done
password=${passwords[0]}
all_the_same() {
  local other
  [ -n "$password" ] && [ ${#passwords[@]} = 10 ] || return 1
  for other in "${passwords[@]}"; do [ "$other" = "$password" ] || return 1; done
}
claim "then all ten read the same password" all_the_same
claim "one mint, and PostgreSQL has one role for it" minted_for_steady 1

say "ten kills"
failures=()
for round in {1..5}; do
  for victim in fs vault; do
    kill_child $victim || failures+=("kill $round of $victim: no successor")
    [ "$(password_of steady)" = "$password" ] || failures+=("kill $round of $victim: its password is not what is read")
  done
done
nothing_failed() { ((${#failures[@]} == 0)) || { printf '%s\n' "${failures[@]}" && return 1; }; }
claim "fs and the backend's process are killed five times each, and each time the same password is read" nothing_failed
claim "still one mint, one role" minted_for_steady 1
claim "and one login" one_login
roles | sed 's/^/          /'
