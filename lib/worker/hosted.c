/* SPDX-License-Identifier: BSD-3-Clause */
/* One instance in a worker, and the connections mediod handed over for it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "worker/private.h"

/* ---- Its clients ------------------------------------------------------------------------------------ */

static void tell_gone(const struct medio_hosted *host, uint64_t cookie)
{
	struct medio_wire_msg msg = { .kind = MEDIO_WIRE_CLIENT_GONE, .cookie = cookie };
	memcpy(msg.uuid, host->uuid, sizeof(msg.uuid));
	if (host->worker->link)
		medio_link_send(host->worker->link, &msg);
}

static void forget_client(struct medio_hosted_client *client)
{
	medio_list_remove(&client->item);
	close(client->fd);
	free(client);
}

static struct medio_hosted_client *find_client(const struct medio_hosted *host, uint64_t cookie)
{
	for (struct medio_list *i = host->clients.next; i != &host->clients; i = i->next) {
		struct medio_hosted_client *client = medio_container_of(
			i, struct medio_hosted_client, item);
		if (client->cookie == cookie)
			return client;
	}
	return NULL;
}

static void on_gone(void *opaque, uint64_t number)
{
	struct medio_hosted *host = opaque;
	struct medio_hosted_client *client = find_client(host, number);
	if (!client)
		return;
	/* A mediod that has not heard of it yet need not hear that it left. */
	bool told = client->told;
	forget_client(client);
	if (told)
		tell_gone(host, number);
	medio_checkpoint_kick(host);
}

static int add_client(struct medio_hosted *host, int fd, uint64_t cookie)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	struct medio_hosted_client *client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->cookie = cookie;
	client->told = true;
	client->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (client->fd < 0) {
		int ret = -errno;
		free(client);
		return ret;
	}
	medio_list_append(&host->clients, &client->item);
	return 0;
}

void medio_hosted_take(struct medio_hosted *host, int fd, uint64_t cookie)
{
	char line[80];
	bool known = !cookie || find_client(host, cookie);
	int ret = known ? -EEXIST : add_client(host, fd, cookie);
	if (ret) {
		close(fd);
	} else {
		ret = medio_server_take(host->server, fd, cookie);
		if (ret)
			forget_client(find_client(host, cookie));
	}
	if (ret) {
		snprintf(line, sizeof(line), "cannot take a client: %s", strerror(-ret));
		medio_worker_log(host->worker, host->uuid, MEDIO_LOG_WARN, line);
	}
	if (ret && !known)
		tell_gone(host, cookie);
	medio_checkpoint_kick(host);
}

/* ---- Life --------------------------------------------------------------------------------------------- */

void medio_hosted_log(void *opaque, enum medio_log_level level, const char *line)
{
	struct medio_hosted *host = opaque;
	medio_worker_log(host->worker, host->uuid, level, line);
}

static int make_instance(
	struct medio_hosted *host, const struct medio_wire_msg *msg, struct medio_error **err)
{
	struct medio_worker *w = host->worker;
	char uuid[MEDIO_UUID_TEXT];
	medio_uuid_format(host->uuid, uuid);
	const struct medio_instance_options opts = {
		.uuid = uuid,
		.params = msg->strings + 1,
		.nparams = msg->counts[0],
		.filters = msg->strings + 1 + msg->counts[0],
		.nfilters = msg->counts[1],
		.known_filters = w->types->filters,
		.log = medio_hosted_log,
		.log_opaque = host,
		.stats = w->counters ? &w->counters[host->slot].stats : NULL,
		.vf_options = medio_hosted_vfs_options,
		.vf = medio_hosted_vfs_present,
		.vf_opaque = host,
	};
	return medio_instance_new(w->loop, host->type, &opts, &host->inst, err);
}

static int take_fd(struct medio_wire_msg *msg, unsigned n)
{
	return n < msg->nfds ? medio_steal_fd(msg->fds[n]) : -1;
}

int medio_hosted_serve(struct medio_hosted *host, struct medio_wire_msg *msg,
	const struct medio_wire_start *start, bool *restored, struct medio_error **err)
{
	const struct medio_server_options opts = { .gone = on_gone, .opaque = host };
	if (host->server)
		return medio_error_set(err, EEXIST, "the instance is running already");
	host->listener = take_fd(msg, 0);
	host->type_name = strdup(host->type ? host->type->name : msg->strings[0]);
	if (!host->type_name)
		return medio_error_set(err, ENOMEM, "out of memory");
	int ret = medio_server_new_idle(host->inst, &opts, &host->server, err);
	if (ret == 0)
		ret = medio_checkpoint_init(host, take_fd(msg, 1), start, restored, err);
	return ret;
}

void medio_hosted_unserve(struct medio_hosted *host)
{
	/* Clients end with it: mediod knows, it has said so. */
	medio_list_for_each (item, &host->clients)
		medio_container_of(item, struct medio_hosted_client, item)->told = false;
	medio_server_free(medio_steal_ptr(host->server));
	medio_list_for_each (item, &host->clients)
		forget_client(medio_container_of(item, struct medio_hosted_client, item));
	medio_checkpoint_fini(host);
	if (host->listener >= 0)
		close(medio_steal_fd(host->listener));
	free(medio_steal_ptr(host->type_name));
}

int medio_hosted_new(struct medio_worker *w, struct medio_wire_msg *msg,
	const struct medio_wire_start *start, const struct medio_type *type,
	struct medio_hosted **out, bool *restored, struct medio_error **err)
{
	struct medio_hosted *host = calloc(1, sizeof(*host));
	if (!host)
		return medio_error_set(err, ENOMEM, "out of memory");
	host->worker = w;
	host->type = type;
	host->slot = start->slot;
	host->told = true;
	host->listener = host->checkpoint = -1;
	memcpy(host->uuid, msg->uuid, sizeof(host->uuid));
	medio_list_init(&host->item);
	medio_list_init(&host->clients);

	int ret = make_instance(host, msg, err);
	if (ret == 0)
		ret = medio_hosted_serve(host, msg, start, restored, err);
	if (ret == 0 && medio_hosts_add(w, host))
		ret = medio_error_set(err, ENOMEM, "out of memory");
	if (ret) {
		medio_hosted_free(host);
		return ret;
	}
	*out = host;
	return 0;
}

void medio_hosted_cut(struct medio_hosted *host)
{
	medio_list_for_each (item, &host->clients)
		shutdown(medio_container_of(item, struct medio_hosted_client, item)->fd, SHUT_RDWR);
}

void medio_hosted_free(struct medio_hosted *host)
{
	if (!host)
		return;
	medio_hosts_remove(host->worker, host);
	medio_hosted_unserve(host);
	host->started = false; /* of VFs that go with it nobody is told */
	medio_instance_free(host->inst);
	medio_hosted_vfs_fini(host);
	free(host);
}
