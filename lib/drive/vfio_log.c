/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log of what a device of the kernel's VFIO writes. Some devices keep one themselves
 * (VFIO_DEVICE_FEATURE_DMA_LOGGING_*): that is exact. For others a type1 container keeps one for all of
 * its devices (VFIO_IOMMU_DIRTY_PAGES), which for devices that the kernel knows little of says that
 * everything that is mapped was written.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>

#include "drive/dirty.h"
#include "drive/vfio_container.h"
#include "drive/vfio_device.h"
#include "util/cleanup.h"

/* ---- Kept by the device ------------------------------------------------------------------------ */

static int device_start(struct medio_card *card)
{
	const struct medio_card_dirty *dirty = &card->dirty;
	struct vfio_device_feature_dma_logging_range list[MEDIO_DIRTY_RANGES];
	struct vfio_device_feature_dma_logging_control control = {
		.page_size = dirty->page_size,
		.num_ranges = dirty->num_ranges,
		.ranges = (uintptr_t)list,
	};
	size_t got;

	for (unsigned i = 0; i < dirty->num_ranges; i++)
		list[i] = (struct vfio_device_feature_dma_logging_range){
			.iova = dirty->ranges[i].first,
			.length = dirty->ranges[i].last - dirty->ranges[i].first + 1,
		};
	int ret = medio_vfio_device_feature(card,
		MEDIO_CARD_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START, &control,
		sizeof(control), 0, &got);
	/* Not a failure yet: others may keep one. */
	if (ret == -ENOTTY)
		card->words[0] = 0;
	return ret;
}

static int device_stop(struct medio_card *card)
{
	size_t got;

	return medio_vfio_device_feature(card,
		MEDIO_CARD_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, NULL, 0, 0, &got);
}

static int device_get(struct medio_card *card, uint64_t iova, uint64_t size, uint64_t *bitmap)
{
	struct vfio_device_feature_dma_logging_report report = {
		.iova = iova,
		.length = size,
		.page_size = card->dirty.page_size,
		.bitmap = (uintptr_t)bitmap,
	};
	size_t got;

	return medio_vfio_device_feature(card,
		MEDIO_CARD_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, &report,
		sizeof(report), 0, &got);
}

const struct medio_card_log medio_vfio_log_device = {
	.start = device_start,
	.stop = device_stop,
	.get = device_get,
};

/* ---- Kept by the container --------------------------------------------------------------------- */

static int ask_container(struct medio_card *card, void *arg)
{
	return card->kernel->ioctl(card->container->vfio->fd, VFIO_IOMMU_DIRTY_PAGES, arg);
}

static int container_start(struct medio_card *card)
{
	struct medio_vfio_container *container = card->container->vfio;
	struct vfio_iommu_type1_dirty_bitmap start = {
		.argsz = sizeof(start),
		.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_START,
	};

	if (container->logger)
		return medio_card_say(card, EBUSY,
			"a container keeps one log, and this one keeps it for %s already",
			medio_card_uri(container->logger));
	container->log_page = medio_vfio_log_page(card);
	if (!container->log_page)
		return medio_card_say(card, ENOTTY,
			"neither the device nor this kernel's container keeps a log of what it writes");
	if (card->dirty.page_size < container->log_page)
		return medio_card_say(card, EINVAL,
			"a log in pages of %llu bytes: the IOMMU has none below %llu",
			(unsigned long long)card->dirty.page_size,
			(unsigned long long)container->log_page);
	int ret = ask_container(card, &start);
	if (ret < 0)
		return medio_card_say(card, -ret, "DIRTY_PAGES, start: %s", strerror(-ret));
	container->logger = card;
	return 0;
}

static int container_stop(struct medio_card *card)
{
	struct vfio_iommu_type1_dirty_bitmap stop = {
		.argsz = sizeof(stop),
		.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP,
	};
	int ret = ask_container(card, &stop);

	card->container->vfio->logger = NULL;
	return ret < 0 ? medio_card_say(card, -ret, "DIRTY_PAGES, stop: %s", strerror(-ret)) : 0;
}

/* The pages of one mapping that were written: into bitmap, whose bit 0 is the log's page at iova. */
static int get_mapping(struct medio_card *card, const struct medio_card_mapping *mapping,
	uint64_t iova, uint64_t *bitmap)
{
	uint64_t page = card->container->vfio->log_page, pages = mapping->size / page;
	uint64_t words = (pages + 63) / 64;
	_cleanup_free_ uint64_t *own = calloc(words, sizeof(*own));
	_cleanup_free_ uint8_t *buf = NULL;
	struct vfio_iommu_type1_dirty_bitmap *head;
	struct vfio_iommu_type1_dirty_bitmap_get get = {
		.iova = mapping->iova,
		.size = mapping->size,
		.bitmap = { .pgsize = page, .size = words * 8, .data = (void *)own },
	};

	buf = calloc(1, sizeof(*head) + sizeof(get));
	if (!own || !buf)
		return medio_card_say(card, ENOMEM, "out of memory");
	head = (void *)buf;
	head->argsz = sizeof(*head) + sizeof(get);
	head->flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP;
	memcpy(head->data, &get, sizeof(get));
	int ret = ask_container(card, head);
	if (ret < 0)
		return medio_card_say(card, -ret,
			"DIRTY_PAGES, bitmap of 0x%llx bytes at 0x%llx: %s",
			(unsigned long long)mapping->size, (unsigned long long)mapping->iova,
			strerror(-ret));
	for (uint64_t i = 0; i < pages; i++) {
		uint64_t bit = (mapping->iova + i * page - iova) / card->dirty.page_size;
		if (own[i / 64] >> i % 64 & 1)
			medio_dirty_set(bitmap, bit, bit);
	}
	return 0;
}

/* The kernel answers for whole mappings only. */
static int container_get(struct medio_card *card, uint64_t iova, uint64_t size, uint64_t *bitmap)
{
	const struct medio_memory *memory = &card->container->memory;
	int ret = 0;

	for (unsigned i = 0; !ret && i < memory->count; i++) {
		const struct medio_card_mapping *mapping = &memory->list[i];
		if (mapping->iova >= iova && mapping->iova - iova < size)
			ret = get_mapping(card, mapping, iova, bitmap);
	}
	return ret;
}

/* ---- Whoever keeps one ------------------------------------------------------------------------- */

static int any_start(struct medio_card *card)
{
	int ret = device_start(card);

	return ret == -ENOTTY ? container_start(card) : ret;
}

static bool by_container(const struct medio_card *card)
{
	return card->container->vfio->logger == card;
}

static int any_stop(struct medio_card *card)
{
	return by_container(card) ? container_stop(card) : device_stop(card);
}

static int any_get(struct medio_card *card, uint64_t iova, uint64_t size, uint64_t *bitmap)
{
	return by_container(card) ? container_get(card, iova, size, bitmap)
				  : device_get(card, iova, size, bitmap);
}

const struct medio_card_log medio_vfio_log = {
	.start = any_start,
	.stop = any_stop,
	.get = any_get,
};
