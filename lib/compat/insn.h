/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One x86-64 instruction that has touched a register of a device: how much it moves, which way, from or to where
 * (insn.c), and what it does (insn_run.c). Those that compilers make of accesses to volatile and atomic variables, and those
 * that memcpy() and memset() are made of, up to AVX-512. Pure: bytes and registers in, registers out.
 * Source: Intel SDM, volume 2, chapters 2 to 5.
 */
#ifndef MEDIO_COMPAT_INSN_H
#define MEDIO_COMPAT_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEDIO_INSN_MAX	  15 /* bytes of the longest instruction */
#define MEDIO_INSN_VECTOR 64 /* bytes of the widest register */

enum medio_insn_kind {
	MEDIO_INSN_LOAD,  /* memory to a register */
	MEDIO_INSN_STORE, /* a register or an immediate to memory */
	MEDIO_INSN_TEST,  /* memory compared with something: only flags change (test, cmp, bt) */
	MEDIO_INSN_RMW,	  /* or, and, add, xchg … with memory as destination */
	MEDIO_INSN_ALU,	  /* the same with a register as destination */
	MEDIO_INSN_STRING /* movs, stos, lods, with or without rep */
};

enum medio_insn_op {
	MEDIO_INSN_ADD, /* the first eight as the processor numbers them */
	MEDIO_INSN_OR,
	MEDIO_INSN_ADC,
	MEDIO_INSN_SBB,
	MEDIO_INSN_AND,
	MEDIO_INSN_SUB,
	MEDIO_INSN_XOR,
	MEDIO_INSN_CMP,
	MEDIO_INSN_TST,
	MEDIO_INSN_IMUL,
	MEDIO_INSN_CMOV,  /* imm: the condition */
	MEDIO_INSN_SETCC, /* STORE; imm: the condition */
	MEDIO_INSN_XCHG,
	MEDIO_INSN_XADD,
	MEDIO_INSN_CMPXCHG,
	MEDIO_INSN_INC,
	MEDIO_INSN_DEC,
	MEDIO_INSN_NOT,
	MEDIO_INSN_NEG,
	MEDIO_INSN_BT, /* four as the processor numbers them; imm: the bit */
	MEDIO_INSN_BTS,
	MEDIO_INSN_BTR,
	MEDIO_INSN_BTC,
	MEDIO_INSN_MOVS,
	MEDIO_INSN_STOS,
	MEDIO_INSN_LODS
};

enum {
	MEDIO_INSN_NONE = 16, /* base, index: there is none */
	MEDIO_INSN_RIP = 17,  /* base: the next instruction */
};

enum medio_insn_segment { MEDIO_INSN_FLAT, MEDIO_INSN_FS, MEDIO_INSN_GS };

struct medio_insn {
	enum medio_insn_kind kind;
	unsigned length; /* bytes */
	unsigned
		size; /* bytes of memory touched: 1, 2, 4, 8, 16, 32, 64; of one element (STRING) */
	unsigned reg; /* 0 to 15: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 …; xmm0 to 31 */
	bool vector;  /* reg is a vector register */
	bool high;    /* reg is ah, ch, dh, bh: 0 to 3 */
	bool has_imm; /* instead of reg */
	uint64_t imm; /* sign-extended to 64 bits */
	unsigned
		dest_size; /* LOAD: bytes of reg that change; 4 clears the upper half. vector: bytes up to
			       which it is zeroed */
	unsigned part;		/* vector: the first byte of reg that moves */
	unsigned mask, element; /* vector: elements of so many bytes move, those that mask register
				   1 to 7 names; 0: all */
	bool zero;		/* LOAD: those that do not are zeroed */
	bool sign;		/* LOAD: extended with the sign */
	bool swap;		/* LOAD, STORE: the bytes are reversed (movbe) */
	bool reg_first;		/* TEST: reg - memory rather than memory - reg */
	enum medio_insn_op op;	/* TEST, RMW, ALU, STRING; STORE: only of SETCC is it said */
	bool rep;

	/* Where: base + index * scale + disp, in a segment. STRING: rdi, and rsi in the segment. */
	unsigned base, index, scale;
	int64_t disp;
	enum medio_insn_segment segment;
	bool addr32;
};

/* 0, or -EINVAL: not one of those known. Reads no more than size bytes. */
int medio_insn_decode(const uint8_t *bytes, size_t size, struct medio_insn *out);

struct medio_insn_regs {
	uint64_t gpr[16];
	uint64_t rip, flags; /* flags: as in the processor's register */
	uint64_t fs_base, gs_base;
	/* 32 of them; used if insn->vector alone. */
	uint8_t (*vector)[MEDIO_INSN_VECTOR];
	uint64_t mask[8]; /* k0 to k7, if insn->mask alone */
};

/* Memory, wherever it is. 0, or -errno, with which the instruction ends half way. */
struct medio_insn_bus {
	int (*read)(void *opaque, uint64_t addr, void *buf, size_t size);
	int (*write)(void *opaque, uint64_t addr, const void *buf, size_t size);
	void *opaque;
};

/* The address it touches. STRING: movs touches this one, which it writes, and rsi's; lods only rsi's. */
uint64_t medio_insn_address(const struct medio_insn *insn, const struct medio_insn_regs *regs);
/* What movs and lods read. */
uint64_t medio_insn_source(const struct medio_insn *insn, const struct medio_insn_regs *regs);

/* Elements of a repeated string instruction that are done at once. Then rip stays, as after an interrupt. */
#define MEDIO_INSN_REPEAT 256

/*
 * Do it: registers, flags and rip are then as after it. After an error of the bus nothing has changed, but for the elements of
 * a string instruction that were done, and for what was read.
 */
int medio_insn_run(const struct medio_insn *insn, struct medio_insn_regs *regs,
	const struct medio_insn_bus *bus);

#endif
