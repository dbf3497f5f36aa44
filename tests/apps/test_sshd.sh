#!/bin/bash
# Debian's sshd, preloaded: before authentication it speaks from a child without privilege, in an empty directory,
# without descriptors or processes to have, and in a sandbox that kills it for most system calls.
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/apps.sh"
: "${kind:=shim}"
case $kind in own) net_pair own ;; *) net_pair ;; esac

mkdir -p /run/sshd # as the service does
ssh-keygen -q -t ed25519 -N '' -f "$TMP/host"
ssh-keygen -q -t ed25519 -N '' -f "$TMP/user"
ssh-keygen -q -t ed25519 -N '' -f "$TMP/other"
chmod 755 "$TMP" # nobody's keys are looked for by nobody
cat >"$TMP/sshd_config" <<CONF
ListenAddress 192.0.2.1
Port 22
HostKey $TMP/host
AuthorizedKeysFile $TMP/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
Subsystem sftp internal-sftp
CONF
cat >"$TMP/ssh_config" <<CONF
Host *
IdentitiesOnly yes
StrictHostKeyChecking no
UserKnownHostsFile /dev/null
BatchMode yes
LogLevel ERROR
CONF
host_bg a "$kind" /usr/sbin/sshd -D -e -f "$TMP/sshd_config" 2>"$TMP/stderr"
listening a "$kind" 22 || not_ok "sshd listens" "$(cat "$TMP/stderr")"

remote() { in_b timeout 60 ssh -F "$TMP/ssh_config" -i "$TMP/user" root@192.0.2.1 "$@" 2>&1; }
is "$(remote echo here)" here "a command"
make_file "$TMP/file" 20000000
is "$(remote cat "$TMP/file" | sha256sum | cut -d' ' -f1)" "$(sum_of "$TMP/file")" "20 MB from there"
is "$(remote sha256sum <"$TMP/file" | cut -d' ' -f1)" \
    "$(sum_of "$TMP/file")" "20 MB to there"
in_b timeout 60 scp -q -F "$TMP/ssh_config" -i "$TMP/user" "root@192.0.2.1:$TMP/file" "$TMP/copy"
is "$? $(sum_of "$TMP/copy")" "0 $(sum_of "$TMP/file")" "scp"
pids=()
for i in 1 2 3 4 5 6 7 8; do
    remote echo "$i" >"$TMP/out$i" &
    pids+=($!)
done
wait "${pids[@]}"
is "$(cat "$TMP"/out?)" "$(seq 8)" "eight at once"
is "$(remote 'ls -l /proc/self/fd' | grep -c -e memfd: -e socket:)" 0 "the session holds nothing of the stack"
is "$(in_b timeout 60 ssh -F "$TMP/ssh_config" -i "$TMP/other" nobody@192.0.2.1 true 2>&1 | tr -d "\r")" \
    "nobody@192.0.2.1: Permission denied (publickey)." "who may not come in is told so"
is "$(grep -vE '^(Server listening|Accepted publickey|Received disconnect|Disconnected from|Connection closed|kex_exchange)' \
    "$TMP/stderr")" "" "sshd has nothing to complain about"
kernel_stayed_out "$NS_A" "all of this"
done_testing
