/* SPDX-License-Identifier: BSD-3-Clause */
#include "record.h"

#include <errno.h>
#include <string.h>

#include <medio/device.h>

static const char magic[8] = { 'M', 'E', 'D', 'I', 'O', 'R', 'E', 'C' };

bool medio_record_has_region(uint8_t kind)
{
	return kind >= MEDIO_RECORD_READ && kind <= MEDIO_RECORD_DOORBELL;
}

static size_t padding(size_t size)
{
	return -size & 7;
}

/* ---- Writing ----------------------------------------------------------------------------------- */

size_t medio_record_put_start(
	const struct medio_record_start *start, uint8_t buf[MEDIO_RECORD_START_MAX])
{
	size_t len = strnlen(start->type, MEDIO_RECORD_TYPE_MAX);
	size_t size = MEDIO_RECORD_START_SIZE + len + padding(len);

	memset(buf, 0, MEDIO_RECORD_START_MAX);
	memcpy(buf, magic, sizeof(magic));
	medio_put_le(buf + 8, 2, MEDIO_RECORD_VERSION);
	medio_put_le(buf + 10, 2, size);
	medio_put_le(buf + 12, 2, len);
	medio_put_le(buf + 16, 8, start->unix_ns);
	memcpy(buf + 24, start->uuid, 36);
	memcpy(buf + MEDIO_RECORD_START_SIZE, start->type, len);
	return size;
}

size_t medio_record_put(const struct medio_record *record, uint8_t buf[MEDIO_RECORD_HEAD_SIZE])
{
	size_t pad = padding(record->data_size);

	medio_put_le(buf, 4, MEDIO_RECORD_HEAD_SIZE + record->data_size + pad);
	buf[4] = record->kind;
	buf[5] = record->region;
	medio_put_le(buf + 6, 2, 0);
	medio_put_le(buf + 8, 8, record->time_ns);
	medio_put_le(buf + 16, 8, record->offset);
	medio_put_le(buf + 24, 8, record->count);
	medio_put_le(buf + 32, 4, (uint32_t)record->result);
	medio_put_le(buf + 36, 4, record->took_ns);
	medio_put_le(buf + 40, 4, record->data_size);
	medio_put_le(buf + 44, 4, record->arg);
	return pad;
}

/* ---- Reading ----------------------------------------------------------------------------------- */

static int nonsense(struct medio_record_reader *reader, const char *why)
{
	reader->why = why;
	return -EINVAL;
}

static bool is_uuid(const uint8_t *text)
{
	for (unsigned i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		bool digit = (text[i] >= '0' && text[i] <= '9') ||
			     (text[i] >= 'a' && text[i] <= 'f');
		if (dash ? text[i] != '-' : !digit)
			return false;
	}
	return true;
}

/* Type names are printed to terminals: nothing else than their own characters may pass. */
static bool is_type(const uint8_t *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!text[i] || !strchr("abcdefghijklmnopqrstuvwxyz0123456789._-", text[i]))
			return false;
	return len > 0;
}

int medio_record_open(struct medio_record_reader *reader, const void *bytes, size_t size,
	struct medio_record_start *start)
{
	const uint8_t *b = bytes;

	*reader = (struct medio_record_reader){ .bytes = bytes, .size = size };
	if (size < sizeof(magic) || memcmp(b, magic, sizeof(magic)) != 0)
		return nonsense(reader, "it does not begin with MEDIOREC");
	if (size < MEDIO_RECORD_START_SIZE)
		return nonsense(reader, "its start is cut short");
	if (medio_get_le(b + 8, 2) != MEDIO_RECORD_VERSION)
		return nonsense(reader, "it has another version than 1");
	size_t start_size = medio_get_le(b + 10, 2), len = medio_get_le(b + 12, 2);
	if (start_size < MEDIO_RECORD_START_SIZE || start_size % 8 || start_size > size)
		return nonsense(reader, "the size of its start is not possible");
	if (len > MEDIO_RECORD_TYPE_MAX || len > start_size - MEDIO_RECORD_START_SIZE)
		return nonsense(reader, "the length of its type's name is not possible");
	if (!is_type(b + MEDIO_RECORD_START_SIZE, len))
		return nonsense(reader, "its type's name has other characters than a-z0-9._-");
	if (!is_uuid(b + 24))
		return nonsense(reader, "its UUID is none");

	memset(start, 0, sizeof(*start));
	start->unix_ns = medio_get_le(b + 16, 8);
	memcpy(start->uuid, b + 24, 36);
	memcpy(start->type, b + MEDIO_RECORD_START_SIZE, len);
	reader->at = start_size;
	return 0;
}

static int check(struct medio_record_reader *reader, const struct medio_record *r)
{
	if (r->data_size > r->count)
		return nonsense(reader, "an event has more data than it moved");
	if (medio_record_has_region(r->kind) != (r->region < MEDIO_NUM_REGIONS))
		return nonsense(reader, "an event has a region that is not possible");
	if (r->result > MEDIO_DEFERRED || r->result < -4095)
		return nonsense(reader, "an event has a result that is not possible");
	return 0;
}

int medio_record_next(struct medio_record_reader *reader, struct medio_record *record)
{
	const uint8_t *b = reader->bytes + reader->at;
	size_t left = reader->size - reader->at;

	if (!left)
		return 0;
	reader->why = "it ends in the middle of an event";
	if (left < MEDIO_RECORD_HEAD_SIZE)
		return -ENODATA;
	uint64_t size = medio_get_le(b, 4);
	struct medio_record r = {
		.kind = b[4],
		.region = b[5],
		.time_ns = medio_get_le(b + 8, 8),
		.offset = medio_get_le(b + 16, 8),
		.count = medio_get_le(b + 24, 8),
		.result = (int32_t)(uint32_t)medio_get_le(b + 32, 4),
		.took_ns = (uint32_t)medio_get_le(b + 36, 4),
		.arg = (uint32_t)medio_get_le(b + 44, 4),
		.data_size = (uint32_t)medio_get_le(b + 40, 4),
	};
	if (r.data_size > MEDIO_RECORD_DATA_MAX)
		return nonsense(reader, "an event has more data than 64 MiB");
	if (size != MEDIO_RECORD_HEAD_SIZE + r.data_size + padding(r.data_size))
		return nonsense(reader, "the size of an event does not fit its data");
	int ret = check(reader, &r);
	if (ret)
		return ret;
	if (left < size)
		return -ENODATA;
	r.data = r.data_size ? b + MEDIO_RECORD_HEAD_SIZE : NULL;
	reader->at += size;
	reader->why = NULL;
	*record = r;
	return 1;
}
