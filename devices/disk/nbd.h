/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A disk behind an NBD server: how its parts meet.
 *
 *     nbd.c        requests as commands on the connection
 *     nbd_link.c   the connection: made, lost, made again; asked for another size
 *
 * libnbd runs on the device's thread, in our calls only. What it calls back happens inside of its own calls,
 * where none may be made, so the end of a command is noted in its slot and looked at afterwards
 * (disk_nbd_settle()).
 */
#ifndef DISK_NBD_H
#define DISK_NBD_H

#include <sys/socket.h>

#include "disk/inside.h"
#include "disk/nbd_library.h"

/* Commands under way, and bytes of data each. What comes on top waits. */
#define DISK_NBD_SLOTS	   64u
#define DISK_NBD_PART_SIZE (256u << 10)

struct disk_nbd;

/* A command. Its data goes through a buffer of its own: a server that is late never reaches into memory
 * that the guest has again. */
struct disk_nbd_slot {
	struct disk_nbd *nbd;
	struct disk_request *req; /* NULL: a flush of the connection's own */
	struct disk_nbd_slot *next;
	char *buf;	/* DISK_NBD_PART_SIZE bytes */
	uint64_t bytes; /* that the command does */
	uint64_t epoch; /* of a flush: writes that it covers */
	bool busy, flush, ended;
	int err;
};

enum disk_nbd_state {
	DISK_NBD_DOWN,	     /* until the timer */
	DISK_NBD_CONNECTING, /* for as long as the timer lets it */
	DISK_NBD_UP,
};

/* A connection. */
struct disk_nbd_link {
	struct nbd_handle *handle;
	struct medio_watch *watch;
	int fd;		 /* of the watch: libnbd closes its own when it likes */
	uint32_t events; /* that it waits for */
};

struct disk_nbd {
	struct disk disk;
	char *uri;
	enum disk_nbd_state state;
	struct disk_nbd_link link;
	struct medio_timer *timer;
	uint64_t patience; /* ns until the next attempt */

	/* To connect again without asking for names or files, which a worker cannot any more. */
	struct sockaddr_storage peer;
	socklen_t peer_len; /* 0: by the URI */
	char *export_name;

	/* What the server can do. */
	bool can_flush, can_fua, can_trim, can_zero;
	uint32_t part; /* bytes of a command with data */

	/* Another connection that asks for the size, and takes the other's place if it is new. */
	struct disk_nbd_link probe;
	struct medio_timer *probe_timer;
	bool renewing; /* it does so when nothing is under way any more */

	char *buffers;
	struct disk_nbd_slot slots[DISK_NBD_SLOTS], *spare;
	unsigned busy;
	struct disk_row waiting; /* for a slot */
	unsigned num_ended;
	bool settling;

	/* Writes that ended, and those of them that a flush has covered. */
	uint64_t written, flushed;
	bool lost; /* a server went away with writes that were not flushed */
};

/* nbd.c: what has ended is looked at; what waits goes out. After each use of the connection. */
void disk_nbd_settle(struct disk_nbd *nbd);
/* The connection has gone: all commands have failed. */
void disk_nbd_abort(struct disk_nbd *nbd);
/* A flush of writes that are not yet, for the connection's own sake. False: none is needed. */
bool disk_nbd_flush_rest(struct disk_nbd *nbd);

/* nbd_link.c */
/* Connect, waiting for at most some seconds; -errno with words. */
int disk_nbd_connect(struct disk_nbd *nbd, const struct disk_options *opts);
void disk_nbd_disconnect(struct disk_nbd *nbd);
/* Is the connection there? If not, all has failed, and it is made again. */
bool disk_nbd_alive(struct disk_nbd *nbd);
/* Give it up, with words in the log, and begin anew. */
void disk_nbd_lose(struct disk_nbd *nbd, const char *why);
/* Wait for what libnbd waits for. */
void disk_nbd_watch(struct disk_nbd *nbd);
void disk_nbd_refresh(struct disk *disk);
/* Nothing is under way. */
void disk_nbd_renew(struct disk_nbd *nbd);
void disk_nbd_stop_probe(struct disk_nbd *nbd);

#endif
