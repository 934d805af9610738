/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Both sides of a virtqueue do random things, and a model that counts without end says what must come of
 * each. MEDIO_TEST_SEED=N begins elsewhere.
 */
#include "test_virtq_bed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STEPS 4000u
#define MAX   64u /* of the sizes here */
#define NONE  UINT64_MAX

/* A chain from its beginning to its end. Slots of memory are 1 KiB: 64 segments of 16 bytes. */
struct life {
	bool busy;
	unsigned out, in, descs;
	uint32_t lens[MAX];
	uint32_t room;	  /* bytes to write */
	uint32_t written; /* by the device */
	uint64_t serial;
	struct vqd_chain chain; /* as the device has it */
};

/* Who is asked when: an event at a place counted without end, which is met again after each period, or
 * always, or never. */
struct wish {
	uint64_t at;
	bool always;
};

static struct life lives[MAX];
static struct bed bed;

static struct model {
	unsigned added[MAX], num_added;	  /* not published */
	unsigned shown[MAX], num_shown;	  /* published, not popped */
	unsigned popped[MAX], num_popped; /* popped, not pushed */
	unsigned pushed[MAX], num_pushed; /* pushed, not taken */
	unsigned free;			  /* descriptors */
	uint64_t serial;
	/* Places in the rings: chains of a split one, descriptors of a packed one. */
	uint64_t at_added, at_shown, at_popped, at_pushed, at_taken, at_asked;
	struct wish kick, irq;
	unsigned kicks, irqs, takes, full; /* how often each came */
} m;

static uint64_t seed;

static unsigned below(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static unsigned remove_at(unsigned *list, unsigned *n, unsigned i)
{
	unsigned what = list[i];

	memmove(&list[i], &list[i + 1], (--*n - i) * sizeof(*list));
	return what;
}

static uint64_t places(const struct life *life)
{
	return bed.opts.packed ? life->descs : 1;
}

/* Is one of the places from `from` to before `to` the wished one? */
static bool granted(const struct wish *wish, uint64_t from, uint64_t to)
{
	uint64_t period = bed.opts.packed ? UINT64_C(2) * bed.opts.size : 65536, at = wish->at;

	if (wish->always || at == NONE)
		return wish->always && to > from;
	if (at < from)
		at += (from - at + period - 1) / period * period;
	return at < to;
}

static struct wish wish(bool want, uint64_t at)
{
	if (!bed.opts.event_idx)
		return (struct wish){ NONE, want };
	if (want)
		return (struct wish){ at, false };
	/* A split ring has no word for "never", but one for "not for 65535". */
	return (struct wish){ bed.opts.packed ? NONE : at + 65535, false };
}

/* ---- What both sides may do --------------------------------------------------------------------- */

static uint8_t pattern(const struct life *life, unsigned i)
{
	return (uint8_t)(life->serial * 31 + i);
}

static void add(void)
{
	unsigned n = 1 + below(below(4) ? (bed.opts.size < 4 ? bed.opts.size : 4) : bed.opts.size);
	unsigned out = below(n + 1), which = 0;
	struct virtq_seg segs[MAX];

	while (which < MAX - 1 && lives[which].busy)
		which++;
	struct life *life = &lives[which];
	unsigned descs = bed.opts.indirect && n > 1 ? 1 : n;
	assert_int_equal(virtq_room(bed.vq, n), m.free / descs);
	uint64_t base = BED_DATA_AT + UINT64_C(1024) * which;
	if (descs > m.free) {
		for (unsigned i = 0; i < n; i++)
			segs[i] = (struct virtq_seg){ base, 1 };
		assert_int_equal(virtq_add(bed.vq, segs, out, n - out, life), -EAGAIN);
		m.full++;
		return;
	}
	assert_false(life->busy);
	*life = (struct life){ .busy = true, .out = out, .in = n - out, .descs = descs };
	life->serial = m.serial++;
	for (unsigned i = 0; i < n; i++) {
		life->lens[i] = 1 + below(16);
		segs[i] = (struct virtq_seg){ base + UINT64_C(16) * i, life->lens[i] };
		memset(bed_at(&bed, segs[i].iova), i < out ? pattern(life, i) : 0, 16);
		life->room += i < out ? 0 : life->lens[i];
	}
	assert_int_equal(virtq_add(bed.vq, segs, out, n - out, life), 0);
	m.free -= descs;
	m.added[m.num_added++] = which;
	m.at_added += places(life);
}

static void publish(void)
{
	bool notify = virtq_publish(bed.vq);

	assert_int_equal(notify, granted(&m.kick, m.at_shown, m.at_added));
	m.kicks += notify;
	for (; m.num_added; m.num_shown++)
		m.shown[m.num_shown] = remove_at(m.added, &m.num_added, 0);
	m.at_shown = m.at_added;
}

static void pop(void)
{
	static struct vqd_chain chain;
	int ret = vqd_pop(&bed.dev, &chain);

	if (ret < 0)
		fail_msg("the driver: %s", vqd_broken(&bed.dev));
	assert_int_equal(ret, m.num_shown > 0);
	if (!ret)
		return;
	unsigned which = remove_at(m.shown, &m.num_shown, 0);
	struct life *life = &lives[which];
	assert_int_equal(chain.out, life->out);
	assert_int_equal(chain.in, life->in);
	assert_int_equal(chain.descs, life->descs);
	for (unsigned i = 0; i < chain.out + chain.in; i++) {
		assert_int_equal(chain.segs[i].iova, BED_DATA_AT + 1024u * which + 16u * i);
		assert_int_equal(chain.segs[i].len, life->lens[i]);
		if (i < chain.out)
			assert_int_equal(*chain.segs[i].ptr, pattern(life, i));
	}
	life->chain = chain;
	m.popped[m.num_popped++] = which;
	m.at_popped += places(life);
}

static void push(void)
{
	if (!m.num_popped)
		return;
	unsigned which = remove_at(m.popped, &m.num_popped, below(m.num_popped));
	struct life *life = &lives[which];
	uint8_t bytes[MAX * 16];
	life->written = below(life->room + 1);
	memset(bytes, pattern(life, 99), sizeof(bytes));
	assert_int_equal(vqd_write(&life->chain, 0, bytes, life->written), life->written);
	if (vqd_push(&bed.dev, &life->chain, life->written))
		fail_msg("the driver: %s", vqd_broken(&bed.dev));
	m.pushed[m.num_pushed++] = which;
	m.at_pushed += places(life);
}

static void take(void)
{
	struct virtq_done done;

	assert_int_equal(virtq_ready(bed.vq), m.num_pushed > 0);
	int ret = virtq_take(bed.vq, &done);
	if (ret < 0)
		fail_msg("the device: %s", virtq_words(bed.vq));
	assert_int_equal(ret, m.num_pushed > 0);
	if (!ret)
		return;
	unsigned which = remove_at(m.pushed, &m.num_pushed, 0);
	struct life *life = &lives[which];
	assert_ptr_equal(done.tag, life);
	assert_int_equal(done.len, life->written);
	uint32_t left = life->written;
	for (unsigned i = life->out; i < life->out + life->in; i++)
		for (uint32_t j = 0; j<life->lens[i]; j++, left -= left> 0)
			assert_int_equal(bed.data[1024u * which + 16u * i + j],
				left ? pattern(life, 99) : 0);
	life->busy = false;
	m.free += life->descs;
	m.at_taken += places(life);
	m.takes++;
}

static void ask(void)
{
	bool due = vqd_irq_due(&bed.dev);

	assert_int_equal(due, granted(&m.irq, m.at_asked, m.at_pushed));
	m.at_asked = m.at_pushed;
	m.irqs += due;
}

static void wish_irq(void)
{
	/* Wishes change between two looks at them, so look first. */
	ask();
	bool want = below(2);
	if (want)
		assert_int_equal(virtq_want_irq(bed.vq), m.num_pushed > 0);
	else
		virtq_no_irq(bed.vq);
	m.irq = wish(want, m.at_taken);
}

static void wish_kick(void)
{
	bool want = below(2), there = vqd_want_kick(&bed.dev, want);

	assert_int_equal(there, want && m.num_shown > 0);
	m.kick = wish(want, m.at_popped);
}

/* ---- Runs -------------------------------------------------------------------------------------- */

static void run(const struct virtq_options *opts, uint64_t first_seed)
{
	static void (*const steps[])(void) = { add, add, add, publish, publish, pop, pop, pop, push,
		push, push, take, take, take, ask, wish_irq, wish_kick };

	memset(lives, 0, sizeof(lives));
	memset(&m, 0, sizeof(m));
	bed_new(&bed, opts);
	m.free = opts->size;
	m.irq = wish(false, 0);
	/* A ring that is all 0 asks for each notification, or a split one for that of place 0. */
	m.kick = opts->packed ? (struct wish){ NONE, true } : wish(true, 0);
	seed = first_seed;
	for (unsigned i = 0; i < STEPS; i++) {
		steps[below(sizeof(steps) / sizeof(*steps))]();
		assert_int_equal(virtq_pending(bed.vq),
			m.num_added + m.num_shown + m.num_popped + m.num_pushed);
		/* Now and then one side stands still for a while, so that rings fill and empty. */
		if (below(200) == 0)
			for (unsigned n = opts->size; n; n--)
				steps[1 + below(3) * 5]();
	}
	/* The model would be content if nothing ever happened. */
	assert_true(m.takes > STEPS / 100 && m.kicks && m.irqs && (m.full || opts->size > 8));
	bed_free(&bed);
}

static void both_sides_do_as_the_model_says(void **state)
{
	static const unsigned sizes[] = { 1, 2, 3, 4, 5, 7, 8, 64 };
	const char *from = getenv("MEDIO_TEST_SEED");
	uint64_t first = from ? strtoull(from, NULL, 0) : 20261122;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (unsigned kind = 0; kind < BED_KINDS; kind++) {
			struct virtq_options opts = bed_kind(kind, sizes[i]);
			if (!opts.packed && (sizes[i] & (sizes[i] - 1)))
				continue;
			run(&opts, first + 100 * i + kind);
		}
	print_message("# seed %llu\n", (unsigned long long)first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_do_as_the_model_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
