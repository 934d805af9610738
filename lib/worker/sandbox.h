/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a worker gives up. In the order it has to be done:
 *
 *     medio_sandbox_identity()   its own user; all capabilities; new privileges through exec
 *     medio_sandbox_limits()     memory, files, core dumps
 *     medio_sandbox_files()      Landlock: no file but those that were named; no TCP
 *     medio_sandbox_calls()      processes; seccomp: only the system calls a device's loop needs
 *
 * None can be undone. What the kernel does not have is told, not hidden. In a build with a sanitizer,
 * which takes more than a device does, the last two do nothing, and memory and processes stay as
 * they are.
 *
 * Threads: until medio_sandbox_files() the process has one. Others that a device makes then keep what
 * Landlock takes from this one, so that with them the last step takes it from all: no file is opened or
 * removed.
 */
#ifndef MEDIO_WORKER_SANDBOX_H
#define MEDIO_WORKER_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct medio_error;

/* Become uid and gid, with that user's groups, if we are root and they are not; then drop every
 * capability, and set no_new_privs, and forbid ptrace and core dumps of us (PR_SET_DUMPABLE).
 * -EPERM: we are neither uid nor root. */
int medio_sandbox_identity(uid_t uid, gid_t gid, struct medio_error **err);
/* 0: leave as it is (files: as many as the hard limit lets us). */
int medio_sandbox_limits(uint64_t memory, unsigned files, struct medio_error **err);
/* Paths that stay possible. */
struct medio_sandbox_paths {
	/* Folders beneath which files may be opened, read, written, made and removed; /dev/ptmx and
	 * /dev/pts are always among them. */
	const char *const *folders;
	unsigned nfolders;
	/* Files that this process made and will remove (sockets, links): removing is allowed in their
	 * folders. */
	const char *const *made;
	unsigned nmade;
	/* Folders beneath which files may be read. */
	const char *const *read;
	unsigned nread;
};

/*
 * needs: MEDIO_NEEDS_* of devices; with sockets TCP stays possible, and the name servers of this machine
 * may be read. Nothing may be executed.
 * 1: this kernel has no Landlock; 0 done. -errno with words: a folder that is not there …
 */
int medio_sandbox_files(
	const struct medio_sandbox_paths *paths, unsigned needs, struct medio_error **err);
/* No process is made any more. opens: files, sockets and threads may still be (more instances will come).
 * needs: MEDIO_NEEDS_* of devices, which stays possible. 1: not in this build (no libseccomp); 0 done. A
 * forbidden call kills the process (SIGSYS); opening a file, and making memory executable, just fail;
 * so does a new io_uring, with opens. */
int medio_sandbox_calls(bool opens, unsigned needs, struct medio_error **err);
/* Do beforehand what identity and calls would spend their time with. */
void medio_sandbox_prepare(void);
/* MEDIO_WIRE_SECCOMP | MEDIO_WIRE_LANDLOCK: what the last two would do here. */
unsigned medio_sandbox_possible(void);

#endif
