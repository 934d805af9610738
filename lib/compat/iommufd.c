/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/iommufd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/iommufd_ctx.h"
#include "proto/iommufd.h"
#include "util/cleanup.h"

#define FIRST_CALL 0x80u
/* More objects than any program has use for. */
#define MAX_OBJS 65536u

/* ---- Objects ---------------------------------------------------------------------------------- */

int medio_iommufd_add(
	struct medio_iommufd *ctx, enum medio_iommufd_type type, struct medio_iommufd_obj *obj)
{
	uint32_t at = 0;

	while (at < ctx->cap && ctx->objs[at])
		at++;
	if (at == ctx->cap) {
		uint32_t cap = ctx->cap ? ctx->cap * 2 : 8;
		if (cap > MAX_OBJS)
			return -ENOMEM;
		void *objs = reallocarray(ctx->objs, cap, sizeof(void *));
		if (!objs)
			return -ENOMEM;
		ctx->objs = objs;
		memset(ctx->objs + ctx->cap, 0, (cap - ctx->cap) * sizeof(void *));
		ctx->cap = cap;
	}
	ctx->objs[at] = obj;
	obj->type = type;
	obj->id = at + 1;
	obj->users = 0;
	return 0;
}

struct medio_iommufd_obj *medio_iommufd_find(
	const struct medio_iommufd *ctx, uint32_t id, enum medio_iommufd_type type)
{
	if (!id || id > ctx->cap)
		return NULL;
	struct medio_iommufd_obj *obj = ctx->objs[id - 1];
	return obj && (type == MEDIO_IOMMUFD_ANY || obj->type == type) ? obj : NULL;
}

void medio_iommufd_remove(struct medio_iommufd *ctx, struct medio_iommufd_obj *obj)
{
	ctx->objs[obj->id - 1] = NULL;
	if (obj->type == MEDIO_IOMMUFD_IOAS) {
		struct medio_iommufd_ioas *ioas = medio_container_of(
			obj, struct medio_iommufd_ioas, obj);
		if (ctx->vfio_ioas == ioas)
			ctx->vfio_ioas = NULL;
		medio_iommufd_ioas_free(ioas);
	} else if (obj->type == MEDIO_IOMMUFD_HWPT) {
		struct medio_iommufd_hwpt *hwpt = medio_container_of(
			obj, struct medio_iommufd_hwpt, obj);
		medio_iommufd_hwpt_log_stop(hwpt);
		hwpt->ioas->obj.users--;
		free(hwpt);
	} else {
		free(medio_container_of(obj, struct medio_iommufd_dev, obj));
	}
}

static int destroy(struct medio_iommufd_call *c)
{
	const struct medio_iommu_destroy *cmd = c->cmd;

	/* A device that was closed may be the last to use it. */
	medio_kfile_settle(c->ctx->compat);
	struct medio_iommufd_obj *obj = medio_iommufd_find(c->ctx, cmd->id, MEDIO_IOMMUFD_ANY);
	if (!obj)
		return -ENOENT;
	if (obj->users)
		return -EBUSY;
	medio_iommufd_remove(c->ctx, obj);
	return 0;
}

/* ---- Life ------------------------------------------------------------------------------------- */

void medio_iommufd_get(struct medio_iommufd *ctx)
{
	ctx->refs++;
}

void medio_iommufd_put(struct medio_iommufd *ctx)
{
	if (--ctx->refs)
		return;
	/* Page tables are made of address spaces, so they go first; no device is bound any more. */
	for (unsigned pass = 0; pass < 2; pass++)
		for (uint32_t i = 0; i < ctx->cap; i++)
			if (ctx->objs[i] && (pass || ctx->objs[i]->type == MEDIO_IOMMUFD_HWPT))
				medio_iommufd_remove(ctx, ctx->objs[i]);
	free(ctx->objs);
	free(ctx);
}

/* ---- Options ---------------------------------------------------------------------------------- */

/* Whom locked memory is counted for: nobody here. */
static int rlimit_mode(struct medio_iommufd *ctx, struct medio_iommu_option *cmd)
{
	if (cmd->object_id)
		return -EOPNOTSUPP;
	if (cmd->op == MEDIO_IOMMU_OPTION_OP_GET) {
		cmd->val64 = ctx->account_process;
		return 0;
	}
	if (cmd->op != MEDIO_IOMMU_OPTION_OP_SET)
		return -EOPNOTSUPP;
	if (geteuid() != 0)
		return -EPERM;
	for (uint32_t i = 0; i < ctx->cap; i++)
		if (ctx->objs[i])
			return -EBUSY;
	if (cmd->val64 > 1)
		return -EINVAL;
	ctx->account_process = cmd->val64;
	return 0;
}

static int huge_pages(struct medio_iommufd *ctx, struct medio_iommu_option *cmd)
{
	struct medio_iommufd_ioas *ioas = medio_iommufd_ioas_find(ctx, cmd->object_id);

	if (!ioas)
		return -ENOENT;
	if (cmd->op == MEDIO_IOMMU_OPTION_OP_GET) {
		cmd->val64 = !ioas->small_pages;
		return 0;
	}
	if (cmd->op != MEDIO_IOMMU_OPTION_OP_SET)
		return -EOPNOTSUPP;
	if (cmd->val64 > 1)
		return -EINVAL;
	/* What devices have mapped in huge pages stays so. */
	if (!cmd->val64 && !ioas->small_pages && medio_iommufd_ioas_pins(ioas))
		return -EINVAL;
	ioas->small_pages = !cmd->val64;
	return 0;
}

static int option(struct medio_iommufd_call *c)
{
	struct medio_iommu_option *cmd = c->cmd;
	int ret = -EOPNOTSUPP;

	if (cmd->reserved)
		return -EOPNOTSUPP;
	if (cmd->option_id == MEDIO_IOMMU_OPTION_RLIMIT_MODE)
		ret = rlimit_mode(c->ctx, cmd);
	else if (cmd->option_id == MEDIO_IOMMU_OPTION_HUGE_PAGES)
		ret = huge_pages(c->ctx, cmd);
	if (ret)
		return ret;
	return medio_call_write(c->call, c->addr + offsetof(struct medio_iommu_option, val64),
		&cmd->val64, sizeof(cmd->val64));
}

/* ---- The calls -------------------------------------------------------------------------------- */

/* Nested page tables, virtual IOMMUs and queues of faults are what some IOMMUs have; not this one. */
static int unsupported(struct medio_iommufd_call *c)
{
	(void)c;
	return -EOPNOTSUPP;
}

#define UP_TO(type, field) (offsetof(type, field) + sizeof(((type *)NULL)->field))
#define CALL(number, type, last, function) \
	[(number)-FIRST_CALL] = { sizeof(type), UP_TO(type, last), function }

/* Their structures begin with the size and are at least this long. */
struct bytes_8 {
	uint32_t word[2];
};
struct bytes_16 {
	uint32_t word[4];
};
struct bytes_24 {
	uint32_t word[6];
};
struct bytes_32 {
	uint32_t word[8];
};

static const struct call {
	size_t size, min;
	int (*function)(struct medio_iommufd_call *c);
} calls[] = {
	CALL(0x80, struct medio_iommu_destroy, id, destroy),
	CALL(0x81, struct medio_iommu_ioas_alloc, out_ioas_id, medio_iommufd_ioas_alloc),
	CALL(0x82, struct medio_iommu_ioas_allow_iovas, allowed_iovas,
		medio_iommufd_ioas_allow_iovas),
	CALL(0x83, struct medio_iommu_ioas_copy, src_iova, medio_iommufd_ioas_copy),
	CALL(0x84, struct medio_iommu_ioas_iova_ranges, out_iova_alignment,
		medio_iommufd_ioas_iova_ranges),
	CALL(0x85, struct medio_iommu_ioas_map, iova, medio_iommufd_ioas_do_map),
	CALL(0x86, struct medio_iommu_ioas_unmap, length, medio_iommufd_ioas_do_unmap),
	CALL(0x87, struct medio_iommu_option, val64, option),
	CALL(0x88, struct medio_iommu_vfio_ioas, reserved, medio_iommufd_vfio_ioas),
	CALL(0x89, struct medio_iommu_hwpt_alloc, reserved, medio_iommufd_hwpt_alloc),
	CALL(0x8a, struct medio_iommu_hw_info, reserved, medio_iommufd_hw_info),
	CALL(0x8b, struct medio_iommu_hwpt_set_dirty_tracking, reserved,
		medio_iommufd_hwpt_set_dirty),
	CALL(0x8c, struct medio_iommu_hwpt_get_dirty_bitmap, data, medio_iommufd_hwpt_get_dirty),
	CALL(0x8d, struct bytes_32, word, unsupported), /* HWPT_INVALIDATE */
	CALL(0x8e, struct bytes_16, word, unsupported), /* FAULT_QUEUE_ALLOC */
	CALL(0x8f, struct medio_iommu_ioas_map_file, iova, medio_iommufd_ioas_map_file),
	CALL(0x90, struct bytes_24, word, unsupported), /* VIOMMU_ALLOC */
	CALL(0x91, struct bytes_24, word, unsupported), /* VDEVICE_ALLOC */
	CALL(0x92, struct medio_iommu_ioas_change_process, reserved,
		medio_iommufd_ioas_change_process),
};

union cmd {
	struct medio_iommu_destroy destroy;
	struct medio_iommu_ioas_alloc alloc;
	struct medio_iommu_ioas_allow_iovas allow;
	struct medio_iommu_ioas_copy copy;
	struct medio_iommu_ioas_iova_ranges ranges;
	struct medio_iommu_ioas_map map;
	struct medio_iommu_ioas_map_file map_file;
	struct medio_iommu_ioas_unmap unmap;
	struct medio_iommu_option option;
	struct medio_iommu_vfio_ioas vfio_ioas;
	struct medio_iommu_hwpt_alloc hwpt;
	struct medio_iommu_hw_info hw_info;
	struct medio_iommu_hwpt_set_dirty_tracking set_dirty;
	struct medio_iommu_hwpt_get_dirty_bitmap get_dirty;
	struct medio_iommu_ioas_change_process change;
	struct bytes_32 other;
};

int medio_iommufd_respond(const struct medio_iommufd_call *c, size_t size)
{
	return medio_call_write(c->call, c->addr, c->cmd, c->size < size ? c->size : size);
}

static int64_t iommufd_ioctl(
	struct medio_kfile *file, struct medio_call *call, unsigned cmd, uint64_t arg)
{
	struct medio_iommufd *ctx = medio_container_of(file, struct medio_iommufd, file);
	const unsigned at = _IOC_NR(cmd) - FIRST_CALL;
	union cmd buf;

	if (_IOC_NR(cmd) < FIRST_CALL || at >= MEDIO_ARRAY_SIZE(calls))
		return medio_iommufd_vfio_ioctl(ctx, call, cmd, arg);
	struct medio_iommufd_call c = { .ctx = ctx, .call = call, .addr = arg, .cmd = &buf };
	int ret = medio_call_read(call, arg, &c.size, sizeof(c.size));
	if (ret)
		return ret;
	if (cmd != MEDIO_IOMMUFD_CALL(_IOC_NR(cmd)))
		return -ENOTTY;
	ret = medio_call_read_sized(call, arg, &buf, calls[at].min, calls[at].size);
	if (ret)
		return ret;
	/* The size may be another one now: the first counts, as far as what was read goes. */
	memcpy(&c.size, &buf, sizeof(c.size));
	return calls[at].function(&c);
}

static void iommufd_release(struct medio_kfile *file)
{
	medio_iommufd_put(medio_container_of(file, struct medio_iommufd, file));
}

static const struct medio_kfile_ops iommufd_ops = {
	.what = "iommufd",
	.ioctl = iommufd_ioctl,
	.release = iommufd_release,
};

struct medio_iommufd *medio_iommufd_of(struct medio_kfile *file)
{
	if (file->ops != &iommufd_ops)
		return NULL;
	return medio_container_of(file, struct medio_iommufd, file);
}

int medio_iommufd_open(void *compat, uint64_t ino, unsigned flags, struct medio_kfile **out)
{
	struct medio_iommufd *ctx = calloc(1, sizeof(*ctx));

	(void)flags;
	if (!ctx)
		return -ENOMEM;
	ctx->compat = compat;
	ctx->refs = 1;
	medio_kfile_enter(compat, &iommufd_ops, &ctx->file, ino);
	*out = &ctx->file;
	return 0;
}
