/* SPDX-License-Identifier: BSD-3-Clause */
/* How a user names a disk: what is understood, and what is said about the rest. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "virtio-scsi/spec.h"

static void takes(const char *text, struct scsi_spec *out)
{
	char words[SCSI_SPEC_WORDS] = "";

	assert_int_equal(scsi_spec_parse(text, out, words), 0);
}

static void refuses(const char *text, const char *because)
{
	char words[SCSI_SPEC_WORDS] = "";
	struct scsi_spec spec;

	assert_int_equal(scsi_spec_parse(text, &spec, words), -EINVAL);
	if (!strstr(words, because))
		fail_msg("'%s' is refused by '%s', not '%s'", text, words, because);
}

static void each_kind_is_understood(void **state)
{
	struct scsi_spec spec;

	(void)state;
	takes("file:/srv/a.img", &spec);
	assert_string_equal(spec.disk.file, "/srv/a.img");
	assert_false(spec.disk.readonly);
	scsi_spec_free(&spec);
	takes("mem:64M", &spec);
	assert_int_equal(spec.disk.mem, 64 << 20);
	assert_null(spec.disk.file);
	scsi_spec_free(&spec);
	takes("mem:4096", &spec);
	assert_int_equal(spec.disk.mem, 4096);
	scsi_spec_free(&spec);
	takes("mem:2g", &spec);
	assert_int_equal(spec.disk.mem, UINT64_C(2) << 30);
	scsi_spec_free(&spec);
	takes("null", &spec);
	assert_true(spec.disk.null);
	assert_int_equal(spec.disk.size, UINT64_C(1) << 40);
	scsi_spec_free(&spec);
	takes("null,size=3T", &spec);
	assert_int_equal(spec.disk.size, UINT64_C(3) << 40);
	scsi_spec_free(&spec);
	/* A URI has colons and equals signs of its own. */
	takes("nbd:nbd+unix:///x?socket=/tmp/s,readonly=on", &spec);
	assert_string_equal(spec.disk.nbd, "nbd+unix:///x?socket=/tmp/s");
	assert_true(spec.disk.readonly);
	scsi_spec_free(&spec);
}

static void options_follow_commas(void **state)
{
	struct scsi_spec spec;

	(void)state;
	takes("file:a b=c:d,readonly,direct=on,aio=threads,serial=WD-1", &spec);
	assert_string_equal(spec.disk.file, "a b=c:d");
	assert_true(spec.disk.readonly);
	assert_int_equal(spec.disk.direct, DISK_DIRECT_ON);
	assert_int_equal(spec.disk.aio, DISK_AIO_THREADS);
	assert_string_equal(spec.serial, "WD-1");
	scsi_spec_free(&spec);
	takes("file:a,direct,readonly=off", &spec);
	assert_int_equal(spec.disk.direct, DISK_DIRECT_ON);
	assert_false(spec.disk.readonly);
	scsi_spec_free(&spec);
}

static void a_comma_in_a_path_is_written_twice(void **state)
{
	struct scsi_spec spec;

	(void)state;
	takes("file:a,,b,,,readonly", &spec);
	assert_string_equal(spec.disk.file, "a,b,");
	assert_true(spec.disk.readonly);
	scsi_spec_free(&spec);
	takes("file:a,,readonly", &spec);
	assert_string_equal(spec.disk.file, "a,readonly");
	scsi_spec_free(&spec);
}

static void the_rest_is_refused_in_words(void **state)
{
	char longest[80] = "mem:1M,serial=", *end = longest + strlen(longest);

	(void)state;
	refuses("disk.img", "did you mean 'file:disk.img'?");
	refuses("", "is not a kind of disk");
	refuses("men:64M", "'men:64M' is not a kind");
	refuses("null:1", "is not a kind");
	refuses("file", "needs a path");
	refuses("file:", "needs a path");
	refuses("file:,readonly", "needs a path");
	refuses("nbd:", "needs a URI");
	refuses("mem", "needs a size");
	refuses("mem:", "needs a size");
	refuses("mem:0", "needs a size");
	refuses("mem:-1", "needs a size");
	refuses("mem: 1", "needs a size");
	refuses("mem:64MB", "needs a size");
	refuses("mem:99999999999999999999", "needs a size");
	refuses("mem:16777216T", "needs a size");
	refuses("mem:1M,", "unknown option ''");
	refuses("mem:1M,cache=none", "unknown option 'cache'");
	refuses("file:a,b", "a comma in a path is written twice");
	refuses("mem:1M,readonly=perhaps", "on or off");
	refuses("mem:1M,aio", "one of auto, io_uring, threads");
	refuses("mem:1M,direct=2", "one of off, on");
	refuses("mem:1M,size=1M", "'size' is for null");
	refuses("null,size=0", "needs a size");
	refuses("mem:1M,serial", "1 to 64");
	refuses("mem:1M,serial=a b", "no spaces");
	memset(end, 'x', 65);
	end[65] = '\0';
	refuses(longest, "1 to 64");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_is_understood),
		cmocka_unit_test(options_follow_commas),
		cmocka_unit_test(a_comma_in_a_path_is_written_twice),
		cmocka_unit_test(the_rest_is_refused_in_words),
	};

	return cmocka_run_group_tests_name("scsi_spec", tests, NULL, NULL);
}
