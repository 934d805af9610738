/* SPDX-License-Identifier: BSD-3-Clause */
/* User text into each kind of parameter: what is accepted prints, and reads back, the same. */
#include "util/error.h"
#include "util/param.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct state {
	bool flag;
	uint64_t port, size, wait;
	char *file;
	int mode;
};

static const char *const modes[] = { "echo", "pty", NULL };

static const struct medio_param params[] = {
	{ "flag", MEDIO_PARAM_BOOL, offsetof(struct state, flag) },
	{ "port", MEDIO_PARAM_UINT, offsetof(struct state, port), "3", "", 1, 15 },
	{ "size", MEDIO_PARAM_SIZE, offsetof(struct state, size) },
	{ "wait", MEDIO_PARAM_TIME, offsetof(struct state, wait) },
	{ "file", MEDIO_PARAM_STRING, offsetof(struct state, file) },
	{ "mode", MEDIO_PARAM_CHOICE, offsetof(struct state, mode), "pty", "", 0, 0, modes },
	{ NULL },
};

static void print(const struct medio_param *param, const struct state *s, char *out, size_t size)
{
	int len = snprintf(out, size, "%s=", param->name);

	medio_param_print(param, s, out + len, size - (size_t)len);
}

static void one(struct state *s, const char *assignment)
{
	struct medio_error *err = NULL;
	char text[512], again[512];

	if (medio_params_set(params, s, "fuzz", assignment, &err) < 0) {
		if (!err || !*medio_error_text(err))
			abort();
		medio_error_free(err);
		return;
	}
	for (const struct medio_param *p = params; p->name; p++) {
		print(p, s, text, sizeof(text));
		if (strlen(text) == sizeof(text) - 1)
			continue;
		if (medio_params_set(params, s, "fuzz", text, NULL) < 0)
			abort();
		print(p, s, again, sizeof(again));
		if (strcmp(text, again) != 0)
			abort();
	}
}

/* Input: assignments, one a line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct state s;
	char *text = malloc(size + 1), *save = NULL;

	memcpy(text, data, size);
	text[size] = '\0';
	if (medio_params_default(params, &s, NULL) < 0)
		abort();
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		one(&s, line);
	medio_params_free(params, &s);
	free(text);
	return 0;
}
