/* SPDX-License-Identifier: BSD-3-Clause */
/* Instructions that touch registers of devices: bytes that compilers have made of accesses, and what they are. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compat/insn.h"

struct decoded {
	const char *text;
	uint8_t bytes[MEDIO_INSN_MAX];
	struct medio_insn insn;
};

#define ABS .base = MEDIO_INSN_NONE
#define NOX .index = MEDIO_INSN_NONE

static const struct decoded decodes[] = {
	{ "mov 0x14(%rip),%eax", { 0x8b, 0x05, 0x14, 0, 0, 0 },
		{ MEDIO_INSN_LOAD, 6, 4, .dest_size = 4, .base = MEDIO_INSN_RIP, NOX,
			.disp = 0x14 } },
	{ "mov %fs:0x28,%rax", { 0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0 },
		{ MEDIO_INSN_LOAD, 9, 8, .dest_size = 8, ABS, NOX, .scale = 1, .disp = 0x28,
			.segment = MEDIO_INSN_FS } },
	{ "movabs 0x1122334455667788,%al", { 0xa0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11 },
		{ MEDIO_INSN_LOAD, 9, 1, .dest_size = 1, ABS, NOX, .disp = 0x1122334455667788 } },
	{ "movabs %eax,0x1122334455667788",
		{ 0xa3, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11 },
		{ MEDIO_INSN_STORE, 9, 4, .dest_size = 4, ABS, NOX, .disp = 0x1122334455667788 } },
	{ "movl $0x1,0x2000(%r13,%r12,8)", { 0x43, 0xc7, 0x84, 0xe5, 0, 0x20, 0, 0, 1, 0, 0, 0 },
		{ MEDIO_INSN_STORE, 12, 4, .dest_size = 4, .has_imm = true, .imm = 1, .base = 13,
			.index = 12, .scale = 8, .disp = 0x2000 } },
	{ "mov (%rsp),%r12d", { 0x44, 0x8b, 0x24, 0x24 },
		{ MEDIO_INSN_LOAD, 4, 4, 12, .dest_size = 4, .base = 4, NOX, .scale = 1 } },
	{ "mov 0x0(%r13),%al", { 0x41, 0x8a, 0x45, 0 },
		{ MEDIO_INSN_LOAD, 4, 1, .dest_size = 1, .base = 13, NOX } },
	{ "mov (%edi),%eax", { 0x67, 0x8b, 0x07 },
		{ MEDIO_INSN_LOAD, 3, 4, .dest_size = 4, .base = 7, NOX, .addr32 = true } },
	{ "movbe (%rdi),%eax", { 0x0f, 0x38, 0xf0, 0x07 },
		{ MEDIO_INSN_LOAD, 4, 4, .dest_size = 4, .swap = true, .base = 7, NOX } },
	{ "movbe %ax,(%rdi)", { 0x66, 0x0f, 0x38, 0xf1, 0x07 },
		{ MEDIO_INSN_STORE, 5, 2, .dest_size = 2, .swap = true, .base = 7, NOX } },
	{ "movdiri %eax,(%rdx)", { 0x0f, 0x38, 0xf9, 0x02 },
		{ MEDIO_INSN_STORE, 4, 4, .dest_size = 4, .base = 2, NOX } },
	{ "movntdqa (%rdi),%xmm1", { 0x66, 0x0f, 0x38, 0x2a, 0x0f },
		{ MEDIO_INSN_LOAD, 5, 16, 1, .vector = true, .dest_size = 16, .base = 7, NOX } },
	{ "vmovdqu64 -0x40(%rsi),%zmm19", { 0x62, 0xe1, 0xfe, 0x48, 0x6f, 0x5e, 0xff },
		{ MEDIO_INSN_LOAD, 7, 64, 19, .vector = true, .dest_size = 64, .base = 6, NOX,
			.disp = -64 } },
	{ "vmovdqu8 %ymm16,0x20(%rdi)", { 0x62, 0xe1, 0x7f, 0x28, 0x7f, 0x47, 0x01 },
		{ MEDIO_INSN_STORE, 7, 32, 16, .vector = true, .dest_size = 64, .base = 7, NOX,
			.disp = 32 } },
	{ "vmovq %xmm17,0x8(%rdi)", { 0x62, 0xe1, 0xfd, 0x08, 0xd6, 0x4f, 0x01 },
		{ MEDIO_INSN_STORE, 7, 8, 17, .vector = true, .dest_size = 64, .base = 7, NOX,
			.disp = 8 } },
	{ "rep movsb", { 0xf3, 0xa4 },
		{ MEDIO_INSN_STRING, 2, 1, .op = MEDIO_INSN_MOVS, .rep = true, .base = 7, NOX } },
	{ "testb $0x1,(%rdi)", { 0xf6, 0x07, 0x01 },
		{ MEDIO_INSN_TEST, 3, 1, .has_imm = true, .imm = 1, .dest_size = 1,
			.op = MEDIO_INSN_TST, .base = 7, NOX } },
	{ "orl $0xffffff80,0x1c(%rax)", { 0x83, 0x48, 0x1c, 0x80 },
		{ MEDIO_INSN_RMW, 4, 4, 1, .has_imm = true, .imm = (uint64_t)-128, .dest_size = 4,
			.op = MEDIO_INSN_OR, .base = 0, NOX, .disp = 0x1c } },
};

static void what_compilers_write_is_decoded(void **state)
{
	for (size_t i = 0; i < sizeof(decodes) / sizeof(decodes[0]); i++) {
		const struct decoded *d = &decodes[i];
		struct medio_insn insn;
		struct medio_insn want = d->insn;

		if (medio_insn_decode(d->bytes, MEDIO_INSN_MAX, &insn) < 0)
			fail_msg("%s: unknown", d->text);
		want.reg = d->insn.has_imm ? insn.reg : d->insn.reg;
		if (insn.kind != want.kind || insn.length != want.length ||
			insn.size != want.size || insn.reg != want.reg ||
			insn.vector != want.vector || insn.high != want.high ||
			insn.has_imm != want.has_imm || insn.imm != want.imm ||
			insn.sign != want.sign || insn.swap != want.swap || insn.rep != want.rep ||
			insn.addr32 != want.addr32)
			fail_msg("%s: something else", d->text);
		if (insn.kind == MEDIO_INSN_LOAD && insn.dest_size != want.dest_size)
			fail_msg("%s: fills %u bytes", d->text, insn.dest_size);
		if ((insn.kind == MEDIO_INSN_TEST || insn.kind == MEDIO_INSN_RMW ||
			    insn.kind == MEDIO_INSN_STRING) &&
			insn.op != want.op)
			fail_msg("%s: another operation", d->text);
		if (insn.base != want.base || insn.index != want.index || insn.disp != want.disp ||
			insn.segment != want.segment ||
			(want.index != MEDIO_INSN_NONE && insn.scale != want.scale))
			fail_msg("%s: elsewhere", d->text);
		/* Cut short it is nothing, and is not read beyond its end. */
		for (unsigned n = 0; n < want.length; n++) {
			uint8_t *cut = malloc(n + 1);

			assert_non_null(cut);
			memcpy(cut, d->bytes, n);
			assert_int_equal(medio_insn_decode(cut, n, &insn), -EINVAL);
			free(cut);
		}
	}
}

static void what_touches_no_memory_or_is_not_known_is_refused(void **state)
{
	static const struct {
		uint8_t bytes[MEDIO_INSN_MAX];
	} others[] = {
		{ { 0x89, 0xc8 } },			       /* mov %ecx,%eax */
		{ { 0x0f, 0x05 } },			       /* syscall */
		{ { 0xff, 0x10 } },			       /* call *(%rax) */
		{ { 0xff, 0x30 } },			       /* push (%rax) */
		{ { 0xf7, 0x30 } },			       /* div (%rax) */
		{ { 0x0f, 0xb0 | 0xf, 0xc0 } },		       /* movsx %ax,%eax */
		{ { 0xf2, 0x0f, 0x38, 0xf1, 0x07 } },	       /* crc32 (%rdi),%eax */
		{ { 0x0f, 0x6f, 0x07 } },		       /* movq (%rdi),%mm0 */
		{ { 0xc5, 0xf0, 0x12, 0x07 } },		       /* vmovlps (%rdi),%xmm1,%xmm0 */
		{ { 0x62, 0xf1, 0x7f, 0xa9, 0x7f, 0x47, 1 } }, /* vmovdqu8 %ymm0,32(%rdi){%k1}{z} */
		{ { 0x62, 0xf1, 0x7d, 0x29, 0xe7, 0x07 } },    /* vmovntdq %ymm0,(%rdi){%k1} */
		{ { 0x67, 0xf3, 0xa4 } },		       /* rep movsb (%esi),(%edi) */
		{ { 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
			0x66, 0x8b } },		/* too long */
		{ { 0xc7, 0x08, 1, 0, 0, 0 } }, /* no such mov */
	};
	struct medio_insn insn;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(
			medio_insn_decode(others[i].bytes, MEDIO_INSN_MAX, &insn), -EINVAL);
}

static void addresses_are_made_of_all_their_parts(void **state)
{
	struct medio_insn insn = { .length = 5, .base = 3, .index = 9, .scale = 4, .disp = -16 };
	struct medio_insn_regs regs = { .gpr = { [3] = 0x10000, [9] = 0x100 },
		.rip = 0x400000,
		.fs_base = 0x7000000000,
		.gs_base = 0x1000 };

	assert_int_equal(medio_insn_address(&insn, &regs), 0x10000 + 0x400 - 16);
	insn.segment = MEDIO_INSN_FS;
	assert_int_equal(medio_insn_address(&insn, &regs), 0x7000000000 + 0x10000 + 0x400 - 16);
	insn.segment = MEDIO_INSN_GS;
	insn.index = MEDIO_INSN_NONE;
	assert_int_equal(medio_insn_address(&insn, &regs), 0x1000 + 0x10000 - 16);
	insn.segment = MEDIO_INSN_FLAT;
	insn.base = MEDIO_INSN_RIP;
	assert_int_equal(medio_insn_address(&insn, &regs), 0x400005 - 16);
	insn.base = 3;
	insn.addr32 = true;
	regs.gpr[3] = UINT64_C(0x5500000020);
	assert_int_equal(medio_insn_address(&insn, &regs), 0x10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_compilers_write_is_decoded),
		cmocka_unit_test(what_touches_no_memory_or_is_not_known_is_refused),
		cmocka_unit_test(addresses_are_made_of_all_their_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
