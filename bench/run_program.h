/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * medio-bench-program: what `run` of medio-bench measures under medio run and without it. It is told on standard input what to
 * do how often, a line each ("getpid 1000"), and answers how many nanoseconds that took, or "!" and why it cannot.
 */
#ifndef MEDIO_BENCH_RUN_PROGRAM_H
#define MEDIO_BENCH_RUN_PROGRAM_H

#include <stddef.h>

struct program_command {
	const char *name;
	void (*run)(unsigned n);
};

/* Lists end with a command without a name. */
extern const struct program_command program_calls[], program_floors[], program_device[];

/* Say why, and end. */
void program_fail(const char *what) __attribute__((noreturn));
void program_pin(int cpu);

/* From here on each system call passes a filter that allows it. */
void program_floor_allow(void);
/* Processes on cpu that answer: bytes on a socket, and getsid() that a filter passes on. */
void program_floor_echo(int cpu);
void program_floor_notify(int cpu);
/* The devices that medio run tells of. */
void program_device_open(void);

#endif
