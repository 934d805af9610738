/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vhost-user back-end on a bare socket, with the test on the other end and on the same thread: each message
 * is sent, the loop runs until there is nothing to do, and then what has come back is looked at. The device
 * is the tests' echo; its rings are the drivers' own.
 *
 * Threads: one.
 */
#ifndef TEST_VHOST_SESSION_BED_H
#define TEST_VHOST_SESSION_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <medio/serve.h>

#include "../../drivers/virtio/virtq.h"
#include "proto/vhost_user.h"
#include "test_virtio_echo.h"

#define BIT(n_) (UINT64_C(1) << (n_))
#define ACK	MEDIO_VHU_NEED_REPLY

/* Memory: one file, at two guest addresses that are elsewhere for the front-end. */
#define MEM_BYTES 0x200000u
#define LOW_GUEST UINT64_C(0x40000000)
#define LOW_USER  UINT64_C(0x7f0000000000)
#define RING_SIZE 16u

struct session_ring {
	struct virtq *vq;
	int kick, call, err;
};

struct session_bed {
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct medio_vhost *vhost;
	int fd; /* our end */
	int memfd;
	uint8_t *mem;
	uint64_t features;
	bool packed;
	struct session_ring rings[ECHO_QUEUES];
	char log[8192];
	char path[64];
};

/* With a connected socket. */
void bed_open(struct session_bed *bed);
/* Without a server. */
void bed_open_bare(struct session_bed *bed);
void bed_close(struct session_bed *bed);
/* Another connection of a server that was made with a path. */
int bed_connect(const struct session_bed *bed);
/* Until the loop has nothing to do. */
void bed_run(struct session_bed *bed);
bool bed_said(const struct session_bed *bed, const char *words);

/* Any message, whether it can be or not. */
void bed_send(struct session_bed *bed, uint32_t request, uint32_t flags, const void *payload,
	uint32_t size, const int *fds, unsigned num_fds);
void bed_send_u64(
	struct session_bed *bed, uint32_t request, uint32_t flags, uint64_t value, int fd);
void bed_send_state(
	struct session_bed *bed, uint32_t request, uint32_t flags, uint32_t index, uint32_t num);
/* What has come back: bytes of payload, -1: nothing; -2: the connection is closed. fd: NULL if none is
 * to come. */
int bed_receive(struct session_bed *bed, uint32_t request, void *payload, size_t cap, int *fd);
/* The answer is one number. */
uint64_t bed_ask(struct session_bed *bed, uint32_t request);
/* Send with NEED_REPLY, and what is answered: 0 or not. */
uint64_t bed_tell(struct session_bed *bed, uint32_t request, uint64_t value, int fd);
uint64_t bed_tell_state(struct session_bed *bed, uint32_t request, uint32_t index, uint32_t num);
/* Nothing came back, and the connection stands. */
bool bed_is_quiet(struct session_bed *bed);
bool bed_is_closed(struct session_bed *bed);

/* Features and protocol features as a front-end of today. */
void bed_hello(struct session_bed *bed, uint64_t features, uint64_t protocol);
/* The whole memory as a table of one region. */
void bed_memory(struct session_bed *bed);
void bed_region(struct medio_vhu_region *region, uint64_t offset, uint64_t size);
/* A ring in memory, told with all that belongs to it but ENABLE. */
void bed_ring(struct session_bed *bed, unsigned index);
void bed_ring_addr(struct session_bed *bed, unsigned index, uint32_t flags, uint64_t log);
void bed_kick(struct session_bed *bed, unsigned index);
/* The device has called since the last time. */
bool bed_called(struct session_bed *bed, unsigned index);
/* One request of the echo, there and back. False: it is not answered. */
bool bed_echo(struct session_bed *bed, unsigned index);
/* Its halves. */
void bed_echo_add(struct session_bed *bed, unsigned index, unsigned slot);
bool bed_echo_take(struct session_bed *bed, unsigned index);

#endif
