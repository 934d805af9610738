/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slices of a disk as virtual functions. VF n of `vfs` is the n-th of equal slices, as long as whole MiB of the
 * disk allow, whose length stays as it was when the card was made: who has one of them relies on where it is.
 * They use the physical function's disk, which ends after them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#include "blk.h"
#include "virtio-blk.h"

#define UNIT (UINT64_C(1) << 20)

/* ---- The physical function ------------------------------------------------------------------------- */

int blk_shape(struct medio_dev *dev, struct medio_type *type)
{
	struct blk *blk = medio_priv(dev);

	if (blk->numvfs > blk->vfs)
		return medio_fail(dev, ERANGE,
			"numvfs=%" PRIu64 ": vfs=%" PRIu64 " is how many there can be", blk->numvfs,
			blk->vfs);
	if (!blk->vfs)
		return 0;
	blk->sriov = (struct medio_sriov){ .vf = &medio_virtio_blk_vf,
		.total_vfs = (uint16_t)blk->vfs };
	type->sriov = &blk->sriov;
	type->caps = medio_virtio_pcie_caps;
	return 0;
}

int blk_choose_slices(struct blk *blk)
{
	if (!blk->vfs)
		return 0;
	blk->slice = blk->info.bytes / blk->vfs / UNIT * UNIT;
	if (!blk->slice)
		return medio_fail(blk->dev, EINVAL,
			"vfs=%" PRIu64 ": the disk's %" PRIu64
			" bytes are too few, a slice has 1 MiB at least",
			blk->vfs, blk->info.bytes);
	return 0;
}

/* Where the slice of a virtual function is. */
static void place(struct blk *vf)
{
	const struct blk *of = medio_priv(medio_vf_pf(vf->dev));

	vf->info.bytes = of->slice;
	vf->begins = of->slice * medio_vf_index(vf->dev);
}

/* Those that are there move, once what they asked for is done. */
static void set_slice(struct blk *blk, uint64_t slice)
{
	if (slice == blk->slice)
		return;
	blk_drain(blk->dev);
	blk->slice = slice;
	for (unsigned i = 0; i < medio_pf_num_vfs(blk->dev); i++) {
		struct medio_dev *vf = medio_pf_vf(blk->dev, i);
		place(medio_priv(vf));
		medio_virtio_config_changed(vf);
	}
}

int blk_load_slices(struct medio_dev *dev, const void *buf, size_t size)
{
	struct blk *blk = medio_priv(dev);

	if (!blk->slice)
		return 0;
	if (size != 12)
		return -EINVAL;
	uint64_t slice = medio_get_le((const uint8_t *)buf + 4, 8);
	if (!slice || slice % UNIT || slice > blk->info.bytes / blk->vfs)
		return -EINVAL;
	set_slice(blk, slice);
	return 0;
}

/* ---- A virtual one --------------------------------------------------------------------------------- */

/* It has no parameters: it is as its physical function says. */
static int vf_shape(struct medio_dev *dev, struct medio_type *type)
{
	const struct medio_dev *pf = medio_vf_pf(dev);
	struct blk *blk = medio_priv(dev);

	(void)type;
	if (!pf)
		return medio_fail(dev, ENODEV,
			"a virtual function comes with its disk: make a 'virtio-blk' with vfs=, and say how "
			"many it is to have (numvfs)");
	const struct blk *of = medio_priv(pf);
	blk->num_queues = of->num_queues;
	return 0;
}

static int vf_init(struct medio_dev *dev)
{
	const struct blk *of = medio_priv(medio_vf_pf(dev));
	struct blk *blk = medio_priv(dev);

	blk->dev = dev;
	blk->disk = of->disk;
	blk->info = of->info;
	place(blk);
	blk->block = of->block;
	blk->physical = of->physical;
	if (of->serial) {
		/* Room for the longest number. */
		snprintf(blk->vf_serial, sizeof(blk->vf_serial), "%.*s-%u", VIRTIO_BLK_ID_BYTES - 4,
			of->serial, medio_vf_index(dev));
		blk->serial = blk->vf_serial;
	}
	int ret = blk_make_parts(blk);
	if (ret) {
		blk_free_parts(blk);
		return ret;
	}
	blk_offer(blk);
	return 0;
}

static void vf_fini(struct medio_dev *dev)
{
	blk_free_parts(medio_priv(dev));
}

static const struct medio_virtio_ops ops = {
	BLK_OPS,
	.shape = vf_shape,
	.init = vf_init,
	.fini = vf_fini,
};

static const struct medio_virtio_type virtio = { BLK_VIRTIO, .ops = &ops };

const struct medio_type medio_virtio_blk_vf = {
	MEDIO_VIRTIO_VF_TYPE(&virtio, struct blk, VIRTIO_ID_BLOCK, BLK_MAX_QUEUES, 0x010000),
	.name = "virtio-blk-vf",
	.summary = "Virtual function of a virtio-blk",
	.description =
		"A slice of a disk, made by writing sriov_numvfs of a card of type virtio-blk "
		"with vfs=.",
	.attrs = blk_attrs,
};
