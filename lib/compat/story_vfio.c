/* SPDX-License-Identifier: BSD-3-Clause */
/* The words of containers and groups. Source of the structures: linux/vfio.h. */
#include <errno.h>
#include <inttypes.h>
#include <linux/vfio.h>

#include "compat/story_words.h"

static const char *extension(uint64_t n)
{
	switch (n) {
	case VFIO_TYPE1_IOMMU:
		return "type1";
	case VFIO_TYPE1v2_IOMMU:
		return "type1 v2";
	case VFIO_SPAPR_TCE_IOMMU:
		return "sPAPR TCE";
	case VFIO_SPAPR_TCE_v2_IOMMU:
		return "sPAPR TCE v2";
	case VFIO_DMA_CC_IOMMU:
		return "cache-coherent DMA";
	case VFIO_EEH:
		return "EEH";
	case VFIO_NOIOMMU_IOMMU:
		return "no-IOMMU";
	case VFIO_UNMAP_ALL:
		return "unmapping all at once";
	case VFIO_UPDATE_VADDR:
		return "a new address for the same memory";
	default:
		return NULL;
	}
}

static void named(struct medio_words *w, uint64_t n)
{
	const char *name = extension(n);

	if (name)
		medio_words_add(w, "%s", name);
	else
		medio_words_add(w, "extension %" PRIu64, n);
}

static void rights(struct medio_words *w, uint32_t flags)
{
	const bool r = flags & VFIO_DMA_MAP_FLAG_READ, wr = flags & VFIO_DMA_MAP_FLAG_WRITE;

	medio_words_add(w, ", the device may %s",
		r && wr ? "read and write"
		: r	? "read"
		: wr	? "write"
			: "do nothing");
}

static void map(struct medio_words *w, struct medio_call *call, uint64_t arg)
{
	struct vfio_iommu_type1_dma_map m;

	if (medio_call_read(call, arg, &m, sizeof(m)))
		return;
	medio_words_size(w, m.size);
	medio_words_add(w, " at 0x%" PRIx64 " mapped at iova 0x%" PRIx64, (uint64_t)m.vaddr,
		(uint64_t)m.iova);
	rights(w, m.flags);
}

static void unmap(struct medio_words *w, struct medio_call *call, uint64_t arg, int64_t ret)
{
	struct vfio_iommu_type1_dma_unmap m;

	if (medio_call_read(call, arg, &m, sizeof(m)))
		return;
	if (m.flags & VFIO_DMA_UNMAP_FLAG_ALL)
		medio_words_add(w, "all memory unmapped");
	else
		medio_words_add(w, "memory unmapped from iova 0x%" PRIx64 " on", (uint64_t)m.iova);
	if (ret == 0) {
		medio_words_add(w, ", ");
		medio_words_size(w, m.size);
	}
}

static void info(struct medio_words *w, struct medio_call *call, uint64_t arg)
{
	struct vfio_iommu_type1_info i;

	if (medio_call_read(call, arg, &i, sizeof(i)))
		return;
	medio_words_add(w, "what the IOMMU has: ");
	if (i.flags & VFIO_IOMMU_INFO_PGSIZES)
		medio_words_add(w, "pages of sizes 0x%" PRIx64 ", ", (uint64_t)i.iova_pgsizes);
	medio_words_add(w, "%u bytes of answer", i.argsz);
}

static void status(struct medio_words *w, struct medio_call *call, uint64_t arg, int64_t ret)
{
	struct vfio_group_status s;

	medio_words_add(w, "the group's status");
	if (ret || medio_call_read(call, arg, &s, sizeof(s)))
		return;
	medio_words_add(w, ": %s%s", s.flags & VFIO_GROUP_FLAGS_VIABLE ? "viable" : "not viable",
		s.flags & VFIO_GROUP_FLAGS_CONTAINER_SET ? ", in a container" : "");
}

static void device_fd(struct medio_words *w, struct medio_call *call, uint64_t arg, int64_t ret)
{
	char name[48] = "";

	for (unsigned i = 0; i + 1 < sizeof(name); i++)
		if (medio_call_read(call, arg + i, name + i, 1) || !name[i])
			break;
	name[sizeof(name) - 1] = '\0';
	for (char *at = name; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
	medio_words_add(w, "device %s", name);
	if (ret >= 0)
		medio_words_add(w, " opened as descriptor %d", (int)ret);
}

void medio_words_vfio(
	struct medio_words *w, struct medio_call *call, unsigned cmd, uint64_t arg, int64_t ret)
{
	switch (cmd) {
	case VFIO_GET_API_VERSION:
		medio_words_add(w, "the container speaks VFIO, version %d", (int)ret);
		break;
	case VFIO_CHECK_EXTENSION:
		medio_words_add(w, "can it do ");
		named(w, arg);
		medio_words_add(w, "? %s", ret > 0 ? "yes" : "no");
		break;
	case VFIO_SET_IOMMU:
		medio_words_add(w, "the container's IOMMU is ");
		named(w, arg);
		break;
	case VFIO_GROUP_GET_STATUS:
		status(w, call, arg, ret);
		break;
	case VFIO_GROUP_SET_CONTAINER:
		medio_words_add(w, "the group joins a container");
		break;
	case VFIO_GROUP_UNSET_CONTAINER:
		medio_words_add(w, "the group leaves its container");
		break;
	case VFIO_GROUP_GET_DEVICE_FD:
		device_fd(w, call, arg, ret);
		break;
	case VFIO_IOMMU_GET_INFO: /* the sPAPR form has the same number */
		info(w, call, arg);
		break;
	case VFIO_IOMMU_MAP_DMA:
		map(w, call, arg);
		break;
	case VFIO_IOMMU_UNMAP_DMA:
		unmap(w, call, arg, ret);
		break;
	case VFIO_IOMMU_ENABLE:
		medio_words_add(w, "the log of written pages, or the TCE window, is asked for");
		break;
	default:
		break;
	}
}
