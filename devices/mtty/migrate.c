/* SPDX-License-Identifier: BSD-3-Clause */
#include "migrate.h"

#include <errno.h>

#define MAGIC	   0x7e9d09898c3e2c4eull
#define MAJOR	   1
#define MINOR	   1
#define MAX_PORTS  2
#define HEADER_LEN 24
#define PORT_LEN   36
#define EXT_LEN	   48

/* Offsets in the sample's struct serial_port. */
enum {
	PORT_REGS = 0,	    /* u8[8]: as written; 1 IER, 3 LCR, 4 MCR, 7 SCR are used */
	PORT_FIFO = 8,	    /* u8[16]: receive FIFO */
	PORT_HEAD = 24,	    /* u8: where the next byte goes */
	PORT_TAIL = 25,	    /* u8: the oldest byte */
	PORT_COUNT = 26,    /* u8 */
	PORT_DLAB = 27,	    /* bool: LCR bit 7 */
	PORT_OVERRUN = 28,  /* bool: LSR bit 1 */
	PORT_DIVISOR = 30,  /* u16 */
	PORT_FCR = 32,	    /* u8 */
	PORT_MAX_FIFO = 33, /* u8: 16, or 1 without FIFOs */
	PORT_TRIGGER = 34,  /* u8: bytes */
};

/* Offsets in an extension. */
enum {
	EXT_TX_FIFO = 0,   /* u8[16]: oldest first */
	EXT_TX_COUNT = 16, /* u8 */
	EXT_ERRORS = 17,   /* u8: LSR bits 4:1, latched */
	EXT_DELTAS = 18,   /* u8: MSR bits 3:0 */
	EXT_LEVELS = 19,   /* u8: MSR bits 7:4 */
	EXT_PENDING = 20,  /* u8: PENDING_* */
	EXT_RX_ERRORS =
		24,	   /* u8[16]: LSR bits 4:2 of each byte in the receive FIFO, oldest first */
	EXT_BREAK_AT = 40, /* i32: a break follows after this many bytes of the wire; -1: none */
	EXT_WIRE_LEN = 44, /* u32: bytes of wire after this */
};

enum { PENDING_THRE = 1, PENDING_TIMEOUT = 2 };

/* What is read from a stream before any of it is used. */
struct image {
	struct medio_mtty_uart uart;
	int break_at;
	const uint8_t *wire;
	size_t wire_len;
};

/* FIFO as it stands in the stream, oldest byte first. */
static void fifo_save(const struct medio_mtty_fifo *fifo, uint8_t *data, uint8_t *errors)
{
	for (unsigned i = 0; i < fifo->count; i++) {
		unsigned from = (fifo->head + i) % MEDIO_MTTY_FIFO_SIZE;

		data[i] = fifo->data[from];
		if (errors)
			errors[i] = fifo->errors[from];
	}
}

static void port_save(const struct medio_mtty_uart *uart, uint8_t *to)
{
	static const uint8_t triggers[] = { 1, 4, 8, 14 };
	bool fifos = uart->fcr & MEDIO_MTTY_FCR_ENABLE;

	to[PORT_REGS + MEDIO_MTTY_IER] = uart->ier;
	to[PORT_REGS + MEDIO_MTTY_LCR] = uart->lcr;
	to[PORT_REGS + MEDIO_MTTY_MCR] = uart->mcr;
	to[PORT_REGS + MEDIO_MTTY_SCR] = uart->scr;
	fifo_save(&uart->rx, to + PORT_FIFO, NULL);
	to[PORT_HEAD] = uart->rx.count % MEDIO_MTTY_FIFO_SIZE;
	to[PORT_COUNT] = uart->rx.count;
	to[PORT_DLAB] = uart->lcr >> 7;
	to[PORT_OVERRUN] = !!(uart->errors & MEDIO_MTTY_LSR_OE);
	medio_put_le(to + PORT_DIVISOR, 2, uart->divisor);
	to[PORT_FCR] = uart->fcr;
	to[PORT_MAX_FIFO] = fifos ? MEDIO_MTTY_FIFO_SIZE : 1;
	to[PORT_TRIGGER] = fifos ? triggers[uart->fcr >> 6] : 1;
}

static void ext_save(const struct medio_mtty_port *port, uint8_t *to)
{
	const struct medio_mtty_uart *uart = &port->uart;
	uint8_t unused[MEDIO_MTTY_FIFO_SIZE];
	struct medio_wire wire = port->stream.rx;
	size_t done = 0, len;

	fifo_save(&uart->tx, to + EXT_TX_FIFO, unused);
	fifo_save(&uart->rx, unused, to + EXT_RX_ERRORS);
	to[EXT_TX_COUNT] = uart->tx.count;
	to[EXT_ERRORS] = uart->errors;
	to[EXT_DELTAS] = uart->deltas;
	to[EXT_LEVELS] = uart->levels;
	to[EXT_PENDING] = (uart->thre_pending ? PENDING_THRE : 0) |
			  (uart->timeout ? PENDING_TIMEOUT : 0);
	medio_put_le(to + EXT_BREAK_AT, 4, (uint32_t)port->break_at);
	medio_put_le(to + EXT_WIRE_LEN, 4, wire.count);
	for (const uint8_t *bytes; (bytes = medio_wire_peek(&wire, &len)), len; done += len) {
		memcpy(to + EXT_LEN + done, bytes, len);
		medio_wire_taken(&wire, len);
	}
}

ssize_t medio_mtty_ports_save(
	const struct medio_mtty_port *ports, unsigned nports, void *buf, size_t cap)
{
	uint8_t *to = buf;
	size_t need = HEADER_LEN + nports * (PORT_LEN + EXT_LEN);

	for (unsigned i = 0; i < nports; i++)
		need += ports[i].stream.rx.count;
	if (cap < need)
		return (ssize_t)need;

	memset(to, 0, need);
	medio_put_le(to, 8, MAGIC);
	medio_put_le(to + 8, 4, MAJOR);
	medio_put_le(to + 12, 4, MINOR);
	medio_put_le(to + 16, 4, nports);
	to += HEADER_LEN;
	for (unsigned i = 0; i < nports; i++, to += PORT_LEN)
		port_save(&ports[i].uart, to);
	for (unsigned i = 0; i < nports; i++) {
		ext_save(&ports[i], to);
		to += EXT_LEN + ports[i].stream.rx.count;
	}
	return (ssize_t)need;
}

static bool rx_load(struct medio_mtty_fifo *rx, const uint8_t *from, unsigned max)
{
	unsigned head = from[PORT_HEAD], tail = from[PORT_TAIL], count = from[PORT_COUNT];

	if (head >= MEDIO_MTTY_FIFO_SIZE || tail >= MEDIO_MTTY_FIFO_SIZE || count > max ||
		(tail + count) % MEDIO_MTTY_FIFO_SIZE != head)
		return false;
	rx->count = count;
	for (unsigned i = 0; i < count; i++)
		rx->data[i] = from[PORT_FIFO + (tail + i) % MEDIO_MTTY_FIFO_SIZE];
	return true;
}

/*
 * The sample keeps IER, MCR and FCR as the guest wrote them, with bits no 16550A has; we keep none
 * of those, so in a stream of ours they are nonsense.
 */
static bool port_load(struct medio_mtty_uart *uart, const uint8_t *from, unsigned minor)
{
	static const uint8_t ier_bits = 0x0f, mcr_bits = 0x1f;
	static const uint8_t fcr_bits = MEDIO_MTTY_FCR_ENABLE | MEDIO_MTTY_FCR_TRIGGER;
	uint8_t ier = from[PORT_REGS + MEDIO_MTTY_IER], mcr = from[PORT_REGS + MEDIO_MTTY_MCR];
	uint8_t fcr = from[PORT_FCR];
	bool fifos = fcr & MEDIO_MTTY_FCR_ENABLE;

	if (minor > 0 && (ier & ~ier_bits || mcr & ~mcr_bits || fcr & ~fcr_bits))
		return false;
	uart->ier = ier & ier_bits;
	uart->mcr = mcr & mcr_bits;
	uart->fcr = fifos ? fcr & fcr_bits : 0;
	if (minor > 0 && (uart->fcr != fcr || from[PORT_MAX_FIFO] != (fifos ? 16 : 1)))
		return false;
	uart->lcr = from[PORT_REGS + MEDIO_MTTY_LCR];
	uart->scr = from[PORT_REGS + MEDIO_MTTY_SCR];
	uart->divisor = medio_get_le(from + PORT_DIVISOR, 2);
	if (from[PORT_DLAB] != uart->lcr >> 7 || from[PORT_OVERRUN] > 1)
		return false;
	uart->errors = from[PORT_OVERRUN] ? MEDIO_MTTY_LSR_OE : 0;
	return rx_load(&uart->rx, from, fifos ? MEDIO_MTTY_FIFO_SIZE : 1);
}

static bool ext_load(struct image *image, const uint8_t *from)
{
	struct medio_mtty_uart *uart = &image->uart;
	unsigned depth = uart->fcr & MEDIO_MTTY_FCR_ENABLE ? MEDIO_MTTY_FIFO_SIZE : 1;
	uint8_t errors = from[EXT_ERRORS], pending = from[EXT_PENDING];

	if (from[EXT_TX_COUNT] > depth || errors & ~MEDIO_MTTY_LSR_ERRORS ||
		(errors ^ uart->errors) & MEDIO_MTTY_LSR_OE || from[EXT_DELTAS] & ~0x0f ||
		from[EXT_LEVELS] & ~MEDIO_MTTY_MSR_LINES ||
		pending & ~(PENDING_THRE | PENDING_TIMEOUT) ||
		medio_get_le(from + EXT_PENDING + 1, 3))
		return false;
	/* A timeout is about bytes; THRE is pending only while there is nothing to send. */
	if ((pending & PENDING_TIMEOUT && !uart->rx.count) ||
		(pending & PENDING_THRE && from[EXT_TX_COUNT]))
		return false;
	for (unsigned i = 0; i < MEDIO_MTTY_FIFO_SIZE; i++) {
		uint8_t rx_errors = from[EXT_RX_ERRORS + i];

		if (rx_errors & ~MEDIO_MTTY_LSR_CHAR || (rx_errors && i >= uart->rx.count))
			return false;
		uart->rx.errors[i] = rx_errors;
	}
	memcpy(uart->tx.data, from + EXT_TX_FIFO, MEDIO_MTTY_FIFO_SIZE);
	uart->tx.count = from[EXT_TX_COUNT];
	uart->errors = errors;
	uart->deltas = from[EXT_DELTAS];
	uart->levels = from[EXT_LEVELS];
	uart->thre_pending = pending & PENDING_THRE;
	uart->timeout = pending & PENDING_TIMEOUT;
	return true;
}

/* An extension and its wire, at most size bytes at from; returns what it takes, 0: nonsense. */
static size_t ext_parse(struct image *image, const uint8_t *from, size_t size)
{
	int32_t break_at;

	if (size < EXT_LEN || !ext_load(image, from))
		return 0;
	break_at = (int32_t)medio_get_le(from + EXT_BREAK_AT, 4);
	image->wire_len = medio_get_le(from + EXT_WIRE_LEN, 4);
	image->wire = from + EXT_LEN;
	if (image->wire_len > MEDIO_WIRE_SIZE || image->wire_len > size - EXT_LEN ||
		break_at < -1 || break_at > (int32_t)image->wire_len)
		return 0;
	image->break_at = break_at;
	return EXT_LEN + image->wire_len;
}

static bool parse(struct image *images, unsigned nports, const uint8_t *from, size_t size)
{
	unsigned minor;

	if (size < HEADER_LEN || medio_get_le(from, 8) != MAGIC ||
		medio_get_le(from + 8, 4) != MAJOR || medio_get_le(from + 12, 4) > MINOR ||
		medio_get_le(from + 16, 4) != nports || medio_get_le(from + 20, 4))
		return false;
	minor = medio_get_le(from + 12, 4);
	from += HEADER_LEN;
	size -= HEADER_LEN;
	if (size < nports * PORT_LEN)
		return false;
	for (unsigned i = 0; i < nports; i++, from += PORT_LEN, size -= PORT_LEN) {
		images[i] = (struct image){ .break_at = -1 };
		if (!port_load(&images[i].uart, from, minor))
			return false;
	}
	for (unsigned i = 0; minor > 0 && i < nports; i++) {
		size_t len = ext_parse(&images[i], from, size);

		if (!len)
			return false;
		from += len;
		size -= len;
	}
	return size == 0;
}

static void adopt(struct medio_mtty_port *port, const struct image *image, bool has_levels)
{
	struct medio_mtty_uart *uart = &port->uart;
	uint8_t outside = uart->outside;

	*uart = (struct medio_mtty_uart){
		.activity = uart->activity + 1,
		.overruns = uart->overruns,
		.tx_lost = uart->tx_lost,
		.outside = outside,
		.rx = image->uart.rx,
		.tx = image->uart.tx,
		.ier = image->uart.ier,
		.fcr = image->uart.fcr,
		.lcr = image->uart.lcr,
		.mcr = image->uart.mcr,
		.scr = image->uart.scr,
		.divisor = image->uart.divisor,
		.errors = image->uart.errors,
		.deltas = image->uart.deltas,
		.levels = image->uart.levels,
		.thre_pending = image->uart.thre_pending,
		.timeout = image->uart.timeout,
	};
	/* What is plugged in here may not be what was there: the guest sees that as a change. */
	medio_mtty_uart_lines(uart, outside);
	if (!has_levels)
		uart->deltas = 0;

	medio_wire_clear(&port->stream.rx);
	if (image->wire)
		medio_wire_put(&port->stream.rx, image->wire, image->wire_len);
	port->break_at = image->break_at;
	port->held = 0;
}

int medio_mtty_ports_load(
	struct medio_mtty_port *ports, unsigned nports, const void *buf, size_t size)
{
	struct image images[MAX_PORTS];

	if (nports > MAX_PORTS || !parse(images, nports, buf, size))
		return medio_fail(ports[0].dev, EINVAL,
			"this is not the state of a card with %u port%s", nports,
			nports == 1 ? "" : "s");
	for (unsigned i = 0; i < nports; i++)
		adopt(&ports[i], &images[i], images[i].wire != NULL);
	return 0;
}
