/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside the driver: the device, its structures in BARs, its queues. */
#ifndef VIRTIO_INSIDE_H
#define VIRTIO_INSIDE_H

#include "virtio.h"
#include "virtio_spec.h"

/* A structure of the device's: bytes [offset, offset + size) of a BAR. size 0: it has none. */
struct virtio_window {
	unsigned bar;
	uint64_t offset;
	uint32_t size;
};

struct virtio {
	struct medio_card *card;
	struct virtio_options opts;
	struct virtio_info info;
	struct virtio_window common, notify, isr, device;
	uint32_t multiplier; /* bytes between places of notification */
	uint8_t status;	     /* as we have set it */
	uint32_t vectors;    /* of MSI-X that are open; 0: other interrupts, or none */
	bool has_irqs;	     /* interrupts have been chosen */
	bool automasked;     /* INTx: silent after each until unmasked */
	bool config_changed;
	uint8_t generation;
	int broken; /* -errno: the device is not talked to any more */
	uint64_t looked_ms;
	struct virtio_queue *queues[VIRTIO_MAX_QUEUES];
	char words[VIRTIO_WORDS];
};

struct virtio_queue {
	struct virtio *v;
	unsigned index, size;
	struct virtq *ring;
	void *memory; /* bytes of it at iova */
	uint64_t iova;
	size_t bytes;
	unsigned vector; /* with MSI-X */
	/* How the device is notified, the first of these that there is. */
	int bell;		  /* an eventfd, -1: none */
	volatile uint8_t *mapped; /* the place itself, NULL: not mapped */
	void *page;
	uint64_t notify_at; /* the place, in the BAR of v->notify */
	bool owed;	    /* see virtio_owed() */
	uint64_t heard_ms;
};

/* Say why, for what the card said; gives ret. */
int virtio_card_failed(struct virtio *v, int ret, const char *what);
uint64_t virtio_now_ms(void);
/* A step of the initialisation has failed: set FAILED; gives ret. */
int virtio_give_up(struct virtio *v, int ret);

/* ---- virtio_pci.c ------------------------------------------------------------------------------ */

/* Switch the card on and find its structures; fills info.id. Errors of virtio_open(). */
int virtio_pci_find(struct virtio *v, uint16_t id);
/* It masters the bus no more. */
void virtio_pci_off(struct virtio *v);
/* Registers of the common configuration: of the width of the field (4.1.3.1). */
int virtio_get8(struct virtio *v, unsigned reg, uint8_t *out);
int virtio_get16(struct virtio *v, unsigned reg, uint16_t *out);
int virtio_get32(struct virtio *v, unsigned reg, uint32_t *out);
int virtio_set8(struct virtio *v, unsigned reg, uint8_t value);
int virtio_set16(struct virtio *v, unsigned reg, uint16_t value);
int virtio_set32(struct virtio *v, unsigned reg, uint32_t value);
int virtio_set64(struct virtio *v, unsigned reg, uint64_t value);
/* Where queues are notified: the first that there is of a doorbell's eventfd, a mapped register. */
void virtio_pci_notify_open(struct virtio_queue *queue);
void virtio_pci_notify_close(struct virtio_queue *queue);
int virtio_pci_notify(struct virtio_queue *queue);

/* ---- virtio_features.c ------------------------------------------------------------------------- */

/* The lowest of some features by name: "VERSION_1 (bit 32)". */
void virtio_feature_name(uint16_t id, uint64_t features, char *buf, size_t size);

/* ---- virtio_irq.c ------------------------------------------------------------------------------ */

int virtio_irq_open(struct virtio *v);
void virtio_irq_close(struct virtio *v);
/* Let a vector be told in a register, and see that the device has taken it (4.1.5.1.2). */
int virtio_irq_assign(struct virtio *v, unsigned reg, unsigned vector, const char *what);
/* The vector of a queue. */
unsigned virtio_irq_vector(const struct virtio *v, unsigned queue);

/* ---- virtio_queue.c ---------------------------------------------------------------------------- */

void virtio_queue_free(struct virtio_queue *queue);

#endif
