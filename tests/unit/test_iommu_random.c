/* SPDX-License-Identifier: BSD-3-Clause */
/* Random operations against a reference that is too simple to be wrong: an array of pages. */
#include "iommu/iommu.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE	   4096u
#define SPACE	   2048u /* pages of iova */
#define FILE_PAGES 2048u
#define R	   MEDIO_PROT_READ
#define W	   MEDIO_PROT_WRITE

static struct {
	unsigned id; /* of the mapping; 0: none */
	unsigned prot;
	bool remote;
	unsigned file_page;
} ref[SPACE];

static struct medio_iommu *domain;
static uint8_t *file; /* an own view of the memory */
static uint64_t base; /* iova of page 0 */
static uint64_t seed;

static unsigned rnd(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static void do_map(int fd, unsigned id, unsigned max)
{
	const unsigned at = rnd(SPACE), n = 1 + rnd(max);
	const unsigned prot = 1 + rnd(3), file_page = rnd(FILE_PAGES - max);
	const bool remote = rnd(8) == 0;
	if (at + n > SPACE)
		return;
	int want = 0;
	for (unsigned i = at; i < at + n; i++)
		want = ref[i].id ? -EEXIST : want;
	assert_int_equal(medio_iommu_map(domain, base + (uint64_t)at * PAGE, (uint64_t)n * PAGE,
				 prot, remote ? -1 : fd, (uint64_t)file_page * PAGE, NULL),
		want);
	for (unsigned i = 0; i < n && !want; i++) {
		ref[at + i].id = id;
		ref[at + i].prot = prot;
		ref[at + i].remote = remote;
		ref[at + i].file_page = file_page + i;
	}
}

static void do_unmap(unsigned max)
{
	const unsigned at = rnd(SPACE), n = 1 + rnd(max);
	if (at + n > SPACE)
		return;
	uint64_t bytes = 0, want_bytes = 0;
	int want = 0;
	if (at && ref[at].id && ref[at - 1].id == ref[at].id)
		want = -EINVAL;
	if (at + n < SPACE && ref[at + n].id && ref[at + n - 1].id == ref[at + n].id)
		want = -EINVAL;
	assert_int_equal(medio_iommu_unmap(
				 domain, base + (uint64_t)at * PAGE, (uint64_t)n * PAGE, 0, &bytes),
		want);
	for (unsigned i = at; i < at + n && !want; i++) {
		want_bytes += ref[i].id ? PAGE : 0;
		ref[i].id = 0;
	}
	assert_int_equal(bytes, want_bytes);
}

static void do_translate(void)
{
	const uint64_t off = rnd(SPACE * PAGE - 3 * PAGE);
	const size_t len = 1 + (rnd(2) ? rnd(16) : rnd(3 * PAGE - 1));
	const unsigned prot = 1 + rnd(3);
	int want = 0, err = 0;
	bool contiguous = true;
	for (uint64_t p = off / PAGE; p <= (off + len - 1) / PAGE && !want; p++) {
		if (!ref[p].id)
			want = -EFAULT;
		else if (prot & ~ref[p].prot)
			want = -EACCES;
		else if (ref[p].remote)
			want = -EREMOTE;
		else if (p > off / PAGE && ref[p].file_page != ref[p - 1].file_page + 1)
			contiguous = false;
		/* Writable and read-only memory of one file are separate mmaps. */
		else if (p > off / PAGE && (ref[p].prot & W) != (ref[p - 1].prot & W))
			contiguous = false;
	}
	uint8_t *hva = medio_iommu_translate(domain, base + off, len, prot, &err);
	if (want) {
		assert_null(hva);
		assert_int_equal(err, want);
	} else if (!contiguous) {
		assert_null(hva);
		assert_int_equal(err, -EFAULT);
	} else {
		assert_non_null(hva);
		if (prot & W) {
			hva[0] = (uint8_t)rnd(256);
			hva[len - 1] = (uint8_t)rnd(256);
			assert_int_equal(hva[0],
				file[(uint64_t)ref[off / PAGE].file_page * PAGE + off % PAGE]);
		}
		/* Where it points shows by what is there: each page begins with its number. */
		if (off % PAGE == 0 && len >= 8 && !(prot & W))
			assert_memory_equal(
				hva, file + (uint64_t)ref[off / PAGE].file_page * PAGE, 8);
	}
}

static void do_copy(void)
{
	static uint8_t buf[4 * PAGE];
	const uint64_t off = rnd(SPACE * PAGE - 4 * PAGE);
	const size_t len = 1 + rnd(4 * PAGE - 1);
	const bool write = rnd(2);
	int want = 0;
	for (uint64_t p = off / PAGE; p <= (off + len - 1) / PAGE && !want; p++) {
		if (!ref[p].id)
			want = -EFAULT;
		else if (!(ref[p].prot & (write ? W : R)))
			want = -EACCES;
		else if (ref[p].remote)
			want = -EREMOTE;
	}
	for (unsigned i = 0; i < len; i++)
		buf[i] = (uint8_t)(seed >> (i % 56));
	assert_int_equal(write ? medio_iommu_write(domain, base + off, buf, len)
			       : medio_iommu_read(domain, base + off, buf, len),
		want);
	/* A page may be mapped twice, so only the last byte written is surely there. */
	const uint64_t last = off + len - 1;
	if (!want)
		assert_int_equal(buf[len - 1],
			file[(uint64_t)ref[last / PAGE].file_page * PAGE + last % PAGE]);
}

static void check_table(void)
{
	const struct medio_maptable *t = &domain->table;
	unsigned count = 0;
	uint64_t before = 0;
	for (unsigned l = 0; l < t->num_leaves; l++) {
		assert_true(t->leaf[l]->count > 0 && t->leaf[l]->count <= MEDIO_MAPLEAF_SLOTS);
		count += t->leaf[l]->count;
		for (unsigned s = 0; s < MEDIO_MAPLEAF_SLOTS; s++) {
			if (s >= t->leaf[l]->count) {
				assert_int_equal(t->leaf[l]->page[s], MEDIO_MAP_NONE);
				continue;
			}
			assert_true(t->leaf[l]->page[s] >= before);
			before = t->leaf[l]->page[s] + t->leaf[l]->slot[s].pages;
		}
		if (l + 1 < t->num_leaves)
			assert_true(t->leaf[l]->count + t->leaf[l + 1]->count > 48);
	}
	assert_int_equal(count, t->count);
	for (unsigned i = 0, id = 0; i < SPACE; id = ref[i++].id)
		count -= ref[i].id && ref[i].id != id;
	assert_int_equal(count, 0);
}

static void run(uint64_t at, unsigned max_map, unsigned max_unmap, uint64_t first_seed)
{
	int fd = memfd_create("mem", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)FILE_PAGES * PAGE), 0);
	file = mmap(NULL, (size_t)FILE_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(file != MAP_FAILED);
	for (uint64_t i = 0; i < FILE_PAGES; i++)
		memcpy(file + i * PAGE, &i, sizeof(i));
	assert_int_equal(medio_iommu_new(&medio_iommu_type1, &domain), 0);
	memset(ref, 0, sizeof(ref));
	base = at;
	seed = first_seed;
	for (unsigned i = 1; i <= 60000; i++) {
		switch (rnd(10)) {
		case 0:
		case 1:
		case 2:
			do_map(fd, i, max_map);
			break;
		case 3:
			do_unmap(rnd(20) ? max_unmap : SPACE / 4);
			break;
		case 4:
		case 5:
			do_copy();
			break;
		default:
			do_translate();
		}
		if (i % 2000 == 0)
			check_table();
	}
	medio_iommu_free(domain);
	munmap(file, (size_t)FILE_PAGES * PAGE);
	close(fd);
}

static void few_large_mappings_behave_as_the_reference(void **state)
{
	run(0, 64, 64, 1);
}

static void many_small_mappings_behave_as_the_reference(void **state)
{
	run(UINT64_C(0xfffff000) << 12, 2, 3, 2);
}

static void the_end_of_the_address_space_behaves_as_the_reference(void **state)
{
	run(UINT64_MAX - (uint64_t)SPACE * PAGE + 1, 4, 6, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(few_large_mappings_behave_as_the_reference),
		cmocka_unit_test(many_small_mappings_behave_as_the_reference),
		cmocka_unit_test(the_end_of_the_address_space_behaves_as_the_reference),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
