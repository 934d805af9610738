/* SPDX-License-Identifier: BSD-3-Clause */
/* Mappings of a type1 container: what is refused, and why; what devices see; the log of what they write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/vfio.h>

#include "compat/kgroup.h"
#include "compat/ktype1.h"
#include "compat_stand_in.h"

#define PAGE 4096u
#define RW   (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)

struct bed {
	struct stand_in s;
	struct stand_in_dev *dev;
	int group, container, fd;
};

static _Alignas(PAGE) char memory[64 * PAGE];

static int64_t call(struct bed *bed, unsigned cmd, void *arg)
{
	return program_ioctl(&bed->s.p, bed->container, cmd, arg);
}

static int make(void **state, enum medio_kdev_look look, uintptr_t type)
{
	static struct bed bed;
	struct medio_kgroup *group;

	stand_in_init(&bed.s);
	bed.dev = stand_in_dev(bed.s.compat, "0000:00:1e.0", look);
	assert_int_equal(medio_kgroup_new(bed.s.compat, &bed.dev->kdev, false, &group), 0);
	bed.group = stand_in_open(&bed.s, medio_kgroup_open, group);
	bed.container = stand_in_open(&bed.s, medio_kcontainer_open, bed.s.compat);
	assert_int_equal(
		program_ioctl(&bed.s.p, bed.group, VFIO_GROUP_SET_CONTAINER, &bed.container), 0);
	assert_int_equal(call(&bed, VFIO_SET_IOMMU, (void *)type), 0);
	bed.fd = (int)program_ioctl(
		&bed.s.p, bed.group, VFIO_GROUP_GET_DEVICE_FD, bed.dev->kdev.name);
	assert_true(bed.fd >= 0);
	*state = &bed;
	return 0;
}

static int setup(void **state)
{
	return make(state, MEDIO_KDEV_PCI, VFIO_TYPE1v2_IOMMU);
}

static int setup_v1(void **state)
{
	return make(state, MEDIO_KDEV_PCI, VFIO_TYPE1_IOMMU);
}

static int setup_mdev(void **state)
{
	return make(state, MEDIO_KDEV_MDEV, VFIO_TYPE1v2_IOMMU);
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	bed->s.p.num_areas = 0;
	stand_in_close(&bed->s, bed->fd);
	stand_in_close(&bed->s, bed->group);
	stand_in_close(&bed->s, bed->container);
	stand_in_fini(&bed->s);
	assert_int_equal(stand_in_spans, 0);
	return 0;
}

static int64_t map(struct bed *bed, uint64_t iova, uint64_t vaddr, uint64_t size, uint32_t flags)
{
	struct vfio_iommu_type1_dma_map m = {
		.argsz = sizeof(m), .flags = flags, .vaddr = vaddr, .iova = iova, .size = size
	};

	return call(bed, VFIO_IOMMU_MAP_DMA, &m);
}

static int64_t map_here(struct bed *bed, uint64_t iova, uint64_t pages)
{
	return map(bed, iova, (uintptr_t)memory, pages * PAGE, RW);
}

/* What it gives, or how much was unmapped. */
static int64_t unmap(struct bed *bed, uint64_t iova, uint64_t size, uint32_t flags)
{
	struct vfio_iommu_type1_dma_unmap u = {
		.argsz = sizeof(u), .flags = flags, .iova = iova, .size = size
	};
	int64_t ret = call(bed, VFIO_IOMMU_UNMAP_DMA, &u);

	return ret ? ret : (int64_t)u.size;
}

/* ---- Mapping ---------------------------------------------------------------------------------- */

static void what_cannot_be_mapped_is_refused(void **state)
{
	struct bed *bed = *state;
	const uint64_t here = (uintptr_t)memory;
	struct vfio_iommu_type1_dma_map m = {
		.argsz = sizeof(m) - 1, .flags = RW, .vaddr = here, .size = PAGE
	};

	assert_int_equal(call(bed, VFIO_IOMMU_MAP_DMA, NULL), -EFAULT);
	assert_int_equal(call(bed, VFIO_IOMMU_MAP_DMA, &m), -EINVAL);
	assert_int_equal(map(bed, 0, here, PAGE, 0), -EINVAL);
	assert_int_equal(map(bed, 0, here, PAGE, RW | 8), -EINVAL);
	assert_int_equal(map(bed, 0, here, PAGE, RW | VFIO_DMA_MAP_FLAG_VADDR), -EINVAL);
	assert_int_equal(map(bed, 0, here, 0, RW), -EINVAL);
	assert_int_equal(map(bed, 0, here, PAGE + 1, RW), -EINVAL);
	assert_int_equal(map(bed, 1, here, PAGE, RW), -EINVAL);
	assert_int_equal(map(bed, 0, here + 1, PAGE, RW), -EINVAL);
	assert_int_equal(map(bed, UINT64_C(0) - PAGE, here, 2 * PAGE, RW), -EOVERFLOW);
	assert_int_equal(map(bed, 0, UINT64_C(0) - PAGE, 2 * PAGE, RW), -EOVERFLOW);
	/* The window of interrupts, and beyond what the IOMMU translates. */
	assert_int_equal(map_here(bed, 0xfee00000, 1), -EINVAL);
	assert_int_equal(map_here(bed, 0xfedff000, 2), -EINVAL);
	assert_int_equal(map_here(bed, UINT64_C(1) << 48, 1), -EINVAL);
	assert_int_equal(map_here(bed, 0xfedff000, 1), 0);
	assert_int_equal(map_here(bed, 0xfef00000, 1), 0);
	assert_int_equal(map_here(bed, (UINT64_C(1) << 48) - PAGE, 1), 0);
	assert_int_equal(bed->dev->num_maps, 3);
}

static void overlaps_are_refused_on_all_sides(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(map_here(bed, 0x10000, 4), 0);
	assert_int_equal(map_here(bed, 0x10000, 4), -EEXIST);
	assert_int_equal(map_here(bed, 0xf000, 2), -EEXIST);
	assert_int_equal(map_here(bed, 0x13000, 2), -EEXIST);
	assert_int_equal(map_here(bed, 0x11000, 1), -EEXIST);
	assert_int_equal(map_here(bed, 0x0, 64), -EEXIST);
	assert_int_equal(map_here(bed, 0xf000, 1), 0);
	assert_int_equal(map_here(bed, 0x14000, 1), 0);
}

static void a_card_of_little_reach_narrows_the_ranges(void **state)
{
	struct bed *bed = *state;

	stand_in_reach = (struct medio_card_dma_range){ 0x10000, 0x1ffff };
	assert_int_equal(map_here(bed, 0xf000, 1), -EINVAL);
	assert_int_equal(map_here(bed, 0x1f000, 2), -EINVAL);
	assert_int_equal(map_here(bed, 0x10000, 16), 0);
}

static void memory_that_is_not_there_is_a_fault(void **state)
{
	struct bed *bed = *state;
	struct vfio_iommu_type1_dma_map m = { .argsz = sizeof(m),
		.flags = RW,
		.vaddr = (uintptr_t)memory + sizeof(memory),
		.size = PAGE };

	bed->s.p.areas[0] = (struct program_area){ memory, sizeof(memory) };
	bed->s.p.areas[1] = (struct program_area){ (char *)&m, sizeof(m) };
	bed->s.p.num_areas = 2;
	assert_int_equal(call(bed, VFIO_IOMMU_MAP_DMA, &m), -EFAULT);
	m.vaddr -= PAGE;
	assert_int_equal(call(bed, VFIO_IOMMU_MAP_DMA, &m), 0);
	m.iova = 0x10000;
	stand_in_span_error = -ENOMEM;
	assert_int_equal(call(bed, VFIO_IOMMU_MAP_DMA, &m), -ENOMEM);
	stand_in_span_error = 0;
}

static void what_a_device_refuses_is_not_mapped(void **state)
{
	struct bed *bed = *state;

	bed->dev->map_error = -ENOSPC;
	assert_int_equal(map_here(bed, 0, 1), -ENOSPC);
	assert_int_equal(stand_in_spans, 0);
	assert_int_equal(map_here(bed, 0, 1), 0);
}

static void mappings_are_65535_at_most(void **state)
{
	struct bed *bed = *state;

	/* Without a device that has to take them. */
	stand_in_close(&bed->s, bed->fd);
	for (unsigned i = 0; i < 600 && !bed->dev->closes; i++)
		medio_loop_run_once(bed->s.loop, 100);
	for (uint64_t i = 0; i < 65535; i++)
		assert_int_equal(map_here(bed, i * 2 * PAGE, 1), 0);
	assert_int_equal(map_here(bed, 0x100000000, 1), -ENOSPC);
	assert_int_equal(map_here(bed, 0, 1), -EEXIST);
	assert_int_equal(unmap(bed, 0, PAGE, 0), PAGE);
	assert_int_equal(map_here(bed, 0x100000000, 1), 0);
	assert_int_equal(unmap(bed, 0, 0, VFIO_DMA_UNMAP_FLAG_ALL), 65535 * (int64_t)PAGE);
}

static void mediated_devices_have_nothing_pinned(void **state)
{
	struct bed *bed = *state;
	struct vfio_iommu_type1_dma_map m = {
		.argsz = sizeof(m), .flags = RW, .vaddr = 0x1000, .iova = 0xfee00000, .size = PAGE
	};

	bed->s.p.areas[0] = (struct program_area){ (char *)&m, sizeof(m) };
	bed->s.p.num_areas = 1;
	assert_int_equal(call(bed, VFIO_IOMMU_MAP_DMA, &m), 0);
	assert_int_equal(bed->dev->num_maps, 0);
	assert_int_equal(call(bed, VFIO_IOMMU_MAP_DMA, &m), -EEXIST);
	m.iova = UINT64_C(0) - PAGE;
	assert_int_equal(call(bed, VFIO_IOMMU_MAP_DMA, &m), 0);
	bed->s.p.num_areas = 0;
	assert_int_equal(unmap(bed, UINT64_C(0) - PAGE, PAGE, 0), PAGE);
}

/* ---- Unmapping -------------------------------------------------------------------------------- */

static void what_cannot_be_unmapped_is_refused(void **state)
{
	struct bed *bed = *state;
	struct vfio_iommu_type1_dma_unmap u = { .argsz = sizeof(u) - 1, .size = PAGE };

	assert_int_equal(call(bed, VFIO_IOMMU_UNMAP_DMA, NULL), -EFAULT);
	assert_int_equal(call(bed, VFIO_IOMMU_UNMAP_DMA, &u), -EINVAL);
	assert_int_equal(unmap(bed, 0, PAGE, 8), -EINVAL);
	assert_int_equal(unmap(bed, 0, 0, 0), -EINVAL);
	assert_int_equal(unmap(bed, 1, PAGE, 0), -EINVAL);
	assert_int_equal(unmap(bed, 0, PAGE - 1, 0), -EINVAL);
	assert_int_equal(unmap(bed, UINT64_C(0) - PAGE, 2 * PAGE, 0), -EOVERFLOW);
	assert_int_equal(unmap(bed, PAGE, 0, VFIO_DMA_UNMAP_FLAG_ALL), -EINVAL);
	assert_int_equal(unmap(bed, 0, PAGE, VFIO_DMA_UNMAP_FLAG_ALL), -EINVAL);
	assert_int_equal(unmap(bed, 0, 0, VFIO_DMA_UNMAP_FLAG_ALL), 0);
}

static void unmapping_takes_whole_mappings_and_holes(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(map_here(bed, 0x10000, 4), 0);
	assert_int_equal(map_here(bed, 0x20000, 4), 0);
	assert_int_equal(unmap(bed, 0x11000, PAGE, 0), -EINVAL);
	assert_int_equal(unmap(bed, 0x10000, 2 * PAGE, 0), -EINVAL);
	assert_int_equal(unmap(bed, 0x12000, 0x100000, 0), -EINVAL);
	assert_int_equal(unmap(bed, 0x30000, PAGE, 0), 0);
	assert_int_equal(bed->dev->num_maps, 2);
	assert_int_equal(unmap(bed, 0x8000, 0x100000, 0), 8 * PAGE);
	assert_int_equal(bed->dev->num_maps, 0);
	assert_int_equal(stand_in_spans, 0);
}

static void the_first_type_unmaps_what_begins_in_the_range(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(map_here(bed, 0x10000, 4), 0);
	assert_int_equal(unmap(bed, 0x11000, PAGE, 0), 0);
	assert_int_equal(bed->dev->num_maps, 1);
	assert_int_equal(unmap(bed, 0x10000, PAGE, 0), 4 * PAGE);
	assert_int_equal(bed->dev->num_maps, 0);
}

static void an_address_can_be_taken_away_and_given_anew(void **state)
{
	struct bed *bed = *state;
	const uint32_t vaddr = VFIO_DMA_UNMAP_FLAG_VADDR;

	assert_int_equal(map_here(bed, 0x10000, 1), 0);
	assert_int_equal(map_here(bed, 0x20000, 1), 0);
	assert_int_equal(map(bed, 0x10000, 0x5000, PAGE, VFIO_DMA_MAP_FLAG_VADDR), -EINVAL);
	assert_int_equal(map(bed, 0x30000, 0x5000, PAGE, VFIO_DMA_MAP_FLAG_VADDR), -ENOENT);
	assert_int_equal(unmap(bed, 0x10000, PAGE, vaddr), PAGE);
	/* One of them has none: both stay as they are. */
	assert_int_equal(unmap(bed, 0, 0, vaddr | VFIO_DMA_UNMAP_FLAG_ALL), -EINVAL);
	assert_int_equal(unmap(bed, 0x20000, PAGE, vaddr), PAGE);
	assert_int_equal(bed->dev->num_maps, 2);
	assert_int_equal(map(bed, 0x10000, 0x5000, 2 * PAGE, VFIO_DMA_MAP_FLAG_VADDR), -EINVAL);
	assert_int_equal(map(bed, 0x10000, 0x5000, PAGE, VFIO_DMA_MAP_FLAG_VADDR), 0);
	assert_int_equal(unmap(bed, 0x20000, PAGE, 0), PAGE);
}

static void no_address_is_taken_from_mediated_devices(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(map_here(bed, 0, 1), 0);
	assert_int_equal(unmap(bed, 0, PAGE, VFIO_DMA_UNMAP_FLAG_VADDR), -EBUSY);
}

/* ---- GET_INFO --------------------------------------------------------------------------------- */

static void info_grows_with_what_the_program_knows(void **state)
{
	struct bed *bed = *state;
	struct {
		struct vfio_iommu_type1_info info;
		uint8_t caps[256];
	} i = { .info = { .argsz = 8 } };

	assert_int_equal(sizeof(i.info), 24);
	assert_int_equal(call(bed, VFIO_IOMMU_GET_INFO, NULL), -EFAULT);
	assert_int_equal(call(bed, VFIO_IOMMU_GET_INFO, &i), -EINVAL);
	i.info.argsz = 16;
	i.info.cap_offset = 77;
	assert_int_equal(call(bed, VFIO_IOMMU_GET_INFO, &i), 0);
	assert_int_equal(i.info.iova_pgsizes, 0x40201000);
	assert_int_equal(i.info.flags, VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS);
	assert_int_equal(i.info.cap_offset, 77);
	/* The log, what is left, and two ranges. */
	assert_int_equal(i.info.argsz, 24 + 32 + 16 + 16 + 2 * 16);
	assert_int_equal(call(bed, VFIO_IOMMU_GET_INFO, &i), 0);
	assert_int_equal(i.info.cap_offset, 24);
	const struct vfio_info_cap_header *cap = (void *)((char *)&i + i.info.cap_offset);
	assert_int_equal(cap->id, VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION);
	cap = (void *)((char *)&i + cap->next);
	assert_int_equal(cap->id, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
	assert_int_equal(((const struct vfio_iommu_type1_info_dma_avail *)cap)->avail, 65535);
	const struct vfio_iommu_type1_info_cap_iova_range *ranges = (void *)((char *)&i +
									     cap->next);
	assert_int_equal(ranges->header.id, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	assert_int_equal(ranges->header.next, 0);
	assert_int_equal(ranges->nr_iovas, 2);
	assert_int_equal(ranges->iova_ranges[0].start, 0);
	assert_int_equal(ranges->iova_ranges[0].end, 0xfedfffff);
	assert_int_equal(ranges->iova_ranges[1].start, 0xfef00000);
	assert_int_equal(ranges->iova_ranges[1].end, 0xffffffffffff);
}

static void mediated_devices_have_no_ranges(void **state)
{
	struct bed *bed = *state;
	struct vfio_iommu_type1_info info = { .argsz = sizeof(info) };

	assert_int_equal(call(bed, VFIO_IOMMU_GET_INFO, &info), 0);
	assert_int_equal(info.iova_pgsizes, UINT64_C(0xfffffffffffff000));
	assert_int_equal(info.argsz, 24 + 32 + 16);
}

/* ---- The log ---------------------------------------------------------------------------------- */

static int64_t log_call(struct bed *bed, uint32_t flags)
{
	struct vfio_iommu_type1_dirty_bitmap d = { .argsz = sizeof(d), .flags = flags };

	return call(bed, VFIO_IOMMU_DIRTY_PAGES, &d);
}

static int64_t get_log(
	struct bed *bed, uint64_t iova, uint64_t size, uint64_t *words, uint64_t bytes)
{
	struct {
		uint32_t argsz, flags;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} g = { sizeof(g), VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
		{ .iova = iova, .size = size, .bitmap = { PAGE, bytes, (__u64 *)words } } };

	return call(bed, VFIO_IOMMU_DIRTY_PAGES, &g);
}

static void the_log_says_which_pages_were_written(void **state)
{
	struct bed *bed = *state;
	uint64_t words[2] = { 0, 0 };

	assert_int_equal(log_call(bed, 0), -EINVAL);
	assert_int_equal(log_call(bed, 3), -EINVAL);
	assert_int_equal(log_call(bed, 8), -EINVAL);
	assert_int_equal(call(bed, VFIO_IOMMU_DIRTY_PAGES, NULL), -EFAULT);
	assert_int_equal(log_call(bed, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP), 0);
	assert_int_equal(get_log(bed, 0x10000, 4 * PAGE, words, 8), -EINVAL);
	assert_int_equal(map_here(bed, 0x10000, 4), 0);
	assert_int_equal(map_here(bed, 0x14000, 4), 0);
	assert_int_equal(log_call(bed, VFIO_IOMMU_DIRTY_PAGES_FLAG_START), 0);
	assert_int_equal(log_call(bed, VFIO_IOMMU_DIRTY_PAGES_FLAG_START), 0);
	bed->dev->written = 0x15000;
	assert_int_equal(get_log(bed, 0x10000, 8 * PAGE, words, 8), 0);
	assert_int_equal(words[0], 0x20);
	assert_int_equal(get_log(bed, 0x10000, 8 * PAGE, words, 8), 0);
	assert_int_equal(words[0], 0);
	/* A range that is not theirs; too small a bitmap; another page size. */
	assert_int_equal(get_log(bed, 0x11000, 3 * PAGE, words, 8), -EINVAL);
	assert_int_equal(get_log(bed, 0x10000, 2 * PAGE, words, 8), -EINVAL);
	assert_int_equal(get_log(bed, 0x10000, 0, words, 8), -EINVAL);
	assert_int_equal(get_log(bed, 0x10000, 65 * PAGE, words, 8), -EINVAL);
	assert_int_equal(get_log(bed, 0x10000, 8 * PAGE, NULL, 8), -EFAULT);
	assert_int_equal(get_log(bed, 0x10000, 8 * PAGE, words, 0), -EINVAL);
	assert_int_equal(get_log(bed, UINT64_C(0) - PAGE, 2 * PAGE, words, 8), -EOVERFLOW);
	assert_int_equal(log_call(bed, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP), 0);
	assert_false(bed->dev->logging);
}

static void who_keeps_no_log_has_written_all(void **state)
{
	struct bed *bed = *state;
	uint64_t words[2] = { 0, 0 };

	bed->dev->log_error = -ENOTTY;
	assert_int_equal(map_here(bed, 0x1000, 3), 0);
	assert_int_equal(
		map(bed, 0x4000, (uintptr_t)memory, 61 * PAGE, VFIO_DMA_MAP_FLAG_WRITE), 0);
	assert_int_equal(map(bed, 0x41000, (uintptr_t)memory, 2 * PAGE, VFIO_DMA_MAP_FLAG_READ), 0);
	assert_int_equal(log_call(bed, VFIO_IOMMU_DIRTY_PAGES_FLAG_START), 0);
	assert_int_equal(get_log(bed, 0, 67 * PAGE, words, 16), 0);
	assert_int_equal(words[0], ~UINT64_C(1));
	assert_int_equal(words[1], 1);
}

static void unmapping_tells_the_log_at_last(void **state)
{
	struct bed *bed = *state;
	uint64_t words[1] = { UINT64_MAX };
	struct {
		uint32_t argsz, flags;
		uint64_t iova, size;
		struct vfio_bitmap bitmap;
	} u = { sizeof(struct vfio_iommu_type1_dma_unmap), VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
		0x1000, 4 * PAGE, { PAGE, 8, (__u64 *)words } };

	assert_int_equal(map_here(bed, 0x1000, 4), 0);
	assert_int_equal(call(bed, VFIO_IOMMU_UNMAP_DMA, &u), -EINVAL);
	u.argsz = sizeof(u);
	assert_int_equal(call(bed, VFIO_IOMMU_UNMAP_DMA, &u), -EINVAL); /* no log runs */
	assert_int_equal(log_call(bed, VFIO_IOMMU_DIRTY_PAGES_FLAG_START), 0);
	u.flags |= VFIO_DMA_UNMAP_FLAG_VADDR;
	assert_int_equal(call(bed, VFIO_IOMMU_UNMAP_DMA, &u), -EINVAL);
	u.flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
	u.bitmap.pgsize = 0;
	assert_int_equal(call(bed, VFIO_IOMMU_UNMAP_DMA, &u), -EINVAL);
	u.bitmap.pgsize = 2 * PAGE;
	assert_int_equal(call(bed, VFIO_IOMMU_UNMAP_DMA, &u), -EINVAL);
	u.bitmap.pgsize = PAGE;
	bed->dev->written = 0x3000;
	assert_int_equal(call(bed, VFIO_IOMMU_UNMAP_DMA, &u), 0);
	assert_int_equal(u.size, 4 * PAGE);
	assert_int_equal(words[0], 4);
	assert_int_equal(bed->dev->num_maps, 0);
}

static void the_first_type_has_no_log(void **state)
{
	assert_int_equal(log_call(*state, VFIO_IOMMU_DIRTY_PAGES_FLAG_START), -EACCES);
}

int main(void)
{
#define T(f)	  cmocka_unit_test_setup_teardown(f, setup, teardown)
#define T_V1(f)	  cmocka_unit_test_setup_teardown(f, setup_v1, teardown)
#define T_MDEV(f) cmocka_unit_test_setup_teardown(f, setup_mdev, teardown)
	const struct CMUnitTest tests[] = {
		T(what_cannot_be_mapped_is_refused),
		T(overlaps_are_refused_on_all_sides),
		T(a_card_of_little_reach_narrows_the_ranges),
		T(memory_that_is_not_there_is_a_fault),
		T(what_a_device_refuses_is_not_mapped),
		T(mappings_are_65535_at_most),
		T_MDEV(mediated_devices_have_nothing_pinned),
		T(what_cannot_be_unmapped_is_refused),
		T(unmapping_takes_whole_mappings_and_holes),
		T_V1(the_first_type_unmaps_what_begins_in_the_range),
		T(an_address_can_be_taken_away_and_given_anew),
		T_MDEV(no_address_is_taken_from_mediated_devices),
		T(info_grows_with_what_the_program_knows),
		T_MDEV(mediated_devices_have_no_ranges),
		T(the_log_says_which_pages_were_written),
		T(who_keeps_no_log_has_written_all),
		T(unmapping_tells_the_log_at_last),
		T_V1(the_first_type_has_no_log),
	};
	return cmocka_run_group_tests_name("compat_type1", tests, NULL, NULL);
}
