/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * run_exec GROUP NAME ROUNDS: threads map memory and registers of a PCI device all the time while one of them calls exec(),
 * which is this program again; every other time the first thread has ended by then. It must come to its end. TAP on
 * standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u

static int container, group, device;
static uint64_t bar;
static char **words;

static void fail(const char *what)
{
	printf("not ok 1 - %s, with %s to go: %s\n1..1\n", what, words[3], strerror(errno));
	fflush(stdout);
	_exit(1);
}

/* Of what was before exec() the device may end a little later. */
static void opened(void)
{
	struct vfio_region_info region = { .argsz = sizeof(region) };
	const char *number = words[1];
	char path[64];

	snprintf(path, sizeof(path), "/dev/vfio/%s", number);
	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 6000 && (group = open(path, O_RDWR | O_CLOEXEC)) < 0 && errno == EBUSY;
		i++)
		usleep(10000);
	if (group < 0 || ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
		ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		fail("the group opens");
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, words[2]);
	if (device < 0 || ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &region))
		fail("the device opens");
	bar = region.offset;
}

static void *map_all(void *arg)
{
	uint64_t iova = ((uintptr_t)arg + 1) * 16 * PAGE;

	for (;;) {
		void *memory = mmap(
			NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		struct vfio_iommu_type1_dma_map m = { .argsz = sizeof(m),
			.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
			.vaddr = (uintptr_t)memory,
			.iova = iova,
			.size = PAGE };
		struct vfio_iommu_type1_dma_unmap u = {
			.argsz = sizeof(u), .iova = iova, .size = PAGE
		};
		ioctl(container, VFIO_IOMMU_MAP_DMA, &m);
		ioctl(container, VFIO_IOMMU_UNMAP_DMA, &u);
		munmap(memory, PAGE);
		volatile uint32_t *registers = mmap(
			NULL, PAGE, PROT_READ, MAP_SHARED, device, (off_t)bar);
		if (registers == MAP_FAILED)
			continue;
		(void)*registers;
		munmap((void *)registers, PAGE);
	}
	return NULL;
}

static void *nothing(void *arg)
{
	return arg;
}

static void *come_and_go(void *arg)
{
	pthread_t thread;

	for (;;)
		if (!pthread_create(&thread, NULL, nothing, arg))
			pthread_join(thread, NULL);
	return NULL;
}

static void *again(void *arg)
{
	char left[16];

	(void)arg;
	usleep(100000);
	snprintf(left, sizeof(left), "%d", atoi(words[3]) - 1);
	/* What /proc/self is of has no file once the first thread has ended. */
	execl("/proc/thread-self/exe", words[0], words[1], words[2], left, NULL);
	fail("exec()");
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	words = argv;
	if (argc != 4)
		return 2;
	int left = atoi(argv[3]);
	if (!left) {
		printf("ok 1 - exec() while threads map\n1..1\n");
		return 0;
	}
	opened();
	for (uintptr_t i = 0; i < 3; i++)
		if (pthread_create(&thread, NULL, map_all, (void *)i))
			fail("a thread");
	if (pthread_create(&thread, NULL, come_and_go, NULL) ||
		pthread_create(&thread, NULL, again, NULL))
		fail("a thread");
	if (left % 2)
		pthread_exit(NULL);
	map_all((void *)(uintptr_t)3);
}
