/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "compat/hold.h"
#include "compat/story.h"
#include "util/cleanup.h"

#define PAGE	  UINT64_C(4096)
#define HUGE_PAGE UINT64_C(0x200000)
/* At once: so much memory is there twice for a moment. */
#define CHUNK UINT64_C(0x10000000)
/* Linux Documentation/admin-guide/mm/pagemap.rst */
#define PAGEMAP_THERE (UINT64_C(3) << 62) /* present, or swapped */
#define PAGES	      512		  /* looked at at once */

struct sharing {
	pid_t tid;
	struct medio_spanfile *file;
	int pagemap;
	struct medio_hold *hold;
	int fd; /* the program's number for the file */
};

/* Where in the file: such that huge pages fit, and above what a filter for UIO looks at. */
static uint64_t place(uint64_t at, const struct medio_share_range *range)
{
	return ((at + HUGE_PAGE - 1) & -HUGE_PAGE) + (range->start & (HUGE_PAGE - 1));
}

static uint64_t total(const struct medio_share_range *ranges, unsigned count)
{
	uint64_t at = HUGE_PAGE;

	for (unsigned i = 0; i < count; i++)
		at = place(at, &ranges[i]) + (ranges[i].end - ranges[i].start);
	return at;
}

/* Not by touching it: memory that cannot be had is an error then, and no signal. */
static int copy_run(struct sharing *sharing, uint64_t from, char *to, uint64_t size)
{
	while (size) {
		struct iovec local = { to, size };
		struct iovec remote = {
			(void *)(uintptr_t)from, /* NOLINT(performance-no-int-to-ptr) */
			size
		};
		ssize_t got = process_vm_readv(sharing->tid, &local, 1, &remote, 1, 0);
		if (got <= 0)
			return -EFAULT;
		from += (uint64_t)got;
		to += got;
		size -= (uint64_t)got;
	}
	return 0;
}

/* Up to PAGES pages. */
static int copy_pages(struct sharing *sharing, uint64_t from, char *to, uint64_t size, bool sparse)
{
	uint64_t pages = size / PAGE, there[PAGES];
	ssize_t want = (ssize_t)(pages * sizeof(there[0]));
	int ret = 0;

	if (!sparse || pread(sharing->pagemap, there, (size_t)want,
			       (off_t)(from / PAGE * sizeof(there[0]))) != want)
		return copy_run(sharing, from, to, size);
	for (uint64_t i = 0, end; i < pages && !ret; i = end) {
		for (end = i; end < pages && there[end] & PAGEMAP_THERE; end++)
			;
		if (end > i)
			ret = copy_run(sharing, from + i * PAGE, to + i * PAGE, (end - i) * PAGE);
		else
			end = i + 1;
	}
	return ret;
}

static int copy(struct sharing *sharing, const struct medio_share_range *range, uint64_t from,
	uint64_t size, uint64_t offset)
{
	int ret = 0;
	char *to = mmap(
		NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, sharing->file->fd, (off_t)offset);

	if (to == MAP_FAILED)
		return -ENOMEM;
	for (uint64_t at = 0, part; at < size && !ret; at += part) {
		part = size - at < PAGES * PAGE ? size - at : PAGES * PAGE;
		ret = copy_pages(sharing, from + at, to + at, part, range->sparse);
	}
	munmap(to, size);
	return ret;
}

static int share_range(
	struct sharing *sharing, const struct medio_share_range *range, uint64_t offset)
{
	for (uint64_t at = range->start, size; at < range->end; at += size, offset += size) {
		int64_t mapped = 0;
		size = range->end - at < CHUNK ? range->end - at : CHUNK;
		int ret = copy(sharing, range, at, size, offset);
		uint64_t args[] = { at, size, range->prot, MAP_SHARED | MAP_FIXED,
			(uint64_t)sharing->fd, offset };
		if (!ret)
			ret = medio_hold_syscall(sharing->hold, __NR_mmap, args, &mapped);
		/* What it may not replace (sealed, too many areas) it keeps. */
		if (ret || mapped < 0)
			return ret ? ret : (int)mapped;
	}
	return 0;
}

static int share_held(
	struct sharing *sharing, const struct medio_share_range *ranges, unsigned count)
{
	uint64_t at = HUGE_PAGE, args[6] = { (uint64_t)sharing->fd };
	int64_t closed;
	int ret = medio_hold_others(sharing->hold);

	for (unsigned i = 0; i < count && !ret; i++) {
		at = place(at, &ranges[i]);
		int failed = share_range(sharing, &ranges[i], at);
		if (failed == -ESRCH)
			return failed;
		at += ranges[i].end - ranges[i].start;
	}
	medio_hold_syscall(sharing->hold, __NR_close, args, &closed);
	medio_hold_let_others(sharing->hold);
	return ret;
}

int medio_share(struct medio_call *call, const struct medio_share_range *ranges, unsigned count)
{
	struct sharing sharing = { .tid = call->tid };
	_cleanup_close_ int theirs = -1;
	char path[32];

	int ret = medio_hold_thread(call, &sharing.hold);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "/proc/%d/pagemap", call->tid);
	_cleanup_close_ int pagemap = open(path, O_RDONLY | O_CLOEXEC);
	sharing.pagemap = pagemap;
	ret = medio_spanfile_make(call->compat, total(ranges, count), &sharing.file, &theirs);
	if (ret)
		return -ENOMEM;
	sharing.fd = call->ops->give(call, theirs, O_CLOEXEC);
	if (sharing.fd < 0) {
		medio_story_say(call->compat,
			"memory cannot be made shared: no free descriptor in the program");
		ret = -ENOMEM;
	} else
		ret = share_held(&sharing, ranges, count);
	for (unsigned i = 0; i < count && !ret; i++)
		medio_story_say(call->compat,
			"%llu KiB of private memory at 0x%llx made shared, so that devices reach it",
			(unsigned long long)(ranges[i].end - ranges[i].start) / 1024,
			(unsigned long long)ranges[i].start);
	medio_spanfile_unref(sharing.file); /* if the program has it, that keeps it */
	return ret;
}
