/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A frame goes from one driver's memory into the other's at once; a card without room has a queue, and loses
 * what comes when that is full, so that no sender can make others wait or memory grow.
 */
#include "port.h"

#include <errno.h>
#include <stdlib.h>

/* ---- To the card ----------------------------------------------------------------------------------- */

static unsigned on_give(void *opaque, const struct net_frame *frames, unsigned n, bool later)
{
	struct net_port *at = opaque;
	struct net *net = at->net;
	uint64_t before = net->counts.dropped;

	if (!later) {
		net_deliver_or_queue_many(net, frames, n);
		return n - (unsigned)(net->counts.dropped - before);
	}
	for (unsigned i = 0; i < n; i++) {
		if (!net_queue_put(&net->queue, &frames[i]))
			net->counts.dropped++;
	}
	medio_timer_arm(at->later, 0);
	return n - (unsigned)(net->counts.dropped - before);
}

static void on_given(void *opaque)
{
	net_delivered(((struct net_port *)opaque)->net);
}

static bool on_wants(void *opaque, const uint8_t group[6])
{
	const struct net *net = ((struct net_port *)opaque)->net;

	return !net->events->wants || net->events->wants(net->opaque, group);
}

static void on_link(void *opaque, bool up)
{
	net_set_up(((struct net_port *)opaque)->net, up);
}

static void on_room(void *opaque)
{
	struct net *net = ((struct net_port *)opaque)->net;

	net_room(net);
	net_flush(net);
}

static const struct fabric_port_ops ops = {
	.give = on_give,
	.given = on_given,
	.wants = on_wants,
	.link = on_link,
	.room = on_room,
};

static void on_later(void *opaque)
{
	struct net *net = ((struct net_port *)opaque)->net;

	if (!net->blocked)
		net_resume(net);
}

/* ---- From the card --------------------------------------------------------------------------------- */

unsigned net_port_send_many(struct net *net, const struct net_frame *frames, unsigned n)
{
	struct net_port *at = net->state;

	if (!at->now)
		at->now = medio_now_ns();
	unsigned sent = fabric_send(at->port, frames, n, at->now);
	if (sent < n)
		medio_timer_arm(at->wait, fabric_wait(at->port, at->now));
	return sent;
}

int net_port_send(struct net *net, const struct net_frame *frame)
{
	return net_port_send_many(net, frame, 1) ? 0 : -EAGAIN;
}

void net_port_flush(struct net *net)
{
	struct net_port *at = net->state;

	at->now = 0;
	fabric_flush(fabric_of(at->port));
}

int net_port_macs(struct net *net, const uint8_t mac[6], const uint8_t (*others)[6], unsigned count)
{
	return fabric_port_set_macs(net_port_of(net), mac, others, count);
}

/* ---- Life ------------------------------------------------------------------------------------------ */

static void port_free(struct net_port *at)
{
	fabric_port_free(at->port);
	medio_timer_free(at->later);
	medio_timer_free(at->wait);
	free(at);
}

static struct net_port *port_new(struct net *net, struct fabric *fabric)
{
	struct net_port *at = calloc(1, sizeof(*at));

	if (!at)
		return NULL;
	at->net = net;
	at->later = medio_timer_new(net->dev, on_later, at);
	at->wait = medio_timer_new(net->dev, on_room, at);
	at->port = fabric_port_new(fabric, &ops, at);
	if (at->later && at->wait && at->port && !net_queue_init(&net->queue))
		return at;
	port_free(at);
	return NULL;
}

int net_port_attach(struct net *net, struct fabric *fabric)
{
	struct net_port *at = port_new(net, fabric);

	if (!at)
		return medio_fail(net->dev, ENOMEM, "no memory for a port of a switch");
	net->state = at;
	net->takes = NET_CAN_ALL;
	net->up = true;
	return 0;
}

void net_port_detach(struct net *net)
{
	port_free(net->state);
}

struct fabric_port *net_port_of(const struct net *net)
{
	return ((struct net_port *)net->state)->port;
}

/* ---- A port of a card's own switch ------------------------------------------------------------------ */

static int port_open(struct net *net)
{
	int ret = net_port_attach(net, net->opts->fabric);

	if (!ret)
		net_describe_as(net, "a port of its card's switch");
	return ret;
}

const struct net_backend net_port_backend = {
	.name = "port",
	.open = port_open,
	.close = net_port_detach,
	.send = net_port_send,
	.send_many = net_port_send_many,
	.flush = net_port_flush,
	.macs = net_port_macs,
};
