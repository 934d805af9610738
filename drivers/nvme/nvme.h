/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver for NVMe disks: one namespace of a controller, one pair of I/O queues, up to 64 commands
 * under way, completed in any order.
 *
 *     nvme_open(card, NULL, &nvme, words, sizeof(words));
 *     medio_card_dma_alloc_any(card, 4096, RW, &iova, &buf);
 *     nvme_submit(nvme, NVME_READ, 0, 8, iova, buf);
 *     nvme_poll(nvme, 1000, &done, 1);
 *
 * What the controller says is not trusted: sizes, ids of commands and queue positions are checked, and
 * one that talks nonsense is not talked to again.
 *
 * Source: NVM Express Base Specification 2.0, NVM Command Set Specification 1.0; see nvme_spec.h.
 *
 * Threads: the card's.
 */
#ifndef NVME_H
#define NVME_H

#include <medio/driver.h>

#define NVME_CLASS 0x010802 /* mass storage, non-volatile memory, NVM Express */
#define NVME_DEPTH 64	    /* commands under way, at most */
#define NVME_WORDS 256

/* As options.irq: the best kind of interrupt that the card has; none. */
enum { NVME_IRQ_BEST = -2, NVME_IRQ_NONE = -1 };

struct nvme;

struct nvme_options {
	int irq;	    /* MEDIO_CARD_MSIX, _MSI, _INTX or one of the above */
	unsigned depth;	    /* commands under way, at most NVME_DEPTH; 0: as many as can be */
	uint32_t nsid;	    /* the namespace; 0: the first */
	unsigned silent_ms; /* the controller is given up after this long without a completion
			       that it owes; 0: 30 s */
};

struct nvme_info {
	char model[41], serial[21], firmware[9]; /* printable ASCII */
	uint32_t version;			 /* 0x00010400: 1.4.0 */
	uint32_t namespaces;			 /* that can be: their highest number */
	uint32_t nsid;
	uint64_t blocks;
	uint32_t block;	       /* bytes of one */
	uint32_t max_transfer; /* bytes of one command, a multiple of block */
	unsigned depth;
	int irq; /* MEDIO_CARD_*, or NVME_IRQ_NONE */
	bool volatile_cache;
};

/*
 * Reset and enable the controller, identify it and a namespace, make the queues. opts NULL:
 * NVME_IRQ_BEST and zeros. The card must outlive it. On failure words (size bytes) says why:
 *   -EINVAL    options out of range; no such namespace, or none at all
 *   -ENODEV    no NVMe controller, or it is gone
 *   -ENOTSUP   it wants what this driver has not: larger pages, metadata, another command set
 *   -ETIMEDOUT it does not get ready in the time it named, or leaves a command unanswered
 *   -EPROTO    it says what cannot be
 *   -EIO       it refused a command, or met a fatal error
 *   -EINTR     a signal came while it had not answered
 *   or the card's errno, -ENOMEM
 */
int nvme_open(struct medio_card *card, const struct nvme_options *opts, struct nvme **out,
	char *words, size_t size);
/*
 * Orderly shutdown: queues deleted, caches written, controller disabled; then interrupts and memory
 * are given back. What is under way is lost. NULL is allowed.
 */
void nvme_close(struct nvme *nvme);

void nvme_get_info(const struct nvme *nvme, struct nvme_info *out);
/* Words of the latest failure. Owned by nvme. */
const char *nvme_words(const struct nvme *nvme);
/* Interrupts served so far. */
uint64_t nvme_interrupts(const struct nvme *nvme);

enum nvme_op { NVME_READ, NVME_WRITE, NVME_FLUSH };

struct nvme_done {
	void *tag;
	int ret;	 /* 0; -EROFS, -ERANGE, -EIO … by status */
	uint16_t status; /* what the controller said, see nvme_status_words() */
};

/*
 * Queue a command for `count` blocks from `block`, to or from memory at iova (a multiple of 4) that
 * the card has mapped; of NVME_FLUSH only tag counts. It goes out with the next nvme_poll().
 * -EAGAIN: as many as can be are under way; -EINVAL: unaligned, none or too many blocks; -ERANGE:
 * beyond the end; or the errno of what broke the controller before.
 */
int nvme_submit(struct nvme *nvme, enum nvme_op op, uint64_t block, uint32_t count, uint64_t iova,
	void *tag);
/*
 * Send what is queued, wait for completions at most timeout_ms (-1: for ever, 0: only look) and store
 * up to cap; returns their number, 0 if none came. A command that failed is a completion, an error
 * here is the end of the controller: -ENODEV it is gone, -EIO fatal status, -EPROTO a completion
 * that cannot be, -ETIMEDOUT silent for too long, or the card's errno; but -EINTR: a signal came.
 */
int nvme_poll(struct nvme *nvme, int timeout_ms, struct nvme_done *done, unsigned cap);

/* "media error: unrecovered read error (2/81h)". status as in struct nvme_done. */
void nvme_status_words(uint16_t status, char *buf, size_t size);
/* 0 or -errno for a status. */
int nvme_status_errno(uint16_t status);

#endif
