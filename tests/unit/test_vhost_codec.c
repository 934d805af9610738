/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost-user messages: which can be, and what is said of others. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/vhost_user.h"

#define ALL UINT64_MAX

static struct medio_vhu_message message(uint32_t request, uint32_t size, unsigned fds)
{
	struct medio_vhu_message msg;
	memset(&msg, 0, sizeof(msg));
	msg.hdr = (struct medio_vhu_header){ request, MEDIO_VHU_VERSION, size };
	msg.num_fds = fds;
	return msg;
}

static int check(struct medio_vhu_message msg, uint64_t protocol, const char *words)
{
	char said[MEDIO_VHU_WORDS] = "";
	int ret = medio_vhu_check(&msg, protocol, said);
	if (words && !strstr(said, words))
		fail_msg("'%s' is not in '%s'", words, said);
	return ret;
}

static void headers_of_another_version_or_size_are_refused(void **unused)
{
	char words[MEDIO_VHU_WORDS];
	struct medio_vhu_header hdr = { MEDIO_VHU_GET_FEATURES, MEDIO_VHU_VERSION, 0 };
	(void)unused;
	assert_int_equal(medio_vhu_check_header(&hdr, words), 0);
	hdr.flags = MEDIO_VHU_VERSION | MEDIO_VHU_NEED_REPLY;
	assert_int_equal(medio_vhu_check_header(&hdr, words), 0);
	hdr.flags = 2;
	assert_int_equal(medio_vhu_check_header(&hdr, words), -EPROTO);
	assert_non_null(strstr(words, "version 2"));
	hdr.flags = MEDIO_VHU_VERSION | MEDIO_VHU_REPLY;
	assert_int_equal(medio_vhu_check_header(&hdr, words), -EPROTO);
	hdr.flags = MEDIO_VHU_VERSION;
	hdr.size = MEDIO_VHU_MAX_PAYLOAD;
	assert_int_equal(medio_vhu_check_header(&hdr, words), 0);
	hdr.size++;
	assert_int_equal(medio_vhu_check_header(&hdr, words), -EPROTO);
	hdr.size = UINT32_MAX;
	assert_int_equal(medio_vhu_check_header(&hdr, words), -EPROTO);
}

static void payloads_have_their_size(void **unused)
{
	const struct {
		uint32_t request, size;
		unsigned fds;
	} good[] = {
		{ MEDIO_VHU_GET_FEATURES, 0, 0 },
		{ MEDIO_VHU_SET_FEATURES, 8, 0 },
		{ MEDIO_VHU_SET_VRING_NUM, 8, 0 },
		{ MEDIO_VHU_SET_VRING_ADDR, 40, 0 },
		{ MEDIO_VHU_SET_LOG_BASE, 16, 1 },
		{ MEDIO_VHU_ADD_MEM_REG, 40, 1 },
		{ MEDIO_VHU_REM_MEM_REG, 40, 0 },
		{ MEDIO_VHU_REM_MEM_REG, 40, 1 },
		{ MEDIO_VHU_GET_INFLIGHT_FD, 20, 0 },
		{ MEDIO_VHU_GET_INFLIGHT_FD, 24, 0 },
		{ MEDIO_VHU_SET_INFLIGHT_FD, 24, 1 },
		{ MEDIO_VHU_SET_DEVICE_STATE_FD, 8, 1 },
		{ MEDIO_VHU_SET_BACKEND_REQ_FD, 0, 1 },
	};
	(void)unused;
	for (unsigned i = 0; i < sizeof(good) / sizeof(*good); i++) {
		uint32_t r = good[i].request, size = good[i].size;
		assert_int_equal(check(message(r, size, good[i].fds), ALL, NULL), 0);
		assert_int_equal(check(message(r, size + 8, good[i].fds), ALL, "payload"), -EINVAL);
		if (size)
			assert_int_equal(
				check(message(r, size - 8, good[i].fds), ALL, "payload"), -EINVAL);
		assert_int_equal(
			check(message(r, size, good[i].fds + 2), ALL, "file descriptors"), -EINVAL);
	}
	assert_int_equal(check(message(MEDIO_VHU_ADD_MEM_REG, 40, 0), ALL, "it has 1"), -EINVAL);
}

static void every_known_request_has_a_name_and_others_have_none(void **unused)
{
	unsigned names = 0;
	(void)unused;
	for (uint32_t r = 0; r < 100; r++) {
		bool known = medio_vhu_request_name(r) != NULL;
		names += known;
		if (!known)
			assert_int_equal(check(message(r, 0, 0), ALL, "not known"), -EOPNOTSUPP);
	}
	assert_int_equal(names, 31);
	assert_null(medio_vhu_request_name(UINT32_MAX));
	assert_string_equal(medio_vhu_request_name(MEDIO_VHU_SET_VRING_NUM), "SET_VRING_NUM");
}

static void requests_of_a_protocol_feature_wait_for_it(void **unused)
{
	const struct {
		uint32_t request, size;
		unsigned fds, bit;
	} all[] = {
		{ MEDIO_VHU_GET_CONFIG, 12, 0, MEDIO_VHU_P_CONFIG },
		{ MEDIO_VHU_SET_CONFIG, 12, 0, MEDIO_VHU_P_CONFIG },
		{ MEDIO_VHU_SET_LOG_BASE, 16, 1, MEDIO_VHU_P_LOG_SHMFD },
		{ MEDIO_VHU_GET_INFLIGHT_FD, 20, 0, MEDIO_VHU_P_INFLIGHT_SHMFD },
		{ MEDIO_VHU_ADD_MEM_REG, 40, 1, MEDIO_VHU_P_MEM_SLOTS },
		{ MEDIO_VHU_GET_STATUS, 0, 0, MEDIO_VHU_P_STATUS },
		{ MEDIO_VHU_CHECK_DEVICE_STATE, 0, 0, MEDIO_VHU_P_DEVICE_STATE },
	};
	(void)unused;
	for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct medio_vhu_message msg = message(all[i].request, all[i].size, all[i].fds);
		uint64_t bit = UINT64_C(1) << all[i].bit;
		assert_int_equal(check(msg, ~bit, "not agreed on"), -EOPNOTSUPP);
		assert_int_equal(check(msg, bit, NULL), 0);
	}
}

static void a_table_has_a_descriptor_for_each_region(void **unused)
{
	(void)unused;
	for (uint32_t n = 0; n <= MEDIO_VHU_TABLE_REGIONS; n++) {
		struct medio_vhu_message msg = message(MEDIO_VHU_SET_MEM_TABLE, 8 + 32 * n, n);
		msg.payload.table.num = n;
		assert_int_equal(check(msg, 0, NULL), 0);
		/* A front-end may send room for all. */
		msg.hdr.size = sizeof(msg.payload.table);
		assert_int_equal(check(msg, 0, NULL), 0);
		msg.num_fds = n ? n - 1 : 1;
		assert_int_equal(check(msg, 0, "regions"), -EINVAL);
		msg.num_fds = n;
		msg.hdr.size = 8 + 32 * n - (n ? 1 : 0);
		if (n)
			assert_int_equal(check(msg, 0, "bytes for"), -EINVAL);
	}
	struct medio_vhu_message msg = message(MEDIO_VHU_SET_MEM_TABLE, 264, 8);
	msg.payload.table.num = 9;
	assert_int_equal(check(msg, 0, "at most 8"), -EINVAL);
	msg.payload.table.num = UINT32_MAX;
	assert_int_equal(check(msg, 0, "at most 8"), -EINVAL);
}

static void bit_8_says_whether_a_descriptor_comes(void **unused)
{
	(void)unused;
	for (uint32_t r = MEDIO_VHU_SET_VRING_KICK; r <= MEDIO_VHU_SET_VRING_ERR; r++)
		for (unsigned fds = 0; fds < 2; fds++)
			for (unsigned none = 0; none < 2; none++) {
				struct medio_vhu_message msg = message(r, 8, fds);
				msg.payload.u64 = 3 | (none ? MEDIO_VHU_FD_NONE : 0);
				assert_int_equal(check(msg, 0, NULL), fds == !none ? 0 : -EINVAL);
			}
}

static void a_configuration_is_as_long_as_it_says(void **unused)
{
	struct medio_vhu_message msg = message(MEDIO_VHU_GET_CONFIG, 12 + 60, 0);
	(void)unused;
	msg.payload.config.size = 60;
	assert_int_equal(check(msg, ALL, NULL), 0);
	msg.payload.config.size = 61;
	assert_int_equal(check(msg, ALL, "61 bytes"), -EINVAL);
	msg.payload.config.size = UINT32_MAX;
	assert_int_equal(check(msg, ALL, NULL), -EINVAL);
}

static void answers_of_their_own_are_known(void **unused)
{
	(void)unused;
	assert_true(medio_vhu_has_reply(MEDIO_VHU_GET_VRING_BASE, 0));
	assert_false(medio_vhu_has_reply(MEDIO_VHU_SET_VRING_BASE, ALL));
	assert_false(medio_vhu_has_reply(
		MEDIO_VHU_SET_LOG_BASE, ~(UINT64_C(1) << MEDIO_VHU_P_LOG_SHMFD)));
	assert_true(medio_vhu_has_reply(MEDIO_VHU_SET_LOG_BASE, ALL));
	assert_false(medio_vhu_has_reply(99, ALL));
}

static void regions_do_not_share_user_addresses(void **unused)
{
	char words[MEDIO_VHU_WORDS];
	struct medio_vhu_region r[3] = {
		{ 0, 0x1000, 0x1000, 0 },
		{ 0x1000, 0x1000, 0x2000, 0 },
		{ 0x8000, 0x1000, 0, 0 },
	};
	(void)unused;
	assert_int_equal(medio_vhu_check_regions(r, 3, words), 0);
	r[2].user = 0x2fff;
	assert_int_equal(medio_vhu_check_regions(r, 3, words), -EINVAL);
	assert_non_null(strstr(words, "regions 1 and 2"));
	r[2].user = 1;
	assert_int_equal(medio_vhu_check_regions(r, 3, words), -EINVAL);
	assert_non_null(strstr(words, "regions 0 and 2"));
	/* Around both. */
	r[2].user = 0x800;
	r[2].size = 0x8000;
	assert_int_equal(medio_vhu_check_regions(r, 3, words), -EINVAL);
	/* To the very end. */
	r[2] = (struct medio_vhu_region){ UINT64_MAX - 0xfff, 0x1000, UINT64_MAX - 0xfff, 0 };
	assert_int_equal(medio_vhu_check_regions(r, 3, words), 0);
	r[2].size = 0x1001;
	assert_int_equal(medio_vhu_check_regions(r, 3, words), -EINVAL);
	r[2] = (struct medio_vhu_region){ 0, 0x1000, 0x10000, UINT64_MAX };
	assert_int_equal(medio_vhu_check_regions(r, 3, words), -EINVAL);
}

static void bases_go_there_and_back(void **unused)
{
	(void)unused;
	struct medio_vhu_base base = medio_vhu_base_get(0x12345, false);
	assert_int_equal(base.avail, 0x2345);
	assert_int_equal(base.used, 0);
	assert_int_equal(medio_vhu_base_put(base, false), 0x2345);
	base = medio_vhu_base_get(0x80058007, true);
	assert_int_equal(base.avail, 0x8007);
	assert_int_equal(base.used, 0x8005);
	assert_int_equal(medio_vhu_base_put(base, true), 0x80058007);
	/* A front-end that leaves the used half out. */
	base = medio_vhu_base_get(0x8000, true);
	assert_int_equal(base.used, 0x8000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_of_another_version_or_size_are_refused),
		cmocka_unit_test(payloads_have_their_size),
		cmocka_unit_test(every_known_request_has_a_name_and_others_have_none),
		cmocka_unit_test(requests_of_a_protocol_feature_wait_for_it),
		cmocka_unit_test(a_table_has_a_descriptor_for_each_region),
		cmocka_unit_test(bit_8_says_whether_a_descriptor_comes),
		cmocka_unit_test(a_configuration_is_as_long_as_it_says),
		cmocka_unit_test(answers_of_their_own_are_known),
		cmocka_unit_test(regions_do_not_share_user_addresses),
		cmocka_unit_test(bases_go_there_and_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
