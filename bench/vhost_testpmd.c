/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost_testpmd.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MS 120000

/* What there is to read; 0: the end. */
static ssize_t take(struct testpmd *t)
{
	struct pollfd p = { .fd = t->side.talk, .events = POLLIN };

	/* Its beginning does not matter when there is too much. */
	if (t->size == sizeof(t->said) - 1) {
		t->size /= 2;
		memmove(t->said, t->said + sizeof(t->said) - 1 - t->size, t->size);
	}
	if (poll(&p, 1, 100) <= 0)
		return -EAGAIN;
	ssize_t n = read(t->side.talk, t->said + t->size, sizeof(t->said) - 1 - t->size);
	if (n <= 0)
		return 0;
	for (ssize_t i = 0; i < n; i++)
		if (!t->said[t->size + (size_t)i])
			t->said[t->size + (size_t)i] = ' ';
	t->size += (size_t)n;
	t->said[t->size] = 0;
	return n;
}

static int await(struct testpmd *t, const char *until)
{
	uint64_t end = medio_now_ns() + ANSWER_MS * UINT64_C(1000000);

	while (!strstr(t->said, until)) {
		if (medio_now_ns() > end)
			return -ETIMEDOUT;
		if (take(t) == 0)
			return -EPIPE;
	}
	return 0;
}

/* The words that follow those of `under`; -ETIMEDOUT, -EPIPE, and what vhost_side_wait() says. */
static int start(struct testpmd *t, const char *const *under, const char *const *card,
	const char *mode, const char *socket, int cpu, int cpu_under)
{
	char program[512], processors[64], forward[64];
	const char *const own[] = { program, "--lcores", processors, "--no-huge", "-m", "128",
		"--no-telemetry", "--no-shconf", card[0], card[1], card[2], "--", "-i",
		"--total-num-mbufs=8192", forward };
	const char *words[VHOST_WORDS + 1] = { NULL };
	unsigned count = 0;

	*t = (struct testpmd){ 0 };
	vhost_peers_path("dpdk-testpmd", program, sizeof(program));
	/* The prompt and the forwarding are a thread each; the first sleeps. */
	snprintf(processors, sizeof(processors), "0@%d,1@%d", cpu, cpu);
	snprintf(forward, sizeof(forward), "--forward-mode=%s", mode);
	for (; under[count]; count++)
		words[count] = under[count];
	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (own[i])
			words[count++] = own[i];
	vhost_side_run(&t->side, words, socket, cpu_under, VHOST_TALK);
	return await(t, "testpmd> ");
}

int testpmd_start(
	struct testpmd *t, const char *device, const char *mode, const char *socket, int cpu)
{
	static const char *const nobody[] = { NULL };
	const char *const card[] = { "--no-pci", "--vdev", device };
	int ret = start(t, nobody, card, mode, socket, cpu, cpu);

	if (ret == 0 && !socket)
		ret = vhost_side_wait(&t->side);
	if (ret)
		testpmd_stop(t);
	return ret;
}

int testpmd_start_under(struct testpmd *t, const char *const *under, const char *bdf,
	const char *mode, int cpu, int cpu_under)
{
	const char *const card[] = { "-a", bdf, NULL };
	int ret = start(t, under, card, mode, "", cpu, cpu_under);

	if (ret)
		testpmd_stop(t);
	return ret;
}

int testpmd_do(struct testpmd *t, const char *command, const char *until)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "%s\n", command);

	t->size = 0;
	t->said[0] = 0;
	if (write(t->side.talk, line, (size_t)len) != len)
		return -EPIPE;
	return await(t, until);
}

double testpmd_number(const struct testpmd *t, const char *name)
{
	const char *last = NULL, *at = t->said;

	while ((at = strstr(at, name))) {
		at += strlen(name);
		last = at;
	}
	return last ? strtod(last, NULL) : 0;
}

const char *testpmd_words(const struct testpmd *t)
{
	const char *last = t->said;

	/* The last line that is not empty. */
	for (const char *at = t->said; *at; at++)
		if (*at == '\n' && at[1] && at[1] != '\n')
			last = at + 1;
	return last;
}

void testpmd_stop(struct testpmd *t)
{
	/* Its own end may hang when the other one has gone; nothing of it is needed. */
	kill(-t->side.pid, SIGKILL);
	vhost_side_stop(&t->side);
}
