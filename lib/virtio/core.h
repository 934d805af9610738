/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio device apart from how it is reached: status, features, configuration, queues. A transport (pci.c,
 * or through bare.c vhost-user and VDUSE) sits above and calls in; the device's operations are below.
 *
 *     pci.c, bare.c  registers, capabilities, vectors, ISR; or none of these
 *       |  medio_virtio_core_*()        ^  struct medio_virtio_transport
 *     core.c         the nine steps, NEEDS_RESET, quiet and drain, polling
 *       |  struct medio_virtio_ops      ^  <medio/virtio.h>
 *     device         and virtq.c: its queues
 *
 * Threads: the device's.
 */
#ifndef MEDIO_VIRTIO_CORE_H
#define MEDIO_VIRTIO_CORE_H

#include "virtio/virtq.h"

/* Towards whoever carries the device. */
struct medio_virtio_transport {
	/* There are no registers from which queues could be started again: after load() the device waits
	 * for DRIVER_OK, and each queue for medio_virtio_core_queue_start_at(). */
	bool by_queue;
	/* Chains were used in a queue, and the driver wants to know. */
	void (*interrupt)(void *opaque, unsigned queue);
	/* The configuration has changed, or NEEDS_RESET was set (2.1.2). */
	void (*config_interrupt)(void *opaque);
	/* A reset is done, at once or after waiting for chains in flight; of one queue, or of the device
	 * (-1). */
	void (*reset_done)(void *opaque, int queue);
};

/* A queue as the driver sees it in registers. */
struct medio_virtio_queue_regs {
	uint16_t size, max_size;
	bool enabled, resetting;
	uint64_t desc, driver, device;
};

/* Made by the transport at init(), after the type's data was checked; runs the device's init(). 0, -ENOMEM,
 * -EINVAL (the type is not possible), or what init() gave, with words through medio_fail(). */
int medio_virtio_core_new(struct medio_dev *dev, const struct medio_virtio_transport *transport,
	void *opaque, struct medio_virtio_core **out);
void medio_virtio_core_free(struct medio_virtio_core *core);
struct medio_virtio_core *medio_virtio_core_of(const struct medio_dev *dev);

/* ---- What a driver does, through any transport -------------------------------------------------- */

uint64_t medio_virtio_core_offered(const struct medio_virtio_core *core);
/* As read back; until a reset that waits is done it is what it was. */
uint8_t medio_virtio_core_status(const struct medio_virtio_core *core);
/* The driver reads the status: it knows of the device. */
void medio_virtio_core_status_read(struct medio_virtio_core *core);
/* The driver writes the status: 0 resets (2.4); bits can only be added; FEATURES_OK is checked (2.2.1),
 * DRIVER_OK starts the queues that are enabled. What cannot be is a guest error, and ignored. */
void medio_virtio_core_set_status(struct medio_virtio_core *core, uint8_t status);
/* The driver writes its features, before FEATURES_OK. */
void medio_virtio_core_set_features(struct medio_virtio_core *core, uint64_t features);
uint64_t medio_virtio_core_driver_features(const struct medio_virtio_core *core);
unsigned medio_virtio_core_num_queues(const struct medio_virtio_core *core);
/* NULL: no such queue. The transport writes size and addresses here before enabling. */
struct medio_virtio_queue_regs *medio_virtio_core_queue(
	struct medio_virtio_core *core, unsigned index);
void medio_virtio_core_queue_enable(struct medio_virtio_core *core, unsigned index);
/* 2.6.1, 4.1.4.3: with RING_RESET. */
void medio_virtio_core_queue_reset(struct medio_virtio_core *core, unsigned index);
/* The driver notifies a queue. */
void medio_virtio_core_kick(struct medio_virtio_core *core, unsigned index);
/* Read, write the device's configuration; generation: 4.1.4.3.1. */
void medio_virtio_core_config_read(
	struct medio_virtio_core *core, unsigned offset, void *buf, unsigned count);
void medio_virtio_core_config_write(
	struct medio_virtio_core *core, unsigned offset, const void *buf, unsigned count);
uint8_t medio_virtio_core_generation(const struct medio_virtio_core *core);

/* ---- Transports without registers: queues come and go by themselves ------------------------------- */

/* This transport cannot carry these features: they are not offered. Before there is a driver. */
void medio_virtio_core_withhold(struct medio_virtio_core *core, uint64_t features);
/*
 * Start one queue, whose registers are set, at position (NULL: its beginning), with notes of what is in
 * flight (inflight.h; NULL: none), which stay where they are until the queue is stopped, or reset: then all
 * that they tell of is forgotten. So a transport that has lost its client stops queues. Before DRIVER_OK:
 * it goes live with the device, and errors come up there (NEEDS_RESET). After it: errors of
 * medio_virtq_start(), with words (MEDIO_VIRTQ_WORDS); -EIO: the device needs a reset. At any time:
 * -EALREADY: it is live; -EBUSY: chains of before are in flight still. No RING_RESET is needed.
 *
 * If there are notes the driver is interrupted once: nobody knows whether it has heard of what was shown
 * to it last.
 */
int medio_virtio_core_queue_start_at(struct medio_virtio_core *core, unsigned index,
	const struct medio_virtq_position *position, void *inflight, char *words);
/*
 * Stop one queue: its chains are drained, and shown to the driver. Where it is then goes to position; of a
 * queue that was not live that is where it would have started. Registers stay, but that it is enabled.
 * Chains that the notes told of and that the device could not take (a network card's empty buffers) stay
 * in the notes; others leave none.
 */
void medio_virtio_core_queue_stop(
	struct medio_virtio_core *core, unsigned index, struct medio_virtq_position *position);
/* Look for work all the time, as with poll=on, whatever the parameter says: the driver cannot notify. */
void medio_virtio_core_poll_always(struct medio_virtio_core *core, bool on);
/*
 * The device's own bytes, without status and queues; see save and load of struct medio_virtio_ops. save:
 * -EBUSY: chains are in flight; -EFBIG: over 64 MiB. load: -EBUSY; -EINVAL: not this device's. What is loaded
 * before DRIVER_OK is given to the device once more when it is live; a reset forgets it.
 */
ssize_t medio_virtio_core_own_save(struct medio_virtio_core *core, void *buf, size_t cap);
int medio_virtio_core_own_load(struct medio_virtio_core *core, const void *buf, size_t size);

/* ---- What the bus does ---------------------------------------------------------------------------- */

/* Reset now: chains in flight are drained. */
void medio_virtio_core_reset(struct medio_virtio_core *core);
/* The device may reach memory, or not (bus mastering). What is to be done waits. */
void medio_virtio_core_set_master(struct medio_virtio_core *core, bool on);
/* A client came or went. Queues that are live rest until one shows that it knows of them: it notifies
 * one, or reads the status. */
void medio_virtio_core_client(struct medio_virtio_core *core, bool present);
/* 0, or -EBUSY: medio_quiesce_done() follows. */
int medio_virtio_core_quiesce(struct medio_virtio_core *core);
void medio_virtio_core_resume(struct medio_virtio_core *core);
/* Memory came, or is about to go. */
void medio_virtio_core_memory_changed(struct medio_virtio_core *core, bool goes);
ssize_t medio_virtio_core_save(struct medio_virtio_core *core, void *buf, size_t cap);
int medio_virtio_core_load(struct medio_virtio_core *core, const void *buf, size_t size);

#endif
