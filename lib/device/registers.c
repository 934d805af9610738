/* SPDX-License-Identifier: BSD-3-Clause */
/* Registers by their names: the type's, those of configuration space, and those of the MSI-X table. */
#include <inttypes.h>
#include <stdio.h>

#include "device/private.h"
#include "pci/register.h"

/* Where in a register an access begins; index: which of a table. */
struct place {
	uint64_t index, inside;
};

static bool holds(const struct medio_register *r, uint64_t offset, struct place *place)
{
	if (offset < r->offset)
		return false;
	uint64_t at = offset - r->offset;
	if (r->count <= 1) {
		*place = (struct place){ 0, at };
		return at < r->size;
	}
	uint64_t stride = r->stride ? r->stride : r->size;
	if (!stride) /* a table of nothing */
		return false;
	*place = (struct place){ at / stride, at % stride };
	return place->index < r->count && place->inside < r->size;
}

/* Tables are some dozen entries of constant data that stand together: looking at all of them costs less
 * than printing the line that the name is for. */
static const struct medio_register *find(
	const struct medio_type *type, unsigned region, uint64_t offset, struct place *place)
{
	for (const struct medio_register *r = type->registers; r && r->name; r++)
		if (r->region == region && holds(r, offset, place))
			return r;
	return NULL;
}

/* "name", or "name+1". */
static void print(char *buf, size_t size, const char *name, uint64_t inside)
{
	if (inside)
		snprintf(buf, size, "%s+%" PRIu64, name, inside);
	else
		snprintf(buf, size, "%s", name);
}

/* PCI Local Bus 3.0, 6.8.2: the table's entries, and the words of the pending bits. */
static bool msix_name(
	const struct medio_type *type, unsigned region, uint64_t offset, char *buf, size_t size)
{
	static const char *const words[] = { "address", "address_high", "data", "control" };
	const struct medio_msix *msix = &type->irqs.msix;
	char name[48];

	if (!msix->vectors)
		return false;
	uint64_t at = offset - msix->table_offset;
	if (region == msix->table_bar && offset >= msix->table_offset &&
		at < medio_pci_msix_table_size(msix->vectors)) {
		snprintf(name, sizeof(name), "msix_table[%u].%s", (unsigned)(at / 16),
			words[at / 4 % 4]);
		print(buf, size, name, at % 4);
		return true;
	}
	at = offset - msix->pba_offset;
	if (region == msix->pba_bar && offset >= msix->pba_offset &&
		at < medio_pci_msix_pba_size(msix->vectors)) {
		snprintf(name, sizeof(name), "msix_pba[%u]", (unsigned)(at / 8));
		print(buf, size, name, at % 8);
		return true;
	}
	return false;
}

static bool config_name(const struct medio_instance *inst, uint64_t offset, char *buf, size_t size)
{
	const struct medio_pci_config *config = &inst->config;
	struct medio_pci_register r;
	char name[64], id[8] = "";

	if (!config->values || offset >= config->layout->size ||
		!medio_pci_register_find(
			config->values, config->layout->extent, (unsigned)offset, &r))
		return false;
	if (r.numbered)
		snprintf(id, sizeof(id), "_%02x", r.id & 0xffff);
	snprintf(name, sizeof(name), "config%s%s%s%s%s", r.group ? "." : "", r.group ? r.group : "",
		id, r.name ? "." : "", r.name ? r.name : "");
	print(buf, size, name, r.inside);
	return true;
}

static bool type_name(
	const struct medio_type *type, unsigned region, uint64_t offset, char *buf, size_t size)
{
	struct place place;
	char name[96];

	const struct medio_register *r = find(type, region, offset, &place);
	if (!r)
		return false;
	if (r->count > 1)
		snprintf(name, sizeof(name), "%s[%" PRIu64 "]", r->name, place.index);
	print(buf, size, r->count > 1 ? name : r->name, place.inside);
	return true;
}

bool medio_register_name(
	const struct medio_dev *dev, unsigned region, uint64_t offset, char *buf, size_t size)
{
	static const char *const regions[MEDIO_NUM_REGIONS] = { "bar0", "bar1", "bar2", "bar3",
		"bar4", "bar5", "rom", "config", "vga" };
	const struct medio_instance *inst = dev->inst;

	/* What is the library's is not the type's, even where its table says so. */
	if (msix_name(inst->type, region, offset, buf, size) ||
		type_name(inst->type, region, offset, buf, size))
		return true;
	if (region == MEDIO_REGION_CONFIG && config_name(inst, offset, buf, size))
		return true;
	snprintf(buf, size, "%s+0x%" PRIx64, region < MEDIO_NUM_REGIONS ? regions[region] : "?",
		offset);
	return false;
}
