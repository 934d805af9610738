/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vhost-user front-end for tests: what a VMM does for its guest, and the guest's rings (drivers/virtio). It is
 * written from the specification alone, so that the back-end and it check each other.
 *
 *     vhost_front_open(&f);
 *     vhost_front_connect(&f, path);
 *     vhost_front_hello(&f, FEATURES, PROTOCOL);
 *     vhost_front_memory(&f, false);
 *     vhost_front_ring(&f, 0, &(struct virtq_options){ .size = 64 });
 *     vhost_front_start(&f, 0);
 *     virtq_add(f.rings[0].vq, …);
 *     vhost_front_kick(&f, 0);
 *     vhost_front_wait(&f, 0);
 *
 * Calls give 0 or -errno, and then words. A guest outlives its back-end: vhost_front_leave() keeps memory, rings
 * and what is in flight.
 *
 * Source: QEMU, docs/interop/vhost-user.rst; VIRTIO 1.3, 2.7, 2.8.
 *
 * Threads: one at a time.
 */
#ifndef TEST_VHOST_FRONT_H
#define TEST_VHOST_FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../drivers/virtio/virtq.h"

/* Message types of a front-end ("Front-end message types"). */
enum {
	VF_GET_FEATURES = 1,
	VF_SET_FEATURES = 2,
	VF_SET_OWNER = 3,
	VF_RESET_OWNER = 4,
	VF_SET_MEM_TABLE = 5,
	VF_SET_LOG_BASE = 6,
	VF_SET_LOG_FD = 7,
	VF_SET_VRING_NUM = 8,
	VF_SET_VRING_ADDR = 9,
	VF_SET_VRING_BASE = 10,
	VF_GET_VRING_BASE = 11,
	VF_SET_VRING_KICK = 12,
	VF_SET_VRING_CALL = 13,
	VF_SET_VRING_ERR = 14,
	VF_GET_PROTOCOL_FEATURES = 15,
	VF_SET_PROTOCOL_FEATURES = 16,
	VF_GET_QUEUE_NUM = 17,
	VF_SET_VRING_ENABLE = 18,
	VF_SET_BACKEND_REQ_FD = 21,
	VF_GET_CONFIG = 24,
	VF_SET_CONFIG = 25,
	VF_GET_INFLIGHT_FD = 31,
	VF_SET_INFLIGHT_FD = 32,
	VF_RESET_DEVICE = 34,
	VF_GET_MAX_MEM_SLOTS = 36,
	VF_ADD_MEM_REG = 37,
	VF_REM_MEM_REG = 38,
	VF_SET_STATUS = 39,
	VF_GET_STATUS = 40,
	VF_SET_DEVICE_STATE_FD = 42,
	VF_CHECK_DEVICE_STATE = 43,
};
/* Of a back-end. */
enum { VF_CONFIG_CHANGE = 2 };

/* Header flags. */
enum { VF_VERSION = 1, VF_REPLY = 4, VF_NEED_REPLY = 8 };

/* Bits of features, and of protocol features. */
#define VF_BIT(n_)	       (UINT64_C(1) << (n_))
#define VF_F_LOG_ALL	       VF_BIT(26)
#define VF_F_INDIRECT	       VF_BIT(28)
#define VF_F_EVENT_IDX	       VF_BIT(29)
#define VF_F_PROTOCOL_FEATURES VF_BIT(30)
#define VF_F_VERSION_1	       VF_BIT(32)
#define VF_F_PACKED	       VF_BIT(34)
#define VF_F_IN_ORDER	       VF_BIT(35)
#define VF_P_MQ		       VF_BIT(0)
#define VF_P_LOG_SHMFD	       VF_BIT(1)
#define VF_P_REPLY_ACK	       VF_BIT(3)
#define VF_P_BACKEND_REQ       VF_BIT(5)
#define VF_P_CONFIG	       VF_BIT(9)
#define VF_P_BACKEND_SEND_FD   VF_BIT(10)
#define VF_P_INFLIGHT_SHMFD    VF_BIT(12)
#define VF_P_RESET_DEVICE      VF_BIT(13)
#define VF_P_MEM_SLOTS	       VF_BIT(15)
#define VF_P_STATUS	       VF_BIT(16)
#define VF_P_DEVICE_STATE      VF_BIT(19)
#define VF_ALL		       UINT64_MAX

#define VF_NO_FD \
	UINT64_C(0x100) /* in SET_VRING_KICK, _CALL, _ERR, the answer of SET_DEVICE_STATE_FD */
#define VF_RING_LOGS 1u /* SET_VRING_ADDR: VHOST_VRING_F_LOG */

#define VF_RINGS   64u
#define VF_REGIONS 8u
#define VF_WORDS   256u

/* Payloads. */
struct vf_state {
	uint32_t index, num;
};
struct vf_addr {
	uint32_t index, flags;
	uint64_t desc, used, avail, log;
};
struct vf_region {
	uint64_t gpa, size, uaddr, offset;
};
struct vf_table {
	uint32_t num, padding;
	struct vf_region regions[VF_REGIONS];
};
struct vf_slot {
	uint64_t padding;
	struct vf_region region;
};
struct vf_log {
	uint64_t size, offset;
};
struct vf_inflight {
	uint64_t size, offset;
	uint16_t queues, queue_size;
} __attribute__((packed));
struct vf_transfer {
	uint32_t direction, phase;
};

/*
 * The guest's memory: three regions of one file, which are in another order in the file, as the guest sees them and
 * as the front-end says that it has mapped them. LOW and MIDDLE are side by side for the guest, and nowhere else.
 */
enum { VF_LOW, VF_MIDDLE, VF_HIGH, VF_GUEST_REGIONS };
#define VF_LOW_GPA	UINT64_C(0)
#define VF_LOW_BYTES	UINT64_C(0x200000)
#define VF_MIDDLE_GPA	UINT64_C(0x200000)
#define VF_MIDDLE_BYTES UINT64_C(0x200000)
#define VF_HIGH_GPA	UINT64_C(0x100000000)
#define VF_HIGH_BYTES	UINT64_C(0x800000)
#define VF_FILE_BYTES	UINT64_C(0x1000000)

enum {
	VF_NO_KICK = 1,
	VF_NO_CALL = 2
}; /* the forms of a ring without descriptors: both sides poll */

struct vhost_front_ring {
	struct virtq *vq; /* NULL: none */
	struct virtq_options options;
	uint64_t gpa;	/* of its memory */
	int kick, call; /* -1: none */
	uint32_t base;	/* where it begins, or did stop */
	bool started, logs;
	uint64_t log_address;
};

struct vhost_front {
	int fd;	     /* the connection, -1: none */
	int channel; /* our end of the back-end's, -1 */
	bool ack;    /* REPLY_ACK was accepted: each message asks for an answer */
	unsigned timeout_ms;
	unsigned forms; /* of rings that are made: VF_NO_KICK, VF_NO_CALL */
	uint64_t offered, features, protocol_offered, protocol, num_queues;

	int memfd;
	uint8_t *file; /* all of it, VF_FILE_BYTES */
	struct vf_region regions[VF_GUEST_REGIONS];
	uint64_t next[VF_GUEST_REGIONS]; /* free from here on */
	struct vhost_front_ring rings[VF_RINGS];

	int log_fd;
	uint8_t *log; /* log_bytes of them */
	size_t log_bytes;
	int inflight_fd;
	struct vf_inflight inflight;
	char words[VF_WORDS];
};

/* ---- Life ------------------------------------------------------------------------------------------ */

int vhost_front_open(struct vhost_front *f);
void vhost_front_close(struct vhost_front *f);
int vhost_front_connect(struct vhost_front *f, const char *path);
/* Listen at path, once, and take who comes. */
int vhost_front_accept(struct vhost_front *f, const char *path);
/* A connected socket: owned. */
void vhost_front_take(struct vhost_front *f, int fd);
/* The connection ends; the guest does not know. Rings are as if the back-end had died. */
void vhost_front_leave(struct vhost_front *f);

/* ---- Messages --------------------------------------------------------------------------------------- */

/* As they are, with any flags. */
int vhost_front_send(struct vhost_front *f, uint32_t request, uint32_t flags, const void *payload,
	uint32_t size, const int *fds, unsigned nfds);
struct vf_reply {
	uint32_t request, flags, size;
	uint8_t payload[4096];
	int fds[8];
	unsigned nfds;
};
/* -ETIMEDOUT; -ECONNRESET: the back-end has closed. fds are the caller's. */
int vhost_front_receive(struct vhost_front *f, struct vf_reply *reply);
/* A message without an answer of its own, of one descriptor or none (-1). With REPLY_ACK its success is known:
 * -EREMOTEIO if it has none. */
int vhost_front_tell(
	struct vhost_front *f, uint32_t request, const void *payload, uint32_t size, int fd);
int vhost_front_tell_u64(struct vhost_front *f, uint32_t request, uint64_t value, int fd);
/* One with an answer of size bytes, the payload of the question being as long; fd_out: descriptor in it, -1
 * (NULL: there must be none). */
int vhost_front_ask(struct vhost_front *f, uint32_t request, const void *payload,
	uint32_t payload_size, int fd, void *reply, uint32_t reply_size, int *fd_out);
int vhost_front_ask_u64(struct vhost_front *f, uint32_t request, uint64_t *out);
/* All that was said before has been heard. */
int vhost_front_sync(struct vhost_front *f);

/* ---- Steps --------------------------------------------------------------------------------------------- */

/* Accept what is offered of these, and PROTOCOL_FEATURES if any protocol feature is. */
int vhost_front_hello(struct vhost_front *f, uint64_t features, uint64_t protocol);
/* SET_FEATURES once more, with these. */
int vhost_front_features(struct vhost_front *f, uint64_t features);
/* All regions, as a table or slot by slot. */
int vhost_front_memory(struct vhost_front *f, bool slots);
int vhost_front_add_region(struct vhost_front *f, const struct vf_region *region, int fd);
int vhost_front_remove_region(struct vhost_front *f, const struct vf_region *region);
/* A ring in the guest's memory, not the back-end's yet. options: packed, event_idx, indirect as accepted. */
int vhost_front_ring(struct vhost_front *f, unsigned index, const struct virtq_options *options);
/* SET_VRING_NUM, _BASE, _ADDR, _CALL, _KICK, _ENABLE; its kick is given at once, which starts it. */
int vhost_front_start(struct vhost_front *f, unsigned index);
/* GET_VRING_BASE: where it was. */
int vhost_front_stop(struct vhost_front *f, unsigned index);
int vhost_front_enable(struct vhost_front *f, unsigned index, bool on);
/* Status (with STATUS): written; read. */
int vhost_front_set_status(struct vhost_front *f, uint8_t status);
int vhost_front_get_status(struct vhost_front *f, uint8_t *status);
int vhost_front_get_config(struct vhost_front *f, uint32_t offset, void *buf, uint32_t size);
int vhost_front_set_config(
	struct vhost_front *f, uint32_t offset, uint32_t flags, const void *buf, uint32_t size);
/* A bitmap for all memory, told; on, off. */
int vhost_front_log(struct vhost_front *f);
int vhost_front_log_all(struct vhost_front *f, bool on);
/* Is the page of this address dirty? It is clean afterwards. */
bool vhost_front_was_written(struct vhost_front *f, uint64_t gpa);
/* GET_INFLIGHT_FD for so many queues of this size, kept; SET_INFLIGHT_FD with it. */
int vhost_front_get_inflight(struct vhost_front *f, unsigned queues, unsigned size);
int vhost_front_set_inflight(struct vhost_front *f);
/* The channel of the back-end; the next request on it (-ETIMEDOUT), answered if it wants that. */
int vhost_front_channel(struct vhost_front *f);
int vhost_front_heard(struct vhost_front *f, uint32_t *request);
/* The device's bytes, at most cap; give them. */
ssize_t vhost_front_save(struct vhost_front *f, void *buf, size_t cap);
int vhost_front_load(struct vhost_front *f, const void *buf, size_t size);

/* ---- The guest --------------------------------------------------------------------------------------------- */

/* Memory of a region, aligned to a page; it stays. */
uint64_t vhost_front_alloc(struct vhost_front *f, unsigned region, size_t bytes);
/* Where an address is here, for bytes that are in one region. */
void *vhost_front_at(const struct vhost_front *f, uint64_t gpa);
uint64_t vhost_front_uaddr(const struct vhost_front *f, uint64_t gpa);
/* Show what was added, and notify if that is wanted and possible. */
int vhost_front_kick(struct vhost_front *f, unsigned index);
/* Until there is a used chain to take: by its call, or looking all the time. -ETIMEDOUT. */
int vhost_front_wait(struct vhost_front *f, unsigned index);

#endif
