/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver for the counter, as an ordinary program: lets it overflow and waits for the interrupt.
 *     medio serve ./counter.so --run 'count $uri'
 */
#include <inttypes.h>
#include <stdio.h>

#include <medio/driver.h>

enum { COUNT = 0x0, ADD = 0x4, SCRATCH = 0x8 }; /* as in counter.c */

static int count(struct medio_card *card)
{
	uint32_t id, scratch, value;
	uint64_t events;

	if (medio_card_read32(card, MEDIO_CARD_CONFIG, 0, &id))
		return -1;
	if (id != 0x0c011234) {
		fprintf(stderr, "count: this card is %08" PRIx32 ", no counter\n", id);
		return -1;
	}
	if (medio_card_reset(card) || medio_card_irq_open(card, MEDIO_CARD_MSI, 1) ||
		medio_card_write32(card, MEDIO_CARD_BAR0, SCRATCH, 0xcafe) ||
		medio_card_read32(card, MEDIO_CARD_BAR0, SCRATCH, &scratch) ||
		medio_card_write32(card, MEDIO_CARD_BAR0, ADD, 0xffffffff) ||
		medio_card_write32(card, MEDIO_CARD_BAR0, ADD, 3) ||
		medio_card_irq_wait(card, MEDIO_CARD_MSI, 0, 1000, &events) ||
		medio_card_read32(card, MEDIO_CARD_BAR0, COUNT, &value))
		return -1;
	printf("scratch 0x%" PRIx32 ", count %" PRIu32 ", %" PRIu64 " interrupt\n", scratch, value,
		events);
	return 0;
}

int main(int argc, char **argv)
{
	struct medio_error *err = NULL;
	struct medio_card *card;

	if (argc != 2) {
		fprintf(stderr, "usage: count DEVICE\n");
		return 2;
	}
	if (medio_card_open(argv[1], NULL, &card, &err)) {
		fprintf(stderr, "count: %s\n", medio_error_text(err));
		medio_error_free(err);
		return 1;
	}
	int ret = count(card);
	if (ret && *medio_card_last_error(card))
		fprintf(stderr, "count: %s\n", medio_card_last_error(card));
	medio_card_close(card);
	return ret ? 1 : 0;
}
