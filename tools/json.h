/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON by hand is one thing only: a string in quotes. Objects are json-c's or a printf. */
#ifndef MEDIO_TOOLS_JSON_H
#define MEDIO_TOOLS_JSON_H

/* text as a JSON string, quotes included; free() it. NULL: out of memory. */
char *medio_json_escape(const char *text);

#endif
