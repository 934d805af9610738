/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FUSE in front of the tree (fsnode.h), on the supervisor's loop. Nothing here waits for the program, whose threads may
 * stand still: reads that wait (a UIO device's) are answered when they can be.
 *
 * Each open file tells at the end by RELEASE only: FLUSH, which close() waits for, is never asked for, so that also
 * this process could close one.
 */
#include "compat/fs_session.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "compat/compat.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Requests answered before others of the loop get their turn. */
#define TURN 64

/* An open file, as FUSE keeps it for us. */
struct file {
	struct medio_fsopen open;
	struct medio_list link;
	struct medio_list readers; /* struct reader.link: who waits */
	struct fuse_pollhandle *poll;
};

union handle {
	uint64_t number;
	struct file *file;
};

struct reader {
	struct medio_list link;
	fuse_req_t req;
	size_t size;
};

static struct file *file_of(const struct fuse_file_info *info)
{
	return (union handle){ .number = info->fh }.file;
}

/* ---- What libfuse would print ------------------------------------------------------------------ */

static _Thread_local char last_words[256];

static void keep_words(enum fuse_log_level level, const char *fmt, va_list ap)
{
	(void)level;
	vsnprintf(last_words, sizeof(last_words), fmt, ap);
	last_words[strcspn(last_words, "\n")] = '\0';
}

/* ---- Open files ---------------------------------------------------------------------------------- */

/* Something can be read now, or never more: answer who waits, and wake who polls. */
static void on_changed(void *opaque)
{
	struct file *file = opaque;
	uint8_t buf[8];

	while (!medio_list_empty(&file->readers)) {
		struct reader *reader = medio_container_of(file->readers.next, struct reader, link);
		ssize_t ret = medio_fsopen_read(&file->open, buf,
			reader->size < sizeof(buf) ? reader->size : sizeof(buf), 0);

		if (ret == -EAGAIN)
			break;
		medio_list_remove(&reader->link);
		if (ret < 0)
			fuse_reply_err(reader->req, (int)-ret);
		else
			fuse_reply_buf(reader->req, (const char *)buf, (size_t)ret);
		free(reader);
	}
	if (file->poll)
		fuse_lowlevel_notify_poll(file->poll);
}

static void file_free(struct file *file)
{
	while (!medio_list_empty(&file->readers)) {
		struct reader *reader = medio_container_of(file->readers.next, struct reader, link);

		medio_list_remove(&reader->link);
		fuse_reply_err(reader->req, ENODEV);
		free(reader);
	}
	if (file->poll)
		fuse_pollhandle_destroy(file->poll);
	medio_list_remove(&file->link);
	medio_fsopen_close(&file->open);
	free(file);
}

/*
 * The answer by hand, since what libfuse knows of it depends on its version. A UIO device has no position, so that a
 * thread may write while another waits in read().
 */
static int reply_open(fuse_req_t req, struct file *file)
{
	union handle handle = { .file = file };
	struct fuse_open_out out = { .open_flags = FOPEN_DIRECT_IO | FOPEN_NOFLUSH };

	if (file->open.uio)
		out.open_flags |= FOPEN_STREAM;
	out.fh = handle.number;
	return fuse_reply_buf(req, (const char *)&out, sizeof(out));
}

static void do_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct medio_fs_session *session = fuse_req_userdata(req);
	struct medio_fsinode *inode = medio_fsinode_find(session->fs, ino);
	struct file *file = inode ? calloc(1, sizeof(*file)) : NULL;

	if (!file) {
		fuse_reply_err(req, inode ? ENOMEM : ENOENT);
		return;
	}
	medio_list_init(&file->readers);
	medio_list_init(&file->link);
	int ret = medio_fsopen_open(&file->open, inode, (unsigned)info->flags, on_changed, file);
	if (ret) {
		free(file);
		fuse_reply_err(req, -ret);
		return;
	}
	medio_list_append(&session->files, &file->link);
	/* Whoever wanted it has been killed: there will be no RELEASE. */
	if (reply_open(req, file) < 0)
		file_free(file);
}

static void do_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	(void)ino;
	file_free(file_of(info));
	fuse_reply_err(req, 0);
}

static void on_interrupt(fuse_req_t req, void *opaque)
{
	struct reader *reader = opaque;

	medio_list_remove(&reader->link);
	free(reader);
	fuse_reply_err(req, EINTR);
}

static void wait_read(fuse_req_t req, struct file *file, size_t size)
{
	struct reader *reader = fuse_req_interrupted(req) ? NULL : malloc(sizeof(*reader));

	if (!reader) {
		fuse_reply_err(req, fuse_req_interrupted(req) ? EINTR : ENOMEM);
		return;
	}
	*reader = (struct reader){ .req = req, .size = size };
	medio_list_append(&file->readers, &reader->link);
	fuse_req_interrupt_func(req, on_interrupt, reader);
}

static void do_read(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	struct file *file = file_of(info);
	char page[4096];

	(void)ino;
	if (size > MEDIO_FS_MAX_READ)
		size = MEDIO_FS_MAX_READ;
	_cleanup_free_ char *more = size > sizeof(page) ? malloc(size) : NULL;
	char *buf = size > sizeof(page) ? more : page;
	if (!buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	ssize_t ret = medio_fsopen_read(&file->open, buf, size, (uint64_t)offset);
	/* O_NONBLOCK may have been set since. */
	if (ret == -EAGAIN && !(info->flags & O_NONBLOCK))
		wait_read(req, file, size);
	else if (ret < 0)
		fuse_reply_err(req, (int)-ret);
	else
		fuse_reply_buf(req, buf, (size_t)ret);
}

static void do_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t offset,
	struct fuse_file_info *info)
{
	(void)ino;
	ssize_t ret = medio_fsopen_write(&file_of(info)->open, buf, size, (uint64_t)offset);
	if (ret < 0)
		fuse_reply_err(req, (int)-ret);
	else
		fuse_reply_write(req, (size_t)ret);
}

static void do_poll(
	fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info, struct fuse_pollhandle *poll)
{
	struct file *file = file_of(info);

	(void)ino;
	if (poll) {
		if (file->poll)
			fuse_pollhandle_destroy(file->poll);
		file->poll = poll;
	}
	fuse_reply_poll(req, medio_fsopen_poll(&file->open));
}

/* Those that are VFIO's are caught before they come here. */
static void do_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned cmd, void *arg,
	struct fuse_file_info *info, unsigned flags, const void *in, size_t in_size,
	size_t out_size)
{
	(void)ino;
	(void)cmd;
	(void)arg;
	(void)info;
	(void)flags;
	(void)in;
	(void)in_size;
	(void)out_size;
	fuse_reply_err(req, ENOTTY);
}

static void do_init(void *opaque, struct fuse_conn_info *conn)
{
	(void)opaque;
	/* A listing is asked for with its entries' attributes nowhere: special files would get inodes by it. */
	conn->want &= ~(unsigned)(FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO);
}

static const struct fuse_lowlevel_ops requests = {
	.init = do_init,
	.lookup = medio_fsname_lookup,
	.forget = medio_fsname_forget,
	.getattr = medio_fsname_getattr,
	.setattr = medio_fsname_setattr,
	.readlink = medio_fsname_readlink,
	.readdir = medio_fsname_readdir,
	.mknod = medio_fsname_mknod,
	.mkdir = medio_fsname_mkdir,
	.unlink = medio_fsname_unlink,
	.rmdir = medio_fsname_unlink,
	.symlink = medio_fsname_symlink,
	.rename = medio_fsname_rename,
	.link = medio_fsname_link,
	.open = do_open,
	.release = do_release,
	.read = do_read,
	.write = do_write,
	.poll = do_poll,
	.ioctl = do_ioctl,
};

static void free_files(struct medio_fs_session *session)
{
	while (!medio_list_empty(&session->files))
		file_free(medio_container_of(session->files.next, struct file, link));
}

/* ---- The session --------------------------------------------------------------------------------- */

static void serve(struct medio_fs_session *session)
{
	int ret = 0;

	for (int i = 0; i < TURN && !fuse_session_exited(session->fuse); i++) {
		ret = fuse_session_receive_buf(session->fuse, &session->buf);
		if (ret == -EINTR)
			continue;
		if (ret <= 0)
			break;
		fuse_session_process_buf(session->fuse, &session->buf);
	}
	if (fuse_session_exited(session->fuse) || (ret < 0 && ret != -EAGAIN && ret != -EINTR)) {
		/* It is mounted nowhere any more: the program's namespace is gone. What that had open the kernel
		 * may not have told us. */
		medio_watch_free(session->watch);
		session->watch = NULL;
		free_files(session);
	}
}

static void on_request(void *opaque, uint32_t events)
{
	(void)events;
	serve(opaque);
}

static void end(struct medio_fs *fs)
{
	struct medio_fs_session *session = fs->session;

	fs->session = NULL;
	fs->end = NULL;
	free_files(session);
	medio_watch_free(session->watch);
	if (session->fuse)
		fuse_session_destroy(session->fuse);
	free(session->buf.mem);
	free(session);
}

static int session_new(struct medio_fs_session *session, struct medio_error **err)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);

	fuse_set_log_func(keep_words);
	last_words[0] = '\0';
	if (fuse_opt_add_arg(&args, "medio") == 0)
		session->fuse = fuse_session_new(&args, &requests, sizeof(requests), session);
	fuse_opt_free_args(&args);
	if (session->fuse)
		return 0;
	return medio_error_set(err, ENOMEM, "cannot serve files: %s", last_words);
}

/* The mount is there already; libfuse is told so by this path. */
static int session_take(struct medio_fs_session *session, int fd, struct medio_error **err)
{
	char path[32];
	int flags = fcntl(fd, F_GETFL);

	snprintf(path, sizeof(path), "/dev/fd/%d", fd);
	if (flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
		fuse_session_mount(session->fuse, path) == 0)
		return 0;
	return medio_error_set(err, EINVAL, "cannot serve files: %s",
		last_words[0] ? last_words : strerror(errno));
}

int medio_fs_serve(struct medio_fs *fs, int fd, struct medio_error **err)
{
	_cleanup_close_ int owned = fd;
	struct medio_fs_session *session = fs->session ? NULL : calloc(1, sizeof(*session));

	if (!session)
		return medio_error_set(err, fs->session ? EALREADY : ENOMEM, "cannot serve files");
	session->fs = fs;
	medio_list_init(&session->files);
	fs->session = session;
	fs->end = end;
	int ret = session_new(session, err);
	if (!ret)
		ret = session_take(session, fd, err);
	if (!ret) {
		medio_steal_fd(owned);
		session->watch = medio_loop_watch(
			fs->compat->loop, fd, EPOLLIN, on_request, session);
		if (!session->watch)
			ret = medio_error_set(
				err, errno, "cannot serve files: %s", strerror(errno));
	}
	if (ret)
		end(fs);
	return ret;
}
