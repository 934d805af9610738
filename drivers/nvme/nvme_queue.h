/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside the driver: the controller, and a pair of queues (3.3.1). */
#ifndef NVME_QUEUE_H
#define NVME_QUEUE_H

#include "nvme.h"
#include "nvme_spec.h"

#define NVME_PAGE 4096u
/* One entry of a queue always stays empty: full and empty would look the same (3.3.1.2). */
#define NVME_ENTRIES (NVME_DEPTH + 1)

/* The driver's memory, in pages. */
enum {
	NVME_AT_ADMIN_SQ = 0,
	NVME_AT_ADMIN_CQ = 1,
	NVME_AT_SQ = 2, /* 65 entries of 64 bytes */
	NVME_AT_CQ = 4,
	NVME_AT_IDENTIFY = 5,
	NVME_AT_LISTS = 6, /* a PRP list for each command */
	NVME_PAGES = NVME_AT_LISTS + NVME_DEPTH,
};

struct nvme_slot {
	bool busy;
	void *tag;
};

struct nvme_queue {
	unsigned id, entries;
	struct nvme_command *sq;
	uint32_t *cq;	     /* NVME_COMPLETION_DWORDS an entry */
	unsigned tail, rung; /* of the submission queue: ours, what the controller knows */
	unsigned head;	     /* of the completion queue */
	unsigned phase;	     /* of entries that are new */
	/* A command's id is its slot. */
	struct nvme_slot slots[NVME_DEPTH];
	uint8_t free[NVME_DEPTH];
	unsigned num_free, num_slots;
};

struct nvme {
	struct medio_card *card;
	struct nvme_info info;
	uint64_t cap;
	uint8_t *memory; /* NVME_PAGES */
	uint64_t iova;
	struct nvme_queue admin, io;
	bool enabled, has_cq, has_sq;
	bool automasked, masked;
	int broken; /* -errno: the controller is not talked to any more */
	unsigned silent_ms;
	uint64_t heard_ms; /* when it last did what it should */
	uint64_t interrupts;
	char words[NVME_WORDS];
};

/* A completion as it came. */
struct nvme_completion {
	void *tag;
	unsigned id;
	uint32_t result;
	uint16_t status;
};

/* Say why; gives ret. */
int nvme_fail(struct nvme *nvme, int ret, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same, for what the card said. */
int nvme_card_failed(struct nvme *nvme, int ret, const char *what);
uint64_t nvme_now_ms(void);

int nvme_get(struct nvme *nvme, unsigned reg, uint32_t *out);
int nvme_set(struct nvme *nvme, unsigned reg, uint32_t value);
/* CSTS: -ENODEV if the controller is gone. */
int nvme_get_status(struct nvme *nvme, uint32_t *out);

/* Forget everything; memory at sq and cq is zeroed. entries: 2 to NVME_ENTRIES. */
void nvme_queue_init(struct nvme_queue *queue, unsigned id, unsigned entries, void *sq, void *cq);
/* Take a slot: its number, -EAGAIN. */
int nvme_queue_take(struct nvme_queue *queue);
/* Queue the command under the slot that was taken. */
void nvme_queue_put(
	struct nvme_queue *queue, unsigned slot, const struct nvme_command *command, void *tag);
/* Tell the controller what was put. */
int nvme_queue_kick(struct nvme *nvme, struct nvme_queue *queue);
/* kick, then wait as nvme_poll() does. */
int nvme_queue_wait(struct nvme *nvme, struct nvme_queue *queue, int timeout_ms,
	struct nvme_completion *out, unsigned cap);
/* Have an admin command done: result may be NULL. what: "identify controller". */
int nvme_admin(struct nvme *nvme, struct nvme_command *command, const char *what, uint32_t *result);

/* What the controller and its namespace are, into nvme->info (nvme_identify.c). */
int nvme_identify(struct nvme *nvme, uint32_t nsid);

#endif
