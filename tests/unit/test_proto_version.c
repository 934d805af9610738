/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/version.h"
#include "proto/vfio_user.h"
#include "util/error.h"

static int parse(const char *text, struct medio_vu_caps *caps)
{
	return medio_vu_caps_parse(text, strlen(text) + 1, caps, NULL);
}

static void refuse(const char *text, size_t size, const char *word)
{
	struct medio_vu_caps caps = { .max_msg_fds = 77 };
	struct medio_error *err = NULL;
	/* A heap copy of its exact size: a read past the end is seen. */
	char *copy = malloc(size);

	memcpy(copy, text, size);
	assert_int_equal(medio_vu_caps_parse(copy, size, &caps, &err), -EINVAL);
	free(copy);
	assert_non_null(err);
	if (!strstr(medio_error_text(err), word))
		fail_msg("\"%s\" does not name %s", medio_error_text(err), word);
	medio_error_free(err);
	assert_int_equal(caps.max_msg_fds, 77);
}

static void no_json_means_the_documents_defaults(void **state)
{
	struct medio_vu_caps caps;

	assert_int_equal(medio_vu_caps_parse(NULL, 0, &caps, NULL), 0);
	assert_int_equal(caps.max_msg_fds, 1);
	assert_int_equal(caps.max_data_xfer_size, 1048576);
	assert_int_equal(caps.max_dma_maps, 65535);
	assert_int_equal(caps.pgsizes, 4096);
	assert_false(caps.twin_socket);
	assert_int_equal(caps.twin_fd_index, -1);
	assert_false(caps.write_multiple);
	assert_int_equal(caps.migration_pgsize, 0);
}

static void every_member_is_read(void **state)
{
	struct medio_vu_caps caps;

	assert_int_equal(parse("{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":65536,"
			       "\"max_dma_maps\":7,\"pgsizes\":4198400,\"write_multiple\":true,"
			       "\"migration\":{\"pgsize\":8192,\"max_bitmap_size\":1},"
			       "\"twin_socket\":{\"supported\":true,\"fd_index\":3}}}",
				 &caps),
		0);
	assert_int_equal(caps.max_msg_fds, 16);
	assert_int_equal(caps.max_data_xfer_size, 65536);
	assert_int_equal(caps.max_dma_maps, 7);
	assert_int_equal(caps.pgsizes, 4198400);
	assert_true(caps.write_multiple);
	assert_int_equal(caps.migration_pgsize, 8192);
	assert_true(caps.twin_socket);
	assert_int_equal(caps.twin_fd_index, 3);
}

static void unknown_members_and_padding_are_ignored(void **state)
{
	struct medio_vu_caps caps;
	static const char padded[] = "{\"capabilities\":{\"pgsizes\":8192}}\0\0\0";

	assert_int_equal(
		parse("{\"x\":[1,2],\"capabilities\":{\"y\":null,\"max_msg_fds\":2}} ", &caps), 0);
	assert_int_equal(caps.max_msg_fds, 2);
	assert_int_equal(medio_vu_caps_parse(padded, sizeof(padded), &caps, NULL), 0);
	assert_int_equal(caps.pgsizes, 8192);
	assert_int_equal(parse("{}", &caps), 0);
	assert_int_equal(caps.pgsizes, 4096);
}

static void malformed_text_is_refused_with_words(void **state)
{
#define REFUSE(text, word) refuse(text, sizeof(text), word)
	refuse("{}", 2, "NUL");
	REFUSE("", "not JSON");
	REFUSE("{\"capabilities\":{}}\0x", "after the NUL");
	REFUSE("{\"capabilities\":{}", "not JSON");
	REFUSE("{\"capabilities\":{}} x", "not JSON");
	REFUSE("[1]", "not an object");
	REFUSE("null", "not an object");
	REFUSE("3", "not an object");
	REFUSE("{\"capabilities\":[]}", "capabilities is not an object");
	REFUSE("{\"capabilities\":null}", "capabilities is not an object");
	REFUSE("{\"capabilities\":{\"max_msg_fds\":\"8\"}}", "max_msg_fds is not an integer");
	REFUSE("{\"capabilities\":{\"max_msg_fds\":8.0}}", "max_msg_fds is not an integer");
	REFUSE("{\"capabilities\":{\"max_msg_fds\":-8}}", "max_msg_fds is negative");
	REFUSE("{\"capabilities\":{\"max_data_xfer_size\":0}}", "max_data_xfer_size is 0");
	REFUSE("{\"capabilities\":{\"write_multiple\":1}}", "write_multiple");
	REFUSE("{\"capabilities\":{\"twin_socket\":true}}", "twin_socket is not an object");
	REFUSE("{\"capabilities\":{\"twin_socket\":{\"supported\":0}}}", "supported");
	REFUSE("{\"capabilities\":{\"twin_socket\":{\"fd_index\":4294967296}}}", "fd_index");
	REFUSE("{\"capabilities\":{\"migration\":7}}", "migration is not an object");
	REFUSE("{\"capabilities\":{\"migration\":{\"pgsize\":4097}}}", "pgsize is 4097");
#undef REFUSE
}

static char *nested(unsigned depth)
{
	char *text = malloc(depth * 6 + 2), *p = text;

	for (unsigned i = 0; i < depth; i++)
		p = stpcpy(p, "{\"a\":");
	*p++ = '1';
	memset(p, '}', depth);
	p[depth] = 0;
	return text;
}

static void nesting_is_limited_to_sixteen(void **state)
{
	struct medio_vu_caps caps;
	char *text = nested(16);

	assert_int_equal(parse(text, &caps), 0);
	free(text);
	text = nested(17);
	assert_int_equal(parse(text, &caps), -EINVAL);
	free(text);
}

static void more_than_64_kib_is_refused_unparsed(void **state)
{
	size_t size = 65536 + 1;
	char *text = malloc(size);

	memset(text, ' ', size);
	memcpy(text, "{}", 2);
	text[size - 1] = 0;
	refuse(text, size, "65537 bytes");
	struct medio_vu_caps caps;
	text[size - 2] = 0;
	assert_int_equal(medio_vu_caps_parse(text, size - 1, &caps, NULL), 0);
	free(text);
}

static void printed_text_parses_to_the_same(void **state)
{
	struct medio_vu_caps caps = {
		.max_msg_fds = 8,
		.max_data_xfer_size = UINT64_MAX,
		.max_dma_maps = 1,
		.pgsizes = UINT64_C(1) << 63,
		.twin_socket = true,
		.twin_fd_index = 2,
		.write_multiple = true,
		.migration_pgsize = 4096,
	}, again;
	char text[512];
	int len = medio_vu_caps_print(&caps, text, sizeof(text));

	assert_int_equal(len, strlen(text) + 1);
	assert_int_equal(medio_vu_caps_parse(text, len, &again, NULL), 0);
	assert_int_equal(again.max_data_xfer_size, UINT64_MAX);
	assert_int_equal(again.max_dma_maps, 1);
	assert_true(again.pgsizes == UINT64_C(1) << 63);
	assert_int_equal(again.twin_fd_index, 2);
	assert_true(again.twin_socket && again.write_multiple);
	assert_int_equal(again.migration_pgsize, 4096);
}

static void print_fits_qemus_reply_and_drops_only_defaults(void **state)
{
	struct medio_vu_caps caps, again;
	char text[194];
	int full, brief;

	medio_vu_caps_default(&caps);
	caps.max_msg_fds = 8;
	caps.write_multiple = true;
	caps.migration_pgsize = 4096;
	full = medio_vu_caps_print(&caps, text, sizeof(text));
	assert_true(full > 0);
	assert_non_null(strstr(text, "\"max_msg_fds\":8,"));
	assert_non_null(strstr(text, "\"pgsizes\":4096"));

	brief = medio_vu_caps_print(&caps, text, full - 1);
	assert_in_range(brief, 1, full - 1);
	assert_null(strstr(text, "pgsizes"));
	assert_int_equal(medio_vu_caps_parse(text, brief, &again, NULL), 0);
	assert_int_equal(again.max_msg_fds, 8);
	assert_int_equal(again.migration_pgsize, 4096);
	assert_int_equal(medio_vu_caps_print(&caps, text, brief), brief);
	assert_int_equal(medio_vu_caps_print(&caps, text, brief - 1), -ENOSPC);
	assert_int_equal(medio_vu_caps_print(&caps, NULL, 0), -ENOSPC);
}

static void commands_have_names(void **state)
{
	assert_string_equal(medio_vu_cmd_name(MEDIO_VU_VERSION), "VERSION");
	assert_string_equal(medio_vu_cmd_name(MEDIO_VU_MIG_DATA_WRITE), "MIG_DATA_WRITE");
	assert_string_equal(medio_vu_cmd_name(0), "command 0");
	assert_string_equal(medio_vu_cmd_name(14), "command 14");
	assert_string_equal(medio_vu_cmd_name(65535), "command 65535");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_json_means_the_documents_defaults),
		cmocka_unit_test(every_member_is_read),
		cmocka_unit_test(unknown_members_and_padding_are_ignored),
		cmocka_unit_test(malformed_text_is_refused_with_words),
		cmocka_unit_test(nesting_is_limited_to_sixteen),
		cmocka_unit_test(more_than_64_kib_is_refused_unparsed),
		cmocka_unit_test(printed_text_parses_to_the_same),
		cmocka_unit_test(print_fits_qemus_reply_and_drops_only_defaults),
		cmocka_unit_test(commands_have_names),
	};
	return cmocka_run_group_tests_name("proto_version", tests, NULL, NULL);
}
