/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blkio_try LIBRARY SOCKET QUEUES POLL-QUEUES COUNT SEED: COUNT requests of all kinds at random places of the disk's first
 * 8 MiB, through libblkio, from 512 bytes to 64 KiB, some in many pieces, DEPTH in each queue at once. What is
 * read is what was written last; at the end all of it is. Half of the queues are waited for, the poll queues
 * are looked at.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blkio.h"

#define SECTOR	512u
#define SECTORS 16384u /* 8 MiB */
#define MOST	128u   /* sectors of a request */
#define PIECES	16u
#define DEPTH	32u
#define QUEUES	16u

#define UNKNOWN UINT32_MAX /* what a sector holds: nobody knows */
#define ZEROES	0u

enum op { READ, WRITE, FLUSH, DISCARD, WRITE_ZEROES, OPS };

static const char *const ops[OPS] = { "reads", "writes", "flushes", "discards", "zeroings" };

struct request {
	struct queue *queue;
	struct request *next; /* free */
	enum op op;
	unsigned first, count; /* sectors */
	uint32_t version;
	uint8_t *memory;
	struct iovec pieces[PIECES];
};

struct queue {
	struct blkioq *q;
	struct request requests[DEPTH], *spare;
	unsigned busy;
};

static struct {
	struct blkio_calls calls;
	struct blkio_disk disk;
	struct queue queues[QUEUES];
	unsigned num_queues;
	uint32_t held[SECTORS]; /* version of each */
	bool used[SECTORS];	/* by a request that is under way */
	uint32_t versions;	/* so far */
	unsigned long done[OPS];
	uint64_t seed;
} try;

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "blkio_try: %s: %s\n", what, why);
	exit(1);
}

static unsigned below(unsigned n)
{
	try.seed = try.seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((try.seed >> 33) % n);
}

/* ---- What a sector holds -------------------------------------------------------------------------- */

static uint64_t word_of(unsigned sector, uint32_t version, unsigned i)
{
	uint64_t x = ((uint64_t)version << 32 | sector) * 0x9e3779b97f4a7c15u + i;

	return version == ZEROES ? 0 : x ^ x >> 29;
}

static void fill(uint8_t *at, unsigned first, unsigned count, uint32_t version)
{
	for (unsigned s = 0; s < count; s++) {
		for (unsigned i = 0; i < SECTOR / 8; i++, at += 8) {
			uint64_t word = word_of(first + s, version, i);
			memcpy(at, &word, sizeof(word));
		}
	}
}

static void compare(const uint8_t *at, unsigned first, unsigned count)
{
	uint8_t want[SECTOR];

	for (unsigned s = first; s < first + count; s++, at += SECTOR) {
		char why[96];
		if (try.held[s] == UNKNOWN)
			continue;
		fill(want, s, 1, try.held[s]);
		if (memcmp(at, want, SECTOR) == 0)
			continue;
		snprintf(why, sizeof(why), "it is not what was written there, version %" PRIu32,
			try.held[s]);
		fprintf(stderr, "sector %u: ", s);
		fail("read", why);
	}
}

/* ---- Requests ------------------------------------------------------------------------------------- */

/* In pieces of any size: a disk's are bytes. */
static int cut(struct request *r)
{
	size_t left = (size_t)r->count * SECTOR;
	uint8_t *at = r->memory;
	unsigned n = 0, most = 1 + below(PIECES);

	while (left) {
		size_t bytes = n + 1 == most ? left : 1 + below((unsigned)left);
		r->pieces[n++] = (struct iovec){ at, bytes };
		at += bytes;
		left -= bytes;
	}
	return (int)n;
}

static void use(struct request *r, bool used)
{
	for (unsigned s = r->first; s < r->first + r->count; s++)
		try.used[s] = used;
}

/* A place where nothing is under way; false: found none. */
static bool place(struct request *r)
{
	for (unsigned tries = 0; tries < 8; tries++) {
		r->count = below(4) ? 1 + below(16) : 1 + below(MOST);
		r->first = below(SECTORS - r->count);
		if (!memchr(try.used + r->first, true, r->count))
			return true;
	}
	return false;
}

static void submit(struct request *r)
{
	const struct blkio_calls *c = &try.calls;
	uint64_t start = (uint64_t)r->first * SECTOR, bytes = (uint64_t)r->count * SECTOR;
	struct blkioq *q = r->queue->q;
	bool whole = below(2);

	use(r, true);
	r->version = ++try.versions;
	switch (r->op) {
	case READ:
		memset(r->memory, 0xee, bytes);
		if (whole)
			c->queue_read(q, start, r->memory, bytes, r, 0);
		else
			c->queue_readv(q, start, r->pieces, cut(r), r, 0);
		break;
	case WRITE:
		fill(r->memory, r->first, r->count, r->version);
		if (whole)
			c->queue_write(q, start, r->memory, bytes, r, 0);
		else
			c->queue_writev(q, start, r->pieces, cut(r), r, 0);
		break;
	case FLUSH:
		c->queue_flush(q, r, 0);
		break;
	case DISCARD:
		c->queue_discard(q, start, bytes, r, 0);
		break;
	default:
		c->queue_write_zeroes(q, start, bytes, r, 0);
	}
	r->queue->busy++;
}

static void complete(struct request *r)
{
	static const uint32_t after[OPS] = { [DISCARD] = UNKNOWN, [WRITE_ZEROES] = ZEROES };

	if (r->op == READ)
		compare(r->memory, r->first, r->count);
	else if (r->op != FLUSH)
		for (unsigned s = r->first; s < r->first + r->count; s++)
			try.held[s] = r->op == WRITE ? r->version : after[r->op];
	use(r, false);
	try.done[r->op]++;
	r->next = r->queue->spare;
	r->queue->spare = r;
	r->queue->busy--;
}

/* Take what is done; wait for some if the queue can be waited for, or is to be looked at. */
static void reap(struct queue *queue, bool wait)
{
	struct blkio_completion done[DEPTH];
	struct timespec limit = { .tv_sec = 60 };
	int n = try.calls.queue_do_io(queue->q, done, wait ? 1 : 0, DEPTH, wait ? &limit : NULL);

	if (n < 0)
		fail("do_io", strerror(-n));
	for (int i = 0; i < n; i++) {
		struct request *r = done[i].user_data;
		if (done[i].ret)
			fail(ops[r->op],
				done[i].error_msg ? done[i].error_msg : strerror(-done[i].ret));
		complete(r);
	}
}

static void start_one(struct queue *queue)
{
	static const enum op often[] = { READ, READ, READ, READ, WRITE, WRITE, WRITE, WRITE, WRITE,
		FLUSH, DISCARD, WRITE_ZEROES };
	struct request *r = queue->spare;

	r->op = often[below(sizeof(often) / sizeof(often[0]))];
	r->count = r->first = 0;
	if (r->op != FLUSH && !place(r))
		return;
	queue->spare = r->next;
	submit(r);
}

static void traffic(unsigned count)
{
	for (unsigned sent = 0; sent < count;) {
		struct queue *queue = &try.queues[below(try.num_queues)];
		unsigned burst = 1 + below(DEPTH);
		for (; burst && queue->spare && sent < count; burst--, sent++)
			start_one(queue);
		reap(queue, queue->busy == DEPTH || (queue->busy && !below(4)));
	}
	for (unsigned i = 0; i < try.num_queues; i++)
		while (try.queues[i].busy)
			reap(&try.queues[i], true);
}

static void read_all(void)
{
	struct queue *queue = &try.queues[0];

	for (unsigned s = 0; s < SECTORS; s += MOST) {
		struct request *r = queue->spare;
		queue->spare = r->next;
		r->op = READ;
		r->first = s;
		r->count = MOST;
		submit(r);
		reap(queue, true);
	}
	while (queue->busy)
		reap(queue, true);
}

static void set_up(const char *socket, unsigned queues, unsigned poll_queues)
{
	const struct blkio_disk_options options = {
		.queues = queues,
		.poll_queues = poll_queues,
		.memory = (size_t)(queues + poll_queues) * DEPTH * MOST * SECTOR,
	};
	char words[BLKIO_WORDS];

	if (blkio_disk_open(&try.calls, socket, &options, &try.disk, words))
		fail(socket, words);
	if (try.disk.bytes < (uint64_t)SECTORS * SECTOR)
		fail(socket, "the disk is smaller than 8 MiB");
	uint8_t *memory = try.disk.memory;
	for (unsigned i = 0; i < queues + poll_queues; i++) {
		struct queue *queue = &try.queues[try.num_queues++];
		queue->q = i < queues ? try.calls.get_queue(try.disk.blkio, (int)i)
				      : try.calls.get_poll_queue(try.disk.blkio, (int)(i - queues));
		for (unsigned j = 0; j < DEPTH; j++, memory += (size_t)MOST * SECTOR) {
			struct request *r = &queue->requests[j];
			*r = (struct request){ queue, queue->spare, .memory = memory };
			queue->spare = r;
		}
	}
	memset(try.held, 0xff, sizeof(try.held));
}

static unsigned number(const char *text, unsigned most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || end == text || value > most)
		fail(text, "not a number, or too large");
	return (unsigned)value;
}

int main(int argc, char **argv)
{
	char words[BLKIO_WORDS];

	if (argc != 7)
		fail("usage", "blkio_try LIBRARY SOCKET QUEUES POLL-QUEUES COUNT SEED");
	if (blkio_load(argv[1], &try.calls, words))
		fail(argv[1], words);
	unsigned queues = number(argv[3], QUEUES), poll_queues = number(argv[4], QUEUES - queues);
	if (queues + poll_queues == 0)
		fail("queues", "there must be one");
	try.seed = number(argv[6], UINT32_MAX);
	set_up(argv[2], queues, poll_queues);
	traffic(number(argv[5], UINT32_MAX));
	read_all();
	blkio_disk_close(&try.disk);
	for (unsigned i = 0; i < OPS; i++)
		printf("%lu %s%s", try.done[i], ops[i], i + 1 < OPS ? ", " : "\n");
	return 0;
}
