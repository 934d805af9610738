/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Regions: what an access meets at the bottom of the chain. Config space and the MSI-X table are the
 * library's, mapped areas are shared memory, the rest is the device's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device/private.h"
#include "device/sriov.h"
#include "util/error.h"

#define MSIX_ENTRY_SIZE 16u

static const struct medio_bar *bar_of(const struct medio_instance *inst, unsigned region)
{
	return &inst->type->bars[region];
}

/* ---- Pieces of a BAR ---------------------------------------------------------------------------- */

enum piece_kind { PIECE_DEVICE, PIECE_AREA, PIECE_TABLE, PIECE_PBA };

struct piece {
	enum piece_kind kind;
	uint64_t base; /* where the table or PBA starts in the BAR */
};

/* A range [start, start + size) either holds offset, or bounds the piece that does. */
static bool clip(uint64_t start, uint64_t size, uint64_t offset, size_t *count)
{
	if (offset >= start && offset - start < size) {
		if (*count > size - (offset - start))
			*count = size - (offset - start);
		return true;
	}
	if (offset<start && * count> start - offset)
		*count = start - offset;
	return false;
}

/* What lies at offset; *count is cut to where that ends. */
static struct piece piece_at(
	const struct medio_instance *inst, unsigned region, uint64_t offset, size_t *count)
{
	const struct medio_msix *msix = &inst->type->irqs.msix;
	const struct medio_bar *bar = bar_of(inst, region);
	struct piece piece = { PIECE_DEVICE, 0 };
	if (msix->vectors && msix->table_bar == region &&
		clip(msix->table_offset, medio_pci_msix_table_size(msix->vectors), offset, count))
		piece = (struct piece){ PIECE_TABLE, msix->table_offset };
	if (msix->vectors && msix->pba_bar == region &&
		clip(msix->pba_offset, medio_pci_msix_pba_size(msix->vectors), offset, count))
		piece = (struct piece){ PIECE_PBA, msix->pba_offset };
	/* Memory of the device's own is reached through the device. */
	for (unsigned i = 0; inst->regions[region].mem && i < inst->regions[region].num_areas; i++)
		if (clip(bar->areas[i].offset, bar->areas[i].size, offset, count))
			piece = (struct piece){ PIECE_AREA, 0 };
	return piece;
}

/* Half an access cannot be deferred: nobody would put the halves together. */
static int half_deferred(struct medio_dev *dev)
{
	medio_tokens_disown(dev);
	return -EIO;
}

static int piece_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct medio_instance *inst = dev->inst;
	size_t part = count;
	struct piece piece = piece_at(inst, region, offset, &part);
	switch (piece.kind) {
	case PIECE_AREA:
		memcpy(buf, inst->regions[region].mem + offset, part);
		break;
	case PIECE_TABLE:
		medio_pci_msix_read(&inst->msix, offset - piece.base, buf, part);
		break;
	case PIECE_PBA:
		medio_pci_msix_pba_read(&inst->msix, offset - piece.base, buf, part);
		break;
	case PIECE_DEVICE:
		if (!dev->down->region_read) {
			memset(buf, 0xff, part);
			break;
		}
		int ret = dev->down->region_read(dev, region, offset, buf, part);
		if (ret)
			return ret == MEDIO_DEFERRED && part < count ? half_deferred(dev) : ret;
		break;
	}
	if (part == count)
		return 0;
	int ret = piece_read(dev, region, offset + part, (uint8_t *)buf + part, count - part);
	return ret == MEDIO_DEFERRED ? half_deferred(dev) : ret;
}

static int piece_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct medio_instance *inst = dev->inst;
	size_t part = count;
	struct piece piece = piece_at(inst, region, offset, &part);
	switch (piece.kind) {
	case PIECE_AREA:
		memcpy(inst->regions[region].mem + offset, buf, part);
		break;
	case PIECE_TABLE:
		medio_irqs_table_write(inst, offset - piece.base, buf, part);
		break;
	case PIECE_PBA:
		break; /* read-only, PCI 3.0, 6.8.2.9 */
	case PIECE_DEVICE:
		if (!dev->down->region_write)
			break;
		int ret = dev->down->region_write(dev, region, offset, buf, part);
		if (ret)
			return ret == MEDIO_DEFERRED && part < count ? half_deferred(dev) : ret;
		break;
	}
	if (part == count)
		return 0;
	int ret = piece_write(
		dev, region, offset + part, (const uint8_t *)buf + part, count - part);
	return ret == MEDIO_DEFERRED ? half_deferred(dev) : ret;
}

/* ---- Config space -------------------------------------------------------------------------------- */

static void config_write(
	struct medio_instance *inst, uint64_t offset, const void *buf, size_t count)
{
	int events = medio_pci_config_write(&inst->config, offset, buf, count);
	if (events < 0)
		return; /* cannot be: the range was checked at the top */
	/* PM 1.2, 5.4.1: a function that has no No_Soft_Reset returns from D3hot uninitialised. */
	if (events & (MEDIO_PCI_FLR | MEDIO_PCI_POWER_UP)) {
		bool stopped = medio_migration_state(inst) != MEDIO_MIGRATION_RUNNING;
		medio_instance_reset(
			inst, events & MEDIO_PCI_FLR ? MEDIO_RESET_FLR : MEDIO_RESET_POWER);
		if (stopped)
			medio_instance_resume(inst); /* a reset card runs */
		return;
	}
	struct medio_dev *dev = &inst->chain.device;
	if (events & MEDIO_PCI_INTX_DISABLE && dev->down->intx_unmasked &&
		!medio_pci_config_intx_disabled(&inst->config))
		dev->down->intx_unmasked(dev);
	if (events)
		medio_irqs_refresh(inst);
	if (events & MEDIO_PCI_VFS)
		medio_vfs_follow(inst);
	medio_next_config_changed(&inst->chain.head, (unsigned)offset, count);
}

int medio_config_get(struct medio_dev *dev, unsigned offset, void *buf, size_t count)
{
	return medio_pci_config_read(&dev->inst->config, offset, buf, count);
}

int medio_config_set(struct medio_dev *dev, unsigned offset, const void *buf, size_t count)
{
	struct medio_instance *inst = dev->inst;
	const struct medio_cap *caps = inst->type->caps;
	for (unsigned i = 0; caps && caps[i].kind; i++) {
		if (caps[i].kind != MEDIO_CAP_VENDOR && caps[i].kind != MEDIO_CAP_EXT)
			continue;
		unsigned body = inst->layout->cap_offset[i];
		body += caps[i].kind == MEDIO_CAP_EXT ? 4 : 3;
		if (offset < body || count > caps[i].size || offset - body > caps[i].size - count)
			continue;
		memcpy(inst->config.values + offset, buf, count);
		return 0;
	}
	return -EINVAL;
}

/* ---- The bottom of the chain --------------------------------------------------------------------- */

static bool plain(const struct medio_instance *inst, unsigned region)
{
	return !inst->regions[region].mem && !inst->regions[region].msix;
}

int medio_region_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct medio_instance *inst = dev->inst;
	if (region == MEDIO_REGION_CONFIG) {
		if (inst->type->raw_config && dev->down->region_read)
			return dev->down->region_read(dev, region, offset, buf, count);
		if (dev->down->config_read)
			dev->down->config_read(dev, (unsigned)offset, count);
		return medio_pci_config_read(&inst->config, offset, buf, count);
	}
	if (medio_vf_is_deaf(inst)) {
		memset(buf, 0xff, count);
		return 0;
	}
	if (plain(inst, region) && dev->down->region_read)
		return dev->down->region_read(dev, region, offset, buf, count);
	return piece_read(dev, region, offset, buf, count);
}

static bool rings(const struct medio_doorbell *bell, uint64_t offset, const void *buf, size_t count)
{
	return bell->offset == offset && (!bell->size || bell->size == count) &&
	       (!bell->has_datamatch || bell->datamatch == medio_get_le(buf, count));
}

/* Here, and not where the client's write comes in: a filter may have put it off. */
static void ring(struct medio_instance *inst, unsigned region, uint64_t offset, const void *buf,
	size_t count)
{
	const struct medio_bar *bar = bar_of(inst, region);
	for (unsigned i = 0; i < bar->num_doorbells; i++)
		if (rings(&bar->doorbells[i], offset, buf, count))
			medio_next_doorbell(&inst->chain.head, region, offset);
}

int medio_region_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct medio_instance *inst = dev->inst;
	if (region == MEDIO_REGION_CONFIG) {
		config_write(inst, offset, buf, count);
		if (inst->type->raw_config && dev->down->region_write)
			return dev->down->region_write(dev, region, offset, buf, count);
		return 0;
	}
	if (medio_vf_is_deaf(inst))
		return 0;
	int ret = plain(inst, region) && dev->down->region_write
			  ? dev->down->region_write(dev, region, offset, buf, count)
			  : piece_write(dev, region, offset, buf, count);
	if (ret == 0)
		ring(inst, region, offset, buf, count);
	return ret;
}

/* ---- The top: what a transport asks --------------------------------------------------------------- */

static uint64_t region_size(const struct medio_instance *inst, unsigned region)
{
	if (region < MEDIO_NUM_BARS)
		return bar_of(inst, region)->size;
	if (region == MEDIO_REGION_CONFIG)
		return inst->layout->size;
	return 0;
}

static int check(const struct medio_instance *inst, unsigned region, uint64_t offset, size_t count)
{
	uint64_t size = region_size(inst, region);
	return count && offset < size && count <= size - offset ? 0 : -EINVAL;
}

int medio_instance_read(
	struct medio_instance *inst, unsigned region, uint64_t offset, void *buf, size_t count)
{
	int ret = check(inst, region, offset, count);
	if (ret)
		return ret;
	medio_stat_add(&inst->stats->reads, 1);
	return medio_next_region_read(&inst->chain.head, region, offset, buf, count);
}

int medio_instance_write(struct medio_instance *inst, unsigned region, uint64_t offset,
	const void *buf, size_t count)
{
	int ret = check(inst, region, offset, count);
	if (ret)
		return ret;
	medio_stat_add(&inst->stats->writes, 1);
	return medio_next_region_write(&inst->chain.head, region, offset, buf, count);
}

int medio_instance_region(
	struct medio_instance *inst, unsigned region, struct medio_region_view *view)
{
	if (region >= MEDIO_NUM_REGIONS)
		return -EINVAL;
	*view = (struct medio_region_view){ .size = region_size(inst, region), .fd = -1 };
	view->readable = view->writable = view->size > 0;
	if (region >= MEDIO_NUM_BARS)
		return 0;
	const struct medio_bar *bar = bar_of(inst, region);
	view->io_ports = bar->kind == MEDIO_BAR_IO;
	view->areas = bar->areas;
	view->num_areas = inst->regions[region].num_areas;
	view->fd = inst->regions[region].fd;
	view->fd_offset = inst->regions[region].fd_offset;
	view->doorbells = bar->doorbells;
	view->num_doorbells = bar->num_doorbells;
	return 0;
}

/* ---- Doorbells ------------------------------------------------------------------------------------ */

struct bell {
	struct medio_instance *inst;
	struct medio_watch *watch;
	unsigned region;
	uint64_t offset;
	int fd;
};

static void on_doorbell(void *opaque, uint32_t events)
{
	struct bell *bell = opaque;
	uint64_t rung;
	(void)events;
	if (read(bell->fd, &rung, sizeof(rung)) == sizeof(rung) && !medio_vf_is_deaf(bell->inst))
		medio_next_doorbell(&bell->inst->chain.head, bell->region, bell->offset);
}

int medio_instance_doorbell_fd(struct medio_instance *inst, unsigned region, unsigned n)
{
	if (region >= MEDIO_NUM_BARS || n >= bar_of(inst, region)->num_doorbells)
		return -EINVAL;
	struct medio_region *r = &inst->regions[region];
	unsigned count = bar_of(inst, region)->num_doorbells;
	if (!r->bells) {
		r->bells = calloc(count, sizeof(struct bell));
		if (!r->bells)
			return -ENOMEM;
		for (unsigned i = 0; i < count; i++)
			r->bells[i].fd = -1;
	}
	struct bell *bell = &r->bells[n];
	if (bell->fd >= 0)
		return bell->fd;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	*bell = (struct bell){ inst, NULL, region, bar_of(inst, region)->doorbells[n].offset, fd };
	bell->watch = medio_loop_watch(inst->loop, fd, EPOLLIN, on_doorbell, bell);
	if (!bell->watch) {
		int ret = -errno;
		close(fd);
		bell->fd = -1;
		return ret;
	}
	return fd;
}

static void bells_free(struct medio_region *r, unsigned count)
{
	for (unsigned i = 0; r->bells && i < count; i++) {
		medio_watch_free(r->bells[i].watch);
		if (r->bells[i].fd >= 0)
			close(r->bells[i].fd);
	}
	free(r->bells);
	r->bells = NULL;
}

/* ---- Memory ----------------------------------------------------------------------------------------- */

/*
 * The memory of a BAR with areas. It is sealed against resizing: a client that holds the fd could
 * otherwise truncate it under us.
 */
static int make_memory(
	struct medio_region *r, const struct medio_bar *bar, struct medio_error **err)
{
	int fd = memfd_create("medio-region", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return medio_error_set(
			err, errno, "cannot make region memory: %s", strerror(errno));
	r->fd = fd;
	if (ftruncate(fd, (off_t)bar->size) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return medio_error_set(
			err, errno, "cannot size region memory: %s", strerror(errno));
	void *mem = mmap(NULL, bar->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		return medio_error_set(err, errno, "cannot map region memory: %s", strerror(errno));
	r->mem = mem;
	return 0;
}

static void drop_memory(struct medio_region *r, uint64_t size)
{
	if (r->mem)
		munmap(r->mem, size);
	if (r->fd >= 0 && !r->foreign)
		close(r->fd);
	r->fd = -1;
	r->mem = NULL;
}

static unsigned count_areas(const struct medio_bar *bar)
{
	unsigned count = 0;
	while (bar->areas && bar->areas[count].size)
		count++;
	return count;
}

/* The areas of a BAR, if it has any, and their memory. */
static int make_areas(struct medio_region *r, const struct medio_bar *bar, struct medio_error **err)
{
	unsigned count = count_areas(bar);
	int ret = count ? make_memory(r, bar, err) : 0;
	if (ret == 0)
		r->num_areas = count;
	return ret;
}

int medio_regions_init(struct medio_instance *inst, struct medio_error **err)
{
	const struct medio_msix *msix = &inst->type->irqs.msix;
	for (unsigned i = 0; i < MEDIO_NUM_BARS; i++) {
		const struct medio_bar *bar = bar_of(inst, i);
		struct medio_region *r = &inst->regions[i];
		r->msix = msix->vectors && (msix->table_bar == i || msix->pba_bar == i);
		int ret = bar->areas_if_shared || r->foreign ? 0 : make_areas(r, bar, err);
		if (ret)
			return ret;
	}
	return 0;
}

int medio_region_share(struct medio_dev *dev, unsigned region)
{
	struct medio_instance *inst = dev->inst;
	if (region >= MEDIO_NUM_BARS || !inst->fail || !inst->layout ||
		!bar_of(inst, region)->areas_if_shared || inst->regions[region].num_areas)
		return -EINVAL;
	return make_areas(&inst->regions[region], bar_of(inst, region), inst->fail);
}

int medio_region_share_fd(struct medio_dev *dev, unsigned region, int fd, uint64_t fd_offset)
{
	struct medio_instance *inst = dev->inst;
	if (region >= MEDIO_NUM_BARS || !inst->fail || fd < 0 || fd_offset % 4096)
		return -EINVAL;
	const struct medio_bar *bar = bar_of(inst, region);
	unsigned count = count_areas(bar);
	if (!count)
		return -EINVAL;
	struct medio_region *r = &inst->regions[region];
	drop_memory(r, bar->size);
	r->foreign = true;
	r->fd = fd;
	r->fd_offset = fd_offset;
	r->num_areas = count;
	return 0;
}

void medio_regions_detach(struct medio_instance *inst)
{
	for (unsigned i = 0; i < MEDIO_NUM_BARS; i++)
		bells_free(&inst->regions[i], bar_of(inst, i)->num_doorbells);
}

void medio_regions_fini(struct medio_instance *inst)
{
	for (unsigned i = 0; i < MEDIO_NUM_BARS; i++) {
		struct medio_region *r = &inst->regions[i];
		bells_free(r, bar_of(inst, i)->num_doorbells);
		drop_memory(r, bar_of(inst, i)->size);
	}
}
