#!/bin/bash
# wget, preloaded, against nginx on the kernel.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair
mkdir "$TMP/html"
make_file "$TMP/html/20MB" 20000000
chmod 644 "$TMP"/html/*
nginx_conf "$TMP/nginx.conf" 192.0.2.2 "$TMP/html"
host_bg b kernel nginx -e "$TMP/error.log" -c "$TMP/nginx.conf"
wait_port "$NS_B" 443 || not_ok "nginx is up" "$(cat "$TMP/error.log")"

host a shim wget -q -T 20 -t 1 -O "$TMP/http" http://192.0.2.2/20MB
is "$(sum_of "$TMP/http")" "$(sum_of "$TMP/html/20MB")" "http"
host a shim wget -q -T 20 -t 1 --ca-certificate="$TMP/cert.pem" -O "$TMP/https" https://192.0.2.2/20MB
is "$(sum_of "$TMP/https")" "$(sum_of "$TMP/html/20MB")" "https"
head -c 7000001 "$TMP/html/20MB" >"$TMP/resume"
host a shim wget -q -c -T 20 -t 1 -O "$TMP/resume" http://192.0.2.2/20MB
is "$(sum_of "$TMP/resume")" "$(sum_of "$TMP/html/20MB")" "a resumed download"
host a shim wget -q -T 20 -t 1 -O /dev/null http://192.0.2.2/none
is $? 8 "a missing page"
expect_out a shim wget
done_testing
