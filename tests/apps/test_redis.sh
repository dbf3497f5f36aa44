#!/bin/bash
# redis-server with redis-benchmark as its client: each end on the kernel or preloaded.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair

# one SERVER_KIND CLIENT_KIND PORT
one()
{
    host_bg b "$1" redis-server --port "$3" --bind 192.0.2.2 --protected-mode no --save '' --dir "$TMP" \
        --logfile "$TMP/redis.log"
    server=$STARTED
    listening b "$1" "$3" || not_ok "redis-server listens ($1)" "$(tail -n 3 "$TMP/redis.log")"
    is "$(host a "$2" timeout 10 redis-cli -h 192.0.2.2 -p "$3" set key value)" OK \
        "server $1, client $2: set"
    is "$(host a "$2" timeout 10 redis-cli -h 192.0.2.2 -p "$3" get key)" value \
        "server $1, client $2: get"
    lines=$(host a "$2" timeout 60 redis-benchmark -h 192.0.2.2 -p "$3" -n 20000 -c 50 -q --csv \
        -t ping,set,get,lrange_100 2>/dev/null | tr -d '\r' | grep -cE '^"(PING|SET|GET|LRANGE|LPUSH).*,"[0-9]')
    is "$lines" 6 "server $1, client $2: 20,000 of each request, 50 clients"
    lines=$(host a "$2" timeout 60 redis-benchmark -h 192.0.2.2 -p "$3" -n 50000 -c 20 -P 16 -d 1000 -q --csv \
        -t set,get 2>/dev/null | tr -d '\r' | grep -cE '^"(SET|GET)","[0-9]')
    is "$lines" 2 "server $1, client $2: pipelined"
    check "server $1: still there" kill -0 "$server"
    stop "$server"
}
one kernel shim 7201
expect_out a shim "redis-benchmark"
one shim shim 7202
expect_out a shim "redis-benchmark, both wrapped"
kernel_mark "$NS_B"
one shim kernel 7203
expect_out b shim "redis-server"
done_testing
