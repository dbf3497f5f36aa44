#!/bin/bash
# A PostgreSQL server, preloaded, and its clients: a process for each connection, none of them with more privilege than
# the one capability, and a second connection that cancels what the first asked for.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair
public_libshim
cd / # where postgres may go
bin=$(echo /usr/lib/postgresql/*/bin)
data=$TMP/data
chmod 755 "$TMP"
mkdir "$data"
chown postgres "$data"
as_postgres=(setpriv --reuid postgres --regid postgres --clear-groups --inh-caps +net_raw --ambient-caps +net_raw)
"${as_postgres[@]}" "$bin/initdb" -D "$data" -A trust -U postgres -N >/dev/null 2>"$TMP/initdb" ||
    not_ok "the database is made" "$(cat "$TMP/initdb")"
echo "host all all 192.0.2.0/24 trust" >>"$data/pg_hba.conf"

# one SERVER_KIND CLIENT_KIND PORT
one()
{
    host_bg b "$1" "${as_postgres[@]}" "$bin/postgres" -D "$data" -c listen_addresses=192.0.2.2 -c port="$3" \
        -c unix_socket_directories="$data" -c fsync=off -c log_min_messages=error 2>"$TMP/log"
    server=$STARTED
    who="server $1, client $2"
    listening b "$1" "$3" || not_ok "$who: it is up" "$(cat "$TMP/log")"
    export PGHOST=192.0.2.2 PGPORT=$3 PGUSER=postgres PGCONNECT_TIMEOUT=20
    sql() { host a "$kind" timeout 60 psql -XAtq "$@" postgres 2>&1; }
    kind=$2
    # A server that is not ready yet says so.
    until_true sql -c "select 1" >/dev/null
    is "$(sql -c "create table t as select g, repeat(md5(g::text), 20) r from generate_series(1, 20000) g" \
        -c "select count(*) from t")" 20000 "$who: a table"
    sql -c "copy t to stdout" >"$TMP/t"
    is "$(sql -c "create table u (like t)" -c "\\copy u from $TMP/t" \
        -c "select count(*) from u join t using (g, r)")" 20000 "$who: 13 MB there and back"
    host a "$2" timeout 60 pgbench -n -f <(echo "select g from t where g = 1;") -c 8 -j 2 -t 200 postgres \
        >"$TMP/bench" 2>&1
    is "$? $(grep -c 'actually processed: 1600/1600' "$TMP/bench")" "0 1" "$who: eight connections"
    host a "$2" timeout 60 pgbench -n -C -f <(echo "select 1;") -c 4 -t 20 postgres >"$TMP/bench" 2>&1
    is "$? $(grep -c 'actually processed: 80/80' "$TMP/bench")" "0 1" "$who: a connection for each request"
    host a "$2" timeout -s INT 1 psql -XAtqc "select pg_sleep(60)" postgres >"$TMP/out" 2>&1
    is "$(tail -n 1 "$TMP/out")" "ERROR:  canceling statement due to user request" "$who: a request is cancelled"
    is "$(sql -c "drop table t, u" -c "select client_addr from pg_stat_activity where pid = pg_backend_pid()")" \
        192.0.2.1 "$who: the server knows who we are"
    kill -INT "$server"
    wait "$server"
    is $? 0 "$who: it ends well"
    is "$(grep -E 'PANIC|WARNING|could not' "$TMP/log")" "" "$who: nobody complains"
}
one shim kernel 5433
expect_out b shim "PostgreSQL"
kernel_mark "$NS_A"
one shim shim 5434
expect_out a shim "its clients, wrapped"
done_testing
