/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Instructions that touch registers of devices do what the processor does. For x86-64 alone. The assembler
 * writes the instructions, the processor does them, and lib/compat does them on the same registers and memory.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compat/insn.h"

#define FLAGS 0x8d5u /* carry, parity, adjust, zero, sign, overflow */

/* What the instructions are entered with, and left with. The processor's stack pointer is not theirs. */
struct native_state {
	uint64_t gpr[16];
	uint64_t flags;
};

extern struct native_state native_state;
struct native_state native_state;
extern const void *native_code;
const void *native_code;
extern uint8_t native_vector[2][32];
uint8_t native_vector[2][32];
void native_enter(void);
void native_enter_avx(void);
void native_enter_mask(void);
extern uint64_t native_mask;
uint64_t native_mask;

/*
 * native_enter() loads all registers and jumps to native_code, which ends with a jump to native_leave. xmm1 and xmm9 (with
 * AVX: ymm1 and ymm9) are what vectors are tested with.
 */
#define EACH_REGISTER(op) \
	op(0, "rax") op(1, "rcx") op(2, "rdx") op(3, "rbx") op(5, "rbp") op(6, "rsi") op(8, "r8") \
		op(9, "r9") op(10, "r10") op(11, "r11") op(12, "r12") op(13, "r13") op(14, "r14") \
			op(15, "r15")
#define LOAD_REGISTER(n, name)	"mov native_state+8*" #n "(%rip), %" name "\n"
#define STORE_REGISTER(n, name) "mov %" name ", native_state+8*" #n "(%rip)\n"

asm(".pushsection .text\n"
    ".hidden native_state, native_code, native_vector, native_mask\n"
    "native_enter_mask:\n"
    "kmovq native_mask(%rip), %k1\n"
    "native_enter_avx:\n"
    "vmovdqu native_vector(%rip), %ymm1\n"
    "vmovdqu native_vector+32(%rip), %ymm9\n"
    "jmp native_go\n"
    "native_enter:\n"
    "movdqu native_vector(%rip), %xmm1\n"
    "movdqu native_vector+32(%rip), %xmm9\n"
    "native_go:\n"
    "push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
    "pushq native_state+128(%rip)\n"
    "popfq\n" EACH_REGISTER(
	    LOAD_REGISTER) "mov native_state+56(%rip), %rdi\n"
			   "jmp *native_code(%rip)\n"
			   "native_leave:\n" EACH_REGISTER(
				   STORE_REGISTER) "mov %rdi, native_state+56(%rip)\n"
						   "pushfq\n"
						   "popq native_state+128(%rip)\n"
						   "cld\n"
						   "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n"
						   "ret\n"
						   /* What a vector instruction left, while nobody else has used the registers. */
						   "native_leave_sse:\n"
						   "movdqu %xmm1, native_vector(%rip)\n"
						   "movdqu %xmm9, native_vector+32(%rip)\n"
						   "jmp native_leave\n"
						   "native_leave_avx:\n"
						   "vmovdqu %ymm1, native_vector(%rip)\n"
						   "vmovdqu %ymm9, native_vector+32(%rip)\n"
						   "vzeroupper\n"
						   "jmp native_leave\n"
						   ".popsection\n");

struct line {
	const uint8_t *code, *end;
	const char *text;
};

/* A table of instructions: their code and words. */
#define LINE(leave, text) \
	".pushsection .text\n 771: " text "\n 772: jmp " leave "\n .popsection\n" \
	".pushsection .rodata.str1.1,\"aMS\",@progbits,1\n 773: .string \"" text \
	"\"\n .popsection\n" \
	".quad 771b, 772b, 773b\n"
#define TABLE(name, lines) \
	extern const struct line name[], name##_end[]; \
	asm(".pushsection .data.rel.ro,\"aw\"\n .balign 8\n .hidden " #name ", " #name "_end\n" \
	    ".globl " #name ", " #name "_end\n" #name ":\n" lines #name "_end:\n .popsection\n");

#define I(text) LINE("native_leave", text)
#define S(text) LINE("native_leave_sse", text)
#define A(text) LINE("native_leave_avx", text)

/* clang-format off */
/* The register's and the immediate's form of an operation, in four widths. */
#define WIDTHS_TO(op) \
	I(op " %al, (%rdi)") \
	I(op " %ah, 1(%rdi)") \
	I(op " %sil, (%rdi)") \
	I(op " %r9b, (%rdi)") \
	I(op " %cx, 2(%rdi)") I(op " %r10w, (%rdi)") I(op " %edx, (%rdi)") I(op " %r11d, 4(%rdi)") \
		I(op " %rbx, (%rdi)") I(op " %r15, 8(%rdi)")
#define WIDTHS_FROM(op) \
	I(op " (%rdi), %al") \
	I(op " 1(%rdi), %dh") \
	I(op " (%rdi), %bpl") \
	I(op " (%rdi), %r9b") \
	I(op " 2(%rdi), %cx") I(op " (%rdi), %edx") I(op " 4(%rdi), %r11d") I(op " (%rdi), %rbx") \
		I(op " 8(%rdi), %r14")
#define WIDTHS_IMM(op) \
	I(op "b $0x81, (%rdi)") \
	I(op "w $0x7fff, (%rdi)") \
	I(op "w $-2, (%rdi)") \
	I(op "l $0x80000001, (%rdi)") \
	I(op "l $3, 4(%rdi)") I(op "q $-77, (%rdi)") I(op "q $0x12345678, (%rdi)")
#define WIDTHS_ONE(op) \
	I(op "b (%rdi)") I(op "w (%rdi)") I(op "l (%rdi)") I(op "q (%rdi)") I("lock " op "l (%rdi)")
#define CMOV(cc) \
	I("set" cc " 3(%rdi)") \
	I("cmov" cc " (%rdi), %ecx") I("cmov" cc " (%rdi), %r8") I("cmov" cc " (%rdi), %dx")

TABLE(moves, WIDTHS_TO("mov") WIDTHS_FROM("mov") WIDTHS_IMM("mov") I("movzbl (%rdi), %eax") I(
		     "movzbw (%rdi), %cx") I("movzbq (%rdi), %r9") I("movzwl (%rdi), %edx")
		     I("movzwq (%rdi), %rbp") I("movsbl (%rdi), %eax") I("movsbw (%rdi), %r12w")
			     I("movsbq (%rdi), %rcx") I("movswl (%rdi), %esi")
				     I("movswq (%rdi), %r13") I("movslq (%rdi), %rax")
					     I("movnti %eax, (%rdi)") I("movnti %r9, 8(%rdi)")
	/* Where it is. */
	I("mov (%rdi,%r8,1), %eax") I("mov 4(%rdi,%r8,4), %eax") I("mov %ecx, -8(%rdi,%r8,8)")
		I("mov 0x12(%rdi), %eax") I("mov -0x80(%rdi), %eax") I("mov 0x100(%rdi), %rax")
			I("mov -0x100(%rdi), %r9") I("movb $7, (%rdi,%r8,2)")
				I("movl $7, 0x80(%rdi)") I(".byte 0x3e; mov (%rdi), %eax"))

TABLE(computes,
	WIDTHS_TO("add") WIDTHS_FROM("add") WIDTHS_IMM("add") WIDTHS_TO("or") WIDTHS_FROM(
		"or") WIDTHS_IMM("or") WIDTHS_TO("adc") WIDTHS_FROM("adc") WIDTHS_IMM("adc")
		WIDTHS_TO("sbb") WIDTHS_FROM("sbb") WIDTHS_IMM("sbb") WIDTHS_TO("and") WIDTHS_FROM(
			"and") WIDTHS_IMM("and") WIDTHS_TO("sub") WIDTHS_FROM("sub")
			WIDTHS_IMM("sub") WIDTHS_TO("xor") WIDTHS_FROM("xor") WIDTHS_IMM("xor")
				WIDTHS_TO("cmp") WIDTHS_FROM("cmp") WIDTHS_IMM("cmp")
					WIDTHS_TO("test") WIDTHS_IMM("test") WIDTHS_TO("xchg")
						WIDTHS_TO("lock xadd") WIDTHS_TO("lock cmpxchg")
							WIDTHS_TO("xadd") WIDTHS_ONE("inc")
								WIDTHS_ONE("dec") WIDTHS_ONE("not")
									WIDTHS_ONE("neg"))

TABLE(bits, I("btw $9, (%rdi)") I("btl $31, (%rdi)") I("btq $63, (%rdi)") I("btsl $1, (%rdi)")
		    I("lock btsq $40, (%rdi)") I("btrw $15, (%rdi)") I("btrl $0, (%rdi)")
			    I("btcl $17, (%rdi)") I("btcq $33, (%rdi)") I("btsl $250, (%rdi)"))

TABLE(conditions,
	CMOV("o") CMOV("no") CMOV("b") CMOV("ae") CMOV("e") CMOV("ne") CMOV("be") CMOV("a")
		CMOV("s") CMOV("ns") CMOV("p") CMOV("np") CMOV("l") CMOV("ge") CMOV("le") CMOV("g"))

/* Sign, zero, adjust and parity of a product are undefined. */
TABLE(products, I("imul (%rdi), %ecx") I("imul (%rdi), %r9") I("imul 2(%rdi), %dx"))

TABLE(sse,
	S("movups (%rdi), %xmm1") S("movups %xmm9, 16(%rdi)") S("movupd (%rdi), %xmm9") S(
		"movaps (%rdi), %xmm1") S("movaps %xmm1, (%rdi)") S("movapd %xmm9, (%rdi)")
		S("movdqa (%rdi), %xmm9") S("movdqa %xmm1, 32(%rdi)") S("movdqu 3(%rdi), %xmm1") S(
			"movdqu %xmm9, 5(%rdi)") S("movss (%rdi), %xmm1") S("movss %xmm1, (%rdi)")
			S("movsd (%rdi), %xmm9") S("movsd %xmm9, (%rdi)") S("movlps (%rdi), %xmm1")
				S("movlpd %xmm1, (%rdi)") S("movhps (%rdi), %xmm1")
					S("movhpd %xmm9, (%rdi)") S("movntps %xmm1, (%rdi)") S(
						"movntdq %xmm9, (%rdi)") S("movd (%rdi), %xmm1")
						S("movd %xmm9, (%rdi)") S("movq (%rdi), %xmm1")
							S("movq %xmm1, (%rdi)") S(
								".byte 0x66,0x48,0x0f,0x6e,0x0f")
								S(".byte 0x66,0x48,0x0f,0x7e,0x0f")
									S("lddqu (%rdi), %xmm1"))

TABLE(avx,
	A("vmovups (%rdi), %xmm1") A("vmovups (%rdi), %ymm9") A("vmovups %ymm1, 32(%rdi)") A(
		"vmovdqu (%rdi), %ymm1") A("vmovdqu %ymm9, (%rdi)") A("vmovdqa (%rdi), %ymm9")
		A("vmovdqa %xmm1, (%rdi)") A("vmovaps %ymm9, -32(%rdi)") A("vmovntdq %ymm1, (%rdi)")
			A("vmovntps %ymm9, (%rdi)") A("vmovd (%rdi), %xmm1")
				A("vmovd %xmm9, (%rdi)") A("vmovq (%rdi), %xmm9")
					A("vmovq %xmm1, (%rdi)") A("vmovss (%rdi), %xmm1")
						A("vmovsd %xmm9, (%rdi)") A("vmovhps %xmm1, (%rdi)")
							A("vlddqu (%rdi), %ymm1")
								A("vmovdqu (%rdi,%r8,1), %ymm9"))

TABLE(masks, A("vmovdqu8 %ymm1, (%rdi){%k1}") A("vmovdqu8 %xmm9, 16(%rdi){%k1}") A(
		     "vmovdqu16 %ymm1, (%rdi){%k1}") A("vmovdqu32 %ymm9, (%rdi){%k1}")
		     A("vmovdqu64 %ymm1, 32(%rdi){%k1}") A("vmovups %ymm1, (%rdi){%k1}") A(
			     "vmovapd %ymm9, (%rdi){%k1}") A("vmovdqu8 (%rdi), %ymm1{%k1}")
			     A("vmovdqu8 (%rdi), %ymm9{%k1}{z}") A("vmovdqu16 (%rdi), %xmm1{%k1}")
				     A("vmovdqa32 (%rdi), %ymm1{%k1}")
					     A("vmovdqa64 (%rdi), %xmm9{%k1}{z}")
						     A("vmovupd (%rdi), %ymm9{%k1}"))

TABLE(strings, I("movsb") I("movsw") I("movsl") I("movsq") I("stosb") I("stosw") I("stosl")
		       I("stosq") I("lodsb") I("lodsw") I("lodsl") I("lodsq"))
TABLE(repeats, I("rep movsb") I("rep movsl") I("rep movsq") I("rep stosb") I("rep stosw")
		       I("rep stosl") I("rep stosq") I("rep lodsl"))
/* clang-format on */

static uint8_t memory[1024] __attribute__((aligned(64)));
static unsigned accesses;

static int memory_read(void *opaque, uint64_t addr, void *buf, size_t size)
{
	accesses++;
	memcpy(buf, (const void *)(uintptr_t)addr, size);
	return 0;
}

static int memory_write(void *opaque, uint64_t addr, const void *buf, size_t size)
{
	accesses++;
	memcpy((void *)(uintptr_t)addr, buf, size);
	return 0;
}

static const struct medio_insn_bus memory_bus = { memory_read, memory_write, NULL };

/* Values near the ends as often as any others: that is where flags are. */
static uint64_t some(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	switch (state >> 60) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return UINT64_C(0x8000000080008080);
	case 3:
		return UINT64_C(0x7fffffff7fff7f7f);
	default:
		return state * UINT64_C(0x2545f4914f6cdd1d);
	}
}

enum { STRINGS = 1, DOWN = 2, AVX = 4, MASK = 8 };

static void some_state(struct native_state *s, unsigned flags)
{
	for (unsigned i = 0; i < 16; i++)
		s->gpr[i] = some();
	for (unsigned i = 0; i < sizeof(memory); i += 8) {
		uint64_t v = some();
		memcpy(memory + i, &v, 8);
	}
	for (unsigned i = 0; i < sizeof(native_vector); i += 8) {
		uint64_t v = some();
		memcpy((uint8_t *)native_vector + i, &v, 8);
	}
	if (some() & 1) /* compare and exchange: equal, now and then */
		memcpy(&s->gpr[0], memory + 512, 8);
	s->flags = (some() & FLAGS) | 0x202 | (flags & DOWN ? 0x400 : 0);
	s->gpr[8] = some() % 16;
	s->gpr[7] = (uintptr_t)memory + 512;
	if (flags & STRINGS) {
		s->gpr[1] = some() % 20;
		s->gpr[6] = (uintptr_t)memory + 256;
	}
}

static void as_the_processor(const struct line *line, unsigned flags, uint64_t flags_mask)
{
	struct native_state before;
	uint8_t memory_before[sizeof(memory)], memory_after[sizeof(memory)];
	static uint8_t vectors[32][MEDIO_INSN_VECTOR];
	struct medio_insn insn;
	struct medio_insn_regs regs;

	assert_int_equal(medio_insn_decode(line->code, MEDIO_INSN_MAX, &insn), 0);
	if (insn.length != line->end - line->code)
		fail_msg("%s: %u bytes, not %td", line->text, insn.length, line->end - line->code);

	some_state(&before, flags);
	memcpy(memory_before, memory, sizeof(memory));
	memcpy(vectors[1], native_vector[0], 32);
	memcpy(vectors[9], native_vector[1], 32);
	memcpy(regs.gpr, before.gpr, sizeof(regs.gpr));
	regs.flags = before.flags;
	regs.rip = 0x1000;
	regs.vector = vectors;

	native_state = before;
	native_code = line->code;
	native_mask = regs.mask[1] = some();
	if (flags & MASK)
		native_enter_mask();
	else if (flags & AVX)
		native_enter_avx();
	else
		native_enter();

	memcpy(memory_after, memory, sizeof(memory));
	memcpy(memory, memory_before, sizeof(memory));
	assert_int_equal(medio_insn_run(&insn, &regs, &memory_bus), 0);

	assert_int_equal(regs.rip, 0x1000 + insn.length);
	native_state.gpr[4] = regs.gpr[4];
	for (unsigned i = 0; i < 16; i++) {
		if (regs.gpr[i] != native_state.gpr[i])
			fail_msg("%s: register %u is %#jx, not %#jx (was %#jx)", line->text, i,
				(uintmax_t)regs.gpr[i], (uintmax_t)native_state.gpr[i],
				(uintmax_t)before.gpr[i]);
	}
	if ((regs.flags ^ native_state.flags) & flags_mask)
		fail_msg("%s: flags %#jx, not %#jx", line->text, (uintmax_t)regs.flags,
			(uintmax_t)native_state.flags);
	if (memcmp(memory, memory_after, sizeof(memory)) != 0)
		fail_msg("%s: other memory", line->text);
	for (unsigned i = 0; i < 2; i++) {
		if (memcmp(vectors[i ? 9 : 1], native_vector[i], flags & AVX ? 32 : 16) != 0)
			fail_msg("%s: another vector", line->text);
	}
}

static void all_as_the_processor(
	const struct line *first, const struct line *end, unsigned flags, uint64_t flags_mask)
{
	assert_true(end > first);
	for (const struct line *l = first; l < end; l++) {
		for (unsigned i = 0; i < 64; i++)
			as_the_processor(l, flags, flags_mask);
	}
}

/* Undefined after logical operations alone is the adjust flag; processors clear it, and so do we; emulated ones need not. */
static void moves_are_as_the_processor_makes_them(void **state)
{
	all_as_the_processor(moves, moves_end, 0, FLAGS);
}

static void arithmetic_and_its_flags_are_as_the_processors(void **state)
{
	all_as_the_processor(computes, computes_end, 0, FLAGS & ~0x10u);
	all_as_the_processor(bits, bits_end, 0, 1);
	all_as_the_processor(products, products_end, 0, 0x801);
}

static void conditional_moves_take_each_condition(void **state)
{
	all_as_the_processor(conditions, conditions_end, 0, FLAGS);
}

static void vectors_are_as_the_processors(void **state)
{
	all_as_the_processor(sse, sse_end, 0, FLAGS);
}

static void wide_vectors_clear_what_the_processor_clears(void **state)
{
	if (!__builtin_cpu_supports("avx"))
		skip();
	all_as_the_processor(avx, avx_end, AVX, FLAGS);
}

static void masks_choose_what_the_processor_chooses(void **state)
{
	if (!__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512bw"))
		skip();
	all_as_the_processor(masks, masks_end, AVX | MASK, FLAGS);
}

static void strings_move_and_count_both_ways(void **state)
{
	all_as_the_processor(strings, strings_end, STRINGS, FLAGS);
	all_as_the_processor(repeats, repeats_end, STRINGS, FLAGS);
	all_as_the_processor(strings, strings_end, STRINGS | DOWN, FLAGS);
	all_as_the_processor(repeats, repeats_end, STRINGS | DOWN, FLAGS);
}

static void movbe_turns_bytes_round(void **state)
{
	static const uint8_t code[] = { 0x48, 0x0f, 0x38, 0xf0, 0x07 };
	static const uint8_t value[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct medio_insn insn;
	struct medio_insn_regs regs = { .gpr = { [7] = (uintptr_t)value } };

	assert_int_equal(medio_insn_decode(code, sizeof(code), &insn), 0);
	assert_int_equal(medio_insn_run(&insn, &regs, &memory_bus), 0);
	assert_int_equal(regs.gpr[0], 0x0102030405060708);
}

static int no_memory(void *opaque, uint64_t addr, void *buf, size_t size)
{
	return -EFAULT;
}

static int no_writes(void *opaque, uint64_t addr, const void *buf, size_t size)
{
	return -EFAULT;
}

static void an_access_that_fails_changes_nothing(void **state)
{
	static const uint8_t codes[][4] = { { 0x8b, 0x07 }, { 0x89, 0x07 }, { 0x01, 0x07 },
		{ 0x03, 0x07 }, { 0x39, 0x07 }, { 0xf3, 0xa4 }, { 0xf3, 0xab }, { 0xad } };
	static const struct medio_insn_bus nowhere = { no_memory, no_writes, NULL };
	struct medio_insn_bus half = memory_bus;

	half.write = no_writes;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		struct medio_insn insn;
		uint64_t value = 5;
		struct medio_insn_regs regs = {
			.gpr = { 7, 3, [6] = (uintptr_t)&value, [7] = (uintptr_t)&value },
			.flags = 0x246,
			.rip = 99
		};
		struct medio_insn_regs before = regs;

		assert_int_equal(medio_insn_decode(codes[i], 4, &insn), 0);
		assert_int_equal(medio_insn_run(&insn, &regs, &nowhere), -EFAULT);
		assert_memory_equal(&regs, &before, sizeof(regs));
		if (medio_insn_run(&insn, &regs, &half) < 0)
			assert_memory_equal(&regs, &before, sizeof(regs));
		assert_int_equal(value, 5);
	}
}

static void a_long_repeat_is_done_in_pieces(void **state)
{
	static const uint8_t code[] = { 0xf3, 0xaa }; /* rep stosb */
	static uint8_t buf[600];
	struct medio_insn insn;
	struct medio_insn_regs regs = { .gpr = { 0x5a, sizeof(buf), [7] = (uintptr_t)buf },
		.rip = 0x1000 };
	unsigned pieces = 0;

	assert_int_equal(medio_insn_decode(code, sizeof(code), &insn), 0);
	while (regs.rip == 0x1000) {
		assert_int_equal(medio_insn_run(&insn, &regs, &memory_bus), 0);
		assert_true(++pieces < 10);
	}
	assert_int_equal(pieces, (sizeof(buf) + MEDIO_INSN_REPEAT - 1) / MEDIO_INSN_REPEAT);
	assert_int_equal(regs.rip, 0x1002);
	assert_int_equal(regs.gpr[1], 0);
	assert_int_equal(regs.gpr[7], (uintptr_t)buf + sizeof(buf));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moves_are_as_the_processor_makes_them),
		cmocka_unit_test(arithmetic_and_its_flags_are_as_the_processors),
		cmocka_unit_test(conditional_moves_take_each_condition),
		cmocka_unit_test(vectors_are_as_the_processors),
		cmocka_unit_test(wide_vectors_clear_what_the_processor_clears),
		cmocka_unit_test(masks_choose_what_the_processor_chooses),
		cmocka_unit_test(strings_move_and_count_both_ways),
		cmocka_unit_test(movbe_turns_bytes_round),
		cmocka_unit_test(an_access_that_fails_changes_nothing),
		cmocka_unit_test(a_long_repeat_is_done_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
