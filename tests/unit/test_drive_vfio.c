/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cards over a kernel that is a fake: its VFIO knows two devices in one group, a third in another, and
 * gives the errno it is told to. A device's file is a memfd, so that registers are really read,
 * written and mapped.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "drive/backend.h"
#include "test_drive_kernel.h"

#define RW	  (MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)
#define CONFIG_AT 0x20000
#define BAR0_SIZE 0x4000
#define UUID	  "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
#define MAX_MAPS  8

static struct {
	char log[1024];	    /* calls in order */
	const char *refuse; /* the name of a call */
	int error;
	bool viable;
	unsigned containers, groups, devices; /* opened so far */
	int container;			      /* the latest one's file */
	struct vfio_iommu_type1_dma_map map;
	uint64_t unmap_iova, unmap_size;
	uint32_t irq[4 + 64]; /* flags, index, start, count, fds */
	int data_fd;
	uint32_t bad_cap;	   /* cap_offset of region 0, if not 0 */
	char name[128], group[32]; /* opened last */
	bool huge_info;
	bool noiommu; /* what is attached has none */
	uintptr_t model;
	bool logs; /* the device keeps a log of what it writes, of these ranges */
	struct vfio_device_feature_dma_logging_range ranges[4];
	uint32_t num_ranges;
	bool log_cap; /* the container keeps one */
	uint8_t token[16];
} kernel;

static int fake_open(const char *path, int flags)
{
	const char *name = strrchr(path, '/') + 1;

	if (strstr(path, "/proc/")) {
		int fd = open(path, flags);
		return fd < 0 ? -errno : fd;
	}
	snprintf(kernel.group, sizeof(kernel.group), "%s", name);
	if (!strcmp(name, "vfio")) {
		if (kernel.refuse && !strcmp(kernel.refuse, "open container"))
			return -kernel.error;
		kernel.containers++;
		kernel.container = eventfd(0, EFD_CLOEXEC);
		return kernel.container;
	}
	if (kernel.refuse && !strcmp(kernel.refuse, "open group"))
		return -kernel.error;
	kernel.groups++;
	return eventfd(0, EFD_CLOEXEC);
}

static int refused(const char *call)
{
	strcat(kernel.log, call);
	strcat(kernel.log, " ");
	return kernel.refuse && !strcmp(kernel.refuse, call) ? -kernel.error : 0;
}

static int give_device(const char *name)
{
	uint16_t id[2] = { 0x1234, 0x11e8 };

	snprintf(kernel.name, sizeof(kernel.name), "%s", name);
	int fd = memfd_create("device", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 0x40000), 0);
	assert_int_equal(pwrite(fd, id, sizeof(id), CONFIG_AT), sizeof(id));
	kernel.devices++;
	return fd;
}

/* BAR 0 has one area; with huge_info its capability stands far behind. */
static int give_region(struct vfio_region_info *info)
{
	struct {
		struct vfio_info_cap_header header;
		uint32_t count, reserved;
		struct vfio_region_sparse_mmap_area area;
	} sparse = { { VFIO_REGION_INFO_CAP_SPARSE_MMAP, 1, 0 }, 1, 0, { 0x1000, 0x2000 } };
	uint32_t at = kernel.huge_info ? 5000 : sizeof(*info);

	if (info->index == 8)
		return -EINVAL;
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	info->size = info->index == 7 ? 256 : info->index ? 0 : BAR0_SIZE;
	info->offset = info->index == 7 ? CONFIG_AT : 0;
	if (info->index)
		return 0;
	info->flags |= VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS;
	if (info->argsz < at + sizeof(sparse)) {
		info->argsz = at + sizeof(sparse);
		return 0;
	}
	info->cap_offset = kernel.bad_cap ? kernel.bad_cap : at;
	memcpy((uint8_t *)info + at, &sparse, sizeof(sparse));
	return 0;
}

static int give_iommu(struct vfio_iommu_type1_info *info)
{
	struct {
		struct vfio_info_cap_header header;
		uint32_t count, reserved;
		struct vfio_iova_range ranges[2];
		struct vfio_iommu_type1_info_dma_avail avail;
	} caps = {
		{ VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, 1, 24 + offsetof(__typeof__(caps), avail) },
		2,
		0,
		{ { 0, 0xfedfffff }, { 0xfef00000, 0x7fffffffff } },
		{ { VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, 1, 0 }, 77 },
	};

	struct vfio_iommu_type1_info_cap_migration log = {
		{ VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION, 1, 0 }, 0, 0x1000, 1 << 20
	};

	info->flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
	info->iova_pgsizes = 0x40201000;
	info->cap_offset = 24;
	if (kernel.log_cap)
		caps.avail.header.next = 24 + sizeof(caps);
	memcpy((uint8_t *)info + 24, &caps, sizeof(caps));
	memcpy((uint8_t *)info + 24 + sizeof(caps), &log, sizeof(log));
	return 0;
}

/* The container's log: the second page of each mapping was written. */
static int dirty_pages(struct vfio_iommu_type1_dirty_bitmap *arg)
{
	struct vfio_iommu_type1_dirty_bitmap_get get;
	int ret;

	if (arg->flags == VFIO_IOMMU_DIRTY_PAGES_FLAG_START)
		return refused("LOG_START");
	if (arg->flags == VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP)
		return refused("LOG_STOP");
	assert_int_equal(arg->flags, VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP);
	assert_int_equal(arg->argsz, sizeof(*arg) + sizeof(get));
	memcpy(&get, arg->data, sizeof(get));
	assert_int_equal(get.bitmap.pgsize, 4096);
	assert_int_equal(get.bitmap.size, (get.size / 4096 + 63) / 64 * 8);
	ret = refused("LOG_GET");
	if (!ret)
		get.bitmap.data[0] |= 2;
	return ret;
}

static int group_ioctl(unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		((struct vfio_group_status *)arg)->flags = kernel.viable;
		return refused("STATUS");
	case VFIO_GROUP_SET_CONTAINER:
		kernel.noiommu = !strncmp(kernel.group, "noiommu-", 8);
		return refused("SET_CONTAINER");
	case VFIO_GROUP_GET_DEVICE_FD: {
		int ret = refused("DEVICE_FD");
		return ret ? ret : give_device(arg);
	}
	}
	return -ENOTTY;
}

static int container_ioctl(unsigned long request, void *arg)
{
	int ret;

	switch (request) {
	case VFIO_GET_API_VERSION:
		ret = refused("VERSION");
		return ret ? ret : VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		ret = refused("EXTENSION");
		if (ret)
			return ret + kernel.error;
		return (uintptr_t)arg == (kernel.noiommu ? VFIO_NOIOMMU_IOMMU : VFIO_TYPE1v2_IOMMU);
	case VFIO_SET_IOMMU:
		kernel.model = (uintptr_t)arg;
		return refused("SET_IOMMU");
	case VFIO_IOMMU_GET_INFO:
		return give_iommu(arg);
	case VFIO_IOMMU_MAP_DMA:
		kernel.map = *(struct vfio_iommu_type1_dma_map *)arg;
		return refused("MAP");
	case VFIO_IOMMU_UNMAP_DMA:
		kernel.unmap_iova = ((struct vfio_iommu_type1_dma_unmap *)arg)->iova;
		kernel.unmap_size = ((struct vfio_iommu_type1_dma_unmap *)arg)->size;
		return refused("UNMAP");
	}
	return group_ioctl(request, arg);
}

/* The device's log: the third page of what is asked for was written. */
static int device_log(struct vfio_device_feature *arg)
{
	const struct vfio_device_feature_dma_logging_control *control = (void *)arg->data;
	const struct vfio_device_feature_dma_logging_report *report = (void *)arg->data;

	switch (arg->flags) {
	case VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START:
		assert_int_equal(arg->argsz, sizeof(*arg) + sizeof(*control));
		kernel.num_ranges = control->num_ranges;
		memcpy(kernel.ranges, (void *)(uintptr_t)control->ranges,
			control->num_ranges * sizeof(kernel.ranges[0]));
		return refused("DEVICE_LOG_START");
	case VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP:
		return refused("DEVICE_LOG_STOP");
	case VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT:
		*(uint64_t *)(uintptr_t)report->bitmap |= 4;
		return refused("DEVICE_LOG_REPORT");
	}
	return -ENOTTY;
}

static int feature(struct vfio_device_feature *arg)
{
	struct vfio_device_feature_mig_state *mig = (void *)arg->data;

	if (arg->flags == (VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_PCI_VF_TOKEN)) {
		assert_int_equal(arg->argsz, sizeof(*arg) + sizeof(kernel.token));
		memcpy(kernel.token, arg->data, sizeof(kernel.token));
		return 0;
	}
	if (kernel.logs && (arg->flags & VFIO_DEVICE_FEATURE_MASK) >= 6)
		return device_log(arg);

	if ((arg->flags & VFIO_DEVICE_FEATURE_MASK) != VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE)
		return -ENOTTY;
	if (arg->flags & VFIO_DEVICE_FEATURE_GET)
		mig->device_state = VFIO_DEVICE_STATE_RUNNING;
	else
		mig->data_fd = kernel.data_fd;
	return 0;
}

static int fake_ioctl(int fd, unsigned long request, void *arg)
{
	/* The number is that of VFIO_DEVICE_FEATURE too. */
	if (fd == kernel.container && request == VFIO_IOMMU_DIRTY_PAGES)
		return dirty_pages(arg);
	switch (request) {
	case VFIO_DEVICE_GET_INFO: {
		struct vfio_device_info *info = arg;
		info->flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
		info->num_regions = 9;
		info->num_irqs = 5;
		return refused("INFO");
	}
	case VFIO_DEVICE_GET_REGION_INFO:
		return give_region(arg);
	case VFIO_DEVICE_GET_IRQ_INFO: {
		struct vfio_irq_info *info = arg;
		info->count = info->index == 1 ? 40 : 1;
		info->flags = VFIO_IRQ_INFO_EVENTFD |
			      (info->index ? 0 : VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED);
		return info->index == 3 ? -EINVAL : 0;
	}
	case VFIO_DEVICE_SET_IRQS: {
		const struct vfio_irq_set *set = arg;
		memcpy(kernel.irq, (uint8_t *)arg + 4, set->argsz - 4);
		return refused("SET_IRQS");
	}
	case VFIO_DEVICE_RESET:
		return refused("RESET");
	case VFIO_DEVICE_FEATURE:
		return feature(arg);
	}
	return container_ioctl(request, arg);
}

static struct medio_kernel fake = { machine, fake_open, fake_ioctl };

static void add_device(const char *bus, const char *name, const char *group, const char *driver)
{
	char path[PATH_MAX], target[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/%s/devices/%s/uevent", bus, name);
	machine_file(path, "");
	snprintf(path, sizeof(path), "/sys/bus/%s/devices/%s/subsystem", bus, name);
	snprintf(target, sizeof(target), "../../../bus/%s", bus);
	machine_link(path, target);
	if (driver) {
		snprintf(path, sizeof(path), "/sys/bus/%s/devices/%s/driver", bus, name);
		snprintf(target, sizeof(target), "../../../bus/%s/drivers/%s", bus, driver);
		machine_link(path, target);
		snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%s/devices/%s/driver",
			group ? group : "none", name);
		machine_link(path, target);
	}
	if (!group)
		return;
	snprintf(path, sizeof(path), "/sys/bus/%s/devices/%s/iommu_group", bus, name);
	snprintf(target, sizeof(target), "../../../kernel/iommu_groups/%s", group);
	machine_link(path, target);
}

static int setup(void **state)
{
	memset(&kernel, 0, sizeof(kernel));
	kernel.viable = true;
	kernel.data_fd = -1;
	machine_begin();
	add_device("pci", "0000:01:00.0", "5", "vfio-pci");
	add_device("pci", "0000:01:00.1", "5", "vfio-pci");
	add_device("pci", "0000:02:00.0", "6", "vfio-pci");
	add_device("mdev", UUID, "7", "vfio_mtty");
	return 0;
}

static int teardown(void **state)
{
	machine_end();
	return 0;
}

static struct medio_card *open_in(const char *uri, struct medio_container *container)
{
	struct medio_card_options opts = { .container = container };
	struct medio_card *card = NULL;

	assert_int_equal(medio_card_open_kernel(&fake, uri, &opts, &card, NULL), 0);
	return card;
}

static struct medio_card *open_card(void)
{
	return open_in("vfio:0000:01:00.0", NULL);
}

/* ---- Opening ----------------------------------------------------------------------------------- */

static void a_device_is_opened_in_the_kernels_order(void **state)
{
	struct medio_card *card = open_card();
	struct medio_card_info info;
	uint32_t id = 0;

	assert_string_equal(
		kernel.log, "VERSION EXTENSION STATUS SET_CONTAINER SET_IOMMU DEVICE_FD INFO ");
	assert_string_equal(kernel.name, "0000:01:00.0");
	assert_int_equal(kernel.model, VFIO_TYPE1v2_IOMMU);
	medio_card_get_info(card, &info);
	assert_int_equal(info.num_regions, 9);
	assert_true(info.can_reset);
	assert_int_equal(medio_card_read32(card, MEDIO_CARD_CONFIG, 0, &id), 0);
	assert_int_equal(id, 0x11e81234);
	medio_card_close(card);
	card = open_in("vfio:" UUID, NULL);
	assert_string_equal(kernel.name, UUID);
	medio_card_close(card);
}

/* Opening uri while call gives error: the errno that comes of it, and a word. */
static void refuses(const char *uri, const char *call, int error, int expected, const char *word)
{
	struct medio_error *err = NULL;
	struct medio_card *card = NULL;

	kernel.refuse = call;
	kernel.error = error;
	assert_int_equal(medio_card_open_kernel(&fake, uri, NULL, &card, &err), expected);
	if (!strstr(medio_error_text(err), word))
		fail_msg("\"%s\" does not say %s", medio_error_text(err), word);
	medio_error_free(err);
	kernel.refuse = NULL;
}

static void each_refusal_says_what_to_do(void **state)
{
	const char *uri = "vfio:0000:01:00.0";

	refuses("vfio:0000:09:00.0", NULL, 0, -ENODEV, "no PCI device 0000:09:00.0");
	refuses("vfio:9", NULL, 0, -EINVAL, "neither a PCI address");
	refuses(uri, "open container", ENOENT, -ENODEV, "modprobe vfio-pci");
	refuses(uri, "open container", EACCES, -EACCES, "/dev/vfio/vfio");
	refuses(uri, "EXTENSION", 1, -ENOTSUP, "vfio_iommu_type1");
	refuses(uri, "open group", ENOENT, -ENOENT, "no /dev/vfio/5");
	refuses(uri, "open group", EACCES, -EACCES, "chown USER /dev/vfio/5");
	refuses(uri, "open group", EBUSY, -EBUSY, "open already");
	refuses(uri, "SET_CONTAINER", EBUSY, -EBUSY, "in use elsewhere");
	refuses(uri, "SET_IOMMU", EPERM, -EPERM, "allow_unsafe_interrupts");
	refuses(uri, "DEVICE_FD", EACCES, -EACCES, "VF token");
	refuses(uri, "DEVICE_FD", ENODEV, -ENODEV, "GET_DEVICE_FD");
	refuses(uri, "INFO", EIO, -EIO, "GET_INFO");
	/* Nothing is left behind: it opens now. */
	medio_card_close(open_card());
	add_device("pci", "0000:03:00.0", "8", "nvme");
	refuses("vfio:0000:03:00.0", NULL, 0, -ENODEV, "driver nvme");
	add_device("pci", "0000:03:00.1", "8", NULL);
	refuses("vfio:03:00.1", NULL, 0, -ENODEV, "medio bind 0000:03:00.1");
	add_device("pci", "0000:03:00.2", NULL, "vfio-pci");
	refuses("vfio:0000:03:00.2", NULL, 0, -ENOTSUP, "intel_iommu=on");
}

static void a_group_that_is_not_viable_names_who_is_in_the_way(void **state)
{
	kernel.viable = false;
	refuses("vfio:0000:01:00.0", NULL, 0, -EPERM, "in use by the kernel");
	add_device("pci", "0000:01:00.2", "5", "nvme");
	add_device("pci", "0000:01:00.3", "5", "pcieport");
	refuses("vfio:0000:01:00.0", NULL, 0, -EPERM, "0000:01:00.2 (driver nvme) is");
	add_device("pci", "0000:01:00.4", "5", "e1000e");
	refuses("vfio:0000:01:00.0", NULL, 0, -EPERM, "(driver e1000e)");
}

static void a_token_goes_with_the_devices_name(void **state)
{
	struct medio_card_options opts = { .vf_token = UUID };
	struct medio_card *card = NULL;

	assert_int_equal(medio_card_open_kernel(&fake, "vfio:0000:01:00.0", &opts, &card, NULL), 0);
	assert_string_equal(kernel.name, "0000:01:00.0 vf_token=" UUID);
	medio_card_close(card);
	opts.vf_token = "secret";
	assert_int_equal(
		medio_card_open_kernel(&fake, "vfio:0000:01:00.0", &opts, &card, NULL), -EINVAL);
}

static void the_parents_driver_sets_the_token(void **state)
{
	uint8_t token[16] = { 0x83, 0xb8, 0xf4, 0xf2, 0x50, 0x9f, 0x38, 0x2f, 0x3c, 0x1e, 0xe6,
		0xbf, 0xe0, 0xfa, 0x10, 0x01 };
	struct medio_card *card = open_card();

	assert_int_equal(
		medio_card_feature(card, MEDIO_CARD_FEATURE_SET | MEDIO_CARD_FEATURE_PCI_VF_TOKEN,
			token, sizeof(token), 0, NULL),
		0);
	assert_memory_equal(kernel.token, token, sizeof(token));
	medio_card_close(card);
}

static void cards_of_one_container_share_groups_and_mappings(void **state)
{
	struct medio_container *container;
	uint64_t iova = 0;
	void *ptr;

	assert_int_equal(medio_container_new(&container), 0);
	struct medio_card *one = open_in("vfio:0000:01:00.0", container);
	struct medio_card *two = open_in("vfio:0000:01:00.1", container);
	struct medio_card *three = open_in("vfio:0000:02:00.0", container);
	assert_int_equal(kernel.containers, 1);
	assert_int_equal(kernel.groups, 2);
	assert_int_equal(kernel.devices, 3);
	/* One SET_IOMMU in all. */
	assert_null(strstr(strstr(kernel.log, "SET_IOMMU") + 1, "SET_IOMMU"));
	kernel.log[0] = 0;
	assert_int_equal(medio_card_dma_alloc_any(three, 4096, RW, &iova, &ptr), 0);
	assert_string_equal(kernel.log, "MAP ");
	medio_card_close(one);
	medio_card_close(two);
	medio_card_close(three);
	/* The kernel has dropped the mapping with its last group: a new one is told of it. */
	kernel.log[0] = 0;
	one = open_in("vfio:0000:01:00.0", container);
	assert_int_equal(kernel.containers, 2);
	assert_non_null(strstr(kernel.log, "MAP "));
	assert_int_equal(kernel.map.iova, iova);
	assert_int_equal(kernel.map.vaddr, (uintptr_t)ptr);
	medio_card_close(one);
	medio_container_free(container);
}

/* ---- Regions ----------------------------------------------------------------------------------- */

static void registers_are_the_devices_file(void **state)
{
	struct medio_card *card = open_card();
	struct medio_card_region region;
	uint32_t value = 0;
	uint32_t *ptr = NULL;

	assert_int_equal(medio_card_get_region(card, 0, &region), 0);
	assert_int_equal(region.size, BAR0_SIZE);
	assert_int_equal(region.num_areas, 1);
	assert_int_equal(region.areas[0].offset, 0x1000);
	assert_int_equal(region.areas[0].size, 0x2000);
	assert_int_equal(medio_card_write32(card, 0, 0x2004, 0xabcd), 0);
	assert_int_equal(medio_card_read32(card, 0, 0x2004, &value), 0);
	assert_int_equal(value, 0xabcd);
	assert_int_equal(medio_card_mmap(card, 0, 0, 0x1000, (void **)&ptr), -EINVAL);
	assert_int_equal(medio_card_mmap(card, 0, 0x2000, 0x1000, (void **)&ptr), 0);
	assert_int_equal(ptr[1], 0xabcd);
	medio_card_munmap(ptr, 0x1000);
	uint64_t at = 1;
	int file = -1;
	assert_int_equal(medio_card_region_file(card, 0, &file, &at), 0);
	assert_int_equal(pread(file, &value, 4, (off_t)(at + 0x2004)), 4);
	assert_int_equal(value, 0xabcd);
	assert_int_equal(medio_card_region_file(card, 7, &file, &at), -ENODEV);
	/* A region that the kernel refuses is one that the card has not. */
	assert_int_equal(medio_card_get_region(card, 8, &region), 0);
	assert_int_equal(region.size, 0);
	assert_int_equal(medio_card_reset(card), 0);
	kernel.refuse = "RESET";
	kernel.error = EINVAL;
	assert_int_equal(medio_card_reset(card), -ENOTSUP);
	medio_card_close(card);
}

static void an_answer_that_is_longer_is_asked_for_again_and_a_bad_one_refused(void **state)
{
	struct medio_card_region region;
	struct medio_card *card;

	kernel.huge_info = true;
	card = open_card();
	assert_int_equal(medio_card_get_region(card, 0, &region), 0);
	assert_int_equal(region.num_areas, 1);
	medio_card_close(card);
	kernel.huge_info = false;
	kernel.bad_cap = 1020;
	card = open_card();
	assert_int_equal(medio_card_get_region(card, 0, &region), -EPROTO);
	medio_card_close(card);
}

static void a_device_that_was_taken_out_says_so(void **state)
{
	struct medio_card *card = open_card();

	assert_int_equal(medio_card_irq_open(card, MEDIO_CARD_INTX, 1), 0);
	kernel.refuse = "SET_IRQS";
	kernel.error = EIO;
	assert_int_equal(medio_card_irq_unmask(card, MEDIO_CARD_INTX, 0, 1), -EIO);
	machine_remove("/sys/bus/pci/devices/0000:01:00.0/uevent");
	assert_int_equal(medio_card_irq_unmask(card, MEDIO_CARD_INTX, 0, 1), -ENODEV);
	assert_non_null(strstr(medio_card_last_error(card), "is gone"));
	medio_card_close(card);
}

static void a_device_whose_registers_are_all_ones_is_gone(void **state)
{
	struct medio_card *card = open_card();
	uint32_t ones = UINT32_MAX, value = 0;
	uint64_t events = 0;

	assert_int_equal(medio_card_write32(card, 0, 0x10, ones), 0);
	/* A register may well have that value. */
	assert_int_equal(medio_card_read32(card, 0, 0x10, &value), 0);
	assert_int_equal(value, UINT32_MAX);
	assert_int_equal(medio_card_irq_open(card, MEDIO_CARD_MSI, 1), 0);
	assert_int_equal(medio_card_irq_wait(card, MEDIO_CARD_MSI, 0, 1, &events), -ETIMEDOUT);
	assert_non_null(strstr(medio_card_last_error(card), "bus mastering is off"));
	for (unsigned i = 0; i < 16; i += 4)
		assert_int_equal(medio_card_write32(card, MEDIO_CARD_CONFIG, i, ones), 0);
	value = 7;
	assert_int_equal(medio_card_read32(card, 0, 0x10, &value), -ENODEV);
	assert_non_null(strstr(medio_card_last_error(card), "is gone"));
	assert_int_equal(value, 7);
	assert_int_equal(medio_card_irq_wait(card, MEDIO_CARD_MSI, 0, 1, &events), -ENODEV);
	assert_int_equal(medio_card_irq_wait(card, MEDIO_CARD_MSI, 0, -1, &events), -ENODEV);
	medio_card_close(card);
}

static void a_wait_in_vain_says_that_nobody_unmasked(void **state)
{
	struct medio_card *card = open_card();
	uint64_t events = 1;

	assert_int_equal(medio_card_irq_open(card, MEDIO_CARD_INTX, 1), 0);
	int fd = medio_card_irq_fd(card, MEDIO_CARD_INTX, 0);
	assert_int_equal(write(fd, &events, sizeof(events)), sizeof(events));
	assert_int_equal(medio_card_irq_wait(card, MEDIO_CARD_INTX, 0, 0, &events), 0);
	assert_int_equal(medio_card_irq_wait(card, MEDIO_CARD_INTX, 0, 0, &events), -ETIMEDOUT);
	assert_non_null(strstr(medio_card_last_error(card), "medio_card_irq_unmask()"));
	assert_int_equal(medio_card_irq_unmask(card, MEDIO_CARD_INTX, 0, 1), 0);
	assert_int_equal(medio_card_irq_wait(card, MEDIO_CARD_INTX, 0, 0, &events), -ETIMEDOUT);
	assert_null(strstr(medio_card_last_error(card), "masked"));
	medio_card_close(card);
}

/* ---- DMA --------------------------------------------------------------------------------------- */

static void memory_is_mapped_where_the_iommu_reaches(void **state)
{
	static uint8_t memory[8192] __attribute__((aligned(4096)));
	struct medio_card *card = open_card();
	struct medio_card_dma_info info;

	medio_card_get_dma_info(card, &info);
	assert_int_equal(info.page_sizes, 0x40201000);
	assert_int_equal(info.num_ranges, 2);
	assert_int_equal(info.ranges[1].last, 0x7fffffffff);
	assert_int_equal(info.max_maps, 77);
	assert_false(info.physical);
	assert_int_equal(medio_card_dma_map(card, 0x40000, 8192, MEDIO_CARD_DMA_READ, memory), 0);
	assert_int_equal(kernel.map.flags, VFIO_DMA_MAP_FLAG_READ);
	assert_int_equal(kernel.map.vaddr, (uintptr_t)memory);
	assert_int_equal(kernel.map.iova, 0x40000);
	assert_int_equal(kernel.map.size, 8192);
	kernel.log[0] = 0;
	assert_int_equal(medio_card_dma_map(card, 0xfeeff000, 4096, RW, memory), -EINVAL);
	assert_int_equal(medio_card_dma_map(card, 0x8000000000, 4096, RW, memory), -EINVAL);
	assert_string_equal(kernel.log, "");
	assert_int_equal(medio_card_dma_unmap(card, 0x40000, 8192), 0);
	assert_int_equal(kernel.unmap_iova, 0x40000);
	assert_int_equal(kernel.unmap_size, 8192);
	medio_card_close(card);
}

static void a_map_that_the_kernel_refuses_is_explained_and_forgotten(void **state)
{
	struct rlimit before, limit = { 0 };
	struct medio_card *card = open_card();
	void *ptr;

	getrlimit(RLIMIT_MEMLOCK, &before);
	limit.rlim_cur = before.rlim_max < 65536 ? before.rlim_max : 65536;
	limit.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	kernel.refuse = "MAP";
	kernel.error = ENOMEM;
	assert_int_equal(medio_card_dma_alloc(card, 0x40000, 1 << 20, RW, &ptr), -ENOMEM);
	assert_non_null(strstr(medio_card_last_error(card), "RLIMIT_MEMLOCK"));
	assert_non_null(strstr(medio_card_last_error(card), "1024 KiB"));
	setrlimit(RLIMIT_MEMLOCK, &before);
	kernel.error = ENOSPC;
	assert_int_equal(medio_card_dma_alloc(card, 0x40000, 4096, RW, &ptr), -ENOSPC);
	assert_non_null(strstr(medio_card_last_error(card), "dma_entry_limit"));
	kernel.error = EINVAL;
	assert_int_equal(medio_card_dma_alloc(card, 0x40000, 4096, RW, &ptr), -EINVAL);
	kernel.refuse = NULL;
	assert_int_equal(medio_card_dma_alloc(card, 0x40000, 4096, RW, &ptr), 0);
	medio_card_close(card);
}

/* ---- What the device writes --------------------------------------------------------------------- */

static void a_log_is_kept_by_the_device_if_it_can(void **state)
{
	struct medio_card *card = open_card();
	uint64_t bitmap[2] = { 0, 0 };
	void *ptr;

	kernel.logs = kernel.log_cap = true;
	assert_int_equal(medio_card_dirty_start(card, 4096), -ENOENT);
	assert_int_equal(medio_card_dma_alloc(card, 0x40000, 0x3000, RW, &ptr), 0);
	assert_int_equal(medio_card_dma_alloc(card, 0x43000, 0x1000, RW, &ptr), 0);
	assert_int_equal(medio_card_dma_alloc(card, 0x50000, 0x1000, MEDIO_CARD_DMA_READ, &ptr), 0);
	assert_int_equal(medio_card_dma_alloc(card, 0x61000, 0x1000, RW, &ptr), 0);
	kernel.log[0] = 0;
	assert_int_equal(medio_card_dirty_start(card, 0x2000), 0);
	assert_int_equal(medio_card_dirty_start(card, 0x2000), -EBUSY);
	/* What it may not write needs no log; neighbours are one range; pages are whole. */
	assert_int_equal(kernel.num_ranges, 2);
	assert_int_equal(kernel.ranges[0].iova, 0x40000);
	assert_int_equal(kernel.ranges[0].length, 0x4000);
	assert_int_equal(kernel.ranges[1].iova, 0x60000);
	assert_int_equal(kernel.ranges[1].length, 0x2000);
	assert_int_equal(medio_card_dirty_get(card, 0x40000, 0x2000, bitmap), -EINVAL);
	assert_int_equal(medio_card_dirty_get(card, 0x40000, 0x3000, bitmap), -EINVAL);
	assert_int_equal(medio_card_dirty_get(card, 0x40000, 0x22000, bitmap), 0);
	assert_int_equal(bitmap[0], 4);
	/* Mapped later: nobody knows. */
	assert_int_equal(medio_card_dma_alloc(card, 0x48000, 0x2000, RW, &ptr), 0);
	assert_int_equal(medio_card_dirty_get(card, 0x40000, 0x22000, bitmap), 0);
	assert_int_equal(bitmap[0], 4 | 1 << 4);
	assert_int_equal(medio_card_dirty_stop(card), 0);
	assert_int_equal(medio_card_dirty_get(card, 0x40000, 0x22000, bitmap), -EINVAL);
	assert_string_equal(kernel.log,
		"DEVICE_LOG_START DEVICE_LOG_REPORT MAP DEVICE_LOG_REPORT DEVICE_LOG_STOP ");
	medio_card_close(card);
}

static void else_by_the_container_for_one_card(void **state)
{
	struct medio_container *container;
	uint64_t bitmap[2] = { 0, 0 };
	void *ptr;

	assert_int_equal(medio_container_new(&container), 0);
	struct medio_card *one = open_in("vfio:0000:01:00.0", container);
	struct medio_card *two = open_in("vfio:0000:02:00.0", container);
	assert_int_equal(medio_card_dma_alloc(one, 0x40000, 0x3000, RW, &ptr), 0);
	assert_int_equal(medio_card_dma_alloc(one, 0x80000, 0x3000, RW, &ptr), 0);
	assert_int_equal(medio_card_dirty_start(one, 4096), -ENOTTY);
	assert_non_null(strstr(medio_card_last_error(one), "keeps a log"));
	kernel.log_cap = true;
	kernel.log[0] = 0;
	assert_int_equal(medio_card_dirty_start(one, 4096), 0);
	assert_int_equal(medio_card_dirty_start(two, 4096), -EBUSY);
	assert_non_null(strstr(medio_card_last_error(two), "0000:01:00.0"));
	assert_int_equal(medio_card_dirty_get(one, 0x40000, 0x50000, bitmap), 0);
	assert_int_equal(bitmap[0], 2);
	assert_int_equal(bitmap[1], 2);
	/* Its end is the log's. */
	medio_card_close(one);
	assert_string_equal(kernel.log, "LOG_START LOG_GET LOG_GET LOG_STOP ");
	/* Larger pages than the kernel's. */
	assert_int_equal(medio_card_dirty_start(two, 0x2000), 0);
	assert_int_equal(medio_card_dirty_get(two, 0x3e000, 0x50000, bitmap), 0);
	assert_int_equal(bitmap[0], 1 << 1 | UINT64_C(1) << 33);
	kernel.refuse = "LOG_GET";
	kernel.error = EINVAL;
	assert_int_equal(medio_card_dirty_get(two, 0x40000, 0x50000, bitmap), -EINVAL);
	assert_non_null(strstr(medio_card_last_error(two), "DIRTY_PAGES"));
	medio_card_close(two);
	medio_container_free(container);
}

/* ---- Without an IOMMU -------------------------------------------------------------------------- */

static void add_noiommu_device(void)
{
	add_device("pci", "0000:09:00.0", "0", "vfio-pci");
	machine_file("/sys/kernel/iommu_groups/0/name", "vfio-noiommu\n");
}

static void a_device_without_an_iommu_is_opened_by_the_group_made_up_for_it(void **state)
{
	add_noiommu_device();
	struct medio_card *card = open_in("vfio:0000:09:00.0", NULL);
	struct medio_card_dma_info info;
	uint32_t id = 0;

	/* The kernel knows the model only of a container that has such a group. */
	assert_string_equal(
		kernel.log, "VERSION STATUS SET_CONTAINER EXTENSION SET_IOMMU DEVICE_FD INFO ");
	assert_string_equal(kernel.group, "noiommu-0");
	assert_int_equal(kernel.model, VFIO_NOIOMMU_IOMMU);
	assert_int_equal(medio_card_read32(card, MEDIO_CARD_CONFIG, 0, &id), 0);
	assert_int_equal(id, 0x11e81234);
	assert_int_equal(medio_card_irq_open(card, MEDIO_CARD_MSI, 1), 0);
	medio_card_get_dma_info(card, &info);
	assert_true(info.physical);
	medio_card_close(card);
	refuses("vfio:09:00.0", "open group", ENOENT, -ENOENT, "no /dev/vfio/noiommu-0");
	refuses("vfio:09:00.0", "open group", EPERM, -EACCES, "CAP_SYS_RAWIO");
	refuses("vfio:09:00.0", "SET_IOMMU", EPERM, -EACCES, "CAP_SYS_RAWIO");
	refuses("vfio:09:00.0", "EXTENSION", 1, -ENOTSUP, "enable_unsafe_noiommu_mode");
}

/* Its driver stands in for the IOMMU, in a group that the kernel names alike. */
static void a_mediated_device_is_not_one_without_an_iommu(void **state)
{
	machine_file("/sys/kernel/iommu_groups/7/name", "vfio-noiommu\n");
	struct medio_card *card = open_in("vfio:" UUID, NULL);

	assert_string_equal(kernel.group, "7");
	assert_int_equal(kernel.model, VFIO_TYPE1v2_IOMMU);
	medio_card_close(card);
}

static void without_an_iommu_the_device_is_told_physical_addresses(void **state)
{
	static uint8_t memory[8192] __attribute__((aligned(4096)));
	uint64_t entry = UINT64_C(1) << 63 | 0x1234, flag = UINT64_C(1) << 17, iova = 0;
	uint64_t page = (uintptr_t)memory / 4096;

	add_noiommu_device();
	struct medio_card *card = open_in("vfio:0000:09:00.0", NULL);
	assert_int_equal(medio_card_dma_map_any(card, 4096, RW, memory, &iova), -ENOTSUP);
	assert_non_null(strstr(medio_card_last_error(card), "CAP_SYS_ADMIN"));
	machine_number("/proc/self/pagemap", page, entry);
	assert_int_equal(medio_card_dma_map_any(card, 4096, RW, memory, &iova), -ENOTSUP);
	assert_non_null(strstr(medio_card_last_error(card), "huge pages"));
	machine_number("/proc/kpageflags", 0x1234, flag);
	kernel.log[0] = 0;
	assert_int_equal(medio_card_dma_map_any(card, 4096, RW, memory, &iova), 0);
	assert_int_equal(iova, 0x1234000);
	assert_int_equal(medio_card_dma_map(card, 0x5000, 4096, RW, memory), -ENOTSUP);
	assert_int_equal(medio_card_dma_unmap(card, iova, 4096), 0);
	/* The kernel is not asked: it would know nothing. */
	assert_string_equal(kernel.log, "");
	medio_card_close(card);
}

static void cards_with_and_without_an_iommu_share_physical_addresses(void **state)
{
	static uint8_t memory[4096] __attribute__((aligned(4096)));
	struct medio_container *container;
	uint64_t iova = 0;

	add_noiommu_device();
	machine_number("/proc/self/pagemap", (uintptr_t)memory / 4096, UINT64_C(1) << 63 | 0x1234);
	machine_number("/proc/kpageflags", 0x1234, UINT64_C(1) << 17);
	assert_int_equal(medio_container_new(&container), 0);
	struct medio_card *one = open_in("vfio:0000:01:00.0", container);
	struct medio_card *two = open_in("vfio:0000:09:00.0", container);
	assert_int_equal(kernel.containers, 2); /* the kernel mixes them not */
	kernel.log[0] = 0;
	assert_int_equal(medio_card_dma_map_any(one, 4096, RW, memory, &iova), 0);
	assert_int_equal(iova, 0x1234000);
	assert_string_equal(kernel.log, "MAP ");
	assert_int_equal(kernel.map.iova, 0x1234000);
	medio_card_close(two);
	medio_card_close(one);
	medio_container_free(container);
}

/* ---- Interrupts, migration --------------------------------------------------------------------- */

static void interrupts_are_the_kernels_eventfds(void **state)
{
	struct medio_card *card = open_card();
	struct medio_card_irq irq;
	uint64_t events = 0;

	assert_int_equal(medio_card_get_irq(card, MEDIO_CARD_INTX, &irq), 0);
	assert_true(irq.automasked && irq.maskable);
	assert_int_equal(medio_card_get_irq(card, MEDIO_CARD_ERR, &irq), 0);
	assert_int_equal(irq.count, 0);
	assert_int_equal(medio_card_irq_open(card, MEDIO_CARD_MSI, 40), 0);
	assert_int_equal(kernel.irq[0], VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER);
	assert_int_equal(kernel.irq[1], MEDIO_CARD_MSI);
	assert_int_equal(kernel.irq[3], 40);
	events = 3;
	assert_int_equal(write((int)kernel.irq[4 + 39], &events, sizeof(events)), sizeof(events));
	events = 0;
	assert_int_equal(medio_card_irq_wait(card, MEDIO_CARD_MSI, 39, 0, &events), 0);
	assert_int_equal(events, 3);
	assert_int_equal(medio_card_irq_assign(card, MEDIO_CARD_MSI, 2, 1, NULL), 0);
	assert_int_equal(kernel.irq[2], 2);
	assert_int_equal((int)kernel.irq[4], -1);
	assert_int_equal(medio_card_irq_disable(card, MEDIO_CARD_MSI), 0);
	assert_int_equal(kernel.irq[0], VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER);
	assert_int_equal(kernel.irq[3], 0);
	kernel.refuse = "SET_IRQS";
	kernel.error = EINVAL;
	assert_int_equal(medio_card_irq_open(card, MEDIO_CARD_INTX, 1), -EINVAL);
	assert_non_null(strstr(medio_card_last_error(card), "INTx"));
	medio_card_close(card);
}

static void the_devices_state_goes_through_the_file_that_the_kernel_gives(void **state)
{
	struct medio_card *card = open_card();
	enum medio_card_mig_state now = MEDIO_CARD_MIG_ERROR;
	char buf[16] = "";
	size_t got = 0;
	int pipes[2];

	assert_int_equal(medio_card_mig_get(card, &now), 0);
	assert_int_equal(now, MEDIO_CARD_MIG_RUNNING);
	assert_int_equal(medio_card_mig_read(card, buf, sizeof(buf), &got), -EINVAL);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(write(pipes[1], "state", 5), 5);
	close(pipes[1]);
	kernel.data_fd = pipes[0];
	assert_int_equal(medio_card_mig_set(card, MEDIO_CARD_MIG_STOP_COPY), 0);
	assert_int_equal(medio_card_mig_read(card, buf, sizeof(buf), &got), 0);
	assert_int_equal(got, 5);
	assert_memory_equal(buf, "state", 5);
	assert_int_equal(medio_card_mig_read(card, buf, sizeof(buf), &got), 0);
	assert_int_equal(got, 0);
	kernel.data_fd = -1;
	assert_int_equal(medio_card_mig_set(card, MEDIO_CARD_MIG_STOP), 0);
	assert_int_equal(fcntl(pipes[0], F_GETFD), -1);
	assert_int_equal(
		medio_card_feature(card, 9 | MEDIO_CARD_FEATURE_GET, buf, 0, 8, NULL), -ENOTTY);
	medio_card_close(card);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_device_is_opened_in_the_kernels_order),
		TEST(each_refusal_says_what_to_do),
		TEST(a_group_that_is_not_viable_names_who_is_in_the_way),
		TEST(a_token_goes_with_the_devices_name),
		TEST(the_parents_driver_sets_the_token),
		TEST(cards_of_one_container_share_groups_and_mappings),
		TEST(registers_are_the_devices_file),
		TEST(an_answer_that_is_longer_is_asked_for_again_and_a_bad_one_refused),
		TEST(a_device_that_was_taken_out_says_so),
		TEST(a_device_whose_registers_are_all_ones_is_gone),
		TEST(a_wait_in_vain_says_that_nobody_unmasked),
		TEST(memory_is_mapped_where_the_iommu_reaches),
		TEST(a_map_that_the_kernel_refuses_is_explained_and_forgotten),
		TEST(a_log_is_kept_by_the_device_if_it_can),
		TEST(else_by_the_container_for_one_card),
		TEST(a_device_without_an_iommu_is_opened_by_the_group_made_up_for_it),
		TEST(a_mediated_device_is_not_one_without_an_iommu),
		TEST(without_an_iommu_the_device_is_told_physical_addresses),
		TEST(cards_with_and_without_an_iommu_share_physical_addresses),
		TEST(interrupts_are_the_kernels_eventfds),
		TEST(the_devices_state_goes_through_the_file_that_the_kernel_gives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
