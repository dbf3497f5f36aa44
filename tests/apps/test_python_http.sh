#!/bin/bash
# python3 -m http.server, preloaded, serving the kernel's curl; and curl preloaded too; with a borrowed address and
# with one of its own.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
kind=${1:-shim}
case $kind in own) net_pair own ;; *) net_pair ;; esac
PY=/usr/bin/python3
mkdir "$TMP/html"
make_file "$TMP/html/30MB" 30000000
for i in $(seq 20); do make_file "$TMP/html/part$i" 300007; done

host_bg a "$kind" "$PY" -m http.server -d "$TMP/html" --bind 0.0.0.0 8000 2>"$TMP/log"
server=$STARTED
listening a "$kind" 8000 || not_ok "the server listens" "$(cat "$TMP/log")"
is "$(host b kernel curl -sS --max-time 60 http://192.0.2.1:8000/30MB | sha256sum | cut -d' ' -f1)" \
    "$(sum_of "$TMP/html/30MB")" "kernel curl fetches 30 MB"
is "$(host b kernel curl -s --max-time 20 -o /dev/null -w '%{http_code}' http://192.0.2.1:8000/none)" 404 \
    "a missing page is 404"
mkdir "$TMP/out"
for i in $(seq 20); do
    printf 'url = "http://192.0.2.1:8000/part%d"\noutput = "%s/out/part%d"\n' "$i" "$TMP" "$i"
done >"$TMP/parallel"
host b kernel curl -sS --max-time 60 --parallel --parallel-max 20 -K "$TMP/parallel"
is "$(cd "$TMP/out" && cat part* | sha256sum)" "$(cd "$TMP/html" && cat part* | sha256sum)" \
    "20 threads serve at once"
# A client that goes away in the middle does not hurt the server.
host b kernel curl -s --max-time 20 http://192.0.2.1:8000/30MB | head -c 100000 >/dev/null
is "$(host b kernel curl -s --max-time 20 http://192.0.2.1:8000/part1 | sha256sum)" \
    "$(sha256sum <"$TMP/html/part1")" "it serves on after a client has gone"
if [ "$kind" = shim ]; then
    is "$(host b shim curl -sS --max-time 60 http://192.0.2.1:8000/30MB | sha256sum | cut -d' ' -f1)" \
        "$(sum_of "$TMP/html/30MB")" "both ends wrapped: 30 MB"
fi
expect_out a "$kind" "http.server ($kind)"
check "the server is still there" kill -0 "$server"
stop "$server"
done_testing
