/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ttyecho BYTES TTY...: sends BYTES of a pseudo-random stream through each tty, all at once, and compares
 * what an echoing far end returns byte for byte. Never has more than WINDOW bytes on the way, which
 * stands in for flow control: the driver's own receive buffer is what would overrun.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum {
	WINDOW = 2048,
	PORTS_MAX = 32,
	SILENCE_MS = 10000,
};

struct port {
	const char *path;
	int fd;
	uint64_t sent;
	uint64_t received;
	uint32_t send_state;
	uint32_t receive_state;
};

/* The sender and the checker each run one of these from the same seed (xorshift32). */
static uint8_t stream_next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state >> 24;
}

static int port_open(struct port *port, const char *path, uint32_t seed)
{
	struct termios termios;

	*port = (struct port){ .path = path, .send_state = seed, .receive_state = seed };
	port->fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (port->fd < 0 || tcgetattr(port->fd, &termios) < 0)
		return -errno;
	cfmakeraw(&termios);
	termios.c_cflag |= CLOCAL | CREAD;
	cfsetspeed(&termios, B115200);
	if (tcsetattr(port->fd, TCSANOW, &termios) < 0)
		return -errno;
	tcflush(port->fd, TCIOFLUSH);
	return 0;
}

static int port_send(struct port *port, uint64_t total)
{
	uint64_t room = port->received + WINDOW - port->sent;
	uint8_t buffer[WINDOW];
	uint32_t state = port->send_state;
	ssize_t n;

	if (room > total - port->sent)
		room = total - port->sent;
	for (uint64_t i = 0; i < room; i++)
		buffer[i] = stream_next(&state);
	n = write(port->fd, buffer, room);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	for (ssize_t i = 0; i < n; i++)
		stream_next(&port->send_state);
	port->sent += n;
	return 0;
}

static int port_receive(struct port *port)
{
	uint8_t buffer[4096];
	ssize_t n = read(port->fd, buffer, sizeof(buffer));

	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	for (ssize_t i = 0; i < n; i++) {
		uint8_t want = stream_next(&port->receive_state);

		if (buffer[i] != want) {
			printf("%s: byte %" PRIu64 " is %02x, expected %02x\n", port->path,
				port->received + i, buffer[i], want);
			return -EBADMSG;
		}
	}
	port->received += n;
	return 0;
}

/* Returns how many ports still have bytes to send or to receive, or -errno. */
static int ports_step(struct port *ports, int count, uint64_t total)
{
	struct pollfd polls[PORTS_MAX];
	int busy = 0, ready;

	for (int i = 0; i < count; i++) {
		struct port *port = &ports[i];
		bool may_send = port->sent < total && port->sent - port->received < WINDOW;

		polls[i].fd = port->received < total ? port->fd : -1;
		polls[i].events = POLLIN | (may_send ? POLLOUT : 0);
		polls[i].revents = 0;
		busy += port->received < total;
	}
	if (busy == 0)
		return 0;
	ready = poll(polls, count, SILENCE_MS);
	if (ready <= 0)
		return ready < 0 ? -errno : -ETIMEDOUT;
	for (int i = 0; i < count; i++) {
		int ret = 0;

		if (polls[i].revents & (POLLERR | POLLHUP))
			return -EIO;
		if (polls[i].revents & POLLIN)
			ret = port_receive(&ports[i]);
		if (ret == 0 && (polls[i].revents & POLLOUT))
			ret = port_send(&ports[i], total);
		if (ret < 0)
			return ret;
	}
	return busy;
}

int main(int argc, char **argv)
{
	struct port ports[PORTS_MAX];
	struct timespec start, end;
	int count = argc - 2;
	uint64_t total;
	double seconds;
	int ret;

	if (count < 1 || count > PORTS_MAX) {
		fprintf(stderr, "usage: ttyecho BYTES TTY...\n");
		return 2;
	}
	total = strtoull(argv[1], NULL, 0);
	for (int i = 0; i < count; i++) {
		ret = port_open(&ports[i], argv[2 + i], 0x6d6564 + i);
		if (ret < 0) {
			printf("%s: %s\n", argv[2 + i], strerror(-ret));
			return 1;
		}
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		ret = ports_step(ports, count, total);
	} while (ret > 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = (end.tv_sec - start.tv_sec) + (end.tv_nsec - start.tv_nsec) / 1e9;
	for (int i = 0; i < count; i++)
		printf("%s: sent %" PRIu64 ", echoed %" PRIu64 " of %" PRIu64 "\n", ports[i].path,
			ports[i].sent, ports[i].received, total);
	if (ret < 0) {
		printf("failed: %s\n", strerror(-ret));
		return 1;
	}
	printf("echo complete: %.1f s, %.1f KiB/s a port\n", seconds, total / 1024.0 / seconds);
	return 0;
}
