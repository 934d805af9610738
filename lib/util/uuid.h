/* SPDX-License-Identifier: BSD-3-Clause */
/* UUIDs as the kernel reads and shows them. */
#ifndef MEDIO_UTIL_UUID_H
#define MEDIO_UTIL_UUID_H

#include <stddef.h>
#include <stdint.h>

#define MEDIO_UUID_SIZE 16
#define MEDIO_UUID_TEXT 37 /* 36 characters and NUL */

/*
 * Parse len bytes of text (NUL not needed): 36 characters, or 37 if the last is a newline or NUL;
 * any case. -EINVAL: another length, a bad digit or dash. Source: Linux mdev_sysfs.c,
 * create_store(), which takes any 37th character; we do not.
 */
int medio_uuid_parse(const char *text, size_t len, uint8_t uuid[MEDIO_UUID_SIZE]);
/* Lower case. */
void medio_uuid_format(const uint8_t uuid[MEDIO_UUID_SIZE], char text[MEDIO_UUID_TEXT]);
/* Version 4, RFC 9562 section 5.4. */
void medio_uuid_random(uint8_t uuid[MEDIO_UUID_SIZE]);
/* Version 5, RFC 9562 section 5.5: of a name in a namespace. */
void medio_uuid_by_name(
	const uint8_t space[MEDIO_UUID_SIZE], const char *name, uint8_t uuid[MEDIO_UUID_SIZE]);

#endif
