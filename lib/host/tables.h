/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tables of procfs, a line at a time: text in, one row out. Each medio_*_next() reads from *at,
 * moves it, skips lines that it does not understand, and returns false at the end. Octal escapes
 * (\040) are undone; what is too long for a field is cut. Pure: no I/O. Source: proc(5).
 */
#ifndef MEDIO_HOST_TABLES_H
#define MEDIO_HOST_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEDIO_TABLE_TEXT 256

/* /proc/PID/mountinfo. */
struct medio_mount_row {
	unsigned major,
		minor; /* of the file system; 0:N where it has no block device, or several */
	char target[MEDIO_TABLE_TEXT], type[32], source[MEDIO_TABLE_TEXT];
};
bool medio_mountinfo_next(const char **at, struct medio_mount_row *row);

/* /proc/swaps: a device or a file. Its heading is skipped. */
bool medio_swaps_next(const char **at, char path[MEDIO_TABLE_TEXT]);

/* /proc/net/route and /proc/net/ipv6_route: the routes that are up and lead somewhere. */
struct medio_route_row {
	char interface[32];
	bool is_default; /* to everywhere: prefix of no bits */
};
bool medio_route_next(const char **at, struct medio_route_row *row);
bool medio_route6_next(const char **at, struct medio_route_row *row);

/* /proc/net/if_inet6: interfaces with an address beyond the link's own. */
bool medio_inet6_next(const char **at, char interface[32]);

/* /proc/PID/limits: the soft limit of "Max locked memory" in bytes, UINT64_MAX: unlimited.
 * -ENOENT. */
int medio_limits_memlock(const char *text, uint64_t *out);
/* "NAME: value" of /proc/meminfo (kB), /proc/PID/status, /proc/cpuinfo: the value of the first such
 * line, spaces around it off, cut to size. -ENOENT. */
int medio_fields_get(const char *text, const char *name, char *buf, size_t size);
/* Is word one of the words of text? One that ends with '=' is, whatever stands behind that. */
bool medio_words_have(const char *text, const char *word);

/* One line of a list of aliases, lib/modules/RELEASE/modules.alias: "alias PATTERN MODULE". */
struct medio_alias_row {
	char pattern[MEDIO_TABLE_TEXT], module[64];
};
bool medio_aliases_next(const char **at, struct medio_alias_row *row);

#endif
