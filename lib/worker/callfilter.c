/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two lists of system calls: what serving devices takes, and what making more of them takes on top.
 * All else kills the process: whoever calls it is not us any more.
 *
 * Never allowed: another program or process (execve, fork), another's memory or fate (ptrace,
 * process_vm_*, kill), another view of the machine (mount, unshare, setns), new rings of io_uring, bpf,
 * perf, keys, executable memory. Only for a device that needs it: io_uring, sockets other than AF_UNIX.
 */
#include "worker/callfilter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/seccomp.h>
#include <linux/vfio.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <medio/device.h>

#include "util/cleanup.h"
#include "util/error.h"

/* By name: what an architecture does not have, or this libseccomp does not know, is left out. */
static const char *const serving[] = {
	/* The loop; connections. */
	"epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl", "recvmsg", "recvfrom", "recvmmsg",
	"sendmsg", "sendto", "sendmmsg", "accept4", "accept", "shutdown", "poll", "ppoll", "select",
	"pselect6", "getsockopt", "setsockopt", "getsockname", "getpeername", "epoll_create1",
	"eventfd2", "timerfd_create", "timerfd_settime", "timerfd_gettime",
	/* Files that are open. readlink: what a descriptor is, /proc/self/fd/N; Landlock cares
	 * neither about that nor about stat. */
	"read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2",
	"pwritev2", "lseek", "close", "close_range", "fstat", "newfstatat", "stat", "lstat",
	"statx", "fstatfs", "readlink", "readlinkat", "fcntl", "dup", "dup2", "dup3", "fsync",
	"fdatasync", "ftruncate", "fallocate", "fadvise64", "memfd_create", "inotify_rm_watch",
	/* Memory; mmap and mprotect below. */
	"munmap", "mremap", "madvise", "msync", "brk", "mincore",
	/* Time. */
	"clock_gettime", "clock_getres", "gettimeofday", "time", "nanosleep", "clock_nanosleep",
	/* Ourselves. */
	"futex", "rseq", "set_robust_list", "membarrier", "sched_yield", "getcpu",
	"sched_getaffinity", "restart_syscall", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
	"rt_sigpending", "sigaltstack", "getpid", "gettid", "getppid", "getuid", "geteuid",
	"getgid", "getegid", "getrandom", "uname", "sysinfo", "getrlimit", "getrusage", "times",
	"exit", "exit_group"
};

/* Ends of what a device made: with Landlock, in its own folders only. */
static const char *const removing[] = { "unlink", "unlinkat" };

static const char *const opening[] = { "openat", "open", "access", "faccessat", "faccessat2",
	"getdents64", "getcwd", "mkdir", "mkdirat", "rmdir", "symlink", "symlinkat", "chmod",
	"fchmod", "fchmodat", "umask", "statfs", "bind", "connect", "listen", "inotify_init1",
	"inotify_add_watch", "flock" };

/* Politely refused to those who may not: libraries look for files and live without. */
static const char *const asking[] = { "openat", "open", "access", "faccessat", "faccessat2" };

/* By what a device needs (MEDIO_NEEDS_*): a ring that was made before; sockets of its own. */
static const char *const ringing[] = { "io_uring_enter" };
static const char *const talking[] = { "bind", "connect", "listen" };
static const int families[] = { AF_UNIX, AF_INET, AF_INET6 };

/* Of files, terminals. */
static const unsigned long ioctls[] = { FIONREAD, FIONBIO, TCGETS, TIOCGWINSZ, TIOCOUTQ };
static const unsigned long terminal_ioctls[] = { TIOCGPTN, TIOCSPTLCK, TIOCGPTLCK, TCSETS, TCSETSW,
	TCSETSF };
static const unsigned long disk_ioctls[] = { BLKSSZGET, BLKPBSZGET, BLKIOOPT };
/* if_nametoindex(), for a name server's fe80::1%eth0. */
static const unsigned long socket_ioctls[] = { SIOCGIFINDEX };
static const unsigned long tun_ioctls[] = { TUNSETOFFLOAD };
/* Of a device's files, and of what its memory is mapped by, both open. Those of iommufd (linux/iommufd.h), which
 * headers of Debian 12 do not have: IOAS_IOVA_RANGES, IOAS_MAP, IOAS_UNMAP. */
static const unsigned long vfio_ioctls[] = { VFIO_IOMMU_MAP_DMA, VFIO_IOMMU_UNMAP_DMA,
	VFIO_IOMMU_GET_INFO, VFIO_DEVICE_GET_INFO, VFIO_DEVICE_GET_REGION_INFO,
	VFIO_DEVICE_GET_IRQ_INFO, VFIO_DEVICE_SET_IRQS, VFIO_DEVICE_RESET, _IO(';', 0x84),
	_IO(';', 0x85), _IO(';', 0x86) };

static int add(scmp_filter_ctx ctx, uint32_t action, const char *name, unsigned nargs,
	const struct scmp_arg_cmp *args)
{
	int call = seccomp_syscall_resolve_name(name);
	if (call == __NR_SCMP_ERROR || call < 0)
		return 0;
	return seccomp_rule_add_array(ctx, action, call, nargs, args);
}

static int add_all(scmp_filter_ctx ctx, uint32_t action, const char *const *names, size_t count)
{
	int ret = 0;
	for (size_t i = 0; i < count && !ret; i++)
		ret = add(ctx, action, names[i], 0, NULL);
	return ret;
}

/* Allow a call if its argument is value under mask. */
static int add_if(
	scmp_filter_ctx ctx, const char *name, unsigned arg, uint64_t mask, uint64_t value)
{
	const struct scmp_arg_cmp cmp = { arg, SCMP_CMP_MASKED_EQ, mask, value };
	return add(ctx, SCMP_ACT_ALLOW, name, 1, &cmp);
}

static int add_ioctls(scmp_filter_ctx ctx, const unsigned long *numbers, size_t count)
{
	int ret = 0;
	for (size_t i = 0; i < count && !ret; i++)
		ret = add_if(ctx, "ioctl", 1, UINT32_MAX, numbers[i]);
	return ret;
}

/* Memory, but none that can be executed. */
static int add_memory(scmp_filter_ctx ctx, const char *name)
{
	const struct scmp_arg_cmp exec = { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC };
	int ret = add_if(ctx, name, 2, PROT_EXEC, 0);
	return ret ? ret : add(ctx, SCMP_ACT_ERRNO(EPERM), name, 1, &exec);
}

static int add_common(scmp_filter_ctx ctx)
{
	/* Its own limits may be read: all processes but itself are nobody's business. */
	const struct scmp_arg_cmp limits[] = { { 0, SCMP_CMP_EQ, 0 }, { 2, SCMP_CMP_EQ, 0 } };
	int ret = add_all(ctx, SCMP_ACT_ALLOW, serving, MEDIO_ARRAY_SIZE(serving));
	if (ret == 0)
		ret = add_memory(ctx, "mmap");
	if (ret == 0)
		ret = add_memory(ctx, "mprotect");
	if (ret == 0)
		ret = add_ioctls(ctx, ioctls, MEDIO_ARRAY_SIZE(ioctls));
	if (ret == 0)
		ret = add(ctx, SCMP_ACT_ALLOW, "prlimit64", 2, limits);
	if (ret == 0) /* raise() and abort() */
		ret = add_if(ctx, "tgkill", 0, UINT32_MAX, (uint32_t)getpid());
	if (ret == 0)
		ret = add_if(ctx, "kill", 0, UINT32_MAX, (uint32_t)getpid());
	if (ret == 0)
		ret = add_if(ctx, "socketpair", 0, UINT32_MAX, AF_UNIX);
	return ret;
}

static int add_sockets(scmp_filter_ctx ctx)
{
	int ret = add_all(ctx, SCMP_ACT_ALLOW, talking, MEDIO_ARRAY_SIZE(talking));
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(families) && !ret; i++)
		ret = add_if(ctx, "socket", 0, UINT32_MAX, (uint64_t)families[i]);
	if (ret == 0)
		ret = add_ioctls(ctx, socket_ioctls, MEDIO_ARRAY_SIZE(socket_ioctls));
	return ret;
}

/* Threads of a device, and nothing else that clone() makes. clone3() cannot be looked into, so the C library
 * has to do without. */
static int add_threads(scmp_filter_ctx ctx)
{
	const uint64_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
	const uint64_t not = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
			     CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_PTRACE |
			     CLONE_UNTRACED | CLONE_VFORK | CLONE_PIDFD;
	int ret = add_if(ctx, "clone", 0, thread | not, thread);
	return ret ? ret : add(ctx, SCMP_ACT_ERRNO(ENOSYS), "clone3", 0, NULL);
}

/* A device among others that wants a socket or a ring learns that it cannot have one, and the others live:
 * what a ring does nobody would filter. */
static int add_opening(scmp_filter_ctx ctx)
{
	int ret = add_all(ctx, SCMP_ACT_ALLOW, opening, MEDIO_ARRAY_SIZE(opening));
	if (ret == 0)
		ret = add_ioctls(ctx, terminal_ioctls, MEDIO_ARRAY_SIZE(terminal_ioctls));
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(families) && !ret; i++) {
		const struct scmp_arg_cmp cmp = { 0, SCMP_CMP_MASKED_EQ, UINT32_MAX,
			(uint64_t)families[i] };
		ret = add(ctx, families[i] == AF_UNIX ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EACCES),
			"socket", 1, &cmp);
	}
	if (ret == 0)
		ret = add_ioctls(ctx, disk_ioctls, MEDIO_ARRAY_SIZE(disk_ioctls));
	if (ret == 0)
		ret = add_threads(ctx);
	return ret ? ret : add(ctx, SCMP_ACT_ERRNO(EACCES), "io_uring_setup", 0, NULL);
}

static int add_needs(scmp_filter_ctx ctx, unsigned needs)
{
	int ret = 0;
	if (needs & MEDIO_NEEDS_RING)
		ret = add_all(ctx, SCMP_ACT_ALLOW, ringing, MEDIO_ARRAY_SIZE(ringing));
	if (ret == 0 && needs & MEDIO_NEEDS_SOCKETS)
		ret = add_sockets(ctx);
	if (ret == 0 && needs & MEDIO_NEEDS_TUN)
		ret = add_ioctls(ctx, tun_ioctls, MEDIO_ARRAY_SIZE(tun_ioctls));
	if (ret == 0 && needs & MEDIO_NEEDS_VFIO)
		ret = add_ioctls(ctx, vfio_ioctls, MEDIO_ARRAY_SIZE(vfio_ioctls));
	return ret;
}

/* Who talks looks for a name server and for files that are asked for: what there is to be read is then
 * Landlock's to say. */
static int add_asking(scmp_filter_ctx ctx, unsigned needs, bool landlock)
{
	bool may = needs & MEDIO_NEEDS_SOCKETS && landlock;
	return add_all(ctx, may ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EACCES), asking,
		MEDIO_ARRAY_SIZE(asking));
}

static int fill(scmp_filter_ctx ctx, bool opens, unsigned needs, bool landlock)
{
	uint32_t remove = opens || landlock ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EACCES);
	int ret = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* A tree of comparisons: the kernel tries every number once, when it takes the filter. */
	if (ret == 0)
		ret = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (ret == 0)
		ret = add_common(ctx);
	if (ret == 0)
		ret = add_all(ctx, remove, removing, MEDIO_ARRAY_SIZE(removing));
	if (ret == 0)
		ret = add_needs(ctx, needs);
	if (ret)
		return ret;
	return opens ? add_opening(ctx) : add_asking(ctx, needs, landlock);
}

/* ---- The filter as the kernel takes it ------------------------------------------------------------- */

struct program {
	struct sock_filter *code;
	unsigned short count;
	bool landlock;
};

/* Made beforehand, while there is time: it takes longer than all else in a START. By [opens], for devices
 * without needs. */
static struct program programs[2];

/* libseccomp writes to files only. */
static int export(scmp_filter_ctx ctx, struct program *program)
{
	_cleanup_close_ int fd = memfd_create("filter", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	int ret = seccomp_export_bpf(ctx, fd);
	off_t size = lseek(fd, 0, SEEK_END);
	if (ret || size <= 0)
		return ret ? ret : -EIO;
	_cleanup_free_ struct sock_filter *code = malloc((size_t)size);
	if (!code)
		return -ENOMEM;
	if (pread(fd, code, (size_t)size, 0) != size)
		return -EIO;
	program->count = (unsigned short)((size_t)size / sizeof(*code));
	program->code = medio_steal_ptr(code);
	return 0;
}

static int make(bool opens, unsigned needs, bool landlock, struct program *program)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int ret = ctx ? fill(ctx, opens, needs, landlock) : -ENOMEM;
	if (ret == 0)
		ret = export(ctx, program);
	if (ctx)
		seccomp_release(ctx);
	return ret;
}

int medio_callfilter_prepare(bool opens, bool landlock)
{
	programs[opens].landlock = landlock;
	return programs[opens].code ? 0 : make(opens, 0, landlock, &programs[opens]);
}

/* All threads: those of a device were there before (seccomp(2), SECCOMP_FILTER_FLAG_TSYNC). */
static int install(const struct program *program)
{
	const struct sock_fprog fprog = { program->count, program->code };
	long ret = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &fprog);
	if (ret > 0) /* a thread that has a filter of its own */
		return -EBUSY;
	return ret < 0 ? -errno : 0;
}

int medio_callfilter_apply(bool opens, unsigned needs, bool landlock, struct medio_error **err)
{
	const struct program *program = &programs[opens];
	struct program own = { 0 };
	int ret = 0;
	if (needs || !program->code || program->landlock != landlock) {
		ret = make(opens, needs, landlock, &own);
		program = &own;
	}
	if (ret == 0)
		ret = install(program);
	for (unsigned i = 0; i < MEDIO_ARRAY_SIZE(programs); i++)
		free(medio_steal_ptr(programs[i].code));
	free(own.code);
	return ret ? medio_error_set(err, -ret, "cannot filter system calls: %s", strerror(-ret))
		   : 0;
}

bool medio_callfilter_possible(void)
{
	return true;
}

bool medio_callfilter_watched(void)
{
	return false;
}
