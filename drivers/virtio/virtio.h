/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio device on the PCI bus: found by its capabilities, brought up in the nine steps of the
 * specification, its queues fed and waited for. The drivers of its kinds, virtio_blk.h and
 * virtio_net.h, stand on this.
 *
 *     virtio_open(card, VIRTIO_ID_BLK, NULL, &v, words, sizeof(words));   steps 1 to 3
 *     virtio_accept(v, wanted, required);                                 steps 4 to 6
 *     virtio_queue(v, 0, 64, 3, &queue);                                  step 7
 *     virtio_ready(v);                                                    step 8
 *     virtq_add(virtio_ring(queue), …);
 *     virtio_kick(queue);
 *     virtio_wait(v, &queue, 1, timeout_ms);
 *
 * A step that fails sets FAILED, and the words say which it was and why.
 *
 * What the device says is not trusted: places and numbers are checked, and one that breaks a rule is
 * not talked to again.
 *
 * Source: Virtual I/O Device (VIRTIO) 1.3, 3.1 (initialisation), 4.1 (PCI). Only non-transitional use:
 * VIRTIO_F_VERSION_1 is required.
 *
 * Threads: the card's.
 */
#ifndef VIRTIO_H
#define VIRTIO_H

#include <medio/driver.h>

#include "virtq.h"

#define VIRTIO_WORDS	  256
#define VIRTIO_MAX_QUEUES 64

enum { VIRTIO_ID_NET = 1, VIRTIO_ID_BLK = 2 };

/* Device status (2.1). */
enum {
	VIRTIO_ACKNOWLEDGE = 1,
	VIRTIO_DRIVER = 2,
	VIRTIO_DRIVER_OK = 4,
	VIRTIO_FEATURES_OK = 8,
	VIRTIO_NEEDS_RESET = 64,
	VIRTIO_FAILED = 128,
};

/* Feature bits of every kind (6). */
#define VIRTIO_F_INDIRECT_DESC	   (UINT64_C(1) << 28)
#define VIRTIO_F_EVENT_IDX	   (UINT64_C(1) << 29)
#define VIRTIO_F_VERSION_1	   (UINT64_C(1) << 32)
#define VIRTIO_F_ACCESS_PLATFORM   (UINT64_C(1) << 33)
#define VIRTIO_F_RING_PACKED	   (UINT64_C(1) << 34)
#define VIRTIO_F_IN_ORDER	   (UINT64_C(1) << 35)
#define VIRTIO_F_ORDER_PLATFORM	   (UINT64_C(1) << 36)
#define VIRTIO_F_NOTIFICATION_DATA (UINT64_C(1) << 38)

/* As options.irq: the best kind of interrupt that the card has; none. */
enum { VIRTIO_IRQ_BEST = -2, VIRTIO_IRQ_NONE = -1 };

struct virtio;
struct virtio_queue;

struct virtio_options {
	int irq;	 /* MEDIO_CARD_MSIX, _INTX or one of the above; virtio has no MSI */
	uint64_t refuse; /* features not to accept, though the device and the driver have them */
	unsigned queue_size; /* descriptors at most; 0: as many as the device and the driver want */
	unsigned silent_ms;  /* the device is given up after this long without an answer that it
				owes; 0: 30 s */
};

struct virtio_info {
	uint16_t id; /* VIRTIO_ID_* */
	uint64_t offered, accepted;
	unsigned num_queues; /* that the device has */
	int irq;	     /* MEDIO_CARD_MSIX, _INTX or VIRTIO_IRQ_NONE */
	uint64_t interrupts; /* served so far */
	uint64_t kicks;	     /* notifications sent so far */
};

/*
 * Steps 1 to 3: reset and wait until the status reads 0, set ACKNOWLEDGE, then DRIVER. id is what kind of
 * device it must be. opts NULL: VIRTIO_IRQ_BEST and zeros. The card must outlive it. On failure words
 * (size bytes) says why:
 *   -EINVAL    options out of range
 *   -ENODEV    no virtio device, one of another kind, or it is gone
 *   -ENOTSUP   a legacy or transitional device without the capabilities of version 1
 *   -ETIMEDOUT its reset does not end
 *   -EPROTO    its capabilities are nonsense: outside their BAR, too small, or missing
 *   or the card's errno, -ENOMEM
 */
int virtio_open(struct medio_card *card, uint16_t id, const struct virtio_options *opts,
	struct virtio **out, char *words, size_t size);
/*
 * Steps 4 to 6: read the features, write those of `wanted` that are offered, set FEATURES_OK, read it
 * again. VERSION_1 is always required; ACCESS_PLATFORM, ORDER_PLATFORM, and what rings can make use of
 * (RING_PACKED, INDIRECT_DESC, EVENT_IDX) is always wanted, unless refused by the options.
 * -ENOTSUP: one of `required` is not offered (the words name it), the device refused the selection, or
 * it would go round an IOMMU that the card relies on (no ACCESS_PLATFORM).
 */
int virtio_accept(struct virtio *v, uint64_t wanted, uint64_t required);
bool virtio_has(const struct virtio *v, uint64_t feature);
/*
 * Step 7, for each queue: make queue `index` with at most `size` descriptors (0: the device's), its ring in
 * memory of the card's, an interrupt vector of its own if there are enough. Where indirect tables were
 * accepted each chain has room for `segs` segments in one. -EINVAL: there is no such queue.
 */
int virtio_queue(
	struct virtio *v, unsigned index, unsigned size, unsigned segs, struct virtio_queue **out);
/* Step 8: DRIVER_OK; the device is alive. */
int virtio_ready(struct virtio *v);
/* Reset the device, take back rings and interrupts. Chains under way are lost. NULL is allowed. */
void virtio_close(struct virtio *v);

/* The ring of a queue, to add to and take from. */
struct virtq *virtio_ring(struct virtio_queue *queue);
unsigned virtio_queue_size(const struct virtio_queue *queue);
/* Publish what has been added, which should be something, and notify the device if it wants that. */
int virtio_kick(struct virtio_queue *queue);
/* What is added to this queue is answered soon (unlike memory for what may come): a wait for it fails
 * when the device has been silent for too long. */
void virtio_owed(struct virtio_queue *queue);
/*
 * Wait until one of n queues has something to take, at most timeout_ms (-1: for ever, 0: only look).
 * 1: one has; 0: none came. -EIO: the device needs a reset (its NEEDS_RESET is set); -ENODEV: it is
 * gone; -ETIMEDOUT: it is silent, see virtio_owed(); -EINTR: a signal came; or the card's errno. All but
 * -EINTR are the end of the device: every later call gives the same.
 */
int virtio_wait(struct virtio *v, struct virtio_queue *const *queues, unsigned n, int timeout_ms);

/*
 * A field of the kind's own configuration, little-endian as it stands there, read whole: again until its
 * generation did not change meanwhile (4.1.4.3.1). count 2, 4 and 8 are a field of that width, at a
 * multiple of it; any other count are bytes (4.1.3.1). -EPROTO: it has no such bytes, or its generation
 * never stands still.
 */
int virtio_config(struct virtio *v, unsigned offset, void *buf, size_t count);
/* Has the configuration changed since this was last asked? */
bool virtio_config_changed(struct virtio *v);

void virtio_get_info(const struct virtio *v, struct virtio_info *out);
struct medio_card *virtio_card(const struct virtio *v);
/* Words of the latest failure. Owned by v. */
const char *virtio_words(const struct virtio *v);
/* Say why a call of a driver above fails; gives ret. */
int virtio_fail(struct virtio *v, int ret, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
