/* SPDX-License-Identifier: BSD-3-Clause */
/* An edu card, and another that keeps something in memory, by VFIO: a driver as for the kernel's. */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "run_program.h"

#define KEEPS 4 /* a register of edu's that keeps what is written, inverted */

static int device;
static uint64_t config, bar;
static volatile uint32_t *registers; /* trapped */
static volatile uint32_t *shared;    /* the other card's memory */

static int open_device(const char *group_name, const char *device_name)
{
	const char *number = getenv(group_name), *name = getenv(device_name);
	char path[64];

	errno = ENODEV;
	if (!number || !name)
		program_fail(group_name);
	snprintf(path, sizeof(path), "/dev/vfio/%s", number);
	int container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	int group = open(path, O_RDWR | O_CLOEXEC);
	if (container < 0 || group < 0 || ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
		ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		program_fail(path);
	int fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name);
	if (fd < 0)
		program_fail(name);
	return fd;
}

/* With room for its capabilities. */
struct region {
	struct vfio_region_info info;
	uint8_t more[4096];
};

static void ask_region(int fd, uint32_t index, struct region *region)
{
	*region = (struct region){ .info = { .argsz = sizeof(*region), .index = index } };
	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &region->info))
		program_fail("a region");
}

static void *map(int fd, uint64_t offset, uint64_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);

	if (at == MAP_FAILED)
		program_fail("a BAR");
	return at;
}

/* The first part of a BAR that can be mapped; NULL: there is none. */
static volatile uint32_t *map_shared(int fd)
{
	static struct region region;

	for (uint32_t i = 0; i <= VFIO_PCI_BAR5_REGION_INDEX; i++) {
		ask_region(fd, i, &region);
		if (!(region.info.flags & VFIO_REGION_INFO_FLAG_MMAP))
			continue;
		if (!(region.info.flags & VFIO_REGION_INFO_FLAG_CAPS) || !region.info.cap_offset)
			return map(fd, region.info.offset, region.info.size);
		const struct vfio_region_info_cap_sparse_mmap *sparse =
			(const void *)((const uint8_t *)&region + region.info.cap_offset);
		if (sparse->header.id == VFIO_REGION_INFO_CAP_SPARSE_MMAP && sparse->nr_areas)
			return map(fd, region.info.offset + sparse->areas[0].offset,
				sparse->areas[0].size);
	}
	return NULL;
}

void program_device_open(void)
{
	static struct region region;
	uint16_t command = 6; /* memory, bus mastering */

	device = open_device("group", "bdf");
	ask_region(device, VFIO_PCI_CONFIG_REGION_INDEX, &region);
	config = region.info.offset;
	if (pwrite(device, &command, 2, (off_t)(config + 4)) != 2)
		program_fail("the command register");
	ask_region(device, VFIO_PCI_BAR0_REGION_INDEX, &region);
	bar = region.info.offset;
	if (region.info.flags & VFIO_REGION_INFO_FLAG_MMAP)
		registers = map(device, bar, region.info.size);
	if (getenv("group1"))
		shared = map_shared(open_device("group1", "bdf1"));
}

/* ---- Calls --------------------------------------------------------------------------------------- */

static void get_info(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct vfio_device_info info = { .argsz = sizeof(info) };
		if (ioctl(device, VFIO_DEVICE_GET_INFO, &info))
			program_fail("VFIO_DEVICE_GET_INFO");
	}
}

static void read_config(unsigned n)
{
	uint32_t value;

	for (unsigned i = 0; i < n; i++)
		if (pread(device, &value, sizeof(value), (off_t)config) != sizeof(value))
			program_fail("config space");
}

static void read_register(unsigned n)
{
	uint32_t value;

	for (unsigned i = 0; i < n; i++)
		if (pread(device, &value, sizeof(value), (off_t)(bar + KEEPS)) != sizeof(value))
			program_fail("a register");
}

static void write_register(unsigned n)
{
	for (uint32_t i = 0; i < n; i++)
		if (pwrite(device, &i, sizeof(i), (off_t)(bar + KEEPS)) != sizeof(i))
			program_fail("a register");
}

static volatile uint32_t *there(volatile uint32_t *mapped)
{
	errno = ENODEV;
	if (!mapped)
		program_fail("a mapped BAR");
	return mapped;
}

static void load(unsigned n)
{
	volatile uint32_t *at = there(registers) + KEEPS / 4;

	for (unsigned i = 0; i < n; i++)
		(void)*at;
}

static void store(unsigned n)
{
	volatile uint32_t *at = there(registers) + KEEPS / 4;

	for (unsigned i = 0; i < n; i++)
		*at = i;
	/* What came of it. */
	errno = EIO;
	if (n && *at != ~(n - 1))
		program_fail("a register lost what was written");
}

#define WORDS 1024u

/* All words of a page, over and over; the same code for both. */
static __attribute__((noinline)) void load_and_store(volatile uint32_t *page, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		page[i % WORDS] = page[(i + WORDS / 2) % WORDS] + i;
}

static void touch_shared(unsigned n)
{
	load_and_store(there(shared), n);
}

static void touch_memory(unsigned n)
{
	static uint32_t *page;

	if (!page) {
		page = mmap(NULL, sizeof(*page) * WORDS, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (page == MAP_FAILED)
			program_fail("memory");
	}
	load_and_store(page, n);
}

const struct program_command program_device[] = {
	{ "info", get_info },
	{ "config", read_config },
	{ "read", read_register },
	{ "write", write_register },
	{ "load", load },
	{ "store", store },
	{ "shared", touch_shared },
	{ "memory", touch_memory },
	{ NULL, NULL },
};
