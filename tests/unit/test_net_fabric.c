/* SPDX-License-Identifier: BSD-3-Clause */
/* A switch by itself: who gets what of whom, how it looks there, and what a port cannot do. Its time is the test's. */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/fabric.h"
#include "net/frame.h"
#include "net/rate.h"
#include "net/stations.h"
#include "net/vlan.h"

#define PORTS 6u
#define KEPT  64u

/* What a test connects to a port. */
struct end {
	struct fabric_port *port;
	unsigned count, bursts, batches, later;
	size_t bytes[KEPT];
	struct virtio_net_hdr_v1 hdr[KEPT];
	uint8_t data[KEPT][256];
	bool full, up;
	unsigned ups, downs, rooms;
	uint8_t group[6];   /* that it wants */
	struct end *answer; /* sends to this one when it gets something */
	uint8_t *tampers;   /* with this frame, after it has been let in */
};

static struct fabric *fabric;
static struct end ends[PORTS];
static uint64_t now;

static unsigned on_give(void *opaque, const struct net_frame *frames, unsigned n, bool later)
{
	struct end *end = opaque;

	if (end->tampers) {
		memset(end->tampers + 6, 0x66, 6);
		frame_put16(end->tampers + 12, 0x8100);
	}
	end->bursts++;
	end->later += later;
	for (unsigned i = 0; i < n && !end->full; i++) {
		unsigned at = end->count++ % KEPT;
		end->bytes[at] = frames[i].bytes;
		end->hdr[at] = frames[i].hdr;
		size_t sum = 0;
		for (unsigned k = 0; k < frames[i].niov; k++)
			sum += frames[i].iov[k].iov_len;
		assert_int_equal(sum, frames[i].bytes);
		frame_copy(&frames[i], 0, end->data[at], sizeof(end->data[at]));
	}
	if (end->answer && !later) {
		struct end *to = end->answer;
		struct net_frame frame;
		struct iovec iov;
		uint8_t bytes[60] = { 0 };

		memcpy(bytes + 6, frames[0].iov->iov_base, 6);
		memcpy(bytes, (uint8_t *)frames[0].iov->iov_base + 6, 6);
		frame_plain(&frame, &iov, bytes, sizeof(bytes));
		fabric_send(end->port, &frame, 1, now);
		assert_true(to->later > 0);
	}
	return end->full ? 0 : n;
}

static void on_given(void *opaque)
{
	((struct end *)opaque)->batches++;
}

static bool on_wants(void *opaque, const uint8_t group[6])
{
	return !memcmp(((struct end *)opaque)->group, group, 6);
}

static void on_link(void *opaque, bool up)
{
	struct end *end = opaque;

	end->up = up;
	*(up ? &end->ups : &end->downs) += 1;
}

static void on_room(void *opaque)
{
	((struct end *)opaque)->rooms++;
}

static const struct fabric_port_ops ops = {
	.give = on_give,
	.given = on_given,
	.wants = on_wants,
	.link = on_link,
	.room = on_room,
};

static int setup(void **state)
{
	(void)state;
	memset(ends, 0, sizeof(ends));
	now = 1000000;
	fabric = fabric_new(12345);
	if (!fabric)
		return -1;
	for (unsigned i = 0; i < PORTS; i++) {
		ends[i].port = fabric_port_new(fabric, &ops, &ends[i]);
		if (!ends[i].port)
			return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PORTS; i++)
		fabric_port_free(ends[i].port);
	fabric_free(fabric);
	return 0;
}

static void put_mac(uint8_t mac[6], unsigned number)
{
	memset(mac, number == 0xffff ? 0xff : 0x02, 6);
	frame_put16(mac + 4, number);
}

/* A virtual function's: address `number`, not trusted, checked. */
static struct fabric_settings vf(unsigned number, unsigned vlan)
{
	struct fabric_settings s = {
		.has_mac = true, .vlan = (uint16_t)vlan, .spoofchk = true, .link = FABRIC_LINK_ON
	};

	put_mac(s.mac, number);
	return s;
}

/* Ports 0 to 3 are VFs with addresses 10 to 13 in these VLANs, 4 the PF with 14, 5 the way out. */
static void make_card(const unsigned vlans[4])
{
	struct fabric_settings pf = { .has_mac = true, .trust = true, .link = FABRIC_LINK_ON };

	for (unsigned i = 0; i < 4; i++) {
		struct fabric_settings s = vf(10 + i, vlans[i]);
		fabric_port_set(ends[i].port, &s);
	}
	put_mac(pf.mac, 14);
	fabric_port_set(ends[4].port, &pf);
}

/* frame has room for 64 bytes. */
static size_t make_frame(uint8_t *frame, unsigned from, unsigned to, int tag)
{
	memset(frame, 0, 64);
	put_mac(frame, to);
	put_mac(frame + 6, from);
	frame_put16(frame + 12, tag < 0 ? 0x0800 : 0x8100);
	if (tag >= 0) {
		frame_put16(frame + 14, (unsigned)tag);
		frame_put16(frame + 16, 0x0800);
	}
	frame[tag < 0 ? 14 : 18] = 0x77;
	return tag < 0 ? 60 : 64;
}

static unsigned send_hdr(
	unsigned port, unsigned from, unsigned to, int tag, const struct virtio_net_hdr_v1 *hdr)
{
	uint8_t bytes[64];
	struct net_frame frame;
	size_t len = make_frame(bytes, from, to, tag);
	/* In pieces, cut where it is awkward. */
	struct iovec iov[3] = { { bytes, 5 }, { bytes + 5, 10 }, { bytes + 15, len - 15 } };

	frame = (struct net_frame){ .iov = iov, .niov = 3, .bytes = len };
	if (hdr)
		frame.hdr = *hdr;
	unsigned sent = fabric_send(ends[port].port, &frame, 1, now);
	fabric_flush(fabric);
	return sent;
}

static void send_tagged(unsigned port, unsigned from, unsigned to, int tag)
{
	assert_int_equal(send_hdr(port, from, to, tag, NULL), 1);
}

static void send_frame(unsigned port, unsigned from, unsigned to)
{
	send_tagged(port, from, to, -1);
}

/* Which ports have got something since, a bit each. */
static unsigned got(void)
{
	static unsigned before[PORTS];
	unsigned mask = 0;

	for (unsigned i = 0; i < PORTS; i++) {
		if (before[i] > ends[i].count)
			before[i] = 0;
		mask |= ends[i].count > before[i] ? 1u << i : 0;
		before[i] = ends[i].count;
	}
	return mask;
}

/* The tag of the last frame that a port got; -1: it had none. And it is whole. */
static int tag_of(unsigned port)
{
	unsigned at = (ends[port].count - 1) % KEPT;
	const uint8_t *data = ends[port].data[at];
	bool tagged = frame_get16(data + 12) == 0x8100;

	assert_int_equal(ends[port].bytes[at], tagged ? 64 : 60);
	assert_int_equal(data[tagged ? 18 : 14], 0x77);
	assert_int_equal(frame_get16(data + (tagged ? 16 : 12)), 0x0800);
	return tagged ? (int)(frame_get16(data + 14) & 0xfff) : -1;
}

static const struct fabric_counts *counts(unsigned port)
{
	return fabric_port_counts(ends[port].port);
}

/* ---- VLANs ----------------------------------------------------------------------------------------- */

static void ports_of_a_vlan_see_each_other_and_trunks_only(void **state)
{
	(void)state;
	make_card((const unsigned[]){ 10, 10, 20, 0 });
	got();
	send_frame(0, 10, 0xffff);
	assert_int_equal(got(), 0x3a); /* 1, and the trunks 3, 4, 5 */
	assert_int_equal(tag_of(1), -1);
	assert_int_equal(tag_of(3), 10);
	assert_int_equal(tag_of(5), 10);
	send_frame(2, 12, 0xffff);
	assert_int_equal(got(), 0x38);
	assert_int_equal(tag_of(4), 20);
	/* By address: to its own, not across. */
	send_frame(0, 10, 11);
	assert_int_equal(got(), 0x2);
	send_frame(0, 10, 12);
	assert_int_equal(got(), 0x30); /* nobody that is known in VLAN 10 */
	assert_int_equal(tag_of(5), 10);
	/* From a trunk, with and without tags. */
	send_tagged(5, 99, 0xffff, 20);
	assert_int_equal(got(), 0x1c);
	assert_int_equal(tag_of(2), -1);
	assert_int_equal(tag_of(4), 20);
	send_frame(5, 99, 0xffff);
	assert_int_equal(got(), 0x18);
	assert_int_equal(tag_of(3), -1);
	send_tagged(3, 13, 11, 10);
	assert_int_equal(got(), 0x2);
	send_frame(5, 99, 11); /* untagged, and 11 is in VLAN 10 */
	assert_int_equal(got(), 0x10);
}

static void an_access_port_cannot_choose_its_vlan(void **state)
{
	uint8_t bytes[64];
	struct net_frame frame;
	struct iovec iov;

	(void)state;
	make_card((const unsigned[]){ 10, 10, 20, 0 });
	got();
	send_tagged(0, 10, 0xffff, 20);
	send_tagged(0, 10, 0xffff, 10);
	assert_int_equal(got(), 0);
	assert_int_equal(counts(0)->dropped, 2);
	/* A service tag, a number that does not exist, and a tag that is cut off. */
	make_frame(bytes, 10, 0xffff, 10);
	frame_put16(bytes + 12, 0x88a8);
	frame_plain(&frame, &iov, bytes, 64);
	assert_int_equal(fabric_send(ends[0].port, &frame, 1, now), 1);
	make_frame(bytes, 10, 0xffff, 4095);
	assert_int_equal(fabric_send(ends[0].port, &frame, 1, now), 1);
	make_frame(bytes, 10, 0xffff, 0);
	frame_plain(&frame, &iov, bytes, 16);
	assert_int_equal(fabric_send(ends[0].port, &frame, 1, now), 1);
	assert_int_equal(got(), 0);
	assert_int_equal(counts(0)->dropped, 5);
	/* A tag behind one that only says a priority. */
	for (unsigned i = 0; i < 2; i++) {
		make_frame(bytes, 10, 0xffff, 0);
		frame_put16(bytes + 16, i ? 0x88a8 : 0x8100);
		frame_put16(bytes + 18, 20);
		frame_plain(&frame, &iov, bytes, 64);
		assert_int_equal(fabric_send(ends[0].port, &frame, 1, now), 1);
	}
	assert_int_equal(got(), 0);
	assert_int_equal(counts(0)->dropped, 7);
	/* A priority without a VLAN is no choice: it goes in its own. */
	send_tagged(0, 10, 0xffff, 0);
	assert_int_equal(got(), 0x3a);
	assert_int_equal(tag_of(1), -1);
	assert_int_equal(tag_of(5), 10);
}

static void the_same_address_can_be_in_two_vlans(void **state)
{
	(void)state;
	send_tagged(0, 50, 0xffff, 10);
	send_tagged(1, 50, 0xffff, 20);
	got();
	send_tagged(2, 51, 50, 10);
	assert_int_equal(got(), 0x1);
	send_tagged(2, 51, 50, 20);
	assert_int_equal(got(), 0x2);
}

static void checksums_move_with_the_tag(void **state)
{
	struct virtio_net_hdr_v1 hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.hdr_len = htole16(42),
		.csum_start = htole16(34),
		.csum_offset = htole16(6) };

	(void)state;
	make_card((const unsigned[]){ 10, 10, 20, 0 });
	assert_int_equal(send_hdr(0, 10, 0xffff, -1, &hdr), 1);
	assert_int_equal(le16toh(ends[1].hdr[0].csum_start), 34);
	assert_int_equal(le16toh(ends[5].hdr[0].csum_start), 38);
	assert_int_equal(le16toh(ends[5].hdr[0].hdr_len), 46);
	hdr.csum_start = htole16(38);
	assert_int_equal(send_hdr(5, 99, 11, 10, &hdr), 1);
	assert_int_equal(le16toh(ends[1].hdr[1].csum_start), 34);
	/* One inside the tag is no frame without it. */
	hdr.csum_start = htole16(16);
	assert_int_equal(send_hdr(5, 99, 11, 10, &hdr), 1);
	assert_int_equal(ends[1].count, 2);
	assert_int_equal(counts(1)->dropped, 1);
}

/* ---- What a port may --------------------------------------------------------------------------------- */

static void a_port_sends_from_its_own_address_only(void **state)
{
	struct fabric_settings s = vf(10, 0);

	(void)state;
	make_card((const unsigned[4]){ 0 });
	got();
	send_frame(0, 11, 12);
	send_frame(0, 99, 0xffff);
	send_frame(0, 0xffff, 12);
	assert_int_equal(got(), 0);
	assert_int_equal(counts(0)->spoofed, 3);
	assert_int_equal(counts(0)->sent, 0);
	send_frame(0, 10, 12);
	assert_int_equal(got(), 0x4);
	/* Without the check it can; but what is for others does not come to it for that. */
	s.spoofchk = false;
	fabric_port_set(ends[0].port, &s);
	send_frame(0, 11, 12);
	assert_int_equal(got(), 0x4);
	send_frame(0, 99, 12);
	got();
	send_frame(2, 12, 11);
	assert_int_equal(got(), 0x2);
	send_frame(2, 12, 99);
	assert_int_equal(got(), 0x30);
}

static void trust_lets_it_use_other_addresses(void **state)
{
	struct fabric_settings s = vf(10, 0);
	uint8_t other[6], more[2][6];

	(void)state;
	make_card((const unsigned[4]){ 0 });
	got();
	put_mac(other, 70);
	put_mac(more[0], 71);
	put_mac(more[1], 72);
	assert_int_equal(fabric_port_set_macs(ends[0].port, other, NULL, 0), -EPERM);
	put_mac(other, 10);
	assert_int_equal(fabric_port_set_macs(ends[0].port, other, more, 2), 0);
	send_frame(0, 71, 12);
	assert_int_equal(got(), 0);
	s.trust = true;
	fabric_port_set(ends[0].port, &s);
	send_frame(0, 71, 12);
	assert_int_equal(got(), 0x4);
	send_frame(2, 12, 71);
	assert_int_equal(got(), 0x1);
	put_mac(other, 70);
	assert_int_equal(fabric_port_set_macs(ends[0].port, other, NULL, 0), 0);
	send_frame(0, 70, 12);
	assert_int_equal(got(), 0x4);
	send_frame(0, 71, 12); /* not any more */
	assert_int_equal(got(), 0);
	send_frame(2, 12, 98); /* nobody's */
	assert_int_equal(got(), 0x31);
	/* Never another's own. */
	more[0][5] = 11;
	assert_int_equal(fabric_port_set_macs(ends[0].port, other, more, 1), 0);
	send_frame(0, 11, 12);
	got();
	send_frame(2, 12, 11);
	assert_int_equal(got(), 0x2);
	/* And trust can be taken away. */
	s.trust = false;
	fabric_port_set(ends[0].port, &s);
	send_frame(0, 70, 12);
	assert_int_equal(got(), 0);
	send_frame(2, 12, 70);
	assert_int_equal(got(), 0x30);
}

static void groups_come_to_those_that_want_them(void **state)
{
	uint8_t bytes[64];
	struct net_frame frame;
	struct iovec iov;
	static const uint8_t group[6] = { 0x33, 0x33, 0xff, 0, 0, 1 };

	(void)state;
	make_card((const unsigned[4]){ 0 });
	memcpy(ends[1].group, group, 6);
	got();
	make_frame(bytes, 10, 0, -1);
	memcpy(bytes, group, 6);
	frame_plain(&frame, &iov, bytes, 60);
	assert_int_equal(fabric_send(ends[0].port, &frame, 1, now), 1);
	assert_int_equal(got(), 0x32);
}

static void a_link_is_as_it_is_set(void **state)
{
	struct fabric_settings s = vf(11, 0);

	(void)state;
	make_card((const unsigned[4]){ 0 });
	got();
	s.link = FABRIC_LINK_OFF;
	fabric_port_set(ends[1].port, &s);
	assert_int_equal(ends[1].downs, 1);
	send_frame(0, 10, 11);
	send_frame(0, 10, 0xffff);
	assert_int_equal(got(), 0x3c);
	assert_int_equal(counts(1)->dropped, 1);
	send_frame(1, 11, 12);
	assert_int_equal(got(), 0);
	s.link = FABRIC_LINK_AUTO;
	fabric_port_set(ends[1].port, &s);
	assert_int_equal(ends[1].ups, 1);
	fabric_set_carrier(fabric, false);
	assert_false(fabric_port_is_up(ends[1].port));
	assert_true(fabric_port_is_up(ends[2].port));
	send_frame(2, 12, 13); /* those that are on talk without a way out */
	assert_int_equal(got(), 0x8);
	fabric_set_carrier(fabric, true);
	assert_int_equal(ends[1].ups, 2);
}

static void what_was_checked_cannot_be_changed(void **state)
{
	uint8_t bytes[64];
	struct net_frame frame;
	struct iovec iov[2];

	(void)state;
	make_card((const unsigned[]){ 10, 10, 20, 0 });
	ends[1].tampers = bytes;
	for (unsigned pieces = 1; pieces <= 2; pieces++) {
		make_frame(bytes, 10, 11, -1);
		frame_plain(&frame, iov, bytes, 60);
		if (pieces == 2) {
			iov[0] = (struct iovec){ bytes, 8 };
			iov[1] = (struct iovec){ bytes + 8, 52 };
			frame.niov = 2;
		}
		assert_int_equal(fabric_send(ends[0].port, &frame, 1, now), 1);
		assert_int_equal(bytes[6], 0x66);
		assert_int_equal(ends[1].data[pieces - 1][11], 10);
		assert_int_equal(tag_of(1), -1);
	}
}

/* ---- Rates ------------------------------------------------------------------------------------------- */

/* Bytes that a port with this rate sends of frames of so many bytes in a second of the test's clock, when it tries
 * again as late as it is told, and `late` after that. */
static uint64_t sent_in_a_second(uint32_t mbit, size_t bytes, uint64_t late)
{
	struct fabric_settings s = vf(10, 0);
	uint8_t *data = calloc(1, bytes);
	struct net_frame frames[NET_BURST];
	struct iovec iov;
	uint64_t end, sent = 0;

	s.rate = mbit;
	fabric_port_set(ends[0].port, &s);
	put_mac(data, 12);
	put_mac(data + 6, 10);
	for (unsigned i = 0; i < NET_BURST; i++)
		frame_plain(&frames[i], &iov, data, bytes);
	end = now + 1000000000;
	while (now < end) {
		unsigned n = fabric_send(ends[0].port, frames, NET_BURST, now);
		sent += n * bytes;
		if (n == NET_BURST)
			continue;
		uint64_t wait = fabric_wait(ends[0].port, now);
		assert_true(wait > 0 && wait < 700000000);
		assert_true(fabric_wait(ends[0].port, now + wait) == 0);
		now += wait + late;
	}
	free(data);
	now += 10000000000;
	return sent;
}

static void a_rate_holds_within_five_per_cent(void **state)
{
	static const struct {
		uint32_t mbit;
		size_t bytes;
		uint64_t late;
	} cases[] = {
		{ 1, 60, 0 },
		{ 10, 1514, 0 },
		{ 10, 1514, 20000000 },
		{ 100, 1514, 0 },
		{ 100, 65000, 5000000 },
		{ 1000, 1514, 1000000 },
		{ 1000, 65000, 20000000 },
		{ 10000, 65000, 0 },
	};

	(void)state;
	make_card((const unsigned[4]){ 0 });
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		double want = cases[i].mbit * 125000.0;
		double sent = (double)sent_in_a_second(
			cases[i].mbit, cases[i].bytes, cases[i].late);
		if (sent < want * 0.95 || sent > want * 1.05)
			fail_msg("%u Mbit/s, frames of %zu bytes: %.3f of it", cases[i].mbit,
				cases[i].bytes, sent / want);
	}
	assert_true(counts(0)->limited > 0);
}

static void another_rate_holds_at_once(void **state)
{
	struct fabric_settings s = vf(10, 0);
	unsigned sent = 0;

	(void)state;
	make_card((const unsigned[4]){ 0 });
	s.rate = 1;
	fabric_port_set(ends[0].port, &s);
	while (send_hdr(0, 10, 12, -1, NULL))
		assert_true(++sent < 1000);
	assert_int_equal(counts(0)->sent, sent); /* nothing is lost */
	assert_int_equal(ends[2].count, sent);
	s.rate = 0;
	fabric_port_set(ends[0].port, &s);
	assert_int_equal(ends[0].rooms, 1);
	for (unsigned i = 0; i < 5000; i++)
		send_frame(0, 10, 12);
	/* And only what a port sends is limited. */
	s = vf(12, 0);
	s.rate = 1;
	fabric_port_set(ends[2].port, &s);
	send_frame(0, 10, 12);
	assert_int_equal(ends[2].count, sent + 5001);
}

/* ---- Mirror -------------------------------------------------------------------------------------------- */

static void a_mirror_gets_a_copy_of_all(void **state)
{
	(void)state;
	make_card((const unsigned[]){ 10, 10, 20, 0 });
	fabric_set_mirror(fabric, ends[2].port);
	fabric_port_set_mirrored(ends[0].port, true);
	fabric_port_set_mirrored(ends[1].port, true);
	got();
	send_frame(0, 10, 11); /* both ends are watched, and it is one frame */
	assert_int_equal(got(), 0x6);
	assert_int_equal(ends[2].count, 1);
	assert_int_equal(tag_of(2), 10);
	send_tagged(5, 99, 11, 10);
	assert_int_equal(got(), 0x6);
	send_frame(2, 12, 0xffff); /* its own, and nobody's that is watched */
	assert_int_equal(got(), 0x38);
	send_frame(0, 99, 11); /* what is not let in is not there */
	assert_int_equal(got(), 0);
	fabric_port_set_mirrored(ends[0].port, false);
	send_tagged(3, 13, 10, 10);
	assert_int_equal(got(), 0x1);
	send_frame(0, 10, 0xffff);
	assert_int_equal(got(), 0x3e);
	assert_int_equal(ends[2].count, 3);
	fabric_set_mirror(fabric, NULL);
	send_frame(0, 10, 11);
	assert_int_equal(got(), 0x2);
}

/* ---- Bursts, order ---------------------------------------------------------------------------------- */

static void a_burst_to_one_port_stays_one(void **state)
{
	static uint8_t data[NET_BURST][64];
	struct net_frame frames[NET_BURST];
	struct iovec iov[NET_BURST];

	(void)state;
	make_card((const unsigned[]){ 10, 10, 20, 0 });
	for (unsigned i = 0; i < NET_BURST; i++) {
		size_t len = make_frame(data[i], 10, 11, -1);
		data[i][20] = (uint8_t)i;
		frame_plain(&frames[i], &iov[i], data[i], len);
	}
	assert_int_equal(fabric_send(ends[0].port, frames, NET_BURST, now), NET_BURST);
	fabric_flush(fabric);
	assert_int_equal(ends[1].bursts, 1);
	assert_int_equal(ends[1].batches, 1);
	assert_int_equal(ends[1].count, NET_BURST);
	/* With others in between the order of each stays. */
	put_mac(data[5], 0xffff);
	put_mac(data[6], 0xffff);
	frame_put16(data[9] + 6, 0x6666);
	assert_int_equal(fabric_send(ends[0].port, frames, NET_BURST, now), NET_BURST);
	fabric_flush(fabric);
	assert_int_equal(ends[1].batches, 2);
	assert_int_equal(ends[5].batches, 1);
	assert_int_equal(ends[1].count, 2 * NET_BURST - 1);
	for (unsigned i = 0, at = 0; i < NET_BURST; i++) {
		if (i != 9)
			assert_int_equal(ends[1].data[(NET_BURST + at++) % KEPT][20], i);
	}
	assert_int_equal(counts(1)->received, 2 * NET_BURST - 1);
	assert_int_equal(counts(1)->received_bytes, (2 * NET_BURST - 1) * 60);
	ends[1].full = true;
	assert_int_equal(fabric_send(ends[0].port, frames, 4, now), 4);
	assert_int_equal(counts(1)->dropped, 4);
}

static void an_answer_from_within_is_told_to_wait(void **state)
{
	(void)state;
	make_card((const unsigned[4]){ 0 });
	ends[1].answer = &ends[0];
	send_frame(0, 10, 11);
	assert_int_equal(ends[0].count, 1);
	assert_int_equal(ends[0].later, 1);
}

/* ---- Addresses ----------------------------------------------------------------------------------------- */

static void old_stations_are_forgotten(void **state)
{
	(void)state;
	send_frame(0, 50, 0xffff);
	got();
	send_frame(1, 51, 50);
	assert_int_equal(got(), 0x1);
	now += STATIONS_AGE_NS;
	send_frame(1, 51, 50);
	assert_int_equal(got(), 0x1);
	now += 1;
	send_frame(1, 51, 50);
	assert_int_equal(got(), 0x3d);
}

static void a_flood_of_addresses_harms_its_sender_only(void **state)
{
	unsigned known = 0;

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		send_frame(1, 1000 + i, 0xffff);
	for (unsigned i = 0; i < 60000; i++)
		send_frame(0, 2000 + i, 0xffff);
	got();
	for (unsigned i = 0; i < 200; i++) {
		send_frame(2, 60, 1000 + i);
		known += got() == 0x2;
	}
	assert_true(known > 195);
	/* One that is not trusted fills nothing at all. */
	struct fabric_settings s = vf(10, 0);
	s.spoofchk = false;
	fabric_port_set(ends[0].port, &s);
	send_frame(0, 2000, 0xffff);
	got();
	send_frame(2, 60, 2000);
	assert_int_equal(got(), 0x3a);
}

static void as_many_ports_as_there_can_be(void **state)
{
	static struct end more[FABRIC_PORTS];
	unsigned n = 0;

	(void)state;
	make_card((const unsigned[4]){ 0 });
	while ((more[n].port = fabric_port_new(fabric, &ops, &more[n]))) {
		struct fabric_settings s = vf(100 + n, 0);
		fabric_port_set(more[n++].port, &s);
	}
	assert_int_equal(n + PORTS, FABRIC_PORTS);
	assert_int_equal(fabric_num_ports(fabric), FABRIC_PORTS);
	for (unsigned i = 0; i < n; i++) {
		send_frame(0, 10, 100 + i);
		assert_int_equal(more[i].count, 1);
	}
	assert_int_equal(got(), 0);
	while (n)
		fabric_port_free(more[--n].port);
	send_frame(0, 10, 100);
	assert_int_equal(got(), 0x30);
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ports_of_a_vlan_see_each_other_and_trunks_only),
		TEST(an_access_port_cannot_choose_its_vlan),
		TEST(the_same_address_can_be_in_two_vlans),
		TEST(checksums_move_with_the_tag),
		TEST(a_port_sends_from_its_own_address_only),
		TEST(trust_lets_it_use_other_addresses),
		TEST(groups_come_to_those_that_want_them),
		TEST(a_link_is_as_it_is_set),
		TEST(what_was_checked_cannot_be_changed),
		TEST(a_rate_holds_within_five_per_cent),
		TEST(another_rate_holds_at_once),
		TEST(a_mirror_gets_a_copy_of_all),
		TEST(a_burst_to_one_port_stays_one),
		TEST(an_answer_from_within_is_told_to_wait),
		TEST(old_stations_are_forgotten),
		TEST(a_flood_of_addresses_harms_its_sender_only),
		TEST(as_many_ports_as_there_can_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
