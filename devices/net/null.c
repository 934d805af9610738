/* SPDX-License-Identifier: BSD-3-Clause */
/* null: frames go nowhere. loop: each comes back. Both for measuring, and for a card without a network. */
#include "backend.h"

static int begin(struct net *net)
{
	net->takes = NET_CAN_ALL;
	net->up = true;
	return 0;
}

static void nothing(struct net *net)
{
	(void)net;
}

static int lose(struct net *net, const struct net_frame *frame)
{
	(void)net;
	(void)frame;
	return 0;
}

static unsigned lose_many(struct net *net, const struct net_frame *frames, unsigned n)
{
	(void)net;
	(void)frames;
	return n;
}

const struct net_backend net_null = {
	.name = "null",
	.open = begin,
	.close = nothing,
	.send = lose,
	.send_many = lose_many,
};

const struct net_backend net_loop = {
	.name = "loop",
	.open = begin,
	.close = nothing,
	.send = net_deliver,
	.send_many = net_deliver_many,
	.resume = net_room,
};
