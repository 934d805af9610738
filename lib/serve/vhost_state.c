/* SPDX-License-Identifier: BSD-3-Clause */
#include "serve/vhost_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "device/instance.h"
#include "util/cleanup.h"
#include "virtio/core.h"

/*
 * What goes through the pipe: this, then `size` bytes of the device. Little-endian.
 */
struct head {
	uint8_t magic[8];
	uint8_t version[4];
	uint8_t size[4];
	uint8_t sum[8];	  /* of the device's bytes */
	uint8_t type[40]; /* the type's name, filled up with zeros */
};

static const uint8_t magic[8] = { 'm', 'e', 'd', 'i', 'o', 'v', 'h', 's' };
#define VERSION 1u

#define HEAD	   sizeof(struct head)
#define ALL_MAX	   (HEAD + MEDIO_VHOST_STATE_MAX)
#define FIRST_SIZE 65536u
/* Moved before others on the loop have a turn. */
#define TURN (1u << 20)

enum phase { NOTHING, SAVING, LOADING, ENDED };

struct medio_vhost_state {
	struct medio_instance *inst;
	struct medio_virtio_core *core;
	enum phase phase;
	int result; /* once it has ended */

	int fd;
	bool socket;
	struct medio_watch *watch; /* NULL: a file, that is always ready */
	uint8_t *bytes;
	size_t size, cap, pos; /* filled; allocated; written so far */
};

/* FNV-1a, 64 bits: against mistakes, not against anybody. */
static uint64_t sum_of(const uint8_t *bytes, size_t n)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < n; i++)
		sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	return sum;
}

static const char *type_name(const struct medio_vhost_state *state)
{
	return medio_instance_type(state->inst)->name;
}

static void drop(struct medio_vhost_state *state)
{
	medio_watch_free(state->watch);
	state->watch = NULL;
	if (state->fd >= 0)
		close(state->fd);
	state->fd = -1;
	free(state->bytes);
	state->bytes = NULL;
	state->size = state->cap = state->pos = 0;
}

/* The transfer is over: the pipe is closed, which the other side sees. */
static void end(struct medio_vhost_state *state, int result)
{
	drop(state);
	state->phase = ENDED;
	state->result = result;
}

static int grow(struct medio_vhost_state *state, size_t size)
{
	size_t cap = state->cap ? state->cap : FIRST_SIZE;
	if (size > ALL_MAX)
		return -EFBIG;
	if (size <= state->cap)
		return 0;
	while (cap < size)
		cap *= 2;
	uint8_t *bytes = realloc(state->bytes, cap);
	if (!bytes)
		return -ENOMEM;
	state->bytes = bytes;
	state->cap = cap;
	return 0;
}

/* ---- The pipe --------------------------------------------------------------------------------------- */

/*
 * The other side could take O_NONBLOCK away again, as the file description is shared: so each call says
 * itself that it does not wait, where the kernel lets it (pipes: Linux 6.4); or sets it again.
 */
static ssize_t moves_bytes(const struct medio_vhost_state *state, bool out, void *buf, size_t len)
{
	struct iovec iov = { buf, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
	if (state->socket)
		return out ? sendmsg(state->fd, &msg, flags) : recvmsg(state->fd, &msg, flags);
	if (state->watch) {
		ssize_t n = out ? pwritev2(state->fd, &iov, 1, -1, RWF_NOWAIT)
				: preadv2(state->fd, &iov, 1, -1, RWF_NOWAIT);
		if (n >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS))
			return n;
		fcntl(state->fd, F_SETFL, O_NONBLOCK);
	}
	return out ? write(state->fd, buf, len) : read(state->fd, buf, len);
}

/* A program that uses the library need not know that a pipe whose reader has gone means SIGPIPE. */
static ssize_t moves(const struct medio_vhost_state *state, bool out, void *buf, size_t len)
{
	const struct timespec now = { 0, 0 };
	struct sigaction action;
	sigset_t pipes, before, pending;
	if (!out || state->socket ||
		(sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_IGN))
		return moves_bytes(state, out, buf, len);
	sigemptyset(&pipes);
	sigaddset(&pipes, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipes, &before);
	ssize_t n = moves_bytes(state, out, buf, len);
	const int error = errno;
	if (n < 0 && error == EPIPE && !sigismember(&pending, SIGPIPE))
		sigtimedwait(&pipes, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return n;
}

static bool waits(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

static void broke(struct medio_vhost_state *state, const char *what, int error)
{
	medio_instance_guest_error(
		state->inst, "the device's state cannot be %s: %s", what, strerror(error));
	end(state, -error);
}

/* Write what the pipe takes, at most so much. */
static void save_some(struct medio_vhost_state *state, size_t most)
{
	while (most && state->pos < state->size) {
		size_t len = state->size - state->pos;
		ssize_t n = moves(state, true, state->bytes + state->pos, len < most ? len : most);
		if (waits(n))
			return;
		if (n < 0) {
			broke(state, "written", errno);
			return;
		}
		state->pos += (size_t)n;
		most -= (size_t)n;
	}
	if (state->pos == state->size)
		end(state, 0);
}

static void load_all(struct medio_vhost_state *state);

/* Read what the pipe has, at most so much. */
static void load_some(struct medio_vhost_state *state, size_t most)
{
	while (most) {
		int ret = state->size < state->cap ? 0 : grow(state, state->size + 1);
		if (ret) {
			medio_instance_guest_error(state->inst,
				"the device's state is of more than %u bytes, or there is no memory",
				MEDIO_VHOST_STATE_MAX);
			end(state, ret);
			return;
		}
		size_t len = state->cap - state->size;
		ssize_t n = moves(
			state, false, state->bytes + state->size, len < most ? len : most);
		if (waits(n))
			return;
		if (n < 0) {
			broke(state, "read", errno);
			return;
		}
		if (n == 0) {
			load_all(state);
			return;
		}
		state->size += (size_t)n;
		most -= (size_t)n;
	}
}

static void ready(void *opaque, uint32_t events)
{
	struct medio_vhost_state *state = opaque;
	(void)events; /* what is wrong with the pipe shows when it is used */
	if (state->phase == SAVING)
		save_some(state, TURN);
	else if (state->phase == LOADING)
		load_some(state, TURN);
}

/* ---- The bytes ----------------------------------------------------------------------------------------- */

static int saved_error(struct medio_vhost_state *state, int ret)
{
	medio_instance_guest_error(
		state->inst, "the device's state cannot be saved now: %s", strerror(-ret));
	return ret;
}

static int take_bytes(struct medio_vhost_state *state)
{
	int ret = grow(state, FIRST_SIZE);
	ssize_t own = 0;
	while (ret == 0) {
		own = medio_virtio_core_own_save(
			state->core, state->bytes + HEAD, state->cap - HEAD);
		if (own < 0)
			return saved_error(state, (int)own);
		if ((size_t)own <= state->cap - HEAD)
			break;
		ret = (size_t)own > MEDIO_VHOST_STATE_MAX ? -EFBIG
							  : grow(state, HEAD + (size_t)own);
	}
	if (ret)
		return saved_error(state, ret);
	struct head *head = (struct head *)state->bytes;
	memset(head, 0, HEAD);
	memcpy(head->magic, magic, sizeof(magic));
	medio_put_le(head->version, sizeof(head->version), VERSION);
	medio_put_le(head->size, sizeof(head->size), (uint64_t)own);
	medio_put_le(head->sum, sizeof(head->sum), sum_of(state->bytes + HEAD, (size_t)own));
	strncpy((char *)head->type, type_name(state), sizeof(head->type) - 1);
	state->size = HEAD + (size_t)own;
	return 0;
}

/* Is it the state of such a device, whole? */
static bool is_good(struct medio_vhost_state *state)
{
	const struct head *head = (const struct head *)state->bytes;
	char ours[sizeof(head->type)] = "";
	if (state->size < HEAD || memcmp(head->magic, magic, sizeof(magic)) != 0) {
		medio_instance_guest_error(state->inst,
			"%zu bytes are loaded that are not the state of a device of this kind of "
			"program, which begins with %zu bytes of its own",
			state->size, HEAD);
		return false;
	}
	const uint64_t version = medio_get_le(head->version, sizeof(head->version));
	if (version != VERSION) {
		medio_instance_guest_error(state->inst,
			"the state is of version %" PRIu64
			", known is %u: load it into the program "
			"that saved it, or a later one",
			version, VERSION);
		return false;
	}
	strncpy(ours, type_name(state), sizeof(ours) - 1);
	if (memcmp(head->type, ours, sizeof(ours)) != 0) {
		medio_instance_guest_error(state->inst,
			"the state is a '%.39s', and this is a '%s'", (const char *)head->type,
			ours);
		return false;
	}
	const uint64_t own = medio_get_le(head->size, sizeof(head->size));
	if (own != state->size - HEAD || medio_get_le(head->sum, sizeof(head->sum)) !=
						 sum_of(state->bytes + HEAD, state->size - HEAD)) {
		medio_instance_guest_error(state->inst,
			"the state has been changed or cut: %" PRIu64
			" bytes and a checksum are said, %zu have come",
			own, state->size - HEAD);
		return false;
	}
	return true;
}

/* The pipe has ended. */
static void load_all(struct medio_vhost_state *state)
{
	if (!is_good(state)) {
		end(state, -EINVAL);
		return;
	}
	int ret = medio_virtio_core_own_load(state->core, state->bytes + HEAD, state->size - HEAD);
	if (ret)
		medio_instance_guest_error(
			state->inst, "the device does not take the state: %s", strerror(-ret));
	end(state, ret);
}

/* ---- Messages -------------------------------------------------------------------------------------------- */

/* What is at the other end? A file never keeps anybody waiting, and cannot be watched. */
static int check_fd(struct medio_vhost_state *state, int fd, bool *file)
{
	struct stat st;
	int type = 0;
	socklen_t len = sizeof(type);
	if (fd < 0 || fstat(fd, &st) < 0) {
		medio_instance_guest_error(state->inst, "SET_DEVICE_STATE_FD without a descriptor");
		return -EINVAL;
	}
	*file = S_ISREG(st.st_mode);
	state->socket = S_ISSOCK(st.st_mode) &&
			getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
			type == SOCK_STREAM;
	if (*file || state->socket || S_ISFIFO(st.st_mode))
		return 0;
	medio_instance_guest_error(state->inst,
		"SET_DEVICE_STATE_FD: its descriptor is no pipe, stream socket or file");
	return -EINVAL;
}

static int check_mode(struct medio_vhost_state *state, int fd, bool save)
{
	const int flags = fcntl(fd, F_GETFL);
	const int mode = flags & O_ACCMODE;
	if (flags < 0 || flags & O_PATH || mode == (save ? O_RDONLY : O_WRONLY)) {
		medio_instance_guest_error(state->inst,
			"SET_DEVICE_STATE_FD: its descriptor cannot be %s",
			save ? "written" : "read");
		return -EINVAL;
	}
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	return 0;
}

/* The first part goes at once. */
static int start(struct medio_vhost_state *state, bool save, bool file)
{
	if (!file) {
		state->watch = medio_loop_watch(medio_instance_loop(state->inst), state->fd,
			save ? EPOLLOUT : EPOLLIN, ready, state);
		if (!state->watch)
			return -ENOMEM;
	}
	state->phase = save ? SAVING : LOADING;
	if (save)
		save_some(state, file ? SIZE_MAX : TURN);
	return 0;
}

int medio_vhost_state_begin(
	struct medio_vhost_state *state, uint32_t direction, uint32_t phase, int fd)
{
	_cleanup_close_ int owned = fd;
	const bool save = direction == MEDIO_VHOST_STATE_SAVE;
	bool file = false;
	medio_vhost_state_cancel(state);
	if (direction > MEDIO_VHOST_STATE_LOAD || phase) {
		medio_instance_guest_error(state->inst,
			"SET_DEVICE_STATE_FD: direction %u in phase %u; known are 0 (save) and 1 "
			"(load), in phase 0 (stopped)",
			direction, phase);
		return -EINVAL;
	}
	int ret = check_fd(state, owned, &file);
	if (ret == 0)
		ret = check_mode(state, owned, save);
	if (ret == 0 && save)
		ret = take_bytes(state);
	if (ret == 0) {
		state->fd = medio_steal_fd(owned);
		ret = start(state, save, file);
	}
	if (ret)
		end(state, ret);
	return ret;
}

int medio_vhost_state_check(struct medio_vhost_state *state)
{
	/* The front-end asks after it has read all, or closed its end: what is left is in the pipe
	 * already, and no more than a pipe holds. */
	if (state->phase == SAVING)
		save_some(state, TURN);
	else if (state->phase == LOADING)
		load_some(state, state->watch ? TURN : SIZE_MAX);
	switch (state->phase) {
	case ENDED:
		return state->result;
	case NOTHING:
		medio_instance_guest_error(
			state->inst, "CHECK_DEVICE_STATE, and no transfer was begun");
		return -ENOENT;
	default:
		medio_instance_guest_error(state->inst,
			"CHECK_DEVICE_STATE before the transfer has ended: %s",
			state->phase == SAVING ? "read all of the state first"
					       : "close the end that is written first");
		return -EINPROGRESS;
	}
}

void medio_vhost_state_cancel(struct medio_vhost_state *state)
{
	drop(state);
	state->phase = NOTHING;
	state->result = 0;
}

/* ---- Life -------------------------------------------------------------------------------------------------- */

int medio_vhost_state_new(
	struct medio_instance *inst, struct medio_virtio_core *core, struct medio_vhost_state **out)
{
	struct medio_vhost_state *state = calloc(1, sizeof(*state));
	if (!state)
		return -ENOMEM;
	state->inst = inst;
	state->core = core;
	state->fd = -1;
	*out = state;
	return 0;
}

void medio_vhost_state_free(struct medio_vhost_state *state)
{
	if (!state)
		return;
	medio_vhost_state_cancel(state);
	free(state);
}
