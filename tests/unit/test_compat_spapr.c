/* SPDX-License-Identifier: BSD-3-Clause */
/* Containers of a POWER machine: windows, registered memory, and mappings that take the place of others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/vfio.h>

#include "compat/kgroup.h"
#include "compat_stand_in.h"

#define PAGE 4096u
#define RW   (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)

struct bed {
	struct stand_in s;
	struct stand_in_dev *dev;
	int group, container, fd;
};

/* Aligned to 64 KiB, which not everybody who loads programs does. */
#define MEMORY (64 * PAGE)
static char room[MEMORY + 0x10000];
static char *memory;

static int64_t call(struct bed *bed, unsigned cmd, void *arg)
{
	return program_ioctl(&bed->s.p, bed->container, cmd, arg);
}

static int64_t number(struct bed *bed, unsigned cmd, uintptr_t arg)
{
	return call(bed, cmd, (void *)arg);
}

static int make(void **state, uintptr_t type)
{
	static struct bed bed;
	struct medio_kgroup *group;

	memory = (char *)(((uintptr_t)room + 0xffff) & ~UINT64_C(0xffff));
	stand_in_init(&bed.s);
	bed.s.compat->spapr = true;
	bed.dev = stand_in_dev(bed.s.compat, "0000:00:1e.0", MEDIO_KDEV_PCI);
	assert_int_equal(medio_kgroup_new(bed.s.compat, &bed.dev->kdev, false, &group), 0);
	bed.group = stand_in_open(&bed.s, medio_kgroup_open, group);
	bed.container = stand_in_open(&bed.s, medio_kcontainer_open, bed.s.compat);
	assert_int_equal(
		program_ioctl(&bed.s.p, bed.group, VFIO_GROUP_SET_CONTAINER, &bed.container), 0);
	assert_int_equal(number(&bed, VFIO_SET_IOMMU, type), 0);
	bed.fd = (int)program_ioctl(
		&bed.s.p, bed.group, VFIO_GROUP_GET_DEVICE_FD, bed.dev->kdev.name);
	assert_true(bed.fd >= 0);
	*state = &bed;
	return 0;
}

static int setup_v1(void **state)
{
	return make(state, VFIO_SPAPR_TCE_IOMMU);
}

static int setup_v2(void **state)
{
	return make(state, VFIO_SPAPR_TCE_v2_IOMMU);
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	stand_in_close(&bed->s, bed->fd);
	stand_in_close(&bed->s, bed->group);
	stand_in_close(&bed->s, bed->container);
	stand_in_fini(&bed->s);
	assert_int_equal(stand_in_spans, 0);
	return 0;
}

static int64_t map(struct bed *bed, uint64_t iova, unsigned page, uint64_t size, uint32_t flags)
{
	struct vfio_iommu_type1_dma_map m = { .argsz = sizeof(m),
		.flags = flags,
		.vaddr = (uintptr_t)memory + (uint64_t)page * PAGE,
		.iova = iova,
		.size = size };

	return call(bed, VFIO_IOMMU_MAP_DMA, &m);
}

static int64_t unmap(struct bed *bed, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap u = { .argsz = sizeof(u), .iova = iova, .size = size };

	return call(bed, VFIO_IOMMU_UNMAP_DMA, &u);
}

static int64_t memory_call(struct bed *bed, unsigned cmd, unsigned page, uint64_t size)
{
	struct vfio_iommu_spapr_register_memory r = {
		.argsz = sizeof(r), .vaddr = (uintptr_t)memory + (uint64_t)page * PAGE, .size = size
	};

	return call(bed, cmd, &r);
}

static int64_t create(struct bed *bed, uint32_t shift, uint64_t size, uint32_t levels, uint64_t *at)
{
	struct vfio_iommu_spapr_tce_create c = {
		.argsz = sizeof(c), .page_shift = shift, .window_size = size, .levels = levels
	};
	int64_t ret = call(bed, VFIO_IOMMU_SPAPR_TCE_CREATE, &c);

	if (at)
		*at = c.start_addr;
	return ret;
}

static int64_t take_away(struct bed *bed, uint64_t start)
{
	struct vfio_iommu_spapr_tce_remove r = { .argsz = sizeof(r), .start_addr = start };

	return call(bed, VFIO_IOMMU_SPAPR_TCE_REMOVE, &r);
}

static void the_machine_has_no_type1(void **state)
{
	struct bed *bed = *state;
	int other = stand_in_open(&bed->s, medio_kcontainer_open, bed->s.compat);
	struct stand_in_dev *mdev = stand_in_dev(bed->s.compat, "mdev", MEDIO_KDEV_MDEV);
	struct medio_kgroup *group;

	assert_int_equal(number(bed, VFIO_CHECK_EXTENSION, VFIO_SPAPR_TCE_IOMMU), 1);
	assert_int_equal(number(bed, VFIO_CHECK_EXTENSION, VFIO_SPAPR_TCE_v2_IOMMU), 1);
	assert_int_equal(number(bed, VFIO_CHECK_EXTENSION, VFIO_TYPE1_IOMMU), 0);
	assert_int_equal(number(bed, VFIO_CHECK_EXTENSION, VFIO_EEH), 0);
	assert_int_equal(number(bed, VFIO_EEH_PE_OP, 0), -ENODEV);
	/* Nor anything for mediated devices. */
	assert_int_equal(medio_kgroup_new(bed->s.compat, &mdev->kdev, false, &group), 0);
	int fd = stand_in_open(&bed->s, medio_kgroup_open, group);
	assert_int_equal(
		program_ioctl(&bed->s.p, fd, VFIO_GROUP_SET_CONTAINER, &bed->container), -EINVAL);
	assert_int_equal(program_ioctl(&bed->s.p, fd, VFIO_GROUP_SET_CONTAINER, &other), 0);
	assert_int_equal(program_ioctl(&bed->s.p, other, VFIO_SET_IOMMU,
				 (void *)(uintptr_t)VFIO_SPAPR_TCE_IOMMU),
		-EINVAL);
	stand_in_close(&bed->s, fd);
	stand_in_close(&bed->s, other);
}

static void info_tells_of_windows_in_the_second_form(void **state)
{
	struct bed *bed = *state;
	struct vfio_iommu_spapr_tce_info info = { .argsz = 15 };

	assert_int_equal(call(bed, VFIO_IOMMU_SPAPR_TCE_GET_INFO, NULL), -EFAULT);
	assert_int_equal(call(bed, VFIO_IOMMU_SPAPR_TCE_GET_INFO, &info), -EINVAL);
	info.argsz = 16;
	info.ddw.levels = 77;
	assert_int_equal(call(bed, VFIO_IOMMU_SPAPR_TCE_GET_INFO, &info), 0);
	assert_int_equal(info.dma32_window_start, 0);
	assert_int_equal(info.dma32_window_size, 0x80000000);
	assert_int_equal(info.flags, VFIO_IOMMU_SPAPR_INFO_DDW);
	assert_int_equal(info.ddw.levels, 77);
	info.argsz = sizeof(info);
	assert_int_equal(call(bed, VFIO_IOMMU_SPAPR_TCE_GET_INFO, &info), 0);
	assert_int_equal(info.ddw.max_dynamic_windows_supported, 2);
	assert_int_equal(info.ddw.levels, 5);
	assert_int_equal(info.ddw.pgsizes, 1 << 12 | 1 << 16 | 1 << 24);
}

static void the_first_form_is_enabled(void **state)
{
	struct bed *bed = *state;
	struct vfio_iommu_spapr_tce_info info = { .argsz = sizeof(info), .flags = 9 };

	assert_int_equal(call(bed, VFIO_IOMMU_SPAPR_TCE_GET_INFO, &info), 0);
	assert_int_equal(info.flags, 0);
	assert_int_equal(map(bed, 0, 0, PAGE, RW), -EPERM);
	assert_int_equal(unmap(bed, 0, PAGE), -EPERM);
	assert_int_equal(number(bed, VFIO_IOMMU_ENABLE, 0), 0);
	assert_int_equal(number(bed, VFIO_IOMMU_ENABLE, 0), -EBUSY);
	assert_int_equal(map(bed, 0, 0, PAGE, RW), 0);
	assert_non_null(stand_in_find(bed->dev, 0));
	assert_int_equal(create(bed, 12, PAGE, 1, NULL), -ENOTTY);
	assert_int_equal(memory_call(bed, VFIO_IOMMU_SPAPR_REGISTER_MEMORY, 0, PAGE), -ENOTTY);
	stand_in_span_error = -EFAULT;
	assert_int_equal(map(bed, 0x1000, 0, PAGE, RW), -EFAULT);
	stand_in_span_error = 0;
	assert_int_equal(number(bed, VFIO_IOMMU_DISABLE, 0), 0);
	assert_int_equal(map(bed, 0x1000, 0, PAGE, RW), -EPERM);
}

static void one_group_is_the_first_forms_limit(void **state)
{
	struct bed *bed = *state;
	struct stand_in_dev *two = stand_in_dev(bed->s.compat, "0000:00:1f.0", MEDIO_KDEV_PCI);
	struct medio_kgroup *group;

	assert_int_equal(medio_kgroup_new(bed->s.compat, &two->kdev, false, &group), 0);
	int fd = stand_in_open(&bed->s, medio_kgroup_open, group);
	assert_int_equal(
		program_ioctl(&bed->s.p, fd, VFIO_GROUP_SET_CONTAINER, &bed->container), -EBUSY);
	stand_in_close(&bed->s, fd);
}

static void memory_is_registered_first(void **state)
{
	struct bed *bed = *state;
	const unsigned add = VFIO_IOMMU_SPAPR_REGISTER_MEMORY;
	const unsigned drop = VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY;

	assert_int_equal(number(bed, VFIO_IOMMU_ENABLE, 0), -ENOTTY);
	assert_int_equal(memory_call(bed, drop, 0, PAGE), -EPERM);
	assert_int_equal(map(bed, 0, 0, PAGE, RW), -EPERM);
	assert_int_equal(memory_call(bed, add, 0, PAGE + 1), -EINVAL);
	assert_int_equal(memory_call(bed, add, 0, 8 * PAGE), 0);
	assert_int_equal(memory_call(bed, add, 0, 8 * PAGE), -EBUSY);
	assert_int_equal(memory_call(bed, add, 7, 2 * PAGE), -EINVAL);
	assert_int_equal(memory_call(bed, add, 8, 8 * PAGE), 0);
	assert_int_equal(memory_call(bed, drop, 0, PAGE), -ENOENT);
	/* Across both; not beyond. */
	assert_int_equal(map(bed, 0x10000, 4, 8 * PAGE, RW), 0);
	assert_int_equal(bed->dev->num_maps, 2);
	assert_int_equal(map(bed, 0x40000, 12, 8 * PAGE, RW), -EINVAL);
	assert_int_equal(bed->dev->num_maps, 2);
	assert_int_equal(memory_call(bed, drop, 0, 8 * PAGE), -EBUSY);
	assert_int_equal(unmap(bed, 0x10000, 8 * PAGE), 0);
	assert_int_equal(memory_call(bed, drop, 0, 8 * PAGE), 0);
	assert_int_equal(memory_call(bed, drop, 0, 8 * PAGE), -ENOENT);
}

static void a_mapping_takes_the_place_of_another(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(memory_call(bed, VFIO_IOMMU_SPAPR_REGISTER_MEMORY, 0, MEMORY), 0);
	assert_int_equal(map(bed, 0x10000, 0, 8 * PAGE, RW), 0);
	assert_int_equal(map(bed, 0x12000, 32, 2 * PAGE, VFIO_DMA_MAP_FLAG_READ), 0);
	assert_int_equal(bed->dev->num_maps, 3);
	assert_int_equal(stand_in_find(bed->dev, 0x11000)->vaddr, (uintptr_t)memory);
	assert_int_equal(stand_in_find(bed->dev, 0x12000)->vaddr, (uintptr_t)memory + 32 * PAGE);
	assert_int_equal(stand_in_find(bed->dev, 0x14000)->vaddr, (uintptr_t)memory + 4 * PAGE);
	assert_int_equal(unmap(bed, 0x11000, 4 * PAGE), 0);
	assert_null(stand_in_find(bed->dev, 0x11000));
	assert_null(stand_in_find(bed->dev, 0x14000));
	assert_non_null(stand_in_find(bed->dev, 0x10000));
	assert_non_null(stand_in_find(bed->dev, 0x17000));
	/* Holes are fine. */
	assert_int_equal(unmap(bed, 0, 0x80000000), 0);
	assert_int_equal(bed->dev->num_maps, 0);
}

static void a_mapping_lies_in_a_window(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(memory_call(bed, VFIO_IOMMU_SPAPR_REGISTER_MEMORY, 0, MEMORY), 0);
	assert_int_equal(map(bed, 0x80000000, 0, PAGE, RW), -ENXIO);
	assert_int_equal(unmap(bed, 0x80000000, PAGE), -ENXIO);
	assert_int_equal(map(bed, 0x7ffff000, 0, PAGE, RW), 0);
	assert_int_equal(map(bed, 0x7ffff000, 0, 2 * PAGE, RW), -EINVAL);
	assert_int_equal(unmap(bed, 0x7ffff000, 2 * PAGE), -EINVAL);
	assert_int_equal(map(bed, 0x1001, 0, PAGE, RW), -EINVAL);
	assert_int_equal(map(bed, 0x1000, 0, PAGE + 1, RW), -EINVAL);
	assert_int_equal(map(bed, 0x1000, 0, PAGE, 0), -EINVAL);
	assert_int_equal(map(bed, 0x1000, 0, PAGE, 8), -EINVAL);
	assert_int_equal(unmap(bed, 0x1000, 1), -EINVAL);
}

static void windows_are_made_and_removed(void **state)
{
	struct bed *bed = *state;
	uint64_t at = 7;

	assert_int_equal(create(bed, 13, 0x100000, 1, NULL), -EINVAL);
	assert_int_equal(create(bed, 99, 0x100000, 1, NULL), -EINVAL);
	assert_int_equal(create(bed, 16, 0x180000, 1, NULL), -EINVAL);
	assert_int_equal(create(bed, 16, 0x100000, 0, NULL), -EINVAL);
	assert_int_equal(create(bed, 16, 0x100000, 6, NULL), -EINVAL);
	assert_int_equal(create(bed, 16, 0x8000, 1, NULL), -EINVAL);
	/* The default one is there by now, so this is the second. */
	assert_int_equal(create(bed, 16, 0x100000, 1, &at), 0);
	assert_int_equal(at, UINT64_C(1) << 59);
	assert_int_equal(create(bed, 16, 0x100000, 1, NULL), -ENOSPC);
	assert_int_equal(memory_call(bed, VFIO_IOMMU_SPAPR_REGISTER_MEMORY, 0, MEMORY), 0);
	assert_int_equal(map(bed, at, 0, PAGE, RW), -EINVAL);
	assert_int_equal(map(bed, at, 0, 0x10000, RW), 0);
	assert_int_equal(map(bed, at + 0x10000, 1, 0x10000, RW), -EINVAL);
	assert_int_equal(take_away(bed, at + 0x100000), -EINVAL);
	assert_int_equal(take_away(bed, at), 0);
	assert_int_equal(bed->dev->num_maps, 0);
	assert_int_equal(map(bed, at, 0, 0x10000, RW), -ENXIO);
	assert_int_equal(take_away(bed, 0), 0);
	assert_int_equal(take_away(bed, 0), -EINVAL);
	assert_int_equal(create(bed, 24, UINT64_C(1) << 40, 2, &at), 0);
	assert_int_equal(at, 0);
}

int main(void)
{
#define T_V1(f) cmocka_unit_test_setup_teardown(f, setup_v1, teardown)
#define T_V2(f) cmocka_unit_test_setup_teardown(f, setup_v2, teardown)
	const struct CMUnitTest tests[] = {
		T_V1(the_machine_has_no_type1),
		T_V2(info_tells_of_windows_in_the_second_form),
		T_V1(the_first_form_is_enabled),
		T_V1(one_group_is_the_first_forms_limit),
		T_V2(memory_is_registered_first),
		T_V2(a_mapping_takes_the_place_of_another),
		T_V2(a_mapping_lies_in_a_window),
		T_V2(windows_are_made_and_removed),
	};
	return cmocka_run_group_tests_name("compat_spapr", tests, NULL, NULL);
}
