/* SPDX-License-Identifier: BSD-3-Clause */
/* RESET, DEVICE_FEATURE, the dirty log and the migration stream. */
#include "bed.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <unistd.h>

#include "device/migration.h"

#define GET   MEDIO_VU_FEATURE_GET
#define SET   MEDIO_VU_FEATURE_SET
#define PROBE MEDIO_VU_FEATURE_PROBE

/* argsz 0: as much as one may want. Gives the data behind struct medio_vu_feature. */
static int feature(struct client *c, uint32_t flags, uint32_t argsz, const void *data, size_t size,
	struct message *reply)
{
	uint8_t payload[8192];
	struct medio_vu_feature head = { argsz ? argsz : 1 << 20, flags };
	memcpy(payload, &head, sizeof(head));
	if (size)
		memcpy(payload + sizeof(head), data, size);
	int ret = client_call(c, MEDIO_VU_DEVICE_FEATURE, payload, sizeof(head) + size, reply);
	if (ret == 0) {
		memcpy(&head, reply->payload, sizeof(head));
		assert_int_equal(head.flags, flags);
		reply->payload += sizeof(head);
		reply->size -= sizeof(head);
	}
	return ret;
}

static int go(struct client *c, uint32_t to)
{
	struct medio_vu_mig_state want = { to, 0 };
	struct message reply;
	return feature(c, SET | MEDIO_VU_FEATURE_MIG_DEVICE_STATE, 0, &want, sizeof(want), &reply);
}

static uint32_t where(struct client *c)
{
	struct medio_vu_mig_state is;
	struct message reply;
	assert_int_equal(
		feature(c, GET | MEDIO_VU_FEATURE_MIG_DEVICE_STATE, 0, NULL, 0, &reply), 0);
	assert_int_equal(reply.size, sizeof(is));
	memcpy(&is, reply.payload, sizeof(is));
	return is.device_state;
}

/* ---- Reset --------------------------------------------------------------------------------------------------- */

static void reset_waits_until_the_device_is_quiet(void **state)
{
	struct bed *bed = *state;
	struct message reply;
	struct client c;
	client_hello(&c, bed);
	bed->toy->mode = TOY_BUSY;
	client_send(&c, MEDIO_VU_RESET, 0, NULL, 0);
	client_send(&c, MEDIO_VU_RESET, 0, NULL, 0);
	assert_true(client_silent(&c));
	assert_null(strstr(bed->toy->log, "reset"));
	toy_settle(bed->toy);
	for (int i = 0; i < 2; i++) {
		assert_true(client_recv(&c, &reply));
		assert_int_equal(reply.hdr.error, 0);
	}
	assert_non_null(strstr(bed->toy->log, "reset 0;reset 0;"));
	assert_int_equal(bed->toy->quiet, 0);
	client_close(&c);
}

static uint8_t capability(struct client *c, uint8_t id)
{
	uint8_t at = 0, head[2] = { 0 };
	assert_int_equal(client_read(c, MEDIO_REGION_CONFIG, PCI_CAPABILITY_LIST, &at, 1), 0);
	while (head[0] != id) {
		at = head[1] ? head[1] : at;
		assert_int_equal(client_read(c, MEDIO_REGION_CONFIG, at, head, 2), 0);
	}
	return at;
}

static void the_return_from_d3hot_resets_and_in_it_there_is_no_dma(void **state)
{
	struct bed *bed = *state;
	struct client c;
	uint8_t byte;
	int fd = memory_new(0x1000);
	client_hello(&c, bed);
	uint8_t pm = capability(&c, PCI_CAP_ID_PM);
	client_master(&c, true);
	assert_int_equal(client_map(&c, 0, 0x1000, MAP_RW, fd, 0), 0);
	assert_int_equal(medio_dma_read(bed->toy->dev, 0, &byte, 1), 0);
	uint16_t d3hot = 3, d0 = 0;
	assert_int_equal(client_write(&c, MEDIO_REGION_CONFIG, pm + PCI_PM_CTRL, &d3hot, 2), 0);
	assert_int_equal(medio_dma_read(bed->toy->dev, 0, &byte, 1), -ENODEV);
	assert_null(strstr(bed->toy->log, "reset"));
	assert_int_equal(client_write(&c, MEDIO_REGION_CONFIG, pm + PCI_PM_CTRL, &d0, 2), 0);
	assert_non_null(strstr(bed->toy->log, "reset 2;"));
	assert_int_equal(client_read32(&c, MEDIO_REGION_CONFIG, PCI_COMMAND) & 0xffff, 0);
	client_close(&c);
	close(fd);
}

static void an_flr_resets_config_and_device(void **state)
{
	struct bed *bed = *state;
	struct client c;
	client_hello(&c, bed);
	uint8_t at = capability(&c, PCI_CAP_ID_EXP);
	client_master(&c, true);
	uint16_t flr = PCI_EXP_DEVCTL_BCR_FLR;
	assert_int_equal(go(&c, MEDIO_MIGRATION_STOP), 0);
	assert_int_not_equal(bed->toy->quiet, 0);
	assert_int_equal(client_write(&c, MEDIO_REGION_CONFIG, at + PCI_EXP_DEVCTL, &flr, 2), 0);
	assert_non_null(strstr(bed->toy->log, "reset 1;"));
	assert_int_equal(client_read32(&c, MEDIO_REGION_CONFIG, PCI_COMMAND) & 0xffff, 0);
	/* A reset device runs, as VFIO has it. */
	assert_int_equal(where(&c), MEDIO_MIGRATION_RUNNING);
	assert_int_equal(bed->toy->quiet, 0);
	client_close(&c);
}

/* ---- Features -------------------------------------------------------------------------------------------------- */

static void features_that_exist_can_be_probed(void **state)
{
	struct message reply;
	struct client c;
	client_hello(&c, *state);
	assert_int_equal(feature(&c, PROBE | GET | 1, 0, NULL, 0, &reply), 0);
	assert_int_equal(feature(&c, PROBE | GET | SET | 2, 0, NULL, 0, &reply), 0);
	assert_int_equal(feature(&c, PROBE | SET | 6, 0, NULL, 0, &reply), 0);
	assert_int_equal(feature(&c, PROBE | SET | 7, 0, NULL, 0, &reply), 0);
	assert_int_equal(feature(&c, PROBE | GET | 8, 0, NULL, 0, &reply), 0);
	assert_int_equal(feature(&c, PROBE | SET | 1, 0, NULL, 0, &reply), -ENOTTY);
	assert_int_equal(feature(&c, PROBE | GET | 6, 0, NULL, 0, &reply), -ENOTTY);
	static const uint32_t none[] = { 0, 3, 4, 5, 9, 0xffff };
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_int_equal(feature(&c, PROBE | GET | none[i], 0, NULL, 0, &reply), -ENOTTY);
	assert_int_equal(feature(&c, 1, 0, NULL, 0, &reply), -EINVAL);
	assert_int_equal(feature(&c, GET | SET | 2, 0, NULL, 0, &reply), -EINVAL);
	assert_int_equal(feature(&c, GET | 1 | 1u << 31, 0, NULL, 0, &reply), -EINVAL);
	assert_int_equal(feature(&c, GET | 1, 7, NULL, 0, &reply), -EINVAL);
	assert_int_equal(client_call(&c, MEDIO_VU_DEVICE_FEATURE, "1234", 4, NULL), -EINVAL);
	client_close(&c);
}

static void a_feature_cut_short_names_what_it_needs(void **state)
{
	struct medio_vu_feature head;
	struct message reply;
	struct client c;
	uint64_t flags;
	client_hello(&c, *state);
	assert_int_equal(feature(&c, GET | 1, sizeof(head), NULL, 0, &reply), 0);
	assert_int_equal(reply.size, 0);
	memcpy(&head, reply.payload - sizeof(head), sizeof(head));
	assert_int_equal(head.argsz, sizeof(head) + sizeof(flags));
	assert_int_equal(feature(&c, GET | 1, head.argsz, NULL, 0, &reply), 0);
	assert_int_equal(reply.size, sizeof(flags));
	memcpy(&flags, reply.payload, sizeof(flags));
	assert_int_equal(flags, MEDIO_VU_MIGRATION_STOP_COPY);
	client_close(&c);
}

/* ---- The dirty log ------------------------------------------------------------------------------------------------ */

struct logging {
	struct medio_vu_logging_control control;
	struct medio_vu_logging_range range[4];
};

static int log_start(struct client *c, uint64_t page_size, uint32_t n, uint64_t iova, uint64_t len)
{
	struct logging start = { { page_size, n, 0 }, { { iova, len } } };
	struct message reply;
	return feature(c, SET | MEDIO_VU_FEATURE_DMA_LOGGING_START, 0, &start,
		sizeof(start.control) + n * sizeof(start.range[0]), &reply);
}

static int log_stop(struct client *c)
{
	struct message reply;
	return feature(c, SET | MEDIO_VU_FEATURE_DMA_LOGGING_STOP, 0, NULL, 0, &reply);
}

/* The first word of the bitmap. */
static int log_report(
	struct client *c, uint64_t iova, uint64_t len, uint64_t page_size, uint64_t *bits)
{
	struct medio_vu_logging_report ask = { iova, len, page_size };
	struct message reply;
	int ret = feature(
		c, GET | MEDIO_VU_FEATURE_DMA_LOGGING_REPORT, 0, &ask, sizeof(ask), &reply);
	if (ret == 0) {
		assert_memory_equal(reply.payload, &ask, sizeof(ask));
		assert_true(reply.size >= sizeof(ask) + 8);
		memcpy(bits, reply.payload + sizeof(ask), 8);
	}
	return ret;
}

static void dirty(struct bed *bed, uint64_t iova, size_t len)
{
	char bytes[16] = { 1 };
	assert_true(len <= sizeof(bytes));
	assert_int_equal(medio_dma_write(bed->toy->dev, iova, bytes, len), 0);
}

static void what_the_device_writes_is_reported_once(void **state)
{
	struct bed *bed = *state;
	struct client c;
	uint64_t bits;
	int fd = memory_new(0x40000);
	client_hello(&c, bed);
	client_master(&c, true);
	assert_int_equal(client_map(&c, 0x100000, 0x40000, MAP_RW, fd, 0), 0);
	assert_int_equal(log_report(&c, 0x100000, 0x40000, 4096, &bits), -EINVAL); /* not on */
	assert_int_equal(log_start(&c, 4096, 1, 0x100000, 0x40000), 0);
	assert_int_equal(log_start(&c, 4096, 1, 0x100000, 0x40000), -EINVAL);
	dirty(bed, 0x101ffe, 4);
	dirty(bed, 0x10f000, 1);
	assert_int_equal(log_report(&c, 0x100000, 0x40000, 4096, &bits), 0);
	assert_int_equal(bits, 1 << 1 | 1 << 2 | 1 << 15);
	assert_int_equal(log_report(&c, 0x100000, 0x40000, 4096, &bits), 0);
	assert_int_equal(bits, 0);
	assert_int_equal(log_stop(&c), 0);
	assert_int_equal(log_report(&c, 0x100000, 0x40000, 4096, &bits), -EINVAL);
	client_close(&c);
	close(fd);
}

/* libvfio-user never ends on this. */
static void a_report_in_smaller_pages_than_the_log_ends(void **state)
{
	struct bed *bed = *state;
	struct client c;
	uint64_t bits;
	int fd = memory_new(0x40000);
	client_hello(&c, bed);
	client_master(&c, true);
	assert_int_equal(client_map(&c, 0x100000, 0x40000, MAP_RW, fd, 0), 0);
	assert_int_equal(log_start(&c, 0x4000, 1, 0x100000, 0x40000), 0);
	dirty(bed, 0x105000, 1);
	assert_int_equal(log_report(&c, 0x100000, 0x40000, 4096, &bits), 0);
	assert_int_equal(bits, 0xf0);
	/* And in larger ones. */
	dirty(bed, 0x105000, 1);
	assert_int_equal(log_report(&c, 0x100000, 0x40000, 0x10000, &bits), 0);
	assert_int_equal(bits, 1);
	client_close(&c);
	close(fd);
}

static void logging_everything_takes_any_page_size(void **state)
{
	struct bed *bed = *state;
	struct client c;
	uint64_t bits;
	int fd = memory_new(0x40000);
	client_hello(&c, bed);
	client_master(&c, true);
	assert_int_equal(client_map(&c, 0x100000, 0x40000, MAP_RW, fd, 0), 0);
	for (uint64_t page_size = 4096; page_size <= 0x10000; page_size *= 4) {
		assert_int_equal(log_start(&c, page_size, 0, 0, 0), 0);
		dirty(bed, 0x110000, 1);
		assert_int_equal(log_report(&c, 0x100000, 0x40000, 0x10000, &bits), 0);
		assert_int_equal(bits, 2);
		assert_int_equal(log_stop(&c), 0);
	}
	assert_int_equal(log_start(&c, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(log_start(&c, 5000, 0, 0, 0), -EINVAL);
	client_close(&c);
	close(fd);
}

static void logs_that_cannot_be_are_refused(void **state)
{
	struct medio_vu_logging_control many = { 4096, 1000, 0 };
	struct message reply;
	struct client c;
	uint64_t bits;
	client_hello(&c, *state);
	assert_int_equal(feature(&c, SET | MEDIO_VU_FEATURE_DMA_LOGGING_START, 0, &many,
				 sizeof(many), &reply),
		-EINVAL); /* 1000 ranges promised */
	assert_int_equal(feature(&c, SET | MEDIO_VU_FEATURE_DMA_LOGGING_START, 0, &many, 8, &reply),
		-EINVAL);
	assert_int_equal(log_start(&c, 4096, 1, UINT64_MAX - 0xfff, 0x2000), -EOVERFLOW);
	assert_int_equal(log_start(&c, 4096, 1, 0, 0), -EINVAL);
	assert_int_equal(log_start(&c, 4096, 1, 0, 0x40000000000), 0);
	assert_int_equal(log_report(&c, 0, 0x40000000000, 4096, &bits), -E2BIG);
	assert_int_equal(log_report(&c, 0, 0x1000, 0, &bits), -EINVAL);
	assert_int_equal(log_report(&c, 0, 0, 4096, &bits), -EINVAL);
	/* A report that does not fit clears nothing: it only names its size. */
	struct medio_vu_logging_report ask = { 0, 0x1000, 4096 };
	struct medio_vu_feature head;
	assert_int_equal(feature(&c, GET | MEDIO_VU_FEATURE_DMA_LOGGING_REPORT, 8, &ask,
				 sizeof(ask), &reply),
		0);
	assert_int_equal(reply.size, 0);
	memcpy(&head, reply.payload - sizeof(head), sizeof(head));
	assert_int_equal(head.argsz, sizeof(head) + sizeof(ask) + 8);
	client_close(&c);
}

static void the_log_of_a_client_ends_with_it(void **state)
{
	struct client c;
	client_hello(&c, *state);
	assert_int_equal(log_start(&c, 4096, 0, 0, 0), 0);
	client_close(&c);
	client_hello(&c, *state);
	assert_int_equal(log_start(&c, 4096, 0, 0, 0), 0);
	client_close(&c);
}

static void an_unmap_can_report_what_was_written(void **state)
{
	struct bed *bed = *state;
	struct {
		struct medio_vu_dma_unmap unmap;
		struct medio_vu_bitmap bitmap;
	} ask = { { 48, MEDIO_VU_UNMAP_GET_DIRTY, 0x100000, 0x40000 }, { 4096, 8 } };
	struct message reply;
	struct client c;
	uint64_t bits;
	int fd = memory_new(0x40000);
	client_hello(&c, bed);
	client_master(&c, true);
	assert_int_equal(client_map(&c, 0x100000, 0x40000, MAP_RW, fd, 0), 0);
	assert_int_equal(client_call(&c, MEDIO_VU_DMA_UNMAP, &ask, sizeof(ask), NULL), -EINVAL);
	assert_int_equal(log_start(&c, 4096, 0, 0, 0), 0);
	dirty(bed, 0x103000, 1);
	ask.unmap.argsz = 47;
	assert_int_equal(client_call(&c, MEDIO_VU_DMA_UNMAP, &ask, sizeof(ask), NULL), -EINVAL);
	assert_int_equal(client_call(&c, MEDIO_VU_DMA_UNMAP, &ask, 40 - 1, NULL), -EINVAL);
	ask.unmap.argsz = 48;
	ask.bitmap.size = UINT64_MAX;
	assert_int_equal(client_call(&c, MEDIO_VU_DMA_UNMAP, &ask, sizeof(ask), NULL), -EINVAL);
	ask.bitmap.size = 8;
	assert_int_equal(client_call(&c, MEDIO_VU_DMA_UNMAP, &ask, sizeof(ask), &reply), 0);
	assert_int_equal(reply.size, sizeof(ask) + 8);
	memcpy(&bits, reply.payload + sizeof(ask), 8);
	assert_int_equal(bits, 1 << 3);
	assert_non_null(strstr(bed->toy->log, "unmap 0x100000 0x40000;"));
	client_close(&c);
	close(fd);
}

/* ---- Migration ------------------------------------------------------------------------------------------------------ */

static int mig_read(struct client *c, uint32_t size, void *buf, uint32_t *got)
{
	struct medio_vu_mig_data data = { (uint32_t)sizeof(data) + size, size };
	struct message reply;
	int ret = client_call(c, MEDIO_VU_MIG_DATA_READ, &data, sizeof(data), &reply);
	if (ret)
		return ret;
	memcpy(&data, reply.payload, sizeof(data));
	assert_int_equal(reply.size, sizeof(data) + data.size);
	memcpy(buf, reply.payload + sizeof(data), data.size);
	*got = data.size;
	return 0;
}

static int mig_write(struct client *c, const void *buf, uint32_t size)
{
	uint8_t payload[16384];
	struct medio_vu_mig_data data = { (uint32_t)sizeof(data) + size, size };
	memcpy(payload, &data, sizeof(data));
	memcpy(payload + sizeof(data), buf, size);
	return client_call(c, MEDIO_VU_MIG_DATA_WRITE, payload, sizeof(data) + size, NULL);
}

static void state_moves_from_one_card_to_another(void **state)
{
	struct bed *bed = *state, other;
	struct client c, d;
	uint8_t stream[16384];
	uint32_t size = 0, got = 0;
	bed_open(&other, NULL);
	client_hello(&c, bed);
	client_hello(&d, &other);
	memcpy(bed->toy->store, "a card's memory!", 16);
	assert_int_equal(where(&c), MEDIO_MIGRATION_RUNNING);
	assert_int_equal(mig_read(&c, 100, stream, &got), -EINVAL);
	assert_int_equal(go(&c, MEDIO_MIGRATION_STOP_COPY), 0);
	assert_int_equal(where(&c), MEDIO_MIGRATION_STOP_COPY);
	assert_int_not_equal(bed->toy->quiet, 0); /* it stays quiet */
	memcpy(bed->toy->store, "something later.", 16);
	do { /* a short read is the end */
		assert_int_equal(mig_read(&c, 3000, stream + size, &got), 0);
		size += got;
	} while (got == 3000);
	assert_int_equal(size, 8192);
	assert_int_equal(go(&c, MEDIO_MIGRATION_RUNNING), 0);
	assert_int_equal(bed->toy->quiet, 0);

	assert_int_equal(mig_write(&d, stream, 10), -EINVAL);
	assert_int_equal(go(&d, MEDIO_MIGRATION_RESUMING), 0);
	assert_int_equal(mig_write(&d, stream, 5000), 0);
	assert_int_equal(mig_write(&d, stream + 5000, size - 5000), 0);
	assert_int_equal(go(&d, MEDIO_MIGRATION_RUNNING), 0);
	assert_memory_equal(other.toy->store, "a card's memory!", 16);
	client_close(&c);
	client_close(&d);
	bed_close(&other);
}

static void a_stream_that_is_not_good_changes_nothing(void **state)
{
	struct bed *bed = *state;
	struct client c;
	uint8_t junk[8192] = { 0 };
	client_hello(&c, bed);
	memcpy(bed->toy->store, "untouched memory", 16);
	assert_int_equal(go(&c, MEDIO_MIGRATION_RESUMING), 0);
	assert_int_equal(mig_write(&c, junk, sizeof(junk)), 0);
	assert_int_equal(go(&c, MEDIO_MIGRATION_RUNNING), -EINVAL);
	assert_int_equal(where(&c), MEDIO_MIGRATION_STOP);
	assert_memory_equal(bed->toy->store, "untouched memory", 16);
	assert_int_equal(go(&c, MEDIO_MIGRATION_RUNNING), 0);
	assert_int_equal(bed->toy->quiet, 0);
	client_close(&c);
}

static void states_that_are_none_are_refused(void **state)
{
	static const uint32_t bad[] = { 0, 5, 6, 7, 8, UINT32_MAX };
	struct message reply;
	struct client c;
	client_hello(&c, *state);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(go(&c, bad[i]), -EINVAL);
	assert_int_equal(feature(&c, SET | 2, 0, "123", 3, &reply), -EINVAL);
	assert_int_equal(where(&c), MEDIO_MIGRATION_RUNNING);
	client_close(&c);
}

static void a_client_that_leaves_in_the_middle_leaves_a_running_card(void **state)
{
	struct bed *bed = *state;
	struct client c;
	client_hello(&c, bed);
	assert_int_equal(go(&c, MEDIO_MIGRATION_STOP_COPY), 0);
	client_close(&c);
	assert_int_equal(bed->toy->quiet, 0);
	client_hello(&c, bed);
	assert_int_equal(where(&c), MEDIO_MIGRATION_RUNNING);
	assert_int_equal(go(&c, MEDIO_MIGRATION_RESUMING), 0);
	assert_int_equal(client_call(&c, MEDIO_VU_RESET, NULL, 0, NULL), 0);
	assert_int_equal(where(&c), MEDIO_MIGRATION_RUNNING);
	assert_int_equal(bed->toy->quiet, 0);
	client_close(&c);
}

static void data_messages_that_lie_are_refused(void **state)
{
	struct medio_vu_mig_data data = { 8, 100 };
	struct client c;
	client_hello(&c, *state);
	assert_int_equal(go(&c, MEDIO_MIGRATION_STOP_COPY), 0);
	assert_int_equal(
		client_call(&c, MEDIO_VU_MIG_DATA_READ, &data, sizeof(data), NULL), -EINVAL);
	data = (struct medio_vu_mig_data){ UINT32_MAX, UINT32_MAX - 8 };
	assert_int_equal(
		client_call(&c, MEDIO_VU_MIG_DATA_READ, &data, sizeof(data), NULL), -EINVAL);
	assert_int_equal(client_call(&c, MEDIO_VU_MIG_DATA_READ, &data, 7, NULL), -EINVAL);
	assert_int_equal(go(&c, MEDIO_MIGRATION_RESUMING), 0);
	data = (struct medio_vu_mig_data){ 108, 100 };
	assert_int_equal(
		client_call(&c, MEDIO_VU_MIG_DATA_WRITE, &data, sizeof(data), NULL), -EINVAL);
	client_close(&c);
}

#define BED_TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED_TEST(reset_waits_until_the_device_is_quiet),
		BED_TEST(an_flr_resets_config_and_device),
		BED_TEST(the_return_from_d3hot_resets_and_in_it_there_is_no_dma),
		BED_TEST(features_that_exist_can_be_probed),
		BED_TEST(a_feature_cut_short_names_what_it_needs),
		BED_TEST(what_the_device_writes_is_reported_once),
		BED_TEST(a_report_in_smaller_pages_than_the_log_ends),
		BED_TEST(logging_everything_takes_any_page_size),
		BED_TEST(logs_that_cannot_be_are_refused),
		BED_TEST(the_log_of_a_client_ends_with_it),
		BED_TEST(an_unmap_can_report_what_was_written),
		BED_TEST(state_moves_from_one_card_to_another),
		BED_TEST(a_stream_that_is_not_good_changes_nothing),
		BED_TEST(states_that_are_none_are_refused),
		BED_TEST(a_client_that_leaves_in_the_middle_leaves_a_running_card),
		BED_TEST(data_messages_that_lie_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
