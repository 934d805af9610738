/* SPDX-License-Identifier: BSD-3-Clause */
#include "drive/physical.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/cleanup.h"

#define PAGE	    UINT64_C(4096)
#define PRESENT	    (UINT64_C(1) << 63)
#define PFN_MASK    ((UINT64_C(1) << 55) - 1)
#define FLAG_HUGE   (UINT64_C(1) << 17) /* in /proc/kpageflags: part of a huge page */
#define HUGE_FRAMES 512			/* of 2 MiB, the smallest */

static int read_entry(
	const struct medio_card *card, const char *path, uint64_t index, uint64_t *out)
{
	_cleanup_close_ int fd = medio_kernel_open(card->kernel, O_RDONLY, "%s", path);

	if (fd < 0)
		return fd;
	return pread(fd, out, sizeof(*out), (off_t)(index * sizeof(*out))) == sizeof(*out) ? 0
											   : -EIO;
}

/* The frame that holds ptr. */
static int find_frame(struct medio_card *card, const uint8_t *ptr, uint64_t *frame)
{
	uint64_t entry = 0;
	int ret = read_entry(card, "/proc/self/pagemap", (uintptr_t)ptr / PAGE, &entry);

	if (!ret && entry & PRESENT && !(entry & PFN_MASK))
		ret = -EPERM;
	if (ret || !(entry & PRESENT))
		return medio_card_say(card, ENOTSUP,
			"DMA without an IOMMU takes physical addresses, which %s",
			ret ? "only root may know (CAP_SYS_ADMIN)"
			    : "memory that is not there has none of");
	*frame = entry & PFN_MASK;
	return 0;
}

static int check_huge(struct medio_card *card, uint64_t frame)
{
	uint64_t flags = 0;

	if (!read_entry(card, "/proc/kpageflags", frame, &flags) && flags & FLAG_HUGE)
		return 0;
	return medio_card_say(card, ENOTSUP,
		"DMA without an IOMMU takes memory in huge pages (MEDIO_CARD_DMA_HUGE): other pages move");
}

int medio_physical_place(struct medio_card *card, const void *ptr, uint64_t size, uint64_t *iova)
{
	const uint8_t *at = ptr;
	uint64_t first = 0, frame = 0;
	int ret = 0;

	if (!size)
		return 0;
	if ((uintptr_t)ptr % PAGE || mlock(ptr, size) < 0)
		ret = medio_card_say(card, ENOTSUP, "DMA: the memory cannot be locked: %s",
			(uintptr_t)ptr % PAGE ? "not at a page's begin" : strerror(errno));
	for (uint64_t offset = 0; !ret && offset < size; offset += PAGE) {
		ret = find_frame(card, at + offset, &frame);
		if (!ret && !offset)
			first = frame;
		if (!ret && frame != first + offset / PAGE)
			ret = medio_card_say(card, ENOTSUP,
				"DMA without an IOMMU: 0x%llx bytes are not in one piece of physical memory; at "
				"most a huge page of 2 MiB is",
				(unsigned long long)size);
		/* Behind a huge page something else may lie. */
		if (!ret && (!offset || frame % HUGE_FRAMES == 0))
			ret = check_huge(card, frame);
	}
	if (!ret)
		*iova = first * PAGE;
	return ret;
}

int medio_physical_map(struct medio_card *card, const struct medio_card_mapping *mapping)
{
	uint64_t iova = 0;
	int ret = medio_physical_place(card, mapping->ptr, mapping->size, &iova);

	if (!ret && iova != mapping->iova)
		ret = medio_card_say(card, ENOTSUP,
			"DMA without an IOMMU: the memory is at 0x%llx and cannot be at 0x%llx; "
			"medio_card_dma_alloc_any() says where it is",
			(unsigned long long)iova, (unsigned long long)mapping->iova);
	return ret;
}

int medio_physical_unmap(struct medio_card *card, uint64_t iova, uint64_t size)
{
	(void)card;
	(void)iova;
	(void)size;
	return 0;
}

void medio_physical_limits(struct medio_card *card, struct medio_dma_limits *out)
{
	(void)card;
	out->physical = true;
}
