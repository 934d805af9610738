/* SPDX-License-Identifier: BSD-3-Clause */
/* I/O address spaces of /dev/iommu. Source: drivers/iommu/iommufd/ioas.c, io_pagetable.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compat/iommufd_ctx.h"
#include "compat/spanpart.h"
#include "proto/iommufd.h"
#include "util/cleanup.h"

#define PAGE	  MEDIO_IOMMU_PAGE
#define HUGE_PAGE UINT64_C(0x200000)
/* Ranges that IOAS_ALLOW_IOVAS takes. */
#define MAX_ALLOWED 4096u

/* ---- Life ------------------------------------------------------------------------------------- */

int medio_iommufd_ioas_new(struct medio_iommufd *ctx, struct medio_iommufd_ioas **out)
{
	struct medio_iommufd_ioas *ioas = calloc(1, sizeof(*ioas));

	if (!ioas)
		return -ENOMEM;
	int ret = medio_kmap_new(&ioas->map);
	if (!ret)
		ret = medio_iommufd_add(ctx, MEDIO_IOMMUFD_IOAS, &ioas->obj);
	if (ret) {
		medio_iommufd_ioas_free(ioas);
		return ret;
	}
	*out = ioas;
	return 0;
}

void medio_iommufd_ioas_free(struct medio_iommufd_ioas *ioas)
{
	medio_kmap_free(ioas->map);
	free(ioas->allowed);
	free(ioas);
}

struct medio_iommufd_ioas *medio_iommufd_ioas_find(const struct medio_iommufd *ctx, uint32_t id)
{
	struct medio_iommufd_obj *obj = medio_iommufd_find(ctx, id, MEDIO_IOMMUFD_IOAS);

	return obj ? medio_container_of(obj, struct medio_iommufd_ioas, obj) : NULL;
}

int medio_iommufd_ioas_alloc(struct medio_iommufd_call *c)
{
	struct medio_iommu_ioas_alloc *cmd = c->cmd;
	struct medio_iommufd_ioas *ioas;

	if (cmd->flags)
		return -EOPNOTSUPP;
	int ret = medio_iommufd_ioas_new(c->ctx, &ioas);
	if (ret)
		return ret;
	cmd->out_ioas_id = ioas->obj.id;
	ret = medio_iommufd_respond(c, sizeof(*cmd));
	if (ret)
		medio_iommufd_remove(c->ctx, &ioas->obj);
	return ret;
}

/* ---- Ranges ----------------------------------------------------------------------------------- */

void medio_iommufd_ioas_ranges(const struct medio_iommufd_ioas *ioas, const struct medio_kdev *kdev,
	struct medio_kranges *out)
{
	medio_kranges_all(out);
	medio_list_for_each (item, &ioas->map->users)
		medio_kranges_narrow(
			out, medio_container_of(item, struct medio_kmap_user, link)->kdev);
	if (kdev)
		medio_kranges_narrow(out, kdev);
}

bool medio_iommufd_ioas_pins(const struct medio_iommufd_ioas *ioas)
{
	medio_list_for_each (item, &ioas->map->users)
		if (medio_kranges_pins(
			    medio_container_of(item, struct medio_kmap_user, link)->kdev))
			return true;
	return false;
}

int medio_iommufd_ioas_iova_ranges(struct medio_iommufd_call *c)
{
	struct medio_iommu_ioas_iova_ranges *cmd = c->cmd;
	struct medio_kranges ranges;

	if (cmd->reserved)
		return -EOPNOTSUPP;
	const struct medio_iommufd_ioas *ioas = medio_iommufd_ioas_find(c->ctx, cmd->ioas_id);
	if (!ioas)
		return -ENOENT;
	medio_iommufd_ioas_ranges(ioas, NULL, &ranges);
	const uint32_t room = cmd->num_iovas;
	int ret = medio_call_write(c->call, cmd->allowed_iovas, ranges.range,
		(room < ranges.num ? room : ranges.num) * sizeof(*ranges.range));
	if (ret)
		return ret;
	cmd->num_iovas = ranges.num;
	cmd->out_iova_alignment = PAGE;
	ret = medio_iommufd_respond(c, sizeof(*cmd));
	return ret ? ret : ranges.num > room ? -EMSGSIZE : 0;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct medio_krange *one = a, *two = b;

	return one->first < two->first ? -1 : one->first > two->first;
}

/* Sorted, and none overlaps another. */
static int check_allowed(struct medio_krange *allowed, uint32_t num)
{
	for (uint32_t i = 0; i < num; i++)
		if (allowed[i].first >= allowed[i].last)
			return -EINVAL;
	if (num)
		qsort(allowed, num, sizeof(*allowed), compare_ranges);
	for (uint32_t i = 1; i < num; i++)
		if (allowed[i].first <= allowed[i - 1].last)
			return -EINVAL;
	return 0;
}

int medio_iommufd_ioas_allow_iovas(struct medio_iommufd_call *c)
{
	const struct medio_iommu_ioas_allow_iovas *cmd = c->cmd;
	_cleanup_free_ struct medio_krange *allowed = NULL;
	struct medio_kranges ranges;

	if (cmd->reserved)
		return -EOPNOTSUPP;
	struct medio_iommufd_ioas *ioas = medio_iommufd_ioas_find(c->ctx, cmd->ioas_id);
	if (!ioas)
		return -ENOENT;
	if (cmd->num_iovas > MAX_ALLOWED)
		return -ENOMEM;
	if (cmd->num_iovas) {
		allowed = calloc(cmd->num_iovas, sizeof(*allowed));
		if (!allowed)
			return -ENOMEM;
	}
	int ret = medio_call_read(
		c->call, cmd->allowed_iovas, allowed, cmd->num_iovas * sizeof(*allowed));
	if (!ret)
		ret = check_allowed(allowed, cmd->num_iovas);
	if (ret)
		return ret;
	medio_iommufd_ioas_ranges(ioas, NULL, &ranges);
	for (uint32_t i = 0; i < cmd->num_iovas; i++)
		if (!medio_kranges_have(&ranges, allowed[i].first, allowed[i].last))
			return -EADDRINUSE;
	free(ioas->allowed);
	ioas->allowed = medio_steal_ptr(allowed);
	ioas->num_allowed = cmd->num_iovas;
	return 0;
}

/* ---- Where a mapping may be ------------------------------------------------------------------- */

/* The first place in [first, last] that is free for length bytes. */
static bool find_hole(const struct medio_iommufd_ioas *ioas, uint64_t first, uint64_t last,
	uint64_t length, uint64_t align, uint64_t *out)
{
	for (;;) {
		uint64_t at = (first + align - 1) & -align;
		if (at < first || at > last || last - at < length - 1)
			return false;
		const struct medio_kmapping *mapping = medio_kmap_overlap(
			ioas->map, at, at + length - 1);
		if (!mapping) {
			*out = at;
			return true;
		}
		if (medio_kmapping_last(mapping) >= last)
			return false;
		first = medio_kmapping_last(mapping) + 1;
	}
}

/* The kernel never chooses the first page or the last, and keeps the address's own alignment, for huge pages. */
static int choose(
	const struct medio_iommufd_ioas *ioas, uint64_t vaddr, uint64_t length, uint64_t *out)
{
	const struct medio_krange any = { PAGE, UINT64_MAX - PAGE };
	const struct medio_krange *allowed = ioas->num_allowed ? ioas->allowed : &any;
	const uint32_t num = ioas->num_allowed ? ioas->num_allowed : 1;
	struct medio_kranges ranges;
	uint64_t align = PAGE;

	if (length >= UINT64_MAX / 2)
		return -EOVERFLOW;
	while (align < length && align < HUGE_PAGE)
		align *= 2;
	if (vaddr && (vaddr & -vaddr) < align)
		align = vaddr & -vaddr;
	if (align < PAGE)
		return -EINVAL;
	medio_iommufd_ioas_ranges(ioas, NULL, &ranges);
	for (uint32_t i = 0; i < num; i++)
		for (unsigned r = 0; r < ranges.num; r++) {
			uint64_t first = allowed[i].first, last = allowed[i].last;
			if (first < ranges.range[r].first)
				first = ranges.range[r].first;
			if (first < PAGE)
				first = PAGE;
			if (last > ranges.range[r].last)
				last = ranges.range[r].last;
			if (last > UINT64_MAX - PAGE)
				last = UINT64_MAX - PAGE;
			if (first <= last && find_hole(ioas, first, last, length, align, out))
				return 0;
		}
	return -ENOSPC;
}

static int check(const struct medio_iommufd_ioas *ioas, uint64_t iova, uint64_t length)
{
	struct medio_kranges ranges;

	if (iova & (PAGE - 1))
		return -EINVAL;
	if (iova + length - 1 < iova)
		return -EOVERFLOW;
	medio_iommufd_ioas_ranges(ioas, NULL, &ranges);
	if (!medio_kranges_have(&ranges, iova, iova + length - 1))
		return -EINVAL;
	return medio_kmap_overlap(ioas->map, iova, iova + length - 1) ? -EEXIST : 0;
}

static int place(const struct medio_iommufd_ioas *ioas, uint64_t vaddr, uint64_t length, bool fixed,
	uint64_t *iova)
{
	if (!length || length & (PAGE - 1))
		return -EINVAL;
	return fixed ? check(ioas, *iova, length) : choose(ioas, vaddr, length, iova);
}

/* ---- Mapping ---------------------------------------------------------------------------------- */

int medio_iommufd_ioas_map(struct medio_iommufd_ioas *ioas, struct medio_call *call, uint64_t vaddr,
	uint64_t length, unsigned prot, bool fixed, uint64_t *iova)
{
	struct medio_span *span = NULL;
	uint64_t at = *iova;

	if (!length || length > UINT64_MAX - PAGE)
		return -EINVAL;
	if (vaddr + length < vaddr)
		return -EOVERFLOW;
	int ret = place(ioas, vaddr, length, fixed, &at);
	if (ret)
		return ret;
	if (vaddr & (PAGE - 1))
		return -EINVAL;
	ret = medio_span_take(call, vaddr, length, prot, &span);
	/* As long as nothing is pinned, nobody looks. */
	if (ret == -EFAULT && !medio_iommufd_ioas_pins(ioas))
		span = NULL;
	else if (ret)
		return ret;
	ret = medio_kmap_map(ioas->map, at, length, vaddr, prot, span, NULL);
	if (ret && span)
		medio_span_put(span);
	if (!ret)
		*iova = at;
	return ret;
}

/* What IOAS_MAP, _COPY and _MAP_FILE have in common. */
static int check_flags(uint32_t flags, uint32_t reserved, unsigned *prot)
{
	const uint32_t known = MEDIO_IOMMU_IOAS_MAP_FIXED_IOVA | MEDIO_IOMMU_IOAS_MAP_WRITEABLE |
			       MEDIO_IOMMU_IOAS_MAP_READABLE;

	if (flags & ~known || reserved)
		return -EOPNOTSUPP;
	*prot = (flags & MEDIO_IOMMU_IOAS_MAP_WRITEABLE ? MEDIO_SPAN_WRITE : 0) |
		(flags & MEDIO_IOMMU_IOAS_MAP_READABLE ? MEDIO_SPAN_READ : 0);
	return 0;
}

int medio_iommufd_ioas_do_map(struct medio_iommufd_call *c)
{
	struct medio_iommu_ioas_map *cmd = c->cmd;
	unsigned prot;

	int ret = check_flags(cmd->flags, cmd->reserved, &prot);
	if (ret)
		return ret;
	if (cmd->iova == UINT64_MAX || cmd->length == UINT64_MAX)
		return -EOVERFLOW;
	if (!prot)
		return -EINVAL;
	struct medio_iommufd_ioas *ioas = medio_iommufd_ioas_find(c->ctx, cmd->ioas_id);
	if (!ioas)
		return -ENOENT;
	ret = medio_iommufd_ioas_map(ioas, c->call, cmd->user_va, cmd->length, prot,
		cmd->flags & MEDIO_IOMMU_IOAS_MAP_FIXED_IOVA, &cmd->iova);
	return ret ? ret : medio_iommufd_respond(c, sizeof(*cmd));
}

int medio_iommufd_ioas_map_file(struct medio_iommufd_call *c)
{
	struct medio_iommu_ioas_map_file *cmd = c->cmd;
	struct medio_kmapping *mapping;
	struct medio_span *span;
	unsigned prot;

	int ret = check_flags(cmd->flags, 0, &prot);
	if (ret)
		return ret;
	if (cmd->iova == UINT64_MAX || cmd->length == UINT64_MAX)
		return -EOVERFLOW;
	if (!prot)
		return -EINVAL;
	struct medio_iommufd_ioas *ioas = medio_iommufd_ioas_find(c->ctx, cmd->ioas_id);
	if (!ioas)
		return -ENOENT;
	if (!cmd->length)
		return -EINVAL;
	if (cmd->start + cmd->length < cmd->start)
		return -EOVERFLOW;
	uint64_t iova = cmd->iova;
	ret = place(
		ioas, cmd->start, cmd->length, cmd->flags & MEDIO_IOMMU_IOAS_MAP_FIXED_IOVA, &iova);
	if (ret)
		return ret;
	if (cmd->start & (PAGE - 1))
		return -EINVAL;
	ret = medio_span_of_file(c->call, cmd->fd, cmd->start, cmd->length, prot, &span);
	if (ret)
		return ret;
	ret = medio_kmap_map(ioas->map, iova, cmd->length, cmd->start, prot, span, &mapping);
	if (ret) {
		medio_span_put(span);
		return ret;
	}
	mapping->of_file = true;
	cmd->iova = iova;
	return medio_iommufd_respond(c, sizeof(*cmd));
}

int medio_iommufd_ioas_change_process(struct medio_iommufd_call *c)
{
	const struct medio_iommu_ioas_change_process *cmd = c->cmd;

	if (cmd->reserved)
		return -EOPNOTSUPP;
	for (uint32_t id = 1; id <= c->ctx->cap; id++) {
		const struct medio_iommufd_ioas *ioas = medio_iommufd_ioas_find(c->ctx, id);
		const struct medio_kmapping *mapping = ioas ? medio_kmap_from(ioas->map, 0) : NULL;
		while (mapping) {
			if (!mapping->of_file)
				return -EINVAL;
			uint64_t last = medio_kmapping_last(mapping);
			mapping = last == UINT64_MAX ? NULL : medio_kmap_from(ioas->map, last + 1);
		}
	}
	return 0;
}

/* ---- Copying ---------------------------------------------------------------------------------- */

/* [iova, last] is mapped without a gap, and may be written if that is wanted. */
static int check_source(
	const struct medio_iommufd_ioas *ioas, uint64_t iova, uint64_t last, bool *writable)
{
	*writable = true;
	for (;;) {
		const struct medio_kmapping *mapping = medio_kmap_at(ioas->map, iova);
		if (!mapping)
			return -ENOENT;
		if (!(mapping->prot & MEDIO_SPAN_WRITE))
			*writable = false;
		if (medio_kmapping_last(mapping) >= last)
			return 0;
		iova = medio_kmapping_last(mapping) + 1;
	}
}

/* The mapping of the source that has byte from, as far as it goes, at iova of the destination. */
static int copy_one(struct medio_iommufd_ioas *dst, const struct medio_kmapping *source,
	uint64_t from, uint64_t size, uint64_t iova, unsigned prot)
{
	struct medio_span *span = NULL;
	struct medio_kmapping *mapping;
	const uint64_t offset = from - source->iova;

	if (source->span) {
		int ret = medio_span_part(source->span, offset, size, prot, &span);
		if (ret)
			return ret;
	} else if (medio_iommufd_ioas_pins(dst)) {
		return -EFAULT;
	}
	const bool of_file = source->of_file;
	int ret = medio_kmap_map(
		dst->map, iova, size, source->vaddr + offset, prot, span, &mapping);
	if (ret && span)
		medio_span_put(span);
	if (!ret)
		mapping->of_file = of_file;
	return ret;
}

static int copy_all(struct medio_iommufd_ioas *dst, const struct medio_iommufd_ioas *src,
	uint64_t from, uint64_t length, uint64_t iova, unsigned prot)
{
	for (uint64_t done = 0; done < length;) {
		const struct medio_kmapping *source = medio_kmap_at(src->map, from + done);
		uint64_t size = medio_kmapping_last(source) - (from + done) + 1;
		if (size > length - done)
			size = length - done;
		int ret = copy_one(dst, source, from + done, size, iova + done, prot);
		if (ret) {
			struct medio_kmapping *undo;
			while (done && (undo = medio_kmap_overlap(dst->map, iova, iova + done - 1)))
				medio_kmap_unmap(dst->map, undo);
			return ret;
		}
		done += size;
	}
	return 0;
}

int medio_iommufd_ioas_copy(struct medio_iommufd_call *c)
{
	struct medio_iommu_ioas_copy *cmd = c->cmd;
	unsigned prot;
	bool writable;

	int ret = check_flags(cmd->flags, 0, &prot);
	if (ret)
		return ret;
	if (cmd->length == UINT64_MAX || cmd->src_iova == UINT64_MAX || cmd->dst_iova == UINT64_MAX)
		return -EOVERFLOW;
	if (!prot)
		return -EINVAL;
	const struct medio_iommufd_ioas *src = medio_iommufd_ioas_find(c->ctx, cmd->src_ioas_id);
	if (!src)
		return -ENOENT;
	if (!cmd->length)
		return -EINVAL;
	const uint64_t last = cmd->src_iova + cmd->length - 1;
	if (last < cmd->src_iova)
		return -EOVERFLOW;
	ret = check_source(src, cmd->src_iova, last, &writable);
	if (ret)
		return ret;
	struct medio_iommufd_ioas *dst = medio_iommufd_ioas_find(c->ctx, cmd->dst_ioas_id);
	if (!dst)
		return -ENOENT;
	const struct medio_kmapping *first = medio_kmap_at(src->map, cmd->src_iova);
	ret = place(dst, first->vaddr + (cmd->src_iova - first->iova), cmd->length,
		cmd->flags & MEDIO_IOMMU_IOAS_MAP_FIXED_IOVA, &cmd->dst_iova);
	if (ret)
		return ret;
	if (prot & MEDIO_SPAN_WRITE && !writable)
		return -EPERM;
	if (cmd->src_iova & (PAGE - 1))
		return -EINVAL;
	ret = copy_all(dst, src, cmd->src_iova, cmd->length, cmd->dst_iova, prot);
	return ret ? ret : medio_iommufd_respond(c, sizeof(*cmd));
}

/* ---- Unmapping -------------------------------------------------------------------------------- */

int medio_iommufd_ioas_unmap(
	struct medio_iommufd_ioas *ioas, uint64_t iova, uint64_t length, uint64_t *unmapped)
{
	struct medio_kmapping *mapping;

	*unmapped = 0;
	if (!length)
		return -EINVAL;
	const uint64_t last = iova + length - 1;
	if (last < iova)
		return -EOVERFLOW;
	while ((mapping = medio_kmap_overlap(ioas->map, iova, last))) {
		if (mapping->iova < iova || medio_kmapping_last(mapping) > last)
			return -ENOENT;
		*unmapped += mapping->size;
		medio_kmap_unmap(ioas->map, mapping);
	}
	return *unmapped ? 0 : -ENOENT;
}

uint64_t medio_iommufd_ioas_unmap_all(struct medio_iommufd_ioas *ioas)
{
	struct medio_kmapping *mapping;
	uint64_t unmapped = 0;

	while ((mapping = medio_kmap_from(ioas->map, 0))) {
		unmapped += mapping->size;
		medio_kmap_unmap(ioas->map, mapping);
	}
	return unmapped;
}

int medio_iommufd_ioas_do_unmap(struct medio_iommufd_call *c)
{
	struct medio_iommu_ioas_unmap *cmd = c->cmd;
	struct medio_iommufd_ioas *ioas = medio_iommufd_ioas_find(c->ctx, cmd->ioas_id);
	uint64_t unmapped;

	if (!ioas)
		return -ENOENT;
	if (!cmd->iova && cmd->length == UINT64_MAX) {
		unmapped = medio_iommufd_ioas_unmap_all(ioas);
	} else {
		if (cmd->iova == UINT64_MAX || cmd->length == UINT64_MAX)
			return -EOVERFLOW;
		int ret = medio_iommufd_ioas_unmap(ioas, cmd->iova, cmd->length, &unmapped);
		if (ret)
			return ret;
	}
	cmd->length = unmapped;
	return medio_iommufd_respond(c, sizeof(*cmd));
}
