/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registers that a program has mapped (lib/compat/mmio.h): its loads and stores reach the device, whatever the instruction, from
 * any thread, among signals, and no others do.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "caught.h"
#include "compat/compat.h"
#include "compat/kdev.h"
#include "compat/mmio.h"
#include "toy.h"
#include "util/list.h"

#include <medio/local.h>

#define PAGE 4096
#define RW   (PROT_READ | PROT_WRITE)

/* ---- What the supervisor does ------------------------------------------------------------------ */

enum {
	OPEN = 0x3b40, /* value: a descriptor of the device */
	MAP = 0x3b41, /* region span, from offset on, addr the hint, size, prot; pieces: flags. value: where */
	PEEK = 0x3b42,	/* value: 8 bytes at offset of region span, as the device has them */
	POKE = 0x3b43,	/* the other way */
	FILES = 0x3b44, /* value: files of ours that the program has, mappings that trap included */
	USERS = 0x3b45, /* value: files of the device */
};

static struct medio_instance *inst;
static enum medio_kdev_map map_what;

static struct medio_kdev *the_kdev(struct medio_compat *compat)
{
	static const struct medio_kdev_options opts = {
		.look = MEDIO_KDEV_PCI, .name = "0000:00:1e.0", .type = "toy"
	};
	struct medio_kdev_options with = opts;
	struct medio_error *err = NULL;
	struct medio_kdev *kdev = medio_kdev_find(compat, opts.name);
	struct medio_card *card;

	if (kdev)
		return kdev;
	with.map = map_what;
	if (medio_card_open_instance(inst, &card, &err) ||
		medio_kdev_new(compat, card, &with, &kdev, &err)) {
		fprintf(stderr, "%s\n", medio_error_text(err));
		abort();
	}
	return kdev;
}

static void is_closed(void *opaque, struct medio_kdev *kdev)
{
	(void)opaque;
	(void)kdev;
}

static int64_t do_open(struct medio_call *call, struct medio_kdev *kdev, struct caught_ask *ask)
{
	int fd, ret = medio_kdev_open(kdev, is_closed, NULL, &fd);

	if (ret)
		return ret;
	ask->value = (uint64_t)call->ops->give(call, fd, O_CLOEXEC);
	close(fd);
	return 0;
}

static int64_t do_map(struct medio_call *call, struct medio_kdev *kdev, struct caught_ask *ask)
{
	const uint64_t args[6] = { ask->addr, ask->size, ask->prot, ask->pieces, ask->files,
		MEDIO_KDEV_OFFSET(ask->span) + ask->offset };
	int64_t ret;

	memcpy(call->args, args, sizeof(args));
	ret = medio_mmio_mmap(kdev, call, ask->span, ask->offset);
	if (ret < 0 && ret > -PAGE)
		return ret;
	ask->value = (uint64_t)ret;
	return 0;
}

static int64_t on_more(struct medio_call *call, unsigned cmd, struct caught_ask *ask)
{
	struct medio_kdev *kdev = the_kdev(call->compat);

	while (medio_loop_run_once(call->compat->loop, 0) > 0)
		;
	switch (cmd) {
	case OPEN:
		return do_open(call, kdev, ask);
	case MAP:
		return do_map(call, kdev, ask);
	case PEEK:
		return medio_card_read(kdev->card, ask->span, ask->offset, &ask->value, 8);
	case POKE:
		return medio_card_write(kdev->card, ask->span, ask->offset, &ask->value, 8);
	case FILES:
		ask->value = 0;
		medio_list_for_each (item, &call->compat->files)
			ask->value++;
		return 0;
	case USERS:
		ask->value = kdev->files;
		return 0;
	default:
		return -ENOTTY;
	}
}

static int run_with(void (*program)(void), enum medio_kdev_map map)
{
	struct medio_loop *loop;
	struct medio_error *err = NULL;
	int status;

	map_what = map;
	assert_int_equal(medio_loop_new(&loop), 0);
	assert_int_equal(medio_instance_new(loop, &toy_type, NULL, &inst, &err), 0);
	assert_true(medio_loop_fd(loop) >= 0); /* made now, not to be counted */
	caught_more = on_more;
	status = caught_run(program);
	medio_instance_free(inst);
	medio_loop_free(loop);
	if (status < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 77))
		skip();
	assert_int_equal(caught_left, 0);
	return status;
}

static void run(void (*program)(void))
{
	assert_int_equal(run_with(program, MEDIO_KDEV_MAP_ALL), 0);
}

/* ---- What programs do with it ------------------------------------------------------------------ */

static long try_map(
	unsigned region, uint64_t offset, size_t size, int prot, int flags, void *hint, void **out)
{
	struct caught_ask ask = { .addr = (uintptr_t)hint,
		.size = size,
		.prot = (unsigned)prot,
		.span = region,
		.offset = offset,
		.pieces = (unsigned)flags };
	long ret = caught_call(MAP, &ask);

	*out = (void *)(uintptr_t)ask.value;
	return ret;
}

static void *map(unsigned region, uint64_t offset, size_t size)
{
	void *at;
	long ret = try_map(region, offset, size, RW, MAP_SHARED, NULL, &at);

	/* A sandbox without userfaultfd; whoever has it is not excused. */
	if (ret == -EPERM || ret == -ENOSYS) {
		fprintf(stderr, "registers cannot be mapped here: %s\n", strerror((int)-ret));
		_exit(77);
	}
	CHECK(ret == 0);
	return at;
}

static int open_device(void)
{
	struct caught_ask ask = { 0 };

	/* The test's own handlers would go on with the other tests in here. */
	signal(SIGBUS, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);

	CHECK(caught_call(OPEN, &ask) == 0);
	return (int)ask.value;
}

static uint64_t number(unsigned cmd)
{
	struct caught_ask ask = { 0 };

	CHECK(caught_call(cmd, &ask) == 0);
	return ask.value;
}

static uint64_t peek(unsigned region, uint64_t offset)
{
	struct caught_ask ask = { .span = region, .offset = offset };

	CHECK(caught_call(PEEK, &ask) == 0);
	return ask.value;
}

static void poke(unsigned region, uint64_t offset, uint64_t value)
{
	struct caught_ask ask = { .span = region, .offset = offset, .value = value };

	CHECK(caught_call(POKE, &ask) == 0);
}

/* ---- Accesses ---------------------------------------------------------------------------------- */

static void all_widths(void)
{
	open_device();
	volatile uint8_t *bar = map(2, 0, 2 * PAGE);

	*(volatile uint64_t *)bar = 0x1122334455667788;
	CHECK(peek(2, 0) == 0x1122334455667788);
	*(volatile uint32_t *)(bar + 4) = 0xaabbccdd;
	*(volatile uint16_t *)(bar + 2) = 0x0102;
	bar[1] = 0x7f;
	CHECK(peek(2, 0) == 0xaabbccdd01027f88);
	poke(2, PAGE + 8, 0x8899aabbccddeeff);
	CHECK(*(volatile uint64_t *)(bar + PAGE + 8) == 0x8899aabbccddeeff);
	CHECK(*(volatile int32_t *)(bar + PAGE + 8) == (int32_t)0xccddeeff);
	CHECK(*(volatile int16_t *)(bar + PAGE + 8) == (int16_t)0xeeff);
	CHECK(*(volatile int8_t *)(bar + PAGE + 8) == -1);
	CHECK(*(volatile uint16_t *)(bar + PAGE + 14) == 0x8899);
	/* Across a page, and not aligned. */
	*(volatile uint32_t *)(bar + PAGE - 2) = 0x01020304;
	CHECK(*(volatile uint32_t *)(bar + PAGE - 2) == 0x01020304);
	CHECK(peek(2, PAGE - 8) >> 48 == 0x0304 && (uint16_t)peek(2, PAGE) == 0x0102);
}

static void a_program_reads_and_writes_registers_of_all_widths(void **state)
{
	run(all_widths);
}

static void atomics(void)
{
	open_device();
	_Atomic uint32_t *reg = map(2, 0, PAGE);

	atomic_store(reg, 40);
	CHECK(atomic_fetch_add(reg, 2) == 40 && atomic_load(reg) == 42);
	CHECK(atomic_exchange(reg, 7) == 42 && (uint32_t)peek(2, 0) == 7);
	uint32_t old = 6;
	CHECK(!atomic_compare_exchange_strong(reg, &old, 9) && old == 7);
	CHECK(atomic_compare_exchange_strong(reg, &old, 9) && (uint32_t)peek(2, 0) == 9);
	atomic_fetch_or(reg, 0x100);
	atomic_fetch_and(reg, ~1u);
	CHECK(atomic_fetch_xor(reg, 0xf) == 0x108 && (uint32_t)peek(2, 0) == 0x107);
	CHECK((*(volatile uint32_t *)reg & 0x100) && !(*(volatile uint8_t *)reg & 0x40));
}

static void atomic_operations_are_done_on_registers(void **state)
{
	run(atomics);
}

/* Whatever the C library makes of them on this processor. */
static void copies(void)
{
	open_device();
	uint8_t *bar = map(2, 0, 4 * PAGE);
	uint8_t *other = map(2, 8 * PAGE, 2 * PAGE), from[1500], to[1500];
	void *(*volatile copy)(void *, const void *, size_t) = memcpy;
	void *(*volatile set)(void *, int, size_t) = memset;
	static const size_t sizes[] = { 1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129,
		200, 300, 1500 };

	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (uint8_t)(i * 7 + 1);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t n = sizes[i], at = i * 3 % 8;

		copy(bar + at, from, n);
		set(to, 0, sizeof(to));
		copy(to, bar + at, n);
		CHECK(memcmp(to, from, n) == 0 && (n == sizeof(to) || to[n] == 0));
		copy(other, bar + at, n);
		set(bar + at, 0x5a, n);
		copy(to, bar + at, n);
		CHECK(to[0] == 0x5a && to[n - 1] == 0x5a);
		copy(to, other, n);
		CHECK(memcmp(to, from, n) == 0);
	}
}

static void memory_functions_work_on_registers(void **state)
{
	run(copies);
}

static void forbidden(void)
{
	open_device();
	void *at = NULL;
	volatile uint32_t *bar;

	CHECK(try_map(2, 0, PAGE, PROT_READ, MAP_SHARED, NULL, &at) == 0);
	bar = at;
	poke(2, 0, 5);
	CHECK(bar[0] == 5);
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	bar[0] = 6;
	_exit(1);
}

static void rights_of_a_mapping_are_the_kernels(void **state)
{
	int status = run_with(forbidden, MEDIO_KDEV_MAP_ALL);

	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void unknown(void)
{
	open_device();
	volatile uint32_t *bar = map(2, 0, PAGE);

	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	signal(SIGBUS, SIG_IGN); /* as the kernel's own, it is not to be ignored */
#ifdef __x86_64__
	asm volatile("fldl (%0)\n fstp %%st(0)" : : "r"(bar) : "memory");
#endif
	_exit(1);
}

static void an_unknown_instruction_ends_the_program_and_nothing_else(void **state)
{
	int status = run_with(unknown, MEDIO_KDEV_MAP_ALL);

	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static sigjmp_buf back;

static void on_fault(int sig)
{
	siglongjmp(back, sig);
}

static void handled(void)
{
	open_device();
	volatile uint32_t *bar = map(2, 0, PAGE);

	signal(SIGBUS, on_fault);
	signal(SIGSEGV, on_fault);
#ifdef __x86_64__
	int sig = sigsetjmp(back, 1);
	if (!sig)
		asm volatile("fldl (%0)\n fstp %%st(0)" : : "r"(bar) : "memory");
	CHECK(sig == SIGBUS);
	/* A copy to where nothing is. */
	sig = sigsetjmp(back, 1);
	if (!sig) {
		unsigned long n = 4, to = 64;
		const volatile void *from = bar;
		asm volatile("rep movsb" : "+c"(n), "+D"(to), "+S"(from) : : "memory");
	}
	CHECK(sig == SIGSEGV);
#endif
	bar[0] = 3;
	CHECK(bar[0] == 3);
}

static void what_cannot_be_done_is_a_signal_that_can_be_handled(void **state)
{
	run(handled);
}

/* ---- Mappings ---------------------------------------------------------------------------------- */

static void mixed(void)
{
	open_device();
	volatile uint64_t *bar = map(1, 0, TOY_SPARSE_SIZE);

	CHECK(bar[0] == 0x0101010101010101); /* what toy says for each register there */
	CHECK(bar[0x2000 / 8] == 0x0101010101010101 && bar[0x7ff8 / 8] == 0x0101010101010101);
	bar[0x1000 / 8] = 77; /* memory */
	CHECK(peek(1, 0x1000) == 77 && bar[0x1000 / 8] == 77);
	poke(1, 0x5ff8, 88);
	CHECK(bar[0x5ff8 / 8] == 88);
	/* The kernel reaches memory of the device's, and no registers. */
	int null = open("/dev/zero", O_RDWR);
	CHECK(read(null, (void *)&bar[0x4000 / 8], 8) == 8);
	CHECK(read(null, (void *)bar, 8) == -1 && errno == EFAULT);
	/* A part of it. */
	bar = map(1, 0x3000, 0x2000);
	CHECK(bar[0] == 0x0101010101010101);
	poke(1, 0x4000, 99);
	CHECK(bar[0x1000 / 8] == 99);
}

static void memory_of_the_device_is_mapped_between_registers_that_trap(void **state)
{
	run(mixed);
}

static void whole(void)
{
	open_device();
	volatile uint64_t *bar;
	void *at;
	uint64_t before = number(FILES);

	CHECK(try_map(5, 0, PAGE, RW, MAP_SHARED, NULL, &at) == 0);
	bar = at;
	bar[1] = 5;
	CHECK(peek(5, 8) == 5);
	CHECK(number(FILES) == before);
	CHECK(try_map(1, 0x1000, PAGE, RW, MAP_SHARED, NULL, &at) == 0);
	bar = at;
	bar[1] = 6;
	CHECK(peek(1, 0x1008) == 6);
	CHECK(try_map(1, 0, PAGE, RW, MAP_SHARED, NULL, &at) == -EINVAL);
	CHECK(try_map(1, 0x1000, 2 * PAGE, RW, MAP_SHARED, NULL, &at) == -EINVAL);
	CHECK(try_map(2, 0, PAGE, RW, MAP_SHARED, NULL, &at) == -EINVAL);
}

static void only_memory_is_mapped_where_only_that_is_offered(void **state)
{
	assert_int_equal(run_with(whole, MEDIO_KDEV_MAP_SHARED), 0);
}

static void wrong(void)
{
	open_device();
	int lowest = dup(0);
	CHECK(lowest > 0 && close(lowest) == 0);
	uint64_t before = number(FILES);
	void *at;

	CHECK(try_map(2, 0, 0, RW, MAP_SHARED, NULL, &at) == -EINVAL);
	CHECK(try_map(2, 1, PAGE, RW, MAP_SHARED, NULL, &at) == -EINVAL);
	CHECK(try_map(2, 0, PAGE, RW, MAP_PRIVATE, NULL, &at) == -EINVAL);
	CHECK(try_map(2, TOY_STORE_SIZE, PAGE, RW, MAP_SHARED, NULL, &at) == -EINVAL);
	CHECK(try_map(2, PAGE, TOY_STORE_SIZE, RW, MAP_SHARED, NULL, &at) == -EINVAL);
	CHECK(try_map(2, 0, SIZE_MAX, RW, MAP_SHARED, NULL, &at) == -EINVAL);
	CHECK(try_map(2, 0, INT64_MAX, RW, MAP_SHARED, NULL, &at) == -EINVAL);
	CHECK(try_map(0, 0, PAGE, RW, MAP_SHARED, NULL, &at) == -EINVAL); /* ports */
	CHECK(try_map(3, 0, PAGE, RW, MAP_SHARED, NULL, &at) == -EINVAL); /* none */
	CHECK(try_map(7, 0, PAGE, RW, MAP_SHARED, NULL, &at) == -EINVAL); /* config space */
	CHECK(try_map(2, 0, PAGE, RW, MAP_SHARED | MAP_FIXED, (void *)1, &at) == -EINVAL);
	CHECK(number(FILES) == before);
	CHECK(dup(0) == lowest); /* nothing was left in the program */
}

static void a_wrong_mapping_is_refused_and_leaves_nothing(void **state)
{
	run(wrong);
}

static void ends(void)
{
	int fd = open_device();
	uint64_t before = number(FILES);
	volatile uint32_t *bar = map(2, 0, 2 * PAGE), *second;
	void *at;

	CHECK(number(FILES) == before + 1);
	bar[0] = 1;
	CHECK(munmap((void *)(bar + PAGE / 4), PAGE) == 0);
	CHECK(number(FILES) == before + 1 && bar[0] == 1);
	/* In its place, another. */
	CHECK(try_map(2, 4 * PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, (void *)bar, &at) == 0);
	CHECK(at == (void *)bar && number(FILES) == before + 1);
	poke(2, 4 * PAGE, 44);
	CHECK(bar[0] == 44);
	CHECK(mprotect((void *)bar, PAGE, PROT_NONE) == 0 && mprotect((void *)bar, PAGE, RW) == 0);
	CHECK(bar[0] == 44);
	CHECK(madvise((void *)bar, PAGE, MADV_DONTNEED) == 0 && bar[0] == 44);
	/* Moved, it is a device's that is gone. */
	second = mremap((void *)bar, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	CHECK(second != MAP_FAILED && second[0] == UINT32_MAX);
	CHECK(munmap((void *)second, PAGE) == 0 && number(FILES) == before);
	/* As long as it is mapped the device is open. */
	bar = map(2, 0, PAGE);
	CHECK(number(USERS) == 2);
	close(fd);
	CHECK(number(USERS) == 1);
	bar[0] = 12;
	CHECK(bar[0] == 12);
	CHECK(munmap((void *)bar, PAGE) == 0 && number(USERS) == 0 && number(FILES) == 0);
}

static void a_mapping_ends_as_the_kernels_does(void **state)
{
	run(ends);
}

static void locked(void)
{
	open_device();
	volatile uint32_t *before = map(2, 0, PAGE), *after;

	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0) {
		fprintf(stderr, "this user may lock no memory: %s\n", strerror(errno));
		_exit(0);
	}
	after = map(2, PAGE, PAGE);
	before[0] = 1;
	after[0] = 2;
	CHECK((uint32_t)peek(2, 0) == 1 && (uint32_t)peek(2, PAGE) == 2);
	CHECK(before[0] == 1 && after[0] == 2);
	munlockall();
	void *at;
	CHECK(try_map(2, 0, PAGE, RW, MAP_SHARED | MAP_POPULATE | MAP_LOCKED, NULL, &at) == 0);
	*(volatile uint32_t *)at = 5;
	CHECK((uint32_t)peek(2, 0) == 5);
}

static void locked_memory_traps_all_the_same(void **state)
{
	run(locked);
}

/* ---- Processes and threads --------------------------------------------------------------------- */

static void forks(void)
{
	open_device();
	volatile uint32_t *bar = map(2, 0, PAGE);
	int status;

	bar[0] = 1;
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		if (bar[0] != UINT32_MAX)
			_exit(1);
		bar[0] = 2;
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(bar[0] == 1 && (uint32_t)peek(2, 0) == 1);
	bar[0] = 3;
	CHECK((uint32_t)peek(2, 0) == 3);
	/* One that maps it itself has it. */
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		bar = map(2, 0, PAGE);
		CHECK(bar[0] == 3);
		bar[0] = 4;
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0 && bar[0] == 4);
}

static void a_child_finds_ones_and_disturbs_nobody(void **state)
{
	run(forks);
}

static void execs(void)
{
	open_device();
	volatile uint32_t *bar = map(2, 0, PAGE);

	bar[0] = 1;
	execl("/bin/true", "true", NULL);
	_exit(1);
}

static void exec_takes_the_mapping_away(void **state)
{
	run(execs);
}

enum { THREADS = 8, ROUNDS = 300 };
static volatile uint32_t *counters;
static atomic_int signals;

static void on_alarm(int sig)
{
	(void)sig;
	/* In the middle of another access. */
	counters[64]++;
	atomic_fetch_add(&signals, 1);
}

static void *count(void *arg)
{
	size_t n = (size_t)arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		_Atomic uint32_t *all = (_Atomic uint32_t *)(counters + 32);

		counters[n] = counters[n] + 1;
		atomic_fetch_add(all, 1);
	}
	return NULL;
}

static void many(void)
{
	open_device();
	counters = map(2, 0, PAGE);
	pthread_t threads[THREADS];
	struct itimerval often = { { 0, 3000 }, { 0, 3000 } }, never = { { 0, 0 }, { 0, 0 } };

	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &often, NULL);
	for (size_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, count, (void *)i) == 0);
	for (size_t i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	while (!atomic_load(&signals))
		counters[65] = counters[65];
	setitimer(ITIMER_REAL, &never, NULL);
	for (size_t i = 0; i < THREADS; i++)
		CHECK(counters[i] == ROUNDS);
	CHECK(counters[32] == THREADS * ROUNDS);
}

static void many_threads_lose_nothing_among_signals(void **state)
{
	run(many);
}

static void *without_end(void *arg)
{
	for (;;)
		counters[(size_t)arg]++;
	return NULL;
}

static void killed(void)
{
	open_device();
	counters = map(2, 0, PAGE);
	pthread_t thread;

	for (size_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&thread, NULL, without_end, (void *)i) == 0);
	while (counters[3] < 50)
		;
	kill(getpid(), SIGKILL);
	pause();
}

static void exits(void)
{
	open_device();
	counters = map(2, 0, PAGE);
	pthread_t thread;

	for (size_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&thread, NULL, without_end, (void *)i) == 0);
	while (counters[3] < 50)
		;
	_exit(0);
}

static void a_program_can_end_in_the_middle_of_an_access(void **state)
{
	int status = run_with(killed, MEDIO_KDEV_MAP_ALL);

	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	run(exits);
}

static void stops(void)
{
	open_device();
	volatile uint32_t *bar = map(2, 0, PAGE);
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		bar = map(2, 0, PAGE);
		for (unsigned i = 0; i < 3000; i++)
			bar[1]++;
		_exit(0);
	}
	/* Job control, while it is at it. */
	for (unsigned i = 0; i < 20; i++) {
		kill(pid, SIGSTOP);
		CHECK(waitpid(pid, &status, WUNTRACED) == pid);
		if (!WIFSTOPPED(status))
			break;
		kill(pid, SIGCONT);
	}
	if (!WIFEXITED(status))
		CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(status == 0 && bar[1] == 3000);
}

static void a_program_can_be_stopped_and_continued(void **state)
{
	run(stops);
}

static void nothing(void)
{
}

int main(void)
{
	if (caught_run(nothing) == -1) {
		printf("1..0 # SKIP this machine's kernel, or a policy, allows no filter with user notification\n");
		return 77;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_reads_and_writes_registers_of_all_widths),
		cmocka_unit_test(atomic_operations_are_done_on_registers),
		cmocka_unit_test(memory_functions_work_on_registers),
		cmocka_unit_test(rights_of_a_mapping_are_the_kernels),
		cmocka_unit_test(an_unknown_instruction_ends_the_program_and_nothing_else),
		cmocka_unit_test(what_cannot_be_done_is_a_signal_that_can_be_handled),
		cmocka_unit_test(memory_of_the_device_is_mapped_between_registers_that_trap),
		cmocka_unit_test(only_memory_is_mapped_where_only_that_is_offered),
		cmocka_unit_test(a_wrong_mapping_is_refused_and_leaves_nothing),
		cmocka_unit_test(a_mapping_ends_as_the_kernels_does),
		cmocka_unit_test(locked_memory_traps_all_the_same),
		cmocka_unit_test(a_child_finds_ones_and_disturbs_nobody),
		cmocka_unit_test(exec_takes_the_mapping_away),
		cmocka_unit_test(many_threads_lose_nothing_among_signals),
		cmocka_unit_test(a_program_can_end_in_the_middle_of_an_access),
		cmocka_unit_test(a_program_can_be_stopped_and_continued),
	};

	alarm(250);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
