/* SPDX-License-Identifier: BSD-3-Clause */
/* instance.json: any bytes; what is understood is printed, and understood again as the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <medio/error.h>

#include "manage/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *parse_and_print(const char *text, size_t size)
{
	struct medio_record record;
	struct medio_error *err = NULL;

	if (medio_record_parse(text, size, &record, &err)) {
		if (!medio_error_text(err)[0])
			abort();
		medio_error_free(err);
		return NULL;
	}
	/* What the rest of mediod relies on. */
	if (strlen(record.uuid) != 36 || strchr(record.parent, '/') || strchr(record.type, '/') ||
		(record.worker && (strchr(record.worker, '/') || record.worker[0] == '.')) ||
		record.group < 0 || record.card < -1 || record.numvfs > 256 || record.vf > 255 ||
		(*record.pf && strlen(record.pf) != 36) || record.mode > 0777 ||
		record.restart > MEDIO_RESTART_RESTORE)
		abort();
	char *printed = medio_record_print(&record);
	medio_record_free(&record);
	return printed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1);
	char *first, *second;

	memcpy(copy, data, size);
	first = parse_and_print(copy, size);
	free(copy);
	if (!first)
		return 0;
	second = parse_and_print(first, strlen(first));
	if (!second || strcmp(first, second) != 0)
		abort();
	free(first);
	free(second);
	return 0;
}
