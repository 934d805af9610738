/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/vhost_user.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* Of no protocol feature. */
#define ALWAYS 0xff

struct request {
	const char *name;
	uint16_t min, max; /* bytes of payload */
	uint8_t min_fds, max_fds;
	uint8_t protocol; /* the feature that must have been agreed on, or ALWAYS */
	bool reply;	  /* it has an answer of its own */
};

#define NONE	    0, 0
#define U64	    8, 8
#define STATE	    sizeof(struct medio_vhu_state), sizeof(struct medio_vhu_state)
#define CONFIG	    MEDIO_VHU_CONFIG_HEAD, MEDIO_VHU_MAX_PAYLOAD
#define INFLIGHT    MEDIO_VHU_INFLIGHT_BYTES, sizeof(struct medio_vhu_inflight)
#define SINGLE	    sizeof(struct medio_vhu_single), sizeof(struct medio_vhu_single)
#define FDS(a_, b_) a_, b_

/*
 * SET_VRING_ENABLE, GET_QUEUE_NUM, SET_BACKEND_REQ_FD and RESET_DEVICE ask no more than that the feature
 * is offered, and front-ends send them before they have agreed on it.
 */
static const struct request requests[MEDIO_VHU_NUM_REQUESTS] = {
	[MEDIO_VHU_GET_FEATURES] = { "GET_FEATURES", NONE, FDS(0, 0), ALWAYS, true },
	[MEDIO_VHU_SET_FEATURES] = { "SET_FEATURES", U64, FDS(0, 0), ALWAYS, false },
	[MEDIO_VHU_SET_OWNER] = { "SET_OWNER", NONE, FDS(0, 0), ALWAYS, false },
	[MEDIO_VHU_RESET_OWNER] = { "RESET_OWNER", NONE, FDS(0, 0), ALWAYS, false },
	[MEDIO_VHU_SET_MEM_TABLE] = { "SET_MEM_TABLE", 8, sizeof(struct medio_vhu_table),
		FDS(0, MEDIO_VHU_MAX_FDS), ALWAYS, false },
	/* The form without LOG_SHMFD names memory of the front-end's process, which nobody can reach. */
	[MEDIO_VHU_SET_LOG_BASE] = { "SET_LOG_BASE", sizeof(struct medio_vhu_log),
		sizeof(struct medio_vhu_log), FDS(1, 1), MEDIO_VHU_P_LOG_SHMFD, true },
	[MEDIO_VHU_SET_LOG_FD] = { "SET_LOG_FD", NONE, FDS(0, 1), ALWAYS, false },
	[MEDIO_VHU_SET_VRING_NUM] = { "SET_VRING_NUM", STATE, FDS(0, 0), ALWAYS, false },
	[MEDIO_VHU_SET_VRING_ADDR] = { "SET_VRING_ADDR", sizeof(struct medio_vhu_addr),
		sizeof(struct medio_vhu_addr), FDS(0, 0), ALWAYS, false },
	[MEDIO_VHU_SET_VRING_BASE] = { "SET_VRING_BASE", STATE, FDS(0, 0), ALWAYS, false },
	[MEDIO_VHU_GET_VRING_BASE] = { "GET_VRING_BASE", STATE, FDS(0, 0), ALWAYS, true },
	[MEDIO_VHU_SET_VRING_KICK] = { "SET_VRING_KICK", U64, FDS(0, 1), ALWAYS, false },
	[MEDIO_VHU_SET_VRING_CALL] = { "SET_VRING_CALL", U64, FDS(0, 1), ALWAYS, false },
	[MEDIO_VHU_SET_VRING_ERR] = { "SET_VRING_ERR", U64, FDS(0, 1), ALWAYS, false },
	[MEDIO_VHU_GET_PROTOCOL_FEATURES] = { "GET_PROTOCOL_FEATURES", NONE, FDS(0, 0), ALWAYS,
		true },
	[MEDIO_VHU_SET_PROTOCOL_FEATURES] = { "SET_PROTOCOL_FEATURES", U64, FDS(0, 0), ALWAYS,
		false },
	[MEDIO_VHU_GET_QUEUE_NUM] = { "GET_QUEUE_NUM", NONE, FDS(0, 0), ALWAYS, true },
	[MEDIO_VHU_SET_VRING_ENABLE] = { "SET_VRING_ENABLE", STATE, FDS(0, 0), ALWAYS, false },
	[MEDIO_VHU_SET_BACKEND_REQ_FD] = { "SET_BACKEND_REQ_FD", NONE, FDS(1, 1), ALWAYS, false },
	[MEDIO_VHU_GET_CONFIG] = { "GET_CONFIG", CONFIG, FDS(0, 0), MEDIO_VHU_P_CONFIG, true },
	[MEDIO_VHU_SET_CONFIG] = { "SET_CONFIG", CONFIG, FDS(0, 0), MEDIO_VHU_P_CONFIG, false },
	[MEDIO_VHU_GET_INFLIGHT_FD] = { "GET_INFLIGHT_FD", INFLIGHT, FDS(0, 0),
		MEDIO_VHU_P_INFLIGHT_SHMFD, true },
	[MEDIO_VHU_SET_INFLIGHT_FD] = { "SET_INFLIGHT_FD", INFLIGHT, FDS(1, 1),
		MEDIO_VHU_P_INFLIGHT_SHMFD, false },
	[MEDIO_VHU_RESET_DEVICE] = { "RESET_DEVICE", NONE, FDS(0, 0), ALWAYS, false },
	[MEDIO_VHU_GET_MAX_MEM_SLOTS] = { "GET_MAX_MEM_SLOTS", NONE, FDS(0, 0),
		MEDIO_VHU_P_MEM_SLOTS, true },
	[MEDIO_VHU_ADD_MEM_REG] = { "ADD_MEM_REG", SINGLE, FDS(1, 1), MEDIO_VHU_P_MEM_SLOTS,
		false },
	/* A descriptor is a mistake that is made: it is closed. */
	[MEDIO_VHU_REM_MEM_REG] = { "REM_MEM_REG", SINGLE, FDS(0, 1), MEDIO_VHU_P_MEM_SLOTS,
		false },
	[MEDIO_VHU_SET_STATUS] = { "SET_STATUS", U64, FDS(0, 0), MEDIO_VHU_P_STATUS, false },
	[MEDIO_VHU_GET_STATUS] = { "GET_STATUS", NONE, FDS(0, 0), MEDIO_VHU_P_STATUS, true },
	[MEDIO_VHU_SET_DEVICE_STATE_FD] = { "SET_DEVICE_STATE_FD",
		sizeof(struct medio_vhu_transfer), sizeof(struct medio_vhu_transfer), FDS(1, 1),
		MEDIO_VHU_P_DEVICE_STATE, true },
	[MEDIO_VHU_CHECK_DEVICE_STATE] = { "CHECK_DEVICE_STATE", NONE, FDS(0, 0),
		MEDIO_VHU_P_DEVICE_STATE, true },
};

static int say(int err, char *words, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int say(int err, char *words, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(words, MEDIO_VHU_WORDS, fmt, ap);
	va_end(ap);
	return -err;
}

static const struct request *find(uint32_t request)
{
	return request < MEDIO_VHU_NUM_REQUESTS && requests[request].name ? &requests[request]
									  : NULL;
}

const char *medio_vhu_request_name(uint32_t request)
{
	const struct request *r = find(request);
	return r ? r->name : NULL;
}

bool medio_vhu_has_reply(uint32_t request, uint64_t protocol)
{
	const struct request *r = find(request);
	return r && r->reply && (r->protocol == ALWAYS || protocol >> r->protocol & 1);
}

int medio_vhu_check_header(const struct medio_vhu_header *hdr, char *words)
{
	uint32_t version = hdr->flags & MEDIO_VHU_VERSION_MASK;
	if (version != MEDIO_VHU_VERSION)
		return say(EPROTO, words, "a message of version %u; this is version %u", version,
			MEDIO_VHU_VERSION);
	if (hdr->flags & MEDIO_VHU_REPLY)
		return say(EPROTO, words, "a reply, where nothing was asked");
	if (hdr->size > MEDIO_VHU_MAX_PAYLOAD)
		return say(EPROTO, words, "request %u with %u bytes of payload; at most %u are",
			hdr->request, hdr->size, MEDIO_VHU_MAX_PAYLOAD);
	return 0;
}

/* Sizes that the payload itself tells of. */
static int check_inner(const struct medio_vhu_message *msg, char *words)
{
	const union medio_vhu_payload *p = &msg->payload;
	uint32_t size = msg->hdr.size;
	switch (msg->hdr.request) {
	case MEDIO_VHU_SET_MEM_TABLE:
		if (p->table.num > MEDIO_VHU_TABLE_REGIONS)
			return say(EINVAL, words, "%u regions; a table has at most %u",
				p->table.num, MEDIO_VHU_TABLE_REGIONS);
		if (size < 8 + p->table.num * sizeof(struct medio_vhu_region))
			return say(EINVAL, words, "%u bytes for %u regions of %zu", size,
				p->table.num, sizeof(struct medio_vhu_region));
		if (msg->num_fds != p->table.num)
			return say(EINVAL, words, "%u file descriptors for %u regions",
				msg->num_fds, p->table.num);
		return 0;
	case MEDIO_VHU_SET_VRING_KICK:
	case MEDIO_VHU_SET_VRING_CALL:
	case MEDIO_VHU_SET_VRING_ERR:
		if (!msg->num_fds != !!(p->u64 & MEDIO_VHU_FD_NONE))
			return say(EINVAL, words,
				"%u file descriptors, and bit 8 says that there is %s",
				msg->num_fds, p->u64 & MEDIO_VHU_FD_NONE ? "none" : "one");
		return 0;
	case MEDIO_VHU_GET_CONFIG:
	case MEDIO_VHU_SET_CONFIG:
		if (p->config.size != size - MEDIO_VHU_CONFIG_HEAD)
			return say(EINVAL, words, "%u bytes of configuration in %u bytes",
				p->config.size, size - MEDIO_VHU_CONFIG_HEAD);
		return 0;
	default:
		return 0;
	}
}

int medio_vhu_check(const struct medio_vhu_message *msg, uint64_t protocol, char *words)
{
	const struct request *r = find(msg->hdr.request);
	if (!r)
		return say(EOPNOTSUPP, words, "request %u is not known here", msg->hdr.request);
	if (r->protocol != ALWAYS && !(protocol >> r->protocol & 1))
		return say(EOPNOTSUPP, words,
			"its protocol feature (bit %u) was not agreed on with "
			"SET_PROTOCOL_FEATURES",
			r->protocol);
	if (msg->hdr.size < r->min || msg->hdr.size > r->max)
		return r->min == r->max ? say(EINVAL, words, "%u bytes of payload; it has %u",
						  msg->hdr.size, r->min)
					: say(EINVAL, words, "%u bytes of payload; it has %u to %u",
						  msg->hdr.size, r->min, r->max);
	if (msg->num_fds < r->min_fds || msg->num_fds > r->max_fds)
		return say(EINVAL, words, "%u file descriptors; it has %s%u", msg->num_fds,
			r->min_fds == r->max_fds ? "" : "at most ", r->max_fds);
	return check_inner(msg, words);
}

int medio_vhu_check_regions(const struct medio_vhu_region *regions, unsigned num, char *words)
{
	for (unsigned i = 0; i < num; i++) {
		const struct medio_vhu_region *a = &regions[i];
		if (!a->size)
			return say(EINVAL, words, "region %u is empty", i);
		if (a->size - 1 > UINT64_MAX - a->guest || a->size - 1 > UINT64_MAX - a->user ||
			a->size > UINT64_MAX - a->offset)
			return say(EINVAL, words, "region %u of 0x%llx bytes wraps around", i,
				(unsigned long long)a->size);
		for (unsigned j = 0; j < i; j++) {
			const struct medio_vhu_region *b = &regions[j];
			if (a->user - b->user < b->size || b->user - a->user < a->size)
				return say(EINVAL, words,
					"regions %u and %u share user addresses (0x%llx, 0x%llx)",
					j, i, (unsigned long long)b->user,
					(unsigned long long)a->user);
		}
	}
	return 0;
}

struct medio_vhu_base medio_vhu_base_get(uint32_t num, bool packed)
{
	struct medio_vhu_base base = { .avail = (uint16_t)num };
	if (packed)
		base.used = num >> 16 ? (uint16_t)(num >> 16) : base.avail;
	return base;
}

uint32_t medio_vhu_base_put(struct medio_vhu_base base, bool packed)
{
	return packed ? (uint32_t)base.used << 16 | base.avail : base.avail;
}
