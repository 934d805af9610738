/* SPDX-License-Identifier: BSD-3-Clause */
/* Playing a record (filters/trace/record.h) back to a card. */
#ifndef MEDIO_TOOLS_REPLAY_H
#define MEDIO_TOOLS_REPLAY_H

#include <stdio.h>

#include <medio/driver.h>

#include "filters/trace/record.h"

/* A place where reads are not compared: one offset of a region, or all of it. */
struct medio_replay_place {
	unsigned region;
	uint64_t offset;
	bool whole;
};

struct medio_replay {
	struct medio_card *card;
	const struct medio_replay_place *ignored; /* num_ignored of them */
	unsigned num_ignored;
	bool original; /* wait between accesses as long as the recorded client did */
	FILE *out;     /* differences, NULL: nowhere */
	bool json;     /* they are objects, with commas between */

	uint64_t events, reads, writes, resets, differences; /* counted */
	uint64_t skipped;    /* interrupts, DMA and the like: the device's own doing */
	uint64_t unplayable; /* accesses whose data the record does not have */

	uint64_t first_ns, begin_ns; /* time of the first event, and when it was played */
	void *buf;		     /* of capacity bytes */
	size_t capacity;
};

/*
 * Play what reader has left. 0 at its end; -ENODATA: it ends in the middle of an event, all before
 * was played; -EINVAL: reader->why says what is wrong with the event after replay->events; -ENOMEM;
 * or the card died, see medio_card_last_error(): -ETIMEDOUT, -EPROTO, -ECONNRESET, -ENOTCONN.
 */
int medio_replay_play(struct medio_replay *replay, struct medio_record_reader *reader);
void medio_replay_fini(struct medio_replay *replay);
/* "bar0+0x5", "config": -EINVAL if text is none. */
int medio_replay_parse_place(const char *text, struct medio_replay_place *place);

#endif
