/* SPDX-License-Identifier: BSD-3-Clause */
#include "manage/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util/cleanup.h"

/* Whether text, numbers with blanks between, has n. */
static bool has_number(const char *text, unsigned long n)
{
	for (;;) {
		char *end;
		unsigned long found = strtoul(text, &end, 10);
		if (end == text)
			return false;
		if (found == n)
			return true;
		text = end;
	}
}

/* The second number of "Uid:\treal\teffective\t…". */
static bool is_effective(const char *text, uid_t uid)
{
	char *end;

	strtoul(text, &end, 10);
	return strtoul(end, NULL, 10) == uid;
}

bool medio_policy_in_group(const struct medio_who *who, gid_t group)
{
	_cleanup_free_ char *line = NULL;
	size_t capacity = 0;
	bool same = false, found = false;
	char path[40];

	if (who->gid == group)
		return true;
	if (who->pid <= 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)who->pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	while (getline(&line, &capacity, file) > 0) {
		if (!strncmp(line, "Uid:", 4))
			same = is_effective(line + 4, who->uid);
		else if (!strncmp(line, "Groups:", 7))
			found = has_number(line + 7, group);
	}
	fclose(file);
	return same && found;
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
