/* SPDX-License-Identifier: BSD-3-Clause */
/* The sPAPR TCE model: windows, registered memory, entries that are replaced and cut. */
#include "iommu/iommu.h"
#include "iommu/spapr.h"

#include <errno.h>
#include <fcntl.h>
#include <medio/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE  UINT64_C(4096)
#define K64   UINT64_C(65536)
#define PAGES 64u
#define BASE  UINT64_C(0x7f0000000000) /* where the client thinks its memory is */
#define RW    (MEDIO_PROT_READ | MEDIO_PROT_WRITE)

static struct medio_spapr *sp;
static int mem; /* page n is full of n */

static int setup(void **state)
{
	(void)state;
	uint8_t page[PAGE];
	mem = memfd_create("mem", MFD_CLOEXEC);
	for (unsigned i = 0; i < PAGES; i++) {
		memset(page, (int)i, sizeof(page));
		if (pwrite(mem, page, sizeof(page), (off_t)(i * PAGE)) != sizeof(page))
			return -1;
	}
	return medio_spapr_new(&sp);
}

static int teardown(void **state)
{
	(void)state;
	medio_spapr_free(sp);
	close(mem);
	return 0;
}

/* A failure says why; a success says nothing. */
static int said(int ret, struct medio_error **err)
{
	assert_true((ret < 0) == (*err != NULL));
	if (*err)
		assert_true(strlen(medio_error_text(*err)) > 5);
	medio_error_free(*err);
	return ret;
}

static int map(uint64_t iova, uint64_t size, uint64_t vaddr, unsigned prot)
{
	struct medio_error *err = NULL;
	return said(medio_spapr_map(sp, iova, size, vaddr, prot, &err), &err);
}

static int unmap(uint64_t iova, uint64_t size)
{
	struct medio_error *err = NULL;
	return said(medio_spapr_unmap(sp, iova, size, &err), &err);
}

static int reg(uint64_t vaddr, uint64_t size, uint64_t offset)
{
	struct medio_error *err = NULL;
	return said(medio_spapr_register(sp, vaddr, size, mem, offset, &err), &err);
}

static int unreg(uint64_t vaddr, uint64_t size)
{
	struct medio_error *err = NULL;
	return said(medio_spapr_unregister(sp, vaddr, size, &err), &err);
}

static int window(unsigned shift, uint64_t size, unsigned levels, uint64_t *start)
{
	struct medio_error *err = NULL;
	return said(medio_spapr_create_window(sp, shift, size, levels, start, &err), &err);
}

static int no_window(uint64_t start)
{
	struct medio_error *err = NULL;
	return said(medio_spapr_remove_window(sp, start, &err), &err);
}

/* What a device reads in the page at iova; -1: nothing is there. */
static int at(uint64_t iova)
{
	uint8_t byte;
	return medio_iommu_read(medio_spapr_domain(sp), iova + 5, &byte, 1) < 0 ? -1 : byte;
}

static unsigned mappings(void)
{
	struct medio_iommu_stats stats;
	medio_iommu_stats(medio_spapr_domain(sp), &stats);
	return stats.mappings;
}

static void test_windows_are_two_each_with_its_pages(void **state)
{
	struct medio_spapr_info info;
	uint64_t start = 42;
	(void)state;
	medio_spapr_info(sp, &info);
	assert_int_equal(info.max_windows, 2);
	assert_true(info.page_sizes >> 12 & 1 && info.page_sizes >> 16 & 1);

	assert_int_equal(window(13, 1u << 30, 1, &start), -EINVAL);
	assert_int_equal(window(64, 1u << 30, 1, &start), -EINVAL);
	assert_int_equal(window(200, 1u << 30, 1, &start), -EINVAL);
	assert_int_equal(window(16, 3u << 29, 1, &start), -EINVAL);
	assert_int_equal(window(16, 0, 1, &start), -EINVAL);
	assert_int_equal(window(16, PAGE, 1, &start), -EINVAL);
	assert_int_equal(window(16, UINT64_C(1) << 63, 1, &start), -EINVAL);
	assert_int_equal(window(16, 1u << 30, 0, &start), -EINVAL);
	assert_int_equal(window(16, 1u << 30, 6, &start), -EINVAL);
	assert_int_equal(start, 42);
	assert_int_equal(window(16, 1u << 30, 1, &start), 0);
	assert_int_equal(start, UINT64_C(1) << 59);
	assert_int_equal(window(16, 1u << 30, 1, &start), -ENOSPC);

	assert_int_equal(no_window(PAGE), -EINVAL);
	assert_int_equal(no_window(0), 0);
	assert_int_equal(no_window(0), -EINVAL);
	assert_int_equal(window(24, 1u << 30, 1, &start), 0);
	assert_int_equal(start, 0);
}

static void test_memory_is_registered_once_and_not_given_up_while_mapped(void **state)
{
	(void)state;
	assert_int_equal(reg(BASE, 0, 0), -EINVAL);
	assert_int_equal(reg(BASE + 1, PAGE, 0), -EINVAL);
	assert_int_equal(reg(BASE, PAGE + 1, 0), -EINVAL);
	assert_int_equal(reg(UINT64_MAX - PAGE + 1, 2 * PAGE, 0), -EINVAL);
	assert_int_equal(reg(BASE, (PAGES + 1) * PAGE, 0), -EINVAL); /* longer than the file */
	assert_int_equal(reg(BASE, 8 * PAGE, 0), 0);
	assert_int_equal(reg(BASE, 8 * PAGE, 0), -EBUSY);
	assert_int_equal(reg(BASE + 4 * PAGE, 8 * PAGE, 0), -EINVAL);
	assert_int_equal(unreg(BASE, 4 * PAGE), -ENOENT);
	assert_int_equal(unreg(BASE + PAGE, 8 * PAGE), -ENOENT);

	assert_int_equal(map(0, PAGE, BASE + 7 * PAGE, RW), 0);
	assert_int_equal(unreg(BASE, 8 * PAGE), -EBUSY);
	assert_int_equal(unmap(0, PAGE), 0);
	assert_int_equal(unreg(BASE, 8 * PAGE), 0);
	assert_int_equal(unreg(BASE, 8 * PAGE), -ENOENT);
	assert_int_equal(map(0, PAGE, BASE, RW), -EINVAL);
}

static void test_a_map_needs_a_window_its_pages_and_registered_memory(void **state)
{
	uint64_t high;
	(void)state;
	assert_int_equal(reg(BASE, 32 * PAGE, 0), 0);
	assert_int_equal(window(16, 1u << 20, 1, &high), 0);
	assert_int_equal(map(UINT64_C(2) << 30, PAGE, BASE, RW), -ENXIO);
	assert_int_equal(map(high - PAGE, PAGE, BASE, RW), -ENXIO);
	assert_int_equal(map(0, 0, BASE, RW), -EINVAL);
	assert_int_equal(map(0, PAGE, BASE, 0), -EINVAL);
	assert_int_equal(map(0, PAGE, BASE, 4), -EINVAL);
	assert_int_equal(map(1, PAGE, BASE, RW), -EINVAL);
	assert_int_equal(map(0, PAGE, BASE + 1, RW), -EINVAL);
	assert_int_equal(map((UINT64_C(2) << 30) - PAGE, 2 * PAGE, BASE, RW), -EINVAL);
	assert_int_equal(map(high, PAGE, BASE, RW), -EINVAL); /* pages of 64 KiB there */
	assert_int_equal(map(high, K64, BASE + PAGE, RW), -EINVAL);
	assert_int_equal(map(high, 3 * K64, BASE, RW), -EINVAL); /* the third is not registered */
	assert_int_equal(map(0, PAGE, BASE - PAGE, RW), -EINVAL);
	assert_int_equal(map(0, PAGE, UINT64_MAX - PAGE + 1, RW), -EINVAL);
	assert_int_equal(mappings(), 0);
	assert_int_equal(map(high + K64, K64, BASE + K64, RW), 0);
	assert_int_equal(at(high + K64 + 3 * PAGE), 19);
	assert_int_equal(unmap(high + K64 + PAGE, PAGE), -EINVAL);
	assert_int_equal(unmap(UINT64_C(1) << 40, PAGE), -ENXIO);
	assert_int_equal(no_window(high), 0);
	assert_int_equal(at(high + K64), -1);
	assert_int_equal(mappings(), 0);
}

static void test_a_map_spans_registrations_page_by_page(void **state)
{
	(void)state;
	assert_int_equal(reg(BASE, 2 * PAGE, 10 * PAGE), 0);
	assert_int_equal(reg(BASE + 2 * PAGE, 2 * PAGE, 40 * PAGE), 0);
	assert_int_equal(map(0, 4 * PAGE, BASE, RW), 0);
	assert_int_equal(at(PAGE), 11);
	assert_int_equal(at(2 * PAGE), 40);
	assert_int_equal(at(3 * PAGE), 41);
	/* With pages of 64 KiB one page would lie in two of them. */
	uint64_t high;
	assert_int_equal(reg(BASE + K64, K64 / 2, 0), 0);
	assert_int_equal(reg(BASE + K64 + K64 / 2, K64 / 2, 0), 0);
	assert_int_equal(window(16, 1u << 20, 1, &high), 0);
	assert_int_equal(map(high, K64, BASE + K64, RW), -EINVAL);
}

static void test_an_entry_is_replaced_and_a_mapping_is_cut(void **state)
{
	(void)state;
	assert_int_equal(reg(BASE, PAGES * PAGE, 0), 0);
	assert_int_equal(map(0, 8 * PAGE, BASE, RW), 0);
	assert_int_equal(map(3 * PAGE, 2 * PAGE, BASE + 50 * PAGE, MEDIO_PROT_READ), 0);
	const int expected[8] = { 0, 1, 2, 50, 51, 5, 6, 7 };
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(at(i * PAGE), expected[i]);
	assert_int_equal(mappings(), 3);
	uint8_t byte = 1;
	struct medio_iommu *domain = medio_spapr_domain(sp);
	assert_int_equal(medio_iommu_write(domain, 3 * PAGE, &byte, 1), -EACCES);
	assert_int_equal(medio_iommu_write(domain, 5 * PAGE, &byte, 1), 0);

	assert_int_equal(unmap(PAGE, PAGE), 0);
	assert_int_equal(unmap(6 * PAGE, PAGE), 0);
	assert_int_equal(unmap(6 * PAGE, PAGE), 0); /* a hole */
	const int left[8] = { 0, -1, 2, 50, 51, 5, -1, 7 };
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(at(i * PAGE), left[i]);
	/* A failing map leaves what was there. */
	assert_int_equal(map(2 * PAGE, PAGE, BASE - PAGE, RW), -EINVAL);
	assert_int_equal(at(2 * PAGE), 2);
	assert_int_equal(unmap(0, 8 * PAGE), 0);
	assert_int_equal(mappings(), 0);
	assert_int_equal(unreg(BASE, PAGES * PAGE), 0);
}

static void test_a_cut_loses_no_dirty_page(void **state)
{
	const struct medio_iommu_range all = { 0, UINT64_C(1) << 30 };
	uint64_t bitmap = 0;
	uint8_t byte = 9;
	(void)state;
	struct medio_iommu *domain = medio_spapr_domain(sp);
	assert_int_equal(reg(BASE, PAGES * PAGE, 0), 0);
	assert_int_equal(map(0, 8 * PAGE, BASE, RW), 0);
	assert_int_equal(medio_iommu_dirty_start(domain, PAGE, &all, 1), 0);
	assert_int_equal(medio_iommu_write(domain, 6 * PAGE, &byte, 1), 0);
	assert_int_equal(unmap(2 * PAGE, PAGE), 0);
	assert_int_equal(medio_iommu_dirty_report(domain, 0, 8 * PAGE, PAGE, &bitmap, 8), 0);
	assert_true(bitmap >> 6 & 1);
	bitmap = 0;
	assert_int_equal(medio_iommu_dirty_report(domain, 0, 8 * PAGE, PAGE, &bitmap, 8), 0);
	assert_int_equal(bitmap, 0);
	medio_iommu_dirty_stop(domain);
}

/* Against a plain table of entries: whatever is mapped and unmapped, each page is what it should be. */
static void test_random_maps_agree_with_a_table_of_entries(void **state)
{
	enum { SPACE = 96 };
	int model[SPACE];
	unsigned seed = 20261122;
	(void)state;
	assert_int_equal(reg(BASE, PAGES * PAGE, 0), 0);
	memset(model, 0xff, sizeof(model));
	for (unsigned round = 0; round < 3000; round++) {
		unsigned first = (unsigned)rand_r(&seed) % SPACE;
		unsigned n = 1 + (unsigned)rand_r(&seed) % (SPACE - first);
		if (n > PAGES / 2)
			n = PAGES / 2;
		unsigned from = (unsigned)rand_r(&seed) % (PAGES - n + 1);
		bool in = rand_r(&seed) % 3;
		int ret = in ? map(first * PAGE, n * PAGE, BASE + from * PAGE, RW)
			     : unmap(first * PAGE, n * PAGE);
		assert_int_equal(ret, 0);
		for (unsigned i = 0; i < n; i++)
			model[first + i] = in ? (int)(from + i) : -1;
		for (unsigned i = 0; i < SPACE; i++)
			assert_int_equal(at(i * PAGE), model[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_windows_are_two_each_with_its_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_memory_is_registered_once_and_not_given_up_while_mapped, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_a_map_needs_a_window_its_pages_and_registered_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_map_spans_registrations_page_by_page, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_an_entry_is_replaced_and_a_mapping_is_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_cut_loses_no_dirty_page, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_random_maps_agree_with_a_table_of_entries, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
