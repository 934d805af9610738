/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * switch: devices of one process on one segment, each a port of a switch with a name (fabric.h). It learns which
 * address is behind which port.
 *
 * Threads: a switch is one thread's, and so are its devices; others are refused when they join. The list
 * of switches has a lock, since each thread may have some.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "port.h"

#define MAX_NAME  63u
#define MAX_PORTS 64u

struct named {
	struct named *next;
	char name[MAX_NAME + 1];
	struct fabric *fabric;
	pthread_t thread;
	bool started; /* frames have been sent */
	bool told;    /* of a frame from another thread */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the list */
static struct named *all;

/* ---- Frames ---------------------------------------------------------------------------------------- */

static bool is_ours(struct net *net)
{
	struct named *named = ((struct net_port *)net->state)->opaque;

	if (!named->started) { /* all were made by one thread, and may have gone to another */
		named->thread = pthread_self();
		named->started = true;
	}
	if (pthread_equal(named->thread, pthread_self()))
		return true;
	if (!named->told)
		medio_log(net->dev, MEDIO_LOG_ERROR,
			"switch: frames of devices on several threads are lost");
	named->told = true;
	return false;
}

static unsigned switch_send_many(struct net *net, const struct net_frame *frames, unsigned n)
{
	if (is_ours(net))
		return net_port_send_many(net, frames, n);
	net->counts.dropped += n;
	return n;
}

static int switch_send(struct net *net, const struct net_frame *frame)
{
	return switch_send_many(net, frame, 1) ? 0 : -EAGAIN;
}

/* ---- Who is there ---------------------------------------------------------------------------------- */

static struct named *named_new(struct net *net, const char *name)
{
	struct named *named = calloc(1, sizeof(*named));

	if (!named || !(named->fabric = fabric_new(medio_now_ns() ^ (uintptr_t)named))) {
		free(named);
		medio_fail(net->dev, ENOMEM, "switch: no memory");
		return NULL;
	}
	memcpy(named->name, name, strlen(name) + 1);
	named->thread = pthread_self();
	named->next = all;
	all = named;
	return named;
}

static void named_free(struct named *named)
{
	struct named **at = &all;

	while (*at != named)
		at = &(*at)->next;
	*at = named->next;
	fabric_free(named->fabric);
	free(named);
}

/* NULL: *ret is what medio_fail() gave. */
static struct named *find(struct net *net, int *ret)
{
	const char *name = net->opts->switch_;
	struct named *named = all;

	while (named && strcmp(named->name, name) != 0)
		named = named->next;
	*ret = -ENOMEM;
	if (!named)
		return named_new(net, name);
	if (!pthread_equal(named->thread, pthread_self()))
		*ret = medio_fail(net->dev, EXDEV,
			"switch: the devices of '%s' are another thread's, and a switch joins those of "
			"one thread only",
			name);
	else if (fabric_num_ports(named->fabric) == MAX_PORTS)
		*ret = medio_fail(net->dev, ENOSPC,
			"switch: '%s' has %u devices, which is all it can", name, MAX_PORTS);
	else
		return named;
	return NULL;
}

/* The lock is held. */
static int join(struct net *net)
{
	int ret;
	struct named *named = find(net, &ret);

	if (!named)
		return ret;
	ret = net_port_attach(net, named->fabric);
	if (!ret)
		((struct net_port *)net->state)->opaque = named;
	else if (!fabric_num_ports(named->fabric))
		named_free(named);
	return ret;
}

static int switch_open(struct net *net)
{
	size_t len = strlen(net->opts->switch_);

	if (!len || len > MAX_NAME)
		return medio_fail(
			net->dev, EINVAL, "switch: a name has 1 to %u characters", MAX_NAME);
	pthread_mutex_lock(&lock);
	int ret = join(net);
	pthread_mutex_unlock(&lock);
	if (!ret)
		net_describe_as(net, "switch '%s'", net->opts->switch_);
	return ret;
}

static void switch_close(struct net *net)
{
	struct named *named = ((struct net_port *)net->state)->opaque;

	pthread_mutex_lock(&lock);
	net_port_detach(net);
	if (!fabric_num_ports(named->fabric))
		named_free(named);
	pthread_mutex_unlock(&lock);
}

const struct net_backend net_switch = {
	.name = "switch",
	.open = switch_open,
	.close = switch_close,
	.send = switch_send,
	.send_many = switch_send_many,
	.flush = net_port_flush,
};
