/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of `medio serve`:
 *
 *     serve.c            the command: its options, from start to end
 *     serve-as.c         what a device can be served as: which transport, and what goes with it
 *     serve-socket.c     where: a socket the user chose, or a private one
 *     serve-tell.c       what whoever is to use the device is told
 *     serve-vfs.c        virtual functions of the device, each at a socket of its own
 *     serve-vfio-user.c, serve-vhost-user.c, serve-vduse.c
 *                        a transport each
 */
#ifndef MEDIO_TOOLS_SERVE_H
#define MEDIO_TOOLS_SERVE_H

#include <json-c/json.h>

#include <medio/mdev.h>
#include <medio/serve.h>

#include "catalog.h"
#include "child.h"
#include "command.h"

struct medio_error;
struct medio_serve;

struct medio_serve_options {
	struct medio_option_list filters;
	const char *as, *socket, *run, *uuid;
	uint64_t max_xfer, poll_us, timeout_ms;
	bool attach, connect, once, json, quiet;
};

/* A transport. */
struct medio_serve_as {
	const char *name;
	bool bare;	   /* it carries a virtio device without its card */
	bool must_advise;  /* not only at a terminal: nothing works without it */
	const char *place; /* the fact that says where it is */
	/* Put serve->mdev on the air, and say with medio_serve_know() how it is reached. */
	int (*start)(struct medio_serve *serve, struct medio_error **err);
	/* For people: what to do with it. */
	void (*advise)(const struct medio_serve *serve);
	/* The end of it, also if start() failed or was not called. */
	void (*stop)(struct medio_serve *serve);
};

/* One virtual function, served if it has a server. */
struct medio_serve_vf {
	struct medio_server *server;
	char *socket;
	bool going; /* its client was let go */
};
#define MEDIO_SERVE_VFS 256

/* What one run of the command holds. */
struct medio_serve {
	const struct medio_serve_options *opts;
	const struct medio_serve_as *as;
	const char *as_name; /* behind the '=' of --as; NULL: nothing is */
	struct medio_catalog catalog;
	struct medio_mdev *mdev;
	union {
		struct medio_server *server;
		struct medio_vhost *vhost;
		struct medio_vduse *vduse;
	};
	bool opened;		    /* mdev counts us as its user */
	struct medio_serve_vf *vfs; /* MEDIO_SERVE_VFS of them; NULL: it has none */
	char *base;		    /* of their sockets: BASE.vf0 */
	bool told, ending;	    /* it was said that the device is ready; it is over */
	struct medio_child child;
	char *folder; /* private one of the socket, NULL: the user chose */
	char *socket;
	/* What is known of it, as --json prints it and $NAME of --run has it. */
	struct json_object *facts;
	struct json_object *qemu; /* what QEMU needs, word by word; NULL: it cannot have it */
};

extern const struct medio_serve_as medio_serve_vfio_user, medio_serve_vhost_user, medio_serve_vduse;

/* What --as says, for a device of this type: serve->as and as_name. -EINVAL, with words: there is no such
 * thing, type cannot be served so, or another option does not go with it. */
int medio_serve_choose(
	struct medio_serve *serve, const struct medio_type *type, struct medio_error **err);

/* serve->socket: --socket, or one in a folder of its own. */
int medio_serve_socket(struct medio_serve *serve, struct medio_error **err);
/* Both are gone, and freed. */
void medio_serve_socket_end(struct medio_serve *serve);

/* Virtual functions. check: -EINVAL with words, they cannot be served so. start: as many as the device's
 * parameter numvfs says. end: when the instance has gone. present: a callback of its options. */
int medio_serve_vfs_check(const struct medio_serve *serve, const struct medio_option_list *args,
	struct medio_error **err);
int medio_serve_vfs_start(
	struct medio_serve *serve, const struct medio_option_list *args, struct medio_error **err);
void medio_serve_vfs_end(struct medio_serve *serve);
void medio_serve_vf_present(
	void *opaque, struct medio_instance *inst, unsigned index, bool present);

/* A fact: its value is copied. Running out of memory leaves it out. */
void medio_serve_know(struct medio_serve *serve, const char *name, const char *value);
void medio_serve_know_number(struct medio_serve *serve, const char *name, unsigned value);
/* A fact, or "". */
const char *medio_serve_fact(const struct medio_serve *serve, const char *name);
/* How many queues a virtio device has, and of how many descriptors each is at most. */
void medio_serve_queues(const struct medio_serve *serve, unsigned *count, unsigned *size);
/* words: an array of strings, which is then owned, or NULL; also the fact "qemu_device". */
void medio_serve_know_qemu(struct medio_serve *serve, struct json_object *words);
/* "for QEMU: …", each word as a shell takes it. */
void medio_serve_tell_qemu(const struct medio_serve *serve);
/* It is ready: say so, as the options want it. */
void medio_serve_tell(const struct medio_serve *serve);
/* "name=value" for each fact; NULL-terminated, free them with medio_serve_env_free(). NULL: no memory. */
char **medio_serve_env(const struct medio_serve *serve);
void medio_serve_env_free(char **env);

#endif
