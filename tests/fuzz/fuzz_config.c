/* SPDX-License-Identifier: BSD-3-Clause */
/* A configuration file: what is wrong is told with words, what is right gives specs that are right. */
#include "manage/config.h"
#include "manage/functions.h"
#include "manage/parents.h"
#include "util/error.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What parents.c asks of the rest of the manager, which is not here. */
const char *const medio_restart_names[] = { "never", "reset", "restore", NULL };
const struct medio_mdev_driver medio_mdev_worker = { .name = "medio-worker" };

void medio_manager_log(struct medio_manager *m, enum medio_log_level level, const char *fmt, ...)
{
	(void)m;
	(void)level;
	(void)fmt;
}

void medio_manager_create(struct medio_manager *m, struct medio_parent *parent,
	const struct medio_type *type, const char *uuid, size_t len,
	const struct medio_creation *how, medio_manager_created *created, void *opaque)
{
	abort(); /* nothing is made here */
}

void medio_functions_card_uuid(const char *parent, unsigned number, char uuid[37])
{
	abort();
}

static const struct medio_type type = { .name = "mtty-1" };
static const struct medio_type *const types[] = { &type, NULL };
static const struct medio_parent_desc mtty = { .name = "mtty", .types = types, .capacity = 24 };
static const struct medio_parent_kind kinds[] = { { .desc = &mtty, .units = "ports" } };

/* One that was let through is "NAME,key=value…" with a name and values that are allowed. */
static void check_spec(const char *spec)
{
	char *copy = strdup(spec), *rest = copy, *word;
	const char *name = strsep(&rest, ",");
	bool plugin = false;

	while ((word = strsep(&rest, ","))) {
		plugin |= !strncmp(word, "plugin=", 7);
		if (medio_parent_check(kinds, 1, name, word, false, NULL) < 0)
			abort();
	}
	if (medio_parent_check(kinds, 1, name, NULL, plugin, NULL) < 0)
		abort();
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct medio_error *err = NULL;
	struct medio_config config;
	char *copy = malloc(size ? size : 1);

	memcpy(copy, data, size);
	if (medio_config_init(&config) < 0)
		abort();
	config.kinds = kinds;
	config.nkinds = 1;
	if (medio_config_parse(&config, "fuzz", copy, size, &err) < 0) {
		if (!err || strncmp(medio_error_text(err), "fuzz:", 5) != 0)
			abort();
		medio_error_free(err);
	} else {
		for (unsigned i = 0; i < config.parents.count; i++)
			check_spec(config.parents.items[i]);
	}
	if (config.runtime && config.runtime[0] != '/')
		abort();
	medio_config_free(&config);
	free(copy);
	return 0;
}
