/* SPDX-License-Identifier: BSD-3-Clause */
/* Any text as one of procfs' tables (the first byte says which) and as an address: each row ends
 * within its fields and moves on, and an address that is read is written so that it is read
 * again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/bdf.h"
#include "host/tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void must_end(const char *text, size_t size)
{
	must(memchr(text, 0, size) != NULL);
}

typedef bool read_row_fn(const char **at);

static bool read_mount(const char **at)
{
	struct medio_mount_row row;

	if (!medio_mountinfo_next(at, &row))
		return false;
	must_end(row.target, sizeof(row.target));
	must_end(row.type, sizeof(row.type));
	must_end(row.source, sizeof(row.source));
	return true;
}

static bool read_swap(const char **at)
{
	char path[MEDIO_TABLE_TEXT];

	if (!medio_swaps_next(at, path))
		return false;
	must_end(path, sizeof(path));
	return true;
}

static bool read_route(const char **at)
{
	struct medio_route_row row;

	if (!medio_route_next(at, &row))
		return false;
	must_end(row.interface, sizeof(row.interface));
	return true;
}

static bool read_route6(const char **at)
{
	struct medio_route_row row;

	if (!medio_route6_next(at, &row))
		return false;
	must_end(row.interface, sizeof(row.interface));
	return true;
}

static bool read_inet6(const char **at)
{
	char interface[32];

	if (!medio_inet6_next(at, interface))
		return false;
	must_end(interface, sizeof(interface));
	return true;
}

static bool read_alias(const char **at)
{
	struct medio_alias_row row;

	if (!medio_aliases_next(at, &row))
		return false;
	must_end(row.pattern, sizeof(row.pattern));
	must_end(row.module, sizeof(row.module));
	return true;
}

static void read_fields(const char *text)
{
	uint64_t limit;
	char value[8];

	medio_limits_memlock(text, &limit);
	if (!medio_fields_get(text, "MemTotal", value, sizeof(value)))
		must_end(value, sizeof(value));
	/* Whatever is found whole is also found by its beginning. */
	if (medio_words_have(text, "iommu=off"))
		must(medio_words_have(text, "iommu="));
}

static void read_address(const char *text)
{
	struct medio_bdf bdf, again;
	char same[MEDIO_BDF_TEXT];

	if (medio_bdf_parse(text, &bdf))
		return;
	medio_bdf_format(&bdf, same);
	must(!medio_bdf_parse(same, &again));
	must(bdf.domain == again.domain && bdf.bus == again.bus && bdf.device == again.device &&
		bdf.function == again.function);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static read_row_fn *const readers[] = { read_mount, read_swap, read_route, read_route6,
		read_inet6, read_alias };
	const size_t count = sizeof(readers) / sizeof(*readers);

	if (!size)
		return 0;
	/* On the heap, exactly as long: a sanitizer sees a byte too far. */
	char *text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = 0;
	size_t which = (size_t)(data[0] % 8);
	const char *at = text;
	while (which < count) {
		const char *before = at;
		if (!readers[which](&at))
			break;
		must(at > before && at <= text + strlen(text));
	}
	if (which == count)
		read_fields(text);
	else if (which > count)
		read_address(text);
	free(text);
	return 0;
}
