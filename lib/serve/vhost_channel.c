/* SPDX-License-Identifier: BSD-3-Clause */
#include "serve/vhost_channel.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/vhost_user.h"
#include "util/loop.h"

struct medio_vhost_channel {
	int fd; /* -1: the front-end has closed its end */
	struct medio_watch *watch;
	size_t sent; /* of the message under way; 0: none is */
	bool owed;   /* another is to follow */
};

static void shut(struct medio_vhost_channel *channel)
{
	medio_watch_free(channel->watch);
	channel->watch = NULL;
	if (channel->fd >= 0)
		close(channel->fd);
	channel->fd = -1;
}

static void push(struct medio_vhost_channel *channel)
{
	static const struct medio_vhu_header msg = { MEDIO_VHU_BACKEND_CONFIG_CHANGE,
		MEDIO_VHU_VERSION, 0 };
	while (channel->sent || channel->owed) {
		if (!channel->sent)
			channel->owed = false;
		ssize_t n = send(channel->fd, (const char *)&msg + channel->sent,
			sizeof(msg) - channel->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			shut(channel);
			return;
		}
		if (n < 0) {
			channel->owed |= !channel->sent;
			medio_watch_set(channel->watch, EPOLLIN | EPOLLOUT);
			return;
		}
		channel->sent += (size_t)n;
		if (channel->sent == sizeof(msg))
			channel->sent = 0;
	}
	medio_watch_set(channel->watch, EPOLLIN);
}

void medio_vhost_channel_config_changed(struct medio_vhost_channel *channel)
{
	channel->owed = true;
	if (channel->fd >= 0)
		push(channel);
}

static void on_ready(void *opaque, uint32_t events)
{
	struct medio_vhost_channel *channel = opaque;
	char unread[4096];
	/* Answers that nobody asked for. Descriptors with them are dropped, as there is no place for them. */
	ssize_t n = recv(channel->fd, unread, sizeof(unread), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		shut(channel);
	else if (events & EPOLLOUT)
		push(channel);
}

int medio_vhost_channel_new(struct medio_loop *loop, int fd, struct medio_vhost_channel **out)
{
	int type = 0;
	socklen_t len = sizeof(type);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM) {
		close(fd);
		return -EINVAL;
	}
	struct medio_vhost_channel *channel = calloc(1, sizeof(*channel));
	if (!channel) {
		close(fd);
		return -ENOMEM;
	}
	channel->fd = fd;
	channel->watch = medio_loop_watch(loop, fd, EPOLLIN, on_ready, channel);
	if (!channel->watch) {
		medio_vhost_channel_free(channel);
		return -ENOMEM;
	}
	*out = channel;
	return 0;
}

void medio_vhost_channel_free(struct medio_vhost_channel *channel)
{
	if (!channel)
		return;
	shut(channel);
	free(channel);
}
