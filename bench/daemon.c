/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define LINE 65536

bool medio_bench_program(const char *name, char *out, size_t size)
{
	char self[256];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return false;
	self[n] = 0;
	/* BUILD/bench/medio-bench */
	for (int i = 0; i < 2; i++) {
		char *slash = strrchr(self, '/');
		if (!slash)
			return false;
		*slash = 0;
	}
	return snprintf(out, size, "%s/%s", self, name) < (int)size && access(out, X_OK) == 0;
}

/* ---- Start and stop ----------------------------------------------------------------------------- */

/* What mediod prints when it is ready goes to out. */
static void exec_daemon(const char *program, const char *folder, const char *parent, int out)
{
	char config[96];
	struct rlimit limit;
	cpu_set_t all;

	/* It and its workers may run anywhere, and have all the files that there may be. */
	memset(&all, 0xff, sizeof(all));
	sched_setaffinity(0, sizeof(all), &all);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	/* This machine's own settings are not ours. */
	snprintf(config, sizeof(config), "%s/empty", folder);
	close(open(config, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	dup2(out, STDOUT_FILENO);
	execl(program, program, "--runtime-dir", folder, "--definitions", folder, "--parent",
		parent, "--config", config, "--quiet", "--json", NULL);
	_exit(127);
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int ret = -errno;
		close(fd);
		return ret;
	}
	return fd;
}

/* The folder that find and bind there are to be fast in: memory, as /run is. */
static bool make_folder(char *out, size_t size)
{
	snprintf(out, size, "%s/medio-bench-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	return mkdtemp(out);
}

/* mediod leaves its runtime folder, with empty folders and the file of its lock. */
static void remove_folder(const char *folder)
{
	static const char *const left[] = { "sys", "workers", "lock", "empty", "" };
	char path[96];

	for (unsigned i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, left[i]);
		remove(path);
	}
}

int medio_bench_daemon_start(struct medio_bench_daemon *daemon, const char *parent)
{
	char program[256], path[96], byte;
	int out[2];

	if (!medio_bench_program("tools/mediod", program, sizeof(program)))
		return -ENOENT;
	*daemon = (struct medio_bench_daemon){ .control = -1 };
	if (!make_folder(daemon->folder, sizeof(daemon->folder)) || pipe2(out, O_CLOEXEC) < 0)
		medio_bench_fail("mediod's folder", errno);
	snprintf(daemon->create, sizeof(daemon->create),
		"%s/sys/class/mdev_bus/mtty/mdev_supported_types/mtty-1/create", daemon->folder);
	fflush(stdout);
	daemon->pid = fork();
	if (daemon->pid < 0)
		medio_bench_fail("fork", errno);
	if (daemon->pid == 0)
		exec_daemon(program, daemon->folder, parent, out[1]);
	close(out[1]);
	/* A line when it is ready, or the end of file. */
	bool ready = read(out[0], &byte, 1) == 1;
	close(out[0]);
	snprintf(path, sizeof(path), "%s/control", daemon->folder);
	daemon->control = ready ? connect_to(path) : -ECHILD;
	if (daemon->control >= 0)
		return 0;
	int ret = daemon->control;
	medio_bench_daemon_stop(daemon);
	return ret;
}

void medio_bench_daemon_stop(struct medio_bench_daemon *daemon)
{
	if (daemon->control >= 0)
		close(daemon->control);
	kill(daemon->pid, SIGTERM);
	waitpid(daemon->pid, NULL, 0);
	remove_folder(daemon->folder);
}

/* ---- Instances ---------------------------------------------------------------------------------- */

void medio_bench_uuid(unsigned n, char out[37])
{
	snprintf(out, 37, "%08x-0000-4000-8000-%012x", n, n);
}

void medio_bench_socket(const struct medio_bench_daemon *daemon, unsigned n, char *out, size_t size)
{
	char uuid[37];

	medio_bench_uuid(n, uuid);
	snprintf(out, size, "%s/%s/vfio-user.sock", daemon->folder, uuid);
}

/* As a shell's > does it. */
static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		medio_bench_fail(path, errno);
	close(fd);
}

static void ask(struct medio_bench_daemon *daemon, const char *request)
{
	static char line[LINE];
	size_t size = 0;

	if (send(daemon->control, request, strlen(request), MSG_NOSIGNAL) < 0)
		medio_bench_fail("control socket", errno);
	do {
		ssize_t n = recv(daemon->control, line + size, sizeof(line) - 1 - size, 0);
		if (n <= 0)
			medio_bench_fail("control socket", n ? errno : ECONNRESET);
		size += (size_t)n;
	} while (line[size - 1] != '\n');
	line[size] = 0;
	struct json_object *answer = json_tokener_parse(line), *ok = NULL;
	if (!answer || !json_object_object_get_ex(answer, "ok", &ok) ||
		!json_object_get_boolean(ok))
		medio_bench_fail(line, EPROTO);
	json_object_put(answer);
}

void medio_bench_create(struct medio_bench_daemon *daemon, unsigned n, enum medio_bench_way way)
{
	char uuid[37], request[128];

	medio_bench_uuid(n, uuid);
	if (way == MEDIO_BY_TREE) {
		write_file(daemon->create, uuid);
		return;
	}
	snprintf(request, sizeof(request),
		"{\"op\":\"start\",\"type\":\"mtty-1\",\"uuid\":\"%s\"}\n", uuid);
	ask(daemon, request);
}

void medio_bench_remove(struct medio_bench_daemon *daemon, unsigned n)
{
	char uuid[37], path[160];

	medio_bench_uuid(n, uuid);
	snprintf(path, sizeof(path), "%s/sys/bus/mdev/devices/%s/remove", daemon->folder, uuid);
	write_file(path, "1");
}

/* ---- Memory ------------------------------------------------------------------------------------- */

static double number_in(const char *path, const char *key)
{
	char line[256];
	double value = 0;
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0) {
			value = strtod(line + strlen(key), NULL);
			break;
		}
	if (f)
		fclose(f);
	return value;
}

double medio_bench_daemon_memory(const struct medio_bench_daemon *daemon, unsigned *processes)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	double kib = 0;
	char path[64];

	*processes = 0;
	while (proc && (entry = readdir(proc))) {
		long pid = strtol(entry->d_name, NULL, 10);
		if (pid <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%ld/status", pid);
		if (pid != daemon->pid && (pid_t)number_in(path, "PPid:") != daemon->pid)
			continue;
		snprintf(path, sizeof(path), "/proc/%ld/smaps_rollup", pid);
		kib += number_in(path, "Pss:");
		++*processes;
	}
	if (proc)
		closedir(proc);
	return kib / 1024;
}
