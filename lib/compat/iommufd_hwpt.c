/* SPDX-License-Identifier: BSD-3-Clause */
/* Page tables of /dev/iommu: another name for an address space, with a log of what is written. Source:
 * drivers/iommu/iommufd/hw_pagetable.c, device.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compat/iommufd_ctx.h"
#include "proto/iommufd.h"
#include "util/cleanup.h"

int medio_iommufd_hwpt_new(struct medio_iommufd *ctx, struct medio_iommufd_ioas *ioas,
	bool automatic, bool dirty, struct medio_iommufd_hwpt **out)
{
	struct medio_iommufd_hwpt *hwpt = calloc(1, sizeof(*hwpt));

	if (!hwpt)
		return -ENOMEM;
	int ret = medio_iommufd_add(ctx, MEDIO_IOMMUFD_HWPT, &hwpt->obj);
	if (ret) {
		free(hwpt);
		return ret;
	}
	hwpt->ioas = ioas;
	ioas->obj.users++;
	hwpt->automatic = automatic;
	hwpt->dirty = dirty;
	*out = hwpt;
	return 0;
}

static struct medio_iommufd_hwpt *find(const struct medio_iommufd *ctx, uint32_t id)
{
	struct medio_iommufd_obj *obj = medio_iommufd_find(ctx, id, MEDIO_IOMMUFD_HWPT);

	return obj ? medio_container_of(obj, struct medio_iommufd_hwpt, obj) : NULL;
}

int medio_iommufd_hwpt_automatic(
	struct medio_iommufd *ctx, struct medio_iommufd_ioas *ioas, struct medio_iommufd_hwpt **out)
{
	for (uint32_t id = 1; id <= ctx->cap; id++) {
		struct medio_iommufd_hwpt *hwpt = find(ctx, id);
		if (hwpt && hwpt->automatic && hwpt->ioas == ioas) {
			*out = hwpt;
			return 0;
		}
	}
	return medio_iommufd_hwpt_new(ctx, ioas, true, false, out);
}

int medio_iommufd_hwpt_alloc(struct medio_iommufd_call *c)
{
	struct medio_iommu_hwpt_alloc *cmd = c->cmd;
	struct medio_iommufd_hwpt *hwpt;

	if (cmd->reserved)
		return -EOPNOTSUPP;
	/* A type comes with data, and data with a type. */
	if (cmd->data_type ? !cmd->data_len || !cmd->data_uptr : cmd->data_len || cmd->data_uptr)
		return -EINVAL;
	if (!medio_iommufd_find(c->ctx, cmd->dev_id, MEDIO_IOMMUFD_DEVICE))
		return -ENOENT;
	struct medio_iommufd_ioas *ioas = medio_iommufd_ioas_find(c->ctx, cmd->pt_id);
	if (!ioas)
		return -EINVAL;
	if (cmd->flags & ~MEDIO_IOMMU_HWPT_DIRTY_TRACKING || cmd->data_type)
		return -EOPNOTSUPP;
	int ret = medio_iommufd_hwpt_new(
		c->ctx, ioas, false, cmd->flags & MEDIO_IOMMU_HWPT_DIRTY_TRACKING, &hwpt);
	if (ret)
		return ret;
	cmd->out_hwpt_id = hwpt->obj.id;
	ret = medio_iommufd_respond(c, sizeof(*cmd));
	if (ret)
		medio_iommufd_remove(c->ctx, &hwpt->obj);
	return ret;
}

/* An IOMMU that has nothing to tell of itself, but for the log. */
int medio_iommufd_hw_info(struct medio_iommufd_call *c)
{
	static const uint8_t zeros[64];
	struct medio_iommu_hw_info *cmd = c->cmd;

	if (cmd->flags & ~MEDIO_IOMMU_HW_INFO_FLAG_INPUT_TYPE || cmd->reserved[0] ||
		cmd->reserved[1] || cmd->reserved[2])
		return -EOPNOTSUPP;
	if (!medio_iommufd_find(c->ctx, cmd->dev_id, MEDIO_IOMMUFD_DEVICE))
		return -ENOENT;
	if (cmd->flags & MEDIO_IOMMU_HW_INFO_FLAG_INPUT_TYPE && cmd->out_data_type)
		return -EOPNOTSUPP;
	for (uint32_t at = 0; at < cmd->data_len;) {
		uint32_t part = cmd->data_len - at;
		if (part > sizeof(zeros))
			part = sizeof(zeros);
		int ret = medio_call_write(c->call, cmd->data_uptr + at, zeros, part);
		if (ret)
			return ret;
		at += part;
	}
	cmd->data_len = 0;
	cmd->out_data_type = 0;
	cmd->out_max_pasid_log2 = 0;
	cmd->out_capabilities = MEDIO_IOMMU_HW_CAP_DIRTY_TRACKING;
	return medio_iommufd_respond(c, sizeof(*cmd));
}

/* ---- The log ---------------------------------------------------------------------------------- */

/* Page tables of one IOAS share its log. */
static void start(struct medio_iommufd_hwpt *hwpt)
{
	struct medio_iommufd_ioas *ioas = hwpt->ioas;

	ioas->num_logs += !hwpt->logs;
	hwpt->logs = true;
	/* Anew, if nobody else wants what is in it. */
	if (ioas->num_logs == 1)
		medio_kmap_log_start(ioas->map);
}

void medio_iommufd_hwpt_log_stop(struct medio_iommufd_hwpt *hwpt)
{
	struct medio_iommufd_ioas *ioas = hwpt->ioas;

	if (!hwpt->logs)
		return;
	hwpt->logs = false;
	if (!--ioas->num_logs)
		medio_kmap_log_stop(ioas->map);
}

int medio_iommufd_hwpt_set_dirty(struct medio_iommufd_call *c)
{
	const struct medio_iommu_hwpt_set_dirty_tracking *cmd = c->cmd;

	if (cmd->flags & ~MEDIO_IOMMU_HWPT_DIRTY_ENABLE)
		return -EOPNOTSUPP;
	struct medio_iommufd_hwpt *hwpt = find(c->ctx, cmd->hwpt_id);
	if (!hwpt)
		return -ENOENT;
	if (!hwpt->dirty)
		return -EOPNOTSUPP;
	if (cmd->flags & MEDIO_IOMMU_HWPT_DIRTY_ENABLE)
		start(hwpt);
	else
		medio_iommufd_hwpt_log_stop(hwpt);
	return 0;
}

/* A word of the program's bitmap gets more bits. */
static int add_bits(struct medio_call *call, uint64_t addr, uint64_t bits)
{
	uint64_t word;

	if (!bits)
		return 0;
	int ret = medio_call_read(call, addr, &word, sizeof(word));
	if (ret)
		return ret;
	word |= bits;
	return medio_call_write(call, addr, &word, sizeof(word));
}

/* The pages from iova to last of a mapping, as bits of pages of 1 << shift bytes that count from base. */
static int put_bits(struct medio_iommufd_call *c, const struct medio_iommufd_ioas *ioas,
	struct medio_kmapping *mapping, uint64_t iova, uint64_t last)
{
	const struct medio_iommu_hwpt_get_dirty_bitmap *cmd = c->cmd;
	const unsigned shift = (unsigned)__builtin_ctzll(cmd->page_size);
	const uint64_t pages = mapping->size / MEDIO_IOMMU_PAGE;
	uint64_t word = 0, at = 0;

	if (!mapping->span || !(mapping->prot & MEDIO_SPAN_WRITE))
		return 0;
	_cleanup_free_ uint64_t *words = calloc((pages + 63) / 64, sizeof(*words));
	if (!words)
		return -ENOMEM;
	/* Asking empties it, also for those who have not been told. */
	const bool again = cmd->flags & MEDIO_IOMMU_HWPT_DIRTY_NO_CLEAR || ioas->num_logs > 1 ||
			   iova != mapping->iova || last != medio_kmapping_last(mapping);
	medio_kmap_log_get(ioas->map, mapping, again, words);
	for (uint64_t page = (iova - mapping->iova) / MEDIO_IOMMU_PAGE;
		page <= (last - mapping->iova) / MEDIO_IOMMU_PAGE; page++) {
		if (!(words[page / 64] >> page % 64 & 1))
			continue;
		const uint64_t bit = (mapping->iova + page * MEDIO_IOMMU_PAGE - cmd->iova) >> shift;
		if (bit / 64 != at) {
			int ret = add_bits(c->call, cmd->data + at * 8, word);
			if (ret)
				return ret;
			at = bit / 64;
			word = 0;
		}
		word |= UINT64_C(1) << bit % 64;
	}
	return add_bits(c->call, cmd->data + at * 8, word);
}

int medio_iommufd_hwpt_get_dirty(struct medio_iommufd_call *c)
{
	const struct medio_iommu_hwpt_get_dirty_bitmap *cmd = c->cmd;

	if (cmd->flags & ~MEDIO_IOMMU_HWPT_DIRTY_NO_CLEAR || cmd->reserved)
		return -EOPNOTSUPP;
	struct medio_iommufd_hwpt *hwpt = find(c->ctx, cmd->hwpt_id);
	if (!hwpt)
		return -ENOENT;
	if (!hwpt->dirty)
		return -EOPNOTSUPP;
	const uint64_t last = cmd->iova + cmd->length - 1;
	if (!cmd->length || last < cmd->iova)
		return -EOVERFLOW;
	const uint64_t page = cmd->page_size;
	if (!page || page & (page - 1) || page < MEDIO_IOMMU_PAGE || cmd->iova & (page - 1) ||
		(last + 1) & (page - 1))
		return -EINVAL;
	if (!hwpt->logs)
		return -EINVAL;
	for (uint64_t at = cmd->iova;;) {
		struct medio_kmapping *mapping = medio_kmap_at(hwpt->ioas->map, at);
		if (!mapping)
			return -EINVAL;
		const uint64_t end = medio_kmapping_last(mapping);
		int ret = put_bits(c, hwpt->ioas, mapping, at, end < last ? end : last);
		if (ret)
			return ret;
		if (end >= last)
			return 0;
		at = end + 1;
	}
}
