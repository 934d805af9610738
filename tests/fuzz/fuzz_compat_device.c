/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device of VFIO's under a hostile program. An input is a list of records: an operation, a size, and as many bytes, which
 * are what the program passes: memory of its own that ends where the bytes do. First bytes of it are a number of an ioctl, or
 * region and offset.
 */
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "../unit/test_kdev_bed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY	 (1u << 20)
#define MOST_FDS 64

static struct bed bed;
static uint8_t page[8192]; /* the program's: what its structures point to */
static int fds[MOST_FDS], num_fds;

/* The fuzzer's descriptors are not the program's: of a request's numbers only those we have made count. */
static int fuzz_take_fd(struct medio_call *call, int fd, int *out)
{
	if (num_fds && fd >= 0 && fd < 8) {
		*out = fcntl(fds[fd % num_fds], F_DUPFD_CLOEXEC, 0);
		return *out < 0 ? -EBADF : 0;
	}
	return -EBADF;
}

static int fuzz_give(struct medio_call *call, int srcfd, unsigned flags)
{
	if (num_fds == MOST_FDS)
		return -EMFILE;
	fds[num_fds] = fcntl(srcfd, F_DUPFD_CLOEXEC, 0);
	return fds[num_fds] < 0 ? -EMFILE : num_fds++;
}

static struct medio_call_ops ops;

static struct program_call call(struct medio_kfile *file, unsigned nr)
{
	struct program_call c = program_call(&bed.p, file, nr, 0, 0, 0, 0);

	c.call.ops = &ops;
	return c;
}

static struct medio_kfile *the_file(void)
{
	struct program_call c = call(NULL, 0);

	return program_find(&c.call, bed.fd);
}

static uint64_t number(const uint8_t **data, size_t *size, size_t bytes)
{
	uint64_t value = 0;

	bytes = bytes < *size ? bytes : *size;
	memcpy(&value, *data, bytes);
	*data += bytes;
	*size -= bytes;
	return value;
}

/* One of the calls, in memory that ends with it. A word of all ones in it becomes the address of more. */
static void do_ioctl(const uint8_t *data, size_t size)
{
	static uint8_t copy[256];
	struct medio_kfile *file = the_file();
	struct program_call c = call(file, __NR_ioctl);
	unsigned cmd = _IO(';', 100 + number(&data, &size, 1) % 24);
	uint64_t address = (uintptr_t)page;

	memset(copy, 0, sizeof(copy));
	memcpy(copy, data, size);
	for (size_t at = 0; at + 8 <= size; at += 8)
		if (!memcmp(copy + at, "PPPPPPPP", 8))
			memcpy(copy + at, &address, 8);
	bed.p.areas[0] = (struct program_area){ (char *)copy, size };
	file->ops->ioctl(file, &c.call, cmd, (uintptr_t)copy);
}

static void access_region(const uint8_t *data, size_t size, bool write)
{
	struct medio_kfile *file = the_file();
	struct program_call c = call(file, write ? __NR_pwrite64 : __NR_pread64);
	uint64_t offset = MEDIO_KDEV_OFFSET(number(&data, &size, 1) % 12) + number(&data, &size, 2);
	uint64_t count = number(&data, &size, 1);

	memcpy(page, data, size);
	bed.p.areas[0] = (struct program_area){ (char *)page, 200 };
	if (write)
		file->ops->pwrite(file, &c.call, (uintptr_t)page, count, offset);
	else
		file->ops->pread(file, &c.call, (uintptr_t)page, count, offset);
}

static void map(const uint8_t *data, size_t size)
{
	uint64_t iova = number(&data, &size, 4) << 12, pages = number(&data, &size, 1);

	if (pages & 1)
		medio_kdev_unmap(bed.kdev, iova, pages << 12);
	else
		medio_kdev_map(bed.kdev, iova, bed.span, 1 + (unsigned)pages / 2 % 3);
}

/* Not as long as something happens: an eventfd may be an interrupt's, and the one that unmasks it. */
static void run_some(void)
{
	for (int i = 0; i < 100 && medio_loop_run_once(bed.loop, 0) > 0; i++)
		;
}

/* What is going on beside: descriptors that are signalled, read, written and closed. */
static void beside(const uint8_t *data, size_t size)
{
	unsigned what = (unsigned)number(&data, &size, 1) % 5;
	int fd = num_fds ? fds[number(&data, &size, 1) % (unsigned)num_fds] : -1;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint8_t in[4096];

	if (what == 0 && num_fds < MOST_FDS)
		fds[num_fds++] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (what == 1 && fd >= 0 && write(fd, "\1\0\0\0\0\0\0\0", 8) < 0)
		return;
	if (what == 2 && fd >= 0 && poll(&pfd, 1, 0) == 1 && read(fd, in, sizeof(in)) < 0)
		return;
	if (what == 3 && num_fds)
		close(fds[--num_fds]);
	if (what == 4)
		run_some();
}

static void reopen(void)
{
	bed_close_fd(&bed, bed.fd);
	if (bed_open(&bed, &bed, &bed.fd))
		abort();
}

static void one(uint8_t op, const uint8_t *data, size_t size)
{
	bed.p.num_areas = 2;
	bed.p.areas[1] = (struct program_area){ (char *)page, sizeof(page) };
	switch (op % 8) {
	case 0:
	case 1:
	case 2:
		do_ioctl(data, size);
		break;
	case 3:
	case 4:
		access_region(data, size, op % 8 == 3);
		break;
	case 5:
		map(data, size);
		break;
	case 6:
		beside(data, size);
		break;
	default:
		reopen();
	}
}

static void quiet(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	(void)line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *memory;

	/* Of the program's: it may write to what has no other end any more. */
	signal(SIGPIPE, SIG_IGN);
	ops = program_ops;
	ops.take_fd = fuzz_take_fd;
	ops.give = fuzz_give;
	if (!size)
		return 0;
	bed_log = quiet;
	bed_new(&bed, data[0] & 2 ? &plain_type : &bench_type, data[0] & 1 ? &bed_mdev : &bed_pci);
	bed.kdev->map = data[0] & 4 ? MEDIO_KDEV_MAP_ALL : MEDIO_KDEV_MAP_SHARED;
	bed.span = bed_span(MEMORY, 3, &memory);
	data++;
	size--;
	while (size >= 2) {
		size_t count = data[1] < size - 2 ? data[1] : size - 2;
		one(data[0], data + 2, count);
		data += 2 + count;
		size -= 2 + count;
	}
	while (num_fds)
		close(fds[--num_fds]);
	run_some();
	bed_free(&bed);
	munmap(memory, MEMORY);
	return 0;
}
