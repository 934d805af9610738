/* SPDX-License-Identifier: BSD-3-Clause */
/* null: an open connector. What is sent is lost, nothing comes, no modem line is on. */
#include "port.h"

static int null_open(struct medio_mtty_port *port, const char *arg)
{
	medio_mtty_port_lines(port, MEDIO_MTTY_LINES_NONE);
	return 0;
}

static size_t null_send(struct medio_mtty_port *port, const uint8_t *buf, size_t len)
{
	port->stats.unheard += len;
	return len;
}

const struct medio_mtty_backend medio_mtty_null = {
	.name = "null",
	.usage = "null",
	.open = null_open,
	.send = null_send,
};
