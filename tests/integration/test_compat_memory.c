/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program's memory as devices get it (lib/compat/span.h): what stays as it was for the program while its private memory
 * is made shared, with threads, signals and children.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "caught.h"
#include "compat/span.h"

#define RW    (MEDIO_SPAN_READ | MEDIO_SPAN_WRITE)
#define PAGE  4096
#define WRITE (PROT_READ | PROT_WRITE)

/*
 * Whole pages of the stack, until the function returns. A sanitizer has arrays elsewhere, and what alloca() gives too
 * where the compiler knows how much.
 */
static volatile size_t unknown;
#define ON_STACK(size) \
	((char *)(((uintptr_t)__builtin_alloca((size) + PAGE + unknown) + PAGE - 1) & \
		  -(uintptr_t)PAGE))

/* ---- What programs do -------------------------------------------------------------------------- */

static struct caught_ask take(void *at, size_t size, unsigned prot)
{
	struct caught_ask ask = { .addr = (uintptr_t)at, .size = size, .prot = prot };

	CHECK(caught_call(CAUGHT_TAKE, &ask) == 0);
	return ask;
}

static long try_take(void *at, size_t size, unsigned prot)
{
	struct caught_ask ask = { .addr = (uintptr_t)at, .size = size, .prot = prot };

	return caught_call(CAUGHT_TAKE, &ask);
}

/* A device writes there, and reads what the program writes. */
static void check_reach(struct caught_ask *ask, volatile uint64_t *at, uint64_t offset)
{
	ask->offset = offset;
	ask->value = 0x1122334455667788;
	CHECK(caught_call(CAUGHT_WRITE, ask) == 0);
	CHECK(at[offset / 8] == 0x1122334455667788);
	at[offset / 8] = 99;
	CHECK(caught_call(CAUGHT_READ, ask) == 0);
	CHECK(ask->value == 99);
}

static void *map_private(size_t size)
{
	void *at = mmap(NULL, size, WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(at != MAP_FAILED);
	return at;
}

static uint64_t files(void)
{
	struct caught_ask ask = { 0 };

	CHECK(caught_call(CAUGHT_FILES, &ask) == 0);
	return ask.value;
}

static int run(void (*program)(void))
{
	int status = caught_run(program);

	assert_int_not_equal(status, -1);
	return status;
}

static void run_well(void (*program)(void))
{
	assert_int_equal(run(program), 0);
	assert_int_equal(caught_left, 0);
}

/* ---- Kinds of memory --------------------------------------------------------------------------- */

static void use_memfd(void)
{
	int fd = memfd_create("memory", 0);

	CHECK(ftruncate(fd, 16 * PAGE) == 0);
	char *at = mmap(NULL, 8 * PAGE, WRITE, MAP_SHARED, fd, 4 * PAGE);
	struct caught_ask ask = take(at + PAGE, 2 * PAGE, RW);
	CHECK(ask.pieces == 1 && ask.files == 1);
	check_reach(&ask, (uint64_t *)(at + PAGE), 8);
	/* What is no longer the program's is the device's still. */
	memset(at + PAGE, 7, 8);
	CHECK(munmap(at, 8 * PAGE) == 0);
	ask.offset = 0;
	CHECK(caught_call(CAUGHT_READ, &ask) == 0);
	CHECK(ask.value == 0x0707070707070707);
}

static void test_shared_memory_is_reached_by_its_own_file(void **state)
{
	(void)state;
	run_well(use_memfd);
}

static void use_private(void)
{
	uint64_t *at = map_private(64 * PAGE);

	for (unsigned i = 0; i < 64; i += 3)
		at[i * PAGE / 8] = i + 1;
	struct caught_ask ask = take(at, 64 * PAGE, RW);
	CHECK(ask.pieces == 1 && ask.files == 1);
	for (unsigned i = 0; i < 64; i++)
		CHECK(at[i * PAGE / 8] == (i % 3 ? 0 : i + 1));
	check_reach(&ask, at, 5 * PAGE);
	/* Once more, and a part of it: it is shared already. */
	ask = take(at + 3 * PAGE / 8, 2 * PAGE, RW);
	CHECK(ask.pieces == 1 && ask.files == 1);
	check_reach(&ask, at + 3 * PAGE / 8, 2 * PAGE - 8);
}

static void test_private_memory_is_made_shared_as_it_is(void **state)
{
	(void)state;
	run_well(use_private);
}

static char in_data[4 * PAGE] __attribute__((aligned(PAGE))) = "data";
static char in_bss[4 * PAGE] __attribute__((aligned(PAGE)));

static void use_kinds(void)
{
	/* The heap grows on. */
	char *heap = sbrk(0);
	CHECK(brk(heap + 64 * PAGE) == 0);
	char *aligned = (char *)(((uintptr_t)heap + PAGE) & -(uintptr_t)PAGE);
	strcpy(aligned, "heap");
	struct caught_ask ask = take(aligned, 8 * PAGE, RW);
	CHECK(ask.files == 1 && strcmp(aligned, "heap") == 0);
	check_reach(&ask, (uint64_t *)aligned, PAGE);
	CHECK(brk(heap + 128 * PAGE) == 0);
	memset(heap, 1, 128 * PAGE);
	CHECK(brk(heap + 2 * PAGE) == 0);

	ask = take(in_data, 2 * PAGE, RW);
	CHECK(ask.files == ask.pieces && strcmp(in_data, "data") == 0);
	check_reach(&ask, (uint64_t *)in_data, PAGE);
	ask = take(in_bss, sizeof(in_bss), RW);
	CHECK(ask.files == ask.pieces);
	check_reach(&ask, (uint64_t *)in_bss, PAGE);

	/* The stack stays where it is, and is copied. */
	char *page = ON_STACK(2 * PAGE);
	ask = take(page, 2 * PAGE, RW);
	CHECK(ask.pieces == 1 && ask.files == 0);
	check_reach(&ask, (uint64_t *)page, PAGE);
}

static void test_heap_data_bss_and_stack_are_reached(void **state)
{
	(void)state;
	run_well(use_kinds);
}

static void use_several(void)
{
	int fd = memfd_create("memory", 0);
	char *at = map_private(6 * PAGE);

	/* Private, file, file from elsewhere, private but for reading. */
	CHECK(ftruncate(fd, 16 * PAGE) == 0);
	CHECK(mmap(at + PAGE, PAGE, WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED);
	CHECK(mmap(at + 2 * PAGE, PAGE, WRITE, MAP_SHARED | MAP_FIXED, fd, 8 * PAGE) != MAP_FAILED);
	CHECK(mprotect(at + 5 * PAGE, PAGE, PROT_READ) == 0);
	struct caught_ask ask = take(at, 5 * PAGE, RW);
	CHECK(ask.pieces == 4 && ask.files == 4);
	for (unsigned i = 0; i < 5; i++)
		check_reach(&ask, (uint64_t *)at, i * PAGE);
	/* Across all of them. */
	ask.offset = 2 * PAGE - 4;
	ask.value = 0x1111111122222222;
	CHECK(caught_call(CAUGHT_WRITE, &ask) == 0);
	CHECK(*(uint32_t *)(at + 2 * PAGE - 4) == 0x22222222);
	CHECK(*(uint32_t *)(at + 2 * PAGE) == 0x11111111);
	ask.offset = 5 * PAGE - 4;
	CHECK(caught_call(CAUGHT_READ, &ask) == -EFAULT);
	/* As the kernel: what the program may not, the device may not. */
	CHECK(try_take(at, 6 * PAGE, RW) == -EFAULT);
	CHECK(try_take(at + 5 * PAGE, PAGE, MEDIO_SPAN_WRITE) == -EFAULT);
	CHECK(try_take(at + 5 * PAGE, PAGE, MEDIO_SPAN_READ) == 0);
	CHECK(munmap(at + 3 * PAGE, PAGE) == 0);
	CHECK(try_take(at, 5 * PAGE, RW) == -EFAULT);
	CHECK(try_take(at + 3 * PAGE, PAGE, RW) == -EFAULT);
	CHECK(try_take((void *)(uintptr_t)-PAGE, PAGE, RW) == -EFAULT);
	CHECK(try_take((void *)(uintptr_t)0x7ffffffffffff000, 2 * PAGE, RW) == -EFAULT);
	CHECK(try_take(NULL, PAGE, RW) == -EFAULT);
	/* Beyond the file's end there is nothing. */
	CHECK(mmap(at, 2 * PAGE, WRITE, MAP_SHARED | MAP_FIXED, fd, 15 * PAGE) != MAP_FAILED);
	CHECK(try_take(at, 2 * PAGE, RW) == -EFAULT);
	CHECK(try_take(at, PAGE, RW) == 0);
}

static void test_a_span_of_many_kinds_and_what_is_refused(void **state)
{
	(void)state;
	run_well(use_several);
}

static void use_shared_without_a_name(void)
{
	char *alone = mmap(NULL, 4 * PAGE, WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *both = mmap(NULL, 4 * PAGE, WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int pipes[2];

	CHECK(pipe(pipes) == 0);
	strcpy(alone, "alone");
	strcpy(both, "both");
	CHECK(munmap(alone + 3 * PAGE, PAGE) == 0);
	struct caught_ask ask = take(alone, 3 * PAGE, RW);
	CHECK(ask.files == 1 && strcmp(alone, "alone") == 0);
	check_reach(&ask, (uint64_t *)alone, PAGE);
	pid_t child = fork();
	if (!child) {
		char x;
		CHECK(read(pipes[0], &x, 1) == 1);
		_exit(both[PAGE] == 5 ? 0 : 1);
	}
	/* It stays shared with the child, however it is reached. */
	ask = take(both, 4 * PAGE, RW);
	check_reach(&ask, (uint64_t *)both, 0);
	both[PAGE] = 5;
	CHECK(write(pipes[1], "x", 1) == 1);
	int status;
	CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void test_memory_shared_with_a_child_stays_shared(void **state)
{
	(void)state;
	run_well(use_shared_without_a_name);
}

static void use_named(void)
{
	char path[] = "/dev/shm/medio-test-XXXXXX";
	int fd = mkstemp(path);

	CHECK(fd >= 0 && ftruncate(fd, 4 * PAGE) == 0);
	char *at = mmap(NULL, 4 * PAGE, WRITE, MAP_SHARED, fd, 0);
	CHECK(at != MAP_FAILED);
	/* Read only, and not what is needed. */
	int other = open(path, O_RDONLY);
	CHECK(other >= 0 && close(fd) == 0);
	struct caught_ask ask = take(at, 4 * PAGE, RW);
	CHECK(ask.files == 1);
	check_reach(&ask, (uint64_t *)at, PAGE);
	/* The same file, and no memory in its place. */
	uint64_t there;
	CHECK(pread(other, &there, 8, PAGE) == 8 && there == 99);
	unlink(path);
}

/* Nobody but root may open it: then it is copied, for who else has it would be left alone. */
static void use_unreadable(void)
{
	char path[] = "/dev/shm/medio-test-XXXXXX";
	int fd = mkstemp(path);
	uint64_t there;

	CHECK(fd >= 0 && ftruncate(fd, 4 * PAGE) == 0);
	char *at = mmap(NULL, 4 * PAGE, WRITE, MAP_SHARED, fd, 0);
	int other = open(path, O_RDONLY);
	CHECK(at != MAP_FAILED && other >= 0 && fchmod(fd, 0) == 0 && close(fd) == 0);
	struct caught_ask ask = take(at, 4 * PAGE, RW);
	check_reach(&ask, (uint64_t *)at, PAGE);
	CHECK(pread(other, &there, 8, PAGE) == 8 && there == 99);
	unlink(path);
}

static void test_a_file_whose_descriptor_is_closed(void **state)
{
	(void)state;
	run_well(use_named);
	run_well(use_unreadable);
}

static void use_huge(void)
{
	size_t huge = 0x200000;
	char *at = mmap(NULL, 2 * huge, WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (at == MAP_FAILED)
		_exit(77);
	strcpy(at, "first");
	strcpy(at + huge, "second");
	struct caught_ask ask = take(at + huge + PAGE, PAGE, RW);
	CHECK(ask.files == 1);
	CHECK(strcmp(at, "first") == 0 && strcmp(at + huge, "second") == 0);
	check_reach(&ask, (uint64_t *)(at + huge + PAGE), 0);

	int fd = memfd_create("huge", MFD_HUGETLB);
	CHECK(fd >= 0 && ftruncate(fd, (off_t)huge) == 0);
	at = mmap(NULL, huge, WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		_exit(77);
	ask = take(at + 3 * PAGE, 4 * PAGE, RW);
	CHECK(ask.files == 1);
	check_reach(&ask, (uint64_t *)(at + 3 * PAGE), PAGE);
}

static void test_huge_pages(void **state)
{
	(void)state;
	int status = run(use_huge);

	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		printf("# huge pages were not tried: none are free (/proc/sys/vm/nr_hugepages)\n");
		return;
	}
	assert_int_equal(status, 0);
}

/* ---- What else the program does ---------------------------------------------------------------- */

#define WRITERS 6

static _Atomic uint64_t *counters;
static atomic_bool enough;
static atomic_uint started;

static void *count_up(void *opaque)
{
	_Atomic uint64_t *at = &counters[(uintptr_t)opaque * PAGE / 8];
	uint64_t mine = 0;

	atomic_fetch_add(&started, 1);
	while (!atomic_load(&enough)) {
		mine++;
		atomic_fetch_add(at, 1);
	}
	return (void *)(uintptr_t)(mine != atomic_load(at));
}

static void write_meanwhile(void)
{
	pthread_t threads[WRITERS];
	void *wrong;

	for (unsigned round = 0; round < 20; round++) {
		counters = map_private(64 * PAGE);
		atomic_store(&enough, false);
		atomic_store(&started, 0);
		for (uintptr_t i = 0; i < WRITERS; i++)
			CHECK(pthread_create(&threads[i], NULL, count_up, (void *)(i * 3)) == 0);
		while (atomic_load(&started) < WRITERS)
			;
		struct caught_ask ask = take((void *)counters, 64 * PAGE, RW);
		CHECK(ask.files == 1);
		atomic_store(&enough, true);
		for (unsigned i = 0; i < WRITERS; i++) {
			CHECK(pthread_join(threads[i], &wrong) == 0);
			CHECK(!wrong);
		}
		CHECK(caught_call(CAUGHT_PUT, &ask) == 0);
		CHECK(munmap((void *)counters, 64 * PAGE) == 0);
	}
}

static void test_no_write_of_another_thread_is_lost(void **state)
{
	(void)state;
	run_well(write_meanwhile);
}

static int end_pipe[2];
static atomic_int failed_with;

static void *sleep_in_epoll(void *opaque)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(0);

	(void)opaque;
	CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, end_pipe[0], &event) == 0);
	atomic_fetch_add(&started, 1);
	if (epoll_wait(epoll, &event, 1, -1) != 1)
		atomic_store(&failed_with, errno);
	close(epoll);
	return NULL;
}

static void *sleep_in_read(void *opaque)
{
	char x;

	(void)opaque;
	atomic_fetch_add(&started, 1);
	if (read(end_pipe[0], &x, 1) != 1)
		atomic_store(&failed_with, errno);
	return NULL;
}

static void *sleep_for_signal(void *opaque)
{
	sigset_t set;

	(void)opaque;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	atomic_fetch_add(&started, 1);
	if (sigwaitinfo(&set, NULL) != SIGUSR2)
		atomic_store(&failed_with, errno);
	return NULL;
}

/* Wait until a thread sleeps in the kernel. */
static void until_all_sleep(unsigned threads)
{
	while (atomic_load(&started) < threads)
		;
	for (unsigned sleeping = 0; sleeping < threads;) {
		char path[64], text[512];
		sleeping = 0;
		/* tids follow one another often, and are looked for anyway. */
		for (pid_t tid = getpid() + 1; tid < getpid() + 200; tid++) {
			snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
			int fd = open(path, O_RDONLY);
			ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
			if (fd >= 0)
				close(fd);
			text[got > 0 ? got : 0] = '\0';
			char *state = strrchr(text, ')');
			sleeping += state && state[2] == 'S';
		}
	}
}

static void sleep_meanwhile(void)
{
	pthread_t threads[3];
	sigset_t set;

	CHECK(pipe(end_pipe) == 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
	CHECK(pthread_create(&threads[0], NULL, sleep_in_epoll, NULL) == 0);
	CHECK(pthread_create(&threads[1], NULL, sleep_in_read, NULL) == 0);
	CHECK(pthread_create(&threads[2], NULL, sleep_for_signal, NULL) == 0);
	until_all_sleep(3);
	char *at = map_private(16 * PAGE);
	for (unsigned i = 0; i < 8; i++)
		CHECK(try_take(at + i * 2 * PAGE, PAGE, RW) == 0);
	CHECK(kill(getpid(), SIGUSR2) == 0);
	CHECK(write(end_pipe[1], "xx", 2) == 2);
	for (unsigned i = 0; i < 3; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(atomic_load(&failed_with) == 0);
}

static void test_threads_that_sleep_are_not_woken(void **state)
{
	(void)state;
	run_well(sleep_meanwhile);
}

static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	(void)sig;
	signals++;
}

static void signal_meanwhile(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct itimerval often = { { 0, 200 }, { 0, 200 } }, never = { 0 };
	sigset_t before, after;

	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(sigprocmask(SIG_BLOCK, NULL, &before) == 0);
	CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
	for (unsigned i = 0; i < 200 || !signals; i++) {
		char *at = map_private(4 * PAGE);
		strcpy(at, "text");
		struct caught_ask ask = take(at, 4 * PAGE, RW);
		CHECK(ask.files == 1 && strcmp(at, "text") == 0);
		CHECK(caught_call(CAUGHT_PUT, &ask) == 0);
		CHECK(caught_call(CAUGHT_NOTHING, NULL) == 42);
		CHECK(munmap(at, 4 * PAGE) == 0);
	}
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
	CHECK(sigprocmask(SIG_BLOCK, NULL, &after) == 0);
	CHECK(memcmp(&before, &after, sizeof(long)) == 0);
}

static void test_signals_come_and_calls_are_answered(void **state)
{
	(void)state;
	run_well(signal_meanwhile);
}

#if defined(__x86_64__)
/* All registers but those that a system call spends. */
static void keep_registers(void)
{
	static uint64_t xmm[2] = { 0x0123456789abcdef, 0xfedcba9876543210 }, after[2];
	struct caught_ask ask = { .value = 1234 };
	long ret, same;

	__asm__ volatile("movdqu %[xmm], %%xmm7\n\t"
			 "mov $0x1111, %%rbx\n\t"
			 "mov $0x2222, %%r12\n\t"
			 "mov $0x3333, %%r13\n\t"
			 "mov $0x4444, %%r14\n\t"
			 "mov $0x5555, %%r15\n\t"
			 "mov $0x6666, %%r8\n\t"
			 "mov $0x7777, %%r9\n\t"
			 "mov $0x8888, %%r10\n\t"
			 "mov $-1, %%rdi\n\t"
			 "mov $16, %%eax\n\t"
			 "syscall\n\t"
			 "xor %%ecx, %%ecx\n\t"
			 "cmp $0x1111, %%rbx\n\t jne 1f\n\t"
			 "cmp $0x2222, %%r12\n\t jne 1f\n\t"
			 "cmp $0x3333, %%r13\n\t jne 1f\n\t"
			 "cmp $0x4444, %%r14\n\t jne 1f\n\t"
			 "cmp $0x5555, %%r15\n\t jne 1f\n\t"
			 "cmp $0x6666, %%r8\n\t jne 1f\n\t"
			 "cmp $0x7777, %%r9\n\t jne 1f\n\t"
			 "cmp $0x8888, %%r10\n\t jne 1f\n\t"
			 "cmp $-1, %%rdi\n\t jne 1f\n\t"
			 "inc %%ecx\n\t"
			 "1: movdqu %%xmm7, %[after]"
			 : "=a"(ret), "=&c"(same), [after] "=m"(after)
			 : [xmm] "m"(xmm), "S"((long)CAUGHT_HOLD), "d"(&ask)
			 : "rbx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi",
			 "xmm7", "memory", "cc");
	CHECK(same == 1);
	CHECK(ret == 1234);
	CHECK(memcmp(xmm, after, 16) == 0);
}
#endif

static void answer_from_hold(void)
{
	struct caught_ask ask = { .value = 1234 };

	CHECK(caught_call(CAUGHT_HOLD, &ask) == 1234);
	/* What would be made again without care: EINTR, and the kernel's own codes for it. */
	for (int i = 0; i < 2; i++) {
		ask.value = (uint64_t)-EINTR;
		CHECK(caught_call(CAUGHT_HOLD, &ask) == -EINTR);
	}
	ask.value = (uint64_t)-EFAULT;
	CHECK(caught_call(CAUGHT_HOLD, &ask) == -EFAULT);
#if defined(__x86_64__)
	keep_registers();
#endif
}

static void test_a_held_call_returns_its_answer_and_nothing_else_changes(void **state)
{
	(void)state;
	run_well(answer_from_hold);
}

#define CALLERS 16

static void *take_and_put(void *opaque)
{
	uint64_t *at = map_private(16 * PAGE);

	(void)opaque;
	for (unsigned i = 0; i < 8; i++) {
		at[i * 2 * PAGE / 8] = i;
		struct caught_ask ask = take((char *)at + i * 2 * PAGE, PAGE, RW);
		CHECK(ask.files == 1 && at[i * 2 * PAGE / 8] == i);
		check_reach(&ask, at + i * 2 * PAGE / 8, 8);
		CHECK(caught_call(CAUGHT_PUT, &ask) == 0);
		CHECK(caught_call(CAUGHT_NOTHING, NULL) == 42);
	}
	CHECK(munmap(at, 16 * PAGE) == 0);
	return NULL;
}

static void many_threads(void)
{
	pthread_t threads[CALLERS];

	/* SPANS of the test bed are not used twice: half of the threads at a time. */
	for (unsigned i = 0; i < CALLERS / 2; i++)
		CHECK(pthread_create(&threads[i], NULL, take_and_put, NULL) == 0);
	for (unsigned i = 0; i < CALLERS / 2; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

static void test_many_threads_at_once(void **state)
{
	(void)state;
	run_well(many_threads);
}

/* ---- Ends -------------------------------------------------------------------------------------- */

static void give_back(void)
{
	uint64_t before = files();

	for (unsigned i = 0; i < 10; i++) {
		char *at = map_private(4 * PAGE);
		struct caught_ask ask = take(at, 4 * PAGE, RW);
		CHECK(files() > before);
		CHECK(caught_call(CAUGHT_PUT, &ask) == 0);
		/* The program has it, so it must be found again. */
		CHECK(files() > before);
		ask = take(at + PAGE, PAGE, RW);
		CHECK(ask.files == 1);
		CHECK(munmap(at, 4 * PAGE) == 0);
		CHECK(files() > before);
		CHECK(caught_call(CAUGHT_PUT, &ask) == 0);
		/* inotify and its like stay. */
		if (i == 0)
			before = files();
		CHECK(files() == before);
	}
}

static void test_memory_is_given_back_when_nobody_has_it(void **state)
{
	(void)state;
	run_well(give_back);
}

static void fork_and_exec(void)
{
	char *at = map_private(4 * PAGE), *page = ON_STACK(PAGE);
	struct caught_ask file = take(at, 4 * PAGE, RW), copied = take(page, PAGE, RW);
	int status;

	CHECK(file.files == 1 && copied.files == 0);
	pid_t child = fork();
	if (!child) {
		/* What was made shared is shared with the child, the rest is the parent's. */
		memset(page, 0, PAGE);
		check_reach(&file, (uint64_t *)at, 0);
		strcpy(page, "child"); /* not where the device writes */
		copied.offset = 0;
		copied.value = 0x6161616161616161;
		CHECK(caught_call(CAUGHT_WRITE, &copied) == 0);
		CHECK(strcmp(page, "child") == 0);
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(page[0] == 'a');
	child = fork();
	if (!child) {
		/* In a process that has memory of its own, and then ends by exec(). */
		copied = take(ON_STACK(PAGE), PAGE, RW);
		file = take(map_private(PAGE), PAGE, RW);
		CHECK(copied.span == 2 && file.span == 3);
		execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	copied.span = 2;
	CHECK(caught_call(CAUGHT_READ, &copied) == -EFAULT);
	CHECK(caught_call(CAUGHT_WRITE, &copied) == -EFAULT);
	file.span = 3;
	file.offset = 8;
	file.value = 5;
	CHECK(caught_call(CAUGHT_WRITE, &file) == 0);
	CHECK(caught_call(CAUGHT_READ, &file) == 0 && file.value == 5);
}

static void test_fork_exec_and_exit(void **state)
{
	(void)state;
	run_well(fork_and_exec);
}

static void *spin(void *opaque)
{
	(void)opaque;
	while (!atomic_load(&enough))
		atomic_fetch_add(&started, 1);
	return NULL;
}

static void killed_while_held(void)
{
	pthread_t thread;

	for (unsigned i = 0; i < 3; i++)
		CHECK(pthread_create(&thread, NULL, spin, NULL) == 0);
	while (!atomic_load(&started))
		;
	caught_call(CAUGHT_KILL, NULL);
	_exit(1);
}

static void killed_in_a_thread(void)
{
	pthread_t thread;

	/* The thread that calls is not the first. */
	CHECK(pthread_create(&thread, NULL, (void *(*)(void *))(void *)killed_while_held, NULL) ==
		0);
	pthread_join(thread, NULL);
}

static void test_a_program_that_is_killed_while_it_is_held(void **state)
{
	(void)state;
	assert_int_equal(run(killed_while_held), SIGKILL);
	assert_int_equal(caught_left, 0);
	assert_int_equal(run(killed_in_a_thread), SIGKILL);
	assert_int_equal(caught_left, 0);
}

static void killed_in_a_child(void)
{
	int status;
	pid_t child = fork();

	if (!child)
		killed_while_held();
	/* Its end is told its parent, and not lost. */
	CHECK(waitpid(child, &status, 0) == child && status == SIGKILL);
}

static void test_a_child_that_is_killed_while_it_is_held(void **state)
{
	(void)state;
	run_well(killed_in_a_child);
}

static void *fork_and_wait(void *opaque)
{
	char path[] = "/bin/sh", arg[] = "-c", script[] = "read x";
	char *argv[] = { path, arg, script, NULL };
	int status;

	(void)opaque;
	/* The parent of vfork() sleeps where nothing wakes it but the child's exec(), which waits for us. */
	pid_t child = vfork();
	if (!child) {
		char x;
		while (read(end_pipe[0], &x, 1) != 1)
			;
		_exit(3);
	}
	CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
	(void)argv;
	return NULL;
}

static void hold_beside_vfork(void)
{
	pthread_t thread;

	CHECK(pipe(end_pipe) == 0);
	CHECK(pthread_create(&thread, NULL, fork_and_wait, NULL) == 0);
	char state = 0;
	while (state != 'D') {
		char path[64], text[512];
		for (pid_t tid = getpid() + 1; tid < getpid() + 8 && state != 'D'; tid++) {
			snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
			int fd = open(path, O_RDONLY);
			ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
			if (fd >= 0)
				close(fd);
			text[got > 0 ? got : 0] = '\0';
			char *at = strrchr(text, ')');
			state = at ? at[2] : 0;
		}
	}
	char *at = map_private(16 * PAGE);
	for (unsigned i = 0; i < 3; i++)
		CHECK(take(at + i * 2 * PAGE, PAGE, RW).files == 1);
	CHECK(write(end_pipe[1], "x", 1) == 1);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(take(at + 8 * PAGE, PAGE, RW).files == 1);
}

static void test_a_thread_deep_in_the_kernel_is_let_go_later(void **state)
{
	(void)state;
	run_well(hold_beside_vfork);
}

/* ---- What cannot be ---------------------------------------------------------------------------- */

static void be_traced(void)
{
	int pipes[2], status;
	char x;

	CHECK(pipe(pipes) == 0);
	pid_t me = getpid(), tracer = fork();
	if (!tracer) {
		/* A debugger that is content with watching. */
		CHECK(ptrace(PTRACE_SEIZE, me, 0, 0) == 0);
		CHECK(write(pipes[1], "x", 1) == 1);
		close(pipes[1]);
		for (;;)
			pause();
	}
	CHECK(read(pipes[0], &x, 1) == 1);
	char *at = map_private(4 * PAGE);
	strcpy(at, "text");
	struct caught_ask ask = take(at, 4 * PAGE, RW);
	CHECK(ask.pieces == 1 && ask.files == 0 && strcmp(at, "text") == 0);
	check_reach(&ask, (uint64_t *)at, 8);
	ask.offset = 4 * PAGE - 7;
	CHECK(caught_call(CAUGHT_READ, &ask) == -EFAULT);
	CHECK(caught_call(CAUGHT_WRITE, &ask) == -EFAULT);
	CHECK(kill(tracer, SIGKILL) == 0 && waitpid(tracer, &status, 0) == tracer);
}

static void may_be_traced(void)
{
	/* By a child: Yama asks for it. */
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	be_traced();
}

static void test_a_program_under_a_debugger_is_reached_by_copying(void **state)
{
	(void)state;
	run_well(may_be_traced);
}

static void have_no_descriptor(void)
{
	struct rlimit limit = { 3, 3 };
	char *at = map_private(4 * PAGE);

	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	strcpy(at, "text");
	CHECK(try_take(at, 4 * PAGE, RW) == -ENOMEM);
	CHECK(strcmp(at, "text") == 0);
}

static void test_a_program_without_a_free_descriptor(void **state)
{
	(void)state;
	run_well(have_no_descriptor);
}

static void take_much(void)
{
	size_t size = (size_t)3 << 30;
	uint64_t *at = map_private(size);

	/* Hardly any of it is there. */
	at[0] = 1;
	at[size / 16] = 2;
	at[size / 8 - 1] = 3;
	struct caught_ask ask = take(at, size, RW);
	CHECK(ask.pieces == 1 && ask.files == 1);
	CHECK(at[0] == 1 && at[1000] == 0 && at[size / 16] == 2 && at[size / 8 - 1] == 3);
	check_reach(&ask, at, size - 16);
}

static void test_large_memory_of_which_little_is_used(void **state)
{
	(void)state;
	run_well(take_much);
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
		cmocka_unit_test(test_shared_memory_is_reached_by_its_own_file),
		cmocka_unit_test(test_private_memory_is_made_shared_as_it_is),
		cmocka_unit_test(test_heap_data_bss_and_stack_are_reached),
		cmocka_unit_test(test_a_span_of_many_kinds_and_what_is_refused),
		cmocka_unit_test(test_memory_shared_with_a_child_stays_shared),
		cmocka_unit_test(test_a_file_whose_descriptor_is_closed),
		cmocka_unit_test(test_huge_pages),
		cmocka_unit_test(test_no_write_of_another_thread_is_lost),
		cmocka_unit_test(test_threads_that_sleep_are_not_woken),
		cmocka_unit_test(test_signals_come_and_calls_are_answered),
		cmocka_unit_test(test_a_held_call_returns_its_answer_and_nothing_else_changes),
		cmocka_unit_test(test_many_threads_at_once),
		cmocka_unit_test(test_memory_is_given_back_when_nobody_has_it),
		cmocka_unit_test(test_fork_exec_and_exit),
		cmocka_unit_test(test_a_program_that_is_killed_while_it_is_held),
		cmocka_unit_test(test_a_child_that_is_killed_while_it_is_held),
		cmocka_unit_test(test_a_thread_deep_in_the_kernel_is_let_go_later),
		cmocka_unit_test(test_a_program_under_a_debugger_is_reached_by_copying),
		cmocka_unit_test(test_a_program_without_a_free_descriptor),
		cmocka_unit_test(test_large_memory_of_which_little_is_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
