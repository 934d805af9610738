/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci/register.h"

#include <linux/pci_regs.h>

#include "pci/bytes.h"
#include "pci/caplist.h"

#define HEADER_END 0x40u
#define CONV_SIZE  0x100u

/* Taken to belong to a capability of which only the id is known. */
#define UNKNOWN_SIZE 64u

struct field {
	uint8_t offset, size; /* size 0 ends a list */
	const char *name;
};

static const struct field header[] = {
	{ 0x00, 2, "vendor_id" },
	{ 0x02, 2, "device_id" },
	{ 0x04, 2, "command" },
	{ 0x06, 2, "status" },
	{ 0x08, 1, "revision_id" },
	{ 0x09, 3, "class_code" },
	{ 0x0c, 1, "cache_line_size" },
	{ 0x0d, 1, "latency_timer" },
	{ 0x0e, 1, "header_type" },
	{ 0x0f, 1, "bist" },
	{ 0x10, 4, "bar0" },
	{ 0x14, 4, "bar1" },
	{ 0x18, 4, "bar2" },
	{ 0x1c, 4, "bar3" },
	{ 0x20, 4, "bar4" },
	{ 0x24, 4, "bar5" },
	{ 0x28, 4, "cardbus_cis" },
	{ 0x2c, 2, "subsystem_vendor_id" },
	{ 0x2e, 2, "subsystem_id" },
	{ 0x30, 4, "rom_address" },
	{ 0x34, 1, "capabilities" },
	{ 0x3c, 1, "interrupt_line" },
	{ 0x3d, 1, "interrupt_pin" },
	{ 0x3e, 1, "min_gnt" },
	{ 0x3f, 1, "max_lat" },
	{ 0 },
};

/* ---- Capabilities: fields behind id and next ------------------------------------------------------- */

static const struct field pm[] = {
	{ 2, 2, "capabilities" },
	{ 4, 2, "control" },
	{ 0 },
};

static const struct field msi32[] = {
	{ 2, 2, "control" },
	{ 4, 4, "address" },
	{ 8, 2, "data" },
	{ 12, 4, "mask" },
	{ 16, 4, "pending" },
	{ 0 },
};

static const struct field msi64[] = {
	{ 2, 2, "control" },
	{ 4, 4, "address" },
	{ 8, 4, "address_high" },
	{ 12, 2, "data" },
	{ 16, 4, "mask" },
	{ 20, 4, "pending" },
	{ 0 },
};

static const struct field msix[] = {
	{ 2, 2, "control" },
	{ 4, 4, "table" },
	{ 8, 4, "pba" },
	{ 0 },
};

static const struct field express[] = {
	{ 2, 2, "capabilities" },
	{ 4, 4, "device_capabilities" },
	{ 8, 2, "device_control" },
	{ 10, 2, "device_status" },
	{ 12, 4, "link_capabilities" },
	{ 16, 2, "link_control" },
	{ 18, 2, "link_status" },
	{ 20, 4, "slot_capabilities" },
	{ 24, 2, "slot_control" },
	{ 26, 2, "slot_status" },
	{ 28, 2, "root_control" },
	{ 30, 2, "root_capabilities" },
	{ 32, 4, "root_status" },
	{ 36, 4, "device_capabilities_2" },
	{ 40, 2, "device_control_2" },
	{ 42, 2, "device_status_2" },
	{ 44, 4, "link_capabilities_2" },
	{ 48, 2, "link_control_2" },
	{ 50, 2, "link_status_2" },
	{ 0 },
};

static const struct field aer[] = {
	{ 4, 4, "uncorrectable_status" },
	{ 8, 4, "uncorrectable_mask" },
	{ 12, 4, "uncorrectable_severity" },
	{ 16, 4, "correctable_status" },
	{ 20, 4, "correctable_mask" },
	{ 24, 4, "control" },
	{ 28, 16, "header_log" },
	{ 0 },
};

static const struct field serial[] = {
	{ 4, 4, "low" },
	{ 8, 4, "high" },
	{ 0 },
};

static const struct field ari[] = {
	{ 4, 2, "capability" },
	{ 6, 2, "control" },
	{ 0 },
};

static const struct field sriov[] = {
	{ 4, 4, "capabilities" },
	{ 8, 2, "control" },
	{ 10, 2, "status" },
	{ 12, 2, "initial_vfs" },
	{ 14, 2, "total_vfs" },
	{ 16, 2, "num_vfs" },
	{ 18, 1, "function_link" },
	{ 20, 2, "vf_offset" },
	{ 22, 2, "vf_stride" },
	{ 26, 2, "vf_device_id" },
	{ 28, 4, "supported_page_sizes" },
	{ 32, 4, "system_page_size" },
	{ 36, 4, "bar0" },
	{ 40, 4, "bar1" },
	{ 44, 4, "bar2" },
	{ 48, 4, "bar3" },
	{ 52, 4, "bar4" },
	{ 56, 4, "bar5" },
	{ 60, 4, "migration_state" },
	{ 0 },
};

static const struct field none[] = { { 0 } };

struct group {
	uint16_t id;
	const char *name;
	const struct field *fields;
};

static const struct group groups[] = {
	{ PCI_CAP_ID_PM, "pm", pm },
	{ PCI_CAP_ID_MSI, "msi", msi32 },
	{ PCI_CAP_ID_VNDR, "vendor", none },
	{ PCI_CAP_ID_EXP, "pcie", express },
	{ PCI_CAP_ID_MSIX, "msix", msix },
	{ 0, "cap", none },
};

static const struct group ext_groups[] = {
	{ PCI_EXT_CAP_ID_ERR, "aer", aer },
	{ PCI_EXT_CAP_ID_DSN, "serial", serial },
	{ PCI_EXT_CAP_ID_ARI, "ari", ari },
	{ PCI_EXT_CAP_ID_ATS, "ats", ari },
	{ PCI_EXT_CAP_ID_SRIOV, "sriov", sriov },
	{ 0, "ext", none },
};

/* ---- Finding --------------------------------------------------------------------------------------- */

static bool in_fields(const struct field *fields, unsigned offset, struct medio_pci_register *out)
{
	for (const struct field *f = fields; f->size; f++) {
		if (offset < f->offset || offset - f->offset >= f->size)
			continue;
		out->name = f->name;
		out->inside = offset - f->offset;
		return true;
	}
	return false;
}

/* Where the capability begins that offset is in or behind; 0: there is none. Its id in *id. */
static unsigned capability_of(const uint8_t *bytes, size_t count, unsigned offset, unsigned *id)
{
	struct medio_pci_caplist list;
	unsigned at = 0;

	medio_pci_caplist_init(&list, bytes, count, offset >= CONV_SIZE);
	while (medio_pci_caplist_next(&list) == MEDIO_PCI_CAPLIST_CAP) {
		if (list.offset > offset || list.offset < at)
			continue;
		at = list.offset;
		*id = list.id;
	}
	return at;
}

bool medio_pci_register_find(
	const uint8_t *bytes, size_t count, unsigned offset, struct medio_pci_register *out)
{
	const bool extended = offset >= CONV_SIZE;
	unsigned id = 0;

	*out = (struct medio_pci_register){ 0 };
	if (offset < HEADER_END)
		return in_fields(header, offset, out);
	unsigned at = capability_of(bytes, count, offset, &id);
	if (!at)
		return false;
	const struct group *group = extended ? ext_groups : groups;
	while (group->id && group->id != id)
		group++;
	const struct field *fields = group->fields;
	if (fields == msi32 && at + 4 <= count &&
		medio_pci_get16(bytes + at + PCI_MSI_FLAGS) & PCI_MSI_FLAGS_64BIT)
		fields = msi64;
	out->group = group->name;
	out->numbered = !group->id;
	out->id = id;
	if (in_fields(fields, offset - at, out))
		return true;
	out->inside = offset - at;
	/* Behind the fields of one that is known there is nothing that belongs to it. */
	if (offset - at < (extended ? 4 : 2))
		return true;
	if (!group->id)
		return offset - at < UNKNOWN_SIZE;
	return group->fields == none && at + 3 <= count && offset - at < bytes[at + 2];
}
