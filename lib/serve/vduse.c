/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a VDUSE device: made, taken up from a process that was killed, left behind. */
#include "serve/vduse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "device/instance.h"
#include "iommu/iommu.h"
#include "util/cleanup.h"
#include "util/error.h"

int medio_vduse_ioctl(const struct medio_vduse *v, unsigned long request, void *arg)
{
	return v->fd < 0 ? -ENODEV : v->kernel->ioctl(v->kernel->opaque, v->fd, request, arg);
}

/* ---- Configuration ---------------------------------------------------------------------------------------- */

void medio_vduse_config_sync(struct medio_vduse *v, bool all)
{
	union {
		struct vduse_config_data head;
		uint8_t bytes[sizeof(struct vduse_config_data) + 4096];
	} data = { .head = { .length = v->config_size } };

	if (!v->config_size || v->fd < 0)
		return;
	medio_virtio_core_config_read(v->core, 0, data.head.buffer, v->config_size);
	if (!all && !memcmp(v->config, data.head.buffer, v->config_size))
		return;
	memcpy(v->config, data.head.buffer, v->config_size);
	int ret = medio_vduse_ioctl(v, VDUSE_DEV_SET_CONFIG, &data);
	if (ret < 0)
		medio_instance_log(v->inst, MEDIO_LOG_WARN,
			"VDUSE: the kernel does not take a new configuration of %u bytes: %s",
			v->config_size, strerror(-ret));
	if (v->driver_ok)
		medio_vduse_ioctl(v, VDUSE_DEV_INJECT_CONFIG_IRQ, NULL);
}

/* ---- What the device says ------------------------------------------------------------------------------------ */

static void on_interrupt(void *opaque, unsigned queue)
{
	medio_vduse_interrupt(opaque, queue);
}

static void on_config_interrupt(void *opaque)
{
	struct medio_vduse *v = opaque;

	if (medio_virtio_core_status(v->core) & VIRTIO_CONFIG_S_NEEDS_RESET)
		medio_instance_log(v->inst, MEDIO_LOG_ERROR,
			"VDUSE: '%s' needs a reset, of which VDUSE cannot tell its driver: take it "
			"off the bus with 'vdpa dev del %s'",
			v->name, v->name);
	medio_vduse_config_sync(v, false);
}

static void on_reset_done(void *opaque, int queue)
{
	if (queue < 0)
		medio_vduse_reset_done(opaque);
}

static const struct medio_virtio_transport transport = {
	.interrupt = on_interrupt,
	.config_interrupt = on_config_interrupt,
	.reset_done = on_reset_done,
};

/* Nothing was deferred: there are no registers. */
static void on_completed(void *opaque, int ret, const void *data, size_t count)
{
	(void)opaque;
	(void)ret;
	(void)data;
	(void)count;
}

static void on_quiesced(void *opaque)
{
	(void)opaque;
}

static void on_poisoned(void *opaque)
{
	struct medio_vduse *v = opaque;
	medio_instance_guest_error(
		v->inst, "VDUSE: the driver names memory that is not there, or is not any more");
}

static const struct medio_transport_ops transport_ops = {
	.completed = on_completed,
	.quiesced = on_quiesced,
	.poisoned = on_poisoned,
};

/* ---- Taking up ----------------------------------------------------------------------------------------------- */

/* It is on the bus: could it be this device? */
static int check_left(const struct medio_vduse *v, struct medio_error **err)
{
	struct vduse_vq_info first = { .index = 0 }, beyond = { .index = v->num_queues };

	int ret = medio_vduse_ioctl(v, VDUSE_VQ_GET_INFO, &first);
	if (ret == -EPERM)
		return medio_error_set(err, EIO,
			"the kernel has given '%s' up, since nobody answered it for too long: take "
			"it off the bus with 'vdpa dev del %s' and serve it again",
			v->name, v->name);
	ret = medio_vduse_notes_check(v, err);
	if (ret)
		return ret;
	if (medio_vduse_ioctl(v, VDUSE_VQ_GET_INFO, &beyond) >= 0)
		return medio_error_set(err, EEXIST,
			"'%s' is on the vDPA bus already, with more queues: take it off with "
			"'vdpa dev del %s' first",
			v->name, v->name);
	return 0;
}

/* What the driver has done so far. Of the status the kernel tells only whether there may be interrupts. */
static int take_up(struct medio_vduse *v, struct medio_error **err)
{
	uint64_t features = 0;

	medio_vduse_config_sync(v, true);
	if (medio_vduse_ioctl(v, VDUSE_DEV_INJECT_CONFIG_IRQ, NULL) < 0)
		return 0;
	int ret = medio_vduse_ioctl(v, VDUSE_DEV_GET_FEATURES, &features);
	if (ret < 0)
		return medio_error_set(err, -ret, "'%s': %s", v->name, strerror(-ret));
	medio_virtio_core_set_features(v->core, features);
	medio_virtio_core_set_status(v->core,
		VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK);
	if (!(medio_virtio_core_status(v->core) & VIRTIO_CONFIG_S_FEATURES_OK))
		return medio_error_set(err, EEXIST,
			"'%s' is in use with features that this device does not have: take it off "
			"the bus with 'vdpa dev del %s' first",
			v->name, v->name);
	v->driver_ok = v->resume = true;
	ret = medio_vduse_queues_start(v, err);
	if (ret == 0 && medio_virtio_core_status(v->core) & VIRTIO_CONFIG_S_NEEDS_RESET)
		ret = medio_error_set(
			err, EIO, "its rings, or the notes of them, cannot be (see the log)");
	if (ret) {
		medio_error_prefix(err,
			"'%s' cannot go on where it was; take it off the bus with 'vdpa dev del %s' "
			"and serve it again",
			v->name, v->name);
		v->resume = false;
	}
	return ret;
}

/* ---- Making ----------------------------------------------------------------------------------------------------- */

/* One that nobody uses is as good as none. 0, or -EEXIST: it is in use, by a driver or a process. */
static int create(struct medio_vduse *v, struct medio_error **err)
{
	_cleanup_close_ int control = medio_vduse_open_control(v->kernel, err);
	if (control < 0)
		return control;
	int ret = medio_vduse_create(v, control, err);
	if (ret == -EEXIST && medio_vduse_destroy(v, control) == 0)
		ret = medio_vduse_create(v, control, err);
	return ret;
}

static void destroy(const struct medio_vduse *v, bool *gone)
{
	_cleanup_close_ int control = medio_vduse_open_control(v->kernel, NULL);
	*gone = control >= 0 && medio_vduse_destroy(v, control) == 0;
}

static int set_up_queues(const struct medio_vduse *v, struct medio_error **err)
{
	for (unsigned i = 0; i < v->num_queues; i++) {
		struct vduse_vq_config config = {
			.index = i,
			.max_size = medio_virtio_core_queue(v->core, i)->max_size,
		};
		int ret = medio_vduse_ioctl(v, VDUSE_VQ_SETUP, &config);
		if (ret < 0)
			return medio_error_set(err, -ret, "cannot set up queue %u of '%s': %s", i,
				v->name, strerror(-ret));
	}
	return 0;
}

static int open_it(struct medio_vduse *v, struct medio_error **err)
{
	int ret = create(v, err);
	const bool left = ret == -EEXIST;
	if (ret && !left)
		return ret;
	v->fd = medio_vduse_open_device(v->kernel, v->name, err);
	if (v->fd < 0)
		return v->fd;
	medio_vduse_notes_open(v, !left);
	ret = left ? check_left(v, err) : set_up_queues(v, err);
	if (ret == 0 && left)
		ret = take_up(v, err);
	if (ret)
		return ret;
	v->watch = medio_loop_watch(
		medio_instance_loop(v->inst), v->fd, EPOLLIN, medio_vduse_readable, v);
	return v->watch ? 0 : medio_error_set(err, ENOMEM, "out of memory");
}

/* ---- Before that ------------------------------------------------------------------------------------------------- */

static int check_name(const char *name, struct medio_error **err)
{
	const size_t len = strlen(name);

	if (!len || len >= VDUSE_NAME_MAX || strchr(name, '/') || name[0] == '.' ||
		!strcmp(name, "control"))
		return medio_error_set(err, EINVAL,
			"'%s' cannot be the name of a VDUSE device: 1 to %d bytes without '/', not "
			"'control', and not beginning with '.'",
			name, VDUSE_NAME_MAX - 1);
	return 0;
}

/* What the kernel would refuse without saying why. */
static int check_kind(const struct medio_vduse *v, struct medio_error **err)
{
	const char *type = medio_instance_type(v->inst)->name;

	if (v->id != VIRTIO_ID_BLOCK && v->id != VIRTIO_ID_NET)
		return medio_error_set(err, ENOTSUP,
			"%s cannot be served by VDUSE: the kernel takes disks (virtio-blk) and "
			"network cards (virtio-net) alone",
			type);
	if (!(v->features & MEDIO_VIRTIO_BIT(VIRTIO_F_ACCESS_PLATFORM)))
		return medio_error_set(err, EINVAL,
			"VDUSE takes devices that offer ACCESS_PLATFORM alone: leave out "
			"platform=off");
	return 0;
}

static int make_queues(struct medio_vduse *v)
{
	v->num_queues = medio_virtio_core_num_queues(v->core);
	/* One pair: more take a control queue to be used. */
	if (v->id == VIRTIO_ID_NET && v->num_queues > 2)
		v->num_queues = 2;
	v->queues = calloc(v->num_queues, sizeof(*v->queues));
	v->config = calloc(1, v->config_size ? v->config_size : 1);
	if (!v->queues || !v->config)
		return -ENOMEM;
	for (unsigned i = 0; i < v->num_queues; i++)
		v->queues[i] = (struct medio_vduse_queue){ .vduse = v, .index = i, .kick_fd = -1 };
	medio_virtio_core_config_read(v->core, 0, v->config, v->config_size);
	return 0;
}

static int prepare(struct medio_vduse *v, struct medio_error **err)
{
	const struct medio_virtio_type *type = medio_instance_type(v->inst)->data;

	v->id = type->id;
	v->config_size = type->config_size;
	medio_virtio_core_withhold(v->core, medio_vduse_not_offered(v->id));
	v->features = medio_virtio_core_offered(v->core);
	int ret = check_kind(v, err);
	if (ret)
		return ret;
	ret = make_queues(v);
	if (ret)
		return medio_error_set(err, -ret, "out of memory");
	ret = medio_instance_attach(v->inst, &transport_ops, v);
	if (ret)
		return medio_error_set(err, -ret, "the device is served already");
	medio_iommu_set_unsized(medio_instance_iommu(v->inst), true);
	return 0;
}

/* ---- Life ---------------------------------------------------------------------------------------------------------- */

/* Nobody's any more, neither the kernel's nor the instance's. */
static void let_go(struct medio_vduse *v)
{
	struct medio_dev *dev = medio_instance_device(v->inst);

	medio_vduse_bus_free(v);
	medio_vduse_queues_stop(v);
	medio_watch_free(v->watch);
	v->watch = NULL;
	medio_virtio_bare_detach(dev);
	medio_virtio_core_reset(v->core);
	medio_instance_detach(v->inst);
	medio_iommu_set_unsized(medio_instance_iommu(v->inst), false);
	if (v->fd >= 0)
		close(v->fd);
	v->fd = -1;
}

static void free_parts(struct medio_vduse *v)
{
	free(v->regions);
	free(v->queues);
	free(v->config);
	free(v->name);
	free(v);
}

int medio_vduse_new_on(struct medio_instance *inst, const char *name,
	const struct medio_vduse_kernel *kernel, struct medio_vduse **out, struct medio_error **err)
{
	int ret = check_name(name, err);
	if (ret)
		return ret;
	struct medio_vduse *v = calloc(1, sizeof(*v));
	if (!v || !(v->name = strdup(name))) {
		free(v);
		return medio_error_set(err, ENOMEM, "out of memory");
	}
	v->inst = inst;
	v->kernel = kernel;
	v->fd = -1;
	v->core = medio_virtio_bare_attach(medio_instance_device(inst), &transport, v);
	if (!v->core) {
		free_parts(v);
		return medio_error_set(err, ENOTSUP,
			"%s is not a virtio device without a card, or is served already",
			medio_instance_type(inst)->name);
	}
	ret = prepare(v, err);
	if (ret == 0)
		ret = open_it(v, err);
	if (ret) {
		/* What could not be taken up keeps its notes. */
		bool made = v->fd >= 0 && ret != -EEXIST && ret != -EIO, gone;
		let_go(v);
		if (made)
			destroy(v, &gone);
		medio_vduse_notes_close(v, made && gone);
		free_parts(v);
		return ret;
	}
	*out = v;
	return 0;
}

int medio_vduse_new(struct medio_instance *inst, const char *name, struct medio_vduse **out,
	struct medio_error **err)
{
	return medio_vduse_new_on(inst, name, &medio_vduse_linux, out, err);
}

void medio_vduse_give_up(struct medio_vduse *v)
{
	medio_watch_free(v->watch);
	v->watch = NULL;
	medio_vduse_queues_stop(v);
	v->driver_ok = v->waits = v->reset_due = false;
	close(v->fd);
	v->fd = -1;
}

void medio_vduse_free(struct medio_vduse *v)
{
	bool gone;

	if (!v)
		return;
	let_go(v);
	destroy(v, &gone);
	medio_vduse_notes_close(v, gone);
	free_parts(v);
}
