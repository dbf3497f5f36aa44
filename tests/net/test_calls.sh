#!/bin/bash
# One table of socket calls against the kernel and against the stack: return values, errno and what is
# filled in must be the same.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
. "$(dirname "$0")/../lib/calls.sh"
net_pair
host_bg b kernel /usr/bin/python3 "$(dirname "$0")/peer.py" 192.0.2.2 >"$TMP/peer"
until_true grep -q ready "$TMP/peer" || not_ok "the peer is up"

names=("creation" "unconnected stream" "binding" "connecting" "stream data" "reset and SIGPIPE"
    "timeouts and signals" "datagrams" "options" "linger" "urgent data" "descriptors" "dual stack"
    "dual stack names" "dual stack and loopback")
# ::1 is there.
in_a sysctl -qw net.ipv6.conf.lo.disable_ipv6=0
compare_calls call_cases "${names[@]}"
done_testing
