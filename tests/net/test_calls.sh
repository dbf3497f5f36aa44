#!/bin/bash
# One table of socket calls against the kernel and against the stack: return values, errno and what is
# filled in must be the same.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair
host_bg b kernel /usr/bin/python3 "$(dirname "$0")/peer.py" 192.0.2.2 >"$TMP/peer"
until_true grep -q ready "$TMP/peer" || not_ok "the peer is up"

names=("creation" "unconnected stream" "binding" "connecting" "stream data" "reset and SIGPIPE"
    "timeouts and signals" "datagrams" "options" "linger" "urgent data" "descriptors" "dual stack"
    "dual stack names" "dual stack and loopback")
# ::1 is there.
in_a sysctl -qw net.ipv6.conf.lo.disable_ipv6=0
cases=$TOP_BUILDDIR/tests/net/call_cases
for name in "${names[@]}"; do
    kernel_mark "$NS_A"
    host a shim timeout 60 "$cases" 192.0.2.2 192.0.2.1 "$name" >"$TMP/shim" 2>"$TMP/shim.err"
    echo "status $?" >>"$TMP/shim"
    case $name in
    *loopback) ;;
    *)
        is "$(kernel_tcp "$NS_A" | grep -oE '(Opens|Datagrams)=[0-9]+')" "" \
            "$name: the kernel opened and carried nothing"
        ;;
    esac
    host a kernel timeout 60 "$cases" 192.0.2.2 192.0.2.1 "$name" >"$TMP/kernel" 2>/dev/null
    echo "status $?" >>"$TMP/kernel"
    mapfile -t lines < <(diff -U0 "$TMP/kernel" "$TMP/shim" | grep '^[-+]' | tail -n +3)
    count=$(($(wc -l <"$TMP/kernel") - 2))
    if [ ${#lines[@]} -eq 0 ] && [ $count -gt 0 ]; then
        ok "$name: $count results as the kernel's"
    else
        not_ok "$name: as the kernel's" "(- kernel, + stack)" "${lines[@]}" "$(cat "$TMP/shim.err")"
    fi
done
done_testing
