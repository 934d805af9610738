/* SPDX-License-Identifier: BSD-3-Clause */
/* medio top: what instances do, as top shows what processes do. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "terminal.h"
#include "text.h"
#include "top.h"
#include "util/cleanup.h"
#include "util/error.h"

#define PATIENCE_S 10 /* for an answer; meanwhile no key is heard */
#define CTRL_C	   3

struct options {
	const char *interval, *sort;
	uint64_t count;
	bool reverse, json;
};

static const struct options defaults = { .interval = "1", .sort = "messages" };

static const struct medio_option options[] = {
	{ "interval", 'i', MEDIO_OPTION_STRING, offsetof(struct options, interval), "SECONDS",
		"Time between looks, 0.1 to 3600; 1 if left out" },
	{ "sort", 's', MEDIO_OPTION_STRING, offsetof(struct options, sort), "COLUMN",
		"Sort by uuid, owner, type, client, messages, dma, irqs, faults, cpu or memory; "
		"by messages if left out. Numbers begin with the largest" },
	{ "reverse", 'r', MEDIO_OPTION_FLAG, offsetof(struct options, reverse), NULL,
		"Sort the other way around" },
	{ "count", 'n', MEDIO_OPTION_UINT, offsetof(struct options, count), "N",
		"End after N tables", 1, UINT64_MAX },
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct options, json), NULL,
		"Print each table as one JSON object on a line of its own, with plain numbers" },
	{ NULL },
};

/* What one run of the command holds. */
struct top {
	const struct medio_command *cmd;
	const struct options *opts;
	struct medio_client client;
	double interval;
	unsigned column;
	bool reverse, quit;
	bool live; /* on a terminal, with keys */
	sigset_t waiting;
	struct medio_top_look now, before;
	uint64_t shown; /* tables */
};

static double seconds_now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- Looking ----------------------------------------------------------------------------------- */

static int look(struct top *top, struct medio_error **err)
{
	struct json_object *stats = NULL;
	struct medio_top_look fresh = { 0 };
	int ret = medio_client_ask(&top->client, medio_client_request("list"), &fresh.list, err);

	if (ret == 0)
		ret = medio_client_ask(&top->client, medio_client_request("stats"), &stats, err);
	fresh.seconds = seconds_now(CLOCK_MONOTONIC);
	if (ret == 0)
		fresh.stats = medio_top_index(stats);
	json_object_put(stats);
	if (ret) {
		medio_top_look_free(&fresh);
		return ret;
	}
	medio_top_look_free(&top->before);
	top->before = top->now;
	top->now = fresh;
	return 0;
}

/* ---- Showing ----------------------------------------------------------------------------------- */

static void print_summary(
	FILE *out, const struct medio_top_row *rows, unsigned count, unsigned width)
{
	double messages = 0, dma = 0, irqs = 0;
	unsigned clients = 0;
	char text[3][16], line[200], clock[16];
	time_t now = time(NULL);
	struct tm tm;

	for (unsigned i = 0; i < count; i++) {
		clients += rows[i].client != 0;
		messages += rows[i].messages;
		dma += rows[i].dma;
		irqs += rows[i].irqs;
	}
	medio_text_count(messages, text[0], sizeof(text[0]));
	medio_text_bytes(dma, text[1], sizeof(text[1]));
	medio_text_count(irqs, text[2], sizeof(text[2]));
	localtime_r(&now, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	snprintf(line, sizeof(line),
		"medio top %s: %u instance%s, %u with a client; %s messages/s, DMA %s/s, %s IRQs/s",
		clock, count, count == 1 ? "" : "s", clients, text[0], text[1], text[2]);
	fprintf(out, "%.*s", width ? (int)width : (int)sizeof(line), line);
}

static void print_plain(const struct medio_top_row *rows, unsigned count)
{
	print_summary(stdout, rows, count, 0);
	putchar('\n');
	medio_top_print_titles(stdout, 0, -1);
	putchar('\n');
	for (unsigned i = 0; i < count; i++) {
		medio_top_print_row(stdout, &rows[i], 0);
		putchar('\n');
	}
	putchar('\n');
	fflush(stdout);
}

static void print_json(const struct top *top, const struct medio_top_row *rows, unsigned count)
{
	struct json_object *object = json_object_new_object();
	struct json_object *list = json_object_new_array();
	double seconds = top->before.list ? top->now.seconds - top->before.seconds : 0;

	for (unsigned i = 0; i < count; i++)
		json_object_array_add(list, medio_top_describe(&rows[i]));
	json_object_object_add(object, "time", medio_top_number(seconds_now(CLOCK_REALTIME)));
	json_object_object_add(object, "interval", medio_top_number(seconds));
	json_object_object_add(object, "instances", list);
	puts(json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
	fflush(stdout);
}

/* A screen at once, so that it does not flicker. The last line is for what does not fit. */
static void print_screen(const struct top *top, const struct medio_top_row *rows, unsigned count)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	_cleanup_free_ char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col || !size.ws_row)
		size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	unsigned room = size.ws_row > 4 ? size.ws_row - 4u : 1;
	fputs("\033[H", out);
	print_summary(out, rows, count, size.ws_col);
	fputs("\033[K\r\n\033[7m", out);
	medio_top_print_titles(out, size.ws_col, (int)top->column);
	fputs("\033[K\033[0m\r\n", out);
	for (unsigned i = 0; i < count && i < room; i++) {
		medio_top_print_row(out, &rows[i], size.ws_col);
		fputs("\033[K\r\n", out);
	}
	fputs("\033[J", out);
	if (count > room)
		fprintf(out, "%u more. ", count - room);
	if (size.ws_col > 60)
		fputs("< > sort column, r reverse, q quit", out);
	fclose(out);
	fwrite(text, 1, length, stdout);
	fflush(stdout);
}

static int show(struct top *top)
{
	_cleanup_free_ struct medio_top_row *rows = NULL;
	int count = medio_top_rows(&top->now, &top->before, &rows);

	if (count < 0)
		return count;
	medio_top_sort(rows, (unsigned)count, top->column, top->reverse);
	if (top->opts->json)
		print_json(top, rows, (unsigned)count);
	else if (top->live)
		print_screen(top, rows, (unsigned)count);
	else
		print_plain(rows, (unsigned)count);
	return ferror(stdout) ? -EPIPE : 0;
}

/* ---- Waiting, and keys ------------------------------------------------------------------------- */

static void take_key(struct top *top, char key)
{
	switch (key) {
	case '<':
	case ',':
		top->column = (top->column + medio_top_columns - 1) % medio_top_columns;
		break;
	case '>':
	case '.':
		top->column = (top->column + 1) % medio_top_columns;
		break;
	case 'r':
	case 'R':
		top->reverse = !top->reverse;
		break;
	case 'q':
	case 'Q':
	case CTRL_C:
		top->quit = true;
		break;
	default:
		break;
	}
}

static void take_keys(struct top *top)
{
	char keys[16];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

	/* The terminal has hung up. */
	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		top->quit = true;
	for (ssize_t i = 0; i < n; i++)
		take_key(top, keys[i]);
}

static struct timespec span(double seconds)
{
	seconds = seconds > 0 ? seconds : 0;
	return (struct timespec){ .tv_sec = (time_t)seconds,
		.tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9) };
}

/* Until the next look is due; keys are answered with what is known. */
static int wait_live(struct top *top, double until)
{
	while (!top->quit && !medio_terminal_signal()) {
		struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };
		struct timespec left = span(until - seconds_now(CLOCK_MONOTONIC));
		int n = ppoll(&pfd, 1, &left, &top->waiting);
		if (n == 0)
			return 0;
		if (n < 0)
			continue;
		take_keys(top);
		int ret = show(top);
		if (ret)
			return ret;
	}
	return 0;
}

static int wait_plain(double until)
{
	double left = until - seconds_now(CLOCK_MONOTONIC);
	struct timespec ts = span(left);

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
	return 0;
}

static bool is_done(const struct top *top)
{
	return top->quit || (top->opts->count && top->shown >= top->opts->count) ||
	       (top->live && medio_terminal_signal());
}

static int loop(struct top *top, struct medio_error **err)
{
	int ret = look(top, err);

	/* Without keys the first table waits until there are rates to show. */
	if (ret == 0 && top->live)
		ret = show(top);
	while (ret == 0 && !is_done(top)) {
		double until = top->now.seconds + top->interval;
		ret = top->live ? wait_live(top, until) : wait_plain(until);
		if (ret || is_done(top))
			break;
		ret = look(top, err);
		if (ret == 0)
			ret = show(top);
		top->shown++;
	}
	return ret;
}

/* ---- The command ------------------------------------------------------------------------------- */

/* The screen behind the one that was there, which comes back; no cursor. */
static int enter(struct top *top)
{
	int ret = medio_terminal_enter(&top->waiting);

	if (ret)
		return medio_command_fail(top->cmd, "terminal: %s", strerror(-ret));
	fputs("\033[?1049h\033[?25l", stdout);
	return 0;
}

static void leave(void)
{
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	medio_terminal_leave();
}

static int understand(struct top *top, struct medio_error **err)
{
	const struct options *opts = top->opts;
	char *end;

	top->interval = strtod(opts->interval, &end);
	if (*end || end == opts->interval || !(top->interval >= 0.1 && top->interval <= 3600))
		return medio_error_set(err, EINVAL,
			"--interval is '%s', allowed are 0.1 to 3600 seconds", opts->interval);
	top->reverse = opts->reverse;
	return medio_top_find_column(opts->sort, &top->column, err);
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	struct top top = { .cmd = cmd, .opts = options_ };
	struct timeval patience = { .tv_sec = PATIENCE_S };
	struct medio_error *err = NULL;
	(void)args;

	int ret = understand(&top, &err);
	if (ret == 0)
		ret = medio_client_open(&top.client, &err);
	if (ret)
		return medio_client_fail(cmd, ret, err);
	setsockopt(top.client.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	top.live = !top.opts->json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	int code = top.live ? enter(&top) : 0;
	if (!code) {
		ret = loop(&top, &err);
		if (top.live)
			leave();
	}
	medio_top_look_free(&top.now);
	medio_top_look_free(&top.before);
	medio_client_close(&top.client);
	if (top.live && medio_terminal_signal())
		medio_terminal_die(medio_terminal_signal());
	return ret ? medio_client_fail(cmd, ret, err) : code;
}

const struct medio_command medio_command_top = {
	.name = "top",
	.summary = "Show what instances do, again and again",
	.arguments = "",
	.options = options,
	.options_size = sizeof(struct options),
	.defaults = &defaults,
	.run = run,
};
