#!/bin/bash
# Debian's nginx, preloaded, as it is run everywhere: a master as root, workers without privilege, which share its
# listener and connect to an upstream themselves; served are curls on the kernel's own sockets.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
: "${kind:=shim}"
case $kind in own) net_pair own ;; *) net_pair ;; esac

mkdir "$TMP/html" "$TMP/up"
make_file "$TMP/html/big" $((30 * 1024 * 1024))
make_file "$TMP/up/big" $((5 * 1024 * 1024))
echo "hello from nginx" >"$TMP/html/hello"
echo "hello from upstream" >"$TMP/up/hello"
chmod 755 "$TMP" "$TMP/html" "$TMP/up"
chmod 644 "$TMP"/html/* "$TMP"/up/*
host_bg b kernel python3 -m http.server -b 192.0.2.2 -d "$TMP/up" 8080 >/dev/null 2>&1
wait_port "$NS_B" 8080 || not_ok "the upstream server is up"

cat >"$TMP/nginx.conf" <<CONF
daemon off;
user www-data;
pid $TMP/nginx.pid;
error_log $TMP/error.log error;
worker_processes 2;
events { worker_connections 512; }
http {
    access_log off; log_not_found off;
    client_body_temp_path $TMP/body; proxy_temp_path $TMP/p; fastcgi_temp_path $TMP/f;
    uwsgi_temp_path $TMP/u; scgi_temp_path $TMP/s;
    server {
        listen 192.0.2.1:80;
        root $TMP/html;
        location /up/ { proxy_pass http://192.0.2.2:8080/; }
    }
}
CONF
host_bg a "$kind" nginx -e "$TMP/error.log" -c "$TMP/nginx.conf" 2>"$TMP/stderr"
master=$STARTED
listening a "$kind" 80 || not_ok "nginx is up" "$(cat "$TMP/error.log" "$TMP/stderr")"

workers() { ps -o pid= -o user= --ppid "$master" | awk '$2 == "www-data" { print $1 }'; }
two_workers() { [ "$(workers | wc -l)" = 2 ]; }
until_true two_workers
is "$(workers | wc -l)" 2 "two workers without privilege"

get() { in_b curl -sS --max-time 20 "$@"; }
sums() { get "$1" | sha256sum | cut -d' ' -f1; }

# requests N NAME: N requests over 20 connections that are kept alive, in parallel.
requests()
{
    for i in $(seq "$1"); do printf 'url = "http://192.0.2.1/hello?%d"\n' "$i"; done >"$TMP/urls"
    in_b curl -sS --max-time 20 --parallel --parallel-max 20 -K "$TMP/urls" >"$TMP/got" 2>"$TMP/err"
    is "$? $(grep -c '^hello from nginx$' "$TMP/got")" "0 $1" "$2"
}

is "$(get http://192.0.2.1/hello)" "hello from nginx" "a page"
is "$(get -o /dev/null -w '%{http_code}' http://192.0.2.1/none)" 404 "a missing page is 404"
is "$(sums http://192.0.2.1/big)" "$(sum_of "$TMP/html/big")" "30 MB arrive unharmed"
is "$(get -w '%{num_connects} ' http://192.0.2.1/hello http://192.0.2.1/hello | tr '\n' ' ')" \
    "hello from nginx 1 hello from nginx 0 " "a connection is kept alive"
requests 300 "300 requests in parallel"
bad=0
for _ in $(seq 100); do
    [ "$(get http://192.0.2.1/hello)" = "hello from nginx" ] || bad=$((bad + 1))
done
is $bad 0 "100 requests, a connection each"

is "$(get http://192.0.2.1/up/hello)" "hello from upstream" "a worker connects to an upstream itself"
bad=0
for _ in $(seq 20); do
    [ "$(get http://192.0.2.1/up/hello)" = "hello from upstream" ] || bad=$((bad + 1))
done
is $bad 0 "and 20 times again"
is "$(sums http://192.0.2.1/up/big)" "$(sum_of "$TMP/up/big")" "5 MB by way of the upstream arrive unharmed"

# ---- reload: new workers, and the old ones go ----
before=$(workers)
kill -HUP "$master"
renewed()
{
    [ "$(workers | wc -l)" = 2 ] && [ "$(comm -12 <(echo "$before" | sort) <(workers | sort))" = "" ]
}
check "a reload brings new workers" until_true renewed
requests 100 "which serve"
is "$(get http://192.0.2.1/up/hello)" "hello from upstream" "and connect"
is "$(cat "$TMP/error.log")" "" "nginx has nothing to complain about"

# ---- the end ----
kill -QUIT "$master"
ended() { [ ! -e "/proc/$master" ] || grep -q '^State:.*Z' "/proc/$master/status" 2>/dev/null; }
check "it ends when it is told to" until_true ended
kernel_stayed_out "$NS_A" "all of this"
in_b curl -s --max-time 10 http://192.0.2.1/hello >/dev/null
is $? 7 "and nobody listens any more"
done_testing
