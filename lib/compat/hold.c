/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/hold.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "compat/hold_cpu.h"
#include "compat/tracee.h"
#include "util/cleanup.h"

#define SYSCALL_STOP (SIGTRAP | 0x80) /* with PTRACE_O_TRACESYSGOOD */

struct other {
	pid_t tid;
	bool traced, stopped, gone;
};

struct medio_hold {
	struct medio_hold_caller caller;
	pid_t tid, tgid;
	bool stopped, gone;
	struct user_regs_struct regs; /* with which it goes on */
	bool masked;
	uint64_t mask; /* of its signals, while it makes calls for us */
	bool got_stop; /* a SIGSTOP came meanwhile */
	struct other *others;
	unsigned num_others, cap_others;
};

/* ---- The thread -------------------------------------------------------------------------------- */

int medio_hold_start(pid_t tid, const struct medio_hold_caller *caller, struct medio_hold **out)
{
	struct medio_tracee_status status;

	if (!medio_hold_cpu_known())
		return -ENOSYS;
	int ret = medio_tracee_status(tid, &status);
	if (ret)
		return ret;
	_cleanup_free_ struct medio_hold *hold = calloc(1, sizeof(*hold));
	if (!hold)
		return -ENOMEM;
	hold->caller = *caller;
	hold->tid = tid;
	hold->tgid = status.tgid;
	ret = medio_tracee_seize(tid);
	if (ret)
		return ret == -ESRCH ? -ESRCH : -EPERM;
	*out = medio_steal_ptr(hold);
	return 0;
}

int medio_hold_thread(struct medio_call *call, struct medio_hold **out)
{
	return call->ops->hold ? call->ops->hold(call, out) : -ENOSYS;
}

static int get_regs(pid_t tid, struct user_regs_struct *regs)
{
	struct iovec iov = { regs, sizeof(*regs) };

	return ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &iov) < 0 ? -ESRCH : 0;
}

static int set_regs(pid_t tid, struct user_regs_struct *regs)
{
	struct iovec iov = { regs, sizeof(*regs) };

	return ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &iov) < 0 ? -ESRCH : 0;
}

/* Out of the kernel, and standing. */
static int stop(struct medio_hold *hold)
{
	int status;

	if (hold->gone)
		return -ESRCH;
	if (hold->stopped)
		return 0;
	/* Asked first, so that none of the program's own instructions run in between. */
	medio_tracee_interrupt(hold->tid);
	/* Killed before it was traced: the number may be another's. */
	if (hold->caller.leave && hold->caller.leave(hold->caller.opaque)) {
		hold->gone = true;
		return -ESRCH;
	}
	hold->stopped = !medio_tracee_wait(hold->tid, true, &status) &&
			!get_regs(hold->tid, &hold->regs);
	hold->gone = !hold->stopped;
	return hold->gone ? -ESRCH : 0;
}

struct user_regs_struct *medio_hold_regs(struct medio_hold *hold)
{
	return stop(hold) ? NULL : &hold->regs;
}

pid_t medio_hold_tid(const struct medio_hold *hold)
{
	return hold->tid;
}

void medio_hold_end(struct medio_hold *hold, const int64_t *ret)
{
	if (!stop(hold)) {
		if (ret)
			medio_hold_cpu_answer(&hold->regs, *ret);
		set_regs(hold->tid, &hold->regs);
		if (hold->masked)
			ptrace(PTRACE_SETSIGMASK, hold->tid, sizeof(hold->mask), &hold->mask);
		hold->gone = medio_tracee_detach(hold->tid, 0);
		if (hold->got_stop)
			kill(hold->tgid, SIGSTOP);
	}
	if (hold->gone)
		medio_tracee_release_later(hold->caller.compat, hold->tid, hold->tgid);
	medio_hold_let_others(hold);
	free(hold->others);
	free(hold);
}

/* ---- Its system calls -------------------------------------------------------------------------- */

/* No signal shall have a say in what it does for us. */
static int mask_signals(struct medio_hold *hold)
{
	uint64_t all = ~UINT64_C(0);

	if (hold->masked)
		return 0;
	if (ptrace(PTRACE_GETSIGMASK, hold->tid, sizeof(hold->mask), &hold->mask) < 0 ||
		ptrace(PTRACE_SETSIGMASK, hold->tid, sizeof(all), &all) < 0)
		return -ESRCH;
	hold->masked = true;
	return 0;
}

/* On to the next end of a call: its entry, its exit. */
static int step(struct medio_hold *hold)
{
	int status = 0;

	while (status != SYSCALL_STOP) {
		/* SIGSTOP cannot be masked: it is for later. A stop of the whole process is taken up again at the end. */
		hold->got_stop |= status == SIGSTOP;
		if (ptrace(PTRACE_SYSCALL, hold->tid, 0, 0) < 0 ||
			medio_tracee_wait(hold->tid, true, &status)) {
			hold->gone = true;
			return -ESRCH;
		}
	}
	return 0;
}

int medio_hold_syscall(struct medio_hold *hold, unsigned nr, const uint64_t args[6], int64_t *ret)
{
	struct user_regs_struct regs;
	uint64_t marked[6];
	int err = stop(hold);

	memcpy(marked, args, sizeof(marked));
#ifdef __NR_mmap
	if (nr == __NR_mmap)
		marked[4] = (uint64_t)MEDIO_HOLD_MARK << 32 | (uint32_t)args[4];
#endif
	if (!err)
		err = mask_signals(hold);
	if (!err)
		err = medio_hold_cpu_prepare(hold->tid, &hold->regs, nr, marked);
	if (!err)
		err = step(hold);
	if (!err)
		err = step(hold);
	if (!err)
		err = get_regs(hold->tid, &regs);
	if (!err)
		*ret = medio_hold_cpu_result(&regs);
	return err;
}

/* ---- The others -------------------------------------------------------------------------------- */

static bool is_known(const struct medio_hold *hold, pid_t tid)
{
	if (tid == hold->tid)
		return true;
	for (unsigned i = 0; i < hold->num_others; i++)
		if (hold->others[i].tid == tid)
			return true;
	return false;
}

/* A thread that has been found: 0 or 1, whether it has to be waited for. */
static int add_other(struct medio_hold *hold, pid_t tid)
{
	if (hold->num_others == hold->cap_others) {
		unsigned cap = hold->cap_others ? hold->cap_others * 2 : 16;
		void *list = reallocarray(hold->others, cap, sizeof(*hold->others));
		if (!list)
			return -ENOMEM;
		hold->others = list;
		hold->cap_others = cap;
	}
	int ret = medio_tracee_seize(tid);
	if (ret == -ESRCH)
		return 0;
	/* It stands already, or is none of the program's own. */
	if (ret && ret != -EALREADY && ret != -ENOTSUP)
		return ret;
	hold->others[hold->num_others++] = (struct other){ .tid = tid, .traced = !ret };
	if (!ret)
		medio_tracee_interrupt(tid);
	return !ret;
}

/* All that are there now; 0 when there is no new one. */
static int add_others(struct medio_hold *hold)
{
	unsigned before = hold->num_others;
	struct dirent *entry;
	char path[32];
	int ret = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", hold->tid);
	DIR *dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while (ret >= 0 && (entry = readdir(dir))) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (tid > 0 && !is_known(hold, tid))
			ret = add_other(hold, tid);
	}
	closedir(dir);
	if (ret < 0)
		return ret;
	for (unsigned i = before; i < hold->num_others; i++) {
		struct other *other = &hold->others[i];
		int status;
		if (!other->traced)
			continue;
		ret = medio_tracee_wait(other->tid, false, &status);
		other->stopped = !ret;
		/* One that sleeps in the kernel runs nothing of the program's, and stops before it does. */
		other->gone = ret == -ESRCH;
	}
	return hold->num_others > before;
}

int medio_hold_others(struct medio_hold *hold)
{
	int ret = stop(hold);

	if (ret)
		return ret;
	/* Those that still run may start more. */
	do
		ret = add_others(hold);
	while (ret > 0);
	/* Of what exec() leaves of a process the first thread's number may be in use again. */
	if (!ret && !medio_tracee_stands(hold->tid)) {
		hold->gone = true;
		ret = -ESRCH;
	}
	if (ret)
		medio_hold_let_others(hold);
	return ret;
}

void medio_hold_let_others(struct medio_hold *hold)
{
	struct medio_compat *compat = hold->caller.compat;
	bool gone = false;

	for (unsigned i = 0; i < hold->num_others; i++) {
		struct other *other = &hold->others[i];
		if (other->stopped && !medio_tracee_release(other->tid))
			continue;
		if (other->gone)
			gone = true;
		else if (other->traced)
			medio_tracee_release_later(compat, other->tid, hold->tgid);
	}
	hold->num_others = 0;
	if (gone && hold->tid != hold->tgid)
		medio_tracee_release_first(compat, hold->tgid);
}
