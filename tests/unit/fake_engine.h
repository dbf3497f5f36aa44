/*
 * An engine for tests of the shim without privileges: one process, a stack whose only interface
 * leads nowhere, and which talks to itself at FAKE_ADDRESS. It keeps the promises of io/engine.h
 * about locking, waiting and signals.
 */
#ifndef TEST_FAKE_ENGINE_H
#define TEST_FAKE_ENGINE_H

#include <netinet/in.h>

#include "io/engine.h"

#define FAKE_ADDRESS 0xc0000201u /* 192.0.2.1 */

/* Where the engine's own descriptors begin. */
#define FAKE_HIDDEN 500

/* What engine_start() is to answer: 0 or -errno. */
extern int fake_start_result;
/* How often the stack was entered. */
extern unsigned fake_entries;

/* 192.0.2.1:port, or the address given, in network order. */
struct sockaddr_in fake_name(uint32_t addr, uint16_t port);

#endif
