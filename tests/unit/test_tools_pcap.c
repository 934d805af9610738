/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of captured frames: what is written is read again, and what others wrote, and what nobody did. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <medio/error.h>

#include "tools/pcap.h"

/* A header of 24 bytes and a frame of 4, as each kind of machine writes them. */
#define ZEROS4 "\0\0\0\0"
static const char little[] = "\xd4\xc3\xb2\xa1\2\0\4\0" ZEROS4 ZEROS4 "\0\0\4\0\1\0\0\0"
			     "\x10\x20\x30\x40\x3f\x42\x0f\0\4\0\0\0\4\0\0\0abcd";
static const char big[] = "\xa1\xb2\xc3\xd4\0\2\0\4" ZEROS4 ZEROS4 "\0\4\0\0\0\0\0\1"
			  "\x40\x30\x20\x10\0\7\xa1\x20\0\0\0\4\0\0\0\6abcd";
static const char nano[] = "\x4d\x3c\xb2\xa1\2\0\4\0" ZEROS4 ZEROS4 "\0\0\4\0\1\0\0\0"
			   "\x10\x20\x30\x40\x15\xcd\x5b\7\4\0\0\0\4\0\0\0abcd";

static struct medio_error *err;

static int teardown(void **state)
{
	medio_error_free(err);
	err = NULL;
	return 0;
}

static void said(const char *words)
{
	assert_non_null(err);
	if (!strstr(medio_error_text(err), words))
		fail_msg("'%s' does not say '%s'", medio_error_text(err), words);
	medio_error_free(err);
	err = NULL;
}

static FILE *file_of(const char *bytes, size_t size)
{
	FILE *in = fmemopen((void *)bytes, size, "r");

	assert_non_null(in);
	return in;
}

/* Read all of it: how many frames, or the errno of what ended it. */
static int reads(
	const char *bytes, size_t size, struct medio_pcap_frame *last, char *buf, size_t room)
{
	FILE *in = file_of(bytes, size);
	struct medio_pcap pcap;
	int ret = medio_pcap_open(in, &pcap, &err), count = 0;

	while (!ret && (ret = medio_pcap_read(&pcap, last, buf, room, &err)) > 0) {
		count++;
		ret = 0;
	}
	fclose(in);
	return ret ? ret : count;
}

static void what_is_written_is_read(void **state)
{
	static const uint8_t frame[70] = { 1, 2, 3, [69] = 70 };
	const struct timespec when = { 1700000000, 123456789 };
	char *bytes = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&bytes, &size);
	struct medio_pcap_frame got;
	char buf[100];

	assert_non_null(out);
	assert_int_equal(medio_pcap_begin(out), 0);
	assert_int_equal(medio_pcap_write(out, &when, frame, 14), 0);
	assert_int_equal(medio_pcap_write(out, &when, frame, sizeof(frame)), 0);
	fclose(out);
	assert_int_equal(size, 24 + 16 + 14 + 16 + sizeof(frame));
	assert_int_equal(reads(bytes, size, &got, buf, sizeof(buf)), 2);
	assert_int_equal(got.length, sizeof(frame));
	assert_int_equal(got.original, sizeof(frame));
	assert_memory_equal(buf, frame, sizeof(frame));
	assert_int_equal(got.when.tv_sec, 1700000000);
	assert_int_equal(got.when.tv_nsec, 123456789);
	free(bytes);
}

static void reads_what_others_wrote(void **state)
{
	struct medio_pcap_frame got;
	char buf[4];

	assert_int_equal(reads(little, sizeof(little) - 1, &got, buf, 4), 1);
	assert_memory_equal(buf, "abcd", 4);
	assert_int_equal(got.when.tv_sec, 0x40302010);
	assert_int_equal(reads(big, sizeof(big) - 1, &got, buf, 4), 1);
	assert_int_equal(got.when.tv_sec, 0x40302010);
	assert_int_equal(got.when.tv_nsec, 500000000);
	assert_int_equal(got.length, 4);
	assert_int_equal(got.original, 6);
	assert_memory_equal(buf, "abcd", 4);
	assert_int_equal(reads(nano, sizeof(nano) - 1, &got, buf, 4), 1);
	assert_int_equal(got.when.tv_nsec, 123456789);
}

/* With one byte changed. */
static int changed(size_t at, char value)
{
	struct medio_pcap_frame got;
	char bytes[sizeof(little)], buf[4];

	memcpy(bytes, little, sizeof(little));
	bytes[at] = value;
	return reads(bytes, sizeof(little) - 1, &got, buf, sizeof(buf));
}

static void refuses_what_cannot_be(void **state)
{
	struct medio_pcap_frame got;
	char buf[4];

	/* Of the microseconds there are a million, which is one too many. */
	assert_int_equal(changed(24 + 4, '\x40'), -EINVAL);
	said("frame 1 is of a time");
	assert_int_equal(changed(0, 'x'), -EINVAL);
	said("no pcap file");
	assert_int_equal(changed(4, 3), -EINVAL);
	said("version 3");
	assert_int_equal(changed(20, 113), -EINVAL);
	said("kind 113");
	assert_int_equal(changed(24 + 8, 5), -EINVAL);
	said("5 bytes of 4");
	assert_int_equal(changed(24 + 10, 5), -EINVAL);
	said("cannot be");
	assert_int_equal(reads("\n\r\r\n............................", 32, &got, buf, 4), -EINVAL);
	said("editcap");
	assert_int_equal(reads(big, sizeof(big) - 1, &got, buf, 3), -EMSGSIZE);
	said("4 bytes, there is room for 3");
}

static void every_end_in_the_middle_is_told(void **state)
{
	struct medio_pcap_frame got;
	char buf[4];

	for (size_t size = 1; size < sizeof(big) - 1; size++) {
		if (size == 24)
			continue;
		assert_int_equal(reads(big, size, &got, buf, sizeof(buf)), -EINVAL);
		said(size < 4 ? "it has" : size < 24 ? "ends after" : "the file ends");
	}
	/* A file without frames is one. */
	assert_int_equal(reads(big, 24, &got, buf, sizeof(buf)), 0);
}

static void a_full_disk_is_told(void **state)
{
	FILE *out = fopen("/dev/full", "we");

	if (!out)
		skip();
	setvbuf(out, NULL, _IONBF, 0);
	assert_int_equal(medio_pcap_begin(out), -ENOSPC);
	assert_int_equal(medio_pcap_write(out, &(struct timespec){ 0 }, "abcd", 4), -ENOSPC);
	fclose(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(what_is_written_is_read, teardown),
		cmocka_unit_test_teardown(reads_what_others_wrote, teardown),
		cmocka_unit_test_teardown(refuses_what_cannot_be, teardown),
		cmocka_unit_test_teardown(every_end_in_the_middle_is_told, teardown),
		cmocka_unit_test_teardown(a_full_disk_is_told, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
