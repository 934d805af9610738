/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device virtio-scsi under requests made by hand, on the driver's rings, in process or over vfio-user; its
 * disks are the test's (test_scsi_disk.h), each found by its size.
 *
 *     opens(bed, NULL, PARAMS("lun0=mem:1M"));
 *     answer = asks(bed, 0, CDB(READ_10(7, 1)), 0, 512);
 */
#ifndef TESTS_SCSI_DEVICE_BED_H
#define TESTS_SCSI_DEVICE_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/virtio_scsi.h>
#include <medio/virtio.h>

#include "../../devices/virtio-scsi/bytes.h"
#include "../../devices/virtio-scsi/sense.h"
#include "../../devices/virtio-scsi/virtio-scsi.h"
#include "../../drivers/virtio/virtio.h"
#include "test_bytes.h"
#include "test_card_bed.h"
#include "test_scsi_disk.h"

#define RW	(MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)
#define MIB	UINT64_C(1048576)
#define HOTPLUG (UINT64_C(1) << VIRTIO_SCSI_F_HOTPLUG)
#define CHANGE	(UINT64_C(1) << VIRTIO_SCSI_F_CHANGE)

enum { ID = 8, CONTROL = 0, EVENTS = 1, REQUESTS = 2 };

/* Memory that the device reaches: 512 bytes for each of some requests, then data. */
enum { SLOT = 512, SLOTS = 64, RESPONSE = 300, HEADERS = SLOT * SLOTS, BUFFER = 512 << 10 };

#define CDB(...)	   ((const uint8_t[16]){ __VA_ARGS__ })
#define BE16(v_)	   (uint8_t)((v_) >> 8), (uint8_t)(v_)
#define BE32(v_)	   BE16((uint32_t)(v_) >> 16), BE16(v_)
#define READ_10(lba_, n_)  0x28, 0, BE32(lba_), 0, BE16(n_), 0
#define WRITE_10(lba_, n_) 0x2a, 0, BE32(lba_), 0, BE16(n_), 0
#define READY		   0

struct bed {
	enum card_bed_way way;
	struct card_bed bed;
	struct medio_card *card;
	struct virtio *v;
	struct virtio_queue *queues[8];
	uint8_t *memory, *buf;
	uint64_t iova;
	unsigned cdb_size, sense_size; /* as chosen */
	unsigned target;	       /* addressed, 0 for what is there */
	char words[VIRTIO_WORDS];
};

/* What came back, in the host's order. */
struct answer {
	uint32_t sense_len, residual, written;
	uint8_t status, response, sense[252];
};

#define PARAMS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static inline int setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	if (!bed)
		return -1;
	bed->way = card_bed_way(state);
	fake_info = (struct disk_info){
		.block = 512,
		.physical = 4096,
		.volatile_cache = true,
		.discards = true,
		.zeroes = true,
		.discard_unit = 4096,
		.backend = "a test's",
	};
	*state = bed;
	return 0;
}

static inline void closes(struct bed *bed)
{
	virtio_close(bed->v);
	card_bed_close(&bed->bed);
	*bed = (struct bed){ .way = bed->way };
	assert_int_equal(fake_disks(), 0);
}

static inline int teardown(void **state)
{
	struct bed *bed = *state;

	closes(bed);
	free(bed);
	return 0;
}

/* The device, up to its reset. */
static inline void plugs(
	struct bed *bed, const struct virtio_options *opts, const char *const *params)
{
	void *ptr;

	assert_int_equal(card_bed_open(&bed->bed, &medio_virtio_scsi, params, bed->way), 0);
	bed->card = bed->bed.card;
	assert_int_equal(
		medio_card_dma_alloc_any(bed->card, HEADERS + BUFFER, RW, &bed->iova, &ptr), 0);
	bed->memory = ptr;
	bed->buf = bed->memory + HEADERS;
	bed->cdb_size = 32;
	bed->sense_size = 96;
	if (virtio_open(bed->card, ID, opts, &bed->v, bed->words, sizeof(bed->words)))
		fail_msg("%s", bed->words);
}

/* With these features, and n queues of requests. */
static inline void brings_up(struct bed *bed, uint64_t features, unsigned n)
{
	if (virtio_accept(bed->v, features, 0))
		fail_msg("%s", virtio_words(bed->v));
	for (unsigned i = 0; i < REQUESTS + n; i++)
		if (virtio_queue(bed->v, i, 0, 140, &bed->queues[i]))
			fail_msg("%s", virtio_words(bed->v));
	if (virtio_ready(bed->v))
		fail_msg("%s", virtio_words(bed->v));
}

static inline struct answer asks(
	struct bed *bed, unsigned lun, const uint8_t cdb[16], size_t out, size_t in);

/* Up, and past what each unit has to tell after power-on. */
static inline void opens(
	struct bed *bed, const struct virtio_options *opts, const char *const *params)
{
	plugs(bed, opts, params);
	brings_up(bed, HOTPLUG | CHANGE, 1);
	for (unsigned i = 0; i < 16; i++)
		asks(bed, i, CDB(READY), 0, 0);
}

/* ---- Chains ------------------------------------------------------------------------------------ */

static inline uint8_t *slot_at(const struct bed *bed, unsigned slot)
{
	assert_true(slot < SLOTS);
	return bed->memory + (size_t)slot * SLOT;
}

static inline struct virtq_seg at(const struct bed *bed, const void *ptr, size_t len)
{
	return (struct virtq_seg){ bed->iova + (uint64_t)((const uint8_t *)ptr - bed->memory),
		(uint32_t)len };
}

static inline void sends(struct bed *bed, unsigned queue, const struct virtq_seg *segs,
	unsigned out, unsigned in, void *tag)
{
	assert_int_equal(virtq_add(virtio_ring(bed->queues[queue]), segs, out, in, tag), 0);
	assert_int_equal(virtio_kick(bed->queues[queue]), 0);
}

/* One comes back: bytes that are said to be written. */
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

static inline bool has_come(struct bed *bed, unsigned queue)
{
	medio_card_process(bed->card);
	return virtq_ready(virtio_ring(bed->queues[queue]));
}

/* The device has seen that it needs a reset. */
static inline void breaks(struct bed *bed)
{
	struct virtq_done done;

	/* Chains that cannot be answered may be given back. */
	for (unsigned i = 0; i <= REQUESTS; i++)
		while (virtq_take(virtio_ring(bed->queues[i]), &done) == 1)
			;
	assert_int_equal(virtio_wait(bed->v, &bed->queues[EVENTS], 1, 120000), -EIO);
}

/* ---- Requests ---------------------------------------------------------------------------------- */

static inline void puts_lun(const struct bed *bed, uint8_t *at8, unsigned lun)
{
	memset(at8, 0, 8);
	at8[0] = 1;
	at8[1] = (uint8_t)bed->target;
	at8[2] = (uint8_t)(0x40 | lun >> 8);
	at8[3] = (uint8_t)lun;
}

/* A request whose id is its slot. Its data is at the beginning of bed->buf. */
static inline void submits(struct bed *bed, unsigned queue, unsigned slot, unsigned lun,
	const uint8_t cdb[16], size_t out, size_t in)
{
	uint8_t *ptr = slot_at(bed, slot);
	struct virtq_seg segs[4] = { at(bed, ptr, 19 + bed->cdb_size) };
	unsigned n = 1;

	memset(ptr, 0, SLOT);
	memset(ptr + RESPONSE, 0xaa, SLOT - RESPONSE);
	puts_lun(bed, ptr, lun);
	medio_put_le(ptr + 8, 8, slot);
	memcpy(ptr + 19, cdb, bed->cdb_size < 16 ? bed->cdb_size : 16);
	if (out)
		segs[n++] = at(bed, bed->buf, out);
	segs[n++] = at(bed, ptr + RESPONSE, 12 + bed->sense_size);
	if (in)
		segs[n++] = at(bed, bed->buf, in);
	sends(bed, queue, segs, out ? 2 : 1, in ? 2 : 1, ptr);
}

static inline struct answer answered(struct bed *bed, unsigned queue, unsigned slot)
{
	uint8_t *ptr = slot_at(bed, slot), *resp = ptr + RESPONSE;
	struct answer a = { .written = comes(bed, queue, ptr) };

	a.sense_len = (uint32_t)medio_get_le(resp, 4);
	a.residual = (uint32_t)medio_get_le(resp + 4, 4);
	assert_int_equal(medio_get_le(resp + 8, 2), 0);
	a.status = resp[10];
	a.response = resp[11];
	assert_true(a.sense_len <= bed->sense_size);
	memcpy(a.sense, resp + 12, a.sense_len);
	/* Nothing beyond. */
	for (unsigned i = 12 + bed->sense_size; i < SLOT - RESPONSE; i++)
		assert_int_equal(resp[i], 0xaa);
	return a;
}

static inline struct answer asks(
	struct bed *bed, unsigned lun, const uint8_t cdb[16], size_t out, size_t in)
{
	submits(bed, REQUESTS, 0, lun, cdb, out, in);
	return answered(bed, REQUESTS, 0);
}

static inline unsigned sense_of(const struct answer *a)
{
	assert_int_equal(a->response, VIRTIO_SCSI_S_OK);
	if (a->status == 0) {
		assert_int_equal(a->sense_len, 0);
		return 0;
	}
	assert_int_equal(a->status, 2);
	assert_true(a->sense_len >= 14);
	return (unsigned)(a->sense[2] << 16 | a->sense[12] << 8 | a->sense[13]);
}

/* A command without data: its sense. */
static inline unsigned tells(struct bed *bed, unsigned lun, const uint8_t cdb[16])
{
	struct answer a = asks(bed, lun, cdb, 0, 0);

	return sense_of(&a);
}

/* ---- Task management --------------------------------------------------------------------------- */

static inline void manages(
	struct bed *bed, unsigned slot, unsigned subtype, unsigned lun, uint64_t id)
{
	uint8_t *ptr = slot_at(bed, slot);
	struct virtq_seg segs[2] = { at(bed, ptr, 24), at(bed, ptr + RESPONSE, 1) };

	memset(ptr, 0, SLOT);
	ptr[RESPONSE] = 0xaa;
	medio_put_le(ptr + 4, 4, subtype);
	puts_lun(bed, ptr + 8, lun);
	medio_put_le(ptr + 16, 8, id);
	sends(bed, CONTROL, segs, 1, 1, ptr);
}

static inline unsigned managed(struct bed *bed, unsigned slot)
{
	uint8_t *ptr = slot_at(bed, slot);

	assert_int_equal(comes(bed, CONTROL, ptr), 1);
	return ptr[RESPONSE];
}

/* ---- The device from outside ------------------------------------------------------------------- */

static inline uint64_t config(struct bed *bed, unsigned offset, unsigned bytes)
{
	uint8_t le[8] = { 0 };

	assert_int_equal(virtio_config(bed->v, offset, le, bytes), 0);
	return medio_get_le(le, bytes);
}

static inline void sets(struct bed *bed, unsigned offset, uint32_t value)
{
	assert_int_equal(medio_card_write32(
				 bed->card, MEDIO_VIRTIO_BAR, MEDIO_VIRTIO_CONFIG + offset, value),
		0);
}

struct attr_of {
	struct bed *bed;
	const char *name, *value;
	char text[2048];
	int ret;
};

static inline void show_there(void *arg)
{
	struct attr_of *of = arg;
	ssize_t len = medio_instance_attr_show(
		of->bed->bed.inst, of->name, of->text, sizeof(of->text) - 1);

	card_bed_must(len >= 0 && (size_t)len < sizeof(of->text));
	of->text[len] = '\0';
}

/* An attribute holds this text. */
static inline void shows(struct bed *bed, const char *name, const char *text)
{
	struct attr_of of = { .bed = bed, .name = name };

	card_bed_on_device(&bed->bed, show_there, &of);
	if (!strstr(of.text, text))
		fail_msg("%s is '%s', without '%s'", name, of.text, text);
}

static inline void store_there(void *arg)
{
	struct attr_of *of = arg;

	of->ret = medio_instance_attr_store(
		of->bed->bed.inst, of->name, of->value, strlen(of->value));
}

static inline int stores(struct bed *bed, const char *name, const char *value)
{
	struct attr_of of = { .bed = bed, .name = name, .value = value };

	card_bed_on_device(&bed->bed, store_there, &of);
	return of.ret;
}

/* The device has begun n functions of the control queue since it was made. */
static inline void waits_for_tasks(struct bed *bed, unsigned n)
{
	struct attr_of of = { .bed = bed, .name = "scsi/tasks" };

	for (unsigned i = 0; i < 100000 && strtoul(of.text, NULL, 10) != n; i++) {
		medio_card_process(bed->card);
		card_bed_on_device(&bed->bed, show_there, &of);
	}
	assert_int_equal(strtoul(of.text, NULL, 10), n);
}

/* The disk of this size: what is done to it there. */
struct disk_of {
	uint64_t mem, value;
	unsigned requests, under_way;
};

static inline void hold_there(void *arg)
{
	struct disk_of *of = arg;
	fake_hold(fake_disk(of->mem), of->value);
}

static inline void holds(struct bed *bed, uint64_t mem, bool hold)
{
	card_bed_on_device(&bed->bed, hold_there, &(struct disk_of){ mem, hold });
}

static inline void release_there(void *arg)
{
	struct disk_of *of = arg;
	fake_release(fake_disk(of->mem), (unsigned)of->value);
}

static inline void releases(struct bed *bed, uint64_t mem, unsigned n)
{
	card_bed_on_device(&bed->bed, release_there, &(struct disk_of){ mem, n });
}

static inline void resize_there(void *arg)
{
	struct disk_of *of = arg;
	fake_resize(fake_disk(of->mem), of->value);
}

static inline void resizes(struct bed *bed, uint64_t mem, uint64_t bytes)
{
	card_bed_on_device(&bed->bed, resize_there, &(struct disk_of){ mem, bytes });
}

static inline void count_there(void *arg)
{
	struct disk_of *of = arg;
	of->requests = fake_requests(fake_disk(of->mem));
	of->under_way = disk_under_way(fake_disk(of->mem));
}

static inline unsigned under_way(struct bed *bed, uint64_t mem)
{
	struct disk_of of = { .mem = mem };

	card_bed_on_device(&bed->bed, count_there, &of);
	return of.under_way;
}

/* The device has taken what it was told of. */
static inline void waits_for_held(struct bed *bed, uint64_t mem, unsigned n)
{
	for (unsigned i = 0; i < 100000 && under_way(bed, mem) != n; i++)
		medio_card_process(bed->card);
	assert_int_equal(under_way(bed, mem), n);
}

#define TEST(name) CARD_BED_TEST(name, setup, teardown)

#endif
