/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Refusals, for the log: each is a line, but one user who is refused all the time must not hide what
 * others do.
 */
#ifndef MEDIO_MANAGE_REFUSAL_H
#define MEDIO_MANAGE_REFUSAL_H

#include <stdint.h>
#include <sys/types.h>

#define MEDIO_REFUSAL_USERS 16
#define MEDIO_REFUSAL_LINES 20 /* of one user in ten seconds */

/* Zeros: nobody was refused. Who is not among the latest users begins anew. */
struct medio_refusals {
	struct medio_refused {
		uid_t uid;
		uint64_t since; /* when its ten seconds began; 0: nobody */
		unsigned lines, lost;
	} users[MEDIO_REFUSAL_USERS];
};

/* Whether a refusal of uid at time now (ns) is worth a line; *lost becomes how many were not since
 * the last that was. */
int medio_refusal_is_told(struct medio_refusals *refusals, uid_t uid, uint64_t now, unsigned *lost);

#endif
