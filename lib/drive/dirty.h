/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which pages the device writes: the log behind medio_card_dirty_*(). Who keeps it differs: the device
 * itself, asked by VFIO_DEVICE_FEATURE, or the kernel's container.
 */
#ifndef MEDIO_DRIVE_DIRTY_H
#define MEDIO_DRIVE_DIRTY_H

#include <medio/driver.h>

/* As many as VFIO takes in one log: a page of them. */
#define MEDIO_DIRTY_RANGES 256u

#define MEDIO_DIRTY_NOTES 32u

/* A log that runs; page_size 0: none does. */
struct medio_card_dirty {
	uint64_t page_size;
	/* What is logged: whole pages, sorted and apart. Owned. */
	struct medio_card_dma_range *ranges;
	unsigned num_ranges;
	/* What was written through this program, which is not in the other side's log. */
	struct medio_card_dma_range notes[MEDIO_DIRTY_NOTES];
	unsigned num_notes;
};

/*
 * One way to keep a log, of what card->dirty says. All return 0 or -errno, with words by
 * medio_card_say() or the backend's. -ENOTTY: the other side keeps none.
 */
struct medio_card_log {
	int (*start)(struct medio_card *card);
	int (*stop)(struct medio_card *card);
	/* Set the bits of what was written since the last time in [iova, iova + size): whole pages
	 * and whole mappings. The bitmap is zero before. */
	int (*get)(struct medio_card *card, uint64_t iova, uint64_t size, uint64_t *bitmap);
};

/* For backends whose `feature` takes ranges and gives bitmaps in place, as vfio-user's messages do. */
extern const struct medio_card_log medio_card_log_feature;

/* Set bits [from, to] of a bitmap. */
void medio_dirty_set(uint64_t *bitmap, uint64_t from, uint64_t to);
/* The device has had size bytes at iova written by this program: vfio-user's DMA_WRITE. */
void medio_dirty_note(struct medio_card *card, uint64_t iova, uint64_t size);
/* The card has a new connection: have its log there, if one ran; all counts as written. Words said. */
int medio_dirty_restart(struct medio_card *card);
/* End the card's log, if one runs. */
int medio_dirty_end(struct medio_card *card);

#endif
