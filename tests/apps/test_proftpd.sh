#!/bin/bash
# An FTP server, preloaded, which becomes another user in a chroot for each session and gives up all rights but a few;
# data comes over connections that it accepts, and over those that it opens itself.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair
public_libshim
mkdir -p "$TMP/ftp/in"
make_file "$TMP/ftp/big" 10000000
make_file "$TMP/up" 3000000
chmod 755 "$TMP" "$TMP/ftp"
chmod 644 "$TMP/ftp/big"
chmod 777 "$TMP/ftp/in"
cat >"$TMP/conf" <<CONF
ServerType standalone
ServerName test
Port 2121
DefaultAddress 192.0.2.2
UseIPv6 off
User nobody
Group nogroup
PidFile $TMP/pid
ScoreboardFile $TMP/score
TransferLog none
WtmpLog off
UseReverseDNS off
UseFtpUsers off
<IfModule mod_delay.c>
DelayEngine off
</IfModule>
<IfModule mod_ctrls.c>
ControlsEngine off
</IfModule>
DebugLevel 0
<Anonymous $TMP/ftp>
    User nobody
    Group nogroup
    UserAlias anonymous nobody
    RequireValidShell off
</Anonymous>
CONF

ftp() { host a "$kind" timeout 30 curl -sS "$@" 2>&1; }

# one SERVER_KIND CLIENT_KIND
one()
{
    who="server $1, client $2" kind=$2
    host_bg b "$1" proftpd -n -c "$TMP/conf" 2>"$TMP/log"
    server=$STARTED
    listening b "$1" 2121 || not_ok "$who: it is up" "$(cat "$TMP/log")"
    is "$(ftp ftp://192.0.2.2:2121/big | sha256sum | cut -d' ' -f1)" "$(sum_of "$TMP/ftp/big")" "$who: passive"
    is "$(ftp -P - ftp://192.0.2.2:2121/big | sha256sum | cut -d' ' -f1)" "$(sum_of "$TMP/ftp/big")" "$who: active"
    is "$(ftp -T "$TMP/up" ftp://192.0.2.2:2121/in/up)$(sum_of "$TMP/ftp/in/up")" "$(sum_of "$TMP/up")" \
        "$who: there"
    is "$(ftp -P - -l ftp://192.0.2.2:2121/in/)" up "$who: a list"
    rm "$TMP/ftp/in/up"
    is "$(ftp -P - -T "$TMP/up" ftp://192.0.2.2:2121/in/up)$(sum_of "$TMP/ftp/in/up")" "$(sum_of "$TMP/up")" \
        "$who: there, active"
    rm "$TMP/ftp/in/up"
    kill "$server"
    wait "$server"
    is $? 0 "$who: it ends well"
    is "$(grep -v 'FTP session\|ANON\|mode STARTUP\|mode SHUTDOWN\|killed (signal 15)' "$TMP/log")" "" \
        "$who: nobody complains"
}
one shim kernel
expect_out b shim "proftpd"
kernel_mark "$NS_A"
one shim shim
expect_out a shim "curl, wrapped"
done_testing
