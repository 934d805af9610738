/* SPDX-License-Identifier: BSD-3-Clause */
#include "drive/fault.h"

#include <errno.h>
#include <stdio.h>

#include "drive/backend.h"

void medio_fault_fill(struct medio_card_fault *out, uint64_t number, uint64_t iova, uint64_t size,
	unsigned prot, const char *why)
{
	static const char *const wants[] = { "reach", "read", "write", "read and write" };

	*out = (struct medio_card_fault){
		.iova = iova,
		.size = size,
		.prot = prot & (MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE),
		.number = number,
	};
	snprintf(out->words, sizeof(out->words),
		"the device wanted to %s %llu bytes at iova 0x%llx: %s", wants[out->prot],
		(unsigned long long)size, (unsigned long long)iova, why);
}

void medio_fault_note(
	struct medio_card *card, uint64_t iova, uint64_t size, unsigned prot, int errnum)
{
	struct medio_card_faults *faults = &card->faults;
	unsigned at = (faults->head + faults->count) % MEDIO_CARD_FAULTS;

	if (errnum != ENODEV && errnum != EACCES)
		return;
	if (faults->count == MEDIO_CARD_FAULTS)
		faults->head = (faults->head + 1) % MEDIO_CARD_FAULTS;
	else
		faults->count++;
	medio_fault_fill(&faults->ring[at], ++faults->total, iova, size, prot,
		errnum == ENODEV ? "not mapped" : "mapped, but not for that");
}

int medio_fault_noted(struct medio_card *card, bool take, struct medio_card_fault *out)
{
	struct medio_card_faults *faults = &card->faults;

	if (!faults->count)
		return -ENOENT;
	if (!take) {
		*out = faults->ring[(faults->head + faults->count - 1) % MEDIO_CARD_FAULTS];
		return 0;
	}
	*out = faults->ring[faults->head];
	faults->head = (faults->head + 1) % MEDIO_CARD_FAULTS;
	faults->count--;
	return 0;
}

int medio_card_fault(struct medio_card *card, struct medio_card_fault *out)
{
	if (!card->backend->fault)
		return medio_card_fail(card, ENOTSUP,
			"over %s: nobody tells this program which memory its device was refused; the "
			"kernel's log may",
			card->backend->scheme);
	int ret = card->backend->fault(card, true, out);
	return ret ? medio_card_fail(card, -ret, "the device was refused no memory") : 0;
}

const char *medio_fault_hint(struct medio_card *card, char *buf, size_t size)
{
	struct medio_card_fault fault;

	buf[0] = 0;
	if (card->backend->fault && !card->backend->fault(card, false, &fault) &&
		fault.number > card->faults.hinted) {
		card->faults.hinted = fault.number;
		snprintf(buf, size, "; %s", fault.words);
	}
	return buf;
}
