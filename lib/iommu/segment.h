/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments: the files' memory that the mappings of one domain share.
 *
 * One mmap per mapping would not do: a process may have 65,530 (vm.max_map_count), and a vIOMMU
 * maps single pages by the thousand. So the whole file is mapped once, and mappings of any part of
 * it count references. A file that grew gets a further segment for what its first does not cover.
 */
#ifndef MEDIO_IOMMU_SEGMENT_H
#define MEDIO_IOMMU_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct medio_error;
struct medio_guard;

struct medio_segment {
	struct medio_segment *next; /* in its bucket */
	dev_t dev;
	ino_t ino;
	bool writable;
	bool alone;	      /* of a file without a size: for one mapping only */
	uint64_t offset, len; /* of the file; the end may lie behind the end of the file */
	char *hva;
	int fd; /* the file, if files are kept; else -1 */
	struct medio_guard *guard;
	unsigned refs; /* mappings */
};

/* Limits on what one client can take from the process, for medio_segtable.max_*. */
#define MEDIO_SEGMENTS_MAX   32768u	  /* half of what the kernel gives a process */
#define MEDIO_SEGMENTS_BYTES (1ULL << 44) /* of 2^47 bytes of address space */

/* All zero but the limits is an empty table and owns nothing. */
struct medio_segtable {
	struct medio_segment **bucket; /* by dev and ino */
	unsigned num_buckets;	       /* 0 or a power of two */
	unsigned count, max_count;
	uint64_t bytes, max_bytes; /* of address space */
	bool keep_files; /* each segment holds its file open, see medio_iommu_keep_files() */
	bool unsized; /* files other than regular ones are taken, see medio_iommu_set_unsized() */
};

/*
 * The segment that covers [offset, offset + size) of the file behind fd, with one reference more.
 * prot: MEDIO_PROT_*. fd is not kept. Errors, with words:
 *   -EBADF   fd is no open file, or open with O_PATH
 *   -EINVAL  not a regular file (and t->unsized is not set), or the range ends behind the end of the file
 *   -EACCES  fd (or a seal) does not permit reading, or writing where prot asks for it
 *   -ENOMEM  no memory or address space, or over the table's limits
 */
int medio_segtable_get(struct medio_segtable *t, int fd, uint64_t offset, uint64_t size,
	unsigned prot, struct medio_segment **out, struct medio_error **err);
/* Drop a reference; the last one unmaps. NULL is allowed. */
void medio_segtable_put(struct medio_segtable *t, struct medio_segment *seg);
/* Some segment's memory has gone. */
bool medio_segtable_poisoned(const struct medio_segtable *t);

#endif
