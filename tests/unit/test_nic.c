/* SPDX-License-Identifier: BSD-3-Clause */
/* The card nic: drivers on its virtual functions talk through its switch, as far as what is set of them lets them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <medio/local.h>

#include "../../drivers/virtio/virtio_net.h"
#include "nic/nic.h"

#define LONG_MS	     60000
#define VFS	     3u
#define PF	     VFS /* in what follows */
#define PF_MAC	     "52:54:00:00:00:01"
#define PF_MAC_PARAM "mac=" PF_MAC

/* A driver on each. */
struct end {
	struct medio_card *card;
	struct virtio_net *net;
	struct virtio_net_info info;
	uint8_t mac[6];
	uint8_t back[2048];
	unsigned got;
};

static struct medio_loop *loop;
static struct medio_instance *pf;
static char said[512]; /* in the log, last */
static struct end ends[VFS + 1];
static char text[65536], words[VIRTIO_WORDS];

static void open_end(struct end *end, struct medio_instance *inst)
{
	assert_int_equal(medio_card_open_instance(inst, &end->card, NULL), 0);
	if (virtio_net_open(end->card, NULL, &end->net, words, sizeof(words)))
		fail_msg("%s", words);
	assert_int_equal(virtio_net_get_info(end->net, &end->info), 0);
	memcpy(end->mac, end->info.mac, 6);
}

static void close_end(struct end *end)
{
	virtio_net_close(end->net);
	medio_card_close(end->card);
	memset(end, 0, sizeof(*end));
}

static void on_log(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	snprintf(said, sizeof(said), "%s", line);
}

static struct medio_instance *make(const char *const *params)
{
	struct medio_instance_options opts = { .params = params, .log = on_log };
	struct medio_instance *inst;
	struct medio_error *err = NULL;

	while (params[opts.nparams])
		opts.nparams++;
	if (medio_instance_new(loop, &medio_nic, &opts, &inst, &err))
		fail_msg("%s", medio_error_text(err));
	return inst;
}

static int setup(void **state)
{
	(void)state;
	assert_int_equal(medio_loop_new(&loop), 0);
	pf = make((const char *[]){ "null=on", PF_MAC_PARAM, "vfs=8", "mtu=1500", NULL });
	assert_int_equal(medio_instance_set_vfs(pf, VFS, NULL), 0);
	for (unsigned i = 0; i < VFS; i++)
		open_end(&ends[i], medio_instance_vf(pf, i));
	open_end(&ends[PF], pf);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= VFS; i++)
		close_end(&ends[i]);
	medio_instance_free(pf);
	medio_loop_free(loop);
	return 0;
}

/* ---- Frames ---------------------------------------------------------------------------------------- */

static void make_frame(uint8_t frame[60], const uint8_t from[6], const uint8_t to[6], uint8_t mark)
{
	memset(frame, 0, 60);
	memcpy(frame, to, 6);
	memcpy(frame + 6, from, 6);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	frame[14] = mark;
}

static void sends(struct end *from, const uint8_t source[6], const uint8_t to[6], uint8_t mark)
{
	uint8_t frame[60];

	make_frame(frame, source, to, mark);
	assert_int_equal(virtio_net_send(from->net, frame, sizeof(frame), LONG_MS), 0);
	assert_int_equal(virtio_net_drain(from->net, LONG_MS), 0);
}

/* Which ends have got a frame with this mark, a bit each; and no other. */
static unsigned got(uint8_t mark)
{
	unsigned mask = 0;

	for (unsigned i = 0; i <= VFS; i++) {
		int n;
		while ((n = virtio_net_receive(
				ends[i].net, ends[i].back, sizeof(ends[i].back), 0)) > 0) {
			assert_int_equal(ends[i].back[ends[i].back[12] == 0x81 ? 18 : 14], mark);
			assert_false(mask & 1u << i);
			mask |= 1u << i;
		}
		assert_int_equal(n, 0);
	}
	return mask;
}

static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

/* ---- What operators say -------------------------------------------------------------------------------- */

static int store(const char *attr, const char *value)
{
	return medio_instance_attr_store(pf, attr, value, strlen(value));
}

static void set(const char *value)
{
	assert_int_equal(store("vfs/set", value), 0);
}

static const char *show_of(struct medio_instance *inst, const char *attr)
{
	ssize_t len = medio_instance_attr_show(inst, attr, text, sizeof(text) - 1);

	assert_true(len > 0);
	text[len] = '\0';
	return text;
}

static const char *show(const char *attr)
{
	return show_of(pf, attr);
}

static unsigned long number(unsigned vf, const char *name)
{
	char key[64];

	snprintf(key, sizeof(key), "\"vf\":%u,", vf);
	const char *at = strstr(show("vfs/state"), key);
	assert_non_null(at);
	snprintf(key, sizeof(key), "\"%s\":", name);
	at = strstr(at, key);
	assert_non_null(at);
	return strtoul(at + strlen(key), NULL, 10);
}

static bool has(unsigned vf, const char *part)
{
	char key[64];

	snprintf(key, sizeof(key), "\"vf\":%u,", vf);
	char *at = strstr((char *)show("vfs/state"), key);
	assert_non_null(at);
	*strchr(at, '}') = '\0';
	return strstr(at, part);
}

/* ---- Tests ------------------------------------------------------------------------------------------------ */

static void vfs_and_the_card_talk_through_the_switch(void **state)
{
	(void)state;
	sends(&ends[0], ends[0].mac, ends[1].mac, 1);
	assert_int_equal(got(1), 1u << 1);
	sends(&ends[1], ends[1].mac, ends[0].mac, 2);
	assert_int_equal(got(2), 1u << 0);
	sends(&ends[2], ends[2].mac, all, 3);
	assert_int_equal(got(3), 0xb);
	sends(&ends[PF], ends[PF].mac, ends[2].mac, 4);
	assert_int_equal(got(4), 1u << 2);
	sends(&ends[0], ends[0].mac, ends[PF].mac, 5);
	assert_int_equal(got(5), 1u << PF);
	assert_int_equal(number(0, "tx_packets"), 2);
	assert_int_equal(number(0, "rx_packets"), 2);
	assert_int_equal(number(0, "rx_bytes"), 120);
	assert_string_equal(show("uplink"), "up: null\n");
	assert_string_equal(show("net/backend"), "a port of its card's switch\n");
}

static void addresses_are_derived_and_stay(void **state)
{
	uint8_t before[6];

	(void)state;
	memcpy(before, ends[1].mac, 6);
	for (unsigned i = 0; i < VFS; i++) {
		assert_int_equal(ends[i].mac[0] & 3, 2); /* locally administered, of one card */
		assert_int_equal(ends[i].info.mtu, 1500);
		for (unsigned k = 0; k <= VFS; k++)
			assert_true(k == i || memcmp(ends[i].mac, ends[k].mac, 6) != 0);
		close_end(&ends[i]);
	}
	assert_int_equal(medio_instance_set_vfs(pf, 0, NULL), 0);
	assert_string_equal(show("vfs/state"), "[]\n");
	assert_int_equal(medio_instance_set_vfs(pf, 2, NULL), 0);
	open_end(&ends[1], medio_instance_vf(pf, 1));
	assert_memory_equal(ends[1].mac, before, 6);
	open_end(&ends[0], medio_instance_vf(pf, 0));
	sends(&ends[0], ends[0].mac, ends[1].mac, 1);
	assert_int_equal(virtio_net_receive(ends[1].net, ends[1].back, 2048, LONG_MS), 60);
	assert_int_equal(medio_instance_set_vfs(pf, 3, NULL), -EBUSY);
	close_end(&ends[0]);
	close_end(&ends[1]);
	assert_int_equal(medio_instance_set_vfs(pf, 0, NULL), 0);
	assert_int_equal(medio_instance_set_vfs(pf, VFS, NULL), 0);
	for (unsigned i = 0; i < VFS; i++)
		open_end(&ends[i], medio_instance_vf(pf, i));
}

static void who_sends_as_another_is_not_heard(void **state)
{
	(void)state;
	sends(&ends[0], ends[1].mac, ends[2].mac, 1);
	sends(&ends[0], ends[1].mac, all, 1);
	assert_int_equal(got(1), 0);
	assert_int_equal(number(0, "spoofed"), 2);
	set("0 spoofchk=off\n");
	sends(&ends[0], ends[1].mac, ends[2].mac, 2);
	assert_int_equal(got(2), 1u << 2);
	/* And nothing of it was learned. */
	sends(&ends[2], ends[2].mac, ends[1].mac, 3);
	assert_int_equal(got(3), 1u << 1);
}

static void vlans_keep_vfs_apart(void **state)
{
	(void)state;
	set("0 vlan=7\n1 vlan=7\n2 vlan=8");
	sends(&ends[0], ends[0].mac, all, 1);
	assert_int_equal(got(1) & 7, 1u << 1);
	sends(&ends[0], ends[0].mac, ends[2].mac, 2);
	assert_int_equal(got(2) & 7, 0);
	set("2 vlan=7"); /* while it is in use */
	sends(&ends[0], ends[0].mac, ends[2].mac, 3);
	assert_int_equal(got(3), 1u << 2);
	set("2 vlan=0 qos=0");
	sends(&ends[0], ends[0].mac, ends[2].mac, 4);
	assert_int_equal(got(4), 1u << 2);
	assert_int_equal(ends[2].back[15], 7); /* a trunk sees tags */
}

/* The driver sees it, when the interrupt has come. */
static bool link_is(struct end *end, int up)
{
	for (unsigned n = 0; n < 1000 && virtio_net_link(end->net) != up; n++)
		virtio_net_receive(end->net, end->back, sizeof(end->back), 10);
	return virtio_net_link(end->net) == up;
}

static void a_link_can_be_taken_down(void **state)
{
	(void)state;
	assert_int_equal(virtio_net_link(ends[1].net), 1);
	set("1 link=off");
	assert_true(link_is(&ends[1], 0));
	sends(&ends[0], ends[0].mac, ends[1].mac, 1);
	assert_int_equal(got(1), 0);
	assert_true(has(1, "\"link\":\"off\",\"up\":false"));
	set("1 state=enable");
	assert_true(link_is(&ends[1], 1));
	sends(&ends[0], ends[0].mac, ends[1].mac, 2);
	assert_int_equal(got(2), 1u << 1);
}

static void another_address_holds_at_once(void **state)
{
	static const uint8_t mac[6] = { 0x52, 0x54, 0, 0, 0, 9 };

	(void)state;
	set("1 mac=52:54:00:00:00:09");
	sends(&ends[0], ends[0].mac, mac, 1);
	assert_int_equal(got(1), 1u << 1);
	sends(&ends[1], ends[1].mac, ends[0].mac, 2); /* the old one */
	assert_int_equal(got(2), 0);
	sends(&ends[1], mac, ends[0].mac, 3);
	assert_int_equal(got(3), 1u << 0);
	/* The driver reads it when it begins anew. */
	close_end(&ends[1]);
	open_end(&ends[1], medio_instance_vf(pf, 1));
	assert_memory_equal(ends[1].mac, mac, 6);
}

static void a_mirror_sees_what_others_get(void **state)
{
	(void)state;
	assert_string_equal(show("mirror"), "off\n");
	assert_int_equal(store("mirror", "2 0 uplink\n"), 0);
	assert_string_equal(show("mirror"), "2 0 uplink\n");
	set("2 vlan=9"); /* whatever it is itself */
	sends(&ends[0], ends[0].mac, ends[1].mac, 1);
	assert_int_equal(got(1), 1u << 1 | 1u << 2);
	sends(&ends[1], ends[1].mac, ends[PF].mac, 2);
	assert_int_equal(got(2), 1u << PF);
	/* It outlives its port. */
	for (unsigned i = 0; i < VFS; i++)
		close_end(&ends[i]);
	assert_int_equal(medio_instance_set_vfs(pf, 0, NULL), 0);
	assert_int_equal(medio_instance_set_vfs(pf, VFS, NULL), 0);
	for (unsigned i = 0; i < VFS; i++)
		open_end(&ends[i], medio_instance_vf(pf, i));
	sends(&ends[0], ends[0].mac, ends[1].mac, 3);
	assert_int_equal(got(3), 1u << 1 | 1u << 2);
	assert_int_equal(store("mirror", "pf all"), 0);
	assert_string_equal(show("mirror"), "pf 0 1 2 3 4 5 6 7 uplink\n");
	assert_int_equal(store("mirror", "off"), 0);
	sends(&ends[0], ends[0].mac, ends[1].mac, 4);
	assert_int_equal(got(4), 1u << 1);
}

static void a_rate_holds_up_and_loses_nothing(void **state)
{
	static uint8_t frame[1514];
	unsigned count = 0, sent = 0;

	(void)state;
	make_frame(frame, ends[0].mac, ends[1].mac, 1);
	set("0 rate=100");
	/* More than it may send at once, on a processor that takes no time at all for it. */
	while (count < 1000) {
		while (sent < 1000) {
			int ret = virtio_net_send(ends[0].net, frame, sizeof(frame), 0);
			if (ret == -EAGAIN)
				break;
			assert_int_equal(ret, 0);
			sent++;
		}
		assert_int_equal(virtio_net_flush(ends[0].net), 0);
		int n = virtio_net_receive(ends[1].net, ends[1].back, 2048, LONG_MS);
		assert_int_equal(n, sizeof(frame));
		count++;
	}
	assert_int_equal(number(0, "tx_packets"), 1000);
	assert_int_equal(number(1, "rx_packets"), 1000);
	assert_int_equal(number(1, "dropped"), 0);
	set("0 rate=0");
}

/* What was said of a failure. */
static void refuses(const char *attr, const char *value, int error, const char *part)
{
	int ret = store(attr, value);

	if (ret != error || !strstr(said, part))
		fail_msg("%s: %d for '%s', %s", attr, ret, value, said);
}

static void what_cannot_be_set_changes_nothing(void **state)
{
	char *before = strdup(show("vfs/state"));

	(void)state;
	refuses("vfs/set", "8 vlan=1", -ERANGE, "0 to 7");
	refuses("vfs/set", "0 vlan=4095", -ERANGE, "0 (none) to 4094");
	refuses("vfs/set", "0 vlan=7 rate=1000001", -ERANGE, "Mbit");
	refuses("vfs/set", "0 qos=1", -ERANGE, "0 only");
	refuses("vfs/set", "0 vlan=7\n1 colour=red", -EINVAL, "no setting");
	refuses("vfs/set", "0", -EINVAL, "nothing");
	refuses("vfs/set", "pf vlan=7", -EINVAL, "number");
	refuses("vfs/set", "0 trust=maybe", -EINVAL, "on or off");
	refuses("vfs/set", "0 link=up", -EINVAL, "auto");
	refuses("vfs/set", "0 mac=01:00:00:00:00:01", -EINVAL, "even");
	refuses("vfs/set", "0 mac=" PF_MAC, -EINVAL, "physical");
	refuses("vfs/set", "0 mac=52:54:00:00:00:08\n1 mac=52:54:00:00:00:08", -EINVAL, "VF 1");
	refuses("mirror", "0 0", -EINVAL, "own");
	refuses("mirror", "0", -EINVAL, "whose");
	refuses("mirror", "0 8", -ERANGE, "0 to 7");
	assert_string_equal(show("vfs/state"), before);
	assert_string_equal(show("mirror"), "off\n");
	free(before);
}

static void settings_outlive_vfs_and_the_process(void **state)
{
	static uint8_t saved[65536];
	struct medio_instance *other;

	(void)state;
	set("5 vlan=77\n1 mac=52:54:00:00:00:09 rate=10 trust=on spoofchk=off link=on");
	assert_int_equal(store("mirror", "5 1 uplink"), 0);
	assert_true(has(5, "\"present\":false"));
	ssize_t len = medio_instance_save(pf, saved, sizeof(saved));
	assert_true(len > 0);
	other = make((const char *[]){ "null=on", "vfs=8", "mtu=1500", NULL });
	assert_int_equal(medio_instance_load(other, saved, (size_t)len), 0);
	show("vfs/state");
	char *mine = strdup(text);
	show_of(other, "vfs/state");
	/* The first one's address, of which nothing was said. */
	assert_memory_equal(strstr(text, "\"mac\""), strstr(mine, "\"mac\""), 25);
	assert_non_null(strstr(text, "\"vf\":5,\"present\":false"));
	assert_non_null(strstr(text, "\"vlan\":77"));
	assert_non_null(strstr(text, "\"rate\":10"));
	assert_string_equal(show_of(other, "mirror"), "5 1 uplink\n");
	free(mine);
	/* Its virtual functions are back, as they were set. */
	struct medio_instance *vf = medio_instance_vf(other, 1);
	assert_non_null(vf);
	assert_string_equal(show_of(vf, "net/mac"), "52:54:00:00:00:09\n");
	medio_instance_free(other);
	other = make((const char *[]){ "null=on", "vfs=9", NULL });
	assert_true(medio_instance_load(other, saved, (size_t)len) < 0);
	medio_instance_free(other);
}

static void two_cards_meet_at_their_uplinks(void **state)
{
	static const char *const params[] = { "switch=nic-test", "vfs=2", NULL };
	struct medio_instance *cards[2];
	struct end far[2] = { 0 };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		cards[i] = make(params);
		assert_int_equal(medio_instance_set_vfs(cards[i], 2, NULL), 0);
		open_end(&far[i], medio_instance_vf(cards[i], i));
	}
	sends(&far[0], far[0].mac, far[1].mac, 1);
	assert_int_equal(virtio_net_receive(far[1].net, far[1].back, 2048, LONG_MS), 60);
	sends(&far[1], far[1].mac, far[0].mac, 2);
	assert_int_equal(virtio_net_receive(far[0].net, far[0].back, 2048, LONG_MS), 60);
	for (unsigned i = 0; i < 2; i++) {
		close_end(&far[i]);
		medio_instance_free(cards[i]);
	}
}

static void shapes(void **state)
{
	struct medio_sriov_info info;
	struct medio_instance *inst;
	struct medio_error *err = NULL;
	struct medio_instance_options opts = {
		.params = (const char *[]){ "null=on", "vfs=3", "numvfs=4" }, .nparams = 3
	};

	(void)state;
	inst = make((const char *[]){ "null=on", NULL });
	assert_int_equal(medio_instance_sriov(inst, &info), 0);
	assert_int_equal(info.total, 64);
	medio_instance_free(inst);
	inst = make((const char *[]){ "loop=on", "vfs=256", NULL });
	assert_int_equal(medio_instance_set_vfs(inst, 256, NULL), 0);
	assert_int_equal(medio_instance_set_vfs(inst, 0, NULL), 0);
	assert_int_equal(medio_instance_set_vfs(inst, 257, NULL), -ERANGE);
	medio_instance_free(inst);
	assert_int_equal(medio_instance_new(loop, &medio_nic, &opts, &inst, &err), -ERANGE);
	assert_non_null(strstr(medio_error_text(err), "vfs=3"));
	medio_error_free(err);
	err = NULL;
	opts.nparams = 0;
	assert_int_equal(medio_instance_new(loop, &medio_nic_vf, &opts, &inst, &err), -ENODEV);
	assert_non_null(strstr(medio_error_text(err), "numvfs"));
	medio_error_free(err);
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(vfs_and_the_card_talk_through_the_switch),
		TEST(addresses_are_derived_and_stay),
		TEST(who_sends_as_another_is_not_heard),
		TEST(vlans_keep_vfs_apart),
		TEST(a_link_can_be_taken_down),
		TEST(another_address_holds_at_once),
		TEST(a_mirror_sees_what_others_get),
		TEST(a_rate_holds_up_and_loses_nothing),
		TEST(what_cannot_be_set_changes_nothing),
		TEST(settings_outlive_vfs_and_the_process),
		TEST(two_cards_meet_at_their_uplinks),
		TEST(shapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
