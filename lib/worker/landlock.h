/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's interface of Landlock, as far as it is used here. Debian 12's <linux/landlock.h> ends
 * with the first two versions. Source: Linux Documentation/userspace-api/landlock.rst.
 */
#ifndef MEDIO_WORKER_LANDLOCK_H
#define MEDIO_WORKER_LANDLOCK_H

#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* struct landlock_ruleset_attr; what is left out at its end counts as zeros. */
struct medio_landlock_ruleset {
	uint64_t files;	 /* handled_access_fs */
	uint64_t ports;	 /* handled_access_net, version 4 */
	uint64_t scopes; /* scoped, version 6 */
};

/* struct landlock_path_beneath_attr */
struct medio_landlock_beneath {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

enum {
	MEDIO_LANDLOCK_VERSION = 1 << 0, /* LANDLOCK_CREATE_RULESET_VERSION */
	MEDIO_LANDLOCK_BENEATH = 1,	 /* LANDLOCK_RULE_PATH_BENEATH */
};

/* LANDLOCK_ACCESS_FS_* */
enum {
	MEDIO_LANDLOCK_EXECUTE = 1 << 0,
	MEDIO_LANDLOCK_WRITE_FILE = 1 << 1,
	MEDIO_LANDLOCK_READ_FILE = 1 << 2,
	MEDIO_LANDLOCK_READ_DIR = 1 << 3,
	MEDIO_LANDLOCK_REMOVE_DIR = 1 << 4,
	MEDIO_LANDLOCK_REMOVE_FILE = 1 << 5,
	MEDIO_LANDLOCK_MAKE_CHAR = 1 << 6,
	MEDIO_LANDLOCK_MAKE_DIR = 1 << 7,
	MEDIO_LANDLOCK_MAKE_REG = 1 << 8,
	MEDIO_LANDLOCK_MAKE_SOCK = 1 << 9,
	MEDIO_LANDLOCK_MAKE_FIFO = 1 << 10,
	MEDIO_LANDLOCK_MAKE_BLOCK = 1 << 11,
	MEDIO_LANDLOCK_MAKE_SYM = 1 << 12,
	MEDIO_LANDLOCK_REFER = 1 << 13,	    /* version 2 */
	MEDIO_LANDLOCK_TRUNCATE = 1 << 14,  /* version 3 */
	MEDIO_LANDLOCK_IOCTL_DEV = 1 << 15, /* version 5 */
};
/* LANDLOCK_ACCESS_NET_* and LANDLOCK_SCOPE_*: all of them. */
enum {
	MEDIO_LANDLOCK_BIND_TCP = 1 << 0,
	MEDIO_LANDLOCK_CONNECT_TCP = 1 << 1,
	MEDIO_LANDLOCK_ABSTRACT_UNIX = 1 << 0,
	MEDIO_LANDLOCK_SIGNAL = 1 << 1,
};

#ifndef SYS_landlock_create_ruleset /* the same numbers on every architecture */
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule	    445
#define SYS_landlock_restrict_self  446
#endif

/* The version the kernel has, or -1. */
static inline int medio_landlock_version(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, MEDIO_LANDLOCK_VERSION);
}

#endif
