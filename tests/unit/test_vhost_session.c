/* SPDX-License-Identifier: BSD-3-Clause */
/* A vhost-user session, message by message: features, memory, rings, status. */
#include "test_vhost_session_bed.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define VERSION_1 BIT(32)
#define PACKED	  BIT(34)
#define ALL	  UINT64_MAX
#define MODERN \
	(BIT(MEDIO_VHU_P_REPLY_ACK) | BIT(MEDIO_VHU_P_MQ) | BIT(MEDIO_VHU_P_CONFIG) | \
		BIT(MEDIO_VHU_P_MEM_SLOTS) | BIT(MEDIO_VHU_P_RESET_DEVICE) | \
		BIT(MEDIO_VHU_P_INFLIGHT_SHMFD) | BIT(MEDIO_VHU_P_BACKEND_REQ))

static uint32_t get_base(struct session_bed *bed, unsigned index)
{
	struct medio_vhu_state state;
	bed_send_state(bed, MEDIO_VHU_GET_VRING_BASE, 0, index, 0);
	assert_int_equal(bed_receive(bed, MEDIO_VHU_GET_VRING_BASE, &state, sizeof(state), NULL),
		sizeof(state));
	assert_int_equal(state.index, index);
	return state.num;
}

/* ---- Features ------------------------------------------------------------------------------------------ */

static void what_this_transport_cannot_carry_is_not_offered(void **unused)
{
	struct session_bed bed;
	(void)unused;
	bed_open(&bed);
	uint64_t offered = bed_ask(&bed, MEDIO_VHU_GET_FEATURES);
	for (unsigned bit = 33; bit <= 41; bit++)
		if (bit < 34 || bit > 36)
			assert_false(offered >> bit & 1);
	assert_true(offered & VERSION_1);
	assert_true(offered & PACKED);
	assert_true(offered & BIT(MEDIO_VHU_F_PROTOCOL_FEATURES));
	assert_true(offered & BIT(MEDIO_VHU_F_LOG_ALL));
	bed_close(&bed);
}

static void features_that_are_not_offered_are_refused_in_words(void **unused)
{
	struct session_bed bed;
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, MODERN);
	assert_int_not_equal(bed_tell(&bed, MEDIO_VHU_SET_FEATURES, VERSION_1 | BIT(40), -1), 0);
	assert_true(bed_said(&bed, "SET_FEATURES is refused"));
	assert_true(bed_said(&bed, "0x10000000000"));
	assert_int_not_equal(
		bed_tell(&bed, MEDIO_VHU_SET_PROTOCOL_FEATURES, MODERN | BIT(40), -1), 0);
	/* The connection stands, and what was agreed on too. */
	assert_int_equal(bed_ask(&bed, MEDIO_VHU_GET_QUEUE_NUM), ECHO_QUEUES);
	bed_close(&bed);
}

static void a_driver_without_version_1_gets_no_ring(void **unused)
{
	struct session_bed bed;
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, 0, 0);
	assert_true(bed_said(&bed, "VERSION_1"));
	bed_memory(&bed);
	bed_ring(&bed, 0);
	assert_false(bed_echo(&bed, 0));
	assert_int_equal(echo_seen.lives, 0);
	assert_true(bed_is_quiet(&bed));
	bed_close(&bed);
}

static void who_cannot_be_told_loses_the_connection(void **unused)
{
	struct session_bed bed;
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, 0);
	bed_send_state(&bed, MEDIO_VHU_SET_VRING_NUM, 0, 99, 16);
	assert_true(bed_is_closed(&bed));
	assert_true(bed_said(&bed, "ring 99"));
	bed_close(&bed);
}

/* ---- Rings --------------------------------------------------------------------------------------------- */

static void run_rings(bool packed, bool protocol)
{
	struct session_bed bed;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1 | (packed ? PACKED : 0), protocol ? MODERN : 0);
	bed_memory(&bed);
	for (unsigned i = 0; i < 2; i++)
		bed_ring(&bed, i);
	if (protocol) {
		assert_false(bed_echo(&bed, 0));
		assert_int_equal(bed_tell_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 1), 0);
		assert_int_equal(bed_tell_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 1, 1), 0);
		assert_true(bed_echo_take(&bed, 0));
	}
	for (unsigned i = 0; i < 3 * RING_SIZE; i++)
		for (unsigned q = 0; q < 2; q++) {
			assert_true(bed_echo(&bed, q));
			assert_true(bed_called(&bed, q));
		}
	assert_int_equal(echo_seen.lives, 1);
	assert_int_equal(echo_seen.on[0], 1);
	assert_int_equal(echo_seen.on[2], 0);
	assert_int_equal(medio_instance_stats(bed.inst)->connected, 1);
	assert_int_equal(bed.log[0], 0);
	bed_close(&bed);
}

static void split_rings_run_without_protocol_features(void **unused)
{
	(void)unused;
	run_rings(false, false);
}

static void split_rings_run_once_enabled(void **unused)
{
	(void)unused;
	run_rings(false, true);
}

static void packed_rings_run_once_enabled(void **unused)
{
	(void)unused;
	run_rings(true, true);
}

static void a_ring_that_is_stopped_goes_on_where_it_was(void **unused)
{
	(void)unused;
	for (unsigned packed = 0; packed < 2; packed++) {
		struct session_bed bed;
		bed_open(&bed);
		bed_hello(&bed, VERSION_1 | (packed ? PACKED : 0), 0);
		bed_memory(&bed);
		bed_ring(&bed, 0);
		for (unsigned i = 0; i < 5; i++)
			assert_true(bed_echo(&bed, 0));
		uint32_t base = get_base(&bed, 0);
		assert_int_equal(base, packed ? 0x800a800a : 5);
		/* Its kick means nothing now. */
		assert_false(bed_echo(&bed, 0));
		bed_send_state(&bed, MEDIO_VHU_SET_VRING_BASE, 0, 0, base);
		bed_ring(&bed, 0);
		assert_true(bed_echo_take(&bed, 0));
		assert_true(bed_echo(&bed, 0));
		bed_close(&bed);
	}
}

static void a_packed_base_without_a_used_half_is_one_at_rest(void **unused)
{
	struct session_bed bed;
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1 | PACKED, 0);
	bed_memory(&bed);
	bed_send_state(&bed, MEDIO_VHU_SET_VRING_BASE, 0, 0, 0x8000);
	bed_ring(&bed, 0);
	assert_true(bed_echo(&bed, 0));
	assert_int_equal(get_base(&bed, 0), 0x80028002);
	bed_close(&bed);
}

static void messages_of_a_ring_may_come_before_features(void **unused)
{
	struct session_bed bed;
	(void)unused;
	bed_open(&bed);
	/* As DPDK, and worse. */
	bed_ring(&bed, 0);
	bed_memory(&bed);
	assert_int_equal(echo_seen.lives, 0);
	bed_hello(&bed, VERSION_1, 0);
	assert_true(bed_echo(&bed, 0));
	bed_close(&bed);
}

static void a_ring_without_a_kick_is_looked_after(void **unused)
{
	struct session_bed bed;
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, 0);
	bed_memory(&bed);
	bed_ring(&bed, 0);
	bed_send_u64(&bed, MEDIO_VHU_SET_VRING_KICK, 0, 0 | MEDIO_VHU_FD_NONE, -1);
	bed_send_u64(&bed, MEDIO_VHU_SET_VRING_CALL, 0, 0 | MEDIO_VHU_FD_NONE, -1);
	bed_echo_add(&bed, 0, 0);
	bed_run(&bed);
	assert_true(bed_echo_take(&bed, 0));
	get_base(&bed, 0);
	/* And nobody looks any more. */
	assert_int_equal(medio_loop_run_once(bed.loop, 0), 0);
	bed_close(&bed);
}

static void a_disabled_ring_rests_with_what_is_in_it(void **unused)
{
	struct session_bed bed;
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, MODERN);
	bed_memory(&bed);
	bed_ring(&bed, 0);
	assert_int_equal(bed_tell_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 1), 0);
	echo_quirks.hold = true;
	bed_echo_add(&bed, 0, 0);
	bed_kick(&bed, 0);
	assert_false(bed_echo_take(&bed, 0));
	/* What is in flight is finished first. */
	assert_int_equal(bed_tell_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 0), 0);
	assert_true(bed_echo_take(&bed, 0));
	assert_int_equal(echo_seen.off[0], 1);
	echo_quirks.hold = false;
	assert_false(bed_echo(&bed, 0));
	assert_int_equal(bed_tell_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 1), 0);
	assert_true(bed_echo_take(&bed, 0));
	bed_close(&bed);
}

static void a_ring_outside_memory_says_so_and_waits_for_it(void **unused)
{
	struct session_bed bed;
	eventfd_t count;
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, 0);
	bed_ring(&bed, 0);
	assert_true(bed_said(&bed, "ring 0 cannot run"));
	assert_true(bed_said(&bed, "0x7f0000000000"));
	assert_int_equal(eventfd_read(bed.rings[0].err, &count), 0);
	bed_memory(&bed);
	assert_true(bed_echo(&bed, 0));
	bed_close(&bed);
}

static void a_ring_cannot_change_while_it_runs(void **unused)
{
	struct session_bed bed;
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, MODERN);
	bed_memory(&bed);
	bed_ring(&bed, 0);
	assert_int_equal(bed_tell_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 1), 0);
	assert_int_equal(bed_tell_state(&bed, MEDIO_VHU_SET_VRING_NUM, 0, RING_SIZE), 0);
	assert_int_not_equal(bed_tell_state(&bed, MEDIO_VHU_SET_VRING_NUM, 0, RING_SIZE / 2), 0);
	assert_int_not_equal(bed_tell_state(&bed, MEDIO_VHU_SET_VRING_BASE, 0, 3), 0);
	assert_int_not_equal(bed_tell(&bed, MEDIO_VHU_SET_FEATURES, bed.features | PACKED, -1), 0);
	assert_true(bed_said(&bed, "only LOG_ALL"));
	assert_int_equal(
		bed_tell(&bed, MEDIO_VHU_SET_FEATURES, bed.features | BIT(MEDIO_VHU_F_LOG_ALL), -1),
		0);
	assert_int_equal(bed_tell(&bed, MEDIO_VHU_SET_FEATURES, bed.features, -1), 0);
	assert_true(bed_echo(&bed, 0));
	assert_int_equal(echo_seen.resets, 0);
	bed_close(&bed);
}

static void a_broken_ring_is_told_by_its_error_fd(void **unused)
{
	struct session_bed bed;
	eventfd_t count;
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, 0);
	bed_memory(&bed);
	bed_ring(&bed, 0);
	echo_quirks.break_queue = true;
	bed_echo(&bed, 0);
	assert_true(bed_said(&bed, "needs a reset"));
	assert_int_equal(eventfd_read(bed.rings[0].err, &count), 0);
	/* The rest is as ever. */
	get_base(&bed, 0);
	assert_true(bed_is_quiet(&bed));
	bed_close(&bed);
}

/* ---- Memory -------------------------------------------------------------------------------------------- */

static uint64_t tell_slot(
	struct session_bed *bed, uint32_t request, const struct medio_vhu_region *region, int fd)
{
	struct medio_vhu_single single = { 0, *region };
	uint64_t ret;
	bed_send(bed, request, ACK, &single, sizeof(single), &fd, fd >= 0 ? 1 : 0);
	assert_int_equal(bed_receive(bed, request, &ret, sizeof(ret), NULL), sizeof(ret));
	return ret;
}

static void slots_come_and_go_under_a_running_ring(void **unused)
{
	struct session_bed bed;
	struct medio_vhu_region low, high, half;
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, MODERN);
	assert_true(bed_ask(&bed, MEDIO_VHU_GET_MAX_MEM_SLOTS) >= 256);
	bed_region(&low, 0, MEM_BYTES / 2);
	bed_region(&high, MEM_BYTES / 2, MEM_BYTES / 2);
	assert_int_equal(tell_slot(&bed, MEDIO_VHU_ADD_MEM_REG, &low, bed.memfd), 0);
	assert_int_equal(tell_slot(&bed, MEDIO_VHU_ADD_MEM_REG, &high, bed.memfd), 0);
	/* Half of it again is not it again. */
	half = high;
	half.size /= 2;
	assert_int_not_equal(tell_slot(&bed, MEDIO_VHU_ADD_MEM_REG, &half, bed.memfd), 0);
	/* QEMU before 8.0 adds and removes for each pair of a network card's queues. */
	assert_int_equal(tell_slot(&bed, MEDIO_VHU_ADD_MEM_REG, &low, bed.memfd), 0);
	bed_ring(&bed, 0);
	assert_int_equal(bed_tell_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 1), 0);
	assert_true(bed_echo(&bed, 0));
	assert_int_equal(tell_slot(&bed, MEDIO_VHU_REM_MEM_REG, &low, -1), 0);
	assert_true(bed_echo(&bed, 0));
	/* The rings' memory goes, and comes back: they rest meanwhile. With a descriptor, too. */
	assert_int_equal(tell_slot(&bed, MEDIO_VHU_REM_MEM_REG, &low, bed.memfd), 0);
	assert_int_not_equal(tell_slot(&bed, MEDIO_VHU_REM_MEM_REG, &low, -1), 0);
	assert_false(bed_echo(&bed, 0));
	assert_int_equal(tell_slot(&bed, MEDIO_VHU_ADD_MEM_REG, &low, bed.memfd), 0);
	assert_true(bed_echo_take(&bed, 0));
	assert_int_equal(tell_slot(&bed, MEDIO_VHU_REM_MEM_REG, &high, -1), 0);
	bed_close(&bed);
}

/* libblkio's are. */
static void a_region_need_not_end_at_a_page(void **unused)
{
	struct session_bed bed;
	struct medio_vhu_region low, high;
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, MODERN);
	bed_region(&low, 0, MEM_BYTES / 2);
	bed_region(&high, MEM_BYTES / 2, 15120);
	assert_int_equal(tell_slot(&bed, MEDIO_VHU_ADD_MEM_REG, &high, bed.memfd), 0);
	assert_int_equal(tell_slot(&bed, MEDIO_VHU_ADD_MEM_REG, &low, bed.memfd), 0);
	bed_ring(&bed, 0);
	assert_int_equal(bed_tell_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 1), 0);
	assert_true(bed_echo(&bed, 0));
	assert_int_equal(tell_slot(&bed, MEDIO_VHU_REM_MEM_REG, &high, -1), 0);
	assert_int_equal(tell_slot(&bed, MEDIO_VHU_ADD_MEM_REG, &high, bed.memfd), 0);
	bed_close(&bed);
}

static void a_ring_without_its_memory_can_be_stopped(void **unused)
{
	(void)unused;
	for (unsigned packed = 0; packed < 2; packed++) {
		struct session_bed bed;
		struct medio_vhu_table none = { .num = 0 };
		bed_open(&bed);
		bed_hello(&bed, VERSION_1 | (packed ? PACKED : 0), 0);
		bed_memory(&bed);
		bed_ring(&bed, 0);
		for (unsigned i = 0; i < 3; i++)
			assert_true(bed_echo(&bed, 0));
		echo_quirks.hold = true;
		bed_echo_add(&bed, 0, 0);
		bed_kick(&bed, 0);
		bed_send(&bed, MEDIO_VHU_SET_MEM_TABLE, 0, &none, 8, NULL, 0);
		assert_true(bed_echo_take(&bed, 0));
		bed_kick(&bed, 0);
		uint32_t base = get_base(&bed, 0);
		assert_int_equal(base, packed ? 0x80088008 : 4);
		/* And go on, when it is back. */
		echo_quirks.hold = false;
		bed_memory(&bed);
		bed_send_state(&bed, MEDIO_VHU_SET_VRING_BASE, 0, 0, base);
		bed_ring(&bed, 0);
		assert_true(bed_echo(&bed, 0));
		bed_close(&bed);
	}
}

static void a_table_again_leaves_alone_what_is_the_same(void **unused)
{
	struct session_bed bed;
	struct medio_vhu_table table = { .num = 2 };
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, 0);
	bed_memory(&bed);
	bed_ring(&bed, 0);
	assert_true(bed_echo(&bed, 0));
	echo_quirks.hold = true;
	bed_echo_add(&bed, 0, 0);
	bed_kick(&bed, 0);
	/* The same, and more. */
	const int fds[2] = { bed.memfd, bed.memfd };
	bed_region(&table.regions[0], 0, MEM_BYTES);
	table.regions[1] = (struct medio_vhu_region){ 0x1000, 0x1000, 0x1000, 0 };
	bed_send(
		&bed, MEDIO_VHU_SET_MEM_TABLE, 0, &table, 8 + 2 * sizeof(table.regions[0]), fds, 2);
	assert_int_equal(echo_seen.drains, 0);
	assert_int_equal(echo_seen.off[0], 0);
	/* Without the other again: nothing in flight may be in it, as far as is known. */
	bed_memory(&bed);
	assert_true(bed_echo_take(&bed, 0));
	echo_quirks.hold = false;
	assert_true(bed_echo(&bed, 0));
	bed_close(&bed);
}

static void a_ring_whose_memory_moves_goes_with_it(void **unused)
{
	struct session_bed bed;
	struct medio_vhu_table table = { .num = 2 };
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, 0);
	bed_memory(&bed);
	bed_ring(&bed, 0);
	assert_true(bed_echo(&bed, 0));
	/* What the front-end calls the same is at another guest address from here on. */
	const int fds[2] = { bed.memfd, bed.memfd };
	bed_region(&table.regions[0], 0, MEM_BYTES / 2);
	table.regions[0].guest = 0x1000000;
	bed_region(&table.regions[1], MEM_BYTES / 2, MEM_BYTES / 2);
	bed_send(
		&bed, MEDIO_VHU_SET_MEM_TABLE, 0, &table, 8 + 2 * sizeof(table.regions[0]), fds, 2);
	assert_true(bed_echo(&bed, 0));
	assert_int_equal(echo_seen.off[0], 1);
	bed_close(&bed);
}

static void tables_that_cannot_be_are_refused(void **unused)
{
	struct session_bed bed;
	struct medio_vhu_table table = { .num = 1 };
	uint64_t ret;
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, MODERN);
	const struct {
		struct medio_vhu_region region;
		const char *words;
	} cases[] = {
		{ { 0, 0, 0, 0 }, "is empty" },
		{ { UINT64_MAX - 0xfff, 0x2000, 0, 0 }, "wraps around" },
		{ { 0, 0x2000, UINT64_MAX - 0xfff, 0 }, "wraps around" },
		{ { 0, 2 * MEM_BYTES, 0, 0 }, "ends" },
		{ { 0, 0x1000, 0, MEM_BYTES }, "ends" },
		{ { 0x800, 0x1000, 0, 0 }, "4096" },
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		table.regions[0] = cases[i].region;
		bed.log[0] = '\0';
		bed_send(&bed, MEDIO_VHU_SET_MEM_TABLE, ACK, &table, 8 + sizeof(table.regions[0]),
			&bed.memfd, 1);
		assert_int_equal(
			bed_receive(&bed, MEDIO_VHU_SET_MEM_TABLE, &ret, sizeof(ret), NULL), 8);
		assert_int_equal(ret, 1);
		if (i < 3)
			assert_true(bed_said(&bed, cases[i].words));
		assert_true(bed_said(&bed, "SET_MEM_TABLE is refused"));
	}
	bed_close(&bed);
}

static void memory_that_is_taken_back_ends_the_connection_only(void **unused)
{
	struct session_bed bed;
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, 0);
	bed_memory(&bed);
	bed_ring(&bed, 0);
	assert_true(bed_echo(&bed, 0));
	assert_int_equal(ftruncate(bed.memfd, 0), 0);
	eventfd_write(bed.rings[0].kick, 1);
	bed_run(&bed);
	assert_true(bed_is_closed(&bed));
	bed_close(&bed);
}

/* ---- Status and resets --------------------------------------------------------------------------------- */

static void the_status_is_the_front_ends_if_it_wants(void **unused)
{
	struct session_bed bed;
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, MODERN | BIT(MEDIO_VHU_P_STATUS));
	/* As QEMU: FEATURES_OK first, then the rest. */
	assert_int_equal(bed_tell(&bed, MEDIO_VHU_SET_STATUS, 8, -1), 0);
	assert_int_equal(bed_ask(&bed, MEDIO_VHU_GET_STATUS), 0xb);
	bed_memory(&bed);
	bed_ring(&bed, 0);
	assert_int_equal(bed_tell_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 1), 0);
	assert_false(bed_echo(&bed, 0));
	assert_int_equal(bed_tell(&bed, MEDIO_VHU_SET_STATUS, 0xf, -1), 0);
	bed_run(&bed);
	assert_true(bed_echo_take(&bed, 0));
	assert_int_equal(bed_ask(&bed, MEDIO_VHU_GET_STATUS), 0xf);
	assert_int_equal(bed_tell(&bed, MEDIO_VHU_SET_STATUS, 0, -1), 0);
	assert_int_equal(echo_seen.resets, 1);
	assert_int_equal(bed_ask(&bed, MEDIO_VHU_GET_STATUS), 0);
	assert_false(bed_echo(&bed, 0));
	bed_close(&bed);
}

static void a_reset_of_the_device_disables_and_forgets(void **unused)
{
	struct session_bed bed;
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, MODERN);
	bed_memory(&bed);
	bed_ring(&bed, 0);
	assert_int_equal(bed_tell_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 1), 0);
	assert_true(bed_echo(&bed, 0));
	bed_send(&bed, MEDIO_VHU_RESET_DEVICE, 0, NULL, 0, NULL, 0);
	assert_int_equal(echo_seen.resets, 1);
	virtq_reset(bed.rings[0].vq, NULL, NULL);
	virtq_want_irq(bed.rings[0].vq);
	bed_send_u64(&bed, MEDIO_VHU_SET_FEATURES, 0, bed.features, -1);
	bed_send_state(&bed, MEDIO_VHU_SET_VRING_BASE, 0, 0, 0);
	bed_ring(&bed, 0);
	assert_false(bed_echo(&bed, 0));
	assert_int_equal(bed_tell_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 1), 0);
	assert_true(bed_echo_take(&bed, 0));
	bed_close(&bed);
}

static void finds_a_device_as_new(bool packed)
{
	struct session_bed bed;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1 | (packed ? PACKED : 0), 0);
	bed_memory(&bed);
	bed_ring(&bed, 0);
	assert_true(bed_echo(&bed, 0));
	/* One that pauses goes on with what the device remembers. */
	bed_send_state(&bed, MEDIO_VHU_SET_VRING_BASE, 0, 0, get_base(&bed, 0));
	bed_ring(&bed, 0);
	assert_true(bed_echo(&bed, 0));
	assert_int_equal(echo_seen.resets, 0);
	/* One that begins is another. */
	get_base(&bed, 0);
	virtq_reset(bed.rings[0].vq, NULL, NULL);
	virtq_want_irq(bed.rings[0].vq);
	bed_send_u64(&bed, MEDIO_VHU_SET_FEATURES, 0, bed.features, -1);
	bed_send_state(&bed, MEDIO_VHU_SET_VRING_BASE, 0, 0, packed ? 0x80008000 : 0);
	bed_ring(&bed, 0);
	assert_true(bed_echo(&bed, 0));
	assert_int_equal(echo_seen.resets, 1);
	/* And so is one that chooses other features. */
	get_base(&bed, 0);
	bed_send_u64(&bed, MEDIO_VHU_SET_FEATURES, 0, bed.features | BIT(ECHO_F_A), -1);
	assert_int_equal(echo_seen.resets, 2);
	bed_close(&bed);
}

static void another_driver_finds_a_device_as_new(void **unused)
{
	(void)unused;
	finds_a_device_as_new(false);
	finds_a_device_as_new(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_this_transport_cannot_carry_is_not_offered),
		cmocka_unit_test(features_that_are_not_offered_are_refused_in_words),
		cmocka_unit_test(a_driver_without_version_1_gets_no_ring),
		cmocka_unit_test(who_cannot_be_told_loses_the_connection),
		cmocka_unit_test(split_rings_run_without_protocol_features),
		cmocka_unit_test(split_rings_run_once_enabled),
		cmocka_unit_test(packed_rings_run_once_enabled),
		cmocka_unit_test(a_ring_that_is_stopped_goes_on_where_it_was),
		cmocka_unit_test(a_packed_base_without_a_used_half_is_one_at_rest),
		cmocka_unit_test(messages_of_a_ring_may_come_before_features),
		cmocka_unit_test(a_ring_without_a_kick_is_looked_after),
		cmocka_unit_test(a_disabled_ring_rests_with_what_is_in_it),
		cmocka_unit_test(a_ring_outside_memory_says_so_and_waits_for_it),
		cmocka_unit_test(a_ring_cannot_change_while_it_runs),
		cmocka_unit_test(a_broken_ring_is_told_by_its_error_fd),
		cmocka_unit_test(slots_come_and_go_under_a_running_ring),
		cmocka_unit_test(a_region_need_not_end_at_a_page),
		cmocka_unit_test(a_ring_without_its_memory_can_be_stopped),
		cmocka_unit_test(a_table_again_leaves_alone_what_is_the_same),
		cmocka_unit_test(a_ring_whose_memory_moves_goes_with_it),
		cmocka_unit_test(tables_that_cannot_be_are_refused),
		cmocka_unit_test(memory_that_is_taken_back_ends_the_connection_only),
		cmocka_unit_test(the_status_is_the_front_ends_if_it_wants),
		cmocka_unit_test(a_reset_of_the_device_disables_and_forgets),
		cmocka_unit_test(another_driver_finds_a_device_as_new),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
