/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files of a PCI device in /sys through which a program reaches the card: config, resourceN, rom, reset, enable,
 * driver_override. Source: drivers/pci/pci-sysfs.c, for sizes, what is trimmed, and errno.
 *
 * A device of ours has been placed by no firmware. What `resource` says are addresses that no other device has; config space
 * shows them where the card's own BARs hold none, until a program writes others.
 */
#include "compat/sysfs.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compat/mmio.h"
#include "util/cleanup.h"

/* linux/ioport.h */
#define PREFETCH  0x2000u
#define READONLY  0x4000u
#define SIZEALIGN 0x40000u
#define MEM_64	  0x100000u

#define ROM MEDIO_CARD_ROM

struct resource {
	struct medio_sysfs_card *card;
	unsigned region;
	struct medio_fsfile_ops ops;
};

struct medio_sysfs_card {
	struct medio_kdev *kdev;
	struct medio_sysfs_bar bars[MEDIO_SYSFS_BARS];
	struct resource files[MEDIO_SYSFS_BARS];
	struct medio_fsfile_ops config;
	uint64_t config_size;
	bool rom_enabled;
	unsigned enabled; /* by writes to `enable` */
	char override[64];
};

const struct medio_sysfs_bar *medio_sysfs_card_bars(const struct medio_sysfs_card *card)
{
	return card->bars;
}

/* ---- Where BARs lie -------------------------------------------------------------------------------------- */

static uint32_t read32(const struct medio_sysfs_card *card, unsigned at)
{
	uint32_t value = UINT32_MAX;

	medio_card_read32(card->kdev->card, MEDIO_CARD_CONFIG, at, &value);
	return value;
}

/* All ones for what does not answer, as of a device that is gone. */
static uint16_t read16(const struct medio_sysfs_card *card, unsigned at)
{
	uint16_t value = UINT16_MAX;

	medio_card_read16(card->kdev->card, MEDIO_CARD_CONFIG, at, &value);
	return value;
}

static uint64_t place(uint64_t *next, uint64_t size)
{
	/* As a bridge's window has them: in whole pages. */
	uint64_t step = size < 4096 ? 4096 : size, at = (*next + step - 1) / step * step;

	*next = at + step;
	return at;
}

static uint64_t place_io(uint64_t *next, uint64_t size)
{
	uint64_t at = (*next + size - 1) / size * size;

	*next = at + size;
	return at;
}

static void place_bar(struct medio_sysfs *sysfs, const struct medio_sysfs_card *card, unsigned n,
	struct medio_sysfs_bar *bar)
{
	uint32_t reg = n == ROM ? 0 : read32(card, PCI_BASE_ADDRESS_0 + 4 * n);

	if (n == ROM) {
		bar->flags = MEDIO_SYSFS_MEM | PREFETCH | READONLY | SIZEALIGN;
		bar->start = place(&sysfs->next_mem32, bar->size);
	} else if (reg & PCI_BASE_ADDRESS_SPACE_IO) {
		bar->flags = MEDIO_SYSFS_IO | SIZEALIGN | PCI_BASE_ADDRESS_SPACE_IO;
		bar->start = place_io(&sysfs->next_io, bar->size);
	} else {
		bool wide = (reg & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
		bar->flags = MEDIO_SYSFS_MEM | SIZEALIGN | (reg & 0xf) | (wide ? MEM_64 : 0) |
			     (reg & PCI_BASE_ADDRESS_MEM_PREFETCH ? PREFETCH : 0);
		bar->start = place(wide ? &sysfs->next_mem64 : &sysfs->next_mem32, bar->size);
	}
}

/* ---- config ------------------------------------------------------------------------------------------------ */

/* The address that firmware would have written, at one of the six registers. */
static uint32_t placed(const struct medio_sysfs_card *card, unsigned n)
{
	const struct medio_sysfs_bar *bar = &card->bars[n], *below = n ? bar - 1 : NULL;

	if (bar->size)
		return (uint32_t)bar->start;
	return below && below->size && below->flags & MEM_64 ? (uint32_t)(below->start >> 32) : 0;
}

/* One BAR's register as a program sees it. */
static uint32_t show_bar(const struct medio_sysfs_card *card, unsigned n, uint32_t value)
{
	unsigned first = n && !card->bars[n].size && card->bars[n - 1].flags & MEM_64 ? n - 1 : n;
	const struct medio_sysfs_bar *bar = &card->bars[first];
	uint32_t mask = bar->flags & MEDIO_SYSFS_IO ? 3u : 0xfu;

	if (!bar->size)
		return value;
	/* The card's own has no address, neither half of it. */
	bool none = !((first == n ? value : read32(card, PCI_BASE_ADDRESS_0 + 4 * first)) & ~mask);
	if (bar->flags & MEM_64)
		none &= !(first == n ? read32(card, PCI_BASE_ADDRESS_0 + 4 * (n + 1)) : value);
	return none ? value | placed(card, n) : value;
}

static void show_bars(
	const struct medio_sysfs_card *card, uint8_t *buf, uint64_t offset, size_t size)
{
	for (unsigned n = 0; n < 6; n++) {
		uint64_t at = PCI_BASE_ADDRESS_0 + 4 * n;

		if (at + 4 <= offset || at >= offset + size)
			continue;
		uint32_t value = show_bar(card, n, read32(card, (unsigned)at));
		for (unsigned i = 0; i < 4; i++)
			if (at + i >= offset && at + i < offset + size)
				buf[at + i - offset] = (uint8_t)(value >> 8 * i);
	}
}

/* The widest access that the kernel would make. */
static size_t width(uint64_t offset, size_t size)
{
	size_t n = 4;

	while (n > size || offset & (n - 1))
		n /= 2;
	return n;
}

static size_t trim(uint64_t limit, uint64_t offset, size_t size)
{
	if (offset >= limit)
		return 0;
	return size < limit - offset ? size : (size_t)(limit - offset);
}

static ssize_t config_read(void *opaque, void *buf, size_t size, uint64_t offset)
{
	const struct medio_sysfs_card *card = opaque;
	uint8_t *p = buf;

	size = trim(card->config_size, offset, size);
	for (size_t at = 0, n; at < size; at += n) {
		n = width(offset + at, size - at);
		if (medio_card_read(card->kdev->card, MEDIO_CARD_CONFIG, offset + at, p + at, n))
			memset(p + at, 0xff, n);
	}
	if (offset < PCI_BASE_ADDRESS_5 + 4 && offset + size > PCI_BASE_ADDRESS_0)
		show_bars(card, p, offset, size);
	return (ssize_t)size;
}

static ssize_t config_write(void *opaque, const void *buf, size_t size, uint64_t offset)
{
	const struct medio_sysfs_card *card = opaque;
	const uint8_t *p = buf;

	if (offset >= card->config_size)
		return -EFBIG;
	size = trim(card->config_size, offset, size);
	for (size_t at = 0, n; at < size; at += n) {
		n = width(offset + at, size - at);
		/* What a device does not take is lost, as on a bus. */
		medio_card_write(card->kdev->card, MEDIO_CARD_CONFIG, offset + at, p + at, n);
	}
	return (ssize_t)size;
}

void medio_sysfs_card_header(const struct medio_sysfs_card *card, uint8_t header[64])
{
	memset(header, 0, 64);
	config_read((void *)card, header, 64, 0);
}

/* ---- resourceN, rom ------------------------------------------------------------------------------------------- */

/* Ports: an access of 1, 2 or 4 bytes. 0: nothing is there. */
static ssize_t check_io(const struct resource *file, size_t size, uint64_t offset)
{
	uint64_t limit = file->card->bars[file->region].size;

	if (offset >= limit)
		return 0;
	if (size > limit - offset || (size != 1 && size != 2 && size != 4))
		return -EINVAL;
	return (ssize_t)size;
}

static ssize_t io_read(void *opaque, void *buf, size_t size, uint64_t offset)
{
	const struct resource *file = opaque;
	ssize_t n = check_io(file, size, offset);

	if (n > 0 && medio_card_read(file->card->kdev->card, file->region, offset, buf, (size_t)n))
		memset(buf, 0xff, (size_t)n);
	return n;
}

static ssize_t io_write(void *opaque, const void *buf, size_t size, uint64_t offset)
{
	const struct resource *file = opaque;
	ssize_t n = check_io(file, size, offset);

	if (!n)
		return -EFBIG;
	if (n > 0)
		medio_card_write(file->card->kdev->card, file->region, offset, buf, (size_t)n);
	return n;
}

static int64_t mem_mmap(void *opaque, struct medio_call *call)
{
	const struct resource *file = opaque;

	return medio_mmio_mmap(file->card->kdev, call, file->region, call->args[5]);
}

static ssize_t rom_read(void *opaque, void *buf, size_t size, uint64_t offset)
{
	const struct resource *file = opaque;

	if (!file->card->rom_enabled)
		return -EINVAL;
	size = trim(file->card->bars[ROM].size, offset, size);
	if (size && medio_card_read(file->card->kdev->card, ROM, offset, buf, size))
		return -EIO;
	return (ssize_t)size;
}

static ssize_t rom_write(void *opaque, const void *buf, size_t size, uint64_t offset)
{
	const struct resource *file = opaque;

	file->card->rom_enabled = offset || *(const char *)buf != '0' || size != 2;
	return (ssize_t)size;
}

/* ---- reset, enable, driver_override --------------------------------------------------------------------------- */

/* A number as kstrtoul() reads it, with a newline or without. */
static int number(const void *buf, size_t size, unsigned long *out)
{
	char text[32], *end;

	if (!size || size >= sizeof(text))
		return -EINVAL;
	memcpy(text, buf, size);
	text[size] = '\0';
	errno = 0;
	*out = strtoul(text, &end, 0);
	if (end == text || (*end && strcmp(end, "\n") != 0) || *text == '-' || errno)
		return -EINVAL;
	return 0;
}

static void set_command(const struct medio_sysfs_card *card, uint16_t set, uint16_t clear)
{
	uint16_t command = read16(card, PCI_COMMAND);

	medio_card_write16(card->kdev->card, MEDIO_CARD_CONFIG, PCI_COMMAND,
		(uint16_t)((command & ~clear) | set));
}

/* The kernel saves the header before, and writes it back after. */
static ssize_t reset_write(void *opaque, const void *buf, size_t size, uint64_t offset)
{
	static const uint8_t kept[] = { PCI_CACHE_LINE_SIZE, PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_1,
		PCI_BASE_ADDRESS_2, PCI_BASE_ADDRESS_3, PCI_BASE_ADDRESS_4, PCI_BASE_ADDRESS_5,
		PCI_INTERRUPT_LINE };
	const struct medio_sysfs_card *card = opaque;
	uint32_t values[MEDIO_ARRAY_SIZE(kept)];
	unsigned long value;

	(void)offset;
	if (number(buf, size, &value) || value != 1)
		return -EINVAL;
	uint16_t command = read16(card, PCI_COMMAND);
	for (unsigned i = 0; i < MEDIO_ARRAY_SIZE(kept); i++)
		values[i] = read32(card, kept[i]);
	int ret = medio_card_reset(card->kdev->card);
	if (ret)
		return ret == -ENOTSUP ? -ENOTTY : ret;
	for (unsigned i = 0; i < MEDIO_ARRAY_SIZE(kept); i++)
		medio_card_write32(card->kdev->card, MEDIO_CARD_CONFIG, kept[i], values[i]);
	medio_card_write16(card->kdev->card, MEDIO_CARD_CONFIG, PCI_COMMAND, command);
	return (ssize_t)size;
}

/* What the driver has done counts as one. */
static ssize_t enable_read(void *opaque, void *buf, size_t size, uint64_t offset)
{
	const struct medio_sysfs_card *card = opaque;
	char text[16];

	int len = snprintf(
		text, sizeof(text), "%u\n", card->enabled + (card->kdev->look == MEDIO_KDEV_UIO));
	size = trim((uint64_t)len, offset, size);
	memcpy(buf, text + (size ? offset : 0), size);
	return (ssize_t)size;
}

static ssize_t enable_write(void *opaque, const void *buf, size_t size, uint64_t offset)
{
	struct medio_sysfs_card *card = opaque;
	unsigned long value;

	(void)offset;
	if (number(buf, size, &value))
		return -EINVAL;
	/* A driver has it: only more often. */
	if (!value)
		return card->enabled ? (card->enabled--, (ssize_t)size) : -EIO;
	card->enabled++;
	set_command(card, PCI_COMMAND_IO | PCI_COMMAND_MEMORY, 0);
	return (ssize_t)size;
}

static ssize_t override_read(void *opaque, void *buf, size_t size, uint64_t offset)
{
	const struct medio_sysfs_card *card = opaque;
	char text[80];

	int len = snprintf(
		text, sizeof(text), "%s\n", card->override[0] ? card->override : "(null)");
	size = trim((uint64_t)len, offset, size);
	memcpy(buf, text + (size ? offset : 0), size);
	return (ssize_t)size;
}

static ssize_t override_write(void *opaque, const void *buf, size_t size, uint64_t offset)
{
	struct medio_sysfs_card *card = opaque;
	const char *text = buf;
	size_t len = strnlen(text, size);

	(void)offset;
	if (len && text[len - 1] == '\n')
		len--;
	if (len >= sizeof(card->override))
		return -EINVAL;
	memcpy(card->override, text, len);
	card->override[len] = '\0';
	return (ssize_t)size;
}

static const struct medio_fsfile_ops reset_ops = { .write = reset_write };
static const struct medio_fsfile_ops enable_ops = { .read = enable_read, .write = enable_write };
static const struct medio_fsfile_ops override_ops = { .read = override_read,
	.write = override_write };

/* ---- All of it -------------------------------------------------------------------------------------------------- */

struct medio_sysfs_card *medio_sysfs_card_new(struct medio_sysfs *sysfs, struct medio_kdev *kdev)
{
	struct medio_sysfs_card *card = calloc(1, sizeof(*card));
	struct medio_card_region region;

	if (!card || medio_fs_own(sysfs->fs, free, card)) {
		medio_sysfs_fail(sysfs, ENOMEM, "out of memory");
		return NULL;
	}
	card->kdev = kdev;
	snprintf(card->override, sizeof(card->override), "%s",
		kdev->look == MEDIO_KDEV_UIO ? "uio_pci_generic" : "vfio-pci");
	for (unsigned n = 0; n < MEDIO_SYSFS_BARS; n++) {
		int ret = medio_card_get_region(kdev->card, n, &region);
		if (ret && ret != -EINVAL) {
			medio_sysfs_fail(sysfs, -ret, "%s: BAR %u: %s", kdev->name, n,
				medio_card_last_error(kdev->card));
			return NULL;
		}
		card->bars[n].size = ret ? 0 : region.size;
		if (card->bars[n].size)
			place_bar(sysfs, card, n, &card->bars[n]);
	}
	if (medio_card_get_region(kdev->card, MEDIO_CARD_CONFIG, &region) || !region.size) {
		medio_sysfs_fail(sysfs, EINVAL, "%s has no config space", kdev->name);
		return NULL;
	}
	card->config_size = region.size > 256 ? 4096 : 256;
	if (card->config_size > region.size)
		card->config_size = region.size;
	return card;
}

static void add_resource(struct medio_sysfs *sysfs, struct medio_sysfs_card *card,
	struct medio_fsnode *folder, unsigned n)
{
	struct resource *file = &card->files[n];
	bool io = card->bars[n].flags & MEDIO_SYSFS_IO;
	char name[24];

	*file = (struct resource){ .card = card, .region = n };
	file->ops.size = card->bars[n].size;
	if (n == ROM) {
		file->ops.read = rom_read;
		file->ops.write = rom_write;
		medio_sysfs_file(sysfs, folder, "rom", 0600, &file->ops, file);
		return;
	}
	if (io) {
		file->ops.read = io_read;
		file->ops.write = io_write;
	} else {
		file->ops.mmap = mem_mmap;
	}
	snprintf(name, sizeof(name), "resource%u", n);
	medio_sysfs_file(sysfs, folder, name, 0600, &file->ops, file);
	if (!io && card->bars[n].flags & PREFETCH) {
		snprintf(name, sizeof(name), "resource%u_wc", n);
		medio_sysfs_file(sysfs, folder, name, 0600, &file->ops, file);
	}
}

void medio_sysfs_card_files(
	struct medio_sysfs *sysfs, struct medio_sysfs_card *card, struct medio_fsnode *folder)
{
	struct medio_card_info info;

	card->config = (struct medio_fsfile_ops){
		.read = config_read,
		.write = config_write,
		.size = card->config_size,
	};
	medio_sysfs_file(sysfs, folder, "config", 0644, &card->config, card);
	for (unsigned n = 0; n < MEDIO_SYSFS_BARS; n++)
		if (card->bars[n].size)
			add_resource(sysfs, card, folder, n);
	medio_card_get_info(card->kdev->card, &info);
	if (info.can_reset) {
		medio_sysfs_file(sysfs, folder, "reset", 0200, &reset_ops, card);
		medio_sysfs_text(sysfs, folder, "reset_method", "flr");
	}
	medio_sysfs_file(sysfs, folder, "enable", 0644, &enable_ops, card);
	medio_sysfs_file(sysfs, folder, "driver_override", 0644, &override_ops, card);
	/* As uio_pci_generic's pci_enable_device(); what is on VFIO is enabled when it is opened. */
	if (card->kdev->look == MEDIO_KDEV_UIO)
		set_command(card, PCI_COMMAND_IO | PCI_COMMAND_MEMORY, 0);
}
