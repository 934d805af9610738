/* SPDX-License-Identifier: BSD-3-Clause */
/* Run a fuzz target over every file of its corpus, without libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f) {
		perror(path);
		return 1;
	}
	/* Exactly sized, so that a sanitizer sees every read past the end. */
	static uint8_t buf[1 << 20];
	size_t size = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	uint8_t *data = malloc(size ? size : 1);
	memcpy(data, buf, size);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
		return 2;
	}
	DIR *dir = opendir(argv[1]);
	if (!dir) {
		perror(argv[1]);
		return 1;
	}
	unsigned count = 0;
	int failed = 0;
	for (struct dirent *e; (e = readdir(dir));) {
		char path[4096];
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[1], e->d_name);
		failed |= replay(path);
		count++;
	}
	closedir(dir);
	printf("%u inputs replayed\n", count);
	return count && !failed ? 0 : 1;
}
