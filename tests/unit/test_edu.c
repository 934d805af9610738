/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The edu driver on the edu device, in the same process and over vfio-user; and the device by itself,
 * where the driver does not go.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../devices/edu/edu.h"
#include "../../devices/passthrough/passthrough.h"
#include "../../drivers/edu/edu.h"
#include "test_bytes.h"
#include "test_card_bed.h"

#define RW     (MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)
#define BAR    MEDIO_CARD_BAR0
#define BUFFER UINT64_C(0x40000)
#define QUICK  "dma-time=100us", "factorial-time=100us"
/* Longer than any test waits. */
#define SLOW "dma-time=10s", "factorial-time=10s"
#define PARAMS(...) \
	(const char *const[]) \
	{ \
		__VA_ARGS__, NULL \
	}

enum { LIVE = 0x04, FACTORIAL = 0x08, STATUS = 0x20, IRQ_STATUS = 0x24, RAISE = 0x60, ACK = 0x64 };
enum { FROM = 0x80, TO = 0x88, COUNT = 0x90, COMMAND = 0x98 };

struct bed {
	enum card_bed_way way;
	struct card_bed bed;
	struct medio_card *card;
	struct edu *edu;
};

static int setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	bed->way = card_bed_way(state);
	*state = bed;
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	edu_close(bed->edu);
	card_bed_close(&bed->bed);
	free(bed);
	return 0;
}

static void opens(struct bed *bed, const char *const *params, int irq)
{
	assert_int_equal(card_bed_open(&bed->bed, &medio_edu, params, bed->way), 0);
	bed->card = bed->bed.card;
	assert_int_equal(edu_open(bed->card, irq, &bed->edu), 0);
}

static uint64_t get(struct bed *bed, unsigned reg)
{
	uint32_t value = 0;

	assert_int_equal(medio_card_read32(bed->card, BAR, reg, &value), 0);
	return value;
}

static void set(struct bed *bed, unsigned reg, uint32_t value)
{
	assert_int_equal(medio_card_write32(bed->card, BAR, reg, value), 0);
}

/* Start a copy as a driver might who does not care. */
static void start(struct bed *bed, uint64_t from, uint64_t to, uint64_t count, uint32_t command)
{
	assert_int_equal(medio_card_write64(bed->card, BAR, FROM, from), 0);
	assert_int_equal(medio_card_write64(bed->card, BAR, TO, to), 0);
	assert_int_equal(medio_card_write64(bed->card, BAR, COUNT, count), 0);
	set(bed, COMMAND, command);
}

static void finish(struct bed *bed)
{
	while (get(bed, COMMAND) & 1)
		;
}

static uint64_t errors(struct bed *bed)
{
	return card_bed_stats(&bed->bed).errors;
}

/* ---- What the driver asks of it ---------------------------------------------------------------- */

static void identifies_and_inverts(void **state)
{
	struct bed *bed = *state;
	struct medio_card_region bar;
	struct medio_card_irq irq;

	opens(bed, NULL, -1);
	assert_int_equal(edu_version(bed->edu), 0x10000);
	assert_int_equal(edu_check(bed->edu), 0);
	assert_int_equal(medio_card_get_region(bed->card, BAR, &bar), 0);
	assert_int_equal(bar.size, 1 << 20);
	assert_int_equal(medio_card_get_irq(bed->card, MEDIO_CARD_INTX, &irq), 0);
	assert_int_equal(irq.count, 1);
	assert_int_equal(medio_card_get_irq(bed->card, MEDIO_CARD_MSI, &irq), 0);
	assert_int_equal(irq.count, 1);
	assert_int_equal(medio_card_get_irq(bed->card, MEDIO_CARD_MSIX, &irq), 0);
	assert_int_equal(irq.count, 0);
}

static void factorials(struct bed *bed, int irq)
{
	uint32_t expected = 1, value = 0;

	opens(bed, PARAMS(QUICK), irq);
	for (uint32_t n = 0; n < 40; n++) {
		expected *= n ? n : 1;
		assert_int_equal(edu_factorial(bed->edu, n, &value), 0);
		assert_int_equal(value, expected);
	}
	/* Not worked out step by step. */
	assert_int_equal(edu_factorial(bed->edu, UINT32_MAX, &value), 0);
	assert_int_equal(value, 0);
	/* Each is told of once, and nothing is left. */
	assert_int_equal(edu_interrupts(bed->edu), irq < 0 ? 0 : 41);
	assert_int_equal(get(bed, IRQ_STATUS), 0);
}

static void factorials_by_asking(void **state)
{
	factorials(*state, -1);
}

static void factorials_by_intx(void **state)
{
	factorials(*state, MEDIO_CARD_INTX);
}

static void factorials_by_msi(void **state)
{
	factorials(*state, MEDIO_CARD_MSI);
}

static void copies(struct bed *bed, int irq)
{
	static const struct {
		unsigned at, size;
	} parts[] = { { 0, 1 }, { 4095, 1 }, { 7, 1000 }, { 0, 4096 }, { 2048, 2048 },
		{ 1, 4094 } };
	uint8_t out[EDU_BUFFER], in[EDU_BUFFER + 1];

	opens(bed, PARAMS(QUICK), irq);
	for (unsigned i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		unsigned size = parts[i].size;
		scramble(out, size, i);
		memset(in, 0xee, sizeof(in));
		assert_int_equal(edu_put(bed->edu, parts[i].at, out, size), 0);
		assert_int_equal(edu_get(bed->edu, parts[i].at, in, size), 0);
		assert_int_equal(checksum(in, size), checksum(out, size));
		assert_int_equal(in[size], 0xee);
	}
	/* What went in last is one byte off the ends. */
	assert_int_equal(edu_get(bed->edu, 1, in, 4094), 0);
	assert_int_equal(checksum(in, 4094), checksum(out, 4094));
	assert_int_equal(edu_interrupts(bed->edu) > 0, irq >= 0);
	assert_int_equal(errors(bed), 0);
}

static void copies_by_asking(void **state)
{
	copies(*state, -1);
}

static void copies_by_intx(void **state)
{
	copies(*state, MEDIO_CARD_INTX);
}

static void copies_by_msi(void **state)
{
	copies(*state, MEDIO_CARD_MSI);
}

/* Memory without a file: over a socket the device has to ask for it. */
static void copies_the_drivers_own_memory(void **state)
{
	static _Alignas(4096) uint8_t own[8192];
	struct bed *bed = *state;
	uint64_t iova = 0;

	opens(bed, PARAMS(QUICK), MEDIO_CARD_MSI);
	assert_int_equal(medio_card_dma_map_any(bed->card, sizeof(own), RW, own, &iova), 0);
	scramble(own, 4096, 9);
	memset(own + 4096, 0, 4096);
	assert_int_equal(edu_put_iova(bed->edu, 100, iova + 50, 2000), 0);
	assert_int_equal(edu_get_iova(bed->edu, 100, iova + 4096 + 60, 2000), 0);
	assert_int_equal(checksum(own + 50, 2000), checksum(own + 4096 + 60, 2000));
	assert_int_equal(own[4096 + 59], 0);
	assert_int_equal(own[4096 + 2060], 0);
	assert_int_equal(medio_card_dma_unmap(bed->card, iova, sizeof(own)), 0);
}

static void the_driver_keeps_to_the_buffer_and_the_mask(void **state)
{
	struct bed *bed = *state;
	uint8_t byte = 0;
	void *ptr;

	opens(bed, PARAMS(QUICK), -1);
	assert_int_equal(edu_put(bed->edu, 4096, &byte, 1), -EINVAL);
	assert_int_equal(edu_get(bed->edu, 1, &byte, 4096), -EINVAL);
	assert_int_equal(edu_put(bed->edu, UINT32_MAX, &byte, 2), -EINVAL);
	assert_int_equal(edu_put_iova(bed->edu, 0, 0, 0), -EINVAL);
	assert_int_equal(edu_put_iova(bed->edu, 0, 0, EDU_MAX_DMA + 1), -EINVAL);
	assert_int_equal(medio_card_dma_alloc(bed->card, 1 << 28, 4096, RW, &ptr), -EINVAL);
	assert_int_equal(medio_card_dma_alloc(bed->card, (1 << 28) - 4096, 4096, RW, &ptr), 0);
	assert_int_equal(edu_put_iova(bed->edu, 0, (1 << 28) - 1, 1), 0);
	assert_int_equal(errors(bed), 0);
}

/* ---- What the driver does not do --------------------------------------------------------------- */

static void addresses_beyond_the_mask_are_cut(void **state)
{
	const uint64_t iova = 0x100000, far = UINT64_C(1) << 32;
	struct bed *bed = *state;
	uint8_t byte = 0;
	void *near, *distant;

	opens(bed, PARAMS(QUICK), -1);
	assert_int_equal(medio_card_dma_mask(bed->card, 64), 0);
	assert_int_equal(medio_card_dma_alloc(bed->card, iova, 4096, RW, &near), 0);
	assert_int_equal(medio_card_dma_alloc(bed->card, iova + far, 4096, RW, &distant), 0);
	memset(near, 'n', 4096);
	memset(distant, 'd', 4096);
	assert_int_equal(edu_put_iova(bed->edu, 0, iova + far, 1), 0);
	assert_int_equal(edu_get(bed->edu, 0, &byte, 1), 0);
	assert_int_equal(byte, 'n');
	assert_int_equal(errors(bed), 1);
	edu_close(bed->edu);
	bed->edu = NULL;
	card_bed_close(&bed->bed);

	/* A card that has more of them. */
	opens(bed, PARAMS(QUICK, "dma-mask=0xffffffffff"), -1);
	assert_int_equal(medio_card_dma_mask(bed->card, 40), 0);
	assert_int_equal(medio_card_dma_alloc(bed->card, iova + far, 4096, RW, &distant), 0);
	memset(distant, 'd', 4096);
	assert_int_equal(edu_put_iova(bed->edu, 0, iova + far, 1), 0);
	assert_int_equal(edu_get(bed->edu, 0, &byte, 1), 0);
	assert_int_equal(byte, 'd');
	assert_int_equal(errors(bed), 0);
}

static void copies_outside_the_buffer_are_refused(void **state)
{
	static const struct {
		uint64_t at, count;
	} wrong[] = { { BUFFER - 1, 2 }, { BUFFER + 4000, 97 }, { BUFFER, 4097 }, { 0, 1 },
		{ BUFFER, UINT64_MAX }, { BUFFER + 4097, 0 }, { UINT64_MAX, 2 } };
	struct bed *bed = *state;
	uint8_t before[EDU_BUFFER], after[EDU_BUFFER];
	uint64_t iova = 0;
	void *ptr;

	opens(bed, PARAMS(QUICK), -1);
	scramble(before, sizeof(before), 1);
	assert_int_equal(edu_put(bed->edu, 0, before, sizeof(before)), 0);
	assert_int_equal(medio_card_dma_alloc_any(bed->card, 8192, RW, &iova, &ptr), 0);
	memset(ptr, 0xee, 8192);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		start(bed, iova, wrong[i].at, wrong[i].count, 5);
		finish(bed);
		start(bed, wrong[i].at, iova, wrong[i].count, 3);
		finish(bed);
		assert_int_equal(errors(bed), 2 * i + 2);
		/* It ends as any other. */
		assert_int_equal(get(bed, IRQ_STATUS), 0x100);
		set(bed, ACK, 0x100);
	}
	assert_int_equal(edu_get(bed->edu, 0, after, sizeof(after)), 0);
	assert_memory_equal(before, after, sizeof(before));
	for (unsigned i = 0; i < 8192; i++)
		assert_int_equal(((uint8_t *)ptr)[i], 0xee);
}

static void a_copy_of_memory_that_is_not_there_ends(void **state)
{
	struct bed *bed = *state;

	opens(bed, PARAMS(QUICK), MEDIO_CARD_MSI);
	assert_int_equal(edu_put_iova(bed->edu, 0, 0x7000, 16), 0);
	assert_int_equal(edu_get_iova(bed->edu, 0, 0x7000, 16), 0);
	struct medio_stats stats = card_bed_stats(&bed->bed);
	assert_int_equal(stats.faults, 2);
	assert_true(stats.errors >= 2);
	assert_int_equal(edu_interrupts(bed->edu), 2);
}

static void nothing_changes_under_a_copy_or_a_factorial(void **state)
{
	struct bed *bed = *state;

	opens(bed, PARAMS(SLOW), -1);
	start(bed, 0x1000, BUFFER, 16, 1);
	set(bed, FROM, 0x2000);
	set(bed, TO, 1);
	set(bed, COUNT, 1);
	set(bed, COMMAND, 7);
	assert_int_equal(get(bed, FROM), 0x1000);
	assert_int_equal(get(bed, TO), BUFFER);
	assert_int_equal(get(bed, COUNT), 16);
	assert_int_equal(get(bed, COMMAND), 1);
	set(bed, FACTORIAL, 5);
	set(bed, FACTORIAL, 6);
	set(bed, STATUS, 0x80);
	assert_int_equal(get(bed, FACTORIAL), 5);
	assert_int_equal(get(bed, STATUS), 0x81);
	/* A reset ends it. */
	set(bed, RAISE, 3);
	assert_int_equal(medio_card_reset(bed->card), 0);
	assert_int_equal(get(bed, COMMAND), 0);
	assert_int_equal(get(bed, STATUS), 0);
	assert_int_equal(get(bed, IRQ_STATUS), 0);
	assert_int_equal(get(bed, FACTORIAL), 0);
}

/* Those that have come, at least so many unless they take a minute; some ways bring them later than others. */
static uint64_t events(struct bed *bed, unsigned irq, uint64_t least)
{
	uint64_t sum = 0, n = 0;

	while (!medio_card_irq_wait(bed->card, irq, 0, sum < least ? 60000 : 0, &n))
		sum += n;
	return sum;
}

static void the_line_is_up_until_every_reason_is_taken_back(void **state)
{
	struct bed *bed = *state;

	opens(bed, PARAMS(QUICK), MEDIO_CARD_INTX);
	set(bed, RAISE, 0);
	assert_int_equal(events(bed, MEDIO_CARD_INTX, 0), 0);
	set(bed, RAISE, 5);
	assert_int_equal(events(bed, MEDIO_CARD_INTX, 1), 1);
	/* Masked by the first. */
	set(bed, RAISE, 8);
	assert_int_equal(events(bed, MEDIO_CARD_INTX, 0), 0);
	assert_int_equal(get(bed, IRQ_STATUS), 13);
	set(bed, ACK, 12);
	assert_int_equal(medio_card_irq_unmask(bed->card, MEDIO_CARD_INTX, 0, 1), 0);
	assert_int_equal(events(bed, MEDIO_CARD_INTX, 1), 1);
	set(bed, ACK, 1);
	assert_int_equal(medio_card_irq_unmask(bed->card, MEDIO_CARD_INTX, 0, 1), 0);
	assert_int_equal(events(bed, MEDIO_CARD_INTX, 0), 0);
}

static void every_reason_is_a_message(void **state)
{
	struct bed *bed = *state;

	opens(bed, PARAMS(QUICK), MEDIO_CARD_MSI);
	set(bed, RAISE, 1);
	set(bed, RAISE, 1);
	set(bed, RAISE, 4);
	assert_int_equal(events(bed, MEDIO_CARD_MSI, 3), 3);
	set(bed, ACK, 5);
	assert_int_equal(events(bed, MEDIO_CARD_MSI, 0), 0);
}

static void registers_have_one_width(void **state)
{
	struct bed *bed = *state;
	uint64_t wide = 0;
	uint16_t half = 0;
	uint8_t many[32] = { 0 };

	opens(bed, PARAMS(QUICK), -1);
	set(bed, LIVE, 7);
	assert_int_equal(medio_card_read16(bed->card, BAR, LIVE, &half), 0);
	assert_int_equal(half, 0xffff);
	assert_int_equal(medio_card_read64(bed->card, BAR, LIVE, &wide), 0);
	assert_int_equal(wide, UINT64_MAX);
	assert_int_equal(medio_card_read(bed->card, BAR, 0, many, sizeof(many)), 0);
	assert_int_equal(many[0], 0xff);
	assert_int_equal(errors(bed), 0);
	assert_int_equal(medio_card_write64(bed->card, BAR, LIVE, 0), 0);
	assert_int_equal(medio_card_write8(bed->card, BAR, LIVE, 0), 0);
	assert_int_equal(errors(bed), 2);
	assert_int_equal(get(bed, LIVE), ~7u);
	assert_int_equal(medio_card_write64(bed->card, BAR, FROM, UINT64_C(0x123456789a)), 0);
	assert_int_equal(medio_card_read64(bed->card, BAR, FROM, &wide), 0);
	assert_int_equal(wide, UINT64_C(0x123456789a));
	assert_int_equal(get(bed, FROM), 0x3456789a);
	/* Nothing lives here. */
	assert_int_equal(get(bed, 0x84), UINT32_MAX);
	assert_int_equal(get(bed, 0xffffc), UINT32_MAX);
}

/* ---- State ------------------------------------------------------------------------------------- */

static void the_state_moves_with_what_is_under_way(void **state)
{
	struct bed *bed = *state, other = { .way = bed->way };
	static uint8_t stream[16384], before[EDU_BUFFER], after[EDU_BUFFER];
	size_t got = 0, more = 1;

	opens(bed, PARAMS("dma-time=100us", "factorial-time=10s"), -1);
	scramble(before, sizeof(before), 4);
	assert_int_equal(edu_put(bed->edu, 0, before, sizeof(before)), 0);
	set(bed, LIVE, 0x1234);
	set(bed, STATUS, 0x80);
	set(bed, FACTORIAL, 6);
	set(bed, RAISE, 0x10);
	assert_int_equal(medio_card_mig_set(bed->card, MEDIO_CARD_MIG_STOP_COPY), 0);
	while (more) {
		assert_int_equal(medio_card_mig_read(bed->card, stream + got, 1000, &more), 0);
		got += more;
		assert_true(got < sizeof(stream) - 1000);
	}

	opens(&other, PARAMS(QUICK), -1);
	assert_int_equal(medio_card_mig_set(other.card, MEDIO_CARD_MIG_RESUMING), 0);
	assert_int_equal(medio_card_mig_write(other.card, stream, got), 0);
	assert_int_equal(medio_card_mig_set(other.card, MEDIO_CARD_MIG_RUNNING), 0);
	assert_int_equal(get(&other, LIVE), ~0x1234u);
	while (get(&other, STATUS) & 1)
		;
	assert_int_equal(get(&other, FACTORIAL), 720);
	assert_int_equal(get(&other, IRQ_STATUS), 0x11);
	assert_int_equal(edu_get(other.edu, 0, after, sizeof(after)), 0);
	assert_memory_equal(before, after, sizeof(before));
	edu_close(other.edu);
	card_bed_close(&other.bed);
}

#define TEST(name)   CARD_BED_TEST_PASSED(name, setup, teardown)
#define DIRECT(name) CARD_BED_TEST(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(identifies_and_inverts),
		TEST(factorials_by_asking),
		TEST(factorials_by_intx),
		TEST(factorials_by_msi),
		TEST(copies_by_asking),
		TEST(copies_by_intx),
		TEST(copies_by_msi),
		/* Another card cannot reach memory without a file. */
		DIRECT(copies_the_drivers_own_memory),
		TEST(the_driver_keeps_to_the_buffer_and_the_mask),
		TEST(addresses_beyond_the_mask_are_cut),
		TEST(copies_outside_the_buffer_are_refused),
		TEST(a_copy_of_memory_that_is_not_there_ends),
		TEST(nothing_changes_under_a_copy_or_a_factorial),
		TEST(the_line_is_up_until_every_reason_is_taken_back),
		TEST(every_reason_is_a_message),
		TEST(registers_have_one_width),
		/* Nor is its state known. */
		DIRECT(the_state_moves_with_what_is_under_way),
	};

	card_bed_passthrough = &medio_passthrough;
	/* What is wrong with a write is told. */
	card_bed_passthrough_params = PARAMS("post=off");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
