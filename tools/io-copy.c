/* SPDX-License-Identifier: BSD-3-Clause */
/* medio io: copies between a disk and a file, with many commands under way. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "text.h"

#define PIECE	   (256u << 10) /* bytes of a command, if the disk takes as many */
#define PIECES	   16u
#define PHYSICAL   (2u << 20) /* bytes of memory in one piece, where there is no IOMMU */
#define PROGRESS_S 0.2
#define WAIT_MS	   500

/* One command's memory, used in turns. */
struct piece {
	bool busy; /* under way */
	int ret;
	uint32_t skip, bytes; /* of its memory, what the file gets or gave */
	uint32_t length;      /* of the command */
	char words[96];
};

struct copy {
	struct medio_io *io;
	bool write;
	int fd;
	const char *name;
	uint64_t offset, end;	       /* on the disk; end of what is still to be submitted */
	uint64_t total;		       /* UINT64_MAX: not known */
	uint64_t done;		       /* bytes that arrived */
	unsigned next, oldest, active; /* pieces in order: to submit, to finish, in between */
	uint32_t size;		       /* bytes of a piece */
	struct piece pieces[PIECES];
	double start, shown;
	bool terminal;
};

/* ---- Words ------------------------------------------------------------------------------------- */

static void progress(struct copy *copy, bool last)
{
	double now = medio_ending_now();
	char done[16], rate[16];

	if (!copy->terminal || (!last && now - copy->shown < PROGRESS_S))
		return;
	copy->shown = now;
	medio_text_bytes((double)copy->done, done, sizeof(done));
	medio_text_bytes((double)copy->done / (now - copy->start + 1e-9), rate, sizeof(rate));
	if (copy->total == UINT64_MAX)
		fprintf(stderr, "\r%s, %s/s\033[K", done, rate);
	else
		fprintf(stderr, "\r%3.0f%% %s, %s/s\033[K",
			copy->total ? 100.0 * (double)copy->done / (double)copy->total : 100.0,
			done, rate);
	if (last)
		fputs("\r\033[K", stderr);
}

static void summary(struct copy *copy)
{
	struct medio_io *io = copy->io;
	double seconds = medio_ending_now() - copy->start,
	       rate = (double)copy->done / seconds / 1e6;
	uint64_t interrupts = block_interrupts(io->disk);

	progress(copy, true);
	if (!io->json) {
		fprintf(stderr, "%llu bytes %s in %.2f s, %.1f MB/s, %llu interrupts\n",
			(unsigned long long)copy->done, copy->write ? "written" : "read", seconds,
			rate, (unsigned long long)interrupts);
		return;
	}
	struct json_object *object = json_object_new_object();
	json_object_object_add(object, "bytes", json_object_new_uint64(copy->done));
	json_object_object_add(object, "seconds", json_object_new_double(seconds));
	json_object_object_add(object, "mb_per_s", json_object_new_double(rate));
	json_object_object_add(object, "interrupts", json_object_new_uint64(interrupts));
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

static int file_failed(struct copy *copy, int errnum)
{
	return medio_command_fail(copy->io->cmd, "%s: %s; %llu bytes were copied", copy->name,
		strerror(errnum), (unsigned long long)copy->done);
}

/* ---- Commands ---------------------------------------------------------------------------------- */

static int submit(struct copy *copy, enum block_op op, uint64_t offset)
{
	struct piece *piece = &copy->pieces[copy->next];
	uint64_t iova = copy->io->iova + (uint64_t)copy->next * copy->size;

	if (block_submit(copy->io->disk, op, offset, piece->length, iova, piece))
		return medio_io_fail(copy->io);
	piece->busy = true;
	copy->next = (copy->next + 1) % PIECES;
	copy->active++;
	return 0;
}

/* Wait until the oldest piece is done, whatever else is by then. */
static int wait_oldest(struct copy *copy)
{
	struct block_done done[PIECES];
	struct piece *oldest = &copy->pieces[copy->oldest];

	while (oldest->busy) {
		int n = block_poll(copy->io->disk, WAIT_MS, done, PIECES);
		if (n < 0 && n != -EINTR)
			return medio_io_fail(copy->io);
		if (medio_ending_due(&copy->io->ending))
			return MEDIO_EXIT_FAILURE;
		for (int i = 0; i < n; i++) {
			struct piece *piece = done[i].tag;
			piece->busy = false;
			piece->ret = done[i].ret;
			memcpy(piece->words, done[i].words, sizeof(piece->words));
		}
		progress(copy, false);
	}
	copy->oldest = (copy->oldest + 1) % PIECES;
	copy->active--;
	if (!oldest->ret)
		return 0;
	return medio_command_fail(copy->io->cmd, "%s: %s; %llu bytes were copied", copy->io->device,
		oldest->words, (unsigned long long)copy->done);
}

static int begin(struct copy *copy)
{
	const struct block_info *info = copy->io->info;
	struct medio_card_dma_info dma;

	copy->size = info->max_transfer < PIECE ? info->max_transfer : PIECE;
	medio_card_get_dma_info(copy->io->card, &dma);
	if (dma.physical && copy->size > PHYSICAL / PIECES && info->block <= PHYSICAL / PIECES)
		copy->size = PHYSICAL / PIECES / info->block * info->block;
	copy->start = copy->shown = medio_ending_now();
	copy->terminal = isatty(STDERR_FILENO) && !copy->io->json;
	return medio_io_alloc(copy->io, (uint64_t)copy->size * PIECES);
}

static unsigned depth(const struct copy *copy)
{
	return copy->io->info->depth < PIECES ? copy->io->info->depth : PIECES;
}

/* ---- From the disk ----------------------------------------------------------------------------- */

static int put(struct copy *copy, const uint8_t *at, uint32_t bytes)
{
	while (bytes) {
		ssize_t n = write(copy->fd, at, bytes);
		if (n < 0 && errno == EINTR && !medio_ending_signalled())
			continue;
		if (n < 0)
			return file_failed(copy, errno);
		at += n;
		bytes -= (uint32_t)n;
		copy->done += (uint64_t)n;
	}
	return 0;
}

/* Whole blocks are read; of the first and last the file gets what was asked for. */
static int read_next(struct copy *copy)
{
	struct piece *piece = &copy->pieces[copy->next];
	uint32_t block = copy->io->info->block;
	uint64_t from = copy->offset / block * block;
	uint64_t left = copy->end - from;

	piece->skip = (uint32_t)(copy->offset - from);
	piece->bytes = (uint32_t)(left < copy->size ? left : copy->size) - piece->skip;
	piece->length = (piece->skip + piece->bytes + block - 1) / block * block;
	copy->offset += piece->bytes;
	return submit(copy, BLOCK_READ, from);
}

int medio_io_copy_out(
	struct medio_io *io, uint64_t offset, uint64_t count, int fd, const char *name)
{
	struct copy copy = { .io = io,
		.fd = fd,
		.name = name,
		.offset = offset,
		.end = offset + count,
		.total = count };
	int ret = begin(&copy);

	while (!ret && (copy.offset < copy.end || copy.active)) {
		if (copy.offset < copy.end && copy.active < depth(&copy)) {
			ret = read_next(&copy);
			continue;
		}
		unsigned at = copy.oldest;
		ret = wait_oldest(&copy);
		if (!ret)
			ret = put(&copy, io->memory + (size_t)at * copy.size + copy.pieces[at].skip,
				copy.pieces[at].bytes);
	}
	if (!ret)
		summary(&copy);
	return ret;
}

/* ---- To the disk ------------------------------------------------------------------------------- */

/* Fill the next piece's memory: how much came before the end of the file, -errno. */
static ssize_t fill(struct copy *copy, uint8_t *at, size_t most)
{
	size_t got = 0;

	while (got < most) {
		ssize_t n = read(copy->fd, at + got, most - got);
		if (n < 0 && errno == EINTR && !medio_ending_signalled())
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

/* *more becomes false when there is nothing left to write. */
static int write_next(struct copy *copy, bool *more)
{
	struct medio_io *io = copy->io;
	struct piece *piece = &copy->pieces[copy->next];
	uint64_t left = copy->end - copy->offset;
	size_t most = left < copy->size ? left : copy->size;
	ssize_t got = fill(copy, io->memory + (size_t)copy->next * copy->size, most);

	if (got < 0)
		return file_failed(copy, (int)-got);
	*more = (size_t)got == most && most;
	if ((size_t)got < most && copy->total != UINT64_MAX)
		return medio_command_fail(io->cmd, "%s ends %llu bytes early", copy->name,
			(unsigned long long)(left - (uint64_t)got));
	if ((size_t)got % io->info->block)
		return medio_command_fail(io->cmd,
			"%s ends %zu bytes into a block of %u; whole blocks before it were written",
			copy->name, (size_t)got % io->info->block, io->info->block);
	if (!got)
		return 0;
	piece->bytes = piece->length = (uint32_t)got;
	copy->offset += (uint64_t)got;
	return submit(copy, BLOCK_WRITE, copy->offset - (uint64_t)got);
}

static int finish_oldest(struct copy *copy)
{
	uint32_t bytes = copy->pieces[copy->oldest].bytes;
	int ret = wait_oldest(copy);

	if (!ret)
		copy->done += bytes;
	return ret;
}

static int flush(struct copy *copy)
{
	copy->pieces[copy->next].bytes = copy->pieces[copy->next].length = 0;
	int ret = submit(copy, BLOCK_FLUSH, 0);
	return ret ? ret : finish_oldest(copy);
}

/* The disk is full: the file must be at its end. */
static int check_end(struct copy *copy)
{
	uint8_t byte;
	ssize_t got = copy->total == UINT64_MAX ? fill(copy, &byte, 1) : 0;

	if (got < 0)
		return file_failed(copy, (int)-got);
	return got ? medio_command_fail(copy->io->cmd,
			     "%s has more than the %llu bytes that there is room for; the rest was "
			     "not written",
			     copy->name, (unsigned long long)copy->done)
		   : 0;
}

int medio_io_copy_in(struct medio_io *io, uint64_t offset, uint64_t count, int fd, const char *name)
{
	uint64_t room = io->info->size - offset;
	struct copy copy = { .io = io,
		.write = true,
		.fd = fd,
		.name = name,
		.offset = offset,
		.end = offset + (count < room ? count : room),
		.total = count };
	bool more = true;

	if (offset % io->info->block || (count != UINT64_MAX && count % io->info->block))
		return medio_command_fail(io->cmd,
			"writing begins and ends at multiples of %u bytes", io->info->block);
	int ret = begin(&copy);
	while (!ret && (more || copy.active)) {
		if (more && copy.active < depth(&copy))
			ret = write_next(&copy, &more);
		else
			ret = finish_oldest(&copy);
	}
	if (!ret)
		ret = flush(&copy);
	if (!ret && copy.offset == copy.end)
		ret = check_end(&copy);
	if (!ret)
		summary(&copy);
	return ret;
}
