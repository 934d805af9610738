/* SPDX-License-Identifier: BSD-3-Clause */
/* What mediod is to do: the command line over the configuration file over what is built in. */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "catalog.h"
#include "manage/config.h"
#include "mediod.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/param.h"

#define GROUP_MAX (1u << 20) /* bytes of a group's entry: some have many members */

static int out_of_memory(struct medio_error **err)
{
	return medio_error_set(err, ENOMEM, "out of memory");
}

/* ---- Merging ------------------------------------------------------------------------------------ */

static int set(
	struct medio_config *config, const char *name, const char *value, struct medio_error **err)
{
	_cleanup_free_ char *assignment = NULL;

	if (!value)
		return 0;
	if (asprintf(&assignment, "%s=%s", name, value) < 0) {
		assignment = NULL;
		return out_of_memory(err);
	}
	return medio_params_set(medio_config_params, config, "command line", assignment, err);
}

static int apply_options(const struct medio_daemon_options *opts, struct medio_config *config,
	struct medio_error **err)
{
	int ret = set(config, "runtime-dir", opts->runtime, err);

	if (ret == 0)
		ret = set(config, "definitions", opts->definitions, err);
	if (ret == 0)
		ret = set(config, "group", opts->group, err);
	if (ret == 0)
		ret = set(config, "metrics", opts->metrics, err);
	if (ret == 0)
		ret = set(config, "grace", opts->grace, err);
	if (ret)
		return ret;
	if (opts->spares != MEDIO_DAEMON_UNSET)
		config->spares = opts->spares;
	config->no_tree |= opts->no_tree;
	/* Parents on the command line are all there are to be. */
	if (opts->parents.count &&
		medio_strv_copy(&config->parents, opts->parents.items, opts->parents.count))
		return out_of_memory(err);
	return 0;
}

static int read_file(const struct medio_daemon_options *opts, struct medio_config *config,
	struct medio_error **err)
{
	if (opts->config)
		return medio_config_read(config, opts->config, false, err);
	_cleanup_free_ char *path = medio_config_file();
	return path ? medio_config_read(config, path, true, err) : 0;
}

int medio_daemon_settings(const struct medio_daemon_options *opts, struct medio_config *config,
	struct medio_error **err)
{
	if (medio_config_init(config))
		return out_of_memory(err);
	config->kinds = medio_catalog_kinds;
	config->nkinds = medio_catalog_num_kinds;
	int ret = read_file(opts, config, err);
	if (ret == 0)
		ret = apply_options(opts, config, err);
	if (ret == 0 && config->metrics)
		ret = medio_metrics_check(config->metrics, err);
	if (ret)
		medio_config_free(config);
	return ret;
}

/* ---- What they mean ------------------------------------------------------------------------------ */

int medio_daemon_group(const struct medio_config *config, gid_t *group, struct medio_error **err)
{
	const char *name = config->group;

	if (!name) {
		*group = (gid_t)-1;
		return 0;
	}
	for (size_t size = 1024; size <= GROUP_MAX; size *= 4) {
		_cleanup_free_ char *buf = malloc(size);
		struct group entry, *found;
		if (!buf)
			return out_of_memory(err);
		int ret = getgrnam_r(name, &entry, buf, size, &found);
		if (ret == ERANGE)
			continue;
		if (!found)
			break;
		*group = entry.gr_gid;
		return 0;
	}
	return medio_error_set(err, EINVAL, "there is no group '%.64s'", name);
}

static int absolute(const char *path, char **out, struct medio_error **err)
{
	if (path[0] == '/') {
		*out = strdup(path);
		return *out ? 0 : out_of_memory(err);
	}
	_cleanup_free_ char *here = getcwd(NULL, 0);
	if (!here)
		return medio_error_set(
			err, errno, "cannot tell where '%s' is: %s", path, strerror(errno));
	if (asprintf(out, "%s/%s", here, path) < 0) {
		*out = NULL;
		return out_of_memory(err);
	}
	return 0;
}

/* The environment comes between the command line and the file. */
static int find_runtime(const struct medio_daemon_options *opts, const struct medio_config *config,
	char **out, struct medio_error **err)
{
	const char *variable = getenv("MEDIO_RUNTIME_DIR");

	if (config->runtime && (opts->runtime || !variable || !*variable))
		return absolute(config->runtime, out, err);
	*out = medio_config_runtime_dir();
	return *out ? 0
		    : medio_error_set(err, EINVAL,
			      "$XDG_RUNTIME_DIR says nothing; say where with --runtime-dir DIR");
}

static int find_definitions(const struct medio_config *config, char **out, struct medio_error **err)
{
	if (config->definitions)
		return absolute(config->definitions, out, err);
	*out = medio_config_definitions_dir();
	return *out ? 0
		    : medio_error_set(err, EINVAL,
			      "neither $XDG_CONFIG_HOME nor $HOME says anything; say where with "
			      "--definitions DIR");
}

/* medio-worker stands beside us in a build, and elsewhere when installed. */
static int find_worker(
	const struct medio_daemon_options *opts, char **out, struct medio_error **err)
{
	static const char installed[] = MEDIO_LIBEXECDIR "/medio-worker";
	char self[4096];

	if (opts->worker)
		return absolute(opts->worker, out, err);
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[len > 0 ? len : 0] = 0;
	char *slash = strrchr(self, '/');
	_cleanup_free_ char *beside = NULL;
	if (slash && asprintf(&beside, "%.*s/medio-worker", (int)(slash - self), self) < 0) {
		beside = NULL;
		return out_of_memory(err);
	}
	if (beside && access(beside, X_OK) == 0) {
		*out = medio_steal_ptr(beside);
		return 0;
	}
	if (access(installed, X_OK) == 0) {
		*out = strdup(installed);
		return *out ? 0 : out_of_memory(err);
	}
	return medio_error_set(err, ENOENT,
		"the program medio-worker is neither '%s' nor '%s'; say where with --worker PATH",
		beside ? beside : "beside mediod", installed);
}

int medio_daemon_places(const struct medio_daemon_options *opts, const struct medio_config *config,
	struct medio_places *places, struct medio_error **err)
{
	*places = (struct medio_places){ 0 };
	int ret = find_runtime(opts, config, &places->runtime, err);
	if (ret == 0)
		ret = find_definitions(config, &places->definitions, err);
	if (ret == 0)
		ret = find_worker(opts, &places->worker, err);
	if (ret == 0)
		return 0;
	free(places->runtime);
	free(places->definitions);
	free(places->worker);
	*places = (struct medio_places){ 0 };
	return ret;
}
