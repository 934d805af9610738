/* SPDX-License-Identifier: BSD-3-Clause */
/* A kernel that says what cannot be: it is noticed, told, and nothing breaks. */
#include "vduse_bed.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

static unsigned calls;
static struct vduse_iotlb_entry entry;
static unsigned entries;

static void begin(void)
{
	bed_new(VIRTIO_ID_BLOCK);
	assert_int_equal(bed_open(), 0);
	kernel_add();
	bed.quiet = true;
	calls = 0;
}

/* The device is as good as new. */
static void works(void)
{
	kernel.lie = NULL;
	assert_true(kernel_reset());
	bed_up(BED_BASE);
	bed_echo(0, 1);
}

static void messages_of_no_known_type_fail(void **state)
{
	(void)state;
	begin();
	for (unsigned type = 3; type < 40; type++) {
		const struct vduse_dev_request request = { .type = type * type };
		assert_false(kernel_ask(&request));
		assert_true(kernel.answered);
	}
	works();
}

static void half_a_message_ends_the_device(void **state)
{
	uint8_t half[40] = { 0 };
	(void)state;
	begin();
	assert_int_equal(send(kernel.ours, half, sizeof(half), 0), sizeof(half));
	kernel_run();
	assert_false(kernel_wait());
	assert_int_equal(bed_mappings(), 0);
}

static void statuses_in_any_order_are_answered(void **state)
{
	unsigned seed = 1;
	(void)state;
	begin();
	kernel.driver_features = BED_BASE;
	for (unsigned i = 0; i < 2000; i++) {
		seed = seed * 1103515245 + 12345;
		const struct vduse_dev_request request = { .type = VDUSE_SET_STATUS,
			.s = { seed >> 24 & 1 ? (uint8_t)(seed >> 16)
					      : (uint8_t)(seed >> 16 & 0xf) } };
		kernel_ask(&request);
		assert_true(kernel.answered);
	}
	works();
}

/* ---- Memory ----------------------------------------------------------------------------------------------------- */

static bool lie_entry(unsigned long request, void *arg, int *ret)
{
	if (request != VDUSE_IOTLB_GET_FD || calls++ >= entries)
		return false;
	*(struct vduse_iotlb_entry *)arg = entry;
	*ret = dup(kernel.memory);
	return true;
}

static void memory_that_cannot_be_is_not_mapped(void **state)
{
	const struct vduse_iotlb_entry bad[] = {
		{ 0, 0x2000, 0x1fff, VDUSE_ACCESS_RW },		 /* ends before it begins */
		{ 0, 0, UINT64_MAX, VDUSE_ACCESS_RW },		 /* all there is */
		{ 0, 0x800, 0x17ff, VDUSE_ACCESS_RW },		 /* begins before its file */
		{ 0x123, 0x1000, 0x1fff, VDUSE_ACCESS_RW },	 /* not page by page */
		{ 1ull << 40, 0x1000, 0x1fff, VDUSE_ACCESS_RW }, /* behind the end of its file */
		{ UINT64_MAX - 4095, 0x1000, 0x2fff, VDUSE_ACCESS_RW }, /* round the end */
		{ 0, 0x1000, 0x1fff, 0 },				/* not to be used */
	};
	const struct vduse_dev_request all = { .type = VDUSE_UPDATE_IOTLB,
		.iova = { 0, UINT64_MAX } };
	(void)state;
	begin();
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		entry = bad[i];
		calls = 0;
		entries = 1;
		kernel.lie = lie_entry;
		assert_true(kernel_ask(&all));
		assert_int_equal(bed_mappings(), 0);
	}
	works();
}

static void memory_outside_what_was_asked_for_is_not_mapped(void **state)
{
	const struct vduse_dev_request some = { .type = VDUSE_UPDATE_IOTLB,
		.iova = { 0x10000, 0x1ffff } };
	(void)state;
	begin();
	kernel.lie = lie_entry;
	entries = 1;
	entry = (struct vduse_iotlb_entry){ 0, 0x1000, 0x1fff, VDUSE_ACCESS_RW };
	assert_true(kernel_ask(&some));
	entry = (struct vduse_iotlb_entry){ 0, 0x30000, 0x30fff, VDUSE_ACCESS_RW };
	calls = 0;
	assert_true(kernel_ask(&some));
	assert_int_equal(bed_mappings(), 0);
	works();
}

/* The same answer to every question: it would never end. */
static void memory_that_never_ends_ends(void **state)
{
	const struct vduse_dev_request all = { .type = VDUSE_UPDATE_IOTLB,
		.iova = { 0, UINT64_MAX } };
	(void)state;
	begin();
	kernel.lie = lie_entry;
	entries = UINT32_MAX;
	entry = (struct vduse_iotlb_entry){ 0, 0x1000, 0x1fff, VDUSE_ACCESS_RW };
	assert_true(kernel_ask(&all));
	assert_true(calls <= 3);
	assert_int_equal(bed_mappings(), 1);
	works();
}

static bool lie_one_page(unsigned long request, void *arg, int *ret)
{
	struct vduse_iotlb_entry *e = arg;
	if (request != VDUSE_IOTLB_GET_FD)
		return false;
	/* Ever the next page, of the whole address space. */
	e->offset = 0;
	e->last = e->start | 4095;
	e->perm = VDUSE_ACCESS_RO;
	calls++;
	*ret = dup(kernel.memory);
	return true;
}

static void memory_in_too_many_pieces_is_not_all_mapped(void **state)
{
	const struct vduse_dev_request all = { .type = VDUSE_UPDATE_IOTLB,
		.iova = { 0, UINT64_MAX } };
	(void)state;
	begin();
	kernel.lie = lie_one_page;
	assert_true(kernel_ask(&all));
	assert_true(calls < 20000);
	works();
}

/* ---- Queues ----------------------------------------------------------------------------------------------------- */

static bool lie_info(unsigned long request, void *arg, int *ret)
{
	struct vduse_vq_info *info = arg;
	if (request != VDUSE_VQ_GET_INFO)
		return false;
	*info = (struct vduse_vq_info){ .index = info->index,
		.num = 32,
		.desc_addr = KERNEL_RING,
		.driver_addr = KERNEL_RING + 0x1000,
		.device_addr = KERNEL_RING + 0x2000,
		.ready = 1 };
	*ret = 0;
	switch (calls++ / BED_QUEUES) {
	case 0:
		info->num = 0;
		break;
	case 1:
		info->num = UINT32_MAX;
		break;
	case 2:
		info->num = 33;
		break;
	case 3:
		info->desc_addr = UINT64_MAX;
		break;
	case 4:
		info->device_addr = KERNEL_RING + 1;
		break;
	case 5:
		info->driver_addr = 0x7777777777770000;
		break;
	case 6:
		*ret = -EFAULT;
		break;
	default:
		info->split.avail_index = 0x4321;
		break;
	}
	return true;
}

static void queues_that_cannot_be_do_not_start(void **state)
{
	(void)state;
	begin();
	for (unsigned i = 0; i < 8; i++) {
		kernel.lie = lie_info;
		calls = i * BED_QUEUES;
		/* An answer comes in any case, and the device can be reset. */
		kernel_driver_up(BED_BASE, BED_QUEUES, BED_SIZE);
		assert_true(kernel.answered);
		for (unsigned q = 0; q < BED_QUEUES; q++)
			kernel_kick(q);
		assert_true(kernel_reset());
	}
	works();
}

static bool lie_refuse(unsigned long request, void *arg, int *ret)
{
	(void)arg;
	*ret = -EIO;
	return calls == (request >> 0 & 0xff);
}

/* Each call in turn. */
static void a_kernel_that_refuses_is_told_of_and_lived_with(void **state)
{
	(void)state;
	begin();
	for (calls = 0x10; calls <= 0x17; calls++) {
		kernel.lie = lie_refuse;
		kernel_driver_up(BED_BASE, BED_QUEUES, BED_SIZE);
		assert_true(kernel.answered);
		kernel_kick(0);
		kernel_reset();
		assert_true(kernel.answered);
	}
	works();
}

static void rings_that_break_rules_stop_the_device_until_a_reset(void **state)
{
	(void)state;
	begin();
	bed_up(BED_BASE);
	bed_echo(0, 1);
	/* The available index of queue 1 runs ahead. */
	medio_put_le(kernel.at + KERNEL_BOUNCE_BYTES + KERNEL_RING_BYTES +
			     (kernel.queues[1].driver - kernel.queues[1].desc) + 2,
		2, 1000);
	kernel_kick(1);
	assert_false(medio_virtio_is_live(bed.dev));
	bed_submit(0, 2);
	assert_int_equal(echo_seen.chains, 1);
	works();
}

static void answers_that_nobody_waits_for_do_no_harm(void **state)
{
	(void)state;
	begin();
	bed_up(BED_BASE);
	for (unsigned i = 0; i < 200; i++)
		kernel_send(&(struct vduse_dev_request){ .type = VDUSE_SET_STATUS });
	kernel_run();
	while (recv(kernel.ours, &kernel.response, sizeof(kernel.response), 0) > 0) {
	}
	works();
}

#define TEST(f) cmocka_unit_test_teardown(f, bed_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(messages_of_no_known_type_fail),
		TEST(half_a_message_ends_the_device),
		TEST(statuses_in_any_order_are_answered),
		TEST(memory_that_cannot_be_is_not_mapped),
		TEST(memory_outside_what_was_asked_for_is_not_mapped),
		TEST(memory_that_never_ends_ends),
		TEST(memory_in_too_many_pieces_is_not_all_mapped),
		TEST(queues_that_cannot_be_do_not_start),
		TEST(a_kernel_that_refuses_is_told_of_and_lived_with),
		TEST(rings_that_break_rules_stop_the_device_until_a_reset),
		TEST(answers_that_nobody_waits_for_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
