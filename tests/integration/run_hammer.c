/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * run_hammer GROUP NAME THREADS ROUNDS: many threads call one VFIO device at once: what it is, its registers, memory mapped and
 * unmapped, wild pointers, descriptors copied and closed under each other's feet. Whatever is asked must be answered, and
 * rightly where only one answer is right. TAP on standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u

static int container, group, device, rounds;
static uint64_t config;
static atomic_int wrong;
static atomic_int shared = -1; /* a copy of the device, closed and made by all */

static void expect(const char *what, long got, long want)
{
	if (got == want)
		return;
	if (atomic_fetch_add(&wrong, 1) < 10)
		printf("# %s: %ld (%s), not %ld\n", what, got, strerror(errno), want);
}

static void ask(void)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	uint32_t id = 0;

	expect("info", ioctl(device, VFIO_DEVICE_GET_INFO, &info), 0);
	expect("regions", info.num_regions >= 9, 1);
	expect("read", pread(device, &id, 4, (off_t)config), 4);
	expect("identity", id, 0x11e81234);
	expect("a wild pointer", ioctl(device, VFIO_DEVICE_GET_INFO, 16), -1);
	expect("is a fault", errno, EFAULT);
	info.argsz = 3;
	expect("short", ioctl(device, VFIO_DEVICE_GET_INFO, &info), -1);
	expect("is invalid", errno, EINVAL);
}

static void map(uint64_t iova, void *memory)
{
	struct vfio_iommu_type1_dma_map m = { .argsz = sizeof(m),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)memory,
		.iova = iova,
		.size = PAGE };
	struct vfio_iommu_type1_dma_unmap u = { .argsz = sizeof(u), .iova = iova, .size = PAGE };

	expect("map", ioctl(container, VFIO_IOMMU_MAP_DMA, &m), 0);
	expect("map again", ioctl(container, VFIO_IOMMU_MAP_DMA, &m), -1);
	expect("is there", errno, EEXIST);
	expect("unmap", ioctl(container, VFIO_IOMMU_UNMAP_DMA, &u), 0);
	expect("all of it", (long)u.size, PAGE);
}

/* Somebody else may close the copy, or have another file there, at any time: any answer but a wrong one. */
static void race(void)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int fd = dup(device), old = atomic_exchange(&shared, fd);
	int ret = ioctl(old, VFIO_DEVICE_GET_INFO, &info);

	if (ret && errno != EBADF && errno != ENOTTY)
		expect("a race", errno, EBADF);
	if (old >= 0)
		close(old);
}

static void *hammer(void *arg)
{
	uint64_t number = (uintptr_t)arg;
	char *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	memset(memory, (int)number, PAGE);
	for (int i = 0; i < rounds; i++) {
		ask();
		race();
		map((number + 1) * 16 * PAGE, memory);
		expect("what is in it", memory[PAGE - 1], (char)number);
	}
	munmap(memory, PAGE);
	return NULL;
}

static int opened(const char *number, const char *name)
{
	struct vfio_region_info region = { .argsz = sizeof(region),
		.index = VFIO_PCI_CONFIG_REGION_INDEX };
	char path[64];

	snprintf(path, sizeof(path), "/dev/vfio/%s", number);
	container = open("/dev/vfio/vfio", O_RDWR);
	group = open(path, O_RDWR);
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
		ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return -1;
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name);
	if (device < 0 || ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &region))
		return -1;
	config = region.offset;
	return 0;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 5 || opened(argv[1], argv[2])) {
		printf("not ok 1 - the device opens: %s\n1..1\n", strerror(errno));
		return 1;
	}
	int threads = atoi(argv[3]);
	pthread_t *all = calloc((size_t)threads, sizeof(*all));
	rounds = atoi(argv[4]);
	for (int i = 0; all && i < threads; i++)
		if (pthread_create(&all[i], NULL, hammer, (void *)(uintptr_t)i))
			return 1;
	for (int i = 0; all && i < threads; i++)
		pthread_join(all[i], NULL);
	free(all);
	printf("%sok 1 - %d threads were answered, %d times wrongly\n1..1\n", wrong ? "not " : "",
		threads, wrong);
	return wrong != 0;
}
