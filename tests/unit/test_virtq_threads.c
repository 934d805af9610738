/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver and a device in threads of their own, which sleep whenever the rules allow it. For
 * ThreadSanitizer, which sees whether each finds what the other wrote, and for wakeups that get lost.
 */
#include "test_virtq_bed.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define CHAINS 1500u
/* Nobody sleeps so long on a machine however busy. */
#define LOST_S 60

/* Of the memory of a chain: a question, and room for its answer. */
#define SLOT   1024u
#define ANSWER 512u

struct talk {
	struct bed bed;
	sem_t kick, irq;
	atomic_bool over; /* somebody gave up */
	unsigned size;
	/* Of a thread each. */
	unsigned driver_wrong, device_wrong, device_served, kicks, irqs;
};

static bool nap(struct talk *t, sem_t *sem)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += LOST_S;
	while (sem_timedwait(sem, &until)) {
		if (errno != EINTR) {
			atomic_store(&t->over, true);
			return false;
		}
	}
	/* More than one may have come meanwhile. */
	while (!sem_trywait(sem)) {
	}
	return !atomic_load(&t->over);
}

static void answer(struct talk *t, const struct vqd_chain *chain)
{
	uint32_t question = 0;

	if (vqd_read(chain, 0, &question, sizeof(question)) != sizeof(question))
		t->device_wrong++;
	uint32_t reply = question * 3 + 1;
	if (vqd_write(chain, 0, &reply, sizeof(reply)) != sizeof(reply))
		t->device_wrong++;
	if (vqd_push(&t->bed.dev, chain, sizeof(reply)))
		t->device_wrong++;
	t->device_served++;
}

/* Serves the chains of a round last first, and each round tells the driver once if that wants it. */
static void *device(void *arg)
{
	struct talk *t = arg;
	struct vqd *dev = &t->bed.dev;
	struct vqd_chain *chains = calloc(t->size, sizeof(*chains));

	while (t->device_served < CHAINS && !*vqd_broken(dev)) {
		unsigned n = 0;
		vqd_want_kick(dev, false);
		while (n < t->size && vqd_pop(dev, &chains[n]) > 0)
			n++;
		for (unsigned i = n; i > 0; i--)
			answer(t, &chains[i - 1]);
		if (vqd_irq_due(dev)) {
			t->irqs++;
			sem_post(&t->irq);
		}
		if (!n && !vqd_want_kick(dev, true) && !nap(t, &t->kick))
			break;
	}
	if (*vqd_broken(dev)) {
		atomic_store(&t->over, true);
		sem_post(&t->irq);
	}
	free(chains);
	return NULL;
}

static bool ask(struct talk *t, unsigned slot, uint32_t question)
{
	uint64_t at = BED_DATA_AT + (uint64_t)slot * SLOT;
	struct virtq_seg segs[] = { { at, sizeof(question) }, { at + ANSWER, 4 } };
	uint8_t *mem = t->bed.data + (size_t)slot * SLOT;

	memcpy(mem, &question, sizeof(question));
	memset(mem + ANSWER, 0, 4);
	return !virtq_add(t->bed.vq, segs, 1, 1, mem);
}

/* Take what is there: how many, and which slots are free again. */
static unsigned take(struct talk *t, unsigned *free_slots, unsigned *num_free)
{
	struct virtq_done done;
	unsigned n = 0;
	int ret;

	while ((ret = virtq_take(t->bed.vq, &done)) > 0) {
		uint8_t *mem = done.tag;
		uint32_t question, reply;
		memcpy(&question, mem, sizeof(question));
		memcpy(&reply, mem + ANSWER, sizeof(reply));
		if (reply != question * 3 + 1 || done.len != sizeof(reply))
			t->driver_wrong++;
		free_slots[(*num_free)++] = (unsigned)((mem - t->bed.data) / SLOT);
		n++;
	}
	if (ret < 0) {
		t->driver_wrong++;
		atomic_store(&t->over, true);
	}
	return n;
}

static void driver(struct talk *t)
{
	struct virtq *vq = t->bed.vq;
	unsigned free_slots[BED_DATA / SLOT], num_free = 0, asked = 0, taken = 0;

	while (num_free < sizeof(free_slots) / sizeof(*free_slots)) {
		free_slots[num_free] = num_free;
		num_free++;
	}
	while (taken < CHAINS && !atomic_load(&t->over)) {
		virtq_no_irq(vq);
		/* A few at a time, so that neither side always finds the ring full or empty. */
		unsigned want = asked % 7 + 1;
		while (want-- && asked < CHAINS && num_free && virtq_room(vq, 2)) {
			if (!ask(t, free_slots[--num_free], asked++))
				t->driver_wrong++;
		}
		if (virtq_publish(vq)) {
			t->kicks++;
			sem_post(&t->kick);
		}
		unsigned n = take(t, free_slots, &num_free);
		taken += n;
		if (!n && taken < CHAINS && !virtq_want_irq(vq) && !nap(t, &t->irq))
			break;
	}
}

static void no_wakeup_is_lost(void **state)
{
	static const unsigned sizes[] = { 2, 3, 4, 5, 64 }; /* a chain is two segments */

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (unsigned kind = 0; kind < BED_KINDS; kind++) {
			struct virtq_options opts = bed_kind(kind, sizes[i]);
			static struct talk t;
			pthread_t thread;
			if (!opts.packed && (sizes[i] & (sizes[i] - 1)))
				continue;
			memset(&t, 0, sizeof(t));
			t.size = sizes[i];
			bed_new(&t.bed, &opts);
			sem_init(&t.kick, 0, 0);
			sem_init(&t.irq, 0, 0);
			assert_int_equal(pthread_create(&thread, NULL, device, &t), 0);
			driver(&t);
			if (atomic_load(&t.over))
				sem_post(&t.kick);
			assert_int_equal(pthread_join(thread, NULL), 0);
			if (*virtq_words(t.bed.vq))
				fail_msg("the device: %s", virtq_words(t.bed.vq));
			bed_free(&t.bed);
			if (t.over)
				fail_msg("a wakeup was lost: %u chains served, %u kicks, %u irqs",
					t.device_served, t.kicks, t.irqs);
			assert_int_equal(t.driver_wrong, 0);
			assert_int_equal(t.device_wrong, 0);
			assert_int_equal(t.device_served, CHAINS);
			sem_destroy(&t.kick);
			sem_destroy(&t.irq);
		}
}

/* ---- One step at a time ------------------------------------------------------------------------ */

#define ROUNDS 4000u

/* Both sides go on at once from here. */
static void meet(atomic_uint *here, unsigned *met)
{
	*met += 2;
	atomic_fetch_add(here, 1);
	for (unsigned spins = 0; atomic_load(here) < *met; spins++)
		if (spins > 1000)
			sched_yield(); /* the other is not running */
}

/* So that the steps meet at one point or another of theirs. */
static void dawdle(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		atomic_signal_fence(memory_order_seq_cst);
}

struct race {
	struct bed bed;
	atomic_uint here;
	bool there, due;
};

static void *race_device(void *arg)
{
	struct race *r = arg;
	struct vqd *dev = &r->bed.dev;
	struct vqd_chain *chain = calloc(1, sizeof(*chain));
	unsigned met = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		vqd_want_kick(dev, false);
		meet(&r->here, &met);
		dawdle(i % 64);
		r->there = vqd_want_kick(dev, true);
		meet(&r->here, &met);
		int got = vqd_pop(dev, chain);
		meet(&r->here, &met);
		dawdle(i % 64);
		r->due = got > 0 && !vqd_push(dev, chain, 0) && vqd_irq_due(dev);
		meet(&r->here, &met);
	}
	free(chain);
	return NULL;
}

/*
 * One shows something and asks whether the other wants to hear of it; in that moment the other says that it
 * does, and looks whether something is there. One of the two must learn of it.
 */
static void a_wish_and_a_deed_do_not_miss_each_other(void **state)
{
	for (unsigned kind = 0; kind < 4; kind++) { /* tables make no difference */
		struct virtq_options opts = bed_kind(kind, 4);
		unsigned met = 0, missed_kicks = 0, missed_irqs = 0, not_taken = 0;
		static struct race r;
		struct virtq_done done;
		pthread_t thread;
		memset(&r, 0, sizeof(r));
		bed_new(&r.bed, &opts);
		assert_int_equal(pthread_create(&thread, NULL, race_device, &r), 0);
		for (unsigned i = 0; i < ROUNDS; i++) {
			bed_add(&r.bed, 1, 0, 1);
			meet(&r.here, &met);
			dawdle(i / 64 % 64);
			bool kick = virtq_publish(r.bed.vq);
			meet(&r.here, &met);
			missed_kicks += !kick && !r.there;
			virtq_no_irq(r.bed.vq);
			meet(&r.here, &met);
			dawdle(i / 64 % 64);
			bool ready = virtq_want_irq(r.bed.vq);
			meet(&r.here, &met);
			missed_irqs += !ready && !r.due;
			not_taken += virtq_take(r.bed.vq, &done) != 1;
		}
		pthread_join(thread, NULL);
		bed_free(&r.bed);
		assert_int_equal(not_taken, 0);
		assert_int_equal(missed_kicks, 0);
		assert_int_equal(missed_irqs, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_wakeup_is_lost),
		cmocka_unit_test(a_wish_and_a_deed_do_not_miss_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
