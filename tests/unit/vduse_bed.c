/* SPDX-License-Identifier: BSD-3-Clause */
#include "vduse_bed.h"

#include <stdio.h>
#include <string.h>

#include <linux/virtio_config.h>

#include "../../drivers/virtio/virtq.h"
#include "device/instance.h"
#include "iommu/iommu.h"

struct medio_virtio_type bed_virtio;
struct medio_type bed_type;
struct bed bed;

static void log_line(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	if (!bed.quiet && level <= MEDIO_LOG_WARN)
		fprintf(stderr, "# %s\n", line);
}

void bed_new(uint16_t id)
{
	bed_virtio = *(const struct medio_virtio_type *)echo_type.data;
	bed_virtio.id = id;
	bed_virtio.max_queues = BED_QUEUES;
	bed_virtio.features |= MEDIO_VIRTIO_BIT(11);
	bed_type = echo_type;
	bed_type.data = &bed_virtio;
	bed = (struct bed){ .name = KERNEL_NAME };
	echo_clear();
	assert_int_equal(medio_loop_new(&bed.loop), 0);
	kernel_new(bed.loop);
}

static void end_device(void)
{
	medio_vduse_free(bed.vduse);
	bed.vduse = NULL;
	medio_instance_free(bed.inst);
	bed.inst = NULL;
}

void bed_end(void)
{
	if (!bed.loop)
		return;
	end_device();
	for (unsigned i = 0; i < BED_QUEUES; i++)
		virtq_free(bed.vq[i]);
	kernel_free();
	medio_loop_free(bed.loop);
	medio_error_free(bed.err);
	bed = (struct bed){ 0 };
}

int bed_teardown(void **state)
{
	(void)state;
	bed_end();
	return 0;
}

int bed_open(void)
{
	const struct medio_instance_options opts = {
		.params = &bed.param,
		.nparams = bed.param != NULL,
		.log = log_line,
	};
	end_device();
	medio_error_free(bed.err);
	bed.err = NULL;
	assert_int_equal(medio_instance_new_bare(bed.loop, &bed_type, &opts, &bed.inst, NULL), 0);
	bed.dev = medio_instance_device(bed.inst);
	int ret = medio_vduse_new_on(bed.inst, bed.name, &vduse_kernel, &bed.vduse, &bed.err);
	assert_true((ret == 0) == (bed.err == NULL));
	if (ret && kernel.connected)
		kernel.connected = false;
	return ret;
}

void bed_close(void)
{
	end_device();
	kernel.connected = false;
}

void bed_kill(void)
{
	bed.quiet = true;
	echo_quirks.no_drain = true;
	end_device();
	echo_quirks.no_drain = false;
	kernel.connected = false;
	bed.quiet = false;
}

void bed_said(const char *words)
{
	assert_non_null(bed.err);
	if (!strstr(medio_error_text(bed.err), words))
		fail_msg("'%s' is not in: %s", words, medio_error_text(bed.err));
}

void bed_up(uint64_t features)
{
	const struct virtq_options opts = {
		.size = BED_SIZE,
		.packed = features >> VIRTIO_F_RING_PACKED & 1,
	};
	if (!bed.vduse)
		assert_int_equal(bed_open(), 0);
	if (!kernel.on_bus)
		kernel_add();
	assert_true(kernel_driver_up(features, BED_QUEUES, BED_SIZE));
	for (unsigned i = 0; i < BED_QUEUES; i++) {
		virtq_free(bed.vq[i]);
		assert_int_equal(
			virtq_new(&opts,
				kernel.at + KERNEL_BOUNCE_BYTES + (size_t)i * KERNEL_RING_BYTES,
				KERNEL_RING + i * KERNEL_RING_BYTES, &bed.vq[i]),
			0);
	}
}

/* ---- Requests ------------------------------------------------------------------------------------------------- */

/* Each has two places of its own, so that as many can be under way as a test wants. */
static char tags[512];

static uint8_t *place(unsigned number, bool in)
{
	return kernel.at + 0x1000 + (size_t)(number % 256) * 64 + (in ? 32 : 0);
}

void bed_submit(unsigned queue, unsigned number)
{
	uint8_t *out = place(number, false), *in = place(number, true);
	const struct virtq_seg segs[] = {
		{ (uint64_t)(out - kernel.at), 8 },
		{ (uint64_t)(in - kernel.at), 8 },
	};
	medio_put_le(out, 8, number);
	memset(in, 0, 8);
	assert_int_equal(virtq_add(bed.vq[queue], segs, 1, 1, &tags[number]), 0);
	if (virtq_publish(bed.vq[queue]))
		kernel_kick(queue);
}

static unsigned take(unsigned queue)
{
	struct virtq_done done;
	assert_int_equal(virtq_take(bed.vq[queue], &done), 1);
	assert_int_equal(done.len, 8);
	unsigned number = (unsigned)((const char *)done.tag - tags);
	const uint8_t *in = place(number, true);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(in[i], place(number, false)[i] ^ ECHO_FLIP);
	return number;
}

void bed_take(unsigned queue, unsigned number)
{
	assert_int_equal(take(queue), number);
}

void bed_take_any(unsigned queue)
{
	take(queue);
}

void bed_echo(unsigned queue, unsigned number)
{
	virtq_want_irq(bed.vq[queue]);
	bed_submit(queue, number);
	bed_take(queue, number);
}

unsigned bed_mappings(void)
{
	struct medio_iommu_stats stats;
	medio_iommu_stats(medio_instance_iommu(bed.inst), &stats);
	return (unsigned)stats.mappings;
}
