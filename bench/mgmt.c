/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What managing costs: from asking mediod for an instance to being connected to it, many instances,
 * reading the tree, and what a client pays for being let in by mediod.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon.h"
#include "drive/vfio_user.h"
#include "proto/version.h"

#define BATCHES 5 /* a 99th percentile is taken of each */

extern char **environ;

static double since_us(uint64_t start)
{
	return (double)(medio_now_ns() - start) / 1000;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static int open_socket(const char *path, struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		medio_bench_fail("socket", errno);
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(addr->sun_path, sizeof(addr->sun_path), "%s", path);
	return fd;
}

static void connect_once(const char *path)
{
	struct sockaddr_un addr;
	int fd = open_socket(path, &addr);

	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		medio_bench_fail(path, errno);
	close(fd);
}

/* ---- Create to connectable ---------------------------------------------------------------------- */

/* The median and the 99th percentile of count samples for each of BATCHES. */
static void put_times(struct medio_report *r, const char *what, double goal_ms, const char *floor,
	double *us, unsigned count)
{
	double tails[BATCHES];

	for (unsigned b = 0; b < BATCHES; b++) {
		double *batch = us + (size_t)b * count;
		qsort(batch, count, sizeof(*batch), by_value);
		tails[b] = batch[count * 99 / 100];
	}
	for (unsigned i = 0; i < BATCHES * count; i++)
		us[i] /= 1000;
	for (unsigned b = 0; b < BATCHES; b++)
		tails[b] /= 1000;
	medio_report_put(r,
		&(struct medio_figure){ .name = what,
			.unit = "ms",
			.kind = goal_ms > 0 ? MEDIO_AT_MOST : MEDIO_NO_GOAL,
			.goal = goal_ms,
			.floor = floor },
		us, BATCHES * count);
	medio_report_put(r, &(struct medio_figure){ .name = "- 99 of 100 within", .unit = "ms" },
		tails, BATCHES);
}

static double create_one(struct medio_bench_daemon *daemon, unsigned n, enum medio_bench_way way)
{
	char path[128];
	uint64_t start = medio_now_ns();

	medio_bench_create(daemon, n, way);
	medio_bench_socket(daemon, n, path, sizeof(path));
	connect_once(path);
	double us = since_us(start);
	medio_bench_remove(daemon, n);
	return us;
}

/* What the machine itself needs for a process of its own. */
static double run_true(void)
{
	static char *const argv[] = { (char *)"true", NULL };
	uint64_t start = medio_now_ns();
	pid_t pid;
	int ret = posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ);

	if (ret)
		medio_bench_fail("/bin/true", ret);
	waitpid(pid, NULL, 0);
	return since_us(start);
}

/* And for a folder with a socket that somebody connects to. */
static double bare_socket(const char *folder, unsigned n)
{
	struct sockaddr_un addr;
	char uuid[37], sub[64], path[100];

	medio_bench_uuid(n, uuid);
	snprintf(sub, sizeof(sub), "%.24s/%.36s", folder, uuid);
	snprintf(path, sizeof(path), "%s/vfio-user.sock", sub);
	uint64_t start = medio_now_ns();
	if (mkdir(sub, 0755) < 0)
		medio_bench_fail(sub, errno);
	int fd = open_socket(path, &addr);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 8) < 0)
		medio_bench_fail(path, errno);
	connect_once(path);
	double us = since_us(start);
	close(fd);
	unlink(path);
	rmdir(sub);
	return us;
}

/* Samples of the daemon and of the floor are taken in turns. */
static void creating(struct medio_report *r, struct medio_bench_daemon *daemon, bool isolated)
{
	const double goal = isolated ? 5 : 0.3;
	unsigned count = medio_report_count(r, isolated ? 100 : 200, 5);
	unsigned all = count * BATCHES;
	double *floor = medio_bench_alloc(all * sizeof(double));
	double *tree = medio_bench_alloc(all * sizeof(double));
	double *control = medio_bench_alloc(all * sizeof(double));
	char folder[] = "/dev/shm/mb-XXXXXX", text[80];

	if (!mkdtemp(folder))
		medio_bench_fail(folder, errno);
	create_one(daemon, 1, MEDIO_BY_TREE); /* a worker for all, in density mode */
	for (unsigned i = 0; i < all; i++) {
		floor[i] = isolated ? run_true() : bare_socket(folder, i);
		tree[i] = create_one(daemon, i, MEDIO_BY_TREE);
		control[i] = create_one(daemon, i, MEDIO_BY_CONTROL);
	}
	rmdir(folder);
	qsort(floor, all, sizeof(*floor), by_value);
	snprintf(text, sizeof(text), "%s takes %.3f ms",
		isolated ? "starting /bin/true" : "a bare folder and socket",
		floor[all / 2] / 1000);
	put_times(r,
		isolated ? "isolated: echo > create to connected"
			 : "shared: echo > create to connected",
		goal, text, tree, count);
	put_times(r,
		isolated ? "isolated: control socket to connected"
			 : "shared: control socket to connected",
		goal, text, control, count);
	free(floor);
	free(tree);
	free(control);
}

/* Without a pause between them: more than there are spare workers. */
static void in_a_row(struct medio_report *r, struct medio_bench_daemon *daemon)
{
	unsigned count = medio_report_count(r, 100, 5), runs = medio_report_count(r, 5, 1);
	double ms[5];
	char name[80];

	for (unsigned i = 0; i < runs; i++) {
		uint64_t start = medio_now_ns();
		for (unsigned n = 0; n < count; n++)
			medio_bench_create(daemon, n, MEDIO_BY_TREE);
		ms[i] = since_us(start) / 1000 / count;
		for (unsigned n = 0; n < count; n++)
			medio_bench_remove(daemon, n);
	}
	snprintf(name, sizeof(name), "isolated: each of %u without a pause", count);
	medio_report_put(r, &(struct medio_figure){ .name = name, .unit = "ms" }, ms, runs);
}

/* ---- Many --------------------------------------------------------------------------------------- */

static void many(struct medio_report *r)
{
	unsigned count = medio_report_count(r, 10000, 100), processes;
	unsigned runs = medio_report_count(r, 3, 1);
	double made[3], removed[3], memory[3];
	struct medio_bench_daemon daemon;
	char parent[64], name[80];

	for (unsigned i = 0; i < runs; i++) {
		snprintf(parent, sizeof(parent), "mtty,ports=%u,per-worker=1000", count);
		medio_bench_check(medio_bench_daemon_start(&daemon, parent), "mediod");
		uint64_t start = medio_now_ns();
		for (unsigned n = 0; n < count; n++)
			medio_bench_create(&daemon, n, MEDIO_BY_TREE);
		made[i] = since_us(start) / 1e6;
		memory[i] = medio_bench_daemon_memory(&daemon, &processes);
		start = medio_now_ns();
		for (unsigned n = 0; n < count; n++)
			medio_bench_remove(&daemon, n);
		removed[i] = since_us(start) / 1e6;
		medio_bench_daemon_stop(&daemon);
	}
	snprintf(name, sizeof(name), "%u shared, made one after the other", count);
	medio_report_put(r,
		&(struct medio_figure){
			.name = name, .unit = "s", .kind = MEDIO_AT_MOST, .goal = 5 },
		made, runs);
	snprintf(name, sizeof(name), "- memory of %u processes", processes);
	medio_report_put(r,
		&(struct medio_figure){
			.name = name, .unit = "MiB", .kind = MEDIO_AT_MOST, .goal = 500 },
		memory, runs);
	medio_report_put(
		r, &(struct medio_figure){ .name = "- removed in", .unit = "s" }, removed, runs);
}

/* ---- ls -lR ------------------------------------------------------------------------------------- */

static char copy_to[64];
static size_t copy_from;
static unsigned copied;

/* Each file, folder and link of the tree, in memory: files have what their size says. */
static int copy(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	char to[512], target[256];

	(void)ftw;
	snprintf(to, sizeof(to), "%s%s", copy_to, path + copy_from);
	copied++;
	if (kind == FTW_D)
		return mkdir(to, 0755) < 0 && errno != EEXIST;
	if (kind == FTW_SL) {
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = 0;
		return symlink(target, to) < 0;
	}
	int fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, st->st_mode & 0777);
	if (fd < 0 || ftruncate(fd, st->st_size) < 0)
		return 1;
	close(fd);
	return 0;
}

static int drop(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static double list(const char *path)
{
	char *const argv[] = { (char *)"ls", (char *)"-lR", (char *)path, NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int status;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	uint64_t start = medio_now_ns();
	int ret = posix_spawnp(&pid, "ls", &actions, NULL, argv, environ);
	if (ret)
		medio_bench_fail("ls", ret);
	waitpid(pid, &status, 0);
	double seconds = since_us(start) / 1e6;
	posix_spawn_file_actions_destroy(&actions);
	if (status)
		medio_bench_fail("ls -lR", EIO);
	return seconds;
}

static void listing(struct medio_report *r)
{
	unsigned count = medio_report_count(r, 1000, 50), runs = medio_report_count(r, 7, 2);
	double tree[7], floor[7];
	struct medio_bench_daemon daemon;
	char path[96], name[80], text[80];

	medio_bench_check(
		medio_bench_daemon_start(&daemon, "mtty,ports=1000,per-worker=1000"), "mediod");
	for (unsigned n = 0; n < count; n++)
		medio_bench_create(&daemon, n, MEDIO_BY_TREE);
	snprintf(path, sizeof(path), "%s/sys", daemon.folder);
	strcpy(copy_to, "/dev/shm/medio-copy-XXXXXX");
	copy_from = strlen(path);
	copied = 0;
	if (!mkdtemp(copy_to) || nftw(path, copy, 16, FTW_PHYS))
		medio_bench_fail(copy_to, errno);
	for (unsigned i = 0; i < runs; i++) {
		tree[i] = list(path);
		floor[i] = list(copy_to);
	}
	nftw(copy_to, drop, 16, FTW_PHYS | FTW_DEPTH);
	for (unsigned n = 0; n < count; n++)
		medio_bench_remove(&daemon, n);
	medio_bench_daemon_stop(&daemon);
	qsort(floor, runs, sizeof(*floor), by_value);
	snprintf(name, sizeof(name), "ls -lR of %u instances, %u entries", count, copied);
	snprintf(text, sizeof(text), "as many in a tmpfs take %.3f s", floor[runs / 2]);
	medio_report_put(r,
		&(struct medio_figure){ .name = name,
			.unit = "s",
			.kind = MEDIO_AT_MOST,
			.goal = 1,
			.floor = text },
		tree, runs);
}

/* ---- A client ----------------------------------------------------------------------------------- */

static pid_t serve(const char *path)
{
	char program[256];
	char *const argv[] = { (char *)"medio", (char *)"serve", (char *)"mtty-1",
		(char *)"--socket", (char *)path, NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;

	if (!medio_bench_program("tools/medio", program, sizeof(program)))
		return -1;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	int ret = posix_spawn(&pid, program, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (ret)
		medio_bench_fail(program, ret);
	for (unsigned i = 0; access(path, F_OK) < 0; i++) {
		if (i == 1000)
			medio_bench_fail(path, ETIMEDOUT);
		usleep(2000);
	}
	return pid;
}

/* connect() to the answer of VERSION. */
static double ready(const char *path)
{
	struct medio_vu_client *client;
	struct medio_vu_caps offer, got;

	medio_vu_caps_default(&offer);
	uint64_t start = medio_now_ns();
	medio_bench_check(medio_vu_client_connect(path, NULL, &client, NULL), "connect");
	medio_bench_check(medio_vu_client_version(client, &offer, &got, NULL), "VERSION");
	double us = since_us(start);
	medio_vu_client_free(client);
	usleep(2000); /* the server sees it go, and sleeps */
	return us;
}

static void connecting(struct medio_report *r, struct medio_bench_daemon *daemon)
{
	unsigned count = medio_report_count(r, 200, 10);
	double *managed = medio_bench_alloc(count * sizeof(double));
	double *direct = medio_bench_alloc(count * sizeof(double));
	char path[128], own[96], text[80];

	medio_bench_create(daemon, 1, MEDIO_BY_TREE);
	medio_bench_socket(daemon, 1, path, sizeof(path));
	snprintf(own, sizeof(own), "%s/serve.sock", daemon->folder);
	pid_t pid = serve(own);
	if (pid < 0) {
		medio_report_note(r, "clients: left out, medio is not built");
	} else {
		for (unsigned i = 0; i < count; i++) {
			direct[i] = ready(own);
			managed[i] = ready(path);
		}
		kill(pid, SIGTERM);
		waitpid(pid, NULL, 0);
		qsort(direct, count, sizeof(*direct), by_value);
		snprintf(text, sizeof(text), "to medio serve it takes %.0f us", direct[count / 2]);
		medio_report_put(r,
			&(struct medio_figure){ .name = "connect to VERSION's answer, by mediod",
				.unit = "us",
				.floor = text },
			managed, count);
	}
	medio_bench_remove(daemon, 1);
	free(managed);
	free(direct);
}

/* ---- All ---------------------------------------------------------------------------------------- */

static int run(struct medio_report *r)
{
	struct medio_bench_daemon daemon;
	cpu_set_t all;

	/* A shell that asks is not held on one processor, nor is what it starts. */
	memset(&all, 0xff, sizeof(all));
	sched_setaffinity(0, sizeof(all), &all);
	int ret = medio_bench_daemon_start(&daemon, "mtty,ports=1000");
	if (ret) {
		medio_report_note(r, "left out: mediod does not run here (%s)", strerror(-ret));
		return 0;
	}
	creating(r, &daemon, true);
	in_a_row(r, &daemon);
	connecting(r, &daemon);
	medio_bench_daemon_stop(&daemon);
	medio_bench_check(
		medio_bench_daemon_start(&daemon, "mtty,ports=1000,per-worker=1000"), "mediod");
	creating(r, &daemon, false);
	medio_bench_daemon_stop(&daemon);
	many(r);
	listing(r);
	return 0;
}

const struct medio_bench medio_bench_mgmt = {
	.name = "mgmt",
	.summary = "mediod: making instances, many of them, reading the tree",
	.run = run,
};
