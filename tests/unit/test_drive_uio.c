/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cards over UIO on a machine of files: the BARs are files, and what /dev/uio0 counts comes out of a
 * socket, so that the test is the interrupt.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "drive/backend.h"
#include "test_drive_kernel.h"

#define RW     (MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)
#define FOLDER "/sys/bus/pci/devices/0000:01:00.0/"

static int device; /* the other end of /dev/uio0 */
static int uio_error;

static int fake_open(const char *path, int flags)
{
	int fds[2];

	if (!strstr(path, "/dev/uio0")) {
		int fd = open(path, flags);
		return fd < 0 ? -errno : fd;
	}
	if (uio_error)
		return -uio_error;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	device = fds[1];
	return fds[0];
}

static int fake_ioctl(int fd, unsigned long request, void *arg)
{
	return -ENOTTY;
}

static const struct medio_kernel fake = { machine, fake_open, fake_ioctl };

static void sized_file(const char *path, off_t size)
{
	char full[PATH_MAX];

	machine_file(path, "");
	machine_path(full, path);
	assert_int_equal(truncate(full, size), 0);
}

static int setup(void **state)
{
	device = -1;
	uio_error = 0;
	machine_begin();
	machine_link("/sys/class/uio/uio0/device", "../../../0000:01:00.0");
	machine_file("/sys/class/uio/uio0/event", "7\n");
	machine_link(FOLDER "subsystem", "../../../bus/pci");
	machine_link(FOLDER "driver", "../../drivers/uio_pci_generic");
	machine_file(FOLDER "uio/uio0/name", "uio_pci_generic\n");
	machine_file(FOLDER "resource",
		"0x00000000fe000000 0x00000000fe001fff 0x0000000000040200\n"
		"0x000000000000c040 0x000000000000c05f 0x0000000000040101\n"
		"0x00000000fe002080 0x00000000fe0020ff 0x0000000000040200\n"
		"0x0000000000000000 0x0000000000000000 0x0000000000000000\n");
	sized_file(FOLDER "resource0", 8192);
	sized_file(FOLDER "resource1", 32);
	sized_file(FOLDER "resource2", 4096);
	sized_file(FOLDER "config", 256);
	return 0;
}

static int teardown(void **state)
{
	if (device >= 0)
		close(device);
	machine_end();
	return 0;
}

static struct medio_card *open_card(const char *uri)
{
	struct medio_card *card = NULL;
	struct medio_error *err = NULL;

	if (medio_card_open_kernel(&fake, uri, NULL, &card, &err))
		fail_msg("%s", medio_error_text(err));
	return card;
}

/* A byte of config space that only the device can set. */
static void poke(const char *path, off_t at, uint8_t value)
{
	char full[PATH_MAX];

	machine_path(full, path);
	int fd = open(full, O_WRONLY);
	assert_int_equal(pwrite(fd, &value, 1, at), 1);
	close(fd);
}

static void refuses(const char *uri, int expected, const char *word)
{
	struct medio_error *err = NULL;
	struct medio_card *card = NULL;

	assert_int_equal(medio_card_open_kernel(&fake, uri, NULL, &card, &err), expected);
	if (!strstr(medio_error_text(err), word))
		fail_msg("\"%s\" does not say %s", medio_error_text(err), word);
	medio_error_free(err);
}

static void a_device_is_found_by_both_of_its_names(void **state)
{
	medio_card_close(open_card("uio:uio0"));
	close(device);
	medio_card_close(open_card("uio:01:00.0"));
	close(device);
	device = -1;
	refuses("uio:uio1", -ENODEV, "no uio1");
	refuses("uio:uio0/../x", -EINVAL, "neither uioN");
	refuses("uio:0000:02:00.0", -ENODEV, "no PCI device");
	machine_link("/sys/bus/pci/devices/0000:03:00.0/subsystem", "../../../bus/pci");
	refuses("uio:0000:03:00.0", -ENODEV, "has no driver and must");
	machine_link("/sys/bus/pci/devices/0000:03:00.0/driver", "../../drivers/nvme");
	refuses("uio:0000:03:00.0", -ENODEV, "driver nvme and must");
	uio_error = EACCES;
	refuses("uio:uio0", -EACCES, "chown USER /dev/uio0");
}

static void registers_are_reached_in_memory_and_by_ports(void **state)
{
	struct medio_card *card = open_card("uio:uio0");
	struct medio_card_region region;
	uint64_t wide = 0;
	uint8_t bytes[7] = { 0 };
	uint32_t value = 0;
	uint8_t *ptr = NULL;

	assert_int_equal(medio_card_get_region(card, 0, &region), 0);
	assert_int_equal(region.size, 8192);
	assert_true(region.mappable);
	assert_int_equal(medio_card_write64(card, 0, 0x1008, 0x1122334455667788), 0);
	assert_int_equal(medio_card_read64(card, 0, 0x1008, &wide), 0);
	assert_int_equal(wide, 0x1122334455667788);
	assert_int_equal(medio_card_read(card, 0, 0x1009, bytes, 7), 0);
	assert_int_equal(bytes[6], 0x11);
	assert_int_equal(medio_card_mmap(card, 0, 4096, 4096, (void **)&ptr), 0);
	assert_int_equal(ptr[8], 0x88);
	medio_card_munmap(ptr, 4096);
	uint64_t at = 1;
	int file = -1;
	assert_int_equal(medio_card_region_file(card, 0, &file, &at), 0);
	assert_int_equal(pread(file, bytes, 1, (off_t)(at + 0x1008)), 1);
	assert_int_equal(bytes[0], 0x88);
	assert_int_equal(medio_card_region_file(card, 1, &file, &at), -ENODEV);
	/* Ports. */
	assert_int_equal(medio_card_get_region(card, 1, &region), 0);
	assert_int_equal(region.size, 32);
	assert_false(region.mappable);
	assert_int_equal(medio_card_write32(card, 1, 28, 0xcafe), 0);
	assert_int_equal(medio_card_read32(card, 1, 28, &value), 0);
	assert_int_equal(value, 0xcafe);
	assert_int_equal(medio_card_read32(card, 1, 30, &value), -EINVAL);
	/* A BAR that begins inside a page is found there. */
	poke(FOLDER "resource2", 0x84, 0x5a);
	assert_int_equal(medio_card_read8(card, 2, 4, bytes), 0);
	assert_int_equal(bytes[0], 0x5a);
	assert_int_equal(medio_card_get_region(card, 2, &region), 0);
	assert_false(region.mappable);
	assert_int_equal(medio_card_get_region(card, 3, &region), 0);
	assert_int_equal(region.size, 0);
	assert_int_equal(medio_card_get_region(card, MEDIO_CARD_CONFIG, &region), 0);
	assert_int_equal(region.size, 256);
	assert_int_equal(medio_card_reset(card), -ENOTSUP);
	medio_card_close(card);
}

static void a_device_that_was_taken_out_is_gone_and_no_signal(void **state)
{
	struct medio_card *card = open_card("uio:uio0");
	uint32_t value = 7, ones = UINT32_MAX;
	char full[PATH_MAX];

	assert_int_equal(medio_card_write32(card, 0, 0, ones), 0);
	assert_int_equal(medio_card_read32(card, 0, 0, &value), 0);
	assert_int_equal(value, UINT32_MAX);
	/* Registers of a device that is not there read as ones, its config space too. */
	assert_int_equal(medio_card_write32(card, MEDIO_CARD_CONFIG, 8, ones), 0);
	value = 7;
	assert_int_equal(medio_card_read32(card, 0, 0, &value), -ENODEV);
	assert_non_null(strstr(medio_card_last_error(card), "0000:01:00.0 is gone"));
	assert_int_equal(medio_card_write32(card, 1, 0, ones), 0);
	assert_int_equal(medio_card_read32(card, 1, 0, &value), -ENODEV);
	assert_int_equal(medio_card_write32(card, MEDIO_CARD_CONFIG, 8, 0), 0);
	/* The kernel takes the pages away: SIGBUS, were it not guarded. */
	machine_path(full, FOLDER "resource0");
	assert_int_equal(truncate(full, 0), 0);
	assert_int_equal(medio_card_read32(card, 0, 4, &value), -ENODEV);
	assert_non_null(strstr(medio_card_last_error(card), "0000:01:00.0 is gone"));
	assert_int_equal(value, 7);
	assert_int_equal(medio_card_write32(card, 0, 4, 1), -ENODEV);
	medio_card_close(card);
}

static void count(uint32_t total)
{
	assert_int_equal(send(device, &total, sizeof(total), 0), sizeof(total));
}

static void control(int32_t expected)
{
	int32_t got = -1;

	assert_int_equal(recv(device, &got, sizeof(got), 0), sizeof(got));
	assert_int_equal(got, expected);
}

static void interrupts_are_counted_also_those_that_were_missed(void **state)
{
	struct medio_card *card;
	struct medio_card_irq irq;
	uint64_t events = 0;

	poke(FOLDER "config", 0x3d, 1);
	card = open_card("uio:uio0");
	assert_int_equal(medio_card_get_irq(card, MEDIO_CARD_INTX, &irq), 0);
	assert_int_equal(irq.count, 1);
	assert_true(irq.automasked);
	assert_int_equal(medio_card_get_irq(card, MEDIO_CARD_MSI, &irq), 0);
	assert_int_equal(irq.count, 0);
	assert_int_equal(medio_card_fd(card), -1);
	assert_int_equal(medio_card_irq_open(card, MEDIO_CARD_INTX, 1), 0);
	control(1);
	assert_true(medio_card_fd(card) >= 0);
	/* There had been 7 when it was opened. */
	count(8);
	assert_int_equal(medio_card_irq_wait(card, MEDIO_CARD_INTX, 0, 0, &events), 0);
	assert_int_equal(events, 1);
	assert_int_equal(medio_card_irq_unmask(card, MEDIO_CARD_INTX, 0, 1), 0);
	control(1);
	count(12);
	assert_int_equal(medio_card_irq_wait(card, MEDIO_CARD_INTX, 0, 60000, &events), 0);
	assert_int_equal(events, 4);
	assert_int_equal(medio_card_irq_wait(card, MEDIO_CARD_INTX, 0, 5, &events), -ETIMEDOUT);
	assert_int_equal(medio_card_irq_trigger(card, MEDIO_CARD_INTX, 0, 1), 0);
	assert_int_equal(medio_card_irq_wait(card, MEDIO_CARD_INTX, 0, 0, &events), 0);
	assert_int_equal(events, 1);
	assert_int_equal(medio_card_irq_disable(card, MEDIO_CARD_INTX), 0);
	control(0);
	assert_int_equal(medio_card_fd(card), -1);
	medio_card_close(card);
}

static const char pagemap[] = "/proc/self/pagemap", kpageflags[] = "/proc/kpageflags";

static const struct medio_card_memory no_calls;

static void dma_says_why_there_is_none(void **state)
{
	static uint8_t memory[8192] __attribute__((aligned(4096)));
	uint64_t present = UINT64_C(1) << 63;
	struct medio_card *card = open_card("uio:uio0");
	struct medio_card_dma_info info;
	uint64_t iova = 0, page = (uintptr_t)memory / 4096;

	medio_card_get_dma_info(card, &info);
	assert_true(info.physical);
	machine_link(FOLDER "iommu_group", "../../../kernel/iommu_groups/3");
	machine_file("/sys/kernel/iommu_groups/3/type", "DMA-FQ\n");
	assert_int_equal(medio_card_dma_map_any(card, 4096, RW, memory, &iova), -ENOTSUP);
	assert_non_null(strstr(medio_card_last_error(card), "translates (DMA-FQ)"));
	machine_file("/sys/kernel/iommu_groups/3/type", "identity\n");
	assert_int_equal(medio_card_dma_map_any(card, 4096, RW, memory, &iova), -ENOTSUP);
	assert_non_null(strstr(medio_card_last_error(card), "CAP_SYS_ADMIN"));
	/* Hidden from who may not know. */
	machine_number(pagemap, page, present);
	assert_int_equal(medio_card_dma_map_any(card, 4096, RW, memory, &iova), -ENOTSUP);
	assert_non_null(strstr(medio_card_last_error(card), "CAP_SYS_ADMIN"));
	machine_number(pagemap, page, present | 0x1234);
	assert_int_equal(medio_card_dma_map_any(card, 4096, RW, memory, &iova), -ENOTSUP);
	assert_non_null(strstr(medio_card_last_error(card), "huge pages"));
	machine_number(kpageflags, 0x1234, 1 << 17);
	assert_int_equal(medio_card_dma_map_any(card, 4096, RW, memory, &iova), 0);
	assert_int_equal(iova, 0x1234000);
	assert_int_equal(medio_card_dma_unmap(card, iova, 4096), 0);
	machine_number(pagemap, page + 1, present | 0x1236);
	assert_int_equal(medio_card_dma_map_any(card, 8192, RW, memory, &iova), -ENOTSUP);
	assert_non_null(strstr(medio_card_last_error(card), "one piece"));
	machine_number(pagemap, page + 1, present | 0x1235);
	assert_int_equal(medio_card_dma_map(card, 0x1234000, 8192, RW, memory), 0);
	assert_int_equal(medio_card_dma_unmap(card, 0x1234000, 8192), 0);
	/* By chance in one piece: the second page is none of a huge one, and could move. */
	machine_number(pagemap, page, present | 0x13ff);
	machine_number(pagemap, page + 1, present | 0x1400);
	machine_number(kpageflags, 0x1400, 0);
	machine_number(kpageflags, 0x13ff, 1 << 17);
	assert_int_equal(medio_card_dma_map_any(card, 8192, RW, memory, &iova), -ENOTSUP);
	assert_non_null(strstr(medio_card_last_error(card), "huge pages"));
	machine_number(kpageflags, 0x1400, 1 << 17);
	assert_int_equal(medio_card_dma_map_any(card, 8192, RW, memory, &iova), 0);
	assert_int_equal(medio_card_dma_unmap(card, iova, 8192), 0);
	assert_int_equal(medio_card_dma_map(card, 0x5000, 8192, RW, memory), -ENOTSUP);
	assert_int_equal(
		medio_card_dma_map_calls(card, 0x1234000, 8192, RW, &no_calls, NULL), -ENOTSUP);
	assert_non_null(strstr(medio_card_last_error(card), "by calls"));
	assert_int_equal(medio_card_dma_mask(card, 24), 0);
	assert_int_equal(medio_card_dma_map_any(card, 8192, RW, memory, &iova), -EINVAL);
	medio_card_close(card);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_device_is_found_by_both_of_its_names),
		TEST(registers_are_reached_in_memory_and_by_ports),
		TEST(a_device_that_was_taken_out_is_gone_and_no_signal),
		TEST(interrupts_are_counted_also_those_that_were_missed),
		TEST(dma_says_why_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
