#!/bin/bash
# Programs that end with connections open: what they have written arrives, and an end after it, as with the kernel's
# own sockets; the process that sees to it is invisible, and goes when it is done.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
: "${kind:=shim}"
if [ "$kind" = own ]; then net_pair own; else net_pair; fi
cases=$TOP_BUILDDIR/tests/net/exit_cases
port=7000

keepers() { for pid in $(ip netns pids "$NS_A"); do cat "/proc/$pid/comm" 2>/dev/null; done | grep -c '^shim-keeper$'; }
keeper_pid() { for pid in $(ip netns pids "$NS_A"); do grep -qx shim-keeper "/proc/$pid/comm" 2>/dev/null && echo "$pid"; done; }
no_keeper() { [ "$(keepers)" = 0 ]; }

# The peer on B, on a new $port; what it says goes to $TMP/sink.
sink()
{
    port=$((port + 1))
    start_b "$cases" sink "$port" >"$TMP/sink"
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
for how in return exit _exit kill; do
    sink
    host a "$kind" "$cases" send 192.0.2.2 "$port" 10000000 $how 2>/dev/null
    sunk "10000000 EOF" "10 MB, then $how: all of it and an end"
done
if [ "$kind" = own ]; then
    is "$(keepers)" 1 "they are kept in TIME_WAIT by one process, because they had one address"
else
    is "$(keepers)" 4 "each is kept in TIME_WAIT by a process of its own"
fi
done_testing
