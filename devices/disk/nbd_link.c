/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connection to an NBD server. One that goes away fails what was under way and is connected to again,
 * after 0.1 s, 0.2 s and so on up to 10 s; until then requests fail at once.
 *
 * The size of a disk is told when a client connects and never again (the NBD protocol, "Fixed newstyle
 * negotiation"), so whether it has changed is asked by connecting once more. If so, that connection takes
 * the place of the first, when nothing is under way on it and its writes are flushed.
 */
#include "disk/nbd.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define SECOND	     UINT64_C(1000000000)
#define CONNECT_TIME (10 * SECOND)
#define PROBE_TIME   (3 * SECOND)
#define FIRST_RETRY  (SECOND / 10)
#define LAST_RETRY   (10 * SECOND)

/* Largest block that we take, the least size of a buffer. */
#define MAX_BLOCK 65536u

/* ---- A connection ---------------------------------------------------------------------------------------- */

static void unwatch(struct disk_nbd_link *link)
{
	if (!link->watch)
		return;
	medio_watch_free(link->watch);
	close(link->fd);
	link->watch = NULL;
}

static void link_close(struct disk_nbd_link *link)
{
	unwatch(link);
	nbd_close(link->handle);
	*link = (struct disk_nbd_link){ 0 };
}

static bool is_up(struct nbd_handle *h)
{
	return nbd_aio_is_ready(h) == 1 || nbd_aio_is_processing(h) == 1;
}

static bool is_gone(struct nbd_handle *h)
{
	return nbd_aio_is_dead(h) == 1 || nbd_aio_is_closed(h) == 1;
}

/* What libnbd said last, without the names of its functions. */
static const char *reason(void)
{
	const char *text = nbd_get_error();
	const char *colon = text ? strstr(text, ": ") : NULL;

	if (!text)
		return "the server went away";
	return colon && strncmp(text, "nbd_", 4) == 0 ? colon + 2 : text;
}

static struct nbd_handle *new_handle(void)
{
	struct nbd_handle *h = nbd_create();

	if (!h)
		return NULL;
	/* We look at what was read only if all of it came, and check bounds ourselves. */
	nbd_set_pread_initialize(h, false);
	nbd_set_strict_mode(h, 0);
	/* The URI is its user's own: it may name a file with keys, but no program is started. */
	nbd_set_uri_allow_local_file(h, true);
	nbd_set_uri_allow_transports(h, LIBNBD_ALLOW_TRANSPORT_MASK);
	return h;
}

/* Begin to connect as the first time. NULL: it failed already. */
static struct nbd_handle *begin(const struct disk_nbd *nbd)
{
	struct nbd_handle *h = new_handle();
	int ret;

	if (!h)
		return NULL;
	if (nbd->peer_len) {
		ret = nbd_set_export_name(h, nbd->export_name);
		if (ret == 0)
			ret = nbd_aio_connect(
				h, (const struct sockaddr *)&nbd->peer, nbd->peer_len);
	} else {
		ret = nbd_aio_connect_uri(h, nbd->uri);
	}
	if (ret == 0)
		return h;
	nbd_close(h);
	return NULL;
}

/* A host that is switched off says nothing: find out within half a minute. */
static void keep_alive(struct nbd_handle *h)
{
	int fd = nbd_aio_get_fd(h), on = 1, idle = 15, interval = 5, count = 3, limit = 30000;

	if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof(limit));
}

/* What libnbd waits for, as events; the watch is made with the first. */
static void link_watch(struct disk_nbd *nbd, struct disk_nbd_link *link, medio_watch_fn *fn)
{
	unsigned direction = nbd_aio_get_direction(link->handle);
	uint32_t events = (direction & LIBNBD_AIO_DIRECTION_READ ? EPOLLIN : 0) |
			  (direction & LIBNBD_AIO_DIRECTION_WRITE ? EPOLLOUT : 0);

	if (link->watch) {
		if (events != link->events)
			medio_watch_set(link->watch, events);
	} else {
		link->fd = fcntl(nbd_aio_get_fd(link->handle), F_DUPFD_CLOEXEC, 0);
		if (link->fd >= 0)
			link->watch = medio_watch_new(nbd->disk.dev, link->fd, events, fn, nbd);
		if (link->fd >= 0 && !link->watch)
			close(link->fd);
	}
	link->events = events;
}

static void link_notify(struct disk_nbd_link *link, uint32_t events)
{
	unsigned direction = nbd_aio_get_direction(link->handle);

	/* A hang-up shows itself in reading, or else in writing. */
	if (direction & LIBNBD_AIO_DIRECTION_READ && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		nbd_aio_notify_read(link->handle);
	else if (direction & LIBNBD_AIO_DIRECTION_WRITE &&
		 events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		nbd_aio_notify_write(link->handle);
}

/* ---- What the server says ---------------------------------------------------------------------------------- */

static uint32_t block_of(struct nbd_handle *h)
{
	int64_t least = nbd_get_block_size(h, LIBNBD_SIZE_MINIMUM);

	return least > DISK_SECTOR && least <= UINT32_MAX ? (uint32_t)least : DISK_SECTOR;
}

static void take_abilities(struct disk_nbd *nbd)
{
	struct nbd_handle *h = nbd->link.handle;
	int64_t most = nbd_get_block_size(h, LIBNBD_SIZE_MAXIMUM);

	nbd->can_flush = nbd_can_flush(h) == 1;
	nbd->can_fua = nbd_can_fua(h) == 1;
	nbd->can_trim = nbd_can_trim(h) == 1;
	nbd->can_zero = nbd_can_zero(h) == 1;
	nbd->part = DISK_NBD_PART_SIZE;
	if (most >= nbd->disk.info.block && most < nbd->part)
		nbd->part = (uint32_t)(most - most % nbd->disk.info.block);
	nbd->disk.info.discards = nbd->can_trim;
	nbd->disk.info.volatile_cache = nbd->can_flush;
}

/* Where it is, so that it is found again when no name can be looked up. */
static void remember_peer(struct disk_nbd *nbd)
{
	struct nbd_handle *h = nbd->link.handle;
	socklen_t len = sizeof(nbd->peer);

	/* Keys are read again, so this takes the whole URI. */
	if (nbd_get_tls_negotiated(h) == 1)
		return;
	nbd->export_name = nbd_get_export_name(h);
	if (nbd->export_name &&
		getpeername(nbd_aio_get_fd(h), (struct sockaddr *)&nbd->peer, &len) == 0 &&
		len <= sizeof(nbd->peer))
		nbd->peer_len = len;
}

/* ---- Lost and found ------------------------------------------------------------------------------------------ */

static void on_ready(void *opaque, uint32_t events);

static void retry_later(struct disk_nbd *nbd)
{
	nbd->state = DISK_NBD_DOWN;
	medio_timer_arm(nbd->timer, nbd->patience);
	nbd->patience = nbd->patience * 2 < LAST_RETRY ? nbd->patience * 2 : LAST_RETRY;
}

void disk_nbd_lose(struct disk_nbd *nbd, const char *why)
{
	medio_log(nbd->disk.dev, MEDIO_LOG_WARN,
		"nbd=%s: the connection is lost (%s); requests fail until there is another",
		nbd->uri, why);
	disk_nbd_stop_probe(nbd);
	link_close(&nbd->link);
	nbd->patience = FIRST_RETRY;
	retry_later(nbd);
	disk_nbd_abort(nbd);
}

bool disk_nbd_alive(struct disk_nbd *nbd)
{
	if (!is_gone(nbd->link.handle))
		return true;
	disk_nbd_lose(nbd, reason());
	return false;
}

/* The server is there again: is it the disk that it was? */
static void found(struct disk_nbd *nbd)
{
	struct nbd_handle *h = nbd->link.handle;
	int64_t bytes = nbd_get_size(h);
	const char *other = NULL;

	if (bytes < nbd->disk.info.block)
		other = "it has no size";
	else if (block_of(h) > nbd->disk.info.block)
		other = "its blocks have become larger";
	else if (nbd_is_read_only(h) == 1 && !nbd->disk.info.readonly)
		other = "it cannot be written any more";
	if (other) {
		medio_log(nbd->disk.dev, MEDIO_LOG_ERROR,
			"nbd=%s: the server is there again but serves another disk: %s", nbd->uri,
			other);
		link_close(&nbd->link);
		retry_later(nbd);
		return;
	}
	medio_timer_disarm(nbd->timer);
	nbd->state = DISK_NBD_UP;
	take_abilities(nbd);
	keep_alive(h);
	medio_log(nbd->disk.dev, MEDIO_LOG_INFO, "nbd=%s: connected again", nbd->uri);
	disk_set_bytes(&nbd->disk, (uint64_t)bytes);
	disk_nbd_settle(nbd);
}

static void check_connecting(struct disk_nbd *nbd)
{
	if (is_gone(nbd->link.handle)) {
		link_close(&nbd->link);
		retry_later(nbd);
	} else if (is_up(nbd->link.handle)) {
		found(nbd);
	} else {
		link_watch(nbd, &nbd->link, on_ready);
	}
}

static void on_ready(void *opaque, uint32_t events)
{
	struct disk_nbd *nbd = opaque;

	nbd->disk.counts.calls++;
	link_notify(&nbd->link, events);
	if (nbd->state == DISK_NBD_CONNECTING)
		check_connecting(nbd);
	else
		disk_nbd_settle(nbd);
}

/* DOWN: try again. CONNECTING: it takes too long. */
static void on_timer(void *opaque)
{
	struct disk_nbd *nbd = opaque;

	if (nbd->state == DISK_NBD_CONNECTING) {
		link_close(&nbd->link);
		retry_later(nbd);
		return;
	}
	nbd->link.handle = begin(nbd);
	if (!nbd->link.handle) {
		retry_later(nbd);
		return;
	}
	nbd->state = DISK_NBD_CONNECTING;
	medio_timer_arm(nbd->timer, CONNECT_TIME);
	check_connecting(nbd);
}

void disk_nbd_watch(struct disk_nbd *nbd)
{
	if (nbd->state == DISK_NBD_UP)
		link_watch(nbd, &nbd->link, on_ready);
}

/* ---- Another size ------------------------------------------------------------------------------------------- */

void disk_nbd_stop_probe(struct disk_nbd *nbd)
{
	nbd->renewing = false;
	if (!nbd->probe.handle)
		return;
	medio_timer_disarm(nbd->probe_timer);
	link_close(&nbd->probe);
}

void disk_nbd_renew(struct disk_nbd *nbd)
{
	int64_t bytes = nbd_get_size(nbd->probe.handle);

	/* The watch calls with nbd as the other's did, but looks at another connection. */
	unwatch(&nbd->probe);
	medio_timer_disarm(nbd->probe_timer);
	nbd->renewing = false;
	if (nbd->written != nbd->flushed && nbd->can_flush)
		nbd->lost = true;
	nbd->flushed = nbd->written;
	nbd_aio_disconnect(nbd->link.handle, 0);
	link_close(&nbd->link);
	nbd->link = nbd->probe;
	nbd->probe = (struct disk_nbd_link){ 0 };
	take_abilities(nbd);
	keep_alive(nbd->link.handle);
	disk_set_bytes(&nbd->disk, (uint64_t)bytes);
	disk_nbd_settle(nbd);
}

static void check_probe(struct disk_nbd *nbd, medio_watch_fn *fn)
{
	struct nbd_handle *h = nbd->probe.handle;

	if (is_gone(h)) {
		disk_nbd_stop_probe(nbd);
		return;
	}
	link_watch(nbd, &nbd->probe, fn);
	if (nbd->renewing || !is_up(h))
		return;
	int64_t bytes = nbd_get_size(h);
	bool same = bytes < nbd->disk.info.block || block_of(h) > nbd->disk.info.block ||
		    (uint64_t)(bytes - bytes % nbd->disk.info.block) == nbd->disk.info.bytes;
	if (same) {
		nbd_aio_disconnect(h, 0);
		disk_nbd_stop_probe(nbd);
		return;
	}
	nbd->renewing = true;
	medio_timer_disarm(nbd->probe_timer);
	disk_nbd_settle(nbd);
}

static void on_probe(void *opaque, uint32_t events)
{
	struct disk_nbd *nbd = opaque;

	link_notify(&nbd->probe, events);
	bool waited = nbd->renewing;
	check_probe(nbd, on_probe);
	/* The other connection is not given up for one that has gone. */
	if (waited && !nbd->renewing)
		disk_nbd_settle(nbd);
}

static void on_probe_timer(void *opaque)
{
	disk_nbd_stop_probe(opaque);
}

void disk_nbd_refresh(struct disk *disk)
{
	struct disk_nbd *nbd = (struct disk_nbd *)disk;

	if (nbd->state != DISK_NBD_UP || nbd->probe.handle)
		return;
	nbd->probe.handle = begin(nbd);
	if (!nbd->probe.handle)
		return;
	medio_timer_arm(nbd->probe_timer, PROBE_TIME);
	check_probe(nbd, on_probe);
}

/* ---- The first time ------------------------------------------------------------------------------------------ */

static int fail_connect(const struct disk_nbd *nbd, int err, const char *why)
{
	return medio_fail(nbd->disk.dev, err ? err : EIO,
		"nbd=%s: %s (a URI is nbd+unix:///EXPORT?socket=PATH, nbd://HOST:PORT/EXPORT, or "
		"nbds:// with TLS)",
		nbd->uri, why);
}

static int wait_connected(struct disk_nbd *nbd)
{
	struct nbd_handle *h = nbd->link.handle;
	uint64_t end = medio_now_ns() + CONNECT_TIME, now;

	while (!is_up(h)) {
		if (is_gone(h))
			return fail_connect(nbd, nbd_get_errno(), reason());
		now = medio_now_ns();
		if (now >= end)
			return fail_connect(nbd, ETIMEDOUT, "the server does not answer");
		if (nbd_poll(h, (int)((end - now) / 1000000) + 1) < 0 && !is_gone(h))
			return fail_connect(nbd, nbd_get_errno(), reason());
	}
	return 0;
}

static int take_disk(struct disk_nbd *nbd, const struct disk_options *opts)
{
	struct nbd_handle *h = nbd->link.handle;
	struct disk_info *info = &nbd->disk.info;
	int64_t bytes = nbd_get_size(h);
	int64_t preferred = nbd_get_block_size(h, LIBNBD_SIZE_PREFERRED);
	uint32_t block = block_of(h);

	if (block > MAX_BLOCK || block & (block - 1))
		return medio_fail(nbd->disk.dev, EINVAL,
			"nbd=%s: the server has blocks of %u bytes, a power of two up to %u is "
			"possible",
			nbd->uri, block, MAX_BLOCK);
	if (bytes < block)
		return medio_fail(nbd->disk.dev, EINVAL,
			"nbd=%s: the server's disk has %lld bytes, a block has %u", nbd->uri,
			(long long)bytes, block);
	if (nbd_is_read_only(h) == 1 && !opts->readonly)
		return medio_fail(nbd->disk.dev, EROFS,
			"nbd=%s: the server lets it be read only; readonly=on takes it so",
			nbd->uri);
	*info = (struct disk_info){
		.bytes = (uint64_t)bytes - (uint64_t)bytes % block,
		.block = block,
		.physical = block > 4096 ? block : 4096,
		.readonly = opts->readonly,
		.zeroes = true,
		.discard_unit = block > 4096 ? block : 4096,
	};
	if (preferred > info->physical && preferred <= UINT32_MAX && preferred % block == 0)
		info->optimal = (uint32_t)preferred;
	snprintf(nbd->disk.words, sizeof(nbd->disk.words), "NBD (%s)",
		nbd_get_protocol(h) ? nbd_get_protocol(h) : "?");
	return 0;
}

int disk_nbd_connect(struct disk_nbd *nbd, const struct disk_options *opts)
{
	nbd->patience = FIRST_RETRY;
	nbd->timer = medio_timer_new(nbd->disk.dev, on_timer, nbd);
	nbd->probe_timer = medio_timer_new(nbd->disk.dev, on_probe_timer, nbd);
	if (!nbd->timer || !nbd->probe_timer)
		return fail_connect(nbd, ENOMEM, "no memory");
	nbd->link.handle = begin(nbd);
	if (!nbd->link.handle)
		return fail_connect(nbd, nbd_get_errno(), reason());
	int ret = wait_connected(nbd);
	if (!ret)
		ret = take_disk(nbd, opts);
	if (ret)
		return ret;
	take_abilities(nbd);
	remember_peer(nbd);
	keep_alive(nbd->link.handle);
	nbd->state = DISK_NBD_UP;
	disk_nbd_watch(nbd);
	if (!nbd->link.watch)
		return fail_connect(nbd, errno, "cannot watch the connection");
	return 0;
}

void disk_nbd_disconnect(struct disk_nbd *nbd)
{
	disk_nbd_stop_probe(nbd);
	if (nbd->state == DISK_NBD_UP)
		nbd_aio_disconnect(nbd->link.handle, 0);
	link_close(&nbd->link);
}
