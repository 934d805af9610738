/* SPDX-License-Identifier: BSD-3-Clause */
/* The files of VDUSE, and what to do when the kernel says no. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>

#include "serve/vduse.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "virtio/names.h"

#define CONTROL "/dev/vduse/control"

/* What the kernel's drivers take for a virtio device's maker. */
#define VENDOR 0x1af4u

/* Features that are not in the headers of every kernel. */
enum {
	NET_VQ_NOTF_COAL = 52,
	NET_NOTF_COAL = 53,
	F_SR_IOV = 37,
	F_NOTIFICATION_DATA = 38,
	F_NOTIF_CONFIG_DATA = 39,
	F_RING_RESET = 40,
	F_ADMIN_VQ = 41,
};

/* ---- The kernel itself ---------------------------------------------------------------------------- */

static int linux_open(void *opaque, const char *path, int flags)
{
	(void)opaque;
	int fd = open(path, flags);
	return fd < 0 ? -errno : fd;
}

static int linux_ioctl(void *opaque, int fd, unsigned long request, void *arg)
{
	(void)opaque;
	int ret = ioctl(fd, request, arg);
	return ret < 0 ? -errno : ret;
}

static uint64_t linux_inode(void *opaque, const char *path)
{
	struct stat st;
	(void)opaque;
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

const struct medio_vduse_kernel medio_vduse_linux = {
	.open = linux_open,
	.ioctl = linux_ioctl,
	.inode = linux_inode,
};

/* ---- /dev/vduse/control ---------------------------------------------------------------------------- */

/* There is no VDUSE: is it a module that is not loaded, or does this kernel not have it? */
static int no_control(const struct medio_vduse_kernel *kernel, struct medio_error **err)
{
	static const char *const endings[] = { "", ".xz", ".zst", ".gz" };
	struct utsname uts = { .release = "" };
	char path[512];

	uname(&uts);
	if (kernel->inode(kernel->opaque, "/sys/class/vduse"))
		return medio_error_set(err, ENOENT,
			"the kernel has VDUSE, but there is no " CONTROL
			": /dev is not the kernel's own here (a container?); give it the devices of "
			"/dev/vduse");
	for (unsigned i = 0; i < MEDIO_ARRAY_SIZE(endings); i++) {
		snprintf(path, sizeof(path),
			"/lib/modules/%s/kernel/drivers/vdpa/vdpa_user/vduse.ko%s", uts.release,
			endings[i]);
		if (kernel->inode(kernel->opaque, path))
			return medio_error_set(err, ENOENT,
				"there is no " CONTROL
				": load the kernel's module with 'modprobe vduse'");
	}
	return medio_error_set(err, ENOENT,
		"there is no " CONTROL
		", and no module vduse for this kernel (%s): VDUSE takes Linux 5.15 or later with "
		"CONFIG_VDPA_USER, as Debian's linux-image-amd64 has it",
		uts.release);
}

int medio_vduse_open_control(const struct medio_vduse_kernel *kernel, struct medio_error **err)
{
	_cleanup_close_ int fd = kernel->open(kernel->opaque, CONTROL, O_RDWR | O_CLOEXEC);
	uint64_t version = VDUSE_API_VERSION;

	if (fd == -ENOENT || fd == -ENXIO || fd == -ENODEV)
		return no_control(kernel, err);
	if (fd == -EACCES || fd == -EPERM)
		return medio_error_set(
			err, -fd, CONTROL " may not be opened: VDUSE devices are made by root");
	if (fd < 0)
		return medio_error_set(err, -fd, "cannot open " CONTROL ": %s", strerror(-fd));
	int ret = kernel->ioctl(kernel->opaque, fd, VDUSE_SET_API_VERSION, &version);
	if (ret < 0)
		return medio_error_set(err, -ret,
			"this kernel's VDUSE does not speak version %llu of its interface",
			(unsigned long long)version);
	return medio_steal_fd(fd);
}

/* ---- Devices ------------------------------------------------------------------------------------------ */

uint64_t medio_vduse_not_offered(uint16_t id)
{
	/* Rings are the kernel's, which resets them with the device only and notifies by eventfds. */
	uint64_t bits = MEDIO_VIRTIO_BIT(F_SR_IOV) | MEDIO_VIRTIO_BIT(F_NOTIFICATION_DATA) |
			MEDIO_VIRTIO_BIT(F_NOTIF_CONFIG_DATA) | MEDIO_VIRTIO_BIT(F_RING_RESET) |
			MEDIO_VIRTIO_BIT(F_ADMIN_VQ);
	/* A driver cannot write the configuration (features_is_valid() of vduse_dev.c). */
	if (id == VIRTIO_ID_BLOCK)
		bits |= MEDIO_VIRTIO_BIT(VIRTIO_BLK_F_CONFIG_WCE);
	/* No control queue, nor what needs one (5.1.3.1). */
	if (id == VIRTIO_ID_NET)
		bits |= MEDIO_VIRTIO_BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) |
			MEDIO_VIRTIO_BIT(VIRTIO_NET_F_CTRL_VQ) |
			MEDIO_VIRTIO_BIT(VIRTIO_NET_F_CTRL_RX) |
			MEDIO_VIRTIO_BIT(VIRTIO_NET_F_CTRL_VLAN) |
			MEDIO_VIRTIO_BIT(VIRTIO_NET_F_CTRL_RX_EXTRA) |
			MEDIO_VIRTIO_BIT(VIRTIO_NET_F_GUEST_ANNOUNCE) |
			MEDIO_VIRTIO_BIT(VIRTIO_NET_F_MQ) |
			MEDIO_VIRTIO_BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) |
			MEDIO_VIRTIO_BIT(NET_VQ_NOTF_COAL) | MEDIO_VIRTIO_BIT(NET_NOTF_COAL) |
			MEDIO_VIRTIO_BIT(VIRTIO_NET_F_HASH_REPORT) |
			MEDIO_VIRTIO_BIT(VIRTIO_NET_F_RSS);
	return bits;
}

static int create_error(const struct medio_vduse *v, int ret, struct medio_error **err)
{
	if (ret == -EPERM)
		return medio_error_set(err, EPERM,
			"the kernel lets only those with CAP_NET_ADMIN make a network interface by "
			"VDUSE: be root");
	/* What else could be wrong was looked at before. */
	if (ret == -EINVAL && v->id == VIRTIO_ID_NET)
		return medio_error_set(err, ENOTSUP,
			"this kernel's VDUSE does not carry network cards: Linux 6.10 or later does");
	return medio_error_set(
		err, -ret, "cannot make VDUSE device '%s': %s", v->name, strerror(-ret));
}

int medio_vduse_create(const struct medio_vduse *v, int control, struct medio_error **err)
{
	union {
		struct vduse_dev_config head;
		uint8_t bytes[sizeof(struct vduse_dev_config) + 4096];
	} all = {
		.head = {
			.vendor_id = VENDOR,
			.device_id = v->id,
			.features = v->features,
			.vq_num = v->num_queues,
			.vq_align = 4096,
			.config_size = v->config_size,
		},
	};

	snprintf(all.head.name, sizeof(all.head.name), "%s", v->name);
	memcpy(all.head.config, v->config, v->config_size);
	int ret = v->kernel->ioctl(v->kernel->opaque, control, VDUSE_CREATE_DEV, &all);
	if (ret == -EEXIST || ret >= 0)
		return ret < 0 ? ret : 0;
	return create_error(v, ret, err);
}

int medio_vduse_destroy(const struct medio_vduse *v, int control)
{
	char name[VDUSE_NAME_MAX] = { 0 };

	snprintf(name, sizeof(name), "%s", v->name);
	return v->kernel->ioctl(v->kernel->opaque, control, VDUSE_DESTROY_DEV, name);
}

int medio_vduse_open_device(
	const struct medio_vduse_kernel *kernel, const char *name, struct medio_error **err)
{
	char path[sizeof("/dev/vduse/") + VDUSE_NAME_MAX];

	snprintf(path, sizeof(path), "/dev/vduse/%s", name);
	int fd = kernel->open(kernel->opaque, path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		return fd;
	if (fd == -EBUSY)
		return medio_error_set(err, EBUSY,
			"%s is another process's: end that one, or choose another name", path);
	if (fd == -ENOENT)
		return medio_error_set(err, ENOENT,
			"the kernel made the device, but there is no %s: /dev is not the kernel's "
			"own here (a container?)",
			path);
	return medio_error_set(err, -fd, "cannot open %s: %s", path, strerror(-fd));
}
