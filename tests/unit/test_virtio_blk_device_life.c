/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio-blk over time: many queues and requests at once, resets, another size, polling, parameters. */
#include <endian.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test_virtio_blk_device_bed.h"

static void every_queue_answers(void **state)
{
	struct bed *bed = *state;

	plugs(bed, NULL, PARAMS("num-queues=8"));
	brings_up(bed, F_ALL, 8);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 8; i++) {
			memset(bed->buf + i * 512, (int)(i + 1), 512);
			submits(bed, i, i, T_OUT, i, bed->buf + i * 512, 512, 0);
		}
		for (unsigned i = 0; i < 8; i++) {
			comes(bed, i, bed->memory + i * 64);
			assert_int_equal(status_of(bed, i), OK);
			assert_int_equal(fake_disk.data[i * 512 + 511], i + 1);
		}
	}
	shows(bed, "blk/writes", "24\n");
	shows(bed, "blk/written_bytes", "12288\n");
	/* Each on its own, whatever the order at the disk. */
	holds(bed, true);
	for (unsigned i = 0; i < 8; i++)
		submits(bed, i, i, T_IN, 7 - i, bed->buf + i * 512, 0, 512);
	waits_for_held(bed, 8);
	releases(bed, -8);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(comes(bed, i, bed->memory + i * 64), 513);
		assert_int_equal(bed->buf[i * 512], 8 - i);
	}
}

static void let_kicks_release(void *opaque)
{
	(void)opaque;
	fake_disk.kick_releases = true;
}

/* What a disk finishes while it is given something of another queue. */
static void a_turn_shows_what_ends_in_other_queues(void **state)
{
	struct bed *bed = *state;

	plugs(bed, NULL, PARAMS("num-queues=2"));
	brings_up(bed, F_ALL, 2);
	holds(bed, true);
	submits(bed, 0, 0, T_IN, 0, bed->buf, 0, 512);
	waits_for_held(bed, 1);
	card_bed_on_device(&bed->bed, let_kicks_release, NULL);
	submits(bed, 1, 1, T_IN, 1, bed->buf + 512, 0, 512);
	assert_int_equal(comes(bed, 0, bed->memory), 513);
	assert_int_equal(comes(bed, 1, bed->memory + 64), 513);
}

static void one_queue_is_enough(void **state)
{
	struct bed *bed = *state;
	struct virtio_info info;

	plugs(bed, NULL, PARAMS("num-queues=64"));
	virtio_get_info(bed->v, &info);
	assert_int_equal(info.num_queues, 64);
	brings_up(bed, F_ALL & ~F(F_MQ), 1);
	assert_int_equal(writes(bed, 0, 512), OK);
}

/* Requests end in the disk's order, and what one kick brings goes to the disk together. */
static void many_at_once(void **state)
{
	struct bed *bed = *state;
	struct virtq *ring;
	struct virtq_done done;
	unsigned n = 0;

	opens(bed, NULL, NULL);
	ring = virtio_ring(bed->queues[0]);
	holds(bed, true);
	unsigned kicks = seen(bed)->kicks;
	for (unsigned i = 0; i < 60; i++) {
		uint8_t *ptr = puts_header(bed, i, T_OUT, i);
		memset(bed->buf + i * 512, (int)i + 1, 512);
		struct virtq_seg segs[3] = { at(bed, ptr, 16), at(bed, bed->buf + i * 512, 512),
			at(bed, ptr + 32, 1) };
		assert_int_equal(virtq_add(ring, segs, 2, 1, ptr), 0);
	}
	assert_int_equal(virtio_kick(bed->queues[0]), 0);
	waits_for_held(bed, 60);
	assert_true(seen(bed)->kicks - kicks < 10);
	releases(bed, -60);
	while (n < 60) {
		assert_int_equal(virtio_wait(bed->v, bed->queues, 1, 120000), 1);
		while (virtq_take(ring, &done) == 1) {
			assert_ptr_equal(done.tag, bed->memory + (59 - n) * 64);
			assert_int_equal(status_of(bed, 59 - n), OK);
			n++;
		}
	}
	for (unsigned i = 0; i < 60; i++)
		assert_int_equal(fake_disk.data[i * 512], i + 1);
}

/* A request of several steps goes on by itself. */
static void steps_go_on(void **state)
{
	const struct segment some[] = { { 0, 8, 0 }, { 16, 8, 0 }, { 32, 8, 0 } };
	struct bed *bed = *state;

	plugs(bed, NULL, NULL);
	brings_up(bed, F(F_ZEROES), 1);
	memset(fake_disk.data, 0x11, sizeof(fake_disk.data));
	holds(bed, true);
	for (unsigned i = 0; i < 3; i++) {
		const struct segment le = { htole64(some[i].sector), htole32(some[i].sectors), 0 };
		memcpy(bed->buf + i * sizeof(le), &le, sizeof(le));
	}
	submits(bed, 0, 0, T_ZEROES, 0, bed->buf, sizeof(some), 0);
	for (unsigned i = 0; i < 3; i++) {
		waits_for_held(bed, 1);
		assert_int_equal(seen(bed)->ops[DISK_ZEROES], i + 1);
		/* The disk is told of each. */
		assert_int_equal(seen(bed)->unkicked, 0);
		releases(bed, 1);
	}
	/* And durable at the end: this driver has no flush. */
	assert_int_equal(seen(bed)->ops[DISK_FLUSH], 1);
	assert_int_equal(status_of(bed, 0), NOTHING);
	releases(bed, 1);
	comes(bed, 0, bed->memory);
	assert_int_equal(status_of(bed, 0), OK);
}

/* What is under way is finished first, all its steps; only then the status reads 0 (2.4). */
static void a_reset_waits_for_requests(void **state)
{
	const struct segment two[] = { { 0, htole32(8), 0 }, { htole64(16), htole32(8), 0 } };
	const unsigned reg = MEDIO_VIRTIO_COMMON + 0x14;
	struct bed *bed = *state;
	uint8_t status;

	opens(bed, NULL, NULL);
	memset(fake_disk.data, 0x11, sizeof(fake_disk.data));
	holds(bed, true);
	memset(bed->buf, 0x77, 4096);
	submits(bed, 0, 0, T_OUT, 64, bed->buf, 4096, 0);
	memcpy(bed->buf + 8192, two, sizeof(two));
	submits(bed, 0, 1, T_ZEROES, 0, bed->buf + 8192, sizeof(two), 0);
	waits_for_held(bed, 2);
	assert_int_equal(medio_card_write8(bed->card, MEDIO_VIRTIO_BAR, reg, 0), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(medio_card_read8(bed->card, MEDIO_VIRTIO_BAR, reg, &status), 0);
		assert_int_not_equal(status, 0);
		/* The write, the first zeroes, the second. */
		assert_int_equal(seen(bed)->num_held, i == 0 ? 2 : 1);
		releases(bed, 1);
	}
	assert_int_equal(seen(bed)->num_held, 0);
	for (unsigned i = 0; i < 100000 && status; i++) {
		medio_card_process(bed->card);
		assert_int_equal(medio_card_read8(bed->card, MEDIO_VIRTIO_BAR, reg, &status), 0);
	}
	assert_int_equal(status, 0);
	assert_int_equal(fake_disk.data[64 * 512], 0x77);
	assert_int_equal(fake_disk.data[24 * 512 - 1], 0);
	virtio_close(bed->v);
	holds(bed, false);
	if (virtio_open(bed->card, 2, NULL, &bed->v, bed->words, sizeof(bed->words)))
		fail_msg("%s", bed->words);
	brings_up(bed, F_ALL, 1);
	assert_int_equal(reads(bed, 0, 512), OK);
}

/* As a client whose socket is a test's, too: returned. */
static int opens_by_socket(struct bed *bed)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), kept;

	assert_int_equal(card_bed_open(&bed->bed, &medio_virtio_blk, NULL, bed->way), 0);
	medio_card_close(bed->bed.card);
	bed->bed.card = NULL;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", strchr(bed->bed.uri, '/'));
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	kept = dup(fd);
	assert_true(kept >= 0);
	assert_int_equal(medio_card_open_fd(fd, NULL, &bed->bed.card, NULL), 0);
	starts(bed, NULL);
	brings_up(bed, F_ALL, 1);
	return kept;
}

/* A client that vanishes takes the memory along: nothing can wait for an answer. */
static void a_client_that_vanishes(void **state)
{
	struct bed *bed = *state;
	int kept = opens_by_socket(bed);

	holds(bed, true);
	memset(bed->buf, 0x77, 4096);
	submits(bed, 0, 0, T_OUT, 64, bed->buf, 4096, 0);
	waits_for_held(bed, 1);
	assert_int_equal(shutdown(kept, SHUT_RDWR), 0);
	close(kept);
	while (seen(bed)->num_held)
		;
	assert_true(seen(bed)->drains > 0);
	assert_int_equal(fake_disk.data[64 * 512], 0x77);
}

/* What is under way when nobody is there any more is finished too. */
static void an_end_in_the_middle(void **state)
{
	struct bed *bed = *state;

	opens(bed, NULL, NULL);
	sets_writeback(bed, 0);
	holds(bed, true);
	sets_writeback(bed, 1);
	sets_writeback(bed, 0);
	assert_int_equal(seen(bed)->num_held, 1);
	closes(bed);
	assert_int_equal(fake_disk.num_held, 0);
	assert_int_equal(fake_disk.opened, fake_disk.closed);
}

static void resize_there(void *arg)
{
	fake_disk_resize(*(uint64_t *)arg);
}

static void waits_for_config(struct bed *bed)
{
	for (unsigned i = 0; i < 1000 && !virtio_config_changed(bed->v); i++)
		virtio_wait(bed->v, bed->queues, 1, 20);
}

static void another_size(void **state)
{
	uint64_t bytes = FAKE_DISK_BYTES;
	struct bed *bed = *state;

	fake_disk.info.bytes = 512 * 100;
	opens(bed, NULL, NULL);
	assert_int_equal(config(bed, CAPACITY, 8), 100);
	assert_int_equal(reads(bed, 100, 512), IOERR);
	assert_false(virtio_config_changed(bed->v));
	card_bed_on_device(&bed->bed, resize_there, &bytes);
	/* An interrupt tells, and the next look finds it. */
	waits_for_config(bed);
	assert_int_equal(config(bed, CAPACITY, 8), FAKE_DISK_BYTES / 512);
	assert_int_equal(reads(bed, 100, 512), OK);
	bytes = 512 * 10;
	card_bed_on_device(&bed->bed, resize_there, &bytes);
	waits_for_config(bed);
	assert_int_equal(config(bed, CAPACITY, 8), 10);
	assert_int_equal(reads(bed, 10, 512), IOERR);
	shows(bed, "blk/capacity", "5120\n");
}

static void rescan_there(void *arg)
{
	struct bed *bed = arg;

	card_bed_must(!medio_instance_attr_store(bed->bed.inst, "blk/rescan", "1\n", 2));
	card_bed_must(!medio_instance_attr_store(bed->bed.inst, "blk/rescan", "1", 1));
	card_bed_must(medio_instance_attr_store(bed->bed.inst, "blk/rescan", "2", 1) == -EINVAL);
	card_bed_must(medio_instance_attr_store(bed->bed.inst, "blk/rescan", "11", 2) == -EINVAL);
	card_bed_must(medio_instance_attr_store(bed->bed.inst, "blk/rescan", "", 0) == -EINVAL);
}

static void is_told_to_look(void **state)
{
	struct bed *bed = *state;

	opens(bed, NULL, NULL);
	unsigned before = seen(bed)->refreshed;
	card_bed_on_device(&bed->bed, rescan_there, bed);
	assert_int_equal(seen(bed)->refreshed - before, 2);
}

/* By itself, while there is a driver. */
static void looks_now_and_then(void **state)
{
	struct bed *bed = *state;

	plugs(bed, NULL, PARAMS("file=fake", "rescan=1ms"));
	assert_int_equal(seen(bed)->refreshed, 0);
	brings_up(bed, F_ALL, 1);
	/* For what the driver reads now, then again and again. */
	while (seen(bed)->refreshed < 4)
		virtio_wait(bed->v, bed->queues, 1, 1);
	virtio_close(bed->v);
	bed->v = NULL;
	unsigned before = seen(bed)->refreshed;
	for (unsigned i = 0; i < 1000; i++)
		medio_card_process(bed->card);
	assert_int_equal(seen(bed)->refreshed, before);
}

/* What the disk finishes is found by asking it. */
static void polls(void **state)
{
	static const char *const ways[] = { "poll=on", "poll=adaptive" };
	struct bed *bed = *state;

	for (unsigned i = 0; i < 2; i++) {
		fake_disk_clear();
		opens(bed, NULL, PARAMS(ways[i], "poll-time=1s"));
		holds(bed, true);
		for (unsigned n = 0; n < 100; n++) {
			memset(bed->buf, (int)n + 1, 512);
			assert_int_equal(writes(bed, n, 512), OK);
			assert_int_equal(fake_disk.data[n * 512], n + 1);
		}
		assert_true(seen(bed)->polls > 0);
		closes(bed);
	}
}

/* ---- Parameters ------------------------------------------------------------------------------------ */

static void ignore(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	(void)line;
}

static void refuses(const char *param, const char *words)
{
	const char *params[] = { param };
	const struct medio_instance_options opts = {
		.params = params, .nparams = 1, .log = ignore
	};
	struct medio_instance *inst = NULL;
	struct medio_error *err = NULL;
	struct medio_loop *loop;

	assert_int_equal(medio_loop_new(&loop), 0);
	if (!medio_instance_new(loop, &medio_virtio_blk, &opts, &inst, &err))
		fail_msg("%s is taken", param);
	if (!strstr(medio_error_text(err), words))
		fail_msg("'%s' does not say '%s'", medio_error_text(err), words);
	medio_error_free(err);
	medio_loop_free(loop);
	assert_int_equal(fake_disk.opened, fake_disk.closed);
}

static void refuses_parameters(void **state)
{
	(void)state;
	fake_disk_clear();
	refuses("serial=0123456789abcdefghijk", "21 bytes, at most 20");
	refuses("queue-size=2", "4 are the least");
	refuses("num-queues=0", "num-queues");
	refuses("num-queues=65", "num-queues");
	refuses("block-size=1000", "a power of two from 512 to 65536");
	refuses("block-size=256", "a power of two from 512 to 65536");
	refuses("physical-block-size=700", "physical-block-size=700");
	fake_disk.info.block = 4096;
	refuses("block-size=512", "the disk behind has blocks of 4096");
	fake_disk.info.block = 512;
	fake_disk.info.bytes = 512 * 9;
	refuses("block-size=4096", "not a multiple");
	fake_disk.open_fails = ENOENT;
	refuses("serial=x", "the test's disk does not open");
}

static void blocks_as_told(void **state)
{
	struct bed *bed = *state;

	opens(bed, NULL, PARAMS("block-size=4K", "physical-block-size=16K", "queue-size=4"));
	assert_int_equal(config(bed, BLK_SIZE, 4), 4096);
	assert_int_equal(config(bed, PHYSICAL_EXP, 1), 2);
	assert_int_equal(config(bed, MIN_IO, 2), 4);
	assert_int_equal(config(bed, OPT_IO, 4), 16);
	assert_int_equal(config(bed, SEG_MAX, 4), 2);
	assert_int_equal(config(bed, CAPACITY, 8), FAKE_DISK_BYTES / 512);
	assert_int_equal(writes(bed, 8, 4096), OK);
	closes(bed);
	/* Smaller pieces than the disk behind has are no blocks. */
	fake_disk.info.block = 4096;
	opens(bed, NULL, NULL);
	assert_int_equal(config(bed, BLK_SIZE, 4), 4096);
	assert_int_equal(reads(bed, 8, 4096), OK);
	assert_int_equal(reads(bed, 1, 4096), IOERR);
	assert_int_equal(reads(bed, 8, 512), IOERR);
}

/* ---- Another process goes on ------------------------------------------------------------------------- */

struct saved {
	struct bed *bed;
	uint8_t bytes[65536];
	ssize_t size;
};

static void save_there(void *arg)
{
	struct saved *s = arg;

	s->size = medio_instance_save(s->bed->bed.inst, s->bytes, sizeof(s->bytes));
}

/* The same memory, as far as the device sees: nothing was in its rings yet. */
static struct medio_card *goes_on(struct bed *bed, struct medio_instance *inst)
{
	uint64_t around = 16 << 20, from = bed->iova > around ? bed->iova - around : 0;
	struct medio_card *card;
	void *ptr;

	assert_int_equal(medio_card_open_instance(inst, &card, NULL), 0);
	assert_int_equal(medio_card_dma_alloc(card, from, 2 * around, RW, &ptr), 0);
	assert_int_equal(medio_card_irq_open(card, MEDIO_CARD_MSIX, 2), 0);
	return card;
}

/* The cache mode is the device's own to remember; it has it when a client is there again. */
static void the_cache_mode_moves_along(void **state)
{
	static struct saved s;
	struct bed *bed = *state;
	struct medio_instance *inst;
	struct medio_loop *loop;
	char text[64] = "";

	opens(bed, NULL, NULL);
	sets_writeback(bed, 0);
	s.bed = bed;
	card_bed_on_device(&bed->bed, save_there, &s);
	assert_true(s.size > 0);
	assert_int_equal(medio_loop_new(&loop), 0);
	assert_int_equal(medio_instance_new(loop, &medio_virtio_blk, NULL, &inst, NULL), 0);
	assert_int_equal(medio_instance_load(inst, s.bytes, (size_t)s.size), 0);
	struct medio_card *card = goes_on(bed, inst);
	for (unsigned i = 0; i < 100000 && strcmp(text, "write through\n") != 0; i++) {
		medio_card_process(card);
		ssize_t len = medio_instance_attr_show(inst, "blk/cache", text, sizeof(text) - 1);
		assert_true(len > 0);
		text[len] = '\0';
	}
	assert_string_equal(text, "write through\n");
	medio_card_close(card);
	medio_instance_free(inst);
	medio_loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_queue_answers),
		TEST(a_turn_shows_what_ends_in_other_queues),
		TEST(one_queue_is_enough),
		TEST(many_at_once),
		TEST(steps_go_on),
		TEST(a_reset_waits_for_requests),
		{ "vfio-user: a_client_that_vanishes", a_client_that_vanishes, setup, teardown,
			&card_bed_ways[CARD_BED_VFIO_USER] },
		TEST(an_end_in_the_middle),
		TEST(another_size),
		TEST(is_told_to_look),
		TEST(looks_now_and_then),
		TEST(polls),
		cmocka_unit_test(refuses_parameters),
		TEST(blocks_as_told),
		{ "local: the_cache_mode_moves_along", the_cache_mode_moves_along, setup, teardown,
			&card_bed_ways[CARD_BED_LOCAL] },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
