/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * run_wait UIO BDF: a program with a device on UIO and another one on VFIO. A thread waits for the first one's interrupt in
 * read(), while private memory is mapped for the second, which all threads stand still for: it must not notice. The first is
 * medio's edu. TAP on standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "run_card.h"

#define RAISE  0x60
#define ACK    0x64
#define TIMES  8
#define MEMORY (2u << 20)

static int uio, config;

static void enable(void)
{
	uint8_t high = 0;

	if (pread(config, &high, 1, 5) == 1)
		high &= (uint8_t)~0x4;
	run_must("interrupts are let through", pwrite(config, &high, 1, 5) == 1);
}

/* What read() gave, or -errno. */
static void *wait_for_one(void *opaque)
{
	uint32_t count;
	ssize_t got = read(uio, &count, sizeof(count));

	*(long *)opaque = got < 0 ? -errno : got;
	return NULL;
}

static int open_file(const char *folder, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/class/uio/%s/device/%s", folder, name);
	return open(path, O_RDWR);
}

int main(int argc, char **argv)
{
	struct run_card card;
	pthread_t thread;
	uint8_t high = 6;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 3)
		return 2;
	uio = open(argv[1], O_RDWR);
	config = open_file(strrchr(argv[1], '/') + 1, "config");
	int bar = open_file(strrchr(argv[1], '/') + 1, "resource0");
	run_must("a UIO device opens", uio >= 0 && config >= 0 && bar >= 0);
	run_must("it is switched on", pwrite(config, &high, 1, 4) == 1);
	volatile uint32_t *regs = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, bar, 0);
	run_must("its registers are mapped", regs != MAP_FAILED);
	run_card_open(&card, argv[2], true);
	for (unsigned i = 0; i < TIMES; i++) {
		long got = 0;
		enable();
		run_must("a thread waits", !pthread_create(&thread, NULL, wait_for_one, &got));
		/* One that came too late would only prove nothing. */
		usleep(50000);
		run_card_memory(&card, MEMORY, (uint64_t)MEMORY * (i + 1));
		regs[RAISE / 4] = 1;
		run_must("and ends", !pthread_join(thread, NULL));
		run_is("with the interrupt", got, 4);
		regs[ACK / 4] = 1;
	}
	run_card_close(&card);
	return run_finish();
}
