/* SPDX-License-Identifier: BSD-3-Clause */
/* A vhost-user session beyond its rings: configuration, the back-end's channel, notes, and who may come in. */
#include "test_vhost_session_bed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define VERSION_1 BIT(32)
#define PACKED	  BIT(34)
#define PROTOCOL \
	(BIT(MEDIO_VHU_P_REPLY_ACK) | BIT(MEDIO_VHU_P_CONFIG) | BIT(MEDIO_VHU_P_BACKEND_REQ) | \
		BIT(MEDIO_VHU_P_INFLIGHT_SHMFD))

static unsigned count_fds(void)
{
	unsigned n = 0;
	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* ---- Configuration ------------------------------------------------------------------------------------- */

static int get_config(struct session_bed *bed, uint32_t offset, uint32_t size, uint8_t *bytes)
{
	struct medio_vhu_config config = { offset, size, 0, { 0 } };
	bed_send(bed, MEDIO_VHU_GET_CONFIG, 0, &config, MEDIO_VHU_CONFIG_HEAD + size, NULL, 0);
	int ret = bed_receive(bed, MEDIO_VHU_GET_CONFIG, &config, sizeof(config), NULL);
	if (ret > 0) {
		assert_int_equal(ret, MEDIO_VHU_CONFIG_HEAD + size);
		assert_int_equal(config.offset, offset);
		assert_int_equal(config.size, size);
		memcpy(bytes, config.bytes, size);
	}
	return ret;
}

static void the_configuration_is_read_and_written_in_pieces(void **unused)
{
	struct session_bed bed;
	uint8_t bytes[MEDIO_VHU_MAX_CONFIG];
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, PROTOCOL);
	echo_change(echo_latest(), 0x1122334455667788);
	assert_true(get_config(&bed, 0, 8, bytes) > 0);
	assert_int_equal(medio_get_le(bytes, 8), 0x1122334455667788);
	assert_true(get_config(&bed, 2, 2, bytes) > 0);
	assert_int_equal(medio_get_le(bytes, 2), 0x5566);
	/* Beyond it there is nothing, and that is no error. */
	memset(bytes, 1, sizeof(bytes));
	assert_true(get_config(&bed, ECHO_CONFIG, 60, bytes) > 0);
	for (int i = 0; i < 60; i++)
		assert_int_equal(bytes[i], 0);
	/* Beyond any it is one: an answer without payload. */
	assert_int_equal(get_config(&bed, MEDIO_VHU_MAX_CONFIG, 1, bytes), 0);
	assert_int_equal(get_config(&bed, UINT32_MAX, 8, bytes), 0);
	struct medio_vhu_config config = { 4, 3, 0, { 9, 8, 7 } };
	bed_send(&bed, MEDIO_VHU_SET_CONFIG, 0, &config, MEDIO_VHU_CONFIG_HEAD + 3, NULL, 0);
	assert_int_equal(echo_seen.writes, 1);
	assert_int_equal(echo_seen.write_offset, 4);
	assert_int_equal(echo_seen.write_count, 3);
	assert_memory_equal(echo_seen.written, config.bytes, 3);
	bed_close(&bed);
}

/* ---- The back-end's channel ---------------------------------------------------------------------------- */

static bool heard_change(int fd)
{
	struct medio_vhu_header hdr;
	ssize_t n = recv(fd, &hdr, sizeof(hdr), MSG_DONTWAIT);
	if (n < 0)
		return false;
	assert_int_equal(n, sizeof(hdr));
	assert_int_equal(hdr.request, MEDIO_VHU_BACKEND_CONFIG_CHANGE);
	assert_int_equal(hdr.flags, MEDIO_VHU_VERSION);
	assert_int_equal(hdr.size, 0);
	return true;
}

static void give_channel(struct session_bed *bed, int *mine)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	bed_send(bed, MEDIO_VHU_SET_BACKEND_REQ_FD, 0, NULL, 0, &pair[0], 1);
	close(pair[0]);
	*mine = pair[1];
}

static void a_change_of_the_configuration_is_told_once(void **unused)
{
	struct session_bed bed;
	uint8_t bytes[8];
	int channel;
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, PROTOCOL);
	give_channel(&bed, &channel);
	assert_true(get_config(&bed, 0, 8, bytes) > 0);
	bed_memory(&bed);
	bed_ring(&bed, 0);
	bed_send_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 0, 1);
	assert_false(heard_change(channel));
	echo_change(echo_latest(), 1);
	bed_run(&bed);
	assert_true(heard_change(channel));
	echo_change(echo_latest(), 2);
	bed_run(&bed);
	/* It has not looked at the first yet. */
	assert_false(heard_change(channel));
	assert_true(get_config(&bed, 0, 8, bytes) > 0);
	/* Suspended: nothing is sent until a ring runs again. */
	bed_send_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 0, 0);
	echo_change(echo_latest(), 3);
	bed_run(&bed);
	assert_false(heard_change(channel));
	bed_send_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 0, 1);
	bed_run(&bed);
	assert_true(heard_change(channel));
	assert_true(bed_is_quiet(&bed));
	/* One that it has closed is no harm. */
	close(channel);
	assert_true(get_config(&bed, 0, 8, bytes) > 0);
	echo_change(echo_latest(), 4);
	bed_run(&bed);
	assert_true(bed_is_quiet(&bed));
	bed_close(&bed);
}

static void a_channel_that_nobody_reads_holds_up_nobody(void **unused)
{
	struct session_bed bed;
	uint8_t bytes[8];
	unsigned heard = 0;
	int channel;
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, PROTOCOL);
	give_channel(&bed, &channel);
	bed_memory(&bed);
	bed_ring(&bed, 0);
	bed_send_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 0, 1);
	for (unsigned i = 0; i < 2000; i++) {
		assert_true(get_config(&bed, 0, 8, bytes) > 0);
		echo_change(echo_latest(), i);
	}
	assert_true(bed_echo(&bed, 0));
	while (heard_change(channel)) {
		heard++;
		bed_run(&bed);
	}
	assert_in_range(heard, 2, 2001);
	bed_close(&bed);
	close(channel);
}

static void a_channel_that_is_no_socket_is_refused(void **unused)
{
	struct session_bed bed;
	uint64_t ret;
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, PROTOCOL);
	bed_send(&bed, MEDIO_VHU_SET_BACKEND_REQ_FD, ACK, NULL, 0, &bed.memfd, 1);
	assert_int_equal(
		bed_receive(&bed, MEDIO_VHU_SET_BACKEND_REQ_FD, &ret, sizeof(ret), NULL), 8);
	assert_int_equal(ret, 1);
	assert_true(bed_said(&bed, "not a stream socket"));
	bed_close(&bed);
}

/* ---- Notes of what is in flight ------------------------------------------------------------------------ */

static int get_inflight(struct session_bed *bed, struct medio_vhu_inflight *in)
{
	int fd = -1;
	bed_send(bed, MEDIO_VHU_GET_INFLIGHT_FD, 0, in, sizeof(*in), NULL, 0);
	assert_int_equal(
		bed_receive(bed, MEDIO_VHU_GET_INFLIGHT_FD, in, sizeof(*in), &fd), sizeof(*in));
	return fd;
}

static uint64_t set_inflight(struct session_bed *bed, const struct medio_vhu_inflight *in, int fd)
{
	uint64_t ret;
	bed_send(bed, MEDIO_VHU_SET_INFLIGHT_FD, ACK, in, sizeof(*in), &fd, 1);
	assert_int_equal(bed_receive(bed, MEDIO_VHU_SET_INFLIGHT_FD, &ret, sizeof(ret), NULL), 8);
	return ret;
}

static void reconnect(struct session_bed *bed)
{
	int pair[2];
	close(bed->fd);
	medio_vhost_free(bed->vhost);
	bed->vhost = NULL;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(medio_vhost_new_fd(bed->inst, pair[0], NULL, &bed->vhost, NULL), 0);
	bed->fd = pair[1];
}

/* A back-end that died is played by notes and a ring as they were while requests were held. */
static void what_was_in_flight_is_done_by_the_next_back_end(void **unused)
{
	(void)unused;
	for (unsigned packed = 0; packed < 2; packed++) {
		struct session_bed bed;
		struct medio_vhu_inflight in = { .num_queues = 2, .queue_size = RING_SIZE };
		uint64_t features = VERSION_1 | (packed ? PACKED : 0);
		bed_open(&bed);
		bed_hello(&bed, features, PROTOCOL);
		int fd = get_inflight(&bed, &in);
		assert_true(in.size > 0);
		assert_int_equal(set_inflight(&bed, &in, fd), 0);
		bed_memory(&bed);
		bed_ring(&bed, 0);
		bed_send_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 0, 1);
		assert_true(bed_echo(&bed, 0));
		echo_quirks.hold = true;
		for (unsigned i = 1; i < 4; i++)
			bed_echo_add(&bed, 0, i);
		bed_kick(&bed, 0);
		/* As they are at the moment of death. */
		uint8_t *notes = mmap(NULL, in.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		uint8_t *was = malloc(in.size + 0x8000);
		memcpy(was, notes, in.size);
		memcpy(was + in.size, bed.mem, 0x8000);
		close(bed.fd);
		bed_run(&bed);
		memcpy(notes, was, in.size);
		memcpy(bed.mem, was + in.size, 0x8000);
		free(was);
		munmap(notes, in.size);

		echo_quirks.hold = false;
		unsigned chains = echo_seen.chains;
		bed.fd = -1;
		reconnect(&bed);
		bed_hello(&bed, features, PROTOCOL);
		assert_int_equal(set_inflight(&bed, &in, fd), 0);
		bed_memory(&bed);
		/* A guess, by which nothing would be done again. */
		bed_send_state(&bed, MEDIO_VHU_SET_VRING_BASE, 0, 0, packed ? 0x80088008 : 4);
		bed_ring(&bed, 0);
		bed_send_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 0, 1);
		bed_run(&bed);
		assert_int_equal(echo_seen.chains, chains + 3);
		for (unsigned i = 1; i < 4; i++)
			assert_true(bed_echo_take(&bed, 0));
		assert_true(bed_called(&bed, 0));
		assert_false(bed_echo_take(&bed, 0));
		assert_true(bed_echo(&bed, 0));
		close(fd);
		bed_close(&bed);
	}
}

static void notes_serve_a_driver_with_other_rings_next(void **unused)
{
	struct session_bed bed;
	struct medio_vhu_inflight in = { .num_queues = 1, .queue_size = RING_SIZE };
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, PROTOCOL);
	int fd = get_inflight(&bed, &in);
	assert_int_equal(set_inflight(&bed, &in, fd), 0);
	bed_memory(&bed);
	bed_ring(&bed, 0);
	bed_send_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 0, 1);
	for (unsigned i = 0; i < 7; i++)
		assert_true(bed_echo(&bed, 0));
	/* While it runs they cannot be changed. */
	assert_int_not_equal(set_inflight(&bed, &in, fd), 0);
	struct medio_vhu_state state;
	bed_send_state(&bed, MEDIO_VHU_GET_VRING_BASE, 0, 0, 0);
	bed_receive(&bed, MEDIO_VHU_GET_VRING_BASE, &state, sizeof(state), NULL);
	assert_int_equal(state.num, 7);
	/* Packed rings now, in the same notes. */
	virtq_free(bed.rings[0].vq);
	bed.rings[0].vq = NULL;
	close(bed.rings[0].kick);
	close(bed.rings[0].call);
	close(bed.rings[0].err);
	memset(bed.mem, 0, 0x8000);
	bed_hello(&bed, VERSION_1 | PACKED, PROTOCOL);
	assert_int_equal(set_inflight(&bed, &in, fd), 0);
	bed_send_state(&bed, MEDIO_VHU_SET_VRING_BASE, 0, 0, 0x80008000);
	bed_ring(&bed, 0);
	bed_send_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 0, 1);
	assert_true(bed_echo(&bed, 0));
	close(fd);
	bed_close(&bed);
}

static void notes_that_cannot_be_are_refused(void **unused)
{
	struct session_bed bed;
	struct medio_vhu_inflight in = { .num_queues = 2, .queue_size = RING_SIZE };
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, PROTOCOL);
	int fd = get_inflight(&bed, &in);
	const struct medio_vhu_inflight cases[] = {
		{ in.size, 0, 0, RING_SIZE, 0 },
		{ in.size, 0, ECHO_QUEUES + 1, RING_SIZE, 0 },
		{ in.size, 0, 2, 0, 0 },
		{ in.size, 0, 2, MEDIO_VIRTIO_MAX_QUEUE_SIZE + 1, 0 },
		{ in.size, 0, 2, MEDIO_VIRTIO_MAX_QUEUE_SIZE, 0 },
		{ 64, 0, 2, RING_SIZE, 0 },
		{ in.size, 4096, 2, RING_SIZE, 0 },
		{ in.size, 8, 2, RING_SIZE, 0 },
		{ in.size, UINT64_MAX - 63, 2, RING_SIZE, 0 },
		{ UINT64_MAX, 0, 2, RING_SIZE, 0 },
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		bed.log[0] = '\0';
		assert_int_equal(set_inflight(&bed, &cases[i], fd), 1);
		assert_true(bed_said(&bed, "SET_INFLIGHT_FD is refused"));
	}
	assert_int_equal(set_inflight(&bed, &in, bed.fd), 1);
	assert_int_equal(set_inflight(&bed, &in, fd), 0);
	/* Asked for too much: an answer of no size and without a descriptor. */
	struct medio_vhu_inflight none = { .num_queues = ECHO_QUEUES + 1, .queue_size = 1 };
	bed_send(&bed, MEDIO_VHU_GET_INFLIGHT_FD, 0, &none, sizeof(none), NULL, 0);
	assert_int_equal(bed_receive(&bed, MEDIO_VHU_GET_INFLIGHT_FD, &none, sizeof(none), NULL),
		sizeof(none));
	assert_int_equal(none.size, 0);
	close(fd);
	bed_close(&bed);
}

static void notes_that_are_taken_back_harm_nobody(void **unused)
{
	struct session_bed bed;
	struct medio_vhu_inflight in = { 8192, 0, 1, RING_SIZE, 0 };
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, PROTOCOL);
	int fd = memfd_create("notes", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(set_inflight(&bed, &in, fd), 0);
	bed_memory(&bed);
	bed_ring(&bed, 0);
	bed_send_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 0, 1);
	assert_true(bed_echo(&bed, 0));
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_true(bed_echo(&bed, 0));
	assert_true(bed_echo(&bed, 0));
	close(fd);
	bed_close(&bed);
}

/* ---- The wire ------------------------------------------------------------------------------------------ */

static void a_message_may_come_byte_by_byte(void **unused)
{
	struct session_bed bed;
	uint8_t bytes[20];
	const struct medio_vhu_header hdr = { MEDIO_VHU_SET_FEATURES, MEDIO_VHU_VERSION, 8 };
	const uint64_t features = VERSION_1;
	(void)unused;
	bed_open(&bed);
	memcpy(bytes, &hdr, sizeof(hdr));
	memcpy(bytes + sizeof(hdr), &features, sizeof(features));
	for (unsigned i = 0; i < sizeof(bytes); i++) {
		assert_int_equal(echo_seen.features, 0);
		assert_int_equal(send(bed.fd, bytes + i, 1, 0), 1);
		bed_run(&bed);
	}
	assert_int_equal(echo_seen.features, 1);
	bed_close(&bed);
}

static void descriptors_that_nobody_takes_are_closed(void **unused)
{
	struct session_bed bed;
	int fds[10];
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, PROTOCOL);
	for (unsigned i = 0; i < 10; i++)
		fds[i] = bed.memfd;
	unsigned before = count_fds();
	bed_send(&bed, MEDIO_VHU_SET_OWNER, ACK, NULL, 0, fds, 8);
	uint64_t ret;
	assert_int_equal(bed_receive(&bed, MEDIO_VHU_SET_OWNER, &ret, sizeof(ret), NULL), 8);
	assert_int_equal(ret, 1);
	bed_send(&bed, 77, ACK, NULL, 0, fds, 3);
	assert_int_equal(bed_receive(&bed, 77, &ret, sizeof(ret), NULL), 8);
	assert_int_equal(ret, 1);
	assert_int_equal(count_fds(), before);
	/* More than can be: whoever sends them is not understood. */
	bed_send(&bed, MEDIO_VHU_SET_OWNER, ACK, NULL, 0, fds, 9);
	assert_true(bed_is_closed(&bed));
	assert_true(bed_said(&bed, "more file descriptors"));
	assert_int_equal(count_fds(), before - 1);
	bed_close(&bed);
}

static void half_a_message_is_waited_for_and_not_for_ever(void **unused)
{
	struct session_bed bed;
	const struct medio_vhost_options opts = { .client_timeout_ms = 1 };
	const struct medio_vhu_header hdr = { MEDIO_VHU_SET_FEATURES, MEDIO_VHU_VERSION, 8 };
	int pair[2];
	(void)unused;
	bed_open_bare(&bed);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(medio_vhost_new_fd(bed.inst, pair[0], &opts, &bed.vhost, NULL), 0);
	bed.fd = pair[1];
	assert_int_equal(send(bed.fd, &hdr, sizeof(hdr), 0), sizeof(hdr));
	while (!bed_said(&bed, "did not come in time"))
		medio_loop_run_once(bed.loop, 1000);
	assert_true(bed_is_closed(&bed));
	bed_close(&bed);
}

static void an_answer_that_is_not_read_keeps_requests_waiting(void **unused)
{
	struct session_bed bed;
	const struct medio_vhu_header hdr = { MEDIO_VHU_GET_FEATURES, MEDIO_VHU_VERSION, 0 };
	unsigned sent = 0, got = 0;
	uint8_t answer[20];
	(void)unused;
	bed_open(&bed);
	while (send(bed.fd, &hdr, sizeof(hdr), MSG_DONTWAIT) == sizeof(hdr) && sent < 100000) {
		sent++;
		bed_run(&bed);
	}
	assert_true(sent < 100000);
	while (got < sent) {
		ssize_t n = recv(bed.fd, answer, sizeof(answer), MSG_DONTWAIT);
		assert_true(n == sizeof(answer) || errno == EAGAIN);
		got += n == sizeof(answer);
		bed_run(&bed);
	}
	bed_close(&bed);
}

/* ---- Who may come in ----------------------------------------------------------------------------------- */

static void serve_at(struct session_bed *bed, bool connect)
{
	const struct medio_vhost_options opts = { .connect = connect };
	bed_open_bare(bed);
	snprintf(bed->path, sizeof(bed->path), "/tmp/medio-vhost-%d.sock", (int)getpid());
	unlink(bed->path);
	assert_int_equal(medio_vhost_new(bed->inst, bed->path, &opts, &bed->vhost, NULL), 0);
}

static void a_second_front_end_is_turned_away_and_the_next_is_welcome(void **unused)
{
	struct session_bed bed;
	struct stat st;
	(void)unused;
	serve_at(&bed, false);
	assert_int_equal(stat(bed.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	bed.fd = bed_connect(&bed);
	bed_hello(&bed, VERSION_1, PROTOCOL);
	int first = bed.fd;
	bed.fd = bed_connect(&bed);
	assert_true(bed_is_closed(&bed));
	assert_true(bed_said(&bed, "second front-end is turned away"));
	close(bed.fd);
	bed.fd = first;
	assert_true(bed_ask(&bed, MEDIO_VHU_GET_FEATURES) & VERSION_1);
	/* It leaves, and another is there before anybody has looked. */
	close(first);
	bed.fd = bed_connect(&bed);
	bed_hello(&bed, VERSION_1, PROTOCOL);
	assert_int_equal(medio_instance_stats(bed.inst)->clients, 2);
	close(bed.fd);
	/* Who says nothing keeps nobody out. */
	int silent = bed_connect(&bed);
	bed_run(&bed);
	bed.fd = bed_connect(&bed);
	bed_hello(&bed, VERSION_1, PROTOCOL);
	close(silent);
	bed_close(&bed);
	assert_int_equal(access(bed.path, F_OK), -1);
}

static void once_ends_the_loop_with_the_first_that_spoke(void **unused)
{
	struct session_bed bed;
	const struct medio_vhost_options opts = { .once = true, .mode = 0660 };
	struct stat st;
	(void)unused;
	bed_open_bare(&bed);
	snprintf(bed.path, sizeof(bed.path), "/tmp/medio-vhost-%d.sock", (int)getpid());
	unlink(bed.path);
	assert_int_equal(medio_vhost_new(bed.inst, bed.path, &opts, &bed.vhost, NULL), 0);
	assert_int_equal(stat(bed.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	/* Somebody who only looks whether it is there. */
	close(bed_connect(&bed));
	bed_run(&bed);
	bed.fd = bed_connect(&bed);
	bed_hello(&bed, VERSION_1, PROTOCOL);
	assert_int_equal(medio_instance_stats(bed.inst)->clients, 1);
	close(bed.fd);
	bed.fd = -1;
	assert_int_equal(medio_loop_run(bed.loop), 0);
	assert_int_equal(medio_instance_stats(bed.inst)->connected, 0);
	bed_close(&bed);
}

static void a_front_end_that_listens_is_connected_to_again_and_again(void **unused)
{
	struct session_bed bed;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	(void)unused;
	serve_at(&bed, true);
	assert_true(bed_said(&bed, "waiting for a front-end"));
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	memcpy(addr.sun_path, bed.path, sizeof(bed.path));
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(listener, 1), 0);
	for (unsigned i = 0; i < 3; i++) {
		do
			medio_loop_run_once(bed.loop, 1000);
		while ((bed.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0);
		bed_hello(&bed, VERSION_1, PROTOCOL);
		close(bed.fd);
		bed.fd = -1;
		bed_run(&bed);
		assert_int_equal(medio_instance_stats(bed.inst)->connected, 0);
	}
	close(listener);
	unlink(bed.path);
	bed_close(&bed);
}

static void what_a_device_remembers_outlives_a_connection(void **unused)
{
	struct session_bed bed;
	(void)unused;
	bed_open(&bed);
	bed_hello(&bed, VERSION_1, PROTOCOL);
	bed_memory(&bed);
	bed_ring(&bed, 0);
	bed_send_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 0, 1);
	assert_true(bed_echo(&bed, 0));
	echo_quirks.hold = true;
	bed_echo_add(&bed, 0, 0);
	bed_kick(&bed, 0);
	close(bed.fd);
	bed_run(&bed);
	/* What was in flight is given back, and the driver told. */
	assert_true(bed_echo_take(&bed, 0));
	assert_true(bed_called(&bed, 0));
	echo_quirks.hold = false;
	bed.fd = -1;
	reconnect(&bed);
	bed_hello(&bed, VERSION_1, PROTOCOL);
	bed_memory(&bed);
	bed_send_state(&bed, MEDIO_VHU_SET_VRING_BASE, 0, 0, 2);
	bed_ring(&bed, 0);
	bed_send_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 0, 1);
	assert_true(bed_echo(&bed, 0));
	assert_int_equal(echo_seen.resets, 0);
	/* Another guest's driver, with the same features: as new. */
	reconnect(&bed);
	virtq_reset(bed.rings[0].vq, NULL, NULL);
	virtq_want_irq(bed.rings[0].vq);
	bed_hello(&bed, VERSION_1, PROTOCOL);
	bed_memory(&bed);
	bed_ring(&bed, 0);
	bed_send_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 0, 1);
	assert_true(bed_echo(&bed, 0));
	assert_int_equal(echo_seen.resets, 1);
	bed_close(&bed);
}

static void a_broken_device_is_whole_again_for_the_next(void **unused)
{
	struct session_bed bed;
	(void)unused;
	bed_open(&bed);
	for (unsigned i = 0; i < 2; i++) {
		if (i)
			reconnect(&bed);
		bed_hello(&bed, VERSION_1, BIT(MEDIO_VHU_P_STATUS) | PROTOCOL);
		/* As DPDK: it never writes 0. */
		assert_int_equal(bed_tell(&bed, MEDIO_VHU_SET_STATUS, 0xb, -1), 0);
		bed_memory(&bed);
		if (i) {
			virtq_reset(bed.rings[0].vq, NULL, NULL);
			virtq_want_irq(bed.rings[0].vq);
		}
		bed_ring(&bed, 0);
		bed_send_state(&bed, MEDIO_VHU_SET_VRING_ENABLE, 0, 0, 1);
		assert_int_equal(bed_tell(&bed, MEDIO_VHU_SET_STATUS, 0xf, -1), 0);
		assert_true(bed_echo(&bed, 0));
		echo_quirks.break_queue = true;
		bed_echo(&bed, 0);
		assert_int_equal(bed_ask(&bed, MEDIO_VHU_GET_STATUS), 0x4f);
		echo_quirks.break_queue = false;
	}
	bed_close(&bed);
}

static void a_device_with_a_card_cannot_be_served(void **unused)
{
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct medio_vhost *vhost = NULL;
	struct medio_error *err = NULL;
	int pair[2];
	(void)unused;
	echo_clear();
	assert_int_equal(medio_loop_new(&loop), 0);
	assert_int_equal(medio_instance_new(loop, &echo_type, NULL, &inst, NULL), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	unsigned before = count_fds();
	assert_int_equal(medio_vhost_new_fd(inst, pair[0], NULL, &vhost, &err), -ENOTSUP);
	assert_int_equal(count_fds(), before - 1);
	assert_non_null(strstr(medio_error_text(err), "not a bare virtio device"));
	medio_error_free(err);
	err = NULL;
	assert_int_equal(medio_vhost_new(inst, "/tmp/x", NULL, &vhost, &err), -ENOTSUP);
	medio_error_free(err);
	assert_null(vhost);
	close(pair[1]);
	medio_instance_free(inst);
	medio_loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_configuration_is_read_and_written_in_pieces),
		cmocka_unit_test(a_change_of_the_configuration_is_told_once),
		cmocka_unit_test(a_channel_that_nobody_reads_holds_up_nobody),
		cmocka_unit_test(a_channel_that_is_no_socket_is_refused),
		cmocka_unit_test(what_was_in_flight_is_done_by_the_next_back_end),
		cmocka_unit_test(notes_serve_a_driver_with_other_rings_next),
		cmocka_unit_test(notes_that_cannot_be_are_refused),
		cmocka_unit_test(notes_that_are_taken_back_harm_nobody),
		cmocka_unit_test(a_message_may_come_byte_by_byte),
		cmocka_unit_test(descriptors_that_nobody_takes_are_closed),
		cmocka_unit_test(half_a_message_is_waited_for_and_not_for_ever),
		cmocka_unit_test(an_answer_that_is_not_read_keeps_requests_waiting),
		cmocka_unit_test(a_second_front_end_is_turned_away_and_the_next_is_welcome),
		cmocka_unit_test(once_ends_the_loop_with_the_first_that_spoke),
		cmocka_unit_test(a_front_end_that_listens_is_connected_to_again_and_again),
		cmocka_unit_test(what_a_device_remembers_outlives_a_connection),
		cmocka_unit_test(a_broken_device_is_whole_again_for_the_next),
		cmocka_unit_test(a_device_with_a_card_cannot_be_served),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
