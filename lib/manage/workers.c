/* SPDX-License-Identifier: BSD-3-Clause */
/* All workers of a mediod: beginning and end, and what is put off until the loop comes round. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "manage/client.h"
#include "manage/run.h"

#define END_NS	6000000000ull /* they get 5 s to end before they are killed */
#define KILL_NS 2000000000ull

static void on_later(void *opaque)
{
	struct medio_workers *workers = opaque;

	medio_workers_bury_dead(workers);
	while (workers->waiters) {
		struct medio_waiter *waiter = workers->waiters;
		workers->waiters = waiter->next;
		waiter->done(waiter->opaque, waiter->ret);
		free(waiter);
	}
}

void medio_workers_later(struct medio_workers *workers)
{
	medio_timer_arm(workers->later, 0);
}

static void workers_release(struct medio_workers *workers)
{
	medio_timer_free(workers->refill);
	medio_timer_free(workers->later);
	medio_timer_free(workers->thirst);
	free(workers);
}

int medio_workers_new(struct medio_manager *m, struct medio_workers **out)
{
	struct medio_workers *workers = calloc(1, sizeof(*workers));

	if (!workers)
		return -ENOMEM;
	workers->manager = m;
	medio_list_init(&workers->processes);
	medio_list_init(&workers->spares);
	medio_list_init(&workers->dead);
	medio_list_init(&workers->partings);
	medio_list_init(&workers->starved);
	for (size_t i = 0; i < MEDIO_POOL_BUCKETS; i++)
		medio_list_init(&workers->pools[i]);
	/* Numbers that a former mediod gave out were of earlier times. */
	workers->cookie = medio_now_ns();
	workers->refill = medio_loop_timer(m->loop, medio_pool_refill, workers);
	workers->later = medio_loop_timer(m->loop, on_later, workers);
	workers->thirst = medio_loop_timer(m->loop, medio_client_on_thirst, workers);
	if (!workers->refill || !workers->later || !workers->thirst) {
		workers_release(workers);
		return -ENOMEM;
	}
	medio_timer_arm(workers->refill, 0);
	*out = workers;
	return 0;
}

/* What is left does not count spares. */
static bool nothing_left(const struct medio_workers *workers)
{
	return medio_list_empty(&workers->processes) && medio_list_empty(&workers->partings);
}

static void run_until_nothing_left(struct medio_workers *workers, uint64_t ns)
{
	uint64_t end = medio_now_ns() + ns;

	while (!nothing_left(workers) && medio_now_ns() < end)
		medio_loop_run_once(workers->manager->loop, 100);
}

static void end_all(struct medio_workers *workers)
{
	medio_list_for_each (item, &workers->processes) {
		struct medio_process *process = medio_container_of(
			item, struct medio_process, item);
		medio_run_stop_strangers(process);
		if (!process->count && medio_list_empty(&process->stopping))
			medio_process_end(process);
	}
	run_until_nothing_left(workers, END_NS);
	medio_list_for_each (item, &workers->processes) {
		medio_process_kill(medio_container_of(item, struct medio_process, item),
			"mediod ends, and it does not");
	}
	run_until_nothing_left(workers, KILL_NS);
}

void medio_workers_free(struct medio_workers *workers, bool leaving)
{
	if (!workers)
		return;
	workers->ending = true;
	if (!leaving)
		end_all(workers);
	medio_partings_free(workers);
	medio_workers_let_be(workers);
	on_later(workers);
	workers_release(workers);
}

void medio_workers_hurry(struct medio_workers *workers)
{
	medio_list_for_each (item, &workers->processes) {
		struct medio_process *process = medio_container_of(
			item, struct medio_process, item);
		if (!medio_list_empty(&process->starting))
			medio_process_kill(process, "mediod ends, and it did not start");
	}
}

bool medio_workers_settled(const struct medio_workers *workers)
{
	if (workers->waiting || workers->vfs_jobs || !medio_list_empty(&workers->partings))
		return false;
	medio_list_for_each (item, &workers->processes) {
		const struct medio_process *process = medio_container_of(
			item, struct medio_process, item);
		if (process->state == MEDIO_PROCESS_ADOPTING ||
			process->state == MEDIO_PROCESS_ENDING || process->killed ||
			!medio_list_empty(&process->starting) ||
			!medio_list_empty(&process->stopping))
			return false;
	}
	return true;
}
