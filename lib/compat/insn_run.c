/* SPDX-License-Identifier: BSD-3-Clause */
/* What an instruction does. See insn.h. */
#include "compat/insn.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* Bits of the flags register (SDM volume 1, 3.4.3). */
enum { CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, DF = 0x400, OF = 0x800 };
#define ARITHMETIC (CF | PF | AF | ZF | SF | OF)

enum { RAX = 0, RCX = 1, RSI = 6, RDI = 7 };

static uint64_t mask_of(unsigned size)
{
	return size == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1;
}

static uint64_t extended(uint64_t v, unsigned size)
{
	uint64_t top = UINT64_C(1) << (8 * size - 1);

	return ((v & mask_of(size)) ^ top) - top;
}

static uint64_t get_reg(const struct medio_insn_regs *regs, unsigned n, unsigned size, bool high)
{
	return regs->gpr[n] >> (high ? 8 : 0) & mask_of(size);
}

static void set_reg(struct medio_insn_regs *regs, unsigned n, unsigned size, bool high, uint64_t v)
{
	unsigned shift = high ? 8 : 0;
	uint64_t mask = mask_of(size) << shift;

	v <<= shift;
	if (size == 4)
		regs->gpr[n] = v & mask;
	else
		regs->gpr[n] = (regs->gpr[n] & ~mask) | (v & mask);
}

static uint64_t segment_base(const struct medio_insn *insn, const struct medio_insn_regs *regs)
{
	switch (insn->segment) {
	case MEDIO_INSN_FS:
		return regs->fs_base;
	case MEDIO_INSN_GS:
		return regs->gs_base;
	default:
		return 0;
	}
}

uint64_t medio_insn_address(const struct medio_insn *insn, const struct medio_insn_regs *regs)
{
	uint64_t addr = (uint64_t)insn->disp;

	if (insn->kind == MEDIO_INSN_STRING)
		return insn->op == MEDIO_INSN_LODS ? medio_insn_source(insn, regs) : regs->gpr[RDI];
	if (insn->base == MEDIO_INSN_RIP)
		addr += regs->rip + insn->length;
	else if (insn->base != MEDIO_INSN_NONE)
		addr += regs->gpr[insn->base];
	if (insn->index != MEDIO_INSN_NONE)
		addr += regs->gpr[insn->index] * insn->scale;
	if (insn->addr32)
		addr &= UINT32_MAX;
	return addr + segment_base(insn, regs);
}

uint64_t medio_insn_source(const struct medio_insn *insn, const struct medio_insn_regs *regs)
{
	return regs->gpr[RSI] + segment_base(insn, regs);
}

/* SF, ZF and PF of a result. */
static uint64_t flags_of(uint64_t v, unsigned size)
{
	uint64_t flags = 0;

	v &= mask_of(size);
	if (!v)
		flags |= ZF;
	if (v >> (8 * size - 1))
		flags |= SF;
	if (!__builtin_parity((unsigned)v & 0xff))
		flags |= PF;
	return flags;
}

static uint64_t add(uint64_t a, uint64_t b, bool carry, unsigned size, uint64_t *flags)
{
	uint64_t mask = mask_of(size), top = UINT64_C(1) << (8 * size - 1);
	uint64_t v = (a + b + carry) & mask;

	*flags = flags_of(v, size);
	if (((a & b) | ((a | b) & ~v)) & top) /* carry out of the highest bit */
		*flags |= CF;
	if ((a ^ v) & (b ^ v) & top)
		*flags |= OF;
	*flags |= (a ^ b ^ v) & AF;
	return v;
}

static uint64_t subtract(uint64_t a, uint64_t b, bool borrow, unsigned size, uint64_t *flags)
{
	uint64_t mask = mask_of(size), top = UINT64_C(1) << (8 * size - 1);
	uint64_t v = (a - b - borrow) & mask;

	*flags = flags_of(v, size);
	if (((~a & b) | ((~a | b) & v)) & top) /* borrow into the highest bit */
		*flags |= CF;
	if ((a ^ b) & (a ^ v) & top)
		*flags |= OF;
	*flags |= (a ^ b ^ v) & AF;
	return v;
}

static uint64_t multiply(uint64_t a, uint64_t b, unsigned size, uint64_t *flags)
{
	__int128 v = (__int128)(int64_t)extended(a, size) * (int64_t)extended(b, size);

	*flags = flags_of((uint64_t)v, size);
	if (v != (int64_t)extended((uint64_t)v, size))
		*flags |= CF | OF;
	return (uint64_t)v & mask_of(size);
}

/* The conditions of cmovcc and setcc, in pairs of one and its opposite (SDM volume 1, appendix B). */
static bool holds(unsigned condition, uint64_t flags)
{
	bool less = !(flags & SF) != !(flags & OF), v = false;

	switch (condition >> 1) {
	case 0:
		v = flags & OF;
		break;
	case 1:
		v = flags & CF;
		break;
	case 2:
		v = flags & ZF;
		break;
	case 3:
		v = flags & (CF | ZF);
		break;
	case 4:
		v = flags & SF;
		break;
	case 5:
		v = flags & PF;
		break;
	case 6:
		v = less;
		break;
	case 7:
		v = less || (flags & ZF);
		break;
	}
	return v != (condition & 1);
}

/* a op b: the result; *flags becomes what the register is afterwards. */
static uint64_t compute(const struct medio_insn *insn, uint64_t a, uint64_t b, uint64_t *flags)
{
	unsigned size = insn->size;
	uint64_t set = 0, keep = 0, v = 0, bit = UINT64_C(1) << (insn->imm & 63);

	switch (insn->op) {
	case MEDIO_INSN_ADD:
	case MEDIO_INSN_XADD:
		v = add(a, b, false, size, &set);
		break;
	case MEDIO_INSN_ADC:
		v = add(a, b, *flags & CF, size, &set);
		break;
	case MEDIO_INSN_SUB:
	case MEDIO_INSN_CMP:
	case MEDIO_INSN_CMPXCHG:
		v = subtract(a, b, false, size, &set);
		break;
	case MEDIO_INSN_SBB:
		v = subtract(a, b, *flags & CF, size, &set);
		break;
	case MEDIO_INSN_NEG:
		v = subtract(0, a, false, size, &set);
		break;
	case MEDIO_INSN_INC:
		v = add(a, 1, false, size, &set);
		keep = CF;
		break;
	case MEDIO_INSN_DEC:
		v = subtract(a, 1, false, size, &set);
		keep = CF;
		break;
	case MEDIO_INSN_OR:
		v = a | b;
		set = flags_of(v, size);
		break;
	case MEDIO_INSN_AND:
	case MEDIO_INSN_TST:
		v = a & b;
		set = flags_of(v, size);
		break;
	case MEDIO_INSN_XOR:
		v = a ^ b;
		set = flags_of(v, size);
		break;
	case MEDIO_INSN_IMUL:
		v = multiply(a, b, size, &set);
		break;
	case MEDIO_INSN_NOT:
		v = ~a;
		keep = ARITHMETIC;
		break;
	case MEDIO_INSN_XCHG:
		v = b;
		keep = ARITHMETIC;
		break;
	case MEDIO_INSN_CMOV:
		v = holds((unsigned)insn->imm, *flags) ? b : a;
		keep = ARITHMETIC;
		break;
	case MEDIO_INSN_BT:
	case MEDIO_INSN_BTS:
	case MEDIO_INSN_BTR:
	case MEDIO_INSN_BTC:
		set = a & bit ? CF : 0;
		keep = ARITHMETIC & ~CF;
		v = a;
		if (insn->op == MEDIO_INSN_BTS)
			v |= bit;
		if (insn->op == MEDIO_INSN_BTR)
			v &= ~bit;
		if (insn->op == MEDIO_INSN_BTC)
			v ^= bit;
		break;
	case MEDIO_INSN_SETCC:
	case MEDIO_INSN_MOVS:
	case MEDIO_INSN_STOS:
	case MEDIO_INSN_LODS:
		assert(!"nothing to compute");
	}
	*flags = (*flags & ~(uint64_t)ARITHMETIC) | (*flags & keep) | (set & ~keep);
	return v & mask_of(size);
}

static void reversed(uint8_t *bytes, unsigned size)
{
	for (unsigned i = 0; i < size / 2; i++) {
		uint8_t b = bytes[i];

		bytes[i] = bytes[size - 1 - i];
		bytes[size - 1 - i] = b;
	}
}

/*
 * Elements that a mask names, each run of neighbours at once: the processor touches no others. Bytes of the others
 * stay what they are.
 */
static int masked(const struct medio_insn *insn, const struct medio_insn_regs *regs,
	const struct medio_insn_bus *bus, uint8_t *bytes)
{
	uint64_t addr = medio_insn_address(insn, regs), mask = regs->mask[insn->mask];
	unsigned count = insn->size / insn->element;

	for (unsigned i = 0, n; i < count; i += n) {
		for (n = 0; i + n < count && mask >> (i + n) & 1; n++)
			;
		unsigned at = i * insn->element, size = n * insn->element;
		int r = 0;

		if (n && insn->kind == MEDIO_INSN_LOAD)
			r = bus->read(bus->opaque, addr + at, bytes + at, size);
		else if (n)
			r = bus->write(bus->opaque, addr + at, bytes + at, size);
		if (r < 0)
			return r;
		n += !n;
	}
	return 0;
}

static int load_masked(const struct medio_insn *insn, struct medio_insn_regs *regs,
	const struct medio_insn_bus *bus)
{
	uint8_t bytes[MEDIO_INSN_VECTOR] = { 0 };

	if (!insn->zero)
		memcpy(bytes, regs->vector[insn->reg], insn->size);
	int r = masked(insn, regs, bus, bytes);
	if (!r)
		memcpy(regs->vector[insn->reg], bytes, sizeof(bytes));
	return r;
}

static int load(const struct medio_insn *insn, struct medio_insn_regs *regs,
	const struct medio_insn_bus *bus)
{
	uint8_t bytes[MEDIO_INSN_VECTOR] = { 0 };
	uint64_t v;

	if (insn->mask)
		return load_masked(insn, regs, bus);
	int r = bus->read(bus->opaque, medio_insn_address(insn, regs), bytes, insn->size);

	if (r < 0)
		return r;
	if (insn->vector) {
		memcpy(regs->vector[insn->reg] + insn->part, bytes + 0,
			insn->dest_size - insn->part);
		return 0;
	}
	if (insn->swap)
		reversed(bytes, insn->size);
	memcpy(&v, bytes, sizeof(v));
	if (insn->sign)
		v = extended(v, insn->size);
	set_reg(regs, insn->reg, insn->dest_size, insn->high, v);
	return 0;
}

static int store(const struct medio_insn *insn, const struct medio_insn_regs *regs,
	const struct medio_insn_bus *bus)
{
	uint8_t bytes[MEDIO_INSN_VECTOR];

	if (insn->vector) {
		memcpy(bytes, regs->vector[insn->reg] + insn->part, insn->size);
		if (insn->mask)
			return masked(insn, regs, bus, bytes);
	} else {
		uint64_t v = insn->has_imm ? insn->imm
					   : get_reg(regs, insn->reg, insn->size, insn->high);

		if (insn->op == MEDIO_INSN_SETCC)
			v = holds((unsigned)insn->imm, regs->flags);
		memcpy(bytes, &v, sizeof(v));
		if (insn->swap)
			reversed(bytes, insn->size);
	}
	return bus->write(bus->opaque, medio_insn_address(insn, regs), bytes, insn->size);
}

static uint64_t other_operand(const struct medio_insn *insn, const struct medio_insn_regs *regs)
{
	if (insn->has_imm)
		return insn->imm & mask_of(insn->size);
	return get_reg(regs, insn->reg, insn->size, insn->high);
}

/* A register is the destination, or nothing is. */
static int compute_from(const struct medio_insn *insn, struct medio_insn_regs *regs,
	const struct medio_insn_bus *bus)
{
	uint64_t mem = 0, other = other_operand(insn, regs), v;
	int r = bus->read(bus->opaque, medio_insn_address(insn, regs), &mem, insn->size);

	if (r < 0)
		return r;
	if (insn->kind == MEDIO_INSN_TEST) {
		if (insn->reg_first)
			compute(insn, other, mem, &regs->flags);
		else
			compute(insn, mem, other, &regs->flags);
		return 0;
	}
	v = compute(insn, other, mem, &regs->flags);
	set_reg(regs, insn->reg, insn->size, insn->high, v);
	return 0;
}

/* Memory is the destination. */
static int compute_to(const struct medio_insn *insn, struct medio_insn_regs *regs,
	const struct medio_insn_bus *bus)
{
	uint64_t addr = medio_insn_address(insn, regs), flags = regs->flags;
	uint64_t mem = 0, other = other_operand(insn, regs), v;
	uint64_t rax = get_reg(regs, RAX, insn->size, false);
	int r = bus->read(bus->opaque, addr, &mem, insn->size);

	if (r < 0)
		return r;
	if (insn->op == MEDIO_INSN_CMPXCHG) {
		compute(insn, rax, mem, &flags);
		v = mem == rax ? other : mem; /* the processor writes in any case */
	} else {
		v = compute(insn, mem, other, &flags);
	}
	r = bus->write(bus->opaque, addr, &v, insn->size);
	if (r < 0)
		return r;
	regs->flags = flags;
	if (insn->op == MEDIO_INSN_XCHG || insn->op == MEDIO_INSN_XADD)
		set_reg(regs, insn->reg, insn->size, insn->high, mem);
	if (insn->op == MEDIO_INSN_CMPXCHG && mem != rax)
		set_reg(regs, RAX, insn->size, false, mem);
	return 0;
}

static int element(const struct medio_insn *insn, struct medio_insn_regs *regs,
	const struct medio_insn_bus *bus)
{
	uint64_t v = regs->gpr[RAX];
	int r = 0;

	if (insn->op != MEDIO_INSN_STOS)
		r = bus->read(bus->opaque, medio_insn_source(insn, regs), &v, insn->size);
	if (!r && insn->op != MEDIO_INSN_LODS)
		r = bus->write(bus->opaque, regs->gpr[RDI], &v, insn->size);
	else if (!r)
		set_reg(regs, RAX, insn->size, false, v);
	return r;
}

/* *done: rip may go on. */
static int string(const struct medio_insn *insn, struct medio_insn_regs *regs,
	const struct medio_insn_bus *bus, bool *done)
{
	uint64_t step = regs->flags & DF ? -(uint64_t)insn->size : insn->size;

	for (unsigned n = 0; n < MEDIO_INSN_REPEAT; n++) {
		int r;

		*done = insn->rep && !regs->gpr[RCX];
		if (*done)
			return 0;
		r = element(insn, regs, bus);
		if (r < 0)
			return r;
		if (insn->op != MEDIO_INSN_STOS)
			regs->gpr[RSI] += step;
		if (insn->op != MEDIO_INSN_LODS)
			regs->gpr[RDI] += step;
		*done = !insn->rep || !--regs->gpr[RCX];
		if (*done)
			return 0;
	}
	return 0;
}

int medio_insn_run(const struct medio_insn *insn, struct medio_insn_regs *regs,
	const struct medio_insn_bus *bus)
{
	bool done = true;
	int r = 0;

	switch (insn->kind) {
	case MEDIO_INSN_LOAD:
		r = load(insn, regs, bus);
		break;
	case MEDIO_INSN_STORE:
		r = store(insn, regs, bus);
		break;
	case MEDIO_INSN_TEST:
	case MEDIO_INSN_ALU:
		r = compute_from(insn, regs, bus);
		break;
	case MEDIO_INSN_RMW:
		r = compute_to(insn, regs, bus);
		break;
	case MEDIO_INSN_STRING:
		r = string(insn, regs, bus, &done);
		break;
	}
	if (!r && done)
		regs->rip += insn->length;
	return r;
}
