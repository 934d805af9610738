/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio on PCI: where a device's structures are (4.1.4), its registers, its places of notification. */
#include "virtio_inside.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Of configuration space. */
enum { COMMAND = 4, COMMAND_MEMORY = 2, COMMAND_MASTER = 4, COMMAND_NO_INTX = 1 << 10 };
enum { STATUS = 6, STATUS_CAPABILITIES = 1 << 4 };
enum { SUBSYSTEM_ID = 0x2e, CAPABILITIES = 0x34 };

#define MAX_CAPS 48 /* as many as have room below 256 */
#define PAGE	 4096u

/* ---- Configuration space ----------------------------------------------------------------------- */

static int config_failed(struct virtio *v, int ret)
{
	return virtio_card_failed(v, ret, "configuration space");
}

static const char *kind_name(uint16_t id)
{
	return id == VIRTIO_ID_NET ? "network card" : id == VIRTIO_ID_BLK ? "disk" : "other device";
}

/* What kind of device it is (4.1.2). */
static int identify(struct virtio *v, uint16_t want, bool *transitional)
{
	uint32_t ids = 0;
	uint16_t subsystem = 0, device, id;
	int ret = medio_card_read32(v->card, MEDIO_CARD_CONFIG, 0, &ids);

	if (!ret)
		ret = medio_card_read16(v->card, MEDIO_CARD_CONFIG, SUBSYSTEM_ID, &subsystem);
	if (ret)
		return config_failed(v, ret);
	if (ids == UINT32_MAX)
		return virtio_fail(
			v, -ENODEV, "the device is gone: its registers read as all ones");
	device = (uint16_t)(ids >> 16);
	if ((uint16_t)ids != VIRTIO_VENDOR || device < VIRTIO_TRANSITIONAL || device > VIRTIO_LAST)
		return virtio_fail(v, -ENODEV, "no virtio device: %04x:%04x, not %04x:%04x to %04x",
			(uint16_t)ids, device, VIRTIO_VENDOR, VIRTIO_TRANSITIONAL, VIRTIO_LAST);
	*transitional = device < VIRTIO_MODERN;
	id = *transitional ? subsystem : (uint16_t)(device - VIRTIO_MODERN);
	if (id != want)
		return virtio_fail(v, -ENODEV, "a virtio %s (kind %u), not a %s (kind %u)",
			kind_name(id), id, kind_name(want), want);
	v->info.id = id;
	return 0;
}

/* Let it answer at its BARs, and master the bus: DMA and MSI-X need that. */
static int switch_on(struct virtio *v)
{
	uint16_t command = 0;
	int ret = medio_card_read16(v->card, MEDIO_CARD_CONFIG, COMMAND, &command);

	command |= 1 | COMMAND_MEMORY | COMMAND_MASTER;
	command &= (uint16_t)~COMMAND_NO_INTX;
	if (!ret)
		ret = medio_card_write16(v->card, MEDIO_CARD_CONFIG, COMMAND, command);
	return ret ? config_failed(v, ret) : 0;
}

void virtio_pci_off(struct virtio *v)
{
	uint16_t command = 0;

	if (!medio_card_read16(v->card, MEDIO_CARD_CONFIG, COMMAND, &command))
		medio_card_write16(
			v->card, MEDIO_CARD_CONFIG, COMMAND, command & (uint16_t)~COMMAND_MASTER);
}

/* ---- Capabilities (4.1.4) ---------------------------------------------------------------------- */

static const struct structure {
	unsigned type;
	size_t window; /* in struct virtio */
	uint32_t least;
	unsigned align; /* of its offset */
	const char *name;
} structures[] = {
	{ VIRTIO_CAP_COMMON, offsetof(struct virtio, common), VIRTIO_COMMON_BYTES, 4,
		"common configuration" },
	{ VIRTIO_CAP_NOTIFY, offsetof(struct virtio, notify), 2, 2, "notifications" },
	{ VIRTIO_CAP_ISR, offsetof(struct virtio, isr), 1, 1, "interrupt status" },
	{ VIRTIO_CAP_DEVICE, offsetof(struct virtio, device), 1, 4, "configuration of its kind" },
};

#define NUM_STRUCTURES (sizeof(structures) / sizeof(*structures))

static struct virtio_window *window_of(struct virtio *v, const struct structure *structure)
{
	return (struct virtio_window *)(void *)((uint8_t *)v + structure->window);
}

/* Is it where there can be something? If not, words say why; it is then passed over. */
static bool fits(struct virtio *v, const struct structure *structure,
	const struct virtio_window *window, int *ret)
{
	struct medio_card_region bar;

	/* Reserved values are for a future that this driver does not know (4.1.4.1). */
	if (window->bar > MEDIO_CARD_BAR5)
		return false;
	*ret = medio_card_get_region(v->card, window->bar, &bar);
	if (*ret) {
		virtio_card_failed(v, *ret, "a BAR");
		return false;
	}
	if (window->size < structure->least || window->offset % structure->align) {
		virtio_fail(v, 0, "its %s: %u bytes at 0x%llx are too few or not aligned",
			structure->name, window->size, (unsigned long long)window->offset);
		return false;
	}
	if (window->offset > bar.size || window->size > bar.size - window->offset) {
		virtio_fail(v, 0, "its %s: %u bytes at 0x%llx are not in BAR %u, which has %llu",
			structure->name, window->size, (unsigned long long)window->offset,
			window->bar, (unsigned long long)bar.size);
		return false;
	}
	return true;
}

/* The first of each type that can be used counts (4.1.4.1). */
static int take(struct virtio *v, const uint8_t *cap, size_t room)
{
	uint32_t offset, size;
	int ret = 0;

	if (room < VIRTIO_CAP_BYTES || cap[VIRTIO_CAP_LENGTH] < VIRTIO_CAP_BYTES)
		return 0;
	memcpy(&offset, cap + VIRTIO_CAP_OFFSET, sizeof(offset));
	memcpy(&size, cap + VIRTIO_CAP_SIZE, sizeof(size));
	const struct virtio_window window = { cap[VIRTIO_CAP_BAR], le32toh(offset), le32toh(size) };
	for (unsigned i = 0; i < NUM_STRUCTURES; i++) {
		const struct structure *structure = &structures[i];
		if (structure->type != cap[VIRTIO_CAP_TYPE] || window_of(v, structure)->size)
			continue;
		bool notify = structure->type == VIRTIO_CAP_NOTIFY;
		if (notify && (room < VIRTIO_CAP_NOTIFY_BYTES ||
				      cap[VIRTIO_CAP_LENGTH] < VIRTIO_CAP_NOTIFY_BYTES))
			continue;
		if (!fits(v, structure, &window, &ret))
			continue;
		*window_of(v, structure) = window;
		if (notify) {
			memcpy(&size, cap + VIRTIO_CAP_MULTIPLIER, sizeof(size));
			v->multiplier = le32toh(size);
		}
	}
	return ret;
}

static int walk(struct virtio *v, const uint8_t *config)
{
	unsigned at = config[CAPABILITIES] & ~3u;
	int ret = 0;

	if (!(config[STATUS] & STATUS_CAPABILITIES))
		return 0;
	/* A list that goes round ends too. */
	for (unsigned i = 0; !ret && at >= 0x40 && at <= 0xfc && i < MAX_CAPS; i++) {
		if (config[at] == VIRTIO_CAP_VENDOR)
			ret = take(v, config + at, 256 - at);
		at = config[at + 1] & ~3u;
	}
	return ret;
}

/* All are needed; 0 or an even power of two is between places of notification (4.1.4.4). */
static int check_structures(struct virtio *v, bool transitional)
{
	bool any = false;

	for (unsigned i = 0; i < NUM_STRUCTURES; i++)
		any |= !!window_of(v, &structures[i])->size;
	if (!any && transitional && !v->words[0])
		return virtio_fail(v, -ENOTSUP,
			"a legacy device, it has no capabilities of virtio 1; in QEMU the option "
			"disable-legacy=on of the device changes that");
	for (unsigned i = 0; i < NUM_STRUCTURES; i++) {
		if (window_of(v, &structures[i])->size)
			continue;
		v->common.size = 0; /* it is not talked to */
		return v->words[0] ? -EPROTO
				   : virtio_fail(v, -EPROTO,
					     "it has no capability that tells of its %s",
					     structures[i].name);
	}
	if (v->multiplier & (v->multiplier - 1) || v->multiplier == 1) {
		v->common.size = 0;
		return virtio_fail(v, -EPROTO,
			"places of notification %u bytes apart: it must be 0 or an even power of "
			"two",
			v->multiplier);
	}
	return 0;
}

int virtio_pci_find(struct virtio *v, uint16_t id)
{
	uint8_t config[256];
	bool transitional = false;
	int ret = identify(v, id, &transitional);

	if (!ret)
		ret = switch_on(v);
	if (ret)
		return ret;
	ret = medio_card_read(v->card, MEDIO_CARD_CONFIG, 0, config, sizeof(config));
	if (ret)
		return config_failed(v, ret);
	ret = walk(v, config);
	return ret ? ret : check_structures(v, transitional);
}

/* ---- Registers --------------------------------------------------------------------------------- */

static int got(struct virtio *v, int ret)
{
	return ret ? virtio_card_failed(v, ret, "reading a register") : 0;
}

static int was_set(struct virtio *v, int ret)
{
	return ret ? virtio_card_failed(v, ret, "writing a register") : 0;
}

int virtio_get8(struct virtio *v, unsigned reg, uint8_t *out)
{
	return got(v, medio_card_read8(v->card, v->common.bar, v->common.offset + reg, out));
}

int virtio_get16(struct virtio *v, unsigned reg, uint16_t *out)
{
	return got(v, medio_card_read16(v->card, v->common.bar, v->common.offset + reg, out));
}

int virtio_get32(struct virtio *v, unsigned reg, uint32_t *out)
{
	return got(v, medio_card_read32(v->card, v->common.bar, v->common.offset + reg, out));
}

int virtio_set8(struct virtio *v, unsigned reg, uint8_t value)
{
	return was_set(v, medio_card_write8(v->card, v->common.bar, v->common.offset + reg, value));
}

int virtio_set16(struct virtio *v, unsigned reg, uint16_t value)
{
	return was_set(
		v, medio_card_write16(v->card, v->common.bar, v->common.offset + reg, value));
}

int virtio_set32(struct virtio *v, unsigned reg, uint32_t value)
{
	return was_set(
		v, medio_card_write32(v->card, v->common.bar, v->common.offset + reg, value));
}

/* In halves of 32 bits (4.1.3.1). */
int virtio_set64(struct virtio *v, unsigned reg, uint64_t value)
{
	int ret = virtio_set32(v, reg, (uint32_t)value);

	return ret ? ret : virtio_set32(v, reg + 4, (uint32_t)(value >> 32));
}

/* ---- Notifications (4.1.4.4) ------------------------------------------------------------------- */

/* An eventfd that stands for what would be written. It carries no value: with NOTIFICATION_DATA the value
 * says something. */
static int find_bell(const struct virtio_queue *queue)
{
	struct virtio *v = queue->v;
	struct medio_card_doorbell bells[VIRTIO_MAX_QUEUES];
	int n = virtio_has(v, VIRTIO_F_NOTIFICATION_DATA)
			? 0
			: medio_card_doorbells(v->card, v->notify.bar, bells, VIRTIO_MAX_QUEUES);

	for (int i = 0; i < n && i < VIRTIO_MAX_QUEUES; i++) {
		const struct medio_card_doorbell *bell = &bells[i];
		if (bell->offset == queue->notify_at && (!bell->size || bell->size == 2) &&
			(!bell->has_datamatch || bell->datamatch == queue->index))
			return bell->fd;
	}
	return -1;
}

static void map_place(struct virtio_queue *queue)
{
	struct virtio *v = queue->v;
	uint64_t page = queue->notify_at & ~(uint64_t)(PAGE - 1);
	struct medio_card_region bar;

	if (medio_card_get_region(v->card, v->notify.bar, &bar) || !bar.mappable)
		return;
	/* If it cannot be mapped it can still be written. */
	if (!medio_card_mmap(v->card, v->notify.bar, page, PAGE, &queue->page))
		queue->mapped = (volatile uint8_t *)queue->page + (queue->notify_at - page);
}

void virtio_pci_notify_open(struct virtio_queue *queue)
{
	queue->bell = find_bell(queue);
	if (queue->bell < 0)
		map_place(queue);
}

void virtio_pci_notify_close(struct virtio_queue *queue)
{
	if (queue->page)
		medio_card_munmap(queue->page, PAGE);
	queue->page = NULL;
	queue->mapped = NULL;
}

int virtio_pci_notify(struct virtio_queue *queue)
{
	struct virtio *v = queue->v;
	bool more = virtio_has(v, VIRTIO_F_NOTIFICATION_DATA);
	uint32_t value = queue->index;
	int ret;

	if (more)
		value |= (uint32_t)virtq_notify_data(queue->ring) << 16;
	value = htole32(value);
	if (queue->bell >= 0) {
		const uint64_t one = 1;
		/* A counter that is full is a doorbell that rings already. */
		if (write(queue->bell, &one, sizeof(one)) < 0 && errno != EAGAIN)
			return virtio_fail(v, -errno, "doorbell: %s", strerror(errno));
		return 0;
	}
	if (queue->mapped) {
		/* What has been written to the ring comes first. */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (more)
			*(volatile uint32_t *)(volatile void *)queue->mapped = value;
		else
			*(volatile uint16_t *)(volatile void *)queue->mapped = (uint16_t)value;
		return 0;
	}
	ret = medio_card_post(v->card, v->notify.bar, queue->notify_at, &value, more ? 4 : 2);
	if (!ret)
		ret = medio_card_flush(v->card);
	return ret ? virtio_card_failed(v, ret, "notifying the device") : 0;
}
