/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/fs.h"

#include <errno.h>
#include <unistd.h>

#include "util/error.h"

int medio_fs_serve(struct medio_fs *fs, int fd, struct medio_error **err)
{
	(void)fs;
	close(fd);
	return medio_error_set(err, ENOSYS,
		"this build is without FUSE; build it again with libfuse3-dev installed");
}
