/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vf_isolation HOSTILE NEIGHBOUR: two virtual functions of one network card, both driven from here. The driver of the
 * first tries to reach the memory, queues and registers of the second. After each try the second is live, its
 * memory is as it was, nothing of it has come to the first, and frames go from one to the other.
 *
 * Both have memory at the same addresses, each its own; SPARE is mapped for the second alone.
 *
 * Prints what does not hold; 1: something does not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "virtio_malice.h"

#define HEADER 12u /* before a frame (5.1.6) */
#define FRAME  256u
#define SECRET 0xa5
#define LEFT   0x6e /* what memory has that is not written */
#define WAITED 0x66
#define CONFIG 0x2000u

struct end {
	struct bed bed;
	uint8_t mac[6];
};

static struct end hostile, neighbour;
static uint8_t *spare;

/* ---- Both of them -------------------------------------------------------------------------------- */

static void bring_up(struct end *end)
{
	up_with(&end->bed, end->bed.wanted);
	memset(end->bed.mem + BUF, LEFT, BUFS);
}

static void open_end(struct end *end, const char *uri)
{
	end->bed = (struct bed){ .uri = uri, .rounds = 1, .hungry = true, .peer = -1, .dice = 1 };
	bed_open(&end->bed);
	if (end->bed.kind != NET)
		die("%s is no network card", uri);
	end->bed.wanted = F_VERSION_1 | F(5) | (end->bed.offered & F(33));
	if (medio_card_read(end->bed.card, MEDIO_VIRTIO_BAR, CONFIG, end->mac, 6))
		die("%s: %s", uri, medio_card_last_error(end->bed.card));
	bring_up(end);
}

static void open_spare(void)
{
	int fd = memfd_create("spare", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, 4096))
		die("no memory");
	spare = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (spare == MAP_FAILED || medio_card_dma_map_fd(neighbour.bed.card, SPARE, 4096,
					   MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, fd, 0))
		die("no memory");
	close(fd);
	memset(spare, SECRET, 4096);
}

/* Buffer 0 of `from` becomes a frame for `to` that is full of `fill`. */
static void write_frame(struct end *from, const struct end *to, uint8_t fill)
{
	uint8_t *at = buf_at(&from->bed, 0);

	memset(at, 0, HEADER);
	memset(at + HEADER, fill, FRAME);
	memcpy(at + HEADER, to->mac, 6);
	memcpy(at + HEADER + 6, from->mac, 6);
	memcpy(at + HEADER + 12, (const uint8_t[]){ 0x88, 0xb5 }, 2);
}

/* The next frame for `to` into buffer 1: its length, 0 if none comes. */
static uint32_t comes(struct end *to)
{
	uint32_t len = 0;

	memset(buf_at(&to->bed, 1), LEFT, 4096);
	offer(&to->bed, &to->bed.ring[0], &(struct piece){ buf_iova(1), 4096, true }, 1);
	kick(&to->bed, 0);
	return await(&to->bed, &to->bed.ring[0], &len) == USED_IT ? len : 0;
}

/* A frame goes from one to the other, and is what was sent. What has waited for room comes before it. */
static const char *goes(struct end *from, struct end *to, uint8_t fill)
{
	const uint8_t *at = buf_at(&to->bed, 1) + HEADER;
	uint32_t len;

	write_frame(from, to, fill);
	if (request(&from->bed, 1, &(struct piece){ buf_iova(0), HEADER + FRAME, false }, 1,
		    NULL) != USED_IT)
		return fail("a frame is not sent");
	do
		len = comes(to);
	while (len && at[FRAME - 1] == WAITED && fill != WAITED);
	if (len != HEADER + FRAME)
		return fail("a frame does not come: %u bytes", len);
	if (memcmp(at, buf_at(&from->bed, 0) + HEADER, FRAME) != 0)
		return fail("a frame is another on arrival");
	return NULL;
}

/* ---- After each try ------------------------------------------------------------------------------ */

static bool is_all(const uint8_t *at, uint8_t byte, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (at[i] != byte)
			return false;
	return true;
}

static const char *after(void)
{
	if (status(&neighbour.bed) != LIVE)
		return fail("the neighbour's status is 0x%02x", status(&neighbour.bed));
	if (!is_all(spare, SECRET, 4096))
		return fail("the neighbour's memory was written");
	if (memmem(hostile.bed.mem, MEM_SIZE, spare, 64))
		return fail("the neighbour's memory was read");
	bring_up(&hostile);
	const char *words = goes(&hostile, &neighbour, 0x11);
	return words ? words : goes(&neighbour, &hostile, 0x22);
}

/* It needs a reset, and says so; or nothing happened. */
static const char *broke(enum answer answer)
{
	return answer == BROKE_IT ? NULL : fail("it was not refused");
}

/* ---- Tries --------------------------------------------------------------------------------------- */

/* The same address, and each sees its own memory there. */
static const char *same_address(void)
{
	const char *words = goes(&hostile, &neighbour, 0x33);

	if (!words && buf_at(&hostile.bed, 1)[HEADER] != LEFT)
		words = fail("what came to the neighbour stands in the other's memory");
	return words;
}

static const char *send_theirs(void)
{
	return broke(
		request(&hostile.bed, 1, &(struct piece){ SPARE, HEADER + FRAME, false }, 1, NULL));
}

/* The header is the sender's, the rest the neighbour's. */
static const char *send_half_theirs(void)
{
	write_frame(&hostile, &neighbour, 0x44);
	return broke(request(&hostile.bed, 1,
		(struct piece[]){ { buf_iova(0), HEADER + 14, false }, { SPARE, FRAME, false } }, 2,
		NULL));
}

static const char *receive_into_theirs(void)
{
	offer(&hostile.bed, &hostile.bed.ring[0], &(struct piece){ SPARE, 4096, true }, 1);
	kick(&hostile.bed, 0);
	/* The neighbour's frame, which is lost. */
	write_frame(&neighbour, &hostile, 0x55);
	if (request(&neighbour.bed, 1, &(struct piece){ buf_iova(0), HEADER + FRAME, false }, 1,
		    NULL) != USED_IT)
		return fail("the neighbour cannot send");
	return broke(await(&hostile.bed, &hostile.bed.ring[0], NULL));
}

/* The last bytes of what it has, and then theirs, if memory were one. */
static const char *beyond_the_end(void)
{
	return broke(request(&hostile.bed, 1,
		&(struct piece){ MEM_IOVA + MEM_SIZE - 64, HEADER + FRAME, false }, 1, NULL));
}

/* An area of a ring (0: descriptors, 1: the driver's, 2: the device's) in the neighbour's memory. */
static const char *ring_in_theirs(unsigned area)
{
	struct bed *bed = &hostile.bed;

	up_but_ok(bed, bed->wanted);
	put16(bed, QUEUE_SELECT, 1);
	put16(bed, QUEUE_ENABLE, 0);
	reset(bed);
	if (!negotiate(bed, bed->wanted))
		return fail("it does not take features");
	for (unsigned i = 0; i < 2; i++) {
		ring_clear(bed, i);
		put16(bed, QUEUE_SELECT, (uint16_t)i);
		put16(bed, QUEUE_SIZE, SIZE);
		put64(bed, QUEUE_DESC, area == 0 ? SPARE : bed->ring[i].iova);
		put64(bed, QUEUE_DRIVER, area == 1 ? SPARE : bed->ring[i].iova + DRIVER_AT);
		put64(bed, QUEUE_DEVICE, area == 2 ? SPARE : bed->ring[i].iova + DEVICE_AT);
		put16(bed, QUEUE_ENABLE, 1);
	}
	put8(bed, STATUS, LIVE);
	for (unsigned i = 0; i < 2; i++)
		kick(bed, i);
	/* It has looked at its queues when it has answered. */
	return status(bed) == LIVE ? fail("it is live with such a ring") : NULL;
}

static const char *descriptors_in_theirs(void)
{
	return ring_in_theirs(0);
}

static const char *available_in_theirs(void)
{
	return ring_in_theirs(1);
}

static const char *used_in_theirs(void)
{
	return ring_in_theirs(2);
}

/* Queues that are not its own have no size and cannot be enabled. */
static const char *other_queues(void)
{
	struct bed *bed = &hostile.bed;

	for (unsigned i = bed->queues; i < 65536; i = i < 300 ? i + 1 : i * 2 + 1) {
		put16(bed, QUEUE_SELECT, (uint16_t)i);
		put16(bed, QUEUE_SIZE, SIZE);
		put64(bed, QUEUE_DESC, SPARE);
		put16(bed, QUEUE_ENABLE, 1);
		if (get16(bed, QUEUE_SIZE) || get16(bed, QUEUE_ENABLE))
			return fail("it has a queue %u", i);
	}
	return NULL;
}

/* Every place of the notifications' page, and what follows in the BAR, is rung. */
static const char *other_doorbells(void)
{
	for (unsigned at = MEDIO_VIRTIO_NOTIFY; at + 4 <= MEDIO_VIRTIO_BAR_SIZE; at += 2) {
		const uint32_t value = at * 2654435761u;
		put(&hostile.bed, at, &value, at % 4 ? 2 : 4);
	}
	return NULL;
}

/* All of config space, at every offset and width, but not its command register's place in the end. */
static const char *config_space(void)
{
	struct bed *bed = &hostile.bed;
	uint32_t value = 0;

	for (unsigned at = 0; at < 4096; at += 2) {
		uint32_t dice = roll(bed);
		medio_card_write(bed->card, MEDIO_CARD_CONFIG, at, &dice, at % 4 ? 2 : 4);
	}
	if (medio_card_read32(bed->card, MEDIO_CARD_CONFIG, 0, &value))
		return fail("config space is gone: %s", medio_card_last_error(bed->card));
	if (medio_card_reset(bed->card))
		return fail("no reset: %s", medio_card_last_error(bed->card));
	set_master(bed, true);
	return NULL;
}

/* A place beyond each region is refused, by whoever sees it first. */
static const char *beyond_regions(void)
{
	for (unsigned i = 0; i <= MEDIO_CARD_CONFIG; i++) {
		struct medio_card_region region;
		uint8_t byte;
		if (medio_card_get_region(hostile.bed.card, i, &region))
			return fail("region %u: %s", i, medio_card_last_error(hostile.bed.card));
		if (!medio_card_read(hostile.bed.card, i, region.size, &byte, 1))
			return fail("region %u goes on after %llu bytes", i,
				(unsigned long long)region.size);
	}
	return NULL;
}

static const char *resets(void)
{
	for (unsigned i = 0; i < 20; i++) {
		if (medio_card_reset(hostile.bed.card))
			return fail("no reset: %s", medio_card_last_error(hostile.bed.card));
		if (status(&neighbour.bed) != LIVE)
			return fail("reset %u reset the neighbour", i);
	}
	set_master(&hostile.bed, true);
	return NULL;
}

/* It takes its memory away while it sends. */
static const char *leaves(void)
{
	for (unsigned i = 0; i < 20; i++) {
		write_frame(&hostile, &neighbour, WAITED);
		offer(&hostile.bed, &hostile.bed.ring[1],
			&(struct piece){ buf_iova(0), HEADER + FRAME, false }, 1);
		kick(&hostile.bed, 1);
		hostile.bed.careless = true;
		bed_hang_up(&hostile.bed);
		bring_up(&hostile);
	}
	return NULL;
}

static const struct {
	const char *name;
	const char *(*run)(void);
} tries[] = {
	{ "the same address", same_address },
	{ "sending the neighbour's memory", send_theirs },
	{ "sending some of the neighbour's memory", send_half_theirs },
	{ "receiving into the neighbour's memory", receive_into_theirs },
	{ "sending beyond the end of its own", beyond_the_end },
	{ "descriptors in the neighbour's memory", descriptors_in_theirs },
	{ "an available ring in the neighbour's memory", available_in_theirs },
	{ "a used ring in the neighbour's memory", used_in_theirs },
	{ "queues that it does not have", other_queues },
	{ "doorbells that it does not have", other_doorbells },
	{ "all of config space", config_space },
	{ "beyond its regions", beyond_regions },
	{ "resets", resets },
	{ "leaving while it sends", leaves },
};

int main(int argc, char **argv)
{
	unsigned failed = 0;

	if (argc != 3)
		die("usage: vf_isolation HOSTILE NEIGHBOUR");
	setvbuf(stdout, NULL, _IOLBF, 0);
	open_end(&hostile, argv[1]);
	open_end(&neighbour, argv[2]);
	open_spare();
	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		const char *words = tries[i].run();
		if (!words)
			words = after();
		if (words)
			printf("isolation: %s: %s\n", tries[i].name, words);
		failed += !!words;
	}
	reset(&hostile.bed);
	reset(&neighbour.bed);
	bed_close(&hostile.bed);
	bed_close(&neighbour.bed);
	printf("isolation: %zu tries, %u failed\n", sizeof(tries) / sizeof(*tries), failed);
	return failed != 0;
}
