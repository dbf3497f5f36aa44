#!/bin/bash
# The demonstration: two hosts, nginx on one, an unmodified curl with a TCP/IP stack of its own on the
# other. Prints the page, what went over the wire, and what the kernel's TCP had to do with it.
. "$(dirname "$0")/../lib/net.sh"

title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
bold=
plain=
if [ -t 1 ]; then
    bold=$(tput bold 2>/dev/null)
    plain=$(tput sgr0 2>/dev/null)
fi

net_pair
mkdir "$TMP/html"
cat >"$TMP/html/index.html" <<'HTML'
<!doctype html>
<title>libshim</title>
<h1>Hello from nginx</h1>
<p>This page crossed the wire through a TCP/IP stack that lives in curl's own process.</p>
HTML
cat >"$TMP/nginx.conf" <<CONF
daemon off;
pid $TMP/nginx.pid;
error_log $TMP/error.log;
worker_processes 1;
events { }
http {
    access_log off;
    server { listen 192.0.2.2:80; root $TMP/html; }
}
CONF
chmod 755 "$TMP" "$TMP/html"
chmod 644 "$TMP/html/index.html"

title "Two hosts, joined by a cable"
echo "  $NS_A  192.0.2.1  curl, with libshim.so preloaded"
echo "  $NS_B  192.0.2.2  Debian's nginx, on the kernel's TCP"

start_b nginx -e "$TMP/error.log" -c "$TMP/nginx.conf"
wait_port "$NS_B" 80 || { cat "$TMP/error.log"; exit 1; }

title "\$ LD_PRELOAD=libshim.so curl http://192.0.2.2/"
in_a env LD_PRELOAD="$LIBSHIM" SHIM_TRACE="$TMP/trace" curl -sS --max-time 20 http://192.0.2.2/
status=$?

title "What went over the wire (SHIM_TRACE)"
# The close goes on after curl has ended: wait, at most 5 s, until the connection is in TIME_WAIT.
for _ in $(seq 100); do
    grep -q TIME_WAIT "$TMP/trace" 2>/dev/null && break
    read -r -t 0.05 _ <> <(:) || :
done
cat "$TMP/trace"

title "The kernel's TCP counters of curl's host"
in_a nstat -asz TcpActiveOpens TcpPassiveOpens TcpOutSegs TcpRetransSegs TcpOutRsts |
    awk '!/^#/ { printf "  %-18s %s\n", $1, $2 }'

[ $status -eq 0 ] && [ -z "$(kernel_tcp "$NS_A")" ]
status=$?
if [ $status -eq 0 ]; then
    title "curl spoke through its own stack; the kernel opened no connection and sent no segment."
else
    title "Something went wrong: see above."
fi
exit $status
