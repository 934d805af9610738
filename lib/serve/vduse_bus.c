/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vDPA bus, by generic netlink: what `vdpa dev add` and `vdpa dev del` say to the kernel.
 *
 * The kernel answers when its drivers are done with the device, which ask it meanwhile: whoever answers them
 * must not be the one who waits. So a thread does, that shares no open file with the rest of the process:
 * when that is killed the device is free for the next, even if the thread still waits for the kernel.
 *
 * Source: Linux <linux/vdpa.h>, <linux/genetlink.h>, drivers/vdpa/vdpa.c.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/close_range.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/vdpa.h>

#include "device/instance.h"
#include "serve/vduse.h"
#include "util/cleanup.h"
#include "util/error.h"

#define MESSAGE_BYTES 1024u
#define WORDS	      256u

struct message {
	union {
		struct nlmsghdr head;
		uint8_t bytes[MESSAGE_BYTES];
	};
};

struct medio_vduse_bus {
	atomic_uint users; /* the device's thread, and the one that waits */
	struct medio_vduse *vduse;
	struct medio_watch *watch;
	medio_vduse_attached_fn *done;
	void *opaque;
	int socket, ready; /* an eventfd: there is a result */
	bool add;
	struct message message;
	int result;
	char words[WORDS]; /* the kernel's own */
};

/* ---- Messages ------------------------------------------------------------------------------------------ */

static void begin(struct message *m, uint16_t type, uint8_t command, uint8_t version)
{
	const struct genlmsghdr head = { .cmd = command, .version = version };

	*m = (struct message){ .head = {
				       .nlmsg_len = NLMSG_LENGTH(sizeof(head)),
				       .nlmsg_type = type,
				       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
			       } };
	memcpy(m->bytes + NLMSG_HDRLEN, &head, sizeof(head));
}

/* text is at most VDUSE_NAME_MAX long, so there is room. */
static void put_text(struct message *m, uint16_t type, const char *text)
{
	const size_t at = NLMSG_ALIGN(m->head.nlmsg_len), len = strlen(text) + 1;
	const struct nlattr attr = { .nla_len = (uint16_t)(NLA_HDRLEN + len), .nla_type = type };

	memcpy(m->bytes + at, &attr, sizeof(attr));
	memcpy(m->bytes + at + NLA_HDRLEN, text, len);
	m->head.nlmsg_len = (uint32_t)(at + attr.nla_len);
}

/* The payload of the first attribute of this type among len bytes, *size of them; NULL: there is none. */
static const void *find(const uint8_t *at, size_t len, uint16_t type, size_t *size)
{
	struct nlattr attr;

	while (len >= sizeof(attr)) {
		memcpy(&attr, at, sizeof(attr));
		if (attr.nla_len < NLA_HDRLEN || attr.nla_len > len)
			return NULL;
		if ((attr.nla_type & NLA_TYPE_MASK) == type) {
			*size = attr.nla_len - NLA_HDRLEN;
			return at + NLA_HDRLEN;
		}
		const size_t step = NLA_ALIGN(attr.nla_len);
		if (step >= len)
			return NULL;
		at += step;
		len -= step;
	}
	return NULL;
}

/* An NLMSG_ERROR: its errno, and what the kernel adds in words. */
static int read_error(const struct message *m, char *words)
{
	struct nlmsgerr error;
	const size_t fixed = NLMSG_HDRLEN + sizeof(error);
	size_t size = 0;

	if (m->head.nlmsg_len < fixed)
		return -EBADMSG;
	memcpy(&error, m->bytes + NLMSG_HDRLEN, sizeof(error));
	if (error.error && m->head.nlmsg_flags & NLM_F_ACK_TLVS) {
		/* The message that it is about stands there in full, or its head alone. */
		size_t asked = m->head.nlmsg_flags & NLM_F_CAPPED
				       ? 0
				       : NLMSG_ALIGN(error.msg.nlmsg_len) - NLMSG_HDRLEN;
		const char *text = asked <= m->head.nlmsg_len - fixed
					   ? find(m->bytes + fixed + asked,
						     m->head.nlmsg_len - fixed - asked,
						     NLMSGERR_ATTR_MSG, &size)
					   : NULL;
		if (text)
			snprintf(words, WORDS, "%.*s", (int)(size < WORDS ? size : WORDS), text);
	}
	return error.error > 0 || error.error < -4095 ? -EBADMSG : error.error;
}

/* Send m; what comes back, up to its acknowledgement, takes its place. 0, or -errno. */
static int exchange(int fd, struct message *m, char *words)
{
	struct message reply, kept = { .head = { .nlmsg_len = 0 } };

	if (send(fd, m->bytes, m->head.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t n = recv(fd, reply.bytes, sizeof(reply.bytes), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if ((size_t)n < NLMSG_HDRLEN || reply.head.nlmsg_len > (size_t)n ||
			reply.head.nlmsg_len < NLMSG_HDRLEN)
			return -EBADMSG;
		if (reply.head.nlmsg_type == NLMSG_ERROR) {
			*m = kept;
			return read_error(&reply, words);
		}
		kept = reply;
	}
}

/* The number that the bus has among the families of generic netlink, or -errno. */
static int find_family(int fd)
{
	const size_t fixed = NLMSG_LENGTH(sizeof(struct genlmsghdr));
	char words[WORDS] = "";
	struct message m;
	size_t size = 0;
	uint16_t id;

	begin(&m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	put_text(&m, CTRL_ATTR_FAMILY_NAME, VDPA_GENL_NAME);
	int ret = exchange(fd, &m, words);
	if (ret)
		return ret;
	const void *value = m.head.nlmsg_len > fixed
				    ? find(m.bytes + fixed, m.head.nlmsg_len - fixed,
					      CTRL_ATTR_FAMILY_ID, &size)
				    : NULL;
	if (!value || size != sizeof(id))
		return -EBADMSG;
	memcpy(&id, value, sizeof(id));
	return id;
}

/* ---- The thread that waits ------------------------------------------------------------------------------ */

static void put_bus(struct medio_vduse_bus *bus)
{
	if (atomic_fetch_sub(&bus->users, 1) == 1)
		free(bus);
}

/* All files but two go, in a table of this thread's own. */
static void keep_two(unsigned a, unsigned b)
{
	unsigned low = a < b ? a : b, high = a < b ? b : a;

	if (close_range(high + 1, ~0u, CLOSE_RANGE_UNSHARE) < 0)
		return;
	if (low + 1 < high)
		close_range(low + 1, high - 1, 0);
	if (low)
		close_range(0, low - 1, 0);
}

static void *wait_for_kernel(void *opaque)
{
	struct medio_vduse_bus *bus = opaque;
	const int fd = bus->socket, ready = bus->ready;

	keep_two((unsigned)fd, (unsigned)ready);
	bus->result = exchange(fd, &bus->message, bus->words);
	eventfd_write(ready, 1);
	put_bus(bus);
	return NULL;
}

/* Of no signal's business. */
static int start_thread(struct medio_vduse_bus *bus)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	atomic_store(&bus->users, 2);
	int ret = -pthread_create(&thread, &attr, wait_for_kernel, bus);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret)
		atomic_store(&bus->users, 1);
	return ret;
}

/* ---- In words ---------------------------------------------------------------------------------------------- */

bool medio_vduse_bus_has(const struct medio_vduse_kernel *kernel, const char *name)
{
	char path[sizeof("/sys/bus/vdpa/devices/") + VDUSE_NAME_MAX];

	snprintf(path, sizeof(path), "/sys/bus/vdpa/devices/%s", name);
	return kernel->inode(kernel->opaque, path);
}

static bool has_driver(const struct medio_vduse_kernel *kernel, const char *name)
{
	char path[sizeof("/sys/bus/vdpa/devices//driver") + VDUSE_NAME_MAX];

	snprintf(path, sizeof(path), "/sys/bus/vdpa/devices/%s/driver", name);
	return kernel->inode(kernel->opaque, path);
}

static const char *words_of(const struct medio_vduse_bus *bus, char *buf, size_t size)
{
	const struct medio_vduse *v = bus->vduse;

	if (bus->result == -EPERM || bus->result == -EACCES)
		snprintf(buf, size, "only root (CAP_NET_ADMIN) may change the vDPA bus");
	else if (bus->result)
		snprintf(buf, size, "'%s' could not be %s the vDPA bus: %s%s%s", v->name,
			bus->add ? "put on" : "taken off", strerror(-bus->result),
			*bus->words ? ": " : "", bus->words);
	else if (bus->add && !has_driver(v->kernel, v->name))
		snprintf(buf, size,
			"'%s' is on the vDPA bus, but no driver there: 'modprobe virtio_vdpa' makes "
			"it a device of this machine, 'modprobe vhost_vdpa' one for QEMU",
			v->name);
	else
		return NULL;
	return buf;
}

static void end(struct medio_vduse_bus *bus)
{
	medio_watch_free(bus->watch);
	if (bus->socket >= 0)
		close(bus->socket);
	if (bus->ready >= 0)
		close(bus->ready);
	bus->vduse->bus = NULL;
	put_bus(bus);
}

static void on_ready(void *opaque, uint32_t events)
{
	struct medio_vduse_bus *bus = opaque;
	medio_vduse_attached_fn *done = bus->done;
	void *to = bus->opaque;
	char buf[2 * WORDS + VDUSE_NAME_MAX];

	(void)events;
	const int result = bus->result;
	const char *words = words_of(bus, buf, sizeof(buf));
	end(bus);
	if (done)
		done(to, result, words);
}

void medio_vduse_bus_free(struct medio_vduse *v)
{
	if (v->bus)
		end(v->bus);
}

/* ---- Calls ---------------------------------------------------------------------------------------------------- */

static int open_bus(struct medio_vduse_bus *bus, struct medio_error **err)
{
	const struct medio_vduse *v = bus->vduse;
	const int on = 1;

	bus->ready = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	bus->socket = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (bus->ready < 0 || bus->socket < 0)
		return medio_error_set(err, errno, "cannot ask the vDPA bus: %s", strerror(errno));
	/* Words are welcome, and not needed. */
	setsockopt(bus->socket, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	int family = find_family(bus->socket);
	if (family < 0)
		return medio_error_set(err, family == -ENOENT ? ENOENT : -family,
			"there is no vDPA bus: load the kernel's module with 'modprobe vdpa'");
	begin(&bus->message, (uint16_t)family, bus->add ? VDPA_CMD_DEV_NEW : VDPA_CMD_DEV_DEL,
		VDPA_GENL_VERSION);
	if (bus->add)
		put_text(&bus->message, VDPA_ATTR_MGMTDEV_DEV_NAME, "vduse");
	put_text(&bus->message, VDPA_ATTR_DEV_NAME, v->name);
	bus->watch = medio_loop_watch(
		medio_instance_loop(v->inst), bus->ready, EPOLLIN, on_ready, bus);
	int ret = bus->watch ? start_thread(bus) : -ENOMEM;
	return ret ? medio_error_set(err, -ret, "cannot wait for the vDPA bus: %s", strerror(-ret))
		   : 0;
}

static int ask(struct medio_vduse *v, bool add, medio_vduse_attached_fn *done, void *opaque,
	struct medio_error **err)
{
	if (v->bus)
		return medio_error_set(err, EBUSY,
			"'%s' is being put on the vDPA bus, or taken off it, at this moment",
			v->name);
	if (medio_vduse_bus_has(v->kernel, v->name) == add)
		return medio_error_set(
			err, EALREADY, "'%s' is %s the vDPA bus", v->name, add ? "on" : "not on");
	struct medio_vduse_bus *bus = calloc(1, sizeof(*bus));
	if (!bus)
		return medio_error_set(err, ENOMEM, "out of memory");
	bus->users = 1;
	bus->vduse = v;
	bus->done = done;
	bus->opaque = opaque;
	bus->add = add;
	bus->socket = bus->ready = -1;
	v->bus = bus;
	int ret = open_bus(bus, err);
	if (ret)
		end(bus);
	return ret;
}

bool medio_vduse_on_bus(const struct medio_vduse *v)
{
	return medio_vduse_bus_has(v->kernel, v->name);
}

int medio_vduse_attach(struct medio_vduse *v, medio_vduse_attached_fn *done, void *opaque,
	struct medio_error **err)
{
	return ask(v, true, done, opaque, err);
}

int medio_vduse_detach(struct medio_vduse *v, medio_vduse_attached_fn *done, void *opaque,
	struct medio_error **err)
{
	return ask(v, false, done, opaque, err);
}
