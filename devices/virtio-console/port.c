/* SPDX-License-Identifier: BSD-3-Clause */
/* The bytes of a port: between its stream and its two queues. */
#include "console.h"

#include <errno.h>

#include <linux/virtio_console.h>

/* Bytes of one port that are moved at a time, so that one queue does not keep the others waiting. */
#define TURN  (256u << 10)
#define PIECE 4096u

static unsigned receiveq(const struct medio_console_port *port)
{
	return port->id ? 2 * port->id + 2 : 0;
}

struct medio_console_port *medio_console_port_of(struct medio_console *console, unsigned queue)
{
	unsigned id = queue < MEDIO_CONSOLE_CONTROL_RX ? 0 : queue / 2 - 1;

	return id < console->num_ports ? &console->port[id] : NULL;
}

static bool multiport(const struct medio_console *console)
{
	return medio_virtio_has(console->dev, VIRTIO_CONSOLE_F_MULTIPORT);
}

/* Does the driver have this port at all? */
static bool present(const struct medio_console_port *port)
{
	if (multiport(port->console))
		return port->plugged && port->ready;
	return port->id == 0;
}

bool medio_console_port_usable(const struct medio_console_port *port)
{
	return present(port) && (port->guest_open || !multiport(port->console));
}

bool medio_console_port_host_open(const struct medio_console_port *port)
{
	/* Nobody listens to null, but writing to it works. */
	return port->stream.peer || port->stream.kind->nobody;
}

/* ---- From the driver ------------------------------------------------------------------------------ */

/*
 * A driver may wait for a console's output to be taken, and Linux then does nothing else. A pipe
 * waits for its reader for ever, but of a console nobody reads the output is lost after a while.
 */
static void blocked(struct medio_console_port *port)
{
	if (!port->blocked && port->is_console && port->console->patience)
		medio_timer_arm(port->patience, port->console->patience);
	port->blocked = true;
}

static void unblocked(struct medio_console_port *port)
{
	if (port->blocked)
		medio_timer_disarm(port->patience);
	port->blocked = port->lossy = false;
}

/* Go on with what waits in the transmitq, soon and in a turn of its own. */
void medio_console_port_wake(struct medio_console_port *port)
{
	struct medio_virtq *queue = medio_virtio_queue(port->console->dev, receiveq(port) + 1);

	if (queue)
		medio_virtq_again(queue);
}

static void out_of_patience(void *opaque)
{
	struct medio_console_port *port = opaque;

	if (!port->blocked)
		return;
	port->lossy = true;
	medio_console_port_wake(port);
}

/* Some bytes; returns how many are dealt with, 0: they have to wait. */
static size_t put(struct medio_console_port *port, const uint8_t *bytes, size_t len)
{
	size_t sent = present(port) ? medio_stream_send(&port->stream, bytes, len) : 0;

	port->tx += sent;
	if (sent == len) {
		unblocked(port);
		return len;
	}
	/* Bytes for a port that is not there, and those that nobody reads. */
	if (!present(port) || port->lossy) {
		port->lost += len - sent;
		return len;
	}
	if (sent) /* somebody reads: patience begins anew */
		unblocked(port);
	return sent;
}

/* The rest of a chain. True: all of it; false: it has to wait, or the turn is over (*budget 0). */
static bool send_chain(
	struct medio_console_port *port, const struct medio_virtq_chain *chain, size_t *budget)
{
	uint8_t bytes[PIECE];

	while (port->skip < chain->out_bytes) {
		size_t len = medio_virtq_read(chain, port->skip, bytes, sizeof(bytes)), done;

		if (!len) /* its memory is gone */
			break;
		if (!*budget)
			return false;
		done = put(port, bytes, len);
		port->skip += done;
		*budget -= done < *budget ? done : *budget;
		if (done < len) {
			blocked(port);
			return false;
		}
	}
	port->skip = 0;
	return true;
}

/* False: no more now. */
static bool transmit_one(struct medio_console_port *port, struct medio_virtq *queue, size_t *budget)
{
	struct medio_virtq_chain *chain = medio_virtq_pop(queue);

	if (!chain)
		return false;
	if (chain->in_bytes) {
		medio_virtio_broken(port->console->dev,
			"queue %u: a buffer to write in a transmitq (5.3.6.1)",
			medio_virtq_index(queue));
	} else if (!send_chain(port, chain, budget)) {
		medio_virtq_unpop(queue, 1);
		return false;
	}
	medio_virtq_push(chain, 0);
	return true;
}

/*
 * Transmitq to stream, in a turn of the queue. What waits there is no reason for another one: stream_moved()
 * is, or patience; or the turn is over, and it is others' first.
 */
static void transmit(struct medio_console_port *port, struct medio_virtq *queue)
{
	size_t budget = TURN;

	medio_virtq_want_kicks(queue, true);
	while (transmit_one(port, queue, &budget))
		;
	if ((port->blocked && !port->lossy) || !budget)
		medio_virtq_want_kicks(queue, false);
	if (!budget)
		medio_virtq_again(queue);
}

/* ---- To the driver -------------------------------------------------------------------------------- */

/* What the wire holds, as far as the chain has room. */
static void receive_chain(struct medio_console_port *port, struct medio_virtq_chain *chain)
{
	size_t done = 0, len;
	const uint8_t *bytes;

	while (done < chain->in_bytes && (bytes = medio_wire_peek(&port->stream.rx, &len), len)) {
		if (len > chain->in_bytes - done)
			len = chain->in_bytes - done;
		len = medio_virtq_write(chain, done, bytes, len);
		if (!len) /* its memory is gone */
			break;
		medio_stream_taken(&port->stream, len);
		done += len;
	}
	port->rx += done;
	medio_virtq_push(chain, (uint32_t)done);
}

/* False: nothing for it, or no buffer. */
static bool receive_one(struct medio_console_port *port, struct medio_virtq *queue)
{
	struct medio_virtq_chain *chain;

	if (!medio_console_port_usable(port) || !port->stream.rx.count)
		return false;
	chain = medio_virtq_pop(queue);
	if (!chain)
		return false;
	/* One without room would come back empty for as long as there is something to receive. */
	if (!chain->out_bytes && chain->in_bytes) {
		receive_chain(port, chain);
		return true;
	}
	medio_virtio_broken(port->console->dev, "queue %u: a buffer %s in a receiveq (5.3.6.1)",
		medio_virtq_index(queue), chain->out_bytes ? "to read" : "without room");
	medio_virtq_push(chain, 0);
	return false;
}

/*
 * Wire to receiveq. Buffers that come while there is nothing for them are not worth a notification: it
 * is asked for when something is left, which also looks whether some have come meanwhile.
 */
void medio_console_port_receive(struct medio_console_port *port)
{
	struct medio_virtq *queue = medio_virtio_queue(port->console->dev, receiveq(port));
	bool moved = false;

	if (!queue)
		return;
	medio_virtq_want_kicks(queue, false);
	while (receive_one(port, queue))
		moved = true;
	medio_virtq_want_kicks(queue, medio_console_port_usable(port) && port->stream.rx.count);
	medio_virtq_flush(queue);
	/* An echo has room now. */
	if (moved && port->blocked && port->stream.kind->echoes)
		medio_console_port_wake(port);
}

void medio_console_port_kick(struct medio_console_port *port, struct medio_virtq *queue)
{
	if (medio_virtq_index(queue) != receiveq(port))
		transmit(port, queue);
	medio_console_port_receive(port);
}

void medio_console_port_go_on(struct medio_console_port *port)
{
	if (port->blocked)
		medio_console_port_wake(port);
	medio_console_port_receive(port);
}

void medio_console_port_emergency(struct medio_console_port *port, uint8_t c)
{
	if (medio_stream_send(&port->stream, &c, 1))
		port->tx++;
	else
		port->lost++;
}

/* ---- The window ----------------------------------------------------------------------------------- */

void medio_console_port_resize(
	struct medio_console_port *port, const struct medio_stream_size *size)
{
	struct medio_dev *dev = port->console->dev;

	if (size->cols == port->size.cols && size->rows == port->size.rows)
		return;
	port->size = *size;
	if (!medio_virtio_has(dev, VIRTIO_CONSOLE_F_SIZE))
		return;
	/* The configuration has the size of port 0, whoever else is told by a message. */
	if (port->id == 0 && medio_virtio_is_live(dev))
		medio_virtio_config_changed(dev);
	if (port->ready && port->is_console) {
		port->due |= MEDIO_CONSOLE_DUE_RESIZE;
		medio_console_control_send(port->console);
	}
}

void medio_console_port_look(struct medio_console_port *port)
{
	struct medio_stream_size size;

	if (!port->is_console || !medio_stream_size(&port->stream, &size))
		return;
	/* A size that was set by hand stays until the terminal's changes. */
	if (size.cols == port->terminal.cols && size.rows == port->terminal.rows)
		return;
	port->terminal = size;
	medio_console_port_resize(port, &size);
}

/* ---- Life ----------------------------------------------------------------------------------------- */

static void stream_moved(struct medio_stream *stream)
{
	medio_console_port_go_on(stream->opaque);
}

static void stream_peer(struct medio_stream *stream)
{
	struct medio_console_port *port = stream->opaque;

	/* Who comes has a terminal of his own. */
	port->terminal = (struct medio_stream_size){ 0 };
	medio_console_port_look(port);
	medio_console_look_soon(port->console);
	medio_console_control_send(port->console);
	medio_console_port_go_on(port);
}

static const struct medio_stream_user stream_user = { .moved = stream_moved, .peer = stream_peer };

int medio_console_port_open(struct medio_console *console, unsigned id)
{
	struct medio_console_port *port = &console->port[id];
	int ret;

	*port = (struct medio_console_port){
		.console = console,
		.id = id,
		.is_console = id < console->consoles,
		.plugged = true,
		.size = { .cols = (uint16_t)console->cols, .rows = (uint16_t)console->rows },
	};
	port->patience = medio_timer_new(console->dev, out_of_patience, port);
	if (!port->patience)
		return medio_fail(console->dev, ENOMEM, "port%u: no memory", id);
	ret = medio_stream_open(&port->stream, console->dev, id,
		console->plug[id] ? console->plug[id] : "pty", &stream_user, port);
	if (ret) {
		medio_timer_free(port->patience);
		port->patience = NULL;
		return ret;
	}
	medio_console_port_look(port);
	return 0;
}

void medio_console_port_close(struct medio_console_port *port)
{
	medio_stream_close(&port->stream);
	medio_timer_free(port->patience);
	port->patience = NULL;
}

void medio_console_port_unsent(struct medio_console_port *port)
{
	port->skip = 0;
	unblocked(port);
}

void medio_console_port_reset(struct medio_console_port *port)
{
	port->added = port->ready = port->guest_open = port->told_open = false;
	port->due = 0;
	medio_console_port_unsent(port);
	/* What an echo holds came from the guest that is gone. */
	if (port->stream.kind->echoes)
		medio_wire_clear(&port->stream.rx);
}
