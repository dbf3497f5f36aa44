#!/bin/bash
# The same as test_python_http.sh, with an address of the stack's own.
exec "$(dirname "$0")/test_python_http.sh" own
