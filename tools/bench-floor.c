/* SPDX-License-Identifier: BSD-3-Clause */
/* What the machine itself takes, without a card: the same way there and back between two processes. */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <medio/device.h>

#include "bench.h"

const struct medio_floor medio_bench_floors[NUM_FLOORS] = {
	[FLOOR_SOCKET] = { "socket", "64 bytes there and back through a socket" },
	[FLOOR_EVENT] = { "eventfd", "an eventfd there and one back" },
	[FLOOR_LINE] = { "line", "a cache line there and back, both looking" },
	[FLOOR_COPY_SMALL] = { "memcpy-64", "memcpy() of 64 bytes" },
	[FLOOR_COPY_LARGE] = { "memcpy-1514", "memcpy() of 1514 bytes" },
};

/* What the two processes share. */
struct common {
	_Alignas(128) _Atomic uint64_t ping;
	_Alignas(128) _Atomic uint64_t pong;
	int ours[2], theirs[2]; /* read, write */
};

/* One round trip, and the other process's part of one: false when it is to end. */
struct kind {
	bool (*trip)(struct common *c, uint64_t n);
	bool (*answer)(struct common *c, uint64_t n);
	int (*open)(struct common *c);
};

static bool move(int in, int out, size_t bytes, bool first)
{
	char buf[BENCH_SMALL] = { 1 };

	if (first && write(out, buf, bytes) != (ssize_t)bytes)
		return false;
	if (read(in, buf, bytes) != (ssize_t)bytes)
		return false;
	return first || write(out, buf, bytes) == (ssize_t)bytes;
}

static bool socket_trip(struct common *c, uint64_t n)
{
	(void)n;
	return move(c->ours[0], c->ours[1], BENCH_SMALL, true);
}

static bool socket_answer(struct common *c, uint64_t n)
{
	(void)n;
	return move(c->theirs[0], c->theirs[1], BENCH_SMALL, false);
}

static int open_socket(struct common *c)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	c->ours[0] = c->ours[1] = pair[0];
	c->theirs[0] = c->theirs[1] = pair[1];
	return 0;
}

static bool event_trip(struct common *c, uint64_t n)
{
	(void)n;
	return move(c->ours[0], c->ours[1], sizeof(uint64_t), true);
}

static bool event_answer(struct common *c, uint64_t n)
{
	(void)n;
	return move(c->theirs[0], c->theirs[1], sizeof(uint64_t), false);
}

static int open_event(struct common *c)
{
	int there = eventfd(0, EFD_CLOEXEC), back = eventfd(0, EFD_CLOEXEC);

	c->ours[0] = c->theirs[1] = back;
	c->ours[1] = c->theirs[0] = there;
	return there < 0 || back < 0 ? -EMFILE : 0;
}

static bool line_trip(struct common *c, uint64_t n)
{
	atomic_store_explicit(&c->ping, n, memory_order_release);
	while (atomic_load_explicit(&c->pong, memory_order_acquire) != n)
		;
	return true;
}

static bool line_answer(struct common *c, uint64_t n)
{
	while (atomic_load_explicit(&c->ping, memory_order_acquire) != n)
		;
	atomic_store_explicit(&c->pong, n, memory_order_release);
	return true;
}

static int open_line(struct common *c)
{
	for (unsigned i = 0; i < 2; i++)
		c->ours[i] = c->theirs[i] = -1;
	return 0;
}

static const struct kind kinds[] = {
	[FLOOR_SOCKET] = { socket_trip, socket_answer, open_socket },
	[FLOOR_EVENT] = { event_trip, event_answer, open_event },
	[FLOOR_LINE] = { line_trip, line_answer, open_line },
};

/* Nanoseconds of a round trip; 0: it broke. */
static double trips(const struct kind *kind, struct common *c, uint64_t ns)
{
	uint64_t start = medio_now_ns(), now = start, n = 0;

	while (now - start < ns) {
		for (unsigned i = 0; i < 16; i++)
			if (!kind->trip(c, ++n))
				return 0;
		now = medio_now_ns();
	}
	return (double)(now - start) / (double)n;
}

static void close_all(const struct common *c)
{
	for (unsigned i = 0; i < 2; i++) {
		if (c->ours[i] >= 0)
			close(c->ours[i]);
		if (c->theirs[i] >= 0 && c->theirs[i] != c->ours[1 - i])
			close(c->theirs[i]);
	}
}

static double measure(const struct medio_modes *m, const struct kind *kind, uint64_t ns)
{
	struct common *c = mmap(
		NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double each = 0;

	if (c == MAP_FAILED)
		return 0;
	pid_t pid = kind->open(c) ? -1 : fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		medio_side_pin(m->cpu_device);
		for (uint64_t n = 1; kind->answer(c, n); n++)
			;
		_exit(0);
	}
	if (pid > 0) {
		each = trips(kind, c, ns);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	close_all(c);
	munmap(c, sizeof(*c));
	return each;
}

static double copies(size_t bytes, uint64_t ns)
{
	static uint8_t from[BENCH_LARGE], to[BENCH_LARGE];
	uint64_t start = medio_now_ns(), now = start, n = 0;

	for (; now - start < ns; now = medio_now_ns()) {
		for (unsigned i = 0; i < 1024; i++) {
			memcpy(to, from, bytes);
			__asm__ volatile("" : : "r"(to), "r"(from) : "memory");
		}
		n += 1024;
	}
	return (double)(now - start) / (double)n;
}

void medio_floors_measure(struct medio_modes *m, uint64_t ns)
{
	for (unsigned i = 0; i < NUM_FLOORS; i++) {
		double each = 0;
		if (i == FLOOR_COPY_SMALL || i == FLOOR_COPY_LARGE)
			each = copies(i == FLOOR_COPY_SMALL ? BENCH_SMALL : BENCH_LARGE, ns);
		/* Both look: that takes a processor each. */
		else if (i != FLOOR_LINE || m->cpu_device >= 0)
			each = measure(m, &kinds[i], ns);
		if (each > 0)
			medio_series_add(&m->floors[i], each);
	}
}
