/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device of a test served over vhost-user by another thread, and the test's front-end.
 *
 *     vhost_bed_open(&bed, &medio_virtio_rng, NULL, VHOST_BED_LISTEN);
 *     must(&bed, vhost_front_connect(&bed.front, bed.path));
 *     …
 *     vhost_bed_close(&bed);        the device is well, and no descriptor is left
 *
 * Closing fails the test if the process has another number of open descriptors than before, so a test closes its
 * own first.
 *
 * Threads: the test's; what it shares with a device it touches by vhost_bed_on_device().
 */
#ifndef TEST_VHOST_BED_H
#define TEST_VHOST_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <medio/serve.h>

#include "vhost_front.h"

enum vhost_bed_way {
	VHOST_BED_LISTEN,  /* the back-end listens at path */
	VHOST_BED_CONNECT, /* it connects to path, again and again */
	VHOST_BED_FD,	   /* it has a socket; the front-end the other end, connected already */
};

struct vhost_bed_thread;

struct vhost_bed {
	struct vhost_front front;
	char dir[32], path[40];
	unsigned fds; /* open before */
	struct vhost_bed_thread *there;
};

/* params: NULL-terminated "name=value", or NULL. The test fails if it cannot be. */
void vhost_bed_open(struct vhost_bed *bed, const struct medio_type *type, const char *const *params,
	enum vhost_bed_way way);
/* As above with options of the server (connect is way's). */
void vhost_bed_open_with(struct vhost_bed *bed, const struct medio_type *type,
	const char *const *params, enum vhost_bed_way way, const struct medio_vhost_options *opts);
void vhost_bed_close(struct vhost_bed *bed);

/* Run fn(arg) on the device's thread; it has returned when this returns. */
void vhost_bed_on_device(struct vhost_bed *bed, void (*fn)(void *arg), void *arg);
/* The bare instance: for the device's thread only. */
struct medio_instance *vhost_bed_instance(struct vhost_bed *bed);
/* Has a line in the device's log these words, since the last vhost_bed_forget()? */
bool vhost_bed_said(struct vhost_bed *bed, const char *words);
void vhost_bed_forget(struct vhost_bed *bed);
/* Until the device's end has seen the front-end's go: what it then holds is its own. */
void vhost_bed_settle(struct vhost_bed *bed);
/* Descriptors open in this process now. */
unsigned vhost_bed_count_fds(void);
/* An attribute of the device, such as "virtio/state". */
void vhost_bed_show(struct vhost_bed *bed, const char *name, char *buf, size_t size);

/* What must hold on the device's thread: an assertion of cmocka's would jump from it into the test's. */
#define vhost_bed_there(cond_) \
	do { \
		if (!(cond_)) { \
			fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #cond_); \
			abort(); \
		} \
	} while (0)

#define must(bed_, call_) \
	do { \
		long long ret_ = (call_); \
		if (ret_ < 0) \
			fail_msg("%s: %lld: %s", #call_, ret_, (bed_)->front.words); \
	} while (0)
/* It is refused, by an answer or the end of the connection. */
#define must_not(bed_, call_) \
	do { \
		long long ret_ = (call_); \
		if (ret_ >= 0) \
			fail_msg("%s: should be refused", #call_); \
	} while (0)

#endif
