/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A kernel with VDUSE for tests, one device at a time: what Linux 6.12's drivers/vdpa/vdpa_user does with
 * ioctls, messages and memory, and a driver on the vDPA bus to set it going. It can also lie.
 *
 *     test          kernel_driver_up(), kernel_ask() …     the driver's side
 *     vduse_kernel  struct medio_vduse_kernel              what the library asks
 *
 * Threads: one; whoever asks the device runs its loop until it has answered.
 */
#ifndef TEST_VDUSE_KERNEL_H
#define TEST_VDUSE_KERNEL_H

#include "serve/vduse.h"

#define KERNEL_QUEUES  8u
#define KERNEL_REGIONS 8u
#define KERNEL_NAME    "dev0"

/* The memory of the device: rings from RING on, one page range each, and bounce pages at 0, which are there
 * from the first buffer on. */
#define KERNEL_BOUNCE_BYTES 0x100000u
#define KERNEL_RING	    UINT64_C(0x4000000)
#define KERNEL_RING_BYTES   0x10000u /* of a queue */

struct kernel_queue {
	unsigned num_max, num;
	uint64_t desc, driver, device;
	struct medio_virtq_position position;
	bool ready, kicked;
	int kick_fd;
	unsigned interrupts;
};

struct kernel_region {
	uint64_t start, last, offset;
	uint8_t perm;
	int fd;
};

extern struct kernel {
	struct medio_loop *loop;
	/* Answers of open() for each file; 0: as it should be. */
	int control_errno, device_errno;
	bool has_class, has_module; /* without a control file */
	int create_errno;
	/* The device. */
	bool exists, on_bus, connected, broken;
	uint32_t id, vendor;
	uint64_t features, driver_features, inode;
	unsigned num_queues, config_size;
	uint8_t config[4096];
	struct kernel_queue queues[KERNEL_QUEUES];
	struct kernel_region regions[KERNEL_REGIONS];
	unsigned num_regions;
	uint8_t status;
	unsigned config_interrupts, config_writes, gets;
	bool bounce; /* there from the next notification on */
	/* Lies. */
	bool (*lie)(unsigned long request, void *arg, int *ret);
	int memory; /* bounce pages first, then the rings' */
	uint8_t *at;
	int control, ours,
		theirs; /* files: control, the socket that messages go through, the library's end */
	struct vduse_dev_response response;
	bool answered;
	char folder[64];
} kernel;

extern const struct medio_vduse_kernel vduse_kernel;

void kernel_new(struct medio_loop *loop);
void kernel_free(void);
/* vdpa dev add. Its rings' memory is there then. */
void kernel_add(void);
/* vdpa dev del: the driver resets the device, and its memory goes. False: that was not answered well. */
bool kernel_del(void);
/* Send a message, without waiting. */
void kernel_send(const struct vduse_dev_request *request);
/* Run the loop until there is an answer, or it stands still. */
bool kernel_wait(void);
/* Send, wait, and see that it was answered with OK. */
bool kernel_ask(const struct vduse_dev_request *request);
bool kernel_set_status(uint8_t status);
/* What a driver does with all n queues of size entries; position: NULL: the beginning. It then wants to be
 * notified. */
bool kernel_driver_up(uint64_t features, unsigned n, unsigned size);
bool kernel_reset(void);
/* Of a queue, as set up by kernel_driver_up(). */
void kernel_kick(unsigned index);
/* Everything that the loop has to do now. */
void kernel_run(void);

#endif
