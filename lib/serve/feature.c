/* SPDX-License-Identifier: BSD-3-Clause */
/* RESET, DEVICE_FEATURE and the migration stream. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device/migration.h"
#include "iommu/iommu.h"
#include "serve/session.h"

int medio_handle_reset(struct medio_session *s, struct medio_request *req)
{
	(void)req;
	int ret = medio_session_quiesce(s);
	if (ret)
		return ret;
	medio_instance_reset(s->inst, MEDIO_RESET_DEVICE);
	medio_session_resume(s);
	return 0;
}

/* ---- Features ------------------------------------------------------------------------------------ */

/* A feature's data behind struct medio_vu_feature, and how to answer. */
struct feature_call {
	struct medio_session *s;
	struct medio_request *req;
	struct medio_vu_feature head;
	const uint8_t *data;
	size_t size; /* of data */
};

static int feature_reply(struct feature_call *call, const void *data, size_t size)
{
	size_t total = sizeof(call->head) + size;
	struct medio_vu_feature head = { (uint32_t)total, call->head.flags };
	if (call->head.argsz < total)
		size = 0; /* names the size that is needed */
	uint8_t *at = medio_session_reply(call->s, call->req, sizeof(head) + size);
	if (!at)
		return -ENOMEM;
	memcpy(at, &head, sizeof(head));
	if (data && size)
		memcpy(at + sizeof(head), data, size);
	medio_session_send(call->s, call->req, sizeof(head) + size);
	return 0;
}

/* What was set is given back. */
static int feature_echo(struct feature_call *call)
{
	return feature_reply(call, call->data, call->size);
}

static int get_migration(struct feature_call *call)
{
	uint64_t flags = MEDIO_VU_MIGRATION_STOP_COPY;
	return feature_reply(call, &flags, sizeof(flags));
}

static int get_state(struct feature_call *call)
{
	struct medio_vu_mig_state state = { medio_migration_state(call->s->inst), 0 };
	return feature_reply(call, &state, sizeof(state));
}

static int set_state(struct feature_call *call)
{
	struct medio_vu_mig_state state;
	if (call->size < sizeof(state))
		return -EINVAL;
	memcpy(&state, call->data, sizeof(state));
	int ret = medio_session_quiesce(call->s);
	if (ret)
		return ret;
	ret = medio_migration_go(call->s->inst, state.device_state);
	medio_session_resume(call->s); /* does so only if the device runs now */
	return ret ? ret : feature_echo(call);
}

static int start_logging(struct feature_call *call)
{
	struct medio_vu_logging_control control;
	if (call->size < sizeof(control))
		return -EINVAL;
	memcpy(&control, call->data, sizeof(control));
	size_t left = call->size - sizeof(control);
	if (control.num_ranges > left / sizeof(struct medio_vu_logging_range))
		return -EINVAL;
	if (!control.num_ranges) {
		/* Everything but the last page: a length of 2^64 cannot be said. */
		const struct medio_iommu_range all[] = { { 0, -control.page_size } };
		int ret = medio_iommu_dirty_start(
			medio_instance_iommu(call->s->inst), control.page_size, all, 1);
		return ret ? ret : feature_echo(call);
	}
	struct medio_iommu_range *ranges = calloc(control.num_ranges, sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	for (uint32_t i = 0; i < control.num_ranges; i++) {
		struct medio_vu_logging_range range;
		memcpy(&range, call->data + sizeof(control) + i * sizeof(range), sizeof(range));
		ranges[i] = (struct medio_iommu_range){ range.iova, range.length };
	}
	int ret = medio_iommu_dirty_start(
		medio_instance_iommu(call->s->inst), control.page_size, ranges, control.num_ranges);
	free(ranges);
	return ret ? ret : feature_echo(call);
}

static int stop_logging(struct feature_call *call)
{
	medio_iommu_dirty_stop(medio_instance_iommu(call->s->inst));
	return feature_echo(call);
}

static int report_logging(struct feature_call *call)
{
	struct medio_vu_logging_report report;
	uint64_t bytes;
	if (call->size < sizeof(report))
		return -EINVAL;
	memcpy(&report, call->data, sizeof(report));
	int ret = medio_iommu_bitmap_bytes(report.length, report.page_size, &bytes);
	if (ret)
		return ret;
	if (bytes > call->s->max_xfer)
		return -E2BIG;
	size_t size = sizeof(report) + bytes;
	/* Reading clears: not before the bitmap is sure to fit. */
	if (call->head.argsz < sizeof(call->head) + size)
		return feature_reply(call, NULL, size);
	uint64_t *data = calloc(1, size);
	if (!data)
		return -ENOMEM;
	memcpy(data, &report, sizeof(report));
	ret = medio_iommu_dirty_report(medio_instance_iommu(call->s->inst), report.iova,
		report.length, report.page_size, data + sizeof(report) / sizeof(*data), bytes);
	if (ret == 0)
		ret = feature_reply(call, data, size);
	free(data);
	return ret;
}

static const struct feature {
	uint32_t index;
	bool migration; /* only of devices that can migrate */
	int (*get)(struct feature_call *call);
	int (*set)(struct feature_call *call);
} features[] = {
	{ MEDIO_VU_FEATURE_MIGRATION, true, get_migration, NULL },
	{ MEDIO_VU_FEATURE_MIG_DEVICE_STATE, true, get_state, set_state },
	{ MEDIO_VU_FEATURE_DMA_LOGGING_START, false, NULL, start_logging },
	{ MEDIO_VU_FEATURE_DMA_LOGGING_STOP, false, NULL, stop_logging },
	{ MEDIO_VU_FEATURE_DMA_LOGGING_REPORT, false, report_logging, NULL },
};

static const struct feature *find(const struct medio_session *s, uint32_t index)
{
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		if (features[i].index == index &&
			(!features[i].migration || medio_migration_possible(s->inst)))
			return &features[i];
	return NULL;
}

int medio_handle_feature(struct medio_session *s, struct medio_request *req)
{
	struct feature_call call = { .s = s, .req = req };
	if (!medio_request_take(req, &call.head, sizeof(call.head)) ||
		call.head.argsz < sizeof(call.head))
		return -EINVAL;
	call.data = req->payload + sizeof(call.head);
	call.size = req->size - sizeof(call.head);
	const struct feature *feature = find(s, call.head.flags & MEDIO_VU_FEATURE_MASK);
	if (!feature)
		return -ENOTTY;
	bool get = call.head.flags & MEDIO_VU_FEATURE_GET;
	bool set = call.head.flags & MEDIO_VU_FEATURE_SET;
	if (call.head.flags & ~(MEDIO_VU_FEATURE_MASK | MEDIO_VU_FEATURE_GET |
				      MEDIO_VU_FEATURE_SET | MEDIO_VU_FEATURE_PROBE))
		return -EINVAL;
	if ((get && !feature->get) || (set && !feature->set))
		return -ENOTTY;
	if (call.head.flags & MEDIO_VU_FEATURE_PROBE)
		return feature_echo(&call);
	if (get == set)
		return -EINVAL;
	return get ? feature->get(&call) : feature->set(&call);
}

/* ---- The migration stream -------------------------------------------------------------------------- */

int medio_handle_mig_read(struct medio_session *s, struct medio_request *req)
{
	struct medio_vu_mig_data data;
	if (!medio_request_take(req, &data, sizeof(data)) || data.argsz < sizeof(data) ||
		data.size > s->max_xfer || data.argsz - sizeof(data) < data.size)
		return -EINVAL;
	uint8_t *at = medio_session_reply(s, req, sizeof(data) + data.size);
	if (!at)
		return -ENOMEM;
	ssize_t got = medio_migration_read(s->inst, at + sizeof(data), data.size);
	if (got < 0)
		return (int)got;
	data.size = (uint32_t)got;
	data.argsz = (uint32_t)(sizeof(data) + data.size);
	memcpy(at, &data, sizeof(data));
	struct medio_vu_header hdr;
	memcpy(&hdr, at - sizeof(hdr), sizeof(hdr));
	hdr.size = (uint32_t)(sizeof(hdr) + sizeof(data) + data.size);
	memcpy(at - sizeof(hdr), &hdr, sizeof(hdr));
	medio_session_send(s, req, sizeof(data) + data.size);
	return 0;
}

int medio_handle_mig_write(struct medio_session *s, struct medio_request *req)
{
	struct medio_vu_mig_data data;
	if (!medio_request_take(req, &data, sizeof(data)) || data.size > s->max_xfer ||
		data.size > req->size - sizeof(data))
		return -EINVAL;
	return medio_migration_write(s->inst, req->payload + sizeof(data), data.size);
}
