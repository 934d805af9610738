/* SPDX-License-Identifier: BSD-3-Clause */
/* Slices of a disk as virtual functions: each is where it is said to be, and reaches nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "test_virtio_blk_device_bed.h"

#define MIB	(1u << 20)
#define SECTORS (MIB / 512)
#define VFS	3u
#define IMAGE	(5 * MIB + 4096) /* slices of 1 MiB, and something left */
#define SOME	4096u

static struct medio_loop *loop;
static struct medio_instance *disk;
static struct bed pf, vfs[VFS];
static char path[64], said[512];
static int fd = -1;

static void on_log(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	snprintf(said, sizeof(said), "%s", line);
}

static int make(const char *const *params, struct medio_error **err)
{
	const char *all[16] = { path };
	struct medio_instance_options opts = { .params = all, .nparams = 1, .log = on_log };

	while (*params)
		all[opts.nparams++] = *params++;
	return medio_instance_new(loop, &medio_virtio_blk, &opts, &disk, err);
}

static void takes(struct bed *bed, struct medio_instance *inst)
{
	assert_int_equal(medio_card_open_instance(inst, &bed->bed.card, NULL), 0);
	starts(bed, NULL);
	brings_up(bed, F_ALL, 1);
}

static void leaves(struct bed *bed)
{
	virtio_close(bed->v);
	medio_card_close(bed->bed.card);
	memset(bed, 0, sizeof(*bed));
}

static void takes_all(void)
{
	takes(&pf, disk);
	for (unsigned i = 0; i < VFS; i++)
		takes(&vfs[i], medio_instance_vf(disk, i));
}

static void leaves_all(void)
{
	leaves(&pf);
	for (unsigned i = 0; i < VFS; i++)
		leaves(&vfs[i]);
}

static void begins(const char *const *params)
{
	assert_int_equal(make(params, NULL), 0);
	assert_int_equal(medio_instance_set_vfs(disk, VFS, NULL), 0);
	takes_all();
}

static void ends(void)
{
	leaves_all();
	medio_instance_free(disk);
}

static int begin_test(void **state)
{
	(void)state;
	strcpy(path, "file=/var/tmp/virtio-blk-XXXXXX");
	fd = mkstemp(path + 5);
	return fd < 0 || ftruncate(fd, IMAGE) || medio_loop_new(&loop) ? -1 : 0;
}

static int end_test(void **state)
{
	(void)state;
	medio_loop_free(loop);
	unlink(path + 5);
	return close(fd);
}

static void fill(uint8_t *buf, size_t len, uint8_t seed)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)(seed + i * 7);
}

static void file_has(uint64_t offset, uint8_t seed)
{
	uint8_t got[SOME], want[SOME];

	fill(want, SOME, seed);
	assert_int_equal(pread(fd, got, SOME, (off_t)offset), SOME);
	assert_memory_equal(got, want, SOME);
}

static uint64_t shown(struct medio_instance *inst, const char *attr)
{
	char text[64] = { 0 };

	assert_true(medio_instance_attr_show(inst, attr, text, sizeof(text) - 1) > 0);
	return strtoull(text, NULL, 10);
}

/* ---- Tests --------------------------------------------------------------------------------------------- */

static void each_is_a_slice_of_the_disk(void **state)
{
	(void)state;
	begins(PARAMS("vfs=5", "serial=DISK"));
	assert_int_equal(config(&pf, CAPACITY, 8), IMAGE / 512);
	for (unsigned i = 0; i < VFS; i++) {
		assert_int_equal(config(&vfs[i], CAPACITY, 8), SECTORS);
		assert_int_equal(shown(medio_instance_vf(disk, i), "blk/begins"), i * MIB);
		fill(vfs[i].buf, SOME, (uint8_t)(i + 1));
		assert_int_equal(writes(&vfs[i], 0, SOME), OK);
		assert_int_equal(writes(&vfs[i], SECTORS - SOME / 512, SOME), OK);
		assert_int_equal(flushes(&vfs[i]), OK);
	}
	for (unsigned i = 0; i < VFS; i++) {
		file_has(i * MIB, (uint8_t)(i + 1));
		file_has((i + 1) * MIB - SOME, (uint8_t)(i + 1));
		memset(vfs[i].buf, 0, SOME);
		assert_int_equal(reads(&vfs[i], 0, SOME), OK);
		assert_int_equal(vfs[i].buf[0], i + 1);
	}
	/* The physical function has all of it. */
	assert_int_equal(reads(&pf, 2 * SECTORS, SOME), OK);
	assert_int_equal(pf.buf[0], 3);
	assert_int_equal(asks(&vfs[2], T_GET_ID, 0, 0, 20), OK);
	assert_string_equal((char *)vfs[2].buf, "DISK-2");
	ends();
}

static void nobody_reaches_beyond_its_slice(void **state)
{
	static const struct {
		uint64_t sector;
		size_t bytes;
	} beyond[] = {
		{ SECTORS, 512 },
		{ SECTORS - 1, 1024 },
		{ SECTORS + 1, 512 },
		{ UINT64_MAX, 512 },
		{ UINT64_MAX / 512, 512 },
		{ UINT64_MAX - SECTORS + 1, 512 },
		{ (UINT64_C(1) << 55) - SECTORS, 512 },
	};
	struct segment seg = { SECTORS - 1, 2, 0 };

	(void)state;
	begins(PARAMS("vfs=5"));
	fill(vfs[1].buf, SOME, 9);
	for (unsigned i = 0; i < sizeof(beyond) / sizeof(*beyond); i++) {
		assert_int_equal(writes(&vfs[1], beyond[i].sector, beyond[i].bytes), IOERR);
		assert_int_equal(reads(&vfs[1], beyond[i].sector, beyond[i].bytes), IOERR);
	}
	assert_int_equal(segments(&vfs[1], T_ZEROES, &seg, 1), IOERR);
	assert_int_equal(shown(disk, "blk/writes"), 0);
	assert_int_equal(shown(medio_instance_vf(disk, 1), "blk/errors"),
		2 * sizeof(beyond) / sizeof(*beyond) + 1);
	/* One that is inside has its place too. */
	fill(vfs[2].buf, SOME, 5);
	assert_int_equal(writes(&vfs[2], 0, SOME), OK);
	seg = (struct segment){ SECTORS - 8, 8, 0 };
	assert_int_equal(segments(&vfs[1], T_ZEROES, &seg, 1), OK);
	file_has(2 * MIB, 5);
	ends();
}

/* Data in odd pieces goes by way of a buffer, in parts, each at its place. */
static void odd_layouts_find_their_slice(void **state)
{
	uint8_t *ptr;
	struct virtq_seg segs[40];
	unsigned n = 0;
	size_t len;

	(void)state;
	begins(PARAMS("vfs=5"));
	struct bed *bed = &vfs[1];
	fill(bed->buf, 160000, 77);
	ptr = puts_header(bed, 0, T_OUT, 8);
	/* The header and the first data share a buffer, and there are too many others. */
	memcpy(bed->buf - 16, ptr, 16);
	segs[n++] = at(bed, bed->buf - 16, 16 + 4001);
	len = 4001;
	while (len < 4 * 32768) {
		size_t part = 4 * 32768 - len < 4001 ? 4 * 32768 - len : 4001;
		segs[n++] = at(bed, bed->buf + len, part);
		len += part;
	}
	segs[n++] = at(bed, ptr + 32, 1);
	sends(bed, 0, segs, n - 1, 1, ptr);
	assert_int_equal(comes(bed, 0, ptr), 1);
	assert_int_equal(status_of(bed, 0), OK);
	assert_int_equal(shown(medio_instance_vf(disk, 1), "blk/bounced"), 1);
	file_has(MIB + 4096, 77);
	uint8_t got[SOME];
	assert_int_equal(pread(fd, got, SOME, MIB + 4096 + 3 * 32768), SOME);
	assert_memory_equal(got, bed->buf + 3 * 32768, SOME);
	ends();
}

static void what_may_not_be_written_is_for_none(void **state)
{
	(void)state;
	begins(PARAMS("vfs=3", "readonly=on"));
	assert_true(shown(disk, "blk/slice") == MIB);
	assert_int_equal(writes(&vfs[0], 0, SOME), IOERR);
	assert_int_equal(reads(&vfs[0], 0, SOME), OK);
	struct virtio_info info;
	virtio_get_info(vfs[0].v, &info);
	assert_true(info.offered & F(F_RO));
	ends();
}

static void slices_stay_when_the_image_grows(void **state)
{
	uint8_t saved[32768];

	(void)state;
	begins(PARAMS("vfs=5"));
	assert_int_equal(ftruncate(fd, 20 * MIB), 0);
	assert_int_equal(medio_instance_attr_store(disk, "blk/rescan", "1", 1), 0);
	assert_int_equal(config(&pf, CAPACITY, 8), 20 * SECTORS);
	assert_int_equal(config(&vfs[1], CAPACITY, 8), SECTORS);
	leaves_all();
	/* Also of those that are made later, and in a process that goes on. */
	assert_int_equal(medio_instance_set_vfs(disk, 0, NULL), 0);
	assert_int_equal(medio_instance_set_vfs(disk, 2, NULL), 0);
	assert_int_equal(shown(medio_instance_vf(disk, 1), "blk/begins"), MIB);
	ssize_t len = medio_instance_save(disk, saved, sizeof(saved));
	assert_true(len > 0 && (size_t)len <= sizeof(saved));
	medio_instance_free(disk);
	assert_int_equal(make(PARAMS("vfs=5"), NULL), 0);
	assert_int_equal(shown(disk, "blk/slice"), 4 * MIB);
	assert_int_equal(medio_instance_load(disk, saved, (size_t)len), 0);
	assert_int_equal(shown(disk, "blk/slice"), MIB);
	assert_int_equal(shown(medio_instance_vf(disk, 1), "blk/capacity"), MIB);
	medio_instance_free(disk);
	/* And of those that are there already, also while somebody has one. */
	assert_int_equal(make(PARAMS("vfs=5"), NULL), 0);
	assert_int_equal(medio_instance_set_vfs(disk, 2, NULL), 0);
	assert_int_equal(shown(medio_instance_vf(disk, 1), "blk/begins"), 4 * MIB);
	takes(&vfs[1], medio_instance_vf(disk, 1));
	assert_int_equal(medio_instance_load(disk, saved, (size_t)len), 0);
	assert_int_equal(shown(medio_instance_vf(disk, 1), "blk/begins"), MIB);
	assert_int_equal(config(&vfs[1], CAPACITY, 8), SECTORS);
	fill(vfs[1].buf, SOME, 6);
	assert_int_equal(writes(&vfs[1], 0, SOME), OK);
	file_has(MIB, 6);
	leaves(&vfs[1]);
	medio_instance_free(disk);
}

static void what_cannot_be_is_said(void **state)
{
	struct medio_error *err = NULL;

	(void)state;
	assert_int_equal(make(PARAMS("vfs=6"), &err), -EINVAL);
	assert_non_null(strstr(medio_error_text(err), "1 MiB"));
	medio_error_free(err);
	err = NULL;
	assert_int_equal(make(PARAMS("vfs=2", "numvfs=3"), &err), -ERANGE);
	medio_error_free(err);
	err = NULL;
	assert_int_equal(make(PARAMS(NULL), NULL), 0);
	assert_int_equal(medio_instance_set_vfs(disk, 1, NULL), -ENODEV);
	medio_instance_free(disk);
	assert_int_equal(
		medio_instance_new(loop, &medio_virtio_blk_vf, NULL, &disk, &err), -ENODEV);
	assert_non_null(strstr(medio_error_text(err), "vfs="));
	medio_error_free(err);
}

#undef TEST
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, begin_test, end_test)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_is_a_slice_of_the_disk),
		TEST(nobody_reaches_beyond_its_slice),
		TEST(odd_layouts_find_their_slice),
		TEST(what_may_not_be_written_is_for_none),
		TEST(slices_stay_when_the_image_grows),
		TEST(what_cannot_be_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
