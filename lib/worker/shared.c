/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/cleanup.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

static int map_fd(int fd, size_t size, int prot, void **map)
{
	void *p = mmap(NULL, size, prot, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	*map = p;
	return 0;
}

int medio_shared_new(const char *name, size_t size, int prot, void **map)
{
	_cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 ||
		fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) < 0)
		return -errno;
	int ret = map_fd(fd, size, prot, map);
	return ret ? ret : medio_steal_fd(fd);
}
