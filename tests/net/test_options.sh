#!/bin/bash
# Socket options answer as the kernel's do.
exec "$TOP_BUILDDIR/tests/net/option_cases"
