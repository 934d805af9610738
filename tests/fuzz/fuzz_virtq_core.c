/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtqueue of the device's side whose driver is the input: any memory, written between any of
 * the device's steps. What is popped must be memory that the driver gave, as its descriptors say
 * so, and no more chains than the ring holds; nothing is written but what may be.
 *
 * With notes (fuzz_virtio_notes.c) the queue has notes of what is in flight, which are in the ring's page, too,
 * and may be abandoned.
 *
 * Bytes: the kind (1 packed, 2 EVENT_IDX, 4 INDIRECT, 8 IN_ORDER), the size, then steps: the step
 * in the lower 4 bits, its argument in the upper 4, and what it reads besides.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device/dma.h"
#include "device/instance.h"
#include "iommu/iommu.h"
#include "virtio/inflight.h"
#include "virtio/virtq.h"

#ifndef WITH_NOTES
#define WITH_NOTES 0
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX  16u
#define PAGE 4096u
/* One page for ring and tables; one to read and write; one to read; one that is the first of the
 * ring's again, so that writing a buffer may change the ring; remote memory. */
#define RING   0x1000u
#define DATA   0x2000u
#define RO     0x3000u
#define REMOTE 0x5000u
#define DRIVER 0x400u
#define DEVICE 0x500u
#define TABLES 0x800u
#define NOTES  0xc00u

enum step {
	POKE,
	POKE16,
	DESC,
	OFFER,
	POP,
	PUSH,
	PUSH_WRITTEN,
	FLUSH,
	UNPOP,
	TURN,
	PAUSE,
	ARM,
	RESTART,
	FORGET,
	WANT,
	LOG,
};

struct fuzz {
	const uint8_t *data;
	size_t size;
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct medio_iommu *domain;
	struct medio_virtq *q;
	struct medio_virtq_setup setup;
	struct medio_virtq_chain *held[MAX];
	unsigned num_held, idles, broken;
	uint8_t *mem;
	const uint8_t *ro_mem; /* the third page, in a mapping of its own */
	uint8_t ro[PAGE];
	bool paused, idle_due, since_push;
};

static struct fuzz f;

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static unsigned byte(void)
{
	if (!f.size)
		return 0;
	f.size--;
	return *f.data++;
}

static unsigned word(void)
{
	const unsigned low = byte();

	return low | byte() << 8;
}

static void quiet(void *opaque, enum medio_log_level level, const char *line)
{
}

static void on_broken(void *opaque, struct medio_virtq *q, const char *words)
{
	check(!strncmp(words, "queue 3: ", 9) && strlen(words) < MEDIO_VIRTQ_WORDS - 1 &&
			strlen(words) > 15,
		"words that say nothing, or too much");
	check(!f.broken++, "broken twice");
}

static void on_interrupt(void *opaque, struct medio_virtq *q)
{
}

static void on_idle(void *opaque, struct medio_virtq *q)
{
	check(f.idle_due && !medio_virtq_in_flight(q), "idle, yet nobody waits, or it is not");
	f.idle_due = false;
}

static void on_again(void *opaque, struct medio_virtq *q)
{
}

static const struct medio_virtq_owner owner = { on_broken, on_interrupt, on_idle, on_again };
static const struct medio_device_ops ops;
static const struct medio_type type = { .abi = MEDIO_DEVICE_ABI, .name = "queue", .ops = &ops };
static const struct medio_transport_ops transport;

/* ---- The device ------------------------------------------------------------------------------------ */

static void check_pieces(
	const struct iovec *iov, unsigned n, size_t bytes, unsigned prot, unsigned *total)
{
	size_t sum = 0;

	for (unsigned i = 0; i < n; i++) {
		const uint8_t *at = iov[i].iov_base;
		check(iov[i].iov_len > 0 && iov[i].iov_len <= 3 * PAGE, "a piece of no length");
		/* The mappings may happen to lie side by side: each byte for itself. */
		for (const uint8_t *end = at + iov[i].iov_len; at < end; at++) {
			const bool both = at >= f.mem && at < f.mem + 2 * PAGE;
			check(both || (at >= f.ro_mem && at < f.ro_mem + PAGE), "memory of nobody");
			check(both || !(prot & MEDIO_PROT_WRITE),
				"memory that is not to be written");
		}
		sum += iov[i].iov_len;
	}
	check(sum == bytes, "another sum");
	*total += n;
}

static void hold(struct medio_virtq_chain *chain)
{
	unsigned pieces = 0;

	check(f.num_held < f.setup.size, "more chains than descriptors");
	check_pieces(chain->out, chain->num_out, chain->out_bytes, MEDIO_PROT_READ, &pieces);
	check_pieces(chain->in, chain->num_in, chain->in_bytes, MEDIO_PROT_WRITE, &pieces);
	/* A buffer lies in two pages that are not together at most. */
	check(pieces <= 3 * f.setup.size, "a chain longer than the queue");
	memset(chain->data, 0x5a, 8);
	f.held[f.num_held++] = chain;
	f.since_push = true;
}

static struct medio_virtq_chain *pop(void)
{
	const bool live = medio_virtq_is_live(f.q);
	struct medio_virtq_chain *chain = medio_virtq_pop(f.q);

	if (!chain)
		return NULL;
	check(live && !f.paused && !f.broken, "a chain of a queue at rest");
	hold(chain);
	return chain;
}

/* The queue may be broken by the one behind them. */
static void pop_many(unsigned most)
{
	const bool good = medio_virtq_is_live(f.q) && !f.paused && !f.broken;
	struct medio_virtq_chain *chains[MAX];
	const unsigned n = medio_virtq_pop_many(f.q, chains, most);

	check(n <= most && (good || !n), "a burst of a queue at rest, or too many");
	for (unsigned i = 0; i < n; i++)
		hold(chains[i]);
}

static void push(unsigned n, size_t written)
{
	struct medio_virtq_chain *chain = f.held[n];
	uint8_t junk[64];

	if (written > chain->in_bytes)
		written = chain->in_bytes;
	memset(junk, (int)written, sizeof(junk));
	medio_virtq_write(chain, 0, junk, written < sizeof(junk) ? written : sizeof(junk));
	medio_virtq_read(chain, written, junk, sizeof(junk));
	f.num_held--;
	for (; n < f.num_held; n++)
		f.held[n] = f.held[n + 1];
	medio_virtq_push(chain, (uint32_t)written);
	f.since_push = false;
}

/* The first ones; so much of each. */
static void push_many(unsigned n, unsigned written)
{
	uint32_t all[MAX];

	for (unsigned i = 0; i < n; i++)
		all[i] = written;
	medio_virtq_push_many(f.held, written ? all : NULL, n);
	f.num_held -= n;
	for (unsigned i = 0; i < f.num_held; i++)
		f.held[i] = f.held[i + n];
	f.since_push &= !n;
}

static void push_all(void)
{
	while (f.num_held)
		push(0, 1);
	check(!f.idle_due, "nobody was told that it is idle");
}

static void kick(struct medio_dev *dev, struct medio_virtq *q)
{
	unsigned n = byte();

	if (n & 8)
		pop_many(n % 8);
	if (n & 16)
		push_many(f.num_held / 2, n % 8);
	if (n & 32)
		medio_virtq_flush_early(q);
	n %= 8;
	while (n-- && pop())
		if (n & 1)
			push(f.num_held - 1, n);
}

static void rest(unsigned how)
{
	const bool idle = how & 1 ? medio_virtq_pause(f.q) : medio_virtq_stop(f.q);

	f.paused = how & 1;
	check(idle == !f.num_held, "idle or not");
	f.idle_due = !idle;
	check(!pop(), "a chain of a queue that stands still");
	if (how & 2)
		push_all();
	if (f.paused) {
		f.paused = f.idle_due = false;
		medio_virtq_resume(f.q);
	}
}

/* As if its process had been killed. */
static void abandon(void)
{
	struct medio_dev *dev = medio_virtq_dev(f.q);

	medio_virtq_free(f.q);
	f.num_held = 0;
	f.paused = f.idle_due = f.since_push = false;
	assert(!medio_virtq_new(dev, 3, &owner, NULL, &f.q));
}

static void start(bool moved)
{
	struct medio_virtq_position at = { 0, 0 };
	char words[MEDIO_VIRTQ_WORDS];

	if (medio_virtq_is_live(f.q)) {
		f.idle_due = !medio_virtq_stop(f.q);
		f.paused = false;
	}
	push_all();
	if (moved) {
		at.avail = (uint16_t)word();
		at.used = (uint16_t)word();
	}
	f.broken = 0;
	if (medio_virtq_start(f.q, &f.setup, moved ? &at : NULL, words))
		check(!strncmp(words, "queue 3: ", 9) && !medio_virtq_is_live(f.q),
			"it starts or says why not");
}

/* ---- The driver ------------------------------------------------------------------------------------ */

static void put(unsigned at, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		f.mem[(at + i) % PAGE] = (uint8_t)(value >> (8 * i));
}

static uint64_t place(unsigned kind)
{
	static const uint64_t places[] = { DATA, DATA + 0x800, RING + TABLES, RO, RING, DATA - 8,
		RO - 16, RO + PAGE - 1, REMOTE, 0, RING + TABLES + 0x100, ~UINT64_C(0) - 8 };

	return places[kind % (sizeof(places) / sizeof(*places))];
}

static void desc(unsigned arg)
{
	const unsigned where = byte(),
		       at = where & 0x80 ? TABLES + 16 * (where & 31) : 16 * (where % MAX);
	static const uint32_t lens[] = { 16, 32, 48, 1, 0, 0x900, 0x1000, 0xffffffff, 7, 64 };

	put(at, place(byte()), 8);
	put(at + 8, lens[arg % 10], 4);
	put(at + 12, word(), 2);
	put(at + 14, word(), 2);
}

static void offer(unsigned arg)
{
	const unsigned idx = f.mem[DRIVER + 2] | f.mem[DRIVER + 3] << 8;

	put(DRIVER + 4 + 2 * (idx % f.setup.size), arg, 2);
	put(DRIVER + 2, idx + 1, 2);
}

static void log_pages(unsigned arg)
{
	const struct medio_iommu_range all = { 0, 1 << 20 };
	uint64_t bits;

	if (arg & 1)
		medio_iommu_dirty_start(f.domain, PAGE, &all, 1);
	else if (arg & 2)
		medio_iommu_dirty_stop(f.domain);
	else
		medio_iommu_dirty_report(f.domain, 0, 64 * PAGE, PAGE, &bits, sizeof(bits));
}

/* ---- Steps ----------------------------------------------------------------------------------------- */

static void step(enum step what, unsigned arg)
{
	unsigned at;

	switch (what) {
	case POKE:
		at = word();
		put(at, byte(), 1);
		break;
	case POKE16:
		at = word();
		put(at, word(), 2);
		break;
	case DESC:
		desc(arg);
		break;
	case OFFER:
		offer(arg);
		break;
	case POP:
		if (arg & 8)
			pop_many(arg);
		else
			pop();
		break;
	case PUSH:
	case PUSH_WRITTEN:
		if (arg & 8)
			push_many(f.num_held * (arg & 7) / 7, what == PUSH ? 0 : word());
		else if (f.num_held)
			push(arg % f.num_held, what == PUSH ? 0 : word());
		break;
	case FLUSH:
		if (arg & 1)
			medio_virtq_flush_early(f.q);
		else
			medio_virtq_flush(f.q);
		break;
	case UNPOP:
		/* The last one, if nothing was pushed since. */
		if (f.num_held && f.since_push) {
			medio_virtq_unpop(f.q, 1);
			f.num_held--;
			f.since_push = false;
		}
		break;
	case TURN:
		medio_virtq_turn(f.q, kick, arg & 1);
		break;
	case PAUSE:
		if (medio_virtq_is_live(f.q))
			rest(arg);
		break;
	case ARM:
		medio_virtq_arm(f.q);
		break;
	case RESTART:
		if (WITH_NOTES && arg & 2)
			abandon();
		start(arg & 1);
		break;
	case FORGET:
		medio_virtq_forget(f.q);
		break;
	case WANT:
		medio_virtq_want_kicks(f.q, arg & 1);
		break;
	case LOG:
		log_pages(arg);
		break;
	}
	check(medio_virtq_in_flight(f.q) == f.num_held, "another number of chains");
	check(!memcmp(f.ro, f.ro_mem, PAGE), "what is not to be written was");
	if (f.broken)
		check(!pop() && medio_virtq_is_empty(f.q), "a broken queue that mended");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct medio_instance_options opts = { .log = quiet };
	const uint16_t command = 6;

	f = (struct fuzz){ .data = data, .size = size };
	const unsigned kind = byte();
	unsigned descs = 1 + byte() % MAX;
	while (!(kind & 1) && descs & (descs - 1))
		descs &= descs - 1;
	const int fd = memfd_create("fuzz", MFD_CLOEXEC);
	assert(fd >= 0 && !ftruncate(fd, 3 * PAGE));
	assert(!medio_loop_new(&f.loop));
	assert(!medio_instance_new(f.loop, &type, &opts, &f.inst, NULL));
	assert(!medio_instance_attach(f.inst, &transport, NULL));
	assert(!medio_instance_write(f.inst, MEDIO_REGION_CONFIG, 4, &command, 2));
	assert(!medio_instance_dma_map(f.inst, RING, 2 * PAGE, 3, fd, 0, NULL));
	assert(!medio_instance_dma_map(f.inst, RO, PAGE, 1, fd, 2 * PAGE, NULL));
	assert(!medio_instance_dma_map(f.inst, RO + PAGE, PAGE, 3, fd, 0, NULL));
	assert(!medio_instance_dma_map(f.inst, REMOTE, PAGE, 3, -1, 0, NULL));
	f.domain = medio_instance_iommu(f.inst);
	struct medio_dev *dev = medio_instance_device(f.inst);
	f.mem = medio_dma_get(dev, RING, PAGE, 3, NULL);
	memset(f.ro, 0x33, sizeof(f.ro));
	memcpy(f.mem + 2 * PAGE, f.ro, PAGE);
	f.ro_mem = medio_dma_get(dev, RO, PAGE, MEDIO_PROT_READ, NULL);
	f.setup = (struct medio_virtq_setup){
		.size = descs,
		.packed = kind & 1,
		.event_idx = kind & 2,
		.indirect = kind & 4,
		.in_order = kind & 8,
		.desc = RING,
		.driver = RING + DRIVER,
		.device = RING + DEVICE,
		.request_size = 8,
		.inflight = WITH_NOTES ? f.mem + NOTES : NULL,
	};
	assert(NOTES + medio_virtq_inflight_bytes(true, MAX) <= PAGE);
	assert(!medio_virtq_new(dev, 3, &owner, NULL, &f.q));
	start(false);
	while (f.size) {
		const unsigned what = byte();
		step(what & 15, what >> 4);
	}
	push_all();
	if (medio_virtq_is_live(f.q))
		check(medio_virtq_stop(f.q), "chains that nobody has");
	medio_virtq_free(f.q);
	medio_instance_detach(f.inst);
	medio_instance_free(f.inst);
	medio_loop_free(f.loop);
	close(fd);
	return 0;
}
