/* SPDX-License-Identifier: BSD-3-Clause */
/* VERSION, the cutting of a stream into messages, and who may come in. */
#include "bed.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/version.h"
#include "serve/inbox.h"

/* What QEMU 11.1.3 says, 214 bytes with both headers. */
static const char qemu_json[] =
	"{\"capabilities\":{\"pgsizes\":4096,\"max_msg_fds\":16,\"max_dma_maps\":65535,"
	"\"max_data_xfer_size\":1048576,\"migration\":{\"pgsize\":4096,\"max_bitmap_size\":268435456"
	"},\"write_multiple\":true}}";

/* ---- VERSION ------------------------------------------------------------------------------------- */

static int hello(struct client *c, uint16_t major, uint16_t minor, const void *json, size_t size,
	struct message *reply)
{
	uint8_t payload[8192];
	struct medio_vu_version version = { major, minor };
	memcpy(payload, &version, sizeof(version));
	if (size)
		memcpy(payload + sizeof(version), json, size);
	return client_call(c, MEDIO_VU_VERSION, payload, sizeof(version) + size, reply);
}

static void parse(const struct message *reply, struct medio_vu_caps *caps)
{
	assert_int_equal(
		medio_vu_caps_parse((const char *)reply->payload + sizeof(struct medio_vu_version),
			reply->size - sizeof(struct medio_vu_version), caps, NULL),
		0);
}

static void qemus_version_gets_a_reply_no_longer_than_its_request(void **state)
{
	struct medio_vu_version version;
	struct medio_vu_caps caps;
	struct message reply;
	struct client c;
	client_open(&c, *state);
	assert_int_equal(hello(&c, 0, 0, qemu_json, sizeof(qemu_json), &reply), 0);
	assert_true(reply.hdr.size <= 16 + 4 + sizeof(qemu_json));
	memcpy(&version, reply.payload, sizeof(version));
	assert_int_equal(version.major, 0);
	assert_int_equal(version.minor, 0);
	assert_int_equal(reply.payload[reply.size - 1], 0);
	/* QEMU assumes 8 where it is not said. */
	assert_non_null(strstr((char *)reply.payload + 4, "max_msg_fds"));
	parse(&reply, &caps);
	assert_int_equal(caps.max_msg_fds, MEDIO_INBOX_MAX_FDS);
	assert_int_equal(caps.max_data_xfer_size, 1 << 20);
	assert_true(caps.write_multiple);
	assert_int_equal(c.nfds, 0);
	client_close(&c);
}

static void a_version_without_json_means_the_defaults(void **state)
{
	struct medio_vu_caps caps;
	struct message reply;
	struct client c;
	client_open(&c, *state);
	assert_int_equal(hello(&c, 0, 0, NULL, 0, &reply), 0);
	parse(&reply, &caps);
	assert_int_equal(caps.max_data_xfer_size, 1 << 20);
	assert_false(caps.write_multiple); /* what was not offered is not taken */
	client_close(&c);
}

static void a_newer_minor_is_answered_with_ours(void **state)
{
	struct medio_vu_version version;
	struct message reply;
	struct client c;
	client_open(&c, *state);
	assert_int_equal(hello(&c, 0, 9, NULL, 0, &reply), 0);
	memcpy(&version, reply.payload, sizeof(version));
	assert_int_equal(version.minor, 0);
	client_close(&c);
}

static void refused(void **state, uint16_t major, const void *json, size_t size, const char *words)
{
	struct bed *bed = *state;
	struct client c, good;
	client_open(&c, bed);
	assert_int_equal(hello(&c, major, 0, json, size, NULL), -EINVAL);
	assert_true(client_gone(&c));
	assert_true(bed_said(bed, words));
	client_close(&c);
	client_hello(&good, bed);
	client_close(&good);
}

static void another_major_is_refused_in_words(void **state)
{
	refused(state, 1, NULL, 0, "it speaks vfio-user 1.0, this is 0.0");
}

static void json_that_is_none_is_refused(void **state)
{
	refused(state, 0, "{\"capabilities\":", 17, "cannot be read");
}

static void json_without_its_nul_is_refused(void **state)
{
	refused(state, 0, "{}", 2, "cannot be read");
}

static void a_data_size_of_nothing_is_refused(void **state)
{
	static const char json[] = "{\"capabilities\":{\"max_data_xfer_size\":0}}";
	refused(state, 0, json, sizeof(json), "max_data_xfer_size");
}

static void a_version_cut_short_is_refused(void **state)
{
	struct client c;
	uint16_t half = 0;
	client_open(&c, *state);
	assert_int_equal(client_call(&c, MEDIO_VU_VERSION, &half, sizeof(half), NULL), -EINVAL);
	assert_true(client_gone(&c));
	client_close(&c);
}

static void a_second_version_is_an_error_and_harmless(void **state)
{
	struct client c;
	client_hello(&c, *state);
	assert_int_equal(hello(&c, 0, 0, NULL, 0, NULL), -EINVAL);
	assert_int_equal(client_read32(&c, MEDIO_REGION_CONFIG, 0), TOY_DEVICE << 16 | TOY_VENDOR);
	client_close(&c);
}

static void whoever_does_not_begin_with_version_is_closed(void **state)
{
	struct client c;
	client_open(&c, *state);
	client_send(&c, MEDIO_VU_RESET, 0, NULL, 0);
	assert_true(client_gone(&c));
	assert_true(bed_said(*state, "its first message was RESET, not VERSION"));
	assert_null(strstr(((struct bed *)*state)->toy->log, "reset"));
	client_close(&c);
}

/* ---- Other clients ---------------------------------------------------------------------------------- */

static void a_second_client_is_told_ebusy_and_may_come_later(void **state)
{
	struct bed *bed = *state;
	struct client a, b;
	client_hello(&a, bed);
	client_open(&b, bed);
	assert_int_equal(hello(&b, 0, 0, NULL, 0, NULL), -EBUSY);
	assert_true(client_gone(&b));
	client_close(&b);
	assert_int_equal(client_read32(&a, MEDIO_REGION_CONFIG, 0), TOY_DEVICE << 16 | TOY_VENDOR);
	client_close(&a);
	client_hello(&b, bed);
	client_close(&b);
	assert_non_null(strstr(bed->toy->log, "client 1;client 0;client 1;client 0;"));
}

static void a_silent_client_loses_its_place_in_time(void **state)
{
	(void)state;
	struct medio_server_options opts = { .client_timeout_ms = 30 };
	struct client silent, good;
	struct bed bed;
	bed_open(&bed, &opts);
	client_open(&silent, &bed);
	bed_step(&bed);
	uint64_t start = medio_now_ns();
	while (!client_gone(&silent)) {
		assert_true(medio_now_ns() - start < 60000000000u);
		medio_loop_run_once(bed.loop, 1);
	}
	assert_true(medio_now_ns() - start >= 25000000);
	assert_true(bed_said(&bed, "it said nothing in time"));
	client_hello(&good, &bed);
	client_close(&silent);
	client_close(&good);
	bed_close(&bed);
}

static void half_a_message_loses_its_place_in_time(void **state)
{
	(void)state;
	struct medio_server_options opts = { .client_timeout_ms = 30 };
	struct client c;
	struct bed bed;
	uint8_t half[20];
	bed_open(&bed, &opts);
	client_hello(&c, &bed);
	memset(half, 0, sizeof(half));
	client_put(&c, half, MEDIO_VU_GET_INFO, 0, NULL, 0);
	half[4] = 32; /* size */
	client_bytes(&c, half, sizeof(half), NULL, 0);
	assert_true(client_silent(&c));
	uint64_t start = medio_now_ns();
	while (!client_gone(&c)) {
		assert_true(medio_now_ns() - start < 60000000000u);
		medio_loop_run_once(bed.loop, 1);
	}
	assert_true(bed_said(&bed, "the rest of a message did not come in time"));
	client_close(&c);
	bed_close(&bed);
}

/* Each receive of a busy stream ends in the middle of a message. */
static void a_stream_that_never_pauses_is_not_taken_for_half_a_message(void **state)
{
	(void)state;
	struct medio_server_options opts = { .client_timeout_ms = 500 };
	struct medio_vu_region_access access = { 0, 2, 4 };
	uint8_t payload[20] = { 0 }, message[36];
	struct client c;
	struct bed bed;
	bed_open(&bed, &opts);
	client_hello(&c, &bed);
	memcpy(payload, &access, sizeof(access));
	client_put(&c, message, MEDIO_VU_REGION_WRITE, MEDIO_VU_NO_REPLY, payload, sizeof(payload));
	client_bytes(&c, message, 10, NULL, 0);
	uint64_t start = medio_now_ns();
	while (medio_now_ns() - start < 1500000000) {
		/* The rest of one, the beginning of the next. */
		client_bytes(&c, message + 10, sizeof(message) - 10, NULL, 0);
		client_bytes(&c, message, 10, NULL, 0);
		medio_loop_run_once(bed.loop, 0);
	}
	client_bytes(&c, message + 10, sizeof(message) - 10, NULL, 0);
	assert_int_equal(client_read32(&c, MEDIO_REGION_CONFIG, 0), TOY_DEVICE << 16 | TOY_VENDOR);
	client_close(&c);
	bed_close(&bed);
}

/* ---- The stream ------------------------------------------------------------------------------------- */

static void messages_may_come_byte_by_byte(void **state)
{
	struct medio_vu_region_access access = { 0x100, 2, 8 };
	uint8_t payload[24], message[64];
	struct message reply;
	struct client c;
	client_hello(&c, *state);
	memcpy(payload, &access, sizeof(access));
	memcpy(payload + sizeof(access), "bytewise", 8);
	size_t size = client_put(&c, message, MEDIO_VU_REGION_WRITE, 0, payload, sizeof(payload));
	for (size_t i = 0; i < size; i++) {
		assert_true(client_silent(&c));
		client_bytes(&c, message + i, 1, NULL, 0);
	}
	assert_true(client_recv(&c, &reply));
	assert_int_equal(reply.hdr.error, 0);
	assert_memory_equal(((struct bed *)*state)->toy->store + 0x100, "bytewise", 8);
	client_close(&c);
}

static void every_cut_of_two_messages_is_the_same_to_us(void **state)
{
	struct medio_vu_device_info info = { sizeof(info), 0, 0, 0 };
	uint8_t both[64];
	struct message reply;
	struct client c;
	client_hello(&c, *state);
	for (size_t cut = 1; cut < sizeof(both); cut++) {
		client_put(&c, both, MEDIO_VU_GET_INFO, 0, &info, sizeof(info));
		client_put(&c, both + 32, MEDIO_VU_GET_INFO, 0, &info, sizeof(info));
		client_bytes(&c, both, cut, NULL, 0);
		bed_step(*state);
		client_bytes(&c, both + cut, sizeof(both) - cut, NULL, 0);
		for (unsigned i = 2; i-- > 0;) {
			assert_true(client_recv(&c, &reply));
			assert_int_equal(reply.hdr.id, (uint16_t)(c.id - i));
			assert_int_equal(reply.size, sizeof(info));
		}
	}
	assert_true(client_silent(&c));
	client_close(&c);
}

static void hundreds_of_requests_in_one_send_are_answered_in_order(void **state)
{
	enum { MANY = 700 };
	struct medio_vu_region_access access = { 0, MEDIO_REGION_CONFIG, 4 };
	uint8_t *all = malloc(MANY * 32u);
	struct message reply;
	struct client c;
	size_t size = 0;
	client_hello(&c, *state);
	uint16_t first = (uint16_t)(c.id + 1);
	for (unsigned i = 0; i < MANY; i++)
		size += client_put(
			&c, all + size, MEDIO_VU_REGION_READ, 0, &access, sizeof(access));
	client_bytes(&c, all, size, NULL, 0);
	for (unsigned i = 0; i < MANY; i++) {
		assert_true(client_recv(&c, &reply));
		assert_int_equal(reply.hdr.id, (uint16_t)(first + i));
		assert_int_equal(reply.size, sizeof(access) + 4);
	}
	assert_true(client_silent(&c));
	free(all);
	client_close(&c);
}

static void what_wants_no_reply_gets_none_whatever_happens(void **state)
{
	struct medio_vu_region_access bad = { 0, 3, 4 };
	struct medio_vu_irq_set irq = { sizeof(irq), 0x99, 7, 0, 0 };
	struct client c;
	client_hello(&c, *state);
	for (uint16_t cmd = 2; cmd < 25; cmd++) {
		client_send(&c, cmd, MEDIO_VU_NO_REPLY, NULL, 0);
		client_send(&c, cmd, MEDIO_VU_NO_REPLY, &bad, sizeof(bad));
		client_send(&c, cmd, MEDIO_VU_NO_REPLY, &irq, sizeof(irq));
	}
	assert_true(client_silent(&c));
	assert_int_equal(client_read32(&c, MEDIO_REGION_CONFIG, 0), TOY_DEVICE << 16 | TOY_VENDOR);
	client_close(&c);
}

static void commands_that_are_none_are_enosys(void **state)
{
	static const uint16_t none[] = { 0, MEDIO_VU_DMA_READ, MEDIO_VU_DMA_WRITE, 14, 19, 65535 };
	struct client c;
	client_hello(&c, *state);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_int_equal(client_call(&c, none[i], "12345678", 8, NULL), -ENOSYS);
	client_close(&c);
}

static void closed_over(void **state, const struct medio_vu_header *hdr, const char *words)
{
	struct client c;
	client_hello(&c, *state);
	client_bytes(&c, hdr, sizeof(*hdr), NULL, 0);
	assert_true(client_gone(&c));
	assert_true(bed_said(*state, words));
	client_close(&c);
}

static void sizes_that_cannot_be_close_the_offender(void **state)
{
	struct medio_vu_header hdr = { 1, MEDIO_VU_GET_INFO, 15, 0, 0 };
	closed_over(state, &hdr, "impossible size");
	hdr.size = (1 << 20) + 4096 + 1;
	closed_over(state, &hdr, "impossible size");
	hdr.size = UINT32_MAX;
	closed_over(state, &hdr, "impossible size");
	hdr.size = 0;
	closed_over(state, &hdr, "impossible size");
}

static void what_is_neither_command_nor_reply_closes_the_offender(void **state)
{
	struct medio_vu_header hdr = { 1, MEDIO_VU_GET_INFO, 16, 2, 0 };
	closed_over(state, &hdr, "neither command nor reply");
}

static void a_reply_to_nothing_closes_the_offender(void **state)
{
	struct medio_vu_header hdr = { 1, MEDIO_VU_DMA_READ, 16, MEDIO_VU_REPLY, 0 };
	closed_over(state, &hdr, "replied to a DMA_READ that was not asked");
}

/* ---- Descriptors ------------------------------------------------------------------------------------- */

static size_t put_map(struct client *c, uint8_t *at, uint64_t iova)
{
	struct medio_vu_dma_map map = { sizeof(map), MAP_RW, 0, iova, 4096 };
	return client_put(c, at, MEDIO_VU_DMA_MAP, 0, &map, sizeof(map));
}

static size_t put_irqs(struct client *c, uint8_t *at, uint32_t start, uint32_t count)
{
	struct medio_vu_irq_set set = { sizeof(set), MSI_TRIGGER, MEDIO_IRQ_MSIX, start, count };
	return client_put(c, at, MEDIO_VU_SET_IRQS, 0, &set, sizeof(set));
}

static void expect_replies(struct client *c, unsigned n)
{
	struct message reply;
	while (n--) {
		assert_true(client_recv(c, &reply));
		assert_int_equal(reply.hdr.error, 0);
	}
}

static bool is_remote(struct bed *bed, uint64_t iova)
{
	char word;
	bed->toy->regs[TOY_IOVA / 4] = (uint32_t)(iova >> 12);
	return medio_dma_read(bed->toy->dev, iova, &word, 1) == -EREMOTE;
}

static void descriptors_find_their_message_among_glued_ones(void **state)
{
	struct bed *bed = *state;
	uint8_t buf[512];
	struct client c;
	int event = event_new(), mem = memory_new(4096);
	client_hello(&c, bed);
	client_master(&c, true);

	/* A map without, then SET_IRQS with: two sends that arrive in one receive. */
	size_t size = put_map(&c, buf, 0x1000);
	client_bytes(&c, buf, size, NULL, 0);
	size = put_irqs(&c, buf, 0, 1);
	client_bytes(&c, buf, size, &event, 1);
	expect_replies(&c, 2);
	assert_true(is_remote(bed, 0x1000));
	medio_irq_pulse(bed->toy->dev, 0);
	assert_int_equal(event_take(event), 1);

	/* A map with, then one without. */
	size = put_map(&c, buf, 0x2000);
	client_bytes(&c, buf, size, &mem, 1);
	size = put_map(&c, buf, 0x3000);
	client_bytes(&c, buf, size, NULL, 0);
	expect_replies(&c, 2);
	assert_false(is_remote(bed, 0x2000));
	assert_true(is_remote(bed, 0x3000));

	/* The same with requests of no interest around and both in one send. */
	size = client_put(&c, buf, MEDIO_VU_RESET, 0, NULL, 0);
	size += put_map(&c, buf + size, 0x4000);
	size += client_put(&c, buf + size, MEDIO_VU_RESET, 0, NULL, 0);
	client_bytes(&c, buf, size, &mem, 1);
	expect_replies(&c, 3);
	client_master(&c, true);
	assert_false(is_remote(bed, 0x4000));

	/* With the first byte of a message that comes in pieces. */
	size = put_map(&c, buf, 0x5000);
	client_bytes(&c, buf, 1, &mem, 1);
	bed_step(bed);
	client_bytes(&c, buf + 1, size - 1, NULL, 0);
	expect_replies(&c, 1);
	assert_false(is_remote(bed, 0x5000));

	/* With its last byte. */
	size = put_map(&c, buf, 0x6000);
	client_bytes(&c, buf, size - 1, NULL, 0);
	bed_step(bed);
	client_bytes(&c, buf + size - 1, 1, &mem, 1);
	expect_replies(&c, 1);
	assert_false(is_remote(bed, 0x6000));

	/* Behind the beginning of a message that takes none. */
	struct medio_vu_device_info info = { sizeof(info), 0, 0, 0 };
	size = put_map(&c, buf, 0x7000);
	size_t all = size + client_put(&c, buf + size, MEDIO_VU_GET_INFO, 0, &info, sizeof(info));
	client_bytes(&c, buf, size + 17, &mem, 1);
	bed_step(bed);
	client_bytes(&c, buf + size + 17, all - size - 17, NULL, 0);
	expect_replies(&c, 2);
	assert_false(is_remote(bed, 0x7000));

	client_close(&c);
	close(event);
	close(mem);
}

static void descriptors_nobody_wants_are_closed(void **state)
{
	struct bed *bed = *state;
	struct medio_vu_device_info info = { sizeof(info), 0, 0, 0 };
	struct client c;
	int fds[8];
	client_hello(&c, bed);
	unsigned before = bed_count_fds();
	for (int i = 0; i < 8; i++)
		fds[i] = event_new();
	assert_int_equal(
		client_call_fds(&c, MEDIO_VU_GET_INFO, &info, sizeof(info), fds, 8, NULL), 0);
	/* Two with one map, and an event for a region. */
	struct medio_vu_dma_map map = { sizeof(map), MAP_RW, 0, 0x1000, 4096 };
	assert_int_equal(
		client_call_fds(&c, MEDIO_VU_DMA_MAP, &map, sizeof(map), fds, 2, NULL), -EINVAL);
	for (int i = 0; i < 8; i++)
		close(fds[i]);
	assert_int_equal(bed_count_fds(), before);
	client_close(&c);
}

static void more_descriptors_than_allowed_close_the_offender(void **state)
{
	struct bed *bed = *state;
	uint8_t buf[64];
	struct client c;
	int fds[CLIENT_FDS + 1];
	unsigned before = bed_count_fds();
	for (int i = 0; i < CLIENT_FDS + 1; i++)
		fds[i] = event_new();
	client_hello(&c, bed);
	size_t size = put_irqs(&c, buf, 0, 17);
	client_bytes(&c, buf, size, fds, CLIENT_FDS + 1);
	assert_true(client_gone(&c));
	assert_true(bed_said(bed, "it sent more descriptors than allowed"));
	client_close(&c);
	for (int i = 0; i < CLIENT_FDS + 1; i++)
		close(fds[i]);
	assert_int_equal(bed_count_fds(), before);
}

static void sixteen_descriptors_are_allowed(void **state)
{
	struct bed *bed = *state;
	struct client c;
	int fds[CLIENT_FDS];
	for (int i = 0; i < CLIENT_FDS; i++)
		fds[i] = event_new();
	client_hello(&c, bed);
	assert_int_equal(
		client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_MSIX, 0, CLIENT_FDS, fds, CLIENT_FDS), 0);
	medio_irq_pulse(bed->toy->dev, 15);
	assert_int_equal(event_take(fds[15]), 1);
	client_close(&c);
	for (int i = 0; i < CLIENT_FDS; i++)
		close(fds[i]);
}

/* The kernel drops descriptors there is no room for: half of them must not pass for all. */
static void a_lack_of_descriptors_is_not_taken_for_none_sent(void **state)
{
	struct bed *bed = *state;
	struct rlimit was, tight;
	uint8_t buf[64];
	struct client c;
	const char *preload = getenv("LD_PRELOAD");
	if (preload && strstr(preload, "vgpreload"))
		skip(); /* valgrind keeps the limit to itself, the kernel never hears of it */
	int mem = memory_new(4096);
	client_hello(&c, bed);
	client_master(&c, true);
	toy_forget_log(bed->toy);
	size_t size = put_map(&c, buf, 0x1000);
	client_bytes(&c, buf, size, &mem, 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	tight = was;
	tight.rlim_cur = (rlim_t)mem + 1; /* all below are taken */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	bool gone = client_gone(&c);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_true(gone);
	assert_null(strstr(bed->toy->log, "map 0x1000"));
	client_close(&c);
	close(mem);
}

/* ---- Ten thousand bad clients ------------------------------------------------------------------------- */

static void garbage(struct client *c, unsigned seed)
{
	uint8_t bytes[200];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
	client_bytes(c, bytes, sizeof(bytes), NULL, 0);
}

static void bad_client(struct bed *bed, unsigned n, const int *fds)
{
	struct medio_vu_header hdr = { 1, MEDIO_VU_VERSION, 16 + 4, 0, 0 };
	struct medio_vu_version version = { 7, 0 };
	uint8_t buf[256] = { 0 };
	struct client c;
	client_open(&c, bed);
	size_t size;
	switch (n % 8) {
	case 0:
		garbage(&c, n);
		break;
	case 1:
		client_send(&c, MEDIO_VU_VERSION, 0, &version, sizeof(version));
		break;
	case 2:
		hdr.size = UINT32_MAX;
		client_bytes(&c, &hdr, sizeof(hdr), NULL, 0);
		break;
	case 3: /* half a message, then gone */
		client_bytes(&c, &hdr, 1 + n % 15, NULL, 0);
		break;
	case 4: /* too many descriptors */
		size = put_irqs(&c, buf, 0, 1);
		client_bytes(&c, buf, size, fds, 20);
		break;
	case 5: /* gone at once */
		break;
	case 6: /* good manners first */
		version.major = 0;
		client_send(&c, MEDIO_VU_VERSION, 0, &version, sizeof(version));
		size = put_irqs(&c, buf, 0, 8);
		client_bytes(&c, buf, size, fds, 8);
		size = put_map(&c, buf, (uint64_t)n << 12);
		client_bytes(&c, buf, size, NULL, 0);
		garbage(&c, n);
		break;
	default: /* descriptors with half a message, then silence */
		client_bytes(&c, buf, 8, fds, 4);
		break;
	}
	if (n % 3)
		bed_step(bed);
	client_close(&c);
}

static void ten_thousand_bad_clients_leave_no_trace(void **state)
{
	(void)state;
	struct medio_server_options opts = { .client_timeout_ms = 20 };
	struct client good;
	struct bed bed;
	int fds[20];
	bed_open(&bed, &opts);
	for (int i = 0; i < 20; i++)
		fds[i] = event_new();
	for (unsigned n = 0; n < 100; n++) /* what is made once is made */
		bad_client(&bed, n, fds);
	bed_step(&bed);
	unsigned open_fds = bed_count_fds();
	struct mallinfo2 before = mallinfo2();
	for (unsigned n = 0; n < 10000; n++)
		bad_client(&bed, n, fds);
	bed_step(&bed);
	struct mallinfo2 after = mallinfo2();
	assert_int_equal(bed_count_fds(), open_fds);
	/* malloc keeps some freed pieces for later; one byte a client would be more. */
	assert_true(after.uordblks <= before.uordblks + 4096);
	client_hello(&good, &bed);
	assert_int_equal(
		client_read32(&good, MEDIO_REGION_CONFIG, 0), TOY_DEVICE << 16 | TOY_VENDOR);
	client_close(&good);
	for (int i = 0; i < 20; i++)
		close(fds[i]);
	bed_close(&bed);
}

static void bad_clients_do_not_disturb_a_good_one(void **state)
{
	struct bed *bed = *state;
	struct client good;
	int fds[20];
	for (int i = 0; i < 20; i++)
		fds[i] = event_new();
	client_hello(&good, bed);
	for (unsigned n = 0; n < 200; n++) {
		bad_client(bed, n, fds);
		client_write32(&good, 2, 0, n);
		assert_int_equal(client_read32(&good, 2, 0), n);
	}
	client_close(&good);
	for (int i = 0; i < 20; i++)
		close(fds[i]);
}

#define BED_TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED_TEST(qemus_version_gets_a_reply_no_longer_than_its_request),
		BED_TEST(a_version_without_json_means_the_defaults),
		BED_TEST(a_newer_minor_is_answered_with_ours),
		BED_TEST(another_major_is_refused_in_words),
		BED_TEST(json_that_is_none_is_refused),
		BED_TEST(json_without_its_nul_is_refused),
		BED_TEST(a_data_size_of_nothing_is_refused),
		BED_TEST(a_version_cut_short_is_refused),
		BED_TEST(a_second_version_is_an_error_and_harmless),
		BED_TEST(whoever_does_not_begin_with_version_is_closed),
		BED_TEST(a_second_client_is_told_ebusy_and_may_come_later),
		cmocka_unit_test(a_silent_client_loses_its_place_in_time),
		cmocka_unit_test(half_a_message_loses_its_place_in_time),
		cmocka_unit_test(a_stream_that_never_pauses_is_not_taken_for_half_a_message),
		BED_TEST(messages_may_come_byte_by_byte),
		BED_TEST(every_cut_of_two_messages_is_the_same_to_us),
		BED_TEST(hundreds_of_requests_in_one_send_are_answered_in_order),
		BED_TEST(what_wants_no_reply_gets_none_whatever_happens),
		BED_TEST(commands_that_are_none_are_enosys),
		BED_TEST(sizes_that_cannot_be_close_the_offender),
		BED_TEST(what_is_neither_command_nor_reply_closes_the_offender),
		BED_TEST(a_reply_to_nothing_closes_the_offender),
		BED_TEST(descriptors_find_their_message_among_glued_ones),
		BED_TEST(descriptors_nobody_wants_are_closed),
		BED_TEST(more_descriptors_than_allowed_close_the_offender),
		BED_TEST(sixteen_descriptors_are_allowed),
		BED_TEST(a_lack_of_descriptors_is_not_taken_for_none_sent),
		BED_TEST(bad_clients_do_not_disturb_a_good_one),
		cmocka_unit_test(ten_thousand_bad_clients_leave_no_trace),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
