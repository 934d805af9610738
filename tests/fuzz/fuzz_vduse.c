/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the kernel says of a VDUSE device: messages in any order with anything in them, queues and memory that cannot
 * be, rings that are written over, notes of a process that was killed. The input is a list of steps:
 *
 *     0 type, 16 bytes        a message with this payload
 *     1 status                the driver sets it
 *     2 features              the driver's choice, 5 bytes
 *     3 queue ready num, 3    what is told of a queue: size, and where its areas are
 *     4 n start last offset   memory: n regions gone, then one more, in pages
 *     5 queue                 a notification
 *     6 place value           a byte of memory, or of the notes
 *     7 how                   the process ends (its notes stay), and another takes the device up
 *     8 value                 another configuration
 *     9                       the driver comes up as a good one does
 *
 * Each message is answered, but for resets that wait; nothing waits here.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "../unit/test_virtio_echo.h"
#include "../unit/vduse_kernel.h"
#include "device/instance.h"

#define QUEUES 2u
#define BASE   (MEDIO_VIRTIO_BIT(32) | MEDIO_VIRTIO_BIT(33))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct medio_virtio_type virtio;
static struct medio_type type;
static struct medio_instance *inst;
static struct medio_vduse *vduse;
static const uint8_t *at;
static size_t left;

static uint64_t take(unsigned n)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < n; i++) {
		value = value << 8 | (left ? *at : 0);
		if (left) {
			at++;
			left--;
		}
	}
	return value;
}

static void silent(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	(void)line;
}

static void end(void)
{
	medio_vduse_free(vduse);
	medio_instance_free(inst);
	vduse = NULL;
	inst = NULL;
	kernel.connected = false;
}

static void begin(void)
{
	const struct medio_instance_options opts = { .log = silent };
	if (medio_instance_new_bare(kernel.loop, &type, &opts, &inst, NULL) != 0)
		abort();
	if (medio_vduse_new_on(inst, KERNEL_NAME, &vduse_kernel, &vduse, NULL) != 0)
		kernel.connected = false;
}

static void message(const struct vduse_dev_request *request)
{
	if (!kernel.connected || send(kernel.ours, request, sizeof(*request), MSG_NOSIGNAL) < 0)
		return;
	kernel_run();
	while (recv(kernel.ours, &kernel.response, sizeof(kernel.response), 0) > 0)
		if (kernel.response.result > VDUSE_REQ_RESULT_FAILED)
			abort();
}

static void any_message(void)
{
	struct vduse_dev_request request = { .type = (uint32_t)take(1), .request_id = 1 };
	request.iova.start = take(8);
	request.iova.last = take(8);
	message(&request);
}

static void status(void)
{
	struct vduse_dev_request request = { .type = VDUSE_SET_STATUS };
	request.s.status = (uint8_t)take(1);
	message(&request);
	if (kernel.response.result == VDUSE_REQ_RESULT_OK)
		kernel.status = request.s.status;
}

static void queue(void)
{
	struct kernel_queue *q = &kernel.queues[take(1) % QUEUES];
	q->ready = take(1) & 1;
	q->num = (unsigned)take(1);
	q->desc = KERNEL_RING + take(1) * 16;
	q->driver = KERNEL_RING + take(1) * 16;
	q->device = KERNEL_RING + take(1) * 16;
	q->position.avail = q->position.used = (uint16_t)take(1);
}

static void memory(void)
{
	unsigned gone = (unsigned)take(1) % (KERNEL_REGIONS + 1);
	kernel.num_regions -= gone < kernel.num_regions ? gone : kernel.num_regions;
	if (kernel.num_regions == KERNEL_REGIONS)
		return;
	struct kernel_region r = { .perm = VDUSE_ACCESS_RW, .fd = kernel.memory };
	r.start = take(2) << 9;
	r.last = r.start + (take(1) << 9);
	r.offset = take(1) << 9;
	kernel.regions[kernel.num_regions++] = r;
}

static void write_over(void)
{
	char path[80];
	uint64_t where = take(3);
	uint8_t value = (uint8_t)take(1);
	if (!(where >> 23)) {
		kernel.at[where % (KERNEL_BOUNCE_BYTES + QUEUES * KERNEL_RING_BYTES)] = value;
		return;
	}
	snprintf(path, sizeof(path), "%s/" KERNEL_NAME, kernel.folder);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (pwrite(fd, &value, 1, (off_t)(where & 0x7fff)) != 1)
		abort();
	close(fd);
}

static void go_on(void)
{
	echo_quirks.hold = take(1) & 1;
	echo_quirks.no_drain = true;
	end();
	echo_quirks.no_drain = false;
	kernel.broken = !take(1);
	begin();
	kernel.broken = false;
}

static void good_driver(void)
{
	const uint64_t features = BASE | take(1) << 28 | (take(1) & 1) << VIRTIO_F_RING_PACKED;
	if (!kernel.connected || !kernel_reset())
		return;
	kernel_driver_up(features & kernel.features, QUEUES, 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct medio_loop *loop;
	if (!loop) {
		virtio = *(const struct medio_virtio_type *)echo_type.data;
		virtio.id = VIRTIO_ID_BLOCK;
		virtio.max_queues = QUEUES;
		type = echo_type;
		type.data = &virtio;
		if (medio_loop_new(&loop) != 0)
			abort();
	}
	at = data;
	left = size;
	echo_clear();
	kernel_new(loop);
	begin();
	if (!vduse)
		abort();
	kernel_add();
	while (left) {
		switch (take(1) % 10) {
		case 0:
			any_message();
			break;
		case 1:
			status();
			break;
		case 2:
			kernel.driver_features = BASE ^ take(5);
			break;
		case 3:
			queue();
			break;
		case 4:
			memory();
			break;
		case 5:
			kernel_kick((unsigned)take(1) % QUEUES);
			break;
		case 6:
			write_over();
			break;
		case 7:
			go_on();
			break;
		case 8:
			echo_change(echo_latest(), take(1));
			break;
		default:
			good_driver();
			break;
		}
	}
	end();
	kernel_free();
	return 0;
}
