/* SPDX-License-Identifier: BSD-3-Clause */
/* Map and unmap: type1's errno and range semantics, and how files are mapped. */
#include "iommu/iommu.h"

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

#define PAGE 4096u
#define R    MEDIO_PROT_READ
#define W    MEDIO_PROT_WRITE
#define RW   (R | W)
#define TOP  (UINT64_MAX - PAGE + 1) /* the last page */

static struct medio_iommu *domain;
static int mem; /* 16 pages */

static int setup(void **state)
{
	mem = memfd_create("mem", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return mem < 0 || ftruncate(mem, (off_t)16 * PAGE) < 0 ||
	       medio_iommu_new(&medio_iommu_type1, &domain) < 0;
}

static int teardown(void **state)
{
	medio_iommu_free(domain);
	close(mem);
	return 0;
}

/* Map, and see that a failure has words and left things as they were. */
static int map(uint64_t iova, uint64_t size, unsigned prot, int fd, uint64_t offset)
{
	struct medio_error *err = NULL;
	struct medio_iommu_stats before, after;
	medio_iommu_stats(domain, &before);
	int ret = medio_iommu_map(domain, iova, size, prot, fd, offset, &err);
	medio_iommu_stats(domain, &after);
	if (ret < 0) {
		assert_non_null(err);
		assert_true(strlen(medio_error_text(err)) > 5);
		assert_int_equal(after.mappings, before.mappings);
		assert_int_equal(after.segments, before.segments);
	} else {
		assert_null(err);
		assert_int_equal(after.mappings, before.mappings + 1);
	}
	medio_error_free(err);
	return ret;
}

static int unmap(uint64_t iova, uint64_t size, uint64_t *bytes)
{
	*bytes = 12345;
	return medio_iommu_unmap(domain, iova, size, 0, bytes);
}

static unsigned mappings(void)
{
	struct medio_iommu_stats stats;
	medio_iommu_stats(domain, &stats);
	return stats.mappings;
}

static unsigned segments(void)
{
	struct medio_iommu_stats stats;
	medio_iommu_stats(domain, &stats);
	return stats.segments;
}

static void map_refuses_size_0_misalignment_and_bad_permissions(void **state)
{
	assert_int_equal(map(0, 0, RW, mem, 0), -EINVAL);
	assert_int_equal(map(1, PAGE, RW, mem, 0), -EINVAL);
	assert_int_equal(map(512, PAGE, RW, mem, 0), -EINVAL);
	assert_int_equal(map(0, PAGE + 1, RW, mem, 0), -EINVAL);
	assert_int_equal(map(0, 100, RW, mem, 0), -EINVAL);
	assert_int_equal(map(0, PAGE, RW, mem, 17), -EINVAL);
	assert_int_equal(map(0, PAGE, 0, mem, 0), -EINVAL);
	assert_int_equal(map(0, PAGE, 4, mem, 0), -EINVAL);
	assert_int_equal(map(0, PAGE, RW | 8, mem, 0), -EINVAL);
	assert_int_equal(map(0, PAGE, 0x80000000u, -1, 0), -EINVAL);
	assert_int_equal(mappings(), 0);
}

static void map_refuses_ranges_that_wrap_around(void **state)
{
	assert_int_equal(map(TOP, 2 * PAGE, RW, mem, 0), -EOVERFLOW);
	assert_int_equal(map(2 * PAGE, TOP, RW, -1, 0), -EOVERFLOW);
	assert_int_equal(map(0, 2 * PAGE, RW, mem, TOP), -EOVERFLOW);
	/* offset + size = 2^64 wraps too: no file is that long. */
	assert_int_equal(map(0, PAGE, RW, mem, TOP), -EOVERFLOW);
}

static void the_last_page_of_the_address_space_can_be_mapped_and_unmapped(void **state)
{
	uint64_t bytes;
	int err = 0;
	assert_int_equal(map(TOP, PAGE, RW, mem, 0), 0);
	assert_non_null(medio_iommu_translate(domain, UINT64_MAX, 1, R, NULL));
	assert_null(medio_iommu_translate(domain, UINT64_MAX, 2, R, &err));
	assert_int_equal(err, -EFAULT);
	assert_int_equal(map(TOP, PAGE, RW, mem, 0), -EEXIST);
	assert_int_equal(unmap(TOP, PAGE, &bytes), 0);
	assert_int_equal(bytes, PAGE);
	assert_int_equal(mappings(), 0);
}

static void the_whole_address_space_but_a_page_is_one_remote_mapping(void **state)
{
	uint64_t bytes;
	assert_int_equal(map(0, TOP, RW, -1, 0), 0);
	assert_int_equal(map(TOP - PAGE, PAGE, RW, -1, 0), -EEXIST);
	assert_int_equal(map(TOP, PAGE, RW, -1, 0), 0);
	assert_int_equal(unmap(0, TOP, &bytes), 0);
	assert_true(bytes == TOP);
	/* All 2^64 bytes do not fit the count. */
	assert_int_equal(map(0, TOP, RW, -1, 0), 0);
	assert_int_equal(medio_iommu_unmap(domain, 0, 0, MEDIO_UNMAP_ALL, &bytes), 0);
	assert_true(bytes == UINT64_MAX);
}

static void overlaps_are_refused_and_neighbours_are_not(void **state)
{
	assert_int_equal(map(4 * PAGE, 4 * PAGE, RW, mem, 0), 0);
	assert_int_equal(map(4 * PAGE, 4 * PAGE, RW, mem, 0), -EEXIST);
	assert_int_equal(map(7 * PAGE, PAGE, RW, mem, 0), -EEXIST);
	assert_int_equal(map(3 * PAGE, 2 * PAGE, RW, mem, 0), -EEXIST);
	assert_int_equal(map(0, 16 * PAGE, RW, mem, 0), -EEXIST);
	assert_int_equal(map(5 * PAGE, PAGE, RW, -1, 0), -EEXIST);
	assert_int_equal(map(3 * PAGE, PAGE, RW, mem, 0), 0);
	assert_int_equal(map(8 * PAGE, PAGE, RW, -1, 0), 0);
	assert_int_equal(mappings(), 3);
}

static void ranges_behind_the_end_of_the_file_are_refused(void **state)
{
	assert_int_equal(map(0, 17 * PAGE, RW, mem, 0), -EINVAL);
	assert_int_equal(map(0, PAGE, RW, mem, 16 * PAGE), -EINVAL);
	assert_int_equal(map(0, PAGE, RW, mem, UINT64_C(1) << 62), -EINVAL);
}

/* The rest of it is there, and nobody's. */
static void the_last_page_of_a_file_need_not_be_whole(void **state)
{
	char byte = 1;
	assert_int_equal(ftruncate(mem, 15 * PAGE + 100), 0);
	assert_int_equal(map(0, 17 * PAGE, RW, mem, 0), -EINVAL);
	assert_int_equal(map(0, 16 * PAGE, RW, mem, 0), 0);
	assert_int_equal(medio_iommu_write(domain, 16 * PAGE - 1, &byte, 1), 0);
	assert_int_equal(medio_iommu_read(domain, 15 * PAGE + 99, &byte, 1), 0);
	assert_int_equal(byte, 0);
}

/* /dev/zero is one: its memory is new each time that it is mapped. */
static void a_file_without_a_size_is_mapped_piece_by_piece_where_that_was_asked_for(void **state)
{
	int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
	struct medio_iommu_stats stats;
	char byte = 1;
	assert_true(zero >= 0);
	assert_int_equal(map(0, PAGE, RW, zero, 0), -EINVAL);
	medio_iommu_set_unsized(domain, true);
	assert_int_equal(map(0, PAGE, RW, zero, 0), 0);
	assert_int_equal(map(PAGE, 4 * PAGE, RW, zero, 0), 0);
	assert_int_equal(map(TOP, PAGE, R, zero, (uint64_t)PAGE << 20), 0);
	medio_iommu_stats(domain, &stats);
	assert_int_equal(stats.segments, 3);
	assert_int_equal(medio_iommu_write(domain, 0, &byte, 1), 0);
	assert_int_equal(medio_iommu_read(domain, PAGE, &byte, 1), 0);
	assert_int_equal(byte, 0);
	assert_int_equal(medio_iommu_write(domain, TOP, &byte, 1), -EACCES);
	/* The others are as they were: shared, and checked. */
	assert_int_equal(map(8 * PAGE, PAGE, RW, mem, 0), 0);
	assert_int_equal(map(9 * PAGE, PAGE, RW, mem, PAGE), 0);
	assert_int_equal(map(16 * PAGE, PAGE, RW, mem, (uint64_t)16 * PAGE), -EINVAL);
	medio_iommu_stats(domain, &stats);
	assert_int_equal(stats.segments, 4);
	/* Its memory goes with the mapping. */
	assert_int_equal(medio_iommu_unmap(domain, 0, PAGE, 0, NULL), 0);
	assert_int_equal(map(0, PAGE, RW, zero, 0), 0);
	byte = 1;
	assert_int_equal(medio_iommu_read(domain, 0, &byte, 1), 0);
	assert_int_equal(byte, 0);
	close(zero);
}

static void only_open_regular_files_can_be_mapped(void **state)
{
	int pipes[2], folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(map(0, PAGE, R, pipes[0], 0), -EINVAL);
	assert_int_equal(map(0, PAGE, R, folder, 0), -EINVAL);
	assert_int_equal(map(0, PAGE, RW, null, 0), -EINVAL);
	close(pipes[0]);
	close(pipes[1]);
	close(folder);
	close(null);
	assert_int_equal(map(0, PAGE, R, pipes[0], 0), -EBADF);
	assert_int_equal(map(0, PAGE, R, -7, 0), -EBADF);
}

static int reopen(int fd, int flags)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int ret = open(path, flags | O_CLOEXEC);
	assert_true(ret >= 0);
	return ret;
}

static void the_file_must_permit_what_the_mapping_asks(void **state)
{
	int ro = reopen(mem, O_RDONLY), wo = reopen(mem, O_WRONLY), path = reopen(mem, O_PATH);
	assert_int_equal(map(0, PAGE, W, ro, 0), -EACCES);
	assert_int_equal(map(0, PAGE, RW, ro, 0), -EACCES);
	assert_int_equal(map(0, PAGE, W, wo, 0), -EACCES);
	assert_int_equal(map(0, PAGE, R, path, 0), -EBADF);
	assert_int_equal(map(0, PAGE, R, ro, 0), 0);
	/* Also when the file is mapped writable already. */
	assert_int_equal(map(PAGE, PAGE, RW, mem, 0), 0);
	assert_int_equal(map(2 * PAGE, PAGE, RW, ro, 0), -EACCES);
	close(ro);
	close(wo);
	close(path);
}

static void a_seal_against_writing_counts(void **state)
{
	int sealed = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(pwrite(sealed, "abcd", 4, 0), 4);
	assert_int_equal(ftruncate(sealed, PAGE), 0);
	assert_int_equal(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK), 0);
	assert_int_equal(map(0, PAGE, RW, sealed, 0), -EACCES);
	assert_int_equal(map(0, PAGE, R, sealed, 0), 0);
	close(sealed);
	char buf[4];
	assert_int_equal(medio_iommu_read(domain, 0, buf, 4), 0);
	assert_memory_equal(buf, "abcd", 4);
}

static void unmap_checks_its_arguments(void **state)
{
	uint64_t bytes = 7;
	assert_int_equal(map(0, PAGE, RW, mem, 0), 0);
	assert_int_equal(medio_iommu_unmap(domain, 0, 0, 0, &bytes), -EINVAL);
	assert_int_equal(medio_iommu_unmap(domain, 1, PAGE, 0, &bytes), -EINVAL);
	assert_int_equal(medio_iommu_unmap(domain, 0, 1, 0, &bytes), -EINVAL);
	assert_int_equal(medio_iommu_unmap(domain, 0, PAGE, 2, &bytes), -EINVAL);
	assert_int_equal(medio_iommu_unmap(domain, 0, PAGE, MEDIO_UNMAP_ALL, &bytes), -EINVAL);
	assert_int_equal(medio_iommu_unmap(domain, PAGE, 0, MEDIO_UNMAP_ALL, &bytes), -EINVAL);
	assert_int_equal(medio_iommu_unmap(domain, TOP, 2 * PAGE, 0, &bytes), -EOVERFLOW);
	assert_int_equal(bytes, 7);
	assert_int_equal(mappings(), 1);
}

static void unmap_of_a_hole_succeeds_with_0(void **state)
{
	uint64_t bytes;
	assert_int_equal(unmap(0, PAGE, &bytes), 0);
	assert_int_equal(bytes, 0);
	assert_int_equal(map(4 * PAGE, PAGE, RW, mem, 0), 0);
	assert_int_equal(unmap(0, 4 * PAGE, &bytes), 0);
	assert_int_equal(bytes, 0);
	assert_int_equal(unmap(5 * PAGE, UINT64_C(1) << 63, &bytes), 0);
	assert_int_equal(bytes, 0);
	assert_int_equal(mappings(), 1);
	assert_int_equal(medio_iommu_unmap(domain, 0, 0, MEDIO_UNMAP_ALL, NULL), 0);
	assert_int_equal(medio_iommu_unmap(domain, 0, 0, MEDIO_UNMAP_ALL, &bytes), 0);
	assert_int_equal(bytes, 0);
}

static void unmap_that_would_cut_a_mapping_changes_nothing(void **state)
{
	uint64_t bytes;
	assert_int_equal(map(0, PAGE, RW, mem, 0), 0);
	assert_int_equal(map(4 * PAGE, 4 * PAGE, RW, mem, 0), 0);
	assert_int_equal(unmap(4 * PAGE, 2 * PAGE, &bytes), -EINVAL);
	assert_int_equal(unmap(6 * PAGE, 2 * PAGE, &bytes), -EINVAL);
	assert_int_equal(unmap(5 * PAGE, PAGE, &bytes), -EINVAL);
	assert_int_equal(unmap(0, 5 * PAGE, &bytes), -EINVAL);
	assert_int_equal(unmap(7 * PAGE, 100 * PAGE, &bytes), -EINVAL);
	assert_int_equal(bytes, 12345);
	assert_int_equal(mappings(), 2);
	assert_int_equal(unmap(0, 8 * PAGE, &bytes), 0);
	assert_int_equal(bytes, 5 * PAGE);
}

static void a_viommus_power_of_two_unmaps_remove_what_they_contain(void **state)
{
	uint64_t bytes, total = 0;
	assert_int_equal(map(0, PAGE, RW, mem, 0), 0);
	assert_int_equal(map(0xfee0000000, 2 * PAGE, RW, mem, 0), 0);
	assert_int_equal(map(UINT64_C(0x7fffffffffff) - PAGE + 1, PAGE, RW, mem, 0), 0);
	assert_int_equal(map(UINT64_C(0x800000000000), PAGE, RW, mem, 0), 0);
	/* As QEMU covers an address space: [2^n, 2^(n+1)), from the page size up to 2^47. */
	for (unsigned n = 12; n < 47; n++) {
		assert_int_equal(unmap(UINT64_C(1) << n, UINT64_C(1) << n, &bytes), 0);
		total += bytes;
	}
	assert_int_equal(total, 3 * PAGE);
	assert_int_equal(mappings(), 2);
	assert_int_equal(unmap(0, UINT64_C(0x800000000000), &bytes), 0);
	assert_int_equal(bytes, PAGE);
	assert_int_equal(unmap(0, UINT64_C(0x800000000000), &bytes), 0);
	assert_int_equal(bytes, 0);
	assert_int_equal(unmap(0, UINT64_C(1) << 63, &bytes), 0);
	assert_int_equal(bytes, PAGE);
}

static void a_range_unmap_may_end_at_2_to_the_64(void **state)
{
	uint64_t bytes;
	assert_int_equal(map(UINT64_C(1) << 63, PAGE, RW, mem, 0), 0);
	assert_int_equal(map(TOP, PAGE, RW, -1, 0), 0);
	assert_int_equal(unmap(UINT64_C(1) << 63, UINT64_C(1) << 63, &bytes), 0);
	assert_int_equal(bytes, 2 * PAGE);
	assert_int_equal(mappings(), 0);
}

static void map_65535(int fd)
{
	for (unsigned i = 0; i < 65535; i++) {
		/* 40503 is odd: an order that is neither ascending nor descending. */
		uint64_t n = i * UINT64_C(40503) % 65536;
		assert_int_equal(
			medio_iommu_map(domain, n * PAGE, PAGE, RW, fd, n * PAGE, NULL), 0);
	}
	struct medio_error *err = NULL;
	assert_int_equal(
		medio_iommu_map(domain, UINT64_C(1) << 40, PAGE, RW, fd, 0, &err), -ENOSPC);
	assert_non_null(strstr(medio_error_text(err), "65535"));
	medio_error_free(err);
}

static unsigned lines_of(const char *path)
{
	FILE *f = fopen(path, "re");
	unsigned n = 0;
	assert_non_null(f);
	for (int c; (c = getc(f)) != EOF;)
		n += c == '\n';
	fclose(f);
	return n;
}

static void single_pages_of_one_file_fit_65535_times_in_one_mmap(void **state)
{
	uint64_t bytes;
	assert_int_equal(ftruncate(mem, (off_t)65536 * PAGE), 0);
	const unsigned maps = lines_of("/proc/self/maps");
	map_65535(mem);
	assert_int_equal(segments(), 1);
	assert_true(lines_of("/proc/self/maps") < maps + 1000); /* some are the allocator's */
	uint64_t value = 42;
	for (uint64_t n = 0; n < 65536; n += 4096)
		assert_int_equal(pwrite(mem, &n, sizeof(n), (off_t)(n * PAGE)), sizeof(n));
	for (uint64_t n = 0; n < 65536; n += 4096) {
		assert_int_equal(medio_iommu_read(domain, n * PAGE, &value, sizeof(value)), 0);
		assert_int_equal(value, n);
	}
	/* Room again after one went, and the rest goes at once. */
	assert_int_equal(unmap(PAGE, PAGE, &bytes), 0);
	assert_int_equal(map(UINT64_C(1) << 40, PAGE, RW, mem, 0), 0);
	assert_int_equal(unmap(0, UINT64_C(1) << 63, &bytes), 0);
	assert_int_equal(bytes, UINT64_C(65535) * PAGE);
	assert_int_equal(segments(), 0);
}

static void remote_pages_fit_65535_times(void **state)
{
	uint64_t bytes;
	map_65535(-1);
	for (uint64_t n = 0; n < 65535; n++)
		assert_int_equal(unmap(n * UINT64_C(40503) % 65536 * PAGE, PAGE, &bytes), 0);
	assert_int_equal(mappings(), 0);
}

static void mappings_of_one_file_share_memory_until_the_last_goes(void **state)
{
	uint64_t bytes;
	int other = reopen(mem, O_RDWR);
	assert_int_equal(map(0, PAGE, RW, mem, 0), 0);
	assert_int_equal(map(PAGE, PAGE, RW, other, PAGE), 0);
	assert_int_equal(segments(), 1);
	assert_int_equal(map(2 * PAGE, PAGE, R, mem, PAGE), 0);
	assert_int_equal(segments(), 2); /* read-only memory is read-only */
	close(other);
	assert_int_equal(medio_iommu_write(domain, PAGE, "x", 1), 0);
	char c;
	assert_int_equal(medio_iommu_read(domain, 2 * PAGE, &c, 1), 0);
	assert_int_equal(c, 'x');
	assert_int_equal(unmap(0, 2 * PAGE, &bytes), 0);
	assert_int_equal(segments(), 1);
	assert_int_equal(unmap(2 * PAGE, PAGE, &bytes), 0);
	assert_int_equal(segments(), 0);
}

static void a_file_that_grew_is_mapped_further(void **state)
{
	assert_int_equal(map(0, 16 * PAGE, RW, mem, 0), 0);
	assert_int_equal(ftruncate(mem, 32 * PAGE), 0);
	/* Across the old end, and behind it. */
	assert_int_equal(map(16 * PAGE, 2 * PAGE, RW, mem, 15 * PAGE), 0);
	assert_int_equal(map(18 * PAGE, PAGE, RW, mem, 31 * PAGE), 0);
	assert_int_equal(segments(), 2);
	assert_int_equal(pwrite(mem, "end", 3, (off_t)32 * PAGE - 3), 3);
	char *p = medio_iommu_translate(domain, 19 * PAGE - 3, 3, RW, NULL);
	assert_non_null(p);
	assert_memory_equal(p, "end", 3);
	assert_int_equal(medio_iommu_write(domain, 17 * PAGE, "mid", 3), 0);
	char buf[3];
	assert_int_equal(pread(mem, buf, 3, 16 * PAGE), 3);
	assert_memory_equal(buf, "mid", 3);
}

static void a_sparse_file_larger_than_the_address_space_maps_in_parts(void **state)
{
	uint64_t bytes;
	if (ftruncate(mem, (off_t)1 << 60) < 0)
		skip();
	assert_int_equal(map(0, PAGE, RW, mem, 0), 0);
	assert_int_equal(map(PAGE, PAGE, RW, mem, (UINT64_C(1) << 60) - PAGE), 0);
	assert_int_equal(medio_iommu_write(domain, PAGE, "x", 1), 0);
	assert_int_equal(map(UINT64_C(1) << 61, UINT64_C(1) << 60, RW, mem, 0), -ENOMEM);
	assert_int_equal(unmap(0, 2 * PAGE, &bytes), 0);
	assert_int_equal(segments(), 0);
}

static void limits_bound_what_a_client_takes(void **state)
{
	int other = memfd_create("other", MFD_CLOEXEC);
	assert_int_equal(ftruncate(other, PAGE), 0);
	medio_iommu_set_map_limits(domain, 1, UINT64_C(1) << 40);
	assert_int_equal(map(0, PAGE, RW, mem, 0), 0);
	assert_int_equal(map(PAGE, PAGE, RW, mem, 0), 0);
	assert_int_equal(map(2 * PAGE, PAGE, RW, other, 0), -ENOMEM);
	medio_iommu_set_map_limits(domain, 10, 16 * PAGE);
	assert_int_equal(map(2 * PAGE, PAGE, RW, other, 0), -ENOMEM);
	medio_iommu_set_map_limits(domain, 10, 17 * PAGE);
	assert_int_equal(map(2 * PAGE, PAGE, RW, other, 0), 0);
	close(other);
}

static int refuse_low(const struct medio_iommu *d, uint64_t iova, uint64_t size, unsigned prot,
	struct medio_error **err)
{
	return iova < 0x40000 ? medio_iommu_map((struct medio_iommu *)d, 0, 0, 0, -1, 0, err) : 0;
}

static void a_model_decides_pages_aperture_and_number(void **state)
{
	static const struct medio_iommu_model model = {
		.name = "small",
		.page_size = 0x10000,
		.aperture_first = 0x20000,
		.aperture_last = 0x8ffff,
		.max_mappings = 3,
		.check_map = refuse_low,
	};
	medio_iommu_free(domain);
	assert_int_equal(medio_iommu_new(&model, &domain), 0);
	assert_int_equal(map(0x50000, 0x1000, RW, -1, 0), -EINVAL);
	assert_int_equal(map(0x10000, 0x10000, RW, -1, 0), -EINVAL);
	assert_int_equal(map(0x80000, 0x20000, RW, -1, 0), -EINVAL);
	assert_int_equal(map(0x30000, 0x10000, RW, -1, 0), -EINVAL);
	assert_int_equal(map(0x50000, 0x10000, RW, mem, 0x1000), -EINVAL);
	assert_int_equal(map(0x50000, 0x10000, RW, mem, 0), 0);
	assert_int_equal(map(0x60000, 0x10000, RW, -1, 0), 0);
	assert_int_equal(map(0x80000, 0x10000, RW, -1, 0), 0);
	assert_int_equal(map(0x70000, 0x10000, RW, -1, 0), -ENOSPC);
}

struct told {
	uint64_t iova[8], size[8];
	unsigned n;
	unsigned mapped; /* mappings seen during the last call */
	int map, unmap;	 /* what map and unmap returned within */
};

static void on_unmap(void *opaque, uint64_t iova, uint64_t size)
{
	struct told *told = opaque;
	assert_true(told->n < 8);
	told->iova[told->n] = iova;
	told->size[told->n++] = size;
	told->mapped = mappings();
	told->map = medio_iommu_map(domain, 0x100000, PAGE, RW, -1, 0, NULL);
	told->unmap = medio_iommu_unmap(domain, iova, size, 0, NULL);
}

static void the_owner_is_told_of_each_mapping_before_it_goes(void **state)
{
	struct told told = { 0 };
	uint64_t bytes;
	medio_iommu_set_notify(domain, on_unmap, &told);
	assert_int_equal(map(0, PAGE, RW, mem, 0), 0);
	assert_int_equal(map(4 * PAGE, 4 * PAGE, RW, mem, 0), 0);
	assert_int_equal(map(9 * PAGE, PAGE, RW, -1, 0), 0);
	assert_int_equal(unmap(0, 6 * PAGE, &bytes), -EINVAL);
	assert_int_equal(told.n, 0);
	assert_int_equal(unmap(0, 8 * PAGE, &bytes), 0);
	assert_int_equal(told.n, 2);
	assert_int_equal(told.iova[0], 0);
	assert_int_equal(told.size[0], PAGE);
	assert_int_equal(told.iova[1], 4 * PAGE);
	assert_int_equal(told.size[1], 4 * PAGE);
	assert_int_equal(told.mapped, 3);
	/* It may look, but not change what is being removed. */
	assert_int_equal(told.map, -EBUSY);
	assert_int_equal(told.unmap, -EBUSY);
	assert_int_equal(mappings(), 1);
	assert_int_equal(unmap(0, 8 * PAGE, &bytes), 0);
	assert_int_equal(told.n, 2);
}

static void an_empty_domain_is_small(void **state)
{
	assert_true(sizeof(struct medio_iommu) <= 1024);
	assert_null(domain->table.level[0]);
	assert_null(domain->segments.bucket);
	assert_null(domain->faults.ring);
	assert_null(domain->tlb.entry);
	/* And empty again after its last mapping. */
	assert_int_equal(map(0, PAGE, RW, mem, 0), 0);
	assert_int_equal(medio_iommu_unmap(domain, 0, 0, MEDIO_UNMAP_ALL, NULL), 0);
	assert_null(domain->table.level[0]);
	assert_null(domain->segments.bucket);
}

static void the_dump_lists_the_mappings(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	assert_int_equal(map(0x10000, 2 * PAGE, R, mem, PAGE), 0);
	assert_int_equal(map(0x0, PAGE, RW, -1, 0), 0);
	medio_iommu_print(domain, f);
	fclose(f);
	assert_non_null(strstr(text, "type1: 2 mappings\n"
				     "0x0000000000000000 0x0000000000001000 rw remote\n"
				     "0x0000000000010000 0x0000000000002000 r- file "));
	assert_non_null(strstr(text, " +0x1000\n"));
	free(text);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(map_refuses_size_0_misalignment_and_bad_permissions),
		TEST(map_refuses_ranges_that_wrap_around),
		TEST(the_last_page_of_the_address_space_can_be_mapped_and_unmapped),
		TEST(the_whole_address_space_but_a_page_is_one_remote_mapping),
		TEST(overlaps_are_refused_and_neighbours_are_not),
		TEST(ranges_behind_the_end_of_the_file_are_refused),
		TEST(the_last_page_of_a_file_need_not_be_whole),
		TEST(only_open_regular_files_can_be_mapped),
		TEST(a_file_without_a_size_is_mapped_piece_by_piece_where_that_was_asked_for),
		TEST(the_file_must_permit_what_the_mapping_asks),
		TEST(a_seal_against_writing_counts),
		TEST(unmap_checks_its_arguments),
		TEST(unmap_of_a_hole_succeeds_with_0),
		TEST(unmap_that_would_cut_a_mapping_changes_nothing),
		TEST(a_viommus_power_of_two_unmaps_remove_what_they_contain),
		TEST(a_range_unmap_may_end_at_2_to_the_64),
		TEST(single_pages_of_one_file_fit_65535_times_in_one_mmap),
		TEST(remote_pages_fit_65535_times),
		TEST(mappings_of_one_file_share_memory_until_the_last_goes),
		TEST(a_file_that_grew_is_mapped_further),
		TEST(a_sparse_file_larger_than_the_address_space_maps_in_parts),
		TEST(limits_bound_what_a_client_takes),
		TEST(a_model_decides_pages_aperture_and_number),
		TEST(the_owner_is_told_of_each_mapping_before_it_goes),
		TEST(an_empty_domain_is_small),
		TEST(the_dump_lists_the_mappings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
