#!/bin/bash
# An asyncio server and client (epoll): each end on the kernel or preloaded.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair
PY=/usr/bin/python3
echo_py=$(dirname "$0")/asyncio_echo.py

# one SERVER_KIND CLIENT_KIND PORT
one()
{
    host_bg b "$1" $PY "$echo_py" server 0.0.0.0 "$3"
    server=$STARTED
    listening b "$1" "$3" || not_ok "the server listens ($1)"
    is "$(host a "$2" timeout 60 $PY "$echo_py" client 192.0.2.2 "$3" 1 2000003)" "1 of 1 unharmed" \
        "server $1, client $2: one connection"
    is "$(host a "$2" timeout 60 $PY "$echo_py" client 192.0.2.2 "$3" 60 100003)" "60 of 60 unharmed" \
        "server $1, client $2: 60 connections at once"
    check "server $1: still there" kill -0 "$server"
    stop "$server"
}
one kernel shim 7101
expect_out a shim "asyncio client"
one shim shim 7102
expect_out a shim "asyncio client, both wrapped"
kernel_mark "$NS_B"
one shim kernel 7103
expect_out b shim "asyncio server"
done_testing
