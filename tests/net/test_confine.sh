#!/bin/bash
# Programs that lock themselves into a sandbox with their sockets: what they may still do is enough for the stack.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_bridged
cases=$TOP_BUILDDIR/tests/net/confine_cases
bridge
start_b "$cases" peer 7100
wait_port "$NS_B" 7100 || not_ok "the peer listens"

echoes() { host a shim timeout 100 "$cases" echo 192.0.2.2 7100 "$@" 2>&1; }

for how in block poll fork; do
    is "$(echoes 20000000 $how)" "all of it" "20 MB there and back ($how)"
done
bridge -s 3 -l 3
for how in block poll fork; do
    is "$(echoes 500000 $how)" "all of it" "500,000 bytes over a cable that loses 3 % ($how)"
done
bridge
is "$(for _ in 1 2 3 4 5 6; do echoes 1000000 fork & done; wait)" \
    "$(for _ in 1 2 3 4 5 6; do echo "all of it"; done)" "six at once"
kernel_stayed_out "$NS_A" "all of this"
done_testing
