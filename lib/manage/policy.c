/* SPDX-License-Identifier: BSD-3-Clause */
#include "manage/policy.h"

#include <errno.h>
#include <sys/socket.h>

#include "util/groups.h"

bool medio_policy_in_group(const struct medio_who *who, gid_t group)
{
	return who->gid == group || medio_groups_have(who->pid, who->uid, group);
}

bool medio_policy_allows(const struct medio_policy *policy, const struct medio_who *who,
	enum medio_right right, uid_t owner)
{
	if (who->uid == 0 || who->uid == policy->uid)
		return true;
	switch (right) {
	case MEDIO_MAY_LOOK:
		return true;
	case MEDIO_MAY_CREATE:
		return policy->group != (gid_t)-1 && medio_policy_in_group(who, policy->group);
	case MEDIO_MAY_CHANGE:
		return who->uid == owner;
	case MEDIO_MAY_ADMINISTER:
		return false;
	}
	return false;
}

int medio_policy_peer(int sock, struct medio_who *who)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	*who = (struct medio_who){ .uid = cred.uid, .gid = cred.gid, .pid = cred.pid };
	return 0;
}
