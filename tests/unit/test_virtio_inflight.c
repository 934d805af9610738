/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that is killed, and one that takes up its queue by the notes of what was in flight: each chain is done
 * again if and only if the driver has not seen it used. The driver is our own (drivers/virtio); the device is
 * abandoned after each of its calls, and, in a process of its own, before each of its stores to the memory
 * that it shares.
 */
#include "test_virtq_core_bed.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "virtio/inflight.h"

#define PAGE	 4096u
#define TAGS	 1024u
#define TAG_DATA 64u /* bytes of each chain's data, from BED_DATA on */

struct life {
	struct bed bed;
	unsigned kind;
	void *notes;
	size_t notes_bytes;
	unsigned first, next;  /* tags that the driver has given out */
	bool available[TAGS];  /* and not taken back */
	unsigned calls, limit; /* calls of the device, and after how many it is abandoned */
	struct medio_virtq_chain *held[8];
	unsigned num_held;
	bool popped; /* the last of them just now */
	bool burst;  /* the device takes many at once, and gives many back */
};

/* ---- The driver ------------------------------------------------------------------------------------ */

static void add(struct life *l)
{
	const unsigned tag = l->next;
	const uint64_t at = BED_DATA + (uint64_t)TAG_DATA * (tag % TAGS);
	const struct virtq_seg segs[3] = { { at, 16 }, { at + 16, 16 }, { at + 32, 16 } };
	const unsigned in = 1 + tag % 2;

	if (virtq_room(l->bed.vq, 1 + in) == 0)
		return;
	assert_int_equal(virtq_add(l->bed.vq, segs, 1, in, &l->available[tag % TAGS]), 0);
	virtq_publish(l->bed.vq);
	l->available[tag % TAGS] = true;
	l->next++;
}

static void add_some(struct life *l)
{
	for (unsigned i = 0; i < 6; i++)
		add(l);
}

/* What the device has shown as used, each once. */
static unsigned take(struct life *l)
{
	struct virtq_done done;
	unsigned n = 0;
	int ret;

	while ((ret = virtq_take(l->bed.vq, &done)) > 0) {
		bool *available = done.tag;
		assert_true(*available);
		*available = false;
		n++;
	}
	if (ret < 0)
		fail_msg("the device: %s", virtq_words(l->bed.vq));
	while (l->first != l->next && !l->available[l->first % TAGS])
		l->first++;
	return n;
}

/* ---- The device ------------------------------------------------------------------------------------ */

static unsigned tag_of(const struct life *l, const struct medio_virtq_chain *chain)
{
	const uint8_t *data = bed_at(&l->bed, BED_DATA);
	const unsigned at = (unsigned)((const uint8_t *)chain->out[0].iov_base - data) / TAG_DATA;

	return l->first + (at + TAGS - l->first % TAGS) % TAGS;
}

/* In order a used entry of less than a whole chain stands for that one alone, which our driver needs. */
static void push(struct medio_virtq_chain *chain)
{
	medio_virtq_push(chain, (uint32_t)chain->in_bytes - 1);
}

static bool killed(struct life *l)
{
	return ++l->calls == l->limit;
}

static void hold(struct life *l)
{
	struct medio_virtq_chain *chain = medio_virtq_pop(l->bed.q);

	l->popped = chain != NULL;
	if (chain)
		l->held[l->num_held++] = chain;
}

static void give(struct life *l, unsigned i)
{
	if (i >= l->num_held)
		return;
	push(l->held[i]);
	l->num_held--;
	for (; i < l->num_held; i++)
		l->held[i] = l->held[i + 1];
}

static void hold_many(struct life *l, unsigned most)
{
	const unsigned n = medio_virtq_pop_many(l->bed.q, l->held + l->num_held, most);

	l->num_held += n;
	l->popped = n;
}

/* The first n. */
static void give_many(struct life *l, unsigned n)
{
	uint32_t written[8];

	if (n > l->num_held)
		n = l->num_held;
	for (unsigned i = 0; i < n; i++)
		written[i] = (uint32_t)l->held[i]->in_bytes - 1;
	medio_virtq_push_many(l->held, written, n);
	l->num_held -= n;
	for (unsigned i = 0; i < l->num_held; i++)
		l->held[i] = l->held[i + n];
}

static void put_back(struct life *l)
{
	if (!l->popped)
		return;
	l->num_held--;
	medio_virtq_unpop(l->bed.q, 1);
}

/* Chains are pushed in another order than they are popped, between those that are popped and shown; the last
 * one popped goes back, and some are in flight at the end. */
static void work(struct life *l)
{
	static const char one_by_one[] = "ppgpup0ff1pp0fp", many[] = "MugGfMu0GfMGpf";

	l->num_held = 0;
	for (const char *at = l->burst ? many : one_by_one; *at; at++) {
		switch (*at) {
		case 'M':
			hold_many(l, 3);
			break;
		case 'G':
			give_many(l, 2);
			break;
		case 'p':
			hold(l);
			break;
		case 'u':
			put_back(l);
			break;
		case 'f':
			medio_virtq_flush(l->bed.q);
			break;
		case 'g':
			give(l, 1);
			break;
		default:
			give(l, (unsigned)(*at - '0'));
		}
		if (killed(l))
			return;
	}
}

/* Another queue on the ring and the notes. What the front-end knows is how the first one began. */
static void restart(struct life *l)
{
	char words[MEDIO_VIRTQ_WORDS];

	bed_queue_anew(&l->bed);
	l->bed.setup.inflight = l->notes;
	if (medio_virtq_start(l->bed.q, &l->bed.setup, NULL, words))
		fail_msg("%s", words);
}

/* All that the driver has not seen used is done again, in its order, and once. */
static void recover(struct life *l)
{
	struct medio_virtq_chain *chains[64];
	unsigned n = 0, shown = 0;

	for (unsigned tag = l->first; tag != l->next; tag++) {
		if (!l->available[tag % TAGS])
			continue;
		chains[n] = medio_virtq_pop(l->bed.q);
		if (l->bed.broken)
			fail_msg("%s", l->bed.words);
		assert_non_null(chains[n]);
		assert_int_equal(tag_of(l, chains[n]), tag);
		assert_int_equal(chains[n]->in_bytes, 16 * (1 + tag % 2));
		n++;
	}
	assert_null(medio_virtq_pop(l->bed.q));
	/* The driver sees nothing before it is shown. */
	assert_int_equal(take(l), 0);
	for (unsigned i = 0; i < n; i++) {
		push(chains[i]);
		shown++;
		if (i % 3 == 1)
			continue;
		medio_virtq_flush(l->bed.q);
		assert_int_equal(take(l), shown);
		shown = 0;
	}
	medio_virtq_flush(l->bed.q);
	assert_int_equal(take(l), shown);
	assert_int_equal(virtq_pending(l->bed.vq), 0);
	assert_false(l->bed.broken);
}

/* ---- Life ------------------------------------------------------------------------------------------ */

static void born(struct life *l, unsigned kind, unsigned size)
{
	char words[MEDIO_VIRTQ_WORDS];

	memset(l, 0, sizeof(*l));
	l->kind = kind;
	l->notes_bytes = medio_virtq_inflight_bytes(kind & PACKED, size);
	l->notes_bytes = (l->notes_bytes + PAGE - 1) / PAGE * PAGE;
	l->notes = mmap(
		NULL, l->notes_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(l->notes != MAP_FAILED);
	bed_new(&l->bed, kind, size, 2);
	medio_virtq_stop(l->bed.q);
	l->bed.setup.inflight = l->notes;
	if (medio_virtq_start(l->bed.q, &l->bed.setup, NULL, words))
		fail_msg("%s", words);
}

static void dead(struct life *l)
{
	bed_free(&l->bed);
	munmap(l->notes, l->notes_bytes);
}

static unsigned size_of(unsigned kind)
{
	return !(kind & PACKED) ? 8 : kind & EVENT_IDX ? 7 : 11;
}

#define ALL_KINDS (PACKED | EVENT_IDX | INDIRECT | IN_ORDER)

static void abandoned_after_any_call_what_was_not_shown_is_done_again(void **state)
{
	for (unsigned kind = 0; kind <= 2 * ALL_KINDS + 1; kind++) {
		struct life l;
		born(&l, kind & ALL_KINDS, size_of(kind));
		l.burst = kind > ALL_KINDS;
		for (unsigned limit = 1, done = 0; !done; limit++) {
			add_some(&l);
			l.calls = 0;
			l.limit = limit;
			work(&l);
			done = l.calls < limit;
			take(&l);
			restart(&l);
			recover(&l);
		}
		/* And so on, for some rounds of the ring. */
		dead(&l);
	}
}

/* ---- Before each store ------------------------------------------------------------------------------- */

#ifdef __x86_64__

#define TRAP_FLAG 0x100

static struct guarded {
	uint8_t *at[2];
	size_t len[2];
	unsigned stores, limit;
} guarded;

static void guard(int prot)
{
	for (unsigned i = 0; i < 2; i++)
		mprotect(guarded.at[i], guarded.len[i], prot);
}

static void on_store(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	const uint8_t *at = info->si_addr;
	bool ours = false;

	for (unsigned i = 0; i < 2; i++)
		ours |= at >= guarded.at[i] && at < guarded.at[i] + guarded.len[i];
	if (!ours) {
		signal(sig, SIG_DFL);
		return;
	}
	if (++guarded.stores == guarded.limit)
		_exit(0);
	guard(PROT_READ | PROT_WRITE);
	uc->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void on_step(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	uc->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
	guard(PROT_READ);
}

/* A device in a process of its own, which ends before its limit-th store. False: it has come to its end.
 * It takes the queue up first, or goes on with what there is. */
static bool killed_at(struct life *l, bool anew, unsigned limit)
{
	const pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		const struct sigaction store = { .sa_sigaction = on_store, .sa_flags = SA_SIGINFO };
		const struct sigaction step = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO };
		guarded = (struct guarded){ .at = { l->bed.mem, l->notes },
			.len = { l->bed.ring_bytes, l->notes_bytes },
			.limit = limit };
		sigaction(SIGSEGV, &store, NULL);
		sigaction(SIGTRAP, &step, NULL);
		guard(PROT_READ);
		if (anew)
			restart(l);
		work(l);
		_exit(l->bed.broken ? 2 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status) == 0;
}

static bool under_valgrind(void)
{
	const char *preloaded = getenv("LD_PRELOAD");

	return preloaded && strstr(preloaded, "vgpreload");
}

static void killed_before_any_store_what_was_not_shown_is_done_again(void **state)
{
	for (unsigned kind = 0; kind <= 2 * ALL_KINDS + 1; kind++) {
		if (kind > ALL_KINDS && kind & EVENT_IDX)
			continue; /* has no notes of its own */
		struct life l;
		born(&l, kind & ALL_KINDS, size_of(kind));
		l.burst = kind > ALL_KINDS;
		unsigned limit = 1;
		for (bool more = true; more; limit++) {
			add_some(&l);
			l.limit = 0;
			more = killed_at(&l, false, limit);
			/* The driver goes on with what it sees, before there is another device, and after. */
			if (limit % 2)
				take(&l);
			if (limit % 3)
				add(&l);
			if (limit % 5)
				killed_at(&l, true, 1 + limit * 7 % 61);
			take(&l);
			add(&l);
			restart(&l);
			recover(&l);
		}
		/* It has been killed indeed. */
		assert_true(limit > 20);
		dead(&l);
	}
}

#endif

/* ---- Going on --------------------------------------------------------------------------------------- */

static bool empty(const struct life *l)
{
	const uint8_t *at = l->notes;

	for (size_t i = 0; i < l->notes_bytes; i++)
		if (at[i])
			return false;
	return true;
}

/* Then the front-end knows where it goes on, and the memory is its own. */
static void a_queue_that_is_stopped_with_nothing_in_flight_leaves_empty_notes(void **state)
{
	for (unsigned kind = 0; kind <= ALL_KINDS; kind++) {
		struct life l;
		struct medio_virtq_position before, after;
		char words[MEDIO_VIRTQ_WORDS];
		born(&l, kind, size_of(kind));
		add_some(&l);
		recover(&l);
		assert_false(empty(&l));
		assert_true(medio_virtq_stop(l.bed.q));
		assert_true(empty(&l));
		medio_virtq_get_position(l.bed.q, &before);
		assert_int_equal(before.avail, before.used);
		/* Not written any more, and not needed to be there. */
		mprotect(l.notes, l.notes_bytes, PROT_NONE);
		medio_virtq_flush(l.bed.q);
		mprotect(l.notes, l.notes_bytes, PROT_READ | PROT_WRITE);
		if (medio_virtq_start(l.bed.q, &l.bed.setup, &before, words))
			fail_msg("%s", words);
		medio_virtq_get_position(l.bed.q, &after);
		assert_int_equal(after.avail, before.avail);
		assert_int_equal(after.used, before.used);
		add_some(&l);
		recover(&l);
		dead(&l);
	}
}

static void what_was_put_back_is_not_in_flight(void **state)
{
	for (unsigned kind = 0; kind <= ALL_KINDS; kind++) {
		struct life l;
		born(&l, kind, size_of(kind));
		add_some(&l);
		bed_pop(&l.bed);
		bed_pop(&l.bed);
		medio_virtq_unpop(l.bed.q, 2);
		restart(&l);
		assert_false(medio_virtq_is_behind(l.bed.q));
		recover(&l);
		dead(&l);
	}
}

/* Chains that come back after the queue was stopped are the last that is written there. */
static void notes_are_kept_until_the_last_chain_of_a_stopped_queue_is_back(void **state)
{
	for (unsigned kind = 0; kind <= ALL_KINDS; kind++) {
		struct life l;
		born(&l, kind, size_of(kind));
		add_some(&l);
		struct medio_virtq_chain *a = bed_pop(&l.bed), *b = bed_pop(&l.bed);
		assert_false(medio_virtq_stop(l.bed.q));
		push(b);
		assert_false(empty(&l));
		push(a);
		assert_int_equal(l.bed.idles, 1);
		assert_true(empty(&l));
		assert_int_equal(take(&l), 2);
		dead(&l);
	}
}

/* Not taken by the device yet, they are still there for the next. */
static void what_was_not_popped_again_stays_in_the_notes(void **state)
{
	for (unsigned kind = 0; kind <= ALL_KINDS; kind++) {
		struct life l;
		born(&l, kind, size_of(kind));
		add_some(&l);
		bed_pop(&l.bed);
		bed_pop(&l.bed);
		restart(&l);
		assert_true(medio_virtq_is_behind(l.bed.q));
		assert_false(medio_virtq_is_empty(l.bed.q));
		assert_true(l.bed.agains > 0);
		push(bed_pop(&l.bed));
		assert_true(medio_virtq_is_behind(l.bed.q));
		assert_true(medio_virtq_stop(l.bed.q));
		assert_int_equal(take(&l), 1);
		restart(&l);
		assert_true(medio_virtq_is_behind(l.bed.q));
		recover(&l);
		assert_false(medio_virtq_is_behind(l.bed.q));
		dead(&l);
	}
}

static void chains_popped_again_can_be_put_back(void **state)
{
	for (unsigned kind = 0; kind <= ALL_KINDS; kind++) {
		struct life l;
		born(&l, kind, size_of(kind));
		add_some(&l);
		bed_pop(&l.bed);
		bed_pop(&l.bed);
		restart(&l);
		for (unsigned i = 0; i < 3; i++)
			bed_pop(&l.bed);
		medio_virtq_unpop(l.bed.q, 2);
		assert_true(medio_virtq_is_behind(l.bed.q));
		medio_virtq_unpop(l.bed.q, 1);
		recover(&l);
		dead(&l);
	}
}

/* The used ring may be anywhere: the position is of 16 bits. */
static void free_running_indices_wrap(void **state)
{
	struct life l;
	struct medio_virtq_chain *chain;

	born(&l, 0, 8);
	for (unsigned i = 0; i < 70000; i++) {
		add(&l);
		chain = bed_pop(&l.bed);
		push(chain);
		if (i % 1000 == 0)
			restart(&l);
		else
			medio_virtq_flush(l.bed.q);
		if (i % 1000 == 0)
			recover(&l);
		else
			assert_int_equal(take(&l), 1);
	}
	dead(&l);
}

/* A driver may make its queue smaller than it can be, after which another one makes it larger. */
static void notes_may_be_for_a_larger_queue(void **state)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		struct life l;
		born(&l, packed, 8);
		/* Made by the owner, for the size it was told. */
		assert_true(medio_virtq_stop(l.bed.q));
		medio_virtq_inflight_init(l.notes, packed, 64);
		restart(&l);
		dead(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(abandoned_after_any_call_what_was_not_shown_is_done_again),
#ifdef __x86_64__
		cmocka_unit_test(killed_before_any_store_what_was_not_shown_is_done_again),
#endif
		cmocka_unit_test(a_queue_that_is_stopped_with_nothing_in_flight_leaves_empty_notes),
		cmocka_unit_test(what_was_put_back_is_not_in_flight),
		cmocka_unit_test(notes_are_kept_until_the_last_chain_of_a_stopped_queue_is_back),
		cmocka_unit_test(what_was_not_popped_again_stays_in_the_notes),
		cmocka_unit_test(chains_popped_again_can_be_put_back),
		cmocka_unit_test(free_running_indices_wrap),
		cmocka_unit_test(notes_may_be_for_a_larger_queue),
	};

	/* It steps through a process, which valgrind does too. */
	if (under_valgrind())
		cmocka_set_skip_filter("killed_before_any_store_*");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
