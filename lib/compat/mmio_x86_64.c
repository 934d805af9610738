/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/mmio_cpu.h"

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#define CODE_64 0x33 /* the code segment of 64-bit programs */

/*
 * The vector registers as ptrace(2) gives them, in XSAVE's standard form (SDM volume 1, 13.4): xmm0 to 15 at 160, which
 * parts are not as after a reset at 512, the upper halves of ymm and zmm where CPUID leaf 13 says.
 */
#define XSAVE_MAX    16384
#define XSAVE_XMM    160
#define XSAVE_IN_USE 512
enum { PART_SSE = 1, PART_AVX = 2, PART_MASK = 5, PART_HI256 = 6, PART_HI16 = 7 };

struct vectors {
	uint8_t raw[XSAVE_MAX];
	size_t size;
	uint8_t values[32][MEDIO_INSN_VECTOR];
};

bool medio_mmio_cpu_known(void)
{
	return true;
}

/* Where a part begins; 0: the processor, or the kernel, has none. */
static size_t part_at(unsigned part, size_t size)
{
	unsigned length, at, c, d;

	if (!__get_cpuid_count(13, part, &length, &at, &c, &d) || !length)
		return 0;
	return at + (size_t)length <= size ? at : 0;
}

/* Bytes [from, from + size) of registers [first, first + 16), which lie in raw at at. */
static void copy_part(
	struct vectors *v, size_t at, unsigned first, size_t from, size_t size, bool out)
{
	for (unsigned i = 0; at && i < 16; i++) {
		uint8_t *raw = v->raw + at + i * size, *value = v->values[first + i] + from;

		memcpy(out ? raw : value, out ? value : raw, size);
	}
}

static void copy_all(struct vectors *v, bool out)
{
	copy_part(v, XSAVE_XMM, 0, 0, 16, out);
	copy_part(v, part_at(PART_AVX, v->size), 0, 16, 16, out);
	copy_part(v, part_at(PART_HI256, v->size), 0, 32, 32, out);
	copy_part(v, part_at(PART_HI16, v->size), 16, 0, 64, out);
}

static int get_vectors(pid_t tid, struct vectors *v)
{
	struct iovec iov = { v->raw, sizeof(v->raw) };

	memset(v->values, 0, sizeof(v->values));
	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_X86_XSTATE, &iov) < 0)
		return errno == ESRCH ? -ESRCH : -EINVAL;
	v->size = iov.iov_len;
	copy_all(v, false);
	return 0;
}

static int set_vectors(pid_t tid, struct vectors *v)
{
	struct iovec iov = { v->raw, v->size };
	uint64_t in_use;

	memcpy(&in_use, v->raw + XSAVE_IN_USE, sizeof(in_use));
	in_use |= 1 << PART_SSE;
	for (unsigned part = PART_AVX; part <= PART_HI16; part++) {
		if ((part == PART_AVX || part >= PART_HI256) && part_at(part, v->size))
			in_use |= 1 << part;
	}
	if (part_at(PART_HI256, v->size))
		in_use |= 1 << PART_MASK; /* they go together */
	memcpy(v->raw + XSAVE_IN_USE, &in_use, sizeof(in_use));
	copy_all(v, true);
	return ptrace(PTRACE_SETREGSET, tid, (void *)NT_X86_XSTATE, &iov) < 0 ? -ESRCH : 0;
}

/* In the order in which instructions number them. */
static void copy_regs(struct user_regs_struct *user, struct medio_insn_regs *regs, bool out)
{
	unsigned long long *const order[16] = { &user->rax, &user->rcx, &user->rdx, &user->rbx,
		&user->rsp, &user->rbp, &user->rsi, &user->rdi, &user->r8, &user->r9, &user->r10,
		&user->r11, &user->r12, &user->r13, &user->r14, &user->r15 };

	for (unsigned i = 0; i < 16; i++) {
		if (out)
			*order[i] = regs->gpr[i];
		else
			regs->gpr[i] = *order[i];
	}
	if (out) {
		user->rip = regs->rip;
		user->eflags = regs->flags;
	} else {
		regs->rip = user->rip;
		regs->flags = user->eflags;
		regs->fs_base = user->fs_base;
		regs->gs_base = user->gs_base;
	}
}

static bool touches(const struct medio_insn *insn, const struct medio_insn_regs *regs,
	medio_mmio_cpu_traps *traps, void *opaque)
{
	if (traps(opaque, medio_insn_address(insn, regs)))
		return true;
	return insn->kind == MEDIO_INSN_STRING && insn->op == MEDIO_INSN_MOVS &&
	       traps(opaque, medio_insn_source(insn, regs));
}

int medio_mmio_cpu_step(pid_t tid, medio_mmio_cpu_code *code, medio_mmio_cpu_traps *traps,
	const struct medio_insn_bus *bus, uint64_t *at, uint8_t bytes[MEDIO_INSN_MAX])
{
	static struct vectors vectors; /* one thread is stopped at a time, by one thread */
	struct user_regs_struct user;
	struct iovec iov = { &user, sizeof(user) };
	struct medio_insn insn;
	struct medio_insn_regs regs;
	uint64_t start;
	int ret;

	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &iov) < 0)
		return -ESRCH;
	/* After a fault it is in no system call. */
	if (user.cs != CODE_64 || (int64_t)user.orig_rax >= 0)
		return -EAGAIN;
	*at = user.rip;
	memset(bytes, 0, MEDIO_INSN_MAX);
	size_t size = code(bus->opaque, user.rip, bytes, MEDIO_INSN_MAX);
	if (medio_insn_decode(bytes, size, &insn) < 0)
		return -EINVAL;
	copy_regs(&user, &regs, false);
	if (!touches(&insn, &regs, traps, bus->opaque))
		return -EAGAIN;
	regs.vector = insn.vector ? vectors.values : NULL;
	ret = insn.vector ? get_vectors(tid, &vectors) : 0;
	if (ret)
		return ret;
	if (insn.mask && part_at(PART_MASK, vectors.size))
		memcpy(regs.mask, vectors.raw + part_at(PART_MASK, vectors.size),
			sizeof(regs.mask));
	start = regs.rip;
	ret = medio_insn_run(&insn, &regs, bus);
	/* Of a repeated one some elements may have been done before the error. */
	if (ret && !(insn.kind == MEDIO_INSN_STRING && insn.rep && regs.rip == start))
		return ret;
	copy_regs(&user, &regs, true);
	if (insn.vector && insn.kind == MEDIO_INSN_LOAD && set_vectors(tid, &vectors))
		return -ESRCH;
	if (ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &iov) < 0)
		return -ESRCH;
	return ret;
}
