/* SPDX-License-Identifier: BSD-3-Clause */
/* mediod --replace: ask the one that runs to leave its workers to us. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "mediod.h"
#include "util/cleanup.h"
#include "util/error.h"

#define ANSWER_SECONDS 5
#define ANSWER_MAX     65536

static const char request[] = "{\"op\":\"leave\"}\n";

static int connect_to(const char *path, int *out, struct medio_error **err)
{
	struct timeval limit = { .tv_sec = ANSWER_SECONDS };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(addr.sun_path))
		return medio_error_set(err, ENAMETOOLONG, "'%s' is too long a path", path);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
		setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
		connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return medio_error_set(err, errno, "cannot speak to the mediod at '%s': %s", path,
			strerror(errno));
	*out = medio_steal_fd(sock);
	return 0;
}

/* A line, as a string without its end; -errno. */
static int receive_line(int sock, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t got = recv(sock, buf + len, size - len, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -ECONNRESET;
		char *end = memchr(buf + len, '\n', (size_t)got);
		if (end) {
			*end = 0;
			return 0;
		}
		len += (size_t)got;
	}
	return -EMSGSIZE;
}

static int understand(const char *line, const char *path, struct medio_error **err)
{
	struct json_object *answer = json_tokener_parse(line), *value;
	int ret = 0;

	if (!json_object_object_get_ex(answer, "ok", &value) || !json_object_get_boolean(value)) {
		bool words = json_object_object_get_ex(answer, "error", &value);
		ret = medio_error_set(err, EPERM, "the mediod at '%s' does not leave: %s", path,
			words ? json_object_get_string(value) : "it does not say why");
	}
	json_object_put(answer);
	return ret;
}

int medio_daemon_replace(const char *runtime, struct medio_error **err)
{
	_cleanup_free_ char *path = NULL, *buf = malloc(ANSWER_MAX);
	_cleanup_close_ int sock = -1;

	if (asprintf(&path, "%s/control", runtime) < 0)
		path = NULL;
	if (!path || !buf)
		return medio_error_set(err, ENOMEM, "out of memory");
	int ret = connect_to(path, &sock, err);
	if (ret)
		return ret;
	if (send(sock, request, strlen(request), MSG_NOSIGNAL) < 0 ||
		(ret = receive_line(sock, buf, ANSWER_MAX)) < 0) {
		int errnum = ret ? -ret : errno;
		return medio_error_set(err, errnum, "the mediod at '%s' does not answer: %s", path,
			errnum == EAGAIN ? "nothing came in 5 s" : strerror(errnum));
	}
	return understand(buf, path, err);
}
