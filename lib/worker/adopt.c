/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * After HELLO: every instance, its clients, DONE. Each carries descriptors and is sent when the
 * socket takes it; in between the instances live on, and may come and go.
 */
#include <errno.h>
#include <string.h>

#include "worker/private.h"

void medio_adopt_begin(struct medio_worker *w)
{
	/* Those already told go on w->all; the new mediod knows none of them. */
	medio_list_for_each (item, &w->all) {
		struct medio_hosted *host = medio_container_of(item, struct medio_hosted, item);
		host->told = false;
		for (struct medio_list *i = host->clients.next; i != &host->clients; i = i->next)
			medio_container_of(i, struct medio_hosted_client, item)->told = false;
		medio_list_remove(item);
		medio_list_append(&w->next, item);
	}
	medio_link_feed(w->link);
}

static int tell_instance(struct medio_worker *w, struct medio_hosted *host)
{
	const char *strings[] = { host->type_name };
	struct medio_wire_sriov sriov;
	struct medio_wire_msg msg = {
		.kind = MEDIO_WIRE_INSTANCE,
		.value = host->slot,
		.strings = strings,
		.nstrings = 1,
		.fds = { host->listener, host->checkpoint },
		.nfds = host->checkpoint >= 0 ? 2 : 1,
	};
	if (medio_hosted_vfs_describe(host, &sriov)) {
		msg.data = &sriov;
		msg.size = sizeof(sriov);
	}
	memcpy(msg.uuid, host->uuid, sizeof(msg.uuid));
	int ret = medio_link_try(w->link, &msg);
	if (ret == 0)
		host->told = true;
	return ret;
}

static int tell_client(
	struct medio_worker *w, struct medio_hosted *host, struct medio_hosted_client *client)
{
	struct medio_wire_msg msg = {
		.kind = MEDIO_WIRE_CLIENT,
		.cookie = client->cookie,
		.fds = { client->fd },
		.nfds = 1,
	};
	memcpy(msg.uuid, host->uuid, sizeof(msg.uuid));
	int ret = medio_link_try(w->link, &msg);
	if (ret == 0)
		client->told = true;
	return ret;
}

int medio_adopt_feed(struct medio_worker *w)
{
	const struct medio_wire_msg done = { .kind = MEDIO_WIRE_DONE };
	if (medio_list_empty(&w->next))
		return medio_link_try(w->link, &done);
	struct medio_list *item = w->next.next;
	struct medio_hosted *host = medio_container_of(item, struct medio_hosted, item);
	if (!host->server) /* a VF that was not started: it is known by its number */
		host->told = true;
	if (!host->told) {
		int ret = tell_instance(w, host);
		return ret ? ret : 1;
	}
	medio_list_for_each (i, &host->clients) {
		struct medio_hosted_client *client = medio_container_of(
			i, struct medio_hosted_client, item);
		if (client->told)
			continue;
		int ret = tell_client(w, host, client);
		return ret ? ret : 1;
	}
	medio_list_remove(item);
	medio_list_append(&w->all, item);
	return 1;
}
