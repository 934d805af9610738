/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ttyloop TTY: puts the UART into its own loopback (MCR bit 4, TIOCM_LOOP) and proves, through the
 * driver, that bytes come back and that the modem outputs arrive on the modem inputs (16550 data sheet,
 * "Modem control register": RTS to CTS, DTR to DSR, OUT1 to RI, OUT2 to DCD).
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* linux/termios.h has it, which the C library's header does not go with. */
#ifndef TIOCM_LOOP
#define TIOCM_LOOP 0x8000
#endif

static int fail(const char *what)
{
	printf("failed: %s\n", what);
	return 1;
}

/* Sets exactly these outputs, with loopback on, and returns the inputs seen. */
static int lines_through(int fd, int outputs)
{
	int value = outputs | TIOCM_LOOP;

	if (ioctl(fd, TIOCMSET, &value) < 0 || ioctl(fd, TIOCMGET, &value) < 0)
		return -1;
	return value & (TIOCM_CTS | TIOCM_DSR);
}

static int bytes_through(int fd)
{
	static const char text[] = "looped inside the UART, seen by nobody else";
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	char back[sizeof(text)];
	size_t got = 0;

	if (write(fd, text, sizeof(text)) != (ssize_t)sizeof(text))
		return fail("write");
	while (got < sizeof(back)) {
		ssize_t n;

		if (poll(&poller, 1, 10000) <= 0)
			return fail("nothing came back");
		n = read(fd, back + got, sizeof(back) - got);
		if (n <= 0)
			return fail("read");
		got += n;
	}
	if (memcmp(text, back, sizeof(text)) != 0)
		return fail("other bytes came back");
	/* An echoing far end must not have seen them: nothing may come a second time. */
	if (poll(&poller, 1, 300) != 0)
		return fail("bytes came back twice");
	return 0;
}

int main(int argc, char **argv)
{
	struct termios termios;
	int fd, ret, value = 0;

	if (argc != 2)
		return fail("usage: ttyloop TTY");
	fd = open(argv[1], O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || tcgetattr(fd, &termios) < 0)
		return fail("open");
	cfmakeraw(&termios);
	termios.c_cflag |= CLOCAL | CREAD;
	termios.c_cflag &= ~CRTSCTS;
	cfsetspeed(&termios, B115200);
	if (tcsetattr(fd, TCSANOW, &termios) < 0)
		return fail("tcsetattr");
	tcflush(fd, TCIOFLUSH);

	if (lines_through(fd, 0) != 0)
		return fail("inputs high with all outputs low");
	if (lines_through(fd, TIOCM_RTS) != TIOCM_CTS)
		return fail("RTS does not arrive as CTS alone");
	if (lines_through(fd, TIOCM_DTR) != TIOCM_DSR)
		return fail("DTR does not arrive as DSR alone");
	if (lines_through(fd, TIOCM_RTS | TIOCM_DTR) != (TIOCM_CTS | TIOCM_DSR))
		return fail("both outputs do not arrive");
	ret = bytes_through(fd);
	value = TIOCM_RTS | TIOCM_DTR;
	if (ioctl(fd, TIOCMSET, &value) < 0)
		return fail("leaving loopback");
	if (ret == 0)
		printf("loopback works\n");
	return ret;
}
