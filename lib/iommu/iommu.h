/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A software IOMMU: the domain of one device instance. It turns I/O virtual addresses (iova), which
 * a client mapped, into memory here, with the semantics and errno of the kernel's VFIO type1 (v2)
 * driver, drivers/vfio/vfio_iommu_type1.c.
 *
 *     client: map, unmap, dirty log        device: translate, read, write, pin
 *                  |                                     |
 *                  +---> table of mappings <-------------+---> fault queue
 *                              |
 *                        segments: mmaps of the client's files, guarded against SIGBUS
 *
 * Local memory comes with a file descriptor and is reached by pointer. Remote memory has none: the
 * client moves its bytes by messages, and this layer only knows where it is.
 *
 * Threads: a domain belongs to one thread. Domains share nothing (the guard aside, which is safe).
 */
#ifndef MEDIO_IOMMU_IOMMU_H
#define MEDIO_IOMMU_IOMMU_H

#include "iommu/dirty.h"
#include "iommu/fault.h"
#include "iommu/guard.h"
#include "iommu/pin.h"
#include "iommu/segment.h"
#include "iommu/table.h"
#include "iommu/tlb.h"

#include <medio/device.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct medio_error;
struct medio_iommu;

/* ---- Model ----------------------------------------------------------------------------------- */

/* What kind of IOMMU a domain behaves as. Data, and a hook for what data cannot say. */
struct medio_iommu_model {
	const char *name;
	bool splits;	    /* an unmap may cut a mapping in two; else that is -EINVAL */
	uint64_t page_size; /* a power of two >= 4096: unit of map and unmap */
	uint64_t aperture_first, aperture_last; /* iova that can be mapped, last byte included */
	unsigned max_mappings;			/* 65,535 at most */
	/* Further conditions of a mapping, NULL: none. 0 or -errno with words. */
	int (*check_map)(const struct medio_iommu *domain, uint64_t iova, uint64_t size,
		unsigned prot, struct medio_error **err);
};

/* VFIO_TYPE1v2_IOMMU: 4 KiB pages, the whole address space, 65,535 mappings. */
extern const struct medio_iommu_model medio_iommu_type1;
/* sPAPR TCE: every page stands for itself. Windows and registered memory are spapr.h's. */
extern const struct medio_iommu_model medio_iommu_spapr;

#define MEDIO_IOMMU_MAX_MAPPINGS 65535u
#define MEDIO_IOMMU_MAX_PIN	 512u /* pages in one call; the kernel's VFIO_PIN_PAGES_MAX_ENTRIES */
#define MEDIO_IOMMU_NOTIFY_TRIES 10u

/* ---- The domain ------------------------------------------------------------------------------ */

/*
 * Memory [iova, iova + size) is about to go: drop pointers and pins into it. Called once for each
 * mapping that an unmap removes, and again, ten times in all, while pins into it are left. May
 * use the domain, but not map or unmap (-EBUSY).
 */
typedef void medio_iommu_notify_fn(void *opaque, uint64_t iova, uint64_t size);

/* A translation that hit. */
struct medio_iommu_hit {
	uint64_t start, size; /* bytes; size 0: none */
	char *hva;
	unsigned prot; /* what may be granted without looking further */
};

/* Memory that translations remember, the latest first: rings, requests and data may be in one place each. */
#define MEDIO_IOMMU_HITS 4u

/*
 * A hit is of more than one mapping where they lie side by side and their memory does: a driver without huge pages maps
 * each page by itself. It looks so far to each side, and twice as far the next time if that was not all,
 * until something is unmapped: what is mapped for good is soon one hit, and what comes and goes costs little.
 */
#define MEDIO_IOMMU_REACH 16u

/* Fields are this layer's own; the structure stands here for the inline functions below. */
struct medio_iommu {
	struct medio_iommu_hit hits[MEDIO_IOMMU_HITS];
	unsigned reach;		  /* mappings that a new hit takes in on each side, at most */
	unsigned long guard_seen; /* medio_guard_hits when segments were last looked at */
	bool poisoned;
	bool busy; /* in a notify callback */
	struct medio_maptable table;
	struct medio_iotlb tlb;
	const struct medio_iommu_model *model;
	struct medio_segtable segments;
	struct medio_pintable pins;
	uint64_t pin_limit;   /* distinct pages */
	uint64_t pins_forced; /* pages that were still pinned when they were unmapped */
	struct medio_dirtylog log;
	medio_iommu_notify_fn *notify;
	void *notify_opaque;
	struct medio_faults faults;
};

/* An empty domain, under 1 KiB until the first map. -ENOMEM. */
int medio_iommu_new(const struct medio_iommu_model *model, struct medio_iommu **out);
/* Drops all mappings without notifying (unmap ALL first if somebody must know). NULL is allowed. */
void medio_iommu_free(struct medio_iommu *domain);
/* Who is told before memory goes. NULL: nobody; pinning is then refused. */
void medio_iommu_set_notify(struct medio_iommu *domain, medio_iommu_notify_fn *fn, void *opaque);
/* Distinct pages that may be pinned at once, the stand-in for RLIMIT_MEMLOCK. Default: no limit. */
void medio_iommu_set_pin_limit(struct medio_iommu *domain, uint64_t pages);
/* Files (extents) and bytes of address space that mappings may take. Defaults: segment.h. */
void medio_iommu_set_map_limits(struct medio_iommu *domain, unsigned segments, uint64_t bytes);
/* The client is the kernel: its memory may be in files that are not regular and tell no size, such as
 * VDUSE's. Each mapping of one is mapped by itself, and the guard alone says what is not there. */
void medio_iommu_set_unsized(struct medio_iommu *domain, bool on);

/* Files that are mapped from now on stay open, for medio_iommu_file(). */
void medio_iommu_keep_files(struct medio_iommu *domain, bool on);

/* ---- For the client -------------------------------------------------------------------------- */

/*
 * Map [iova, iova + size) to the file behind fd from offset on, or to remote memory with fd -1
 * (offset then means nothing). prot: MEDIO_PROT_READ, MEDIO_PROT_WRITE or both, from the device's
 * point of view. fd stays the caller's. A failed map changes nothing. Errors, with words:
 *   -EINVAL    size 0; iova, size or offset no multiple of the page size; no or unknown prot bits;
 *              outside the model's aperture; not a regular file (unless unsized files are taken);
 *              the file ends before offset + size
 *   -EOVERFLOW iova + size - 1 or offset + size wraps around
 *   -EEXIST    some of it is mapped already
 *   -ENOSPC    65,535 mappings exist
 *   -EBADF     fd is not open
 *   -EACCES    fd does not permit prot (files must be readable in any case)
 *   -ENOMEM    no memory, or one of the map limits is reached
 *   -EBUSY     called from the notify callback
 * Source: linux/vfio.h, VFIO_IOMMU_MAP_DMA; vfio-user, VFIO_USER_DMA_MAP.
 */
int medio_iommu_map(struct medio_iommu *domain, uint64_t iova, uint64_t size, unsigned prot, int fd,
	uint64_t offset, struct medio_error **err);

enum { MEDIO_UNMAP_ALL = 1 };

/*
 * Remove every mapping inside [iova, iova + size), whose end may be 2^64, after the notify callback
 * has run for each. A range with holes, or nothing at all in it, is fine. flags: MEDIO_UNMAP_ALL
 * removes everything and wants iova = size = 0. *unmapped (unless NULL): bytes removed, at most
 * UINT64_MAX. Errors, nothing changed:
 *   -EINVAL    size 0 without ALL; not multiples of the page size; iova or size not 0 with ALL;
 *              unknown flags; the range begins or ends inside a mapping (unless the model splits)
 *   -EOVERFLOW iova + size - 1 wraps around
 *   -EBUSY     called from the notify callback
 *   -ENOSPC, -ENOMEM  a mapping has to be cut in two, and there is no room for one more
 * Source: linux/vfio.h, VFIO_IOMMU_UNMAP_DMA.
 */
int medio_iommu_unmap(struct medio_iommu *domain, uint64_t iova, uint64_t size, unsigned flags,
	uint64_t *unmapped);

/* Bytes of the bitmap for length bytes in pages of page_size (whole 64-bit words). -EINVAL: length
 * 0, page_size no power of two >= 4096. -E2BIG: over MEDIO_DIRTY_MAX_BITS. */
int medio_iommu_bitmap_bytes(uint64_t length, uint64_t page_size, uint64_t *bytes);

/*
 * As medio_iommu_unmap without flags, and report what was written there (as
 * medio_iommu_dirty_report; what the callback still does counts). Further errors: those of
 * medio_iommu_dirty_report. Source: VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP.
 */
int medio_iommu_unmap_dirty(struct medio_iommu *domain, uint64_t iova, uint64_t size,
	uint64_t page_size, uint64_t *bitmap, uint64_t bytes, uint64_t *unmapped);

/*
 * Log what the device writes in the n ranges, in pages of page_size, with all pages clean. Pages
 * pinned for writing now are dirty. Errors:
 *   -EINVAL    page_size no power of two >= 4096; n 0; a range of length 0, not a multiple of
 *              page_size, or overlapping another; a log runs already
 *   -EOVERFLOW a range wraps around
 *   -E2BIG     more than MEDIO_DIRTY_MAX_RANGES ranges
 *   -ENOMEM
 * Ranges may have any length: only mapped memory that is written costs anything, and that is
 * bounded (dirty.h). Source: VFIO_DEVICE_FEATURE_DMA_LOGGING_START, and mlx5's errno for a second.
 */
int medio_iommu_dirty_start(struct medio_iommu *domain, uint64_t page_size,
	const struct medio_iommu_range *ranges, unsigned n);
/* Stopping a log that does not run is fine, as in mlx5. */
void medio_iommu_dirty_stop(struct medio_iommu *domain);
bool medio_iommu_dirty_running(const struct medio_iommu *domain);
/*
 * Overwrite the bitmap: bit i says that [iova + i * page_size, + page_size) was written since the
 * log started or it was last reported. Clears what it reports, then marks what is pinned for
 * writing. page_size need not be the log's: bits are folded or repeated. Where a page of the log is
 * only partly inside the range it stays dirty. bytes: size of bitmap. Errors:
 *   -EINVAL    no log runs; iova or length no multiple of 4096; length 0; page_size no power of two
 *              >= 4096; bitmap too small
 *   -EOVERFLOW iova + length - 1 wraps around
 *   -E2BIG     more than MEDIO_DIRTY_MAX_BITS bits (and so at most 256 MiB to look at)
 * Source: VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT.
 */
int medio_iommu_dirty_report(struct medio_iommu *domain, uint64_t iova, uint64_t length,
	uint64_t page_size, uint64_t *bitmap, uint64_t bytes);

/* Inside this layer: drop cached translations. They may grant what is no longer so. */
void medio_iommu_forget(struct medio_iommu *domain);

/* ---- For the device -------------------------------------------------------------------------- */

void *medio_iommu_translate_slow(
	struct medio_iommu *domain, uint64_t iova, size_t len, unsigned prot, int *err);

/* The memory at [iova, iova + len) if a hit has it, for prot, or NULL. */
static inline __attribute__((always_inline)) char *medio_iommu_hit_find(
	const struct medio_iommu_hit *hit, uint64_t iova, size_t len, unsigned prot)
{
	const uint64_t off = iova - hit->start;
	if (off < hit->size && len <= hit->size - off && !(prot & ~hit->prot))
		return hit->hva + off;
	return NULL;
}

/*
 * The memory at [iova, iova + len): a pointer, valid until it is unmapped; or NULL and *err:
 *   -EFAULT  some of it is not mapped, lies in another place than the rest, or has gone
 *   -EACCES  the mapping does not permit prot
 *   -EREMOTE some of it is remote memory
 * Adjacent mappings of one file whose memory is adjacent too count as one. With MEDIO_PROT_WRITE
 * the range is logged dirty. Faults are recorded, except that it is remote or in two places: both
 * mean "ask another way". len 0 asks about iova itself.
 */
static inline void *medio_iommu_translate(
	struct medio_iommu *domain, uint64_t iova, size_t len, unsigned prot, int *err)
{
	char *hva = medio_iommu_hit_find(&domain->hits[0], iova, len, prot);
	if (__builtin_expect(hva != NULL, 1))
		return hva;
	return medio_iommu_translate_slow(domain, iova, len, prot, err);
}

/*
 * The same of what is simple: one local mapping, no dirty log, nothing that has gone. NULL says no
 * more than that it is not; nothing is recorded. For who reaches memory by the million, in a few
 * mappings by turns.
 */
void *medio_iommu_translate_simple(
	struct medio_iommu *domain, uint64_t iova, size_t len, unsigned prot);
static inline __attribute__((always_inline)) void *medio_iommu_translate_quick(
	struct medio_iommu *domain, uint64_t iova, size_t len, unsigned prot)
{
	for (unsigned i = 0; i < MEDIO_IOMMU_HITS; i++) {
		char *hva = medio_iommu_hit_find(&domain->hits[i], iova, len, prot);
		if (__builtin_expect(hva != NULL, 1))
			return hva;
	}
	return medio_iommu_translate_simple(domain, iova, len, prot);
}

/*
 * Copy len bytes, across mappings if need be; the whole range is checked first. 0, or
 *   -EFAULT  some of it is not mapped, or its memory has gone (then, part may have been copied)
 *   -EACCES  a mapping does not permit it
 *   -EREMOTE some of it is remote memory
 * each recorded in the fault queue.
 */
int medio_iommu_read(struct medio_iommu *domain, uint64_t iova, void *buf, size_t len);
int medio_iommu_write(struct medio_iommu *domain, uint64_t iova, const void *buf, size_t len);

/*
 * The file behind [iova, iova + len), len not 0, which one mapping must hold: *fd stays the domain's, open while
 * the mapping is there; *offset is where iova is in it. Nothing is recorded.
 *   -EFAULT  not mapped, not by one mapping alone, or wrapping around
 *   -EREMOTE remote memory, or the file was not kept
 */
int medio_iommu_file(
	const struct medio_iommu *domain, uint64_t iova, uint64_t len, int *fd, uint64_t *offset);

/* Part of a range that is in one piece: local at hva, or remote (hva NULL). */
struct medio_iommu_run {
	uint64_t iova, len;
	char *hva;
};

/* For movers of local and remote memory: checks the whole range, then gives it run by run. */
struct medio_iommu_iter {
	struct medio_iommu *domain;
	uint64_t iova, left;
	unsigned prot;
};

/* -EFAULT, -EACCES as medio_iommu_read; recorded. */
int medio_iommu_iter_init(struct medio_iommu_iter *iter, struct medio_iommu *domain, uint64_t iova,
	uint64_t len, unsigned prot);
/* 1: *run is the next run, of at most max bytes, logged dirty when writing. 0: the end. Time may
 * pass between calls: -EFAULT or -EACCES if the mapping is no longer there. */
int medio_iommu_iter_next(struct medio_iommu_iter *iter, uint64_t max, struct medio_iommu_run *run);

/* Log [iova, iova + len) dirty; parts that are not mapped or not logged are left out. */
void medio_iommu_dirty_slow(struct medio_iommu *domain, uint64_t iova, uint64_t len);
static inline void medio_iommu_dirty(struct medio_iommu *domain, uint64_t iova, uint64_t len)
{
	if (__builtin_expect(domain->log.on, 0))
		medio_iommu_dirty_slow(domain, iova, len);
}

/*
 * Pin npage pages of 4096 bytes from iova on; pages[i] becomes the pointer to page i. Returns
 * npage, or nothing is pinned:
 *   -EINVAL    npage 0, iova no multiple of 4096, not mapped, or no notify callback is set
 *   -E2BIG     npage over 512
 *   -EPERM     a mapping does not permit prot
 *   -EREMOTE   remote memory
 *   -EFAULT    the memory has gone
 *   -ENOMEM    the pin limit is reached, or no memory
 *   -EOVERFLOW a page is pinned 2^32 - 1 times
 * Counts per page. With MEDIO_PROT_WRITE the pages are dirty now and at each report until their
 * last pin is dropped. Source: vfio_pin_pages(), drivers/vfio/vfio_main.c.
 */
int medio_iommu_pin(
	struct medio_iommu *domain, uint64_t iova, unsigned npage, unsigned prot, void **pages);
/* Undo one pin of each page; pages that are not pinned are left out. */
void medio_iommu_unpin(struct medio_iommu *domain, uint64_t iova, unsigned npage);

/* ---- What is going on ------------------------------------------------------------------------ */

bool medio_iommu_poisoned_slow(struct medio_iommu *domain);

/* Memory of some mapping has gone: its file was truncated, and zeros stand there now. Stays true
 * until the mappings of that file are unmapped. One comparison when nothing happened. */
static inline bool medio_iommu_poisoned(struct medio_iommu *domain)
{
	if (__builtin_expect(atomic_load_explicit(&medio_guard_hits, memory_order_relaxed) ==
				     domain->guard_seen,
		    1))
		return domain->poisoned;
	return medio_iommu_poisoned_slow(domain);
}

/* Record a fault found by a layer above (MEDIO_FAULT_BUS_MASTER). */
void medio_iommu_fault_add(struct medio_iommu *domain, uint64_t iova, uint64_t size, unsigned prot,
	enum medio_fault_reason reason);
/* The index-th oldest fault in the queue. -ENOENT. */
int medio_iommu_fault_get(
	const struct medio_iommu *domain, unsigned index, struct medio_iommu_fault *out);
/* Take the oldest. -ENOENT: none. */
int medio_iommu_fault_take(struct medio_iommu *domain, struct medio_iommu_fault *out);
/* In the queue now; ever recorded; and overwritten before they were taken. */
unsigned medio_iommu_fault_count(const struct medio_iommu *domain);
uint64_t medio_iommu_fault_total(const struct medio_iommu *domain);
uint64_t medio_iommu_fault_lost(const struct medio_iommu *domain);

struct medio_iommu_stats {
	unsigned mappings, segments, pinned;
	uint64_t pins_forced; /* pages force-unpinned by an unmap: a fault of the device's code */
};
void medio_iommu_stats(const struct medio_iommu *domain, struct medio_iommu_stats *out);

/* The mappings, one a line, sorted by iova, after a line with their number:
 *     0x0000000000000000 0x00000000000a0000 rw file 00:01 1027 +0x0
 *     0x00000000febf0000 0x0000000000001000 r- remote */
void medio_iommu_print(const struct medio_iommu *domain, FILE *out);

#endif
