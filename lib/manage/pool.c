/* SPDX-License-Identifier: BSD-3-Clause */
/* Which worker an instance gets: a spare of its own, or one that it shares. */
#include "manage/process.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "manage/functions.h"
#include "manage/run.h"
#include "util/cleanup.h"
#include "util/error.h"

#define REFILL_NS     3000000u /* after a spare was taken: not within that creation */
#define REFILL_BAD_NS 5000000000u
#define MAX_SLOTS     65536u

/* ---- Slots ---------------------------------------------------------------------------------------- */

static bool slot_used(const struct medio_process *process, unsigned slot)
{
	return process->used[slot / 64] >> (slot % 64) & 1;
}

static void slot_take(struct medio_process *process, unsigned slot)
{
	process->used[slot / 64] |= 1ull << (slot % 64);
	process->nused++;
}

/* There is one. */
static unsigned slot_find(struct medio_process *process)
{
	unsigned word = process->hint / 64;

	while (!~process->used[word])
		word++;
	unsigned slot = word * 64 + (unsigned)__builtin_ctzll(~process->used[word]);
	process->hint = slot + 1 < process->nslots ? slot + 1 : slot;
	return slot;
}

static int make_slots(struct medio_process *process, unsigned count, struct medio_error **err)
{
	struct medio_wire_msg hello = { .kind = MEDIO_WIRE_HELLO, .value = MEDIO_WIRE_VERSION };
	void *map;

	process->used = calloc((count + 63) / 64, sizeof(*process->used));
	if (!process->used)
		return medio_error_set(err, ENOMEM, "out of memory");
	_cleanup_close_ int fd = medio_shared_new(
		"medio-counters", count * sizeof(union medio_shared_slot), PROT_READ, &map);
	if (fd < 0)
		return medio_error_set(
			err, -fd, "memory to share with a worker: %s", strerror(-fd));
	process->slots = map;
	process->nslots = count;
	hello.fds[hello.nfds++] = fd;
	int ret = medio_process_send(process, &hello);
	return ret ? medio_error_set(err, -ret, "a worker: %s", strerror(-ret)) : 0;
}

int medio_process_adopt_slots(struct medio_process *process, int fd)
{
	_cleanup_close_ int memory = fd;
	struct stat st;
	void *map;

	if (process->slots || (memory >= 0 && fstat(memory, &st) < 0))
		return -EPROTO;
	if (memory < 0)
		return 0;
	uint64_t count = (uint64_t)st.st_size / sizeof(union medio_shared_slot);
	if (st.st_size <= 0 || !count || count > MAX_SLOTS)
		return -EPROTO;
	if (medio_shared_map(memory, count * sizeof(union medio_shared_slot), PROT_READ, &map) < 0)
		return -EPROTO;
	process->slots = map;
	process->nslots = (unsigned)count;
	process->used = calloc((count + 63) / 64, sizeof(*process->used));
	return process->used ? 0 : -ENOMEM;
}

int medio_process_claim(struct medio_process *process, unsigned slot)
{
	if (slot >= process->nslots || slot_used(process, slot))
		return -EPROTO;
	slot_take(process, slot);
	return 0;
}

/* ---- Pools ---------------------------------------------------------------------------------------- */

static struct medio_list *bucket(struct medio_workers *workers, const void *parent, uid_t uid)
{
	size_t hash = ((uintptr_t)parent >> 6) * 31 + uid;

	return &workers->pools[(hash ^ hash >> 6 ^ hash >> 12) % MEDIO_POOL_BUCKETS];
}

static struct medio_pool *pool_find(
	struct medio_workers *workers, const struct medio_process_need *need)
{
	struct medio_list *pools = bucket(workers, need->parent, need->uid);

	medio_list_for_each (item, pools) {
		struct medio_pool *pool = medio_container_of(item, struct medio_pool, item);
		if (pool->parent == need->parent && pool->uid == need->uid &&
			pool->gid == need->gid)
			return pool;
	}
	return NULL;
}

static int pool_enter(struct medio_process *process, const struct medio_process_need *need)
{
	struct medio_workers *workers = process->workers;
	struct medio_pool *pool = pool_find(workers, need);

	if (!pool) {
		pool = calloc(1, sizeof(*pool));
		if (!pool)
			return -ENOMEM;
		pool->parent = need->parent;
		pool->uid = need->uid;
		pool->gid = need->gid;
		medio_list_init(&pool->roomy);
		medio_list_append(bucket(workers, need->parent, need->uid), &pool->item);
	}
	pool->count++;
	process->pool = pool;
	if (process->nused < process->nslots)
		medio_list_append(&pool->roomy, &process->place);
	return 0;
}

/* Also of the spares: nothing new is given to it. */
void medio_pool_leave(struct medio_process *process)
{
	struct medio_pool *pool = process->pool;

	if (process->state == MEDIO_PROCESS_SPARE && !medio_list_empty(&process->place))
		process->workers->num_spares--;
	medio_list_remove(&process->place);
	process->pool = NULL;
	if (pool && !--pool->count) {
		medio_list_remove(&pool->item);
		free(pool);
	}
}

/* ---- Take and give -------------------------------------------------------------------------------- */

/*
 * A worker is given the memory of its counters in the first message of a connection. A spare has had
 * that already, when nobody knew how many instances it would have: it gets another connection.
 */
static int take_spare(
	struct medio_workers *workers, struct medio_process **out, struct medio_error **err)
{
	while (!medio_list_empty(&workers->spares)) {
		struct medio_process *process = medio_container_of(
			workers->spares.next, struct medio_process, place);
		medio_pool_leave(process);
		process->state = MEDIO_PROCESS_SERVING;
		if (process->sock >= 0 && !medio_process_reconnect(process)) {
			*out = process;
			return 0;
		}
		medio_process_kill(process, "it does not take connections");
	}
	return medio_process_spawn(workers, out, err);
}

static int fresh(struct medio_workers *workers, const struct medio_process_need *need,
	struct medio_process **out, struct medio_error **err)
{
	struct medio_process *process;
	unsigned count = need->per_worker < MAX_SLOTS ? need->per_worker : MAX_SLOTS;

	if (workers->ending)
		return medio_error_set(err, ESHUTDOWN, "mediod is ending");
	int ret = take_spare(workers, &process, err);
	if (ret)
		return ret;
	process->state = MEDIO_PROCESS_SERVING;
	process->since = medio_now_ns();
	medio_timer_arm(workers->refill, REFILL_NS);
	if (need->vfs)
		count = 1 + MEDIO_FUNCTIONS_MAX;
	ret = make_slots(process, count ? count : 1, err);
	if (!ret && need->per_worker > 1)
		ret = pool_enter(process, need);
	if (ret) {
		medio_process_end(process);
		return ret;
	}
	*out = process;
	return 0;
}

static struct medio_process *with_room(
	struct medio_workers *workers, const struct medio_process_need *need)
{
	const struct medio_pool *pool = pool_find(workers, need);

	if (!pool)
		return NULL;
	medio_list_for_each (item, &pool->roomy) {
		struct medio_process *process = medio_container_of(
			item, struct medio_process, place);
		if (process != need->other && process->sock >= 0)
			return process;
	}
	return NULL;
}

int medio_process_take(struct medio_workers *workers, const struct medio_process_need *need,
	struct medio_process **out, unsigned *slot, struct medio_error **err)
{
	struct medio_process *process = need->per_worker > 1 ? with_room(workers, need) : NULL;

	if (!process) {
		int ret = fresh(workers, need, &process, err);
		if (ret)
			return ret;
		assert(process);
	}
	*slot = slot_find(process);
	slot_take(process, *slot);
	if (process->nused == process->nslots)
		medio_list_remove(&process->place);
	*out = process;
	return 0;
}

void medio_process_give(struct medio_process *process, unsigned slot)
{
	if (process->state == MEDIO_PROCESS_DEAD)
		return;
	if (process->used && slot < process->nslots && slot_used(process, slot)) {
		if (process->pool && process->nused == process->nslots)
			medio_list_append(&process->pool->roomy, &process->place);
		process->used[slot / 64] &= ~(1ull << (slot % 64));
		process->nused--;
		if (slot < process->hint)
			process->hint = slot;
	}
	if (process->state != MEDIO_PROCESS_SERVING || process->count ||
		!medio_list_empty(&process->stopping))
		return;
	if (!process->pool || process->workers->ending) {
		medio_process_end(process);
	} else {
		process->since = medio_now_ns();
		medio_process_expect(process);
	}
}

void medio_process_adopted(struct medio_process *process, const struct medio_process_need *need)
{
	if (process->state != MEDIO_PROCESS_ADOPTING)
		return;
	process->state = MEDIO_PROCESS_SERVING;
	process->since = medio_now_ns();
	if (process->nslots > 1 && need && need->per_worker > 1)
		pool_enter(process, need);
	if (!process->count && medio_list_empty(&process->stopping))
		medio_process_end(process);
}

/* ---- Spares --------------------------------------------------------------------------------------- */

void medio_pool_refill(void *opaque)
{
	struct medio_workers *workers = opaque;
	struct medio_wire_msg hello = { .kind = MEDIO_WIRE_HELLO, .value = MEDIO_WIRE_VERSION };
	struct medio_manager *m = workers->manager;
	struct medio_error *err = NULL;
	struct medio_process *process;

	if (workers->ending || workers->num_spares >= m->spares)
		return;
	if (medio_process_spawn(workers, &process, &err)) {
		medio_manager_log(m, MEDIO_LOG_ERROR, "no spare worker: %s", medio_error_text(err));
		medio_error_free(err);
		medio_timer_arm(workers->refill, REFILL_BAD_NS);
		return;
	}
	/* One that nobody greets ends after a while. */
	medio_process_send(process, &hello);
	medio_list_append(&workers->spares, &process->place);
	workers->num_spares++;
	if (workers->num_spares < m->spares)
		medio_timer_arm(workers->refill, REFILL_NS);
}

void medio_pool_spare_died(struct medio_workers *workers, pid_t pid, const char *words)
{
	if (workers->ending)
		return;
	medio_manager_log(
		workers->manager, MEDIO_LOG_ERROR, "a spare worker (pid %d) %s", (int)pid, words);
	medio_timer_arm(workers->refill, REFILL_BAD_NS);
}
