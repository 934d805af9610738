/* SPDX-License-Identifier: BSD-3-Clause */
/* What a card's URI names: <medio/driver.h> has the forms. */
#ifndef MEDIO_DRIVE_URI_H
#define MEDIO_DRIVE_URI_H

#include <medio/driver.h>

struct medio_backend;

/*
 * Which backend reaches uri, and by what address: *address is allocated. -EINVAL: no such scheme, or an
 * empty address; -ENOENT: an instance that is not there; -ENOMEM. With words.
 */
int medio_uri_parse(const char *uri, const struct medio_backend **backend, char **address,
	struct medio_error **err);

#endif
