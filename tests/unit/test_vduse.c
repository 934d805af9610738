/* SPDX-License-Identifier: BSD-3-Clause */
/* VDUSE on a kernel of the test's own: how a device is made, lives, and goes; how it is taken up again. */
#include "vduse_bed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

/* ---- Making ------------------------------------------------------------------------------------------------- */

static void the_kernel_is_told_what_it_takes_and_no_more(void **state)
{
	(void)state;
	bed_new(VIRTIO_ID_BLOCK);
	assert_int_equal(bed_open(), 0);
	assert_true(kernel.exists && kernel.connected);
	assert_int_equal(kernel.id, VIRTIO_ID_BLOCK);
	assert_int_equal(kernel.num_queues, BED_QUEUES);
	assert_int_equal(kernel.config_size, ECHO_CONFIG);
	assert_int_equal(medio_get_le(kernel.config + 8, 8), UINT64_MAX);
	for (unsigned i = 0; i < BED_QUEUES; i++)
		assert_int_equal(kernel.queues[i].num_max, 256);
	assert_true(kernel.features >> VIRTIO_F_ACCESS_PLATFORM & 1);
	assert_true(kernel.features >> VIRTIO_F_VERSION_1 & 1);
	assert_true(kernel.features >> VIRTIO_F_RING_PACKED & 1);
	assert_true(kernel.features >> ECHO_F_A & 1);
	assert_false(kernel.features >> VIRTIO_F_RING_RESET & 1);
	assert_false(kernel.features >> 11 & 1); /* CONFIG_WCE */
	assert_false(medio_vduse_on_bus(bed.vduse));
	kernel_add();
	assert_true(medio_vduse_on_bus(bed.vduse));
}

static void a_network_card_has_one_pair_of_queues_and_no_control_queue(void **state)
{
	(void)state;
	bed_new(VIRTIO_ID_NET);
	bed_virtio.features |= MEDIO_VIRTIO_BIT(17) | MEDIO_VIRTIO_BIT(22) | MEDIO_VIRTIO_BIT(3);
	assert_int_equal(bed_open(), 0);
	assert_int_equal(kernel.num_queues, 2);
	assert_false(kernel.features >> 17 & 1);
	assert_false(kernel.features >> 22 & 1);
	assert_true(kernel.features >> 3 & 1);
}

static void what_the_kernel_does_not_take_is_refused_in_words(void **state)
{
	(void)state;
	bed_new(ECHO_ID);
	assert_int_equal(bed_open(), -ENOTSUP);
	bed_said("virtio-blk");
	bed_end();
	bed_new(VIRTIO_ID_BLOCK);
	bed.param = "platform=off";
	assert_int_equal(bed_open(), -EINVAL);
	bed_said("platform=off");
	bed_end();
	bed_new(VIRTIO_ID_NET);
	kernel.create_errno = EPERM;
	assert_int_equal(bed_open(), -EPERM);
	bed_said("CAP_NET_ADMIN");
	kernel.create_errno = EINVAL;
	assert_int_equal(bed_open(), -ENOTSUP);
	bed_said("6.10");
}

static void a_name_that_cannot_be_is_refused(void **state)
{
	char longest[300];
	(void)state;
	bed_new(VIRTIO_ID_BLOCK);
	memset(longest, 'x', sizeof(longest));
	longest[256] = '\0';
	const char *const bad[] = { "", "a/b", "..", ".x", "control", longest };
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		bed.name = bad[i];
		assert_int_equal(bed_open(), -EINVAL);
		bed_said("255");
	}
	assert_false(kernel.exists);
}

static void what_is_missing_is_said_with_what_to_do(void **state)
{
	(void)state;
	bed_new(VIRTIO_ID_BLOCK);
	kernel.control_errno = ENOENT;
	assert_int_equal(bed_open(), -ENOENT);
	bed_said("CONFIG_VDPA_USER");
	kernel.has_module = true;
	assert_int_equal(bed_open(), -ENOENT);
	bed_said("modprobe vduse");
	kernel.has_class = true;
	assert_int_equal(bed_open(), -ENOENT);
	bed_said("container");
	kernel.control_errno = EACCES;
	assert_int_equal(bed_open(), -EACCES);
	bed_said("root");
	kernel.control_errno = 0;
	kernel.device_errno = ENOENT;
	assert_int_equal(bed_open(), -ENOENT);
	bed_said("container");
}

/* What is not on the bus has no user. */
static void a_device_that_nobody_uses_is_made_anew(void **state)
{
	(void)state;
	bed_new(VIRTIO_ID_BLOCK);
	assert_int_equal(bed_open(), 0);
	medio_vduse_free(bed.vduse);
	bed.vduse = NULL;
	assert_false(kernel.exists);
	kernel.exists = true;
	kernel.id = VIRTIO_ID_NET;
	assert_int_equal(bed_open(), 0);
	assert_int_equal(kernel.id, VIRTIO_ID_BLOCK);
}

static void another_process_device_is_left_alone(void **state)
{
	(void)state;
	bed_new(VIRTIO_ID_BLOCK);
	assert_int_equal(bed_open(), 0);
	struct medio_vduse *second = NULL;
	struct medio_instance *inst;
	struct medio_error *err = NULL;
	assert_int_equal(medio_instance_new_bare(bed.loop, &bed_type, NULL, &inst, NULL), 0);
	assert_int_equal(
		medio_vduse_new_on(inst, KERNEL_NAME, &vduse_kernel, &second, &err), -EBUSY);
	assert_non_null(strstr(medio_error_text(err), "another process"));
	medio_error_free(err);
	medio_instance_free(inst);
	assert_true(kernel.exists && kernel.connected);
}

static void a_device_that_is_carried_already_or_is_a_card_is_refused(void **state)
{
	(void)state;
	struct medio_vduse *second = NULL;
	bed_new(VIRTIO_ID_BLOCK);
	assert_int_equal(bed_open(), 0);
	assert_int_equal(
		medio_vduse_new_on(bed.inst, "other", &vduse_kernel, &second, NULL), -ENOTSUP);
	struct medio_instance *card;
	assert_int_equal(medio_instance_new(bed.loop, &echo_type, NULL, &card, NULL), 0);
	assert_int_equal(medio_vduse_new_on(card, "other", &vduse_kernel, &second, NULL), -ENOTSUP);
	medio_instance_free(card);
}

/* ---- A driver --------------------------------------------------------------------------------------------------- */

static void traffic(uint64_t features)
{
	bed_new(VIRTIO_ID_BLOCK);
	bed_up(features);
	for (unsigned i = 0; i < 300; i++)
		bed_echo(i % BED_QUEUES, i);
	assert_int_equal(echo_seen.lives, 1);
	assert_true(kernel.queues[0].interrupts > 0);
	assert_true(kernel_del());
}

static void requests_are_answered_in_a_split_ring(void **state)
{
	(void)state;
	traffic(BED_BASE);
}

static void requests_are_answered_in_a_packed_ring(void **state)
{
	(void)state;
	traffic(BED_BASE | MEDIO_VIRTIO_BIT(VIRTIO_F_RING_PACKED));
}

/* Bounce pages come with the first buffer, and nobody tells. */
static void the_device_is_live_when_there_is_memory_for_buffers(void **state)
{
	(void)state;
	bed_new(VIRTIO_ID_BLOCK);
	bed_up(BED_BASE);
	kernel_run();
	assert_int_equal(echo_seen.lives, 0);
	bed_echo(1, 7);
	assert_int_equal(echo_seen.lives, 1);
	/* From now on there is nothing to look for. */
	unsigned gets = kernel.gets;
	bed_echo(0, 8);
	assert_int_equal(kernel.gets, gets);
}

static void features_that_are_not_offered_are_refused(void **state)
{
	(void)state;
	bed_new(VIRTIO_ID_BLOCK);
	assert_int_equal(bed_open(), 0);
	kernel_add();
	bed.quiet = true;
	assert_true(kernel_set_status(1) && kernel_set_status(3));
	kernel.driver_features = BED_BASE | MEDIO_VIRTIO_BIT(VIRTIO_F_RING_RESET);
	assert_false(kernel_set_status(0xb));
	assert_int_equal(kernel.response.result, VDUSE_REQ_RESULT_FAILED);
	assert_int_equal(kernel.status, 3);
	/* A driver may think again. */
	kernel.driver_features = BED_BASE;
	assert_true(kernel_set_status(0xb));
	assert_true(kernel_reset());
}

/* As QEMU's vhost-vdpa-device after a reset: neither ACKNOWLEDGE nor DRIVER. */
static void who_sets_features_ok_alone_is_a_driver(void **state)
{
	(void)state;
	bed_new(VIRTIO_ID_BLOCK);
	assert_int_equal(bed_open(), 0);
	kernel_add();
	for (unsigned round = 0; round < 2; round++) {
		kernel.driver_features = BED_BASE & ~MEDIO_VIRTIO_BIT(VIRTIO_F_ACCESS_PLATFORM);
		assert_true(kernel_set_status(8));
		assert_true(kernel_set_status(0xc));
		assert_true(kernel_reset());
	}
	kernel.driver_features = BED_BASE | MEDIO_VIRTIO_BIT(VIRTIO_F_RING_RESET);
	bed.quiet = true;
	assert_false(kernel_set_status(8));
}

static bool tell_of_the_first_alone(unsigned long request, void *arg, int *ret)
{
	struct vduse_vq_info *info = arg;

	if (request != VDUSE_VQ_GET_INFO || !info->index)
		return false;
	*info = (struct vduse_vq_info){ .index = info->index, .ready = 1 };
	*ret = 0;
	return true;
}

/* As QEMU for firmware that uses one queue. */
static void queues_without_a_size_are_left_alone(void **state)
{
	(void)state;
	bed_new(VIRTIO_ID_BLOCK);
	kernel.lie = tell_of_the_first_alone;
	bed_up(BED_BASE);
	bed_echo(0, 1);
	assert_true(kernel_reset());
	kernel.lie = NULL;
	bed_up(BED_BASE);
	bed_echo(0, 2);
	bed_echo(BED_QUEUES - 1, 3);
}

static void legacy_drivers_are_refused(void **state)
{
	(void)state;
	bed_new(VIRTIO_ID_BLOCK);
	assert_int_equal(bed_open(), 0);
	kernel_add();
	bed.quiet = true;
	assert_true(kernel_set_status(3));
	assert_false(kernel_set_status(7));
}

static void a_reset_waits_for_what_is_in_flight_and_others_do_not(void **state)
{
	const struct vduse_dev_request reset = { .type = VDUSE_SET_STATUS, .request_id = 77 };
	const struct vduse_dev_request where = { .type = VDUSE_GET_VQ_STATE, .vq_state = { 1 } };
	(void)state;
	bed_new(VIRTIO_ID_BLOCK);
	bed_up(BED_BASE);
	echo_quirks.hold = true;
	bed_submit(1, 5);
	kernel_send(&reset);
	assert_false(kernel_wait());
	assert_true(kernel_ask(&where));
	assert_int_equal(kernel.response.vq_state.split.avail_index, 1);
	kernel.answered = false;
	echo_release(bed.dev, 1, false);
	assert_true(kernel_wait());
	assert_int_equal(kernel.response.request_id, 77);
	assert_int_equal(kernel.response.result, VDUSE_REQ_RESULT_OK);
	assert_int_equal(echo_seen.in_flight_at_reset, 0);
	/* What the kernel frees now is not mapped any more. */
	assert_int_equal(bed_mappings(), 0);
}

static void a_device_is_reset_and_used_again_many_times(void **state)
{
	(void)state;
	bed_new(VIRTIO_ID_BLOCK);
	assert_int_equal(bed_open(), 0);
	kernel_add();
	for (unsigned round = 0; round < 20; round++) {
		bed_up(BED_BASE | (round & 1 ? MEDIO_VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0));
		for (unsigned i = 0; i < 50; i++)
			bed_echo(i % BED_QUEUES, i);
		assert_true(kernel_reset());
		assert_int_equal(bed_mappings(), 0);
	}
}

static void a_position_is_told_also_after_a_reset(void **state)
{
	const struct vduse_dev_request where = { .type = VDUSE_GET_VQ_STATE, .vq_state = { 2 } };
	const struct vduse_dev_request nowhere = { .type = VDUSE_GET_VQ_STATE,
		.vq_state = { BED_QUEUES } };
	(void)state;
	bed_new(VIRTIO_ID_BLOCK);
	bed_up(BED_BASE);
	for (unsigned i = 0; i < 9; i++)
		bed_echo(2, i);
	assert_true(kernel_ask(&where));
	assert_int_equal(kernel.response.vq_state.index, 2);
	assert_int_equal(kernel.response.vq_state.split.avail_index, 9);
	assert_false(kernel_ask(&nowhere));
	assert_true(kernel_reset());
	assert_true(kernel_ask(&where));
	assert_int_equal(kernel.response.vq_state.split.avail_index, 9);
}

static void a_packed_position_has_its_wrap_counters(void **state)
{
	const struct vduse_dev_request where = { .type = VDUSE_GET_VQ_STATE, .vq_state = { 0 } };
	(void)state;
	bed_new(VIRTIO_ID_BLOCK);
	bed_up(BED_BASE | MEDIO_VIRTIO_BIT(VIRTIO_F_RING_PACKED));
	for (unsigned i = 0; i < BED_SIZE / 2 + 3; i++) /* two descriptors each */
		bed_echo(0, i);
	assert_true(kernel_ask(&where));
	assert_int_equal(kernel.response.vq_state.packed.last_avail_counter, 0);
	assert_int_equal(kernel.response.vq_state.packed.last_avail_idx, 6);
	assert_int_equal(kernel.response.vq_state.packed.last_used_counter, 0);
	assert_int_equal(kernel.response.vq_state.packed.last_used_idx, 6);
}

static void memory_that_changes_is_mapped_anew(void **state)
{
	const struct vduse_dev_request all = { .type = VDUSE_UPDATE_IOTLB,
		.iova = { 0, UINT64_MAX } };
	const struct vduse_dev_request wrong = { .type = VDUSE_UPDATE_IOTLB, .iova = { 2, 1 } };
	(void)state;
	bed_new(VIRTIO_ID_BLOCK);
	bed_up(BED_BASE);
	bed_echo(0, 1);
	unsigned before = bed_mappings();
	assert_true(kernel_ask(&all));
	assert_int_equal(bed_mappings(), before);
	bed_echo(0, 2);
	/* In the middle of bounce pages: all of them are looked up again. */
	const struct vduse_dev_request part = { .type = VDUSE_UPDATE_IOTLB,
		.iova = { 0x5000, 0x5fff } };
	assert_true(kernel_ask(&part));
	assert_int_equal(bed_mappings(), before);
	bed_echo(0, 3);
	kernel.num_regions--;
	assert_true(kernel_ask(&all));
	assert_int_equal(bed_mappings(), before - 1);
	assert_false(kernel_ask(&wrong));
}

static void a_change_of_configuration_reaches_the_kernel_and_the_driver(void **state)
{
	(void)state;
	bed_new(VIRTIO_ID_BLOCK);
	assert_int_equal(bed_open(), 0);
	kernel_add();
	echo_change(bed.dev, 3);
	assert_int_equal(kernel.config_interrupts, 0);
	bed_up(BED_BASE);
	/* At the latest when the driver begins. */
	assert_int_equal(medio_get_le(kernel.config, 8), 3);
	bed_echo(0, 1);
	unsigned interrupts = kernel.config_interrupts;
	echo_change(bed.dev, 0x1234567);
	assert_int_equal(medio_get_le(kernel.config, 8), 0x1234567);
	assert_int_equal(kernel.config_interrupts, interrupts + 1);
	unsigned writes = kernel.config_writes;
	echo_change(bed.dev, 0x1234567);
	assert_int_equal(kernel.config_writes, writes);
}

/* ---- The end, and after it ------------------------------------------------------------------------------------------ */

static void our_end_gives_back_what_is_in_flight_and_leaves_a_device_on_the_bus(void **state)
{
	(void)state;
	bed_new(VIRTIO_ID_BLOCK);
	bed_up(BED_BASE);
	echo_quirks.hold = true;
	bed_submit(3, 9);
	medio_vduse_free(bed.vduse);
	bed.vduse = NULL;
	assert_true(kernel.exists);
	bed_take(3, 9);
	assert_int_equal(bed_mappings(), 0);
}

static void goes_on(uint64_t features, bool killed)
{
	bed_new(VIRTIO_ID_BLOCK);
	bed_up(features);
	for (unsigned i = 0; i < 77; i++)
		bed_echo(i % 3, i);
	echo_quirks.hold = true;
	for (unsigned i = 0; i < 5; i++)
		bed_submit(1, 100 + i);
	if (killed) {
		/* Two are done, out of order; the others are nobody's. */
		echo_release(bed.dev, 1, true);
		echo_release(bed.dev, 1, true);
		bed_take(1, 104);
		bed_take(1, 103);
		bed_kill();
	} else {
		bed_close();
	}
	echo_clear();
	bed_submit(2, 200);
	unsigned interrupts = kernel.queues[1].interrupts;
	assert_int_equal(bed_open(), 0);
	kernel_run();
	for (unsigned i = 0; i < (killed ? 3 : 5); i++)
		bed_take_any(1);
	bed_take(2, 200);
	if (killed)
		assert_true(kernel.queues[1].interrupts > interrupts);
	assert_int_equal(echo_seen.chains, killed ? 4 : 1);
	for (unsigned i = 0; i < 77; i++)
		bed_echo(i % BED_QUEUES, i);
	assert_true(kernel_del());
}

static void a_split_ring_goes_on_after_our_end(void **state)
{
	(void)state;
	goes_on(BED_BASE, false);
}

static void a_packed_ring_goes_on_after_our_end(void **state)
{
	(void)state;
	goes_on(BED_BASE | MEDIO_VIRTIO_BIT(VIRTIO_F_RING_PACKED), false);
}

static void a_split_ring_goes_on_after_a_kill_with_nothing_lost_or_done_twice(void **state)
{
	(void)state;
	goes_on(BED_BASE, true);
}

static void a_packed_ring_goes_on_after_a_kill_with_nothing_lost_or_done_twice(void **state)
{
	(void)state;
	goes_on(BED_BASE | MEDIO_VIRTIO_BIT(VIRTIO_F_RING_PACKED), true);
}

/* Between being made live and the first buffer. */
static void a_device_that_waits_for_memory_is_taken_up_waiting(void **state)
{
	(void)state;
	bed_new(VIRTIO_ID_BLOCK);
	bed_up(BED_BASE);
	bed_kill();
	echo_clear();
	assert_int_equal(bed_open(), 0);
	kernel_run();
	assert_int_equal(echo_seen.lives, 0);
	bed_echo(0, 1);
	assert_int_equal(echo_seen.lives, 1);
}

static void a_driver_that_is_half_up_goes_on_with_the_next(void **state)
{
	(void)state;
	bed_new(VIRTIO_ID_BLOCK);
	assert_int_equal(bed_open(), 0);
	kernel_add();
	assert_true(kernel_set_status(3));
	bed_kill();
	echo_clear();
	assert_int_equal(bed_open(), 0);
	assert_int_equal(echo_seen.lives, 0);
	bed_up(BED_BASE);
	bed_echo(0, 1);
}

static void what_cannot_be_taken_up_is_refused_in_words(void **state)
{
	char path[80];
	(void)state;
	bed_new(VIRTIO_ID_BLOCK);
	bed_up(BED_BASE);
	bed_echo(0, 1);
	bed_kill();
	bed.param = "packed=off";
	assert_int_equal(bed_open(), -EEXIST);
	bed_said("RING_PACKED");
	bed.param = "queue-size=64";
	assert_int_equal(bed_open(), -EEXIST);
	bed_said("queue-size");
	bed.param = NULL;
	echo_quirks.queues = 2;
	assert_int_equal(bed_open(), -EEXIST);
	bed_said("queues");
	echo_quirks.queues = 0;
	kernel.broken = true;
	assert_int_equal(bed_open(), -EIO);
	bed_said("vdpa dev del");
	kernel.broken = false;
	/* One that another program has made by that name since. */
	kernel.inode++;
	assert_int_equal(bed_open(), -EEXIST);
	bed_said("notes");
	kernel.inode--;
	snprintf(path, sizeof(path), "%s/" KERNEL_NAME, kernel.folder);
	assert_int_equal(truncate(path, 5000), 0);
	assert_int_equal(bed_open(), -EEXIST);
	bed_said("notes");
	unlink(path);
	assert_int_equal(bed_open(), -EEXIST);
	bed_said("notes");
	assert_true(kernel.exists && !kernel.connected);
}

static void a_device_that_the_kernel_gave_up_is_let_go(void **state)
{
	(void)state;
	bed_new(VIRTIO_ID_BLOCK);
	bed_up(BED_BASE);
	bed_echo(0, 1);
	bed.quiet = true;
	close(kernel.ours); /* EPOLLHUP, where the kernel says EPOLLERR */
	kernel.ours = -1;
	kernel_run();
	kernel.connected = false;
	echo_change(bed.dev, 9);
	assert_true(kernel.exists);
}

#define TEST(f) cmocka_unit_test_teardown(f, bed_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_kernel_is_told_what_it_takes_and_no_more),
		TEST(a_network_card_has_one_pair_of_queues_and_no_control_queue),
		TEST(what_the_kernel_does_not_take_is_refused_in_words),
		TEST(a_name_that_cannot_be_is_refused),
		TEST(what_is_missing_is_said_with_what_to_do),
		TEST(a_device_that_nobody_uses_is_made_anew),
		TEST(another_process_device_is_left_alone),
		TEST(a_device_that_is_carried_already_or_is_a_card_is_refused),
		TEST(requests_are_answered_in_a_split_ring),
		TEST(requests_are_answered_in_a_packed_ring),
		TEST(the_device_is_live_when_there_is_memory_for_buffers),
		TEST(features_that_are_not_offered_are_refused),
		TEST(who_sets_features_ok_alone_is_a_driver),
		TEST(queues_without_a_size_are_left_alone),
		TEST(legacy_drivers_are_refused),
		TEST(a_reset_waits_for_what_is_in_flight_and_others_do_not),
		TEST(a_device_is_reset_and_used_again_many_times),
		TEST(a_position_is_told_also_after_a_reset),
		TEST(a_packed_position_has_its_wrap_counters),
		TEST(memory_that_changes_is_mapped_anew),
		TEST(a_change_of_configuration_reaches_the_kernel_and_the_driver),
		TEST(our_end_gives_back_what_is_in_flight_and_leaves_a_device_on_the_bus),
		TEST(a_split_ring_goes_on_after_our_end),
		TEST(a_packed_ring_goes_on_after_our_end),
		TEST(a_split_ring_goes_on_after_a_kill_with_nothing_lost_or_done_twice),
		TEST(a_packed_ring_goes_on_after_a_kill_with_nothing_lost_or_done_twice),
		TEST(a_device_that_waits_for_memory_is_taken_up_waiting),
		TEST(a_driver_that_is_half_up_goes_on_with_the_next),
		TEST(what_cannot_be_taken_up_is_refused_in_words),
		TEST(a_device_that_the_kernel_gave_up_is_let_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
