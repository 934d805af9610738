/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "VFIO_USER_VERSION / Version data": {"capabilities":{"max_msg_fds":8,…}}. The text comes from
 * the peer, so it is measured before it is parsed, parsed strictly, and each member is checked.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "proto/version.h"
#include "proto/vfio_user.h"
#include "util/cleanup.h"
#include "util/error.h"

#define MAX_JSON  65536 /* bytes; real peers send about 200 */
#define MAX_DEPTH 16	/* objects and arrays within each other */

static void free_tokener(struct json_tokener **tok)
{
	if (*tok)
		json_tokener_free(*tok);
}

static void free_object(struct json_object **obj)
{
	json_object_put(*obj);
}

void medio_vu_caps_default(struct medio_vu_caps *caps)
{
	*caps = (struct medio_vu_caps){
		.max_msg_fds = MEDIO_VU_DEFAULT_MSG_FDS,
		.max_data_xfer_size = MEDIO_VU_DEFAULT_XFER,
		.max_dma_maps = MEDIO_VU_DEFAULT_DMA_MAPS,
		.pgsizes = 4096,
		.twin_fd_index = -1,
	};
}

/* A missing member is no error and leaves *out alone; so in all of these. */
static int get_uint(struct json_object *obj, const char *name, uint64_t min, uint64_t max,
	uint64_t *out, struct medio_error **err)
{
	struct json_object *member;

	if (!json_object_object_get_ex(obj, name, &member))
		return 0;
	if (!json_object_is_type(member, json_type_int))
		return medio_error_set(err, EINVAL, "version: %s is not an integer", name);
	/* json-c keeps what does not fit into 64 bits as the nearest value that does. */
	if (json_object_get_int64(member) < 0)
		return medio_error_set(err, EINVAL, "version: %s is negative", name);
	uint64_t value = json_object_get_uint64(member);
	if (value < min || value > max)
		return medio_error_set(err, EINVAL,
			"version: %s is %" PRIu64 ", allowed are %" PRIu64 " to %" PRIu64, name,
			value, min, max);
	*out = value;
	return 0;
}

static int get_bool(struct json_object *obj, const char *name, bool *out, struct medio_error **err)
{
	struct json_object *member;

	if (!json_object_object_get_ex(obj, name, &member))
		return 0;
	if (!json_object_is_type(member, json_type_boolean))
		return medio_error_set(err, EINVAL, "version: %s is not true or false", name);
	*out = json_object_get_boolean(member);
	return 0;
}

static int get_object(struct json_object *obj, const char *name, struct json_object **out,
	struct medio_error **err)
{
	struct json_object *member;

	if (!json_object_object_get_ex(obj, name, &member))
		return 0;
	if (!json_object_is_type(member, json_type_object))
		return medio_error_set(err, EINVAL, "version: %s is not an object", name);
	*out = member;
	return 0;
}

static int get_twin_socket(
	struct json_object *obj, struct medio_vu_caps *caps, struct medio_error **err)
{
	struct json_object *twin = NULL;
	uint64_t index = UINT64_MAX;
	int ret = get_object(obj, "twin_socket", &twin, err);

	if (ret || !twin)
		return ret;
	ret = get_bool(twin, "supported", &caps->twin_socket, err);
	if (!ret)
		ret = get_uint(twin, "fd_index", 0, INT32_MAX, &index, err);
	if (!ret && index != UINT64_MAX)
		caps->twin_fd_index = (int64_t)index;
	return ret;
}

static int get_migration(
	struct json_object *obj, struct medio_vu_caps *caps, struct medio_error **err)
{
	struct json_object *migration = NULL;
	int ret = get_object(obj, "migration", &migration, err);

	if (ret || !migration)
		return ret;
	ret = get_uint(migration, "pgsize", 1, UINT64_MAX, &caps->migration_pgsize, err);
	if (ret)
		return ret;
	if (caps->migration_pgsize & (caps->migration_pgsize - 1))
		return medio_error_set(err, EINVAL,
			"version: migration.pgsize is %" PRIu64 ", no power of two",
			caps->migration_pgsize);
	return 0;
}

static int get_caps(struct json_object *obj, struct medio_vu_caps *caps, struct medio_error **err)
{
	int ret = get_uint(obj, "max_msg_fds", 0, UINT64_MAX, &caps->max_msg_fds, err);

	if (!ret)
		ret = get_uint(
			obj, "max_data_xfer_size", 1, UINT64_MAX, &caps->max_data_xfer_size, err);
	if (!ret)
		ret = get_uint(obj, "max_dma_maps", 0, UINT64_MAX, &caps->max_dma_maps, err);
	if (!ret)
		ret = get_uint(obj, "pgsizes", 1, UINT64_MAX, &caps->pgsizes, err);
	if (!ret)
		ret = get_bool(obj, "write_multiple", &caps->write_multiple, err);
	if (!ret)
		ret = get_twin_socket(obj, caps, err);
	if (!ret)
		ret = get_bool(obj, "medio_observer", &caps->observer, err);
	if (!ret)
		ret = get_migration(obj, caps, err);
	return ret;
}

/* The text up to its NUL; what follows that may only be more NULs. */
static int check_text(const char *json, size_t size, size_t *len, struct medio_error **err)
{
	const char *nul;

	if (size > MAX_JSON)
		return medio_error_set(
			err, EINVAL, "version: %zu bytes of JSON, allowed are %d", size, MAX_JSON);
	nul = memchr(json, 0, size);
	if (!nul)
		return medio_error_set(err, EINVAL, "version: JSON without a final NUL");
	for (const char *p = nul; p < json + size; p++)
		if (*p)
			return medio_error_set(
				err, EINVAL, "version: bytes after the NUL of the JSON");
	*len = (size_t)(nul - json);
	return 0;
}

int medio_vu_caps_parse(
	const char *json, size_t size, struct medio_vu_caps *caps, struct medio_error **err)
{
	struct json_tokener *tok __attribute__((cleanup(free_tokener))) = NULL;
	struct json_object *root __attribute__((cleanup(free_object))) = NULL;
	struct json_object *members = NULL;
	struct medio_vu_caps parsed;
	size_t len = 0;
	int ret;

	medio_vu_caps_default(&parsed);
	if (!size) {
		*caps = parsed;
		return 0;
	}
	ret = check_text(json, size, &len, err);
	if (ret)
		return ret;
	/* json-c counts the innermost value as a level too. */
	tok = json_tokener_new_ex(MAX_DEPTH + 1);
	if (!tok)
		return medio_error_set(err, ENOMEM, "version: out of memory");
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	root = json_tokener_parse_ex(tok, json, (int)len + 1);
	if (json_tokener_get_error(tok) != json_tokener_success)
		return medio_error_set(err, EINVAL, "version: not JSON at byte %zu: %s",
			json_tokener_get_parse_end(tok),
			json_tokener_error_desc(json_tokener_get_error(tok)));
	if (!json_object_is_type(root, json_type_object))
		return medio_error_set(err, EINVAL, "version: the JSON is not an object");
	ret = get_object(root, "capabilities", &members, err);
	if (!ret && members)
		ret = get_caps(members, &parsed, err);
	if (!ret)
		*caps = parsed;
	return ret;
}

/* Text that is being put together; once it does not fit, it is only measured. */
struct text {
	char *buf;
	size_t size, len;
};

static void put(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *text, const char *fmt, ...)
{
	size_t room = text->len < text->size ? text->size - text->len : 0;
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(room ? text->buf + text->len : NULL, room, fmt, ap);
	va_end(ap);
	text->len += n > 0 ? (size_t)n : 0;
}

static void put_uint(
	struct text *text, const char *name, uint64_t value, uint64_t deflt, bool brief)
{
	if (!brief || value != deflt)
		put(text, ",\"%s\":%" PRIu64, name, value);
}

static void put_caps(struct text *text, const struct medio_vu_caps *caps, bool brief)
{
	/* Always there: QEMU assumes 8 if it is missing, the document says 1. */
	put(text, "{\"capabilities\":{\"max_msg_fds\":%" PRIu64, caps->max_msg_fds);
	put_uint(
		text, "max_data_xfer_size", caps->max_data_xfer_size, MEDIO_VU_DEFAULT_XFER, brief);
	put_uint(text, "max_dma_maps", caps->max_dma_maps, MEDIO_VU_DEFAULT_DMA_MAPS, brief);
	put_uint(text, "pgsizes", caps->pgsizes, 4096, brief);
	if (caps->write_multiple)
		put(text, ",\"write_multiple\":true");
	if (caps->twin_socket || caps->twin_fd_index >= 0) {
		put(text, ",\"twin_socket\":{\"supported\":%s",
			caps->twin_socket ? "true" : "false");
		if (caps->twin_fd_index >= 0)
			put(text, ",\"fd_index\":%" PRId64, caps->twin_fd_index);
		put(text, "}");
	}
	if (caps->observer)
		put(text, ",\"medio_observer\":true");
	if (caps->migration_pgsize)
		put(text, ",\"migration\":{\"pgsize\":%" PRIu64 "}", caps->migration_pgsize);
	put(text, "}}");
}

int medio_vu_caps_print(const struct medio_vu_caps *caps, char *buf, size_t size)
{
	for (int brief = 0; brief < 2; brief++) {
		struct text text = { .buf = buf, .size = size };
		put_caps(&text, caps, brief);
		if (text.len < size)
			return (int)text.len + 1;
	}
	return -ENOSPC;
}
