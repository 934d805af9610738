/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the model share: its registers, its queues, where things are in its BAR. */
#ifndef TEST_VIRTIO_MODEL_INSIDE_H
#define TEST_VIRTIO_MODEL_INSIDE_H

#include "test_virtio_model.h"

#include "../../drivers/virtio/virtio.h"
#include "../../drivers/virtio/virtio_spec.h"

#define VIRTIO_MODEL_BAR  2u
#define VIRTIO_MODEL_PAGE 4096u

/* A page each. */
enum {
	VIRTIO_MODEL_AT_COMMON = 0x0000,
	VIRTIO_MODEL_AT_ISR = 0x1000,
	VIRTIO_MODEL_AT_DEVICE = 0x2000,
	VIRTIO_MODEL_AT_NOTIFY = 0x3000,
	VIRTIO_MODEL_AT_MSIX = 0x4000,
	VIRTIO_MODEL_AT_PBA = 0x5000,
	VIRTIO_MODEL_SIZE = 0x8000,
};

struct virtio_model_queue {
	uint16_t size, vector;
	bool enabled;
	uint64_t desc, driver, device;
	struct vqd ring;
};

struct virtio_model {
	struct medio_dev *dev;
	const struct medio_type *type;
	const struct virtio_model_kind *kind;
	uint32_t device_select, driver_select;
	uint64_t accepted;
	unsigned written; /* halves of the features */
	uint16_t config_vector, queue_select;
	uint8_t status, generation, isr;
	bool was_reset, resetting; /* the latter until the status has been read */
	bool checked;		   /* FEATURES_OK was read back */
	bool by_write;		   /* the doorbell that rings now was written */
	struct virtio_model_queue queues[VIRTIO_MODEL_QUEUES];
	struct medio_timer *later;
	struct medio_timer *looks;    /* at places of notification that are mapped */
	unsigned kicked;	      /* queues whose notification is served later */
	_Alignas(16) uint8_t state[]; /* of the kind */
};

extern const struct medio_device_ops virtio_model_ops;
/* What virtio_model_type() was asked for. */
const struct virtio_model_shape *virtio_model_shape_of(const struct medio_type *type);

/* ---- test_virtio_model_queue.c ----------------------------------------------------------------- */

/* Registers of the queue that is selected. */
uint32_t virtio_model_queue_read(struct virtio_model *m, uint64_t offset);
void virtio_model_queue_write(struct virtio_model *m, uint64_t offset, uint32_t value);
/* A place of notification was written; one was, or its eventfd. */
void virtio_model_notified(struct virtio_model *m, uint64_t at, uint32_t value, size_t count);
void virtio_model_rung(struct virtio_model *m, uint64_t at);
/* Interrupt by a vector, or the line if it is none. */
void virtio_model_interrupt(struct virtio_model *m, uint16_t vector, uint8_t isr);
void virtio_model_on_later(void *opaque);
void virtio_model_on_look(void *opaque);

#endif
