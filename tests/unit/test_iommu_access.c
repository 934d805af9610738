/* SPDX-License-Identifier: BSD-3-Clause */
/* Translate, copy, iterate, pin; and the fault queue. */
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

static struct medio_iommu *domain;
static int mem, mem2; /* 1024 pages; 4 pages */

static int setup(void **state)
{
	mem = memfd_create("mem", MFD_CLOEXEC);
	mem2 = memfd_create("mem2", MFD_CLOEXEC);
	return ftruncate(mem, (off_t)1024 * PAGE) < 0 || ftruncate(mem2, (off_t)4 * PAGE) < 0 ||
	       medio_iommu_new(&medio_iommu_type1, &domain) < 0;
}

static int teardown(void **state)
{
	medio_iommu_free(domain);
	close(mem);
	close(mem2);
	return 0;
}

static void map(uint64_t page, uint64_t pages, unsigned prot, int fd, uint64_t file_page)
{
	assert_int_equal(medio_iommu_map(domain, page * PAGE, pages * PAGE, prot, fd,
				 file_page * PAGE, NULL),
		0);
}

static int error_of(uint64_t iova, size_t len, unsigned prot)
{
	int err = 0;
	assert_null(medio_iommu_translate(domain, iova, len, prot, &err));
	return err;
}

static void translate_gives_the_files_memory(void **state)
{
	map(16, 4, RW, mem, 8);
	char *p = medio_iommu_translate(domain, 17 * PAGE + 5, 3, RW, NULL);
	assert_non_null(p);
	memcpy(p, "abc", 3);
	char buf[3];
	assert_int_equal(pread(mem, buf, 3, 9 * PAGE + 5), 3);
	assert_memory_equal(buf, "abc", 3);
	/* The whole mapping, its last byte, and nothing asked about. */
	char *all = medio_iommu_translate(domain, 16 * PAGE, 4 * PAGE, R, NULL);
	assert_ptr_equal(all, p - PAGE - 5);
	assert_ptr_equal(
		medio_iommu_translate(domain, 20 * PAGE - 1, 1, R, NULL), all + 4 * PAGE - 1);
	assert_ptr_equal(medio_iommu_translate(domain, 18 * PAGE, 0, R, NULL), all + 2 * PAGE);
}

/* Of more mappings than are remembered: each is right by turns, and gone at once when it is unmapped. */
static void remembered_mappings_are_right_and_forgotten(void **state)
{
	char *at[6];
	for (unsigned i = 0; i < 6; i++) {
		map(16 + 16 * i, 2, i == 1 ? R : RW, mem, 4 * i);
		at[i] = medio_iommu_translate(domain, (16 + 16 * i) * PAGE, PAGE, R, NULL);
		assert_non_null(at[i]);
	}
	for (unsigned n = 0; n < 3 * 6; n++)
		for (unsigned i = n % 6; i < 6; i++) {
			const uint64_t iova = (uint64_t)(16 + 16 * i) * PAGE;
			assert_ptr_equal(
				medio_iommu_translate_quick(domain, iova + 9, 8, R), at[i] + 9);
			assert_null(medio_iommu_translate_quick(domain, iova, 2 * PAGE + 1, R));
			assert_null(medio_iommu_translate_quick(domain, iova - 1, 2, R));
			if (i == 1)
				assert_null(medio_iommu_translate_quick(domain, iova, 8, W));
		}
	for (unsigned i = 0; i < 6; i++) {
		const uint64_t iova = (uint64_t)(16 + 16 * i) * PAGE;
		assert_int_equal(medio_iommu_unmap(domain, iova, 2 * PAGE, 0, NULL), 0);
		for (unsigned j = 0; j < 6; j++) {
			char *now = medio_iommu_translate_quick(
				domain, (uint64_t)(16 + 16 * j) * PAGE, PAGE, R);
			assert_ptr_equal(now, j > i ? at[j] : NULL);
		}
	}
	assert_int_equal(medio_iommu_fault_total(domain), 0);
}

static char *page_of(uint64_t page, unsigned prot)
{
	return medio_iommu_translate_quick(domain, page * PAGE, PAGE, prot);
}

/* Single pages, mapped in any order. One is not to be read, one has memory elsewhere. */
static void single_pages_side_by_side_become_one_hit(void **state)
{
	enum { FIRST = 100, PAGES = 300, WRITE_ONLY = 250, ELSEWHERE = 300 };
	for (uint64_t i = 0, page = 0; i < PAGES; i++, page = (page + 77) % PAGES)
		map(FIRST + page, 1, FIRST + page == WRITE_ONLY ? W : RW,
			FIRST + page == ELSEWHERE ? mem2 : mem,
			FIRST + page == ELSEWHERE ? 0 : page);
	char *first = page_of(FIRST, RW);
	assert_non_null(first);
	/* From wherever it is touched, it grows until it ends at those two. */
	for (unsigned i = 0; i < 8; i++)
		assert_ptr_equal(page_of(FIRST + 17 * i, RW), first + (size_t)17 * i * PAGE);
	assert_int_equal(domain->hits[0].start, FIRST * PAGE);
	assert_int_equal(domain->hits[0].size, (WRITE_ONLY - FIRST) * PAGE);
	for (uint64_t page = FIRST; page < FIRST + PAGES; page++) {
		if (page == ELSEWHERE)
			assert_ptr_not_equal(page_of(page, W), first + (page - FIRST) * PAGE);
		else
			assert_ptr_equal(page_of(page, W), first + (page - FIRST) * PAGE);
		assert_int_equal(!page_of(page, R), page == WRITE_ONLY);
	}
	assert_null(page_of(FIRST - 1, R));
	assert_null(page_of(FIRST + PAGES, R));
	/* One of them goes, and comes back as another. */
	assert_int_equal(medio_iommu_unmap(domain, 150 * PAGE, PAGE, 0, NULL), 0);
	for (uint64_t page = FIRST; page < WRITE_ONLY; page++)
		assert_ptr_equal(
			page_of(page, RW), page == 150 ? NULL : first + (page - FIRST) * PAGE);
	map(150, 1, RW, mem2, 1);
	char *other = page_of(150, RW);
	assert_non_null(other);
	memcpy(other, "other", 5);
	char buf[5];
	assert_int_equal(pread(mem2, buf, 5, PAGE), 5);
	assert_memory_equal(buf, "other", 5);
	for (uint64_t page = FIRST; page < WRITE_ONLY; page++)
		assert_ptr_equal(
			page_of(page, RW), page == 150 ? other : first + (page - FIRST) * PAGE);
}

static void remembered_mappings_grant_no_writes_once_a_log_runs(void **state)
{
	const struct medio_iommu_range range = { 0, 1 << 20 };
	for (unsigned i = 0; i < 4; i++) {
		map(16 + 16 * i, 2, RW, mem, 4 * i);
		assert_non_null(
			medio_iommu_translate_quick(domain, (uint64_t)(16 + 16 * i) * PAGE, 8, RW));
	}
	assert_int_equal(medio_iommu_dirty_start(domain, PAGE, &range, 1), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_null(
			medio_iommu_translate_quick(domain, (uint64_t)(16 + 16 * i) * PAGE, 8, RW));
}

static void translate_refuses_what_is_not_mapped(void **state)
{
	assert_int_equal(error_of(0, 1, R), -EFAULT);
	map(16, 4, RW, mem, 0);
	assert_int_equal(error_of(16 * PAGE - 1, 1, R), -EFAULT);
	assert_int_equal(error_of(16 * PAGE - 1, 2, R), -EFAULT);
	assert_int_equal(error_of(20 * PAGE, 1, R), -EFAULT);
	assert_int_equal(error_of(20 * PAGE, 0, R), -EFAULT);
	assert_int_equal(error_of(20 * PAGE - 1, 2, R), -EFAULT);
	assert_int_equal(error_of(16 * PAGE, 4 * PAGE + 1, R), -EFAULT);
	assert_int_equal(error_of(16 * PAGE, SIZE_MAX, R), -EFAULT);
	assert_int_equal(error_of(UINT64_MAX, 2, R), -EFAULT);
	assert_int_equal(error_of(UINT64_MAX - 10, SIZE_MAX, R), -EFAULT);
	/* Also right after a hit, and without asking why. */
	assert_non_null(medio_iommu_translate(domain, 16 * PAGE, 1, R, NULL));
	assert_null(medio_iommu_translate(domain, 16 * PAGE, SIZE_MAX, R, NULL));
}

static void translate_refuses_what_is_not_permitted(void **state)
{
	map(0, 1, R, mem, 0);
	map(2, 1, W, mem, 2);
	for (int i = 0; i < 2; i++) { /* the second time around the cache answers */
		assert_non_null(medio_iommu_translate(domain, 0, 8, R, NULL));
		assert_int_equal(error_of(0, 8, W), -EACCES);
		assert_int_equal(error_of(0, 8, RW), -EACCES);
		assert_non_null(medio_iommu_translate(domain, 2 * PAGE, 8, W, NULL));
		assert_int_equal(error_of(2 * PAGE, 8, R), -EACCES);
		assert_int_equal(error_of(2 * PAGE, 8, RW), -EACCES);
	}
}

static void remote_memory_has_no_pointer(void **state)
{
	map(0, 1, RW, mem, 0);
	map(1, 1, RW, -1, 0);
	assert_int_equal(error_of(PAGE, 8, R), -EREMOTE);
	assert_int_equal(error_of(PAGE - 4, 8, R), -EREMOTE);
	/* That is an answer, not a fault. */
	assert_int_equal(medio_iommu_fault_count(domain), 0);
	char buf[8];
	assert_int_equal(medio_iommu_read(domain, PAGE - 4, buf, 8), -EREMOTE);
	assert_int_equal(medio_iommu_fault_count(domain), 1);
}

static void adjacent_mappings_of_adjacent_memory_are_one_piece(void **state)
{
	map(0, 1, RW, mem, 4);
	map(1, 2, RW, mem, 5);
	map(3, 1, RW, mem, 9);	/* same file, elsewhere */
	map(4, 1, RW, mem2, 0); /* another file */
	map(5, 1, RW, mem2, 1);
	map(6, 1, RW, mem2, 2);
	char *p = medio_iommu_translate(domain, 0, 3 * PAGE, RW, NULL);
	assert_non_null(p);
	assert_ptr_equal(medio_iommu_translate(domain, 2 * PAGE, 8, R, NULL), p + 2 * PAGE);
	assert_ptr_equal(medio_iommu_translate(domain, PAGE - 4, 8, R, NULL), p + PAGE - 4);
	assert_int_equal(error_of(0, 3 * PAGE + 1, R), -EFAULT);
	assert_int_equal(error_of(4 * PAGE - 1, 2, R), -EFAULT);
	assert_non_null(medio_iommu_translate(domain, 5 * PAGE - 1, PAGE + 2, R, NULL));
	assert_int_equal(medio_iommu_fault_count(domain), 0);
	/* What one of them does not permit, the piece does not. */
	assert_int_equal(medio_iommu_unmap(domain, 5 * PAGE, PAGE, 0, NULL), 0);
	map(5, 1, R, mem2, 1);
	assert_int_equal(error_of(4 * PAGE, 2 * PAGE, RW), -EACCES);
}

static void a_translation_ends_with_its_mapping(void **state)
{
	map(0, 1, RW, mem, 0);
	map(1, 1, RW, mem, 1);
	assert_non_null(medio_iommu_translate(domain, 0, 2 * PAGE, RW, NULL));
	assert_int_equal(medio_iommu_unmap(domain, PAGE, PAGE, 0, NULL), 0);
	assert_int_equal(error_of(PAGE, 1, R), -EFAULT);
	assert_int_equal(error_of(0, PAGE + 1, R), -EFAULT);
	map(1, 1, R, mem, 7);
	assert_int_equal(error_of(PAGE, 1, W), -EACCES);
	assert_int_equal(medio_iommu_write(domain, PAGE, "x", 1), -EACCES);
}

static void cached_translations_end_with_their_mappings_among_many(void **state)
{
	/* Enough mappings for a TLB, each translated twice. */
	for (unsigned i = 0; i < 500; i++)
		map(2 * i, 1, RW, mem, i);
	assert_non_null(domain->tlb.entry);
	char *base = medio_iommu_translate(domain, 0, 1, RW, NULL);
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t n = i % 500;
		assert_ptr_equal(medio_iommu_translate(domain, 2 * n * PAGE + 9, 16, RW, NULL),
			base + n * PAGE + 9);
	}
	assert_true(domain->tlb.used);
	/* One by one, some with another permission or place afterwards. */
	for (unsigned i = 0; i < 500; i += 5) {
		assert_int_equal(medio_iommu_unmap(domain, 2 * i * PAGE, PAGE, 0, NULL), 0);
		assert_int_equal(error_of(2 * i * PAGE + 9, 16, R), -EFAULT);
		map(2 * i, 1, R, mem, 1023);
		assert_int_equal(error_of(2 * i * PAGE + 9, 16, W), -EACCES);
		assert_non_null(medio_iommu_translate(domain, 2 * i * PAGE + 9, 16, R, NULL));
	}
	/* All at once. */
	assert_int_equal(medio_iommu_unmap(domain, 0, 900 * PAGE, 0, NULL), 0);
	for (unsigned i = 0; i < 450; i++)
		assert_int_equal(error_of(2 * i * PAGE + 9, 16, R), -EFAULT);
	assert_non_null(medio_iommu_translate(domain, 902 * PAGE, 16, RW, NULL));
	assert_int_equal(medio_iommu_unmap(domain, 0, 0, MEDIO_UNMAP_ALL, NULL), 0);
	assert_null(domain->tlb.entry);
}

static void copies_cross_mappings(void **state)
{
	char out[3 * PAGE], in[3 * PAGE];
	map(0, 1, RW, mem, 7);
	map(1, 1, RW, mem2, 1);
	map(2, 2, RW, mem, 3);
	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7 + (i >> 8));
	assert_int_equal(medio_iommu_write(domain, 100, out, sizeof(out)), 0);
	assert_int_equal(medio_iommu_read(domain, 100, in, sizeof(in)), 0);
	assert_memory_equal(in, out, sizeof(out));
	assert_int_equal(pread(mem2, in, PAGE, PAGE), PAGE);
	assert_memory_equal(in, out + PAGE - 100, PAGE);
	assert_int_equal(medio_iommu_read(domain, 12345678, NULL, 0), 0);
	assert_int_equal(medio_iommu_write(domain, UINT64_MAX, NULL, 0), 0);
}

static void copies_are_all_or_nothing(void **state)
{
	char buf[3 * PAGE];
	map(0, 1, RW, mem, 0);
	map(1, 1, R, mem, 1);
	map(2, 1, W, mem, 2);
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(medio_iommu_write(domain, 0, buf, 2 * PAGE), -EACCES);
	assert_int_equal(medio_iommu_write(domain, PAGE - 1, buf, 2), -EACCES);
	assert_int_equal(medio_iommu_write(domain, 3 * PAGE - 1, buf, 2), -EFAULT);
	assert_int_equal(medio_iommu_write(domain, UINT64_MAX, buf, 2), -EFAULT);
	char was[3 * PAGE];
	assert_int_equal(pread(mem, was, sizeof(was), 0), sizeof(was));
	for (unsigned i = 0; i < sizeof(was); i++)
		assert_int_equal(was[i], 0);
	assert_int_equal(medio_iommu_read(domain, 0, buf, 3 * PAGE), -EACCES);
	for (unsigned i = 0; i < sizeof(buf); i++)
		assert_int_equal(buf[i], 'x');
	assert_int_equal(medio_iommu_read(domain, 0, buf, 2 * PAGE), 0);
	assert_int_equal(buf[0], 0);
}

static void the_iterator_gives_runs_of_one_kind(void **state)
{
	struct medio_iommu_iter it;
	struct medio_iommu_run run;
	map(0, 1, RW, mem, 4);
	map(1, 1, RW, mem, 5); /* joins */
	map(2, 1, RW, -1, 0);
	map(3, 1, RW, -1, 0); /* joins */
	map(4, 1, RW, mem, 0);
	map(5, 1, R, mem, 1); /* would join, but is not to be written */
	assert_int_equal(medio_iommu_iter_init(&it, domain, 10, 5 * PAGE - 10, RW), 0);
	assert_int_equal(medio_iommu_iter_next(&it, 0, &run), 1);
	assert_int_equal(run.iova, 10);
	assert_int_equal(run.len, 2 * PAGE - 10);
	assert_ptr_equal(run.hva, medio_iommu_translate(domain, 10, 1, R, NULL));
	assert_int_equal(medio_iommu_iter_next(&it, PAGE + 1, &run), 1);
	assert_int_equal(run.iova, 2 * PAGE);
	assert_int_equal(run.len, PAGE + 1);
	assert_null(run.hva);
	assert_int_equal(medio_iommu_iter_next(&it, PAGE + 1, &run), 1);
	assert_int_equal(run.iova, 3 * PAGE + 1);
	assert_int_equal(run.len, PAGE - 1);
	assert_int_equal(medio_iommu_iter_next(&it, 0, &run), 1);
	assert_int_equal(run.iova, 4 * PAGE);
	assert_int_equal(run.len, PAGE);
	assert_int_equal(medio_iommu_iter_next(&it, 0, &run), 0);

	assert_int_equal(medio_iommu_iter_init(&it, domain, 0, 6 * PAGE, W), -EACCES);
	assert_int_equal(medio_iommu_iter_init(&it, domain, 0, 7 * PAGE, R), -EFAULT);
	assert_int_equal(medio_iommu_iter_init(&it, domain, 0, UINT64_MAX, R), -EFAULT);
	assert_int_equal(medio_iommu_iter_init(&it, domain, 99 * PAGE, 0, R), 0);
	assert_int_equal(medio_iommu_iter_next(&it, 0, &run), 0);
	/* A mapping that goes in between. */
	assert_int_equal(medio_iommu_iter_init(&it, domain, 0, 3 * PAGE, R), 0);
	assert_int_equal(medio_iommu_iter_next(&it, 0, &run), 1);
	assert_int_equal(medio_iommu_unmap(domain, 2 * PAGE, PAGE, 0, NULL), 0);
	assert_int_equal(medio_iommu_iter_next(&it, 0, &run), -EFAULT);
}

/* ---- Pins ------------------------------------------------------------------------------------ */

struct owner {
	unsigned calls, obey_at; /* unpin at this call; 0: never */
};

static void on_unmap(void *opaque, uint64_t iova, uint64_t size)
{
	struct owner *o = opaque;
	if (++o->calls == o->obey_at)
		medio_iommu_unpin(domain, iova, (unsigned)(size / PAGE));
}

static unsigned pinned(void)
{
	struct medio_iommu_stats stats;
	medio_iommu_stats(domain, &stats);
	return stats.pinned;
}

static uint64_t forced(void)
{
	struct medio_iommu_stats stats;
	medio_iommu_stats(domain, &stats);
	return stats.pins_forced;
}

static void pin_checks_its_arguments(void **state)
{
	struct owner o = { 0 };
	void *pages[513];
	map(0, 1000, RW, mem, 0);
	assert_int_equal(medio_iommu_pin(domain, 0, 1, R, pages), -EINVAL); /* nobody is told */
	medio_iommu_set_notify(domain, on_unmap, &o);
	assert_int_equal(medio_iommu_pin(domain, 0, 0, R, pages), -EINVAL);
	assert_int_equal(medio_iommu_pin(domain, 1, 1, R, pages), -EINVAL);
	assert_int_equal(medio_iommu_pin(domain, 0, 513, R, pages), -E2BIG);
	assert_int_equal(medio_iommu_pin(domain, 1000 * PAGE, 1, R, pages), -EINVAL);
	assert_int_equal(medio_iommu_pin(domain, 999 * PAGE, 2, R, pages), -EINVAL);
	assert_int_equal(medio_iommu_pin(domain, UINT64_MAX - PAGE + 1, 2, R, pages), -EINVAL);
	map(1000, 1, R, mem, 1000);
	assert_int_equal(medio_iommu_pin(domain, 999 * PAGE, 2, RW, pages), -EPERM);
	map(1001, 1, RW, -1, 0);
	assert_int_equal(medio_iommu_pin(domain, 1000 * PAGE, 2, R, pages), -EREMOTE);
	assert_int_equal(pinned(), 0);
	assert_int_equal(medio_iommu_pin(domain, 0, 512, RW, pages), 512);
	assert_int_equal(pinned(), 512);
}

static void pin_gives_pointers_across_mappings(void **state)
{
	struct owner o = { 0 };
	void *pages[4];
	medio_iommu_set_notify(domain, on_unmap, &o);
	map(0, 2, RW, mem, 8);
	map(2, 1, RW, mem2, 3);
	map(3, 1, RW, mem, 0);
	assert_int_equal(medio_iommu_pin(domain, 0, 4, RW, pages), 4);
	for (unsigned i = 0; i < 4; i++)
		assert_ptr_equal(pages[i],
			medio_iommu_translate(domain, (uint64_t)i * PAGE, PAGE, RW, NULL));
}

static void pins_count_per_page(void **state)
{
	struct owner o = { 0 };
	void *pages[4];
	medio_iommu_set_notify(domain, on_unmap, &o);
	map(0, 8, RW, mem, 0);
	assert_int_equal(medio_iommu_pin(domain, 0, 4, R, pages), 4);
	assert_int_equal(medio_iommu_pin(domain, 2 * PAGE, 4, R, pages), 4);
	assert_int_equal(pinned(), 6);
	medio_iommu_unpin(domain, 0, 4);
	assert_int_equal(pinned(), 4);
	medio_iommu_unpin(domain, 0, 4); /* pages 2 and 3 only */
	assert_int_equal(pinned(), 2);
	medio_iommu_unpin(domain, 7, 8); /* unaligned */
	assert_int_equal(pinned(), 2);
	medio_iommu_unpin(domain, 0, 1000);
	assert_int_equal(pinned(), 0);
	assert_null(domain->pins.entry);
}

static void the_pin_limit_counts_distinct_pages_and_rolls_back(void **state)
{
	struct owner o = { 0 };
	void *pages[8];
	medio_iommu_set_notify(domain, on_unmap, &o);
	medio_iommu_set_pin_limit(domain, 4);
	map(0, 8, RW, mem, 0);
	assert_int_equal(medio_iommu_pin(domain, 0, 5, R, pages), -ENOMEM);
	assert_int_equal(pinned(), 0);
	assert_int_equal(medio_iommu_pin(domain, 0, 3, R, pages), 3);
	assert_int_equal(medio_iommu_pin(domain, 0, 4, R, pages), 4);
	assert_int_equal(medio_iommu_pin(domain, 0, 4, R, pages), 4);
	assert_int_equal(medio_iommu_pin(domain, 3 * PAGE, 2, R, pages), -ENOMEM);
	assert_int_equal(pinned(), 4);
}

static void unmap_asks_until_pins_are_gone(void **state)
{
	struct owner o = { .obey_at = 3 };
	void *pages[4];
	medio_iommu_set_notify(domain, on_unmap, &o);
	map(0, 4, RW, mem, 0);
	map(4, 4, RW, mem, 4);
	assert_int_equal(medio_iommu_pin(domain, 0, 4, R, pages), 4);
	assert_int_equal(medio_iommu_unmap(domain, 0, 4 * PAGE, 0, NULL), 0);
	assert_int_equal(o.calls, 3);
	assert_int_equal(pinned(), 0);
	assert_int_equal(forced(), 0);
	/* The other mapping has none: once. */
	assert_int_equal(medio_iommu_unmap(domain, 4 * PAGE, 4 * PAGE, 0, NULL), 0);
	assert_int_equal(o.calls, 4);
}

static void unmap_drops_pins_by_force_after_ten_tries(void **state)
{
	struct owner o = { 0 };
	void *pages[4];
	medio_iommu_set_notify(domain, on_unmap, &o);
	map(0, 4, RW, mem, 0);
	map(100, 4, RW, mem, 4);
	assert_int_equal(medio_iommu_pin(domain, 0, 4, R, pages), 4);
	assert_int_equal(medio_iommu_pin(domain, PAGE, 1, R, pages), 1);
	assert_int_equal(medio_iommu_pin(domain, 100 * PAGE, 1, R, pages), 1);
	assert_int_equal(medio_iommu_unmap(domain, 0, 4 * PAGE, 0, NULL), 0);
	assert_int_equal(o.calls, 10);
	assert_int_equal(forced(), 4);
	assert_int_equal(pinned(), 1);
}

static void the_pin_table_keeps_thousands_of_pages_apart(void **state)
{
	struct medio_pintable t = { 0 };
	uint8_t want[4096] = { 0 };
	uint64_t seed = 1;
	unsigned distinct = 0;
	for (unsigned i = 0; i < 100000; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		unsigned n = seed >> 40 & 4095;
		uint64_t page = n * UINT64_C(0x100001); /* far apart */
		if ((seed >> 60) % 2 && want[n] < 200) {
			assert_int_equal(medio_pintable_reserve(&t, 1), 0);
			medio_pintable_add(&t, page, false);
			distinct += !want[n]++;
		} else {
			assert_int_equal(medio_pintable_drop(&t, page, false), want[n] > 0);
			distinct -= want[n] == 1;
			want[n] -= want[n] > 0;
		}
		assert_int_equal(t.count, distinct);
	}
	for (unsigned n = 0; n < 4096; n++) {
		struct medio_pin *pin = medio_pintable_find(&t, n * UINT64_C(0x100001));
		assert_int_equal(pin ? pin->count : 0, want[n]);
	}
	assert_int_equal(medio_pintable_within(&t, 0, UINT64_MAX >> 12), distinct);
	assert_int_equal(medio_pintable_force(&t, 0, UINT64_MAX >> 12), distinct);
	assert_null(t.entry);
}

/* ---- Faults ---------------------------------------------------------------------------------- */

static void faults_say_what_was_wrong_and_where(void **state)
{
	static const char *const want[] = {
		"iova 0x9000 size 0x10 write: not mapped",
		"iova 0x0 size 0x1001 read: not mapped at 0x1000",
		"iova 0x8 size 0x8 write: not permitted by the mapping",
		"iova 0x3000 size 0x4 read: client memory that cannot be mapped",
		"iova 0x7 size 0x2 read: bus mastering is off",
	};
	char buf[16] = { 0 }, text[128], big[PAGE + 1];
	struct medio_iommu_fault f;
	map(0, 1, R, mem, 0);
	map(3, 1, RW, -1, 0);
	assert_int_equal(medio_iommu_write(domain, 0x9000, buf, 16), -EFAULT);
	assert_int_equal(medio_iommu_read(domain, 0, big, sizeof(big)), -EFAULT);
	assert_null(medio_iommu_translate(domain, 8, 8, W, NULL));
	assert_int_equal(medio_iommu_read(domain, 0x3000, buf, 4), -EREMOTE);
	medio_iommu_fault_add(domain, 7, 2, R, MEDIO_FAULT_BUS_MASTER);
	assert_int_equal(medio_iommu_fault_count(domain), 5);
	uint64_t before = 0;
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(medio_iommu_fault_get(domain, 0, &f), 0);
		assert_int_equal(medio_iommu_fault_take(domain, &f), 0);
		int len = medio_iommu_fault_print(&f, text, sizeof(text));
		assert_string_equal(text, want[i]);
		assert_int_equal(len, strlen(want[i]));
		assert_true(f.time_ns >= before);
		before = f.time_ns;
	}
	assert_int_equal(medio_iommu_fault_take(domain, &f), -ENOENT);
	assert_int_equal(medio_iommu_fault_get(domain, 0, &f), -ENOENT);
	assert_int_equal(medio_iommu_fault_print(&f, text, 5), strlen(want[4]));
	assert_string_equal(text, "iova");
}

static void the_queue_keeps_the_last_64_and_counts_the_rest(void **state)
{
	struct medio_iommu_fault f;
	char c;
	/* Before the first map, it is short. */
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(medio_iommu_read(domain, i, &c, 1), -EFAULT);
	assert_int_equal(medio_iommu_fault_count(domain), MEDIO_IOMMU_FAULTS_EMPTY);
	assert_int_equal(medio_iommu_fault_lost(domain), 10 - MEDIO_IOMMU_FAULTS_EMPTY);
	map(100, 1, RW, mem, 0);
	assert_int_equal(medio_iommu_fault_get(domain, MEDIO_IOMMU_FAULTS_EMPTY - 1, &f), 0);
	assert_int_equal(f.iova, 9);
	for (uint64_t i = 10; i < 1000; i++)
		assert_int_equal(medio_iommu_read(domain, i, &c, 1), -EFAULT);
	assert_int_equal(medio_iommu_fault_count(domain), 64);
	assert_int_equal(medio_iommu_fault_total(domain), 1000);
	assert_int_equal(medio_iommu_fault_lost(domain), 1000 - 64);
	for (uint64_t i = 0; i < 64; i++) {
		assert_int_equal(medio_iommu_fault_take(domain, &f), 0);
		assert_int_equal(f.iova, 1000 - 64 + i);
	}
	assert_int_equal(medio_iommu_fault_count(domain), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(translate_gives_the_files_memory),
		TEST(remembered_mappings_are_right_and_forgotten),
		TEST(single_pages_side_by_side_become_one_hit),
		TEST(remembered_mappings_grant_no_writes_once_a_log_runs),
		TEST(translate_refuses_what_is_not_mapped),
		TEST(translate_refuses_what_is_not_permitted),
		TEST(remote_memory_has_no_pointer),
		TEST(adjacent_mappings_of_adjacent_memory_are_one_piece),
		TEST(a_translation_ends_with_its_mapping),
		TEST(cached_translations_end_with_their_mappings_among_many),
		TEST(copies_cross_mappings),
		TEST(copies_are_all_or_nothing),
		TEST(the_iterator_gives_runs_of_one_kind),
		TEST(pin_checks_its_arguments),
		TEST(pin_gives_pointers_across_mappings),
		TEST(pins_count_per_page),
		TEST(the_pin_limit_counts_distinct_pages_and_rolls_back),
		TEST(unmap_asks_until_pins_are_gone),
		TEST(unmap_drops_pins_by_force_after_ten_tries),
		TEST(the_pin_table_keeps_thousands_of_pages_apart),
		TEST(faults_say_what_was_wrong_and_where),
		TEST(the_queue_keeps_the_last_64_and_counts_the_rest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
