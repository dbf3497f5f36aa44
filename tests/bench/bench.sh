#!/bin/bash
# Bulk rate and round-trip time beside the kernel's over the same veth, in the same run, interleaved; medians of
# RUNS (5), with the ratio to the kernel's. Host a is under test; host b is the peer.
#
#   RUNS=5 BYTES=500000000 ROUND_TRIPS=20000 tests/bench/bench.sh
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
: "${RUNS:=5}" "${BYTES:=500000000}" "${ROUND_TRIPS:=20000}"
bench=$TOP_BUILDDIR/tests/bench/bench_net
net_pair
port=6000

# send A_KIND B_KIND: bytes per second from a to b, as the sender has it
send_rate()
{
    port=$((port + 1))
    host_bg b "$2" timeout 60 "$bench" sink $port >"$TMP/other"
    other=$STARTED
    wait_port "$NS_B" $port
    host a "$1" timeout 60 "$bench" source 192.0.2.2 $port "$BYTES"
    wait "$other"
}

recv_rate()
{
    port=$((port + 1))
    host_bg a "$1" timeout 60 "$bench" sink $port >"$TMP/other"
    other=$STARTED
    wait_port "$NS_A" $port
    host b "$2" timeout 60 "$bench" source 192.0.2.1 $port "$BYTES"
    wait "$other"
}

# one round trip of SIZE bytes, a asks; HOW: e if both wait in epoll_wait()
round_trip()
{
    port=$((port + 1))
    host_bg b "$2" timeout 60 "$bench" "$4"pong $port "$3" >"$TMP/other"
    other=$STARTED
    wait_port "$NS_B" $port
    host a "$1" timeout 60 "$bench" "$4"ping 192.0.2.2 $port "$3" "$ROUND_TRIPS"
    wait "$other"
}

median() { sort -n | awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : "nan" }'; }

# row NAME UNIT DIVISOR FUNCTION ARG...: measures kernel-kernel, shim-kernel, shim-shim in turn
row()
{
    name=$1 unit=$2 divisor=$3 fn=$4
    shift 4
    rm -f "$TMP/kk" "$TMP/sk" "$TMP/ss"
    for _ in $(seq "$RUNS"); do
        "$fn" kernel kernel "$@" >>"$TMP/kk"
        "$fn" shim kernel "$@" >>"$TMP/sk"
        "$fn" shim shim "$@" >>"$TMP/ss"
    done
    awk -v name="$name" -v unit="$unit" -v d="$divisor" -v kk="$(median <"$TMP/kk")" \
        -v sk="$(median <"$TMP/sk")" -v ss="$(median <"$TMP/ss")" 'BEGIN {
        printf "%-28s %9.2f %9.2f %6.2f x %9.2f %6.2f x  %s\n", name, kk / d, sk / d, sk / kk, ss / d, ss / kk, unit }'
}

printf '%-28s %9s %18s %18s\n' "$(nproc) CPUs, $RUNS runs, medians" "kernel" "one end wrapped" "both ends wrapped"
row "bulk, sending" "Gbit/s" 1.25e8 send_rate
row "bulk, receiving" "Gbit/s" 1.25e8 recv_rate
row "round trip, 1 byte" "us" 1 round_trip 1 ""
row "round trip, 1000 bytes" "us" 1 round_trip 1000 ""
row "the same, 1 byte, epoll" "us" 1 round_trip 1 e

# What an ACK costs the sender by itself, with few and with many segments in flight.
echo
"$TOP_BUILDDIR/tests/bench/bench_ack"
