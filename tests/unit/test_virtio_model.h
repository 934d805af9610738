/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio device on the PCI bus, for tests of drivers: the transport here, what it does in a kind (a disk in
 * test_virtio_blk_model.c, a network card in test_virtio_net_model.c). It is strict: the first rule that the
 * driver breaks is kept in words (the order of the steps, widths of registers, features, rings). And it
 * lies, forgets and vanishes as quirks say.
 *
 *     const struct medio_type *type = virtio_model_type(&virtio_model_blk, &(struct virtio_model_shape){ 0 });
 *     card_bed_open(&bed, type, NULL, way);
 *     …
 *     card_bed_close(&bed);
 *     assert_string_equal(virtio_seen.wrong, "");
 *
 * Threads: the device's; quirks are set before it is opened or by card_bed_on_device().
 */
#ifndef TEST_VIRTIO_MODEL_H
#define TEST_VIRTIO_MODEL_H

#include <medio/device.h>

#include "test_virtq_device.h"

#define VIRTIO_MODEL_QUEUES 4u
#define VIRTIO_MODEL_CONFIG 64u

struct virtio_model;

/* A field of a kind's configuration: the driver reads it in its width, 8 bytes in halves; an array of bytes is
 * count fields of width 1. */
struct virtio_model_field {
	uint16_t offset, width, count; /* width 0 ends the list; count 0: 1 */
	uint64_t feature;	       /* it is there if this was accepted; 0: always */
};

struct virtio_model_kind {
	uint16_t id;
	const char *name;
	uint32_t class_code;
	uint64_t features;   /* its own; those of every kind are the model's, see quirks */
	unsigned num_queues; /* 1 to VIRTIO_MODEL_QUEUES */
	const struct virtio_model_field *fields;
	size_t state_size; /* of virtio_model_state(), zeroed */
	int (*init)(struct virtio_model *m);
	void (*fini)(struct virtio_model *m);
	/* Fill in the configuration, VIRTIO_MODEL_CONFIG zeroed bytes, at each read of it. */
	void (*config)(struct virtio_model *m, uint8_t *out);
	/* The device was reset: nothing of its queues is there any more. */
	void (*reset)(struct virtio_model *m);
	/* The driver has notified a queue: pop what there is. */
	void (*kick)(struct virtio_model *m, unsigned queue);
};

/* ---- For kinds --------------------------------------------------------------------------------- */

void *virtio_model_state(struct virtio_model *m);
struct medio_dev *virtio_model_dev(struct virtio_model *m);
uint64_t virtio_model_accepted(const struct virtio_model *m);
/* DRIVER_OK is set. */
bool virtio_model_is_alive(const struct virtio_model *m);
/* The next chain of a queue: true if there is one. Nothing comes of a device that is not alive. */
bool virtio_model_pop(struct virtio_model *m, unsigned queue, struct vqd_chain *out);
/* Give it back and interrupt the driver if it wants that. */
void virtio_model_push(
	struct virtio_model *m, unsigned queue, const struct vqd_chain *chain, uint32_t written);
/* The configuration has changed: another generation, an interrupt. */
void virtio_model_changed(struct virtio_model *m);
/* The driver did wrong: the first is kept in virtio_seen.wrong. */
void virtio_model_wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- For tests --------------------------------------------------------------------------------- */

/* What it is. All zero: MSI-X with a vector for each queue and the configuration, and INTx. */
struct virtio_model_shape {
	unsigned msix; /* vectors, 0: enough */
	bool no_msix, no_intx;
	bool doorbells;	     /* queues are notified by eventfds too */
	bool mapped;	     /* places of notification can be mapped, and are only seen there */
	bool transitional;   /* by its ids */
	bool legacy;	     /* without capabilities */
	unsigned skip;	     /* a capability that is missing (VIRTIO_CAP_*) */
	unsigned outside;    /* one that lies outside of its BAR */
	unsigned tiny;	     /* one that is too small */
	unsigned odd;	     /* one whose offset is odd */
	uint32_t multiplier; /* of notifications; 0: 4 */
};

/* A type of this shape: a copy of the test's own, until the next call. */
const struct medio_type *virtio_model_type(
	const struct virtio_model_kind *kind, const struct virtio_model_shape *shape);

/* What it does wrong, or how it does it. */
extern struct virtio_quirks {
	uint64_t
		offer; /* features of every kind besides VERSION_1 and ACCESS_PLATFORM: RING_PACKED … */
	uint64_t hide;	     /* features that are not offered after all */
	unsigned queue_size; /* 0: 256 */
	bool refuses;	     /* FEATURES_OK does not stay */
	bool resets_never;
	bool no_vectors; /* vectors read back as none */
	bool gone;	 /* registers read as all ones, nothing is written */
	bool gone_on_kick;
	bool needs_reset, needs_reset_on_kick;
	bool silent;	 /* chains are taken and not given back */
	bool backwards;	 /* chains of a notification are given back the last first */
	bool later;	 /* chains are given back after a while, so that interrupts are needed */
	unsigned id_add; /* to ids of used chains */
	uint32_t len_add;
	bool twice;	     /* chains are given back twice */
	bool restless;	     /* the generation is another at each read */
	unsigned unrest;     /* so many reads of the configuration each end one generation */
	uint16_t notify_off; /* added to the place of notification of each queue */
} virtio_quirks;

extern struct virtio_seen {
	char wrong[160];      /* the first rule the driver broke; "": none */
	unsigned resets, oks; /* resets, times that DRIVER_OK was set */
	bool failed;	      /* FAILED was set */
	uint8_t status;
	uint64_t accepted;
	unsigned kicks;	 /* notifications */
	unsigned bells;	 /* of them by eventfd */
	unsigned mapped; /* of them in mapped memory */
	unsigned chains, interrupts;
	unsigned indirect; /* chains in a table */
} virtio_seen;

/* The device that was opened last, for its thread. */
struct virtio_model *virtio_model_latest(void);
/* Forget both. */
void virtio_model_clear(void);

#endif
