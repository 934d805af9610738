/* SPDX-License-Identifier: BSD-3-Clause */
#include "boss.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

const char *boss_program;

/* ---- Processes and connections ------------------------------------------------------------------------ */

void boss_start_worker(struct boss *b)
{
	b->pid = fork();
	assert_true(b->pid >= 0);
	if (b->pid == 0) {
		if (b->listener == 3)
			fcntl(3, F_SETFD, 0);
		else
			dup2(b->listener, 3);
		execl(boss_program, boss_program, (char *)NULL);
		_exit(127);
	}
}

int boss_connect(struct boss *b)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int former = b->sock;
	memcpy(addr.sun_path, b->path, sizeof(b->path));
	b->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_true(b->sock >= 0);
	assert_int_equal(connect(b->sock, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return former;
}

void boss_open(struct boss *b)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	void *map;
	memset(b, 0, sizeof(*b));
	strcpy(b->dir, "/tmp/medio-boss-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->path, sizeof(b->path), "%s/worker.sock", b->dir);
	memcpy(addr.sun_path, b->path, sizeof(b->path));
	b->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(b->listener >= 0);
	assert_int_equal(bind(b->listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(b->listener, 4), 0);
	b->counters = medio_shared_new("counters", BOSS_SLOTS * sizeof(*b->slots), PROT_READ, &map);
	assert_true(b->counters >= 0);
	b->slots = map;
	b->sock = -1;
	boss_start_worker(b);
	boss_connect(b);
}

int boss_wait(struct boss *b)
{
	int status = -1;
	for (unsigned ms = 0; ms < BOSS_WAIT_MS; ms += 5) {
		if (waitpid(b->pid, &status, WNOHANG) == b->pid) {
			b->pid = 0;
			return status;
		}
		poll(NULL, 0, 5);
	}
	fail_msg("the worker goes on");
	return -1;
}

void boss_close(struct boss *b)
{
	if (b->pid) {
		kill(b->pid, SIGKILL);
		waitpid(b->pid, NULL, 0);
	}
	if (b->sock >= 0)
		close(b->sock);
	close(b->listener);
	close(b->counters);
	munmap(b->slots, BOSS_SLOTS * sizeof(*b->slots));
	unlink(b->path);
	assert_int_equal(rmdir(b->dir), 0); /* nothing was left behind */
}

int boss_setup(void **state)
{
	struct boss *b = malloc(sizeof(*b));
	boss_open(b);
	*state = b;
	return 0;
}

int boss_teardown(void **state)
{
	boss_close(*state);
	free(*state);
	return 0;
}

unsigned long long boss_status(const struct boss *b, const char *key, int base)
{
	char path[40], line[256];
	size_t len = strlen(key);
	snprintf(path, sizeof(path), "/proc/%d/status", b->pid);
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, len) == 0 && line[len] == ':') {
			fclose(f);
			return strtoull(line + len + 1, NULL, base);
		}
	}
	fclose(f);
	fail_msg("no %s in %s", key, path);
	return 0;
}

/* ---- Messages ------------------------------------------------------------------------------------------- */

void boss_send(struct boss *b, const struct medio_wire_msg *msg)
{
	int ret;
	while ((ret = medio_wire_send(b->sock, msg)) == -EAGAIN) {
		struct pollfd p = { .fd = b->sock, .events = POLLOUT };
		assert_int_equal(poll(&p, 1, BOSS_WAIT_MS), 1);
	}
	assert_int_equal(ret, 0);
}

struct medio_wire_msg *boss_receive(struct boss *b)
{
	struct medio_wire_msg *msg = &b->in.msg;
	for (;;) {
		struct pollfd p = { .fd = b->sock, .events = POLLIN };
		if (poll(&p, 1, BOSS_WAIT_MS) != 1)
			fail_msg("no message came");
		int ret = medio_wire_receive(b->sock, &b->in);
		if (ret == 0)
			return NULL;
		assert_int_equal(ret, 1);
		if (msg->kind != MEDIO_WIRE_LOG)
			return msg;
		size_t used = strlen(b->log);
		snprintf(b->log + used, sizeof(b->log) - used, "%s\n", msg->strings[0]);
	}
}

struct medio_wire_msg *boss_expect(struct boss *b, enum medio_wire_kind kind)
{
	struct medio_wire_msg *msg = boss_receive(b);
	assert_non_null(msg);
	assert_int_equal(msg->kind, kind);
	return msg;
}

void boss_hello(struct boss *b)
{
	const struct medio_wire_msg hello = {
		.kind = MEDIO_WIRE_HELLO,
		.value = MEDIO_WIRE_VERSION,
		.fds = { b->counters },
		.nfds = 1,
	};
	boss_send(b, &hello);
	struct medio_wire_msg *ready = boss_expect(b, MEDIO_WIRE_READY);
	assert_int_equal(ready->value, MEDIO_WIRE_VERSION);
	b->flags = ready->flags;
}

void boss_uuid(unsigned number, uint8_t uuid[MEDIO_UUID_SIZE])
{
	memset(uuid, 0, MEDIO_UUID_SIZE);
	memcpy(uuid, &number, sizeof(number));
}

void boss_simple(struct boss *b, enum medio_wire_kind kind, unsigned uuid)
{
	struct medio_wire_msg msg = { .kind = kind };
	boss_uuid(uuid, msg.uuid);
	boss_send(b, &msg);
}

/* ---- Instances and clients -------------------------------------------------------------------------------- */

void boss_plan(struct boss_start *start, const char *type, unsigned n, const char *const *params)
{
	memset(start, 0, sizeof(*start));
	start->how.uid = getuid();
	start->how.gid = getgid();
	start->how.last = 1;
	start->checkpoint = -1;
	start->strings[0] = type;
	start->counts[0] = (uint16_t)n;
	for (unsigned i = 0; i < n; i++)
		start->strings[1 + i] = params[i];
}

struct medio_wire_msg *boss_start(struct boss *b, unsigned uuid, const struct boss_start *start)
{
	/* Any descriptor will do as its listener: the worker only keeps it. */
	struct medio_wire_msg msg = {
		.kind = MEDIO_WIRE_START,
		.strings = start->strings,
		.nstrings = 1u + start->counts[0] + start->counts[1] + start->counts[2],
		.data = &start->how,
		.size = sizeof(start->how),
		.fds = { b->listener, start->checkpoint },
		.nfds = start->checkpoint >= 0 ? 2 : 1,
	};
	memcpy(msg.counts, start->counts, sizeof(msg.counts));
	boss_uuid(uuid, msg.uuid);
	boss_send(b, &msg);
	struct medio_wire_msg *answer = boss_expect(b, MEDIO_WIRE_STARTED);
	assert_memory_equal(answer->uuid, msg.uuid, sizeof(msg.uuid));
	return answer;
}

void boss_started(struct boss *b, unsigned uuid, const struct boss_start *start)
{
	struct medio_wire_msg *answer = boss_start(b, uuid, start);
	if (answer->ret)
		fail_msg("%s", answer->strings[0]);
}

int boss_client(struct boss *b, unsigned uuid, uint64_t cookie)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	struct medio_wire_msg msg = {
		.kind = MEDIO_WIRE_CLIENT, .cookie = cookie, .fds = { pair[0] }, .nfds = 1
	};
	boss_uuid(uuid, msg.uuid);
	boss_send(b, &msg);
	close(pair[0]);
	return pair[1];
}

struct medio_card *boss_card(struct boss *b, unsigned uuid, uint64_t cookie)
{
	struct medio_error *err = NULL;
	struct medio_card *card = NULL;
	if (medio_card_open_fd(boss_client(b, uuid, cookie), NULL, &card, &err))
		fail_msg("%s", medio_error_text(err));
	return card;
}
