/* SPDX-License-Identifier: BSD-3-Clause */
/* The model's queues: their registers (4.1.4.3), notifications (4.1.4.4), interrupts (4.1.5.3), rings. */
#include <stdlib.h>
#include <string.h>

#include "test_virtio_model_inside.h"

#define QUEUE_SIZE 256u
#define LATER_NS   200000u
#define LOOK_NS	   20000u
#define NOTHING	   0xffff /* at a place of notification */

/* ---- Registers --------------------------------------------------------------------------------- */

static uint16_t most(void)
{
	return (uint16_t)(virtio_quirks.queue_size ? virtio_quirks.queue_size : QUEUE_SIZE);
}

static uint32_t half(uint64_t value, uint64_t offset)
{
	return (uint32_t)(value >> (offset & 4 ? 32 : 0));
}

uint32_t virtio_model_queue_read(struct virtio_model *m, uint64_t offset)
{
	if (m->queue_select >= m->kind->num_queues)
		return 0;
	const struct virtio_model_queue *q = &m->queues[m->queue_select];
	if (offset >= VIRTIO_QUEUE_DESC)
		return half(offset < VIRTIO_QUEUE_DRIVER   ? q->desc
			    : offset < VIRTIO_QUEUE_DEVICE ? q->driver
							   : q->device,
			offset);
	switch (offset) {
	case VIRTIO_QUEUE_SELECT:
		return m->queue_select;
	case VIRTIO_QUEUE_SIZE:
		return q->size ? q->size : most();
	case VIRTIO_QUEUE_VECTOR:
		return virtio_quirks.no_vectors ? VIRTIO_NO_VECTOR : q->vector;
	case VIRTIO_QUEUE_ENABLE:
		return q->enabled;
	case VIRTIO_QUEUE_NOTIFY_OFF:
		return m->queue_select + (uint32_t)virtio_quirks.notify_off;
	default:
		return 0;
	}
}

static void *at(void *arg, uint64_t iova, size_t len)
{
	static const unsigned prots[] = { MEDIO_PROT_READ | MEDIO_PROT_WRITE, MEDIO_PROT_READ,
		MEDIO_PROT_WRITE };
	struct virtio_model *m = arg;
	void *ptr = NULL;

	for (unsigned i = 0; !ptr && i < 3; i++)
		ptr = medio_dma_get(m->dev, iova, len, prots[i], NULL);
	return ptr;
}

static void enable(struct virtio_model *m, struct virtio_model_queue *q, uint32_t value)
{
	if (value != 1)
		virtio_model_wrong("%u is written to enable a queue", value);
	q->size = q->size ? q->size : most();
	const struct vqd_options opts = {
		.size = q->size,
		.packed = m->accepted & VIRTIO_F_RING_PACKED,
		.event_idx = m->accepted & VIRTIO_F_EVENT_IDX,
		.indirect = m->accepted & VIRTIO_F_INDIRECT_DESC,
		.desc = q->desc,
		.driver = q->driver,
		.device = q->device,
		.at = at,
		.arg = m,
	};
	if (vqd_init(&q->ring, &opts))
		virtio_model_wrong("a ring: %s", vqd_broken(&q->ring));
	else
		q->enabled = true;
}

static void set_size(struct virtio_model *m, struct virtio_model_queue *q, uint32_t value)
{
	bool packed = m->accepted & VIRTIO_F_RING_PACKED;

	if (!value || value > most() || (!packed && value & (value - 1)))
		virtio_model_wrong("a queue of %u, of %u that are possible", value, most());
	else
		q->size = (uint16_t)value;
}

static void set_half(uint64_t *value, uint64_t offset, uint32_t part)
{
	unsigned shift = offset & 4 ? 32 : 0;

	*value = (*value & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)part << shift;
}

void virtio_model_queue_write(struct virtio_model *m, uint64_t offset, uint32_t value)
{
	if (m->queue_select >= m->kind->num_queues) {
		virtio_model_wrong(
			"queue %u is set up, there are %u", m->queue_select, m->kind->num_queues);
		return;
	}
	struct virtio_model_queue *q = &m->queues[m->queue_select];
	if (!(m->status & VIRTIO_FEATURES_OK) || m->status & VIRTIO_DRIVER_OK || !m->checked)
		virtio_model_wrong("register 0x%02llx of a queue is written with status 0x%02x",
			(unsigned long long)offset, m->status);
	if (q->enabled)
		virtio_model_wrong("register 0x%02llx of an enabled queue is written",
			(unsigned long long)offset);
	if (offset == VIRTIO_QUEUE_SIZE)
		set_size(m, q, value);
	else if (offset == VIRTIO_QUEUE_VECTOR)
		q->vector = value < m->type->irqs.msix.vectors ? (uint16_t)value : VIRTIO_NO_VECTOR;
	else if (offset == VIRTIO_QUEUE_ENABLE)
		enable(m, q, value);
	else if (offset < VIRTIO_QUEUE_DRIVER)
		set_half(&q->desc, offset - VIRTIO_QUEUE_DESC, value);
	else if (offset < VIRTIO_QUEUE_DEVICE)
		set_half(&q->driver, offset - VIRTIO_QUEUE_DRIVER, value);
	else
		set_half(&q->device, offset - VIRTIO_QUEUE_DEVICE, value);
}

/* ---- Notifications ----------------------------------------------------------------------------- */

static void serve(struct virtio_model *m, unsigned queue)
{
	struct virtio_model_queue *q = &m->queues[queue];

	if (!q->enabled || !virtio_model_is_alive(m))
		return;
	/* Until there is nothing left when a notification is wanted again. */
	do {
		vqd_want_kick(&q->ring, false);
		m->kind->kick(m, queue);
	} while (vqd_want_kick(&q->ring, true) && !vqd_broken(&q->ring)[0]);
	if (vqd_broken(&q->ring)[0])
		virtio_model_wrong("ring %u: %s", queue, vqd_broken(&q->ring));
}

void virtio_model_on_later(void *opaque)
{
	struct virtio_model *m = opaque;
	unsigned kicked = m->kicked;

	m->kicked = 0;
	for (unsigned i = 0; i < VIRTIO_MODEL_QUEUES; i++)
		if (kicked & 1u << i)
			serve(m, i);
}

static void kicked(struct virtio_model *m, unsigned queue)
{
	virtio_seen.kicks++;
	if (!virtio_model_is_alive(m))
		virtio_model_wrong("queue %u is notified with status 0x%02x", queue, m->status);
	else if (queue >= m->kind->num_queues || !m->queues[queue].enabled)
		virtio_model_wrong("queue %u is notified, which is not enabled", queue);
	if (virtio_quirks.gone_on_kick) {
		virtio_quirks.gone = true;
		return;
	}
	if (virtio_quirks.needs_reset_on_kick) {
		m->status |= VIRTIO_NEEDS_RESET;
		virtio_model_interrupt(m, m->config_vector, VIRTIO_ISR_CONFIG);
		return;
	}
	if (queue >= m->kind->num_queues)
		return;
	m->kicked |= 1u << queue;
	if (virtio_quirks.later)
		medio_timer_arm(m->later, LATER_NS);
	else
		virtio_model_on_later(m);
}

static unsigned multiplier(const struct virtio_model *m)
{
	const struct virtio_model_shape *shape = virtio_model_shape_of(m->type);

	return shape->multiplier ? shape->multiplier : 4;
}

void virtio_model_notified(struct virtio_model *m, uint64_t place, uint32_t value, size_t count)
{
	bool more = m->accepted & VIRTIO_F_NOTIFICATION_DATA;
	unsigned queue = value & 0xffff;

	if (count != (more ? 4 : 2) || place != queue * multiplier(m))
		virtio_model_wrong("queue %u is notified by %zu bytes at 0x%llx", queue, count,
			(unsigned long long)place);
	/* With doorbells the library tells of the same write by virtio_model_rung(). */
	if (!virtio_model_shape_of(m->type)->doorbells || more)
		kicked(m, queue);
	else
		m->by_write = true;
}

/* Nobody tells of a write to mapped memory. */
void virtio_model_on_look(void *opaque)
{
	struct virtio_model *m = opaque;
	uint8_t *bar = medio_region_ptr(m->dev, VIRTIO_MODEL_BAR);

	for (unsigned i = 0; i < VIRTIO_MODEL_QUEUES; i++) {
		uint16_t *place = (uint16_t *)(void *)(bar + VIRTIO_MODEL_AT_NOTIFY +
						       (size_t)i * multiplier(m));
		uint16_t value = __atomic_exchange_n(place, NOTHING, __ATOMIC_ACQ_REL);
		if (value == NOTHING || !m->was_reset)
			continue;
		if (value != i)
			virtio_model_wrong("queue %u is notified at the place of %u", value, i);
		virtio_seen.mapped++;
		kicked(m, i);
	}
	medio_timer_arm(m->looks, LOOK_NS);
}

void virtio_model_rung(struct virtio_model *m, uint64_t place)
{
	virtio_seen.bells += !m->by_write;
	m->by_write = false;
	kicked(m, (unsigned)(place / multiplier(m)));
}

/* ---- Interrupts -------------------------------------------------------------------------------- */

void virtio_model_interrupt(struct virtio_model *m, uint16_t vector, uint8_t isr)
{
	virtio_seen.interrupts++;
	if (vector != VIRTIO_NO_VECTOR) {
		medio_irq_pulse(m->dev, vector);
		return;
	}
	m->isr |= isr;
	medio_irq_set(m->dev, 0, true);
}

/* ---- For kinds --------------------------------------------------------------------------------- */

bool virtio_model_pop(struct virtio_model *m, unsigned queue, struct vqd_chain *out)
{
	struct virtio_model_queue *q = &m->queues[queue];

	if (!virtio_model_is_alive(m) || !q->enabled || vqd_broken(&q->ring)[0] ||
		virtio_quirks.gone)
		return false;
	int ret = vqd_pop(&q->ring, out);
	if (ret < 0)
		virtio_model_wrong("ring %u: %s", queue, vqd_broken(&q->ring));
	if (ret <= 0)
		return false;
	virtio_seen.chains++;
	virtio_seen.indirect += !!out->table;
	return true;
}

static void push_one(
	struct virtio_model *m, unsigned queue, const struct vqd_chain *chain, uint32_t written)
{
	struct virtio_model_queue *q = &m->queues[queue];
	struct vqd_chain lie = *chain;

	lie.id += virtio_quirks.id_add;
	if (vqd_push(&q->ring, &lie, written + virtio_quirks.len_add))
		virtio_model_wrong("ring %u: %s", queue, vqd_broken(&q->ring));
}

void virtio_model_push(
	struct virtio_model *m, unsigned queue, const struct vqd_chain *chain, uint32_t written)
{
	struct virtio_model_queue *q = &m->queues[queue];

	if (!q->enabled || virtio_quirks.silent || virtio_quirks.gone)
		return;
	push_one(m, queue, chain, written);
	if (virtio_quirks.twice)
		push_one(m, queue, chain, written);
	if (vqd_irq_due(&q->ring))
		virtio_model_interrupt(m, q->vector, VIRTIO_ISR_QUEUE);
}
