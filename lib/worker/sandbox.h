/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a worker gives up. In the order it has to be done:
 *
 *     medio_sandbox_identity()   its own user; all capabilities; new privileges through exec
 *     medio_sandbox_limits()     memory, files, processes, core dumps
 *     medio_sandbox_files()      Landlock: no file but those beneath the folders named; no TCP
 *     medio_sandbox_calls()      seccomp: only the system calls a device's loop needs
 *
 * None can be undone. What the kernel does not have is told, not hidden. In a build with a sanitizer,
 * which takes more than a device does, the last two do nothing, and memory and processes stay as
 * they are.
 *
 * Threads: the process has one; the others would keep what this one gives up.
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
/* 0: leave as it is (files: as many as the hard limit lets us). No process is ever forked. */
int medio_sandbox_limits(uint64_t memory, unsigned files, struct medio_error **err);
/*
 * folders: nfolders paths beneath which files may be opened, read, written, made and removed;
 * /dev/ptmx and /dev/pts always. made: nmade paths of files that this process made and will remove
 * (sockets, links): removing is allowed in their folders. Nothing may be executed.
 * 1: this kernel has no Landlock; 0 done. -errno with words: a folder that is not there …
 */
int medio_sandbox_files(const char *const *folders, unsigned nfolders, const char *const *made,
	unsigned nmade, struct medio_error **err);
/* opens: files and sockets may still be opened (more instances will come). 1: not in this build (no
 * libseccomp); 0 done. A forbidden call kills the process (SIGSYS);
 * opening a file, and making memory executable, just fail. */
int medio_sandbox_calls(bool opens, struct medio_error **err);
/* Do beforehand what identity and calls would spend their time with. */
void medio_sandbox_prepare(void);
/* MEDIO_WIRE_SECCOMP | MEDIO_WIRE_LANDLOCK: what the last two would do here. */
unsigned medio_sandbox_possible(void);

#endif
