/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vfio-user backend: a card's requests as messages. The server is not trusted: every size,
 * index and count in a reply is checked before it is used, and a reply that makes no sense ends
 * the connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "drive/backend.h"
#include "drive/vfio_user.h"
#include "drive/vfio_user_backend.h"
#include "drive/vfio_user_dma.h"
#include "proto/version.h"
#include "util/cleanup.h"
#include "util/error.h"

#define FIRST_INFO 1024	 /* bytes asked for in the first REGION_INFO; most fit */
#define MAX_INFO   65536 /* and in the second at most */
#define MAX_AREAS  1024
#define BURST	   64 /* reads of a FIFO register asked at once */
#define TIMEOUT_MS 5000

static const char *session_words(const struct medio_card *card)
{
	return medio_vu_client_words(medio_vu_client_of(card));
}

/* ---- Open -------------------------------------------------------------------------------------- */

static int get_info(struct medio_card *card, struct medio_error **err)
{
	struct medio_vu_client *client = medio_vu_client_of(card);
	struct medio_vu_device_info info = { .argsz = sizeof(info) };
	struct medio_vu_call call = {
		.cmd = MEDIO_VU_GET_INFO,
		.payload = &info,
		.size = sizeof(info),
	};
	struct medio_vu_message reply;
	int ret = medio_vu_client_call(client, &call, &reply);

	if (!ret && reply.size < sizeof(info))
		ret = medio_vu_client_fault(client, "GET_INFO: a reply of %zu bytes", reply.size);
	if (ret)
		return medio_error_set(err, -ret, "%s", medio_vu_client_words(client));
	memcpy(&info, reply.payload, sizeof(info));
	if (!(info.flags & MEDIO_VU_INFO_PCI))
		return medio_error_set(err, EINVAL, "the server's device is not a PCI device");
	if (info.num_regions <= MEDIO_CARD_CONFIG || info.num_regions > MEDIO_CARD_MAX_REGIONS ||
		info.num_irqs > MEDIO_CARD_MAX_IRQS)
		return medio_error_set(err, EPROTO,
			"GET_INFO: %u regions and %u interrupts, allowed are 8 to %d and 0 to %d",
			info.num_regions, info.num_irqs, MEDIO_CARD_MAX_REGIONS,
			MEDIO_CARD_MAX_IRQS);
	card->info.num_regions = info.num_regions;
	card->info.num_irqs = info.num_irqs;
	card->info.can_reset = info.flags & MEDIO_VU_INFO_RESET;
	return 0;
}

int medio_vu_session_hello(struct medio_card *card, struct medio_error **err)
{
	struct medio_vu_session *session = card->backend_state;
	struct medio_vu_caps offer;
	int ret;

	medio_vu_caps_default(&offer);
	offer.max_msg_fds = MEDIO_VU_CLIENT_FDS;
	offer.max_data_xfer_size = session->max;
	offer.write_multiple = true;
	offer.twin_socket = true;
	ret = medio_vu_client_version(session->client, &offer, &session->caps, err);
	if (ret)
		return ret;
	/* A reply to a read carries what we accept, a write what the server accepts. */
	card->info.max_data_xfer = session->caps.max_data_xfer_size < session->max
					   ? session->caps.max_data_xfer_size
					   : session->max;
	return get_info(card, err);
}

static void session_close(struct medio_card *card)
{
	struct medio_vu_session *session = card->backend_state;

	medio_vu_client_flush(session->client);
	medio_vu_client_free(session->client);
	free(session->path);
	free(session);
}

/* Where it can be connected to again; the program may be in another folder then. */
static int remember_path(struct medio_vu_session *session, const char *address)
{
	_cleanup_free_ char *folder = *address == '/' ? NULL : getcwd(NULL, 0);
	size_t room = sizeof(((struct sockaddr_un *)0)->sun_path);

	if (folder && strlen(folder) + 1 + strlen(address) < room) {
		if (asprintf(&session->path, "%s/%s", folder, address) < 0)
			session->path = NULL;
	} else {
		session->path = strdup(address);
	}
	return session->path ? 0 : -ENOMEM;
}

static int session_open(struct medio_card *card, const char *address, int fd,
	const struct medio_card_options *opts, struct medio_error **err)
{
	uint32_t max = opts->max_data_xfer ? opts->max_data_xfer : MEDIO_VU_DEFAULT_XFER;
	_cleanup_close_ int owned = fd;
	_cleanup_free_ struct medio_vu_session *session = calloc(1, sizeof(*session));
	int ret;

	if (!session)
		return medio_error_set(err, ENOMEM, "out of memory");
	session->max = max;
	session->opts = (struct medio_vu_client_options){
		.max_message = (size_t)max + 4096,
		.timeout_ms = opts->timeout_ms ? opts->timeout_ms : TIMEOUT_MS,
		.poll = opts->poll,
	};
	if (fd < 0) {
		ret = medio_vu_client_connect(address, &session->opts, &session->client, err);
	} else {
		ret = medio_vu_client_new(medio_steal_fd(owned), &session->opts, &session->client);
		if (ret)
			medio_error_set(err, -ret, "%s", strerror(-ret));
	}
	if (ret)
		return ret;
	if (fd < 0 && remember_path(session, address)) {
		medio_vu_client_free(session->client);
		return medio_error_set(err, ENOMEM, "out of memory");
	}
	medio_vu_client_handler(session->client, medio_vu_dma_answer, card);
	card->backend_state = session;
	ret = medio_vu_session_hello(card, err);
	if (ret) {
		card->backend_state = NULL;
		medio_vu_client_free(session->client);
		free(session->path);
		return ret;
	}
	card->returns = session->path;
	(void)medio_steal_ptr(session);
	return 0;
}

/* ---- Regions ----------------------------------------------------------------------------------- */

/* "VFIO_USER_DEVICE_GET_REGION_INFO / Sparse mmap". at: the capability's place in the payload. */
static int get_areas(struct medio_vu_client *client, const struct medio_vu_message *reply,
	uint32_t at, struct medio_card_region *view)
{
	struct medio_vu_sparse_mmap sparse;

	if (reply->size - at < sizeof(sparse))
		return medio_vu_client_fault(client, "REGION_INFO: half a sparse-mmap capability");
	memcpy(&sparse, reply->payload + at, sizeof(sparse));
	if (sparse.nr_areas > MAX_AREAS ||
		(reply->size - at - sizeof(sparse)) / sizeof(struct medio_vu_mmap_area) <
			sparse.nr_areas)
		return medio_vu_client_fault(
			client, "REGION_INFO: %u areas in %zu bytes", sparse.nr_areas, reply->size);
	struct medio_card_area *areas = calloc(sparse.nr_areas + 1, sizeof(*areas));
	if (!areas)
		return -ENOMEM;
	/* The same two numbers in both structures. */
	memcpy(areas, reply->payload + at + sizeof(sparse), sparse.nr_areas * sizeof(*areas));
	for (unsigned i = 0; i < sparse.nr_areas; i++) {
		if (areas[i].size <= view->size && areas[i].offset <= view->size - areas[i].size)
			continue;
		free(areas);
		return medio_vu_client_fault(
			client, "REGION_INFO: area %u lies outside the region", i);
	}
	free((void *)view->areas);
	view->areas = areas;
	view->num_areas = sparse.nr_areas;
	return 0;
}

/* Walk the chain; every link must lead forward, so a chain that loops ends. */
static int get_region_caps(struct medio_vu_client *client, const struct medio_vu_message *reply,
	uint32_t at, struct medio_card_region *view)
{
	struct medio_vu_cap_header header;
	uint32_t least = sizeof(struct medio_vu_region_info);

	while (at) {
		if (at < least || at > reply->size || reply->size - at < sizeof(header))
			return medio_vu_client_fault(client,
				"REGION_INFO: a capability at %u of %zu bytes", at, reply->size);
		memcpy(&header, reply->payload + at, sizeof(header));
		if (header.id == MEDIO_VU_CAP_SPARSE_MMAP) {
			int ret = get_areas(client, reply, at, view);
			if (ret)
				return ret;
		}
		least = at + sizeof(header);
		at = header.next;
	}
	return 0;
}

static int ask_region(struct medio_vu_client *client, unsigned index, uint32_t argsz,
	struct medio_vu_region_info *info, struct medio_vu_message *reply)
{
	*info = (struct medio_vu_region_info){ .argsz = argsz, .index = index };
	struct medio_vu_call call = {
		.cmd = MEDIO_VU_GET_REGION_INFO,
		.payload = info,
		.size = sizeof(*info),
	};
	int ret = medio_vu_client_call(client, &call, reply);

	if (ret)
		return ret;
	if (reply->size < sizeof(*info) || reply->size > argsz)
		return medio_vu_client_fault(client,
			"REGION_INFO: a reply of %zu bytes, %u asked for", reply->size, argsz);
	memcpy(info, reply->payload, sizeof(*info));
	if (info->index != index)
		return medio_vu_client_fault(client,
			"REGION_INFO: region %u asked for, %u answered", index, info->index);
	return 0;
}

static int make_whole_area(struct medio_card_region *view)
{
	struct medio_card_area *area = malloc(sizeof(*area));

	if (!area)
		return -ENOMEM;
	*area = (struct medio_card_area){ 0, view->size };
	view->areas = area;
	view->num_areas = 1;
	return 0;
}

static int session_region(
	struct medio_card *card, unsigned index, struct medio_card_region_state *out)
{
	struct medio_vu_client *client = medio_vu_client_of(card);
	struct medio_card_region view = { 0 };
	struct medio_vu_region_info info;
	struct medio_vu_message reply;
	int ret = ask_region(client, index, FIRST_INFO, &info, &reply);

	if (!ret && info.argsz > FIRST_INFO)
		ret = info.argsz > MAX_INFO
			      ? medio_vu_client_fault(client, "REGION_INFO: %u bytes", info.argsz)
			      : ask_region(client, index, info.argsz, &info, &reply);
	if (ret)
		return ret;
	view.size = info.size;
	view.readable = info.flags & MEDIO_VU_REGION_READ_OK;
	view.writable = info.flags & MEDIO_VU_REGION_WRITE_OK;
	view.mappable = info.flags & MEDIO_VU_REGION_MMAP && reply.nfds;
	if (info.flags & MEDIO_VU_REGION_CAPS)
		ret = get_region_caps(client, &reply, info.cap_offset, &view);
	if (!ret && view.mappable && !view.areas)
		ret = make_whole_area(&view);
	if (ret) {
		free((void *)view.areas);
		return ret;
	}
	out->view = view;
	out->fd_offset = info.offset;
	if (view.mappable)
		out->fd = medio_steal_fd(reply.fds[0]);
	return 0;
}

static int check_access_reply(struct medio_vu_client *client, const char *what,
	const struct medio_vu_region_access *asked, const struct medio_vu_message *reply,
	size_t data)
{
	struct medio_vu_region_access access;

	if (reply->size != sizeof(access) + data)
		return medio_vu_client_fault(client, "%s: a reply of %zu bytes, %zu expected", what,
			reply->size, sizeof(access) + data);
	memcpy(&access, reply->payload, sizeof(access));
	if (access.count != asked->count)
		return medio_vu_client_fault(client, "%s: %u bytes asked for, %u answered", what,
			asked->count, access.count);
	return 0;
}

static int session_read(
	struct medio_card *card, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct medio_vu_client *client = medio_vu_client_of(card);
	struct medio_vu_region_access access = { offset, region, (uint32_t)count };
	struct medio_vu_call call = {
		.cmd = MEDIO_VU_REGION_READ,
		.payload = &access,
		.size = sizeof(access),
	};
	struct medio_vu_message reply;
	int ret = medio_vu_client_call(client, &call, &reply);

	if (!ret)
		ret = check_access_reply(client, "REGION_READ", &access, &reply, count);
	if (!ret)
		memcpy(buf, reply.payload + sizeof(access), count);
	return ret;
}

/* All asked in one message's worth of bytes; every answer is collected, also behind a failure. */
static int read_burst(
	struct medio_card *card, unsigned region, uint64_t offset, uint8_t *buf, unsigned count)
{
	struct medio_vu_client *client = medio_vu_client_of(card);
	struct medio_vu_region_access access = { offset, region, 1 };
	struct medio_vu_call call = {
		.cmd = MEDIO_VU_REGION_READ,
		.payload = &access,
		.size = sizeof(access),
	};
	uint16_t ids[BURST];
	int failed = 0;

	for (unsigned i = 0; i < count; i++) {
		int ret = medio_vu_client_queue(client, &call, &ids[i]);
		if (ret)
			return ret;
	}
	for (unsigned i = 0; i < count; i++) {
		struct medio_vu_message reply;
		int ret = medio_vu_client_collect(client, MEDIO_VU_REGION_READ, ids[i], &reply);
		if (!ret)
			ret = check_access_reply(client, "REGION_READ", &access, &reply, 1);
		if (!ret)
			buf[i] = reply.payload[sizeof(access)];
		else if (!failed)
			failed = ret;
	}
	return failed;
}

static int session_read_rep(
	struct medio_card *card, unsigned region, uint64_t offset, uint8_t *buf, size_t count)
{
	int ret = 0;

	while (!ret && count) {
		unsigned n = count < BURST ? (unsigned)count : BURST;
		ret = read_burst(card, region, offset, buf, n);
		buf += n;
		count -= n;
	}
	return ret;
}

static int session_write(
	struct medio_card *card, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct medio_vu_client *client = medio_vu_client_of(card);
	struct medio_vu_region_access access = { offset, region, (uint32_t)count };
	struct medio_vu_call call = {
		.cmd = MEDIO_VU_REGION_WRITE,
		.payload = &access,
		.size = sizeof(access),
		.data = buf,
		.data_size = count,
	};
	struct medio_vu_message reply;
	int ret = medio_vu_client_call(client, &call, &reply);

	return ret ? ret : check_access_reply(client, "REGION_WRITE", &access, &reply, 0);
}

static int session_post(
	struct medio_card *card, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct medio_vu_region_access access = { offset, region, (uint32_t)count };

	return medio_vu_client_post_write(medio_vu_client_of(card), &access, buf);
}

static int session_flush(struct medio_card *card)
{
	return medio_vu_client_flush(medio_vu_client_of(card));
}

/* ---- DMA --------------------------------------------------------------------------------------- */

static int session_dma_map(struct medio_card *card, const struct medio_card_mapping *mapping)
{
	struct medio_vu_session *session = card->backend_state;
	struct medio_vu_dma_map map = {
		.argsz = sizeof(map),
		.flags = mapping->prot, /* the same bits: MEDIO_VU_MAP_READ, _WRITE */
		.offset = mapping->offset,
		.iova = mapping->iova,
		.size = mapping->size,
	};
	struct medio_vu_call call = {
		.cmd = MEDIO_VU_DMA_MAP,
		.payload = &map,
		.size = sizeof(map),
		.fds = &mapping->fd,
		/* Without the file the server asks for what it needs. */
		.nfds = mapping->fd >= 0 && session->caps.max_msg_fds,
	};

	if (!call.nfds)
		map.offset = 0;

	if (card->container->memory.count > session->caps.max_dma_maps)
		return medio_card_say(card, ENOSPC, "DMA: the server takes %llu mappings at most",
			(unsigned long long)session->caps.max_dma_maps);
	return medio_vu_client_call(session->client, &call, NULL);
}

static int session_dma_unmap(struct medio_card *card, uint64_t iova, uint64_t size)
{
	struct medio_vu_dma_unmap unmap = { .argsz = sizeof(unmap), .iova = iova, .size = size };
	struct medio_vu_call call = {
		.cmd = MEDIO_VU_DMA_UNMAP,
		.payload = &unmap,
		.size = sizeof(unmap),
	};

	struct medio_vu_client *client = medio_vu_client_of(card);
	int ret = medio_vu_client_call(client, &call, NULL);

	/* A server that is gone, or was hung up on, has forgotten it all. */
	return medio_vu_client_dead(client) ? 0 : ret;
}

/* Its limits; those of who does not say are large. */
static void session_dma_limits(struct medio_card *card, struct medio_dma_limits *out)
{
	const struct medio_vu_session *session = card->backend_state;
	uint64_t maps = session->caps.max_dma_maps, used = card->container->memory.count;
	uint64_t sizes = session->caps.pgsizes;

	/* Smaller pages than ours permit any. */
	if ((sizes & -sizes) > 4096)
		out->page_sizes &= sizes;
	out->max_maps = maps > used ? maps - used : 0;
}

/* ---- The rest ---------------------------------------------------------------------------------- */

static int session_reset(struct medio_card *card)
{
	struct medio_vu_call call = { .cmd = MEDIO_VU_RESET };

	return medio_vu_client_call(medio_vu_client_of(card), &call, NULL);
}

static int session_feature(
	struct medio_card *card, uint32_t flags, void *data, size_t size, size_t cap, size_t *got)
{
	struct medio_vu_client *client = medio_vu_client_of(card);
	struct medio_vu_feature head = { .flags = flags };
	size_t most = cap > size ? cap : size;
	struct medio_vu_call call = {
		.cmd = MEDIO_VU_DEVICE_FEATURE,
		.payload = &head,
		.size = sizeof(head),
		.data = data,
		.data_size = size,
	};
	struct medio_vu_message reply;

	if (most > card->info.max_data_xfer)
		return medio_card_say(card, EINVAL, "DEVICE_FEATURE: %zu bytes, allowed are %llu",
			most, (unsigned long long)card->info.max_data_xfer);
	head.argsz = (uint32_t)(sizeof(head) + most);
	int ret = medio_vu_client_call(client, &call, &reply);
	if (ret)
		return ret;
	if (reply.size < sizeof(head) || reply.size > head.argsz)
		return medio_vu_client_fault(client,
			"DEVICE_FEATURE: a reply of %zu bytes, %u asked for", reply.size,
			head.argsz);
	memcpy(&head, reply.payload, sizeof(head));
	if (flags & MEDIO_VU_FEATURE_GET && head.argsz > sizeof(head) + cap)
		return medio_card_say(card, ENOSPC, "DEVICE_FEATURE: the answer has %zu bytes",
			head.argsz - sizeof(head));
	*got = reply.size - sizeof(head);
	if (*got > cap)
		*got = cap;
	if (*got)
		memcpy(data, reply.payload + sizeof(head), *got);
	return 0;
}

static int session_mig_read(struct medio_card *card, void *buf, size_t cap, size_t *got)
{
	struct medio_vu_client *client = medio_vu_client_of(card);
	struct medio_vu_mig_data head = { (uint32_t)(sizeof(head) + cap), (uint32_t)cap };
	struct medio_vu_call call = {
		.cmd = MEDIO_VU_MIG_DATA_READ,
		.payload = &head,
		.size = sizeof(head),
	};
	struct medio_vu_message reply;
	int ret = medio_vu_client_call(client, &call, &reply);

	if (ret)
		return ret;
	if (reply.size < sizeof(head) || reply.size - sizeof(head) > cap)
		return medio_vu_client_fault(
			client, "MIG_DATA_READ: a reply of %zu bytes", reply.size);
	memcpy(&head, reply.payload, sizeof(head));
	if (head.size != reply.size - sizeof(head))
		return medio_vu_client_fault(client, "MIG_DATA_READ: %u bytes said, %zu came",
			head.size, reply.size - sizeof(head));
	memcpy(buf, reply.payload + sizeof(head), head.size);
	*got = head.size;
	return 0;
}

static int session_mig_write(struct medio_card *card, const void *buf, size_t size)
{
	struct medio_vu_mig_data head = { (uint32_t)(sizeof(head) + size), (uint32_t)size };
	struct medio_vu_call call = {
		.cmd = MEDIO_VU_MIG_DATA_WRITE,
		.payload = &head,
		.size = sizeof(head),
		.data = buf,
		.data_size = size,
	};

	return medio_vu_client_call(medio_vu_client_of(card), &call, NULL);
}

static int session_fd(const struct medio_card *card)
{
	return medio_vu_client_fd(medio_vu_client_of(card));
}

static void session_fds(const struct medio_card *card, int out[2])
{
	medio_vu_client_fds(medio_vu_client_of(card), out);
}

static int session_process(struct medio_card *card)
{
	return medio_vu_client_process(medio_vu_client_of(card));
}

const struct medio_backend medio_backend_vfio_user = {
	.scheme = "vfio-user",
	.asks = true,
	.open = session_open,
	.close = session_close,
	.reconnect = medio_vu_backend_reconnect,
	.region = session_region,
	.irq = medio_vu_backend_irq,
	.doorbells = medio_vu_backend_doorbells,
	.read = session_read,
	.read_rep = session_read_rep,
	.write = session_write,
	.post = session_post,
	.flush = session_flush,
	.dma_map = session_dma_map,
	.dma_unmap = session_dma_unmap,
	.dma_limits = session_dma_limits,
	.irq_set = medio_vu_backend_irq_set,
	.reset = session_reset,
	.feature = session_feature,
	.log = &medio_card_log_feature,
	.fault = medio_fault_noted,
	.mig_read = session_mig_read,
	.mig_write = session_mig_write,
	.fd = session_fd,
	.fds = session_fds,
	.process = session_process,
	.words = session_words,
};
