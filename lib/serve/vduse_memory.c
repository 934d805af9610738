/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of a VDUSE device: ranges of iova, each a piece of some file (IOTLB_GET_FD).
 *
 *     virtio_vdpa  rings ("coherent"), one range each, and all buffers in one range of bounce pages at iova 0,
 *                  which is there from the first buffer on, and of which pages are there that have been used.
 *                  The kernel does not tell of either
 *     vhost_vdpa   the memory of its user; UPDATE_IOTLB tells of changes
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/instance.h"
#include "serve/vduse.h"
#include "util/cleanup.h"
#include "util/error.h"

#define PAGE	    4096u
#define MAX_REGIONS 16384u
/* A ring of MEDIO_VIRTIO_MAX_QUEUE_SIZE takes 28 KiB; bounce pages are 1 MiB at least. */
#define RING_BYTES (64u << 10)

static uint64_t last_of(const struct medio_vduse_region *r)
{
	return r->start + r->size - 1;
}

static bool overlaps(const struct medio_vduse_region *r, uint64_t start, uint64_t last)
{
	return r->start <= last && last_of(r) >= start;
}

/* Unmap all that has a part in [start, last], and widen that to what went. */
static void unmap(struct medio_vduse *v, uint64_t *start, uint64_t *last)
{
	const uint64_t from = *start, to = *last;
	unsigned kept = 0;

	for (unsigned i = 0; i < v->num_regions; i++) {
		struct medio_vduse_region *r = &v->regions[i];
		if (!overlaps(r, from, to)) {
			v->regions[kept++] = *r;
			continue;
		}
		if (r->start < *start)
			*start = r->start;
		if (last_of(r) > *last)
			*last = last_of(r);
		medio_instance_dma_unmap(v->inst, r->start, r->size, false, NULL);
	}
	v->num_regions = kept;
}

static bool remember(struct medio_vduse *v, uint64_t start, uint64_t size)
{
	struct medio_vduse_region *more = v->num_regions < MAX_REGIONS
						  ? realloc(v->regions,
							    (v->num_regions + 1) * sizeof(*more))
						  : NULL;
	if (!more)
		return false;
	v->regions = more;
	v->regions[v->num_regions++] = (struct medio_vduse_region){ start, size };
	return true;
}

/* Map what the kernel says is there; whole pages, since what is allocated for a ring is. */
static void map(struct medio_vduse *v, const struct vduse_iotlb_entry *entry, int fd)
{
	const uint64_t before = entry->start % PAGE, start = entry->start - before;
	const uint64_t last = entry->last | (PAGE - 1);
	unsigned prot = (entry->perm & VDUSE_ACCESS_RO ? MEDIO_PROT_READ : 0u) |
			(entry->perm & VDUSE_ACCESS_WO ? MEDIO_PROT_WRITE : 0u);
	struct medio_error *err = NULL;

	if (entry->offset < before || last - start == UINT64_MAX || !prot) {
		medio_instance_guest_error(v->inst,
			"VDUSE: the kernel has memory at 0x%" PRIx64 "..0x%" PRIx64
			", offset 0x%" PRIx64 ", permission %u, which cannot be mapped",
			(uint64_t)entry->start, (uint64_t)entry->last, (uint64_t)entry->offset,
			entry->perm);
		return;
	}
	int ret = medio_instance_dma_map(
		v->inst, start, last - start + 1, prot, fd, entry->offset - before, &err);
	if (ret == 0 && !remember(v, start, last - start + 1)) {
		medio_instance_dma_unmap(v->inst, start, last - start + 1, false, NULL);
		ret = medio_error_set(&err, ENOMEM, "too many pieces");
	}
	/* The same page may stand there already, with another range's end in it. */
	if (ret && ret != -EEXIST)
		medio_instance_guest_error(v->inst,
			"VDUSE: memory at 0x%" PRIx64 "..0x%" PRIx64 ": %s", start, last,
			medio_error_text(err));
	medio_error_free(err);
}

static bool is_known(const struct medio_vduse *v, uint64_t start, uint64_t last)
{
	for (unsigned i = 0; i < v->num_regions; i++)
		if (v->regions[i].start <= start && last_of(&v->regions[i]) >= last)
			return true;
	return false;
}

/* Look up all that is in [start, last], and map what is not. */
static void look(struct medio_vduse *v, uint64_t start, uint64_t last)
{
	for (unsigned n = 0; n < MAX_REGIONS; n++) {
		struct vduse_iotlb_entry entry = { .start = start, .last = last };
		_cleanup_close_ int fd = medio_vduse_ioctl(v, VDUSE_IOTLB_GET_FD, &entry);
		/* -EINVAL: there is nothing more. */
		if (fd < 0)
			return;
		if (entry.start > entry.last || entry.last < start || entry.start > last) {
			medio_instance_guest_error(v->inst,
				"VDUSE: asked for memory in 0x%" PRIx64 "..0x%" PRIx64
				", the kernel tells of 0x%" PRIx64 "..0x%" PRIx64,
				start, last, (uint64_t)entry.start, (uint64_t)entry.last);
			return;
		}
		if (!is_known(v, entry.start, entry.last))
			map(v, &entry, fd);
		if (entry.last >= last)
			return;
		start = entry.last + 1;
	}
}

void medio_vduse_memory_update(struct medio_vduse *v, uint64_t start, uint64_t last)
{
	unmap(v, &start, &last);
	look(v, start, last);
}

void medio_vduse_memory_look(struct medio_vduse *v)
{
	look(v, 0, UINT64_MAX);
}

void medio_vduse_memory_drop(struct medio_vduse *v)
{
	medio_instance_dma_unmap(v->inst, 0, 0, true, NULL);
	free(v->regions);
	v->regions = NULL;
	v->num_regions = 0;
}

bool medio_vduse_memory_has_buffers(const struct medio_vduse *v)
{
	for (unsigned i = 0; i < v->num_regions; i++)
		if (v->regions[i].size > RING_BYTES)
			return true;
	return false;
}
