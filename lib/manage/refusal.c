/* SPDX-License-Identifier: BSD-3-Clause */
#include "manage/refusal.h"

#include <stdio.h>

#include "manage/manager.h"

#define WINDOW_NS 10000000000u

int medio_refusal_is_told(struct medio_refusals *refusals, uid_t uid, uint64_t now, unsigned *lost)
{
	struct medio_refused *user = refusals->users;

	for (unsigned i = 0; i < MEDIO_REFUSAL_USERS; i++) {
		struct medio_refused *other = &refusals->users[i];
		if (other->since && other->uid == uid) {
			user = other;
			break;
		}
		if (other->since < user->since)
			user = other; /* the oldest makes way */
	}
	if (!user->since || user->uid != uid)
		*user = (struct medio_refused){ .uid = uid, .since = now };
	*lost = 0;
	if (now - user->since >= WINDOW_NS) {
		*lost = user->lost;
		*user = (struct medio_refused){ .uid = uid, .since = now };
	}
	if (user->lines == MEDIO_REFUSAL_LINES) {
		user->lost++;
		return 0;
	}
	user->lines++;
	return 1;
}

void medio_manager_refused(
	struct medio_manager *m, const struct medio_who *who, const char *fmt, ...)
{
	char what[1024];
	unsigned lost;
	va_list ap;

	if (!medio_refusal_is_told(&m->refusals, who->uid, medio_now_ns(), &lost))
		return;
	if (lost)
		medio_manager_log(m, MEDIO_LOG_WARN, "uid %u was refused %u times more",
			(unsigned)who->uid, lost);
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	medio_manager_log(m, MEDIO_LOG_WARN, "uid %u (pid %d) may not %s", (unsigned)who->uid,
		(int)who->pid, what);
}
