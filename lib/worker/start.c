/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * START. An isolated worker makes its instance as the user it is to run as, and then shuts itself
 * in; a shared one shuts itself in first, as far as one can that has more to make.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "worker/callfilter.h"
#include "worker/private.h"
#include "worker/sandbox.h"

#define MAX_MADE 16

static int check(const struct medio_worker *w, const struct medio_wire_msg *msg,
	const struct medio_wire_start *start, struct medio_error **err)
{
	enum medio_worker_mode mode = start->last ? MEDIO_WORKER_ISOLATED : MEDIO_WORKER_SHARED;
	if (w->mode != MEDIO_WORKER_NEW && w->mode != mode)
		return medio_error_set(err, EPERM, "this worker runs %s",
			w->mode == MEDIO_WORKER_SHARED ? "many instances" : "one instance only");
	if (w->mode != MEDIO_WORKER_NEW && w->run_uid != start->uid)
		return medio_error_set(err, EPERM,
			"this worker belongs to user %u and cannot run an instance of user %u",
			w->run_uid, start->uid);
	if (w->mode == MEDIO_WORKER_ISOLATED && (w->num_hosted || w->confined))
		return medio_error_set(err, EPERM, "this worker runs one instance only");
	if (medio_hosts_find(w, msg->uuid))
		return medio_error_set(err, EEXIST, "the instance is running already");
	if (w->counters && start->slot >= w->num_slots)
		return medio_error_set(err, EINVAL, "there are %u slots for counters, none is %u",
			w->num_slots, start->slot);
	return 0;
}

/* Sockets and links that the device has made will be removed by it: their paths are in parameters
 * ("port0=unix:/run/x"). Cut out of text, which must stay. */
static unsigned find_made(
	const struct medio_wire_msg *msg, char paths[MAX_MADE][256], const char **made)
{
	unsigned count = 0;
	for (unsigned i = 1; i <= msg->counts[0] + msg->counts[1] && count < MAX_MADE; i++) {
		const char *at = strchr(msg->strings[i], '/');
		size_t len = at ? strcspn(at, ",") : 0;
		struct stat st;
		if (!len || len >= sizeof(paths[0]))
			continue;
		memcpy(paths[count], at, len);
		paths[count][len] = '\0';
		if (lstat(paths[count], &st) < 0 || st.st_uid != geteuid() ||
			!(S_ISSOCK(st.st_mode) || S_ISLNK(st.st_mode)))
			continue;
		made[count] = paths[count];
		count++;
	}
	return count;
}

/* A device with sockets may go on to read what it has been told to serve: folders that are the value of a
 * parameter ("tftp=/srv/tftp"). They stay in msg. */
static unsigned find_read(const struct medio_wire_msg *msg, const char **read)
{
	unsigned count = 0;
	for (unsigned i = 1; i <= msg->counts[0] && count < MAX_MADE; i++) {
		const char *value = strchr(msg->strings[i], '=');
		struct stat st;
		if (value && value[1] == '/' && stat(value + 1, &st) == 0 && S_ISDIR(st.st_mode))
			read[count++] = value + 1;
	}
	return count;
}

/* Standard error is mediod's own: lines there are not to be told from mediod's, and there is no end to
 * them. What we have to say is a message. A sanitizer's report is worth more. */
static int drop_errors(struct medio_error **err)
{
	if (medio_callfilter_watched())
		return 0;
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	return null >= 0 && dup2(null, STDERR_FILENO) >= 0
		       ? 0
		       : medio_error_set(err, errno, "/dev/null: %s", strerror(errno));
}

static int confine(struct medio_worker *w, const struct medio_wire_msg *msg,
	const struct medio_wire_start *start, const struct medio_hosted *host,
	struct medio_error **err)
{
	char made_paths[MAX_MADE][256];
	const char *made[MAX_MADE], *read[MAX_MADE];
	unsigned needs = host ? medio_instance_needs(host->inst) : 0;
	const struct medio_sandbox_paths paths = {
		.folders = msg->strings + 1 + msg->counts[0] + msg->counts[1],
		.nfolders = msg->counts[2],
		.made = made,
		.nmade = start->last ? find_made(msg, made_paths, made) : 0,
		.read = read,
		.nread = needs & MEDIO_NEEDS_SOCKETS ? find_read(msg, read) : 0,
	};
	int ret = drop_errors(err);
	if (ret == 0)
		ret = medio_sandbox_files(&paths, needs, err);
	if (ret >= 0)
		ret = medio_sandbox_calls(!start->last, needs, err);
	if (ret < 0)
		return ret;
	w->confined = true;
	return 0;
}

static int give_up_powers(
	struct medio_worker *w, const struct medio_wire_start *start, struct medio_error **err)
{
	int ret = medio_sandbox_identity(start->uid, start->gid, err);
	if (ret)
		return ret;
	w->mode = start->last ? MEDIO_WORKER_ISOLATED : MEDIO_WORKER_SHARED;
	w->run_uid = start->uid;
	return medio_sandbox_limits(start->memory, start->files, err);
}

int medio_worker_start(struct medio_worker *w, struct medio_wire_msg *msg, bool *restored,
	struct medio_error **err)
{
	struct medio_wire_start start;
	const struct medio_type *type;
	struct medio_hosted *host;
	memcpy(&start, msg->data, sizeof(start));
	if (!msg->nfds)
		return medio_error_set(err, EMFILE, "the worker has too many files open");
	if (msg->flags & MEDIO_WIRE_VF) {
		host = medio_hosts_find(w, msg->uuid);
		if (!host || !host->pf)
			return medio_error_set(err, ENODEV, "its card does not have it any more");
		int got = medio_hosted_serve(host, msg, &start, restored, err);
		if (got && got != -EEXIST)
			medio_hosted_unserve(host);
		return got;
	}
	int ret = check(w, msg, &start, err);
	if (ret == 0 && !w->confined)
		ret = give_up_powers(w, &start, err);
	/* Only now: a plug-in is a program of somebody. */
	if (ret == 0)
		ret = w->types->find(msg->strings[0], &type, err);
	if (ret == 0 && !start.last && !w->confined)
		ret = confine(w, msg, &start, NULL, err);
	if (ret == 0)
		ret = medio_hosted_new(w, msg, &start, type, &host, restored, err);
	if (ret == 0 && start.last) {
		ret = confine(w, msg, &start, host, err);
		if (ret)
			medio_hosted_free(host);
	}
	return ret;
}
