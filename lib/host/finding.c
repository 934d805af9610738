/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static char *words(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));

static char *words(const char *fmt, va_list ap)
{
	char *text;

	return vasprintf(&text, fmt, ap) < 0 ? NULL : text;
}

void medio_findings_add(struct medio_findings *findings, enum medio_finding_level level,
	const char *topic, const char *subject, const char *fmt, ...)
{
	struct medio_finding *items = realloc(
		findings->items, (findings->count + 1) * sizeof(*items));
	va_list ap;

	if (items)
		findings->items = items;
	va_start(ap, fmt);
	char *text = items ? words(fmt, ap) : NULL;
	va_end(ap);
	if (!text) {
		findings->failed = true;
		return;
	}
	struct medio_finding *finding = &items[findings->count++];
	*finding = (struct medio_finding){ .level = level, .topic = topic, .text = text };
	snprintf(finding->subject, sizeof(finding->subject), "%s", subject);
}

void medio_findings_advise(struct medio_findings *findings, const char *fmt, ...)
{
	va_list ap;

	/* After a failure the last is not the one that is meant. */
	if (!findings->count || findings->failed)
		return;
	struct medio_finding *finding = &findings->items[findings->count - 1];
	va_start(ap, fmt);
	free(finding->advice);
	finding->advice = words(fmt, ap);
	va_end(ap);
	findings->failed |= !finding->advice;
}

void medio_findings_fini(struct medio_findings *findings)
{
	for (unsigned i = 0; i < findings->count; i++) {
		free(findings->items[i].text);
		free(findings->items[i].advice);
	}
	free(findings->items);
	*findings = (struct medio_findings){ 0 };
}

const char *medio_finding_level_name(enum medio_finding_level level)
{
	static const char *const names[] = {
		[MEDIO_FINDING_OK] = "ok",
		[MEDIO_FINDING_WARNING] = "warning",
		[MEDIO_FINDING_PROBLEM] = "problem",
	};

	return names[level];
}

enum medio_finding_level medio_findings_worst(const struct medio_findings *findings)
{
	enum medio_finding_level worst = MEDIO_FINDING_OK;

	for (unsigned i = 0; i < findings->count; i++)
		if (findings->items[i].level > worst)
			worst = findings->items[i].level;
	return worst;
}
