/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames that medio net makes up: each has a number, says which run it is of, and has a checksum over
 * all behind the Ethernet header, so that one that comes back is known to be whole.
 */
#ifndef MEDIO_TOOLS_NET_FRAME_H
#define MEDIO_TOOLS_NET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEDIO_NET_TEST_TYPE  0x88b5u /* for local experiments (IEEE 802) */
#define MEDIO_NET_TEST_LEAST 60u     /* bytes of the shortest: Ethernet's own */

struct medio_net_test {
	uint32_t run;
	uint64_t sequence;
	bool answer; /* somebody has sent it back; not under the checksum */
};

/* Fill a frame of len bytes, MEDIO_NET_TEST_LEAST at least. */
void medio_net_test_make(uint8_t *frame, size_t len, const uint8_t to[6], const uint8_t from[6],
	const struct medio_net_test *test);

enum medio_net_test_kind {
	MEDIO_NET_TEST_NONE,	/* another frame */
	MEDIO_NET_TEST_GOOD,	/* *out is written */
	MEDIO_NET_TEST_DAMAGED, /* one, and its checksum is wrong: *out is what it says, if it does */
};
enum medio_net_test_kind medio_net_test_check(
	const uint8_t *frame, size_t len, struct medio_net_test *out);

/* Make an answer of a frame, of len bytes: back to where it came from, from the address mac. False: it is
 * not to be answered: too short, from nobody, or an answer itself. */
bool medio_net_answer(uint8_t *frame, size_t len, const uint8_t mac[6]);

#endif
