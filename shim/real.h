/* The real calls behind the interposed ones, generated from calls.def. */
#ifndef SHIM_REAL_H
#define SHIM_REAL_H

#endif
