/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/dispatch.h"

#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "compat/kfile.h"
#include "util/cleanup.h"

#define MOST_VECTORS 1024	 /* UIO_MAXIOV */
#define MOST_BYTES   0x7ffff000u /* MAX_RW_COUNT, with pages of 4 KiB */

#ifndef RWF_HIPRI
#define RWF_HIPRI 0x1
#endif

int medio_dispatch_fd(const struct medio_call *call)
{
	if (call->nr != __NR_mmap)
		return (int)call->args[0];
	return call->args[3] & MAP_ANONYMOUS ? -1 : (int)call->args[4];
}

static int64_t move(
	struct medio_call *call, bool write, uint64_t buf, uint64_t count, uint64_t offset)
{
	struct medio_kfile *file = call->file;

	if (write)
		return file->ops->pwrite ? file->ops->pwrite(file, call, buf, count, offset)
					 : -EINVAL;
	return file->ops->pread ? file->ops->pread(file, call, buf, count, offset) : -EINVAL;
}

/*
 * preadv() and pwritev() of a file without a way to do all at once: one access for each part, up to the first that
 * is cut short or fails (fs/read_write.c, do_loop_readv_writev).
 */
static int64_t move_parts(struct medio_call *call, bool write)
{
	uint64_t vector = call->args[1], count = call->args[2], offset = call->args[3], total = 0;
	struct iovec parts[16] = { 0 };

	if (count > MOST_VECTORS)
		return -EINVAL;
	for (uint64_t i = 0; i < count; i++) {
		unsigned at = i % MEDIO_ARRAY_SIZE(parts);
		if (!at) {
			uint64_t ahead = count - i < MEDIO_ARRAY_SIZE(parts)
						 ? count - i
						 : MEDIO_ARRAY_SIZE(parts);
			if (medio_call_read(call, vector + i * sizeof(parts[0]), parts,
				    ahead * sizeof(parts[0])))
				return total ? (int64_t)total : -EFAULT;
		}
		if (parts[at].iov_len > SSIZE_MAX)
			return total ? (int64_t)total : -EINVAL;
		uint64_t size = parts[at].iov_len;
		if (size > MOST_BYTES - total)
			size = MOST_BYTES - total;
		if (!size)
			continue;
		int64_t ret = move(
			call, write, (uintptr_t)parts[at].iov_base, size, offset + total);
		if (ret < 0)
			return total ? (int64_t)total : ret;
		total += (uint64_t)ret;
		if ((uint64_t)ret < size)
			break;
	}
	return (int64_t)total;
}

static int64_t move_parts_flags(struct medio_call *call, bool write)
{
	return call->args[5] & ~(uint64_t)RWF_HIPRI ? -EOPNOTSUPP : move_parts(call, write);
}

static uint64_t bounded(uint64_t count)
{
	return count > MOST_BYTES ? MOST_BYTES : count;
}

int64_t medio_dispatch(struct medio_call *call)
{
	struct medio_kfile *file = call->file;
	const uint64_t *args = call->args;

	switch (call->nr) {
	case __NR_ioctl:
		return file->ops->ioctl ? file->ops->ioctl(file, call, (unsigned)args[1], args[2])
					: -ENOTTY;
	case __NR_pread64:
		return move(call, false, args[1], bounded(args[2]), args[3]);
	case __NR_pwrite64:
		return move(call, true, args[1], bounded(args[2]), args[3]);
	case __NR_preadv:
		return move_parts(call, false);
	case __NR_pwritev:
		return move_parts(call, true);
	case __NR_preadv2:
		return move_parts_flags(call, false);
	case __NR_pwritev2:
		return move_parts_flags(call, true);
	case __NR_mmap:
		return file->ops->mmap ? file->ops->mmap(file, call) : -ENODEV;
	default:
		return MEDIO_CALL_CONTINUE;
	}
}
