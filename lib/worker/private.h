/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of a worker know of each other. */
#ifndef MEDIO_WORKER_PRIVATE_H
#define MEDIO_WORKER_PRIVATE_H

#include "util/list.h"
#include "worker/link.h"
#include "worker/shared.h"
#include "worker/worker.h"

enum medio_worker_mode {
	MEDIO_WORKER_NEW,      /* no START yet */
	MEDIO_WORKER_ISOLATED, /* one instance, and then no more */
	MEDIO_WORKER_SHARED,
};

struct medio_worker {
	struct medio_loop *loop;
	const struct medio_worker_types *types;
	int sock;	   /* listening */
	uid_t uid;	   /* at the start: whose mediod may come, besides root's */
	unsigned possible; /* flags of READY */
	struct medio_watch *sock_watch, *signal_watch;
	int signal_fd;
	struct medio_timer *lonely;  /* nobody came */
	struct medio_timer *retry;   /* accept() failed */
	int reserve;		     /* a descriptor to be given up for accept() */
	struct medio_timer *prepare; /* for START, while there is time */

	struct medio_link *link; /* NULL: no mediod now */
	bool greeted;		 /* it said HELLO */
	bool ending;		 /* when what waits has been sent */

	int counters_fd; /* -1: none */
	union medio_shared_slot *counters;
	unsigned num_slots;

	enum medio_worker_mode mode;
	uid_t run_uid; /* of the first START */
	bool confined; /* the sandbox is complete */

	struct medio_hosted **buckets; /* num_buckets of them, by UUID */
	size_t num_buckets;
	uint64_t seed;	       /* of the hash */
	struct medio_list all; /* struct medio_hosted.item */
	struct medio_list
		next; /* those the new mediod has not heard of: struct medio_hosted.item too */
	unsigned num_hosted;

	void *scratch; /* scratch_size bytes: a state being saved */
	size_t scratch_size;
	char text[MEDIO_WIRE_MAX - 256]; /* of an attribute */
};

/* A connection that a server of ours has; what is kept of it is for the next mediod. */
struct medio_hosted_client {
	struct medio_list item;
	uint64_t cookie;
	int fd;
	bool told; /* this mediod knows of it */
};

/* One instance, served to whoever mediod sends. */
struct medio_hosted {
	struct medio_worker *worker;
	struct medio_list item;
	struct medio_hosted *next; /* in its bucket */
	uint8_t uuid[MEDIO_UUID_SIZE];
	const struct medio_type *type;
	char *type_name; /* as mediod knows it */
	struct medio_instance *inst;
	struct medio_server *server; /* NULL: nobody may come, a VF that was not started */
	uint32_t slot;
	int listener;		   /* not ours to listen on: kept for the next mediod */
	struct medio_list clients; /* struct medio_hosted_client.item */
	bool told;		   /* this mediod knows of it */

	/* A physical function: its virtual ones by number, max_vfs places; some have an inst. */
	struct medio_hosted **vfs;
	unsigned max_vfs, num_vfs;
	uint64_t cut_ns; /* while they go: who has not left then is not waited for */
	bool started;	 /* mediod has had its answer, and hears of VFs */
	/* A virtual function: whose, which. */
	struct medio_hosted *pf;
	unsigned vf;

	int checkpoint; /* fd, -1: none is kept */
	void *map;
	size_t map_size;
	uint64_t save_ns;
	struct medio_timer *save_timer;
	struct medio_stats saved; /* the counters when it was saved last */
};

/* worker.c: a line to mediod; uuid may be NULL. */
void medio_worker_log(
	struct medio_worker *w, const uint8_t *uuid, enum medio_log_level level, const char *line);

/* hosts.c: all instances by UUID. */
int medio_hosts_init(struct medio_worker *w);
void medio_hosts_fini(struct medio_worker *w);
struct medio_hosted *medio_hosts_find(
	const struct medio_worker *w, const uint8_t uuid[MEDIO_UUID_SIZE]);
int medio_hosts_add(struct medio_worker *w, struct medio_hosted *host);
/* Nothing happens if it is not in there. */
void medio_hosts_remove(struct medio_worker *w, struct medio_hosted *host);

/* hosted.c. new takes the fds of msg (a START that has been checked) as it needs them. restored: its
 * state is the checkpoint's. Errors with words. */
int medio_hosted_new(struct medio_worker *w, struct medio_wire_msg *msg,
	const struct medio_wire_start *start, const struct medio_type *type,
	struct medio_hosted **out, bool *restored, struct medio_error **err);
/* Its virtual functions go with it. */
void medio_hosted_free(struct medio_hosted *host);
/* Serve an instance that is there (a VF), or do so no more. -EEXIST it is served already. */
int medio_hosted_serve(struct medio_hosted *host, struct medio_wire_msg *msg,
	const struct medio_wire_start *start, bool *restored, struct medio_error **err);
void medio_hosted_unserve(struct medio_hosted *host);
/* Log function of an instance; opaque is the host. */
void medio_hosted_log(void *opaque, enum medio_log_level level, const char *line);
/* Its clients get no more time to leave: free() will not wait for them. */
void medio_hosted_cut(struct medio_hosted *host);
/* fd is taken. */
void medio_hosted_take(struct medio_hosted *host, int fd, uint64_t cookie);

/* checkpoint.c: its state into the memory shared with mediod. */
int medio_checkpoint_init(struct medio_hosted *host, int fd, const struct medio_wire_start *start,
	bool *restored, struct medio_error **err);
void medio_checkpoint_fini(struct medio_hosted *host);
/* A client came or went. */
void medio_checkpoint_kick(struct medio_hosted *host);

/* vfs.c: callbacks of an instance's options, whose opaque is its host. */
void medio_hosted_vfs_options(void *opaque, unsigned index, struct medio_instance_options *opts);
void medio_hosted_vfs_present(
	void *opaque, struct medio_instance *vf, unsigned index, bool present);
/* The message's data; false: the instance can have none. */
bool medio_hosted_vfs_describe(const struct medio_hosted *host, struct medio_wire_sriov *out);
/* Tell mediod how many there are. */
void medio_hosted_vfs_tell(struct medio_hosted *host);
/* SET_VFS. */
void medio_hosted_vfs_set(struct medio_worker *w, const struct medio_wire_msg *msg);
/* host is being freed, its instance has gone. */
void medio_hosted_vfs_fini(struct medio_hosted *host);

/* start.c: the answer to START; ret 0, or words in err. */
int medio_worker_start(struct medio_worker *w, struct medio_wire_msg *msg, bool *restored,
	struct medio_error **err);

/* adopt.c: tell a new mediod what there is. */
void medio_adopt_begin(struct medio_worker *w);
int medio_adopt_feed(struct medio_worker *w);

#endif
