/* SPDX-License-Identifier: BSD-3-Clause */
/* A build without libslirp: all other networks work. */
#include <errno.h>

#include "backend.h"

static int begin(struct net *net)
{
	return medio_fail(net->dev, EOPNOTSUPP,
		"user: this build is without libslirp; choose one of tap, socket, switch, null, "
		"loop, or build it again with libslirp-dev installed");
}

static void end(struct net *net)
{
	(void)net;
}

static int lose(struct net *net, const struct net_frame *frame)
{
	(void)net;
	(void)frame;
	return 0;
}

const struct net_backend net_user = {
	.name = "user",
	.open = begin,
	.close = end,
	.send = lose,
};
