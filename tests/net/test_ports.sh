#!/bin/bash
# The ports of connections, in host mode: guarded in advance, used again, given back; and the kernel never answers.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair
bench=$TOP_BUILDDIR/tests/bench/bench_conn
ports_py="$(dirname "$0")/ports.py"
port_range=net.ipv4.ip_local_port_range
reserved=net.ipv4.ip_local_reserved_ports

guards() { in_a ss -Hltn | wc -l; }
at_most_guards() { [ "$(guards)" -le "$1" ]; }
client() { host "$1" "$2" timeout 60 "$bench" connect 192.0.2.2 7000 "$3" "$4" server >"$TMP/rate"; }

start_b "$bench" serve 7000
start_b "$bench" serve 7001
for port in 7000 7001; do
    wait_port "$NS_B" $port || not_ok "the peer listens"
done
kernel_mark "$NS_A"

# ---- many ----
check "3,000 connections, by four threads" client a shim 3000 4
check "nobody is left: nor is a guard" until_true at_most_guards 0
for i in 1 2 3 4 5; do
    host_bg a shim "$bench" connect 192.0.2.2 7000 1000 2 server >"$TMP/rate$i"
    pids[i]=$STARTED
done
bad=
for i in 1 2 3 4 5; do
    wait "${pids[i]}" || bad="$bad $i"
done
is "$bad" "" "five programs at the same time"
check "and no guard is left" until_true at_most_guards 0

# ---- killed ----
host_bg a shim "$bench" connect 192.0.2.2 7000 100000000 2 server
until_true sh -c "[ \$(ip netns exec $NS_A ss -Hltn | wc -l) -gt 50 ]" || not_ok "guards are made in advance"
kill -9 "$STARTED"
wait "$STARTED" 2>/dev/null
# Its own end of a connection is then the first that is closed: two may be in TIME_WAIT.
check "killed: its ports are given back" until_true at_most_guards 2
check "and others have them" client a shim 200 1
kernel_stayed_out "$NS_A" "all of this"

# ---- the housekeeper is killed ----
mkfifo "$TMP/go" "$TMP/said"
exec 7<>"$TMP/go" 8<>"$TMP/said"
for pid in $(ip netns pids "$NS_A"); do kill -9 "$pid"; done 2>/dev/null
check "nothing is there" until_true at_most_guards 0
host_bg a shim python3 "$ports_py" again 192.0.2.2 7000 100 <"$TMP/go" >"$TMP/said" 7>&- 8>&-
client_pid=$STARTED
read -r -t 60 _ <&8
read -r -t 60 said <&8
is "$said" bound "a program binds a port that it was connected from before"
keeper=$(ip netns pids "$NS_A" | while read -r pid; do grep -qx shim-keeper "/proc/$pid/comm" && echo "$pid"; done)
kill -9 "$keeper"
until_true sh -c "! grep -q '^State:.*[RSD] ' /proc/$keeper/status 2>/dev/null"
echo >&7
wait "$client_pid"
is $? 0 "the housekeeper is killed: connections go on, on ports that are guarded"
exec 7>&- 8<&-
kernel_stayed_out "$NS_A" "with another housekeeper"

# ---- few ports ----
for pid in $(ip netns pids "$NS_A"); do kill -9 "$pid"; done 2>/dev/null
in_a sysctl -qw "$port_range=40000 40031"
wanted=$(host a kernel python3 "$ports_py" fill 192.0.2.2 7000 7001)
is "$wanted" "32 32 EADDRNOTAVAIL OK" "the kernel's own: as many connections to one place as there are ports"
# (In TIME_WAIT now.)
kernel_mark "$NS_A"
in_a sysctl -qw "$port_range=40100 40131"
said=$(host a shim python3 "$ports_py" fill 192.0.2.2 7000 7001)
# (Whether one of them has a place for another destination depends on who guarded it.)
is "${said% *}" "${wanted% *}" "ours: the same"
for pid in $(ip netns pids "$NS_A"); do kill -9 "$pid"; done 2>/dev/null
in_a sysctl -qw "$port_range=40200 40231"
exec 7<>"$TMP/go" 8<>"$TMP/said"
host_bg a shim python3 "$ports_py" again 192.0.2.2 7000 200 <"$TMP/go" >"$TMP/said" 2>"$TMP/err" 7>&- 8>&-
read -r -t 60 _ <&8
read -r -t 60 said <&8
is "$said$(cat "$TMP/err")" bound "more connections than ports, one after another"
check "the kernel's programs have ports meanwhile" in_a python3 -c "
import socket
s = socket.socket()
s.bind(('192.0.2.1', 0))
assert 40200 <= s.getsockname()[1] <= 40231"
exec 7>&- 8<&-
wait "$STARTED"
in_a sysctl -qw "$port_range=40300 40331" "$reserved=40300-40315"
said=$(echo | host a shim python3 "$ports_py" again 192.0.2.2 7000 100 | sed -n 1p)
check "ports that are set apart are not used ($said)" test "${said% *}" -ge 40316
kernel_stayed_out "$NS_A" "with few ports"
done_testing
