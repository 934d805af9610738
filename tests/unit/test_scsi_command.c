/* SPDX-License-Identifier: BSD-3-Clause */
/* What each SCSI command does and refuses, and what a target tells of itself. */
#include "test_scsi_bed.h"

#include <errno.h>
#include <string.h>

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

/* ---- Attention, readiness, strange commands ---------------------------------------------------- */

static void attention_is_told_once_and_in_order(void **state)
{
	struct scsi_bed *bed = *state;

	scsi_lun_reset(bed->lun, ATTENTION_POWER_ON);
	bed->lun->attention |= ATTENTION_CAPACITY | ATTENTION_LUNS;
	fails(bed, SENSE_POWER_ON, 0);
	fails(bed, SENSE_CAPACITY_CHANGED, READ_10(0, 1));
	fails(bed, SENSE_LUNS_CHANGED, 0xff);
	works(bed, 0);
}

static void attention_leaves_three_commands_alone(void **state)
{
	struct scsi_bed *bed = *state;

	scsi_lun_reset(bed->lun, ATTENTION_LUN_RESET);
	works(bed, 0x12, 0, 0, BE16(36));
	works(bed, 0xa0, 0, 0, 0, 0, 0, BE32(64));
	/* This one has it as data, and then it is told. */
	works(bed, 0x03, 0, 0, 0, 252);
	assert_int_equal(bed->cmd.moved, 18);
	assert_int_equal(bed->in[2], 0x06);
	assert_int_equal(bed->in[12], 0x29);
	assert_int_equal(bed->in[13], 0x03);
	works(bed, 0);
	works(bed, 0x03, 0, 0, 0, 252);
	assert_int_equal(bed->in[2], 0);
}

static void sense_comes_in_descriptor_format_too(void **state)
{
	struct scsi_bed *bed = *state;

	scsi_lun_reset(bed->lun, ATTENTION_NEXUS_LOSS);
	works(bed, 0x03, 1, 0, 0, 252);
	assert_int_equal(bed->cmd.moved, 8);
	assert_int_equal(bed->in[0], 0x72);
	assert_int_equal(bed->in[1], 0x06);
	assert_int_equal(bed->in[2], 0x29);
	assert_int_equal(bed->in[3], 0x07);
}

static void unknown_commands_are_refused(void **state)
{
	struct scsi_bed *bed = *state;

	fails(bed, SENSE_INVALID_OPCODE, 0xff);
	fails(bed, SENSE_INVALID_OPCODE, 0x04);
	/* READ CAPACITY (16) with another service action. */
	fails(bed, SENSE_INVALID_FIELD, 0x9e, 0x11);
	/* NACA. */
	fails(bed, SENSE_INVALID_FIELD, 0, 0, 0, 0, 0, 0x04);
	fails(bed, SENSE_INVALID_FIELD, 0x28, 0, BE32(0), 0, BE16(1), 0x04);
	bed->cdb_bytes = 9;
	fails(bed, SENSE_INVALID_FIELD, READ_10(0, 1));
	bed->cdb_bytes = 0;
	fails(bed, SENSE_INVALID_FIELD, 0);
}

static void a_stopped_unit_must_be_started(void **state)
{
	struct scsi_bed *bed = *state;

	works(bed, 0x1b, 0, 0, 0, 0x00);
	assert_int_equal(fake_request(bed->disk, 0)->op, DISK_FLUSH);
	fails(bed, SENSE_NOT_STARTED, 0);
	fails(bed, SENSE_NOT_STARTED, READ_10(0, 1));
	fails(bed, SENSE_NOT_STARTED, WRITE_10(0, 1));
	works(bed, 0x12, 0, 0, BE16(36));
	works(bed, 0x03, 0, 0, 0, 252);
	assert_int_equal(bed->in[2], 0x02);
	works(bed, 0x1b, 0, 0, 0, 0x01);
	works(bed, 0);
	works(bed, READ_10(0, 1));
	/* Without a flush; by a power condition. */
	works(bed, 0x1b, 0, 0, 0, 0x04);
	fails(bed, SENSE_NOT_STARTED, 0);
	works(bed, 0x1b, 0, 0, 0, 0x10);
	works(bed, 0);
	/* Nothing to eject, no standby. */
	fails(bed, SENSE_INVALID_FIELD, 0x1b, 0, 0, 0, 0x02);
	fails(bed, SENSE_INVALID_FIELD, 0x1b, 0, 0, 0, 0x30);
	/* A stop that cannot write the cache does not stop. */
	fake_fail(bed->disk, DISK_FLUSH, -EIO, 1);
	fails(bed, SENSE_WRITE_ERROR, 0x1b, 0, 0, 0, 0x00);
	works(bed, 0);
}

static void a_disk_without_blocks_has_no_medium(void **state)
{
	struct scsi_bed *bed = *state;

	scsi_bed_lun(bed, 3, 0);
	bed->number = 3;
	fails(bed, SENSE_NO_MEDIUM, 0);
	fails(bed, SENSE_NO_MEDIUM, READ_10(0, 0));
	fails(bed, SENSE_NO_MEDIUM, 0x25);
	works(bed, 0x12, 0, 0, BE16(36));
}

/* ---- INQUIRY ------------------------------------------------------------------------------------- */

static void inquiry_tells_a_disk(void **state)
{
	struct scsi_bed *bed = *state;

	works(bed, 0x12, 0, 0, BE16(255));
	assert_int_equal(bed->cmd.moved, 96);
	assert_int_equal(bed->in[0], 0);
	assert_int_equal(bed->in[2], 6);
	assert_int_equal(bed->in[3] & 0x0f, 2);
	assert_int_equal(bed->in[4], 91);
	assert_int_equal(bed->in[7] & 2, 2);
	assert_memory_equal(bed->in + 8, "MEDIO   VIRTUAL DISK    1.0 ", 28);
	memset(bed->in, 0xee, sizeof(bed->in));
	works(bed, 0x12, 0, 0, BE16(5));
	assert_int_equal(bed->cmd.moved, 5);
	assert_int_equal(bed->in[4], 91);
	assert_int_equal(bed->in[5], 0xee);
	works(bed, 0x12, 0, 0, BE16(0));
	assert_int_equal(bed->cmd.moved, 0);
	fails(bed, SENSE_INVALID_FIELD, 0x12, 0, 0x80, BE16(255));
	fails(bed, SENSE_INVALID_FIELD, 0x12, 2, 0, BE16(255));
}

static void inquiry_of_what_is_not_there(void **state)
{
	struct scsi_bed *bed = *state;

	bed->number = 5;
	works(bed, 0x12, 0, 0, BE16(36));
	assert_int_equal(bed->in[0], 0x3f);
	works(bed, 0x12, 1, 0, BE16(36));
	assert_int_equal(bed->cmd.moved, 5);
	fails(bed, SENSE_INVALID_FIELD, 0x12, 1, 0x80, BE16(36));
	fails(bed, SENSE_NO_LUN, 0);
	fails(bed, SENSE_NO_LUN, READ_10(0, 1));
	fails(bed, SENSE_NO_LUN, 0xff);
	works(bed, 0x03, 0, 0, 0, 18);
	assert_int_equal(bed->in[2] << 16 | bed->in[12] << 8 | bed->in[13], SENSE_NO_LUN);
	bed->number = UINT32_MAX;
	works(bed, 0x12, 0, 0, BE16(36));
	assert_int_equal(bed->in[0], 0x7f);
	bed->well_known = true;
	works(bed, 0x12, 0, 0, BE16(36));
	assert_int_equal(bed->in[0], 0x1e);
	works(bed, 0);
	works(bed, 0x03, 0, 0, 0, 18);
	assert_int_equal(bed->in[2], 0);
	fails(bed, SENSE_INVALID_OPCODE, READ_10(0, 1));
}

static uint8_t *page(struct scsi_bed *bed, uint8_t code)
{
	memset(bed->in, 0xee, sizeof(bed->in));
	works(bed, 0x12, 1, code, BE16(512));
	assert_int_equal(bed->in[0], 0);
	assert_int_equal(bed->in[1], code);
	assert_int_equal(scsi_get_be(bed->in + 2, 2), bed->cmd.moved - 4);
	assert_int_equal(bed->in[bed->cmd.moved], 0xee);
	return bed->in;
}

static void each_page_that_is_listed_is_there(void **state)
{
	struct scsi_bed *bed = *state;
	uint8_t list[16], n;
	unsigned listed = 0;

	page(bed, 0x00);
	n = bed->in[3];
	assert_true(n < sizeof(list));
	memcpy(list, bed->in + 4, n);
	for (unsigned code = 0; code < 256; code++) {
		bool is = memchr(list, (int)code, n);
		listed += is;
		if (is)
			page(bed, (uint8_t)code);
		else
			fails(bed, SENSE_INVALID_FIELD, 0x12, 1, (uint8_t)code, BE16(512));
	}
	assert_int_equal(listed, 6);
}

static void pages_identify_the_unit(void **state)
{
	struct scsi_bed *bed = *state;
	uint8_t *at = page(bed, 0x80), naa[8];

	assert_memory_equal(at + 4, "unit-0", 6);
	at = page(bed, 0x83) + 4;
	assert_int_equal(at[0], 0x02);
	assert_int_equal(at[1], 0x01);
	assert_int_equal(at[3], 14);
	assert_memory_equal(at + 4, "MEDIO   unit-0", 14);
	at += 4 + at[3];
	assert_int_equal(at[0], 0x01);
	assert_int_equal(at[1], 0x03);
	assert_int_equal(at[3], 8);
	assert_int_equal(at[4] >> 4, 3);
	memcpy(naa, at + 4, 8);
	/* Another unit has another number. */
	scsi_bed_lun(bed, 1, BED_BYTES * 2);
	bed->number = 1;
	at = page(bed, 0x83) + 4;
	assert_memory_not_equal(at + 4 + at[3] + 4, naa, 8);
}

static void pages_tell_limits_and_provisioning(void **state)
{
	struct scsi_bed *bed = *state;
	uint8_t *at = page(bed, 0xb0);

	assert_int_equal(bed->cmd.moved, 64);
	assert_int_equal(scsi_get_be(at + 6, 2), 8);
	assert_int_equal(scsi_get_be(at + 12, 4), 128);
	assert_int_equal(scsi_get_be(at + 20, 4), (UINT64_C(4) << 30) / 512);
	assert_int_equal(scsi_get_be(at + 24, 4), 256);
	assert_int_equal(scsi_get_be(at + 28, 4), 8);
	assert_int_equal(at[32], 0x80);
	assert_int_equal(scsi_get_be(at + 36, 8), 65536);
	at = page(bed, 0xb1);
	assert_int_equal(scsi_get_be(at + 4, 2), 1);
	at = page(bed, 0xb2);
	assert_int_equal(at[5], 0xe0);
	assert_int_equal(at[6] & 7, 2);
	bed->lun->info.discards = false;
	at = page(bed, 0xb2);
	assert_int_equal(at[5], 0);
	at = page(bed, 0xb0);
	assert_int_equal(scsi_get_be(at + 20, 4), 0);
}

/* ---- Capacity, lists ----------------------------------------------------------------------------- */

static void capacity_in_both_lengths(void **state)
{
	struct scsi_bed *bed = *state;

	works(bed, 0x25);
	assert_int_equal(bed->cmd.moved, 8);
	assert_int_equal(scsi_get_be(bed->in, 4), BED_BYTES / 512 - 1);
	assert_int_equal(scsi_get_be(bed->in + 4, 4), 512);
	works(bed, 0x9e, 0x10, BE64(0), BE32(32));
	assert_int_equal(bed->cmd.moved, 32);
	assert_int_equal(scsi_get_be(bed->in, 8), BED_BYTES / 512 - 1);
	assert_int_equal(scsi_get_be(bed->in + 8, 4), 512);
	assert_int_equal(bed->in[13], 3);
	assert_int_equal(bed->in[14], 0x80);
	works(bed, 0x9e, 0x10, BE64(0), BE32(12));
	assert_int_equal(bed->cmd.moved, 12);
	bed->lun->info.bytes = UINT64_C(3) << 40;
	works(bed, 0x25);
	assert_int_equal(scsi_get_be(bed->in, 4), UINT32_MAX);
	works(bed, 0x9e, 0x10, BE64(0), BE32(32));
	assert_int_equal(scsi_get_be(bed->in, 8), (UINT64_C(3) << 40) / 512 - 1);
	fails(bed, SENSE_INVALID_FIELD, 0x25, 0, BE32(1));
	fails(bed, SENSE_INVALID_FIELD, 0x25, 0, BE32(0), 0, 0, 1);
	fails(bed, SENSE_INVALID_FIELD, 0x9e, 0x10, BE64(1), BE32(32));
	fails(bed, SENSE_INVALID_FIELD, 0x9e, 0x10, BE64(0), BE32(32), 1);
}

static void capacity_is_looked_up_anew(void **state)
{
	struct scsi_bed *bed = *state;

	fake_resize(bed->disk, BED_BYTES * 2);
	fails(bed, SENSE_LBA_OUT_OF_RANGE, READ_10(BED_BYTES / 512, 1));
	works(bed, 0x25);
	assert_int_equal(scsi_get_be(bed->in, 4), 2 * BED_BYTES / 512 - 1);
	/* It was told. */
	works(bed, READ_10(BED_BYTES / 512, 1));
}

static void luns_are_reported(void **state)
{
	struct scsi_bed *bed = *state;

	scsi_bed_lun(bed, 7, BED_BYTES * 2)->attention = ATTENTION_LUNS;
	works(bed, 0xa0, 0, 0, 0, 0, 0, BE32(1024));
	assert_int_equal(bed->cmd.moved, 24);
	assert_int_equal(scsi_get_be(bed->in, 4), 16);
	assert_int_equal(scsi_get_be(bed->in + 8, 8), 0);
	assert_int_equal(scsi_get_be(bed->in + 16, 8), UINT64_C(7) << 48);
	bed->number = 7;
	works(bed, 0);
	works(bed, 0xa0, 0, 1, 0, 0, 0, BE32(1024));
	assert_int_equal(bed->cmd.moved, 16);
	assert_int_equal(scsi_get_be(bed->in + 8, 8), UINT64_C(0xc101) << 48);
	works(bed, 0xa0, 0, 2, 0, 0, 0, BE32(1024));
	assert_int_equal(scsi_get_be(bed->in, 4), 24);
	works(bed, 0xa0, 0, 2, 0, 0, 0, BE32(12));
	assert_int_equal(bed->cmd.moved, 12);
	assert_int_equal(scsi_get_be(bed->in, 4), 24);
	fails(bed, SENSE_INVALID_FIELD, 0xa0, 0, 3, 0, 0, 0, BE32(1024));
	/* Of any unit, there or not. */
	bed->number = 9;
	works(bed, 0xa0, 0, 0, 0, 0, 0, BE32(1024));
	assert_int_equal(scsi_get_be(bed->in, 4), 16);
}

static void opcodes_that_are_reported_are_those_that_run(void **state)
{
	struct scsi_bed *bed = *state;
	unsigned listed = 0;

	works(bed, 0xa3, 0x0c, 0, 0, 0, 0, BE32(4096));
	unsigned entries = (unsigned)scsi_get_be(bed->in, 4) / 8;
	assert_int_equal(bed->cmd.moved, 4 + entries * 8);
	for (unsigned op = 0; op < 256; op++) {
		bool there = false;
		/* Of any service action, by what is said of actions up to 31. */
		for (unsigned action = 0; action < 32; action++) {
			works(bed, 0xa3, 0x0c, 0x03, (uint8_t)op, BE16(action), BE32(4096));
			unsigned support = bed->in[1] & 7,
				 bytes = (unsigned)scsi_get_be(bed->in + 2, 2);
			assert_true(support == 1 || support == 3);
			if (support == 1)
				continue;
			listed++;
			there = true;
			assert_int_equal(bed->cmd.moved, 4 + bytes);
			assert_int_equal(bed->in[4], op);
			/* By the group of the opcode (SAM-5, 5.2). */
			assert_int_equal(bytes, op >> 5 == 0   ? 6
						: op >> 5 < 3  ? 10
						: op >> 5 == 5 ? 12
							       : 16);
		}
		int ret = scsi_bed_run(bed, CDB((uint8_t)op));
		assert_int_equal(there, ret != SENSE_INVALID_OPCODE);
	}
	assert_int_equal(listed, entries);
	/* Without UNMAP where nothing can be given back. */
	bed->lun->info.discards = false;
	works(bed, 0xa3, 0x0c, 0x03, 0x42, BE16(0), BE32(4096));
	assert_int_equal(bed->in[1], 1);
	works(bed, 0xa3, 0x0c, 0, 0, 0, 0, BE32(4096));
	assert_int_equal(scsi_get_be(bed->in, 4), (entries - 1) * 8);
}

static void opcodes_are_asked_in_the_right_way(void **state)
{
	struct scsi_bed *bed = *state;

	/* One with, one without service actions. */
	works(bed, 0xa3, 0x0c, 0x01, 0x28, 0, 0, BE32(4096));
	assert_int_equal(bed->in[1], 3);
	assert_int_equal(bed->in[4], 0x28);
	fails(bed, SENSE_INVALID_FIELD, 0xa3, 0x0c, 0x01, 0x9e, 0, 0, BE32(4096));
	works(bed, 0xa3, 0x0c, 0x02, 0x9e, BE16(0x10), BE32(4096));
	assert_int_equal(bed->in[1], 3);
	assert_int_equal(bed->in[5], 0x10);
	works(bed, 0xa3, 0x0c, 0x02, 0x9e, BE16(0x11), BE32(4096));
	assert_int_equal(bed->in[1], 1);
	fails(bed, SENSE_INVALID_FIELD, 0xa3, 0x0c, 0x02, 0x28, BE16(0), BE32(4096));
	fails(bed, SENSE_INVALID_FIELD, 0xa3, 0x0c, 0x04, 0x28, BE16(0), BE32(4096));
	/* With timeouts. */
	works(bed, 0xa3, 0x0c, 0x81, 0x28, 0, 0, BE32(4096));
	assert_int_equal(bed->in[1], 0x83);
	assert_int_equal(bed->cmd.moved, 4 + 10 + 12);
	works(bed, 0xa3, 0x0c, 0x80, 0, 0, 0, BE32(4096));
	assert_int_equal(scsi_get_be(bed->in, 4) % 20, 0);
	works(bed, 0xa3, 0x0d, 0, 0, 0, 0, BE32(4));
	assert_int_equal(bed->in[0], 0xdc);
	assert_int_equal(bed->in[1], 0x03);
	works(bed, 0xa3, 0x0d, 0x80, 0, 0, 0, BE32(64));
	assert_int_equal(bed->cmd.moved, 16);
	assert_int_equal(bed->in[3], 12);
}

/* ---- Mode pages ---------------------------------------------------------------------------------- */

static void mode_sense_tells_cache_and_protection(void **state)
{
	struct scsi_bed *bed = *state;

	works(bed, 0x1a, 0x08, 0x08, 0, 255);
	assert_int_equal(bed->cmd.moved, 24);
	assert_int_equal(bed->in[0], 23);
	assert_int_equal(bed->in[2], 0x10);
	assert_int_equal(bed->in[3], 0);
	assert_int_equal(bed->in[4], 0x08);
	assert_int_equal(bed->in[5], 18);
	assert_int_equal(bed->in[6], 0x04);
	bed->lun->info.readonly = true;
	works(bed, 0x1a, 0, 0x3f, 0, 255);
	assert_int_equal(bed->cmd.moved, 4 + 8 + 20 + 12);
	assert_int_equal(bed->in[2], 0x90);
	assert_int_equal(bed->in[3], 8);
	assert_int_equal(scsi_get_be(bed->in + 4, 4), BED_BYTES / 512);
	assert_int_equal(scsi_get_be(bed->in + 9, 3), 512);
	assert_int_equal(bed->in[12], 0x08);
	assert_int_equal(bed->in[32], 0x0a);
	works(bed, 0x5a, 0x10, 0x0a, 0, 0, 0, 0, BE16(255));
	assert_int_equal(bed->cmd.moved, 8 + 16 + 12);
	assert_int_equal(scsi_get_be(bed->in, 2), bed->cmd.moved - 2);
	assert_int_equal(bed->in[4], 1);
	assert_int_equal(scsi_get_be(bed->in + 6, 2), 16);
	assert_int_equal(scsi_get_be(bed->in + 8, 8), BED_BYTES / 512);
	assert_int_equal(scsi_get_be(bed->in + 20, 4), 512);
	/* Changeable, default, saved. */
	works(bed, 0x1a, 0x08, 0x48, 0, 255);
	assert_int_equal(bed->in[6], 0x04);
	works(bed, 0x1a, 0x08, 0x4a, 0, 255);
	for (unsigned i = 6; i < 16; i++)
		assert_int_equal(bed->in[i], 0);
	works(bed, 0x1a, 0x08, 0x88, 0, 255);
	fails(bed, SENSE_NOT_SAVED, 0x1a, 0x08, 0xc8, 0, 255);
	fails(bed, SENSE_INVALID_FIELD, 0x1a, 0x08, 0x01, 0, 255);
	fails(bed, SENSE_INVALID_FIELD, 0x1a, 0x08, 0x08, 1, 255);
	works(bed, 0x1a, 0x08, 0x3f, 0xff, 255);
}

/* A parameter list with the caching page. */
static unsigned caching_list(struct scsi_bed *bed, bool ten, bool wce)
{
	unsigned header = ten ? 8 : 4;

	memset(bed->out, 0, 64);
	bed->out[header] = 0x08;
	bed->out[header + 1] = 18;
	bed->out[header + 2] = wce ? 0x04 : 0;
	bed->in_bytes = 0;
	bed->out_bytes = header + 20;
	return header + 20;
}

static void without_its_cache_each_write_is_durable(void **state)
{
	struct scsi_bed *bed = *state;
	unsigned len = caching_list(bed, false, false);

	works(bed, 0x15, 0x10, 0, 0, (uint8_t)len);
	assert_int_equal(bed->cmd.moved, len);
	assert_int_equal(fake_requests(bed->disk), 1);
	assert_int_equal(fake_request(bed->disk, 0)->op, DISK_FLUSH);
	assert_false(bed->lun->wce);
	bed->out_bytes = 512;
	works(bed, WRITE_10(0, 1));
	assert_true(fake_request(bed->disk, 1)->durable);
	bed->out_bytes = 0;
	works(bed, 0x93, 0x01, BE64(0), BE32(8));
	assert_int_equal(fake_request(bed->disk, 2)->op, DISK_ZEROES);
	assert_int_equal(fake_request(bed->disk, 3)->op, DISK_FLUSH);
	len = caching_list(bed, true, true);
	works(bed, 0x55, 0x10, 0, 0, 0, 0, 0, BE16(len));
	assert_true(bed->lun->wce);
	bed->out_bytes = 512;
	works(bed, WRITE_10(0, 1));
	assert_false(fake_request(bed->disk, 4)->durable);
	/* One that cannot be written is not taken for off. */
	len = caching_list(bed, false, false);
	fake_fail(bed->disk, DISK_FLUSH, -EIO, 1);
	fails(bed, SENSE_WRITE_ERROR, 0x15, 0x10, 0, 0, (uint8_t)len);
	assert_true(bed->lun->wce);
}

static void mode_select_refuses_what_cannot_be(void **state)
{
	struct scsi_bed *bed = *state;
	unsigned len = caching_list(bed, false, false);

	fails(bed, SENSE_INVALID_FIELD, 0x15, 0x00, 0, 0, (uint8_t)len);
	fails(bed, SENSE_INVALID_FIELD, 0x15, 0x11, 0, 0, (uint8_t)len);
	fails(bed, SENSE_LIST_LENGTH, 0x15, 0x10, 0, 0, 3);
	fails(bed, SENSE_LIST_LENGTH, 0x15, 0x10, 0, 0, 5);
	fails(bed, SENSE_LIST_LENGTH, 0x15, 0x10, 0, 0, 23);
	fails(bed, SCSI_OVERRUN, 0x15, 0x10, 0, 0, 25);
	works(bed, 0x15, 0x10, 0, 0, 0);
	works(bed, 0x15, 0x10, 0, 0, 4);
	bed->out[3] = 24;
	fails(bed, SENSE_LIST_LENGTH, 0x15, 0x10, 0, 0, (uint8_t)len);
	caching_list(bed, false, false);
	bed->out[6] = 0x01; /* RCD is not to be changed */
	fails(bed, SENSE_INVALID_PARAMETER, 0x15, 0x10, 0, 0, (uint8_t)len);
	caching_list(bed, false, false);
	bed->out[5] = 10;
	fails(bed, SENSE_INVALID_PARAMETER, 0x15, 0x10, 0, 0, (uint8_t)len);
	bed->out[4] = 0x1c;
	fails(bed, SENSE_INVALID_PARAMETER, 0x15, 0x10, 0, 0, (uint8_t)len);
	/* A block descriptor may say what is so. */
	memset(bed->out, 0, 64);
	bed->out[3] = 8;
	bed->out_bytes = 12;
	works(bed, 0x15, 0x10, 0, 0, 12);
	scsi_put_be(bed->out + 4, 4, BED_BYTES / 512);
	scsi_put_be(bed->out + 9, 3, 512);
	works(bed, 0x15, 0x10, 0, 0, 12);
	scsi_put_be(bed->out + 9, 3, 4096);
	fails(bed, SENSE_INVALID_PARAMETER, 0x15, 0x10, 0, 0, 12);
	assert_true(bed->lun->wce);
	/* Where there is no cache there is none to be had. */
	bed->lun->info.volatile_cache = bed->lun->wce = false;
	len = caching_list(bed, false, true);
	fails(bed, SENSE_INVALID_PARAMETER, 0x15, 0x10, 0, 0, (uint8_t)len);
	bed->out_bytes = BED_DATA;
	fails(bed, SENSE_LIST_LENGTH, 0x55, 0x10, 0, 0, 0, 0, 0, BE16(4096));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(attention_is_told_once_and_in_order, setup, teardown),
	cmocka_unit_test_setup_teardown(attention_leaves_three_commands_alone, setup, teardown),
	cmocka_unit_test_setup_teardown(sense_comes_in_descriptor_format_too, setup, teardown),
	cmocka_unit_test_setup_teardown(unknown_commands_are_refused, setup, teardown),
	cmocka_unit_test_setup_teardown(a_stopped_unit_must_be_started, setup, teardown),
	cmocka_unit_test_setup_teardown(a_disk_without_blocks_has_no_medium, setup, teardown),
	cmocka_unit_test_setup_teardown(inquiry_tells_a_disk, setup, teardown),
	cmocka_unit_test_setup_teardown(inquiry_of_what_is_not_there, setup, teardown),
	cmocka_unit_test_setup_teardown(each_page_that_is_listed_is_there, setup, teardown),
	cmocka_unit_test_setup_teardown(pages_identify_the_unit, setup, teardown),
	cmocka_unit_test_setup_teardown(pages_tell_limits_and_provisioning, setup, teardown),
	cmocka_unit_test_setup_teardown(capacity_in_both_lengths, setup, teardown),
	cmocka_unit_test_setup_teardown(capacity_is_looked_up_anew, setup, teardown),
	cmocka_unit_test_setup_teardown(luns_are_reported, setup, teardown),
	cmocka_unit_test_setup_teardown(
		opcodes_that_are_reported_are_those_that_run, setup, teardown),
	cmocka_unit_test_setup_teardown(opcodes_are_asked_in_the_right_way, setup, teardown),
	cmocka_unit_test_setup_teardown(mode_sense_tells_cache_and_protection, setup, teardown),
	cmocka_unit_test_setup_teardown(without_its_cache_each_write_is_durable, setup, teardown),
	cmocka_unit_test_setup_teardown(mode_select_refuses_what_cannot_be, setup, teardown),
};

int main(void)
{
	return cmocka_run_group_tests_name("scsi_command", tests, NULL, NULL);
}
