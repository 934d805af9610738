/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/spanpart.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "compat/spanfile.h"
#include "util/cleanup.h"

static struct medio_span *new_span(const struct medio_span *like, unsigned max_pieces)
{
	struct medio_span *span = malloc(sizeof(*span));

	if (!span)
		return NULL;
	*span = *like;
	span->refs = 1;
	span->mem = -1;
	span->num_pieces = 0;
	span->pieces = calloc(max_pieces, sizeof(*span->pieces));
	if (!span->pieces) {
		free(span);
		return NULL;
	}
	return span;
}

int medio_span_part(const struct medio_span *span, uint64_t offset, uint64_t size, unsigned prot,
	struct medio_span **out)
{
	struct medio_span *part = new_span(span, span->num_pieces ? span->num_pieces : 1);

	if (!part)
		return -ENOMEM;
	part->addr += offset;
	part->size = size;
	part->prot = prot;
	for (unsigned i = 0; i < span->num_pieces; i++) {
		struct medio_span_piece piece = span->pieces[i];
		uint64_t end = piece.start + piece.size;

		if (end <= offset || piece.start >= offset + size)
			continue;
		if (piece.start < offset) {
			piece.fd_offset += piece.fd < 0 ? 0 : offset - piece.start;
			piece.start = offset;
		}
		if (end > offset + size)
			end = offset + size;
		piece.size = end - piece.start;
		piece.start -= offset;
		if (piece.file)
			medio_spanfile_ref(piece.file);
		part->pieces[part->num_pieces++] = piece;
	}
	if (span->mem >= 0) {
		part->mem = fcntl(span->mem, F_DUPFD_CLOEXEC, 0);
		if (part->mem < 0) {
			medio_span_put(part);
			return -ENOMEM;
		}
	}
	*out = part;
	return 0;
}

int medio_span_of_file(struct medio_call *call, int fd, uint64_t offset, uint64_t size,
	unsigned prot, struct medio_span **out)
{
	const bool write = prot & MEDIO_SPAN_WRITE;
	_cleanup_close_ int copy = -1;
	struct medio_spanfile *file;
	struct stat st;

	if (fd < 0 || call->ops->take_fd(call, fd, &copy))
		return -EBADF;
	int mode = fcntl(copy, F_GETFL);
	if (mode < 0)
		return -EBADF;
	/* A file of any other kind has pages that its file system may take away. Nothing else is asked of one: its file system may
	 * be ours, and wait for us. */
	if (fcntl(copy, F_GET_SEALS) < 0)
		return -EINVAL;
	if (fstat(copy, &st) < 0)
		return -EBADF;
	if (!S_ISREG(st.st_mode) || offset > (uint64_t)st.st_size ||
		size > (uint64_t)st.st_size - offset)
		return -EINVAL;
	if ((mode & O_ACCMODE) == O_WRONLY || (write && (mode & O_ACCMODE) != O_RDWR))
		return -EACCES;
	const struct medio_maps_area area = {
		.start = 0,
		.end = (uint64_t)st.st_size,
		.prot = PROT_READ | (write ? PROT_WRITE : 0),
		.shared = true,
		.major = major(st.st_dev),
		.minor = minor(st.st_dev),
		.ino = st.st_ino,
		.name = "",
	};
	int ret = medio_spanfile_find(call, &area, write, &file);
	if (ret)
		return ret == -ENOENT ? -EINVAL : ret;
	const struct medio_span like = { .pid = call->tid, .size = size, .prot = prot };
	struct medio_span *span = new_span(&like, 1);
	if (!span) {
		medio_spanfile_unref(file);
		return -ENOMEM;
	}
	span->pieces[span->num_pieces++] = (struct medio_span_piece){
		.size = size, .fd = file->fd, .fd_offset = offset, .file = file
	};
	*out = span;
	return 0;
}
