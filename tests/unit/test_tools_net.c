/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames in words, and frames that are made up. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/net-describe.h"
#include "tools/net-frame.h"

#define MACS	  "\xff\xff\xff\xff\xff\xff\x52\x54\0\x12\x34\x56"
#define MAC_WORDS "52:54:00:12:34:56 > ff:ff:ff:ff:ff:ff, "

/* ---- Words ------------------------------------------------------------------------------------- */

#define IPV4(protocol) "\x45\0\0\x54\0\0\x40\0\x40" protocol "\0\0\x0a\0\0\1\x0a\0\0\2"
#define IPV6(next) \
	"\x60\0\0\0\0\x20" next "\xff\xfe\x80\0\0\0\0\0\0\x50\x54\0\xff\xfe\x12\x34\x57" \
	"\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\2"
#define ARP(op) \
	"\x08\x06\0\1\x08\0\6\4\0" op "\x52\x54\0\x12\x34\x56\x0a\0\0\2\0\0\0\0\0\0\x0a\0\0\1"
#define FRAME(bytes) MACS bytes, sizeof(MACS bytes) - 1

static const struct {
	const char *bytes;
	size_t len;
	const char *words;
} cases[] = {
	{ FRAME(ARP("\1")), MAC_WORDS "ARP, length 42: who has 10.0.0.1, tell 10.0.0.2" },
	{ FRAME(ARP("\2")), MAC_WORDS "ARP, length 42: 10.0.0.2 is at 52:54:00:12:34:56" },
	{ FRAME(ARP("\7")), MAC_WORDS "ARP, length 42: operation 7" },
	{ FRAME("\x08\x06\0\1\x08\0\6\4\0\1"),
		MAC_WORDS "ARP, length 22: not of IPv4 over Ethernet" },
	{ FRAME("\x08\x06\0\1"), MAC_WORDS "ARP, length 16: cut short" },
	{ FRAME("\x08\0" IPV4("\1") "\x08\0\0\0\1\2\0\7"),
		MAC_WORDS "IPv4, length 42: 10.0.0.1 > 10.0.0.2, ICMP echo request, sequence 7" },
	{ FRAME("\x08\0" IPV4("\1") "\0\0\0\0\1\2\1\7"),
		MAC_WORDS "IPv4, length 42: 10.0.0.1 > 10.0.0.2, ICMP echo reply, sequence 263" },
	{ FRAME("\x08\0" IPV4("\1") "\3\1\0\0\0\0\0\0"),
		MAC_WORDS "IPv4, length 42: 10.0.0.1 > 10.0.0.2, ICMP type 3, code 1" },
	{ FRAME("\x08\0" IPV4("\1") "\x08"),
		MAC_WORDS "IPv4, length 35: 10.0.0.1 > 10.0.0.2, ICMP cut short" },
	{ FRAME("\x08\0" IPV4("\x11") "\0\x44\0\x43"),
		MAC_WORDS "IPv4, length 38: 10.0.0.1 > 10.0.0.2, UDP port 68 > 67" },
	{ FRAME("\x08\0" IPV4("\6") "\xff\xff\0\x16"),
		MAC_WORDS "IPv4, length 38: 10.0.0.1 > 10.0.0.2, TCP port 65535 > 22" },
	{ FRAME("\x08\0" IPV4("\6") "\xff"),
		MAC_WORDS "IPv4, length 35: 10.0.0.1 > 10.0.0.2, TCP" },
	{ FRAME("\x08\0" IPV4("\xfd")),
		MAC_WORDS "IPv4, length 34: 10.0.0.1 > 10.0.0.2, protocol 253" },
	/* Options, a fragment, a header longer than the frame, of another version. */
	{ FRAME("\x08\0\x46\0\0\0\0\0\0\0\x40\x11\0\0\x0a\0\0\1\x0a\0\0\2\1\1\1\1\0\1\0\2"),
		MAC_WORDS "IPv4, length 42: 10.0.0.1 > 10.0.0.2, UDP port 1 > 2" },
	{ FRAME("\x08\0\x45\0\0\0\0\0\0\2\x40\x11\0\0\x0a\0\0\1\x0a\0\0\2\0\1\0\2"),
		MAC_WORDS "IPv4, length 38: 10.0.0.1 > 10.0.0.2, UDP fragment from 16 on" },
	{ FRAME("\x08\0\x4f\0\0\0\0\0\0\0\x40\x11\0\0\x0a\0\0\1\x0a\0\0\2\0\1\0\2"),
		MAC_WORDS "IPv4, length 38: a broken header" },
	{ FRAME("\x08\0\x65\0\0\0\0\0\0\0\x40\x11\0\0\x0a\0\0\1\x0a\0\0\2\0\1\0\2"),
		MAC_WORDS "IPv4, length 38: a broken header" },
	{ FRAME("\x08\0\x45"), MAC_WORDS "IPv4, length 15: cut short" },
	{ FRAME("\x86\xdd" IPV6("\x3a") "\x80\0\0\0\0\1\0\2"), MAC_WORDS
		"IPv6, length 62: fe80::5054:ff:fe12:3457 > ff02::2, ICMPv6 echo request, "
		"sequence 2" },
	/* Hop-by-hop options before a multicast listener report; options that end nowhere. */
	{ FRAME("\x86\xdd" IPV6("\0") "\x3a\0\5\2\0\0\1\0\x8f\0\0\0\0\0\0\1"), MAC_WORDS
		"IPv6, length 70: fe80::5054:ff:fe12:3457 > ff02::2, ICMPv6 type 143, code 0" },
	{ FRAME("\x86\xdd" IPV6("\0") "\x3a\xff\5\2\0\0\1\0"),
		MAC_WORDS "IPv6, length 62: fe80::5054:ff:fe12:3457 > ff02::2, ICMPv6 cut short" },
	{ FRAME("\x86\xdd\x60"), MAC_WORDS "IPv6, length 15: cut short" },
	{ FRAME("\x81\0\x20\5" ARP("\1")),
		MAC_WORDS "VLAN 5, ARP, length 46: who has 10.0.0.1, tell 10.0.0.2" },
	{ FRAME("\x88\xa8\0\7\x81\0\x0f\xff\x12\x34"),
		MAC_WORDS "VLAN 7, VLAN 4095, 0x1234, length 22" },
	/* A tag that is not there any more. */
	{ FRAME("\x81\0\0"), MAC_WORDS "0x8100, length 15" },
	{ FRAME("\x88\xcc"), MAC_WORDS "LLDP, length 14" },
	{ FRAME("\0\x26\x42\x42"), MAC_WORDS "802.3, length 16" },
	{ FRAME("\x88\xb5\x1b[2J"), MAC_WORDS "test, length 18: not of this program" },
	{ "\1\2\3", 3, "cut short, length 3" },
};

static void frames_in_words(void **state)
{
	char line[MEDIO_NET_WORDS + 96];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		/* A copy of its own, so that a sanitizer sees a byte too many. */
		uint8_t *frame = malloc(cases[i].len);
		assert_non_null(frame);
		memcpy(frame, cases[i].bytes, cases[i].len);
		medio_net_line(frame, cases[i].len, line, sizeof(line));
		assert_string_equal(line, cases[i].words);
		free(frame);
	}
}

/* Any bytes of any length give printable words. */
static void nothing_raw_is_printed(void **state)
{
	char line[MEDIO_NET_WORDS + 96];
	uint32_t seed = 1;

	for (unsigned round = 0; round < 20000; round++) {
		size_t len = round % 120;
		uint8_t *frame = malloc(len + 1);
		for (size_t i = 0; i < len; i++) {
			seed = seed * 1664525 + 1013904223;
			frame[i] = (uint8_t)(seed >> 24);
		}
		/* Often something that is looked into. */
		static const uint8_t types[][2] = { { 8, 0 }, { 8, 6 }, { 0x86, 0xdd }, { 0x81, 0 },
			{ 0x88, 0xb5 } };
		if (len > 14)
			memcpy(frame + 12, types[round % 5], 2);
		if (len > 14 && round & 8)
			frame[14] = round % 5 ? 0x60 : 0x45;
		/* Just as long as it is, for a sanitizer. */
		frame = realloc(frame, len + !len);
		assert_non_null(frame);
		medio_net_line(frame, len, line, sizeof(line));
		free(frame);
		for (const char *c = line; *c; c++)
			assert_in_range(*c, 0x20, 0x7e);
		assert_true(strlen(line) < sizeof(line) - 1);
	}
}

static void addresses(void **state)
{
	static const uint8_t want[6] = { 0x52, 0x54, 0, 0x12, 0xab, 0xcd };
	static const char *const bad[] = { "", "52:54:00:12:ab", "52:54:00:12:ab:cg",
		"52:54:00:12:ab:cd:", "52 54:00:12:ab:cd", "525:4:00:12:ab:cd",
		"52:54:00:12:ab:c\n" };
	uint8_t mac[6] = { 1 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(medio_net_mac_parse(bad[i], mac), -EINVAL);
	assert_int_equal(mac[0], 1);
	assert_int_equal(medio_net_mac_parse("52:54:00:12:ab:cd", mac), 0);
	assert_memory_equal(mac, want, 6);
	assert_int_equal(medio_net_mac_parse("52-54-00-12-AB-CD", mac), 0);
	assert_memory_equal(mac, want, 6);
}

/* ---- Test frames ------------------------------------------------------------------------------- */

static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t me[6] = { 0x52, 0x54, 0, 0, 0, 1 };
static const uint8_t you[6] = { 0x52, 0x54, 0, 0, 0, 2 };

static void every_bit_is_checked(void **state)
{
	const struct medio_net_test test = { .run = 7, .sequence = UINT64_C(0x123456789abcdef0) };
	struct medio_net_test got;
	uint8_t frame[77];

	medio_net_test_make(frame, sizeof(frame), you, me, &test);
	assert_int_equal(medio_net_test_check(frame, sizeof(frame), &got), MEDIO_NET_TEST_GOOD);
	assert_int_equal(got.run, 7);
	assert_int_equal(got.sequence, test.sequence);
	assert_false(got.answer);
	for (size_t bit = 14 * 8; bit < sizeof(frame) * 8; bit++) {
		/* The answer's byte, and five that are not used. */
		if (bit / 8 >= 32 && bit / 8 < 38)
			continue;
		frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(
			medio_net_test_check(frame, sizeof(frame), &got), MEDIO_NET_TEST_GOOD);
		frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	/* Cut; and padded, as short frames are on a wire. */
	assert_int_equal(
		medio_net_test_check(frame, sizeof(frame) - 1, &got), MEDIO_NET_TEST_DAMAGED);
	assert_int_equal(medio_net_test_check(frame, 20, &got), MEDIO_NET_TEST_NONE);
	uint8_t padded[100] = { 0 };
	memcpy(padded, frame, sizeof(frame));
	assert_int_equal(medio_net_test_check(padded, sizeof(padded), &got), MEDIO_NET_TEST_GOOD);
}

static void content_differs(void **state)
{
	uint8_t one[1500], other[1500];

	medio_net_test_make(one, 1500, you, me, &(struct medio_net_test){ .sequence = 1 });
	medio_net_test_make(other, 1500, you, me, &(struct medio_net_test){ .sequence = 2 });
	assert_memory_not_equal(one + 60, other + 60, 1440);
	medio_net_test_make(
		other, 1500, you, me, &(struct medio_net_test){ .run = 1, .sequence = 1 });
	assert_memory_not_equal(one + 60, other + 60, 1440);
}

static void answers_what_is_to_be_answered(void **state)
{
	struct medio_net_test got;
	uint8_t frame[100];

	/* To everybody, to me; then it is an answer, which has none. */
	for (unsigned i = 0; i < 2; i++) {
		medio_net_test_make(
			frame, 100, i ? me : all, you, &(struct medio_net_test){ .run = 3 });
		assert_true(medio_net_answer(frame, 100, me));
		assert_memory_equal(frame, you, 6);
		assert_memory_equal(frame + 6, me, 6);
		assert_int_equal(medio_net_test_check(frame, 100, &got), MEDIO_NET_TEST_GOOD);
		assert_true(got.answer);
		assert_false(medio_net_answer(frame, 100, you));
	}
	/* To somebody else; from everybody, from nobody, from myself; too short. */
	medio_net_test_make(frame, 100, all, me, &(struct medio_net_test){ 0 });
	assert_false(medio_net_answer(frame, 100, me));
	medio_net_test_make(frame, 100, you, me, &(struct medio_net_test){ 0 });
	assert_false(medio_net_answer(frame, 100, all));
	medio_net_test_make(frame, 100, me, all, &(struct medio_net_test){ 0 });
	assert_false(medio_net_answer(frame, 100, me));
	memset(frame + 6, 0, 6);
	assert_false(medio_net_answer(frame, 100, me));
	assert_false(medio_net_answer(frame, 13, me));
	/* Other frames only if they are to me. */
	memcpy(frame, me, 6);
	memcpy(frame + 6, you, 6);
	frame[12] = 0x08;
	assert_true(medio_net_answer(frame, 14, me));
	memcpy(frame, all, 6);
	assert_false(medio_net_answer(frame, 14, me));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_in_words),
		cmocka_unit_test(nothing_raw_is_printed),
		cmocka_unit_test(addresses),
		cmocka_unit_test(every_bit_is_checked),
		cmocka_unit_test(content_differs),
		cmocka_unit_test(answers_what_is_to_be_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
