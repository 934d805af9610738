/* SPDX-License-Identifier: BSD-3-Clause */
/* Attributes of a definition on a command line, and as the control socket has them:
 * [{"params/port0":"pty"},…]. */
#ifndef MEDIO_TOOLS_ATTRS_H
#define MEDIO_TOOLS_ATTRS_H

#include <stdbool.h>

#include <json-c/json.h>

struct medio_error;

/* Whose attribute a name is: "port0" is the parameter "params/port0", "medio/mode" itself. To free();
 * NULL: out of memory. */
char *medio_attrs_path(const char *name);
/* Give path a value in attrs: in the place of an earlier one, or at the end. */
void medio_attrs_set(struct json_object *attrs, const char *path, const char *value);
/* Take every path out. False: there was none. */
bool medio_attrs_remove(struct json_object *attrs, const char *path);
/* The same with "NAME=VALUE". -EINVAL with words: it is none; -ENOMEM. */
int medio_attrs_assign(struct json_object *attrs, const char *assignment, struct medio_error **err);
/* Add all that attrs has to names, which has room for max; gives how many there are then. */
unsigned medio_attrs_names(
	struct json_object *attrs, const char **names, unsigned count, unsigned max);

#endif
