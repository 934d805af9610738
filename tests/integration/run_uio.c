/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * run_uio UIO: a UIO program as the kernel's howto has it (Documentation/driver-api/uio-howto.rst, "Example code using
 * uio_pci_generic"): wait for an interrupt by reading four bytes, acknowledge it at the device, and let the next one
 * come by clearing the disable bit of the command register. The device is medio's edu. TAP on standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAISE 0x60
#define ACK   0x64

static unsigned tests, failures;
static int config;
static volatile uint32_t *regs;

static void is(const char *name, long got, long want)
{
	tests++;
	failures += got != want;
	printf("%sok %u - %s", got == want ? "" : "not ", tests, name);
	if (got != want)
		printf(": %ld, not %ld", got, want);
	printf("\n");
}

static long failed(long ret)
{
	return ret < 0 ? -errno : ret;
}

static int open_file(const char *uio, const char *name, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/class/uio/%s/%s", strrchr(uio, '/') + 1, name);
	return open(path, flags);
}

static long ready(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, 0);
}

/* What the howto does at each turn. */
static void enable(void)
{
	uint8_t high = 0;

	is("the command register reads", pread(config, &high, 1, 5), 1);
	high &= (uint8_t)~0x4;
	is("and is written", pwrite(config, &high, 1, 5), 1);
}

static uint8_t disabled(void)
{
	uint8_t high = 0;

	if (pread(config, &high, 1, 5) != 1)
		return 0xff;
	return high & 4;
}

static void interrupts(int fd, const char *uio)
{
	uint32_t count = 0;
	int second = open(uio, O_RDWR | O_NONBLOCK), watch = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN };

	enable();
	is("nothing has come", ready(fd), 0);
	is("and a reader that does not wait is told so", failed(read(second, &count, 4)), -EAGAIN);
	is("it can be watched", epoll_ctl(watch, EPOLL_CTL_ADD, second, &event), 0);
	regs[RAISE / 4] = 1;
	is("an interrupt comes", read(fd, &count, 4), 4);
	is("it is the first", count, 1);
	is("it is disabled until it is served", disabled(), 4);
	is("who watches is told", epoll_wait(watch, &event, 1, 60000), 1);
	is("another reader has his own count", read(second, &count, 4), 4);
	is("which says the same", count, 1);
	regs[ACK / 4] = 1;
	enable();
	is("served", ready(fd), 0);
	regs[RAISE / 4] = 2;
	is("the next", read(fd, &count, 4), 4);
	is("is the second", count, 2);
	regs[ACK / 4] = 2;
	enable();
	close(second);
	close(watch);
}

static void refusals(int fd)
{
	uint32_t word = 1;

	is("three bytes are not read", failed(read(fd, &word, 3)), -EINVAL);
	is("uio_pci_generic has no irqcontrol", failed(write(fd, &word, 4)), -ENOSYS);
}

static void names(const char *uio)
{
	char text[64] = "";
	int fd = open_file(uio, "name", O_RDONLY);

	is("its name reads", read(fd, text, sizeof(text) - 1) > 0, 1);
	is("as the kernel's driver says", strcmp(text, "uio_pci_generic\n"), 0);
	close(fd);
	fd = open_file(uio, "event", O_RDONLY);
	memset(text, 0, sizeof(text));
	is("events read", read(fd, text, sizeof(text) - 1) > 0, 1);
	is("as many as there were", strcmp(text, "2\n"), 0);
	close(fd);
}

int main(int argc, char **argv)
{
	uint8_t high = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 2)
		return 2;
	int fd = open(argv[1], O_RDWR);
	is("the device opens", fd >= 0, 1);
	config = open_file(argv[1], "device/config", O_RDWR);
	is("its configuration space too", config >= 0, 1);
	int bar = open_file(argv[1], "device/resource0", O_RDWR);
	is("its registers too", bar >= 0, 1);
	if (pread(config, &high, 1, 4) == 1) {
		high |= 6;
		is("memory and bus mastering are on", pwrite(config, &high, 1, 4), 1);
	}
	regs = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, bar, 0);
	is("they can be mapped", regs != MAP_FAILED, 1);
	if (regs != MAP_FAILED) {
		is("identify", regs[0], 0x010000ed);
		interrupts(fd, argv[1]);
	}
	refusals(fd);
	names(argv[1]);
	printf("1..%u\n", tests);
	return failures != 0;
}
