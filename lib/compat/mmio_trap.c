/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/mmio_trap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "compat/kdev_inside.h"
#include "compat/mmio_cpu.h"
#include "compat/tracee.h"
#include "util/cleanup.h"

#define MESSAGES 16		     /* taken at once */
#define AGAIN_NS UINT64_C(50000000)  /* until a thread is tried again that somebody else traces */
#define ONES	 (UINT64_C(1) << 20) /* bytes of a mapping that children find ones in */
#define STUCK	 3		     /* times that a thread comes back to what cannot be done */

/* A thread that could not be held yet. */
struct later {
	struct medio_list link;
	pid_t tid;
};

struct medio_mmio_trap {
	struct medio_kfile file;
	struct medio_compat *compat;
	struct medio_kdev *kdev; /* NULL: gone */
	bool counted;		 /* among the device's files */
	unsigned region;
	uint64_t offset, length; /* in the region */
	pid_t tgid;
	uint64_t addr; /* in the program; 0: not mapped yet */
	int uffd;
	struct medio_watch *watch;
	struct medio_timer *timer;
	struct medio_list later;
	/* A thread that came to an instruction which cannot be done: whether it comes again. */
	pid_t stuck_tid;
	uint64_t stuck_at;
	unsigned stuck;
};

/* A thread's access under way. */
struct access {
	struct medio_mmio_trap *trap;
	pid_t tid;
};

/* ---- The card ---------------------------------------------------------------------------------- */

static size_t register_size(uint64_t at, size_t count)
{
	for (size_t size = 8; size > 1; size /= 2)
		if (count >= size && !(at % size))
			return size;
	return 1;
}

/* Interrupts are wired by calls; what a program writes into the table itself must not count. */
static bool is_message_table(const struct medio_kdev *kdev, unsigned region, uint64_t at)
{
	const struct medio_kdev_range *msix = &kdev->state->msix;

	return kdev->look == MEDIO_KDEV_PCI && region == msix->region && at >= msix->offset &&
	       at - msix->offset < msix->size;
}

static int reach(
	struct medio_kdev *kdev, unsigned region, uint64_t at, void *buf, size_t size, bool write)
{
	int ret;

	if (kdev->state->dead)
		return -ENODEV;
	if (write && is_message_table(kdev, region, at))
		return 0;
	ret = write ? medio_card_write(kdev->card, region, at, buf, size)
		    : medio_card_read(kdev->card, region, at, buf, size);
	return (int)medio_kdev_result(kdev, ret);
}

/* As hardware does it: what nobody answers reads as ones, and is not written. */
static void reach_all(
	struct medio_mmio_trap *trap, uint64_t addr, uint8_t *buf, size_t size, bool write)
{
	uint64_t at = addr - trap->addr + trap->offset;

	while (size) {
		size_t part = register_size(at, size);

		if (!trap->kdev || reach(trap->kdev, trap->region, at, buf, part, write)) {
			if (!write)
				memset(buf, 0xff, part);
		}
		at += part;
		buf += part;
		size -= part;
	}
}

static void tell(
	const struct medio_mmio_trap *trap, uint64_t addr, const void *buf, size_t size, bool write)
{
	uint64_t value = 0;

	if (!medio_story_on(trap->compat) || !trap->kdev)
		return;
	memcpy(&value, buf, size < 8 ? size : 8);
	medio_story_say(trap->compat, "%s: mapped region %u, %zu bytes at 0x%jx: %s 0x%jx%s",
		trap->kdev->name, trap->region, size, (uintmax_t)(addr - trap->addr + trap->offset),
		write ? "written" : "read", (uintmax_t)value, size > 8 ? " …" : "");
}

/* ---- The program's memory, of which some is the card's ----------------------------------------- */

static const struct medio_kfile_ops trap_ops;

static bool holds(const struct medio_mmio_trap *trap, uint64_t addr)
{
	return trap->addr && addr - trap->addr < trap->length;
}

/* Another mapping of the same process can be the other side of a copy. */
static struct medio_mmio_trap *trap_at(struct medio_mmio_trap *near, uint64_t addr)
{
	if (holds(near, addr))
		return near;
	medio_list_for_each (item, &near->compat->files) {
		struct medio_kfile *file = medio_container_of(item, struct medio_kfile, link);
		struct medio_mmio_trap *trap = medio_container_of(
			file, struct medio_mmio_trap, file);

		if (file->ops == &trap_ops && trap->tgid == near->tgid && holds(trap, addr))
			return trap;
	}
	return NULL;
}

static bool traps(void *opaque, uint64_t addr)
{
	struct access *a = opaque;

	return trap_at(a->trap, addr);
}

/* An address in the program, as calls of the kernel's want it. */
static void *there(uint64_t addr)
{
	return (void *)(uintptr_t)addr; /* NOLINT(performance-no-int-to-ptr) */
}

static int bus_read(void *opaque, uint64_t addr, void *buf, size_t size)
{
	struct access *a = opaque;
	struct medio_mmio_trap *trap = trap_at(a->trap, addr);
	struct iovec local = { buf, size }, remote = { there(addr), size };

	if (!trap)
		return process_vm_readv(a->tid, &local, 1, &remote, 1, 0) == (ssize_t)size
			       ? 0
			       : -EFAULT;
	if (!holds(trap, addr + size - 1))
		return -EFAULT;
	reach_all(trap, addr, buf, size, false);
	tell(trap, addr, buf, size, false);
	return 0;
}

static int bus_write(void *opaque, uint64_t addr, const void *buf, size_t size)
{
	struct access *a = opaque;
	struct medio_mmio_trap *trap = trap_at(a->trap, addr);
	uint8_t bytes[MEDIO_INSN_VECTOR];
	struct iovec local = { bytes, size }, remote = { there(addr), size };

	memcpy(bytes, buf, size);
	if (!trap)
		return process_vm_writev(a->tid, &local, 1, &remote, 1, 0) == (ssize_t)size
			       ? 0
			       : -EFAULT;
	if (!holds(trap, addr + size - 1))
		return -EFAULT;
	reach_all(trap, addr, bytes, size, true);
	tell(trap, addr, bytes, size, true);
	return 0;
}

/* Code that can be run but not read is read as a debugger reads it. */
static size_t peek_code(pid_t tid, uint64_t addr, uint8_t *buf, size_t size)
{
	size_t got = 0;

	while (got < size) {
		size_t part = size - got < sizeof(long) ? size - got : sizeof(long);

		errno = 0;
		long word = ptrace(PTRACE_PEEKTEXT, tid, addr + got, 0);
		if (errno)
			break;
		memcpy(buf + got, &word, part);
		got += part;
	}
	return got;
}

static size_t read_code(void *opaque, uint64_t addr, void *buf, size_t size)
{
	struct access *a = opaque;
	size_t first = 4096 - addr % 4096;
	struct iovec local = { buf, size };
	struct iovec remote[2] = { { there(addr), size } };
	unsigned parts = 1;

	if (first < size) {
		remote[0].iov_len = first;
		remote[1] = (struct iovec){ there(addr + first), size - first };
		parts = 2;
	}
	ssize_t got = process_vm_readv(a->tid, &local, 1, remote, parts, 0);
	return got > 0 ? (size_t)got : peek_code(a->tid, addr, buf, size);
}

/* ---- Threads ----------------------------------------------------------------------------------- */

/* What the kernel does to a thread whose access cannot be, which it can neither block nor ignore. */
static void send_fault(const struct medio_mmio_trap *trap, pid_t tid, int sig)
{
	uint64_t blocked = 0;
	char path[32], text[2048] = { 0 };

	if (ptrace(PTRACE_GETSIGMASK, tid, sizeof(blocked), &blocked) < 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	const char *ignored = NULL;
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		ignored = strstr(text, "\nSigIgn:\t");
	if (ignored)
		blocked |= strtoull(ignored + strlen("\nSigIgn:\t"), NULL, 16);
	if (blocked >> (sig - 1) & 1)
		sig = SIGKILL;
	syscall(SYS_tgkill, trap->tgid, tid, sig);
}

/* A thread came where nothing can be done for it. One that has only passed does not come again. */
static bool is_stuck(struct medio_mmio_trap *trap, pid_t tid, uint64_t at)
{
	if (trap->stuck_tid != tid || trap->stuck_at != at)
		trap->stuck = 0;
	trap->stuck_tid = tid;
	trap->stuck_at = at;
	if (++trap->stuck < STUCK)
		return false;
	trap->stuck = 0;
	return true;
}

static void give_up(
	struct medio_mmio_trap *trap, pid_t tid, int ret, uint64_t at, const uint8_t *bytes)
{
	char text[3 * MEDIO_INSN_MAX + 1] = "";

	if (!is_stuck(trap, tid, at))
		return;
	for (unsigned i = 0; i < MEDIO_INSN_MAX; i++)
		snprintf(text + 3 * i, 4, "%02x ", bytes[i]);
	if (ret == -EINVAL)
		medio_story_say(trap->compat,
			"thread %d is ended with SIGBUS: it reaches a mapped register with an instruction that "
			"medio does not know, at 0x%jx: %s",
			tid, (uintmax_t)at, text);
	send_fault(trap, tid, ret == -EINVAL ? SIGBUS : SIGSEGV);
}

static bool try_later(struct medio_mmio_trap *trap, pid_t tid)
{
	struct later *later = malloc(sizeof(*later));

	if (!later)
		return false;
	later->tid = tid;
	medio_list_append(&trap->later, &later->link);
	medio_timer_arm(trap->timer, AGAIN_NS);
	return true;
}

/* A thread waits for a page, or has done so: it may have been called away by a signal since. */
static void serve(struct medio_mmio_trap *trap, pid_t tid)
{
	struct access access = { trap, tid };
	struct medio_insn_bus bus = { bus_read, bus_write, &access };
	uint8_t bytes[MEDIO_INSN_MAX];
	uint64_t at;
	int stop, ret = medio_tracee_seize(tid);

	if (ret) {
		/* A debugger's thread waits until the debugger lets it go. */
		if (ret != -ESRCH && ret != -ENOTSUP)
			try_later(trap, tid);
		return;
	}
	medio_tracee_interrupt(tid);
	ret = medio_tracee_wait(tid, false, &stop);
	if (ret == -EBUSY)
		medio_tracee_release_later(trap->compat, tid, trap->tgid);
	if (ret)
		return;
	ret = medio_mmio_cpu_step(tid, read_code, traps, &bus, &at, bytes);
	if (ret == -EINVAL || ret == -EFAULT)
		give_up(trap, tid, ret, at, bytes);
	/* A signal that was on its way when it was asked to stop is still to come. */
	if (stop < 256)
		ret = medio_tracee_detach(tid, stop);
	else if (ret == -EAGAIN)
		ret = medio_tracee_release(tid);
	else
		ret = medio_tracee_detach(tid, 0);
	if (ret)
		medio_tracee_release_later(trap->compat, tid, trap->tgid);
}

static void on_timer(void *opaque)
{
	struct medio_mmio_trap *trap = opaque;
	struct medio_list tried;

	medio_list_init(&tried);
	medio_list_for_each (item, &trap->later) {
		medio_list_remove(item);
		medio_list_append(&tried, item);
	}
	medio_list_for_each (item, &tried) {
		struct later *later = medio_container_of(item, struct later, link);

		medio_list_remove(item);
		if (medio_tracee_find(trap->tgid, later->tid))
			serve(trap, later->tid);
		free(later);
	}
}

static void on_faults(void *opaque, uint32_t events)
{
	struct medio_mmio_trap *trap = opaque;
	struct uffd_msg messages[MESSAGES];
	ssize_t got = read(trap->uffd, messages, sizeof(messages));

	(void)events;
	for (ssize_t i = 0; i < got / (ssize_t)sizeof(messages[0]); i++) {
		if (messages[i].event != UFFD_EVENT_PAGEFAULT)
			continue;
		pid_t tid = medio_tracee_find(
			trap->tgid, (pid_t)messages[i].arg.pagefault.feat.ptid);
		if (tid)
			serve(trap, tid);
	}
}

/* ---- Its life ---------------------------------------------------------------------------------- */

static void leave_device(struct medio_mmio_trap *trap)
{
	struct medio_kdev *kdev = trap->kdev;

	trap->kdev = NULL;
	if (kdev && trap->counted)
		medio_kdev_put(kdev);
}

static void on_release(struct medio_kfile *file)
{
	struct medio_mmio_trap *trap = medio_container_of(file, struct medio_mmio_trap, file);

	medio_watch_free(trap->watch);
	medio_timer_free(trap->timer);
	if (trap->uffd >= 0)
		close(trap->uffd);
	medio_list_for_each (item, &trap->later)
		free(medio_container_of(item, struct later, link));
	leave_device(trap);
	free(trap);
}

static const struct medio_kfile_ops trap_ops = {
	.what = "registers",
	.release = on_release,
};

/* What is found by those whose accesses do not trap. */
static int fill(int fd, uint64_t length)
{
	uint8_t ones[4096];

	memset(ones, 0xff, sizeof(ones));
	if (ftruncate(fd, (off_t)length) < 0)
		return -errno;
	for (uint64_t at = 0; at < length && at < ONES; at += sizeof(ones))
		if (pwrite(fd, ones, sizeof(ones), (off_t)at) < 0)
			return -errno;
	return 0;
}

int medio_mmio_trap_new(struct medio_kdev *kdev, unsigned region, uint64_t offset, uint64_t length,
	struct medio_mmio_trap **out, int *fd)
{
	_cleanup_close_ int memfd = memfd_create(trap_ops.what, MFD_CLOEXEC);
	_cleanup_free_ struct medio_mmio_trap *trap = calloc(1, sizeof(*trap));

	if (memfd < 0 || !trap)
		return memfd < 0 ? -errno : -ENOMEM;
	*trap = (struct medio_mmio_trap){ .compat = kdev->compat,
		.kdev = kdev,
		.region = region,
		.offset = offset,
		.length = length,
		.uffd = -1 };
	medio_list_init(&trap->later);
	int ret = fill(memfd, length);
	if (!ret)
		ret = medio_kfile_watch(kdev->compat, &trap_ops, &trap->file, memfd);
	if (ret)
		return ret;
	*fd = medio_steal_fd(memfd);
	*out = medio_steal_ptr(trap);
	return 0;
}

int medio_mmio_trap_start(struct medio_mmio_trap *trap, pid_t tgid, uint64_t addr, int uffd)
{
	struct uffdio_api api = { .api = UFFD_API,
		.features = UFFD_FEATURE_THREAD_ID | UFFD_FEATURE_MINOR_SHMEM };

	trap->uffd = uffd;
	if (ioctl(uffd, UFFDIO_API, &api) < 0)
		return -EPERM;
	trap->timer = medio_loop_timer(trap->compat->loop, on_timer, trap);
	trap->watch = medio_loop_watch(trap->compat->loop, uffd, EPOLLIN, on_faults, trap);
	if (!trap->timer || !trap->watch)
		return -ENOMEM;
	trap->tgid = tgid;
	trap->addr = addr;
	/* Files of sysfs, which UIO's programs map, keep no device open. */
	trap->counted = trap->kdev->files;
	trap->kdev->files += trap->counted;
	return 0;
}

int medio_mmio_trap_arm(struct medio_mmio_trap *trap, uint64_t addr, uint64_t size)
{
	struct uffdio_register range = { .range = { addr, size },
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR };

	return ioctl(trap->uffd, UFFDIO_REGISTER, &range) < 0 ? -errno : 0;
}

void medio_mmio_traps_forget(struct medio_kdev *kdev)
{
	medio_list_for_each (item, &kdev->compat->files) {
		struct medio_kfile *file = medio_container_of(item, struct medio_kfile, link);
		struct medio_mmio_trap *trap = medio_container_of(
			file, struct medio_mmio_trap, file);

		if (file->ops == &trap_ops && trap->kdev == kdev) {
			trap->counted = false;
			trap->kdev = NULL;
		}
	}
}
