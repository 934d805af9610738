/* SPDX-License-Identifier: BSD-3-Clause */
/* Cards for the tests of the pci layer: the sample serial card of the kernel, and one with all. */
#ifndef TEST_PCI_TYPES_H
#define TEST_PCI_TYPES_H

#include <medio/device.h>

static const struct medio_config_bytes mtty_config[] = {
	{ 0x04, 2, "\x01\x00" },
	{ 0x40, 1, "\x23" },
	{ 0x43, 2, "\x80\x23" },
	{ 0x48, 1, "\x23" },
	{ 0x4c, 1, "\x23" },
	{ 0x60, 15, "PCI Serial/UART" },
	{ 0 },
};

static const struct medio_type mtty_type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "mtty-2",
	.id = { 0x4348, 0x3253, 0x4348, 0x3253, 0x10, 0x070002 },
	.bars = { { .kind = MEDIO_BAR_IO, .size = 8 }, { .kind = MEDIO_BAR_IO, .size = 8 } },
	.irqs = { .intx_pin = 1 },
	.config = mtty_config,
};

static const struct medio_mmap_area rich_areas[] = { { 0x4000, 0x2000 }, { 0x8000, 0x1000 },
	{ 0 } };
static const struct medio_doorbell rich_bells[] = { { 0x1000, 4, false, 0 } };
static const uint8_t rich_vendor[5] = { 1, 2, 3, 4, 5 };
static const uint8_t rich_vendor_wmask[5] = { 0, 0xff, 0, 0x0f, 0 };
static const uint8_t rich_serial[8] = { 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11 };
static const uint8_t rich_evendor[8] = { 0x34, 0x12, 0xc1, 0x00, 0, 0, 0, 0 };
static const uint8_t rich_evendor_wmask[8] = { 0, 0, 0, 0, 0xff, 0xff, 0, 0 };

static const struct medio_cap rich_caps[] = {
	{ .kind = MEDIO_CAP_PM, .offset = 0x80 },
	{ .kind = MEDIO_CAP_VENDOR,
		.size = sizeof(rich_vendor),
		.data = rich_vendor,
		.wmask = rich_vendor_wmask },
	{ .kind = MEDIO_CAP_EXT,
		.ext_id = 3,
		.ext_version = 1,
		.size = sizeof(rich_serial),
		.data = rich_serial },
	{ .kind = MEDIO_CAP_PCIE },
	{ .kind = MEDIO_CAP_MSIX },
	{ .kind = MEDIO_CAP_EXT,
		.ext_id = 0xb,
		.ext_version = 1,
		.size = sizeof(rich_evendor),
		.data = rich_evendor,
		.wmask = rich_evendor_wmask },
	{ 0 },
};

/* PM, vendor, PCI Express, MSI-X, MSI with masks, two extended capabilities, BARs of all kinds. */
static const struct medio_type rich_type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "rich",
	.id = { 0x1234, 0x11e8, 0x1af4, 0x1100, 2, 0x020000 },
	.bars = { { .kind = MEDIO_BAR_MEM64, .prefetchable = true, .size = UINT64_C(1) << 33 },
		[2] = { .kind = MEDIO_BAR_MEM32,
			.size = 0x10000,
			.areas = rich_areas,
			.doorbells = rich_bells,
			.num_doorbells = 1 },
		[3] = { .kind = MEDIO_BAR_IO, .size = 256 },
		[4] = { .kind = MEDIO_BAR_MEM64, .size = 16 } },
	.irqs = { .intx_pin = 2,
		.msi = 8,
		.msi_vector_mask = true,
		.msix = { .vectors = 33,
			.table_bar = 2,
			.pba_bar = 2,
			.table_offset = 0x2000,
			.pba_offset = 0x3000 } },
	.caps = rich_caps,
};

/* A physical function with virtual ones: ARI at 0x100, SR-IOV at 0x108. */
static const struct medio_cap pf_caps[] = { { .kind = MEDIO_CAP_PCIE }, { 0 } };

static const struct medio_type pf_vf_type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "pf-vf",
	.id = { 0x1234, 0x0002, 0, 0, 0, 0xff0000 },
	.bars = { { .kind = MEDIO_BAR_MEM64, .prefetchable = true, .size = 0x2000 },
		[2] = { .kind = MEDIO_BAR_MEM32, .size = 0x4000 } },
	.caps = pf_caps,
};

static const struct medio_sriov pf_sriov = { .vf = &pf_vf_type, .total_vfs = 8 };

static const struct medio_type pf_type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "pf",
	.id = { 0x1234, 0x0001, 0, 0, 0, 0xff0000 },
	.bars = { { .kind = MEDIO_BAR_MEM32, .size = 4096 } },
	.irqs = { .intx_pin = 1 },
	.caps = pf_caps,
	.sriov = &pf_sriov,
};

#endif
