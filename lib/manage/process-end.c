/* SPDX-License-Identifier: BSD-3-Clause */
/* How a worker ended. */
#include "manage/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

/* Linux 6.15 tells the end of any process to who holds its pidfd (include/uapi/linux/pidfd.h). */
struct pidfd_end {
	uint64_t mask, cgroup;
	uint32_t ids[11];
	int32_t exit_code; /* as of waitpid() */
};
_Static_assert(sizeof(struct pidfd_end) == 64, "struct pidfd_info, first version");
#define PIDFD_GET_END  _IOWR(0xff, 11, struct pidfd_end)
#define PIDFD_END_EXIT 8u /* PIDFD_INFO_EXIT */

/* 1: *status is as of waitpid(); 0: nobody tells. */
static int find_status(int pidfd, int *status)
{
	struct pidfd_end end = { .mask = PIDFD_END_EXIT };
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) == 0 && info.si_pid) {
		*status = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8
						     : info.si_status & 0x7f;
		return 1;
	}
	if (ioctl(pidfd, PIDFD_GET_END, &end) < 0 || !(end.mask & PIDFD_END_EXIT))
		return 0;
	*status = end.exit_code;
	return 1;
}

static void died_of(int sig, struct medio_process_end *end)
{
	const char *name = sigabbrev_np(sig);

	snprintf(end->event, sizeof(end->event), "died:%d", sig);
	if (sig == SIGSYS)
		snprintf(end->words, sizeof(end->words),
			"was killed by its sandbox (SIGSYS): a system call that no device needs");
	else if (sig == SIGKILL)
		snprintf(end->words, sizeof(end->words),
			"was killed (SIGKILL): by somebody, or the kernel was out of memory");
	else
		snprintf(end->words, sizeof(end->words), "died of SIG%s", name ? name : "?");
}

void medio_process_end_of(int pidfd, const char *why, struct medio_process_end *end)
{
	int status;
	bool known = find_status(pidfd, &status);

	if (!known) {
		strcpy(end->event, "died");
		strcpy(end->words, "has ended");
	} else if (WIFEXITED(status)) {
		snprintf(end->event, sizeof(end->event), "exited:%d", WEXITSTATUS(status));
		snprintf(end->words, sizeof(end->words), "exited with status %d",
			WEXITSTATUS(status));
	} else {
		died_of(WTERMSIG(status), end);
	}
	/* Told to die while it died of something else: that is worth more. */
	if (why && (!known || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)))
		snprintf(end->words, sizeof(end->words), "was killed by mediod: %s", why);
}
