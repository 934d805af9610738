/* SPDX-License-Identifier: BSD-3-Clause */
/* Spans made of something else than a range of the calling program's memory. */
#ifndef MEDIO_COMPAT_SPANPART_H
#define MEDIO_COMPAT_SPANPART_H

#include "compat/span.h"

/* [offset, offset + size) of span, which is within it, in whole pages, for prot, which span allows. -ENOMEM. */
int medio_span_part(const struct medio_span *span, uint64_t offset, uint64_t size, unsigned prot,
	struct medio_span **out);
/*
 * size bytes from offset of a file that the caller has as fd: memory (memfd, hugetlbfs, tmpfs). -EBADF: it has none such;
 * -EINVAL: it is no file with memory, or not all of it is inside; -EACCES: it is not open for prot; -ENOMEM.
 */
int medio_span_of_file(struct medio_call *call, int fd, uint64_t offset, uint64_t size,
	unsigned prot, struct medio_span **out);

#endif
