/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rule of the fault filter: what it strikes, how often, and what it then does. Words in, rule out; whether
 * an event is struck is decided by counting and by numbers from a seed, so that a run can be repeated.
 */
#ifndef MEDIO_FILTER_FAULT_RULE_H
#define MEDIO_FILTER_FAULT_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What can be struck, as a set. */
enum {
	FAULT_READ = 1,
	FAULT_WRITE = 2,
	FAULT_IRQ = 4,
	FAULT_DMA_READ = 8,
	FAULT_DMA_WRITE = 16,
	FAULT_ACCESS = FAULT_READ | FAULT_WRITE,
	FAULT_DMA = FAULT_DMA_READ | FAULT_DMA_WRITE,
};

/* What is done. The names of the parameter `do` stand in this order. */
enum fault_action {
	FAULT_ERROR,	 /* it fails */
	FAULT_VALUE,	 /* a read gives this value */
	FAULT_FLIP,	 /* a bit of the value is another */
	FAULT_DROP,	 /* a write or an interrupt is lost */
	FAULT_DELAY,	 /* it waits */
	FAULT_DUPLICATE, /* an interrupt comes twice */
	FAULT_SPURIOUS,	 /* an interrupt comes that the device has not sent */
	FAULT_REMOVE,	 /* the card is gone */
	FAULT_NUM_ACTIONS,
};

#define FAULT_ANY UINT32_MAX

/* As the user wrote it: NULL where he did not. */
struct fault_words {
	int action;  /* enum fault_action */
	unsigned on; /* set; 0: what is usual for the action */
	int region;  /* -1: any */
	const char *offset, *size;
	const char *prob;
	const char *error, *value, *bit, *vector;
	uint64_t seed, after, times;
};

struct fault_rule {
	enum fault_action action;
	unsigned on;
	unsigned region;       /* FAULT_ANY: any BAR */
	uint64_t first, last;  /* offsets, or addresses of DMA, both included */
	uint64_t chance;       /* of 2^64; UINT64_MAX: always */
	uint64_t after, times; /* strike after so many; so often (0: no limit) */
	int error;	       /* -errno */
	bool ones;	       /* value: all ones */
	uint64_t value;
	unsigned bit, vector; /* FAULT_ANY: any */

	uint64_t random; /* state */
	uint64_t matched, struck;
};

/* -EINVAL, and in why what is wrong with which word. */
int fault_rule_init(
	struct fault_rule *rule, const struct fault_words *words, char *why, size_t size);
/* Forget what was counted, and begin with the seed again. */
void fault_rule_restart(struct fault_rule *rule, uint64_t seed);

/* Does an access touch what the rule is about? */
bool fault_rule_covers(
	const struct fault_rule *rule, unsigned region, uint64_t offset, uint64_t count);
/* One more event that the rule is about: is this one struck? Counts. */
bool fault_rule_strikes(struct fault_rule *rule);
/* The next number of the rule's own. */
uint64_t fault_rule_random(struct fault_rule *rule);

/* "bar0", "config"; -1: no region. */
int fault_region_find(const char *name, size_t len);

#endif
