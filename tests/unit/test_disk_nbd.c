/* SPDX-License-Identifier: BSD-3-Clause */
/* Disks behind NBD servers: nbdkit, and qemu-nbd for an image in qcow2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_disk_bed.h"

#define SIZE "8M"

static char dir[64], path[80], image[80], uri[128];

/* ---- A server ------------------------------------------------------------------------------------------- */

struct server {
	pid_t pid;
};

/* The socket is there before the server is (systemd's socket activation), so nobody waits for it. */
static int listening(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static void become(int fd, const char *const *args)
{
	char text[32];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd != 3 && dup2(fd, 3) < 0)
		_exit(126);
	snprintf(text, sizeof(text), "%d", getpid());
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDS", "1", 1);
	int log = open("/dev/null", O_RDWR);
	dup2(log, 0);
	dup2(log, 2);
	execvp(args[0], (char *const *)args);
	_exit(127);
}

static void start_list(struct server *server, const char *const *args)
{
	int fd = listening();

	fflush(NULL);
	server->pid = fork();
	assert_true(server->pid >= 0);
	if (!server->pid)
		become(fd, args);
	close(fd);
}

#define START(server, ...)  start_list(server, (const char *const[]){ __VA_ARGS__, NULL })
#define NBDKIT(server, ...) START(server, "nbdkit", "-f", __VA_ARGS__)

static void stop(struct server *server)
{
	kill(server->pid, SIGKILL);
	assert_int_equal(waitpid(server->pid, NULL, 0), server->pid);
	unlink(path);
}

/* It answers nothing any more. */
static void freeze(struct server *server)
{
	int status;

	kill(server->pid, SIGSTOP);
	assert_int_equal(waitpid(server->pid, &status, WUNTRACED), server->pid);
	assert_true(WIFSTOPPED(status));
}

/* Until the log says so. */
static void await(struct disk_bed *bed, const char *words)
{
	while (!strstr(bed->log, words))
		assert_true(medio_loop_run_once(bed->loop, -1) >= 0);
}

static void make_image(uint64_t bytes)
{
	int fd = open(image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	close(fd);
}

/* ---- Data ------------------------------------------------------------------------------------------------- */

static void a_server_keeps_what_is_written(void **state)
{
	/* Also where the server does not have something, or takes little at a time. */
	static const char *const servers[][7] = {
		{ "nbdkit", "-f", "memory", SIZE },
		{ "nbdkit", "-f", "--filter=nozero", "memory", SIZE, "zeromode=none" },
		{ "nbdkit", "-f", "--filter=fua", "memory", SIZE, "fuamode=discard" },
		{ "nbdkit", "-f", "--filter=blocksize-policy", "memory", SIZE,
			"blocksize-maximum=64k" },
		{ "nbdkit", "-f", "--filter=blocksize-policy", "memory", SIZE,
			"blocksize-minimum=4k" },
	};
	struct server server;
	struct disk_bed bed;

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		start_list(&server, servers[i]);
		assert_int_equal(disk_bed_open(&bed, uri, NULL), 0);
		assert_int_equal(bed.info.bytes, 8 << 20);
		disk_bed_play(&bed, i + 10, 300);
		disk_bed_close(&bed);
		stop(&server);
	}
}

static void a_qcow2_image_through_qemu_nbd(void **state)
{
	char make[160];
	struct server server;
	struct disk_bed bed;
	uint8_t buf[512], back[512];

	(void)state;
	snprintf(make, sizeof(make), "qemu-img create -q -f qcow2 %s 1G >/dev/null 2>&1", image);
	/* NOLINTNEXTLINE(cert-env33-c): a fixed command */
	if (system(make) != 0) {
		print_message("# no qemu-img here: not tried\n");
		return;
	}
	START(&server, "qemu-nbd", "-f", "qcow2", "--discard=unmap", "-t", image);
	assert_int_equal(disk_bed_open(&bed, uri, NULL), 0);
	assert_int_equal(bed.info.bytes, 1 << 30);
	disk_bed_play(&bed, 20, 200);
	memset(buf, 0x5a, sizeof(buf));
	assert_int_equal(disk_bed_write(&bed, (1 << 30) - 512, buf, 512), 0);
	assert_int_equal(disk_bed_op(&bed, DISK_FLUSH, 0, 0), 0);
	disk_bed_close(&bed);
	stop(&server);
	/* Another server finds what was flushed. */
	START(&server, "qemu-nbd", "-f", "qcow2", "-r", image);
	assert_int_equal(disk_bed_open(&bed, uri, "readonly=on", NULL), 0);
	assert_int_equal(disk_bed_read(&bed, (1 << 30) - 512, back, 512), 0);
	assert_memory_equal(buf, back, 512);
	disk_bed_close(&bed);
	stop(&server);
}

/* ---- Failures ---------------------------------------------------------------------------------------------- */

static void errors_of_a_server_are_the_guests(void **state)
{
	struct server server;
	struct disk_bed bed;
	static uint8_t buf[1 << 20];

	(void)state;
	NBDKIT(&server, "--filter=error", "memory", SIZE, "error=ENOSPC", "error-pwrite-rate=100%",
		"error-zero-rate=100%");
	assert_int_equal(disk_bed_open(&bed, uri, NULL), 0);
	assert_int_equal(disk_bed_write(&bed, 0, buf, sizeof(buf)), -ENOSPC);
	assert_int_equal(disk_bed_op(&bed, DISK_ZEROES, 0, 4096), -ENOSPC);
	assert_int_equal(disk_bed_read(&bed, 0, buf, 4096), 0);
	disk_bed_close(&bed);
	stop(&server);

	NBDKIT(&server, "--filter=error", "memory", SIZE, "error=EIO", "error-pread-rate=100%");
	assert_int_equal(disk_bed_open(&bed, uri, NULL), 0);
	assert_int_equal(disk_bed_read(&bed, 0, buf, sizeof(buf)), -EIO);
	assert_int_equal(disk_bed_write(&bed, 0, buf, 4096), 0);
	disk_bed_close(&bed);
	stop(&server);
}

static unsigned ended, failed;

static void count_end(struct disk_request *req, int ret)
{
	(void)req;
	ended++;
	failed += ret == -EIO;
}

/* What was under way fails, and what comes; then the server is back, and so is the disk. */
static void a_server_that_died_is_connected_to_again(void **state)
{
	enum { REQUESTS = 100 };
	static struct disk_request reqs[REQUESTS];
	static uint8_t bufs[REQUESTS][4096];
	static struct iovec iov[REQUESTS];
	struct server server;
	struct disk_bed bed;

	(void)state;
	NBDKIT(&server, "memory", SIZE);
	assert_int_equal(disk_bed_open(&bed, uri, NULL), 0);
	memset(bufs[0], 7, 4096);
	assert_int_equal(disk_bed_write(&bed, 0, bufs[0], 4096), 0);
	freeze(&server);
	for (unsigned i = 0; i < REQUESTS; i++) {
		iov[i] = (struct iovec){ bufs[i], 4096 };
		reqs[i] = (struct disk_request){ .op = i % 2 ? DISK_READ : DISK_WRITE,
			.offset = i * 4096,
			.bytes = 4096,
			.iov = &iov[i],
			.niov = 1,
			.done = count_end };
		disk_submit(bed.disk, &reqs[i]);
	}
	disk_kick(bed.disk);
	ended = failed = 0;
	stop(&server);
	while (disk_under_way(bed.disk))
		assert_true(medio_loop_run_once(bed.loop, -1) >= 0);
	assert_int_equal(ended, REQUESTS);
	assert_int_equal(failed, REQUESTS);
	assert_non_null(strstr(bed.log, "the connection is lost"));
	assert_int_equal(disk_bed_read(&bed, 0, bufs[0], 4096), -EIO);

	NBDKIT(&server, "memory", SIZE);
	await(&bed, "connected again");
	/* The first write was done and not flushed: its loss is told once. */
	assert_int_equal(disk_bed_op(&bed, DISK_FLUSH, 0, 0), -EIO);
	assert_int_equal(disk_bed_op(&bed, DISK_FLUSH, 0, 0), 0);
	assert_int_equal(disk_bed_read(&bed, 0, bufs[0], 4096), 0);
	disk_bed_play(&bed, 30, 100);
	/* What was flushed is no loss. */
	stop(&server);
	NBDKIT(&server, "memory", SIZE);
	bed.log[0] = '\0';
	await(&bed, "connected again");
	assert_int_equal(disk_bed_op(&bed, DISK_FLUSH, 0, 0), 0);
	disk_bed_close(&bed);
	stop(&server);
}

static void another_disk_is_not_taken_for_the_first(void **state)
{
	struct server server;
	struct disk_bed bed;
	uint8_t buf[512];

	(void)state;
	NBDKIT(&server, "memory", SIZE);
	assert_int_equal(disk_bed_open(&bed, uri, NULL), 0);
	stop(&server);
	NBDKIT(&server, "-r", "memory", SIZE);
	await(&bed, "cannot be written any more");
	assert_int_equal(disk_bed_read(&bed, 0, buf, 512), -EIO);
	stop(&server);
	NBDKIT(&server, "memory", "4M");
	await(&bed, "connected again");
	assert_int_equal(bed.resizes, 1);
	assert_int_equal(bed.info.bytes, 4 << 20);
	disk_bed_close(&bed);
	stop(&server);
}

/* It is given up, and its late answer finds nobody. */
static void a_server_that_does_not_answer_is_given_up_by_a_drain(void **state)
{
	struct server server;
	struct disk_bed bed;
	uint8_t *buf = malloc(4096);
	struct iovec iov = { buf, 4096 };
	struct disk_request req = {
		.op = DISK_READ, .bytes = 4096, .iov = &iov, .niov = 1, .done = count_end
	};

	(void)state;
	NBDKIT(&server, "memory", SIZE);
	assert_int_equal(disk_bed_open(&bed, uri, NULL), 0);
	freeze(&server);
	ended = failed = 0;
	disk_submit(bed.disk, &req);
	disk_kick(bed.disk);
	disk_drain(bed.disk);
	assert_int_equal(ended, 1);
	assert_int_equal(failed, 1);
	free(buf);
	kill(server.pid, SIGCONT);
	await(&bed, "connected again");
	assert_int_equal(disk_bed_op(&bed, DISK_FLUSH, 0, 0), 0);
	disk_bed_close(&bed);
	stop(&server);
}

/* ---- Its size ------------------------------------------------------------------------------------------------ */

static void a_server_whose_disk_grew_is_asked_again(void **state)
{
	struct server server;
	struct disk_bed bed;
	uint8_t buf[512] = { 1 }, back[512];

	(void)state;
	make_image(8 << 20);
	NBDKIT(&server, "file", image);
	assert_int_equal(disk_bed_open(&bed, uri, NULL), 0);
	assert_int_equal(disk_bed_write(&bed, 512, buf, 512), 0);
	disk_refresh(bed.disk);
	assert_int_equal(disk_bed_read(&bed, 512, back, 512), 0);
	assert_int_equal(truncate(image, 16 << 20), 0);
	while (!bed.resizes) {
		/* The first question may still be under way. */
		disk_refresh(bed.disk);
		assert_true(medio_loop_run_once(bed.loop, -1) >= 0);
	}
	assert_int_equal(bed.info.bytes, 16 << 20);
	assert_int_equal(disk_bed_write(&bed, (16 << 20) - 512, buf, 512), 0);
	assert_int_equal(disk_bed_read(&bed, 512, back, 512), 0);
	assert_memory_equal(buf, back, 512);
	/* What was written before was flushed before the other connection took over. */
	assert_int_equal(disk_bed_op(&bed, DISK_FLUSH, 0, 0), 0);
	assert_null(strstr(bed.log, "lost"));
	disk_bed_close(&bed);
	stop(&server);
}

static void one_may_ask_while_requests_are_under_way(void **state)
{
	struct server server;
	struct disk_bed bed;

	(void)state;
	make_image(8 << 20);
	NBDKIT(&server, "file", image);
	assert_int_equal(disk_bed_open(&bed, uri, NULL), 0);
	assert_int_equal(truncate(image, 16 << 20), 0);
	for (unsigned i = 0; i < 20; i++) {
		disk_refresh(bed.disk);
		disk_bed_play(&bed, 40 + i, 10);
	}
	/* Drains stop the question, so once more in peace. */
	bed.wait = DISK_BED_LOOP;
	while (!bed.resizes) {
		disk_refresh(bed.disk);
		assert_true(medio_loop_run_once(bed.loop, -1) >= 0);
	}
	assert_int_equal(bed.info.bytes, 16 << 20);
	disk_bed_close(&bed);
	stop(&server);
}

/* ---- Opening -------------------------------------------------------------------------------------------------- */

static void assert_refused(int err, const char *words, const char *param)
{
	struct disk_bed bed;

	int ret = disk_bed_open(&bed, param, NULL);
	if (ret != -err || !strstr(bed.words, words))
		fail_msg("%d: '%s' is not in '%s'", ret, words, bed.words);
}

static void what_is_no_server_is_refused_in_words(void **state)
{
	struct server server;
	struct disk_bed bed;

	(void)state;
	assert_refused(ENOENT, "a URI is nbd+unix:///", uri);
	assert_refused(EINVAL, "a URI is nbd+unix:///", "nbd=/tmp/socket");
	NBDKIT(&server, "-r", "memory", SIZE);
	assert_refused(EROFS, "readonly=on takes it so", uri);
	assert_int_equal(disk_bed_open(&bed, uri, "readonly=on", NULL), 0);
	assert_int_equal(disk_bed_op(&bed, DISK_DISCARD, 0, 512), -EROFS);
	disk_bed_close(&bed);
	stop(&server);
	NBDKIT(&server, "memory", "0");
	assert_refused(EINVAL, "the server's disk has 0 bytes", uri);
	stop(&server);
}

/* ---- ----------------------------------------------------------------------------------------------------------- */

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/medio-nbd-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/socket", dir);
	snprintf(image, sizeof(image), "%s/image", dir);
	snprintf(uri, sizeof(uri), "nbd=nbd+unix:///?socket=%s", path);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	unlink(image);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_keeps_what_is_written),
		cmocka_unit_test(a_qcow2_image_through_qemu_nbd),
		cmocka_unit_test(errors_of_a_server_are_the_guests),
		cmocka_unit_test(a_server_that_died_is_connected_to_again),
		cmocka_unit_test(another_disk_is_not_taken_for_the_first),
		cmocka_unit_test(a_server_that_does_not_answer_is_given_up_by_a_drain),
		cmocka_unit_test(a_server_whose_disk_grew_is_asked_again),
		cmocka_unit_test(one_may_ask_while_requests_are_under_way),
		cmocka_unit_test(what_is_no_server_is_refused_in_words),
	};
	/* NOLINTNEXTLINE(cert-env33-c): a fixed command */
	if (system("nbdkit --version >/dev/null 2>&1") != 0) {
		printf("1..0 # SKIP needs nbdkit\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
