/* SPDX-License-Identifier: BSD-3-Clause */
/* What migration and a back-end that dies need. */
#include "vhost_front_inside.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- Log ------------------------------------------------------------------------------------------------- */

/* It begins in the middle of a page of its file. */
#define LOG_OFFSET 520u

void vhost_front_drop_log(struct vhost_front *f)
{
	if (f->log)
		munmap(f->log, f->log_bytes);
	f->log = NULL;
	vhost_front_drop_fd(&f->log_fd);
}

int vhost_front_log(struct vhost_front *f)
{
	const struct vf_log log = { (VF_HIGH_GPA + VF_HIGH_BYTES) / 4096 / 8, LOG_OFFSET };
	uint64_t answer = 0;

	vhost_front_drop_log(f);
	f->log_bytes = log.size + LOG_OFFSET;
	f->log_fd = memfd_create("log", MFD_CLOEXEC);
	if (f->log_fd < 0 || ftruncate(f->log_fd, (off_t)f->log_bytes) < 0)
		return vhost_front_fails(f, errno, "log: %s", strerror(errno));
	f->log = mmap(NULL, f->log_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, f->log_fd, 0);
	if (f->log == MAP_FAILED) {
		f->log = NULL;
		return vhost_front_fails(f, errno, "log: %s", strerror(errno));
	}
	/* Of the messages that are answered in any case ("Communication"). */
	int ret = vhost_front_ask(
		f, VF_SET_LOG_BASE, &log, sizeof(log), f->log_fd, &answer, sizeof(answer), NULL);
	if (!ret && answer)
		ret = vhost_front_fails(f, EREMOTEIO, "the log is refused");
	return ret;
}

int vhost_front_log_all(struct vhost_front *f, bool on)
{
	return vhost_front_features(
		f, on ? f->features | VF_F_LOG_ALL : f->features & ~VF_F_LOG_ALL);
}

bool vhost_front_was_written(struct vhost_front *f, uint64_t gpa)
{
	const uint64_t page = gpa / 4096;
	const uint8_t bit = (uint8_t)(1u << page % 8);
	uint8_t *at = f->log + LOG_OFFSET + page / 8;

	return __atomic_fetch_and(at, (uint8_t)~bit, __ATOMIC_SEQ_CST) & bit;
}

/* ---- In flight -------------------------------------------------------------------------------------------- */

int vhost_front_get_inflight(struct vhost_front *f, unsigned queues, unsigned size)
{
	const struct vf_inflight ask = { 0, 0, (uint16_t)queues, (uint16_t)size };

	vhost_front_drop_fd(&f->inflight_fd);
	int ret = vhost_front_ask(f, VF_GET_INFLIGHT_FD, &ask, sizeof(ask), -1, &f->inflight,
		sizeof(f->inflight), &f->inflight_fd);
	if (!ret && f->inflight_fd < 0)
		ret = vhost_front_fails(f, EPROTO, "no descriptor with GET_INFLIGHT_FD");
	/* The answer names the area; what it is for, the question did. */
	f->inflight.queues = (uint16_t)queues;
	f->inflight.queue_size = (uint16_t)size;
	return ret;
}

int vhost_front_set_inflight(struct vhost_front *f)
{
	return vhost_front_tell(
		f, VF_SET_INFLIGHT_FD, &f->inflight, sizeof(f->inflight), f->inflight_fd);
}

/* ---- The back-end's channel ---------------------------------------------------------------------------------- */

int vhost_front_channel(struct vhost_front *f)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return vhost_front_fails(f, errno, "socketpair: %s", strerror(errno));
	vhost_front_drop_fd(&f->channel);
	f->channel = pair[0];
	int ret = vhost_front_tell(f, VF_SET_BACKEND_REQ_FD, NULL, 0, pair[1]);
	close(pair[1]);
	return ret;
}

int vhost_front_heard(struct vhost_front *f, uint32_t *request)
{
	static const uint64_t fine = 0;
	struct vf_reply message;
	int ret = vhost_front_receive_on(f, f->channel, f->timeout_ms, &message);

	if (ret)
		return ret;
	for (unsigned i = 0; i < message.nfds; i++)
		close(message.fds[i]);
	*request = message.request;
	if (!(message.flags & VF_NEED_REPLY))
		return 0;
	const struct vf_header header = { message.request, VF_VERSION | VF_REPLY, sizeof(fine) };
	return vhost_front_send_on(f, f->channel, &header, &fine, NULL, 0);
}

/* ---- State --------------------------------------------------------------------------------------------------- */

static int begin_transfer(struct vhost_front *f, uint32_t direction, int *fd)
{
	const struct vf_transfer transfer = { direction, 0 };
	uint64_t answer = 0;
	int theirs = -1;
	int ret = vhost_front_ask(f, VF_SET_DEVICE_STATE_FD, &transfer, sizeof(transfer), *fd,
		&answer, sizeof(answer), &theirs);

	vhost_front_drop_fd(fd);
	if (!ret && answer & 0xff)
		ret = vhost_front_fails(f, EREMOTEIO, "the transfer is refused");
	else if (!ret && !(answer & VF_NO_FD) != (theirs >= 0))
		ret = vhost_front_fails(f, EPROTO, "a descriptor, or none, against what is said");
	*fd = theirs;
	return ret;
}

static int check_transfer(struct vhost_front *f)
{
	uint64_t answer = 0;
	int ret = vhost_front_ask_u64(f, VF_CHECK_DEVICE_STATE, &answer);

	return ret || !answer ? ret : vhost_front_fails(f, EREMOTEIO, "the transfer failed");
}

ssize_t vhost_front_save(struct vhost_front *f, void *buf, size_t cap)
{
	int pipes[2];
	size_t size = 0;
	ssize_t n = 1;

	if (pipe(pipes) < 0)
		return vhost_front_fails(f, errno, "pipe: %s", strerror(errno));
	int ret = begin_transfer(f, 0, &pipes[1]);
	int from = pipes[1] >= 0 ? pipes[1] : pipes[0];
	while (!ret && n > 0 && size < cap) {
		n = read(from, (uint8_t *)buf + size, cap - size);
		size += n > 0 ? (size_t)n : 0;
	}
	vhost_front_drop_fd(&pipes[0]);
	vhost_front_drop_fd(&pipes[1]);
	if (!ret)
		ret = check_transfer(f);
	return ret ? ret : (ssize_t)size;
}

int vhost_front_load(struct vhost_front *f, const void *buf, size_t size)
{
	int pipes[2];

	if (pipe(pipes) < 0)
		return vhost_front_fails(f, errno, "pipe: %s", strerror(errno));
	int ret = begin_transfer(f, 1, &pipes[0]);
	int to = pipes[0] >= 0 ? pipes[0] : pipes[1];
	for (size_t done = 0; !ret && done < size;) {
		ssize_t n = write(to, (const uint8_t *)buf + done, size - done);
		if (n < 0)
			ret = vhost_front_fails(f, errno, "pipe: %s", strerror(errno));
		else
			done += (size_t)n;
	}
	vhost_front_drop_fd(&pipes[0]);
	vhost_front_drop_fd(&pipes[1]);
	return ret ? ret : check_transfer(f);
}
