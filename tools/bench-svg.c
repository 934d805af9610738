/* SPDX-License-Identifier: BSD-3-Clause */
/* medio bench modes --svg: drawn by gnuplot, which is told by its standard input. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "bench.h"

bool medio_modes_can_draw(void)
{
	return system("command -v gnuplot >/dev/null 2>&1") == 0; // NOLINT(cert-env33-c)
}

/* A number, or gnuplot's word for none. */
static void put(FILE *out, double v)
{
	if (isnan(v))
		fputs(" ?", out);
	else
		fprintf(out, " %.5g", v);
}

static void put_data(const struct medio_modes *m, FILE *out)
{
	fprintf(out, "$rows << END\n");
	for (unsigned i = 0; i < m->num_modes; i++) {
		const struct medio_mode *mode = &m->modes[i];
		for (unsigned k = 0; k < BENCH_SIZES; k++)
			put(out, medio_series_median(&mode->rate[k]));
		put(out, medio_series_median(&mode->p50) / 1e3);
		put(out, medio_series_median(&mode->p99) / 1e3);
		put(out, medio_series_median(&mode->cpu) / 1e3);
		putc('\n', out);
	}
	fprintf(out, "END\n");
}

/* Under its bars, in two lines. */
static void put_titles(const struct medio_modes *m, FILE *out)
{
	fprintf(out, "set xtics scale 0 (");
	for (unsigned i = 0; i < m->num_modes; i++) {
		const char *title = m->modes[i].way->title, *last = strrchr(title, ' ');
		fprintf(out, "%s\"%.*s\\n%s\" %u", i ? ", " : "", (int)(last - title), title,
			last + 1, i);
	}
	fprintf(out, ")\n");
}

static void put_script(const struct medio_modes *m, const char *file, FILE *out)
{
	put_data(m, out);
	put_titles(m, out);
	fputs("set terminal svg size 900,800 font 'sans-serif,13' background 'white'\n"
	      "set output '",
		out);
	/* Not a command for gnuplot, which takes those that begin with '|' for one. */
	if (*file != '/')
		fputs("./", out);
	for (; *file; file++) {
		if (*file == '\'')
			putc('\'', out); /* gnuplot's way to mean one */
		putc(*file, out);
	}
	fputs("'\n"
	      "set datafile missing '?'\n"
	      "set multiplot layout 2,1\n"
	      "set style data histograms\n"
	      "set style histogram clustered gap 1\n"
	      "set style fill solid 0.85 noborder\n"
	      "set boxwidth 0.9\n"
	      "set border 3\n"
	      "set bmargin 3\n"
	      "set grid ytics lc rgb '#dddddd'\n"
	      "set tics nomirror\n"
	      "set logscale y\n"
	      "set format y '%.0s%c'\n"
	      "set key outside top center horizontal\n"
	      "set title 'Frames of 64 bytes a second, all instances together (more is better)'\n"
	      "plot $rows using 1 title '1 card' lc rgb '#88b0d8', "
	      "'' using 2 title '8 cards' lc rgb '#4477aa', '' using 3 title '64 cards' lc rgb '#224466'\n"
	      "set title 'Microseconds of a frame of 64 bytes, one at a time (less is better)'\n"
	      "set format y '%g'\n"
	      "plot $rows using 4 title 'half of them' lc rgb '#e0a060', "
	      "'' using 5 title '99 of 100' lc rgb '#aa5533', "
	      "'' using 6 title 'CPU, many at once' lc rgb '#999999'\n"
	      "unset multiplot\n",
		out);
}

int medio_modes_draw(const struct medio_modes *m, const char *file, char words[LANE_WORDS])
{
	FILE *out = popen("exec gnuplot", "we"); // NOLINT(cert-env33-c)

	if (!out) {
		snprintf(words, LANE_WORDS, "gnuplot: %s", strerror(errno));
		return -errno;
	}
	signal(SIGPIPE, SIG_IGN);
	put_script(m, file, out);
	int status = pclose(out);
	if (status) {
		snprintf(words, LANE_WORDS, "gnuplot could not write %s", file);
		return -EIO;
	}
	return 0;
}
