/* SPDX-License-Identifier: BSD-3-Clause */
/* medio bench: measurements that help to choose. There is one: modes. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "ending.h"

struct options {
	bool json, quick;
	uint64_t runs;
	const char *svg;
};

static const struct medio_option options[] = {
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct options, json), NULL, "Print JSON" },
	{ "svg", 0, MEDIO_OPTION_STRING, offsetof(struct options, svg), "FILE",
		"Also draw the figures into FILE, which needs gnuplot" },
	{ "runs", 0, MEDIO_OPTION_UINT, offsetof(struct options, runs), "N",
		"Take each figure N times; the median is shown (default 5, with --quick 1)", 1,
		BENCH_RUNS },
	{ "quick", 0, MEDIO_OPTION_FLAG, offsetof(struct options, quick), NULL,
		"Short runs: to see that it works, not for figures to compare" },
	{ NULL },
};

/* On a terminal, one line that changes. */
static void progress(
	const struct medio_modes *m, unsigned run, const char *what, unsigned instances)
{
	if (!isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r\033[Krun %u of %u: %s", run + 1, m->runs, what);
	if (instances)
		fprintf(stderr, ", %u card%s", instances, instances == 1 ? "" : "s");
	fflush(stderr);
}

static void progress_end(void)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
}

static bool is_measured(const struct medio_modes *m)
{
	for (unsigned i = 0; i < m->num_modes; i++)
		if (!m->modes[i].missing[0])
			return true;
	return false;
}

static int show(
	const struct medio_command *cmd, const struct options *opts, const struct medio_modes *m)
{
	char words[LANE_WORDS];

	if (opts->json)
		medio_modes_print_json(m);
	else
		medio_modes_print(m);
	if (!is_measured(m))
		return medio_command_fail(cmd, "nothing could be measured");
	if (opts->svg && medio_modes_draw(m, opts->svg, words))
		return medio_command_fail(cmd, "%s", words);
	return MEDIO_EXIT_OK;
}

static int run_modes(const struct medio_command *cmd, const struct options *opts)
{
	struct medio_modes m = { .quick = opts->quick, .progress = progress };

	if (opts->svg && (!*opts->svg || strpbrk(opts->svg, "\n\\")))
		return medio_command_usage(
			cmd, "--svg takes the name of a file, without line breaks and '\\'");
	m.runs = opts->runs ? (unsigned)opts->runs : opts->quick ? 1 : 5;
	if (opts->svg && !medio_modes_can_draw())
		return medio_command_fail(cmd, "--svg needs gnuplot, which is not installed; on "
					       "Debian: apt install gnuplot-nox");
	medio_ending_catch();
	int ret = medio_modes_measure(&m);
	progress_end();
	medio_ending_die();
	ret = ret ? medio_command_fail(cmd, "%s", strerror(-ret)) : show(cmd, opts, &m);
	medio_modes_free(&m);
	return ret;
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	if (strcmp(args->items[0], "modes") != 0)
		return medio_command_usage(
			cmd, "no measurement '%s'; there is: modes", args->items[0]);
	return run_modes(cmd, options_);
}

const struct medio_command medio_command_bench = {
	.name = "bench",
	.summary = "Measure the ways to virtualise a device side by side",
	.arguments = "modes",
	.min_args = 1,
	.max_args = 1,
	.options = options,
	.options_size = sizeof(struct options),
	.run = run,
};
