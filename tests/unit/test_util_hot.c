/* SPDX-License-Identifier: BSD-3-Clause */
/* A watch that receives instead of being polled for: when it may, and what it may cost others. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "test_clock.h"
#include "util/loop.h"

#define MANY 1000

struct source {
	struct medio_watch *watch;
	int fd;
	unsigned ready, waited; /* calls of the two callbacks */
	bool free_in_wait;
};

struct bed {
	struct medio_loop *loop;
	struct source hot, other;
	struct medio_timer *timer;
	unsigned timers;
};

static void take(struct source *s)
{
	uint64_t count;
	assert_int_equal(read(s->fd, &count, sizeof(count)), sizeof(count));
}

static void give(const struct source *s)
{
	const uint64_t one = 1;
	assert_int_equal(write(s->fd, &one, sizeof(one)), sizeof(one));
}

static void on_ready(void *opaque, uint32_t events)
{
	struct source *s = opaque;
	(void)events;
	s->ready++;
	take(s);
}

/* An eventfd stands for the socket: it has something, or the wait is over at once. */
static bool on_wait(void *opaque)
{
	struct source *s = opaque;
	uint64_t count;
	s->waited++;
	if (s->free_in_wait) {
		medio_watch_free(s->watch);
		s->watch = NULL;
		return false;
	}
	return read(s->fd, &count, sizeof(count)) == sizeof(count);
}

static void on_timer(void *opaque)
{
	struct bed *bed = opaque;
	bed->timers++;
}

static void source_init(struct bed *bed, struct source *s)
{
	s->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	s->watch = medio_loop_watch(bed->loop, s->fd, EPOLLIN, on_ready, s);
	assert_non_null(s->watch);
}

static int setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));
	assert_non_null(bed);
	assert_int_equal(medio_loop_new(&bed->loop), 0);
	source_init(bed, &bed->hot);
	source_init(bed, &bed->other);
	medio_watch_set_wait(bed->hot.watch, on_wait);
	bed->timer = medio_loop_timer(bed->loop, on_timer, bed);
	assert_non_null(bed->timer);
	*state = bed;
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;
	clock_goes();
	medio_timer_free(bed->timer);
	medio_watch_free(bed->hot.watch);
	medio_watch_free(bed->other.watch);
	close(bed->hot.fd);
	close(bed->other.fd);
	medio_loop_free(bed->loop);
	free(bed);
	return 0;
}

static void hot_events(struct bed *bed, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		give(&bed->hot);
		assert_int_equal(medio_loop_run_once(bed->loop, -1), 1);
	}
}

static void test_waits_for_the_only_busy_watch_by_receiving(void **state)
{
	struct bed *bed = *state;
	hot_events(bed, MANY);
	assert_int_equal(bed->hot.ready + bed->hot.waited, MANY);
	/* After the first few only a look at the others now and then uses epoll. */
	assert_true(bed->hot.waited > MANY / 2);
}

static void test_a_watch_that_cannot_wait_is_polled(void **state)
{
	struct bed *bed = *state;
	medio_watch_set_wait(bed->hot.watch, NULL);
	hot_events(bed, MANY);
	assert_int_equal(bed->hot.ready, MANY);
}

static void test_does_not_wait_before_a_timer_or_a_time_limit(void **state)
{
	struct bed *bed = *state;
	hot_events(bed, 100);
	unsigned waited = bed->hot.waited;
	assert_true(waited > 0);
	/* The timer does not come to its time, however slow the machine. */
	clock_stands();
	medio_timer_arm(bed->timer, 10000000);
	hot_events(bed, 100);
	medio_timer_disarm(bed->timer);
	for (int i = 0; i < 100; i++) {
		give(&bed->hot);
		assert_int_equal(medio_loop_run_once(bed->loop, i % 10), 1);
	}
	assert_int_equal(bed->hot.waited, waited);
	hot_events(bed, 1);
	assert_int_equal(bed->hot.waited + bed->hot.ready, 301);
	assert_int_equal(bed->timers, 0);
}

static void test_a_fruitless_wait_is_followed_by_a_poll_of_all(void **state)
{
	struct bed *bed = *state;
	hot_events(bed, 100);
	give(&bed->other);
	assert_int_equal(medio_loop_run_once(bed->loop, -1), 1);
	assert_int_equal(bed->other.ready, 1);
}

static void test_waits_seldom_once_others_came_late(void **state)
{
	struct bed *bed = *state;
	/* Others have an event for every hundred: soon nothing is late any more. */
	for (int i = 0; i < 10; i++) {
		hot_events(bed, 100);
		give(&bed->other);
		while (bed->other.ready <= (unsigned)i)
			medio_loop_run_once(bed->loop, -1);
	}
	unsigned waited = bed->hot.waited;
	for (int i = 10; i < 50; i++) {
		hot_events(bed, 100);
		give(&bed->other);
		while (bed->other.ready <= (unsigned)i)
			medio_loop_run_once(bed->loop, -1);
	}
	assert_int_equal(bed->hot.waited, waited);
}

static void test_others_are_seen_while_one_never_rests(void **state)
{
	struct bed *bed = *state;
	hot_events(bed, 100);
	give(&bed->other);
	uint64_t start = medio_now_ns();
	while (!bed->other.ready && medio_now_ns() - start < 60000000000u) {
		give(&bed->hot);
		medio_loop_run_once(bed->loop, -1);
	}
	assert_int_equal(bed->other.ready, 1);
}

static void test_a_watch_may_be_freed_while_it_waits(void **state)
{
	struct bed *bed = *state;
	hot_events(bed, 100);
	bed->hot.free_in_wait = true;
	give(&bed->other);
	while (!bed->other.ready)
		medio_loop_run_once(bed->loop, -1);
	give(&bed->other);
	assert_int_equal(medio_loop_run_once(bed->loop, -1), 1);
	assert_int_equal(bed->other.ready, 2);
}

static void test_stop_ends_a_loop_with_a_hot_watch(void **state)
{
	struct bed *bed = *state;
	hot_events(bed, 100);
	medio_loop_stop(bed->loop);
	assert_int_equal(medio_loop_run(bed->loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_waits_for_the_only_busy_watch_by_receiving),
		TEST(test_a_watch_that_cannot_wait_is_polled),
		TEST(test_does_not_wait_before_a_timer_or_a_time_limit),
		TEST(test_a_fruitless_wait_is_followed_by_a_poll_of_all),
		TEST(test_waits_seldom_once_others_came_late),
		TEST(test_others_are_seen_while_one_never_rests),
		TEST(test_a_watch_may_be_freed_while_it_waits),
		TEST(test_stop_ends_a_loop_with_a_hot_watch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
