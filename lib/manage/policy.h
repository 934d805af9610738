/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may do what. The rule, in one place:
 *
 *     look           everybody
 *     create         root, mediod's own user, members of its group; and, in the tree, whoever the
 *                    modes of a `create` file let in (root may chown and chmod it)
 *     remove, change the instance's owner, root, mediod's own user
 *     connect        the instance's owner, and root; and those the mode of its socket lets in
 *     administer     (reload, leave, parents) root, mediod's own user
 *
 * A worker opens files as the instance's owner, so nobody reaches through mediod what he could not
 * reach himself.
 */
#ifndef MEDIO_MANAGE_POLICY_H
#define MEDIO_MANAGE_POLICY_H

#include <stdbool.h>
#include <sys/types.h>

/* Somebody: from SO_PEERCRED or a FUSE request. pid 0: unknown. */
struct medio_who {
	uid_t uid;
	gid_t gid;
	pid_t pid;
};

struct medio_policy {
	uid_t uid;   /* mediod's own */
	gid_t group; /* whose members may create; (gid_t)-1: none */
};

enum medio_right { MEDIO_MAY_LOOK, MEDIO_MAY_CREATE, MEDIO_MAY_CHANGE, MEDIO_MAY_ADMINISTER };

/* owner is the instance's uid for MAY_CHANGE, else not looked at. Supplementary groups of who->pid
 * count if that process still has uid who->uid. */
bool medio_policy_allows(const struct medio_policy *policy, const struct medio_who *who,
	enum medio_right right, uid_t owner);
/* Whether who is in group, by gid or as a supplementary group of its process. */
bool medio_policy_in_group(const struct medio_who *who, gid_t group);
/* The peer of a unix socket. -errno. */
int medio_policy_peer(int sock, struct medio_who *who);

#endif
