# shellcheck shell=bash
# A laboratory of two hosts: sourced by the network tests (bash).
#
#   net_pair            makes two network namespaces, $NS_A and $NS_B, joined by a veth pair:
#                       veth0 in A (192.0.2.1/24) and veth0 in B (192.0.2.2/24)
#   net_pair own        the same, but A's kernel gets no address: for a stack with an address of its
#                       own (192.0.2.1/24 is then SHIM_ADDRESS)
#   net_bridged; bridge OPTION ...   two hosts with a bad cable between them (tests/bridge)
#   net_alone "$@"      first of all: the script runs in a process namespace of its own
#   net_namespace NS    adds one with the settings that all of these have
#   net_routed MTU      two hosts with a router between them whose further link carries only MTU bytes
#   in_a CMD, in_b CMD  run a command there
#   start_a CMD, start_b CMD   start it in the background; its pid is in $STARTED; it is ended
#                       when the test ends
#   kernel_tcp NS       the kernel's own TCP and UDP counters there that have moved (since
#                       kernel_mark NS)
#   wait_port NS PORT   until somebody of the kernel listens there (bounded)
#   ok, not_ok, is, check      results, as TAP; done_testing prints the plan and sets the exit status
#
# Everything is taken away again when the script ends, however it ends.

# Once more, with a process namespace of its own: shim ss sees no stacks but the test's. Called first.
net_alone()
{
    [ -z "$NET_ID" ] || return 0
    rmdir "$TMP"
    NET_ID=$$ exec unshare --pid --fork --kill-child=TERM --mount-proc "$0" "$@"
}

NS_A=shimA${NET_ID:-$$}
NS_B=shimB${NET_ID:-$$}
TEST_COUNT=0
TEST_FAILED=0
NET_PIDS=
TMP=$(mktemp -d)
: "${TOP_BUILDDIR:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${LIBSHIM:=$TOP_BUILDDIR/.libs/libshim.so}"

net_cleanup()
{
    status=$?
    trap - EXIT INT TERM HUP
    # Only those that still run: the number of another may belong to somebody else by now.
    for pid in $(jobs -pr); do
        kill "$pid" 2>/dev/null
    done
    for ns in "$NS_A" "$NS_B" $NS_M; do
        # What a program left behind in its namespace: housekeepers, forked children.
        for pid in $(ip netns pids "$ns" 2>/dev/null); do
            kill -9 "$pid" 2>/dev/null
        done
        ip netns del "$ns" 2>/dev/null
    done
    wait 2>/dev/null
    rm -rf "$TMP"
    exit "$status"
}

net_namespace()
{
    ip netns add "$1" || exit 1
    # No IPv6 chatter in the traces.
    ip netns exec "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 2>/dev/null
    # The kernel's defaults, whatever this machine has; and no limit to the rate of its ICMP errors, on which it would
    # depend how fast the tests run.
    ip netns exec "$1" sysctl -qw net.ipv4.tcp_rmem="4096 131072 6291456" \
        net.ipv4.tcp_wmem="4096 16384 4194304" net.ipv4.icmp_ratelimit=0 2>/dev/null
    ip -n "$1" link set lo up
}

net_pair()
{
    trap net_cleanup EXIT
    trap 'exit 1' INT TERM HUP
    net_namespace "$NS_A"
    net_namespace "$NS_B"
    ip -n "$NS_A" link add veth0 type veth peer name veth0 netns "$NS_B" || exit 1
    for ns in "$NS_A" "$NS_B"; do
        ip -n "$ns" link set veth0 up
    done
    ip -n "$NS_B" addr add 192.0.2.2/24 dev veth0
    [ "$1" = own ] || ip -n "$NS_A" addr add 192.0.2.1/24 dev veth0
}

# Hosts A and B, each with a cable from its veth0 to $NS_M, where its ends are toa and tob.
net_middle()
{
    NS_M=shimM${NET_ID:-$$}
    trap net_cleanup EXIT
    trap 'exit 1' INT TERM HUP
    for ns in "$NS_A" "$NS_B" "$NS_M"; do
        net_namespace "$ns"
    done
    ip -n "$NS_A" link add veth0 type veth peer name toa netns "$NS_M" || exit 1
    ip -n "$NS_B" link add veth0 type veth peer name tob netns "$NS_M" || exit 1
}

# net_bridged: two hosts as of net_pair, with room for tests/bridge between them. Segmentation offload is
# off: the cable sees frames of the MTU's size, from the kernel and from us.
net_bridged()
{
    net_middle
    for end in "$NS_A veth0" "$NS_M toa" "$NS_B veth0" "$NS_M tob"; do
        # shellcheck disable=SC2086
        set -- $end
        ip netns exec "$1" ethtool -K "$2" tso off gso off gro off tx off >/dev/null 2>&1
        ip -n "$1" link set "$2" up
    done
    ip -n "$NS_A" addr add 192.0.2.1/24 dev veth0
    ip -n "$NS_B" addr add 192.0.2.2/24 dev veth0
}

# net_routed MTU: hosts A (192.0.2.1/24) and B (198.51.100.2/24) with MTU 1500, and between them, in $NS_M, a router
# whose link to B carries only MTU bytes.
net_routed()
{
    net_middle
    ip -n "$NS_M" link set tob mtu "$1"
    ip netns exec "$NS_M" sysctl -qw net.ipv4.ip_forward=1
    ip -n "$NS_M" addr add 192.0.2.254/24 dev toa
    ip -n "$NS_M" addr add 198.51.100.254/24 dev tob
    ip -n "$NS_A" addr add 192.0.2.1/24 dev veth0
    ip -n "$NS_B" addr add 198.51.100.2/24 dev veth0
    ip -n "$NS_A" link set veth0 up
    ip -n "$NS_B" link set veth0 up
    ip -n "$NS_M" link set toa up
    ip -n "$NS_M" link set tob up
    ip -n "$NS_A" route add default via 192.0.2.254
    ip -n "$NS_B" route add default via 198.51.100.254
}

# bridge OPTION ...: (re)starts the bad cable of net_bridged with these impairments.
bridge()
{
    [ -z "$BRIDGE_PID" ] || { kill "$BRIDGE_PID"; wait "$BRIDGE_PID"; } 2>/dev/null
    : >"$TMP/bridge"
    ip netns exec "$NS_M" "$TOP_BUILDDIR/tests/bridge/bridge" "$@" toa tob >"$TMP/bridge" &
    BRIDGE_PID=$!
    NET_PIDS="$NET_PIDS $BRIDGE_PID"
    for _ in $(seq 200); do
        grep -q ready "$TMP/bridge" && return 0
        read -r -t 0.02 _ <> <(:) || :
    done
    return 1
}

in_a() { ip netns exec "$NS_A" "$@"; }
in_b() { ip netns exec "$NS_B" "$@"; }

start_a() { ip netns exec "$NS_A" "$@" & STARTED=$!; NET_PIDS="$NET_PIDS $STARTED"; }
start_b() { ip netns exec "$NS_B" "$@" & STARTED=$!; NET_PIDS="$NET_PIDS $STARTED"; }

# The counters of the kernel's own transports in namespace $1 that show that it opened, accepted, delivered or sent
# something. (Frames that merely arrive at a borrowed address are seen by the kernel too, counted as InSegs, and dropped.)
kernel_counters()
{
    ip netns exec "$1" nstat -asz TcpActiveOpens TcpPassiveOpens TcpOutSegs TcpRetransSegs \
        TcpOutRsts UdpOutDatagrams UdpInDatagrams 2>/dev/null | awk '!/^#/ { print $1, $2 }'
}

# Only what comes after this counts in kernel_tcp.
kernel_mark() { kernel_counters "$1" >"$TMP/mark-$1"; }

# What the kernel's own transports did in a namespace since kernel_mark, or ever; nothing if nothing.
kernel_tcp()
{
    [ -e "$TMP/mark-$1" ] || : >"$TMP/mark-$1"
    kernel_counters "$1" | awk -v mark="$TMP/mark-$1" '
        BEGIN { while ((getline line < mark) > 0) { split(line, f, " "); was[f[1]] = f[2] } }
        $2 != was[$1] + 0 { printf "%s%s=%d", sep, $1, $2 - was[$1]; sep = " " }'
}

# Until port $2 is listened to by the kernel in namespace $1 (TCP), at most 10 s.
wait_port()
{
    for _ in $(seq 200); do
        ip netns exec "$1" ss -Hltn "sport = :$2" | grep -q . && return 0
        read -r -t 0.05 _ <> <(:) || :
    done
    return 1
}

ok()
{
    TEST_COUNT=$((TEST_COUNT + 1))
    echo "ok $TEST_COUNT - $1"
}

# not_ok NAME [LINE ...]: the lines say why.
not_ok()
{
    TEST_COUNT=$((TEST_COUNT + 1))
    TEST_FAILED=$((TEST_FAILED + 1))
    echo "not ok $TEST_COUNT - $1"
    shift
    [ $# -eq 0 ] || printf '%s\n' "$@" | sed 's/^/#   /'
}

# is GOT WANTED NAME
is()
{
    if [ "$1" = "$2" ]; then ok "$3"; else not_ok "$3" "got:    $1" "wanted: $2"; fi
}

# check NAME CMD ...: CMD succeeds.
check()
{
    name=$1
    shift
    if "$@"; then ok "$name"; else not_ok "$name" "failed ($?): $*"; fi
}

# kernel_stayed_out NS WHAT
kernel_stayed_out()
{
    is "$(kernel_tcp "$1")" "" "$2: the kernel's own transports did nothing"
}

done_testing()
{
    echo "1..$TEST_COUNT"
    [ "$TEST_FAILED" -eq 0 ]
    exit
}
