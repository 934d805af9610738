/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the front-end share. */
#ifndef TEST_VHOST_FRONT_INSIDE_H
#define TEST_VHOST_FRONT_INSIDE_H

#include "vhost_front.h"

struct vf_header {
	uint32_t request, flags, size;
};

/* Words, and -error. */
int vhost_front_fails(struct vhost_front *f, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void vhost_front_drop_fd(int *fd);
uint64_t vhost_front_now_ms(void);
int vhost_front_send_on(struct vhost_front *f, int fd, const struct vf_header *header,
	const void *payload, const int *fds, unsigned nfds);
int vhost_front_receive_on(
	struct vhost_front *f, int fd, unsigned timeout_ms, struct vf_reply *reply);
/* As vhost_front_tell(), with any number of descriptors. */
int vhost_front_tell_fds(struct vhost_front *f, uint32_t request, const void *payload,
	uint32_t size, const int *fds, unsigned nfds);
void vhost_front_drop_log(struct vhost_front *f);

#endif
