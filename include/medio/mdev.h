/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * medio/mdev.h: mediated devices: parents, types, instances.
 *
 * A parent offers types; an instance of a type is created by giving a UUID and is run by the
 * parent's bus driver. It is the kernel's mdev bus as data and calls: same order of events, same
 * errno (Linux drivers/vfio/mdev, Documentation/driver-api/vfio-mediated-device.rst). Nothing here
 * does I/O, blocks or knows where the device runs; the driver does (in this process:
 * medio_mdev_local; in mediod: a worker process).
 *
 *     struct medio_bus *bus;
 *     struct medio_parent *parent;
 *     struct medio_mdev *mdev;
 *
 *     medio_bus_new(&bus);
 *     medio_mdev_driver_register(bus, &medio_mdev_local, loop, &err);
 *     medio_parent_register(bus, &mtty_parent, &medio_mdev_local, &parent, &err);
 *     medio_mdev_create(parent, medio_parent_find_type(parent, "mtty-2"), NULL, 0, NULL, &mdev,
 *             &err);
 *
 * Later: calls that the kernel would sleep in return MEDIO_DEFERRED instead, and a callback tells
 * the end. The callback is not called when 0 or -errno was returned.
 *
 * Re-entrance: drivers and subscribers are called from inside create, remove and unregister. Such
 * a call for the same parent from there gets -EAGAIN (the kernel's try-lock). Reading, open, close
 * and medio_mdev_probe_done() are always allowed.
 *
 * Threads: a bus and all on it belong to one thread.
 */
#ifndef MEDIO_MDEV_H
#define MEDIO_MDEV_H

#include <medio/serve.h>

#ifdef __cplusplus
extern "C" {
#endif

struct medio_bus;
struct medio_parent;
struct medio_mdev;

/* The end of a call that was MEDIO_DEFERRED: ret is 0 or -errno. */
typedef void medio_mdev_done(void *opaque, int ret);

/* ---- The bus ----------------------------------------------------------------------------------- */

/* -ENOMEM. */
MEDIO_API int medio_bus_new(struct medio_bus **out);
/* Takes everything down, newest parent first; what is still open is removed all the same, so its
 * users must be gone. Not from a callback. NULL is allowed. */
MEDIO_API void medio_bus_free(struct medio_bus *bus);

/* ---- Drivers ----------------------------------------------------------------------------------- */

/*
 * Text of an attribute: ret is its length or -errno. text is valid during the call only, and NULL
 * for a store.
 */
typedef void medio_mdev_attr_done(void *opaque, ssize_t ret, const char *text);

/*
 * A bus driver: what runs instances. Constant data; it must outlive its registration and the
 * parents that name it. Source: Linux include/linux/mdev.h, struct mdev_driver; vfio_device_ops.
 */
struct medio_mdev_driver {
	const char *name;	/* also the name of its folder: no '/' */
	const char *device_api; /* text of a type's device_api; NULL: "vfio-pci" */
	unsigned max_instances; /* of one parent; 0: as many as the pool gives */
	/*
	 * Start the instance's device: 0, -errno (say why with medio_mdev_fail()), or
	 * MEDIO_DEFERRED: medio_mdev_probe_done() follows. What the instance is: medio_mdev_type(),
	 * medio_mdev_uuid(), medio_mdev_options().
	 */
	int (*probe)(struct medio_mdev *mdev);
	/*
	 * The device stops; nobody has it open. It may come before a deferred probe was answered:
	 * then it must not be answered any more. Attribute calls not yet answered are to be
	 * answered here (-ENODEV). May be NULL.
	 */
	void (*remove)(struct medio_mdev *mdev);
	/* The user is asked to let go of an open instance: at once (count 0) and then at each
	 * medio_mdev_request(). It may close it from here. May be NULL. */
	void (*request)(struct medio_mdev *mdev, unsigned count);
	/* How many more of type could be created; NULL: computed from pool and max_instances, which
	 * with this are not enforced either: probe() then refuses (the kernel's rule). */
	unsigned (*get_available)(struct medio_parent *parent, const struct medio_type *type);
	/* Print the description, ending with a newline: length or -errno. NULL: type->description. */
	ssize_t (*show_description)(
		struct medio_parent *parent, const struct medio_type *type, char *buf, size_t size);
	/*
	 * Attributes of the instance (type->attrs). Call done, from within or later, and return 0;
	 * or return -errno and never call it. attr has the operation asked for; text of a store
	 * is valid during the call only. NULL: attributes fail with -EIO.
	 */
	int (*attr_show)(struct medio_mdev *mdev, const struct medio_attr *attr,
		medio_mdev_attr_done *done, void *opaque);
	int (*attr_store)(struct medio_mdev *mdev, const struct medio_attr *attr, const char *text,
		size_t size, medio_mdev_attr_done *done, void *opaque);
	/* Guest memory; NULL: -EOPNOTSUPP. Arguments are checked; see medio_mdev_pin_pages(). */
	int (*pin_pages)(struct medio_mdev *mdev, uint64_t iova, unsigned npage, unsigned prot,
		void **pages);
	void (*unpin_pages)(struct medio_mdev *mdev, uint64_t iova, unsigned npage);
	int (*dma_rw)(struct medio_mdev *mdev, uint64_t iova, void *buf, size_t len, bool write);
};

/*
 * Make a driver known; opaque is for its use (medio_mdev_driver_opaque()). Errors, with words:
 *   -EINVAL  no name, a name with '/', no probe
 *   -EEXIST  a driver of that name is registered
 *   -ENOMEM
 * As in the kernel no instance is bound by this: only creation and medio_mdev_bind() do.
 */
MEDIO_API int medio_mdev_driver_register(struct medio_bus *bus,
	const struct medio_mdev_driver *driver, void *opaque, struct medio_error **err);
/*
 * Unbind the driver's instances and forget it. The instances stay, without a driver; their parents
 * create no more (-ENODEV) until it is registered again. 0; MEDIO_DEFERRED: some are open and their
 * users have been asked; -ENODEV not registered or already leaving; -EAGAIN from a callback.
 */
MEDIO_API int medio_mdev_driver_unregister(struct medio_bus *bus,
	const struct medio_mdev_driver *driver, medio_mdev_done *done, void *done_opaque);
/* Next driver in the order of registration, first with prev NULL, NULL at the end. */
MEDIO_API const struct medio_mdev_driver *medio_bus_next_driver(
	const struct medio_bus *bus, const struct medio_mdev_driver *prev);

/* ---- Parents and types ------------------------------------------------------------------------- */

/* An attribute of a parent: "mtty_dev/sample_mtty_dev". show and store as in struct medio_attr. */
struct medio_parent_attr {
	const char *name; /* NULL ends a list; "group/name" makes a folder */
	ssize_t (*show)(struct medio_parent *parent, const struct medio_parent_attr *attr,
		char *buf, size_t size);
	int (*store)(struct medio_parent *parent, const struct medio_parent_attr *attr,
		const char *buf, size_t size);
};

/* What a parent is. It must outlive the parent, and is constant but for capacity. */
struct medio_parent_desc {
	const char *name; /* "mtty"; no '/' */
	const char *path; /* its place under /sys; NULL: "/devices/virtual/NAME/NAME" */
	const struct medio_type *const *types; /* NULL ends the list; at least one */
	/* Units to share among its instances, each taking type->units (0 means 1) while a driver is
	 * bound to it: 24 ports. 0: there is no pool. It may change at any time: with less than is
	 * taken nothing happens to those who have it, and no more can be created. */
	unsigned capacity;
	const struct medio_parent_attr *attrs; /* NULL: none */
	void *opaque;			       /* for attrs and drivers */
};

/*
 * Register a parent whose instances driver will run. Ends with event CHANGE, MDEV_STATE=registered.
 * Errors, with words:
 *   -EINVAL  no name or types, a name with '/'
 *   -EEXIST  registered already (this desc, or the name), or two types of one name
 *   -ENODEV  the driver is not registered
 *   -ENOMEM
 */
MEDIO_API int medio_parent_register(struct medio_bus *bus, const struct medio_parent_desc *desc,
	const struct medio_mdev_driver *driver, struct medio_parent **out,
	struct medio_error **err);
/*
 * In the kernel's order: from now on creates and removes fail with -ENODEV; instances are removed,
 * oldest first; types are gone; event CHANGE, MDEV_STATE=unregistered. The parent is then freed.
 * 0; MEDIO_DEFERRED: instances are open and their users have been asked; -ENODEV already leaving;
 * -EAGAIN from a callback of this parent.
 */
MEDIO_API int medio_parent_unregister(
	struct medio_parent *parent, medio_mdev_done *done, void *done_opaque);

MEDIO_API const struct medio_parent_desc *medio_parent_desc(const struct medio_parent *parent);
MEDIO_API const struct medio_mdev_driver *medio_parent_driver(const struct medio_parent *parent);
MEDIO_API struct medio_bus *medio_parent_bus(const struct medio_parent *parent);
/* Unregistering: it waits for instances to be closed. Its class link is gone. */
MEDIO_API bool medio_parent_leaving(const struct medio_parent *parent);
/* Units of the pool not taken; 0 without a pool. */
MEDIO_API unsigned medio_parent_units_left(const struct medio_parent *parent);
/* Its path under /sys, "/devices/virtual/mtty/mtty"; as snprintf. */
MEDIO_API int medio_parent_path(const struct medio_parent *parent, char *buf, size_t size);
/* Next parent in the order of registration, first with prev NULL, NULL at the end. */
MEDIO_API struct medio_parent *medio_bus_next_parent(
	const struct medio_bus *bus, const struct medio_parent *prev);
/* NULL: no such parent. */
MEDIO_API struct medio_parent *medio_bus_find_parent(const struct medio_bus *bus, const char *name);
/* NULL: the parent has no type of that name. */
MEDIO_API const struct medio_type *medio_parent_find_type(
	const struct medio_parent *parent, const char *name);
/* The first parent that offers type name. -ENOENT, with the nearest name in words. */
MEDIO_API int medio_bus_find_type(const struct medio_bus *bus, const char *name,
	struct medio_parent **parent, const struct medio_type **type, struct medio_error **err);

/* How many more instances of type the parent takes now; UINT_MAX without any limit. */
MEDIO_API unsigned medio_type_available(struct medio_parent *parent, const struct medio_type *type);
/*
 * The text of a type's attribute as sysfs has it: "name" (the summary) and "device_api" "%s\n",
 * "available_instances" "%u\n", "description". The length, or -ENOENT (no such attribute, or no
 * description), -ENOBUFS (size too small).
 */
MEDIO_API ssize_t medio_type_show(struct medio_parent *parent, const struct medio_type *type,
	const char *attr, char *buf, size_t size);
/* A parent's own attribute: length or 0, -ENOENT none of that name, -EIO not that way, or the
 * attribute's own. */
MEDIO_API ssize_t medio_parent_attr_show(
	struct medio_parent *parent, const char *name, char *buf, size_t size);
MEDIO_API int medio_parent_attr_store(
	struct medio_parent *parent, const char *name, const char *buf, size_t size);

/* ---- Instances --------------------------------------------------------------------------------- */

/*
 * State         driver   open()   remove()            ends with
 * ADDING        no       ENODEV   EAGAIN              probe
 * PROBING       no       ENODEV   EAGAIN              probe's answer, then BIND
 * ACTIVE        bound    yes      yes                 remove, unbind
 * UNBINDING     bound    ENODEV   yes, then REMOVING  the last close
 * UNBOUND       no       ENODEV   yes                 bind, remove
 * REMOVING      bound    ENODEV   EAGAIN              the last close
 */
enum medio_mdev_state {
	MEDIO_MDEV_ADDING,
	MEDIO_MDEV_PROBING,
	MEDIO_MDEV_ACTIVE,
	MEDIO_MDEV_UNBINDING,
	MEDIO_MDEV_UNBOUND,
	MEDIO_MDEV_REMOVING,
};

/* Numbers of groups that can be asked for. */
#define MEDIO_MDEV_GROUPS (1 << 20)

/* How to create an instance. Strings are copied. */
struct medio_mdev_options {
	const char *const *params; /* nparams strings "name=value" */
	unsigned nparams;
	const char *const *filters; /* as in struct medio_instance_options */
	unsigned nfilters;
	const struct medio_filter *const *known_filters; /* not copied */
	/* 1 more than the number of the group to have (below MEDIO_MDEV_GROUPS) whenever a driver is
	 * bound, if it is free then; 0: the smallest free one. */
	int group;
	bool bare;	       /* a virtio device without a card, see medio_instance_new_bare() */
	struct medio_mdev *pf; /* it is a virtual function of this one, number vf (SR-IOV) */
	unsigned vf;
	bool unbound; /* no driver is asked: it begins as UNBOUND, until medio_mdev_bind() */
	/* For medio_mdev_local: as in struct medio_instance_options. Not copied beyond the first bind. */
	void (*vf_present)(void *opaque, struct medio_instance *vf, unsigned index, bool present);
	void *vf_opaque;
	const void *context; /* for the driver: there until its first probe() returns, then NULL */
	/*
	 * The end of a create that was MEDIO_DEFERRED. On failure ret is -errno, words say why (or
	 * are NULL), and mdev is gone when this returns.
	 */
	void (*created)(void *opaque, struct medio_mdev *mdev, int ret, const char *words);
	void *opaque;
};

/*
 * Create an instance: events ADD, then the driver's probe, BIND, and it is ACTIVE.
 *
 * uuid: len bytes as a user wrote them: 36 characters, and perhaps a newline (or NUL); any case.
 * NULL: a random one. opts and out may be NULL. *out is also set when MEDIO_DEFERRED is returned.
 *
 * Errors, with words, checked in this order (mdev_device_create):
 *   -EINVAL  uuid: length, a bad digit or dash
 *   -EEXIST  the UUID is in use, under any parent
 *   -EUSERS  the driver's max_instances are there; or type is a virtual function's, and opts->pf does not
 *            say whose
 *   -ENODEV  the parent is being unregistered; its driver or the type is not there
 *   -EAGAIN  called from a callback of this parent
 *   -ENOSPC  the pool has too few units left
 *   -EINVAL  opts->pf is of another parent, or type is not the type of its virtual functions; -EEXIST it
 *            has that one; -ENODEV it is going
 *   -ENOMEM, or what probe returned: event REMOVE has been sent and nothing is left
 * The pool is looked at before ADD, so a full one makes no pair of events as mtty's does.
 */
MEDIO_API int medio_mdev_create(struct medio_parent *parent, const struct medio_type *type,
	const char *uuid, size_t len, const struct medio_mdev_options *opts,
	struct medio_mdev **out, struct medio_error **err);
/*
 * Remove an instance: it leaves its type's devices, then the driver's remove, UNBIND, REMOVE, and
 * mdev is gone. While it is open that waits for the last close: MEDIO_DEFERRED, and the driver's
 * request() is called. Waiting cannot be called off.
 * -EAGAIN: not active (being created, or removed already), or called from a callback of it or its
 * parent. -ENODEV: the parent is being unregistered. -EBUSY: it is a virtual function, which goes with
 * medio_mdev_remove_vfs(). One that has virtual functions waits until they have gone, in their order; the
 * same holds when its driver is taken away.
 */
MEDIO_API int medio_mdev_remove(struct medio_mdev *mdev, medio_mdev_done *done, void *done_opaque);
/* Ask the user of an instance that waits for close once more (the kernel does every 10 s).
 * Nothing happens if it does not wait. */
MEDIO_API void medio_mdev_request(struct medio_mdev *mdev);
/* What a write to an instance's `remove` means: a number, base 0, perhaps a newline. Not 0: *remove
 * is true. -EINVAL: anything else (Linux kstrtoul). */
MEDIO_API int medio_mdev_parse_remove(const char *text, size_t len, bool *remove);

/*
 * Virtual functions (SR-IOV): instances that belong to another of the same parent, their physical function.
 * They take no units of the pool. remove_vfs: remove those from number from on, in order, as remove does; done
 * is called when the last of them has gone. 0: they have; MEDIO_DEFERRED; -EAGAIN: from a callback of their
 * parent, or somebody waits for that already.
 */
MEDIO_API int medio_mdev_remove_vfs(
	struct medio_mdev *pf, unsigned from, medio_mdev_done *done, void *done_opaque);
/* The physical function of a virtual one, NULL: it is none; its number. */
MEDIO_API struct medio_mdev *medio_mdev_pf(const struct medio_mdev *mdev);
MEDIO_API unsigned medio_mdev_vf_index(const struct medio_mdev *mdev);
/* Virtual function n, or NULL; how many there are; all by number, first with prev NULL, NULL at the end. */
MEDIO_API struct medio_mdev *medio_mdev_vf(const struct medio_mdev *pf, unsigned n);
MEDIO_API unsigned medio_mdev_num_vfs(const struct medio_mdev *pf);
MEDIO_API struct medio_mdev *medio_mdev_next_vf(
	const struct medio_mdev *pf, const struct medio_mdev *prev);
/* The type of type's virtual functions, which parent offers too: what its sriov says or, of one that has them
 * by its shape() only, the one called NAME-vf. NULL: it has none. */
MEDIO_API const struct medio_type *medio_type_vf(
	const struct medio_parent *parent, const struct medio_type *type);
/* The type of a virtual function of one of parent's types: nobody creates it. */
MEDIO_API bool medio_type_is_vf(const struct medio_parent *parent, const struct medio_type *type);

/* Take the driver away from an ACTIVE instance, or give it back to an UNBOUND one.
 * unbind: as remove; -ENODEV no driver. bind: 0, MEDIO_DEFERRED, -EBUSY bound already, -ENODEV no
 * such driver, -ENOSPC, -EAGAIN, or probe's error. */
MEDIO_API int medio_mdev_unbind(struct medio_mdev *mdev, medio_mdev_done *done, void *done_opaque);
MEDIO_API int medio_mdev_bind(struct medio_mdev *mdev, medio_mdev_done *done, void *done_opaque,
	struct medio_error **err);

/* Count a user in and out. open: -ENODEV not bound, or being removed. close may complete a removal:
 * mdev is then gone. */
MEDIO_API int medio_mdev_open(struct medio_mdev *mdev);
MEDIO_API void medio_mdev_close(struct medio_mdev *mdev);

/* For drivers. The answer of a probe that was MEDIO_DEFERRED: ret 0 or -errno. mdev may be gone
 * after a failure. */
MEDIO_API void medio_mdev_probe_done(struct medio_mdev *mdev, int ret);
/* For drivers: say why a probe fails; gives -errnum back. */
MEDIO_API int medio_mdev_fail(struct medio_mdev *mdev, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* For drivers: a pointer of their own, and what the driver was registered with. */
MEDIO_API void medio_mdev_set_data(struct medio_mdev *mdev, void *data);
MEDIO_API void *medio_mdev_data(const struct medio_mdev *mdev);
MEDIO_API void *medio_mdev_driver_opaque(const struct medio_mdev *mdev);
/* For drivers: send CHANGE for the instance; env is "KEY=value" or NULL. */
MEDIO_API void medio_mdev_changed(struct medio_mdev *mdev, const char *env);

/* 36 lower-case characters, owned by the instance. */
MEDIO_API const char *medio_mdev_uuid(const struct medio_mdev *mdev);
MEDIO_API const struct medio_type *medio_mdev_type(const struct medio_mdev *mdev);
MEDIO_API struct medio_parent *medio_mdev_parent(const struct medio_mdev *mdev);
MEDIO_API enum medio_mdev_state medio_mdev_state(const struct medio_mdev *mdev);
/* "active" … */
MEDIO_API const char *medio_mdev_state_name(enum medio_mdev_state state);
/* NULL: none bound. */
MEDIO_API const struct medio_mdev_driver *medio_mdev_driver(const struct medio_mdev *mdev);
/* The number of its IOMMU group (/dev/vfio/N): the one asked for, or the smallest free one when it
 * was bound; -1 unbound. It is there during probe and until after remove. */
MEDIO_API int medio_mdev_group(const struct medio_mdev *mdev);
MEDIO_API unsigned medio_mdev_opens(const struct medio_mdev *mdev);
/* What it was created with; the created callback is not in there. */
MEDIO_API const struct medio_mdev_options *medio_mdev_options(const struct medio_mdev *mdev);
/* Its path under /sys, "/devices/virtual/mtty/mtty/UUID"; as snprintf. */
MEDIO_API int medio_mdev_path(const struct medio_mdev *mdev, char *buf, size_t size);

/* uuid as for create. NULL: none, or no UUID. Constant time, however many there are. */
MEDIO_API struct medio_mdev *medio_bus_find_mdev(
	const struct medio_bus *bus, const char *uuid, size_t len);
MEDIO_API struct medio_mdev *medio_bus_find_group(const struct medio_bus *bus, int group);
/* All instances, oldest first (bus/mdev/devices); those of type NULL or one type, without those
 * being created or removed (a type's devices/). First with prev NULL, NULL at the end. */
MEDIO_API struct medio_mdev *medio_bus_next_mdev(
	const struct medio_bus *bus, const struct medio_mdev *prev);
MEDIO_API struct medio_mdev *medio_parent_next_mdev(const struct medio_parent *parent,
	const struct medio_type *type, const struct medio_mdev *prev);

/* ---- What is asked of a running instance ------------------------------------------------------- */

/*
 * Read or write an attribute of type->attrs by name. 0: done is called, perhaps from within.
 * -errno, and done is not called: -ENOENT no such attribute, -EIO not readable or writable,
 * -ENODEV no driver is bound.
 */
MEDIO_API int medio_mdev_attr_show(
	struct medio_mdev *mdev, const char *name, medio_mdev_attr_done *done, void *opaque);
MEDIO_API int medio_mdev_attr_store(struct medio_mdev *mdev, const char *name, const char *text,
	size_t size, medio_mdev_attr_done *done, void *opaque);

/* At most so many pages a call. Source: Linux include/linux/vfio.h, VFIO_PIN_PAGES_MAX_ENTRIES. */
#define MEDIO_MDEV_PIN_MAX 512

/*
 * Pin npage pages of 4096 bytes from iova; pages[i] becomes the pointer to page i. Returns npage,
 * or -errno with nothing pinned: -EINVAL nobody has the instance open, npage 0, iova unaligned or
 * wrapping, prot not of MEDIO_PROT_*, no mapping, or no dma_unmap operation in the device; -E2BIG
 * over MEDIO_MDEV_PIN_MAX; -EPERM protection; -EOPNOTSUPP its memory is not in this process.
 * Source: Linux drivers/vfio/vfio_main.c, vfio_pin_pages().
 */
MEDIO_API int medio_mdev_pin_pages(
	struct medio_mdev *mdev, uint64_t iova, unsigned npage, unsigned prot, void **pages);
MEDIO_API void medio_mdev_unpin_pages(struct medio_mdev *mdev, uint64_t iova, unsigned npage);
/* Copy len bytes from (or, write true, to) iova, across mappings. 0, -EINVAL nobody has it open,
 * len 0 or wrapping; -EOPNOTSUPP; or as medio_dma_read(). Source: vfio_dma_rw(). */
MEDIO_API int medio_mdev_dma_rw(
	struct medio_mdev *mdev, uint64_t iova, void *buf, size_t len, bool write);

/* ---- Events ------------------------------------------------------------------------------------ */

enum medio_mdev_action {
	MEDIO_MDEV_ADD,
	MEDIO_MDEV_REMOVE,
	MEDIO_MDEV_CHANGE,
	MEDIO_MDEV_BIND,
	MEDIO_MDEV_UNBIND,
};

/* A uevent, as udev would see it. Valid during the call only. */
struct medio_mdev_event {
	enum medio_mdev_action action;
	const char *path;      /* DEVPATH: "/devices/virtual/mtty/mtty/UUID" */
	const char *subsystem; /* "mdev", or the parent's name */
	const char *driver;    /* of BIND and CHANGE of an instance; else NULL */
	const char *env;       /* "MDEV_STATE=registered", or NULL */
	struct medio_parent *parent;
	struct medio_mdev *mdev; /* NULL: the event is the parent's */
};

struct medio_mdev_subscriber;
typedef void medio_mdev_event_fn(void *opaque, const struct medio_mdev_event *event);

/* Hear of every event from now on. -ENOMEM. */
MEDIO_API int medio_bus_subscribe(struct medio_bus *bus, medio_mdev_event_fn *fn, void *opaque,
	struct medio_mdev_subscriber **out);
/* Also from a callback. NULL is allowed; the bus frees those that are left. */
MEDIO_API void medio_mdev_unsubscribe(struct medio_mdev_subscriber *sub);
/* "add", "remove", "change", "bind", "unbind". */
MEDIO_API const char *medio_mdev_action_name(enum medio_mdev_action action);

/* ---- The driver for instances in this process -------------------------------------------------- */

/*
 * "medio-local": probe makes a struct medio_instance, remove frees it. Register it with the
 * struct medio_loop * the instances shall run on. Count each server on the instance with
 * medio_mdev_open() and medio_mdev_close(), so that a removal waits for it.
 */
MEDIO_API extern const struct medio_mdev_driver medio_mdev_local;
/* The running device, for medio_server_new(). NULL: not bound to medio_mdev_local. */
MEDIO_API struct medio_instance *medio_mdev_local_instance(const struct medio_mdev *mdev);

#ifdef __cplusplus
}
#endif

#endif
