/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bed for tests of the server: an instance of the toy, a server, and clients that are bare
 * sockets, all on one thread. The loop runs only inside bed_step(), so a test decides what the
 * server has seen.
 */
#ifndef TESTS_BED_H
#define TESTS_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <medio/serve.h>
#include "device/instance.h"
#include "device/irq.h"
#include "proto/vfio_user.h"
#include "toy.h"

#define CLIENT_FDS 16

struct bed {
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct medio_server *server;
	struct toy *toy;
	char path[108];
	char words[4096]; /* log lines of the instance */
	size_t words_len;
};

struct client {
	struct bed *bed;
	int fd;
	uint16_t id; /* of the last message sent */
	uint8_t *in;
	size_t in_len, in_cap;
	uint8_t *last; /* payload of the message handed out last */
	bool eof;
	int error; /* errno of a failed receive */
	int fds[CLIENT_FDS];
	unsigned nfds; /* received, not taken */
};

struct message {
	struct medio_vu_header hdr;
	uint8_t *payload; /* valid until the next receive */
	size_t size;
};

/* With a server at a path in a folder of its own. opts may be NULL. */
void bed_open(struct bed *bed, const struct medio_server_options *opts);
/* cmocka's setup and teardown; opts as *state's pointee before, or NULL. */
int bed_setup(void **state);
int bed_teardown(void **state);
void bed_close(struct bed *bed);
/* Run the loop until nothing is ready. */
void bed_step(struct bed *bed);
/* Run the loop, waiting, until *cond or ms have passed; gives *cond. */
bool bed_wait(struct bed *bed, const bool *cond, unsigned ms);
/* What the instance logged contains words. */
bool bed_said(const struct bed *bed, const char *words);
unsigned bed_count_fds(void);

/* Connected, nothing said. */
void client_open(struct client *c, struct bed *bed);
/* Connected, VERSION agreed. */
void client_hello(struct client *c, struct bed *bed);
/* As client_hello with this JSON (NULL: none). */
void client_hello_json(struct client *c, struct bed *bed, const char *json);
void client_close(struct client *c);

/* Send bytes with fds on the first, stepping the loop when the socket is full. */
void client_bytes(struct client *c, const void *bytes, size_t size, const int *fds, unsigned nfds);
/* Build a message at buf; returns its size. */
size_t client_put(struct client *c, void *buf, uint16_t cmd, uint32_t flags, const void *payload,
	size_t size);
void client_send_fds(struct client *c, uint16_t cmd, uint32_t flags, const void *payload,
	size_t size, const int *fds, unsigned nfds);
void client_send(struct client *c, uint16_t cmd, uint32_t flags, const void *payload, size_t size);
/* Step, then take a message if one is there. */
bool client_recv(struct client *c, struct message *m);
/* Step, then: nothing came and the connection is open. */
bool client_silent(struct client *c);
/* Step, then: the server closed, in good order (EOF, not a reset). */
bool client_gone(struct client *c);
/* Send, step, and receive the reply to it. Returns 0 or -errno of the reply. An error reply that is
 * more than its header fails the test. */
int client_call_fds(struct client *c, uint16_t cmd, const void *payload, size_t size,
	const int *fds, unsigned nfds, struct message *reply);
int client_call(
	struct client *c, uint16_t cmd, const void *payload, size_t size, struct message *reply);

/* The usual calls. */
int client_read(struct client *c, unsigned region, uint64_t offset, void *buf, uint32_t count);
int client_write(
	struct client *c, unsigned region, uint64_t offset, const void *buf, uint32_t count);
uint32_t client_read32(struct client *c, unsigned region, uint64_t offset);
void client_write32(struct client *c, unsigned region, uint64_t offset, uint32_t value);
/* fd -1: none. */
int client_map(
	struct client *c, uint64_t iova, uint64_t size, uint32_t flags, int fd, uint64_t offset);
int client_unmap(struct client *c, uint64_t iova, uint64_t size, uint32_t flags);
int client_irqs(struct client *c, uint32_t flags, uint32_t index, uint32_t start, uint32_t count,
	const int *fds, unsigned nfds);
/* Bus mastering on. */
void client_master(struct client *c, bool on);

/* An eventfd (non-blocking); its count is taken by event_take(). */
int event_new(void);
uint64_t event_take(int fd);
/* A memory file of size bytes. */
int memory_new(size_t size);

#define MSI_TRIGGER	 (MEDIO_VU_IRQ_DATA_EVENTFD | MEDIO_VU_IRQ_ACTION_TRIGGER)
#define IRQ_NONE(action) (MEDIO_VU_IRQ_DATA_NONE | MEDIO_VU_IRQ_ACTION_##action)
#define IRQ_FD(action)	 (MEDIO_VU_IRQ_DATA_EVENTFD | MEDIO_VU_IRQ_ACTION_##action)
#define MAP_RW		 (MEDIO_VU_MAP_READ | MEDIO_VU_MAP_WRITE)

#endif
