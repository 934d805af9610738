/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio-net: commands of the control queue and what they do to frames (5.1.6.5): filters, several pairs of
 * queues, offloads, announcements; and all that as the bytes of a migration.
 */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "test_vnet_bed.h"
#include "virtio-net/virtio-net.h"

#define CONTROL \
	(VNET(MAC) | VNET(STATUS) | VNET(CTRL_VQ) | VNET(CTRL_RX) | VNET(CTRL_RX_EXTRA) | \
		VNET(CTRL_VLAN) | VNET(CTRL_MAC_ADDR) | VNET(GUEST_ANNOUNCE))
#define GUEST (VNET(GUEST_CSUM) | VNET(GUEST_TSO4) | VNET(GUEST_TSO6) | VNET(GUEST_ECN))

enum { OK = VIRTIO_NET_OK, ERR = VIRTIO_NET_ERR };

static const char *const params[] = { "mac=52:54:00:12:34:56", "queue-pairs=4", NULL };
static const uint8_t own[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };
static uint8_t frame[2000];

static int setup(void **state)
{
	struct vnet_bed *bed = calloc(1, sizeof(*bed));

	vnet_bed_open(bed, params, card_bed_way(state));
	*state = bed;
	return 0;
}

static int teardown(void **state)
{
	vnet_bed_close(*state);
	free(*state);
	return 0;
}

/* ---- Filters --------------------------------------------------------------------------------------- */

static void buffers(struct vnet_bed *bed, unsigned pair, unsigned count)
{
	while (count--)
		vnet_bed_add(bed, RX(pair), 0, 0, 2000, 1);
	vnet_bed_kick(bed, RX(pair));
}

/* Does a frame to this address, with this VLAN's tag (-1: none), come in? */
static bool comes(struct vnet_bed *bed, const uint8_t *to, int vlan)
{
	uint64_t received = vnet_bed_count(bed, "received");
	uint64_t filtered = vnet_bed_count(bed, "received_filtered");
	struct vnet_chain *c;

	vnet_bed_frame(frame, 100, 1);
	memcpy(frame, to, 6);
	if (vlan >= 0) {
		frame[12] = 0x81;
		frame[13] = 0x00;
		frame[14] = (uint8_t)(0xe0 | vlan >> 8);
		frame[15] = (uint8_t)vlan;
	}
	buffers(bed, 0, 1);
	vnet_bed_deliver(bed, frame, 100, NULL);
	bool came = vnet_bed_count(bed, "received") == received + 1;
	assert_int_equal(vnet_bed_count(bed, "received_filtered"), filtered + !came);
	if (came)
		vnet_bed_take(bed, RX(0), &c);
	return came;
}

static const uint8_t other[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x57 };
static const uint8_t third[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x58 };
static const uint8_t group[6] = { 0x01, 0x00, 0x5e, 0x00, 0x00, 0x01 };
static const uint8_t group2[6] = { 0x33, 0x33, 0x00, 0x00, 0x00, 0x01 };
static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static void mode(struct vnet_bed *bed, uint8_t command, uint8_t on)
{
	assert_int_equal(vnet_bed_command(bed, VIRTIO_NET_CTRL_RX, command, &on, 1), OK);
}

static void modes_let_in_what_they_say(void **state)
{
	struct vnet_bed *bed = *state;

	vnet_bed_start(bed, CONTROL, 1);
	/* Until the driver says anything. */
	assert_true(comes(bed, other, -1) && comes(bed, group, -1));
	mode(bed, VIRTIO_NET_CTRL_RX_PROMISC, 0);
	assert_true(comes(bed, own, -1) && comes(bed, all, -1));
	assert_false(comes(bed, other, -1) || comes(bed, group, -1));
	mode(bed, VIRTIO_NET_CTRL_RX_ALLMULTI, 1);
	assert_true(comes(bed, group, -1) && comes(bed, all, -1));
	assert_false(comes(bed, other, -1));
	mode(bed, VIRTIO_NET_CTRL_RX_ALLUNI, 1);
	assert_true(comes(bed, other, -1));
	mode(bed, VIRTIO_NET_CTRL_RX_NOMULTI, 1);
	assert_true(comes(bed, all, -1));
	assert_false(comes(bed, group, -1));
	mode(bed, VIRTIO_NET_CTRL_RX_NOUNI, 1);
	assert_false(comes(bed, own, -1) || comes(bed, other, -1));
	mode(bed, VIRTIO_NET_CTRL_RX_NOBCAST, 1);
	assert_false(comes(bed, all, -1));
	/* This one goes before all. */
	mode(bed, VIRTIO_NET_CTRL_RX_PROMISC, 1);
	assert_true(comes(bed, own, -1) && comes(bed, other, -1) && comes(bed, group, -1) &&
		    comes(bed, all, -1));
	/* And a reset takes it all back. */
	mode(bed, VIRTIO_NET_CTRL_RX_PROMISC, 0);
	vnet_bed_reset(bed);
	vnet_bed_start(bed, CONTROL, 1);
	assert_true(comes(bed, other, -1) && comes(bed, group, -1) && comes(bed, all, -1));
}

static size_t put_macs(uint8_t *to, const uint8_t *const *macs, unsigned count)
{
	medio_put_le(to, 4, count);
	for (unsigned i = 0; i < count; i++)
		memcpy(to + 4 + 6 * i, macs[i], 6);
	return 4 + 6 * count;
}

static void tables_let_in_who_stands_there(void **state)
{
	struct vnet_bed *bed = *state;
	uint8_t data[4096];

	vnet_bed_start(bed, CONTROL, 1);
	mode(bed, VIRTIO_NET_CTRL_RX_PROMISC, 0);
	size_t len = put_macs(data, (const uint8_t *[]){ other }, 1);
	len += put_macs(data + len, (const uint8_t *[]){ group, group2 }, 2);
	assert_int_equal(vnet_bed_command(bed, 1, 0, data, len), OK);
	assert_true(comes(bed, own, -1) && comes(bed, other, -1) && comes(bed, group, -1) &&
		    comes(bed, group2, -1) && comes(bed, all, -1));
	assert_false(comes(bed, third, -1));
	/* A new one takes the place of the old. */
	len = put_macs(data, (const uint8_t *[]){ third }, 1);
	len += put_macs(data + len, NULL, 0);
	assert_int_equal(vnet_bed_command(bed, 1, 0, data, len), OK);
	assert_true(comes(bed, third, -1));
	assert_false(comes(bed, other, -1) || comes(bed, group, -1));
	/* More than are told apart: all of that kind. */
	medio_put_le(data, 4, 0);
	medio_put_le(data + 4, 4, 65);
	memset(data + 8, 0x03, 65 * 6);
	assert_int_equal(vnet_bed_command(bed, 1, 0, data, 8 + 65 * 6), OK);
	assert_true(comes(bed, group, -1) && comes(bed, group2, -1));
	assert_false(comes(bed, other, -1));
}

static void tables_that_are_cut_change_nothing(void **state)
{
	struct vnet_bed *bed = *state;
	uint8_t data[64];

	vnet_bed_start(bed, CONTROL, 1);
	mode(bed, VIRTIO_NET_CTRL_RX_PROMISC, 0);
	size_t len = put_macs(data, (const uint8_t *[]){ other }, 1);
	len += put_macs(data + len, (const uint8_t *[]){ group }, 1);
	assert_int_equal(vnet_bed_command(bed, 1, 0, data, len), OK);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(vnet_bed_command(bed, 1, 0, data, cut), ERR);
	medio_put_le(data, 4, UINT32_MAX);
	assert_int_equal(vnet_bed_command(bed, 1, 0, data, len), ERR);
	medio_put_le(data, 4, 1);
	medio_put_le(data + 10, 4, UINT32_MAX);
	assert_int_equal(vnet_bed_command(bed, 1, 0, data, len), ERR);
	assert_true(comes(bed, other, -1) && comes(bed, group, -1));
	assert_int_equal(vnet_bed_count(bed, "commands_refused"), len + 2);
}

static void the_address_can_be_changed(void **state)
{
	struct vnet_bed *bed = *state;
	uint8_t mac[6];

	vnet_bed_start(bed, CONTROL, 1);
	mode(bed, VIRTIO_NET_CTRL_RX_PROMISC, 0);
	assert_int_equal(virtio_config(bed->v, 0, mac, 6), 0);
	assert_memory_equal(mac, own, 6);
	assert_int_equal(vnet_bed_command(bed, 1, 1, other, 6), OK);
	assert_int_equal(virtio_config(bed->v, 0, mac, 6), 0);
	assert_memory_equal(mac, other, 6);
	assert_string_equal(vnet_bed_show(bed, "net/mac"), "52:54:00:12:34:57\n");
	assert_true(comes(bed, other, -1));
	assert_false(comes(bed, own, -1));
	assert_int_equal(vnet_bed_command(bed, 1, 1, group, 6), ERR);
	assert_int_equal(vnet_bed_command(bed, 1, 1, own, 5), ERR);
	vnet_bed_reset(bed);
	assert_string_equal(vnet_bed_show(bed, "net/mac"), "52:54:00:12:34:56\n");
}

static void vlan(struct vnet_bed *bed, uint8_t command, unsigned id)
{
	uint8_t data[2] = { (uint8_t)id, (uint8_t)(id >> 8) };

	assert_int_equal(vnet_bed_command(bed, VIRTIO_NET_CTRL_VLAN, command, data, 2),
		id < 4096 ? OK : ERR);
}

static void vlans_are_filtered(void **state)
{
	struct vnet_bed *bed = *state;

	vnet_bed_start(bed, CONTROL, 1);
	mode(bed, VIRTIO_NET_CTRL_RX_PROMISC, 0);
	assert_true(comes(bed, own, -1) && comes(bed, own, 0));
	assert_false(comes(bed, own, 1) || comes(bed, own, 4095));
	vlan(bed, VIRTIO_NET_CTRL_VLAN_ADD, 1);
	vlan(bed, VIRTIO_NET_CTRL_VLAN_ADD, 4095);
	vlan(bed, VIRTIO_NET_CTRL_VLAN_ADD, 4096);
	assert_true(comes(bed, own, 1) && comes(bed, own, 4095));
	assert_false(comes(bed, own, 2) || comes(bed, other, 1));
	vlan(bed, VIRTIO_NET_CTRL_VLAN_DEL, 1);
	assert_false(comes(bed, own, 1));
	/* Where it was not negotiated, all of them come. */
	vnet_bed_reset(bed);
	vnet_bed_start(bed, CONTROL & ~VNET(CTRL_VLAN), 1);
	mode(bed, VIRTIO_NET_CTRL_RX_PROMISC, 0);
	assert_true(comes(bed, own, 1) && comes(bed, own, 77));
}

/* ---- Commands in general --------------------------------------------------------------------------- */

static void commands_need_their_features(void **state)
{
	static const struct {
		uint8_t class, command;
		uint64_t needs;
		uint8_t data[16];
		size_t len;
	} commands[] = {
		{ 0, 0, VNET(CTRL_RX), { 1 }, 1 },
		{ 0, 1, VNET(CTRL_RX), { 1 }, 1 },
		{ 0, 2, VNET(CTRL_RX_EXTRA), { 1 }, 1 },
		{ 0, 5, VNET(CTRL_RX_EXTRA), { 1 }, 1 },
		{ 1, 0, VNET(CTRL_RX), { 0 }, 8 },
		{ 1, 1, VNET(CTRL_MAC_ADDR), { 2 }, 6 },
		{ 2, 0, VNET(CTRL_VLAN), { 1 }, 2 },
		{ 2, 1, VNET(CTRL_VLAN), { 1 }, 2 },
		{ 3, 0, VNET(GUEST_ANNOUNCE), { 0 }, 0 },
		{ 4, 0, VNET(MQ), { 1 }, 2 },
		{ 5, 0, VNET(CTRL_GUEST_OFFLOADS), { 0 }, 8 },
	};
	struct vnet_bed *bed = *state;

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		vnet_bed_start(bed, VNET(CTRL_VQ) | VNET(STATUS), 1);
		assert_int_equal(vnet_bed_command(bed, commands[i].class, commands[i].command,
					 commands[i].data, commands[i].len),
			ERR);
		vnet_bed_reset(bed);
		vnet_bed_start(bed, VNET(CTRL_VQ) | VNET(STATUS) | commands[i].needs, 1);
		assert_int_equal(vnet_bed_command(bed, commands[i].class, commands[i].command,
					 commands[i].data, commands[i].len),
			OK);
		/* Too short, and another command of the class. */
		if (commands[i].len)
			assert_int_equal(
				vnet_bed_command(bed, commands[i].class, commands[i].command,
					commands[i].data, commands[i].len - 1),
				ERR);
		assert_int_equal(
			vnet_bed_command(bed, commands[i].class, 200, commands[i].data, 16), ERR);
		vnet_bed_reset(bed);
	}
}

static void what_is_no_command_is_answered(void **state)
{
	struct vnet_bed *bed = *state;

	vnet_bed_start(bed, CONTROL, 1);
	assert_int_equal(vnet_bed_command(bed, 200, 0, NULL, 0), ERR);
	assert_int_equal(vnet_bed_command(bed, 6, 0, frame, 100), ERR);
	for (unsigned len = 0; len < 2; len++) {
		struct vnet_chain *c = vnet_bed_add(bed, bed->control, len, len, 1, 1);
		vnet_bed_kick(bed, bed->control);
		assert_int_equal(vnet_bed_takes(bed, c), 1);
		assert_int_equal(c->in[0], ERR);
	}
	/* In many pieces, and with more room than the answer needs. */
	struct vnet_chain *c = vnet_bed_add(bed, bed->control, 3, 3, 9, 3);
	c->out[2] = 1;
	c->in[0] = 0xff;
	vnet_bed_kick(bed, bed->control);
	assert_int_equal(vnet_bed_takes(bed, c), 1);
	assert_int_equal(c->in[0], OK);
}

static void a_command_that_cannot_be_answered_breaks_the_card(void **state)
{
	struct vnet_bed *bed = *state;

	vnet_bed_start(bed, CONTROL, 1);
	vnet_bed_add(bed, bed->control, 3, 1, 0, 0);
	vnet_bed_kick(bed, bed->control);
	for (unsigned i = 0; i < 100000 && !(vnet_bed_status(bed) & VIRTIO_NEEDS_RESET); i++)
		;
	assert_true(vnet_bed_status(bed) & VIRTIO_NEEDS_RESET);
	vnet_bed_reset(bed);
	vnet_bed_start(bed, CONTROL, 1);
	mode(bed, VIRTIO_NET_CTRL_RX_PROMISC, 0);
}

static void without_a_control_queue_there_is_none(void **state)
{
	struct vnet_bed *bed = *state;
	uint16_t queues;

	vnet_bed_start(bed, VNET(MAC), 1);
	buffers(bed, 0, 1);
	vnet_bed_frame(frame, 60, 1);
	vnet_bed_deliver(bed, frame, 60, NULL);
	assert_int_equal(vnet_bed_count(bed, "received"), 1);
	assert_int_equal(medio_card_read16(bed->bed.card, 4, 0x12, &queues), 0);
	assert_int_equal(queues, 9);
}

/* ---- Offloads (5.1.6.5.8) ---------------------------------------------------------------------------- */

static uint8_t offloads(struct vnet_bed *bed, uint64_t bits)
{
	uint8_t data[8];

	medio_put_le(data, 8, bits);
	return vnet_bed_command(bed, VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, data, 8);
}

static void offloads_are_switched_at_run_time(void **state)
{
	struct vnet_bed *bed = *state;

	vnet_bed_start(bed, CONTROL | VNET(CTRL_GUEST_OFFLOADS) | GUEST, 1);
	assert_int_equal(offloads(bed, 0), OK);
	assert_int_equal(vnet_fake.can, 0);
	assert_int_equal(offloads(bed, VNET(GUEST_CSUM)), OK);
	assert_int_equal(vnet_fake.can, NET_CAN_CSUM);
	assert_int_equal(offloads(bed, GUEST), OK);
	assert_int_equal(vnet_fake.can, NET_CAN_CSUM | NET_CAN_TSO4 | NET_CAN_TSO6 | NET_CAN_ECN);
	/* Not without the checksum. */
	assert_int_equal(offloads(bed, VNET(GUEST_TSO4)), OK);
	assert_int_equal(vnet_fake.can, 0);
	assert_int_equal(offloads(bed, GUEST | VNET_USO4), ERR);
	assert_int_equal(offloads(bed, VNET(MAC)), ERR);
	assert_int_equal(vnet_fake.can, 0);
}

/* ---- The link and announcements ---------------------------------------------------------------------- */

static unsigned status_of(struct vnet_bed *bed)
{
	uint16_t status;

	assert_int_equal(virtio_config(bed->v, 6, &status, 2), 0);
	return le16toh(status);
}

static void await_change(struct vnet_bed *bed)
{
	for (unsigned i = 0; i < 1000; i++) {
		if (virtio_config_changed(bed->v))
			return;
		virtio_wait(bed->v, &bed->queues[0], 1, 10);
	}
	fail_msg("the driver is not told of a change");
}

static void the_link_is_the_operators_and_the_networks(void **state)
{
	struct vnet_bed *bed = *state;

	vnet_bed_start(bed, CONTROL, 1);
	virtio_config_changed(bed->v);
	assert_int_equal(status_of(bed), VIRTIO_NET_S_LINK_UP);
	assert_string_equal(vnet_bed_show(bed, "net/link"), "up\n");
	assert_int_equal(vnet_bed_store(bed, "net/link", "down\n"), 0);
	await_change(bed);
	assert_int_equal(status_of(bed), 0);
	assert_string_equal(vnet_bed_show(bed, "net/link"), "off\n");
	/* The operator's word holds whatever the network does. */
	vnet_bed_carrier(bed, false);
	vnet_bed_carrier(bed, true);
	assert_int_equal(status_of(bed), 0);
	buffers(bed, 0, 1);
	vnet_bed_frame(frame, 60, 1);
	vnet_bed_deliver(bed, frame, 60, NULL);
	assert_int_equal(vnet_bed_count(bed, "received_link_down"), 1);
	assert_int_equal(vnet_bed_store(bed, "net/link", "up"), 0);
	await_change(bed);
	assert_int_equal(status_of(bed), VIRTIO_NET_S_LINK_UP);
	vnet_bed_carrier(bed, false);
	await_change(bed);
	assert_int_equal(status_of(bed), 0);
	assert_string_equal(vnet_bed_show(bed, "net/link"), "down\n");
	assert_int_equal(vnet_bed_store(bed, "net/link", "sideways"), -EINVAL);
	/* It stays so over a reset. */
	vnet_bed_carrier(bed, true);
	vnet_bed_store(bed, "net/link", "off");
	vnet_bed_reset(bed);
	vnet_bed_start(bed, CONTROL, 1);
	assert_int_equal(status_of(bed), 0);
}

static void the_driver_is_asked_to_announce(void **state)
{
	struct vnet_bed *bed = *state;

	assert_int_equal(vnet_bed_store(bed, "net/announce", "1"), -EOPNOTSUPP);
	vnet_bed_start(bed, CONTROL, 1);
	assert_int_equal(status_of(bed), VIRTIO_NET_S_LINK_UP);
	virtio_config_changed(bed->v);
	assert_int_equal(vnet_bed_store(bed, "net/announce", "1\n"), 0);
	await_change(bed);
	assert_int_equal(status_of(bed), VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
	assert_string_equal(vnet_bed_show(bed, "net/announce"), "asked\n");
	assert_int_equal(vnet_bed_command(bed, VIRTIO_NET_CTRL_ANNOUNCE, 0, NULL, 0), OK);
	assert_int_equal(status_of(bed), VIRTIO_NET_S_LINK_UP);
	assert_string_equal(vnet_bed_show(bed, "net/announce"), "no\n");
	assert_int_equal(vnet_bed_store(bed, "net/announce", "please"), -EINVAL);
	vnet_bed_reset(bed);
	vnet_bed_start(bed, CONTROL & ~VNET(GUEST_ANNOUNCE), 1);
	assert_int_equal(vnet_bed_store(bed, "net/announce", "1"), -EOPNOTSUPP);
}

static void the_configuration_cannot_be_written(void **state)
{
	struct vnet_bed *bed = *state;
	uint8_t mac[6];

	vnet_bed_start(bed, CONTROL, 1);
	assert_int_equal(medio_card_write32(bed->bed.card, 4, 0x2000, 0x12345678), 0);
	assert_int_equal(virtio_config(bed->v, 0, mac, 6), 0);
	assert_memory_equal(mac, own, 6);
}

/* ---- Several pairs (5.1.6.5.6) ------------------------------------------------------------------------- */

static uint8_t pairs(struct vnet_bed *bed, unsigned count)
{
	uint8_t data[2] = { (uint8_t)count, (uint8_t)(count >> 8) };

	return vnet_bed_command(bed, VIRTIO_NET_CTRL_MQ, 0, data, 2);
}

/* A datagram of flow n: outward, or the answer to that. */
static size_t datagram(unsigned n, bool answer, bool ipv6)
{
	size_t ip = 14, header = ipv6 ? 40 : 20, ends = ipv6 ? 16 : 4;
	size_t source = ip + (ipv6 ? 8 : 12), destination = source + ends;

	vnet_bed_frame(frame, 100, 1);
	frame[12] = ipv6 ? 0x86 : 0x08;
	frame[13] = ipv6 ? 0xdd : 0x00;
	memset(frame + ip, 0, 86);
	frame[ip] = ipv6 ? 0x60 : 0x45;
	frame[ip + (ipv6 ? 6 : 9)] = 17;
	memset(frame + source, 10 + answer, ends);
	memset(frame + destination, 11 - answer, ends);
	size_t ports = ip + header;
	frame[ports + (answer ? 2 : 0)] = (uint8_t)(n >> 8);
	frame[ports + (answer ? 3 : 1)] = (uint8_t)n;
	frame[ports + (answer ? 1 : 3)] = 53;
	return 100;
}

/* The pair that a frame comes in at. */
static unsigned comes_at(struct vnet_bed *bed, size_t len)
{
	for (unsigned i = 0; i < 4; i++)
		buffers(bed, i, 1);
	vnet_bed_deliver(bed, frame, len, NULL);
	for (unsigned i = 0; i < 4; i++) {
		if (vnet_bed_is_used(bed, RX(i))) {
			struct vnet_chain *c;
			assert_int_equal(vnet_bed_take(bed, RX(i), &c), VNET_HEADER + len);
			assert_memory_equal(c->in + VNET_HEADER, frame, len);
			return i;
		}
	}
	fail_msg("it does not come in at all");
	return 0;
}

static void flows_come_in_where_they_went_out(void **state)
{
	struct vnet_bed *bed = *state;
	unsigned right = 0;

	vnet_bed_start(bed, CONTROL | VNET(MQ), 4);
	assert_string_equal(vnet_bed_show(bed, "net/pairs"), "1 of 4\n");
	assert_int_equal(pairs(bed, 4), OK);
	assert_string_equal(vnet_bed_show(bed, "net/pairs"), "4 of 4\n");
	for (unsigned n = 0; n < 40; n++) {
		for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
			size_t len = datagram(n, false, ipv6);
			vnet_bed_send(bed, TX(n % 4), NULL, frame, len);
			len = datagram(n, true, ipv6);
			assert_int_equal(comes_at(bed, len), n % 4);
		}
	}
	/* All of them are still known, but for some that share a place. */
	for (unsigned n = 0; n < 40; n++)
		right += comes_at(bed, datagram(n, true, false)) == n % 4;
	assert_in_range(right, 34, 40);
	/* A flow moves with the last that it sent. */
	vnet_bed_send(bed, TX(3), NULL, frame, datagram(0, false, false));
	assert_int_equal(comes_at(bed, datagram(0, true, false)), 3);
	vnet_bed_send(bed, TX(1), NULL, frame, datagram(0, false, false));
	assert_int_equal(comes_at(bed, datagram(0, true, false)), 1);
	bed->used = 0;
}

static void unknown_flows_are_spread_and_stay(void **state)
{
	struct vnet_bed *bed = *state;
	unsigned seen = 0, at[32];

	vnet_bed_start(bed, CONTROL | VNET(MQ), 4);
	assert_int_equal(pairs(bed, 4), OK);
	for (unsigned n = 0; n < 32; n++) {
		at[n] = comes_at(bed, datagram(n, true, false));
		seen |= 1u << at[n];
	}
	assert_int_equal(seen, 15);
	for (unsigned n = 0; n < 32; n++)
		assert_int_equal(comes_at(bed, datagram(n, true, false)), at[n]);
	/* What is no IP, in the first. */
	vnet_bed_frame(frame, 100, 1);
	assert_int_equal(comes_at(bed, 100), 0);
}

static void pairs_that_are_not_in_use_get_nothing(void **state)
{
	struct vnet_bed *bed = *state;

	vnet_bed_start(bed, CONTROL | VNET(MQ), 4);
	assert_int_equal(pairs(bed, 0), ERR);
	assert_int_equal(pairs(bed, 5), ERR);
	assert_int_equal(pairs(bed, 32768), ERR);
	for (unsigned n = 0; n < 20; n++)
		assert_int_equal(comes_at(bed, datagram(n, true, false)), 0);
	assert_int_equal(pairs(bed, 2), OK);
	for (unsigned n = 0; n < 20; n++)
		assert_in_range(comes_at(bed, datagram(n, true, false)), 0, 1);
	/* Nor is anything taken from them, until they are. */
	struct vnet_chain *c = vnet_bed_add(bed, TX(3), VNET_HEADER + 60, 1, 0, 0);
	vnet_bed_kick(bed, TX(3));
	vnet_bed_frame(frame, 60, 1);
	vnet_bed_send(bed, TX(1), NULL, frame, 60);
	assert_false(vnet_bed_is_used(bed, TX(3)));
	assert_int_equal(pairs(bed, 4), OK);
	assert_int_equal(vnet_bed_takes(bed, c), 0);
	vnet_bed_sent(bed, 2);
}

/* 5.1.2: the control queue is the third one for those who do not know of more. */
static void the_control_queue_is_where_the_driver_looks(void **state)
{
	struct vnet_bed *bed = *state;

	vnet_bed_start(bed, CONTROL, 1);
	assert_int_equal(bed->control, 2);
	mode(bed, VIRTIO_NET_CTRL_RX_PROMISC, 0);
	vnet_bed_reset(bed);
	vnet_bed_start(bed, CONTROL | VNET(MQ), 4);
	assert_int_equal(bed->control, 8);
	mode(bed, VIRTIO_NET_CTRL_RX_PROMISC, 0);
}

/* A frame that no queue has room for holds up no other than those behind it, and not for ever. */
static void a_flow_waits_for_its_own_queue(void **state)
{
	struct vnet_bed *bed = *state;
	struct vnet_chain *c;

	vnet_bed_start(bed, CONTROL | VNET(MQ), 4);
	assert_int_equal(pairs(bed, 4), OK);
	vnet_bed_send(bed, TX(2), NULL, frame, datagram(7, false, false));
	vnet_bed_deliver(bed, frame, datagram(7, true, false), NULL);
	assert_int_equal(vnet_bed_count(bed, "receive_waits"), 1);
	buffers(bed, 0, 1);
	buffers(bed, 2, 1);
	assert_int_equal(vnet_bed_take(bed, RX(2), &c), VNET_HEADER + 100);
	/* Its queue goes out of use while it waits. */
	vnet_bed_deliver(bed, frame, 100, NULL);
	assert_int_equal(pairs(bed, 1), OK);
	assert_int_equal(vnet_bed_take(bed, RX(0), &c), VNET_HEADER + 100);
}

/* 2.6.1, 5.1.6.5.6: another one is chosen, for what waits as well. */
static void a_queue_that_is_reset_gets_nothing(void **state)
{
	struct vnet_bed *bed = *state;
	struct vnet_chain *c;
	uint16_t still;

	vnet_bed_start(bed, CONTROL | VNET(MQ) | UINT64_C(1) << 40, 4);
	assert_int_equal(pairs(bed, 4), OK);
	vnet_bed_send(bed, TX(2), NULL, frame, datagram(7, false, false));
	buffers(bed, 0, 4);
	vnet_bed_deliver(bed, frame, datagram(7, true, false), NULL);
	assert_int_equal(vnet_bed_count(bed, "receive_waits"), 1);
	assert_int_equal(medio_card_write16(bed->bed.card, 4, 0x16, RX(2)), 0);
	assert_int_equal(medio_card_write16(bed->bed.card, 4, 0x3a, 1), 0);
	assert_int_equal(medio_card_read16(bed->bed.card, 4, 0x3a, &still), 0);
	assert_int_equal(still, 0);
	assert_int_equal(vnet_bed_take(bed, RX(0), &c), VNET_HEADER + 100);
	assert_memory_equal(c->in + VNET_HEADER, frame, 100);
	vnet_bed_deliver(bed, frame, 100, NULL);
	assert_int_equal(vnet_bed_take(bed, RX(0), &c), VNET_HEADER + 100);
	assert_int_equal(vnet_bed_count(bed, "received"), 2);
}

/* ---- Migration ------------------------------------------------------------------------------------------- */

struct saved {
	struct vnet_bed *bed;
	uint8_t bytes[32768];
	ssize_t size;
};

static void do_save(void *arg)
{
	struct saved *s = arg;

	s->size = medio_instance_save(s->bed->bed.inst, s->bytes, sizeof(s->bytes));
}

/* As it would be of a card without a driver, so that it can be loaded where that one's memory is not. What the
 * device keeps is at the end. */
enum { HEAD = 32, QUEUE = 32, NUM_QUEUES = 9, OWN = HEAD + NUM_QUEUES * QUEUE };

static void without_driver(struct saved *s)
{
	size_t at = 0;

	assert_true(s->size > OWN);
	/* medio_virtio_core_save() says where what is: config space and the rest come before. */
	while (medio_get_le(s->bytes + at, 4) != 1 || medio_get_le(s->bytes + at + 4, 2) != 1 ||
		medio_get_le(s->bytes + at + 6, 2) != NUM_QUEUES)
		assert_true(++at + OWN < (size_t)s->size);
	memset(s->bytes + at + 8, 0, 16);
	s->bytes[at + 28] = 0;
	for (unsigned i = 0; i < NUM_QUEUES; i++)
		s->bytes[at + HEAD + i * QUEUE + 30] = 0;
}

static const char *text_of(struct medio_instance *inst, const char *name)
{
	static char text[4096];
	ssize_t len = medio_instance_attr_show(inst, name, text, sizeof(text) - 1);

	assert_true(len > 0);
	text[len] = '\0';
	return text;
}

static void all_that_was_set_up_moves_along(void **state)
{
	struct vnet_bed *bed = *state;
	static struct saved s;
	uint8_t data[64];

	vnet_bed_start(bed, CONTROL | VNET(MQ) | VNET(CTRL_GUEST_OFFLOADS) | GUEST, 4);
	assert_int_equal(vnet_bed_command(bed, 1, 1, other, 6), OK);
	mode(bed, VIRTIO_NET_CTRL_RX_PROMISC, 0);
	mode(bed, VIRTIO_NET_CTRL_RX_NOBCAST, 1);
	size_t len = put_macs(data, (const uint8_t *[]){ third }, 1);
	len += put_macs(data + len, (const uint8_t *[]){ group, group2 }, 2);
	assert_int_equal(vnet_bed_command(bed, 1, 0, data, len), OK);
	vlan(bed, VIRTIO_NET_CTRL_VLAN_ADD, 5);
	assert_int_equal(pairs(bed, 3), OK);
	assert_int_equal(offloads(bed, VNET(GUEST_CSUM)), OK);
	assert_int_equal(vnet_bed_store(bed, "net/link", "down"), 0);
	s.bed = bed;
	card_bed_on_device(&bed->bed, do_save, &s);
	without_driver(&s);
	/* One network at a time is the test's. */
	vnet_bed_close(bed);
	struct medio_loop *loop;
	struct medio_instance *inst;
	const struct medio_instance_options opts = { .params = params, .nparams = 2 };
	assert_int_equal(medio_loop_new(&loop), 0);
	assert_int_equal(medio_instance_new(loop, &medio_virtio_net, &opts, &inst, NULL), 0);
	assert_int_equal(medio_instance_load(inst, s.bytes, (size_t)s.size), 0);
	assert_string_equal(text_of(inst, "net/mac"), "52:54:00:12:34:57\n");
	assert_string_equal(
		text_of(inst, "net/filter"), "no-broadcast unicast 1 multicast 2 vlans 1\n");
	assert_string_equal(text_of(inst, "net/pairs"), "3 of 4\n");
	assert_string_equal(text_of(inst, "net/link"), "off\n");
	/* Every byte of it may be anything: it is taken or not. */
	for (ssize_t at = s.size - 2200; at < s.size; at += at < s.size - 1100 ? 1 : 97) {
		uint8_t was = s.bytes[at];
		s.bytes[at] ^= 0xff;
		int ret = medio_instance_load(inst, s.bytes, (size_t)s.size);
		assert_true(ret == 0 || ret == -EINVAL);
		s.bytes[at] = was;
	}
	assert_int_equal(medio_instance_load(inst, s.bytes, (size_t)s.size - 1), -EINVAL);
	medio_instance_free(inst);
	medio_loop_free(loop);
	memset(bed, 0, sizeof(*bed));
}

/* Of an untrusted virtual function of a card. */
static void a_network_can_leave_it_no_other_address(void **state)
{
	/* A unicast address, no group (5.1.6.5.2). */
	static const uint8_t tables[14] = { 1, 0, 0, 0, 0x52, 0x54, 0, 0, 0, 7 };
	struct vnet_bed *bed = *state;

	vnet_bed_start(bed, CONTROL, 1);
	assert_memory_equal(vnet_fake.mac, own, 6);
	assert_int_equal(vnet_bed_command(bed, 1, 1, other, 6), OK);
	assert_memory_equal(vnet_fake.mac, other, 6);
	vnet_fake.own_mac_only = true;
	memcpy(vnet_fake.own_mac, own, 6);
	assert_int_equal(vnet_bed_command(bed, 1, 1, other, 6), ERR);
	assert_int_equal(vnet_bed_command(bed, 1, 1, own, 6), OK);
	assert_string_equal(vnet_bed_show(bed, "net/mac"), "52:54:00:12:34:56\n");
	assert_int_equal(vnet_bed_command(bed, 1, 0, tables, sizeof(tables)), OK);
	assert_int_equal(vnet_fake.other_macs, 1);
	assert_memory_equal(vnet_fake.mac, own, 6);
	vnet_bed_reset(bed);
	assert_int_equal(vnet_fake.other_macs, 0);
}

int main(void)
{
#define TEST(fn_) CARD_BED_TEST(fn_, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(modes_let_in_what_they_say),
		TEST(tables_let_in_who_stands_there),
		TEST(tables_that_are_cut_change_nothing),
		TEST(the_address_can_be_changed),
		TEST(a_network_can_leave_it_no_other_address),
		TEST(vlans_are_filtered),
		TEST(commands_need_their_features),
		TEST(what_is_no_command_is_answered),
		TEST(a_command_that_cannot_be_answered_breaks_the_card),
		TEST(without_a_control_queue_there_is_none),
		TEST(offloads_are_switched_at_run_time),
		TEST(the_link_is_the_operators_and_the_networks),
		TEST(the_driver_is_asked_to_announce),
		TEST(the_configuration_cannot_be_written),
		TEST(flows_come_in_where_they_went_out),
		TEST(unknown_flows_are_spread_and_stay),
		TEST(pairs_that_are_not_in_use_get_nothing),
		TEST(the_control_queue_is_where_the_driver_looks),
		TEST(a_flow_waits_for_its_own_queue),
		TEST(a_queue_that_is_reset_gets_nothing),
		TEST(all_that_was_set_up_moves_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
