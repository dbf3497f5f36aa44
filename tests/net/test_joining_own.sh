#!/bin/bash
# test_joining.sh with an address of its own.
set -- own
. "$(dirname "$0")/test_joining.sh"
