/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device writes, and what it is refused: a device that does DMA as it is told, in this process and
 * behind a socket.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "test_card_bed.h"

#define RW	    (MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)
#define BUFFER	    16384u
#define BUSY	    1u /* STATUS: else the errno of what was done */
#define BUS_MASTER  4u
#define COMMAND_REG 4u
#define PAGES(...)  ((const unsigned[]){ __VA_ARGS__, UINT32_MAX })
#define RUN_WRITE   1u
#define RUN_READ    2u
#define RUN_AT_ONCE 4u /* the device's simple way, which does not reach all memory */

/* ---- The device -------------------------------------------------------------------------------- */

enum { IOVA = 0, COUNT = 8, RUN = 12, STATUS = 16 };

struct mover {
	uint64_t iova;
	uint32_t count, status;
	uint8_t buffer[BUFFER];
};

static void on_done(void *opaque, int ret)
{
	struct mover *mover = medio_priv(opaque);

	mover->status = (uint32_t)-ret << 8;
}

static void run(struct medio_dev *dev, uint32_t how)
{
	struct mover *m = medio_priv(dev);
	int ret;

	card_bed_must(m->count <= BUFFER);
	memset(m->buffer, 0x5a, m->count);
	m->status = BUSY;
	if (how & RUN_AT_ONCE) {
		on_done(dev, how & RUN_WRITE ? medio_dma_write(dev, m->iova, m->buffer, m->count)
					     : medio_dma_read(dev, m->iova, m->buffer, m->count));
		return;
	}
	ret = how & RUN_WRITE
		      ? medio_dma_write_async(dev, m->iova, m->buffer, m->count, on_done, dev)
		      : medio_dma_read_async(dev, m->iova, m->buffer, m->count, on_done, dev);
	if (ret)
		on_done(dev, ret);
}

static int mover_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	const struct mover *m = medio_priv(dev);

	card_bed_must(offset == STATUS && count == sizeof(m->status));
	memcpy(buf, &m->status, count);
	return 0;
}

static int mover_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct mover *m = medio_priv(dev);
	uint32_t how;

	if (offset == IOVA) {
		memcpy(&m->iova, buf, sizeof(m->iova));
	} else if (offset == COUNT) {
		memcpy(&m->count, buf, sizeof(m->count));
	} else {
		memcpy(&how, buf, sizeof(how));
		run(dev, how);
	}
	return 0;
}

static const struct medio_device_ops mover_ops = {
	.region_read = mover_read,
	.region_write = mover_write,
};

static const struct medio_type mover_type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "mover",
	.summary = "Moves memory",
	.id = { 0x1234, 0x5678, 0x1234, 0x5678, 1, 0xff0000 },
	.bars = { { .kind = MEDIO_BAR_MEM32, .size = 4096 } },
	.irqs = { .msi = 1 },
	.state_size = sizeof(struct mover),
	.ops = &mover_ops,
};

/* ---- The driver -------------------------------------------------------------------------------- */

static int setup(void **state)
{
	struct card_bed *bed = calloc(1, sizeof(*bed));

	assert_non_null(bed);
	assert_int_equal(card_bed_open(bed, &mover_type, NULL, card_bed_way(state)), 0);
	assert_int_equal(
		medio_card_write16(bed->card, MEDIO_CARD_CONFIG, COMMAND_REG, BUS_MASTER | 2), 0);
	*state = bed;
	return 0;
}

static int teardown(void **state)
{
	card_bed_close(*state);
	free(*state);
	return 0;
}

/* Have the device move memory; the errno that it met. */
static int move(struct medio_card *card, uint64_t iova, uint32_t count, uint32_t how)
{
	uint32_t status = BUSY;

	assert_int_equal(medio_card_write64(card, 0, IOVA, iova), 0);
	assert_int_equal(medio_card_write32(card, 0, COUNT, count), 0);
	assert_int_equal(medio_card_write32(card, 0, RUN, how), 0);
	while (status == BUSY)
		assert_int_equal(medio_card_read32(card, 0, STATUS, &status), 0);
	return (int)(status >> 8);
}

/* The bitmap has the bits of pages, which UINT32_MAX ends, and no others. */
static void expect(struct medio_card *card, uint64_t iova, uint64_t size, const unsigned *pages)
{
	uint64_t want[64] = { 0 }, got[64];

	memset(got, 0xee, sizeof(got));
	for (; *pages != UINT32_MAX; pages++)
		want[*pages / 64] |= UINT64_C(1) << *pages % 64;
	assert_int_equal(medio_card_dirty_get(card, iova, size, got), 0);
	assert_memory_equal(got, want, (size / 4096 + 63) / 64 * 8);
}

static void pages_that_the_device_writes_are_told_once(void **state)
{
	struct medio_card *card = ((struct card_bed *)*state)->card;
	uint8_t *ptr;

	assert_int_equal(medio_card_dma_alloc(card, 0x100000, 0x80000, RW, (void **)&ptr), 0);
	assert_int_equal(move(card, 0x100000, 4096, RUN_WRITE), 0);
	assert_int_equal(medio_card_dirty_start(card, 4096), 0);
	expect(card, 0x100000, 0x80000, PAGES(UINT32_MAX));
	assert_int_equal(move(card, 0x103fff, 2, RUN_WRITE), 0);
	assert_int_equal(move(card, 0x100000 + 70 * 4096, 4096, RUN_WRITE), 0);
	/* Neither what it reads nor what we write. */
	assert_int_equal(move(card, 0x120000, 4096, RUN_READ), 0);
	ptr[0x30000] = 1;
	assert_int_equal(ptr[0x4000], 0x5a);
	expect(card, 0x100000, 0x80000, PAGES(3, 4, 70));
	expect(card, 0x100000, 0x80000, PAGES(UINT32_MAX));
	assert_int_equal(medio_card_dirty_stop(card), 0);
	assert_int_equal(medio_card_dirty_stop(card), 0);
	/* A new one begins anew. */
	assert_int_equal(move(card, 0x100000, 4096, RUN_WRITE), 0);
	assert_int_equal(medio_card_dirty_start(card, 4096), 0);
	expect(card, 0x100000, 0x80000, PAGES(UINT32_MAX));
}

static void memory_that_the_device_reaches_by_messages_is_logged_too(void **state)
{
	static uint8_t memory[0x10000] __attribute__((aligned(4096)));
	struct medio_card *card = ((struct card_bed *)*state)->card;

	assert_int_equal(medio_card_dma_map(card, 0x200000, sizeof(memory), RW, memory), 0);
	assert_int_equal(medio_card_dirty_start(card, 4096), 0);
	assert_int_equal(move(card, 0x201800, 0x1000, RUN_WRITE), 0);
	assert_int_equal(memory[0x1800], 0x5a);
	assert_int_equal(move(card, 0x208000, 1, RUN_WRITE), 0);
	assert_int_equal(move(card, 0x20a000, 1, RUN_READ), 0);
	expect(card, 0x200000, 0x10000, PAGES(1, 2, 8));
	expect(card, 0x200000, 0x10000, PAGES(UINT32_MAX));
}

static void a_log_of_much_memory_comes_in_pieces(void **state)
{
	struct medio_card *card = ((struct card_bed *)*state)->card;
	/* More pages than one message has bits for. */
	const uint64_t page = 4096, pages = 10u << 20;
	uint64_t *bitmap = malloc(pages / 8);
	void *ptr;

	assert_non_null(bitmap);
	assert_int_equal(medio_card_dma_alloc(card, 0x100000, page, RW, &ptr), 0);
	assert_int_equal(
		medio_card_dma_alloc(card, 0x100000 + (pages - 1) * page, page, RW, &ptr), 0);
	assert_int_equal(medio_card_dirty_start(card, page), 0);
	assert_int_equal(move(card, 0x100000 + (pages - 1) * page, 8, RUN_WRITE), 0);
	assert_int_equal(medio_card_dirty_get(card, 0x100000, pages * page, bitmap), 0);
	for (uint64_t i = 0; i < pages / 64 - 1; i++)
		if (bitmap[i])
			fail_msg("word %llu is 0x%llx", (unsigned long long)i,
				(unsigned long long)bitmap[i]);
	assert_true(bitmap[pages / 64 - 1] == UINT64_C(1) << 63);
	free(bitmap);
}

/* End the card's connection, as if its server had gone. */
static void hang_up(const struct card_bed *bed)
{
	unsigned found = 0;

	for (int fd = 3; fd < 256; fd++) {
		struct sockaddr_un peer = { 0 };
		socklen_t len = sizeof(peer);
		if (getpeername(fd, (struct sockaddr *)&peer, &len) || peer.sun_family != AF_UNIX ||
			!peer.sun_path[0] || !strstr(bed->uri, peer.sun_path))
			continue;
		found++;
		assert_int_equal(shutdown(fd, SHUT_RDWR), 0);
	}
	assert_int_equal(found, 1);
}

static void a_log_outlives_its_server_and_then_says_everything(void **state)
{
	struct card_bed *bed = *state;
	struct medio_card *card = bed->card;
	uint32_t status;
	void *ptr;

	if (bed->way == CARD_BED_LOCAL)
		return;
	assert_int_equal(medio_card_dma_alloc(card, 0x100000, 0x4000, RW, &ptr), 0);
	assert_int_equal(medio_card_dirty_start(card, 4096), 0);
	assert_int_equal(move(card, 0x101000, 4, RUN_WRITE), 0);
	hang_up(bed);
	assert_true(medio_card_read32(card, 0, STATUS, &status) < 0);
	assert_int_equal(medio_card_reconnect(card, 5000), 0);
	expect(card, 0x100000, 0x4000, PAGES(0, 1, 2, 3));
	assert_int_equal(
		medio_card_write16(card, MEDIO_CARD_CONFIG, COMMAND_REG, BUS_MASTER | 2), 0);
	assert_int_equal(move(card, 0x102000, 4, RUN_WRITE), 0);
	expect(card, 0x100000, 0x4000, PAGES(2));
}

static void a_log_is_refused_with_words(void **state)
{
	struct medio_card *card = ((struct card_bed *)*state)->card;
	uint64_t word;
	void *ptr;

	assert_int_equal(medio_card_dirty_start(card, 4096), -ENOENT);
	assert_int_equal(medio_card_dma_alloc(card, 0x100000, 0x4000, RW, &ptr), 0);
	assert_int_equal(medio_card_dirty_start(card, 2048), -EINVAL);
	assert_int_equal(medio_card_dirty_start(card, 12288), -EINVAL);
	assert_int_equal(medio_card_dirty_get(card, 0x100000, 0x4000, &word), -EINVAL);
	assert_non_null(strstr(medio_card_last_error(card), "medio_card_dirty_start()"));
	assert_int_equal(medio_card_dirty_start(card, 4096), 0);
	assert_int_equal(medio_card_dirty_start(card, 4096), -EBUSY);
	assert_int_equal(medio_card_dirty_get(card, 0x100000, 0x2000, &word), -EINVAL);
	assert_int_equal(medio_card_dirty_get(card, 0x100800, 0x4000, &word), -EINVAL);
	assert_int_equal(medio_card_dirty_get(card, 0x100000, 0, &word), -EINVAL);
	assert_int_equal(medio_card_dirty_get(card, UINT64_MAX - 4095, 0x4000, &word), -EINVAL);
}

/* ---- What it is refused ------------------------------------------------------------------------ */

static void the_driver_learns_what_its_device_was_refused(void **state)
{
	struct card_bed *bed = *state;
	struct medio_card *card = bed->card;
	struct medio_card_fault fault;
	uint64_t events;
	void *ptr;

	assert_int_equal(medio_card_fault(card, &fault), -ENOENT);
	assert_int_equal(medio_card_irq_open(card, MEDIO_CARD_MSI, 1), 0);
	assert_int_equal(
		medio_card_dma_alloc(card, 0x100000, 0x1000, MEDIO_CARD_DMA_READ, &ptr), 0);
	assert_int_equal(move(card, 0x5000, 256, RUN_READ), EFAULT);
	assert_int_equal(move(card, 0x100000, 256, RUN_WRITE), EACCES);
	assert_int_equal(medio_card_irq_wait(card, MEDIO_CARD_MSI, 0, 1, &events), -ETIMEDOUT);
	if (bed->way != CARD_BED_LOCAL) {
		/* The server has looked it up in a table of its own. */
		assert_int_equal(medio_card_fault(card, &fault), -ENOENT);
		return;
	}
	assert_non_null(strstr(medio_card_last_error(card),
		"the device wanted to write 256 bytes at iova 0x100000: mapped, but not for that"));
	/* Once is enough. */
	assert_int_equal(medio_card_irq_wait(card, MEDIO_CARD_MSI, 0, 1, &events), -ETIMEDOUT);
	assert_null(strstr(medio_card_last_error(card), "iova"));
	assert_int_equal(medio_card_fault(card, &fault), 0);
	assert_int_equal(fault.iova, 0x5000);
	assert_int_equal(fault.size, 256);
	assert_int_equal(fault.prot, MEDIO_CARD_DMA_READ);
	assert_int_equal(fault.number, 1);
	assert_string_equal(
		fault.words, "the device wanted to read 256 bytes at iova 0x5000: not mapped");
	assert_int_equal(medio_card_fault(card, &fault), 0);
	assert_int_equal(fault.number, 2);
	assert_int_equal(medio_card_fault(card, &fault), -ENOENT);
	assert_int_equal(medio_card_write16(card, MEDIO_CARD_CONFIG, COMMAND_REG, 0x2), 0);
	assert_int_equal(move(card, 0x100000, 256, RUN_READ), ENODEV);
	assert_int_equal(medio_card_fault(card, &fault), 0);
	assert_non_null(strstr(fault.words, "bus mastering is off"));
}

/* In the same process it is reached at once; a server must ask for it, which not every device does. */
static void memory_of_the_programs_own_is_not_for_every_device(void **state)
{
	static uint8_t memory[4096] __attribute__((aligned(4096)));
	struct card_bed *bed = *state;
	struct medio_card_fault fault;
	const int refused = bed->way == CARD_BED_LOCAL ? 0 : EREMOTE;

	assert_int_equal(medio_card_dma_map(bed->card, 0x200000, 4096, RW, memory), 0);
	assert_int_equal(move(bed->card, 0x200000, 4, RUN_WRITE | RUN_AT_ONCE), refused);
	assert_int_equal(medio_card_fault(bed->card, &fault), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CARD_BED_TEST(pages_that_the_device_writes_are_told_once, setup, teardown),
		CARD_BED_TEST(
			memory_that_the_device_reaches_by_messages_is_logged_too, setup, teardown),
		CARD_BED_TEST(a_log_of_much_memory_comes_in_pieces, setup, teardown),
		CARD_BED_TEST(a_log_outlives_its_server_and_then_says_everything, setup, teardown),
		CARD_BED_TEST(a_log_is_refused_with_words, setup, teardown),
		CARD_BED_TEST(the_driver_learns_what_its_device_was_refused, setup, teardown),
		CARD_BED_TEST(memory_of_the_programs_own_is_not_for_every_device, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
