/* SPDX-License-Identifier: BSD-3-Clause */
/* medio run: what its files share. */
#ifndef MEDIO_TOOLS_RUN_H
#define MEDIO_TOOLS_RUN_H

#include "catalog.h"
#include "command.h"
#include "compat/launch.h"

struct medio_run_options {
	struct medio_option_list devices, uuids, filters;
	bool trace, json, quiet, spapr, kernel;
	const char *output;
};

struct medio_run {
	const struct medio_run_options *opts;
	struct medio_loop *loop, *devices;
	struct medio_compat *compat;
	struct medio_instance **instances; /* devices in this process */
	unsigned num_instances;
	FILE *story; /* where --trace writes; NULL: nowhere */
	bool ended;
	int status; /* of the program */
};

/*
 * run-device.c. TYPE[,name=value…] or URI[,…] as --device has it, with uuid=, bdf=, as= and map= taken out of it; or
 * an instance's UUID. Makes the card and what the program sees of it. -EINVAL: words that make no sense; or what opening
 * it gave.
 */
int medio_run_device(struct medio_run *run, const char *words, struct medio_error **err);
int medio_run_instance(struct medio_run *run, const char *uuid, struct medio_error **err);
/* Say what there is, and put it into the environment of the program: $device, $bdf or $uuid, $group, of the second
 * device $device1 and so on. -ENOMEM. */
int medio_run_tell(const struct medio_run *run);
/* Cards are closed by then. */
void medio_run_devices_free(struct medio_run *run);

/* run-story.c. The story's lines go to run->story, as text or JSON. */
int medio_run_story_open(struct medio_run *run, struct medio_error **err);
/* The same of the kernel's own VFIO, from the program's start to its end. */
int medio_run_kernel(struct medio_run *run, char *const *argv, struct medio_error **err);
void medio_run_story_close(struct medio_run *run);

#endif
