/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver and the device's side of a queue in threads of their own, which sleep whenever the rules
 * allow it: for ThreadSanitizer, and for wakeups that get lost.
 */
#include "test_virtq_core_bed.h"

#include <errno.h>
#include <pthread.h>
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
#define SLOT   1024u

struct talk {
	struct bed bed;
	struct medio_virtq *q; /* with an owner of this test's, on the thread of the device */
	sem_t kick, irq;
	atomic_bool over; /* somebody gave up */
	/* Of a thread each. */
	unsigned driver_wrong, device_wrong, served, kicks, irqs;
	bool broken, again, late, burst;
	struct medio_virtq_chain *held[8];
	unsigned num_held;
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

/* ---- The device ------------------------------------------------------------------------------------ */

static void on_broken(void *opaque, struct medio_virtq *q, const char *words)
{
	((struct talk *)opaque)->broken = true;
}

static void on_interrupt(void *opaque, struct medio_virtq *q)
{
	struct talk *t = opaque;

	t->irqs++;
	sem_post(&t->irq);
}

static void on_again(void *opaque, struct medio_virtq *q)
{
	((struct talk *)opaque)->again = true;
}

static const struct medio_virtq_owner owner = {
	.broken = on_broken,
	.interrupt = on_interrupt,
	.again = on_again,
};

static void write_answer(struct talk *t, struct medio_virtq_chain *chain)
{
	uint32_t question = 0;

	if (medio_virtq_read(chain, 0, &question, sizeof(question)) != sizeof(question))
		t->device_wrong++;
	const uint32_t reply = question * 3 + 1;
	if (medio_virtq_write(chain, 0, &reply, sizeof(reply)) != sizeof(reply))
		t->device_wrong++;
	t->served++;
}

static void answer(struct talk *t, struct medio_virtq_chain *chain)
{
	write_answer(t, chain);
	medio_virtq_push(chain, 4);
}

static void answer_many(struct talk *t, struct medio_virtq *q)
{
	const uint32_t written[5] = { 4, 4, 4, 4, 4 };
	struct medio_virtq_chain *chains[5];
	unsigned n;

	while ((n = medio_virtq_pop_many(q, chains, 5))) {
		for (unsigned i = 0; i < n; i++)
			write_answer(t, chains[i]);
		medio_virtq_push_many(chains, written, n);
		medio_virtq_flush_early(q);
	}
}

static struct talk *talk;

/* At once, one by one or many, or some later and last first. */
static void kick(struct medio_dev *dev, struct medio_virtq *q)
{
	struct medio_virtq_chain *chain;

	if (talk->burst)
		answer_many(talk, q);
	while (talk->num_held < 8 && (chain = medio_virtq_pop(q))) {
		if (talk->late)
			talk->held[talk->num_held++] = chain;
		else
			answer(talk, chain);
	}
}

static void *device(void *arg)
{
	struct talk *t = arg;

	while (t->served < CHAINS && !t->broken) {
		t->again = false;
		medio_virtq_kicked(t->q);
		medio_virtq_turn(t->q, kick, false);
		if (t->num_held) {
			if (t->num_held == 8)
				medio_virtq_again(t->q);
			while (t->num_held)
				answer(t, t->held[--t->num_held]);
			medio_virtq_flush(t->q);
		}
		if (t->served < CHAINS && !t->again && !nap(t, &t->kick))
			break;
	}
	if (t->broken) {
		atomic_store(&t->over, true);
		sem_post(&t->irq);
	}
	return NULL;
}

/* ---- The driver ------------------------------------------------------------------------------------ */

static bool ask(struct talk *t, unsigned slot, uint32_t question)
{
	const uint64_t at = BED_DATA + (uint64_t)slot * SLOT;
	struct virtq_seg segs[] = { { at, sizeof(question) }, { at + SLOT / 2, 4 } };
	uint8_t *mem = (uint8_t *)bed_at(&t->bed, BED_DATA) + (size_t)slot * SLOT;

	memcpy(mem, &question, sizeof(question));
	memset(mem + SLOT / 2, 0, 4);
	return !virtq_add(t->bed.vq, segs, 1, 1, mem);
}

static unsigned take(struct talk *t, unsigned *free_slots, unsigned *num_free)
{
	struct virtq_done done;
	unsigned n = 0;
	int ret;

	while ((ret = virtq_take(t->bed.vq, &done)) > 0) {
		uint8_t *mem = done.tag;
		uint32_t question, reply;
		memcpy(&question, mem, sizeof(question));
		memcpy(&reply, mem + SLOT / 2, sizeof(reply));
		if (reply != question * 3 + 1 || done.len != sizeof(reply))
			t->driver_wrong++;
		free_slots[(*num_free)++] =
			(unsigned)((mem - (uint8_t *)bed_at(&t->bed, BED_DATA)) / SLOT);
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
	unsigned free_slots[64], num_free = 0, asked = 0, taken = 0;
	struct virtq *vq = t->bed.vq;

	while (num_free < 64) {
		free_slots[num_free] = num_free;
		num_free++;
	}
	while (taken < CHAINS && !atomic_load(&t->over)) {
		virtq_no_irq(vq);
		/* A few at a time, so that neither side always finds the ring full or empty. */
		unsigned want = asked % 7 + 1;
		while (want-- && asked < CHAINS && num_free && virtq_room(vq, 2))
			if (!ask(t, free_slots[--num_free], asked++))
				t->driver_wrong++;
		if (virtq_publish(vq)) {
			t->kicks++;
			sem_post(&t->kick);
		}
		const unsigned n = take(t, free_slots, &num_free);
		taken += n;
		if (!n && taken < CHAINS && !virtq_want_irq(vq) && !nap(t, &t->irq))
			break;
	}
}

static void run(unsigned kind, unsigned size, bool late, bool burst)
{
	static struct talk t;
	char words[MEDIO_VIRTQ_WORDS];
	pthread_t thread;

	memset(&t, 0, sizeof(t));
	talk = &t;
	t.late = late;
	t.burst = burst;
	bed_new(&t.bed, kind, size, 2);
	assert_true(medio_virtq_stop(t.bed.q));
	assert_int_equal(medio_virtq_new(t.bed.dev, 1, &owner, &t, &t.q), 0);
	if (medio_virtq_start(t.q, &t.bed.setup, NULL, words))
		fail_msg("%s", words);
	sem_init(&t.kick, 0, 0);
	sem_init(&t.irq, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, device, &t), 0);
	driver(&t);
	if (atomic_load(&t.over))
		sem_post(&t.kick);
	assert_int_equal(pthread_join(thread, NULL), 0);
	if (t.over)
		fail_msg("kind %u size %u: a wakeup was lost, or a rule broken: %u served, "
			 "%u kicks, %u irqs",
			kind, size, t.served, t.kicks, t.irqs);
	assert_int_equal(t.driver_wrong, 0);
	assert_int_equal(t.device_wrong, 0);
	assert_int_equal(t.served, CHAINS);
	assert_true(medio_virtq_stop(t.q));
	medio_virtq_free(t.q);
	bed_free(&t.bed);
	sem_destroy(&t.kick);
	sem_destroy(&t.irq);
}

static void no_wakeup_is_lost(void **state)
{
	static const unsigned sizes[] = { 2, 3, 4, 5, 64 }; /* a chain is two segments */

	for (unsigned kind = 0; kind < KINDS; kind++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
			for (unsigned how = 0; how < 3; how++)
				if (kind & PACKED || !(sizes[i] & (sizes[i] - 1)))
					run(kind, sizes[i], how == 1, how == 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_wakeup_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
