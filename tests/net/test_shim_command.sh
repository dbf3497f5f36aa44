#!/bin/bash
# The shim command as a user meets it: what it prints, where to, and how it ends. shim(1) says the same.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_alone "$@"
net_pair
PY=/usr/bin/python3
shim=$TOP_BUILDDIR/shim/shim
chmod 755 "$TMP"
# The tests may run with a sanitizer's library to be preloaded too: that is before ours, and found in LIBSHIM.
[ "${LIBSHIM% *}" = "$LIBSHIM" ] || export LD_PRELOAD=${LIBSHIM% *}
run() { in_a "$shim" run "$@"; }

# said STATUS STREAM PATTERN NAME COMMAND ...: COMMAND ends with STATUS, PATTERN is in what it says there, and
# nothing comes on the other stream.
said()
{
    status=$1 stream=$2 pattern=$3 name=$4
    shift 4
    "$@" >"$TMP/out" 2>"$TMP/err" </dev/null
    got=$?
    other=err
    [ "$stream" = out ] || other=out
    if [ $got -eq "$status" ] && grep -qE -- "$pattern" "$TMP/$stream" && [ ! -s "$TMP/$other" ]; then
        ok "$name"
    else
        not_ok "$name" "status $got" "$(head -c 2000 "$TMP/out")" "$(head -c 2000 "$TMP/err")"
    fi
}

# ---- what it is ----
for option in -h --help; do
    said 0 out '^usage: shim run' "shim $option" "$shim" $option
    said 0 out '^usage: shim run' "shim run $option" "$shim" run $option
    said 0 out '^usage: shim run' "shim ss $option" "$shim" ss $option
done
man=$(dirname "$0")/../../man/shim.1
for letter in $("$shim" --help | grep -oE '(^| )-[a-z]( |$)' | tr -dc 'a-z\n'); do
    check "shim(1) knows -$letter" grep -qE "^\.It Fl $letter$|^\.Op Fl $letter Ar" "$man"
done
for option in -V --version; do
    said 0 out '^shim \(libshim\) [0-9]' "shim $option" "$shim" $option
done
is "$("$shim" -V | wc -l)" 1 "the version is one line"

# ---- wrong use ----
said 2 err '^usage: ' "no command" "$shim"
said 2 err '^shim: walk: there is no such command' "a command that there is not" "$shim" walk
said 2 err "^shim: --walk: there is no such command" "an option that there is not" "$shim" --walk
said 2 err "^shim ss: invalid option -- 'x'" "shim ss -x" "$shim" ss -x
said 2 err "^shim ss: unrecognized option '--long'" "shim ss --long" "$shim" ss --long
said 2 err "^shim ss: port: there are no arguments" "shim ss port" "$shim" ss port
said 2 err "^shim run: invalid option -- 'x'" "shim run -x" "$shim" run -x true
said 2 err "^shim run: option requires an argument -- 'i'" "shim run -i" "$shim" run -i
said 2 err "^shim run: no program is given" "shim run" "$shim" run
said 2 err "^shim run: no program is given" "shim run -i veth0" "$shim" run -i veth0
said 127 err "^shim: /nowhere/program: No such file" "a program that is not there" run /nowhere/program
said 127 err "^shim: nowhere-program: No such file" "nor in PATH" run nowhere-program
said 126 err "^shim: /etc/passwd: Permission denied" "a program that cannot be run" run /etc/passwd
if [ -c /dev/full ]; then
    "$shim" --help >/dev/full 2>"$TMP/err"
    is "$?" 1 "a help that cannot be written"
fi

# ---- run ----
said 0 out '^-x run -- \*  a$' "arguments arrive as they are" run printf '%s %s %s %s %s\n' -x run -- '*' ' a'
said 0 out '^--$' "the first -- is shim's" run -- echo --
said 7 out '^x$' "the program's status" run sh -c 'echo x; exit 7'
run sh -c 'kill -TERM $$' 2>/dev/null
is "$?" 143 "the program dies of a signal"
host_bg a kernel "$shim" run sleep 1000
until_true sh -c "tr '\\0' ' ' </proc/$STARTED/cmdline | grep -q '^sleep'"
is "$(cat "/proc/$STARTED/comm")" sleep "the program has the process of the command: signals reach it"
kill -TERM "$STARTED"
wait "$STARTED" 2>/dev/null
is $? 143 "and it dies of them"
is "$(echo through | run cat)" through "stdin and stdout are the program's"
said 0 out '^SHIM_ADDRESS=192.0.2.9/24 SHIM_GATEWAY=192.0.2.2 SHIM_INTERFACE=veth0 SHIM_TRACE=/tmp/t $' \
    "options are variables" \
    run -i veth0 -a 192.0.2.9/24 -g 192.0.2.2 -t /tmp/t sh -c 'env | grep ^SHIM_ | sort | tr "\n" " "; echo'
# shellcheck disable=SC2016
said 0 out "^${LD_PRELOAD:+$LD_PRELOAD:}libc.so.6:$TOP_BUILDDIR/.libs/libshim.so\$" "what is preloaded already stays" \
    in_a env LD_PRELOAD="${LD_PRELOAD:+$LD_PRELOAD:}libc.so.6" "$shim" run sh -c 'echo $LD_PRELOAD'

# ---- run and ss, with the peer ----
cat >"$TMP/peer.py" <<'E2'
import socket
s = socket.create_server(("192.0.2.2", 7))
print("ready", flush=True)
conns = []
while True:
    conns.append(s.accept()[0])
    conns[-1].sendall(b"x" * 1000)
E2
# Sockets of every sort, until its stdin ends.
cat >"$TMP/many.py" <<'E2'
import socket, sys
address, port = sys.argv[1], int(sys.argv[2])
listener = socket.create_server((address, port), backlog=5)
to_peer = socket.create_connection(("192.0.2.2", 7))
while len(to_peer.recv(2000, socket.MSG_PEEK)) < 1000:
    pass
bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
bound.bind((address, port))
connected = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
connected.bind((address, port + 1))
connected.connect(("192.0.2.2", 53))
dual = socket.socket(socket.AF_INET6)
dual.bind(("::", port + 1))
dual.listen(9)
print("ready", to_peer.getsockname()[1], flush=True)
sys.stdin.read()
E2
host_bg b kernel $PY "$TMP/peer.py" >"$TMP/ready"
until_true grep -q ready "$TMP/ready" || not_ok "the peer is up"

said 0 err '^$|in +TCP' "shim run -t stderr shows the wire" \
    run -t stderr $PY -c 'import socket; socket.create_connection(("192.0.2.2", 7)).recv(1)'
check "with the states of the connection" grep -q 'SYN_SENT -> ESTABLISHED' "$TMP/err"

# family NAME ADDRESS PORT COMMAND ...: many.py run so; its pid is in NAME, its port to the peer in NAME_port.
family()
{
    name=$1 address=$2 port=$3
    shift 3
    mkfifo "$TMP/$name"
    eval "exec {${name}_hold}<>'$TMP/$name'"
    ip netns exec "$NS_A" "$@" $PY "$TMP/many.py" "$address" "$port" <"$TMP/$name" >"$TMP/said-$name" 2>"$TMP/err" &
    eval "$name=$!"
    NET_PIDS="$NET_PIDS $!"
    until_true grep -q ready "$TMP/said-$name" || not_ok "a family is up" "$(cat "$TMP/err")"
    eval "${name}_port=$(cut -d' ' -f2 "$TMP/said-$name")"
}
# rows PID OPTION ...: what shim ss says of that process, blanks made one, sorted, without the pid and the program.
rows()
{
    pid=$1
    shift
    "$shim" ss "$@" | grep -E " $pid/python3" | sed -E "s/ +/ /g; s| $pid/python3[.0-9]*\$||" | sort
}
family one 192.0.2.1 5000 "$shim" run
family two 192.0.2.1 6000 "$shim" run
family own 192.0.2.9 7000 "$shim" run -i veth0 -a 192.0.2.9/24
expected()
{
    echo "tcp 0 5 $1:$2 0.0.0.0:* LISTEN"
    echo "tcp 0 9 [::]:$(($2 + 1)) [::]:* LISTEN"
    echo "tcp 1000 0 $1:$3 192.0.2.2:7 ESTABLISHED"
    echo "udp 0 0 $1:$2 0.0.0.0:* UNCONNECTED"
    echo "udp 0 0 $1:$(($2 + 1)) 192.0.2.2:53 ESTABLISHED"
}
# shellcheck disable=SC2154
{
    is "$(rows "$one")" "$(expected 192.0.2.1 5000 "$one_port" | sort)" "shim ss: a family"
    is "$(rows "$two")" "$(expected 192.0.2.1 6000 "$two_port" | sort)" "shim ss: another"
    is "$(rows "$own")" "$(expected 192.0.2.9 7000 "$own_port" | sort)" "shim ss: one with an address of its own"
    is "$(rows "$one" -t)" "$(expected 192.0.2.1 5000 "$one_port" | grep tcp | sort)" "shim ss -t"
    is "$(rows "$one" -u)" "$(expected 192.0.2.1 5000 "$one_port" | grep udp | sort)" "shim ss -u"
    is "$(rows "$one" -ltn)" "$(expected 192.0.2.1 5000 "$one_port" | grep LISTEN | sort)" "shim ss -ltn"
    is "$("$shim" ss | grep -c "^Proto")" 1 "one heading for all"
    "$shim" ss -s >"$TMP/stacks"
    check "shim ss -s: a stack and its process" grep -qx "Stack of $one/python3[.0-9]*" "$TMP/stacks"
    check "its interface" grep -qx "  veth0: Ethernet, MTU 1500, up, 192.0.2.1/24" "$TMP/stacks"
    check "an address of its own" grep -qx "  veth0: Ethernet, MTU 1500, up, 192.0.2.9/24 of its own" "$TMP/stacks"
}
is "$(awk 'length > 110' <("$shim" ss) | wc -l)" 0 "no line is longer than 110 characters"
# In a process namespace of its own there is nothing.
said 0 out '^end$' "nothing where none runs" \
    unshare --pid --fork --mount-proc sh -c "'$shim' ss; '$shim' ss -s; '$shim' ss -lt; echo end"
is "$(cat "$TMP/out")" end "not even a heading"

# ---- who is not root ----
# As it is installed; somebody else may not look into the build directory.
mkdir -p "$TMP/there/bin" "$TMP/there/lib"
cp "$shim" "$TMP/there/bin"
cp "${LIBSHIM##* }" "$TMP/there/lib"
chmod -R a+rX "$TMP/there"
chmod 644 "$TMP/many.py"
nobody() { ip netns exec "$NS_A" setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
capable="--inh-caps=+net_raw --ambient-caps=+net_raw"
# shellcheck disable=SC2086
family theirs 192.0.2.1 8000 setpriv --reuid=65534 --regid=65534 --clear-groups $capable "$TMP/there/bin/shim" run
# shellcheck disable=SC2154
theirs_of() { sed -E 's/ +/ /g' | grep -v ^Proto | sed "s| $theirs/python3[.0-9]*\$||" | sort; }
# shellcheck disable=SC2086,SC2154
{
    is "$(rows "$theirs")" "$(expected 192.0.2.1 8000 "$theirs_port" | sort)" "root sees another user's"
    is "$(nobody $capable "$TMP/there/bin/shim" ss | theirs_of)" \
        "$(expected 192.0.2.1 8000 "$theirs_port" | sort)" "the owner sees it, and not root's"
    is "$(nobody "$TMP/there/bin/shim" ss | theirs_of)" "" "without the capability nothing is seen"
    nobody "$TMP/there/bin/shim" run $PY -c 'import socket; socket.socket()' >"$TMP/out" 2>"$TMP/err"
    check "and no stack can be had: one line says why" grep -qE '^libshim: .*CAP_NET_RAW' "$TMP/err"
}

# ---- the end ----
# shellcheck disable=SC2154
eval "exec $one_hold>&-" "$theirs_hold>&-"
kill -9 "$two"
# gone PID: shim ss does not name it any more.
gone() { ! "$shim" ss | grep -q " $1/"; }
kill "$one"
check "a process that ended is gone" until_true gone "$one"
check "one that was killed, too" until_true gone "$two"
done_testing
