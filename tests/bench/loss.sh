#!/bin/bash
# Congestion control over bad cables (tests/bridge), beside the kernel's in the same run, interleaved: medians of RUNS,
# with the ratio to the kernel's. Host a is under test, first as the sender, then as the receiver; host b is the kernel's.
#
#   RUNS=5        runs of each row
#   TIME=8        seconds of a flow (twice as many with a round trip of 100 ms)
#   CCS="cubic bbr"
#   ROWS=PATTERN  only the rows whose name has it (extended regular expression)
#   COUNT=1000    short transfers
#   FAIR_TIME=60  seconds of the two flows that share a bottleneck
#
# A quick look: RUNS=1 TIME=4 COUNT=200 FAIR_TIME=10 ROWS='50 Mbit' tests/bench/loss.sh
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
: "${RUNS:=5}" "${TIME:=8}" "${CCS:=cubic bbr}" "${ROWS:=.}" "${COUNT:=1000}" "${FAIR_TIME:=60}"
bench=$TOP_BUILDDIR/tests/bench/bench_flow
net_bridged
port=6000
seed=0

median() { sort -n | awk '$1 != "nan" { v[++n] = $1 } END { print n ? v[int((n + 1) / 2)] : "nan" }'; }
number() { [ -s "$1" ] && cat "$1" || echo nan; }

# flow FROM FROM_KIND TO TO_KIND CC SECONDS: bits per second as the receiver has them
flow()
{
    port=$((port + 1))
    host_bg "$3" "$4" timeout $(($6 + 20)) "$bench" sink $port "$6" >"$TMP/flow"
    receiver=$STARTED
    wait_port "$(ns_of "$3")" $port
    host_bg "$1" "$2" timeout $(($6 + 20)) "$bench" source "$(address_of "$3")" $port "$5" 2>>"$TMP/errors"
    sender=$STARTED
    # One that could not even begin leaves the other waiting.
    while kill -0 "$receiver" 2>/dev/null && kill -0 "$sender" 2>/dev/null; do read -r -t 0.1 _ <> <(:) || :; done
    read -r -t 0.3 _ <> <(:) || :
    [ -s "$TMP/flow" ] || stop "$receiver"
    stop "$sender"
    wait "$receiver" 2>/dev/null
    number "$TMP/flow"
}

# shorts FROM FROM_KIND TO TO_KIND CC: median and 99th percentile, milliseconds; FROM serves
shorts()
{
    port=$((port + 1))
    host_bg "$1" "$2" timeout 120 "$bench" serve $port 30000 "$COUNT" "$5" 2>>"$TMP/errors"
    server=$STARTED
    wait_port "$(ns_of "$1")" $port || { echo nan nan; return; }
    host "$3" "$4" timeout 120 "$bench" fetch "$(address_of "$1")" $port 30000 "$COUNT" >"$TMP/short" 2>>"$TMP/errors"
    stop "$server"
    [ -s "$TMP/short" ] && cat "$TMP/short" || echo nan nan
}

# line NAME CC UNIT DIVISOR KERNEL SENDING RECEIVING
line()
{
    awk -v name="$1" -v cc="$2" -v unit="$3" -v d="$4" -v k="$5" -v s="$6" -v r="$7" '
        function value(v) { return v == "nan" ? sprintf("%9s", "-") : sprintf("%9.2f", v / d) }
        function ratio(v) { return v == "nan" || k + 0 == 0 ? sprintf("%6s  ", "-") : sprintf("%6.2f x", v / k) }
        BEGIN { printf "%-44s %-6s %s %s %s %s %s  %s\n", name, cc, value(k), value(s), ratio(s), value(r), ratio(r), unit }'
}

# row NAME SECONDS BRIDGE_OPTION ...
row()
{
    name=$1 seconds=$2
    shift 2
    grep -qE "$ROWS" <<<"$name" || return 0
    for cc in $CCS; do
        rm -f "$TMP"/m.*
        for _ in $(seq "$RUNS"); do
            seed=$((seed + 1))
            for kind in k s r; do # each on the same dice
                bridge -s $seed "$@"
                case $kind in
                k) flow a kernel b kernel "$cc" "$seconds" >>"$TMP/m.k" ;;
                s) flow a shim b kernel "$cc" "$seconds" >>"$TMP/m.s" ;;
                r) flow b kernel a shim "$cc" "$seconds" >>"$TMP/m.r" ;;
                esac
            done
        done
        line "$name" "$cc" Mbit/s 1e6 "$(median <"$TMP/m.k")" "$(median <"$TMP/m.s")" "$(median <"$TMP/m.r")"
    done
}

short_row()
{
    name=$1
    shift
    grep -qE "$ROWS" <<<"$name" || return 0
    for cc in $CCS; do
        rm -f "$TMP"/m.*
        for _ in $(seq "$RUNS"); do
            seed=$((seed + 1))
            bridge -s $seed "$@"
            shorts a kernel b kernel "$cc" >>"$TMP/m.k"
            shorts a shim b kernel "$cc" >>"$TMP/m.s"
            shorts b kernel a shim "$cc" >>"$TMP/m.r"
        done
        for column in 1 2; do
            what="median"
            [ $column = 1 ] || what="99th percentile"
            line "$name, $what" "$cc" "ms (less is better)" 1 "$(cut -d' ' -f$column "$TMP/m.k" | median)" \
                "$(cut -d' ' -f$column "$TMP/m.s" | median)" "$(cut -d' ' -f$column "$TMP/m.r" | median)"
        done
    done
}

# pair KIND CC KIND CC: two flows from a to b at once; their rates, in a line of $TMP/pairs
pair()
{
    bridge -s $seed -d 10 -b 50 -q 125000
    port=$((port + 2))
    rm -f "$TMP"/fair*
    for i in 0 1; do
        host_bg b kernel timeout $((FAIR_TIME + 20)) "$bench" sink $((port + i)) "$FAIR_TIME" >"$TMP/fair$i"
        eval "sink$i=\$STARTED"
        wait_port "$NS_B" $((port + i))
    done
    host_bg a "$1" timeout $((FAIR_TIME + 20)) "$bench" source 192.0.2.2 $port "$2" 2>>"$TMP/errors"
    source0=$STARTED
    host_bg a "$3" timeout $((FAIR_TIME + 20)) "$bench" source 192.0.2.2 $((port + 1)) "$4" 2>>"$TMP/errors"
    source1=$STARTED
    # shellcheck disable=SC2154
    wait "$sink0" "$sink1" 2>/dev/null
    stop "$source0"
    stop "$source1"
    [ ! -s "$TMP/fair0" ] || [ ! -s "$TMP/fair1" ] || paste -d' ' "$TMP/fair0" "$TMP/fair1" >>"$TMP/pairs"
}

# fair KIND CC KIND CC: the same RUNS times; medians of the rates and of Jain's index
fair()
{
    rm -f "$TMP/pairs"
    for _ in $(seq "$RUNS"); do
        seed=$((seed + 1))
        pair "$@"
    done
    [ -s "$TMP/pairs" ] || return 0
    awk '{ print ($1 + $2) ^ 2 / (2 * ($1 ^ 2 + $2 ^ 2)) }' "$TMP/pairs" | median >"$TMP/jain"
    printf '%-51s %9.2f and %.2f Mbit/s, Jain %.3f\n' "fair share, $(called "$1") $2, $(called "$3") $4" \
        "$(cut -d' ' -f1 "$TMP/pairs" | median | scaled)" "$(cut -d' ' -f2 "$TMP/pairs" | median | scaled)" \
        "$(cat "$TMP/jain")"
}

scaled() { awk '{ print $1 / 1e6 }'; }
called() { if [ "$1" = shim ]; then echo libshim; else echo kernel; fi; }

# Each algorithm beside itself; and BBR beside CUBIC, where ours should leave no less than the kernel's does.
fair_row()
{
    grep -qE "$ROWS" <<<"fair share" || return 0
    for cc in $CCS; do
        fair kernel "$cc" kernel "$cc"
        fair shim "$cc" kernel "$cc"
        fair shim "$cc" shim "$cc"
    done
    grep -qw bbr <<<"$CCS" || return 0
    fair kernel bbr kernel cubic
    fair shim bbr kernel cubic
}

printf '%-44s %-6s %9s %18s %18s\n' "$(nproc) CPUs, $RUNS runs of $TIME s, medians" "" kernel sending receiving
row "50 Mbit/s, 20 ms, no loss" "$TIME" -d 10 -b 50 -q 125000
row "50 Mbit/s, 20 ms, 0.1 % loss" "$TIME" -d 10 -b 50 -q 125000 -l 0.1
row "50 Mbit/s, 20 ms, 1 % loss" "$TIME" -d 10 -b 50 -q 125000 -l 1
row "50 Mbit/s, 20 ms, 3 % loss" "$TIME" -d 10 -b 50 -q 125000 -l 3
row "50 Mbit/s, 20 ms, 5 % reordered by 5 ms" "$TIME" -d 10 -b 50 -q 125000 -r 5 -R 5
row "100 Mbit/s, 100 ms, no loss" $((TIME * 2)) -d 50 -b 100 -q 1250000
short_row "$COUNT x 30 KB, 20 ms, 2 % loss" -d 10 -l 2
fair_row
[ ! -s "$TMP/errors" ] || sort "$TMP/errors" | uniq -c | sed 's/^/# /'
