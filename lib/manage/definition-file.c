/* SPDX-License-Identifier: BSD-3-Clause */
/* Definitions as files, DIR/PARENT/UUID. mdevctl may read and write them at any moment. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "manage/definitions.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/uuid.h"

#define FILE_MODE   0644
#define FOLDER_MODE 0755

/* ---- Names ------------------------------------------------------------------------------------- */

static bool is_uuid(const char *text)
{
	uint8_t uuid[MEDIO_UUID_SIZE];
	char again[MEDIO_UUID_TEXT];

	if (strlen(text) != MEDIO_UUID_TEXT - 1 ||
		medio_uuid_parse(text, MEDIO_UUID_TEXT - 1, uuid))
		return false;
	medio_uuid_format(uuid, again);
	return !strcmp(text, again);
}

/* Nothing that leads elsewhere, nothing hidden, and not the folder of mdevctl's scripts. */
static bool is_parent(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/') && strlen(name) <= NAME_MAX &&
	       strcmp(name, "scripts.d") != 0;
}

static int check_names(const char *parent, const char *uuid, struct medio_error **err)
{
	if (!is_uuid(uuid))
		return medio_error_set(err, EINVAL,
			"'%.40s' is no UUID: 32 lower-case hexadecimal digits, as 8-4-4-4-12",
			uuid);
	if (parent && !is_parent(parent))
		return medio_error_set(
			err, EINVAL, "'%.64s' cannot be the name of a parent", parent);
	return 0;
}

/* DIR/PARENT, or DIR/PARENT/UUID; free() it. */
static char *path_of(const char *dir, const char *parent, const char *uuid)
{
	char *path;

	if (asprintf(&path, "%s/%s%s%s", dir, parent, uuid ? "/" : "", uuid ? uuid : "") < 0)
		return NULL;
	return path;
}

static int fail(struct medio_error **err, int errnum, const char *what, const char *path)
{
	return medio_error_set(err, errnum, "cannot %s %s: %s", what, path, strerror(errnum));
}

static int out_of_memory(struct medio_error **err)
{
	medio_error_set(err, ENOMEM, "out of memory");
	return -ENOMEM;
}

/* ---- Listing ----------------------------------------------------------------------------------- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int only_parents(const struct dirent *entry)
{
	return is_parent(entry->d_name) &&
	       (entry->d_type == DT_DIR || entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN);
}

static int only_uuids(const struct dirent *entry)
{
	return is_uuid(entry->d_name);
}

struct listing {
	struct dirent **entries;
	int count;
};

static void free_listing(struct listing *listing)
{
	for (int i = 0; i < listing->count; i++)
		free(listing->entries[i]);
	free(listing->entries);
}

/* What is no folder, or not there, has nothing in it. */
static int list(const char *path, int (*filter)(const struct dirent *), struct listing *listing)
{
	*listing = (struct listing){ 0 };
	int count = scandir(path, &listing->entries, filter, by_name);
	if (count < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	listing->count = count;
	return 0;
}

/* ---- Reading ----------------------------------------------------------------------------------- */

static int read_whole(int fd, char *text, size_t size, size_t *len)
{
	*len = 0;
	while (*len < size) {
		ssize_t n = read(fd, text + *len, size - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		*len += (size_t)n;
	}
	return 0;
}

static int load(const char *path, const char *parent, const char *uuid,
	struct medio_definition *def, struct medio_error **err)
{
	_cleanup_free_ char *text = malloc(MEDIO_DEFINITION_MAX + 1);
	struct stat st;
	size_t len;

	if (!text)
		return out_of_memory(err);
	/* Not to wait for the other end of a FIFO. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(err, errno, "read", path);
	if (!S_ISREG(st.st_mode))
		return medio_error_set(err, EINVAL, "%s: this is no file", path);
	int ret = read_whole(fd, text, MEDIO_DEFINITION_MAX + 1, &len);
	if (ret)
		return fail(err, -ret, "read", path);
	struct medio_definition fresh = { 0 };
	ret = medio_definition_parse(text, len, &fresh, err);
	if (ret) {
		medio_error_prefix(err, "%s", path);
		return ret;
	}
	memcpy(fresh.uuid, uuid, sizeof(fresh.uuid));
	fresh.parent = strdup(parent);
	if (!fresh.parent) {
		medio_definition_free(&fresh);
		return out_of_memory(err);
	}
	*def = fresh;
	return 0;
}

/* The parent that has a definition of uuid, to free(). */
static int find_parent(const char *dir, const char *uuid, char **out, struct medio_error **err)
{
	struct listing parents;
	char *found = NULL;
	int ret = list(dir, only_parents, &parents);

	if (ret)
		return fail(err, -ret, "read", dir);
	for (int i = 0; i < parents.count && !ret; i++) {
		const char *name = parents.entries[i]->d_name;
		_cleanup_free_ char *path = path_of(dir, name, uuid);
		if (!path)
			ret = out_of_memory(err);
		else if (access(path, F_OK) < 0)
			continue;
		else if (found)
			ret = medio_error_set(err, EEXIST,
				"%s is defined for parent '%s' and for '%s': say which", uuid,
				found, name);
		else if (!(found = strdup(name)))
			ret = out_of_memory(err);
	}
	free_listing(&parents);
	if (!ret && !found)
		ret = medio_error_set(err, ENOENT, "%s is not defined", uuid);
	if (ret)
		free(found);
	else
		*out = found;
	return ret;
}

int medio_definition_load(const char *dir, const char *parent, const char *uuid,
	struct medio_definition *def, struct medio_error **err)
{
	_cleanup_free_ char *found = NULL;
	int ret = check_names(parent, uuid, err);

	if (!ret && !parent)
		ret = find_parent(dir, uuid, &found, err);
	if (ret)
		return ret;
	parent = parent ? parent : found;
	_cleanup_free_ char *path = path_of(dir, parent, uuid);
	ret = path ? load(path, parent, uuid, def, err) : out_of_memory(err);
	if (ret == -ENOENT)
		medio_error_set(err, ENOENT, "%s is not defined for parent '%s'", uuid, parent);
	return ret;
}

struct visit {
	const char *dir;
	int (*fn)(void *opaque, const struct medio_definition *def);
	void (*bad)(void *opaque, const char *path, const char *words);
	void *opaque;
};

static int visit_file(const struct visit *visit, const char *parent, const char *uuid)
{
	_cleanup_free_ char *path = path_of(visit->dir, parent, uuid);
	struct medio_definition def = { 0 };
	struct medio_error *err = NULL;
	int ret = path ? load(path, parent, uuid, &def, &err) : -ENOMEM;

	if (!ret) {
		ret = visit->fn(visit->opaque, &def);
	} else if (path) {
		if (visit->bad && ret != -ENOENT) /* else it went a moment ago */
			visit->bad(visit->opaque, path, medio_error_text(err));
		ret = 0;
	}
	medio_error_free(err);
	medio_definition_free(&def);
	return ret;
}

static int visit_parent(const struct visit *visit, const char *parent)
{
	_cleanup_free_ char *path = path_of(visit->dir, parent, NULL);
	struct listing uuids;

	if (!path)
		return -ENOMEM;
	int ret = list(path, only_uuids, &uuids);
	if (ret) {
		struct medio_error *err = NULL;
		fail(&err, -ret, "read", path);
		if (visit->bad)
			visit->bad(visit->opaque, path, medio_error_text(err));
		medio_error_free(err);
		return 0;
	}
	for (int i = 0; !ret && i < uuids.count; i++)
		ret = visit_file(visit, parent, uuids.entries[i]->d_name);
	free_listing(&uuids);
	return ret;
}

int medio_definitions_each(const char *dir,
	int (*fn)(void *opaque, const struct medio_definition *def),
	void (*bad)(void *opaque, const char *path, const char *words), void *opaque)
{
	struct visit visit = { .dir = dir, .fn = fn, .bad = bad, .opaque = opaque };
	struct listing parents;
	int ret = list(dir, only_parents, &parents);

	for (int i = 0; !ret && i < parents.count; i++)
		ret = visit_parent(&visit, parents.entries[i]->d_name);
	free_listing(&parents);
	return ret;
}

/* ---- Writing ----------------------------------------------------------------------------------- */

/* Make path and what is above it. The umask of a daemon is no matter. */
static int make_folders(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	int above = 0;

	if (!copy)
		return -ENOMEM;
	for (char *slash = strchr(copy + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		if (mkdir(copy, FOLDER_MODE) == 0)
			chmod(copy, FOLDER_MODE);
		else if (!slash && errno != EEXIST)
			return errno == ENOENT && above ? above : -errno;
		else if (errno != EEXIST && !above) /* the reason of what follows */
			above = -errno;
		if (!slash)
			return 0;
		*slash = '/';
	}
}

static int write_whole(int fd, const char *text, size_t size)
{
	while (size) {
		ssize_t n = write(fd, text, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Put a file with text into folder under name, whole or not at all. create: not over another. */
static int put_file(int folder, const char *name, const char *text, bool create)
{
	char temporary[64];

	snprintf(temporary, sizeof(temporary), ".%s.%d", name, (int)getpid());
	unlinkat(folder, temporary, 0); /* of one who had this pid, and died */
	_cleanup_close_ int fd = openat(
		folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	if (fd < 0)
		return -errno;
	int ret = write_whole(fd, text, strlen(text));
	if (!ret && (fchmod(fd, FILE_MODE) < 0 || fsync(fd) < 0))
		ret = -errno;
	if (!ret && create && linkat(folder, temporary, folder, name, 0) < 0)
		ret = -errno;
	if (!ret && !create && renameat(folder, temporary, folder, name) < 0)
		ret = -errno;
	if (ret || create)
		unlinkat(folder, temporary, 0);
	if (!ret && fsync(folder) < 0)
		ret = -errno;
	return ret;
}

/* What could not be read again is not written: bad UTF-8, no type. */
static int print(const struct medio_definition *def, char **out, struct medio_error **err)
{
	struct medio_definition again = { 0 };
	char *text = medio_definition_print(def);

	if (!text)
		return out_of_memory(err);
	int ret = medio_definition_parse(text, strlen(text), &again, err);
	medio_definition_free(&again);
	if (ret)
		free(text);
	else
		*out = text;
	return ret;
}

int medio_definition_save(
	const char *dir, const struct medio_definition *def, bool create, struct medio_error **err)
{
	_cleanup_free_ char *text = NULL;
	int ret = check_names(def->parent, def->uuid, err);

	if (!ret)
		ret = print(def, &text, err);
	if (ret)
		return ret;
	_cleanup_free_ char *path = path_of(dir, def->parent, NULL);
	ret = path ? make_folders(path) : -ENOMEM;
	if (ret)
		return fail(err, -ret, "make", path ? path : dir);
	_cleanup_close_ int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return fail(err, errno, "open", path);
	ret = put_file(folder, def->uuid, text, create);
	if (ret == -EEXIST)
		return medio_error_set(err, EEXIST, "%s is defined already for parent '%s'",
			def->uuid, def->parent);
	return ret ? fail(err, -ret, "write a definition into", path) : 0;
}

int medio_definition_delete(
	const char *dir, const char *parent, const char *uuid, struct medio_error **err)
{
	_cleanup_free_ char *found = NULL;
	int ret = check_names(parent, uuid, err);

	if (!ret && !parent)
		ret = find_parent(dir, uuid, &found, err);
	if (ret)
		return ret;
	parent = parent ? parent : found;
	_cleanup_free_ char *path = path_of(dir, parent, uuid);
	if (!path)
		return out_of_memory(err);
	if (unlink(path) == 0)
		return 0;
	if (errno == ENOENT)
		return medio_error_set(
			err, ENOENT, "%s is not defined for parent '%s'", uuid, parent);
	return fail(err, errno, "delete", path);
}
