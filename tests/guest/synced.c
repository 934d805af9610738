/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * synced PATH THREADS SPAN: write records, each made durable before the next and only then told of, until
 * killed. For tests that kill the machine under it: a record that was told of must be there afterwards.
 *
 * A record is a line of 4096 bytes, "record THREAD NUMBER" and dots; thread T writes number N (from 1 on) at
 * byte T * SPAN + (N - 1) * 4096 of PATH, a file or a block device. What is told is "@synced PATH T N".
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORD	    4096
#define MAX_THREADS 16

static const char *path;
static long span;

static void fail(const char *what)
{
	printf("@failed %s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(1);
}

static void *run(void *arg)
{
	long thread = (long)arg;
	char record[RECORD + 1], told[256];
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		fail("open");
	for (long n = 1; n * RECORD <= span; n++) {
		int len = snprintf(record, sizeof(record), "record %ld %ld ", thread, n);
		memset(record + len, '.', RECORD - (size_t)len - 1);
		record[RECORD - 1] = '\n';
		if (pwrite(fd, record, RECORD, thread * span + (n - 1) * RECORD) != RECORD)
			fail("write");
		if (fsync(fd))
			fail("fsync");
		/* At once, in one piece. */
		len = snprintf(told, sizeof(told), "@synced %s %ld %ld\n", path, thread, n);
		if (write(STDOUT_FILENO, told, (size_t)len) != len)
			_exit(1);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[MAX_THREADS];
	long count = argc == 4 ? atol(argv[2]) : 0;

	if (count < 1 || count > MAX_THREADS) {
		fprintf(stderr, "usage: synced PATH THREADS SPAN\n");
		return 2;
	}
	path = argv[1];
	if (strlen(path) > 100) {
		fprintf(stderr, "synced: a path of at most 100 bytes is possible\n");
		return 2;
	}
	span = atol(argv[3]);
	for (long i = 0; i < count; i++) {
		errno = pthread_create(&threads[i], NULL, run, (void *)i);
		if (errno)
			fail("thread");
	}
	for (long i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
