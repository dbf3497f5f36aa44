#!/bin/bash
# A process that was executed before there was a stack is handed a socket of one: it joins the stack.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair "$1"
public_libshim
cp "$(dirname "$0")/joining.py" "$TMP"
PORT=7300

# begin CASE KIND: its output goes to $TMP/out, what it complains of to $TMP/err.
begin()
{
    PORT=$((PORT + 2))
    host_bg a "$2" timeout 60 /usr/bin/python3 "$TMP/joining.py" "$1" $PORT >"$TMP/out" 2>"$TMP/err" </dev/null
}

# A line to the other host's port, and the answer.
say()
{
    case $1 in
    datagrams) in_b timeout 20 bash -c "exec 3<>/dev/udp/192.0.2.1/$PORT; echo hello >&3; head -n 1 <&3" ;;
    *) in_b timeout 20 bash -c "exec 3<>/dev/tcp/192.0.2.1/$PORT; echo hello >&3; head -n 1 <&3" ;;
    esac
}

said() { grep -q "$1" "$TMP/out"; }

for kind in kernel ${1:-shim}; do
    [ "$1$kind" != ownkernel ] || continue # A's kernel has no address
    kernel_mark "$NS_A"
    for case in listener connection datagrams forked executed own_first own_before own_closed sender_gone; do
        begin $case $kind
        if [ $case = connection ]; then until_true said listening; else until_true said received; fi
        is "$(say $case)" HELLO "$kind: $case"
        wait "$STARTED"
        is "$?" 0 "$kind: $case: it ends well"
        is "$(cat "$TMP/err")" "" "$kind: $case: nobody complains"
    done
    expect_out a $kind "all of this"
done

# ---- what is not possible ----
[ "$1" = own ] || {
    begin own_stack shim
    wait "$STARTED"
    is "$(cat "$TMP/out" "$TMP/err")" "Operation not supported
libshim: a socket of another stack was received: it cannot be used here" "to a process with a stack of its own"
}
begin other_user "${1:-shim}"
wait "$STARTED"
is "$(cat "$TMP/out" "$TMP/err")" "Invalid argument
libshim: the stack of a socket that was received cannot be joined: Permission denied" "to another user's process"
done_testing
