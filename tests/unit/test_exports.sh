#!/bin/sh
# libshim.so exports exactly the calls of calls.def.
set -eu
lib=${SHIM_LIB:-.libs/libshim.so}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
sed -n 's/^CALL(\(.*\))$/\1/p' "${srcdir:-.}/shim/calls.def" | LC_ALL=C sort >"$dir/listed"
# gcov and the sanitizers export names of their own, all of them reserved.
nm -D --defined-only "$lib" | awk '{ print $3 }' |
    grep -v -e '^__gcov' -e '^__\(asan\|ubsan\|odr_asan\)' | LC_ALL=C sort >"$dir/exported"
test "$(wc -l <"$dir/listed")" -gt 40
diff "$dir/listed" "$dir/exported"
