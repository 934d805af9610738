/* SPDX-License-Identifier: BSD-3-Clause */
#include "manage/usage.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static uint64_t cpu_of(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

int medio_usage_read(pid_t pid, struct medio_usage *out)
{
	unsigned long long size, resident;
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return -ESRCH;
	int n = fscanf(file, "%llu %llu", &size, &resident);
	fclose(file);
	if (n != 2)
		return -ESRCH;
	*out = (struct medio_usage){
		.pid = pid, .cpu_ns = cpu_of(pid), .rss = resident * (uint64_t)sysconf(_SC_PAGESIZE)
	};
	return 0;
}
