/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The metrics over HTTP. libmicrohttpd is driven by our own loop, through its epoll descriptor: no
 * thread, and no wait. Who listens is local (a unix socket, or loopback), but need not be friendly:
 * there are few connections, each with little memory and little time, and the text, which costs most,
 * is made once a second at most and shared by all that read it.
 */
#include "manage/metrics.h"

#include <errno.h>
#include <limits.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "manage/metrics-accept.h"
#include "manage/metrics-listen.h"
#include "manage/metrics-text.h"
#include "util/cleanup.h"
#include "util/error.h"

#define MAX_CONNECTIONS 16
#define MAX_MEMORY	(16u << 10) /* of one connection: its request and our headers */
#define IDLE_SECONDS	5
#define LIFE_NS		30000000000u /* of a connection, however busy it is */
#define FRESH_NS	1000000000u  /* a text is given again for so long */

struct connection {
	struct medio_list item;
	struct medio_timer *timer;
	int fd; /* libmicrohttpd's */
};

/* The last text in one format. */
struct page {
	struct MHD_Response *response;
	uint64_t made_ns;
};

struct medio_metrics {
	struct medio_manager *manager;
	struct MHD_Daemon *daemon;
	struct medio_watch *watch;
	struct medio_timer *timer; /* when libmicrohttpd wants to run though nothing is ready */
	struct medio_list connections;
	bool closed;	      /* a connection, so there is room to accept another */
	struct page pages[2]; /* OpenMetrics, classic */
	char *path;	      /* of the unix socket; NULL: TCP */
};

/* ---- Answers ----------------------------------------------------------------------------------- */

static enum MHD_Result say(struct MHD_Connection *connection, unsigned status, const char *words)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		strlen(words), (void *)words, MHD_RESPMEM_PERSISTENT);

	if (!response)
		return MHD_NO;
	MHD_add_response_header(
		response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	enum MHD_Result ret = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return ret;
}

static struct MHD_Response *make_page(struct medio_metrics *metrics, bool classic)
{
	size_t size;
	char *text = medio_metrics_print(metrics->manager, classic, &size);

	if (!text)
		return NULL;
	struct MHD_Response *response = MHD_create_response_from_buffer(
		size, text, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(text);
		return NULL;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
		classic ? "text/plain; version=0.0.4; charset=utf-8"
			: "application/openmetrics-text; version=1.0.0; charset=utf-8");
	MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT);
	return response;
}

static enum MHD_Result give_metrics(
	struct medio_metrics *metrics, struct MHD_Connection *connection)
{
	const char *accept = MHD_lookup_connection_value(
		connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
	bool classic = medio_metrics_wants_classic(accept);
	struct page *page = &metrics->pages[classic];
	uint64_t now = medio_now_ns();

	if (!page->response || now - page->made_ns >= FRESH_NS) {
		struct MHD_Response *response = make_page(metrics, classic);
		if (!response)
			return say(connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
				"mediod: out of memory\n");
		if (page->response)
			MHD_destroy_response(page->response);
		*page = (struct page){ .response = response, .made_ns = now };
	}
	return MHD_queue_response(connection, MHD_HTTP_OK, page->response);
}

static enum MHD_Result on_request(void *opaque, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **context)
{
	struct medio_metrics *metrics = opaque;

	(void)version;
	(void)upload;
	(void)upload_size;
	(void)context;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return say(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
			"mediod: only GET and HEAD are allowed\n");
	/* A page in a browser can make its own name mean 127.0.0.1; it cannot choose this header. */
	if (!metrics->path && !medio_metrics_host_ok(MHD_lookup_connection_value(
				      connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST)))
		return say(connection, MHD_HTTP_FORBIDDEN,
			"mediod: ask for localhost, 127.0.0.1 or [::1]\n");
	if (!strcmp(url, "/metrics"))
		return give_metrics(metrics, connection);
	if (!strcmp(url, "/"))
		return say(connection, MHD_HTTP_OK, "mediod: the metrics are at /metrics\n");
	return say(connection, MHD_HTTP_NOT_FOUND, "mediod: there is only /metrics\n");
}

/* ---- Connections ------------------------------------------------------------------------------- */

static void drop_connection(struct connection *connection)
{
	medio_list_remove(&connection->item);
	medio_timer_free(connection->timer);
	free(connection);
}

/* It has had its time; libmicrohttpd notices that nothing can be sent any more. */
static void on_old(void *opaque)
{
	struct connection *connection = opaque;

	shutdown(connection->fd, SHUT_RDWR);
}

static void on_connection(void *opaque, struct MHD_Connection *peer, void **context,
	enum MHD_ConnectionNotificationCode code)
{
	struct medio_metrics *metrics = opaque;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		metrics->closed = true;
		if (*context)
			drop_connection(*context);
		*context = NULL;
		return;
	}
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		peer, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct connection *connection = info ? calloc(1, sizeof(*connection)) : NULL;
	if (!connection)
		return;
	medio_list_init(&connection->item);
	connection->fd = info->connect_fd;
	connection->timer = medio_loop_timer(metrics->manager->loop, on_old, connection);
	if (!connection->timer) {
		free(connection);
		return;
	}
	medio_timer_arm(connection->timer, LIFE_NS);
	medio_list_append(&metrics->connections, &connection->item);
	*context = connection;
}

/* ---- On our loop ------------------------------------------------------------------------------- */

/* With all its connections taken libmicrohttpd does not look who comes; it begins again at the start of
 * a run, and when one has been closed at the end of the last nothing else would make it run. */
static void run(struct medio_metrics *metrics)
{
	MHD_UNSIGNED_LONG_LONG ms;

	metrics->closed = false;
	MHD_run(metrics->daemon);
	if (metrics->closed)
		medio_timer_arm(metrics->timer, 0);
	else if (MHD_get_timeout(metrics->daemon, &ms) == MHD_YES)
		medio_timer_arm(metrics->timer, ms * 1000000u);
	else
		medio_timer_disarm(metrics->timer);
}

static void on_ready(void *opaque, uint32_t events)
{
	(void)events;
	run(opaque);
}

static void on_timer(void *opaque)
{
	run(opaque);
}

static int start(struct medio_metrics *metrics, int fd, struct medio_error **err)
{
	struct medio_loop *loop = metrics->manager->loop;

	metrics->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, metrics,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, MAX_CONNECTIONS,
		MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)MAX_MEMORY, MHD_OPTION_NOTIFY_CONNECTION, on_connection, metrics,
		MHD_OPTION_END);
	if (!metrics->daemon) {
		close(fd);
		return medio_error_set(err, ENOMEM, "libmicrohttpd does not start");
	}
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(
		metrics->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	metrics->timer = medio_loop_timer(loop, on_timer, metrics);
	if (info && metrics->timer)
		metrics->watch = medio_loop_watch(loop, info->epoll_fd, EPOLLIN, on_ready, metrics);
	if (!metrics->watch)
		return medio_error_set(err, ENOMEM, "cannot wait for who asks for metrics");
	return 0;
}

int medio_metrics_new(struct medio_manager *m, const char *where, struct medio_metrics **out,
	struct medio_error **err)
{
	struct medio_metrics *metrics = calloc(1, sizeof(*metrics));
	int fd = -1;

	if (!metrics)
		return medio_error_set(err, ENOMEM, "out of memory");
	metrics->manager = m;
	medio_list_init(&metrics->connections);
	int ret = medio_metrics_listen(where, m->policy.group, &fd, &metrics->path, err);
	if (ret == 0)
		ret = start(metrics, fd, err);
	if (ret) {
		medio_metrics_free(metrics);
		return ret;
	}
	*out = metrics;
	return 0;
}

void medio_metrics_free(struct medio_metrics *metrics)
{
	if (!metrics)
		return;
	medio_watch_free(metrics->watch);
	if (metrics->daemon)
		MHD_stop_daemon(metrics->daemon); /* tells of each connection that it is closed */
	medio_list_for_each (item, &metrics->connections)
		drop_connection(medio_container_of(item, struct connection, item));
	medio_timer_free(metrics->timer);
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(metrics->pages); i++)
		if (metrics->pages[i].response)
			MHD_destroy_response(metrics->pages[i].response);
	if (metrics->path)
		unlink(metrics->path);
	free(metrics->path);
	free(metrics);
}
