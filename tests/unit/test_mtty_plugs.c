/* SPDX-License-Identifier: BSD-3-Clause */
/* What a port of mtty may be plugged into: unix sockets, ptys, files, standard input and output. */
#include "test_mtty_card.h"

/* ---- Backends -------------------------------------------------------------------------------------- */

/* Until fd has given n bytes. */
static void expect_bytes(struct medio_dev *dev, int fd, const uint8_t *want, size_t n)
{
	uint8_t buf[4096];
	size_t got = 0;

	for (unsigned idle = 0; got < n && idle < 1000; idle++) {
		ssize_t r = read(fd, buf, sizeof(buf) < n - got ? sizeof(buf) : n - got);

		if (r > 0) {
			assert_memory_equal(buf, want + got, r);
			got += r;
			idle = 0;
		}
		host_run(dev, r > 0 ? 0 : 10);
	}
	assert_int_equal(got, n);
}

static bool peer_there(struct medio_dev *dev)
{
	return host_in(dev, 0, MEDIO_MTTY_MSR) & MEDIO_MTTY_MSR_DCD;
}

static void expect_peer(struct medio_dev *dev, bool there)
{
	for (unsigned i = 0; i < 1000 && peer_there(dev) != there; i++)
		host_run(dev, 10);
	assert_int_equal(peer_there(dev), there);
}

static int dial(const char *name)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", name);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

/* total bytes each way at once, the peer reading and writing when it can. */
static void exchange(struct medio_dev *dev, int fd, size_t total)
{
	uint8_t *out = malloc(total), *in = malloc(total), *back = malloc(total);
	size_t written = 0, heard = 0;
	struct driver drv;

	drv_start(&drv, dev, 0);
	drv.rx = in;
	drv.rx_max = total;
	fill(out, total, 3);
	drv_send(&drv, out, total);
	for (unsigned idle = 0; (drv.rx_len < total || heard < total) && idle < 1000; idle++) {
		ssize_t n = written < total ? write(fd, out + written, total - written) : 0;

		if (n > 0)
			written += n;
		while (dev->irq)
			assert_true(drv_handle(&drv));
		n = read(fd, back + heard, total - heard);
		if (n > 0) {
			heard += n;
			idle = 0;
		}
		if (!host_run(dev, 0))
			host_next_timer(dev);
	}
	assert_int_equal(drv.rx_len, total);
	assert_int_equal(heard, total);
	assert_memory_equal(in, out, total);
	assert_memory_equal(back, out, total);
	assert_int_equal(drv.errors, 0);
	free(out);
	free(in);
	free(back);
}

static void unix_socket_carries_every_byte_both_ways(void **state)
{
	struct medio_dev dev;
	char plug[140];
	int fd;

	snprintf(plug, sizeof(plug), "unix:%s", path("s"));
	open_card(&dev, &medio_mtty_1, plug);
	fd = dial(path("s"));
	expect_peer(&dev, true);
	exchange(&dev, fd, 300000);
	close(fd);
	close_card(&dev);
	assert_int_equal(access(path("s"), F_OK), -1);
}

static void unix_peers_come_and_go_and_what_nobody_hears_is_lost(void **state)
{
	struct medio_dev dev;
	struct stat st;
	char plug[140];
	int first, second;

	snprintf(plug, sizeof(plug), "unix:%s", path("s"));
	open_card(&dev, &medio_mtty_1, plug);
	assert_int_equal(stat(path("s"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	host_out(&dev, 0, MEDIO_MTTY_FCR, 0x01);
	assert_false(peer_there(&dev));
	/* Nobody is there: lost at once, and the guest is not stopped. */
	for (unsigned i = 0; i < 10000; i++)
		host_out(&dev, 0, MEDIO_MTTY_THR, 'l');
	assert_true(host_in(&dev, 0, MEDIO_MTTY_LSR) & MEDIO_MTTY_LSR_TEMT);

	first = dial(path("s"));
	expect_peer(&dev, true);
	host_out(&dev, 0, MEDIO_MTTY_THR, '1');
	expect_bytes(&dev, first, (const uint8_t *)"1", 1);
	/* The second waits in the queue; what the first sent before it left still arrives. */
	second = dial(path("s"));
	assert_false(host_run(&dev, 0));
	host_out(&dev, 0, MEDIO_MTTY_THR, '!');
	expect_bytes(&dev, first, (const uint8_t *)"!", 1);
	assert_int_equal(write(first, "bye", 3), 3);
	close(first);
	for (unsigned i = 0; i < 1000 && !(host_in(&dev, 0, MEDIO_MTTY_LSR) & 1); i++)
		host_run(&dev, 10);
	assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_RBR), 'b');
	assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_RBR), 'y');
	assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_RBR), 'e');
	for (unsigned i = 0; i < 3; i++)
		host_run(&dev, 10);
	expect_peer(&dev, true);
	host_out(&dev, 0, MEDIO_MTTY_THR, '2');
	expect_bytes(&dev, second, (const uint8_t *)"2", 1);
	close(second);
	expect_peer(&dev, false);
	close_card(&dev);
}

static void unix_peer_that_only_stopped_sending_still_hears(void **state)
{
	struct medio_dev dev;
	char plug[140];
	int fd;

	snprintf(plug, sizeof(plug), "unix:%s", path("s"));
	open_card(&dev, &medio_mtty_1, plug);
	fd = dial(path("s"));
	expect_peer(&dev, true);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	host_run(&dev, 10);
	/* No event is left that would spin the loop. */
	assert_false(host_run(&dev, 0));
	assert_true(peer_there(&dev));
	host_out(&dev, 0, MEDIO_MTTY_THR, 'x');
	expect_bytes(&dev, fd, (const uint8_t *)"x", 1);
	close(fd);
	expect_peer(&dev, false);
	close_card(&dev);
}

static void peer_that_does_not_read_holds_the_transmitter(void **state)
{
	struct medio_dev dev;
	char plug[140];
	uint8_t *want = malloc(1 << 22);
	unsigned sent = 0, extra;
	int fd;

	snprintf(plug, sizeof(plug), "unix:%s", path("s"));
	open_card(&dev, &medio_mtty_1, plug);
	host_out(&dev, 0, MEDIO_MTTY_FCR, 0x01);
	fd = dial(path("s"));
	expect_peer(&dev, true);
	while (host_in(&dev, 0, MEDIO_MTTY_LSR) & MEDIO_MTTY_LSR_THRE) {
		for (unsigned i = 0; i < 16; i++, sent++) {
			assert_true(sent < 1 << 22);
			want[sent] = sent % 253;
			host_out(&dev, 0, MEDIO_MTTY_THR, want[sent]);
		}
		host_run(&dev, 0);
	}
	/* Blocked is quiet: nothing spins. */
	host_run(&dev, 0);
	assert_false(host_run(&dev, 0));
	host_out(&dev, 0, MEDIO_MTTY_IER, MEDIO_MTTY_IER_THRE);
	assert_false(dev.irq);
	expect_bytes(&dev, fd, want, sent);
	assert_true(dev.irq);
	assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_IIR), 0xc2);
	extra = host_in(&dev, 0, MEDIO_MTTY_LSR);
	assert_int_equal(extra, 0x60);
	close(fd);
	close_card(&dev);
	free(want);
}

static void guest_that_does_not_read_holds_the_peer_and_gets_all_at_last(void **state)
{
	struct medio_dev dev;
	char plug[140];
	uint8_t buf[1024];
	size_t sent = 0, got = 0;
	int fd;

	snprintf(plug, sizeof(plug), "unix:%s", path("s"));
	open_card(&dev, &medio_mtty_1, plug);
	host_out(&dev, 0, MEDIO_MTTY_FCR, 0x01);
	fd = dial(path("s"));
	expect_peer(&dev, true);
	for (unsigned full = 0; full < 3;) {
		for (unsigned i = 0; i < sizeof(buf); i++)
			buf[i] = (sent + i) % 241;
		ssize_t n = write(fd, buf, sizeof(buf));

		if (n > 0)
			sent += n;
		full = n > 0 ? 0 : full + 1;
		host_run(&dev, 0);
	}
	assert_false(host_run(&dev, 0));
	/* The peer goes; what it sent is still to come, all of it, and then the line drops. */
	close(fd);
	host_run(&dev, 10);
	host_run(&dev, 0);
	assert_false(host_run(&dev, 0));
	while (got < sent) {
		if (!(host_in(&dev, 0, MEDIO_MTTY_LSR) & MEDIO_MTTY_LSR_DR)) {
			assert_true(host_run(&dev, 1000));
			continue;
		}
		assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_RBR), got % 241);
		got++;
	}
	expect_peer(&dev, false);
	assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_LSR), 0x60);
	close_card(&dev);
}

static void stale_unix_socket_is_replaced_and_a_live_one_is_not(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct medio_dev dev, other;
	char plug[140], param[150];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path("s"));
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
	snprintf(plug, sizeof(plug), "unix:%s", path("s"));
	open_card(&dev, &medio_mtty_1, plug);
	snprintf(param, sizeof(param), "port0=%s", plug);
	assert_int_equal(host_open(&other, &medio_mtty_1, PARAMS(param)), -EADDRINUSE);
	/* The refused one has not removed the other's socket. */
	fd = dial(path("s"));
	close(fd);
	close_card(&dev);
}

static int open_terminal(struct medio_dev *dev)
{
	int fd;

	assert_memory_equal(dev->log, "port 0 is /dev/pts/", 19);
	fd = open(dev->log + 10, O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_true(fd >= 0);
	return fd;
}

static void pty_carries_every_byte_both_ways(void **state)
{
	struct medio_dev dev;
	int fd;

	open_card(&dev, &medio_mtty_1, "pty");
	fd = open_terminal(&dev);
	expect_peer(&dev, true);
	exchange(&dev, fd, 100000);
	close(fd);
	close_card(&dev);
}

static void pty_is_opened_and_closed_again_and_again(void **state)
{
	struct medio_dev dev;

	open_card(&dev, &medio_mtty_1, "pty");
	host_out(&dev, 0, MEDIO_MTTY_FCR, 0x01);
	for (unsigned round = 0; round < 3; round++) {
		int fd;

		assert_false(peer_there(&dev));
		for (unsigned i = 0; i < 10000; i++)
			host_out(&dev, 0, MEDIO_MTTY_THR, 'l');
		assert_true(host_in(&dev, 0, MEDIO_MTTY_LSR) & MEDIO_MTTY_LSR_TEMT);
		fd = open_terminal(&dev);
		expect_peer(&dev, true);
		assert_false(host_run(&dev, 0));
		host_out(&dev, 0, MEDIO_MTTY_THR, '0' + round);
		expect_bytes(&dev, fd, &(uint8_t){ '0' + round }, 1);
		close(fd);
		expect_peer(&dev, false);
		assert_false(host_run(&dev, 0));
	}
	close_card(&dev);
}

static void pty_bytes_of_a_short_visit_arrive(void **state)
{
	struct medio_dev dev;
	int fd;

	open_card(&dev, &medio_mtty_1, "pty");
	host_out(&dev, 0, MEDIO_MTTY_FCR, 0x01);
	/* echo hello >/dev/pts/N: gone before anybody looked. */
	fd = open_terminal(&dev);
	assert_int_equal(write(fd, "hello", 5), 5);
	close(fd);
	for (unsigned i = 0; i < 5; i++) {
		for (unsigned j = 0; j < 1000 && !(host_in(&dev, 0, MEDIO_MTTY_LSR) & 1); j++)
			host_run(&dev, 10);
		assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_RBR), "hello"[i]);
	}
	expect_peer(&dev, false);
	close_card(&dev);
}

static void pty_link_is_made_replaced_and_removed(void **state)
{
	struct medio_dev dev;
	char plug[140], param[150], target[64] = "";

	snprintf(plug, sizeof(plug), "pty:%s", path("link"));
	assert_int_equal(symlink("/dev/pts/99999", path("link")), 0);
	open_card(&dev, &medio_mtty_1, plug);
	assert_true(readlink(path("link"), target, sizeof(target) - 1) > 0);
	assert_string_equal(target, dev.log + 10);
	close_card(&dev);
	assert_int_equal(access(path("link"), F_OK), -1);

	/* A link that is no pty's is somebody's. */
	assert_int_equal(symlink("/etc/passwd", path("link")), 0);
	snprintf(param, sizeof(param), "port0=%s", plug);
	assert_int_equal(host_open(&dev, &medio_mtty_1, PARAMS(param)), -EEXIST);
	assert_int_equal(unlink(path("link")), 0);
}

static void file_gets_every_byte_appended(void **state)
{
	struct medio_dev dev;
	char plug[140];
	uint8_t *want = malloc(20000);
	int fd = open(path("f"), O_RDWR | O_CREAT | O_NONBLOCK, 0600);

	fill(want, 20000, 4);
	assert_int_equal(write(fd, want, 10), 10);
	snprintf(plug, sizeof(plug), "file:%s", path("f"));
	open_card(&dev, &medio_mtty_1, plug);
	host_out(&dev, 0, MEDIO_MTTY_FCR, 0x01);
	for (unsigned i = 10; i < 20000; i++) {
		if (!(host_in(&dev, 0, MEDIO_MTTY_LSR) & MEDIO_MTTY_LSR_THRE))
			assert_true(host_run(&dev, 0));
		host_out(&dev, 0, MEDIO_MTTY_THR, want[i]);
	}
	/* Closing writes the rest. */
	close_card(&dev);
	lseek(fd, 0, SEEK_SET);
	uint8_t *got = malloc(20001);
	assert_int_equal(read(fd, got, 20001), 20000);
	assert_memory_equal(got, want, 20000);
	close(fd);
	unlink(path("f"));
	free(want);
	free(got);
}

static void stdio_uses_the_standard_files_and_restores_nothing_it_did_not_change(void **state)
{
	struct medio_dev dev;
	int in[2], out[2], keep_in = dup(0), keep_out;
	int before, after;

	fflush(stdout);
	keep_out = dup(1);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	dup2(in[0], 0);
	dup2(out[1], 1);
	before = fcntl(1, F_GETFL);
	int ret = host_open(&dev, &medio_mtty_1, PARAMS("port0=stdio"));
	after = fcntl(1, F_GETFL);
	dup2(keep_in, 0);
	dup2(keep_out, 1);
	close(keep_in);
	close(keep_out);
	assert_int_equal(ret, 0);
	assert_int_equal(before, after);

	host_out(&dev, 0, MEDIO_MTTY_FCR, 0x01);
	host_out(&dev, 0, MEDIO_MTTY_THR, 'o');
	expect_bytes(&dev, out[0], (const uint8_t *)"o", 1);
	assert_int_equal(write(in[1], "i", 1), 1);
	assert_true(host_run(&dev, 1000));
	assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_RBR), 'i');
	/* End of input: the output goes on, and nothing spins. */
	close(in[1]);
	host_run(&dev, 1000);
	assert_false(host_run(&dev, 0));
	host_out(&dev, 0, MEDIO_MTTY_THR, 'p');
	expect_bytes(&dev, out[0], (const uint8_t *)"p", 1);
	close_card(&dev);
	close(in[0]);
	close(out[0]);
	close(out[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unix_socket_carries_every_byte_both_ways),
		cmocka_unit_test(unix_peers_come_and_go_and_what_nobody_hears_is_lost),
		cmocka_unit_test(unix_peer_that_only_stopped_sending_still_hears),
		cmocka_unit_test(peer_that_does_not_read_holds_the_transmitter),
		cmocka_unit_test(guest_that_does_not_read_holds_the_peer_and_gets_all_at_last),
		cmocka_unit_test(stale_unix_socket_is_replaced_and_a_live_one_is_not),
		cmocka_unit_test(pty_carries_every_byte_both_ways),
		cmocka_unit_test(pty_is_opened_and_closed_again_and_again),
		cmocka_unit_test(pty_bytes_of_a_short_visit_arrive),
		cmocka_unit_test(pty_link_is_made_replaced_and_removed),
		cmocka_unit_test(file_gets_every_byte_appended),
		cmocka_unit_test(
			stdio_uses_the_standard_files_and_restores_nothing_it_did_not_change),
	};
	return cmocka_run_group_tests(tests, setup_dir, teardown_dir);
}
