/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that the device wanted and was refused: medio_card_fault(). */
#ifndef MEDIO_DRIVE_FAULT_H
#define MEDIO_DRIVE_FAULT_H

#include <medio/driver.h>

/* Faults that this program has met in the device's requests. The latest ones are kept. */
#define MEDIO_CARD_FAULTS 8u
struct medio_card_faults {
	struct medio_card_fault ring[MEDIO_CARD_FAULTS];
	unsigned head, count; /* the oldest */
	uint64_t total;	      /* ever */
	uint64_t hinted; /* so many have been in an error's words, or are older than one that was */
};

/* Fill in a fault; why: "not mapped". */
void medio_fault_fill(struct medio_card_fault *out, uint64_t number, uint64_t iova, uint64_t size,
	unsigned prot, const char *why);
/* The device asked this program for size bytes at iova and got errnum: ENODEV, EACCES. */
void medio_fault_note(
	struct medio_card *card, uint64_t iova, uint64_t size, unsigned prot, int errnum);
/* As the operation of struct medio_backend, for backends that note. */
int medio_fault_noted(struct medio_card *card, bool take, struct medio_card_fault *out);
/* What to add to the words of something that did not happen: "" or "; …", into buf, which it gives. */
const char *medio_fault_hint(struct medio_card *card, char *buf, size_t size);

#endif
