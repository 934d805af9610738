/* SPDX-License-Identifier: BSD-3-Clause */
/* What a program sees of our devices in /sys and /dev, as a tree of nodes, on a card in this process. */
#include "test_kdev_bed.h"

#include <linux/pci_regs.h>
#include <poll.h>
#include <stdio.h>

#include "compat/fsnode.h"
#include "compat/kgroup.h"
#include "compat/kranges.h"
#include "util/error.h"

#define BDF    "fedc:00:1e.0"
#define DEVICE "sys/devices/pcifedc:00/" BDF "/"
#define UUID   "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
#define MDEV   "sys/devices/virtual/bench/bench/" UUID "/"

/* ---- The bed --------------------------------------------------------------------------------------- */

/* No machine has a device of its own there. */
static const struct medio_kdev_options pci = {
	.look = MEDIO_KDEV_PCI, .name = BDF, .type = "bench"
};

static struct bed *bed_make_on(const struct medio_type *type, const struct medio_kdev_options *opts,
	bool noiommu, bool spapr)
{
	struct bed *bed = calloc(1, sizeof(*bed));
	struct medio_error *err = NULL;
	struct medio_kgroup *group;

	bed_new(bed, type, opts);
	bed_close_fd(bed, bed->fd);
	bed->compat->spapr = spapr;
	if (opts->look != MEDIO_KDEV_UIO)
		assert_int_equal(medio_kgroup_new(bed->compat, bed->kdev, noiommu, &group), 0);
	int ret = medio_sysfs_make(bed->compat, &err);
	if (ret)
		print_error("%s\n", medio_error_text(err));
	assert_int_equal(ret, 0);
	return bed;
}

static struct bed *bed_make(
	const struct medio_type *type, const struct medio_kdev_options *opts, bool noiommu)
{
	return bed_make_on(type, opts, noiommu, false);
}

static int setup_sysfs_pci(void **state)
{
	*state = bed_make(&bench_type, &pci, false);
	return 0;
}

static int setup_sysfs_noiommu(void **state)
{
	*state = bed_make(&bench_type, &pci, true);
	return 0;
}

static int setup_sysfs_spapr(void **state)
{
	*state = bed_make_on(&bench_type, &pci, false, true);
	return 0;
}

static int setup_sysfs_plain(void **state)
{
	*state = bed_make(&plain_type, &pci, false);
	return 0;
}

static int setup_sysfs_mdev(void **state)
{
	*state = bed_make(&bench_type, &bed_mdev, false);
	return 0;
}

static int setup_sysfs_uio(void **state)
{
	const struct medio_kdev_options opts = {
		.look = MEDIO_KDEV_UIO, .map = MEDIO_KDEV_MAP_ALL, .name = BDF, .type = "bench"
	};

	*state = bed_make(&bench_type, &opts, false);
	return 0;
}

static struct medio_fsnode *child_named(const struct medio_fsnode *folder, const char *name)
{
	struct medio_fsnode *node;

	for (unsigned i = 0; (node = medio_fs_child(folder, i)); i++)
		if (!strcmp(medio_fs_name(node), name))
			return node;
	return NULL;
}

/* What is at path, through links; NULL. */
static struct medio_fsnode *walk_from(struct medio_fsnode *folder, const char *path, unsigned links)
{
	char copy[512], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *name = strtok_r(copy, "/", &save); name && folder;
		name = strtok_r(NULL, "/", &save)) {
		if (!strcmp(name, "..")) {
			folder = folder->parent;
			continue;
		}
		struct medio_fsnode *next = child_named(folder, name);
		if (next && medio_fs_target(next))
			next = links ? walk_from(folder, medio_fs_target(next), links - 1) : NULL;
		folder = next;
	}
	return folder;
}

static struct medio_fsnode *find(struct bed *bed, const char *path)
{
	return walk_from(medio_fs_root(bed->compat->fs), path, 8);
}

static void no_change(void *opaque)
{
	(void)opaque;
}

static void file_open(struct bed *bed, const char *path, unsigned flags, struct medio_fsopen *file)
{
	struct medio_fsnode *node = find(bed, path);

	if (!node)
		print_error("no %s\n", path);
	assert_non_null(node);
	assert_int_equal(medio_fsopen_open(file, &node->inode, flags, no_change, NULL), 0);
}

static ssize_t file_read(struct bed *bed, const char *path, void *buf, size_t size, uint64_t offset)
{
	struct medio_fsopen file;

	file_open(bed, path, O_RDONLY, &file);
	ssize_t ret = medio_fsopen_read(&file, buf, size, offset);
	medio_fsopen_close(&file);
	return ret;
}

static ssize_t file_write(
	struct bed *bed, const char *path, const void *buf, size_t size, uint64_t offset)
{
	struct medio_fsopen file;

	file_open(bed, path, O_WRONLY, &file);
	ssize_t ret = medio_fsopen_write(&file, buf, size, offset);
	medio_fsopen_close(&file);
	return ret;
}

static void assert_text(struct bed *bed, const char *path, const char *expected)
{
	char text[4096];
	ssize_t len = file_read(bed, path, text, sizeof(text) - 1, 0);

	assert_in_range(len, 0, sizeof(text) - 1);
	text[len] = '\0';
	assert_string_equal(text, expected);
}

static void assert_link(struct bed *bed, const char *path, const char *target)
{
	char folder[256];
	const char *slash = strrchr(path, '/');

	snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
	struct medio_fsnode *node = child_named(find(bed, folder), slash + 1);
	assert_non_null(node);
	assert_string_equal(medio_fs_target(node), target);
}

/* ---- All of it ----------------------------------------------------------------------------------------- */

static void check_links(struct medio_fsnode *folder)
{
	struct medio_fsnode *node;

	for (unsigned i = 0; (node = medio_fs_child(folder, i)); i++) {
		if (medio_fs_is_folder(node))
			check_links(node);
		if (medio_fs_target(node) && !walk_from(folder, medio_fs_target(node), 8))
			fail_msg("%s/%s -> %s leads nowhere", medio_fs_name(folder),
				medio_fs_name(node), medio_fs_target(node));
	}
}

static void every_link_leads_to_something(void **state)
{
	struct bed *bed = *state;

	check_links(medio_fs_root(bed->compat->fs));
}

/* ---- Mediated devices ------------------------------------------------------------------------------------ */

static void a_mediated_device_has_what_qemu_looks_for(void **state)
{
	struct bed *bed = *state;

	assert_link(
		bed, "sys/bus/mdev/devices/" UUID, "../../../devices/virtual/bench/bench/" UUID);
	assert_link(bed, MDEV "subsystem", "../../../../../bus/mdev");
	assert_link(bed, MDEV "iommu_group", "../../../../../kernel/iommu_groups/0");
	assert_link(bed, MDEV "driver", "../../../../../bus/mdev/drivers/bench");
	assert_text(bed, "sys/bus/mdev/devices/" UUID "/vfio-dev/vfio0/dev", "1:3\n");
	assert_text(bed, "sys/class/vfio-dev/vfio0/dev", "1:3\n");
	assert_text(bed, MDEV "uevent", "DRIVER=bench\n");
	assert_ptr_equal(find(bed, "sys/kernel/iommu_groups/0/devices/" UUID), find(bed, MDEV));
	assert_text(bed, "sys/kernel/iommu_groups/0/name", "vfio-noiommu\n");
	assert_non_null(find(bed, "dev/vfio/0"));
	assert_non_null(find(bed, "dev/vfio/vfio"));
	assert_non_null(find(bed, "dev/iommu"));
}

static void a_mediated_device_has_a_parent_and_a_type(void **state)
{
	struct bed *bed = *state;

	assert_text(bed, MDEV "mdev_type/name", "bench-1\n");
	assert_text(bed, MDEV "mdev_type/device_api", "vfio-pci\n");
	assert_text(bed, MDEV "mdev_type/available_instances", "0\n");
	assert_ptr_equal(find(bed, MDEV "mdev_type/devices/" UUID), find(bed, MDEV));
	assert_ptr_equal(find(bed, "sys/class/mdev_bus/bench"), find(bed, MDEV)->parent);
	assert_int_equal(file_write(bed, MDEV "mdev_type/create", UUID, 36, 0), -ENOSPC);
	assert_int_equal(file_write(bed, MDEV "mdev_type/create", "x", 1, 0), -EINVAL);
	assert_int_equal(file_write(bed, MDEV "remove", "1", 1, 0), -EBUSY);
}

static void two_devices_of_a_type_share_parent_and_type(void **state)
{
	const struct medio_kdev_options other = {
		.look = MEDIO_KDEV_MDEV,
		.name = "00000000-0000-0000-0000-000000000002",
		.type = "bench-1",
		.driver = "bench",
	};
	struct bed *bed = calloc(1, sizeof(*bed));
	struct medio_instance *inst;
	struct medio_card *card;
	struct medio_kdev *kdev;
	struct medio_kgroup *group;

	bed_new(bed, &bench_type, &bed_mdev);
	assert_int_equal(medio_kgroup_new(bed->compat, bed->kdev, false, &group), 0);
	assert_int_equal(medio_instance_new(bed->devices, &bench_type, NULL, &inst, NULL), 0);
	assert_int_equal(medio_card_open_instance(inst, &card, NULL), 0);
	assert_int_equal(medio_kdev_new(bed->compat, card, &other, &kdev, NULL), 0);
	assert_int_equal(medio_kgroup_new(bed->compat, kdev, false, &group), 0);
	assert_int_equal(medio_sysfs_make(bed->compat, NULL), 0);
	check_links(medio_fs_root(bed->compat->fs));
	assert_text(bed,
		"sys/bus/mdev/devices/00000000-0000-0000-0000-000000000002/vfio-dev/vfio1/dev",
		"1:3\n");
	assert_non_null(find(bed, "dev/vfio/1"));
	bed_close_fd(bed, bed->fd);
	medio_compat_free(bed->compat);
	bed->compat = NULL;
	medio_instance_free(inst);
	medio_instance_free(bed->inst);
	medio_loop_free(bed->devices);
	medio_loop_free(bed->loop);
	free(bed);
	(void)state;
}

/* ---- PCI devices ----------------------------------------------------------------------------------------- */

static void a_pci_device_says_what_it_is(void **state)
{
	struct bed *bed = *state;

	assert_link(bed, "sys/bus/pci/devices/" BDF, "../../../devices/pcifedc:00/" BDF);
	assert_text(bed, DEVICE "vendor", "0x1234\n");
	assert_text(bed, DEVICE "device", "0x0be0\n");
	assert_text(bed, DEVICE "class", "0xff0000\n");
	assert_text(bed, DEVICE "revision", "0x00\n");
	assert_text(bed, DEVICE "numa_node", "-1\n");
	assert_text(bed, DEVICE "irq", "11\n");
	assert_text(bed, DEVICE "driver_override", "vfio-pci\n");
	char text[512];
	ssize_t len = file_read(bed, DEVICE "uevent", text, sizeof(text) - 1, 0);
	assert_true(len > 0);
	text[len] = '\0';
	assert_non_null(strstr(text, "DRIVER=vfio-pci\n"));
	assert_non_null(strstr(text, "PCI_ID=1234:0BE0\n"));
	assert_non_null(strstr(text, "PCI_SLOT_NAME=" BDF "\n"));
	assert_non_null(strstr(text, "MODALIAS=pci:v00001234d00000BE0sv"));
}

static void a_pci_device_has_its_driver_and_group(void **state)
{
	struct bed *bed = *state;

	assert_link(bed, DEVICE "driver", "../../../bus/pci/drivers/vfio-pci");
	assert_link(bed, DEVICE "subsystem", "../../../bus/pci");
	assert_link(bed, DEVICE "iommu_group", "../../../kernel/iommu_groups/0");
	assert_ptr_equal(find(bed, "sys/bus/pci/drivers/vfio-pci/" BDF), find(bed, DEVICE));
	assert_text(bed, "sys/kernel/iommu_groups/0/type", "DMA-FQ\n");
	assert_null(find(bed, "sys/kernel/iommu_groups/0/name"));
	assert_text(bed, "sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "N\n");
	assert_non_null(find(bed, "sys/module/vfio_iommu_type1"));
	assert_non_null(find(bed, "sys/module/vfio_pci/drivers/pci:vfio-pci/" BDF));
	assert_int_equal(file_write(bed, DEVICE "driver/unbind", BDF, 12, 0), -EBUSY);
	assert_int_equal(file_write(bed, DEVICE "driver/new_id", "1 2", 3, 0), 3);
}

/* What mappings are refused at (kranges.h), which is what the container and the IOAS say that they take. */
static void a_pci_group_reserves_what_its_devices_do_not_reach(void **state)
{
	struct bed *bed = *state;
	struct medio_kranges ranges;

	assert_text(bed, "sys/kernel/iommu_groups/0/reserved_regions",
		"0x00000000fee00000 0x00000000feefffff msi\n");
	medio_kranges_all(&ranges);
	medio_kranges_narrow(&ranges, bed->kdev);
	assert_int_equal(ranges.num, 2);
	assert_int_equal(ranges.range[0].first, 0);
	assert_int_equal(ranges.range[0].last, 0xfee00000 - 1);
	assert_int_equal(ranges.range[1].first, 0xfeefffff + UINT64_C(1));
}

static void other_groups_reserve_nothing(void **state)
{
	struct bed *bed = *state;

	assert_text(bed, "sys/kernel/iommu_groups/0/reserved_regions", "");
}

static void a_group_without_an_iommu_is_called_so(void **state)
{
	struct bed *bed = *state;

	assert_text(bed, "sys/kernel/iommu_groups/0/name", "vfio-noiommu\n");
	assert_text(bed, "sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
	assert_non_null(find(bed, "dev/vfio/noiommu-0"));
	assert_non_null(find(bed, "sys/class/vfio/noiommu-0/dev"));
	assert_null(find(bed, "dev/vfio/0"));
	assert_null(find(bed, DEVICE "vfio-dev"));
}

struct line {
	unsigned long long first, last, flags;
};

static unsigned read_resources(struct bed *bed, struct line lines[16])
{
	char text[2048], *at = text;
	ssize_t len = file_read(bed, DEVICE "resource", text, sizeof(text) - 1, 0);
	unsigned n = 0;
	int used;

	assert_true(len > 0);
	text[len] = '\0';
	while (n < 16 && sscanf(at, "%llx %llx %llx\n%n", &lines[n].first, &lines[n].last,
				 &lines[n].flags, &used) == 3) {
		at += used;
		n++;
	}
	return n;
}

static void its_bars_lie_somewhere_each_by_itself(void **state)
{
	struct bed *bed = *state;
	struct line lines[16];

	assert_int_equal(read_resources(bed, lines), 13);
	assert_int_equal(lines[0].last - lines[0].first + 1, 4096);
	assert_int_equal(lines[0].flags, 0x40200);
	assert_int_equal(lines[0].first % 4096, 0);
	assert_true(lines[0].last <= UINT32_MAX);
	assert_int_equal(lines[1].first | lines[1].last | lines[1].flags, 0);
	assert_int_equal(lines[2].last - lines[2].first + 1, 16384);
	assert_int_equal(lines[2].flags & ~0x2008ull, 0x140204);
	assert_int_equal(lines[2].first % 16384, 0);
	assert_int_equal(lines[4].last - lines[4].first + 1, 16);
	assert_int_equal(lines[4].flags, 0x40101);
	assert_true(lines[4].last <= 0xffff);
}

static uint32_t config32(struct bed *bed, uint64_t at)
{
	uint32_t value = 0;

	assert_int_equal(file_read(bed, DEVICE "config", &value, 4, at), 4);
	return value;
}

static void config_space_shows_where_the_bars_lie_until_others_are_written(void **state)
{
	struct bed *bed = *state;
	struct line lines[16];
	uint32_t value = 0xfe000000, ones = UINT32_MAX, none = 0;

	read_resources(bed, lines);
	assert_int_equal(config32(bed, PCI_BASE_ADDRESS_0), lines[0].first);
	assert_int_equal(config32(bed, PCI_BASE_ADDRESS_2) & ~0xfu, (uint32_t)lines[2].first);
	assert_int_equal(config32(bed, PCI_BASE_ADDRESS_3), lines[2].first >> 32);
	assert_int_equal(config32(bed, PCI_BASE_ADDRESS_4), lines[4].first | 1);
	assert_int_equal(config32(bed, PCI_BASE_ADDRESS_1), 0);
	assert_int_equal(file_write(bed, DEVICE "config", &value, 4, PCI_BASE_ADDRESS_0), 4);
	assert_int_equal(config32(bed, PCI_BASE_ADDRESS_0), value);
	/* A size is asked for as ever. */
	assert_int_equal(file_write(bed, DEVICE "config", &ones, 4, PCI_BASE_ADDRESS_0), 4);
	assert_int_equal(config32(bed, PCI_BASE_ADDRESS_0), 0xfffff000);
	assert_int_equal(file_write(bed, DEVICE "config", &none, 4, PCI_BASE_ADDRESS_0), 4);
	assert_int_equal(config32(bed, PCI_BASE_ADDRESS_0), lines[0].first);
}

static void config_space_is_the_cards_own(void **state)
{
	struct bed *bed = *state;
	uint16_t command = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY, seen = 0;
	uint8_t all[4096], odd[7];

	assert_int_equal(file_write(bed, DEVICE "config", &command, 2, PCI_COMMAND), 2);
	assert_int_equal(
		medio_card_read16(bed->kdev->card, MEDIO_CARD_CONFIG, PCI_COMMAND, &seen), 0);
	assert_int_equal(seen, command);
	assert_int_equal(find(bed, DEVICE "config")->ops->size, 4096);
	assert_int_equal(file_read(bed, DEVICE "config", all, sizeof(all), 0), 4096);
	assert_int_equal(all[0] | all[1] << 8, 0x1234);
	assert_int_equal(file_read(bed, DEVICE "config", odd, 7, 1), 7);
	assert_memory_equal(odd, all + 1, 7);
	assert_int_equal(file_read(bed, DEVICE "config", all, 100, 4090), 6);
	assert_int_equal(file_read(bed, DEVICE "config", all, 100, 4096), 0);
	assert_int_equal(file_write(bed, DEVICE "config", all, 4, 4096), -EFBIG);
}

static void a_part_of_a_bar_register_is_what_the_whole_is(void **state)
{
	struct bed *bed = *state;
	uint8_t bytes[6];
	uint32_t bar0 = config32(bed, PCI_BASE_ADDRESS_0);

	assert_int_equal(file_read(bed, DEVICE "config", bytes, 6, PCI_BASE_ADDRESS_0 - 2), 6);
	assert_memory_equal(bytes + 2, &bar0, 4);
	assert_int_equal(file_read(bed, DEVICE "config", bytes, 2, PCI_BASE_ADDRESS_0 + 2), 2);
	assert_int_equal(bytes[0] | bytes[1] << 8, bar0 >> 16);
}

static void plain_pci_has_256_bytes_of_config_space(void **state)
{
	struct bed *bed = *state;
	uint8_t bytes[512];

	assert_int_equal(find(bed, DEVICE "config")->ops->size, 256);
	assert_int_equal(file_read(bed, DEVICE "config", bytes, sizeof(bytes), 0), 256);
	assert_text(bed, DEVICE "irq", "0\n");
}

static void ports_are_read_and_written_by_their_file(void **state)
{
	struct bed *bed = *state;
	uint32_t value = 0x11223344, seen = 0;

	assert_int_equal(find(bed, DEVICE "resource4")->ops->size, 16);
	assert_int_equal(file_write(bed, DEVICE "resource4", &value, 4, 8), 4);
	assert_memory_equal(bed_bench(bed)->ports + 8, &value, 4);
	assert_int_equal(file_read(bed, DEVICE "resource4", &seen, 2, 8), 2);
	assert_int_equal(seen, 0x3344);
	assert_int_equal(file_read(bed, DEVICE "resource4", &seen, 3, 8), -EINVAL);
	assert_int_equal(file_read(bed, DEVICE "resource4", &seen, 4, 14), -EINVAL);
	assert_int_equal(file_read(bed, DEVICE "resource4", &seen, 4, 16), 0);
	assert_int_equal(file_write(bed, DEVICE "resource4", &seen, 4, 16), -EFBIG);
}

static void memory_can_be_mapped_only(void **state)
{
	struct bed *bed = *state;
	struct medio_fsnode *node = find(bed, DEVICE "resource0");
	uint32_t value;

	assert_int_equal(node->ops->size, 4096);
	assert_non_null(node->ops->mmap);
	assert_ptr_equal(medio_kfile_find(bed->compat, 1, node->inode.ino), &node->mapped);
	assert_int_equal(file_read(bed, DEVICE "resource0", &value, 4, 0), -EIO);
	assert_int_equal(file_write(bed, DEVICE "resource0", &value, 4, 0), -EIO);
	assert_null(find(bed, DEVICE "resource1"));
	assert_null(find(bed, DEVICE "resource3"));
}

static void a_reset_keeps_what_the_kernel_keeps(void **state)
{
	struct bed *bed = *state;
	unsigned resets = bed_bench(bed)->resets;
	uint32_t value = 0xfe000000;
	uint16_t command = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY, seen = 0;

	assert_int_equal(file_write(bed, DEVICE "config", &value, 4, PCI_BASE_ADDRESS_0), 4);
	assert_int_equal(file_write(bed, DEVICE "config", &command, 2, PCI_COMMAND), 2);
	assert_int_equal(file_write(bed, DEVICE "reset", "0", 1, 0), -EINVAL);
	assert_int_equal(file_write(bed, DEVICE "reset", "", 0, 0), -EINVAL);
	assert_int_equal(bed_bench(bed)->resets, resets);
	assert_int_equal(file_write(bed, DEVICE "reset", "1\n", 2, 0), 2);
	assert_int_equal(bed_bench(bed)->resets, resets + 1);
	assert_int_equal(config32(bed, PCI_BASE_ADDRESS_0), value);
	assert_int_equal(file_read(bed, DEVICE "config", &seen, 2, PCI_COMMAND), 2);
	assert_int_equal(seen, command);
}

static void the_driver_override_is_kept_as_text(void **state)
{
	struct bed *bed = *state;
	char longer[80];

	memset(longer, 'x', sizeof(longer));
	assert_int_equal(file_write(bed, DEVICE "driver_override", "\n", 1, 0), 1);
	assert_text(bed, DEVICE "driver_override", "(null)\n");
	assert_int_equal(file_write(bed, DEVICE "driver_override", "abc\n", 4, 0), 4);
	assert_text(bed, DEVICE "driver_override", "abc\n");
	assert_int_equal(file_write(bed, DEVICE "driver_override", longer, 80, 0), -EINVAL);
	assert_text(bed, DEVICE "driver_override", "abc\n");
}

static void enabling_turns_decoding_on(void **state)
{
	struct bed *bed = *state;
	uint16_t command = 0;

	assert_text(bed, DEVICE "enable", "0\n");
	assert_int_equal(file_write(bed, DEVICE "enable", "0", 1, 0), -EIO);
	assert_int_equal(file_write(bed, DEVICE "enable", "1\n", 2, 0), 2);
	assert_text(bed, DEVICE "enable", "1\n");
	assert_int_equal(file_read(bed, DEVICE "config", &command, 2, PCI_COMMAND), 2);
	assert_int_equal(command & 3, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	assert_int_equal(file_write(bed, DEVICE "enable", "x", 1, 0), -EINVAL);
}

/* ---- UIO ------------------------------------------------------------------------------------------------- */

static void a_uio_device_has_what_the_howto_looks_for(void **state)
{
	struct bed *bed = *state;
	struct line lines[16];
	char expected[40];

	assert_link(bed, "sys/class/uio/uio0", "../../devices/pcifedc:00/" BDF "/uio/uio0");
	assert_ptr_equal(find(bed, "sys/class/uio/uio0/device"), find(bed, DEVICE));
	assert_link(bed, DEVICE "driver", "../../../bus/pci/drivers/uio_pci_generic");
	assert_text(bed, "sys/class/uio/uio0/name", "uio_pci_generic\n");
	assert_text(bed, "sys/class/uio/uio0/event", "0\n");
	assert_text(bed, "sys/class/uio/uio0/maps/map0/name", "BAR0\n");
	assert_text(bed, "sys/class/uio/uio0/maps/map0/size", "0x0000000000001000\n");
	assert_text(bed, "sys/class/uio/uio0/maps/map0/offset", "0x0\n");
	read_resources(bed, lines);
	snprintf(expected, sizeof(expected), "0x%016llx\n", lines[0].first);
	assert_text(bed, "sys/class/uio/uio0/maps/map0/addr", expected);
	assert_text(bed, "sys/class/uio/uio0/maps/map1/name", "BAR2\n");
	assert_text(bed, "sys/class/uio/uio0/portio/port0/name", "BAR4\n");
	assert_text(bed, "sys/class/uio/uio0/portio/port0/porttype", "port_x86\n");
	assert_non_null(find(bed, "dev/uio0"));
	assert_null(find(bed, "dev/vfio"));
	assert_null(find(bed, DEVICE "iommu_group"));
	assert_non_null(find(bed, "sys/module/uio_pci_generic/drivers/pci:uio_pci_generic/" BDF));
}

static void a_device_on_uio_decodes_its_bars(void **state)
{
	struct bed *bed = *state;
	uint16_t command = 0;

	assert_int_equal(file_read(bed, DEVICE "config", &command, 2, PCI_COMMAND), 2);
	assert_int_equal(command & 3, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	assert_text(bed, DEVICE "enable", "1\n");
}

static void on_changed(void *opaque)
{
	(*(unsigned *)opaque)++;
}

static void set_line(struct bed *bed, uint32_t level)
{
	assert_int_equal(
		medio_card_write32(bed->kdev->card, MEDIO_CARD_BAR0, BENCH_LINE, level), 0);
	bed_run(bed);
}

static void unmask(struct bed *bed)
{
	uint16_t command;

	assert_int_equal(file_read(bed, DEVICE "config", &command, 2, PCI_COMMAND), 2);
	assert_int_equal(command & PCI_COMMAND_INTX_DISABLE, PCI_COMMAND_INTX_DISABLE);
	command &= (uint16_t)~PCI_COMMAND_INTX_DISABLE;
	assert_int_equal(file_write(bed, DEVICE "config", &command, 2, PCI_COMMAND), 2);
	bed_run(bed);
}

static void each_opener_of_uio_counts_interrupts_by_itself(void **state)
{
	struct bed *bed = *state;
	struct medio_fsnode *node = find(bed, "dev/uio0");
	struct medio_fsopen a, b;
	unsigned changes = 0;
	uint32_t count = 0;

	assert_int_equal(medio_fsopen_open(&a, &node->inode, O_RDWR, on_changed, &changes), 0);
	assert_int_equal(medio_fsopen_read(&a, &count, 4, 0), -EAGAIN);
	assert_int_equal(medio_fsopen_poll(&a), 0);
	set_line(bed, 1);
	assert_int_equal(changes, 1);
	assert_int_equal(medio_fsopen_poll(&a), POLLIN | POLLRDNORM);
	assert_int_equal(medio_fsopen_open(&b, &node->inode, O_RDWR, on_changed, &changes), 0);
	assert_int_equal(medio_fsopen_read(&b, &count, 4, 0), -EAGAIN);
	assert_int_equal(medio_fsopen_read(&a, &count, 4, 0), 4);
	assert_int_equal(count, 1);
	assert_int_equal(medio_fsopen_read(&a, &count, 4, 0), -EAGAIN);
	assert_text(bed, "sys/class/uio/uio0/event", "1\n");
	medio_fsopen_close(&a);
	medio_fsopen_close(&b);
}

static void uio_masks_intx_until_the_program_unmasks_it(void **state)
{
	struct bed *bed = *state;
	struct medio_fsnode *node = find(bed, "dev/uio0");
	struct medio_fsopen file;
	unsigned changes = 0;
	uint32_t count = 0;

	assert_int_equal(medio_fsopen_open(&file, &node->inode, O_RDWR, on_changed, &changes), 0);
	set_line(bed, 1);
	assert_int_equal(medio_fsopen_read(&file, &count, 4, 0), 4);
	/* It stays asserted: it comes again once it may. */
	assert_int_equal(medio_fsopen_read(&file, &count, 4, 0), -EAGAIN);
	unmask(bed);
	assert_int_equal(medio_fsopen_read(&file, &count, 4, 0), 4);
	assert_int_equal(count, 2);
	set_line(bed, 0);
	unmask(bed);
	assert_int_equal(medio_fsopen_read(&file, &count, 4, 0), -EAGAIN);
	set_line(bed, 1);
	set_line(bed, 0);
	unmask(bed);
	set_line(bed, 1);
	/* Two at once show as a jump. */
	assert_int_equal(medio_fsopen_read(&file, &count, 4, 0), 4);
	assert_int_equal(count, 4);
	medio_fsopen_close(&file);
}

static void uio_takes_four_bytes_and_has_no_irqcontrol(void **state)
{
	struct bed *bed = *state;
	struct medio_fsnode *node = find(bed, "dev/uio0");
	struct medio_fsopen file;
	uint32_t count[2] = { 1 };

	assert_int_equal(medio_fsopen_open(&file, &node->inode, O_RDWR, no_change, NULL), 0);
	assert_int_equal(medio_fsopen_read(&file, count, 3, 0), -EINVAL);
	assert_int_equal(medio_fsopen_read(&file, count, 8, 0), -EINVAL);
	assert_int_equal(medio_fsopen_write(&file, count, 8, 0), -EINVAL);
	assert_int_equal(medio_fsopen_write(&file, count, 4, 0), -ENOSYS);
	medio_fsopen_close(&file);
}

static void closing_uio_takes_bus_mastering_away(void **state)
{
	struct bed *bed = *state;
	struct medio_fsnode *node = find(bed, "dev/uio0");
	uint16_t command = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	struct medio_fsopen file;

	assert_int_equal(medio_fsopen_open(&file, &node->inode, O_RDWR, no_change, NULL), 0);
	assert_int_equal(file_write(bed, DEVICE "config", &command, 2, PCI_COMMAND), 2);
	medio_fsopen_close(&file);
	assert_int_equal(file_read(bed, DEVICE "config", &command, 2, PCI_COMMAND), 2);
	assert_int_equal(command, PCI_COMMAND_MEMORY);
}

static void uio_without_an_interrupt_says_eio(void **state)
{
	const struct medio_kdev_options opts = {
		.look = MEDIO_KDEV_UIO, .name = BDF, .type = "plain"
	};
	struct bed *bed = bed_make(&plain_type, &opts, false);
	struct medio_fsopen file;
	uint32_t count = 0;

	struct medio_fsnode *node = find(bed, "dev/uio0");
	assert_int_equal(medio_fsopen_open(&file, &node->inode, O_RDWR, no_change, NULL), 0);
	assert_int_equal(medio_fsopen_read(&file, &count, 4, 0), -EIO);
	assert_int_equal(medio_fsopen_write(&file, &count, 4, 0), -EIO);
	medio_fsopen_close(&file);
	bed_free(bed);
	free(bed);
	(void)state;
}

static void a_uio_device_that_goes_tells_who_has_it_open(void **state)
{
	struct bed *bed = *state;
	struct medio_fsnode *node = find(bed, "dev/uio0");
	struct medio_fsopen file;
	unsigned changes = 0;
	uint32_t count;

	assert_int_equal(medio_fsopen_open(&file, &node->inode, O_RDWR, on_changed, &changes), 0);
	medio_fs_remove(find(bed, "sys/class/uio/uio0/event"));
	medio_fs_remove(node);
	assert_int_equal(changes, 1);
	assert_int_equal(medio_fsopen_read(&file, &count, 4, 0), -ENODEV);
	medio_fsopen_close(&file);
}

static int64_t map_uio(struct bed *bed, uint64_t length, uint64_t offset)
{
	struct medio_fsnode *node = find(bed, "dev/uio0");
	struct program_call c = program_call(&bed->p, &node->mapped, __NR_mmap, 0, length, 3, 1);

	c.call.args[4] = 99;
	c.call.args[5] = offset;
	return node->mapped.ops->mmap(&node->mapped, &c.call);
}

static void a_map_of_uio_that_is_none_is_refused(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(map_uio(bed, 4096, 2 * 4096), -EINVAL);
	assert_int_equal(map_uio(bed, 4096, 5 * 4096), -EINVAL);
	assert_int_equal(map_uio(bed, 4096, 1ull << 60), -EINVAL);
	assert_int_equal(map_uio(bed, 8192, 0), -EINVAL);
	assert_int_equal(map_uio(bed, 0, 0), -EINVAL);
	assert_int_equal(map_uio(bed, 5 * 4096, 4096), -EINVAL);
}

int main(void)
{
#define MDEV_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup_sysfs_mdev, teardown)
#define PCI_TEST(fn)  cmocka_unit_test_setup_teardown(fn, setup_sysfs_pci, teardown)
#define UIO_TEST(fn)  cmocka_unit_test_setup_teardown(fn, setup_sysfs_uio, teardown)
	const struct CMUnitTest tests[] = {
		{ "mdev: every_link_leads_to_something", every_link_leads_to_something,
			setup_sysfs_mdev, teardown, NULL },
		{ "pci: every_link_leads_to_something", every_link_leads_to_something,
			setup_sysfs_pci, teardown, NULL },
		{ "noiommu: every_link_leads_to_something", every_link_leads_to_something,
			setup_sysfs_noiommu, teardown, NULL },
		{ "uio: every_link_leads_to_something", every_link_leads_to_something,
			setup_sysfs_uio, teardown, NULL },
		MDEV_TEST(a_mediated_device_has_what_qemu_looks_for),
		MDEV_TEST(a_mediated_device_has_a_parent_and_a_type),
		cmocka_unit_test(two_devices_of_a_type_share_parent_and_type),
		PCI_TEST(a_pci_device_says_what_it_is),
		PCI_TEST(a_pci_device_has_its_driver_and_group),
		cmocka_unit_test_setup_teardown(
			a_group_without_an_iommu_is_called_so, setup_sysfs_noiommu, teardown),
		PCI_TEST(a_pci_group_reserves_what_its_devices_do_not_reach),
		{ "mdev: other_groups_reserve_nothing", other_groups_reserve_nothing,
			setup_sysfs_mdev, teardown, NULL },
		{ "noiommu: other_groups_reserve_nothing", other_groups_reserve_nothing,
			setup_sysfs_noiommu, teardown, NULL },
		{ "spapr: other_groups_reserve_nothing", other_groups_reserve_nothing,
			setup_sysfs_spapr, teardown, NULL },
		PCI_TEST(its_bars_lie_somewhere_each_by_itself),
		PCI_TEST(config_space_shows_where_the_bars_lie_until_others_are_written),
		PCI_TEST(config_space_is_the_cards_own),
		PCI_TEST(a_part_of_a_bar_register_is_what_the_whole_is),
		cmocka_unit_test_setup_teardown(
			plain_pci_has_256_bytes_of_config_space, setup_sysfs_plain, teardown),
		PCI_TEST(ports_are_read_and_written_by_their_file),
		PCI_TEST(memory_can_be_mapped_only),
		PCI_TEST(a_reset_keeps_what_the_kernel_keeps),
		PCI_TEST(the_driver_override_is_kept_as_text),
		PCI_TEST(enabling_turns_decoding_on),
		UIO_TEST(a_uio_device_has_what_the_howto_looks_for),
		UIO_TEST(a_device_on_uio_decodes_its_bars),
		UIO_TEST(each_opener_of_uio_counts_interrupts_by_itself),
		UIO_TEST(uio_masks_intx_until_the_program_unmasks_it),
		UIO_TEST(uio_takes_four_bytes_and_has_no_irqcontrol),
		UIO_TEST(closing_uio_takes_bus_mastering_away),
		cmocka_unit_test(uio_without_an_interrupt_says_eio),
		UIO_TEST(a_uio_device_that_goes_tells_who_has_it_open),
		UIO_TEST(a_map_of_uio_that_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
