/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "uart16550.h"

/* Registers, PC16550D table II. */
enum {
	RBR = 0, /* receive, read */
	THR = 0, /* transmit, write */
	DLL = 0, /* divisor, while LCR_DLAB */
	IER = 1,
	DLM = 1,
	IIR = 2, /* read */
	FCR = 2, /* write */
	LCR = 3,
	MCR = 4,
	LSR = 5,
	MSR = 6,
	SCR = 7,
};

enum {
	IER_RX = 0x01,
	IER_TX = 0x02,
	IER_LINE = 0x04,
	IIR_NONE = 0x01,
	IIR_ID = 0x0e,
	IIR_MODEM = 0x00,
	IIR_TX = 0x02,
	IIR_RX = 0x04,
	IIR_LINE = 0x06,
	IIR_TIMEOUT = 0x0c,
	FCR_ENABLE = 0x01,
	FCR_CLEAR = 0x06,
	FCR_TRIGGER_14 = 0xc0,
	LCR_8N1 = 0x03,
	LCR_DLAB = 0x80,
	MCR_DTR_RTS_OUT2 = 0x0b,
	MCR_LOOP = 0x10,
	LSR_DATA = 0x01,
	LSR_OVERRUN = 0x02,
	LSR_ERRORS = 0x1c, /* parity, framing, break */
	LSR_THR_EMPTY = 0x20,
	LSR_IDLE = 0x40,
};

#define FIFO	16
#define TRIGGER 14
/* An echo of as many bytes as the trigger level is known to be there without asking for each. */
#define BURST		     TRIGGER
#define RING		     4096 /* a power of two */
#define MAX_LOOKS	     1000 /* for a byte in loopback: ten times what it takes to arrive */
#define MAX_EVENTS	     4096 /* one service() looks at; a broken card must not hold us for ever */
#define PCI_COMMAND	     4
#define PCI_COMMAND_IO_MEM   0x0003
#define PCI_COMMAND_INTX_OFF 0x0400

struct ring {
	uint8_t bytes[RING];
	uint32_t head, tail; /* free-running: written at head, read at tail */
};

struct uart16550 {
	struct medio_card *card;
	unsigned port;
	int irq; /* MEDIO_CARD_INTX or _MSI, -1: none */
	bool automasked;
	uint8_t ier;
	bool trigger_kept; /* IIR_RX means that there are TRIGGER bytes */
	struct ring rx, tx;
	struct uart16550_stats stats;
};

static size_t ring_used(const struct ring *ring)
{
	return ring->head - ring->tail;
}

static size_t ring_room(const struct ring *ring)
{
	return RING - ring_used(ring);
}

static void ring_put(struct ring *ring, uint8_t byte)
{
	ring->bytes[ring->head++ % RING] = byte;
}

static uint8_t ring_get(struct ring *ring)
{
	return ring->bytes[ring->tail++ % RING];
}

/* ---- Registers --------------------------------------------------------------------------------- */

static int get(struct uart16550 *uart, unsigned reg, uint8_t *out)
{
	return medio_card_read8(uart->card, uart->port, reg, out);
}

static int set(struct uart16550 *uart, unsigned reg, uint8_t value)
{
	return medio_card_write8(uart->card, uart->port, reg, value);
}

/* Ask for the interrupts there is use for now: receive while the ring has room, transmit while
 * there is something to send and its echo would fit. */
static int update_ier(struct uart16550 *uart)
{
	uint8_t ier = IER_LINE;

	if (ring_room(&uart->rx) >= FIFO)
		ier |= IER_RX;
	if (ring_used(&uart->tx) && ring_room(&uart->rx) >= (size_t)2 * FIFO)
		ier |= IER_TX;
	if (ier == uart->ier)
		return 0;
	uart->ier = ier;
	return set(uart, IER, ier);
}

static int read_line(struct uart16550 *uart, uint8_t *lsr)
{
	int ret = get(uart, LSR, lsr);

	if (!ret && *lsr & LSR_OVERRUN)
		uart->stats.overruns++;
	if (!ret && *lsr & LSR_ERRORS)
		uart->stats.line_errors++;
	return ret;
}

/* ---- Moving bytes ------------------------------------------------------------------------------ */

/* count bytes of the receive FIFO into the ring; both are known to be there. */
static int take(struct uart16550 *uart, unsigned count)
{
	uint8_t bytes[FIFO];
	int ret = medio_card_read8_rep(uart->card, uart->port, RBR, bytes, count);

	for (unsigned i = 0; !ret && i < count; i++)
		ring_put(&uart->rx, bytes[i]);
	if (!ret)
		uart->stats.received += count;
	return ret;
}

/*
 * Empty the receive FIFO into the ring, as far as there is room. sure: bytes that are known to be
 * there, so that the line status need not be asked for each. *lsr is the status at the end.
 */
static int pull(struct uart16550 *uart, unsigned sure, uint8_t *lsr)
{
	int ret = sure && ring_room(&uart->rx) >= sure ? take(uart, sure) : 0;

	for (;;) {
		if (!ret)
			ret = read_line(uart, lsr);
		if (ret || !(*lsr & LSR_DATA) || !ring_room(&uart->rx))
			return ret;
		ret = take(uart, 1);
	}
}

/* Send a burst, if the transmitter is empty (lsr says) and an echo of it would fit. */
static int push(struct uart16550 *uart, uint8_t lsr)
{
	if (lsr & LSR_DATA || !(lsr & LSR_THR_EMPTY) || ring_room(&uart->rx) < (size_t)2 * FIFO)
		return 0;
	for (unsigned i = 0; i < BURST && ring_used(&uart->tx); i++) {
		uint8_t byte = ring_get(&uart->tx);
		int ret = medio_card_post(uart->card, uart->port, THR, &byte, 1);
		if (ret)
			return ret;
		uart->stats.sent++;
	}
	return 0;
}

static int serve_event(struct uart16550 *uart, uint8_t iir)
{
	uint8_t value = 0;
	int ret;

	switch (iir & IIR_ID) {
	case IIR_RX:
	case IIR_TIMEOUT:
	case IIR_TX:
		ret = pull(
			uart, uart->trigger_kept && (iir & IIR_ID) == IIR_RX ? TRIGGER : 0, &value);
		if (!ret)
			ret = push(uart, value);
		return ret ? ret : update_ier(uart);
	case IIR_LINE:
		return read_line(uart, &value);
	default: /* IIR_MODEM, and what does not exist */
		return get(uart, MSR, &value);
	}
}

int uart16550_service(struct uart16550 *uart)
{
	uint64_t events = 0;
	int ret = update_ier(uart);

	if (uart->irq >= 0 && read(uart16550_fd(uart), &events, sizeof(events)) > 0)
		uart->stats.interrupts += events;
	for (unsigned i = 0; !ret && i < MAX_EVENTS; i++) {
		uint8_t iir;
		ret = get(uart, IIR, &iir);
		if (ret || iir & IIR_NONE)
			break;
		ret = serve_event(uart, iir);
		/* A full ring: whoever calls must take bytes before there is more to do. */
		if (ring_room(&uart->rx) < FIFO)
			break;
	}
	if (!ret && events && uart->automasked)
		ret = medio_card_irq_unmask(uart->card, (unsigned)uart->irq, 0, 1);
	return ret ? ret : medio_card_flush(uart->card);
}

int uart16550_read(struct uart16550 *uart, void *buf, size_t cap)
{
	uint8_t *p = buf;
	size_t n;

	for (n = 0; n < cap && n < INT32_MAX && ring_used(&uart->rx); n++)
		p[n] = ring_get(&uart->rx);
	int ret = n ? update_ier(uart) : 0;
	return ret ? ret : (int)n;
}

int uart16550_write(struct uart16550 *uart, const void *buf, size_t size)
{
	const uint8_t *p = buf;
	size_t n;

	for (n = 0; n < size && ring_room(&uart->tx); n++)
		ring_put(&uart->tx, p[n]);
	/* Enabling the transmit interrupt raises it when the transmitter is empty. */
	int ret = update_ier(uart);
	return ret ? ret : (int)n;
}

size_t uart16550_writable(const struct uart16550 *uart)
{
	return ring_room(&uart->tx);
}

size_t uart16550_readable(const struct uart16550 *uart)
{
	return ring_used(&uart->rx);
}

int uart16550_drained(struct uart16550 *uart)
{
	uint8_t lsr;

	if (ring_used(&uart->tx))
		return 0;
	int ret = read_line(uart, &lsr);
	return ret ? ret : (lsr & LSR_IDLE) != 0;
}

/* ---- Open and close ---------------------------------------------------------------------------- */

static int enable_card(struct medio_card *card)
{
	uint16_t command;
	int ret = medio_card_read16(card, MEDIO_CARD_CONFIG, PCI_COMMAND, &command);

	if (ret)
		return ret;
	command = (uint16_t)((command | PCI_COMMAND_IO_MEM) & ~PCI_COMMAND_INTX_OFF);
	return medio_card_write16(card, MEDIO_CARD_CONFIG, PCI_COMMAND, command);
}

/* The scratch register keeps what is written to it; where nothing is, nothing does. */
static int probe(struct uart16550 *uart)
{
	static const uint8_t patterns[] = { 0x5a, 0xa5 };

	for (unsigned i = 0; i < 2; i++) {
		uint8_t value = 0;
		int ret = set(uart, SCR, patterns[i]);
		if (!ret)
			ret = get(uart, SCR, &value);
		if (ret)
			return ret;
		if (value != patterns[i])
			return -ENODEV;
	}
	return 0;
}

struct write {
	uint8_t reg, value;
};

static int set_all(struct uart16550 *uart, const struct write *writes, unsigned count)
{
	int ret = 0;

	for (unsigned i = 0; !ret && i < count; i++)
		ret = set(uart, writes[i].reg, writes[i].value);
	return ret;
}

/*
 * One byte in loopback must not be announced as a filled FIFO. Some models of the chip do that (the Linux
 * kernel's sample mtty): with them each byte is looked for.
 */
static int probe_trigger(struct uart16550 *uart)
{
	static const struct write writes[] = { { MCR, MCR_LOOP }, { IER, IER_RX }, { THR, 0 } };
	uint8_t value = 0, iir = IIR_RX;
	int ret = set_all(uart, writes, 3);

	for (unsigned i = 0; !ret && !(value & LSR_DATA) && i < MAX_LOOKS; i++)
		ret = get(uart, LSR, &value);
	if (!ret && value & LSR_DATA)
		ret = get(uart, IIR, &iir);
	uart->trigger_kept = (iir & (IIR_ID | IIR_NONE)) != IIR_RX;
	return ret ? ret : set(uart, IER, 0);
}

static int setup(struct uart16550 *uart)
{
	static const struct write before[] = {
		{ IER, 0 },
		{ LCR, LCR_DLAB | LCR_8N1 },
		{ DLL, 1 }, /* 115200 baud */
		{ DLM, 0 },
		{ LCR, LCR_8N1 },
		{ FCR, FCR_ENABLE | FCR_CLEAR | FCR_TRIGGER_14 },
	};
	static const struct write after[] = {
		{ FCR, FCR_ENABLE | FCR_CLEAR | FCR_TRIGGER_14 },
		{ MCR, MCR_DTR_RTS_OUT2 },
	};
	static const uint8_t stale[] = { LSR, RBR, IIR, MSR };
	int ret = set_all(uart, before, sizeof(before) / sizeof(before[0]));

	if (!ret)
		ret = probe_trigger(uart);
	if (!ret)
		ret = set_all(uart, after, sizeof(after) / sizeof(after[0]));
	for (unsigned i = 0; !ret && i < sizeof(stale); i++) {
		uint8_t value;
		ret = get(uart, stale[i], &value);
	}
	return ret;
}

static int open_irq(struct uart16550 *uart)
{
	static const struct {
		int index;
		const char *name;
	} kinds[] = { { MEDIO_CARD_INTX, "INTx" }, { MEDIO_CARD_MSI, "MSI" } };
	struct medio_card_info info;

	medio_card_get_info(uart->card, &info);
	for (unsigned i = 0; i < 2; i++) {
		struct medio_card_irq irq;
		if ((unsigned)kinds[i].index >= info.num_irqs)
			continue;
		int ret = medio_card_get_irq(uart->card, (unsigned)kinds[i].index, &irq);
		if (ret)
			return ret;
		if (!irq.count)
			continue;
		ret = medio_card_irq_open(uart->card, (unsigned)kinds[i].index, 1);
		if (ret)
			return ret;
		uart->irq = kinds[i].index;
		uart->automasked = irq.automasked;
		uart->stats.interrupt = kinds[i].name;
		return 0;
	}
	return 0;
}

int uart16550_open(struct medio_card *card, unsigned port, struct uart16550 **out)
{
	struct medio_card_region region;
	int ret;

	if (port > MEDIO_CARD_BAR5)
		return -ENODEV;
	ret = medio_card_get_region(card, port, &region);
	if (ret)
		return ret;
	if (region.size < 8 || !region.readable || !region.writable)
		return -ENODEV;
	struct uart16550 *uart = calloc(1, sizeof(*uart));
	if (!uart)
		return -ENOMEM;
	uart->card = card;
	uart->port = port;
	uart->irq = -1;
	uart->stats.interrupt = "polled";
	ret = enable_card(card);
	if (!ret)
		ret = probe(uart);
	/* What is no UART is not written to any more. */
	if (ret) {
		free(uart);
		return ret;
	}
	ret = setup(uart);
	if (!ret)
		ret = open_irq(uart);
	if (!ret)
		ret = update_ier(uart);
	if (ret) {
		uart16550_close(uart);
		return ret;
	}
	*out = uart;
	return 0;
}

void uart16550_close(struct uart16550 *uart)
{
	if (!uart)
		return;
	set(uart, IER, 0);
	set(uart, MCR, 0);
	if (uart->irq >= 0)
		medio_card_irq_disable(uart->card, (unsigned)uart->irq);
	free(uart);
}

int uart16550_fd(const struct uart16550 *uart)
{
	return uart->irq < 0 ? -1 : medio_card_irq_fd(uart->card, (unsigned)uart->irq, 0);
}

void uart16550_get_stats(const struct uart16550 *uart, struct uart16550_stats *out)
{
	*out = uart->stats;
}
