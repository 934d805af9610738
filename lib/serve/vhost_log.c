/* SPDX-License-Identifier: BSD-3-Clause */
#include "serve/vhost_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include <medio/virtio.h>

#include "device/instance.h"
#include "device/signal.h"
#include "iommu/iommu.h"
#include "util/cleanup.h"

/* Pages that are looked at in one go: 128 MiB of memory. A multiple of 64. */
#define CHUNK_PAGES 32768u
#define CHUNK_BYTES ((uint64_t)CHUNK_PAGES * MEDIO_VHOST_LOG_PAGE)
/* Memory that a byte of the bitmap stands for. */
#define BYTE_SPAN (UINT64_C(8) * MEDIO_VHOST_LOG_PAGE)
/* Pause between two looks, and how much longer it is at least than a look takes. */
#define PAUSE_NS    UINT64_C(50000000)
#define PAUSE_TIMES 10u

/* A ring that is logged as if it were elsewhere. */
struct ring {
	uint64_t iova, size, log_address; /* size 0: none */
};

struct medio_vhost_log {
	struct medio_instance *inst;
	struct medio_timer *timer;
	bool on;
	bool told; /* that the bitmap's memory has gone */

	/* The bitmap, size bytes; NULL: none. */
	uint8_t *bits;
	uint64_t size;
	void *map; /* what it lies in, map_size bytes */
	size_t map_size;
	struct medio_guard *guard;

	int fd; /* signalled, -1: none */
	bool careful;
	bool fresh; /* bits were set since */

	struct ring rings[MEDIO_VIRTIO_MAX_QUEUES];
	unsigned num_rings; /* whose size is not 0 */
	uint64_t scratch[CHUNK_PAGES / 64];
};

static uint64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- Setting bits -------------------------------------------------------------------------------- */

/* The front-end exchanges the same bytes for zero meanwhile. What lies beyond is not ours to write: such
 * memory is not mapped (medio_vhost_log_covers()). */
static void set_byte(struct medio_vhost_log *log, uint64_t at, uint8_t bits)
{
	if (!bits || at >= log->size)
		return;
	__atomic_fetch_or(&log->bits[at], bits, __ATOMIC_SEQ_CST);
	log->fresh = true;
}

/* All pages of [address, last]. */
static void set_range(struct medio_vhost_log *log, uint64_t address, uint64_t last)
{
	for (uint64_t page = address / MEDIO_VHOST_LOG_PAGE; page <= last / MEDIO_VHOST_LOG_PAGE;
		page++)
		set_byte(log, page / 8, (uint8_t)(1u << page % 8));
}

/* What was written of [iova, iova + length), both multiples of a page, goes to scratch. */
static bool look(struct medio_vhost_log *log, uint64_t iova, uint64_t length)
{
	return medio_iommu_dirty_report(medio_instance_iommu(log->inst), iova, length,
		       MEDIO_VHOST_LOG_PAGE, log->scratch, sizeof(log->scratch)) == 0;
}

/* iova stands for the first bit of a byte. */
static void look_and_set(struct medio_vhost_log *log, uint64_t iova, uint64_t length)
{
	if (!look(log, iova, length))
		return;
	const uint64_t at = iova / BYTE_SPAN, words = (length / MEDIO_VHOST_LOG_PAGE + 63) / 64;
	for (uint64_t w = 0; w < words; w++) {
		uint64_t word = log->scratch[w];
		for (unsigned i = 0; word; i++, word >>= 8)
			set_byte(log, at + 8 * w + i, (uint8_t)word);
	}
}

/* A ring is small: 1024 descriptors take 5 pages. It counts twice, there and where it is. */
static void sync_ring(struct medio_vhost_log *log, const struct ring *ring)
{
	const uint64_t page = MEDIO_VHOST_LOG_PAGE, last = ring->iova + ring->size - 1;
	const uint64_t from = ring->iova & ~(page - 1);
	const uint64_t pages = (last - from) / page + 1;
	if (!look(log, from, pages * page))
		return;
	for (uint64_t i = 0; i < pages; i++) {
		if (!(log->scratch[i / 64] >> (i % 64) & 1))
			continue;
		const uint64_t lo = from + i * page, hi = lo + page - 1;
		const uint64_t first = lo > ring->iova ? lo - ring->iova : 0;
		const uint64_t end = (hi < last ? hi : last) - ring->iova;
		set_range(log, ring->log_address + first, ring->log_address + end);
		set_range(log, lo, lo);
	}
}

static void sync_mapping(struct medio_vhost_log *log, uint64_t start, uint64_t last)
{
	for (uint64_t at = start & ~(BYTE_SPAN - 1);; at += CHUNK_BYTES) {
		const bool end = last - at < CHUNK_BYTES;
		look_and_set(log, at, end ? last - at + 1 : CHUNK_BYTES);
		if (end)
			break;
	}
}

static void notice_gone(struct medio_vhost_log *log)
{
	if (log->told || !medio_guard_poisoned(log->guard))
		return;
	log->told = true;
	medio_instance_guest_error(log->inst,
		"the file of the dirty bitmap has become shorter than the 0x%" PRIx64
		" bytes of SET_LOG_BASE: what is written now is missing from it",
		log->size);
}

void medio_vhost_log_sync(struct medio_vhost_log *log)
{
	if (!log->on || !log->bits)
		return;
	for (unsigned i = 0; log->num_rings && i < MEDIO_VIRTIO_MAX_QUEUES; i++)
		if (log->rings[i].size)
			sync_ring(log, &log->rings[i]);
	const struct medio_maptable *table = &medio_instance_iommu(log->inst)->table;
	struct medio_mappos pos = { 0, 0 };
	for (; medio_mappos_valid(table, pos); pos = medio_mappos_next(table, pos))
		if (medio_mappos_backing(table, pos)->dirty)
			sync_mapping(
				log, medio_mappos_start(table, pos), medio_mappos_last(table, pos));
	notice_gone(log);
	if (log->fresh)
		medio_signal(log->fd, log->careful);
	log->fresh = false;
}

static void tick(void *opaque)
{
	struct medio_vhost_log *log = opaque;
	const uint64_t begin = now_ns();
	medio_vhost_log_sync(log);
	const uint64_t pause = PAUSE_TIMES * (now_ns() - begin);
	medio_timer_arm(log->timer, pause > PAUSE_NS ? pause : PAUSE_NS);
}

/* ---- What it has to cover -------------------------------------------------------------------------- */

/* Is [address, address + length) within a bitmap of size bytes? */
static bool is_covered(uint64_t size, uint64_t address, uint64_t length)
{
	const uint64_t last = length ? address + length - 1 : address;
	return !length || (last >= address && last / BYTE_SPAN < size);
}

/* The last byte that is mapped; false: none is. */
static bool last_mapped(struct medio_vhost_log *log, uint64_t *out)
{
	const struct medio_maptable *table = &medio_instance_iommu(log->inst)->table;
	struct medio_mappos pos;
	if (!medio_maptable_floor(table, UINT64_MAX, &pos))
		return false;
	*out = medio_mappos_last(table, pos);
	return true;
}

static bool covers_memory(struct medio_vhost_log *log, uint64_t size)
{
	uint64_t last;
	if (!last_mapped(log, &last) || is_covered(size, last, 1))
		return true;
	medio_instance_guest_error(log->inst,
		"a dirty bitmap of 0x%" PRIx64
		" bytes ends before the memory does: its last byte, 0x%" PRIx64 ", needs 0x%" PRIx64
		" bytes",
		size, last, last / BYTE_SPAN + 1);
	return false;
}

static bool covers_rings(struct medio_vhost_log *log, uint64_t size)
{
	for (unsigned i = 0; log->num_rings && i < MEDIO_VIRTIO_MAX_QUEUES; i++) {
		const struct ring *ring = &log->rings[i];
		if (is_covered(size, ring->log_address, ring->size))
			continue;
		medio_instance_guest_error(log->inst,
			"queue %u is logged at 0x%" PRIx64 ", 0x%" PRIx64
			" bytes, which is beyond a dirty bitmap of 0x%" PRIx64 " bytes",
			i, ring->log_address, ring->size, size);
		return false;
	}
	return true;
}

bool medio_vhost_log_covers(struct medio_vhost_log *log, uint64_t end)
{
	if (!log->on || !log->bits || !end || is_covered(log->size, end - 1, 1))
		return true;
	medio_instance_guest_error(log->inst,
		"memory up to 0x%" PRIx64 " is added, and the dirty bitmap of 0x%" PRIx64
		" bytes ends at 0x%" PRIx64 ": give a larger one (SET_LOG_BASE) before",
		end - 1, log->size, log->size * BYTE_SPAN);
	return false;
}

/* ---- What a front-end gives -------------------------------------------------------------------------- */

/* A mapping of a file of the front-end's. */
struct window {
	void *map;
	size_t size;
	uint64_t skip; /* to the bitmap */
	struct medio_guard *guard;
};

static int check_file(
	struct medio_vhost_log *log, int fd, uint64_t size, uint64_t offset, struct stat *st)
{
	uint64_t end;
	const char *wrong = NULL;
	if (fstat(fd, st) < 0) {
		medio_instance_guest_error(log->inst, "SET_LOG_BASE: %s", strerror(errno));
		return -errno;
	}
	if (__builtin_add_overflow(offset, size, &end)) {
		medio_instance_guest_error(log->inst,
			"SET_LOG_BASE: offset 0x%" PRIx64 " and size 0x%" PRIx64 " wrap around",
			offset, size);
		return -EOVERFLOW;
	}
	if (size > MEDIO_VHOST_LOG_MAX) {
		medio_instance_guest_error(log->inst,
			"SET_LOG_BASE: a bitmap of 0x%" PRIx64 " bytes, at most 0x%" PRIx64
			" are possible",
			size, MEDIO_VHOST_LOG_MAX);
		return -E2BIG;
	}
	if (!S_ISREG(st->st_mode))
		wrong = "its descriptor is no file in memory or on disk";
	else if (!size)
		wrong = "a bitmap of 0 bytes";
	else if (end > (uint64_t)st->st_size)
		wrong = "its file ends before offset + size";
	if (!wrong)
		return 0;
	medio_instance_guest_error(log->inst,
		"SET_LOG_BASE: %s (size 0x%" PRIx64 ", offset 0x%" PRIx64 ", file 0x%" PRIx64
		" bytes)",
		wrong, size, offset, (uint64_t)st->st_size);
	return -EINVAL;
}

static int map_window(
	int fd, const struct stat *st, uint64_t size, uint64_t offset, struct window *out)
{
	/* Huge pages are mapped whole; st_blksize is their size there. */
	uint64_t granule = st->st_blksize > 4096 ? (uint64_t)st->st_blksize : 4096;
	if (granule & (granule - 1) || granule > UINT64_C(1) << 34)
		granule = 4096;
	const uint64_t from = offset & ~(granule - 1);
	const int prot = PROT_READ | PROT_WRITE;
	out->skip = offset - from;
	out->size = (size_t)((out->skip + size + granule - 1) & ~(granule - 1));
	out->map = mmap(NULL, out->size, prot, MAP_SHARED, fd, (off_t)from);
	if (out->map == MAP_FAILED)
		return errno == EPERM ? -EACCES : -errno;
	int ret = medio_guard_add(out->map, out->size, (size_t)granule, prot, &out->guard);
	if (ret < 0)
		munmap(out->map, out->size);
	return ret;
}

static void drop_base(struct medio_vhost_log *log)
{
	if (!log->bits)
		return;
	medio_guard_del(log->guard);
	munmap(log->map, log->map_size);
	log->bits = NULL;
	log->guard = NULL;
	log->size = 0;
}

int medio_vhost_log_set_base(struct medio_vhost_log *log, int fd, uint64_t size, uint64_t offset)
{
	_cleanup_close_ int owned = fd;
	struct window window = { 0 };
	struct stat st;
	int ret = check_file(log, owned, size, offset, &st);
	if (ret)
		return ret;
	if (!covers_memory(log, size) || !covers_rings(log, size))
		return -EINVAL;
	ret = map_window(owned, &st, size, offset, &window);
	if (ret) {
		medio_instance_guest_error(log->inst,
			"SET_LOG_BASE: the bitmap cannot be mapped for writing: %s",
			strerror(-ret));
		return ret;
	}
	drop_base(log);
	log->bits = (uint8_t *)window.map + window.skip;
	log->size = size;
	log->map = window.map;
	log->map_size = window.size;
	log->guard = window.guard;
	log->told = false;
	return 0;
}

int medio_vhost_log_set_fd(struct medio_vhost_log *log, int fd)
{
	_cleanup_close_ int owned = fd;
	if (fd >= 0 && !medio_signal_is_eventfd(fd)) {
		medio_instance_guest_error(
			log->inst, "SET_LOG_FD: its descriptor is not an eventfd");
		return -EINVAL;
	}
	if (log->fd >= 0)
		close(log->fd);
	log->fd = medio_steal_fd(owned);
	log->careful = log->fd >= 0 && medio_signal_blocks(log->fd);
	return 0;
}

int medio_vhost_log_set_ring(struct medio_vhost_log *log, unsigned queue, uint64_t iova,
	uint64_t size, uint64_t log_address)
{
	const struct ring ring = { iova, size, log_address };
	if (queue >= MEDIO_VIRTIO_MAX_QUEUES)
		return -EINVAL;
	if (size && (iova + size < iova || log_address + size < log_address)) {
		medio_instance_guest_error(log->inst,
			"queue %u: its log address 0x%" PRIx64 " and 0x%" PRIx64
			" bytes wrap around",
			queue, log_address, size);
		return -EOVERFLOW;
	}
	/* What one look holds is far more than the largest ring there is. */
	if (size > CHUNK_BYTES / 2)
		return -EINVAL;
	if (log->bits && !is_covered(log->size, log_address, size)) {
		medio_instance_guest_error(log->inst,
			"queue %u is logged at 0x%" PRIx64 ", 0x%" PRIx64
			" bytes, which is beyond the dirty bitmap of 0x%" PRIx64 " bytes",
			queue, log_address, size, log->size);
		return -EINVAL;
	}
	struct ring *old = &log->rings[queue];
	/* Its writes until now belong to where it was. */
	if (old->size)
		medio_vhost_log_sync(log);
	log->num_rings -= old->size > 0;
	*old = ring;
	if (iova == log_address)
		old->size = 0;
	log->num_rings += old->size > 0;
	return 0;
}

/* ---- On and off ------------------------------------------------------------------------------------------ */

int medio_vhost_log_set_on(struct medio_vhost_log *log, bool on)
{
	/* All there is; a length of 2^64 cannot be said. */
	static const struct medio_iommu_range all[] = {
		{ 0, UINT64_C(1) << 63 },
		{ UINT64_C(1) << 63, UINT64_C(1) << 63 },
	};
	struct medio_iommu *domain = medio_instance_iommu(log->inst);
	if (on == log->on)
		return 0;
	if (!on) {
		medio_vhost_log_sync(log);
		medio_timer_disarm(log->timer);
		medio_iommu_dirty_stop(domain);
		log->on = false;
		return 0;
	}
	if (log->bits && !covers_memory(log, log->size))
		return -EINVAL;
	int ret = medio_iommu_dirty_start(domain, MEDIO_VHOST_LOG_PAGE, all, MEDIO_ARRAY_SIZE(all));
	if (ret)
		return ret;
	log->on = true;
	medio_timer_arm(log->timer, PAUSE_NS);
	return 0;
}

bool medio_vhost_log_is_on(const struct medio_vhost_log *log)
{
	return log->on;
}

/* ---- Life -------------------------------------------------------------------------------------------------- */

int medio_vhost_log_new(struct medio_instance *inst, struct medio_vhost_log **out)
{
	struct medio_vhost_log *log = calloc(1, sizeof(*log));
	if (!log)
		return -ENOMEM;
	log->inst = inst;
	log->fd = -1;
	log->timer = medio_loop_timer(medio_instance_loop(inst), tick, log);
	if (!log->timer) {
		free(log);
		return -ENOMEM;
	}
	*out = log;
	return 0;
}

void medio_vhost_log_free(struct medio_vhost_log *log)
{
	if (!log)
		return;
	medio_vhost_log_set_on(log, false);
	medio_timer_free(log->timer);
	drop_base(log);
	if (log->fd >= 0)
		close(log->fd);
	free(log);
}
