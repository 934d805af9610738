/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pread(), pwrite() and mmap() of a device's file, as drivers/vfio/pci/vfio_pci_rdwr.c and vfio_pci_config.c do them:
 * registers are reached by accesses of 1, 2, 4 and 8 bytes at multiples of that. What is memory of the device's, and
 * config space, takes any number of bytes at once.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "compat/kdev_inside.h"
#include "compat/mmio.h"

#define BUFFER 4096u
#define MOST   (4u << 20) /* bytes of one call; more is done by the next */

#define REGION(offset) ((unsigned)((offset) >> 40 & 0x3fffff))
#define WITHIN(offset) ((offset) & ((UINT64_C(1) << 40) - 1))

/* One access of a program's. */
struct access {
	struct medio_kdev *kdev;
	struct medio_call *call;
	unsigned region;
	bool write;
	uint64_t at;  /* in the region */
	uint64_t buf; /* the program's */
	size_t count;
};

/* ---- How much at once -------------------------------------------------------------------------- */

static size_t register_size(uint64_t at, size_t count)
{
	for (size_t size = 8; size > 1; size /= 2)
		if (count >= size && !(at % size))
			return size;
	return 1;
}

/* Cut count where [start, start + size) begins or ends; whether at is in it. */
static bool clip(uint64_t start, uint64_t size, uint64_t at, size_t *count)
{
	if (at < start) {
		if (*count > start - at)
			*count = (size_t)(start - at);
		return false;
	}
	if (at - start >= size)
		return false;
	if (*count > size - (at - start))
		*count = (size_t)(size - (at - start));
	return true;
}

/* Memory of the device's: *count bytes of it are. */
static bool in_memory(const struct medio_card_region *region, uint64_t at, size_t *count)
{
	bool in = false;

	for (unsigned i = 0; !in && i < region->num_areas; i++)
		in = clip(region->areas[i].offset, region->areas[i].size, at, count);
	return in;
}

static size_t part_of(const struct access *a)
{
	size_t part = a->count < BUFFER ? a->count : BUFFER;

	if (a->region == MEDIO_CARD_CONFIG) {
		size_t word = register_size(a->at, part);
		return !a->write ? part : word < 4 ? word : 4;
	}
	if (a->region == MEDIO_CARD_ROM ||
		in_memory(&a->kdev->state->regions[a->region], a->at, &part))
		return part;
	return register_size(a->at, part);
}

/* vfio-pci keeps the table of MSI-X to itself: it reads as ones, and is not written. */
static bool in_msix(const struct access *a, size_t *part)
{
	const struct medio_kdev_range *msix = &a->kdev->state->msix;

	return a->kdev->look == MEDIO_KDEV_PCI && a->region == msix->region &&
	       clip(msix->offset, msix->size, a->at, part);
}

/* ---- Doing it ---------------------------------------------------------------------------------- */

static int64_t read_part(const struct access *a, size_t part, bool hidden)
{
	uint8_t data[BUFFER];
	int ret = 0;

	if (hidden)
		memset(data, 0xff, part);
	else
		ret = medio_card_read(a->kdev->card, a->region, a->at, data, part);
	return ret ? ret : medio_call_write(a->call, a->buf, data, part);
}

static int64_t write_part(const struct access *a, size_t part, bool hidden)
{
	uint8_t data[BUFFER];
	int ret = medio_call_read(a->call, a->buf, data, part);

	if (ret || hidden)
		return ret;
	ret = medio_card_write(a->kdev->card, a->region, a->at, data, part);
	if (!ret && a->region == MEDIO_CARD_CONFIG)
		medio_kdev_read_command(a->kdev);
	return ret;
}

static int64_t run(struct access a)
{
	size_t done = 0;

	if (a.count > MOST)
		a.count = MOST;
	while (a.count) {
		size_t part = part_of(&a);
		bool hidden = in_msix(&a, &part);
		int64_t ret = a.write ? write_part(&a, part, hidden) : read_part(&a, part, hidden);
		if (ret)
			return medio_kdev_result(a.kdev, ret);
		a.at += part;
		a.buf += part;
		a.count -= part;
		done += part;
	}
	return medio_kdev_result(a.kdev, (int64_t)done);
}

void medio_kdev_read_command(struct medio_kdev *kdev)
{
	uint16_t command = 0;

	if (!medio_kdev_result(
		    kdev, medio_card_read16(kdev->card, MEDIO_CARD_CONFIG, PCI_COMMAND, &command)))
		kdev->state->command = command;
}

/* Where it goes, and whether it may. *count is cut at the region's end, but for config space's. */
static int check(const struct access *a, size_t *count)
{
	const struct medio_kdev_state *state = a->kdev->state;
	uint64_t size = a->region < MEDIO_KDEV_REGIONS ? state->regions[a->region].size : 0;

	if (a->region == MEDIO_CARD_CONFIG)
		return a->at >= size || *count > size - a->at ? -EFAULT : 0;
	if (a->at >= size || (a->region == MEDIO_CARD_ROM && a->write))
		return -EINVAL;
	if (*count > size - a->at)
		*count = (size_t)(size - a->at);
	/* Ports go on answering. */
	if (a->kdev->look == MEDIO_KDEV_PCI && a->region < MEDIO_KDEV_BARS &&
		!state->io[a->region] && !(state->command & PCI_COMMAND_MEMORY))
		return -EIO;
	return 0;
}

static int64_t reach(struct access a, uint64_t offset)
{
	a.region = REGION(offset);
	a.at = WITHIN(offset);
	if (!a.count)
		return 0;
	if (a.kdev->state->dead)
		return -ENODEV;
	int ret = offset < MEDIO_KDEV_OFFSET(0) || offset > INT64_MAX ? -EINVAL
								      : check(&a, &a.count);
	return ret ? ret : run(a);
}

static struct medio_kdev *kdev_of(struct medio_kfile *file)
{
	return medio_container_of(file, struct medio_kdev_file, file)->kdev;
}

int64_t medio_kdev_pread(struct medio_kfile *file, struct medio_call *call, uint64_t buf,
	uint64_t count, uint64_t offset)
{
	return reach(
		(struct access){ kdev_of(file), call, .buf = buf, .count = (size_t)count }, offset);
}

int64_t medio_kdev_pwrite(struct medio_kfile *file, struct medio_call *call, uint64_t buf,
	uint64_t count, uint64_t offset)
{
	return reach((struct access){ kdev_of(file), call, .write = true, .buf = buf,
			     .count = (size_t)count },
		offset);
}

/* ---- Mapping ----------------------------------------------------------------------------------- */

int64_t medio_kdev_mmap(struct medio_kfile *file, struct medio_call *call)
{
	struct medio_kdev *kdev = kdev_of(file);
	uint64_t length = call->args[1], flags = call->args[3], offset = call->args[5];
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE) - 1;
	unsigned region = REGION(offset);

	if (!length || length > INT64_MAX || offset & page || offset < MEDIO_KDEV_OFFSET(0) ||
		offset > INT64_MAX || region >= MEDIO_KDEV_BARS)
		return -EINVAL;
	uint64_t size = (kdev->state->regions[region].size + page) & ~page;
	length = (length + page) & ~page;
	/* MAP_SHARED_VALIDATE is shared too. */
	if (!(flags & MAP_SHARED) || length > size || WITHIN(offset) > size - length)
		return -EINVAL;
	if (kdev->state->dead)
		return -ENODEV;
	return medio_kdev_result(kdev, medio_mmio_mmap(kdev, call, region, WITHIN(offset)));
}
