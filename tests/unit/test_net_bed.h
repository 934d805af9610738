/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card of a test's own in front of a network (devices/net): it remembers what it is given, and sends what
 * the test says. Several may share a loop.
 */
#ifndef TESTS_NET_BED_H
#define TESTS_NET_BED_H

#include <medio/serve.h>

#include "net/net.h"

#define NET_BED_FRAMES 4096u

struct net_bed_frame {
	size_t bytes;
	uint8_t *data;
	struct virtio_net_hdr_v1 hdr;
};

/* The card, by net_bed_open(). */
struct net_bed {
	struct net_options options;
	struct medio_dev *dev;
	struct medio_instance *inst;
	struct medio_loop *loop; /* not its own */
	struct net *net;
	/* What came, the first first; kept until net_bed_forget(). With keep false it is counted only. */
	struct net_bed_frame frames[NET_BED_FRAMES];
	unsigned num_frames;
	bool drop;	  /* count, keep nothing */
	uint64_t count;	  /* frames that came, ever */
	unsigned room;	  /* frames that it still takes; the next is told -EAGAIN */
	unsigned refused; /* how often it was */
	unsigned batches; /* received() */
	unsigned bursts;  /* receive_many() */
	unsigned ready, ups, downs;
};

/* A card on loop, with params (NULL-terminated "name=value"); room for all. NULL: it failed, and
 * net_bed_words() says why. */
struct net_bed *net_bed_open(struct medio_loop *loop, const char *const *params);
/* NULL is allowed. */
void net_bed_close(struct net_bed *bed);
void net_bed_forget(struct net_bed *bed);
/* Of the last failure, and of every line in the log since, newline-separated. */
const char *net_bed_words(void);
void net_bed_forget_words(void);
/* Send a plain frame in one piece, and say that it was the last. What net_send() gave. */
int net_bed_send(struct net_bed *bed, const void *bytes, size_t len);
/* As above with a header, and not the last. */
int net_bed_send_hdr(
	struct net_bed *bed, const void *bytes, size_t len, const struct virtio_net_hdr_v1 *hdr);
/* Run the loop until cond(arg) holds; false: it did not in ten seconds. */
bool net_bed_until(struct medio_loop *loop, bool (*cond)(void *arg), void *arg);
/* Until num_frames is at least count. */
bool net_bed_wait(struct net_bed *bed, unsigned count);

#endif
