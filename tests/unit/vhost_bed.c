/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost_bed.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LOG_BYTES (256u << 10)

/* The thread that serves, and what it is asked to do meanwhile. */
struct vhost_bed_thread {
	const struct medio_type *type;
	const char *const *params;
	enum vhost_bed_way way;
	struct medio_vhost_options opts;
	const char *path;
	int fd;
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct medio_vhost *vhost;
	pthread_t thread;
	int wake; /* eventfd */
	sem_t done;
	int ret; /* of the start */
	void (*fn)(void *arg);
	void *arg;
	pthread_mutex_t lock; /* of log */
	char log[LOG_BYTES];
	size_t log_len;
	char words[256];
};

/* ---- The device's side ------------------------------------------------------------------------------ */

static void log_line(void *opaque, enum medio_log_level level, const char *line)
{
	struct vhost_bed_thread *t = opaque;

	(void)level;
	if (getenv("VHOST_BED_LOG"))
		fprintf(stderr, "# %s\n", line);
	pthread_mutex_lock(&t->lock);
	if (t->log_len + strlen(line) + 2 > LOG_BYTES)
		t->log_len = 0;
	t->log_len += (size_t)snprintf(t->log + t->log_len, LOG_BYTES - t->log_len, "%s\n", line);
	pthread_mutex_unlock(&t->lock);
}

static int start(struct vhost_bed_thread *t)
{
	struct medio_instance_options opts = {
		.params = t->params, .log = log_line, .log_opaque = t
	};
	struct medio_error *err = NULL;
	int ret = medio_loop_new(&t->loop);

	while (t->params && t->params[opts.nparams])
		opts.nparams++;
	if (!ret)
		ret = medio_instance_new_bare(t->loop, t->type, &opts, &t->inst, &err);
	if (!ret) {
		ret = t->way == VHOST_BED_FD
			      ? medio_vhost_new_fd(t->inst, t->fd, &t->opts, &t->vhost, &err)
			      : medio_vhost_new(t->inst, t->path, &t->opts, &t->vhost, &err);
	} else if (t->fd >= 0) {
		close(t->fd);
	}
	snprintf(t->words, sizeof(t->words), "%s", err ? medio_error_text(err) : strerror(-ret));
	medio_error_free(err);
	return ret;
}

static void on_wake(void *opaque, uint32_t events)
{
	struct vhost_bed_thread *t = opaque;
	uint64_t count;

	(void)events;
	if (read(t->wake, &count, sizeof(count)) != sizeof(count))
		return;
	if (t->fn)
		t->fn(t->arg);
	else
		medio_loop_stop(t->loop);
	sem_post(&t->done);
}

static void *serve(void *opaque)
{
	struct vhost_bed_thread *t = opaque;
	struct medio_watch *watch = NULL;

	t->ret = start(t);
	if (!t->ret) {
		watch = medio_loop_watch(t->loop, t->wake, EPOLLIN, on_wake, t);
		t->ret = watch ? 0 : -ENOMEM;
	}
	int started = t->ret;
	sem_post(&t->done);
	if (!started && medio_loop_run(t->loop) < 0)
		abort();
	medio_vhost_free(t->vhost);
	medio_watch_free(watch);
	medio_instance_free(t->inst);
	medio_loop_free(t->loop);
	return NULL;
}

/* ---- The test's side -------------------------------------------------------------------------------- */

static void wait_done(struct vhost_bed_thread *t)
{
	while (sem_wait(&t->done))
		if (errno != EINTR)
			abort();
}

static void ask(struct vhost_bed_thread *t, void (*fn)(void *arg), void *arg)
{
	uint64_t one = 1;

	t->fn = fn;
	t->arg = arg;
	if (write(t->wake, &one, sizeof(one)) != sizeof(one))
		abort();
	wait_done(t);
}

static void thread_free(struct vhost_bed_thread *t)
{
	close(t->wake);
	sem_destroy(&t->done);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* Signals stay the test's, but for those of memory that is not there. */
static void thread_start(struct vhost_bed_thread *t)
{
	sigset_t all, old;

	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGSEGV);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	assert_int_equal(pthread_create(&t->thread, NULL, serve, t), 0);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	wait_done(t);
	if (t->ret)
		fail_msg("the device: %s", t->words);
}

void vhost_bed_open_with(struct vhost_bed *bed, const struct medio_type *type,
	const char *const *params, enum vhost_bed_way way, const struct medio_vhost_options *opts)
{
	struct vhost_bed_thread *t = calloc(1, sizeof(*t));
	int pair[2] = { -1, -1 };

	assert_non_null(t);
	*bed = (struct vhost_bed){ .there = t, .fds = vhost_bed_count_fds() };
	snprintf(bed->dir, sizeof(bed->dir), "/tmp/test-vhost-XXXXXX");
	assert_non_null(mkdtemp(bed->dir));
	snprintf(bed->path, sizeof(bed->path), "%s/s", bed->dir);
	must(bed, vhost_front_open(&bed->front));
	if (way == VHOST_BED_FD) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		vhost_front_take(&bed->front, pair[0]);
	}
	t->type = type;
	t->params = params;
	t->way = way;
	t->opts = opts ? *opts : (struct medio_vhost_options){ 0 };
	t->opts.connect = way == VHOST_BED_CONNECT;
	t->path = bed->path;
	t->fd = pair[1];
	t->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(t->wake >= 0);
	sem_init(&t->done, 0, 0);
	pthread_mutex_init(&t->lock, NULL);
	thread_start(t);
}

void vhost_bed_open(struct vhost_bed *bed, const struct medio_type *type, const char *const *params,
	enum vhost_bed_way way)
{
	vhost_bed_open_with(bed, type, params, way, NULL);
}

void vhost_bed_close(struct vhost_bed *bed)
{
	struct vhost_bed_thread *t = bed->there;

	vhost_front_close(&bed->front);
	ask(t, NULL, NULL);
	pthread_join(t->thread, NULL);
	thread_free(t);
	/* Nothing of the socket is left behind. */
	assert_int_equal(rmdir(bed->dir), 0);
	assert_int_equal(vhost_bed_count_fds(), bed->fds);
}

void vhost_bed_on_device(struct vhost_bed *bed, void (*fn)(void *arg), void *arg)
{
	ask(bed->there, fn, arg);
}

struct medio_instance *vhost_bed_instance(struct vhost_bed *bed)
{
	return bed->there->inst;
}

/* ---- Looking on -------------------------------------------------------------------------------------- */

bool vhost_bed_said(struct vhost_bed *bed, const char *words)
{
	struct vhost_bed_thread *t = bed->there;

	pthread_mutex_lock(&t->lock);
	bool found = strstr(t->log, words) != NULL;
	pthread_mutex_unlock(&t->lock);
	return found;
}

void vhost_bed_forget(struct vhost_bed *bed)
{
	struct vhost_bed_thread *t = bed->there;

	pthread_mutex_lock(&t->lock);
	t->log_len = 0;
	t->log[0] = '\0';
	pthread_mutex_unlock(&t->lock);
}

unsigned vhost_bed_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

struct connected {
	struct medio_instance *inst;
	uint64_t connected;
};

static void look(void *arg)
{
	struct connected *c = arg;

	c->connected = medio_instance_stats(c->inst)->connected;
}

void vhost_bed_settle(struct vhost_bed *bed)
{
	struct connected c = { .inst = bed->there->inst };

	for (unsigned i = 0; i < 20000; i++) {
		vhost_bed_on_device(bed, look, &c);
		if (!c.connected)
			return;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	fail_msg("the device has a front-end still");
}

struct shown {
	struct medio_instance *inst;
	const char *name;
	char *buf;
	size_t size;
	ssize_t len;
};

static void show(void *arg)
{
	struct shown *s = arg;

	s->len = medio_instance_attr_show(s->inst, s->name, s->buf, s->size - 1);
}

void vhost_bed_show(struct vhost_bed *bed, const char *name, char *buf, size_t size)
{
	struct shown s = { bed->there->inst, name, buf, size, 0 };

	vhost_bed_on_device(bed, show, &s);
	assert_true(s.len >= 0);
	buf[s.len] = '\0';
}
