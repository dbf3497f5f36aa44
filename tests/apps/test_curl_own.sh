#!/bin/bash
# The same as test_curl.sh, with an address of the stack's own.
exec "$(dirname "$0")/test_curl.sh" own
