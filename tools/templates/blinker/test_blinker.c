/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The test: a driver for blinker, as an ordinary program. `meson test` serves the card and runs this
 * with its address. Everything a driver may do is explained in <medio/driver.h>.
 */
#include <stdio.h>

#include <medio/driver.h>

enum { ID = 0x0, PERIOD = 0x4, BLINKS = 0x8 };

static struct medio_card *card;
static int failures;

/* What is written between the brackets must be true. */
#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			printf("line %d: %s is not so (%s)\n", __LINE__, #condition, \
				medio_card_last_error(card)); \
			failures++; \
		} \
	} while (0)

static void it_is_the_right_card(void)
{
	uint32_t ids = 0, id = 0;

	CHECK(medio_card_read32(card, MEDIO_CARD_CONFIG, 0, &ids) == 0);
	CHECK(ids == 0xb11c1234);
	CHECK(medio_card_read32(card, MEDIO_CARD_BAR0, ID, &id) == 0);
	CHECK(id == 0x6b6e6c62);
}

static void it_blinks_and_interrupts(void)
{
	uint32_t blinks = 0;
	uint64_t events;

	CHECK(medio_card_irq_open(card, MEDIO_CARD_MSI, 1) == 0);
	CHECK(medio_card_write32(card, MEDIO_CARD_BAR0, PERIOD, 5) == 0);
	CHECK(medio_card_irq_wait(card, MEDIO_CARD_MSI, 0, 5000, &events) == 0);
	CHECK(medio_card_irq_wait(card, MEDIO_CARD_MSI, 0, 5000, &events) == 0);
	CHECK(medio_card_read32(card, MEDIO_CARD_BAR0, BLINKS, &blinks) == 0);
	CHECK(blinks >= 2);
}

static void a_reset_stops_it(void)
{
	uint32_t period = 1, blinks = 1;

	CHECK(medio_card_reset(card) == 0);
	CHECK(medio_card_read32(card, MEDIO_CARD_BAR0, PERIOD, &period) == 0);
	CHECK(medio_card_read32(card, MEDIO_CARD_BAR0, BLINKS, &blinks) == 0);
	CHECK(period == 0 && blinks == 0);
}

static void odd_accesses_fail(void)
{
	uint8_t byte;

	CHECK(medio_card_read8(card, MEDIO_CARD_BAR0, ID, &byte) != 0);
	CHECK(medio_card_write16(card, MEDIO_CARD_BAR0, PERIOD + 1, 1) != 0);
}

int main(int argc, char **argv)
{
	struct medio_error *err = NULL;

	if (argc != 2) {
		fprintf(stderr, "usage: %s DEVICE\n", argv[0]);
		return 2;
	}
	if (medio_card_open(argv[1], NULL, &card, &err)) {
		fprintf(stderr, "%s\n", medio_error_text(err));
		medio_error_free(err);
		return 1;
	}
	it_is_the_right_card();
	it_blinks_and_interrupts();
	a_reset_stops_it();
	odd_accesses_fail();
	medio_card_close(card);
	return failures ? 1 : 0;
}
