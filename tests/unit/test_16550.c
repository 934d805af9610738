/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The 16550 driver on a model of the chip: the calls of <medio/driver.h> that the driver makes are
 * defined here. The model echoes, has FIFOs of 16, and counts what a careless driver loses.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../drivers/16550/uart16550.h"

struct medio_card {
	bool absent, echo, intx, msi;
	bool eager;	/* announces each byte, whatever the trigger level */
	int fail_after; /* accesses until the card dies; 0: never */
	uint8_t regs[8], dll, fcr;
	uint8_t rx[16];
	unsigned rx_count, lost, tx_overrun, burst;
	bool thre_pending, dlab, masked, was_high;
	int event;
	uint16_t command;
	uint64_t sent;
	unsigned unmasks;
};

static bool tx_wanted(const struct medio_card *c)
{
	return c->thre_pending && c->regs[1] & 2;
}

static uint8_t model_iir(const struct medio_card *c)
{
	unsigned trigger = c->eager ? 1 : 14;

	if (c->rx_count && c->regs[1] & 1)
		return c->rx_count >= trigger ? 4 : 0xc;
	return tx_wanted(c) ? 2 : 1;
}

/* INTx: level, masked by each event (automasked); MSI: one event a rise. */
static void deliver(struct medio_card *c)
{
	bool high = model_iir(c) != 1;
	uint64_t one = 1;

	if (c->event >= 0 && high && (c->intx ? !c->masked : !c->was_high)) {
		assert_int_equal(write(c->event, &one, sizeof(one)), sizeof(one));
		c->masked = c->intx;
	}
	c->was_high = high;
}

static void model_receive(struct medio_card *c, uint8_t byte)
{
	if (c->rx_count == 16)
		c->lost++;
	else
		c->rx[c->rx_count++] = byte;
	deliver(c);
}

static uint8_t model_read(struct medio_card *c, unsigned reg)
{
	uint8_t value = c->regs[reg];

	c->burst = 0; /* time passes: the transmitter empties */
	if (reg == 0) {
		value = c->rx[0];
		if (c->rx_count)
			memmove(c->rx, c->rx + 1, --c->rx_count);
	} else if (reg == 2) {
		value = model_iir(c);
		if (value == 2)
			c->thre_pending = false;
	} else if (reg == 5) {
		value = (uint8_t)(0x60 | (c->rx_count ? 1 : 0));
	}
	deliver(c);
	return value;
}

static void model_write(struct medio_card *c, unsigned reg, uint8_t value)
{
	if (c->dlab && reg < 2) {
		if (!reg)
			c->dll = value;
		return;
	}
	if (reg == 0) {
		c->sent++;
		if (++c->burst > 16)
			c->tx_overrun++;
		c->thre_pending = true;
		if (c->echo)
			model_receive(c, value);
	} else if (reg == 1 && value & ~c->regs[1] & 2) {
		c->thre_pending = true;
	} else if (reg == 2) {
		c->fcr = value;
	}
	c->dlab = c->dlab && reg != 3;
	if (reg == 3)
		c->dlab = value & 0x80;
	if (reg != 0 && reg != 2)
		c->regs[reg] = value;
	deliver(c);
}

static int access_ok(struct medio_card *c, unsigned region)
{
	assert_int_equal(region, 0);
	if (c->fail_after && !--c->fail_after) {
		c->fail_after = 1;
		return -ECONNRESET;
	}
	return 0;
}

int medio_card_read8(struct medio_card *c, unsigned region, uint64_t offset, uint8_t *out)
{
	int ret = access_ok(c, region);

	if (!ret)
		*out = c->absent ? 0xff : model_read(c, (unsigned)offset);
	return ret;
}

int medio_card_write8(struct medio_card *c, unsigned region, uint64_t offset, uint8_t value)
{
	int ret = access_ok(c, region);

	if (!ret)
		model_write(c, (unsigned)offset, value);
	return ret;
}

int medio_card_read8_rep(
	struct medio_card *c, unsigned region, uint64_t offset, uint8_t *buf, size_t count)
{
	int ret = 0;

	/* A byte that is not there would be read as an old one. */
	assert_true(count <= c->rx_count);
	while (!ret && count--)
		ret = medio_card_read8(c, region, offset, buf++);
	return ret;
}

int medio_card_post(
	struct medio_card *c, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	assert_int_equal(count, 1);
	return medio_card_write8(c, region, offset, *(const uint8_t *)buf);
}

int medio_card_flush(struct medio_card *c)
{
	return 0;
}

int medio_card_read16(struct medio_card *c, unsigned region, uint64_t offset, uint16_t *out)
{
	assert_int_equal(region, MEDIO_CARD_CONFIG);
	*out = c->command;
	return 0;
}

int medio_card_write16(struct medio_card *c, unsigned region, uint64_t offset, uint16_t value)
{
	assert_int_equal(offset, 4);
	c->command = value;
	return 0;
}

int medio_card_get_region(struct medio_card *c, unsigned region, struct medio_card_region *out)
{
	*out = (struct medio_card_region){
		.size = region ? 4 : 8, .readable = true, .writable = true
	};
	return 0;
}

void medio_card_get_info(const struct medio_card *c, struct medio_card_info *out)
{
	*out = (struct medio_card_info){ .num_regions = 9, .num_irqs = 5 };
}

int medio_card_get_irq(struct medio_card *c, unsigned index, struct medio_card_irq *out)
{
	*out = (struct medio_card_irq){ 0 };
	if (index == MEDIO_CARD_INTX && c->intx)
		*out = (struct medio_card_irq){ .count = 1, .maskable = true, .automasked = true };
	if (index == MEDIO_CARD_MSI && c->msi)
		*out = (struct medio_card_irq){ .count = 1 };
	return 0;
}

int medio_card_irq_open(struct medio_card *c, unsigned index, uint32_t count)
{
	c->event = eventfd(0, EFD_NONBLOCK);
	deliver(c);
	return 0;
}

int medio_card_irq_fd(struct medio_card *c, unsigned index, uint32_t vector)
{
	return c->event;
}

int medio_card_irq_unmask(struct medio_card *c, unsigned index, uint32_t start, uint32_t count)
{
	c->masked = false;
	c->unmasks++;
	deliver(c);
	return 0;
}

int medio_card_irq_disable(struct medio_card *c, unsigned index)
{
	close(c->event);
	c->event = -1;
	return 0;
}

/* ---- Tests ------------------------------------------------------------------------------------- */

static struct medio_card model(bool intx, bool msi)
{
	return (struct medio_card){
		.echo = true, .intx = intx, .msi = msi, .event = -1, .command = 0x0400
	};
}

static void open_sets_the_port_up_and_close_quiets_it(void **state)
{
	struct medio_card card = model(true, true);
	struct uart16550 *uart;

	card.rx_count = 3; /* left over from before */
	assert_int_equal(uart16550_open(&card, 0, &uart), 0);
	assert_int_equal(card.command, 3);
	assert_int_equal(card.regs[3], 3);
	assert_int_equal(card.dll, 1);
	assert_int_equal(card.fcr, 0xc7);
	assert_int_equal(card.regs[4], 0x0b);
	assert_int_equal(card.regs[1], 5);
	uart16550_close(uart);
	assert_int_equal(card.regs[1], 0);
	assert_int_equal(card.regs[4], 0);
	assert_int_equal(card.event, -1);
}

static void open_refuses_what_is_no_uart(void **state)
{
	struct medio_card card = model(true, false);
	struct uart16550 *uart = NULL;

	assert_int_equal(uart16550_open(&card, 1, &uart), -ENODEV);
	assert_int_equal(uart16550_open(&card, 6, &uart), -ENODEV);
	card.absent = true;
	card.regs[1] = 0x11;
	card.regs[4] = 0x22;
	assert_int_equal(uart16550_open(&card, 0, &uart), -ENODEV);
	assert_null(uart);
	/* Whatever it is, its other registers are as they were. */
	assert_int_equal(card.regs[1], 0x11);
	assert_int_equal(card.regs[4], 0x22);
}

static bool woken(struct medio_card *card)
{
	uint64_t count;

	if (card->event < 0)
		return true;
	if (read(card->event, &count, sizeof(count)) != sizeof(count))
		return false;
	/* Put it back: the driver counts. */
	assert_int_equal(write(card->event, &count, sizeof(count)), sizeof(count));
	return true;
}

/* Echo size bytes with reads of at most `gulp`; service() runs only when the interrupt says so. */
static void echo(struct medio_card card, size_t size, size_t gulp, struct uart16550_stats *stats)
{
	uint8_t *out = malloc(size), *in = malloc(size);
	size_t given = 0, taken = 0;
	struct uart16550 *uart;

	for (size_t i = 0; i < size; i++)
		out[i] = (uint8_t)(i * 7 + (i >> 8));
	assert_int_equal(uart16550_open(&card, 0, &uart), 0);
	while (taken < size) {
		int n = uart16550_write(uart, out + given, size - given);
		assert_true(n >= 0);
		given += n;
		size_t left = size - taken;
		int got = uart16550_read(uart, in + taken, gulp < left ? gulp : left);
		assert_true(got >= 0);
		taken += got;
		bool work = woken(&card);
		/* Nothing moved and no interrupt is due: it would hang for ever. */
		if (!n && !got && !work)
			fail_msg("stuck at %zu of %zu", taken, size);
		if (work)
			assert_int_equal(uart16550_service(uart), 0);
	}
	assert_memory_equal(in, out, size);
	assert_int_equal(card.lost, 0);
	assert_int_equal(card.tx_overrun, 0);
	assert_int_equal(uart16550_drained(uart), 1);
	uart16550_get_stats(uart, stats);
	assert_int_equal(stats->sent, size);
	assert_int_equal(stats->received, size);
	uart16550_close(uart);
	free(out);
	free(in);
}

static void echoes_come_back_whole_by_intx(void **state)
{
	struct uart16550_stats stats;

	for (size_t size = 1; size <= 70; size++)
		echo(model(true, true), size, 4096, &stats);
	echo(model(true, true), 100000, 4096, &stats);
	assert_string_equal(stats.interrupt, "INTx");
	assert_true(stats.interrupts > 0);
}

static void echoes_come_back_whole_by_msi(void **state)
{
	struct uart16550_stats stats;

	echo(model(false, true), 100000, 4096, &stats);
	assert_string_equal(stats.interrupt, "MSI");
	assert_true(stats.interrupts > 0);
}

static void echoes_come_back_whole_by_polling(void **state)
{
	struct uart16550_stats stats;

	echo(model(false, false), 100000, 4096, &stats);
	assert_string_equal(stats.interrupt, "polled");
	assert_int_equal(stats.interrupts, 0);
}

/* What is read before it is there would be an old byte: the model fails then. */
static void a_card_that_keeps_no_trigger_level_is_not_trusted(void **state)
{
	struct medio_card card = model(true, false);
	struct uart16550_stats stats;

	card.eager = true;
	for (size_t size = 1; size <= 70; size++)
		echo(card, size, 4096, &stats);
	echo(card, 20000, 4096, &stats);
	echo(card, 20000, 1, &stats);
}

static void a_slow_reader_loses_nothing(void **state)
{
	struct uart16550_stats stats;

	echo(model(true, false), 20000, 1, &stats);
	echo(model(false, true), 20000, 3, &stats);
}

static void a_few_received_bytes_are_read_on_timeout(void **state)
{
	struct medio_card card = model(true, false);
	struct uart16550 *uart;
	char buf[16];

	assert_int_equal(uart16550_open(&card, 0, &uart), 0);
	model_receive(&card, 'h');
	model_receive(&card, 'i');
	assert_int_equal(uart16550_readable(uart), 0);
	assert_int_equal(uart16550_service(uart), 0);
	assert_int_equal(uart16550_readable(uart), 2);
	assert_int_equal(uart16550_read(uart, buf, sizeof(buf)), 2);
	assert_memory_equal(buf, "hi", 2);
	assert_int_equal(card.unmasks, 1);
	assert_false(card.masked);
	uart16550_close(uart);
}

static void a_card_that_dies_is_reported(void **state)
{
	/* At every point of open, a write and a service. */
	for (int after = 1; after < 60; after++) {
		struct medio_card card = model(true, false);
		struct uart16550 *uart = NULL;
		card.fail_after = after;
		int ret = uart16550_open(&card, 0, &uart);
		if (!ret)
			ret = uart16550_write(uart, "some bytes to send", 18);
		if (ret >= 0)
			ret = uart16550_service(uart);
		if (after < 50)
			assert_int_equal(ret, -ECONNRESET);
		uart16550_close(uart);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_sets_the_port_up_and_close_quiets_it),
		cmocka_unit_test(open_refuses_what_is_no_uart),
		cmocka_unit_test(echoes_come_back_whole_by_intx),
		cmocka_unit_test(echoes_come_back_whole_by_msi),
		cmocka_unit_test(echoes_come_back_whole_by_polling),
		cmocka_unit_test(a_card_that_keeps_no_trigger_level_is_not_trusted),
		cmocka_unit_test(a_slow_reader_loses_nothing),
		cmocka_unit_test(a_few_received_bytes_are_read_on_timeout),
		cmocka_unit_test(a_card_that_dies_is_reported),
	};
	return cmocka_run_group_tests_name("16550", tests, NULL, NULL);
}
