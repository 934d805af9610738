/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Steps in threads, for machines without io_uring. The threads are made when the disk is opened: later a
 * worker is locked in. They make system calls on the file and nothing else; what has ended comes back to
 * the device's thread in a row, and an eventfd says so.
 */
#include "disk/file.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define THREADS	   8u
#define STACK_SIZE (128u << 10)

struct pool {
	struct disk_file *file;
	int event; /* something is in `done` */
	struct medio_watch *watch;
	pthread_t threads[THREADS];
	unsigned nthreads;
	unsigned posted; /* device's thread: in todo, not told of yet */

	pthread_mutex_t lock;
	pthread_cond_t wanted, ended;
	/* Under lock. */
	struct disk_row todo, done;
	bool stop;
	/* Written under lock, looked at without. */
	unsigned num_done;
};

/* ---- A thread's -------------------------------------------------------------------------------------- */

static struct disk_request *next(struct pool *pool)
{
	struct disk_request *req;

	pthread_mutex_lock(&pool->lock);
	while (!(req = disk_row_take(&pool->todo)) && !pool->stop)
		pthread_cond_wait(&pool->wanted, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
	return req;
}

static void end(struct pool *pool, struct disk_request *req)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&pool->lock);
	bool first = !pool->done.first;
	disk_row_put(&pool->done, req);
	__atomic_fetch_add(&pool->num_done, 1, __ATOMIC_RELEASE);
	pthread_cond_signal(&pool->ended);
	pthread_mutex_unlock(&pool->lock);
	/* It cannot be full: it is read before the row is taken. */
	if (first && write(pool->event, &one, sizeof(one)) < 0)
		abort();
}

static void *run(void *opaque)
{
	struct pool *pool = opaque;
	struct disk_request *req;

	while ((req = next(pool))) {
		req->own.ret = disk_step_run(pool->file->fd, &req->own.step);
		end(pool, req);
	}
	return NULL;
}

/* ---- The device's ------------------------------------------------------------------------------------- */

static void pool_submit(struct disk_file *file, struct disk_request *req)
{
	struct pool *pool = file->state;

	file->disk.counts.threads++;
	file->disk.counts.calls++;
	pthread_mutex_lock(&pool->lock);
	disk_row_put(&pool->todo, req);
	pthread_mutex_unlock(&pool->lock);
	pool->posted++;
}

static void pool_kick(struct disk_file *file)
{
	struct pool *pool = file->state;

	for (; pool->posted; pool->posted--)
		pthread_cond_signal(&pool->wanted);
}

/* Those that have ended. */
static struct disk_row take(struct pool *pool)
{
	struct disk_row row;

	disk_row_init(&row);
	if (pool->done.first) {
		row = pool->done;
		disk_row_init(&pool->done);
	}
	__atomic_store_n(&pool->num_done, 0, __ATOMIC_RELAXED);
	return row;
}

static void finish(struct pool *pool, struct disk_request *first)
{
	while (first) {
		struct disk_request *req = first;
		first = req->own.next;
		disk_file_stepped(pool->file, req, req->own.ret);
	}
}

static bool pool_poll(struct disk_file *file)
{
	struct pool *pool = file->state;

	if (!__atomic_load_n(&pool->num_done, __ATOMIC_ACQUIRE))
		return false;
	pthread_mutex_lock(&pool->lock);
	struct disk_request *first = take(pool).first;
	pthread_mutex_unlock(&pool->lock);
	finish(pool, first);
	return first;
}

static void pool_wait(struct disk_file *file)
{
	struct pool *pool = file->state;

	pool_kick(file);
	pthread_mutex_lock(&pool->lock);
	while (!pool->done.first)
		pthread_cond_wait(&pool->ended, &pool->lock);
	struct disk_request *first = take(pool).first;
	pthread_mutex_unlock(&pool->lock);
	finish(pool, first);
}

static void on_event(void *opaque, uint32_t events)
{
	struct pool *pool = opaque;
	uint64_t count;

	(void)events;
	/* First the signal, then the row: what comes between signals again. */
	ssize_t got = read(pool->event, &count, sizeof(count));
	(void)got;
	pool_poll(pool->file);
}

static void pool_free(struct disk_file *file)
{
	struct pool *pool = file->state;

	pthread_mutex_lock(&pool->lock);
	pool->stop = true;
	pthread_cond_broadcast(&pool->wanted);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->nthreads; i++)
		pthread_join(pool->threads[i], NULL);
	medio_watch_free(pool->watch);
	if (pool->event >= 0)
		close(pool->event);
	pthread_cond_destroy(&pool->wanted);
	pthread_cond_destroy(&pool->ended);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

static const struct disk_engine pool_engine = {
	.name = "threads",
	.free = pool_free,
	.submit = pool_submit,
	.kick = pool_kick,
	.poll = pool_poll,
	.wait = pool_wait,
};

/* Signals are the program's. */
static int start(struct pool *pool)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int ret = 0;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (!ret && pool->nthreads < THREADS) {
		ret = -pthread_create(&pool->threads[pool->nthreads], &attr, run, pool);
		pool->nthreads += !ret;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	/* Fewer will do. */
	return pool->nthreads ? 0 : ret;
}

int disk_pool_new(struct disk_file *file)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	int ret;

	if (!pool)
		return -ENOMEM;
	pool->file = file;
	disk_row_init(&pool->todo);
	disk_row_init(&pool->done);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->wanted, NULL);
	pthread_cond_init(&pool->ended, NULL);
	file->state = pool;
	pool->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = pool->event < 0 ? -errno : 0;
	if (!ret) {
		pool->watch = medio_watch_new(file->disk.dev, pool->event, EPOLLIN, on_event, pool);
		ret = pool->watch ? start(pool) : -ENOMEM;
	}
	if (ret) {
		pool_free(file);
		return ret;
	}
	file->engine = &pool_engine;
	return 0;
}
