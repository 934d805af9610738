/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The test device of test_virtio_echo.h by its registers, in this process: each step of a driver is a test's own,
 * the rings are those of our driver, and what the library logs can be looked at.
 */
#ifndef TEST_VIRTIO_REGS_H
#define TEST_VIRTIO_REGS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <medio/local.h>

#include "../../drivers/virtio/virtio.h"
#include "../../drivers/virtio/virtio_spec.h"
#include "device/instance.h"
#include "test_virtio_echo.h"

/* Fields that our driver does not use (4.1.4.3). */
enum { VIRTIO_QUEUE_NOTIFY_DATA = 0x38, VIRTIO_QUEUE_RESET = 0x3a };
#define VIRTIO_F_RING_RESET (UINT64_C(1) << 40)

#define MEM	 (1u << 20) /* bytes at IOVA, of a file that outlives cards */
#define IOVA	 0x100000u
#define RING	 0x4000u  /* bytes a ring, from the start on */
#define DATA	 0x80000u /* of requests: 1024 bytes each, half of it to read, half to write */
#define REQUESTS 256u

struct regs {
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct medio_card *card;
	const struct medio_type *type;
	int fd;
	uint8_t *mem;
	struct virtq *rings[ECHO_QUEUES];
	unsigned tags[REQUESTS]; /* bytes of what is under way */
	char log[8192];
};

static inline void regs_log(void *opaque, enum medio_log_level level, const char *line)
{
	struct regs *r = opaque;
	size_t len = strlen(r->log);

	(void)level;
	snprintf(r->log + len, sizeof(r->log) - len, "%s\n", line);
}

/* What has been logged has these words; forget it. */
#define said(r_, words_) \
	do { \
		if (!strstr((r_)->log, words_)) \
			fail_msg("not \"%s\" but \"%s\"", words_, (r_)->log); \
		(r_)->log[0] = '\0'; \
	} while (0)
#define said_nothing(r_) assert_string_equal((r_)->log, "")

/* The device lives on its own; anybody may come. */
static inline void regs_device(
	struct regs *r, const struct medio_type *type, const char *const *params)
{
	struct medio_instance_options opts = { .params = params, .log = regs_log, .log_opaque = r };
	struct medio_error *err = NULL;

	r->type = type;
	while (params && params[opts.nparams])
		opts.nparams++;
	assert_int_equal(medio_loop_new(&r->loop), 0);
	if (medio_instance_new(r->loop, type, &opts, &r->inst, &err))
		fail_msg("%s", medio_error_text(err));
}

static inline void regs_card(struct regs *r)
{
	assert_int_equal(medio_card_open_instance(r->inst, &r->card, NULL), 0);
	assert_int_equal(medio_card_dma_map_fd(r->card, IOVA, MEM,
				 MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, r->fd, 0),
		0);
	assert_int_equal(medio_card_write16(r->card, MEDIO_CARD_CONFIG, 4, 7), 0);
}

static inline void regs_plug(struct regs *r, const char *const *params)
{
	regs_device(r, &echo_type, params);
	regs_card(r);
}

static inline void regs_unplug(struct regs *r)
{
	medio_card_close(r->card);
	r->card = NULL;
	medio_instance_free(r->inst);
	medio_loop_free(r->loop);
	r->inst = NULL;
	r->loop = NULL;
	for (unsigned i = 0; i < ECHO_QUEUES; i++) {
		virtq_free(r->rings[i]);
		r->rings[i] = NULL;
	}
	memset(r->mem, 0, MEM);
}

static inline int regs_setup(void **state)
{
	struct regs *r = calloc(1, sizeof(*r));

	if (!r)
		return -1;
	echo_clear();
	r->fd = memfd_create("test", MFD_CLOEXEC);
	if (r->fd < 0 || ftruncate(r->fd, MEM))
		return -1;
	r->mem = mmap(NULL, MEM, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	*state = r;
	return r->mem == MAP_FAILED ? -1 : 0;
}

static inline int regs_teardown(void **state)
{
	struct regs *r = *state;

	regs_unplug(r);
	munmap(r->mem, MEM);
	close(r->fd);
	free(r);
	return 0;
}

/* ---- Registers: of the common configuration, unless said otherwise -------------------------------- */

static inline uint64_t get(struct regs *r, uint64_t offset, unsigned width)
{
	uint8_t buf[8] = { 0 };

	assert_int_equal(medio_card_read(r->card, MEDIO_VIRTIO_BAR, offset, buf, width), 0);
	return medio_get_le(buf, width);
}

static inline void put(struct regs *r, uint64_t offset, unsigned width, uint64_t value)
{
	uint8_t buf[8];

	medio_put_le(buf, width, value);
	assert_int_equal(medio_card_write(r->card, MEDIO_VIRTIO_BAR, offset, buf, width), 0);
}

static inline uint8_t status(struct regs *r)
{
	return (uint8_t)get(r, VIRTIO_STATUS, 1);
}

static inline void set_status(struct regs *r, unsigned value)
{
	put(r, VIRTIO_STATUS, 1, value);
}

static inline void choose(struct regs *r, uint64_t features)
{
	for (unsigned i = 0; i < 2; i++) {
		put(r, VIRTIO_DRIVER_FEATURE_SELECT, 4, i);
		put(r, VIRTIO_DRIVER_FEATURE, 4, (uint32_t)(features >> 32 * i));
	}
}

static inline uint64_t offered(struct regs *r)
{
	put(r, VIRTIO_DEVICE_FEATURE_SELECT, 4, 1);
	uint64_t high = get(r, VIRTIO_DEVICE_FEATURE, 4);
	put(r, VIRTIO_DEVICE_FEATURE_SELECT, 4, 0);
	return high << 32 | get(r, VIRTIO_DEVICE_FEATURE, 4);
}

/* What is due on the loop runs. */
static inline void settle(struct regs *r)
{
	for (unsigned i = 0; i < 8; i++)
		assert_true(medio_loop_run_once(r->loop, 0) >= 0);
}

/* ---- Steps ------------------------------------------------------------------------------------------ */

#define PLAIN (VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM)

/* 1 to 6. */
static inline void negotiate(struct regs *r, uint64_t features)
{
	set_status(r, 0);
	assert_int_equal(status(r), 0);
	set_status(r, 1);
	set_status(r, 3);
	choose(r, features);
	set_status(r, 11);
	assert_int_equal(status(r), 11);
}

/* 7: where queue i is, without its enabling. */
static inline void place_queue(struct regs *r, unsigned i, uint64_t features, unsigned size)
{
	const struct virtq_options opts = {
		.size = size,
		.packed = features & VIRTIO_F_RING_PACKED,
		.event_idx = features & VIRTIO_F_EVENT_IDX,
		.indirect = features & VIRTIO_F_INDIRECT_DESC ? 2 : 0,
	};
	struct virtq_places places;

	virtq_free(r->rings[i]);
	memset(r->mem + (size_t)i * RING, 0, RING);
	assert_true(virtq_bytes(&opts) <= RING);
	assert_int_equal(
		virtq_new(&opts, r->mem + (size_t)i * RING, IOVA + i * RING, &r->rings[i]), 0);
	virtq_get_places(r->rings[i], &places);
	put(r, VIRTIO_QUEUE_SELECT, 2, i);
	put(r, VIRTIO_QUEUE_SIZE, 2, size);
	put(r, VIRTIO_QUEUE_VECTOR, 2, i + 1);
	put(r, VIRTIO_QUEUE_DESC, 8, places.desc);
	put(r, VIRTIO_QUEUE_DRIVER, 8, places.driver);
	put(r, VIRTIO_QUEUE_DEVICE, 8, places.device);
}

static inline void enable_queue(struct regs *r, unsigned i, uint64_t features, unsigned size)
{
	place_queue(r, i, features, size);
	put(r, VIRTIO_QUEUE_ENABLE, 2, 1);
	assert_int_equal(get(r, VIRTIO_QUEUE_ENABLE, 2), 1);
}

/* All of them, with n queues of 16. */
static inline void bring_up(struct regs *r, uint64_t features, unsigned n)
{
	negotiate(r, features);
	put(r, VIRTIO_CONFIG_VECTOR, 2, 0);
	for (unsigned i = 0; i < n; i++)
		enable_queue(r, i, features, 16);
	set_status(r, 15);
	assert_int_equal(status(r), 15);
}

/* ---- Requests --------------------------------------------------------------------------------------- */

static inline void notify(struct regs *r, unsigned queue)
{
	put(r, MEDIO_VIRTIO_NOTIFY + queue * MEDIO_VIRTIO_MULTIPLIER, 2, queue);
}

/* Request number `n` of len bytes goes into a queue, which is not notified. True: it wants to be. */
static inline bool add(struct regs *r, unsigned queue, unsigned n, unsigned len)
{
	uint8_t *at = r->mem + DATA + (size_t)n * 1024;
	const struct virtq_seg segs[2] = {
		{ IOVA + DATA + n * 1024, len },
		{ IOVA + DATA + n * 1024 + 512, len },
	};

	memset(at, (int)n + 1, 512);
	memset(at + 512, 0, 512);
	r->tags[n] = len;
	assert_int_equal(virtq_add(r->rings[queue], segs, 1, 1, &r->tags[n]), 0);
	return virtq_publish(r->rings[queue]);
}

/* The number of the next request that came back, and it is right; -1: none did. */
static inline int took(struct regs *r, unsigned queue)
{
	struct virtq_done done;
	int ret = virtq_take(r->rings[queue], &done);

	assert_true(ret >= 0);
	if (!ret)
		return -1;
	unsigned n = (unsigned)((unsigned *)done.tag - r->tags);
	const uint8_t *at = r->mem + DATA + (size_t)n * 1024;
	assert_int_equal(done.len, r->tags[n]);
	for (unsigned i = 0; i < done.len; i++)
		assert_int_equal(at[512 + i], at[i] ^ ECHO_FLIP);
	return (int)n;
}

/* One goes through. */
static inline void works(struct regs *r, unsigned queue, unsigned n)
{
	add(r, queue, n, 64);
	notify(r, queue);
	settle(r);
	assert_int_equal(took(r, queue), (int)n);
	assert_int_equal(took(r, queue), -1);
}

#endif
