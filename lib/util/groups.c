/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

bool medio_groups_have(pid_t pid, uid_t uid, gid_t group)
{
	_cleanup_free_ char *line = NULL;
	size_t capacity = 0;
	bool same = false, found = false;
	char path[40];

	if (pid <= 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	while (getline(&line, &capacity, file) > 0) {
		if (!strncmp(line, "Uid:", 4))
			same = is_effective(line + 4, uid);
		else if (!strncmp(line, "Groups:", 7))
			found = has_number(line + 7, group);
	}
	fclose(file);
	return same && found;
}
