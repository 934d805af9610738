/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The twin socket ("VFIO_USER_VERSION", twin_socket): the server's commands come, and are answered, on a
 * socket of their own, so that neither queues behind a long answer on the first. It is a client like
 * the first one, which only ever serves. A call waits on the first socket and looks at this one too.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "drive/vfio_user_socket.h"
#include "util/cleanup.h"

/* A receive on the first socket waits so long before the twin is looked at, unless that has asked in
 * one of the latest calls: most cards never ask, and one system call is what a round trip has. */
#define LOOK_US 1000
#define ASKED	64

int medio_vu_twin_open(struct medio_vu_client *client, int fd)
{
	const struct timeval look = { .tv_usec = LOOK_US };
	const struct medio_vu_client_options opts = { .max_message = client->in_cap,
		.timeout_ms = (unsigned)(client->timeout_ns / NS_PER_MS) };
	int ret = medio_vu_client_new(fd, &opts, &client->twin);

	if (ret == -ENOTSOCK)
		return -EPROTO;
	if (ret)
		return ret;
	medio_vu_client_handler(client->twin, client->handler, client->opaque);
	return setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &look, sizeof(look)) < 0 ? -errno
											: 0;
}

static bool watch(int both, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(both, EPOLL_CTL_ADD, fd, &event) == 0;
}

int medio_vu_twin_both(struct medio_vu_client *client)
{
	_cleanup_close_ int both = -1;

	if (client->both < 0) {
		both = epoll_create1(EPOLL_CLOEXEC);
		if (both >= 0 && watch(both, client->fd) && watch(both, client->twin->fd))
			client->both = medio_steal_fd(both);
	}
	return client->both;
}

int medio_vu_twin_serve(struct medio_vu_client *client, uint64_t deadline)
{
	int count = medio_vu_client_serve(client->twin, deadline);

	if (count < 0)
		return medio_vu_socket_fail(client, count, "twin socket: %s", client->twin->words);
	if (count)
		client->asked = ASKED;
	return 0;
}

/* A driver that asks again and again until its device is ready may find each answer there before it has
 * to wait, and what the device needs for getting ready may be on the twin. */
int medio_vu_twin_look(struct medio_vu_client *client, uint64_t deadline)
{
	uint64_t now = deadline - client->timeout_ns;

	if (now - client->looked < LOOK_US * UINT64_C(1000))
		return 0;
	client->looked = now;
	return medio_vu_twin_serve(client, deadline);
}

void medio_vu_twin_free(struct medio_vu_client *client)
{
	medio_vu_client_free(client->twin);
	if (client->both >= 0)
		close(client->both);
}
