/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the kernel asks of a VDUSE device: it waits for each answer, 30 s by default, and gives the device up
 * after that.
 *
 *     GET_VQ_STATE   where is a queue?          answered at once
 *     SET_STATUS     the driver sets the status answered at once; a reset when no chain is in flight any more
 *     UPDATE_IOTLB   memory has changed         answered when what was there is not used any more
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include "device/instance.h"
#include "device/stats.h"
#include "serve/vduse.h"
#include "util/error.h"

/* In one go, before others on the loop have their turn. */
#define MESSAGES 16u

static void answer(struct medio_vduse *v, struct vduse_dev_response *response, bool ok)
{
	response->result = ok ? VDUSE_REQ_RESULT_OK : VDUSE_REQ_RESULT_FAILED;
	if (v->fd >= 0 && write(v->fd, response, sizeof(*response)) < 0)
		medio_instance_log(v->inst, MEDIO_LOG_DEBUG,
			"VDUSE: nobody waits for answer %u: %s", response->request_id,
			strerror(errno));
}

/* ---- SET_STATUS ----------------------------------------------------------------------------------------- */

void medio_vduse_reset_done(struct medio_vduse *v)
{
	medio_vduse_queues_forget(v);
	/* The kernel frees rings now, and may put others in their place. */
	medio_vduse_memory_drop(v);
	v->driver_ok = v->waits = v->resume = false;
	medio_vduse_config_sync(v, false);
	if (!v->reset_due)
		return;
	v->reset_due = false;
	answer(v, &(struct vduse_dev_response){ .request_id = v->reset_request }, true);
}

static void reset(struct medio_vduse *v, uint32_t request)
{
	struct medio_virtq_position position;

	/* Somebody may ask for it afterwards (VHOST_GET_VRING_BASE). */
	for (unsigned i = 0; i < v->num_queues; i++)
		medio_vduse_queue_position(v, i, &position);
	v->reset_due = true;
	v->reset_request = request;
	medio_virtio_core_set_status(v->core, 0);
}

/* Features as the driver has chosen them; the core judges them. */
static bool choose_features(struct medio_vduse *v)
{
	uint64_t features = 0;

	if (medio_vduse_ioctl(v, VDUSE_DEV_GET_FEATURES, &features) < 0)
		return false;
	medio_virtio_core_set_features(v->core, features);
	return true;
}

static bool driver_ok(struct medio_vduse *v)
{
	struct medio_error *err = NULL;

	int ret = medio_vduse_queues_start(v, &err);
	if (ret == 0) {
		v->driver_ok = true;
		return true;
	}
	medio_instance_guest_error(v->inst, "VDUSE: %s", medio_error_text(err));
	medio_error_free(err);
	medio_virtio_core_set_status(v->core, 0);
	return false;
}

static bool set_status(struct medio_vduse *v, uint8_t status)
{
	const uint8_t have = medio_virtio_core_status(v->core);

	/* QEMU's vhost-vdpa-device sets it alone after a reset; who chooses features is a driver. */
	if (status & VIRTIO_CONFIG_S_FEATURES_OK)
		status |= VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	if (status & VIRTIO_CONFIG_S_FEATURES_OK && !(have & VIRTIO_CONFIG_S_FEATURES_OK) &&
		!choose_features(v))
		return false;
	/* Going live is a step of its own, and comes later. */
	medio_virtio_core_set_status(
		v->core, status & ((uint8_t)~VIRTIO_CONFIG_S_DRIVER_OK | have));
	/* What the driver reads back is what it has set, if we do not say no (2.2.2). */
	if (status & VIRTIO_CONFIG_S_FEATURES_OK &&
		!(medio_virtio_core_status(v->core) & VIRTIO_CONFIG_S_FEATURES_OK))
		return false;
	medio_vduse_config_sync(v, false);
	if (!(status & VIRTIO_CONFIG_S_DRIVER_OK) || v->driver_ok)
		return true;
	if (!(status & VIRTIO_CONFIG_S_FEATURES_OK)) {
		medio_instance_guest_error(v->inst,
			"VDUSE: DRIVER_OK without FEATURES_OK is refused (3.1.1): legacy drivers "
			"are not served");
		return false;
	}
	return driver_ok(v);
}

/* ---- GET_VQ_STATE ---------------------------------------------------------------------------------------- */

static bool tell_position(
	struct medio_vduse *v, uint32_t index, struct vduse_dev_response *response)
{
	struct medio_virtq_position position;
	struct vduse_vq_state *state = &response->vq_state;

	if (!medio_vduse_queue_position(v, index, &position))
		return false;
	state->index = index;
	if (medio_virtio_core_driver_features(v->core) >> VIRTIO_F_RING_PACKED & 1) {
		state->packed.last_avail_counter = position.avail >> 15;
		state->packed.last_avail_idx = position.avail & 0x7fff;
		state->packed.last_used_counter = position.used >> 15;
		state->packed.last_used_idx = position.used & 0x7fff;
	} else {
		state->split.avail_index = position.avail;
	}
	return true;
}

/* ---- Messages ---------------------------------------------------------------------------------------------- */

void medio_vduse_message(struct medio_vduse *v, const struct vduse_dev_request *request)
{
	struct vduse_dev_response response = { .request_id = request->request_id };
	bool ok = false;

	medio_stat_add(&medio_instance_counters(v->inst)->messages, 1);
	switch (request->type) {
	case VDUSE_GET_VQ_STATE:
		ok = tell_position(v, request->vq_state.index, &response);
		break;
	case VDUSE_SET_STATUS:
		if (!request->s.status) {
			reset(v, request->request_id);
			return;
		}
		ok = set_status(v, request->s.status);
		break;
	case VDUSE_UPDATE_IOTLB:
		ok = request->iova.start <= request->iova.last;
		if (ok)
			medio_vduse_memory_update(v, request->iova.start, request->iova.last);
		break;
	default:
		medio_instance_guest_error(v->inst,
			"VDUSE: the kernel asks with a message of type %u, which is not known",
			request->type);
		break;
	}
	answer(v, &response, ok);
}

void medio_vduse_readable(void *opaque, uint32_t events)
{
	struct medio_vduse *v = opaque;
	struct vduse_dev_request request;

	for (unsigned i = 0; i < MESSAGES && v->fd >= 0; i++) {
		ssize_t n = read(v->fd, &request, sizeof(request));
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n == (ssize_t)sizeof(request)) {
			medio_vduse_message(v, &request);
			continue;
		}
		medio_instance_log(v->inst, MEDIO_LOG_ERROR, "VDUSE: cannot read what is asked: %s",
			n < 0 ? strerror(errno) : "half a message");
		medio_vduse_give_up(v);
		return;
	}
	/* The kernel has waited too long for an answer, and takes none any more. */
	if (events & (EPOLLERR | EPOLLHUP)) {
		medio_instance_log(v->inst, MEDIO_LOG_ERROR,
			"VDUSE: the kernel waited too long for an answer and gave '%s' up; take it "
			"off the bus with 'vdpa dev del %s', and serve it again",
			v->name, v->name);
		medio_vduse_give_up(v);
	}
}
