/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio_malice URI split|packed [ROUNDS [WORD]]: break every rule of the specification on a virtio device, see
 * virtio_malice.h. WORD: only cases that have it in their section or name. MALICE_SEED and MALICE_VERBOSE in the
 * environment: other dice, and which case takes how long.
 *
 * After each: the server lives and answers, the device ignored it, answered with an error, or is in
 * NEEDS_RESET and has said so by an interrupt; and after a reset it works. Prints what does not hold; 1: something
 * does not.
 */
#include "virtio_malice.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 2.1.2: NEEDS_RESET is told by an interrupt of the configuration. */
static const char *told(struct bed *bed)
{
	uint64_t events;
	int ret = medio_card_irq_wait(bed->card, MEDIO_CARD_MSIX, 0, 60000, &events);

	return ret ? fail("NEEDS_RESET without an interrupt: %s", medio_card_last_error(bed->card))
		   : NULL;
}

static const char *after(struct bed *bed, const struct malice_case *c)
{
	uint8_t now = status(bed);
	const char *words = NULL;

	if (c->expect & STUCK)
		words = NULL;
	else if (now & NEEDS_RESET && !(c->expect & BROKEN))
		words = fail("it needs a reset");
	else if (!(now & NEEDS_RESET) && !(c->expect & FINE)) {
		/* It may not have looked yet. */
		uint64_t end = now_ms() + 20000;
		while (!(status(bed) & NEEDS_RESET))
			if (now_ms() > end)
				return fail("it goes on, the status is 0x%02x", status(bed));
		now = status(bed);
	} else if (now == LIVE)
		words = good(bed);
	if (!words && now & NEEDS_RESET && (c->expect & (FINE | BROKEN | STUCK)) == BROKEN)
		words = told(bed);
	if (words)
		return words;
	up(bed);
	words = good(bed);
	return words ? fail("after a reset: %s", words) : NULL;
}

static bool wanted(const struct bed *bed, const struct malice_case *c, const char *word)
{
	if (c->kind && c->kind != bed->kind)
		return false;
	if (c->expect & (bed->packed ? SPLIT_ONLY : PACKED_ONLY))
		return false;
	return !word || strstr(c->section, word) || strstr(c->name, word);
}

static unsigned run_all(
	struct bed *bed, const struct malice_case *cases, const char *word, unsigned *number)
{
	unsigned failed = 0;

	for (const struct malice_case *c = cases; c->name; c++) {
		if (!wanted(bed, c, word))
			continue;
		++*number;
		uint64_t begin = now_ms();
		if (getenv("MALICE_VERBOSE"))
			fprintf(stderr, "%s %s\n", c->section, c->name);
		const char *words = c->run(bed);
		if (!words)
			words = after(bed, c);
		if (getenv("MALICE_VERBOSE"))
			fprintf(stderr, "  %llu ms\n", (unsigned long long)(now_ms() - begin));
		if (!words)
			continue;
		failed++;
		printf("malice: %s %s: %s\n", c->section, c->name, words);
		up(bed);
	}
	return failed;
}

int main(int argc, char **argv)
{
	struct bed bed = { .peer = -1, .dice = 1, .rounds = 50 };
	unsigned failed, number = 0;

	if (argc < 3 || argc > 5) {
		fprintf(stderr, "usage: %s URI split|packed [ROUNDS [WORD]]\n", argv[0]);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	bed.uri = argv[1];
	bed.packed = !strcmp(argv[2], "packed");
	const char *seed = getenv("MALICE_SEED");
	if (seed)
		bed.dice = (uint32_t)atoi(seed);
	if (argc > 3)
		bed.rounds = (unsigned)atoi(argv[3]);
	const char *word = argc > 4 && *argv[4] ? argv[4] : NULL;
	bed_open(&bed);
	bed.wanted = F_VERSION_1 | (bed.offered & (F_INDIRECT | F_RESET | F(33) | F(35)));
	if (bed.packed)
		bed.wanted |= F_PACKED;
	up(&bed);
	const char *words = good(&bed);
	if (words)
		die("before anything was wrong: %s", words);
	failed = run_all(&bed, register_cases, word, &number);
	failed += run_all(&bed, ring_cases, word, &number);
	failed += run_all(&bed, device_cases, word, &number);
	failed += run_all(&bed, memory_cases, word, &number);
	reset(&bed);
	bed_close(&bed);
	printf("malice: %u cases, %u failed\n", number, failed);
	return failed != 0;
}
