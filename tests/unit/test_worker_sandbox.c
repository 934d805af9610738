/* SPDX-License-Identifier: BSD-3-Clause */
/* Each test gives up something for ever, so each does it in a child of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/vfio.h>
#include <net/if.h>
#include <netinet/in.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <medio/device.h>

#include "util/error.h"
#include "worker/sandbox.h"
#include "worker/wire.h"

/* By a sanitizer, which needs what a limit would take from it. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WATCHED true
#elif defined(__has_feature)
#define WATCHED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define WATCHED false
#endif

static char dir[] = "/tmp/medio-sandbox-XXXXXX";

static const char *path(const char *name)
{
	static char buf[80];
	snprintf(buf, sizeof(buf), "%s/%s", dir, name);
	return buf;
}

/* Run fn in a child; how it ended, as waitpid() says. fn returns 0, or the line that failed. */
static int child(int (*fn)(void))
{
	int status;
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

#define CHECK(cond) \
	do { \
		if (!(cond)) \
			return __LINE__ % 255 + 1; \
	} while (0)

static void assert_good(int (*fn)(void))
{
	int status = child(fn);
	if (WIFSIGNALED(status))
		fail_msg("killed by %s", strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status))
		fail_msg("failed at line %d (modulo 255)", WEXITSTATUS(status) - 1);
}

static bool confined(bool opens)
{
	return medio_sandbox_identity(getuid(), getgid(), NULL) == 0 &&
	       medio_sandbox_calls(opens, 0, NULL) == 0;
}

/* ---- Identity and limits ------------------------------------------------------------------------------------ */

static int another_user(void)
{
	uid_t r, e, s;
	gid_t groups[64];
	CHECK(medio_sandbox_identity(54321, 54322, NULL) == 0);
	CHECK(getresuid(&r, &e, &s) == 0 && r == 54321 && e == 54321 && s == 54321);
	CHECK(getresgid(&r, &e, &s) == 0 && r == 54322 && e == 54322 && s == 54322);
	CHECK(getgroups(64, groups) == 0);
	CHECK(setuid(0) < 0 && setgid(0) < 0);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	for (int cap = 0; cap < 40; cap++)
		CHECK(prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 0);
	/* And there is no way back, or on. */
	struct medio_error *err = NULL;
	CHECK(medio_sandbox_identity(54321, 54322, NULL) == 0);
	CHECK(medio_sandbox_identity(0, 0, &err) == -EPERM);
	CHECK(strstr(medio_error_text(err), "54321"));
	medio_error_free(err);
	return 0;
}

static void root_becomes_another_user_for_ever(void **state)
{
	(void)state;
	assert_good(another_user);
}

static int powerless(void)
{
	CHECK(medio_sandbox_identity(getuid(), getgid(), NULL) == 0);
	CHECK(chown(path("out"), 1, 1) < 0 && errno == EPERM);
	CHECK(chroot("/") < 0 && errno == EPERM);
	return 0;
}

static void root_without_capabilities_is_nobody(void **state)
{
	(void)state;
	assert_good(powerless);
}

static int limited(void)
{
	struct rlimit limit;
	CHECK(medio_sandbox_limits(1ull << 40, 50, NULL) == 0);
	CHECK(WATCHED || (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_max == 1ull << 40));
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max == 50);
	CHECK(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0);
	/* What is lower stays. */
	CHECK(medio_sandbox_limits(1ull << 41, 60, NULL) == 0);
	CHECK(WATCHED || (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_max == 1ull << 40));
	CHECK(medio_sandbox_limits(0, 0, NULL) == 0);
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == 50);
	return 0;
}

static void limits_are_lowered_and_never_raised(void **state)
{
	(void)state;
	assert_good(limited);
}

/* ---- Files ---------------------------------------------------------------------------------------------------- */

static bool refused(int ret)
{
	return ret < 0 && errno == EACCES;
}

static int confined_files(void)
{
	const char *folders[] = { path("in") };
	char text[80];
	snprintf(text, sizeof(text), "%s", folders[0]);
	folders[0] = text;
	CHECK(medio_sandbox_identity(getuid(), getgid(), NULL) == 0);
	CHECK(medio_sandbox_files(
		      &(struct medio_sandbox_paths){ .folders = folders, .nfolders = 1 }, 0,
		      NULL) == 0);
	CHECK(refused(open(path("out"), O_RDONLY | O_CLOEXEC)));
	CHECK(refused(open(path("new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)));
	CHECK(refused(open("/etc/passwd", O_RDONLY | O_CLOEXEC)));
	CHECK(refused(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
	CHECK(refused(unlink(path("out"))));
	CHECK(refused(truncate(path("out"), 0)));
	CHECK(refused(symlink("x", path("new"))));
	CHECK(open(path("in/new"), O_RDWR | O_CREAT | O_CLOEXEC, 0700) >= 0);
	CHECK(mkdir(path("in/folder"), 0700) == 0);
	CHECK(symlink("x", path("in/folder/link")) == 0);
	CHECK(unlink(path("in/folder/link")) == 0);
	CHECK(rmdir(path("in/folder")) == 0);
	CHECK(mknod(path("in/fifo"), S_IFIFO | 0600, 0) == 0);
	CHECK(unlink(path("in/fifo")) == 0);
	execl(path("in/new"), "new", (char *)NULL);
	CHECK(errno == EACCES);
	CHECK(unlink(path("in/new")) == 0);
	execl("/bin/true", "true", (char *)NULL);
	CHECK(errno == EACCES);
	/* Terminals are made here. */
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master >= 0)
		CHECK(unlockpt(master) == 0 &&
			open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC) >= 0);
	return 0;
}

static void files_are_opened_beneath_the_folders_only(void **state)
{
	(void)state;
	assert_good(confined_files);
}

static int removing_files(void)
{
	char text[80];
	const char *made[] = { text };
	snprintf(text, sizeof(text), "%s", path("in/made"));
	CHECK(symlink("x", text) == 0);
	CHECK(medio_sandbox_identity(getuid(), getgid(), NULL) == 0);
	CHECK(medio_sandbox_files(
		      &(struct medio_sandbox_paths){ .made = made, .nmade = 1 }, 0, NULL) == 0);
	CHECK(refused(open(text, O_RDONLY | O_CREAT | O_CLOEXEC, 0600)));
	CHECK(refused(unlink(path("out"))));
	CHECK(unlink(text) == 0);
	return 0;
}

static void what_was_made_can_be_removed(void **state)
{
	(void)state;
	assert_good(removing_files);
}

static int missing_folder(void)
{
	const char *folders[] = { "/no/such/folder" };
	struct medio_error *err = NULL;
	CHECK(medio_sandbox_identity(getuid(), getgid(), NULL) == 0);
	CHECK(medio_sandbox_files(
		      &(struct medio_sandbox_paths){ .folders = folders, .nfolders = 1 }, 0,
		      &err) == -ENOENT);
	CHECK(strstr(medio_error_text(err), "/no/such/folder"));
	medio_error_free(err);
	return 0;
}

static void a_folder_that_is_not_there_is_named(void **state)
{
	(void)state;
	assert_good(missing_folder);
}

/* ---- System calls ----------------------------------------------------------------------------------------------- */

/* Whatever is served does this. */
static int serving(void)
{
	static const char greeting[] = "hello";
	char bytes[8];
	struct pollfd p;
	int pair[2];
	uint64_t one = 1;
	int fd = memfd_create("memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK(fd >= 0 && ftruncate(fd, 8192) == 0 && fallocate(fd, 0, 0, 4096) == 0);
	char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	CHECK(mprotect(map, 8192, PROT_READ) == 0);
	CHECK(madvise(map, 4096, MADV_DONTNEED) == 0 && munmap(map, 8192) == 0);
	CHECK(fcntl(fd, F_DUPFD_CLOEXEC, 3) >= 0 && pwrite(fd, greeting, 6, 0) == 6);
	CHECK(pread(fd, bytes, 6, 0) == 6 && fdatasync(fd) == 0);

	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN };
	CHECK(event >= 0 && epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, event, &ev) == 0);
	CHECK(write(event, &one, 8) == 8 && epoll_wait(epoll, &ev, 1, -1) == 1);
	struct timespec ts = { 0, 1000 };
	CHECK(epoll_pwait2(epoll, &ev, 1, &ts, NULL) == 1 || errno == ENOSYS);
	p = (struct pollfd){ .fd = event, .events = POLLIN };
	CHECK(poll(&p, 1, 0) == 1);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	CHECK(send(pair[0], greeting, 6, MSG_NOSIGNAL) == 6 && recv(pair[1], bytes, 8, 0) == 6);
	CHECK(shutdown(pair[0], SHUT_WR) == 0);
	struct ucred peer;
	socklen_t len = sizeof(peer);
	CHECK(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0);
	char link[32], target[64];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", event);
	CHECK(readlink(link, target, sizeof(target)) > 0);
	struct stat st;
	CHECK(fstat(fd, &st) == 0 && st.st_size == 8192);
	int nbytes;
	CHECK(ioctl(pair[1], FIONREAD, &nbytes) == 0);
	CHECK(sysconf(_SC_NPROCESSORS_ONLN) != 0 && sysconf(_SC_OPEN_MAX) > 0);
	struct rlimit limit;
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	/* Memory of all sizes, back and forth. */
	for (size_t size = 16; size < 64u << 20; size *= 4) {
		char *p1 = malloc(size);
		CHECK(p1);
		memset(p1, 1, size);
		p1 = realloc(p1, size * 2);
		CHECK(p1);
		free(p1);
	}
	signal(SIGBUS, SIG_DFL);
	return 0;
}

static int serving_closed(void)
{
	CHECK(confined(false));
	return serving();
}

static int serving_open(void)
{
	CHECK(confined(true));
	return serving();
}

static void what_serving_takes_is_allowed(void **state)
{
	(void)state;
	assert_good(serving_closed);
	assert_good(serving_open);
}

static char *guarded;

static void on_sigbus(int sig)
{
	(void)sig;
	(void)mmap(guarded, 4096, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

/* As the SIGBUS guard does: memory goes away under us, and other memory takes its place. */
static int guarding(void)
{
	int fd = memfd_create("memory", MFD_CLOEXEC);
	CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
	guarded = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(guarded != MAP_FAILED);
	*guarded = 1;
	CHECK(confined(false));
	CHECK(signal(SIGBUS, on_sigbus) != SIG_ERR);
	CHECK(ftruncate(fd, 0) == 0);
	CHECK(*(volatile char *)guarded == 0);
	return 0;
}

static void memory_can_be_put_in_the_place_of_other_memory(void **state)
{
	(void)state;
	assert_good(guarding);
}

static int not_opening(void)
{
	CHECK(confined(false));
	CHECK(refused(open("/dev/null", O_RDWR | O_CLOEXEC)));
	CHECK(refused(access("/dev/null", R_OK)));
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		MAP_FAILED);
	CHECK(errno == EPERM);
	char *map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(map != MAP_FAILED);
	CHECK(mprotect(map, 4096, PROT_READ | PROT_EXEC) < 0 && errno == EPERM);
	return 0;
}

static void opening_and_executable_memory_are_refused_politely(void **state)
{
	(void)state;
	assert_good(not_opening);
}

static int opening(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path("in/socket"));
	CHECK(confined(true));
	CHECK(open("/dev/null", O_RDWR | O_CLOEXEC) >= 0);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(fd >= 0 && fchmod(fd, 0600) == 0);
	CHECK(bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 && listen(fd, 1) == 0);
	int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(connect(peer, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	CHECK(unlink(addr.sun_path) == 0);
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master >= 0)
		CHECK(grantpt(master) == 0 && unlockpt(master) == 0);
	CHECK(mmap(NULL, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	return 0;
}

static void more_instances_may_open_more(void **state)
{
	(void)state;
	assert_good(opening);
}

/* ---- What devices need ---------------------------------------------------------------------------------------------- */

static int talking(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(addr);
	char text[80], file[96];
	const char *read[] = { text };
	snprintf(text, sizeof(text), "%s", path("in"));
	snprintf(file, sizeof(file), "%s/served", text);
	CHECK(close(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)) == 0);
	CHECK(medio_sandbox_identity(getuid(), getgid(), NULL) == 0);
	CHECK(medio_sandbox_files(&(struct medio_sandbox_paths){ .read = read, .nread = 1 },
		      MEDIO_NEEDS_SOCKETS, NULL) == 0);
	CHECK(medio_sandbox_calls(false, MEDIO_NEEDS_SOCKETS, NULL) == 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&addr, len) == 0 && listen(fd, 1) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&addr, &len) == 0);
	int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(connect(peer, (struct sockaddr *)&addr, len) == 0);
	CHECK(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0 || errno == EAFNOSUPPORT);
	CHECK(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0);
	if_nametoindex("lo");
	/* Files: to be read, and no others. */
	CHECK(open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC) >= 0 || errno == ENOENT);
	CHECK(open(file, O_RDONLY | O_CLOEXEC) >= 0);
	CHECK(refused(open(file, O_RDWR | O_CLOEXEC)));
	CHECK(refused(open(path("in/new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)));
	CHECK(refused(open(path("out"), O_RDONLY | O_CLOEXEC)));
	CHECK(refused(open("/etc/passwd", O_RDONLY | O_CLOEXEC)));
	return 0;
}

static int talking_to_the_kernel(void)
{
	CHECK(medio_sandbox_identity(getuid(), getgid(), NULL) == 0);
	CHECK(medio_sandbox_calls(false, MEDIO_NEEDS_SOCKETS, NULL) == 0);
	socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
	return 0;
}

static void sockets_are_made_by_who_needs_them(void **state)
{
	(void)state;
	assert_good(talking);
	unlink(path("in/served"));
	int status = child(talking_to_the_kernel);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static int tapping(void)
{
	CHECK(medio_sandbox_identity(getuid(), getgid(), NULL) == 0);
	CHECK(medio_sandbox_calls(false, MEDIO_NEEDS_TUN, NULL) == 0);
	CHECK(ioctl(0, TUNSETOFFLOAD, 0) < 0);
	return 0;
}

static int tapping_otherwise(void)
{
	CHECK(medio_sandbox_identity(getuid(), getgid(), NULL) == 0);
	CHECK(medio_sandbox_calls(false, MEDIO_NEEDS_TUN, NULL) == 0);
	ioctl(0, TUNSETIFF, NULL);
	return 0;
}

static void a_tap_can_be_changed_and_not_be_made(void **state)
{
	(void)state;
	assert_good(tapping);
	int status = child(tapping_otherwise);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static int passing_on(void)
{
	CHECK(medio_sandbox_identity(getuid(), getgid(), NULL) == 0);
	CHECK(medio_sandbox_calls(false, MEDIO_NEEDS_VFIO, NULL) == 0);
	CHECK(ioctl(0, VFIO_IOMMU_MAP_DMA, NULL) < 0);
	CHECK(ioctl(0, VFIO_IOMMU_UNMAP_DMA, NULL) < 0);
	CHECK(ioctl(0, VFIO_DEVICE_SET_IRQS, NULL) < 0);
	CHECK(ioctl(0, VFIO_DEVICE_RESET) < 0);
	CHECK(ioctl(0, _IO(VFIO_TYPE, 0x85), NULL) < 0); /* IOMMU_IOAS_MAP */
	return 0;
}

static int passing_another(void)
{
	CHECK(medio_sandbox_identity(getuid(), getgid(), NULL) == 0);
	CHECK(medio_sandbox_calls(false, MEDIO_NEEDS_VFIO, NULL) == 0);
	ioctl(0, VFIO_GROUP_GET_DEVICE_FD, "0000:00:00.0");
	return 0;
}

static void a_card_of_vfio_can_be_used_and_not_another_opened(void **state)
{
	(void)state;
	assert_good(passing_on);
	int status = child(passing_another);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

/* The calls of an attacker: none comes back. */
static int attack;

static long do_exec(void)
{
	return execl("/bin/true", "true", (char *)NULL);
}

static long do_fork(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static long do_ptrace(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), 0, 0);
}

static long do_kill(void)
{
	return kill(getppid(), 0);
}

static long do_tgkill(void)
{
	return syscall(SYS_tgkill, getppid(), getppid(), 0);
}

static long do_inet(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static long do_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0);
}

static long do_inet_pair(void)
{
	int pair[2];
	return socketpair(AF_INET, SOCK_STREAM, 0, pair);
}

static long do_mount(void)
{
	return syscall(SYS_mount, "none", "/mnt", "tmpfs", 0, NULL);
}

static long do_unshare(void)
{
	return syscall(SYS_unshare, 0);
}

static long do_setns(void)
{
	return syscall(SYS_setns, -1, 0);
}

static long do_bpf(void)
{
	return syscall(SYS_bpf, 0, NULL, 0);
}

static long do_io_uring(void)
{
	return syscall(SYS_io_uring_setup, 1, NULL);
}

static long do_perf(void)
{
	return syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0);
}

static long do_keyctl(void)
{
	return syscall(SYS_keyctl, 0, 0);
}

static long do_vm_read(void)
{
	return process_vm_readv(getppid(), NULL, 0, NULL, 0, 0);
}

static long do_limit(void)
{
	struct rlimit limit = { 1, 1 };
	return prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit);
}

static long do_set_limit(void)
{
	struct rlimit limit = { 1, 1 };
	return setrlimit(RLIMIT_CORE, &limit);
}

static long do_userfault(void)
{
	return syscall(SYS_userfaultfd, 0);
}

static long do_push(void)
{
	char c = 'x';
	return ioctl(0, TIOCSTI, &c);
}

static long do_setuid(void)
{
	return setuid(0);
}

static long do_prctl(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long do_unfilter(void)
{
	return syscall(SYS_seccomp, 0, 0, NULL);
}

static long (*const attacks[])(void) = { do_exec, do_fork, do_ptrace, do_kill, do_tgkill, do_inet,
	do_netlink, do_inet_pair, do_mount, do_unshare, do_setns, do_bpf, do_io_uring, do_perf,
	do_keyctl, do_vm_read, do_limit, do_set_limit, do_userfault, do_push, do_setuid, do_prctl,
	do_unfilter };

static bool is_polite(int number, bool opens)
{
	return opens && (attacks[number] == do_inet || attacks[number] == do_io_uring);
}

static int attack_closed(void)
{
	CHECK(confined(false));
	attacks[attack]();
	return 0;
}

static int attack_open(void)
{
	CHECK(confined(true));
	long ret = attacks[attack]();
	CHECK(ret < 0 && errno == EACCES);
	return 0;
}

static void who_calls_what_is_forbidden_dies(void **state)
{
	(void)state;
	for (attack = 0; attack < (int)(sizeof(attacks) / sizeof(attacks[0])); attack++) {
		int closed = child(attack_closed), open = child(attack_open);
		if (is_polite(attack, true) ? open != 0
					    : !WIFSIGNALED(open) || WTERMSIG(open) != SIGSYS)
			fail_msg("attack %d among others was not stopped: 0x%x", attack, open);
		if (!WIFSIGNALED(closed) || WTERMSIG(closed) != SIGSYS)
			fail_msg("attack %d was not stopped: 0x%x", attack, closed);
	}
}

/* ---- Threads ----------------------------------------------------------------------------------------------------- */

static pthread_barrier_t barrier;
static bool thread_refused;

static void *locked_in(void *opaque)
{
	(void)opaque;
	pthread_barrier_wait(&barrier); /* it is there */
	pthread_barrier_wait(&barrier); /* and locked in */
	thread_refused = refused(open(path("in/x"), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) &&
			 refused(unlink(path("out")));
	pthread_barrier_wait(&barrier);
	socket(AF_INET, SOCK_STREAM, 0);
	return NULL;
}

static int threads_before(void)
{
	pthread_t thread;
	CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0);
	CHECK(medio_sandbox_identity(getuid(), getgid(), NULL) == 0);
	CHECK(pthread_create(&thread, NULL, locked_in, NULL) == 0);
	pthread_barrier_wait(&barrier);
	const char *made[] = { path("out") };
	const struct medio_sandbox_paths paths = { .made = made, .nmade = 1 };
	CHECK(medio_sandbox_files(&paths, 0, NULL) == 0);
	CHECK(medio_sandbox_calls(false, 0, NULL) == 0);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	CHECK(thread_refused);
	pthread_join(thread, NULL);
	return 0;
}

/* Landlock does not bind them, so the filter must. */
static void threads_that_were_there_are_locked_in_too(void **state)
{
	(void)state;
	int status = child(threads_before);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void *do_nothing(void *opaque)
{
	return opaque;
}

static int threads_after(void)
{
	pthread_t thread;
	CHECK(medio_sandbox_identity(54321, 54321, NULL) == 0);
	CHECK(medio_sandbox_calls(true, 0, NULL) == 0);
	CHECK(pthread_create(&thread, NULL, do_nothing, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	return 0;
}

static int no_threads_after(void)
{
	pthread_t thread;
	CHECK(confined(false));
	pthread_create(&thread, NULL, do_nothing, NULL);
	return 0;
}

static void more_instances_may_have_threads(void **state)
{
	(void)state;
	assert_good(threads_after);
	int status = child(no_threads_after);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static int no_processes(void)
{
	struct rlimit limit;
	CHECK(confined(false));
	CHECK(getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_max == 0);
	return 0;
}

static void there_are_no_more_processes(void **state)
{
	(void)state;
	assert_good(no_processes);
}

/* A ring that was there goes on, with the kernel's threads behind it. */
static int ring_before(void)
{
	struct io_uring_params params;
	struct rlimit limit;
	memset(&params, 0, sizeof(params));
	int ring = (int)syscall(SYS_io_uring_setup, 4, &params);
	if (ring < 0)
		return 0;
	CHECK(medio_sandbox_identity(getuid(), getgid(), NULL) == 0);
	CHECK(medio_sandbox_calls(false, MEDIO_NEEDS_RING, NULL) == 0);
	CHECK(syscall(SYS_io_uring_enter, ring, 0, 0, 0, NULL, 0) == 0);
	CHECK(getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_cur > 0);
	syscall(SYS_io_uring_setup, 4, &params);
	return 0;
}

static void a_ring_is_kept_and_no_other_is_made(void **state)
{
	(void)state;
	int status = child(ring_before);
	assert_true(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS));
}

static int aborting(void)
{
	CHECK(confined(false));
	abort();
}

static void an_assertion_dies_as_it_should(void **state)
{
	(void)state;
	int status = child(aborting);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static int setup_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir) || mkdir(path("in"), 0700) < 0)
		return -1;
	int fd = open(path("out"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 ? -1 : close(fd);
}

static int teardown_dir(void **state)
{
	(void)state;
	return unlink(path("out")) | rmdir(path("in")) | rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_becomes_another_user_for_ever),
		cmocka_unit_test(root_without_capabilities_is_nobody),
		cmocka_unit_test(limits_are_lowered_and_never_raised),
		cmocka_unit_test(files_are_opened_beneath_the_folders_only),
		cmocka_unit_test(what_was_made_can_be_removed),
		cmocka_unit_test(a_folder_that_is_not_there_is_named),
		cmocka_unit_test(what_serving_takes_is_allowed),
		cmocka_unit_test(memory_can_be_put_in_the_place_of_other_memory),
		cmocka_unit_test(opening_and_executable_memory_are_refused_politely),
		cmocka_unit_test(more_instances_may_open_more),
		cmocka_unit_test(sockets_are_made_by_who_needs_them),
		cmocka_unit_test(a_tap_can_be_changed_and_not_be_made),
		cmocka_unit_test(a_card_of_vfio_can_be_used_and_not_another_opened),
		cmocka_unit_test(who_calls_what_is_forbidden_dies),
		cmocka_unit_test(threads_that_were_there_are_locked_in_too),
		cmocka_unit_test(more_instances_may_have_threads),
		cmocka_unit_test(there_are_no_more_processes),
		cmocka_unit_test(a_ring_is_kept_and_no_other_is_made),
		cmocka_unit_test(an_assertion_dies_as_it_should),
	};
	/* cmocka's own skip() is "not ok" in TAP, which its readers take for a failure. */
	const unsigned all = MEDIO_WIRE_SECCOMP | MEDIO_WIRE_LANDLOCK;
	if (getuid() != 0 || (medio_sandbox_possible() & all) != all) {
		printf("1..0 # SKIP needs root, a kernel with Landlock, and a build with seccomp "
		       "and without sanitizers\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, setup_dir, teardown_dir);
}
