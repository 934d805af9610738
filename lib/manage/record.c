/* SPDX-License-Identifier: BSD-3-Clause */
#include "manage/record.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "util/uuid.h"

#define SIZE_MAX_OF_FILE 131072 /* bytes */
#define STRINGS_MAX	 512
#define DEPTH_MAX	 8
#define GROUPS_MAX	 (1 << 30)

const char *const medio_restart_names[] = { "never", "reset", "restore", NULL };

void medio_record_free(struct medio_record *record)
{
	free(record->parent);
	free(record->type);
	free(record->worker);
	medio_strv_free(&record->params);
	medio_strv_free(&record->filters);
	*record = (struct medio_record){ 0 };
}

/* ---- Understand ----------------------------------------------------------------------------------------- */

static int wrong(struct medio_error **err, const char *name, const char *what)
{
	return medio_error_set(err, EINVAL, "\"%s\" is not %s", name, what);
}

static int get_number(struct json_object *from, const char *name, int64_t min, int64_t max,
	int64_t *out, struct medio_error **err)
{
	struct json_object *value;

	if (!json_object_object_get_ex(from, name, &value) ||
		!json_object_is_type(value, json_type_int))
		return wrong(err, name, "a number");
	int64_t number = json_object_get_int64(value);
	if (number < min || number > max)
		return wrong(err, name, "within its limits");
	*out = number;
	return 0;
}

/* A string without NUL or newline, as a name in a folder is if name_only. NULL is left where there is
 * none. */
static int get_string(struct json_object *from, const char *name, bool name_only, char **out,
	struct medio_error **err)
{
	struct json_object *value;

	if (!json_object_object_get_ex(from, name, &value) || !value)
		return 0;
	const char *text = json_object_get_string(value);
	if (!json_object_is_type(value, json_type_string) ||
		strlen(text) != (size_t)json_object_get_string_len(value) || !*text)
		return wrong(err, name, "a text");
	if (name_only && (strchr(text, '/') || text[0] == '.' || strlen(text) > NAME_MAX))
		return wrong(err, name, "a name");
	*out = strdup(text);
	return *out ? 0 : medio_error_set(err, ENOMEM, "out of memory");
}

static int get_strings(struct json_object *from, const char *name, struct medio_strv *out,
	struct medio_error **err)
{
	struct json_object *array;

	if (!json_object_object_get_ex(from, name, &array))
		return 0;
	if (!json_object_is_type(array, json_type_array) ||
		json_object_array_length(array) > STRINGS_MAX)
		return wrong(err, name, "a list of texts");
	for (size_t i = 0; i < json_object_array_length(array); i++) {
		struct json_object *item = json_object_array_get_idx(array, i);
		if (!json_object_is_type(item, json_type_string) ||
			strlen(json_object_get_string(item)) !=
				(size_t)json_object_get_string_len(item))
			return wrong(err, name, "a list of texts");
		if (medio_strv_add(out, json_object_get_string(item)))
			return medio_error_set(err, ENOMEM, "out of memory");
	}
	return 0;
}

static int get_uuid(struct json_object *from, const char *name, char uuid[MEDIO_UUID_TEXT],
	struct medio_error **err)
{
	_cleanup_free_ char *text = NULL;
	uint8_t bytes[MEDIO_UUID_SIZE];

	int ret = get_string(from, name, true, &text, err);
	if (ret)
		return ret;
	if (!text || medio_uuid_parse(text, strlen(text), bytes))
		return wrong(err, name, "a UUID");
	medio_uuid_format(bytes, uuid);
	return 0;
}

static int get_restart(struct json_object *from, int *out, struct medio_error **err)
{
	_cleanup_free_ char *text = NULL;

	int ret = get_string(from, "restart", true, &text, err);
	if (ret)
		return ret;
	for (int i = 0; text && medio_restart_names[i]; i++) {
		if (!strcmp(text, medio_restart_names[i])) {
			*out = i;
			return 0;
		}
	}
	return wrong(err, "restart", "never, reset or restore");
}

/* What only cards with virtual functions have, and these. */
static int get_functions(
	struct json_object *from, struct medio_record *record, struct medio_error **err)
{
	int64_t card = -1, numvfs = 0, unbound = 0, vf = 0;
	int ret = 0;

	if (json_object_object_get_ex(from, "card", NULL)) {
		ret = get_number(from, "card", 0, INT32_MAX, &card, err);
		if (!ret)
			ret = get_number(from, "numvfs", 0, 256, &numvfs, err);
		if (!ret)
			ret = get_number(from, "leave_unbound", 0, 1, &unbound, err);
	}
	if (!ret && json_object_object_get_ex(from, "pf", NULL)) {
		ret = get_uuid(from, "pf", record->pf, err);
		if (!ret)
			ret = get_number(from, "vf", 0, 255, &vf, err);
	}
	record->card = (int)card;
	record->numvfs = (unsigned)numvfs;
	record->leave_unbound = unbound;
	record->vf = (unsigned)vf;
	return ret;
}

static int get_numbers(
	struct json_object *from, struct medio_record *record, struct medio_error **err)
{
	int64_t group = 0, uid = 0, gid = 0, mode = 0, created = 0;

	int ret = get_number(from, "group", 0, GROUPS_MAX, &group, err);
	if (!ret)
		ret = get_number(from, "uid", 0, UINT32_MAX - 1, &uid, err);
	if (!ret)
		ret = get_number(from, "gid", 0, UINT32_MAX - 1, &gid, err);
	if (!ret)
		ret = get_number(from, "mode", 0, 0777, &mode, err);
	if (!ret)
		ret = get_number(from, "created_ns", 0, INT64_MAX, &created, err);
	if (ret)
		return ret;
	ret = get_functions(from, record, err);
	if (ret)
		return ret;
	record->group = (int)group;
	record->uid = (uid_t)uid;
	record->gid = (gid_t)gid;
	record->mode = (mode_t)mode;
	record->created_ns = (uint64_t)created;
	return 0;
}

static int from_json(
	struct json_object *json, struct medio_record *record, struct medio_error **err)
{
	if (!json_object_is_type(json, json_type_object))
		return medio_error_set(err, EINVAL, "it is no JSON object");
	int ret = get_uuid(json, "uuid", record->uuid, err);
	if (!ret)
		ret = get_string(json, "parent", true, &record->parent, err);
	if (!ret)
		ret = get_string(json, "type", true, &record->type, err);
	if (!ret)
		ret = get_string(json, "worker", true, &record->worker, err);
	if (!ret && (!record->parent || !record->type))
		ret = medio_error_set(err, EINVAL, "\"parent\" or \"type\" is missing");
	if (!ret)
		ret = get_restart(json, &record->restart, err);
	if (!ret)
		ret = get_numbers(json, record, err);
	if (!ret)
		ret = get_strings(json, "params", &record->params, err);
	if (!ret)
		ret = get_strings(json, "filters", &record->filters, err);
	return ret;
}

int medio_record_parse(
	const char *text, size_t size, struct medio_record *record, struct medio_error **err)
{
	struct medio_record found = { 0 };

	if (size > SIZE_MAX_OF_FILE)
		return medio_error_set(err, EINVAL, "it is too large");
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	if (!tokener)
		return medio_error_set(err, ENOMEM, "out of memory");
	struct json_object *json = json_tokener_parse_ex(tokener, text, (int)size);
	size_t end = json_tokener_get_parse_end(tokener);
	int ret = 0;

	while (end < size && strchr(" \t\r\n", text[end]) && text[end])
		end++;
	if (json_tokener_get_error(tokener) != json_tokener_success)
		ret = medio_error_set(err, EINVAL, "it is no JSON: %s",
			json_tokener_error_desc(json_tokener_get_error(tokener)));
	else if (end != size)
		ret = medio_error_set(err, EINVAL, "something follows the JSON object");
	if (!ret)
		ret = from_json(json, &found, err);
	json_object_put(json);
	json_tokener_free(tokener);
	if (ret)
		medio_record_free(&found);
	else
		*record = found;
	return ret;
}

/* ---- Print ------------------------------------------------------------------------------------------------ */

static struct json_object *strings(const struct medio_strv *list)
{
	struct json_object *array = json_object_new_array();

	for (unsigned i = 0; array && i < list->count; i++)
		json_object_array_add(array, json_object_new_string(list->items[i]));
	return array;
}

static void add_text(struct json_object *to, const char *name, const char *text)
{
	if (text)
		json_object_object_add(to, name, json_object_new_string(text));
}

static void add_number(struct json_object *to, const char *name, int64_t number)
{
	json_object_object_add(to, name, json_object_new_int64(number));
}

char *medio_record_print(const struct medio_record *record)
{
	struct json_object *json = json_object_new_object();
	char *text = NULL;

	if (!json)
		return NULL;
	add_text(json, "uuid", record->uuid);
	add_text(json, "parent", record->parent);
	add_text(json, "type", record->type);
	add_text(json, "worker", record->worker);
	add_number(json, "group", record->group);
	add_number(json, "uid", record->uid);
	add_number(json, "gid", record->gid);
	add_number(json, "mode", record->mode);
	add_text(json, "restart", medio_restart_names[record->restart]);
	add_number(json, "created_ns", (int64_t)record->created_ns);
	if (record->card >= 0) {
		add_number(json, "card", record->card);
		add_number(json, "numvfs", record->numvfs);
		add_number(json, "leave_unbound", record->leave_unbound);
	}
	if (*record->pf) {
		add_text(json, "pf", record->pf);
		add_number(json, "vf", record->vf);
	}
	json_object_object_add(json, "params", strings(&record->params));
	json_object_object_add(json, "filters", strings(&record->filters));
	const char *printed = json_object_to_json_string_ext(
		json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (printed && asprintf(&text, "%s\n", printed) < 0)
		text = NULL;
	json_object_put(json);
	return text;
}

/* ---- Files ------------------------------------------------------------------------------------------------ */

static int write_all(int fd, const char *text)
{
	size_t size = strlen(text);

	while (size) {
		ssize_t n = write(fd, text, size);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

/* No fsync: what has no worker after a crash of the machine is of no use, and /run is memory. */
int medio_record_save(const char *folder, const struct medio_record *record)
{
	_cleanup_free_ char *text = medio_record_print(record);
	char path[PATH_MAX], fresh[PATH_MAX];

	if (!text)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%s/instance.json", folder);
	snprintf(fresh, sizeof(fresh), "%s/instance.json.new", folder);
	_cleanup_close_ int fd = open(
		fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	int ret = write_all(fd, text);
	if (!ret && rename(fresh, path) < 0)
		ret = -errno;
	if (ret)
		unlink(fresh);
	return ret;
}

int medio_record_load(const char *folder, struct medio_record *record, struct medio_error **err)
{
	_cleanup_free_ char *text = malloc(SIZE_MAX_OF_FILE + 1);
	char path[PATH_MAX];
	size_t size = 0;

	if (!text)
		return medio_error_set(err, ENOMEM, "out of memory");
	snprintf(path, sizeof(path), "%s/instance.json", folder);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return medio_error_set(err, errno, "%s: %s", path, strerror(errno));
	while (size <= SIZE_MAX_OF_FILE) {
		ssize_t n = read(fd, text + size, SIZE_MAX_OF_FILE + 1 - size);
		if (n < 0)
			return medio_error_set(err, errno, "%s: %s", path, strerror(errno));
		if (n == 0)
			break;
		size += (size_t)n;
	}
	int ret = medio_record_parse(text, size, record, err);
	if (ret)
		medio_error_prefix(err, "%s", path);
	return ret;
}
