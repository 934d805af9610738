/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whole messages in and out of a vfio-user client's sockets. Private to the files of the client:
 *
 *     vfio_user.c         what messages mean     vfio_user_post.c  messages without an answer
 *     vfio_user_socket.c  bytes                  vfio_user_twin.c  the second socket
 */
#ifndef MEDIO_DRIVE_VFIO_USER_SOCKET_H
#define MEDIO_DRIVE_VFIO_USER_SOCKET_H

#include "drive/vfio_user.h"

#define HEADER	  sizeof(struct medio_vu_header)
#define OUT_SIZE  16384 /* posted writes kept back at most, bytes */
#define MAX_IOV	  66	/* posted writes, header, and a reply's pieces */
#define NS_PER_MS UINT64_C(1000000)
#define NO_MULTI  SIZE_MAX

struct medio_vu_client {
	int fd;
	uint16_t next_id;
	bool poll, dead;
	bool plain; /* no fds are awaited: what comes with any is dropped by the kernel */
	uint64_t timeout_ns;
	uint64_t until;	   /* see medio_vu_client_until() */
	uint64_t deadline; /* of the call under way, 0: none is */
	/* Where the server's commands come and are answered, NULL: here. Ours goes on waiting for
	 * what is said here while that has none. both: an epoll of the two, -1 until it is asked for. */
	struct medio_vu_client *twin;
	int both;
	uint64_t looked; /* when a call last looked at the twin of itself */
	unsigned asked;	 /* so many calls look at the twin at once: it has asked lately */
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
	size_t multi; /* where in out the REGION_WRITE_MULTI begins that it ends with, or NO_MULTI */
	unsigned multi_max; /* writes in one, 0: the server takes none */
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
 * The next whole message; serves the twin while it waits. first: nothing has been received in this
 * exchange yet, so that the receive may be the wait. -ETIMEDOUT, -ECONNRESET, -EPROTO as
 * medio_vu_client_recv(). deadline is of medio_now_ns().
 */
int medio_vu_socket_next(struct medio_vu_client *client, uint64_t deadline, bool first,
	struct medio_vu_message *message);
/* The next whole message of those that were received. -EAGAIN: none; -EPROTO. */
int medio_vu_socket_take(struct medio_vu_client *client, struct medio_vu_message *message);
/* Receive what is here. -EAGAIN: nothing, -EINTR, -ECONNRESET, -EPROTO. */
int medio_vu_socket_more(struct medio_vu_client *client);

/* Send all of iov (which is used up), fds on its first byte; receives meanwhile if it must. */
int medio_vu_socket_send_all(struct medio_vu_client *client, struct iovec *iov, unsigned count,
	const int *fds, unsigned nfds);
/* Send what was posted. */
int medio_vu_socket_send_posted(struct medio_vu_client *client);
/* Posted writes, then header and pieces. iov has MAX_IOV entries; pieces stand from iov[2] on. */
int medio_vu_socket_send(struct medio_vu_client *client, struct medio_vu_header *header,
	struct iovec *iov, unsigned pieces, const int *fds, unsigned nfds);

/* The header of call; -EMSGSIZE if it is more than a header can say. */
int medio_vu_client_header(struct medio_vu_client *client, const struct medio_vu_call *call,
	struct medio_vu_header *header);
/* The client is dead: the server shall know, and forget what it was given. Gives ret. */
int medio_vu_client_kill(struct medio_vu_client *client, int ret);
/* Answer the commands that are here, for at most until deadline. Their number, or -errno. */
int medio_vu_client_serve(struct medio_vu_client *client, uint64_t deadline);

/* vfio_user_post.c: behind what waits to be sent; there is room. */
void medio_vu_post_append(struct medio_vu_client *client, const void *bytes, size_t size);

/* vfio_user_twin.c: fd is the twin's, owned from here on. -EPROTO: it is no socket; -errno. */
int medio_vu_twin_open(struct medio_vu_client *client, int fd);
/* A descriptor to poll for either socket, -1: none is left. */
int medio_vu_twin_both(struct medio_vu_client *client);
/* Answer what has come there. 0, or -errno with words of client. */
int medio_vu_twin_serve(struct medio_vu_client *client, uint64_t deadline);
/* The same if nobody has looked for a while, at the begin of a call that ends at deadline. */
int medio_vu_twin_look(struct medio_vu_client *client, uint64_t deadline);
void medio_vu_twin_free(struct medio_vu_client *client);

#endif
