/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks read, written, given back and written alike by SCSI commands, and what becomes of commands under way. */
#include "test_scsi_bed.h"

#include <errno.h>
#include <string.h>

#include "test_bytes.h"

enum { BLOCKS = BED_BYTES / BED_BLOCK };

static int setup(void **state)
{
	*state = scsi_bed_new();
	return 0;
}

static int teardown(void **state)
{
	scsi_bed_free(*state);
	return 0;
}

/* Data one way only, as a driver has it. */
static void to_write(struct scsi_bed *bed, size_t bytes, unsigned seed)
{
	scramble(bed->out, bytes, seed);
	bed->out_bytes = bytes;
	bed->in_bytes = 0;
}

static void to_read(struct scsi_bed *bed, size_t bytes)
{
	memset(bed->in, 0xee, bytes + 1);
	bed->out_bytes = 0;
	bed->in_bytes = bytes;
}

/* ---- READ, WRITE --------------------------------------------------------------------------------- */

static void each_length_of_cdb_reads_and_writes(void **state)
{
	static const uint8_t writes[][16] = {
		{ 0x0a, 0x00, BE16(0x123), 3 },
		{ 0x2a, 0, BE32(0x123), 0, BE16(3) },
		{ 0xaa, 0, BE32(0x123), BE32(3) },
		{ 0x8a, 0, BE64(0x123), BE32(3) },
	};
	static const uint8_t reads[][16] = {
		{ 0x08, 0x00, BE16(0x123), 3 },
		{ 0x28, 0, BE32(0x123), 0, BE16(3) },
		{ 0xa8, 0, BE32(0x123), BE32(3) },
		{ 0x88, 0, BE64(0x123), BE32(3) },
	};
	struct scsi_bed *bed = *state;

	for (unsigned i = 0; i < 4; i++) {
		to_write(bed, 1536, i);
		assert_int_equal(scsi_bed_run(bed, writes[i]), 0);
		assert_int_equal(bed->cmd.moved, 1536);
		assert_memory_equal(fake_memory(bed->disk) + 0x123 * 512, bed->out, 1536);
		for (unsigned k = 0; k < 4; k++) {
			to_read(bed, 1536);
			assert_int_equal(scsi_bed_run(bed, reads[k]), 0);
			assert_int_equal(bed->cmd.moved, 1536);
			assert_memory_equal(bed->in, bed->out, 1536);
			assert_int_equal(bed->in[1536], 0xee);
		}
	}
	/* 6 bytes: no blocks mean 256. */
	to_read(bed, 256 * 512);
	works(bed, 0x08, 0, BE16(0), 0);
	assert_int_equal(bed->cmd.moved, 256 * 512);
	/* And 21 bits of an address. */
	fails(bed, SENSE_LBA_OUT_OF_RANGE, 0x08, 0x1f, BE16(0), 1);
	works(bed, 0x08, 0xe0, BE16(0), 1);
}

static void pieces_of_any_size_are_put_together(void **state)
{
	static const size_t pieces[] = { 1 << 20, 4096, 4095, 4097, 512, 511, 600, 1000, 33,
		30000 };
	struct scsi_bed *bed = *state;

	for (unsigned i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		bed->piece = pieces[i];
		size_t bytes = pieces[i] < 100 ? 16 * 512 : 200 * 512;
		to_write(bed, bytes, i);
		works(bed, WRITE_10(77, bytes / 512));
		assert_memory_equal(fake_memory(bed->disk) + 77 * 512, bed->out, bytes);
		bed->piece = pieces[(i + 3) % 7];
		to_read(bed, bytes);
		works(bed, READ_10(77, bytes / 512));
		assert_memory_equal(bed->in, bed->out, bytes);
		assert_int_equal(bed->cmd.moved, bytes);
	}
}

/* The driver's own pieces go to the disk as they are; others fit a window, in several requests at need. */
static void a_command_of_seg_max_pieces_is_one_request(void **state)
{
	struct scsi_bed *bed = *state;

	bed->piece = 600;
	to_read(bed, 126 * 600 / 512 * 512);
	works(bed, READ_10(0, bed->in_bytes / 512));
	assert_int_equal(fake_requests(bed->disk), 1);
	/* Not all of the buffer is wanted, so the last piece is cut. */
	works(bed, READ_10(0, bed->in_bytes / 512 - 1));
	assert_int_equal(fake_requests(bed->disk), 2);
	/* More pieces than a driver may: in parts. */
	bed->piece = 60;
	to_write(bed, 64 * 512, 9);
	bed->out_bytes += 100;
	works(bed, WRITE_10(5, 64));
	assert_int_equal(fake_requests(bed->disk), 2 + 5);
	assert_memory_equal(fake_memory(bed->disk) + 5 * 512, bed->out, 64 * 512);
	/* And none of them a block: not at all. */
	bed->piece = 3;
	to_write(bed, 1000, 9);
	fails(bed, SENSE_RESOURCES, WRITE_10(5, 1));
}

static void blocks_outside_are_refused(void **state)
{
	struct scsi_bed *bed = *state;

	bed->in_bytes = bed->out_bytes = 4096;
	works(bed, READ_10(BLOCKS - 1, 1));
	works(bed, READ_10(BLOCKS, 0));
	unsigned before = fake_requests(bed->disk);
	fails(bed, SENSE_LBA_OUT_OF_RANGE, READ_10(BLOCKS, 1));
	fails(bed, SENSE_LBA_OUT_OF_RANGE, READ_10(BLOCKS - 1, 2));
	fails(bed, SENSE_LBA_OUT_OF_RANGE, WRITE_10(UINT32_MAX, 0xffff));
	fails(bed, SENSE_LBA_OUT_OF_RANGE, READ_16(0, UINT64_MAX, 1));
	fails(bed, SENSE_LBA_OUT_OF_RANGE, READ_16(0, UINT64_MAX, UINT32_MAX));
	fails(bed, SENSE_LBA_OUT_OF_RANGE, READ_16(0, UINT64_C(1) << 55, 1));
	fails(bed, SENSE_LBA_OUT_OF_RANGE, WRITE_16(0, 0, UINT32_MAX));
	assert_int_equal(fake_requests(bed->disk), before);
}

static void a_buffer_too_small_is_an_overrun(void **state)
{
	struct scsi_bed *bed = *state;

	to_read(bed, 1023);
	fails(bed, SCSI_OVERRUN, READ_10(0, 2));
	bed->in_bytes = 0;
	fails(bed, SCSI_OVERRUN, READ_10(0, 1));
	fails(bed, SCSI_OVERRUN, 0x12, 0, 0, BE16(36));
	to_write(bed, 511, 0);
	fails(bed, SCSI_OVERRUN, WRITE_10(0, 1));
	assert_int_equal(fake_requests(bed->disk), 0);
	/* Too large is none: the rest is left over. */
	to_read(bed, 5000);
	works(bed, READ_10(0, 2));
	assert_int_equal(bed->cmd.moved, 1024);
	assert_int_equal(bed->in[1024], 0xee);
	/* What is asked for may be less than what is offered to be taken. */
	to_read(bed, 36);
	works(bed, 0x12, 0, 0, BE16(36));
	fails(bed, SCSI_OVERRUN, 0x12, 0, 0, BE16(96));
}

static void fua_reaches_the_disk(void **state)
{
	struct scsi_bed *bed = *state;

	to_write(bed, 512, 1);
	works(bed, WRITE_16(0x08, 4, 1));
	works(bed, WRITE_16(0x10, 4, 1));
	assert_true(fake_request(bed->disk, 0)->durable);
	assert_false(fake_request(bed->disk, 1)->durable);
	/* A read of what is on the medium: what is newer goes there first. */
	to_read(bed, 512);
	works(bed, READ_16(0x08, 4, 1));
	assert_int_equal(fake_request(bed->disk, 2)->op, DISK_FLUSH);
	assert_int_equal(fake_request(bed->disk, 3)->op, DISK_READ);
	assert_memory_equal(bed->in, bed->out, 512);
	fake_fail(bed->disk, DISK_FLUSH, -EIO, 1);
	fails(bed, SENSE_WRITE_ERROR, READ_16(0x08, 4, 1));
	/* No protection information is kept. */
	fails(bed, SENSE_INVALID_FIELD, READ_16(0x20, 4, 1));
	to_write(bed, 512, 1);
	fails(bed, SENSE_INVALID_FIELD, WRITE_16(0xe0, 4, 1));
}

static void errors_of_the_disk_are_told(void **state)
{
	static const struct {
		int ret;
		int write, read;
	} errors[] = {
		{ -EIO, SENSE_WRITE_ERROR, SENSE_READ_ERROR },
		{ -ENOSPC, SENSE_NO_SPACE, SENSE_NO_SPACE },
		{ -EROFS, SENSE_WRITE_PROTECTED, SENSE_WRITE_PROTECTED },
		{ -ENOMEM, SENSE_RESOURCES, SENSE_RESOURCES },
		{ -ESHUTDOWN, SENSE_WRITE_ERROR, SENSE_READ_ERROR },
	};
	struct scsi_bed *bed = *state;

	for (unsigned i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		to_write(bed, 512, 1);
		fake_fail(bed->disk, DISK_WRITE, errors[i].ret, 1);
		fails(bed, errors[i].write, WRITE_10(0, 1));
		to_read(bed, 512);
		fake_fail(bed->disk, DISK_READ, errors[i].ret, 1);
		fails(bed, errors[i].read, READ_10(0, 1));
		works(bed, READ_10(0, 1));
	}
	fake_fail(bed->disk, DISK_FLUSH, -EIO, 1);
	fails(bed, SENSE_WRITE_ERROR, 0x35);
	/* In the second of several parts: the command has failed, and stops. */
	bed->piece = 60;
	to_write(bed, 64 * 512, 9);
	bed->out_bytes += 100;
	fake_fail(bed->disk, DISK_WRITE, -EIO, 1);
	unsigned before = fake_requests(bed->disk);
	fails(bed, SENSE_WRITE_ERROR, WRITE_10(5, 64));
	assert_int_equal(fake_requests(bed->disk), before + 1);
}

static void a_protected_disk_is_not_written(void **state)
{
	struct scsi_bed *bed = *state;

	bed->lun->info.readonly = true;
	to_write(bed, 512, 1);
	fails(bed, SENSE_WRITE_PROTECTED, WRITE_10(0, 1));
	fails(bed, SENSE_WRITE_PROTECTED, 0x93, 0x01, BE64(0), BE32(1));
	fails(bed, SENSE_WRITE_PROTECTED, 0x42, 0, 0, 0, 0, 0, 0, BE16(8));
	to_read(bed, 512);
	works(bed, READ_10(0, 1));
	works(bed, 0x35);
}

static void caches_are_written_and_blocks_verified(void **state)
{
	struct scsi_bed *bed = *state;

	works(bed, 0x35, 0, BE32(0), 0, BE16(0));
	works(bed, 0x91, 0x02, BE64(7), BE32(3));
	assert_int_equal(fake_requests(bed->disk), 2);
	assert_int_equal(fake_request(bed->disk, 1)->op, DISK_FLUSH);
	fails(bed, SENSE_LBA_OUT_OF_RANGE, 0x35, 0, BE32(BLOCKS), 0, BE16(1));
	fails(bed, SENSE_LBA_OUT_OF_RANGE, 0x91, 0, BE64(UINT64_MAX), BE32(1));
	works(bed, 0x2f, 0, BE32(0), 0, BE16(BLOCKS));
	works(bed, 0xaf, 0, BE32(1), BE32(BLOCKS - 1));
	works(bed, 0x8f, 0, BE64(1), BE32(BLOCKS - 1));
	fails(bed, SENSE_LBA_OUT_OF_RANGE, 0x8f, 0, BE64(1), BE32(BLOCKS));
	fails(bed, SENSE_INVALID_FIELD, 0x2f, 0x02, BE32(0), 0, BE16(1));
}

/* ---- UNMAP, WRITE SAME --------------------------------------------------------------------------- */

static unsigned unmap_list(struct scsi_bed *bed, unsigned n, const uint64_t (*ranges)[2])
{
	memset(bed->out, 0, 8);
	scsi_put_be(bed->out, 2, 6 + n * 16);
	scsi_put_be(bed->out + 2, 2, n * 16);
	for (unsigned i = 0; i < n; i++) {
		scsi_put_be(bed->out + 8 + i * 16, 8, ranges[i][0]);
		scsi_put_be(bed->out + 16 + i * 16, 8, ranges[i][1] << 32);
	}
	bed->in_bytes = 0;
	bed->out_bytes = 8 + n * 16;
	return 8 + n * 16;
}

static void ranges_are_given_back(void **state)
{
	static const uint64_t ranges[][2] = { { 8, 8 }, { 100, 0 }, { 64, 1 } };
	struct scsi_bed *bed = *state;
	uint8_t *memory = fake_memory(bed->disk);

	memset(memory, 0x77, BED_BYTES);
	bed->piece = 5;
	unsigned len = unmap_list(bed, 3, ranges);
	works(bed, 0x42, 0, 0, 0, 0, 0, 0, BE16(len));
	assert_int_equal(bed->cmd.moved, len);
	assert_int_equal(fake_requests(bed->disk), 2);
	assert_int_equal(fake_request(bed->disk, 0)->op, DISK_DISCARD);
	assert_int_equal(fake_request(bed->disk, 0)->offset, 8 * 512);
	assert_int_equal(fake_request(bed->disk, 0)->bytes, 8 * 512);
	assert_int_equal(fake_request(bed->disk, 1)->offset, 64 * 512);
	assert_int_equal(memory[8 * 512 - 1], 0x77);
	assert_int_equal(memory[8 * 512], 0);
	assert_int_equal(memory[16 * 512], 0x77);
	/* A list that says less, one that is cut, one of nothing. */
	works(bed, 0x42, 0, 0, 0, 0, 0, 0, BE16(8 + 16 + 15));
	assert_int_equal(fake_requests(bed->disk), 3);
	scsi_put_be(bed->out + 2, 2, 16);
	works(bed, 0x42, 0, 0, 0, 0, 0, 0, BE16(len));
	assert_int_equal(fake_requests(bed->disk), 4);
	works(bed, 0x42, 0, 0, 0, 0, 0, 0, BE16(0));
	works(bed, 0x42, 0, 0, 0, 0, 0, 0, BE16(8));
	assert_int_equal(fake_requests(bed->disk), 4);
}

static void wrong_ranges_give_nothing_back(void **state)
{
	static const uint64_t outside[][2] = { { 8, 8 }, { BLOCKS - 1, 2 } };
	static const uint64_t far[][2] = { { UINT64_MAX, UINT32_MAX } };
	static const uint64_t many[257][2];
	struct scsi_bed *bed = *state;
	unsigned len = unmap_list(bed, 2, outside);

	fails(bed, SENSE_LBA_OUT_OF_RANGE, 0x42, 0, 0, 0, 0, 0, 0, BE16(len));
	len = unmap_list(bed, 1, far);
	fails(bed, SENSE_LBA_OUT_OF_RANGE, 0x42, 0, 0, 0, 0, 0, 0, BE16(len));
	fails(bed, SCSI_OVERRUN, 0x42, 0, 0, 0, 0, 0, 0, BE16(len + 1));
	fails(bed, SENSE_LIST_LENGTH, 0x42, 0, 0, 0, 0, 0, 0, BE16(7));
	fails(bed, SENSE_INVALID_FIELD, 0x42, 1, 0, 0, 0, 0, 0, BE16(len));
	len = unmap_list(bed, 257, many);
	fails(bed, SENSE_INVALID_PARAMETER, 0x42, 0, 0, 0, 0, 0, 0, BE16(len));
	len = unmap_list(bed, 256, many);
	works(bed, 0x42, 0, 0, 0, 0, 0, 0, BE16(len));
	assert_int_equal(fake_requests(bed->disk), 0);
	bed->lun->info.discards = false;
	fails(bed, SENSE_INVALID_OPCODE, 0x42, 0, 0, 0, 0, 0, 0, BE16(len));
}

static void a_command_cannot_cost_more_than_is_told(void **state)
{
	static const uint64_t ranges[][2] = { { 0, 0x600000 }, { 0, 0x300000 } };
	struct scsi_bed *bed = *state;
	unsigned len = unmap_list(bed, 2, ranges);

	bed->lun->info.bytes = UINT64_C(1) << 40;
	fails(bed, SENSE_INVALID_PARAMETER, 0x42, 0, 0, 0, 0, 0, 0, BE16(len));
	bed->out_bytes = 512;
	fails(bed, SENSE_INVALID_FIELD, 0x93, 0x00, BE64(0), BE32(65537));
	fails(bed, SENSE_INVALID_FIELD, 0x93, 0x00, BE64(0), BE32(0));
	assert_int_equal(fake_requests(bed->disk), 0);
}

static void write_same_repeats_a_block(void **state)
{
	static const size_t pieces[] = { 4096, 512, 100, 511 };
	struct scsi_bed *bed = *state;

	for (unsigned i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		uint8_t *memory = fake_memory(bed->disk);
		memset(memory, 0, BED_BYTES);
		bed->piece = pieces[i];
		to_write(bed, 512, i + 1);
		works(bed, 0x41, 0, BE32(3), 0, BE16(1000));
		assert_int_equal(bed->cmd.moved, 512);
		assert_int_equal(memory[3 * 512 - 1], 0);
		for (unsigned k = 3; k < 1003; k++)
			assert_memory_equal(memory + k * 512, bed->out, 512);
		assert_int_equal(memory[1003 * 512], 0);
	}
}

static void write_same_of_zeroes_is_for_the_disk(void **state)
{
	struct scsi_bed *bed = *state;

	bed->in_bytes = 0;
	bed->out_bytes = 512;
	works(bed, 0x93, 0x00, BE64(8), BE32(16));
	works(bed, 0x93, 0x08, BE64(8), BE32(16));
	bed->out_bytes = 0;
	works(bed, 0x93, 0x01, BE64(8), BE32(16));
	works(bed, 0x93, 0x09, BE64(8), BE32(16));
	assert_int_equal(fake_requests(bed->disk), 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(fake_request(bed->disk, i)->op, DISK_ZEROES);
		assert_int_equal(fake_request(bed->disk, i)->unmap, i & 1);
		assert_int_equal(fake_request(bed->disk, i)->offset, 8 * 512);
		assert_int_equal(fake_request(bed->disk, i)->bytes, 16 * 512);
	}
	fails(bed, SCSI_OVERRUN, 0x93, 0x00, BE64(8), BE32(16));
	fails(bed, SCSI_OVERRUN, 0x41, 0x01, BE32(8), 0, BE16(16));
	fails(bed, SENSE_LBA_OUT_OF_RANGE, 0x93, 0x01, BE64(BLOCKS), BE32(1));
	fails(bed, SENSE_INVALID_FIELD, 0x93, 0x11, BE64(0), BE32(1));
	fails(bed, SENSE_INVALID_FIELD, 0x93, 0x21, BE64(0), BE32(1));
	bed->lun->info.discards = false;
	fails(bed, SENSE_INVALID_FIELD, 0x93, 0x09, BE64(0), BE32(1));
}

/* ---- Under way ----------------------------------------------------------------------------------- */

static void a_command_waits_for_its_disk(void **state)
{
	struct scsi_bed *bed = *state;

	to_write(bed, 512, 1);
	fake_hold(bed->disk, true);
	scsi_bed_start(bed, CDB(WRITE_10(1, 1)));
	assert_int_equal(bed->done, 0);
	assert_ptr_equal(bed->lun->busy, &bed->cmd);
	assert_int_equal(fake_kicks(bed->disk), 1);
	fake_release(bed->disk, 1);
	assert_int_equal(scsi_bed_result(bed), 0);
	assert_null(bed->lun->busy);
	/* Together with others, it is kicked with them. */
	scsi_target_begin(&bed->target);
	scsi_bed_start(bed, CDB(WRITE_10(1, 1)));
	assert_int_equal(fake_kicks(bed->disk), 1);
	scsi_target_end(&bed->target);
	assert_int_equal(fake_kicks(bed->disk), 2);
	scsi_target_begin(&bed->target);
	scsi_target_end(&bed->target);
	assert_int_equal(fake_kicks(bed->disk), 2);
	fake_release(bed->disk, 1);
	assert_int_equal(scsi_bed_result(bed), 0);
}

static void an_aborted_command_takes_no_further_step(void **state)
{
	struct scsi_bed *bed = *state;

	bed->piece = 60;
	to_write(bed, 64 * 512, 9);
	bed->out_bytes += 100;
	fake_hold(bed->disk, true);
	scsi_bed_start(bed, CDB(WRITE_10(5, 64)));
	fake_release(bed->disk, 1);
	assert_int_equal(bed->done, 0);
	assert_int_equal(fake_requests(bed->disk), 2);
	bed->cmd.aborted = true;
	fake_release(bed->disk, 1);
	assert_int_equal(bed->done, 1);
	assert_int_equal(fake_requests(bed->disk), 2);
	assert_null(bed->lun->busy);
	assert_int_equal(disk_under_way(bed->disk), 0);
}

static void what_was_moved_is_counted(void **state)
{
	struct scsi_bed *bed = *state;

	to_write(bed, 1024, 1);
	works(bed, WRITE_10(0, 2));
	to_read(bed, 512);
	works(bed, READ_10(0, 1));
	fails(bed, SENSE_LBA_OUT_OF_RANGE, READ_10(BLOCKS, 1));
	assert_int_equal(bed->lun->counts.written_bytes, 1024);
	assert_int_equal(bed->lun->counts.read_bytes, 512);
	assert_int_equal(bed->lun->counts.commands, 3);
	assert_int_equal(bed->lun->counts.checks, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			each_length_of_cdb_reads_and_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(
			pieces_of_any_size_are_put_together, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_command_of_seg_max_pieces_is_one_request, setup, teardown),
		cmocka_unit_test_setup_teardown(blocks_outside_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_buffer_too_small_is_an_overrun, setup, teardown),
		cmocka_unit_test_setup_teardown(fua_reaches_the_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(errors_of_the_disk_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(a_protected_disk_is_not_written, setup, teardown),
		cmocka_unit_test_setup_teardown(
			caches_are_written_and_blocks_verified, setup, teardown),
		cmocka_unit_test_setup_teardown(ranges_are_given_back, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_ranges_give_nothing_back, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_command_cannot_cost_more_than_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(write_same_repeats_a_block, setup, teardown),
		cmocka_unit_test_setup_teardown(
			write_same_of_zeroes_is_for_the_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(a_command_waits_for_its_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_aborted_command_takes_no_further_step, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_moved_is_counted, setup, teardown),
	};

	return cmocka_run_group_tests_name("scsi_blocks", tests, NULL, NULL);
}
