/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server's system calls, counted by tracing its process: a thread stops it at each, while this
 * one makes a known number of requests. That slows it down more than tenfold, so that the looks it
 * takes at its other fds once a millisecond come every dozen requests and are in the figure.
 */
#include "bench.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#define MAX_RUNS 5 /* the count hardly varies */

struct tracer {
	pthread_t thread;
	pid_t pid;
	_Atomic uint64_t calls;
	_Atomic int ready; /* 1: it counts; below 0: -errno */
};

static bool entering(pid_t pid)
{
	struct __ptrace_syscall_info info;
	return ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0 &&
	       info.op == PTRACE_SYSCALL_INFO_ENTRY;
}

static void *trace(void *opaque)
{
	struct tracer *t = opaque;
	int status;

	if (ptrace(PTRACE_SEIZE, t->pid, 0, PTRACE_O_TRACESYSGOOD) < 0 ||
		ptrace(PTRACE_INTERRUPT, t->pid, 0, 0) < 0) {
		atomic_store(&t->ready, -errno);
		return NULL;
	}
	while (waitpid(t->pid, &status, __WALL) == t->pid && WIFSTOPPED(status)) {
		int sig = WSTOPSIG(status);
		if (sig == (SIGTRAP | 0x80) && entering(t->pid))
			atomic_fetch_add(&t->calls, 1);
		bool ours = status >> 16 || sig == (SIGTRAP | 0x80) || sig == SIGTRAP;
		ptrace(PTRACE_SYSCALL, t->pid, 0, ours ? 0 : sig);
		atomic_store(&t->ready, 1);
	}
	return NULL;
}

static int tracer_start(struct tracer *t, pid_t pid)
{
	memset(t, 0, sizeof(*t));
	t->pid = pid;
	int ret = pthread_create(&t->thread, NULL, trace, t);
	if (ret)
		return -ret;
	while ((ret = atomic_load(&t->ready)) == 0)
		sched_yield();
	return ret < 0 ? ret : 0;
}

static void read_many(struct medio_card *card, unsigned n)
{
	uint32_t value;
	for (unsigned i = 0; i < n; i++)
		medio_bench_check(medio_card_read32(card, MEDIO_CARD_BAR0, 0, &value), "read");
}

static void write_many(struct medio_card *card, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		medio_bench_check(medio_card_write32(card, MEDIO_CARD_BAR0, 0, i), "write");
}

static void post_many(struct medio_card *card, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		medio_bench_check(medio_card_post(card, MEDIO_CARD_BAR0, 0, &i, sizeof(i)), "post");
	read_many(card, 1);
}

static void count(struct medio_report *r, const struct medio_figure *figure,
	struct medio_card *card, struct tracer *t, void (*fn)(struct medio_card *card, unsigned n))
{
	double calls[MAX_RUNS];
	unsigned n = medio_report_count(r, 2000, 400);
	unsigned runs = r->runs < MAX_RUNS ? r->runs : MAX_RUNS;

	fn(card, n / 4);
	for (unsigned i = 0; i < runs; i++) {
		uint64_t before = atomic_load(&t->calls);
		fn(card, n);
		calls[i] = (double)(atomic_load(&t->calls) - before) / n;
	}
	medio_report_put(r, figure, calls, runs);
}

static int run(struct medio_report *r)
{
	struct medio_peer peer;
	struct tracer t;
	int cpu = r->cpu_server < 0 ? r->cpu_client : r->cpu_server;
	struct medio_card *card = medio_bench_card(&peer, cpu, false);
	int ret = tracer_start(&t, peer.pid);

	if (ret)
		medio_report_note(r, "left out: the server cannot be traced (%s)", strerror(-ret));
	static const struct medio_figure reads = { .name = "of the server for a read",
		.unit = "calls",
		.kind = MEDIO_AT_MOST,
		.goal = 2 };
	static const struct medio_figure writes = { .name = "of the server for a write",
		.unit = "calls",
		.kind = MEDIO_AT_MOST,
		.goal = 2 };
	static const struct medio_figure posts = { .name = "of the server for a posted write",
		.unit = "calls",
		.kind = MEDIO_AT_MOST,
		.goal = 0.1 };
	if (!ret) {
		count(r, &reads, card, &t, read_many);
		count(r, &writes, card, &t, write_many);
		count(r, &posts, card, &t, post_many);
	}
	medio_card_close(card);
	pthread_join(t.thread, NULL);
	medio_peer_stop(&peer);
	return 0;
}

const struct medio_bench medio_bench_syscalls = {
	.name = "syscalls",
	.summary = "System calls that the server makes for a request",
	.run = run,
};
