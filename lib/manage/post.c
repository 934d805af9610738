/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages to a worker and from it. Sending never waits: what it does not read is kept, up to a limit. */
#include "manage/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "manage/patience.h"
#include "manage/run.h"
#include "util/cleanup.h"

#define OUT_MAX	   (32u << 20) /* bytes kept for one worker; 10,000 instances to stop are 3 MiB */
#define A_ROUND	   64	       /* messages of one worker before others have their turn */
#define PARTING_MS 100

struct packet {
	struct medio_list item;
	size_t size;
	unsigned nfds;
	int fds[MEDIO_WIRE_FDS];
	_Alignas(8) char bytes[];
};

static void packet_free(struct packet *packet)
{
	medio_list_remove(&packet->item);
	for (unsigned i = 0; i < packet->nfds; i++)
		close(packet->fds[i]);
	free(packet);
}

void medio_post_drop(struct medio_process *process)
{
	while (!medio_list_empty(&process->out))
		packet_free(medio_container_of(process->out.next, struct packet, item));
	process->out_size = 0;
}

/* ---- Out ------------------------------------------------------------------------------------------ */

/* The other end has gone; its end is told otherwise. */
static bool is_gone(int ret)
{
	return ret == -EPIPE || ret == -ECONNRESET || ret == -ENOTCONN || ret == -ECONNREFUSED;
}

/* It does not read now, or too many descriptors are under way. */
static bool is_full(int ret)
{
	return ret == -EAGAIN || ret == -ENOBUFS || ret == -ETOOMANYREFS;
}

static int send_packet(struct medio_process *process, const struct packet *packet)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * MEDIO_WIRE_FDS)];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { (char *)packet->bytes, packet->size };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (packet->nfds) {
		hdr.msg_control = control.bytes;
		hdr.msg_controllen = CMSG_SPACE(sizeof(int) * packet->nfds);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&hdr);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * packet->nfds);
		memcpy(CMSG_DATA(cmsg), packet->fds, sizeof(int) * packet->nfds);
	}
	return sendmsg(process->sock, &hdr, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static void flush(struct medio_process *process)
{
	while (!medio_list_empty(&process->out)) {
		struct packet *packet = medio_container_of(process->out.next, struct packet, item);
		int ret = send_packet(process, packet);
		if (is_full(ret) || ret == -EINTR)
			return;
		if (is_gone(ret)) {
			medio_post_drop(process);
			break;
		}
		if (ret) {
			medio_process_kill(
				process, "a message could not be sent to it (%s)", strerror(-ret));
			return;
		}
		process->out_size -= packet->size;
		process->sent_ns = medio_now_ns();
		packet_free(packet);
	}
	medio_watch_set(process->sock_watch, EPOLLIN);
}

/* A copy of msg, with descriptors of its own. */
static int keep(struct medio_process *process, const struct medio_wire_msg *msg)
{
	_Alignas(8) char bytes[MEDIO_WIRE_MAX];
	ssize_t size = medio_wire_encode(msg, bytes, sizeof(bytes));
	if (size < 0)
		return (int)size;
	if (process->out_size + (size_t)size > OUT_MAX) {
		medio_process_kill(process, "it does not read what is sent to it");
		return 0;
	}
	struct packet *packet = malloc(sizeof(*packet) + (size_t)size);
	if (!packet)
		return -ENOMEM;
	medio_list_init(&packet->item);
	packet->size = (size_t)size;
	packet->nfds = 0;
	memcpy(packet->bytes, bytes, (size_t)size);
	for (unsigned i = 0; i < msg->nfds; i++) {
		int fd = fcntl(msg->fds[i], F_DUPFD_CLOEXEC, 3);
		if (fd < 0) {
			int ret = -errno;
			packet_free(packet);
			return ret;
		}
		packet->fds[packet->nfds++] = fd;
	}
	if (medio_list_empty(&process->out))
		process->sent_ns = medio_now_ns();
	process->out_size += packet->size;
	medio_list_append(&process->out, &packet->item);
	medio_watch_set(process->sock_watch, EPOLLIN | EPOLLOUT);
	medio_process_expect(process);
	return 0;
}

int medio_process_send(struct medio_process *process, const struct medio_wire_msg *msg)
{
	if (process->sock < 0 || process->killed)
		return 0;
	int ret = medio_list_empty(&process->out) ? medio_wire_send(process->sock, msg) : -EAGAIN;
	if (is_full(ret))
		return keep(process, msg);
	return is_gone(ret) ? 0 : ret;
}

void medio_post_flush_hard(struct medio_process *process)
{
	struct pollfd poll_fd = { .fd = process->sock, .events = POLLOUT };

	while (process->sock >= 0 && !process->killed && !medio_list_empty(&process->out) &&
		poll(&poll_fd, 1, PARTING_MS) > 0)
		flush(process);
}

/* ---- In ------------------------------------------------------------------------------------------- */

void medio_post_receive(struct medio_process *process, unsigned max)
{
	struct medio_wire_packet *packet = &process->workers->packet;

	while (max-- && process->sock >= 0 && !process->killed) {
		/* Only who tells what it runs has something to hand over. */
		bool take = process->state == MEDIO_PROCESS_ADOPTING;
		medio_patience_begin();
		int ret = medio_wire_receive_wary(process->sock, packet, take);
		medio_patience_end();
		if (ret == -EAGAIN)
			return;
		if (ret == 0) {
			medio_process_hang_up(process);
		} else if (ret < 0) {
			medio_process_kill(
				process, "it sent what is no message (%s)", strerror(-ret));
		} else {
			medio_run_message(process, &packet->msg);
			medio_wire_close_fds(&packet->msg);
		}
	}
}

void medio_post_on_socket(void *opaque, uint32_t events)
{
	struct medio_process *process = opaque;

	if (events & EPOLLOUT)
		flush(process);
	medio_post_receive(process, A_ROUND);
}
