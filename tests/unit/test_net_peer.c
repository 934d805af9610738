/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_net_peer QEMU: frames to and from a QEMU, by its -netdev stream. It needs no guest: a hub in it joins
 * the stream with a user network of its own, which answers. tests/guest/test_net_stream.sh runs this.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/frame.h"
#include "test_net_bed.h"

static const char *qemu;
static char dir[] = "/tmp/medio-peer-XXXXXX", path[64];
static struct medio_loop *loop;
static struct net_bed *bed;
static pid_t child;

static void start_qemu(const char *way)
{
	char stream[160];

	snprintf(stream, sizeof(stream), "stream,id=s,addr.type=unix,addr.path=%s,%s", path, way);
	child = fork();
	assert_true(child >= 0);
	if (child)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!freopen("/dev/null", "we", stderr))
		_exit(126);
	execl(qemu, qemu, "-machine", "none", "-nodefaults", "-display", "none", "-monitor", "none",
		"-netdev", stream, "-netdev", "hubport,id=a,hubid=0,netdev=s", "-netdev",
		"user,id=u", "-netdev", "hubport,id=b,hubid=0,netdev=u", (char *)NULL);
	_exit(127);
}

static void stop_qemu(void)
{
	kill(child, SIGTERM);
	assert_int_equal(waitpid(child, NULL, 0), child);
	child = 0;
}

static int setup(void **state)
{
	net_bed_forget_words();
	snprintf(path, sizeof(path), "%s/socket", dir);
	return medio_loop_new(&loop);
}

static int teardown(void **state)
{
	if (child)
		stop_qemu();
	net_bed_close(bed);
	bed = NULL;
	medio_loop_free(loop);
	unlink(path);
	return 0;
}

static void open_socket(const char *way)
{
	char param[160];

	snprintf(param, sizeof(param), "socket=%s:%s", way, path);
	bed = net_bed_open(loop, (const char *const[]){ param, NULL });
	if (!bed)
		fail_msg("%s", net_bed_words());
}

static bool is_up(void *arg)
{
	return net_is_up(bed->net);
}

static bool is_down(void *arg)
{
	return !net_is_up(bed->net);
}

/* QEMU takes a while to begin. */
static void wait_up(void)
{
	for (unsigned i = 0; i < 6; i++) {
		if (net_bed_until(loop, is_up, NULL))
			return;
	}
	fail_msg("QEMU did not come: %s", net_bed_words());
}

/* Who is 10.0.2.2? */
static void ask(unsigned count)
{
	uint8_t frame[42] = { 0 };

	memset(frame, 0xff, 6);
	memcpy(frame + 6, "\x52\x54\0\1\2\3", 6);
	frame_put16(frame + 12, 0x0806);
	memcpy(frame + 14, "\0\1\x08\0\6\4\0\1", 8);
	memcpy(frame + 22, frame + 6, 6);
	frame_put32(frame + 28, 0x0a00020f);
	frame_put32(frame + 38, 0x0a000202);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(net_bed_send_hdr(bed, frame, sizeof(frame), NULL), 0);
	net_flush(bed->net);
}

static unsigned answers(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < bed->num_frames; i++) {
		const struct net_bed_frame *frame = &bed->frames[i];

		count += frame->bytes >= 42 && frame_get16(frame->data + 12) == 0x0806 &&
			 frame_get32(frame->data + 28) == 0x0a000202 && frame->data[21] == 2;
	}
	return count;
}

static bool all_answered(void *arg)
{
	return answers() == 100;
}

static void talk(void)
{
	net_bed_forget(bed);
	ask(100);
	assert_true(net_bed_until(loop, all_answered, NULL));
}

static void we_connect_to_qemu(void **state)
{
	open_socket("unix");
	start_qemu("server=on");
	wait_up();
	talk();
	/* It goes and another one comes: nobody has to be told. */
	stop_qemu();
	assert_true(net_bed_until(loop, is_down, NULL));
	start_qemu("server=on");
	wait_up();
	talk();
}

static void qemu_connects_to_us(void **state)
{
	open_socket("listen-unix");
	start_qemu("server=off");
	wait_up();
	talk();
	stop_qemu();
	assert_true(net_bed_until(loop, is_down, NULL));
	start_qemu("server=off");
	wait_up();
	talk();
}

static int setup_dir(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown_dir(void **state)
{
	return rmdir(dir);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(we_connect_to_qemu, setup, teardown),
		cmocka_unit_test_setup_teardown(qemu_connects_to_us, setup, teardown),
	};

	if (argc < 2) {
		fprintf(stderr, "usage: test_net_peer QEMU\n");
		return 2;
	}
	qemu = argv[1];
	return cmocka_run_group_tests(tests, setup_dir, teardown_dir);
}
