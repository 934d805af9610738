/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/list.h"

#define LOG_LIMIT     (64u << 10)  /* bytes waiting: lines are dropped */
#define RECEIVE_LIMIT (256u << 10) /* bytes waiting: nothing is received */
#define TURN	      32	   /* messages before others have theirs */
#define RETRY_NS      10000000u

struct waiting {
	struct medio_list item;
	size_t size;
	char bytes[];
};

struct medio_link {
	const struct medio_link_ops *ops;
	void *opaque;
	int fd;
	struct medio_watch *watch;
	struct medio_timer *retry; /* too many descriptors are on their way: feed later */
	struct medio_list queue;   /* struct waiting.item */
	size_t queued;		   /* bytes */
	unsigned dropped;	   /* lines since the last one that was sent */
	bool feeding;
	struct medio_wire_packet packet;
};

static void update_watch(struct medio_link *link)
{
	uint32_t events = link->queued < RECEIVE_LIMIT ? EPOLLIN : 0;
	if (!medio_list_empty(&link->queue) || link->feeding)
		events |= EPOLLOUT;
	medio_watch_set(link->watch, events);
}

/* An answer that cannot be kept is missed for ever: let mediod come again and see what is. */
static void give_up(struct medio_link *link)
{
	shutdown(link->fd, SHUT_RDWR);
}

/* ---- Sending ---------------------------------------------------------------------------------------- */

int medio_link_try(struct medio_link *link, const struct medio_wire_msg *msg)
{
	return medio_list_empty(&link->queue) ? medio_wire_send(link->fd, msg) : -EAGAIN;
}

static void keep(struct medio_link *link, const struct medio_wire_msg *msg)
{
	char bytes[MEDIO_WIRE_MAX];
	ssize_t size = medio_wire_encode(msg, bytes, sizeof(bytes));
	if (size < 0)
		return;
	struct waiting *w = malloc(sizeof(*w) + (size_t)size);
	if (!w) {
		give_up(link);
		return;
	}
	w->size = (size_t)size;
	memcpy(w->bytes, bytes, w->size);
	medio_list_append(&link->queue, &w->item);
	link->queued += w->size;
	update_watch(link);
}

void medio_link_send(struct medio_link *link, const struct medio_wire_msg *msg)
{
	/* Of other errors than a full socket the watch tells, or the message cannot be. */
	if (medio_link_try(link, msg) == -EAGAIN)
		keep(link, msg);
}

static void say_dropped(struct medio_link *link)
{
	char line[64];
	const char *strings[] = { line };
	const struct medio_wire_msg msg = {
		.kind = MEDIO_WIRE_LOG,
		.value = MEDIO_LOG_WARN,
		.strings = strings,
		.nstrings = 1,
	};
	snprintf(line, sizeof(line), "%u lines of the worker's log were lost", link->dropped);
	link->dropped = 0;
	medio_link_send(link, &msg);
}

void medio_link_log(struct medio_link *link, const struct medio_wire_msg *msg)
{
	if (link->queued >= LOG_LIMIT) {
		link->dropped++;
		return;
	}
	if (link->dropped)
		say_dropped(link);
	medio_link_send(link, msg);
}

static void send_queue(struct medio_link *link)
{
	medio_list_for_each (item, &link->queue) {
		struct waiting *w = medio_container_of(item, struct waiting, item);
		ssize_t n = send(link->fd, w->bytes, w->size, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		link->queued -= w->size;
		medio_list_remove(item);
		free(w);
	}
	link->ops->flushed(link->opaque);
}

/* ---- Feeding ---------------------------------------------------------------------------------------- */

static void set_feeding(struct medio_link *link, bool feeding)
{
	link->feeding = feeding;
	update_watch(link);
}

static void feed(struct medio_link *link)
{
	int ret = 1;
	for (unsigned i = 0; i < TURN && ret > 0; i++)
		ret = link->ops->feed(link->opaque);
	if (ret == 0) {
		set_feeding(link, false);
	} else if (ret < 0 && ret != -EAGAIN) {
		/* Room in the socket is not what is missing. */
		set_feeding(link, false);
		medio_timer_arm(link->retry, RETRY_NS);
	}
}

static void on_retry(void *opaque)
{
	set_feeding(opaque, true);
}

void medio_link_feed(struct medio_link *link)
{
	set_feeding(link, true);
}

bool medio_link_is_flushed(const struct medio_link *link)
{
	return medio_list_empty(&link->queue);
}

/* ---- Receiving -------------------------------------------------------------------------------------- */

/* false: it is over. */
static bool receive(struct medio_link *link)
{
	struct medio_wire_msg *msg = &link->packet.msg;
	for (unsigned i = 0; i < TURN && link->queued < RECEIVE_LIMIT; i++) {
		int ret = medio_wire_receive(link->fd, &link->packet);
		if (ret == -EAGAIN)
			break;
		if (ret <= 0 && ret != -EMFILE)
			return false;
		ret = link->ops->received(link->opaque, msg);
		medio_wire_close_fds(msg);
		if (ret)
			return false;
	}
	return true;
}

static void on_ready(void *opaque, uint32_t events)
{
	struct medio_link *link = opaque;
	if ((events & EPOLLOUT) && !medio_list_empty(&link->queue))
		send_queue(link);
	if ((events & EPOLLOUT) && link->feeding && medio_list_empty(&link->queue))
		feed(link);
	bool open = true;
	if (events & EPOLLIN)
		open = receive(link);
	else if (events & (EPOLLHUP | EPOLLERR))
		open = false;
	if (open)
		update_watch(link);
	else
		link->ops->gone(link->opaque);
}

/* ---- Life --------------------------------------------------------------------------------------------- */

int medio_link_new(struct medio_loop *loop, int fd, const struct medio_link_ops *ops, void *opaque,
	struct medio_link **out)
{
	struct medio_link *link = calloc(1, sizeof(*link));
	if (!link) {
		close(fd);
		return -ENOMEM;
	}
	link->ops = ops;
	link->opaque = opaque;
	link->fd = fd;
	medio_list_init(&link->queue);
	link->retry = medio_loop_timer(loop, on_retry, link);
	link->watch = medio_loop_watch(loop, fd, EPOLLIN, on_ready, link);
	if (!link->retry || !link->watch) {
		medio_link_free(link);
		return -ENOMEM;
	}
	*out = link;
	return 0;
}

void medio_link_free(struct medio_link *link)
{
	if (!link)
		return;
	medio_list_for_each (item, &link->queue)
		free(medio_container_of(item, struct waiting, item));
	medio_watch_free(link->watch);
	medio_timer_free(link->retry);
	close(link->fd);
	free(link);
}
