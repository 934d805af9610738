/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that calls containers, groups, /dev/iommu and vfioN in any order, with any arguments: none crashes, none leaks,
 * and no device is told of memory twice (the stand-in asserts it).
 *
 * Input: a byte of flags, then calls: what (1), on which descriptor (1), a word and up to six numbers for its
 * structure.
 */
#include <linux/vfio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/compat_stand_in.h"
#include "compat/iommufd.h"
#include "compat/kgroup.h"
#include "proto/iommufd.h"

#define FILES 12
#define CALLS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at;
	size_t left;
};

static unsigned byte(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->at++;
}

/* Addresses and sizes that are worth something, mostly. */
static uint64_t number(struct input *in)
{
	static const uint64_t known[] = { 0, 1, 4096, 8192, 0x10000, 0x7ffff000, 0x80000000,
		0xfee00000, UINT64_C(1) << 48, UINT64_C(1) << 59, INT64_MAX, UINT64_MAX,
		UINT64_MAX - 4095 };
	unsigned b = byte(in);

	if (b < 128)
		return (uint64_t)(b & 63) << (b & 64 ? 12 : 0);
	if (b < 192)
		return known[b % (sizeof(known) / sizeof(*known))];
	return b << 24 | byte(in) << 16 | byte(in) << 12;
}

static const unsigned commands[] = { VFIO_GET_API_VERSION, VFIO_CHECK_EXTENSION, VFIO_SET_IOMMU,
	VFIO_GROUP_GET_STATUS, VFIO_GROUP_SET_CONTAINER, VFIO_GROUP_UNSET_CONTAINER,
	VFIO_IOMMU_GET_INFO, VFIO_IOMMU_MAP_DMA, VFIO_IOMMU_UNMAP_DMA, VFIO_IOMMU_DIRTY_PAGES,
	VFIO_IOMMU_ENABLE, VFIO_IOMMU_DISABLE, VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY,
	VFIO_IOMMU_SPAPR_TCE_CREATE, VFIO_IOMMU_SPAPR_TCE_REMOVE, MEDIO_IOMMU_DESTROY,
	MEDIO_IOMMU_IOAS_ALLOC, MEDIO_IOMMU_IOAS_ALLOW_IOVAS, MEDIO_IOMMU_IOAS_COPY,
	MEDIO_IOMMU_IOAS_IOVA_RANGES, MEDIO_IOMMU_IOAS_MAP, MEDIO_IOMMU_IOAS_UNMAP,
	MEDIO_IOMMU_OPTION, MEDIO_IOMMU_VFIO_IOAS, MEDIO_IOMMU_HWPT_ALLOC, MEDIO_IOMMU_GET_HW_INFO,
	MEDIO_IOMMU_HWPT_SET_DIRTY_TRACKING, MEDIO_IOMMU_HWPT_GET_DIRTY_BITMAP,
	MEDIO_IOMMU_IOAS_MAP_FILE, MEDIO_VFIO_ATTACH_PT, MEDIO_VFIO_DETACH_PT };

struct bed {
	struct stand_in s;
	struct stand_in_dev *devs[3];
	struct medio_kgroup *groups[3];
	int fds[FILES];
	uint64_t structure[16]; /* what a call points to */
	uint64_t bitmap[64];
	char memory[16384];
};

static void keep(struct bed *bed, unsigned at, int fd)
{
	if (fd < 0)
		return;
	if (bed->fds[at] >= 0)
		stand_in_close(&bed->s, bed->fds[at]);
	bed->fds[at] = fd;
}

static void open_one(struct bed *bed, struct input *in, unsigned at)
{
	unsigned what = byte(in) % 6;

	if (what < 3)
		keep(bed, at, stand_in_open(&bed->s, medio_kgroup_open, bed->groups[what]));
	else if (what == 3)
		keep(bed, at, stand_in_open(&bed->s, medio_kcontainer_open, bed->s.compat));
	else if (what == 4)
		keep(bed, at, stand_in_open(&bed->s, medio_iommufd_open, bed->s.compat));
	else
		keep(bed, at, open("/dev/null", O_RDWR | O_CLOEXEC));
}

/* Numbers by fours and eights, then pointers where some structures have them. */
static void fill(struct bed *bed, struct input *in)
{
	static const uint32_t sizes[] = { 8, 12, 16, 24, 32, 40, 48, 56 };
	uint32_t *words = (uint32_t *)(void *)bed->structure;
	unsigned how = byte(in);

	memset(bed->structure, 0, sizeof(bed->structure));
	words[0] = sizes[how % 8];
	words[1] = byte(in) & 31;
	words[2] = (uint32_t)byte(in) & 15;
	words[3] = (uint32_t)byte(in) & 3;
	for (unsigned i = 1 + (how >> 3 & 1); i < 7; i++)
		bed->structure[i] = number(in);
	if (how & 0x20)
		bed->structure[1] = ((uintptr_t)bed->memory + 4095) & ~UINT64_C(4095);
	if (how & 0x40)
		bed->structure[2] = ((uintptr_t)bed->memory + 4095) & ~UINT64_C(4095);
	if (how & 0x80)
		bed->structure[2 + (how >> 4 & 1) * 3] = (uintptr_t)bed->bitmap;
	/* Descriptors among the words. */
	if (how & 0x10)
		words[2] = (uint32_t)bed->fds[words[2] % FILES];
}

static void ioctl_one(struct bed *bed, struct input *in, unsigned at)
{
	unsigned command = commands[byte(in) % (sizeof(commands) / sizeof(*commands))];

	if (bed->fds[at] < 0)
		return;
	if (command == VFIO_SET_IOMMU || command == VFIO_CHECK_EXTENSION) {
		program_ioctl(&bed->s.p, bed->fds[at], command, (void *)(uintptr_t)(byte(in) % 12));
		return;
	}
	if (command == VFIO_GROUP_SET_CONTAINER) {
		program_ioctl(&bed->s.p, bed->fds[at], command, &bed->fds[byte(in) % FILES]);
		return;
	}
	fill(bed, in);
	program_ioctl(&bed->s.p, bed->fds[at], command, bed->structure);
}

static void device_one(struct bed *bed, struct input *in, unsigned at)
{
	struct stand_in_dev *dev = bed->devs[byte(in) % 3];

	if (bed->fds[at] >= 0)
		keep(bed, byte(in) % FILES,
			(int)program_ioctl(
				&bed->s.p, bed->fds[at], VFIO_GROUP_GET_DEVICE_FD, dev->kdev.name));
}

static void bind_one(struct bed *bed, struct input *in, unsigned at)
{
	struct stand_in_dev *dev = bed->devs[byte(in) % 3];
	struct medio_vfio_bind_iommufd bind = { .argsz = 16,
		.iommufd = bed->fds[byte(in) % FILES] };
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	if (program_ioctl_file(
		    &bed->s.p, &dev->kdev.cdev, fd, MEDIO_VFIO_BIND_IOMMUFD, (uintptr_t)&bind))
		close(fd);
	else
		keep(bed, at, fd);
}

/* Devices and memory do not always do what they are asked. */
static void spoil(struct bed *bed, struct input *in)
{
	struct stand_in_dev *dev = bed->devs[byte(in) % 3];
	unsigned how = byte(in);

	dev->map_error = how & 1 ? -ENOSPC : 0;
	dev->map_after = how >> 4;
	dev->open_error = how & 2 ? -EMFILE : 0;
	dev->log_error = how & 4 ? -ENOTTY : 0;
	bed->s.p.limit = how & 8 ? 1 : 0;
	stand_in_span_error = how == 0xff ? -ENOMEM : 0;
}

static void one(struct bed *bed, struct input *in)
{
	unsigned what = byte(in), at = byte(in) % FILES;

	switch (what % 16) {
	case 0:
	case 1:
		open_one(bed, in, at);
		break;
	case 2:
		if (bed->fds[at] >= 0)
			stand_in_close(&bed->s, bed->fds[at]);
		bed->fds[at] = -1;
		break;
	case 3:
		device_one(bed, in, at);
		break;
	case 4:
		bind_one(bed, in, at);
		break;
	case 5:
		spoil(bed, in);
		break;
	default:
		ioctl_one(bed, in, at);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[3] = { "0000:00:01.0", "0000:00:02.0", "mediated" };
	struct input in = { data, size };
	static struct bed bed;
	unsigned flags = byte(&in);

	memset(&bed, 0, sizeof(bed));
	stand_in_init(&bed.s);
	bed.s.compat->spapr = flags & 1;
	for (unsigned i = 0; i < 3; i++) {
		bed.devs[i] = stand_in_dev(
			bed.s.compat, names[i], i == 2 ? MEDIO_KDEV_MDEV : MEDIO_KDEV_PCI);
		if (medio_kgroup_new(
			    bed.s.compat, &bed.devs[i]->kdev, i == 1 && flags & 2, &bed.groups[i]))
			abort();
		medio_iommufd_cdev(&bed.devs[i]->kdev);
	}
	/* The program reaches its structures, and a little memory; what stands before them is not its own. */
	bed.s.p.num_areas = 1;
	bed.s.p.areas[0] = (struct program_area){ (char *)&bed.fds,
		sizeof(bed) - offsetof(struct bed, fds) };
	memset(bed.fds, -1, sizeof(bed.fds));
	for (unsigned i = 0; i < CALLS && in.left; i++)
		one(&bed, &in);
	for (unsigned i = 0; i < FILES; i++)
		if (bed.fds[i] >= 0 && flags & 4)
			stand_in_close(&bed.s, bed.fds[i]);
		else if (bed.fds[i] >= 0)
			close(bed.fds[i]);
	stand_in_fini(&bed.s);
	if (stand_in_spans)
		abort();
	return 0;
}
