/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files `medio new` writes. They stand in tools/templates/blinker/, a device that builds and
 * passes its test as it is; the build puts them into the program (embed.py).
 */
#ifndef MEDIO_TOOLS_TEMPLATES_H
#define MEDIO_TOOLS_TEMPLATES_H

/* What the device is called there. In names of files and in the files it stands for the new name. */
#define MEDIO_TEMPLATE_NAME "blinker"

struct medio_template {
	const char *file; /* NULL ends the list */
	const char *text;
};

extern const struct medio_template medio_templates[];

#endif
