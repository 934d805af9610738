/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtqueue of the device's side on an instance of its own, in memory that a driver of these
 * tests shares: our own rings (drivers/virtio), or a ring written by hand.
 */
#ifndef TEST_VIRTQ_CORE_BED_H
#define TEST_VIRTQ_CORE_BED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio/virtq.h"

#include "../../drivers/virtio/virtq.h"

/*
 * Where the device sees memory. All but RING are there in each bed; between them nothing is mapped.
 */
#define BED_RING	 UINT64_C(0x100000)
#define BED_DATA	 UINT64_C(0x10000000)
#define BED_DATA_BYTES	 0x100000u
#define BED_RO		 UINT64_C(0x20000000) /* not to be written */
#define BED_RO_BYTES	 0x4000u
#define BED_REMOTE	 UINT64_C(0x30000000) /* no pointer gets there */
#define BED_REMOTE_BYTES 0x4000u
/* Pages side by side here that are not in this process: the last comes first. */
#define BED_SCATTER	  UINT64_C(0x40000000)
#define BED_SCATTER_BYTES 0x20000u
/* 8 GiB to read and write for which there is room only until somebody writes it. */
#define BED_VAST       UINT64_C(0x100000000)
#define BED_VAST_BYTES UINT64_C(0x200000000)

struct bed {
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct medio_dev *dev;
	int fd, vast_fd;
	uint8_t *mem; /* the file: ring, DATA, RO, SCATTER */
	size_t ring_bytes, mem_bytes;
	struct medio_virtq_setup setup;
	struct medio_virtq *q;
	struct virtq *vq; /* the driver's side; NULL: by hand */
	/* What the queue has told its owner. */
	unsigned broken, interrupts, idles, agains;
	char words[MEDIO_VIRTQ_WORDS];
	bool show; /* a fault of the driver is the test's */
};

/* Bits of kind. */
enum { PACKED = 1, EVENT_IDX = 2, INDIRECT = 4, IN_ORDER = 8, KINDS = 8 };

#define BED_REQUEST 24u /* bytes of chain->data */

/* With our own driver; live. tables: segments that a table has room for (with INDIRECT). */
void bed_new(struct bed *bed, unsigned kind, unsigned size, unsigned tables);
/* By hand: desc, driver and device area are BED_RING, BED_AVAIL(size) and BED_USED(size), zeroed;
 * live. */
void bed_bare(struct bed *bed, unsigned kind, unsigned size);
#define BED_AVAIL(size_) (BED_RING + UINT64_C(16) * (size_))
#define BED_USED(size_)	 (BED_AVAIL(size_) + ((UINT64_C(6) + 2 * (size_) + 3) & ~UINT64_C(3)))
/* With a filter above the device that sees each pointer asked for. */
void bed_bare_filtered(struct bed *bed, unsigned kind, unsigned size);
extern unsigned bed_filter_gets;
/* The queue is abandoned, as if its process had been killed, and another one made, which is not live. */
void bed_queue_anew(struct bed *bed);
/* Not before the queue is without faults that the test did not cause (bed->show). */
void bed_free(struct bed *bed);

/* Memory, a page of it at most, as the driver sees it. */
void *bed_at(const struct bed *bed, uint64_t iova);
void bed_bus_master(struct bed *bed, bool on);

/* Write by hand. */
void bed_desc(struct bed *bed, unsigned i, uint64_t addr, uint32_t len, uint16_t a, uint16_t b);
void bed_entry(struct bed *bed, uint64_t table, unsigned i, uint64_t addr, uint32_t len, uint16_t a,
	uint16_t b);
/* Split: the heads, from the first free place of the available ring on. */
void bed_avail(struct bed *bed, unsigned head);
uint16_t bed_get16(const struct bed *bed, uint64_t iova);
uint32_t bed_get32(const struct bed *bed, uint64_t iova);
void bed_put16(struct bed *bed, uint64_t iova, uint16_t value);

/* The driver adds a chain of out + in segments of 16 bytes; tag n. */
#define BED_TAG(n) ((void *)(uintptr_t)(n))
void bed_add(struct bed *bed, unsigned out, unsigned in, uintptr_t tag);
/* The driver takes one, which must be this one. */
void bed_take(struct bed *bed, uintptr_t tag, uint32_t len);
struct medio_virtq_chain *bed_pop(struct bed *bed);
/* pop() finds a fault of the driver, whose words hold this. */
void bed_breaks(struct bed *bed, const char *words);

#endif
