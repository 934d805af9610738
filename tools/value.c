/* SPDX-License-Identifier: BSD-3-Clause */
#include "value.h"

#include <string.h>

#include <medio/driver.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "util/param.h"

int medio_value_number(const struct medio_command *cmd, const char *name,
	enum medio_param_kind kind, const char *text, uint64_t *out)
{
	const struct medio_param table[] = {
		{ .name = name, .kind = kind, .help = name },
		{ NULL },
	};
	struct medio_error *err = NULL;
	_cleanup_free_ char *assignment = NULL;
	char what[32];
	int ret = 0;

	snprintf(what, sizeof(what), "--%s", name);
	if (asprintf(&assignment, "%s=%s", name, text) < 0)
		assignment = NULL;
	if (!assignment || medio_params_set(table, out, what, assignment, &err))
		ret = medio_command_usage(cmd, "%s", err ? medio_error_text(err) : "out of memory");
	medio_error_free(err);
	return ret;
}

static const struct {
	const char *name;
	int irq;
} kinds[] = {
	{ "msix", MEDIO_CARD_MSIX },
	{ "msi", MEDIO_CARD_MSI },
	{ "intx", MEDIO_CARD_INTX },
	{ "none", MEDIO_VALUE_IRQ_NONE },
};

int medio_value_irq(const struct medio_command *cmd, const char *text, int *out)
{
	*out = MEDIO_VALUE_IRQ_BEST;
	for (size_t i = 0; text && i < MEDIO_ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].name, text) != 0)
			continue;
		*out = kinds[i].irq;
		return 0;
	}
	return text ? medio_command_usage(cmd, "--irq %s: there are msix, msi, intx and none", text)
		    : 0;
}

const char *medio_value_irq_name(int irq)
{
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(kinds); i++)
		if (kinds[i].irq == irq)
			return kinds[i].name;
	return "none";
}
