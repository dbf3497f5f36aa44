#!/bin/bash
# What a user does wrong: one clear line on stderr that names the variable and what would be right, a truthful errno
# from socket(), and never silently the kernel.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair
PY=/usr/bin/python3
chmod 755 "$TMP"
cat >"$TMP/try.py" <<'E2'
import errno, os, socket, sys
try:
    s = socket.socket()
    s.settimeout(3)
    s.connect(("192.0.2.2", 7))
    print("connected")
except OSError as e:
    print(errno.errorcode[e.errno])
E2
cat >"$TMP/serve.py" <<'E2'
import socket
s = socket.create_server(("192.0.2.2", 7))
print("ready", flush=True)
while True:
    s.accept()
E2
host_bg b kernel $PY "$TMP/serve.py" >"$TMP/ready"
until_true grep -q ready "$TMP/ready" || not_ok "the peer is up"

# bad NAME ERRNO PATTERN VAR=VALUE ...: socket() fails with ERRNO, and one line on stderr matches PATTERN.
bad()
{
    name=$1 want=$2 pattern=$3
    shift 3
    got=$(in_a env LD_PRELOAD="$LIBSHIM" "$@" $PY "$TMP/try.py" 2>"$TMP/err")
    is "$got" "$want" "$name: errno"
    lines=$(grep -c . "$TMP/err")
    if [ "$lines" = 1 ] && grep -qE -- "$pattern" "$TMP/err"; then
        ok "$name: one clear line"
    else
        not_ok "$name: one clear line that matches $pattern" "$(cat "$TMP/err")"
    fi
}

bad "no such interface" ENODEV "SHIM_INTERFACE.*nonesuch" SHIM_INTERFACE=nonesuch
bad "an address without a prefix" EINVAL "SHIM_ADDRESS.*/24" SHIM_ADDRESS=192.0.2.7
bad "an address that is none" EINVAL "SHIM_ADDRESS.*300" SHIM_ADDRESS=300.1.1.1/24
bad "a prefix that is none" EINVAL "SHIM_ADDRESS" SHIM_ADDRESS=192.0.2.7/33
bad "a gateway without an address" EINVAL "SHIM_GATEWAY.*SHIM_ADDRESS" SHIM_GATEWAY=192.0.2.2
bad "a gateway outside of the prefix" EINVAL "SHIM_GATEWAY.*203.0.113.1" SHIM_ADDRESS=192.0.2.7/24 \
    SHIM_INTERFACE=veth0 SHIM_GATEWAY=203.0.113.1
bad "the kernel's own address" EADDRINUSE "192.0.2.1" SHIM_ADDRESS=192.0.2.1/24 SHIM_INTERFACE=veth0
bad "an MTU that is none" EINVAL "SHIM_MTU.*huge" SHIM_MTU=huge
bad "an MTU too small" EINVAL "SHIM_MTU.*12" SHIM_MTU=12
bad "an unknown variable" EINVAL "SHIM_ADRESS" SHIM_ADRESS=192.0.2.7/24
bad "an unknown log level" EINVAL "SHIM_LOG.*loud.*debug" SHIM_LOG=loud
bad "an unknown fall back" EINVAL "SHIM_FALLBACK.*kernel" SHIM_FALLBACK=maybe
bad "a trace that cannot be written" ENOENT "SHIM_TRACE.*/nonexistent/trace" SHIM_TRACE=/nonexistent/trace
bad "a size that is none" EINVAL "SHIM_MEMORY" SHIM_MEMORY=lots

ip -n "$NS_A" link add down0 type veth peer name down1
bad "an interface that is down" ENETDOWN "SHIM_INTERFACE.*down0.*down" SHIM_INTERFACE=down0

# Without the capability, but with a library that everybody may read.
public_libshim
got=$(in_a setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all \
    env LD_PRELOAD="$LIBSHIM" $PY "$TMP/try.py" 2>"$TMP/err")
is "$got" EPERM "no privilege: errno"
check "no privilege: one clear line" grep -q "CAP_NET_RAW" "$TMP/err"
is "$(grep -c . "$TMP/err")" 1 "no privilege: one line only"

# Nothing of all this reached the kernel.
is "$(kernel_tcp "$NS_A")" "" "never silently the kernel"

# Asked for, it does.
is "$(in_a env LD_PRELOAD="$LIBSHIM" SHIM_INTERFACE=nonesuch SHIM_FALLBACK=kernel $PY "$TMP/try.py" 2>/dev/null)" \
    connected "SHIM_FALLBACK=kernel: the kernel's socket"
is "$(in_a nstat -asz TcpActiveOpens | awk '/TcpActive/ { print $2 }')" 1 \
    "SHIM_FALLBACK=kernel: by the kernel's TCP"

# The preload reaches helpers that use no inet socket: they do not even look at the variables.
is "$(in_a env LD_PRELOAD="$LIBSHIM" SHIM_ADDRESS=nonsense sh -c 'echo quiet | cat' 2>&1)" quiet \
    "a program without inet sockets is left alone"
done_testing
