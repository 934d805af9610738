/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card of one register with virtual functions that have one each and can read memory, for tests of SR-IOV.
 * What happens to them stands in card_story, a word each: "i2" VF 2's init(), "f2" its fini(), "v3" the
 * PF's vfs(3), "r" the PF's reset(), "r2" VF 2's.
 */
#ifndef TEST_SRIOV_CARD_H
#define TEST_SRIOV_CARD_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <medio/device.h>

#define CARD_TOTAL   8u
#define CARD_ARI     0x100u
#define CARD_SRIOV   0x108u
#define CARD_EXPRESS 0x40u

/* Registers of BAR 0, 4 bytes each. */
#define CARD_VALUE  0u	/* kept */
#define CARD_IOVA   8u	/* VF: a write reads 4 bytes of memory there, */
#define CARD_DATA   12u /* which are here then, */
#define CARD_RESULT 16u /* or why not: a negative errno */

static char card_story[4096];
static int card_refuse;		    /* vfs() answers this */
static unsigned card_fail_at = ~0u; /* init() of this VF fails */

struct card {
	uint32_t value, data, result;
};

static void card_tell(const char *what, int number)
{
	size_t len = strlen(card_story);
	if (len + 16 > sizeof(card_story))
		return;
	if (number < 0)
		snprintf(card_story + len, 16, "%s ", what);
	else
		snprintf(card_story + len, 16, "%s%d ", what, number);
}

/* The number of a VF, or -1. */
static int card_number(const struct medio_dev *dev)
{
	return medio_vf_pf(dev) ? (int)medio_vf_index(dev) : -1;
}

static int card_init(struct medio_dev *dev)
{
	if (!medio_vf_pf(dev))
		return 0;
	card_tell("i", card_number(dev));
	if (medio_vf_index(dev) == card_fail_at)
		return medio_fail(dev, ENOSPC, "no room for it");
	return 0;
}

static void card_fini(struct medio_dev *dev)
{
	if (medio_vf_pf(dev))
		card_tell("f", card_number(dev));
}

static void card_reset(struct medio_dev *dev, enum medio_reset kind)
{
	(void)kind;
	memset(medio_priv(dev), 0, sizeof(struct card));
	card_tell("r", card_number(dev));
}

static int card_vfs(struct medio_dev *dev, unsigned num)
{
	card_tell("v", (int)num);
	if (num && card_refuse)
		return medio_fail(dev, -card_refuse, "not %u of them", num);
	return 0;
}

static int card_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	const struct card *card = medio_priv(dev);
	(void)region;
	medio_put_le(buf, count,
		offset == CARD_DATA	? card->data
		: offset == CARD_RESULT ? card->result
					: card->value);
	return 0;
}

static int card_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct card *card = medio_priv(dev);
	uint8_t data[4] = { 0 };
	(void)region;
	if (offset == CARD_IOVA) {
		card->result = (uint32_t)medio_dma_read(dev, medio_get_le(buf, count), data, 4);
		card->data = (uint32_t)medio_get_le(data, 4);
	} else {
		card->value = (uint32_t)medio_get_le(buf, count);
	}
	return 0;
}

static ssize_t card_save(struct medio_dev *dev, void *buf, size_t cap)
{
	const struct card *card = medio_priv(dev);
	if (cap >= 4)
		medio_put_le(buf, 4, card->value);
	return 4;
}

static int card_load(struct medio_dev *dev, const void *buf, size_t size)
{
	struct card *card = medio_priv(dev);
	if (size != 4)
		return -EINVAL;
	card->value = (uint32_t)medio_get_le(buf, 4);
	return 0;
}

static const struct medio_device_ops card_ops = {
	.init = card_init,
	.fini = card_fini,
	.reset = card_reset,
	.vfs = card_vfs,
	.region_read = card_read,
	.region_write = card_write,
	.save = card_save,
	.load = card_load,
};

static const struct medio_cap card_caps[] = { { .kind = MEDIO_CAP_PCIE }, { 0 } };

static const struct medio_type card_vf_type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "card-vf",
	.id = { .vendor = 0x1234, .device = 0x0002, .class_code = 0xff0000 },
	.bars = { { .kind = MEDIO_BAR_MEM64, .prefetchable = true, .size = 0x2000 },
		[2] = { .kind = MEDIO_BAR_MEM32, .size = 0x4000 } },
	.irqs = { .msix = { .vectors = 2, .table_bar = 2, .pba_bar = 2, .pba_offset = 0x2000 } },
	.caps = card_caps,
	.state_size = sizeof(struct card),
	.ops = &card_ops,
};

static const struct medio_sriov card_sriov = { .vf = &card_vf_type, .total_vfs = CARD_TOTAL };

static const struct medio_type card_type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "card",
	.id = { .vendor = 0x1234, .device = 0x0001, .class_code = 0xff0000 },
	.bars = { { .kind = MEDIO_BAR_MEM32, .size = 4096 } },
	.irqs = { .intx_pin = 1 },
	.caps = card_caps,
	.state_size = sizeof(struct card),
	.ops = &card_ops,
	.sriov = &card_sriov,
};

#endif
