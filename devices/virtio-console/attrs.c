/* SPDX-License-Identifier: BSD-3-Clause */
/* What a console shows of itself, and what can be changed while it runs. */
#include "console.h"

#include <errno.h>
#include <linux/virtio_console.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Print at the end of buf; false: no room. */
static bool __attribute__((format(printf, 4, 5)))
print(char *buf, size_t size, size_t *used, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(buf + *used, size - *used, fmt, args);
	va_end(args);
	if (len < 0 || (size_t)len >= size - *used)
		return false;
	*used += (size_t)len;
	return true;
}

static const char *state_of(const struct medio_console_port *port)
{
	if (!port->plugged)
		return "unplugged";
	if (medio_virtio_is_live(port->console->dev) && medio_console_port_usable(port))
		return "open";
	return port->ready ? "closed" : "unused";
}

ssize_t medio_console_ports_show(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct medio_console *console = medio_priv(dev);
	size_t used = 0;

	for (unsigned i = 0; i < console->num_ports; i++) {
		const struct medio_console_port *port = &console->port[i];

		if (!print(buf, size, &used,
			    "%u %s %s %s %s %s tx %llu rx %llu waiting %u unheard %llu lost %llu\n",
			    i, console->name[i] ? console->name[i] : "-",
			    port->is_console ? "console" : "port", port->stream.kind->name,
			    state_of(port), port->stream.peer ? "peer" : "nobody",
			    (unsigned long long)port->tx, (unsigned long long)port->rx,
			    port->stream.rx.count, (unsigned long long)port->stream.unheard,
			    (unsigned long long)port->lost))
			return -ENOSPC;
	}
	return (ssize_t)used;
}

ssize_t medio_console_size_show(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct medio_console *console = medio_priv(dev);
	size_t used = 0;

	for (unsigned i = 0; i < console->num_ports; i++)
		if (console->port[i].is_console &&
			!print(buf, size, &used, "%u %ux%u\n", i, console->port[i].size.cols,
				console->port[i].size.rows))
			return -ENOSPC;
	return (ssize_t)used;
}

/* What a user wrote, as a text without its newline; false: too long, or with a NUL in it. */
static bool text_of(const char *buf, size_t size, char *text, size_t cap)
{
	while (size && (buf[size - 1] == '\n' || buf[size - 1] == ' '))
		size--;
	if (size >= cap || memchr(buf, '\0', size))
		return false;
	memcpy(text, buf, size);
	text[size] = '\0';
	return true;
}

/* A decimal number at *text up to max, which is moved behind it. */
static bool number(const char **text, unsigned max, unsigned *out)
{
	unsigned value = 0;
	const char *at = *text;

	for (; *at >= '0' && *at <= '9' && value <= max; at++)
		value = value * 10 + (unsigned)(*at - '0');
	if (at == *text || value > max)
		return false;
	*text = at;
	*out = value;
	return true;
}

int medio_console_size_store(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	struct medio_console *console = medio_priv(dev);
	unsigned id = 0, cols, rows;
	const char *at, *space;
	char text[32] = "";
	bool good = text_of(buf, size, text, sizeof(text));

	at = text;
	space = good ? strchr(text, ' ') : NULL;
	if (space) {
		good = number(&at, MEDIO_CONSOLE_MAX_PORTS - 1, &id) && at == space;
		at = space + 1;
	}
	if (!good || !number(&at, UINT16_MAX, &cols) || *at++ != 'x' ||
		!number(&at, UINT16_MAX, &rows) || *at)
		return medio_fail(dev, EINVAL,
			"the size of a console is COLUMNSxROWS, as 132x43; before it, if it is not "
			"port 0, the port's number: '1 132x43'");
	if (id >= console->num_ports || !console->port[id].is_console)
		return medio_fail(dev, EINVAL, "port %u is no console", id);
	medio_console_port_resize(&console->port[id],
		&(struct medio_stream_size){ .cols = (uint16_t)cols, .rows = (uint16_t)rows });
	return 0;
}

int medio_console_ports_store(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	struct medio_console *console = medio_priv(dev);
	bool plugged = false;
	unsigned id;
	char text[32] = "";
	const char *at = text;
	int ret;

	if (text_of(buf, size, text, sizeof(text))) {
		plugged = strncmp(text, "plug ", 5) == 0;
		at = plugged ? text + 5 : strncmp(text, "unplug ", 7) == 0 ? text + 7 : "";
	} else {
		at = "";
	}
	if (!number(&at, UINT16_MAX, &id) || *at)
		return medio_fail(
			dev, EINVAL, "allowed are 'plug N' and 'unplug N', N being a port");
	if (id >= console->num_ports)
		return medio_fail(dev, EINVAL, "there is no port %u; ports are 0 to %u", id,
			console->num_ports - 1);
	if (!console->multiport)
		return medio_fail(dev, EOPNOTSUPP,
			"a console of one port has it always; multiport=on changes that");
	ret = medio_console_control_plug(&console->port[id], plugged);
	if (ret)
		return medio_fail(dev, -ret, "port %u is %s already", id,
			plugged ? "plugged in" : "unplugged");
	return 0;
}
