/* SPDX-License-Identifier: BSD-3-Clause */
/* An event as a line for people: "read  bar0+0x5 1 -> 0x60 (3.1 us)". */
#ifndef MEDIO_FILTER_TRACE_LINE_H
#define MEDIO_FILTER_TRACE_LINE_H

#include "record.h"

#define MEDIO_LINE_DATA_MAX 256
/* Enough for any line with MEDIO_LINE_DATA_MAX bytes shown. */
#define MEDIO_LINE_MAX 1024

/*
 * Print "+seconds.micros words", without a newline, cut to size and NUL-terminated. At most shown
 * bytes of data are printed (1, 2, 4 and 8 bytes are one number). name: the register's, to stand in the
 * place of region and offset, or NULL. Returns the length.
 */
size_t medio_line_print(
	const struct medio_record *record, const char *name, size_t shown, char *buf, size_t size);
/* The same without the time and the result: "read  bar0+0x5 1". */
size_t medio_line_print_call(const struct medio_record *record, char *buf, size_t size);
/* "0x60", "de ad be ef ..." */
size_t medio_line_print_data(
	const uint8_t *data, size_t data_size, size_t count, size_t shown, char *buf, size_t size);
/* "ok", "deferred", "-EINVAL" */
size_t medio_line_print_result(int result, char *buf, size_t size);
/* "bar0", "config"; "?" for what is no region. */
const char *medio_line_region(unsigned region);

#endif
