#!/bin/bash
# Debian's memcached with -u: it gives up root before it makes its first socket.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
: "${kind:=shim}"
case $kind in own) net_pair own ;; *) net_pair ;; esac
public_libshim
client=$(cd "$(dirname "$0")" && pwd)/memcached_client.py

host_bg a "$kind" memcached -u nobody -l 192.0.2.1 -U 11211 -t 4 2>"$TMP/stderr"
server=$STARTED
listening a "$kind" 11211 || not_ok "memcached listens" "$(cat "$TMP/stderr")"
is "$(ps -o user= -p "$server")" nobody "memcached has given up root"
is "$(in_b timeout 60 python3 "$client" 192.0.2.1 2>&1)" "all is well" \
    "50 connections, 900,000 bytes at a time, and a datagram"
kernel_stayed_out "$NS_A" "all of this"
kill -9 "$server"
gone() { ! in_b timeout 2 bash -c 'exec 3<>/dev/tcp/192.0.2.1/11211' 2>/dev/null; }
check "killed, it does not listen any more" until_true gone
kernel_mark "$NS_A" # it resets those who came then
host_bg a "$kind" memcached -u nobody -l 192.0.2.1 -U 11211
listening a "$kind" 11211 || not_ok "memcached listens again"
is "$(in_b timeout 60 python3 "$client" 192.0.2.1 2>&1)" "all is well" "and again after a new start"
stop "$STARTED"
is "$(cat "$TMP/stderr")" "" "nothing to complain about"
kernel_stayed_out "$NS_A" "all of this"
done_testing
