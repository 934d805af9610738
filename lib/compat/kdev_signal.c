/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/kdev_signal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "util/cleanup.h"

static bool is_eventfd(int fd)
{
	static const char name[] = "anon_inode:[eventfd]";
	char path[32], target[sizeof(name)];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ssize_t len = readlink(path, target, sizeof(target));
	return len == sizeof(name) - 1 && !memcmp(target, name, sizeof(name) - 1);
}

int medio_kdev_take_eventfd(struct medio_call *call, int fd, int *out)
{
	_cleanup_close_ int taken = -1;
	int ret = call->ops->take_fd(call, fd, &taken);

	if (ret)
		return ret;
	if (!is_eventfd(taken))
		return -EINVAL;
	*out = medio_steal_fd(taken);
	return 0;
}

static bool ready(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	return poll(&pfd, 1, 0) == 1 && pfd.revents & events;
}

void medio_kdev_signal(int fd)
{
	uint64_t one = 1;

	if (fd >= 0 && ready(fd, POLLOUT) && write(fd, &one, sizeof(one)) < 0)
		return;
}

bool medio_kdev_drain(int fd)
{
	uint64_t count;
	struct iovec iov = { &count, sizeof(count) };
	ssize_t got = preadv2(fd, &iov, 1, -1, RWF_NOWAIT);

	/* Before Linux 5.12 an eventfd does not know the flag. */
	if (got < 0 && errno == EOPNOTSUPP && ready(fd, POLLIN))
		got = read(fd, &count, sizeof(count));
	return got == sizeof(count);
}
