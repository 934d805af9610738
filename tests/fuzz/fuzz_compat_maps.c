/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a line of /proc/PID/maps: what is taken for one is written again, and is the same. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "compat/maps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *copy_of(const void *data, size_t size)
{
	char *copy = malloc(size + 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	copy[size] = '\0';
	return copy;
}

static void check(const struct medio_maps_area *area, const struct medio_maps_area *again)
{
	if (area->start != again->start || area->end != again->end || area->prot != again->prot ||
		area->shared != again->shared || area->offset != again->offset ||
		area->major != again->major || area->minor != again->minor ||
		area->ino != again->ino || strcmp(area->name, again->name) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct medio_maps_area area, again;
	char *line = copy_of(data, size), *text;

	if (medio_maps_parse(line, &area) == 0) {
		if (area.start >= area.end || area.name < line || area.name > line + size ||
			strchr(area.name, '\n') || *area.name == ' ')
			abort();
		int made = asprintf(&text,
			"%08" PRIx64 "-%08" PRIx64 " %c%c%c%c %08" PRIx64 " %02x:%02x %" PRIu64
			"    %s\n",
			area.start, area.end, area.prot & PROT_READ ? 'r' : '-',
			area.prot & PROT_WRITE ? 'w' : '-', area.prot & PROT_EXEC ? 'x' : '-',
			area.shared ? 's' : 'p', area.offset, area.major, area.minor, area.ino,
			area.name);
		if (made < 0 || medio_maps_parse(text, &again))
			abort();
		check(&area, &again);
		free(text);
	}
	free(line);
	return 0;
}
