/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci/sriov.h"

#include <errno.h>
#include <string.h>

#include "util/error.h"

#define PAGE 4096u
/* 4 KiB, 8 KiB, 64 KiB, 256 KiB, 1 MiB and 4 MiB: those that every PF must support (9.3.3.12). */
#define PAGE_SIZES 0x553u

#define refuse(type, err, fmt, ...) \
	medio_error_set(err, EINVAL, "type '%s': " fmt, (type)->name, __VA_ARGS__)

/* ---- What a type must have ------------------------------------------------------------------------ */

static bool has_express(const struct medio_type *type)
{
	for (unsigned i = 0; type->caps && type->caps[i].kind; i++)
		if (type->caps[i].kind == MEDIO_CAP_PCIE)
			return true;
	return false;
}

static int check_vf_bars(
	const struct medio_type *type, const struct medio_type *vf, struct medio_error **err)
{
	for (unsigned n = 0; n < MEDIO_NUM_BARS; n++) {
		const struct medio_bar *bar = &vf->bars[n];
		if (bar->kind == MEDIO_BAR_IO)
			return refuse(type, err,
				"BAR %u of its VFs is I/O, which VFs cannot have (allowed: memory)",
				n);
		if (bar->kind != MEDIO_BAR_NONE && bar->size < PAGE)
			return refuse(type, err,
				"BAR %u of its VFs has %u bytes (allowed: 4096 and more)", n,
				(unsigned)bar->size);
	}
	return 0;
}

static int check_vf(
	const struct medio_type *type, const struct medio_type *vf, struct medio_error **err)
{
	if (!vf)
		return refuse(type, err, "%s", "sriov has no type of its VFs");
	if (vf->abi != type->abi)
		return refuse(
			type, err, "its VFs were built for ABI %u, it for %u", vf->abi, type->abi);
	if (vf->sriov)
		return refuse(type, err, "%s", "its VFs have VFs of their own");
	if (vf->params && vf->params[0].name)
		return refuse(type, err, "its VFs have a parameter, '%s', that nobody can give",
			vf->params[0].name);
	if (vf->irqs.intx_pin)
		return refuse(type, err, "%s", "its VFs have an interrupt pin (9.3.4.1.18: none)");
	if (vf->id.vendor != type->id.vendor)
		return refuse(type, err, "vendor %04x of its VFs (9.3.4.1.1: the PF's, %04x)",
			vf->id.vendor, type->id.vendor);
	if (!has_express(vf))
		return refuse(type, err, "%s", "its VFs have no PCI Express capability");
	return check_vf_bars(type, vf, err);
}

int medio_pci_sriov_validate(const struct medio_type *type, struct medio_error **err)
{
	const struct medio_sriov *sriov = type->sriov;
	if (!sriov)
		return 0;
	if (!has_express(type))
		return refuse(type, err, "%s", "virtual functions, but no PCI Express capability");
	if (!sriov->total_vfs || sriov->total_vfs > MEDIO_PCI_SRIOV_MAX_VFS)
		return refuse(type, err, "%u virtual functions (allowed: 1 to %u)",
			sriov->total_vfs, MEDIO_PCI_SRIOV_MAX_VFS);
	uint32_t last = medio_pci_sriov_offset(sriov) +
			(sriov->total_vfs - 1u) * medio_pci_sriov_stride(sriov);
	if (last > 0xffff)
		return refuse(type, err,
			"the last VF is %u routing IDs behind the PF (allowed: 1 to 65535)", last);
	return check_vf(type, sriov->vf, err);
}

unsigned medio_pci_sriov_offset(const struct medio_sriov *sriov)
{
	return sriov->offset ? sriov->offset : 1;
}

unsigned medio_pci_sriov_stride(const struct medio_sriov *sriov)
{
	return sriov->stride ? sriov->stride : 1;
}

/* ---- What the registers hold after reset ------------------------------------------------------------ */

static void put_header(struct medio_pci_layout *layout, unsigned offset, unsigned id, unsigned next)
{
	medio_pci_put32(layout->initial + offset, id | 1u << 16 | next << 20);
}

/* A VF BAR is laid out as a BAR; what it says is where all VFs' areas of that number begin (9.3.3.14). */
static void fill_bar(struct medio_pci_layout *layout, unsigned reg, const struct medio_bar *bar)
{
	uint64_t address = ~(bar->size - 1);
	uint32_t flags = bar->prefetchable ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0;
	if (bar->kind == MEDIO_BAR_NONE)
		return;
	if (bar->kind == MEDIO_BAR_MEM64) {
		flags |= PCI_BASE_ADDRESS_MEM_TYPE_64;
		medio_pci_put32(layout->wmask + reg + 4, (uint32_t)(address >> 32));
	}
	medio_pci_put32(layout->initial + reg, flags);
	medio_pci_put32(layout->wmask + reg, (uint32_t)address & 0xfffffff0u);
}

void medio_pci_sriov_fill(struct medio_pci_layout *layout, unsigned offset, unsigned next,
	const struct medio_type *type)
{
	const struct medio_sriov *sriov = type->sriov;
	uint8_t *cap = layout->initial + offset, *wmask = layout->wmask + offset;

	layout->sriov = (uint16_t)offset;
	layout->total_vfs = sriov->total_vfs;
	put_header(layout, offset, PCI_EXT_CAP_ID_SRIOV, next);
	/* No VF migration; the ARI bit is this function's, for there is no PF with a lower number. */
	medio_pci_put16(wmask + PCI_SRIOV_CTRL,
		PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE | PCI_SRIOV_CTRL_ARI);
	medio_pci_put16(cap + PCI_SRIOV_INITIAL_VF, sriov->total_vfs);
	medio_pci_put16(cap + PCI_SRIOV_TOTAL_VF, sriov->total_vfs);
	medio_pci_put16(wmask + PCI_SRIOV_NUM_VF, 0xffff);
	/* Function Dependency Link: depends on nobody, so its own number, which is 0 (9.3.3.8). */
	medio_pci_put16(cap + PCI_SRIOV_VF_OFFSET, (uint16_t)medio_pci_sriov_offset(sriov));
	medio_pci_put16(cap + PCI_SRIOV_VF_STRIDE, (uint16_t)medio_pci_sriov_stride(sriov));
	medio_pci_put16(cap + PCI_SRIOV_VF_DID, sriov->vf->id.device);
	medio_pci_put32(cap + PCI_SRIOV_SUP_PGSIZE, PAGE_SIZES);
	medio_pci_put32(cap + PCI_SRIOV_SYS_PGSIZE, 1);
	medio_pci_put32(wmask + PCI_SRIOV_SYS_PGSIZE, PAGE_SIZES);
	for (unsigned n = 0; n < MEDIO_NUM_BARS; n++) {
		const struct medio_bar *bar = &sriov->vf->bars[n];
		layout->vf_bars[n] = (struct medio_pci_layout_bar){ bar->kind, bar->prefetchable,
			bar->size };
		fill_bar(layout, offset + PCI_SRIOV_BAR + 4 * n, bar);
	}
}

void medio_pci_ari_fill(struct medio_pci_layout *layout, unsigned offset, unsigned next)
{
	/* No function groups. Next Function Number 0: VFs are not in that list (7.8.8.2). */
	put_header(layout, offset, PCI_EXT_CAP_ID_ARI, next);
}

/* ---- The registers ---------------------------------------------------------------------------------- */

static uint8_t *cap_of(const struct medio_pci_config *config)
{
	return config->layout->sriov ? config->values + config->layout->sriov : NULL;
}

bool medio_pci_sriov_enabled(const struct medio_pci_config *config)
{
	const uint8_t *cap = cap_of(config);
	return cap && cap[PCI_SRIOV_CTRL] & PCI_SRIOV_CTRL_VFE;
}

bool medio_pci_sriov_memory(const struct medio_pci_config *config)
{
	const uint8_t *cap = cap_of(config);
	return medio_pci_sriov_enabled(config) && cap[PCI_SRIOV_CTRL] & PCI_SRIOV_CTRL_MSE;
}

unsigned medio_pci_sriov_num(const struct medio_pci_config *config)
{
	const uint8_t *cap = cap_of(config);
	return cap ? medio_pci_get16(cap + PCI_SRIOV_NUM_VF) : 0;
}

void medio_pci_sriov_set(struct medio_pci_config *config, unsigned num)
{
	uint8_t *cap = cap_of(config);
	if (!cap)
		return;
	medio_pci_put16(cap + PCI_SRIOV_NUM_VF, (uint16_t)num);
	if (num)
		cap[PCI_SRIOV_CTRL] |= PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE;
	else
		cap[PCI_SRIOV_CTRL] &= (uint8_t) ~(PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
}

void medio_pci_sriov_disable(struct medio_pci_config *config)
{
	uint8_t *cap = cap_of(config);
	if (cap)
		cap[PCI_SRIOV_CTRL] &= (uint8_t)~PCI_SRIOV_CTRL_VFE;
}

/* ---- Writes ----------------------------------------------------------------------------------------- */

static bool page_size_possible(uint32_t bits)
{
	return bits && !(bits & (bits - 1)) && !(bits & ~PAGE_SIZES);
}

/* 9.3.3.7: what VF Enable does with more than TotalVFs is not defined. Here it does not stay set, nor does it
 * with none. */
static bool num_possible(const struct medio_pci_layout *layout, const uint8_t *cap)
{
	unsigned num = medio_pci_get16(cap + PCI_SRIOV_NUM_VF);
	return num && num <= layout->total_vfs;
}

/* What one VF takes of a VF BAR: its size, and no less than a page of the system (9.3.3.13). */
static uint64_t slot_size(const struct medio_pci_layout *layout, const uint8_t *cap, unsigned n)
{
	uint64_t page = (uint64_t)PAGE * medio_pci_get32(cap + PCI_SRIOV_SYS_PGSIZE);
	return layout->vf_bars[n].size > page ? layout->vf_bars[n].size : page;
}

/* The address bits of VF BAR n that are 0 because of its size, in its two words. */
static uint64_t below_size(const struct medio_pci_layout *layout, const uint8_t *cap, unsigned n)
{
	return (slot_size(layout, cap, n) - 1) & ~UINT64_C(15);
}

static void cut_bars(const struct medio_pci_layout *layout, uint8_t *cap)
{
	for (unsigned n = 0; n < MEDIO_NUM_BARS; n++) {
		uint8_t *reg = cap + PCI_SRIOV_BAR + 4 * (size_t)n;
		if (layout->vf_bars[n].kind == MEDIO_BAR_NONE)
			continue;
		uint64_t below = below_size(layout, cap, n);
		medio_pci_put32(reg, medio_pci_get32(reg) & ~(uint32_t)below);
		if (layout->vf_bars[n].kind == MEDIO_BAR_MEM64)
			medio_pci_put32(
				reg + 4, medio_pci_get32(reg + 4) & ~(uint32_t)(below >> 32));
	}
}

unsigned medio_pci_sriov_written(struct medio_pci_config *config, const uint8_t *before)
{
	uint8_t *cap = cap_of(config);
	const bool was = before[PCI_SRIOV_CTRL] & PCI_SRIOV_CTRL_VFE;
	const bool is = cap[PCI_SRIOV_CTRL] & PCI_SRIOV_CTRL_VFE;

	/*
	 * A write of several registers counts as one of each in order, so the control register comes
	 * before NumVFs and the page size (9.3.3.7, 9.3.3.13: not to be changed while VF Enable is set).
	 */
	if (is) {
		memcpy(cap + PCI_SRIOV_NUM_VF, before + PCI_SRIOV_NUM_VF, 2);
		memcpy(cap + PCI_SRIOV_SYS_PGSIZE, before + PCI_SRIOV_SYS_PGSIZE, 4);
	}
	/* 9.3.3.3.5: nor is the ARI bit. */
	if (was && is)
		cap[PCI_SRIOV_CTRL] = (uint8_t)((cap[PCI_SRIOV_CTRL] & ~PCI_SRIOV_CTRL_ARI) |
						(before[PCI_SRIOV_CTRL] & PCI_SRIOV_CTRL_ARI));
	if (!page_size_possible(medio_pci_get32(cap + PCI_SRIOV_SYS_PGSIZE)))
		memcpy(cap + PCI_SRIOV_SYS_PGSIZE, before + PCI_SRIOV_SYS_PGSIZE, 4);
	cut_bars(config->layout, cap);
	if (is && !num_possible(config->layout, cap))
		cap[PCI_SRIOV_CTRL] &= (uint8_t)~PCI_SRIOV_CTRL_VFE;
	return was == is ? 0 : MEDIO_PCI_VFS;
}

int medio_pci_sriov_check(const struct medio_pci_layout *layout, const uint8_t *cap)
{
	if (!page_size_possible(medio_pci_get32(cap + PCI_SRIOV_SYS_PGSIZE)))
		return -EINVAL;
	if (cap[PCI_SRIOV_CTRL] & PCI_SRIOV_CTRL_VFE && !num_possible(layout, cap))
		return -EINVAL;
	uint8_t cut[MEDIO_PCI_SRIOV_SIZE];
	memcpy(cut, cap, sizeof(cut));
	cut_bars(layout, cut);
	return memcmp(cut, cap, sizeof(cut)) ? -EINVAL : 0;
}
