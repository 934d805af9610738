/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tree of files as a program has it: mounted, through the kernel. The program is a child of the test, in a mount
 * namespace of its own; the test serves it, on one thread, as the supervisor does.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <medio/local.h>

#include "../../devices/edu/edu.h"
#include "compat/compat.h"
#include "compat/fsnode.h"
#include "compat/kdev.h"
#include "util/error.h"

#define SKIP 77
#define LONG 60 /* seconds; only ends what hangs */

/* What both processes see. */
struct shared {
	atomic_uint opened, released;
};

struct thing {
	struct medio_kfile file;
};

struct bed {
	struct medio_loop *loop, *devices;
	struct medio_compat *compat;
	struct medio_fs *fs;
	struct shared *shared;
	struct medio_instance *inst;
	struct medio_kdev *kdev;
	char path[64];
	pid_t pid;
	int status;
	bool ended;
};
static struct bed bed;

/* ---- The program --------------------------------------------------------------------------------------- */

#define CHECK(cond) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "line %d: %s (errno %d, %s)\n", __LINE__, #cond, errno, \
				strerror(errno)); \
			_exit(1); \
		} \
	} while (0)

static bool await(atomic_uint *what, unsigned value)
{
	time_t end = time(NULL) + LONG;

	while (atomic_load(what) != value && time(NULL) < end)
		sched_yield();
	return atomic_load(what) == value;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0)
		return -errno;
	ssize_t ret = write(fd, text, strlen(text));
	int error = errno;
	close(fd);
	return ret < 0 ? -error : (int)ret;
}

static void read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);

	CHECK(fd >= 0);
	ssize_t len = read(fd, text, size - 1);
	CHECK(len >= 0);
	text[len] = '\0';
	CHECK(read(fd, text + len, 1) == 0);
	close(fd);
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	CHECK(fstat(fd, &st) == 0);
	return st.st_ino;
}

static void sees_folders_links_and_texts(void)
{
	char text[64], real[PATH_MAX];
	struct stat st;
	unsigned seen = 0;

	read_file("sys/bus/a/text", text, sizeof(text));
	CHECK(strcmp(text, "hello\n") == 0);
	CHECK(realpath("sys/bus/a/link", real));
	CHECK(strcmp(strstr(real, "sys/"), "sys/class/b") == 0);
	CHECK(stat("sys/bus/a/text", &st) == 0 && st.st_mode == (S_IFREG | 0444));
	CHECK(st.st_uid == getuid() && st.st_gid == getgid() && st.st_size == 4096);
	DIR *dir = opendir("sys/bus/a");
	CHECK(dir);
	while (readdir(dir))
		seen++;
	closedir(dir);
	CHECK(seen == 2 + 304);
	CHECK(stat("sys/bus/none", &st) < 0 && errno == ENOENT);
}

static void writes_as_a_shell_does(void)
{
	char text[64];

	CHECK(write_file("sys/bus/kept", "abc\n") == 4);
	read_file("sys/bus/kept", text, sizeof(text));
	CHECK(strcmp(text, "abc\n") == 0);
	CHECK(write_file("sys/bus/fails", "x") == -ERANGE);
	CHECK(write_file("sys/bus/a/text", "x") == -EACCES);
}

static void can_make_nothing(void)
{
	CHECK(open("sys/bus/new", O_CREAT | O_WRONLY, 0644) < 0);
	CHECK(errno == EPERM || errno == EACCES);
	CHECK(mkdir("sys/bus/new", 0755) < 0 && (errno == EPERM || errno == EACCES));
	CHECK(symlink("a", "sys/bus/new") < 0 && (errno == EPERM || errno == EACCES));
	CHECK(unlink("sys/bus/kept") < 0 && (errno == EPERM || errno == EACCES));
	CHECK(rmdir("sys/bus/a") < 0 && (errno == EPERM || errno == EACCES));
	CHECK(rename("sys/bus/kept", "sys/bus/x") < 0 && (errno == EPERM || errno == EACCES));
	CHECK(link("sys/bus/kept", "sys/bus/x") < 0 && (errno == EPERM || errno == EACCES));
}

static void changes_owner_and_mode(void)
{
	struct stat st;

	CHECK(chmod("dev/special", 0640) == 0);
	CHECK(stat("dev/special", &st) == 0 && st.st_mode == (S_IFREG | 0640));
	CHECK(chown("dev/special", getuid(), getgid()) == 0);
	CHECK(stat("dev/special", &st) == 0 && st.st_uid == getuid());
}

static void opens_special_files_each_with_an_inode(void)
{
	char buf[8];
	int a = open("dev/special", O_RDWR), b = open("dev/special", O_RDWR);

	CHECK(a >= 0 && b >= 0);
	CHECK(inode_of(a) != inode_of(b));
	CHECK(atomic_load(&bed.shared->opened) == 2);
	CHECK(read(a, buf, 8) < 0 && errno == EINVAL);
	CHECK(write(a, buf, 8) < 0 && errno == EINVAL);
	CHECK(ioctl(a, TCGETS, buf) < 0 && errno == ENOTTY);
	int copy = dup(a);
	CHECK(inode_of(copy) == inode_of(a));
	close(a);
	pid_t pid = fork();
	if (pid == 0)
		pause();
	close(copy);
	close(b);
	/* The child has both still. */
	CHECK(open("dev/closed", O_RDWR) < 0 && errno == EPERM);
	CHECK(atomic_load(&bed.shared->released) == 0);
	kill(pid, SIGKILL);
	CHECK(waitpid(pid, NULL, 0) == pid);
	CHECK(await(&bed.shared->released, 2));
}

static void *open_many(void *opaque)
{
	(void)opaque;
	for (unsigned i = 0; i < 100; i++) {
		int fd = open("dev/special", O_RDWR), other = open("dev/special", O_RDWR);

		CHECK(fd >= 0 && other >= 0 && inode_of(fd) != inode_of(other));
		close(fd);
		close(other);
	}
	return NULL;
}

static void opens_in_many_threads_are_never_one(void)
{
	pthread_t threads[8];

	for (unsigned i = 0; i < 8; i++)
		CHECK(pthread_create(&threads[i], NULL, open_many, NULL) == 0);
	for (unsigned i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	CHECK(atomic_load(&bed.shared->opened) == 1600);
	CHECK(await(&bed.shared->released, 1600));
}

static void a_way_round_the_lookup_is_busy(void)
{
	char path[64];
	int fd = open("dev/special", O_RDWR);

	CHECK(fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK(open(path, O_RDWR) < 0 && errno == EBUSY);
	close(fd);
	CHECK(await(&bed.shared->released, 1));
	int place = open("dev/special", O_PATH);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", place);
	CHECK((fd = open(path, O_RDWR)) >= 0);
	close(fd);
	CHECK(await(&bed.shared->released, 2));
}

static void closes_by_being_killed(void)
{
	CHECK(open("dev/special", O_RDWR) >= 0);
	kill(getpid(), SIGKILL);
}

/* ---- UIO --------------------------------------------------------------------------------------------------- */

static uint32_t wait_for_one(int fd)
{
	uint32_t count = 0;

	CHECK(read(fd, &count, sizeof(count)) == sizeof(count));
	return count;
}

static void *interrupt_late(void *opaque)
{
	const pid_t *reader = opaque;
	char path[64], text[512];
	time_t end = time(NULL) + LONG;

	/* Only when it sleeps in read(). */
	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", *reader);
	for (;;) {
		int fd = open(path, O_RDONLY), nr = -1;
		ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
		if (fd >= 0)
			close(fd);
		/* Not to be looked at here: then right away. */
		if (len < 0 || time(NULL) > end)
			break;
		text[len] = '\0';
		if (sscanf(text, "%d", &nr) == 1 && nr == SYS_read)
			break;
		sched_yield();
	}
	CHECK(write_file("sys/bus/interrupt", "1") == 1);
	return NULL;
}

static void waits_for_interrupts_of_uio(void)
{
	pid_t self = (pid_t)syscall(SYS_gettid);
	pthread_t thread;
	int fd = open("dev/uio0", O_RDWR);

	CHECK(fd >= 0);
	CHECK(pthread_create(&thread, NULL, interrupt_late, &self) == 0);
	CHECK(wait_for_one(fd) == 1);
	pthread_join(thread, NULL);
	CHECK(lseek(fd, 0, SEEK_CUR) < 0 && errno == ESPIPE);
	close(fd);
}

static void unmask_uio(void)
{
	uint16_t command = 0;
	int fd = open("sys/bus/pci/devices/fedc:00:1e.0/config", O_RDWR);

	CHECK(fd >= 0 && pread(fd, &command, 2, 4) == 2 && command & 0x400);
	command &= (uint16_t)~0x400;
	CHECK(pwrite(fd, &command, 2, 4) == 2);
	close(fd);
}

static void polls_uio(void)
{
	uint32_t count;
	int fd = open("dev/uio0", O_RDWR | O_NONBLOCK), epoll = epoll_create1(0);
	struct pollfd item = { .fd = fd, .events = POLLIN };
	struct epoll_event event = { .events = EPOLLIN };

	CHECK(fd >= 0 && epoll >= 0);
	CHECK(read(fd, &count, 4) < 0 && errno == EAGAIN);
	CHECK(poll(&item, 1, 0) == 0);
	CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
	CHECK(epoll_wait(epoll, &event, 1, 0) == 0);
	CHECK(write_file("sys/bus/interrupt", "1") == 1);
	CHECK(epoll_wait(epoll, &event, 1, LONG * 1000) == 1);
	CHECK(poll(&item, 1, LONG * 1000) == 1 && item.revents == POLLIN);
	CHECK(read(fd, &count, 4) == 4 && count == 1);
	CHECK(poll(&item, 1, 0) == 0);
	CHECK(epoll_wait(epoll, &event, 1, 0) == 0);
	/* And once more: nobody is told but once. */
	unmask_uio();
	CHECK(write_file("sys/bus/interrupt", "1") == 1);
	CHECK(epoll_wait(epoll, &event, 1, LONG * 1000) == 1);
	CHECK(read(fd, &count, 4) == 4 && count == 2);
	CHECK(write(fd, &count, 4) < 0 && errno == ENOSYS);
	CHECK(read(fd, &count, 3) < 0 && errno == EINVAL);
	close(epoll);
	close(fd);
}

static void on_signal(int sig)
{
	(void)sig;
}

static void *signal_late(void *opaque)
{
	const pid_t *reader = opaque;
	time_t end = time(NULL) + LONG;

	/* Again and again, since it may not be in read() yet. */
	while (atomic_load(&bed.shared->opened) == 0 && time(NULL) < end) {
		syscall(SYS_tgkill, getpid(), *reader, SIGUSR1);
		sched_yield();
	}
	return NULL;
}

static void a_signal_ends_the_wait(void)
{
	pid_t self = (pid_t)syscall(SYS_gettid);
	const struct sigaction action = { .sa_handler = on_signal };
	pthread_t thread;
	uint32_t count;
	int fd = open("dev/uio0", O_RDWR);

	CHECK(fd >= 0 && sigaction(SIGUSR1, &action, NULL) == 0);
	CHECK(pthread_create(&thread, NULL, signal_late, &self) == 0);
	CHECK(read(fd, &count, 4) < 0 && errno == EINTR);
	atomic_store(&bed.shared->opened, 1);
	pthread_join(thread, NULL);
	close(fd);
}

static void *read_uio(void *opaque)
{
	wait_for_one(*(int *)opaque);
	return NULL;
}

/* While one thread waits in read() another may write: a UIO device has no position that a lock would guard. */
static void writes_while_another_thread_waits(void)
{
	uint32_t count = 1;
	pthread_t thread;
	int fd = open("dev/uio0", O_RDWR);

	CHECK(fd >= 0);
	CHECK(pthread_create(&thread, NULL, read_uio, &fd) == 0);
	for (unsigned i = 0; i < 1000; i++)
		CHECK(write(fd, &count, 4) < 0 && errno == ENOSYS);
	CHECK(write_file("sys/bus/interrupt", "1") == 1);
	pthread_join(thread, NULL);
	close(fd);
}

static void is_killed_while_it_waits(void)
{
	int fd = open("dev/uio0", O_RDWR);
	pid_t pid = fork();
	uint32_t count;

	CHECK(fd >= 0);
	if (pid == 0) {
		atomic_store(&bed.shared->opened, 1);
		_exit(read(fd, &count, 4) == 4);
	}
	CHECK(await(&bed.shared->opened, 1));
	kill(pid, SIGKILL);
	CHECK(waitpid(pid, NULL, 0) == pid);
	/* The others are served on. */
	CHECK(write_file("sys/bus/interrupt", "1") == 1);
	CHECK(wait_for_one(fd) == 1);
}

/* ---- The supervisor ---------------------------------------------------------------------------------------- */

static void thing_release(struct medio_kfile *file)
{
	atomic_fetch_add(&bed.shared->released, 1);
	free(medio_container_of(file, struct thing, file));
}

static const struct medio_kfile_ops thing_ops = { .what = "thing", .release = thing_release };

static int thing_open(void *opaque, uint64_t ino, unsigned flags, struct medio_kfile **out)
{
	struct thing *thing = calloc(1, sizeof(*thing));

	(void)opaque;
	(void)flags;
	if (!thing)
		return -ENOMEM;
	medio_kfile_enter(bed.compat, &thing_ops, &thing->file, ino);
	atomic_fetch_add(&bed.shared->opened, 1);
	*out = &thing->file;
	return 0;
}

static int never_open(void *opaque, uint64_t ino, unsigned flags, struct medio_kfile **out)
{
	(void)opaque;
	(void)ino;
	(void)flags;
	(void)out;
	return -EPERM;
}

static char kept[16];

static ssize_t kept_read(void *opaque, void *buf, size_t size, uint64_t offset)
{
	size_t len = strlen(kept);

	(void)opaque;
	if (offset >= len)
		return 0;
	size = size < len - offset ? size : len - (size_t)offset;
	memcpy(buf, kept + offset, size);
	return (ssize_t)size;
}

static ssize_t kept_write(void *opaque, const void *buf, size_t size, uint64_t offset)
{
	(void)opaque;
	(void)offset;
	snprintf(kept, sizeof(kept), "%.*s", (int)size, (const char *)buf);
	return (ssize_t)size;
}

static ssize_t fail_write(void *opaque, const void *buf, size_t size, uint64_t offset)
{
	(void)opaque;
	(void)buf;
	(void)size;
	(void)offset;
	return -ERANGE;
}

static ssize_t interrupt_write(void *opaque, const void *buf, size_t size, uint64_t offset)
{
	(void)opaque;
	(void)buf;
	(void)offset;
	int ret = medio_card_irq_trigger(bed.kdev->card, MEDIO_CARD_INTX, 0, 1);
	return ret ? ret : (ssize_t)size;
}

static const struct medio_fsfile_ops kept_ops = { .read = kept_read, .write = kept_write };
static const struct medio_fsfile_ops fail_ops = { .write = fail_write };
static const struct medio_fsfile_ops interrupt_ops = { .write = interrupt_write };

static void make_tree(void)
{
	struct medio_fsnode *dev = medio_fs_path(bed.fs, "dev");
	struct medio_fsnode *bus = medio_fs_path(bed.fs, "sys/bus");
	struct medio_fsnode *a = medio_fs_path(bed.fs, "sys/bus/a");
	char name[16];

	assert_non_null(medio_fs_path(bed.fs, "sys/class/b"));
	assert_non_null(medio_fs_text(a, "text", 0444, "%s", "hello\n"));
	assert_non_null(medio_fs_link(a, "link", "../../class/b"));
	assert_non_null(medio_fs_special(a, "special", 0600, thing_open, NULL));
	assert_non_null(medio_fs_folder(a, "folder"));
	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "entry%u", i);
		assert_non_null(medio_fs_text(a, name, 0444, "%u\n", i));
	}
	assert_non_null(medio_fs_file(bus, "kept", 0644, &kept_ops, NULL));
	assert_non_null(medio_fs_file(bus, "fails", 0200, &fail_ops, NULL));
	assert_non_null(medio_fs_file(bus, "interrupt", 0200, &interrupt_ops, NULL));
	assert_non_null(medio_fs_special(dev, "special", 0666, thing_open, NULL));
	assert_non_null(medio_fs_special(dev, "closed", 0666, never_open, NULL));
}

static void make_device(void)
{
	const struct medio_kdev_options opts = {
		.look = MEDIO_KDEV_UIO, .name = "fedc:00:1e.0", .type = "edu", .driver = "edu"
	};
	struct medio_card *card;

	assert_int_equal(medio_instance_new(bed.devices, &medio_edu, NULL, &bed.inst, NULL), 0);
	assert_int_equal(medio_card_open_instance(bed.inst, &card, NULL), 0);
	assert_int_equal(medio_kdev_new(bed.compat, card, &opts, &bed.kdev, NULL), 0);
	assert_int_equal(medio_sysfs_make(bed.compat, NULL), 0);
	bed.fs = bed.compat->fs;
}

static int setup(void **state)
{
	(void)state;
	memset(&bed, 0, sizeof(bed));
	kept[0] = '\0';
	bed.shared = mmap(NULL, sizeof(*bed.shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(bed.shared, MAP_FAILED);
	snprintf(bed.path, sizeof(bed.path), "/tmp/medio-test-XXXXXX");
	assert_non_null(mkdtemp(bed.path));
	assert_int_equal(medio_loop_new(&bed.loop), 0);
	assert_int_equal(medio_loop_new(&bed.devices), 0);
	assert_int_equal(medio_compat_new(bed.loop, bed.devices, &bed.compat), 0);
	make_device();
	make_tree();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	medio_compat_free(bed.compat);
	medio_instance_free(bed.inst);
	medio_loop_free(bed.devices);
	medio_loop_free(bed.loop);
	munmap(bed.shared, sizeof(*bed.shared));
	rmdir(bed.path);
	return 0;
}

static int write_setting(const char *path, const char *fmt, unsigned id)
{
	char line[48];
	int fd = open(path, O_WRONLY);

	snprintf(line, sizeof(line), fmt, id, id);
	ssize_t ret = fd < 0 ? -1 : write(fd, line, strlen(line));
	close(fd);
	return ret < 0 ? -1 : 0;
}

static int enter_namespaces(void)
{
	unsigned uid = getuid(), gid = getgid();

	if (unshare(CLONE_NEWNS) < 0 &&
		(unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
			write_setting("/proc/self/uid_map", "%u %u 1\n", uid) < 0 ||
			write_setting("/proc/self/setgroups", "deny", 0) < 0 ||
			write_setting("/proc/self/gid_map", "%u %u 1\n", gid) < 0))
		return -1;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static void send_fd(int socket, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { (char[]){ "" }, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	CHECK(sendmsg(socket, &msg, 0) == 1);
}

static int receive_fd(int socket)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(socket, &msg, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&msg))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static void be_program(int socket, void (*fn)(void))
{
	char options[128];
	/* FUSE wants it opened in the namespace that mounts. */
	int fuse = enter_namespaces() < 0 ? -1 : open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fuse < 0)
		_exit(SKIP);
	snprintf(options, sizeof(options),
		"fd=%d,rootmode=40755,user_id=%u,group_id=%u,allow_other,default_permissions", fuse,
		getuid(), getgid());
	if (mount("medio", bed.path, "fuse", MS_NOSUID | MS_NODEV, options) < 0)
		_exit(SKIP);
	send_fd(socket, fuse);
	close(fuse);
	close(socket);
	CHECK(chdir(bed.path) == 0);
	fn();
	_exit(0);
}

static void on_exit_of_program(void *opaque, uint32_t events)
{
	(void)opaque;
	(void)events;
	bed.ended = waitpid(bed.pid, &bed.status, WNOHANG) == bed.pid;
}

/* Run fn as the program, to its end; false: it cannot be run here. */
static bool run(void (*fn)(void))
{
	int sockets[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	bed.pid = fork();
	if (bed.pid == 0) {
		close(sockets[0]);
		be_program(sockets[1], fn);
	}
	close(sockets[1]);
	int pidfd = (int)syscall(SYS_pidfd_open, bed.pid, 0);
	struct medio_watch *watch = medio_loop_watch(
		bed.loop, pidfd, EPOLLIN, on_exit_of_program, NULL);
	assert_non_null(watch);
	int fuse = receive_fd(sockets[0]);
	close(sockets[0]);
	if (fuse >= 0)
		assert_int_equal(medio_fs_serve(bed.fs, fuse, NULL), 0);
	while (!bed.ended)
		assert_true(medio_loop_run_once(bed.loop, LONG * 1000) >= 0);
	medio_watch_free(watch);
	close(pidfd);
	if (fuse < 0 && WIFEXITED(bed.status) && WEXITSTATUS(bed.status) == SKIP) {
		print_message("no /dev/fuse, or no mounts for this user\n");
		return false;
	}
	return true;
}

static void in_program(void **state)
{
	void (*fn)(void) = (void (*)(void)) * state;

	setup(NULL);
	bool ran = run(fn);
	int status = bed.status;
	teardown(NULL);
	*state = NULL;
	if (!ran)
		skip();
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void what_a_killed_program_had_open_is_released(void **state)
{
	setup(NULL);
	bool ran = run(closes_by_being_killed);
	if (ran) {
		assert_true(WIFSIGNALED(bed.status));
		assert_int_equal(atomic_load(&bed.shared->opened), 1);
		while (atomic_load(&bed.shared->released) == 0)
			assert_true(medio_loop_run_once(bed.loop, LONG * 1000) > 0);
	}
	teardown(NULL);
	(void)state;
	if (!ran)
		skip();
}

static void the_end_of_the_tree_releases_what_is_open(void **state)
{
	setup(NULL);
	bool ran = run(closes_by_being_killed);
	if (ran) {
		medio_fs_free(bed.fs);
		assert_null(bed.compat->fs);
		assert_int_equal(atomic_load(&bed.shared->released), 1);
	}
	teardown(NULL);
	(void)state;
	if (!ran)
		skip();
}

/* ---- What cannot be served --------------------------------------------------------------------------------- */

static void a_descriptor_that_is_no_fuse_is_refused(void **state)
{
	struct medio_error *err = NULL;

	(void)state;
	setup(NULL);
	assert_true(medio_fs_serve(bed.fs, -1, &err) < 0);
	assert_non_null(err);
	medio_error_free(err);
	teardown(NULL);
}

int main(void)
{
	if (access("/dev/fuse", R_OK | W_OK) < 0) {
		printf("1..0 # SKIP /dev/fuse cannot be opened: modprobe fuse\n");
		return 77;
	}
#define PROGRAM(fn) \
	{ \
#fn, in_program, NULL, NULL, (void *)(fn) \
	}
	const struct CMUnitTest tests[] = {
		PROGRAM(sees_folders_links_and_texts),
		PROGRAM(writes_as_a_shell_does),
		PROGRAM(can_make_nothing),
		PROGRAM(changes_owner_and_mode),
		PROGRAM(opens_special_files_each_with_an_inode),
		PROGRAM(opens_in_many_threads_are_never_one),
		PROGRAM(a_way_round_the_lookup_is_busy),
		PROGRAM(waits_for_interrupts_of_uio),
		PROGRAM(polls_uio),
		PROGRAM(a_signal_ends_the_wait),
		PROGRAM(writes_while_another_thread_waits),
		PROGRAM(is_killed_while_it_waits),
		cmocka_unit_test(what_a_killed_program_had_open_is_released),
		cmocka_unit_test(the_end_of_the_tree_releases_what_is_open),
		cmocka_unit_test(a_descriptor_that_is_no_fuse_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
