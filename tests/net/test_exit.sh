#!/bin/bash
# Programs that end with connections open: what they have written arrives, and an end after it, as with the kernel's
# own sockets; the process that sees to it is invisible, and goes when it is done.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
: "${kind:=shim}"
if [ "$kind" = own ]; then net_pair own; else net_pair; fi
cases=$TOP_BUILDDIR/tests/net/exit_cases
port=7000

# Housekeepers are called libshim.so while they start.
keeper_pid()
{
    for pid in $(ip netns pids "$NS_A"); do
        grep -qxE 'shim-keeper|libshim.so' "/proc/$pid/comm" 2>/dev/null && echo "$pid"
    done
}
keepers() { keeper_pid | wc -l; }

# sink [HOLD]: the peer on B, on a new $port, which reads once HOLD has ended; what it says goes to
# $TMP/sink.
sink()
{
    port=$((port + 1))
    host_bg b kernel "$cases" sink "$port" >"$TMP/sink" <"${1:-/dev/null}"
    sink_pid=$STARTED
    wait_port "$NS_B" "$port" || not_ok "the peer listens"
}

# A wrapped server on A and $port: serve TIMES BYTES.
serve()
{
    host_bg a "$kind" "$cases" serve "$port" "$@" >"$TMP/serve"
    server=$STARTED
    until_true grep -q listening "$TMP/serve" || not_ok "the server listens"
}

# sunk WANTED NAME
sunk()
{
    wait "$sink_pid"
    is "$(cat "$TMP/sink")" "$1" "$2"
}

# ---- what was written arrives, however the program ends ----
for how in return exit _exit; do
    sink
    host a "$kind" "$cases" send 192.0.2.2 "$port" 10000000 $how
    sunk "10000000 EOF" "10 MB, then $how: all of it and an end"
done
# (These connections are in TIME_WAIT now. Their keepers are looked at again at the end of this test.)
if [ "$kind" = own ]; then
    is "$(keepers)" 1 "they are kept in TIME_WAIT by one process, because they had one address"
else
    is "$(keepers)" 3 "each is kept in TIME_WAIT by a process of its own"
fi
first_keepers=$(keeper_pid)

# ---- killed, while the peer does not read ----
mkfifo "$TMP/hold"
exec 7<>"$TMP/hold"
sink "$TMP/hold" 7>&-
taken=$(host a "$kind" "$cases" stuff 192.0.2.2 "$port" 2>/dev/null)
exec 7>&-
sunk "$taken EOF" "killed with data unsent: all that was taken arrives, and an end"
check "more than the peer had room for" test "$taken" -gt 131072

# ---- killed in the middle: a connection that the process was at work on is reset ----
bad=
for i in 1 2 3 4 5 6 7 8; do
    sink
    host_bg a "$kind" "$cases" send 192.0.2.2 "$port" 0 forever
    # While data arrives, after a while that is another one each time.
    until_true sh -c "[ \$(ip netns exec $NS_B ss -Hnti 'sport = :$port' | sed -n 's/.*bytes_received:\([0-9]*\).*/\1/p' | sort -n | tail -n 1) -gt $((i * 3000000)) ]"
    kill -9 "$STARTED"
    wait "$sink_pid"
    said=$(cat "$TMP/sink")
    [[ $said =~ ^[0-9]+\ (EOF|ECONNRESET)$ ]] || bad="$bad [$said]"
done 2>/dev/null
is "$bad" "" "killed in the middle: what arrived is right, and has an end"

# ---- a server ----
for times in 1 3; do
    port=$((port + 1))
    serve "$times" 3000000
    got=
    for _ in $(seq "$times"); do
        got="$got$(in_b "$cases" read 192.0.2.1 "$port") "
    done
    wait "$server"
    is "$got" "$(for _ in $(seq "$times"); do printf '3000000 EOF '; done)" "a server that exits after $times"
    # And again on the same port: connections in TIME_WAIT do not stand in the way.
    serve 1 1000
    is "$(in_b "$cases" read 192.0.2.1 "$port")" "1000 EOF" "and is started again"
    wait "$server"
done
is "$(host a "$kind" "$cases" listen 8000)" "OK
OK" "a port that is closed can be had again at once"
is "$(host a "$kind" "$cases" listen 8000; in_a "$cases" listen 8000)" "OK
OK
OK
OK" "by others too"

# ---- children ----
sink
is "$(host a "$kind" "$cases" children 192.0.2.2 "$port")" "1 own, 0 strange, 1 signals, ECHILD" "the program hears of its own child alone"
sunk "0 EOF" "its connection"
sink
exec 7<>"$TMP/hold"
host_bg a "$kind" "$cases" orphan 192.0.2.2 "$port" <"$TMP/hold" 7>&-
wait "$STARTED" 2>/dev/null
exec 7>&-
sunk "1000 EOF" "a child goes on with the connection of a parent that was killed"

# ---- exec of a program that knows nothing of libshim ----
sink
host a "$kind" "$cases" handover 192.0.2.2 "$port" true
sunk "0 EOF" "the connection ends with a program that was executed"

# ---- the housekeeper is killed: the next connection brings another, which guards the old ports too ----
if [ "$kind" = shim ]; then
    mkfifo "$TMP/hold2" "$TMP/said"
    sink
    start_b "$cases" sink $((port + 1)) >"$TMP/sink2"
    sink2_pid=$STARTED
    wait_port "$NS_B" $((port + 1)) || not_ok "the second peer listens"
    old=$(keeper_pid | sort)
    exec 7<>"$TMP/hold2" 8<>"$TMP/said"
    host_bg a "$kind" "$cases" twice 192.0.2.2 "$port" $((port + 1)) <"$TMP/hold2" >"$TMP/said" \
        7>&- 8>&-
    read -r -t 10 _ <&8
    new=$(comm -13 <(echo "$old") <(keeper_pid | sort))
    kill -9 "$new"
    until_true sh -c "! grep -q '^State:.*[RSD] ' /proc/$new/status 2>/dev/null"
    echo >&7
    exec 7>&- 8<&-
    sunk "1 EOF" "the housekeeper is killed: a connection that was there goes on"
    wait "$sink2_pid"
    is "$(cat "$TMP/sink2")" "1 EOF" "and so does one that is made after"
    port=$((port + 1))
fi

kernel_stayed_out "$NS_A" "all of this"

# ---- the end of it all ----
gone=no
for _ in $(seq 1500); do
    gone=yes
    for pid in $first_keepers; do
        [ -d "/proc/$pid" ] && gone=no
    done
    [ $gone = yes ] && break
    read -r -t 0.05 _ <> <(:) || :
done
is $gone yes "nothing is left running after TIME_WAIT"
done_testing
