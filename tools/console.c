/* SPDX-License-Identifier: BSD-3-Clause */
/* medio console: a terminal, or a pipe, on a serial port of a card, or on what a port is plugged into. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <medio/driver.h>

#include "command.h"
#include "console-stream.h"
#include "device.h"
#include "terminal.h"
#include "drivers/16550/uart16550.h"

#define CHUNK	  4096
#define POLL_NS	  1000000 /* between looks at a port without interrupts */
#define LEAVE_NS  UINT64_C(200000000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

/* While the card is away: so long for the keyboard, so long for the card. */
#define KEYS_NS	  (100 * NS_PER_MS)
#define TRY_MS	  200
#define BY_ITSELF UINT64_MAX /* seconds to wait: what suits the input */
#define PATIENCE  30

/* Beside exit statuses: the card failed, con->words say how. */
#define CARD_FAILED -1

struct options {
	uint64_t port, linger, reconnect;
	const char *escape;
	bool stats;
};

static const struct options defaults = { .linger = 200, .escape = "^]", .reconnect = BY_ITSELF };

static const struct medio_option options[] = {
	{ "port", 'p', MEDIO_OPTION_UINT, offsetof(struct options, port), "N",
		"Use serial port N, the one behind BAR N; by default 0", 0, MEDIO_CARD_BAR5 },
	{ "escape", 'e', MEDIO_OPTION_STRING, offsetof(struct options, escape), "C",
		"Leave when C is typed on a terminal: a character, ^ and a character for a control "
		"key, or none; by default ^]" },
	{ "linger", 0, MEDIO_OPTION_UINT, offsetof(struct options, linger), "MS",
		"At the end of the input, leave when nothing was received for MS milliseconds; by "
		"default 200",
		0, 3600000 },
	{ "reconnect", 'r', MEDIO_OPTION_UINT, offsetof(struct options, reconnect), "SECONDS",
		"When the device's server ends, wait SECONDS for it to come back, and go on; by "
		"default 30 on a terminal, 0 otherwise",
		0, 86400 },
	{ "stats", 0, MEDIO_OPTION_FLAG, offsetof(struct options, stats), NULL,
		"At the end say on standard error how many bytes and interrupts there were" },
	{ NULL },
};

struct console {
	const struct medio_command *cmd;
	const char *uri;
	struct medio_card *card;
	struct uart16550 *uart; /* NULL: the card is away */
	unsigned port;
	uint64_t patience_ns;	      /* for a card that went away */
	char words[512];	      /* of the card's latest failure */
	struct uart16550_stats stats; /* of uarts that are closed */
	int escape;		      /* character, -1: none */
	uint64_t linger_ns;
	bool eof, left; /* input ended; by the escape key */
	uint64_t left_at;
	sigset_t waiting;     /* signal mask while waiting */
	uint64_t quiet_since; /* last time something moved */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int card_error(struct console *con, int ret)
{
	const char *words = medio_card_last_error(con->card);

	snprintf(con->words, sizeof(con->words), "%s", *words ? words : strerror(-ret));
	return CARD_FAILED;
}

static int say_failed(const struct console *con)
{
	return medio_command_fail(con->cmd, "%s: %s", con->uri, con->words);
}

/* -2: text is no escape. */
static int parse_escape(const char *text)
{
	if (!strcmp(text, "none"))
		return -1;
	if (text[0] && !text[1])
		return (unsigned char)text[0];
	if (text[0] == '^' && text[1] && !text[2]) {
		int c = text[1] >= 'a' && text[1] <= 'z' ? text[1] - 'a' + 'A' : text[1];
		if (c == '?')
			return 0x7f;
		if (c >= '@' && c <= '_')
			return c - '@';
	}
	return -2;
}

/* ---- Moving bytes ------------------------------------------------------------------------------ */

/* Signals are blocked but for waiting, so wait before a write that might block; once one that ends
 * us has come, what is left is dropped. */
static int write_all(struct console *con, const uint8_t *buf, size_t size)
{
	while (size && !medio_terminal_signal()) {
		struct pollfd pfd = { .fd = STDOUT_FILENO, .events = POLLOUT };
		if (ppoll(&pfd, 1, NULL, &con->waiting) < 0)
			continue;
		ssize_t n = write(STDOUT_FILENO, buf, size);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return medio_command_fail(con->cmd, "standard output: %s", strerror(errno));
		buf += n;
		size -= (size_t)n;
	}
	return 0;
}

static int to_stdout(struct console *con)
{
	uint8_t buf[CHUNK];
	int n;

	while ((n = uart16550_read(con->uart, buf, sizeof(buf))) > 0) {
		int ret = write_all(con, buf, (size_t)n);
		if (ret)
			return ret;
		con->quiet_since = now_ns();
	}
	return n < 0 ? card_error(con, n) : 0;
}

static int from_stdin(struct console *con)
{
	size_t room = uart16550_writable(con->uart);
	uint8_t buf[CHUNK];
	ssize_t n = read(STDIN_FILENO, buf, room < sizeof(buf) ? room : sizeof(buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	/* A terminal that hung up reads as an error: the end as well. */
	if (n < 0 && errno != EIO)
		return medio_command_fail(con->cmd, "standard input: %s", strerror(errno));
	con->quiet_since = now_ns();
	con->eof = n <= 0;
	if (n <= 0)
		return 0;
	if (con->escape >= 0 && medio_terminal_raw()) {
		const uint8_t *key = memchr(buf, con->escape, (size_t)n);
		if (key) {
			n = key - buf;
			con->left = con->eof = true;
			con->left_at = now_ns();
			con->linger_ns = 0;
		}
	}
	int ret = uart16550_write(con->uart, buf, (size_t)n);
	return ret < 0 ? card_error(con, ret) : 0;
}

static int serve(struct console *con)
{
	int ret = uart16550_service(con->uart);

	if (ret < 0)
		return card_error(con, ret);
	return to_stdout(con);
}

/* After the end of the input: 1 when the line has been quiet long enough, else 0, or CARD_FAILED. After
 * the escape key what was typed before it is still sent, if that takes no longer than a moment. */
static int finished(struct console *con)
{
	int drained;

	if (con->left && now_ns() - con->left_at > LEAVE_NS)
		return 1;
	if (!con->eof || now_ns() - con->quiet_since < con->linger_ns)
		return 0;
	drained = uart16550_drained(con->uart);
	return drained < 0 ? card_error(con, drained) : drained;
}

/* ---- The loop ---------------------------------------------------------------------------------- */

enum { FD_UART, FD_CARD, FD_STDIN, NUM_FDS };

static int wait_any(struct console *con, struct pollfd *pfds)
{
	bool polled = uart16550_fd(con->uart) < 0;
	uint64_t ns = polled ? POLL_NS : con->linger_ns > NS_PER_MS ? con->linger_ns : NS_PER_MS;
	struct timespec limit = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

	pfds[FD_UART] = (struct pollfd){ .fd = uart16550_fd(con->uart), .events = POLLIN };
	pfds[FD_CARD] = (struct pollfd){ .fd = medio_card_fd(con->card), .events = POLLIN };
	pfds[FD_STDIN] = (struct pollfd){
		.fd = con->eof || !uart16550_writable(con->uart) ? -1 : STDIN_FILENO,
		.events = POLLIN
	};
	int n = ppoll(pfds, NUM_FDS, polled || con->eof ? &limit : NULL, &con->waiting);
	if (n < 0 && errno != EINTR)
		return medio_command_fail(con->cmd, "poll: %s", strerror(errno));
	if (n < 0)
		memset(pfds, 0, NUM_FDS * sizeof(*pfds));
	return 0;
}

static int turn(struct console *con)
{
	struct pollfd pfds[NUM_FDS];
	int ret = wait_any(con, pfds);

	if (!ret && (pfds[FD_UART].revents || uart16550_fd(con->uart) < 0))
		ret = serve(con);
	if (!ret && pfds[FD_CARD].revents) {
		int count = medio_card_process(con->card);
		ret = count < 0 ? card_error(con, count) : 0;
	}
	if (!ret && pfds[FD_STDIN].revents)
		ret = from_stdin(con);
	return ret;
}

/* ---- A card that goes away --------------------------------------------------------------------- */

static void let_go(struct console *con)
{
	struct uart16550_stats stats;

	if (!con->uart)
		return;
	uart16550_get_stats(con->uart, &stats);
	stats.sent += con->stats.sent;
	stats.received += con->stats.received;
	stats.interrupts += con->stats.interrupts;
	stats.overruns += con->stats.overruns;
	stats.line_errors += con->stats.line_errors;
	con->stats = stats;
	uart16550_close(con->uart);
	con->uart = NULL;
}

/* 0: the card is back, and the port taken anew. Else what reconnecting gave, or the driver. */
static int try_card(struct console *con, int ms)
{
	int ret = medio_card_reconnect(con->card, ms);

	/* It came back before, and the port could not be had then. */
	if (!ret || (ret == -EALREADY && !con->uart)) {
		let_go(con);
		ret = uart16550_open(con->card, con->port, &con->uart);
	}
	if (ret && ret != -EALREADY && ret != -ENOTSUP)
		card_error(con, ret);
	return ret;
}

/* Keys typed meanwhile have nowhere to go; only the escape key counts. */
static void look_at_keys(struct console *con)
{
	struct pollfd pfd = { .fd = medio_terminal_raw() ? STDIN_FILENO : -1, .events = POLLIN };
	const struct timespec limit = { 0, KEYS_NS };
	uint8_t buf[CHUNK];

	if (ppoll(&pfd, 1, &limit, &con->waiting) <= 0)
		return;
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));
	if (n <= 0 || (con->escape >= 0 && memchr(buf, con->escape, (size_t)n)))
		con->left = true;
}

/* Still to be waited for: nobody serves there, or it went away again. */
static bool is_away(int ret)
{
	return ret == -ETIMEDOUT || ret == -ECONNRESET || ret == -ENOTCONN;
}

/* The card failed. 0: it is back, go on; else an exit status, with words. */
static int wait_for_card(struct console *con)
{
	const char *end = medio_terminal_raw() ? "\r\n" : "\n";
	uint64_t deadline = now_ns() + con->patience_ns;
	char words[sizeof(con->words)];
	int ret;

	memcpy(words, con->words, sizeof(words));
	ret = con->patience_ns ? try_card(con, TRY_MS) : -ENOTSUP;
	/* A card that lives, or will not, failed as it said. */
	if (ret == -EALREADY || ret == -ENOTSUP) {
		memcpy(con->words, words, sizeof(words));
		return say_failed(con);
	}
	if (ret) {
		let_go(con);
		fprintf(stderr, "%s[%s: %s; waiting for it to come back]%s", end, con->uri, words,
			end);
	}
	while (is_away(ret) && now_ns() < deadline) {
		look_at_keys(con);
		if (con->left || medio_terminal_signal())
			return MEDIO_EXIT_OK;
		ret = try_card(con, TRY_MS);
	}
	if (ret)
		return say_failed(con);
	con->quiet_since = now_ns();
	fprintf(stderr, "%s[%s is back; what was under way is lost]%s", end, con->uri, end);
	return 0;
}

static int loop(struct console *con)
{
	con->quiet_since = now_ns();
	while (!medio_terminal_signal()) {
		int ret = turn(con);
		int done = ret ? ret : finished(con);
		if (done == CARD_FAILED)
			ret = done = wait_for_card(con);
		if (ret)
			return ret;
		if (done || !con->uart)
			break;
	}
	return MEDIO_EXIT_OK;
}

static void print_stats(struct console *con, unsigned port)
{
	let_go(con);
	const struct uart16550_stats stats = con->stats;
	fprintf(stderr,
		"port %u: sent %" PRIu64 " bytes, received %" PRIu64 " bytes, %" PRIu64
		" interrupts (%s)\n",
		port, stats.sent, stats.received, stats.interrupts, stats.interrupt);
	if (stats.overruns || stats.line_errors)
		fprintf(stderr, "port %u: %" PRIu64 " overruns, %" PRIu64 " line errors\n", port,
			stats.overruns, stats.line_errors);
}

static int talk(struct console *con, const struct options *opts)
{
	int ret = medio_terminal_enter(&con->waiting);

	if (ret)
		return medio_command_fail(con->cmd, "terminal: %s", strerror(-ret));
	if (medio_terminal_raw() && con->escape >= 0)
		fprintf(stderr, "Port %u of %s. Type %s to leave.\r\n", (unsigned)opts->port,
			con->uri, opts->escape);
	con->patience_ns = NS_PER_S * (opts->reconnect != BY_ITSELF  ? opts->reconnect
					      : medio_terminal_raw() ? PATIENCE
								     : 0);
	ret = loop(con);
	if (medio_terminal_raw())
		fputs("\r\n", stderr);
	medio_terminal_leave();
	if (opts->stats)
		print_stats(con, con->port);
	return ret;
}

static bool is_virtio_console(struct medio_card *card)
{
	uint32_t id = 0;

	return !medio_card_read32(card, MEDIO_CARD_CONFIG, 0, &id) && id == 0x10431af4;
}

/* Which BARs could be ports instead: those that hold eight registers. None is touched. */
static int no_port(struct console *con, unsigned port)
{
	char known[32] = "";
	size_t used = 0;

	if (is_virtio_console(con->card))
		return medio_command_fail(con->cmd,
			"%s: this is a virtio console, which a guest drives; talk to what its "
			"port is plugged into: medio console unix:PATH or pty:PATH",
			con->uri);
	for (unsigned n = 0; n <= MEDIO_CARD_BAR5; n++) {
		struct medio_card_region region;

		if (n == port || medio_card_get_region(con->card, n, &region) || region.size < 8)
			continue;
		used += (size_t)snprintf(
			known + used, sizeof(known) - used, "%s%u", used ? ", " : "", n);
	}
	return medio_command_fail(con->cmd, "%s: no serial port %u; %s%s", con->uri, port,
		used ? "there may be ones at " : "no other BAR is large enough for one", known);
}

/* The host's end of a port needs no driver. */
static int run_stream(struct console *con, const struct options *opts)
{
	const struct medio_console_stream stream = {
		.cmd = con->cmd,
		.uri = con->uri,
		.escape = con->escape,
		.escape_text = opts->escape,
		.linger_ns = con->linger_ns,
		.stats = opts->stats,
	};
	int ret = medio_console_stream(&stream);

	if (medio_terminal_signal())
		medio_terminal_die(medio_terminal_signal());
	return ret;
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	const struct options *opts = options_;
	struct console con = { .cmd = cmd,
		.uri = args->items[0],
		.escape = parse_escape(opts->escape),
		.linger_ns = opts->linger * NS_PER_MS };
	struct medio_error *err = NULL;

	if (con.escape == -2)
		return medio_command_usage(cmd,
			"--escape is '%s', allowed are a character, ^ and a character, or none",
			opts->escape);
	if (medio_console_is_stream(con.uri))
		return run_stream(&con, opts);
	if (medio_tool_device_open(con.uri, NULL, &con.card, &err)) {
		medio_command_fail(cmd, "%s", medio_error_text(err));
		medio_error_free(err);
		return MEDIO_EXIT_FAILURE;
	}
	con.port = (unsigned)opts->port;
	int ret = uart16550_open(con.card, con.port, &con.uart);
	if (ret == -ENODEV) {
		ret = no_port(&con, con.port);
	} else if (ret) {
		card_error(&con, ret);
		ret = say_failed(&con);
	} else {
		ret = talk(&con, opts);
	}
	uart16550_close(con.uart);
	medio_card_close(con.card);
	if (medio_terminal_signal())
		medio_terminal_die(medio_terminal_signal());
	return ret;
}

const struct medio_command medio_command_console = {
	.name = "console",
	.summary = "Talk to a serial port of a card, or to the other end of one",
	.arguments = "DEVICE",
	.min_args = 1,
	.max_args = 1,
	.options = options,
	.options_size = sizeof(struct options),
	.defaults = &defaults,
	.run = run,
};
