/* SPDX-License-Identifier: BSD-3-Clause */
/* Supplementary groups of another process. */
#ifndef MEDIO_UTIL_GROUPS_H
#define MEDIO_UTIL_GROUPS_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether group is among the supplementary groups of pid, while its effective user is uid: another
 * may have the number by now. false also when that cannot be told, or pid is 0. */
bool medio_groups_have(pid_t pid, uid_t uid, gid_t group);

#endif
