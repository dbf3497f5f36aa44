#!/bin/bash
# A router on the way takes smaller packets than both ends. It says so (RFC 1191), or it keeps quiet (RFC 4821): what a
# preloaded program sends arrives all the same.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_routed 1300
make_file "$TMP/up" 2000003

# send NAME PORT SECONDS: the file goes from a to b in so much time at most.
send()
{
    start_b timeout 60 nc -l -p "$2" >"$TMP/got"
    wait_port "$NS_B" "$2" || not_ok "$1: nc listens"
    before=${EPOCHREALTIME/./}
    host a shim timeout 60 nc -N 198.51.100.2 "$2" <"$TMP/up"
    is $? 0 "$1: the sender ends well"
    wait "$STARTED"
    took=$((${EPOCHREALTIME/./} - before))
    is "$(sum_of "$TMP/got")" "$(sum_of "$TMP/up")" "$1: the content arrives"
    check "$1: within $3 s (took $((took / 1000)) ms)" [ "$took" -lt "${3}000000" ]
}
kernel_mark "$NS_A"
send "a router that says so" 7001 20
ip -n "$NS_M" rule add pref 10 iif lo to 192.0.2.0/24 prohibit # what it says itself does not leave it
send "a router that keeps quiet" 7002 30
kernel_stayed_out "$NS_A" "the sender"
done_testing
