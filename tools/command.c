/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "util/cleanup.h"
#include "util/nearest.h"

#define MAX_OPTIONS 64

static const struct medio_option help_option = { "help", 'h', MEDIO_OPTION_FLAG, 0, NULL,
	"Show this help and exit", 0, 0 };

/* ---- Words ------------------------------------------------------------------------------------- */

const char *medio_bold(FILE *out)
{
	return isatty(fileno(out)) && !getenv("NO_COLOR") ? "\033[1m" : "";
}

const char *medio_plain(FILE *out)
{
	return isatty(fileno(out)) && !getenv("NO_COLOR") ? "\033[0m" : "";
}

/* What stands before a command's name. */
static const char *family(const struct medio_command *cmd)
{
	return cmd->program ? "" : "medio ";
}

int medio_command_fail(const struct medio_command *cmd, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s%s: ", family(cmd), cmd->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return MEDIO_EXIT_FAILURE;
}

int medio_command_usage(const struct medio_command *cmd, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s%s: ", family(cmd), cmd->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nTry '%s%s --help'.\n", family(cmd), cmd->name);
	return MEDIO_EXIT_USAGE;
}

/* Columns text takes on a terminal: UTF-8's continuation bytes take none. */
static unsigned columns(const char *text, size_t len)
{
	unsigned n = 0;

	for (size_t i = 0; i < len; i++)
		n += (text[i] & 0xc0) != 0x80;
	return n;
}

/* "-v, --verbose", "    --port N" */
static void spell(const struct medio_option *opt, char *buf, size_t size)
{
	char letter[8] = "    ";

	if (opt->letter)
		snprintf(letter, sizeof(letter), "-%c, ", opt->letter);
	snprintf(buf, size, "%s--%s%s%s", letter, opt->name, opt->arg ? " " : "",
		opt->arg ? opt->arg : "");
}

/* Options of the table, then --help. */
static const struct medio_option *nth_option(const struct medio_command *cmd, unsigned n)
{
	const struct medio_option *opt = cmd->options;

	for (; opt && opt->name; opt++)
		if (!n--)
			return opt;
	return n ? NULL : &help_option;
}

/* Words from text, broken before column 80, each line but the first indented. */
static void wrap(FILE *out, const char *text, unsigned indent)
{
	unsigned column = indent;

	while (*text) {
		size_t len = strcspn(text, " ");
		unsigned wide = columns(text, len);
		if (column > indent && column + 1 + wide > 79) {
			fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			fputc(' ', out);
			column++;
		}
		fprintf(out, "%.*s", (int)len, text);
		column += wide;
		text += len;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

void medio_command_help(const struct medio_command *cmd, FILE *out)
{
	const struct medio_option *opt;
	unsigned width = 0;
	char text[80];

	fprintf(out, "Usage: %s%s%s%s [OPTION…]%s%s\n%s.\n\nOptions:\n", medio_bold(out),
		family(cmd), cmd->name, medio_plain(out), *cmd->arguments ? " " : "",
		cmd->arguments, cmd->summary);
	for (unsigned i = 0; (opt = nth_option(cmd, i)); i++) {
		spell(opt, text, sizeof(text));
		unsigned wide = columns(text, strlen(text));
		width = wide > width ? wide : width;
	}
	for (unsigned i = 0; (opt = nth_option(cmd, i)); i++) {
		spell(opt, text, sizeof(text));
		fprintf(out, "  %s%*s  ", text, (int)(width - columns(text, strlen(text))), "");
		wrap(out, opt->help, width + 4);
	}
}

void medio_command_dump_man(const struct medio_command *cmd, FILE *out)
{
	const struct medio_option *opt;

	fprintf(out, "# OPTIONS\n");
	for (unsigned i = 0; (opt = nth_option(cmd, i)); i++) {
		fputc('\n', out);
		if (opt->letter)
			fprintf(out, "*-%c*, ", opt->letter);
		fprintf(out, "*--%s*", opt->name);
		if (opt->arg)
			fprintf(out, " _%s_", opt->arg);
		fprintf(out, "\n\t%s.\n", opt->help);
	}
}

/* ---- Parsing ----------------------------------------------------------------------------------- */

struct parse {
	const struct medio_command *cmd;
	char *options; /* the command's struct */
	int argc, at;  /* argv[at] is the next */
	char **argv;
	bool help;
};

static int add(struct medio_option_list *list, const char *item, unsigned most)
{
	/* At most all of argv: one allocation is enough. */
	if (!list->items)
		list->items = calloc(most, sizeof(*list->items));
	if (!list->items)
		return -ENOMEM;
	list->items[list->count++] = item;
	return 0;
}

static int store_uint(
	struct parse *parse, const struct medio_option *opt, const char *value, uint64_t *out)
{
	uint64_t max = opt->max ? opt->max : UINT64_MAX;
	char *end;

	errno = 0;
	uint64_t n = strtoull(value, &end, 0);
	if (errno || *end || *value < '0' || *value > '9' || n < opt->min || n > max)
		return medio_command_usage(parse->cmd, "--%s is '%s', allowed are %llu to %llu",
			opt->name, value, (unsigned long long)opt->min, (unsigned long long)max);
	*out = n;
	return 0;
}

static int store(struct parse *parse, const struct medio_option *opt, const char *value)
{
	void *at = parse->options + opt->offset;

	if (opt == &help_option) {
		parse->help = true;
		return 0;
	}
	switch (opt->kind) {
	case MEDIO_OPTION_FLAG:
		*(bool *)at = true;
		return 0;
	case MEDIO_OPTION_COUNT:
		++*(unsigned *)at;
		return 0;
	case MEDIO_OPTION_STRING:
		*(const char **)at = value;
		return 0;
	case MEDIO_OPTION_UINT:
		return store_uint(parse, opt, value, at);
	case MEDIO_OPTION_LIST:
		return add(at, value, (unsigned)parse->argc) ? MEDIO_EXIT_FAILURE : 0;
	}
	return MEDIO_EXIT_USAGE;
}

/* value: what stood behind it ("--name=value", "-nvalue"), NULL: nothing. */
static int take(struct parse *parse, const struct medio_option *opt, const char *value)
{
	if (!value && opt->arg) {
		if (parse->at == parse->argc)
			return medio_command_usage(
				parse->cmd, "--%s needs %s", opt->name, opt->arg);
		value = parse->argv[parse->at++];
	}
	return store(parse, opt, value);
}

static int unknown(struct parse *parse, const char *name, size_t len)
{
	const char *names[MAX_OPTIONS];
	const struct medio_option *opt;
	unsigned count = 0;
	char typed[64];

	for (; count < MAX_OPTIONS && (opt = nth_option(parse->cmd, count)); count++)
		names[count] = opt->name;
	snprintf(typed, sizeof(typed), "%.*s", (int)(len < 63 ? len : 63), name);
	const char *near = medio_nearest(typed, names, count);
	return medio_command_usage(parse->cmd, "no option --%s%s%s%s", typed,
		near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
}

static int parse_long(struct parse *parse, const char *text)
{
	size_t len = strcspn(text, "=");
	const struct medio_option *opt;

	for (unsigned i = 0; (opt = nth_option(parse->cmd, i)); i++) {
		if (strlen(opt->name) != len || strncmp(opt->name, text, len) != 0)
			continue;
		if (text[len] && !opt->arg)
			return medio_command_usage(parse->cmd, "--%s takes no value", opt->name);
		return take(parse, opt, text[len] ? text + len + 1 : NULL);
	}
	return unknown(parse, text, len);
}

static int parse_letters(struct parse *parse, const char *text)
{
	for (; *text; text++) {
		const struct medio_option *opt;
		unsigned i = 0;
		while ((opt = nth_option(parse->cmd, i)) && opt->letter != *text)
			i++;
		if (!opt)
			return medio_command_usage(parse->cmd, "no option -%c", *text);
		bool last = opt->arg || !text[1];
		int ret = take(parse, opt, opt->arg && text[1] ? text + 1 : NULL);
		if (ret || last)
			return ret;
	}
	return 0;
}

static int parse_all(struct parse *parse, struct medio_option_list *args)
{
	bool only_args = false;

	while (parse->at < parse->argc) {
		const char *text = parse->argv[parse->at++];
		int ret = 0;
		if (only_args || text[0] != '-' || !text[1]) {
			only_args |= parse->cmd->rest;
			ret = add(args, text, (unsigned)parse->argc) ? MEDIO_EXIT_FAILURE : 0;
		} else if (!strcmp(text, "--")) {
			only_args = true;
		} else if (text[1] == '-') {
			ret = parse_long(parse, text + 2);
		} else {
			ret = parse_letters(parse, text + 1);
		}
		if (ret)
			return ret;
	}
	return 0;
}

static int check_args(const struct medio_command *cmd, const struct medio_option_list *args)
{
	if (args->count < cmd->min_args)
		return medio_command_usage(cmd, "%s is missing", cmd->arguments);
	if (args->count > cmd->max_args)
		return medio_command_usage(
			cmd, "'%s' is one argument too many", args->items[cmd->max_args]);
	return 0;
}

int medio_command_run(const struct medio_command *cmd, int argc, char **argv)
{
	struct medio_option_list args = { 0 };
	struct parse parse = { .cmd = cmd, .argc = argc, .at = 1, .argv = argv };
	const struct medio_option *opt;

	parse.options = calloc(1, cmd->options_size ? cmd->options_size : 1);
	if (!parse.options)
		return medio_command_fail(cmd, "out of memory");
	if (cmd->defaults)
		memcpy(parse.options, cmd->defaults, cmd->options_size);
	int ret = parse_all(&parse, &args);
	if (!ret && parse.help)
		medio_command_help(cmd, stdout);
	else if (!ret && !(ret = check_args(cmd, &args)))
		ret = cmd->run(cmd, parse.options, &args);
	for (opt = cmd->options; opt && opt->name; opt++)
		if (opt->kind == MEDIO_OPTION_LIST)
			free(((struct medio_option_list *)(parse.options + opt->offset))->items);
	free(args.items);
	free(parse.options);
	if (fflush(stdout) && !ret)
		ret = medio_command_fail(cmd, "standard output: %s", strerror(errno));
	return ret;
}
