/* SPDX-License-Identifier: BSD-3-Clause */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "manage/config.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Ten thousand instances are 6 MiB; this is only a limit for nonsense. */
#define MAX_LINE (256u << 20)

/* ---- The connection ---------------------------------------------------------------------------- */

static int out_of_memory(struct medio_error **err)
{
	return medio_error_set(err, ENOMEM, "out of memory");
}

static int no_daemon(const char *path, int errnum, struct medio_error **err)
{
	if (errnum == ENOENT || errnum == ECONNREFUSED)
		return medio_error_set(err, errnum,
			"no mediod serves %s; 'mediod' starts one in the foreground, 'systemctl "
			"start mediod' the machine's, and $MEDIO_RUNTIME_DIR says where one is",
			path);
	return medio_error_set(err, errnum, "%s: %s", path, strerror(errnum));
}

static int connect_to(struct medio_client *client, struct medio_error **err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(client->path);

	if (len >= sizeof(addr.sun_path))
		return no_daemon(client->path, ENAMETOOLONG, err);
	memcpy(addr.sun_path, client->path, len + 1);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0 || connect(client->fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return no_daemon(client->path, errno, err);
	return 0;
}

int medio_client_open(struct medio_client *client, struct medio_error **err)
{
	_cleanup_free_ char *runtime = medio_config_find_daemon();

	*client = (struct medio_client){ .fd = -1, .in.max = MAX_LINE };
	if (!runtime || asprintf(&client->path, "%s/control", runtime) < 0) {
		client->path = NULL;
		return out_of_memory(err);
	}
	int ret = connect_to(client, err);
	if (ret)
		medio_client_close(client);
	return ret;
}

void medio_client_close(struct medio_client *client)
{
	if (client->path && client->fd >= 0)
		close(client->fd);
	medio_lines_free(&client->in);
	free(client->path);
	*client = (struct medio_client){ .fd = -1 };
}

static int parse_line(char *line, struct json_object **out)
{
	enum json_tokener_error error;
	struct json_object *object = json_tokener_parse_verbose(line, &error);

	if (!json_object_is_type(object, json_type_object)) {
		json_object_put(object);
		return -EPROTO;
	}
	*out = object;
	return 1;
}

/* wait: until there is a line. */
static int next_line(struct medio_client *client, bool wait, struct json_object **out)
{
	for (;;) {
		char *line, *space;
		size_t len, room;
		int ret = medio_lines_next(&client->in, &line, &len);
		if (ret)
			return ret < 0 ? -EPROTO : parse_line(line, out);
		space = medio_lines_space(&client->in, &room);
		if (!space)
			return -ENOMEM;
		ssize_t n = recv(client->fd, space, room, wait ? 0 : MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return 0;
		if (n < 0 && errno == EINTR && wait)
			continue;
		if (n <= 0)
			return n < 0 && errno == EINTR ? 0 : -ENOTCONN;
		medio_lines_received(&client->in, (size_t)n);
	}
}

int medio_client_next(struct medio_client *client, struct json_object **line)
{
	return next_line(client, false, line);
}

/* ---- Asking ------------------------------------------------------------------------------------ */

static int errno_of(const char *name)
{
	for (int i = 1; i < 140; i++) {
		const char *known = strerrorname_np(i);
		if (known && !strcmp(known, name))
			return i;
	}
	return EIO;
}

static int refused(const struct json_object *answer, struct medio_error **err)
{
	return medio_error_set(err, errno_of(medio_json_string(answer, "errno")), "%s",
		medio_json_string(answer, "error"));
}

/* Events may come before the answer. */
static int wait_answer(struct medio_client *client, struct json_object **answer)
{
	for (;;) {
		int ret = next_line(client, true, answer);
		if (ret <= 0) /* nothing: a time limit that the caller set on the socket */
			return ret ? ret : -ETIMEDOUT;
		if (medio_json_get(*answer, "ok"))
			return 0;
		json_object_put(*answer);
	}
}

int medio_client_send(struct medio_client *client, struct json_object *request)
{
	struct medio_output out = { 0 };
	size_t len;
	const char *text = json_object_to_json_string_length(
		request, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	int ret = text ? medio_output_line(&out, text, len) : -ENOMEM;

	json_object_put(request);
	while (ret == 0 && medio_output_waiting(&out)) {
		ssize_t n = send(
			client->fd, out.buf + out.start, medio_output_waiting(&out), MSG_NOSIGNAL);
		if (n >= 0)
			out.start += (size_t)n;
		else if (errno != EINTR)
			ret = -ENOTCONN;
	}
	medio_output_free(&out);
	return ret;
}

int medio_client_wait(
	struct medio_client *client, struct json_object **result, struct medio_error **err)
{
	struct json_object *answer = NULL;
	int ret = wait_answer(client, &answer);

	if (ret == -ENOTCONN)
		return medio_error_set(
			err, ENOTCONN, "%s: mediod has gone without an answer", client->path);
	if (ret)
		return medio_error_set(err, -ret, "%s: %s", client->path, strerror(-ret));
	if (!json_object_get_boolean(medio_json_get(answer, "ok")))
		ret = refused(answer, err);
	else if (result)
		*result = json_object_get(medio_json_get(answer, "result"));
	json_object_put(answer);
	return ret;
}

int medio_client_ask(struct medio_client *client, struct json_object *request,
	struct json_object **result, struct medio_error **err)
{
	int ret = medio_client_send(client, request);

	/* One who was turned away, and so cannot send, was told why. */
	if (ret && ret != -ENOTCONN)
		return medio_error_set(err, -ret, "%s: %s", client->path, strerror(-ret));
	return medio_client_wait(client, result, err);
}

int medio_client_fail(const struct medio_command *cmd, int ret, struct medio_error *err)
{
	medio_command_fail(cmd, "%s", err ? medio_error_text(err) : strerror(-ret));
	medio_error_free(err);
	/* What the user wrote is wrong, or the machine said no. */
	return ret == -EINVAL ? MEDIO_EXIT_USAGE : MEDIO_EXIT_FAILURE;
}

int medio_client_run(
	const struct medio_command *cmd, struct json_object *request, struct json_object **result)
{
	struct medio_client client;
	struct medio_error *err = NULL;
	int ret = medio_client_open(&client, &err);

	if (ret) {
		json_object_put(request);
		return medio_client_fail(cmd, ret, err);
	}
	ret = medio_client_ask(&client, request, result, &err);
	medio_client_close(&client);
	return ret ? medio_client_fail(cmd, ret, err) : MEDIO_EXIT_OK;
}

/* ---- JSON -------------------------------------------------------------------------------------- */

struct json_object *medio_client_request(const char *op)
{
	struct json_object *request = json_object_new_object();

	medio_json_set(request, "op", op);
	return request;
}

void medio_json_set(struct json_object *object, const char *key, const char *value)
{
	json_object_object_add(object, key, json_object_new_string(value));
}

void medio_client_set(struct json_object *request, const char *key, const char *value)
{
	if (value)
		medio_json_set(request, key, value);
}

void medio_client_set_list(
	struct json_object *request, const char *key, const char *const *items, unsigned count)
{
	struct json_object *list;

	if (!count)
		return;
	list = json_object_new_array();
	for (unsigned i = 0; i < count; i++)
		json_object_array_add(list, json_object_new_string(items[i]));
	json_object_object_add(request, key, list);
}

struct json_object *medio_json_get(const struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	if (json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, key, &value);
	return value;
}

const char *medio_json_string(const struct json_object *object, const char *key)
{
	struct json_object *value = medio_json_get(object, key);

	return value ? json_object_get_string(value) : "";
}

int64_t medio_json_int(const struct json_object *object, const char *key)
{
	return json_object_get_int64(medio_json_get(object, key));
}

void medio_json_print(struct json_object *object)
{
	puts(json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
}
