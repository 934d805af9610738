/* SPDX-License-Identifier: BSD-3-Clause */
/* A command that asks the mediod there is: lib/manage/control.h has what can be asked. */
#ifndef MEDIO_TOOLS_CLIENT_H
#define MEDIO_TOOLS_CLIENT_H

#include <json-c/json.h>
#include <stddef.h>

#include "command.h"
#include "manage/lines.h"

struct medio_error;

struct medio_client {
	int fd;
	char *path; /* of the control socket */
	struct medio_lines in;
};

/* Connect to the daemon. Errors with words, which say how to start one: -ENOENT or -ECONNREFUSED
 * none runs; -EACCES. */
int medio_client_open(struct medio_client *client, struct medio_error **err);
/* Harmless on zeros. */
void medio_client_close(struct medio_client *client);

/*
 * Ask and wait for the answer. request is freed; *result is the caller's to json_object_put(), and
 * may be NULL if nobody wants it. -errno and words are the daemon's; -ENOTCONN: it has gone.
 * events of a subscription that come before are dropped.
 */
int medio_client_ask(struct medio_client *client, struct json_object *request,
	struct json_object **result, struct medio_error **err);
/* The two halves of it: nothing else may be asked between them. */
int medio_client_send(struct medio_client *client, struct json_object *request);
int medio_client_wait(
	struct medio_client *client, struct json_object **result, struct medio_error **err);
/* The next line that is there: 1 and *line; 0 nothing is there (poll client->fd); -ENOTCONN the
 * daemon has gone; -EPROTO it speaks nonsense; -ENOMEM. */
int medio_client_next(struct medio_client *client, struct json_object **line);

/* {"op":op}, to add to. */
struct json_object *medio_client_request(const char *op);
/* Set a key; nothing happens if value is NULL or has no items. */
void medio_client_set(struct json_object *request, const char *key, const char *value);
void medio_client_set_list(
	struct json_object *request, const char *key, const char *const *items, unsigned count);
/* For a command that asks once: open, ask, close. MEDIO_EXIT_OK, or what to exit with, after saying
 * why: MEDIO_EXIT_USAGE if what was asked makes no sense (EINVAL). */
int medio_client_run(
	const struct medio_command *cmd, struct json_object *request, struct json_object **result);
/* The same for a failure of one's own: say it, free err, give what to exit with. */
int medio_client_fail(const struct medio_command *cmd, int ret, struct medio_error *err);

/* Fields of an answer: "" or 0 if there is no such key. */
const char *medio_json_string(const struct json_object *object, const char *key);
int64_t medio_json_int(const struct json_object *object, const char *key);
/* NULL: none, or null. */
struct json_object *medio_json_get(const struct json_object *object, const char *key);
/* In a request or answer being made. */
void medio_json_set(struct json_object *object, const char *key, const char *value);
/* On standard output, over several lines, as every command's --json does. */
void medio_json_print(struct json_object *object);

#endif
