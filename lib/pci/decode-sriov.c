/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands in ARI and SR-IOV (PCI Express Base 6.0, 7.8.8 and 9.3.3), in lspci's words. */
#include <inttypes.h>
#include <linux/pci_regs.h>

#include "pci/bytes.h"
#include "pci/decode-cap.h"
#include "pci/sriov.h"

#define CAP_10BIT_TAG  4u
#define CTRL_10BIT_TAG 0x20u

void medio_pci_decode_ari(const struct medio_pci_decode *d, unsigned at, FILE *out)
{
	if (d->verbose < 2 || !medio_pci_decode_has(d, at, MEDIO_PCI_ARI_SIZE))
		return;
	uint16_t cap = medio_pci_get16(d->bytes + at + PCI_ARI_CAP);
	uint16_t ctrl = medio_pci_get16(d->bytes + at + PCI_ARI_CTRL);
	fprintf(out, "\t\tARICap:\tMFVC%c ACS%c, Next Function: %u\n", FLAG(cap, PCI_ARI_CAP_MFVC),
		FLAG(cap, PCI_ARI_CAP_ACS), PCI_ARI_CAP_NFN(cap));
	fprintf(out, "\t\tARICtl:\tMFVC%c ACS%c, Function Group: %u\n",
		FLAG(ctrl, PCI_ARI_CTRL_MFVC), FLAG(ctrl, PCI_ARI_CTRL_ACS), PCI_ARI_CTRL_FG(ctrl));
}

static void print_bars(const uint8_t *cap, FILE *out)
{
	for (unsigned n = 0; n < MEDIO_NUM_BARS; n++) {
		const uint8_t *reg = cap + PCI_SRIOV_BAR + 4 * (size_t)n;
		uint32_t low = medio_pci_get32(reg);
		const char *kind = low & PCI_BASE_ADDRESS_MEM_PREFETCH ? "" : "non-";
		if (!low || low == 0xffffffff)
			continue;
		fprintf(out, "\t\tRegion %u: Memory at ", n);
		bool wide = (low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
		if (wide) {
			uint32_t high = n + 1 < MEDIO_NUM_BARS ? medio_pci_get32(reg + 4) : 0;
			fprintf(out, "%08x", high);
			n++;
		}
		fprintf(out, "%08x (%s-bit, %sprefetchable)\n", low & ~15u, wide ? "64" : "32",
			kind);
	}
}

void medio_pci_decode_sriov(const struct medio_pci_decode *d, unsigned at, FILE *out)
{
	if (d->verbose < 2 || !medio_pci_decode_has(d, at, MEDIO_PCI_SRIOV_SIZE))
		return;
	const uint8_t *cap = d->bytes + at;
	uint32_t can = medio_pci_get32(cap + PCI_SRIOV_CAP);
	uint16_t ctrl = medio_pci_get16(cap + PCI_SRIOV_CTRL);
	uint32_t migration = medio_pci_get32(cap + PCI_SRIOV_VFM);

	fprintf(out, "\t\tIOVCap:\tMigration%c 10BitTagReq%c Interrupt Message Number: %03x\n",
		FLAG(can, PCI_SRIOV_CAP_VFM), FLAG(can, CAP_10BIT_TAG), can >> 21);
	fprintf(out,
		"\t\tIOVCtl:\tEnable%c Migration%c Interrupt%c MSE%c ARIHierarchy%c 10BitTagReq%c\n",
		FLAG(ctrl, PCI_SRIOV_CTRL_VFE), FLAG(ctrl, PCI_SRIOV_CTRL_VFM),
		FLAG(ctrl, PCI_SRIOV_CTRL_INTR), FLAG(ctrl, PCI_SRIOV_CTRL_MSE),
		FLAG(ctrl, PCI_SRIOV_CTRL_ARI), FLAG(ctrl, CTRL_10BIT_TAG));
	fprintf(out, "\t\tIOVSta:\tMigration%c\n",
		FLAG(medio_pci_get16(cap + PCI_SRIOV_STATUS), PCI_SRIOV_STATUS_VFM));
	fprintf(out,
		"\t\tInitial VFs: %u, Total VFs: %u, Number of VFs: %u, Function Dependency Link: "
		"%02x\n",
		medio_pci_get16(cap + PCI_SRIOV_INITIAL_VF),
		medio_pci_get16(cap + PCI_SRIOV_TOTAL_VF), medio_pci_get16(cap + PCI_SRIOV_NUM_VF),
		cap[PCI_SRIOV_FUNC_LINK]);
	fprintf(out, "\t\tVF offset: %u, stride: %u, Device ID: %04x\n",
		medio_pci_get16(cap + PCI_SRIOV_VF_OFFSET),
		medio_pci_get16(cap + PCI_SRIOV_VF_STRIDE),
		medio_pci_get16(cap + PCI_SRIOV_VF_DID));
	fprintf(out, "\t\tSupported Page Size: %08x, System Page Size: %08x\n",
		medio_pci_get32(cap + PCI_SRIOV_SUP_PGSIZE),
		medio_pci_get32(cap + PCI_SRIOV_SYS_PGSIZE));
	print_bars(cap, out);
	fprintf(out, "\t\tVF Migration: offset: %08x, BIR: %x\n", migration & ~7u, migration & 7);
}
