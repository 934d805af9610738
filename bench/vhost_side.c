/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost_side.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <medio/serve.h>

#define START_MS 20000

/* ---- Places --------------------------------------------------------------------------------------- */

void vhost_peers_path(const char *name, char *out, size_t size)
{
	const char *peers = getenv("MEDIO_PEERS"), *cache = getenv("MEDIO_CACHE"),
		   *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (peers)
		snprintf(out, size, "%s/%s", peers, name);
	else if (cache)
		snprintf(out, size, "%s/guest/peers/%s", cache, name);
	else if (xdg)
		snprintf(out, size, "%s/medio/guest/peers/%s", xdg, name);
	else
		snprintf(out, size, "%s/.cache/medio/guest/peers/%s", home ? home : "/root", name);
}

bool vhost_peers_have(struct medio_report *r, const char *name, const char *what)
{
	char path[512];

	vhost_peers_path(name, path, sizeof(path));
	if (access(path, R_OK) == 0)
		return true;
	medio_report_note(r, "%s left out: there is no %s; script/guest-bed, run as root, gets it",
		what, name);
	return false;
}

static char folder[64];

const char *vhost_folder(void)
{
	if (folder[0])
		return folder;
	snprintf(folder, sizeof(folder), "/tmp/medio-bench-XXXXXX");
	if (!mkdtemp(folder))
		medio_bench_fail(folder, errno);
	return folder;
}

void vhost_folder_remove(void)
{
	if (folder[0] && rmdir(folder) < 0)
		medio_bench_fail(folder, errno);
	folder[0] = 0;
}

static void name_socket(struct vhost_side *side)
{
	static unsigned n;

	snprintf(side->socket, sizeof(side->socket), "%s/%u", vhost_folder(), n++);
}

static void find_clock(struct vhost_side *side)
{
	int ret = clock_getcpuclockid(side->pid, &side->clock);
	if (ret)
		medio_bench_fail("the clock of a process", ret);
}

/* ---- Ours ----------------------------------------------------------------------------------------- */

struct served {
	const struct medio_type *type;
	const char *const *params;
	const char *socket;
};

static void no_log(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	(void)line;
}

static void hang_up(void *opaque, uint32_t events)
{
	(void)events;
	medio_loop_stop(opaque);
}

static void serve(int fd, struct medio_bench_shared *shared, void *opaque)
{
	const struct served *served = opaque;
	struct medio_instance_options opts = { .params = served->params, .log = no_log };
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct medio_vhost *vhost;
	struct medio_error *err = NULL;

	(void)shared;
	while (opts.params[opts.nparams])
		opts.nparams++;
	medio_bench_check(medio_loop_new(&loop), "loop");
	int ret = medio_instance_new_bare(loop, served->type, &opts, &inst, &err);
	medio_bench_check(ret, err ? medio_error_text(err) : "instance");
	ret = medio_vhost_new(inst, served->socket, NULL, &vhost, &err);
	medio_bench_check(ret, err ? medio_error_text(err) : "vhost-user");
	struct medio_watch *watch = medio_loop_watch(loop, fd, EPOLLIN, hang_up, loop);
	if (!watch || write(fd, "", 1) != 1)
		medio_bench_fail("the benchmark", errno);
	medio_loop_run(loop);
	medio_watch_free(watch);
	medio_vhost_free(vhost);
	medio_instance_free(inst);
	medio_loop_free(loop);
}

void vhost_side_serve(
	struct vhost_side *side, const struct medio_type *type, const char *const *params, int cpu)
{
	struct served served = { type, params, side->socket };
	char byte;

	*side = (struct vhost_side){ .ours = true, .talk = -1 };
	name_socket(side);
	medio_peer_start(&side->peer, cpu, serve, &served);
	side->pid = side->peer.pid;
	if (read(side->peer.fd, &byte, 1) != 1)
		medio_bench_fail("the back-end", ECHILD);
	find_clock(side);
}

/* ---- Others --------------------------------------------------------------------------------------- */

static void exec_words(const char *const *words, const char *socket, int cpu, int talk)
{
	static char text[VHOST_WORDS][512];
	char *argv[VHOST_WORDS + 1] = { NULL };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0); /* with those it starts it is stopped and goes on */
	for (unsigned i = 0; i < VHOST_WORDS && words[i]; i++) {
		const char *at = strstr(words[i], "%s");
		if (at)
			snprintf(text[i], sizeof(text[i]), "%.*s%s%s", (int)(at - words[i]),
				words[i], socket, at + 2);
		else
			snprintf(text[i], sizeof(text[i]), "%s", words[i]);
		argv[i] = text[i];
	}
	dup2(talk, STDIN_FILENO);
	dup2(talk, STDOUT_FILENO);
	dup2(talk, STDERR_FILENO);
	close_range(3, ~0u, 0);
	medio_bench_pin(cpu);
	if (argv[0])
		execv(argv[0], argv);
	_exit(127);
}

/* A terminal, so that it prints what it has to say at once. Both ends of ours are the same. */
static int make_terminal(struct vhost_side *side)
{
	struct termios mode;
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	char name[64];

	if (fd < 0 || grantpt(fd) < 0 || unlockpt(fd) < 0 || ptsname_r(fd, name, sizeof(name)))
		medio_bench_fail("a terminal", errno);
	int theirs = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (theirs < 0 || tcgetattr(theirs, &mode) < 0)
		medio_bench_fail(name, errno);
	cfmakeraw(&mode);
	tcsetattr(theirs, TCSANOW, &mode);
	side->talk = fd;
	return theirs;
}

void vhost_side_run(struct vhost_side *side, const char *const *words, const char *socket, int cpu,
	enum vhost_talk talk)
{
	*side = (struct vhost_side){ .talk = -1 };
	if (socket)
		snprintf(side->socket, sizeof(side->socket), "%s", socket);
	else
		name_socket(side);
	int theirs = talk == VHOST_TALK ? make_terminal(side)
					: open("/dev/null", O_RDWR | O_CLOEXEC);
	fflush(stdout);
	side->pid = fork();
	if (side->pid < 0)
		medio_bench_fail("fork", errno);
	if (side->pid == 0)
		exec_words(words, side->socket, cpu, theirs);
	close(theirs);
	find_clock(side);
}

int vhost_side_wait(const struct vhost_side *side)
{
	for (unsigned ms = 0; ms < START_MS; ms += 10) {
		if (access(side->socket, F_OK) == 0)
			return 0;
		siginfo_t gone = { 0 };
		if (waitid(P_PID, (id_t)side->pid, &gone, WEXITED | WNOHANG | WNOWAIT) < 0 ||
			gone.si_pid)
			return -ECHILD;
		usleep(10000);
	}
	return -ETIMEDOUT;
}

/* ---- Both ----------------------------------------------------------------------------------------- */

void vhost_side_pause(const struct vhost_side *side, bool pause)
{
	kill(side->ours ? side->pid : -side->pid, pause ? SIGSTOP : SIGCONT);
	/* The time that it took is counted when it stands. */
	if (pause)
		waitpid(side->pid, NULL, WUNTRACED);
}

double vhost_side_cpu(const struct vhost_side *side)
{
	struct timespec t;

	if (clock_gettime(side->clock, &t) < 0)
		medio_bench_fail("the time of a process", errno);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void vhost_side_stop(struct vhost_side *side)
{
	vhost_side_pause(side, false);
	if (side->ours) {
		medio_peer_stop(&side->peer);
		return;
	}
	kill(side->pid, SIGTERM);
	if (side->talk >= 0)
		close(side->talk);
	waitpid(side->pid, NULL, 0);
	unlink(side->socket);
}
