/* SPDX-License-Identifier: BSD-3-Clause */
/* Cleanup attributes for locals inside the library. */
#ifndef MEDIO_UTIL_CLEANUP_H
#define MEDIO_UTIL_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

static inline void medio_cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void medio_cleanup_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define _cleanup_free_	__attribute__((cleanup(medio_cleanup_free)))
#define _cleanup_close_ __attribute__((cleanup(medio_cleanup_close)))

/* Give up ownership of a pointer or fd held by a cleanup local. */
#define medio_steal_ptr(p) \
	({ \
		__typeof__(p) steal_ = (p); \
		(p) = NULL; \
		steal_; \
	})
#define medio_steal_fd(fd) \
	({ \
		int steal_ = (fd); \
		(fd) = -1; \
		steal_; \
	})

#define MEDIO_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
