/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The backend for a PCI device bound to uio_pci_generic (Linux, Documentation/driver-api/uio-howto.rst):
 * BARs and config space through the device's files in sysfs, interrupts through /dev/uioN. A read of
 * that gives how many there have been since the device was bound; what was missed shows as a jump. There
 * is INTx only: the kernel masks it in the command register at each interrupt, we unmask it there.
 */
#include "drive/uio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drive/physical.h"
#include "iommu/guard.h"
#include "drive/calls.h"
#include "util/cleanup.h"
#include "util/error.h"

#define RESOURCE_IO  0x100 /* linux/ioport.h */
#define RESOURCE_MEM 0x200
#define PAGE_MASK    UINT64_C(4095)
#define MAX_XFER     (1u << 20)

typedef unsigned long long ull;

static bool is_gone(const struct medio_card *card)
{
	const struct medio_uio *uio = card->backend_state;
	char buf[8];

	return medio_kernel_read(card->kernel, buf, sizeof(buf), "/sys/class/uio/%s/event",
		       uio->name) == -ENOENT;
}

static int gone(struct medio_card *card, const char *what)
{
	const struct medio_uio *uio = card->backend_state;

	return medio_card_say(card, ENODEV, "%s: the device %s is gone: removed, or taken from UIO",
		what, uio->device);
}

static int failed(struct medio_card *card, int ret, const char *what)
{
	if ((ret == -ENODEV || ret == -EIO || ret == -ENXIO) && is_gone(card))
		return gone(card, what);
	return medio_card_say(card, -ret, "%s: %s", what, strerror(-ret));
}

/* ---- Open and close ---------------------------------------------------------------------------- */

static int find_by_bdf(struct medio_card *card, struct medio_uio *uio)
{
	char driver[40] = "no driver";

	if (!medio_kernel_find(card->kernel, uio->name, sizeof(uio->name), "uio",
		    "/sys/bus/pci/devices/%s/uio", uio->device))
		return 0;
	int ret = medio_kernel_link(card->kernel, driver, sizeof(driver),
		"/sys/bus/pci/devices/%s/subsystem", uio->device);
	if (ret)
		return medio_card_say(
			card, ENODEV, "there is no PCI device %s on this machine", uio->device);
	if (medio_kernel_link(card->kernel, driver, sizeof(driver),
		    "/sys/bus/pci/devices/%s/driver", uio->device))
		snprintf(driver, sizeof(driver), "no driver");
	return medio_card_say(card, ENODEV,
		"%s has %s%s and must be bound to uio_pci_generic: `medio bind %s --driver "
		"uio_pci_generic` does that",
		uio->device, strcmp(driver, "no driver") ? "the driver " : "", driver, uio->device);
}

static int find_device(struct medio_card *card, struct medio_uio *uio, const char *address)
{
	char name[40], full[MEDIO_BDF_TEXT];

	if (medio_kernel_bdf(address, uio->device))
		return find_by_bdf(card, uio);
	if (strncmp(address, "uio", 3) != 0 || !address[3] ||
		strspn(address + 3, "0123456789") != strlen(address + 3) ||
		strlen(address) >= sizeof(uio->name))
		return medio_card_say(card, EINVAL,
			"'%s' is neither uioN nor a PCI address (0000:01:00.0)", address);
	snprintf(uio->name, sizeof(uio->name), "%s", address);
	if (medio_kernel_link(
		    card->kernel, name, sizeof(name), "/sys/class/uio/%s/device", uio->name))
		return medio_card_say(card, ENODEV,
			"there is no %s: no device is bound to uio_pci_generic", uio->name);
	if (!medio_kernel_bdf(name, full))
		return medio_card_say(card, EINVAL, "%s is no PCI device but %s", uio->name, name);
	snprintf(uio->device, sizeof(uio->device), "%s", full);
	return 0;
}

/* The device's file "resource": a line for each BAR, its first and last address and its kind. */
static int get_bars(struct medio_card *card, struct medio_uio *uio)
{
	char text[2048];
	_cleanup_close_ int fd = medio_kernel_open(
		card->kernel, O_RDONLY, "/sys/bus/pci/devices/%s/resource", uio->device);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *line = text;

	if (n < 0)
		return medio_card_say(card, ENODEV, "%s: its BARs cannot be read", uio->device);
	text[n] = 0;
	for (unsigned i = 0; i < MEDIO_UIO_BARS && *line; i++) {
		char *end;
		uint64_t first = strtoull(line, &end, 16);
		uint64_t last = strtoull(end, &end, 16);
		uint64_t kind = strtoull(end, &end, 16);
		if (kind & (RESOURCE_IO | RESOURCE_MEM) && last >= first &&
			last - first < SIZE_MAX / 2)
			uio->bars[i] = (struct medio_uio_bar){
				.start = first,
				.size = last - first + 1,
				.io = kind & RESOURCE_IO,
				.fd = -1,
			};
		line = end + strspn(end, "\n");
	}
	return 0;
}

static int open_files(struct medio_card *card, struct medio_uio *uio)
{
	char event[16] = "0";

	uio->config = medio_kernel_open(
		card->kernel, O_RDWR, "/sys/bus/pci/devices/%s/config", uio->device);
	if (uio->config < 0)
		return medio_card_say(card, -uio->config,
			"%s: config space: %s; the files of devices in /sys are root's",
			uio->device, strerror(-uio->config));
	/* Before the file is open, since it tells of what comes after. */
	medio_kernel_read(card->kernel, event, sizeof(event), "/sys/class/uio/%s/event", uio->name);
	uio->seen = (uint32_t)strtoul(event, NULL, 10);
	uio->fd = medio_kernel_open(card->kernel, O_RDWR | O_NONBLOCK, "/dev/%s", uio->name);
	if (uio->fd == -EACCES)
		return medio_card_say(card, EACCES,
			"/dev/%s: this user may not open it; root can give it away: chown USER /dev/%s",
			uio->name, uio->name);
	if (uio->fd < 0)
		return medio_card_say(card, -uio->fd, "/dev/%s: %s", uio->name, strerror(-uio->fd));
	return get_bars(card, uio);
}

static void uio_close(struct medio_card *card)
{
	struct medio_uio *uio = card->backend_state;

	for (unsigned i = 0; i < MEDIO_UIO_BARS; i++) {
		struct medio_uio_bar *bar = &uio->bars[i];
		medio_guard_del(bar->guard);
		if (bar->regs)
			munmap(bar->regs - (bar->start & PAGE_MASK),
				(bar->start & PAGE_MASK) + bar->size);
		if (bar->fd >= 0)
			close(bar->fd);
	}
	if (uio->event >= 0)
		close(uio->event);
	if (uio->fd >= 0)
		close(uio->fd);
	if (uio->config >= 0)
		close(uio->config);
	free(uio);
}

static int uio_open(struct medio_card *card, const char *address, int fd,
	const struct medio_card_options *opts, struct medio_error **err)
{
	_cleanup_close_ int owned = fd; /* of no use here */
	_cleanup_close_ int reset = -1;
	struct medio_uio *uio = calloc(1, sizeof(*uio));

	(void)owned;
	(void)opts;
	if (!uio)
		return medio_error_set(err, ENOMEM, "out of memory");
	uio->fd = uio->config = uio->event = -1;
	uio->control = true;
	for (unsigned i = 0; i < MEDIO_UIO_BARS; i++)
		uio->bars[i].fd = -1;
	card->backend_state = uio;
	int ret = find_device(card, uio, address);
	if (!ret)
		ret = open_files(card, uio);
	if (ret) {
		medio_error_set(err, -ret, "%s", card->words);
		uio_close(card);
		return ret;
	}
	reset = medio_kernel_open(
		card->kernel, O_WRONLY, "/sys/bus/pci/devices/%s/reset", uio->device);
	card->info = (struct medio_card_info){
		.num_regions = MEDIO_CARD_VGA + 1,
		.num_irqs = MEDIO_CARD_REQ + 1,
		.can_reset = reset >= 0,
		.max_data_xfer = MAX_XFER,
	};
	return 0;
}

/* ---- Regions ----------------------------------------------------------------------------------- */

/* Open resourceN, and map it if it is memory. */
static int have_bar(struct medio_card *card, unsigned n)
{
	const struct medio_uio *uio = card->backend_state;
	struct medio_uio_bar *bar = &((struct medio_uio *)card->backend_state)->bars[n];
	uint64_t skip = bar->start & PAGE_MASK;
	char what[32];

	if (bar->fd >= 0)
		return 0;
	snprintf(what, sizeof(what), "BAR %u", n);
	_cleanup_close_ int fd = medio_kernel_open(
		card->kernel, O_RDWR, "/sys/bus/pci/devices/%s/resource%u", uio->device, n);
	if (fd < 0)
		return failed(card, fd, what);
	if (!bar->io) {
		size_t len = (skip + bar->size + PAGE_MASK) & ~PAGE_MASK;
		void *ptr = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (ptr == MAP_FAILED)
			return failed(card, -errno, what);
		int ret = medio_guard_add(
			ptr, len, PAGE_MASK + 1, PROT_READ | PROT_WRITE, &bar->guard);
		if (ret) {
			munmap(ptr, len);
			return failed(card, ret, what);
		}
		medio_calls_say(0, "mmap the whole of it");
		bar->regs = (uint8_t *)ptr + skip;
	}
	bar->fd = medio_steal_fd(fd);
	return 0;
}

static int uio_region(struct medio_card *card, unsigned region, struct medio_card_region_state *out)
{
	const struct medio_uio *uio = card->backend_state;
	struct medio_card_region view = { .readable = true, .writable = true };
	struct stat st;

	if (region == MEDIO_CARD_CONFIG) {
		if (fstat(uio->config, &st) < 0)
			return failed(card, -errno, "config space");
		view.size = (uint64_t)st.st_size;
		out->view = view;
		return 0;
	}
	if (region >= MEDIO_UIO_BARS || !uio->bars[region].size) {
		out->view = (struct medio_card_region){ 0 };
		return 0;
	}
	const struct medio_uio_bar *bar = &uio->bars[region];
	int ret = have_bar(card, region);
	if (ret)
		return ret;
	view.size = bar->size;
	if (!bar->io && !((bar->start | bar->size) & PAGE_MASK)) {
		struct medio_card_area *area = calloc(1, sizeof(*area));
		int fd = area ? fcntl(bar->fd, F_DUPFD_CLOEXEC, 0) : -1;
		if (fd < 0) {
			free(area);
			return failed(card, -ENOMEM, "a BAR");
		}
		area->size = bar->size;
		view.mappable = true;
		view.areas = area;
		view.num_areas = 1;
		out->fd = fd;
	}
	out->view = view;
	return 0;
}

/* The widest access that offset and count allow: registers want theirs whole. */
static size_t width(uint64_t offset, size_t count, size_t most)
{
	size_t n = most;

	while (n > count || offset & (n - 1))
		n /= 2;
	return n;
}

static void load(const uint8_t *from, uint8_t *to, size_t n)
{
	uint64_t v8;
	uint32_t v4;
	uint16_t v2;

	switch (n) {
	case 8:
		v8 = *(const volatile uint64_t *)from;
		memcpy(to, &v8, n);
		break;
	case 4:
		v4 = *(const volatile uint32_t *)from;
		memcpy(to, &v4, n);
		break;
	case 2:
		v2 = *(const volatile uint16_t *)from;
		memcpy(to, &v2, n);
		break;
	default:
		*to = *(const volatile uint8_t *)from;
	}
}

static void store(uint8_t *to, const uint8_t *from, size_t n)
{
	uint64_t v8;
	uint32_t v4;
	uint16_t v2;

	switch (n) {
	case 8:
		memcpy(&v8, from, n);
		*(volatile uint64_t *)to = v8;
		break;
	case 4:
		memcpy(&v4, from, n);
		*(volatile uint32_t *)to = v4;
		break;
	case 2:
		memcpy(&v2, from, n);
		*(volatile uint16_t *)to = v2;
		break;
	default:
		*(volatile uint8_t *)to = *from;
	}
}

/* Config space and ports: calls of 1, 2 or 4 bytes. */
static int by_calls(int fd, uint64_t offset, void *buf, size_t count, bool write)
{
	uint8_t *p = buf;

	while (count) {
		size_t n = width(offset, count, 4);
		ssize_t done = write ? pwrite(fd, p, n, (off_t)offset)
				     : pread(fd, p, n, (off_t)offset);
		if (done != (ssize_t)n)
			return done < 0 ? -errno : -EIO;
		p += n;
		offset += n;
		count -= n;
	}
	return 0;
}

/* Registers in memory. What is read of a device that has gone is zeros, and not passed on. */
static int by_memory(struct medio_card *card, unsigned region, uint64_t offset, void *buf,
	size_t count, bool write)
{
	const struct medio_uio *uio = card->backend_state;
	const struct medio_uio_bar *bar = &uio->bars[region];
	uint8_t *p = buf;

	while (count) {
		size_t n = width(offset, count, 8);
		if (write)
			store(bar->regs + offset, p, n);
		else
			load(bar->regs + offset, p, n);
		if (medio_calls_watched())
			medio_calls_access(write ? "store" : "load", region, offset, p, n, 0);
		p += n;
		offset += n;
		count -= n;
	}
	return medio_guard_poisoned(bar->guard) ? -ENODEV : 0;
}

static int transfer(struct medio_card *card, unsigned region, uint64_t offset, void *buf,
	size_t count, bool write)
{
	const struct medio_uio *uio = card->backend_state;
	bool config = region == MEDIO_CARD_CONFIG;
	char what[48];
	int ret;

	if (!config && !uio->bars[region].io) {
		ret = by_memory(card, region, offset, buf, count, write);
	} else {
		ret = by_calls(
			config ? uio->config : uio->bars[region].fd, offset, buf, count, write);
		if (medio_calls_watched())
			medio_calls_access(
				write ? "pwrite" : "pread", region, offset, buf, count, ret);
	}
	if (!ret && !write && medio_kernel_absent(buf, count, uio->config, 0))
		ret = -ENODEV;
	if (!ret)
		return 0;
	snprintf(what, sizeof(what), "%s of region %u at 0x%llx", write ? "write" : "read", region,
		(ull)offset);
	return ret == -ENODEV ? gone(card, what) : failed(card, ret, what);
}

static int uio_read(
	struct medio_card *card, unsigned region, uint64_t offset, void *buf, size_t count)
{
	return transfer(card, region, offset, buf, count, false);
}

static int uio_write(
	struct medio_card *card, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	return transfer(card, region, offset, (void *)buf, count, true);
}

/* ---- Interrupts -------------------------------------------------------------------------------- */

static int uio_irq(struct medio_card *card, unsigned index, struct medio_card_irq *out)
{
	const struct medio_uio *uio = card->backend_state;
	uint8_t pin = 0;

	*out = (struct medio_card_irq){ 0 };
	if (index != MEDIO_CARD_INTX)
		return 0;
	if (pread(uio->config, &pin, 1, PCI_INTERRUPT_PIN) != 1)
		return failed(card, -EIO, "interrupt pin");
	if (pin)
		*out = (struct medio_card_irq){ .count = 1, .maskable = true, .automasked = true };
	return 0;
}

/* Command bit 10; a driver that takes it gets it through its own file. */
static int mask(struct medio_card *card, bool masked)
{
	struct medio_uio *uio = card->backend_state;
	int32_t on = !masked;
	uint16_t command = 0;

	if (uio->control) {
		if (write(uio->fd, &on, sizeof(on)) == sizeof(on))
			return 0;
		if (errno != ENOSYS)
			return failed(card, -errno, "interrupt");
		uio->control = false;
	}
	if (pread(uio->config, &command, sizeof(command), PCI_COMMAND) != sizeof(command))
		return failed(card, -EIO, "command register");
	command &= (uint16_t)~PCI_COMMAND_INTX_DISABLE;
	if (masked)
		command |= PCI_COMMAND_INTX_DISABLE;
	if (pwrite(uio->config, &command, sizeof(command), PCI_COMMAND) != sizeof(command))
		return failed(card, -EIO, "command register");
	if (medio_calls_watched())
		medio_calls_access("pread and pwrite", MEDIO_CARD_CONFIG, PCI_COMMAND, &command,
			sizeof(command), 0);
	return 0;
}

static void forget_event(struct medio_uio *uio)
{
	if (uio->event >= 0)
		close(uio->event);
	uio->event = -1;
}

static int assign(struct medio_card *card, int event)
{
	struct medio_uio *uio = card->backend_state;
	int copy = event < 0 ? -1 : fcntl(event, F_DUPFD_CLOEXEC, 0);

	if (event >= 0 && copy < 0)
		return failed(card, -errno, "interrupt");
	forget_event(uio);
	uio->event = copy;
	return mask(card, event < 0);
}

static int uio_irq_set(struct medio_card *card, unsigned index, uint32_t flags, uint32_t start,
	uint32_t count, const int *fds)
{
	const struct medio_uio *uio = card->backend_state;
	const uint64_t one = 1;

	(void)start;
	/* Only INTx has a vector; others can be disabled. */
	if (index != MEDIO_CARD_INTX)
		return 0;
	if (flags & MEDIO_CARD_IRQ_EVENTFD && !(flags & MEDIO_CARD_IRQ_TRIGGER))
		return medio_card_say(
			card, ENOTSUP, "UIO unmasks by calls only, not by an eventfd");
	if (flags & MEDIO_CARD_IRQ_EVENTFD)
		return assign(card, fds ? fds[0] : -1);
	if (flags & (MEDIO_CARD_IRQ_MASK | MEDIO_CARD_IRQ_UNMASK))
		return mask(card, flags & MEDIO_CARD_IRQ_MASK);
	if (!count)
		return assign(card, -1);
	if (uio->event >= 0 && write(uio->event, &one, sizeof(one)) < 0)
		return failed(card, -errno, "interrupt");
	return 0;
}

static int uio_fd(const struct medio_card *card)
{
	const struct medio_uio *uio = card->backend_state;

	return uio->event < 0 ? -1 : uio->fd;
}

static int uio_process(struct medio_card *card)
{
	struct medio_uio *uio = card->backend_state;
	uint32_t count = 0;

	if (uio->event < 0)
		return 0;
	ssize_t n = read(uio->fd, &count, sizeof(count));
	if (medio_calls_watched())
		medio_calls_say(n < 0 ? -errno : n, "read /dev/%s", uio->name);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : failed(card, -errno, "interrupt");
	uint64_t more = (uint32_t)(count - uio->seen);
	uio->seen = count;
	if (more && write(uio->event, &more, sizeof(more)) < 0)
		return failed(card, -errno, "interrupt");
	return more != 0;
}

/* ---- DMA --------------------------------------------------------------------------------------- */

/* Does an IOMMU stand between the device and memory, with a table of the kernel's? */
static int check_translation(struct medio_card *card)
{
	const struct medio_uio *uio = card->backend_state;
	char group[16], type[32] = "";

	if (medio_kernel_link(card->kernel, group, sizeof(group),
		    "/sys/bus/pci/devices/%s/iommu_group", uio->device))
		return 0;
	if (!medio_kernel_read(
		    card->kernel, type, sizeof(type), "/sys/kernel/iommu_groups/%s/type", group) &&
		!strcmp(type, "identity"))
		return 0;
	return medio_card_say(card, ENOTSUP,
		"%s is behind an IOMMU that translates (%s), and UIO cannot map memory there: bind it to "
		"vfio-pci and use vfio:%s, or boot with iommu=pt",
		uio->device, *type ? type : "of unknown type", uio->device);
}

static int uio_dma_place(struct medio_card *card, const void *ptr, uint64_t size, uint64_t *iova)
{
	int ret = check_translation(card);

	return ret ? ret : medio_physical_place(card, ptr, size, iova);
}

static int uio_dma_map(struct medio_card *card, const struct medio_card_mapping *mapping)
{
	int ret = check_translation(card);

	return ret ? ret : medio_physical_map(card, mapping);
}

/* ---- The rest ---------------------------------------------------------------------------------- */

static int uio_reset(struct medio_card *card)
{
	const struct medio_uio *uio = card->backend_state;
	_cleanup_close_ int fd = medio_kernel_open(
		card->kernel, O_WRONLY, "/sys/bus/pci/devices/%s/reset", uio->device);

	if (fd < 0)
		return failed(card, fd, "reset");
	return write(fd, "1", 1) == 1 ? 0 : failed(card, -errno, "reset");
}

const struct medio_backend medio_backend_uio = {
	.scheme = "uio",
	.near = true,
	.open = uio_open,
	.close = uio_close,
	.region = uio_region,
	.irq = uio_irq,
	.read = uio_read,
	.write = uio_write,
	.dma_map = uio_dma_map,
	.dma_unmap = medio_physical_unmap,
	.dma_limits = medio_physical_limits,
	.dma_place = uio_dma_place,
	.irq_set = uio_irq_set,
	.reset = uio_reset,
	.fd = uio_fd,
	.process = uio_process,
};
