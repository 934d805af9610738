/* SPDX-License-Identifier: BSD-3-Clause */
/* The dirty bitmap that a vhost-user front-end shares: what is set in it, and when; what is refused. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "device/instance.h"
#include "iommu/iommu.h"
#include "serve/vhost_log.h"

#define PAGE  UINT64_C(4096)
#define RW    (MEDIO_PROT_READ | MEDIO_PROT_WRITE)
#define START UINT64_C(0x3000) /* neither a whole byte nor a whole word of the bitmap */
#define FAR   UINT64_C(0x40000000)
#define MEM   UINT64_C(0x100000)
/* What covers both. */
#define BYTES	 ((FAR + MEM) / PAGE / 8)
#define OFFSET	 520u
#define WORDS	 65536u
#define MAX_PAGE ((FAR + MEM) / PAGE)

struct bed {
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct medio_iommu *domain;
	struct medio_vhost_log *log;
	int mem, file;
	uint8_t *bits;
	char words[WORDS];
	size_t len;
};

static const struct medio_device_ops no_ops = { 0 };
static const struct medio_type plain = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "plain",
	.summary = "a device for tests",
	.ops = &no_ops,
};
static const struct medio_transport_ops nobody = { 0 };

static void hears(void *opaque, enum medio_log_level level, const char *line)
{
	struct bed *bed = opaque;

	(void)level;
	bed->len += (size_t)snprintf(bed->words + bed->len, WORDS - bed->len, "%s\n", line);
}

static int new_file(size_t bytes)
{
	int fd = memfd_create("log", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

static void shares(struct bed *bed)
{
	bed->file = new_file(OFFSET + BYTES);
	bed->bits = mmap(NULL, OFFSET + BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, bed->file, 0);
	assert_ptr_not_equal(bed->bits, MAP_FAILED);
	bed->bits += OFFSET;
	assert_int_equal(medio_vhost_log_set_base(bed->log, dup(bed->file), BYTES, OFFSET), 0);
}

static int setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));
	const struct medio_instance_options opts = { .log = hears, .log_opaque = bed };

	assert_non_null(bed);
	assert_int_equal(medio_loop_new(&bed->loop), 0);
	assert_int_equal(medio_instance_new(bed->loop, &plain, &opts, &bed->inst, NULL), 0);
	assert_int_equal(medio_instance_attach(bed->inst, &nobody, NULL), 0);
	bed->domain = medio_instance_iommu(bed->inst);
	bed->mem = new_file(2 * MEM);
	assert_int_equal(medio_instance_dma_map(bed->inst, START, MEM, RW, bed->mem, 0, NULL), 0);
	assert_int_equal(medio_instance_dma_map(bed->inst, FAR, MEM, RW, bed->mem, MEM, NULL), 0);
	assert_int_equal(medio_vhost_log_new(bed->inst, &bed->log), 0);
	*state = bed;
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	medio_vhost_log_free(bed->log);
	medio_instance_detach(bed->inst);
	medio_instance_free(bed->inst);
	medio_loop_free(bed->loop);
	if (bed->bits)
		munmap(bed->bits - OFFSET, OFFSET + BYTES);
	close(bed->mem);
	if (bed->bits)
		close(bed->file);
	free(bed);
	return 0;
}

static void writes(struct bed *bed, uint64_t iova, size_t len)
{
	static const uint8_t bytes[16384] = { 1 };

	assert_int_equal(medio_iommu_write(bed->domain, iova, bytes, len), 0);
}

static bool is_set(const struct bed *bed, uint64_t address)
{
	return bed->bits[address / PAGE / 8] >> (address / PAGE % 8) & 1;
}

static unsigned count(const struct bed *bed)
{
	unsigned n = 0;

	for (uint64_t i = 0; i < BYTES; i++)
		n += (unsigned)__builtin_popcount(bed->bits[i]);
	return n;
}

static bool said(const struct bed *bed, const char *words)
{
	return strstr(bed->words, words);
}

/* ---- What is set ------------------------------------------------------------------------------------ */

static void pages_that_are_written_are_set_and_no_others(void **state)
{
	struct bed *bed = *state;

	shares(bed);
	assert_int_equal(medio_vhost_log_set_on(bed->log, true), 0);
	assert_true(medio_vhost_log_is_on(bed->log));
	writes(bed, START, 1);
	writes(bed, START + 9 * PAGE - 1, 2);
	writes(bed, START + MEM - 1, 1);
	writes(bed, FAR, 1);
	writes(bed, FAR + MEM - 3 * PAGE, 3 * PAGE);
	medio_vhost_log_sync(bed->log);
	static const uint64_t dirty[] = { START, START + 8 * PAGE, START + 9 * PAGE,
		START + MEM - PAGE, FAR, FAR + MEM - 3 * PAGE, FAR + MEM - 2 * PAGE,
		FAR + MEM - PAGE };
	for (unsigned i = 0; i < 8; i++)
		assert_true(is_set(bed, dirty[i]));
	assert_int_equal(count(bed), 8);
	/* And not again. */
	memset(bed->bits, 0, BYTES);
	medio_vhost_log_sync(bed->log);
	assert_int_equal(count(bed), 0);
}

static void bits_that_are_there_stay(void **state)
{
	struct bed *bed = *state;

	shares(bed);
	assert_int_equal(medio_vhost_log_set_on(bed->log, true), 0);
	bed->bits[0] = 0x81;
	writes(bed, START, 1);
	medio_vhost_log_sync(bed->log);
	assert_int_equal(bed->bits[0], 0x81 | 1u << START / PAGE);
}

static void nothing_is_set_before_it_is_on_and_after(void **state)
{
	struct bed *bed = *state;

	shares(bed);
	writes(bed, START, 1);
	medio_vhost_log_sync(bed->log);
	assert_int_equal(medio_vhost_log_set_on(bed->log, true), 0);
	medio_vhost_log_sync(bed->log);
	assert_int_equal(count(bed), 0);
	writes(bed, FAR, 1);
	/* What was written until it ends belongs to it. */
	assert_int_equal(medio_vhost_log_set_on(bed->log, false), 0);
	assert_int_equal(count(bed), 1);
	writes(bed, START, 1);
	medio_vhost_log_sync(bed->log);
	assert_int_equal(count(bed), 1);
	assert_false(medio_iommu_dirty_running(bed->domain));
}

static void it_is_fed_by_the_loop(void **state)
{
	struct bed *bed = *state;

	shares(bed);
	assert_int_equal(medio_vhost_log_set_on(bed->log, true), 0);
	for (unsigned round = 0; round < 3; round++) {
		writes(bed, FAR + round * PAGE, 1);
		while (!is_set(bed, FAR + round * PAGE))
			assert_true(medio_loop_run_once(bed->loop, 1000) >= 0);
	}
}

static void what_was_written_waits_for_a_bitmap(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(medio_vhost_log_set_on(bed->log, true), 0);
	writes(bed, FAR, 1);
	medio_vhost_log_sync(bed->log);
	shares(bed);
	medio_vhost_log_sync(bed->log);
	assert_true(is_set(bed, FAR));
}

static void another_bitmap_takes_over(void **state)
{
	struct bed *bed = *state;

	shares(bed);
	assert_int_equal(medio_vhost_log_set_on(bed->log, true), 0);
	writes(bed, FAR, 1);
	medio_vhost_log_sync(bed->log);
	munmap(bed->bits - OFFSET, OFFSET + BYTES);
	close(bed->file);
	writes(bed, START, 1);
	shares(bed);
	medio_vhost_log_sync(bed->log);
	assert_int_equal(count(bed), 1);
	assert_true(is_set(bed, START));
}

static void the_end_of_a_session_sets_all(void **state)
{
	struct bed *bed = *state;

	shares(bed);
	assert_int_equal(medio_vhost_log_set_on(bed->log, true), 0);
	writes(bed, FAR, 1);
	medio_vhost_log_free(bed->log);
	assert_true(is_set(bed, FAR));
	assert_int_equal(medio_vhost_log_new(bed->inst, &bed->log), 0);
}

static void large_memory_is_looked_at_in_pieces(void **state)
{
	struct bed *bed = *state;
	const uint64_t big = UINT64_C(0x28000000); /* 640 MiB */
	int fd = new_file(big);

	assert_int_equal(medio_instance_dma_unmap(bed->inst, 0, 0, true, NULL), 0);
	assert_int_equal(medio_instance_dma_map(bed->inst, START, big, RW, fd, 0, NULL), 0);
	close(fd);
	shares(bed);
	assert_int_equal(medio_vhost_log_set_on(bed->log, true), 0);
	for (uint64_t at = 0; at < big; at += big / 16)
		writes(bed, START + at, 1);
	writes(bed, START + big - 1, 1);
	medio_vhost_log_sync(bed->log);
	for (uint64_t at = 0; at < big; at += big / 16)
		assert_true(is_set(bed, START + at));
	assert_true(is_set(bed, START + big - 1));
	assert_int_equal(count(bed), 17);
}

/* ---- The front-end clears at the same time ------------------------------------------------------------- */

struct clearer {
	uint8_t *bits;
	atomic_bool stop;
	uint64_t seen[(MEM + FAR) / PAGE / 64 + 1];
};

/* As a VMM does, a word at a time. */
static void clear_once(struct clearer *c)
{
	for (uint64_t i = 0; i < BYTES; i++) {
		uint8_t was = __atomic_exchange_n(&c->bits[i], 0, __ATOMIC_SEQ_CST);
		c->seen[i / 8] |= (uint64_t)was << 8 * (i % 8);
	}
}

static void *clears(void *opaque)
{
	struct clearer *c = opaque;

	while (!atomic_load(&c->stop))
		clear_once(c);
	return NULL;
}

static void no_bit_is_lost_while_the_front_end_clears_them(void **state)
{
	struct bed *bed = *state;
	static struct clearer c;
	pthread_t thread;

	shares(bed);
	assert_int_equal(medio_vhost_log_set_on(bed->log, true), 0);
	c = (struct clearer){ .bits = bed->bits };
	assert_int_equal(pthread_create(&thread, NULL, clears, &c), 0);
	for (uint64_t page = 0; page < MEM / PAGE; page++) {
		writes(bed, START + page * PAGE, 1);
		medio_vhost_log_sync(bed->log);
	}
	atomic_store(&c.stop, true);
	pthread_join(thread, NULL);
	clear_once(&c);
	for (uint64_t page = START / PAGE; page < (START + MEM) / PAGE; page++)
		assert_true(c.seen[page / 64] >> page % 64 & 1);
}

/* A bitmap is shared by all back-ends of a virtual machine. */
struct neighbour {
	uint8_t *byte;
	atomic_bool stop;
	unsigned lost;
	atomic_uint rounds;
};

static void *sets_and_clears(void *opaque)
{
	struct neighbour *n = opaque;

	while (!atomic_load(&n->stop)) {
		__atomic_fetch_or(n->byte, 0x80, __ATOMIC_SEQ_CST);
		n->lost += !(__atomic_fetch_and(n->byte, 0x7f, __ATOMIC_SEQ_CST) & 0x80);
		atomic_fetch_add(&n->rounds, 1);
	}
	return NULL;
}

static void bits_of_other_back_ends_are_left_alone(void **state)
{
	struct bed *bed = *state;
	struct neighbour n = { .lost = 0 };
	pthread_t thread;

	shares(bed);
	assert_int_equal(medio_vhost_log_set_on(bed->log, true), 0);
	n.byte = &bed->bits[START / PAGE / 8];
	assert_int_equal(pthread_create(&thread, NULL, sets_and_clears, &n), 0);
	for (unsigned i = 0; i < 100000 || atomic_load(&n.rounds) < 100000; i++) {
		writes(bed, START, 1);
		medio_vhost_log_sync(bed->log);
	}
	atomic_store(&n.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(n.lost, 0);
}

/* ---- Rings ------------------------------------------------------------------------------------------------ */

static void a_ring_is_logged_where_it_is_said_to_be_and_where_it_is(void **state)
{
	struct bed *bed = *state;
	const uint64_t ring = START + 3 * PAGE + 64, log = 0x800010; /* not mapped */

	shares(bed);
	assert_int_equal(medio_vhost_log_set_on(bed->log, true), 0);
	/* 3 pages here and 4 there. */
	assert_int_equal(medio_vhost_log_set_ring(bed->log, 255, ring, 3 * PAGE - 64, log), 0);
	writes(bed, ring + PAGE, 4);
	medio_vhost_log_sync(bed->log);
	assert_true(is_set(bed, ring + PAGE));
	assert_true(is_set(bed, log + PAGE));
	assert_false(is_set(bed, log + 3 * PAGE));
	/* The page of the ring, from its second one on, is two pages there. */
	assert_int_equal(count(bed), 3);
	memset(bed->bits, 0, BYTES);
	writes(bed, ring + 3 * PAGE - 65, 1);
	medio_vhost_log_sync(bed->log);
	assert_true(is_set(bed, log + 3 * PAGE - 65));
	memset(bed->bits, 0, BYTES);
	/* Other memory is not the ring's. */
	writes(bed, FAR, 1);
	medio_vhost_log_sync(bed->log);
	assert_int_equal(count(bed), 1);
	memset(bed->bits, 0, BYTES);
	/* And it ends. */
	assert_int_equal(medio_vhost_log_set_ring(bed->log, 255, 0, 0, 0), 0);
	writes(bed, ring, 1);
	medio_vhost_log_sync(bed->log);
	assert_int_equal(count(bed), 1);
}

static void a_ring_beyond_the_bitmap_is_refused(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(medio_vhost_log_set_ring(bed->log, 256, START, 64, START), -EINVAL);
	assert_int_equal(
		medio_vhost_log_set_ring(bed->log, 0, START, 4096, UINT64_MAX - 100), -EOVERFLOW);
	shares(bed);
	assert_int_equal(
		medio_vhost_log_set_ring(bed->log, 3, START, 64, BYTES * 8 * PAGE - 63), -EINVAL);
	assert_true(said(bed, "queue 3 is logged at"));
	assert_int_equal(
		medio_vhost_log_set_ring(bed->log, 3, START, 64, BYTES * 8 * PAGE - 64), 0);
	/* A bitmap that does not cover it comes too late. */
	assert_int_equal(medio_instance_dma_unmap(bed->inst, FAR, MEM, false, NULL), 0);
	assert_int_equal(
		medio_vhost_log_set_base(bed->log, dup(bed->file), BYTES / 2, OFFSET), -EINVAL);
}

/* ---- Lies -------------------------------------------------------------------------------------------------- */

static void sizes_that_cannot_be_are_refused_and_the_former_stays(void **state)
{
	struct bed *bed = *state;
	static const struct {
		uint64_t size, offset;
		int ret;
		const char *words;
	} cases[] = {
		{ 0, 0, -EINVAL, "a bitmap of 0 bytes" },
		{ BYTES + 1, OFFSET, -EINVAL, "its file ends before" },
		{ BYTES, OFFSET + 1, -EINVAL, "its file ends before" },
		{ UINT64_MAX, 2, -EOVERFLOW, "wrap around" },
		{ 2, UINT64_MAX, -EOVERFLOW, "wrap around" },
		{ MEDIO_VHOST_LOG_MAX + 1, 0, -E2BIG, "at most 0x80000000" },
		{ (FAR + MEM - PAGE) / PAGE / 8, 0, -EINVAL, "ends before the memory does" },
	};

	shares(bed);
	assert_int_equal(medio_vhost_log_set_on(bed->log, true), 0);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(medio_vhost_log_set_base(
					 bed->log, dup(bed->file), cases[i].size, cases[i].offset),
			cases[i].ret);
		assert_true(said(bed, cases[i].words));
	}
	writes(bed, FAR, 1);
	medio_vhost_log_sync(bed->log);
	assert_true(is_set(bed, FAR));
}

static void what_is_no_file_for_writing_is_refused(void **state)
{
	struct bed *bed = *state;
	char path[40];
	int pipes[2], file = new_file(BYTES);

	assert_int_equal(medio_vhost_log_set_base(bed->log, -1, BYTES, 0), -EBADF);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(medio_vhost_log_set_base(bed->log, pipes[0], BYTES, 0), -EINVAL);
	close(pipes[1]);
	assert_int_equal(medio_vhost_log_set_base(bed->log, eventfd(0, 0), BYTES, 0), -EINVAL);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	assert_int_equal(
		medio_vhost_log_set_base(bed->log, open(path, O_RDONLY | O_CLOEXEC), BYTES, 0),
		-EACCES);
	close(file);
	file = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(file, BYTES), 0);
	assert_int_equal(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE), 0);
	assert_int_equal(medio_vhost_log_set_base(bed->log, file, BYTES, 0), -EACCES);
}

static void a_file_that_is_cut_later_is_told_and_harms_nobody(void **state)
{
	struct bed *bed = *state;

	shares(bed);
	assert_int_equal(medio_vhost_log_set_on(bed->log, true), 0);
	assert_int_equal(ftruncate(bed->file, 0), 0);
	writes(bed, FAR, 1);
	medio_vhost_log_sync(bed->log);
	assert_true(said(bed, "has become shorter"));
	bed->len = 0;
	bed->words[0] = '\0';
	writes(bed, FAR, 1);
	medio_vhost_log_sync(bed->log);
	assert_false(said(bed, "has become shorter"));
	/* A good one helps. */
	munmap(bed->bits - OFFSET, OFFSET + BYTES);
	close(bed->file);
	shares(bed);
	writes(bed, FAR, 1);
	medio_vhost_log_sync(bed->log);
	assert_true(is_set(bed, FAR));
}

static void memory_beyond_the_bitmap_is_noticed(void **state)
{
	struct bed *bed = *state;
	const uint64_t end = BYTES * 8 * PAGE;

	assert_true(medio_vhost_log_covers(bed->log, UINT64_MAX));
	shares(bed);
	assert_true(medio_vhost_log_covers(bed->log, UINT64_MAX));
	assert_int_equal(medio_vhost_log_set_on(bed->log, true), 0);
	assert_true(medio_vhost_log_covers(bed->log, end));
	assert_false(medio_vhost_log_covers(bed->log, end + 1));
	assert_true(said(bed, "give a larger one"));
	/* Off, memory may grow; then it cannot go on. */
	assert_int_equal(medio_vhost_log_set_on(bed->log, false), 0);
	assert_int_equal(medio_instance_dma_map(bed->inst, end, PAGE, RW, bed->mem, 0, NULL), 0);
	assert_int_equal(medio_vhost_log_set_on(bed->log, true), -EINVAL);
	assert_false(medio_vhost_log_is_on(bed->log));
}

/* ---- LOG_FD ------------------------------------------------------------------------------------------------ */

static unsigned signals(int fd)
{
	uint64_t n = 0;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && read(fd, &n, sizeof(n)) == sizeof(n) ? (unsigned)n : 0;
}

static void new_bits_are_signalled_and_nothing_else(void **state)
{
	struct bed *bed = *state;
	int fd = eventfd(0, EFD_CLOEXEC);

	shares(bed);
	assert_int_equal(medio_vhost_log_set_fd(bed->log, dup(fd)), 0);
	assert_int_equal(medio_vhost_log_set_on(bed->log, true), 0);
	medio_vhost_log_sync(bed->log);
	assert_int_equal(signals(fd), 0);
	writes(bed, FAR, 4 * PAGE);
	medio_vhost_log_sync(bed->log);
	assert_int_equal(signals(fd), 1);
	medio_vhost_log_sync(bed->log);
	assert_int_equal(signals(fd), 0);
	/* A counter that is full does not stop us. */
	const uint64_t full = UINT64_MAX - 1;
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	writes(bed, FAR, 1);
	medio_vhost_log_sync(bed->log);
	assert_int_equal(medio_vhost_log_set_fd(bed->log, -1), 0);
	close(fd);
	writes(bed, FAR, 1);
	medio_vhost_log_sync(bed->log);
}

static void only_an_eventfd_is_signalled(void **state)
{
	struct bed *bed = *state;
	int pipes[2];

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(medio_vhost_log_set_fd(bed->log, pipes[1]), -EINVAL);
	/* It was closed. */
	char c;
	assert_int_equal(read(pipes[0], &c, 1), 0);
	close(pipes[0]);
	assert_true(said(bed, "not an eventfd"));
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pages_that_are_written_are_set_and_no_others),
		TEST(bits_that_are_there_stay),
		TEST(nothing_is_set_before_it_is_on_and_after),
		TEST(it_is_fed_by_the_loop),
		TEST(what_was_written_waits_for_a_bitmap),
		TEST(another_bitmap_takes_over),
		TEST(the_end_of_a_session_sets_all),
		TEST(large_memory_is_looked_at_in_pieces),
		TEST(no_bit_is_lost_while_the_front_end_clears_them),
		TEST(bits_of_other_back_ends_are_left_alone),
		TEST(a_ring_is_logged_where_it_is_said_to_be_and_where_it_is),
		TEST(a_ring_beyond_the_bitmap_is_refused),
		TEST(sizes_that_cannot_be_are_refused_and_the_former_stays),
		TEST(what_is_no_file_for_writing_is_refused),
		TEST(a_file_that_is_cut_later_is_told_and_harms_nobody),
		TEST(memory_beyond_the_bitmap_is_noticed),
		TEST(new_bits_are_signalled_and_nothing_else),
		TEST(only_an_eventfd_is_signalled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
