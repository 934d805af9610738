/* SPDX-License-Identifier: BSD-3-Clause */
/* What the trace filter writes about a sequence of calls that is known. */
#include "test_filter_device.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "filters/trace/record.h"
#include "pci/config.h"

static char dir[] = "/tmp/medio-trace-XXXXXX";

static int make_dir(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	return rmdir(dir);
}

/* Take times and durations out of lines: "+1.5 read x -> 0x1 (2.5 us)" becomes "read x -> 0x1". */
static char *without_times(char *text)
{
	char *to = text;

	for (char *line = text, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		assert_non_null(end);
		assert_int_equal(*line, '+');
		const char *words = strchr(line, ' ') + 1;
		size_t len = (size_t)(end - words);
		if (end[-1] == ')')
			for (len--; words[len] != '('; len--)
				;
		while (len && words[len - 1] == ' ')
			len--;
		memmove(to, words, len);
		to += len;
		*to++ = '\n';
	}
	*to = '\0';
	return text;
}

static void traced(const char *filter_format, void (*what)(struct test_bed *bed), const char *lines)
{
	char path[64], filter[128];
	struct test_bed bed;

	snprintf(path, sizeof(path), "%s/lines", dir);
	snprintf(filter, sizeof(filter), filter_format, path);
	test_bed_open(&bed, (const char *const[]){ filter, NULL });
	what(&bed);
	test_bed_close(&bed);
	char *text = slurp(path, NULL);
	assert_string_equal(without_times(text), lines);
	free(text);
	unlink(path);
}

static void reads_and_writes(struct test_bed *bed)
{
	uint8_t many[20] = "twenty bytes of text";

	bed_write(bed, 0x5, 0x60, 1);
	assert_int_equal(bed_read(bed, 0x5, 1), 0x60);
	medio_instance_write(bed->inst, 0, 0, many, 20);
	medio_instance_read(bed->inst, 0, 0, many, 20);
	medio_instance_write(bed->inst, MEDIO_REGION_CONFIG, 4, "\x07\x00", 2);
	assert_int_equal(bed_read(bed, DEV_FAIL, 4), -EIO);
	assert_int_equal(bed_write(bed, DEV_FAIL, 1, 4), -EIO);
}

static void accesses_are_lines_with_value_and_result(void **state)
{
	traced("trace:file=%s,data=4", reads_and_writes,
		"client came\n"
		"write bar0+0x5 1 0x60\n"
		"read  bar0+0x5 1 -> 0x60\n"
		"write bar0+0x0 20 74 77 65 6e ...\n"
		"read  bar0+0x0 20 -> 74 77 65 6e ...\n"
		"write config.command 2 0x0007\n"
		"read  bar0+0x2c 4 -> -EIO\n"
		"write bar0+0x2c 4 0x00000001\n"
		"write bar0+0x2c 4 -> -EIO\n"
		"quiesce\n"
		"resume\n"
		"client left\n");
}

static void interrupts_dma_and_reset(struct test_bed *bed)
{
	int fd = memfd_create("guest", 0);

	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(pwrite(fd, "\xde\xad\xbe\xef", 4, 0x10), 4);
	assert_int_equal(
		medio_instance_dma_map(bed->inst, 0x1000, 4096, MEDIO_PROT_READ, fd, 0, NULL), 0);
	close(fd);
	bed_write(bed, DEV_IRQ, 1, 4);
	bed_write(bed, DEV_IRQ, 0, 4);
	bed_write(bed, DEV_IRQ, 2, 4);
	bed_write(bed, DEV_DMA, 0x1010, 4); /* no bus master */
	medio_instance_write(bed->inst, MEDIO_REGION_CONFIG, 4, "\x06\x00", 2);
	assert_int_equal(bed_write(bed, DEV_DMA, 0x1010, 4), 0);
	medio_instance_reset(bed->inst, MEDIO_RESET_DEVICE);
	medio_instance_dma_unmap(bed->inst, 0x1000, 4096, false, NULL);
}

static void what_a_write_causes_stands_below_it(void **state)
{
	traced("trace:file=%s,data=4", interrupts_dma_and_reset,
		"client came\n"
		"map 0x1000 0x1000 r\n"
		"write bar0+0x20 4 0x00000001\n"
		"irq 0 up\n"
		"write bar0+0x20 4 0x00000000\n"
		"irq 0 down\n"
		"write bar0+0x20 4 0x00000002\n"
		"irq 0 pulse\n"
		"write bar0+0x24 4 0x00001010\n"
		"dma read 0x1010 32 -> -ENODEV\n"
		"write bar0+0x24 4 -> -ENODEV\n"
		"write config.command 2 0x0006\n"
		"write bar0+0x24 4 0x00001010\n"
		"dma read 0x1010 32 -> de ad be ef ...\n"
		"reset device\n"
		"unmap 0x1000 0x1000\n"
		"quiesce\n"
		"resume\n"
		"client left\n");
}

static void asynchronous_dma(struct test_bed *bed)
{
	int fd = memfd_create("guest", 0);

	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(pwrite(fd, "\xca\xfe", 2, 0x20), 2);
	assert_int_equal(
		medio_instance_dma_map(bed->inst, 0x1000, 4096, MEDIO_PROT_READ, fd, 0, NULL), 0);
	close(fd);
	assert_int_equal(bed_write(bed, DEV_ASYNC, 0x1020, 4), -ENODEV);
	medio_instance_write(bed->inst, MEDIO_REGION_CONFIG, 4, "\x06\x00", 2);
	assert_int_equal(bed_write(bed, DEV_ASYNC, 0x1020, 4), 0);
	assert_non_null(strstr(bed->device->log, "async 0;"));
}

static void asynchronous_dma_is_shown_when_it_ends(void **state)
{
	traced("trace:file=%s,data=4,only=dma", asynchronous_dma,
		"client came\n"
		"map 0x1000 0x1000 r\n"
		"dma read 0x1020 8 -> -ENODEV\n"
		"dma read 0x1020 8 -> ca fe 00 00 ...\n"
		"quiesce\n"
		"unmap 0x1000 0x1000\n"
		"resume\n"
		"client left\n");
}

static void only_names_what_is_traced(void **state)
{
	traced("trace:file=%s,only=irq", interrupts_dma_and_reset,
		"client came\n"
		"irq 0 up\n"
		"irq 0 down\n"
		"irq 0 pulse\n"
		"reset device\n"
		"client left\n");
}

static void deferred(struct test_bed *bed)
{
	assert_int_equal(bed_read(bed, DEV_DEFER, 4), MEDIO_DEFERRED);
	medio_complete(bed->device->token, 0, "\x78\x56\x34\x12", 4);
	assert_int_equal(bed_write(bed, DEV_DEFER, 7, 4), MEDIO_DEFERRED);
	medio_complete(bed->device->token, -EIO, NULL, 0);
	assert_int_equal(bed->end.answers, 2);
	assert_int_equal(bed->end.ret, -EIO);
}

static void deferred_answers_are_lines_of_their_own(void **state)
{
	traced("trace:file=%s", deferred,
		"client came\n"
		"read  bar0+0x28 4 -> deferred\n"
		"answer bar0+0x28 4 -> 0x12345678\n"
		"write bar0+0x28 4 0x00000007\n"
		"write bar0+0x28 4 -> deferred\n"
		"answer bar0+0x28 4 -> -EIO\n"
		"quiesce\n"
		"resume\n"
		"client left\n");
}

static void two_traces_keep_apart(void **state)
{
	char paths[2][64], filters[2][160];
	struct test_bed bed;

	for (int i = 0; i < 2; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/%d", dir, i);
		snprintf(filters[i], sizeof(filters[i]), "trace:file=%s,only=%s", paths[i],
			i ? "irq" : "access");
	}
	test_bed_open(&bed, (const char *const[]){ filters[0], filters[1], NULL });
	bed_write(&bed, DEV_IRQ, 2, 4);
	test_bed_close(&bed);
	char *one = slurp(paths[0], NULL), *two = slurp(paths[1], NULL);
	assert_string_equal(
		without_times(one), "client came\nwrite bar0+0x20 4 0x00000002\nclient left\n");
	assert_string_equal(without_times(two), "client came\nirq 0 pulse\nclient left\n");
	free(one);
	free(two);
	unlink(paths[0]);
	unlink(paths[1]);
}

static void a_timer_writes_what_a_killed_process_would_lose(void **state)
{
	char path[64], filter[128];
	struct test_bed bed;

	snprintf(path, sizeof(path), "%s/record", dir);
	snprintf(filter, sizeof(filter), "trace:record=%s,only=access", path);
	test_bed_open(&bed, (const char *const[]){ filter, NULL });
	bed_write(&bed, 0, 1, 4);
	struct stat before, after;
	stat(path, &before);
	assert_true(before.st_size < MEDIO_RECORD_START_MAX);
	assert_int_equal(before.st_mode & 0777, 0600);
	do {
		assert_true(medio_loop_run_once(bed.loop, 60000) >= 0);
		stat(path, &after);
	} while (after.st_size == before.st_size);
	/* The client that came and the write, whole. */
	assert_int_equal(after.st_size - before.st_size, 48 + 48 + 8);
	test_bed_close(&bed);
	unlink(path);
}

static void a_file_that_cannot_be_made_is_named(void **state)
{
	struct medio_instance_options opts = {
		.filters = (const char *const[]){ "trace:file=/nowhere/at/all" },
		.nfilters = 1,
		.known_filters = medio_builtin_filters,
	};
	struct medio_error *err = NULL;
	struct medio_instance *inst;
	struct medio_loop *loop;

	medio_loop_new(&loop);
	assert_int_equal(medio_instance_new(loop, &test_type, &opts, &inst, &err), -ENOENT);
	assert_non_null(strstr(medio_error_text(err),
		"cannot write to /nowhere/at/all: No such file or directory"));
	medio_error_free(err);
	medio_loop_free(loop);
}

static unsigned complaints;

static void count_errors(void *opaque, enum medio_log_level level, const char *line)
{
	if (level == MEDIO_LOG_ERROR && strstr(line, "/dev/full: No space left on device"))
		complaints++;
}

static void a_full_disk_is_told_once_and_stops_nothing(void **state)
{
	struct medio_instance_options opts = {
		.filters = (const char *const[]){ "trace:file=/dev/full" },
		.nfilters = 1,
		.known_filters = medio_builtin_filters,
		.log = count_errors,
	};
	struct medio_instance *inst;
	struct medio_loop *loop;
	uint8_t buf[4];

	medio_loop_new(&loop);
	assert_int_equal(medio_instance_new(loop, &test_type, &opts, &inst, NULL), 0);
	for (int i = 0; i < 5000; i++)
		assert_int_equal(medio_instance_read(inst, 0, 0, buf, 4), 0);
	medio_instance_free(inst);
	assert_int_equal(complaints, 1);
	medio_loop_free(loop);
}

/* ---- The record -------------------------------------------------------------------------------- */

static void expect(struct medio_record_reader *reader, enum medio_record_kind kind, uint64_t offset,
	uint64_t count, int result, uint32_t arg, const char *data, uint32_t data_size)
{
	struct medio_record r;

	assert_int_equal(medio_record_next(reader, &r), 1);
	assert_int_equal(r.kind, kind);
	assert_int_equal(r.offset, offset);
	assert_int_equal(r.count, count);
	assert_int_equal(r.result, result);
	assert_int_equal(r.arg, arg);
	assert_int_equal(r.data_size, data_size);
	if (data_size)
		assert_memory_equal(r.data, data, data_size);
}

static void the_record_keeps_everything(void **state)
{
	char path[64], filter[128];
	static uint8_t big[4096];
	struct test_bed bed;
	size_t size;

	snprintf(path, sizeof(path), "%s/record", dir);
	snprintf(filter, sizeof(filter), "trace:record=%s,data=1", path);
	memset(big, 0xa5, sizeof(big));
	test_bed_open(&bed, (const char *const[]){ filter, NULL });
	bed_write(&bed, 3, 0xbeef, 2);
	bed_read(&bed, 3, 2);
	bed_write(&bed, DEV_IRQ, 1, 4);
	deferred(&bed);
	/* More than the buffer of the filter holds. */
	for (int i = 0; i < 40; i++)
		medio_instance_write(bed.inst, 0, 0, big, sizeof(big));
	medio_instance_reset(bed.inst, MEDIO_RESET_FLR);
	test_bed_close(&bed);

	char *bytes = slurp(path, &size);
	struct medio_record_reader reader;
	struct medio_record_start start;
	assert_int_equal(medio_record_open(&reader, bytes, size, &start), 0);
	assert_string_equal(start.type, "test-device");
	assert_string_equal(start.uuid, "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001");
	assert_true(start.unix_ns > UINT64_C(1700000000000000000));
	expect(&reader, MEDIO_RECORD_CLIENT, 0, 0, 0, 1, NULL, 0);
	expect(&reader, MEDIO_RECORD_WRITE, 3, 2, 0, 0, "\xef\xbe", 2);
	expect(&reader, MEDIO_RECORD_READ, 3, 2, 0, 0, "\xef\xbe", 2);
	expect(&reader, MEDIO_RECORD_IRQ, 0, 0, 0, 1, NULL, 0);
	expect(&reader, MEDIO_RECORD_WRITE, DEV_IRQ, 4, 0, 0, "\1\0\0\0", 4);
	expect(&reader, MEDIO_RECORD_READ, DEV_DEFER, 4, MEDIO_DEFERRED, 0, NULL, 0);
	expect(&reader, MEDIO_RECORD_ANSWER, DEV_DEFER, 4, 0, 0, "\x78\x56\x34\x12", 4);
	expect(&reader, MEDIO_RECORD_WRITE, DEV_DEFER, 4, MEDIO_DEFERRED, 0, "\7\0\0\0", 4);
	expect(&reader, MEDIO_RECORD_ANSWER, DEV_DEFER, 4, -EIO, 1, NULL, 0);
	for (int i = 0; i < 40; i++)
		expect(&reader, MEDIO_RECORD_WRITE, 0, 4096, 0, 0, (char *)big, 4096);
	expect(&reader, MEDIO_RECORD_RESET, 0, 0, 0, MEDIO_RESET_FLR, NULL, 0);
	expect(&reader, MEDIO_RECORD_QUIESCE, 0, 0, 0, 0, NULL, 0);
	expect(&reader, MEDIO_RECORD_RESUME, 0, 0, 0, 0, NULL, 0);
	expect(&reader, MEDIO_RECORD_CLIENT, 0, 0, 0, 0, NULL, 0);
	struct medio_record r;
	assert_int_equal(medio_record_next(&reader, &r), 0);
	free(bytes);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accesses_are_lines_with_value_and_result),
		cmocka_unit_test(what_a_write_causes_stands_below_it),
		cmocka_unit_test(asynchronous_dma_is_shown_when_it_ends),
		cmocka_unit_test(only_names_what_is_traced),
		cmocka_unit_test(deferred_answers_are_lines_of_their_own),
		cmocka_unit_test(two_traces_keep_apart),
		cmocka_unit_test(a_timer_writes_what_a_killed_process_would_lose),
		cmocka_unit_test(a_file_that_cannot_be_made_is_named),
		cmocka_unit_test(a_full_disk_is_told_once_and_stops_nothing),
		cmocka_unit_test(the_record_keeps_everything),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
