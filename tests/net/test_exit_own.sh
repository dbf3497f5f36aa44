#!/bin/bash
# The same for a stack with an address of its own.
kind=own
. "$(dirname "$0")/test_exit.sh"
