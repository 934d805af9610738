/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program whose ioctls of type ';' are caught, for tests of what a supervisor does to a program's memory and threads:
 * no namespaces, no file system. It asks for what is tested by calls of its own, CAUGHT_*.
 */
#ifndef CAUGHT_H
#define CAUGHT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

/* ---- In the program ---------------------------------------------------------------------------- */

struct caught_ask {
	uint64_t addr, size;
	unsigned prot;
	unsigned span;		/* which; TAKE writes it */
	unsigned pieces, files; /* TAKE writes them: how many, and how many of them have a file */
	uint64_t offset, value;
};

enum {
	CAUGHT_TAKE = 0x3b01, /* a span of addr, size, prot */
	CAUGHT_READ = 0x3b02, /* value, 8 bytes at offset of span */
	CAUGHT_WRITE = 0x3b03,
	CAUGHT_PUT = 0x3b04,
	CAUGHT_FILES = 0x3b05, /* value: descriptors that the supervisor has open */
	CAUGHT_NOTHING = 0x3b06,
	CAUGHT_HOLD = 0x3b07, /* held for nothing; answered with value */
	CAUGHT_KILL = 0x3b08, /* killed while it is held, and the others too */
};

/* 0 or more, or -errno, as the supervisor said. */
long caught_call(unsigned cmd, struct caught_ask *ask);
/* Only there. */
#define CHECK(x) \
	do { \
		if (!(x)) { \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #x); \
			_exit(1); \
		} \
	} while (0)

/* ---- In the test ------------------------------------------------------------------------------- */

/* Run it, and answer: what wait() says of it. -1: this machine does not let us. */
int caught_run(void (*program)(void));
/* Answers the calls that are none of CAUGHT_*: what the program's ioctl() gives. NULL: there are no others. */
struct medio_call;
extern int64_t (*caught_more)(struct medio_call *call, unsigned cmd, struct caught_ask *ask);
/* After each run: what the supervisor had open more than before. */
extern int caught_left;

#endif
