/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * run_raw GROUP NAME: a VFIO program as a language without a C library would make it: static, system calls by number,
 * nothing that could be preloaded. It drives medio's edu card: identity, DMA both ways from its own private memory, an
 * interrupt, its registers through pwrite() and, where its BAR can be mapped, by loads and stores; and tries what must
 * be refused. TAP on standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096u
#define IOVA 0x100000u

static unsigned tests, failures;
static int container, group, device;
static uint64_t bar0;
static uint32_t *mapped;
static int pinned; /* a PCI device: its memory is */

static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static long raw_ioctl(int fd, unsigned long cmd, const void *arg)
{
	return call(SYS_ioctl, fd, (long)cmd, (long)arg, 0, 0, 0);
}

static long raw_open(const char *path, int flags)
{
	return call(SYS_openat, AT_FDCWD, (long)path, flags, 0, 0, 0);
}

static void is(const char *name, long got, long want)
{
	tests++;
	if (got == want) {
		printf("ok %u - %s\n", tests, name);
		return;
	}
	failures++;
	printf("not ok %u - %s: %ld, not %ld\n", tests, name, got, want);
}

static uint32_t reg_read(uint32_t at)
{
	uint32_t value = 0;

	if (mapped)
		return *(volatile uint32_t *)(mapped + at / 4);
	call(SYS_pread64, device, (long)&value, 4, (long)(bar0 + at), 0, 0);
	return value;
}

static void reg_write(uint32_t at, uint64_t value, unsigned size)
{
	if (mapped && size == 8)
		*(volatile uint64_t *)(void *)(mapped + at / 4) = value;
	else if (mapped)
		*(volatile uint32_t *)(mapped + at / 4) = (uint32_t)value;
	else
		call(SYS_pwrite64, device, (long)&value, size, (long)(bar0 + at), 0, 0);
}

/* ---- Steps --------------------------------------------------------------------------------------------------- */

static void open_group(const char *number)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	int type = VFIO_TYPE1v2_IOMMU;
	char path[64];

	container = (int)raw_open("/dev/vfio/vfio", O_RDWR);
	is("the container opens", container >= 0, 1);
	is("its version", raw_ioctl(container, VFIO_GET_API_VERSION, NULL), VFIO_API_VERSION);
	is("it has type1 v2", raw_ioctl(container, VFIO_CHECK_EXTENSION, (void *)3L), 1);
	is("it has no IOMMU of its own before a group comes",
		raw_ioctl(container, VFIO_SET_IOMMU, (void *)(long)type), -EINVAL);
	snprintf(path, sizeof(path), "/dev/vfio/%s", number);
	group = (int)raw_open(path, O_RDWR);
	is("the group opens", group >= 0, 1);
	is("and once only", raw_open(path, O_RDWR), -EBUSY);
	is("its status", raw_ioctl(group, VFIO_GROUP_GET_STATUS, &status), 0);
	is("it is viable", status.flags, VFIO_GROUP_FLAGS_VIABLE);
	is("it joins the container", raw_ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	is("the container has an IOMMU", raw_ioctl(container, VFIO_SET_IOMMU, (void *)(long)type),
		0);
}

static void open_device(const char *name)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info region = { .argsz = sizeof(region),
		.index = VFIO_PCI_CONFIG_REGION_INDEX };
	uint32_t id = 0;
	uint16_t command = 6;

	is("no device of another name", raw_ioctl(group, VFIO_GROUP_GET_DEVICE_FD, "nobody"),
		-ENODEV);
	device = (int)raw_ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name);
	is("the device opens", device >= 0, 1);
	pinned = strchr(name, ':') != NULL;
	is("what it has", raw_ioctl(device, VFIO_DEVICE_GET_INFO, &info), 0);
	is("a PCI device's regions", info.num_regions >= 9 && info.flags & VFIO_DEVICE_FLAGS_PCI,
		1);
	is("its configuration space", raw_ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &region), 0);
	is("who it is",
		call(SYS_pread64, device, (long)&id, 4, (long)region.offset, 0, 0) == 4 ? id : 0,
		0x11e81234);
	is("memory and bus mastering are on",
		call(SYS_pwrite64, device, (long)&command, 2, (long)(region.offset + 4), 0, 0), 2);
	region.index = 0;
	is("its registers", raw_ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &region), 0);
	bar0 = region.offset;
	is("identify", reg_read(0), 0x010000ed);
	if (region.flags & VFIO_REGION_INFO_FLAG_MMAP) {
		long at = call(SYS_mmap, 0, (long)region.size, PROT_READ | PROT_WRITE, MAP_SHARED,
			device, (long)region.offset);
		is("they can be mapped", at > 0 || at < -4095, 1);
		if (at > 0 || at < -4095)
			mapped = (uint32_t *)at;
		is("identify, by a load", reg_read(0), 0x010000ed);
	}
	reg_write(4, 0x12345678, 4);
	is("what is written comes back inverted", reg_read(4), (long)(uint32_t)~0x12345678u);
}

static void wait_idle(void)
{
	/* The card is slow: it answers within a second or so. */
	for (unsigned i = 0; i < 60000 && reg_read(0x98) & 1; i++)
		usleep(1000);
}

static void dma(uint8_t *memory)
{
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)memory,
		.iova = IOVA,
		.size = 2 * PAGE };
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = IOVA, .size = 2 * PAGE
	};
	const unsigned count = 1024;

	for (unsigned i = 0; i < count; i++)
		memory[i] = (uint8_t)(i * 7 + 1);
	is("memory is mapped", raw_ioctl(container, VFIO_IOMMU_MAP_DMA, &map), 0);
	is("once", raw_ioctl(container, VFIO_IOMMU_MAP_DMA, &map), -EEXIST);
	is("what was in it is still there", memory[1000], (uint8_t)(1000 * 7 + 1));
	reg_write(0x80, IOVA, 8);
	reg_write(0x88, 0x40000, 8);
	reg_write(0x90, count, 8);
	reg_write(0x98, 1, 8);
	wait_idle();
	reg_write(0x80, 0x40000, 8);
	reg_write(0x88, IOVA + PAGE, 8);
	reg_write(0x90, count, 8);
	reg_write(0x98, 3, 8);
	wait_idle();
	is("DMA there and back", memcmp(memory, memory + PAGE, count), 0);
	is("a part of a mapping stays",
		raw_ioctl(container, VFIO_IOMMU_UNMAP_DMA,
			&(struct vfio_iommu_type1_dma_unmap){
				.argsz = sizeof(unmap), .iova = IOVA, .size = PAGE }),
		-EINVAL);
	is("the whole goes", raw_ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap), 0);
	is("all of it", (long)unmap.size, 2 * PAGE);
	/* Of a mediated device alone nothing is pinned: that there is no memory shows when it is wanted. */
	map.vaddr = 0x1000;
	is("what is not memory is not mapped for a PCI device",
		raw_ioctl(container, VFIO_IOMMU_MAP_DMA, &map), pinned ? -EFAULT : 0);
	map.size = 100;
	is("nor what is no page", raw_ioctl(container, VFIO_IOMMU_MAP_DMA, &map), -EINVAL);
}

static void interrupt(void)
{
	/* struct vfio_irq_set with one descriptor behind it. */
	struct {
		uint32_t argsz, flags, index, start, count;
		int32_t fd;
	} irq = { .argsz = sizeof(irq),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSI_IRQ_INDEX,
		.count = 1,
		.fd = (int32_t)call(SYS_eventfd2, 0, 0, 0, 0, 0, 0) };
	uint64_t count = 0;

	is("MSI by an eventfd", raw_ioctl(device, VFIO_DEVICE_SET_IRQS, &irq), 0);
	reg_write(0x60, 1, 4);
	is("it comes", call(SYS_read, irq.fd, (long)&count, 8, 0, 0, 0), 8);
	is("once", (long)count, 1);
	reg_write(0x64, 1, 4);
	is("the card is reset", raw_ioctl(device, VFIO_DEVICE_RESET, NULL), 0);
}

static void refusals(void)
{
	struct vfio_device_info info = { .argsz = 4 };

	is("a short argsz", raw_ioctl(device, VFIO_DEVICE_GET_INFO, &info), -EINVAL);
	is("a pointer to nothing", raw_ioctl(device, VFIO_DEVICE_GET_INFO, (void *)8L), -EFAULT);
	is("an ioctl that nobody has", raw_ioctl(device, _IO(';', 100 + 90), NULL), -ENOTTY);
	is("a container that is none", raw_ioctl(1, VFIO_GET_API_VERSION, NULL), -ENOTTY);
	is("a descriptor that is not open", raw_ioctl(1234, VFIO_GET_API_VERSION, NULL), -EBADF);
	is("a read behind the end",
		call(SYS_pread64, device, (long)&info, 4, (long)(bar0 + (1 << 30)), 0, 0), -EINVAL);
	is("into nowhere", call(SYS_pread64, device, 8, 4, (long)bar0, 0, 0), -EFAULT);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 3)
		return 2;
	open_group(argv[1]);
	open_device(argv[2]);
	uint8_t *memory = mmap(
		NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 2;
	dma(memory);
	interrupt();
	refusals();
	is("the device goes", call(SYS_close, device, 0, 0, 0, 0, 0), 0);
	if (mapped)
		munmap(mapped, 1 << 20);
	printf("1..%u\n", tests);
	return failures != 0;
}
