/* SPDX-License-Identifier: BSD-3-Clause */
/* The controller: from reset to ready (3.5.1), and to its shutdown (3.6.1). */
#include "nvme_queue.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* PCI's command register. */
enum { COMMAND = 4, COMMAND_MEMORY = 2, COMMAND_MASTER = 4, COMMAND_NO_INTX = 1 << 10 };

#define ADMIN_ENTRIES 8
#define SHUTDOWN_MS   10000
#define SILENT_MS     30000
/* What a controller may need at least, whatever it says. */
#define LEAST_READY_MS 500

/* ---- Words and registers ----------------------------------------------------------------------- */

int nvme_fail(struct nvme *nvme, int ret, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(nvme->words, sizeof(nvme->words), fmt, ap);
	va_end(ap);
	return ret;
}

int nvme_card_failed(struct nvme *nvme, int ret, const char *what)
{
	const char *words = medio_card_last_error(nvme->card);

	return nvme_fail(nvme, ret, "%s: %s", what, *words ? words : strerror(-ret));
}

const char *nvme_words(const struct nvme *nvme)
{
	return nvme->words;
}

uint64_t nvme_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int nvme_get(struct nvme *nvme, unsigned reg, uint32_t *out)
{
	int ret = medio_card_read32(nvme->card, MEDIO_CARD_BAR0, reg, out);

	return ret ? nvme_card_failed(nvme, ret, "reading a register") : 0;
}

int nvme_set(struct nvme *nvme, unsigned reg, uint32_t value)
{
	int ret = medio_card_write32(nvme->card, MEDIO_CARD_BAR0, reg, value);

	return ret ? nvme_card_failed(nvme, ret, "writing a register") : 0;
}

/* In halves: not every controller takes 8 bytes at once (3.1.3). */
static int set64(struct nvme *nvme, unsigned reg, uint64_t value)
{
	int ret = nvme_set(nvme, reg, (uint32_t)value);

	return ret ? ret : nvme_set(nvme, reg + 4, (uint32_t)(value >> 32));
}

int nvme_get_status(struct nvme *nvme, uint32_t *out)
{
	int ret = nvme_get(nvme, NVME_CSTS, out);

	if (!ret && *out == UINT32_MAX)
		return nvme_fail(
			nvme, -ENODEV, "the controller is gone: its registers read as all ones");
	return ret;
}

/* Wait until CSTS has these bits. */
static int wait_status(
	struct nvme *nvme, uint32_t mask, uint32_t value, unsigned ms, const char *what)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	uint64_t start = nvme_now_ms();
	uint32_t status = 0;

	for (;;) {
		bool late = nvme_now_ms() - start > ms;
		int ret = nvme_get_status(nvme, &status);
		if (ret || (status & mask) == value)
			return ret;
		if (status & NVME_CSTS_CFS && value)
			return nvme_fail(nvme, -EIO,
				"the controller met a fatal error (CSTS 0x%x) and %s", status,
				what);
		if (late)
			return nvme_fail(nvme, -ETIMEDOUT,
				"the controller %s within %u ms (CSTS "
				"0x%x)",
				what, ms, status);
		ret = medio_card_process(nvme->card);
		if (ret < 0)
			return nvme_card_failed(nvme, ret, "waiting");
		nanosleep(&pause, NULL);
	}
}

/* ---- Enable ------------------------------------------------------------------------------------ */

/* Let it answer at its BAR, and master the bus: DMA and MSI need that. */
static int switch_on(struct nvme *nvme)
{
	uint32_t class_code = 0;
	uint16_t command = 0;
	int ret = medio_card_read32(nvme->card, MEDIO_CARD_CONFIG, 8, &class_code);

	if (!ret)
		ret = medio_card_read16(nvme->card, MEDIO_CARD_CONFIG, COMMAND, &command);
	if (ret)
		return nvme_card_failed(nvme, ret, "configuration space");
	if (class_code >> 8 != NVME_CLASS)
		return nvme_fail(nvme, -ENODEV,
			class_code == UINT32_MAX ? "the controller is gone"
						 : "its class is %06x, that of NVMe is %06x",
			class_code >> 8, NVME_CLASS);
	command |= COMMAND_MEMORY | COMMAND_MASTER;
	command &= (uint16_t)~COMMAND_NO_INTX;
	ret = medio_card_write16(nvme->card, MEDIO_CARD_CONFIG, COMMAND, command);
	return ret ? nvme_card_failed(nvme, ret, "configuration space") : 0;
}

/* A virtual function begins without queues, and its registers without values. */
static int no_capabilities(struct nvme *nvme)
{
	uint32_t status = 0;
	int ret = nvme_get_status(nvme, &status);

	if (!ret && !nvme->cap && status & NVME_CSTS_CFS)
		ret = nvme_fail(nvme, -ENODEV,
			"it is offline: a virtual function needs queues and interrupts that its "
			"physical function gives, which must also put it online (nvme virt-mgmt)");
	return ret ? ret : nvme_fail(nvme, -ENOTSUP, "it has no NVM command set");
}

static int read_capabilities(struct nvme *nvme)
{
	struct medio_card_region bar;
	uint32_t low = 0, high = 0;
	int ret = medio_card_get_region(nvme->card, MEDIO_CARD_BAR0, &bar);

	if (ret)
		return nvme_card_failed(nvme, ret, "BAR 0");
	if (bar.size < NVME_DOORBELLS + 16)
		return nvme_fail(
			nvme, -ENODEV, "BAR 0 has only %llu bytes", (unsigned long long)bar.size);
	ret = nvme_get(nvme, NVME_CAP, &low);
	if (!ret)
		ret = nvme_get(nvme, NVME_CAP + 4, &high);
	if (!ret)
		ret = nvme_get(nvme, NVME_VS, &nvme->info.version);
	if (ret)
		return ret;
	nvme->cap = (uint64_t)high << 32 | low;
	if (nvme->cap == UINT64_MAX)
		return nvme_fail(
			nvme, -ENODEV, "the controller is gone: its registers read as all ones");
	if (!NVME_CAP_NVM(nvme->cap))
		return no_capabilities(nvme);
	if (NVME_CAP_MPSMIN(nvme->cap))
		return nvme_fail(nvme, -ENOTSUP,
			"its least page is %u KiB, this driver's pages are 4 KiB",
			4u << NVME_CAP_MPSMIN(nvme->cap));
	/* Two queue pairs, four doorbells. */
	if (NVME_CAP_MQES(nvme->cap) < 2 ||
		bar.size < NVME_DOORBELLS + 4ull * (4u << NVME_CAP_DSTRD(nvme->cap)))
		return nvme_fail(nvme, -EPROTO,
			"queues of %u entries and doorbells %u bytes apart in a BAR of %llu cannot be",
			NVME_CAP_MQES(nvme->cap), 4u << NVME_CAP_DSTRD(nvme->cap),
			(unsigned long long)bar.size);
	return 0;
}

static unsigned ready_ms(const struct nvme *nvme)
{
	unsigned ms = NVME_CAP_TO(nvme->cap) * 500;

	return ms > LEAST_READY_MS ? ms : LEAST_READY_MS;
}

static int disable(struct nvme *nvme)
{
	uint32_t cc = 0;
	int ret = nvme_get(nvme, NVME_CC, &cc);

	if (!ret && cc & NVME_CC_EN)
		ret = nvme_set(nvme, NVME_CC, cc & ~(uint32_t)(NVME_CC_EN | NVME_CC_SHN));
	if (!ret)
		ret = wait_status(nvme, NVME_CSTS_RDY, 0, ready_ms(nvme), "did not stop");
	if (!ret)
		nvme->enabled = false;
	return ret;
}

static int enable(struct nvme *nvme)
{
	unsigned most = NVME_CAP_MQES(nvme->cap);
	unsigned entries = most < ADMIN_ENTRIES ? most : ADMIN_ENTRIES;
	int ret;

	nvme_queue_init(&nvme->admin, 0, entries, nvme->memory + NVME_AT_ADMIN_SQ * NVME_PAGE,
		nvme->memory + NVME_AT_ADMIN_CQ * NVME_PAGE);
	ret = nvme_set(nvme, NVME_AQA, (entries - 1) << 16 | (entries - 1));
	if (!ret)
		ret = set64(nvme, NVME_ASQ, nvme->iova + NVME_AT_ADMIN_SQ * NVME_PAGE);
	if (!ret)
		ret = set64(nvme, NVME_ACQ, nvme->iova + NVME_AT_ADMIN_CQ * NVME_PAGE);
	/* From here on it may touch our memory, ready or not. */
	nvme->enabled = true;
	if (!ret)
		ret = nvme_set(nvme, NVME_CC, NVME_CC_IOSQES | NVME_CC_IOCQES | NVME_CC_EN);
	return ret ? ret
		   : wait_status(nvme, NVME_CSTS_RDY, NVME_CSTS_RDY, ready_ms(nvme),
			     "did not get ready");
}

static bool has_irq(struct nvme *nvme, int irq)
{
	struct medio_card_irq info;

	return !medio_card_get_irq(nvme->card, (unsigned)irq, &info) && info.count;
}

/* Vector 0 is the admin queue's by the standard; the I/O queue shares it. */
static int open_irq(struct nvme *nvme, int irq)
{
	struct medio_card_irq info;

	if (irq == NVME_IRQ_BEST) {
		irq = MEDIO_CARD_MSIX;
		while (irq >= MEDIO_CARD_INTX && !has_irq(nvme, irq))
			irq--;
	}
	if (irq < 0)
		return 0;
	int ret = medio_card_get_irq(nvme->card, (unsigned)irq, &info);
	if (!ret)
		ret = medio_card_irq_open(nvme->card, (unsigned)irq, 1);
	if (ret)
		return nvme_card_failed(nvme, ret, "interrupts");
	nvme->info.irq = irq;
	nvme->automasked = info.automasked;
	return 0;
}

/* ---- The I/O queues ---------------------------------------------------------------------------- */

/* Set Features, Number of Queues: one pair, zero-based (5.27.1.5); then the pair (5.4, 5.5). */
static int create_queues(struct nvme *nvme, unsigned depth)
{
	unsigned most = NVME_CAP_MQES(nvme->cap);
	unsigned entries = depth + 1 < most ? depth + 1 : most;
	struct nvme_command features = { .opcode = NVME_ADMIN_SET_FEATURES,
		.cdw10 = htole32(NVME_FEATURE_QUEUES) };
	struct nvme_command cq = { .opcode = NVME_ADMIN_CREATE_CQ,
		.prp1 = htole64(nvme->iova + NVME_AT_CQ * NVME_PAGE),
		.cdw10 = htole32((entries - 1) << 16 | 1),
		.cdw11 = htole32(
			NVME_QUEUE_CONTIGUOUS | (nvme->info.irq < 0 ? 0 : NVME_QUEUE_INTERRUPT)) };
	struct nvme_command sq = { .opcode = NVME_ADMIN_CREATE_SQ,
		.prp1 = htole64(nvme->iova + NVME_AT_SQ * NVME_PAGE),
		.cdw10 = htole32((entries - 1) << 16 | 1),
		.cdw11 = htole32(1 << 16 | NVME_QUEUE_CONTIGUOUS) };

	nvme_queue_init(&nvme->io, 1, entries, nvme->memory + NVME_AT_SQ * NVME_PAGE,
		nvme->memory + NVME_AT_CQ * NVME_PAGE);
	nvme->info.depth = entries - 1;
	int ret = nvme_admin(nvme, &features, "number of queues", NULL);
	if (!ret)
		ret = nvme_admin(nvme, &cq, "create completion queue", NULL);
	nvme->has_cq = !ret;
	if (!ret)
		ret = nvme_admin(nvme, &sq, "create submission queue", NULL);
	nvme->has_sq = !ret;
	return ret;
}

static int delete_queue(struct nvme *nvme, unsigned opcode, const char *what)
{
	struct nvme_command command = { .opcode = (uint8_t)opcode, .cdw10 = htole32(1) };

	return nvme_admin(nvme, &command, what, NULL);
}

/* ---- Open and close ---------------------------------------------------------------------------- */

static int start(struct nvme *nvme, const struct nvme_options *opts)
{
	void *memory;
	int ret = switch_on(nvme);

	if (!ret)
		ret = read_capabilities(nvme);
	/* What an earlier driver left must not reach into memory any more. */
	if (!ret)
		ret = disable(nvme);
	if (!ret)
		ret = open_irq(nvme, opts->irq);
	if (ret)
		return ret;
	ret = medio_card_dma_alloc_any(nvme->card, (uint64_t)NVME_PAGES * NVME_PAGE,
		MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, &nvme->iova, &memory);
	if (ret)
		return nvme_card_failed(nvme, ret, "memory for the queues");
	nvme->memory = memory;
	ret = enable(nvme);
	if (!ret)
		ret = nvme_identify(nvme, opts->nsid);
	return ret ? ret : create_queues(nvme, opts->depth ? opts->depth : NVME_DEPTH);
}

int nvme_open(struct medio_card *card, const struct nvme_options *opts, struct nvme **out,
	char *words, size_t size)
{
	static const struct nvme_options best = { .irq = NVME_IRQ_BEST };
	struct nvme *nvme = calloc(1, sizeof(*nvme));
	int ret = 0;

	opts = opts ? opts : &best;
	if (!nvme) {
		snprintf(words, size, "out of memory");
		return -ENOMEM;
	}
	nvme->card = card;
	nvme->info.irq = NVME_IRQ_NONE;
	nvme->silent_ms = opts->silent_ms ? opts->silent_ms : SILENT_MS;
	if (opts->depth > NVME_DEPTH)
		ret = nvme_fail(nvme, -EINVAL, "a depth of %u, possible are 1 to %u", opts->depth,
			NVME_DEPTH);
	if (!ret && (opts->irq < NVME_IRQ_BEST || opts->irq > MEDIO_CARD_MSIX))
		ret = nvme_fail(nvme, -EINVAL, "no kind %d of interrupts", opts->irq);
	if (!ret)
		ret = start(nvme, opts);
	if (ret) {
		snprintf(words, size, "%s", nvme->words);
		nvme_close(nvme);
		return ret;
	}
	*out = nvme;
	return 0;
}

/* One that is gone or broken is not asked; what is still to be done for it fails quickly. */
static void shut_down(struct nvme *nvme)
{
	uint32_t cc = 0;

	if (nvme->has_sq && !nvme->broken)
		delete_queue(nvme, NVME_ADMIN_DELETE_SQ, "delete submission queue");
	if (nvme->has_cq && !nvme->broken)
		delete_queue(nvme, NVME_ADMIN_DELETE_CQ, "delete completion queue");
	if (!nvme->broken && nvme->has_cq && !nvme_get(nvme, NVME_CC, &cc) &&
		!nvme_set(nvme, NVME_CC, (cc & ~(uint32_t)NVME_CC_SHN) | NVME_CC_SHN_NORMAL))
		wait_status(nvme, NVME_CSTS_SHST, NVME_CSTS_SHST_DONE, SHUTDOWN_MS,
			"did not shut down");
	disable(nvme);
}

void nvme_close(struct nvme *nvme)
{
	if (!nvme)
		return;
	/* It must not reach into memory that is somebody else's soon. */
	if (nvme->enabled)
		shut_down(nvme);
	if (nvme->info.irq >= 0)
		medio_card_irq_disable(nvme->card, (unsigned)nvme->info.irq);
	if (nvme->memory)
		medio_card_dma_unmap(nvme->card, nvme->iova, (uint64_t)NVME_PAGES * NVME_PAGE);
	free(nvme);
}

void nvme_get_info(const struct nvme *nvme, struct nvme_info *out)
{
	*out = nvme->info;
}

uint64_t nvme_interrupts(const struct nvme *nvme)
{
	return nvme->interrupts;
}
