/* SPDX-License-Identifier: BSD-3-Clause */
#include "manage/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int medio_policy_peer(int sock, struct medio_who *who)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	*who = (struct medio_who){ .uid = cred.uid, .gid = cred.gid, .pid = cred.pid };
	return 0;
}
