/* SPDX-License-Identifier: BSD-3-Clause */
/* Where things are: the environment's part of the settings. */
#include "manage/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/cleanup.h"

#define SYSTEM_RUNTIME	   "/run/medio"
#define SYSTEM_DEFINITIONS "/etc/mdevctl.d"
#define SYSTEM_FILE	   "/etc/medio/mediod.conf"

/* A variable that says something. */
static const char *get(const char *name)
{
	const char *value = secure_getenv(name);

	return value && *value ? value : NULL;
}

static char *join(const char *folder, const char *name)
{
	char *path;

	return folder && asprintf(&path, "%s/%s", folder, name) >= 0 ? path : NULL;
}

static char *absolute(const char *path)
{
	if (path[0] == '/')
		return strdup(path);
	_cleanup_free_ char *here = getcwd(NULL, 0);
	return join(here, path);
}

/* $XDG_CONFIG_HOME/medio; the XDG specification wants relative ones ignored. */
static char *user_config(const char *name)
{
	const char *base = get("XDG_CONFIG_HOME");

	if (base && base[0] == '/')
		return join(base, name);
	_cleanup_free_ char *config = join(get("HOME"), ".config");
	return join(config, name);
}

static char *own_runtime_dir(void)
{
	return geteuid() == 0 ? strdup(SYSTEM_RUNTIME) : join(get("XDG_RUNTIME_DIR"), "medio");
}

char *medio_config_runtime_dir(void)
{
	const char *dir = get("MEDIO_RUNTIME_DIR");

	return dir ? absolute(dir) : own_runtime_dir();
}

char *medio_config_definitions_dir(void)
{
	return geteuid() == 0 ? strdup(SYSTEM_DEFINITIONS) : user_config("medio");
}

char *medio_config_file(void)
{
	return geteuid() == 0 ? strdup(SYSTEM_FILE) : user_config("medio/mediod.conf");
}

/* Somebody listens at dir/control. A socket that a killed mediod left refuses. */
static bool serves(const char *dir)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int len = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/control", dir);

	if (len < 0 || (size_t)len >= sizeof(addr.sun_path))
		return false;
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return false;
	/* EAGAIN: so many are waiting to be accepted. */
	return connect(sock, (struct sockaddr *)&addr, sizeof(addr)) == 0 || errno == EAGAIN;
}

char *medio_config_find_daemon(void)
{
	const char *dir = get("MEDIO_RUNTIME_DIR");

	if (dir)
		return absolute(dir);
	char *own = own_runtime_dir();
	if (own && serves(own))
		return own;
	free(own);
	return strdup(SYSTEM_RUNTIME);
}
