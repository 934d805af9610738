/* SPDX-License-Identifier: BSD-3-Clause */
/* A PCI device's folder and its driver's, as drivers/pci/pci-sysfs.c makes them. */
#include "compat/sysfs.h"

#include <ctype.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/kgroup.h"

/* What of config space says who a device is. */
struct identity {
	unsigned vendor, device, subsystem_vendor, subsystem_device, class, revision, pin, line;
};

static unsigned word(const uint8_t *header, unsigned at)
{
	return header[at] | (unsigned)header[at + 1] << 8;
}

static struct identity identify(const struct medio_sysfs_card *card)
{
	uint8_t h[64];

	medio_sysfs_card_header(card, h);
	return (struct identity){
		.vendor = word(h, PCI_VENDOR_ID),
		.device = word(h, PCI_DEVICE_ID),
		.subsystem_vendor = word(h, PCI_SUBSYSTEM_VENDOR_ID),
		.subsystem_device = word(h, PCI_SUBSYSTEM_ID),
		.class = word(h, PCI_CLASS_PROG) | (unsigned)h[PCI_CLASS_DEVICE + 1] << 16,
		.revision = h[PCI_REVISION_ID],
		.pin = h[PCI_INTERRUPT_PIN],
		.line = h[PCI_INTERRUPT_LINE],
	};
}

static void modalias(const struct identity *id, char *text, size_t size)
{
	snprintf(text, size, "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X", id->vendor, id->device,
		id->subsystem_vendor, id->subsystem_device, id->class >> 16, id->class >> 8 & 0xff,
		id->class & 0xff);
}

static const char *driver_of(const struct medio_kdev *kdev)
{
	return kdev->look == MEDIO_KDEV_UIO ? "uio_pci_generic" : "vfio-pci";
}

/* ---- CPUs near to it: all ------------------------------------------------------------------------------ */

static void read_cpus(char list[256])
{
	FILE *file = fopen("/sys/devices/system/cpu/online", "re");

	if (!file || !fgets(list, 256, file))
		snprintf(list, 256, "0-%ld", sysconf(_SC_NPROCESSORS_ONLN) - 1);
	if (file)
		fclose(file);
	list[strcspn(list, "\n")] = '\0';
}

/* "0-3,8" as groups of 32 bits: "0000010f". */
static void mask_of(const char *list, char *text, size_t size)
{
	uint32_t words[32] = { 0 };
	unsigned top = 0;
	size_t len = 0;

	while (isdigit((unsigned char)*list)) {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		for (; first <= last && first < 1024; first++) {
			words[first / 32] |= UINT32_C(1) << first % 32;
			top = first / 32 > top ? (unsigned)(first / 32) : top;
		}
		list = *end == ',' ? end + 1 : end;
	}
	for (unsigned i = top + 1; i-- > 0 && len < size;)
		len += (size_t)snprintf(
			text + len, size - len, "%0*x%s", 8, words[i], i ? "," : "");
}

static void add_place(struct medio_sysfs *sysfs, struct medio_fsnode *folder)
{
	char list[256], mask[320];

	read_cpus(list);
	mask_of(list, mask, sizeof(mask));
	medio_sysfs_text(sysfs, folder, "numa_node", "-1");
	medio_sysfs_text(sysfs, folder, "local_cpus", "%s", mask);
	medio_sysfs_text(sysfs, folder, "local_cpulist", "%s", list);
}

/* ---- The device ---------------------------------------------------------------------------------------- */

static void add_identity(struct medio_sysfs *sysfs, struct medio_fsnode *folder,
	const struct medio_kdev *kdev, const struct identity *id)
{
	char alias[80], uevent[320];

	modalias(id, alias, sizeof(alias));
	medio_sysfs_text(sysfs, folder, "vendor", "0x%04x", id->vendor);
	medio_sysfs_text(sysfs, folder, "device", "0x%04x", id->device);
	medio_sysfs_text(sysfs, folder, "subsystem_vendor", "0x%04x", id->subsystem_vendor);
	medio_sysfs_text(sysfs, folder, "subsystem_device", "0x%04x", id->subsystem_device);
	medio_sysfs_text(sysfs, folder, "class", "0x%06x", id->class);
	medio_sysfs_text(sysfs, folder, "revision", "0x%02x", id->revision);
	medio_sysfs_text(sysfs, folder, "modalias", "%s", alias);
	/* 0xff: firmware did not route it. */
	unsigned irq = id->line && id->line != 0xff ? id->line : 11;
	medio_sysfs_text(sysfs, folder, "irq", "%u", id->pin ? irq : 0);
	snprintf(uevent, sizeof(uevent),
		"DRIVER=%s\nPCI_CLASS=%X\nPCI_ID=%04X:%04X\nPCI_SUBSYS_ID=%04X:%04X\nPCI_SLOT_NAME=%s\n"
		"MODALIAS=%s\n",
		driver_of(kdev), id->class, id->vendor, id->device, id->subsystem_vendor,
		id->subsystem_device, kdev->name, alias);
	medio_sysfs_device(sysfs, folder, uevent);
}

static void add_resources(struct medio_sysfs *sysfs, struct medio_fsnode *folder,
	const struct medio_sysfs_bar bars[MEDIO_SYSFS_BARS])
{
	/* BARs, the ROM, and those of virtual functions. */
	char text[13 * 58];
	size_t len = 0;

	for (unsigned i = 0; i < 13; i++) {
		struct medio_sysfs_bar bar = i < MEDIO_SYSFS_BARS ? bars[i]
								  : (struct medio_sysfs_bar){ 0 };
		len += (size_t)snprintf(text + len, sizeof(text) - len,
			"0x%016llx 0x%016llx 0x%016llx%s", (unsigned long long)bar.start,
			(unsigned long long)(bar.size ? bar.start + bar.size - 1 : 0),
			(unsigned long long)(bar.size ? bar.flags : 0), i < 12 ? "\n" : "");
	}
	medio_sysfs_text(sysfs, folder, "resource", "%s", text);
}

static void add_links(
	struct medio_sysfs *sysfs, struct medio_fsnode *folder, const struct medio_kdev *kdev)
{
	medio_sysfs_link(sysfs, folder, "subsystem", "bus/pci");
	medio_sysfs_link(sysfs, folder, "driver", "bus/pci/drivers/%s", driver_of(kdev));
	if (kdev->group)
		medio_sysfs_link(sysfs, folder, "iommu_group", "kernel/iommu_groups/%u",
			kdev->group->number);
}

/* ---- Its driver ------------------------------------------------------------------------------------------ */

static bool has(const struct medio_fsnode *folder, const char *name)
{
	const struct medio_fsnode *node;

	for (unsigned i = 0; folder && (node = medio_fs_child(folder, i)); i++)
		if (strcmp(medio_fs_name(node), name) == 0)
			return true;
	return false;
}

static void add_to_bus(struct medio_sysfs *sysfs, const struct medio_kdev *kdev, const char *path)
{
	struct medio_fsnode *driver = medio_sysfs_folder(
		sysfs, "bus/pci/drivers/%s", driver_of(kdev));

	if (!has(driver, "bind")) {
		medio_sysfs_file(sysfs, driver, "bind", 0200, &medio_sysfs_busy, NULL);
		medio_sysfs_file(sysfs, driver, "unbind", 0200, &medio_sysfs_busy, NULL);
		medio_sysfs_file(sysfs, driver, "new_id", 0200, &medio_sysfs_ignored, NULL);
		medio_sysfs_file(sysfs, driver, "remove_id", 0200, &medio_sysfs_ignored, NULL);
		medio_sysfs_link(sysfs, driver, "module", "module/%s",
			kdev->look == MEDIO_KDEV_UIO ? "uio_pci_generic" : "vfio_pci");
	}
	medio_sysfs_link(sysfs, driver, kdev->name, "%s", path);
	medio_sysfs_link(
		sysfs, medio_sysfs_folder(sysfs, "bus/pci/devices"), kdev->name, "%s", path);
}

/* The machine's own device of that address would be hidden by ours. */
static bool is_taken(struct medio_sysfs *sysfs, const struct medio_kdev *kdev)
{
	char path[MEDIO_SYSFS_PATH];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", kdev->name);
	if (access(path, F_OK) < 0)
		return false;
	medio_sysfs_fail(sysfs, EEXIST,
		"this machine has a PCI device %s of its own: give the device another address (bdf=…)",
		kdev->name);
	return true;
}

void medio_sysfs_pci(struct medio_sysfs *sysfs, struct medio_kdev *kdev)
{
	char path[MEDIO_SYSFS_PATH];

	if (is_taken(sysfs, kdev))
		return;
	struct medio_sysfs_card *card = medio_sysfs_card_new(sysfs, kdev);
	if (!card)
		return;
	const struct medio_sysfs_bar *bars = medio_sysfs_card_bars(card);
	struct identity id = identify(card);
	medio_sysfs_path(kdev, path);
	struct medio_fsnode *folder = medio_sysfs_folder(sysfs, "%s", path);
	add_identity(sysfs, folder, kdev, &id);
	add_resources(sysfs, folder, bars);
	add_place(sysfs, folder);
	medio_sysfs_text(sysfs, folder, "ari_enabled", "0");
	medio_sysfs_text(sysfs, folder, "msi_bus", "1");
	medio_sysfs_text(sysfs, folder, "d3cold_allowed", "0");
	medio_sysfs_text(sysfs, folder, "power_state", "D0");
	medio_sysfs_text(sysfs, folder, "dma_mask_bits", "64");
	medio_sysfs_text(sysfs, folder, "consistent_dma_mask_bits", "64");
	medio_sysfs_text(sysfs, folder, "broken_parity_status", "0");
	add_links(sysfs, folder, kdev);
	medio_sysfs_card_files(sysfs, card, folder);
	if (kdev->look == MEDIO_KDEV_UIO)
		medio_sysfs_uio(sysfs, kdev, folder, bars);
	add_to_bus(sysfs, kdev, path);
}
