/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/feature.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device/instance.h"
#include "device/migration.h"
#include "iommu/iommu.h"

/* struct vfio_device_feature_migration, _mig_state, _dma_logging_control, _range, _report. */
#define STOP_COPY 1u
struct mig_state {
	uint32_t state, data_fd;
};
struct logging {
	uint64_t page_size;
	uint32_t num_ranges, reserved;
};
struct range {
	uint64_t iova, length;
};
struct report {
	uint64_t iova, length, page_size;
};

struct call {
	struct medio_instance *inst;
	const struct medio_feature *f;
	size_t *got;
};

/* An answer that may not fit. */
static int answer(struct call *call, const void *data, size_t size)
{
	*call->got = size;
	if (size && size <= call->f->cap)
		memmove(call->f->out, data, size); /* an echo may be in place */
	return 0;
}

/* What was set is given back. */
static int echo(struct call *call)
{
	return answer(call, call->f->in, call->f->size);
}

/* The fixed part of the data. */
static bool take(const struct call *call, void *out, size_t size)
{
	if (call->f->size < size)
		return false;
	memcpy(out, call->f->in, size);
	return true;
}

static int get_migration(struct call *call)
{
	uint64_t flags = STOP_COPY;
	return answer(call, &flags, sizeof(flags));
}

static int get_state(struct call *call)
{
	struct mig_state state = { medio_migration_state(call->inst), 0 };
	return answer(call, &state, sizeof(state));
}

static int set_state(struct call *call)
{
	struct mig_state state;
	if (!take(call, &state, sizeof(state)))
		return -EINVAL;
	int ret = medio_migration_go(call->inst, state.state);
	return ret ? ret : echo(call);
}

static int start_logging(struct call *call)
{
	struct medio_iommu *iommu = medio_instance_iommu(call->inst);
	struct logging control;
	if (!take(call, &control, sizeof(control)))
		return -EINVAL;
	size_t left = call->f->size - sizeof(control);
	if (control.num_ranges > left / sizeof(struct range))
		return -EINVAL;
	if (!control.num_ranges) {
		/* Everything but the last page: a length of 2^64 cannot be said. */
		const struct medio_iommu_range all[] = { { 0, -control.page_size } };
		int ret = medio_iommu_dirty_start(iommu, control.page_size, all, 1);
		return ret ? ret : echo(call);
	}
	struct medio_iommu_range *ranges = calloc(control.num_ranges, sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	for (uint32_t i = 0; i < control.num_ranges; i++) {
		struct range range;
		memcpy(&range, (const char *)call->f->in + sizeof(control) + i * sizeof(range),
			sizeof(range));
		ranges[i] = (struct medio_iommu_range){ range.iova, range.length };
	}
	int ret = medio_iommu_dirty_start(iommu, control.page_size, ranges, control.num_ranges);
	free(ranges);
	return ret ? ret : echo(call);
}

static int stop_logging(struct call *call)
{
	medio_iommu_dirty_stop(medio_instance_iommu(call->inst));
	return echo(call);
}

static int report_logging(struct call *call)
{
	struct report report;
	uint64_t bytes;
	if (!take(call, &report, sizeof(report)))
		return -EINVAL;
	int ret = medio_iommu_bitmap_bytes(report.length, report.page_size, &bytes);
	if (ret)
		return ret;
	if (bytes > call->f->max)
		return -E2BIG;
	*call->got = sizeof(report) + bytes;
	/* Reading clears: not before the bitmap is sure to fit. */
	if (call->f->cap < *call->got)
		return 0;
	uint64_t *bitmap = calloc(1, bytes);
	if (!bitmap)
		return -ENOMEM;
	ret = medio_iommu_dirty_report(medio_instance_iommu(call->inst), report.iova, report.length,
		report.page_size, bitmap, bytes);
	if (ret == 0) {
		memcpy(call->f->out, &report, sizeof(report));
		memcpy((char *)call->f->out + sizeof(report), bitmap, bytes);
	}
	free(bitmap);
	return ret;
}

static const struct known {
	uint32_t number;
	bool migration; /* only of devices that can migrate */
	int (*get)(struct call *call);
	int (*set)(struct call *call);
} known[] = {
	{ MEDIO_FEATURE_MIGRATION, true, get_migration, NULL },
	{ MEDIO_FEATURE_MIG_DEVICE_STATE, true, get_state, set_state },
	{ MEDIO_FEATURE_DMA_LOGGING_START, false, NULL, start_logging },
	{ MEDIO_FEATURE_DMA_LOGGING_STOP, false, NULL, stop_logging },
	{ MEDIO_FEATURE_DMA_LOGGING_REPORT, false, report_logging, NULL },
};

static const struct known *find(const struct medio_instance *inst, uint32_t flags)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].number == (flags & MEDIO_FEATURE_MASK) &&
			(!known[i].migration || medio_migration_possible(inst)))
			return &known[i];
	return NULL;
}

bool medio_feature_wants_quiet(const struct medio_instance *inst, uint32_t flags)
{
	const struct known *k = find(inst, flags);
	return k && k->set == set_state && flags & MEDIO_FEATURE_SET &&
	       !(flags & (MEDIO_FEATURE_PROBE | MEDIO_FEATURE_GET));
}

int medio_instance_feature(
	struct medio_instance *inst, const struct medio_feature *feature, size_t *got)
{
	struct call call = { inst, feature, got };
	const struct known *k = find(inst, feature->flags);
	const bool get = feature->flags & MEDIO_FEATURE_GET,
		   set = feature->flags & MEDIO_FEATURE_SET;
	if (!k)
		return -ENOTTY;
	if (feature->flags &
		~(MEDIO_FEATURE_MASK | MEDIO_FEATURE_GET | MEDIO_FEATURE_SET | MEDIO_FEATURE_PROBE))
		return -EINVAL;
	if ((get && !k->get) || (set && !k->set))
		return -ENOTTY;
	if (feature->flags & MEDIO_FEATURE_PROBE)
		return echo(&call);
	if (get == set)
		return -EINVAL;
	return get ? k->get(&call) : k->set(&call);
}
