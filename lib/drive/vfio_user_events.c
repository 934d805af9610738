/* SPDX-License-Identifier: BSD-3-Clause */
/* Eventfds of the vfio-user backend: doorbells, which the server gives, and interrupts, which we do. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "drive/calls.h"
#include "drive/vfio_user_backend.h"
#include "util/cleanup.h"

#define FIRST_IO_FDS 16
#define MAX_IO_FDS   1024

/* ---- Doorbells --------------------------------------------------------------------------------- */

static int ask_io_fds(struct medio_vu_client *client, unsigned region, uint32_t count,
	struct medio_vu_io_fds *head, struct medio_vu_message *reply)
{
	*head = (struct medio_vu_io_fds){
		.argsz = (uint32_t)(sizeof(*head) + count * sizeof(struct medio_vu_ioeventfd)),
		.index = region,
	};
	uint32_t argsz = head->argsz;
	struct medio_vu_call call = {
		.cmd = MEDIO_VU_GET_REGION_IO_FDS,
		.payload = head,
		.size = sizeof(*head),
	};
	int ret = medio_vu_client_call(client, &call, reply);

	if (ret)
		return ret;
	if (reply->size < sizeof(*head) || reply->size > argsz)
		return medio_vu_client_fault(
			client, "IO_FDS: a reply of %zu bytes, %u asked for", reply->size, argsz);
	memcpy(head, reply->payload, sizeof(*head));
	return 0;
}

/*
 * A driver writes to it without asking anybody: to a pipe that would be SIGPIPE, to a full counter in
 * blocking mode a wait for ever. Where nothing tells what a file is (no /proc), the server is believed.
 */
static bool is_bell(int fd)
{
	char name[64];
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return false;
	medio_calls_fd(fd, name, sizeof(name));
	return !strcmp(name, "eventfd") || !strncmp(name, "fd ", 3);
}

/* One doorbell out of the reply; entries may share a file descriptor, so each gets its own. */
static int get_doorbell(struct medio_vu_client *client, const struct medio_vu_message *reply,
	unsigned i, struct medio_card_doorbell *out)
{
	struct medio_vu_ioeventfd entry;

	memcpy(&entry, reply->payload + sizeof(struct medio_vu_io_fds) + i * sizeof(entry),
		sizeof(entry));
	if (entry.fd_index >= reply->nfds)
		return medio_vu_client_fault(
			client, "IO_FDS: fd %u of %u", entry.fd_index, reply->nfds);
	if (!is_bell(reply->fds[entry.fd_index]))
		return medio_vu_client_fault(client, "IO_FDS: fd %u is no eventfd", entry.fd_index);
	int fd = fcntl(reply->fds[entry.fd_index], F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	*out = (struct medio_card_doorbell){
		.offset = entry.offset,
		.size = entry.size,
		.fd = fd,
		.has_datamatch = entry.flags & MEDIO_VU_IOEVENTFD_DATAMATCH,
		.datamatch = entry.datamatch,
	};
	return 0;
}

int medio_vu_backend_doorbells(
	struct medio_card *card, unsigned region, struct medio_card_doorbell **out, unsigned *count)
{
	struct medio_vu_client *client = medio_vu_client_of(card);
	struct medio_card_doorbell *list;
	struct medio_vu_message reply;
	struct medio_vu_io_fds head;
	unsigned n = 0;
	int ret = ask_io_fds(client, region, FIRST_IO_FDS, &head, &reply);

	/* A server without this command has no doorbells. */
	if (ret == -ENOSYS || ret == -ENOTSUP) {
		*count = 0;
		return 0;
	}
	size_t need = (head.argsz - sizeof(head)) / sizeof(struct medio_vu_ioeventfd);

	if (!ret && need > FIRST_IO_FDS && head.argsz >= sizeof(head)) {
		if (need > MAX_IO_FDS)
			return medio_vu_client_fault(client, "IO_FDS: %u bytes", head.argsz);
		ret = ask_io_fds(client, region, (uint32_t)need, &head, &reply);
	}
	if (!ret && head.count > (reply.size - sizeof(head)) / sizeof(struct medio_vu_ioeventfd))
		ret = medio_vu_client_fault(
			client, "IO_FDS: %u sub-regions in %zu bytes", head.count, reply.size);
	if (ret)
		return ret;
	list = calloc(head.count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (; !ret && n < head.count; n++) {
		struct medio_vu_ioeventfd entry;
		memcpy(&entry, reply.payload + sizeof(head) + n * sizeof(entry), sizeof(entry));
		/* Shared-memory doorbells are not offered to drivers yet: leave them out. */
		if (entry.type != MEDIO_VU_IO_FD_IOEVENTFD)
			continue;
		ret = get_doorbell(client, &reply, n, &list[*count]);
		*count += !ret;
	}
	if (ret) {
		while (*count)
			close(list[--*count].fd);
		free(list);
		return ret;
	}
	*out = list;
	return 0;
}

/* ---- Interrupts -------------------------------------------------------------------------------- */

int medio_vu_backend_irq(struct medio_card *card, unsigned index, struct medio_card_irq *out)
{
	struct medio_vu_client *client = medio_vu_client_of(card);
	struct medio_vu_irq_info info = { .argsz = sizeof(info), .index = index };
	struct medio_vu_call call = {
		.cmd = MEDIO_VU_GET_IRQ_INFO,
		.payload = &info,
		.size = sizeof(info),
	};
	struct medio_vu_message reply;
	int ret = medio_vu_client_call(client, &call, &reply);

	if (ret)
		return ret;
	if (reply.size < sizeof(info))
		return medio_vu_client_fault(client, "IRQ_INFO: a reply of %zu bytes", reply.size);
	memcpy(&info, reply.payload, sizeof(info));
	if (info.index != index || info.count > MEDIO_CARD_MAX_VECTORS)
		return medio_vu_client_fault(client,
			"IRQ_INFO: interrupt %u asked for, %u with %u vectors answered", index,
			info.index, info.count);
	*out = (struct medio_card_irq){
		.count = info.count,
		.maskable = info.flags & MEDIO_VU_IRQ_MASKABLE,
		.automasked = info.flags & MEDIO_VU_IRQ_AUTOMASKED,
		.noresize = info.flags & MEDIO_VU_IRQ_NORESIZE,
	};
	return 0;
}

static int send_irqs(struct medio_card *card, struct medio_vu_irq_set *set, const int *fds)
{
	struct medio_vu_call call = {
		.cmd = MEDIO_VU_SET_IRQS,
		.payload = set,
		.size = sizeof(*set),
		.fds = fds,
		.nfds = fds ? set->count : 0,
	};

	return medio_vu_client_call(medio_vu_client_of(card), &call, NULL);
}

/* A later message of some that open vectors has failed: what the earlier ones did is taken back, or the
 * server takes this kind of interrupts for the one in use. The words stay those of the failure. */
static int take_back(struct medio_card *card, unsigned index, int ret)
{
	struct medio_vu_irq_set none = {
		.argsz = sizeof(none),
		.flags = MEDIO_CARD_IRQ_NONE | MEDIO_CARD_IRQ_TRIGGER,
		.index = index,
	};
	char words[sizeof(card->words)];

	if (medio_vu_client_dead(medio_vu_client_of(card)))
		return ret;
	snprintf(words, sizeof(words), "%s", card->backend->words(card));
	send_irqs(card, &none, NULL);
	return medio_card_say(card, -ret, "%s", words);
}

/*
 * "VFIO_USER_DEVICE_SET_IRQS": eventfds travel beside the message and an absent one cannot, so a
 * message names a run of vectors that all get one, or all lose theirs (no fds at all). A run is
 * at most what the server takes in a message.
 */
int medio_vu_backend_irq_set(struct medio_card *card, unsigned index, uint32_t flags,
	uint32_t start, uint32_t count, const int *fds)
{
	struct medio_vu_session *session = card->backend_state;
	uint64_t most = session->caps.max_msg_fds < MEDIO_VU_CLIENT_FDS ? session->caps.max_msg_fds
									: MEDIO_VU_CLIENT_FDS;
	struct medio_vu_irq_set set = {
		.argsz = sizeof(set),
		.flags = flags,
		.index = index,
		.start = start,
		.count = count,
	};

	if (!(flags & MEDIO_CARD_IRQ_EVENTFD) || !fds) {
		int ret = send_irqs(card, &set, NULL);
		bool taking = fds == NULL && (flags & MEDIO_CARD_IRQ_EVENTFD || !count);
		/* A server that is gone, or was hung up on, has let go of them all. */
		return taking && medio_vu_client_dead(session->client) ? 0 : ret;
	}
	if (!most)
		return medio_card_say(card, ENOTSUP, "the server takes no file descriptors");
	for (uint32_t i = 0; i < count; i += set.count) {
		bool some = fds[i] >= 0;
		for (set.count = 1; i + set.count < count && set.count < most; set.count++)
			if ((fds[i + set.count] >= 0) != some)
				break;
		set.start = start + i;
		int ret = send_irqs(card, &set, some ? fds + i : NULL);
		if (ret && i && !start && !card->irqs[index].fds)
			return take_back(card, index, ret);
		if (ret)
			return ret;
	}
	return 0;
}
