/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a command that drives a card ends before its time, always in order: a signal wants the program
 * to end, or somebody wants the card back.
 */
#ifndef MEDIO_TOOLS_ENDING_H
#define MEDIO_TOOLS_ENDING_H

#include <medio/driver.h>

#include "command.h"

struct medio_ending {
	const struct medio_command *cmd;
	const char *device;
	struct medio_card *card;
	bool asks;    /* the card tells when somebody wants it back */
	double asked; /* when it was last looked at */
};

/* Catch the signals that end a program, so that it is not interrupted in mid-work; waits end. */
void medio_ending_catch(void);
/* A signal came. */
bool medio_ending_signalled(void);
/* Die of the signal that came, as if it had not been caught; what was printed goes out before.
 * Returns if none came. */
void medio_ending_die(void);

/* Watch a card that a driver has taken; device is what the user called it. */
void medio_ending_begin(struct medio_ending *ending, const struct medio_command *cmd,
	const char *device, struct medio_card *card);
/* To be asked in each turn of a loop: a signal wants the program to end, or, which is then said,
 * somebody the card. */
bool medio_ending_due(struct medio_ending *ending);

/* Seconds of CLOCK_MONOTONIC. */
double medio_ending_now(void);

#endif
