#!/bin/bash
# git over its own protocol: a daemon that hands each connection to a program of its own as stdin and stdout, started
# as a service and by socat; clones at once, and a push.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair
export HOME=$TMP GIT_CONFIG_NOSYSTEM=1
git config --global user.email a@example.org
git config --global user.name A
git config --global safe.directory '*'
git init -q -b main "$TMP/src"
make_file "$TMP/src/big" 5000000
for i in $(seq 50); do make_file "$TMP/src/$i" 10000; done
git -C "$TMP/src" add -A
git -C "$TMP/src" commit -qm one
git clone -q --bare "$TMP/src" "$TMP/repos/src.git"
git -C "$TMP/repos/src.git" config daemon.receivepack true

head_of() { git -C "$1" rev-parse HEAD; }
clone() { host a "$kind" timeout 60 git clone -q "$1" "$2" 2>&1; }

# one SERVER_KIND CLIENT_KIND PORT
one()
{
    who="server $1, client $2" kind=$2
    host_bg b "$1" git daemon --reuseaddr --export-all --base-path="$TMP/repos" --listen=192.0.2.2 --port="$3" \
        2>"$TMP/log"
    server=$STARTED
    listening b "$1" "$3" || not_ok "$who: it is up" "$(cat "$TMP/log")"
    clones=
    for i in 1 2 3; do
        clone "git://192.0.2.2:$3/src.git" "$TMP/clone$i" >"$TMP/out$i" &
        clones="$clones $!"
    done
    # shellcheck disable=SC2086
    wait $clones
    for i in 1 2 3; do
        is "$(cat "$TMP/out$i")$(head_of "$TMP/clone$i")" "$(head_of "$TMP/repos/src.git")" "$who: clone $i"
    done
    make_file "$TMP/clone1/more" 2000000
    git -C "$TMP/clone1" add -A
    git -C "$TMP/clone1" commit -qm more
    is "$(host a "$2" timeout 60 git -C "$TMP/clone1" push -q origin main 2>&1)" "" "$who: push"
    is "$(head_of "$TMP/repos/src.git")" "$(head_of "$TMP/clone1")" "$who: it is there"
    stop "$server"
    is "$(cat "$TMP/log")" "" "$who: nobody complains"
    rm -rf "$TMP"/clone?
}
one shim kernel 9418
expect_out b shim "git daemon"
kernel_mark "$NS_A"
one shim shim 9419
expect_out a shim "git, wrapped"

for how in "" ,nofork; do
    host_bg b shim socat "TCP-LISTEN:9420,bind=192.0.2.2,reuseaddr,fork" \
        "EXEC:git daemon --inetd --export-all --base-path=$TMP/repos$how" 2>"$TMP/log"
    server=$STARTED
    listening b shim 9420 || not_ok "socat is up"
    is "$(kind=kernel; clone git://192.0.2.2:9420/src.git "$TMP/clone1")$(head_of "$TMP/clone1")" \
        "$(head_of "$TMP/repos/src.git")" "socat EXEC$how"
    rm -rf "$TMP/clone1"
    stop "$server"
    is "$(cat "$TMP/log")" "" "nobody complains"
done
done_testing
