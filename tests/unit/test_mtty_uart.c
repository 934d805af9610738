/* SPDX-License-Identifier: BSD-3-Clause */
/* The UART chip of mtty, register by register. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mtty/uart.h"

#define U(name_) struct medio_mtty_uart *name_ = *state

static struct medio_mtty_uart chip;

static int setup(void **state)
{
	chip = (struct medio_mtty_uart){ .outside = MEDIO_MTTY_MSR_CTS };
	medio_mtty_uart_reset(&chip);
	*state = &chip;
	return 0;
}

static uint8_t in(struct medio_mtty_uart *u, unsigned reg)
{
	return medio_mtty_uart_read(u, reg);
}

static void out(struct medio_mtty_uart *u, unsigned reg, uint8_t value)
{
	medio_mtty_uart_write(u, reg, value);
}

static void put(struct medio_mtty_uart *u, unsigned n, uint8_t first)
{
	for (unsigned i = 0; i < n; i++)
		medio_mtty_uart_rx_put(u, first + i, 0);
}

static uint8_t cause(struct medio_mtty_uart *u)
{
	return in(u, MEDIO_MTTY_IIR) & 0x0f;
}

static void registers_after_reset_are_the_data_sheets(void **state)
{
	U(u);

	assert_int_equal(in(u, MEDIO_MTTY_IER), 0);
	assert_int_equal(in(u, MEDIO_MTTY_IIR), 0x01);
	assert_int_equal(in(u, MEDIO_MTTY_LCR), 0);
	assert_int_equal(in(u, MEDIO_MTTY_MCR), 0);
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0x60);
	assert_int_equal(in(u, MEDIO_MTTY_MSR), MEDIO_MTTY_MSR_CTS);
	assert_false(medio_mtty_uart_irq(u));
}

static void dlab_banks_the_divisor_over_data_and_ier(void **state)
{
	U(u);

	put(u, 1, 'x');
	out(u, MEDIO_MTTY_IER, 0x05);
	out(u, MEDIO_MTTY_LCR, 0x83);
	out(u, 0, 0x34);
	out(u, 1, 0x12);
	assert_int_equal(in(u, 0), 0x34);
	assert_int_equal(in(u, 1), 0x12);
	out(u, MEDIO_MTTY_LCR, 0x03);
	assert_int_equal(in(u, 1), 0x05);
	assert_int_equal(in(u, 0), 'x');
	assert_int_equal(u->divisor, 0x1234);
}

static void scratch_keeps_a_byte_and_status_registers_take_none(void **state)
{
	U(u);

	out(u, MEDIO_MTTY_SCR, 0xa5);
	assert_int_equal(in(u, MEDIO_MTTY_SCR), 0xa5);
	out(u, MEDIO_MTTY_LSR, 0xff);
	out(u, MEDIO_MTTY_MSR, 0xff);
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0x60);
	assert_int_equal(in(u, MEDIO_MTTY_MSR), MEDIO_MTTY_MSR_CTS);
}

static void absent_bits_of_ier_and_mcr_read_as_zero(void **state)
{
	U(u);

	out(u, MEDIO_MTTY_IER, 0xff);
	out(u, MEDIO_MTTY_MCR, 0xff);
	assert_int_equal(in(u, MEDIO_MTTY_IER), 0x0f);
	assert_int_equal(in(u, MEDIO_MTTY_MCR), 0x1f);
}

static void sixteen_unread_bytes_are_sixteen(void **state)
{
	U(u);

	out(u, MEDIO_MTTY_FCR, 0x01);
	put(u, 16, 'a');
	assert_int_equal(medio_mtty_uart_rx_room(u), 0);
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(in(u, MEDIO_MTTY_LSR), 0x61);
		assert_int_equal(in(u, MEDIO_MTTY_RBR), 'a' + i);
	}
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0x60);
	assert_int_equal(u->overruns, 0);
}

static void seventeenth_byte_overruns_and_the_fifo_keeps_the_old(void **state)
{
	U(u);

	out(u, MEDIO_MTTY_FCR, 0x01);
	out(u, MEDIO_MTTY_IER, MEDIO_MTTY_IER_LINE);
	put(u, 17, 0);
	assert_int_equal(cause(u), MEDIO_MTTY_IIR_LINE);
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0x63);
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0x61);
	assert_false(medio_mtty_uart_irq(u));
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(in(u, MEDIO_MTTY_RBR), i);
	assert_int_equal(u->overruns, 1);
}

static void without_fifos_an_overrun_shows_the_newest(void **state)
{
	U(u);

	put(u, 2, 'a');
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0x63);
	assert_int_equal(in(u, MEDIO_MTTY_RBR), 'b');
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0x60);
}

static void each_trigger_level_interrupts_at_its_count(void **state)
{
	U(u);
	static const unsigned levels[] = { 1, 4, 8, 14 };

	out(u, MEDIO_MTTY_IER, MEDIO_MTTY_IER_RX);
	for (unsigned i = 0; i < 4; i++) {
		out(u, MEDIO_MTTY_FCR, 0x03 | i << 6);
		put(u, levels[i] - 1, 0);
		assert_false(medio_mtty_uart_irq(u));
		put(u, 1, 0);
		assert_true(medio_mtty_uart_irq(u));
		assert_int_equal(in(u, MEDIO_MTTY_IIR), 0xc4);
		/* Reading IIR does not take it; falling below the level does. */
		assert_true(medio_mtty_uart_irq(u));
		in(u, MEDIO_MTTY_RBR);
		assert_false(medio_mtty_uart_irq(u));
	}
}

static void timeout_announces_bytes_below_the_trigger(void **state)
{
	U(u);

	out(u, MEDIO_MTTY_LCR, 0x83);
	out(u, 0, 1);
	out(u, 1, 0);
	out(u, MEDIO_MTTY_LCR, 0x03);
	out(u, MEDIO_MTTY_FCR, 0x81);
	out(u, MEDIO_MTTY_IER, MEDIO_MTTY_IER_RX);
	assert_int_equal(medio_mtty_uart_timeout_ns(u), 0);
	put(u, 3, 'a');
	/* 4 characters of 10 bits at 115200 baud. */
	assert_int_equal(medio_mtty_uart_timeout_ns(u), 347222);
	assert_false(medio_mtty_uart_irq(u));
	medio_mtty_uart_timeout(u);
	assert_int_equal(in(u, MEDIO_MTTY_IIR), 0xcc);
	assert_int_equal(in(u, MEDIO_MTTY_IIR), 0xcc);
	/* One read takes it, and the time starts anew for the rest. */
	uint32_t before = u->activity;
	assert_int_equal(in(u, MEDIO_MTTY_RBR), 'a');
	assert_false(medio_mtty_uart_irq(u));
	assert_int_not_equal(u->activity, before);
	assert_int_not_equal(medio_mtty_uart_timeout_ns(u), 0);
}

static void timeout_does_not_run_at_the_trigger_without_fifos_or_masked(void **state)
{
	U(u);

	out(u, MEDIO_MTTY_IER, MEDIO_MTTY_IER_RX);
	put(u, 1, 0);
	assert_int_equal(medio_mtty_uart_timeout_ns(u), 0);
	out(u, MEDIO_MTTY_FCR, 0x41);
	put(u, 4, 0);
	assert_int_equal(medio_mtty_uart_timeout_ns(u), 0);
	in(u, MEDIO_MTTY_RBR);
	assert_int_not_equal(medio_mtty_uart_timeout_ns(u), 0);
	out(u, MEDIO_MTTY_IER, 0);
	assert_int_equal(medio_mtty_uart_timeout_ns(u), 0);
	/* A timer that fires late finds nothing to announce. */
	medio_mtty_uart_timeout(u);
	out(u, MEDIO_MTTY_IER, MEDIO_MTTY_IER_RX);
	assert_false(medio_mtty_uart_irq(u));
}

static void fcr_resets_each_fifo_on_its_own(void **state)
{
	U(u);

	out(u, MEDIO_MTTY_FCR, 0x01);
	put(u, 5, 0);
	out(u, MEDIO_MTTY_THR, 'x');
	out(u, MEDIO_MTTY_FCR, 0x03);
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0);
	put(u, 1, 0);
	out(u, MEDIO_MTTY_FCR, 0x05);
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0x61);
	/* Without bit 0 the others mean nothing; switching off clears both. */
	out(u, MEDIO_MTTY_THR, 'x');
	out(u, MEDIO_MTTY_FCR, 0xc6);
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0x60);
	assert_int_equal(in(u, MEDIO_MTTY_IIR), 0x01);
}

static void thr_holds_sixteen_bytes_until_they_leave(void **state)
{
	U(u);
	uint8_t buf[32];

	out(u, MEDIO_MTTY_FCR, 0x01);
	for (unsigned i = 0; i < 17; i++)
		out(u, MEDIO_MTTY_THR, i);
	assert_int_equal(u->tx_lost, 1);
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0);
	assert_int_equal(medio_mtty_uart_tx_peek(u, buf, sizeof(buf)), 16);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(buf[i], i);
	medio_mtty_uart_tx_done(u, 15);
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0);
	medio_mtty_uart_tx_done(u, 1);
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0x60);
}

static void thre_interrupt_rises_on_enabling_while_empty(void **state)
{
	U(u);

	/* Twice: Linux tests for chips that do it only once. */
	for (unsigned i = 0; i < 2; i++) {
		out(u, MEDIO_MTTY_IER, MEDIO_MTTY_IER_THRE);
		assert_true(medio_mtty_uart_irq(u));
		assert_int_equal(cause(u), MEDIO_MTTY_IIR_THRE);
		assert_int_equal(cause(u), MEDIO_MTTY_IIR_NONE);
		out(u, MEDIO_MTTY_IER, 0);
	}
}

static void thre_interrupt_is_not_raised_by_enabling_it_twice_or_while_full(void **state)
{
	U(u);

	out(u, MEDIO_MTTY_IER, MEDIO_MTTY_IER_THRE);
	cause(u);
	out(u, MEDIO_MTTY_IER, MEDIO_MTTY_IER_THRE | MEDIO_MTTY_IER_RX);
	assert_false(medio_mtty_uart_irq(u));
	out(u, MEDIO_MTTY_IER, 0);
	out(u, MEDIO_MTTY_THR, 'x');
	out(u, MEDIO_MTTY_IER, MEDIO_MTTY_IER_THRE);
	assert_false(medio_mtty_uart_irq(u));
	medio_mtty_uart_tx_done(u, 1);
	assert_true(medio_mtty_uart_irq(u));
}

static void thre_interrupt_is_taken_by_writing_thr_and_not_by_reading_lsr(void **state)
{
	U(u);

	out(u, MEDIO_MTTY_IER, MEDIO_MTTY_IER_THRE);
	in(u, MEDIO_MTTY_LSR);
	assert_true(medio_mtty_uart_irq(u));
	out(u, MEDIO_MTTY_THR, 'x');
	assert_false(medio_mtty_uart_irq(u));
	medio_mtty_uart_tx_done(u, 1);
	assert_true(medio_mtty_uart_irq(u));
}

static void iir_shows_the_highest_cause_and_the_next_after_it(void **state)
{
	U(u);

	out(u, MEDIO_MTTY_FCR, 0x01);
	out(u, MEDIO_MTTY_IER, 0x0f);
	medio_mtty_uart_lines(u, 0);
	put(u, 17, 0);
	assert_int_equal(cause(u), MEDIO_MTTY_IIR_LINE);
	/* Showing a higher cause does not take the THRE interrupt. */
	in(u, MEDIO_MTTY_LSR);
	assert_int_equal(cause(u), MEDIO_MTTY_IIR_RX);
	for (unsigned i = 0; i < 16; i++)
		in(u, MEDIO_MTTY_RBR);
	assert_int_equal(cause(u), MEDIO_MTTY_IIR_THRE);
	/* Taken; the line stays up for what is left. */
	assert_true(medio_mtty_uart_irq(u));
	assert_int_equal(cause(u), MEDIO_MTTY_IIR_MODEM);
	in(u, MEDIO_MTTY_MSR);
	assert_int_equal(cause(u), MEDIO_MTTY_IIR_NONE);
	assert_false(medio_mtty_uart_irq(u));
}

static void masked_causes_are_kept_and_shown_when_enabled(void **state)
{
	U(u);

	put(u, 2, 0);
	medio_mtty_uart_lines(u, 0);
	assert_false(medio_mtty_uart_irq(u));
	out(u, MEDIO_MTTY_IER, MEDIO_MTTY_IER_MODEM);
	assert_int_equal(cause(u), MEDIO_MTTY_IIR_MODEM);
	out(u, MEDIO_MTTY_IER, MEDIO_MTTY_IER_RX);
	assert_int_equal(cause(u), MEDIO_MTTY_IIR_RX);
	out(u, MEDIO_MTTY_IER, MEDIO_MTTY_IER_LINE);
	assert_int_equal(cause(u), MEDIO_MTTY_IIR_LINE);
}

static void interrupts_do_not_need_out2(void **state)
{
	U(u);

	out(u, MEDIO_MTTY_IER, MEDIO_MTTY_IER_THRE);
	assert_int_equal(in(u, MEDIO_MTTY_MCR) & MEDIO_MTTY_MCR_OUT2, 0);
	assert_true(medio_mtty_uart_irq(u));
}

static void character_errors_show_with_their_character(void **state)
{
	U(u);

	out(u, MEDIO_MTTY_FCR, 0x01);
	out(u, MEDIO_MTTY_IER, MEDIO_MTTY_IER_LINE);
	put(u, 1, 'a');
	medio_mtty_uart_rx_put(u, 'b', MEDIO_MTTY_LSR_PE);
	medio_mtty_uart_rx_put(u, 'c', MEDIO_MTTY_LSR_FE);
	/* Somewhere in the FIFO, not at its head: bit 7 alone, and no interrupt yet. */
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0xe1);
	assert_false(medio_mtty_uart_irq(u));
	in(u, MEDIO_MTTY_RBR);
	assert_true(medio_mtty_uart_irq(u));
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0xe5);
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0xe1);
	assert_int_equal(in(u, MEDIO_MTTY_RBR), 'b');
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0xe9);
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0x61);
	assert_int_equal(in(u, MEDIO_MTTY_RBR), 'c');
}

static void loopback_returns_bytes_and_sends_none(void **state)
{
	U(u);
	uint8_t buf[1];

	out(u, MEDIO_MTTY_FCR, 0x01);
	out(u, MEDIO_MTTY_MCR, MEDIO_MTTY_MCR_LOOP);
	for (unsigned i = 0; i < 16; i++)
		out(u, MEDIO_MTTY_THR, i);
	assert_int_equal(medio_mtty_uart_tx_peek(u, buf, 1), 0);
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0x61);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(in(u, MEDIO_MTTY_RBR), i);
}

static void loopback_overruns_as_hardware_does(void **state)
{
	U(u);

	out(u, MEDIO_MTTY_FCR, 0x01);
	out(u, MEDIO_MTTY_MCR, MEDIO_MTTY_MCR_LOOP);
	for (unsigned i = 0; i < 20; i++)
		out(u, MEDIO_MTTY_THR, i);
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0x63);
	assert_int_equal(u->overruns, 4);
}

static void loopback_wires_modem_outputs_to_inputs(void **state)
{
	U(u);
	static const uint8_t pairs[][2] = {
		{ MEDIO_MTTY_MCR_DTR, MEDIO_MTTY_MSR_DSR },
		{ MEDIO_MTTY_MCR_RTS, MEDIO_MTTY_MSR_CTS },
		{ MEDIO_MTTY_MCR_OUT1, MEDIO_MTTY_MSR_RI },
		{ MEDIO_MTTY_MCR_OUT2, MEDIO_MTTY_MSR_DCD },
	};

	for (unsigned i = 0; i < 4; i++) {
		out(u, MEDIO_MTTY_MCR, MEDIO_MTTY_MCR_LOOP | pairs[i][0]);
		assert_int_equal(in(u, MEDIO_MTTY_MSR) & 0xf0, pairs[i][1]);
	}
	/* Outside lines are cut off meanwhile, and back afterwards. */
	medio_mtty_uart_lines(u, MEDIO_MTTY_MSR_DSR);
	assert_int_equal(in(u, MEDIO_MTTY_MSR) & 0xf0, MEDIO_MTTY_MSR_DCD);
	out(u, MEDIO_MTTY_MCR, 0);
	assert_int_equal(in(u, MEDIO_MTTY_MSR) & 0xf0, MEDIO_MTTY_MSR_DSR);
}

static void loopback_raises_modem_interrupts(void **state)
{
	U(u);

	medio_mtty_uart_lines(u, 0);
	in(u, MEDIO_MTTY_MSR);
	out(u, MEDIO_MTTY_IER, MEDIO_MTTY_IER_MODEM);
	out(u, MEDIO_MTTY_MCR, MEDIO_MTTY_MCR_LOOP);
	assert_false(medio_mtty_uart_irq(u));
	out(u, MEDIO_MTTY_MCR, MEDIO_MTTY_MCR_LOOP | MEDIO_MTTY_MCR_RTS);
	assert_int_equal(cause(u), MEDIO_MTTY_IIR_MODEM);
	assert_int_equal(in(u, MEDIO_MTTY_MSR), MEDIO_MTTY_MSR_CTS | MEDIO_MTTY_MSR_DCTS);
	assert_false(medio_mtty_uart_irq(u));
}

static void msr_deltas_clear_on_read_and_ri_counts_its_trailing_edge(void **state)
{
	U(u);

	medio_mtty_uart_lines(u, 0xf0);
	assert_int_equal(in(u, MEDIO_MTTY_MSR), 0xf0 | MEDIO_MTTY_MSR_DDSR | MEDIO_MTTY_MSR_DDCD);
	assert_int_equal(in(u, MEDIO_MTTY_MSR), 0xf0);
	medio_mtty_uart_lines(u, 0xf0 & ~MEDIO_MTTY_MSR_RI);
	assert_int_equal(in(u, MEDIO_MTTY_MSR), 0xb0 | MEDIO_MTTY_MSR_TERI);
	medio_mtty_uart_lines(u, 0xf0);
	assert_int_equal(in(u, MEDIO_MTTY_MSR), 0xf0);
	/* There and back is two changes: the delta stays. */
	medio_mtty_uart_lines(u, 0xe0);
	medio_mtty_uart_lines(u, 0xf0);
	assert_int_equal(in(u, MEDIO_MTTY_MSR), 0xf0 | MEDIO_MTTY_MSR_DCTS);
}

static void break_is_a_nul_with_bi(void **state)
{
	U(u);

	out(u, MEDIO_MTTY_FCR, 0x01);
	out(u, MEDIO_MTTY_IER, MEDIO_MTTY_IER_LINE);
	out(u, MEDIO_MTTY_MCR, MEDIO_MTTY_MCR_LOOP);
	out(u, MEDIO_MTTY_LCR, 0x43);
	assert_int_equal(cause(u), MEDIO_MTTY_IIR_LINE);
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0xe1 | MEDIO_MTTY_LSR_BI | MEDIO_MTTY_LSR_FE);
	assert_int_equal(in(u, MEDIO_MTTY_RBR), 0);
	/* A break is one character however long it lasts. */
	out(u, MEDIO_MTTY_LCR, 0x43);
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0x60);
	out(u, MEDIO_MTTY_MCR, 0);
	assert_true(medio_mtty_uart_breaking(u));
	out(u, MEDIO_MTTY_LCR, 0x03);
	assert_false(medio_mtty_uart_breaking(u));
}

/* The steps of autoconfig() and autoconfig_16550a() in Linux's 8250_port.c that decide the type. */
static void linux_autoconfig_finds_a_16550a(void **state)
{
	U(u);
	unsigned count, iir_plain, iir_dlab;

	out(u, MEDIO_MTTY_IER, 0);
	assert_int_equal(in(u, MEDIO_MTTY_IER) & 0x0f, 0);
	out(u, MEDIO_MTTY_IER, 0x0f);
	assert_int_equal(in(u, MEDIO_MTTY_IER) & 0x0f, 0x0f);
	out(u, MEDIO_MTTY_IER, 0);
	out(u, MEDIO_MTTY_MCR, MEDIO_MTTY_MCR_LOOP | 0x0a);
	assert_int_equal(in(u, MEDIO_MTTY_MSR) & 0xf0, 0x90);
	out(u, MEDIO_MTTY_MCR, 0);

	/* EFR = 0, then which FIFO bits appear. */
	out(u, MEDIO_MTTY_LCR, 0xbf);
	out(u, MEDIO_MTTY_FCR, 0);
	out(u, MEDIO_MTTY_LCR, 0);
	out(u, MEDIO_MTTY_FCR, 0x01);
	assert_int_equal(in(u, MEDIO_MTTY_IIR) >> 6, 3);

	/* An EFR would read as 0 here: 16650, and 16650V2 and its kin. */
	out(u, MEDIO_MTTY_LCR, 0x80);
	assert_int_not_equal(in(u, MEDIO_MTTY_IIR), 0);
	out(u, MEDIO_MTTY_LCR, 0xbf);
	assert_int_not_equal(in(u, MEDIO_MTTY_IIR), 0);

	/* A NatSemi SuperIO would show MCR's loop bit in its second bank. */
	out(u, MEDIO_MTTY_LCR, 0);
	out(u, MEDIO_MTTY_MCR, MEDIO_MTTY_MCR_LOOP);
	out(u, MEDIO_MTTY_LCR, 0xe0);
	assert_int_equal(in(u, 2) & MEDIO_MTTY_MCR_LOOP, 0);
	out(u, MEDIO_MTTY_LCR, 0);
	out(u, MEDIO_MTTY_MCR, 0);

	/* A 16750 sets IIR bit 5 for 64 bytes with DLAB set. */
	out(u, MEDIO_MTTY_FCR, 0x21);
	iir_plain = in(u, MEDIO_MTTY_IIR) >> 5;
	out(u, MEDIO_MTTY_LCR, 0x80);
	out(u, MEDIO_MTTY_FCR, 0x21);
	iir_dlab = in(u, MEDIO_MTTY_IIR) >> 5;
	out(u, MEDIO_MTTY_LCR, 0);
	assert_int_equal(iir_plain, 6);
	assert_int_equal(iir_dlab, 6);

	/* An XScale keeps IER bit 6. */
	out(u, MEDIO_MTTY_IER, 0x40);
	assert_int_equal(in(u, MEDIO_MTTY_IER) & 0x40, 0);

	/* size_fifo(): 256 bytes in loopback, how many stay? */
	out(u, MEDIO_MTTY_FCR, 0x07);
	out(u, MEDIO_MTTY_MCR, MEDIO_MTTY_MCR_LOOP);
	for (unsigned i = 0; i < 256; i++)
		out(u, MEDIO_MTTY_THR, i);
	for (count = 0; in(u, MEDIO_MTTY_LSR) & MEDIO_MTTY_LSR_DR; count++)
		in(u, MEDIO_MTTY_RBR);
	assert_int_equal(count, 16);
}

static void reset_goes_to_power_on_but_keeps_the_lines(void **state)
{
	U(u);

	out(u, MEDIO_MTTY_FCR, 0xc1);
	out(u, MEDIO_MTTY_IER, 0x0f);
	put(u, 17, 0);
	out(u, MEDIO_MTTY_THR, 'x');
	medio_mtty_uart_lines(u, MEDIO_MTTY_MSR_DCD);
	medio_mtty_uart_reset(u);
	assert_false(medio_mtty_uart_irq(u));
	assert_int_equal(in(u, MEDIO_MTTY_LSR), 0x60);
	assert_int_equal(in(u, MEDIO_MTTY_IIR), 0x01);
	assert_int_equal(in(u, MEDIO_MTTY_MSR), MEDIO_MTTY_MSR_DCD);
}

int main(void)
{
#define T(name_) cmocka_unit_test_setup(name_, setup)
	const struct CMUnitTest tests[] = {
		T(registers_after_reset_are_the_data_sheets),
		T(dlab_banks_the_divisor_over_data_and_ier),
		T(scratch_keeps_a_byte_and_status_registers_take_none),
		T(absent_bits_of_ier_and_mcr_read_as_zero),
		T(sixteen_unread_bytes_are_sixteen),
		T(seventeenth_byte_overruns_and_the_fifo_keeps_the_old),
		T(without_fifos_an_overrun_shows_the_newest),
		T(each_trigger_level_interrupts_at_its_count),
		T(timeout_announces_bytes_below_the_trigger),
		T(timeout_does_not_run_at_the_trigger_without_fifos_or_masked),
		T(fcr_resets_each_fifo_on_its_own),
		T(thr_holds_sixteen_bytes_until_they_leave),
		T(thre_interrupt_rises_on_enabling_while_empty),
		T(thre_interrupt_is_not_raised_by_enabling_it_twice_or_while_full),
		T(thre_interrupt_is_taken_by_writing_thr_and_not_by_reading_lsr),
		T(iir_shows_the_highest_cause_and_the_next_after_it),
		T(masked_causes_are_kept_and_shown_when_enabled),
		T(interrupts_do_not_need_out2),
		T(character_errors_show_with_their_character),
		T(loopback_returns_bytes_and_sends_none),
		T(loopback_overruns_as_hardware_does),
		T(loopback_wires_modem_outputs_to_inputs),
		T(loopback_raises_modem_interrupts),
		T(msr_deltas_clear_on_read_and_ri_counts_its_trailing_edge),
		T(break_is_a_nul_with_bi),
		T(linux_autoconfig_finds_a_16550a),
		T(reset_goes_to_power_on_but_keeps_the_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
