/* SPDX-License-Identifier: BSD-3-Clause */
/* RUNTIME/UUID/instance.json: an instance, for the mediod that comes after this one. */
#ifndef MEDIO_MANAGE_RECORD_H
#define MEDIO_MANAGE_RECORD_H

#include "manage/managed.h"

struct medio_record {
	char uuid[37];
	char *parent, *type;
	char *worker; /* file name of its socket in RUNTIME/workers, or NULL */
	int group;
	uid_t uid;
	gid_t gid;
	mode_t mode;
	int restart;
	struct medio_strv params, filters;
	uint64_t created_ns;
	/* A card that can have virtual functions: its number, how many it is to have. card -1: none such. */
	int card;
	unsigned numvfs;
	bool leave_unbound;
	/* A virtual function: of whom ("" none), which. */
	char pf[37];
	unsigned vf;
};

/* -EINVAL with words: what is in the file may be anything. */
int medio_record_parse(
	const char *text, size_t size, struct medio_record *record, struct medio_error **err);
char *medio_record_print(const struct medio_record *record); /* free(); NULL: out of memory */
/* Write it into folder atomically. -errno. */
int medio_record_save(const char *folder, const struct medio_record *record);
int medio_record_load(const char *folder, struct medio_record *record, struct medio_error **err);
void medio_record_free(struct medio_record *record);

#endif
