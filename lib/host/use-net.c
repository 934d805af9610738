/* SPDX-License-Identifier: BSD-3-Clause */
/* Network interfaces below a device, and what goes through them. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/tables.h"
#include "host/use.h"

#define NET    "/sys/class/net"
#define IFF_UP 1

/* ---- Routes and addresses ---------------------------------------------------------------------- */

typedef bool route_next_fn(const char **at, struct medio_route_row *row);

struct routes {
	bool any, by_default;
};

static void look_at_routes(const struct medio_host *host, const char *file, route_next_fn *next,
	const char *interface, struct routes *routes)
{
	struct medio_route_row row;
	char *text = NULL;

	if (medio_host_slurp(host, &text, "/proc/net/%s", file))
		return;
	for (const char *at = text; next(&at, &row);) {
		if (strcmp(row.interface, interface) != 0)
			continue;
		routes->any = true;
		routes->by_default |= row.is_default;
	}
	free(text);
}

static bool has_inet6(const struct medio_host *host, const char *interface)
{
	char *text = NULL, name[32];
	bool found = false;

	if (medio_host_slurp(host, &text, "/proc/net/if_inet6"))
		return false;
	for (const char *at = text; !found && medio_inet6_next(&at, name);)
		found = !strcmp(name, interface);
	free(text);
	return found;
}

static bool is_up(const struct medio_host *host, const char *interface)
{
	unsigned long long flags = 0;

	medio_host_number(host, &flags, NET "/%s/flags", interface);
	return flags & IFF_UP;
}

static int uses_routes(
	const struct medio_host *host, const char *interface, struct medio_strv *uses)
{
	struct routes v4 = { 0 }, v6 = { 0 };

	/* Every IPv6 interface that is up has routes: to multicast and to its link. */
	look_at_routes(host, "route", medio_route_next, interface, &v4);
	look_at_routes(host, "ipv6_route", medio_route6_next, interface, &v6);
	if (v4.by_default || v6.by_default)
		return medio_uses_add(
			uses, "network interface %s carries the default route", interface);
	if (is_up(host, interface) &&
		(v4.any || has_inet6(host, interface) || medio_host_has_address(host, interface)))
		return medio_uses_add(
			uses, "network interface %s is up and has an address", interface);
	return 0;
}

/* ---- What is built on it ----------------------------------------------------------------------- */

static int uses_master(
	const struct medio_host *host, const char *interface, struct medio_strv *uses)
{
	char master[64];

	if (medio_host_link(host, master, sizeof(master), NET "/%s/master", interface))
		return 0;
	const char *kind = medio_host_exists(host, NET "/%s/brport", interface) ? "bridge " : "";
	return medio_uses_add(
		uses, "network interface %s is a port of %s%s", interface, kind, master);
}

/* VLANs, macvlans and bonds leave a link upper_NAME. */
static int uses_uppers(
	const struct medio_host *host, const char *interface, struct medio_strv *uses)
{
	static const char prefix[] = "upper_";
	struct medio_strv names = { 0 };
	char master[64];
	int ret = medio_host_list(host, &names, NET "/%s", interface);

	if (ret != -ENOMEM)
		ret = 0;
	medio_host_link(host, master, sizeof(master), NET "/%s/master", interface);
	for (unsigned i = 0; i < names.count && ret == 0; i++) {
		const char *name = names.items[i];
		if (strncmp(name, prefix, sizeof(prefix) - 1) != 0)
			continue;
		name += sizeof(prefix) - 1;
		/* The master is one of them. */
		if (strcmp(name, master) != 0)
			ret = medio_uses_add(
				uses, "network interface %s is built on %s", name, interface);
	}
	medio_strv_free(&names);
	return ret;
}

int medio_host_uses_net(const struct medio_host *host, const char *name, struct medio_strv *uses)
{
	struct medio_strv interfaces = { 0 };
	char target[PATH_MAX];
	int ret = medio_host_list(host, &interfaces, NET);

	if (ret != -ENOMEM)
		ret = 0;
	for (unsigned i = 0; i < interfaces.count && ret == 0; i++) {
		const char *interface = interfaces.items[i];
		if (medio_host_target(host, target, sizeof(target), NET "/%s", interface) ||
			!medio_host_path_has(target, name))
			continue;
		ret = uses_routes(host, interface, uses);
		if (ret == 0)
			ret = uses_master(host, interface, uses);
		if (ret == 0)
			ret = uses_uppers(host, interface, uses);
	}
	medio_strv_free(&interfaces);
	return ret;
}
