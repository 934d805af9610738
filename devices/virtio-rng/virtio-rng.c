/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio entropy device (5.4): what the driver asks for is filled by getrandom(2), with a limit to
 * how much a second if there is to be one. A request may be answered with fewer bytes than it has room
 * for, but not with none; one that has to wait stays in its queue, so nothing is ever in flight.
 *
 * Source: Virtual I/O Device (VIRTIO) 1.3, 5.4.
 */
#include "virtio-rng.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <medio/virtio.h>

#include "bucket.h"

/* Bytes made at a time, at most for a request, and before others have their turn. */
#define PIECE	4096u
#define REQUEST (64u << 10)
#define TURN	(256u << 10)
/* A limited device waits for this much rather than answer byte by byte. */
#define WORTH 64u
/* The kernel has no randomness yet: look again. */
#define RETRY_NS 100000000u

struct rng {
	struct medio_virtio virtio;
	struct medio_dev *dev;
	uint64_t rate, burst; /* parameters */
	struct medio_bucket bucket;
	struct medio_timer *later;
	uint64_t bytes, requests;
	uint64_t waits; /* times that a request had to wait */
	bool waiting;	/* one does */
	bool told;	/* that the kernel gives nothing */
};

static void wait_for(struct rng *rng, uint64_t ns)
{
	if (!rng->waiting)
		rng->waits++;
	rng->waiting = true;
	medio_timer_arm(rng->later, ns);
}

static void later(void *opaque)
{
	struct rng *rng = opaque;
	struct medio_virtq *queue = medio_virtio_queue(rng->dev, 0);

	rng->waiting = false;
	if (queue)
		medio_virtq_again(queue);
}

/* Never waits: early at boot the kernel may have nothing to give. */
static bool make(struct rng *rng, uint8_t *buf, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = getrandom(buf + done, len - done, GRND_NONBLOCK);

		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (!rng->told)
			medio_log(rng->dev, MEDIO_LOG_WARN,
				"the kernel gives no random numbers (%s); looking again until it does",
				n < 0 ? strerror(errno) : "none came");
		rng->told = true;
		return false;
	}
	rng->told = false;
	return true;
}

/* len bytes into a chain; returns how many they were, which is fewer only if something fails. */
static size_t fill(struct rng *rng, const struct medio_virtq_chain *chain, size_t len)
{
	uint8_t buf[PIECE];
	size_t done = 0;

	while (done < len) {
		size_t want = len - done < sizeof(buf) ? len - done : sizeof(buf), written;

		if (!make(rng, buf, want))
			break;
		written = medio_virtq_write(chain, done, buf, want);
		done += written;
		if (written < want) /* its memory is gone */
			break;
	}
	explicit_bzero(buf, sizeof(buf));
	return done;
}

/* How much of a request can be answered now, 0: wait. */
static size_t allowance(struct rng *rng, size_t wanted)
{
	uint64_t there = medio_bucket_look(&rng->bucket, medio_now_ns());
	size_t worth = wanted < WORTH ? wanted : WORTH;

	if (wanted > REQUEST)
		wanted = REQUEST;
	if (there >= wanted)
		return wanted;
	if (worth > rng->burst)
		worth = rng->burst;
	if (there >= worth)
		return there;
	wait_for(rng, medio_bucket_wait(&rng->bucket, worth));
	return 0;
}

/* False: it has to wait. */
static bool answer(struct rng *rng, struct medio_virtq_chain *chain, size_t *budget)
{
	size_t len = allowance(rng, chain->in_bytes), done;

	if (!len)
		return false;
	done = fill(rng, chain, len);
	if (!done) { /* a reply has at least one byte (5.4.6.2) */
		wait_for(rng, RETRY_NS);
		return false;
	}
	medio_bucket_take(&rng->bucket, done);
	rng->bytes += done;
	rng->requests++;
	*budget -= done < *budget ? done : *budget;
	medio_virtq_push(chain, (uint32_t)done);
	return true;
}

/* False: no more now. */
static bool answer_one(struct rng *rng, struct medio_virtq *queue, size_t *budget)
{
	struct medio_virtq_chain *chain = medio_virtq_pop(queue);

	if (!chain)
		return false;
	/* One for no bytes has no answer: at least one is due, and it would stay for ever. */
	if (chain->out_bytes || !chain->in_bytes) {
		medio_virtio_broken(rng->dev, "queue 0: %s in a request for entropy (5.4.6.1)",
			chain->out_bytes ? "a buffer to read" : "no room");
		medio_virtq_push(chain, 0);
		return false;
	}
	if (*budget && answer(rng, chain, budget))
		return true;
	medio_virtq_unpop(queue, 1);
	return false;
}

/* What waits is no reason for another turn: the timer is; or the turn is over, and it is others' first. */
static void rng_kick(struct medio_dev *dev, struct medio_virtq *queue)
{
	struct rng *rng = medio_priv(dev);
	size_t budget = TURN;

	if (rng->waiting)
		return;
	medio_virtq_want_kicks(queue, true);
	while (answer_one(rng, queue, &budget))
		;
	if (rng->waiting || !budget)
		medio_virtq_want_kicks(queue, false);
	if (!budget)
		medio_virtq_again(queue);
}

static void rng_fini(struct medio_dev *dev)
{
	struct rng *rng = medio_priv(dev);

	medio_timer_free(rng->later);
}

static int rng_init(struct medio_dev *dev)
{
	struct rng *rng = medio_priv(dev);

	rng->dev = dev;
	medio_bucket_init(&rng->bucket, rng->rate, rng->burst, medio_now_ns());
	rng->later = medio_timer_new(dev, later, rng);
	return rng->later ? 0 : medio_fail(dev, ENOMEM, "no memory");
}

/* The bucket stays as it is: a reset is no way round the limit. */
static void rng_reset(struct medio_dev *dev)
{
	struct rng *rng = medio_priv(dev);

	medio_timer_disarm(rng->later);
	rng->waiting = false;
}

static const struct medio_virtio_ops ops = {
	.init = rng_init,
	.fini = rng_fini,
	.kick = rng_kick,
	.reset = rng_reset,
};

static const struct medio_virtio_type virtio = {
	.id = VIRTIO_ID_RNG,
	.max_queues = 1,
	.ops = &ops,
};

static ssize_t counts_show(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct rng *rng = medio_priv(dev);
	int len = snprintf(buf, size, "bytes %llu\nrequests %llu\nwaits %llu\nwaiting %d\n",
		(unsigned long long)rng->bytes, (unsigned long long)rng->requests,
		(unsigned long long)rng->waits, rng->waiting);

	return len < 0 || (size_t)len >= size ? -ENOSPC : len;
}

static const struct medio_param params[] = {
	{ .name = "rate",
		.kind = MEDIO_PARAM_SIZE,
		.offset = offsetof(struct rng, rate),
		.deflt = "0",
		.help = "bytes a second at most; 0: no limit",
		.max = UINT64_C(1) << 40 },
	{ .name = "burst",
		.kind = MEDIO_PARAM_SIZE,
		.offset = offsetof(struct rng, burst),
		.deflt = "4K",
		.help = "with a rate: bytes that a guest which has asked for nothing for a while "
			"gets at once",
		.min = 1,
		.max = UINT64_C(1) << 40 },
	MEDIO_VIRTIO_PARAMS,
	{ NULL },
};

static const struct medio_attr attrs[] = {
	MEDIO_VIRTIO_ATTRS,
	{ "rng/counts", counts_show, NULL },
	{ NULL },
};

const struct medio_type medio_virtio_rng = {
	MEDIO_VIRTIO_TYPE(&virtio, struct rng, VIRTIO_ID_RNG, 1, 0x00ff00),
	.name = "virtio-rng",
	.summary = "Virtio entropy device",
	.description = "Random numbers from this machine's kernel. Linux has it as /dev/hwrng and "
		       "feeds its own pool from it.",
	.params = params,
	.attrs = attrs,
};

const struct medio_type *const medio_virtio_rng_types[] = { &medio_virtio_rng, NULL };
