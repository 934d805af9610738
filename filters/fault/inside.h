/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the fault filter share. */
#ifndef MEDIO_FILTER_FAULT_INSIDE_H
#define MEDIO_FILTER_FAULT_INSIDE_H

#include <medio/filter.h>

#include "rule.h"
#include "wait/wait.h"

#define FAULT_MAX_VECTOR 2048u

struct fault {
	/* Parameters. */
	int action, on, region; /* action: 0: none, else enum fault_action + 1 */
	char *reg, *offset, *size, *prob, *error, *value, *bit, *vector;
	uint64_t seed, after, times, time;

	struct fault_rule rule;
	bool enabled;
	bool removed;
	bool writing; /* a write is below us: the doorbell that it rings is not another event */
	struct wait_queue queue;
	uint64_t levels[FAULT_MAX_VECTOR / 64]; /* as the device has them */
};

/* Is one more event of this kind (FAULT_*) struck? Where it was has been looked at. */
static inline bool fault_is_struck(struct fault *f, unsigned what)
{
	return f->enabled && f->rule.on & what && fault_rule_strikes(&f->rule);
}

/* The card goes (lines fall), or comes back (those that are high in the device rise). */
void fault_set_removed(struct medio_dev *dev, bool removed);
/* An interrupt that the device has not sent. */
void fault_inject(struct medio_dev *dev, unsigned vector);

extern const struct medio_host_ops fault_up;

#endif
