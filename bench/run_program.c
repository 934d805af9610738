/* SPDX-License-Identifier: BSD-3-Clause */
#include "run_program.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void program_fail(const char *what)
{
	printf("!%s: %s\n", what, strerror(errno));
	fflush(stdout);
	exit(1);
}

void program_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		program_fail("sched_setaffinity");
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static const struct program_command *find(const struct program_command *list, const char *name)
{
	for (; list->name; list++)
		if (!strcmp(list->name, name))
			return list;
	return NULL;
}

static void obey(char *line)
{
	static const struct program_command *const lists[] = { program_calls, program_floors,
		program_device };
	const struct program_command *command = NULL;
	char *count = strchr(line, ' ');

	if (count)
		*count++ = '\0';
	for (unsigned i = 0; i < 3 && !command; i++)
		command = find(lists[i], line);
	errno = EINVAL;
	if (!command || !count)
		program_fail(line);
	unsigned n = (unsigned)strtoul(count, NULL, 10);
	uint64_t start = now();
	command->run(n);
	printf("%llu\n", (unsigned long long)(now() - start));
}

/* medio-bench-program CPU PEER-CPU plain|allow|notify|device */
int main(int argc, char **argv)
{
	char line[128];

	if (argc != 4) {
		fprintf(stderr, "medio-bench-program is for medio-bench to start\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	program_pin(atoi(argv[1]));
	if (!strcmp(argv[3], "plain"))
		program_floor_echo(atoi(argv[2]));
	else if (!strcmp(argv[3], "notify"))
		program_floor_notify(atoi(argv[2]));
	else if (!strcmp(argv[3], "allow"))
		program_floor_allow();
	else
		program_device_open();
	printf("ready\n");
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		obey(line);
	}
	return 0;
}
