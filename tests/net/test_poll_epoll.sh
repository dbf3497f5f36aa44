#!/bin/bash
# poll, select, epoll and the descriptor calls, against the kernel and against the stack: what the calls
# return must be the same.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair
host_bg b kernel /usr/bin/python3 "$(dirname "$0")/puppet.py" 192.0.2.2 >"$TMP/peer"
until_true grep -q ready "$TMP/peer" || not_ok "the peer is up"

cases=$TOP_BUILDDIR/tests/net/poll_epoll_cases
mapfile -t names < <("$cases")
for name in "${names[@]}"; do
    if [ -n "$1" ] && [ "$1" != "$name" ]; then continue; fi
    for kind in shim kernel; do
        host a $kind timeout 60 "$cases" 192.0.2.2 192.0.2.1 "$name" >"$TMP/$kind" 2>"$TMP/$kind.err"
        echo "status $?" >>"$TMP/$kind"
    done
    mapfile -t lines < <(diff -U1 "$TMP/kernel" "$TMP/shim" | grep '^[-+ ]' | tail -n +3)
    if [ ${#lines[@]} -eq 0 ] && grep -q '^status 0$' "$TMP/kernel"; then
        ok "$name: $(($(wc -l <"$TMP/kernel") - 2)) results as the kernel's"
    else
        not_ok "$name: as the kernel's" "(- kernel, + stack)" "${lines[@]}" "$(cat "$TMP/shim.err")"
    fi
done
done_testing
