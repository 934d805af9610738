/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree/private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tree/mount.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Requests answered before others of the loop get their turn. */
#define TURN 64

/* The thread that tells the kernel what to forget gets so long to end. */
#define END_NS 2000000000u

/* ---- What libfuse would print ------------------------------------------------------------------ */

static _Thread_local char last_words[256];

static void keep_words(enum fuse_log_level level, const char *fmt, va_list ap)
{
	size_t len;

	(void)level;
	vsnprintf(last_words, sizeof(last_words), fmt, ap);
	len = strlen(last_words);
	if (len && last_words[len - 1] == '\n')
		last_words[len - 1] = '\0';
}

/* ---- Requests ---------------------------------------------------------------------------------- */

static void went(struct medio_tree *tree)
{
	if (tree->gone)
		return;
	tree->gone = true;
	medio_watch_free(tree->watch);
	tree->watch = NULL;
	medio_waiting_settle(tree);
	if (tree->nodes.ops->gone && !tree->ending)
		tree->nodes.ops->gone(tree->nodes.opaque);
}

/* Answer some of what there is. */
static void serve(struct medio_tree *tree)
{
	int ret = 0;

	for (int i = 0; i < TURN && !fuse_session_exited(tree->session); i++) {
		ret = fuse_session_receive_buf(tree->session, &tree->buf);
		if (ret == -EINTR)
			continue;
		if (ret <= 0)
			break;
		fuse_session_process_buf(tree->session, &tree->buf);
	}
	if (fuse_session_exited(tree->session) || (ret < 0 && ret != -EAGAIN && ret != -EINTR))
		went(tree);
}

static void on_request(void *opaque, uint32_t events)
{
	(void)events;
	serve(opaque);
}

static void on_forgotten(void *opaque, uint32_t events)
{
	struct medio_tree *tree = opaque;
	uint64_t count;

	(void)events;
	if (read(medio_inval_fd(tree->inval), &count, sizeof(count)) > 0)
		medio_waiting_settle(tree);
}

static void entry_gone(void *opaque, uint64_t dir, const char *name)
{
	struct medio_tree *tree = opaque;

	if (!tree->gone)
		medio_inval_add(tree->inval, dir, name);
}

static void dir_changed(void *opaque, uint64_t dir)
{
	entry_gone(opaque, dir, NULL);
}

/* ---- Mount ------------------------------------------------------------------------------------- */

static int session_new(struct medio_tree *tree, struct medio_error **err)
{
	const char *options = medio_mount_for_all()
				      ? "fsname=medio,subtype=medio,noexec,nosuid,nodev,allow_other"
				      : "fsname=medio,subtype=medio,noexec,nosuid,nodev";
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int ret = -ENOMEM;

	last_words[0] = '\0';
	if (fuse_opt_add_arg(&args, "medio") == 0 && fuse_opt_add_arg(&args, "-o") == 0 &&
		fuse_opt_add_arg(&args, options) == 0)
		tree->session = fuse_session_new(
			&args, &medio_tree_requests, sizeof(medio_tree_requests), tree);
	fuse_opt_free_args(&args);
	if (tree->session)
		return 0;
	return medio_error_set(err, -ret, "cannot serve a tree: %s", last_words);
}

static int mount_at(struct medio_tree *tree, const char *path, struct medio_error **err)
{
	int ret, flags;

	last_words[0] = '\0';
	errno = 0;
	if (fuse_session_mount(tree->session, path) < 0) {
		ret = errno == EACCES || errno == ENOENT || errno == ENODEV ? errno : EPERM;
		return medio_error_set(err, ret, "cannot mount at '%s': %s", path,
			last_words[0] ? last_words : strerror(ret));
	}
	tree->mounted = true;
	flags = fcntl(fuse_session_fd(tree->session), F_GETFL);
	if (flags < 0 || fcntl(fuse_session_fd(tree->session), F_SETFL, flags | O_NONBLOCK) < 0)
		return medio_error_set(err, errno, "cannot mount at '%s'", path);
	return 0;
}

static int watch(struct medio_tree *tree, struct medio_error **err)
{
	int ret = medio_inval_new(tree->session, &tree->inval);

	if (ret < 0)
		return medio_error_set(
			err, -ret, "cannot start a thread for the tree: %s", strerror(-ret));
	tree->nodes.subjects.watcher = (struct medio_nodes_watcher){ entry_gone, dir_changed,
		tree };
	tree->watch = medio_loop_watch(
		tree->loop, fuse_session_fd(tree->session), EPOLLIN, on_request, tree);
	tree->inval_watch = medio_loop_watch(
		tree->loop, medio_inval_fd(tree->inval), EPOLLIN, on_forgotten, tree);
	tree->timer = medio_loop_timer(tree->loop, medio_waiting_give_up, tree);
	tree->late = medio_loop_timer(tree->loop, medio_waiting_late, tree);
	if (tree->watch && tree->inval_watch && tree->timer && tree->late)
		return 0;
	return medio_error_set(err, ENOMEM, "out of memory");
}

static int start(struct medio_tree *tree, const char *path, struct medio_error **err)
{
	int ret = medio_mount_prepare(path, err);

	if (ret == 0)
		ret = session_new(tree, err);
	if (ret == 0)
		ret = mount_at(tree, path, err);
	return ret == 0 ? watch(tree, err) : ret;
}

int medio_tree_new(struct medio_loop *loop, struct medio_bus *bus, const char *path,
	const struct medio_tree_ops *ops, void *opaque, struct medio_tree **out,
	struct medio_error **err)
{
	struct medio_tree *tree = calloc(1, sizeof(*tree));
	int ret;

	if (!tree)
		return medio_error_set(err, ENOMEM, "out of memory");
	fuse_set_log_func(keep_words);
	tree->loop = loop;
	medio_list_init(&tree->waiting);
	medio_list_init(&tree->settled);
	medio_list_init(&tree->files);
	ret = medio_nodes_init(&tree->nodes, bus, ops, opaque);
	if (ret < 0) {
		free(tree);
		return medio_error_set(err, -ret, "out of memory");
	}
	ret = start(tree, path, err);
	if (ret < 0) {
		medio_tree_free(tree);
		return ret;
	}
	*out = tree;
	return 0;
}

/* ---- The end ----------------------------------------------------------------------------------- */

/* The thread may wait for a lock whose holder waits for us; or for one whose holder will not let go,
 * and then it is left behind, with what it uses. */
static void end_inval(struct medio_tree *tree)
{
	struct pollfd fds[] = {
		{ .fd = medio_inval_fd(tree->inval), .events = POLLIN },
		{ .fd = fuse_session_fd(tree->session), .events = POLLIN },
	};
	uint64_t count, end = medio_now_ns() + END_NS;

	medio_inval_stop(tree->inval);
	while (!medio_inval_stopped(tree->inval) && medio_now_ns() < end) {
		poll(fds, tree->gone ? 1 : 2, 100);
		if (fds[0].revents && read(medio_inval_fd(tree->inval), &count, sizeof(count)) < 0)
			continue;
		if (!tree->gone)
			serve(tree);
	}
	medio_watch_free(tree->inval_watch);
	if (medio_inval_stopped(tree->inval)) {
		medio_inval_free(tree->inval);
	} else {
		medio_inval_leave(tree->inval);
		tree->stuck = true;
	}
}

void medio_tree_free(struct medio_tree *tree)
{
	if (!tree)
		return;
	tree->ending = true;
	medio_waiting_end(tree);
	if (tree->inval)
		end_inval(tree);
	medio_waiting_end(tree);
	medio_watch_free(tree->watch);
	medio_timer_free(tree->timer);
	medio_timer_free(tree->late);
	if (tree->mounted)
		fuse_session_unmount(tree->session);
	if (tree->session && !tree->stuck)
		fuse_session_destroy(tree->session);
	free(tree->buf.mem);
	while (!medio_list_empty(&tree->files)) {
		struct medio_tree_file *file = medio_container_of(
			tree->files.next, struct medio_tree_file, item);

		file->refs = 1;
		medio_tree_file_unref(file);
	}
	medio_nodes_fini(&tree->nodes);
	free(tree);
}
