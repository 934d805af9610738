/* SPDX-License-Identifier: BSD-3-Clause */
/* What programs do that has nothing to do with devices. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run_program.h"

#define BYTES	64
#define MAPPED	(64u << 10)
#define NUMBERS 65536u

extern char **environ;

static void call_getpid(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		syscall(SYS_getpid);
}

static void call_pread(unsigned n)
{
	static int fd = -1;
	char buf[BYTES];

	if (fd < 0 && (fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)) < 0)
		program_fail("/proc/self/exe");
	for (unsigned i = 0; i < n; i++)
		if (pread(fd, buf, sizeof(buf), i % 64 * BYTES) != sizeof(buf))
			program_fail("pread");
}

static void open_and_close(const char *path, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			program_fail(path);
		close(fd);
	}
}

static void call_open(unsigned n)
{
	open_and_close("/etc/passwd", n);
}

static void call_open_dev(unsigned n)
{
	open_and_close("/dev/null", n);
}

static void call_open_sys(unsigned n)
{
	open_and_close("/sys/devices/system/cpu/online", n);
}

static int ends[2] = { -1, -1 };

static void make_pipe(void)
{
	if (ends[0] < 0 && pipe2(ends, O_CLOEXEC) < 0)
		program_fail("pipe");
}

static void call_ioctl(unsigned n)
{
	int waiting;

	make_pipe();
	for (unsigned i = 0; i < n; i++)
		if (ioctl(ends[0], FIONREAD, &waiting) < 0)
			program_fail("ioctl");
}

static void call_pipe(unsigned n)
{
	char buf[BYTES] = { 0 };

	make_pipe();
	for (unsigned i = 0; i < n; i++)
		if (write(ends[1], buf, sizeof(buf)) != sizeof(buf) ||
			read(ends[0], buf, sizeof(buf)) != sizeof(buf))
			program_fail("pipe");
}

static void call_mmap(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		char *memory = mmap(
			NULL, MAPPED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory == MAP_FAILED)
			program_fail("mmap");
		for (unsigned at = 0; at < MAPPED; at += 4096)
			((volatile char *)memory)[at] = 1;
		munmap(memory, MAPPED);
	}
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

/* No system call at all. */
static void sort(unsigned n)
{
	static uint32_t numbers[NUMBERS];

	for (unsigned i = 0; i < n; i++) {
		uint32_t number = i;
		for (unsigned k = 0; k < NUMBERS; k++)
			numbers[k] = number = number * 1664525u + 1013904223u;
		qsort(numbers, NUMBERS, sizeof(numbers[0]), by_number);
	}
}

/* A program that others wrote, which does little but system calls. */
static void list(unsigned n)
{
	static char program[] = "ls", how[] = "-lR", where[] = "/etc";
	char *argv[] = { program, how, where, NULL };
	posix_spawn_file_actions_t actions;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	for (unsigned i = 0; i < n; i++) {
		int status;
		pid_t pid;
		errno = posix_spawnp(&pid, program, &actions, NULL, argv, environ);
		if (errno || waitpid(pid, &status, 0) != pid)
			program_fail("ls");
	}
	posix_spawn_file_actions_destroy(&actions);
}

const struct program_command program_calls[] = {
	{ "getpid", call_getpid },
	{ "pread", call_pread },
	{ "open", call_open },
	{ "open-dev", call_open_dev },
	{ "open-sys", call_open_sys },
	{ "ioctl", call_ioctl },
	{ "pipe", call_pipe },
	{ "mmap", call_mmap },
	{ "sort", sort },
	{ "list", list },
	{ NULL, NULL },
};
