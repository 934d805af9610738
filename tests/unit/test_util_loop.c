/* SPDX-License-Identifier: BSD-3-Clause */
/* The loop: what may be freed when, what runs when, and who may stop it. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include <medio/serve.h>
#include "util/loop.h"

#define MS 1000000ull

static struct medio_loop *loop_new(void)
{
	struct medio_loop *loop;
	assert_int_equal(medio_loop_new(&loop), 0);
	return loop;
}

/* ---- Watches --------------------------------------------------------------------------------------- */

struct watcher {
	struct medio_watch *watch;
	struct watcher *victim;	 /* freed in the callback */
	struct medio_loop *nest; /* run in the first callback */
	int fd;
	unsigned calls;
};

static void watcher_free(struct watcher *w)
{
	medio_watch_free(w->watch);
	w->watch = NULL;
}

static void on_watch(void *opaque, uint32_t events)
{
	struct watcher *w = opaque;
	assert_true(events & EPOLLIN);
	if (w->calls++ == 0 && w->nest)
		medio_loop_run_once(w->nest, 0);
	if (w->victim)
		watcher_free(w->victim);
}

/* Always ready: nobody reads it. */
static void watcher_init(struct watcher *w, struct medio_loop *loop)
{
	*w = (struct watcher){ .fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC) };
	w->watch = medio_loop_watch(loop, w->fd, EPOLLIN, on_watch, w);
	assert_non_null(w->watch);
}

static void a_watch_may_free_itself(void **state)
{
	(void)state;
	struct medio_loop *loop = loop_new();
	struct watcher w;
	watcher_init(&w, loop);
	w.victim = &w;
	assert_int_equal(medio_loop_run_once(loop, 0), 1);
	assert_int_equal(medio_loop_run_once(loop, 0), 0);
	assert_int_equal(w.calls, 1);
	close(w.fd);
	medio_loop_free(loop);
}

static void watches_ready_together_may_free_each_other(void **state)
{
	(void)state;
	struct medio_loop *loop = loop_new();
	struct watcher a, b;
	watcher_init(&a, loop);
	watcher_init(&b, loop);
	a.victim = &b;
	b.victim = &a;
	/* Both are in the batch; whoever runs first ends the other before its turn. */
	assert_int_equal(medio_loop_run_once(loop, 0), 1);
	assert_int_equal(a.calls + b.calls, 1);
	watcher_free(&a);
	watcher_free(&b);
	close(a.fd);
	close(b.fd);
	medio_loop_free(loop);
}

static void a_watch_freed_under_a_nested_run_is_not_called(void **state)
{
	(void)state;
	struct medio_loop *loop = loop_new();
	struct watcher a, b;
	watcher_init(&a, loop);
	watcher_init(&b, loop);
	a.nest = loop;
	a.victim = &b;
	medio_loop_run_once(loop, 0);
	unsigned calls = b.calls;
	medio_loop_run_once(loop, 0);
	assert_int_equal(b.calls, calls);
	watcher_free(&a);
	close(a.fd);
	close(b.fd);
	medio_loop_free(loop);
}

static void a_watch_without_events_is_silent_until_set(void **state)
{
	(void)state;
	struct medio_loop *loop = loop_new();
	struct watcher w;
	watcher_init(&w, loop);
	assert_int_equal(medio_watch_set(w.watch, 0), 0);
	assert_int_equal(medio_loop_run_once(loop, 0), 0);
	assert_int_equal(medio_watch_set(w.watch, EPOLLIN), 0);
	assert_int_equal(medio_loop_run_once(loop, 0), 1);
	assert_int_equal(medio_loop_run_once(loop, 0), 1); /* level-triggered */
	watcher_free(&w);
	close(w.fd);
	medio_loop_free(loop);
}

static void what_cannot_be_polled_cannot_be_watched(void **state)
{
	(void)state;
	struct medio_loop *loop = loop_new();
	char path[] = "/tmp/medio-loop-XXXXXX";
	int fd = mkstemp(path);
	unlink(path);
	assert_null(medio_loop_watch(loop, fd, EPOLLIN, on_watch, NULL));
	assert_int_equal(errno, EPERM);
	close(fd);
	assert_null(medio_loop_watch(loop, fd, EPOLLIN, on_watch, NULL));
	assert_int_equal(errno, EBADF);
	medio_loop_free(loop);
}

/* ---- Timers ----------------------------------------------------------------------------------------- */

struct clock {
	struct medio_timer *timer;
	struct medio_timer **victim; /* freed in the callback */
	uint64_t again_ns;
	unsigned again, calls; /* again: times it arms itself */
	char name, *order;     /* names in the order they ran, in place of the first dot */
};

static void on_clock(void *opaque)
{
	struct clock *c = opaque;
	c->calls++;
	if (c->order)
		*strchr(c->order, '.') = c->name;
	if (c->again) {
		c->again--;
		medio_timer_arm(c->timer, c->again_ns);
	}
	if (c->victim) {
		medio_timer_free(*c->victim);
		*c->victim = NULL;
	}
}

static void clock_init(struct clock *c, struct medio_loop *loop)
{
	c->timer = medio_loop_timer(loop, on_clock, c);
	assert_non_null(c->timer);
	assert_false(medio_timer_armed(c->timer));
}

/* Enough for what is due at once, however slow the machine. */
static void run_some(struct medio_loop *loop)
{
	for (int i = 0; i < 20; i++)
		medio_loop_run_once(loop, 1);
}

static void timers_run_in_the_order_they_are_due(void **state)
{
	(void)state;
	enum { N = 9 };
	static const unsigned due[N] = { 5, 1, 9, 3, 7, 2, 8, 4, 6 };
	struct medio_loop *loop = loop_new();
	struct clock clocks[N];
	char order[] = ".........";
	for (unsigned i = 0; i < N; i++) {
		clocks[i] = (struct clock){ .name = (char)('0' + due[i]), .order = order };
		clock_init(&clocks[i], loop);
	}
	/* Again if the machine took so long that one comes before another that was armed earlier. */
	uint64_t start;
	do {
		start = medio_now_ns();
		for (unsigned i = 0; i < N; i++)
			medio_timer_arm(clocks[i].timer, due[i] * 5 * MS);
	} while (medio_now_ns() - start > 4 * MS);
	uint64_t end = medio_now_ns() + 46 * MS;
	while (medio_now_ns() < end) {
	}
	assert_int_equal(medio_loop_run_once(loop, 0), N);
	assert_string_equal(order, "123456789");
	for (unsigned i = 0; i < N; i++)
		medio_timer_free(clocks[i].timer);
	medio_loop_free(loop);
}

static void arming_again_moves_a_timer_either_way(void **state)
{
	(void)state;
	struct medio_loop *loop = loop_new();
	char order[] = "..";
	struct clock a = { .name = 'a', .order = order }, b = { .name = 'b', .order = order };
	clock_init(&a, loop);
	clock_init(&b, loop);
	medio_timer_arm(a.timer, 1000 * MS);
	medio_timer_arm(b.timer, UINT64_MAX); /* as good as never */
	assert_true(medio_loop_deadline(loop) > 0);
	medio_timer_arm(b.timer, 0);
	assert_int_equal(medio_loop_deadline(loop), 0);
	assert_int_equal(medio_loop_run_once(loop, -1), 1);
	medio_timer_arm(a.timer, 0);
	assert_int_equal(medio_loop_run_once(loop, -1), 1);
	assert_string_equal(order, "ba");
	assert_int_equal(medio_loop_deadline(loop), -1);
	medio_timer_arm(a.timer, 0);
	medio_timer_disarm(a.timer);
	medio_timer_disarm(a.timer);
	assert_int_equal(medio_loop_run_once(loop, 0), 0);
	medio_timer_free(a.timer);
	medio_timer_free(b.timer);
	medio_loop_free(loop);
}

static void a_timer_may_arm_or_free_itself_and_others(void **state)
{
	(void)state;
	struct medio_loop *loop = loop_new();
	struct clock a = { .again = 3 }, b = { 0 }, c = { 0 };
	clock_init(&a, loop);
	clock_init(&b, loop);
	clock_init(&c, loop);
	b.victim = &b.timer;
	medio_timer_arm(a.timer, 0);
	medio_timer_arm(b.timer, 0);
	run_some(loop);
	assert_int_equal(a.calls, 4);
	assert_int_equal(b.calls, 1);
	/* One that is due too is freed before its turn. */
	a.victim = &c.timer;
	medio_timer_arm(a.timer, 0);
	medio_timer_arm(c.timer, 1000);
	run_some(loop);
	assert_null(c.timer);
	assert_int_equal(c.calls, 0);
	medio_timer_free(a.timer);
	medio_loop_free(loop);
}

static void many_timers_come_and_go(void **state)
{
	(void)state;
	enum { N = 500 };
	static struct clock clocks[N];
	struct medio_loop *loop = loop_new();
	unsigned seed = 1, armed = 0, before = 0, after = 0;
	memset(clocks, 0, sizeof(clocks));
	for (unsigned i = 0; i < 20000; i++) {
		struct clock *c = &clocks[((seed = seed * 1103515245 + 12345) >> 16) % N];
		if (!c->timer) {
			clock_init(c, loop);
		} else if (seed & 1 << 10) {
			medio_timer_free(c->timer);
			c->timer = NULL;
		} else {
			medio_timer_arm(c->timer, seed >> 8 & 0xfff);
		}
		if (i % 64 == 0)
			medio_loop_run_once(loop, 0);
	}
	for (unsigned i = 0; i < N; i++) {
		armed += clocks[i].timer && medio_timer_armed(clocks[i].timer);
		before += clocks[i].calls;
	}
	run_some(loop);
	for (unsigned i = 0; i < N; i++) {
		after += clocks[i].calls;
		medio_timer_free(clocks[i].timer);
	}
	assert_int_equal(after - before, armed);
	assert_int_equal(medio_loop_deadline(loop), -1);
	medio_loop_free(loop);
}

/* ---- Stopping ---------------------------------------------------------------------------------------- */

static void *stopper(void *opaque)
{
	medio_loop_stop(opaque);
	return NULL;
}

static void run_until_a_thread_stops(struct medio_loop *loop)
{
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, stopper, loop), 0);
	assert_int_equal(medio_loop_run(loop), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void another_thread_may_stop_it_again_and_again(void **state)
{
	(void)state;
	struct medio_loop *loop = loop_new();
	for (int i = 0; i < 20; i++)
		run_until_a_thread_stops(loop);
	medio_loop_free(loop);
}

static struct medio_loop *signalled;

static void on_signal(int sig)
{
	(void)sig;
	medio_loop_stop(signalled);
}

static void a_signal_handler_may_stop_it(void **state)
{
	(void)state;
	struct sigaction sa = { .sa_handler = on_signal }, old;
	struct itimerval soon = { .it_value.tv_usec = 2000 };
	signalled = loop_new();
	assert_int_equal(sigaction(SIGALRM, &sa, &old), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	assert_int_equal(medio_loop_run(signalled), 0);
	sigaction(SIGALRM, &old, NULL);
	medio_loop_free(signalled);
}

static void stop_it(void *opaque)
{
	medio_loop_stop(opaque);
}

static void a_stop_before_the_run_counts_once(void **state)
{
	(void)state;
	struct medio_loop *loop = loop_new();
	struct clock c = { 0 };
	clock_init(&c, loop);
	medio_timer_arm(c.timer, 0);
	medio_loop_stop(loop);
	medio_loop_stop(loop);
	assert_int_equal(medio_loop_run(loop), 0);
	assert_int_equal(c.calls, 0);
	/* Later runs run. */
	struct medio_timer *stop = medio_loop_timer(loop, stop_it, loop);
	medio_timer_arm(stop, 0);
	assert_int_equal(medio_loop_run(loop), 0);
	assert_int_equal(c.calls, 1);
	medio_timer_free(stop);
	medio_timer_free(c.timer);
	medio_loop_free(loop);
}

/* ---- Busy-polling -------------------------------------------------------------------------------------- */

struct ask {
	struct medio_poller *poller;
	unsigned asked, leave_at; /* it finds work then, and leaves */
};

static bool on_ask(void *opaque)
{
	struct ask *a = opaque;
	if (++a->asked != a->leave_at)
		return false;
	medio_poller_free(a->poller);
	return true;
}

static void pollers_are_asked_only_while_polling(void **state)
{
	(void)state;
	struct medio_loop *loop = loop_new();
	struct ask a = { .leave_at = 100 }, b = { 0 };
	a.poller = medio_loop_poller(loop, on_ask, &a);
	b.poller = medio_loop_poller(loop, on_ask, &b);
	assert_int_equal(medio_loop_run_once(loop, 1), 0);
	assert_int_equal(a.asked, 0);
	medio_loop_set_poll(loop, 10000 * MS);
	assert_int_equal(medio_loop_run_once(loop, -1), 1);
	assert_int_equal(a.asked, 100);
	medio_loop_set_poll(loop, MS);
	unsigned before = b.asked;
	medio_loop_run_once(loop, 1);
	assert_true(b.asked > before);
	assert_int_equal(a.asked, 100);
	medio_poller_free(b.poller);
	medio_loop_free(loop);
}

/* How long one turn with this time limit takes, and what it calls. */
static uint64_t turn(struct medio_loop *loop, int timeout_ms, int calls)
{
	uint64_t start = medio_now_ns();

	assert_int_equal(medio_loop_run_once(loop, timeout_ms), calls);
	return medio_now_ns() - start;
}

static void polling_delays_neither_timers_nor_the_time_limit(void **state)
{
	(void)state;
	struct medio_loop *loop = loop_new();
	struct clock c = { 0 };
	clock_init(&c, loop);
	/* Half of the wait is spent polling; the rest must not be a whole one. A machine with much else to do gets some tries. */
	medio_loop_set_poll(loop, 200 * MS);
	bool timer = false, limit = false;
	for (int i = 0; i < 50 && !(timer && limit); i++) {
		medio_timer_arm(c.timer, 400 * MS);
		uint64_t took = turn(loop, -1, 1);
		assert_true(took >= 400 * MS);
		timer |= took < 550 * MS;
		limit |= turn(loop, 200, 0) < 350 * MS;
	}
	assert_true(timer && limit);
	medio_timer_free(c.timer);
	medio_loop_free(loop);
}

static void fds_and_stops_are_seen_while_polling(void **state)
{
	(void)state;
	struct medio_loop *loop = loop_new();
	struct ask a = { 0 };
	struct watcher w;
	a.poller = medio_loop_poller(loop, on_ask, &a);
	watcher_init(&w, loop);
	medio_loop_set_poll(loop, 10000 * MS);
	assert_int_equal(medio_loop_run_once(loop, -1), 1);
	assert_int_equal(w.calls, 1);
	medio_watch_set(w.watch, 0);
	run_until_a_thread_stops(loop);
	watcher_free(&w);
	close(w.fd);
	medio_poller_free(a.poller);
	medio_loop_free(loop);
}

struct sleeper {
	struct medio_poller *poller;
	struct medio_poller *other; /* freed when this one has been asked free_at times */
	unsigned asked, sleep_at, free_at;
	bool finds;
};

static bool on_awake(void *opaque)
{
	struct sleeper *s = opaque;
	s->asked++;
	if (s->asked == s->free_at) {
		medio_poller_free(s->other);
		s->other = NULL;
	}
	if (s->asked == s->sleep_at)
		medio_poller_set_awake(s->poller, false);
	return s->finds;
}

static void a_poller_that_is_awake_makes_the_loop_spin(void **state)
{
	(void)state;
	struct medio_loop *loop = loop_new();
	struct sleeper a = { .sleep_at = 100 }, b = { 0 };
	a.poller = medio_loop_poller(loop, on_awake, &a);
	b.poller = medio_loop_poller(loop, on_awake, &b);
	assert_int_equal(medio_loop_run_once(loop, 1), 0);
	assert_int_equal(a.asked, 0);
	medio_poller_set_awake(a.poller, true);
	medio_poller_set_awake(a.poller, true);
	/* It falls asleep, and with it the loop stops to spin. */
	assert_int_equal(medio_loop_run_once(loop, -1), 0);
	assert_int_equal(a.asked, 100);
	assert_int_equal(b.asked, 0);
	assert_int_equal(medio_loop_run_once(loop, 1), 0);
	assert_int_equal(a.asked, 100);
	medio_poller_free(a.poller);
	medio_poller_free(b.poller);
	medio_loop_free(loop);
}

static void pollers_with_work_keep_nobody_from_fds_timers_and_stops(void **state)
{
	(void)state;
	struct medio_loop *loop = loop_new();
	struct sleeper busy = { .finds = true }, idle = { 0 };
	struct watcher w;
	struct clock c = { 0 };
	busy.poller = medio_loop_poller(loop, on_awake, &busy);
	idle.poller = medio_loop_poller(loop, on_awake, &idle);
	medio_poller_set_awake(busy.poller, true);
	medio_poller_set_awake(idle.poller, true);
	watcher_init(&w, loop);
	clock_init(&c, loop);
	medio_timer_arm(c.timer, MS);
	for (int i = 0; i < 1000000 && !(w.calls && c.calls); i++)
		assert_true(medio_loop_run_once(loop, -1) > 0);
	assert_true(w.calls > 0);
	assert_int_equal(c.calls, 1);
	assert_true(busy.asked >= idle.asked && idle.asked > 0);
	medio_watch_set(w.watch, 0);
	run_until_a_thread_stops(loop);
	watcher_free(&w);
	close(w.fd);
	medio_timer_free(c.timer);
	medio_poller_free(busy.poller);
	medio_poller_free(idle.poller);
	medio_loop_free(loop);
}

static void a_poller_may_free_another(void **state)
{
	(void)state;
	struct medio_loop *loop = loop_new();
	struct sleeper a = { .sleep_at = 50, .free_at = 20 }, b = { 0 };
	a.poller = medio_loop_poller(loop, on_awake, &a);
	b.poller = medio_loop_poller(loop, on_awake, &b);
	a.other = b.poller;
	medio_poller_set_awake(a.poller, true);
	medio_poller_set_awake(b.poller, true);
	medio_loop_run_once(loop, -1);
	assert_null(a.other);
	assert_int_equal(a.asked, 50);
	assert_int_equal(b.asked, 19);
	medio_poller_free(a.poller);
	medio_loop_free(loop);
}

/* ---- In somebody else's loop ------------------------------------------------------------------------------ */

static bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	return poll(&p, 1, ms) > 0;
}

static void its_fd_is_readable_when_there_is_work(void **state)
{
	(void)state;
	struct medio_loop *loop = loop_new();
	struct watcher w;
	int fd = medio_loop_fd(loop);
	assert_true(fd >= 0);
	assert_int_equal(medio_loop_fd(loop), fd);
	assert_false(readable(fd, 0));
	watcher_init(&w, loop);
	assert_true(readable(fd, 0));
	assert_int_equal(medio_loop_run_once(loop, 0), 1);
	watcher_free(&w);
	close(w.fd);
	assert_false(readable(fd, 0));
	medio_loop_free(loop);
}

static bool arm_clock(void *opaque)
{
	struct clock *c = opaque;

	if (!c->calls && !medio_timer_armed(c->timer))
		medio_timer_arm(c->timer, MS);
	return false;
}

static void on_inner(void *opaque, uint32_t events)
{
	(void)events;
	medio_loop_run_once(opaque, 0);
}

static void its_pollers_are_asked_by_the_loop_that_runs_it(void **state)
{
	(void)state;
	struct medio_loop *outer = loop_new(), *inner = loop_new();
	struct sleeper early = { .sleep_at = 10 }, late = { .sleep_at = 30 };
	struct clock c = { 0 };
	struct medio_watch *watch = medio_loop_watch(
		outer, medio_loop_fd(inner), EPOLLIN, on_inner, inner);
	assert_non_null(watch);
	clock_init(&c, inner);
	early.poller = medio_loop_poller(inner, on_awake, &early);
	late.poller = medio_loop_poller(inner, on_awake, &late);
	medio_poller_set_awake(early.poller, true);
	assert_int_equal(medio_loop_set_outer(inner, outer), 0);
	medio_poller_set_awake(late.poller, true);
	medio_loop_run_once(outer, -1);
	assert_int_equal(early.asked, 10);
	assert_int_equal(late.asked, 30);
	/* A timer that a poller arms is known to the outer loop at once. */
	struct medio_poller *arms = medio_loop_poller(inner, arm_clock, &c);
	medio_poller_set_awake(arms, true);
	for (int i = 0; i < 1000000 && !c.calls; i++)
		medio_loop_run_once(outer, -1);
	assert_int_equal(c.calls, 1);
	/* The last one that goes, goes to sleep too. */
	medio_poller_free(arms);
	assert_int_equal(medio_loop_run_once(outer, 0), 0);
	/* And so it is when they part. */
	late.sleep_at = 0;
	medio_poller_set_awake(late.poller, true);
	assert_int_equal(medio_loop_set_outer(inner, NULL), 0);
	assert_int_equal(medio_loop_run_once(outer, 1), 0);
	assert_int_equal(late.asked, 30);
	medio_poller_free(early.poller);
	medio_poller_free(late.poller);
	medio_timer_free(c.timer);
	medio_watch_free(watch);
	medio_loop_free(inner);
	medio_loop_free(outer);
}

static bool arm_again(void *opaque)
{
	struct clock *c = opaque;

	medio_timer_arm(c->timer, 0);
	return true;
}

static void its_pollers_go_on_by_timers_without_its_fd(void **state)
{
	(void)state;
	struct medio_loop *outer = loop_new(), *inner = loop_new();
	struct clock c = { 0 };
	int fd = medio_loop_fd(inner);
	struct medio_poller *arms = medio_loop_poller(inner, arm_again, &c);
	clock_init(&c, inner);
	assert_int_equal(medio_loop_set_outer(inner, outer), 0);
	medio_poller_set_awake(arms, true);
	/* Nobody looks at the fd. */
	for (int i = 0; i < 20; i++)
		medio_loop_run_once(outer, 0);
	assert_true(c.calls > 0);
	/* Who does, sees what is due when nobody is asked any more. */
	medio_timer_arm(c.timer, 0);
	medio_poller_set_awake(arms, false);
	assert_true(readable(fd, 60000));
	unsigned calls = c.calls;
	medio_loop_run_once(inner, 0);
	assert_int_equal(c.calls, calls + 1);
	assert_false(readable(fd, 0));
	assert_int_equal(medio_loop_set_outer(inner, NULL), 0);
	medio_poller_free(arms);
	medio_timer_free(c.timer);
	medio_loop_free(inner);
	medio_loop_free(outer);
}

static void its_fd_knows_timers_however_they_were_armed(void **state)
{
	(void)state;
	struct medio_loop *loop = loop_new();
	struct clock c = { .again = 1, .again_ns = MS };
	clock_init(&c, loop);
	medio_timer_arm(c.timer, MS);
	int fd = medio_loop_fd(loop); /* armed before */
	for (unsigned calls = 1; calls <= 3; calls++) {
		assert_true(readable(fd, 5000));
		while (c.calls < calls)
			medio_loop_run_once(loop, 0);
		if (calls == 2) /* the second was armed by the first, the third between two runs */
			medio_timer_arm(c.timer, MS);
	}
	medio_timer_arm(c.timer, 0);
	medio_timer_disarm(c.timer);
	assert_false(readable(fd, 0));
	medio_timer_free(c.timer);
	medio_loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_watch_may_free_itself),
		cmocka_unit_test(watches_ready_together_may_free_each_other),
		cmocka_unit_test(a_watch_freed_under_a_nested_run_is_not_called),
		cmocka_unit_test(a_watch_without_events_is_silent_until_set),
		cmocka_unit_test(what_cannot_be_polled_cannot_be_watched),
		cmocka_unit_test(timers_run_in_the_order_they_are_due),
		cmocka_unit_test(arming_again_moves_a_timer_either_way),
		cmocka_unit_test(a_timer_may_arm_or_free_itself_and_others),
		cmocka_unit_test(many_timers_come_and_go),
		cmocka_unit_test(another_thread_may_stop_it_again_and_again),
		cmocka_unit_test(a_signal_handler_may_stop_it),
		cmocka_unit_test(a_stop_before_the_run_counts_once),
		cmocka_unit_test(pollers_are_asked_only_while_polling),
		cmocka_unit_test(polling_delays_neither_timers_nor_the_time_limit),
		cmocka_unit_test(fds_and_stops_are_seen_while_polling),
		cmocka_unit_test(a_poller_that_is_awake_makes_the_loop_spin),
		cmocka_unit_test(pollers_with_work_keep_nobody_from_fds_timers_and_stops),
		cmocka_unit_test(a_poller_may_free_another),
		cmocka_unit_test(its_fd_is_readable_when_there_is_work),
		cmocka_unit_test(its_pollers_are_asked_by_the_loop_that_runs_it),
		cmocka_unit_test(its_pollers_go_on_by_timers_without_its_fd),
		cmocka_unit_test(its_fd_knows_timers_however_they_were_armed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
