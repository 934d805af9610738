/* SPDX-License-Identifier: BSD-3-Clause */
/* The other process of a benchmark, and the server that usually runs in it. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drive/vfio_user.h"
#include "proto/version.h"

void medio_bench_fail(const char *what, int err)
{
	fprintf(stderr, "medio-bench: %s: %s\n", what, strerror(err));
	exit(1);
}

int medio_bench_check(int ret, const char *what)
{
	if (ret < 0)
		medio_bench_fail(what, -ret);
	return ret;
}

void *medio_bench_alloc(size_t size)
{
	void *p = calloc(1, size);
	if (!p)
		medio_bench_fail("memory", ENOMEM);
	return p;
}

void medio_bench_pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		medio_bench_fail("sched_setaffinity", errno);
}

void medio_peer_start(struct medio_peer *peer, int cpu, medio_peer_fn *fn, void *opaque)
{
	int fds[2];

	peer->shared = mmap(NULL, sizeof(*peer->shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (peer->shared == MAP_FAILED)
		medio_bench_fail("mmap", errno);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		medio_bench_fail("socketpair", errno);
	peer->event = eventfd(0, EFD_CLOEXEC);
	if (peer->event < 0)
		medio_bench_fail("eventfd", errno);
	fflush(stdout);
	peer->pid = fork();
	if (peer->pid < 0)
		medio_bench_fail("fork", errno);
	if (peer->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Nothing else of ours: a socket that stays open here would never end for its peer. */
		int low = fcntl(fds[1], F_DUPFD, 5), event = fcntl(peer->event, F_DUPFD, 5);
		dup2(low, 3);
		dup2(event, MEDIO_PEER_EVENT);
		close_range(5, ~0u, 0);
		fds[1] = 3;
		medio_bench_pin(cpu);
		fn(fds[1], peer->shared, opaque);
		_exit(0);
	}
	close(fds[1]);
	peer->fd = fds[0];
}

void medio_peer_stop(struct medio_peer *peer)
{
	int status = 0;

	close(peer->event);
	if (peer->fd >= 0)
		close(peer->fd);
	if (waitpid(peer->pid, &status, 0) == peer->pid && status)
		medio_bench_fail("the other process ended badly", EIO);
	munmap(peer->shared, sizeof(*peer->shared));
}

static void no_log(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	(void)line;
}

struct served {
	const struct medio_type *type;
	const char *const *params; /* NULL-terminated, or NULL */
	uint64_t poll_ns;
};

static void serve(int fd, struct medio_bench_shared *shared, void *opaque)
{
	struct medio_instance_options opts = { .log = no_log };
	const struct medio_server_options server_opts = { .once = true };
	const struct served *served = opaque;
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct medio_server *server;
	struct medio_error *err = NULL;

	opts.params = served->params;
	while (opts.params && opts.params[opts.nparams])
		opts.nparams++;
	medio_bench_check(medio_loop_new(&loop), "loop");
	medio_loop_set_poll(loop, served->poll_ns);
	int ret = medio_instance_new(loop, served->type, &opts, &inst, &err);
	medio_bench_check(ret, err ? medio_error_text(err) : "instance");
	if (served->type == &medio_bench_type)
		medio_bench_share(inst, shared);
	medio_bench_check(medio_server_new_fd(inst, fd, &server_opts, &server, NULL), "server");
	medio_loop_run(loop);
	medio_server_free(server);
	medio_instance_free(inst);
	medio_loop_free(loop);
}

struct medio_card *medio_bench_card_with(struct medio_peer *peer, const struct medio_type *type,
	const char *const *params, int cpu, bool poll)
{
	const struct medio_card_options opts = { .poll = poll };
	struct served served = { type, params, poll ? 1000000 : 0 };
	struct medio_card *card;

	medio_peer_start(peer, cpu, serve, &served);
	medio_bench_check(medio_card_open_fd(peer->fd, &opts, &card, NULL), "open");
	peer->fd = -1;
	return card;
}

struct medio_card *medio_bench_card_of(
	struct medio_peer *peer, const struct medio_type *type, int cpu, bool poll)
{
	return medio_bench_card_with(peer, type, NULL, cpu, poll);
}

struct medio_card *medio_bench_card(struct medio_peer *peer, int cpu, bool poll)
{
	return medio_bench_card_of(peer, &medio_bench_type, cpu, poll);
}

struct medio_vu_client *medio_bench_client(struct medio_peer *peer, int cpu)
{
	struct served served = { .type = &medio_bench_type };
	struct medio_vu_client *client;
	struct medio_vu_caps offer, got;

	medio_peer_start(peer, cpu, serve, &served);
	medio_bench_check(medio_vu_client_new(peer->fd, NULL, &client), "client");
	peer->fd = -1;
	medio_vu_caps_default(&offer);
	offer.write_multiple = true;
	medio_bench_check(medio_vu_client_version(client, &offer, &got, NULL), "VERSION");
	return client;
}
