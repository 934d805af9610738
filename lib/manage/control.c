/* SPDX-License-Identifier: BSD-3-Clause */
/* The socket and its connections. What is asked stands in control-ops.c. */
#include "manage/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "manage/describe.h"
#include "manage/lines.h"
#include "manage/patience.h"
#include "manage/request.h"
#include "util/cleanup.h"
#include "util/error.h"

#define MAX_LINE	65536
#define MAX_OUTPUT	(1 << 20)
#define MAX_CONNECTIONS 512
#define MAX_OF_A_USER	16 /* of one who may not administer */
#define ACCEPTS_A_TURN	16
#define MAX_LEFT_BEHIND 64	  /* lines of a client that has hung up: nobody hears the answers */
#define RETRY_NS	100000000 /* when there are no file descriptors left */

struct medio_connection {
	struct medio_list item; /* in control->connections */
	struct medio_control *control;
	struct medio_watch *watch; /* NULL: hung */
	int fd;
	struct medio_who who;
	struct medio_lines in;
	struct medio_output out;
	struct medio_request *request; /* being done; NULL: none */
	bool pumping;
	bool ended;	      /* no more input will come */
	bool hung;	      /* the other end has gone: what is left is to do what it asked for */
	unsigned left_behind; /* lines handled since */
	bool monitor;
	uint64_t lost; /* events, since the last one told */
};

struct medio_control {
	struct medio_manager *manager;
	struct medio_control_options opts;
	int fd; /* listening, -1: none */
	char *path;
	struct stat node; /* of path: what stands there later may be another daemon's */
	struct medio_watch *watch;
	struct medio_timer *retry;
	struct medio_list connections, requests;
	unsigned num_connections;
	struct medio_mdev_subscriber *subscriber;
	uint64_t seqnum;
	struct timespec since;
};

/* ---- Connections ------------------------------------------------------------------------------- */

static void pump(struct medio_connection *conn);

static void connection_free(struct medio_connection *conn)
{
	/* What was asked for goes on; nobody hears of it. */
	if (conn->request)
		conn->request->conn = NULL;
	medio_list_remove(&conn->item);
	conn->control->num_connections--;
	medio_watch_free(conn->watch);
	medio_patience_close(conn->fd);
	medio_lines_free(&conn->in);
	medio_output_free(&conn->out);
	free(conn);
}

static void hang_up(struct medio_connection *conn)
{
	conn->hung = true;
	medio_output_free(&conn->out);
	/* epoll would tell of it again and again. */
	medio_watch_free(medio_steal_ptr(conn->watch));
}

/* End a connection that is no good any more; the loop will tell that it has hung up. */
static void cut(struct medio_connection *conn)
{
	medio_output_free(&conn->out);
	shutdown(conn->fd, SHUT_RDWR);
}

static void put(struct medio_connection *conn, struct json_object *object)
{
	size_t len;
	const char *text = json_object_to_json_string_length(
		object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);

	/* Without memory an answer would be missing, and the next one be taken for it. */
	if (!conn->hung && (!text || medio_output_line(&conn->out, text, len)))
		cut(conn);
}

static void tell_lost(struct medio_connection *conn)
{
	struct json_object *object;

	if (!conn->lost || medio_output_waiting(&conn->out) >= MAX_OUTPUT)
		return;
	object = json_object_new_object();
	json_object_object_add(object, "lost", json_object_new_uint64(conn->lost));
	put(conn, object);
	json_object_put(object);
	conn->lost = 0;
}

static void flush(struct medio_connection *conn)
{
	int ret = medio_output_send(&conn->out, conn->fd);

	if (ret && ret != -EAGAIN)
		cut(conn);
}

static void update_watch(struct medio_connection *conn)
{
	size_t waiting = medio_output_waiting(&conn->out);
	uint32_t events = 0;

	if (!conn->watch)
		return;
	if (!conn->request && !conn->ended && waiting < MAX_OUTPUT)
		events |= EPOLLIN;
	if (waiting)
		events |= EPOLLOUT;
	medio_watch_set(conn->watch, events);
}

/* ---- Requests ---------------------------------------------------------------------------------- */

static void refuse(struct medio_request *request)
{
	struct medio_error *err = NULL;

	medio_manager_refused(request->manager, &request->who, "'%s'", request->op->name);
	medio_error_set(&err, EACCES, "%s may '%s'; you may not",
		request->op->right == MEDIO_MAY_CREATE
			? "root, mediod's own user and members of its group"
			: "root and mediod's own user",
		request->op->name);
	medio_request_error(request, -EACCES, err);
}

/* Answers at once if the line is wrong. */
static void handle(struct medio_connection *conn, const char *line, size_t len)
{
	struct medio_request *request = calloc(1, sizeof(*request));
	struct medio_control *control = conn->control;
	struct medio_error *err = NULL;

	if (!request) {
		cut(conn);
		return;
	}
	medio_list_append(&control->requests, &request->item);
	request->control = control;
	request->conn = conn;
	request->manager = control->manager;
	request->who = conn->who;
	conn->request = request;
	int ret = line ? medio_request_parse(line, len, &request->json, &request->op, &err)
		       : medio_error_set(&err, EMSGSIZE, "a line has at most %d bytes", MAX_LINE);
	if (ret || !request->op)
		medio_request_error(request, ret, err);
	else if (!medio_policy_allows(&control->manager->policy, &conn->who, request->op->right, 0))
		refuse(request);
	else
		request->op->run(request);
}

void medio_control_answer(struct medio_request *request, struct json_object *object)
{
	struct medio_connection *conn = request->conn;

	if (conn) {
		put(conn, object);
		conn->request = NULL;
	}
	json_object_put(object);
	json_object_put(request->json);
	medio_list_remove(&request->item);
	free(request);
	if (conn && !conn->pumping)
		pump(conn);
}

/* Every line that is there, while it may. */
static void handle_lines(struct medio_connection *conn)
{
	char *line;
	size_t len;

	while (!conn->request && medio_output_waiting(&conn->out) < MAX_OUTPUT) {
		int ret = medio_lines_next(&conn->in, &line, &len);
		if (ret == 0)
			return;
		if (conn->hung && ++conn->left_behind > MAX_LEFT_BEHIND) {
			conn->ended = true;
			return;
		}
		handle(conn, ret == 1 ? line : NULL, len);
		flush(conn);
	}
}

/* Whether there was something, or the end. */
static bool receive(struct medio_connection *conn)
{
	size_t room;
	char *space = medio_lines_space(&conn->in, &room);

	if (!space) {
		cut(conn);
		conn->ended = true;
		return false;
	}
	ssize_t n = medio_patience_recv(conn->fd, space, room);
	if (n > 0)
		medio_lines_received(&conn->in, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK) || conn->hung)
		conn->ended = true;
	return n > 0;
}

static bool may_receive(const struct medio_connection *conn)
{
	return !conn->request && !conn->ended && medio_output_waiting(&conn->out) < MAX_OUTPUT;
}

/* One receive a turn, so that one client cannot keep the daemon to itself; what somebody left
 * behind who has hung up is not much. */
static void pump(struct medio_connection *conn)
{
	bool more = true;

	conn->pumping = true;
	handle_lines(conn);
	while (more && may_receive(conn)) {
		more = receive(conn) && conn->hung;
		handle_lines(conn);
	}
	tell_lost(conn);
	flush(conn);
	conn->pumping = false;
	bool done = conn->ended && !conn->request && !medio_output_waiting(&conn->out);
	if (done && (!conn->monitor || conn->hung))
		connection_free(conn);
	else
		update_watch(conn);
}

static void on_ready(void *opaque, uint32_t events)
{
	struct medio_connection *conn = opaque;

	if (events & (EPOLLHUP | EPOLLERR))
		hang_up(conn);
	else
		flush(conn);
	pump(conn);
}

/* ---- Events ------------------------------------------------------------------------------------ */

static void tell(struct medio_connection *conn, struct json_object *object)
{
	tell_lost(conn);
	if (medio_output_waiting(&conn->out) >= MAX_OUTPUT) {
		conn->lost++;
		return;
	}
	put(conn, object);
	flush(conn);
	update_watch(conn);
}

static void on_event(void *opaque, const struct medio_mdev_event *event)
{
	struct medio_control *control = opaque;
	struct json_object *object = NULL;

	control->seqnum++;
	medio_list_for_each (item, &control->connections) {
		struct medio_connection *conn = medio_container_of(
			item, struct medio_connection, item);
		if (!conn->monitor || conn->hung)
			continue;
		if (!object) {
			struct json_object *inner = medio_describe_event(event);
			object = json_object_new_object();
			json_object_object_add(
				inner, "seqnum", json_object_new_uint64(control->seqnum));
			json_object_object_add(object, "event", inner);
		}
		tell(conn, object);
	}
	json_object_put(object);
}

void medio_control_subscribe(struct medio_request *request)
{
	if (request->conn)
		request->conn->monitor = true;
	medio_request_done(request, json_object_new_object());
}

/* ---- Coming ------------------------------------------------------------------------------------ */

static bool too_many(const struct medio_control *control, const struct medio_who *who)
{
	unsigned count = 0;

	if (medio_policy_allows(&control->manager->policy, who, MEDIO_MAY_ADMINISTER, 0))
		return control->num_connections >= 2 * MAX_CONNECTIONS;
	medio_list_for_each (item, &control->connections)
		count += medio_container_of(item, struct medio_connection, item)->who.uid ==
			 who->uid;
	return count >= MAX_OF_A_USER || control->num_connections >= MAX_CONNECTIONS;
}

static int turn_away(struct medio_control *control, int fd, const struct medio_who *who)
{
	static const char words[] =
		"{\"ok\":false,\"errno\":\"EUSERS\",\"error\":\"too many connections\"}\n";

	medio_manager_log(control->manager, MEDIO_LOG_WARN,
		"control: uid %u has too many connections", (unsigned)who->uid);
	send(fd, words, sizeof(words) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	medio_patience_close(fd);
	return -EUSERS;
}

int medio_control_take(struct medio_control *control, int fd, const struct medio_who *who)
{
	struct medio_connection *conn;

	if (too_many(control, who))
		return turn_away(control, fd, who);
	conn = calloc(1, sizeof(*conn));
	if (conn)
		conn->watch = medio_loop_watch(control->manager->loop, fd, EPOLLIN, on_ready, conn);
	if (!conn || !conn->watch) {
		free(conn);
		medio_patience_close(fd);
		return -ENOMEM;
	}
	conn->control = control;
	conn->fd = fd;
	medio_patience_no_descriptors(fd);
	conn->who = *who;
	conn->in.max = MAX_LINE;
	medio_list_append(&control->connections, &conn->item);
	control->num_connections++;
	return 0;
}

static void on_connect(void *opaque, uint32_t events)
{
	struct medio_control *control = opaque;
	(void)events;

	for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
		struct medio_who who;
		int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
				errno == ENOBUFS) {
				medio_manager_log(control->manager, MEDIO_LOG_ERROR,
					"control: accept: %s", strerror(errno));
				medio_watch_set(control->watch, 0);
				medio_timer_arm(control->retry, RETRY_NS);
			}
			return;
		}
		if (medio_policy_peer(fd, &who))
			close(fd);
		else
			medio_control_take(control, fd, &who);
	}
}

static void on_retry(void *opaque)
{
	struct medio_control *control = opaque;

	medio_watch_set(control->watch, EPOLLIN);
}

/* ---- The socket -------------------------------------------------------------------------------- */

/* Whether somebody listens at addr. */
static bool is_alive(const struct sockaddr_un *addr)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* EAGAIN: there is somebody, who has a full queue. */
	return fd >= 0 && (!connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) ||
				  errno == EAGAIN || errno == EACCES);
}

static int bind_at(struct medio_control *control, struct medio_error **err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = control->path;

	if (strlen(path) >= sizeof(addr.sun_path))
		return medio_error_set(err, ENAMETOOLONG,
			"%s: a socket's path has at most %zu bytes", path,
			sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (is_alive(&addr))
		return medio_error_set(err, EADDRINUSE,
			"a mediod serves %s already; 'mediod --replace' takes its place and keeps "
			"its instances",
			control->manager->places.runtime);
	unlink(path);
	medio_patience_no_descriptors(control->fd);
	if (bind(control->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		/* Who may do what is decided for each request. */
		chmod(path, 0666) < 0 || stat(path, &control->node) < 0 ||
		listen(control->fd, SOMAXCONN) < 0)
		return medio_error_set(err, errno, "%s: %s", path, strerror(errno));
	return 0;
}

static int listen_at(struct medio_control *control, struct medio_error **err)
{
	if (asprintf(&control->path, "%s/control", control->manager->places.runtime) < 0) {
		control->path = NULL;
		return medio_error_set(err, ENOMEM, "out of memory");
	}
	control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (control->fd < 0)
		return medio_error_set(err, errno, "socket: %s", strerror(errno));
	return bind_at(control, err);
}

/* One that another program has opened for us. */
static int check_listener(struct medio_control *control, struct medio_error **err)
{
	socklen_t len = sizeof(int);
	int listens = 0, flags = fcntl(control->fd, F_GETFL);

	if (flags < 0 || fcntl(control->fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
		getsockopt(control->fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0)
		return medio_error_set(err, errno, "control socket: %s", strerror(errno));
	medio_patience_no_descriptors(control->fd);
	return listens ? 0 : medio_error_set(err, EINVAL, "control socket: it does not listen");
}

static int begin(struct medio_control *control, struct medio_error **err)
{
	struct medio_manager *m = control->manager;
	int ret = control->fd < 0 ? listen_at(control, err) : check_listener(control, err);

	if (ret)
		return ret;
	control->retry = medio_loop_timer(m->loop, on_retry, control);
	control->watch = medio_loop_watch(m->loop, control->fd, EPOLLIN, on_connect, control);
	if (!control->retry || !control->watch)
		return medio_error_set(err, ENOMEM, "cannot wait for connections");
	ret = medio_bus_subscribe(m->bus, on_event, control, &control->subscriber);
	return ret ? medio_error_set(err, -ret, "out of memory") : 0;
}

int medio_control_new(struct medio_manager *m, const struct medio_control_options *opts,
	struct medio_control **out, struct medio_error **err)
{
	struct medio_control *control = calloc(1, sizeof(*control));

	if (!control) {
		if (opts->fd >= 0)
			close(opts->fd);
		return medio_error_set(err, ENOMEM, "out of memory");
	}
	control->manager = m;
	control->opts = *opts;
	control->fd = opts->fd;
	medio_list_init(&control->connections);
	medio_list_init(&control->requests);
	clock_gettime(CLOCK_REALTIME, &control->since);
	int ret = begin(control, err);
	if (ret) {
		medio_control_free(control);
		return ret;
	}
	*out = control;
	return 0;
}

static void remove_socket(struct medio_control *control)
{
	struct stat now;

	if (control->path && control->node.st_ino && !stat(control->path, &now) &&
		now.st_dev == control->node.st_dev && now.st_ino == control->node.st_ino)
		unlink(control->path);
}

void medio_control_free(struct medio_control *control)
{
	if (!control)
		return;
	medio_mdev_unsubscribe(control->subscriber);
	medio_list_for_each (item, &control->connections) {
		struct medio_connection *conn = medio_container_of(
			item, struct medio_connection, item);
		flush(conn);
		connection_free(conn);
	}
	/* Those are still being done, and are answered to nobody. */
	medio_list_for_each (item, &control->requests) {
		medio_container_of(item, struct medio_request, item)->control = NULL;
		medio_list_remove(item);
	}
	medio_watch_free(control->watch);
	medio_timer_free(control->retry);
	remove_socket(control);
	if (control->fd >= 0)
		medio_patience_close(control->fd);
	free(control->path);
	free(control);
}

/* ---- For operations ---------------------------------------------------------------------------- */

const struct medio_control_options *medio_control_options_of(const struct medio_control *control)
{
	return &control->opts;
}

struct json_object *medio_control_hello(const struct medio_control *control)
{
	const struct medio_manager *m = control->manager;
	struct json_object *hello = json_object_new_object();

	json_object_object_add(hello, "version", json_object_new_string(MEDIO_VERSION));
	json_object_object_add(hello, "pid", json_object_new_int(getpid()));
	json_object_object_add(hello, "uid", json_object_new_int64(m->policy.uid));
	json_object_object_add(hello, "runtime", json_object_new_string(m->places.runtime));
	json_object_object_add(hello, "definitions", json_object_new_string(m->places.definitions));
	json_object_object_add(hello, "since", medio_describe_time(&control->since));
	return hello;
}
