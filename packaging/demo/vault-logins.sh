# Part of packaging/demo.sh vault: logins, replacements and kills.

say "looking costs nothing"
claim "find and ls -lR see the names" sh -c "find '$mount' | grep -q db/password && ls -lR '$mount' | grep -q pgpass"
nothing_minted() { [ "$(mints '.*')" = 0 ] && [ -z "$(roles)" ]; }
claim "and nothing was minted: PostgreSQL has no role of ours" nothing_minted

say "20 seconds of logins, a new credential every few seconds, the daemon killed in between"
seen=() last='' good=0 bad=0
declare -A killed=([fs]=0 [vault]=0) does=([fs]="answers readers" [vault]="holds the leases")
end=$((SECONDS + 20)) next_kill=$((SECONDS + 3)) victim=fs
while ((SECONDS < end)); do
  if row=$(login) && [[ $row == v-*'|42' ]]; then
    good=$((good + 1)) name=${row%|42}
    if [ "$last" != "$name" ]; then
      seen+=("$name") last=$name
      printf '          %(%T)T  psql is %s\n' -1 "$name"
    fi
  else
    bad=$((bad + 1))
  fi
  if ((SECONDS >= next_kill)); then
    printf '          %(%T)T  kill -9 of the process that %s\n' -1 "${does[$victim]}"
    kill_child $victim || bad=$((bad + 1))
    killed[$victim]=$((killed[$victim] + 1))
    [ $victim = fs ] && victim=vault || victim=fs
    next_kill=$((SECONDS + 3))
  fi
  sleep 0.2
done
printf '          %d logins, %d failed; %d credentials; %d and %d kills\n' "$good" "$bad" "${#seen[@]}" "${killed[fs]}" "${killed[vault]}"
every_login_worked() { [ "$bad" = 0 ] && [ "$good" -gt 20 ]; }
claim "every login worked" every_login_worked
replaced() { [ "${#seen[@]}" -ge 2 ]; }
claim "the credentials were replaced before the eyes of psql" replaced
minted_once_each() { local minted; minted=$(mints app); [ "$minted" -ge "${#seen[@]}" ] && [ "$minted" -gt 0 ] && [ "$minted" -le $((${#seen[@]} + 1)) ]; }
claim "each was minted once, says the audit of OpenBao: $(mints app) mints" minted_once_each
one_login() { [ "$(logins)" = 1 ]; }
claim "and leasefs has logged in once, however often it was killed" one_login

say "a credential for an hour, ten readers, ten kills"
password_of() { as_user cat "$mount/steady/password"; }
before=$(password_of)
for _ in 1 2 3 4 5; do
  kill_child fs && kill_child vault || bad=$((bad + 1))
  [ "$(password_of)" = "$before" ] || bad=$((bad + 1))
done
readers_agree() {
  local i
  for i in 1 2 3 4 5 6 7 8 9 10; do [ "$(password_of)" = "$before" ] || return 1; done
}
claim "everybody reads the same" readers_agree
one_mint() { [ "$(mints steady)" = 1 ] && [ "$(roles | grep -c '^v-.*-steady-')" = 1 ]; }
claim "one mint, and PostgreSQL has one role for it" one_mint
roles | sed 's/^/          /'
