#!/bin/bash
# Programs that give up root before they make their first socket have their stack all the same; what they execute
# afterwards has no way to the network that it would not have had without us, unless that is asked for.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
net_pair
private_lib=$LIBSHIM
public_libshim
cp "$(dirname "$0")/privilege.py" "$TMP"
chmod 644 "$TMP/privilege.py"
mkdir "$TMP/web"
host_bg b kernel python3 -m http.server -b 192.0.2.2 -d "$TMP/web" 8080 >/dev/null 2>&1
wait_port "$NS_B" 8080 || not_ok "the peer is up"
refused="Operation not permitted"

drop() { host a shim timeout 60 python3 "$TMP/privilege.py" "$1" 192.0.2.2 8080 "${@:2}" 2>"$TMP/err"; }

is "$(drop there_and_back)" "3 0 200" "three descriptors while the right is missing"
is "$(drop effective_only | tr '\n' ' ')" "200 200 " "the first socket while another user is the effective one"
is "$(drop by_number)" "True 200" "syscall(SYS_setresuid)"
is "$(drop family)" "[0, 0, 0, 0, 0, 0]" "six children share one stack, whoever needs it first"
is "$(drop rights_of_one_thread | tr '\n' ' ')" "(0, 0, 0) (0, 0, 0) True 2 200 " "rights that one thread alone has"
is "$(drop name_spaces | tr '\n' ' ')" "0 True 200 " "entering a name space"
is "$(drop execute)" 0 "what is executed then has nothing of it"
is "$(drop execute first)" 0 "nor of a stack that runs already"
is "$(cat "$TMP/err")" "" "and nobody complains"

# ---- commands that give up root and execute another ----
fetch() { host a shim "$@" curl -sS --max-time 20 -o /dev/null -w '%{http_code}' http://192.0.2.2:8080/ 2>"$TMP/err"; }
is "$(fetch setpriv --reuid 65534 --regid 65534 --clear-groups)" 000 "setpriv: the program has no right"
is "$(grep -c "cannot be opened: $refused" "$TMP/err")" 1 "and says so"
export SHIM_HAND_DOWN=on
is "$(fetch setpriv --reuid 65534 --regid 65534 --clear-groups)" 200 "with SHIM_HAND_DOWN=on it has"
is "$(fetch runuser -u nobody --)" 200 "runuser"
is "$(host a shim su -s /bin/sh nobody -c "
    for i in 1 2 3; do curl -sS --max-time 20 -o /dev/null -w '%{http_code} ' http://192.0.2.2:8080/ & done; wait")" \
    "200 200 200 " "su, and a shell with three programs at once"
is "$(drop execute)" 3 "and what is executed has it"
is "$(host a shim setpriv --reuid 65534 --clear-groups env -u LD_PRELOAD sh -c \
    'ls -l /proc/$$/fd | grep -c -e memfd:libshim -e socket:')" 0 "but not without us"
is "$(fetch setpriv --bounding-set -net_raw --inh-caps -net_raw)" 200 "root without the capability"
unset SHIM_HAND_DOWN
is "$(fetch setpriv --reuid 65534 --inh-caps +net_raw --ambient-caps +net_raw)" 200 \
    "with an ambient capability nothing else is needed"
is "$(fetch prlimit --nproc=0 setpriv --reuid 54321 --inh-caps +net_raw --ambient-caps +net_raw)" 200 \
    "without a thread of its own"
kernel_stayed_out "$NS_A" "all of this"
# (Without a housekeeper yet, what is killed has nobody to keep its port silent.)
is "$(drop died)" "some" "one that dies over making the stack does its brothers no harm"

# ---- where the new user cannot read libshim.so ----
private=
mkdir -m 700 "$TMP/private"
for lib in $private_lib; do
    cp "$lib" "$TMP/private"
    private="$private${private:+ }$TMP/private/${lib##*/}"
done
is "$(SHIM_LOG=warn LIBSHIM=$private drop effective_only | tr '\n' ' ')" "200 200 " "without a housekeeper it works too"
is "$(grep -c "housekeeper cannot be started (EACCES)" "$TMP/err")" 1 "and says so"
done_testing
