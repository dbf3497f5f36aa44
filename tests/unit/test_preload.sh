#!/bin/sh
# libshim.so in front of a program that never reaches the stack: because it needs none, or because the stack
# cannot start, and the program was told to fall back to the kernel.
set -u
lib=$PWD/.libs/libshim.so
prog=$PWD/tests/unit/preload_prog
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# A sanitizer's runtime would like to be first; the preloaded library is.
ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0:${ASAN_OPTIONS:-}
export ASAN_OPTIONS
SHIM_INTERFACE=nonesuch0
export SHIM_INTERFACE
failed=0

SHIM_FALLBACK=kernel LD_PRELOAD=$lib "$prog" || failed=1

# Without the fall back: ENODEV (19) or, without the privilege, whatever comes first; and one line.
LD_PRELOAD=$lib "$prog" error >"$dir/out" 2>"$dir/err"
read -r first second <"$dir/out" || :
if [ "$first" != 19 ] || [ "$second" != 19 ]; then
    echo "socket() without an interface: errno $first, $second"
    failed=1
fi
if [ "$(grep -c ^libshim: "$dir/err")" != 1 ] || ! grep -q nonesuch0 "$dir/err"; then
    echo "one line that names the interface was wanted on stderr:"
    cat "$dir/err"
    failed=1
fi

# A library with a mind of its own about where its calls are; it finds another beside itself.
cp tests/unit/.libs/deep_module.so "$dir"
ln -s deep_module.so "$dir/deep_again.so"
LD_PRELOAD=$lib "$prog" deep "$dir/deep_module.so" 2>"$dir/err" || failed=1
exit $failed
