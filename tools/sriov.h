/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of `medio sriov`: devices of this machine (sriov.c) and cards that mediod runs. */
#ifndef MEDIO_TOOLS_SRIOV_H
#define MEDIO_TOOLS_SRIOV_H

#include "command.h"

struct medio_error;

/* What a card of mediod's is asked for. */
struct medio_sriov_job {
	const struct medio_command *cmd;
	const char *name; /* "nic0", or a UUID */
	int number;	  /* of virtual functions; -1: show them */
	int vf;		  /* whose settings: */
	const char *const *settings;
	unsigned nsettings;
	bool force, json;
};

/* Does name mean one? Else it is the address of a device of this machine. */
bool medio_sriov_is_card(const char *name);
/* "vlan=5". -EINVAL with words that say what is allowed. */
int medio_sriov_check_setting(const char *text, struct medio_error **err);
/* Gives what to exit with. */
int medio_sriov_card(const struct medio_sriov_job *job);

#endif
