#!/bin/bash
# Options, errors and states of sockets: a table of calls against the kernel and against the stack.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
. "$(dirname "$0")/../lib/calls.sh"
net_pair
# Behind the peer: addresses that it complains of.
in_a ip route add 198.51.100.0/24 via 192.0.2.2
host_bg b kernel /usr/bin/python3 "$(dirname "$0")/complain.py" >"$TMP/complain"
until_true grep -q ready "$TMP/complain" || not_ok "somebody complains"
host_bg b kernel /usr/bin/python3 "$(dirname "$0")/peer.py" 192.0.2.2 >"$TMP/peer"
host_bg b kernel /usr/bin/python3 "$(dirname "$0")/puppet.py" 192.0.2.2 16 >"$TMP/puppet"
until_true grep -q ready "$TMP/peer" || not_ok "the peer is up"
until_true grep -q ready "$TMP/puppet" || not_ok "the puppet is up"
names=("options of new sockets" "options of a listener" "options of a connection" "options of connected UDP"
    "each state" "ports" "backlog" "urgent data" "SO_RCVLOWAT" "another device, loopback"
    "errors of UDP" "errors of TCP" "MSG_ZEROCOPY" "control messages in" "control messages out"
    "TCP_INFO" "TCP_INFO of a server" "TCP_INFO of what waits" "SO_MAX_PACING_RATE" "signals"
    "wrong addresses" "times of recvmmsg()" "too much corked" "accepted after a reset")
compare_calls socket_cases "${names[@]}"
done_testing
