/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's side of a virtqueue, split or packed. It knows guest memory (through the instance's
 * host calls) and nothing else: who notifies, who is interrupted and what happens when a driver
 * breaks a rule is its owner's business, the core (core.h) or a test.
 *
 *     medio_virtq_new(dev, 0, &owner_ops, owner, &q);
 *     medio_virtq_start(q, &setup);
 *     while ((chain = medio_virtq_pop(q)))
 *             medio_virtq_push(chain, written);
 *     medio_virtq_flush(q);
 *
 * What a driver does is not trusted: indices, descriptors and tables are each read once and the
 * copy is checked; the first rule that is broken stops the queue and is told to the owner in words
 * that name the section. Memory that a driver takes away under us is the guard's (iommu/guard.h).
 *
 * Chains live in the queue: one structure a descriptor of the ring, made at start, with place for
 * some pieces each; a chain of more borrows a larger place from the queue, which makes as many as
 * its budget allows (virtq_private.h) and keeps them. So popping allocates nothing but for the
 * first chains of their size; beyond the budget it waits for chains to be pushed.
 *
 * Source: Virtual I/O Device (VIRTIO) 1.3, 2.6 (both), 2.7 (split), 2.8 (packed).
 *
 * Threads: the device's.
 */
#ifndef MEDIO_VIRTIO_VIRTQ_H
#define MEDIO_VIRTIO_VIRTQ_H

#include <medio/virtio.h>

#define MEDIO_VIRTQ_WORDS 160

/* How a driver has set the queue up. */
struct medio_virtq_setup {
	unsigned size; /* descriptors, 1 to MEDIO_VIRTIO_MAX_QUEUE_SIZE; split: a power of two */
	bool packed, event_idx, indirect, in_order;
	uint64_t desc, driver, device; /* iova of the three areas */
	/* Descriptors of a chain with an indirect table, if more than size: what a device says of its
	 * requests is for its largest queue, and drivers go by that in a smaller one too. */
	unsigned longest;
	size_t request_size; /* bytes of chain->data */
	void *inflight;	     /* notes of what is in flight (inflight.h), the owner's; NULL: none */
};

/* Where a queue is, so that it can go on in another process. Indices as VHOST_USER_GET_VRING_BASE
 * counts them: packed with the wrap counter in bit 15. */
struct medio_virtq_position {
	uint16_t avail, used;
};

struct medio_virtq_owner {
	/* The driver broke a rule; the queue pops nothing any more, and what is pushed goes
	 * nowhere. words: "queue 0: descriptor 3 goes on at 9, of 8 (2.7.5)". */
	void (*broken)(void *opaque, struct medio_virtq *queue, const char *words);
	/* The driver wants an interrupt for what has been flushed. */
	void (*interrupt)(void *opaque, struct medio_virtq *queue);
	/* The last chain in flight has been pushed, after medio_virtq_pause() or _stop() found
	 * some. */
	void (*idle)(void *opaque, struct medio_virtq *queue);
	/* medio_virtq_again(), or pop() has stopped at its limit of a turn: a kick is due soon. */
	void (*again)(void *opaque, struct medio_virtq *queue);
};

/* What a queue has done since it was made. */
struct medio_virtq_counts {
	uint64_t chains, flushes, interrupts, kicks, indirect;
};

/* A queue that is not live. -ENOMEM. */
int medio_virtq_new(struct medio_dev *dev, unsigned index, const struct medio_virtq_owner *owner,
	void *opaque, struct medio_virtq **out);
/* Not live, or nobody's any more: chains in flight are forgotten, but by the notes. NULL is allowed. */
void medio_virtq_free(struct medio_virtq *queue);

/*
 * Live from here on, empty-handed at position (NULL: the beginning), and wanting kicks. If the
 * setup has notes, and these have something to say, it goes on where they say. -EINVAL: a setup
 * that is not possible (words says which rule: sizes 2.6, alignment 2.6 table; or notes); -EFAULT,
 * -EACCES, -EREMOTE: an area is not in memory that the device may reach, or in pieces here;
 * -ENOMEM. words: MEDIO_VIRTQ_WORDS bytes.
 */
int medio_virtq_start(struct medio_virtq *queue, const struct medio_virtq_setup *setup,
	const struct medio_virtq_position *position, char *words);
/*
 * Not live any more. False: chains are in flight, idle() follows; until then it cannot be started.
 */
bool medio_virtq_stop(struct medio_virtq *queue);
bool medio_virtq_is_live(const struct medio_virtq *queue);
/* Pop nothing until resumed. False: chains are in flight, idle() follows. */
bool medio_virtq_pause(struct medio_virtq *queue);
void medio_virtq_resume(struct medio_virtq *queue);
/* Guest memory has changed: the areas are looked up again before they are next used. While they are
 * not mapped nothing is popped; a chain that is pushed then breaks the queue. */
void medio_virtq_forget(struct medio_virtq *queue);

/*
 * One turn of work, for the owner: notifications off, kick(), flush, and notifications on again, as
 * often as there were new chains meanwhile, until the turn's limit (again() is then called). With
 * `poll` notifications stay off, and kick() does not run if there is nothing to pop. If the device
 * wants no kicks, nothing is done, unless it has called medio_virtq_again(). True: chains were
 * popped.
 *
 * Chains that the device leaves in the ring are no news: it calls medio_virtq_again() when it can
 * take them. If it looked until there were none and put some back, it is told of the next.
 */
bool medio_virtq_turn(struct medio_virtq *queue,
	void (*kick)(struct medio_dev *dev, struct medio_virtq *queue), bool poll);
/* The driver has notified us: counted. */
void medio_virtq_kicked(struct medio_virtq *queue);
/* Polling ends: ask for notifications. True: chains are there already. */
bool medio_virtq_arm(struct medio_virtq *queue);

void medio_virtq_get_setup(const struct medio_virtq *queue, struct medio_virtq_setup *out);
/* The notes that it was started with told of chains that have not been popped again yet. */
bool medio_virtq_is_behind(const struct medio_virtq *queue);
/* Chains that were pushed count as used: ask after a flush, medio_virtq_pause() or _stop(). */
void medio_virtq_get_position(const struct medio_virtq *queue, struct medio_virtq_position *out);
void medio_virtq_get_counts(const struct medio_virtq *queue, struct medio_virtq_counts *out);

#endif
