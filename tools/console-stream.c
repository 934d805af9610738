/* SPDX-License-Identifier: BSD-3-Clause */
#include "console-stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "terminal.h"

#define CHUNK 4096

struct stream {
	const struct medio_console_stream *opts;
	int fd;
	bool is_terminal;     /* fd is one: it has a window's size */
	bool eof, gone;	      /* of the input, of the other end */
	uint8_t out[CHUNK];   /* read, not sent yet */
	size_t from, to;      /* where those stand */
	uint64_t quiet_since; /* last time something moved */
	uint64_t sent, received;
	sigset_t waiting; /* signal mask while waiting */
};

/* A signal belongs to the process, hence so does this. */
static volatile sig_atomic_t resized;

static void on_resize(int sig)
{
	(void)sig;
	resized = 1;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static const char *path_of(const char *uri)
{
	if (!strncmp(uri, "unix:", 5))
		return uri + 5;
	return !strncmp(uri, "pty:", 4) ? uri + 4 : uri;
}

bool medio_console_is_stream(const char *uri)
{
	struct stat st;

	return path_of(uri) != uri || (stat(uri, &st) == 0 && S_ISCHR(st.st_mode));
}

/* ---- The other end ------------------------------------------------------------------------------ */

static int dial(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	memcpy(sun.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		int ret = -errno;

		close(fd);
		return ret;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return fd;
}

/* Raw at this end too, so that bytes are bytes, whoever had it open before. */
static int open_terminal(struct stream *s, const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	struct termios tio;

	if (fd < 0)
		return -errno;
	if (tcgetattr(fd, &tio) < 0) {
		close(fd);
		return -ENOTTY;
	}
	cfmakeraw(&tio);
	tcsetattr(fd, TCSANOW, &tio);
	s->is_terminal = true;
	return fd;
}

static int open_stream(struct stream *s)
{
	const char *path = path_of(s->opts->uri);
	bool is_socket = !strncmp(s->opts->uri, "unix:", 5);
	struct stat st;

	s->fd = is_socket ? dial(path) : open_terminal(s, path);
	if (s->fd >= 0)
		return 0;
	/* The socket of the device itself is another one. */
	if ((s->fd == -ENOTTY || s->fd == -ENXIO) && stat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		return medio_command_fail(
			s->opts->cmd, "%s: not a terminal; try unix:%s", s->opts->uri, path);
	return medio_command_fail(s->opts->cmd, "%s: %s", s->opts->uri, strerror(-s->fd));
}

/* The other end's window becomes that of our terminal, if both have one. */
static void resize(struct stream *s)
{
	struct winsize ws;

	resized = 0;
	if (s->is_terminal && medio_terminal_raw() && ioctl(STDIN_FILENO, TIOCGWINSZ, &ws) == 0)
		ioctl(s->fd, TIOCSWINSZ, &ws);
}

/* ---- Moving bytes ------------------------------------------------------------------------------- */

/* Wait before each write, for a signal may come. */
static int show(struct stream *s, const uint8_t *buf, size_t size)
{
	while (size && !medio_terminal_signal()) {
		struct pollfd pfd = { .fd = STDOUT_FILENO, .events = POLLOUT };
		if (ppoll(&pfd, 1, NULL, &s->waiting) < 0)
			continue;
		ssize_t n = write(STDOUT_FILENO, buf, size);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return medio_command_fail(
				s->opts->cmd, "standard output: %s", strerror(errno));
		buf += n;
		size -= (size_t)n;
	}
	return 0;
}

static int receive(struct stream *s)
{
	uint8_t buf[CHUNK];
	ssize_t n = read(s->fd, buf, sizeof(buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* A pseudo-terminal whose master is closed gives EIO. */
	if (n <= 0) {
		s->gone = true;
		return 0;
	}
	s->quiet_since = now_ns();
	s->received += (uint64_t)n;
	return show(s, buf, (size_t)n);
}

static void transmit(struct stream *s)
{
	ssize_t n = write(s->fd, s->out + s->from, s->to - s->from);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* Nobody hears us; what was said before is still to be read, and its end tells. */
	if (n <= 0) {
		s->eof = true;
		s->from = s->to = 0;
		return;
	}
	s->quiet_since = now_ns();
	s->sent += (uint64_t)n;
	s->from += (size_t)n;
	if (s->from == s->to)
		s->from = s->to = 0;
}

static int from_stdin(struct stream *s)
{
	ssize_t n = read(STDIN_FILENO, s->out, sizeof(s->out));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	/* A terminal that hung up reads as an error: the end as well. */
	if (n < 0 && errno != EIO)
		return medio_command_fail(s->opts->cmd, "standard input: %s", strerror(errno));
	s->quiet_since = now_ns();
	s->eof = n <= 0;
	s->to = n > 0 ? (size_t)n : 0;
	if (s->opts->escape >= 0 && medio_terminal_raw()) {
		const uint8_t *key = memchr(s->out, s->opts->escape, s->to);
		if (key) {
			s->to = (size_t)(key - s->out);
			s->eof = true;
		}
	}
	return 0;
}

/* ---- The loop ------------------------------------------------------------------------------------ */

static uint64_t linger(const struct stream *s)
{
	/* Who leaves by the escape key does not wait. */
	return medio_terminal_raw() ? 0 : s->opts->linger_ns;
}

static bool finished(const struct stream *s)
{
	return s->eof && s->from == s->to && now_ns() - s->quiet_since >= linger(s);
}

static int turn(struct stream *s)
{
	struct pollfd pfds[2] = {
		{ .fd = s->fd, .events = POLLIN | (s->from < s->to ? POLLOUT : 0) },
		{ .fd = s->eof || s->from < s->to ? -1 : STDIN_FILENO, .events = POLLIN },
	};
	uint64_t ns = linger(s) > 1000000 ? linger(s) : 1000000;
	struct timespec limit = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
	int ret = 0;

	if (ppoll(pfds, 2, s->eof ? &limit : NULL, &s->waiting) < 0) {
		if (errno != EINTR)
			return medio_command_fail(s->opts->cmd, "poll: %s", strerror(errno));
		return 0;
	}
	if (pfds[0].revents & (POLLIN | POLLHUP | POLLERR))
		ret = receive(s);
	if (!ret && pfds[0].revents & POLLOUT)
		transmit(s);
	if (!ret && pfds[1].revents)
		ret = from_stdin(s);
	return ret;
}

static int loop(struct stream *s)
{
	s->quiet_since = now_ns();
	while (!medio_terminal_signal()) {
		int ret = turn(s);
		if (ret)
			return ret;
		if (resized)
			resize(s);
		if (s->gone)
			return medio_command_fail(
				s->opts->cmd, "%s: the other end has gone", s->opts->uri);
		if (finished(s))
			break;
	}
	return MEDIO_EXIT_OK;
}

static int talk(struct stream *s)
{
	struct sigaction action = { .sa_handler = on_resize }, before;
	sigset_t winch;
	int ret = medio_terminal_enter(&s->waiting);

	if (ret)
		return medio_command_fail(s->opts->cmd, "terminal: %s", strerror(-ret));
	/* As the others, it comes while waiting only. */
	sigemptyset(&winch);
	sigaddset(&winch, SIGWINCH);
	sigprocmask(SIG_BLOCK, &winch, NULL);
	sigdelset(&s->waiting, SIGWINCH);
	sigaction(SIGWINCH, &action, &before);
	resize(s);
	if (medio_terminal_raw() && s->opts->escape >= 0)
		fprintf(stderr, "%s. Type %s to leave.\r\n", s->opts->uri, s->opts->escape_text);
	ret = loop(s);
	if (medio_terminal_raw())
		fputs("\r\n", stderr);
	sigaction(SIGWINCH, &before, NULL);
	medio_terminal_leave();
	if (s->opts->stats)
		fprintf(stderr, "sent %" PRIu64 " bytes, received %" PRIu64 " bytes\n", s->sent,
			s->received);
	return ret;
}

int medio_console_stream(const struct medio_console_stream *opts)
{
	struct stream s = { .opts = opts, .fd = -1 };
	int ret = open_stream(&s);

	if (ret)
		return ret;
	/* One that left is found by its error, not by a signal. */
	signal(SIGPIPE, SIG_IGN);
	ret = talk(&s);
	close(s.fd);
	return ret;
}
