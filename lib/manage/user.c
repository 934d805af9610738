/* SPDX-License-Identifier: BSD-3-Clause */
#include "manage/user.h"

#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/error.h"

#define BUFFER_MAX (1u << 20)

/* Digits up to end, a number that is an id: the largest one means "none" to the system. */
static bool parse_id(const char *text, const char *end, uint32_t *id)
{
	uint64_t value = 0;

	if (text == end)
		return false;
	for (; text < end; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (uint64_t)(*text - '0');
		if (value >= UINT32_MAX)
			return false;
	}
	*id = (uint32_t)value;
	return true;
}

/* 0 found, -ENOENT no such account, or what the database gave. */
static int look_up(const char *name, const uint32_t *number, uid_t *uid, gid_t *gid)
{
	for (size_t size = 1024; size <= BUFFER_MAX; size *= 4) {
		_cleanup_free_ char *buf = malloc(size);
		struct passwd entry, *found;
		if (!buf)
			return -ENOMEM;
		int ret = number ? getpwuid_r(*number, &entry, buf, size, &found)
				 : getpwnam_r(name, &entry, buf, size, &found);
		if (ret == ERANGE)
			continue;
		if (found) {
			*uid = entry.pw_uid;
			*gid = entry.pw_gid;
			return 0;
		}
		/* What a missing account gives depends on where the accounts are: getpwnam(3). */
		bool missing = !ret || ret == ENOENT || ret == ESRCH || ret == EPERM;
		return missing ? -ENOENT : -ret;
	}
	return -ERANGE;
}

int medio_user_find(const char *text, uid_t *uid, gid_t *gid, struct medio_error **err)
{
	uint32_t number;
	bool numeric = parse_id(text, text + strlen(text), &number);
	int ret = look_up(text, numeric ? &number : NULL, uid, gid);

	if (ret == -ENOENT && numeric) {
		*uid = number;
		*gid = number;
		return 0;
	}
	if (ret == -ENOENT)
		return medio_error_set(err, EINVAL, "there is no user '%.64s'", text);
	if (ret)
		return medio_error_set(
			err, -ret, "cannot look up user '%.64s': %s", text, strerror(-ret));
	return 0;
}

int medio_user_find_owner(const char *text, uid_t *uid, gid_t *gid, struct medio_error **err)
{
	const char *colon = strchr(text, ':');
	uint32_t user, group;

	if (!colon)
		return medio_user_find(text, uid, gid, err);
	if (!parse_id(text, colon, &user) || !parse_id(colon + 1, text + strlen(text), &group))
		return medio_error_set(err, EINVAL,
			"'%.64s' is no owner: write UID:GID in numbers, or a user's name", text);
	*uid = user;
	*gid = group;
	return 0;
}
