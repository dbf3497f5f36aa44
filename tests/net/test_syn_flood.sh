#!/bin/bash
# 100,000 SYNs from nobody at a wrapped server: those who are somebody are served all the while, the connection that is
# there goes on, and the memory stays what it was.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair
PY=/usr/bin/python3
here=$(dirname "$0")
# The answers to nobody go to B, which drops them.
ip -n "$NS_A" route add default via 192.0.2.2

host_bg a shim $PY "$here/../apps/asyncio_echo.py" server 0.0.0.0 7300
server=$STARTED
listening a shim 7300 || not_ok "the server listens"

# What the server's arena takes, in KB.
arena_kb()
{
    awk '/memfd:libshim/ { ours = 1; next } /^[0-9a-f]+-/ { ours = 0 } ours && /^Rss:/ { n += $2 } END { print n + 0 }' \
        "/proc/$server/smaps"
}
# Rejected SYNs show as nothing else: packets that came to B for somebody it is not.
answers() { in_b nstat -asz IpInAddrErrors | awk '/IpInAddrErrors/ { print $2 }'; }

in_b timeout 30 $PY "$here/through_flood.py" 192.0.2.1 7300 true >"$TMP/first" # the first connections cost what they cost
before=$(arena_kb)
answers_before=$(answers)
in_b timeout 120 $PY "$here/through_flood.py" 192.0.2.1 7300 \
    "$TOP_BUILDDIR/tests/net/syn_flood" 192.0.2.1 7300 100000 20000 >"$TMP/flood" 2>"$TMP/flood.err"
read -r _ old _ new <"$TMP/flood"
after=$(arena_kb)
answered=$(($(answers) - answers_before))
echo "# $old exchanges on the old connection, $new new ones, $(cat "$TMP/flood.err")"
echo "# $answered packets came back; the arena took $before KB before and $after KB after"
check "the connection that was there went on" test "${old:-0}" -ge 20
check "new connections came through" test "${new:-0}" -ge 20
check "most SYNs were answered" test "$answered" -ge 50000
check "memory stayed bounded" test $((after - before)) -le 4096
is "$(in_b timeout 30 $PY "$here/../apps/asyncio_echo.py" client 192.0.2.1 7300 20 10000)" "20 of 20 unharmed" \
    "afterwards"
check "the server is still there" kill -0 "$server"
done_testing
