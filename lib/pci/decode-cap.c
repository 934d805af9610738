/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci/decode-cap.h"

#include <linux/pci_regs.h>

#include "pci/bytes.h"
#include "pci/caplist.h"
#include "util/cleanup.h"

const char *medio_pci_decode_cap_name(unsigned id)
{
	/* A name in angle brackets behind it says: not looked into. */
	static const char *const names[] = {
		[0x00] = "Null",
		[PCI_CAP_ID_PM] = "Power Management",
		[PCI_CAP_ID_AGP] = "AGP <?>",
		[PCI_CAP_ID_VPD] = "Vital Product Data",
		[PCI_CAP_ID_SLOTID] = "Slot ID <?>",
		[PCI_CAP_ID_MSI] = "MSI",
		[PCI_CAP_ID_CHSWP] = "CompactPCI hot-swap <?>",
		[PCI_CAP_ID_PCIX] = "PCI-X <?>",
		[PCI_CAP_ID_HT] = "HyperTransport <?>",
		[PCI_CAP_ID_VNDR] = "Vendor Specific Information",
		[PCI_CAP_ID_DBG] = "Debug port <?>",
		[PCI_CAP_ID_CCRC] = "CompactPCI central resource control <?>",
		[PCI_CAP_ID_SHPC] = "Hot-plug capable",
		[PCI_CAP_ID_SSVID] = "Subsystem <?>",
		[PCI_CAP_ID_AGP3] = "AGP3 <?>",
		[PCI_CAP_ID_SECDEV] = "Secure device <?>",
		[PCI_CAP_ID_EXP] = "Express",
		[PCI_CAP_ID_MSIX] = "MSI-X",
		[PCI_CAP_ID_SATA] = "SATA HBA <?>",
		[PCI_CAP_ID_AF] = "PCI Advanced Features",
		[PCI_CAP_ID_EA] = "Enhanced Allocation (EA) <?>",
	};
	return id < MEDIO_ARRAY_SIZE(names) ? names[id] : NULL;
}

const char *medio_pci_decode_ext_name(unsigned id)
{
	static const char *const names[] = {
		[0x00] = "Null",
		[0x01] = "Advanced Error Reporting",
		[0x02] = "Virtual Channel",
		[0x03] = "Device Serial Number",
		[0x04] = "Power Budgeting <?>",
		[0x05] = "Root Complex Link",
		[0x06] = "Root Complex Internal Link <?>",
		[0x07] = "Root Complex Event Collector Endpoint Association",
		[0x08] = "Multi-Function Virtual Channel <?>",
		[0x09] = "Virtual Channel",
		[0x0a] = "Root Complex Register Block <?>",
		[0x0b] = "Vendor Specific Information",
		[0x0d] = "Access Control Services",
		[0x0e] = "Alternative Routing-ID Interpretation (ARI)",
		[0x0f] = "Address Translation Service (ATS)",
		[0x10] = "Single Root I/O Virtualization (SR-IOV)",
		[0x11] = "Multi-Root I/O Virtualization <?>",
		[0x12] = "Multicast",
		[0x13] = "Page Request Interface (PRI)",
		[0x15] = "Physical Resizable BAR",
		[0x16] = "Dynamic Power Allocation <?>",
		[0x17] = "Transaction Processing Hints",
		[0x18] = "Latency Tolerance Reporting",
		[0x19] = "Secondary PCI Express",
		[0x1a] = "Protocol Multiplexing <?>",
		[0x1b] = "Process Address Space ID (PASID)",
		[0x1c] = "LN Requester <?>",
		[0x1d] = "Downstream Port Containment",
		[0x1e] = "L1 PM Substates",
		[0x1f] = "Precision Time Measurement",
		[0x20] = "PCI Express over M_PHY <?>",
		[0x21] = "FRS Queueing <?>",
		[0x22] = "Readiness Time Reporting <?>",
		[0x23] = "Designated Vendor-Specific",
		[0x24] = "Virtual Resizable BAR",
		[0x25] = "Data Link Feature <?>",
		[0x26] = "Physical Layer 16.0 GT/s <?>",
		[0x27] = "Lane Margining at the Receiver <?>",
		[0x28] = "Hierarchy ID <?>",
		[0x29] = "Native PCIe Enclosure Management <?>",
		[0x2e] = "Data Object Exchange",
	};
	return id < MEDIO_ARRAY_SIZE(names) ? names[id] : NULL;
}

static uint16_t get16(const struct medio_pci_decode *d, unsigned offset)
{
	return medio_pci_get16(d->bytes + offset);
}

static uint32_t get32(const struct medio_pci_decode *d, unsigned offset)
{
	return medio_pci_get32(d->bytes + offset);
}

static void print_pm(const struct medio_pci_decode *d, unsigned at, FILE *out)
{
	static const unsigned aux[8] = { 0, 55, 100, 160, 220, 270, 320, 375 };
	uint16_t pmc = get16(d, at + PCI_PM_PMC);

	fprintf(out, "Power Management version %u\n", pmc & PCI_PM_CAP_VER_MASK);
	if (d->verbose < 2)
		return;
	fprintf(out,
		"\t\tFlags: PMEClk%c DSI%c D1%c D2%c AuxCurrent=%umA "
		"PME(D0%c,D1%c,D2%c,D3hot%c,D3cold%c)\n",
		FLAG(pmc, PCI_PM_CAP_PME_CLOCK), FLAG(pmc, PCI_PM_CAP_DSI),
		FLAG(pmc, PCI_PM_CAP_D1), FLAG(pmc, PCI_PM_CAP_D2), aux[pmc >> 6 & 7],
		FLAG(pmc, PCI_PM_CAP_PME_D0), FLAG(pmc, PCI_PM_CAP_PME_D1),
		FLAG(pmc, PCI_PM_CAP_PME_D2), FLAG(pmc, PCI_PM_CAP_PME_D3hot),
		FLAG(pmc, PCI_PM_CAP_PME_D3cold));
	if (!medio_pci_decode_has(d, at, PCI_PM_SIZEOF))
		return;
	uint16_t ctrl = get16(d, at + PCI_PM_CTRL);
	fprintf(out, "\t\tStatus: D%u NoSoftRst%c PME-Enable%c DSel=%u DScale=%u PME%c\n",
		ctrl & PCI_PM_CTRL_STATE_MASK, FLAG(ctrl, PCI_PM_CTRL_NO_SOFT_RESET),
		FLAG(ctrl, PCI_PM_CTRL_PME_ENABLE), ctrl >> 9 & 15, ctrl >> 13 & 3,
		FLAG(ctrl, PCI_PM_CTRL_PME_STATUS));
	uint8_t bridge = d->bytes[at + PCI_PM_PPB_EXTENSIONS];
	if (bridge)
		fprintf(out, "\t\tBridge: PM%c B3%c\n", FLAG(bridge, PCI_PM_BPCC_ENABLE),
			FLAG(~bridge, PCI_PM_PPB_B2_B3));
}

static void print_msi(const struct medio_pci_decode *d, unsigned at, FILE *out)
{
	uint16_t flags = get16(d, at + PCI_MSI_FLAGS);
	bool wide = flags & PCI_MSI_FLAGS_64BIT;
	unsigned data = wide ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32;
	unsigned mask = wide ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32;

	fprintf(out, "MSI: Enable%c Count=%u/%u Maskable%c 64bit%c\n",
		FLAG(flags, PCI_MSI_FLAGS_ENABLE), 1u << (flags >> 4 & 7), 1u << (flags >> 1 & 7),
		FLAG(flags, PCI_MSI_FLAGS_MASKBIT), FLAG(flags, PCI_MSI_FLAGS_64BIT));
	if (d->verbose < 2 || !medio_pci_decode_has(d, at, data + 2))
		return;
	fputs("\t\tAddress: ", out);
	if (wide)
		fprintf(out, "%08x", get32(d, at + PCI_MSI_ADDRESS_HI));
	fprintf(out, "%08x  Data: %04x\n", get32(d, at + PCI_MSI_ADDRESS_LO), get16(d, at + data));
	if ((flags & PCI_MSI_FLAGS_MASKBIT) && medio_pci_decode_has(d, at, mask + 8))
		fprintf(out, "\t\tMasking: %08x  Pending: %08x\n", get32(d, at + mask),
			get32(d, at + mask + 4));
}

static void print_msix(const struct medio_pci_decode *d, unsigned at, FILE *out)
{
	uint16_t flags = get16(d, at + PCI_MSIX_FLAGS);

	fprintf(out, "MSI-X: Enable%c Count=%u Masked%c\n", FLAG(flags, PCI_MSIX_FLAGS_ENABLE),
		(flags & PCI_MSIX_FLAGS_QSIZE) + 1u, FLAG(flags, PCI_MSIX_FLAGS_MASKALL));
	if (d->verbose < 2 || !medio_pci_decode_has(d, at, PCI_CAP_MSIX_SIZEOF))
		return;
	uint32_t table = get32(d, at + PCI_MSIX_TABLE), pba = get32(d, at + PCI_MSIX_PBA);
	fprintf(out, "\t\tVector table: BAR=%u offset=%08x\n", table & 7, table & ~7u);
	fprintf(out, "\t\tPBA: BAR=%u offset=%08x\n", pba & 7, pba & ~7u);
}

/* Virtual I/O Device 1.1, 4.1.4: where a part of a virtio device stands. */
static bool print_virtio(const struct medio_pci_decode *d, unsigned at, FILE *out)
{
	static const char *const parts[] = { "<unknown>", "CommonCfg", "Notify", "ISR",
		"DeviceCfg" };
	unsigned len = d->bytes[at + 2], part = d->bytes[at + 3];
	uint16_t device = get16(d, PCI_DEVICE_ID);

	if (get16(d, PCI_VENDOR_ID) != 0x1af4 || device < 0x1000 || device > 0x107f)
		return false;
	if (len < 16 || !medio_pci_decode_has(d, at, len))
		return false;
	fprintf(out, "VirtIO: %s\n", parts[part < MEDIO_ARRAY_SIZE(parts) ? part : 0]);
	if (d->verbose < 2)
		return true;
	fprintf(out, "\t\tBAR=%u offset=%08x size=%08x", d->bytes[at + 4], get32(d, at + 8),
		get32(d, at + 12));
	if (part == 2 && len >= 20)
		fprintf(out, " multiplier=%08x", get32(d, at + 16));
	fputc('\n', out);
	return true;
}

static void print_vendor(const struct medio_pci_decode *d, unsigned at, FILE *out)
{
	fputs("Vendor Specific Information: ", out);
	if (!print_virtio(d, at, out))
		fprintf(out, "Len=%02x <?>\n", d->bytes[at + 2]);
}

static void print_cap(
	const struct medio_pci_decode *d, const struct medio_pci_caplist *list, FILE *out)
{
	const char *name = medio_pci_decode_cap_name(list->id);

	switch (list->id) {
	case PCI_CAP_ID_PM:
		print_pm(d, list->offset, out);
		return;
	case PCI_CAP_ID_MSI:
		print_msi(d, list->offset, out);
		return;
	case PCI_CAP_ID_VNDR:
		print_vendor(d, list->offset, out);
		return;
	case PCI_CAP_ID_EXP:
		medio_pci_decode_express(d, list->offset, out);
		return;
	case PCI_CAP_ID_MSIX:
		print_msix(d, list->offset, out);
		return;
	}
	if (name)
		fprintf(out, "%s\n", name);
	else
		fprintf(out, "Capability ID %#02x [%04x]\n", list->id,
			get16(d, list->offset + PCI_CAP_FLAGS));
}

static void print_ext(
	const struct medio_pci_decode *d, const struct medio_pci_caplist *list, FILE *out)
{
	const char *name = medio_pci_decode_ext_name(list->id);
	unsigned at = list->offset;

	if (list->id == PCI_EXT_CAP_ID_DSN && medio_pci_decode_has(d, at, 12)) {
		fputs("Device Serial Number ", out);
		for (unsigned i = 12; i-- > 4;)
			fprintf(out, "%02x%c", d->bytes[at + i], i > 4 ? '-' : '\n');
		return;
	}
	if (list->id == PCI_EXT_CAP_ID_VNDR) {
		if (!medio_pci_decode_has(d, at, 8)) {
			fputs("Vendor Specific Information: <unreadable>\n", out);
			return;
		}
		uint32_t header = get32(d, at + 4);
		fprintf(out, "Vendor Specific Information: ID=%04x Rev=%u Len=%03x <?>\n",
			header & 0xffff, header >> 16 & 15, header >> 20);
		return;
	}
	if (name)
		fprintf(out, "%s\n", name);
	else
		fprintf(out, "Extended Capability ID %#02x\n", list->id);
	if (list->id == PCI_EXT_CAP_ID_ARI)
		medio_pci_decode_ari(d, at, out);
	if (list->id == PCI_EXT_CAP_ID_SRIOV)
		medio_pci_decode_sriov(d, at, out);
}

static void print_list(const struct medio_pci_decode *d, bool extended, FILE *out)
{
	struct medio_pci_caplist list;
	enum medio_pci_caplist_step step;

	medio_pci_caplist_init(&list, d->bytes, d->count, extended);
	while ((step = medio_pci_caplist_next(&list)) != MEDIO_PCI_CAPLIST_END) {
		if (step == MEDIO_PCI_CAPLIST_BEYOND) {
			/* lspci is silent about an extended list it cannot reach. */
			if (!extended)
				fputs("\tCapabilities: <access denied>\n", out);
			return;
		}
		if (!extended)
			fprintf(out, "\tCapabilities: [%02x] ", list.offset);
		else if (d->verbose > 1)
			fprintf(out, "\tCapabilities: [%03x v%u] ", list.offset, list.version);
		else
			fprintf(out, "\tCapabilities: [%03x] ", list.offset);
		if (step == MEDIO_PCI_CAPLIST_LOOPED)
			fputs("<chain looped>\n", out);
		else if (step == MEDIO_PCI_CAPLIST_BROKEN)
			fputs("<chain broken>\n", out);
		else if (extended)
			print_ext(d, &list, out);
		else
			print_cap(d, &list, out);
	}
}

void medio_pci_decode_caps(const struct medio_pci_decode *d, FILE *out)
{
	print_list(d, false, out);
	if (medio_pci_caplist_find(d->bytes, d->count, false, PCI_CAP_ID_EXP) ||
		medio_pci_caplist_find(d->bytes, d->count, false, PCI_CAP_ID_PCIX))
		print_list(d, true, out);
}
