/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/insn.h"

#include <errno.h>
#include <string.h>

/* An instruction under way. Whoever reads beyond its end sets bad, and goes on with zeros. */
struct cursor {
	const uint8_t *bytes;
	size_t size, pos;
	bool bad;
	bool opsize, addr32, repne, rep, has_rex;
	unsigned rex; /* W 8, R 4, X 2, B 1; also what VEX and EVEX have of it */
	unsigned mod, reg, rm;
};

enum { REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8 };

static uint64_t fetch(struct cursor *c, unsigned n)
{
	uint64_t v = 0;

	if (n > c->size - c->pos) {
		c->bad = true;
		return 0;
	}
	memcpy(&v, c->bytes + c->pos, n); /* x86-64 is little-endian, and so is this machine */
	c->pos += n;
	return v;
}

static int64_t fetch_signed(struct cursor *c, unsigned n)
{
	uint64_t v = fetch(c, n), top = UINT64_C(1) << (8 * n - 1);

	return (int64_t)((v ^ top) - top);
}

/* 1 for opcodes of bytes, else as the prefixes say. */
static unsigned operand(const struct cursor *c, bool byte)
{
	if (byte)
		return 1;
	if (c->rex & REX_W)
		return 8;
	return c->opsize ? 2 : 4;
}

/* Legacy prefixes and REX, in front of the opcode (SDM 2.1.1, 2.2.1). */
static void prefixes(struct cursor *c, struct medio_insn *insn)
{
	for (;;) {
		unsigned b = (unsigned)fetch(c, 1);

		switch (b) {
		case 0x66:
			c->opsize = true;
			break;
		case 0x67:
			c->addr32 = true;
			break;
		case 0xf2:
			c->repne = true;
			c->rep = false;
			break;
		case 0xf3:
			c->rep = true;
			c->repne = false;
			break;
		case 0x64:
			insn->segment = MEDIO_INSN_FS;
			break;
		case 0x65:
			insn->segment = MEDIO_INSN_GS;
			break;
		case 0x2e: /* these four segments begin at 0 in 64-bit code */
		case 0x36:
		case 0x3e:
		case 0x26:
		case 0xf0: /* lock: whoever does this does nothing else meanwhile */
			break;
		default:
			if ((b & 0xf0) == 0x40) {
				c->rex = b & 15;
				c->has_rex = true;
			} else {
				c->pos -= !c->bad;
			}
			return;
		}
		if (c->bad)
			return;
	}
}

/*
 * ModRM, SIB and displacement (SDM 2.1.3, 2.1.5). Only forms with memory. n: what EVEX multiplies a displacement
 * of one byte by.
 */
static void modrm(struct cursor *c, struct medio_insn *insn, unsigned n)
{
	unsigned b = (unsigned)fetch(c, 1);

	c->mod = b >> 6;
	c->reg = (b >> 3 & 7) | (c->rex & REX_R ? 8 : 0);
	c->rm = b & 7;
	if (c->mod == 3) {
		c->bad = true;
		return;
	}
	insn->base = c->rm | (c->rex & REX_B ? 8 : 0);
	if (c->rm == 4) {
		unsigned sib = (unsigned)fetch(c, 1);
		unsigned index = (sib >> 3 & 7) | (c->rex & REX_X ? 8 : 0);

		insn->scale = 1U << (sib >> 6);
		if (index != 4)
			insn->index = index;
		insn->base = (sib & 7) | (c->rex & REX_B ? 8 : 0);
		if ((sib & 7) == 5 && c->mod == 0) {
			insn->base = MEDIO_INSN_NONE;
			insn->disp = fetch_signed(c, 4);
		}
	} else if (c->rm == 5 && c->mod == 0) {
		insn->base = MEDIO_INSN_RIP;
		insn->disp = fetch_signed(c, 4);
	}
	if (c->mod == 1)
		insn->disp = fetch_signed(c, 1) * n;
	if (c->mod == 2)
		insn->disp = fetch_signed(c, 4);
}

/* The register operand of ModRM: without REX, bytes 4 to 7 are the upper halves of 0 to 3. */
static void set_reg(const struct cursor *c, struct medio_insn *insn)
{
	insn->reg = c->reg;
	if (insn->size == 1 && !insn->vector && !c->has_rex && c->reg >= 4) {
		insn->reg = c->reg - 4;
		insn->high = true;
	}
}

static void set_imm(struct cursor *c, struct medio_insn *insn, unsigned n)
{
	insn->has_imm = true;
	insn->imm = (uint64_t)fetch_signed(c, n);
}

/* A form with ModRM and a register. */
static void plain(
	struct cursor *c, struct medio_insn *insn, enum medio_insn_kind kind, unsigned size)
{
	insn->kind = kind;
	insn->size = size;
	insn->dest_size = size;
	modrm(c, insn, 1);
	set_reg(c, insn);
}

/* movzx, movsx, movsxd: size bytes of memory fill a register. */
static void extend(struct cursor *c, struct medio_insn *insn, unsigned size, bool sign)
{
	insn->kind = MEDIO_INSN_LOAD;
	insn->size = size;
	insn->dest_size = operand(c, false);
	insn->sign = sign;
	modrm(c, insn, 1);
	insn->reg = c->reg;
}

/* 00 to 3b: eight operations in four forms; two more, with immediates, are not memory's. */
static int arithmetic(struct cursor *c, struct medio_insn *insn, unsigned opcode)
{
	bool to_reg = opcode & 2;

	if ((opcode & 7) > 3)
		return -EINVAL;
	insn->op = (enum medio_insn_op)(opcode >> 3);
	plain(c, insn, to_reg ? MEDIO_INSN_ALU : MEDIO_INSN_RMW, operand(c, !(opcode & 1)));
	if (insn->op == MEDIO_INSN_CMP) {
		insn->kind = MEDIO_INSN_TEST;
		insn->reg_first = to_reg;
	}
	return 0;
}

/* 80, 81, 83: the same eight with an immediate. */
static void arithmetic_imm(struct cursor *c, struct medio_insn *insn, unsigned opcode)
{
	unsigned size = operand(c, opcode == 0x80);

	plain(c, insn, MEDIO_INSN_RMW, size);
	insn->high = false;
	insn->op = (enum medio_insn_op)(c->reg & 7);
	if (insn->op == MEDIO_INSN_CMP)
		insn->kind = MEDIO_INSN_TEST;
	set_imm(c, insn, opcode == 0x81 ? (size == 8 ? 4 : size) : 1);
}

/* f6, f7: test with an immediate, not, neg. The rest multiplies and divides. */
static int group3(struct cursor *c, struct medio_insn *insn, bool byte)
{
	unsigned size = operand(c, byte);

	plain(c, insn, MEDIO_INSN_RMW, size);
	insn->high = false;
	switch (c->reg & 7) {
	case 0:
	case 1:
		insn->kind = MEDIO_INSN_TEST;
		insn->op = MEDIO_INSN_TST;
		set_imm(c, insn, size == 8 ? 4 : size);
		return 0;
	case 2:
		insn->op = MEDIO_INSN_NOT;
		return 0;
	case 3:
		insn->op = MEDIO_INSN_NEG;
		return 0;
	default:
		return -EINVAL;
	}
}

static int string(struct cursor *c, struct medio_insn *insn, enum medio_insn_op op, bool byte)
{
	if (c->addr32)
		return -EINVAL;
	insn->kind = MEDIO_INSN_STRING;
	insn->op = op;
	insn->size = operand(c, byte);
	insn->rep = c->rep || c->repne;
	insn->base = 7;
	return 0;
}

/* a0 to a3: the accumulator and an address of 64 bits. */
static void absolute(struct cursor *c, struct medio_insn *insn, unsigned opcode)
{
	insn->kind = opcode & 2 ? MEDIO_INSN_STORE : MEDIO_INSN_LOAD;
	insn->size = operand(c, !(opcode & 1));
	insn->dest_size = insn->size;
	insn->disp = (int64_t)fetch(c, c->addr32 ? 4 : 8);
}

static int one_byte(struct cursor *c, struct medio_insn *insn, unsigned opcode)
{
	bool byte = !(opcode & 1);
	unsigned size = operand(c, byte);

	if (opcode < 0x40)
		return arithmetic(c, insn, opcode);
	switch (opcode) {
	case 0x63:
		if (c->opsize && !(c->rex & REX_W))
			return -EINVAL;
		extend(c, insn, 4, true);
		return 0;
	case 0x80:
	case 0x81:
	case 0x83:
		arithmetic_imm(c, insn, opcode);
		return 0;
	case 0x84:
	case 0x85:
		plain(c, insn, MEDIO_INSN_TEST, size);
		insn->op = MEDIO_INSN_TST;
		return 0;
	case 0x86:
	case 0x87:
		plain(c, insn, MEDIO_INSN_RMW, size);
		insn->op = MEDIO_INSN_XCHG;
		return 0;
	case 0x88:
	case 0x89:
		plain(c, insn, MEDIO_INSN_STORE, size);
		return 0;
	case 0x8a:
	case 0x8b:
		plain(c, insn, MEDIO_INSN_LOAD, size);
		return 0;
	case 0xa0:
	case 0xa1:
	case 0xa2:
	case 0xa3:
		absolute(c, insn, opcode);
		return 0;
	case 0xa4:
	case 0xa5:
		return string(c, insn, MEDIO_INSN_MOVS, byte);
	case 0xaa:
	case 0xab:
		return string(c, insn, MEDIO_INSN_STOS, byte);
	case 0xac:
	case 0xad:
		return string(c, insn, MEDIO_INSN_LODS, byte);
	case 0xc6:
	case 0xc7:
		plain(c, insn, MEDIO_INSN_STORE, size);
		insn->high = false;
		set_imm(c, insn, size == 8 ? 4 : size);
		return c->reg & 7 ? -EINVAL : 0;
	case 0xf6:
	case 0xf7:
		return group3(c, insn, byte);
	case 0xfe:
	case 0xff:
		plain(c, insn, MEDIO_INSN_RMW, size);
		insn->high = false;
		insn->op = c->reg & 1 ? MEDIO_INSN_DEC : MEDIO_INSN_INC;
		return (c->reg & 7) > 1 ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

/* Which of four instructions an opcode of vectors means: none, 66, f3, f2. */
static unsigned mandatory(const struct cursor *c)
{
	if (c->rep)
		return 2;
	if (c->repne)
		return 3;
	return c->opsize ? 1 : 0;
}

/*
 * Moves of vectors (map 0f): the opcode, which prefixes it may have (bit n: mandatory() is n), bytes it moves (0: a
 * whole register; 1: 4, or 8 with W), and what it is. For VEX and EVEX the same, but for those that keep a part of
 * their register, which have three operands there.
 */
struct vector_move {
	uint8_t map, opcode, prefixes, size;
	bool store, keep;
	uint8_t part;
};

static const struct vector_move vector_moves[] = {
	{ 1, 0x10, 1 << 0 | 1 << 1, 0, false, false, 0 }, /* movups, movupd */
	{ 1, 0x11, 1 << 0 | 1 << 1, 0, true, false, 0 },
	{ 1, 0x10, 1 << 2, 4, false, false, 0 },					 /* movss */
	{ 1, 0x11, 1 << 2, 4, true, false, 0 }, { 1, 0x10, 1 << 3, 8, false, false, 0 }, /* movsd */
	{ 1, 0x11, 1 << 3, 8, true, false, 0 },
	{ 1, 0x12, 1 << 0 | 1 << 1, 8, false, true, 0 }, /* movlps, movlpd */
	{ 1, 0x13, 1 << 0 | 1 << 1, 8, true, false, 0 },
	{ 1, 0x16, 1 << 0 | 1 << 1, 8, false, true, 8 }, /* movhps, movhpd */
	{ 1, 0x17, 1 << 0 | 1 << 1, 8, true, false, 8 },
	{ 1, 0x28, 1 << 0 | 1 << 1, 0, false, false, 0 }, /* movaps, movapd */
	{ 1, 0x29, 1 << 0 | 1 << 1, 0, true, false, 0 },
	{ 1, 0x2b, 1 << 0 | 1 << 1, 0, true, false, 0 },  /* movntps, movntpd */
	{ 1, 0x6e, 1 << 1, 1, false, false, 0 },	  /* movd, movq */
	{ 1, 0x6f, 1 << 1 | 1 << 2, 0, false, false, 0 }, /* movdqa, movdqu */
	{ 1, 0x7e, 1 << 1, 1, true, false, 0 },		  /* movd, movq */
	{ 1, 0x7e, 1 << 2, 8, false, false, 0 },	  /* movq */
	{ 1, 0x7f, 1 << 1 | 1 << 2, 0, true, false, 0 },  /* movdqa, movdqu */
	{ 1, 0xd6, 1 << 1, 8, true, false, 0 },		  /* movq */
	{ 1, 0xe7, 1 << 1, 0, true, false, 0 },		  /* movntdq */
	{ 1, 0xf0, 1 << 3, 0, false, false, 0 },	  /* lddqu */
	{ 2, 0x2a, 1 << 1, 0, false, false, 0 },	  /* movntdqa */
};

/* width: of a whole register, 16, 32 or 64; clear: as far as a load zeroes it; evex: displacements are scaled. */
static int vector_move(struct cursor *c, struct medio_insn *insn, unsigned map, unsigned opcode,
	unsigned width, unsigned clear, bool evex)
{
	for (size_t i = 0; i < sizeof(vector_moves) / sizeof(vector_moves[0]); i++) {
		const struct vector_move *m = &vector_moves[i];

		if (m->map != map || m->opcode != opcode || !(m->prefixes & 1 << mandatory(c)))
			continue;
		if (m->keep && clear > 16)
			return -EINVAL;
		insn->vector = true;
		insn->kind = m->store ? MEDIO_INSN_STORE : MEDIO_INSN_LOAD;
		insn->size = m->size > 1 ? m->size : width;
		if (m->size == 1)
			insn->size = c->rex & REX_W ? 8 : 4;
		insn->part = m->part;
		insn->dest_size = m->keep ? m->part + insn->size : clear;
		modrm(c, insn, evex ? insn->size : 1);
		insn->reg = c->reg;
		return 0;
	}
	return -EINVAL;
}

static int two_bytes(struct cursor *c, struct medio_insn *insn)
{
	unsigned opcode = (unsigned)fetch(c, 1);
	unsigned size = operand(c, !(opcode & 1));

	switch (opcode) {
	case 0x38: {
		unsigned third = (unsigned)fetch(c, 1);

		if ((third == 0xf0 || third == 0xf1) && !c->rep && !c->repne) { /* movbe */
			plain(c, insn, third & 1 ? MEDIO_INSN_STORE : MEDIO_INSN_LOAD,
				operand(c, false));
			insn->swap = true;
			return 0;
		}
		if (third == 0xf9 && mandatory(c) == 0) { /* movdiri */
			plain(c, insn, MEDIO_INSN_STORE, operand(c, false));
			return 0;
		}
		return vector_move(c, insn, 2, third, 16, 16, false);
	}
	case 0x40 ... 0x4f: /* cmovcc */
		plain(c, insn, MEDIO_INSN_ALU, operand(c, false));
		insn->op = MEDIO_INSN_CMOV;
		insn->imm = opcode & 15;
		return 0;
	case 0x90 ... 0x9f: /* setcc */
		plain(c, insn, MEDIO_INSN_STORE, 1);
		insn->op = MEDIO_INSN_SETCC;
		insn->high = false;
		insn->has_imm = true;
		insn->imm = opcode & 15;
		return 0;
	case 0xaf:
		plain(c, insn, MEDIO_INSN_ALU, operand(c, false));
		insn->op = MEDIO_INSN_IMUL;
		return 0;
	case 0xb0:
	case 0xb1:
		plain(c, insn, MEDIO_INSN_RMW, size);
		insn->op = MEDIO_INSN_CMPXCHG;
		return 0;
	case 0xc0:
	case 0xc1:
		plain(c, insn, MEDIO_INSN_RMW, size);
		insn->op = MEDIO_INSN_XADD;
		return 0;
	case 0xb6:
	case 0xb7:
	case 0xbe:
	case 0xbf:
		extend(c, insn, opcode & 1 ? 2 : 1, opcode & 8);
		return 0;
	case 0xba:
		plain(c, insn, MEDIO_INSN_RMW, operand(c, false));
		if ((c->reg & 7) < 4)
			return -EINVAL;
		insn->op = MEDIO_INSN_BT + (c->reg & 3);
		if (insn->op == MEDIO_INSN_BT)
			insn->kind = MEDIO_INSN_TEST;
		set_imm(c, insn, 1);
		insn->imm &= insn->size * 8 - 1;
		return 0;
	case 0xc3: /* movnti */
		if (mandatory(c) != 0)
			return -EINVAL;
		plain(c, insn, MEDIO_INSN_STORE, operand(c, false));
		return 0;
	default:
		return vector_move(c, insn, 1, opcode, 16, 16, false);
	}
}

/* What VEX and EVEX say in two bits of the prefixes they stand for. */
static void implied(struct cursor *c, unsigned pp)
{
	c->opsize = pp == 1;
	c->rep = pp == 2;
	c->repne = pp == 3;
}

/* VEX (SDM 2.3.5): after c4, ~R ~X ~B and the map, then W ~vvvv L pp; after c5, ~R ~vvvv L pp. */
static int vex(struct cursor *c, struct medio_insn *insn, bool two)
{
	unsigned map = 1, b = (unsigned)fetch(c, 1), last = b, width;

	if (c->opsize || c->rep || c->repne || c->has_rex)
		return -EINVAL;
	c->rex = b & 0x80 ? 0 : REX_R;
	if (!two) {
		map = b & 31;
		c->rex |= (b & 0x40 ? 0 : REX_X) | (b & 0x20 ? 0 : REX_B);
		last = (unsigned)fetch(c, 1);
		c->rex |= last & 0x80 ? REX_W : 0;
	}
	if ((last & 0x78) != 0x78) /* a third operand */
		return -EINVAL;
	implied(c, last & 3);
	width = last & 4 ? 32 : 16;
	return vector_move(c, insn, map, (unsigned)fetch(c, 1), width, MEDIO_INSN_VECTOR, false);
}

/* Of how many bytes the elements are that a mask counts; 0: no mask can be used. */
static unsigned mask_element(const struct cursor *c, unsigned opcode)
{
	bool wide = c->rex & REX_W;

	switch (opcode) {
	case 0x10: /* those of floating point */
	case 0x11:
	case 0x28:
	case 0x29:
		return c->rep || c->repne ? 0 : c->opsize ? 8 : 4;
	case 0x6f:
	case 0x7f:
		if (c->repne)
			return wide ? 2 : 1;
		return wide ? 8 : 4;
	default:
		return 0;
	}
}

/*
 * EVEX (SDM 2.7.1): ~R ~X ~B ~R' 0 and the map; W ~vvvv 1 pp; z L'L b ~V' aaa. Without broadcast. f2 with 6f and 7f are
 * vmovdqu8 and 16.
 */
static int evex(struct cursor *c, struct medio_insn *insn)
{
	unsigned p0 = (unsigned)fetch(c, 1), p1 = (unsigned)fetch(c, 1), p2 = (unsigned)fetch(c, 1);
	unsigned opcode = (unsigned)fetch(c, 1), length = p2 >> 5 & 3;
	int r;

	if (c->opsize || c->rep || c->repne || c->has_rex)
		return -EINVAL;
	if ((p0 & 8) || (p1 & 0x7c) != 0x7c || (p2 & 0x18) != 8 || length == 3)
		return -EINVAL;
	c->rex = (p0 & 0x80 ? 0 : REX_R) | (p0 & 0x40 ? 0 : REX_X) | (p0 & 0x20 ? 0 : REX_B) |
		 (p1 & 0x80 ? REX_W : 0);
	implied(c, p1 & 3);
	insn->mask = p2 & 7;
	insn->zero = p2 & 0x80;
	insn->element = mask_element(c, opcode);
	if (c->repne && (p0 & 7) == 1 && (opcode == 0x6f || opcode == 0x7f))
		implied(c, 2);
	r = vector_move(c, insn, p0 & 7, opcode, 16U << length, MEDIO_INSN_VECTOR, true);
	if (!r && !(p0 & 0x10))
		insn->reg += 16;
	/* A mask is for whole registers, and nothing is zeroed in memory. */
	if (!r && insn->mask && (insn->size != 16U << length || (p0 & 7) != 1 || !insn->element))
		return -EINVAL;
	if (!r && insn->zero && (!insn->mask || insn->kind != MEDIO_INSN_LOAD))
		return -EINVAL;
	return r;
}

int medio_insn_decode(const uint8_t *bytes, size_t size, struct medio_insn *out)
{
	struct medio_insn insn = { .base = MEDIO_INSN_NONE, .index = MEDIO_INSN_NONE };
	struct cursor c = { .bytes = bytes, .size = size < MEDIO_INSN_MAX ? size : MEDIO_INSN_MAX };
	unsigned opcode;
	int r;

	prefixes(&c, &insn);
	opcode = (unsigned)fetch(&c, 1);
	if (c.bad)
		return -EINVAL;
	switch (opcode) {
	case 0x0f:
		r = two_bytes(&c, &insn);
		break;
	case 0xc4:
	case 0xc5:
		r = vex(&c, &insn, opcode == 0xc5);
		break;
	case 0x62:
		r = evex(&c, &insn);
		break;
	default:
		r = one_byte(&c, &insn, opcode);
	}
	if (r < 0 || c.bad)
		return -EINVAL;
	insn.addr32 = c.addr32;
	insn.length = (unsigned)c.pos;
	*out = insn;
	return 0;
}
