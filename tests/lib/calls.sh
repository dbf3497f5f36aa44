# shellcheck shell=bash
# Tables of calls, run on host A against the kernel and against the stack and compared: sourced (after net.sh and
# apps.sh).
#
#   compare_calls PROGRAM NAME ...   for each name one test, and another one that the kernel opened and carried
#                                    nothing (but for those that end in "loopback")

# Runs both; what they say differently is in "${lines[@]}".
calls_differ()
{
    kernel_mark "$NS_A"
    host a shim timeout 60 "$1" 192.0.2.2 192.0.2.1 "$2" >"$TMP/shim" 2>"$TMP/shim.err"
    echo "status $?" >>"$TMP/shim"
    carried=$(kernel_tcp "$NS_A" | grep -oE '(Opens|Datagrams)=[0-9]+')
    host a kernel timeout 60 "$1" 192.0.2.2 192.0.2.1 "$2" >"$TMP/kernel" 2>/dev/null
    echo "status $?" >>"$TMP/kernel"
    mapfile -t lines < <(diff -U0 "$TMP/kernel" "$TMP/shim" | grep '^[-+]' | tail -n +3)
    [ ${#lines[@]} -gt 0 ]
}

compare_calls()
{
    local program=$1 name
    shift
    for name in "$@"; do
        compare_case "$program" "$name"
    done
}

compare_case()
{
    local name=$2 lines count carried
    # What either does by time may differ when the machine stalls, but not twice.
    if calls_differ "$TOP_BUILDDIR/tests/net/$1" "$name"; then
        calls_differ "$TOP_BUILDDIR/tests/net/$1" "$name"
    fi
    [[ $name == *loopback ]] || is "$carried" "" "$name: the kernel opened and carried nothing"
    count=$(($(wc -l <"$TMP/kernel") - 2))
    if [ ${#lines[@]} -eq 0 ] && [ $count -gt 0 ]; then
        ok "$name: $count results as the kernel's"
    else
        not_ok "$name: as the kernel's" "(- kernel, + stack)" "${lines[@]}" "$(cat "$TMP/shim.err")"
    fi
}
