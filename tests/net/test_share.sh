#!/bin/bash
# Programs with the same SHIM_ADDRESS are one host: they share one stack, at the same time and one after the other.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair own
cases=$TOP_BUILDDIR/tests/net/exit_cases

keepers() { for pid in $(ip netns pids "$NS_A"); do cat "/proc/$pid/comm" 2>/dev/null; done | grep -c '^shim-keeper$'; }

# ---- started at the same moment ----
pids=
for port in 7001 7002 7003 7004 7005 7006; do
    start_b "$cases" sink $port >"$TMP/sink$port" </dev/null
    wait_port "$NS_B" $port || not_ok "the peer listens"
done
for port in 7001 7002 7003 7004 7005 7006; do
    host_bg a own "$cases" send 192.0.2.2 $port 1000000 exit
    pids="$pids $STARTED"
done
got=
for pid in $pids; do
    wait "$pid"
    got="$got$? "
done
is "$got" "0 0 0 0 0 0 " "six programs with one address, at once"
for port in 7001 7002 7003 7004 7005 7006; do
    until_true test -s "$TMP/sink$port"
    cat "$TMP/sink$port"
done >"$TMP/sunk"
is "$(sort -u "$TMP/sunk")" "1000000 EOF" "each has its connection"
is "$(keepers)" 1 "they have one stack"

# ---- a server, and a client beside it ----
host_bg a own "$cases" serve 8000 2 500000 >"$TMP/serve"
server=$STARTED
until_true grep -q listening "$TMP/serve"
is "$(host a own "$cases" listen 8000 | head -n 1)" EADDRINUSE "a port that another program has"
is "$(in_b "$cases" read 192.0.2.1 8000)" "500000 EOF" "the server goes on"
mkfifo "$TMP/hold"
exec 7<>"$TMP/hold"
host_bg b kernel "$cases" sink 7010 >"$TMP/sink7010" <"$TMP/hold" 7>&-
sink=$STARTED
wait_port "$NS_B" 7010
taken=$(host a own "$cases" stuff 192.0.2.2 7010 2>/dev/null)
exec 7>&-
wait "$sink"
is "$(cat "$TMP/sink7010")" "$taken EOF" "a program that is killed beside it"
is "$(in_b "$cases" read 192.0.2.1 8000)" "500000 EOF" "the server goes on still"
wait "$server"
is "$?" 0 "and ends"

# ---- another user ----
public_libshim
cp "$cases" "$TMP"
got=$(host a own setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps +net_raw --ambient-caps +net_raw \
    "$TMP/exit_cases" read 192.0.2.2 7020 2>&1)
is "$got" "libshim: the stack that has 192.0.2.1 cannot be joined: Permission denied
connect: Permission denied" "another user is not let in"
kernel_stayed_out "$NS_A" "all of this"
done_testing
