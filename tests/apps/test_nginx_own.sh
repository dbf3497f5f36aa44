#!/bin/bash
# test_nginx.sh with an address of its own.
kind=own
. "$(dirname "$0")/test_nginx.sh"
