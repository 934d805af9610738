/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtio-console.h"

#include <errno.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <string.h>

#include "console.h"

/* Nobody tells when a terminal's size changes: a look this often. */
#define LOOK_NS 500000000u

/* ---- Ports ---------------------------------------------------------------------------------------- */

/* Terminals that are open, at consoles whose driver wants to know. */
static bool worth_a_look(const struct medio_console *console)
{
	if (!medio_virtio_is_live(console->dev) ||
		!medio_virtio_has(console->dev, VIRTIO_CONSOLE_F_SIZE))
		return false;
	for (unsigned i = 0; i < console->num_ports; i++)
		if (console->port[i].is_console && console->port[i].stream.peer &&
			console->port[i].stream.kind->size)
			return true;
	return false;
}

void medio_console_look_soon(struct medio_console *console)
{
	if (worth_a_look(console))
		medio_timer_arm(console->look, LOOK_NS);
}

static void look(void *opaque)
{
	struct medio_console *console = opaque;

	for (unsigned i = 0; i < console->num_ports; i++)
		medio_console_port_look(&console->port[i]);
	medio_console_look_soon(console);
}

static void close_all(struct medio_console *console)
{
	while (console->num_ports)
		medio_console_port_close(&console->port[--console->num_ports]);
	medio_timer_free(console->look);
	console->look = NULL;
}

/* How many ports there are to be; -EINVAL after medio_fail(). */
static int count_ports(struct medio_console *console)
{
	unsigned named = 1;

	for (unsigned i = 0; i < MEDIO_CONSOLE_MAX_PORTS; i++)
		if (console->plug[i] || console->name[i])
			named = i + 1;
	if (!console->ports)
		console->ports = named > console->consoles ? named : console->consoles;
	if (named > console->ports)
		return medio_fail(console->dev, EINVAL,
			"%s%u is given, but ports is %u; make it ports=%u, or leave ports out",
			console->plug[named - 1] ? "port" : "name", named - 1,
			(unsigned)console->ports, named);
	if (console->consoles > console->ports)
		return medio_fail(console->dev, EINVAL,
			"consoles is %u, but ports is %u; allowed are 0 to %u",
			(unsigned)console->consoles, (unsigned)console->ports,
			(unsigned)console->ports);
	return 0;
}

/* A name becomes a file's in the guest, /dev/virtio-ports/NAME. */
static int check_name(const struct medio_console *console, unsigned id)
{
	const char *name = console->name[id];
	size_t len = strlen(name);

	if (!len || len > MEDIO_CONSOLE_MAX_NAME)
		return medio_fail(console->dev, EINVAL, "name%u has %zu bytes, allowed are 1 to %d",
			id, len, MEDIO_CONSOLE_MAX_NAME);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] <= ' ' || name[i] == '/' || name[i] == 0x7f)
			return medio_fail(console->dev, EINVAL,
				"name%u is '%s': a name has no spaces, slashes or control "
				"characters",
				id, name);
	for (unsigned i = 0; i < id; i++)
		if (console->name[i] && strcmp(console->name[i], name) == 0)
			return medio_fail(console->dev, EINVAL, "name%u and name%u are both '%s'",
				i, id, name);
	return 0;
}

/* ---- Operations ----------------------------------------------------------------------------------- */

static int console_init(struct medio_dev *dev)
{
	struct medio_console *console = medio_priv(dev);
	int ret;

	console->dev = dev;
	ret = count_ports(console);
	for (unsigned i = 0; i < MEDIO_CONSOLE_MAX_PORTS && !ret; i++)
		if (console->name[i])
			ret = check_name(console, i);
	if (ret)
		return ret;
	console->look = medio_timer_new(dev, look, console);
	if (!console->look)
		return medio_fail(dev, ENOMEM, "no memory");
	while (console->num_ports < console->ports) {
		ret = medio_console_port_open(console, console->num_ports);
		if (ret) {
			close_all(console);
			return ret;
		}
		console->num_ports++;
	}
	/* Port 0 alone needs no words about it, unless it is to be something special. */
	console->multiport |= console->num_ports > 1 || !console->consoles || console->name[0];
	if (console->multiport)
		medio_virtio_offer(dev, MEDIO_VIRTIO_BIT(VIRTIO_CONSOLE_F_MULTIPORT));
	medio_virtio_set_queues(dev, console->multiport ? 2 * console->num_ports + 2 : 2);
	return 0;
}

static void console_fini(struct medio_dev *dev)
{
	close_all(medio_priv(dev));
}

static void config_read(struct medio_dev *dev, uint8_t *config)
{
	const struct medio_console *console = medio_priv(dev);
	const struct medio_stream_size *size = &console->port[0].size;

	medio_put_le(config + offsetof(struct virtio_console_config, cols), 2, size->cols);
	medio_put_le(config + offsetof(struct virtio_console_config, rows), 2, size->rows);
	if (console->multiport)
		medio_put_le(config + offsetof(struct virtio_console_config, max_nr_ports), 4,
			console->num_ports);
}

/* Only the emergency write is for the driver to write (5.3.4); its lowest byte counts. */
static void config_write(struct medio_dev *dev, unsigned offset, const void *buf, unsigned count)
{
	struct medio_console *console = medio_priv(dev);
	const unsigned at = offsetof(struct virtio_console_config, emerg_wr);

	if (offset > at || offset + count <= at) {
		medio_guest_error(
			dev, "write of %u bytes at %u of the configuration (5.3.4)", count, offset);
		return;
	}
	medio_console_port_emergency(&console->port[0], ((const uint8_t *)buf)[at - offset]);
}

static void queue(struct medio_dev *dev, struct medio_virtq *q, bool live)
{
	struct medio_console *console = medio_priv(dev);
	unsigned index = medio_virtq_index(q);
	struct medio_console_port *port = medio_console_port_of(console, index);
	bool control = index == MEDIO_CONSOLE_CONTROL_RX || index == MEDIO_CONSOLE_CONTROL_TX;

	if (live && index % 2 == 0)
		medio_virtq_want_kicks(q, false);
	if (!live && !control && index % 2 && port)
		medio_console_port_unsent(port);
	/* One that was reset by itself and is there again: what waited for it goes on. */
	if (live && medio_virtio_is_live(dev)) {
		if (control)
			medio_console_control_send(console);
		else if (port)
			medio_console_port_receive(port);
	}
}

static void live(struct medio_dev *dev)
{
	struct medio_console *console = medio_priv(dev);

	for (unsigned i = 0; i < console->num_ports; i++)
		medio_console_port_receive(&console->port[i]);
	medio_console_look_soon(console);
}

static void kick(struct medio_dev *dev, struct medio_virtq *q)
{
	struct medio_console *console = medio_priv(dev);
	unsigned index = medio_virtq_index(q);
	struct medio_console_port *port = medio_console_port_of(console, index);

	if (index == MEDIO_CONSOLE_CONTROL_RX)
		medio_console_control_send(console);
	else if (index == MEDIO_CONSOLE_CONTROL_TX)
		medio_console_control_receive(console, q);
	else if (port)
		medio_console_port_kick(port, q);
}

static void reset(struct medio_dev *dev)
{
	struct medio_console *console = medio_priv(dev);

	medio_timer_disarm(console->look);
	medio_console_control_reset(console);
	for (unsigned i = 0; i < console->num_ports; i++)
		medio_console_port_reset(&console->port[i]);
}

static const struct medio_virtio_ops ops = {
	.init = console_init,
	.fini = console_fini,
	.config_read = config_read,
	.config_write = config_write,
	.live = live,
	.queue = queue,
	.kick = kick,
	.reset = reset,
	.save = medio_console_save,
	.load = medio_console_load,
};

/* ---- The type ------------------------------------------------------------------------------------- */

static const struct medio_virtio_type virtio = {
	.id = VIRTIO_ID_CONSOLE,
	.max_queues = MEDIO_CONSOLE_MAX_QUEUES,
	.config_size = sizeof(struct virtio_console_config),
	.features = MEDIO_VIRTIO_BIT(VIRTIO_CONSOLE_F_SIZE) |
		    MEDIO_VIRTIO_BIT(VIRTIO_CONSOLE_F_EMERG_WRITE),
	.ops = &ops,
};

static const char *const orders[] = { "cols-rows", "rows-cols", NULL };

#define PARAM(name_, kind_, field_, ...) \
	{ \
		.name = name_, .kind = MEDIO_PARAM_##kind_, \
		.offset = offsetof(struct medio_console, field_), __VA_ARGS__ \
	}
#define PORT_SAYS(n_, help_) \
	PARAM("port" #n_, STRING, plug[n_], .help = help_), \
		PARAM("name" #n_, STRING, name[n_], \
			.help = "name of port " #n_ " in the guest, /dev/virtio-ports/NAME")
#define PORT(n_) PORT_SAYS(n_, "what port " #n_ " is plugged into, see port0")

static const struct medio_param params[] = {
	PORT_SAYS(0,
		"what port 0 is plugged into: pty[:LINK] (if nothing is said), unix:PATH, stdio, "
		"file:PATH, echo or null"),
	PORT(1),
	PORT(2),
	PORT(3),
	PORT(4),
	PORT(5),
	PORT(6),
	PORT(7),
	PORT(8),
	PORT(9),
	PORT(10),
	PORT(11),
	PORT(12),
	PORT(13),
	PORT(14),
	PORT(15),
	PARAM("ports", UINT, ports, .deflt = "0",
		.help = "how many ports there are; 0: as many as portN and nameN speak of",
		.max = MEDIO_CONSOLE_MAX_PORTS),
	PARAM("consoles", UINT, consoles, .deflt = "1",
		.help = "so many ports, from port 0 on, are consoles (hvc0, ...); the others carry data",
		.max = MEDIO_CONSOLE_MAX_PORTS),
	PARAM("multiport", BOOL, multiport, .deflt = "off",
		.help = "offer MULTIPORT for a single console too, so that it can be unplugged"),
	PARAM("cols", UINT, cols, .deflt = "0",
		.help = "columns of a console that no terminal tells the size of; 0: not known",
		.max = UINT16_MAX),
	PARAM("rows", UINT, rows, .deflt = "0",
		.help = "rows of a console that no terminal tells the size of; 0: not known",
		.max = UINT16_MAX),
	PARAM("patience", TIME, patience, .deflt = "5s",
		.help = "how long a console's output waits for somebody who does not read it; 0: for "
			"ever",
		.max = UINT64_C(3600000000000)),
	PARAM("resize-order", CHOICE, resize_order, .deflt = "cols-rows",
		.help = "how a message says a console's new size: as the specification and Linux from "
			"6.15 on, or as Linux before (rows-cols)",
		.choices = orders),
	MEDIO_VIRTIO_PARAMS,
	{ NULL },
};

static const struct medio_attr attrs[] = {
	MEDIO_VIRTIO_ATTRS,
	{ "console/ports", medio_console_ports_show, medio_console_ports_store },
	{ "console/size", medio_console_size_show, medio_console_size_store },
	{ NULL },
};

const struct medio_type medio_virtio_console = {
	MEDIO_VIRTIO_TYPE(&virtio, struct medio_console, VIRTIO_ID_CONSOLE,
		MEDIO_CONSOLE_MAX_QUEUES, 0x078000),
	.name = "virtio-console",
	.summary = "Virtio console",
	.description =
		"A console to log in on, and ports with names to carry data, up to 16. Linux "
		"has them as hvc0 and /dev/virtio-ports/NAME.",
	.params = params,
	.attrs = attrs,
};

const struct medio_type *const medio_virtio_console_types[] = { &medio_virtio_console, NULL };
