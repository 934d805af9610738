/* SPDX-License-Identifier: BSD-3-Clause */
/* A device of VFIO's: what it tells, memory for it, its openings and resets. */
#include <linux/pci_regs.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "test_kdev_bed.h"

#define RW (MEDIO_SPAN_READ | MEDIO_SPAN_WRITE)

/* ---- What it tells ----------------------------------------------------------------------------- */

static void tells_what_it_is(void **state)
{
	struct bed *bed = *state;
	struct vfio_device_info info = { .argsz = sizeof(info) };

	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_GET_INFO, &info), 0);
	assert_int_equal(info.flags, VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET);
	assert_int_equal(info.num_regions, VFIO_PCI_NUM_REGIONS);
	assert_int_equal(info.num_irqs, VFIO_PCI_NUM_IRQS);
	assert_int_equal(info.argsz, sizeof(info));
}

static void info_fills_what_the_program_has_and_no_more(void **state)
{
	struct bed *bed = *state;
	uint32_t words[8];

	memset(words, 0xaa, sizeof(words));
	words[0] = 16;
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_GET_INFO, words), 0);
	assert_int_equal(words[3], VFIO_PCI_NUM_IRQS);
	assert_int_equal(words[4], 0xaaaaaaaa);
	words[0] = 4096;
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_GET_INFO, words), 0);
	assert_int_equal(words[0], 4096);
	assert_int_equal(words[4], 0);
	assert_int_equal(words[6], 0xaaaaaaaa);
	words[0] = 15;
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_GET_INFO, words), -EINVAL);
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_GET_INFO, NULL), -EFAULT);
}

static void region(struct bed *bed, unsigned index, uint64_t size, uint32_t flags,
	struct vfio_region_info *out)
{
	*out = (struct vfio_region_info){ .argsz = sizeof(*out), .index = index };
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_GET_REGION_INFO, out), 0);
	assert_int_equal(out->size, size);
	assert_int_equal(out->flags, flags);
	assert_int_equal(out->offset, MEDIO_KDEV_OFFSET(index));
}

static void tells_its_regions(void **state)
{
	const uint32_t rw = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	struct bed *bed = *state;
	struct vfio_region_info info;

	region(bed, 0, 4096, rw, &info);
	region(bed, 1, 0, 0, &info);
	region(bed, 3, 0, 0, &info);
	region(bed, 4, 16, rw, &info);
	region(bed, VFIO_PCI_ROM_REGION_INDEX, 0, 0, &info);
	region(bed, VFIO_PCI_CONFIG_REGION_INDEX, 4096, rw, &info);
	/* What is missing is said first: more room is needed. */
	region(bed, 2, 16384, rw | VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS, &info);
	assert_int_equal(info.argsz, sizeof(info) + 32);
	assert_int_equal(info.cap_offset, 0);
	info.index = 9;
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_GET_REGION_INFO, &info), -EINVAL);
	info.argsz = 31;
	info.index = 0;
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_GET_REGION_INFO, &info), -EINVAL);
}

static void mappable_parts_are_a_capability(void **state)
{
	struct bed *bed = *state;
	struct {
		struct vfio_region_info info;
		struct vfio_info_cap_header cap;
		uint32_t num_areas, reserved;
		struct vfio_region_sparse_mmap_area area;
	} data = { .info = { .argsz = sizeof(data), .index = 2 } };

	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_GET_REGION_INFO, &data), 0);
	assert_int_equal(data.info.cap_offset, sizeof(data.info));
	assert_int_equal(data.info.argsz, sizeof(data));
	assert_int_equal(data.cap.id, VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	assert_int_equal(data.cap.version, 1);
	assert_int_equal(data.cap.next, 0);
	assert_int_equal(data.num_areas, 1);
	assert_int_equal(data.area.offset, 0);
	assert_int_equal(data.area.size, 8192);
}

static void all_memory_is_mappable_where_accesses_trap(void **state)
{
	struct bed *bed = *state;
	struct {
		struct vfio_region_info info;
		struct vfio_info_cap_header cap;
	} data = { .info = { .argsz = sizeof(data), .index = 2 } };

	bed->kdev->map = MEDIO_KDEV_MAP_ALL;
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_GET_REGION_INFO, &data), 0);
	assert_true(data.info.flags & VFIO_REGION_INFO_FLAG_MMAP);
	assert_int_equal(data.info.cap_offset, sizeof(data.info));
	assert_int_equal(data.cap.id, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE);
	data.info.index = 0;
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_GET_REGION_INFO, &data), 0);
	assert_true(data.info.flags & VFIO_REGION_INFO_FLAG_MMAP);
	assert_false(data.info.flags & VFIO_REGION_INFO_FLAG_CAPS);
	/* Ports never are. */
	data.info.index = 4;
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_GET_REGION_INFO, &data), 0);
	assert_false(data.info.flags & VFIO_REGION_INFO_FLAG_MMAP);
}

static void a_region_of_vga_is_refused_by_pci_alone(void **state)
{
	struct bed *bed = *state;
	struct vfio_region_info info = { .argsz = sizeof(info),
		.index = VFIO_PCI_VGA_REGION_INDEX };
	bool mdev = bed->kdev->look == MEDIO_KDEV_MDEV;

	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_GET_REGION_INFO, &info), mdev ? 0 : -EINVAL);
	assert_int_equal(info.size, 0);
}

static void irq(struct bed *bed, unsigned index, int64_t ret, uint32_t count, uint32_t flags)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };

	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_GET_IRQ_INFO, &info), ret);
	if (ret)
		return;
	assert_int_equal(info.count, count);
	assert_int_equal(info.flags, VFIO_IRQ_INFO_EVENTFD | flags);
}

static void tells_its_interrupts(void **state)
{
	struct bed *bed = *state;
	struct vfio_irq_info info = { .argsz = sizeof(info) - 1 };

	irq(bed, 0, 0, 1, VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED);
	irq(bed, 1, 0, 4, VFIO_IRQ_INFO_NORESIZE);
	irq(bed, 2, 0, 4, 0);
	irq(bed, 3, 0, 1, VFIO_IRQ_INFO_NORESIZE);
	irq(bed, 4, 0, 1, VFIO_IRQ_INFO_NORESIZE);
	irq(bed, 5, -EINVAL, 0, 0);
	irq(bed, UINT32_MAX, -EINVAL, 0, 0);
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_GET_IRQ_INFO, &info), -EINVAL);
}

static void plain_pci_has_no_error_interrupt(void **state)
{
	struct bed *bed = *state;

	irq(bed, 0, 0, 0, VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED);
	irq(bed, 2, 0, 0, VFIO_IRQ_INFO_NORESIZE);
	irq(bed, 3, -EINVAL, 0, 0);
	irq(bed, 4, 0, 1, VFIO_IRQ_INFO_NORESIZE);
}

static void unknown_calls_are_refused(void **state)
{
	struct bed *bed = *state;
	struct vfio_pci_hot_reset_info hot = { .argsz = sizeof(hot) };
	bool mdev = bed->kdev->look == MEDIO_KDEV_MDEV;

	assert_int_equal(bed_ioctl(bed, VFIO_GET_API_VERSION, NULL), -ENOTTY);
	assert_int_equal(bed_ioctl(bed, VFIO_GROUP_GET_STATUS, NULL), -ENOTTY);
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_QUERY_GFX_PLANE, NULL), -ENOTTY);
	assert_int_equal(bed_ioctl(bed, _IO(';', 118), NULL), -EINVAL); /* bind: of a group's */
	assert_int_equal(bed_ioctl(bed, _IO(';', 119), NULL), -ENOTTY);
	assert_int_equal(
		bed_ioctl(bed, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &hot), mdev ? -ENOTTY : -ENODEV);
	hot.argsz--;
	assert_int_equal(
		bed_ioctl(bed, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &hot), mdev ? -ENOTTY : -EINVAL);
	struct vfio_pci_hot_reset reset = { .argsz = sizeof(reset), .flags = 1 };
	assert_int_equal(
		bed_ioctl(bed, VFIO_DEVICE_PCI_HOT_RESET, &reset), mdev ? -ENOTTY : -EINVAL);
	reset.flags = 0;
	assert_int_equal(
		bed_ioctl(bed, VFIO_DEVICE_PCI_HOT_RESET, &reset), mdev ? -ENOTTY : -ENODEV);
}

/* ---- Memory ------------------------------------------------------------------------------------ */

static uint32_t fault(struct bed *bed)
{
	uint32_t ret = 1;

	assert_int_equal(bed_read(bed, 0, BENCH_FAULT, &ret, 4), 4);
	return ret;
}

static void bus_master(struct bed *bed)
{
	uint16_t command = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY | PCI_COMMAND_IO;

	assert_int_equal(bed_write(bed, 7, PCI_COMMAND, &command, 2), 2);
}

static void the_device_reaches_what_is_mapped(void **state)
{
	struct bed *bed = *state;
	uint64_t iova = 0x10000, value = 0;
	uint8_t *memory;

	bed->span = bed_span(16384, RW, &memory);
	bus_master(bed);
	assert_int_equal(medio_kdev_map(bed->kdev, iova, bed->span, RW), 0);
	memcpy(memory + 8192, "ABCDEFGH", 8); /* in the second half */
	iova += 8192;
	assert_int_equal(bed_write(bed, 0, BENCH_IOVA, &iova, 8), 8);
	assert_int_equal(fault(bed), 0);
	assert_int_equal(bed_read(bed, 0, BENCH_DATA, &value, 8), 8);
	assert_memory_equal(&value, "ABCDEFGH", 8);
	iova = 0x10ff8 + 0x1000;
	assert_int_equal(bed_write(bed, 0, BENCH_PUT, &iova, 8), 8);
	assert_memory_equal(memory + 8184, "ABCDEFGH", 8);

	medio_kdev_unmap(bed->kdev, 0x10000, 16384);
	assert_int_equal(bed_write(bed, 0, BENCH_IOVA, &iova, 8), 8);
	assert_int_not_equal(fault(bed), 0);
	assert_int_equal(bed->span->refs, 1);
	munmap(memory, 16384);
}

static void permissions_are_the_mappings(void **state)
{
	struct bed *bed = *state;
	uint64_t iova = 0;
	uint8_t *memory;

	bed->span = bed_span(8192, RW, &memory);
	bus_master(bed);
	assert_int_equal(medio_kdev_map(bed->kdev, 0, bed->span, MEDIO_SPAN_READ), 0);
	assert_int_equal(bed_write(bed, 0, BENCH_IOVA, &iova, 8), 8);
	assert_int_equal(fault(bed), 0);
	assert_int_equal(bed_write(bed, 0, BENCH_PUT, &iova, 8), 8);
	assert_int_not_equal(fault(bed), 0);
	munmap(memory, 8192);
}

static void a_mapping_that_fails_leaves_nothing(void **state)
{
	struct bed *bed = *state;
	struct medio_span *other;
	uint8_t *memory, *more;

	bed->span = bed_span(8192, RW, &memory);
	other = bed_span(16384, RW, &more);
	assert_int_equal(medio_kdev_map(bed->kdev, 0x13000, bed->span, RW), 0);
	/* Its first half would fit. */
	assert_int_equal(medio_kdev_map(bed->kdev, 0x10000, other, RW), -EEXIST);
	assert_int_equal(other->refs, 1);
	assert_int_equal(medio_kdev_map(bed->kdev, 0xf000, other, RW), 0);
	/* Only what lies in the range goes, also across both. */
	medio_kdev_unmap(bed->kdev, 0x13000, UINT64_MAX);
	assert_int_equal(bed->span->refs, 1);
	assert_int_equal(other->refs, 2);
	medio_kdev_unmap(bed->kdev, 0, UINT64_MAX);
	assert_int_equal(other->refs, 1);
	medio_span_put(other);
	munmap(memory, 8192);
	munmap(more, 16384);
}

/* ---- Openings ---------------------------------------------------------------------------------- */

static void the_last_file_closes_the_device(void **state)
{
	struct bed *bed = *state;
	uint8_t *memory;
	int more = -1, copy, event = eventfd(0, EFD_NONBLOCK);
	unsigned resets = bed_bench(bed)->resets;
	/* argsz, flags, index, start, count, the eventfd */
	uint32_t irqs[] = { 24, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 1, 0, 1,
		(uint32_t)event };

	bed->span = bed_span(8192, RW, &memory);
	assert_int_equal(medio_kdev_map(bed->kdev, 0, bed->span, RW), 0);
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_SET_IRQS, irqs), 0);
	assert_int_equal(bed_open(bed, NULL, &more), -EBUSY);
	assert_int_equal(bed_open(bed, bed, &more), 0);
	copy = dup(bed->fd);
	bed_close_fd(bed, bed->fd);
	bed_close_fd(bed, more);
	assert_int_equal(bed->closed, 0);
	bed_close_fd(bed, copy);
	assert_int_equal(bed->closed, 1);
	assert_int_equal(bed->kdev->files, 0);
	assert_int_equal(bed_bench(bed)->resets, resets + 1);
	assert_int_equal(bed->span->refs, 1);
	assert_int_equal(bed_irq_kind(bed), -1);

	/* And again, by somebody else. */
	assert_int_equal(bed_open(bed, bed, &bed->fd), 0);
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_SET_IRQS, irqs), 0);
	munmap(memory, 8192);
	close(event);
}

static void a_device_can_be_freed_while_it_is_open(void **state)
{
	struct bed *bed = *state;
	int fd = bed->fd;

	bed->fd = -1;
	medio_kdev_free(bed->kdev);
	assert_null(medio_kdev_find(bed->compat, bed_pci.name));
	bed_close_fd(bed, fd);
	assert_int_equal(bed->closed, 0);
}

static void names_are_unique(void **state)
{
	struct bed *bed = *state;
	const struct medio_instance_options none = { 0 };
	struct medio_instance *inst;
	struct medio_kdev *kdev = NULL;
	struct medio_error *err = NULL;
	struct medio_card *card;

	assert_ptr_equal(medio_kdev_find(bed->compat, bed_pci.name), bed->kdev);
	assert_null(medio_kdev_find(bed->compat, "0000:00:1e.1"));
	assert_int_equal(medio_instance_new(bed->devices, &plain_type, &none, &inst, NULL), 0);
	assert_int_equal(medio_card_open_instance(inst, &card, NULL), 0);
	assert_int_equal(medio_kdev_new(bed->compat, card, &bed_pci, &kdev, &err), -EEXIST);
	assert_non_null(strstr(medio_error_text(err), bed_pci.name));
	medio_error_free(err);
	/* The card has been closed: it can be opened again. */
	assert_int_equal(medio_card_open_instance(inst, &card, NULL), 0);
	medio_card_close(card);
	medio_instance_free(inst);
}

/* ---- Resets ------------------------------------------------------------------------------------ */

static void a_reset_keeps_the_header_of_config_space(void **state)
{
	struct bed *bed = *state;
	uint32_t word = 0xfebf0000, in = 0;
	unsigned resets = bed_bench(bed)->resets;

	bus_master(bed);
	assert_int_equal(bed_write(bed, 7, PCI_BASE_ADDRESS_0, &word, 4), 4);
	assert_int_equal(bed_write(bed, 0, 0, &word, 4), 4);
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_RESET, NULL), 0);
	assert_int_equal(bed_bench(bed)->resets, resets + 1);
	assert_int_equal(bed_read(bed, 7, PCI_COMMAND, &in, 2), 2);
	assert_int_equal(in, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
	assert_int_equal(bed_read(bed, 7, PCI_BASE_ADDRESS_0, &in, 4), 4);
	assert_int_equal(in, word);
	assert_int_equal(bed_read(bed, 0, 0, &in, 4), 4);
	assert_int_equal(in, 0);
}

static void a_mediated_device_is_reset_whole(void **state)
{
	struct bed *bed = *state;
	uint16_t in = 1;

	bus_master(bed);
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_RESET, NULL), 0);
	assert_int_equal(bed_bench(bed)->resets, 1);
	assert_int_equal(bed_read(bed, 7, PCI_COMMAND, &in, 2), 2);
	assert_int_equal(in, 0);
}

#define PCI(fn) cmocka_unit_test_setup_teardown(fn, setup_pci, teardown)
#define MDEV(fn) \
	{ \
		"mdev: " #fn, fn, setup_mdev, teardown, NULL \
	}
#define PLAIN(fn) cmocka_unit_test_setup_teardown(fn, setup_plain, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PCI(tells_what_it_is),
		MDEV(tells_what_it_is),
		PCI(info_fills_what_the_program_has_and_no_more),
		PCI(tells_its_regions),
		PCI(mappable_parts_are_a_capability),
		PCI(all_memory_is_mappable_where_accesses_trap),
		PCI(a_region_of_vga_is_refused_by_pci_alone),
		MDEV(a_region_of_vga_is_refused_by_pci_alone),
		PCI(tells_its_interrupts),
		PLAIN(plain_pci_has_no_error_interrupt),
		PCI(unknown_calls_are_refused),
		MDEV(unknown_calls_are_refused),
		PCI(the_device_reaches_what_is_mapped),
		PCI(permissions_are_the_mappings),
		PCI(a_mapping_that_fails_leaves_nothing),
		PCI(the_last_file_closes_the_device),
		PCI(a_device_can_be_freed_while_it_is_open),
		PCI(names_are_unique),
		PCI(a_reset_keeps_the_header_of_config_space),
		MDEV(a_mediated_device_is_reset_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
