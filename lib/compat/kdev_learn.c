/* SPDX-License-Identifier: BSD-3-Clause */
/* What a card is, as far as VFIO tells of it: asked once, when the device is made. */
#include <linux/pci_regs.h>
#include <string.h>

#include "compat/kdev_inside.h"
#include "util/error.h"

#define HEADER	  64u
#define CONFIG	  256u
#define MOST_CAPS 48u /* that fit; a list that is longer runs in a circle */

static int learn_regions(struct medio_kdev *kdev, const struct medio_card_info *info)
{
	struct medio_kdev_state *state = kdev->state;
	int ret = 0;

	for (unsigned i = 0; !ret && i < MEDIO_KDEV_REGIONS && i < info->num_regions; i++)
		ret = medio_card_get_region(kdev->card, i, &state->regions[i]);
	return ret;
}

static int learn_irqs(struct medio_kdev *kdev, const struct medio_card_info *info)
{
	struct medio_kdev_state *state = kdev->state;
	int ret = 0;

	for (unsigned i = 0; !ret && i < VFIO_PCI_NUM_IRQS && i < info->num_irqs; i++) {
		ret = medio_card_get_irq(kdev->card, i, &state->irqs[i]);
		if (state->irqs[i].count > MEDIO_KDEV_VECTORS)
			state->irqs[i].count = MEDIO_KDEV_VECTORS;
	}
	return ret;
}

static uint32_t get32(const uint8_t *bytes)
{
	return (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[1] << 8 |
	       bytes[0];
}

static void learn_bars(struct medio_kdev_state *state, const uint8_t *config)
{
	for (unsigned i = 0; i < MEDIO_KDEV_BARS; i++) {
		uint32_t bar = get32(config + PCI_BASE_ADDRESS_0 + 4 * i);
		bool wide = (bar & (PCI_BASE_ADDRESS_SPACE | PCI_BASE_ADDRESS_MEM_TYPE_MASK)) ==
			    PCI_BASE_ADDRESS_MEM_TYPE_64;
		state->io[i] = bar & PCI_BASE_ADDRESS_SPACE_IO;
		i += wide; /* the next one is its upper half */
	}
}

static void learn_msix(struct medio_kdev_state *state, const uint8_t *cap)
{
	uint32_t table = get32(cap + PCI_MSIX_TABLE);
	uint32_t count = ((uint32_t)cap[PCI_MSIX_FLAGS] | (uint32_t)cap[PCI_MSIX_FLAGS + 1] << 8) &
			 PCI_MSIX_FLAGS_QSIZE;

	if ((table & PCI_MSIX_TABLE_BIR) < MEDIO_KDEV_BARS)
		state->msix = (struct medio_kdev_range){ table & PCI_MSIX_TABLE_BIR,
			table & PCI_MSIX_TABLE_OFFSET, (count + 1) * PCI_MSIX_ENTRY_SIZE };
}

/* The list in the first 256 bytes (PCI 3.0, 6.7); what is in it may be anything. */
static void learn_caps(struct medio_kdev_state *state, const uint8_t *config)
{
	unsigned at = config[PCI_CAPABILITY_LIST] & ~3u;

	if (!(config[PCI_STATUS] & PCI_STATUS_CAP_LIST))
		return;
	for (unsigned n = 0; n < MOST_CAPS && at >= HEADER && at <= CONFIG - 12; n++) {
		if (config[at] == PCI_CAP_ID_EXP)
			state->express = true;
		if (config[at] == PCI_CAP_ID_MSIX)
			learn_msix(state, config + at);
		at = config[at + 1] & ~3u;
	}
}

int medio_kdev_learn(struct medio_kdev *kdev, struct medio_error **err)
{
	struct medio_kdev_state *state = kdev->state;
	uint8_t config[CONFIG] = { 0 };
	struct medio_card_info info;

	medio_card_get_info(kdev->card, &info);
	state->has_reset = info.can_reset;
	state->msix.region = MEDIO_KDEV_REGIONS;
	int ret = learn_regions(kdev, &info);
	if (!ret)
		ret = learn_irqs(kdev, &info);
	uint64_t size = state->regions[MEDIO_CARD_CONFIG].size;
	if (!ret)
		ret = medio_card_read(kdev->card, MEDIO_CARD_CONFIG, 0, config,
			size < CONFIG ? (size_t)size : CONFIG);
	if (ret)
		return medio_error_set(
			err, -ret, "%s: %s", kdev->name, medio_card_last_error(kdev->card));
	learn_bars(state, config);
	learn_caps(state, config);
	return 0;
}
