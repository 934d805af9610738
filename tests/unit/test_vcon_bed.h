/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device virtio-console on the driver's rings, in process or over vfio-user, with sockets of the
 * test's own at its ports.
 *
 *     plugs(bed, NULL, PARAMS("port0=echo"));
 *     brings_up(bed, F_SIZE, 1);
 *     posts(bed, RX(0), 0, 512);
 *     sends(bed, TX(0), 1, "hello", 5);
 *     takes(bed, TX(0));
 *     done = takes(bed, RX(0));
 */
#ifndef TEST_VCON_BED_H
#define TEST_VCON_BED_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <medio/virtio.h>

#include "../../devices/virtio-console/virtio-console.h"
#include "../../drivers/virtio/virtio.h"
#include "test_bytes.h"
#include "test_card_bed.h"

#define RW (MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)

/* Features (5.3.3), messages (5.3.6.2), places in the configuration (5.3.4). */
enum { F_SIZE = 1, F_MULTIPORT = 2, F_EMERG = 4 };
enum {
	DEVICE_READY,
	PORT_ADD,
	PORT_REMOVE,
	PORT_READY,
	CONSOLE_PORT,
	RESIZE,
	PORT_OPEN,
	PORT_NAME
};
enum { COLS = 0, ROWS = 2, MAX_PORTS = 4, EMERG_WR = 8 };

/* Queues. */
#define RX(port_)  ((port_) ? 2u * (port_) + 2 : 0u)
#define TX(port_)  (RX(port_) + 1)
#define CONTROL_RX 2u
#define CONTROL_TX 3u
#define QUEUES	   34u

/* Memory that the device reaches: slots that the test counts. */
#define SLOT  4096u
#define SLOTS 512u

struct bed {
	enum card_bed_way way;
	struct card_bed bed;
	struct medio_card *card;
	struct virtio *v;
	struct virtio_queue *queues[QUEUES];
	struct virtio_queue *all[QUEUES];
	unsigned num_queues;
	uint8_t *memory;
	uint64_t iova;
	char dir[32];
	char words[VIRTIO_WORDS];
};

#define PARAMS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* A file of the test's own. */
static inline const char *path(const struct bed *bed, const char *name)
{
	static char buf[4][64];
	static unsigned n;

	n = (n + 1) % 4;
	snprintf(buf[n], sizeof(buf[n]), "%s/%s", bed->dir, name);
	return buf[n];
}

static inline const char *plug(const struct bed *bed, const char *what, const char *name)
{
	static char buf[4][96];
	static unsigned n;

	n = (n + 1) % 4;
	snprintf(buf[n], sizeof(buf[n]), "%s%s", what, path(bed, name));
	return buf[n];
}

static inline int setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	if (!bed)
		return -1;
	bed->way = card_bed_way(state);
	snprintf(bed->dir, sizeof(bed->dir), "/tmp/test-vcon-XXXXXX");
	*state = bed;
	return mkdtemp(bed->dir) ? 0 : -1;
}

static inline void driver_goes(struct bed *bed)
{
	virtio_close(bed->v);
	bed->v = NULL;
	bed->num_queues = 0;
	memset(bed->queues, 0, sizeof(bed->queues));
}

static inline void unplugs(struct bed *bed)
{
	driver_goes(bed);
	card_bed_close(&bed->bed);
	bed->card = NULL;
}

static inline int teardown(void **state)
{
	struct bed *bed = *state;
	int ret;

	unplugs(bed);
	/* Fails if a stream left anything behind. */
	ret = rmdir(bed->dir);
	free(bed);
	return ret;
}

static inline void driver_comes(struct bed *bed, const struct virtio_options *opts)
{
	if (virtio_open(bed->card, 3, opts, &bed->v, bed->words, sizeof(bed->words)))
		fail_msg("%s", bed->words);
}

/* The type as it is, but that a test learns the device's link, to save and load beside the library. */
static struct medio_dev *vcon_device;
static const struct medio_virtio_type *vcon_original;

static inline int vcon_init(struct medio_dev *dev)
{
	vcon_device = dev;
	return vcon_original->ops->init(dev);
}

static inline const struct medio_type *vcon_type(void)
{
	static struct medio_virtio_ops ops;
	static struct medio_virtio_type virtio;
	static struct medio_type type;

	vcon_original = medio_virtio_console.data;
	ops = *vcon_original->ops;
	ops.init = vcon_init;
	virtio = *vcon_original;
	virtio.ops = &ops;
	type = medio_virtio_console;
	type.data = &virtio;
	return &type;
}

/* The device, up to its reset. */
static inline void plugs(
	struct bed *bed, const struct virtio_options *opts, const char *const *params)
{
	void *ptr;

	assert_int_equal(card_bed_open(&bed->bed, vcon_type(), params, bed->way), 0);
	bed->card = bed->bed.card;
	assert_int_equal(
		medio_card_dma_alloc_any(bed->card, SLOTS * SLOT, RW, &bed->iova, &ptr), 0);
	bed->memory = ptr;
	driver_comes(bed, opts);
}

static inline void makes_queue(struct bed *bed, unsigned index)
{
	if (virtio_queue(bed->v, index, 0, 4, &bed->queues[index]))
		fail_msg("%s", virtio_words(bed->v));
	bed->all[bed->num_queues++] = bed->queues[index];
}

/* With these features, and the queues of so many ports. */
static inline void brings_up(struct bed *bed, uint64_t features, unsigned ports)
{
	if (virtio_accept(bed->v, features, features))
		fail_msg("%s", virtio_words(bed->v));
	for (unsigned i = 0; i < ports; i++) {
		makes_queue(bed, RX(i));
		makes_queue(bed, TX(i));
	}
	if (features & F_MULTIPORT) {
		makes_queue(bed, CONTROL_RX);
		makes_queue(bed, CONTROL_TX);
	}
	if (virtio_ready(bed->v))
		fail_msg("%s", virtio_words(bed->v));
}

/* ---- Queues -------------------------------------------------------------------------------------- */

static inline uint8_t *slot_at(const struct bed *bed, unsigned slot)
{
	assert_true(slot < SLOTS);
	return bed->memory + (size_t)slot * SLOT;
}

static inline struct virtq_seg seg(const struct bed *bed, unsigned slot, unsigned from, size_t len)
{
	return (struct virtq_seg){ bed->iova + (uint64_t)slot * SLOT + from, (uint32_t)len };
}

static inline void adds(struct bed *bed, unsigned queue, unsigned slot,
	const struct virtq_seg *segs, unsigned out, unsigned in)
{
	assert_int_equal(
		virtq_add(virtio_ring(bed->queues[queue]), segs, out, in, slot_at(bed, slot)), 0);
	assert_int_equal(virtio_kick(bed->queues[queue]), 0);
}

/* A buffer to be written, or to be read; it has not been taken before takes() says so. */
static inline void posts(struct bed *bed, unsigned queue, unsigned slot, size_t len)
{
	struct virtq_seg one = seg(bed, slot, 0, len);

	adds(bed, queue, slot, &one, 0, 1);
}

static inline void sends(
	struct bed *bed, unsigned queue, unsigned slot, const void *bytes, size_t len)
{
	struct virtq_seg one = seg(bed, slot, 0, len);

	memcpy(slot_at(bed, slot), bytes, len);
	adds(bed, queue, slot, &one, 1, 0);
}

/* Let time pass for both sides: an interrupt, or a moment. */
static inline void turn(struct bed *bed)
{
	struct pollfd pfd = { .fd = medio_card_fd(bed->card), .events = POLLIN };
	int ret = 1;

	if (bed->num_queues)
		ret = virtio_wait(bed->v, bed->all, bed->num_queues, 1);
	else
		poll(&pfd, 1, 1);
	if (ret < 0)
		fail_msg("%d: %s", ret, virtio_words(bed->v));
	/* There may be one to take that nobody takes for now. */
	if (ret > 0 && medio_card_process(bed->card) < 0)
		fail_msg("%s", medio_card_last_error(bed->card));
}

static inline uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Until it is so; a machine that is slow has a minute for it. */
#define UNTIL(bed_, cond_) \
	do { \
		uint64_t until_ = now_ms() + 60000; \
		while (!(cond_)) { \
			if (now_ms() > until_) \
				fail_msg("%s:%d: never so: %s", __FILE__, __LINE__, #cond_); \
			turn(bed_); \
		} \
	} while (0)

static inline bool ready(struct bed *bed, unsigned queue)
{
	return virtq_ready(virtio_ring(bed->queues[queue]));
}

/* The next that was used: its slot is in `slot` if that is wanted; how much was written. */
static inline uint32_t takes_slot(struct bed *bed, unsigned queue, unsigned *slot)
{
	struct virtq_done done;

	UNTIL(bed, ready(bed, queue));
	if (virtq_take(virtio_ring(bed->queues[queue]), &done) != 1)
		fail_msg("%s", virtq_words(virtio_ring(bed->queues[queue])));
	if (slot)
		*slot = (unsigned)(((uint8_t *)done.tag - bed->memory) / SLOT);
	return done.len;
}

static inline uint32_t takes(struct bed *bed, unsigned queue)
{
	return takes_slot(bed, queue, NULL);
}

/* The device says that it needs a reset, and its log why. */
static inline void breaks(struct bed *bed, unsigned queue)
{
	uint64_t until = now_ms() + 60000;
	int ret;

	/* What was in the queue may still come back. */
	do {
		struct virtq_done done;
		ret = virtio_wait(bed->v, &bed->queues[queue], 1, 100);
		if (ret == 1)
			virtq_take(virtio_ring(bed->queues[queue]), &done);
	} while (ret >= 0 && now_ms() < until);
	assert_int_equal(ret, -EIO);
	driver_goes(bed);
}

/* ---- Messages ------------------------------------------------------------------------------------ */

struct message {
	uint32_t id;
	uint16_t event, value;
};

/* Slots 0 to 31 are for messages to the device, 32 to 63 for those from it. */
static inline void utters(struct bed *bed, uint32_t id, uint16_t event, uint16_t value)
{
	static unsigned n;
	uint8_t bytes[8];

	medio_put_le(bytes, 4, id);
	medio_put_le(bytes + 4, 2, event);
	medio_put_le(bytes + 6, 2, value);
	sends(bed, CONTROL_TX, n++ % 32, bytes, sizeof(bytes));
}

/* ... and the device has dealt with it. */
static inline void says(struct bed *bed, uint32_t id, uint16_t event, uint16_t value)
{
	utters(bed, id, event, value);
	assert_int_equal(takes(bed, CONTROL_TX), 0);
}

static inline void listens(struct bed *bed, unsigned buffers)
{
	for (unsigned i = 0; i < buffers; i++)
		posts(bed, CONTROL_RX, 32 + i, 256);
}

/* The next message is this one, with `len` bytes behind it; its buffer is posted again. */
static inline void hears_with(
	struct bed *bed, uint32_t id, uint16_t event, uint16_t value, const void *rest, size_t len)
{
	unsigned slot;
	uint32_t got = takes_slot(bed, CONTROL_RX, &slot);
	const uint8_t *bytes = slot_at(bed, slot);

	assert_int_equal(got, 8 + len);
	assert_int_equal(medio_get_le(bytes, 4), id);
	assert_int_equal(medio_get_le(bytes + 4, 2), event);
	if (event == CONSOLE_PORT || event == PORT_OPEN)
		assert_int_equal(medio_get_le(bytes + 6, 2), value);
	assert_memory_equal(bytes + 8, rest, len);
	posts(bed, CONTROL_RX, slot, 256);
}

static inline void hears(struct bed *bed, uint32_t id, uint16_t event, uint16_t value)
{
	hears_with(bed, id, event, value, "", 0);
}

/* Nothing is said: what has been asked before an answered access of the device is done. */
static inline void hears_nothing(struct bed *bed)
{
	for (unsigned i = 0; i < 5; i++)
		turn(bed);
	assert_false(ready(bed, CONTROL_RX));
}

/* ---- The other side -------------------------------------------------------------------------------- */

/* A device that is late has more callers than its socket lets wait (EAGAIN): they try again. */
static inline int dial(struct bed *bed, const char *name)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), ret;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path(bed, name));
	UNTIL(bed,
		(ret = connect(fd, (struct sockaddr *)&sun, sizeof(sun))) == 0 || errno != EAGAIN);
	assert_int_equal(ret, 0);
	return fd;
}

/* Exactly these bytes come out of fd, now or later. */
static inline void reads(struct bed *bed, int fd, const void *want, size_t len)
{
	uint8_t buf[512];
	size_t got = 0;

	assert_true(len <= sizeof(buf));
	UNTIL(bed, (ssize_t)(got += (size_t)({
		ssize_t n_ = read(fd, buf + got, len - got);
		n_ < 0 ? 0 : n_;
	})) >= (ssize_t)len);
	assert_memory_equal(buf, want, len);
}

struct shown {
	struct bed *bed;
	const char *name, *value;
	int ret;
	char text[4096];
};

static inline void show_there(void *arg)
{
	struct shown *s = arg;
	ssize_t len = medio_instance_attr_show(s->bed->bed.inst, s->name, s->text, sizeof(s->text));

	card_bed_must(len >= 0 && (size_t)len < sizeof(s->text));
	s->text[len] = '\0';
}

/* An attribute's text, good until the next. */
static inline const char *shown(struct bed *bed, const char *name)
{
	static struct shown s;

	s = (struct shown){ .bed = bed, .name = name };
	card_bed_on_device(&bed->bed, show_there, &s);
	return s.text;
}

static inline void store_there(void *arg)
{
	struct shown *s = arg;

	s->ret = medio_instance_attr_store(s->bed->bed.inst, s->name, s->value, strlen(s->value));
}

static inline int stores(struct bed *bed, const char *name, const char *value)
{
	struct shown s = { .bed = bed, .name = name, .value = value };

	card_bed_on_device(&bed->bed, store_there, &s);
	return s.ret;
}

/* The number behind this word in the line of a port. */
static inline unsigned long long count_of(struct bed *bed, unsigned port, const char *word)
{
	const char *line = shown(bed, "console/ports");
	char with_spaces[32];

	while (port--) {
		line = strchr(line, '\n');
		assert_non_null(line);
		line++;
	}
	snprintf(with_spaces, sizeof(with_spaces), " %s ", word);
	line = strstr(line, with_spaces);
	assert_non_null(line);
	return strtoull(line + strlen(with_spaces), NULL, 10);
}

static inline uint64_t config(struct bed *bed, unsigned offset, unsigned bytes)
{
	uint8_t le[8] = { 0 };

	assert_int_equal(virtio_config(bed->v, offset, le, bytes), 0);
	return medio_get_le(le, bytes);
}

#define TEST(name) CARD_BED_TEST(name, setup, teardown)

#endif
