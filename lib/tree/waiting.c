/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/loop.h"

/*
 * A signal interrupts a wait only if the operation does not end by itself soon after: a shell gets
 * SIGCHLD in the middle of an `echo` often enough.
 */
#define PATIENCE_NS 250000000u

/*
 * How long to wait for the kernel to forget. It wants a folder's lock for that, and whoever may look
 * can hold that as long as he likes: by a listing into memory that has to be fetched from somewhere.
 */
#define FORGET_NS 2000000000u

/* An attribute that says more than this is cut. */
#define MAX_TEXT 65536

void medio_tree_file_unref(struct medio_tree_file *file)
{
	if (--file->refs)
		return;
	medio_list_remove(&file->item);
	free(file->text);
	free(file);
}

/* ---- Begin and end ----------------------------------------------------------------------------- */

static struct medio_waiting *waiting_new(struct medio_tree *tree, fuse_req_t req)
{
	struct medio_waiting *waiting = calloc(1, sizeof(*waiting));

	if (!waiting)
		return NULL;
	waiting->tree = tree;
	waiting->req = req;
	waiting->starting = true;
	medio_list_append(&tree->waiting, &waiting->item);
	return waiting;
}

static void waiting_free(struct medio_waiting *waiting)
{
	if (waiting->file)
		medio_tree_file_unref(waiting->file);
	medio_list_remove(&waiting->item);
	free(waiting);
}

static void reply_read(const struct medio_waiting *waiting)
{
	const struct medio_tree_file *file = waiting->file;
	size_t from = (size_t)waiting->offset, size = waiting->size;

	if (waiting->offset < 0 || from >= file->len)
		size = 0;
	else if (size > file->len - from)
		size = file->len - from;
	fuse_reply_buf(waiting->req, size ? file->text + from : NULL, size);
}

static void answer(struct medio_waiting *waiting)
{
	if (waiting->done)
		waiting->done(waiting->opaque, waiting->ret);
	else if (waiting->req && waiting->ret < 0)
		fuse_reply_err(waiting->req, -waiting->ret);
	else if (waiting->req && waiting->file)
		reply_read(waiting);
	else if (waiting->req)
		fuse_reply_write(waiting->req, waiting->size);
	waiting->req = NULL;
	waiting->done = NULL;
}

/* The operation has ended with waiting->ret: answer, or wait until the kernel knows what it means. */
static void conclude(struct medio_waiting *waiting)
{
	struct medio_tree *tree = waiting->tree;

	if (tree && !waiting->file && waiting->ret == 0 && !tree->gone) {
		waiting->after = medio_inval_queued(tree->inval);
		waiting->until = medio_now_ns() + FORGET_NS;
		if (medio_inval_done(tree->inval) < waiting->after) {
			if (!medio_timer_armed(tree->late))
				medio_timer_arm(tree->late, FORGET_NS);
			return;
		}
	}
	answer(waiting);
	waiting_free(waiting);
}

static void finish(struct medio_waiting *waiting, int ret)
{
	waiting->finished = true;
	waiting->ret = ret;
	if (!waiting->starting)
		conclude(waiting);
}

static void on_stored(void *opaque, int ret)
{
	finish(opaque, ret);
}

static void on_shown(void *opaque, ssize_t ret, const char *text)
{
	struct medio_waiting *waiting = opaque;
	struct medio_tree_file *file = waiting->file;

	if (ret > MAX_TEXT)
		ret = MAX_TEXT;
	if (ret >= 0 && file) {
		char *copy = malloc((size_t)ret + 1);

		if (copy) {
			memcpy(copy, text, (size_t)ret);
			free(file->text);
			file->text = copy;
			file->len = (size_t)ret;
			file->shown = true;
		} else {
			ret = -ENOMEM;
		}
	}
	finish(waiting, ret < 0 ? (int)ret : 0);
}

/* ---- Interrupts -------------------------------------------------------------------------------- */

static void on_interrupt(fuse_req_t req, void *opaque)
{
	struct medio_waiting *waiting = opaque;

	(void)req;
	if (waiting->interrupted || !waiting->tree)
		return;
	waiting->interrupted = medio_now_ns() + PATIENCE_NS;
	/* Armed already, it is for somebody whose time is up before. */
	if (!waiting->tree->timer_armed)
		medio_timer_arm(waiting->tree->timer, PATIENCE_NS);
	waiting->tree->timer_armed = true;
}

void medio_waiting_give_up(void *opaque)
{
	struct medio_tree *tree = opaque;
	uint64_t now = medio_now_ns(), next = UINT64_MAX;

	medio_list_for_each (item, &tree->waiting) {
		struct medio_waiting *waiting = medio_container_of(
			item, struct medio_waiting, item);

		/* What has ended is only to be told, which is no wait. */
		if (!waiting->interrupted || !waiting->req || waiting->finished)
			continue;
		if (waiting->interrupted <= now) {
			fuse_reply_err(waiting->req, EINTR);
			waiting->req = NULL;
		} else if (waiting->interrupted < next) {
			next = waiting->interrupted;
		}
	}
	tree->timer_armed = next != UINT64_MAX;
	if (tree->timer_armed)
		medio_timer_arm(tree->timer, next - now);
}

static int get(struct medio_tree *tree, fuse_ino_t ino, struct medio_node *node)
{
	return tree->ending || medio_tree_get(tree, ino, node) < 0 ? -ENODEV : 0;
}

/* What was called has returned ret: it has ended, or will. */
static void started(struct medio_waiting *waiting, int ret)
{
	waiting->starting = false;
	if (ret < 0) {
		waiting->finished = true;
		waiting->ret = ret;
	}
	if (waiting->finished)
		conclude(waiting);
	else
		fuse_req_interrupt_func(waiting->req, on_interrupt, waiting);
}

/* ---- Read and write ---------------------------------------------------------------------------- */

void medio_waiting_read(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	struct medio_tree *tree = fuse_req_userdata(req);
	struct medio_tree_file *file = medio_tree_file_of(info);
	struct medio_waiting *waiting;
	struct medio_node node;
	int ret;

	if (!file) {
		fuse_reply_err(req, EBADF);
		return;
	}
	waiting = waiting_new(tree, req);
	if (!waiting) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	waiting->file = file;
	file->refs++;
	waiting->offset = offset;
	waiting->size = size;
	if (offset && file->shown) {
		waiting->finished = true;
		started(waiting, 0);
		return;
	}
	ret = get(tree, ino, &node);
	if (ret == 0)
		ret = medio_node_show(&tree->nodes, &node, on_shown, waiting);
	started(waiting, ret);
}

void medio_waiting_write(fuse_req_t req, fuse_ino_t ino, const char *text, size_t size,
	off_t offset, struct fuse_file_info *info)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct medio_tree_caller who = { ctx->uid, ctx->gid, ctx->pid };
	struct medio_tree *tree = fuse_req_userdata(req);
	struct medio_waiting *waiting = waiting_new(tree, req);
	struct medio_node node;
	int ret;

	(void)offset;
	(void)info;
	if (!waiting) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	waiting->size = size < MEDIO_NODE_TEXT ? size : MEDIO_NODE_TEXT;
	ret = get(tree, ino, &node);
	if (ret == 0)
		ret = medio_node_store(&tree->nodes, &node, &who, text, size, on_stored, waiting);
	started(waiting, ret);
}

/* ---- Settle and end ---------------------------------------------------------------------------- */

void medio_waiting_settle(struct medio_tree *tree)
{
	uint64_t done = medio_inval_done(tree->inval), now = medio_now_ns();

	medio_list_for_each (item, &tree->waiting) {
		struct medio_waiting *waiting = medio_container_of(
			item, struct medio_waiting, item);

		if (waiting->finished &&
			(waiting->after <= done || waiting->until <= now || tree->gone)) {
			/* Off the list first: done may do anything but free the tree. */
			medio_list_remove(&waiting->item);
			medio_list_append(&tree->settled, &waiting->item);
		}
	}
	while (!medio_list_empty(&tree->settled)) {
		struct medio_waiting *waiting = medio_container_of(
			tree->settled.next, struct medio_waiting, item);

		answer(waiting);
		waiting_free(waiting);
	}
}

void medio_waiting_late(void *opaque)
{
	struct medio_tree *tree = opaque;
	uint64_t now = medio_now_ns();

	medio_waiting_settle(tree);
	/* Each waits equally long, so the first is the next. */
	medio_list_for_each (item, &tree->waiting) {
		struct medio_waiting *waiting = medio_container_of(
			item, struct medio_waiting, item);

		if (waiting->finished && !medio_timer_armed(tree->late))
			medio_timer_arm(
				tree->late, waiting->until > now ? waiting->until - now : 0);
	}
}

void medio_tree_settle(struct medio_tree *tree, medio_mdev_done *done, void *opaque)
{
	struct medio_waiting *waiting = tree->gone || tree->ending ? NULL : waiting_new(tree, NULL);

	if (!waiting) {
		done(opaque, 0);
		return;
	}
	waiting->done = done;
	waiting->opaque = opaque;
	waiting->starting = false;
	finish(waiting, 0);
}

void medio_waiting_end(struct medio_tree *tree)
{
	while (!medio_list_empty(&tree->waiting)) {
		struct medio_waiting *waiting = medio_container_of(
			tree->waiting.next, struct medio_waiting, item);

		medio_list_remove(&waiting->item);
		waiting->tree = NULL;
		if (!waiting->finished)
			waiting->ret = -ENODEV;
		answer(waiting);
		if (waiting->file)
			medio_tree_file_unref(waiting->file);
		waiting->file = NULL;
		/* Else its operation still has the pointer. */
		if (waiting->finished)
			waiting_free(waiting);
	}
}
