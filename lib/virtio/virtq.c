/* SPDX-License-Identifier: BSD-3-Clause */
/* The device's side of a virtqueue, see virtq.h: life, areas, turns, and what devices call. */
#include "virtio/notes.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Life ---------------------------------------------------------------------------------------- */

int medio_virtq_new(struct medio_dev *dev, unsigned index, const struct medio_virtq_owner *owner,
	void *opaque, struct medio_virtq **out)
{
	struct medio_virtq *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->dev = dev;
	q->domain = medio_dma_domain(dev);
	q->index = index;
	q->owner = owner;
	q->opaque = opaque;
	q->closed = true;
	q->want = true;
	q->left = UINT_MAX;
	*out = q;
	return 0;
}

void medio_virtq_free(struct medio_virtq *q)
{
	if (!q)
		return;
	medio_virtq_slots_free(q);
	medio_virtq_notes_free(q);
	free(q);
}

int medio_virtq_broke(struct medio_virtq *q, const char *fmt, ...)
{
	char words[MEDIO_VIRTQ_WORDS];
	int n = snprintf(words, sizeof(words), "queue %u: ", q->index);
	va_list args;

	va_start(args, fmt);
	vsnprintf(words + n, sizeof(words) - (size_t)n, fmt, args);
	va_end(args);
	q->closed = true;
	/* The first is what counts. */
	if (!q->broken) {
		q->broken = true;
		if (q->owner->broken)
			q->owner->broken(q->opaque, q, words);
	}
	return MEDIO_VIRTQ_BROKE;
}

/* ---- Areas --------------------------------------------------------------------------------------- */

struct area {
	const char *name;
	uint64_t iova;
	size_t len;
	unsigned align, prot; /* 2.7, 2.8.10.1 */
	uint8_t **at;
};

enum { AREAS = 3 };

static void get_areas(
	struct medio_virtq *q, const struct medio_virtq_setup *s, struct area areas[AREAS])
{
	const size_t size = s->size;
	const unsigned both = MEDIO_PROT_READ | MEDIO_PROT_WRITE;

	areas[0] = (struct area){ "descriptor", s->desc, MEDIO_VIRTQ_DESC_BYTES * size, 16,
		s->packed ? both : MEDIO_PROT_READ, &q->desc };
	areas[1] = (struct area){ "driver", s->driver, s->packed ? 4 : 6 + 2 * size,
		s->packed ? 4 : 2, MEDIO_PROT_READ, &q->driver };
	areas[2] = (struct area){ "device", s->device, s->packed ? 4 : 6 + 8 * size, 4,
		MEDIO_PROT_WRITE, &q->device };
}

/* Look up where the areas are. -errno and words (without the queue). */
static int map_areas(struct medio_virtq *q, char *words, size_t size)
{
	struct area areas[AREAS];

	get_areas(q, &q->setup, areas);
	for (unsigned i = 0; i < AREAS; i++) {
		const struct area *a = &areas[i];
		int err = -EFAULT;
		*a->at = medio_dma_get(q->dev, a->iova, a->len, a->prot, &err);
		if (*a->at)
			continue;
		snprintf(words, size, "the %s area, %zu bytes at 0x%llx, %s (2.6)", a->name, a->len,
			(unsigned long long)a->iova,
			err == -EACCES	  ? "is memory that the device may not reach so"
			: err == -EREMOTE ? "is memory that cannot be mapped here"
			: err == -ENODEV  ? "is out of reach: bus mastering is off"
					  : "is not mapped, or not in one piece");
		return err;
	}
	q->mapped = true;
	return 0;
}

bool medio_virtq_usable_hard(struct medio_virtq *q)
{
	char words[MEDIO_VIRTQ_WORDS];

	if (q->broken || !q->live)
		return false;
	if (map_areas(q, words, sizeof(words)) == 0)
		return true;
	medio_virtq_broke(q, "%s", words);
	return false;
}

void medio_virtq_forget(struct medio_virtq *q)
{
	q->mapped = false;
	q->closed = true;
}

/* ---- Start and stop -------------------------------------------------------------------------------- */

static int check_setup(
	struct medio_virtq *q, const struct medio_virtq_setup *s, char *words, size_t size)
{
	struct area areas[AREAS];

	if (!s->size || s->size > MEDIO_VIRTIO_MAX_QUEUE_SIZE) {
		snprintf(words, size, "a size of %u; allowed are 1 to %u (2.6)", s->size,
			MEDIO_VIRTIO_MAX_QUEUE_SIZE);
		return -EINVAL;
	}
	if (!s->packed && s->size & (s->size - 1)) {
		snprintf(words, size, "a size of %u, which is no power of two (2.7)", s->size);
		return -EINVAL;
	}
	get_areas(q, s, areas);
	for (unsigned i = 0; i < AREAS; i++) {
		const struct area *a = &areas[i];
		if (a->iova % a->align == 0)
			continue;
		snprintf(words, size, "the %s area at 0x%llx, not a multiple of %u (%s)", a->name,
			(unsigned long long)a->iova, a->align, s->packed ? "2.8.10.1" : "2.7");
		return -EINVAL;
	}
	return 0;
}

/* A place as a number of descriptors since the beginning, below two rounds. */
static unsigned linear(unsigned size, uint16_t position)
{
	return (position & 0x7fffu) + (position & 0x8000u ? 0 : size);
}

static int check_position(const struct medio_virtq_setup *s, const struct medio_virtq_position *p,
	char *words, size_t size)
{
	const unsigned n = s->size;
	bool good = (uint16_t)(p->avail - p->used) <= n;

	if (s->packed)
		good = (p->avail & 0x7fffu) < n && (p->used & 0x7fffu) < n &&
		       (linear(n, p->avail) + 2 * n - linear(n, p->used)) % (2 * n) <= n;
	if (good)
		return 0;
	snprintf(words, size, "a position of 0x%x, with 0x%x used, in a ring of %u (2.7.6, 2.8.1)",
		p->avail, p->used, n);
	return -EINVAL;
}

static void set_position(struct medio_virtq *q, const struct medio_virtq_position *p)
{
	struct medio_virtq_packed *r = &q->packed_ring;

	if (!q->packed) {
		q->split = (struct medio_virtq_split){ p->avail, p->avail, p->used, p->used,
			p->used };
		return;
	}
	memset(r, 0, sizeof(*r));
	r->avail = (struct medio_virtq_place){ p->avail & 0x7fff, p->avail >> 15 };
	r->used = (struct medio_virtq_place){ p->used & 0x7fff, p->used >> 15 };
	r->out = (linear(q->size, p->avail) + 2 * q->size - linear(q->size, p->used)) %
		 (2 * q->size);
	r->seen = r->avail;
}

/* A position that the front-end made up is no fault if the notes know better. */
static int start_notes(
	struct medio_virtq *q, struct medio_virtq_position *at, char *words, size_t size)
{
	int ret = medio_virtq_notes_start(q, at, words, size);

	if (ret == 0 && (ret = check_position(&q->setup, at, words, size)))
		medio_virtq_notes_free(q);
	return ret;
}

int medio_virtq_start(struct medio_virtq *q, const struct medio_virtq_setup *setup,
	const struct medio_virtq_position *position, char *words)
{
	const struct medio_virtq_position beginning = { setup->packed ? 0x8000 : 0,
		setup->packed ? 0x8000 : 0 };
	struct medio_virtq_position at = position ? *position : beginning;
	const int n = snprintf(words, MEDIO_VIRTQ_WORDS, "queue %u: ", q->index);
	const size_t rest = MEDIO_VIRTQ_WORDS - (size_t)n;
	int ret = check_setup(q, setup, words + n, rest);

	assert(!q->live && !q->in_flight);
	if (ret == 0 && !setup->inflight)
		ret = check_position(setup, &at, words + n, rest);
	if (ret)
		return ret;
	medio_virtq_slots_free(q);
	medio_virtq_notes_free(q);
	q->setup = *setup;
	q->size = setup->size;
	q->packed = setup->packed;
	q->event_idx = setup->event_idx;
	q->indirect = setup->indirect;
	q->in_order = setup->in_order;
	ret = map_areas(q, words + n, rest);
	if (ret == 0 && (ret = medio_virtq_slots_new(q)))
		snprintf(words + n, rest, "no memory left for %u chains", setup->size);
	if (ret == 0 && setup->inflight)
		ret = start_notes(q, &at, words + n, rest);
	if (ret) {
		q->mapped = false;
		return ret;
	}
	set_position(q, &at);
	if (q->notes)
		medio_virtq_notes_place(q);
	q->live = q->want = true;
	q->paused = q->broken = q->idle_due = q->starved = q->limited = q->wake = false;
	q->saw_end = false;
	q->closed = false;
	words[0] = '\0';
	/* The memory may say otherwise: it is another process's that was here before. */
	if (medio_virtq_arm(q) || medio_virtq_is_behind(q))
		medio_virtq_again(q);
	return 0;
}

/* Nothing is popped any more. Chains in flight are still used as before, and all that was used is
 * shown before the last of them is gone. */
static bool quiet(struct medio_virtq *q)
{
	q->closed = true;
	medio_virtq_flush(q);
	q->idle_due = q->in_flight != 0;
	return !q->idle_due;
}

bool medio_virtq_stop(struct medio_virtq *q)
{
	bool idle = quiet(q);

	q->live = q->paused = false;
	if (idle)
		medio_virtq_notes_end(q);
	return idle;
}

bool medio_virtq_pause(struct medio_virtq *q)
{
	q->paused = true;
	return quiet(q);
}

void medio_virtq_resume(struct medio_virtq *q)
{
	q->paused = false;
	if (!q->live)
		return;
	q->idle_due = false;
	q->closed = q->broken || !q->mapped;
	/* Who notified us meanwhile will not do it again. */
	medio_virtq_again(q);
}

bool medio_virtq_is_live(const struct medio_virtq *q)
{
	return q->live;
}

bool medio_virtq_is_behind(const struct medio_virtq *q)
{
	return q->notes && medio_virtq_notes_left(q->notes);
}

/* The last chain in flight is gone, which somebody waits for. */
static void idle(struct medio_virtq *q)
{
	q->idle_due = false;
	if (!q->live)
		medio_virtq_notes_end(q);
	q->owner->idle(q->opaque, q);
}

/* ---- Pop ----------------------------------------------------------------------------------------- */

/* Are the areas mapped? A client that moves its memory takes all of it away and gives it again,
 * piece by piece: no driver does wrong then, and what it has asked waits. */
static bool areas_are_there(struct medio_virtq *q)
{
	struct area areas[AREAS];

	get_areas(q, &q->setup, areas);
	for (unsigned i = 0; i < AREAS; i++)
		if (!medio_dma_is_mapped(q->dev, areas[i].iova, areas[i].len))
			return false;
	return true;
}

/* It is closed; perhaps only because memory has changed. */
static bool reopen(struct medio_virtq *q)
{
	q->way = medio_dma_way(q->dev);
	if (!q->live || q->paused || q->broken || q->way == MEDIO_DMA_OFF)
		return false;
	if (!q->mapped && (!areas_are_there(q) || !medio_virtq_usable_hard(q)))
		return false;
	q->closed = false;
	return true;
}

static inline int pop(struct medio_virtq *q, struct medio_virtq_build *b)
{
	if (__builtin_expect(q->notes != NULL, 0))
		return medio_virtq_notes_pop(q, b);
	return q->packed ? medio_virtq_packed_pop(q, b) : medio_virtq_split_pop(q, b);
}

/* Nothing is to be popped in this turn. */
static bool turn_is_over(struct medio_virtq *q)
{
	if (!q->in_turn) {
		q->left = UINT_MAX;
		return false;
	}
	q->limited = true;
	return true;
}

/* Asked once a turn: what else than memory that goes under us changes it closes the queue too. */
static inline enum medio_dma_way way_now(struct medio_virtq *q)
{
	if (__builtin_expect(q->in_turn && !medio_iommu_poisoned(q->domain), 1))
		return q->way;
	return medio_dma_way(q->dev);
}

static inline enum medio_dma_way may_pop(struct medio_virtq *q)
{
	if (__builtin_expect(q->closed, 0) && !reopen(q))
		return MEDIO_DMA_OFF;
	if (__builtin_expect(!q->left, 0) && turn_is_over(q))
		return MEDIO_DMA_OFF;
	return way_now(q);
}

enum medio_dma_way medio_virtq_may_pop(struct medio_virtq *q)
{
	return may_pop(q);
}

struct medio_virtq_chain *medio_virtq_pop(struct medio_virtq *q)
{
	const enum medio_dma_way way = may_pop(q);

	if (__builtin_expect(way == MEDIO_DMA_OFF, 0))
		return NULL;
	struct medio_virtq_build b = {
		.q = q,
		.slot = medio_virtq_slot_get(q),
		.direct = way == MEDIO_DMA_DIRECT,
		.entry = -1,
	};
	struct medio_virtq_slot *slot = b.slot;
	if (pop(q, &b) <= 0) {
		medio_virtq_slot_put(q, slot);
		return NULL;
	}
	slot->in_flight = true;
	q->order[q->popped++ & q->order_mask] = slot->number;
	q->in_flight++;
	q->left--;
	q->counts.chains++;
	return &slot->chain;
}

void medio_virtq_unpop(struct medio_virtq *q, unsigned n)
{
	while (n--) {
		struct medio_virtq_slot *slot = medio_virtq_slot(
			q, q->order[(q->popped - 1) & q->order_mask]);
		assert(slot->in_flight);
		if (q->notes)
			medio_virtq_notes_unpop(q, slot);
		else if (q->packed)
			medio_virtq_packed_unpop(q, slot);
		else
			medio_virtq_split_unpop(q, slot);
		slot->in_flight = false;
		medio_virtq_slot_put(q, slot);
		q->popped--;
		q->in_flight--;
		q->counts.chains--;
	}
	if (!q->in_flight && q->idle_due)
		idle(q);
}

bool medio_virtq_is_empty(struct medio_virtq *q)
{
	if (__builtin_expect(q->closed, 0) && !reopen(q))
		return true;
	if (!q->left && q->in_turn) {
		q->limited = true;
		return true;
	}
	if (medio_virtq_is_behind(q))
		return false;
	return q->packed ? medio_virtq_packed_is_empty(q) : medio_virtq_split_is_empty(q);
}

/* ---- Push ---------------------------------------------------------------------------------------- */

/* The device has written the first `written` bytes of a chain's pieces. */
static void dirty_pieces(struct medio_virtq *q, const struct medio_virtq_slot *slot, size_t written)
{
	const struct medio_virtq_chain *chain = &slot->chain;

	for (unsigned i = 0; i < chain->num_in && written; i++) {
		const size_t len = chain->in[i].iov_len;
		const size_t n = len < written ? len : written;
		medio_virtq_dirty(q, slot->iova[chain->num_out + i], n);
		written -= n;
	}
}

/*
 * In order: the used chains before the first that is in flight go to the ring. A used entry stands for those before it
 * that the device only reads. It might for all that were used whole (2.7.9, 2.8.8), but DPDK's driver looks for an
 * entry of each buffer that it receives into.
 */
static void retire(struct medio_virtq *q)
{
	for (;;) {
		struct medio_virtq_slot *last = NULL;
		unsigned n = 0, descs = 0;
		while (q->retired + n != q->popped) {
			struct medio_virtq_slot *slot = medio_virtq_slot(
				q, q->order[(q->retired + n) & q->order_mask]);
			if (slot->in_flight)
				break;
			n++;
			descs += slot->descs;
			last = slot;
			if (slot->chain.in_bytes)
				break;
		}
		if (!last)
			return;
		const bool there = medio_virtq_usable(q);
		if (there) {
			if (q->packed)
				medio_virtq_packed_use(q, last->id, descs, last->written);
			else
				medio_virtq_split_use(q, last->id, n, last->written);
		}
		while (n--) {
			struct medio_virtq_slot *slot = medio_virtq_slot(
				q, q->order[q->retired++ & q->order_mask]);
			if (q->notes && there)
				medio_virtq_notes_use(q, slot);
			q->busy[slot->id] = 0;
			medio_virtq_slot_put(q, slot);
		}
	}
}

/* What waits for chains to come back. */
static __attribute__((noinline, cold)) void pushed_rare(struct medio_virtq *q)
{
	if (q->starved) {
		q->starved = false;
		medio_virtq_again(q);
	}
	if (q->idle_due && !q->in_flight) {
		/* Where it has got to is to be true when somebody asks. */
		medio_virtq_flush(q);
		idle(q);
	}
}

void medio_virtq_push(struct medio_virtq_chain *chain, uint32_t written)
{
	struct medio_virtq_slot *slot = (struct medio_virtq_slot *)(void *)chain;
	struct medio_virtq *q = chain->queue;

	assert(slot->in_flight);
	/* A driver must not be able to end us by way of a device that counts too much. */
	if (__builtin_expect(written > chain->in_bytes, 0))
		written = (uint32_t)chain->in_bytes;
	if (__builtin_expect(q->domain->log.on, 0))
		dirty_pieces(q, slot, written);
	slot->in_flight = false;
	q->in_flight--;
	if (q->in_order) {
		slot->written = written;
		medio_virtq_block_put(q, slot);
	} else {
		if (medio_virtq_usable(q)) {
			if (q->packed)
				medio_virtq_packed_use(q, slot->id, slot->descs, written);
			else
				medio_virtq_split_use(q, slot->id, 1, written);
			if (__builtin_expect(q->notes != NULL, 0))
				medio_virtq_notes_use(q, slot);
		}
		q->busy[slot->id] = 0;
		medio_virtq_slot_put(q, slot);
	}
	if (__builtin_expect(q->starved || q->idle_due, 0))
		pushed_rare(q);
}

static inline void show(struct medio_virtq *q)
{
	if (q->packed ? !q->packed_ring.fresh : q->split.used == q->split.shown)
		return;
	q->counts.flushes++;
	if (__builtin_expect(q->notes != NULL, 0))
		medio_virtq_notes_showing(q);
	if (q->packed)
		medio_virtq_packed_show(q);
	else
		medio_virtq_split_show(q);
	if (__builtin_expect(q->notes != NULL, 0))
		medio_virtq_notes_shown(q);
}

void medio_virtq_flush(struct medio_virtq *q)
{
	if (q->in_order)
		retire(q);
	if (q->packed ? !q->packed_ring.fresh && !q->packed_ring.untold
		      : q->split.used == q->split.told)
		return;
	if (!medio_virtq_usable(q))
		return;
	show(q);
	if (q->packed ? medio_virtq_packed_tell(q) : medio_virtq_split_tell(q)) {
		q->counts.interrupts++;
		if (q->owner->interrupt)
			q->owner->interrupt(q->opaque, q);
	}
}

/* Whether the driver has begun to wait for an interrupt meanwhile, which takes a fence, is asked at the end. */
void medio_virtq_flush_early(struct medio_virtq *q)
{
	if (q->in_order)
		retire(q);
	if (medio_virtq_usable(q) &&
		!(q->packed ? medio_virtq_packed_is_awaited(q) : medio_virtq_split_is_awaited(q)))
		show(q);
}

/* ---- Turns and notifications ----------------------------------------------------------------------- */

static void notify_off(struct medio_virtq *q)
{
	if (!q->notify)
		return;
	q->notify = false;
	if (q->packed)
		medio_virtq_packed_off(q);
	else
		medio_virtq_split_off(q);
}

bool medio_virtq_arm(struct medio_virtq *q)
{
	if (!q->want || (q->closed && !reopen(q)) || medio_dma_way(q->dev) == MEDIO_DMA_OFF)
		return false;
	q->notify = true;
	return q->packed ? medio_virtq_packed_on(q) : medio_virtq_split_on(q);
}

bool medio_virtq_turn(struct medio_virtq *q,
	void (*kick)(struct medio_dev *dev, struct medio_virtq *queue), bool poll)
{
	const uint64_t before = q->counts.chains;

	if ((q->closed && !reopen(q)) || (!q->want && !q->wake) ||
		(q->way = medio_dma_way(q->dev)) == MEDIO_DMA_OFF ||
		(poll && !q->wake && medio_virtq_is_empty(q)))
		return false;
	q->in_turn = true;
	q->left = MEDIO_VIRTQ_TURN;
	do {
		q->wake = false;
		/* With EVENT_IDX the driver notifies us once and then leaves it. */
		if (poll || !q->event_idx)
			notify_off(q);
		kick(q->dev, q);
		medio_virtq_flush(q);
	} while (!q->limited && !poll && medio_virtq_arm(q));
	q->in_turn = false;
	q->left = UINT_MAX;
	if (q->limited) {
		q->limited = false;
		medio_virtq_again(q);
	}
	return q->counts.chains != before;
}

void medio_virtq_kicked(struct medio_virtq *q)
{
	q->counts.kicks++;
}

void medio_virtq_want_kicks(struct medio_virtq *q, bool want)
{
	if (want == q->want)
		return;
	q->want = want;
	if (q->closed && !reopen(q))
		return;
	if (!want)
		notify_off(q);
	else if (!q->in_turn && medio_virtq_arm(q))
		medio_virtq_again(q);
}

void medio_virtq_again(struct medio_virtq *q)
{
	q->wake = true;
	if (q->live && q->owner->again)
		q->owner->again(q->opaque, q);
}

/* ---- What can be asked ------------------------------------------------------------------------------ */

unsigned medio_virtq_index(const struct medio_virtq *q)
{
	return q->index;
}

unsigned medio_virtq_size(const struct medio_virtq *q)
{
	return q->size;
}

unsigned medio_virtq_in_flight(const struct medio_virtq *q)
{
	return q->in_flight;
}

struct medio_dev *medio_virtq_dev(const struct medio_virtq *q)
{
	return q->dev;
}

void medio_virtq_get_setup(const struct medio_virtq *q, struct medio_virtq_setup *out)
{
	*out = q->setup;
}

void medio_virtq_get_position(const struct medio_virtq *q, struct medio_virtq_position *out)
{
	const struct medio_virtq_packed *r = &q->packed_ring;

	if (q->packed)
		*out = (struct medio_virtq_position){
			(uint16_t)(r->avail.at | (unsigned)r->avail.wrap << 15),
			(uint16_t)(r->used.at | (unsigned)r->used.wrap << 15),
		};
	else
		*out = (struct medio_virtq_position){ q->split.avail, q->split.used };
}

void medio_virtq_get_counts(const struct medio_virtq *q, struct medio_virtq_counts *out)
{
	*out = q->counts;
}
