/* SPDX-License-Identifier: BSD-3-Clause */
#include "port.h"

#include <errno.h>

/* Lines of a peer that is there, and of nobody. */
#define LINES_PEER (MEDIO_MTTY_MSR_CTS | MEDIO_MTTY_MSR_DSR | MEDIO_MTTY_MSR_DCD)
#define LINES_NONE 0

/* Linux polls LSR at most 10000 times for one character before it gives up on it. */
#define STALL_ACCESSES 16384

/*
 * To the stream. An echo's cable holds 4096 bytes besides the two FIFOs; when it is full the
 * transmitter waits until the guest reads. A guest that only ever writes (a console nobody logs in
 * on) would wait for ever, so one that touches the port STALL_ACCESSES times meanwhile and reads
 * nothing loses what no longer fits: an overrun, as on hardware from the seventeenth byte on. The
 * first byte read makes the cable safe again. Accesses are counted, not time: a guest that is
 * paused or starved loses nothing.
 */
static size_t send(struct medio_mtty_port *port, const uint8_t *buf, size_t len)
{
	size_t sent = medio_stream_send(&port->stream, buf, len);

	if (!port->stream.kind->echoes)
		return sent;
	if (sent) {
		port->held = 0;
	} else if (port->held > STALL_ACCESSES) {
		medio_mtty_uart_rx_overrun(&port->uart, len);
		sent = len;
	}
	return sent;
}

/* Transmit FIFO to stream, until one is empty or the other full. True if anything moved. */
static bool pump_tx(struct medio_mtty_port *port)
{
	uint8_t buf[MEDIO_MTTY_FIFO_SIZE];
	bool moved = false;

	while (!medio_mtty_uart_looped(&port->uart)) {
		size_t len = medio_mtty_uart_tx_peek(&port->uart, buf, sizeof(buf));
		size_t sent;

		if (!len)
			break;
		sent = send(port, buf, len);
		if (!sent) {
			port->held += port->held < UINT32_MAX;
			break;
		}
		medio_mtty_uart_tx_done(&port->uart, sent);
		port->stats.tx += sent;
		moved = true;
	}
	return moved;
}

/* One step of wire to receiver: a break if it is its turn, else bytes. */
static bool pump_rx_step(struct medio_mtty_port *port, unsigned room)
{
	size_t len;
	const uint8_t *bytes = medio_wire_peek(&port->stream.rx, &len);

	if (port->break_at == 0) {
		port->break_at = -1;
		medio_mtty_uart_rx_put(&port->uart, 0, MEDIO_MTTY_LSR_BI | MEDIO_MTTY_LSR_FE);
		return true;
	}
	if (len > room)
		len = room;
	if (port->break_at > 0 && len > (size_t)port->break_at)
		len = port->break_at;
	for (size_t i = 0; i < len; i++)
		medio_mtty_uart_rx_put(&port->uart, bytes[i], 0);
	medio_stream_taken(&port->stream, len);
	port->stats.rx += len;
	if (port->break_at > 0)
		port->break_at -= (int)len;
	return len;
}

/* Wire to receive FIFO. In loopback the line is cut off: what is on it waits. */
static bool pump_rx(struct medio_mtty_port *port)
{
	bool moved = false;
	unsigned room;

	while (!medio_mtty_uart_looped(&port->uart) &&
		(room = medio_mtty_uart_rx_room(&port->uart)) > 0 && pump_rx_step(port, room))
		moved = true;
	return moved;
}

static void timeout_update(struct medio_mtty_port *port)
{
	uint64_t ns = medio_mtty_uart_timeout_ns(&port->uart);

	if (!ns) {
		if (port->timeout_armed)
			medio_timer_disarm(port->timeout);
		port->timeout_armed = false;
		return;
	}
	if (port->timeout_armed && port->timeout_activity == port->uart.activity)
		return;
	port->timeout_armed = true;
	port->timeout_activity = port->uart.activity;
	medio_timer_arm(port->timeout, ns);
}

void medio_mtty_port_kick(struct medio_mtty_port *port)
{
	bool irq;

	if (port->pumping) {
		port->again = true;
		return;
	}
	port->pumping = true;
	do {
		bool moved;

		port->again = false;
		/* A byte sent may be one received (echo), and one received makes room to send. */
		do {
			moved = pump_tx(port);
			moved = pump_rx(port) || moved;
		} while (moved);
	} while (port->again);
	port->pumping = false;

	timeout_update(port);
	irq = medio_mtty_uart_irq(&port->uart);
	if (irq && !port->irq)
		port->stats.interrupts++;
	port->irq = irq;
	port->changed(port);
}

static void timeout_fired(void *opaque)
{
	struct medio_mtty_port *port = opaque;

	port->timeout_armed = false;
	medio_mtty_uart_timeout(&port->uart);
	medio_mtty_port_kick(port);
}

static void stream_peer(struct medio_stream *stream)
{
	struct medio_mtty_port *port = stream->opaque;

	medio_mtty_uart_lines(&port->uart, stream->peer ? LINES_PEER : LINES_NONE);
	medio_mtty_port_kick(port);
}

static void stream_moved(struct medio_stream *stream)
{
	medio_mtty_port_kick(stream->opaque);
}

static const struct medio_stream_user stream_user = { .moved = stream_moved, .peer = stream_peer };

uint8_t medio_mtty_port_read(struct medio_mtty_port *port, unsigned reg)
{
	uint8_t value = medio_mtty_uart_read(&port->uart, reg);

	medio_mtty_port_kick(port);
	return value;
}

void medio_mtty_port_write(struct medio_mtty_port *port, unsigned reg, uint8_t value)
{
	bool was_breaking = medio_mtty_uart_breaking(&port->uart);

	medio_mtty_uart_write(&port->uart, reg, value);
	if (!was_breaking && medio_mtty_uart_breaking(&port->uart) && port->stream.kind->echoes)
		port->break_at = (int)port->stream.rx.count;
	medio_mtty_port_kick(port);
}

void medio_mtty_port_reset(struct medio_mtty_port *port)
{
	medio_mtty_uart_reset(&port->uart);
	port->held = 0;
	if (port->stream.kind->echoes) {
		/* What was on the cable came from the guest that is gone. */
		medio_wire_clear(&port->stream.rx);
		port->break_at = -1;
	}
	medio_mtty_port_kick(port);
}

void medio_mtty_port_loaded(struct medio_mtty_port *port)
{
	medio_stream_loaded(&port->stream);
	medio_mtty_port_kick(port);
}

int medio_mtty_port_open(struct medio_mtty_port *port, struct medio_dev *dev, unsigned index,
	const char *spec, medio_mtty_port_changed_fn *changed)
{
	int ret;

	port->dev = dev;
	port->index = index;
	port->changed = changed;
	port->break_at = -1;
	port->timeout = medio_timer_new(dev, timeout_fired, port);
	if (!port->timeout)
		return medio_fail(dev, ENOMEM, "port%u: no memory", index);
	ret = medio_stream_open(&port->stream, dev, index, spec, &stream_user, port);
	if (ret) {
		medio_timer_free(port->timeout);
		port->timeout = NULL;
		return ret;
	}
	medio_mtty_uart_reset(&port->uart);
	medio_mtty_uart_lines(&port->uart, port->stream.peer ? LINES_PEER : LINES_NONE);
	medio_mtty_uart_reset(&port->uart);
	return 0;
}

void medio_mtty_port_close(struct medio_mtty_port *port)
{
	medio_stream_close(&port->stream);
	medio_timer_free(port->timeout);
}
