/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card with virtual functions, for tests of who manages them. Its own register and each VF's keep what is
 * written; the card knows of them by an attribute, as those that manage a switch do.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <medio/device.h>

#define TOTAL 64u

struct vfcard {
	uint64_t vfs, numvfs, refuse;
	struct medio_sriov sriov;
	uint32_t scratch;
	unsigned vlan[TOTAL];
};

struct vf {
	uint32_t scratch;
};

/* ---- A register -------------------------------------------------------------------------------- */

static int reg_read(struct medio_dev *dev, unsigned bar, uint64_t offset, void *buf, size_t size)
{
	uint32_t *scratch = medio_vf_pf(dev) ? &((struct vf *)medio_priv(dev))->scratch
					     : &((struct vfcard *)medio_priv(dev))->scratch;
	(void)bar;
	if (size != 4 || offset)
		return -EINVAL;
	memcpy(buf, scratch, 4);
	return 0;
}

static int reg_write(
	struct medio_dev *dev, unsigned bar, uint64_t offset, const void *buf, size_t size)
{
	uint32_t *scratch = medio_vf_pf(dev) ? &((struct vf *)medio_priv(dev))->scratch
					     : &((struct vfcard *)medio_priv(dev))->scratch;
	(void)bar;
	if (size != 4 || offset)
		return -EINVAL;
	memcpy(scratch, buf, 4);
	return 0;
}

static ssize_t reg_save(struct medio_dev *dev, void *buf, size_t cap)
{
	if (cap >= 4)
		reg_read(dev, 0, 0, buf, 4);
	return 4;
}

static int reg_load(struct medio_dev *dev, const void *buf, size_t size)
{
	return size == 4 ? reg_write(dev, 0, 0, buf, 4) : -EINVAL;
}

/* ---- VFs --------------------------------------------------------------------------------------- */

static void vf_reset(struct medio_dev *dev, enum medio_reset kind)
{
	(void)kind;
	((struct vf *)medio_priv(dev))->scratch = 0;
}

static int vf_init(struct medio_dev *dev)
{
	const struct vfcard *card = medio_priv(medio_vf_pf(dev));
	unsigned index = medio_vf_index(dev);

	return card->refuse && card->refuse == index
		       ? medio_fail(dev, EIO, "VF %u does not want to", index)
		       : 0;
}

static const struct medio_cap caps[] = { { .kind = MEDIO_CAP_PCIE }, { 0 } };

static const struct medio_type vfcard_vf = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "vfcard-vf",
	.summary = "A virtual function of a test's card",
	.description = "made by writing sriov_numvfs of a card",
	.id = { .vendor = 0x1234, .device = 0x0c0f, .class_code = 0xff0000 },
	.bars = { { .kind = MEDIO_BAR_MEM64, .size = 4096 } },
	.caps = caps,
	.state_size = sizeof(struct vf),
	.ops = &(const struct medio_device_ops){ .init = vf_init,
		.region_read = reg_read,
		.region_write = reg_write,
		.reset = vf_reset,
		.save = reg_save,
		.load = reg_load },
};

/* ---- The card ---------------------------------------------------------------------------------- */

static int card_shape(struct medio_dev *dev, struct medio_type *type)
{
	struct vfcard *card = medio_priv(dev);

	card->sriov = (struct medio_sriov){ .vf = &vfcard_vf, .total_vfs = (uint16_t)card->vfs };
	type->sriov = card->vfs ? &card->sriov : NULL;
	return 0;
}

static ssize_t show_state(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct vfcard *card = medio_priv(dev);
	unsigned count = medio_pf_num_vfs(dev);
	size_t len = 0;

	(void)attr;
	len += (size_t)snprintf(buf, size, "[");
	for (unsigned i = 0; i < count && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len,
			"%s{\"vf\":%u,\"mac\":\"02:00:00:00:00:%02x\",\"vlan\":%u}", i ? "," : "",
			i, i, card->vlan[i]);
	if (len < size)
		len += (size_t)snprintf(buf + len, size - len, "]\n");
	return len < size ? (ssize_t)len : -ENOBUFS;
}

static int store_set(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	struct vfcard *card = medio_priv(dev);
	unsigned vf, vlan;

	(void)attr, (void)size;
	if (sscanf(buf, "%u vlan=%u", &vf, &vlan) != 2 || vf >= TOTAL || vlan > 4094)
		return -EINVAL;
	card->vlan[vf] = vlan;
	return 0;
}

static const struct medio_attr attrs[] = {
	{ "vfs/set", NULL, store_set },
	{ "vfs/state", show_state, NULL },
	{ NULL },
};

static const struct medio_param params[] = {
	{ "vfs", MEDIO_PARAM_UINT, offsetof(struct vfcard, vfs), "8", "VFs there can be",
		.max = TOTAL },
	{ "numvfs", MEDIO_PARAM_UINT, offsetof(struct vfcard, numvfs), NULL,
		"VFs that are there at once", .max = TOTAL },
	{ "refuse", MEDIO_PARAM_UINT, offsetof(struct vfcard, refuse), NULL,
		"The VF of this number, not 0, cannot be made" },
	{ NULL },
};

/* What shape() changes; so that everybody sees that there may be some. */
static const struct medio_sriov sriov = { .vf = &vfcard_vf, .total_vfs = 8 };

static const struct medio_type vfcard = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "vfcard",
	.summary = "A test's card with virtual functions",
	.id = { .vendor = 0x1234, .device = 0x0c0e, .class_code = 0xff0000 },
	.bars = { { .kind = MEDIO_BAR_MEM32, .size = 4096 } },
	.caps = caps,
	.params = params,
	.attrs = attrs,
	.state_size = sizeof(struct vfcard),
	.sriov = &sriov,
	.ops = &(const struct medio_device_ops){ .shape = card_shape,
		.region_read = reg_read,
		.region_write = reg_write,
		.save = reg_save,
		.load = reg_load },
};
MEDIO_PLUGIN(&vfcard);
