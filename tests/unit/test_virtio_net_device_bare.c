/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio-net whose driver's commands are answered before they come to it: the control queue never goes live,
 * whether it was accepted or not, and queues come and go one by one.
 */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <medio/serve.h>

#include "../../drivers/virtio/virtq.h"
#include "device/instance.h"
#include "virtio-net/virtio-net.h"
#include "virtio/bare.h"

#define VNET(name_) (UINT64_C(1) << VIRTIO_NET_F_##name_)
#define ONE	    (UINT64_C(1) << VIRTIO_F_VERSION_1)
/* Features that a card offers for its control queue, without the queue itself. */
#define COMMANDS \
	(VNET(CTRL_RX) | VNET(CTRL_VLAN) | VNET(CTRL_MAC_ADDR) | VNET(GUEST_ANNOUNCE) | VNET(MQ) | \
		VNET(STATUS))

#define RX(pair_) (2 * (pair_))
#define TX(pair_) (2 * (pair_) + 1)
#define PAIRS	  4u
#define CONTROL	  (2 * PAIRS)
#define QUEUES	  (2 * PAIRS + 1)
#define SIZE	  16u
#define HEADER	  12u
#define FRAME	  64u

#define IOVA   UINT64_C(0x100000)
#define SLOT   0x10000u /* of a queue: its ring, and from BUFFER on what it carries */
#define BUFFER 0x8000u

struct bed {
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct medio_virtio_core *core;
	uint8_t *mem;
	struct virtq *rings[QUEUES];
	struct medio_virtq_position at[QUEUES];
	char text[256];
};

static void no_interrupt(void *opaque, unsigned queue)
{
	(void)opaque;
	(void)queue;
}

static void no_config(void *opaque)
{
	(void)opaque;
}

static void no_reset(void *opaque, int queue)
{
	(void)opaque;
	(void)queue;
}

static const struct medio_virtio_transport transport = {
	.by_queue = true,
	.interrupt = no_interrupt,
	.config_interrupt = no_config,
	.reset_done = no_reset,
};

static const struct medio_transport_ops nobody;

/* A card whose frames come back, and a driver up to FEATURES_OK. */
static void open_bed(struct bed *bed, uint64_t features)
{
	static const char *const params[] = { "loop=on", "queue-pairs=4" };
	const struct medio_instance_options opts = { .params = params, .nparams = 2 };
	size_t bytes = (size_t)QUEUES * SLOT;
	int fd = memfd_create("bed", MFD_CLOEXEC);

	memset(bed, 0, sizeof(*bed));
	assert_int_equal(medio_loop_new(&bed->loop), 0);
	assert_int_equal(
		medio_instance_new_bare(bed->loop, &medio_virtio_net, &opts, &bed->inst, NULL), 0);
	assert_int_equal(medio_instance_attach(bed->inst, &nobody, bed), 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	bed->mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(bed->mem, MAP_FAILED);
	assert_int_equal(
		medio_instance_dma_map(bed->inst, IOVA, bytes, PROT_READ | PROT_WRITE, fd, 0, NULL),
		0);
	close(fd);
	bed->core = medio_virtio_bare_attach(medio_instance_device(bed->inst), &transport, NULL);
	assert_non_null(bed->core);
	medio_virtio_core_set_status(bed->core, 3);
	medio_virtio_core_set_features(bed->core, features | ONE);
	medio_virtio_core_set_status(bed->core, 11);
	assert_int_equal(medio_virtio_core_status(bed->core), 11);
}

static void close_bed(struct bed *bed)
{
	assert_int_equal(medio_virtio_core_status(bed->core) & 64, 0);
	medio_virtio_core_set_status(bed->core, 0);
	medio_virtio_bare_detach(medio_instance_device(bed->inst));
	medio_instance_detach(bed->inst);
	for (unsigned i = 0; i < QUEUES; i++)
		virtq_free(bed->rings[i]);
	medio_instance_free(bed->inst);
	medio_loop_free(bed->loop);
	munmap(bed->mem, (size_t)QUEUES * SLOT);
}

static void live(struct bed *bed)
{
	medio_virtio_core_set_status(bed->core, 15);
}

static void start(struct bed *bed, unsigned index)
{
	const struct virtq_options opts = { .size = SIZE };
	struct medio_virtio_queue_regs *regs = medio_virtio_core_queue(bed->core, index);
	struct virtq_places places;
	char words[MEDIO_VIRTQ_WORDS];

	if (!bed->rings[index])
		assert_int_equal(virtq_new(&opts, bed->mem + (size_t)index * SLOT,
					 IOVA + (uint64_t)index * SLOT, &bed->rings[index]),
			0);
	virtq_get_places(bed->rings[index], &places);
	regs->size = SIZE;
	regs->desc = places.desc;
	regs->driver = places.driver;
	regs->device = places.device;
	assert_int_equal(
		medio_virtio_core_queue_start_at(bed->core, index, &bed->at[index], NULL, words),
		0);
}

static void stop(struct bed *bed, unsigned index)
{
	medio_virtio_core_queue_stop(bed->core, index, &bed->at[index]);
}

static void start_pairs(struct bed *bed, unsigned pairs)
{
	for (unsigned i = 0; i < 2 * pairs; i++)
		start(bed, i);
}

/* The buffer of a queue, out bytes of it to be read and then in bytes to be written. */
static uint8_t *add(struct bed *bed, unsigned index, uint32_t out, uint32_t in)
{
	uint64_t iova = IOVA + (uint64_t)index * SLOT + BUFFER;
	const struct virtq_seg segs[] = { { iova, out ? out : in }, { iova + out, in } };

	assert_int_equal(virtq_add(bed->rings[index], segs, out != 0, in != 0, bed), 0);
	virtq_publish(bed->rings[index]);
	return bed->mem + (size_t)index * SLOT + BUFFER;
}

static void kick(struct bed *bed, unsigned index)
{
	medio_virtio_core_kick(bed->core, index);
	while (medio_loop_run_once(bed->loop, 0) > 0)
		;
}

/* Bytes written to the chain that is taken; -1: there is none. */
static int take(struct bed *bed, unsigned index)
{
	struct virtq_done done;
	int ret = virtq_take(bed->rings[index], &done);

	assert_true(ret >= 0);
	return ret ? (int)done.len : -1;
}

/* A frame of a flow of its own for each pair goes out there. Was it sent? */
static bool send(struct bed *bed, unsigned pair, uint8_t first)
{
	static const uint8_t udp[] = { 0x45, 0, 0, 50, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0,
		0, 2, 1, 0, 2, 0 };
	uint8_t *frame = add(bed, TX(pair), HEADER + FRAME, 0) + HEADER;

	memset(frame - HEADER, 0, HEADER + FRAME);
	frame[0] = first;
	frame[12] = 0x08;
	memcpy(frame + 14, udp, sizeof(udp));
	frame[14 + 21] = (uint8_t)(pair + 1);
	kick(bed, TX(pair));
	return take(bed, TX(pair)) == 0;
}

/* Does it come back where it was sent? */
static bool comes_back(struct bed *bed, unsigned pair, uint8_t first)
{
	const uint8_t *frame = add(bed, RX(pair), 0, 2000) + HEADER;

	kick(bed, RX(pair));
	return send(bed, pair, first) && take(bed, RX(pair)) == (int)(HEADER + FRAME) &&
	       frame[0] == first;
}

static const char *show(struct bed *bed, const char *name)
{
	ssize_t len = medio_instance_attr_show(bed->inst, name, bed->text, sizeof(bed->text) - 1);

	assert_true(len > 0);
	bed->text[len] = 0;
	return bed->text;
}

static uint8_t command(struct bed *bed, uint8_t class, uint8_t cmd, uint16_t value, uint32_t len)
{
	uint8_t *at = add(bed, CONTROL, 2 + len, 1);

	at[0] = class;
	at[1] = cmd;
	value = htole16(value);
	memcpy(at + 2, &value, 2);
	at[2 + len] = 0xff;
	kick(bed, CONTROL);
	assert_int_equal(take(bed, CONTROL), 1);
	return at[2 + len];
}

/* ---- Pairs ------------------------------------------------------------------------------------- */

static void pairs_in_use_are_those_that_live(uint64_t features)
{
	struct bed bed;

	open_bed(&bed, features);
	live(&bed);
	assert_string_equal(show(&bed, "net/pairs"), "1 of 4\n");
	start_pairs(&bed, 3);
	assert_string_equal(show(&bed, "net/pairs"), "3 of 4\n");
	for (unsigned i = 0; i < 3; i++)
		assert_true(comes_back(&bed, i, 0x02));
	/* One goes, */
	stop(&bed, RX(2));
	stop(&bed, TX(2));
	assert_string_equal(show(&bed, "net/pairs"), "2 of 4\n");
	assert_true(comes_back(&bed, 0, 0x02) && comes_back(&bed, 1, 0x02));
	/* and comes again, with what was sent meanwhile. */
	for (unsigned i = 0; i < 3; i++)
		add(&bed, RX(i), 0, 2000);
	memset(add(&bed, TX(2), HEADER + FRAME, 0), 0, HEADER + FRAME);
	start(&bed, RX(2));
	start(&bed, TX(2));
	while (medio_loop_run_once(bed.loop, 0) > 0)
		;
	assert_int_equal(take(&bed, TX(2)), 0);
	assert_string_equal(show(&bed, "net/pairs"), "3 of 4\n");
	close_bed(&bed);
}

static void without_the_control_queue_accepted_live_pairs_are_used(void **state)
{
	(void)state;
	pairs_in_use_are_those_that_live(COMMANDS);
}

static void with_the_control_queue_accepted_and_kept_live_pairs_are_used(void **state)
{
	(void)state;
	pairs_in_use_are_those_that_live(COMMANDS | VNET(CTRL_VQ));
}

static void a_pair_in_between_that_is_not_live_is_passed_over(void **state)
{
	struct bed bed;

	(void)state;
	open_bed(&bed, COMMANDS);
	start_pairs(&bed, PAIRS);
	live(&bed);
	assert_string_equal(show(&bed, "net/pairs"), "4 of 4\n");
	/* The answers of pair 1 have to go elsewhere: to the first that lives. */
	stop(&bed, RX(1));
	stop(&bed, RX(0));
	assert_string_equal(show(&bed, "net/pairs"), "4 of 4\n");
	add(&bed, RX(2), 0, 2000);
	kick(&bed, RX(2));
	assert_true(send(&bed, 1, 0x02));
	assert_int_equal(take(&bed, RX(2)), HEADER + FRAME);
	close_bed(&bed);
}

static void without_several_pairs_accepted_one_is_used(void **state)
{
	struct bed bed;

	(void)state;
	open_bed(&bed, COMMANDS & ~VNET(MQ));
	start_pairs(&bed, 2);
	live(&bed);
	assert_string_equal(show(&bed, "net/pairs"), "1 of 4\n");
	assert_true(comes_back(&bed, 0, 0x02));
	close_bed(&bed);
}

/* ---- Commands ------------------------------------------------------------------------------------ */

static void nothing_is_filtered(void **state)
{
	struct bed bed;

	(void)state;
	open_bed(&bed, COMMANDS | VNET(CTRL_VQ));
	start_pairs(&bed, 1);
	live(&bed);
	/* Somebody else's, a group's. */
	assert_true(comes_back(&bed, 0, 0x02) && comes_back(&bed, 0, 0x03));
	assert_non_null(strstr(show(&bed, "net/filter"), "promiscuous"));
	close_bed(&bed);
}

static void nobody_is_asked_to_announce_himself(void **state)
{
	struct bed bed;
	uint8_t status[2];

	(void)state;
	open_bed(&bed, COMMANDS | VNET(CTRL_VQ));
	start_pairs(&bed, 1);
	live(&bed);
	assert_int_equal(medio_instance_attr_store(bed.inst, "net/announce", "1", 1), -EOPNOTSUPP);
	medio_virtio_core_config_read(bed.core, 6, status, 2);
	assert_int_equal(status[0], VIRTIO_NET_S_LINK_UP);
	close_bed(&bed);
}

static void a_control_queue_that_lives_commands(void **state)
{
	struct bed bed;

	(void)state;
	open_bed(&bed, COMMANDS | VNET(CTRL_VQ));
	start_pairs(&bed, 3);
	live(&bed);
	assert_string_equal(show(&bed, "net/pairs"), "3 of 4\n");
	start(&bed, CONTROL);
	assert_string_equal(show(&bed, "net/pairs"), "1 of 4\n");
	assert_int_equal(command(&bed, VIRTIO_NET_CTRL_MQ, 0, 2, 2), VIRTIO_NET_OK);
	assert_string_equal(show(&bed, "net/pairs"), "2 of 4\n");
	assert_int_equal(command(&bed, VIRTIO_NET_CTRL_RX, 0, 0, 1), VIRTIO_NET_OK);
	assert_true(send(&bed, 0, 0x02));
	assert_null(strstr(show(&bed, "net/filter"), "promiscuous"));
	/* What was said holds while it is away, */
	stop(&bed, CONTROL);
	assert_string_equal(show(&bed, "net/pairs"), "2 of 4\n");
	start(&bed, CONTROL);
	assert_string_equal(show(&bed, "net/pairs"), "2 of 4\n");
	/* and not beyond a reset. */
	medio_virtio_core_set_status(bed.core, 0);
	assert_string_equal(show(&bed, "net/pairs"), "1 of 4\n");
	assert_non_null(strstr(show(&bed, "net/filter"), "promiscuous"));
	close_bed(&bed);
}

/* ---- Sizes ---------------------------------------------------------------------------------------- */

/* A table as long as the largest queue that the device offers, in a smaller one: pieces of 4 bytes. */
static void a_chain_may_be_as_long_as_the_largest_queue(void **state)
{
	enum { PIECES = (HEADER + FRAME) / 4, INDIRECT = 4, NEXT = 1 };
	struct bed bed;
	struct vring_desc *desc, *table;
	struct vring_avail *avail;

	(void)state;
	_Static_assert(PIECES > SIZE, "more than the queue has");
	open_bed(&bed, UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC);
	start_pairs(&bed, 1);
	live(&bed);
	add(&bed, RX(0), 0, 2000);
	desc = (void *)(bed.mem + (size_t)TX(0) * SLOT);
	avail = (void *)(bed.mem + (size_t)TX(0) * SLOT + SIZE * sizeof(*desc));
	table = (void *)(bed.mem + (size_t)TX(0) * SLOT + BUFFER + 0x1000);
	for (unsigned i = 0; i < PIECES; i++)
		table[i] = (struct vring_desc){ htole64(IOVA + (uint64_t)TX(0) * SLOT + BUFFER +
							4 * i),
			htole32(4), htole16(i + 1 < PIECES ? NEXT : 0), htole16(i + 1) };
	*desc = (struct vring_desc){ htole64(IOVA + (uint64_t)TX(0) * SLOT + BUFFER + 0x1000),
		htole32(PIECES * sizeof(*table)), htole16(INDIRECT), 0 };
	avail->ring[0] = 0;
	avail->idx = htole16(1);
	kick(&bed, TX(0));
	assert_int_equal(take(&bed, RX(0)), HEADER + FRAME);
	close_bed(&bed);
}

/* ---- State --------------------------------------------------------------------------------------- */

static void what_another_was_commanded_does_not_bind_who_cannot_be(void **state)
{
	struct bed from, to;
	static uint8_t bytes[65536];

	(void)state;
	open_bed(&from, COMMANDS | VNET(CTRL_VQ));
	start_pairs(&from, 3);
	start(&from, CONTROL);
	live(&from);
	assert_int_equal(command(&from, VIRTIO_NET_CTRL_MQ, 0, 2, 2), VIRTIO_NET_OK);
	assert_int_equal(command(&from, VIRTIO_NET_CTRL_RX, 0, 0, 1), VIRTIO_NET_OK);
	ssize_t len = medio_virtio_core_own_save(from.core, bytes, sizeof(bytes));
	assert_in_range(len, 1, sizeof(bytes));
	close_bed(&from);

	/* The state before the driver is up, as a front-end sends it. */
	open_bed(&to, COMMANDS);
	assert_int_equal(medio_virtio_core_own_load(to.core, bytes, (size_t)len), 0);
	start_pairs(&to, 3);
	live(&to);
	assert_string_equal(show(&to, "net/pairs"), "3 of 4\n");
	assert_non_null(strstr(show(&to, "net/filter"), "promiscuous"));
	assert_true(comes_back(&to, 2, 0x02));
	close_bed(&to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_the_control_queue_accepted_live_pairs_are_used),
		cmocka_unit_test(with_the_control_queue_accepted_and_kept_live_pairs_are_used),
		cmocka_unit_test(a_pair_in_between_that_is_not_live_is_passed_over),
		cmocka_unit_test(without_several_pairs_accepted_one_is_used),
		cmocka_unit_test(nothing_is_filtered),
		cmocka_unit_test(nobody_is_asked_to_announce_himself),
		cmocka_unit_test(a_control_queue_that_lives_commands),
		cmocka_unit_test(a_chain_may_be_as_long_as_the_largest_queue),
		cmocka_unit_test(what_another_was_commanded_does_not_bind_who_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
