/* SPDX-License-Identifier: BSD-3-Clause */
/* Accesses to a device of VFIO's: registers, memory, config space, and what cannot be mapped. */
#include <linux/pci_regs.h>
#include <sys/mman.h>

#include "test_kdev_bed.h"

static const struct bench_access *last_access(struct bed *bed, unsigned back)
{
	const struct bench *b = bed_bench(bed);

	assert_true(b->accesses > back);
	return &b->last[(b->accesses - 1 - back) % 64];
}

/* ---- Registers --------------------------------------------------------------------------------- */

static void a_register_is_one_access(void **state)
{
	struct bed *bed = *state;

	for (size_t size = 1; size <= 8; size *= 2) {
		uint64_t out = 0x1122334455667788, in = 0;
		assert_int_equal(bed_write(bed, 0, 0x40, &out, size), size);
		assert_int_equal(last_access(bed, 0)->count, size);
		assert_true(last_access(bed, 0)->write);
		assert_int_equal(bed_read(bed, 0, 0x40, &in, size), size);
		assert_int_equal(last_access(bed, 0)->count, size);
		assert_memory_equal(&in, &out, size);
	}
}

static void odd_accesses_are_made_of_whole_registers(void **state)
{
	const struct bench_access expected[] = { { 0, 1, 1 }, { 0, 2, 2 }, { 0, 4, 4 }, { 0, 8, 8 },
		{ 0, 16, 4 }, { 0, 20, 1 } };
	struct bed *bed = *state;
	unsigned before = bed_bench(bed)->accesses;
	uint8_t buf[20];

	assert_int_equal(bed_read(bed, 0, 1, buf, sizeof(buf)), sizeof(buf));
	assert_int_equal(bed_bench(bed)->accesses - before, 6);
	for (unsigned i = 0; i < 6; i++)
		assert_memory_equal(last_access(bed, 5 - i), &expected[i],
			offsetof(struct bench_access, write));
}

static void a_region_ends_where_it_ends(void **state)
{
	struct bed *bed = *state;
	uint8_t buf[64] = { 0 };

	assert_int_equal(bed_read(bed, 0, 4090, buf, sizeof(buf)), 6);
	assert_int_equal(bed_write(bed, 0, 4095, buf, sizeof(buf)), 1);
	assert_int_equal(bed_read(bed, 0, 4096, buf, 1), -EINVAL);
	assert_int_equal(bed_read(bed, 1, 0, buf, 1), -EINVAL);
	assert_int_equal(bed_read(bed, 6, 0, buf, 1), -EINVAL);
	assert_int_equal(bed_write(bed, 6, 0, buf, 1), -EINVAL);
	assert_int_equal(bed_read(bed, 9, 0, buf, 1), -EINVAL);
	assert_int_equal(bed_read(bed, 0x3fffff, 0, buf, 1), -EINVAL);
	assert_int_equal(bed_read(bed, 0, (uint64_t)0 - MEDIO_KDEV_OFFSET(0), buf, 1), -EINVAL);
	assert_int_equal(bed_read(bed, 7, 4092, buf, 4), 4);
	assert_int_equal(bed_read(bed, 7, 4092, buf, 5), -EFAULT);
	assert_int_equal(bed_read(bed, 7, 4096, buf, 1), -EFAULT);
	assert_int_equal(bed_read(bed, 7, 0, buf, SIZE_MAX), -EFAULT);
	assert_int_equal(bed_read(bed, 0, 0, buf, 0), 0);
	assert_int_equal(bed_read(bed, 9, 0, buf, 0), 0);
}

static void memory_that_is_not_the_programs_is_efault(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(bed_read(bed, 0, 0, NULL, 4), -EFAULT);
	assert_int_equal(bed_write(bed, 0, 0, NULL, 4), -EFAULT);
	assert_int_equal(bed_read(bed, 7, 0, NULL, 4), -EFAULT);
}

static void what_the_device_says_is_passed_on(void **state)
{
	struct bed *bed = *state;
	uint32_t word = 1;

	assert_int_equal(bed_read(bed, 0, BENCH_BAD, &word, 4), -EIO);
	assert_int_equal(bed_write(bed, 0, BENCH_BAD, &word, 4), -EIO);
	assert_int_equal(bed_write(bed, 0, BENCH_ODD, &word, 2), -EINVAL);
	assert_int_equal(bed_write(bed, 0, BENCH_ODD, &word, 4), 4);
}

static void memory_of_the_devices_is_read_at_once(void **state)
{
	struct bed *bed = *state;
	static uint8_t out[8192], in[8192];

	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7 + i / 256);
	assert_int_equal(bed_write(bed, 2, 0, out, sizeof(out)), sizeof(out));
	assert_int_equal(bed_read(bed, 2, 0, in, sizeof(in)), sizeof(in));
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(bed_bench(bed)->accesses, 0);
}

static void vfio_pci_hides_the_table_of_msix(void **state)
{
	struct bed *bed = *state;
	uint32_t in[6] = { 0 }, zero[4] = { 0 };

	/* The last register before the table, the table, and what is behind it. */
	assert_int_equal(bed_write(bed, 2, BENCH_TABLE + 12, zero, 4), 4);
	assert_int_equal(bed_read(bed, 2, BENCH_TABLE + 12, in, 4), 4);
	assert_int_equal(in[0], UINT32_MAX);
	assert_int_equal(bed_read(bed, 2, BENCH_TABLE + 60, in, 8), 8);
	assert_int_equal(in[0], UINT32_MAX);
	assert_int_equal(in[1], 0xeeeeeeee);
	assert_int_equal(last_access(bed, 0)->offset, BENCH_TABLE + 64);
}

static void a_mediated_device_shows_its_table(void **state)
{
	struct bed *bed = *state;
	uint32_t in = 0, zero = 0;

	assert_int_equal(bed_read(bed, 2, BENCH_TABLE + 12, &in, 4), 4);
	assert_int_equal(in, 1); /* masked, as after power-on */
	assert_int_equal(bed_write(bed, 2, BENCH_TABLE + 12, &zero, 4), 4);
	assert_int_equal(bed_read(bed, 2, BENCH_TABLE + 12, &in, 4), 4);
	assert_int_equal(in, 0);
}

static void memory_is_reached_while_it_is_switched_on(void **state)
{
	struct bed *bed = *state;
	uint16_t command = 0;
	uint32_t word = 0;

	assert_int_equal(bed_read(bed, 7, PCI_COMMAND, &command, 2), 2);
	assert_int_equal(command, PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
	command = PCI_COMMAND_IO;
	assert_int_equal(bed_write(bed, 7, PCI_COMMAND, &command, 2), 2);
	assert_int_equal(bed_read(bed, 0, 0, &word, 4), -EIO);
	assert_int_equal(bed_write(bed, 2, 0, &word, 4), -EIO);
	assert_int_equal(bed_read(bed, 4, 0, &word, 4), 4);
	command = PCI_COMMAND_MEMORY;
	assert_int_equal(bed_write(bed, 7, PCI_COMMAND, &command, 2), 2);
	assert_int_equal(bed_read(bed, 0, 0, &word, 4), 4);
}

static void a_mediated_device_is_as_it_is(void **state)
{
	struct bed *bed = *state;
	uint16_t command = 1;
	uint32_t word = 0;

	assert_int_equal(bed_read(bed, 7, PCI_COMMAND, &command, 2), 2);
	assert_int_equal(command, 0);
	assert_int_equal(bed_read(bed, 0, 0, &word, 4), 4);
	assert_int_equal(bed_bench(bed)->resets, 0);
}

/* ---- Mapping ----------------------------------------------------------------------------------- */

static int64_t map(struct bed *bed, uint64_t length, uint64_t flags, uint64_t offset)
{
	struct program_call c = program_call(
		&bed->p, NULL, __NR_mmap, 0, length, PROT_READ | PROT_WRITE, flags);

	c.call.file = program_find(&c.call, bed->fd);
	c.call.args[4] = (uint64_t)bed->fd;
	c.call.args[5] = offset;
	return c.call.file->ops->mmap(c.call.file, &c.call);
}

static void what_cannot_be_mapped_is_refused(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(map(bed, 4096, MAP_PRIVATE, MEDIO_KDEV_OFFSET(2)), -EINVAL);
	assert_int_equal(map(bed, 0, MAP_SHARED, MEDIO_KDEV_OFFSET(2)), -EINVAL);
	assert_int_equal(map(bed, 4096, MAP_SHARED, MEDIO_KDEV_OFFSET(2) + 16384), -EINVAL);
	assert_int_equal(map(bed, 20480, MAP_SHARED, MEDIO_KDEV_OFFSET(2)), -EINVAL);
	assert_int_equal(map(bed, UINT64_MAX, MAP_SHARED, MEDIO_KDEV_OFFSET(2)), -EINVAL);
	assert_int_equal(map(bed, 4096, MAP_SHARED, MEDIO_KDEV_OFFSET(2) + 1), -EINVAL);
	assert_int_equal(map(bed, 4096, MAP_SHARED, MEDIO_KDEV_OFFSET(1)), -EINVAL);
	assert_int_equal(map(bed, 4096, MAP_SHARED, MEDIO_KDEV_OFFSET(7)), -EINVAL);
	assert_int_equal(map(bed, 4096, MAP_SHARED, 0), -EINVAL);
}

#define PCI(fn) cmocka_unit_test_setup_teardown(fn, setup_pci, teardown)
#define MDEV(fn) \
	{ \
		"mdev: " #fn, fn, setup_mdev, teardown, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PCI(a_register_is_one_access),
		PCI(odd_accesses_are_made_of_whole_registers),
		PCI(a_region_ends_where_it_ends),
		PCI(memory_that_is_not_the_programs_is_efault),
		PCI(what_the_device_says_is_passed_on),
		PCI(memory_of_the_devices_is_read_at_once),
		PCI(vfio_pci_hides_the_table_of_msix),
		MDEV(a_mediated_device_shows_its_table),
		PCI(memory_is_reached_while_it_is_switched_on),
		MDEV(a_mediated_device_is_as_it_is),
		PCI(what_cannot_be_mapped_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
