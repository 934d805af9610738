/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files `medio new` writes. Each set stands in a folder of tools/templates/, a device that builds and
 * passes its test as it is; the build puts them into the program (embed.py).
 */
#ifndef MEDIO_TOOLS_TEMPLATES_H
#define MEDIO_TOOLS_TEMPLATES_H

struct medio_template {
	const char *file; /* NULL ends the list */
	const char *text;
};

struct medio_template_set {
	/* What the device is called there. In names of files and in the files it stands for the new name.
	 * NULL ends the list. */
	const char *name;
	const struct medio_template *files;
};

extern const struct medio_template_set medio_template_sets[];

#endif
