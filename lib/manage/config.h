/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mediod's settings: the command line over a configuration file (INI, read by libinih) over what
 * stands here. Sections: [daemon], and [parent NAME] with the keys of medio_parent_params.
 */
#ifndef MEDIO_MANAGE_CONFIG_H
#define MEDIO_MANAGE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <medio/device.h>

#include "util/strv.h"

struct medio_error;
struct medio_parent_kind;

struct medio_config {
	/* If they are set before a file is read, its [parent NAME] sections are checked at once, so
	 * that what is wrong is told with its line; else medio_parents_set() finds it. */
	const struct medio_parent_kind *kinds;
	unsigned nkinds;

	char *runtime;		   /* runtime-dir; NULL: medio_config_runtime_dir() */
	char *definitions;	   /* definitions; NULL: medio_config_definitions_dir() */
	char *group;		   /* group whose members may create; NULL: none */
	char *metrics;		   /* "unix:PATH" or "PORT" (loopback); NULL: off */
	bool no_tree;		   /* do not mount RUNTIME/sys */
	uint64_t grace_ns;	   /* 30 s */
	uint64_t spares;	   /* workers kept ready: 2 */
	struct medio_strv parents; /* specs, "NAME,key=value" */
};

/* The keys of [daemon], over struct medio_config. */
extern const struct medio_param medio_config_params[];

/* Defaults. -ENOMEM. */
int medio_config_init(struct medio_config *config);
/* Read a file over it. missing_ok: no such file is no error. -ENOENT, -EACCES; -EINVAL with words
 * that name file, line, what was wrong and what is allowed (the nearest key). */
int medio_config_read(
	struct medio_config *config, const char *path, bool missing_ok, struct medio_error **err);
/* The same for size bytes of text; name is what to call it. What came before an error stays. */
int medio_config_parse(struct medio_config *config, const char *name, const char *text, size_t size,
	struct medio_error **err);
void medio_config_free(struct medio_config *config);

/* Where things are for this user: /run/medio for root, else $XDG_RUNTIME_DIR/medio; and
 * /etc/mdevctl.d, else $XDG_CONFIG_HOME/medio (~/.config/medio); and /etc/medio/mediod.conf, else
 * ~/.config/medio/mediod.conf. $MEDIO_RUNTIME_DIR wins. To free(); NULL: out of memory, or nothing
 * in the environment says. */
char *medio_config_runtime_dir(void);
char *medio_config_definitions_dir(void);
char *medio_config_file(void);
/* Where a client looks: $MEDIO_RUNTIME_DIR, else the user's own if a mediod serves there, else
 * /run/medio. */
char *medio_config_find_daemon(void);

#endif
