#!/bin/bash
# The host's network as the stack sees it: which interface is chosen, which addresses and routes are
# borrowed, and that changes are followed.
. "$(dirname "$0")/../lib/net.sh"
net_pair
cases=$TOP_BUILDDIR/tests/net/hostnet_cases

# ask WANTED NAME [VAR=VALUE ...]: which interface is found in A; WANTED is a pattern.
ask()
{
    wanted=$1
    name=$2
    shift 2
    got=$(in_a env "$@" "$cases" find 2>&1)
    # shellcheck disable=SC2254
    case $got in
    $wanted) ok "$name" ;;
    *) not_ok "$name" "got:    $got" "wanted: $wanted" ;;
    esac
}

tables() { in_a "$cases" tables "$1" | grep -v 203.0.113.9; }

mac=$(in_a cat /sys/class/net/veth0/address)
a() { ip -n "$NS_A" "$@"; }

# ---- the choice ----
ask "veth0 ethernet $mac mtu 1500 up" "the only interface with an address is taken"
a link add veth1 type veth peer name veth2
a link add veth3 type veth peer name veth4
a addr add 198.51.100.1/24 dev veth1
a addr add 203.0.113.1/24 dev veth3
a link set veth3 up
a link set veth4 up
ask "veth0 *" "the first interface that is up and has an address, by number"
a link set veth1 up
a link set veth2 up
a route add default via 198.51.100.254 dev veth1 metric 50
ask "veth1 *" "the interface of the default route goes first"
a route add default via 192.0.2.254 dev veth0 metric 20
ask "veth0 *" "of two default routes the one with the lower metric"
a link set veth0 down
ask "veth1 *" "an interface that is down is passed over"
a link set veth2 down
ask "veth3 *" "and so is one without carrier"
a link set veth0 up
a link set veth2 up
a route add default via 192.0.2.254 dev veth0 metric 20
ask "veth1 *" "a name decides" SHIM_INTERFACE=veth1
ask "ENODEV SHIM_INTERFACE=veth9: there is no such interface" "a wrong name is told" \
    SHIM_INTERFACE=veth9
a link set veth2 down
ask "ENETDOWN SHIM_INTERFACE=veth1: the interface is down" "a named interface must be up" \
    SHIM_INTERFACE=veth1
a link set veth2 up
a addr flush dev veth1
ask "EADDRNOTAVAIL interface veth1 has no IPv4 address*SHIM_ADDRESS*" "host mode needs an address" \
    SHIM_INTERFACE=veth1
ask "veth1 *" "a stack with an address of its own does not" \
    SHIM_INTERFACE=veth1 SHIM_ADDRESS=198.51.100.7/24
ask "EADDRINUSE SHIM_ADDRESS=192.0.2.1/24 is the kernel's*" "the kernel's address is refused" \
    SHIM_INTERFACE=veth1 SHIM_ADDRESS=192.0.2.1/24
ask "EADDRINUSE *" "on whichever interface, and whatever the prefix" \
    SHIM_INTERFACE=veth1 SHIM_ADDRESS=192.0.2.1/16
ask "lo ethernet 00:00:00:00:00:00 mtu 65535 up loopback" "loopback, if it is asked for" \
    SHIM_INTERFACE=lo SHIM_ADDRESS=198.51.100.7/24
a route del default
a addr flush dev veth0
a addr flush dev veth3
ask "ENODEV no interface is up and has an IPv4 address*" "no interface would do"
ask "veth0 *" "with an address of its own the stack takes the first that is up" \
    SHIM_ADDRESS=198.51.100.7/24
is "$(in_a "$cases" link veth0)" "veth0 ethernet $mac mtu 1500 up" "the state of a link"
is "$(in_a "$cases" link nothing)" "ENODEV " "the state of a link that is not there"

# ---- addresses and routes ----
a addr add 192.0.2.1/24 dev veth0
a addr add 198.51.100.1/24 dev veth1
a addr add 192.0.2.5/24 dev veth0
a addr add 203.0.113.33 peer 203.0.113.34/32 dev veth0
a route add default via 192.0.2.254 dev veth0 metric 100
a route add 10.1.0.0/16 via 192.0.2.253 src 192.0.2.5 mtu 1400
a route add 10.2.0.0/16 via 198.51.100.2
a route add 10.3.0.0/16 dev veth0
a route add 10.4.0.0/16 via 10.3.0.1
a route add 10.5.0.0/16 via 10.99.0.1 dev veth0 onlink
a route add 10.6.0.0/16 nexthop via 198.51.100.3 nexthop via 192.0.2.252
a route add 10.7.0.0/16 dev veth0 table 77
a route add 10.8.0.0/16 dev veth0 tos 0x10
a route add blackhole 10.9.0.0/16
a route add 10.10.0.0/16 via 192.0.2.251 src 198.51.100.1
wanted="address 192.0.2.1/24
address 192.0.2.5/24
address 203.0.113.33/32
changed
route 0.0.0.0/0 via 192.0.2.254 metric 100
route 10.1.0.0/16 via 192.0.2.253 src 192.0.2.5 mtu 1400
route 10.10.0.0/16 via 192.0.2.251
route 10.3.0.0/16
route 10.4.0.0/16 via 10.3.0.1
route 10.5.0.0/16 via 10.99.0.1
route 10.6.0.0/16 via 192.0.2.252
route 10.99.0.1/32
route 192.0.2.0/24 of address
route 203.0.113.34/32 src 203.0.113.33"
is "$(tables veth0 | LC_ALL=C sort)" "$wanted" "addresses, and the routes of the main table by the interface"
is "$(in_a "$cases" tables veth0 | grep -c 'address 203.0.113.9/32 own')" 1 "an address of the stack's own stays"

# ---- where the kernel sends ----
is "$(in_a "$cases" way 192.0.2.77)" "veth0" "a neighbour is reached by the interface"
is "$(in_a "$cases" way 10.2.3.4)" "veth1" "a route by another interface"
is "$(in_a "$cases" way 192.0.2.5)" "lo local" "an address of the host"
is "$(in_a "$cases" way 198.51.100.1)" "lo local" "an address of the host on another interface"
is "$(in_a "$cases" way 127.1.2.3)" "lo local" "loopback"
is "$(in_a "$cases" way 10.9.1.1 | cut -d' ' -f1)" "EINVAL" "a black hole"
a route del default
is "$(in_a "$cases" way 10.77.1.1 | cut -d' ' -f1)" "ENETUNREACH" "no route"

# ---- many routes: the tables grow ----
for i in $(seq 0 1199); do
    echo "route add 10.$((i / 240 + 100)).$((i % 240)).0/24 via 192.0.2.$((i % 200 + 10))"
done | a -batch -
is "$(tables veth0 | grep -c '^route 10\.10[0-9]\.')" 1200 "1,200 routes"
a route flush root 10.0.0.0/8

# ---- changes ----
mkfifo "$TMP/hold"
ip netns exec "$NS_A" "$cases" follow veth0 <"$TMP/hold" >"$TMP/followed" &
NET_PIDS="$NET_PIDS $!"
exec 7>"$TMP/hold"

# follows NAME LINE [without LINE]: the last tables come to hold LINE, and not the other.
follows()
{
    for _ in $(seq 200); do
        last=$(awk '/^(changed|the same)$/ { last = now; now = ""; next } { now = now $0 "\n" }
            END { printf "%s", last }' "$TMP/followed")
        if grep -qx "$2" <<<"$last" && ! { [ -n "$4" ] && grep -qx "$4" <<<"$last"; }; then
            ok "$1"
            return
        fi
        read -r -t 0.05 _ <> <(:) || :
    done
    not_ok "$1" "wanted: $2" "without: ${4:-}" "$last"
}
follows "it is seen at the start" "address 192.0.2.1/24"
for _ in $(seq 200); do
    grep -qx "the same" "$TMP/followed" && break
    read -r -t 0.05 _ <> <(:) || :
done
check "reading the tables again changes nothing" grep -qx "the same" "$TMP/followed"
a addr add 192.0.2.9/25 dev veth0
follows "an address that comes" "address 192.0.2.9/25"
follows "its subnet" "route 192.0.2.0/25 of address"
a addr del 192.0.2.9/25 dev veth0
follows "an address that goes" "address 192.0.2.1/24" without "address 192.0.2.9/25"
follows "its subnet goes too" "route 192.0.2.0/24 of address" without "route 192.0.2.0/25 of address"
a route add 10.1.0.0/16 via 192.0.2.253
follows "a route that comes" "route 10.1.0.0/16 via 192.0.2.253"
a route change 10.1.0.0/16 via 192.0.2.252
follows "a route that moves" "route 10.1.0.0/16 via 192.0.2.252" without "route 10.1.0.0/16 via 192.0.2.253"
a route change 10.1.0.0/16 via 192.0.2.252 mtu 900
follows "a route whose MTU changes" "route 10.1.0.0/16 via 192.0.2.252 mtu 900"
a route del 10.1.0.0/16
follows "a route that goes" "address 192.0.2.1/24" without "route 10.1.0.0/16 via 192.0.2.252 mtu 900"
a addr del 192.0.2.5/24 dev veth0
a addr del 192.0.2.1/24 dev veth0
a addr add 192.0.2.1/26 dev veth0
follows "a prefix that changes" "address 192.0.2.1/26" without "address 192.0.2.1/24"
exec 7>&-

# ---- local addresses, remembered ----
coproc LOCALS { exec ip netns exec "$NS_A" "$cases" locals; }
NET_PIDS="$NET_PIDS $LOCALS_PID"
locals()
{
    echo "$1" >&"${LOCALS[1]}"
    read -r -t 20 answer <&"${LOCALS[0]}"
    is "$answer" "$2" "$3"
}
locals 192.0.2.1 "local local" "an address of the host"
locals 192.0.2.77 "remote remote" "one that is none"
locals 203.0.113.1 "remote remote" "one far away"
a addr add 192.0.2.77/32 dev veth0
locals 192.0.2.77 "local local" "it comes, and nobody has read the monitor"
locals 192.0.2.1 "local local" "another one meanwhile"
locals drain changed "the monitor says so"
locals 192.0.2.77 "local local" "afterwards"
a addr del 192.0.2.77/32 dev veth0
locals 192.0.2.77 "remote remote" "it goes"
locals drain changed "the monitor says that too"
locals 192.0.2.77 "remote remote" "it is gone"
done_testing
