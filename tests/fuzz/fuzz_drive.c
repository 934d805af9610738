/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a vfio-user server: they stand in the socket, then it ends. The card opens, and
 * makes every kind of request; nothing it does with the answers may harm it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <medio/driver.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Larger than a page, so that answers to DMA requests are checked at its end. */
static uint8_t memory[8192] __attribute__((aligned(4096)));

static void exercise(struct medio_card *card)
{
	enum medio_card_mig_state state;
	struct medio_card_fault fault;
	uint64_t bitmap;
	struct medio_card_doorbell bells[4];
	struct medio_card_region region;
	uint8_t buf[256];
	uint32_t value;
	size_t got;
	void *ptr;

	medio_card_dma_map(card, 0x1000, sizeof(memory), 3, memory);
	for (unsigned i = 0; i < 9; i++)
		if (!medio_card_get_region(card, i, &region))
			for (unsigned a = 0; a < region.num_areas; a++)
				(void)*(volatile const uint64_t *)&region.areas[a].size;
	medio_card_read32(card, MEDIO_CARD_CONFIG, 0, &value);
	medio_card_write32(card, MEDIO_CARD_CONFIG, 4, 7);
	medio_card_post(card, MEDIO_CARD_BAR0, 0, "x", 1);
	medio_card_read8_rep(card, MEDIO_CARD_BAR0, 0, buf, sizeof(buf));
	medio_card_doorbells(card, MEDIO_CARD_BAR0, bells, 4);
	if (!medio_card_mmap(card, MEDIO_CARD_BAR0, 0, 4096, &ptr))
		medio_card_munmap(ptr, 4096);
	medio_card_irq_open(card, MEDIO_CARD_MSIX, 3);
	medio_card_irq_wait(card, MEDIO_CARD_MSIX, 0, 0, &(uint64_t){ 0 });
	medio_card_mig_get(card, &state);
	medio_card_mig_read(card, buf, sizeof(buf), &got);
	medio_card_reset(card);
	medio_card_process(card);
	medio_card_dirty_start(card, 4096);
	medio_card_dirty_get(card, 0x1000, sizeof(memory), &bitmap);
	medio_card_fault(card, &fault);
	medio_card_dma_unmap(card, 0x1000, sizeof(memory));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct medio_card_options opts = { .timeout_ms = 100, .max_data_xfer = 4096 };
	struct medio_card *card;
	struct medio_error *err = NULL;
	int fds[2];

	if (size > 65536 || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		return 0;
	if (size && write(fds[1], data, size) != (ssize_t)size)
		abort();
	/* What the card sends has room: the other end stays open for reading. */
	shutdown(fds[1], SHUT_WR);
	if (medio_card_open_fd(fds[0], &opts, &card, &err)) {
		if (!*medio_error_text(err))
			abort();
		medio_error_free(err);
	} else {
		exercise(card);
		medio_card_close(card);
	}
	close(fds[1]);
	return 0;
}
