#!/bin/bash
# ECN with the kernel over a cable that marks: both ends agree on it, whoever asks; each hears the marks of its segments from
# the other; and nothing is harmed.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_bridged
PY=/usr/bin/python3
echo_py=$(dirname "$0")/../apps/asyncio_echo.py
in_b sysctl -qw net.ipv4.tcp_ecn=1

count() { in_b nstat -asz "$1" | awk -v n="$1" '$1 == n { print $2 }'; }
# marked FROM: how many segments the cable marked on their way from there
marked() { sed -n "s/^$1 to .*marked \([0-9]*\),.*/\1/p" "$TMP/bridge"; }
end_bridge() { kill "$BRIDGE_PID"; wait "$BRIDGE_PID" 2>/dev/null; BRIDGE_PID=; }

# one NAME SERVER_SIDE SERVER_KIND CLIENT_SIDE CLIENT_KIND PORT: the kernel is in B, with the marks
one()
{
    bridge -s 1 -d 2 -e 3 || not_ok "the bridge starts"
    ce=$(count IpExtInCEPkts) heard=$(count TcpExtTCPDeliveredCE)
    host_bg "$2" "$3" $PY "$echo_py" server 0.0.0.0 "$6"
    server=$STARTED
    listening "$2" "$3" "$6" || not_ok "the server listens ($1)"
    got=$(host "$4" "$5" timeout 30 $PY "$echo_py" client "$(address_of "$2")" "$6" 2 1000003)
    if ! kill -0 "$BRIDGE_PID" 2>/dev/null; then # it was ended from outside: that proves nothing
        BRIDGE_PID=
        bridge -s 1 -d 2 -e 3 || not_ok "the bridge starts"
        got=$(host "$4" "$5" timeout 30 $PY "$echo_py" client "$(address_of "$2")" "$6" 2 1000003)
    fi
    is "$got" "2 of 2 unharmed" "$1: the bytes"
    stop "$server"
    end_bridge
    check "$1: our segments were marked, and the kernel saw it" test $(($(count IpExtInCEPkts) - ce)) -ge 5
    check "$1: its segments were marked, and we told" test $(($(count TcpExtTCPDeliveredCE) - heard)) -ge 5
    check "$1: by the cable" test "$(marked toa)" -ge 5 -a "$(marked tob)" -ge 5
}
export SHIM_ECN=2
one "the kernel asks" a shim b kernel 7501
SHIM_ECN=1
one "we ask" b kernel a shim 7502

# off
SHIM_ECN=0
bridge -s 1 -d 2 -e 100 || not_ok "the bridge starts"
host_bg a shim $PY "$echo_py" server 0.0.0.0 7503
server=$STARTED
listening a shim 7503 || not_ok "the server listens"
is "$(host b kernel timeout 60 $PY "$echo_py" client 192.0.2.1 7503 1 100003)" "1 of 1 unharmed" "off: the bytes"
stop "$server"
end_bridge
is "$(marked toa) $(marked tob)" "0 0" "off: nothing is there to be marked"
done_testing
