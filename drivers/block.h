/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card that is a disk, whichever driver it needs: found by its class code or ids, read and written in
 * blocks, by commands of which several are under way.
 *
 * Threads: the card's.
 */
#ifndef BLOCK_H
#define BLOCK_H

#include <medio/driver.h>

#define BLOCK_DEPTH 256 /* commands under way, at most */
#define BLOCK_WORDS 256

/* As options.irq: the best kind of interrupt that the card has; none. */
enum { BLOCK_IRQ_BEST = -2, BLOCK_IRQ_NONE = -1 };

struct block;

struct block_options {
	int irq;       /* MEDIO_CARD_MSIX, _MSI, _INTX or one of the above */
	uint32_t unit; /* of a card with several disks: which, from 1; 0: the first */
};

struct block_info {
	const char *driver;
	char model[41], serial[21], firmware[9]; /* printable ASCII, "" if it has none */
	uint32_t unit;
	uint64_t size;	       /* bytes */
	uint32_t block;	       /* bytes: offsets and lengths are multiples */
	uint32_t max_transfer; /* bytes of one command */
	unsigned depth;	       /* commands under way, at most */
	int irq;	       /* MEDIO_CARD_*, or BLOCK_IRQ_NONE */
};

/*
 * Take the card, which must outlive it. opts NULL: BLOCK_IRQ_BEST and zeros. -ENODEV: no driver for
 * it; or the driver's errno. On failure words (size bytes) says why.
 */
int block_open(struct medio_card *card, const struct block_options *opts, struct block **out,
	char *words, size_t size);
/* Orderly shutdown. What is under way is lost. NULL is allowed. */
void block_close(struct block *disk);

/* Owned by the disk. */
const struct block_info *block_get_info(const struct block *disk);
/* Words of the latest failure. Owned by the disk. */
const char *block_words(const struct block *disk);
/* Interrupts served so far. */
uint64_t block_interrupts(const struct block *disk);

enum block_op { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH };

struct block_done {
	void *tag;
	int ret;	/* 0 or -errno */
	char words[96]; /* why not 0 */
};

/*
 * Queue a command for bytes [offset, offset + bytes), to or from memory at iova that the card has
 * mapped; of BLOCK_FLUSH only tag counts. It goes out with the next block_poll(). -EAGAIN: as many as
 * can be are under way; -EINVAL: unaligned, nothing, or more than max_transfer; -ERANGE: beyond the
 * end; or the errno of what broke the disk before.
 */
int block_submit(struct block *disk, enum block_op op, uint64_t offset, uint32_t bytes,
	uint64_t iova, void *tag);
/*
 * Send what is queued, wait for completions at most timeout_ms (-1: for ever, 0: only look) and store
 * up to cap; returns their number. An error is the end of the disk, but for -EINTR: a signal came.
 */
int block_poll(struct block *disk, int timeout_ms, struct block_done *done, unsigned cap);

#endif
