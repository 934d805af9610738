/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups and containers as a program finds them: what each call gives in each order, and what closing does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <sys/mman.h>

#include "compat/kgroup.h"
#include "compat_stand_in.h"

#define UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
#define BDF  "0000:00:1e.0"

struct bed {
	struct stand_in s;
	struct stand_in_dev *mdev, *pci;
	struct medio_kgroup *mdev_group, *pci_group;
};

static int setup(void **state)
{
	static struct bed bed;

	stand_in_init(&bed.s);
	bed.mdev = stand_in_dev(bed.s.compat, UUID, MEDIO_KDEV_MDEV);
	bed.pci = stand_in_dev(bed.s.compat, BDF, MEDIO_KDEV_PCI);
	assert_int_equal(
		medio_kgroup_new(bed.s.compat, &bed.mdev->kdev, false, &bed.mdev_group), 0);
	assert_int_equal(medio_kgroup_new(bed.s.compat, &bed.pci->kdev, false, &bed.pci_group), 0);
	*state = &bed;
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	stand_in_fini(&bed->s);
	assert_int_equal(stand_in_spans, 0);
	return 0;
}

static int open_container(struct bed *bed)
{
	return stand_in_open(&bed->s, medio_kcontainer_open, bed->s.compat);
}

static int open_group(struct bed *bed, struct medio_kgroup *group)
{
	return stand_in_open(&bed->s, medio_kgroup_open, group);
}

static int64_t call(struct bed *bed, int fd, unsigned cmd, void *arg)
{
	return program_ioctl(&bed->s.p, fd, cmd, arg);
}

static int64_t call_number(struct bed *bed, int fd, unsigned cmd, uintptr_t arg)
{
	return program_ioctl(&bed->s.p, fd, cmd, (void *)arg);
}

static uint32_t status(struct bed *bed, int group)
{
	struct vfio_group_status st = { .argsz = sizeof(st), .flags = 0xffffffff };

	assert_int_equal(call(bed, group, VFIO_GROUP_GET_STATUS, &st), 0);
	return st.flags;
}

static void await_closes(struct bed *bed, const struct stand_in_dev *dev, unsigned closes)
{
	for (unsigned i = 0; i < 600 && dev->closes < closes; i++)
		medio_loop_run_once(bed->s.loop, 100);
	assert_int_equal(dev->closes, closes);
}

/* ---- Groups ----------------------------------------------------------------------------------- */

static void a_group_is_open_once(void **state)
{
	struct bed *bed = *state;
	int fd = open_group(bed, bed->mdev_group);

	assert_true(fd >= 0);
	assert_int_equal(open_group(bed, bed->mdev_group), -EBUSY);
	stand_in_close(&bed->s, fd);
	fd = open_group(bed, bed->mdev_group);
	assert_true(fd >= 0);
	stand_in_close(&bed->s, fd);
}

static void numbers_of_groups_differ(void **state)
{
	struct bed *bed = *state;

	assert_int_not_equal(bed->mdev_group->number, bed->pci_group->number);
	assert_ptr_equal(bed->mdev->kdev.group, bed->mdev_group);
}

static void status_tells_of_a_container(void **state)
{
	struct bed *bed = *state;
	int group = open_group(bed, bed->mdev_group), container = open_container(bed);
	struct vfio_group_status st = { .argsz = 7 };

	assert_int_equal(status(bed, group), VFIO_GROUP_FLAGS_VIABLE);
	assert_int_equal(call(bed, group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	assert_int_equal(
		status(bed, group), VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET);
	assert_int_equal(call(bed, group, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	assert_int_equal(status(bed, group), VFIO_GROUP_FLAGS_VIABLE);
	assert_int_equal(call(bed, group, VFIO_GROUP_GET_STATUS, &st), -EINVAL);
	assert_int_equal(call(bed, group, VFIO_GROUP_GET_STATUS, NULL), -EFAULT);
	stand_in_close(&bed->s, group);
	stand_in_close(&bed->s, container);
}

static void set_container_refuses_what_is_none(void **state)
{
	struct bed *bed = *state;
	int group = open_group(bed, bed->mdev_group), container = open_container(bed);
	int other = memfd_create("other", MFD_CLOEXEC), none = -1, wild = 999;

	assert_int_equal(call(bed, group, VFIO_GROUP_SET_CONTAINER, NULL), -EFAULT);
	assert_int_equal(call(bed, group, VFIO_GROUP_SET_CONTAINER, &none), -EBADF);
	assert_int_equal(call(bed, group, VFIO_GROUP_SET_CONTAINER, &wild), -EBADF);
	assert_int_equal(call(bed, group, VFIO_GROUP_SET_CONTAINER, &other), -EBADFD);
	assert_int_equal(call(bed, group, VFIO_GROUP_SET_CONTAINER, &group), -EBADFD);
	assert_int_equal(call(bed, group, VFIO_GROUP_UNSET_CONTAINER, NULL), -EINVAL);
	assert_int_equal(call(bed, group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	assert_int_equal(call(bed, group, VFIO_GROUP_SET_CONTAINER, &container), -EINVAL);
	/* As the kernel, which looks at the descriptor first. */
	assert_int_equal(call(bed, group, VFIO_GROUP_SET_CONTAINER, &wild), -EBADF);
	assert_int_equal(call(bed, group, VFIO_GROUP_SET_CONTAINER, &other), -EINVAL);
	assert_int_equal(call(bed, group, _IO(VFIO_TYPE, VFIO_BASE + 99), NULL), -ENOTTY);
	close(other);
	stand_in_close(&bed->s, group);
	stand_in_close(&bed->s, container);
}

/* ---- Containers ------------------------------------------------------------------------------- */

static void extensions_are_those_of_type1(void **state)
{
	struct bed *bed = *state;
	int group = open_group(bed, bed->mdev_group), container = open_container(bed);
	static const uint64_t yes[] = { VFIO_TYPE1_IOMMU, VFIO_TYPE1v2_IOMMU, VFIO_UNMAP_ALL };
	static const uint64_t no[] = { 0, VFIO_SPAPR_TCE_IOMMU, VFIO_SPAPR_TCE_v2_IOMMU, VFIO_EEH,
		VFIO_TYPE1_NESTING_IOMMU, VFIO_NOIOMMU_IOMMU, VFIO_UPDATE_VADDR, VFIO_DMA_CC_IOMMU,
		99, UINT64_MAX };

	assert_int_equal(call(bed, container, VFIO_GET_API_VERSION, NULL), VFIO_API_VERSION);
	for (unsigned i = 0; i < sizeof(yes) / sizeof(*yes); i++)
		assert_int_equal(call_number(bed, container, VFIO_CHECK_EXTENSION, yes[i]), 1);
	for (unsigned i = 0; i < sizeof(no) / sizeof(*no); i++)
		assert_int_equal(call_number(bed, container, VFIO_CHECK_EXTENSION, no[i]), 0);
	assert_int_equal(call(bed, group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	assert_int_equal(call_number(bed, container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
	assert_int_equal(call_number(bed, container, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU), 1);
	/* Not with a mediated device. */
	assert_int_equal(call_number(bed, container, VFIO_CHECK_EXTENSION, VFIO_UPDATE_VADDR), 0);
	stand_in_close(&bed->s, group);
	group = open_group(bed, bed->pci_group);
	assert_int_equal(call(bed, group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	assert_int_equal(call_number(bed, container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), 0);
	assert_int_equal(call_number(bed, container, VFIO_CHECK_EXTENSION, VFIO_UPDATE_VADDR), 1);
	stand_in_close(&bed->s, container);
	stand_in_close(&bed->s, group);
}

static void set_iommu_wants_a_group_and_a_type(void **state)
{
	struct bed *bed = *state;
	int group = open_group(bed, bed->mdev_group), container = open_container(bed);

	assert_int_equal(call_number(bed, container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), -EINVAL);
	assert_int_equal(call(bed, container, VFIO_IOMMU_GET_INFO, NULL), -EINVAL);
	assert_int_equal(call(bed, group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	assert_int_equal(call_number(bed, container, VFIO_SET_IOMMU, 0), -ENODEV);
	assert_int_equal(
		call_number(bed, container, VFIO_SET_IOMMU, VFIO_TYPE1_NESTING_IOMMU), -ENODEV);
	assert_int_equal(call_number(bed, container, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU), -ENODEV);
	/* An extension that is known, but no type. */
	assert_int_equal(call_number(bed, container, VFIO_SET_IOMMU, VFIO_UNMAP_ALL), -EINVAL);
	assert_int_equal(call_number(bed, container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), 0);
	assert_int_equal(call_number(bed, container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), -EINVAL);
	assert_int_equal(call(bed, container, _IO(VFIO_TYPE, VFIO_BASE + 99), NULL), -ENOTTY);
	/* Its last group gone, it is as new. */
	assert_int_equal(call(bed, group, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	assert_int_equal(call_number(bed, container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), -EINVAL);
	stand_in_close(&bed->s, group);
	stand_in_close(&bed->s, container);
}

static void groups_without_an_iommu_are_apart(void **state)
{
	struct bed *bed = *state;
	int container = open_container(bed);
	struct stand_in_dev *bare = stand_in_dev(bed->s.compat, "0000:00:1f.0", MEDIO_KDEV_PCI);
	struct medio_kgroup *bare_group;

	assert_int_equal(call_number(bed, container, VFIO_CHECK_EXTENSION, VFIO_NOIOMMU_IOMMU), 0);
	assert_int_equal(medio_kgroup_new(bed->s.compat, &bare->kdev, true, &bare_group), 0);
	assert_true(bare->kdev.noiommu);
	int group = open_group(bed, bare_group), real = open_group(bed, bed->pci_group);
	assert_int_equal(call_number(bed, container, VFIO_CHECK_EXTENSION, VFIO_NOIOMMU_IOMMU), 1);
	assert_int_equal(call(bed, group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	assert_int_equal(call(bed, real, VFIO_GROUP_SET_CONTAINER, &container), -EPERM);
	assert_int_equal(call_number(bed, container, VFIO_CHECK_EXTENSION, VFIO_TYPE1_IOMMU), 0);
	assert_int_equal(call_number(bed, container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), -ENODEV);
	assert_int_equal(call_number(bed, container, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU), 0);
	assert_int_equal(call(bed, container, VFIO_IOMMU_GET_INFO, NULL), -ENOTTY);
	int fd = (int)call(bed, group, VFIO_GROUP_GET_DEVICE_FD, bare->kdev.name);
	assert_true(fd >= 0);
	stand_in_close(&bed->s, fd);
	await_closes(bed, bare, 1);
	stand_in_close(&bed->s, group);
	stand_in_close(&bed->s, real);
	stand_in_close(&bed->s, container);
}

/* ---- Devices ---------------------------------------------------------------------------------- */

static void a_device_comes_after_set_iommu(void **state)
{
	struct bed *bed = *state;
	int group = open_group(bed, bed->mdev_group), container = open_container(bed);
	_Alignas(64) char upper[128] = "83B8F4F2-509F-382F-3C1E-E6BFE0FA1001";
	_Alignas(64) char other[128] = BDF;
	_Alignas(64) char mine[128] = UUID;
	static char endless[8192];

	memset(endless, 'x', sizeof(endless) - 1);
	assert_int_equal(call(bed, group, VFIO_GROUP_GET_DEVICE_FD, mine), -EINVAL);
	assert_int_equal(call(bed, group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	assert_int_equal(call(bed, group, VFIO_GROUP_GET_DEVICE_FD, mine), -EINVAL);
	assert_int_equal(call_number(bed, container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
	/* In another group. */
	assert_int_equal(call(bed, group, VFIO_GROUP_GET_DEVICE_FD, other), -ENODEV);
	assert_int_equal(call(bed, group, VFIO_GROUP_GET_DEVICE_FD, upper), -ENODEV);
	assert_int_equal(call(bed, group, VFIO_GROUP_GET_DEVICE_FD, NULL), -EFAULT);
	assert_int_equal(call(bed, group, VFIO_GROUP_GET_DEVICE_FD, endless), -EINVAL);
	int fd = (int)call(bed, group, VFIO_GROUP_GET_DEVICE_FD, mine);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(call(bed, group, VFIO_GROUP_UNSET_CONTAINER, NULL), -EBUSY);
	int again = (int)call(bed, group, VFIO_GROUP_GET_DEVICE_FD, mine);
	assert_true(again >= 0);
	stand_in_close(&bed->s, fd);
	assert_int_equal(call(bed, group, VFIO_GROUP_UNSET_CONTAINER, NULL), -EBUSY);
	stand_in_close(&bed->s, again);
	await_closes(bed, bed->mdev, 1);
	assert_int_equal(call(bed, group, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	stand_in_close(&bed->s, group);
	stand_in_close(&bed->s, container);
}

static void a_pci_name_takes_no_token(void **state)
{
	struct bed *bed = *state;
	int group = open_group(bed, bed->pci_group), container = open_container(bed);
	_Alignas(64) char token[128] = BDF " vf_token=" UUID;
	_Alignas(64) char more[128] = BDF "x";
	_Alignas(64) char blank[128] = BDF "  ";
	_Alignas(64) char less[128] = "0000:";

	assert_int_equal(call(bed, group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	assert_int_equal(call_number(bed, container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), 0);
	assert_int_equal(call(bed, group, VFIO_GROUP_GET_DEVICE_FD, token), -EINVAL);
	assert_int_equal(call(bed, group, VFIO_GROUP_GET_DEVICE_FD, more), -ENODEV);
	assert_int_equal(call(bed, group, VFIO_GROUP_GET_DEVICE_FD, less), -ENODEV);
	int fd = (int)call(bed, group, VFIO_GROUP_GET_DEVICE_FD, blank);
	assert_true(fd >= 0);
	stand_in_close(&bed->s, fd);
	stand_in_close(&bed->s, group);
	stand_in_close(&bed->s, container);
}

static void a_name_is_read_up_to_its_end_only(void **state)
{
	struct bed *bed = *state;
	int group = open_group(bed, bed->mdev_group), container = open_container(bed);
	_Alignas(64) char mine[128] = UUID;

	assert_int_equal(call(bed, group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	assert_int_equal(call_number(bed, container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), 0);
	bed->s.p.num_areas = 1;
	bed->s.p.areas[0] = (struct program_area){ mine, sizeof(UUID) };
	int fd = (int)call(bed, group, VFIO_GROUP_GET_DEVICE_FD, mine);
	assert_true(fd >= 0);
	stand_in_close(&bed->s, fd);
	bed->s.p.areas[0].size--;
	assert_int_equal(call(bed, group, VFIO_GROUP_GET_DEVICE_FD, mine), -EFAULT);
	bed->s.p.num_areas = 0;
	stand_in_close(&bed->s, group);
	stand_in_close(&bed->s, container);
}

static void no_descriptor_left_closes_the_device_again(void **state)
{
	struct bed *bed = *state;
	int group = open_group(bed, bed->mdev_group), container = open_container(bed);
	_Alignas(64) char mine[128] = UUID;

	assert_int_equal(call(bed, group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	assert_int_equal(call_number(bed, container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), 0);
	bed->s.p.limit = 1;
	assert_int_equal(call(bed, group, VFIO_GROUP_GET_DEVICE_FD, mine), -EMFILE);
	bed->s.p.limit = 0;
	await_closes(bed, bed->mdev, 1);
	bed->mdev->open_error = -EMFILE;
	assert_int_equal(call(bed, group, VFIO_GROUP_GET_DEVICE_FD, mine), -EMFILE);
	bed->mdev->open_error = 0;
	assert_int_equal(call(bed, group, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	stand_in_close(&bed->s, group);
	stand_in_close(&bed->s, container);
}

static void a_device_keeps_its_group_and_container(void **state)
{
	struct bed *bed = *state;
	int group = open_group(bed, bed->mdev_group), container = open_container(bed);
	static _Alignas(4096) char memory[4096];
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ,
		.vaddr = (uintptr_t)memory,
		.iova = 0x10000,
		.size = 4096 };
	_Alignas(64) char mine[128] = UUID;

	assert_int_equal(call(bed, group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	assert_int_equal(call_number(bed, container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), 0);
	int fd = (int)call(bed, group, VFIO_GROUP_GET_DEVICE_FD, mine);
	assert_int_equal(call(bed, container, VFIO_IOMMU_MAP_DMA, &map), 0);
	stand_in_close(&bed->s, group);
	stand_in_close(&bed->s, container);
	assert_int_equal(open_group(bed, bed->mdev_group), -EBUSY);
	assert_non_null(stand_in_find(bed->mdev, 0x10000));
	assert_int_equal(stand_in_spans, 1);
	stand_in_close(&bed->s, fd);
	await_closes(bed, bed->mdev, 1);
	assert_int_equal(stand_in_spans, 0);
	group = open_group(bed, bed->mdev_group);
	assert_true(group >= 0);
	assert_int_equal(status(bed, group), VFIO_GROUP_FLAGS_VIABLE);
	stand_in_close(&bed->s, group);
}

static void what_was_closed_just_now_is_in_nobodys_way(void **state)
{
	struct bed *bed = *state;
	int group = open_group(bed, bed->mdev_group), container = open_container(bed);
	_Alignas(64) char mine[128] = UUID;

	assert_int_equal(call(bed, group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	assert_int_equal(call_number(bed, container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), 0);
	int fd = (int)call(bed, group, VFIO_GROUP_GET_DEVICE_FD, mine);
	/* Nobody has told yet, as the loop has not run. */
	close(fd);
	fd = (int)call(bed, group, VFIO_GROUP_GET_DEVICE_FD, mine);
	assert_true(fd >= 0);
	assert_int_equal(bed->mdev->closes, 1);
	close(fd);
	assert_int_equal(call(bed, group, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	assert_int_equal(bed->mdev->closes, 2);
	stand_in_close(&bed->s, group);
	stand_in_close(&bed->s, container);
}

static void the_last_group_takes_the_mappings_along(void **state)
{
	struct bed *bed = *state;
	int one = open_group(bed, bed->mdev_group), two = open_group(bed, bed->pci_group);
	int container = open_container(bed);
	static _Alignas(4096) char memory[4096];
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ,
		.vaddr = (uintptr_t)memory,
		.size = 4096 };

	assert_int_equal(call(bed, one, VFIO_GROUP_SET_CONTAINER, &container), 0);
	assert_int_equal(call_number(bed, container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), 0);
	assert_int_equal(call(bed, two, VFIO_GROUP_SET_CONTAINER, &container), 0);
	assert_int_equal(call(bed, container, VFIO_IOMMU_MAP_DMA, &map), 0);
	assert_int_equal(call(bed, one, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	assert_int_equal(stand_in_spans, 1);
	assert_int_equal(call(bed, container, VFIO_IOMMU_MAP_DMA, &map), -EEXIST);
	assert_int_equal(call(bed, two, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	assert_int_equal(stand_in_spans, 0);
	assert_int_equal(call(bed, container, VFIO_IOMMU_MAP_DMA, &map), -EINVAL);
	stand_in_close(&bed->s, one);
	stand_in_close(&bed->s, two);
	stand_in_close(&bed->s, container);
}

static void a_late_device_sees_what_is_mapped(void **state)
{
	struct bed *bed = *state;
	int one = open_group(bed, bed->mdev_group), two = open_group(bed, bed->pci_group);
	int container = open_container(bed);
	static _Alignas(4096) char memory[8192];
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)memory,
		.iova = 0x1000,
		.size = 4096 };
	_Alignas(64) char first[128] = UUID;
	_Alignas(64) char second[128] = BDF;

	assert_int_equal(call(bed, one, VFIO_GROUP_SET_CONTAINER, &container), 0);
	assert_int_equal(call_number(bed, container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
	int fd = (int)call(bed, one, VFIO_GROUP_GET_DEVICE_FD, first);
	assert_int_equal(call(bed, container, VFIO_IOMMU_MAP_DMA, &map), 0);
	map.iova = 0x9000;
	map.vaddr += 4096;
	map.flags = VFIO_DMA_MAP_FLAG_WRITE;
	assert_int_equal(call(bed, container, VFIO_IOMMU_MAP_DMA, &map), 0);
	assert_int_equal(bed->mdev->num_maps, 2);
	assert_int_equal(call(bed, two, VFIO_GROUP_SET_CONTAINER, &container), 0);
	/* It does not take the second. */
	bed->pci->map_error = -ENOSPC;
	bed->pci->map_after = 1;
	assert_int_equal(call(bed, two, VFIO_GROUP_GET_DEVICE_FD, second), -ENOSPC);
	assert_int_equal(bed->pci->num_maps, 0);
	await_closes(bed, bed->pci, 1);
	int late = (int)call(bed, two, VFIO_GROUP_GET_DEVICE_FD, second);
	assert_true(late >= 0);
	assert_int_equal(bed->pci->num_maps, 2);
	const struct stand_in_map *seen = stand_in_find(bed->pci, 0x9000);
	assert_non_null(seen);
	assert_int_equal(seen->vaddr, (uintptr_t)memory + 4096);
	assert_int_equal(seen->prot, MEDIO_SPAN_WRITE);
	stand_in_close(&bed->s, late);
	stand_in_close(&bed->s, fd);
	stand_in_close(&bed->s, one);
	stand_in_close(&bed->s, two);
	stand_in_close(&bed->s, container);
}

static void a_group_with_an_iommu_has_earlier_mappings_pinned(void **state)
{
	struct bed *bed = *state;
	int one = open_group(bed, bed->mdev_group), two = open_group(bed, bed->pci_group);
	int container = open_container(bed);
	static _Alignas(4096) char memory[4096];
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ,
		.vaddr = 0x1000,
		.iova = 0,
		.size = 4096 };
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap),
		.flags = VFIO_DMA_UNMAP_FLAG_ALL };

	bed->s.p.num_areas = 3;
	bed->s.p.areas[0] = (struct program_area){ (char *)&map, sizeof(map) };
	bed->s.p.areas[1] = (struct program_area){ (char *)&unmap, sizeof(unmap) };
	bed->s.p.areas[2] = (struct program_area){ memory, sizeof(memory) };
	bed->s.p.num_areas = 4;
	bed->s.p.areas[3] = (struct program_area){ (char *)&container, sizeof(container) };
	assert_int_equal(call(bed, one, VFIO_GROUP_SET_CONTAINER, &container), 0);
	assert_int_equal(call_number(bed, container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
	/* No memory there: a mediated device would notice when it needs it. */
	assert_int_equal(call(bed, container, VFIO_IOMMU_MAP_DMA, &map), 0);
	assert_int_equal(call(bed, two, VFIO_GROUP_SET_CONTAINER, &container), -EFAULT);
	assert_int_equal(call(bed, container, VFIO_IOMMU_UNMAP_DMA, &unmap), 0);
	/* Where interrupts are. */
	map.vaddr = (uintptr_t)memory;
	map.iova = 0xfee00000;
	assert_int_equal(call(bed, container, VFIO_IOMMU_MAP_DMA, &map), 0);
	assert_int_equal(call(bed, two, VFIO_GROUP_SET_CONTAINER, &container), -EINVAL);
	unmap.size = 0;
	assert_int_equal(call(bed, container, VFIO_IOMMU_UNMAP_DMA, &unmap), 0);
	assert_int_equal(call(bed, two, VFIO_GROUP_SET_CONTAINER, &container), 0);
	bed->s.p.num_areas = 0;
	stand_in_close(&bed->s, one);
	stand_in_close(&bed->s, two);
	stand_in_close(&bed->s, container);
}

static void everything_ends_with_the_program(void **state)
{
	struct bed *bed = *state;
	int group = open_group(bed, bed->mdev_group), container = open_container(bed);
	static _Alignas(4096) char memory[4096];
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ,
		.vaddr = (uintptr_t)memory,
		.size = 4096 };
	_Alignas(64) char mine[128] = UUID;

	assert_int_equal(call(bed, group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	assert_int_equal(call_number(bed, container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
	int fd = (int)call(bed, group, VFIO_GROUP_GET_DEVICE_FD, mine);
	assert_int_equal(call(bed, container, VFIO_IOMMU_MAP_DMA, &map), 0);
	assert_int_equal(stand_in_spans, 1);
	close(fd);
	close(group);
	close(container);
	/* The teardown frees all without that anybody was told; it says if something is left. */
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_group_is_open_once),
		T(numbers_of_groups_differ),
		T(status_tells_of_a_container),
		T(set_container_refuses_what_is_none),
		T(extensions_are_those_of_type1),
		T(set_iommu_wants_a_group_and_a_type),
		T(groups_without_an_iommu_are_apart),
		T(a_device_comes_after_set_iommu),
		T(a_pci_name_takes_no_token),
		T(a_name_is_read_up_to_its_end_only),
		T(no_descriptor_left_closes_the_device_again),
		T(a_device_keeps_its_group_and_container),
		T(what_was_closed_just_now_is_in_nobodys_way),
		T(the_last_group_takes_the_mappings_along),
		T(a_late_device_sees_what_is_mapped),
		T(a_group_with_an_iommu_has_earlier_mappings_pinned),
		T(everything_ends_with_the_program),
	};
	return cmocka_run_group_tests_name("compat_kgroup", tests, NULL, NULL);
}
