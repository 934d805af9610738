/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is constant about the configuration space of a type: which bytes it starts with, which bits
 * can be written, where its capabilities stand. Made and checked once for a type; each instance
 * (config.h) then has its values only.
 *
 * The header is type 0 (PCI Local Bus 3.0, 6.1). Capabilities stand in the order of type->caps;
 * MSI and MSI-X that irqs asks for without a listed capability come last, in that order. Those
 * without an offset of their own take the first free place from 0x40, multiples of 4, around
 * placed ones and type->config bytes. Extended capabilities (PCI Express Base 7.6) stand one after
 * another from 0x100, around type->config bytes; the first is at 0x100. A physical function has ARI and
 * SR-IOV after those.
 *
 * type->config bytes at 0x40 and above are read-only bytes. Below 0x40 they change the value after
 * reset only: which bits can be written stays the standard's. Bits the library answers for keep
 * its value: header type bits 0-6, the capabilities bit and interrupt bit of the status register,
 * read-only bits of the BARs, the ROM BAR (there is none), the capability pointer.
 *
 * Threads: a layout does not change after it is made; references may be taken and dropped anywhere.
 */
#ifndef MEDIO_PCI_LAYOUT_H
#define MEDIO_PCI_LAYOUT_H

#include <medio/device.h>

struct medio_error;

/* What a write has touched, by byte of configuration space and as the result of a write. */
enum medio_pci_event {
	MEDIO_PCI_COMMAND = 1 << 0,	 /* the command register changed */
	MEDIO_PCI_INTX_DISABLE = 1 << 1, /* its INTx disable bit did */
	MEDIO_PCI_BAR = 1 << 2,		 /* a BAR changed */
	MEDIO_PCI_MSI = 1 << 3,		 /* MSI control, address, data or mask bits changed */
	MEDIO_PCI_MSIX = 1 << 4,	 /* MSI-X enable or function mask changed */
	MEDIO_PCI_FLR = 1 << 5,		 /* 1 written to Initiate Function Level Reset */
	MEDIO_PCI_POWER_DOWN = 1 << 6,	 /* D0 -> D3hot */
	MEDIO_PCI_POWER_UP = 1 << 7,	 /* D3hot -> D0: a reset is due (No_Soft_Reset is 0) */
	MEDIO_PCI_CAP = 1 << 8, /* writable bits of a vendor or extended capability were written,
				   even with the value they had */
	MEDIO_PCI_VFS = 1 << 9, /* VF Enable changed */
};

struct medio_pci_layout {
	unsigned refs;	 /* atomic */
	uint16_t size;	 /* 256, or 4096 with MEDIO_CAP_PCIE */
	uint16_t extent; /* bytes that hold anything; [extent, size) reads as 0, ignores writes */
	/* extent bytes each: value after reset, bits that can be written, bits that clear when 1
	 * is written, bits that change by themselves (or clear), events as a medio_pci_event. */
	uint8_t *initial, *wmask, *w1c, *live;
	uint16_t *event;
	/* Offsets of capabilities, 0: none. */
	uint8_t pm, pcie, msi, msix;
	uint8_t msi_log2; /* log2 of the vectors MSI is capable of */
	bool msi_mask;	  /* MSI has mask and pending bits */
	struct medio_pci_layout_bar {
		enum medio_bar_kind kind;
		bool prefetchable;
		uint64_t size;
	} bars[MEDIO_NUM_BARS];
	/* SR-IOV (sriov.h): offset of the capability, 0: none; the BARs of a VF. */
	uint16_t sriov, total_vfs;
	struct medio_pci_layout_bar vf_bars[MEDIO_NUM_BARS];
	/* Offset of each listed capability (type->caps[i] -> cap_offset[i]), for tests and tools. */
	uint16_t *cap_offset;
};

/*
 * Check type and make its layout, with one reference. type need not stay. Errors, with words in
 * *err that name the type, what is wrong and what is allowed:
 *   -EPROTO  type->abi is not MEDIO_DEVICE_ABI
 *   -EINVAL  anything in type that no card can have: see validate.h, and capabilities that do not
 *            fit, overlap, are listed twice, or miss what they need
 *   -ENOMEM
 */
int medio_pci_layout_new(
	const struct medio_type *type, struct medio_pci_layout **out, struct medio_error **err);
/*
 * The same for a virtual function of that type, as a client of VFIO sees it: with the ids, a memory bit in
 * the command register that says nothing (VF MSE of the PF does), no interrupt pin, no INTx to disable,
 * and ARI. Source: PCI Express Base 6.0, 9.3.4.1; Linux drivers/vfio/pci/vfio_pci_config.c.
 */
int medio_pci_layout_new_vf(
	const struct medio_type *type, struct medio_pci_layout **out, struct medio_error **err);
struct medio_pci_layout *medio_pci_layout_ref(struct medio_pci_layout *layout);
/* NULL is allowed. */
void medio_pci_layout_unref(struct medio_pci_layout *layout);

#endif
