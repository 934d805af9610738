/* SPDX-License-Identifier: BSD-3-Clause */
/* What a check found: how bad, about what, in words, and what to do. */
#ifndef MEDIO_HOST_FINDING_H
#define MEDIO_HOST_FINDING_H

#include <stdbool.h>

enum medio_finding_level { MEDIO_FINDING_OK, MEDIO_FINDING_WARNING, MEDIO_FINDING_PROBLEM };

struct medio_finding {
	enum medio_finding_level level;
	const char *topic; /* a word for scripts, constant: "iommu" */
	char subject[64];  /* a device, a group, a file; "": the machine */
	char *text;
	char *advice; /* what to do; NULL: nothing */
};

struct medio_findings {
	struct medio_finding *items;
	unsigned count;
	bool failed; /* out of memory: something is missing */
};

/* Add one. subject may be "". What cannot be added for want of memory sets failed. */
void medio_findings_add(struct medio_findings *findings, enum medio_finding_level level,
	const char *topic, const char *subject, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* What to do about the one added last. */
void medio_findings_advise(struct medio_findings *findings, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void medio_findings_fini(struct medio_findings *findings);

/* "ok", "warning", "problem". */
const char *medio_finding_level_name(enum medio_finding_level level);
/* The worst there is; OK if there is none. */
enum medio_finding_level medio_findings_worst(const struct medio_findings *findings);

#endif
