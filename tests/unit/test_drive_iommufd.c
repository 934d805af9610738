/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cards over a kernel with iommufd that is a fake: it has an address space with mappings, answers calls
 * with the errno of the real one, and those that it is told to refuse with another.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "drive/backend.h"
#include "proto/iommufd.h"
#include "test_drive_kernel.h"

#define RW	  (MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)
#define FOLDER	  "/sys/bus/pci/devices/0000:01:00.0/"
#define SPACE	  42
#define CONFIG_AT 0x1000

static struct {
	char log[512];
	const char *refuse;
	int error;
	unsigned spaces, maps;
	struct medio_iommu_ioas_map map;
	bool bound, attached;
	uint8_t token[16];
	bool logs; /* the device */
} kernel;

#define UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"

static int fake_open(const char *path, int flags)
{
	if (strstr(path, "/dev/iommu")) {
		if (kernel.refuse && !strcmp(kernel.refuse, "open iommu"))
			return -kernel.error;
		kernel.spaces++;
		return eventfd(0, EFD_CLOEXEC);
	}
	assert_non_null(strstr(path, "/dev/vfio/devices/vfio"));
	if (kernel.refuse && !strcmp(kernel.refuse, "open device"))
		return -kernel.error;
	int fd = memfd_create("device", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 0x10000), 0);
	kernel.bound = kernel.attached = false;
	return fd;
}

static int refused(const char *call)
{
	strcat(kernel.log, call);
	strcat(kernel.log, " ");
	return kernel.refuse && !strcmp(kernel.refuse, call) ? -kernel.error : 0;
}

static int give_ranges(struct medio_iommu_ioas_iova_ranges *arg)
{
	struct medio_iommu_iova_range *out = (void *)(uintptr_t)arg->allowed_iovas;

	assert_int_equal(arg->size, sizeof(*arg));
	assert_int_equal(arg->ioas_id, SPACE);
	out[0] = (struct medio_iommu_iova_range){ 0, 0xfedfffff };
	out[1] = (struct medio_iommu_iova_range){ 0xfef00000, 0xffffffff };
	arg->num_iovas = 2;
	arg->out_iova_alignment = 4096;
	return 0;
}

static int unmap(const struct medio_iommu_ioas_unmap *arg)
{
	assert_int_equal(arg->ioas_id, SPACE);
	if (!kernel.maps)
		return -ENOENT;
	kernel.maps--;
	return refused("UNMAP");
}

/* Calls of the device, once it is bound. */
static int device_ioctl(unsigned long request, void *arg)
{
	struct vfio_device_info *info = arg;
	struct vfio_region_info *region = arg;

	if (!kernel.bound || !kernel.attached)
		return -EINVAL;
	if (request == VFIO_DEVICE_GET_INFO) {
		info->flags = VFIO_DEVICE_FLAGS_PCI;
		info->num_regions = 9;
		info->num_irqs = 5;
		return refused("INFO");
	}
	if (request == VFIO_DEVICE_FEATURE && kernel.logs)
		return refused("FEATURE");
	if (request != VFIO_DEVICE_GET_REGION_INFO)
		return -ENOTTY;
	region->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	region->size = region->index == 7 ? 256 : 0;
	region->offset = CONFIG_AT;
	return 0;
}

static int bind_device(const struct medio_vfio_bind_iommufd *arg)
{
	kernel.bound = true;
	if (arg->flags & MEDIO_VFIO_BIND_FLAG_TOKEN) {
		assert_int_equal(arg->argsz, sizeof(*arg));
		memcpy(kernel.token, (void *)(uintptr_t)arg->token_uuid_ptr, 16);
	} else {
		/* As long as it is in all kernels. */
		assert_int_equal(arg->argsz, 16);
	}
	return refused("BIND");
}

static int fake_ioctl(int fd, unsigned long request, void *arg)
{
	int ret;

	switch (request) {
	case MEDIO_IOMMU_IOAS_ALLOC:
		((struct medio_iommu_ioas_alloc *)arg)->out_ioas_id = SPACE;
		return refused("ALLOC");
	case MEDIO_IOMMU_IOAS_IOVA_RANGES:
		return give_ranges(arg);
	case MEDIO_IOMMU_IOAS_MAP:
		kernel.map = *(struct medio_iommu_ioas_map *)arg;
		ret = refused("MAP");
		kernel.maps += !ret;
		return ret;
	case MEDIO_IOMMU_IOAS_UNMAP:
		return unmap(arg);
	case MEDIO_VFIO_BIND_IOMMUFD:
		return bind_device(arg);
	case MEDIO_VFIO_ATTACH_PT:
		assert_true(kernel.bound);
		assert_int_equal(((struct medio_vfio_attach_pt *)arg)->pt_id, SPACE);
		kernel.attached = true;
		return refused("ATTACH");
	}
	return device_ioctl(request, arg);
}

static const struct medio_kernel fake = { machine, fake_open, fake_ioctl };

static int setup(void **state)
{
	memset(&kernel, 0, sizeof(kernel));
	machine_begin();
	machine_link(FOLDER "subsystem", "../../../bus/pci");
	machine_link(FOLDER "driver", "../../drivers/vfio-pci");
	machine_link(FOLDER "iommu_group", "../../../kernel/iommu_groups/5");
	machine_file(FOLDER "uevent", "");
	machine_file(FOLDER "vfio-dev/vfio3/dev", "511:3\n");
	machine_link("/sys/bus/pci/devices/0000:02:00.0/subsystem", "../../../bus/pci");
	machine_link("/sys/bus/pci/devices/0000:02:00.0/driver", "../../drivers/vfio-pci");
	machine_file("/sys/bus/pci/devices/0000:02:00.0/vfio-dev/vfio4/dev", "511:4\n");
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

static void a_device_is_bound_before_all_else(void **state)
{
	struct medio_card *card = open_in("iommufd:0000:01:00.0", NULL);
	struct medio_card_info info;

	assert_string_equal(kernel.log, "ALLOC BIND ATTACH INFO ");
	medio_card_get_info(card, &info);
	assert_int_equal(info.num_regions, 9);
	assert_false(info.can_reset);
	assert_int_equal(medio_card_write32(card, MEDIO_CARD_CONFIG, 4, 7), 0);
	medio_card_close(card);
}

static void refuses(const char *call, int error, int expected, const char *word)
{
	struct medio_error *err = NULL;
	struct medio_card *card = NULL;

	kernel.refuse = call;
	kernel.error = error;
	assert_int_equal(
		medio_card_open_kernel(&fake, "iommufd:01:00.0", NULL, &card, &err), expected);
	if (!strstr(medio_error_text(err), word))
		fail_msg("\"%s\" does not say %s", medio_error_text(err), word);
	medio_error_free(err);
	kernel.refuse = NULL;
}

static void each_refusal_says_what_to_do(void **state)
{
	refuses("open iommu", ENOENT, -ENOTSUP, "CONFIG_IOMMUFD");
	refuses("open iommu", EACCES, -EACCES, "/dev/iommu");
	refuses("ALLOC", ENOMEM, -ENOMEM, "IOAS_ALLOC");
	refuses("open device", ENOENT, -ENOTSUP, "CONFIG_VFIO_DEVICE_CDEV");
	refuses("open device", EACCES, -EACCES, "chown USER /dev/vfio/devices/vfio3");
	refuses("BIND", EPERM, -EPERM, "allow_unsafe_interrupts");
	refuses("BIND", EBUSY, -EBUSY, "open already");
	refuses("BIND", EINVAL, -EBUSY, "open already");
	refuses("BIND", EACCES, -EACCES, "VF token");
	refuses("ATTACH", EINVAL, -EINVAL, "ATTACH");
	refuses("INFO", EIO, -EIO, "GET_INFO");
	machine_link("/sys/kernel/iommu_groups/5/devices/0000:01:00.1/driver", "../drivers/nvme");
	refuses("ATTACH", EINVAL, -EPERM, "0000:01:00.1 (driver nvme)");
	refuses("BIND", EPERM, -EPERM, "0000:01:00.1 (driver nvme)");
	machine_file("/sys/kernel/iommu_groups/5/name", "vfio-noiommu\n");
	refuses("open device", ENOENT, -ENOTSUP, "use vfio:0000:01:00.0");
	machine_remove(FOLDER "vfio-dev/vfio3/dev");
	char folder[PATH_MAX];
	machine_path(folder, FOLDER "vfio-dev/vfio3");
	assert_int_equal(rmdir(folder), 0);
	refuses(NULL, 0, -ENOTSUP, "older than 6.1");
}

static void cards_of_one_container_share_an_address_space(void **state)
{
	struct medio_container *container;
	struct medio_card_dma_info info;
	uint64_t iova = 0;
	void *ptr;

	assert_int_equal(medio_container_new(&container), 0);
	struct medio_card *one = open_in("iommufd:0000:01:00.0", container);
	struct medio_card *two = open_in("iommufd:0000:02:00.0", container);
	assert_int_equal(kernel.spaces, 1);
	medio_card_get_dma_info(two, &info);
	assert_int_equal(info.num_ranges, 2);
	assert_int_equal(info.ranges[1].last, 0xffffffff);
	assert_int_equal(medio_card_dma_alloc_any(two, 8192, MEDIO_CARD_DMA_READ, &iova, &ptr), 0);
	assert_int_equal(kernel.maps, 1);
	assert_int_equal(kernel.map.ioas_id, SPACE);
	assert_int_equal(
		kernel.map.flags, MEDIO_IOMMU_IOAS_MAP_FIXED_IOVA | MEDIO_IOMMU_IOAS_MAP_READABLE);
	assert_int_equal(kernel.map.iova, iova);
	assert_int_equal(kernel.map.length, 8192);
	assert_int_equal(kernel.map.user_va, (uintptr_t)ptr);
	medio_card_close(two);
	/* A range with a hole in it goes mapping by mapping: the kernel would refuse it. */
	assert_int_equal(medio_card_dma_alloc(one, iova + 0x10000, 4096, RW, &ptr), 0);
	assert_int_equal(medio_card_dma_unmap(one, iova, 0x20000), 0);
	assert_int_equal(kernel.maps, 0);
	medio_card_close(one);
	medio_container_free(container);
}

static void a_map_that_the_kernel_refuses_is_explained_and_forgotten(void **state)
{
	struct medio_card *card = open_in("iommufd:0000:01:00.0", NULL);
	void *ptr;

	assert_int_equal(medio_card_dma_alloc(card, 0xfee00000, 4096, RW, &ptr), -EINVAL);
	assert_int_equal(medio_card_dma_alloc(card, 0x100000000, 4096, RW, &ptr), -EINVAL);
	assert_int_equal(kernel.maps, 0);
	kernel.refuse = "MAP";
	kernel.error = EEXIST;
	assert_int_equal(medio_card_dma_alloc(card, 0x40000, 4096, RW, &ptr), -EEXIST);
	assert_non_null(strstr(medio_card_last_error(card), "mapped already"));
	kernel.refuse = NULL;
	assert_int_equal(medio_card_dma_alloc(card, 0x40000, 4096, RW, &ptr), 0);
	medio_card_close(card);
}

static void a_token_goes_with_the_binding(void **state)
{
	const uint8_t uuid[16] = { 0x83, 0xb8, 0xf4, 0xf2, 0x50, 0x9f, 0x38, 0x2f, 0x3c, 0x1e, 0xe6,
		0xbf, 0xe0, 0xfa, 0x10, 0x01 };
	struct medio_card_options opts = { .vf_token = UUID };
	struct medio_error *err = NULL;
	struct medio_card *card = NULL;

	assert_int_equal(medio_card_open_kernel(&fake, "iommufd:01:00.0", &opts, &card, NULL), 0);
	assert_memory_equal(kernel.token, uuid, 16);
	medio_card_close(card);
	kernel.refuse = "BIND";
	kernel.error = EACCES;
	assert_int_equal(
		medio_card_open_kernel(&fake, "iommufd:01:00.0", &opts, &card, &err), -EACCES);
	assert_non_null(strstr(medio_error_text(err), "is not the one"));
	medio_error_free(err);
	err = NULL;
	kernel.error = EINVAL;
	assert_int_equal(
		medio_card_open_kernel(&fake, "iommufd:01:00.0", &opts, &card, &err), -EINVAL);
	assert_non_null(strstr(medio_error_text(err), "6.18"));
	medio_error_free(err);
	err = NULL;
	opts.vf_token = "secret";
	assert_int_equal(
		medio_card_open_kernel(&fake, "iommufd:01:00.0", &opts, &card, &err), -EINVAL);
	assert_non_null(strstr(medio_error_text(err), "no UUID"));
	medio_error_free(err);
}

static void only_a_device_that_keeps_a_log_has_one(void **state)
{
	struct medio_card *card = open_in("iommufd:0000:01:00.0", NULL);
	void *ptr;

	assert_int_equal(medio_card_dma_alloc(card, 0x40000, 4096, RW, &ptr), 0);
	assert_int_equal(medio_card_dirty_start(card, 4096), -ENOTTY);
	assert_non_null(strstr(medio_card_last_error(card), "keeps no log"));
	kernel.logs = true;
	kernel.log[0] = 0;
	assert_int_equal(medio_card_dirty_start(card, 4096), 0);
	medio_card_close(card);
	assert_string_equal(kernel.log, "FEATURE FEATURE ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_device_is_bound_before_all_else),
		TEST(each_refusal_says_what_to_do),
		TEST(a_token_goes_with_the_binding),
		TEST(only_a_device_that_keeps_a_log_has_one),
		TEST(cards_of_one_container_share_an_address_space),
		TEST(a_map_that_the_kernel_refuses_is_explained_and_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
