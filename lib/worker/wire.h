/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages between mediod and its workers: a private protocol, one SOCK_SEQPACKET packet a message.
 * A worker listens on a socket that mediod made (RUNTIME/workers/ID.sock); mediod connects to it,
 * at birth and again after a restart of its own, so there is one way to meet and not two. The
 * latest connection counts: a worker drops the older one. Both ends distrust each other: a worker
 * may be in the hands of a guest.
 *
 *     mediod -> worker                      worker -> mediod
 *     HELLO                                 READY, INSTANCE..., CLIENT..., DONE
 *     START    listener [checkpoint]        STARTED
 *     CLIENT   connection                   CLIENT_GONE, when that client has left
 *     REQUEST, DISCONNECT                   (CLIENT_GONE)
 *     ATTR_SHOW, ATTR_STORE                 ATTR, with the same cookie
 *     SET_VFS                               VFS, when they have come or gone; VFS_SET
 *     STOP                                  STOPPED
 *                                           LOG
 *
 * Virtual functions (SR-IOV) are instances that come within the one that has them, by SET_VFS or because its
 * driver said so: VFS tells how many there are. Each is then served as any other, by a START with the
 * flag VF, in the slot behind its card's (the first in the next one, and so on); STOP leaves it
 * there, unserved.
 *
 * After READY a worker that serves instances tells each of them (INSTANCE, with its listener and
 * checkpoint), each with its clients (CLIENT, with the connection), then DONE: the new mediod then
 * knows what the old one knew.
 */
#ifndef MEDIO_WORKER_WIRE_H
#define MEDIO_WORKER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/uuid.h"

#define MEDIO_WIRE_VERSION 1
#define MEDIO_WIRE_MAX	   65536 /* bytes of a message */
#define MEDIO_WIRE_STRINGS 512	 /* in a message */
#define MEDIO_WIRE_FDS	   4

/* What each carries is said here; what is not named is 0 or absent. uuid: which instance. */
enum medio_wire_kind {
	/* value: MEDIO_WIRE_VERSION. fds: the memory of its counters (shared.h), only to a worker
	 * that has none yet: it answers with what it has. */
	MEDIO_WIRE_HELLO = 1,
	/* strings: type (a name, or the path of a plug-in), counts[0] parameters, counts[1] filters,
	 * counts[2] folders it may open files in. data: struct medio_wire_start. fds: listener,
	 * and, when it is to keep checkpoints, their memory. flags: MEDIO_WIRE_VF, then strings is the
	 * type's name alone. */
	MEDIO_WIRE_START,
	MEDIO_WIRE_STOP,
	/* cookie: a number for the connection, never 0. fds: the connection. Also worker -> mediod. */
	MEDIO_WIRE_CLIENT,
	/* Signal the client's REQ interrupt. value: how often before. */
	MEDIO_WIRE_REQUEST,
	/* Let every client of the instance go; the instance stays. */
	MEDIO_WIRE_DISCONNECT,
	/* cookie: to find the answer by. strings: name. ATTR_STORE: data is the text. */
	MEDIO_WIRE_ATTR_SHOW,
	MEDIO_WIRE_ATTR_STORE,
	/* value: how many virtual functions the instance is to have. cookie: to find the answer by. */
	MEDIO_WIRE_SET_VFS,

	/* value: MEDIO_WIRE_VERSION. flags: MEDIO_WIRE_*; fds: memory of the counters, if it had. */
	MEDIO_WIRE_READY = 64,
	/* ret: 0 or -errno. strings, on failure: words. flags: MEDIO_WIRE_RESTORED. data: struct
	 * medio_wire_sriov of one that can have virtual functions */
	MEDIO_WIRE_STARTED,
	MEDIO_WIRE_STOPPED,
	MEDIO_WIRE_CLIENT_GONE, /* cookie */
	MEDIO_WIRE_ATTR,	/* cookie, ret: length or -errno; data: the text */
	MEDIO_WIRE_LOG,		/* value: enum medio_log_level. strings: line. uuid may be zeros */
	/* strings: type. value: its slot among the counters. fds: listener [, checkpoint]. data: as of
	 * STARTED. */
	MEDIO_WIRE_INSTANCE,
	MEDIO_WIRE_DONE,
	MEDIO_WIRE_VFS,	    /* value: how many virtual functions the instance has now */
	MEDIO_WIRE_VFS_SET, /* cookie, ret: 0 or -errno. strings, on failure: words */
};

/* Flags of READY: what the worker's sandbox will be made of here; of STARTED: RESTORED. */
enum {
	MEDIO_WIRE_SECCOMP = 1,
	MEDIO_WIRE_LANDLOCK = 2,
	MEDIO_WIRE_RESTORED = 4, /* the state is the checkpoint's */
	MEDIO_WIRE_VF = 8,	 /* of START: it is there already, a virtual function */
};

/* data of START, native byte order: both ends are one machine. */
struct medio_wire_start {
	uint32_t uid, gid; /* run as these; only looked at while the worker may change them */
	uint32_t slot;	   /* among the counters */
	uint32_t last;	   /* 1: no other instance will come: the tightest sandbox (isolated) */
	uint64_t memory;   /* limit of the process in bytes of address space; 0: none */
	uint64_t checkpoint_ns; /* how often to save the state when something happened; 0: never */
	uint32_t restore;	/* 1: begin with the checkpoint's state if there is one */
	uint32_t files;		/* limit of open files; 0: as it is */
};

/* data of STARTED and INSTANCE. */
struct medio_wire_sriov {
	uint32_t total, num; /* VFs there can be, and are */
	uint32_t offset, stride, vf_device;
	uint32_t zero;
};

struct medio_wire_msg {
	enum medio_wire_kind kind;
	uint8_t uuid[MEDIO_UUID_SIZE];
	uint64_t cookie;
	uint32_t value, flags;
	int32_t ret;
	uint16_t counts[3];
	const char *const *strings; /* nstrings of them */
	unsigned nstrings;
	const void *data;
	size_t size;
	int fds[MEDIO_WIRE_FDS]; /* nfds of them */
	unsigned nfds;
};

/* A message that was received, and what its pointers point into. */
struct medio_wire_packet {
	struct medio_wire_msg msg;
	const char *strings[MEDIO_WIRE_STRINGS];
	_Alignas(8) char bytes[MEDIO_WIRE_MAX];
};

/* Bytes of a packet. The size, or -EMSGSIZE: more than cap, or than the protocol allows. */
ssize_t medio_wire_encode(const struct medio_wire_msg *msg, void *buf, size_t cap);
/*
 * Understand size bytes at packet->bytes, which come from anybody. fds of msg are not touched.
 * -EPROTO: a wrong magic or version, an unknown kind, lengths or counts that do not add up, a
 * string without an end.
 */
int medio_wire_decode(struct medio_wire_packet *packet, size_t size);
/* Send; fds stay the caller's. 0, -EAGAIN (the other does not read), -EPIPE, -EMSGSIZE … */
int medio_wire_send(int sock, const struct medio_wire_msg *msg);
/* Receive one without waiting. 1: packet->msg is there and its fds are the caller's (close-on-exec);
 * 0: the other end has gone; -EAGAIN: nothing there; -EPROTO: nonsense, its fds are closed; -EMFILE:
 * packet->msg is there but its fds are not, for which this process has no room. */
int medio_wire_receive(int sock, struct medio_wire_packet *packet);
/*
 * As above, from somebody who may send descriptors that are no use but to hold us up. Closing a file
 * asks its file system, and that may be a program of his (FUSE), which does not answer. take: sockets
 * of AF_UNIX and memfds, which are all that this wire knows, are the caller's; any other is closed by
 * a thread of its own, and is -EPERM. Else none is taken: the kernel drops what comes, and min_fds
 * that a kind has are missing (-EPROTO).
 */
int medio_wire_receive_wary(int sock, struct medio_wire_packet *packet, bool take);
/* Close the fds of msg that are left (a taken one is set to -1). */
void medio_wire_close_fds(struct medio_wire_msg *msg);

#endif
