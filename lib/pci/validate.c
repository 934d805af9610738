/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci/validate.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "pci/msix.h"
#include "pci/sriov.h"
#include "util/error.h"

#define PAGE 4096u

/* Every message begins with the type, as a plug-in's author must find it. */
#define refuse(type, err, fmt, ...) \
	medio_error_set(err, EINVAL, "type '%s': " fmt, (type)->name, __VA_ARGS__)

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	/* Both are inside a BAR, so the sums cannot wrap. */
	return a < b + b_size && b < a + a_size;
}

static bool inside(uint64_t offset, uint64_t size, uint64_t whole)
{
	return offset <= whole && size <= whole - offset;
}

static int check_name(const struct medio_type *type, struct medio_error **err)
{
	const char *name = type->name;

	if (!name || !*name)
		return medio_error_set(err, EINVAL, "a type has no name");
	size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-");
	if (name[good])
		return refuse(type, err,
			"character '%c' in the name (allowed: a-z, 0-9, '.', '_' and '-')",
			name[good]);
	if (*name == '.' || *name == '-')
		return refuse(
			type, err, "the name begins with '%c' (allowed: a-z, 0-9, '_')", *name);
	return 0;
}

struct bar_limits {
	const char *name, *range;
	uint64_t min, max;
};

static const struct bar_limits bar_limits[] = {
	[MEDIO_BAR_IO] = { "an I/O", "4 to 256 bytes", 4, 256 },
	[MEDIO_BAR_MEM32] = { "a 32-bit memory", "16 bytes to 2 GiB", 16, UINT64_C(1) << 31 },
	[MEDIO_BAR_MEM64] = { "a 64-bit memory", "16 bytes to 128 TiB", 16, MEDIO_PCI_BAR_MAX },
};

static int check_bar_size(const struct medio_type *type, unsigned n, struct medio_error **err)
{
	const struct medio_bar *bar = &type->bars[n];

	if ((unsigned)bar->kind > MEDIO_BAR_MEM64)
		return refuse(type, err, "BAR %u: kind %u does not exist", n, (unsigned)bar->kind);
	if (bar->kind == MEDIO_BAR_NONE) {
		if (bar->size || bar->areas || bar->num_doorbells)
			return refuse(
				type, err, "BAR %u: has a size, areas or doorbells but no kind", n);
		return 0;
	}
	const struct bar_limits *limits = &bar_limits[bar->kind];
	if (bar->size & (bar->size - 1))
		return refuse(type, err,
			"BAR %u: size %" PRIu64 " is not a power of two (%s BAR takes %s)", n,
			bar->size, limits->name, limits->range);
	if (bar->size < limits->min || bar->size > limits->max)
		return refuse(type, err, "BAR %u: size %" PRIu64 " is too %s (%s BAR takes %s)", n,
			bar->size, bar->size < limits->min ? "small" : "large", limits->name,
			limits->range);
	if (bar->kind == MEDIO_BAR_IO && bar->prefetchable)
		return refuse(type, err, "BAR %u: an I/O BAR cannot be prefetchable", n);
	if (bar->kind != MEDIO_BAR_MEM64)
		return 0;
	if (n == MEDIO_NUM_BARS - 1)
		return refuse(type, err,
			"BAR %u: a 64-bit BAR takes two slots and cannot be the last (allowed: 0 to 4)",
			n);
	if (type->bars[n + 1].kind != MEDIO_BAR_NONE)
		return refuse(type, err,
			"BAR %u: is 64-bit and takes BAR %u too, which must be none", n, n + 1);
	return 0;
}

static int check_areas(const struct medio_type *type, unsigned n, struct medio_error **err)
{
	const struct medio_bar *bar = &type->bars[n];
	const struct medio_mmap_area *areas = bar->areas;

	if (areas && bar->kind == MEDIO_BAR_IO)
		return refuse(type, err, "BAR %u: an I/O BAR cannot have mappable areas", n);
	for (unsigned i = 0; areas && areas[i].size; i++) {
		const struct medio_mmap_area *a = &areas[i];
		if (a->offset % PAGE || a->size % PAGE)
			return refuse(type, err,
				"BAR %u: area %u (offset 0x%" PRIx64 ", size 0x%" PRIx64
				") is not made of whole pages of 4096 bytes",
				n, i, a->offset, a->size);
		if (!inside(a->offset, a->size, bar->size))
			return refuse(type, err,
				"BAR %u: area %u (offset 0x%" PRIx64 ", size 0x%" PRIx64
				") is outside the BAR of 0x%" PRIx64 " bytes",
				n, i, a->offset, a->size, bar->size);
		for (unsigned j = 0; j < i; j++)
			if (overlap(a->offset, a->size, areas[j].offset, areas[j].size))
				return refuse(
					type, err, "BAR %u: areas %u and %u overlap", n, j, i);
	}
	return 0;
}

static int check_doorbells(const struct medio_type *type, unsigned n, struct medio_error **err)
{
	const struct medio_bar *bar = &type->bars[n];

	if (bar->num_doorbells && !bar->doorbells)
		return refuse(type, err, "BAR %u: %u doorbells, but no list of them", n,
			bar->num_doorbells);
	for (unsigned i = 0; i < bar->num_doorbells; i++) {
		const struct medio_doorbell *bell = &bar->doorbells[i];
		if (bell->size > 8 || (bell->size & (bell->size - 1)))
			return refuse(type, err,
				"BAR %u: doorbell %u has size %u (allowed: 0, 1, 2, 4, 8)", n, i,
				bell->size);
		if (bell->has_datamatch && !bell->size)
			return refuse(type, err,
				"BAR %u: doorbell %u matches a value of any size (allowed: 1, 2, 4, 8)",
				n, i);
		if (!inside(bell->offset, bell->size ? bell->size : 1, bar->size))
			return refuse(type, err,
				"BAR %u: doorbell %u at 0x%" PRIx64
				" is outside the BAR of 0x%" PRIx64 " bytes",
				n, i, bell->offset, bar->size);
	}
	return 0;
}

/* One of the two structures of MSI-X: is it where a driver can reach it and nobody can map it? */
static int check_msix_part(const struct medio_type *type, const char *what, unsigned n,
	uint32_t offset, size_t size, struct medio_error **err)
{
	if (n >= MEDIO_NUM_BARS)
		return refuse(type, err, "MSI-X %s in BAR %u (allowed: 0 to 5)", what, n);
	const struct medio_bar *bar = &type->bars[n];
	if (bar->kind == MEDIO_BAR_NONE)
		return refuse(type, err, "MSI-X %s in BAR %u, which is none", what, n);
	if (bar->kind == MEDIO_BAR_IO)
		return refuse(
			type, err, "MSI-X %s in BAR %u, which is I/O (allowed: memory)", what, n);
	if (offset % 8)
		return refuse(type, err,
			"MSI-X %s at offset 0x%x of BAR %u (allowed: multiples of 8)", what, offset,
			n);
	if (!inside(offset, size, bar->size))
		return refuse(type, err,
			"MSI-X %s of %zu bytes at offset 0x%x is outside BAR %u of 0x%" PRIx64
			" bytes",
			what, size, offset, n, bar->size);
	for (unsigned i = 0; bar->areas && bar->areas[i].size; i++)
		if (overlap(offset, size, bar->areas[i].offset, bar->areas[i].size))
			return refuse(type, err,
				"MSI-X %s at offset 0x%x of BAR %u lies in mappable area %u: the library "
				"keeps it, so no client may map it",
				what, offset, n, i);
	return 0;
}

static int check_irqs(const struct medio_type *type, struct medio_error **err)
{
	const struct medio_irqs *irqs = &type->irqs;
	const struct medio_msix *msix = &irqs->msix;

	if (irqs->intx_pin > 4)
		return refuse(type, err, "interrupt pin %u (allowed: 1 to 4 for INTA to INTD, 0)",
			irqs->intx_pin);
	if (irqs->msi > 32 || (irqs->msi & (irqs->msi - 1)))
		return refuse(
			type, err, "%u MSI vectors (allowed: 0, 1, 2, 4, 8, 16, 32)", irqs->msi);
	if (!msix->vectors)
		return 0;
	if (msix->vectors > MEDIO_PCI_MSIX_MAX_VECTORS)
		return refuse(type, err, "%u MSI-X vectors (allowed: 0 to %u)", msix->vectors,
			MEDIO_PCI_MSIX_MAX_VECTORS);
	size_t table = medio_pci_msix_table_size(msix->vectors);
	size_t pba = medio_pci_msix_pba_size(msix->vectors);
	int ret = check_msix_part(type, "table", msix->table_bar, msix->table_offset, table, err);
	if (!ret)
		ret = check_msix_part(
			type, "pending bit array", msix->pba_bar, msix->pba_offset, pba, err);
	if (ret)
		return ret;
	if (msix->table_bar == msix->pba_bar &&
		overlap(msix->table_offset, table, msix->pba_offset, pba))
		return refuse(type, err,
			"MSI-X table (%zu bytes at 0x%x) and pending bit array (%zu bytes at 0x%x) "
			"overlap in BAR %u",
			table, msix->table_offset, pba, msix->pba_offset, msix->table_bar);
	return 0;
}

int medio_pci_validate(const struct medio_type *type, struct medio_error **err)
{
	if (type->abi != MEDIO_DEVICE_ABI)
		return medio_error_set(err, EPROTO,
			"a type was built for version %u of <medio/device.h>, this library has %u",
			type->abi, MEDIO_DEVICE_ABI);
	int ret = check_name(type, err);
	if (ret)
		return ret;
	if (type->id.class_code >> 24)
		return refuse(
			type, err, "class code 0x%x has more than 24 bits", type->id.class_code);
	for (unsigned n = 0; n < MEDIO_NUM_BARS; n++) {
		ret = check_bar_size(type, n, err);
		if (!ret)
			ret = check_areas(type, n, err);
		if (!ret)
			ret = check_doorbells(type, n, err);
		if (ret)
			return ret;
	}
	ret = check_irqs(type, err);
	return ret ? ret : medio_pci_sriov_validate(type, err);
}
