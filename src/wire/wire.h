/*
 * Wire formats: a checked parse from bytes to a host-order struct, and an emit back. Parsers never
 * read outside [p, p + len) and never trust a length field; they return 0 or -EBADMSG (malformed)
 * and check no checksum unless they say so. Emitters write into room that the caller vouches for
 * and return the bytes written. Nothing here keeps state.
 */
#ifndef SHIM_WIRE_WIRE_H
#define SHIM_WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#endif
