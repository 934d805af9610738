/* SPDX-License-Identifier: BSD-3-Clause */
/* What the commands about this machine's devices share: groups, check, bind, unbind, sriov. */
#ifndef MEDIO_TOOLS_HOST_H
#define MEDIO_TOOLS_HOST_H

#include <json-c/json.h>

#include "command.h"
#include "host/check.h"
#include "host/device.h"
#include "pci/names.h"

/* What these commands return beyond MEDIO_EXIT_OK, _FAILURE (what was done is undone) and
 * _USAGE. */
enum {
	MEDIO_EXIT_REFUSED = 3, /* nothing was changed: it is in use, or cannot be as asked */
	MEDIO_EXIT_STUCK = 4,	/* it failed, and what was before could not be brought back */
};

/* Of --root, in each command's table. */
#define MEDIO_OPTION_ROOT_HELP \
	"Read and write the files of /sys, /proc, /dev and /lib/modules below this folder instead " \
	"of /: for tests and for another system's tree"

/* From now on SIGINT, SIGTERM and SIGHUP do not end the program: they stop host's changes. One that
 * is ignored stays so. */
void medio_tool_host_catch(struct medio_host *host);
/* Print what err says, free it, give what to exit with: MEDIO_EXIT_USAGE for -EINVAL. */
int medio_tool_host_fail(const struct medio_command *cmd, int ret, struct medio_error *err);

/* "Ethernet controller: Intel …", names may be NULL. */
void medio_tool_host_describe(
	struct medio_pci_names *names, const struct medio_host_device *dev, char *buf, size_t size);
/* {"bdf","driver":…|null,"group":…|null,"vendor","device","class","name"}; other devices of a group
 * have "name" only, and "bdf":null. */
struct json_object *medio_tool_host_json(
	struct medio_pci_names *names, const struct medio_host_device *dev);
/* text, or null where it is "". */
void medio_tool_json_optional(struct json_object *object, const char *key, const char *text);

/* [{"level","topic","subject":…|null,"text","advice":…|null}] */
struct json_object *medio_tool_findings_json(const struct medio_findings *findings);
/* The words of one, and what to do, broken before column 100 and each line but the first indented.
 * The cursor is at column indent. */
void medio_tool_finding_print(const struct medio_finding *finding, unsigned indent, FILE *out);

#endif
