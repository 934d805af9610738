/* SPDX-License-Identifier: BSD-3-Clause */
/* Queues that are started and stopped one by one, by transports that have no registers for it. */
#include <errno.h>
#include <stdio.h>

#include <linux/virtio_config.h>

#include "virtio/inside.h"

void medio_virtio_core_withhold(struct medio_virtio_core *core, uint64_t features)
{
	core->offered &= ~features | MEDIO_VIRTIO_BIT(VIRTIO_F_VERSION_1);
}

static int refuse(char *words, int err, unsigned index, const char *why)
{
	snprintf(words, MEDIO_VIRTQ_WORDS, "queue %u: %s", index, why);
	return err;
}

int medio_virtio_core_queue_start_at(struct medio_virtio_core *core, unsigned index,
	const struct medio_virtq_position *position, void *inflight, char *words)
{
	struct medio_virtio_core_queue *q = &core->queues[index];
	if (medio_virtq_is_live(q->vq))
		return refuse(words, -EALREADY, index, "it is started, and is live already");
	if (core->resetting || medio_virtq_in_flight(q->vq))
		return refuse(words, -EBUSY, index,
			"it is started while requests from before are under way");
	q->has_at = position != NULL;
	if (position)
		q->at = *position;
	q->inflight = inflight;
	q->regs.enabled = true;
	if (!(core->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return 0;
	/* Whoever starts a queue knows of the device. */
	medio_virtio_core_revive(core, false);
	int ret = medio_virtio_core_is_live(core)
			  ? medio_virtio_core_queue_start(core, index, position, words)
			  : refuse(words, -EIO, index,
				    "it is started, but the device needs a reset");
	if (ret) {
		q->regs.enabled = false;
		q->inflight = NULL;
		return ret;
	}
	medio_virtio_core_queue_told(core, index, true);
	return 0;
}

static void stop_live(struct medio_virtio_core *core, unsigned index)
{
	struct medio_virtio_core_queue *q = &core->queues[index];
	/* What was promised before it was ours. */
	if (medio_virtq_is_behind(q->vq) && !core->hold && medio_virtio_core_is_live(core))
		medio_virtio_core_turn(core, index, medio_virtio_polls(core, index));
	medio_virtq_pause(q->vq);
	if (medio_virtq_in_flight(q->vq))
		medio_virtio_core_drain(core);
	medio_virtq_stop(q->vq);
	medio_virtq_get_position(q->vq, &q->at);
	q->has_at = true;
	medio_virtio_core_queue_told(core, index, false);
}

void medio_virtio_core_queue_stop(
	struct medio_virtio_core *core, unsigned index, struct medio_virtq_position *position)
{
	struct medio_virtio_core_queue *q = &core->queues[index];
	/* A packed ring begins with its wrap counters set (2.8.1). */
	uint16_t beginning = medio_virtio_core_has(core, VIRTIO_F_RING_PACKED) ? 0x8000 : 0;
	if (medio_virtq_is_live(q->vq))
		stop_live(core, index);
	q->regs.enabled = false;
	q->inflight = NULL;
	*position = q->has_at ? q->at : (struct medio_virtq_position){ beginning, beginning };
}
