#!/bin/bash
# nc as client and as server: each end on the kernel or preloaded, data both ways, compared by checksum.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair
make_file "$TMP/up" 5000011
# nc -l ends as soon as its peer has ended and it holds nothing itself, however much waits on its stdin: what it
# sends is kept small enough to be gone by then.
make_file "$TMP/down" 100003

# one SERVER_KIND CLIENT_KIND PORT: the server is on b, the client on a; each sends its file and its FIN.
one()
{
    host_bg b "$1" nc -N -l "$3" <"$TMP/down" >"$TMP/got-up"
    server=$STARTED
    listening b "$1" "$3" || not_ok "nc listens ($1)"
    host a "$2" timeout 30 nc -N 192.0.2.2 "$3" <"$TMP/up" >"$TMP/got-down"
    is $? 0 "server $1, client $2: the client ends well"
    wait "$server"
    is $? 0 "server $1, client $2: the server ends well"
    is "$(sum_of "$TMP/got-up")" "$(sum_of "$TMP/up")" "server $1, client $2: client to server"
    is "$(sum_of "$TMP/got-down")" "$(sum_of "$TMP/down")" "server $1, client $2: server to client"
}
one kernel shim 7001
expect_out a shim "nc client"
kernel_mark "$NS_B"
one shim kernel 7002
expect_out b shim "nc server"

# UDP: a datagram each way.
udp()
{
    host_bg b "$1" timeout 10 nc -u -l -W 1 "$3" >"$TMP/udp-got"
    server=$STARTED
    until_true sh -c "ip netns exec $NS_B ss -Hlun 'sport = :$3' | grep -q ." || not_ok "nc -u listens"
    echo "a datagram" | host a "$2" timeout 10 nc -u -w 1 192.0.2.2 "$3"
    wait "$server"
    is "$(cat "$TMP/udp-got")" "a datagram" "UDP: server $1, client $2"
}
udp kernel shim 7003

# Both wrapped: no kernel transport on either side.
kernel_mark "$NS_A"
kernel_mark "$NS_B"
one shim shim 7004
udp shim shim 7005
expect_out a shim "nc client, both wrapped"
expect_out b shim "nc server, both wrapped"
host a shim nc -z -w 5 192.0.2.2 7999
is $? 1 "a closed port is refused"
done_testing
