/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/span.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "compat/maps.h"
#include "compat/share.h"
#include "compat/spanfile.h"
#include "compat/story.h"
#include "util/cleanup.h"

#define PAGE	  UINT64_C(4096)
#define HUGE_PAGE UINT64_C(0x200000)

/* A look at what the program has mapped there. */
struct scan {
	struct medio_call *call;
	struct medio_span *span;
	uint64_t at; /* so far it is known */
	unsigned cap;
	bool share; /* what could be made shared goes to ranges */
	struct medio_share_range *ranges;
	unsigned num_ranges, cap_ranges;
};

/* ---- Pieces ------------------------------------------------------------------------------------ */

static void drop_pieces(struct medio_span *span)
{
	for (unsigned i = 0; i < span->num_pieces; i++)
		medio_spanfile_unref(span->pieces[i].file);
	span->num_pieces = 0;
}

/* The next size bytes. file's reference is taken over, also on failure. */
static int add_piece(
	struct scan *scan, uint64_t size, struct medio_spanfile *file, uint64_t fd_offset)
{
	struct medio_span *span = scan->span;
	struct medio_span_piece *last = span->num_pieces ? &span->pieces[span->num_pieces - 1]
							 : NULL;

	if (last && last->file == file && (!file || last->fd_offset + last->size == fd_offset)) {
		medio_spanfile_unref(file);
		last->size += size;
		return 0;
	}
	if (!span->pieces || span->num_pieces == scan->cap) {
		unsigned cap = scan->cap ? scan->cap * 2 : 2;
		void *pieces = reallocarray(span->pieces, cap, sizeof(*span->pieces));
		if (!pieces) {
			medio_spanfile_unref(file);
			return -ENOMEM;
		}
		span->pieces = pieces;
		scan->cap = cap;
	}
	span->pieces[span->num_pieces++] = (struct medio_span_piece){
		.start = scan->at - span->addr,
		.size = size,
		.fd = file ? file->fd : -1,
		.fd_offset = file ? fd_offset : 0,
		.file = file,
	};
	return 0;
}

/* ---- What is mapped ---------------------------------------------------------------------------- */

static bool begins(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

static bool ends(const char *name, const char *with)
{
	size_t length = strlen(name), tail = strlen(with);

	return length >= tail && strcmp(name + length - tail, with) == 0;
}

/* Can a memfd be put in its place? */
static bool can_share(pid_t pid, const struct medio_maps_area *area)
{
	if (area->prot & PROT_EXEC)
		return false;
	/* Shared memory that cannot be opened: only if nobody shares it, and nobody can find it later. */
	if (area->shared &&
		(!ends(area->name, " (deleted)") || medio_spanfile_elsewhere(pid, area)))
		return false;
	if (*area->name == '[' && strcmp(area->name, "[heap]") != 0 && !begins(area->name, "[anon"))
		return false; /* the stack, which grows, and what the kernel put there */
	return true;
}

static int add_range(struct scan *scan, const struct medio_maps_area *area, uint64_t end)
{
	struct medio_share_range range = { scan->at, end, area->prot, !area->shared && !area->ino };

	/* Huge pages are replaced whole. */
	if (begins(area->name, "/anon_hugepage")) {
		range.start &= -HUGE_PAGE;
		range.end = (end + HUGE_PAGE - 1) & -HUGE_PAGE;
		if (range.start < area->start || range.end > area->end)
			return 0;
	}
	if (scan->num_ranges == scan->cap_ranges) {
		unsigned cap = scan->cap_ranges ? scan->cap_ranges * 2 : 2;
		void *ranges = reallocarray(scan->ranges, cap, sizeof(*scan->ranges));
		if (!ranges)
			return -ENOMEM;
		scan->ranges = ranges;
		scan->cap_ranges = cap;
	}
	scan->ranges[scan->num_ranges++] = range;
	return 0;
}

static bool is_inside(const struct medio_spanfile *file, uint64_t offset, uint64_t size)
{
	struct stat st;

	return fstat(file->fd, &st) == 0 &&
	       (!S_ISREG(st.st_mode) ||
		       (offset <= (uint64_t)st.st_size && size <= (uint64_t)st.st_size - offset));
}

static int on_area(void *opaque, const struct medio_maps_area *area)
{
	struct scan *scan = opaque;
	struct medio_span *span = scan->span;
	bool write = span->prot & MEDIO_SPAN_WRITE;
	uint64_t last = span->addr + span->size;
	struct medio_spanfile *file = NULL;

	/* As pinning pages does: to write needs what the program may write, to read what it may read. */
	if (area->start > scan->at || !(area->prot & (write ? PROT_WRITE : PROT_READ)))
		return -EFAULT;
	uint64_t end = area->end < last ? area->end : last, size = end - scan->at;
	uint64_t offset = area->offset + (scan->at - area->start);
	int ret = area->shared ? medio_spanfile_find(scan->call, area, write, &file) : -ENOENT;

	if (!ret && !is_inside(file, offset, size)) {
		medio_spanfile_unref(file);
		ret = -EFAULT;
	}
	if (ret == -ENOENT && scan->share && can_share(span->pid, area))
		ret = add_range(scan, area, end);
	else if (ret == -ENOENT)
		ret = 0;
	if (!ret)
		ret = add_piece(scan, size, file, offset);
	scan->at = end;
	return ret;
}

static int scan_pieces(struct scan *scan)
{
	struct medio_span *span = scan->span;

	drop_pieces(span);
	scan->at = span->addr;
	int ret = medio_maps_walk(span->pid, span->addr, span->addr + span->size, on_area, scan);
	if (ret)
		return ret == -ENOMEM || ret == -EMFILE ? -ENOMEM : -EFAULT;
	return scan->at == span->addr + span->size ? 0 : -EFAULT;
}

static int open_memory(struct medio_span *span)
{
	char path[32];

	for (unsigned i = 0; i < span->num_pieces; i++) {
		if (span->pieces[i].fd >= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/mem", span->pid);
		span->mem = open(path, O_RDWR | O_CLOEXEC);
		if (span->mem < 0)
			return errno == EMFILE || errno == ENOMEM ? -ENOMEM : -EFAULT;
		return 0;
	}
	return 0;
}

static int find_pieces(struct scan *scan)
{
	struct medio_span *span = scan->span;
	int ret;

	/* Far up nothing is the program's, and it may wrap. */
	if (!span->size || span->size > INT64_MAX || span->addr > INT64_MAX - span->size)
		return -EFAULT;
	ret = scan_pieces(scan);
	if (!ret && scan->num_ranges) {
		ret = medio_share(scan->call, scan->ranges, scan->num_ranges);
		if (ret && ret != -ENOMEM)
			medio_story_say(scan->call->compat,
				"private memory at 0x%llx stays so (%s): devices reach it by copying only",
				(unsigned long long)scan->ranges[0].start, strerror(-ret));
		scan->share = false;
		if (ret != -ENOMEM)
			ret = scan_pieces(scan);
	}
	return ret ? ret : open_memory(span);
}

int medio_span_take(struct medio_call *call, uint64_t addr, uint64_t size, unsigned prot,
	struct medio_span **out)
{
	struct medio_span *span = calloc(1, sizeof(*span));

	if (!span)
		return -ENOMEM;
	*span = (struct medio_span){
		.refs = 1, .pid = call->tid, .addr = addr, .size = size, .prot = prot, .mem = -1
	};
	struct scan scan = { .call = call, .span = span, .share = true };
	int ret = find_pieces(&scan);
	free(scan.ranges);
	if (ret) {
		medio_span_put(span);
		return ret;
	}
	*out = span;
	return 0;
}

struct medio_span *medio_span_ref(struct medio_span *span)
{
	span->refs++;
	return span;
}

void medio_span_put(struct medio_span *span)
{
	if (!span || --span->refs)
		return;
	drop_pieces(span);
	free(span->pieces);
	if (span->mem >= 0)
		close(span->mem);
	free(span);
}

/* ---- Copying ----------------------------------------------------------------------------------- */

/* A file may have been cut short, which is an error this way, and no signal; and hugetlbfs knows no write(). */
static int copy_file(
	const struct medio_span_piece *piece, uint64_t at, void *buf, size_t size, bool write)
{
	uint64_t first = (piece->fd_offset + at) & -HUGE_PAGE;
	size_t skip = (size_t)(piece->fd_offset + at - first);
	size_t total = (skip + size + HUGE_PAGE - 1) & -HUGE_PAGE;
	char *map = mmap(NULL, total, write ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED,
		piece->fd, (off_t)first);

	if (map == MAP_FAILED)
		return -EFAULT;
	struct iovec here = { buf, size }, there = { map + skip, size };
	ssize_t done = write ? process_vm_writev(getpid(), &here, 1, &there, 1, 0)
			     : process_vm_readv(getpid(), &here, 1, &there, 1, 0);
	munmap(map, total);
	return done == (ssize_t)size ? 0 : -EFAULT;
}

static int copy_memory(
	const struct medio_span *span, uint64_t offset, void *buf, size_t size, bool write)
{
	off_t at = (off_t)(span->addr + offset);
	ssize_t done = write ? pwrite(span->mem, buf, size, at) : pread(span->mem, buf, size, at);

	return done == (ssize_t)size ? 0 : -EFAULT;
}

static int copy(const struct medio_span *span, uint64_t offset, char *buf, size_t size, bool write)
{
	if (offset > span->size || size > span->size - offset)
		return -EFAULT;
	for (unsigned i = 0; size; i++) {
		const struct medio_span_piece *piece = &span->pieces[i];
		uint64_t skip = offset - piece->start;
		if (skip >= piece->size)
			continue;
		size_t part = piece->size - skip < size ? (size_t)(piece->size - skip) : size;
		int ret = piece->fd < 0 ? copy_memory(span, offset, buf, part, write)
					: copy_file(piece, skip, buf, part, write);
		if (ret)
			return ret;
		buf += part;
		offset += part;
		size -= part;
	}
	return 0;
}

int medio_span_read(const struct medio_span *span, uint64_t offset, void *buf, size_t size)
{
	return copy(span, offset, buf, size, false);
}

int medio_span_write(const struct medio_span *span, uint64_t offset, const void *buf, size_t size)
{
	return copy(span, offset, (char *)buf, size, true);
}
