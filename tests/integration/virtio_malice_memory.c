/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that comes and goes under the device, resets, clients that leave, storms of notifications. */
#include "virtio_malice.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define RW (MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)

static void must(struct bed *bed, int ret)
{
	if (ret)
		die("%s", medio_card_last_error(bed->card));
}

/* A piece of memory of its own at SPARE. */
static int spare(struct bed *bed, unsigned prot)
{
	int fd = memfd_create("malice", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, RING))
		die("no memory: %s", strerror(errno));
	must(bed, medio_card_dma_map_fd(bed->card, SPARE, RING, prot, fd, 0));
	return fd;
}

static void spare_away(struct bed *bed, int fd)
{
	must(bed, medio_card_dma_unmap(bed->card, SPARE, RING));
	if (fd >= 0)
		close(fd);
}

/* The good queue's ring moves to SPARE. */
static bool up_at_spare(struct bed *bed)
{
	struct ring *ring = &bed->ring[bed->good];

	reset(bed);
	negotiate(bed, bed->wanted);
	put16(bed, CONFIG_VECTOR, 0);
	ring_clear(bed, bed->good);
	ring->iova = SPARE;
	setup_queue(bed, bed->good);
	put8(bed, STATUS, LIVE);
	return status(bed) == LIVE;
}

/* A chain into memory at SPARE, for whoever reads and whoever writes. */
static void spare_offer(struct bed *bed)
{
	offer(bed, &bed->ring[bed->good],
		(struct piece[]){ { SPARE, bed->kind == RNG ? 4096 : 600, bed->kind == RNG } }, 1);
	kick(bed, bed->good);
}

/* ---- Unmapping ------------------------------------------------------------------------------------- */

static const char *ring_unmapped(struct bed *bed)
{
	int fd = spare(bed, RW);

	if (!up_at_spare(bed))
		return fail("it does not come up, 0x%02x", status(bed));
	for (unsigned i = 0; i < 8; i++)
		good_offer(bed);
	kick(bed, bed->good);
	spare_away(bed, fd);
	kick(bed, bed->good);
	status(bed);
	kick(bed, bed->good);
	return NULL;
}

static const char *all_unmapped(struct bed *bed)
{
	for (unsigned i = 0; i < bed->rounds / 4; i++) {
		for (unsigned n = 0; n < 8; n++)
			good_offer(bed);
		kick(bed, bed->good);
		must(bed, medio_card_dma_unmap(bed->card, MEM_IOVA, MEM_SIZE));
		kick(bed, bed->good);
		status(bed);
		must(bed, medio_card_dma_map_fd(bed->card, MEM_IOVA, MEM_SIZE, RW, bed->fd, 0));
		kick(bed, bed->good);
		if (status(bed) != LIVE || i % 8 == 0)
			up(bed);
		else
			for (unsigned n = 0; n < 8; n++)
				if (await(bed, &bed->ring[bed->good], NULL) == NOTHING)
					return fail("chains are forgotten when memory comes back");
				else if (bed->packed)
					break;
		up(bed);
	}
	return NULL;
}

static const char *buffer_unmapped(struct bed *bed)
{
	for (unsigned i = 0; i < bed->rounds / 4; i++) {
		int fd = spare(bed, RW);
		for (unsigned n = 0; n < 8; n++)
			spare_offer(bed);
		spare_away(bed, fd);
		spare_offer(bed);
		status(bed);
		up(bed);
	}
	return NULL;
}

static const char *mapped_anew(struct bed *bed)
{
	/* Other memory at the same addresses: a ring that says something else. */
	int other = memfd_create("malice", MFD_CLOEXEC);

	if (other < 0 || ftruncate(other, MEM_SIZE))
		die("no memory: %s", strerror(errno));
	good_offer(bed);
	kick(bed, bed->good);
	must(bed, medio_card_dma_unmap(bed->card, MEM_IOVA, MEM_SIZE));
	must(bed, medio_card_dma_map_fd(bed->card, MEM_IOVA, MEM_SIZE, RW, other, 0));
	kick(bed, bed->good);
	status(bed);
	must(bed, medio_card_dma_unmap(bed->card, MEM_IOVA, MEM_SIZE));
	must(bed, medio_card_dma_map_fd(bed->card, MEM_IOVA, MEM_SIZE, RW, bed->fd, 0));
	close(other);
	return NULL;
}

/* ---- Files that are cut short ------------------------------------------------------------------------ */

/* A server that notices it hangs up on us. */
static void cut(struct bed *bed, int fd, off_t to)
{
	if (ftruncate(fd, to))
		die("ftruncate: %s", strerror(errno));
	bed->careless = true;
}

static const char *again(struct bed *bed, int fd)
{
	status(bed);
	close(fd);
	bed_hang_up(bed);
	return NULL;
}

static const char *ring_truncated(struct bed *bed)
{
	int fd = spare(bed, RW);

	if (!up_at_spare(bed))
		return fail("it does not come up, 0x%02x", status(bed));
	cut(bed, fd, 0);
	for (unsigned i = 0; i < 4; i++)
		kick(bed, bed->good);
	return again(bed, fd);
}

static const char *truncated_before(struct bed *bed)
{
	int fd = spare(bed, RW);

	cut(bed, fd, 0);
	up_at_spare(bed);
	kick(bed, bed->good);
	return again(bed, fd);
}

static const char *buffer_truncated(struct bed *bed)
{
	int fd = spare(bed, RW);

	cut(bed, fd, 0);
	for (unsigned i = 0; i < 4; i++)
		spare_offer(bed);
	return again(bed, fd);
}

/* Two pages of a disk's data, of which the second is gone: through the kernel, or by hand. */
static const char *data_truncated(struct bed *bed)
{
	for (unsigned i = 0; i < 4; i++) {
		const struct piece data = { SPARE + (i & 2), 8192 - 512, i & 1 };
		int fd = spare(bed, RW);
		up(bed);
		cut(bed, fd, 4096);
		memset(buf_at(bed, 0), 0, 64);
		buf_at(bed, 0)[0] = !(i & 1);
		for (unsigned n = 0; n < 4; n++)
			offer(bed, &bed->ring[bed->good],
				(struct piece[]){ { buf_iova(0), 16, false }, data,
					{ buf_iova(1), 1, true } },
				3);
		kick(bed, bed->good);
		again(bed, fd);
	}
	return NULL;
}

/* ---- Memory that is not all there ---------------------------------------------------------------------- */

static const char *ring_read_only(struct bed *bed)
{
	int fd = spare(bed, MEDIO_CARD_DMA_READ);

	up_at_spare(bed);
	kick(bed, bed->good);
	status(bed);
	spare_away(bed, fd);
	return NULL;
}

static const char *ring_write_only(struct bed *bed)
{
	int fd = spare(bed, MEDIO_CARD_DMA_WRITE);

	up_at_spare(bed);
	kick(bed, bed->good);
	status(bed);
	spare_away(bed, fd);
	return NULL;
}

static const char *buffer_not_allowed(struct bed *bed)
{
	int fd = spare(bed, bed->kind == RNG ? MEDIO_CARD_DMA_READ : MEDIO_CARD_DMA_WRITE);

	spare_offer(bed);
	status(bed);
	spare_away(bed, fd);
	return NULL;
}

static void *anonymous(void)
{
	void *mem = mmap(NULL, RING, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		die("no memory: %s", strerror(errno));
	return mem;
}

static const char *ring_remote(struct bed *bed)
{
	void *mem = anonymous();

	must(bed, medio_card_dma_map(bed->card, SPARE, RING, RW, mem));
	up_at_spare(bed);
	kick(bed, bed->good);
	status(bed);
	spare_away(bed, -1);
	munmap(mem, RING);
	return NULL;
}

static const char *buffer_remote(struct bed *bed)
{
	void *mem = anonymous();

	must(bed, medio_card_dma_map(bed->card, SPARE, RING, RW, mem));
	spare_offer(bed);
	status(bed);
	spare_away(bed, -1);
	munmap(mem, RING);
	return NULL;
}

static const char *no_master(struct bed *bed)
{
	const char *words;

	set_master(bed, false);
	good_offer(bed);
	kick(bed, bed->good);
	if (status(bed) != LIVE || (!bed->packed && bed->ring[bed->good].mem[DEVICE_AT + 2] !=
							    (uint8_t)bed->ring[bed->good].used))
		return fail("it reached memory");
	set_master(bed, true);
	if (await(bed, &bed->ring[bed->good], NULL) != USED_IT)
		return fail("it does not go on");
	for (unsigned i = 0; i < bed->rounds / 2; i++) {
		good_offer(bed);
		kick(bed, bed->good);
		set_master(bed, i % 2);
		if (i % 5 == 0) {
			set_master(bed, true);
			up(bed);
		}
	}
	set_master(bed, false);
	reset(bed);
	negotiate(bed, bed->wanted);
	ring_clear(bed, bed->good);
	setup_queue(bed, bed->good);
	put8(bed, STATUS, LIVE);
	good_offer(bed);
	kick(bed, bed->good);
	status(bed);
	set_master(bed, true);
	up(bed);
	words = good(bed);
	return words;
}

/* ---- Resets, requests under way ------------------------------------------------------------------------- */

static const char *resets(struct bed *bed)
{
	for (unsigned i = 0; i < 4 * bed->rounds; i++) {
		for (unsigned n = 0; n < 8; n++)
			good_offer(bed);
		kick(bed, bed->good);
		up(bed);
	}
	return NULL;
}

static const char *card_resets(struct bed *bed)
{
	for (unsigned i = 0; i < bed->rounds; i++) {
		for (unsigned n = 0; n < 8; n++)
			good_offer(bed);
		kick(bed, bed->good);
		must(bed, medio_card_reset(bed->card));
		if (status(bed))
			return fail("the status is 0x%02x after a reset of the card", status(bed));
		set_master(bed, true);
		medio_card_irq_disable(bed->card, MEDIO_CARD_MSIX);
		must(bed, medio_card_irq_open(bed->card, MEDIO_CARD_MSIX, 2));
		up(bed);
	}
	return NULL;
}

/* ---- Clients that leave ------------------------------------------------------------------------------------ */

static const char *hang_ups(struct bed *bed)
{
	static const uint8_t states[] = { 0, ACK, ACK | DRIVER, ACK | DRIVER | FEATURES_OK, LIVE,
		LIVE | FAILED };

	for (unsigned i = 0; i < sizeof(states); i++) {
		reset(bed);
		if (states[i] & FEATURES_OK)
			up_but_ok(bed, bed->wanted);
		put8(bed, STATUS, states[i]);
		if (states[i] == LIVE)
			for (unsigned n = 0; n < 16; n++)
				good_offer(bed);
		kick(bed, bed->good);
		bed_hang_up(bed);
		/* Whoever comes does not know what was. */
		kick(bed, bed->good);
		put8(bed, STATUS, LIVE);
		status(bed);
	}
	for (unsigned i = 0; i < 10; i++) {
		up(bed);
		for (unsigned n = 0; n < 16; n++)
			good_offer(bed);
		kick(bed, bed->good);
		if (i % 3 == 0)
			put8(bed, STATUS, 0);
		if (i % 3 == 1) {
			offer(bed, &bed->ring[bed->good], (struct piece[]){ { NOWHERE, 16, true } },
				1);
			kick(bed, bed->good);
		}
		bed_hang_up(bed);
	}
	return NULL;
}

/* Who comes after it gives other memory, and then goes on as if the queues were his. */
static const char *heir(struct bed *bed)
{
	up(bed);
	good_offer(bed);
	medio_card_flush(bed->card);
	bed_hang_up(bed);
	must(bed, medio_card_dma_unmap(bed->card, MEM_IOVA, MEM_SIZE));
	kick(bed, bed->good);
	status(bed);
	kick(bed, bed->good);
	must(bed, medio_card_dma_map_fd(bed->card, MEM_IOVA, MEM_SIZE, RW, bed->fd, 0));
	return NULL;
}

/* ---- Storms ------------------------------------------------------------------------------------------------- */

static const char *kick_storm(struct bed *bed)
{
	for (unsigned i = 0; i < 40 * bed->rounds; i++) {
		if (i % 500 == 0)
			good_offer(bed);
		uint16_t queue = (uint16_t)(i % 9 ? bed->good : i % bed->queues);
		put(bed, MEDIO_VIRTIO_NOTIFY + 4u * queue, &queue, 2);
		if (i % 1000 == 0 && i)
			up(bed);
	}
	return NULL;
}

static const char *bell_storm(struct bed *bed)
{
	struct medio_card_doorbell bells[64];
	int n = medio_card_doorbells(bed->card, MEDIO_VIRTIO_BAR, bells, 64);
	const uint64_t many = UINT64_C(0xfffffffffffffff0), one = 1;

	for (unsigned i = 0; i < 20 * bed->rounds; i++) {
		if (i % 200 == 0)
			good_offer(bed);
		for (int k = 0; k < n && k < 64; k++)
			if (write(bells[k].fd, i % 100 ? &one : &many, sizeof(one)) < 0 &&
				errno != EAGAIN)
				return fail("a doorbell: %s", strerror(errno));
		if (i % 500 == 0 && i)
			up(bed);
	}
	/* They ring also when nobody is up. */
	reset(bed);
	for (int k = 0; k < n && k < 64; k++)
		if (write(bells[k].fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
			return fail("a doorbell: %s", strerror(errno));
	status(bed);
	return NULL;
}

/* ---- States that nobody saved ------------------------------------------------------------------------------- */

enum { STATE_MOST = 65536 };

static size_t save(struct bed *bed, uint8_t *state)
{
	size_t size = 0, got = 1;

	must(bed, medio_card_mig_set(bed->card, MEDIO_CARD_MIG_STOP));
	must(bed, medio_card_mig_set(bed->card, MEDIO_CARD_MIG_STOP_COPY));
	for (; got && size < STATE_MOST; size += got)
		must(bed, medio_card_mig_read(bed->card, state + size, STATE_MOST - size, &got));
	return size;
}

/* It is taken or refused. */
static bool load(struct bed *bed, const uint8_t *state, size_t size)
{
	bool good = !medio_card_mig_set(bed->card, MEDIO_CARD_MIG_STOP) &&
		    !medio_card_mig_set(bed->card, MEDIO_CARD_MIG_RESUMING) &&
		    !medio_card_mig_write(bed->card, state, size) &&
		    !medio_card_mig_set(bed->card, MEDIO_CARD_MIG_STOP) &&
		    !medio_card_mig_set(bed->card, MEDIO_CARD_MIG_RUNNING);

	for (unsigned i = 0; good && i < 4; i++) {
		kick(bed, i % 2 ? bed->good : roll(bed) % bed->queues);
		status(bed);
	}
	return good;
}

static const char *states(struct bed *bed)
{
	static uint8_t saved[STATE_MOST], state[STATE_MOST];

	for (unsigned i = 0; i < 2 * bed->rounds; i++) {
		for (unsigned n = 0; n < 8; n++)
			good_offer(bed);
		kick(bed, bed->good);
		size_t size = save(bed, saved);
		/* As it is, and then worse and worse. */
		memcpy(state, saved, size);
		for (unsigned n = 0; n < i % 5; n++)
			state[roll(bed) % size] ^= (uint8_t)(i % 2 ? 1u << roll(bed) % 8
								   : roll(bed));
		if (i % 11 == 10)
			load(bed, state, roll(bed) % size);
		else if (!load(bed, state, size) && !memcmp(state, saved, size))
			return fail(
				"its own state is refused: %s", medio_card_last_error(bed->card));
		else if (!memcmp(state, saved, size) && status(bed) != LIVE)
			return fail("the status is 0x%02x with its own state", status(bed));
		must(bed, medio_card_reset(bed->card));
		set_master(bed, true);
		medio_card_irq_disable(bed->card, MEDIO_CARD_MSIX);
		must(bed, medio_card_irq_open(bed->card, MEDIO_CARD_MSIX, 2));
		up(bed);
	}
	return NULL;
}

/* ---- Another thread that writes all the time -------------------------------------------------------------------- */

struct hammer {
	struct bed *bed;
	atomic_bool stop;
	unsigned how;
};

static void strike(struct hammer *h, uint32_t *dice)
{
	struct bed *bed = h->bed;
	*dice = *dice * 1664525u + 1013904223u;
	uint32_t at = *dice >> 8;
	uint8_t *ring = bed->mem + bed->good * RING;
	volatile uint64_t *desc = (volatile uint64_t *)(void *)(ring + 16 * (at % SIZE));
	volatile uint16_t *avail = (volatile uint16_t *)(void *)(ring + DRIVER_AT);

	switch (h->how) {
	case 0: /* anything, anywhere in the rings and buffers */
		((volatile uint8_t *)bed->mem)[at % (RINGS * RING)] = (uint8_t)(*dice >> 16);
		((volatile uint8_t *)bed->mem)[BUF + at % 8192] = (uint8_t)(*dice >> 12);
		break;
	case 1: /* descriptors flip between good and bad */
		desc[0] = at & 1 ? NOWHERE : buf_iova(at % 4);
		desc[1] = at & 2 ? 512 : UINT64_C(0x0005000400000200) | (uint64_t)(at & 0xf) << 32;
		break;
	case 2: /* the available index runs, or flags do */
		if (bed->packed)
			((volatile uint16_t *)(void *)(ring + 16 * (at % SIZE)))[7] =
				(uint16_t)(at & 64 ? AVAIL : USED);
		else
			avail[1] = (uint16_t)(avail[1] + (at & 1));
		break;
	default: /* requests */
		((volatile uint8_t *)buf_at(bed, 0))[at % 64] = (uint8_t)(*dice >> 16);
		((volatile uint8_t *)buf_at(bed, 4))[at % 1024] = (uint8_t)(*dice >> 14);
		break;
	}
}

static void *hammer_main(void *arg)
{
	struct hammer *h = arg;
	uint32_t dice = 1;

	while (!atomic_load_explicit(&h->stop, memory_order_relaxed))
		strike(h, &dice);
	return NULL;
}

static const char *hammered(struct bed *bed)
{
	for (unsigned how = 0; how < 4; how++) {
		struct hammer h = { .bed = bed, .how = how };
		pthread_t thread;
		up(bed);
		bed->hammered = true;
		if (pthread_create(&thread, NULL, hammer_main, &h))
			die("no thread");
		for (unsigned i = 0; i < bed->rounds; i++) {
			good_offer(bed);
			if (how == 3) {
				memset(buf_at(bed, 4), 0, 64);
				offer(bed, &bed->ring[bed->good],
					(struct piece[]){ { buf_iova(4), 300, false },
						{ buf_iova(1), 200, true } },
					2);
			}
			kick(bed, i % 8 ? bed->good : i % bed->queues);
			if (i % 4 == 0 && status(bed) != LIVE)
				up(bed);
		}
		atomic_store(&h.stop, true);
		pthread_join(thread, NULL);
		bed->hammered = false;
	}
	return NULL;
}

const struct malice_case memory_cases[] = {
	{ "2.7", "a ring's memory goes", ring_unmapped, STUCK },
	{ "2.7", "all memory goes and comes back", all_unmapped, STUCK },
	{ "2.7", "buffers' memory goes", buffer_unmapped, STUCK },
	{ "2.7", "other memory comes in its place", mapped_anew, ANY },
	{ "2.7", "the file behind a ring is cut short", ring_truncated, STUCK },
	{ "2.7", "the file was cut short before", truncated_before, STUCK },
	{ "2.7", "the file behind a buffer is cut short", buffer_truncated, STUCK },
	{ "5.2.6", "the file behind data is cut short", data_truncated, STUCK, BLK },
	{ "2.6", "a ring that cannot be written", ring_read_only, BROKEN },
	{ "2.6", "a ring that cannot be read", ring_write_only, BROKEN },
	{ "2.7.5", "a buffer that is not for this", buffer_not_allowed, BROKEN },
	{ "2.6", "a ring in remote memory", ring_remote, ANY },
	{ "2.7.5", "a buffer in remote memory", buffer_remote, ANY },
	{ "4.1", "no bus mastering", no_master, STUCK },
	{ "2.4", "resets with requests under way", resets, FINE },
	{ "4.1", "resets of the card with requests under way", card_resets, FINE },
	{ "2.4", "the driver leaves in every state", hang_ups, STUCK },
	{ "2.4", "another one takes its place", heir, STUCK },
	{ "4.1.4.4", "a storm of notifications", kick_storm, STUCK },
	{ "4.1.4.4", "a storm of doorbells", bell_storm, STUCK },
	{ "2.1", "states that nobody saved", states, FINE },
	{ "2.7", "the driver writes while the device looks", hammered, ANY },
	{ NULL, NULL, NULL, 0, 0 },
};
