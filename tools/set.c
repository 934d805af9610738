/* SPDX-License-Identifier: BSD-3-Clause */
/* medio set: attributes and parameters of a running instance. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <medio/driver.h>

#include "client.h"
#include "text.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/nearest.h"

#define MAX_NAMES 256
#define ROOM	  (1u << 17) /* bytes of an attribute, at most */

struct options {
	bool json;
};

static const struct medio_option options[] = {
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct options, json), NULL,
		"Print a JSON list of attributes, with value and writable" },
	{ NULL },
};

/* What one run of the command holds. */
struct set {
	const struct medio_command *cmd;
	const char *uuid; /* or a socket's path: without mediod */
	bool served;
	struct medio_client client;
	struct json_object *attrs; /* all that the instance has */
};

/* ---- Which attribute --------------------------------------------------------------------------- */

static struct json_object *find_exact(const struct set *set, const char *folder, const char *name)
{
	size_t len = strlen(folder);

	for (size_t i = 0; i < json_object_array_length(set->attrs); i++) {
		struct json_object *entry = json_object_array_get_idx(set->attrs, i);
		const char *attr = medio_json_string(entry, "attr");
		if (!strncmp(attr, folder, len) && !strcmp(attr + len, name))
			return entry;
	}
	return NULL;
}

/* An attribute by its name without its folder. */
static struct json_object *find_last(const struct set *set, const char *name)
{
	for (size_t i = 0; i < json_object_array_length(set->attrs); i++) {
		struct json_object *entry = json_object_array_get_idx(set->attrs, i);
		const char *slash = strrchr(medio_json_string(entry, "attr"), '/');
		if (slash && !strcmp(slash + 1, name))
			return entry;
	}
	return NULL;
}

/* "port0" is "params/port0", "mode" is "medio/mode", "link" is "net/link". */
static struct json_object *find(const struct set *set, const char *name, struct medio_error **err)
{
	static const char *const folders[] = { "", "params/", "medio/", "vendor/" };
	const char *names[MAX_NAMES];
	unsigned count = 0;

	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(folders); i++) {
		struct json_object *entry = find_exact(set, folders[i], name);
		if (entry)
			return entry;
	}
	struct json_object *last = find_last(set, name);
	if (last)
		return last;
	for (size_t i = 0; i < json_object_array_length(set->attrs) && count < MAX_NAMES; i++) {
		const char *attr = medio_json_string(
			json_object_array_get_idx(set->attrs, i), "attr");
		const char *slash = strchr(attr, '/');
		names[count++] = slash ? slash + 1 : attr;
	}
	medio_unknown(err, "attribute", name, names, count);
	return NULL;
}

/* ---- Reading ----------------------------------------------------------------------------------- */

/* "rw NAME" of a device that is looked at without mediod; the value is read. */
static int add_served(struct set *set, char *line, char *text, struct medio_error **err)
{
	struct json_object *entry = json_object_new_object();
	bool readable = line[0] == 'r';

	json_object_array_add(set->attrs, entry);
	medio_json_set(entry, "attr", line + 3);
	json_object_object_add(entry, "writable", json_object_new_boolean(line[1] == 'w'));
	if (!readable)
		return 0;
	size_t len = 0;
	int ret = medio_observe(set->uuid, line + 3, NULL, text, ROOM, &len, err);
	if (ret)
		return ret;
	/* As a file of the tree has it, the last line may have an end. */
	if (len && text[len - 1] == '\n')
		text[len - 1] = '\0';
	medio_json_set(entry, "value", text);
	return 0;
}

static int read_served(struct set *set, struct medio_error **err)
{
	_cleanup_free_ char *names = malloc(ROOM), *text = malloc(ROOM);
	char *rest = names, *line;

	if (!names || !text)
		return medio_error_set(err, ENOMEM, "out of memory");
	set->attrs = json_object_new_array();
	int ret = medio_observe(set->uuid, "", NULL, names, ROOM, NULL, err);
	while (ret == 0 && (line = strsep(&rest, "\n")) && strlen(line) > 3)
		ret = add_served(set, line, text, err);
	return ret;
}

static int read_attrs(struct set *set, struct medio_error **err)
{
	if (set->served)
		return read_served(set, err);
	struct json_object *request = medio_client_request("get");
	medio_client_set(request, "uuid", set->uuid);
	return medio_client_ask(&set->client, request, &set->attrs, err);
}

/* A value of several lines stands below itself. */
static void print_value(struct json_object *value, unsigned indent)
{
	const char *text = value ? json_object_get_string(value) : "";

	for (;;) {
		size_t len = strcspn(text, "\n");
		_cleanup_free_ char *line = strndup(text, len);
		if (line)
			medio_text_print(line, stdout);
		putchar('\n');
		if (!text[len])
			return;
		text += len + 1;
		printf("%*s", (int)indent, "");
	}
}

static void print_attrs(const struct set *set)
{
	size_t count = json_object_array_length(set->attrs);
	unsigned width = 0;

	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(
			medio_json_string(json_object_array_get_idx(set->attrs, i), "attr"));
		width = len > width ? (unsigned)len : width;
	}
	for (size_t i = 0; i < count; i++) {
		struct json_object *entry = json_object_array_get_idx(set->attrs, i);
		bool writable = json_object_get_boolean(medio_json_get(entry, "writable"));
		printf("%s %s%-*s%s  ", writable ? "rw" : "r ", writable ? medio_bold(stdout) : "",
			(int)width, medio_json_string(entry, "attr"),
			writable ? medio_plain(stdout) : "");
		print_value(medio_json_get(entry, "value"), width + 5);
	}
}

/* ---- Writing ----------------------------------------------------------------------------------- */

static int store(struct set *set, const char *attr, const char *value, struct medio_error **err)
{
	if (set->served)
		return medio_observe(set->uuid, attr, value, NULL, 0, NULL, err);
	struct json_object *request = medio_client_request("set");
	medio_client_set(request, "uuid", set->uuid);
	medio_client_set(request, "attr", attr);
	medio_client_set(request, "value", value);
	return medio_client_ask(&set->client, request, NULL, err);
}

/* "NAME=VALUE" is written, "NAME" printed. */
static int take(struct set *set, const char *text, struct medio_error **err)
{
	const char *equals = strchr(text, '=');
	_cleanup_free_ char *name = strndup(text, equals ? (size_t)(equals - text) : strlen(text));
	struct json_object *entry;

	if (!name)
		return medio_error_set(err, ENOMEM, "out of memory");
	entry = find(set, name, err);
	if (!entry)
		return -EINVAL;
	const char *attr = medio_json_string(entry, "attr");
	if (equals)
		return store(set, attr, equals + 1, err);
	print_value(medio_json_get(entry, "value"), 0);
	return 0;
}

static int work(struct set *set, const struct options *opts, const struct medio_option_list *args,
	struct medio_error **err)
{
	int ret = read_attrs(set, err);

	if (ret == 0 && args->count == 1) {
		if (opts->json)
			medio_json_print(set->attrs);
		else
			print_attrs(set);
	}
	for (unsigned i = 1; i < args->count && ret == 0; i++)
		ret = take(set, args->items[i], err);
	return ret;
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	struct set set = { .cmd = cmd, .uuid = args->items[0] };
	struct medio_error *err = NULL;
	int ret = 0;

	/* A UUID has no slash; a socket's path has one, or a URI in front. */
	set.served = strchr(set.uuid, '/') || strchr(set.uuid, ':');
	if (!set.served)
		ret = medio_client_open(&set.client, &err);
	if (ret == 0)
		ret = work(&set, options_, args, &err);
	if (!set.served)
		medio_client_close(&set.client);
	json_object_put(set.attrs);
	return ret ? medio_client_fail(cmd, ret, err) : MEDIO_EXIT_OK;
}

const struct medio_command medio_command_set = {
	.name = "set",
	.summary = "Show or change attributes of a device, and parameters of an instance",
	.arguments = "DEVICE [NAME[=VALUE]…]",
	.min_args = 1,
	.max_args = 256,
	.options = options,
	.options_size = sizeof(struct options),
	.run = run,
};
