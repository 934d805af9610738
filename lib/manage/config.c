/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration file. libinih splits lines; what they mean, and where a section begins, is here. */
#include "manage/config.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "manage/parents.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/nearest.h"
#include "util/param.h"

#define FILE_MAX (256u << 10)

#define SETTING(field) offsetof(struct medio_config, field)

const struct medio_param medio_config_params[] = {
	{ "runtime-dir", MEDIO_PARAM_STRING, SETTING(runtime), NULL,
		"Folder of the tree, the sockets and the records" },
	{ "definitions", MEDIO_PARAM_STRING, SETTING(definitions), NULL,
		"Folder of the definitions, mdevctl's format" },
	{ "group", MEDIO_PARAM_STRING, SETTING(group), NULL,
		"Group whose members may create instances" },
	{ "metrics", MEDIO_PARAM_STRING, SETTING(metrics), NULL,
		"Where to serve OpenMetrics: unix:PATH, or a port of this machine's own address" },
	{ "no-tree", MEDIO_PARAM_BOOL, SETTING(no_tree), NULL, "Do not mount the tree" },
	{ "grace", MEDIO_PARAM_TIME, SETTING(grace_ns), "30s",
		"How long the user of an instance being removed is asked before it is taken; 0 for "
		"ever" },
	{ "spares", MEDIO_PARAM_UINT, SETTING(spares), "2", "Workers kept ready", .max = 64 },
	{ NULL },
};

int medio_config_init(struct medio_config *config)
{
	*config = (struct medio_config){ 0 };
	return medio_params_default(medio_config_params, config, NULL);
}

void medio_config_free(struct medio_config *config)
{
	medio_params_free(medio_config_params, config);
	medio_strv_free(&config->parents);
	*config = (struct medio_config){ 0 };
}

/* ---- Sections ---------------------------------------------------------------------------------- */

enum section { SECTION_NONE, SECTION_DAEMON, SECTION_PARENT };

struct reading {
	struct medio_config *config;
	const char *name; /* of the file */
	const char *text, *end;
	unsigned line; /* the one libinih has now, from 1 */
	bool pending;  /* … must be a key, which we have not been told yet */
	struct medio_error **err;
	int ret; /* of the first error; nothing is read after it */
	enum section section;
	unsigned section_line;
	char *parent, *spec;	   /* SECTION_PARENT: its name; what has been said of it */
	bool has_plugin;	   /* … and whether that names one */
	struct medio_strv parents; /* names of those that this file has */
};

static int fail_at(struct reading *r, unsigned line, int ret)
{
	if (!r->ret) {
		medio_error_prefix(r->err, "%s:%u", r->name, line);
		r->ret = ret;
	}
	return ret;
}

static int fail(struct reading *r, int ret)
{
	return fail_at(r, r->line, ret);
}

/* A file that names a parent again, after another file or the defaults, has the last word. */
static int keep_spec(struct medio_strv *specs, const char *name, char *spec)
{
	size_t len = strlen(name);

	for (unsigned i = 0; i < specs->count; i++) {
		const char *at = specs->items[i];
		if (strncmp(at, name, len) != 0 || (at[len] && at[len] != ','))
			continue;
		free(specs->items[i]);
		specs->items[i] = spec;
		return 0;
	}
	int ret = medio_strv_add(specs, spec);
	free(spec);
	return ret;
}

static int end_section(struct reading *r)
{
	enum section was = r->section;
	int ret = 0;

	r->section = SECTION_NONE;
	if (was != SECTION_PARENT)
		return 0;
	if (r->config->kinds)
		ret = medio_parent_check(r->config->kinds, r->config->nkinds, r->parent, NULL,
			r->has_plugin, r->err);
	if (ret)
		return fail_at(r, r->section_line, ret);
	if (keep_spec(&r->config->parents, r->parent, medio_steal_ptr(r->spec)))
		return fail_at(
			r, r->section_line, medio_error_set(r->err, ENOMEM, "out of memory"));
	return 0;
}

static int begin_parent(struct reading *r, const char *name)
{
	if (!*name || strpbrk(name, ", \t"))
		return fail(r, medio_error_set(r->err, EINVAL,
				       "section [parent %.64s]: write [parent NAME]", name));
	for (unsigned i = 0; i < r->parents.count; i++) {
		if (!strcmp(r->parents.items[i], name))
			return fail(r, medio_error_set(r->err, EINVAL,
					       "section [parent %.64s] is there twice", name));
	}
	free(r->parent);
	free(r->spec);
	r->parent = strdup(name);
	r->spec = strdup(name);
	r->has_plugin = false;
	r->section = SECTION_PARENT;
	r->section_line = r->line;
	if (!r->parent || !r->spec || medio_strv_add(&r->parents, name))
		return fail(r, medio_error_set(r->err, ENOMEM, "out of memory"));
	return 0;
}

/* title: what stands between the brackets. */
static int begin_section(struct reading *r, const char *title)
{
	static const char *const sections[] = { "daemon", "parent NAME" };
	int ret = end_section(r);

	if (ret)
		return ret;
	if (!strcmp(title, "daemon")) {
		r->section = SECTION_DAEMON;
		return 0;
	}
	if (!strncmp(title, "parent", 6) && strchr(" \t", title[6]))
		return begin_parent(r, title + 6 + strspn(title + 6, " \t"));
	medio_unknown(r->err, "section", title, sections, MEDIO_ARRAY_SIZE(sections));
	return fail(r, -EINVAL);
}

/* ---- Keys -------------------------------------------------------------------------------------- */

static int absolute_only(struct reading *r, const char *key, const char *path)
{
	if (path[0] == '/')
		return 0;
	return medio_error_set(
		r->err, EINVAL, "'%s' must be a path from the root, not '%.64s'", key, path);
}

static int set_daemon(struct reading *r, const char *key, const char *value, const char *assignment)
{
	int ret = 0;

	if (!strcmp(key, "runtime-dir") || !strcmp(key, "definitions"))
		ret = absolute_only(r, key, value);
	if (!ret)
		ret = medio_params_set(
			medio_config_params, r->config, "[daemon]", assignment, r->err);
	/* "group =" takes away what stood before it. */
	for (const struct medio_param *p = medio_config_params; !ret && p->name && !*value; p++) {
		if (p->kind == MEDIO_PARAM_STRING && !strcmp(p->name, key)) {
			char **text = (char **)(void *)((char *)r->config + p->offset);
			free(*text);
			*text = NULL;
		}
	}
	return ret;
}

static int set_parent(struct reading *r, const char *key, const char *value, const char *assignment)
{
	char *spec;
	int ret = 0;

	if (strchr(value, ','))
		return medio_error_set(
			r->err, EINVAL, "the value of '%s' cannot have a comma in it", key);
	if (!strcmp(key, "plugin") && (ret = absolute_only(r, key, value)))
		return ret;
	if (r->config->kinds)
		ret = medio_parent_check(
			r->config->kinds, r->config->nkinds, r->parent, assignment, false, r->err);
	if (ret)
		return ret;
	if (asprintf(&spec, "%s,%s", r->spec, assignment) < 0)
		return medio_error_set(r->err, ENOMEM, "out of memory");
	free(r->spec);
	r->spec = spec;
	r->has_plugin |= !strcmp(key, "plugin");
	return 0;
}

/* libinih: 1 to go on. The section it names may have been cut off; ours is not. */
static int on_key(void *opaque, const char *section, const char *key, const char *value)
{
	struct reading *r = opaque;
	_cleanup_free_ char *assignment = NULL;
	int ret;

	(void)section;
	r->pending = false;
	if (r->ret)
		return 0;
	if (!value)
		value = "";
	if (asprintf(&assignment, "%s=%s", key, value) < 0) {
		assignment = NULL;
		ret = medio_error_set(r->err, ENOMEM, "out of memory");
	} else if (r->section == SECTION_DAEMON) {
		ret = set_daemon(r, key, value, assignment);
	} else if (r->section == SECTION_PARENT) {
		ret = set_parent(r, key, value, assignment);
	} else {
		ret = medio_error_set(r->err, EINVAL,
			"'%.64s' stands before any section; write [daemon] or [parent NAME] first",
			key);
	}
	if (ret)
		fail(r, ret);
	return !ret;
}

/* ---- Lines ------------------------------------------------------------------------------------- */

static const char *skip_blanks(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	return at;
}

/* A line that begins with '[': its title, without what surrounds it. */
static int read_title(struct reading *r, const char *line, size_t len)
{
	const char *close = memchr(line, ']', len);

	if (!close)
		return fail(r, medio_error_set(r->err, EINVAL, "']' is missing"));
	const char *from = skip_blanks(line + 1, close), *to = close;
	while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
		to--;
	/* Not strndup(): there is no end behind the line. */
	_cleanup_free_ char *title = calloc(1, (size_t)(to - from) + 1);
	if (!title)
		return fail(r, medio_error_set(r->err, ENOMEM, "out of memory"));
	memcpy(title, from, (size_t)(to - from));
	return begin_section(r, title);
}

/*
 * libinih asks for a line as of fgets(). It takes an indented one as more of the value before, cuts a
 * long one in pieces, and does not tell of a section without keys; so we look at each line first.
 */
static char *next_line(char *buf, int size, void *opaque)
{
	struct reading *r = opaque;

	if (r->pending)
		fail(r, medio_error_set(r->err, EINVAL, "neither [section] nor key = value"));
	if (r->ret || r->text == r->end)
		return NULL;
	r->line++;
	const char *stop = memchr(r->text, '\n', (size_t)(r->end - r->text));
	const char *next = stop ? stop + 1 : r->end;
	const char *line = r->text;
	if (r->line == 1 && next - line >= 3 && !memcmp(line, "\xef\xbb\xbf", 3))
		line += 3;
	line = skip_blanks(line, stop ? stop : r->end);
	size_t len = (size_t)(next - line);
	r->text = next;
	if (memchr(line, '\0', len))
		fail(r, medio_error_set(r->err, EINVAL, "this is no text: it has a zero byte"));
	else if (size < 1 || len >= (size_t)size)
		fail(r, medio_error_set(
				r->err, EINVAL, "the line is longer than %d bytes", size - 2));
	else if (len && line[0] == '[')
		read_title(r, line, len);
	else
		r->pending = len && !strchr(";#\r\n", line[0]);
	if (r->ret)
		return NULL;
	memcpy(buf, line, len);
	buf[len] = '\0';
	return buf;
}

int medio_config_parse(struct medio_config *config, const char *name, const char *text, size_t size,
	struct medio_error **err)
{
	/* Words are always made, though err may be NULL: they get the line in front. */
	struct medio_error *words = NULL;
	struct reading r = {
		.config = config, .name = name, .text = text, .end = text + size, .err = &words
	};

	int line = ini_parse_stream(next_line, &r, on_key, &r);
	if (line < 0 && !r.ret)
		r.ret = medio_error_set(&words, ENOMEM, "%s: out of memory", name);
	if (line > 0 && !r.ret)
		fail_at(&r, (unsigned)line, medio_error_set(&words, EINVAL, "not understood"));
	if (!r.ret)
		end_section(&r);
	free(r.parent);
	free(r.spec);
	medio_strv_free(&r.parents);
	if (r.ret)
		medio_error_set(err, -r.ret, "%s", medio_error_text(words));
	medio_error_free(words);
	return r.ret;
}

int medio_config_read(
	struct medio_config *config, const char *path, bool missing_ok, struct medio_error **err)
{
	struct stat st;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && errno == ENOENT && missing_ok)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return medio_error_set(err, errno, "cannot read '%s': %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return medio_error_set(err, EINVAL,
			"cannot read '%s': it is no file of at most %u KiB", path, FILE_MAX >> 10);
	size_t size = (size_t)st.st_size;
	_cleanup_free_ char *text = malloc(size + 1);
	if (!text)
		return medio_error_set(err, ENOMEM, "out of memory");
	ssize_t len = read(fd, text, size);
	if (len < 0)
		return medio_error_set(err, errno, "cannot read '%s': %s", path, strerror(errno));
	return medio_config_parse(config, path, text, (size_t)len, err);
}
