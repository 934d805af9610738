/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stream: what a port of a device is plugged into, by the name a user gives it: "pty",
 * "unix:/run/x". One file each; they mean the same for every device that has ports.
 *
 *     device  -- medio_stream_send() -->  stream  -->  a terminal, a peer, a file
 *     device  <-- stream->rx (4096 bytes) <--        <--
 *
 * Nothing here grows. What the device sends and the stream cannot take stays the device's; what
 * comes is read only as far as the wire has room.
 */
#ifndef MEDIO_STREAM_STREAM_H
#define MEDIO_STREAM_STREAM_H

#include <medio/device.h>

#include "wire.h"

struct medio_stream;

/* A terminal's window. */
struct medio_stream_size {
	uint16_t cols, rows;
};

struct medio_stream_kind {
	const char *name;
	/* How a user writes it, for messages: "pty[:/path/of/link]". */
	const char *usage;
	/* What may follow the name: no argument is taken, one may be given, one must be. */
	enum { MEDIO_STREAM_ARG_NONE, MEDIO_STREAM_ARG_OPTIONAL, MEDIO_STREAM_ARG_REQUIRED } arg;
	bool nobody; /* no peer will ever be there */
	bool echoes; /* what is sent is what comes */
	/* Plug in. arg is what follows "name:", NULL if nothing does; it outlives the stream. Sets
	 * stream->state. -errno after medio_fail(); close() is then not called. */
	int (*open)(struct medio_stream *stream, const char *arg);
	/* NULL: nothing to do. */
	void (*close)(struct medio_stream *stream);
	/*
	 * Take up to len (over 0) bytes the device sends; returns how many. 0 means full: moved()
	 * is called when there is room again.
	 */
	size_t (*send)(struct medio_stream *stream, const uint8_t *buf, size_t len);
	/* The wire, once full, has room again. NULL: does not matter. */
	void (*room)(struct medio_stream *stream);
	/* The window's size, false if it is not a terminal. NULL: never is one. */
	bool (*size)(struct medio_stream *stream, struct medio_stream_size *size);
};

/* The device that has the port. */
struct medio_stream_user {
	/* Bytes came, or there is room to send. */
	void (*moved)(struct medio_stream *stream);
	/* stream->peer has changed: somebody has come, or gone. Not called before open returned. */
	void (*peer)(struct medio_stream *stream);
};

struct medio_stream {
	struct medio_dev *dev;
	unsigned index; /* of the port, which messages call "port0" and so on */
	const struct medio_stream_user *user;
	void *opaque;	      /* the user's */
	struct medio_wire rx; /* what came; taken by medio_stream_taken() */
	bool peer;	      /* somebody is there */
	bool was_full;	      /* room() is owed */
	bool silent;	      /* it opens or closes: the user is told nothing */
	uint64_t unheard;     /* bytes sent while nobody was there to hear them */
	const struct medio_stream_kind *kind;
	void *state; /* the kind's */
};

/*
 * Plug port number index of dev into what spec names. -EINVAL: no such kind, an argument missing or
 * too much; -ENOMEM; or what the kind's open gives. Words are said with medio_fail(). On failure
 * nothing is left to close.
 */
int medio_stream_open(struct medio_stream *stream, struct medio_dev *dev, unsigned index,
	const char *spec, const struct medio_stream_user *user, void *opaque);
/* One that was never opened is allowed. */
void medio_stream_close(struct medio_stream *stream);

/* Send up to len bytes; returns how many were taken. */
size_t medio_stream_send(struct medio_stream *stream, const uint8_t *buf, size_t len);
/* The first len bytes of the wire have been taken. */
void medio_stream_taken(struct medio_stream *stream, size_t len);
/* The wire has been replaced, as from a migration stream. */
void medio_stream_loaded(struct medio_stream *stream);
/* The size of the terminal that is there; false: there is none, or it does not say. */
bool medio_stream_size(struct medio_stream *stream, struct medio_stream_size *size);

/* ---- For kinds ---------------------------------------------------------------------------------- */

void medio_stream_set_peer(struct medio_stream *stream, bool peer);
void medio_stream_moved(struct medio_stream *stream);
bool medio_stream_terminal_size(int fd, struct medio_stream_size *size);

extern const struct medio_stream_kind medio_stream_echo;
extern const struct medio_stream_kind medio_stream_null;
extern const struct medio_stream_kind medio_stream_pty;
extern const struct medio_stream_kind medio_stream_unix;
extern const struct medio_stream_kind medio_stream_stdio;
extern const struct medio_stream_kind medio_stream_file;

#endif
