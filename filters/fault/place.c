/* SPDX-License-Identifier: BSD-3-Clause */
#include "place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_SIZE 4096u

/* "name" or "name[3]" of the type's own. */
static int find_own(const struct medio_dev *dev, const char *name, struct fault_place *out)
{
	const struct medio_register *r = medio_dev_type(dev)->registers;
	size_t len = strcspn(name, "[");
	unsigned long index = 0;
	char *end = NULL;

	for (; r && r->name; r++)
		if (strncmp(r->name, name, len) == 0 && !r->name[len])
			break;
	if (!r || !r->name)
		return -ENOENT;
	if (r->count > 1 && !name[len])
		return -E2BIG;
	if (name[len]) {
		index = strtoul(name + len + 1, &end, 10);
		if (name[len + 1] < '0' || name[len + 1] > '9' || strcmp(end, "]") != 0 ||
			index >= (r->count ? r->count : 1))
			return -ENOENT;
	}
	*out = (struct fault_place){ r->region,
		r->offset + index * (r->stride ? r->stride : r->size), r->size };
	return 0;
}

/* Whether bytes at offset are of a register of that name. */
static bool is_of(const struct medio_dev *dev, unsigned region, uint64_t offset, const char *name)
{
	const size_t len = strlen(name);
	char text[96];

	return medio_register_name(dev, region, offset, text, sizeof(text)) &&
	       strncmp(text, name, len) == 0 && (!text[len] || text[len] == '+');
}

/* The library's: it tells their names by their places only. */
static int find_in(const struct medio_dev *dev, unsigned region, uint64_t begin, uint64_t end,
	const char *name, struct fault_place *out)
{
	for (uint64_t at = begin; at < end; at++) {
		if (!is_of(dev, region, at, name))
			continue;
		*out = (struct fault_place){ region, at, 1 };
		while (at + out->size < end && out->size < 16 &&
			is_of(dev, region, at + out->size, name))
			out->size++;
		return 0;
	}
	return -ENOENT;
}

int fault_place_find(const struct medio_dev *dev, const char *name, struct fault_place *out)
{
	const struct medio_msix *msix = &medio_dev_type(dev)->irqs.msix;
	int ret = find_own(dev, name, out);

	if (ret == -ENOENT && strncmp(name, "config.", 7) == 0)
		ret = find_in(dev, MEDIO_REGION_CONFIG, 0, CONFIG_SIZE, name, out);
	if (ret == -ENOENT && strncmp(name, "msix_table[", 11) == 0)
		ret = find_in(dev, msix->table_bar, msix->table_offset,
			msix->table_offset + 16 * (uint64_t)msix->vectors, name, out);
	return ret;
}

void fault_place_names(const struct medio_dev *dev, char *buf, size_t size)
{
	const struct medio_register *r = medio_dev_type(dev)->registers;
	size_t len = 0;

	*buf = '\0';
	for (; r && r->name && len + strlen(r->name) + 16 < size; r++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s%s", len ? ", " : "", r->name,
			r->count > 1 ? "[0]" : "");
	snprintf(buf + len, size - len, "%sconfig.command …", len ? ", " : "");
}
