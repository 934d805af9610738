/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A front-end that lies in its messages. Whatever it says, after it has gone the process has as many descriptors as
 * before, and the next front-end finds a device that is well.
 */
#include <sys/resource.h>

#include "test_vhost_hostile_bed.h"

/* ---- Messages ------------------------------------------------------------------------------------------- */

static void sizes_that_are_wrong(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 7, 8, 9, 12, 16, 20, 24, 39, 40, 41, 64, 264, 265,
		4096 };
	static uint8_t bytes[4096];

	(void)state;
	for (unsigned fill = 0; fill < 2; fill++) {
		memset(bytes, fill ? 0xff : 0, sizeof(bytes));
		for (uint32_t request = 0; request < 48; request++) {
			comes(request % 2 ? AGREED : CONNECTED);
			for (unsigned i = 0; i < COUNT(sizes); i++) {
				if (vhost_front_send(f, request,
					    VF_VERSION | (fill ? VF_NEED_REPLY : 0), bytes,
					    sizes[i], NULL, 0) ||
					!answers())
					comes(request % 2 ? AGREED : CONNECTED);
			}
		}
	}
	is_well();
}

static void sizes_beyond_all_measure(void **state)
{
	static const uint32_t sizes[] = { 4097, 1u << 20, 1u << 31, UINT32_MAX - 11, UINT32_MAX };

	(void)state;
	for (unsigned i = 0; i < COUNT(sizes); i++)
		for (uint32_t request = 0; request < 48; request++) {
			comes(CONNECTED);
			vhost_front_send(f, request, VF_VERSION, NULL, sizes[i], NULL, 0);
		}
	is_well();
}

static void flags_that_are_wrong(void **state)
{
	static const uint32_t flags[] = { 0, 2, 3, VF_VERSION | VF_REPLY, VF_REPLY, UINT32_MAX,
		0x10001 };
	const uint64_t value = 0;

	(void)state;
	for (unsigned i = 0; i < COUNT(flags); i++)
		for (uint32_t request = 0; request < 48; request++) {
			comes(AGREED);
			vhost_front_send(
				f, request, flags[i], &value, request % 2 ? 8 : 0, NULL, 0);
			answers();
		}
	is_well();
}

static void messages_that_do_not_end(void **state)
{
	static const uint8_t header[12] = { VF_SET_FEATURES, 0, 0, 0, VF_VERSION, 0, 0, 0, 8 };

	(void)state;
	for (unsigned part = 1; part < 20; part++) {
		uint8_t bytes[20] = { 0 };
		memcpy(bytes, header, sizeof(header));
		comes(CONNECTED);
		assert_int_equal(send(f->fd, bytes, part, MSG_NOSIGNAL), part);
		struct vf_reply reply;
		/* It is not waited for for ever. */
		assert_int_equal(vhost_front_receive(f, &reply), -ECONNRESET);
	}
	for (unsigned part = 1; part < 20; part++) {
		comes(CONNECTED);
		assert_int_equal(send(f->fd, header, part < 12 ? part : 12, MSG_NOSIGNAL),
			part < 12 ? part : 12);
		vhost_front_leave(f);
	}
	is_well();
}

/* A byte at a time is a message too. */
static void messages_in_crumbs(void **state)
{
	static const uint8_t header[12] = { VF_GET_FEATURES, 0, 0, 0, VF_VERSION };
	struct vf_reply reply;

	(void)state;
	comes(CONNECTED);
	for (unsigned n = 0; n < 5; n++) {
		for (unsigned i = 0; i < 12; i++)
			assert_int_equal(send(f->fd, header + i, 1, MSG_NOSIGNAL), 1);
		must(&bed, vhost_front_receive(f, &reply));
		assert_int_equal(reply.request, VF_GET_FEATURES);
	}
	is_well();
}

static void nothing(void *arg)
{
	(void)arg;
}

static void answers_that_are_never_read(void **state)
{
	static const uint32_t header[3] = { VF_GET_FEATURES, VF_VERSION, 0 };
	unsigned sent = 0;

	(void)state;
	comes(AGREED);
	assert_int_equal(fcntl(f->fd, F_SETFL, O_NONBLOCK), 0);
	while (sent < 1000000 &&
		send(f->fd, header, sizeof(header), MSG_NOSIGNAL) == sizeof(header))
		sent++;
	assert_true(sent > 10);
	/* The loop turns all the same. */
	for (unsigned i = 0; i < 100; i++)
		vhost_bed_on_device(&bed, nothing, NULL);
	is_well();
}

static void an_order_that_is_wrong(void **state)
{
	static const uint32_t requests[] = { VF_GET_VRING_BASE, VF_SET_VRING_ENABLE,
		VF_SET_VRING_NUM, VF_SET_VRING_BASE, VF_SET_VRING_ADDR, VF_SET_VRING_KICK,
		VF_SET_VRING_CALL, VF_SET_VRING_ERR, VF_SET_MEM_TABLE, VF_ADD_MEM_REG,
		VF_REM_MEM_REG, VF_SET_LOG_BASE, VF_SET_LOG_FD, VF_GET_INFLIGHT_FD,
		VF_SET_INFLIGHT_FD, VF_SET_STATUS, VF_RESET_DEVICE, VF_SET_DEVICE_STATE_FD,
		VF_CHECK_DEVICE_STATE, VF_SET_BACKEND_REQ_FD, VF_SET_FEATURES,
		VF_SET_PROTOCOL_FEATURES, VF_SET_OWNER, VF_RESET_OWNER };
	static const uint8_t sizes[] = { 8, 8, 8, 8, 40, 8, 8, 8, 40, 40, 40, 16, 0, 20, 20, 8, 0,
		8, 0, 0, 8, 8, 0, 0 };
	static const uint8_t zeroes[64];

	(void)state;
	for (unsigned first = 0; first < COUNT(requests); first++) {
		comes(CONNECTED);
		for (unsigned i = 0; i < COUNT(requests); i++) {
			unsigned r = (first + i * 5) % COUNT(requests);
			if (vhost_front_send(
				    f, requests[r], VF_VERSION, zeroes, sizes[r], NULL, 0) ||
				!answers())
				comes(i % 2 ? CONNECTED : AGREED);
		}
	}
	is_well();
}

/* ---- Descriptors ------------------------------------------------------------------------------------------ */

static void descriptors_of_the_wrong_kind(void **state)
{
	const struct vf_region whole = { VF_HIGH_GPA + VF_HIGH_BYTES, 0x1000,
		UINT64_C(0x7f9900000000), 0 };
	const struct vf_slot slot = { 0, whole };
	const struct vf_table table = { .num = 1, .regions = { whole } };
	const struct vf_log log = { 0x100000, 0 };
	const struct vf_inflight inflight = { 0x10000, 0, QUEUES, 64 };
	const struct vf_transfer save = { 0, 0 }, load = { 1, 0 };
	const uint64_t ring = 0;
	const struct {
		uint32_t request, size;
		const void *payload;
	} messages[] = {
		{ VF_SET_VRING_KICK, 8, &ring },
		{ VF_SET_VRING_CALL, 8, &ring },
		{ VF_SET_VRING_ERR, 8, &ring },
		{ VF_SET_LOG_FD, 0, NULL },
		{ VF_SET_BACKEND_REQ_FD, 0, NULL },
		{ VF_ADD_MEM_REG, sizeof(slot), &slot },
		{ VF_SET_LOG_BASE, sizeof(log), &log },
		{ VF_SET_INFLIGHT_FD, sizeof(inflight), &inflight },
		{ VF_SET_DEVICE_STATE_FD, sizeof(save), &save },
		{ VF_SET_DEVICE_STATE_FD, sizeof(load), &load },
		{ VF_CHECK_DEVICE_STATE, 0, NULL },
		{ VF_GET_FEATURES, 0, NULL },
		{ VF_SET_MEM_TABLE, 40, &table },
	};

	(void)state;
	for (unsigned stage = AGREED; stage < STAGES; stage++) {
		for (unsigned m = 0; m < COUNT(messages); m++) {
			comes(stage);
			for (unsigned kind = 0; kind < FD_KINDS; kind++) {
				int fd = new_fd(kind);
				int ret = vhost_front_send(f, messages[m].request,
					VF_VERSION | VF_NEED_REPLY, messages[m].payload,
					messages[m].size, &fd, 1);
				/* A queue whose call cannot be made goes on. */
				if (!ret && stage == RUNNING &&
					messages[m].request != VF_SET_MEM_TABLE &&
					messages[m].request != VF_SET_INFLIGHT_FD && answers()) {
					const struct virtq_seg seg = { VF_HIGH_GPA, 16 };
					if (virtq_room(f->rings[0].vq, 1)) {
						virtq_add(f->rings[0].vq, &seg, 1, 0, &bed);
						vhost_front_kick(f, 0);
					}
				}
				close_fd(fd);
				if (ret || !answers())
					comes(stage);
			}
		}
		is_well();
	}
}

static void too_many_descriptors_or_too_few(void **state)
{
	static const unsigned counts[] = { 0, 2, 3, 7, 8, 9, 32, 64 };
	static const uint32_t requests[] = { VF_GET_FEATURES, VF_SET_FEATURES, VF_SET_MEM_TABLE,
		VF_SET_LOG_BASE, VF_SET_LOG_FD, VF_SET_VRING_KICK, VF_SET_VRING_CALL,
		VF_SET_VRING_NUM, VF_SET_BACKEND_REQ_FD, VF_SET_INFLIGHT_FD, VF_GET_INFLIGHT_FD,
		VF_ADD_MEM_REG, VF_REM_MEM_REG, VF_SET_DEVICE_STATE_FD, 0, 99 };
	static const uint8_t sizes[] = { 0, 8, 40, 16, 0, 8, 8, 8, 0, 20, 20, 40, 40, 8, 0, 0 };
	static const uint64_t payload[8] = { 1, 0, 0x1000, 0x1000 };
	int fds[64];

	(void)state;
	for (unsigned i = 0; i < 64; i++)
		fds[i] = new_fd(EVENT);
	for (unsigned r = 0; r < COUNT(requests); r++)
		for (unsigned c = 0; c < COUNT(counts); c++) {
			comes(AGREED);
			vhost_front_send(
				f, requests[r], VF_VERSION, payload, sizes[r], fds, counts[c]);
			answers();
		}
	/* With the rest of a message, and between messages. */
	for (unsigned c = 1; c < COUNT(counts); c++) {
		comes(CONNECTED);
		for (unsigned n = 0; n < 3; n++)
			vhost_front_send(f, 0, 0, NULL, 0, fds, counts[c]);
	}
	for (unsigned i = 0; i < 64; i++)
		close(fds[i]);
	is_well();
}

/* ---- Connections ----------------------------------------------------------------------------- */

static void a_thousand_connections(void **state)
{
	enum { MANY = 1000 };
	static struct vhost_front many[MANY];
	struct rlimit limit, before;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	unsigned n = limit.rlim_cur > 2 * MANY + 100 ? MANY : (unsigned)limit.rlim_cur / 4;
	comes(RUNNING);
	/* One after the other, and all at once: one is served, and it is the first. */
	for (unsigned i = 0; i < n; i++) {
		many[i].fd = many[i].channel = -1;
		for (unsigned r = 0; r < VF_RINGS; r++)
			many[i].rings[r].kick = many[i].rings[r].call = -1;
		must(&bed, vhost_front_connect(&many[i], bed.path));
		if (i % 2)
			vhost_front_send(&many[i], VF_GET_FEATURES, VF_VERSION, NULL, 0, NULL, 0);
		if (i % 100 == 0)
			vhost_disk_do(&bed, 0, VHOST_DISK_READ, 0, VHOST_DISK_DATA, 512);
	}
	vhost_disk_do(&bed, 0, VHOST_DISK_READ, 0, VHOST_DISK_DATA, 512);
	for (unsigned i = 0; i < n; i++)
		vhost_front_leave(&many[i]);
	vhost_disk_do(&bed, 0, VHOST_DISK_READ, 0, VHOST_DISK_DATA, 512);
	is_well();
	for (unsigned i = 0; i < n; i++) {
		must(&bed, vhost_front_connect(&many[i], bed.path));
		vhost_front_leave(&many[i]);
	}
	is_well();
	setrlimit(RLIMIT_NOFILE, &before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sizes_that_are_wrong),
		TEST(sizes_beyond_all_measure),
		TEST(flags_that_are_wrong),
		cmocka_unit_test_setup_teardown(messages_that_do_not_end, setup_hasty, teardown),
		TEST(messages_in_crumbs),
		TEST(answers_that_are_never_read),
		TEST(an_order_that_is_wrong),
		TEST(descriptors_of_the_wrong_kind),
		TEST(too_many_descriptors_or_too_few),
		TEST(a_thousand_connections),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
