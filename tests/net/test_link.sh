#!/bin/bash
# What the link does to a connection, and nothing of it may be seen in the contents: super-frames and unfinished
# checksums, a receive ring that overflows, no room to send, an interface that goes away, MTUs that differ, and one
# without a link header.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_alone "$@"
net_pair
PY=/usr/bin/python3
transfer=$(dirname "$0")/transfer.py
shim=$TOP_BUILDDIR/shim/shim

# How many frames came to A's veth0, and how many bytes: of a size that says whether they were super-frames.
frames() { in_a cat /sys/class/net/veth0/statistics/rx_{packets,bytes} | xargs; }

# moves get|put BYTES NAME [VAR=VALUE ...]: a whole transfer, wrapped in A.
moves()
{
    what=$1 bytes=$2 name=$3
    shift 3
    got=$(host a shim env "$@" timeout 60 $PY "$transfer" "$what" 192.0.2.2 9 "$bytes" 2>&1)
    is "$(grep -v -e half -e segments <<<"$got")" "$bytes unharmed" "$name: $what"
    segment=$(sed -n 's/^segments of //p' <<<"$got")
}

# begins get|put BYTES [wait-half]: the same in the background, until it is half done; its pid is in $moving, what it
# says in $TMP/said. "go" lets it go on when it waits, as it also does at the end until ends NAME has checked it.
begins()
{
    : >"$TMP/said"
    host_bg a shim $PY "$transfer" "$1" 192.0.2.2 9 "$2" wait-end "$3" <"$TMP/hold" >"$TMP/said" 2>&1
    moving=$STARTED
    bytes=$2
    until_true grep -q half "$TMP/said" || not_ok "half of a transfer" "$(cat "$TMP/said")"
}
go() { echo >&5; }
ended() { grep -q -e harmed -e wrong -e too -e Error "$TMP/said"; }
ends()
{
    for _ in 1 2 3 4 5 6; do
        until_true ended && break
    done
    is "$(grep -v -e half -e segments "$TMP/said")" "$bytes unharmed" "$1"
    go
    wait "$moving"
}
# A counter of the stack of process $moving.
counter() { "$shim" ss -s | sed -n "/[ ,]$moving\//,/^Stack/s/.*$1 \([0-9]*\).*/\1/p"; }
# Until that counter is not 0.
counted() { [ "$(counter "$1")" -gt 0 ] 2>/dev/null; }

mkfifo "$TMP/hold"
exec 5<>"$TMP/hold"
host_bg b kernel $PY "$transfer" serve 192.0.2.2 9 >"$TMP/peer"
until_true grep -q ready "$TMP/peer" || not_ok "the peer is up"

# ---- super-frames and checksums ----
# offload SIDE on|off ...
offload()
{
    ip netns exec "$(ns_of "$1")" ethtool -K veth0 tso "$2" gso "$2" gro "$2" tx "$3" >"$TMP/ethtool" 2>&1 ||
        not_ok "ethtool $*" "$(cat "$TMP/ethtool")"
}
MB20=20000003
for theirs in "on on" "off on" "off off"; do
    # shellcheck disable=SC2086
    offload b $theirs
    for mine in on off; do
        was=$(frames)
        moves get $MB20 "peer tso, tx $theirs; SHIM_OFFLOAD=$mine" SHIM_OFFLOAD=$mine
        mean=$(echo "$was $(frames)" | awk '{ print int(($4 - $2) / ($3 - $1)) }')
        case $theirs in
        on*) check "and super-frames came" [ "$mean" -gt 3000 ] ;;
        *) check "and no super-frames came" [ "$mean" -le 1514 ] ;;
        esac
        moves put $MB20 "peer tso, tx $theirs; SHIM_OFFLOAD=$mine" SHIM_OFFLOAD=$mine
    done
done
offload b on on
for mine in on off; do
    offload a off off
    moves get $MB20 "an interface without offload, SHIM_OFFLOAD=$mine" SHIM_OFFLOAD=$mine
    moves put $MB20 "an interface without offload, SHIM_OFFLOAD=$mine" SHIM_OFFLOAD=$mine
done
offload a on on

# ---- the receive ring overflows ----
# With the housekeeper, which would stand by for a program that is stopped.
stopped_flood()
{
    # shellcheck disable=SC2046
    kill -STOP $(ip netns pids "$NS_A")
    in_b $PY "$transfer" flood 192.0.2.1 4000 20000
    # shellcheck disable=SC2046
    kill -CONT $(ip netns pids "$NS_A")
}
begins get $MB20 wait-half
stopped_flood
go
ends "a transfer whose program is stopped while the ring overflows"
in_b tc qdisc add dev veth0 root tbf rate 100mbit burst 64kb limit 2mb
begins get 12000007
stopped_flood
check "what was lost is counted" until_true counted lost
ends "and whose data is lost with it"
begins get 12000007
flood
ends "a transfer in a flood"
in_b tc qdisc del dev veth0 root

# ---- no room to send ----
for mine in on off; do
    export SHIM_OFFLOAD=$mine
    in_a tc qdisc add dev veth0 root handle 1: tbf rate 100mbit burst 64kb limit 96kb
    begins put 6000011 wait-half
    go
    check "SHIM_OFFLOAD=$mine: no room is counted" until_true counted "room for"
    ends "SHIM_OFFLOAD=$mine: a transfer for which there often is no room"
    in_a tc qdisc del dev veth0 root
done
unset SHIM_OFFLOAD

# ---- the interface goes away and comes back ----
away()
{
    ip -n "$1" link set veth0 down
    [ -z "$2" ] || go
    read -r -t 0.3 _ <> <(:)
    ip -n "$1" link set veth0 up
}
for ns in "$NS_A" "$NS_B"; do
    [ "$ns" = "$NS_A" ] && whose=our || whose="the peer's"
    for what in get put; do
        begins "$what" $MB20 wait-half
        away "$ns" go
        ends "$what: $whose interface goes down while half is done"
        in_b tc qdisc add dev veth0 root tbf rate 100mbit burst 64kb limit 2mb
        in_a tc qdisc add dev veth0 root tbf rate 100mbit burst 64kb limit 2mb
        begins "$what" 12000007
        away "$ns"
        ends "$what: $whose interface goes down in full flow"
        in_a tc qdisc del dev veth0 root
        in_b tc qdisc del dev veth0 root
    done
done

# ---- MTUs ----
mtu() { ip -n "$NS_A" link set veth0 mtu "$1" && ip -n "$NS_B" link set veth0 mtu "$2"; }
# echoes NAME [VAR=VALUE ...]: datagrams that need to be cut into fragments.
echoes()
{
    name=$1
    shift
    is "$(host a shim env "$@" timeout 60 $PY "$transfer" echo 192.0.2.2 9 1 548 549 1472 1473 3000 20001 65507 2>&1 |
        grep -c unharmed)" 8 "$name: datagrams of 8 sizes there and back"
}
for set in "1500 1500 576 524" "9000 9000 0 8948" "9000 9000 1500 1448" "1500 9000 0 1448" "9000 1500 0 1448" \
    "65535 65535 0 65483"; do
    read -r a b mine want <<<"$set"
    mtu "$a" "$b"
    vars=()
    [ "$mine" = 0 ] || vars=("SHIM_MTU=$mine")
    for what in get put; do
        moves $what 5000011 "MTU $a, peer's $b ${vars[*]}" "${vars[@]}"
        is "$segment" "$want" "MTU $a, peer's $b ${vars[*]}: $what in segments of $want bytes"
    done
    # What is larger than the other's MTU never gets there: only TCP agrees on a size.
    [ "$a" != "$b" ] || echoes "MTU $a, peer's $b ${vars[*]}" "${vars[@]}"
done
mtu 1500 1500
for what in get put; do
    moves $what 20011 "SHIM_MTU=68" SHIM_MTU=68
    begins "$what" $MB20 wait-half
    mtu 1000 1000
    go
    ends "$what: the MTU shrinks in the middle"
    mtu 1500 1500
done

# ---- without a link header ----
if [ ! -c /dev/net/tun ]; then
    echo "# links without a header are not tested: there is no /dev/net/tun" >&2
    done_testing
fi
kernel_mark "$NS_A"
mkfifo "$TMP/tuns"
exec 6<>"$TMP/tuns"
ip netns exec "$NS_A" $PY "$(dirname "$0")/tun_join.py" tun0 tun1 <"$TMP/tuns" >"$TMP/joined" &
NET_PIDS="$NET_PIDS $!"
until_true grep -q ready "$TMP/joined" || not_ok "two tun devices"
ip -n "$NS_A" link set tun1 netns "$NS_B"
ip -n "$NS_A" addr add 198.51.100.1 peer 198.51.100.2 dev tun0
ip -n "$NS_B" addr add 198.51.100.2 peer 198.51.100.1 dev tun1
ip -n "$NS_A" link set tun0 up
ip -n "$NS_B" link set tun1 up
host_bg b kernel $PY "$transfer" serve 198.51.100.2 9 >"$TMP/peer"
until_true grep -q ready "$TMP/peer" || not_ok "the peer at the other end of the tun device is up"
# over NAME [VAR=VALUE ...]
over()
{
    name=$1
    shift
    for what in get put; do
        is "$(host a shim env SHIM_INTERFACE=tun0 "$@" timeout 60 $PY "$transfer" $what 198.51.100.2 9 5000011 2>&1 |
            tail -n 2 | head -n 1)" "5000011 unharmed" "$name: $what"
    done
    is "$(host a shim env SHIM_INTERFACE=tun0 "$@" timeout 60 $PY "$transfer" echo 198.51.100.2 9 1 1472 1473 20001 2>&1 |
        grep -c unharmed)" 4 "$name: datagrams of 4 sizes there and back"
}
over "a tun device"
over "a tun device, SHIM_OFFLOAD=off" SHIM_OFFLOAD=off
kernel_stayed_out "$NS_A" "a tun device"
# A server, reached from the other end; and one with an address that the kernel does not have.
ip -n "$NS_B" route add 203.0.113.7 dev tun1
for own in "" "SHIM_ADDRESS=203.0.113.7/24 SHIM_GATEWAY=203.0.113.1"; do
    to=198.51.100.1
    [ -z "$own" ] || to=203.0.113.7
    # shellcheck disable=SC2086
    host_bg a shim env SHIM_INTERFACE=tun0 $own $PY "$transfer" serve $to 8 >"$TMP/served"
    until_true grep -q ready "$TMP/served" || not_ok "a server on a tun device ($to)"
    is "$(host b kernel timeout 60 $PY "$transfer" get $to 8 5000011 2>&1 | tail -n 2 | head -n 1)" \
        "5000011 unharmed" "a server on a tun device ${own:+with an address of its own}"
done

done_testing
