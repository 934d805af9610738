/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queues of a VDUSE device. The kernel has their addresses and where they begin (VQ_GET_INFO); a driver sets all
 * of them up before DRIVER_OK, and after that there is only a reset.
 *
 * Where they go on that were in use by a process before us the kernel does not know. A split ring says it to
 * those who use chains in order, by its used index; for all others there are notes (vduse_notes.c).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include "device/instance.h"
#include "device/stats.h"
#include "serve/vduse.h"
#include "util/error.h"
#include "virtio/inflight.h"

#define DRIVER_UP \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
		VIRTIO_CONFIG_S_DRIVER_OK)

static bool is_packed(const struct medio_vduse *v)
{
	return medio_virtio_core_driver_features(v->core) >> VIRTIO_F_RING_PACKED & 1;
}

/* ---- Interrupts and notifications ------------------------------------------------------------------- */

void medio_vduse_interrupt(struct medio_vduse *v, unsigned index)
{
	uint32_t number = index;

	if (v->fd < 0 || medio_vduse_ioctl(v, VDUSE_VQ_INJECT_IRQ, &number) < 0)
		return;
	medio_stat_add(&medio_instance_counters(v->inst)->irqs, 1);
}

/* A driver that notifies us has put a buffer into a queue: what its buffers are in is there now. */
static void wake(struct medio_vduse *v)
{
	medio_vduse_memory_look(v);
	medio_vduse_go_live(v);
}

static void on_kick(void *opaque, uint32_t events)
{
	const struct medio_vduse_queue *q = opaque;
	eventfd_t count;

	(void)events;
	if (eventfd_read(q->kick_fd, &count) < 0)
		return;
	if (q->vduse->waits)
		wake(q->vduse);
	medio_virtio_core_kick(q->vduse->core, q->index);
}

/* Also of a queue that is ready already: what was notified before is notified again. */
static int listen_to(struct medio_vduse_queue *q)
{
	struct medio_vduse *v = q->vduse;

	q->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->kick_fd < 0)
		return -errno;
	q->watch = medio_loop_watch(medio_instance_loop(v->inst), q->kick_fd, EPOLLIN, on_kick, q);
	if (!q->watch)
		return -ENOMEM;
	struct vduse_vq_eventfd kick = { .index = q->index, .fd = q->kick_fd };
	return medio_vduse_ioctl(v, VDUSE_VQ_SETUP_KICKFD, &kick);
}

void medio_vduse_queues_forget(struct medio_vduse *v)
{
	for (unsigned i = 0; i < v->num_queues; i++) {
		struct medio_vduse_queue *q = &v->queues[i];
		medio_watch_free(q->watch);
		q->watch = NULL;
		if (q->kick_fd >= 0)
			close(q->kick_fd);
		q->kick_fd = -1;
	}
}

/* ---- Where a queue begins, or goes on ----------------------------------------------------------------- */

static int used_index(
	const struct medio_vduse *v, const struct medio_virtio_queue_regs *regs, uint16_t *used)
{
	uint8_t bytes[2];
	int ret = medio_dma_read(
		medio_instance_device(v->inst), regs->device + 2, bytes, sizeof(bytes));

	if (ret == 0)
		*used = (uint16_t)medio_get_le(bytes, sizeof(bytes));
	return ret;
}

/* Where the driver wants it to begin: anywhere, if it comes from another device (vhost_vdpa). */
static void beginning(const struct medio_vduse *v, const struct vduse_vq_info *info,
	const struct medio_virtio_queue_regs *regs, struct medio_virtq_position *position)
{
	const struct vduse_vq_state_packed *packed = &info->packed;
	uint16_t used;

	if (is_packed(v)) {
		position->avail = (uint16_t)((packed->last_avail_idx & 0x7fffu) |
					     (packed->last_avail_counter & 1u) << 15);
		position->used = (uint16_t)((packed->last_used_idx & 0x7fffu) |
					    (packed->last_used_counter & 1u) << 15);
		return;
	}
	position->avail = position->used = info->split.avail_index;
	if (used_index(v, regs, &used) == 0 && (uint16_t)(position->avail - used) <= regs->size)
		position->used = used;
}

/* Where the process before us was, if nothing was in flight: notes of something tell it themselves. words:
 * MEDIO_VIRTQ_WORDS. */
static int continuation(const struct medio_vduse *v, unsigned index,
	const struct medio_virtio_queue_regs *regs, struct medio_virtq_position *position,
	char *words)
{
	const struct medio_virtq_position *noted = medio_vduse_notes_position(v, index);
	uint16_t used;

	if (!noted) {
		snprintf(words, MEDIO_VIRTQ_WORDS, "queue %u: nobody has noted what was in flight",
			index);
		return -EEXIST;
	}
	*position = *noted;
	if (is_packed(v))
		return 0;
	if (used_index(v, regs, &used)) {
		snprintf(words, MEDIO_VIRTQ_WORDS, "queue %u: its ring is not mapped", index);
		return -EIO;
	}
	*position = (struct medio_virtq_position){ used, used };
	return 0;
}

static void note(struct medio_vduse_queue *q)
{
	struct medio_virtq_position *noted = medio_vduse_notes_position(q->vduse, q->index);

	if (noted)
		*noted = q->last;
}

/* ---- Start ----------------------------------------------------------------------------------------------- */

static int start_queue(struct medio_vduse_queue *q, const struct vduse_vq_info *info, char *words)
{
	struct medio_vduse *v = q->vduse;
	struct medio_virtio_queue_regs *regs = medio_virtio_core_queue(v->core, q->index);
	const bool packed = is_packed(v);
	struct medio_virtq_position position;
	void *notes = NULL;
	int ret = 0;

	if (info->num > regs->max_size) {
		snprintf(words, MEDIO_VIRTQ_WORDS, "queue %u: a size of %u (allowed: 1 to %u)",
			q->index, info->num, regs->max_size);
		return -EINVAL;
	}
	regs->size = (uint16_t)info->num;
	regs->desc = info->desc_addr;
	regs->driver = info->driver_addr;
	regs->device = info->device_addr;
	notes = medio_vduse_notes_of(v, q->index, packed, regs->size, !v->resume);
	if (v->resume)
		ret = continuation(v, q->index, regs, &position, words);
	else
		beginning(v, info, regs, &position);
	if (ret)
		return ret;
	q->last = position;
	note(q);
	return medio_virtio_core_queue_start_at(v->core, q->index, &position, notes, words);
}

static int set_up(struct medio_vduse_queue *q, struct medio_error **err)
{
	char words[MEDIO_VIRTQ_WORDS] = "";
	struct vduse_vq_info info = { .index = q->index };
	int ret = medio_vduse_ioctl(q->vduse, VDUSE_VQ_GET_INFO, &info);

	if (ret < 0)
		return medio_error_set(err, -ret, "queue %u: the kernel does not tell of it: %s",
			q->index, strerror(-ret));
	/* QEMU makes all queues ready, also those that its guest's driver has left alone. */
	if (!info.ready || !info.num)
		return 0;
	/* First of all: who notifies us from here on is heard. */
	ret = listen_to(q);
	if (ret < 0)
		return medio_error_set(
			err, -ret, "queue %u: cannot be notified: %s", q->index, strerror(-ret));
	ret = start_queue(q, &info, words);
	return ret ? medio_error_set(err, -ret, "%s", words) : 0;
}

void medio_vduse_go_live(struct medio_vduse *v)
{
	v->waits = false;
	medio_virtio_core_set_status(v->core, DRIVER_UP);
	v->resume = false;
	medio_vduse_config_sync(v, false);
}

int medio_vduse_queues_start(struct medio_vduse *v, struct medio_error **err)
{
	medio_vduse_memory_look(v);
	for (unsigned i = 0; i < v->num_queues; i++) {
		int ret = set_up(&v->queues[i], err);
		if (ret)
			return ret;
	}
	/* A device that looks into its queues without being told would look for buffers too early. */
	if (medio_vduse_memory_has_buffers(v))
		medio_vduse_go_live(v);
	else
		v->waits = true;
	return 0;
}

/* ---- Stop ------------------------------------------------------------------------------------------------ */

void medio_vduse_queues_stop(struct medio_vduse *v)
{
	for (unsigned i = 0; i < v->num_queues; i++) {
		if (v->queues[i].kick_fd < 0)
			continue;
		medio_virtio_core_queue_stop(v->core, i, &v->queues[i].last);
		note(&v->queues[i]);
	}
	medio_vduse_queues_forget(v);
}

bool medio_vduse_queue_position(
	struct medio_vduse *v, unsigned index, struct medio_virtq_position *position)
{
	if (index >= v->num_queues)
		return false;
	struct medio_virtq *vq = medio_virtio_queue(medio_instance_device(v->inst), index);
	if (vq)
		medio_virtq_get_position(vq, &v->queues[index].last);
	*position = v->queues[index].last;
	return true;
}
