/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/signal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

bool medio_signal_is_eventfd(int fd)
{
	char path[40], target[40];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ssize_t len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return true; /* no /proc here: medio_signal() copes with what it is */
	target[len] = '\0';
	return strcmp(target, "anon_inode:[eventfd]") == 0;
}

bool medio_signal_blocks(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	return flags < 0 || !(flags & O_NONBLOCK);
}

void medio_signal(int fd, bool careful)
{
	static const uint64_t one = 1;
	if (fd < 0)
		return;
	if (careful) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		if (poll(&p, 1, 0) <= 0)
			return;
	}
	ssize_t ret = write(fd, &one, sizeof(one));
	(void)ret; /* EAGAIN: the counter is full, the client will see it */
}

/* The client may read its eventfd too, and between poll() and read(): only a read that says not to
 * wait is safe. Kernels before 5.8 cannot do that for an eventfd and say EOPNOTSUPP. */
bool medio_signal_drain(int fd)
{
	uint64_t count;
	struct iovec iov = { &count, sizeof(count) };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n = preadv2(fd, &iov, 1, -1, RWF_NOWAIT);
	if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS))
		n = poll(&p, 1, 0) > 0 ? read(fd, &count, sizeof(count)) : -1;
	return n == sizeof(count);
}
