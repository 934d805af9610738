/* SPDX-License-Identifier: BSD-3-Clause */
#include "run_side.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon.h"

#define ANSWER_MS 120000
#define MAX_WORDS 16

/* ---- Start --------------------------------------------------------------------------------------- */

struct words {
	const char *words[MAX_WORDS];
	unsigned count;
};

static void add(struct words *w, const char *word)
{
	w->words[w->count++] = word;
}

static void add_medio(struct words *w, enum run_how how, const char *medio)
{
	add(w, medio);
	add(w, "run");
	add(w, "--quiet");
	add(w, "--device");
	add(w, "edu,bdf=" RUN_BDF);
	if (how == RUN_SHARED) {
		add(w, "--device");
		add(w, "virtio-net,bdf=" RUN_BDF_1 ",null=on,poll=on,map=shared");
	}
	add(w, "--");
}

static void exec_words(const struct words *w, int cpu, int fd)
{
	char *argv[MAX_WORDS + 1] = { NULL };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < w->count; i++)
		argv[i] = strdup(w->words[i]);
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	close_range(3, ~0u, 0);
	medio_bench_pin(cpu);
	execv(argv[0], argv);
	_exit(127);
}

/* A line, without its end; empty: there is none, and there will be none. */
static void hear(const struct run_side *side, char *line, size_t size)
{
	size_t have = 0;

	line[0] = '\0';
	for (;;) {
		struct pollfd p = { .fd = side->fd, .events = POLLIN };
		char byte;
		if (poll(&p, 1, ANSWER_MS) <= 0 || read(side->fd, &byte, 1) != 1 || byte == '\n')
			return;
		if (have + 1 < size)
			line[have++] = byte;
		line[have] = '\0';
	}
}

int run_side_start(
	struct medio_report *r, enum run_how how, int cpu, const char *what, struct run_side *side)
{
	static const char *const names[] = { "plain", "allow", "notify", "device", "device" };
	char medio[256], program[256], line[160], cpus[2][16];
	struct words w = { .count = 0 };
	int fds[2];

	*side = (struct run_side){ .fd = -1 };
	if (!medio_bench_program("tools/medio", medio, sizeof(medio)) ||
		!medio_bench_program("bench/medio-bench-program", program, sizeof(program))) {
		medio_report_note(r,
			"%s left out: tools/medio or bench/medio-bench-program has "
			"not been built",
			what);
		return -ECHILD;
	}
	snprintf(cpus[0], sizeof(cpus[0]), "%d", r->cpu_client);
	snprintf(cpus[1], sizeof(cpus[1]), "%d", cpu);
	if (how >= RUN_MEDIO)
		add_medio(&w, how, medio);
	add(&w, program);
	add(&w, cpus[0]);
	add(&w, cpus[1]);
	add(&w, names[how]);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		medio_bench_fail("socketpair", errno);
	fflush(stdout);
	side->pid = fork();
	if (side->pid < 0)
		medio_bench_fail("fork", errno);
	if (side->pid == 0)
		exec_words(&w, cpu, fds[1]);
	close(fds[1]);
	side->fd = fds[0];
	hear(side, line, sizeof(line));
	if (!strcmp(line, "ready"))
		return 0;
	medio_report_note(r, "%s left out: %s", what, line[0] == '!' ? line + 1 : line);
	run_side_stop(side);
	return -ECHILD;
}

double run_side_ask(const struct run_side *side, const char *command, unsigned n)
{
	char line[160];
	int len = snprintf(line, sizeof(line), "%s %u\n", command, n);

	if (send(side->fd, line, (size_t)len, MSG_NOSIGNAL) != len)
		medio_bench_fail(command, errno);
	hear(side, line, sizeof(line));
	if (line[0] < '0' || line[0] > '9')
		medio_bench_fail(line[0] ? line : command, EPROTO);
	return strtod(line, NULL) / n;
}

/* It ends when it is asked for nothing more. */
void run_side_stop(struct run_side *side)
{
	if (!side->pid)
		return;
	close(side->fd);
	waitpid(side->pid, NULL, 0);
	side->pid = 0;
}

/* ---- A run of nothing ------------------------------------------------------------------------------ */

double run_side_true(bool medio)
{
	extern char **environ;
	char program[256], device[] = "edu,bdf=" RUN_BDF;
	char words[][16] = { "run", "--quiet", "--device", "--", "true" };
	char *under[] = { program, words[0], words[1], words[2], device, words[3], words[4], NULL };
	char **argv = medio ? under : under + 6;
	int status = 0;
	pid_t pid;

	if (!medio_bench_program("tools/medio", program, sizeof(program)))
		medio_bench_fail("tools/medio", ENOENT);
	uint64_t start = medio_now_ns();
	int ret = medio ? posix_spawn(&pid, program, NULL, NULL, argv, environ)
			: posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (ret || waitpid(pid, &status, 0) != pid || status)
		medio_bench_fail("true", ret ? ret : ECHILD);
	return (double)(medio_now_ns() - start) / 1e6;
}
