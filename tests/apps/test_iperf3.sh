#!/bin/bash
# iperf3 in both roles: plain, -R, -P 4, UDP; server and client on the kernel or preloaded.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair

# one SERVER_KIND CLIENT_KIND NAME OPTION...: at least 1 MB went through, no error.
one()
{
    server_kind=$1 client_kind=$2 name=$3
    shift 3
    host_bg b "$server_kind" iperf3 -s -1 -p 5201 >"$TMP/server" 2>&1
    server=$STARTED
    listening b "$server_kind" 5201 || not_ok "iperf3 -s listens"
    host a "$client_kind" timeout 30 iperf3 -J -c 192.0.2.2 -p 5201 "$@" >"$TMP/out" 2>"$TMP/err"
    status=$?
    wait "$server"
    bytes=$(/usr/bin/python3 - "$TMP/out" <<'PY'
import json, sys
try:
    end = json.load(open(sys.argv[1]))["end"]
    part = end.get("sum_received") or end["sum"]
    lost = part.get("lost_percent", 0)
    print(int(part["bytes"]) if lost < 50 else 0)
except Exception:
    print(0)
PY
)
    if [ $status -eq 0 ] && [ "$bytes" -gt 1000000 ]; then
        ok "server $server_kind, client $client_kind: $name"
    else
        not_ok "server $server_kind, client $client_kind: $name" "status $status, $bytes bytes" \
            "$(tail -n 5 "$TMP/out" "$TMP/err")"
    fi
}

for pair in "kernel shim" "shim shim" "shim kernel"; do
    kernel_mark "$NS_A"
    kernel_mark "$NS_B"
    # shellcheck disable=SC2086
    {
        one $pair "TCP" -n 200M
        one $pair "TCP -R" -n 200M -R
        one $pair "TCP -P 4" -n 100M -P 4
        one $pair "UDP" -u -b 50M -n 5M
        one $pair "UDP -R" -u -b 50M -n 5M -R
    }
    [ "${pair% *}" = kernel ] || expect_out b shim "iperf3 server ($pair)"
    [ "${pair#* }" = kernel ] || expect_out a shim "iperf3 client ($pair)"
done
done_testing
