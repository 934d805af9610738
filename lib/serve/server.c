/* SPDX-License-Identifier: BSD-3-Clause */
/* The server of one instance: its socket, and who may come in. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <sys/stat.h>

#include "serve/listener.h"
#include "serve/session.h"
#include "util/error.h"

#define DEFAULT_TIMEOUT_MS 5000u
#define MIN_XFER	   4096u
/* Clients being refused or drained at once; more are closed unheard. */
#define MAX_SESSIONS 64u
#define LINGER_NS    200000000u /* for all of them together */
#define RETRY_NS     100000000u

struct medio_server {
	struct medio_instance *inst;
	struct medio_server_options opts;
	struct medio_listener listener;
	struct medio_watch *watch;
	struct medio_timer *retry;  /* accept() ran out of descriptors: try again */
	struct medio_timer *reaper; /* frees sessions outside their own callbacks */
	struct medio_session *current;
	struct medio_list sessions;
	unsigned num_sessions;
	bool single; /* made with its one connection: no other will come */
	bool ending; /* being freed: nobody comes in any more */
};

/* The one place where a session ends: whoever gave it to us hears of it once. */
static void end(struct medio_server *server, struct medio_session *s)
{
	bool taken = s->taken;
	uint64_t number = s->number;
	medio_list_remove(&s->link);
	server->num_sessions--;
	medio_session_free(s);
	if (taken && server->opts.gone)
		server->opts.gone(server->opts.opaque, number);
}

static struct medio_session *first_finished(struct medio_server *server)
{
	medio_list_for_each (item, &server->sessions) {
		struct medio_session *s = medio_container_of(item, struct medio_session, link);
		if (s->finished)
			return s;
	}
	return NULL;
}

static void reap(void *opaque)
{
	struct medio_server *server = opaque;
	struct medio_session *s;
	/* gone() may bring another: the list is looked at anew. */
	while ((s = first_finished(server)))
		end(server, s);
}

void medio_server_session_gone(struct medio_server *server, struct medio_session *s)
{
	(void)s;
	medio_timer_arm(server->reaper, 0);
}

void medio_server_client_left(struct medio_server *server, struct medio_session *s)
{
	if (server->current != s)
		return;
	server->current = NULL;
	medio_instance_log(server->inst, MEDIO_LOG_DEBUG, "client left");
	/* Who never said VERSION was not a client; on a single connection nobody else will come. */
	if (server->opts.once && (s->negotiated || server->single))
		medio_loop_stop(medio_instance_loop(server->inst));
}

/* number is NULL for a connection that nobody wants to hear of again. */
static int admit(struct medio_server *server, int fd, const uint64_t *number)
{
	struct medio_session *s;
	if (server->num_sessions >= MAX_SESSIONS || server->ending) {
		close(fd);
		return -EBUSY;
	}
	/* One who came and went since we last looked is in nobody's way. */
	if (server->current)
		medio_conn_look(server->current->conn);
	bool refused = server->current != NULL;
	int ret = medio_session_new(server, server->inst, fd, server->opts.max_data_xfer,
		server->opts.client_timeout_ms, refused, &s);
	if (ret)
		return ret;
	medio_list_append(&server->sessions, &s->link);
	server->num_sessions++;
	if (!s->refused) {
		server->current = s;
		medio_instance_log(server->inst, MEDIO_LOG_DEBUG, "client came");
	}
	s->taken = number != NULL;
	s->number = number ? *number : 0;
	return 0;
}

int medio_server_take(struct medio_server *server, int fd, uint64_t number)
{
	return admit(server, fd, &number);
}

static void on_accept(void *opaque, uint32_t events)
{
	struct medio_server *server = opaque;
	(void)events;
	/* A bounded turn: whoever only connects must not keep the loop from the others. */
	for (unsigned i = 0; i < MAX_SESSIONS; i++) {
		int fd = accept4(server->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			admit(server, fd, NULL);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			medio_instance_guest_error(
				server->inst, "cannot take a client: %s", strerror(errno));
			medio_watch_set(server->watch, 0);
			medio_timer_arm(server->retry, RETRY_NS);
		}
		return;
	}
}

static void on_retry(void *opaque)
{
	struct medio_server *server = opaque;
	medio_watch_set(server->watch, EPOLLIN);
}

static int check_options(struct medio_server_options *opts, struct medio_error **err)
{
	if (!opts->client_timeout_ms)
		opts->client_timeout_ms = DEFAULT_TIMEOUT_MS;
	if (!opts->max_data_xfer)
		opts->max_data_xfer = MEDIO_VU_DEFAULT_XFER;
	if (!opts->mode)
		opts->mode = 0600;
	if (opts->max_data_xfer < MIN_XFER || opts->max_data_xfer > MEDIO_VU_MAX_XFER)
		return medio_error_set(err, EINVAL, "max_data_xfer is %u; it may be %u to %u bytes",
			opts->max_data_xfer, MIN_XFER, MEDIO_VU_MAX_XFER);
	return 0;
}

int medio_server_new_idle(struct medio_instance *inst, const struct medio_server_options *opts,
	struct medio_server **out, struct medio_error **err)
{
	struct medio_server *server = calloc(1, sizeof(*server));
	if (!server) {
		medio_error_set(err, ENOMEM, "out of memory");
		return -ENOMEM;
	}
	server->inst = inst;
	server->listener.fd = -1;
	if (opts)
		server->opts = *opts;
	medio_list_init(&server->sessions);
	struct medio_loop *loop = medio_instance_loop(inst);
	server->reaper = medio_loop_timer(loop, reap, server);
	server->retry = medio_loop_timer(loop, on_retry, server);
	int ret = check_options(&server->opts, err);
	if (ret == 0 && (!server->reaper || !server->retry)) {
		medio_error_set(err, ENOMEM, "out of memory");
		ret = -ENOMEM;
	}
	if (ret) {
		medio_server_free(server);
		return ret;
	}
	*out = server;
	return 0;
}

int medio_server_new(struct medio_instance *inst, const char *path,
	const struct medio_server_options *opts, struct medio_server **out,
	struct medio_error **err)
{
	struct medio_server *server;
	int ret = medio_server_new_idle(inst, opts, &server, err);
	if (ret)
		return ret;
	ret = medio_listener_open(&server->listener, path, server->opts.mode, err);
	if (ret == 0) {
		server->watch = medio_loop_watch(
			medio_instance_loop(inst), server->listener.fd, EPOLLIN, on_accept, server);
		if (!server->watch)
			ret = medio_error_set(
				err, errno, "cannot watch the socket: %s", strerror(errno));
	}
	if (ret) {
		medio_server_free(server);
		return ret;
	}
	*out = server;
	return 0;
}

int medio_server_new_fd(struct medio_instance *inst, int fd,
	const struct medio_server_options *opts, struct medio_server **out,
	struct medio_error **err)
{
	struct medio_server *server;
	int ret = medio_server_new_idle(inst, opts, &server, err);
	if (ret) {
		close(fd);
		return ret;
	}
	server->single = true;
	ret = admit(server, fd, NULL);
	if (ret) {
		medio_server_free(server);
		return medio_error_set(err, -ret, "cannot take the connection: %s", strerror(-ret));
	}
	*out = server;
	return 0;
}

/* Each drains by itself and is reaped then. */
void medio_server_disconnect(struct medio_server *server)
{
	medio_list_for_each (item, &server->sessions)
		medio_conn_close(medio_container_of(item, struct medio_session, link)->conn, NULL);
}

void medio_server_free(struct medio_server *server)
{
	if (!server)
		return;
	server->opts.once = false;
	server->ending = true;
	medio_watch_free(server->watch);
	medio_listener_close(&server->listener);
	/* All hear at once that it is over, then share the time to say so too. */
	medio_server_disconnect(server);
	uint64_t limit = medio_now_ns() + LINGER_NS;
	while (!medio_list_empty(&server->sessions)) {
		struct medio_session *s = medio_container_of(
			server->sessions.next, struct medio_session, link);
		medio_conn_linger(s->conn, limit);
		end(server, s);
	}
	medio_timer_free(server->retry);
	medio_timer_free(server->reaper);
	free(server);
}
