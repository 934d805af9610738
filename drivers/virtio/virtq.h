/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver's side of a virtqueue, split or packed: chains of segments go in, used ones come out, in
 * any order. It knows memory only: no card, no registers, no interrupt, so it can be tested and
 * fuzzed by itself.
 *
 *     virtq_add(vq, segs, 1, 2, tag);
 *     if (virtq_publish(vq))
 *             notify the device
 *     while (virtq_take(vq, &done) > 0)
 *             done.tag, done.len
 *
 * What the device writes is not trusted: ids, lengths and indices are checked, each is read once, and
 * a ring that breaks a rule is not used again.
 *
 * Source: Virtual I/O Device (VIRTIO) 1.3, 2.7 (split) and 2.8 (packed).
 *
 * Threads: one at a time.
 */
#ifndef VIRTQ_H
#define VIRTQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VIRTQ_MAX_SIZE 32768
#define VIRTQ_WORDS    128

struct virtq;

struct virtq_options {
	unsigned size;	   /* descriptors, 1 to VIRTQ_MAX_SIZE; split: a power of two */
	bool packed;	   /* VIRTIO_F_RING_PACKED */
	bool event_idx;	   /* VIRTIO_F_EVENT_IDX */
	unsigned indirect; /* VIRTIO_F_INDIRECT_DESC: room for so many segments in a table of
				   each chain's own, or size if that is less; 0: none */
};

/* A piece of memory that the device reaches. */
struct virtq_seg {
	uint64_t iova;
	uint32_t len; /* bytes, not 0 */
};

/* Where the device finds the parts of the ring (iova), for the registers of a queue: the descriptor
 * area, the driver area, the device area (2.6). */
struct virtq_places {
	uint64_t desc, driver, device;
};

struct virtq_done {
	void *tag;
	/* Bytes the device wrote, never more than the chain had room for. It may have written more than it
	 * says (2.7.8.2). */
	uint32_t len;
};

/* Bytes of memory that such a queue needs, a multiple of 4096; 0: options out of range. */
size_t virtq_bytes(const struct virtq_options *opts);
/*
 * Make an empty queue in mem: virtq_bytes() bytes, zeroed, aligned to 4096, which the device sees at
 * iova; they stay the caller's and must outlive it. -EINVAL: options out of range, or mem or iova not
 * aligned; -ENOMEM.
 */
int virtq_new(const struct virtq_options *opts, void *mem, uint64_t iova, struct virtq **out);
/* NULL is allowed. */
void virtq_free(struct virtq *vq);

void virtq_get_places(const struct virtq *vq, struct virtq_places *out);

/*
 * Add a chain: out segments that the device reads, then in segments that it writes; tag is not NULL. The
 * device sees it with the next virtq_publish(). -EAGAIN: no room before some are used; -EINVAL: no
 * segments, more than the queue could ever hold, an empty one, or more than 4 GiB in all; -EPROTO: the
 * ring is broken.
 */
int virtq_add(struct virtq *vq, const struct virtq_seg *segs, unsigned out, unsigned in, void *tag);
/* Chains that can be added now, each of segs segments. */
unsigned virtq_room(const struct virtq *vq, unsigned segs);
/* Chains that have been added and not taken. */
unsigned virtq_pending(const struct virtq *vq);

/* Show the device what has been added. True: it wants to be notified of that (2.7.10, 2.8.10). */
bool virtq_publish(struct virtq *vq);
/* What a driver that negotiated VIRTIO_F_NOTIFICATION_DATA writes, without the queue's number: the
 * upper 16 bits of the doorbell's value (2.9). */
uint16_t virtq_notify_data(const struct virtq *vq);

/*
 * Take the next used chain. 1: *done is written; 0: there is none; -EPROTO: the device broke a rule, which
 * virtq_words() names.
 */
int virtq_take(struct virtq *vq, struct virtq_done *done);
/* Is there one to take? Also true of a ring that is broken, so that nobody waits for it in vain. */
bool virtq_ready(const struct virtq *vq);

/*
 * Ask for an interrupt at the next used chain, or for none until asked again. A queue begins without.
 * virtq_want_irq() is true if there is a chain to take already: do so, the interrupt may not come.
 */
bool virtq_want_irq(struct virtq *vq);
void virtq_no_irq(struct virtq *vq);

/* Why a call gave -EPROTO; "" if none has. */
const char *virtq_words(const struct virtq *vq);
/*
 * The device has been reset: hand every chain that was added and not taken to fn, which must not use vq, in
 * no order; then begin anew, without interrupts. fn may be NULL.
 */
void virtq_reset(struct virtq *vq, void (*fn)(void *arg, void *tag), void *arg);

#endif
