/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/kdev_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "compat/kdev_inside.h"
#include "util/cleanup.h"
#include "util/loop.h"

#define PIECE	  65536u
#define TURNS	  16u /* pieces before others have theirs */
#define MOST_LEFT 16u /* that nobody wants and the program has not closed */

struct medio_kdev_stream {
	struct medio_list link; /* of the device's streams */
	struct medio_kdev *kdev;
	int fd;
	struct medio_watch *watch;
	bool saving, wanted;
	uint64_t total; /* read from the card, or from the program */
	int error;	/* what the card said to what was written; the rest goes nowhere */
	size_t at, size;
	uint8_t data[PIECE]; /* read from the card, [at, size) is still to be sent */
};

void medio_kdev_stream_free(struct medio_kdev_stream *stream)
{
	if (!stream)
		return;
	if (stream->kdev->state->stream == stream)
		stream->kdev->state->stream = NULL;
	medio_list_remove(&stream->link);
	medio_watch_free(stream->watch);
	close(stream->fd);
	free(stream);
}

void medio_kdev_streams_free(struct medio_kdev *kdev)
{
	medio_list_for_each (item, &kdev->state->streams)
		medio_kdev_stream_free(medio_container_of(item, struct medio_kdev_stream, link));
}

/* ---- The card's state to the program ----------------------------------------------------------- */

/*
 * A socket that is closed with something unread in it gives the other end ECONNRESET once that has read all; such a byte
 * has lain there since the beginning.
 */
static void lay_byte(int theirs)
{
	char byte = 0;

	if (send(theirs, &byte, sizeof(byte), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return; /* an empty socket has room for one */
}

static void end_well(struct medio_kdev_stream *stream)
{
	/* No more comes in, however fast the program may write. */
	shutdown(stream->fd, SHUT_RD);
	while (recv(stream->fd, stream->data, PIECE, MSG_DONTWAIT) > 0)
		;
	stream->kdev->state->state_size = stream->total;
	medio_kdev_stream_free(stream);
}

/* More from the card; false: the stream is over, and gone. */
static bool refill(struct medio_kdev_stream *stream)
{
	size_t got = 0;
	int ret = medio_card_mig_read(stream->kdev->card, stream->data, PIECE, &got);

	if (!ret && got) {
		stream->at = 0;
		stream->size = got;
		stream->total += got;
		return true;
	}
	if (!ret)
		end_well(stream);
	else {
		medio_kdev_result(stream->kdev, ret);
		medio_kdev_stream_free(stream);
	}
	return false;
}

static void send_some(struct medio_kdev_stream *stream)
{
	for (unsigned turn = 0; turn < TURNS; turn++) {
		if (stream->at == stream->size && !refill(stream))
			return;
		ssize_t sent = send(stream->fd, stream->data + stream->at,
			stream->size - stream->at, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (sent < 0) { /* the program has closed it */
			medio_kdev_stream_free(stream);
			return;
		}
		stream->at += (size_t)sent;
	}
}

/* ---- The program's to the card ----------------------------------------------------------------- */

/* 1: there may be more; 0: there is none now; -ECONNRESET: the program has closed it. */
static int receive(struct medio_kdev_stream *stream)
{
	ssize_t got = recv(stream->fd, stream->data, PIECE, MSG_DONTWAIT);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -ECONNRESET;
	if (!got)
		return -ECONNRESET;
	stream->total += (size_t)got;
	if (stream->wanted && !stream->error)
		stream->error = (int)medio_kdev_result(stream->kdev,
			medio_card_mig_write(stream->kdev->card, stream->data, (size_t)got));
	return 1;
}

static void receive_some(struct medio_kdev_stream *stream)
{
	int ret = 1;

	for (unsigned turn = 0; ret > 0 && turn < TURNS; turn++)
		ret = receive(stream);
	if (ret >= 0)
		return;
	/* What was written still counts, and what the card said to it. */
	medio_watch_free(stream->watch);
	stream->watch = NULL;
	if (!stream->wanted)
		medio_kdev_stream_free(stream);
}

int medio_kdev_stream_settle(struct medio_kdev_stream *stream)
{
	int left = 0;

	/* What is there now: another thread may write on and on. */
	if (!stream->saving && ioctl(stream->fd, FIONREAD, &left) < 0)
		left = 0;
	for (const uint64_t end = stream->total + (uint64_t)left; stream->total < end;)
		if (receive(stream) <= 0)
			break;
	return stream->error;
}

/* ---- Both -------------------------------------------------------------------------------------- */

static void on_ready(void *opaque, uint32_t events)
{
	struct medio_kdev_stream *stream = opaque;

	(void)events;
	if (stream->saving)
		send_some(stream);
	else
		receive_some(stream);
}

/* The oldest of too many that are left over. */
static void tidy(struct medio_kdev_state *state)
{
	struct medio_list *oldest = NULL;
	unsigned left = 0;

	medio_list_for_each (item, &state->streams) {
		oldest = oldest ? oldest : item;
		left++;
	}
	if (left > MOST_LEFT)
		medio_kdev_stream_free(medio_container_of(oldest, struct medio_kdev_stream, link));
}

void medio_kdev_stream_leave(struct medio_kdev_stream *stream)
{
	if (!stream)
		return;
	stream->kdev->state->stream = NULL;
	stream->wanted = false;
	if (stream->saving || !stream->watch)
		medio_kdev_stream_free(stream);
	else
		tidy(stream->kdev->state);
}

int medio_kdev_stream_new(
	struct medio_kdev *kdev, bool saving, struct medio_kdev_stream **out, int *fd)
{
	_cleanup_free_ struct medio_kdev_stream *stream = malloc(sizeof(*stream));
	_cleanup_close_ int ours = -1, theirs = -1;
	int pair[2];

	if (!stream)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	stream->watch = medio_loop_watch(
		kdev->compat->loop, ours, saving ? EPOLLOUT : EPOLLIN, on_ready, stream);
	if (!stream->watch)
		return -ENOMEM;
	if (saving)
		lay_byte(theirs);
	stream->kdev = kdev;
	stream->saving = saving;
	stream->wanted = true;
	stream->total = 0;
	stream->error = 0;
	stream->at = stream->size = 0;
	stream->fd = medio_steal_fd(ours);
	medio_list_append(&kdev->state->streams, &stream->link);
	*out = medio_steal_ptr(stream);
	*fd = medio_steal_fd(theirs);
	return 0;
}
