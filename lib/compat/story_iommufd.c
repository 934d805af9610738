/* SPDX-License-Identifier: BSD-3-Clause */
/* The words of /dev/iommu. Source of the structures: linux/iommufd.h, as proto/iommufd.h has them. */
#include <inttypes.h>

#include "compat/story_words.h"
#include "proto/iommufd.h"

static void map(struct medio_words *w, struct medio_call *call, uint64_t arg)
{
	struct medio_iommu_ioas_map m;

	if (medio_call_read(call, arg, &m, sizeof(m)))
		return;
	const bool r = m.flags & MEDIO_IOMMU_IOAS_MAP_READABLE,
		   wr = m.flags & MEDIO_IOMMU_IOAS_MAP_WRITEABLE;
	medio_words_size(w, m.length);
	medio_words_add(w,
		" at 0x%" PRIx64 " mapped at iova 0x%" PRIx64
		" of address space %u, the device may %s",
		m.user_va, m.iova, m.ioas_id,
		r && wr ? "read and write"
		: r	? "read"
		: wr	? "write"
			: "do nothing");
}

static void unmap(struct medio_words *w, struct medio_call *call, uint64_t arg, int64_t ret)
{
	struct medio_iommu_ioas_unmap m;

	if (medio_call_read(call, arg, &m, sizeof(m)))
		return;
	medio_words_add(w, "memory unmapped from iova 0x%" PRIx64 " of address space %u on", m.iova,
		m.ioas_id);
	if (ret == 0) {
		medio_words_add(w, ", ");
		medio_words_size(w, m.length);
	}
}

void medio_words_iommufd(
	struct medio_words *w, struct medio_call *call, unsigned cmd, uint64_t arg, int64_t ret)
{
	struct medio_iommu_ioas_alloc alloc;

	switch (cmd) {
	case MEDIO_IOMMU_IOAS_ALLOC:
		medio_words_add(w, "a new address space");
		if (ret == 0 && medio_call_read(call, arg, &alloc, sizeof(alloc)) == 0)
			medio_words_add(w, ", number %u", alloc.out_ioas_id);
		break;
	case MEDIO_IOMMU_IOAS_IOVA_RANGES:
		medio_words_add(w, "the ranges that can be mapped");
		break;
	case MEDIO_IOMMU_IOAS_MAP:
		map(w, call, arg);
		break;
	case MEDIO_IOMMU_IOAS_UNMAP:
		unmap(w, call, arg, ret);
		break;
	default:
		/* VFIO's own calls on this file. */
		medio_words_vfio(w, call, cmd, arg, ret);
		break;
	}
}
