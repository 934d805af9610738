/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio device for this machine's own kernel. The kernel keeps status, features and rings' addresses, and
 * asks us by messages; rings and buffers are its memory, mapped here; eventfds notify us, ioctls interrupt.
 *
 *     the kernel's driver (virtio_vdpa), or another's (vhost_vdpa)
 *           |  vDPA bus
 *     /dev/vduse/NAME     messages, ioctls, memory
 *           |
 *     vduse.c             made, taken up, left behind
 *     vduse_open.c        the files, and words for what the kernel says
 *     vduse_message.c     status, positions, memory: asked and answered
 *     vduse_queue.c       where queues go on, notifications and interrupts
 *     vduse_memory.c      what is mapped
 *     vduse_notes.c       what is in flight, for whoever comes after a kill
 *     vduse_bus.c         onto the vDPA bus and off it
 *
 * Source: Linux <linux/vduse.h>, Documentation/userspace-api/vduse.rst, drivers/vdpa/vdpa_user (6.12).
 *
 * Threads: the device's; vduse_bus.c waits for the kernel in one of its own.
 */
#ifndef MEDIO_SERVE_VDUSE_H
#define MEDIO_SERVE_VDUSE_H

#include <linux/ioctl.h>
#include <linux/vduse.h>
#include <medio/serve.h>
#include <sys/epoll.h>

#include "virtio/bare.h"

/* What is asked of the kernel, so that a test can stand in for it. */
struct medio_vduse_kernel {
	/* Descriptors, or what ioctl() returns; -errno. path as it would be without a stand-in. */
	int (*open)(void *opaque, const char *path, int flags);
	int (*ioctl)(void *opaque, int fd, unsigned long request, void *arg);
	/* The inode of a file or folder, 0: it is not there. */
	uint64_t (*inode)(void *opaque, const char *path);
	void *opaque;
	const char *folder; /* for notes; NULL: the runtime folder's */
};
extern const struct medio_vduse_kernel medio_vduse_linux;

struct medio_vduse_region {
	uint64_t start, size;
};

struct medio_vduse_queue {
	struct medio_vduse *vduse;
	unsigned index;
	int kick_fd; /* -1: the driver has not set the queue up */
	struct medio_watch *watch;
	struct medio_virtq_position last; /* of a queue that is not live: where it was */
};

/* Notes of what is in flight, in a file that outlives us. */
struct medio_vduse_notes {
	char *path; /* NULL: there are none */
	int fd;
	void *at;
	size_t size, slot; /* bytes of all, and of a queue's */
	size_t mapped;	   /* of a file that was left, perhaps not as many */
};

struct medio_vduse {
	struct medio_instance *inst;
	struct medio_virtio_core *core;
	const struct medio_vduse_kernel *kernel;
	char *name;
	int fd; /* -1: given up */
	struct medio_watch *watch;

	uint16_t id;
	uint64_t features; /* as the kernel was told */
	unsigned num_queues;
	struct medio_vduse_queue *queues;
	struct medio_vduse_region *regions;
	unsigned num_regions;
	uint8_t *config; /* as the kernel has it, config_size bytes */
	unsigned config_size;

	bool driver_ok; /* the kernel's driver is up */
	/* It is, but what its buffers are in is not there yet: the device goes live when it notifies. */
	bool waits;
	bool resume;	/* what is set up was in use by a process before us */
	bool reset_due; /* a reset is to be answered */
	uint32_t reset_request;

	struct medio_vduse_notes notes;
	struct medio_vduse_bus *bus;
};

/* vduse.c */
int medio_vduse_new_on(struct medio_instance *inst, const char *name,
	const struct medio_vduse_kernel *kernel, struct medio_vduse **out,
	struct medio_error **err);
/* -errno as return value. */
int medio_vduse_ioctl(const struct medio_vduse *v, unsigned long request, void *arg);
/* The device is of no use to anybody any more. */
void medio_vduse_give_up(struct medio_vduse *v);
/* Tell the kernel what our configuration is, if that is news (or all: it must be), and its driver. */
void medio_vduse_config_sync(struct medio_vduse *v, bool all);

/* vduse_open.c */
/* /dev/vduse/control, ready for use; or -errno and words. */
int medio_vduse_open_control(const struct medio_vduse_kernel *kernel, struct medio_error **err);
/* CREATE_DEV, DESTROY_DEV on it. create: -EEXIST without words; -errno and words. */
int medio_vduse_create(const struct medio_vduse *v, int control, struct medio_error **err);
int medio_vduse_destroy(const struct medio_vduse *v, int control);
/* /dev/vduse/NAME. */
int medio_vduse_open_device(
	const struct medio_vduse_kernel *kernel, const char *name, struct medio_error **err);
/* Not ours to offer over VDUSE, for devices of this kind. */
uint64_t medio_vduse_not_offered(uint16_t id);

/* vduse_message.c */
/* Handle one message, and answer it unless that must wait. Anything may stand in it. */
void medio_vduse_message(struct medio_vduse *v, const struct vduse_dev_request *request);
/* A watch's callback for v->fd. */
void medio_vduse_readable(void *v, uint32_t events);
/* The core has reset the device. */
void medio_vduse_reset_done(struct medio_vduse *v);

/* vduse_queue.c */
/*
 * Set up every queue that the driver has made ready; they go live with the device. With v->resume they go on
 * where they were, or -errno and words.
 */
int medio_vduse_queues_start(struct medio_vduse *v, struct medio_error **err);
/* Live now, whatever is still missing. */
void medio_vduse_go_live(struct medio_vduse *v);
/* Finish what is in flight, remember where queues are, and let them go. */
void medio_vduse_queues_stop(struct medio_vduse *v);
/* No notifications any more; a driver sets its queues up anew after a reset. */
void medio_vduse_queues_forget(struct medio_vduse *v);
/* False: no such queue. */
bool medio_vduse_queue_position(
	struct medio_vduse *v, unsigned index, struct medio_virtq_position *position);
void medio_vduse_interrupt(struct medio_vduse *v, unsigned index);

/* vduse_memory.c */
/* [start, last] is another: what was mapped there goes, and what there is now comes. */
void medio_vduse_memory_update(struct medio_vduse *v, uint64_t start, uint64_t last);
/* Map what has come without a word. */
void medio_vduse_memory_look(struct medio_vduse *v);
void medio_vduse_memory_drop(struct medio_vduse *v);
/* Is there more than rings? */
bool medio_vduse_memory_has_buffers(const struct medio_vduse *v);

/* vduse_notes.c */
/* Open the file of notes, new or as it was left; without one the device works, and cannot be taken up. */
void medio_vduse_notes_open(struct medio_vduse *v, bool fresh);
/* Are they of this device, as it is now? -EEXIST and words: no. */
int medio_vduse_notes_check(const struct medio_vduse *v, struct medio_error **err);
/* A queue's, of size entries; NULL: there are none. fresh: make them empty. */
void *medio_vduse_notes_of(
	const struct medio_vduse *v, unsigned index, bool packed, unsigned size, bool fresh);
/* Where it was when it was stopped, to be read and written; NULL: there are none. */
struct medio_virtq_position *medio_vduse_notes_position(
	const struct medio_vduse *v, unsigned index);
/* remove: the device goes for good. */
void medio_vduse_notes_close(struct medio_vduse *v, bool remove);

/* vduse_bus.c */
bool medio_vduse_bus_has(const struct medio_vduse_kernel *kernel, const char *name);
/* What is under way goes on without us. */
void medio_vduse_bus_free(struct medio_vduse *v);

#endif
