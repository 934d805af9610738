/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver's end of a network card that `medio bench` measures, whichever card it is: frames are copied in
 * and out, as those of a program's own have to be.
 *
 * Errors end the measurement: they come as -errno with words in medio_lane_words().
 */
#ifndef MEDIO_TOOLS_BENCH_LANE_H
#define MEDIO_TOOLS_BENCH_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <medio/driver.h>

#define LANE_MAX_FRAME 1514u /* bytes */
#define LANE_WINDOW    16u   /* frames that may be under way */
#define LANE_WORDS     256

enum medio_lane_kind {
	LANE_TRAPPED, /* `frames`: each access is one of at most 8 bytes, and a message */
	LANE_MAPPED,  /* `frames`, its rings mapped */
	LANE_VIRTIO,
};

struct medio_lane;

/* polled: nobody notifies or interrupts. The lane then owns the card, also on failure. */
int medio_lane_open(struct medio_card *card, enum medio_lane_kind kind, bool polled,
	struct medio_lane **out, char words[LANE_WORDS]);
void medio_lane_close(struct medio_lane *lane); /* NULL is allowed */
const char *medio_lane_words(const struct medio_lane *lane);
/* The card's own address; zeros if it has none. */
void medio_lane_mac(const struct medio_lane *lane, uint8_t mac[6]);

/* 1: it is on its way, or will be with the next flush; 0: no room now. */
int medio_lane_send(struct medio_lane *lane, const void *frame, size_t bytes);
int medio_lane_flush(struct medio_lane *lane);
/* Take the next frame, at most LANE_MAX_FRAME bytes: its length, 0: there is none. */
int medio_lane_receive(struct medio_lane *lane, void *frame);
/* Sleep until there is one. A lane that is polled, or trapped, returns at once. -ETIMEDOUT: after some seconds. */
int medio_lane_wait(struct medio_lane *lane);

/* ---- For kinds of lanes -------------------------------------------------------------------------- */

struct medio_lane_ops {
	int (*open)(struct medio_lane *lane);
	void (*close)(struct medio_lane *lane);
	int (*send)(struct medio_lane *lane, const void *frame, size_t bytes);
	int (*flush)(struct medio_lane *lane);
	int (*receive)(struct medio_lane *lane, void *frame);
	int (*wait)(struct medio_lane *lane);
};

struct medio_lane {
	const struct medio_lane_ops *ops;
	struct medio_card *card;
	enum medio_lane_kind kind;
	bool polled;
	uint8_t mac[6];
	void *state;
	char words[LANE_WORDS];
};

extern const struct medio_lane_ops medio_lane_frames, medio_lane_virtio;

#define LANE_WAIT_MS 20000

/* Words for ret, which is given back. */
int medio_lane_fail(struct medio_lane *lane, int ret, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for a call of the card: 0 and above are given back. */
int medio_lane_check(struct medio_lane *lane, int ret, const char *what);

#endif
