/* SPDX-License-Identifier: BSD-3-Clause */
/* Queues (4.1.5.1.3): step 7 of the initialisation makes them. */
#include "virtio_inside.h"

#include <errno.h>
#include <stdlib.h>

/* The largest that the device, the driver and the options allow. */
static int agree_size(struct virtio_queue *queue, unsigned wanted)
{
	struct virtio *v = queue->v;
	uint16_t has = 0;
	int ret = virtio_get16(v, VIRTIO_QUEUE_SIZE, &has);
	unsigned size = has;

	if (ret)
		return ret;
	if (!has)
		return virtio_fail(v, -EINVAL, "queue %u is not available", queue->index);
	if (has > VIRTQ_MAX_SIZE)
		return virtio_fail(v, -EPROTO, "queue %u of %u descriptors, %u are possible",
			queue->index, has, VIRTQ_MAX_SIZE);
	if (wanted && wanted < size)
		size = wanted;
	if (v->opts.queue_size && v->opts.queue_size < size)
		size = v->opts.queue_size;
	/* 2.7: a split ring has a power of two of them. */
	while (!virtio_has(v, VIRTIO_F_RING_PACKED) && size & (size - 1))
		size &= size - 1;
	queue->size = size;
	return size == has ? 0 : virtio_set16(v, VIRTIO_QUEUE_SIZE, (uint16_t)size);
}

static int make_ring(struct virtio_queue *queue, unsigned segs)
{
	struct virtio *v = queue->v;
	const struct virtq_options opts = {
		.size = queue->size,
		.packed = virtio_has(v, VIRTIO_F_RING_PACKED),
		.event_idx = virtio_has(v, VIRTIO_F_EVENT_IDX),
		.indirect = virtio_has(v, VIRTIO_F_INDIRECT_DESC) ? segs : 0,
	};
	size_t bytes = virtq_bytes(&opts);

	if (!bytes)
		return virtio_fail(v, -EINVAL, "queue %u: no ring of %u descriptors, %u segments",
			queue->index, queue->size, segs);
	int ret = medio_card_dma_alloc_any(v->card, bytes,
		MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, &queue->iova, &queue->memory);
	if (ret)
		return virtio_card_failed(v, ret, "memory for a queue");
	queue->bytes = bytes;
	ret = virtq_new(&opts, queue->memory, queue->iova, &queue->ring);
	return ret ? virtio_fail(v, ret, "queue %u: no ring", queue->index) : 0;
}

/* Where it is, then that it is there. */
static int enable(struct virtio_queue *queue)
{
	struct virtio *v = queue->v;
	struct virtq_places places;
	int ret;

	virtq_get_places(queue->ring, &places);
	ret = virtio_set64(v, VIRTIO_QUEUE_DESC, places.desc);
	if (!ret)
		ret = virtio_set64(v, VIRTIO_QUEUE_DRIVER, places.driver);
	if (!ret)
		ret = virtio_set64(v, VIRTIO_QUEUE_DEVICE, places.device);
	return ret ? ret : virtio_set16(v, VIRTIO_QUEUE_ENABLE, 1);
}

/* 4.1.4.4: the place must lie in the structure, all of it. */
static int find_place(struct virtio_queue *queue)
{
	struct virtio *v = queue->v;
	unsigned width = virtio_has(v, VIRTIO_F_NOTIFICATION_DATA) ? 4 : 2;
	uint16_t off = 0;
	int ret = virtio_get16(v, VIRTIO_QUEUE_NOTIFY_OFF, &off);
	uint64_t at = (uint64_t)off * v->multiplier;

	if (ret)
		return ret;
	if (at + width > v->notify.size)
		return virtio_fail(v, -EPROTO,
			"queue %u is notified at 0x%llx, but there are only %u bytes", queue->index,
			(unsigned long long)at, v->notify.size);
	queue->notify_at = v->notify.offset + at;
	if (queue->notify_at % width)
		return virtio_fail(v, -EPROTO, "queue %u is notified at 0x%llx, not aligned",
			queue->index, (unsigned long long)queue->notify_at);
	virtio_pci_notify_open(queue);
	return 0;
}

static int set_up(struct virtio_queue *queue, unsigned size, unsigned segs)
{
	struct virtio *v = queue->v;
	int ret = virtio_irq_open(v);

	if (!ret)
		ret = virtio_set16(v, VIRTIO_QUEUE_SELECT, (uint16_t)queue->index);
	if (!ret)
		ret = agree_size(queue, size);
	if (!ret)
		ret = make_ring(queue, segs);
	if (!ret && v->vectors) {
		queue->vector = virtio_irq_vector(v, queue->index);
		ret = virtio_irq_assign(v, VIRTIO_QUEUE_VECTOR, queue->vector, "a queue");
	}
	if (!ret)
		ret = find_place(queue);
	return ret ? ret : enable(queue);
}

int virtio_queue(
	struct virtio *v, unsigned index, unsigned size, unsigned segs, struct virtio_queue **out)
{
	struct virtio_queue *queue;
	int ret = v->broken;

	if (ret)
		return ret;
	if (index >= v->info.num_queues || index >= VIRTIO_MAX_QUEUES || v->queues[index])
		return virtio_fail(
			v, -EINVAL, "queue %u: the device has %u", index, v->info.num_queues);
	queue = calloc(1, sizeof(*queue));
	if (!queue)
		return virtio_fail(v, -ENOMEM, "out of memory");
	queue->v = v;
	queue->index = index;
	queue->bell = -1;
	/* From here on the device may know of it. */
	v->queues[index] = queue;
	/* Step 7, for this queue. */
	ret = set_up(queue, size, segs);
	if (ret)
		return virtio_give_up(v, ret);
	*out = queue;
	return 0;
}

void virtio_queue_free(struct virtio_queue *queue)
{
	if (!queue)
		return;
	virtio_pci_notify_close(queue);
	virtq_free(queue->ring);
	if (queue->memory)
		medio_card_dma_unmap(queue->v->card, queue->iova, queue->bytes);
	free(queue);
}

struct virtq *virtio_ring(struct virtio_queue *queue)
{
	return queue->ring;
}

unsigned virtio_queue_size(const struct virtio_queue *queue)
{
	return queue->size;
}

void virtio_owed(struct virtio_queue *queue)
{
	queue->owed = true;
}

int virtio_kick(struct virtio_queue *queue)
{
	struct virtio *v = queue->v;
	int ret = v->broken;

	if (ret)
		return ret;
	queue->heard_ms = virtio_now_ms();
	if (!virtq_publish(queue->ring))
		return 0;
	v->info.kicks++;
	ret = virtio_pci_notify(queue);
	if (ret)
		v->broken = ret;
	return ret;
}
