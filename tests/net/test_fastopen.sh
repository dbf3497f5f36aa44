#!/bin/bash
# TCP Fast Open: each end on the kernel or wrapped. Whatever the combination, the calls return what they do between two
# kernels, and text goes with the SYN when it does there. And curl, which asks for it.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair
PY=/usr/bin/python3
cases=$TOP_BUILDDIR/tests/net/fast_cases
for ns in "$NS_A" "$NS_B"; do
    ip netns exec "$ns" sysctl -qw net.ipv4.tcp_fastopen=3
done

# one SERVER_KIND CLIENT_KIND PORT: leaves the outputs in $TMP/client and $TMP/server.
one()
{
    in_a ip tcp_metrics flush all 2>/dev/null
    in_b ip tcp_metrics flush all 2>/dev/null
    host_bg b "$1" "$cases" server 192.0.2.2 "$3" >"$TMP/server"
    server=$STARTED
    listening b "$1" "$3" || not_ok "the server listens ($1)"
    host a "$2" timeout 60 "$cases" client 192.0.2.2 "$3" 192.0.2.77 >"$TMP/client" 2>"$TMP/client.err"
    echo "status $?" >>"$TMP/client"
    until_true same_count
    stop "$server"
}
same_count() { [ ! -e "$TMP/server.want" ] || [ "$(wc -l <"$TMP/server")" -ge "$(wc -l <"$TMP/server.want")" ]; }
seven_lines() { [ "$(wc -l <"$TMP/server")" -ge 7 ]; }
as_wanted()
{
    if diff "$1.want" "$1" >"$TMP/diff"; then
        ok "$2"
    else
        not_ok "$2" "(< kernel, > this)" "$(cat "$TMP/diff")" "$(cat "$TMP/client.err")"
    fi
}

one kernel kernel 7401
until_true seven_lines
cp "$TMP/client" "$TMP/client.want"
sort "$TMP/server" >"$TMP/server.want"
check "between kernels text goes with the SYN" grep -q "SYN: yes" "$TMP/client.want"

port=7402
for pair in "kernel shim" "shim kernel" "shim shim"; do
    # shellcheck disable=SC2086
    one $pair $port
    sort "$TMP/server" >"$TMP/server.sorted" && mv "$TMP/server.sorted" "$TMP/server"
    as_wanted "$TMP/client" "server and client $pair: the client's calls"
    as_wanted "$TMP/server" "server and client $pair: what the server saw"
    port=$((port + 1))
done

# curl: two connections, the second with its request in the SYN.
cat >"$TMP/web.py" <<'E2'
import http.server, socket, sys
class Server(http.server.ThreadingHTTPServer):
    def server_activate(self):
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
        super().server_activate()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"hello\n")
    def log_message(self, *args):
        pass
Server(("192.0.2.2", int(sys.argv[1])), Handler).serve_forever()
E2
chmod 755 "$TMP"
passive() { in_b nstat -asz TcpExtTCPFastOpenPassive | awk '/OpenPassive/ { print $2 }'; }
active() { in_a nstat -asz TcpExtTCPFastOpenActive | awk '/OpenActive / { print $2 }'; }
for pair in "kernel shim 7411" "shim kernel 7412" "shim shim 7413"; do
    read -r s c port <<<"$pair"
    in_a ip tcp_metrics flush all 2>/dev/null
    host_bg b "$s" $PY "$TMP/web.py" "$port"
    server=$STARTED
    listening b "$s" "$port" || not_ok "the server listens ($s)"
    was=$(($(passive) + $(active)))
    is "$(host a "$c" timeout 30 curl -s --tcp-fastopen "http://192.0.2.2:$port/a" "http://192.0.2.2:$port/b" 2>&1)" \
        $'hello\nhello' "curl --tcp-fastopen: client $c, server $s"
    now=$(($(passive) + $(active)))
    [ "$s $c" = "shim shim" ] || is $((now - was)) 1 "the kernel's end saw one request in a SYN"
    stop "$server"
done
done_testing
