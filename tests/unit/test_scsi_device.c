/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands through the rings of virtio-scsi: addresses, layouts, sizes, responses. */
#include <errno.h>

#include "test_scsi_device_bed.h"

enum { NUM_QUEUES = 0, SEG_MAX = 4, MAX_SECTORS = 8, CMD_PER_LUN = 12, EVENT_SIZE = 16 };
enum { SENSE_SIZE = 20, CDB_SIZE = 24, MAX_CHANNEL = 28, MAX_TARGET = 30, MAX_LUN = 32 };

static void tells_what_it_is(void **state)
{
	struct bed *bed = *state;
	struct virtio_info info;

	plugs(bed, NULL, PARAMS("lun0=mem:1M", "num-queues=3"));
	brings_up(bed, HOTPLUG | CHANGE, 3);
	virtio_get_info(bed->v, &info);
	assert_int_equal(info.num_queues, 5);
	assert_int_equal(info.offered & 0xffffff, HOTPLUG | CHANGE);
	assert_int_equal(config(bed, NUM_QUEUES, 4), 3);
	assert_int_equal(config(bed, SEG_MAX, 4), 126);
	assert_int_equal(config(bed, MAX_SECTORS, 4), 0xffff);
	assert_int_equal(config(bed, CMD_PER_LUN, 4), 256);
	assert_int_equal(config(bed, EVENT_SIZE, 4), 16);
	assert_int_equal(config(bed, SENSE_SIZE, 4), 96);
	assert_int_equal(config(bed, CDB_SIZE, 4), 32);
	assert_int_equal(config(bed, MAX_CHANNEL, 2), 0);
	assert_int_equal(config(bed, MAX_TARGET, 2), 0);
	assert_int_equal(config(bed, MAX_LUN, 4), 15);
	closes(bed);
	opens(bed, NULL, PARAMS("queue-size=64"));
	assert_int_equal(config(bed, SEG_MAX, 4), 62);
}

/* The device's own answer, whatever the ring. */
static void reads_and_writes(void **state)
{
	struct bed *bed = *state;

	for (unsigned kind = 0; kind < 8; kind++) {
		const struct virtio_options opts = {
			.irq = VIRTIO_IRQ_BEST,
			.refuse = (kind & 1 ? VIRTIO_F_RING_PACKED : 0) |
				  (kind & 2 ? VIRTIO_F_INDIRECT_DESC : 0) |
				  (kind & 4 ? VIRTIO_F_EVENT_IDX : 0),
		};
		opens(bed, &opts, PARAMS("lun0=mem:1M", "lun3=mem:2M"));
		for (unsigned lun = 0; lun < 4; lun += 3) {
			scramble(bed->buf, 65536, kind + lun);
			uint64_t sum = checksum(bed->buf, 65536);
			struct answer a = asks(bed, lun, CDB(WRITE_10(9, 128)), 65536, 0);
			assert_int_equal(sense_of(&a), 0);
			assert_int_equal(a.residual, 0);
			assert_int_equal(a.written, 12 + 96);
			memset(bed->buf, 0, 65537);
			a = asks(bed, lun, CDB(READ_10(9, 128)), 0, 65536);
			assert_int_equal(sense_of(&a), 0);
			assert_int_equal(a.residual, 0);
			assert_int_equal(a.written, 12 + 96 + 65536);
			assert_int_equal(checksum(bed->buf, 65536), sum);
			assert_int_equal(bed->buf[65536], 0);
		}
		/* They are two disks. */
		asks(bed, 0, CDB(READ_10(9, 1)), 0, 512);
		uint64_t first = checksum(bed->buf, 512);
		asks(bed, 3, CDB(READ_10(9, 1)), 0, 512);
		assert_true(checksum(bed->buf, 512) != first);
		closes(bed);
	}
}

static unsigned cut(
	const struct bed *bed, const uint8_t *ptr, size_t len, size_t size, struct virtq_seg *segs)
{
	unsigned n = 0;

	for (size_t done = 0; done < len; done += segs[n++].len)
		segs[n] = at(bed, ptr + done, size < len - done ? size : len - done);
	return n;
}

/* Header and data one after another, cut anywhere (2.7.4.1). */
static void takes_every_layout(void **state)
{
	static const size_t sizes[] = { 100000, 4096, 1000, 513, 512, 97, 51, 40 };
	struct bed *bed = *state;
	struct virtq_seg segs[140];

	opens(bed, NULL, PARAMS("lun0=mem:1M"));
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		uint8_t *data = bed->buf + 1024, *header = data - 51, *resp = data - 108;
		memset(header, 0, 51);
		puts_lun(bed, header, 0);
		memcpy(header + 19, CDB(WRITE_10(5, 4)), 10);
		scramble(data, 2048, i);
		uint64_t sum = checksum(data, 2048);
		unsigned out = cut(bed, header, 51 + 2048, sizes[i], segs);
		segs[out] = at(bed, bed->buf, 108);
		sends(bed, REQUESTS, segs, out, 1, data);
		assert_int_equal(comes(bed, REQUESTS, data), 108);
		assert_int_equal(bed->buf[10], 0);
		assert_int_equal(bed->buf[11], 0);

		memset(bed->buf, 0, 51);
		puts_lun(bed, bed->buf, 0);
		memcpy(bed->buf + 19, CDB(READ_10(5, 4)), 10);
		memset(resp, 0xee, 108 + 2048);
		out = cut(bed, bed->buf, 51, sizes[i] < 51 ? 7 : 51, segs);
		unsigned in = cut(bed, resp, 108 + 2048, sizes[i], segs + out);
		sends(bed, REQUESTS, segs, out, in, data);
		assert_int_equal(comes(bed, REQUESTS, data), 108 + 2048);
		assert_int_equal(resp[10], 0);
		assert_int_equal(resp[11], 0);
		assert_int_equal(checksum(data, 2048), sum);
	}
}

static void sense_and_residual_come_with_the_response(void **state)
{
	struct bed *bed = *state;
	struct answer a;

	opens(bed, NULL, PARAMS("lun0=mem:1M"));
	a = asks(bed, 0, CDB(READ_10(2048, 1)), 0, 512);
	assert_int_equal(sense_of(&a), SENSE_LBA_OUT_OF_RANGE);
	assert_int_equal(a.sense_len, 18);
	assert_int_equal(a.residual, 512);
	assert_int_equal(a.written, 108);
	/* Less than there is room for. */
	memset(bed->buf, 0xee, 4096);
	a = asks(bed, 0, CDB(0x12, 0, 0, BE16(96)), 0, 255);
	assert_int_equal(sense_of(&a), 0);
	assert_int_equal(a.residual, 255 - 96);
	assert_int_equal(a.written, 108 + 96);
	assert_int_equal(bed->buf[96], 0xee);
	a = asks(bed, 0, CDB(WRITE_10(0, 1)), 1000, 0);
	assert_int_equal(a.residual, 1000 - 512);
	/* More. */
	a = asks(bed, 0, CDB(READ_10(0, 2)), 0, 1023);
	assert_int_equal(a.response, VIRTIO_SCSI_S_OVERRUN);
	assert_int_equal(a.sense_len, 0);
	a = asks(bed, 0, CDB(WRITE_10(0, 1)), 0, 512);
	assert_int_equal(a.response, VIRTIO_SCSI_S_OVERRUN);
	/* Both ways, which takes INOUT. */
	a = asks(bed, 0, CDB(READ_10(0, 1)), 512, 512);
	assert_int_equal(a.response, VIRTIO_SCSI_S_FAILURE);
	assert_int_equal(tells(bed, 0, CDB(READY)), 0);
	shows(bed, "scsi/errors", "2\n");
	shows(bed, "scsi/refused", "1\n");
}

/* ---- Addresses ----------------------------------------------------------------------------------- */

static struct answer asks_address(struct bed *bed, const uint8_t lun[8], const uint8_t cdb[16])
{
	uint8_t *ptr = slot_at(bed, 1);
	struct virtq_seg segs[3] = { at(bed, ptr, 51), at(bed, ptr + RESPONSE, 108),
		at(bed, bed->buf, 255) };

	memset(ptr, 0, SLOT);
	memcpy(ptr, lun, 8);
	memcpy(ptr + 19, cdb, 16);
	memset(ptr + RESPONSE, 0xaa, SLOT - RESPONSE);
	sends(bed, REQUESTS, segs, 1, 2, ptr);
	return answered(bed, REQUESTS, 1);
}

static void addresses_are_of_one_target(void **state)
{
	static const uint8_t inquiry[16] = { 0x12, 0, 0, BE16(36) };
	static const struct {
		uint8_t lun[8];
		unsigned response;
		uint8_t first; /* of INQUIRY */
	} addresses[] = {
		{ { 1, 0, 0x40, 2 }, VIRTIO_SCSI_S_OK, 0x00 },
		{ { 1, 0, 0x00, 2 }, VIRTIO_SCSI_S_OK, 0x00 },
		{ { 1, 0, 0x40, 1 }, VIRTIO_SCSI_S_OK, 0x3f },
		{ { 1, 0, 0x40, 16 }, VIRTIO_SCSI_S_OK, 0x7f },
		{ { 1, 0, 0x41, 2 }, VIRTIO_SCSI_S_OK, 0x7f },
		{ { 1, 0, 0x01, 2 }, VIRTIO_SCSI_S_OK, 0x7f },
		{ { 1, 0, 0x80, 2 }, VIRTIO_SCSI_S_OK, 0x7f },
		{ { 1, 0, 0x40, 2, 1 }, VIRTIO_SCSI_S_OK, 0x7f },
		{ { 1, 0, 0x40, 2, 0, 0, 0, 1 }, VIRTIO_SCSI_S_OK, 0x7f },
		{ { 0xc1, 0x01 }, VIRTIO_SCSI_S_OK, 0x1e },
		{ { 1, 0, 0xc1, 0x01 }, VIRTIO_SCSI_S_OK, 0x1e },
		{ { 0xc1, 0x01, 1 }, VIRTIO_SCSI_S_BAD_TARGET, 0 },
		{ { 1, 1, 0x40, 2 }, VIRTIO_SCSI_S_BAD_TARGET, 0 },
		{ { 1, 255, 0x40, 0 }, VIRTIO_SCSI_S_BAD_TARGET, 0 },
		{ { 0, 0, 0x40, 2 }, VIRTIO_SCSI_S_BAD_TARGET, 0 },
		{ { 2, 0, 0x40, 2 }, VIRTIO_SCSI_S_BAD_TARGET, 0 },
	};
	struct bed *bed = *state;

	opens(bed, NULL, PARAMS("lun2=mem:1M"));
	for (unsigned i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
		struct answer a = asks_address(bed, addresses[i].lun, inquiry);
		assert_int_equal(a.response, addresses[i].response);
		assert_int_equal(a.sense_len, 0);
		if (a.response == VIRTIO_SCSI_S_OK)
			assert_int_equal(bed->buf[0], addresses[i].first);
	}
	assert_int_equal(tells(bed, 1, CDB(READY)), SENSE_NO_LUN);
}

static void a_card_without_disks_reports_none(void **state)
{
	struct bed *bed = *state;
	struct answer a;

	opens(bed, NULL, NULL);
	a = asks(bed, 0, CDB(0xa0, 0, 0, 0, 0, 0, BE32(64)), 0, 64);
	assert_int_equal(sense_of(&a), 0);
	assert_int_equal(a.residual, 56);
	assert_int_equal(scsi_get_be(bed->buf, 4), 0);
}

/* ---- Sizes ----------------------------------------------------------------------------------------- */

static void the_driver_chooses_its_sizes(void **state)
{
	static const unsigned sizes[][2] = { { 16, 18 }, { 10, 0 }, { 160, 200 }, { 12, 14 },
		{ 260, 4 } };
	struct bed *bed = *state;
	struct answer a;

	opens(bed, NULL, PARAMS("lun0=mem:1M"));
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		sets(bed, CDB_SIZE, bed->cdb_size = sizes[i][0]);
		sets(bed, SENSE_SIZE, bed->sense_size = sizes[i][1]);
		assert_int_equal(config(bed, CDB_SIZE, 4), sizes[i][0]);
		assert_int_equal(config(bed, SENSE_SIZE, 4), sizes[i][1]);
		memset(bed->buf, 0xee, 1024);
		a = asks(bed, 0, CDB(READ_10(0, 1)), 0, 512);
		assert_int_equal(a.response, VIRTIO_SCSI_S_OK);
		assert_int_equal(a.written, 12 + sizes[i][1] + 512);
		assert_int_equal(bed->buf[511], 0);
		assert_int_equal(bed->buf[512], 0xee);
		a = asks(bed, 0, CDB(0xff), 0, 0);
		assert_int_equal(a.status, 2);
		assert_int_equal(a.sense_len, sizes[i][1] < 18 ? sizes[i][1] : 18);
	}
	/* A CDB that does not fit is not made up. */
	sets(bed, CDB_SIZE, bed->cdb_size = 6);
	sets(bed, SENSE_SIZE, bed->sense_size = 96);
	a = asks(bed, 0, CDB(READ_10(0, 1)), 0, 512);
	assert_int_equal(sense_of(&a), SENSE_INVALID_FIELD);
	/* A reset restores them. */
	virtio_close(bed->v);
	if (virtio_open(bed->card, ID, NULL, &bed->v, bed->words, sizeof(bed->words)))
		fail_msg("%s", bed->words);
	bed->cdb_size = 32;
	brings_up(bed, 0, 1);
	assert_int_equal(config(bed, CDB_SIZE, 4), 32);
	assert_int_equal(config(bed, SENSE_SIZE, 4), 96);
	assert_int_equal(tells(bed, 0, CDB(READY)), SENSE_POWER_ON);
	assert_int_equal(tells(bed, 0, CDB(READY)), 0);
}

static void sizes_without_sense_break_it(void **state)
{
	static const uint32_t wrong[][2] = { { CDB_SIZE, 261 }, { CDB_SIZE, UINT32_MAX },
		{ SENSE_SIZE, 253 }, { SENSE_SIZE, UINT32_MAX } };
	struct bed *bed = *state;

	for (unsigned i = 0; i < 4; i++) {
		opens(bed, NULL, PARAMS("lun0=mem:1M"));
		sets(bed, wrong[i][0], wrong[i][1]);
		submits(bed, REQUESTS, 0, 0, CDB(READY), 0, 0);
		breaks(bed);
		closes(bed);
	}
	/* The other fields are not the driver's. */
	opens(bed, NULL, PARAMS("lun0=mem:1M"));
	sets(bed, MAX_LUN, 3);
	sets(bed, NUM_QUEUES, 3);
	assert_int_equal(config(bed, MAX_LUN, 4), 15);
	assert_int_equal(tells(bed, 0, CDB(READY)), 0);
}

static void requests_too_short_break_it(void **state)
{
	static const unsigned lengths[][2] = { { 50, 108 }, { 19, 108 }, { 1, 108 }, { 51, 107 },
		{ 51, 1 }, { 51, 0 } };
	struct bed *bed = *state;

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		opens(bed, NULL, PARAMS("lun0=mem:1M"));
		struct virtq_seg segs[2] = { at(bed, bed->buf, lengths[i][0]),
			at(bed, bed->buf + 4096, lengths[i][1]) };
		sends(bed, REQUESTS, segs, 1, lengths[i][1] ? 1 : 0, bed);
		breaks(bed);
		/* And after a reset all is well. */
		virtio_close(bed->v);
		if (virtio_open(bed->card, ID, NULL, &bed->v, bed->words, sizeof(bed->words)))
			fail_msg("%s", bed->words);
		brings_up(bed, 0, 1);
		assert_int_equal(tells(bed, 0, CDB(READY)), SENSE_POWER_ON);
		closes(bed);
	}
}

/* ---- Many --------------------------------------------------------------------------------------------- */

static void many_are_under_way_in_many_queues(void **state)
{
	struct bed *bed = *state;
	struct answer a;

	plugs(bed, NULL, PARAMS("lun0=mem:1M", "lun1=mem:2M"));
	brings_up(bed, 0, 4);
	asks(bed, 0, CDB(READY), 0, 0);
	asks(bed, 1, CDB(READY), 0, 0);
	holds(bed, MIB, true);
	for (unsigned slot = 0; slot < 32; slot++)
		submits(bed, REQUESTS + slot % 4, slot, 0, CDB(WRITE_10(slot, 1)), 512, 0);
	waits_for_held(bed, MIB, 32);
	/* The other disk does not wait for it. */
	submits(bed, REQUESTS, 40, 1, CDB(READ_10(0, 1)), 0, 512);
	a = answered(bed, REQUESTS, 40);
	assert_int_equal(sense_of(&a), 0);
	releases(bed, MIB, 32);
	for (unsigned slot = 0; slot < 32; slot++) {
		a = answered(bed, REQUESTS + slot % 4, slot);
		assert_int_equal(sense_of(&a), 0);
	}
	shows(bed, "scsi/requests", "35\n");
	shows(bed, "scsi/written_bytes", "16384\n");
	shows(bed, "scsi/luns",
		"lun1 mem:2M, 2097152 bytes in blocks of 512, a test's, write back\n");
}

static void errors_name_the_disk(void **state)
{
	static const char *const params[] = { "lun0=mem:1M", "lun5=disk.img" };
	struct medio_instance_options opts = { .params = params, .nparams = 2 };
	struct medio_error *err = NULL;
	struct medio_instance *inst;
	struct medio_loop *loop;

	(void)state;
	assert_int_equal(medio_loop_new(&loop), 0);
	assert_int_equal(medio_instance_new(loop, &medio_virtio_scsi, &opts, &inst, &err), -EINVAL);
	assert_non_null(strstr(medio_error_text(err), "lun5: 'disk.img' is not a kind of disk"));
	medio_error_free(err);
	/* What was opened before is closed. */
	assert_int_equal(fake_disks(), 0);
	medio_loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tells_what_it_is),
		TEST(reads_and_writes),
		TEST(takes_every_layout),
		TEST(sense_and_residual_come_with_the_response),
		TEST(addresses_are_of_one_target),
		TEST(a_card_without_disks_reports_none),
		TEST(the_driver_chooses_its_sizes),
		TEST(sizes_without_sense_break_it),
		TEST(requests_too_short_break_it),
		TEST(many_are_under_way_in_many_queues),
		cmocka_unit_test(errors_name_the_disk),
	};

	return cmocka_run_group_tests_name("scsi_device", tests, NULL, NULL);
}
