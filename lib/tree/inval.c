/* SPDX-License-Identifier: BSD-3-Clause */
#define FUSE_USE_VERSION 34

#include "tree/inval.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <fuse3/fuse_lowlevel.h>

struct order {
	struct order *next;
	uint64_t dir;
	bool whole; /* the folder itself */
	char name[];
};

struct medio_inval {
	struct fuse_session *session;
	pthread_t thread;
	int event;
	uint64_t queued; /* of the thread that queues */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* Under the lock: */
	struct order *first, **last;
	uint64_t done;
	bool stop, stopped;
};

static void carry_out(struct medio_inval *inval, const struct order *order)
{
	/* Not remembered is as good as forgotten, and what has been unmounted remembers nothing. */
	if (order->whole)
		fuse_lowlevel_notify_inval_inode(inval->session, order->dir, -1, 0);
	else
		fuse_lowlevel_notify_inval_entry(
			inval->session, order->dir, order->name, strlen(order->name));
}

static void wake_owner(struct medio_inval *inval)
{
	uint64_t one = 1;
	ssize_t ret;

	do
		ret = write(inval->event, &one, sizeof(one));
	while (ret < 0 && errno == EINTR);
}

static void *run(void *opaque)
{
	struct medio_inval *inval = opaque;
	struct order *order;

	pthread_mutex_lock(&inval->lock);
	while (!inval->stop) {
		order = inval->first;
		if (!order) {
			pthread_cond_wait(&inval->wake, &inval->lock);
			continue;
		}
		inval->first = order->next;
		if (!inval->first)
			inval->last = &inval->first;
		pthread_mutex_unlock(&inval->lock);
		carry_out(inval, order);
		free(order);
		pthread_mutex_lock(&inval->lock);
		inval->done++;
		if (!inval->first)
			wake_owner(inval);
	}
	inval->stopped = true;
	pthread_mutex_unlock(&inval->lock);
	wake_owner(inval);
	return NULL;
}

static int start(struct medio_inval *inval)
{
	sigset_t all, old;
	int ret;

	/* Signals are for the others. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = -pthread_create(&inval->thread, NULL, run, inval);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

int medio_inval_new(struct fuse_session *session, struct medio_inval **out)
{
	struct medio_inval *inval = calloc(1, sizeof(*inval));
	int ret;

	if (!inval)
		return -ENOMEM;
	inval->session = session;
	inval->last = &inval->first;
	inval->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (inval->event < 0) {
		ret = -errno;
		free(inval);
		return ret;
	}
	pthread_mutex_init(&inval->lock, NULL);
	pthread_cond_init(&inval->wake, NULL);
	ret = start(inval);
	if (ret < 0) {
		close(inval->event);
		free(inval);
		return ret;
	}
	*out = inval;
	return 0;
}

void medio_inval_stop(struct medio_inval *inval)
{
	pthread_mutex_lock(&inval->lock);
	inval->stop = true;
	pthread_cond_signal(&inval->wake);
	pthread_mutex_unlock(&inval->lock);
}

bool medio_inval_stopped(struct medio_inval *inval)
{
	bool stopped;

	pthread_mutex_lock(&inval->lock);
	stopped = inval->stopped;
	pthread_mutex_unlock(&inval->lock);
	return stopped;
}

void medio_inval_free(struct medio_inval *inval)
{
	struct order *next;

	if (!inval)
		return;
	pthread_join(inval->thread, NULL);
	for (struct order *order = inval->first; order; order = next) {
		next = order->next;
		free(order);
	}
	pthread_cond_destroy(&inval->wake);
	pthread_mutex_destroy(&inval->lock);
	close(inval->event);
	free(inval);
}

void medio_inval_leave(struct medio_inval *inval)
{
	pthread_detach(inval->thread);
}

void medio_inval_add(struct medio_inval *inval, uint64_t dir, const char *name)
{
	size_t len = name ? strlen(name) : 0;
	struct order *order = malloc(sizeof(*order) + len + 1);

	/* Out of memory: the kernel forgets by itself, later. */
	if (!order)
		return;
	order->next = NULL;
	order->dir = dir;
	order->whole = !name;
	memcpy(order->name, name ? name : "", len + 1);
	inval->queued++;
	pthread_mutex_lock(&inval->lock);
	*inval->last = order;
	inval->last = &order->next;
	pthread_cond_signal(&inval->wake);
	pthread_mutex_unlock(&inval->lock);
}

uint64_t medio_inval_queued(const struct medio_inval *inval)
{
	return inval->queued;
}

uint64_t medio_inval_done(struct medio_inval *inval)
{
	uint64_t done;

	pthread_mutex_lock(&inval->lock);
	done = inval->done;
	pthread_mutex_unlock(&inval->lock);
	return done;
}

int medio_inval_fd(const struct medio_inval *inval)
{
	return inval->event;
}
