#!/bin/bash
# A new connection between the same two ends is welcome while the peer still has the old one in TIME_WAIT, also
# when the old one was another process's: its sequence numbers and timestamps go on from there (RFC 6528 3, RFC 6191 2).
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair

cat >"$TMP/server.py" <<'EOF'
import socket
s = socket.create_server(("192.0.2.2", 9000))
while True:
    c, _ = s.accept()
    c.sendall(b"bye")
    c.close()
EOF
cat >"$TMP/client.py" <<'EOF'
import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", 40000))
s.settimeout(20)
s.connect(("192.0.2.2", 9000))
print(s.recv(10).decode(), s.recv(10).decode())
EOF
host_bg b kernel python3 "$TMP/server.py"
wait_port "$NS_B" 9000 || not_ok "the server is up"

kernel_mark "$NS_B"
for i in $(seq 12); do
    is "$(host a shim env SHIM_TRACE="$TMP/trace.$i" python3 "$TMP/client.py")" "bye " "connection $i"
done
is "$(cat "$TMP"/trace.* | grep -c ' out  TCP .* SYN  ')" 12 "one SYN was enough for each"
kernel_stayed_out "$NS_A" "the clients"
done_testing
