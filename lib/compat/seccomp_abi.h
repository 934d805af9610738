/* SPDX-License-Identifier: BSD-3-Clause */
/* What linux/seccomp.h has had since Linux 5.19 and 6.6, for headers that are older. */
#ifndef MEDIO_COMPAT_SECCOMP_ABI_H
#define MEDIO_COMPAT_SECCOMP_ABI_H

#include <linux/seccomp.h>

/* Once the supervisor has taken a call only SIGKILL ends it (5.19). */
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* The caller and the supervisor take turns on one processor, without a wake-up of another (6.6). */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

#endif
