/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that a client takes away: truncated files never raise SIGBUS, and other SIGBUS still do. */
#include "iommu/iommu.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE  4096u
#define PAGES 64u
#define SIZE  (PAGES * PAGE)
#define R     MEDIO_PROT_READ
#define W     MEDIO_PROT_WRITE
#define RW    (R | W)

static struct medio_iommu *domain;
static int mem;
static char buf[SIZE];

/* Called by each test, not by cmocka: that puts its own handler of SIGBUS back in between, and the
 * next guard ours. */
static int setup(void)
{
	mem = memfd_create("mem", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return mem < 0 || ftruncate(mem, SIZE) < 0 ||
	       medio_iommu_new(&medio_iommu_type1, &domain) < 0 ||
	       medio_iommu_map(domain, 0, SIZE, RW, mem, 0, NULL) < 0;
}

static int teardown(void **state)
{
	medio_iommu_free(domain);
	close(mem);
	return 0;
}

static void assert_gone(int ret)
{
	struct medio_iommu_fault f = { 0 };
	char text[128];
	assert_int_equal(ret, -EFAULT);
	assert_int_equal(medio_iommu_fault_take(domain, &f), 0);
	assert_int_equal(f.reason, MEDIO_FAULT_GONE);
	medio_iommu_fault_print(&f, text, sizeof(text));
	assert_non_null(strstr(text, "memory gone"));
}

static void a_read_of_truncated_memory_faults(void **state)
{
	assert_int_equal(setup(), 0);
	assert_int_equal(medio_iommu_read(domain, 0, buf, SIZE), 0);
	assert_false(medio_iommu_poisoned(domain));
	assert_int_equal(ftruncate(mem, 8 * PAGE), 0);
	/* What is still there can be read; nobody noticed yet. */
	assert_int_equal(medio_iommu_read(domain, 0, buf, 8 * PAGE), 0);
	assert_false(medio_iommu_poisoned(domain));
	assert_gone(medio_iommu_read(domain, 4 * PAGE, buf, 8 * PAGE));
	assert_true(medio_iommu_poisoned(domain));
	/* From now on all of the file is given up. */
	assert_gone(medio_iommu_read(domain, 0, buf, 1));
	assert_gone(medio_iommu_write(domain, 0, buf, 1));
	int err = 0;
	assert_null(medio_iommu_translate(domain, 0, 1, R, &err));
	assert_gone(err);
	struct medio_iommu_iter it;
	assert_gone(medio_iommu_iter_init(&it, domain, 0, 1, R));
}

static void a_write_to_truncated_memory_faults(void **state)
{
	assert_int_equal(setup(), 0);
	assert_int_equal(ftruncate(mem, 0), 0);
	assert_gone(medio_iommu_write(domain, 5 * PAGE + 100, buf, 3 * PAGE));
	assert_true(medio_iommu_poisoned(domain));
}

static void a_cached_translation_is_dropped_when_its_memory_went(void **state)
{
	assert_int_equal(setup(), 0);
	assert_non_null(medio_iommu_translate(domain, 0, 8, RW, NULL));
	assert_int_equal(ftruncate(mem, 0), 0);
	/* A device that kept the pointer reads zeros and lives. */
	volatile char *p = medio_iommu_translate(domain, 0, 8, RW, NULL);
	assert_non_null(p);
	assert_int_equal(p[0], 0);
	p[SIZE - 1] = 1;
	assert_true(medio_iommu_poisoned(domain));
	assert_null(medio_iommu_translate(domain, 0, 8, RW, NULL));
	void *pages[1];
	assert_int_equal(medio_iommu_pin(domain, 0, 1, R, pages), -EINVAL);
}

static void other_files_and_domains_stay(void **state)
{
	assert_int_equal(setup(), 0);
	struct medio_iommu *other;
	int mem2 = memfd_create("mem2", MFD_CLOEXEC);
	assert_int_equal(ftruncate(mem2, PAGE), 0);
	assert_int_equal(medio_iommu_new(&medio_iommu_type1, &other), 0);
	assert_int_equal(medio_iommu_map(other, 0, PAGE, RW, mem2, 0, NULL), 0);
	assert_int_equal(medio_iommu_map(domain, SIZE, PAGE, RW, mem2, 0, NULL), 0);
	assert_int_equal(ftruncate(mem, 0), 0);
	assert_gone(medio_iommu_read(domain, 0, buf, 1));
	assert_false(medio_iommu_poisoned(other));
	assert_int_equal(medio_iommu_read(other, 0, buf, PAGE), 0);
	assert_int_equal(medio_iommu_write(domain, SIZE, "ok", 2), 0);
	assert_int_equal(medio_iommu_read(domain, SIZE, buf, 2), 0);
	assert_memory_equal(buf, "ok", 2);
	assert_non_null(medio_iommu_translate(domain, SIZE, 2, RW, NULL));
	medio_iommu_free(other);
	close(mem2);
}

static void the_domain_is_clean_again_when_the_memory_is_unmapped(void **state)
{
	assert_int_equal(setup(), 0);
	assert_int_equal(ftruncate(mem, 0), 0);
	assert_gone(medio_iommu_read(domain, 0, buf, 1));
	/* The file is back, but the mapping is not: its pages are zeros of ours. */
	assert_int_equal(ftruncate(mem, SIZE), 0);
	assert_gone(medio_iommu_read(domain, 0, buf, 1));
	assert_int_equal(medio_iommu_map(domain, SIZE, PAGE, RW, mem, 0, NULL), 0);
	assert_int_equal(medio_iommu_write(domain, SIZE, "new", 3), 0);
	assert_int_equal(pread(mem, buf, 3, 0), 3);
	assert_memory_equal(buf, "new", 3);
	assert_true(medio_iommu_poisoned(domain));
	assert_int_equal(medio_iommu_unmap(domain, 0, SIZE, 0, NULL), 0);
	assert_false(medio_iommu_poisoned(domain));
	assert_int_equal(medio_iommu_read(domain, SIZE, buf, 3), 0);
	assert_memory_equal(buf, "new", 3);
}

static void files_of_tmpfs_are_guarded_too(void **state)
{
	assert_int_equal(setup(), 0);
	char path[] = "/dev/shm/medio-test-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		skip();
	unlink(path);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	assert_int_equal(medio_iommu_map(domain, SIZE, SIZE, R, fd, 0, NULL), 0);
	assert_int_equal(medio_iommu_read(domain, SIZE, buf, SIZE), 0);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	assert_gone(medio_iommu_read(domain, SIZE, buf, SIZE));
	close(fd);
}

static void a_sealed_file_cannot_shrink(void **state)
{
	assert_int_equal(setup(), 0);
	assert_int_equal(fcntl(mem, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(ftruncate(mem, 0), -1);
	assert_int_equal(medio_iommu_write(domain, 0, buf, SIZE), 0);
	assert_false(medio_iommu_poisoned(domain));
}

/* ---- In the middle of copies ----------------------------------------------------------------- */

static atomic_bool stop;

static void *truncate_and_restore(void *arg)
{
	int fd = *(int *)arg;
	while (!atomic_load(&stop)) {
		if (ftruncate(fd, 0) < 0 || ftruncate(fd, SIZE) < 0)
			return (void *)"ftruncate";
	}
	return NULL;
}

static void truncation_in_the_middle_of_copies_faults_and_never_kills(void **state)
{
	assert_int_equal(setup(), 0);
	pthread_t thread;
	void *why;
	unsigned gone = 0, whole = 0;
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&thread, NULL, truncate_and_restore, &mem), 0);
	/* Each round maps anew, and copies until the memory goes. */
	for (unsigned round = 0; round < 500 && gone < 50;) {
		assert_int_equal(medio_iommu_unmap(domain, 0, 0, MEDIO_UNMAP_ALL, NULL), 0);
		if (medio_iommu_map(domain, 0, SIZE, RW, mem, 0, NULL) < 0) {
			sched_yield(); /* the file is short right now */
			continue;
		}
		round++;
		for (unsigned i = 0; i < 50; i++) {
			int ret = i % 2 ? medio_iommu_read(domain, 0, buf, SIZE)
					: medio_iommu_write(domain, 0, buf, SIZE);
			if (ret < 0) {
				assert_int_equal(ret, -EFAULT);
				assert_true(medio_iommu_poisoned(domain));
				gone++;
				break;
			}
			whole++;
		}
	}
	atomic_store(&stop, true);
	pthread_join(thread, &why);
	assert_null(why);
	/* Whatever the race gave: every copy was whole or said that it was not. */
	assert_true(gone + whole >= 50);
}

/* Its own domain and file for each thread. */
static void *copy_from_truncated(void *arg)
{
	struct medio_iommu *d;
	char byte;
	const char *failed = NULL;
	for (unsigned i = 0; i < 200 && !failed; i++) {
		int fd = memfd_create("thread", MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, 4 * PAGE) < 0 ||
			medio_iommu_new(&medio_iommu_type1, &d) < 0)
			return (void *)"setup";
		if (medio_iommu_map(d, 0, 4 * PAGE, RW, fd, 0, NULL) < 0)
			failed = "map";
		else if (ftruncate(fd, PAGE) < 0 || medio_iommu_read(d, PAGE, &byte, 1) != -EFAULT)
			failed = "no fault";
		else if (!medio_iommu_poisoned(d))
			failed = "not poisoned";
		medio_iommu_free(d);
		close(fd);
	}
	return (void *)failed;
}

static void guards_of_many_threads_do_not_meet(void **state)
{
	assert_int_equal(setup(), 0);
	pthread_t thread[8];
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, copy_from_truncated, NULL), 0);
	for (unsigned i = 0; i < 8; i++) {
		void *why;
		pthread_join(thread[i], &why);
		assert_null(why);
	}
	assert_false(medio_iommu_poisoned(domain));
}

static void guards_are_used_again(void **state)
{
	assert_int_equal(setup(), 0);
	/* More than one block of the registry, and all of them work. */
	enum { N = 300 };
	static struct medio_guard *guard[N];
	char *at[N];
	int fd = memfd_create("small", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < N; i++) {
			/* The second page lies behind the end of the file. */
			at[i] = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
			assert_true(at[i] != MAP_FAILED);
			assert_int_equal(medio_guard_add(at[i], 2 * PAGE, PAGE,
						 PROT_READ | PROT_WRITE, &guard[i]),
				0);
		}
		for (unsigned i = 0; i < N; i += 2) {
			((volatile char *)at[i])[PAGE + i] = 'x';
			at[i][i] = 'y';
		}
		for (unsigned i = 0; i < N; i++) {
			assert_int_equal(medio_guard_poisoned(guard[i]), i % 2 == 0);
			medio_guard_del(guard[i]);
			munmap(at[i], 2 * PAGE);
		}
	}
	char c;
	assert_int_equal(pread(fd, &c, 1, 0), 1);
	assert_int_equal(c, 'y'); /* the page that was there stayed the file's */
	close(fd);
}

/* ---- SIGBUS that is not ours ----------------------------------------------------------------- */

static void touch_foreign(void)
{
	int fd = memfd_create("foreign", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, PAGE) < 0)
		_exit(90);
	volatile char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED || ftruncate(fd, 0) < 0)
		_exit(91);
	p[0] = 1;
}

static void their_handler(int sig)
{
	_exit(42);
}

static void their_siginfo_handler(int sig, siginfo_t *info, void *context)
{
	_exit(info->si_addr && context ? 43 : 44);
}

static void ignored(int sig)
{
	struct sigaction sa = { .sa_handler = SIG_IGN };
	sigaction(sig, &sa, NULL);
}

/*
 * The handler is installed once a process, so each case is a process of its own, started before
 * this one has any guard: what is in place first is then what the child puts there.
 */
static int run_child(void (*prepare)(void), void (*act)(void))
{
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGBUS, SIG_DFL); /* not a sanitizer's */
		prepare();
		if (setup())
			_exit(92);
		/* Ours works all the same. */
		if (ftruncate(mem, 0) < 0 || medio_iommu_read(domain, 0, buf, 1) != -EFAULT)
			_exit(93);
		act();
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void prepare_nothing(void)
{
}

static void prepare_handler(void)
{
	signal(SIGBUS, their_handler);
}

static void prepare_siginfo(void)
{
	struct sigaction sa = { .sa_sigaction = their_siginfo_handler, .sa_flags = SA_SIGINFO };
	sigaction(SIGBUS, &sa, NULL);
}

static void prepare_ignored(void)
{
	ignored(SIGBUS);
}

static void send_sigbus(void)
{
	raise(SIGBUS);
}

static void foreign_faults_reach_the_previous_handler(void **state)
{
	assert_int_equal(run_child(prepare_handler, touch_foreign), 42);
	assert_int_equal(run_child(prepare_siginfo, touch_foreign), 43);
	assert_int_equal(run_child(prepare_handler, send_sigbus), 42);
}

static struct sigaction before_theirs;

static void calling_handler(int sig, siginfo_t *info, void *context)
{
	before_theirs.sa_sigaction(sig, info, context);
}

/* A handler put over ours, which calls ours, which comes back over it with the next guard. */
static void touch_foreign_in_a_circle(void)
{
	struct sigaction sa = { .sa_sigaction = calling_handler, .sa_flags = SA_SIGINFO };
	struct medio_iommu *second;
	sigaction(SIGBUS, &sa, &before_theirs);
	if (ftruncate(mem, PAGE) < 0 || medio_iommu_new(&medio_iommu_type1, &second) < 0 ||
		medio_iommu_map(second, 0, PAGE, RW, mem, 0, NULL) < 0)
		_exit(94);
	touch_foreign();
}

static sigjmp_buf out;

static void leaving_handler(int sig)
{
	siglongjmp(out, 1);
}

static void prepare_leaving(void)
{
	signal(SIGBUS, leaving_handler);
}

static void touch_foreign_twice(void)
{
	for (volatile int i = 0; i < 2; i++) {
		if (!sigsetjmp(out, 1)) {
			touch_foreign();
			_exit(95);
		}
	}
	_exit(45);
}

static void handlers_may_call_ours_or_leave_by_jumping(void **state)
{
	assert_int_equal(run_child(prepare_nothing, touch_foreign_in_a_circle), -SIGBUS);
	assert_int_equal(run_child(prepare_leaving, touch_foreign_twice), 45);
}

static void foreign_faults_kill_by_default(void **state)
{
	assert_int_equal(run_child(prepare_nothing, touch_foreign), -SIGBUS);
	assert_int_equal(run_child(prepare_nothing, send_sigbus), -SIGBUS);
	/* A fault cannot be ignored, a signal somebody sent can. */
	assert_int_equal(run_child(prepare_ignored, touch_foreign), -SIGBUS);
	assert_int_equal(run_child(prepare_ignored, send_sigbus), 0);
}

#define TEST(f) cmocka_unit_test_teardown(f, teardown)

/* valgrind 3.19 cannot grow the stack for a signal's frame: have it grown before. */
static __attribute__((noinline)) void grow_stack(void)
{
	volatile char room[16 * PAGE];
	for (unsigned i = 0; i < sizeof(room); i += PAGE)
		room[i] = 0;
}

int main(void)
{
	grow_stack();
	const struct CMUnitTest tests[] = {
		/* First: without a guard in this process. */
		cmocka_unit_test(foreign_faults_reach_the_previous_handler),
		cmocka_unit_test(foreign_faults_kill_by_default),
		cmocka_unit_test(handlers_may_call_ours_or_leave_by_jumping),
		TEST(a_read_of_truncated_memory_faults),
		TEST(a_write_to_truncated_memory_faults),
		TEST(a_cached_translation_is_dropped_when_its_memory_went),
		TEST(other_files_and_domains_stay),
		TEST(the_domain_is_clean_again_when_the_memory_is_unmapped),
		TEST(files_of_tmpfs_are_guarded_too),
		TEST(a_sealed_file_cannot_shrink),
		TEST(truncation_in_the_middle_of_copies_faults_and_never_kills),
		TEST(guards_of_many_threads_do_not_meet),
		TEST(guards_are_used_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
