#!/bin/bash
# A cable that loses a fifth of all frames, both ways, and brings others twice or with wrong bits: what is carried
# comes through unharmed, from the kernel to us, from us to the kernel, and between two of us. (100 MB from us are
# tests/sim/test_cc's, in virtual time: the timeouts can come to a minute here.)
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
transfer=$(dirname "$0")/transfer.py
net_bridged
bridge -s 7 -l 20 -c 1 -u 1

# carry CLIENT SERVER VERB BYTES: which of them are wrapped, and who sends.
carry()
{
    host_bg b "$2" env SHIM_CONGESTION=bbr python3 "$transfer" serve 192.0.2.2 9000 bbr >"$TMP/server"
    server=$STARTED
    until_true grep -q ready "$TMP/server"
    is "$(host a "$1" env SHIM_CONGESTION=bbr timeout 250 python3 "$transfer" "$3" 192.0.2.2 9000 "$4" | grep harmed)" \
        "$4 unharmed" "$3: $1 client, $2 server"
    stop "$server"
}

carry shim kernel get 100000000
carry shim kernel put 20000000
carry shim shim put 5000000
kernel_stayed_out "$NS_A" "the client"
done_testing
