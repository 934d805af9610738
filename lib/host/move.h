/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A move: a device goes from one driver to another. Several moves are done wholly or not at all.
 *
 * What the kernel says is not believed: a write to drivers_probe or bind succeeds also where
 * nothing was bound, so the driver link is read after it. Source: Linux drivers/base/bus.c.
 */
#ifndef MEDIO_HOST_MOVE_H
#define MEDIO_HOST_MOVE_H

#include <limits.h>

#include "host/device.h"

struct medio_error;

struct medio_move {
	char name[MEDIO_BDF_TEXT];
	char from[MEDIO_DRIVER_TEXT];	  /* the driver before, "": none */
	char to[MEDIO_DRIVER_TEXT];	  /* the driver wanted, "": one that the kernel chooses */
	char override[MEDIO_DRIVER_TEXT]; /* driver_override before, "": none */
	char now[MEDIO_DRIVER_TEXT];	  /* the driver it ended with, "": none */
	bool begun;			  /* something was written */
	bool stuck; /* it failed, and could not be put back either: neither as before nor as wanted */
};

/* One write, in the order of the moves' steps. */
struct medio_move_write {
	char path[128];
	char text[MEDIO_DRIVER_TEXT]; /* without newline; "" clears driver_override */
};
#define MEDIO_MOVE_WRITES 3

/* Prepare a move of a device as it is now. to: "" gives it back to the kernel. */
void medio_move_init(struct medio_move *move, const struct medio_host_device *dev, const char *to);
/* Is there anything to do? */
bool medio_move_needed(const struct medio_move *move);
/* The writes it takes; how many. */
unsigned medio_move_writes(
	const struct medio_move *move, struct medio_move_write writes[MEDIO_MOVE_WRITES]);
/*
 * Do all. On any failure, and when host->stop says so, those done are undone, last first. Errors
 * with words: -EINTR stopped; -EACCES or -EPERM not allowed; -ENXIO the kernel took each write and
 * bound nothing; whatever errno a write gave. A move to "" is done when no driver for programs has
 * the device, also if no other takes it.
 */
int medio_moves_run(const struct medio_host *host, struct medio_move *moves, unsigned count,
	struct medio_error **err);

#endif
