/* SPDX-License-Identifier: BSD-3-Clause */
/* A type1 container's log of what was written: VFIO_IOMMU_DIRTY_PAGES. */
#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>

#include "compat/ktype1.h"
#include "util/cleanup.h"

/* Words of a bitmap that go to the program at once. */
#define CHUNK 512u

int medio_ktype1_dirty_check(uint64_t pgsize, uint64_t bitmap_size, uint64_t data, uint64_t size)
{
	/* What access_ok() says. */
	if (data + bitmap_size < data || data + bitmap_size > UINT64_C(1) << 47)
		return -EINVAL;
	if (!pgsize)
		return -EINVAL;
	const uint64_t pages = size >> __builtin_ctzll(pgsize);
	if (!pages || !bitmap_size || bitmap_size > MEDIO_KTYPE1_DIRTY_MAX ||
		pages > MEDIO_KTYPE1_DIRTY_MAX * 8 || bitmap_size < (pages + 63) / 64 * 8)
		return -EINVAL;
	return 0;
}

/* What was written of a mapping, as words; *out stays NULL where nothing can have been. */
static int get_words(
	struct medio_kcontainer *container, struct medio_kmapping *mapping, uint64_t **out)
{
	if (!mapping->span || !(mapping->prot & MEDIO_SPAN_WRITE))
		return 0;
	const uint64_t pages = mapping->size / MEDIO_KTYPE1_DIRTY_PAGE;
	uint64_t *words = calloc((pages + 63) / 64, sizeof(*words));
	if (!words)
		return -ENOMEM;
	medio_kmap_log_get(container->map, mapping, false, words);
	*out = words;
	return 0;
}

int medio_ktype1_dirty_put(struct medio_kcontainer *container, struct medio_call *call,
	struct medio_kmapping *mapping, uint64_t base, uint64_t data)
{
	const uint64_t pages = mapping->size / MEDIO_KTYPE1_DIRTY_PAGE;
	const uint64_t first = (mapping->iova - base) / MEDIO_KTYPE1_DIRTY_PAGE;
	const unsigned shift = first % 64;
	const uint64_t num = (pages + 63) / 64, total = (pages + shift + 63) / 64;
	_cleanup_free_ uint64_t *words = NULL;
	uint64_t out[CHUNK], carry = 0;

	data += first / 64 * 8;
	/* The mapping before this one has the lower bits of the first word. */
	if (shift) {
		int ret = medio_call_read(call, data, &carry, sizeof(carry));
		if (ret)
			return ret;
		carry &= (UINT64_C(1) << shift) - 1;
	}
	int ret = get_words(container, mapping, &words);
	if (ret)
		return ret;
	for (uint64_t at = 0; at < total;) {
		const uint64_t count = total - at < CHUNK ? total - at : CHUNK;
		for (uint64_t i = 0; i < count; i++) {
			const uint64_t word = words && at + i < num ? words[at + i] : 0;
			out[i] = carry | word << shift;
			carry = shift ? word >> (64 - shift) : 0;
		}
		ret = medio_call_write(call, data + at * 8, out, count * 8);
		if (ret)
			return ret;
		at += count;
	}
	return 0;
}

void medio_ktype1_dirty_stop(struct medio_kcontainer *container)
{
	if (container->dirty_log)
		medio_kmap_log_stop(container->map);
	container->dirty_log = false;
}

static int64_t get_bitmap(struct medio_kcontainer *container, struct medio_call *call, uint64_t arg,
	const struct vfio_iommu_type1_dirty_bitmap *dirty)
{
	struct vfio_iommu_type1_dirty_bitmap_get range;

	if (dirty->argsz - sizeof(*dirty) < sizeof(range))
		return -EINVAL;
	int ret = medio_call_read(call, arg + sizeof(*dirty), &range, sizeof(range));
	if (ret)
		return ret;
	if (range.size && range.iova + range.size - 1 < range.iova)
		return -EOVERFLOW;
	ret = medio_ktype1_dirty_check(
		range.bitmap.pgsize, range.bitmap.size, (uintptr_t)range.bitmap.data, range.size);
	if (ret)
		return ret;
	if (range.bitmap.pgsize != MEDIO_KTYPE1_DIRTY_PAGE ||
		(range.iova | range.size) & (MEDIO_KTYPE1_DIRTY_PAGE - 1) || !range.size ||
		!container->dirty_log)
		return -EINVAL;

	const uint64_t last = range.iova + range.size - 1;
	struct medio_kmapping *mapping = medio_kmap_at(container->map, range.iova);
	if (mapping && mapping->iova != range.iova)
		return -EINVAL;
	mapping = medio_kmap_at(container->map, last);
	if (mapping && medio_kmapping_last(mapping) != last)
		return -EINVAL;
	for (uint64_t at = range.iova; (mapping = medio_kmap_overlap(container->map, at, last));) {
		ret = medio_ktype1_dirty_put(
			container, call, mapping, range.iova, (uintptr_t)range.bitmap.data);
		if (ret)
			return ret;
		at = medio_kmapping_last(mapping);
		if (at >= last)
			break;
		at++;
	}
	return 0;
}

int64_t medio_ktype1_dirty_pages(
	struct medio_kcontainer *container, struct medio_call *call, uint64_t arg)
{
	struct vfio_iommu_type1_dirty_bitmap dirty;

	if (!container->v2)
		return -EACCES;
	int ret = medio_call_read(call, arg, &dirty, sizeof(dirty));
	if (ret)
		return ret;
	if (dirty.argsz < sizeof(dirty))
		return -EINVAL;
	switch (dirty.flags) {
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_START:
		if (!container->dirty_log)
			medio_kmap_log_start(container->map);
		container->dirty_log = true;
		return 0;
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP:
		medio_ktype1_dirty_stop(container);
		return 0;
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP:
		return get_bitmap(container, call, arg, &dirty);
	default: /* none, one that is not known, more than one */
		return -EINVAL;
	}
}
