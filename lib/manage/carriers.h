/* SPDX-License-Identifier: BSD-3-Clause */
/* What a type of device can be served as. Types are data: this needs no instance. */
#ifndef MEDIO_MANAGE_CARRIERS_H
#define MEDIO_MANAGE_CARRIERS_H

#include <stdbool.h>
#include <stddef.h>

struct medio_type;

struct medio_carrier {
	const char *name;
	const char *arg;   /* what is written behind it: "NAME"; NULL: nothing */
	const char *limit; /* what it carries, in words */
	bool (*carries)(const struct medio_type *type);
};

/* In the order in which they are told. */
extern const struct medio_carrier medio_carriers[];
extern const size_t medio_num_carriers;

/* "vfio-user, vhost-user or vduse=NAME": those that carry type, the last behind `last`; cut where buf ends. */
void medio_carriers_print(const struct medio_type *type, const char *last, char *buf, size_t size);

#endif
