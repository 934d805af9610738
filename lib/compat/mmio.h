/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registers that a program reaches through memory it has mapped, as drivers do: each access to a mapped BAR that is not
 * memory of the device's traps, and is made on the card. The pages are never there: userfaultfd tells of an access to one, the
 * thread is held for a moment (tracee.h), the one instruction is decoded and done for it (insn.h), and the thread goes on
 * behind it. Parts of a BAR that are memory of the device's are mapped as such, and cost nothing.
 *
 * It is what `medio run` offers for PCI devices (MEDIO_KDEV_MAP_ALL). Not possible, -EPERM, in a program that somebody else
 * traces, and where userfaultfd is forbidden (a container's seccomp profile); -ENOSYS on machines other than x86-64. The
 * kernel itself cannot touch such memory (write(fd, bar, …) is -EFAULT), nor can a KVM guest: kdev.c does not offer it to a
 * program that has /dev/kvm open. A child of fork() finds ones there, as where a device is gone; so does who has moved the
 * mapping with mremap().
 *
 *   mmio.c       mmap(): what is mapped where
 *   mmio_trap.c  one mapping that traps: faults, threads, the card
 *   mmio_cpu.h   a stopped thread's registers and its instruction
 */
#ifndef MEDIO_COMPAT_MMIO_H
#define MEDIO_COMPAT_MMIO_H

#include "compat/kdev.h"

/*
 * mmap(addr, length, prot, flags, fd, offset) of a device's file, which call is: region and offset in it, a
 * range inside the region. Shared parts are mapped, the rest is made to trap if kdev->map says so. The call's answer: the
 * address, or -EINVAL (not shared; outside; a part that cannot be mapped), -ENODEV, -EPERM, -ENOMEM. The card's own
 * regions are MEDIO_CARD_BAR0 to 5. May hold the thread; answers by returning. Where something traps the mapping keeps the
 * device open, as a descriptor of it does.
 */
int64_t medio_mmio_mmap(
	struct medio_kdev *kdev, struct medio_call *call, unsigned region, uint64_t offset);
/* Map length bytes of fd from fd_offset on for the call's mmap() arguments, whatever offset the program gave: hold, give, mmap in
 * its place. The answer. */
int64_t medio_mmio_map_file(struct medio_call *call, int fd, uint64_t fd_offset);
/* The device is closed: nothing traps into it any more; such accesses then read ones. */
void medio_mmio_forget(struct medio_kdev *kdev);

#endif
