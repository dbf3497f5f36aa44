# shellcheck shell=bash
# Unmodified programs in the laboratory: sourced by tests/apps (after net.sh).
#
#   host SIDE KIND CMD...   runs CMD on host a or b: on the kernel's transports (KIND kernel), or with
#                           libshim.so preloaded, borrowing the kernel's address (shim) or with an
#                           address of its own (own; the laboratory must then be `net_pair own`)
#   host_bg SIDE KIND CMD...  the same in the background; pid in $STARTED
#   expect_out SIDE KIND WHAT   proof that the kernel's transports stayed out of it, for shim and own
#   make_file FILE BYTES    random content
#   public_libshim          $LIBSHIM becomes copies that every user may read, wherever it was built

address_of() { if [ "$1" = a ]; then echo 192.0.2.1; else echo 192.0.2.2; fi; }
ns_of() { if [ "$1" = a ]; then echo "$NS_A"; else echo "$NS_B"; fi; }

host_env()
{
    case $2 in
    kernel) ;;
    shim) printf '%s\n' "LD_PRELOAD=$LIBSHIM" ;;
    own)
        printf '%s\n' "LD_PRELOAD=$LIBSHIM" SHIM_INTERFACE=veth0 \
            "SHIM_ADDRESS=$(address_of "$1")/24"
        ;;
    esac
}

host()
{
    local side=$1 kind=$2
    shift 2
    mapfile -t vars < <(host_env "$side" "$kind")
    ip netns exec "$(ns_of "$side")" env "${vars[@]}" "$@"
}

host_bg()
{
    local side=$1 kind=$2
    shift 2
    mapfile -t vars < <(host_env "$side" "$kind")
    ip netns exec "$(ns_of "$side")" env "${vars[@]}" "$@" <&0 &
    STARTED=$!
    NET_PIDS="$NET_PIDS $STARTED"
}

stop() { kill "$1" 2>/dev/null; wait "$1" 2>/dev/null; }

expect_out() { [ "$2" = kernel ] || kernel_stayed_out "$(ns_of "$1")" "$3"; }

make_file() { head -c "$2" /dev/urandom >"$1"; }
sum_of() { sha256sum "$1" 2>/dev/null | cut -d' ' -f1; }

# (A sanitizer's libraries come before ours, when it was built with one.)
public_libshim()
{
    local lib copies=
    for lib in $LIBSHIM; do
        cp "$lib" "$TMP" || return
        chmod 755 "$TMP/${lib##*/}"
        copies="$copies${copies:+ }$TMP/${lib##*/}"
    done
    chmod 755 "$TMP"
    LIBSHIM=$copies
}

# until_true COMMAND ...: repeats a command until it succeeds, at most 10 s.
until_true()
{
    for _ in $(seq 200); do
        "$@" && return 0
        read -r -t 0.05 _ <> <(:) || :
    done
    return 1
}

# listening SIDE KIND PORT: until a TCP server is there. In host mode the guard is in the kernel's table;
# a stack with its own address is asked with a connection from a third party: the test's peer.
listening()
{
    case $2 in
    kernel | shim) wait_port "$(ns_of "$1")" "$3" ;;
    own)
        peer=$NS_B
        [ "$1" = a ] || peer=$NS_A
        until_true ip netns exec "$peer" timeout 2 bash -c \
            "exec 3<>/dev/tcp/$(address_of "$1")/$3" 2>/dev/null
        ;;
    esac
}

# nginx_conf FILE ADDRESS ROOT: a configuration with http on 80 and https on 443 (self-signed).
nginx_conf()
{
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$2" -addext "subjectAltName=IP:$2" \
        -keyout "$TMP/key.pem" -out "$TMP/cert.pem" 2>/dev/null
    cat >"$1" <<CONF
daemon off;
pid $TMP/nginx.pid;
error_log $TMP/error.log;
worker_processes 1;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path $TMP/body; proxy_temp_path $TMP/p; fastcgi_temp_path $TMP/f;
    uwsgi_temp_path $TMP/u; scgi_temp_path $TMP/s;
    server {
        listen $2:80;
        listen $2:443 ssl;
        ssl_certificate $TMP/cert.pem;
        ssl_certificate_key $TMP/key.pem;
        root $3;
    }
}
CONF
    chmod 755 "$TMP" "$3"
}
