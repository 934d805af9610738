/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * medio/serve.h: put devices on the air from your own program.
 *
 *     struct medio_loop *loop;
 *     struct medio_instance *inst;
 *     struct medio_server *server;
 *     struct medio_instance_options opts = { .params = params, .nparams = 1 };
 *
 *     medio_loop_new(&loop);
 *     medio_instance_new(loop, &my_type, &opts, &inst, &err);
 *     medio_server_new(inst, "/run/my.sock", NULL, &server, &err);
 *     medio_loop_run(loop);
 *
 * Threads: a loop and all that was made on it belong to one thread. Make as many loops as there
 * are threads; they share nothing. medio_loop_stop() alone may be called from any thread and from
 * a signal handler.
 */
#ifndef MEDIO_SERVE_H
#define MEDIO_SERVE_H

#include <medio/device.h>
#include <medio/error.h>
#include <medio/filter.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Loop -------------------------------------------------------------------------------------- */

struct medio_loop;

/* -ENOMEM, -EMFILE, -ENFILE. */
MEDIO_API int medio_loop_new(struct medio_loop **out);
/* Everything made on the loop must be gone. NULL is allowed. */
MEDIO_API void medio_loop_free(struct medio_loop *loop);
/* Run until medio_loop_stop(). Returns 0, or -errno if waiting failed. */
MEDIO_API int medio_loop_run(struct medio_loop *loop);
/* Handle what is ready, waiting at most timeout_ms (-1: for ever, 0: not at all). Returns the
 * number of callbacks run, or -errno. */
MEDIO_API int medio_loop_run_once(struct medio_loop *loop, int timeout_ms);
/* End medio_loop_run(). Any thread; async-signal-safe. */
MEDIO_API void medio_loop_stop(struct medio_loop *loop);
/* Busy-poll for this long after the last event before sleeping; 0 (default): never. Buys latency
 * with a core. */
MEDIO_API void medio_loop_set_poll(struct medio_loop *loop, uint64_t poll_ns);
/*
 * A watch or timer of your own, as medio_watch_new() and medio_timer_new() of <medio/device.h> make
 * for a device; what can be done with them stands there. NULL: ENOMEM, or, for a watch, errno says
 * why fd cannot be polled.
 */
MEDIO_API struct medio_watch *medio_loop_watch(
	struct medio_loop *loop, int fd, uint32_t events, medio_watch_fn *fn, void *opaque);
MEDIO_API struct medio_timer *medio_loop_timer(
	struct medio_loop *loop, medio_timer_fn *fn, void *opaque);
/* Readable when medio_loop_run_once(loop, 0) has work, for a program with a loop of its own; or
 * -EMFILE, -ENFILE, -ENOMEM. */
MEDIO_API int medio_loop_fd(struct medio_loop *loop);

/* ---- Instance: a device that runs ------------------------------------------------------------- */

struct medio_instance;

/*
 * What an instance has done, since it was made. Plain counters, written by the loop's thread with
 * single stores; another thread or process that reads them sees values that may be a moment old.
 */
struct medio_stats {
	uint64_t messages;	/* requests of clients that were handled */
	uint64_t reads, writes; /* region accesses that reached the chain */
	uint64_t irqs;		/* interrupts delivered: eventfds signalled */
	/* Bytes of client memory that were copied, at once or later. What a device does through the
	 * pointers of medio_dma_get() and medio_dma_pin() is not seen. */
	uint64_t dma_read, dma_written;
	uint64_t faults;    /* DMA that was refused */
	uint64_t errors;    /* what clients and guests did wrong, logged or not */
	uint64_t clients;   /* clients that agreed on a VERSION, ever */
	uint64_t connected; /* 1: there is one now */
};

struct medio_instance_options {
	const char *uuid;	   /* 36 characters, or NULL: a random one */
	const char *const *params; /* nparams strings "name=value" */
	unsigned nparams;
	/* Filters, the first nearest to the transport; each "name" or "name:key=value,key=value". */
	const char *const *filters;
	unsigned nfilters;
	/* The filters those names may mean; NULL-terminated, or NULL: none. */
	const struct medio_filter *const *known_filters;
	/* Where log lines go; NULL: standard error. Called on the loop's thread. */
	void (*log)(void *opaque, enum medio_log_level level, const char *line);
	void *log_opaque;
	/* Where to count; NULL: in the instance. Zeroed at creation; it must outlive the instance. */
	struct medio_stats *stats;
	/*
	 * Virtual functions. vf_options: VF number index is about to be made; change what opts says (uuid,
	 * filters, log, stats, whose defaults are those of the PF and medio_vf_uuid(); but stats are the VF's
	 * own). vf: it is there and can be
	 * served, after all of them have been made; or, present false, it goes when this returns, so
	 * servers on it must be gone then. All on the loop's thread. NULL: VFs come, and nobody serves
	 * them.
	 */
	void (*vf_options)(void *opaque, unsigned index, struct medio_instance_options *opts);
	void (*vf)(void *opaque, struct medio_instance *vf, unsigned index, bool present);
	void *vf_opaque;
};

/*
 * Make an instance of type. Errors, with words in *err:
 *   -EINVAL  the type's data is not possible (a BAR that is no power of two …), an unknown or
 *            malformed parameter or filter, a bad UUID
 *   -EPROTO  the type was built for another MEDIO_DEVICE_ABI
 *   -ENOMEM, or what the device's init() returned
 */
MEDIO_API int medio_instance_new(struct medio_loop *loop, const struct medio_type *type,
	const struct medio_instance_options *opts, struct medio_instance **out,
	struct medio_error **err);
/* Servers on it must be gone, and it is no virtual function: those go before their PF does. NULL is
 * allowed. */
MEDIO_API void medio_instance_free(struct medio_instance *inst);
MEDIO_API const char *medio_instance_uuid(const struct medio_instance *inst);
MEDIO_API const struct medio_stats *medio_instance_stats(const struct medio_instance *inst);
/* What its device asked for with medio_dev_needs(): MEDIO_NEEDS_*. */
MEDIO_API unsigned medio_instance_needs(const struct medio_instance *inst);
/* Ask the client to give the device back: its REQ interrupt. Without one it cannot be asked. */
MEDIO_API void medio_instance_request(struct medio_instance *inst);
/*
 * An attribute of the type, or of a filter (<medio/filter.h>), by name. show prints into buf and returns the
 * length. Errors: -ENOENT no such attribute, -EIO not that way, -ENOBUFS size too small, or the attribute's own.
 */
MEDIO_API ssize_t medio_instance_attr_show(
	struct medio_instance *inst, const char *name, char *buf, size_t size);
MEDIO_API int medio_instance_attr_store(
	struct medio_instance *inst, const char *name, const char *text, size_t size);
/*
 * The whole state as bytes: config space, MSI-X table and what the device's save() gives, for a
 * restart in another process.
 *
 * save, also while a client is connected: the size, or the size needed if it is more than cap (buf
 * then holds nothing). -EBUSY: the device is not quiet now, or owes an answer: ask again later;
 * -EOPNOTSUPP: it has no save() and load(); -EFBIG: over 256 MiB; or what its save() gave.
 *
 * load, before a client comes; the bytes may be anybody's. -EBUSY: a client is connected, or the
 * device is not quiet; -EOPNOTSUPP; nothing has then changed. -EINVAL: not the state of this type,
 * or not good; or what its load() gave: the instance is then as after a reset.
 */
MEDIO_API ssize_t medio_instance_save(struct medio_instance *inst, void *buf, size_t cap);
MEDIO_API int medio_instance_load(struct medio_instance *inst, const void *buf, size_t size);

/* ---- Virtual functions of an instance (SR-IOV) --------------------------------------------------- */

struct medio_sriov_info {
	unsigned total, num;	 /* there can be, there are */
	unsigned offset, stride; /* of their routing IDs: PF + offset + stride * n */
	uint16_t vf_device;	 /* VF Device ID of the capability */
};

/* -ENODEV: it is no physical function. */
MEDIO_API int medio_instance_sriov(const struct medio_instance *inst, struct medio_sriov_info *out);
/*
 * Make n VFs, or take all away (0): what a write to sriov_numvfs means, as a driver in the capability would do
 * it. Errors are the kernel's, with words: -ERANGE more than total; -EBUSY there are VFs already, and
 * another number of them, or they are being made or taken away; -ENODEV no physical function; -EOPNOTSUPP a bare
 * instance; or what a VF's init() or the device's vfs() gave (there are then none). n VFs already: 0, and
 * nothing happens. Such VFs stay when the PF is reset, as the kernel makes a card's VFs again after that; those that
 * a driver has made in the capability go. Source: Linux drivers/pci/iov.c, sriov_numvfs_store().
 */
MEDIO_API int medio_instance_set_vfs(
	struct medio_instance *inst, unsigned n, struct medio_error **err);
/* VF n, or NULL. */
MEDIO_API struct medio_instance *medio_instance_vf(const struct medio_instance *inst, unsigned n);
/* The physical function of a VF, or NULL. */
MEDIO_API struct medio_instance *medio_instance_pf(const struct medio_instance *inst);
/* The UUID that VF number index of the PF with UUID pf has: by name (RFC 9562, version 5, "vf0" in the
 * namespace that the PF's UUID is). out: 37 bytes. -EINVAL: pf is no UUID. Any thread. */
MEDIO_API int medio_vf_uuid(const char *pf, unsigned index, char out[37]);

/* ---- vfio-user server -------------------------------------------------------------------------- */

struct medio_server;

struct medio_server_options {
	mode_t mode;		    /* of the socket file; 0: 0600 */
	uint32_t max_data_xfer;	    /* bytes, 4096 to 64 MiB; 0: 1 MiB */
	unsigned client_timeout_ms; /* for VERSION, and for the rest of half a message; 0: 5000 */
	bool once; /* stop the loop when the first client that agreed on a VERSION has gone */
	/* A connection given to medio_server_take() as number has ended; called once for each, also
	 * if its client was turned away. Here the server may be given another, but must not be
	 * freed. NULL: nobody wants to know. */
	void (*gone)(void *opaque, uint64_t number);
	void *opaque;
};

/*
 * Listen for a vfio-user client on a unix socket at path. One client at a time: while one is
 * connected another is told EBUSY in its VERSION reply. Errors, with words in *err: -ENAMETOOLONG
 * (107 bytes at most), -EADDRINUSE (somebody serves there; a stale socket is replaced), -EACCES,
 * -ENOENT (no such folder), -ENOMEM, -EMFILE.
 */
MEDIO_API int medio_server_new(struct medio_instance *inst, const char *path,
	const struct medio_server_options *opts, struct medio_server **out,
	struct medio_error **err);
/* As above on a connected socket, which the server then owns (also on failure). */
MEDIO_API int medio_server_new_fd(struct medio_instance *inst, int fd,
	const struct medio_server_options *opts, struct medio_server **out,
	struct medio_error **err);
/* Without a socket of its own: connections come from somebody who accepts them. -ENOMEM, -EINVAL. */
MEDIO_API int medio_server_new_idle(struct medio_instance *inst,
	const struct medio_server_options *opts, struct medio_server **out,
	struct medio_error **err);
/* Serve a connected socket, which the server then owns (also on failure); number is for gone(),
 * which is not called after a failure. -EBUSY: too many are being turned away; -EPERM: no socket;
 * -ENOMEM. */
MEDIO_API int medio_server_take(struct medio_server *server, int fd, uint64_t number);
/* Let every client go, and be ready for others: on return the device has none, and what was answered
 * is on its way. Does not wait; a connection is gone() when its client has hung up too, or after a
 * second. */
MEDIO_API void medio_server_disconnect(struct medio_server *server);
/* Finishes what was answered, lets the client go (never with data unread), removes the socket. It
 * waits for clients that do not hang up, 0.2 s in all; a program with other devices on the loop
 * calls medio_server_disconnect() first and this when they are gone(). */
MEDIO_API void medio_server_free(struct medio_server *server);

/* ---- vhost-user: a virtio device without a card ------------------------------------------------ */

struct medio_vhost;

struct medio_vhost_options {
	mode_t mode;  /* of the socket file; 0: 0600 */
	bool connect; /* the front-end listens at path; connect, and again when it has gone */
	unsigned client_timeout_ms; /* for the rest of half a message; 0: 5000 */
	bool once;		    /* stop the loop when the first front-end has gone */
};

/*
 * Like medio_instance_new(), without the card: for vhost-user and VDUSE. Filters stand before a card's
 * registers, so there are none. -ENOTSUP, with words: type is not a virtio device.
 */
MEDIO_API int medio_instance_new_bare(struct medio_loop *loop, const struct medio_type *type,
	const struct medio_instance_options *opts, struct medio_instance **out,
	struct medio_error **err);
/*
 * Serve a bare instance to a vhost-user front-end (QEMU's docs/interop/vhost-user.rst), one at a time, at a
 * unix socket: listening there, or with opts->connect as the one who connects, which it does again, with
 * pauses up to a second, whenever nobody is there. Errors as medio_server_new(); -ENOTSUP: the
 * instance is not bare.
 */
MEDIO_API int medio_vhost_new(struct medio_instance *inst, const char *path,
	const struct medio_vhost_options *opts, struct medio_vhost **out, struct medio_error **err);
/* As above on a connected socket, which is then owned (also on failure). */
MEDIO_API int medio_vhost_new_fd(struct medio_instance *inst, int fd,
	const struct medio_vhost_options *opts, struct medio_vhost **out, struct medio_error **err);
/* Lets the front-end go and removes the socket: what is in flight is given back first. NULL is allowed. */
MEDIO_API void medio_vhost_free(struct medio_vhost *vhost);

/* ---- VDUSE: a virtio device for this machine's own kernel ---------------------------------------- */

struct medio_vduse;

/*
 * Make /dev/vduse/NAME for a bare instance, or take up one that was left behind (a process that was killed):
 * once it is added to the vDPA bus, the kernel's driver or another's uses the device. Errors, with
 * words that say what to do (which module to load):
 *   -ENOENT   no /dev/vduse/control       -EACCES, -EPERM  only root may
 *   -EBUSY    another process has it      -EEXIST  one is on the bus that was left behind by something
 *             else, is of another kind, or has other queues or features
 *   -EIO      one is on the bus that the kernel has given up, since nobody answered it for too long
 *   -ENOTSUP  this kernel's VDUSE does not carry that kind of device; the instance is not bare
 *   -EINVAL   a name of 0 or over 255 bytes, or with '/'; or what ioctl() says
 */
MEDIO_API int medio_vduse_new(struct medio_instance *inst, const char *name,
	struct medio_vduse **out, struct medio_error **err);
/* Is it on the vDPA bus now? */
MEDIO_API bool medio_vduse_on_bus(const struct medio_vduse *vduse);
/*
 * Put it on the vDPA bus, as `vdpa dev add name NAME mgmtdev vduse` does, or take it off again (`vdpa dev
 * del NAME`: what uses it loses it, and requests under way are finished first). The kernel asks the device for
 * this and that meanwhile, so the loop must run; there done() is called once, unless medio_vduse_free() was
 * first: with 0 and words for the user (which driver is missing, or NULL: all is well), or with -errno and
 * words that say what to do. Errors, with words, and done() is not called:
 *   -ENOENT   there is no vDPA bus (module vdpa)
 *   -EALREADY it is there, or is not there, as asked for   -EBUSY  another such call is not done
 *   -ENOMEM, or what the socket says
 */
typedef void medio_vduse_attached_fn(void *opaque, int ret, const char *words);
MEDIO_API int medio_vduse_attach(struct medio_vduse *vduse, medio_vduse_attached_fn *done,
	void *opaque, struct medio_error **err);
MEDIO_API int medio_vduse_detach(struct medio_vduse *vduse, medio_vduse_attached_fn *done,
	void *opaque, struct medio_error **err);
/* The device goes, unless it is on the vDPA bus still: then it stays, without us, for the next. NULL is
 * allowed. */
MEDIO_API void medio_vduse_free(struct medio_vduse *vduse);

#ifdef __cplusplus
}
#endif

#endif
