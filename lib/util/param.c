/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/param.h"

#include "util/cleanup.h"
#include "util/error.h"
#include "util/nearest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* What a user typed is quoted in messages, but not without end. */
#define SHOWN 64
/* Names of parameters that are compared and listed for the user. */
#define MAX_NAMES 64

/* A suffix and what it multiplies with, the largest first. */
struct unit {
	const char *suffix;
	uint64_t factor;
};

static const struct unit size_units[] = {
	{ "T", 1ull << 40 },
	{ "G", 1ull << 30 },
	{ "M", 1ull << 20 },
	{ "K", 1ull << 10 },
	{ "", 1 },
};

static const struct unit time_units[] = {
	{ "s", 1000000000 },
	{ "ms", 1000000 },
	{ "us", 1000 },
	{ "ns", 1 },
};

/* ---- Numbers ----------------------------------------------------------------------------------- */

static int digit_of(char c, unsigned base)
{
	unsigned digit;

	if (c >= '0' && c <= '9')
		digit = (unsigned)(c - '0');
	else if (c >= 'a' && c <= 'f')
		digit = (unsigned)(c - 'a') + 10;
	else if (c >= 'A' && c <= 'F')
		digit = (unsigned)(c - 'A') + 10;
	else
		return -1;
	return digit < base ? (int)digit : -1;
}

/*
 * Digits, decimal or after 0x: no sign, no space (strtoull takes both). *end is what follows.
 * -EINVAL: no digit, -ERANGE: more than 64 bits.
 */
static int parse_number(const char *text, uint64_t *value, const char **end)
{
	unsigned base = 10;
	uint64_t v = 0;
	int digit;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		text += 2;
	}
	if (digit_of(*text, base) < 0)
		return -EINVAL;
	for (; (digit = digit_of(*text, base)) >= 0; text++) {
		if (__builtin_mul_overflow(v, base, &v) ||
			__builtin_add_overflow(v, (uint64_t)digit, &v))
			return -ERANGE;
	}
	*value = v;
	*end = text;
	return 0;
}

static int parse_scaled(const struct unit *units, size_t count, const char *text, uint64_t *value)
{
	const char *suffix;
	uint64_t v;
	int ret = parse_number(text, &v, &suffix);

	if (ret < 0)
		return ret;
	/* Nothing needs no unit. */
	if (v == 0 && !*suffix) {
		*value = 0;
		return 0;
	}
	for (size_t i = 0; i < count; i++) {
		if (strcasecmp(suffix, units[i].suffix) != 0)
			continue;
		return __builtin_mul_overflow(v, units[i].factor, value) ? -ERANGE : 0;
	}
	return -EINVAL;
}

/* In the largest unit that leaves a whole number. */
static int print_scaled(
	const struct unit *units, size_t count, uint64_t value, char *buf, size_t size)
{
	size_t i = 0;

	while (i + 1 < count && (value == 0 || value % units[i].factor != 0))
		i++;
	return snprintf(buf, size, "%" PRIu64 "%s", value / units[i].factor, units[i].suffix);
}

static int print_value(const struct medio_param *param, uint64_t value, char *buf, size_t size)
{
	switch (param->kind) {
	case MEDIO_PARAM_SIZE:
		return print_scaled(size_units, MEDIO_ARRAY_SIZE(size_units), value, buf, size);
	case MEDIO_PARAM_TIME:
		return print_scaled(time_units, MEDIO_ARRAY_SIZE(time_units), value, buf, size);
	default:
		return snprintf(buf, size, "%" PRIu64, value);
	}
}

/* 0, -EINVAL or -ERANGE, as parse_number(), and -ERANGE outside min and max. */
static int parse_quantity(const struct medio_param *param, const char *text, uint64_t *value)
{
	const char *end;
	uint64_t v;
	int ret;

	switch (param->kind) {
	case MEDIO_PARAM_SIZE:
		ret = parse_scaled(size_units, MEDIO_ARRAY_SIZE(size_units), text, &v);
		break;
	case MEDIO_PARAM_TIME:
		ret = parse_scaled(time_units, MEDIO_ARRAY_SIZE(time_units), text, &v);
		break;
	default:
		ret = parse_number(text, &v, &end);
		if (ret == 0 && *end)
			ret = -EINVAL;
		break;
	}
	if (ret < 0)
		return ret;
	if (v < param->min || (param->max && v > param->max))
		return -ERANGE;
	*value = v;
	return 0;
}

/* ---- Words ------------------------------------------------------------------------------------- */

static int parse_bool(const char *text, bool *value)
{
	static const char *const words[][2] = {
		{ "off", "on" },
		{ "no", "yes" },
		{ "false", "true" },
		{ "0", "1" },
	};

	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(words); i++) {
		for (int v = 0; v < 2; v++) {
			if (strcasecmp(text, words[i][v]) == 0) {
				*value = v;
				return 0;
			}
		}
	}
	return -EINVAL;
}

static int parse_choice(const struct medio_param *param, const char *text, int *value)
{
	for (int i = 0; param->choices && param->choices[i]; i++) {
		if (strcmp(text, param->choices[i]) == 0) {
			*value = i;
			return 0;
		}
	}
	return -EINVAL;
}

static const char *nearest_choice(const struct medio_param *param, const char *text)
{
	size_t count = 0;

	while (param->choices && param->choices[count])
		count++;
	return medio_nearest(text, param->choices, count);
}

/* Join with sep into buf; as snprintf. */
static int join(const char *const *names, const char *sep, char *buf, size_t size)
{
	size_t len = 0;

	if (size)
		buf[0] = '\0';
	for (size_t i = 0; names && names[i]; i++) {
		int n = snprintf(len < size ? buf + len : NULL, len < size ? size - len : 0, "%s%s",
			i ? sep : "", names[i]);

		len += n > 0 ? (size_t)n : 0;
	}
	return (int)len;
}

/* ---- The table --------------------------------------------------------------------------------- */

static char **string_slot(const struct medio_param *param, void *state)
{
	return (char **)(void *)((char *)state + param->offset);
}

static void store(const struct medio_param *param, void *state, const void *value, size_t size)
{
	memcpy((char *)state + param->offset, value, size);
}

/* Parse text and store it: 0, -EINVAL, -ERANGE (a number out of bounds), -ENOMEM. */
static int assign(const struct medio_param *param, void *state, const char *text)
{
	uint64_t quantity;
	bool flag;
	char *copy;
	int ret, choice;

	switch (param->kind) {
	case MEDIO_PARAM_BOOL:
		ret = parse_bool(text, &flag);
		if (ret == 0)
			store(param, state, &flag, sizeof(flag));
		return ret;
	case MEDIO_PARAM_UINT:
	case MEDIO_PARAM_SIZE:
	case MEDIO_PARAM_TIME:
		ret = parse_quantity(param, text, &quantity);
		if (ret == 0)
			store(param, state, &quantity, sizeof(quantity));
		return ret;
	case MEDIO_PARAM_STRING:
		copy = strdup(text);
		if (!copy)
			return -ENOMEM;
		free(*string_slot(param, state));
		*string_slot(param, state) = copy;
		return 0;
	case MEDIO_PARAM_CHOICE:
		ret = parse_choice(param, text, &choice);
		if (ret == 0)
			store(param, state, &choice, sizeof(choice));
		return ret;
	}
	return -EINVAL;
}

static void clear(const struct medio_param *param, void *state)
{
	static const union {
		bool flag;
		uint64_t quantity;
		char *string;
		int choice;
	} nothing;

	switch (param->kind) {
	case MEDIO_PARAM_BOOL:
		store(param, state, &nothing, sizeof(nothing.flag));
		break;
	case MEDIO_PARAM_STRING:
		store(param, state, &nothing, sizeof(nothing.string));
		break;
	case MEDIO_PARAM_CHOICE:
		store(param, state, &nothing, sizeof(nothing.choice));
		break;
	default:
		store(param, state, &nothing, sizeof(nothing.quantity));
		break;
	}
}

int medio_params_default(const struct medio_param *params, void *state, struct medio_error **err)
{
	/* First all of them, so that what a failure leaves behind can be freed. */
	for (const struct medio_param *p = params; p && p->name; p++)
		clear(p, state);
	for (const struct medio_param *p = params; p && p->name; p++) {
		int ret = p->deflt ? assign(p, state, p->deflt) : 0;

		if (ret == 0)
			continue;
		medio_params_free(params, state);
		if (ret == -ENOMEM)
			return medio_error_set(err, ENOMEM, "out of memory");
		return medio_error_set(err, EINVAL,
			"the default '%s' of parameter '%s' is not valid", p->deflt, p->name);
	}
	return 0;
}

static int unknown(const struct medio_param *params, const char *what, const char *name,
	struct medio_error **err)
{
	const char *names[MAX_NAMES];
	size_t count = 0;

	for (const struct medio_param *p = params; p && p->name && count < MAX_NAMES; p++)
		names[count++] = p->name;
	medio_unknown(err, "parameter", name, names, count);
	medio_error_prefix(err, "%s", what);
	return -EINVAL;
}

static const char *article(const struct medio_param *param)
{
	switch (param->kind) {
	case MEDIO_PARAM_STRING:
		return "";
	case MEDIO_PARAM_CHOICE:
		return "one of ";
	default:
		return "a ";
	}
}

static int refused(const struct medio_param *param, const char *what, const char *value,
	struct medio_error **err)
{
	const char *near = NULL;
	char allowed[512];

	medio_param_describe(param, allowed, sizeof(allowed));
	if (param->kind == MEDIO_PARAM_CHOICE)
		near = nearest_choice(param, value);
	if (near)
		return medio_error_set(err, EINVAL,
			"%s: '%s' must be one of %s, not '%.*s'; did you mean '%s'?", what,
			param->name, allowed, SHOWN, value, near);
	return medio_error_set(err, EINVAL, "%s: '%s' must be %s%s, not '%.*s'", what, param->name,
		article(param), allowed, SHOWN, value);
}

static bool is_named(const struct medio_param *param, const char *name, size_t len)
{
	return strncmp(param->name, name, len) == 0 && param->name[len] == '\0';
}

int medio_params_set(const struct medio_param *params, void *state, const char *what,
	const char *assignment, struct medio_error **err)
{
	const char *equals = strchr(assignment, '=');
	size_t len = equals ? (size_t)(equals - assignment) : strlen(assignment);
	const struct medio_param *param = params;
	char name[SHOWN + 1], allowed[512];
	int ret;

	if (len == 0)
		return medio_error_set(err, EINVAL,
			"%s: '%.*s' is not a parameter; write name=value", what, SHOWN, assignment);
	while (param && param->name && !is_named(param, assignment, len))
		param++;
	if (!param || !param->name) {
		snprintf(name, sizeof(name), "%.*s", len < SHOWN ? (int)len : SHOWN, assignment);
		return unknown(params, what, name, err);
	}
	if (!equals && param->kind != MEDIO_PARAM_BOOL) {
		medio_param_describe(param, allowed, sizeof(allowed));
		return medio_error_set(err, EINVAL, "%s: '%s' needs a value: %s=VALUE, %s%s", what,
			param->name, param->name, article(param), allowed);
	}

	ret = assign(param, state, equals ? equals + 1 : "true");
	if (ret == -ENOMEM)
		return medio_error_set(err, ENOMEM, "out of memory");
	if (ret < 0)
		return refused(param, what, equals ? equals + 1 : "", err);
	return 0;
}

int medio_param_print(const struct medio_param *param, const void *state, char *buf, size_t size)
{
	const void *at = (const char *)state + param->offset;
	const char *text;
	uint64_t quantity;
	bool flag;
	int choice;

	switch (param->kind) {
	case MEDIO_PARAM_BOOL:
		memcpy(&flag, at, sizeof(flag));
		return snprintf(buf, size, "%s", flag ? "on" : "off");
	case MEDIO_PARAM_STRING:
		memcpy(&text, at, sizeof(text));
		return snprintf(buf, size, "%s", text ? text : "");
	case MEDIO_PARAM_CHOICE:
		memcpy(&choice, at, sizeof(choice));
		return snprintf(buf, size, "%s", param->choices ? param->choices[choice] : "");
	default:
		memcpy(&quantity, at, sizeof(quantity));
		return print_value(param, quantity, buf, size);
	}
}

void medio_params_free(const struct medio_param *params, void *state)
{
	for (const struct medio_param *p = params; p && p->name; p++) {
		if (p->kind != MEDIO_PARAM_STRING)
			continue;
		free(*string_slot(p, state));
		*string_slot(p, state) = NULL;
	}
}

int medio_param_describe(const struct medio_param *param, char *buf, size_t size)
{
	char low[32], high[32];
	const char *kind;

	switch (param->kind) {
	case MEDIO_PARAM_BOOL:
		return snprintf(buf, size, "boolean (on or off)");
	case MEDIO_PARAM_STRING:
		return snprintf(buf, size, "text");
	case MEDIO_PARAM_CHOICE:
		return join(param->choices, "|", buf, size);
	case MEDIO_PARAM_SIZE:
		kind = "size like 64K (K, M, G, T)";
		break;
	case MEDIO_PARAM_TIME:
		kind = "time like 10us (ns, us, ms, s)";
		break;
	default:
		kind = "number";
		break;
	}
	print_value(param, param->min, low, sizeof(low));
	print_value(param, param->max, high, sizeof(high));
	if (param->max)
		return snprintf(buf, size, "%s %s..%s", kind, low, high);
	if (param->min)
		return snprintf(buf, size, "%s from %s", kind, low);
	return snprintf(buf, size, "%s", kind);
}
