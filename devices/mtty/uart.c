/* SPDX-License-Identifier: BSD-3-Clause */
#include "uart.h"

#include <string.h>

/* Input clock of a PC's UART, in Hz; the divisor divides a sixteenth of it. */
#define CLOCK_HZ 1843200u

/* The divisor after power-on is undefined in the data sheet; 9600 baud is what most firmware sets. */
#define DIVISOR_RESET 12

static void fifo_clear(struct medio_mtty_fifo *fifo)
{
	memset(fifo, 0, sizeof(*fifo));
}

static void fifo_put(struct medio_mtty_fifo *fifo, uint8_t byte, uint8_t errors)
{
	unsigned tail = (fifo->head + fifo->count) % MEDIO_MTTY_FIFO_SIZE;

	fifo->data[tail] = byte;
	fifo->errors[tail] = errors;
	fifo->count++;
}

static uint8_t fifo_get(struct medio_mtty_fifo *fifo)
{
	uint8_t byte = fifo->data[fifo->head];

	fifo->head = (fifo->head + 1) % MEDIO_MTTY_FIFO_SIZE;
	fifo->count--;
	return byte;
}

static bool fifos_on(const struct medio_mtty_uart *uart)
{
	return uart->fcr & MEDIO_MTTY_FCR_ENABLE;
}

/* Without FIFOs there is one holding register each way. */
static unsigned depth(const struct medio_mtty_uart *uart)
{
	return fifos_on(uart) ? MEDIO_MTTY_FIFO_SIZE : 1;
}

static unsigned trigger(const struct medio_mtty_uart *uart)
{
	static const uint8_t levels[] = { 1, 4, 8, 14 };

	return fifos_on(uart) ? levels[uart->fcr >> 6] : 1;
}

/* The character at the head of the FIFO shows its errors in LSR, where they stay until read. */
static void reveal_errors(struct medio_mtty_uart *uart)
{
	struct medio_mtty_fifo *rx = &uart->rx;

	if (!rx->count)
		return;
	uart->errors |= rx->errors[rx->head];
	rx->errors[rx->head] = 0;
}

static void timeout_restart(struct medio_mtty_uart *uart)
{
	uart->activity++;
}

static uint8_t looped_levels(uint8_t mcr)
{
	return (mcr & MEDIO_MTTY_MCR_RTS ? MEDIO_MTTY_MSR_CTS : 0) |
	       (mcr & MEDIO_MTTY_MCR_DTR ? MEDIO_MTTY_MSR_DSR : 0) |
	       (mcr & MEDIO_MTTY_MCR_OUT1 ? MEDIO_MTTY_MSR_RI : 0) |
	       (mcr & MEDIO_MTTY_MCR_OUT2 ? MEDIO_MTTY_MSR_DCD : 0);
}

/* Section 8.8: a change of CTS, DSR and DCD counts, of RI only its trailing edge. */
static void levels_update(struct medio_mtty_uart *uart)
{
	uint8_t now = medio_mtty_uart_looped(uart) ? looped_levels(uart->mcr) : uart->outside;
	uint8_t changed = (now ^ uart->levels) & (uint8_t)~MEDIO_MTTY_MSR_RI;
	uint8_t fell = uart->levels & (uint8_t)~now & MEDIO_MTTY_MSR_RI;

	uart->deltas |= (changed | fell) >> 4;
	uart->levels = now;
}

/* What the transmitter shifts out while looped comes back in at once. */
static void loop_drain(struct medio_mtty_uart *uart)
{
	while (uart->tx.count) {
		uint8_t byte = uart->tx.data[uart->tx.head];

		medio_mtty_uart_tx_done(uart, 1);
		medio_mtty_uart_rx_put(uart, byte, 0);
	}
}

static void break_received(struct medio_mtty_uart *uart)
{
	medio_mtty_uart_rx_put(uart, 0, MEDIO_MTTY_LSR_BI | MEDIO_MTTY_LSR_FE);
}

void medio_mtty_uart_reset(struct medio_mtty_uart *uart)
{
	struct medio_mtty_uart fresh = {
		.divisor = DIVISOR_RESET,
		.levels = uart->outside,
		.outside = uart->outside,
		.activity = uart->activity + 1,
		.overruns = uart->overruns,
		.tx_lost = uart->tx_lost,
	};

	*uart = fresh;
}

/* Table IV: the highest cause that is enabled and present. */
static uint8_t cause(const struct medio_mtty_uart *uart)
{
	if (uart->ier & MEDIO_MTTY_IER_LINE && uart->errors)
		return MEDIO_MTTY_IIR_LINE;
	if (uart->ier & MEDIO_MTTY_IER_RX) {
		if (uart->rx.count >= trigger(uart))
			return MEDIO_MTTY_IIR_RX;
		if (uart->timeout)
			return MEDIO_MTTY_IIR_TIMEOUT;
	}
	if (uart->ier & MEDIO_MTTY_IER_THRE && uart->thre_pending)
		return MEDIO_MTTY_IIR_THRE;
	if (uart->ier & MEDIO_MTTY_IER_MODEM && uart->deltas)
		return MEDIO_MTTY_IIR_MODEM;
	return MEDIO_MTTY_IIR_NONE;
}

bool medio_mtty_uart_irq(const struct medio_mtty_uart *uart)
{
	return cause(uart) != MEDIO_MTTY_IIR_NONE;
}

static uint8_t read_rbr(struct medio_mtty_uart *uart)
{
	uint8_t byte;

	if (!uart->rx.count)
		return 0;
	byte = fifo_get(&uart->rx);
	uart->timeout = false;
	timeout_restart(uart);
	reveal_errors(uart);
	return byte;
}

/* Reading IIR takes the THRE interrupt, but only if it is the one shown. */
static uint8_t read_iir(struct medio_mtty_uart *uart)
{
	uint8_t iir = cause(uart);

	if (iir == MEDIO_MTTY_IIR_THRE)
		uart->thre_pending = false;
	return iir | (fifos_on(uart) ? MEDIO_MTTY_IIR_FIFO : 0);
}

static bool errors_queued(const struct medio_mtty_uart *uart)
{
	for (unsigned i = 0; i < uart->rx.count; i++)
		if (uart->rx.errors[(uart->rx.head + i) % MEDIO_MTTY_FIFO_SIZE])
			return true;
	return false;
}

static uint8_t read_lsr(struct medio_mtty_uart *uart)
{
	uint8_t lsr = uart->errors;

	if (uart->rx.count)
		lsr |= MEDIO_MTTY_LSR_DR;
	if (!uart->tx.count)
		lsr |= MEDIO_MTTY_LSR_THRE | MEDIO_MTTY_LSR_TEMT;
	if (fifos_on(uart) && (uart->errors & MEDIO_MTTY_LSR_CHAR || errors_queued(uart)))
		lsr |= MEDIO_MTTY_LSR_FIFO_ERROR;
	uart->errors = 0;
	return lsr;
}

static uint8_t read_msr(struct medio_mtty_uart *uart)
{
	uint8_t msr = uart->levels | uart->deltas;

	uart->deltas = 0;
	return msr;
}

uint8_t medio_mtty_uart_read(struct medio_mtty_uart *uart, unsigned reg)
{
	bool dlab = uart->lcr & MEDIO_MTTY_LCR_DLAB;

	switch (reg) {
	case MEDIO_MTTY_RBR:
		return dlab ? uart->divisor & 0xff : read_rbr(uart);
	case MEDIO_MTTY_IER:
		return dlab ? uart->divisor >> 8 : uart->ier;
	case MEDIO_MTTY_IIR:
		return read_iir(uart);
	case MEDIO_MTTY_LCR:
		return uart->lcr;
	case MEDIO_MTTY_MCR:
		return uart->mcr;
	case MEDIO_MTTY_LSR:
		return read_lsr(uart);
	case MEDIO_MTTY_MSR:
		return read_msr(uart);
	case MEDIO_MTTY_SCR:
		return uart->scr;
	default:
		return 0xff;
	}
}

static void write_thr(struct medio_mtty_uart *uart, uint8_t byte)
{
	uart->thre_pending = false;
	if (uart->tx.count < depth(uart)) {
		fifo_put(&uart->tx, byte, 0);
	} else {
		/* The holding register is overwritten; a FIFO drops what comes too much. */
		if (!fifos_on(uart))
			uart->tx.data[uart->tx.head] = byte;
		uart->tx_lost++;
	}
	if (medio_mtty_uart_looped(uart))
		loop_drain(uart);
}

static void write_ier(struct medio_mtty_uart *uart, uint8_t value)
{
	uint8_t risen = value & (uint8_t)~uart->ier;

	uart->ier = value & 0x0f;
	/* Enabling the THRE interrupt raises it if there is nothing to send. */
	if (risen & MEDIO_MTTY_IER_THRE && !uart->tx.count)
		uart->thre_pending = true;
	if (risen & MEDIO_MTTY_IER_RX)
		timeout_restart(uart);
}

static void clear_rx(struct medio_mtty_uart *uart)
{
	fifo_clear(&uart->rx);
	uart->timeout = false;
	timeout_restart(uart);
}

static void clear_tx(struct medio_mtty_uart *uart)
{
	if (uart->tx.count)
		uart->thre_pending = true;
	fifo_clear(&uart->tx);
}

/* Section 8.4: without bit 0 the other bits are not programmed; a change of bit 0 clears both. */
static void write_fcr(struct medio_mtty_uart *uart, uint8_t value)
{
	bool toggled = (value ^ uart->fcr) & MEDIO_MTTY_FCR_ENABLE;

	uart->fcr = value & MEDIO_MTTY_FCR_ENABLE
			    ? value & (MEDIO_MTTY_FCR_ENABLE | MEDIO_MTTY_FCR_TRIGGER)
			    : 0;
	if (toggled || (uart->fcr && value & MEDIO_MTTY_FCR_CLEAR_RX))
		clear_rx(uart);
	if (toggled || (uart->fcr && value & MEDIO_MTTY_FCR_CLEAR_TX))
		clear_tx(uart);
	timeout_restart(uart);
}

static void write_lcr(struct medio_mtty_uart *uart, uint8_t value)
{
	bool starts = value & (uint8_t)~uart->lcr & MEDIO_MTTY_LCR_BREAK;

	uart->lcr = value;
	if (starts && medio_mtty_uart_looped(uart))
		break_received(uart);
}

static void write_mcr(struct medio_mtty_uart *uart, uint8_t value)
{
	uart->mcr = value & 0x1f;
	levels_update(uart);
	if (medio_mtty_uart_looped(uart))
		loop_drain(uart);
}

void medio_mtty_uart_write(struct medio_mtty_uart *uart, unsigned reg, uint8_t value)
{
	bool dlab = uart->lcr & MEDIO_MTTY_LCR_DLAB;

	switch (reg) {
	case MEDIO_MTTY_THR:
		if (dlab)
			uart->divisor = (uart->divisor & 0xff00) | value;
		else
			write_thr(uart, value);
		break;
	case MEDIO_MTTY_IER:
		if (dlab)
			uart->divisor = (uart->divisor & 0x00ff) | value << 8;
		else
			write_ier(uart, value);
		break;
	case MEDIO_MTTY_FCR:
		write_fcr(uart, value);
		break;
	case MEDIO_MTTY_LCR:
		write_lcr(uart, value);
		break;
	case MEDIO_MTTY_MCR:
		write_mcr(uart, value);
		break;
	case MEDIO_MTTY_SCR:
		uart->scr = value;
		break;
	default: /* LSR and MSR are not for writing: factory tests only */
		break;
	}
}

size_t medio_mtty_uart_tx_peek(const struct medio_mtty_uart *uart, uint8_t *buf, size_t max)
{
	const struct medio_mtty_fifo *tx = &uart->tx;
	size_t n = tx->count < max ? tx->count : max;

	for (size_t i = 0; i < n; i++)
		buf[i] = tx->data[(tx->head + i) % MEDIO_MTTY_FIFO_SIZE];
	return n;
}

void medio_mtty_uart_tx_done(struct medio_mtty_uart *uart, size_t n)
{
	if (!n)
		return;
	while (n-- && uart->tx.count)
		fifo_get(&uart->tx);
	if (!uart->tx.count)
		uart->thre_pending = true;
}

bool medio_mtty_uart_looped(const struct medio_mtty_uart *uart)
{
	return uart->mcr & MEDIO_MTTY_MCR_LOOP;
}

bool medio_mtty_uart_breaking(const struct medio_mtty_uart *uart)
{
	return uart->lcr & MEDIO_MTTY_LCR_BREAK && !medio_mtty_uart_looped(uart);
}

unsigned medio_mtty_uart_rx_room(const struct medio_mtty_uart *uart)
{
	return depth(uart) - uart->rx.count;
}

void medio_mtty_uart_rx_put(struct medio_mtty_uart *uart, uint8_t byte, uint8_t errors)
{
	if (!medio_mtty_uart_rx_room(uart)) {
		medio_mtty_uart_rx_overrun(uart, 1);
		/* The holding register shows the newest; a FIFO keeps what it has. */
		if (fifos_on(uart))
			return;
		fifo_clear(&uart->rx);
	}
	fifo_put(&uart->rx, byte, errors & MEDIO_MTTY_LSR_CHAR);
	if (uart->rx.count == 1)
		reveal_errors(uart);
	timeout_restart(uart);
}

void medio_mtty_uart_rx_overrun(struct medio_mtty_uart *uart, uint64_t n)
{
	uart->overruns += n;
	uart->errors |= MEDIO_MTTY_LSR_OE;
}

void medio_mtty_uart_lines(struct medio_mtty_uart *uart, uint8_t levels)
{
	uart->outside = levels & MEDIO_MTTY_MSR_LINES;
	levels_update(uart);
}

uint64_t medio_mtty_uart_timeout_ns(const struct medio_mtty_uart *uart)
{
	/* Start bit, 5 to 8 data bits, parity, 1 or 2 stop bits. */
	uint64_t bits = 1 + 5 + (uart->lcr & 3) + !!(uart->lcr & 8) + 1 + !!(uart->lcr & 4);
	/* A divisor of 0 counts through the whole register. */
	uint64_t divisor = uart->divisor ? uart->divisor : 0x10000;

	if (!fifos_on(uart) || !(uart->ier & MEDIO_MTTY_IER_RX) || uart->timeout ||
		!uart->rx.count || uart->rx.count >= trigger(uart))
		return 0;
	return 4 * bits * 16 * divisor * 1000000000u / CLOCK_HZ;
}

void medio_mtty_uart_timeout(struct medio_mtty_uart *uart)
{
	if (medio_mtty_uart_timeout_ns(uart))
		uart->timeout = true;
}
