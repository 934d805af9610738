/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Telling a person which calls a backend makes: system calls, messages to a server, calls of a device in
 * the same process. Nobody watches as a rule, and then it costs a look at a pointer of the thread's.
 */
#ifndef MEDIO_DRIVE_CALLS_H
#define MEDIO_DRIVE_CALLS_H

#include <medio/driver.h>

struct medio_calls {
	medio_card_watch *fn;
	void *arg;
};
extern _Thread_local struct medio_calls medio_calls;

static inline bool medio_calls_watched(void)
{
	return medio_calls.fn;
}

/* A call of these words gave ret, or -errno; it is what is to be returned. errno is kept. */
long medio_calls_say(long ret, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* An ioctl on fd, after it: its name and what went in and came out. */
void medio_calls_ioctl(int fd, unsigned long request, const void *arg, int ret);
/* An access of count bytes to a register, by this call. value: what was read or written. */
void medio_calls_access(const char *call, unsigned region, uint64_t offset, const void *value,
	size_t count, int ret);
/* What fd is, as its link says: "/dev/vfio/vfio", "vfio-device". Gives buf. */
const char *medio_calls_fd(int fd, char *buf, size_t size);

#endif
