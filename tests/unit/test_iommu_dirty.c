/* SPDX-License-Identifier: BSD-3-Clause */
/* The dirty log. */
#include "iommu/iommu.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE 4096u
#define R    MEDIO_PROT_READ
#define W    MEDIO_PROT_WRITE
#define RW   (R | W)
#define TOP  (UINT64_MAX - PAGE + 1)

static struct medio_iommu *domain;
static int mem; /* 256 pages */
static const struct medio_iommu_range everything[] = { { 0, UINT64_C(1) << 63 } };

static int setup(void **state)
{
	mem = memfd_create("mem", MFD_CLOEXEC);
	return ftruncate(mem, (off_t)256 * PAGE) < 0 ||
	       medio_iommu_new(&medio_iommu_type1, &domain) < 0 ||
	       medio_iommu_map(domain, 0, 128 * PAGE, RW, mem, 0, NULL) < 0 ||
	       medio_iommu_map(domain, 128 * PAGE, 64 * PAGE, RW, mem, 128 * PAGE, NULL) < 0;
}

static int teardown(void **state)
{
	medio_iommu_free(domain);
	close(mem);
	return 0;
}

static void start(uint64_t page_size)
{
	assert_int_equal(medio_iommu_dirty_start(domain, page_size, everything, 1), 0);
}

static void poke(uint64_t page)
{
	assert_int_equal(medio_iommu_write(domain, page * PAGE + 7, "x", 1), 0);
}

/* The first 64 bits of a report of up to 64 bits. */
static uint64_t report(uint64_t page, uint64_t pages, uint64_t page_size)
{
	uint64_t word = UINT64_C(0xdeadbeefdeadbeef);
	assert_int_equal(medio_iommu_dirty_report(
				 domain, page * PAGE, pages * PAGE, page_size, &word, sizeof(word)),
		0);
	return word;
}

static void start_checks_its_arguments(void **state)
{
	const struct medio_iommu_range odd = { 0, PAGE }, empty = { 0, 0 },
				       wrap = { TOP, 2 * PAGE }, to_end = { TOP, PAGE };
	const struct medio_iommu_range twice[] = { { 0, 2 * PAGE }, { PAGE, PAGE } };
	const struct medio_iommu_range side[] = { { PAGE, PAGE }, { 0, PAGE } };
	struct medio_iommu_range many[257];
	for (unsigned i = 0; i < 257; i++)
		many[i] = (struct medio_iommu_range){ (uint64_t)i * PAGE, PAGE };
	assert_int_equal(medio_iommu_dirty_start(domain, 0, everything, 1), -EINVAL);
	assert_int_equal(medio_iommu_dirty_start(domain, 2048, everything, 1), -EINVAL);
	assert_int_equal(medio_iommu_dirty_start(domain, 12288, everything, 1), -EINVAL);
	assert_int_equal(medio_iommu_dirty_start(domain, PAGE, everything, 0), -EINVAL);
	assert_int_equal(medio_iommu_dirty_start(domain, PAGE, &empty, 1), -EINVAL);
	assert_int_equal(medio_iommu_dirty_start(domain, 2 * PAGE, &odd, 1), -EINVAL);
	assert_int_equal(medio_iommu_dirty_start(domain, PAGE, twice, 2), -EINVAL);
	assert_int_equal(medio_iommu_dirty_start(domain, PAGE, &wrap, 1), -EOVERFLOW);
	assert_int_equal(medio_iommu_dirty_start(domain, PAGE, many, 257), -E2BIG);
	assert_false(medio_iommu_dirty_running(domain));
	assert_int_equal(medio_iommu_dirty_start(domain, PAGE, many, 256), 0);
	assert_true(medio_iommu_dirty_running(domain));
	assert_int_equal(medio_iommu_dirty_start(domain, PAGE, everything, 1), -EINVAL);
	medio_iommu_dirty_stop(domain);
	medio_iommu_dirty_stop(domain);
	assert_int_equal(medio_iommu_dirty_start(domain, PAGE, side, 2), 0);
	medio_iommu_dirty_stop(domain);
	assert_int_equal(medio_iommu_dirty_start(domain, PAGE, &to_end, 1), 0);
}

static void report_checks_its_arguments(void **state)
{
	uint64_t bitmap[4] = { 0 };
	assert_int_equal(medio_iommu_dirty_report(domain, 0, PAGE, PAGE, bitmap, 8), -EINVAL);
	start(PAGE);
	assert_int_equal(medio_iommu_dirty_report(domain, 0, 0, PAGE, bitmap, 8), -EINVAL);
	assert_int_equal(medio_iommu_dirty_report(domain, 1, PAGE, PAGE, bitmap, 8), -EINVAL);
	assert_int_equal(medio_iommu_dirty_report(domain, 0, 100, PAGE, bitmap, 8), -EINVAL);
	assert_int_equal(medio_iommu_dirty_report(domain, 0, PAGE, 100, bitmap, 8), -EINVAL);
	assert_int_equal(medio_iommu_dirty_report(domain, 0, PAGE, 2048, bitmap, 8), -EINVAL);
	assert_int_equal(medio_iommu_dirty_report(domain, 0, PAGE, 0, bitmap, 8), -EINVAL);
	assert_int_equal(medio_iommu_dirty_report(domain, 0, 65 * PAGE, PAGE, bitmap, 8), -EINVAL);
	assert_int_equal(medio_iommu_dirty_report(domain, 0, PAGE, PAGE, bitmap, 7), -EINVAL);
	assert_int_equal(
		medio_iommu_dirty_report(domain, TOP, 2 * PAGE, PAGE, bitmap, 8), -EOVERFLOW);
	assert_int_equal(
		medio_iommu_dirty_report(domain, 0, UINT64_C(1) << 63, PAGE, bitmap, UINT64_MAX),
		-E2BIG);
	assert_int_equal(medio_iommu_dirty_report(domain, TOP, PAGE, PAGE, bitmap, 8), 0);
	/* Huge lengths are fine while the bits are few. */
	assert_int_equal(medio_iommu_dirty_report(
				 domain, 0, UINT64_C(1) << 63, UINT64_C(1) << 62, bitmap, 8),
		0);
}

static void the_bitmaps_size_is_whole_words(void **state)
{
	uint64_t bytes = 0;
	assert_int_equal(medio_iommu_bitmap_bytes(PAGE, PAGE, &bytes), 0);
	assert_int_equal(bytes, 8);
	assert_int_equal(medio_iommu_bitmap_bytes(64 * PAGE, PAGE, &bytes), 0);
	assert_int_equal(bytes, 8);
	assert_int_equal(medio_iommu_bitmap_bytes(65 * PAGE, PAGE, &bytes), 0);
	assert_int_equal(bytes, 16);
	assert_int_equal(medio_iommu_bitmap_bytes(PAGE, UINT64_C(1) << 63, &bytes), 0);
	assert_int_equal(bytes, 8);
	assert_int_equal(medio_iommu_bitmap_bytes(UINT64_C(0x7fffffff) * PAGE, PAGE, &bytes), 0);
	assert_int_equal(bytes, 0x10000000);
	assert_int_equal(
		medio_iommu_bitmap_bytes(UINT64_C(0x80000000) * PAGE, PAGE, &bytes), -E2BIG);
	assert_int_equal(medio_iommu_bitmap_bytes(UINT64_MAX, PAGE, &bytes), -E2BIG);
	assert_int_equal(medio_iommu_bitmap_bytes(0, PAGE, &bytes), -EINVAL);
	assert_int_equal(medio_iommu_bitmap_bytes(PAGE, 0, &bytes), -EINVAL);
}

static void writes_are_reported_once(void **state)
{
	poke(1);
	start(PAGE);
	poke(2);
	poke(3);
	poke(3);
	assert_int_equal(report(0, 64, PAGE), 0xc);
	assert_int_equal(report(0, 64, PAGE), 0);
	poke(0);
	poke(63);
	assert_true(report(0, 64, PAGE) == ((UINT64_C(1) << 63) | 1));
	medio_iommu_dirty_stop(domain);
	poke(5);
	start(PAGE);
	assert_int_equal(report(0, 64, PAGE), 0);
}

static void reads_leave_pages_clean(void **state)
{
	char buf[8];
	start(PAGE);
	assert_int_equal(medio_iommu_read(domain, PAGE, buf, 8), 0);
	assert_non_null(medio_iommu_translate(domain, 2 * PAGE, 8, R, NULL));
	assert_int_equal(report(0, 64, PAGE), 0);
}

static void translating_for_writing_marks_also_after_a_hit(void **state)
{
	/* The cached translation was made before the log started. */
	assert_non_null(medio_iommu_translate(domain, 0, 8, RW, NULL));
	start(PAGE);
	assert_non_null(medio_iommu_translate(domain, PAGE - 4, 8, W, NULL));
	assert_int_equal(report(0, 64, PAGE), 3);
	assert_non_null(medio_iommu_translate(domain, 4 * PAGE, 8, R, NULL));
	assert_non_null(medio_iommu_translate(domain, 4 * PAGE, 8, RW, NULL));
	assert_non_null(medio_iommu_translate(domain, 5 * PAGE, 8, RW, NULL));
	assert_int_equal(report(0, 64, PAGE), 0x30);
}

static void translating_marks_also_among_many_mappings(void **state)
{
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(
			medio_iommu_map(domain, (1000 + i) * PAGE, PAGE, RW, mem, i * PAGE, NULL),
			0);
	for (uint64_t i = 0; i < 200; i++)
		assert_non_null(
			medio_iommu_translate(domain, (1000 + i % 100) * PAGE, 8, RW, NULL));
	start(PAGE);
	for (uint64_t i = 0; i < 64; i += 2)
		assert_non_null(medio_iommu_translate(domain, (1000 + i) * PAGE, 8, RW, NULL));
	assert_true(report(1000, 64, PAGE) == UINT64_C(0x5555555555555555));
}

static void devices_mark_what_they_write_by_pointer(void **state)
{
	start(PAGE);
	medio_iommu_dirty(domain, 10 * PAGE - 1, 2);
	medio_iommu_dirty(domain, 190 * PAGE, 100 * PAGE); /* half of it not mapped */
	medio_iommu_dirty(domain, 20 * PAGE, 0);
	medio_iommu_dirty(domain, UINT64_MAX - 1, 100);
	assert_int_equal(report(0, 64, PAGE), 3 << 9);
	assert_int_equal(report(188, 64, PAGE), 3 << 2);
	struct medio_iommu_iter it;
	struct medio_iommu_run run;
	assert_int_equal(medio_iommu_iter_init(&it, domain, 0, PAGE, W), 0);
	assert_int_equal(report(0, 1, PAGE), 0);
	assert_int_equal(medio_iommu_iter_next(&it, 0, &run), 1);
	assert_int_equal(report(0, 1, PAGE), 1);
}

static void only_the_ranges_are_logged(void **state)
{
	const struct medio_iommu_range ranges[] = { { 40 * PAGE, 8 * PAGE },
		{ 8 * PAGE, 8 * PAGE } };
	assert_int_equal(medio_iommu_dirty_start(domain, PAGE, ranges, 2), 0);
	medio_iommu_dirty(domain, 0, 192 * PAGE);
	assert_true(report(0, 64, PAGE) == ((UINT64_C(0xff) << 40) | (0xff << 8)));
}

static void a_smaller_report_page_repeats_bits(void **state)
{
	start(4 * PAGE);
	poke(5);
	assert_int_equal(report(0, 64, PAGE), 0xf0);
	assert_int_equal(report(0, 64, PAGE), 0);
	/* With the largest log page of all. */
	medio_iommu_dirty_stop(domain);
	start(UINT64_C(1) << 63);
	poke(5);
	/* It is cut by this report, so it stays dirty for the next. */
	assert_true(report(0, 64, PAGE) == UINT64_MAX);
	assert_true(report(64, 64, PAGE) == UINT64_MAX);
	/* Only where something is mapped. */
	assert_true(report(150, 64, PAGE) == 0);
}

static void a_larger_report_page_folds_bits(void **state)
{
	start(PAGE);
	poke(5);
	poke(6);
	poke(127);
	poke(128);
	assert_int_equal(report(0, 192, 8 * PAGE), 1 | 1 << 15 | 1 << 16);
	poke(191);
	assert_int_equal(report(0, 192, 1u << 30), 1);
	poke(191);
	/* The length need not be whole report pages; bits count from its start. */
	assert_int_equal(report(100, 92, 64 * PAGE), 2);
	assert_int_equal(report(0, 192, PAGE * 4), 0);
}

static void a_page_of_the_log_that_a_report_cuts_stays_dirty(void **state)
{
	start(4 * PAGE);
	poke(4);
	poke(8);
	assert_int_equal(report(0, 6, PAGE), 0x30);
	assert_int_equal(report(6, 4, PAGE), 0xf);
	assert_int_equal(report(0, 64, PAGE), 0xff0);
	assert_int_equal(report(0, 64, PAGE), 0);
	/* Cut by the mapping's end only, it does not. */
	assert_int_equal(medio_iommu_map(domain, 1001 * PAGE, PAGE, RW, mem, 0, NULL), 0);
	poke(1001);
	assert_int_equal(report(1000, 4, PAGE), 2);
	assert_int_equal(report(1000, 4, PAGE), 0);
}

static void no_unmap(void *opaque, uint64_t iova, uint64_t size)
{
}

static void pages_pinned_for_writing_stay_dirty(void **state)
{
	void *pages[2];
	medio_iommu_set_notify(domain, no_unmap, NULL);
	assert_int_equal(medio_iommu_pin(domain, PAGE, 1, RW, pages), 1);
	start(PAGE);
	assert_int_equal(medio_iommu_pin(domain, 4 * PAGE, 2, W, pages), 2);
	assert_int_equal(medio_iommu_pin(domain, 8 * PAGE, 1, R, pages), 1);
	assert_int_equal(report(0, 64, PAGE), 0x32);
	assert_int_equal(report(0, 64, PAGE), 0x32);
	medio_iommu_unpin(domain, 4 * PAGE, 1);
	/* It could be written until it was unpinned. */
	assert_int_equal(report(0, 64, PAGE), 0x32);
	assert_int_equal(report(0, 64, PAGE), 0x22);
	medio_iommu_unpin(domain, PAGE, 8);
	assert_int_equal(report(0, 64, PAGE), 0x22);
	assert_int_equal(report(0, 64, PAGE), 0);
}

static void write_back(void *opaque, uint64_t iova, uint64_t size)
{
	assert_int_equal(medio_iommu_write(domain, iova + size - 1, "z", 1), 0);
}

static void unmap_reports_what_was_written(void **state)
{
	uint64_t bitmap[3], bytes = 0;
	assert_int_equal(medio_iommu_unmap_dirty(domain, 0, 192 * PAGE, PAGE, bitmap, 24, &bytes),
		-EINVAL); /* no log runs */
	start(PAGE);
	poke(3);
	poke(130);
	assert_int_equal(
		medio_iommu_unmap_dirty(domain, 0, 192 * PAGE, PAGE, bitmap, 23, &bytes), -EINVAL);
	assert_int_equal(medio_iommu_unmap_dirty(domain, 0, 100 * PAGE, PAGE, bitmap, 24, &bytes),
		-EINVAL); /* cuts */
	assert_int_equal(
		medio_iommu_unmap_dirty(domain, 0, UINT64_C(1) << 63, PAGE, bitmap, 24, &bytes),
		-E2BIG);
	assert_int_equal(medio_iommu_unmap_dirty(domain, TOP, 2 * PAGE, PAGE, bitmap, 24, &bytes),
		-EOVERFLOW);
	assert_int_equal(medio_iommu_unmap_dirty(domain, 0, 0, PAGE, bitmap, 24, &bytes), -EINVAL);
	medio_iommu_set_notify(domain, write_back, NULL);
	assert_int_equal(
		medio_iommu_unmap_dirty(domain, 0, 192 * PAGE, PAGE, bitmap, 24, &bytes), 0);
	assert_int_equal(bytes, 192 * PAGE);
	assert_int_equal(bitmap[0], 8);
	assert_true(bitmap[1] == UINT64_C(1) << 63);
	assert_true(bitmap[2] == ((UINT64_C(1) << 63) | 4));
	assert_int_equal(domain->log.bytes, 0);
}

static void huge_mappings_cost_little_and_report_too_much_at_worst(void **state)
{
	uint64_t word;
	medio_iommu_set_notify(domain, NULL, NULL);
	assert_int_equal(medio_iommu_unmap(domain, 0, 0, MEDIO_UNMAP_ALL, NULL), 0);
	assert_int_equal(medio_iommu_map(domain, 0, TOP, RW, -1, 0, NULL), 0);
	start(PAGE);
	assert_int_equal(domain->log.bytes, 0);
	medio_iommu_dirty(domain, 5 * PAGE, 1);
	assert_true(domain->log.bytes <= MEDIO_DIRTY_DOMAIN_BYTES);
	/* 2^64 / 2^26 bytes a bit */
	assert_true(report(0, 64, PAGE) == UINT64_MAX);
	word = 0;
	assert_int_equal(
		medio_iommu_dirty_report(domain, 0, UINT64_C(1) << 63, UINT64_C(1) << 58, &word, 8),
		0);
	assert_int_equal(word, 1);
	assert_int_equal(
		medio_iommu_dirty_report(domain, 0, UINT64_C(1) << 63, UINT64_C(1) << 58, &word, 8),
		0);
	assert_int_equal(word, 0);
}

static void without_room_for_bitmaps_a_mapping_is_dirty_as_a_whole(void **state)
{
	/* Each would take 8 MiB; eight of them fill the domain's share. */
	const uint64_t size = MEDIO_DIRTY_MAPPING_BITS * PAGE;
	uint64_t word = 0;
	for (uint64_t i = 1; i < 12; i++) {
		assert_int_equal(medio_iommu_map(domain, i * size, size, RW, -1, 0, NULL), 0);
	}
	start(PAGE);
	for (uint64_t i = 1; i < 12; i++)
		medio_iommu_dirty(domain, i * size + 3 * PAGE, 1);
	assert_true(domain->log.bytes <= MEDIO_DIRTY_DOMAIN_BYTES);
	assert_int_equal(medio_iommu_dirty_report(domain, size, 2 * PAGE, PAGE, &word, 8), 0);
	assert_int_equal(word, 0);
	assert_int_equal(medio_iommu_dirty_report(domain, 11 * size, 2 * PAGE, PAGE, &word, 8), 0);
	assert_int_equal(word, 3);
	/* Until all of it was reported. */
	assert_int_equal(medio_iommu_dirty_report(domain, 0, 16 * size, size, &word, 8), 0);
	assert_int_equal(word, 0xffe);
	assert_int_equal(medio_iommu_dirty_report(domain, 0, 16 * size, size, &word, 8), 0);
	assert_int_equal(word, 0);
}

static void random_writes_are_reported_exactly(void **state)
{
	uint8_t want[192] = { 0 };
	uint64_t seed = 3, bitmap[3];
	start(PAGE);
	for (unsigned round = 0; round < 2000; round++) {
		for (unsigned i = 0; i < 6; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			unsigned page = (seed >> 33) % 190, n = (seed >> 50) % 3;
			medio_iommu_dirty(domain, (uint64_t)page * PAGE, n * PAGE);
			memset(want + page, 1, n);
		}
		unsigned from = (seed >> 20) % 192, n = 1 + (seed >> 40) % (192 - from);
		assert_int_equal(medio_iommu_dirty_report(domain, (uint64_t)from * PAGE,
					 (uint64_t)n * PAGE, PAGE, bitmap, sizeof(bitmap)),
			0);
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(bitmap[i / 64] >> (i % 64) & 1, want[from + i]);
			want[from + i] = 0;
		}
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(start_checks_its_arguments),
		TEST(report_checks_its_arguments),
		TEST(the_bitmaps_size_is_whole_words),
		TEST(writes_are_reported_once),
		TEST(reads_leave_pages_clean),
		TEST(translating_for_writing_marks_also_after_a_hit),
		TEST(translating_marks_also_among_many_mappings),
		TEST(devices_mark_what_they_write_by_pointer),
		TEST(only_the_ranges_are_logged),
		TEST(a_smaller_report_page_repeats_bits),
		TEST(a_larger_report_page_folds_bits),
		TEST(a_page_of_the_log_that_a_report_cuts_stays_dirty),
		TEST(pages_pinned_for_writing_stay_dirty),
		TEST(unmap_reports_what_was_written),
		TEST(huge_mappings_cost_little_and_report_too_much_at_worst),
		TEST(without_room_for_bitmaps_a_mapping_is_dirty_as_a_whole),
		TEST(random_writes_are_reported_exactly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
