/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An I/O address space: which of the program's memory is at which iova, and the devices that see it so. What a container,
 * or an IOAS of /dev/iommu, is made of; who may map what, and the errno, is theirs.
 *
 * Threads: the supervisor's.
 */
#ifndef MEDIO_COMPAT_KMAP_H
#define MEDIO_COMPAT_KMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "compat/span.h"
#include "iommu/table.h"
#include "util/list.h"

struct medio_kdev;

struct medio_kmapping {
	uint64_t iova, size; /* bytes, whole pages */
	uint64_t vaddr;
	unsigned prot;		 /* MEDIO_SPAN_* */
	struct medio_span *span; /* owned; NULL: no device can reach it */
	bool stale;		 /* the program said that vaddr does not hold any more */
	bool of_file;		 /* a file was mapped, no memory of a process */
	bool written;		 /* the log cannot say of which part it was: all of it counts */
};

/* A device that sees the mappings. */
struct medio_kmap_user {
	struct medio_list link;
	struct medio_kdev *kdev;
	bool logs; /* its card keeps a log of what it writes */
};

struct medio_kmap {
	struct medio_maptable table; /* of struct medio_kmapping */
	struct medio_list users;     /* struct medio_kmap_user */
	bool logging;
};

/* -ENOMEM. */
int medio_kmap_new(struct medio_kmap **out);
/* Devices are detached, all is unmapped. NULL is allowed. */
void medio_kmap_free(struct medio_kmap *kmap);

/* The mapping of this iova; NULL. */
struct medio_kmapping *medio_kmap_at(const struct medio_kmap *kmap, uint64_t iova);
/* The first mapping whose last byte is not below iova; NULL. So the range from iova is free up to there. */
struct medio_kmapping *medio_kmap_from(const struct medio_kmap *kmap, uint64_t iova);
/* The first mapping that has bytes in [iova, last]; NULL. */
struct medio_kmapping *medio_kmap_overlap(
	const struct medio_kmap *kmap, uint64_t iova, uint64_t last);
static inline uint64_t medio_kmapping_last(const struct medio_kmapping *mapping)
{
	return mapping->iova + mapping->size - 1;
}

/*
 * Map span, whose reference is taken over on success only, for all devices; [iova, iova + size) is free. *out (may be
 * NULL) is the mapping, until it is unmapped. -ENOMEM, or what a device's medio_kdev_map() said: nothing is mapped then.
 */
int medio_kmap_map(struct medio_kmap *kmap, uint64_t iova, uint64_t size, uint64_t vaddr,
	unsigned prot, struct medio_span *span, struct medio_kmapping **out);
/* Take a mapping back from all devices, and free it. */
void medio_kmap_unmap(struct medio_kmap *kmap, struct medio_kmapping *mapping);
/*
 * The mapping that last is in ends there, and goes on as another one; devices do not see it for a moment. -EINVAL: last is
 * no page's; -ENOMEM, or what a device said: part of it may be gone then.
 */
int medio_kmap_cut(struct medio_kmap *kmap, uint64_t last);
/* All of them. */
void medio_kmap_unmap_all(struct medio_kmap *kmap);

/* kdev, which is open, sees the mappings from now on. -ENOMEM, or what medio_kdev_map() said: it sees none then. */
int medio_kmap_attach(struct medio_kmap *kmap, struct medio_kdev *kdev);
/* It does not see them any more. Nothing happens if it did not. */
void medio_kmap_detach(struct medio_kmap *kmap, struct medio_kdev *kdev);
/* It was closed: its mappings are gone already. */
void medio_kmap_forget(struct medio_kmap *kmap, struct medio_kdev *kdev);

/*
 * Log what devices write, in pages of 4 KiB: those that can say it say it, what another may write counts as written.
 * Starting anew forgets what was logged.
 */
void medio_kmap_log_start(struct medio_kmap *kmap);
void medio_kmap_log_stop(struct medio_kmap *kmap);
/* The log that kdev's card keeps is wanted for something else: it ends, and what kdev may write counts as written from then
 * on. Nothing happens to one that keeps none. */
void medio_kmap_log_yield(struct medio_kdev *kdev);
/* What was written of a mapping since this was last asked, a bit a page, into zeroed words; keep: and is to be told again. */
void medio_kmap_log_get(
	struct medio_kmap *kmap, struct medio_kmapping *mapping, bool keep, uint64_t *words);

#endif
