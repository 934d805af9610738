/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker's life: how it is started, met again, looked after and buried. */
#include "manage/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "manage/patience.h"
#include "manage/run.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/loop.h"

#define SECOND	1000000000u
#define TICK_NS (SECOND / 2)
/* How long a worker may take. */
#define START_NS  (30ull * SECOND)
#define ASK_NS	  (10ull * SECOND)
#define STOP_NS	  (5ull * SECOND)
#define TELL_NS	  (2ull * SECOND)  /* of what it runs, when adopted */
#define EOF_NS	  (1ull * SECOND)  /* to exit when it has closed its connection */
#define UNREAD_NS (30ull * SECOND) /* until it reads what was sent */
#define IDLE_NS	  (5ull * SECOND)  /* a shared one without instances is kept */

#ifndef SO_PEERPIDFD /* Linux 6.5 */
#define SO_PEERPIDFD 77
#endif

extern char **environ;

static int worker_address(const struct medio_workers *workers, const char *name,
	struct sockaddr_un *addr, struct medio_error **err)
{
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	int len = snprintf(addr->sun_path, sizeof(addr->sun_path), "%s/workers/%s",
		workers->manager->places.runtime, name);
	if (len < 0 || (size_t)len >= sizeof(addr->sun_path))
		return medio_error_set(err, ENAMETOOLONG, "the path of the runtime folder is long");
	return 0;
}

static void process_free(struct medio_process *process)
{
	medio_watch_free(process->pid_watch);
	medio_watch_free(process->sock_watch);
	medio_timer_free(process->timer);
	medio_post_drop(process);
	if (process->sock >= 0)
		medio_patience_close(process->sock);
	if (process->pidfd >= 0)
		close(process->pidfd);
	medio_pool_leave(process);
	if (process->slots)
		munmap(process->slots, process->nslots * sizeof(*process->slots));
	medio_list_remove(&process->item);
	free(process->used);
	free(process->why);
	free(process);
}

/* ---- What is overdue ---------------------------------------------------------------------------- */

static bool overdue(const struct medio_list *runs, uint64_t now, uint64_t limit)
{
	return !medio_list_empty(runs) &&
	       now - medio_container_of(runs->next, struct medio_run, pending)->since > limit;
}

static bool unanswered(const struct medio_process *process, uint64_t now)
{
	const struct medio_list *asked = &process->asked;

	return !medio_list_empty(asked) &&
	       now - medio_container_of(asked->next, struct medio_asked, item)->since > ASK_NS;
}

static bool idle(const struct medio_process *process)
{
	return process->state == MEDIO_PROCESS_SERVING && !process->count &&
	       medio_list_empty(&process->stopping);
}

/* Somebody waits for it. */
static bool expected(const struct medio_process *process)
{
	return process->state == MEDIO_PROCESS_ADOPTING || process->state == MEDIO_PROCESS_ENDING ||
	       process->sock < 0 || !medio_list_empty(&process->starting) ||
	       !medio_list_empty(&process->stopping) || !medio_list_empty(&process->out) ||
	       !medio_list_empty(&process->asked) || idle(process);
}

static void on_timer(void *opaque)
{
	struct medio_process *process = opaque;
	uint64_t now = medio_now_ns(), age = now - process->since;

	if (process->killed && process->pidfd < 0) {
		medio_process_bury(process, "died", process->why);
		return;
	}
	if (process->killed)
		return;
	if (process->state == MEDIO_PROCESS_ENDING && age > STOP_NS)
		medio_process_kill(process, "it did not end within 5 s");
	else if (process->sock < 0 && process->state != MEDIO_PROCESS_ENDING && age > EOF_NS)
		medio_process_kill(process, "it closed its connection to mediod");
	else if (process->state == MEDIO_PROCESS_ADOPTING && age > TELL_NS)
		medio_process_kill(process, "it did not tell within 2 s what it runs");
	else if (overdue(&process->starting, now, START_NS))
		medio_process_kill(process, "it did not start an instance within 30 s");
	else if (unanswered(process, now))
		medio_process_kill(process, "it did not tell about an attribute within 10 s");
	else if (overdue(&process->stopping, now, STOP_NS))
		medio_process_kill(process, "it did not stop an instance within 5 s");
	else if (!medio_list_empty(&process->out) && now - process->sent_ns > UNREAD_NS)
		medio_process_kill(process, "it did not read messages for 30 s");
	else if (idle(process) && age > IDLE_NS)
		medio_process_end(process);
	medio_process_expect(process);
}

void medio_process_expect(struct medio_process *process)
{
	if (process->state != MEDIO_PROCESS_DEAD && !process->killed && expected(process) &&
		!medio_timer_armed(process->timer))
		medio_timer_arm(process->timer, TICK_NS);
}

void medio_process_kill(struct medio_process *process, const char *fmt, ...)
{
	va_list ap;

	if (process->killed || process->state == MEDIO_PROCESS_DEAD)
		return;
	process->killed = true;
	va_start(ap, fmt);
	if (vasprintf(&process->why, fmt, ap) < 0)
		process->why = NULL;
	va_end(ap);
	medio_watch_free(medio_steal_ptr(process->sock_watch));
	medio_pool_leave(process);
	if (process->pidfd >= 0)
		pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0);
	else /* nobody knows who it is: forget it */
		medio_timer_arm(process->timer, 0);
}

void medio_process_end(struct medio_process *process)
{
	if (process->state == MEDIO_PROCESS_ENDING || process->state == MEDIO_PROCESS_DEAD)
		return;
	medio_pool_leave(process);
	process->state = MEDIO_PROCESS_ENDING;
	process->since = medio_now_ns();
	/* It ends when its last mediod has gone, if it has no instance. */
	medio_process_hang_up(process);
	medio_process_expect(process);
}

void medio_process_hang_up(struct medio_process *process)
{
	medio_watch_free(medio_steal_ptr(process->sock_watch));
	medio_post_drop(process);
	if (process->sock >= 0)
		medio_patience_close(medio_steal_fd(process->sock));
	if (process->state != MEDIO_PROCESS_ENDING)
		process->since = medio_now_ns();
	medio_process_expect(process);
}

/* ---- Death ---------------------------------------------------------------------------------------- */

void medio_process_bury(struct medio_process *process, const char *event, const char *words)
{
	struct medio_workers *workers = process->workers;
	bool spare = process->state == MEDIO_PROCESS_SPARE;
	struct sockaddr_un addr;

	if (process->state == MEDIO_PROCESS_DEAD)
		return;
	medio_pool_leave(process);
	process->state = MEDIO_PROCESS_DEAD;
	medio_watch_free(medio_steal_ptr(process->pid_watch));
	medio_watch_free(medio_steal_ptr(process->sock_watch));
	medio_timer_disarm(process->timer);
	if (!worker_address(workers, process->name, &addr, NULL))
		unlink(addr.sun_path);
	medio_list_remove(&process->item);
	medio_list_append(&workers->dead, &process->item);
	medio_run_lost(process, event, words);
	if (spare)
		medio_pool_spare_died(workers, process->pid, words);
	medio_workers_later(workers);
}

static void on_pid(void *opaque, uint32_t events)
{
	struct medio_process *process = opaque;
	struct medio_process_end end;

	/* Its last words. */
	if (!process->killed)
		medio_post_receive(process, UINT32_MAX);
	medio_process_end_of(process->pidfd, process->killed ? process->why : NULL, &end);
	medio_process_bury(process, end.event, end.words);
}

/* ---- Record and socket ----------------------------------------------------------------------------- */

static struct medio_process *process_new(struct medio_workers *workers)
{
	struct medio_process *process = calloc(1, sizeof(*process));

	if (!process)
		return NULL;
	process->workers = workers;
	process->pidfd = process->sock = -1;
	process->since = medio_now_ns();
	medio_list_init(&process->item);
	medio_list_init(&process->place);
	medio_list_init(&process->out);
	medio_list_init(&process->runs);
	medio_list_init(&process->strangers);
	medio_list_init(&process->starting);
	medio_list_init(&process->stopping);
	medio_list_init(&process->awaited);
	medio_list_init(&process->asked);
	process->timer = medio_loop_timer(workers->manager->loop, on_timer, process);
	if (!process->timer) {
		free(process);
		return NULL;
	}
	return process;
}

/* A listening socket of a name nobody has. */
static int make_socket(
	struct medio_process *process, struct sockaddr_un *addr, struct medio_error **err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	uint8_t bytes[MEDIO_UUID_SIZE];
	uint64_t number;

	medio_uuid_random(bytes);
	memcpy(&number, bytes + 8, sizeof(number));
	snprintf(process->name, sizeof(process->name), "%016llx.sock", (unsigned long long)number);
	int ret = worker_address(process->workers, process->name, addr, err);
	if (ret)
		return ret;
	if (fd < 0 || bind(fd, (struct sockaddr *)addr, sizeof(*addr)) < 0)
		return medio_error_set(err, errno, "a socket for a worker (%s): %s", addr->sun_path,
			strerror(errno));
	return medio_steal_fd(fd);
}

/* ---- The program -------------------------------------------------------------------------------- */

#define CHILD_STACK 65536

/* What a child needs; what it tells is failed, an errno. */
struct exec {
	const char *program;
	int sock, failed;
};

/* What we catch or ignore is not for a worker. */
__attribute__((no_sanitize("address"))) static void default_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * The program, with sock as its descriptor 3 and no other but standard error. In a session of its
 * own: what is typed at mediod's terminal is not for it. Runs on our memory, while we wait.
 */
__attribute__((no_sanitize("address"))) static int become_worker(void *opaque)
{
	struct exec *exec = opaque;
	char *argv[] = { (char *)exec->program, NULL };
	int sock = exec->sock;

	int null = open("/dev/null", O_RDWR);
	/* It listens itself: so who connects later is told its pid (SO_PEERCRED), and not ours. */
	if (null < 0 || listen(sock, SOMAXCONN) < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 ||
		dup2(sock, 3) < 0) {
		exec->failed = errno;
		_exit(127);
	}
	if (sock == 3)
		fcntl(3, F_SETFD, 0);
	close_range(4, ~0u, 0);
	setsid();
	default_signals();
	execve(exec->program, argv, environ);
	exec->failed = errno;
	_exit(127);
}

/* As posix_spawn() does it, which has no listen(): our page tables, which grow with the number of
 * instances, are not copied. */
static int exec_worker(const char *program, int sock, pid_t *pid)
{
	struct exec exec = { .program = program, .sock = sock };
	sigset_t all, before;

	char *stack = mmap(NULL, CHILD_STACK, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED)
		return -errno;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t child = clone(
		become_worker, stack + CHILD_STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, &exec);
	int ret = child < 0 ? -errno : -exec.failed;
	sigprocmask(SIG_SETMASK, &before, NULL);
	munmap(stack, CHILD_STACK);
	if (child > 0 && ret)
		waitpid(child, NULL, 0);
	*pid = child;
	return ret;
}

/* ---- Birth ---------------------------------------------------------------------------------------- */

/* Not waiting: it listens already, or never will. */
static int connect_worker(struct medio_process *process, const struct sockaddr_un *addr)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0)
		return -errno;
	process->sock = medio_steal_fd(fd);
	return 0;
}

static int watch_socket(struct medio_process *process)
{
	process->sock_watch = medio_loop_watch(process->workers->manager->loop, process->sock,
		EPOLLIN, medio_post_on_socket, process);
	return process->sock_watch ? 0 : -errno;
}

static int watch_process(struct medio_process *process)
{
	int ret = watch_socket(process);

	if (ret || process->pidfd < 0)
		return ret;
	process->pid_watch = medio_loop_watch(
		process->workers->manager->loop, process->pidfd, EPOLLIN, on_pid, process);
	return process->pid_watch ? 0 : -errno;
}

int medio_process_reconnect(struct medio_process *process)
{
	struct sockaddr_un addr;

	int ret = worker_address(process->workers, process->name, &addr, NULL);
	if (ret)
		return ret;
	/* The new one first: with none and no instance it would end. */
	int former = process->sock;
	ret = connect_worker(process, &addr);
	if (ret)
		return ret;
	medio_watch_free(medio_steal_ptr(process->sock_watch));
	close(former);
	return watch_socket(process);
}

int medio_process_spawn(
	struct medio_workers *workers, struct medio_process **out, struct medio_error **err)
{
	const char *program = workers->manager->places.worker;
	struct medio_process *process = process_new(workers);
	struct sockaddr_un addr;

	if (!process)
		return medio_error_set(err, ENOMEM, "out of memory");
	_cleanup_close_ int sock = make_socket(process, &addr, err);
	int ret = sock;
	if (ret < 0)
		goto fail;
	ret = exec_worker(program, sock, &process->pid);
	if (ret) {
		medio_error_set(err, -ret, "cannot start %s: %s", program, strerror(-ret));
		goto fail_socket;
	}
	process->pidfd = pidfd_open(process->pid, 0);
	ret = process->pidfd < 0 ? -errno : connect_worker(process, &addr);
	if (!ret)
		ret = watch_process(process);
	if (ret) {
		medio_error_set(err, -ret, "cannot watch over a worker: %s", strerror(-ret));
		kill(process->pid, SIGKILL);
		waitpid(process->pid, NULL, 0);
		goto fail_socket;
	}
	medio_list_append(&workers->processes, &process->item);
	*out = process;
	return 0;
fail_socket:
	unlink(addr.sun_path);
fail:
	process_free(process);
	return ret;
}

/* ---- One that somebody else started --------------------------------------------------------------- */

/* Whether pid, which pidfd holds, is a worker: what we may kill. */
static bool is_worker(pid_t pid, int pidfd)
{
	struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };
	char path[40], name[32] = "";

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, name, sizeof(name) - 1) <= 0)
		return false;
	/* It was that process that was looked at if it lives still. */
	return !strcmp(name, "medio-worker\n") && poll(&poll_fd, 1, 0) == 0;
}

/* Who called listen() is the peer of who connects: the worker, see become_worker(). */
static void find_pid(struct medio_process *process)
{
	struct ucred cred;
	socklen_t len = sizeof(cred), fd_len = sizeof(int);
	int fd = -1;

	if (getsockopt(process->sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.pid <= 0)
		return;
	/* Where the kernel knows it, that is the process and not one that has its number now. */
	if (getsockopt(process->sock, SOL_SOCKET, SO_PEERPIDFD, &fd, &fd_len) < 0 &&
		errno == ENOPROTOOPT)
		fd = pidfd_open(cred.pid, 0);
	if (fd < 0)
		return;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (!is_worker(cred.pid, fd)) {
		close(fd);
		return;
	}
	process->pid = cred.pid;
	process->pidfd = fd;
}

int medio_process_meet(struct medio_workers *workers, const char *name, struct medio_process **out,
	struct medio_error **err)
{
	struct medio_wire_msg hello = { .kind = MEDIO_WIRE_HELLO, .value = MEDIO_WIRE_VERSION };
	struct sockaddr_un addr;

	int ret = worker_address(workers, name, &addr, err);
	if (ret)
		return ret;
	struct medio_process *process = process_new(workers);
	if (!process || strlen(name) >= sizeof(process->name)) {
		if (process)
			process_free(process);
		return medio_error_set(err, ENOMEM, "out of memory");
	}
	snprintf(process->name, sizeof(process->name), "%s", name);
	process->state = MEDIO_PROCESS_ADOPTING;
	ret = connect_worker(process, &addr);
	if (!ret) {
		find_pid(process);
		ret = watch_process(process);
	}
	if (!ret)
		ret = medio_process_send(process, &hello);
	if (ret) {
		process_free(process);
		return medio_error_set(err, -ret, "worker %s: %s", name, strerror(-ret));
	}
	medio_list_append(&workers->processes, &process->item);
	medio_process_expect(process);
	*out = process;
	return 0;
}

/* ---- All of them ---------------------------------------------------------------------------------- */

void medio_workers_bury_dead(struct medio_workers *workers)
{
	while (!medio_list_empty(&workers->dead))
		process_free(medio_container_of(workers->dead.next, struct medio_process, item));
}

void medio_workers_let_be(struct medio_workers *workers)
{
	medio_list_for_each (item, &workers->processes) {
		struct medio_process *process = medio_container_of(
			item, struct medio_process, item);
		medio_post_flush_hard(process);
		medio_list_remove(item);
		process->state = MEDIO_PROCESS_DEAD;
		medio_run_forget(process);
		process_free(process);
	}
}
