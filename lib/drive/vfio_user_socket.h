/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whole messages in and out of a vfio-user client's socket. Private to vfio_user.c, which gives
 * them meaning, and vfio_user_socket.c.
 */
#ifndef MEDIO_DRIVE_VFIO_USER_SOCKET_H
#define MEDIO_DRIVE_VFIO_USER_SOCKET_H

#include "drive/vfio_user.h"

#define HEADER	  sizeof(struct medio_vu_header)
#define OUT_SIZE  16384 /* posted writes kept back at most, bytes */
#define MAX_IOV	  66	/* posted writes, header, and a reply's pieces */
#define NS_PER_MS UINT64_C(1000000)

struct medio_vu_client {
	int fd;
	uint16_t next_id;
	bool poll, dead;
	bool plain; /* no fds are awaited: what comes with any is dropped by the kernel */
	uint64_t timeout_ns;
	medio_vu_request_fn *handler;
	void *opaque;
	/* Received bytes [in_pos, in_len) are not yet handed out. */
	uint8_t *in;
	size_t in_cap, in_pos, in_len;
	/* Fds belong to the message that holds byte fds_end - 1: the kernel ends a receive after
	 * the bytes that carry some. fds_used: they have been handed out. */
	int fds[MEDIO_VU_CLIENT_FDS];
	unsigned nfds;
	size_t fds_end;
	bool fds_used;
	/* Posted messages, whole ones. */
	uint8_t out[OUT_SIZE];
	size_t out_len;
	char words[160];
};

/* Note the words of a failure; gives ret. */
int medio_vu_socket_fail(struct medio_vu_client *client, int ret, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* "no answer within …": gives -ETIMEDOUT. */
int medio_vu_socket_timed_out(struct medio_vu_client *client);
/* Close the fds that came and nobody kept. */
void medio_vu_socket_drop_fds(struct medio_vu_client *client);

/*
 * The next whole message. deadline (medio_now_ns) 0: do not wait, -EAGAIN. first: nothing has been
 * received in this exchange yet, so that the socket's own time limit is the deadline. -ETIMEDOUT,
 * -ECONNRESET, -EPROTO as medio_vu_client_recv().
 */
int medio_vu_socket_next(struct medio_vu_client *client, uint64_t deadline, bool first,
	struct medio_vu_message *message);

/* Send all of iov (which is used up), fds on its first byte; receives meanwhile if it must. */
int medio_vu_socket_send_all(struct medio_vu_client *client, struct iovec *iov, unsigned count,
	const int *fds, unsigned nfds);
/* Send what was posted. */
int medio_vu_socket_send_posted(struct medio_vu_client *client);
/* Posted writes, then header and pieces. iov has MAX_IOV entries; pieces stand from iov[2] on. */
int medio_vu_socket_send(struct medio_vu_client *client, struct medio_vu_header *header,
	struct iovec *iov, unsigned pieces, const int *fds, unsigned nfds);

#endif
