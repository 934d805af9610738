/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * numbered PATH DEPTH...: write numbers all over a disk until SIGTERM, then see whether each is where it was
 * put. For tests that kill what serves the disk, and start it again, under it.
 *
 * Each DEPTH is a writer of its own, which keeps so many writes going (O_DIRECT, O_DSYNC, by the kernel's
 * asynchronous I/O). A writer's numbers rise; each of its places takes PLACES numbers in turn, the next one to
 * the same place only when the one before was acknowledged. So a place always has to hold the last number
 * acknowledged for it: a smaller one says that this one was lost, or that an older one was written again after
 * it; one of another place, that what was written is not what was to be written. Every eighth access of a place
 * is a read that looks.
 *
 * While it runs, the file "numbered" in its folder holds how many writes were acknowledged. At the end it prints
 * "@numbered ACKNOWLEDGED written, READ looked at, BAD wrong" and for the first wrong ones what was there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_WRITERS 8
#define MAX_DEPTH   64
#define PLACES	    3
#define STRIDE	    16384
#define SECTOR	    512
#define MAX_TOLD    8
#define LOOK_EVERY  8

/* In each sector, so that half a write is seen too. */
struct mark {
	char magic[8];
	uint32_t writer, slot, place, sector;
	uint64_t number;
};

/* One write or read at a time. */
struct slot {
	struct iocb cb;
	unsigned char *buf;
	size_t length;
	unsigned place, turns;
	uint64_t number;       /* that is being written; 0: it reads */
	uint64_t last[PLACES]; /* acknowledged */
};

struct writer {
	pthread_t thread;
	unsigned index, depth;
	aio_context_t aio;
	uint64_t number;
	volatile uint64_t written, looked, bad;
	struct slot slots[MAX_DEPTH];
};

static const char magic[8] = "numbered";
static const size_t lengths[] = { 4096, SECTOR, STRIDE, 4096 };
static struct writer writers[MAX_WRITERS];
static unsigned num_writers;
static int disk;
static volatile sig_atomic_t stopping;

static void fail(const char *what)
{
	printf("@numbered failed: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(1);
}

static void on_term(int sig)
{
	(void)sig;
	stopping = 1;
}

static uint64_t place_at(const struct writer *writer, const struct slot *slot, unsigned place)
{
	uint64_t index = writer->index * MAX_DEPTH + (uint64_t)(slot - writer->slots);

	return (index * PLACES + place) * STRIDE;
}

/* ---- What is written, and what must be there -------------------------------------------------------- */

static void mark_all(struct writer *writer, struct slot *slot)
{
	for (size_t at = 0; at < slot->length; at += SECTOR) {
		struct mark mark = {
			.writer = writer->index,
			.slot = (uint32_t)(slot - writer->slots),
			.place = slot->place,
			.sector = (uint32_t)(at / SECTOR),
			.number = slot->number,
		};

		memcpy(mark.magic, magic, sizeof(magic));
		memset(slot->buf + at, (int)(slot->number & 0xff), SECTOR);
		memcpy(slot->buf + at, &mark, sizeof(mark));
	}
}

static void tell(struct writer *writer, struct slot *slot, const struct mark *found)
{
	if (writer->bad++ >= MAX_TOLD)
		return;
	printf("writer %u slot %u place %u: %llu was acknowledged, there is ", writer->index,
		(unsigned)(slot - writer->slots), slot->place,
		(unsigned long long)slot->last[slot->place]);
	if (memcmp(found->magic, magic, sizeof(magic)) != 0)
		printf("no number\n");
	else
		printf("%llu of writer %u slot %u place %u sector %u\n",
			(unsigned long long)found->number, found->writer, found->slot, found->place,
			found->sector);
	fflush(stdout);
}

static void look(struct writer *writer, struct slot *slot)
{
	uint64_t want = slot->last[slot->place];

	writer->looked++;
	for (size_t at = 0; at < slot->length; at += SECTOR) {
		struct mark found;
		const unsigned char *rest = slot->buf + at + sizeof(found);

		memcpy(&found, slot->buf + at, sizeof(found));
		if (memcmp(found.magic, magic, sizeof(magic)) != 0 || found.number != want ||
			found.writer != writer->index ||
			found.slot != (uint32_t)(slot - writer->slots) ||
			found.place != slot->place || found.sector != at / SECTOR ||
			rest[0] != (want & 0xff) ||
			memcmp(rest, rest + 1, SECTOR - sizeof(found) - 1) != 0) {
			tell(writer, slot, &found);
			return;
		}
	}
}

/* ---- Going on ----------------------------------------------------------------------------------------- */

static void submit(struct writer *writer, struct slot *slot, bool read)
{
	struct iocb *list[] = { &slot->cb };

	slot->number = read ? 0 : ++writer->number;
	if (!read)
		mark_all(writer, slot);
	slot->cb = (struct iocb){
		.aio_data = (uint64_t)(uintptr_t)slot,
		.aio_lio_opcode = read ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE,
		.aio_fildes = (uint32_t)disk,
		.aio_buf = (uint64_t)(uintptr_t)slot->buf,
		.aio_nbytes = slot->length,
		.aio_offset = (int64_t)place_at(writer, slot, slot->place),
	};
	if (syscall(SYS_io_submit, writer->aio, 1L, list) != 1)
		fail("io_submit");
}

static void next(struct writer *writer, struct slot *slot)
{
	slot->place = slot->turns++ % PLACES;
	submit(writer, slot, slot->last[slot->place] && slot->turns % LOOK_EVERY == 0);
}

static void finish(struct writer *writer, struct slot *slot, int64_t res)
{
	if (res != (int64_t)slot->length) {
		errno = res < 0 ? (int)-res : EIO;
		fail(slot->number ? "write" : "read");
	}
	if (slot->number) {
		slot->last[slot->place] = slot->number;
		writer->written++;
	} else {
		look(writer, slot);
	}
}

static unsigned wait_for_some(struct writer *writer, struct io_event *events, unsigned most)
{
	long count;

	do {
		count = syscall(SYS_io_getevents, writer->aio, 1L, (long)most, events, NULL);
	} while (count < 0 && errno == EINTR);
	if (count < 0)
		fail("io_getevents");
	return (unsigned)count;
}

/* Each place once more, one after another. */
static void look_at_all(struct writer *writer)
{
	struct io_event event;

	for (unsigned i = 0; i < writer->depth; i++)
		for (unsigned place = 0; place < PLACES; place++) {
			struct slot *slot = &writer->slots[i];

			slot->place = place;
			if (!slot->last[place])
				continue;
			submit(writer, slot, true);
			wait_for_some(writer, &event, 1);
			finish(writer, slot, event.res);
		}
}

static void *run(void *arg)
{
	struct writer *writer = arg;
	struct io_event events[MAX_DEPTH];
	unsigned going = writer->depth;

	if (syscall(SYS_io_setup, (long)MAX_DEPTH, &writer->aio) < 0)
		fail("io_setup");
	for (unsigned i = 0; i < writer->depth; i++) {
		struct slot *slot = &writer->slots[i];

		slot->length = lengths[i % 4];
		if (posix_memalign((void **)&slot->buf, 4096, STRIDE))
			fail("memory");
		next(writer, slot);
	}
	while (going > 0) {
		unsigned count = wait_for_some(writer, events, going);

		for (unsigned i = 0; i < count; i++) {
			struct slot *slot = (struct slot *)(uintptr_t)events[i].data;

			finish(writer, slot, events[i].res);
			if (stopping)
				going--;
			else
				next(writer, slot);
		}
	}
	look_at_all(writer);
	return NULL;
}

/* ---- The whole ----------------------------------------------------------------------------------------- */

static void sum_up(uint64_t *written, uint64_t *looked, uint64_t *bad)
{
	*written = *looked = *bad = 0;
	for (unsigned i = 0; i < num_writers; i++) {
		*written += writers[i].written;
		*looked += writers[i].looked;
		*bad += writers[i].bad;
	}
}

static void show_progress(int fd)
{
	uint64_t written, looked, bad;
	char text[32];
	int len;

	sum_up(&written, &looked, &bad);
	len = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)written);
	if (pwrite(fd, text, (size_t)len, 0) != len)
		fail("the file numbered");
}

int main(int argc, char **argv)
{
	const struct timespec moment = { .tv_nsec = 50000000 };
	uint64_t written, looked, bad;
	int progress = open("numbered", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (argc < 3 || argc > 2 + MAX_WRITERS) {
		fprintf(stderr, "usage: numbered PATH DEPTH...\n");
		return 2;
	}
	disk = open(argv[1], O_RDWR | O_DIRECT | O_DSYNC | O_CLOEXEC);
	if (disk < 0 || progress < 0)
		fail("open");
	show_progress(progress);
	signal(SIGTERM, on_term);
	num_writers = (unsigned)argc - 2;
	for (unsigned i = 0; i < num_writers; i++) {
		int depth = atoi(argv[i + 2]);

		if (depth < 1 || depth > MAX_DEPTH) {
			fprintf(stderr, "numbered: a depth of 1 to %d is possible\n", MAX_DEPTH);
			return 2;
		}
		writers[i].index = i;
		writers[i].depth = (unsigned)depth;
		errno = pthread_create(&writers[i].thread, NULL, run, &writers[i]);
		if (errno)
			fail("thread");
	}
	while (!stopping) {
		nanosleep(&moment, NULL);
		show_progress(progress);
	}
	for (unsigned i = 0; i < num_writers; i++)
		pthread_join(writers[i].thread, NULL);
	sum_up(&written, &looked, &bad);
	printf("@numbered %llu written, %llu looked at, %llu wrong\n", (unsigned long long)written,
		(unsigned long long)looked, (unsigned long long)bad);
	return bad ? 1 : 0;
}
