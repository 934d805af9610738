/* SPDX-License-Identifier: BSD-3-Clause */
#include "drive/vfio_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drive/calls.h"
#include "drive/vfio_caps.h"
#include "util/cleanup.h"
#include "util/uuid.h"

#define FIRST_INFO  1024       /* bytes asked for in the first REGION_INFO; most fit */
#define MAX_XFER    (1u << 20) /* in one read or write; the kernel makes it small accesses anyway */
#define FEW_VECTORS 32

typedef unsigned long long ull;

static int ask(const struct medio_card *card, unsigned long request, void *arg)
{
	const struct medio_vfio_device *device = card->backend_state;

	return card->kernel->ioctl(device->fd, request, arg);
}

/* Is the device still there, as far as sysfs knows? */
static bool is_gone(const struct medio_card *card)
{
	const struct medio_vfio_device *device = card->backend_state;
	char buf[8];

	return medio_kernel_read(
		       card->kernel, buf, sizeof(buf), "/sys/%s/uevent", device->folder) == -ENOENT;
}

/* Say what failed; a device that has been taken out says so with several errno. */
static int failed(struct medio_card *card, int ret, const char *what)
{
	const struct medio_vfio_device *device = card->backend_state;

	if ((ret == -ENODEV || ret == -EIO || ret == -ENXIO || ret == -ENOTTY) && is_gone(card))
		return medio_card_say(card, ENODEV,
			"%s: the device %s is gone: it has been removed", what, device->name);
	return medio_card_say(card, -ret, "%s: %s", what, strerror(-ret));
}

/* ---- Finding and opening ----------------------------------------------------------------------- */

int medio_vfio_device_find(
	struct medio_card *card, const char *address, struct medio_vfio_device *out)
{
	uint8_t uuid[MEDIO_UUID_SIZE];
	const char *bus = "pci";
	char group[16];
	int ret;

	if (!medio_uuid_parse(address, strlen(address), uuid)) {
		medio_uuid_format(uuid, out->name);
		bus = "mdev";
	} else if (!medio_kernel_bdf(address, out->name)) {
		return medio_card_say(card, EINVAL,
			"'%s' is neither a PCI address (0000:01:00.0) nor a UUID", address);
	}
	snprintf(out->folder, sizeof(out->folder), "bus/%s/devices/%s", bus, out->name);
	ret = medio_kernel_link(
		card->kernel, out->driver, sizeof(out->driver), "/sys/%s/subsystem", out->folder);
	if (ret)
		return medio_card_say(card, ENODEV, "there is no %s device %s on this machine",
			bus[0] == 'p' ? "PCI" : "mediated", out->name);
	out->driver[0] = 0;
	medio_kernel_link(
		card->kernel, out->driver, sizeof(out->driver), "/sys/%s/driver", out->folder);
	/* Drivers of mediated devices have names of their own. */
	if (bus[0] == 'm' || strstr(out->driver, "vfio"))
		return 0;
	const char *no_group =
		medio_kernel_link(
			card->kernel, group, sizeof(group), "/sys/%s/iommu_group", out->folder)
			? "; it is in no IOMMU group yet: that takes an IOMMU that is switched on "
			  "(firmware, or the kernel parameters intel_iommu=on, amd_iommu=on)"
			: "";
	if (!out->driver[0])
		return medio_card_say(card, ENODEV,
			"%s has no driver and must be bound to vfio-pci: `medio bind %s` does that%s",
			out->name, out->name, no_group);
	return medio_card_say(card, ENODEV,
		"%s is in use by the driver %s and must be bound to vfio-pci: `medio bind %s` does that%s",
		out->name, out->driver, out->name, no_group);
}

int medio_vfio_device_init(struct medio_card *card)
{
	struct medio_vfio_device *device = card->backend_state;
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info config = { .argsz = sizeof(config), .index = MEDIO_CARD_CONFIG };
	int ret = ask(card, VFIO_DEVICE_GET_INFO, &info);

	if (ret < 0)
		return failed(card, ret, "GET_INFO");
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI))
		return medio_card_say(card, EINVAL, "%s is no PCI device", device->name);
	if (info.num_regions <= MEDIO_CARD_CONFIG || info.num_irqs > MEDIO_CARD_MAX_IRQS)
		return medio_card_say(card, EPROTO, "GET_INFO: %u regions and %u interrupts",
			info.num_regions, info.num_irqs);
	ret = ask(card, VFIO_DEVICE_GET_REGION_INFO, &config);
	if (ret < 0)
		return failed(card, ret, "config space");
	device->config = config.offset;
	card->info = (struct medio_card_info){
		.num_regions = info.num_regions < MEDIO_CARD_MAX_REGIONS ? info.num_regions
									 : MEDIO_CARD_MAX_REGIONS,
		.num_irqs = info.num_irqs,
		.can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET,
		.max_data_xfer = MAX_XFER,
	};
	return 0;
}

void medio_vfio_device_fini(struct medio_vfio_device *device)
{
	if (device->mig_fd >= 0)
		close(device->mig_fd);
	if (device->fd >= 0)
		close(device->fd);
	device->fd = device->mig_fd = -1;
}

/* ---- Regions ----------------------------------------------------------------------------------- */

/* What there is of a region: *buf has *size bytes, and is allocated. */
static int region_info(struct medio_card *card, unsigned region, uint8_t **buf, size_t *size)
{
	struct vfio_region_info *info;
	uint32_t argsz = FIRST_INFO;

	for (;;) {
		_cleanup_free_ uint8_t *answer = calloc(1, argsz);
		if (!answer)
			return -ENOMEM;
		info = (void *)answer;
		info->argsz = argsz;
		info->index = region;
		int ret = ask(card, VFIO_DEVICE_GET_REGION_INFO, info);
		if (ret < 0)
			return ret;
		if (info->argsz <= argsz) {
			*size = argsz;
			*buf = medio_steal_ptr(answer);
			return 0;
		}
		if (info->argsz > MEDIO_VFIO_MAX_INFO)
			return -EPROTO;
		argsz = info->argsz;
	}
}

int medio_vfio_device_region(
	struct medio_card *card, unsigned region, struct medio_card_region_state *out)
{
	const struct medio_vfio_device *device = card->backend_state;
	_cleanup_free_ uint8_t *buf = NULL;
	_cleanup_free_ struct medio_card_area *areas = NULL;
	struct vfio_region_info info;
	unsigned num_areas = 0;
	size_t size = 0;
	char what[32];

	snprintf(what, sizeof(what), "region %u", region);
	int ret = region_info(card, region, &buf, &size);
	/* The VGA region is refused by devices that have none. */
	if (ret == -EINVAL) {
		out->view = (struct medio_card_region){ 0 };
		return 0;
	}
	if (!ret)
		ret = medio_vfio_caps_region(buf, size, &areas, &num_areas);
	if (ret)
		return failed(card, ret, what);
	memcpy(&info, buf, sizeof(info));
	if (info.offset > INT64_MAX || info.size > INT64_MAX - info.offset)
		return failed(card, -EPROTO, what);
	bool mappable = info.size && info.flags & VFIO_REGION_INFO_FLAG_MMAP;
	if (mappable && !areas) {
		areas = calloc(1, sizeof(*areas));
		if (!areas)
			return failed(card, -ENOMEM, what);
		areas[0] = (struct medio_card_area){ 0, info.size };
		num_areas = 1;
	}
	int fd = mappable ? fcntl(device->fd, F_DUPFD_CLOEXEC, 0) : -1;
	if (mappable && fd < 0)
		return failed(card, -errno, what);
	out->view = (struct medio_card_region){
		.size = info.size,
		.readable = info.flags & VFIO_REGION_INFO_FLAG_READ,
		.writable = info.flags & VFIO_REGION_INFO_FLAG_WRITE,
		.mappable = mappable,
		.areas = medio_steal_ptr(areas),
		.num_areas = num_areas,
	};
	out->fd = fd;
	out->fd_offset = info.offset;
	return 0;
}

/* Is the reason that a BAR cannot be reached that nobody has switched it on? */
static const char *hint(const struct medio_card *card, unsigned region, int ret)
{
	const struct medio_vfio_device *device = card->backend_state;
	uint16_t command = 0xffff;

	if (ret != -EIO || region >= MEDIO_CARD_CONFIG ||
		pread(device->fd, &command, sizeof(command),
			(off_t)(device->config + PCI_COMMAND)) != sizeof(command))
		return "";
	return command & PCI_COMMAND_MEMORY
		       ? ""
		       : " (the command register has memory access switched off)";
}

static int access_failed(
	struct medio_card *card, int ret, const char *what, unsigned region, uint64_t offset)
{
	char text[128];

	snprintf(text, sizeof(text), "%s of region %u at 0x%llx%s", what, region, (ull)offset,
		hint(card, region, ret));
	return failed(card, ret, text);
}

int medio_vfio_device_read(
	struct medio_card *card, unsigned region, uint64_t offset, void *buf, size_t count)
{
	const struct medio_vfio_device *device = card->backend_state;
	uint64_t at = card->regions[region].fd_offset + offset;
	uint8_t *p = buf;

	while (count) {
		ssize_t n = pread(device->fd, p, count, (off_t)at);
		if (n <= 0 && !(n < 0 && errno == EINTR))
			return access_failed(card, n ? -errno : -EIO, "read", region, offset);
		if (n < 0)
			continue;
		if (medio_calls_watched())
			medio_calls_access("pread", region, offset + (size_t)(p - (uint8_t *)buf),
				p, (size_t)n, 0);
		p += n;
		at += (size_t)n;
		count -= (size_t)n;
	}
	if (medio_kernel_absent(buf, (size_t)(p - (uint8_t *)buf), device->fd, device->config))
		return medio_card_say(card, ENODEV,
			"read of region %u at 0x%llx: the device %s is gone, all of it reads as ones",
			region, (ull)offset, device->name);
	return 0;
}

int medio_vfio_device_write(
	struct medio_card *card, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	const struct medio_vfio_device *device = card->backend_state;
	uint64_t at = card->regions[region].fd_offset + offset;
	const uint8_t *p = buf;

	while (count) {
		ssize_t n = pwrite(device->fd, p, count, (off_t)at);
		if (n <= 0 && !(n < 0 && errno == EINTR))
			return access_failed(card, n ? -errno : -EIO, "write", region, offset);
		if (n < 0)
			continue;
		if (medio_calls_watched())
			medio_calls_access("pwrite", region,
				offset + (size_t)(p - (const uint8_t *)buf), p, (size_t)n, 0);
		p += n;
		at += (size_t)n;
		count -= (size_t)n;
	}
	return 0;
}

/* ---- Interrupts -------------------------------------------------------------------------------- */

int medio_vfio_device_irq(struct medio_card *card, unsigned index, struct medio_card_irq *out)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };
	int ret = ask(card, VFIO_DEVICE_GET_IRQ_INFO, &info);

	/* ERR is refused by devices that are not PCI Express. */
	if (ret == -EINVAL)
		info.count = 0;
	else if (ret < 0)
		return failed(card, ret, "IRQ_INFO");
	if (info.count > MEDIO_CARD_MAX_VECTORS)
		return failed(card, -EPROTO, "IRQ_INFO");
	*out = (struct medio_card_irq){
		.count = info.count,
		.maskable = info.flags & VFIO_IRQ_INFO_MASKABLE,
		.automasked = info.flags & VFIO_IRQ_INFO_AUTOMASKED,
		.noresize = info.flags & VFIO_IRQ_INFO_NORESIZE,
	};
	return 0;
}

static int irq_failed(struct medio_card *card, unsigned index, int ret)
{
	static const char *const names[] = { "INTx", "MSI", "MSI-X", "ERR", "REQ" };
	char what[128];

	snprintf(what, sizeof(what), "interrupt %s%s",
		index < MEDIO_ARRAY_SIZE(names) ? names[index] : "of its own",
		ret == -EINVAL ? " (is another of INTx, MSI and MSI-X in use?)" : "");
	return failed(card, ret, what);
}

int medio_vfio_device_irq_set(struct medio_card *card, unsigned index, uint32_t flags,
	uint32_t start, uint32_t count, const int *fds)
{
	uint32_t few[sizeof(struct vfio_irq_set) / sizeof(uint32_t) + FEW_VECTORS];
	_cleanup_free_ void *many = NULL;
	struct vfio_irq_set *set = (void *)few;
	bool with_fds = flags & MEDIO_CARD_IRQ_EVENTFD;
	size_t size = sizeof(*set) + (with_fds ? count * sizeof(int32_t) : 0);

	if (with_fds && count > FEW_VECTORS) {
		many = malloc(size);
		if (!many)
			return failed(card, -ENOMEM, "SET_IRQS");
		set = many;
	}
	*set = (struct vfio_irq_set){
		.argsz = (uint32_t)size,
		.flags = flags, /* the same bits */
		.index = index,
		.start = start,
		.count = count,
	};
	for (uint32_t i = 0; with_fds && i < count; i++) {
		int32_t fd = fds ? fds[i] : -1;
		memcpy(set->data + i * sizeof(fd), &fd, sizeof(fd));
	}
	int ret = ask(card, VFIO_DEVICE_SET_IRQS, set);
	return ret < 0 ? irq_failed(card, index, ret) : 0;
}

/* ---- The rest ---------------------------------------------------------------------------------- */

int medio_vfio_device_reset(struct medio_card *card)
{
	int ret = ask(card, VFIO_DEVICE_RESET, NULL);

	if (ret == -EINVAL)
		return medio_card_say(card, ENOTSUP, "the card has no way to be reset");
	return ret < 0 ? failed(card, ret, "reset") : 0;
}

/* The arcs into STOP_COPY and RESUMING bring a file for the state; those out of them end it. */
static void take_mig_fd(
	struct medio_vfio_device *device, struct vfio_device_feature_mig_state *state)
{
	if (device->mig_fd >= 0 && device->mig_fd != state->data_fd)
		close(device->mig_fd);
	device->mig_fd = state->data_fd;
	state->data_fd = -1;
}

int medio_vfio_device_feature(
	struct medio_card *card, uint32_t flags, void *data, size_t size, size_t cap, size_t *got)
{
	struct medio_vfio_device *device = card->backend_state;
	size_t most = cap > size ? cap : size;
	uint32_t number = flags & VFIO_DEVICE_FEATURE_MASK;
	char what[32];

	snprintf(what, sizeof(what), "feature %u", number);
	if (most > MAX_XFER)
		return failed(card, -EINVAL, what);
	_cleanup_free_ struct vfio_device_feature *feature = calloc(1, sizeof(*feature) + most);
	if (!feature)
		return failed(card, -ENOMEM, what);
	feature->argsz = (uint32_t)(sizeof(*feature) + most);
	feature->flags = flags;
	if (size)
		memcpy(feature->data, data, size);
	int ret = ask(card, VFIO_DEVICE_FEATURE, feature);
	if (ret < 0)
		return failed(card, ret, what);
	if (number == VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE && flags & VFIO_DEVICE_FEATURE_SET &&
		!(flags & VFIO_DEVICE_FEATURE_PROBE) &&
		most >= sizeof(struct vfio_device_feature_mig_state))
		take_mig_fd(device, (void *)feature->data);
	/* The kernel does not say how much it has put there. */
	if (cap)
		memcpy(data, feature->data, cap);
	*got = cap;
	return 0;
}

int medio_vfio_device_mig_read(struct medio_card *card, void *buf, size_t cap, size_t *got)
{
	const struct medio_vfio_device *device = card->backend_state;

	if (device->mig_fd < 0)
		return medio_card_say(card, EINVAL, "the device's state is read in STOP_COPY only");
	ssize_t n = read(device->mig_fd, buf, cap);
	if (n < 0)
		return failed(card, -errno, "reading the device's state");
	*got = (size_t)n;
	return 0;
}

int medio_vfio_device_mig_write(struct medio_card *card, const void *buf, size_t size)
{
	const struct medio_vfio_device *device = card->backend_state;
	const uint8_t *p = buf;

	if (device->mig_fd < 0)
		return medio_card_say(
			card, EINVAL, "the device's state is written in RESUMING only");
	while (size) {
		ssize_t n = write(device->mig_fd, p, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return failed(card, n ? -errno : -EIO, "writing the device's state");
		p += n;
		size -= (size_t)n;
	}
	return 0;
}
