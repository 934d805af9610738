/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/loop.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <medio/serve.h>
#include "util/list.h"
#include "util/timers.h"

#define MAX_EVENTS 64
/* While busy-polling, look at the other fds once in so many rounds of the pollers. */
#define POLL_ROUNDS_PER_WAIT 32
/* And once in so many rounds that found work. */
#define BUSY_ROUNDS_PER_WAIT 8

/* See medio_watch_set_wait(). */
#define HOT_FIRST    16 /* events of one watch in a row, the first time */
#define HOT_LAST     (1u << 22)
#define HOT_LOOK_NS  1000000  /* the others are looked at so often while a watch is hot */
#define HOT_CLEAR_NS 20000000 /* no timer may be due so soon: a receive's limit is in clock ticks */

struct medio_watch {
	struct medio_loop *loop;
	medio_watch_fn *fn;
	medio_watch_wait_fn *wait; /* NULL: cannot */
	void *opaque;
	int fd;
	uint32_t events;
	struct medio_list dead; /* in loop->dead once freed */
};

struct medio_poller {
	struct medio_loop *loop;
	medio_poller_fn *fn;
	void *opaque;
	struct medio_list link; /* in loop->pollers, or loop->awake */
	bool awake;
};

struct medio_loop {
	int epoll_fd;
	int stop_fd;  /* eventfd; written by medio_loop_stop() */
	int timer_fd; /* -1 until medio_loop_fd() is asked: the timers, for somebody else's loop */
	atomic_bool stopping;
	uint64_t poll_ns;
	struct medio_list pollers, awake;
	unsigned num_awake;
	struct medio_poller *outer;    /* of the loop that asks ours; NULL: this one does */
	struct medio_list *next_awake; /* where the round that is under way goes on */
	struct medio_timers timers;
	/* Watches freed while a batch of events is being dispatched may still be in that batch. */
	struct medio_list dead;
	unsigned depth;	     /* of nested medio_loop_run_once() */
	bool timers_changed; /* and are not mirrored yet */
	uint64_t mirrored;   /* when timer_fd will be readable, or is; UINT64_MAX: never */
	struct medio_watch *stop_watch, *timer_watch;
	struct {
		struct medio_watch *watch; /* the one that had the latest events, alone */
		unsigned streak, need;	   /* times in a row; hot from need on */
		uint64_t looked_ns;	   /* at the others */
	} hot;
};

uint64_t medio_now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void on_stop(void *opaque, uint32_t events)
{
	struct medio_loop *loop = opaque;
	uint64_t count;
	(void)events;
	ssize_t ret = read(loop->stop_fd, &count, sizeof(count));
	(void)ret;
}

int medio_loop_new(struct medio_loop **out)
{
	struct medio_loop *loop = calloc(1, sizeof(*loop));
	if (!loop)
		return -ENOMEM;
	medio_list_init(&loop->dead);
	medio_list_init(&loop->pollers);
	medio_list_init(&loop->awake);
	loop->stop_fd = loop->timer_fd = -1;
	loop->hot.need = HOT_FIRST;
	int ret = 0;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		goto fail;
	loop->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->stop_fd < 0)
		goto fail;
	loop->stop_watch = medio_loop_watch(loop, loop->stop_fd, EPOLLIN, on_stop, loop);
	if (!loop->stop_watch)
		goto fail;
	*out = loop;
	return 0;
fail:
	ret = -errno;
	medio_loop_free(loop);
	return ret;
}

static void reap(struct medio_loop *loop)
{
	medio_list_for_each (item, &loop->dead) {
		struct medio_watch *watch = medio_container_of(item, struct medio_watch, dead);
		medio_list_remove(item);
		free(watch);
	}
}

void medio_loop_free(struct medio_loop *loop)
{
	if (!loop)
		return;
	medio_watch_free(loop->stop_watch);
	medio_watch_free(loop->timer_watch);
	reap(loop);
	if (loop->timer_fd >= 0)
		close(loop->timer_fd);
	medio_timers_fini(&loop->timers);
	if (loop->stop_fd >= 0)
		close(loop->stop_fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	free(loop);
}

struct medio_watch *medio_loop_watch(
	struct medio_loop *loop, int fd, uint32_t events, medio_watch_fn *fn, void *opaque)
{
	struct medio_watch *watch = calloc(1, sizeof(*watch));
	if (!watch)
		return NULL;
	*watch = (struct medio_watch){
		.loop = loop, .fn = fn, .opaque = opaque, .fd = fd, .events = events
	};
	medio_list_init(&watch->dead);
	struct epoll_event ev = { .events = events, .data.ptr = watch };
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		int saved = errno;
		free(watch);
		errno = saved;
		return NULL;
	}
	return watch;
}

int medio_watch_set(struct medio_watch *watch, uint32_t events)
{
	if (events == watch->events)
		return 0;
	struct epoll_event ev = { .events = events, .data.ptr = watch };
	if (epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &ev) < 0)
		return -errno;
	watch->events = events;
	return 0;
}

void medio_watch_free(struct medio_watch *watch)
{
	if (!watch)
		return;
	epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->fn = NULL;
	if (watch->loop->hot.watch == watch)
		watch->loop->hot.watch = NULL;
	if (watch->loop->depth)
		medio_list_append(&watch->loop->dead, &watch->dead);
	else
		free(watch);
}

struct medio_timer *medio_loop_timer(struct medio_loop *loop, medio_timer_fn *fn, void *opaque)
{
	return medio_timers_add(&loop->timers, fn, opaque);
}

struct medio_poller *medio_loop_poller(struct medio_loop *loop, medio_poller_fn *fn, void *opaque)
{
	struct medio_poller *poller = calloc(1, sizeof(*poller));
	if (!poller)
		return NULL;
	poller->loop = loop;
	poller->fn = fn;
	poller->opaque = opaque;
	medio_list_append(&loop->pollers, &poller->link);
	return poller;
}

static void unlink_poller(struct medio_poller *poller)
{
	struct medio_loop *loop = poller->loop;

	if (loop->next_awake == &poller->link)
		loop->next_awake = poller->link.next;
	medio_list_remove(&poller->link);
	loop->num_awake -= poller->awake;
}

static void settle_timers(struct medio_loop *loop);

/* The loop that asks our pollers asks for as long as one is awake. */
static void tell_outer(struct medio_loop *loop)
{
	if (loop->outer)
		medio_poller_set_awake(loop->outer, loop->num_awake > 0);
	if (!loop->depth)
		settle_timers(loop);
}

void medio_poller_set_awake(struct medio_poller *poller, bool awake)
{
	struct medio_loop *loop = poller->loop;

	if (awake == poller->awake)
		return;
	unlink_poller(poller);
	poller->awake = awake;
	loop->num_awake += awake;
	medio_list_append(awake ? &loop->awake : &loop->pollers, &poller->link);
	tell_outer(loop);
}

void medio_poller_free(struct medio_poller *poller)
{
	if (!poller)
		return;
	unlink_poller(poller);
	tell_outer(poller->loop);
	free(poller);
}

void medio_loop_stop(struct medio_loop *loop)
{
	int saved = errno;
	uint64_t one = 1;
	atomic_store(&loop->stopping, true);
	ssize_t ret = write(loop->stop_fd, &one, sizeof(one));
	(void)ret;
	errno = saved;
}

void medio_loop_set_poll(struct medio_loop *loop, uint64_t poll_ns)
{
	loop->poll_ns = poll_ns;
}

static void on_timer_fd(void *opaque, uint32_t events)
{
	struct medio_loop *loop = opaque;
	uint64_t count;
	(void)events;
	ssize_t ret = read(loop->timer_fd, &count, sizeof(count));
	(void)ret;
	loop->mirrored = UINT64_MAX;
	loop->timers_changed = true;
}

/* Make the epoll fd readable when the first timer is due. */
static void mirror_timers(struct medio_loop *loop)
{
	uint64_t due = medio_timers_due(&loop->timers);
	struct itimerspec when = { 0 };

	loop->timers_changed = false;
	if (due == loop->mirrored)
		return;
	if (due != UINT64_MAX) {
		when.it_value.tv_sec = (time_t)(due / 1000000000);
		when.it_value.tv_nsec = (long)(due % 1000000000);
	}
	timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
	loop->mirrored = due;
}

/* The end of a run. Who asks our pollers at once again asks for timers that are due as well: a poller that goes on by a
 * timer costs no system call. */
static void settle_timers(struct medio_loop *loop)
{
	if (!loop->timers_changed || loop->timer_fd < 0)
		return;
	if (loop->outer && loop->num_awake && medio_timers_wait(&loop->timers) == 0)
		return;
	mirror_timers(loop);
}

/* Inside of a run they are mirrored at its end. */
static void on_timers_changed(struct medio_timers *timers)
{
	struct medio_loop *loop = medio_container_of(timers, struct medio_loop, timers);
	loop->timers_changed = true;
	if (!loop->depth)
		mirror_timers(loop);
}

int medio_loop_fd(struct medio_loop *loop)
{
	if (loop->timer_fd >= 0)
		return loop->epoll_fd;
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	loop->timer_watch = medio_loop_watch(loop, fd, EPOLLIN, on_timer_fd, loop);
	if (!loop->timer_watch) {
		int ret = -errno;
		close(fd);
		return ret;
	}
	loop->timer_fd = fd;
	loop->mirrored = UINT64_MAX;
	loop->timers.changed = on_timers_changed;
	mirror_timers(loop);
	return loop->epoll_fd;
}

int64_t medio_loop_deadline(struct medio_loop *loop)
{
	return medio_timers_wait(&loop->timers);
}

/* Wait at most ns (-1: for ever). */
static int wait_events(struct medio_loop *loop, struct epoll_event *events, int64_t ns)
{
	if (ns == 0)
		return epoll_wait(loop->epoll_fd, events, MAX_EVENTS, 0);
	if (ns < 0)
		return epoll_wait(loop->epoll_fd, events, MAX_EVENTS, -1);
	struct timespec ts = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
	int n = epoll_pwait2(loop->epoll_fd, events, MAX_EVENTS, &ts, NULL);
	if (n < 0 && errno == ENOSYS) { /* before Linux 5.11 */
		int64_t ms = (ns + 999999) / 1000000;
		n = epoll_wait(
			loop->epoll_fd, events, MAX_EVENTS, ms > INT_MAX ? INT_MAX : (int)ms);
	}
	return n;
}

/* Spin over the pollers and the fds for up to poll_ns. Returns events ready, or 0; *ran counts
 * pollers that found work. *left_ns is how long one may wait (-1: for ever); less afterwards. */
static int spin(struct medio_loop *loop, struct epoll_event *events, int64_t *left_ns, int *ran)
{
	uint64_t start = medio_now_ns();
	uint64_t limit = loop->poll_ns;
	uint64_t spun;
	if (*left_ns >= 0 && (uint64_t)*left_ns < limit)
		limit = (uint64_t)*left_ns;
	do {
		for (unsigned i = 0; i < POLL_ROUNDS_PER_WAIT; i++) {
			medio_list_for_each (item, &loop->pollers) {
				struct medio_poller *p = medio_container_of(
					item, struct medio_poller, link);
				if (p->fn(p->opaque))
					(*ran)++;
			}
			if (*ran || medio_list_empty(&loop->pollers))
				break;
		}
		int n = *ran ? 0 : wait_events(loop, events, 0);
		if (n || *ran || atomic_load_explicit(&loop->stopping, memory_order_relaxed))
			return n;
		spun = medio_now_ns() - start;
	} while (spun < limit);
	if (*left_ns >= 0)
		*left_ns = spun < (uint64_t)*left_ns ? *left_ns - (int64_t)spun : 0;
	return 0;
}

/* Ask each poller that is awake once. True: one found work. */
static bool ask_awake(struct medio_loop *loop)
{
	bool found = false;

	loop->next_awake = loop->awake.next;
	/* Those that wake up meanwhile wait for the next round. */
	for (unsigned n = loop->num_awake; n && loop->next_awake != &loop->awake; n--) {
		struct medio_poller *p = medio_container_of(
			loop->next_awake, struct medio_poller, link);
		loop->next_awake = p->link.next;
		found |= p->fn(p->opaque);
	}
	loop->next_awake = NULL;
	return found;
}

/*
 * Pollers are awake: ask them over and over, and look at the fds in between, for at most ns (-1: as
 * long as one is awake). Returns events ready, or 0; *ran is not 0 if there was work.
 */
static int spin_awake(struct medio_loop *loop, struct epoll_event *events, int64_t ns, int *ran)
{
	uint64_t start = ns > 0 ? medio_now_ns() : 0;

	do {
		unsigned busy = 0;
		for (unsigned i = 0; i < POLL_ROUNDS_PER_WAIT && loop->num_awake; i++)
			if (ask_awake(loop) && ++busy == BUSY_ROUNDS_PER_WAIT)
				break;
		int n = wait_events(loop, events, 0);
		*ran += (int)busy;
		if (n || busy || atomic_load_explicit(&loop->stopping, memory_order_relaxed))
			return n;
		/* A poller may have armed a timer. */
		if (medio_timers_wait(&loop->timers) == 0)
			return 0;
	} while (loop->num_awake && ns && (ns < 0 || medio_now_ns() - start < (uint64_t)ns));
	return 0;
}

/* A round of the pollers of a loop that another one asks. */
static bool ask_inner(void *opaque)
{
	struct medio_loop *loop = opaque;

	/* A poller may run the loop that asks. */
	if (loop->depth)
		return false;
	loop->depth++;
	bool found = ask_awake(loop);
	if (medio_timers_run(&loop->timers))
		found = true;
	if (--loop->depth == 0)
		reap(loop);
	settle_timers(loop);
	return found;
}

int medio_loop_set_outer(struct medio_loop *loop, struct medio_loop *outer)
{
	struct medio_poller *poller = NULL;

	if (outer && !(poller = medio_loop_poller(outer, ask_inner, loop)))
		return -ENOMEM;
	medio_poller_free(loop->outer);
	loop->outer = poller;
	tell_outer(loop);
	return 0;
}

/* ---- A hot watch ---------------------------------------------------------------------------- */

void medio_watch_set_wait(struct medio_watch *watch, medio_watch_wait_fn *wait)
{
	watch->wait = wait;
}

/* Events came: of one watch again and again, or of others too? */
static void note_events(struct medio_loop *loop, const struct epoll_event *events, int n)
{
	struct medio_watch *watch = events[0].data.ptr;
	if (n == 1 && watch == loop->hot.watch) {
		loop->hot.streak++;
		return;
	}
	/* These may be late. */
	if (loop->hot.watch && loop->hot.streak >= loop->hot.need && loop->hot.need < HOT_LAST)
		loop->hot.need *= 8;
	loop->hot.watch = n == 1 && watch->wait ? watch : NULL;
	loop->hot.streak = 1;
}

/*
 * Wait for the hot watch alone, if there is one and nothing else is due within ns (-1: never).
 * Returns events of the fds looked at in passing; *ran counts when the watch had something.
 */
static int wait_hot(struct medio_loop *loop, struct epoll_event *events, int64_t ns, int *ran)
{
	if (!loop->hot.watch || loop->hot.streak < loop->hot.need || loop->depth > 1 ||
		(ns >= 0 && ns < HOT_CLEAR_NS) ||
		atomic_load_explicit(&loop->stopping, memory_order_relaxed))
		return 0;
	uint64_t now = medio_now_ns();
	if (now - loop->hot.looked_ns > HOT_LOOK_NS) {
		int n = wait_events(loop, events, 0);
		loop->hot.looked_ns = now;
		if (n)
			return n;
	}
	if (loop->hot.watch->wait(loop->hot.watch->opaque)) {
		(*ran)++;
		return 0;
	}
	/* It rests. Were others kept waiting? */
	int n = wait_events(loop, events, 0);
	if (n == 0)
		loop->hot.streak = 0;
	return n;
}

int medio_loop_run_once(struct medio_loop *loop, int timeout_ms)
{
	struct epoll_event events[MAX_EVENTS];
	int64_t ns = timeout_ms < 0 ? -1 : (int64_t)timeout_ms * 1000000;
	int64_t due = medio_timers_wait(&loop->timers);
	if (due >= 0 && (ns < 0 || due < ns))
		ns = due;

	int ran = 0;
	int n = 0;
	loop->depth++;
	/* A run inside of a poller asks none. */
	bool awake = loop->num_awake && loop->depth == 1;
	if (awake)
		n = spin_awake(loop, events, ns, &ran);
	else if (loop->poll_ns && ns != 0)
		n = spin(loop, events, &ns, &ran);
	else
		n = wait_hot(loop, events, ns, &ran);
	/* Having spun, it waits when it is asked again: what is due may be another time now. */
	if (n == 0 && !ran && !awake)
		n = wait_events(loop, events, ns);
	if (n < 0) {
		loop->depth--;
		return errno == EINTR ? 0 : -errno;
	}
	if (n > 0)
		note_events(loop, events, n);
	for (int i = 0; i < n; i++) {
		struct medio_watch *watch = events[i].data.ptr;
		if (!watch->fn)
			continue;
		watch->fn(watch->opaque, events[i].events);
		ran++;
	}
	ran += medio_timers_run(&loop->timers);
	if (--loop->depth == 0)
		reap(loop);
	settle_timers(loop);
	return ran;
}

int medio_loop_run(struct medio_loop *loop)
{
	while (!atomic_load(&loop->stopping)) {
		int ret = medio_loop_run_once(loop, -1);
		if (ret < 0)
			return ret;
	}
	atomic_store(&loop->stopping, false);
	return 0;
}
