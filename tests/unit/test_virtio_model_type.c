/* SPDX-License-Identifier: BSD-3-Clause */
/* What the model looks like on the bus: its ids, its BAR, its capabilities (4.1.2, 4.1.4). */
#include <string.h>

#include "test_virtio_model_inside.h"

/* The body of a capability, behind id, next and length. */
struct body {
	uint8_t type, bar, id, padding[2];
	uint8_t offset[4], size[4], multiplier[4];
};

static struct medio_type type;
static struct virtio_model_shape shape;
static struct body bodies[4];
static struct medio_cap caps[6];
static const struct medio_mmap_area areas[] = { { VIRTIO_MODEL_AT_NOTIFY, VIRTIO_MODEL_PAGE },
	{ 0 } };
static struct medio_doorbell bells[VIRTIO_MODEL_QUEUES];

const struct virtio_model_shape *virtio_model_shape_of(const struct medio_type *of)
{
	(void)of;
	return &shape;
}

static void add_cap(unsigned n, unsigned kind, uint64_t offset, uint64_t size)
{
	struct body *body = &bodies[kind - 1];

	if (kind == shape.outside)
		offset = VIRTIO_MODEL_SIZE - size + 4;
	if (kind == shape.odd)
		offset += 1;
	if (kind == shape.tiny)
		size = kind == VIRTIO_CAP_COMMON ? VIRTIO_COMMON_BYTES - 1 : 0;
	*body = (struct body){ .type = (uint8_t)kind, .bar = VIRTIO_MODEL_BAR };
	medio_put_le(body->offset, 4, offset);
	medio_put_le(body->size, 4, size);
	medio_put_le(body->multiplier, 4, shape.multiplier ? shape.multiplier : 4);
	caps[n] = (struct medio_cap){
		.kind = MEDIO_CAP_VENDOR,
		.size = kind == VIRTIO_CAP_NOTIFY ? 17 : 13,
		.offset = (uint8_t)(0x40 + 0x18 * n),
		.data = body,
	};
}

static void add_caps(void)
{
	static const uint32_t at[] = { VIRTIO_MODEL_AT_COMMON, VIRTIO_MODEL_AT_NOTIFY,
		VIRTIO_MODEL_AT_ISR, VIRTIO_MODEL_AT_DEVICE };
	static const uint32_t size[] = { VIRTIO_COMMON_BYTES + 8, VIRTIO_MODEL_PAGE, 1,
		VIRTIO_MODEL_CONFIG };
	unsigned n = 0;

	memset(caps, 0, sizeof(caps));
	for (unsigned kind = VIRTIO_CAP_COMMON; kind <= VIRTIO_CAP_DEVICE; kind++)
		if (!shape.legacy && kind != shape.skip)
			add_cap(n++, kind, at[kind - 1], size[kind - 1]);
}

static void add_bells(void)
{
	struct medio_bar *bar = &type.bars[VIRTIO_MODEL_BAR];

	for (unsigned i = 0; i < VIRTIO_MODEL_QUEUES; i++)
		bells[i] = (struct medio_doorbell){
			.offset = VIRTIO_MODEL_AT_NOTIFY +
				  (uint64_t)i * (shape.multiplier ? shape.multiplier : 4),
			.size = 2,
		};
	bar->doorbells = bells;
	bar->num_doorbells = VIRTIO_MODEL_QUEUES;
}

const struct medio_type *virtio_model_type(
	const struct virtio_model_kind *kind, const struct virtio_model_shape *wanted)
{
	uint16_t device = (uint16_t)(0x1040 + kind->id);

	shape = *wanted;
	if (shape.transitional || shape.legacy)
		device = kind->id == VIRTIO_ID_NET ? 0x1000 : 0x1001;
	type = (struct medio_type){
		.abi = MEDIO_DEVICE_ABI,
		.name = kind->name,
		.summary = "A virtio device for tests",
		.id = { VIRTIO_VENDOR, device, VIRTIO_VENDOR, kind->id, 1, kind->class_code },
		.bars[VIRTIO_MODEL_BAR] = { .kind = MEDIO_BAR_MEM64, .size = VIRTIO_MODEL_SIZE },
		.irqs.intx_pin = !shape.no_intx,
		.caps = caps,
		.state_size = sizeof(struct virtio_model) + kind->state_size,
		.ops = &virtio_model_ops,
		.data = kind,
	};
	if (!shape.no_msix)
		type.irqs.msix = (struct medio_msix){
			.vectors = (uint16_t)(shape.msix ? shape.msix : kind->num_queues + 1),
			.table_bar = VIRTIO_MODEL_BAR,
			.pba_bar = VIRTIO_MODEL_BAR,
			.table_offset = VIRTIO_MODEL_AT_MSIX,
			.pba_offset = VIRTIO_MODEL_AT_PBA,
		};
	add_caps();
	if (shape.doorbells)
		add_bells();
	if (shape.mapped)
		type.bars[VIRTIO_MODEL_BAR].areas = areas;
	return &type;
}
