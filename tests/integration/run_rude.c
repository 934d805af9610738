/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * run_rude GROUP NAME FOLDER: a program that means medio no good, with an edu card whose reads are slow (filter delay:read=1s)
 * and its folder in /sys. It writes without end into a stream of the device's state, closes hundreds of files at once,
 * hands over a file of medio's as memory, and is killed in the middle of a read while another process gets its number.
 * Whatever it does must be answered, and hurt nobody. TAP on standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES 400

static unsigned tests, failures;
static int container, group, device, stream;
static uint64_t bar;
static const char *name;

static void is(const char *what, long got, long want)
{
	tests++;
	if (got != want)
		failures++;
	printf("%sok %u - %s", got == want ? "" : "not ", tests, what);
	if (got != want)
		printf(": %ld, not %ld (%s)", got, want, strerror(errno));
	printf("\n");
}

static void opened(const char *number)
{
	struct vfio_region_info region = { .argsz = sizeof(region) };
	char path[64];

	snprintf(path, sizeof(path), "/dev/vfio/%s", number);
	container = open("/dev/vfio/vfio", O_RDWR);
	group = open(path, O_RDWR);
	is("the group joins", ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	is("the container has an IOMMU", ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name);
	is("its first region", ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &region), 0);
	bar = region.offset;
}

static int set_state(uint32_t state, int *fd)
{
	struct {
		uint32_t argsz, flags; /* struct vfio_device_feature, without its flexible array */
		struct vfio_device_feature_mig_state mig;
	} request = {
		sizeof(request),
		VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
		{ state, -1 },
	};
	int ret = ioctl(device, VFIO_DEVICE_FEATURE, &request);

	if (fd)
		*fd = request.mig.data_fd;
	return ret;
}

static void *pour(void *arg)
{
	static const char bytes[65536];

	while (send(stream, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0)
		;
	return arg;
}

static void pour_into_a_stream(void)
{
	pthread_t threads[4];
	char bytes[4096];

	is("the device stops", set_state(VFIO_DEVICE_STATE_STOP, NULL), 0);
	is("and saves", set_state(VFIO_DEVICE_STATE_STOP_COPY, &stream), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, pour, NULL);
	while (read(stream, bytes, sizeof(bytes)) > 0)
		;
	is("saving ends, whatever is written", set_state(VFIO_DEVICE_STATE_STOP, NULL), 0);
	is("the device runs", set_state(VFIO_DEVICE_STATE_RUNNING, NULL), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	close(stream);
}

static void hand_over_a_file(const char *folder)
{
	struct {
		uint32_t size, flags, ioas;
	} alloc = { .size = sizeof(alloc) };
	struct {
		uint32_t size, flags, ioas;
		int32_t fd;
		uint64_t start, length, iova;
	} map = { .size = sizeof(map), .flags = 4, .length = 4096 };
	char path[256];
	int iommu = open("/dev/iommu", O_RDWR);

	snprintf(path, sizeof(path), "%s/vendor", folder);
	is("an address space", ioctl(iommu, _IO(';', 0x81), &alloc), 0);
	map.ioas = alloc.ioas;
	map.fd = open(path, O_RDONLY);
	is("a file of /sys's is no memory", ioctl(iommu, _IO(';', 0x8f), &map), -1);
	is("which is said", errno, EINVAL);
	close(map.fd);
	close(iommu);
}

/* The read is answered when its thread is dead, and its number another process's, which has memory at that address. */
static void die_in_a_read(void)
{
	struct clone_args clone = { .exit_signal = SIGCHLD, .set_tid_size = 1 };
	volatile uint32_t *word = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	pid_t reader = fork();

	if (!reader)
		_exit(pread(device, (void *)word, 4, (off_t)bar) != 4);
	usleep(200000);
	kill(reader, SIGKILL);
	waitpid(reader, NULL, 0);
	clone.set_tid = (uintptr_t)&reader;
	long other = syscall(SYS_clone3, &clone, sizeof(clone));
	if (!other) {
		*word = 0x55;
		usleep(1500000);
		_exit(*word != 0x55);
	}
	if (other < 0) {
		printf("ok %u - another process's memory is left alone # SKIP no number can be chosen\n",
			++tests);
		return;
	}
	waitpid((pid_t)other, &status, 0);
	is("another process's memory is left alone", status, 0);
}

static void close_many(void)
{
	int fds[FILES];

	for (unsigned i = 0; i < FILES; i++)
		fds[i] = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name);
	is("many files of one device", fds[FILES - 1] >= 0, 1);
	for (unsigned i = 0; i < FILES; i++)
		close(fds[i]);
	close(device);
	is("all of which are closed", ioctl(group, VFIO_GROUP_UNSET_CONTAINER), 0);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 4)
		return 2;
	name = argv[2];
	opened(argv[1]);
	pour_into_a_stream();
	hand_over_a_file(argv[3]);
	die_in_a_read();
	close_many();
	printf("1..%u\n", tests);
	return failures != 0;
}
