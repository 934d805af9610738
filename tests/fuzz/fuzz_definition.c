/* SPDX-License-Identifier: BSD-3-Clause */
/* A definition's file: what is understood prints, and reads back, the same. */
#include "manage/definitions.h"
#include "manage/managed.h"
#include "util/error.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What definition.c asks of the rest of the manager, which is not here. */
const char *const medio_restart_names[] = { "never", "reset", "restore", NULL };

struct medio_managed *medio_managed_of(const struct medio_mdev *mdev)
{
	(void)mdev;
	return NULL;
}

static void compare(const struct medio_definition *a, const struct medio_definition *b)
{
	if (strcmp(a->type, b->type) != 0 || a->automatic != b->automatic ||
		a->names.count != b->names.count || a->names.count != a->values.count ||
		b->names.count != b->values.count)
		abort();
	for (unsigned i = 0; i < a->names.count; i++)
		if (strcmp(a->names.items[i], b->names.items[i]) != 0 ||
			strcmp(a->values.items[i], b->values.items[i]) != 0)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct medio_definition def = { 0 }, again = { 0 };
	struct medio_error *err = NULL;
	/* Of its exact size, so that reading past it is seen. */
	char *copy = malloc(size ? size : 1);

	memcpy(copy, data, size);
	if (medio_definition_parse(copy, size, &def, &err) < 0) {
		if (!err || !*medio_error_text(err) || def.type)
			abort();
		medio_error_free(err);
		free(copy);
		return 0;
	}
	free(copy);
	char *text = medio_definition_print(&def);
	/* What was near the limit may print longer. */
	if (strlen(text) <= MEDIO_DEFINITION_MAX) {
		if (medio_definition_parse(text, strlen(text), &again, NULL) < 0)
			abort();
		compare(&def, &again);
		medio_definition_free(&again);
	}
	free(text);
	while (def.names.count) {
		char *name = strdup(def.names.items[0]);
		if (medio_definition_unset(&def, name) < 0)
			abort();
		free(name);
	}
	medio_definition_free(&def);
	return 0;
}
