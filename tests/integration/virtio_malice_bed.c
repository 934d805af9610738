/* SPDX-License-Identifier: BSD-3-Clause */
/* The card, its registers, and rings by hand. */
#include "virtio_malice.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 60000u

void die(const char *fmt, ...)
{
	va_list ap;

	fputs("malice: ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	_exit(2);
}

const char *fail(const char *fmt, ...)
{
	static char words[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	return words;
}

uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static void rest(unsigned us)
{
	const struct timespec time = { 0, (long)us * 1000 };

	nanosleep(&time, NULL);
}

uint32_t roll(struct bed *bed)
{
	bed->dice = bed->dice * 1664525u + 1013904223u;
	return bed->dice >> 8;
}

/* ---- The card ----------------------------------------------------------------------------------- */

/* Connected by ourselves, the connection can be broken under the card. */
static int try_to_open(struct bed *bed, struct medio_error **err)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	const char *path = strchr(bed->uri, '/');
	int fd, ret;

	bed->peer = -1;
	if (!path || strlen(path) >= sizeof(name.sun_path))
		return medio_card_open(bed->uri, NULL, &bed->card, err);
	memcpy(name.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)&name, sizeof(name))) {
		ret = -errno;
		close(fd);
		return ret;
	}
	bed->peer = dup(fd);
	ret = medio_card_open_fd(fd, NULL, &bed->card, err);
	if (ret) {
		close(bed->peer);
		bed->peer = -1;
	}
	return ret;
}

/* One who just left may still be there. */
static void open_card(struct bed *bed)
{
	uint64_t end = now_ms() + PATIENCE_MS;

	for (;;) {
		struct medio_error *err = NULL;
		int ret = try_to_open(bed, &err);
		if (!ret)
			return;
		if (now_ms() > end)
			die("nobody answers at %s: %s", bed->uri,
				err ? medio_error_text(err) : strerror(-ret));
		medio_error_free(err);
		rest(1000);
	}
}

void set_master(struct bed *bed, bool on)
{
	/* Memory, I/O, bus mastering. */
	if (medio_card_write16(bed->card, MEDIO_CARD_CONFIG, 4, on ? 7 : 3))
		die("config space: %s", medio_card_last_error(bed->card));
}

static void learn(struct bed *bed)
{
	struct medio_card_irq irq;
	uint32_t ids = 0;

	if (medio_card_read32(bed->card, MEDIO_CARD_CONFIG, 0, &ids) || (uint16_t)ids != 0x1af4)
		die("%s is no virtio device", bed->uri);
	bed->kind = (ids >> 16) - 0x1040;
	bed->queues = get16(bed, NUM_QUEUES);
	put32(bed, DEVICE_FEATURE_SELECT, 1);
	bed->offered = (uint64_t)get32(bed, DEVICE_FEATURE) << 32;
	put32(bed, DEVICE_FEATURE_SELECT, 0);
	bed->offered |= get32(bed, DEVICE_FEATURE);
	bed->good = bed->kind == NET || bed->kind == CONSOLE ? 1 : bed->kind == SCSI ? 2 : 0;
	if (medio_card_get_irq(bed->card, MEDIO_CARD_MSIX, &irq))
		die("it has no MSI-X");
	bed->vectors = irq.count;
}

void bed_open(struct bed *bed)
{
	if (!bed->mem) {
		bed->fd = memfd_create("malice", MFD_CLOEXEC);
		if (bed->fd < 0 || ftruncate(bed->fd, MEM_SIZE))
			die("no memory: %s", strerror(errno));
		bed->mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, bed->fd, 0);
		if (bed->mem == MAP_FAILED)
			die("no memory: %s", strerror(errno));
	}
	open_card(bed);
	learn(bed);
	set_master(bed, true);
	if (medio_card_dma_map_fd(bed->card, MEM_IOVA, MEM_SIZE,
		    MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, bed->fd, 0) ||
		medio_card_irq_open(bed->card, MEDIO_CARD_MSIX, 2))
		die("%s", medio_card_last_error(bed->card));
}

void bed_close(struct bed *bed)
{
	medio_card_close(bed->card);
	bed->card = NULL;
	if (bed->peer >= 0)
		close(bed->peer);
	bed->peer = -1;
}

void bed_hang_up(struct bed *bed)
{
	medio_card_flush(bed->card);
	if (bed->peer >= 0)
		shutdown(bed->peer, SHUT_RDWR);
	bed_close(bed);
	bed->careless = false;
	bed_open(bed);
}

/* ---- Registers ---------------------------------------------------------------------------------- */

static void get(struct bed *bed, unsigned reg, void *buf, size_t count)
{
	memset(buf, 0, count);
	if (medio_card_read(bed->card, MEDIO_VIRTIO_BAR, MEDIO_VIRTIO_COMMON + reg, buf, count) &&
		!bed->careless)
		die("reading register 0x%x: %s", reg, medio_card_last_error(bed->card));
}

uint8_t get8(struct bed *bed, unsigned reg)
{
	uint8_t value;

	get(bed, reg, &value, sizeof(value));
	return value;
}

uint16_t get16(struct bed *bed, unsigned reg)
{
	uint16_t value;

	get(bed, reg, &value, sizeof(value));
	return le16toh(value);
}

uint32_t get32(struct bed *bed, unsigned reg)
{
	uint32_t value;

	get(bed, reg, &value, sizeof(value));
	return le32toh(value);
}

void put(struct bed *bed, uint64_t offset, const void *buf, size_t count)
{
	if (medio_card_post(bed->card, MEDIO_VIRTIO_BAR, offset, buf, count) && !bed->careless)
		die("writing at 0x%llx: %s", (unsigned long long)offset,
			medio_card_last_error(bed->card));
}

void put8(struct bed *bed, unsigned reg, uint8_t value)
{
	put(bed, reg, &value, sizeof(value));
}

void put16(struct bed *bed, unsigned reg, uint16_t value)
{
	value = htole16(value);
	put(bed, reg, &value, sizeof(value));
}

void put32(struct bed *bed, unsigned reg, uint32_t value)
{
	value = htole32(value);
	put(bed, reg, &value, sizeof(value));
}

void put64(struct bed *bed, unsigned reg, uint64_t value)
{
	put32(bed, reg, (uint32_t)value);
	put32(bed, reg + 4, (uint32_t)(value >> 32));
}

uint8_t status(struct bed *bed)
{
	return get8(bed, STATUS);
}

/* ---- Bringing it up (3.1.1) ---------------------------------------------------------------------- */

void reset(struct bed *bed)
{
	uint64_t end = now_ms() + PATIENCE_MS, events;

	put8(bed, STATUS, 0);
	while (status(bed)) {
		if (now_ms() > end)
			die("a reset does not end, the status is 0x%02x", status(bed));
		medio_card_process(bed->card);
		rest(50);
	}
	for (unsigned i = 0; i < 2; i++)
		medio_card_irq_wait(bed->card, MEDIO_CARD_MSIX, i, 0, &events);
}

bool negotiate(struct bed *bed, uint64_t features)
{
	put8(bed, STATUS, ACK);
	put8(bed, STATUS, ACK | DRIVER);
	for (unsigned i = 0; i < 2; i++) {
		put32(bed, DRIVER_FEATURE_SELECT, i);
		put32(bed, DRIVER_FEATURE, (uint32_t)(features >> (32 * i)));
	}
	put8(bed, STATUS, ACK | DRIVER | FEATURES_OK);
	return status(bed) & FEATURES_OK;
}

void ring_clear(struct bed *bed, unsigned index)
{
	struct ring *ring = &bed->ring[index];

	*ring = (struct ring){
		.index = index,
		.mem = bed->mem + index * RING,
		.iova = MEM_IOVA + index * RING,
		.next_wrap = true,
		.used_wrap = true,
	};
	memset(ring->mem, 0, RING);
}

void setup_queue(struct bed *bed, unsigned index)
{
	const struct ring *ring = &bed->ring[index];

	put16(bed, QUEUE_SELECT, (uint16_t)index);
	put16(bed, QUEUE_SIZE, SIZE);
	put16(bed, QUEUE_VECTOR, 1);
	put64(bed, QUEUE_DESC, ring->iova);
	put64(bed, QUEUE_DRIVER, ring->iova + DRIVER_AT);
	put64(bed, QUEUE_DEVICE, ring->iova + DEVICE_AT);
	put16(bed, QUEUE_ENABLE, 1);
}

void up_but_ok(struct bed *bed, uint64_t features)
{
	reset(bed);
	if (!negotiate(bed, features))
		die("features 0x%llx are refused", (unsigned long long)features);
	put16(bed, CONFIG_VECTOR, 0);
	for (unsigned i = 0; i < bed->queues && i < RINGS; i++) {
		ring_clear(bed, i);
		setup_queue(bed, i);
	}
}

void up_with(struct bed *bed, uint64_t features)
{
	up_but_ok(bed, features);
	/* Frames that come back need room, or those that are sent wait. */
	for (unsigned i = 0; bed->kind == NET && !bed->hungry && i < SIZE - 4; i++)
		offer(bed, &bed->ring[0], &(struct piece){ buf_iova(64), 4096, true }, 1);
	put8(bed, STATUS, LIVE);
	if (status(bed) != LIVE && !bed->hammered)
		die("it does not come up, the status is 0x%02x", status(bed));
}

void up(struct bed *bed)
{
	up_with(bed, bed->wanted);
}

/* ---- Rings --------------------------------------------------------------------------------------- */

uint64_t buf_iova(unsigned n)
{
	return MEM_IOVA + BUF + n * 4096u % BUFS;
}

uint8_t *buf_at(struct bed *bed, unsigned n)
{
	return bed->mem + BUF + n * 4096u % BUFS;
}

void raw_put(uint8_t *at, uint64_t addr, uint32_t len, uint16_t a, uint16_t b)
{
	addr = htole64(addr);
	len = htole32(len);
	a = htole16(a);
	memcpy(at, &addr, 8);
	memcpy(at + 8, &len, 4);
	memcpy(at + 12, &a, 2);
	__atomic_store_n((uint16_t *)(void *)(at + 14), htole16(b), __ATOMIC_RELEASE);
}

void move_avail(struct ring *ring, unsigned n)
{
	ring->next = (uint16_t)(ring->next + n);
	__atomic_store_n((uint16_t *)(void *)(ring->mem + DRIVER_AT + 2), htole16(ring->next),
		__ATOMIC_SEQ_CST);
}

static void offer_split(struct ring *ring, unsigned head)
{
	uint16_t id = htole16((uint16_t)head);

	memcpy(ring->mem + DRIVER_AT + 4 + 2 * (ring->next % SIZE), &id, 2);
	move_avail(ring, 1);
}

/* The first one's flags last. */
static void offer_packed(struct ring *ring, const struct raw *raw, unsigned n, unsigned id)
{
	uint16_t first = 0;
	unsigned head = ring->next;

	for (unsigned i = 0; i < n; i++) {
		uint16_t flags = (uint16_t)(raw[i].flags | (ring->next_wrap ? AVAIL : USED));
		raw_put(ring->mem + 16 * ring->next, raw[i].addr, raw[i].len, (uint16_t)id,
			i ? flags : (uint16_t)(flags ^ (AVAIL | USED)));
		if (!i)
			first = flags;
		if (++ring->next == SIZE) {
			ring->next = 0;
			ring->next_wrap = !ring->next_wrap;
		}
	}
	__atomic_store_n(
		(uint16_t *)(void *)(ring->mem + 16 * head + 14), htole16(first), __ATOMIC_SEQ_CST);
}

void offer_raw(struct bed *bed, struct ring *ring, const struct raw *raw, unsigned n)
{
	if (bed->packed) {
		offer_packed(ring, raw, n, 0);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		raw_put(ring->mem + 16 * i, raw[i].addr, raw[i].len, raw[i].flags, raw[i].next);
	/* As split has it: len, flags, next. raw_put() takes flags and next as the two last. */
	offer_split(ring, 0);
}

void offer(struct bed *bed, struct ring *ring, const struct piece *pieces, unsigned n)
{
	struct raw raw[SIZE];
	unsigned head = ring->desc;

	for (unsigned i = 0; i < n; i++)
		raw[i] = (struct raw){ pieces[i].iova, pieces[i].len,
			(uint16_t)((pieces[i].in ? WRITE : 0) | (i + 1 < n ? NEXT : 0)), 0 };
	if (bed->packed) {
		offer_packed(ring, raw, n, head);
		ring->desc = (head + n) % SIZE;
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		unsigned at = ring->desc;
		ring->desc = (at + 1) % SIZE;
		raw_put(ring->mem + 16 * at, raw[i].addr, raw[i].len, raw[i].flags,
			(uint16_t)ring->desc);
	}
	offer_split(ring, head);
}

void kick(struct bed *bed, unsigned queue)
{
	uint16_t value = htole16((uint16_t)queue);

	put(bed, MEDIO_VIRTIO_NOTIFY + MEDIO_VIRTIO_MULTIPLIER * queue, &value, 2);
	medio_card_flush(bed->card);
}

static bool take_split(struct ring *ring, uint32_t *len)
{
	uint16_t idx = le16toh(
		__atomic_load_n((uint16_t *)(void *)(ring->mem + DEVICE_AT + 2), __ATOMIC_ACQUIRE));

	if (idx == ring->used)
		return false;
	memcpy(len, ring->mem + DEVICE_AT + 4 + 8 * (ring->used % SIZE) + 4, 4);
	ring->used++;
	return true;
}

/* Chains here have the length that the place of the next used one tells: all are answered in order. */
static bool take_packed(struct ring *ring, uint32_t *len)
{
	uint8_t *desc = ring->mem + 16 * ring->used;
	uint16_t flags = le16toh(
		__atomic_load_n((uint16_t *)(void *)(desc + 14), __ATOMIC_ACQUIRE));

	if (!(flags & AVAIL) != !ring->used_wrap || !(flags & USED) != !ring->used_wrap)
		return false;
	memcpy(len, desc + 8, 4);
	ring->used = ring->next;
	ring->used_wrap = ring->next_wrap;
	return true;
}

enum answer await(struct bed *bed, struct ring *ring, uint32_t *len)
{
	uint64_t end = now_ms() + PATIENCE_MS;
	uint32_t bytes = 0;

	for (unsigned i = 0;; i++) {
		if (bed->packed ? take_packed(ring, &bytes) : take_split(ring, &bytes)) {
			if (len)
				*len = le32toh(bytes);
			return USED_IT;
		}
		if (i % 4 == 3 && status(bed) & NEEDS_RESET)
			return BROKE_IT;
		if (now_ms() > end)
			return NOTHING;
		medio_card_process(bed->card);
		rest(10);
	}
}

enum answer request(
	struct bed *bed, unsigned queue, const struct piece *pieces, unsigned n, uint32_t *len)
{
	offer(bed, &bed->ring[queue], pieces, n);
	kick(bed, queue);
	return await(bed, &bed->ring[queue], len);
}

/* ---- What a good driver asks ----------------------------------------------------------------------- */

void good_offer(struct bed *bed)
{
	struct ring *ring = &bed->ring[bed->good];
	const uint64_t out = buf_iova(0), in = buf_iova(1);

	memset(buf_at(bed, 0), 0, 4096);
	memset(buf_at(bed, 1), 0xee, 4096);
	switch (bed->kind) {
	case BLK: /* read of sector 0 (5.2.6) */
		offer(bed, ring,
			(struct piece[]){
				{ out, 16, false }, { in + 1, 512, true }, { in, 1, true } },
			3);
		break;
	case NET: /* a frame (5.1.6.2) */
		memset(buf_at(bed, 0) + 12, 0xff, 12);
		offer(bed, ring, (struct piece[]){ { out, 12 + 60, false } }, 1);
		break;
	case CONSOLE:
		offer(bed, ring, (struct piece[]){ { out, 5, false } }, 1);
		break;
	case RNG:
		offer(bed, ring, (struct piece[]){ { in, 16, true } }, 1);
		break;
	case SCSI: /* INQUIRY of LUN 0, target 0 (5.6.6.1) */
		memcpy(buf_at(bed, 0), (const uint8_t[]){ 1, 0, 0x40, 0 }, 4);
		memcpy(buf_at(bed, 0) + 19, (const uint8_t[]){ 0x12, 0, 0, 0, 36, 0 }, 6);
		offer(bed, ring,
			(struct piece[]){
				{ out, 51, false }, { in, 108, true }, { in + 200, 36, true } },
			3);
		break;
	default:
		die("kind %u is not known here", bed->kind);
	}
}

const char *good(struct bed *bed)
{
	uint32_t len = 0;
	enum answer answer;
	const uint8_t *in = buf_at(bed, 1);

	good_offer(bed);
	kick(bed, bed->good);
	answer = await(bed, &bed->ring[bed->good], &len);
	if (answer != USED_IT)
		return fail("a good request %s, the status is 0x%02x",
			answer == BROKE_IT ? "broke the device" : "is not answered", status(bed));
	if (bed->kind == BLK && in[0] != 0)
		return fail("a good read is answered with status %u", in[0]);
	if (bed->kind == RNG && len != 16)
		return fail("of 16 random bytes %u came", len);
	if (bed->kind == SCSI && in[11] != 0)
		return fail("a good INQUIRY is answered with %u", in[11]);
	return NULL;
}
