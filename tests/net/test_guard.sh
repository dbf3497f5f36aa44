#!/bin/bash
# Guarded ports: nobody else gets them, and the kernel does not answer for them.
. "$(dirname "$0")/../lib/net.sh"
net_pair
cases=$TOP_BUILDDIR/tests/net/guard_cases
rights= # what guard takes away from it

# The kernel's refusals in A: TCP resets and ICMP messages that it sent.
refusals()
{
    ip netns exec "$NS_A" nstat -asz TcpOutRsts IcmpOutDestUnreachs | awk '!/^#/ { n += $2 } END { print n }'
}

# guard tcp|udp ADDRESS PORT: in the background; $got is what it says.
guard()
{
    n=$((n + 1))
    mkfifo "$TMP/hold$n" "$TMP/said$n"
    # shellcheck disable=SC2086
    ip netns exec "$NS_A" $rights "$cases" hold "$@" <"$TMP/hold$n" >"$TMP/said$n" &
    NET_PIDS="$NET_PIDS $!"
    exec 7>"$TMP/hold$n" 8<"$TMP/said$n"
    got=
    for _ in 1 2 3 4 5 6; do
        read -r -t 10 word <&8
        got="$got$word "
    done
}

try() { in_a "$cases" bind "$@"; }

for proto in tcp udp; do
    guard $proto 192.0.2.1 4000
    is "$got" "4000 EADDRINUSE OK EADDRINUSE OK OK " "$proto: a port is guarded once"
    is "$(try $proto 192.0.2.1 4000)" EADDRINUSE "$proto: others cannot have it"
    is "$(try $proto 0.0.0.0 4000)" EADDRINUSE "$proto: nor with any address"
    is "$(try $proto 0.0.0.0 4000 reuseaddr)" EADDRINUSE "$proto: nor with SO_REUSEADDR"
    is "$(try $proto 0.0.0.0 4000 reuseport)" EADDRINUSE "$proto: nor with SO_REUSEPORT"
    is "$(try $proto 127.0.0.1 4000)" OK "$proto: on another address it is free"
    exec 7>&- 8<&-
    guard $proto 0.0.0.0 0
    port=${got%% *}
    is "$((port > 1023)) ${got#* }" "1 EADDRINUSE OK EADDRINUSE OK OK " "$proto: the kernel chooses a port"
    is "$(try $proto 192.0.2.1 "$port")" EADDRINUSE "$proto: and keeps it"
    exec 7>&- 8<&-
done
guard tcp 198.51.100.1 4000
is "$got" "EADDRNOTAVAIL      " "an address that is not the host's"
exec 7>&- 8<&-

# ---- silence ----
is "$(refusals)" 0 "nothing was refused so far"
# Who may not attach a filter to a TCP socket has another way.
# Without the right to attach filters the guard demands signed segments (RFC 2385).
for rights in "" "setpriv --bounding-set=-net_admin"; do
    guard tcp 192.0.2.1 4001
    in_b nc -z -w 1 192.0.2.1 4001 2>"$TMP/err"
    is "$? $(grep -c refused "$TMP/err")" "1 0" "a SYN to a guarded port gets no answer ${rights:+(without CAP_NET_ADMIN)}"
    exec 7>&- 8<&-
done
rights=
guard udp 192.0.2.1 4001
is "$(in_b "$cases" send 192.0.2.1 4001)" ETIMEDOUT "a datagram to a guarded port gets no answer"
is "$(refusals)" 0 "the kernel sent no reset and no ICMP message"
exec 7>&- 8<&-
in_b nc -z -w 1 192.0.2.1 4002 2>/dev/null
is "$(in_b "$cases" send 192.0.2.1 4002)" ECONNREFUSED "without a guard it does"
is "$(refusals)" 2 "and counts it"
done_testing
