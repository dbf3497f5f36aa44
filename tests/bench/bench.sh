#!/bin/bash
# Bulk rate, round-trip time, short connections and requests to servers of many processes, beside the kernel's over the
# same veth, in the same run, interleaved; medians of RUNS (5), with the ratio to the kernel's. Host a is under test;
# host b is the peer.
#
#   RUNS=5 BYTES=500000000 ROUND_TRIPS=20000 CONNECTIONS=1000 ROWS=bulk,trip,connections,servers,ack tests/bench/bench.sh
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
: "${RUNS:=5}" "${BYTES:=500000000}" "${ROUND_TRIPS:=20000}" "${REQUESTS:=100000}" "${CONNECTIONS:=1000}"
: "${ROWS:=bulk,trip,connections,servers,ack}"
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

# Connections of a to b per second by so many threads, each with a request and an answer; WHO closes first. What is left
# of ours in TIME_WAIT goes before the next run. The kernel's stays for a minute, and its ports with it: so there are
# not many connections in one run.
connect_rate()
{
    port=$((port + 1))
    host_bg b "$2" "$TOP_BUILDDIR/tests/bench/bench_conn" serve $port
    other=$STARTED
    wait_port "$NS_B" $port
    host a "$1" timeout 60 "$TOP_BUILDDIR/tests/bench/bench_conn" connect 192.0.2.2 $port "$CONNECTIONS" "$3" "$4"
    stop "$other"
    for ns in "$NS_A" "$NS_B"; do
        for pid in $(ip netns pids "$ns"); do
            kill -9 "$pid"
        done
    done 2>/dev/null
}

# requests per second to a server of PROCESSES, a connection each; b asks
serve_rate()
{
    port=$((port + 1))
    host_bg a "$1" timeout 60 "$bench" serve $port "$3" 100 >"$TMP/other"
    other=$STARTED
    wait_port "$NS_A" $port
    host b "$2" timeout 60 "$bench" ask 192.0.2.1 $port "$3" 100 "$REQUESTS"
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
case $ROWS in *bulk*)
    row "bulk, sending" "Gbit/s" 1.25e8 send_rate
    row "bulk, receiving" "Gbit/s" 1.25e8 recv_rate
    ;;
esac
case $ROWS in *trip*)
    row "round trip, 1 byte" "us" 1 round_trip 1 ""
    row "round trip, 1000 bytes" "us" 1 round_trip 1000 ""
    row "the same, 1 byte, epoll" "us" 1 round_trip 1 e
    ;;
esac
case $ROWS in *connections*)
    for who in client server; do
        row "connections, $who closes" "1000/s" 1000 connect_rate 1 $who
        row "the same, by 8 threads" "1000/s" 1000 connect_rate 8 $who
    done
    ;;
esac
case $ROWS in *servers*)
    row "server, 1 process" "1000 requests/s" 1000 serve_rate 1
    row "server, 8 processes" "1000 requests/s" 1000 serve_rate 8
    row "server, 32 processes" "1000 requests/s" 1000 serve_rate 32
    ;;
esac

# What an ACK costs the sender by itself, with few and with many segments in flight.
case $ROWS in *ack*)
    echo
    "$TOP_BUILDDIR/tests/bench/bench_ack"
    ;;
esac
