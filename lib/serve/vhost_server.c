/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vhost-user back-end of one instance: its socket, and who may come in. One front-end at a time. A
 * second is turned away with a line in the log: left waiting it would only look stuck.
 *
 *     listening    accept -> session -> gone -> accept …
 *     connecting   connect -> session -> gone -> pause -> connect …
 *     given an fd  session -> gone
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "serve/listener.h"
#include "serve/vhost_session.h"
#include "util/error.h"
#include "virtio/bare.h"

#define DEFAULT_TIMEOUT_MS 5000u
#define ACCEPTS_A_TURN	   16
#define RETRY_NS	   100000000u  /* accept() ran out of descriptors */
#define PAUSE_FIRST_NS	   10000000u   /* before connecting again; */
#define PAUSE_MAX_NS	   1000000000u /* it doubles up to here */

struct medio_vhost {
	struct medio_instance *inst;
	struct medio_virtio_core *core;
	struct medio_vhost_options opts;
	struct medio_listener listener;
	struct medio_watch *watch;
	struct medio_timer *again;	     /* accept or connect is tried again */
	struct medio_timer *reaper;	     /* frees the session outside its own callbacks */
	struct medio_vhost_session *session; /* NULL: no front-end */
	bool ended;			     /* the session has, and is reaped soon */
	bool waited; /* it is told that nobody listens where we connect to */
	uint64_t pause_ns;
	struct sockaddr_un addr; /* to connect to */
};

/* ---- What the device says ----------------------------------------------------------------------------- */

static void on_interrupt(void *opaque, unsigned queue)
{
	struct medio_vhost *vhost = opaque;
	if (vhost->session && !vhost->ended)
		medio_vhost_ring_call(&vhost->session->rings[queue]);
}

static void on_config_interrupt(void *opaque)
{
	struct medio_vhost *vhost = opaque;
	if (vhost->session && !vhost->ended)
		medio_vhost_config_interrupt(vhost->session);
}

static const struct medio_virtio_transport transport = {
	.by_queue = true,
	.interrupt = on_interrupt,
	.config_interrupt = on_config_interrupt,
};

/* ---- A front-end comes and goes ----------------------------------------------------------------------- */

static void connect_later(struct medio_vhost *vhost)
{
	medio_timer_arm(vhost->again, vhost->pause_ns);
	vhost->pause_ns = vhost->pause_ns * 2 < PAUSE_MAX_NS ? vhost->pause_ns * 2 : PAUSE_MAX_NS;
}

static void reap(void *opaque)
{
	struct medio_vhost *vhost = opaque;
	struct medio_vhost_session *s = vhost->session;
	if (!s || !vhost->ended)
		return;
	bool spoke = s->spoke;
	vhost->session = NULL;
	vhost->ended = false;
	medio_vhost_session_free(s);
	medio_instance_log(vhost->inst, MEDIO_LOG_DEBUG, "front-end left");
	/* Who says nothing was not a front-end; on a single connection nobody else will come. */
	if (vhost->opts.once && (spoke || (vhost->listener.fd < 0 && !vhost->opts.connect))) {
		medio_loop_stop(medio_instance_loop(vhost->inst));
	} else if (vhost->opts.connect) {
		vhost->pause_ns = spoke ? PAUSE_FIRST_NS : vhost->pause_ns;
		connect_later(vhost);
	}
}

void medio_vhost_session_gone(struct medio_vhost *vhost, struct medio_vhost_session *s)
{
	if (vhost->session != s || vhost->ended)
		return;
	vhost->ended = true;
	medio_timer_arm(vhost->reaper, 0);
}

static int admit(struct medio_vhost *vhost, int fd)
{
	/* One that came and went since we last looked is in nobody's way. */
	if (vhost->session)
		medio_vhost_conn_look(vhost->session->conn);
	/* Nor is one that has said nothing. */
	if (vhost->session && !vhost->session->spoke)
		medio_vhost_conn_close(
			vhost->session->conn, "it has said nothing, and another has come");
	if (vhost->ended)
		reap(vhost);
	if (vhost->session) {
		medio_instance_guest_error(vhost->inst,
			"a second front-end is turned away: one is connected, and there can be one "
			"at a time");
		close(fd);
		return -EBUSY;
	}
	int ret = medio_vhost_session_new(vhost, vhost->inst, vhost->core, fd,
		vhost->opts.client_timeout_ms, &vhost->session);
	if (ret)
		medio_instance_log(vhost->inst, MEDIO_LOG_ERROR, "cannot take a front-end: %s",
			ret == -EBUSY ? "another transport serves this device" : strerror(-ret));
	else
		medio_instance_log(vhost->inst, MEDIO_LOG_DEBUG, "front-end came");
	return ret;
}

static void on_accept(void *opaque, uint32_t events)
{
	struct medio_vhost *vhost = opaque;
	(void)events;
	for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd = accept4(vhost->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			admit(vhost, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			medio_instance_guest_error(
				vhost->inst, "cannot take a front-end: %s", strerror(errno));
			medio_watch_set(vhost->watch, 0);
			medio_timer_arm(vhost->again, RETRY_NS);
		}
		return;
	}
}

/* ---- Connecting ----------------------------------------------------------------------------------------- */

static void try_connect(struct medio_vhost *vhost)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 &&
		connect(fd, (const struct sockaddr *)&vhost->addr, sizeof(vhost->addr)) == 0) {
		vhost->waited = false;
		if (admit(vhost, fd))
			connect_later(vhost);
		return;
	}
	if (!vhost->waited)
		medio_instance_log(vhost->inst, MEDIO_LOG_INFO,
			"waiting for a front-end to listen at '%s' (%s)", vhost->addr.sun_path,
			strerror(errno));
	vhost->waited = true;
	if (fd >= 0)
		close(fd);
	connect_later(vhost);
}

static void on_again(void *opaque)
{
	struct medio_vhost *vhost = opaque;
	if (vhost->opts.connect)
		try_connect(vhost);
	else if (vhost->watch)
		medio_watch_set(vhost->watch, EPOLLIN);
}

static int start_connecting(struct medio_vhost *vhost, const char *path, struct medio_error **err)
{
	size_t len = strlen(path);
	if (!len)
		return medio_error_set(err, EINVAL, "the socket path is empty");
	if (len >= sizeof(vhost->addr.sun_path))
		return medio_error_set(err, ENAMETOOLONG,
			"socket path is %zu bytes long, at most %zu are possible: '%s'", len,
			sizeof(vhost->addr.sun_path) - 1, path);
	vhost->addr.sun_family = AF_UNIX;
	memcpy(vhost->addr.sun_path, path, len + 1);
	vhost->pause_ns = PAUSE_FIRST_NS;
	try_connect(vhost);
	return 0;
}

static int start_listening(struct medio_vhost *vhost, const char *path, struct medio_error **err)
{
	int ret = medio_listener_open(&vhost->listener, path, vhost->opts.mode, err);
	if (ret)
		return ret;
	vhost->watch = medio_loop_watch(
		medio_instance_loop(vhost->inst), vhost->listener.fd, EPOLLIN, on_accept, vhost);
	return vhost->watch ? 0
			    : medio_error_set(
				      err, errno, "cannot watch the socket: %s", strerror(errno));
}

/* ---- Life ------------------------------------------------------------------------------------------------- */

static int make(struct medio_instance *inst, const struct medio_vhost_options *opts,
	struct medio_vhost **out, struct medio_error **err)
{
	struct medio_vhost *vhost = calloc(1, sizeof(*vhost));
	if (!vhost) {
		medio_error_set(err, ENOMEM, "out of memory");
		return -ENOMEM;
	}
	vhost->inst = inst;
	vhost->listener.fd = -1;
	if (opts)
		vhost->opts = *opts;
	if (!vhost->opts.client_timeout_ms)
		vhost->opts.client_timeout_ms = DEFAULT_TIMEOUT_MS;
	if (!vhost->opts.mode)
		vhost->opts.mode = 0600;
	struct medio_loop *loop = medio_instance_loop(inst);
	vhost->reaper = medio_loop_timer(loop, reap, vhost);
	vhost->again = medio_loop_timer(loop, on_again, vhost);
	if (!vhost->reaper || !vhost->again) {
		medio_vhost_free(vhost);
		medio_error_set(err, ENOMEM, "out of memory");
		return -ENOMEM;
	}
	vhost->core = medio_virtio_bare_attach(medio_instance_device(inst), &transport, vhost);
	if (!vhost->core) {
		medio_vhost_free(vhost);
		medio_error_set(err, ENOTSUP,
			"%s cannot be served over vhost-user: it is not a bare virtio device "
			"(medio_instance_new_bare), or is served already",
			medio_instance_type(inst)->name);
		return -ENOTSUP;
	}
	medio_virtio_core_withhold(vhost->core, MEDIO_VHOST_WITHHELD);
	*out = vhost;
	return 0;
}

int medio_vhost_new(struct medio_instance *inst, const char *path,
	const struct medio_vhost_options *opts, struct medio_vhost **out, struct medio_error **err)
{
	struct medio_vhost *vhost;
	int ret = make(inst, opts, &vhost, err);
	if (ret)
		return ret;
	ret = vhost->opts.connect ? start_connecting(vhost, path, err)
				  : start_listening(vhost, path, err);
	if (ret) {
		medio_vhost_free(vhost);
		return ret;
	}
	*out = vhost;
	return 0;
}

int medio_vhost_new_fd(struct medio_instance *inst, int fd, const struct medio_vhost_options *opts,
	struct medio_vhost **out, struct medio_error **err)
{
	struct medio_vhost *vhost;
	int ret = make(inst, opts, &vhost, err);
	if (ret) {
		close(fd);
		return ret;
	}
	vhost->opts.connect = false;
	ret = admit(vhost, fd);
	if (ret) {
		medio_vhost_free(vhost);
		return medio_error_set(err, -ret, "cannot take the connection: %s", strerror(-ret));
	}
	*out = vhost;
	return 0;
}

void medio_vhost_free(struct medio_vhost *vhost)
{
	if (!vhost)
		return;
	medio_watch_free(vhost->watch);
	medio_listener_close(&vhost->listener);
	/* What is in flight is given back, and the driver told, before nobody carries the device. */
	medio_vhost_session_free(vhost->session);
	if (vhost->core)
		medio_virtio_bare_detach(medio_instance_device(vhost->inst));
	medio_timer_free(vhost->again);
	medio_timer_free(vhost->reaper);
	free(vhost);
}
