/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stand-in for the library's host calls, enough for mtty: one device, its watches over poll(),
 * its timers over a clock that only moves when told to.
 */
#ifndef TEST_MTTY_HOST_H
#define TEST_MTTY_HOST_H

#include <medio/device.h>

struct medio_dev {
	const struct medio_type *type;
	void *priv;
	bool irq;
	unsigned rises;	 /* of irq */
	char words[512]; /* of the last medio_fail() */
	char log[512];	 /* the last line */
	uint64_t now;
	struct medio_watch *watches;
	struct medio_timer *timers;
};

/* Make a device with parameters "name=value" (NULL ends them); returns what init() does. */
int host_open(struct medio_dev *dev, const struct medio_type *type, const char *const *params);
/* End it. Everything it made must be gone: returns the number of watches and timers left. */
unsigned host_close(struct medio_dev *dev);
/* Run what is due and what is ready, waiting at most wait_ms for the first; true if anything ran. */
bool host_run(struct medio_dev *dev, int wait_ms);
/* Move the clock to the next timer and run it; false if none is armed. */
bool host_next_timer(struct medio_dev *dev);

uint8_t host_in(struct medio_dev *dev, unsigned bar, unsigned reg);
void host_out(struct medio_dev *dev, unsigned bar, unsigned reg, uint8_t value);

#endif
