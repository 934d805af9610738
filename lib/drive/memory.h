/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory a driver lets its device reach: mappings sorted by iova, as this program sees them. */
#ifndef MEDIO_DRIVE_MEMORY_H
#define MEDIO_DRIVE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct medio_card_memory;
struct medio_guard;

struct medio_card_mapping {
	uint64_t iova, size; /* bytes; never wraps */
	unsigned prot;	     /* MEDIO_CARD_DMA_* */
	uint8_t *ptr;	     /* here */
	uint64_t mapped;     /* so many bytes came from mmap, and are undone with the mapping */
	int fd;		     /* the file it is in, -1: none; not owned, but medio_memory_set_fd() */
	uint64_t offset;     /* there */
	struct medio_guard *guard; /* of mapped memory that somebody may take away; NULL */
	const struct medio_card_memory
		*calls; /* by which it is reached, there is no ptr then; NULL */
	void *opaque;	/* of calls */
};

struct medio_memory {
	struct medio_card_mapping *list;
	unsigned count, cap;
	unsigned files; /* that mappings own */
};

/* Undo and forget all. */
void medio_memory_fini(struct medio_memory *memory);
/* -EEXIST: overlaps one there is; -ENOMEM. */
int medio_memory_add(struct medio_memory *memory, const struct medio_card_mapping *mapping);
/* Give the mapping at iova a file to own, or (-1) none. */
void medio_memory_set_fd(struct medio_memory *memory, uint64_t iova, int fd);
/* Take out again what a failed call has added; its memory and file stay the caller's. */
void medio_memory_forget(struct medio_memory *memory, uint64_t iova);
/*
 * The lowest multiple of align in [first, last] where size bytes overlap no mapping. align: a power of
 * two. -ENOSPC: there is none.
 */
int medio_memory_gap(const struct medio_memory *memory, uint64_t first, uint64_t last,
	uint64_t size, uint64_t align, uint64_t *iova);
/* How many whole mappings lie in the range. -EINVAL: one would be cut in two. */
int medio_memory_count(const struct medio_memory *memory, uint64_t iova, uint64_t size);
/* Undo and forget the mappings in the range, all of them whole. */
void medio_memory_remove(struct medio_memory *memory, uint64_t iova, uint64_t size);
/*
 * The pieces that size bytes at iova are made of, at most cap of them; returns their number.
 * -ENODEV: part of the range is not mapped (or it wraps); -EACCES: prot is missing somewhere;
 * -E2BIG: more than cap pieces; -EREMOTE: part of it is reached by calls.
 */
int medio_memory_pieces(const struct medio_memory *memory, uint64_t iova, uint64_t size,
	unsigned prot, struct iovec *iov, unsigned cap);
/* Copy size bytes at iova out, or (write) in. Errors as above, but for the last two; and what a call says. */
int medio_memory_copy(
	const struct medio_memory *memory, uint64_t iova, void *buf, uint64_t size, bool write);

#endif
