/* SPDX-License-Identifier: BSD-3-Clause */
#include "test_disk_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* ---- The device ------------------------------------------------------------------------------------- */

struct state {
	struct disk_options options;
	struct disk_bed *bed;
};

static struct disk_bed *opening;

static void on_resize(void *opaque)
{
	struct disk_bed *bed = opaque;

	bed->resizes++;
	disk_get_info(bed->disk, &bed->info);
}

static int init(struct medio_dev *dev)
{
	struct state *state = medio_priv(dev);

	state->bed = opening;
	int ret = disk_open(dev, &state->options, on_resize, opening, &opening->disk);
	if (!ret)
		disk_get_info(opening->disk, &opening->info);
	return ret;
}

static void fini(struct medio_dev *dev)
{
	struct state *state = medio_priv(dev);

	disk_close(state->bed->disk);
}

static const struct medio_param params[] = { DISK_PARAMS(struct state, options), { NULL } };
static const struct medio_device_ops ops = { .init = init, .fini = fini };
static const struct medio_type type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "disk-bed",
	.summary = "A disk",
	.id = { .vendor = 0x1af4, .device = 0x10ff },
	.params = params,
	.state_size = sizeof(struct state),
	.ops = &ops,
};

static void on_log(void *opaque, enum medio_log_level level, const char *line)
{
	struct disk_bed *bed = opaque;
	size_t used = strlen(bed->log);

	(void)level;
	snprintf(bed->log + used, sizeof(bed->log) - used, "%s\n", line);
}

int disk_bed_open_list(struct disk_bed *bed, const char *const *list, unsigned nparams)
{
	struct medio_instance_options opts = {
		.params = list,
		.nparams = nparams,
		.log = on_log,
		.log_opaque = bed,
	};
	struct medio_error *err = NULL;

	memset(bed, 0, sizeof(*bed));
	opening = bed;
	assert_int_equal(medio_loop_new(&bed->loop), 0);
	int ret = medio_instance_new(bed->loop, &type, &opts, &bed->inst, &err);
	if (ret) {
		snprintf(bed->words, sizeof(bed->words), "%s", medio_error_text(err));
		medio_error_free(err);
		medio_loop_free(bed->loop);
	}
	return ret;
}

int disk_bed_open(struct disk_bed *bed, ...)
{
	const char *list[16];
	unsigned count = 0;
	va_list args;

	va_start(args, bed);
	while ((list[count] = va_arg(args, const char *)))
		count++;
	va_end(args);
	return disk_bed_open_list(bed, list, count);
}

void disk_bed_close(struct disk_bed *bed)
{
	medio_instance_free(bed->inst);
	medio_loop_free(bed->loop);
}

/* ---- One request -------------------------------------------------------------------------------------- */

void disk_bed_turn(struct disk_bed *bed)
{
	switch (bed->wait) {
	case DISK_BED_LOOP:
		assert_true(medio_loop_run_once(bed->loop, -1) >= 0);
		break;
	case DISK_BED_POLL:
		disk_poll(bed->disk);
		break;
	case DISK_BED_DRAIN:
		disk_drain(bed->disk);
		break;
	}
	/* What was submitted from within. */
	disk_kick(bed->disk);
}

void disk_bed_settle(struct disk_bed *bed)
{
	disk_kick(bed->disk);
	while (disk_under_way(bed->disk))
		disk_bed_turn(bed);
}

struct one {
	struct disk_request req;
	bool done;
	int ret;
};

static void on_done(struct disk_request *req, int ret)
{
	struct one *one = (struct one *)req;

	assert_false(one->done);
	one->done = true;
	one->ret = ret;
}

int disk_bed_do(struct disk_bed *bed, struct disk_request *req)
{
	struct one one = { .req = *req };

	one.req.done = on_done;
	disk_submit(bed->disk, &one.req);
	disk_kick(bed->disk);
	while (!one.done)
		disk_bed_turn(bed);
	return one.ret;
}

int disk_bed_read(struct disk_bed *bed, uint64_t offset, void *buf, size_t len)
{
	struct iovec iov = { buf, len };
	struct disk_request req = {
		.op = DISK_READ, .offset = offset, .bytes = len, .iov = &iov, .niov = 1
	};

	return disk_bed_do(bed, &req);
}

int disk_bed_write(struct disk_bed *bed, uint64_t offset, const void *buf, size_t len)
{
	struct iovec iov = { (void *)buf, len };
	struct disk_request req = {
		.op = DISK_WRITE, .offset = offset, .bytes = len, .iov = &iov, .niov = 1
	};

	return disk_bed_do(bed, &req);
}

int disk_bed_op(struct disk_bed *bed, enum disk_op op, uint64_t offset, uint64_t bytes)
{
	struct disk_request req = { .op = op, .offset = offset, .bytes = bytes };

	return disk_bed_do(bed, &req);
}

/* ---- At random ---------------------------------------------------------------------------------------- */

/* Each player has an area of its own, so that what overlaps is never under way together. */
#define PLAYERS 48u
#define AREA	(96u << 10)
#define PIECES	24u

struct player {
	struct disk_request req;
	struct play *play;
	uint64_t area;
	bool busy, discarded;
	size_t from, len; /* in the area */
	uint8_t *raw;	  /* buffers start anywhere in it */
	struct iovec iov[PIECES];
};

struct play {
	struct disk_bed *bed;
	uint64_t random;
	uint32_t block;
	bool more; /* disk_kick() follows */
	uint8_t *shadow;
	struct player players[PLAYERS];
};

static uint32_t chance(struct play *play, uint32_t n)
{
	play->random ^= play->random << 13;
	play->random ^= play->random >> 7;
	play->random ^= play->random << 17;
	return (uint32_t)(play->random >> 11) % n;
}

/* Pieces of len bytes in all, of any length and at any place if the dice say so. */
static void cut(struct play *play, struct player *player)
{
	size_t left = player->len, at = chance(play, 2) ? 0 : chance(play, 4096);
	unsigned n = 0;

	while (left) {
		size_t len = left;
		if (n + 1 < PIECES && chance(play, 3))
			len = chance(play, 2) ? 1 + chance(play, (uint32_t)left)
					      : (left > play->block ? play->block : left);
		player->iov[n++] = (struct iovec){ player->raw + at, len };
		left -= len;
		at += len + (chance(play, 4) ? 0 : chance(play, 64));
		if (chance(play, 2))
			at = (at + play->block - 1) / play->block * play->block;
	}
	player->req.iov = player->iov;
	player->req.niov = n;
}

static void fill(struct play *play, struct player *player)
{
	uint8_t *shadow = play->shadow + player->area + player->from;

	for (unsigned i = 0; i < player->req.niov; i++) {
		uint8_t *at = player->iov[i].iov_base;
		for (size_t j = 0; j < player->iov[i].iov_len; j++)
			at[j] = (uint8_t)chance(play, 256);
		memcpy(shadow, at, player->iov[i].iov_len);
		shadow += player->iov[i].iov_len;
	}
}

/* After a discard each block is what it was, or zeroes. */
static void check(struct play *play, struct player *player)
{
	uint8_t *shadow = play->shadow + player->area + player->from;
	uint8_t *buf = calloc(1, player->len), *at = buf;

	for (unsigned i = 0; i < player->req.niov; i++) {
		memcpy(at, player->iov[i].iov_base, player->iov[i].iov_len);
		at += player->iov[i].iov_len;
	}
	for (size_t i = 0; player->discarded && i < player->len; i += play->block) {
		bool zero = true;
		for (size_t j = 0; j < play->block; j++)
			zero &= !buf[i + j];
		if (zero)
			memset(shadow + i, 0, play->block);
	}
	assert_memory_equal(buf, shadow, player->len);
	player->discarded = false;
	free(buf);
}

static void begin(struct player *player);

static void on_played(struct disk_request *req, int ret)
{
	struct player *player = (struct player *)req;
	struct play *play = player->play;

	assert_true(player->busy);
	assert_int_equal(ret, 0);
	player->busy = false;
	if (req->op == DISK_READ)
		check(play, player);
	if (req->op == DISK_DISCARD)
		player->discarded = true;
	/* The next from within, now and then. */
	if (player->discarded || !chance(play, 4))
		begin(player);
}

static void begin(struct player *player)
{
	static const enum disk_op ops_[] = { DISK_READ, DISK_READ, DISK_READ, DISK_WRITE,
		DISK_WRITE, DISK_WRITE, DISK_FLUSH, DISK_ZEROES, DISK_DISCARD };
	struct play *play = player->play;
	struct disk_bed *bed = play->bed;
	enum disk_op op = ops_[chance(play, bed->info.discards ? 9 : 8)];
	uint32_t blocks = AREA / play->block;

	/* What a discard has left is looked at before all else. */
	if (player->discarded) {
		op = DISK_READ;
	} else {
		uint32_t first = chance(play, blocks);
		uint32_t count = chance(play, 4) ? 1 + chance(play, 16) : blocks;
		player->from = (size_t)first * play->block;
		player->len = (size_t)(count < blocks - first ? count : blocks - first) *
			      play->block;
	}
	player->req = (struct disk_request){
		.op = op,
		.offset = player->area + player->from,
		.bytes = player->len,
		.unmap = chance(play, 2),
		.durable = !chance(play, 16),
		.more = play->more && chance(play, 4),
		.done = on_played,
	};
	if (op == DISK_READ || op == DISK_WRITE)
		cut(play, player);
	if (op == DISK_WRITE)
		fill(play, player);
	if (op == DISK_ZEROES)
		memset(play->shadow + player->req.offset, 0, player->len);
	player->busy = true;
	disk_submit(bed->disk, &player->req);
}

static void play_round(struct play *play)
{
	unsigned batch = 1 + chance(play, PLAYERS);

	play->more = true;
	for (unsigned i = 0; i < batch; i++) {
		struct player *player = &play->players[chance(play, PLAYERS)];
		if (!player->busy)
			begin(player);
	}
	play->more = false;
	disk_kick(play->bed->disk);
	play->bed->wait = (enum disk_bed_wait)chance(play, 3);
	if (disk_under_way(play->bed->disk) && chance(play, 8))
		disk_bed_turn(play->bed);
}

void disk_bed_play(struct disk_bed *bed, unsigned seed, unsigned rounds)
{
	struct play *play = calloc(1, sizeof(*play));
	size_t bytes = (size_t)PLAYERS * AREA;

	*play = (struct play){ .bed = bed,
		.random = seed * 2654435761u + 88172645463325252u,
		.block = bed->info.block };
	assert_true(bed->info.bytes >= bytes);
	play->shadow = malloc(bytes);
	for (unsigned i = 0; i < PLAYERS; i++) {
		struct player *player = &play->players[i];
		player->play = play;
		player->area = (uint64_t)i * AREA;
		player->raw = aligned_alloc(4096, 2 * AREA + PIECES * 8192);
	}
	assert_int_equal(disk_bed_read(bed, 0, play->shadow, bytes), 0);
	for (unsigned i = 0; i < rounds; i++)
		play_round(play);
	disk_bed_settle(bed);
	for (unsigned i = 0; i < PLAYERS; i++)
		assert_false(play->players[i].busy && !play->players[i].discarded);

	uint8_t *all = malloc(bytes);
	assert_int_equal(disk_bed_op(bed, DISK_FLUSH, 0, 0), 0);
	assert_int_equal(disk_bed_read(bed, 0, all, bytes), 0);
	assert_memory_equal(all, play->shadow, bytes);
	for (unsigned i = 0; i < PLAYERS; i++)
		free(play->players[i].raw);
	free(all);
	free(play->shadow);
	free(play);
}
