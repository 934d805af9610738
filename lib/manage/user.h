/* SPDX-License-Identifier: BSD-3-Clause */
/* Users of this machine, as somebody writes them. */
#ifndef MEDIO_MANAGE_USER_H
#define MEDIO_MANAGE_USER_H

#include <sys/types.h>

struct medio_error;

/*
 * A user by name or number, and his main group; a number without an account has the group of that
 * number. -EINVAL with words: there is no such user; or what the system's user database gave.
 */
int medio_user_find(const char *text, uid_t *uid, gid_t *gid, struct medio_error **err);
/* As above, or "UID:GID" in numbers: the owner of something. */
int medio_user_find_owner(const char *text, uid_t *uid, gid_t *gid, struct medio_error **err);

#endif
