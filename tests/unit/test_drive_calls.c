/* SPDX-License-Identifier: BSD-3-Clause */
/* What a person who watches is told of the calls of backends. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/vfio.h>

#include <cmocka.h>

#include "drive/calls.h"
#include "proto/iommufd.h"

/* The latest call, and how many there were. */
struct seen {
	char call[512];
	long ret;
	unsigned count;
};

struct bed {
	struct seen seen;
	char root[32];
	int container, group, device, iommu;
};

static void on_call(void *arg, const char *call, long ret)
{
	struct seen *seen = arg;

	snprintf(seen->call, sizeof(seen->call), "%s", call);
	seen->ret = ret;
	seen->count++;
	errno = EXDEV; /* whoever watches may spoil it */
}

static int make(const struct bed *bed, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s", bed->root, name);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static void folder(const struct bed *bed, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s", bed->root, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static int setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	snprintf(bed->root, sizeof(bed->root), "/tmp/medio-calls.XXXXXX");
	assert_non_null(mkdtemp(bed->root));
	folder(bed, "/dev");
	folder(bed, "/dev/vfio");
	folder(bed, "/dev/vfio/devices");
	bed->container = make(bed, "/dev/vfio/vfio");
	bed->group = make(bed, "/dev/vfio/3");
	bed->device = make(bed, "/dev/vfio/devices/vfio0");
	bed->iommu = make(bed, "/dev/iommu");
	medio_card_watch_calls(on_call, &bed->seen);
	*state = bed;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "/dev/vfio/vfio", "/dev/vfio/3",
		"/dev/vfio/devices/vfio0", "/dev/iommu", "/dev/vfio/devices", "/dev/vfio", "/dev",
		"" };
	struct bed *bed = *state;
	char path[128];

	medio_card_watch_calls(NULL, NULL);
	close(bed->container);
	close(bed->group);
	close(bed->device);
	close(bed->iommu);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s%s", bed->root, names[i]);
		assert_int_equal(remove(path), 0);
	}
	free(bed);
	return 0;
}

static void told(struct bed *bed, const char *words, long ret)
{
	if (!strstr(bed->seen.call, words))
		fail_msg("'%s' is not in '%s'", words, bed->seen.call);
	assert_int_equal(bed->seen.ret, ret);
}

static void test_nobody_who_watches_is_told_nothing(void **state)
{
	struct bed *bed = *state;

	medio_card_watch_calls(NULL, NULL);
	errno = ENOENT;
	assert_int_equal(medio_calls_say(-EIO, "x"), -EIO);
	medio_calls_ioctl(bed->container, VFIO_GET_API_VERSION, NULL, 0);
	assert_int_equal(bed->seen.count, 0);
	assert_int_equal(errno, ENOENT);
}

static void test_the_result_is_passed_on_and_errno_kept(void **state)
{
	struct bed *bed = *state;

	errno = ENOENT;
	assert_int_equal(medio_calls_say(-EIO, "open %s", "/x"), -EIO);
	assert_int_equal(errno, ENOENT);
	told(bed, "open /x", -EIO);
}

/* 0x3b71 is VFIO_IOMMU_MAP_DMA of a container and VFIO_DEVICE_PCI_HOT_RESET of a device. */
static void test_one_number_is_another_call_on_another_file(void **state)
{
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ,
		.iova = 0x10000,
		.size = 0x2000 };
	struct vfio_device_feature feature = { .flags = VFIO_DEVICE_FEATURE_GET | 2 };
	struct bed *bed = *state;

	medio_calls_ioctl(bed->container, VFIO_IOMMU_MAP_DMA, &map, 0);
	told(bed, "VFIO_IOMMU_MAP_DMA iova 0x10000, 0x2000 bytes", 0);
	told(bed, "for the device to read", 0);
	medio_calls_ioctl(bed->device, VFIO_IOMMU_MAP_DMA, &map, -ENOTTY);
	told(bed, "/dev/vfio/devices/vfio0 0x3b71", -ENOTTY);
	medio_calls_ioctl(bed->device, VFIO_DEVICE_FEATURE, &feature, 0);
	told(bed, "VFIO_DEVICE_FEATURE feature 2, get", 0);
}

static void test_groups_tell_whether_they_are_viable(void **state)
{
	struct vfio_group_status status = { .flags = VFIO_GROUP_FLAGS_VIABLE };
	struct bed *bed = *state;

	medio_calls_ioctl(bed->group, VFIO_GROUP_GET_STATUS, &status, 0);
	told(bed, "VFIO_GROUP_GET_STATUS -> viable", 0);
	status.flags = 0;
	medio_calls_ioctl(bed->group, VFIO_GROUP_GET_STATUS, &status, 0);
	told(bed, "-> none", 0);
	medio_calls_ioctl(bed->group, VFIO_GROUP_SET_CONTAINER, &bed->container, 0);
	told(bed, "/dev/vfio/vfio", 0);
	char name[] = "0000:01:00.0";
	medio_calls_ioctl(bed->group, VFIO_GROUP_GET_DEVICE_FD, name, 9);
	told(bed, "\"0000:01:00.0\"", 9);
	medio_calls_ioctl(bed->container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU, 0);
	told(bed, "VFIO_SET_IOMMU VFIO_TYPE1v2_IOMMU", 0);
	medio_calls_ioctl(bed->container, VFIO_SET_IOMMU, (void *)4711, -EINVAL);
	told(bed, "VFIO_SET_IOMMU 4711", -EINVAL);
}

static void test_interrupts_tell_what_is_set(void **state)
{
	struct vfio_irq_set set = { .argsz = sizeof(set),
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
		.start = 2,
		.count = 3,
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER };
	struct bed *bed = *state;

	medio_calls_ioctl(bed->device, VFIO_DEVICE_SET_IRQS, &set, 0);
	told(bed, "MSI-X, vectors 2 to 4: eventfds|trigger", 0);
	set.count = set.start = 0;
	set.index = 77;
	medio_calls_ioctl(bed->device, VFIO_DEVICE_SET_IRQS, &set, 0);
	told(bed, "another, vectors 0 to 0: disable", 0);
}

static void test_iommufd_is_told_by_its_own_names(void **state)
{
	struct bed *bed = *state;
	struct medio_vfio_bind_iommufd bind = { .iommufd = bed->iommu, .out_devid = 5 };
	struct medio_iommu_ioas_map map = { .ioas_id = 7,
		.flags = MEDIO_IOMMU_IOAS_MAP_WRITEABLE | MEDIO_IOMMU_IOAS_MAP_FIXED_IOVA };

	medio_calls_ioctl(bed->device, MEDIO_VFIO_BIND_IOMMUFD, &bind, 0);
	told(bed, "/dev/iommu -> device id 5", 0);
	medio_calls_ioctl(bed->iommu, MEDIO_IOMMU_IOAS_MAP, &map, 0);
	told(bed, "IOMMU_IOAS_MAP IOAS 7", 0);
	told(bed, "for the device to write", 0);
}

static void test_other_files_and_long_words_do_no_harm(void **state)
{
	struct bed *bed = *state;
	char name[1024];
	int fd = eventfd(0, EFD_CLOEXEC);

	medio_calls_ioctl(fd, 1, NULL, 0);
	told(bed, "ioctl eventfd 0x1", 0);
	close(fd);
	medio_calls_ioctl(fd, 1, NULL, -EBADF);
	told(bed, "0x1", -EBADF);
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	medio_calls_ioctl(bed->group, VFIO_GROUP_GET_DEVICE_FD, name, -ENODEV);
	told(bed, "xxxx", -ENODEV);
}

static void test_accesses_tell_where_and_what(void **state)
{
	struct bed *bed = *state;
	uint8_t many[64] = { 0 };
	uint32_t value = 0x1234;

	medio_calls_access("pread", MEDIO_CARD_CONFIG, 4, &value, 4, 0);
	told(bed, "pread 4 bytes at config+0x4: 0x00001234", 0);
	medio_calls_access("pread", 0, 4, &value, 4, -EIO);
	told(bed, "pread 4 bytes at BAR0+0x4", -EIO);
	assert_null(strstr(bed->seen.call, "1234"));
	medio_calls_access("pwrite", 60, 0x10, many, sizeof(many), 0);
	told(bed, "pwrite 64 bytes at region+0x10", 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_nobody_who_watches_is_told_nothing),
		T(test_the_result_is_passed_on_and_errno_kept),
		T(test_one_number_is_another_call_on_another_file),
		T(test_groups_tell_whether_they_are_viable),
		T(test_interrupts_tell_what_is_set),
		T(test_iommufd_is_told_by_its_own_names),
		T(test_other_files_and_long_words_do_no_harm),
		T(test_accesses_tell_where_and_what),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
