/* SPDX-License-Identifier: BSD-3-Clause */
/* --as: which transport, and what goes with it. */
#include <errno.h>
#include <string.h>

#include "manage/carriers.h"
#include "serve.h"
#include "util/cleanup.h"
#include "util/error.h"

/* A bit each, for the table below. */
enum { VFIO_USER = 1, VHOST_USER = 2, VDUSE = 4 };

static const struct {
	const struct medio_serve_as *as;
	unsigned bit;
} transports[] = {
	{ &medio_serve_vfio_user, VFIO_USER },
	{ &medio_serve_vhost_user, VHOST_USER },
	{ &medio_serve_vduse, VDUSE },
};

/* ---- Which ---------------------------------------------------------------------------------------- */

static const struct medio_carrier *carrier_of(const char *as, size_t len)
{
	for (size_t i = 0; i < medio_num_carriers; i++)
		if (strlen(medio_carriers[i].name) == len &&
			!memcmp(medio_carriers[i].name, as, len))
			return &medio_carriers[i];
	return NULL;
}

static int check_carrier(const struct medio_carrier *carrier, const char *as, const char *name,
	const struct medio_type *type, struct medio_error **err)
{
	char possible[128];

	medio_carriers_print(type, " or ", possible, sizeof(possible));
	if (!carrier)
		return medio_error_set(err, EINVAL,
			"--as %s: there is no such thing; %s can be served as %s", as, type->name,
			possible);
	if (!carrier->carries(type))
		return medio_error_set(err, EINVAL,
			"%s cannot be served as %s, which %s; it can be served as %s", type->name,
			carrier->name, carrier->limit, possible);
	if (carrier->arg && !name)
		return medio_error_set(err, EINVAL, "--as %s needs a name: --as %s=%s",
			carrier->name, carrier->name, carrier->arg);
	if (!carrier->arg && name)
		return medio_error_set(err, EINVAL,
			"--as %s takes nothing behind it, '%s' is there", carrier->name, name);
	return 0;
}

/* ---- What goes with it ------------------------------------------------------------------------------ */

static int check_options(const struct medio_serve_options *opts, unsigned bit, const char *as,
	struct medio_error **err)
{
	const struct {
		bool given;
		unsigned fits;
		const char *name, *why;
	} all[] = {
		{ opts->filters.count, VFIO_USER, "--filter",
			"filters stand before a card's registers, and here is none" },
		{ opts->max_xfer, VFIO_USER, "--max-xfer",
			"it bounds accesses to a card's registers, and here is none" },
		{ opts->socket, VFIO_USER | VHOST_USER, "--socket",
			"the kernel finds it at /dev/vduse" },
		{ opts->timeout_ms, VFIO_USER | VHOST_USER, "--timeout",
			"the kernel is not waited for" },
		{ opts->once, VFIO_USER | VHOST_USER, "--once", "the kernel does not leave" },
		{ opts->connect, VHOST_USER, "--connect",
			"it is for a vhost-user front-end that listens: --as vhost-user" },
		{ opts->attach, VDUSE, "--attach",
			"it is for a device of the vDPA bus: --as vduse=NAME" },
	};

	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(all); i++)
		if (all[i].given && !(all[i].fits & bit))
			return medio_error_set(err, EINVAL, "%s does not go with --as %s: %s",
				all[i].name, as, all[i].why);
	if (bit != VDUSE && !opts->socket && !opts->run)
		return medio_error_set(err, EINVAL,
			"say where to serve with --socket PATH, or what to run with --run");
	return 0;
}

int medio_serve_choose(
	struct medio_serve *serve, const struct medio_type *type, struct medio_error **err)
{
	const char *as = serve->opts->as ? serve->opts->as : medio_serve_vfio_user.name;
	const char *equals = strchr(as, '='), *name = equals ? equals + 1 : NULL;
	const struct medio_carrier *carrier = carrier_of(
		as, equals ? (size_t)(equals - as) : strlen(as));
	int ret = check_carrier(carrier, as, name, type, err);

	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(transports) && !ret; i++) {
		if (strcmp(transports[i].as->name, carrier->name) != 0)
			continue;
		ret = check_options(serve->opts, transports[i].bit, carrier->name, err);
		if (ret)
			return ret;
		serve->as = transports[i].as;
		serve->as_name = name;
		return 0;
	}
	return ret;
}
