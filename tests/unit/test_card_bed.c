/* SPDX-License-Identifier: BSD-3-Clause */
#include "test_card_bed.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Where a tool makes all slow (valgrind), one of the ways has to do: not "vfio-user: …", "passthrough: …". */
static __attribute__((constructor)) void choose_way(void)
{
	if (getenv("MEDIO_CARD_BED_LOCAL"))
		cmocka_set_skip_filter("?????????*: *");
}

enum card_bed_way card_bed_ways[3] = { CARD_BED_LOCAL, CARD_BED_VFIO_USER, CARD_BED_PASSED };
const struct medio_type *card_bed_passthrough;
const char *const *card_bed_passthrough_params;

/* The thread that serves, and what it is asked to do meanwhile. */
struct card_bed_thread {
	struct card_bed *bed;
	const struct medio_type *type;
	const char *const *params;
	char dir[32], path[40];
	pthread_t thread;
	int wake; /* eventfd */
	sem_t done;
	int ret; /* of the start */
	void (*fn)(void *arg);
	void *arg;
};

static int complain(const char *what, int ret, struct medio_error *err)
{
	fprintf(stderr, "card bed: %s: %s\n", what, err ? medio_error_text(err) : strerror(-ret));
	medio_error_free(err);
	return ret;
}

static int device_new(
	struct card_bed *bed, const struct medio_type *type, const char *const *params)
{
	struct medio_instance_options opts = { .params = params };
	struct medio_error *err = NULL;
	int ret = medio_loop_new(&bed->loop);

	while (params && params[opts.nparams])
		opts.nparams++;
	if (!ret)
		ret = medio_instance_new(bed->loop, type, &opts, &bed->inst, &err);
	return ret ? complain("the device", ret, err) : 0;
}

static void device_free(struct card_bed *bed)
{
	medio_instance_free(bed->inst);
	medio_loop_free(bed->loop);
	bed->inst = NULL;
	bed->loop = NULL;
}

/* ---- The thread -------------------------------------------------------------------------------- */

static void on_wake(void *opaque, uint32_t events)
{
	struct card_bed_thread *t = opaque;
	uint64_t count;

	(void)events;
	if (read(t->wake, &count, sizeof(count)) != sizeof(count))
		return;
	if (t->fn)
		t->fn(t->arg);
	else
		medio_loop_stop(t->bed->loop);
	sem_post(&t->done);
}

static void *serve(void *opaque)
{
	struct card_bed_thread *t = opaque;
	struct medio_server *server = NULL;
	struct medio_watch *watch = NULL;
	struct medio_error *err = NULL;

	t->ret = device_new(t->bed, t->type, t->params);
	if (!t->ret) {
		watch = medio_loop_watch(t->bed->loop, t->wake, EPOLLIN, on_wake, t);
		t->ret = watch ? medio_server_new(t->bed->inst, t->path, NULL, &server, &err)
			       : -ENOMEM;
		if (t->ret)
			complain("the server", t->ret, err);
	}
	int started = t->ret;
	sem_post(&t->done);
	if (!started && medio_loop_run(t->bed->loop) < 0)
		abort();
	medio_server_free(server);
	medio_watch_free(watch);
	device_free(t->bed);
	return NULL;
}

static void wait_done(struct card_bed_thread *t)
{
	while (sem_wait(&t->done))
		card_bed_must(errno == EINTR);
}

static void ask(struct card_bed_thread *t, void (*fn)(void *arg), void *arg)
{
	uint64_t one = 1;

	t->fn = fn;
	t->arg = arg;
	card_bed_must(write(t->wake, &one, sizeof(one)) == sizeof(one));
	wait_done(t);
}

static void thread_free(struct card_bed_thread *t)
{
	if (t->wake >= 0)
		close(t->wake);
	if (t->dir[0])
		rmdir(t->dir);
	sem_destroy(&t->done);
	free(t);
}

/* Signals stay the test's. */
static int thread_start(struct card_bed_thread *t)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int ret = -pthread_create(&t->thread, NULL, serve, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret)
		return complain("the thread", ret, NULL);
	wait_done(t);
	ret = t->ret;
	if (ret)
		pthread_join(t->thread, NULL);
	return ret;
}

static int thread_new(
	struct card_bed *bed, const struct medio_type *type, const char *const *params)
{
	struct card_bed_thread *t = calloc(1, sizeof(*t));
	int ret;

	if (!t)
		return -ENOMEM;
	*t = (struct card_bed_thread){ .bed = bed, .type = type, .params = params };
	sem_init(&t->done, 0, 0);
	t->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	snprintf(t->dir, sizeof(t->dir), "/tmp/card-bed-XXXXXX");
	ret = t->wake < 0 ? -errno : 0;
	if (!mkdtemp(t->dir)) {
		ret = -errno;
		t->dir[0] = '\0';
	}
	snprintf(t->path, sizeof(t->path), "%s/s", t->dir);
	if (ret)
		complain("a folder", ret, NULL);
	else
		ret = thread_start(t);
	if (ret) {
		thread_free(t);
		return ret;
	}
	snprintf(bed->uri, sizeof(bed->uri), "vfio-user:%s", t->path);
	bed->there = t;
	return 0;
}

/* What stands between: served at bed->uri, on the device at that place before. */
static int between_new(struct card_bed *bed)
{
	char device[80];
	const char *params[8] = { device };
	unsigned n = 1;

	for (; card_bed_passthrough_params && card_bed_passthrough_params[n - 1] && n < 7; n++)
		params[n] = card_bed_passthrough_params[n - 1];
	snprintf(device, sizeof(device), "device=%s", bed->uri);
	bed->between = calloc(1, sizeof(*bed->between));
	if (!bed->between)
		return -ENOMEM;
	int ret = thread_new(bed->between, card_bed_passthrough, params);
	if (!ret)
		memcpy(bed->uri, bed->between->uri, sizeof(bed->uri));
	return ret;
}

static void there_end(struct card_bed *bed)
{
	ask(bed->there, NULL, NULL);
	pthread_join(bed->there->thread, NULL);
	thread_free(bed->there);
	bed->there = NULL;
}

/* ---- The bed ----------------------------------------------------------------------------------- */

int card_bed_open_with(struct card_bed *bed, const struct medio_type *type,
	const char *const *params, enum card_bed_way way, const struct medio_card_options *opts)
{
	struct medio_error *err = NULL;
	int ret;

	*bed = (struct card_bed){ .way = way };
	if (way == CARD_BED_LOCAL) {
		ret = device_new(bed, type, params);
		if (!ret) {
			ret = medio_card_open_instance(bed->inst, &bed->card, &err);
			if (ret)
				complain("the card", ret, err);
		}
	} else {
		ret = thread_new(bed, type, params);
		if (!ret && way == CARD_BED_PASSED)
			ret = between_new(bed);
		if (!ret) {
			ret = medio_card_open(bed->uri, opts, &bed->card, &err);
			if (ret)
				complain("the card", ret, err);
		}
	}
	if (ret)
		card_bed_close(bed);
	return ret;
}

int card_bed_open(struct card_bed *bed, const struct medio_type *type, const char *const *params,
	enum card_bed_way way)
{
	return card_bed_open_with(bed, type, params, way, NULL);
}

void card_bed_close(struct card_bed *bed)
{
	medio_card_close(bed->card);
	if (bed->between && bed->between->there)
		there_end(bed->between);
	free(bed->between);
	if (bed->there)
		there_end(bed);
	else
		device_free(bed);
	*bed = (struct card_bed){ 0 };
}

void card_bed_on_device(struct card_bed *bed, void (*fn)(void *arg), void *arg)
{
	if (bed->there)
		ask(bed->there, fn, arg);
	else
		fn(arg);
}

struct stats_of {
	const struct medio_instance *inst;
	struct medio_stats stats;
};

static void copy_stats(void *arg)
{
	struct stats_of *of = arg;

	of->stats = *medio_instance_stats(of->inst);
}

struct medio_stats card_bed_stats(struct card_bed *bed)
{
	struct stats_of of = { .inst = bed->inst };

	card_bed_on_device(bed, copy_stats, &of);
	return of.stats;
}
