/* SPDX-License-Identifier: BSD-3-Clause */
#include "drive/calls.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

_Thread_local struct medio_calls medio_calls;

void medio_card_watch_calls(medio_card_watch *fn, void *arg)
{
	medio_calls = (struct medio_calls){ fn, arg };
}

long medio_calls_say(long ret, const char *fmt, ...)
{
	struct medio_calls to = medio_calls;
	int kept = errno;
	char call[512];
	va_list ap;

	if (!to.fn)
		return ret;
	va_start(ap, fmt);
	vsnprintf(call, sizeof(call), fmt, ap);
	va_end(ap);
	to.fn(to.arg, call, ret);
	errno = kept;
	return ret;
}

const char *medio_calls_fd(int fd, char *buf, size_t size)
{
	static const char prefix[] = "anon_inode:[";
	char link[32], target[256];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, target, sizeof(target) - 1);
	if (n < 0) {
		snprintf(buf, size, "fd %d", fd);
		return buf;
	}
	target[n] = 0;
	if (!strncmp(target, prefix, sizeof(prefix) - 1)) {
		target[strcspn(target, "]")] = 0;
		snprintf(buf, size, "%s", target + sizeof(prefix) - 1);
	} else {
		snprintf(buf, size, "%s", target);
	}
	return buf;
}

void medio_calls_access(const char *call, unsigned region, uint64_t offset, const void *value,
	size_t count, int ret)
{
	static const char *const names[] = { "BAR0", "BAR1", "BAR2", "BAR3", "BAR4", "BAR5", "ROM",
		"config", "VGA" };
	const char *name = region < sizeof(names) / sizeof(*names) ? names[region] : "region";
	uint64_t number = 0;

	if (count <= sizeof(number) && ret >= 0) {
		memcpy(&number, value, count);
		medio_calls_say(ret, "%s %zu bytes at %s+0x%llx: 0x%0*llx", call, count, name,
			(unsigned long long)offset, (int)count * 2, (unsigned long long)number);
	} else {
		medio_calls_say(ret, "%s %zu bytes at %s+0x%llx", call, count, name,
			(unsigned long long)offset);
	}
}
