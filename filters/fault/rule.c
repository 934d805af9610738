/* SPDX-License-Identifier: BSD-3-Clause */
#include "rule.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an action can be done to, and what it is done to if nothing is said. */
static const struct {
	const char *name;
	unsigned possible, usual;
} actions[FAULT_NUM_ACTIONS] = {
	[FAULT_ERROR] = { "error", FAULT_ACCESS | FAULT_DMA, FAULT_ACCESS },
	[FAULT_VALUE] = { "value", FAULT_READ, FAULT_READ },
	[FAULT_FLIP] = { "flip", FAULT_ACCESS, FAULT_ACCESS },
	[FAULT_DROP] = { "drop", FAULT_WRITE | FAULT_IRQ, FAULT_WRITE },
	[FAULT_DELAY] = { "delay", FAULT_ACCESS, FAULT_ACCESS },
	[FAULT_DUPLICATE] = { "duplicate", FAULT_IRQ, FAULT_IRQ },
	[FAULT_SPURIOUS] = { "spurious", FAULT_ACCESS | FAULT_IRQ, FAULT_ACCESS },
	[FAULT_REMOVE] = { "remove", FAULT_ACCESS | FAULT_IRQ | FAULT_DMA, FAULT_ACCESS },
};

struct why {
	char *text;
	size_t size;
};

static int wrong(const struct why *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int wrong(const struct why *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why->text, why->size, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

int fault_region_find(const char *name, size_t len)
{
	static const char *const names[] = { "bar0", "bar1", "bar2", "bar3", "bar4", "bar5", "rom",
		"config" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len && strncmp(names[i], name, len) == 0)
			return (int)i;
	return -1;
}

/* ---- Words ------------------------------------------------------------------------------------- */

static int number(
	const struct why *why, const char *name, const char *text, uint64_t max, uint64_t *out)
{
	char *end;

	errno = 0;
	unsigned long long value = strtoull(text, &end, 0);
	if (text[0] < '0' || text[0] > '9' || *end || errno || value > max)
		return wrong(why,
			"'%s' must be a number up to 0x%llx, such as 12 or 0x20, not '%.40s'", name,
			(unsigned long long)max, text);
	*out = value;
	return 0;
}

/* "0.01", "1", "2.5%": of 2^64. */
static int chance(const struct why *why, const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	double value = strtod(text, &end);
	if (*end == '%' && end != text) {
		value /= 100;
		end++;
	}
	/* Written so that what is no number is refused; digits first: no sign, no "inf". */
	if (((text[0] < '0' || text[0] > '9') && text[0] != '.') || *end || errno ||
		!(value >= 0 && value <= 1))
		return wrong(why, "'prob' must be 0 to 1, or 0%% to 100%%, not '%.40s'", text);
	*out = value >= 1 ? UINT64_MAX : (uint64_t)(value * 18446744073709551616.0);
	return 0;
}

static int error_number(const struct why *why, const char *text, int *out)
{
	uint64_t value = 0;

	for (int i = 1; i < 134; i++) {
		const char *name = strerrorname_np(i);
		if (name && strcmp(name, text) == 0) {
			*out = -i;
			return 0;
		}
	}
	if (text[0] == 'E' || number(why, "error", text, 4095, &value) || !value)
		return wrong(why,
			"'error' must be an errno such as EIO, or its number, not '%.40s'", text);
	*out = -(int)value;
	return 0;
}

static int place(struct fault_rule *rule, const struct fault_words *words, const struct why *why)
{
	uint64_t size = 1;
	int ret = 0;

	rule->region = words->region < 0 ? FAULT_ANY : (unsigned)words->region;
	rule->last = UINT64_MAX;
	if (words->size && !words->offset)
		return wrong(why, "'size' is of what begins at 'offset': say where");
	if (!words->offset)
		return 0;
	if (rule->on & FAULT_ACCESS && rule->region == FAULT_ANY)
		return wrong(why, "'offset' is inside a region: say which, as in region=bar0");
	ret = number(why, "offset", words->offset, UINT64_MAX, &rule->first);
	if (!ret && words->size)
		ret = number(why, "size", words->size, UINT64_MAX, &size);
	if (ret)
		return ret;
	if (!size || size - 1 > UINT64_MAX - rule->first)
		return wrong(why, "'size' must be 1 or more, and end before 2^64");
	rule->last = rule->first + (size - 1);
	return 0;
}

static int value(struct fault_rule *rule, const struct fault_words *words, const struct why *why)
{
	uint64_t bit = FAULT_ANY, vector = FAULT_ANY;
	int ret = 0;

	rule->ones = !words->value || strcmp(words->value, "ones") == 0;
	if (!rule->ones)
		ret = number(why, "value", words->value, UINT64_MAX, &rule->value);
	if (!ret && words->bit)
		ret = number(why, "bit", words->bit, 8 * 65536 - 1, &bit);
	if (!ret && words->vector)
		ret = number(why, "vector", words->vector, 2047, &vector);
	rule->bit = (unsigned)bit;
	rule->vector = (unsigned)vector;
	return ret;
}

/* Words that mean nothing here are somebody's mistake. */
static int no_strays(
	const struct fault_rule *rule, const struct fault_words *words, const struct why *why)
{
	const char *name = actions[rule->action].name;

	if (words->error && rule->action != FAULT_ERROR)
		return wrong(why, "'error' is for do=error, not for do=%s", name);
	if (words->value && rule->action != FAULT_VALUE)
		return wrong(why, "'value' is for do=value, not for do=%s", name);
	if (words->bit && rule->action != FAULT_FLIP)
		return wrong(why, "'bit' is for do=flip, not for do=%s", name);
	if (words->vector && !(rule->on & FAULT_IRQ) && rule->action != FAULT_SPURIOUS)
		return wrong(why, "'vector' is for interrupts: say on=irq");
	if (rule->on & FAULT_IRQ && (words->offset || words->region >= 0))
		return wrong(why, "interrupts have a vector, and no region and offset");
	if (rule->on & FAULT_DMA && words->region >= 0)
		return wrong(why, "DMA has an address (offset), and no region");
	return 0;
}

int fault_rule_init(
	struct fault_rule *rule, const struct fault_words *words, char *text, size_t size)
{
	const struct why why = { text, size };
	const unsigned possible = actions[words->action].possible;
	int ret;

	*rule = (struct fault_rule){
		.action = (enum fault_action)words->action,
		.on = words->on ? words->on : actions[words->action].usual,
		.after = words->after,
		.times = words->times,
		.chance = UINT64_MAX,
	};
	if (words->action == FAULT_VALUE)
		rule->on &= FAULT_READ | ~(unsigned)FAULT_ACCESS;
	if (words->action == FAULT_DROP && rule->on == FAULT_ACCESS)
		rule->on = FAULT_WRITE;
	if (!rule->on || rule->on & ~possible)
		return wrong(&why, "do=%s cannot be done to that: see medio-filter-fault(7)",
			actions[words->action].name);
	rule->error = rule->on & FAULT_DMA ? -EFAULT : -EIO;
	ret = no_strays(rule, words, &why);
	if (!ret)
		ret = place(rule, words, &why);
	if (!ret)
		ret = value(rule, words, &why);
	if (!ret && words->prob)
		ret = chance(&why, words->prob, &rule->chance);
	if (!ret && words->error)
		ret = error_number(&why, words->error, &rule->error);
	if (!ret && rule->action == FAULT_SPURIOUS && rule->vector == FAULT_ANY)
		rule->vector = 0;
	fault_rule_restart(rule, words->seed);
	return ret;
}

/* ---- Striking ---------------------------------------------------------------------------------- */

/* splitmix64: any seed will do, and equal seeds give equal runs. */
uint64_t fault_rule_random(struct fault_rule *rule)
{
	uint64_t z = rule->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

void fault_rule_restart(struct fault_rule *rule, uint64_t seed)
{
	rule->random = seed;
	rule->matched = rule->struck = 0;
}

bool fault_rule_covers(
	const struct fault_rule *rule, unsigned region, uint64_t offset, uint64_t count)
{
	/* Any: of the BARs. A client that cannot read configuration space finds no card at all. */
	if (rule->region == FAULT_ANY ? region > 6 : region != rule->region)
		return false;
	uint64_t last = count && count - 1 <= UINT64_MAX - offset ? offset + (count - 1)
								  : UINT64_MAX;
	return offset <= rule->last && last >= rule->first;
}

bool fault_rule_strikes(struct fault_rule *rule)
{
	if (rule->matched++ < rule->after || (rule->times && rule->struck >= rule->times))
		return false;
	if (rule->chance != UINT64_MAX && fault_rule_random(rule) >= rule->chance)
		return false;
	rule->struck++;
	return true;
}
