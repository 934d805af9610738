/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An instruction and registers of a program's: bytes that are decoded are decoded within their bounds, and what
 * is done with them touches the memory that was said to be touched, in pieces of the size that was said.
 */
#include "compat/insn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct expected {
	const struct medio_insn *insn;
	const struct medio_insn_regs *regs;
	unsigned reads, writes;
};

static void check(const struct expected *e, uint64_t addr, size_t size, uint64_t string)
{
	if (e->insn->mask) {
		uint64_t start = medio_insn_address(e->insn, e->regs);
		assert(addr - start < e->insn->size && size <= e->insn->size - (addr - start));
		return;
	}
	assert(size == e->insn->size);
	if (e->insn->kind == MEDIO_INSN_STRING)
		assert(addr == string);
	else
		assert(addr == medio_insn_address(e->insn, e->regs));
}

static int bus_read(void *opaque, uint64_t addr, void *buf, size_t size)
{
	struct expected *e = opaque;

	check(e, addr, size, medio_insn_source(e->insn, e->regs));
	e->reads++;
	memset(buf, (int)addr, size);
	return addr % 64 == 13 ? -EFAULT : 0;
}

static int bus_write(void *opaque, uint64_t addr, const void *buf, size_t size)
{
	volatile uint8_t sum = 0;
	struct expected *e = opaque;

	check(e, addr, size, e->regs->gpr[7]);
	e->writes++;
	for (size_t i = 0; i < size; i++)
		sum ^= ((const uint8_t *)buf)[i];
	(void)sum;
	return addr % 64 == 21 ? -EFAULT : 0;
}

static void run(const struct medio_insn *insn, const uint8_t *data, size_t size)
{
	static uint8_t vectors[32][MEDIO_INSN_VECTOR];
	struct medio_insn_regs regs = { .vector = insn->vector ? vectors : NULL };
	struct expected expected = { insn, &regs, 0, 0 };
	struct medio_insn_bus bus = { bus_read, bus_write, &expected };
	uint8_t seed[19 * 8] = { 0 };
	uint64_t rip;
	int r;

	if (size)
		memcpy(seed, data, size < sizeof(seed) ? size : sizeof(seed));
	memcpy(regs.gpr, seed, sizeof(regs.gpr));
	memcpy(&regs.flags, seed + 128, 8);
	memcpy(&regs.fs_base, seed + 136, 8);
	memcpy(&regs.rip, seed + 144, 8);
	memcpy(regs.mask, seed, sizeof(regs.mask));
	rip = regs.rip;
	r = medio_insn_run(insn, &regs, &bus);
	assert(regs.rip == rip || (r == 0 && regs.rip == rip + insn->length));
	assert(expected.reads <= MEDIO_INSN_REPEAT && expected.writes <= MEDIO_INSN_REPEAT);
	if (insn->mask)
		return;
	if (insn->kind == MEDIO_INSN_LOAD || insn->kind == MEDIO_INSN_TEST ||
		insn->kind == MEDIO_INSN_ALU)
		assert(expected.reads == 1 && expected.writes == 0);
	if (insn->kind == MEDIO_INSN_STORE)
		assert(expected.reads == 0 && expected.writes == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = size < MEDIO_INSN_MAX ? size : MEDIO_INSN_MAX;
	struct medio_insn insn;
	uint8_t *bytes = malloc(n + 1);

	if (!bytes)
		return 0;
	if (n)
		memcpy(bytes, data, n);
	if (medio_insn_decode(bytes, n, &insn) == 0) {
		struct medio_insn again;

		assert(insn.length > 0 && insn.length <= n);
		assert(insn.size && insn.size <= MEDIO_INSN_VECTOR &&
			!(insn.size & (insn.size - 1)));
		assert(insn.vector || insn.size <= 8);
		assert(insn.reg < (insn.vector ? 32 : 16) && !(insn.high && insn.reg > 3));
		assert(medio_insn_decode(bytes, insn.length, &again) == 0 &&
			again.length == insn.length);
		assert(medio_insn_decode(bytes, insn.length - 1, &again) == -EINVAL);
		run(&insn, data + n, size - n);
	}
	free(bytes);
	return 0;
}
