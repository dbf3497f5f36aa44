#!/bin/bash
# node's cluster, whose workers are executed before the primary has a socket: on the kernel and preloaded, with each of
# its ways to share connections.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair
make_file "$TMP/file" 3000000

said() { [ "$(grep -cE "$1" "$TMP/out")" -ge "$2" ]; }
get() { in_b curl -sS -m 20 "http://192.0.2.1:$port/$1" 2>&1; }

# one KIND POLICY PORT
one()
{
    port=$3
    host_bg a "$1" node "$(dirname "$0")/cluster_server.js" "$2" "$3" >"$TMP/out" 2>"$TMP/err" </dev/null
    primary=$STARTED
    check "$1, $2: two workers" until_true said "^listening . (4|udp4)" 4
    got=$(for _ in $(seq 20); do get ''; done | sort | uniq -c | awk '{ n += $1; print $2 } END { print n }' | uniq)
    is "$got" "worker
20" "$1, $2: requests"
    is "$(in_b curl -sS -m 20 --data-binary "@$TMP/file" "http://192.0.2.1:$port/" 2>&1)" "3000000 bytes" "$1, $2: a file"
    is "$(in_b timeout 20 bash -c "exec 3<>/dev/udp/192.0.2.1/$port; echo hello >&3; head -n 1 <&3")" HELLO \
        "$1, $2: a datagram"
    is "$(get end | cut -d' ' -f1)" worker "$1, $2: a worker ends"
    check "$1, $2: another one takes its place" until_true said "^listening . (4|udp4)" 6
    got=$(for _ in $(seq 10); do get ''; done | cut -d' ' -f1 | uniq -c | xargs)
    is "$got" "10 worker" "$1, $2: requests afterwards"
    is "$(cat "$TMP/err")" "" "$1, $2: nobody complains"
    stop "$primary"
}
one kernel rr 7501
kernel_mark "$NS_A"
one shim rr 7502
one shim none 7503
expect_out a shim "node's cluster"
done_testing
