/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any traffic between our driver and our device, as it comes: chains of any shape in memory in one
 * piece and in several, answered in any order, put back, while the queue rests, moves and begins
 * anew. Each byte that goes either way is looked at.
 */
#include "test_virtq_core_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_CHAINS 1024u
#define SLOT	   896u /* of memory for each chain */
#define MAX_SEGS   12u

enum state { FREE, ADDED, DONE };

struct chain {
	enum state state;
	uint32_t number; /* its bytes follow from it */
	uint64_t at;
	unsigned out, in, out_bytes, in_bytes;
	uint32_t written; /* said by the device */
};

struct traffic {
	struct bed bed;
	uint32_t seed, numbers;
	unsigned kind, size, added, taken, unpopped, in_pieces;
	struct chain chains[MAX_CHAINS];
	struct medio_virtq_chain *held[MAX_CHAINS]; /* by the device, in the order of pop() */
	unsigned num_held;
};

static uint32_t rnd(struct traffic *t, uint32_t below)
{
	t->seed = t->seed * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)(t->seed >> 4) * below) >> 28);
}

static uint8_t byte_of(uint32_t number, unsigned i, bool in)
{
	return (uint8_t)(number * 31 + i * (in ? 5 : 7) + i / 256 + in);
}

/* ---- The driver ------------------------------------------------------------------------------------ */

static void add(struct traffic *t)
{
	unsigned which = 0, offset = 0;
	struct virtq_seg segs[MAX_SEGS];
	struct chain *c;

	while (which < MAX_CHAINS && t->chains[which].state != FREE)
		which++;
	if (which == MAX_CHAINS)
		return;
	c = &t->chains[which];
	/* Some chains lie across pages that are not together here. */
	c->at = which < 31 ? BED_SCATTER + 4096 * which + 4096 - SLOT / 2 : BED_DATA + 1024 * which;
	const unsigned most = t->size < MAX_SEGS ? t->size : MAX_SEGS; /* 2.7.5.3.1 */
	c->out = 1 + rnd(t, most);
	c->in = rnd(t, most - c->out + 1);
	c->number = ++t->numbers;
	c->out_bytes = c->in_bytes = 0;
	for (unsigned i = 0; i < c->out + c->in; i++) {
		const unsigned len = i ? 1 + rnd(t, 64) : 4 + rnd(t, 60);
		segs[i] = (struct virtq_seg){ c->at + offset, len };
		*(i < c->out ? &c->out_bytes : &c->in_bytes) += len;
		offset += len;
	}
	if (virtq_room(t->bed.vq, c->out + c->in) == 0)
		return;
	assert_int_equal(virtq_add(t->bed.vq, segs, c->out, c->in, c), 0);
	for (unsigned i = 0; i < c->out_bytes; i++)
		*(uint8_t *)bed_at(&t->bed, c->at + i) = i < 4 ? (uint8_t)(which >> (8 * i))
							       : byte_of(c->number, i, false);
	for (unsigned i = 0; i < c->in_bytes; i++)
		*(uint8_t *)bed_at(&t->bed, c->at + c->out_bytes + i) = 0xdd;
	c->state = ADDED;
	t->added++;
}

static void take(struct traffic *t)
{
	struct virtq_done done;
	struct chain *c;

	int ret = virtq_take(t->bed.vq, &done);
	if (ret < 0)
		fail_msg("the device: %s", virtq_words(t->bed.vq));
	if (ret == 0)
		return;
	c = done.tag;
	assert_int_equal(c->state, DONE);
	assert_int_equal(done.len, c->written);
	for (unsigned i = 0; i < c->in_bytes; i++) {
		const uint8_t *b = bed_at(&t->bed, c->at + c->out_bytes + i);
		if (*b != (i < c->written ? byte_of(c->number, i, true) : 0xdd))
			fail_msg("byte %u of %u, %u written", i, c->in_bytes, c->written);
	}
	c->state = FREE;
	t->taken++;
}

/* ---- The device ------------------------------------------------------------------------------------ */

/* It is what the driver gave. */
static void hold(struct traffic *t, struct medio_virtq_chain *chain)
{
	uint8_t bytes[SLOT];
	uint32_t which = 0;

	assert_int_equal(medio_virtq_read(chain, 0, bytes, sizeof(bytes)), chain->out_bytes);
	memcpy(&which, bytes, sizeof(which));
	assert_true(which < MAX_CHAINS);
	const struct chain *c = &t->chains[which];
	assert_int_equal(c->state, ADDED);
	assert_int_equal(chain->out_bytes, c->out_bytes);
	assert_int_equal(chain->in_bytes, c->in_bytes);
	for (unsigned i = 4; i < c->out_bytes; i++)
		assert_int_equal(bytes[i], byte_of(c->number, i, false));
	t->in_pieces += chain->num_out + chain->num_in > c->out + c->in;
	memcpy(chain->data, &which, sizeof(which));
	t->held[t->num_held++] = chain;
}

static bool pop(struct traffic *t)
{
	const bool empty = medio_virtq_is_empty(t->bed.q);
	struct medio_virtq_chain *chain = medio_virtq_pop(t->bed.q);

	if (t->bed.broken)
		fail_msg("the driver: %s", t->bed.words);
	assert_int_equal(empty, !chain);
	if (chain)
		hold(t, chain);
	return chain;
}

static void pop_some(struct traffic *t, unsigned most)
{
	const bool empty = medio_virtq_is_empty(t->bed.q);
	struct medio_virtq_chain *chains[8];
	const unsigned n = medio_virtq_pop_many(t->bed.q, chains, most);

	if (t->bed.broken)
		fail_msg("the driver: %s", t->bed.words);
	assert_int_equal(empty || !most, !n);
	if (n < most)
		assert_true(medio_virtq_is_empty(t->bed.q));
	for (unsigned i = 0; i < n; i++)
		hold(t, chains[i]);
}

/* Write to it: how much. */
static uint32_t fill(struct traffic *t, struct medio_virtq_chain *chain)
{
	uint32_t which, written;
	uint8_t bytes[SLOT];

	memcpy(&which, chain->data, sizeof(which));
	struct chain *c = &t->chains[which];
	assert_int_equal(c->state, ADDED);
	written = rnd(t, c->in_bytes + 1);
	for (unsigned i = 0; i < written; i++)
		bytes[i] = byte_of(c->number, i, true);
	/* In two steps. */
	const uint32_t half = written / 2;
	assert_int_equal(medio_virtq_write(chain, 0, bytes, half), half);
	assert_int_equal(
		medio_virtq_write(chain, half, bytes + half, written - half), written - half);
	c->written = written;
	c->state = DONE;
	return written;
}

static void push(struct traffic *t, unsigned n)
{
	medio_virtq_push(t->held[n], fill(t, t->held[n]));
	t->num_held--;
	for (; n < t->num_held; n++)
		t->held[n] = t->held[n + 1];
}

/* The first n. */
static void push_some(struct traffic *t, unsigned n)
{
	uint32_t written[8];

	for (unsigned i = 0; i < n; i++)
		written[i] = fill(t, t->held[i]);
	medio_virtq_push_many(t->held, written, n);
	t->num_held -= n;
	for (unsigned i = 0; i < t->num_held; i++)
		t->held[i] = t->held[i + n];
}

/* The n last ones popped go back; none of them was pushed. */
static void unpop(struct traffic *t, unsigned n)
{
	medio_virtq_unpop(t->bed.q, n);
	t->num_held -= n;
	t->unpopped += n;
}

static void move_on(struct traffic *t)
{
	struct medio_virtq_position at;
	char words[MEDIO_VIRTQ_WORDS];

	while (t->num_held)
		push(t, rnd(t, t->num_held));
	assert_true(medio_virtq_stop(t->bed.q));
	medio_virtq_get_position(t->bed.q, &at);
	if (medio_virtq_start(t->bed.q, &t->bed.setup, &at, words))
		fail_msg("%s", words);
}

static void rest(struct traffic *t)
{
	const unsigned idles = t->bed.idles;

	const bool idle = medio_virtq_pause(t->bed.q);
	assert_int_equal(idle, t->num_held == 0);
	while (t->num_held) {
		assert_int_equal(t->bed.idles, idles);
		push(t, rnd(t, t->num_held));
	}
	assert_int_equal(t->bed.idles, idles + !idle);
	assert_null(medio_virtq_pop(t->bed.q));
	medio_virtq_resume(t->bed.q);
}

static void step(struct traffic *t)
{
	switch (rnd(t, 16)) {
	case 0 ... 4:
		add(t);
		break;
	case 5:
		virtq_publish(t->bed.vq);
		break;
	case 6 ... 8:
		take(t);
		break;
	case 9:
		pop_some(t, rnd(t, 9));
		break;
	case 10 ... 11:
		if (pop(t) && rnd(t, 4) == 0)
			unpop(t, 1);
		break;
	case 12:
		push_some(t, rnd(t, (t->num_held < 8 ? t->num_held : 8) + 1));
		break;
	case 13:
		if (t->num_held)
			push(t, rnd(t, t->num_held));
		break;
	case 14:
		medio_virtq_flush(t->bed.q);
		break;
	default:
		switch (rnd(t, 20)) {
		case 0:
			move_on(t);
			break;
		case 1:
			rest(t);
			break;
		case 2:
			medio_virtq_forget(t->bed.q);
			break;
		case 3: /* some of those popped at once */
			while (t->num_held)
				push(t, 0);
			for (unsigned n = rnd(t, 5); n--;)
				pop(t);
			unpop(t, rnd(t, t->num_held + 1));
			break;
		default:
			break;
		}
	}
}

static void traffic(unsigned kind, unsigned size, uint32_t seed)
{
	static struct traffic t;
	const unsigned steps = 30000;

	memset(&t, 0, sizeof(t));
	t.seed = seed;
	t.kind = kind;
	t.size = size;
	bed_new(&t.bed, kind, size, MAX_SEGS);
	for (unsigned i = 0; i < steps; i++)
		step(&t);
	/* And all come back. */
	virtq_publish(t.bed.vq);
	for (unsigned i = 0; virtq_pending(t.bed.vq); i++) {
		pop(&t);
		while (t.num_held)
			push(&t, 0);
		medio_virtq_flush(t.bed.q);
		take(&t);
		assert_true(i < 10 * MAX_CHAINS);
	}
	assert_int_equal(t.added, t.taken);
	assert_true(t.taken > 300);
	assert_true(t.unpopped > 0);
	if (size > 8)
		assert_true(t.in_pieces > 0);
	bed_free(&t.bed);
}

static void any_traffic_arrives(void **state)
{
	static const unsigned sizes[] = { 1, 2, 3, 5, 8, 256, 1024 };

	for (unsigned kind = 0; kind < KINDS; kind++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
			if (kind & PACKED || !(sizes[i] & (sizes[i] - 1)))
				traffic(kind, sizes[i], 1000 * kind + sizes[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_traffic_arrives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
