#!/bin/bash
# test_stopped.sh with an address of its own.
kind=own
. "$(dirname "$0")/test_stopped.sh"
