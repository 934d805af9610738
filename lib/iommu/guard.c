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
static bool installed;
/* Written before the handler is installed, read by it. */
static struct sigaction previous;

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

static void chain(int sig, siginfo_t *info, void *context)
{
	if (previous.sa_flags & SA_SIGINFO) {
		previous.sa_sigaction(sig, info, context);
		return;
	}
	if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
		previous.sa_handler(sig);
		return;
	}
	/* Sent by somebody, and to be ignored. A fault cannot be: the kernel kills then, too. */
	bool sent = info->si_code <= 0;
	if (sent && previous.sa_handler == SIG_IGN)
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

static int install(void)
{
	if (installed)
		return 0;
	/* Ask first: `previous` must be there when the handler can already run. */
	if (sigaction(SIGBUS, NULL, &previous) < 0)
		return -errno;
	struct sigaction ours = {
		.sa_sigaction = on_sigbus,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART,
	};
	sigemptyset(&ours.sa_mask);
	if (sigaction(SIGBUS, &ours, NULL) < 0)
		return -errno;
	installed = true;
	return 0;
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
