/* SPDX-License-Identifier: BSD-3-Clause */
/* medio io --bench: how many commands, how many bytes, how long each. */
#include <errno.h>
#include <string.h>

#include "io.h"

#define WAIT_MS 500

/* Latencies: 32 steps for each power of two of nanoseconds, within 3 %. */
#define STEPS	32u
#define BUCKETS (60u * STEPS)

struct command {
	double start;
	uint64_t iova;
};

struct bench {
	struct medio_io *io;
	const struct medio_io_bench *what;
	struct command commands[BLOCK_DEPTH];
	uint64_t at, blocks; /* of what->block bytes */
	uint64_t random;
	unsigned active;
	uint64_t count, buckets[BUCKETS];
	double total, least, most; /* seconds */
};

static unsigned bucket_of(uint64_t ns)
{
	unsigned shift = 0;

	while (ns >> shift >= 2 * STEPS)
		shift++;
	unsigned n = shift * STEPS + (unsigned)(ns >> shift);
	return n < BUCKETS ? n : BUCKETS - 1;
}

/* The middle of a bucket, in microseconds. */
static double bucket_us(unsigned n)
{
	unsigned shift = n < 2 * STEPS ? 0 : n / STEPS - 1;

	return ((double)(n - shift * STEPS) + 0.5) * (double)(UINT64_C(1) << shift) / 1e3;
}

static double percentile(const struct bench *bench, double part)
{
	uint64_t seen = 0, wanted = (uint64_t)((double)bench->count * part);

	for (unsigned i = 0; i < BUCKETS; i++) {
		seen += bench->buckets[i];
		if (seen > wanted)
			return bucket_us(i);
	}
	return bench->most * 1e6;
}

/* xorshift64*: the same blocks in every run. */
static uint64_t next_random(struct bench *bench)
{
	uint64_t x = bench->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	bench->random = x;
	return x * UINT64_C(0x2545f4914f6cdd1d);
}

static int submit(struct bench *bench, struct command *command)
{
	const struct medio_io_bench *what = bench->what;
	uint64_t n = what->random ? next_random(bench) % bench->blocks
				  : bench->at++ % bench->blocks;

	command->start = medio_ending_now();
	if (block_submit(bench->io->disk, what->write ? BLOCK_WRITE : BLOCK_READ, n * what->block,
		    what->block, command->iova, command))
		return medio_io_fail(bench->io);
	bench->active++;
	return 0;
}

static void account(struct bench *bench, const struct command *command, double now)
{
	double seconds = now - command->start;

	bench->least = bench->count && bench->least < seconds ? bench->least : seconds;
	bench->most = bench->most > seconds ? bench->most : seconds;
	bench->total += seconds;
	bench->count++;
	bench->buckets[bucket_of((uint64_t)(seconds * 1e9))]++;
}

static int turn(struct bench *bench, double end)
{
	struct block_done done[BLOCK_DEPTH];
	int n = block_poll(bench->io->disk, WAIT_MS, done, BLOCK_DEPTH);
	double now = medio_ending_now();
	int ret = 0;

	if (n < 0 && n != -EINTR)
		return medio_io_fail(bench->io);
	if (medio_ending_due(&bench->io->ending))
		return MEDIO_EXIT_FAILURE;
	for (int i = 0; !ret && i < n; i++) {
		bench->active--;
		if (done[i].ret)
			return medio_command_fail(
				bench->io->cmd, "%s: %s", bench->io->device, done[i].words);
		account(bench, done[i].tag, now);
		if (now < end)
			ret = submit(bench, done[i].tag);
	}
	return ret;
}

static void print_json(const struct bench *bench, double seconds, uint64_t interrupts)
{
	const struct medio_io_bench *what = bench->what;
	struct json_object *object = json_object_new_object(), *us = json_object_new_object();
	double n = (double)bench->count;

	json_object_object_add(object, "bench", json_object_new_string(what->name));
	json_object_object_add(object, "queue_depth", json_object_new_int64(what->depth));
	json_object_object_add(object, "block_size", json_object_new_int64(what->block));
	json_object_object_add(object, "seconds", json_object_new_double(seconds));
	json_object_object_add(object, "commands", json_object_new_uint64(bench->count));
	json_object_object_add(object, "iops", json_object_new_double(n / seconds));
	json_object_object_add(
		object, "mb_per_s", json_object_new_double(n * what->block / seconds / 1e6));
	json_object_object_add(object, "interrupts", json_object_new_uint64(interrupts));
	json_object_object_add(us, "min", json_object_new_double(bench->least * 1e6));
	json_object_object_add(us, "mean", json_object_new_double(bench->total / n * 1e6));
	json_object_object_add(us, "p50", json_object_new_double(percentile(bench, 0.50)));
	json_object_object_add(us, "p99", json_object_new_double(percentile(bench, 0.99)));
	json_object_object_add(us, "max", json_object_new_double(bench->most * 1e6));
	json_object_object_add(object, "latency_us", us);
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

static void print(const struct bench *bench, double seconds, uint64_t interrupts)
{
	const struct medio_io_bench *what = bench->what;
	double n = (double)bench->count;

	if (bench->io->json) {
		print_json(bench, seconds, interrupts);
		return;
	}
	printf("%s, %u bytes, queue depth %u, %.1f s: %s%.0f IOPS, %.1f MB/s%s\n", what->name,
		what->block, what->depth, seconds, medio_bold(stdout), n / seconds,
		n * what->block / seconds / 1e6, medio_plain(stdout));
	printf("latency in us: min %.1f, mean %.1f, p50 %.1f, p99 %.1f, max %.1f; %llu interrupts\n",
		bench->least * 1e6, bench->total / n * 1e6, percentile(bench, 0.50),
		percentile(bench, 0.99), bench->most * 1e6, (unsigned long long)interrupts);
}

static int check(const struct medio_io *io, const struct medio_io_bench *what)
{
	const struct block_info *info = io->info;

	if (!what->block || what->block % info->block || what->block > info->max_transfer ||
		what->block > info->size)
		return medio_command_usage(io->cmd,
			"--bs is %u, possible are multiples of %u up to %u", what->block,
			info->block, info->max_transfer);
	if (what->depth > info->depth)
		return medio_command_usage(
			io->cmd, "--qd is %u, the disk takes %u", what->depth, info->depth);
	if (!(what->seconds > 0))
		return medio_command_usage(io->cmd, "--time is 0");
	return 0;
}

int medio_io_bench(struct medio_io *io, const struct medio_io_bench *what)
{
	struct bench bench = { .io = io, .what = what, .random = UINT64_C(0x9e3779b97f4a7c15) };
	int ret = check(io, what);

	if (!ret)
		ret = medio_io_alloc(io, (uint64_t)what->block * what->depth);
	if (ret)
		return ret;
	bench.blocks = io->info->size / what->block;
	uint64_t interrupts = block_interrupts(io->disk);
	double start = medio_ending_now(), end = start + what->seconds;
	for (unsigned i = 0; !ret && i < what->depth; i++) {
		bench.commands[i].iova = io->iova + (uint64_t)i * what->block;
		ret = submit(&bench, &bench.commands[i]);
	}
	while (!ret && bench.active)
		ret = turn(&bench, end);
	if (!ret)
		print(&bench, medio_ending_now() - start, block_interrupts(io->disk) - interrupts);
	return ret;
}
