#!/bin/bash
# The state of the house: layers, what the core may call, sizes, format, static analysis, scripts, man
# pages. Each finding is printed; the exit status is not 0 when there is any.
#
#   tests/lint.sh BUILDDIR
set -u
build=$(cd "${1:?usage: lint.sh BUILDDIR}" && pwd)
cd "$(dirname "$0")/.." || exit 2
bad=0
finding() { bad=$((bad + 1)); printf '%s\n' "$*"; }
section() { printf '== %s\n' "$*"; }

section "layers: base <- wire <- net <- {udp, tcp} <- sock <- stack <- io <- shim"
# Which folders a folder may include from.
allowed()
{
    case $1 in
    base) echo "base" ;;
    wire) echo "base wire" ;;
    net) echo "base wire net" ;;
    udp) echo "base wire net udp" ;;
    tcp) echo "base wire net tcp" ;;
    sock) echo "base wire net udp tcp sock stack" ;; # stack.h: struct stack holds the sockets
    stack) echo "base wire net udp tcp sock stack" ;;
    io) echo "base wire net udp tcp sock stack io" ;;
    esac
}
while IFS=: read -r file _ include; do
    case $file in
    src/stack.*) layer=stack ;;
    *) layer=${file#src/} layer=${layer%%/*} ;;
    esac
    target=${include#*\"} target=${target%%\"*}
    case $target in
    stack.h) target=stack ;;
    config.h) continue ;;
    */*) target=${target%%/*} ;;
    *) finding "$file: includes \"$target\" without its folder"; continue ;;
    esac
    case " $(allowed "$layer") " in
    *" $target "*) ;;
    *) finding "$file: $layer must not include $target" ;;
    esac
done < <(grep -rn '^#include "' src --include='*.[ch]')
[ "$(grep -rl '^#include <ev.h>' src shim | grep -vc '^src/io/loop\.c$')" -eq 0 ] ||
    finding "only src/io/loop.c includes <ev.h>: $(grep -rl '^#include <ev.h>' src shim)"
grep -rnE '^#include <(malloc|pthread|stdlib|unistd|fcntl|signal|dlfcn|sys/(epoll|mman|syscall|timerfd|eventfd|random))\.h>' \
    src/base src/wire src/net src/udp src/tcp src/sock src/stack.[ch] >"${TMPDIR:-/tmp}/lint.$$"
while read -r line; do finding "below io nothing calls the system: $line"; done <"${TMPDIR:-/tmp}/lint.$$"
rm -f "${TMPDIR:-/tmp}/lint.$$"

section "what the core's objects call"
# Everything undefined in the core that the core does not define itself must be one of these pure functions. (errno:
# the log keeps it for its caller.)
pure='^(mem(cpy|move|set|cmp|chr)|__mem(cpy|move|set)_chk|str(n?len|n?cmp|chr|rchr|n?cpy|str|case cmp|ncasecmp|casecmp)|__str(n?cpy)_chk|v?snprintf|__v?snprintf_chk|inet_(ntop|pton)|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__assert_fail|strto(ul|ull|l)|bsearch|qsort|__popcountdi2|__errno_location)$'
core=$(find "$build"/src/base "$build"/src/wire "$build"/src/net "$build"/src/udp "$build"/src/tcp \
    "$build"/src/sock "$build"/src/*stack.o -name '*.o' ! -path '*/.libs/*' 2>/dev/null)
[ -n "$core" ] || core=$(find "$build"/src/base "$build"/src/wire "$build"/src/net "$build"/src/udp \
    "$build"/src/tcp "$build"/src/sock "$build"/src -path "$build/src/io" -prune -o -name '*.o' -print 2>/dev/null)
if [ -z "$core" ]; then
    finding "no objects of the core in $build: build first"
else
    # shellcheck disable=SC2086
    nm $core | awk '$1 ~ /^[0-9a-f]+$/ && $2 ~ /[A-TV-Z]/ { print $3 }' | sort -u >"${TMPDIR:-/tmp}/def.$$"
    # shellcheck disable=SC2086
    while read -r symbol; do
        finding "the core calls $symbol()"
    done < <(nm -u $core | awk '$1 == "U" { print $2 }' | sort -u |
        comm -23 - "${TMPDIR:-/tmp}/def.$$" | grep -vE "$pure")
    rm -f "${TMPDIR:-/tmp}/def.$$"
    # Mutable static data of the core: the log's sink and level are the only ones. (Const tables of pointers lie in
    # .data.rel.ro.)
    # shellcheck disable=SC2086
    while read -r symbol; do
        finding "static mutable state below io: $symbol"
    done < <(objdump -t $core | awk 'NF > 4 && $(NF-2) ~ /^\.(data|bss)(\.|$)/ && $(NF-2) !~ /rel\.ro/ && $(NF-1) !~ /^0+$/ { print $NF }' |
        sort -u | grep -vE '^(log_level_now|log_sink_now|sink)(\.[0-9]+)?$')
fi

section "sizes: files of about 800 lines, functions of about 80"
while read -r lines file; do
    [ "$file" = total ] || [ "$lines" -le 850 ] || finding "$file: $lines lines"
done < <(find src shim -name '*.[ch]' -exec wc -l {} +)
while IFS= read -r line; do finding "$line"; done < <(
    find src shim -name '*.c' -print0 | xargs -0 awk '
        FNR == 1 { start = 0 }
        /^[a-zA-Z_].*\)$/ || /^[a-zA-Z_ ].*[^;]$/ { head = $0 }
        /^{/ { start = FNR }
        /^}/ { if (start && FNR - start > 100) printf "%s:%d: function of %d lines\n", FILENAME, start, FNR - start; start = 0 }')

section "format"
if command -v clang-format >/dev/null; then
    while IFS= read -r file; do
        clang-format --dry-run -Werror "$file" >/dev/null 2>&1 || finding "$file: not as clang-format has it"
    done < <(find src shim tests -name '*.[ch]')
else
    finding "clang-format is missing"
fi
while IFS= read -r line; do finding "$line: white space at the end of the line"; done < <(
    git grep -nE '[ 	]+$' -- '*.c' '*.h' '*.sh' '*.md' '*.am' '*.ac' 'man/*' 2>/dev/null | cut -d: -f1,2)

section "RFC map: each rule that the code cites has a test"
while IFS= read -r line; do finding "$line"; done < <(tests/rfc-map --check)

section "cppcheck"
# Suppressed: findings of style about code that is meant so (unused functions of a library's API, const
# pointers in callbacks whose type is fixed), cppcheck's ignorance of list walks by container_of, and alloca where a
# child of vfork() must not call malloc; and #error lines for machines that cppcheck does not say it is.
cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
    --suppress=unusedFunction --suppress=missingIncludeSystem --suppress=nullPointerRedundantCheck \
    --suppress=unknownMacro --suppress=allocaCalled --suppress=preprocessorErrorDirective -D_GNU_SOURCE -D__linux__ \
    --error-exitcode=1 -I src -I shim -j "$(nproc)" src shim 2>"${TMPDIR:-/tmp}/cppcheck.$$" ||
    finding "$(cat "${TMPDIR:-/tmp}/cppcheck.$$")"
rm -f "${TMPDIR:-/tmp}/cppcheck.$$"

section "clang-tidy"
# What is left out, and why, stands in .clang-tidy.
tidy=$(find src shim -name '*.c' -print0 | xargs -0 -P "$(nproc)" -n 8 clang-tidy --quiet -- -std=gnu17 \
    -D_GNU_SOURCE -Isrc -Ishim -I"$build" -I"$build/shim" 2>/dev/null | grep -E '(warning|error):')
[ -z "$tidy" ] || finding "$tidy"

section "shellcheck"
scripts=$(git grep -lE '^#!.*sh|^# shellcheck shell' -- . 2>/dev/null)
# SC1091: sourced files are checked by themselves. SC2016: awk programs have their own $. SC2154, SC2034: variables that a sourced file sets or uses.
# shellcheck disable=SC2086
shellcheck -e SC1091,SC2154,SC2034,SC2016 $scripts || finding "shellcheck found something"

section "man pages"
for page in man/*.[1-9]; do
    [ -e "$page" ] || continue
    out=$(mandoc -T lint -W warning "$page" 2>&1)
    [ -z "$out" ] || finding "$out"
done

section "words"
while IFS= read -r line; do finding "$line"; done < <(
    git grep -nIE '/(work|root|home)/[a-z]|TODO|FIXME|(^|[^X])XXX([^X]|$)' -- . ':!tests/lint.sh' 2>/dev/null)

echo
if [ $bad -eq 0 ]; then echo "nothing found"; else echo "$bad findings"; fi
[ $bad -eq 0 ]
