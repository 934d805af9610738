/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci/capability.h"

#include <linux/pci_regs.h>
#include <string.h>

#include "pci/bytes.h"

#define PM_SIZE		8
#define PCIE_SIZE	60 /* version 2, PCI Express Base 7.5.3 */
#define MSI_SIZE_64	14
#define MSI_SIZE_64MASK 24
#define MSIX_SIZE	12
#define VENDOR_HEADER	3 /* id, next, length */
#define EXT_HEADER	4

const char *medio_pci_capability_name(enum medio_cap_kind kind)
{
	static const char *const names[] = {
		[MEDIO_CAP_PM] = "power management",
		[MEDIO_CAP_PCIE] = "PCI Express",
		[MEDIO_CAP_MSI] = "MSI",
		[MEDIO_CAP_MSIX] = "MSI-X",
		[MEDIO_CAP_VENDOR] = "vendor",
		[MEDIO_CAP_EXT] = "extended",
	};
	return names[kind];
}

unsigned medio_pci_capability_size(
	enum medio_cap_kind kind, const struct medio_type *type, const struct medio_cap *cap)
{
	switch (kind) {
	case MEDIO_CAP_PM:
		return PM_SIZE;
	case MEDIO_CAP_PCIE:
		return PCIE_SIZE;
	case MEDIO_CAP_MSI:
		return type->irqs.msi_vector_mask ? MSI_SIZE_64MASK : MSI_SIZE_64;
	case MEDIO_CAP_MSIX:
		return MSIX_SIZE;
	case MEDIO_CAP_VENDOR:
		return VENDOR_HEADER + cap->size;
	case MEDIO_CAP_EXT:
		return EXT_HEADER + cap->size;
	default:
		return 0;
	}
}

static void put_events(
	struct medio_pci_layout *layout, unsigned offset, unsigned size, enum medio_pci_event event)
{
	for (unsigned i = 0; i < size; i++)
		layout->event[offset + i] |= event;
}

/* PCI PM 1.2, 3.2: version 3, D0 and D3hot, no PME. No_Soft_Reset is 0: D3hot to D0 resets. */
static void fill_pm(struct medio_pci_layout *layout, unsigned offset)
{
	uint8_t *cap = layout->initial + offset;

	layout->pm = (uint8_t)offset;
	medio_pci_put16(cap + PCI_PM_PMC, 3);
	medio_pci_put16(layout->wmask + offset + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);
	medio_pci_put16(layout->w1c + offset + PCI_PM_CTRL, PCI_PM_CTRL_PME_STATUS);
}

/* PCI Express Base 7.5.3: an endpoint with FLR, 128-byte payload, on a 2.5 GT/s x1 link. */
static void fill_pcie(struct medio_pci_layout *layout, unsigned offset)
{
	uint8_t *cap = layout->initial + offset, *wmask = layout->wmask + offset;

	layout->pcie = (uint8_t)offset;
	medio_pci_put16(cap + PCI_EXP_FLAGS, 2 | PCI_EXP_TYPE_ENDPOINT << 4);
	medio_pci_put32(cap + PCI_EXP_DEVCAP,
		PCI_EXP_DEVCAP_FLR | PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_EXT_TAG);
	/* Reset: relaxed ordering and no-snoop on, reads of 512 bytes. The payload size has one
	 * value and is hardwired, which 7.5.3.4 permits. Bit 15 starts an FLR and reads as 0. */
	medio_pci_put16(cap + PCI_EXP_DEVCTL,
		PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN | 2 << 12);
	medio_pci_put16(wmask + PCI_EXP_DEVCTL,
		PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE | PCI_EXP_DEVCTL_FERE |
			PCI_EXP_DEVCTL_URRE | PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_EXT_TAG |
			PCI_EXP_DEVCTL_NOSNOOP_EN | PCI_EXP_DEVCTL_READRQ);
	medio_pci_put16(layout->w1c + offset + PCI_EXP_DEVSTA,
		PCI_EXP_DEVSTA_CED | PCI_EXP_DEVSTA_NFED | PCI_EXP_DEVSTA_FED | PCI_EXP_DEVSTA_URD);
	medio_pci_put32(cap + PCI_EXP_LNKCAP, PCI_EXP_LNKCAP_SLS_2_5GB | 1 << 4 | 1 << 22);
	medio_pci_put16(wmask + PCI_EXP_LNKCTL,
		PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_RCB | PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES);
	medio_pci_put16(cap + PCI_EXP_LNKSTA,
		PCI_EXP_LNKSTA_CLS_2_5GB | PCI_EXP_LNKSTA_NLW_X1 | PCI_EXP_LNKSTA_SLC);
	medio_pci_put32(cap + PCI_EXP_DEVCAP2, PCI_EXP_DEVCAP2_COMP_TMOUT_DIS);
	medio_pci_put16(wmask + PCI_EXP_DEVCTL2, PCI_EXP_DEVCTL2_COMP_TMOUT_DIS);
	medio_pci_put32(cap + PCI_EXP_LNKCAP2, PCI_EXP_LNKCAP2_SLS_2_5GB);
	medio_pci_put16(cap + PCI_EXP_LNKCTL2, PCI_EXP_LNKCTL2_TLS_2_5GT);
}

/* PCI Local Bus 3.0, 6.8.1: 64-bit addresses, with mask and pending bits if the type wants. */
static void fill_msi(
	struct medio_pci_layout *layout, unsigned offset, const struct medio_type *type)
{
	uint8_t *cap = layout->initial + offset, *wmask = layout->wmask + offset;
	unsigned log2 = 0;

	while (1u << log2 < type->irqs.msi)
		log2++;
	layout->msi = (uint8_t)offset;
	layout->msi_log2 = (uint8_t)log2;
	layout->msi_mask = type->irqs.msi_vector_mask;
	medio_pci_put16(
		cap + PCI_MSI_FLAGS, (uint16_t)(PCI_MSI_FLAGS_64BIT | log2 << 1 |
						(layout->msi_mask ? PCI_MSI_FLAGS_MASKBIT : 0)));
	medio_pci_put16(wmask + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	medio_pci_put32(wmask + PCI_MSI_ADDRESS_LO, 0xfffffffc);
	medio_pci_put32(wmask + PCI_MSI_ADDRESS_HI, 0xffffffff);
	medio_pci_put16(wmask + PCI_MSI_DATA_64, 0xffff);
	if (layout->msi_mask) {
		uint32_t vectors = (uint32_t)((UINT64_C(1) << type->irqs.msi) - 1);
		medio_pci_put32(wmask + PCI_MSI_MASK_64, vectors);
		medio_pci_put32(layout->live + offset + PCI_MSI_PENDING_64, vectors);
	}
	put_events(layout, offset, medio_pci_capability_size(MEDIO_CAP_MSI, type, NULL),
		MEDIO_PCI_MSI);
}

/* PCI Local Bus 3.0, 6.8.2. */
static void fill_msix(
	struct medio_pci_layout *layout, unsigned offset, const struct medio_type *type)
{
	uint8_t *cap = layout->initial + offset;
	const struct medio_msix *msix = &type->irqs.msix;

	layout->msix = (uint8_t)offset;
	medio_pci_put16(cap + PCI_MSIX_FLAGS, (uint16_t)(msix->vectors - 1));
	medio_pci_put32(cap + PCI_MSIX_TABLE, msix->table_offset | msix->table_bar);
	medio_pci_put32(cap + PCI_MSIX_PBA, msix->pba_offset | msix->pba_bar);
	medio_pci_put16(layout->wmask + offset + PCI_MSIX_FLAGS,
		PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	put_events(layout, offset, MSIX_SIZE, MEDIO_PCI_MSIX);
}

/* The body of a vendor or extended capability, which is the type's own. */
static void fill_body(struct medio_pci_layout *layout, unsigned offset, const struct medio_cap *cap)
{
	if (!cap->size)
		return;
	if (cap->data)
		memcpy(layout->initial + offset, cap->data, cap->size);
	if (cap->wmask)
		memcpy(layout->wmask + offset, cap->wmask, cap->size);
	put_events(layout, offset, cap->size, MEDIO_PCI_CAP);
}

void medio_pci_capability_fill(struct medio_pci_layout *layout, unsigned offset, unsigned next,
	enum medio_cap_kind kind, const struct medio_type *type, const struct medio_cap *cap)
{
	static const uint8_t ids[] = {
		[MEDIO_CAP_PM] = PCI_CAP_ID_PM,
		[MEDIO_CAP_PCIE] = PCI_CAP_ID_EXP,
		[MEDIO_CAP_MSI] = PCI_CAP_ID_MSI,
		[MEDIO_CAP_MSIX] = PCI_CAP_ID_MSIX,
		[MEDIO_CAP_VENDOR] = PCI_CAP_ID_VNDR,
	};
	uint8_t *header = layout->initial + offset;

	if (kind == MEDIO_CAP_EXT) {
		medio_pci_put32(
			header, cap->ext_id | (uint32_t)cap->ext_version << 16 | next << 20);
		fill_body(layout, offset + EXT_HEADER, cap);
		return;
	}
	header[0] = ids[kind];
	header[1] = (uint8_t)next;
	switch (kind) {
	case MEDIO_CAP_PM:
		fill_pm(layout, offset);
		break;
	case MEDIO_CAP_PCIE:
		fill_pcie(layout, offset);
		break;
	case MEDIO_CAP_MSI:
		fill_msi(layout, offset, type);
		break;
	case MEDIO_CAP_MSIX:
		fill_msix(layout, offset, type);
		break;
	default:
		header[2] = (uint8_t)(VENDOR_HEADER + cap->size);
		fill_body(layout, offset + VENDOR_HEADER, cap);
	}
}
