/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "worker/private.h"
#include "worker/sandbox.h"

/* A mediod that started us and died before it came: nobody will. */
#define LONELY_NS 10000000000u
#define RETRY_NS  100000000u
#define LINGER_NS 500000000u
/* A START that comes with the HELLO shall not wait for what only a later one gains from. */
#define PREPARE_NS 5000000u

void medio_worker_log(
	struct medio_worker *w, const uint8_t *uuid, enum medio_log_level level, const char *line)
{
	const char *strings[] = { line };
	struct medio_wire_msg msg = {
		.kind = MEDIO_WIRE_LOG,
		.value = level,
		.strings = strings,
		.nstrings = 1,
	};
	if (uuid)
		memcpy(msg.uuid, uuid, sizeof(msg.uuid));
	if (w->link)
		medio_link_log(w->link, &msg);
}

/* ---- Messages ----------------------------------------------------------------------------------------- */

static int map_counters(struct medio_worker *w, struct medio_wire_msg *msg)
{
	struct stat st;
	void *map;
	if (!msg->nfds || w->counters)
		return 0;
	if (fstat(msg->fds[0], &st) < 0)
		return -errno;
	size_t count = st.st_size > 0 ? (size_t)st.st_size / sizeof(union medio_shared_slot) : 0;
	if (!count || count > UINT32_MAX)
		return -EINVAL;
	int ret = medio_shared_map(
		msg->fds[0], count * sizeof(union medio_shared_slot), PROT_READ | PROT_WRITE, &map);
	if (ret)
		return ret;
	w->counters = map;
	w->num_slots = (unsigned)count;
	w->counters_fd = medio_steal_fd(msg->fds[0]);
	return 0;
}

static int on_hello(struct medio_worker *w, struct medio_wire_msg *msg)
{
	struct medio_wire_msg ready = {
		.kind = MEDIO_WIRE_READY,
		.value = MEDIO_WIRE_VERSION,
		.flags = w->possible,
		.fds = { w->counters_fd },
		.nfds = w->counters_fd >= 0 ? 1 : 0,
	};
	/* Once a connection, and the first message: so there is room for the answer. */
	if (w->greeted || msg->value != MEDIO_WIRE_VERSION)
		return -EPROTO;
	int ret = map_counters(w, msg);
	if (ret == 0)
		ret = medio_link_try(w->link, &ready);
	if (ret)
		return ret;
	w->greeted = true;
	medio_timer_disarm(w->lonely);
	if (w->mode == MEDIO_WORKER_NEW)
		medio_timer_arm(w->prepare, PREPARE_NS);
	medio_adopt_begin(w);
	return 0;
}

static int on_start(struct medio_worker *w, struct medio_wire_msg *msg)
{
	struct medio_error *err = NULL;
	struct medio_wire_msg answer = { .kind = MEDIO_WIRE_STARTED };
	bool restored = false;
	memcpy(answer.uuid, msg->uuid, sizeof(answer.uuid));
	answer.ret = medio_worker_start(w, msg, &restored, &err);
	const char *strings[] = { err ? medio_error_text(err) : strerror(-answer.ret) };
	if (answer.ret) {
		answer.strings = strings;
		answer.nstrings = 1;
	} else if (restored) {
		answer.flags = MEDIO_WIRE_RESTORED;
	}
	struct medio_hosted *host = answer.ret ? NULL : medio_hosts_find(w, msg->uuid);
	struct medio_wire_sriov sriov;
	if (host && medio_hosted_vfs_describe(host, &sriov)) {
		answer.data = &sriov;
		answer.size = sizeof(sriov);
	}
	medio_link_send(w->link, &answer);
	medio_error_free(err);
	if (host) {
		host->started = true;
		if (host->num_vfs)
			medio_hosted_vfs_tell(host);
	}
	return 0;
}

static int on_stop(struct medio_worker *w, struct medio_wire_msg *msg)
{
	struct medio_wire_msg answer = { .kind = MEDIO_WIRE_STOPPED };
	struct medio_hosted *host = medio_hosts_find(w, msg->uuid);
	memcpy(answer.uuid, msg->uuid, sizeof(answer.uuid));
	if (host && host->pf)
		medio_hosted_unserve(host);
	else
		medio_hosted_free(host);
	medio_link_send(w->link, &answer);
	/* Thousands may have gone: their memory goes too. */
	if (w->mode == MEDIO_WORKER_SHARED && !w->num_hosted)
		malloc_trim(0);
	if (w->mode == MEDIO_WORKER_ISOLATED && !w->num_hosted) {
		w->ending = true;
		if (medio_link_is_flushed(w->link))
			medio_loop_stop(w->loop);
	}
	return 0;
}

static int on_client(struct medio_worker *w, struct medio_wire_msg *msg)
{
	struct medio_hosted *host = medio_hosts_find(w, msg->uuid);
	struct medio_wire_msg answer = { .kind = MEDIO_WIRE_CLIENT_GONE, .cookie = msg->cookie };
	if (host && host->server && msg->nfds) {
		medio_hosted_take(host, medio_steal_fd(msg->fds[0]), msg->cookie);
		return 0;
	}
	memcpy(answer.uuid, msg->uuid, sizeof(answer.uuid));
	medio_link_send(w->link, &answer);
	return 0;
}

static int on_attr(struct medio_worker *w, struct medio_wire_msg *msg)
{
	struct medio_hosted *host = medio_hosts_find(w, msg->uuid);
	struct medio_wire_msg answer = { .kind = MEDIO_WIRE_ATTR, .cookie = msg->cookie };
	const char *name = msg->strings[0];
	memcpy(answer.uuid, msg->uuid, sizeof(answer.uuid));
	if (!host) {
		answer.ret = -ENODEV;
	} else if (msg->kind == MEDIO_WIRE_ATTR_SHOW) {
		ssize_t len = medio_instance_attr_show(host->inst, name, w->text, sizeof(w->text));
		answer.ret = (int32_t)len;
		answer.data = w->text;
		answer.size = len > 0 ? (size_t)len : 0;
	} else if (msg->size >= sizeof(w->text)) {
		answer.ret = -EFBIG;
	} else {
		/* As the kernel does: a NUL behind the text, for those who look for one. */
		memcpy(w->text, msg->data, msg->size);
		w->text[msg->size] = '\0';
		answer.ret = medio_instance_attr_store(host->inst, name, w->text, msg->size);
	}
	medio_link_send(w->link, &answer);
	return 0;
}

static int on_received(void *opaque, struct medio_wire_msg *msg)
{
	struct medio_worker *w = opaque;
	if (msg->kind == MEDIO_WIRE_HELLO)
		return on_hello(w, msg);
	if (!w->greeted || w->ending)
		return -EPROTO;
	struct medio_hosted *host = medio_hosts_find(w, msg->uuid);
	switch (msg->kind) {
	case MEDIO_WIRE_START:
		return on_start(w, msg);
	case MEDIO_WIRE_STOP:
		return on_stop(w, msg);
	case MEDIO_WIRE_CLIENT:
		return on_client(w, msg);
	case MEDIO_WIRE_REQUEST:
		if (host)
			medio_instance_request(host->inst);
		return 0;
	case MEDIO_WIRE_DISCONNECT:
		if (host && host->server)
			medio_server_disconnect(host->server);
		return 0;
	case MEDIO_WIRE_SET_VFS:
		medio_hosted_vfs_set(w, msg);
		return 0;
	case MEDIO_WIRE_ATTR_SHOW:
	case MEDIO_WIRE_ATTR_STORE:
		return on_attr(w, msg);
	default:
		return -EPROTO; /* one that a worker sends */
	}
}

/* ---- mediod comes and goes ------------------------------------------------------------------------------ */

static int on_feed(void *opaque)
{
	return medio_adopt_feed(opaque);
}

static void on_flushed(void *opaque)
{
	struct medio_worker *w = opaque;
	if (w->ending)
		medio_loop_stop(w->loop);
}

static void drop_link(struct medio_worker *w)
{
	medio_link_free(w->link);
	if (w->reserve < 0)
		w->reserve = fcntl(w->sock, F_DUPFD_CLOEXEC, 3);
	w->link = NULL;
	w->greeted = false;
	/* An adoption that was under way begins again with the next one. */
	medio_list_for_each (item, &w->next) {
		medio_list_remove(item);
		medio_list_append(&w->all, item);
	}
}

static void on_accept(void *opaque, uint32_t events);

static void on_link_gone(void *opaque)
{
	struct medio_worker *w = opaque;
	drop_link(w);
	/* A successor may be waiting already. */
	if (!w->ending)
		on_accept(w, 0);
	if (!w->link && (w->ending || !w->num_hosted))
		medio_loop_stop(w->loop);
}

static const struct medio_link_ops link_ops = {
	.received = on_received,
	.feed = on_feed,
	.flushed = on_flushed,
	.gone = on_link_gone,
};

/* Only root, and who we were at the start, may tell us what to do. */
static bool may_come(const struct medio_worker *w, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	return peer.uid == 0 || peer.uid == w->uid;
}

/* Devices and their clients may have used up all descriptors: for a mediod there is one more. */
static int accept_one(struct medio_worker *w)
{
	int fd = accept4(w->sock, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0 && errno == EMFILE && w->reserve >= 0) {
		close(medio_steal_fd(w->reserve));
		fd = accept4(w->sock, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	}
	if (fd < 0 && errno != EAGAIN && errno != EINTR) {
		medio_watch_set(w->sock_watch, 0);
		medio_timer_arm(w->retry, RETRY_NS);
	}
	return fd;
}

static void on_retry(void *opaque)
{
	struct medio_worker *w = opaque;
	medio_watch_set(w->sock_watch, EPOLLIN);
}

static void on_accept(void *opaque, uint32_t events)
{
	struct medio_worker *w = opaque;
	(void)events;
	for (;;) {
		int fd = accept_one(w);
		if (fd < 0)
			return;
		if (!may_come(w, fd)) {
			close(fd);
			continue;
		}
		drop_link(w);
		medio_link_new(w->loop, fd, &link_ops, w, &w->link);
	}
}

/* ---- From start to end ---------------------------------------------------------------------------------- */

static void on_lonely(void *opaque)
{
	struct medio_worker *w = opaque;
	if (!w->greeted && !w->num_hosted)
		medio_loop_stop(w->loop);
}

static void on_prepare(void *opaque)
{
	const struct medio_worker *w = opaque;
	if (w->mode == MEDIO_WORKER_NEW)
		medio_sandbox_prepare();
}

static void on_signal(void *opaque, uint32_t events)
{
	struct medio_worker *w = opaque;
	(void)events;
	medio_loop_stop(w->loop);
}

/* SIGTERM ends in order. The keyboard is mediod's; it says what is to happen. */
static int catch_signals(struct medio_worker *w)
{
	sigset_t set;
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_SETMASK, &set, NULL);
	w->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (w->signal_fd < 0)
		return -errno;
	w->signal_watch = medio_loop_watch(w->loop, w->signal_fd, EPOLLIN, on_signal, w);
	return w->signal_watch ? 0 : -errno;
}

static int begin(struct medio_worker *w)
{
	int ret = medio_loop_new(&w->loop);
	if (ret == 0)
		ret = medio_hosts_init(w);
	if (ret == 0)
		ret = catch_signals(w);
	if (ret)
		return ret;
	w->lonely = medio_loop_timer(w->loop, on_lonely, w);
	w->reserve = fcntl(w->sock, F_DUPFD_CLOEXEC, 3);
	w->retry = medio_loop_timer(w->loop, on_retry, w);
	w->prepare = medio_loop_timer(w->loop, on_prepare, w);
	w->sock_watch = medio_loop_watch(w->loop, w->sock, EPOLLIN, on_accept, w);
	if (!w->retry || !w->lonely || !w->prepare || !w->sock_watch)
		return -ENOMEM;
	medio_timer_arm(w->lonely, LONELY_NS);
	return 0;
}

/* All clients hear at once that it is over; those who take no notice share the time for that. */
static void end_instances(struct medio_worker *w)
{
	uint64_t limit = medio_now_ns() + LINGER_NS;
	medio_list_for_each (item, &w->all) {
		struct medio_hosted *host = medio_container_of(item, struct medio_hosted, item);
		if (host->server)
			medio_server_disconnect(host->server);
	}
	/* Virtual functions go with their card, which takes them off the list. */
	while (!medio_list_empty(&w->all)) {
		struct medio_hosted *host = medio_container_of(
			w->all.next, struct medio_hosted, item);
		if (host->pf)
			host = host->pf;
		if (medio_now_ns() > limit)
			medio_hosted_cut(host);
		medio_hosted_free(host);
	}
}

static void end(struct medio_worker *w)
{
	if (w->loop)
		drop_link(w);
	end_instances(w);
	medio_watch_free(w->sock_watch);
	medio_watch_free(w->signal_watch);
	medio_timer_free(w->lonely);
	medio_timer_free(w->prepare);
	medio_timer_free(w->retry);
	if (w->reserve >= 0)
		close(w->reserve);
	if (w->signal_fd >= 0)
		close(w->signal_fd);
	if (w->counters)
		munmap(w->counters, w->num_slots * sizeof(*w->counters));
	if (w->counters_fd >= 0)
		close(w->counters_fd);
	medio_hosts_fini(w);
	medio_loop_free(w->loop);
	free(w->scratch);
	free(w);
}

int medio_worker_run(int sock, const struct medio_worker_types *types)
{
	struct medio_worker *w = calloc(1, sizeof(*w));
	if (!w)
		return 1;
	w->sock = sock;
	w->types = types;
	w->uid = getuid();
	w->signal_fd = w->counters_fd = w->reserve = -1;
	medio_list_init(&w->all);
	medio_list_init(&w->next);
	/* Asked once: later it would be a forbidden call. */
	w->possible = medio_sandbox_possible();
	int ret = begin(w);
	if (ret == 0)
		ret = medio_loop_run(w->loop);
	end(w);
	return ret ? 1 : 0;
}
