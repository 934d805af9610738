/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker in the hands of somebody who means mediod no good: $BAD_WORKER says how.
 *
 *     junk    what is asked is answered, and with it goes whatever the wire can carry and more
 *     flood   the same, thousands
 *     quit    ends at one message or another
 *     block   makes what it shares with mediod block, as fast as it can
 *     lie     tells a new mediod of instances, listeners and clients that are not its own
 *     deaf    answers what begins and ends, and nothing else
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "worker/wire.h"

#define LISTENER 3
#define KEPT	 8
#define BLOCKS	 2000 /* times it tries before it listens to mediod again */

static struct medio_wire_packet in;
static struct medio_wire_msg seen; /* the latest: its uuid and cookie */
static int kept[KEPT], nkept;
static uint64_t seed;
static const char *how;

static unsigned chance(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static void answer(int sock, enum medio_wire_kind kind)
{
	struct medio_wire_msg msg = { .kind = kind, .cookie = seen.cookie };

	memcpy(msg.uuid, seen.uuid, sizeof(msg.uuid));
	if (kind == MEDIO_WIRE_READY)
		msg.value = MEDIO_WIRE_VERSION;
	medio_wire_send(sock, &msg);
}

/* Of a kind that is known, and often of its shape. */
static void send_junk(int sock)
{
	static const char *const words[] = { "mtty-1", "\033[2J\n<0>mediod: all is well", "" };
	char data[96];
	struct medio_wire_msg msg = {
		.kind = chance(2) ? MEDIO_WIRE_READY + chance(8) : MEDIO_WIRE_HELLO + chance(8),
		.cookie = chance(2) ? seen.cookie : chance(1000),
		.value = chance(4) ? chance(3) : chance(UINT32_MAX),
		.flags = chance(8),
		.ret = (int32_t)chance(UINT32_MAX),
		.strings = words,
		.nstrings = chance(3),
		.data = data,
		.size = chance(3) ? 0 : chance(sizeof(data)),
		.nfds = chance(4) ? 0 : chance(3),
	};

	memset(data, 'x', sizeof(data));
	if (chance(4))
		memcpy(msg.uuid, seen.uuid, sizeof(msg.uuid));
	for (unsigned i = 0; i < msg.nfds; i++)
		msg.fds[i] = kept[chance((unsigned)nkept)];
	if (!chance(50))
		send(sock, data, chance(sizeof(data)), MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		medio_wire_send(sock, &msg);
}

static void block_all(int sock)
{
	const struct timeval never = { 0 };

	for (unsigned i = 0; i < BLOCKS; i++) {
		for (int k = 1; k < nkept; k++) {
			setsockopt(kept[k], SOL_SOCKET, SO_RCVTIMEO, &never, sizeof(never));
			fcntl(kept[k], F_SETFL, O_RDWR);
			fcntl(kept[k], F_SETFL, O_RDWR | O_NONBLOCK);
		}
		fcntl(sock, F_SETFL, O_RDWR);
	}
}

/* READY with memory that can shrink, of a device file, or good; then what is not its own. */
static void lie(int sock)
{
	static const char *const type = "mtty-1";
	struct medio_wire_msg msg = {
		.kind = MEDIO_WIRE_READY, .value = MEDIO_WIRE_VERSION, .nfds = 1
	};

	msg.fds[0] = memfd_create("lie", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (ftruncate(msg.fds[0], 4096) < 0 ||
		(chance(4) && fcntl(msg.fds[0], F_ADD_SEALS, F_SEAL_SHRINK) < 0))
		_exit(1);
	if (!chance(4))
		msg.fds[0] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	medio_wire_send(sock, &msg);
	for (unsigned i = 0; i < 8; i++) {
		msg.kind = chance(3) ? MEDIO_WIRE_INSTANCE : MEDIO_WIRE_CLIENT;
		msg.value = chance(3);
		msg.cookie = chance(3);
		memcpy(msg.uuid, seen.uuid, sizeof(msg.uuid));
		msg.uuid[15] ^= (uint8_t)chance(3);
		msg.strings = &type;
		msg.nstrings = msg.kind == MEDIO_WIRE_INSTANCE;
		msg.fds[0] = kept[chance((unsigned)nkept)];
		medio_wire_send(sock, &msg);
	}
	answer(sock, MEDIO_WIRE_DONE);
}

static void on_message(int sock)
{
	struct medio_wire_msg *msg = &in.msg;
	bool hello = msg->kind == MEDIO_WIRE_HELLO;

	if (!strcmp(how, "quit") && !chance(3))
		_exit((int)chance(3));
	if (!hello)
		seen = *msg;
	for (unsigned i = 0; i < msg->nfds && nkept < KEPT; i++) {
		kept[nkept++] = msg->fds[i];
		msg->fds[i] = -1;
	}
	if (hello && nkept > 2 && !strcmp(how, "lie")) {
		lie(sock);
	} else if (hello) {
		answer(sock, MEDIO_WIRE_READY);
		answer(sock, MEDIO_WIRE_DONE);
	}
	if (msg->kind == MEDIO_WIRE_START)
		answer(sock, MEDIO_WIRE_STARTED);
	if (msg->kind == MEDIO_WIRE_STOP)
		answer(sock, MEDIO_WIRE_STOPPED);
	if (msg->kind == MEDIO_WIRE_CLIENT && strcmp(how, "deaf") != 0)
		answer(sock, MEDIO_WIRE_CLIENT_GONE);
	if (msg->kind == MEDIO_WIRE_START && !strcmp(how, "block"))
		block_all(sock);
	medio_wire_close_fds(msg);
}

int main(void)
{
	struct pollfd fds[2] = { { LISTENER, POLLIN, 0 }, { -1, POLLIN, 0 } };
	unsigned count;

	how = getenv("BAD_WORKER");
	if (!how)
		return 1;
	count = !strcmp(how, "flood") ? 500 : !strcmp(how, "junk") ? 3 : 0;
	seed = (uint64_t)getpid();
	kept[nkept++] = LISTENER;
	/* Whatever comes to pass, it does not outlive its test for long. */
	alarm(60);
	for (;;) {
		poll(fds, 2, fds[1].fd < 0 ? -1 : 20);
		if (fds[0].revents) {
			close(fds[1].fd);
			fds[1].fd = accept4(LISTENER, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
			continue;
		}
		int ret = medio_wire_receive(fds[1].fd, &in);
		if (ret == 0 && strcmp(how, "lie") != 0)
			return 0;
		if (ret == 0)
			close(fds[1].fd), fds[1].fd = -1;
		if (ret == 1)
			on_message(fds[1].fd);
		for (unsigned i = 0; i < count && seen.kind; i++)
			send_junk(fds[1].fd);
		if (!strcmp(how, "block") && seen.kind)
			block_all(fds[1].fd);
	}
}
