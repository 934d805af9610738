/* SPDX-License-Identifier: BSD-3-Clause */
/* An echoing device of a kind that VDUSE carries, on a kernel of the test's own, and its driver's rings. */
#ifndef TEST_VDUSE_BED_H
#define TEST_VDUSE_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <medio/error.h>

#include "test_virtio_echo.h"
#include "vduse_kernel.h"

#define BED_QUEUES 4u
#define BED_SIZE   32u
/* VERSION_1, ACCESS_PLATFORM, INDIRECT_DESC and EVENT_IDX are what every driver takes; without the last two
 * rings are easier to follow. */
#define BED_BASE (MEDIO_VIRTIO_BIT(32) | MEDIO_VIRTIO_BIT(33))

extern struct medio_virtio_type bed_virtio;
extern struct medio_type bed_type;
extern struct bed {
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct medio_dev *dev;
	struct medio_vduse *vduse;
	struct virtq *vq[BED_QUEUES];
	const char *name, *param; /* for the next device */
	struct medio_error *err;  /* of the last */
	bool quiet;		  /* what goes to the log is the test's doing */
} bed;

/* A kernel, and no device yet. id: VIRTIO_ID_*. */
void bed_new(uint16_t id);
void bed_end(void);
int bed_teardown(void **state);
/* Make the instance, and a device of it: what medio_vduse_new() gave. */
int bed_open(void);
/* The device goes as a program does that ends. */
void bed_close(void);
/* What is left in rings and notes is what a kill would leave: no chain is given back. */
void bed_kill(void);
/* The last error has these words. */
void bed_said(const char *words);
/* The driver comes up; the device is made and on the bus if it was not. */
void bed_up(uint64_t features);
/* A request, its answer in the ring, both. */
void bed_submit(unsigned queue, unsigned number);
void bed_take(unsigned queue, unsigned number);
void bed_take_any(unsigned queue);
void bed_echo(unsigned queue, unsigned number);
unsigned bed_mappings(void);

#endif
