#!/bin/bash
# dig over UDP and TCP, preloaded, against dnsmasq on the kernel.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair
long=$(printf 'x%.0s' $(seq 200))
host_bg b kernel dnsmasq -d -C /dev/null -p 53 --listen-address=192.0.2.2 --bind-interfaces --no-resolv \
    --no-hosts --user=root --address=/www.example.net/203.0.113.7 --edns-packet-max=4096 \
    --txt-record=big.example.net,"$long","$long","$long","$long","$long","$long","$long","$long" \
    2>"$TMP/dnsmasq.log"
wait_port "$NS_B" 53 || not_ok "dnsmasq is up" "$(cat "$TMP/dnsmasq.log")"

is "$(host a shim dig +short +timeout=3 @192.0.2.2 www.example.net A)" 203.0.113.7 "a name over UDP"
is "$(host a shim dig +tcp +short +timeout=3 @192.0.2.2 www.example.net A)" 203.0.113.7 "a name over TCP"
is "$(host a shim dig +short +timeout=3 +bufsize=4096 @192.0.2.2 big.example.net TXT | tr -dc x | wc -c)" 1600 \
    "an answer larger than the MTU, in fragments"
is "$(host a shim dig +short +timeout=3 +noedns @192.0.2.2 big.example.net TXT | grep -v '^;' | tr -dc x | wc -c)" \
    1600 "a truncated answer, asked again over TCP"
host a shim dig +timeout=1 +tries=1 -p 54 @192.0.2.2 www.example.net >"$TMP/refused"
check "a closed port is an error" grep -qi 'refused\|no servers' "$TMP/refused"
expect_out a shim dig
done_testing
