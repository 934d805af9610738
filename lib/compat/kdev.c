/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/kdev.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "compat/kdev_inside.h"
#include "compat/kdev_signal.h"
#include "compat/kdev_stream.h"
#include "compat/mmio.h"
#include "proto/iommufd.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/loop.h"

#define DETACH_PT MEDIO_IOMMUFD_CALL(100 + 20)

/* ---- A card that dies -------------------------------------------------------------------------- */

static bool is_dead(int64_t ret)
{
	return ret == -ENOTCONN || ret == -ECONNRESET || ret == -EPROTO || ret == -ETIMEDOUT;
}

/* The kernel asks for a device back that is pulled out; who has not asked to be asked may have asked for errors. */
static void dies(struct medio_kdev *kdev)
{
	struct medio_kdev_state *state = kdev->state;

	if (state->dead)
		return;
	state->dead = true;
	medio_watch_free(state->watch);
	medio_timer_free(state->soon);
	state->watch = NULL;
	state->soon = NULL;
	medio_story_say(
		kdev->compat, "%s is gone: %s", kdev->name, medio_card_last_error(kdev->card));
	medio_kdev_signal(state->req_fd >= 0 ? state->req_fd : state->err_fd);
}

int64_t medio_kdev_result(struct medio_kdev *kdev, int64_t ret)
{
	/* A request may have come behind the answer, which no descriptor tells of; it is served once ours is given. */
	if (kdev->state->soon)
		medio_timer_arm(kdev->state->soon, 0);
	if (!is_dead(ret))
		return ret;
	dies(kdev);
	return -ENODEV;
}

static void serve_card(struct medio_kdev *kdev)
{
	if (is_dead(medio_card_process(kdev->card)))
		dies(kdev);
}

static void on_card(void *opaque, uint32_t events)
{
	(void)events;
	serve_card(opaque);
}

static void on_soon(void *opaque)
{
	serve_card(opaque);
}

/* A card whose other side asks for memory, or can go away unasked. Devices of the compat's own loop are run by it. */
static int watch_card(struct medio_kdev *kdev)
{
	struct medio_compat *compat = kdev->compat;
	int fd = medio_card_fd(kdev->card);

	if (fd < 0 || (compat->devices && fd == medio_loop_fd(compat->devices)))
		return 0;
	kdev->state->watch = medio_loop_watch(compat->loop, fd, EPOLLIN, on_card, kdev);
	kdev->state->soon = medio_loop_timer(compat->loop, on_soon, kdev);
	return kdev->state->watch && kdev->state->soon ? 0 : -ENOMEM;
}

/* ---- Making one -------------------------------------------------------------------------------- */

struct medio_kdev *medio_kdev_find(struct medio_compat *compat, const char *name)
{
	medio_list_for_each (item, &compat->kdevs) {
		struct medio_kdev *kdev = medio_container_of(item, struct medio_kdev, link);
		if (!strcmp(kdev->name, name))
			return kdev;
	}
	return NULL;
}

static void copy(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text ? text : "");
}

static struct medio_kdev *kdev_alloc(
	struct medio_compat *compat, struct medio_card *card, const struct medio_kdev_options *opts)
{
	struct medio_kdev *kdev = calloc(1, sizeof(*kdev));
	struct medio_kdev_state *state = calloc(1, sizeof(*state));

	if (!kdev || !state) {
		free(kdev);
		free(state);
		return NULL;
	}
	medio_list_init(&kdev->link);
	medio_list_init(&state->ioeventfds);
	medio_list_init(&state->files);
	medio_list_init(&state->streams);
	state->err_fd = state->req_fd = state->unmask_fd = -1;
	state->irq = MEDIO_KDEV_NO_IRQ;
	kdev->state = state;
	kdev->compat = compat;
	kdev->card = card;
	kdev->look = opts->look;
	kdev->map = opts->map;
	copy(kdev->name, sizeof(kdev->name), opts->name);
	copy(kdev->type, sizeof(kdev->type), opts->type);
	copy(kdev->driver, sizeof(kdev->driver), opts->driver);
	return kdev;
}

static int begin(struct medio_kdev *kdev, struct medio_error **err)
{
	int ret = medio_kdev_learn(kdev, err);

	if (ret)
		return ret;
	ret = watch_card(kdev);
	return ret ? medio_error_set(err, ENOMEM, "out of memory") : 0;
}

int medio_kdev_new(struct medio_compat *compat, struct medio_card *card,
	const struct medio_kdev_options *opts, struct medio_kdev **out, struct medio_error **err)
{
	if (medio_kdev_find(compat, opts->name)) {
		medio_card_close(card);
		return medio_error_set(err, EEXIST, "there are two devices '%s'", opts->name);
	}
	struct medio_kdev *kdev = kdev_alloc(compat, card, opts);
	if (!kdev) {
		medio_card_close(card);
		return medio_error_set(err, ENOMEM, "out of memory");
	}
	int ret = begin(kdev, err);
	if (ret) {
		medio_kdev_free(kdev);
		return ret;
	}
	kdev->number = kdev->look == MEDIO_KDEV_UIO ? compat->next_uio++ : compat->next_cdev++;
	medio_list_append(&compat->kdevs, &kdev->link);
	*out = kdev;
	return 0;
}

/* ---- Its opening ------------------------------------------------------------------------------- */

/* The last file is gone: as before the first. */
static void shut(struct medio_kdev *kdev)
{
	medio_mmio_forget(kdev);
	medio_kdev_ioeventfds_off(kdev);
	medio_kdev_streams_end(kdev);
	medio_kdev_log_off(kdev);
	medio_kdev_irqs_off(kdev);
	if (kdev->state->has_reset && !kdev->state->dead)
		medio_kdev_result(kdev, medio_card_reset(kdev->card));
	medio_kdev_unmap_all(kdev);
}

static void closes(struct medio_kdev *kdev)
{
	medio_kdev_closed *closed = kdev->closed;
	void *opaque = kdev->closed_opaque;

	shut(kdev);
	kdev->closed = NULL;
	kdev->cdev_ioctl = NULL;
	kdev->closed_opaque = NULL;
	if (closed)
		closed(opaque, kdev);
}

void medio_kdev_put(struct medio_kdev *kdev)
{
	if (!--kdev->files)
		closes(kdev);
}

static void on_release(struct medio_kfile *kfile)
{
	struct medio_kdev_file *file = medio_container_of(kfile, struct medio_kdev_file, file);
	struct medio_kdev *kdev = file->kdev;

	medio_list_remove(&file->link);
	free(file);
	medio_kdev_put(kdev);
}

static int64_t on_ioctl(
	struct medio_kfile *kfile, struct medio_call *call, unsigned cmd, uint64_t arg)
{
	struct medio_kdev_file *file = medio_container_of(kfile, struct medio_kdev_file, file);

	return medio_kdev_ioctl(file->kdev, call, cmd, arg);
}

static const struct medio_kfile_ops file_ops = {
	.what = "device",
	.ioctl = on_ioctl,
	.pread = medio_kdev_pread,
	.pwrite = medio_kdev_pwrite,
	.mmap = medio_kdev_mmap,
	.release = on_release,
};

int medio_kdev_open(struct medio_kdev *kdev, medio_kdev_closed *closed, void *opaque, int *fd)
{
	if (kdev->files && (kdev->closed != closed || kdev->closed_opaque != opaque))
		return -EBUSY;
	_cleanup_free_ struct medio_kdev_file *file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	file->kdev = kdev;
	int ret = kdev->files ? 0 : medio_kdev_enable(kdev);
	if (!ret)
		ret = medio_kfile_make(kdev->compat, &file_ops, &file->file, fd);
	if (ret)
		return ret;
	medio_list_append(&kdev->state->files, &medio_steal_ptr(file)->link);
	kdev->files++;
	kdev->closed = closed;
	kdev->closed_opaque = opaque;
	return 0;
}

/* The program's files of it are gone; the program itself, as a rule. */
static void forget_files(struct medio_kdev *kdev)
{
	medio_list_for_each (item, &kdev->state->files) {
		struct medio_kdev_file *file = medio_container_of(
			item, struct medio_kdev_file, link);
		medio_kfile_leave(&file->file);
		free(file);
	}
	kdev->files = 0;
}

void medio_kdev_free(struct medio_kdev *kdev)
{
	if (!kdev)
		return;
	if (kdev->files) {
		forget_files(kdev);
		shut(kdev);
	}
	medio_kdev_unmap_all(kdev);
	medio_kdev_streams_free(kdev);
	medio_list_remove(&kdev->link);
	medio_watch_free(kdev->state->watch);
	medio_timer_free(kdev->state->soon);
	medio_card_close(kdev->card);
	free(kdev->state->maps);
	free(kdev->state);
	free(kdev);
}

/* ---- Calls ------------------------------------------------------------------------------------- */

int medio_kdev_take(struct medio_call *call, uint64_t arg, void *buf, size_t size)
{
	uint32_t argsz;
	int ret = medio_call_read(call, arg, buf, size);

	if (ret)
		return ret;
	memcpy(&argsz, buf, sizeof(argsz));
	return argsz < size ? -EINVAL : 0;
}

/* Who binds and attaches is /dev/iommu; a device that a group handed out has none. */
static int64_t cdev_ioctl(
	struct medio_kdev *kdev, struct medio_call *call, unsigned cmd, uint64_t arg)
{
	if (kdev->cdev_ioctl)
		return kdev->cdev_ioctl(kdev, call, cmd, arg);
	return cmd == MEDIO_VFIO_BIND_IOMMUFD ? -EINVAL : -ENOTTY;
}

/* Those that only vfio-pci has. */
static int64_t pci_ioctl(
	struct medio_kdev *kdev, struct medio_call *call, unsigned cmd, uint64_t arg)
{
	switch (cmd) {
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		return medio_kdev_hot_reset_info(kdev, call, arg);
	case VFIO_DEVICE_PCI_HOT_RESET:
		return medio_kdev_hot_reset(kdev, call, arg);
	case VFIO_DEVICE_IOEVENTFD:
		return medio_kdev_ioeventfd(kdev, call, arg);
	default:
		return -ENOTTY;
	}
}

int64_t medio_kdev_ioctl(
	struct medio_kdev *kdev, struct medio_call *call, unsigned cmd, uint64_t arg)
{
	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return medio_kdev_get_info(kdev, call, arg);
	case VFIO_DEVICE_GET_REGION_INFO:
		return medio_kdev_get_region_info(kdev, call, arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return medio_kdev_get_irq_info(kdev, call, arg);
	case VFIO_DEVICE_SET_IRQS:
		return medio_kdev_set_irqs(kdev, call, arg);
	case VFIO_DEVICE_RESET:
		return medio_kdev_reset(kdev);
	case VFIO_DEVICE_FEATURE:
		return medio_kdev_do_feature(kdev, call, arg);
	case MEDIO_VFIO_BIND_IOMMUFD:
	case MEDIO_VFIO_ATTACH_PT:
	case DETACH_PT:
		return cdev_ioctl(kdev, call, cmd, arg);
	default:
		return kdev->look == MEDIO_KDEV_PCI ? pci_ioctl(kdev, call, cmd, arg) : -ENOTTY;
	}
}
