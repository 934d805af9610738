/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a record: what is read must print as a line and write back to the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "filters/trace/line.h"
#include "filters/trace/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink;

static void check(const uint8_t *event, const struct medio_record *r)
{
	uint8_t head[MEDIO_RECORD_HEAD_SIZE];
	char line[MEDIO_LINE_MAX];

	size_t len = medio_line_print(r, NULL, MEDIO_LINE_DATA_MAX, line, sizeof(line));
	if (len != strlen(line) || len >= sizeof(line) - 1)
		abort();
	medio_record_put(r, head);
	/* Bytes 6 and 7 are for later versions: read as anything, written as zero. */
	if (memcmp(head, event, 6) != 0 || memcmp(head + 8, event + 8, sizeof(head) - 8) != 0)
		abort();
	/* Touch all of the data, so that a sanitizer sees where it ends. */
	for (uint32_t i = 0; i < r->data_size; i++)
		sink ^= r->data[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct medio_record_reader reader;
	struct medio_record_start start;
	struct medio_record r;
	int ret;

	if (medio_record_open(&reader, data, size, &start)) {
		if (!reader.why)
			abort();
		return 0;
	}
	for (;;) {
		size_t at = reader.at;
		ret = medio_record_next(&reader, &r);
		if (ret != 1)
			break;
		if (reader.at <= at || reader.at > size)
			abort();
		check(data + at, &r);
	}
	if (ret && !reader.why)
		abort();
	return 0;
}
