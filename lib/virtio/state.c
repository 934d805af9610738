/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state of a virtio device as bytes, for migration and restarts. In order, without gaps, all
 * little-endian:
 *
 *     struct head
 *     struct queue      head.num_queues of them
 *     the device's own  head.own_size bytes, what its save() gives
 *
 * It is taken while the device is quiet: no chain is in flight, so where a queue is are two numbers.
 *
 * What was live goes live again when there is memory, which after a restart is later than load(). Then,
 * too, the device is given its own bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>

#include "virtio/inside.h"

#define VERSION 1u
#define OWN_MAX (64u << 20)

/* After memory came: more may follow, that chains are in. */
#define REVIVE_NS    10000000u
#define REVIVE_TRIES 10u

struct head {
	uint8_t version[4];
	uint8_t id[2];
	uint8_t num_queues[2];
	uint8_t driver_features[8];
	uint8_t accepted[8];
	uint8_t own_size[4];
	uint8_t status;
	uint8_t generation;
	uint8_t zero[2];
};
_Static_assert(sizeof(struct head) == 32, "the head has no gaps");

struct queue {
	uint8_t desc[8];
	uint8_t driver[8];
	uint8_t device[8];
	uint8_t size[2];
	uint8_t avail[2];
	uint8_t used[2];
	uint8_t enabled;
	uint8_t zero[1];
};
_Static_assert(sizeof(struct queue) == 32, "a queue has no gaps");

#define PUT(field_, value_) medio_put_le(field_, sizeof(field_), value_)
#define GET(field_)	    medio_get_le(field_, sizeof(field_))

/* ---- Save ---------------------------------------------------------------------------------------- */

static struct medio_virtq_position position_of(const struct medio_virtio_core *core, unsigned index)
{
	struct medio_virtq_position position = { 0 };
	if (core->pending.positions)
		position = core->pending.positions[index];
	else if (medio_virtq_is_live(core->queues[index].vq))
		medio_virtq_get_position(core->queues[index].vq, &position);
	else if (core->queues[index].has_at)
		position = core->queues[index].at;
	return position;
}

static void put_queue(const struct medio_virtio_core *core, unsigned index, uint8_t *at)
{
	const struct medio_virtio_queue_regs *regs = &core->queues[index].regs;
	struct medio_virtq_position position = position_of(core, index);
	struct queue out = { .enabled = regs->enabled };
	PUT(out.desc, regs->desc);
	PUT(out.driver, regs->driver);
	PUT(out.device, regs->device);
	PUT(out.size, regs->size);
	PUT(out.avail, position.avail);
	PUT(out.used, position.used);
	memcpy(at, &out, sizeof(out));
}

/* The device's own bytes, as save() of struct medio_device_ops. */
static ssize_t save_own(struct medio_virtio_core *core, uint8_t *buf, size_t cap)
{
	const struct medio_virtio_pending *pending = &core->pending;
	if (pending->positions) {
		if (pending->size && pending->size <= cap)
			memcpy(buf, pending->bytes, pending->size);
		return (ssize_t)pending->size;
	}
	return core->ops->save ? core->ops->save(core->dev, buf, cap) : 0;
}

ssize_t medio_virtio_core_own_save(struct medio_virtio_core *core, void *buf, size_t cap)
{
	if (medio_virtio_core_in_flight(core))
		return -EBUSY;
	ssize_t own = save_own(core, buf, cap);
	return own > (ssize_t)OWN_MAX ? -EFBIG : own;
}

ssize_t medio_virtio_core_save(struct medio_virtio_core *core, void *buf, size_t cap)
{
	size_t ours = sizeof(struct head) + core->num_queues * sizeof(struct queue);
	uint8_t none[1], *bytes = buf;
	if (medio_virtio_core_in_flight(core))
		return -EBUSY;
	ssize_t own = cap > ours ? save_own(core, bytes + ours, cap - ours)
				 : save_own(core, none, 0);
	if (own < 0)
		return own;
	if ((size_t)own > OWN_MAX)
		return -EFBIG;
	if (ours + (size_t)own > cap)
		return (ssize_t)(ours + (size_t)own);
	struct head head = { .status = core->status, .generation = core->generation };
	PUT(head.version, VERSION);
	PUT(head.id, core->type->id);
	PUT(head.num_queues, core->num_queues);
	PUT(head.driver_features, core->driver_features);
	PUT(head.accepted, core->accepted);
	PUT(head.own_size, (size_t)own);
	memcpy(bytes, &head, sizeof(head));
	for (unsigned i = 0; i < core->num_queues; i++)
		put_queue(core, i, bytes + sizeof(head) + i * sizeof(struct queue));
	return (ssize_t)(ours + (size_t)own);
}

/* ---- Load ---------------------------------------------------------------------------------------- */

/* A status that a driver and this library can have brought about together. */
static bool possible(const struct medio_virtio_core *core, const struct head *head)
{
	uint64_t accepted = GET(head->accepted), chosen = GET(head->driver_features);
	uint8_t status = head->status;
	if (status & ~MEDIO_VIRTIO_STATUS_KNOWN || head->zero[0] || head->zero[1])
		return false;
	if (status & VIRTIO_CONFIG_S_DRIVER_OK && !(status & VIRTIO_CONFIG_S_FEATURES_OK))
		return false;
	if (!(status & VIRTIO_CONFIG_S_FEATURES_OK))
		return accepted == 0;
	return status & VIRTIO_CONFIG_S_DRIVER && accepted == chosen &&
	       !(accepted & ~core->offered) && accepted & MEDIO_VIRTIO_BIT(VIRTIO_F_VERSION_1);
}

/* Whether its areas are memory shows when there is some. */
static bool queue_possible(
	const struct medio_virtio_core *core, const struct head *head, const struct queue *queue)
{
	uint64_t size = GET(queue->size), limit = medio_virtio_params(core)->queue_size;
	bool packed = GET(head->accepted) >> VIRTIO_F_RING_PACKED & 1;
	if (!size || size > limit || queue->enabled > 1 || queue->zero[0])
		return false;
	if (!queue->enabled)
		return true;
	return head->status & VIRTIO_CONFIG_S_FEATURES_OK && (packed || !(size & (size - 1))) &&
	       GET(queue->desc) % 16 == 0 && GET(queue->driver) % (packed ? 4 : 2) == 0 &&
	       GET(queue->device) % 4 == 0;
}

static int check(const struct medio_virtio_core *core, const struct head *head,
	const uint8_t *queues, size_t own)
{
	if (GET(head->version) != VERSION || GET(head->id) != core->type->id ||
		GET(head->num_queues) != core->num_queues || GET(head->own_size) != own ||
		own > OWN_MAX || !possible(core, head))
		return -EINVAL;
	for (unsigned i = 0; i < core->num_queues; i++) {
		struct queue queue;
		memcpy(&queue, queues + i * sizeof(queue), sizeof(queue));
		if (!queue_possible(core, head, &queue))
			return -EINVAL;
	}
	return 0;
}

static int keep_pending(struct medio_virtio_core *core, bool positions, const uint8_t *own,
	size_t size, struct medio_virtio_pending *out)
{
	struct medio_virtio_pending pending = { .size = size };
	if (positions)
		pending.positions = calloc(core->num_queues, sizeof(*pending.positions));
	pending.bytes = malloc(size ? size : 1);
	if ((positions && !pending.positions) || !pending.bytes) {
		free(pending.positions);
		free(pending.bytes);
		return -ENOMEM;
	}
	if (size)
		memcpy(pending.bytes, own, size);
	*out = pending;
	return 0;
}

static void take_queue(struct medio_virtio_core *core, unsigned index, const uint8_t *at)
{
	struct medio_virtio_core_queue *q = &core->queues[index];
	struct medio_virtio_queue_regs *regs = &q->regs;
	struct queue in;
	memcpy(&in, at, sizeof(in));
	regs->enabled = in.enabled && !core->transport->by_queue;
	regs->size = (uint16_t)GET(in.size);
	regs->desc = GET(in.desc);
	regs->driver = GET(in.driver);
	regs->device = GET(in.device);
	q->at = (struct medio_virtq_position){
		.avail = (uint16_t)GET(in.avail),
		.used = (uint16_t)GET(in.used),
	};
	q->has_at = in.enabled && core->transport->by_queue;
	if (core->pending.positions)
		core->pending.positions[index] = q->at;
}

int medio_virtio_core_load(struct medio_virtio_core *core, const void *buf, size_t size)
{
	size_t ours = sizeof(struct head) + core->num_queues * sizeof(struct queue);
	const uint8_t *bytes = buf, *queues = bytes + sizeof(struct head);
	struct medio_virtio_pending pending = { 0 };
	struct head head;
	if (size < ours)
		return -EINVAL;
	memcpy(&head, bytes, sizeof(head));
	int ret = check(core, &head, queues, size - ours);
	if (ret)
		return ret;
	bool live = head.status & VIRTIO_CONFIG_S_DRIVER_OK &&
		    !(head.status & (VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED));
	bool by_queue = core->transport->by_queue;
	if (live)
		ret = keep_pending(core, !by_queue, bytes + ours, size - ours, &pending);
	if (ret)
		return ret;
	medio_virtio_core_reset(core);
	if (head.status & VIRTIO_CONFIG_S_FEATURES_OK && core->ops->features)
		ret = core->ops->features(core->dev, GET(head.accepted)) ? -EINVAL : 0;
	if (ret == 0 && core->ops->load_early)
		ret = core->ops->load_early(core->dev, bytes + ours, size - ours);
	if (ret == 0 && (!live || by_queue) && core->ops->load)
		ret = core->ops->load(core->dev, bytes + ours, size - ours);
	if (ret) {
		free(pending.positions);
		free(pending.bytes);
		medio_virtio_core_reset(core);
		return ret;
	}
	core->driver_features = GET(head.driver_features);
	core->accepted = GET(head.accepted);
	core->status = head.status;
	if (by_queue)
		core->status &= (uint8_t)~VIRTIO_CONFIG_S_DRIVER_OK;
	core->generation = head.generation;
	core->pending = pending;
	for (unsigned i = 0; i < core->num_queues; i++)
		take_queue(core, i, queues + i * sizeof(struct queue));
	medio_virtio_core_memory_came(core);
	return 0;
}

int medio_virtio_core_own_load(struct medio_virtio_core *core, const void *buf, size_t size)
{
	struct medio_virtio_pending pending = { 0 };
	int ret = 0;
	if (medio_virtio_core_in_flight(core) || core->pending.positions)
		return -EBUSY;
	if (size > OWN_MAX || (size && !core->ops->load))
		return -EINVAL;
	if (!medio_virtio_core_is_live(core))
		ret = keep_pending(core, false, buf, size, &pending);
	if (ret == 0 && core->ops->load_early &&
		(ret = core->ops->load_early(core->dev, buf, size)))
		free(pending.bytes);
	if (ret == 0 && core->ops->load && (ret = core->ops->load(core->dev, buf, size)))
		free(pending.bytes);
	if (ret)
		return ret < 0 ? ret : -EINVAL;
	medio_virtio_core_forget_pending(core);
	core->pending = pending;
	return 0;
}

void medio_virtio_core_own_late(struct medio_virtio_core *core)
{
	struct medio_virtio_pending pending = core->pending;
	if (pending.positions || !pending.bytes || !medio_virtio_core_is_live(core))
		return;
	core->pending = (struct medio_virtio_pending){ 0 };
	int ret = core->ops->load ? core->ops->load(core->dev, pending.bytes, pending.size) : 0;
	free(pending.bytes);
	if (ret)
		medio_virtio_core_broken(core, "the state that was loaded is not this device's");
}

void medio_virtio_core_forget_pending(struct medio_virtio_core *core)
{
	free(core->pending.positions);
	free(core->pending.bytes);
	core->pending = (struct medio_virtio_pending){ 0 };
	if (core->revive)
		medio_timer_disarm(core->revive);
}

void medio_virtio_core_forget_position(struct medio_virtio_core *core, unsigned index)
{
	/* A packed ring begins with its wrap counters set (2.8.1). */
	uint16_t beginning = medio_virtio_core_has(core, VIRTIO_F_RING_PACKED) ? 0x8000 : 0;
	if (core->pending.positions)
		core->pending.positions[index] = (struct medio_virtq_position){ beginning,
			beginning };
}

/* ---- Going on ------------------------------------------------------------------------------------------ */

static bool bus_master(const struct medio_virtio_core *core)
{
	return !(core->hold & MEDIO_VIRTIO_HOLD_MASTER);
}

/* Start what was live where it was; all of it or nothing. */
static int start_all(struct medio_virtio_core *core, char *words)
{
	for (unsigned i = 0; i < core->num_queues; i++) {
		if (!core->queues[i].regs.enabled)
			continue;
		int ret = medio_virtio_core_queue_start(
			core, i, &core->pending.positions[i], words);
		if (ret == 0)
			continue;
		while (i-- > 0)
			if (medio_virtq_is_live(core->queues[i].vq))
				medio_virtq_stop(core->queues[i].vq);
		return ret;
	}
	return 0;
}

/* The device has its own back; drivers look again, for what was lost on the way. */
static void go_on(struct medio_virtio_core *core)
{
	struct medio_virtio_pending pending = core->pending;
	core->pending = (struct medio_virtio_pending){ 0 };
	medio_virtio_core_go_live(core);
	int ret = core->ops->load ? core->ops->load(core->dev, pending.bytes, pending.size) : 0;
	free(pending.positions);
	free(pending.bytes);
	if (ret) {
		medio_virtio_core_broken(core, "the state that was loaded is not this device's");
		return;
	}
	for (unsigned i = 0; i < core->num_queues; i++)
		if (core->queues[i].told)
			core->transport->interrupt(core->opaque, i);
}

static void revive_pending(struct medio_virtio_core *core, bool force)
{
	char words[MEDIO_VIRTQ_WORDS] = "a queue cannot be started";
	int ret = start_all(core, words);
	if (ret == 0) {
		go_on(core);
	} else if (force) {
		medio_virtio_core_forget_pending(core);
		medio_virtio_core_broken(core, words);
	}
}

void medio_virtio_core_revive(struct medio_virtio_core *core, bool force)
{
	if (!core->present || !bus_master(core) || core->resetting)
		return;
	medio_virtio_core_release(core, MEDIO_VIRTIO_HOLD_CLIENT);
	if (core->pending.positions)
		revive_pending(core, force);
}

/* A client that has not yet said how it takes interrupts would miss those that make drivers look. */
static void on_revive(void *opaque)
{
	struct medio_virtio_core *core = opaque;
	if (medio_irq_kind(core->dev) < 0 && core->revive_tries++ < REVIVE_TRIES)
		medio_timer_arm(core->revive, REVIVE_NS);
	else
		medio_virtio_core_revive(core, false);
}

void medio_virtio_core_memory_came(struct medio_virtio_core *core)
{
	if (!core->pending.positions)
		return;
	if (!core->revive)
		core->revive = medio_timer_new(core->dev, on_revive, core);
	core->revive_tries = 0;
	if (core->revive)
		medio_timer_arm(core->revive, REVIVE_NS);
}
