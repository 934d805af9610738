/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "tools/machine.h"

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

/* In quotes; our own words and the kernel's, so control characters are only left out. */
static void put_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		if ((unsigned char)*text >= ' ')
			putchar(*text);
	}
	putchar('"');
}

/* ---- Machine ----------------------------------------------------------------------------------- */

void medio_report_machine(struct medio_report *r)
{
	char model[128];
	struct utsname uts;
	cpu_set_t set;
	double load = 0;

	medio_machine_processor(model, sizeof(model));
	uname(&uts);
	sched_getaffinity(0, sizeof(set), &set);
	if (getloadavg(&load, 1) < 1)
		load = 0;
	if (r->json) {
		printf("{ \"machine\": { \"processor\": ");
		put_string(model);
		printf(", \"processors\": %d, \"kernel\": ", CPU_COUNT(&set));
		put_string(uts.release);
		printf(", \"load\": %.2f, \"noisy\": %s },\n  \"figures\": [", load,
			load > 1 ? "true" : "false");
		return;
	}
	printf("%s, %d processors, Linux %s, load %.2f\n", model, CPU_COUNT(&set), uts.release,
		load);
	if (load > 1)
		printf("The machine is busy (load over 1): these figures are noisy.\n");
	printf("Each figure: median of repeated runs (least to most).\n");
}

/* ---- Figures ----------------------------------------------------------------------------------- */

static void heading(struct medio_report *r)
{
	if (r->json || r->heading)
		return;
	r->heading = true;
	printf("\n%s\n", r->subject);
}

/* Three digits that mean something, and no more. */
static const char *number(double v, char *buf, size_t size)
{
	int decimals = v >= 100 || v == (double)(long)v ? 0 : v >= 10 ? 1 : v >= 0.1 ? 2 : 4;
	snprintf(buf, size, "%.*f", decimals, v);
	return buf;
}

static bool met(const struct medio_figure *f, double median)
{
	return f->kind == MEDIO_AT_LEAST ? median >= f->goal : median <= f->goal;
}

static void put_json(
	struct medio_report *r, const struct medio_figure *f, const double *s, unsigned n)
{
	printf("%s\n    { \"bench\": ", r->figures ? "," : "");
	put_string(r->subject);
	printf(", \"name\": ");
	put_string(f->name);
	printf(", \"unit\": ");
	put_string(f->unit);
	printf(", \"median\": %.6g, \"min\": %.6g, \"max\": %.6g, \"samples\": %u", s[n / 2], s[0],
		s[n - 1], n);
	if (f->kind)
		printf(", \"goal\": %.6g, \"better\": \"%s\", \"met\": %s", f->goal,
			f->kind == MEDIO_AT_LEAST ? "more" : "less",
			met(f, s[n / 2]) ? "true" : "false");
	if (f->floor) {
		printf(", \"floor\": ");
		put_string(f->floor);
	}
	printf(" }");
}

static void put_text(const struct medio_figure *f, const double *s, unsigned n)
{
	char median[32], least[32], most[32], goal[32], range[80];

	snprintf(range, sizeof(range), "(%s to %s)", number(s[0], least, sizeof(least)),
		number(s[n - 1], most, sizeof(most)));
	printf("  %-50s %9s %-10s %-22s", f->name, number(s[n / 2], median, sizeof(median)),
		f->unit, range);
	if (f->kind)
		printf(" goal %s %s%s", f->kind == MEDIO_AT_LEAST ? ">=" : "<=",
			number(f->goal, goal, sizeof(goal)), met(f, s[n / 2]) ? "" : " missed");
	if (f->floor)
		printf("%s %s", f->kind ? ";" : "", f->floor);
	putchar('\n');
}

void medio_report_put(
	struct medio_report *r, const struct medio_figure *figure, double *samples, unsigned n)
{
	qsort(samples, n, sizeof(*samples), by_value);
	heading(r);
	if (r->json)
		put_json(r, figure, samples, n);
	else
		put_text(figure, samples, n);
	r->figures++;
	fflush(stdout);
}

void medio_report_note(struct medio_report *r, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	heading(r);
	if (r->json) {
		printf("%s\n    { \"bench\": ", r->figures++ ? "," : "");
		put_string(r->subject);
		printf(", \"note\": ");
		put_string(text);
		printf(" }");
		return;
	}
	printf("  %s\n", text);
}

void medio_report_end(struct medio_report *r)
{
	if (r->json)
		printf("\n  ]\n}\n");
}
