#!/bin/bash
# A program that is stopped (SIGSTOP, or by a debugger) is no dead host: what comes is acknowledged, connections are
# accepted, as by the kernel's own sockets.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
: "${kind:=shim}"
case $kind in own) net_pair own ;; *) net_pair ;; esac
script=$(cd "$(dirname "$0")" && pwd)/stopped.py

host_bg a "$kind" python3 "$script" serve 192.0.2.1 7000
server=$STARTED
listening a "$kind" 7000 || not_ok "the server listens"
is "$(in_b timeout 100 python3 "$script" peer 192.0.2.1 7000 "$server" 2>&1)" "it lives while stopped
21000
500
5000" "stopped and continued, twice"
is "$(in_b timeout 100 python3 "$script" peer 192.0.2.1 7000 "$server" 2>&1 | tail -n 1)" 5000 "and once more"
kernel_stayed_out "$NS_A" "all of this"
done_testing
