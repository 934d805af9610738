/* SPDX-License-Identifier: BSD-3-Clause */
/* A pair of queues: commands go in at the tail, completions come out where the phase changes. */
#include "nvme_queue.h"

#include <endian.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

/* How long to sleep on an interrupt before the controller's health is looked at. */
#define LOOK_MS 200

void nvme_queue_init(struct nvme_queue *queue, unsigned id, unsigned entries, void *sq, void *cq)
{
	*queue = (struct nvme_queue){
		.id = id,
		.entries = entries,
		.sq = sq,
		.cq = cq,
		.phase = 1,
		.num_slots = entries - 1,
	};
	/* The controller writes phase 1 in its first round; all is 0 before (3.3.3.2). */
	memset(sq, 0, entries * sizeof(*queue->sq));
	memset(cq, 0, entries * NVME_COMPLETION_DWORDS * sizeof(*queue->cq));
	while (queue->num_free < queue->num_slots) {
		queue->free[queue->num_free] = (uint8_t)(queue->num_slots - 1 - queue->num_free);
		queue->num_free++;
	}
}

int nvme_queue_take(struct nvme_queue *queue)
{
	return queue->num_free ? queue->free[--queue->num_free] : -EAGAIN;
}

void nvme_queue_put(
	struct nvme_queue *queue, unsigned slot, const struct nvme_command *command, void *tag)
{
	struct nvme_command *entry = &queue->sq[queue->tail];

	*entry = *command;
	entry->id = htole16((uint16_t)slot);
	queue->slots[slot] = (struct nvme_slot){ true, tag };
	queue->tail = (queue->tail + 1) % queue->entries;
}

/*
 * A doorbell by a call, not through a mapping: a card that is pulled out then is an error, and no
 * SIGBUS. One write tells of all commands since the last.
 */
static int ring(struct nvme *nvme, unsigned number, unsigned value)
{
	uint32_t word = htole32(value);
	int ret = medio_card_post(nvme->card, MEDIO_CARD_BAR0,
		NVME_DOORBELLS + (uint64_t)number * (4u << NVME_CAP_DSTRD(nvme->cap)), &word,
		sizeof(word));

	return ret ? nvme_card_failed(nvme, ret, "doorbell") : 0;
}

int nvme_queue_kick(struct nvme *nvme, struct nvme_queue *queue)
{
	if (queue->rung == queue->tail)
		return 0;
	/* Entries are in memory before the controller hears of them. */
	atomic_thread_fence(memory_order_seq_cst);
	if (queue->num_free + (queue->tail + queue->entries - queue->rung) % queue->entries ==
		queue->num_slots)
		nvme->heard_ms = nvme_now_ms(); /* it owed nothing until now */
	int ret = ring(nvme, 2 * queue->id, queue->tail);
	if (ret)
		return ret;
	queue->rung = queue->tail;
	/* Who only looks at memory, without sleeping, would wait for what has not been sent. */
	ret = medio_card_flush(nvme->card);
	return ret ? nvme_card_failed(nvme, ret, "doorbell") : 0;
}

/* One completion, if there is a new one: 1, 0 or -EPROTO. */
static int reap_one(struct nvme *nvme, struct nvme_queue *queue, struct nvme_completion *out)
{
	uint32_t *entry = queue->cq + (size_t)queue->head * NVME_COMPLETION_DWORDS;
	uint32_t last = le32toh(__atomic_load_n(&entry[3], __ATOMIC_ACQUIRE));

	if (NVME_DW3_PHASE(last) != queue->phase)
		return 0;
	uint32_t where = le32toh(__atomic_load_n(&entry[2], __ATOMIC_RELAXED));
	unsigned id = NVME_DW3_ID(last);
	if (NVME_DW2_QUEUE(where) != queue->id || NVME_DW2_HEAD(where) >= queue->entries)
		return nvme_fail(nvme, -EPROTO,
			"the controller completed a command of queue %u, position %u, in queue %u of "
			"%u entries",
			NVME_DW2_QUEUE(where), NVME_DW2_HEAD(where), queue->id, queue->entries);
	if (id >= queue->num_slots || !queue->slots[id].busy)
		return nvme_fail(nvme, -EPROTO,
			"the controller completed command %u of queue %u, which is not under way",
			id, queue->id);
	*out = (struct nvme_completion){
		.tag = queue->slots[id].tag,
		.id = id,
		.result = le32toh(__atomic_load_n(&entry[0], __ATOMIC_RELAXED)),
		.status = NVME_DW3_STATUS(last),
	};
	queue->slots[id].busy = false;
	queue->free[queue->num_free++] = (uint8_t)id;
	if (++queue->head == queue->entries) {
		queue->head = 0;
		queue->phase ^= 1;
	}
	return 1;
}

static int reap(
	struct nvme *nvme, struct nvme_queue *queue, struct nvme_completion *out, unsigned cap)
{
	unsigned n = 0;
	int ret = 0;

	while (n < cap && (ret = reap_one(nvme, queue, &out[n])) > 0)
		n++;
	if (ret >= 0 && n) {
		nvme->heard_ms = nvme_now_ms();
		ret = ring(nvme, 2 * queue->id + 1, queue->head);
	}
	return ret < 0 ? ret : (int)n;
}

/* Nothing came for a while: gone, dead, or silent for too long? */
static int look(struct nvme *nvme, struct nvme_queue *queue)
{
	uint32_t status = 0;
	int ret = nvme_get_status(nvme, &status);

	if (ret)
		return ret;
	if (status & NVME_CSTS_CFS)
		return nvme_fail(
			nvme, -EIO, "the controller met a fatal error (CSTS 0x%x)", status);
	if (!(status & NVME_CSTS_RDY))
		return nvme_fail(nvme, -EIO, "the controller was reset by somebody else");
	if (queue->num_free < queue->num_slots && nvme_now_ms() - nvme->heard_ms > nvme->silent_ms)
		return nvme_fail(nvme, -ETIMEDOUT,
			"%u commands have been without an answer for %u ms",
			queue->num_slots - queue->num_free, nvme->silent_ms);
	return 0;
}

/* Sleep until an interrupt; without any the caller has chosen to spin. 0 also if nothing came in time. */
static int doze(struct nvme *nvme, int ms)
{
	uint64_t events = 0;
	int ret;

	if (nvme->info.irq < 0) {
		ret = medio_card_process(nvme->card);
		return ret < 0 ? nvme_card_failed(nvme, ret, "waiting") : 0;
	}
	/* A line that was served is silent until it is unmasked; the completions that held it up are
	 * taken by now. */
	if (nvme->masked) {
		ret = medio_card_irq_unmask(nvme->card, (unsigned)nvme->info.irq, 0, 1);
		if (ret)
			return nvme_card_failed(nvme, ret, "unmasking the interrupt");
		nvme->masked = false;
	}
	ret = medio_card_irq_wait(nvme->card, (unsigned)nvme->info.irq, 0, ms, &events);
	if (ret == -ETIMEDOUT || ret == -EINTR)
		return ret == -EINTR ? ret : 0;
	if (ret)
		return nvme_card_failed(nvme, ret, "waiting for the interrupt");
	nvme->interrupts += events;
	nvme->masked = nvme->automasked;
	return 0;
}

int nvme_queue_wait(struct nvme *nvme, struct nvme_queue *queue, int timeout_ms,
	struct nvme_completion *out, unsigned cap)
{
	uint64_t start = nvme_now_ms(), looked = start;
	int ret = nvme->broken ? nvme->broken : nvme_queue_kick(nvme, queue);

	while (!ret) {
		ret = reap(nvme, queue, out, cap);
		uint64_t now = nvme_now_ms();
		uint64_t left = timeout_ms < 0 ? UINT64_MAX
				: now - start < (unsigned)timeout_ms
					? (unsigned)timeout_ms - (now - start)
					: 0;
		if (!ret && now - looked >= LOOK_MS) {
			looked = now;
			ret = look(nvme, queue);
		}
		if (ret || !left)
			break;
		ret = doze(nvme, left < LOOK_MS ? (int)left : LOOK_MS);
	}
	if (ret < 0 && ret != -EINTR)
		nvme->broken = ret;
	return ret;
}

int nvme_admin(struct nvme *nvme, struct nvme_command *command, const char *what, uint32_t *result)
{
	struct nvme_completion done = { 0 };
	int ret, slot = nvme_queue_take(&nvme->admin);

	if (slot < 0)
		return nvme_fail(nvme, slot, "%s: the admin queue is full", what);
	nvme_queue_put(&nvme->admin, (unsigned)slot, command, NULL);
	do
		ret = nvme_queue_wait(nvme, &nvme->admin, -1, &done, 1);
	while (!ret || (ret == -EINTR && nvme->has_sq));
	/* While it is opened, who sends a signal wants to wait no longer; the end of a controller is always
	 * an orderly one. */
	if (ret == -EINTR) {
		nvme->broken = ret;
		return nvme_fail(nvme, ret, "%s: a signal came before the answer", what);
	}
	if (ret < 0)
		return ret;
	if (result)
		*result = done.result;
	ret = nvme_status_errno(done.status);
	if (ret) {
		char words[128];
		nvme_status_words(done.status, words, sizeof(words));
		return nvme_fail(nvme, ret, "%s: %s", what, words);
	}
	return 0;
}
