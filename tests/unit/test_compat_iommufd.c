/* SPDX-License-Identifier: BSD-3-Clause */
/* /dev/iommu as a program finds it: objects by number, mappings, devices that are bound, and VFIO's own calls on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/vfio.h>
#include <sys/mman.h>

#include "compat/iommufd.h"
#include "compat/kgroup.h"
#include "compat_stand_in.h"
#include "proto/iommufd.h"
#include "util/cleanup.h"

#define PAGE  4096u
#define FIXED MEDIO_IOMMU_IOAS_MAP_FIXED_IOVA
#define RW    (MEDIO_IOMMU_IOAS_MAP_WRITEABLE | MEDIO_IOMMU_IOAS_MAP_READABLE)

struct bed {
	struct stand_in s;
	struct stand_in_dev *pci, *mdev;
	struct medio_kgroup *pci_group, *mdev_group;
	int iommu;
};

static _Alignas(PAGE) char memory[16 * PAGE];

static int setup(void **state)
{
	static struct bed bed;

	stand_in_init(&bed.s);
	bed.pci = stand_in_dev(bed.s.compat, "0000:00:1e.0", MEDIO_KDEV_PCI);
	bed.mdev = stand_in_dev(
		bed.s.compat, "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", MEDIO_KDEV_MDEV);
	assert_int_equal(medio_kgroup_new(bed.s.compat, &bed.pci->kdev, false, &bed.pci_group), 0);
	assert_int_equal(
		medio_kgroup_new(bed.s.compat, &bed.mdev->kdev, false, &bed.mdev_group), 0);
	medio_iommufd_cdev(&bed.pci->kdev);
	medio_iommufd_cdev(&bed.mdev->kdev);
	bed.iommu = stand_in_open(&bed.s, medio_iommufd_open, bed.s.compat);
	assert_true(bed.iommu >= 0);
	*state = &bed;
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	stand_in_close(&bed->s, bed->iommu);
	stand_in_fini(&bed->s);
	assert_int_equal(stand_in_spans, 0);
	return 0;
}

static int64_t call(struct bed *bed, unsigned cmd, void *arg)
{
	return program_ioctl(&bed->s.p, bed->iommu, cmd, arg);
}

static uint32_t new_ioas(struct bed *bed)
{
	struct medio_iommu_ioas_alloc a = { .size = sizeof(a) };

	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_ALLOC, &a), 0);
	return a.out_ioas_id;
}

static int64_t destroy(struct bed *bed, uint32_t id)
{
	struct medio_iommu_destroy d = { sizeof(d), id };

	return call(bed, MEDIO_IOMMU_DESTROY, &d);
}

static int64_t map(struct bed *bed, uint32_t ioas, uint32_t flags, uint64_t vaddr, uint64_t length,
	uint64_t *iova)
{
	struct medio_iommu_ioas_map m = { sizeof(m), flags, ioas, 0, vaddr, length,
		iova ? *iova : 0 };
	int64_t ret = call(bed, MEDIO_IOMMU_IOAS_MAP, &m);

	if (iova)
		*iova = m.iova;
	return ret;
}

static int64_t map_at(struct bed *bed, uint32_t ioas, uint64_t iova, unsigned pages)
{
	return map(bed, ioas, FIXED | RW, (uintptr_t)memory, (uint64_t)pages * PAGE, &iova);
}

/* What it gives, or how much. */
static int64_t unmap(struct bed *bed, uint32_t ioas, uint64_t iova, uint64_t length)
{
	struct medio_iommu_ioas_unmap u = { sizeof(u), ioas, iova, length };
	int64_t ret = call(bed, MEDIO_IOMMU_IOAS_UNMAP, &u);

	return ret ? ret : (int64_t)u.length;
}

/* ---- Devices ---------------------------------------------------------------------------------- */

/* What a program has when it has opened vfioN: a file that is known by its place. */
static int open_cdev(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static int64_t cdev_call(struct bed *bed, struct stand_in_dev *dev, int fd, unsigned cmd, void *arg)
{
	return program_ioctl_file(&bed->s.p, &dev->kdev.cdev, fd, cmd, (uintptr_t)arg);
}

static int64_t bind_to(struct bed *bed, struct stand_in_dev *dev, int fd, int iommu, uint32_t *id)
{
	struct medio_vfio_bind_iommufd b = {
		.argsz = offsetof(struct medio_vfio_bind_iommufd, token_uuid_ptr), .iommufd = iommu
	};
	int64_t ret = cdev_call(bed, dev, fd, MEDIO_VFIO_BIND_IOMMUFD, &b);

	if (!ret && id)
		*id = b.out_devid;
	return ret;
}

static int bound(struct bed *bed, struct stand_in_dev *dev, uint32_t *id)
{
	int fd = open_cdev();

	assert_int_equal(bind_to(bed, dev, fd, bed->iommu, id), 0);
	return fd;
}

static int64_t attach(struct bed *bed, int fd, uint32_t *pt)
{
	struct medio_vfio_attach_pt a = { sizeof(a), 0, *pt };
	int64_t ret = program_ioctl(&bed->s.p, fd, MEDIO_VFIO_ATTACH_PT, &a);

	*pt = a.pt_id;
	return ret;
}

static int64_t detach(struct bed *bed, int fd)
{
	struct medio_vfio_detach_pt d = { sizeof(d), 0 };

	return program_ioctl(&bed->s.p, fd, MEDIO_VFIO_DETACH_PT, &d);
}

static void close_device(struct bed *bed, int fd, const struct stand_in_dev *dev)
{
	unsigned closes = dev->closes + 1;

	stand_in_close(&bed->s, fd);
	for (unsigned i = 0; i < 600 && dev->closes < closes; i++)
		medio_loop_run_once(bed->s.loop, 100);
	assert_int_equal(dev->closes, closes);
}

/* ---- Calls ------------------------------------------------------------------------------------ */

static void sizes_are_checked_as_the_kernel_does(void **state)
{
	struct bed *bed = *state;
	struct {
		struct medio_iommu_ioas_alloc a;
		uint8_t more[4096];
	} a = { .a = { .size = sizeof(a.a) - 1 } };

	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_ALLOC, NULL), -EFAULT);
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_ALLOC, &a), -EINVAL);
	a.a.size = 100;
	a.more[80] = 1;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_ALLOC, &a), -E2BIG);
	a.more[80] = 0;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_ALLOC, &a), 0);
	assert_int_equal(a.a.out_ioas_id, 1);
	a.a.size = 5000;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_ALLOC, &a), -E2BIG);
	a.a = (struct medio_iommu_ioas_alloc){ sizeof(a.a), 1, 0 };
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_ALLOC, &a), -EOPNOTSUPP);
	/* Of another direction, and one that nobody knows. */
	assert_int_equal(call(bed, _IOW(';', 0x81, int), &a), -ENOTTY);
	assert_int_equal(call(bed, MEDIO_IOMMUFD_CALL(0x99), &a), -ENOTTY);
}

static void numbers_are_the_lowest_that_are_free(void **state)
{
	struct bed *bed = *state;

	for (uint32_t i = 1; i <= 20; i++)
		assert_int_equal(new_ioas(bed), i);
	assert_int_equal(destroy(bed, 7), 0);
	assert_int_equal(destroy(bed, 7), -ENOENT);
	assert_int_equal(destroy(bed, 0), -ENOENT);
	assert_int_equal(destroy(bed, 21), -ENOENT);
	assert_int_equal(destroy(bed, UINT32_MAX), -ENOENT);
	assert_int_equal(new_ioas(bed), 7);
}

static void a_mapping_is_refused_for_the_kernels_reasons(void **state)
{
	struct bed *bed = *state;
	const uint32_t ioas = new_ioas(bed);
	const uint64_t here = (uintptr_t)memory;
	uint64_t iova = 0x10000, last = UINT64_MAX, top = UINT64_C(0) - PAGE, odd = 1;

	assert_int_equal(map(bed, ioas, FIXED | RW | 8, here, PAGE, &iova), -EOPNOTSUPP);
	assert_int_equal(map(bed, ioas, FIXED, here, PAGE, &iova), -EINVAL);
	assert_int_equal(map(bed, 77, FIXED | RW, here, PAGE, &iova), -ENOENT);
	assert_int_equal(map(bed, ioas, FIXED | RW, here, 0, &iova), -EINVAL);
	assert_int_equal(map(bed, ioas, FIXED | RW, here, UINT64_MAX, &iova), -EOVERFLOW);
	assert_int_equal(map(bed, ioas, FIXED | RW, here, PAGE, &last), -EOVERFLOW);
	assert_int_equal(map(bed, ioas, FIXED | RW, here, 2 * PAGE, &top), -EOVERFLOW);
	assert_int_equal(map(bed, ioas, FIXED | RW, top, 2 * PAGE, &iova), -EOVERFLOW);
	assert_int_equal(map(bed, ioas, FIXED | RW, here, PAGE, &odd), -EINVAL);
	assert_int_equal(map(bed, ioas, FIXED | RW, here + 1, PAGE, &iova), -EINVAL);
	assert_int_equal(map(bed, ioas, FIXED | RW, here, PAGE - 1, &iova), -EINVAL);
	assert_int_equal(map_at(bed, ioas, 0x10000, 4), 0);
	assert_int_equal(map_at(bed, ioas, 0x13000, 2), -EEXIST);
	assert_int_equal(map_at(bed, ioas, 0xf000, 2), -EEXIST);
	assert_int_equal(map_at(bed, new_ioas(bed), 0x10000, 4), 0);
}

static void addresses_are_chosen_where_it_is_free(void **state)
{
	struct bed *bed = *state;
	const uint32_t ioas = new_ioas(bed);
	uint64_t one = 0, two = 0, three = 0;
	struct medio_iommu_iova_range allowed = { 0x100000, 0x101fff };
	struct medio_iommu_ioas_allow_iovas a = { sizeof(a), ioas, 1, 0, (uintptr_t)&allowed };

	assert_int_equal(map(bed, ioas, RW, (uintptr_t)memory, PAGE, &one), 0);
	assert_int_equal(one, PAGE);
	assert_int_equal(map(bed, ioas, RW, (uintptr_t)memory, PAGE, &two), 0);
	assert_int_equal(two, 2 * PAGE);
	assert_int_equal(unmap(bed, ioas, PAGE, PAGE), PAGE);
	assert_int_equal(map(bed, ioas, RW, (uintptr_t)memory, PAGE, &three), 0);
	assert_int_equal(three, PAGE);
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_ALLOW_IOVAS, &a), 0);
	assert_int_equal(map(bed, ioas, RW, (uintptr_t)memory, 2 * PAGE, &one), 0);
	assert_int_equal(one, 0x100000);
	assert_int_equal(map(bed, ioas, RW, (uintptr_t)memory, PAGE, &one), -ENOSPC);
	/* Named ones are free everywhere. */
	assert_int_equal(map_at(bed, ioas, 0x200000, 1), 0);
}

static void allowed_ranges_are_checked(void **state)
{
	struct bed *bed = *state;
	const uint32_t ioas = new_ioas(bed);
	struct medio_iommu_iova_range two[2] = { { 0x5000, 0x8fff }, { 0x1000, 0x5000 } };
	struct medio_iommu_ioas_allow_iovas a = { sizeof(a), ioas, 2, 0, (uintptr_t)two };

	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_ALLOW_IOVAS, &a), -EINVAL);
	two[1].last = 0x1000;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_ALLOW_IOVAS, &a), -EINVAL);
	two[1].last = 0x1fff;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_ALLOW_IOVAS, &a), 0);
	a.reserved = 1;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_ALLOW_IOVAS, &a), -EOPNOTSUPP);
	a.reserved = 0;
	a.ioas_id = 99;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_ALLOW_IOVAS, &a), -ENOENT);
	a.ioas_id = ioas;
	a.allowed_iovas = 0;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_ALLOW_IOVAS, &a), -EFAULT);
	a.num_iovas = 0;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_ALLOW_IOVAS, &a), 0);
	/* What a device cannot reach cannot be kept for it, and the other way round. */
	int fd = bound(bed, bed->pci, NULL);
	uint32_t pt = ioas;
	two[0] = (struct medio_iommu_iova_range){ 0xfee00000, 0xfee00fff };
	a.num_iovas = 1;
	a.allowed_iovas = (uintptr_t)two;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_ALLOW_IOVAS, &a), 0);
	assert_int_equal(attach(bed, fd, &pt), -EADDRINUSE);
	a.num_iovas = 0;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_ALLOW_IOVAS, &a), 0);
	assert_int_equal(attach(bed, fd, &pt), 0);
	a.num_iovas = 1;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_ALLOW_IOVAS, &a), -EADDRINUSE);
	close_device(bed, fd, bed->pci);
}

static void unmapping_takes_whole_mappings(void **state)
{
	struct bed *bed = *state;
	const uint32_t ioas = new_ioas(bed);

	assert_int_equal(unmap(bed, 99, 0, PAGE), -ENOENT);
	assert_int_equal(unmap(bed, ioas, 0, PAGE), -ENOENT);
	assert_int_equal(unmap(bed, ioas, 0, UINT64_MAX), 0);
	assert_int_equal(unmap(bed, ioas, PAGE, UINT64_MAX), -EOVERFLOW);
	assert_int_equal(unmap(bed, ioas, PAGE, 0), -EINVAL);
	assert_int_equal(unmap(bed, ioas, UINT64_C(0) - PAGE, 2 * PAGE), -EOVERFLOW);
	assert_int_equal(map_at(bed, ioas, 0x10000, 4), 0);
	assert_int_equal(map_at(bed, ioas, 0x20000, 4), 0);
	assert_int_equal(unmap(bed, ioas, 0x11000, 3 * PAGE), -ENOENT);
	assert_int_equal(unmap(bed, ioas, 0x10000, PAGE), -ENOENT);
	assert_int_equal(unmap(bed, ioas, 0xf123, 0x6000), 4 * PAGE);
	assert_int_equal(unmap(bed, ioas, 0, UINT64_MAX), 4 * PAGE);
}

static void a_part_of_a_mapping_is_copied(void **state)
{
	struct bed *bed = *state;
	const uint32_t from = new_ioas(bed), to = new_ioas(bed);
	uint32_t pt = to;
	struct medio_iommu_ioas_copy c = { sizeof(c), FIXED | RW, to, from, 4 * PAGE, 0x100000,
		0x11000 };
	uint64_t read_only = 0x15000;

	int fd = bound(bed, bed->pci, NULL);
	assert_int_equal(attach(bed, fd, &pt), 0);
	assert_int_equal(map_at(bed, from, 0x10000, 2), 0);
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_COPY, &c), -ENOENT);
	assert_int_equal(map_at(bed, from, 0x12000, 3), 0);
	c.flags = FIXED | RW | 8;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_COPY, &c), -EOPNOTSUPP);
	c.flags = FIXED;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_COPY, &c), -EINVAL);
	c.flags = FIXED | RW;
	c.dst_ioas_id = 99;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_COPY, &c), -ENOENT);
	c.dst_ioas_id = to;
	/* The second piece is refused: the first does not stay. */
	bed->pci->map_error = -ENOSPC;
	bed->pci->map_after = 1;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_COPY, &c), -ENOSPC);
	assert_int_equal(bed->pci->num_maps, 0);
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_COPY, &c), 0);
	assert_int_equal(bed->pci->num_maps, 2);
	assert_int_equal(stand_in_find(bed->pci, 0x100000)->vaddr, (uintptr_t)memory + PAGE);
	assert_int_equal(stand_in_find(bed->pci, 0x101000)->vaddr, (uintptr_t)memory);
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_COPY, &c), -EEXIST);
	/* It lives on by itself. */
	assert_int_equal(unmap(bed, from, 0, UINT64_MAX), 5 * PAGE);
	assert_int_equal(bed->pci->num_maps, 2);
	assert_int_equal(map(bed, from, FIXED | MEDIO_IOMMU_IOAS_MAP_READABLE, (uintptr_t)memory,
				 PAGE, &read_only),
		0);
	c.src_iova = 0x15000;
	c.length = PAGE;
	c.dst_iova = 0x200000;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_COPY, &c), -EPERM);
	c.length = 0;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_COPY, &c), -EINVAL);
	close_device(bed, fd, bed->pci);
}

static void a_file_is_mapped(void **state)
{
	struct bed *bed = *state;
	const uint32_t ioas = new_ioas(bed);
	int mem = memfd_create("memory", MFD_CLOEXEC), null = open("/dev/null", O_RDWR);
	struct medio_iommu_ioas_map_file m = { sizeof(m), FIXED | RW, ioas, 999, PAGE, 2 * PAGE,
		0x1000 };
	struct medio_iommu_ioas_change_process change = { sizeof(change), 0 };

	assert_int_equal(ftruncate(mem, 3 * PAGE), 0);
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_MAP_FILE, &m), -EBADF);
	m.fd = null;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_MAP_FILE, &m), -EINVAL);
	m.fd = mem;
	m.length = 3 * PAGE;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_MAP_FILE, &m), -EINVAL);
	m.length = 2 * PAGE;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_MAP_FILE, &m), 0);
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_MAP_FILE, &m), -EEXIST);
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_CHANGE_PROCESS, &change), 0);
	assert_int_equal(map_at(bed, ioas, 0x10000, 1), 0);
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_CHANGE_PROCESS, &change), -EINVAL);
	assert_int_equal(unmap(bed, ioas, 0, UINT64_MAX), 3 * PAGE);
	close(mem);
	close(null);
}

static void options_are_known(void **state)
{
	struct bed *bed = *state;
	struct medio_iommu_option o = { sizeof(o), MEDIO_IOMMU_OPTION_HUGE_PAGES,
		MEDIO_IOMMU_OPTION_OP_GET, 0, 1, 9 };

	assert_int_equal(call(bed, MEDIO_IOMMU_OPTION, &o), -ENOENT);
	new_ioas(bed);
	assert_int_equal(call(bed, MEDIO_IOMMU_OPTION, &o), 0);
	assert_int_equal(o.val64, 1);
	o.op = MEDIO_IOMMU_OPTION_OP_SET;
	o.val64 = 2;
	assert_int_equal(call(bed, MEDIO_IOMMU_OPTION, &o), -EINVAL);
	o.val64 = 0;
	assert_int_equal(call(bed, MEDIO_IOMMU_OPTION, &o), 0);
	o.op = 5;
	assert_int_equal(call(bed, MEDIO_IOMMU_OPTION, &o), -EOPNOTSUPP);
	o.op = MEDIO_IOMMU_OPTION_OP_GET;
	o.option_id = MEDIO_IOMMU_OPTION_RLIMIT_MODE;
	assert_int_equal(call(bed, MEDIO_IOMMU_OPTION, &o), -EOPNOTSUPP);
	o.object_id = 0;
	o.val64 = 9;
	assert_int_equal(call(bed, MEDIO_IOMMU_OPTION, &o), 0);
	assert_int_equal(o.val64, 0);
	o.option_id = 9;
	assert_int_equal(call(bed, MEDIO_IOMMU_OPTION, &o), -EOPNOTSUPP);
}

/* ---- Devices ---------------------------------------------------------------------------------- */

static void nothing_works_before_bind(void **state)
{
	struct bed *bed = *state;
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct medio_vfio_bind_iommufd b = { .argsz = 15, .iommufd = bed->iommu };
	int fd = open_cdev(), other = open_cdev();

	assert_int_equal(cdev_call(bed, bed->pci, fd, VFIO_DEVICE_GET_INFO, &info), -EINVAL);
	assert_int_equal(cdev_call(bed, bed->pci, fd, MEDIO_VFIO_ATTACH_PT, &info), -EINVAL);
	assert_int_equal(cdev_call(bed, bed->pci, fd, MEDIO_VFIO_BIND_IOMMUFD, NULL), -EFAULT);
	assert_int_equal(cdev_call(bed, bed->pci, fd, MEDIO_VFIO_BIND_IOMMUFD, &b), -EINVAL);
	b.argsz = 16;
	b.flags = 1;
	assert_int_equal(cdev_call(bed, bed->pci, fd, MEDIO_VFIO_BIND_IOMMUFD, &b), -EINVAL);
	assert_int_equal(bind_to(bed, bed->pci, fd, -1, NULL), -EINVAL);
	assert_int_equal(bind_to(bed, bed->pci, fd, 999, NULL), -EBADF);
	assert_int_equal(bind_to(bed, bed->pci, fd, other, NULL), -EBADFD);
	close(fd);
	close(other);
}

static void a_device_is_bound_once(void **state)
{
	struct bed *bed = *state;
	uint32_t id = 0;
	int fd = bound(bed, bed->pci, &id), again = open_cdev();

	assert_int_equal(id, 1);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(destroy(bed, id), -EBUSY);
	assert_int_equal(bind_to(bed, bed->pci, again, bed->iommu, NULL), -EINVAL);
	assert_int_equal(program_ioctl(&bed->s.p, fd, MEDIO_VFIO_BIND_IOMMUFD, NULL), -EINVAL);
	/* Nor by its group, meanwhile. */
	assert_int_equal(stand_in_open(&bed->s, medio_kgroup_open, bed->pci_group), -EBUSY);
	close_device(bed, fd, bed->pci);
	int group = stand_in_open(&bed->s, medio_kgroup_open, bed->pci_group);
	assert_true(group >= 0);
	assert_int_equal(bind_to(bed, bed->pci, again, bed->iommu, NULL), -EBUSY);
	stand_in_close(&bed->s, group);
	assert_int_equal(bind_to(bed, bed->pci, again, bed->iommu, &id), 0);
	assert_int_equal(id, 1);
	close_device(bed, again, bed->pci);
}

static void a_bind_that_cannot_be_told_is_undone(void **state)
{
	struct bed *bed = *state;
	struct medio_vfio_bind_iommufd b = { .argsz = 16, .iommufd = bed->iommu };
	int fd = open_cdev();
	unsigned closes = bed->pci->closes;

	bed->pci->open_error = -ENOMEM;
	assert_int_equal(cdev_call(bed, bed->pci, fd, MEDIO_VFIO_BIND_IOMMUFD, &b), -ENOMEM);
	bed->pci->open_error = 0;
	assert_int_equal(destroy(bed, 1), -ENOENT);
	assert_int_equal(bed->pci->closes, closes);
	assert_int_equal(cdev_call(bed, bed->pci, fd, MEDIO_VFIO_BIND_IOMMUFD, &b), 0);
	close_device(bed, fd, bed->pci);
}

static void a_device_sees_what_it_is_attached_to(void **state)
{
	struct bed *bed = *state;
	const uint32_t one = new_ioas(bed), two = new_ioas(bed);
	uint32_t pt = 99;
	int fd = bound(bed, bed->pci, NULL);

	assert_int_equal(map_at(bed, one, 0x1000, 1), 0);
	assert_int_equal(map_at(bed, two, 0x2000, 2), 0);
	assert_int_equal(attach(bed, fd, &pt), -ENOENT);
	pt = 3; /* itself */
	assert_int_equal(attach(bed, fd, &pt), -EINVAL);
	pt = one;
	assert_int_equal(attach(bed, fd, &pt), 0);
	assert_int_equal(pt, 4); /* a page table was made */
	assert_non_null(stand_in_find(bed->pci, 0x1000));
	assert_int_equal(destroy(bed, one), -EBUSY);
	assert_int_equal(destroy(bed, pt), -EBUSY);
	assert_int_equal(attach(bed, fd, &pt), 0);
	pt = two;
	assert_int_equal(attach(bed, fd, &pt), 0);
	assert_null(stand_in_find(bed->pci, 0x1000));
	assert_non_null(stand_in_find(bed->pci, 0x2000));
	assert_int_equal(destroy(bed, one), 0);
	/* What is mapped later it sees at once. */
	assert_int_equal(map_at(bed, two, 0x9000, 1), 0);
	assert_non_null(stand_in_find(bed->pci, 0x9000));
	assert_int_equal(unmap(bed, two, 0x9000, PAGE), PAGE);
	assert_null(stand_in_find(bed->pci, 0x9000));
	assert_int_equal(detach(bed, fd), 0);
	assert_int_equal(bed->pci->num_maps, 0);
	assert_int_equal(detach(bed, fd), 0);
	assert_int_equal(destroy(bed, two), 0);
	close_device(bed, fd, bed->pci);
}

static void what_it_was_attached_to_stays_after_a_failure(void **state)
{
	struct bed *bed = *state;
	const uint32_t one = new_ioas(bed), two = new_ioas(bed);
	uint32_t pt = one;
	int fd = bound(bed, bed->pci, NULL);

	assert_int_equal(map_at(bed, one, 0x1000, 1), 0);
	assert_int_equal(map_at(bed, two, 0x2000, 1), 0);
	assert_int_equal(attach(bed, fd, &pt), 0);
	bed->pci->map_error = -ENOSPC;
	pt = two;
	assert_int_equal(attach(bed, fd, &pt), -ENOSPC);
	assert_non_null(stand_in_find(bed->pci, 0x1000));
	assert_int_equal(destroy(bed, two), 0);
	assert_int_equal(destroy(bed, one), -EBUSY);
	close_device(bed, fd, bed->pci);
	assert_int_equal(destroy(bed, one), 0);
}

static void devices_narrow_the_ranges(void **state)
{
	struct bed *bed = *state;
	const uint32_t ioas = new_ioas(bed);
	struct medio_iommu_iova_range ranges[4];
	struct medio_iommu_ioas_iova_ranges r = { sizeof(r), ioas, 4, 0, (uintptr_t)ranges, 0 };
	uint32_t pt = ioas;
	int fd = bound(bed, bed->pci, NULL);

	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_IOVA_RANGES, &r), 0);
	assert_int_equal(r.num_iovas, 1);
	assert_int_equal(ranges[0].last, UINT64_MAX);
	assert_int_equal(map_at(bed, ioas, 0xfee00000, 1), 0);
	assert_int_equal(attach(bed, fd, &pt), -EADDRINUSE);
	assert_int_equal(unmap(bed, ioas, 0, UINT64_MAX), PAGE);
	assert_int_equal(attach(bed, fd, &pt), 0);
	assert_int_equal(map_at(bed, ioas, 0xfee00000, 1), -EINVAL);
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_IOVA_RANGES, &r), -EMSGSIZE);
	assert_int_equal(r.num_iovas, 2);
	assert_int_equal(r.out_iova_alignment, PAGE);
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_IOVA_RANGES, &r), 0);
	assert_int_equal(ranges[0].last, 0xfedfffff);
	assert_int_equal(ranges[1].start, 0xfef00000);
	r.num_iovas = 2;
	r.allowed_iovas = 0;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_IOVA_RANGES, &r), -EFAULT);
	r.num_iovas = 0;
	assert_int_equal(call(bed, MEDIO_IOMMU_IOAS_IOVA_RANGES, &r), -EMSGSIZE);
	close_device(bed, fd, bed->pci);
}

static void a_mediated_device_has_no_page_table(void **state)
{
	struct bed *bed = *state;
	const uint32_t ioas = new_ioas(bed);
	uint32_t pt = ioas, id = 0;
	int fd = bound(bed, bed->mdev, &id);
	struct medio_iommu_hw_info info = { .size = sizeof(info), .dev_id = id };

	assert_int_equal(attach(bed, fd, &pt), 0);
	assert_int_equal(pt, ioas);
	assert_int_equal(call(bed, MEDIO_IOMMU_GET_HW_INFO, &info), -ENOENT);
	pt = id;
	assert_int_equal(attach(bed, fd, &pt), -ENOENT);
	assert_int_equal(destroy(bed, ioas), -EBUSY);
	close_device(bed, fd, bed->mdev);
	assert_int_equal(destroy(bed, ioas), 0);
}

static void pasids_are_not_had(void **state)
{
	struct bed *bed = *state;
	struct medio_vfio_attach_pt a = { sizeof(a), MEDIO_VFIO_ATTACH_PASID, new_ioas(bed) };
	struct medio_vfio_detach_pt d = { sizeof(d), MEDIO_VFIO_DETACH_PASID };
	int fd = bound(bed, bed->pci, NULL);

	assert_int_equal(program_ioctl(&bed->s.p, fd, MEDIO_VFIO_ATTACH_PT, &a), -EOPNOTSUPP);
	assert_int_equal(program_ioctl(&bed->s.p, fd, MEDIO_VFIO_DETACH_PT, &d), -EOPNOTSUPP);
	a.flags = 2;
	d.flags = 2;
	assert_int_equal(program_ioctl(&bed->s.p, fd, MEDIO_VFIO_ATTACH_PT, &a), -EINVAL);
	assert_int_equal(program_ioctl(&bed->s.p, fd, MEDIO_VFIO_DETACH_PT, &d), -EINVAL);
	assert_int_equal(program_ioctl(&bed->s.p, fd, MEDIO_VFIO_ATTACH_PT, NULL), -EFAULT);
	close_device(bed, fd, bed->pci);
}

static void a_bound_device_keeps_the_file(void **state)
{
	struct bed *bed = *state;
	uint32_t pt = new_ioas(bed);
	int fd = bound(bed, bed->pci, NULL);

	assert_int_equal(map_at(bed, pt, 0x1000, 1), 0);
	assert_int_equal(attach(bed, fd, &pt), 0);
	stand_in_close(&bed->s, bed->iommu);
	assert_non_null(stand_in_find(bed->pci, 0x1000));
	assert_int_equal(stand_in_spans, 1);
	close_device(bed, fd, bed->pci);
	assert_int_equal(stand_in_spans, 0);
	bed->iommu = stand_in_open(&bed->s, medio_iommufd_open, bed->s.compat);
}

static void page_tables_keep_a_log(void **state)
{
	struct bed *bed = *state;
	const uint32_t ioas = new_ioas(bed);
	uint32_t id, pt;
	int fd = bound(bed, bed->pci, &id);
	uint8_t data[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
	struct medio_iommu_hw_info info = {
		.size = sizeof(info), .dev_id = id, .data_len = 8, .data_uptr = (uintptr_t)data
	};
	struct medio_iommu_hwpt_alloc a = { .size = sizeof(a), .dev_id = id, .pt_id = ioas };
	uint64_t word = 0;

	assert_int_equal(call(bed, MEDIO_IOMMU_GET_HW_INFO, &info), 0);
	assert_int_equal(info.out_data_type, 0);
	assert_int_equal(info.data_len, 0);
	assert_int_equal(info.out_capabilities, MEDIO_IOMMU_HW_CAP_DIRTY_TRACKING);
	assert_int_equal(data[7], 0);
	a.flags = MEDIO_IOMMU_HWPT_NEST_PARENT;
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_ALLOC, &a), -EOPNOTSUPP);
	a.flags = MEDIO_IOMMU_HWPT_DIRTY_TRACKING;
	a.data_len = 4;
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_ALLOC, &a), -EINVAL);
	a.data_len = 0;
	a.pt_id = 99;
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_ALLOC, &a), -EINVAL);
	a.pt_id = ioas;
	a.dev_id = 99;
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_ALLOC, &a), -ENOENT);
	a.dev_id = id;
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_ALLOC, &a), 0);
	pt = a.out_hwpt_id;
	assert_int_equal(attach(bed, fd, &pt), 0);
	assert_int_equal(pt, a.out_hwpt_id);
	assert_int_equal(map_at(bed, ioas, 0x10000, 8), 0);
	assert_int_equal(map_at(bed, ioas, 0x18000, 8), 0);
	struct medio_iommu_hwpt_set_dirty_tracking set = { sizeof(set),
		MEDIO_IOMMU_HWPT_DIRTY_ENABLE, pt, 0 };
	struct medio_iommu_hwpt_get_dirty_bitmap get = { sizeof(get), pt,
		MEDIO_IOMMU_HWPT_DIRTY_NO_CLEAR, 0, 0x10000, 16 * PAGE, PAGE, (uintptr_t)&word };
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_GET_DIRTY_BITMAP, &get), -EINVAL);
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_SET_DIRTY_TRACKING, &set), 0);
	bed->pci->written = 0x19000;
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_GET_DIRTY_BITMAP, &get), 0);
	assert_int_equal(word, 1 << 9);
	get.page_size = 2 * PAGE;
	get.flags = 0;
	word = 0;
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_GET_DIRTY_BITMAP, &get), 0);
	assert_int_not_equal(word & 1 << 4, 0); /* it was to be kept */
	word = 0;
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_GET_DIRTY_BITMAP, &get), 0);
	assert_int_equal(word, 0);
	get.length = 18 * PAGE;
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_GET_DIRTY_BITMAP, &get), -EINVAL);
	get.length = 0;
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_GET_DIRTY_BITMAP, &get), -EOVERFLOW);
	get.length = 16 * PAGE;
	get.page_size = 0;
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_GET_DIRTY_BITMAP, &get), -EINVAL);
	get.page_size = PAGE;
	get.hwpt_id = ioas;
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_GET_DIRTY_BITMAP, &get), -ENOENT);
	set.flags = 0;
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_SET_DIRTY_TRACKING, &set), 0);
	assert_false(bed->pci->logging);
	get.hwpt_id = pt;
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_GET_DIRTY_BITMAP, &get), -EINVAL);
	/* One that goes takes its log along. */
	set.flags = MEDIO_IOMMU_HWPT_DIRTY_ENABLE;
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_SET_DIRTY_TRACKING, &set), 0);
	assert_true(bed->pci->logging);
	assert_int_equal(detach(bed, fd), 0);
	/* It was asked for, so it stays. */
	assert_int_equal(destroy(bed, pt), 0);
	close_device(bed, fd, bed->pci);
}

static void page_tables_of_one_ioas_lose_nothing_to_each_other(void **state)
{
	struct bed *bed = *state;
	const uint32_t ioas = new_ioas(bed);
	uint32_t id, pts[2];
	int fd = bound(bed, bed->pci, &id);
	uint64_t word = 0;

	assert_int_equal(map_at(bed, ioas, 0x10000, 8), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct medio_iommu_hwpt_alloc a = { .size = sizeof(a),
			.flags = MEDIO_IOMMU_HWPT_DIRTY_TRACKING,
			.dev_id = id,
			.pt_id = ioas };
		assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_ALLOC, &a), 0);
		pts[i] = a.out_hwpt_id;
	}
	uint32_t pt = pts[0];
	assert_int_equal(attach(bed, fd, &pt), 0);
	struct medio_iommu_hwpt_set_dirty_tracking set = { sizeof(set),
		MEDIO_IOMMU_HWPT_DIRTY_ENABLE, pts[0], 0 };
	struct medio_iommu_hwpt_get_dirty_bitmap get = { sizeof(get), pts[0], 0, 0, 0x10000,
		8 * PAGE, PAGE, (uintptr_t)&word };
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_SET_DIRTY_TRACKING, &set), 0);
	set.hwpt_id = pts[1];
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_SET_DIRTY_TRACKING, &set), 0);
	bed->pci->written = 0x13000;
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_GET_DIRTY_BITMAP, &get), 0);
	assert_true(word & 1 << 3);
	word = 0;
	get.hwpt_id = pts[1];
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_GET_DIRTY_BITMAP, &get), 0);
	assert_true(word & 1 << 3);
	/* The first has no log any more, the second has. */
	set.flags = 0;
	set.hwpt_id = pts[0];
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_SET_DIRTY_TRACKING, &set), 0);
	assert_true(bed->pci->logging);
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_GET_DIRTY_BITMAP, &get), 0);
	get.hwpt_id = pts[0];
	assert_int_equal(call(bed, MEDIO_IOMMU_HWPT_GET_DIRTY_BITMAP, &get), -EINVAL);
	assert_int_equal(destroy(bed, pts[1]), 0);
	assert_false(bed->pci->logging);
	assert_int_equal(detach(bed, fd), 0);
	assert_int_equal(destroy(bed, pts[0]), 0);
	close_device(bed, fd, bed->pci);
}

/* ---- As a container --------------------------------------------------------------------------- */

static int64_t number(struct bed *bed, unsigned cmd, uintptr_t arg)
{
	return call(bed, cmd, (void *)arg);
}

static void a_group_takes_it_for_a_container(void **state)
{
	struct bed *bed = *state;
	int group = stand_in_open(&bed->s, medio_kgroup_open, bed->pci_group);
	struct vfio_iommu_type1_dma_map m = {
		.argsz = sizeof(m), .flags = 3, .vaddr = (uintptr_t)memory, .size = 4 * PAGE
	};
	struct vfio_iommu_type1_dma_unmap u = { .argsz = sizeof(u), .iova = PAGE, .size = PAGE };
	struct medio_iommu_vfio_ioas v = { .size = sizeof(v) };
	struct {
		struct vfio_iommu_type1_info info;
		uint8_t caps[256];
	} i = { .info = { .argsz = sizeof(i) } };

	assert_int_equal(number(bed, VFIO_GET_API_VERSION, 0), VFIO_API_VERSION);
	assert_int_equal(number(bed, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU), 1);
	assert_int_equal(number(bed, VFIO_CHECK_EXTENSION, VFIO_UPDATE_VADDR), 0);
	assert_int_equal(number(bed, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU), -ENODEV);
	assert_int_equal(number(bed, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), -ENODEV);
	assert_int_equal(call(bed, VFIO_IOMMU_MAP_DMA, &m), -ENODEV);
	assert_int_equal(call(bed, VFIO_IOMMU_UNMAP_DMA, &u), -ENODEV);
	assert_int_equal(call(bed, VFIO_IOMMU_GET_INFO, &i), -ENODEV);
	assert_int_equal(call(bed, MEDIO_IOMMU_VFIO_IOAS, &v), -ENODEV);
	assert_int_equal(program_ioctl(&bed->s.p, group, VFIO_GROUP_SET_CONTAINER, &bed->iommu), 0);
	assert_int_equal(call(bed, MEDIO_IOMMU_VFIO_IOAS, &v), 0);
	assert_int_equal(v.ioas_id, 1);
	assert_int_equal(number(bed, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU), 1);
	assert_int_equal(number(bed, VFIO_SET_IOMMU, VFIO_TYPE1_NESTING_IOMMU), -EINVAL);
	assert_int_equal(number(bed, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), 0);
	int fd = (int)program_ioctl(
		&bed->s.p, group, VFIO_GROUP_GET_DEVICE_FD, bed->pci->kdev.name);
	assert_true(fd >= 0);
	assert_int_equal(call(bed, VFIO_IOMMU_GET_INFO, &i), 0);
	assert_int_equal(i.info.cap_offset, sizeof(i.info));
	assert_int_equal(i.info.iova_pgsizes, 0x40201000);
	assert_int_equal(call(bed, VFIO_IOMMU_MAP_DMA, &m), 0);
	assert_int_equal(call(bed, VFIO_IOMMU_MAP_DMA, &m), -EEXIST);
	assert_int_equal(bed->pci->num_maps, 1);
	/* The first type cuts. */
	assert_int_equal(call(bed, VFIO_IOMMU_UNMAP_DMA, &u), 0);
	assert_int_equal(u.size, PAGE);
	assert_int_equal(bed->pci->num_maps, 2);
	assert_null(stand_in_find(bed->pci, PAGE));
	assert_int_equal(stand_in_find(bed->pci, 2 * PAGE)->vaddr, (uintptr_t)memory + 2 * PAGE);
	assert_int_equal(call(bed, VFIO_IOMMU_UNMAP_DMA, &u), -ENOENT);
	assert_int_equal(u.size, 0);
	u = (struct vfio_iommu_type1_dma_unmap){ .argsz = sizeof(u),
		.flags = VFIO_DMA_UNMAP_FLAG_ALL };
	assert_int_equal(call(bed, VFIO_IOMMU_UNMAP_DMA, &u), 0);
	assert_int_equal(u.size, 3 * PAGE);
	assert_int_equal(number(bed, VFIO_IOMMU_DIRTY_PAGES, 0), -ENOTTY);
	/* The device does not keep a container, unlike elsewhere. */
	assert_int_equal(program_ioctl(&bed->s.p, group, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	close_device(bed, fd, bed->pci);
	stand_in_close(&bed->s, group);
}

static void the_ioas_can_be_another(void **state)
{
	struct bed *bed = *state;
	int group = stand_in_open(&bed->s, medio_kgroup_open, bed->pci_group);
	struct medio_iommu_vfio_ioas v = {
		.size = sizeof(v), .ioas_id = 9, .op = MEDIO_IOMMU_VFIO_IOAS_SET
	};

	assert_int_equal(call(bed, MEDIO_IOMMU_VFIO_IOAS, &v), -ENOENT);
	v.ioas_id = new_ioas(bed);
	assert_int_equal(call(bed, MEDIO_IOMMU_VFIO_IOAS, &v), 0);
	assert_int_equal(program_ioctl(&bed->s.p, group, VFIO_GROUP_SET_CONTAINER, &bed->iommu), 0);
	v.op = MEDIO_IOMMU_VFIO_IOAS_CLEAR;
	assert_int_equal(call(bed, MEDIO_IOMMU_VFIO_IOAS, &v), 0);
	assert_int_equal(
		program_ioctl(&bed->s.p, group, VFIO_GROUP_GET_DEVICE_FD, bed->pci->kdev.name),
		-ENODEV);
	v.op = 7;
	assert_int_equal(call(bed, MEDIO_IOMMU_VFIO_IOAS, &v), -EOPNOTSUPP);
	v.op = 0;
	v.reserved = 1;
	assert_int_equal(call(bed, MEDIO_IOMMU_VFIO_IOAS, &v), -EOPNOTSUPP);
	stand_in_close(&bed->s, group);
}

static void a_group_without_an_iommu_stays_alone(void **state)
{
	struct bed *bed = *state;
	struct stand_in_dev *bare = stand_in_dev(bed->s.compat, "0000:00:1f.0", MEDIO_KDEV_PCI);
	struct medio_kgroup *bare_group;

	assert_int_equal(medio_kgroup_new(bed->s.compat, &bare->kdev, true, &bare_group), 0);
	int group = stand_in_open(&bed->s, medio_kgroup_open, bare_group);
	int real = stand_in_open(&bed->s, medio_kgroup_open, bed->pci_group);
	assert_int_equal(program_ioctl(&bed->s.p, group, VFIO_GROUP_SET_CONTAINER, &bed->iommu), 0);
	assert_int_equal(
		program_ioctl(&bed->s.p, real, VFIO_GROUP_SET_CONTAINER, &bed->iommu), -EINVAL);
	assert_int_equal(number(bed, VFIO_CHECK_EXTENSION, VFIO_NOIOMMU_IOMMU), 1);
	assert_int_equal(number(bed, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), -EINVAL);
	assert_int_equal(number(bed, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU), 0);
	int fd = (int)program_ioctl(&bed->s.p, group, VFIO_GROUP_GET_DEVICE_FD, bare->kdev.name);
	assert_true(fd >= 0);
	close_device(bed, fd, bare);
	stand_in_close(&bed->s, group);
	stand_in_close(&bed->s, real);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(sizes_are_checked_as_the_kernel_does),
		T(numbers_are_the_lowest_that_are_free),
		T(a_mapping_is_refused_for_the_kernels_reasons),
		T(addresses_are_chosen_where_it_is_free),
		T(allowed_ranges_are_checked),
		T(unmapping_takes_whole_mappings),
		T(a_part_of_a_mapping_is_copied),
		T(a_file_is_mapped),
		T(options_are_known),
		T(nothing_works_before_bind),
		T(a_device_is_bound_once),
		T(a_bind_that_cannot_be_told_is_undone),
		T(a_device_sees_what_it_is_attached_to),
		T(what_it_was_attached_to_stays_after_a_failure),
		T(devices_narrow_the_ranges),
		T(a_mediated_device_has_no_page_table),
		T(pasids_are_not_had),
		T(a_bound_device_keeps_the_file),
		T(page_tables_keep_a_log),
		T(page_tables_of_one_ioas_lose_nothing_to_each_other),
		T(a_group_takes_it_for_a_container),
		T(the_ioas_can_be_another),
		T(a_group_without_an_iommu_stays_alone),
	};
	return cmocka_run_group_tests_name("compat_iommufd", tests, NULL, NULL);
}
