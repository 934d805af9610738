/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Looking for work without being told. With poll=on that is all the time that the device is live, and
 * drivers are asked not to notify it. With poll=adaptive it begins with a notification or an interrupt,
 * and ends when there was no work for poll-time; notifications are then asked for again, which finds
 * what came at the last moment. With poll-queues that is so of these queues, and the others notify at all
 * times.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "virtio/inside.h"

/* Rounds without work between two looks at the clock. */
#define IDLE_ROUNDS 32

static enum medio_virtio_poll mode(const struct medio_virtio_core *core)
{
	return core->polling.always ? MEDIO_VIRTIO_POLL_ON
				    : (enum medio_virtio_poll)medio_virtio_params(core)->poll;
}

/* Drivers that cannot notify have each queue polled. */
static bool polled(const struct medio_virtio_core *core, unsigned index)
{
	return !core->queues[index].quiet || core->polling.always;
}

bool medio_virtio_polls(const struct medio_virtio_core *core, unsigned index)
{
	return core->polling.awake && polled(core, index);
}

uint64_t medio_virtio_thread_cpu_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void set_awake(struct medio_virtio_core *core, bool awake)
{
	struct medio_virtio_polling *p = &core->polling;
	if (!p->poller || p->awake == awake)
		return;
	uint64_t now = medio_now_ns();
	if (awake) {
		p->woke_ns = now;
		p->wakes++;
	} else {
		p->awake_ns += now - p->woke_ns;
	}
	p->awake = awake;
	p->idle = 0;
	medio_poller_set_awake(p->poller, awake);
}

/* Ask drivers for notifications. True: there is work already. */
static bool arm(struct medio_virtio_core *core)
{
	bool more = false;
	for (unsigned i = 0; i < core->num_queues; i++)
		if (core->queues[i].told && medio_virtq_is_live(core->queues[i].vq))
			more |= medio_virtq_arm(core->queues[i].vq);
	return more;
}

/* Has there been no work for so long that adaptive polling ends? */
static void try_to_sleep(struct medio_virtio_core *core)
{
	struct medio_virtio_polling *p = &core->polling;
	p->idle++;
	if (p->idle == 1) {
		p->worked_ns = medio_now_ns();
		return;
	}
	if (p->idle % IDLE_ROUNDS ||
		medio_now_ns() - p->worked_ns < medio_virtio_params(core)->poll_time)
		return;
	if (arm(core))
		p->idle = 0;
	else
		set_awake(core, false);
}

static bool one_round(void *opaque)
{
	struct medio_virtio_core *core = opaque;
	struct medio_virtio_polling *p = &core->polling;
	bool found = false;
	p->rounds++;
	for (unsigned i = 0; i < core->num_queues; i++)
		if (core->queues[i].told && polled(core, i) &&
			medio_virtq_is_live(core->queues[i].vq))
			found |= medio_virtio_core_turn(core, i, true);
	if (core->ops->poll && p->awake && core->ops->poll(core->dev)) {
		found = true;
		medio_virtio_core_flush(core);
	}
	if (found) {
		p->productive++;
		p->idle = 0;
	} else if (p->awake && mode(core) == MEDIO_VIRTIO_POLL_ADAPTIVE) {
		try_to_sleep(core);
	}
	return found;
}

void medio_virtio_poll_wake(struct medio_virtio_core *core, unsigned index)
{
	if (!polled(core, index) || mode(core) != MEDIO_VIRTIO_POLL_ADAPTIVE || core->hold ||
		!medio_virtio_core_is_live(core))
		return;
	core->polling.idle = 0;
	set_awake(core, true);
}

void medio_virtio_poll_hold(struct medio_virtio_core *core)
{
	if (!core->polling.poller)
		return;
	if (core->hold) {
		/* Whoever comes back later may have to notify us. */
		if (core->polling.awake)
			arm(core);
		set_awake(core, false);
	} else if (medio_virtio_core_is_live(core)) {
		set_awake(core, true);
	}
}

void medio_virtio_poll_live(struct medio_virtio_core *core, bool live)
{
	core->polling.live_ns = live ? medio_now_ns() : 0;
	core->polling.live_cpu_ns = live ? medio_virtio_thread_cpu_ns() : 0;
	set_awake(core, live && !core->hold);
}

/* A number, or as text does not begin with one, -1. */
static long take_number(const char **text)
{
	char *end;
	if (**text < '0' || **text > '9')
		return -1;
	long value = strtol(*text, &end, 10);
	*text = end;
	return value;
}

/* "0,2-3" of the parameter. */
static int choose_queues(struct medio_virtio_core *core, const char *text)
{
	const char *at = text;
	for (unsigned i = 0; i < core->num_queues; i++)
		core->queues[i].quiet = true;
	do {
		long first = take_number(&at), last = first;
		if (*at == '-') {
			at++;
			last = take_number(&at);
		}
		if (first < 0 || last < first || last >= (long)core->num_queues ||
			(*at && *at != ','))
			return medio_fail(core->dev, EINVAL,
				"poll-queues=%s: queues of this device are 0 to %u; a list is 0,2 "
				"or 0,2-3",
				text, core->num_queues - 1);
		for (long i = first; i <= last; i++)
			core->queues[i].quiet = false;
	} while (*at++);
	return 0;
}

int medio_virtio_poll_init(struct medio_virtio_core *core)
{
	const char *queues = medio_virtio_params(core)->poll_queues;
	if (queues && medio_virtio_params(core)->poll == MEDIO_VIRTIO_POLL_OFF)
		return medio_fail(core->dev, EINVAL,
			"poll-queues=%s: only with poll=on or poll=adaptive", queues);
	int ret = queues ? choose_queues(core, queues) : 0;
	if (ret || mode(core) == MEDIO_VIRTIO_POLL_OFF)
		return ret;
	core->polling.poller = medio_poller_new(core->dev, one_round, core);
	return core->polling.poller ? 0 : -ENOMEM;
}

void medio_virtio_poll_fini(struct medio_virtio_core *core)
{
	medio_poller_free(core->polling.poller);
	core->polling.poller = NULL;
}

void medio_virtio_core_poll_always(struct medio_virtio_core *core, bool on)
{
	struct medio_virtio_polling *p = &core->polling;
	if (p->always == on)
		return;
	p->always = on;
	if (on && !p->poller && medio_virtio_poll_init(core)) {
		medio_log(core->dev, MEDIO_LOG_ERROR,
			"out of memory: nobody looks for work in queues that cannot notify");
	} else if (!on) {
		if (p->awake)
			arm(core);
		set_awake(core, false);
		if (mode(core) == MEDIO_VIRTIO_POLL_OFF)
			medio_virtio_poll_fini(core);
	}
	medio_virtio_poll_hold(core);
}
