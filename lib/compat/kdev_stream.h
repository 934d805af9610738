/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device's state on its way: what stands behind the descriptor that SET of MIG_DEVICE_STATE gives. It is one end of a
 * pair of sockets; the loop moves what goes through the other between it and the card.
 *
 * The program reads until the end, or until ECONNRESET: the rest cannot be had. What it writes is taken, wanted or
 * not, for as long as it has the descriptor: a signal (SIGPIPE) would be no answer of the kernel's.
 */
#ifndef MEDIO_COMPAT_KDEV_STREAM_H
#define MEDIO_COMPAT_KDEV_STREAM_H

#include "compat/kdev.h"

struct medio_kdev_stream;

/* Begin one, and its end for the program, *fd, the caller's. saving: the card is read. -EMFILE, -ENOMEM. */
int medio_kdev_stream_new(
	struct medio_kdev *kdev, bool saving, struct medio_kdev_stream **out, int *fd);
/* What the program has written so far is all there is: 0, or what the card said to it. */
int medio_kdev_stream_settle(struct medio_kdev_stream *stream);
/* Nothing goes to or comes from the card any more. The stream goes by itself, or by _free() (NULL is allowed). */
void medio_kdev_stream_leave(struct medio_kdev_stream *stream);
void medio_kdev_stream_free(struct medio_kdev_stream *stream);
/* All of a device's. */
void medio_kdev_streams_free(struct medio_kdev *kdev);

#endif
