/* SPDX-License-Identifier: BSD-3-Clause */
/* medio new: a device of the user's own, in a folder of its own. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "templates.h"
#include "util/cleanup.h"

#define MAX_NAME 64

struct options {
	const char *dir;
	bool virtio;
};

static const struct medio_option options[] = {
	{ "dir", 'd', MEDIO_OPTION_STRING, offsetof(struct options, dir), "DIR",
		"Make this folder; NAME in the current one if left out" },
	{ "virtio", 'V', MEDIO_OPTION_FLAG, offsetof(struct options, virtio), NULL,
		"A virtio device" },
	{ NULL },
};

/* What is written: a set of files, for a device of this name. */
struct plan {
	const struct medio_template_set *set;
	const char *dir, *name;
};

/* ---- Names ------------------------------------------------------------------------------------- */

/* Meson has targets of these names. */
static bool is_mesons(const char *name)
{
	static const char *const names[] = { "all", "benchmark", "clean", "clean-ctlist",
		"clean-gcda", "clean-gcno", "coverage", "coverage-html", "coverage-text",
		"coverage-xml", "dist", "distcheck", "install", "phony", "reconfigure",
		"scan-build", "test", "uninstall" };

	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return !strncmp(name, "meson-", 6);
}

static int check_name(const struct medio_command *cmd, const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

	if (!islower((unsigned char)*name) || name[strspn(name, allowed)] ||
		strlen(name) > MAX_NAME)
		return medio_command_usage(cmd,
			"'%s' cannot be the name of a device: a name begins with a to z, goes on "
			"with a to z, 0 to 9 and '-', and has at most %d characters",
			name, MAX_NAME);
	if (is_mesons(name))
		return medio_command_usage(cmd,
			"'%s' cannot be the name of a device: Meson uses it itself; choose another",
			name);
	return 0;
}

/* ---- Writing ----------------------------------------------------------------------------------- */

/* Write text with the template's name replaced. */
static void put(FILE *out, const char *text, const struct plan *plan)
{
	const char *next;

	for (; (next = strstr(text, plan->set->name)); text = next + strlen(plan->set->name)) {
		fwrite(text, 1, (size_t)(next - text), out);
		fputs(plan->name, out);
	}
	fputs(text, out);
}

/* The path of a file of the new folder; NULL: out of memory. */
static char *path_of(const struct plan *plan, const struct medio_template *template)
{
	char *path = NULL;
	size_t size;
	FILE *out = open_memstream(&path, &size);

	if (!out)
		return NULL;
	fprintf(out, "%s/", plan->dir);
	put(out, template->file, plan);
	if (fclose(out)) {
		free(path);
		return NULL;
	}
	return path;
}

static int write_file(const struct medio_command *cmd, const struct plan *plan,
	const struct medio_template *template)
{
	_cleanup_free_ char *path = path_of(plan, template);

	if (!path)
		return medio_command_fail(cmd, "out of memory");
	FILE *out = fopen(path, "wxe");
	if (!out)
		return medio_command_fail(cmd, "%s: %s", path, strerror(errno));
	put(out, template->text, plan);
	bool failed = ferror(out);
	if (fclose(out) || failed)
		return medio_command_fail(cmd, "%s: %s", path, strerror(errno));
	return 0;
}

/* Half a folder would only be in the way. It was empty when we made it, and is ours. */
static void remove_all(const struct plan *plan)
{
	for (const struct medio_template *t = plan->set->files; t->file; t++) {
		_cleanup_free_ char *path = path_of(plan, t);
		if (path)
			unlink(path);
	}
	rmdir(plan->dir);
}

static const struct medio_template_set *find_set(const char *name)
{
	const struct medio_template_set *set = medio_template_sets;

	while (set->name && strcmp(set->name, name) != 0)
		set++;
	return set;
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	const struct options *opts = options_;
	const char *name = args->items[0], *dir = opts->dir ? opts->dir : name;
	const struct plan plan = { find_set(opts->virtio ? "shouter" : "blinker"), dir, name };
	int ret = check_name(cmd, name);

	if (ret)
		return ret;
	if (mkdir(dir, 0777) < 0)
		return medio_command_fail(cmd, "cannot make the folder %s: %s%s", dir,
			strerror(errno),
			errno == EEXIST ? "; remove it, or choose another with --dir" : "");
	for (const struct medio_template *t = plan.set->files; t->file && !ret; t++)
		ret = write_file(cmd, &plan, t);
	if (ret) {
		remove_all(&plan);
		return ret;
	}
	printf("cd %s\nmeson setup build && meson test -C build\n"
	       "medio serve ./build/%s.so --socket /tmp/%s.sock\n",
		dir, name, name);
	return MEDIO_EXIT_OK;
}

const struct medio_command medio_command_new = {
	.name = "new",
	.summary = "Write a new device: source, build and test in a folder",
	.arguments = "NAME",
	.min_args = 1,
	.max_args = 1,
	.options = options,
	.options_size = sizeof(struct options),
	.run = run,
};
