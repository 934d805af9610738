/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * held PATH MIB: memory that no processor writes to. It is filled first, and "@held ready" printed; at SIGUSR1 the
 * beginning of a disk is read into it (O_DIRECT), and "@held read" printed; at SIGUSR2 the disk is read once more, into
 * other memory, and compared: "@held N bytes, M differ".
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PIECE 65536

static void take(int fd, unsigned char *to, size_t size)
{
	for (size_t at = 0; at < size; at += PIECE)
		if (pread(fd, to + at, PIECE, (off_t)at) != PIECE) {
			perror("held");
			exit(1);
		}
}

int main(int argc, char **argv)
{
	const size_t size = argc == 3 ? (size_t)atoi(argv[2]) << 20 : 0;
	int fd = size ? open(argv[1], O_RDONLY | O_DIRECT) : -1, signal = 0;
	unsigned char *held = mmap(
		NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *other = mmap(
		NULL, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t differ = 0;
	sigset_t set;

	if (fd < 0 || held == MAP_FAILED || other == MAP_FAILED) {
		fprintf(stderr, "usage: held PATH MIB, with a disk to read\n");
		return 2;
	}
	setlinebuf(stdout);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	memset(held, 0xaa, size);
	puts("@held ready");
	while (signal != SIGUSR1)
		sigwait(&set, &signal);
	take(fd, held, size);
	puts("@held read");
	while (signal != SIGUSR2)
		sigwait(&set, &signal);
	for (size_t at = 0; at < size; at += PIECE) {
		if (pread(fd, other, PIECE, (off_t)at) != PIECE)
			return 1;
		for (size_t i = 0; i < PIECE; i++)
			differ += held[at + i] != other[i];
	}
	printf("@held %zu bytes, %zu differ\n", size, differ);
	return differ != 0;
}
