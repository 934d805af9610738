/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/mmio.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "compat/compat.h"
#include "compat/hold.h"
#include "compat/mmio_cpu.h"
#include "compat/mmio_trap.h"
#include "compat/tracee.h"
#include "util/cleanup.h"

/* What the kernel would do at once, which is not possible before all is in place. */
#define NOT_YET (MAP_POPULATE | MAP_LOCKED)

/* One mmap() of a program's. */
struct mapping {
	struct medio_kdev *kdev;
	struct medio_call *call;
	struct medio_hold *hold;
	unsigned region;
	uint64_t offset, length; /* in the region */
	uint64_t addr;		 /* what the kernel gave */
	unsigned prot;
	struct medio_card_region info;
	uint64_t file_offset; /* of the region in its file */
	int shared, traps;    /* the program's numbers, while it is held; -1 */
	struct medio_mmio_trap *trap;
};

/* ---- Calls that the held thread makes ----------------------------------------------------------- */

/* What the call gave, or why it could not be made. */
static int64_t inject(struct medio_hold *hold, long nr, uint64_t a, uint64_t b, uint64_t c,
	uint64_t d, uint64_t e, uint64_t f)
{
	const uint64_t args[6] = { a, b, c, d, e, f };
	int64_t ret;
	int err = medio_hold_syscall(hold, (unsigned)nr, args, &ret);

	return err ? err : ret;
}

static int64_t inject_mmap(struct medio_hold *hold, uint64_t addr, uint64_t length, unsigned prot,
	unsigned flags, int fd, uint64_t offset)
{
	return inject(hold, __NR_mmap, addr, length, prot, flags, (uint32_t)fd, offset);
}

static void inject_close(struct medio_hold *hold, int fd)
{
	if (fd >= 0)
		inject(hold, __NR_close, (uint32_t)fd, 0, 0, 0, 0, 0);
}

/* A thread that cannot be held, in words of mmap(2). */
static int64_t held(int64_t ret)
{
	return ret == -ESRCH ? -EINTR : ret;
}

int64_t medio_mmio_map_file(struct medio_call *call, int fd, uint64_t fd_offset)
{
	struct medio_hold *hold;
	int ret = medio_hold_thread(call, &hold);

	if (ret)
		return held(ret);
	int given = call->ops->give(call, fd, O_CLOEXEC);
	if (given < 0)
		return given == -EMFILE ? -ENOMEM : given;
	int64_t addr = inject_mmap(hold, call->args[0], call->args[1], (unsigned)call->args[2],
		(unsigned)call->args[3], given, fd_offset);
	inject_close(hold, given);
	return held(addr);
}

/* ---- What is where ------------------------------------------------------------------------------ */

/* How many of *size bytes from at on are of the same kind; whether that is memory of the device's. */
static bool piece(const struct medio_card_region *region, uint64_t at, uint64_t *size)
{
	for (unsigned i = 0; i < region->num_areas; i++) {
		const struct medio_card_area *area = &region->areas[i];

		if (at >= area->offset && at - area->offset < area->size) {
			if (*size > area->size - (at - area->offset))
				*size = area->size - (at - area->offset);
			return true;
		}
		if (at<area->offset && * size> area->offset - at)
			*size = area->offset - at;
	}
	return false;
}

static void kinds(const struct mapping *m, bool *shared, bool *trap)
{
	*shared = *trap = false;
	for (uint64_t at = 0, size; at < m->length; at += size) {
		size = m->length - at;
		if (piece(&m->info, m->offset + at, &size))
			*shared = true;
		else
			*trap = true;
	}
}

/* Ports are no memory: bit 0 of the BAR (PCI 3.0, 6.2.5.1). */
static bool is_io(struct medio_kdev *kdev, unsigned region)
{
	uint32_t bar = 0;

	return !medio_card_read32(kdev->card, MEDIO_CARD_CONFIG, 0x10 + 4 * region, &bar) &&
	       (bar & 1);
}

/* ---- Mapping it --------------------------------------------------------------------------------- */

static int give(const struct mapping *m, int fd, int *out)
{
	int ret = m->call->ops->give(m->call, fd, O_CLOEXEC);

	if (ret < 0)
		return ret == -EMFILE ? -ENOMEM : ret;
	*out = ret;
	return 0;
}

static int give_shared(struct mapping *m)
{
	int fd, ret = medio_card_region_file(m->kdev->card, m->region, &fd, &m->file_offset);

	return ret ? ret : give(m, fd, &m->shared);
}

static int give_traps(struct mapping *m)
{
	_cleanup_close_ int fd = -1;
	int ret = medio_mmio_trap_new(m->kdev, m->region, m->offset, m->length, &m->trap, &fd);

	return ret ? ret : give(m, fd, &m->traps);
}

/* A userfaultfd of the program's, of which it keeps nothing. */
static int take_uffd(struct mapping *m, int *out)
{
	int64_t fd = inject(m->hold, __NR_userfaultfd, MEDIO_MMIO_UFFD_FLAGS, 0, 0, 0, 0, 0);

	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
		return -ENOMEM;
	if (fd == -ESRCH)
		return -ESRCH;
	if (fd < 0) {
		medio_story_say(m->kdev->compat,
			"the registers of %s cannot be mapped: the kernel, or a container's seccomp "
			"profile, has no userfaultfd for this program (%s)",
			m->kdev->name, strerrorname_np((int)-fd));
		return -EPERM;
	}
	int ret = m->call->ops->take_fd(m->call, (int)fd, out);
	inject_close(m->hold, (int)fd);
	return ret ? -EPERM : 0;
}

/* All of it, without any right: the place is taken, and nobody gets a page before it traps. */
static int64_t reserve(struct mapping *m)
{
	unsigned flags = (unsigned)m->call->args[3] & ~(unsigned)NOT_YET;
	int64_t addr = inject_mmap(m->hold, m->call->args[0], m->length, PROT_NONE, flags,
		m->trap ? m->traps : m->shared, m->trap ? 0 : m->file_offset + m->offset);

	if (addr >= 0 || addr < -4095)
		m->addr = (uint64_t)addr;
	return m->addr ? 0 : addr;
}

static int64_t map_piece(struct mapping *m, uint64_t at, uint64_t size, bool shared)
{
	if (shared) {
		int64_t ret = inject_mmap(m->hold, m->addr + at, size, m->prot,
			MAP_SHARED | MAP_FIXED, m->shared, m->file_offset + m->offset + at);
		return ret < 0 && ret >= -4095 ? ret : 0;
	}
	int ret = medio_mmio_trap_arm(m->trap, m->addr + at, size);
	if (ret)
		return ret;
	return inject(m->hold, __NR_mprotect, m->addr + at, size, m->prot, 0, 0, 0);
}

static int64_t start_trap(struct mapping *m)
{
	struct medio_tracee_status status;
	int uffd = -1;

	if (!m->trap)
		return 0;
	int ret = medio_tracee_status(m->call->tid, &status);
	if (!ret)
		ret = take_uffd(m, &uffd);
	return ret ? ret : medio_mmio_trap_start(m->trap, status.tgid, m->addr, uffd);
}

static int64_t map_pieces(struct mapping *m)
{
	int64_t ret = start_trap(m);

	for (uint64_t at = 0, size; !ret && at < m->length; at += size) {
		size = m->length - at;
		bool shared = piece(&m->info, m->offset + at, &size);
		ret = map_piece(m, at, size, shared);
	}
	return ret;
}

static int64_t map_all(struct mapping *m, bool shared, bool trap)
{
	int64_t ret = medio_hold_thread(m->call, &m->hold);

	if (!ret && shared)
		ret = give_shared(m);
	if (!ret && trap)
		ret = give_traps(m);
	if (!ret)
		ret = reserve(m);
	if (!ret) {
		ret = map_pieces(m);
		if (ret)
			inject(m->hold, __NR_munmap, m->addr, m->length, 0, 0, 0, 0);
	}
	if (m->shared >= 0)
		inject_close(m->hold, m->shared);
	if (m->traps >= 0)
		inject_close(m->hold, m->traps);
	return ret ? held(ret) : (int64_t)m->addr;
}

static int check(struct mapping *m, uint64_t page)
{
	uint64_t length = m->call->args[1];
	int ret;

	if (m->offset & page || !length || length > INT64_MAX || m->region > MEDIO_CARD_BAR5 ||
		!(m->call->args[3] & MAP_SHARED))
		return -EINVAL;
	ret = medio_card_get_region(m->kdev->card, m->region, &m->info);
	if (ret)
		return ret;
	m->length = (length + page) & ~page;
	uint64_t size = (m->info.size + page) & ~page;
	return m->length > size || m->offset > size - m->length ? -EINVAL : 0;
}

int64_t medio_mmio_mmap(
	struct medio_kdev *kdev, struct medio_call *call, unsigned region, uint64_t offset)
{
	struct mapping m = { .kdev = kdev,
		.call = call,
		.region = region,
		.offset = offset,
		.prot = (unsigned)call->args[2],
		.shared = -1,
		.traps = -1 };
	bool shared, trap;

	if (call->args[3] & MAP_ANONYMOUS)
		return MEDIO_CALL_CONTINUE; /* the descriptor counts for nothing */
	int ret = check(&m, (uint64_t)sysconf(_SC_PAGESIZE) - 1);
	if (ret)
		return ret;
	kinds(&m, &shared, &trap);
	if (trap && (kdev->map != MEDIO_KDEV_MAP_ALL || is_io(kdev, region)))
		return -EINVAL;
	if (trap && !medio_mmio_cpu_known())
		return -ENOSYS;
	return map_all(&m, shared, trap);
}

void medio_mmio_forget(struct medio_kdev *kdev)
{
	medio_mmio_traps_forget(kdev);
}
