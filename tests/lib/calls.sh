# shellcheck shell=bash
# Tables of calls, run on host A against the kernel and against the stack and compared: sourced (after net.sh and
# apps.sh).
#
#   compare_calls PROGRAM NAME   one test, and another one that the kernel opened and carried nothing (unless
#                                $LOOPBACK is set)

compare_calls()
{
    local cases=$TOP_BUILDDIR/tests/net/$1 name=$2 lines count
    kernel_mark "$NS_A"
    host a shim timeout 60 "$cases" 192.0.2.2 192.0.2.1 "$name" >"$TMP/shim" 2>"$TMP/shim.err"
    echo "status $?" >>"$TMP/shim"
    [ -n "$LOOPBACK" ] ||
        is "$(kernel_tcp "$NS_A" | grep -oE '(Opens|Datagrams)=[0-9]+')" "" \
            "$name: the kernel opened and carried nothing"
    host a kernel timeout 60 "$cases" 192.0.2.2 192.0.2.1 "$name" >"$TMP/kernel" 2>/dev/null
    echo "status $?" >>"$TMP/kernel"
    mapfile -t lines < <(diff -U0 "$TMP/kernel" "$TMP/shim" | grep '^[-+]' | tail -n +3)
    count=$(($(wc -l <"$TMP/kernel") - 2))
    if [ ${#lines[@]} -eq 0 ] && [ $count -gt 0 ]; then
        ok "$name: $count results as the kernel's"
    else
        not_ok "$name: as the kernel's" "(- kernel, + stack)" "${lines[@]}" "$(cat "$TMP/shim.err")"
    fi
}
