/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/uuid.h"

#include <errno.h>
#include <string.h>
#include <uuid/uuid.h>

int medio_uuid_parse(const char *text, size_t len, uint8_t uuid[MEDIO_UUID_SIZE])
{
	char copy[MEDIO_UUID_TEXT];
	uuid_t parsed;

	if (len == MEDIO_UUID_TEXT && (text[len - 1] == '\n' || text[len - 1] == '\0'))
		len--;
	if (len != MEDIO_UUID_TEXT - 1)
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (uuid_parse(copy, parsed) != 0)
		return -EINVAL;
	memcpy(uuid, parsed, MEDIO_UUID_SIZE);
	return 0;
}

void medio_uuid_format(const uint8_t uuid[MEDIO_UUID_SIZE], char text[MEDIO_UUID_TEXT])
{
	uuid_unparse_lower(uuid, text);
}

void medio_uuid_random(uint8_t uuid[MEDIO_UUID_SIZE])
{
	uuid_generate_random(uuid);
}

void medio_uuid_by_name(
	const uint8_t space[MEDIO_UUID_SIZE], const char *name, uint8_t uuid[MEDIO_UUID_SIZE])
{
	uuid_generate_sha1(uuid, space, name, strlen(name));
}
