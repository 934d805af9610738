/* SPDX-License-Identifier: BSD-3-Clause */
/* The user's terminal in raw mode, and given back as it was on every way out, signals included. */
#ifndef MEDIO_TOOLS_TERMINAL_H
#define MEDIO_TOOLS_TERMINAL_H

#include <stdbool.h>
#include <signal.h>

/*
 * Catch the signals that end a program, blocked except while *waiting is the mask (ppoll), and put
 * standard input into raw mode if it is a terminal. -errno. One at a time in a program.
 */
int medio_terminal_enter(sigset_t *waiting);
/* Give everything back. Harmless if enter was not called or failed. */
void medio_terminal_leave(void);
/* A signal that wants us to end, 0: none came. */
int medio_terminal_signal(void);
/* Die of that signal, as if it had not been caught. */
void medio_terminal_die(int sig);
/* Standard input is a terminal and in raw mode. */
bool medio_terminal_raw(void);

#endif
