#!/bin/bash
# The interface goes down and comes back: waiting costs nothing meanwhile, and connections live on.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair
host_bg b kernel /usr/bin/python3 "$(dirname "$0")/puppet.py" 192.0.2.2 >"$TMP/peer"
until_true grep -q ready "$TMP/peer" || not_ok "the peer is up"
mkfifo "$TMP/ask"
exec 4<>"$TMP/ask"
host_bg a shim /usr/bin/python3 "$(dirname "$0")/link_down.py" 192.0.2.2 <"$TMP/ask" >"$TMP/said"
said() { [ "$(wc -l <"$TMP/said")" -ge "$1" ]; }
until_true said 1
is "$(tail -n 1 "$TMP/said")" connected "a connection"
lines=1
ask()
{
    echo "$1" >&4
    lines=$((lines + 1))
    until_true said $lines
    is "$(tail -n 1 "$TMP/said")" "$2" "$3"
}
ask talk "b'xxxxx'" "it works"
ask idle quiet "waiting is quiet"
ip -n "$NS_A" link set veth0 down
ask idle quiet "waiting is quiet while the interface is down"
ip -n "$NS_A" link set veth0 up
ask talk "b'xxxxx'" "it works again when the interface is up"
done_testing
