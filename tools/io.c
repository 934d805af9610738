/* SPDX-License-Identifier: BSD-3-Clause */
/* medio io: read and write a card that is a disk. */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device.h"
#include "text.h"
#include "util/cleanup.h"
#include "value.h"

struct options {
	const char *read, *write, *count, *copy_to, *copy_from;
	const char *bench, *size, *time, *irq;
	uint64_t depth, unit;
	bool overwrite, json;
};

static const struct options defaults = { .size = "4K", .time = "5s", .depth = 32 };

static const struct medio_option options[] = {
	{ "read", 'r', MEDIO_OPTION_STRING, offsetof(struct options, read), "OFFSET",
		"Write the disk's bytes from OFFSET on to standard output" },
	{ "write", 'w', MEDIO_OPTION_STRING, offsetof(struct options, write), "OFFSET",
		"Write standard input to the disk from OFFSET on, in whole blocks" },
	{ "count", 'c', MEDIO_OPTION_STRING, offsetof(struct options, count), "BYTES",
		"So many bytes, with a suffix K, M or G if wanted; without it all there are" },
	{ "copy-to", 0, MEDIO_OPTION_STRING, offsetof(struct options, copy_to), "FILE",
		"Copy the disk, or its first bytes with --count, to FILE" },
	{ "copy-from", 0, MEDIO_OPTION_STRING, offsetof(struct options, copy_from), "FILE",
		"Copy FILE to the beginning of the disk" },
	{ "bench", 'b', MEDIO_OPTION_STRING, offsetof(struct options, bench), "KIND",
		"Measure: randread, randwrite, read or write. Those that write overwrite the disk" },
	{ "qd", 0, MEDIO_OPTION_UINT, offsetof(struct options, depth), "N",
		"Bench with N commands under way, 32 if not said", 1, BLOCK_DEPTH },
	{ "bs", 0, MEDIO_OPTION_STRING, offsetof(struct options, size), "BYTES",
		"Bench with commands of so many bytes, 4K if not said" },
	{ "time", 't', MEDIO_OPTION_STRING, offsetof(struct options, time), "TIME",
		"Bench for so long, 5s if not said; suffixes are ms and s" },
	{ "unit", 'u', MEDIO_OPTION_UINT, offsetof(struct options, unit), "N",
		"Of a card with several disks the Nth (a namespace of NVMe), not the first", 1,
		UINT32_MAX },
	{ "irq", 0, MEDIO_OPTION_STRING, offsetof(struct options, irq), "KIND",
		"Use msix, msi (NVMe) or intx, or none and spin; the best there is if not said" },
	{ "yes-overwrite", 0, MEDIO_OPTION_FLAG, offsetof(struct options, overwrite), NULL,
		"What is on the disk may be lost: nothing is written without this" },
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct options, json), NULL,
		"Print one JSON object" },
	{ NULL },
};

/* ---- What the parts share ---------------------------------------------------------------------- */

int medio_io_fail(struct medio_io *io)
{
	return medio_command_fail(io->cmd, "%s: %s", io->device, block_words(io->disk));
}

int medio_io_alloc(struct medio_io *io, uint64_t size)
{
	void *ptr;
	int ret;

	size = (size + 4095) & ~UINT64_C(4095);
	ret = medio_card_dma_alloc_any(
		io->card, size, MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, &io->iova, &ptr);
	if (ret)
		return medio_command_fail(io->cmd, "%s: memory of %llu KiB: %s", io->device,
			(unsigned long long)size >> 10, medio_card_last_error(io->card));
	io->memory = ptr;
	io->memory_size = size;
	return MEDIO_EXIT_OK;
}

/* ---- Show -------------------------------------------------------------------------------------- */

static void show_json(const struct medio_io *io)
{
	const struct block_info *info = io->info;
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "device", json_object_new_string(io->device));
	json_object_object_add(object, "driver", json_object_new_string(info->driver));
	json_object_object_add(object, "model", json_object_new_string(info->model));
	json_object_object_add(object, "serial", json_object_new_string(info->serial));
	json_object_object_add(object, "firmware", json_object_new_string(info->firmware));
	json_object_object_add(object, "unit", json_object_new_int64(info->unit));
	json_object_object_add(object, "size", json_object_new_uint64(info->size));
	json_object_object_add(object, "block_size", json_object_new_int64(info->block));
	json_object_object_add(object, "max_transfer", json_object_new_int64(info->max_transfer));
	json_object_object_add(object, "queue_depth", json_object_new_int64(info->depth));
	json_object_object_add(
		object, "irq", json_object_new_string(medio_value_irq_name(info->irq)));
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

static int show(struct medio_io *io)
{
	const struct block_info *info = io->info;
	char size[16], most[16];

	if (io->json) {
		show_json(io);
		return MEDIO_EXIT_OK;
	}
	medio_text_bytes((double)info->size, size, sizeof(size));
	medio_text_bytes(info->max_transfer, most, sizeof(most));
	printf("%s%s%s: %s, %s (%llu bytes)\n", medio_bold(stdout), io->device, medio_plain(stdout),
		*info->model ? info->model : "a disk", size, (unsigned long long)info->size);
	if (*info->serial)
		printf("  serial number %s%s%s\n", info->serial,
			*info->firmware ? ", firmware " : "", info->firmware);
	printf("  blocks of %u bytes, commands of up to %s, %u under way\n", info->block, most,
		info->depth);
	printf("  driver %s, unit %u, interrupts: %s\n", info->driver, info->unit,
		medio_value_irq_name(info->irq));
	return MEDIO_EXIT_OK;
}

/* ---- The command line -------------------------------------------------------------------------- */

struct numbers {
	uint64_t offset, count, block, time;
	bool has_count;
};

static int parse_numbers(
	const struct medio_command *cmd, const struct options *opts, struct numbers *out)
{
	const char *offset = opts->read ? opts->read : opts->write;
	int ret = 0;

	if (offset)
		ret = medio_value_number(
			cmd, opts->read ? "read" : "write", MEDIO_PARAM_SIZE, offset, &out->offset);
	out->has_count = opts->count;
	if (!ret && opts->count)
		ret = medio_value_number(cmd, "count", MEDIO_PARAM_SIZE, opts->count, &out->count);
	if (!ret)
		ret = medio_value_number(cmd, "bs", MEDIO_PARAM_SIZE, opts->size, &out->block);
	if (!ret)
		ret = medio_value_number(cmd, "time", MEDIO_PARAM_TIME, opts->time, &out->time);
	return ret;
}

/* One thing at a time, and no writing by mistake. */
static int check(const struct medio_command *cmd, const struct options *opts)
{
	unsigned things = !!opts->read + !!opts->write + !!opts->copy_to + !!opts->copy_from +
			  !!opts->bench;

	if (things > 1)
		return medio_command_usage(cmd,
			"--read, --write, --copy-to, --copy-from and --bench exclude each other");
	if (opts->read && opts->json)
		return medio_command_usage(
			cmd, "--read has standard output for the data, --json cannot have it too");
	if (opts->count && (!things || opts->bench))
		return medio_command_usage(cmd, "--count goes with --read, --write, --copy-to or "
						"--copy-from");
	bool writes = opts->write || opts->copy_from ||
		      (opts->bench && strstr(opts->bench, "write"));
	if (writes && !opts->overwrite)
		return medio_command_usage(cmd, "this overwrites what is on the disk: say "
						"--yes-overwrite if you mean it");
	return 0;
}

static int parse_bench(const struct medio_command *cmd, const struct options *opts,
	const struct numbers *numbers, struct medio_io_bench *out)
{
	static const struct medio_io_bench kinds[] = {
		{ .name = "read" },
		{ .name = "write", .write = true },
		{ .name = "randread", .random = true },
		{ .name = "randwrite", .random = true, .write = true },
	};

	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].name, opts->bench) != 0)
			continue;
		*out = kinds[i];
		out->depth = (unsigned)opts->depth;
		out->block = numbers->block > UINT32_MAX ? 0 : (uint32_t)numbers->block;
		out->seconds = (double)numbers->time * 1e-9;
		return 0;
	}
	return medio_command_usage(
		cmd, "--bench %s: there are randread, randwrite, read and write", opts->bench);
}

/* ---- Do it ------------------------------------------------------------------------------------- */

/* What is asked for lies on the disk. */
static int check_range(struct medio_io *io, const struct numbers *numbers)
{
	uint64_t size = io->info->size;

	if (numbers->offset > size ||
		(numbers->has_count && numbers->count > size - numbers->offset))
		return medio_command_fail(io->cmd,
			"%s: the disk has %llu bytes, of which there are no %llu from "
			"%llu on",
			io->device, (unsigned long long)size, (unsigned long long)numbers->count,
			(unsigned long long)numbers->offset);
	return 0;
}

static int copy_to(struct medio_io *io, const char *path, const struct numbers *numbers)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0)
		return medio_command_fail(io->cmd, "%s: %s", path, strerror(errno));
	return medio_io_copy_out(
		io, 0, numbers->has_count ? numbers->count : io->info->size, fd, path);
}

static int copy_from(struct medio_io *io, const char *path, const struct numbers *numbers)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return medio_command_fail(io->cmd, "%s: %s", path, strerror(errno));
	/* Said before anything is overwritten, where it can be known. */
	if (S_ISREG(st.st_mode) && !numbers->has_count && (uint64_t)st.st_size > io->info->size)
		return medio_command_fail(io->cmd, "%s has %llu bytes, the disk %llu", path,
			(unsigned long long)st.st_size, (unsigned long long)io->info->size);
	return medio_io_copy_in(io, 0, numbers->has_count ? numbers->count : UINT64_MAX, fd, path);
}

static int act(struct medio_io *io, const struct options *opts, const struct numbers *numbers,
	const struct medio_io_bench *bench)
{
	uint64_t rest = io->info->size - numbers->offset;
	int ret = check_range(io, numbers);

	if (ret)
		return ret;
	if (opts->read)
		return medio_io_copy_out(io, numbers->offset,
			numbers->has_count ? numbers->count : rest, STDOUT_FILENO,
			"standard output");
	if (opts->write)
		return medio_io_copy_in(io, numbers->offset,
			numbers->has_count ? numbers->count : UINT64_MAX, STDIN_FILENO,
			"standard input");
	if (opts->copy_to)
		return copy_to(io, opts->copy_to, numbers);
	if (opts->copy_from)
		return copy_from(io, opts->copy_from, numbers);
	return opts->bench ? medio_io_bench(io, bench) : show(io);
}

static int with_disk(struct medio_io *io, const struct options *opts, const struct numbers *numbers,
	const struct medio_io_bench *bench, int irq)
{
	const struct block_options disk_opts = { .irq = irq, .unit = (uint32_t)opts->unit };
	char words[BLOCK_WORDS];

	if (block_open(io->card, &disk_opts, &io->disk, words, sizeof(words)))
		return medio_command_fail(io->cmd, "%s: %s", io->device, words);
	io->info = block_get_info(io->disk);
	medio_ending_begin(&io->ending, io->cmd, io->device, io->card);
	int ret = act(io, opts, numbers, bench);
	block_close(io->disk);
	if (io->memory)
		medio_card_dma_unmap(io->card, io->iova, io->memory_size);
	return ret;
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	const struct options *opts = options_;
	struct medio_io io = { .cmd = cmd, .device = args->items[0], .json = opts->json };
	struct medio_io_bench bench = { 0 };
	struct numbers numbers = { 0 };
	struct medio_error *err = NULL;
	int irq, ret = check(cmd, opts);

	if (!ret)
		ret = medio_value_irq(cmd, opts->irq, &irq);
	if (!ret)
		ret = parse_numbers(cmd, opts, &numbers);
	if (!ret && opts->bench)
		ret = parse_bench(cmd, opts, &numbers, &bench);
	if (ret)
		return ret;
	medio_ending_catch();
	if (medio_tool_device_open(io.device, NULL, &io.card, &err)) {
		ret = medio_command_fail(cmd, "%s", medio_error_text(err));
		medio_error_free(err);
		return ret;
	}
	ret = with_disk(&io, opts, &numbers, &bench, irq);
	medio_card_close(io.card);
	medio_ending_die();
	return ret;
}

const struct medio_command medio_command_io = {
	.name = "io",
	.summary = "Read, write, copy and measure a card that is a disk",
	.arguments = "DEVICE",
	.min_args = 1,
	.max_args = 1,
	.options = options,
	.options_size = sizeof(struct options),
	.defaults = &defaults,
	.run = run,
};
