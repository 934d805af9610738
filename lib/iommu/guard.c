/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

/*
 * One guarded mapping. Read by the handler on any thread at any time, written under `lock`: a
 * sequence lock, odd while it changes. Entries are never freed, only used again, so the handler
 * always finds memory behind its pointers.
 */
struct medio_guard {
	atomic_uint seq;
	atomic_uintptr_t start; /* 0: free */
	atomic_size_t len, granule;
	atomic_int prot;
	atomic_bool poisoned;
	struct medio_guard *next_free; /* under lock */
};

#define BLOCK_GUARDS 128
struct block {
	struct medio_guard guard[BLOCK_GUARDS];
	_Atomic(struct block *) next;
};

atomic_ulong medio_guard_hits;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(struct block *) blocks; /* only ever grows, at its head */
static struct medio_guard *free_guards;

/* What stood where we installed our handler. Never freed and never changed, for the handler reads
 * it at any time; a handler that comes back has its entry already. */
struct other {
	struct sigaction action;
	struct other *next;
};
static struct other *others;
static _Atomic(struct other *) previous;

/*
 * Put into si_errno, which is 0 in a SIGBUS of the kernel, while the previous handler runs: if that
 * one calls ours again, nobody is left to ask. A flag of the thread would not do, for handlers may
 * leave with siglongjmp().
 */
#define MARK 0x6d65

/* What the handler needs of a guard, read consistently. false: it was changing, so it cannot be the
 * one the faulting thread is using. */
static bool snapshot(
	struct medio_guard *g, uintptr_t *start, size_t *len, size_t *granule, int *prot)
{
	unsigned seq = atomic_load_explicit(&g->seq, memory_order_acquire);
	*start = atomic_load_explicit(&g->start, memory_order_relaxed);
	*len = atomic_load_explicit(&g->len, memory_order_relaxed);
	*granule = atomic_load_explicit(&g->granule, memory_order_relaxed);
	*prot = atomic_load_explicit(&g->prot, memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	return !(seq & 1) && atomic_load_explicit(&g->seq, memory_order_relaxed) == seq && *start;
}

static bool put_zeros(uintptr_t at, size_t len, int prot)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
	/* The address is a number here: it came with the signal. */
	void *where = (void *)at; /* NOLINT(performance-no-int-to-ptr) */
	return mmap(where, len, prot, flags, -1, 0) != MAP_FAILED;
}

/* Replace the memory from the faulting page on. All of the rest, not the page alone: a file cut
 * short lacks all of it, and one replacement per page would use up the process's mappings. */
static bool replace(struct medio_guard *g, uintptr_t fault)
{
	uintptr_t start;
	size_t len, granule;
	int prot;
	if (!snapshot(g, &start, &len, &granule, &prot) || fault - start >= len)
		return false;
	uintptr_t page = fault & ~(uintptr_t)(granule - 1);
	if (!put_zeros(page, start + len - page, prot) && !put_zeros(page, granule, prot))
		return false;
	atomic_store_explicit(&g->poisoned, true, memory_order_relaxed);
	atomic_fetch_add_explicit(&medio_guard_hits, 1, memory_order_release);
	return true;
}

static bool handle(uintptr_t fault)
{
	struct block *b = atomic_load_explicit(&blocks, memory_order_acquire);
	for (; b; b = atomic_load_explicit(&b->next, memory_order_acquire)) {
		for (unsigned i = 0; i < BLOCK_GUARDS; i++) {
			if (replace(&b->guard[i], fault))
				return true;
		}
	}
	return false;
}

/* false: there was no handler. */
static bool call_previous(int sig, siginfo_t *info, void *context, const struct sigaction *action)
{
	if (action->sa_flags & SA_SIGINFO)
		action->sa_sigaction(sig, info, context);
	else if (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN)
		action->sa_handler(sig);
	else
		return false;
	return true;
}

static void chain(int sig, siginfo_t *info, void *context)
{
	const struct other *other = atomic_load_explicit(&previous, memory_order_acquire);
	if (info->si_errno != MARK) {
		const int saved = info->si_errno;
		info->si_errno = MARK;
		const bool called = call_previous(sig, info, context, &other->action);
		info->si_errno = saved;
		if (called)
			return;
	}
	/* Sent by somebody, and to be ignored. A fault cannot be: the kernel kills then, too. */
	const bool sent = info->si_code <= 0;
	if (sent && other->action.sa_handler == SIG_IGN)
		return;
	/* The default action: for a fault, the instruction faults again after the return. */
	signal(sig, SIG_DFL);
	if (sent)
		raise(sig);
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	int saved = errno;
	if (info->si_code <= 0 || !handle((uintptr_t)info->si_addr)) {
		errno = saved;
		chain(sig, info, context);
	}
	errno = saved;
}

static bool same(const struct sigaction *a, const struct sigaction *b)
{
	/* One union: either member compares both kinds. */
	return a->sa_handler == b->sa_handler && a->sa_flags == b->sa_flags;
}

/* Have our handler in place. Looks each time: somebody may have put another there since, as test
 * frameworks do. The caller holds the lock. */
static int install(void)
{
	struct sigaction now;
	if (sigaction(SIGBUS, NULL, &now) < 0)
		return -errno;
	if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_sigbus)
		return 0;
	struct other *other = others;
	while (other && !same(&other->action, &now))
		other = other->next;
	if (!other) {
		other = malloc(sizeof(*other));
		if (!other)
			return -ENOMEM;
		*other = (struct other){ now, others };
		others = other;
	}
	/* First this: our handler may run as soon as it is installed. */
	atomic_store_explicit(&previous, other, memory_order_release);
	struct sigaction ours = {
		.sa_sigaction = on_sigbus,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART,
	};
	sigemptyset(&ours.sa_mask);
	return sigaction(SIGBUS, &ours, NULL) < 0 ? -errno : 0;
}

static int more_guards(void)
{
	struct block *b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	for (unsigned i = 0; i < BLOCK_GUARDS; i++) {
		b->guard[i].next_free = free_guards;
		free_guards = &b->guard[i];
	}
	atomic_store_explicit(&b->next, atomic_load_explicit(&blocks, memory_order_relaxed),
		memory_order_relaxed);
	atomic_store_explicit(&blocks, b, memory_order_release);
	return 0;
}

/* The caller holds the lock. start 0 empties it. */
static void change(struct medio_guard *g, uintptr_t start, size_t len, size_t granule, int prot)
{
	unsigned seq = atomic_load_explicit(&g->seq, memory_order_relaxed);
	atomic_store_explicit(&g->seq, seq + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&g->start, start, memory_order_relaxed);
	atomic_store_explicit(&g->len, len, memory_order_relaxed);
	atomic_store_explicit(&g->granule, granule, memory_order_relaxed);
	atomic_store_explicit(&g->prot, prot, memory_order_relaxed);
	atomic_store_explicit(&g->poisoned, false, memory_order_relaxed);
	atomic_store_explicit(&g->seq, seq + 2, memory_order_release);
}

int medio_guard_add(void *start, size_t len, size_t granule, int prot, struct medio_guard **out)
{
	pthread_mutex_lock(&lock);
	int ret = install();
	if (ret == 0 && !free_guards)
		ret = more_guards();
	if (ret == 0) {
		struct medio_guard *g = free_guards;
		free_guards = g->next_free;
		change(g, (uintptr_t)start, len, granule, prot);
		*out = g;
	}
	pthread_mutex_unlock(&lock);
	return ret;
}

void medio_guard_del(struct medio_guard *guard)
{
	if (!guard)
		return;
	pthread_mutex_lock(&lock);
	change(guard, 0, 0, 1, 0);
	guard->next_free = free_guards;
	free_guards = guard;
	pthread_mutex_unlock(&lock);
}

bool medio_guard_poisoned(const struct medio_guard *guard)
{
	return atomic_load_explicit(&guard->poisoned, memory_order_relaxed);
}
