/* SPDX-License-Identifier: BSD-3-Clause */
/* Disks of files, of memory and of nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_disk_bed.h"

#define IMAGE (8u << 20)

static char dir[64], image[80], param[96];

/* A fresh image of bytes bytes, with a pattern. */
static void make_image(uint64_t bytes)
{
	int fd = open(image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint8_t block[4096];

	assert_true(fd >= 0);
	for (uint64_t at = 0; at < bytes; at += sizeof(block)) {
		size_t len = bytes - at < sizeof(block) ? bytes - at : sizeof(block);
		memset(block, (int)(at / sizeof(block) * 7 + 1), sizeof(block));
		assert_int_equal(pwrite(fd, block, len, (off_t)at), len);
	}
	close(fd);
}

/* Out of the page cache. */
static void make_cold(void)
{
	int fd = open(image, O_RDONLY | O_CLOEXEC);

	assert_int_equal(fdatasync(fd), 0);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

static uint64_t allocated(void)
{
	struct stat st;

	assert_int_equal(stat(image, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static struct disk_counts counts(const struct disk_bed *bed)
{
	struct disk_counts out;

	disk_get_counts(bed->disk, &out);
	return out;
}

static void assert_words(const char *const *params, unsigned n, int err, const char *words)
{
	struct disk_bed bed;

	assert_int_equal(disk_bed_open_list(&bed, params, n), -err);
	if (!strstr(bed.words, words))
		fail_msg("'%s' is not in '%s'", words, bed.words);
}

#define REFUSED(err, words, ...) \
	assert_words((const char *const[]){ __VA_ARGS__ }, \
		sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *), err, words)

/* ---- Every kind, at random ---------------------------------------------------------------------------- */

static const char *const ways[][2] = {
	{ "aio=io_uring", "direct=off" },
	{ "aio=threads", "direct=off" },
	{ "aio=io_uring", "direct=on" },
	{ "aio=threads", "direct=on" },
	{ "aio=auto", "direct=off" },
};

static void a_file_keeps_what_is_written(void **state)
{
	const char *const *way = *state;
	struct disk_bed bed;

	make_image(IMAGE);
	for (unsigned seed = 1; seed <= 2; seed++) {
		make_cold();
		assert_int_equal(disk_bed_open(&bed, param, way[0], way[1], NULL), 0);
		assert_int_equal(bed.info.bytes, IMAGE);
		disk_bed_play(&bed, seed, 400);
		assert_true(counts(&bed).errors == 0);
		disk_bed_close(&bed);
	}
}

/* A file on a file system in memory: all is done at once. */
static void a_file_in_memory_is_never_waited_for(void **state)
{
	struct disk_bed bed;
	char text[64];
	int fd = memfd_create("disk", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(ftruncate(fd, IMAGE), 0);
	snprintf(text, sizeof(text), "file=/proc/self/fd/%d", fd);
	assert_int_equal(disk_bed_open(&bed, text, NULL), 0);
	uint8_t *buf = calloc(1, 65536);
	assert_int_equal(disk_bed_write(&bed, 4096, buf, 65536), 0);
	assert_int_equal(disk_bed_read(&bed, 0, buf, 65536), 0);
	assert_int_equal(counts(&bed).at_once, 2);
	assert_int_equal(counts(&bed).rings + counts(&bed).threads, 0);
	free(buf);
	disk_bed_play(&bed, 3, 300);
	disk_bed_close(&bed);
	close(fd);
}

static void memory_keeps_what_is_written(void **state)
{
	struct disk_bed bed;

	(void)state;
	assert_int_equal(disk_bed_open(&bed, "mem=8M", NULL), 0);
	disk_bed_play(&bed, 4, 300);
	disk_bed_close(&bed);
}

static void nothing_reads_as_zeroes(void **state)
{
	struct disk_bed bed;
	uint8_t buf[1024], zeroes[1024] = { 0 };

	(void)state;
	assert_int_equal(disk_bed_open(&bed, "null=on", "size=1M", NULL), 0);
	assert_int_equal(bed.info.bytes, 1 << 20);
	memset(buf, 1, sizeof(buf));
	assert_int_equal(disk_bed_write(&bed, 512, buf, sizeof(buf)), 0);
	assert_int_equal(disk_bed_read(&bed, 512, buf, sizeof(buf)), 0);
	assert_memory_equal(buf, zeroes, sizeof(buf));
	assert_int_equal(disk_bed_op(&bed, DISK_FLUSH, 0, 0), 0);
	assert_int_equal(disk_bed_op(&bed, DISK_DISCARD, 0, 1 << 20), 0);
	disk_bed_close(&bed);
}

/* ---- Memory -------------------------------------------------------------------------------------------- */

static long resident(void)
{
	long size, pages = -1;
	FILE *f = fopen("/proc/self/statm", "re");

	assert_int_equal(fscanf(f, "%ld %ld", &size, &pages), 2);
	fclose(f);
	return pages;
}

static void a_huge_memory_costs_what_is_written_and_gives_it_back(void **state)
{
	struct disk_bed bed;
	size_t len = 32 << 20;
	uint8_t *buf = malloc(len);

	(void)state;
	memset(buf, 5, len);
	assert_int_equal(disk_bed_open(&bed, "mem=4T", NULL), 0);
	assert_int_equal(bed.info.bytes, UINT64_C(4) << 40);
	long before = resident();
	assert_int_equal(disk_bed_write(&bed, UINT64_C(3) << 40, buf, len), 0);
	assert_true(resident() - before >= (long)(len / 4096));
	assert_int_equal(disk_bed_op(&bed, DISK_DISCARD, UINT64_C(3) << 40, len), 0);
	assert_true(resident() - before < (long)(len / 4096 / 4));
	assert_int_equal(disk_bed_read(&bed, UINT64_C(3) << 40, buf, 4096), 0);
	for (unsigned i = 0; i < 4096; i++)
		assert_int_equal(buf[i], 0);
	disk_bed_close(&bed);
	free(buf);
}

/* ---- Files: pages, rings, bounces ---------------------------------------------------------------------- */

static void what_is_cached_is_read_at_once_and_what_is_not_is_waited_for(void **state)
{
	const char *const *way = *state;
	struct disk_bed bed;
	uint8_t buf[4096];

	make_image(IMAGE);
	make_cold();
	assert_int_equal(disk_bed_open(&bed, param, way[0], NULL), 0);
	assert_int_equal(disk_bed_read(&bed, 1 << 20, buf, sizeof(buf)), 0);
	assert_int_equal(buf[17], (uint8_t)(256 * 7 + 1));
	struct disk_counts cold = counts(&bed);
	/* It is cached where a file system reads ahead without being asked; not in overlays of old. */
	if (cold.at_once == 0)
		assert_int_equal(cold.rings + cold.threads, 1);
	assert_int_equal(disk_bed_read(&bed, 1 << 20, buf, sizeof(buf)), 0);
	struct disk_counts warm = counts(&bed);
	assert_int_equal(warm.at_once, cold.at_once + 1);
	assert_int_equal(warm.rings + warm.threads, cold.rings + cold.threads);
	disk_bed_close(&bed);
}

/* Reads of 4 KiB each, of which all but the last say that more come. ret: of each. */
struct together {
	struct disk_request req;
	struct iovec iov;
	uint8_t buf[4096];
	bool done;
	int ret;
};

static void on_together(struct disk_request *req, int ret)
{
	struct together *one = (struct together *)req;

	assert_false(one->done);
	one->done = true;
	one->ret = ret;
}

static unsigned read_together(struct disk_bed *bed, struct together *all, unsigned n)
{
	unsigned done = 0;

	for (unsigned i = 0; i < n; i++) {
		struct together *one = &all[i];
		*one = (struct together){ .iov = { one->buf, 4096 } };
		one->req = (struct disk_request){ .op = DISK_READ,
			.more = i + 1 < n,
			.offset = (uint64_t)i * 4096,
			.bytes = 4096,
			.iov = &one->iov,
			.niov = 1,
			.done = on_together };
		disk_submit(bed->disk, &one->req);
	}
	disk_kick(bed->disk);
	for (unsigned i = 0; i < n; i++)
		done += all[i].done;
	return done;
}

static void reads_that_come_together_are_one_call(void **state)
{
	const char *const *way = *state;
	struct together all[16];
	struct disk_counts before, after;
	struct disk_bed bed;
	struct statfs fs;

	make_image(IMAGE);
	assert_int_equal(disk_bed_open(&bed, param, way[0], NULL), 0);
	/* Two are not worth it. */
	assert_int_equal(read_together(&bed, all, 2), 2);
	before = counts(&bed);
	assert_int_equal(before.at_once, 2);
	assert_int_equal(read_together(&bed, all, 16), 16);
	after = counts(&bed);
	/* A file system in memory is not asked for more than a copy. */
	assert_int_equal(statfs(image, &fs), 0);
	if (strcmp(way[0], "aio=threads") == 0 || fs.f_type == TMPFS_MAGIC) {
		assert_int_equal(after.at_once, 18);
	} else {
		assert_int_equal(after.rings, 16);
		assert_int_equal(after.calls, before.calls + 1);
	}
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(all[i].ret, 0);
		assert_int_equal(all[i].buf[9], (uint8_t)(i * 7 + 1));
	}
	disk_bed_close(&bed);
}

static void reads_that_come_together_fail_one_by_one(void **state)
{
	const char *const *way = *state;
	struct together all[16];
	struct disk_bed bed;

	make_image(IMAGE);
	make_cold();
	assert_int_equal(disk_bed_open(&bed, param, way[0], way[1], NULL), 0);
	assert_int_equal(truncate(image, 10 * 4096), 0);
	read_together(&bed, all, 16);
	disk_bed_settle(&bed);
	for (unsigned i = 0; i < 16; i++) {
		assert_true(all[i].done);
		assert_int_equal(all[i].ret, i < 10 ? 0 : -EIO);
		assert_true(i >= 10 || all[i].buf[9] == (uint8_t)(i * 7 + 1));
	}
	disk_bed_close(&bed);
}

/* Goes on with itself, and says that others come. */
struct again {
	struct disk_request req;
	struct iovec iov;
	struct disk *disk;
	uint8_t buf[4096];
	unsigned left;
};

static void on_again(struct disk_request *req, int ret)
{
	struct again *one = (struct again *)req;

	assert_int_equal(ret, 0);
	if (!--one->left)
		return;
	req->more = true;
	disk_submit(one->disk, req);
}

static void what_is_gathered_while_the_disk_is_drained_is_drained_too(void **state)
{
	const char *const *way = *state;
	struct again all[8];
	struct disk_bed bed;

	make_image(IMAGE);
	make_cold();
	assert_int_equal(disk_bed_open(&bed, param, way[0], way[1], NULL), 0);
	for (unsigned n = 1; n <= 8; n++) {
		for (unsigned i = 0; i < n; i++) {
			struct again *one = &all[i];
			*one = (struct again){
				.iov = { one->buf, 4096 }, .disk = bed.disk, .left = 3 + i
			};
			one->req = (struct disk_request){ .op = DISK_READ,
				.more = true,
				.offset = (uint64_t)i * 4096,
				.bytes = 4096,
				.iov = &one->iov,
				.niov = 1,
				.done = on_again };
			disk_submit(bed.disk, &one->req);
		}
		disk_drain(bed.disk);
		assert_int_equal(disk_under_way(bed.disk), 0);
		for (unsigned i = 0; i < n; i++)
			assert_int_equal(all[i].left, 0);
	}
	disk_bed_close(&bed);
}

static void more_pieces_than_a_system_call_takes(void **state)
{
	const char *const *way = *state;
	enum { PIECES = 3000 };
	static struct iovec iov[PIECES];
	struct disk_bed bed;
	uint8_t *buf = malloc(PIECES * 512 + 1), *odd = buf + 1;
	uint8_t *back = malloc(PIECES * 512);
	struct disk_request req = {
		.op = DISK_WRITE, .offset = 512, .bytes = PIECES * 512, .iov = iov, .niov = PIECES
	};

	make_image(IMAGE);
	assert_int_equal(disk_bed_open(&bed, param, way[0], way[1], NULL), 0);
	for (unsigned i = 0; i < PIECES; i++) {
		iov[i] = (struct iovec){ odd + 512 * i, 512 };
		memset(odd + 512 * i, (int)(i * 3), 512);
	}
	assert_int_equal(disk_bed_do(&bed, &req), 0);
	assert_int_equal(disk_bed_read(&bed, 512, back, PIECES * 512), 0);
	assert_memory_equal(back, odd, PIECES * 512);
	memset(buf, 0, PIECES * 512 + 1);
	req.op = DISK_READ;
	assert_int_equal(disk_bed_do(&bed, &req), 0);
	assert_memory_equal(back, odd, PIECES * 512);
	disk_bed_close(&bed);
	free(buf);
	free(back);
}

static void only_what_is_not_aligned_is_bounced(void **state)
{
	const char *const *way = *state;
	struct disk_bed bed;
	uint8_t *buf = aligned_alloc(4096, 8192);

	make_image(IMAGE);
	assert_int_equal(disk_bed_open(&bed, param, way[0], "direct=on", NULL), 0);
	assert_int_equal(disk_bed_read(&bed, 0, buf, 4096), 0);
	assert_int_equal(counts(&bed).bounced, 0);
	assert_int_equal(disk_bed_read(&bed, 0, buf + 1, 4096), 0);
	assert_int_equal(counts(&bed).bounced, 1);
	disk_bed_close(&bed);
	free(buf);
}

static void a_discard_gives_the_file_back(void **state)
{
	const char *const *way = *state;
	struct disk_bed bed;
	uint8_t buf[4096];

	make_image(IMAGE);
	make_cold();
	assert_int_equal(disk_bed_open(&bed, param, way[0], way[1], NULL), 0);
	assert_true(allocated() >= IMAGE);
	assert_int_equal(disk_bed_op(&bed, DISK_DISCARD, 1 << 20, 4 << 20), 0);
	assert_true(allocated() <= IMAGE - (4 << 20) + 65536);
	assert_int_equal(disk_bed_read(&bed, 2 << 20, buf, sizeof(buf)), 0);
	assert_int_equal(buf[5], 0);
	/* Zeroes that may not be given back are allocated. */
	struct disk_request req = { .op = DISK_ZEROES, .offset = 1 << 20, .bytes = 4 << 20 };
	assert_int_equal(disk_bed_do(&bed, &req), 0);
	assert_true(allocated() >= IMAGE);
	req.unmap = true;
	assert_int_equal(disk_bed_do(&bed, &req), 0);
	assert_true(allocated() <= IMAGE - (4 << 20) + 65536);
	disk_bed_close(&bed);
}

/* ---- Failures -------------------------------------------------------------------------------------------- */

static void a_file_that_became_shorter_is_an_error(void **state)
{
	const char *const *way = *state;
	struct disk_bed bed;
	static uint8_t buf[65536];

	make_image(IMAGE);
	assert_int_equal(disk_bed_open(&bed, param, way[0], way[1], NULL), 0);
	assert_int_equal(truncate(image, 1 << 20), 0);
	assert_int_equal(disk_bed_read(&bed, 2 << 20, buf, 4096), -EIO);
	/* In the middle of a request, and in the middle of a block. */
	assert_int_equal(truncate(image, (1 << 20) - 1000), 0);
	assert_int_equal(disk_bed_read(&bed, (1 << 20) - 32768, buf, 65536), -EIO);
	assert_int_equal(disk_bed_read(&bed, (1 << 20) - 1024, buf, 1024), -EIO);
	assert_int_equal(counts(&bed).errors, 3);
	assert_int_equal(disk_bed_read(&bed, 0, buf, 4096), 0);
	assert_int_equal(disk_under_way(bed.disk), 0);
	disk_bed_close(&bed);
}

static void a_file_that_grows_is_a_larger_disk(void **state)
{
	struct disk_bed bed;
	uint8_t buf[512];

	(void)state;
	make_image(IMAGE);
	assert_int_equal(disk_bed_open(&bed, param, NULL), 0);
	disk_refresh(bed.disk);
	assert_int_equal(bed.resizes, 0);
	assert_int_equal(disk_bed_read(&bed, IMAGE, buf, 512), -EIO);
	assert_int_equal(truncate(image, IMAGE + 1000), 0);
	disk_refresh(bed.disk);
	assert_int_equal(bed.resizes, 1);
	assert_int_equal(bed.info.bytes, IMAGE + 512);
	assert_int_equal(disk_bed_read(&bed, IMAGE, buf, 512), 0);
	assert_int_equal(truncate(image, 4096), 0);
	disk_refresh(bed.disk);
	assert_int_equal(bed.resizes, 2);
	assert_int_equal(bed.info.bytes, 4096);
	assert_int_equal(disk_bed_read(&bed, 8192, buf, 512), -EIO);
	disk_bed_close(&bed);
}

static void a_read_leaves_no_trace(void **state)
{
	/* A read would be noted, being the first after a write (relatime). */
	const struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 2000 } };
	const char *const *way = *state;
	struct disk_bed bed;
	struct stat st;
	uint8_t buf[4096];

	make_image(IMAGE);
	assert_int_equal(utimensat(AT_FDCWD, image, times, 0), 0);
	assert_int_equal(disk_bed_open(&bed, param, way[0], way[1], NULL), 0);
	assert_int_equal(utimensat(AT_FDCWD, image, times, 0), 0);
	assert_int_equal(disk_bed_read(&bed, 4096, buf, 4096), 0);
	disk_bed_close(&bed);
	assert_int_equal(stat(image, &st), 0);
	assert_int_equal(st.st_atime, 1000);
}

static void memory_that_is_not_there_is_an_error(void **state)
{
	const char *const *way = *state;
	struct disk_bed bed;
	void *gone = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	make_image(IMAGE);
	assert_int_equal(disk_bed_open(&bed, param, way[0], NULL), 0);
	assert_int_equal(disk_bed_read(&bed, 0, gone, 4096), -EFAULT);
	assert_int_equal(disk_bed_write(&bed, 0, gone, 4096), -EFAULT);
	make_cold();
	assert_int_equal(disk_bed_read(&bed, 4 << 20, gone, 8192), -EFAULT);
	disk_bed_close(&bed);
	munmap(gone, 8192);
}

/* More than the file system has. As root, on one of 1 MiB. */
static void a_full_file_system_is_an_error(void **state)
{
	const char *const *way = *state;
	struct disk_bed bed;
	char text[96];
	static uint8_t buf[1 << 20];

	if (mount("none", dir, "tmpfs", 0, "size=1m") < 0) {
		print_message("# cannot mount here: not tried\n");
		return;
	}
	snprintf(text, sizeof(text), "%s/sparse", dir);
	int fd = open(text, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, IMAGE), 0);
	close(fd);
	snprintf(text, sizeof(text), "file=%s/sparse", dir);
	int ret = disk_bed_open(&bed, text, way[0], NULL);
	int first = ret ? ret : disk_bed_write(&bed, 0, buf, 1 << 19);
	int second = ret ? ret : disk_bed_write(&bed, 1 << 20, buf, 1 << 20);
	struct disk_request req = { .op = DISK_ZEROES, .offset = 2 << 20, .bytes = 4 << 20 };
	int third = ret ? ret : disk_bed_do(&bed, &req);
	int again = ret ? ret : disk_bed_write(&bed, 0, buf, 1 << 19);
	if (!ret)
		disk_bed_close(&bed);
	/* A ring keeps its file a little longer. */
	assert_int_equal(umount2(dir, MNT_DETACH), 0);
	assert_int_equal(ret, 0);
	assert_int_equal(first, 0);
	assert_int_equal(second, -ENOSPC);
	assert_int_equal(third, -ENOSPC);
	assert_int_equal(again, 0);
}

/* A file that may not grow over a limit: writes come short, then fail. */
static void a_write_that_comes_short_goes_on_and_tells_its_error(void **state)
{
	const char *const *way = *state;
	struct disk_bed bed;
	struct rlimit old, limit;
	static uint8_t buf[65536];

	make_image(IMAGE);
	assert_int_equal(truncate(image, 0), 0);
	assert_int_equal(truncate(image, IMAGE), 0);
	assert_int_equal(disk_bed_open(&bed, param, way[0], NULL), 0);
	getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	limit.rlim_cur = (1 << 20) + 4096;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	int ret = disk_bed_write(&bed, (1 << 20) - 4096, buf, sizeof(buf));
	setrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(ret, -EFBIG);
	disk_bed_close(&bed);
}

/* ---- Draining -------------------------------------------------------------------------------------------- */

static unsigned ended;

static void count_end(struct disk_request *req, int ret)
{
	(void)req;
	assert_int_equal(ret, 0);
	ended++;
}

static void a_drained_disk_touches_nothing_any_more(void **state)
{
	const char *const *way = *state;
	enum { REQUESTS = 700 };
	static struct disk_request reqs[REQUESTS];
	static struct iovec iov[REQUESTS];
	struct disk_bed bed;
	size_t size = (size_t)REQUESTS * 8192;

	make_image(IMAGE);
	make_cold();
	assert_int_equal(disk_bed_open(&bed, param, way[0], way[1], NULL), 0);
	char *buf = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(buf, MAP_FAILED);
	ended = 0;
	for (unsigned i = 0; i < REQUESTS; i++) {
		/* Some of them to be bounced. */
		iov[i] = (struct iovec){ buf + (size_t)i * 8192 + i % 3, 4096 };
		reqs[i] = (struct disk_request){
			.op = i % 2 ? DISK_WRITE : DISK_READ,
			.offset = (uint64_t)i * 8192,
			.bytes = 4096,
			.durable = i % 5 == 1,
			.more = i % 7 < 4,
			.iov = &iov[i],
			.niov = 1,
			.done = count_end,
		};
		disk_submit(bed.disk, &reqs[i]);
	}
	disk_drain(bed.disk);
	assert_int_equal(ended, REQUESTS);
	assert_int_equal(disk_under_way(bed.disk), 0);
	munmap(buf, size);
	/* Nothing comes later. */
	assert_true(medio_loop_run_once(bed.loop, 0) >= 0);
	assert_false(disk_poll(bed.disk));
	assert_int_equal(ended, REQUESTS);
	disk_bed_close(&bed);
}

/* ---- Opening --------------------------------------------------------------------------------------------- */

static void one_of_them_must_be_chosen(void **state)
{
	(void)state;
	make_image(IMAGE);
	REFUSED(EINVAL, "none of file=, mem=, null=on and nbd=", "readonly=on");
	REFUSED(EINVAL, "several of", "mem=1M", param);
	REFUSED(EINVAL, "several of", "mem=1M", "null=on");
	REFUSED(EINVAL, "direct=on: only with file=", "mem=1M", "direct=on");
	REFUSED(EINVAL, "aio=threads: only with file=", "null=on", "aio=threads");
	REFUSED(EINVAL, "mem=100: at least 512", "mem=100");
	REFUSED(EINVAL, "size=7: at least 512", "null=on", "size=7");
	REFUSED(EINVAL, "auto", param, "aio=fibres");
	REFUSED(ENOMEM, "mem=", "mem=1000000G");
}

static void a_file_that_is_no_disk_is_refused_in_words(void **state)
{
	char text[96];

	(void)state;
	make_image(0);
	REFUSED(EINVAL, "truncate -s 10G", param);
	make_image(511);
	REFUSED(EINVAL, "it has 511 bytes", param);
	REFUSED(EINVAL, "folder", "file=/tmp");
	REFUSED(EINVAL, "neither", "file=/dev/null");
	REFUSED(ENOENT, "No such file", "file=/no/such/file");
	snprintf(text, sizeof(text), "file=%s/fifo", dir);
	assert_int_equal(mkfifo(text + 5, 0600), 0);
	REFUSED(EINVAL, "a disk is a file or a block device", text);
	unlink(text + 5);
}

static void a_ragged_end_is_told_of(void **state)
{
	struct disk_bed bed;

	(void)state;
	make_image(4096 + 700);
	assert_int_equal(disk_bed_open(&bed, param, NULL), 0);
	assert_int_equal(bed.info.bytes, 4096 + 512);
	assert_non_null(strstr(bed.log, "its last 188 bytes"));
	disk_bed_close(&bed);
}

static void a_qcow2_image_is_told_of(void **state)
{
	struct disk_bed bed;
	int fd;

	(void)state;
	make_image(IMAGE);
	fd = open(image, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "QFI\xfb", 4, 0), 4);
	close(fd);
	assert_int_equal(disk_bed_open(&bed, param, NULL), 0);
	assert_non_null(strstr(bed.log, "qcow2"));
	disk_bed_close(&bed);
}

static void a_disk_that_is_read_only_is_never_written(void **state)
{
	const char *const disks[][2] = { { param, "aio=auto" }, { param, "aio=threads" },
		{ "mem=1M", "aio=auto" }, { "null=on", "aio=auto" } };
	uint8_t buf[512] = { 1 };

	(void)state;
	make_image(IMAGE);
	for (unsigned i = 0; i < 4; i++) {
		struct disk_bed bed;
		assert_int_equal(
			disk_bed_open(&bed, disks[i][0], disks[i][1], "readonly=on", NULL), 0);
		assert_true(bed.info.readonly);
		assert_int_equal(disk_bed_write(&bed, 0, buf, 512), -EROFS);
		assert_int_equal(disk_bed_op(&bed, DISK_DISCARD, 0, 512), -EROFS);
		assert_int_equal(disk_bed_op(&bed, DISK_ZEROES, 0, 512), -EROFS);
		assert_int_equal(disk_bed_op(&bed, DISK_FLUSH, 0, 0), 0);
		assert_int_equal(disk_bed_read(&bed, 0, buf, 512), 0);
		disk_bed_close(&bed);
	}
}

static void what_is_outside_is_refused(void **state)
{
	struct disk_bed bed;
	uint8_t buf[1024];

	(void)state;
	assert_int_equal(disk_bed_open(&bed, "mem=1M", NULL), 0);
	assert_int_equal(disk_bed_read(&bed, (1 << 20) - 512, buf, 1024), -EIO);
	assert_int_equal(disk_bed_write(&bed, UINT64_MAX - 511, buf, 1024), -EIO);
	assert_int_equal(disk_bed_op(&bed, DISK_DISCARD, 512, UINT64_MAX - 511), -EIO);
	assert_int_equal(disk_bed_read(&bed, (1 << 20) - 512, buf, 512), 0);
	disk_bed_close(&bed);
}

static void two_writers_are_refused_and_readers_may_be_many(void **state)
{
	struct disk_bed one, other;

	(void)state;
	make_image(IMAGE);
	assert_int_equal(disk_bed_open(&one, param, NULL), 0);
	REFUSED(EBUSY, "another program has it locked", param);
	REFUSED(EBUSY, "another program has it locked, for writing", param, "readonly=on");
	disk_bed_close(&one);
	assert_int_equal(disk_bed_open(&one, param, "readonly=on", NULL), 0);
	assert_int_equal(disk_bed_open(&other, param, "readonly=on", NULL), 0);
	REFUSED(EBUSY, "readonly=on on both sides", param);
	disk_bed_close(&other);
	assert_int_equal(disk_bed_open(&other, param, "share=on", NULL), 0);
	disk_bed_close(&other);
	disk_bed_close(&one);
	assert_int_equal(disk_bed_open(&one, param, NULL), 0);
	disk_bed_close(&one);
}

/* Requests of its own may be under way in the kernel, and its ring goes away after it. */
static void a_program_that_was_killed_leaves_no_lock(void **state)
{
	const char *const *way = *state;
	struct disk_bed bed;
	int ready[2];
	char byte;

	make_image(IMAGE);
	make_cold();
	assert_int_equal(pipe(ready), 0);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		static struct disk_request reqs[64];
		static uint8_t buf[64][4096];
		struct iovec iov[64];
		if (disk_bed_open(&bed, param, way[0], way[1], NULL))
			_exit(1);
		for (unsigned i = 0; i < 64; i++) {
			iov[i] = (struct iovec){ buf[i], 4096 };
			reqs[i] = (struct disk_request){
				.op = i % 2 ? DISK_WRITE : DISK_READ,
				.durable = true,
				.offset = i * 65536,
				.bytes = 4096,
				.iov = &iov[i],
				.niov = 1,
				.done = count_end,
			};
			disk_submit(bed.disk, &reqs[i]);
		}
		disk_kick(bed.disk);
		if (write(ready[1], "", 1) < 0)
			_exit(2);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(ready[0]);
	close(ready[1]);
	assert_int_equal(disk_bed_open(&bed, param, way[0], way[1], NULL), 0);
	disk_bed_close(&bed);
}

static void a_file_that_may_only_be_read_says_how(void **state)
{
	int status;

	(void)state;
	if (getuid() != 0) {
		print_message("# not root: not tried\n");
		return;
	}
	make_image(IMAGE);
	assert_int_equal(chmod(image, 0444), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		struct disk_bed bed;
		if (setuid(54321) < 0)
			_exit(1);
		if (disk_bed_open(&bed, param, NULL) != -EACCES ||
			!strstr(bed.words, "with readonly=on, reading is enough"))
			_exit(2);
		_exit(disk_bed_open(&bed, param, "readonly=on", NULL) ? 3 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(chmod(image, 0600), 0);
}

/* ---- ------------------------------------------------------------------------------------------------------ */

static int setup(void **state)
{
	(void)state;
	const char *tmp = getenv("TMPDIR");
	snprintf(dir, sizeof(dir), "%s/medio-disk-XXXXXX", tmp && strlen(tmp) < 32 ? tmp : "/tmp");
	if (!mkdtemp(dir))
		return -1;
	snprintf(image, sizeof(image), "%s/image", dir);
	snprintf(param, sizeof(param), "file=%s", image);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return unlink(image) | rmdir(dir);
}

#define WAY(fn, i) \
	{ \
#fn " (" #i ")", fn, NULL, NULL, (void *)ways[i] \
	}
/* Each way, and those that go through the page cache. */
#define ALL(fn)	   WAY(fn, 0), WAY(fn, 1), WAY(fn, 2), WAY(fn, 3)
#define CACHED(fn) WAY(fn, 0), WAY(fn, 1)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALL(a_file_keeps_what_is_written),
		WAY(a_file_keeps_what_is_written, 4),
		cmocka_unit_test(a_file_in_memory_is_never_waited_for),
		cmocka_unit_test(memory_keeps_what_is_written),
		cmocka_unit_test(nothing_reads_as_zeroes),
		cmocka_unit_test(a_huge_memory_costs_what_is_written_and_gives_it_back),
		CACHED(what_is_cached_is_read_at_once_and_what_is_not_is_waited_for),
		CACHED(reads_that_come_together_are_one_call),
		ALL(reads_that_come_together_fail_one_by_one),
		ALL(what_is_gathered_while_the_disk_is_drained_is_drained_too),
		ALL(more_pieces_than_a_system_call_takes),
		CACHED(only_what_is_not_aligned_is_bounced),
		ALL(a_discard_gives_the_file_back),
		ALL(a_file_that_became_shorter_is_an_error),
		cmocka_unit_test(a_file_that_grows_is_a_larger_disk),
		ALL(a_read_leaves_no_trace),
		CACHED(memory_that_is_not_there_is_an_error),
		CACHED(a_full_file_system_is_an_error),
		CACHED(a_write_that_comes_short_goes_on_and_tells_its_error),
		ALL(a_drained_disk_touches_nothing_any_more),
		cmocka_unit_test(one_of_them_must_be_chosen),
		cmocka_unit_test(a_file_that_is_no_disk_is_refused_in_words),
		cmocka_unit_test(a_ragged_end_is_told_of),
		cmocka_unit_test(a_qcow2_image_is_told_of),
		cmocka_unit_test(a_disk_that_is_read_only_is_never_written),
		cmocka_unit_test(what_is_outside_is_refused),
		cmocka_unit_test(two_writers_are_refused_and_readers_may_be_many),
		ALL(a_program_that_was_killed_leaves_no_lock),
		cmocka_unit_test(a_file_that_may_only_be_read_says_how),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
