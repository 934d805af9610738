/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "card.h"

/* ---- From the switch ------------------------------------------------------------------------------- */

static unsigned on_give(void *opaque, const struct net_frame *frames, unsigned n, bool later)
{
	struct nic_uplink *up = opaque;
	unsigned taken = 0;

	if (!later && !up->queue.count)
		taken = net_send_many(up->net, frames, n);
	while (taken < n && net_queue_put(&up->queue, &frames[taken]))
		taken++;
	if (later)
		medio_timer_arm(up->later, 0);
	return taken;
}

static void on_given(void *opaque)
{
	net_flush(((struct nic_uplink *)opaque)->net);
}

static const struct fabric_port_ops port_ops = {
	.give = on_give,
	.given = on_given,
};

/* What waits goes out, as far as there is room. */
static void drain(void *opaque)
{
	struct nic_uplink *up = opaque;
	struct net_frame frame;
	struct iovec iov;

	while (net_queue_peek(&up->queue, &frame, &iov) && net_send(up->net, &frame) != -EAGAIN)
		net_queue_drop(&up->queue);
	net_flush(up->net);
}

/* ---- From the network ------------------------------------------------------------------------------ */

static unsigned on_receive_many(void *opaque, const struct net_frame *frames, unsigned n)
{
	struct nic_uplink *up = opaque;

	if (!up->now)
		up->now = medio_now_ns();
	return fabric_send(up->port, frames, n, up->now);
}

/* Its port has no limit. */
static int on_receive(void *opaque, const struct net_frame *frame)
{
	on_receive_many(opaque, frame, 1);
	return 0;
}

static void on_received(void *opaque)
{
	struct nic_uplink *up = opaque;

	up->now = 0;
	fabric_flush(up->fabric);
}

static void on_link(void *opaque, bool is_up)
{
	fabric_set_carrier(((struct nic_uplink *)opaque)->fabric, is_up);
}

static const struct net_events events = {
	.receive = on_receive,
	.receive_many = on_receive_many,
	.received = on_received,
	.ready = drain,
	.link = on_link,
};

/* ---- Life ------------------------------------------------------------------------------------------ */

int nic_uplink_open(struct nic_uplink *up, struct medio_dev *dev, const struct net_options *options,
	struct fabric *fabric)
{
	up->fabric = fabric;
	up->later = medio_timer_new(dev, drain, up);
	up->port = fabric_port_new(fabric, &port_ops, up);
	int ret = 0;
	if (!up->later || !up->port || net_queue_init(&up->queue))
		ret = medio_fail(dev, ENOMEM, "no memory for the uplink");
	if (!ret)
		ret = net_open(dev, options, &events, up, &up->net);
	if (ret) {
		nic_uplink_close(up);
		return ret;
	}
	net_set_can(
		up->net, NET_CAN_CSUM | NET_CAN_TSO4 | NET_CAN_TSO6 | NET_CAN_ECN | NET_CAN_USO);
	fabric_set_carrier(fabric, net_is_up(up->net));
	return 0;
}

void nic_uplink_close(struct nic_uplink *up)
{
	net_close(up->net);
	up->net = NULL;
	fabric_port_free(up->port);
	medio_timer_free(up->later);
	net_queue_fini(&up->queue);
}
