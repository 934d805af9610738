/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree_bed.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <medio/mdev.h>

#include "tree/tree.h"

/* ---- The process ------------------------------------------------------------------------------- */

struct server {
	struct tree_options opts;
	struct medio_loop *loop;
	struct medio_bus *bus;
	struct medio_parent *parent;
	struct medio_tree *tree;
	int control;
	const char *log;
	char text[4096]; /* of the attribute */
};
static struct server server;

static void note(const char *what)
{
	FILE *file = server.log ? fopen(server.log, "ae") : NULL;

	if (!file)
		return;
	fprintf(file, "%s\n", what);
	fclose(file);
}

struct later {
	struct medio_timer *timer;
	struct medio_mdev *mdev;
};

static void later_free(struct medio_mdev *mdev)
{
	struct later *later = medio_mdev_data(mdev);

	if (later)
		medio_timer_free(later->timer);
	free(later);
	medio_mdev_set_data(mdev, NULL);
}

static void after(struct medio_mdev *mdev, unsigned ms, medio_timer_fn *fn)
{
	struct later *later = calloc(1, sizeof(*later));

	later_free(mdev);
	later->mdev = mdev;
	later->timer = medio_loop_timer(server.loop, fn, later);
	medio_timer_arm(later->timer, ms * UINT64_C(1000000));
	medio_mdev_set_data(mdev, later);
}

static void probed(void *opaque)
{
	struct medio_mdev *mdev = ((struct later *)opaque)->mdev;

	later_free(mdev);
	medio_mdev_probe_done(mdev, 0);
	if (server.opts.open)
		medio_mdev_open(mdev);
}

static int probe(struct medio_mdev *mdev)
{
	if (!server.opts.probe_ms)
		return 0;
	after(mdev, server.opts.probe_ms, probed);
	return MEDIO_DEFERRED;
}

static void released(void *opaque)
{
	struct medio_mdev *mdev = ((struct later *)opaque)->mdev;

	later_free(mdev);
	medio_mdev_close(mdev);
}

static void request(struct medio_mdev *mdev, unsigned count)
{
	if (!count && server.opts.release_ms)
		after(mdev, server.opts.release_ms, released);
}

static int attr_show(struct medio_mdev *mdev, const struct medio_attr *attr,
	medio_mdev_attr_done *done, void *opaque)
{
	char text[64];

	snprintf(text, sizeof(text), "%s of %s\n", attr->name, medio_mdev_uuid(mdev));
	done(opaque, (ssize_t)strlen(text), text);
	return 0;
}

static int attr_store(struct medio_mdev *mdev, const struct medio_attr *attr, const char *text,
	size_t size, medio_mdev_attr_done *done, void *opaque)
{
	(void)mdev;
	(void)attr;
	(void)size;
	if (text[0] == 'x')
		return -ERANGE;
	done(opaque, 0, NULL);
	return 0;
}

static const struct medio_mdev_driver driver = {
	.name = "idle",
	.probe = probe,
	.remove = later_free,
	.request = request,
	.attr_show = attr_show,
	.attr_store = attr_store,
};

static ssize_t parent_show(
	struct medio_parent *parent, const struct medio_parent_attr *attr, char *buf, size_t size)
{
	size_t len = strlen(server.text);

	(void)parent;
	(void)attr;
	memcpy(buf, server.text, len < size ? len : size);
	return (ssize_t)len;
}

static int parent_store(struct medio_parent *parent, const struct medio_parent_attr *attr,
	const char *buf, size_t size)
{
	(void)parent;
	(void)attr;
	snprintf(server.text, sizeof(server.text), "%zu %.10s\n", size, buf);
	return 0;
}

static ssize_t dev_show(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	(void)dev;
	(void)attr;
	(void)buf;
	(void)size;
	return 0;
}

static int dev_store(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	(void)dev;
	(void)attr;
	(void)buf;
	(void)size;
	return 0;
}

static const struct medio_attr attrs[] = {
	{ "vendor/sample_mdev_dev", dev_show, NULL },
	{ "vendor/level", dev_show, dev_store },
	{ "vendor/poke", NULL, dev_store },
	{ "serial", dev_show, NULL },
	{ NULL },
};
static const struct medio_parent_attr parent_attrs[] = {
	{ "mtty_dev/sample_mtty_dev", parent_show, parent_store },
	{ NULL },
};
static const struct medio_type one = {
	.name = "mtty-1", .summary = "Single port serial", .attrs = attrs
};
static const struct medio_type two = { .name = "mtty-2",
	.summary = "Dual port serial",
	.description = "Two UARTs",
	.attrs = attrs,
	.units = 2 };
static const struct medio_type *const types[] = { &one, &two, NULL };
static const struct medio_parent_desc mtty = {
	.name = "mtty", .types = types, .capacity = 100000, .attrs = parent_attrs
};

/* What mediod's instances have, about. */
static const char *attr_path(
	void *opaque, const struct medio_mdev *mdev, unsigned n, bool *writable)
{
	static const char *const paths[] = { "medio/client", "medio/mode", "medio/owner",
		"medio/pid", "medio/qemu_device", "medio/restart", "medio/socket", "medio/state",
		"params/port0", "params/port1", "vendor/sample_mdev_dev" };

	(void)opaque;
	(void)mdev;
	if (n >= sizeof(paths) / sizeof(paths[0]))
		return NULL;
	*writable = n >= 1 && n <= 2;
	return paths[n];
}

static int show_path(void *opaque, struct medio_mdev *mdev, const char *path,
	medio_mdev_attr_done *done, void *done_opaque)
{
	char text[128];

	(void)opaque;
	snprintf(text, sizeof(text), "%s of %s\n", path, medio_mdev_uuid(mdev));
	done(done_opaque, (ssize_t)strlen(text), text);
	return 0;
}

static int store_path(void *opaque, const struct medio_tree_caller *who, struct medio_mdev *mdev,
	const char *path, const char *text, size_t size, medio_mdev_done *done, void *done_opaque)
{
	(void)opaque;
	(void)mdev;
	(void)path;
	(void)size;
	if (text[0] == 'x' || who->uid == 0)
		return -ERANGE;
	done(done_opaque, 0);
	return 0;
}

static void access_of(void *opaque, const struct medio_parent *parent,
	const struct medio_mdev *mdev, struct medio_tree_access *access)
{
	(void)opaque;
	(void)parent;
	access->uid = mdev ? 1234 : 0;
	access->gid = 4321;
	access->mode = mdev ? 0200 : 0220;
}

static void refused(
	void *opaque, const struct medio_tree_caller *who, const char *path, const char *what)
{
	char line[4200];

	(void)opaque;
	snprintf(line, sizeof(line), "refused %u %s %s", (unsigned)who->uid, what, path);
	note(line);
}

static void gone(void *opaque)
{
	(void)opaque;
	note("gone");
}

static const struct medio_tree_ops no_ops = { .refused = refused, .gone = gone };
static const struct medio_tree_ops all_ops = { .refused = refused,
	.gone = gone,
	.attr_path = attr_path,
	.attr_show = show_path,
	.attr_store = store_path,
	.access = access_of };

/* ---- Orders ------------------------------------------------------------------------------------ */

static void answer(void *opaque, int ret)
{
	(void)opaque;
	if (write(server.control, &ret, sizeof(ret)) != sizeof(ret))
		abort();
}

static void then_settle(void *opaque, int ret)
{
	(void)opaque;
	if (ret < 0)
		answer(NULL, ret);
	else
		medio_tree_settle(server.tree, answer, NULL);
}

static void obey(const char *order)
{
	struct medio_mdev *mdev;
	char uuid[37] = "";
	int ret = -EINVAL;

	if (sscanf(order, "create %36s", uuid) == 1) {
		ret = medio_mdev_create(server.parent, &one, uuid, 36, NULL, NULL, NULL);
	} else if (sscanf(order, "remove %36s", uuid) == 1) {
		mdev = medio_bus_find_mdev(server.bus, uuid, 36);
		ret = mdev ? medio_mdev_remove(mdev, then_settle, NULL) : -ENOENT;
	} else if (strcmp(order, "unregister") == 0) {
		ret = medio_parent_unregister(server.parent, then_settle, NULL);
	}
	if (ret != MEDIO_DEFERRED)
		then_settle(NULL, ret);
}

static void on_control(void *opaque, uint32_t events)
{
	char order[128];
	ssize_t len = read(server.control, order, sizeof(order) - 1);

	(void)opaque;
	(void)events;
	if (len <= 0) {
		medio_loop_stop(server.loop);
		return;
	}
	order[len] = '\0';
	obey(order);
}

int tree_bed_serve(const char *path, const struct tree_options *opts, unsigned instances,
	int control, const char *log)
{
	struct medio_watch *watch = NULL;
	struct medio_error *err = NULL;
	char uuid[64];
	int ret;

	server.opts = *opts;
	server.control = control;
	server.log = log;
	medio_loop_new(&server.loop);
	medio_bus_new(&server.bus);
	medio_mdev_driver_register(server.bus, &driver, NULL, &err);
	medio_parent_register(server.bus, &mtty, &driver, &server.parent, &err);
	for (unsigned i = 0; i < instances; i++) {
		snprintf(uuid, sizeof(uuid), "00000000-0000-0000-0000-%012u", i);
		medio_mdev_create(server.parent, &one, uuid, 36, NULL, NULL, NULL);
	}
	ret = medio_tree_new(server.loop, server.bus, path, opts->ops ? &all_ops : &no_ops, NULL,
		&server.tree, &err);
	if (ret < 0)
		fprintf(stderr, "%s\n", medio_error_text(err));
	medio_error_free(err);
	if (control >= 0) {
		watch = medio_loop_watch(server.loop, control, EPOLLIN, on_control, NULL);
		answer(NULL, ret);
	}
	if (ret == 0)
		ret = medio_loop_run(server.loop);
	medio_watch_free(watch);
	medio_tree_free(server.tree);
	medio_bus_free(server.bus);
	medio_loop_free(server.loop);
	return ret;
}

/* ---- From outside ------------------------------------------------------------------------------ */

const char *tree_bed_cannot(void)
{
	if (access("/dev/fuse", R_OK | W_OK) < 0)
		return "no /dev/fuse that may be used";
	if (geteuid() != 0)
		return "needs root";
	return NULL;
}

void tree_bed_again(struct tree_bed *bed, const struct tree_options *opts)
{
	int pair[2], ret = -1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	fflush(NULL);
	bed->pid = fork();
	if (bed->pid == 0) {
		close(pair[0]);
		exit(tree_bed_serve(bed->path, opts, 0, pair[1], bed->log) == 0 ? 0 : 1);
	}
	close(pair[1]);
	bed->control = pair[0];
	if (read(bed->control, &ret, sizeof(ret)) != sizeof(ret) || ret < 0)
		abort();
}

void tree_bed_new(struct tree_bed *bed, const struct tree_options *opts)
{
	strcpy(bed->dir, "/tmp/medio-tree-XXXXXX");
	if (!mkdtemp(bed->dir) || chmod(bed->dir, 0755) < 0)
		abort();
	snprintf(bed->path, sizeof(bed->path), "%s/sys", bed->dir);
	snprintf(bed->log, sizeof(bed->log), "%s/log", bed->dir);
	tree_bed_again(bed, opts);
}

int tree_bed_order(struct tree_bed *bed, const char *order)
{
	int ret = -EPIPE;

	if (send(bed->control, order, strlen(order), MSG_NOSIGNAL) < 0 ||
		read(bed->control, &ret, sizeof(ret)) != sizeof(ret))
		return -EPIPE;
	return ret;
}

int tree_bed_free(struct tree_bed *bed)
{
	int status = -1;

	close(bed->control);
	while (waitpid(bed->pid, &status, 0) < 0 && errno == EINTR)
		;
	unlink(bed->log);
	if (rmdir(bed->path) < 0 || rmdir(bed->dir) < 0)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}
