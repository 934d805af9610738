/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which chains of a queue are in flight, in memory that outlives the process: what a device that was
 * killed had popped and not given back is done by the one that follows it, once more and not twice.
 *
 * The layouts are those of vhost-user's "Inflight I/O tracking" (QEMU, docs/interop/vhost-user.rst),
 * queue by queue one behind the other; whoever keeps the memory (the front-end) may be anybody, so what is
 * found in it is checked before it is used, and read once.
 *
 * The queue keeps it up while it is live: a chain is noted before the device sees it, and forgotten after
 * the driver sees it used. A queue that starts with notes in it first pops the chains that they tell of,
 * in the order in which they were popped before; where it goes on then is in the notes, too, and what the
 * front-end says of a back-end that died is a guess. A queue that is stopped with nothing left to do leaves
 * zeroes, and then the front-end knows.
 *
 * The memory is written at any time while the queue is live, or has chains in flight: its owner sees to it
 * that nobody can cut its file short (F_SEAL_SHRINK).
 *
 * Threads: the device's.
 */
#ifndef MEDIO_VIRTIO_INFLIGHT_H
#define MEDIO_VIRTIO_INFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a queue's notes, a multiple of 64. size: 1 to MEDIO_VIRTIO_MAX_QUEUE_SIZE. */
size_t medio_virtq_inflight_bytes(bool packed, unsigned size);
/* Empty notes, in memory aligned to 64. Whoever starts a queue on memory that is all zeroes need not
 * call this. */
void medio_virtq_inflight_init(void *notes, bool packed, unsigned size);

#endif
