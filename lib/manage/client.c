/* SPDX-License-Identifier: BSD-3-Clause */
#include "manage/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "manage/patience.h"
#include "manage/run.h"
#include "util/cleanup.h"

#define PENDING_MAX 64 /* connections of one instance; its server serves one of them */
#define A_ROUND	    16 /* connections accepted before others have their turn */
#define THIRST_NS   100000000u
#define PARTING_NS  1000000000u
#define PARTING_MAX (16u << 20) /* bytes thrown away */

/* ---- Let go ----------------------------------------------------------------------------------------- */

struct medio_parting {
	struct medio_list item;
	struct medio_watch *watch;
	struct medio_timer *timer;
	size_t left;
	int fd;
};

static void parting_free(struct medio_parting *parting)
{
	medio_list_remove(&parting->item);
	medio_watch_free(parting->watch);
	medio_timer_free(parting->timer);
	medio_patience_close(parting->fd);
	free(parting);
}

static void on_parting(void *opaque, uint32_t events)
{
	struct medio_parting *parting = opaque;
	char waste[65536];

	ssize_t n = medio_patience_recv(parting->fd, waste, sizeof(waste));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || (size_t)n >= parting->left)
		parting_free(parting);
	else
		parting->left -= (size_t)n;
}

static void on_parting_timer(void *opaque)
{
	parting_free(opaque);
}

void medio_parting_new(struct medio_workers *workers, int fd)
{
	struct medio_loop *loop = workers->manager->loop;
	struct medio_parting *parting = calloc(1, sizeof(*parting));

	shutdown(fd, SHUT_WR);
	if (!parting) {
		medio_patience_close(fd);
		return;
	}
	medio_list_append(&workers->partings, &parting->item);
	parting->fd = fd;
	parting->left = PARTING_MAX;
	parting->timer = medio_loop_timer(loop, on_parting_timer, parting);
	parting->watch = medio_loop_watch(loop, fd, EPOLLIN, on_parting, parting);
	if (parting->timer && parting->watch)
		medio_timer_arm(parting->timer, PARTING_NS);
	else
		parting_free(parting);
}

void medio_partings_free(struct medio_workers *workers)
{
	while (!medio_list_empty(&workers->partings))
		parting_free(
			medio_container_of(workers->partings.next, struct medio_parting, item));
}

/* ---- Come -------------------------------------------------------------------------------------------- */

static void client_free(struct medio_client *client)
{
	medio_list_remove(&client->item);
	client->inst->num_clients--;
	free(client);
}

/* Counted as a user. fd stays the caller's on failure. */
static int client_new(
	struct medio_managed *inst, int fd, uint64_t cookie, struct medio_client **out)
{
	struct medio_client *client = calloc(1, sizeof(*client));

	if (!client)
		return -ENOMEM;
	int ret = medio_mdev_open(inst->mdev);
	if (ret) {
		free(client);
		return ret;
	}
	client->inst = inst;
	client->fd = fd;
	client->cookie = cookie;
	medio_policy_peer(fd, &client->who);
	medio_list_append(&inst->clients, &client->item);
	inst->num_clients++;
	*out = client;
	return 0;
}

static void hand_over(struct medio_managed *inst, int fd)
{
	struct medio_wire_msg msg = {
		.kind = MEDIO_WIRE_CLIENT,
		.cookie = ++inst->manager->workers->cookie,
		.fds = { fd },
		.nfds = 1,
	};
	struct medio_client *client;

	if (inst->num_clients >= PENDING_MAX || client_new(inst, fd, msg.cookie, &client)) {
		medio_patience_close(fd);
		return;
	}
	memcpy(msg.uuid, inst->run->uuid, sizeof(msg.uuid));
	if (medio_process_send(inst->run->process, &msg)) {
		medio_patience_close(fd);
		client_free(client);
		medio_mdev_close(inst->mdev);
	}
}

/*
 * Descriptors ran out: try again soon. The listener would be ready all the time, so it is not
 * watched until then.
 */
static void starve(struct medio_managed *inst)
{
	struct medio_workers *workers = inst->manager->workers;

	medio_watch_set(inst->listener_watch, 0);
	if (medio_list_empty(&workers->starved)) {
		medio_manager_log(inst->manager, MEDIO_LOG_WARN,
			"%s: a client waits: no descriptor or memory left (%s)",
			medio_mdev_uuid(inst->mdev), strerror(errno));
		medio_timer_arm(workers->thirst, THIRST_NS);
	}
	medio_list_remove(&inst->starved_item);
	medio_list_append(&workers->starved, &inst->starved_item);
}

void medio_client_on_thirst(void *opaque)
{
	struct medio_workers *workers = opaque;

	while (!medio_list_empty(&workers->starved)) {
		struct medio_managed *inst = medio_container_of(
			workers->starved.next, struct medio_managed, starved_item);
		medio_list_remove(&inst->starved_item);
		medio_managed_listen(inst);
	}
}

static void blame(struct medio_managed *inst)
{
	medio_process_kill(inst->run->process, "it changed a socket that is not its own");
	medio_watch_set(inst->listener_watch, 0);
}

/* The worker holds the listener too, and could make it block us. */
static bool still_ours(struct medio_managed *inst)
{
	int flags = fcntl(inst->listener, F_GETFL);

	if (flags >= 0 && flags & O_NONBLOCK)
		return true;
	blame(inst);
	return false;
}

void medio_client_on_listener(void *opaque, uint32_t events)
{
	struct medio_managed *inst = opaque;

	for (unsigned i = 0; i < A_ROUND && inst->run && still_ours(inst); i++) {
		int fd = medio_patience_accept(inst->listener);
		if (fd >= 0) {
			hand_over(inst, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			starve(inst);
		if (errno == ETIMEDOUT)
			blame(inst);
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

int medio_client_adopt(struct medio_managed *inst, uint64_t cookie, int fd)
{
	struct medio_client *client;
	int ret = inst->num_clients < PENDING_MAX ? 0 : -EBUSY;

	medio_list_for_each (item, &inst->clients) {
		if (medio_container_of(item, struct medio_client, item)->cookie == cookie)
			ret = -EEXIST;
	}
	if (!ret)
		ret = client_new(inst, fd, cookie, &client);
	if (ret)
		medio_patience_close(fd);
	return ret;
}

/* ---- Go ---------------------------------------------------------------------------------------------- */

void medio_client_gone(struct medio_managed *inst, uint64_t cookie)
{
	medio_list_for_each (item, &inst->clients) {
		struct medio_client *client = medio_container_of(item, struct medio_client, item);
		if (client->cookie != cookie)
			continue;
		medio_patience_close(client->fd);
		client_free(client);
		medio_mdev_close(inst->mdev);
		return;
	}
}

void medio_clients_close(struct medio_managed *inst)
{
	struct medio_workers *workers = inst->manager->workers;
	struct medio_mdev *mdev = inst->mdev;
	unsigned count = inst->num_clients;

	while (!medio_list_empty(&inst->clients)) {
		struct medio_client *client = medio_container_of(
			inst->clients.next, struct medio_client, item);
		medio_parting_new(workers, client->fd);
		client_free(client);
	}
	/* The last of these may end it. */
	while (count--)
		medio_mdev_close(mdev);
}

void medio_clients_drop(struct medio_managed *inst, bool leaving)
{
	while (!medio_list_empty(&inst->clients)) {
		struct medio_client *client = medio_container_of(
			inst->clients.next, struct medio_client, item);
		if (leaving)
			medio_patience_close(client->fd);
		else
			medio_parting_new(inst->manager->workers, client->fd);
		client_free(client);
	}
}
