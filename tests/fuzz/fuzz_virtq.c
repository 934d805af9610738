/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtqueue whose device is the input: between the driver's steps it uses chains as it should, uses
 * whatever ids it likes, or writes anywhere into the ring. Each chain that the driver takes must be one that
 * was published and not taken, with no more bytes than it has room for; the device's area stays the device's.
 *
 * Bytes: the kind (1 packed, 2 EVENT_IDX, 4 tables), the size, then steps: the step in the lower 3 bits, its
 * argument in the upper 5, and what it reads besides.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/virtio/virtq.h"

#define MAX  64u
#define IOVA UINT64_C(0x100000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum step { ADD, PUBLISH, TAKE, IRQ, RESET, POKE, USE, SERVE };
enum state { NONE, ADDED, SHOWN };

struct chain {
	enum state state;
	uint64_t room;
};

struct fuzz {
	const uint8_t *data;
	size_t size;
	struct virtq_options opts;
	struct virtq *vq;
	uint8_t *ring;
	size_t bytes, driver, device, device_bytes;
	struct chain chains[MAX];
	unsigned live;
	uint8_t kept[6 + 8 * MAX]; /* the device's area as the device left it */
	/* The device's own: the next chain to serve, the next used one. */
	unsigned at, used;
	int used_wrap;
};

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static unsigned byte(struct fuzz *f)
{
	if (!f->size)
		return 0;
	f->size--;
	return *f->data++;
}

static unsigned word(struct fuzz *f)
{
	unsigned low = byte(f);

	return low | byte(f) << 8;
}

/* ---- The device -------------------------------------------------------------------------------- */

static unsigned get16(const uint8_t *at)
{
	return at[0] | (unsigned)at[1] << 8;
}

static void put(uint8_t *at, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static void poke(struct fuzz *f, unsigned arg)
{
	size_t size = (size_t)1 << (arg & 3), at = word(f);

	/* The ring is small, the tables are not. */
	at = (arg & 4 ? at : at % (f->device + f->device_bytes)) % (f->bytes - size);
	for (size_t i = 0; i < size; i++)
		f->ring[at + i] = (uint8_t)byte(f);
}

static void use(struct fuzz *f, unsigned id, unsigned len, unsigned flags, unsigned descs)
{
	if (f->opts.packed) {
		uint8_t *desc = f->ring + (size_t)16 * f->used;
		put(desc + 8, len, 4);
		put(desc + 12, id, 2);
		put(desc + 14, (f->used_wrap ? 0x8080 : 0) | (flags & 2), 2);
		f->used += descs;
		if (f->used >= f->opts.size) {
			f->used %= f->opts.size;
			f->used_wrap ^= 1;
		}
	} else {
		uint8_t *elem = f->ring + f->device + 4 + (size_t)8 * (f->used % f->opts.size);
		put(elem, id, 4);
		put(elem + 4, len, 4);
		put(f->ring + f->device + 2, ++f->used, 2);
	}
}

/* Use the next chain, if the ring says that there is one. */
static void serve(struct fuzz *f, unsigned arg)
{
	unsigned size = f->opts.size, descs = 1;

	if (f->opts.packed) {
		/* Not strict: this device looks at no wrap counter. */
		while (descs < size && f->ring[16 * (f->at % size) + 14] & 1) {
			f->at++;
			descs++;
		}
		use(f, get16(f->ring + (size_t)16 * (f->at++ % size) + 12), arg >> 1, arg & 2,
			descs);
	} else if (get16(f->ring + f->driver + 2) != (f->at & 0xffff)) {
		use(f, get16(f->ring + f->driver + 4 + (size_t)2 * (f->at++ % size)), arg >> 1, 0,
			1);
	}
}

/* ---- The driver -------------------------------------------------------------------------------- */

static void add(struct fuzz *f, unsigned arg)
{
	unsigned n = arg % 9, out = byte(f) % (n + 1), which = 0;
	unsigned room = virtq_room(f->vq, n);
	struct virtq_seg segs[9];
	struct chain chain = { ADDED, 0 };

	while (which < MAX - 1 && f->chains[which].state != NONE)
		which++;
	for (unsigned i = 0; i < n; i++) {
		segs[i] = (struct virtq_seg){ IOVA + 256 * i, 1 + (arg * 7 + i) % 64 };
		chain.room += i < out ? 0 : segs[i].len;
	}
	int ret = virtq_add(f->vq, segs, out, n - out, &f->chains[which]);
	check((ret == 0) == (room > 0), "room that is none, or the other way round");
	check(!ret || (*virtq_words(f->vq) ? ret == -EPROTO : ret == -EAGAIN || ret == -EINVAL),
		"another error");
	if (ret)
		return;
	check(f->chains[which].state == NONE, "more chains than descriptors");
	f->chains[which] = chain;
	f->live++;
}

static void take(struct fuzz *f, unsigned times)
{
	while (times--) {
		struct virtq_done done = { NULL, 0 };
		bool broken = *virtq_words(f->vq), ready = virtq_ready(f->vq);
		int ret = virtq_take(f->vq, &done);
		check(ret == 0 || ret == 1 || ret == -EPROTO, "another result");
		check((ret < 0) == (*virtq_words(f->vq) != '\0'), "words for nothing, or none");
		check(!broken || ret < 0, "a broken ring that mended");
		check((ret != 0) == ready, "ready or not");
		if (ret <= 0) {
			check(!done.tag, "nothing, yet with a tag");
			return;
		}
		struct chain *chain = done.tag;
		check(chain >= f->chains && chain < f->chains + MAX, "a tag of nobody");
		check(chain->state == SHOWN, "a chain that the device did not have");
		check(done.len <= chain->room, "more than there is room for");
		chain->state = NONE;
		f->live--;
	}
}

static void hand_back(void *arg, void *tag)
{
	struct fuzz *f = arg;
	struct chain *chain = tag;

	check(chain->state != NONE, "a chain handed back twice");
	chain->state = NONE;
	f->live--;
}

static void driver(struct fuzz *f, enum step step, unsigned arg)
{
	uint8_t *area = f->ring + f->device;

	memcpy(f->kept, area, f->device_bytes);
	switch (step) {
	case ADD:
		add(f, arg);
		break;
	case PUBLISH:
		virtq_publish(f->vq);
		virtq_notify_data(f->vq);
		for (unsigned i = 0; i < MAX && !*virtq_words(f->vq); i++)
			if (f->chains[i].state == ADDED)
				f->chains[i].state = SHOWN;
		break;
	case TAKE:
		take(f, arg + 1);
		break;
	case IRQ:
		if (!(arg & 1))
			virtq_no_irq(f->vq);
		else
			check(virtq_want_irq(f->vq) == virtq_ready(f->vq), "ready or not");
		break;
	default:
		virtq_reset(f->vq, hand_back, f);
		check(!f->live, "a chain that did not come back");
		check(virtq_room(f->vq, 1) == f->opts.size, "a ring that is not empty");
		memset(f->kept, 0, sizeof(f->kept));
		f->at = f->used = 0;
		f->used_wrap = 1;
		break;
	}
	check(!memcmp(f->kept, area, f->device_bytes), "the driver wrote where the device writes");
	check(virtq_pending(f->vq) == f->live, "another number of chains");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz f;
	struct virtq_places places;

	f = (struct fuzz){ .data = data, .size = size, .used_wrap = 1 };
	unsigned kind = byte(&f), descs = 1 + byte(&f) % MAX;
	while (!(kind & 1) && descs & (descs - 1))
		descs &= descs - 1;
	f.opts = (struct virtq_options){ descs, kind & 1, kind & 2, kind & 4 ? 4 : 0 };
	f.bytes = virtq_bytes(&f.opts);
	f.device_bytes = kind & 1 ? 4 : 6 + 8 * (size_t)descs;
	if (posix_memalign((void **)&f.ring, 4096, f.bytes))
		return 0;
	memset(f.ring, 0, f.bytes);
	check(!virtq_new(&f.opts, f.ring, 0x1000, &f.vq), "a ring cannot be made");
	virtq_get_places(f.vq, &places);
	f.driver = places.driver - 0x1000;
	f.device = places.device - 0x1000;
	while (f.size) {
		unsigned step = byte(&f), arg = step >> 3;
		if ((step & 7) == POKE)
			poke(&f, arg);
		else if ((step & 7) == USE)
			use(&f, arg & 1 ? word(&f) : byte(&f) % MAX, arg & 4 ? word(&f) : arg >> 3,
				arg & 2, 1);
		else if ((step & 7) == SERVE)
			serve(&f, arg);
		else
			driver(&f, step & 7, arg);
	}
	driver(&f, RESET, 0);
	virtq_free(f.vq);
	free(f.ring);
	return 0;
}
