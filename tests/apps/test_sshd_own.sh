#!/bin/bash
# The same, with an address of its own.
kind=own
. "$(dirname "$0")/test_sshd.sh"
