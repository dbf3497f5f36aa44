#!/bin/bash
# curl, preloaded, against Debian's nginx on the kernel: http, https, 200 MB down and up, 50 transfers at once;
# with a borrowed address and with one of its own.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
kind=${1:-shim}
case $kind in own) net_pair own ;; *) net_pair ;; esac

mkdir "$TMP/html" "$TMP/out" "$TMP/up"
make_file "$TMP/html/200MB" $((200 * 1024 * 1024))
echo "hello from nginx" >"$TMP/html/hello"
for i in $(seq 50); do make_file "$TMP/html/part$i" 1000003; done
chmod 644 "$TMP"/html/*
nginx_conf "$TMP/nginx.conf" 192.0.2.2 "$TMP/html"
host_bg b kernel nginx -e "$TMP/error.log" -c "$TMP/nginx.conf"
wait_port "$NS_B" 80 || not_ok "nginx is up" "$(cat "$TMP/error.log")"
host_bg b kernel python3 "$(dirname "$0")/put_server.py" 192.0.2.2 8080 "$TMP/up"
wait_port "$NS_B" 8080 || not_ok "the upload server is up"

is "$(host a "$kind" curl -sS --max-time 20 http://192.0.2.2/hello)" "hello from nginx" "http"
is "$(host a "$kind" curl -sS --max-time 20 --cacert "$TMP/cert.pem" https://192.0.2.2/hello)" \
    "hello from nginx" "https"
is "$(host a "$kind" curl -s --max-time 20 -o /dev/null -w '%{http_code}' http://192.0.2.2/none)" 404 \
    "a missing page is 404"
host a "$kind" curl -s --max-time 20 http://192.0.2.2:81/ 2>/dev/null
is $? 7 "a closed port is connection refused"

is "$(host a "$kind" curl -sS --max-time 100 http://192.0.2.2/200MB | sha256sum | cut -d' ' -f1)" \
    "$(sum_of "$TMP/html/200MB")" "200 MB down arrive unharmed"
host a "$kind" curl -sS --max-time 100 -T "$TMP/html/200MB" http://192.0.2.2:8080/upload >/dev/null
is $? 0 "200 MB up: curl is content"
is "$(sum_of "$TMP/up/upload")" "$(sum_of "$TMP/html/200MB")" "200 MB up arrive unharmed"

for i in $(seq 50); do
    printf 'url = "http://192.0.2.2/part%d"\noutput = "%s/out/part%d"\n' "$i" "$TMP" "$i"
done >"$TMP/parallel"
host a "$kind" curl -sS --max-time 100 --parallel --parallel-max 50 -K "$TMP/parallel"
is $? 0 "50 transfers at once: curl is content"
is "$(cd "$TMP/out" && cat part* | sha256sum)" "$(cd "$TMP/html" && cat part* | sha256sum)" \
    "50 transfers at once arrive unharmed"
# What follows curl's end is the housekeeper's, but it is the same connection's trace. With an address of its
# own: a new one, for which there is no stack yet (an older one's housekeeper knows nothing of this trace).
new=
[ "$kind" = own ] && new=SHIM_ADDRESS=192.0.2.3/24
# shellcheck disable=SC2086
host a "$kind" env $new SHIM_TRACE="$TMP/trace" curl -sS --max-time 20 -o "$TMP/out/traced" \
    http://192.0.2.2/hello
last_ack() { sed -n '/-> TIME_WAIT/,$p' "$TMP/trace" | grep -m 1 ' out  TCP '; } # ARP may follow
closed() { last_ack >/dev/null; }
until_true closed
check "the trace goes on to the end of the connection" closed
check "its time goes on" sort -c -s -n -k 1,1 "$TMP/trace"
numbers_go_on() { last_ack | grep -Eq "ACK +seq [0-9]{2,}  ack [0-9]{3,}"; }
check "its sequence numbers go on" numbers_go_on
expect_out a "$kind" "curl ($kind)"
done_testing
