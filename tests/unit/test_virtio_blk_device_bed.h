/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device virtio-blk under requests made by hand, on the driver's rings, in process or over vfio-user.
 *
 *     opens(bed, NULL, PARAMS("serial=S1"));
 *     assert_int_equal(writes(bed, 7, 512), OK);
 */
#ifndef TEST_VIRTIO_BLK_DEVICE_BED_H
#define TEST_VIRTIO_BLK_DEVICE_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <medio/virtio.h>

#include "../../devices/virtio-blk/virtio-blk.h"
#include "../../drivers/virtio/virtio.h"
#include "test_bytes.h"
#include "test_card_bed.h"
#include "test_fake_disk.h"

#define RW (MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)

/* Features, by number (5.2.3). */
#define F(n_) (UINT64_C(1) << (n_))
enum { F_SIZE_MAX = 1, F_SEG_MAX, F_GEOMETRY = 4, F_RO, F_BLK_SIZE, F_FLUSH = 9, F_TOPOLOGY };
enum { F_WCE = 11, F_MQ, F_DISCARD, F_ZEROES, F_LIFETIME, F_SECURE_ERASE, F_ZONED };
#define F_ALL UINT64_C(0xffffff)

enum { T_IN, T_OUT, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_ZEROES = 13 };
enum { OK, IOERR, UNSUPP, NOTHING = 0xaa };

/* The configuration (5.2.4). */
enum { CAPACITY = 0, SEG_MAX = 12, GEOMETRY = 16, BLK_SIZE = 20, PHYSICAL_EXP = 24, MIN_IO = 26 };
enum { OPT_IO = 28, WRITEBACK = 32, NUM_QUEUES = 34, MAX_DISCARD = 36, DISCARD_SEG = 40 };
enum { DISCARD_ALIGN = 44, MAX_ZEROES = 48, ZEROES_SEG = 52, MAY_UNMAP = 56 };

/* Memory that the device reaches: data, and a page of requests before it. */
#define PAGE   4096u
#define BUFFER (1u << 20)
#define SEGS   250u

struct bed {
	enum card_bed_way way;
	struct card_bed bed;
	struct medio_card *card;
	struct virtio *v;
	struct virtio_queue *queues[8];
	unsigned num_queues;
	uint8_t *memory, *buf; /* buf: BUFFER bytes at iova + PAGE */
	uint64_t iova;
	char words[VIRTIO_WORDS];
};

struct header {
	uint32_t type, reserved;
	uint64_t sector;
};

struct segment {
	uint64_t sector;
	uint32_t sectors, flags;
};

#define PARAMS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static inline int setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	if (!bed)
		return -1;
	bed->way = card_bed_way(state);
	fake_disk_clear();
	*state = bed;
	return 0;
}

static inline void closes(struct bed *bed)
{
	virtio_close(bed->v);
	card_bed_close(&bed->bed);
	*bed = (struct bed){ .way = bed->way };
}

static inline int teardown(void **state)
{
	struct bed *bed = *state;

	closes(bed);
	free(bed);
	return 0;
}

/* The card that bed has, up to its reset. */
static inline void starts(struct bed *bed, const struct virtio_options *opts)
{
	void *ptr;

	bed->card = bed->bed.card;
	assert_int_equal(
		medio_card_dma_alloc_any(bed->card, PAGE + BUFFER, RW, &bed->iova, &ptr), 0);
	bed->memory = ptr;
	bed->buf = bed->memory + PAGE;
	if (virtio_open(bed->card, 2, opts, &bed->v, bed->words, sizeof(bed->words)))
		fail_msg("%s", bed->words);
}

static inline void plugs(
	struct bed *bed, const struct virtio_options *opts, const char *const *params)
{
	assert_int_equal(card_bed_open(&bed->bed, &medio_virtio_blk, params, bed->way), 0);
	starts(bed, opts);
}

/* With these features, and n queues. */
static inline void brings_up(struct bed *bed, uint64_t features, unsigned n)
{
	if (virtio_accept(bed->v, features, 0))
		fail_msg("%s", virtio_words(bed->v));
	bed->num_queues = n;
	for (unsigned i = 0; i < n; i++)
		if (virtio_queue(bed->v, i, 0, SEGS, &bed->queues[i]))
			fail_msg("%s", virtio_words(bed->v));
	if (virtio_ready(bed->v))
		fail_msg("%s", virtio_words(bed->v));
}

static inline void opens(
	struct bed *bed, const struct virtio_options *opts, const char *const *params)
{
	plugs(bed, opts, params);
	brings_up(bed, F_ALL, 1);
}

/* ---- Requests ---------------------------------------------------------------------------------- */

static inline struct virtq_seg at(const struct bed *bed, const void *ptr, size_t len)
{
	return (struct virtq_seg){ bed->iova + (uint64_t)((const uint8_t *)ptr - bed->memory),
		(uint32_t)len };
}

/* A chain is there for the device, which is told. */
static inline void sends(struct bed *bed, unsigned queue, const struct virtq_seg *segs,
	unsigned out, unsigned in, void *tag)
{
	assert_int_equal(virtq_add(virtio_ring(bed->queues[queue]), segs, out, in, tag), 0);
	assert_int_equal(virtio_kick(bed->queues[queue]), 0);
}

/* It comes back: bytes that are said to be written. */
static inline uint32_t comes(struct bed *bed, unsigned queue, void *tag)
{
	struct virtq_done done;
	int ret = virtio_wait(bed->v, &bed->queues[queue], 1, 120000);

	if (ret != 1)
		fail_msg("%d: %s", ret, virtio_words(bed->v));
	assert_int_equal(virtq_take(virtio_ring(bed->queues[queue]), &done), 1);
	assert_ptr_equal(done.tag, tag);
	return done.len;
}

/*
 * A request in three pieces: header, data (out or in), status. Which one of the page's 64 places it
 * uses is what tag points at.
 */
static inline uint8_t *puts_header(struct bed *bed, unsigned place, uint32_t type, uint64_t sector)
{
	struct header header = { htole32(type), 0, htole64(sector) };
	uint8_t *ptr = bed->memory + place * (size_t)64;

	assert_true(place < PAGE / 64);
	memcpy(ptr, &header, sizeof(header));
	ptr[32] = NOTHING;
	return ptr;
}

static inline void submits(struct bed *bed, unsigned queue, unsigned place, uint32_t type,
	uint64_t sector, void *data, size_t out, size_t in)
{
	uint8_t *ptr = puts_header(bed, place, type, sector);
	struct virtq_seg segs[4] = { at(bed, ptr, 16) };
	unsigned n = 1;

	if (out)
		segs[n++] = at(bed, data, out);
	if (in)
		segs[n++] = at(bed, data, in);
	segs[n++] = at(bed, ptr + 32, 1);
	sends(bed, queue, segs, out ? 2 : 1, in ? 2 : 1, ptr);
}

static inline uint8_t status_of(const struct bed *bed, unsigned place)
{
	return bed->memory[place * 64 + 32];
}

/* One by itself: its status. All that could be written is said to be. */
static inline unsigned asks(struct bed *bed, uint32_t type, uint64_t sector, size_t out, size_t in)
{
	submits(bed, 0, 0, type, sector, bed->buf, out, in);
	assert_int_equal(comes(bed, 0, bed->memory), in + 1);
	return status_of(bed, 0);
}

static inline unsigned writes(struct bed *bed, uint64_t sector, size_t bytes)
{
	return asks(bed, T_OUT, sector, bytes, 0);
}

static inline unsigned reads(struct bed *bed, uint64_t sector, size_t bytes)
{
	return asks(bed, T_IN, sector, 0, bytes);
}

static inline unsigned flushes(struct bed *bed)
{
	return asks(bed, T_FLUSH, 0, 0, 0);
}

/* A discard or write zeroes of n segments. */
static inline unsigned segments(
	struct bed *bed, uint32_t type, const struct segment *segs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct segment le = { htole64(segs[i].sector), htole32(segs[i].sectors),
			htole32(segs[i].flags) };
		memcpy(bed->buf + i * sizeof(le), &le, sizeof(le));
	}
	return asks(bed, type, 0, n * sizeof(*segs), 0);
}

/* ---- The device from outside --------------------------------------------------------------------- */

static inline uint64_t config(struct bed *bed, unsigned offset, unsigned bytes)
{
	uint8_t le[8] = { 0 };

	assert_int_equal(virtio_config(bed->v, offset, le, bytes), 0);
	return medio_get_le(le, bytes);
}

static inline void sets_writeback(struct bed *bed, uint8_t value)
{
	assert_int_equal(medio_card_write8(bed->card, MEDIO_VIRTIO_BAR,
				 MEDIO_VIRTIO_CONFIG + WRITEBACK, value),
		0);
	/* It has been done when a read is answered. */
	config(bed, WRITEBACK, 1);
}

struct shown {
	struct bed *bed;
	const char *name;
	char text[512];
};

static inline void show_there(void *arg)
{
	struct shown *s = arg;
	ssize_t len = medio_instance_attr_show(s->bed->bed.inst, s->name, s->text, sizeof(s->text));

	card_bed_must(len > 0 && (size_t)len < sizeof(s->text));
	s->text[len] = '\0';
}

/* An attribute is this text. */
static inline void shows(struct bed *bed, const char *name, const char *text)
{
	struct shown s = { .bed = bed, .name = name };

	card_bed_on_device(&bed->bed, show_there, &s);
	assert_string_equal(s.text, text);
}

/* The disk behind from now on: the fields of fake_disk that a test may change any time. */
static inline void hold_there(void *arg)
{
	fake_disk.hold = *(bool *)arg;
}

static inline void holds(struct bed *bed, bool hold)
{
	card_bed_on_device(&bed->bed, hold_there, &hold);
}

static inline void release_there(void *arg)
{
	int n = *(int *)arg;

	fake_disk_release((unsigned)abs(n), n < 0);
}

/* n held requests are done; -n: the last first. */
static inline void releases(struct bed *bed, int n)
{
	card_bed_on_device(&bed->bed, release_there, &n);
}

static inline void get_there(void *arg)
{
	struct fake_disk *copy = arg;

	memcpy(copy, &fake_disk, offsetof(struct fake_disk, data));
}

/* What the disk behind was asked so far. */
static inline const struct fake_disk *seen(struct bed *bed)
{
	static struct fake_disk copy;

	card_bed_on_device(&bed->bed, get_there, &copy);
	return &copy;
}

/* The device has taken what it was told of: held by the disk are n. */
static inline void waits_for_held(struct bed *bed, unsigned n)
{
	for (unsigned i = 0; i < 100000 && seen(bed)->num_held != n; i++)
		medio_card_process(bed->card);
	assert_int_equal(seen(bed)->num_held, n);
}

#define TEST(name) CARD_BED_TEST(name, setup, teardown)

#endif
