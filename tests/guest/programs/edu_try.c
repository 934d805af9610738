/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * edu_try URI PART [ARGUMENT]: one part of what QEMU's edu device can show, in the guest, and medio's own
 * on the host. Says what it found; exits 1 with words when that is wrong.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <medio/local.h>

#include "../../../devices/edu/edu.h"
#include "../../../drivers/edu/edu.h"

#define RW (MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)

static int failed(const char *what, struct medio_card *card, int ret)
{
	printf("%s: %s (%s)\n", what, strerror(-ret), card ? medio_card_last_error(card) : "");
	return 1;
}

static struct medio_card *open_card(const char *uri, struct medio_container *container)
{
	struct medio_card_options opts = { .container = container };
	struct medio_error *err = NULL;
	struct medio_card *card;
	int ret = medio_card_open(uri, &opts, &card, &err);

	if (!ret)
		return card;
	printf("%s: %s\n", strerror(-ret), medio_error_text(err));
	exit(1);
}

static int identify(struct medio_card *card, struct edu *edu, const char *arg)
{
	struct medio_card_region bar;
	int ret = edu_check(edu);

	(void)arg;
	if (!ret)
		ret = medio_card_get_region(card, 0, &bar);
	if (ret)
		return failed("identify", card, ret);
	printf("edu version %u.%u, BAR 0 of %llu bytes, %smappable\n", edu_version(edu) >> 16,
		edu_version(edu) & 0xffff, (unsigned long long)bar.size,
		bar.mappable ? "" : "not ");
	if (bar.mappable) {
		volatile uint32_t *regs;
		void *ptr;
		ret = medio_card_mmap(card, 0, 0, 4096, &ptr);
		if (ret)
			return failed("mmap", card, ret);
		regs = ptr;
		regs[1] = 0x12345678;
		printf("mapped: %08x\n", regs[1]);
		ret = regs[1] != 0xedcba987;
		medio_card_munmap(ptr, 4096);
	}
	return ret;
}

static int factorials(struct medio_card *card, struct edu *edu, const char *arg)
{
	unsigned count = (unsigned)strtoul(arg, NULL, 10);
	uint32_t expected = 1;

	for (unsigned n = 1; n <= count; n++) {
		uint32_t value = 0;
		int ret = edu_factorial(edu, n, &value);
		if (ret)
			return failed("factorial", card, ret);
		expected *= n;
		if (value != expected) {
			printf("%u! is said to be %u\n", n, value);
			return 1;
		}
	}
	printf("%u factorials, %llu interrupts\n", count, (unsigned long long)edu_interrupts(edu));
	return 0;
}

static uint32_t checksum(const uint8_t *bytes, size_t size)
{
	uint32_t sum = 2166136261u;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ bytes[i]) * 16777619u;
	return sum;
}

static int dma(struct medio_card *card, struct edu *edu, const char *arg)
{
	uint8_t out[EDU_BUFFER], in[EDU_BUFFER] = { 0 };

	(void)arg;
	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7 + i / 256);
	int ret = edu_put(edu, 0, out, sizeof(out));
	if (!ret)
		ret = edu_get(edu, 0, in, sizeof(in));
	if (ret)
		return failed("dma", card, ret);
	printf("%u bytes there and back, checksum %08x %08x, %llu interrupts\n", EDU_BUFFER,
		checksum(out, sizeof(out)), checksum(in, sizeof(in)),
		(unsigned long long)edu_interrupts(edu));
	return memcmp(in, out, sizeof(in)) != 0;
}

static int limits(struct medio_card *card, struct edu *edu, const char *arg)
{
	struct medio_card_dma_info info;
	uint64_t iova = 0;
	void *ptr;

	(void)edu;
	(void)arg;
	medio_card_dma_mask(card, 64);
	medio_card_get_dma_info(card, &info);
	printf("pages %#llx, %llu mappings left, %u there\n", (unsigned long long)info.page_sizes,
		(unsigned long long)info.max_maps, info.num_maps);
	for (unsigned i = 0; i < info.num_ranges; i++)
		printf("%#llx to %#llx\n", (unsigned long long)info.ranges[i].first,
			(unsigned long long)info.ranges[i].last);
	failed("interrupts' window", card, medio_card_dma_alloc(card, 0xfee00000, 4096, RW, &ptr));
	failed("beyond", card, medio_card_dma_alloc(card, UINT64_MAX - 4095, 4096, RW, &ptr));
	failed("huge pages", card,
		medio_card_dma_alloc_any(card, 2 << 20, RW | MEDIO_CARD_DMA_HUGE, &iova, &ptr));
	int ret = medio_card_dma_alloc_any(card, 4 << 20, RW, &iova, &ptr);
	if (ret)
		return failed("alloc_any", card, ret);
	printf("4 MiB at %#llx\n", (unsigned long long)iova);
	return medio_card_dma_unmap(card, iova, 4 << 20) != 0;
}

/* As a user who may lock little. */
static int memlock(struct medio_card *card, struct edu *edu, const char *arg)
{
	struct rlimit limit = { 65536, 65536 };
	uint64_t iova;
	void *ptr;

	(void)edu;
	(void)arg;
	if (setrlimit(RLIMIT_MEMLOCK, &limit) || setuid(1000))
		return 1;
	int ret = medio_card_dma_alloc_any(card, 1 << 20, RW, &iova, &ptr);
	failed("1 MiB", card, ret);
	if (ret != -ENOMEM)
		return 1;
	ret = medio_card_dma_alloc_any(card, 16384, RW, &iova, &ptr);
	return ret ? failed("16 KiB", card, ret) : 0;
}

/* The log of what the device writes has the page that it wrote, whoever keeps it. */
static int logged(struct medio_card *card, struct edu *edu, const char *arg)
{
	uint64_t iova = 0, bitmap = 0;
	void *ptr;
	int ret = medio_card_dma_alloc_any(card, 4 * 4096, RW, &iova, &ptr);

	(void)arg;
	if (!ret)
		ret = medio_card_dirty_start(card, 4096);
	if (ret)
		return failed("log", card, ret);
	ret = edu_get_iova(edu, 0, iova + 2 * 4096, 64);
	if (!ret)
		ret = medio_card_dirty_get(card, iova, 4 * 4096, &bitmap);
	if (!ret)
		ret = medio_card_dirty_stop(card);
	if (ret)
		return failed("log", card, ret);
	printf("written: %#llx of 0xf\n", (unsigned long long)bitmap);
	return !(bitmap & 4) || bitmap & ~UINT64_C(0xf);
}

static int nodma(struct medio_card *card, struct edu *edu, const char *arg)
{
	int ret = edu_put(edu, 0, "x", 1);

	(void)arg;
	failed("dma", card, ret);
	return ret != -ENOTSUP;
}

/* Until the device is wanted back. */
static int unplug(struct medio_card *card, struct edu *edu, const char *arg)
{
	uint64_t events = 0;
	int ret = medio_card_irq_open(card, MEDIO_CARD_REQ, 1);

	(void)edu;
	(void)arg;
	if (!ret) {
		puts("waiting");
		fflush(stdout);
		ret = medio_card_irq_wait(card, MEDIO_CARD_REQ, 0, 20000, &events);
	}
	if (ret)
		return failed("REQ", card, ret);
	puts("the device is wanted back");
	return 0;
}

static const struct part {
	const char *name;
	int irq;
	int (*run)(struct medio_card *card, struct edu *edu, const char *arg);
} parts[] = {
	{ "identify", -1, identify },
	{ "polled", -1, factorials },
	{ "intx", MEDIO_CARD_INTX, factorials },
	{ "msi", MEDIO_CARD_MSI, factorials },
	{ "dma", MEDIO_CARD_MSI, dma },
	{ "dma-polled", -1, dma },
	{ "limits", -1, limits },
	{ "memlock", -1, memlock },
	{ "log", -1, logged },
	{ "nodma", -1, nodma },
	{ "unplug", -1, unplug },
};

/* Two cards in one container: what one puts into memory the other takes, at the same address. */
static int shared(const char *uri, const char *other)
{
	static const char text[] = "from one card to the other";
	struct medio_container *container = NULL;
	struct medio_card *cards[2];
	struct edu *edus[2];
	uint64_t iova = 0;
	void *ptr = NULL;
	int ret = medio_container_new(&container);

	if (ret)
		return 1;
	for (int i = 0; i < 2; i++) {
		cards[i] = open_card(i ? other : uri, container);
		ret = edu_open(cards[i], -1, &edus[i]);
		if (ret)
			return failed("edu_open", cards[i], ret);
	}
	medio_container_free(container);
	ret = medio_card_dma_alloc_any(cards[0], 4096, RW, &iova, &ptr);
	if (ret)
		return failed("alloc", cards[0], ret);
	memcpy(ptr, text, sizeof(text));
	ret = edu_put_iova(edus[0], 0, iova, sizeof(text));
	if (!ret)
		ret = edu_get_iova(edus[0], 0, iova + 1024, sizeof(text));
	if (!ret)
		ret = edu_put_iova(edus[1], 64, iova + 1024, sizeof(text));
	if (!ret)
		ret = edu_get_iova(edus[1], 64, iova + 2048, sizeof(text));
	printf("%s: %s\n", (char *)ptr + 2048, strerror(-ret));
	ret = ret || memcmp((char *)ptr + 2048, text, sizeof(text)) != 0;
	for (int i = 0; i < 2; i++) {
		edu_close(edus[i]);
		medio_card_close(cards[i]);
	}
	return ret;
}

/* Any device that keeps a log itself, and writes nothing: there is nothing in it. */
static int own_log(const char *uri)
{
	struct medio_card *card = open_card(uri, NULL);
	uint64_t iova = 0, bitmap = 0;
	void *ptr;
	int ret = medio_card_dma_alloc_any(card, 4 * 4096, RW, &iova, &ptr);

	if (!ret)
		ret = medio_card_dirty_start(card, 4096);
	if (!ret)
		ret = medio_card_dirty_get(card, iova, 4 * 4096, &bitmap);
	if (!ret)
		ret = medio_card_dirty_stop(card);
	if (ret)
		return failed("log", card, ret);
	printf("written: %#llx of 0xf\n", (unsigned long long)bitmap);
	medio_card_close(card);
	return bitmap != 0;
}

static char identify_part[] = "identify";

/* What follows `local:` is parameters of the one there is. */
static int find_type(const char *name, const struct medio_type **out, struct medio_error **err)
{
	(void)err;
	*out = &medio_edu;
	return strcmp(name, medio_edu.name) ? -EINVAL : 0;
}

int main(int argc, char **argv)
{
	const char *arg = argc > 3 ? argv[3] : "";

	if (argc < 3)
		return 2;
	/* As nobody in particular. */
	if (!strcmp(argv[2], "user") && setuid(1000) == 0)
		argv[2] = identify_part;
	medio_local_types(find_type);
	if (!strcmp(argv[2], "shared"))
		return shared(argv[1], arg);
	if (!strcmp(argv[2], "own-log"))
		return own_log(argv[1]);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		struct edu *edu;
		if (strcmp(argv[2], parts[i].name) != 0)
			continue;
		struct medio_card *card = open_card(argv[1], NULL);
		int ret = edu_open(card, parts[i].irq, &edu);
		if (ret)
			return failed("edu_open", card, ret);
		ret = parts[i].run(card, edu, arg);
		edu_close(edu);
		medio_card_close(card);
		return ret;
	}
	return 2;
}
