/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pci/sriov.h"

int medio_pci_config_init(struct medio_pci_config *config, struct medio_pci_layout *layout)
{
	uint8_t *values = malloc(layout->extent);
	if (!values)
		return -ENOMEM;
	config->values = values;
	config->layout = medio_pci_layout_ref(layout);
	medio_pci_config_reset(config);
	return 0;
}

void medio_pci_config_fini(struct medio_pci_config *config)
{
	free(config->values);
	medio_pci_layout_unref(config->layout);
	memset(config, 0, sizeof(*config));
}

void medio_pci_config_reset(struct medio_pci_config *config)
{
	memcpy(config->values, config->layout->initial, config->layout->extent);
}

static bool inside(const struct medio_pci_layout *layout, uint64_t offset, size_t count)
{
	return offset <= layout->size && count <= layout->size - offset;
}

/* How many of count bytes at offset are below the extent. */
static size_t stored(const struct medio_pci_layout *layout, uint64_t offset, size_t count)
{
	if (offset >= layout->extent)
		return 0;
	size_t left = layout->extent - (size_t)offset;
	return count < left ? count : left;
}

int medio_pci_config_read(
	const struct medio_pci_config *config, uint64_t offset, void *buf, size_t count)
{
	if (!inside(config->layout, offset, count))
		return -EINVAL;
	size_t have = stored(config->layout, offset, count);
	if (have)
		memcpy(buf, config->values + offset, have);
	if (count > have)
		memset((uint8_t *)buf + have, 0, count - have);
	return 0;
}

/* A power state the card has not is not stored and the old one stays (PCI PM 1.2, 3.2.4). */
static void refuse_power_state(struct medio_pci_config *config, unsigned old)
{
	unsigned state = medio_pci_config_power_state(config);
	if (state == 1 || state == 2)
		config->values[config->layout->pm + PCI_PM_CTRL] ^= (uint8_t)(state ^ old);
}

int medio_pci_config_write(
	struct medio_pci_config *config, uint64_t offset, const void *buf, size_t count)
{
	const struct medio_pci_layout *layout = config->layout;
	const uint8_t *in = buf;
	unsigned events = 0;

	if (!inside(layout, offset, count))
		return -EINVAL;
	bool intx = medio_pci_config_intx_disabled(config);
	unsigned power = medio_pci_config_power_state(config);
	uint8_t sriov[MEDIO_PCI_SRIOV_SIZE];
	if (layout->sriov)
		memcpy(sriov, config->values + layout->sriov, sizeof(sriov));
	count = stored(layout, offset, count);

	for (size_t i = 0; i < count; i++) {
		size_t at = (size_t)offset + i;
		uint8_t old = config->values[at];
		uint8_t value = (old & ~layout->wmask[at]) | (in[i] & layout->wmask[at]);
		value &= (uint8_t) ~(in[i] & layout->w1c[at]);
		config->values[at] = value;
		unsigned touched = layout->event[at];
		if (value == old)
			touched &= layout->wmask[at] ? MEDIO_PCI_CAP : 0;
		events |= touched;
		/* Bit 15 of Device Control always reads 0 (PCI Express Base 7.5.3.4). */
		if (layout->pcie && at == layout->pcie + PCI_EXP_DEVCTL + 1u &&
			(in[i] & PCI_EXP_DEVCTL_BCR_FLR >> 8))
			events |= MEDIO_PCI_FLR;
	}
	if (intx != medio_pci_config_intx_disabled(config))
		events |= MEDIO_PCI_INTX_DISABLE;
	refuse_power_state(config, power);
	if (layout->sriov)
		events |= medio_pci_sriov_written(config, sriov);
	unsigned now = medio_pci_config_power_state(config);
	if (now != power)
		events |= now ? MEDIO_PCI_POWER_DOWN : MEDIO_PCI_POWER_UP;
	return (int)events;
}

int medio_pci_config_load(struct medio_pci_config *config, const void *buf, size_t count)
{
	const struct medio_pci_layout *layout = config->layout;
	const uint8_t *in = buf;

	if (count != layout->size)
		return -EINVAL;
	for (size_t i = 0; i < layout->extent; i++) {
		uint8_t may = layout->wmask[i] | layout->w1c[i] | layout->live[i];
		if ((in[i] ^ layout->initial[i]) & ~may)
			return -EINVAL;
	}
	for (size_t i = layout->extent; i < layout->size; i++)
		if (in[i])
			return -EINVAL;
	/* D1 and D2 cannot be reached by writing, so they cannot have been saved. */
	if (layout->pm) {
		unsigned state = in[layout->pm + PCI_PM_CTRL] & PCI_PM_CTRL_STATE_MASK;
		if (state == 1 || state == 2)
			return -EINVAL;
	}
	if (layout->sriov && medio_pci_sriov_check(layout, in + layout->sriov) < 0)
		return -EINVAL;
	memcpy(config->values, in, layout->extent);
	return 0;
}

uint64_t medio_pci_config_bar_address(const struct medio_pci_config *config, unsigned n)
{
	if (n >= MEDIO_NUM_BARS)
		return 0;
	const uint8_t *reg = config->values + PCI_BASE_ADDRESS_0 + 4 * (size_t)n;
	switch (config->layout->bars[n].kind) {
	case MEDIO_BAR_IO:
		return medio_pci_get32(reg) & ~UINT32_C(3);
	case MEDIO_BAR_MEM32:
		return medio_pci_get32(reg) & ~UINT32_C(15);
	case MEDIO_BAR_MEM64:
		return medio_pci_get64(reg) & ~UINT64_C(15);
	default:
		return 0;
	}
}

void medio_pci_config_set_msi_pending(
	struct medio_pci_config *config, unsigned vector, bool pending)
{
	const struct medio_pci_layout *layout = config->layout;

	if (!layout->msi_mask || vector >> layout->msi_log2)
		return;
	uint8_t *byte = config->values + layout->msi + PCI_MSI_PENDING_64 + vector / 8;
	if (pending)
		*byte |= (uint8_t)(1u << vector % 8);
	else
		*byte &= (uint8_t) ~(1u << vector % 8);
}
