/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a virtio device, its queues, and who works on them when. */
#include "virtio/core.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>

#include "virtio/inside.h"

static const struct medio_virtio_ops no_ops;

struct medio_virtio_core *medio_virtio_core_of(const struct medio_dev *dev)
{
	return ((const struct medio_virtio *)medio_priv(dev))->core;
}

bool medio_virtio_core_is_live(const struct medio_virtio_core *core)
{
	return (core->status & VIRTIO_CONFIG_S_DRIVER_OK) &&
	       !(core->status & (VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED)) &&
	       !core->resetting && !core->pending.positions;
}

static bool has_chains(const struct medio_virtio_core_queue *q)
{
	return q->vq && medio_virtq_in_flight(q->vq);
}

unsigned medio_virtio_core_in_flight(const struct medio_virtio_core *core)
{
	unsigned sum = 0;
	for (unsigned i = 0; i < core->num_queues; i++)
		if (has_chains(&core->queues[i]))
			sum += medio_virtq_in_flight(core->queues[i].vq);
	return sum;
}

/* ---- Work ----------------------------------------------------------------------------------------- */

static void no_kick(struct medio_dev *dev, struct medio_virtq *queue)
{
	(void)dev;
	(void)queue;
}

bool medio_virtio_core_turn(struct medio_virtio_core *core, unsigned index, bool poll)
{
	return medio_virtq_turn(
		core->queues[index].vq, core->ops->kick ? core->ops->kick : no_kick, poll);
}

void medio_virtio_core_again(struct medio_virtio_core *core, unsigned index)
{
	core->queues[index].again = true;
	medio_timer_arm(core->again, 0);
}

/* Whoever waited for chains in flight goes on. Not from within medio_virtq_push(): the device is in the
 * middle of something there. */
static void after_idle(struct medio_virtio_core *core)
{
	medio_virtio_core_flush(core);
	for (unsigned i = 0; i < core->num_queues; i++)
		medio_virtio_core_reset_idle(core, i);
	if (core->quiescing && !medio_virtio_core_in_flight(core)) {
		core->quiescing = false;
		medio_quiesce_done(core->dev);
	}
}

/* One round: a turn for each queue that wants one. The timer is armed again by those that have more, so
 * that other devices on the loop are served in between. */
static void on_again(void *opaque)
{
	struct medio_virtio_core *core = opaque;
	after_idle(core);
	unsigned first = core->next_again++;
	for (unsigned i = 0; i < core->num_queues; i++) {
		unsigned index = (first + i) % core->num_queues;
		struct medio_virtio_core_queue *q = &core->queues[index];
		if (!q->again || core->hold)
			continue;
		q->again = false;
		if (medio_virtio_core_is_live(core) && q->told)
			medio_virtio_core_turn(core, index, medio_virtio_polls(core, index));
	}
}

void medio_virtio_core_kick(struct medio_virtio_core *core, unsigned index)
{
	if (index >= core->num_queues) {
		medio_guest_error(core->dev, "queue %u is notified, which there is not (%u queues)",
			index, core->num_queues);
		return;
	}
	struct medio_virtio_core_queue *q = &core->queues[index];
	/* If that is a driver's mistake, its transport knows and says so: an eventfd may just be late. */
	if (!(core->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	medio_virtio_core_revive(core, true);
	if (!medio_virtio_core_is_live(core) || !medio_virtq_is_live(q->vq))
		return;
	medio_virtq_kicked(q->vq);
	if (core->hold) {
		q->again = true;
		return;
	}
	medio_virtio_poll_wake(core, index);
	medio_virtio_core_turn(core, index, medio_virtio_polls(core, index));
}

void medio_virtio_core_flush(struct medio_virtio_core *core)
{
	for (unsigned i = 0; i < core->num_queues; i++)
		if (medio_virtq_is_live(core->queues[i].vq))
			medio_virtq_flush(core->queues[i].vq);
}

void medio_virtio_core_drain(struct medio_virtio_core *core)
{
	if (medio_virtio_core_in_flight(core) && core->ops->drain)
		core->ops->drain(core->dev);
	medio_virtio_core_flush(core);
	unsigned left = medio_virtio_core_in_flight(core);
	if (left)
		medio_log(core->dev, MEDIO_LOG_ERROR,
			"%u requests are still under way though the device was to give them back: "
			"its drain() is missing or wrong",
			left);
}

/* ---- What its queues say ----------------------------------------------------------------------------- */

static void on_broken(void *opaque, struct medio_virtq *queue, const char *words)
{
	(void)queue;
	medio_virtio_core_broken(opaque, words);
}

static void on_interrupt(void *opaque, struct medio_virtq *queue)
{
	struct medio_virtio_core *core = opaque;
	medio_virtio_poll_wake(core, medio_virtq_index(queue));
	core->transport->interrupt(core->opaque, medio_virtq_index(queue));
}

static void on_idle(void *opaque, struct medio_virtq *queue)
{
	struct medio_virtio_core *core = opaque;
	(void)queue;
	medio_timer_arm(core->again, 0);
}

static void on_again_wanted(void *opaque, struct medio_virtq *queue)
{
	medio_virtio_core_again(opaque, medio_virtq_index(queue));
}

static const struct medio_virtq_owner owner = {
	.broken = on_broken,
	.interrupt = on_interrupt,
	.idle = on_idle,
	.again = on_again_wanted,
};

/* ---- Queues --------------------------------------------------------------------------------------------- */

int medio_virtio_core_queue_start(struct medio_virtio_core *core, unsigned index,
	const struct medio_virtq_position *position, char *words)
{
	const struct medio_virtio_core_queue *q = &core->queues[index];
	const struct medio_virtq_setup setup = {
		.size = q->regs.size,
		.longest = q->regs.max_size,
		.packed = medio_virtio_core_has(core, VIRTIO_F_RING_PACKED),
		.event_idx = medio_virtio_core_has(core, MEDIO_VIRTIO_EVENT_IDX),
		.indirect = medio_virtio_core_has(core, MEDIO_VIRTIO_INDIRECT_DESC),
		.in_order = medio_virtio_core_has(core, VIRTIO_F_IN_ORDER),
		.desc = q->regs.desc,
		.driver = q->regs.driver,
		.device = q->regs.device,
		.request_size = core->type->request_size,
		.inflight = q->inflight,
	};
	int ret = medio_virtq_start(q->vq, &setup, position, words);
	if (ret == 0 && core->hold)
		medio_virtq_pause(q->vq);
	return ret;
}

void medio_virtio_core_queue_told(struct medio_virtio_core *core, unsigned index, bool live)
{
	struct medio_virtio_core_queue *q = &core->queues[index];
	if (q->told == live)
		return;
	q->told = live;
	if (core->ops->queue)
		core->ops->queue(core->dev, q->vq, live);
	/* What the driver put there before it could notify us. */
	if (live)
		medio_virtio_core_again(core, index);
	else
		q->again = false;
	/* What was shown by one that was killed then, nobody may have told the driver. */
	if (live && q->inflight)
		core->transport->interrupt(core->opaque, index);
}

unsigned medio_virtio_core_num_queues(const struct medio_virtio_core *core)
{
	return core->num_queues;
}

struct medio_virtio_queue_regs *medio_virtio_core_queue(
	struct medio_virtio_core *core, unsigned index)
{
	return index < core->num_queues ? &core->queues[index].regs : NULL;
}

/* ---- Hold and release -------------------------------------------------------------------------------------- */

void medio_virtio_core_hold(struct medio_virtio_core *core, unsigned why)
{
	core->hold |= why;
	medio_virtio_poll_hold(core);
	for (unsigned i = 0; i < core->num_queues; i++)
		if (medio_virtq_is_live(core->queues[i].vq))
			medio_virtq_pause(core->queues[i].vq);
}

void medio_virtio_core_release(struct medio_virtio_core *core, unsigned why)
{
	if (!(core->hold & why))
		return;
	core->hold &= ~why;
	if (core->hold || !medio_virtio_core_is_live(core))
		return;
	for (unsigned i = 0; i < core->num_queues; i++) {
		if (!medio_virtq_is_live(core->queues[i].vq))
			continue;
		medio_virtq_resume(core->queues[i].vq);
		medio_virtio_core_again(core, i);
	}
	medio_virtio_poll_hold(core);
}

int medio_virtio_core_quiesce(struct medio_virtio_core *core)
{
	medio_virtio_core_hold(core, MEDIO_VIRTIO_HOLD_QUIET);
	medio_virtio_core_flush(core);
	core->quiescing = medio_virtio_core_in_flight(core);
	return core->quiescing ? -EBUSY : 0;
}

void medio_virtio_core_resume(struct medio_virtio_core *core)
{
	core->quiescing = false;
	medio_virtio_core_release(core, MEDIO_VIRTIO_HOLD_QUIET);
	/* A migration ends with this. */
	medio_virtio_core_memory_came(core);
}

void medio_virtio_core_set_master(struct medio_virtio_core *core, bool on)
{
	if (!on) {
		medio_virtio_core_hold(core, MEDIO_VIRTIO_HOLD_MASTER);
		return;
	}
	medio_virtio_core_release(core, MEDIO_VIRTIO_HOLD_MASTER);
	medio_virtio_core_memory_came(core);
}

void medio_virtio_core_client(struct medio_virtio_core *core, bool present)
{
	core->present = present;
	if (!present && (core->status & VIRTIO_CONFIG_S_DRIVER_OK))
		medio_virtio_core_hold(core, MEDIO_VIRTIO_HOLD_CLIENT);
}

void medio_virtio_core_memory_changed(struct medio_virtio_core *core, bool goes)
{
	if (!goes) {
		medio_virtio_core_memory_came(core);
		/* A ring may be in it that has rested since its memory went. */
		for (unsigned i = 0; i < core->num_queues; i++)
			if (medio_virtq_is_live(core->queues[i].vq))
				medio_virtio_core_again(core, i);
		return;
	}
	medio_virtio_core_drain(core);
	for (unsigned i = 0; i < core->num_queues; i++)
		if (medio_virtq_is_live(core->queues[i].vq))
			medio_virtq_forget(core->queues[i].vq);
}

/* ---- For devices ---------------------------------------------------------------------------------------------- */

void medio_virtio_offer(struct medio_dev *dev, uint64_t features)
{
	struct medio_virtio_core *core = medio_virtio_core_of(dev);
	if (core->in_init)
		core->offered |= features;
}

void medio_virtio_withdraw(struct medio_dev *dev, uint64_t features)
{
	struct medio_virtio_core *core = medio_virtio_core_of(dev);
	if (core->in_init)
		core->offered &= ~features | MEDIO_VIRTIO_BIT(VIRTIO_F_VERSION_1);
}

void medio_virtio_set_queues(struct medio_dev *dev, unsigned n)
{
	struct medio_virtio_core *core = medio_virtio_core_of(dev);
	if (core->in_init && n && n <= core->type->max_queues)
		core->num_queues = n;
}

uint64_t medio_virtio_accepted(const struct medio_dev *dev)
{
	return medio_virtio_core_of(dev)->accepted;
}

bool medio_virtio_has(const struct medio_dev *dev, unsigned bit)
{
	return bit < 64 && medio_virtio_core_has(medio_virtio_core_of(dev), bit);
}

bool medio_virtio_is_live(const struct medio_dev *dev)
{
	return medio_virtio_core_is_live(medio_virtio_core_of(dev));
}

struct medio_virtq *medio_virtio_queue(struct medio_dev *dev, unsigned index)
{
	struct medio_virtio_core *core = medio_virtio_core_of(dev);
	if (index >= core->num_queues || !medio_virtio_core_is_live(core) ||
		!medio_virtq_is_live(core->queues[index].vq))
		return NULL;
	return core->queues[index].vq;
}

/* ---- Life -------------------------------------------------------------------------------------------------- */

static int check_type(struct medio_dev *dev, const struct medio_virtio_type *type)
{
	const struct medio_type *card = medio_dev_type(dev);
	const struct medio_virtio *params = medio_priv(dev);
	if (!type)
		return medio_fail(dev, EINVAL,
			"%s: its type has no struct medio_virtio_type (data)", card->name);
	if (card->state_size < sizeof(struct medio_virtio))
		return medio_fail(dev, EINVAL,
			"%s: its state does not begin with a struct medio_virtio", card->name);
	if (!type->max_queues || type->max_queues > MEDIO_VIRTIO_MAX_QUEUES)
		return medio_fail(dev, EINVAL, "%s: %u queues (allowed: 1 to %u)", card->name,
			type->max_queues, MEDIO_VIRTIO_MAX_QUEUES);
	if (type->config_size > 4096)
		return medio_fail(dev, EINVAL, "%s: %u bytes of configuration (allowed: 0 to 4096)",
			card->name, type->config_size);
	if (!params->queue_size || params->queue_size > MEDIO_VIRTIO_MAX_QUEUE_SIZE ||
		params->queue_size & (params->queue_size - 1))
		return medio_fail(dev, EINVAL,
			"queue-size=%llu is not a power of two (allowed: 2, 4, 8 to %u)",
			(unsigned long long)params->queue_size, MEDIO_VIRTIO_MAX_QUEUE_SIZE);
	return 0;
}

static uint64_t generic_features(const struct medio_virtio *params)
{
	uint64_t bits = MEDIO_VIRTIO_BIT(VIRTIO_F_VERSION_1);
	const struct {
		bool on;
		unsigned bit;
	} all[] = {
		{ params->indirect, MEDIO_VIRTIO_INDIRECT_DESC },
		{ params->event_idx, MEDIO_VIRTIO_EVENT_IDX },
		{ params->platform, VIRTIO_F_ACCESS_PLATFORM },
		{ params->packed, VIRTIO_F_RING_PACKED },
		{ params->in_order, VIRTIO_F_IN_ORDER },
		{ params->order_platform, VIRTIO_F_ORDER_PLATFORM },
		{ params->notification_data, MEDIO_VIRTIO_NOTIFICATION_DATA },
		{ params->ring_reset, VIRTIO_F_RING_RESET },
	};
	for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (all[i].on)
			bits |= MEDIO_VIRTIO_BIT(all[i].bit);
	return bits;
}

static int make_queues(struct medio_virtio_core *core)
{
	core->queues = calloc(core->num_queues, sizeof(*core->queues));
	if (!core->queues)
		return -ENOMEM;
	for (unsigned i = 0; i < core->num_queues; i++) {
		struct medio_virtio_queue_regs *regs = &core->queues[i].regs;
		int ret = medio_virtq_new(core->dev, i, &owner, core, &core->queues[i].vq);
		if (ret)
			return ret;
		regs->size = regs->max_size = (uint16_t)medio_virtio_params(core)->queue_size;
	}
	return 0;
}

static int make_parts(struct medio_virtio_core *core)
{
	core->again = medio_timer_new(core->dev, on_again, core);
	core->config = calloc(1, core->type->config_size ? core->type->config_size : 1);
	if (!core->again || !core->config)
		return -ENOMEM;
	int ret = make_queues(core);
	return ret ? ret : medio_virtio_poll_init(core);
}

static void free_parts(struct medio_virtio_core *core)
{
	medio_virtio_poll_fini(core);
	medio_virtio_core_forget_pending(core);
	medio_timer_free(core->again);
	medio_timer_free(core->revive);
	for (unsigned i = 0; core->queues && i < core->num_queues; i++)
		medio_virtq_free(core->queues[i].vq);
	free(core->queues);
	free(core->config);
	medio_virtio_params(core)->core = NULL;
	free(core);
}

int medio_virtio_core_new(struct medio_dev *dev, const struct medio_virtio_transport *transport,
	void *opaque, struct medio_virtio_core **out)
{
	const struct medio_virtio_type *type = medio_dev_type(dev)->data;
	int ret = check_type(dev, type);
	if (ret)
		return ret;
	struct medio_virtio_core *core = calloc(1, sizeof(*core));
	if (!core)
		return -ENOMEM;
	core->dev = dev;
	core->type = type;
	core->ops = type->ops ? type->ops : &no_ops;
	core->transport = transport;
	core->opaque = opaque;
	core->num_queues = type->max_queues;
	medio_virtio_params(core)->core = core;
	core->offered = type->features | generic_features(medio_virtio_params(core));
	/* 6.5: of a card that has the capability. */
	if (medio_dev_type(dev)->sriov)
		core->offered |= MEDIO_VIRTIO_BIT(VIRTIO_F_SR_IOV);

	core->in_init = true;
	ret = core->ops->init ? core->ops->init(dev) : 0;
	core->in_init = false;
	if (ret) {
		core->num_queues = 0;
		free_parts(core);
		return ret;
	}
	ret = make_parts(core);
	if (ret) {
		if (core->ops->fini)
			core->ops->fini(dev);
		free_parts(core);
		return ret == -ENOMEM ? medio_fail(dev, ENOMEM, "out of memory") : ret;
	}
	*out = core;
	return 0;
}

void medio_virtio_core_free(struct medio_virtio_core *core)
{
	if (!core)
		return;
	if (core->ops->fini)
		core->ops->fini(core->dev);
	free_parts(core);
}
