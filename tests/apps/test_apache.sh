#!/bin/bash
# Debian's apache2, preloaded, with threads and with processes: workers without privilege, a CGI program, signals to
# begin anew, and to end. Clients are on the kernel's sockets.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair
public_libshim
mkdir "$TMP/html" "$TMP/cgi"
make_file "$TMP/html/big" $((20 * 1024 * 1024))
echo "hello from apache" >"$TMP/html/hello"
printf '#!/bin/sh\necho "Content-Type: text/plain"; echo; echo "cgi got $(wc -c) bytes"\n' >"$TMP/cgi/count"
chmod -R a+rX "$TMP"
chmod 755 "$TMP/cgi/count"

# conf MPM PORT
conf()
{
    cat >"$TMP/$1.conf" <<CONF
ServerRoot /usr/lib/apache2
ServerName localhost
DefaultRuntimeDir $TMP
LoadModule mpm_$1_module modules/mod_mpm_$1.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule alias_module modules/mod_alias.so
LoadModule cgid_module modules/mod_cgid.so
ScriptSock $TMP/$1.sock
PidFile $TMP/$1.pid
ErrorLog $TMP/$1.log
LogLevel error
Listen 192.0.2.1:$2
User www-data
Group www-data
DocumentRoot $TMP/html
ScriptAlias /cgi/ $TMP/cgi/
CONF
}

get() { in_b curl -sS --max-time 20 "$@"; }

# one MPM PORT
one()
{
    url=http://192.0.2.1:$2
    conf "$1" "$2"
    # In a process group of its own: it signals all of its group.
    host_bg a shim setsid apache2 -DFOREGROUND -f "$TMP/$1.conf" 2>"$TMP/stderr"
    server=$STARTED
    listening a shim "$2" || not_ok "$1: apache is up" "$(cat "$TMP/stderr" "$TMP/$1.log")"
    until_true test -s "$TMP/$1.pid"
    is "$(get "$url/hello")" "hello from apache" "$1: a page"
    is "$(get "$url/big" | sha256sum | cut -d' ' -f1)" "$(sum_of "$TMP/html/big")" "$1: 20 MB arrive unharmed"
    is "$(get --data-binary "@$TMP/html/hello" "$url/cgi/count")" "cgi got 18 bytes" "$1: a CGI program"
    for signal in USR1 HUP; do
        kill -$signal "$(cat "$TMP/$1.pid")"
        good=0
        for _ in $(seq 20); do
            [ "$(get --retry 3 --retry-connrefused "$url/hello")" = "hello from apache" ] && good=$((good + 1))
        done
        is $good 20 "$1: serves while it begins anew ($signal)"
    done
    for i in $(seq 100); do printf 'url = "%s/hello?%d"\n' "$url" "$i"; done >"$TMP/urls"
    get --parallel --parallel-max 10 -K "$TMP/urls" >"$TMP/got" 2>"$TMP/err"
    is "$? $(grep -c '^hello from apache$' "$TMP/got")" "0 100" "$1: 100 requests in parallel"
    kill "$(cat "$TMP/$1.pid")"
    wait "$server"
    is $? 0 "$1: it ends well"
    is "$(grep -v ':notice\]' "$TMP/stderr" "$TMP/$1.log")" "" "$1: nobody complains"
}
one event 8001
kernel_stayed_out "$NS_A" "apache with threads"
one prefork 8002
done_testing
