/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost-user on the wire: numbers, message layouts, and which request carries what. Source: QEMU
 * docs/interop/vhost-user.rst, sections named at each structure. All values are in host byte order, as
 * the document says ("Message Specification").
 *
 * A message is a header of 12 bytes, then a payload; file descriptors come with the first byte of the
 * header. The front-end asks, the back-end (we) answers; the back-end's own requests go over a channel of
 * their own.
 */
#ifndef MEDIO_PROTO_VHOST_USER_H
#define MEDIO_PROTO_VHOST_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "Front-end message types". Those that are not here belong to features that we do not offer. */
enum medio_vhu_request {
	MEDIO_VHU_GET_FEATURES = 1,
	MEDIO_VHU_SET_FEATURES = 2,
	MEDIO_VHU_SET_OWNER = 3,
	MEDIO_VHU_RESET_OWNER = 4,
	MEDIO_VHU_SET_MEM_TABLE = 5,
	MEDIO_VHU_SET_LOG_BASE = 6,
	MEDIO_VHU_SET_LOG_FD = 7,
	MEDIO_VHU_SET_VRING_NUM = 8,
	MEDIO_VHU_SET_VRING_ADDR = 9,
	MEDIO_VHU_SET_VRING_BASE = 10,
	MEDIO_VHU_GET_VRING_BASE = 11,
	MEDIO_VHU_SET_VRING_KICK = 12,
	MEDIO_VHU_SET_VRING_CALL = 13,
	MEDIO_VHU_SET_VRING_ERR = 14,
	MEDIO_VHU_GET_PROTOCOL_FEATURES = 15,
	MEDIO_VHU_SET_PROTOCOL_FEATURES = 16,
	MEDIO_VHU_GET_QUEUE_NUM = 17,
	MEDIO_VHU_SET_VRING_ENABLE = 18,
	MEDIO_VHU_SET_BACKEND_REQ_FD = 21,
	MEDIO_VHU_GET_CONFIG = 24,
	MEDIO_VHU_SET_CONFIG = 25,
	MEDIO_VHU_GET_INFLIGHT_FD = 31,
	MEDIO_VHU_SET_INFLIGHT_FD = 32,
	MEDIO_VHU_RESET_DEVICE = 34,
	MEDIO_VHU_GET_MAX_MEM_SLOTS = 36,
	MEDIO_VHU_ADD_MEM_REG = 37,
	MEDIO_VHU_REM_MEM_REG = 38,
	MEDIO_VHU_SET_STATUS = 39,
	MEDIO_VHU_GET_STATUS = 40,
	MEDIO_VHU_SET_DEVICE_STATE_FD = 42,
	MEDIO_VHU_CHECK_DEVICE_STATE = 43,
	MEDIO_VHU_NUM_REQUESTS = 45, /* and those we know nothing of */
};

/* "Back-end message types". */
enum { MEDIO_VHU_BACKEND_CONFIG_CHANGE = 2 };

/* "Header". */
struct medio_vhu_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload */
};
_Static_assert(sizeof(struct medio_vhu_header) == 12, "the header has no gaps");

#define MEDIO_VHU_VERSION      1u
#define MEDIO_VHU_VERSION_MASK 3u
#define MEDIO_VHU_REPLY	       4u
#define MEDIO_VHU_NEED_REPLY   8u

/* Feature bits beside virtio's, in GET_FEATURES and SET_FEATURES. */
#define MEDIO_VHU_F_LOG_ALL	      26u
#define MEDIO_VHU_F_PROTOCOL_FEATURES 30u

/* "Protocol features": bits. */
enum medio_vhu_protocol {
	MEDIO_VHU_P_MQ = 0,
	MEDIO_VHU_P_LOG_SHMFD = 1,
	MEDIO_VHU_P_REPLY_ACK = 3,
	MEDIO_VHU_P_BACKEND_REQ = 5,
	MEDIO_VHU_P_CONFIG = 9,
	MEDIO_VHU_P_INFLIGHT_SHMFD = 12,
	MEDIO_VHU_P_RESET_DEVICE = 13,
	MEDIO_VHU_P_MEM_SLOTS = 15,
	MEDIO_VHU_P_STATUS = 16,
	MEDIO_VHU_P_DEVICE_STATE = 19,
};

/* "A vring state description"; also an index with a base. */
struct medio_vhu_state {
	uint32_t index;
	uint32_t num;
};

/* "A vring address description". Addresses are the front-end's own (user addresses), log a guest's. */
struct medio_vhu_addr {
	uint32_t index;
	uint32_t flags; /* MEDIO_VHU_ADDR_LOG */
	uint64_t desc;
	uint64_t used;	/* packed: the device's event suppression */
	uint64_t avail; /* packed: the driver's */
	uint64_t log;
};
#define MEDIO_VHU_ADDR_LOG 1u

/* "Memory region description". */
struct medio_vhu_region {
	uint64_t guest;
	uint64_t size;
	uint64_t user;
	uint64_t offset; /* where it starts in its file */
};

/* "Multiple Memory regions description". */
#define MEDIO_VHU_TABLE_REGIONS 8u
struct medio_vhu_table {
	uint32_t num;
	uint32_t padding;
	struct medio_vhu_region regions[MEDIO_VHU_TABLE_REGIONS];
};

/* "Single memory region description". */
struct medio_vhu_single {
	uint64_t padding;
	struct medio_vhu_region region;
};

/* "Log description". */
struct medio_vhu_log {
	uint64_t size;
	uint64_t offset;
};

/* "Virtio device config space"; size bytes follow. */
#define MEDIO_VHU_MAX_CONFIG 4096u
struct medio_vhu_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags; /* 0: the driver's writes; 1: for migration */
	uint8_t bytes[MEDIO_VHU_MAX_CONFIG];
};
#define MEDIO_VHU_CONFIG_HEAD 12u

/* "Inflight description". Some send the last four bytes of padding, some do not. */
struct medio_vhu_inflight {
	uint64_t size;
	uint64_t offset;
	uint16_t num_queues;
	uint16_t queue_size;
	uint32_t padding;
};
#define MEDIO_VHU_INFLIGHT_BYTES 20u

/* "Device state transfer parameters". */
struct medio_vhu_transfer {
	uint32_t direction;
	uint32_t phase;
};

/* KICK, CALL, ERR and their like: bits 0 to 7 are the index, bit 8 says that no fd comes with it. */
#define MEDIO_VHU_FD_INDEX 0xffu
#define MEDIO_VHU_FD_NONE  0x100u

union medio_vhu_payload {
	uint64_t u64;
	struct medio_vhu_state state;
	struct medio_vhu_addr addr;
	struct medio_vhu_table table;
	struct medio_vhu_single single;
	struct medio_vhu_log log;
	struct medio_vhu_config config;
	struct medio_vhu_inflight inflight;
	struct medio_vhu_transfer transfer;
};
#define MEDIO_VHU_MAX_PAYLOAD (MEDIO_VHU_CONFIG_HEAD + MEDIO_VHU_MAX_CONFIG)
_Static_assert(sizeof(struct medio_vhu_config) == MEDIO_VHU_MAX_PAYLOAD, "config is the largest");

/* Descriptors with one message, "Multiple Memory regions description". */
#define MEDIO_VHU_MAX_FDS 8u

/* A message in memory. */
struct medio_vhu_message {
	struct medio_vhu_header hdr;
	union medio_vhu_payload payload; /* hdr.size bytes of it came */
	/* Descriptors that came with it. Whoever takes one writes -1; the rest is closed. */
	int fds[MEDIO_VHU_MAX_FDS];
	unsigned num_fds;
};

/* "GET_VRING_BASE": where a queue is, as the front-end keeps it. */
struct medio_vhu_base {
	uint16_t avail, used; /* packed: with the wrap counter in bit 15 */
};

#define MEDIO_VHU_WORDS 160

/* "SET_VRING_NUM", or NULL: a number that means nothing here. */
const char *medio_vhu_request_name(uint32_t request);
/* Does this request have an answer of its own, whether asked for with NEED_REPLY or not? protocol: the
 * features that were agreed on. */
bool medio_vhu_has_reply(uint32_t request, uint64_t protocol);

/*
 * A header alone, before its payload is received. -EPROTO, with words: another version, a reply, or a
 * payload larger than any.
 */
int medio_vhu_check_header(const struct medio_vhu_header *hdr, char *words);
/*
 * A whole message: is it a request that may come now, with a payload and descriptors that it can have? What
 * is in the payload is looked at as far as sizes depend on it. protocol: the features that were agreed on.
 * Errors, with words (MEDIO_VHU_WORDS bytes):
 *   -EOPNOTSUPP  unknown, or of a protocol feature that was not agreed on
 *   -EINVAL      the payload's size, what it says of its size, or the number of descriptors
 */
int medio_vhu_check(const struct medio_vhu_message *msg, uint64_t protocol, char *words);
/*
 * Regions of a table, or a region beside others: sizes are not 0, nothing wraps around, and no two share user
 * addresses. -EINVAL, with words.
 */
int medio_vhu_check_regions(const struct medio_vhu_region *regions, unsigned num, char *words);

/* The number in SET_VRING_BASE, and back ("Vring descriptor indices for packed virtqueues"). Split: used
 * is not in it, 0. Packed: a front-end that leaves the upper half out means a queue at rest. */
struct medio_vhu_base medio_vhu_base_get(uint32_t num, bool packed);
uint32_t medio_vhu_base_put(struct medio_vhu_base base, bool packed);

#endif
