/* SPDX-License-Identifier: BSD-3-Clause */
#include "net-frame.h"

#include <endian.h>
#include <string.h>

#define ETHERNET 14u

/* Behind the Ethernet header, big-endian as on every wire. */
struct __attribute__((packed)) body {
	uint32_t magic, run;
	uint64_t sequence;
	uint16_t length; /* of the frame, which may be padded on its way */
	uint8_t answer, zero[5];
	uint64_t sum;
};

#define MAGIC 0x6d65646fu /* "medo" */
#define HEAD  (ETHERNET + (unsigned)sizeof(struct body))

_Static_assert(HEAD <= MEDIO_NET_TEST_LEAST, "a short frame has room for it");

static uint64_t mix(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return sum ^ sum >> 29;
}

/* Over the body without sum and answer, and the content; eight bytes at a time. */
static uint64_t checksum(const uint8_t *frame, size_t len, const struct body *body)
{
	uint64_t sum = mix(
		(uint64_t)be32toh(body->magic) << 32 | be32toh(body->run), be64toh(body->sequence));
	size_t at = HEAD;
	uint64_t word;

	sum = mix(sum, be16toh(body->length));
	for (; at + 8 <= len; at += 8) {
		memcpy(&word, frame + at, 8);
		sum = mix(sum, le64toh(word));
	}
	word = 0;
	memcpy(&word, frame + at, len - at);
	return mix(sum, le64toh(word));
}

void medio_net_test_make(uint8_t *frame, size_t len, const uint8_t to[6], const uint8_t from[6],
	const struct medio_net_test *test)
{
	struct body body = { .magic = htobe32(MAGIC),
		.run = htobe32(test->run),
		.sequence = htobe64(test->sequence),
		.length = htobe16((uint16_t)len),
		.answer = test->answer };
	uint64_t word = mix(test->run, test->sequence);

	memcpy(frame, to, 6);
	memcpy(frame + 6, from, 6);
	frame[12] = MEDIO_NET_TEST_TYPE >> 8;
	frame[13] = MEDIO_NET_TEST_TYPE & 0xff;
	for (size_t at = HEAD; at < len; at += 8) {
		const uint64_t le = htole64(word);
		memcpy(frame + at, &le, len - at < 8 ? len - at : 8);
		/* xorshift64. */
		word ^= word << 13;
		word ^= word >> 7;
		word ^= word << 17;
	}
	body.sum = htobe64(checksum(frame, len, &body));
	memcpy(frame + ETHERNET, &body, sizeof(body));
}

enum medio_net_test_kind medio_net_test_check(
	const uint8_t *frame, size_t len, struct medio_net_test *out)
{
	struct body body;

	if (len < HEAD || (frame[12] << 8 | frame[13]) != MEDIO_NET_TEST_TYPE)
		return MEDIO_NET_TEST_NONE;
	memcpy(&body, frame + ETHERNET, sizeof(body));
	if (be32toh(body.magic) != MAGIC)
		return MEDIO_NET_TEST_NONE;
	*out = (struct medio_net_test){
		.run = be32toh(body.run), .sequence = be64toh(body.sequence), .answer = body.answer
	};
	size_t length = be16toh(body.length);
	if (length < HEAD || length > len || checksum(frame, length, &body) != be64toh(body.sum))
		return MEDIO_NET_TEST_DAMAGED;
	return MEDIO_NET_TEST_GOOD;
}

bool medio_net_answer(uint8_t *frame, size_t len, const uint8_t mac[6])
{
	static const uint8_t nobody[6] = { 0 };
	bool mine = len >= ETHERNET && !memcmp(frame, mac, 6);
	struct medio_net_test test;
	struct body body;

	if (len < ETHERNET || frame[6] & 1 || !memcmp(frame + 6, nobody, 6) ||
		!memcmp(frame + 6, mac, 6))
		return false;
	/* A damaged one too: who sent it learns what became of it. */
	if (medio_net_test_check(frame, len, &test) != MEDIO_NET_TEST_NONE) {
		if (test.answer || !(mine || frame[0] & 1))
			return false;
		memcpy(&body, frame + ETHERNET, sizeof(body));
		body.answer = 1;
		memcpy(frame + ETHERNET, &body, sizeof(body));
	} else if (!mine) {
		return false;
	}
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, mac, 6);
	return true;
}
