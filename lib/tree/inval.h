/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tell the kernel to forget names and folders it remembers. That can wait for a lock of the kernel's
 * which is held by somebody who waits for an answer of ours, so it is done on a thread of its own
 * and never on the one that answers.
 */
#ifndef MEDIO_TREE_INVAL_H
#define MEDIO_TREE_INVAL_H

#include <stdbool.h>
#include <stdint.h>

struct fuse_session;
struct medio_inval;

/* Start the thread. -ENOMEM, -EAGAIN, -EMFILE. */
int medio_inval_new(struct fuse_session *session, struct medio_inval **out);
/* Ask the thread to end; what is queued is dropped. */
void medio_inval_stop(struct medio_inval *inval);
/* It has ended; until it has, go on answering. */
bool medio_inval_stopped(struct medio_inval *inval);
/* Only when it has stopped. NULL is allowed. */
void medio_inval_free(struct medio_inval *inval);

/* It does not stop: let it be, with all that it has, and with its session. */
void medio_inval_leave(struct medio_inval *inval);

/* Queue one: a name in a folder, or (NULL) what is remembered of the folder itself. */
void medio_inval_add(struct medio_inval *inval, uint64_t dir, const char *name);
/* How many were queued, and how many of them are done. */
uint64_t medio_inval_queued(const struct medio_inval *inval);
uint64_t medio_inval_done(struct medio_inval *inval);
/* Becomes readable (an eventfd) when done moves. */
int medio_inval_fd(const struct medio_inval *inval);

#endif
