/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device of VFIO's on a card of the test's own, in this process, and a program that has it open. Two cards:
 *
 *     bench  PCI Express; BAR 0: 4096 bytes of registers, BAR 2: 16 KiB, whose first 8 are memory, with the table of
 *            MSI-X behind them, BAR 4: 16 ports; INTx, 4 vectors of MSI and of MSI-X; can migrate
 *     plain  plain PCI; BAR 0: 256 bytes of registers; no interrupt, no state
 */
#ifndef TESTS_KDEV_BED_H
#define TESTS_KDEV_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/vfio.h>

#include <medio/local.h>

#include "compat/kdev.h"
#include "test_compat_program.h"

/* Registers of bench. All others keep what is written to them, in words. */
enum {
	BENCH_PULSE = 0x100, /* write n: interrupt n comes */
	BENCH_LINE = 0x104,  /* write: the level of INTx */
	BENCH_IOVA = 0x108,  /* 8 bytes; write: read 8 bytes there, which DATA then has */
	BENCH_DATA = 0x110,  /* 8 bytes */
	BENCH_PUT = 0x118,   /* 8 bytes; write: put DATA there */
	BENCH_FAULT = 0x120, /* read: what the last of both gave */
	BENCH_ODD = 0x124,   /* accesses of other than 4 bytes: -EINVAL */
	BENCH_BAD = 0x128,   /* -EIO */
};
#define BENCH_STATE 300000u /* bytes of state */
#define BENCH_TABLE 8192u   /* of MSI-X, in BAR 2 */

/* An access as the device had it. */
struct bench_access {
	unsigned region;
	uint64_t offset;
	size_t count;
	bool write;
};

struct bench {
	uint8_t regs[4096], ports[16];
	struct bench_access last[64]; /* in a ring */
	unsigned accesses, resets;
	int fault;
	uint8_t state[BENCH_STATE];
};

extern const struct medio_type bench_type, plain_type;

struct bed {
	struct medio_loop *loop, *devices;
	struct medio_instance *inst;
	struct medio_compat *compat;
	struct medio_kdev *kdev;
	struct program p;
	int fd;		 /* the program's, of the device; -1 */
	unsigned closed; /* how often the device has been closed */
	struct medio_span *span;
};

/* Where the devices' log lines go; NULL: to standard error. */
extern void (*bed_log)(void *opaque, enum medio_log_level level, const char *line);

void bed_new(struct bed *bed, const struct medio_type *type, const struct medio_kdev_options *opts);
void bed_free(struct bed *bed);
/* The program closes its descriptor; all that follows of it has happened. */
void bed_close_fd(struct bed *bed, int fd);
/* Everything that is ready is done. */
void bed_run(struct bed *bed);
struct bench *bed_bench(struct bed *bed);
/* As medio_irq_kind(). */
int bed_irq_kind(struct bed *bed);
/* The device's file again. */
int bed_open(struct bed *bed, void *who, int *fd);
/* A call on the device's file. */
int64_t bed_ioctl(struct bed *bed, unsigned cmd, void *arg);
int64_t bed_read(struct bed *bed, unsigned region, uint64_t at, void *buf, size_t count);
int64_t bed_write(struct bed *bed, unsigned region, uint64_t at, const void *buf, size_t count);
/* size bytes of memory of the program's, in a memfd; *out is where the test sees them. */
struct medio_span *bed_span(uint64_t size, unsigned prot, uint8_t **out);

extern const struct medio_kdev_options bed_pci, bed_mdev;

/* For cmocka: a bed with bench as a PCI device, as a mediated one; with plain as a PCI device. */
int setup_pci(void **state);
int setup_mdev(void **state);
int setup_plain(void **state);
int teardown(void **state);

#endif
