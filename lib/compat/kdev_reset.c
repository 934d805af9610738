/* SPDX-License-Identifier: BSD-3-Clause */
/* Resets: of the device alone, which keeps its header of config space as with the kernel; and of its bus, which it is
 * alone on and which cannot be reset. */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stddef.h>

#include "compat/kdev_inside.h"

#define WORDS 16 /* of the header */

/* What the header's writable words hold is put back after a reset, last of all the command register. */
static int restore(struct medio_kdev *kdev, const uint32_t *header)
{
	int ret = 0;

	for (unsigned i = WORDS; !ret && i-- > 1;)
		ret = medio_card_write32(kdev->card, MEDIO_CARD_CONFIG, 4u * i, header[i]);
	/* The upper half is the status, whose bits are cleared by ones. */
	return ret ? ret
		   : medio_card_write16(
			     kdev->card, MEDIO_CARD_CONFIG, PCI_COMMAND, (uint16_t)header[1]);
}

static int reset_pci(struct medio_kdev *kdev)
{
	uint32_t header[WORDS];
	int ret = 0;

	for (unsigned i = 0; !ret && i < WORDS; i++)
		ret = medio_card_read32(kdev->card, MEDIO_CARD_CONFIG, 4u * i, &header[i]);
	if (!ret)
		ret = medio_card_reset(kdev->card);
	if (!ret)
		ret = restore(kdev, header);
	medio_kdev_read_command(kdev);
	return ret;
}

int64_t medio_kdev_reset(struct medio_kdev *kdev)
{
	if (!kdev->state->has_reset)
		return -EINVAL;
	if (kdev->state->dead)
		return -ENODEV;
	medio_kdev_streams_end(kdev);
	return medio_kdev_result(kdev,
		kdev->look == MEDIO_KDEV_MDEV ? medio_card_reset(kdev->card) : reset_pci(kdev));
}

int medio_kdev_enable(struct medio_kdev *kdev)
{
	struct medio_kdev_state *state = kdev->state;
	uint16_t command = 0;
	int ret = 0;

	if (state->dead)
		return -ENODEV;
	if (kdev->look == MEDIO_KDEV_MDEV)
		return 0;
	if (state->has_reset)
		ret = medio_card_reset(kdev->card);
	for (unsigned i = 0; i < MEDIO_KDEV_BARS; i++)
		if (state->regions[i].size)
			command |= state->io[i] ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
	if (!ret)
		ret = medio_card_write16(kdev->card, MEDIO_CARD_CONFIG, PCI_COMMAND, command);
	medio_kdev_read_command(kdev);
	return (int)medio_kdev_result(kdev, ret);
}

/* ---- The bus ----------------------------------------------------------------------------------- */

int64_t medio_kdev_hot_reset_info(struct medio_kdev *kdev, struct medio_call *call, uint64_t arg)
{
	struct vfio_pci_hot_reset_info info;
	int ret = medio_kdev_take(call, arg, &info, sizeof(info));

	(void)kdev;
	return ret ? ret : -ENODEV;
}

int64_t medio_kdev_hot_reset(struct medio_kdev *kdev, struct medio_call *call, uint64_t arg)
{
	struct vfio_pci_hot_reset reset;
	int ret = medio_kdev_take(call, arg, &reset, sizeof(reset));

	(void)kdev;
	if (ret)
		return ret;
	return reset.flags ? -EINVAL : -ENODEV;
}
