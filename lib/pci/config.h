/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration space of one instance: the values, on a shared layout (layout.h).
 *
 * A client reads and writes bytes of any range; read-only bits stay, write-one-to-clear bits clear,
 * and a write tells what it did as a set of enum medio_pci_event. Nothing is acted on here: after
 * MEDIO_PCI_FLR or MEDIO_PCI_POWER_UP the owner resets the device and calls
 * medio_pci_config_reset().
 *
 * Memory: this struct and layout->extent bytes (at most 256 for a conventional card).
 * Threads: the owner's only.
 */
#ifndef MEDIO_PCI_CONFIG_H
#define MEDIO_PCI_CONFIG_H

#include <linux/pci_regs.h>

#include "pci/bytes.h"
#include "pci/layout.h"

struct medio_pci_config {
	struct medio_pci_layout *layout; /* a reference */
	uint8_t *values;		 /* layout->extent bytes */
};

/* State after power-on, on layout, of which a reference is taken. -ENOMEM. */
int medio_pci_config_init(struct medio_pci_config *config, struct medio_pci_layout *layout);
/* A zeroed config is allowed. */
void medio_pci_config_fini(struct medio_pci_config *config);
/* Every register to its value after reset; nothing pending, INTx not asserted. */
void medio_pci_config_reset(struct medio_pci_config *config);

/* Read count bytes at offset. -EINVAL: not inside the layout's size. */
int medio_pci_config_read(
	const struct medio_pci_config *config, uint64_t offset, void *buf, size_t count);
/*
 * Write count bytes at offset. Returns what happened, a set of enum medio_pci_event (0: nothing to
 * act on), or -EINVAL if the range is not inside the layout's size; nothing is then written.
 */
int medio_pci_config_write(
	struct medio_pci_config *config, uint64_t offset, const void *buf, size_t count);
/*
 * Take a whole space read earlier with medio_pci_config_read (migration): count must be the
 * layout's size, and bits no write and no event can change must be as they are here. -EINVAL
 * otherwise, and nothing changes.
 */
int medio_pci_config_load(struct medio_pci_config *config, const void *buf, size_t count);

/* ---- Command and status (PCI Local Bus 3.0, 6.2.2 and 6.2.3) ----------------------------- */

static inline uint16_t medio_pci_config_command(const struct medio_pci_config *config)
{
	return medio_pci_get16(config->values + PCI_COMMAND);
}

/* 0 for D0, 3 for D3hot; 0 without the power management capability. */
static inline unsigned medio_pci_config_power_state(const struct medio_pci_config *config)
{
	unsigned pm = config->layout->pm;
	return pm ? config->values[pm + PCI_PM_CTRL] & PCI_PM_CTRL_STATE_MASK : 0;
}

/* The card may read and write memory (DMA, MSI): the bit is set, and the card is in D0. */
static inline bool medio_pci_config_bus_master(const struct medio_pci_config *config)
{
	return (config->values[PCI_COMMAND] & PCI_COMMAND_MASTER) &&
	       !medio_pci_config_power_state(config);
}

/* Memory BARs (I/O BARs) respond: the bit is set, and the card is in D0. */
static inline bool medio_pci_config_mem_enabled(const struct medio_pci_config *config)
{
	return (config->values[PCI_COMMAND] & PCI_COMMAND_MEMORY) &&
	       !medio_pci_config_power_state(config);
}

static inline bool medio_pci_config_io_enabled(const struct medio_pci_config *config)
{
	return (config->values[PCI_COMMAND] & PCI_COMMAND_IO) &&
	       !medio_pci_config_power_state(config);
}

static inline bool medio_pci_config_intx_disabled(const struct medio_pci_config *config)
{
	return medio_pci_config_command(config) & PCI_COMMAND_INTX_DISABLE;
}

/* The interrupt bit of the status register: INTx is wanted, whether or not it is disabled. */
static inline void medio_pci_config_set_intx_status(struct medio_pci_config *config, bool pending)
{
	if (pending)
		config->values[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
	else
		config->values[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTERRUPT;
}

/* ---- BARs -------------------------------------------------------------------------------- */

/* The address in BAR n (0 to 5), without its flag bits; 0 for a BAR there is not, or the upper
 * half of one. Whether the card responds there is mem_enabled() or io_enabled(). */
uint64_t medio_pci_config_bar_address(const struct medio_pci_config *config, unsigned n);

/* ---- MSI (6.8.1). Without the capability: not enabled, 0 ---------------------------------- */

static inline bool medio_pci_config_msi_enabled(const struct medio_pci_config *config)
{
	unsigned msi = config->layout->msi;
	return msi && (config->values[msi + PCI_MSI_FLAGS] & PCI_MSI_FLAGS_ENABLE);
}

/* Vectors the driver allows, 1 to 32: what it wrote, and no more than the card is capable of. */
static inline unsigned medio_pci_config_msi_nvec(const struct medio_pci_config *config)
{
	unsigned msi = config->layout->msi;
	if (!msi)
		return 0;
	unsigned log2 = (config->values[msi + PCI_MSI_FLAGS] & PCI_MSI_FLAGS_QSIZE) >> 4;
	return 1u << (log2 < config->layout->msi_log2 ? log2 : config->layout->msi_log2);
}

static inline uint64_t medio_pci_config_msi_address(const struct medio_pci_config *config)
{
	unsigned msi = config->layout->msi;
	return msi ? medio_pci_get64(config->values + msi + PCI_MSI_ADDRESS_LO) : 0;
}

/* The data of a vector below msi_nvec(): the low bits of the register are its number. */
static inline uint32_t medio_pci_config_msi_data(
	const struct medio_pci_config *config, unsigned vector)
{
	unsigned msi = config->layout->msi;
	if (!msi)
		return 0;
	uint32_t low = medio_pci_config_msi_nvec(config) - 1;
	return (medio_pci_get16(config->values + msi + PCI_MSI_DATA_64) & ~low) | (vector & low);
}

/* Bit N: vector N is masked (is pending). 0 when MSI is without per-vector masking. */
static inline uint32_t medio_pci_config_msi_mask(const struct medio_pci_config *config)
{
	const struct medio_pci_layout *layout = config->layout;
	return layout->msi_mask ? medio_pci_get32(config->values + layout->msi + PCI_MSI_MASK_64)
				: 0;
}

static inline uint32_t medio_pci_config_msi_pending(const struct medio_pci_config *config)
{
	const struct medio_pci_layout *layout = config->layout;
	return layout->msi_mask ? medio_pci_get32(config->values + layout->msi + PCI_MSI_PENDING_64)
				: 0;
}

/* Set or clear the pending bit of a vector; nothing without per-vector masking, or for a vector the
 * card is not capable of. */
void medio_pci_config_set_msi_pending(
	struct medio_pci_config *config, unsigned vector, bool pending);

/* ---- MSI-X (6.8.2). The table is msix.h's ------------------------------------------------- */

static inline bool medio_pci_config_msix_enabled(const struct medio_pci_config *config)
{
	unsigned msix = config->layout->msix;
	return msix && (config->values[msix + PCI_MSIX_FLAGS + 1] & PCI_MSIX_FLAGS_ENABLE >> 8);
}

static inline bool medio_pci_config_msix_function_mask(const struct medio_pci_config *config)
{
	unsigned msix = config->layout->msix;
	return msix && (config->values[msix + PCI_MSIX_FLAGS + 1] & PCI_MSIX_FLAGS_MASKALL >> 8);
}

#endif
