/* SPDX-License-Identifier: BSD-3-Clause */
/* A real medio-worker, told what to do over its socket. */
#include "boss.h"

#include <medio/serve.h>

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

#define SCRATCH 7 /* a register of the 16550A that keeps what is written */

static void boss_done(struct boss *b)
{
	boss_expect(b, MEDIO_WIRE_DONE);
}

/* A worker with one isolated mtty-2, number 1. */
static void with_instance(struct boss *b)
{
	struct boss_start plan;
	boss_plan(&plan, "mtty-2", 0, NULL);
	boss_hello(b);
	boss_done(b);
	boss_started(b, 1, &plan);
}

static void assert_serves(struct medio_card *card)
{
	uint32_t id = 0;
	assert_int_equal(medio_card_read(card, MEDIO_CARD_CONFIG, 0, &id, 4), 0);
	assert_int_equal(id, 0x32534348);
}

static ino_t inode(int fd)
{
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

/* cmocka's skip() is "not ok" in TAP, which its readers take for a failure. */
#define LEAVE_OUT(cond, why) \
	do { \
		if (cond) { \
			print_message("# left out: %s: %s\n", __func__, why); \
			return; \
		} \
	} while (0)

/* ---- Serving ---------------------------------------------------------------------------------------------- */

static void an_instance_serves_the_client_it_was_handed(void **state)
{
	struct boss *b = *state;
	with_instance(b);
	struct medio_card *card = boss_card(b, 1, 77);
	assert_serves(card);
	assert_int_equal(b->slots[0].stats.clients, 1);
	assert_true(b->slots[0].stats.messages > 0);
	medio_card_close(card);
	struct medio_wire_msg *gone = boss_expect(b, MEDIO_WIRE_CLIENT_GONE);
	assert_int_equal(gone->cookie, 77);
	/* And the next one. */
	card = boss_card(b, 1, 78);
	assert_serves(card);
	medio_card_close(card);
	assert_int_equal(boss_expect(b, MEDIO_WIRE_CLIENT_GONE)->cookie, 78);
}

static void clients_are_let_go_and_the_instance_stays(void **state)
{
	struct boss *b = *state;
	uint32_t id;
	with_instance(b);
	struct medio_card *card = boss_card(b, 1, 5);
	boss_simple(b, MEDIO_WIRE_REQUEST, 1);
	assert_serves(card);
	boss_simple(b, MEDIO_WIRE_DISCONNECT, 1);
	assert_int_equal(boss_expect(b, MEDIO_WIRE_CLIENT_GONE)->cookie, 5);
	assert_int_not_equal(medio_card_read(card, MEDIO_CARD_CONFIG, 0, &id, 4), 0);
	medio_card_close(card);
	card = boss_card(b, 1, 6);
	assert_serves(card);
	medio_card_close(card);
}

static void a_client_of_no_instance_is_gone_at_once(void **state)
{
	struct boss *b = *state;
	char byte;
	with_instance(b);
	int fd = boss_client(b, 2, 9);
	assert_int_equal(boss_expect(b, MEDIO_WIRE_CLIENT_GONE)->cookie, 9);
	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
}

static void attributes_are_read_and_written_by_name(void **state)
{
	struct boss *b = *state;
	const char *strings[] = { "vendor/sample_mdev_dev" };
	struct medio_wire_msg ask = {
		.kind = MEDIO_WIRE_ATTR_SHOW, .cookie = 3, .strings = strings, .nstrings = 1
	};
	with_instance(b);
	boss_uuid(1, ask.uuid);
	boss_send(b, &ask);
	struct medio_wire_msg *msg = boss_expect(b, MEDIO_WIRE_ATTR);
	assert_int_equal(msg->cookie, 3);
	assert_int_equal(msg->ret, msg->size);
	assert_memory_equal(msg->data, "This is MDEV 01000000-", 22);
	ask.kind = MEDIO_WIRE_ATTR_STORE;
	ask.data = "1\n";
	ask.size = 2;
	boss_send(b, &ask);
	assert_int_equal(boss_expect(b, MEDIO_WIRE_ATTR)->ret, -EIO); /* read-only */
	strings[0] = "no/such";
	boss_send(b, &ask);
	assert_int_equal(boss_expect(b, MEDIO_WIRE_ATTR)->ret, -ENOENT);
	boss_uuid(2, ask.uuid);
	boss_send(b, &ask);
	assert_int_equal(boss_expect(b, MEDIO_WIRE_ATTR)->ret, -ENODEV);
}

static void a_card_without_virtual_functions_has_none(void **state)
{
	struct boss *b = *state;
	struct medio_wire_msg ask = { .kind = MEDIO_WIRE_SET_VFS, .cookie = 8, .value = 2 };
	struct boss_start plan;
	const char *type = "mtty-2";
	struct medio_wire_msg start = {
		.kind = MEDIO_WIRE_START,
		.flags = MEDIO_WIRE_VF,
		.strings = &type,
		.nstrings = 1,
		.data = &plan.how,
		.size = sizeof(plan.how),
		.fds = { b->listener },
		.nfds = 1,
	};

	with_instance(b);
	boss_uuid(1, ask.uuid);
	boss_send(b, &ask);
	struct medio_wire_msg *msg = boss_expect(b, MEDIO_WIRE_VFS_SET);
	assert_int_equal(msg->cookie, 8);
	assert_int_equal(msg->ret, -ENODEV);
	assert_non_null(strstr(msg->strings[0], "no virtual functions"));
	boss_uuid(2, ask.uuid);
	boss_send(b, &ask);
	assert_int_equal(boss_expect(b, MEDIO_WIRE_VFS_SET)->ret, -ENODEV);
	/* Neither what is there nor what is not is one. */
	boss_plan(&plan, type, 0, NULL);
	for (unsigned uuid = 1; uuid <= 2; uuid++) {
		boss_uuid(uuid, start.uuid);
		boss_send(b, &start);
		assert_int_equal(boss_expect(b, MEDIO_WIRE_STARTED)->ret, -ENODEV);
	}
	struct medio_card *card = boss_card(b, 1, 3);
	assert_serves(card);
	medio_card_close(card);
}

static void what_cannot_start_is_said_in_words(void **state)
{
	struct boss *b = *state;
	struct boss_start plan;
	boss_hello(b);
	boss_done(b);
	boss_plan(&plan, "mtty-9", 0, NULL);
	struct medio_wire_msg *answer = boss_start(b, 1, &plan);
	assert_int_equal(answer->ret, -EINVAL);
	assert_non_null(strstr(answer->strings[0], "mtty-9"));
	boss_plan(&plan, "mtty-2", 1, (const char *[]){ "prot0=null" });
	answer = boss_start(b, 1, &plan);
	assert_int_equal(answer->ret, -EINVAL);
	assert_non_null(strstr(answer->strings[0], "port0"));
	boss_plan(&plan, "./no-such.so", 0, NULL);
	assert_int_equal(boss_start(b, 1, &plan)->ret, -ENOENT);
	boss_plan(&plan, "mtty-2", 0, NULL);
	plan.how.slot = BOSS_SLOTS;
	assert_int_equal(boss_start(b, 1, &plan)->ret, -EINVAL);
	plan.how.slot = 0;
	boss_started(b, 1, &plan);
}

static void lines_of_the_log_come_along(void **state)
{
	struct boss *b = *state;
	struct boss_start plan;
	boss_hello(b);
	boss_done(b);
	boss_plan(&plan, "mtty-1", 1, (const char *[]){ "port0=pty" });
	boss_started(b, 1, &plan);
	assert_non_null(strstr(b->log, "port 0 is /dev/pts/"));
}

static void the_end_is_answered_and_leaves_no_file(void **state)
{
	struct boss *b = *state;
	struct boss_start plan;
	char sock[128], link[128];
	struct stat st;
	snprintf(sock, sizeof(sock), "port0=unix:%s/plug", b->dir);
	snprintf(link, sizeof(link), "port1=pty:%s/link", b->dir);
	boss_hello(b);
	boss_done(b);
	boss_plan(&plan, "mtty-2", 2, (const char *[]){ sock, link });
	boss_started(b, 1, &plan);
	assert_int_equal(lstat(strchr(sock, '/'), &st), 0);
	assert_int_equal(lstat(strchr(link, '/'), &st), 0);
	struct medio_card *card = boss_card(b, 1, 1);
	assert_serves(card);
	boss_simple(b, MEDIO_WIRE_STOP, 1);
	boss_expect(b, MEDIO_WIRE_STOPPED);
	assert_null(boss_receive(b));
	assert_int_equal(boss_wait(b), 0);
	medio_card_close(card);
}

/* ---- Many in one -------------------------------------------------------------------------------------------- */

static void a_shared_worker_runs_a_hundred(void **state)
{
	enum { MANY = 100 };
	struct boss *b = *state;
	struct boss_start plan;
	struct medio_card *cards[3];
	boss_hello(b);
	boss_done(b);
	boss_plan(&plan, "mtty-2", 1, (const char *[]){ "port1=pty" });
	plan.how.last = 0;
	for (unsigned i = 0; i < MANY; i++) {
		plan.how.slot = i;
		boss_started(b, i, &plan);
	}
	assert_int_equal(boss_start(b, 7, &plan)->ret, -EEXIST);
	plan.how.last = 1;
	assert_int_equal(boss_start(b, MANY, &plan)->ret, -EPERM);
	plan.how.last = 0;
	plan.how.uid++;
	assert_int_equal(boss_start(b, MANY, &plan)->ret, -EPERM);
	for (unsigned i = 0; i < 3; i++) {
		cards[i] = boss_card(b, i * 40, i + 1);
		assert_serves(cards[i]);
		assert_int_equal(b->slots[(size_t)i * 40].stats.connected, 1);
	}
	for (unsigned i = 0; i < 3; i++)
		medio_card_close(cards[i]);
	for (unsigned i = 0; i < 3; i++)
		boss_expect(b, MEDIO_WIRE_CLIENT_GONE);
	for (unsigned i = 0; i < MANY; i++) {
		boss_simple(b, MEDIO_WIRE_STOP, i);
		boss_expect(b, MEDIO_WIRE_STOPPED);
	}
	/* It goes on, and has room for others, whatever they open. */
	plan.how.uid--;
	boss_started(b, 1, &plan);
}

static void a_worker_that_is_full_says_so_and_lives(void **state)
{
	enum { FILES = 40 };
	struct boss *b = *state;
	struct boss_start plan;
	unsigned count = 0;
	boss_hello(b);
	boss_done(b);
	boss_plan(&plan, "mtty-1", 0, NULL);
	plan.how.last = 0;
	plan.how.files = FILES;
	struct medio_wire_msg *answer;
	while ((answer = boss_start(b, count, &plan))->ret == 0 && count < FILES)
		count++;
	assert_int_equal(answer->ret, -EMFILE);
	assert_in_range(count, FILES / 2, FILES);
	/* Nor has it room for a client. */
	int fd = boss_client(b, 0, 1);
	assert_int_equal(boss_expect(b, MEDIO_WIRE_CLIENT_GONE)->cookie, 1);
	close(fd);
	/* It does have room for the next mediod, though. */
	const struct medio_wire_msg hello = { .kind = MEDIO_WIRE_HELLO,
		.value = MEDIO_WIRE_VERSION };
	close(boss_connect(b));
	boss_send(b, &hello);
	medio_wire_close_fds(boss_expect(b, MEDIO_WIRE_READY));
	for (unsigned i = 0; i < count; i++)
		medio_wire_close_fds(boss_expect(b, MEDIO_WIRE_INSTANCE));
	boss_done(b);
	/* And for others, when some have gone. */
	for (unsigned i = 0; i < 8; i++) {
		boss_simple(b, MEDIO_WIRE_STOP, i);
		boss_expect(b, MEDIO_WIRE_STOPPED);
	}
	boss_started(b, 0, &plan);
	struct medio_card *card = boss_card(b, 0, 2);
	assert_serves(card);
	medio_card_close(card);
}

static void an_isolated_worker_runs_one(void **state)
{
	struct boss *b = *state;
	struct boss_start plan;
	with_instance(b);
	boss_plan(&plan, "mtty-1", 0, NULL);
	assert_int_equal(boss_start(b, 2, &plan)->ret, -EPERM);
	plan.how.last = 0;
	assert_int_equal(boss_start(b, 2, &plan)->ret, -EPERM);
}

/* ---- Sandbox -------------------------------------------------------------------------------------------------- */

static void assert_confined(const struct boss *b, const struct boss_start *plan)
{
	assert_int_equal(boss_status(b, "NoNewPrivs", 10), 1);
	assert_int_equal(boss_status(b, "CapEff", 16), 0);
	assert_int_equal(boss_status(b, "CapPrm", 16), 0);
	assert_int_equal(boss_status(b, "CapInh", 16), 0);
	assert_int_equal(boss_status(b, "CapAmb", 16), 0);
	if (getuid() == 0)
		assert_int_equal(boss_status(b, "CapBnd", 16), 0);
	assert_int_equal(boss_status(b, "Seccomp", 10), b->flags & MEDIO_WIRE_SECCOMP ? 2 : 0);
	/* Nor a way into mediod's log but the one that is limited. */
	char link[40], to[64] = "";
	snprintf(link, sizeof(link), "/proc/%d/fd/2", (int)b->pid);
	if (b->flags & MEDIO_WIRE_SECCOMP && readlink(link, to, sizeof(to) - 1) >= 0)
		assert_string_equal(to, "/dev/null");
	assert_int_equal(boss_status(b, "Uid", 10), plan->how.uid);
	assert_int_equal(boss_status(b, "Gid", 10), plan->how.gid);
}

static void one_instance_runs_without_powers(void **state)
{
	struct boss *b = *state;
	struct boss_start plan;
	boss_hello(b);
	boss_done(b);
	boss_plan(&plan, "mtty-2", 0, NULL);
	boss_started(b, 1, &plan);
	assert_confined(b, &plan);
}

static void many_instances_run_without_powers(void **state)
{
	struct boss *b = *state;
	struct boss_start plan;
	boss_hello(b);
	boss_done(b);
	boss_plan(&plan, "mtty-2", 0, NULL);
	plan.how.last = 0;
	boss_started(b, 1, &plan);
	assert_confined(b, &plan);
}

/* A byte from the guest to fd, and one back. */
static void assert_wired(struct medio_card *card, unsigned bar, int fd)
{
	enum { DATA = 0, IER = 1, FCR = 2, MCR = 4, LSR = 5 };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint8_t byte = 0, lsr = 0;
	uint64_t events;
	medio_card_write8(card, bar, FCR, 1);
	medio_card_write8(card, bar, MCR, 0x0b);
	medio_card_write8(card, bar, DATA, 'g');
	assert_int_equal(poll(&p, 1, BOSS_WAIT_MS), 1);
	assert_int_equal(read(fd, &byte, 1), 1);
	assert_int_equal(byte, 'g');
	/* An interrupt says that one has come. */
	medio_card_write8(card, bar, IER, 1);
	assert_int_equal(write(fd, "h", 1), 1);
	assert_int_equal(medio_card_irq_wait(card, MEDIO_CARD_INTX, 0, BOSS_WAIT_MS, &events), 0);
	assert_int_equal(medio_card_read8(card, bar, LSR, &lsr), 0);
	assert_true(lsr & 1);
	assert_int_equal(medio_card_read8(card, bar, DATA, &byte), 0);
	assert_int_equal(byte, 'h');
	medio_card_write8(card, bar, IER, 0);
	medio_card_irq_unmask(card, MEDIO_CARD_INTX, 0, 1);
}

static int open_plug(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* Whatever devices, filters and the server do for a client: were a call of theirs forbidden, the
 * worker would be dead. */
static void use_all(struct boss *b, const char *sock, const char *tty)
{
	uint8_t state[4096];
	size_t got;
	void *memory;
	struct medio_card *card = boss_card(b, 1, 1);
	assert_int_equal(medio_card_write16(card, MEDIO_CARD_CONFIG, 4, 7), 0);
	assert_int_equal(medio_card_dma_alloc(card, 0, 1 << 20, 3, &memory), 0);
	assert_int_equal(medio_card_irq_open(card, MEDIO_CARD_INTX, 1), 0);
	for (unsigned i = 0; i < 2; i++) { /* plugs come and go */
		int fd = open_plug(sock);
		assert_wired(card, 0, fd);
		close(fd);
		fd = open(tty, O_RDWR | O_NOCTTY | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_wired(card, 1, fd);
		close(fd);
	}
	assert_int_equal(medio_card_irq_trigger(card, MEDIO_CARD_INTX, 0, 1), 0);
	assert_int_equal(medio_card_mig_set(card, MEDIO_CARD_MIG_STOP_COPY), 0);
	assert_int_equal(medio_card_mig_read(card, state, sizeof(state), &got), 0);
	assert_int_equal(medio_card_mig_set(card, MEDIO_CARD_MIG_RUNNING), 0);
	assert_int_equal(medio_card_dma_unmap(card, 0, 1 << 20), 0);
	assert_int_equal(medio_card_reset(card), 0);
	assert_serves(card);
	medio_card_close(card);
	assert_int_equal(boss_expect(b, MEDIO_WIRE_CLIENT_GONE)->cookie, 1);
}

static void all_is_usable_in_the_sandbox(struct boss *b, bool last)
{
	struct boss_start plan;
	char sock[128], link[128], trace[128];
	snprintf(sock, sizeof(sock), "port0=unix:%s/plug", b->dir);
	snprintf(link, sizeof(link), "port1=pty:%s/link", b->dir);
	snprintf(trace, sizeof(trace), "trace:file=%s/trace,data=8", b->dir);
	boss_hello(b);
	boss_done(b);
	boss_plan(&plan, "mtty-2", 2, (const char *[]){ sock, link });
	plan.how.last = last;
	plan.counts[1] = 2;
	plan.strings[3] = trace;
	plan.strings[4] = "delay:read=1us";
	plan.counts[2] = last ? 0 : 1;
	plan.strings[5] = b->dir;
	boss_started(b, 1, &plan);
	use_all(b, strchr(sock, '/'), strchr(link, '/'));
	boss_simple(b, MEDIO_WIRE_STOP, 1);
	boss_expect(b, MEDIO_WIRE_STOPPED);
	*strchr(trace, ',') = '\0';
	assert_int_equal(unlink(strchr(trace, '/')), 0);
}

static void one_can_be_used_in_all_ways(void **state)
{
	struct boss *b = *state;
	all_is_usable_in_the_sandbox(b, true);
	assert_int_equal(boss_wait(b), 0);
}

static void many_can_be_used_in_all_ways(void **state)
{
	all_is_usable_in_the_sandbox(*state, false);
}

static void an_instance_runs_as_its_owner(void **state)
{
	struct boss *b = *state;
	struct boss_start plan;
	LEAVE_OUT(getuid() != 0, "needs root");
	boss_hello(b);
	boss_done(b);
	boss_plan(&plan, "mtty-2", 0, NULL);
	plan.how.uid = 54321; /* in nobody's database */
	plan.how.gid = 54322;
	plan.how.files = 100;
	plan.how.memory = 1ull << 33;
	boss_started(b, 1, &plan);
	assert_confined(b, &plan);
	struct medio_card *card = boss_card(b, 1, 1);
	assert_serves(card);
	medio_card_close(card);
}

static void an_owner_opens_only_what_he_may(void **state)
{
	struct boss *b = *state;
	struct boss_start plan;
	char param[128];
	LEAVE_OUT(getuid() != 0, "needs root");
	/* The folder is root's alone: mediod could, he could not. */
	snprintf(param, sizeof(param), "port0=file:%s/file", b->dir);
	boss_hello(b);
	boss_done(b);
	boss_plan(&plan, "mtty-2", 1, (const char *[]){ param });
	plan.how.uid = plan.how.gid = 54321;
	assert_int_equal(boss_start(b, 1, &plan)->ret, -EACCES);
}

static void many_open_files_in_their_folders_only(void **state)
{
	struct boss *b = *state;
	struct boss_start plan;
	char inside[128], outside[] = "port0=file:/tmp/medio-boss-outside";
	boss_hello(b);
	boss_done(b);
	LEAVE_OUT(!(b->flags & MEDIO_WIRE_LANDLOCK), "needs Landlock, and no sanitizer");
	snprintf(inside, sizeof(inside), "port0=file:%s/file", b->dir);
	boss_plan(&plan, "mtty-2", 1, (const char *[]){ inside });
	plan.how.last = 0;
	plan.counts[2] = 1;
	plan.strings[2] = b->dir;
	boss_started(b, 1, &plan);
	plan.strings[1] = outside;
	assert_int_equal(boss_start(b, 2, &plan)->ret, -EACCES);
	unlink(strchr(inside, '/'));
}

/* ---- mediod comes and goes ------------------------------------------------------------------------------------ */

static void a_worker_without_instances_ends_with_its_mediod(void **state)
{
	struct boss *b = *state;
	boss_hello(b);
	boss_done(b);
	close(b->sock);
	b->sock = -1;
	assert_int_equal(boss_wait(b), 0);
}

static void it_ends_in_order_when_told_by_a_signal(void **state)
{
	struct boss *b = *state;
	uint32_t id;
	with_instance(b);
	struct medio_card *card = boss_card(b, 1, 1);
	kill(b->pid, SIGINT); /* the keyboard's, to all in front of it */
	kill(b->pid, SIGTERM);
	assert_int_equal(boss_wait(b), 0);
	assert_int_not_equal(medio_card_read(card, MEDIO_CARD_CONFIG, 0, &id, 4), 0);
	medio_card_close(card);
}

static void its_end_waits_for_nobody_in_particular(void **state)
{
	enum { MANY = 40 };
	struct boss *b = *state;
	struct boss_start plan;
	struct medio_card *cards[MANY];
	boss_hello(b);
	boss_done(b);
	boss_plan(&plan, "mtty-1", 0, NULL);
	plan.how.last = 0;
	for (unsigned i = 0; i < MANY; i++) {
		boss_started(b, i, &plan);
		cards[i] = boss_card(b, i, i + 1); /* which do not look at their sockets now */
	}
	uint64_t start = medio_now_ns();
	kill(b->pid, SIGTERM);
	assert_int_equal(boss_wait(b), 0);
	assert_true(medio_now_ns() - start < 5000000000u); /* not 200 ms for each of them */
	for (unsigned i = 0; i < MANY; i++)
		medio_card_close(cards[i]);
}

/* What a mediod finds that comes to a worker with instance 1, its client 42, and a checkpoint. */
static void assert_adopts(struct boss *b, int client, int checkpoint)
{
	const struct medio_wire_msg hello = { .kind = MEDIO_WIRE_HELLO,
		.value = MEDIO_WIRE_VERSION };
	struct medio_wire_msg *msg;
	uint8_t uuid[MEDIO_UUID_SIZE];
	boss_uuid(1, uuid);
	boss_send(b, &hello);
	msg = boss_expect(b, MEDIO_WIRE_READY);
	assert_int_equal(msg->nfds, 1);
	assert_int_equal(inode(msg->fds[0]), inode(b->counters));
	medio_wire_close_fds(msg);

	msg = boss_expect(b, MEDIO_WIRE_INSTANCE);
	assert_memory_equal(msg->uuid, uuid, sizeof(uuid));
	assert_string_equal(msg->strings[0], "mtty-2");
	assert_int_equal(msg->value, 3); /* slot */
	assert_int_equal(msg->nfds, 2);
	assert_int_equal(inode(msg->fds[0]), inode(b->listener));
	assert_int_equal(inode(msg->fds[1]), inode(checkpoint));
	medio_wire_close_fds(msg);

	msg = boss_expect(b, MEDIO_WIRE_CLIENT);
	assert_memory_equal(msg->uuid, uuid, sizeof(uuid));
	assert_int_equal(msg->cookie, 42);
	/* The other end of what our driver holds: it says so. */
	struct ucred peer;
	socklen_t len = sizeof(peer);
	assert_int_equal(getsockopt(msg->fds[0], SOL_SOCKET, SO_PEERCRED, &peer, &len), 0);
	assert_int_equal(peer.pid, getpid());
	assert_true(inode(msg->fds[0]) == inode(client));
	medio_wire_close_fds(msg);
	boss_done(b);
}

static void the_next_mediod_gets_all_that_the_old_one_had(void **state)
{
	struct boss *b = *state;
	struct boss_start plan;
	struct medio_error *err = NULL;
	struct medio_card *card;
	void *map;
	int pair[2], checkpoint;
	boss_hello(b);
	boss_done(b);
	boss_plan(&plan, "mtty-2", 0, NULL);
	plan.how.slot = 3;
	plan.checkpoint = checkpoint = medio_shared_new("checkpoint", 65536, PROT_READ, &map);
	assert_true(checkpoint >= 0);
	boss_started(b, 1, &plan);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	struct medio_wire_msg give = {
		.kind = MEDIO_WIRE_CLIENT, .cookie = 42, .fds = { pair[0] }, .nfds = 1
	};
	boss_uuid(1, give.uuid);
	boss_send(b, &give);
	if (medio_card_open_fd(pair[1], NULL, &card, &err))
		fail_msg("%s", medio_error_text(err));

	for (unsigned i = 0; i < 3; i++) {
		/* Killed: the kernel closes the connection, nothing is said. */
		close(b->sock);
		b->sock = -1;
		assert_serves(card);
		boss_connect(b);
		assert_adopts(b, pair[0], checkpoint);
		assert_serves(card);
	}
	medio_card_close(card);
	assert_int_equal(boss_expect(b, MEDIO_WIRE_CLIENT_GONE)->cookie, 42);
	boss_simple(b, MEDIO_WIRE_STOP, 1);
	boss_expect(b, MEDIO_WIRE_STOPPED);
	assert_int_equal(boss_wait(b), 0);
	munmap(map, 65536);
	close(checkpoint);
	close(pair[0]);
}

static void the_latest_mediod_counts(void **state)
{
	struct boss *b = *state;
	struct pollfd old = { .events = POLLIN };
	char byte;
	boss_hello(b);
	boss_done(b);
	/* Even without an instance: somebody is here. */
	old.fd = boss_connect(b);
	boss_hello(b);
	boss_done(b);
	assert_int_equal(poll(&old, 1, BOSS_WAIT_MS), 1);
	assert_int_equal(read(old.fd, &byte, 1), 0);
	close(old.fd);
	struct boss_start plan;
	boss_plan(&plan, "mtty-2", 0, NULL);
	boss_started(b, 1, &plan);
}

static void a_hundred_are_told_to_a_mediod_that_reads_late(void **state)
{
	enum { MANY = 100 };
	struct boss *b = *state;
	struct boss_start plan;
	const struct medio_wire_msg hello = { .kind = MEDIO_WIRE_HELLO,
		.value = MEDIO_WIRE_VERSION };
	unsigned told[MANY] = { 0 };
	boss_hello(b);
	boss_done(b);
	boss_plan(&plan, "mtty-1", 0, NULL);
	plan.how.last = 0;
	for (unsigned i = 0; i < MANY; i++)
		boss_started(b, i, &plan);
	close(b->sock);
	boss_connect(b);
	boss_send(b, &hello);
	/* In the middle of it one ends; whether it was told or not, it is not there afterwards. */
	boss_simple(b, MEDIO_WIRE_STOP, MANY - 1);
	medio_wire_close_fds(boss_expect(b, MEDIO_WIRE_READY));
	struct medio_wire_msg *msg;
	bool stopped = false;
	while ((msg = boss_receive(b)) && msg->kind != MEDIO_WIRE_DONE) {
		unsigned number;
		memcpy(&number, msg->uuid, sizeof(number));
		assert_true(number < MANY);
		if (msg->kind == MEDIO_WIRE_STOPPED) {
			stopped = true;
			continue;
		}
		assert_int_equal(msg->kind, MEDIO_WIRE_INSTANCE);
		medio_wire_close_fds(msg);
		told[number]++;
	}
	assert_non_null(msg);
	for (unsigned i = 0; i < MANY - 1; i++)
		assert_int_equal(told[i], 1);
	if (!stopped)
		boss_expect(b, MEDIO_WIRE_STOPPED);
}

static void strangers_are_not_listened_to(void **state)
{
	struct boss *b = *state;
	int status;
	LEAVE_OUT(getuid() != 0, "needs root");
	with_instance(b);
	assert_int_equal(chmod(b->dir, 0755), 0);
	assert_int_equal(chmod(b->path, 0666), 0);
	pid_t pid = fork();
	if (pid == 0) {
		char byte;
		bool out = setresuid(54321, 54321, 54321) == 0;
		boss_connect(b);
		_exit(out && read(b->sock, &byte, 1) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* Nor did he take our place. */
	struct medio_card *card = boss_card(b, 1, 1);
	assert_serves(card);
	medio_card_close(card);
	boss_expect(b, MEDIO_WIRE_CLIENT_GONE);
}

/* ---- Nonsense ----------------------------------------------------------------------------------------------------- */

static void assert_hangs_up(struct boss *b)
{
	while (boss_receive(b))
		medio_wire_close_fds(&b->in.msg);
	close(b->sock);
	b->sock = -1;
	boss_connect(b);
}

static void nonsense_ends_the_connection_and_nothing_else(void **state)
{
	struct boss *b = *state;
	struct medio_wire_msg msg = { .kind = MEDIO_WIRE_STOP };
	char bytes[600] = { 0 };
	with_instance(b);
	struct medio_card *card = boss_card(b, 1, 1);

	assert_int_equal(send(b->sock, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_hangs_up(b);
	/* Without a HELLO first. */
	boss_send(b, &msg);
	assert_hangs_up(b);
	/* Another version. */
	msg.kind = MEDIO_WIRE_HELLO;
	msg.value = MEDIO_WIRE_VERSION + 1;
	boss_send(b, &msg);
	assert_hangs_up(b);
	/* What only a worker says. */
	boss_hello(b);
	msg.kind = MEDIO_WIRE_DONE;
	boss_send(b, &msg);
	assert_hangs_up(b);
	/* Every length of a good message, and every byte of it changed. */
	boss_uuid(1, msg.uuid);
	msg = (struct medio_wire_msg){ .kind = MEDIO_WIRE_HELLO, .value = MEDIO_WIRE_VERSION };
	ssize_t size = medio_wire_encode(&msg, bytes, sizeof(bytes));
	for (ssize_t i = 0; i < size; i += 7) {
		assert_int_equal(send(b->sock, bytes, (size_t)i + 1, 0), i + 1);
		if (i + 1 < size)
			assert_hangs_up(b);
	}
	assert_serves(card);
	medio_card_close(card);
}

static void fds_that_do_not_belong_to_a_message_are_refused(void **state)
{
	struct boss *b = *state;
	struct medio_wire_msg msg = { .kind = MEDIO_WIRE_CLIENT, .cookie = 1 };
	with_instance(b);
	boss_uuid(1, msg.uuid);
	boss_send(b, &msg); /* none with it */
	assert_hangs_up(b);
	boss_hello(b);
	msg.kind = MEDIO_WIRE_STOP;
	msg.nfds = 3;
	msg.fds[0] = msg.fds[1] = msg.fds[2] = b->listener;
	boss_send(b, &msg);
	assert_hangs_up(b);
	boss_hello(b);
	medio_wire_close_fds(boss_expect(b, MEDIO_WIRE_INSTANCE));
	boss_done(b);
}

static void memory_that_is_not_sealed_is_refused(void **state)
{
	struct boss *b = *state;
	struct boss_start plan;
	int fd = memfd_create("loose", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 65536), 0);
	struct medio_wire_msg hello = {
		.kind = MEDIO_WIRE_HELLO, .value = MEDIO_WIRE_VERSION, .fds = { fd }, .nfds = 1
	};
	/* The worker has nothing else to do and ends; another one is started. */
	boss_send(b, &hello);
	assert_null(boss_receive(b));
	assert_int_equal(boss_wait(b), 0);
	close(b->sock);
	boss_start_worker(b);
	boss_connect(b);
	boss_hello(b);
	boss_done(b);
	boss_plan(&plan, "mtty-2", 0, NULL);
	plan.checkpoint = fd;
	assert_int_equal(boss_start(b, 1, &plan)->ret, -EINVAL);
	close(fd);
}

static void a_mediod_that_does_not_read_holds_up_nobody(void **state)
{
	struct boss *b = *state;
	const char *strings[] = { "port0/stats" };
	struct medio_wire_msg ask = {
		.kind = MEDIO_WIRE_ATTR_SHOW, .strings = strings, .nstrings = 1
	};
	unsigned asked = 0;
	with_instance(b);
	struct medio_card *card = boss_card(b, 1, 1);
	boss_uuid(1, ask.uuid);
	for (unsigned quiet = 0; quiet < 3;) {
		ask.cookie = asked + 1;
		if (medio_wire_send(b->sock, &ask) == 0) {
			asked++;
			quiet = 0;
			continue;
		}
		/* Full. It serves, and may have taken more meanwhile. */
		assert_serves(card);
		quiet++;
	}
	assert_true(asked > 100 && asked < 100000);
	for (unsigned i = 1; i <= asked; i++)
		assert_int_equal(boss_expect(b, MEDIO_WIRE_ATTR)->cookie, i);
	medio_card_close(card);
}

/* ---- Checkpoints --------------------------------------------------------------------------------------------------- */

static void write_scratch(struct medio_card *card, uint8_t value)
{
	assert_int_equal(medio_card_write(card, MEDIO_CARD_BAR0, SCRATCH, &value, 1), 0);
}

static uint8_t read_scratch(struct medio_card *card)
{
	uint8_t value = 0;
	assert_int_equal(medio_card_read(card, MEDIO_CARD_BAR0, SCRATCH, &value, 1), 0);
	return value;
}

static void wait_for_checkpoint(const void *map, size_t size)
{
	const void *at;
	for (unsigned ms = 0; !medio_checkpoint_read(map, size, &at); ms++) {
		if (ms > BOSS_WAIT_MS)
			fail_msg("no checkpoint was written");
		poll(NULL, 0, 1);
	}
}

/* The worker dies; another one starts instance 1 by plan. True: with the checkpoint's state. */
static bool born_again(struct boss *b, const struct boss_start *plan)
{
	kill(b->pid, SIGKILL);
	assert_true(WIFSIGNALED(boss_wait(b)));
	close(b->sock);
	boss_start_worker(b);
	boss_connect(b);
	boss_hello(b);
	boss_done(b);
	struct medio_wire_msg *answer = boss_start(b, 1, plan);
	assert_int_equal(answer->ret, 0);
	return answer->flags & MEDIO_WIRE_RESTORED;
}

static void a_killed_worker_is_continued_from_its_checkpoint(void **state)
{
	struct boss *b = *state;
	struct boss_start plan;
	void *map;
	boss_hello(b);
	boss_done(b);
	boss_plan(&plan, "mtty-2", 0, NULL);
	plan.checkpoint = medio_shared_new("checkpoint", 65536, PROT_READ | PROT_WRITE, &map);
	assert_true(plan.checkpoint >= 0);
	plan.how.checkpoint_ns = 1;
	plan.how.restore = 1;
	/* There is none yet. */
	struct medio_wire_msg *answer = boss_start(b, 1, &plan);
	assert_int_equal(answer->ret, 0);
	assert_int_equal(answer->flags, 0);
	struct medio_card *card = boss_card(b, 1, 1);
	write_scratch(card, 0x5a);
	medio_card_close(card);
	wait_for_checkpoint(map, 65536);

	/* Written before the value was, perhaps: the last one counts, a little later. */
	for (unsigned i = 0;; i++) {
		assert_true(born_again(b, &plan));
		card = boss_card(b, 1, 2);
		if (read_scratch(card) == 0x5a)
			break;
		assert_true(i < 100);
		write_scratch(card, 0x5a);
		medio_card_close(card);
		poll(NULL, 0, 10);
	}
	medio_card_close(card);

	/* Nonsense in its place is no state, and no harm. */
	kill(b->pid, SIGKILL);
	boss_wait(b);
	uint8_t junk[600];
	memset(junk, 0xa5, sizeof(junk));
	assert_int_equal(medio_checkpoint_write(map, 65536, junk, sizeof(junk)), 0);
	boss_start_worker(b);
	kill(b->pid, SIGKILL); /* so that born_again() has one to kill */
	assert_false(born_again(b, &plan));
	assert_non_null(strstr(b->log, "saved state"));
	card = boss_card(b, 1, 3);
	assert_int_not_equal(read_scratch(card), 0x5a);
	medio_card_close(card);
	munmap(map, 65536);
	close(plan.checkpoint);
}

static void a_reset_forgets_the_checkpoint(void **state)
{
	struct boss *b = *state;
	struct boss_start plan;
	const void *at;
	void *map;
	boss_hello(b);
	boss_done(b);
	boss_plan(&plan, "mtty-2", 0, NULL);
	plan.checkpoint = medio_shared_new("checkpoint", 65536, PROT_READ | PROT_WRITE, &map);
	plan.how.checkpoint_ns = 1;
	boss_started(b, 1, &plan);
	struct medio_card *card = boss_card(b, 1, 1);
	write_scratch(card, 0x5a);
	medio_card_close(card);
	wait_for_checkpoint(map, 65536);
	assert_false(born_again(b, &plan));
	assert_int_equal(medio_checkpoint_read(map, 65536, &at), 0);
	card = boss_card(b, 1, 1);
	assert_int_not_equal(read_scratch(card), 0x5a);
	medio_card_close(card);
	munmap(map, 65536);
	close(plan.checkpoint);
}

#define BOSS_TEST(name) cmocka_unit_test_setup_teardown(name, boss_setup, boss_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOSS_TEST(an_instance_serves_the_client_it_was_handed),
		BOSS_TEST(clients_are_let_go_and_the_instance_stays),
		BOSS_TEST(a_client_of_no_instance_is_gone_at_once),
		BOSS_TEST(attributes_are_read_and_written_by_name),
		BOSS_TEST(a_card_without_virtual_functions_has_none),
		BOSS_TEST(what_cannot_start_is_said_in_words),
		BOSS_TEST(lines_of_the_log_come_along),
		BOSS_TEST(the_end_is_answered_and_leaves_no_file),
		BOSS_TEST(a_shared_worker_runs_a_hundred),
		BOSS_TEST(a_worker_that_is_full_says_so_and_lives),
		BOSS_TEST(an_isolated_worker_runs_one),
		BOSS_TEST(one_instance_runs_without_powers),
		BOSS_TEST(many_instances_run_without_powers),
		BOSS_TEST(one_can_be_used_in_all_ways),
		BOSS_TEST(many_can_be_used_in_all_ways),
		BOSS_TEST(an_instance_runs_as_its_owner),
		BOSS_TEST(an_owner_opens_only_what_he_may),
		BOSS_TEST(many_open_files_in_their_folders_only),
		BOSS_TEST(a_worker_without_instances_ends_with_its_mediod),
		BOSS_TEST(it_ends_in_order_when_told_by_a_signal),
		BOSS_TEST(its_end_waits_for_nobody_in_particular),
		BOSS_TEST(the_next_mediod_gets_all_that_the_old_one_had),
		BOSS_TEST(the_latest_mediod_counts),
		BOSS_TEST(a_hundred_are_told_to_a_mediod_that_reads_late),
		BOSS_TEST(strangers_are_not_listened_to),
		BOSS_TEST(nonsense_ends_the_connection_and_nothing_else),
		BOSS_TEST(fds_that_do_not_belong_to_a_message_are_refused),
		BOSS_TEST(memory_that_is_not_sealed_is_refused),
		BOSS_TEST(a_mediod_that_does_not_read_holds_up_nobody),
		BOSS_TEST(a_killed_worker_is_continued_from_its_checkpoint),
		BOSS_TEST(a_reset_forgets_the_checkpoint),
	};
	if (argc != 2) {
		fprintf(stderr, "usage: %s MEDIO-WORKER\n", argv[0]);
		return 2;
	}
	boss_program = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
