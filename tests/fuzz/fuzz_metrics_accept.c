/* SPDX-License-Identifier: BSD-3-Clause */
/* Any text as an Accept and as a Host header: nothing is read beyond it, and a second wish for the same
 * type, put behind, changes nothing. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "manage/metrics-accept.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	bool classic = medio_metrics_wants_classic(text);
	medio_metrics_host_ok(text);
	char *twice = malloc(2 * strlen(text) + 2);
	if (twice) {
		strcpy(twice, text);
		strcat(twice, ",");
		strcat(twice, text);
		if (medio_metrics_wants_classic(twice) != classic)
			abort();
	}
	free(twice);
	free(text);
	return 0;
}
