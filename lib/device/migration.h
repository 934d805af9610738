/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Migration of one device: the states of VFIO's migration v2 without PRE_COPY and P2P, and the
 * stream of bytes read in STOP_COPY and written in RESUMING.
 *
 *     from \ to    STOP    RUNNING   STOP_COPY   RESUMING
 *     RUNNING      arc     -         by STOP     by STOP
 *     STOP         -       arc       arc         arc
 *     STOP_COPY    arc     by STOP   -           by STOP
 *     RESUMING     arc     by STOP   by STOP     -
 *     ERROR        only a reset leaves it, to RUNNING
 *
 * The stream is what the device's save() gives. Config space is the VMM's to move, as with VFIO.
 * Source: vfio-user document, "Direct State Transitions"; linux/vfio.h, enum vfio_device_mig_state.
 */
#ifndef MEDIO_DEVICE_MIGRATION_H
#define MEDIO_DEVICE_MIGRATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct medio_instance;

/* The numbers are the protocol's. */
enum medio_migration_state {
	MEDIO_MIGRATION_ERROR = 0,
	MEDIO_MIGRATION_STOP = 1,
	MEDIO_MIGRATION_RUNNING = 2,
	MEDIO_MIGRATION_STOP_COPY = 3,
	MEDIO_MIGRATION_RESUMING = 4,
};

/* A device's state is at most this large; a stream from outside is cut off there. */
#define MEDIO_MIGRATION_MAX (256u << 20)

struct medio_migration {
	enum medio_migration_state state;
	uint8_t *data; /* being read out (STOP_COPY) or collected (RESUMING) */
	size_t size, cap, pos;
};

/* Whether the device can save and load. */
bool medio_migration_possible(const struct medio_instance *inst);
enum medio_migration_state medio_migration_state(const struct medio_instance *inst);
/*
 * Go to a state; the device must be quiet (medio_instance_quiesce) and is resumed by this when it
 * runs. Errors: -EINVAL not a state one can go to, or what was written in RESUMING is not good (the
 * device is as before); -EIO in ERROR; -EOPNOTSUPP the device cannot migrate; -ENOMEM; what save()
 * gives. A failed save or load leaves STOP.
 */
int medio_migration_go(struct medio_instance *inst, unsigned state);
/* The next bytes, at most size; less than size at the end. -EINVAL: not in STOP_COPY. */
ssize_t medio_migration_read(struct medio_instance *inst, void *buf, size_t size);
/* -EINVAL: not in RESUMING. -EFBIG: over MEDIO_MIGRATION_MAX. -ENOMEM. */
int medio_migration_write(struct medio_instance *inst, const void *buf, size_t size);
/* The client went, or a reset: drop the stream, run. */
void medio_migration_reset(struct medio_instance *inst);

#endif
