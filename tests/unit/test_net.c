/* SPDX-License-Identifier: BSD-3-Clause */
/* Networks in general: which one, what happens to frames on their way, who waits for whom; null and loop, the
 * recording, the queue. */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/frame.h"
#include "net/pcap.h"
#include "net/queue.h"
#include "test_net_bed.h"

static struct medio_loop *loop;
static struct net_bed *bed;

static int setup(void **state)
{
	net_bed_forget_words();
	return medio_loop_new(&loop);
}

static int teardown(void **state)
{
	net_bed_close(bed);
	bed = NULL;
	medio_loop_free(loop);
	return 0;
}

static void said(const char *what)
{
	if (!strstr(net_bed_words(), what))
		fail_msg("'%s' does not say '%s'", net_bed_words(), what);
}

static void open_net(const char *a, const char *b)
{
	const char *const params[] = { a, b, NULL };

	bed = net_bed_open(loop, params);
	if (!bed)
		fail_msg("%s", net_bed_words());
}

static void refused(const char *a, const char *b, const char *words)
{
	const char *const params[] = { a, b, NULL };

	net_bed_forget_words();
	assert_null(net_bed_open(loop, params));
	said(words);
}

static struct net_counts counts(void)
{
	struct net_counts now;

	net_get_counts(bed->net, &now);
	return now;
}

/* A segment of TCP over IPv4 with so many bytes to carry, and its header for pieces of gso_size. */
static size_t make_segment(
	uint8_t *frame, size_t payload, unsigned gso_size, struct virtio_net_hdr_v1 *hdr)
{
	memset(frame, 0, 54);
	memset(frame, 0x22, 12);
	frame_put16(frame + 12, 0x0800);
	frame[14] = 0x45;
	frame[23] = 6;
	frame[46] = 0x50;
	for (size_t i = 0; i < payload; i++)
		frame[54 + i] = (uint8_t)(i ^ i >> 8);
	*hdr = (struct virtio_net_hdr_v1){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = htole16((uint16_t)gso_size),
		.csum_start = htole16(34),
		.csum_offset = htole16(16),
	};
	return 54 + payload;
}

/* ---- Choice ---------------------------------------------------------------------------------------- */

static void a_card_has_one_network(void **state)
{
	refused("null=on", "loop=on", "null and loop: a card has one network");
	refused("user=on", "tap=t0", "user and tap");
	refused("socket=unix:/x", "switch=s", "socket and switch");
	refused("null=on", "hostfwd=tcp::1-:1", "hostfwd: this is for the network 'user' only");
	refused("tap=t0", "tftp=/", "and the one chosen is 'tap'");
	refused("loop=on", "bootfile=x", "bootfile");
	refused("loop=on", "restricted=on", "restricted");
	refused("tap=", NULL, "1 to 15 characters");
	refused("tap=a-name-that-is-too-long", NULL, "1 to 15 characters");
	refused("switch=", NULL, "1 to 63 characters");
	refused("socket=somewhere", NULL, "none of unix:PATH");
	refused("socket=unix:", NULL, "1 to 107 characters");
	refused("socket=tcp:localhost", NULL, "has to be a port");
	refused("socket=tcp::0", NULL, "has to be a port");
	refused("socket=tcp::70000", NULL, "has to be a port");
	refused("socket=tcp::12x", NULL, "has to be a port");
	refused("socket=tcp:[::1:5", NULL, "[::1");
	refused("socket=listen-unix:/does/not/exist", NULL, "cannot listen at");
}

/* ---- null and loop --------------------------------------------------------------------------------- */

static void null_counts_and_loses(void **state)
{
	uint8_t frame[60] = { 0 };

	open_net("null=on", NULL);
	assert_string_equal(net_describe(bed->net), "null");
	assert_true(net_is_up(bed->net));
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(net_bed_send(bed, frame, sizeof(frame)), 0);
	assert_int_equal(counts().sent, 5);
	assert_int_equal(counts().sent_bytes, 300);
	assert_int_equal(counts().received, 0);
	assert_int_equal(bed->num_frames, 0);
}

static void loop_gives_each_frame_back(void **state)
{
	uint8_t frame[1514];

	open_net("loop=on", NULL);
	for (unsigned i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)i;
	assert_int_equal(net_bed_send_hdr(bed, frame, 60, NULL), 0);
	assert_int_equal(net_bed_send_hdr(bed, frame, sizeof(frame), NULL), 0);
	assert_int_equal(bed->batches, 0);
	net_flush(bed->net);
	assert_int_equal(bed->batches, 1);
	net_flush(bed->net);
	assert_int_equal(bed->batches, 1);
	assert_int_equal(bed->num_frames, 2);
	assert_int_equal(bed->frames[0].bytes, 60);
	assert_int_equal(bed->frames[1].bytes, sizeof(frame));
	assert_memory_equal(bed->frames[1].data, frame, sizeof(frame));
	assert_int_equal(counts().received_bytes, 60 + sizeof(frame));
}

static void a_card_without_room_makes_its_own_frames_wait(void **state)
{
	uint8_t frame[60] = { 0 };

	open_net("loop=on", NULL);
	bed->room = 1;
	assert_int_equal(net_bed_send(bed, frame, sizeof(frame)), 0);
	assert_int_equal(net_bed_send(bed, frame, sizeof(frame)), -EAGAIN);
	assert_int_equal(net_bed_send(bed, frame, sizeof(frame)), -EAGAIN);
	/* It is asked once, and not again before it says so. */
	assert_int_equal(bed->refused, 1);
	assert_int_equal(bed->ready, 0);
	bed->room = 1;
	net_resume(bed->net);
	assert_int_equal(bed->ready, 1);
	assert_int_equal(net_bed_send(bed, frame, sizeof(frame)), 0);
	assert_int_equal(bed->num_frames, 2);
	assert_int_equal(counts().dropped, 0);
	net_resume(bed->net);
	assert_int_equal(bed->ready, 1);
}

static void a_driver_that_can_gets_frames_as_they_are(void **state)
{
	static uint8_t frame[10000];
	struct virtio_net_hdr_v1 hdr;
	size_t len;

	open_net("loop=on", NULL);
	len = make_segment(frame, 9000, 1000, &hdr);
	hdr.hdr_len = htole16(14); /* wrong, as drivers are */
	net_set_can(bed->net, NET_CAN_CSUM | NET_CAN_TSO4);
	assert_int_equal(net_bed_send_hdr(bed, frame, len, &hdr), 0);
	assert_int_equal(bed->num_frames, 1);
	assert_int_equal(bed->frames[0].hdr.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(le16toh(bed->frames[0].hdr.hdr_len), 54);
	assert_int_equal(counts().cut, 0);
	/* Without checksums nothing of the kind is possible, whatever it says. */
	net_set_can(bed->net, NET_CAN_TSO4);
	assert_int_equal(net_bed_send_hdr(bed, frame, len, &hdr), 0);
	assert_int_equal(bed->num_frames, 1 + 9);
	assert_int_equal(bed->frames[9].hdr.gso_type, 0);
	assert_int_equal(counts().cut, 1);
	/* Its checksum alone. */
	net_set_can(bed->net, 0);
	hdr.gso_type = 0;
	assert_int_equal(net_bed_send_hdr(bed, frame, len, &hdr), 0);
	assert_int_equal(bed->frames[10].hdr.flags, 0);
	assert_int_equal(counts().summed, 1);
	/* Not one that the other side cannot have either: ECN. */
	net_set_can(bed->net, NET_CAN_CSUM | NET_CAN_TSO4);
	hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN;
	assert_int_equal(net_bed_send_hdr(bed, frame, len, &hdr), 0);
	assert_int_equal(counts().cut, 2);
}

static void the_rest_of_a_cut_frame_waits_for_room(void **state)
{
	static uint8_t frame[10000];
	struct virtio_net_hdr_v1 hdr;
	size_t len, at = 0;

	open_net("loop=on", NULL);
	len = make_segment(frame, 9500, 1000, &hdr);
	bed->room = 0;
	assert_int_equal(net_bed_send_hdr(bed, frame, len, &hdr), -EAGAIN);
	bed->room = 3;
	net_resume(bed->net);
	assert_int_equal(bed->ready, 1);
	assert_int_equal(net_bed_send_hdr(bed, frame, len, &hdr), 0);
	assert_int_equal(bed->num_frames, 3);
	/* The frame's memory is the driver's again. */
	uint8_t *copy = malloc(len);
	assert_non_null(copy);
	memcpy(copy, frame, len);
	memset(frame, 0xee, len);
	assert_int_equal(net_bed_send(bed, frame, 60), -EAGAIN);
	for (unsigned i = 0; i < 6; i++) {
		bed->room = 1;
		net_resume(bed->net);
	}
	assert_int_equal(bed->num_frames, 9);
	assert_int_equal(bed->ready, 1);
	bed->room = 2;
	net_resume(bed->net);
	assert_int_equal(bed->num_frames, 10);
	assert_int_equal(bed->ready, 2);
	for (unsigned i = 0; i < 10; i++) {
		const struct net_bed_frame *piece = &bed->frames[i];

		assert_int_equal(piece->bytes, 54 + (i < 9 ? 1000 : 500));
		assert_int_equal(frame_get32(piece->data + 38), at);
		assert_memory_equal(piece->data + 54, copy + 54 + at, piece->bytes - 54);
		at += piece->bytes - 54;
	}
	assert_int_equal(counts().received, 1);
	free(copy);
}

static void a_frame_in_thousands_of_pieces_lets_others_have_their_turn(void **state)
{
	static uint8_t frame[65054];
	struct virtio_net_hdr_v1 hdr;

	open_net("loop=on", NULL);
	size_t len = make_segment(frame, 24000, 8, &hdr);
	for (unsigned i = 0; i < 2; i++) {
		unsigned before = bed->num_frames, turns = 0;

		assert_int_equal(net_bed_send_hdr(bed, frame, len, &hdr), 0);
		assert_true(bed->num_frames < before + 300);
		assert_int_equal(net_bed_send_hdr(bed, frame, len, &hdr), -EAGAIN);
		while (bed->num_frames < 3000) {
			assert_true(medio_loop_run_once(loop, 1000) > 0);
			turns++;
		}
		assert_true(turns >= 10);
		assert_int_equal(bed->ready, i + 1);
		for (unsigned j = 0; j < 3000; j++)
			assert_int_equal(frame_get32(bed->frames[j].data + 38), j * 8);
		net_bed_forget(bed);
	}
	/* One that the card has no room for in between goes on when it has. */
	bed->room = 1000;
	assert_int_equal(net_bed_send_hdr(bed, frame, len, &hdr), 0);
	for (unsigned i = 0; i < 30; i++)
		medio_loop_run_once(loop, 0);
	assert_int_equal(bed->num_frames, 1000);
	assert_int_equal(bed->refused, 1);
	bed->room = UINT32_MAX;
	net_resume(bed->net);
	for (unsigned i = 0; i < 30; i++)
		medio_loop_run_once(loop, 0);
	assert_int_equal(bed->num_frames, 3000);
}

static void what_a_driver_says_wrong_is_told_and_lost(void **state)
{
	uint8_t frame[200];
	struct virtio_net_hdr_v1 hdr;

	open_net("null=on", NULL);
	size_t len = make_segment(frame, 100, 0, &hdr);
	assert_int_equal(net_bed_send_hdr(bed, frame, len, &hdr), 0);
	said("a frame of 154 bytes cannot be sent (flags 1, gso_type 1, gso_size 0, csum_start 34");
	said("less than 8 bytes");
	assert_int_equal(net_bed_send(bed, frame, 13), 0);
	said("shorter than its header");
	assert_int_equal(counts().dropped, 2);
	assert_int_equal(counts().sent, 0);
	/* A hostile driver fills no log. */
	net_bed_forget_words();
	for (unsigned i = 0; i < 1000; i++)
		net_bed_send(bed, frame, 13);
	assert_true(strlen(net_bed_words()) < 12 * 300);
}

/* ---- The recording ---------------------------------------------------------------------------------- */

static char dir[] = "/tmp/medio-net-XXXXXX";

static const char *path(const char *name)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s/%s", dir, name);
	return text;
}

static size_t read_file(const char *name, uint8_t *buf, size_t size)
{
	FILE *in = fopen(path(name), "re");

	assert_non_null(in);
	size_t got = fread(buf, 1, size, in);
	fclose(in);
	return got;
}

static void all_frames_are_recorded(void **state)
{
	static uint8_t frame[10000], bytes[32768];
	struct medio_pcap_header header;
	struct medio_pcap_record record;
	struct virtio_net_hdr_v1 hdr;
	char param[80];
	struct stat st;

	snprintf(param, sizeof(param), "pcap=%s", path("frames"));
	open_net("loop=on", param);
	size_t len = make_segment(frame, 9000, 1000, &hdr);
	assert_int_equal(net_bed_send_hdr(bed, frame, len, &hdr), 0);
	assert_int_equal(net_bed_send(bed, frame, 13), 0); /* that one is none */
	/* Soon in the file, without anybody's closing it. */
	while (read_file("frames", bytes, sizeof(bytes)) <
		sizeof(header) + 2 * (sizeof(record) + len))
		assert_true(medio_loop_run_once(loop, 1000) >= 0);
	assert_int_equal(read_file("frames", bytes, sizeof(bytes)),
		sizeof(header) + 2 * (sizeof(record) + len));
	memcpy(&header, bytes, sizeof(header));
	assert_int_equal(header.magic, MEDIO_PCAP_MAGIC_NANOSECONDS);
	/* Both ways, whole, as the driver made it. */
	for (unsigned i = 0; i < 2; i++) {
		size_t at = sizeof(header) + i * (sizeof(record) + len);

		memcpy(&record, bytes + at, sizeof(record));
		assert_int_equal(record.length, len);
		assert_int_equal(record.original, len);
		assert_true(record.fraction < 1000000000);
		assert_memory_equal(bytes + at + sizeof(record), frame, len);
	}
	assert_int_equal(stat(path("frames"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	unlink(path("frames"));
}

static void a_recording_goes_to_files_only(void **state)
{
	char param[80];

	refused("null=on", "pcap=/dev/null", "no regular file");
	refused("null=on", "pcap=/does/not/exist", "No such file");
	assert_int_equal(mkfifo(path("fifo"), 0600), 0);
	snprintf(param, sizeof(param), "pcap=%s", path("fifo"));
	refused("null=on", param, "cannot write to");
	int reader = open(path("fifo"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	refused("null=on", param, "no regular file");
	close(reader);
	unlink(path("fifo"));
}

/* ---- The queue ------------------------------------------------------------------------------------- */

static uint8_t pattern(unsigned frame, size_t i)
{
	return (uint8_t)(frame * 31 + i);
}

static void the_queue_keeps_order_and_bounds(void **state)
{
	static uint8_t bytes[NET_MAX_FRAME];
	struct net_queue queue;
	struct net_frame frame;
	struct iovec iov;
	unsigned put = 0, taken = 0, fullest = 0;

	assert_int_equal(net_queue_init(&queue), 0);
	srand(7);
	for (unsigned step = 0; step < 20000; step++) {
		bool take = rand() % 1000 < (step / 2000 % 2 ? 700 : 300);

		if (take && net_queue_peek(&queue, &frame, &iov)) {
			assert_int_equal(frame.hdr.num_buffers, taken & 0xffff);
			assert_int_equal(*(uint8_t *)iov.iov_base, pattern(taken, 0));
			assert_int_equal(((uint8_t *)iov.iov_base)[frame.bytes - 1],
				pattern(taken, frame.bytes - 1));
			net_queue_drop(&queue);
			taken++;
		} else if (!take) {
			size_t len = rand() % 50 ? 60 + (size_t)rand() % 3000 : NET_MAX_FRAME;

			for (size_t i = 0; i < len; i += len - 1)
				bytes[i] = pattern(put, i);
			frame_plain(&frame, &iov, bytes, len);
			frame.hdr.num_buffers = (uint16_t)put;
			put += net_queue_put(&queue, &frame);
		}
		assert_int_equal(queue.count, put - taken);
		fullest = queue.count > fullest ? queue.count : fullest;
	}
	assert_true(fullest > 100);
	while (net_queue_peek(&queue, &frame, &iov)) {
		assert_int_equal(frame.hdr.num_buffers, taken++ & 0xffff);
		net_queue_drop(&queue);
	}
	assert_int_equal(taken, put);
	/* Full means full, and empty means that all of it is free again. */
	frame_plain(&frame, &iov, bytes, NET_MAX_FRAME);
	for (unsigned round = 0; round < 3; round++) {
		unsigned count = 0;

		while (net_queue_put(&queue, &frame))
			count++;
		assert_int_equal(count, (NET_QUEUE_BYTES - 1) / (NET_MAX_FRAME + 20));
		while (queue.count)
			net_queue_drop(&queue);
	}
	net_queue_fini(&queue);
}

static int setup_dir(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown_dir(void **state)
{
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_card_has_one_network, setup, teardown),
		cmocka_unit_test_setup_teardown(null_counts_and_loses, setup, teardown),
		cmocka_unit_test_setup_teardown(loop_gives_each_frame_back, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_card_without_room_makes_its_own_frames_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_driver_that_can_gets_frames_as_they_are, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_rest_of_a_cut_frame_waits_for_room, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_frame_in_thousands_of_pieces_lets_others_have_their_turn, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			what_a_driver_says_wrong_is_told_and_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(all_frames_are_recorded, setup, teardown),
		cmocka_unit_test_setup_teardown(a_recording_goes_to_files_only, setup, teardown),
		cmocka_unit_test(the_queue_keeps_order_and_bounds),
	};

	return cmocka_run_group_tests(tests, setup_dir, teardown_dir);
}
