/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/maps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* A number of the base, with nothing else in front, and what ends it behind. NULL: there is none. */
static char *number(char *at, int base, char end, uint64_t *out)
{
	uint64_t value = 0;
	char *start = at;

	for (;; at++) {
		unsigned digit = *at >= '0' && *at <= '9'   ? (unsigned)(*at - '0')
				 : *at >= 'a' && *at <= 'f' ? (unsigned)(*at - 'a' + 10)
							    : 16;
		if (digit >= (unsigned)base)
			break;
		if (__builtin_mul_overflow(value, (unsigned)base, &value) ||
			__builtin_add_overflow(value, digit, &value))
			return NULL;
	}
	*out = value;
	return at == start || *at != end ? NULL : at + 1;
}

static char *permissions(char *at, struct medio_maps_area *area)
{
	static const char yes[] = "rwx";
	static const unsigned bits[] = { PROT_READ, PROT_WRITE, PROT_EXEC };

	for (unsigned i = 0; i < 3; i++, at++) {
		if (*at == yes[i])
			area->prot |= bits[i];
		else if (*at != '-')
			return NULL;
	}
	if (*at != 's' && *at != 'p')
		return NULL;
	area->shared = *at == 's';
	return at[1] == ' ' ? at + 2 : NULL;
}

int medio_maps_parse(char *line, struct medio_maps_area *out)
{
	struct medio_maps_area area = { 0 };
	uint64_t major = 0, minor = 0;
	char *at = line;

	line[strcspn(line, "\n")] = '\0';
	at = number(at, 16, '-', &area.start);
	at = at ? number(at, 16, ' ', &area.end) : NULL;
	at = at ? permissions(at, &area) : NULL;
	at = at ? number(at, 16, ' ', &area.offset) : NULL;
	at = at ? number(at, 16, ':', &major) : NULL;
	at = at ? number(at, 16, ' ', &minor) : NULL;
	if (!at)
		return -EINVAL;
	/* Always a blank behind it, whether there is a name or not; older kernels' lines may be cut there. */
	size_t digits = strspn(at, "0123456789");
	char *behind = number(at, 10, at[digits], &area.ino);
	if (!behind || (at[digits] && at[digits] != ' ') || area.start >= area.end ||
		major > UINT32_MAX || minor > UINT32_MAX)
		return -EINVAL;
	area.major = (unsigned)major;
	area.minor = (unsigned)minor;
	area.name = at + digits + strspn(at + digits, " ");
	*out = area;
	return 0;
}

int medio_maps_walk(pid_t pid, uint64_t start, uint64_t end, medio_maps_each *each, void *opaque)
{
	struct medio_maps_area area;
	char path[32], *line = NULL;
	size_t cap = 0;
	int ret = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	errno = 0;
	while (!ret && getline(&line, &cap, file) > 0) {
		if (medio_maps_parse(line, &area) || area.end <= start)
			continue;
		if (area.start >= end)
			break;
		ret = each(opaque, &area);
	}
	free(line);
	fclose(file);
	return ret;
}
