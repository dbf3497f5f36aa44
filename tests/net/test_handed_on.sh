#!/bin/bash
# Sockets in use that a program hands to another one work there, as with the kernel's.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair
public_libshim
cp "$(dirname "$0")/handed_on.py" "$TMP"
mkdir "$TMP/web"
host_bg b kernel python3 -m http.server -b 192.0.2.2 -d "$TMP/web" 8080 >/dev/null 2>&1
wait_port "$NS_B" 8080 || not_ok "the peer is up"

hand_on() { host a "$1" timeout 60 python3 "$TMP/handed_on.py" "$2" 192.0.2.2 8080 2>"$TMP/err" | tr -d '\r'; }

for kind in kernel shim; do
    kernel_mark "$NS_A"
    is "$(hand_on $kind exec_without_environment)" "HTTP/1.0 200 OK" "$kind: to what is executed with an empty environment"
    is "$(cat "$TMP/err")" "" "nobody complains"
    is "$(hand_on $kind spawn_without_environment)" "HTTP/1.0 200 OK" "$kind: to what is spawned with an empty environment"
    is "$(cat "$TMP/err")" "" "nobody complains"
    is "$(hand_on $kind by_system)" "HTTP/1.0 200 OK" "$kind: by system()"
    is "$(cat "$TMP/err")" "" "nobody complains"
    is "$(hand_on $kind by_system_as_another)" "HTTP/1.0 200 OK" "$kind: by system(), as another user"
    is "$(cat "$TMP/err")" "" "nobody complains"
    is "$(hand_on $kind by_popen)" "HTTP/1.0 200 OK" "$kind: by popen()"
    is "$(cat "$TMP/err")" "" "nobody complains"
    is "$(hand_on $kind received_by_a_new_image)" "8080 HTTP/1.0 200 OK" "$kind: in a message to a program that has none yet"
    is "$(cat "$TMP/err")" "" "nobody complains"
    expect_out a $kind "all of this"
done
done_testing
