/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio device for tests of the core: what a chain has to read comes back in what it has to write, each
 * byte changed by ECHO_FLIP. It does as echo_quirks say and remembers in echo_seen what it was told.
 *
 * Threads: the device's; quirks are set before it is opened or by card_bed_on_device().
 */
#ifndef TEST_VIRTIO_ECHO_H
#define TEST_VIRTIO_ECHO_H

#include <medio/virtio.h>

#define ECHO_ID	     42u
#define ECHO_QUEUES  8u
#define ECHO_CONFIG  20u
#define ECHO_FLIP    0x5au
#define ECHO_HELD    1024u
#define ECHO_SHM_BAR 2u
#define ECHO_SHM     0x10000u

/* Features of its kind. */
enum { ECHO_F_A = 0, ECHO_F_B = 5, ECHO_F_EXTRA = 7, ECHO_F_LATE = 60 };

/* With a shared-memory region (id 3, at 0x1000 of BAR 2) the second. */
extern const struct medio_type echo_type, echo_shm_type;
/* A type whose data is wrong. */
extern const struct medio_type echo_wrong_type;

extern struct echo_quirks {
	bool refuse;	   /* features() says no */
	bool hold;	   /* chains are kept until echo_release() or drain() */
	bool no_drain;	   /* drain() does nothing */
	bool fail_init;	   /* init() fails */
	bool break_queue;  /* a chain is answered with medio_virtio_broken() */
	bool bad_load;	   /* load() says no */
	unsigned queues;   /* 0: all */
	uint64_t withdraw; /* features, at init */
	unsigned limit;	   /* chains a kick(), 0: no limit */
} echo_quirks;

extern struct echo_seen {
	unsigned inits, finis, lives, resets, features, drains, kicks, chains, polls;
	unsigned on[ECHO_QUEUES], off[ECHO_QUEUES]; /* queue(true), queue(false) */
	unsigned writes, write_offset, write_count;
	uint8_t written[16];
	uint64_t accepted;
	unsigned in_flight_at_reset;
	bool live_when_told; /* medio_virtio_is_live() within live() */
	unsigned saves, loads;
	char order
		[64]; /* what was told, a letter each: L live, Q, q queues, R reset, F features, l load */
} echo_seen;

/* Give back what is held: at most n chains, the latest first if `backwards`. */
void echo_release(struct medio_dev *dev, unsigned n, bool backwards);
/* The configuration becomes another one. */
void echo_change(struct medio_dev *dev, uint64_t value);
struct medio_dev *echo_latest(void);
void echo_clear(void);

#endif
