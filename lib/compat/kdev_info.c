/* SPDX-License-Identifier: BSD-3-Clause */
/* What a device tells of itself: GET_INFO, GET_REGION_INFO with its capabilities, GET_IRQ_INFO. */
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/kdev_inside.h"

/* Newer kernels' structure: cap_offset and padding behind it. */
struct device_info {
	struct vfio_device_info info;
	uint32_t rest[6 - sizeof(struct vfio_device_info) / sizeof(uint32_t)];
};

#define upto(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

int64_t medio_kdev_get_info(struct medio_kdev *kdev, struct medio_call *call, uint64_t arg)
{
	struct device_info info = { 0 };
	int ret = medio_kdev_take(call, arg, &info, upto(struct vfio_device_info, num_irqs));

	if (ret)
		return ret;
	if (kdev->state->dead)
		return -ENODEV;
	info.info.flags = VFIO_DEVICE_FLAGS_PCI |
			  (kdev->state->has_reset ? VFIO_DEVICE_FLAGS_RESET : 0);
	info.info.num_regions = VFIO_PCI_NUM_REGIONS;
	info.info.num_irqs = VFIO_PCI_NUM_IRQS;
	return medio_call_write(
		call, arg, &info, info.info.argsz < sizeof(info) ? info.info.argsz : sizeof(info));
}

/* ---- Regions ----------------------------------------------------------------------------------- */

static uint64_t page_up(uint64_t size)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE) - 1;

	return (size + page) & ~page;
}

/*
 * A KVM guest's accesses cannot be trapped the way those of a program can (mmio.h): whoever has /dev/kvm open is
 * offered what is memory, and makes the other accesses itself.
 */
static bool runs_guests(pid_t pid)
{
	char path[64], target[32];
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *dir = opendir(path);
	for (struct dirent *entry; dir && !found && (entry = readdir(dir));) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		target[len > 0 ? len : 0] = 0;
		found = !strcmp(target, "/dev/kvm") || !strcmp(target, "anon_inode:kvm-vm");
	}
	if (dir)
		closedir(dir);
	return found;
}

bool medio_kdev_maps_all(const struct medio_kdev *kdev, unsigned region, pid_t pid)
{
	return kdev->map == MEDIO_KDEV_MAP_ALL && region < MEDIO_KDEV_BARS &&
	       !kdev->state->io[region] && !runs_guests(pid);
}

/* All of it is one mappable part. */
static bool whole(const struct medio_card_region *region)
{
	return region->num_areas == 1 && !region->areas[0].offset &&
	       region->areas[0].size >= page_up(region->size);
}

/* An answer with one capability behind it, at most. */
struct answer {
	struct vfio_region_info info;
	void *cap; /* allocated */
	size_t cap_size;
};

static int add_sparse(struct answer *answer, const struct medio_card_region *region)
{
	struct vfio_region_info_cap_sparse_mmap *cap;
	size_t size = sizeof(*cap) + region->num_areas * sizeof(cap->areas[0]);

	cap = calloc(1, size);
	if (!cap)
		return -ENOMEM;
	cap->header = (struct vfio_info_cap_header){ VFIO_REGION_INFO_CAP_SPARSE_MMAP, 1, 0 };
	cap->nr_areas = region->num_areas;
	for (unsigned i = 0; i < region->num_areas; i++) {
		cap->areas[i].offset = region->areas[i].offset;
		cap->areas[i].size = region->areas[i].size;
	}
	answer->cap = cap;
	answer->cap_size = size;
	return 0;
}

/* The table of MSI-X is in it, and need not be left out. */
static int add_msix(struct answer *answer)
{
	struct vfio_info_cap_header *cap = calloc(1, sizeof(*cap));

	if (!cap)
		return -ENOMEM;
	*cap = (struct vfio_info_cap_header){ VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, 1, 0 };
	answer->cap = cap;
	answer->cap_size = sizeof(*cap);
	return 0;
}

static int fill_bar(const struct medio_kdev *kdev, struct answer *answer, pid_t pid)
{
	unsigned index = answer->info.index;
	const struct medio_card_region *region = &kdev->state->regions[index];
	bool all = medio_kdev_maps_all(kdev, index, pid);

	answer->info.flags |= VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (!all && !region->num_areas)
		return 0;
	answer->info.flags |= VFIO_REGION_INFO_FLAG_MMAP;
	if (!all && !whole(region))
		return add_sparse(answer, region);
	return index == kdev->state->msix.region ? add_msix(answer) : 0;
}

static int fill(const struct medio_kdev *kdev, struct answer *answer, pid_t pid)
{
	struct vfio_region_info *info = &answer->info;

	info->flags = 0;
	info->offset = MEDIO_KDEV_OFFSET(info->index);
	info->size = kdev->state->regions[info->index].size;
	if (!info->size)
		return 0;
	if (info->index < MEDIO_KDEV_BARS)
		return fill_bar(kdev, answer, pid);
	info->flags = VFIO_REGION_INFO_FLAG_READ;
	if (info->index != VFIO_PCI_ROM_REGION_INDEX)
		info->flags |= VFIO_REGION_INFO_FLAG_WRITE;
	return 0;
}

/* As the kernel puts a capability behind what the program has room for, or says how much it takes. */
static int64_t give(struct medio_call *call, uint64_t arg, struct answer *answer)
{
	struct vfio_region_info *info = &answer->info;
	uint32_t needed = (uint32_t)(sizeof(*info) + answer->cap_size);

	if (answer->cap_size) {
		info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
		info->cap_offset = info->argsz < needed ? 0 : (uint32_t)sizeof(*info);
		if (info->argsz < needed)
			info->argsz = needed;
		else if (medio_call_write(call, arg + sizeof(*info), answer->cap, answer->cap_size))
			return -EFAULT;
	}
	return medio_call_write(call, arg, info, sizeof(*info));
}

int64_t medio_kdev_get_region_info(struct medio_kdev *kdev, struct medio_call *call, uint64_t arg)
{
	struct answer answer = { 0 };
	int ret = medio_kdev_take(call, arg, &answer.info, upto(struct vfio_region_info, offset));

	if (ret)
		return ret;
	unsigned index = answer.info.index;
	/* vfio-pci has no VGA region of cards without one; a mediated device has an empty one. */
	if (index >= VFIO_PCI_NUM_REGIONS ||
		(kdev->look == MEDIO_KDEV_PCI && index == VFIO_PCI_VGA_REGION_INDEX &&
			!kdev->state->regions[index].size))
		return -EINVAL;
	if (kdev->state->dead)
		return -ENODEV;
	ret = fill(kdev, &answer, call->tid);
	int64_t given = ret ? ret : give(call, arg, &answer);
	free(answer.cap);
	return given;
}

/* ---- Interrupts -------------------------------------------------------------------------------- */

/* An index that the kernel tells of, though there may be none of it. */
static bool known(const struct medio_kdev *kdev, unsigned index)
{
	return index < VFIO_PCI_NUM_IRQS &&
	       (index != VFIO_PCI_ERR_IRQ_INDEX || kdev->state->express);
}

uint32_t medio_kdev_irq_count(const struct medio_kdev *kdev, unsigned index)
{
	if (!known(kdev, index))
		return 0;
	/* Those two are the kernel's own. */
	return index >= VFIO_PCI_ERR_IRQ_INDEX ? 1 : kdev->state->irqs[index].count;
}

int64_t medio_kdev_get_irq_info(struct medio_kdev *kdev, struct medio_call *call, uint64_t arg)
{
	struct vfio_irq_info info;
	int ret = medio_kdev_take(call, arg, &info, sizeof(info));

	if (ret)
		return ret;
	if (!known(kdev, info.index))
		return -EINVAL;
	if (kdev->state->dead)
		return -ENODEV;
	const struct medio_card_irq *irq = &kdev->state->irqs[info.index];
	info.flags = VFIO_IRQ_INFO_EVENTFD;
	info.count = medio_kdev_irq_count(kdev, info.index);
	if (info.index == VFIO_PCI_INTX_IRQ_INDEX)
		info.flags |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	else if (info.index != VFIO_PCI_MSIX_IRQ_INDEX || irq->noresize || !irq->count)
		info.flags |= VFIO_IRQ_INFO_NORESIZE;
	return medio_call_write(call, arg, &info, sizeof(info));
}
