/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers, names and tables as people like to read them. */
#ifndef MEDIO_TOOLS_TEXT_H
#define MEDIO_TOOLS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* "0", "12", "3.4k", "120M": at most 5 columns, powers of 1000. */
void medio_text_count(double value, char *buf, size_t size);
/* "0", "512", "3.4K", "120M": powers of 1024. */
void medio_text_bytes(double value, char *buf, size_t size);
/* A user's name, or his number. */
void medio_text_user(uid_t uid, char *buf, size_t size);
/* The name of a process, or "". */
void medio_text_process(pid_t pid, char *buf, size_t size);
/* "2026-05-01 12:34:56", local time. */
void medio_text_time(double seconds, char *buf, size_t size);
/* "12:34:56.123456", local time. */
void medio_text_clock(double seconds, char *buf, size_t size);
/* Print text that somebody else wrote: a terminal must not take it for orders. */
void medio_text_print(const char *text, FILE *out);
/* Print it so that a shell takes it for one word. */
void medio_text_quote(const char *text, FILE *out);
/* Print "-device {...}" so that a shell takes it for the two words it is. */
void medio_text_qemu(const char *device, FILE *out);

/* A table: cells row by row, columns as wide as their widest. */
struct medio_table {
	const char *const *titles; /* count of them; one that begins with '>' is of numbers */
	unsigned count;
	char **cells;
	unsigned used, capacity;
	bool failed; /* out of memory */
};

/* The next cell: a copy. */
void medio_table_add(struct medio_table *table, const char *text);
void medio_table_printf(struct medio_table *table, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Print it, and free its cells. The last column is not padded. -ENOMEM: nothing was printed. */
int medio_table_print(struct medio_table *table, FILE *out);

#endif
