/* SPDX-License-Identifier: BSD-3-Clause */
/* What the filter catches, and what it lets pass: a caught call without a listener is ENOSYS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compat/filter.h"
#include "compat/hold.h"
#include "compat/kdev.h"

#define FAR MEDIO_KDEV_OFFSET(0)

struct checks {
	int fd;		      /* of an empty file of 8 KiB */
	unsigned long failed; /* a bit for each */
	unsigned count;
};

static void expect(struct checks *c, bool right)
{
	c->failed |= (unsigned long)!right << c->count++;
}

static bool caught(long ret)
{
	return ret == -1 && errno == ENOSYS;
}

static long map(const struct checks *c, uint64_t flags, uint64_t fd_upper, uint64_t offset)
{
	return syscall(__NR_mmap, 0L, 4096L, (long)PROT_READ, flags,
		fd_upper << 32 | (uint32_t)c->fd, offset);
}

static void ioctls(struct checks *c)
{
	expect(c, caught(ioctl(c->fd, 0x3b64, 0)));
	expect(c, caught(ioctl(c->fd, 0xc0483b80, 0)));
	expect(c, caught(ioctl(-1, 0x3bff, 0)));
	expect(c, caught(syscall(__NR_ioctl, c->fd, 0xffffffff00003b64UL, 0L)));
	expect(c, !caught(ioctl(c->fd, 0x3a64, 0)) && errno == ENOTTY);
	expect(c, !caught(ioctl(c->fd, 0x643b, 0)) && errno == ENOTTY);
}

static void offsets(struct checks *c)
{
	char buf[8];
	struct iovec iov = { buf, sizeof(buf) };

	expect(c, caught(syscall(__NR_pread64, c->fd, buf, 8L, FAR)));
	expect(c, caught(syscall(__NR_pwrite64, c->fd, buf, 8L, MEDIO_KDEV_OFFSET(8) + 7)));
	expect(c, caught(syscall(__NR_preadv, c->fd, &iov, 1L, FAR, 0L)));
	expect(c, caught(syscall(__NR_pwritev, c->fd, &iov, 1L, FAR, 0L)));
	expect(c, caught(syscall(__NR_preadv2, c->fd, &iov, 1L, FAR, 0L, 0L)));
	expect(c, caught(syscall(__NR_pwritev2, c->fd, &iov, 1L, FAR, 0L, 0L)));
	expect(c, syscall(__NR_pread64, c->fd, buf, 8L, 0L) == 8);
	expect(c, syscall(__NR_pread64, c->fd, buf, 8L, FAR - 1) == 0);
	expect(c, !caught(syscall(__NR_pread64, c->fd, buf, 8L, -1L)) && errno == EINVAL);
	expect(c, syscall(__NR_preadv2, c->fd, &iov, 1L, -1L, 0L, 0L) == 8);
	expect(c, pwrite(c->fd, buf, 8, 8) == 8);
}

static void far_mappings(struct checks *c)
{
	expect(c, caught(map(c, MAP_SHARED, 0, FAR)));
	expect(c, caught(map(c, MAP_PRIVATE, 0, MEDIO_KDEV_OFFSET(5))));
	/* A thread that is held does it for us. */
	expect(c, !caught(map(c, MAP_SHARED, MEDIO_HOLD_MARK, FAR)));
	expect(c, map(c, MAP_SHARED, 0, 0x10000) != -1);
	expect(c, map(c, MAP_PRIVATE, 0, 0) != -1);
	expect(c, map(c, MAP_SHARED | MAP_ANONYMOUS, 0, 0) != -1);
}

static void without_uio(struct checks *c)
{
	far_mappings(c);
	expect(c, map(c, MAP_SHARED, 0, 0) != -1);
}

static void with_uio(struct checks *c)
{
	far_mappings(c);
	expect(c, caught(map(c, MAP_SHARED, 0, 0)));
	expect(c, caught(map(c, MAP_SHARED, 0, 0xf000)));
	expect(c, map(c, MAP_SHARED, MEDIO_HOLD_MARK, 0) != -1);
}

static void children(struct checks *c)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(caught(ioctl(c->fd, 0x3b64, 0)) ? 0 : 1);
	expect(c, waitpid(pid, &status, 0) == pid && status == 0);
}

/* In a process of its own, which a filter never leaves. What failed, as bits. */
static void in_filter(bool uio, void (*run)(struct checks *c))
{
	int pair[2], status;
	struct checks c = { 0 };
	enum { NOT_HERE = 77 };

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	pid_t pid = fork();
	if (!pid) {
		int listener;
		struct medio_error *err = NULL;
		c.fd = memfd_create("file", MFD_CLOEXEC);
		if (ftruncate(c.fd, 8192) < 0)
			_exit(1);
		int ret = medio_filter_install(uio, &listener, &err);
		if (ret)
			_exit(ret == -EINVAL ? 1 : NOT_HERE);
		close(listener);
		run(&c);
		_exit(write(pair[1], &c, sizeof(c)) == sizeof(c) ? 0 : 1);
	}
	close(pair[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_HERE) {
		close(pair[0]);
		skip(); /* no user notification here */
	}
	assert_int_equal(status, 0);
	assert_int_equal(read(pair[0], &c, sizeof(c)), sizeof(c));
	close(pair[0]);
	assert_true(c.count > 0);
	assert_int_equal(c.failed, 0);
}

static void ioctls_of_vfio_and_iommufd_are_caught_and_no_others(void **state)
{
	(void)state;
	in_filter(false, ioctls);
}

static void accesses_at_offsets_of_regions_are_caught_and_no_others(void **state)
{
	(void)state;
	in_filter(false, offsets);
}

static void mappings_of_regions_are_caught_but_for_ours(void **state)
{
	(void)state;
	in_filter(false, without_uio);
}

static void with_a_uio_device_shared_mappings_of_files_are_caught_too(void **state)
{
	(void)state;
	in_filter(true, with_uio);
}

static void children_have_the_filter_too(void **state)
{
	(void)state;
	in_filter(false, children);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ioctls_of_vfio_and_iommufd_are_caught_and_no_others),
		cmocka_unit_test(accesses_at_offsets_of_regions_are_caught_and_no_others),
		cmocka_unit_test(mappings_of_regions_are_caught_but_for_ours),
		cmocka_unit_test(with_a_uio_device_shared_mappings_of_files_are_caught_too),
		cmocka_unit_test(children_have_the_filter_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
