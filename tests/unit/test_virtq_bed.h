/* SPDX-License-Identifier: BSD-3-Clause */
/* A ring in memory of this process with both its sides. */
#ifndef TEST_VIRTQ_BED_H
#define TEST_VIRTQ_BED_H

#include "test_virtq_device.h"

#include "../../drivers/virtio/virtq.h"

/* Where the device sees the ring, and the memory of chains: BED_DATA bytes. */
#define BED_RING    UINT64_C(0x7fff00001000)
#define BED_DATA    (64u * 1024)
#define BED_DATA_AT UINT64_C(0x123450000)
/* Addresses from here are in memory of any size, though nobody can touch it. */
#define BED_VOID_AT UINT64_C(0x900000000000)

struct bed {
	struct virtq_options opts;
	struct virtq *vq;
	struct vqd dev;
	struct virtq_places places;
	uint8_t *ring, *data;
	size_t ring_bytes;
};

/* Both sides, ready. */
void bed_new(struct bed *bed, const struct virtq_options *opts);
/* The device's side anew, as after a reset. */
void bed_device(struct bed *bed);
/* The device has found no fault with the driver. */
void bed_free(struct bed *bed);
/* Where a part of the ring is for the driver's eyes. */
uint8_t *bed_at(const struct bed *bed, uint64_t iova);

/* n chains of out + in segments of 16 bytes each, with tags 1 to n. */
#define BED_TAG(n) ((void *)(uintptr_t)(n))
int bed_add(struct bed *bed, unsigned out, unsigned in, uintptr_t tag);
/* The device takes a chain. */
struct vqd_chain bed_pop(struct bed *bed);
/* The driver takes one, which must be this. */
void bed_take(struct bed *bed, uintptr_t tag, uint32_t len);
/* The device breaks a rule, and the driver says so in words that hold this. */
void bed_breaks(struct bed *bed, const char *words);

/* Every kind of ring of a size: bits of kind are packed, event_idx, indirect. */
#define BED_KINDS 8u
struct virtq_options bed_kind(unsigned kind, unsigned size);

#endif
