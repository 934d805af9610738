/* SPDX-License-Identifier: BSD-3-Clause */
#include "run_card.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proto/iommufd.h"

#define MSI_FIRST 0xfee00000u
#define MSI_LAST  0xfeefffffu
#define LOWEST	  0x10000u

static unsigned tests, failures;

void run_is(const char *name, long got, long want)
{
	tests++;
	failures += got != want;
	printf("%sok %u - %s", got == want ? "" : "not ", tests, name);
	if (got != want)
		printf(": %ld, not %ld", got, want);
	printf("\n");
}

int run_finish(void)
{
	printf("1..%u\n", tests);
	return failures != 0;
}

void run_must(const char *name, bool so)
{
	tests++;
	if (so) {
		printf("ok %u - %s\n", tests, name);
		return;
	}
	printf("not ok %u - %s: %s\n", tests, name, strerror(errno));
	failures++;
	exit(run_finish());
}

/* ---- Through its group ----------------------------------------------------------------------------- */

static void group_path(const char *name, char path[64])
{
	char link[96], target[256];

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group", name);
	ssize_t len = readlink(link, target, sizeof(target) - 1);
	run_must("it is in a group", len > 0);
	target[len] = '\0';
	snprintf(path, 64, "/dev/vfio/%.20s", strrchr(target, '/') + 1);
}

/* The first range of the container's that memory may have; and that none has the window of interrupts. */
static void container_ranges(struct run_card *card)
{
	static _Alignas(8) uint8_t buf[4096];
	struct vfio_iommu_type1_info *info = (void *)buf;
	const struct vfio_iommu_type1_info_cap_iova_range *cap = NULL;

	info->argsz = sizeof(buf);
	run_must("what the container can", !ioctl(card->container, VFIO_IOMMU_GET_INFO, info));
	run_must("has more to it", info->flags & VFIO_IOMMU_INFO_CAPS);
	for (uint32_t at = info->cap_offset; at; at = ((const uint32_t *)(void *)(buf + at))[1])
		if (((const struct vfio_info_cap_header *)(void *)(buf + at))->id ==
			VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE)
			cap = (void *)(buf + at);
	run_must("namely where memory may be", cap && cap->nr_iovas);
	for (uint32_t i = 0; i < cap->nr_iovas; i++)
		run_must("not where interrupts go", cap->iova_ranges[i].end < MSI_FIRST ||
							    cap->iova_ranges[i].start > MSI_LAST);
	card->iova = cap->iova_ranges[0].start;
	card->last = cap->iova_ranges[0].end;
}

static void open_by_group(struct run_card *card, const char *name)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[64];

	group_path(name, path);
	card->group = open(path, O_RDWR | O_CLOEXEC);
	run_must("the group opens", card->group >= 0);
	run_is("its status", ioctl(card->group, VFIO_GROUP_GET_STATUS, &status), 0);
	run_is("it is viable", status.flags & VFIO_GROUP_FLAGS_VIABLE, VFIO_GROUP_FLAGS_VIABLE);
	card->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	run_must("the container opens", card->container >= 0);
	run_must("the group joins it",
		!ioctl(card->group, VFIO_GROUP_SET_CONTAINER, &card->container));
	run_must("it has type1 v2",
		!ioctl(card->container, VFIO_SET_IOMMU, (unsigned long)VFIO_TYPE1v2_IOMMU));
	container_ranges(card);
	card->device = ioctl(card->group, VFIO_GROUP_GET_DEVICE_FD, name);
	run_must("the device opens", card->device >= 0);
}

/* ---- By its character device --------------------------------------------------------------------------- */

static void device_path(const char *name, char path[64])
{
	char folder[96];
	const struct dirent *entry;

	path[0] = '\0';
	snprintf(folder, sizeof(folder), "/sys/bus/pci/devices/%s/vfio-dev", name);
	DIR *dir = opendir(folder);
	run_must("it has a character device", dir != NULL);
	while ((entry = readdir(dir)))
		if (!strncmp(entry->d_name, "vfio", 4))
			snprintf(path, 64, "/dev/vfio/devices/%.20s", entry->d_name);
	closedir(dir);
}

static void ioas_ranges(struct run_card *card)
{
	struct medio_iommu_iova_range list[16];
	struct medio_iommu_ioas_iova_ranges ranges = { .size = sizeof(ranges),
		.ioas_id = card->ioas,
		.num_iovas = 16,
		.allowed_iovas = (uintptr_t)list };

	run_must("where memory may be",
		!ioctl(card->iommu, MEDIO_IOMMU_IOAS_IOVA_RANGES, &ranges) && ranges.num_iovas);
	for (uint32_t i = 0; i < ranges.num_iovas; i++)
		run_must("not where interrupts go",
			list[i].last < MSI_FIRST || list[i].start > MSI_LAST);
	card->iova = list[0].start;
	card->last = list[0].last;
}

static void open_by_device(struct run_card *card, const char *name)
{
	struct medio_vfio_bind_iommufd bind = { .argsz = offsetof(struct medio_vfio_bind_iommufd,
							token_uuid_ptr) };
	struct medio_iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct medio_vfio_attach_pt attach = { .argsz = sizeof(attach) };
	struct vfio_device_info info = { .argsz = sizeof(info) };
	char path[64];

	device_path(name, path);
	card->device = open(path, O_RDWR | O_CLOEXEC);
	run_must("the device opens", card->device >= 0);
	run_is("it does nothing yet", ioctl(card->device, VFIO_DEVICE_GET_INFO, &info), -1);
	card->iommu = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	run_must("/dev/iommu opens", card->iommu >= 0);
	bind.iommufd = card->iommu;
	run_must("they are bound", !ioctl(card->device, MEDIO_VFIO_BIND_IOMMUFD, &bind));
	run_must("an address space", !ioctl(card->iommu, MEDIO_IOMMU_IOAS_ALLOC, &alloc));
	card->ioas = attach.pt_id = alloc.out_ioas_id;
	run_must("which is the device's", !ioctl(card->device, MEDIO_VFIO_ATTACH_PT, &attach));
	ioas_ranges(card);
}

/* ---- The device -------------------------------------------------------------------------------------------- */

static bool get_region(const struct run_card *card, unsigned index, struct vfio_region_info *region)
{
	*region = (struct vfio_region_info){ .argsz = sizeof(*region), .index = index };
	return !ioctl(card->device, VFIO_DEVICE_GET_REGION_INFO, region);
}

void run_card_open(struct run_card *card, const char *name, bool by_group)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info region;
	uint16_t command;

	*card = (struct run_card){ .device = -1, .group = -1, .container = -1, .iommu = -1 };
	if (by_group)
		open_by_group(card, name);
	else
		open_by_device(card, name);
	if (card->iova < LOWEST)
		card->iova = LOWEST;
	run_must("what it is", !ioctl(card->device, VFIO_DEVICE_GET_INFO, &info));
	run_must("PCI, and can be reset",
		info.flags & VFIO_DEVICE_FLAGS_PCI && info.flags & VFIO_DEVICE_FLAGS_RESET);
	run_is("it is reset", ioctl(card->device, VFIO_DEVICE_RESET), 0);
	run_must("configuration space", get_region(card, VFIO_PCI_CONFIG_REGION_INDEX, &region));
	card->config = region.offset;
	run_must("its command register",
		pread(card->device, &command, 2, (off_t)(card->config + PCI_COMMAND)) == 2);
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	run_must("is written",
		pwrite(card->device, &command, 2, (off_t)(card->config + PCI_COMMAND)) == 2);
}

uint8_t *run_card_bar(struct run_card *card, unsigned bar)
{
	struct vfio_region_info region;

	if (card->bars[bar])
		return card->bars[bar];
	run_must("a BAR", get_region(card, bar, &region) && region.size);
	run_must("that can be mapped", region.flags & VFIO_REGION_INFO_FLAG_MMAP);
	uint8_t *at = mmap(NULL, region.size, PROT_READ | PROT_WRITE, MAP_SHARED, card->device,
		(off_t)region.offset);
	run_must("is mapped", at != MAP_FAILED);
	card->bars[bar] = at;
	card->sizes[bar] = region.size;
	return at;
}

void run_card_vectors(struct run_card *card, const int *fds, unsigned count)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = VFIO_PCI_MSIX_IRQ_INDEX };
	size_t size = sizeof(struct vfio_irq_set) + count * sizeof(int);
	struct vfio_irq_set *set = calloc(1, size);

	run_must("MSI-X", !ioctl(card->device, VFIO_DEVICE_GET_IRQ_INFO, &info));
	run_must("by eventfds, with vectors enough",
		info.flags & VFIO_IRQ_INFO_EVENTFD && info.count >= count && set);
	*set = (struct vfio_irq_set){ .argsz = (uint32_t)size,
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
		.count = count };
	memcpy(set->data, fds, count * sizeof(int));
	run_is("several vectors at once", ioctl(card->device, VFIO_DEVICE_SET_IRQS, set), 0);
	free(set);
}

void run_card_no_vectors(struct run_card *card)
{
	struct vfio_irq_set set = { .argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX };

	run_is("all vectors off", ioctl(card->device, VFIO_DEVICE_SET_IRQS, &set), 0);
}

/* ---- Memory ------------------------------------------------------------------------------------------------ */

static bool map(const struct run_card *card, void *memory, uint64_t size, uint64_t iova)
{
	struct vfio_iommu_type1_dma_map by_container = { .argsz = sizeof(by_container),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)memory,
		.iova = iova,
		.size = size };
	struct medio_iommu_ioas_map by_ioas = { .size = sizeof(by_ioas),
		.flags = MEDIO_IOMMU_IOAS_MAP_FIXED_IOVA | MEDIO_IOMMU_IOAS_MAP_READABLE |
			 MEDIO_IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = card->ioas,
		.user_va = (uintptr_t)memory,
		.length = size,
		.iova = iova };

	return !(card->iommu < 0 ? ioctl(card->container, VFIO_IOMMU_MAP_DMA, &by_container)
				 : ioctl(card->iommu, MEDIO_IOMMU_IOAS_MAP, &by_ioas));
}

void *run_card_memory(struct run_card *card, uint64_t size, uint64_t iova)
{
	uint8_t *area = mmap(
		NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	run_must("memory", area != MAP_FAILED);
	uint8_t *memory = area + (size - (uintptr_t)area % size) % size;
	madvise(memory, size, MADV_HUGEPAGE);
	/* Some of it is there before it is mapped, some only after. */
	memset(memory, 0xa5, size / 2);
	run_must("is mapped for the device", iova >= card->iova && iova + size - 1 <= card->last &&
						     map(card, memory, size, iova));
	run_is("and is as it was", memory[size / 2 - 1] << 8 | memory[size / 2], 0xa500);
	return memory;
}

void run_card_unmap(struct run_card *card, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap by_container = {
		.argsz = sizeof(by_container), .iova = iova, .size = size
	};
	struct medio_iommu_ioas_unmap by_ioas = {
		.size = sizeof(by_ioas), .ioas_id = card->ioas, .iova = iova, .length = size
	};

	if (card->iommu < 0) {
		run_is("the mapping goes",
			ioctl(card->container, VFIO_IOMMU_UNMAP_DMA, &by_container), 0);
		run_is("all of it", (long)by_container.size, (long)size);
	} else {
		run_is("the mapping goes", ioctl(card->iommu, MEDIO_IOMMU_IOAS_UNMAP, &by_ioas), 0);
		run_is("all of it", (long)by_ioas.length, (long)size);
	}
}

void run_card_close(struct run_card *card)
{
	const int fds[] = { card->device, card->group, card->container, card->iommu };

	for (unsigned i = 0; i < RUN_BARS; i++)
		if (card->bars[i])
			run_is("a BAR goes", munmap(card->bars[i], card->sizes[i]), 0);
	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			run_is("a file closes", close(fds[i]), 0);
}
