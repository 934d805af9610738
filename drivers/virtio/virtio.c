/* SPDX-License-Identifier: BSD-3-Clause */
/* The device: the steps of its initialisation, in their order (3.1.1), and its end. */
#include "virtio_inside.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SILENT_MS 30000
#define RESET_MS  5000

/* What this driver's rings make use of. */
#define RING_FEATURES \
	(VIRTIO_F_RING_PACKED | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | \
		VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM)

/* ---- Words ------------------------------------------------------------------------------------- */

int virtio_fail(struct virtio *v, int ret, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->words, sizeof(v->words), fmt, ap);
	va_end(ap);
	return ret;
}

int virtio_card_failed(struct virtio *v, int ret, const char *what)
{
	const char *words = medio_card_last_error(v->card);

	return virtio_fail(v, ret, "%s: %s", what, *words ? words : strerror(-ret));
}

const char *virtio_words(const struct virtio *v)
{
	return v->words;
}

uint64_t virtio_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- The status (2.1) -------------------------------------------------------------------------- */

/* Bits are added; only a reset takes them away. */
static int add_status(struct virtio *v, uint8_t bit)
{
	v->status |= bit;
	return virtio_set8(v, VIRTIO_STATUS, v->status);
}

static int read_status(struct virtio *v, uint8_t *out)
{
	int ret = virtio_get8(v, VIRTIO_STATUS, out);

	if (!ret && *out == UINT8_MAX)
		return virtio_fail(
			v, -ENODEV, "the device is gone: its registers read as all ones");
	return ret;
}

/* A step has failed: tell the device that it has been given up. */
int virtio_give_up(struct virtio *v, int ret)
{
	v->broken = ret;
	/* The words stay those of the failure. */
	medio_card_write8(v->card, v->common.bar, v->common.offset + VIRTIO_STATUS,
		v->status | VIRTIO_FAILED);
	v->status |= VIRTIO_FAILED;
	return ret;
}

/* ---- Steps 1 to 3: open ------------------------------------------------------------------------ */

/* It has ended when the status reads 0 (4.1.4.3.2). */
static int reset(struct virtio *v)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	unsigned most = v->opts.silent_ms < RESET_MS ? v->opts.silent_ms : RESET_MS;
	uint64_t start = virtio_now_ms();
	uint8_t status = 0;
	int ret = virtio_set8(v, VIRTIO_STATUS, 0);

	v->status = 0;
	while (!ret) {
		bool late = virtio_now_ms() - start > most;
		ret = read_status(v, &status);
		if (ret || !status)
			break;
		if (late)
			return virtio_fail(v, -ETIMEDOUT,
				"its reset does not end: the status is still 0x%02x after %u ms",
				status, most);
		ret = medio_card_process(v->card);
		if (ret < 0)
			return virtio_card_failed(v, ret, "reset");
		ret = 0;
		nanosleep(&pause, NULL);
	}
	return ret;
}

static int begin(struct virtio *v, uint16_t id)
{
	uint16_t queues = 0;
	int ret = virtio_pci_find(v, id);

	if (ret)
		return ret;
	/* Step 1: reset. What an earlier driver left must not reach into memory any more. */
	ret = reset(v);
	/* Step 2: the device has been noticed. */
	if (!ret)
		ret = add_status(v, VIRTIO_ACKNOWLEDGE);
	/* Step 3: and there is a driver for it. */
	if (!ret)
		ret = add_status(v, VIRTIO_DRIVER);
	if (!ret)
		ret = virtio_get16(v, VIRTIO_NUM_QUEUES, &queues);
	v->info.num_queues = queues;
	return ret ? virtio_give_up(v, ret) : 0;
}

static int check_options(struct virtio *v)
{
	int irq = v->opts.irq;

	if (irq == MEDIO_CARD_MSI)
		return virtio_fail(v, -EINVAL,
			"virtio has no interrupts of the kind MSI: there are MSI-X, INTx and none");
	if (irq < VIRTIO_IRQ_BEST || irq > MEDIO_CARD_MSIX)
		return virtio_fail(v, -EINVAL, "no kind %d of interrupts", irq);
	if (v->opts.queue_size > VIRTQ_MAX_SIZE)
		return virtio_fail(v, -EINVAL, "queues of %u, possible are 1 to %u",
			v->opts.queue_size, VIRTQ_MAX_SIZE);
	return 0;
}

int virtio_open(struct medio_card *card, uint16_t id, const struct virtio_options *opts,
	struct virtio **out, char *words, size_t size)
{
	struct virtio *v = calloc(1, sizeof(*v));

	if (!v) {
		snprintf(words, size, "out of memory");
		return -ENOMEM;
	}
	v->card = card;
	v->opts = opts ? *opts : (struct virtio_options){ .irq = VIRTIO_IRQ_BEST };
	if (!v->opts.silent_ms)
		v->opts.silent_ms = SILENT_MS;
	v->info.irq = VIRTIO_IRQ_NONE;
	int ret = check_options(v);
	if (!ret)
		ret = begin(v, id);
	if (ret) {
		snprintf(words, size, "%s", v->words);
		virtio_close(v);
		return ret;
	}
	*out = v;
	return 0;
}

/* ---- Steps 4 to 6: features -------------------------------------------------------------------- */

static int read_features(struct virtio *v)
{
	uint32_t half[2] = { 0, 0 };
	int ret = 0;

	for (unsigned i = 0; !ret && i < 2; i++) {
		ret = virtio_set32(v, VIRTIO_DEVICE_FEATURE_SELECT, i);
		if (!ret)
			ret = virtio_get32(v, VIRTIO_DEVICE_FEATURE, &half[i]);
	}
	v->info.offered = (uint64_t)half[1] << 32 | half[0];
	return ret;
}

static int write_features(struct virtio *v)
{
	int ret = 0;

	for (unsigned i = 0; !ret && i < 2; i++) {
		ret = virtio_set32(v, VIRTIO_DRIVER_FEATURE_SELECT, i);
		if (!ret)
			ret = virtio_set32(
				v, VIRTIO_DRIVER_FEATURE, (uint32_t)(v->info.accepted >> 32 * i));
	}
	return ret;
}

/*
 * Without ACCESS_PLATFORM the device takes addresses for physical ones, and goes round the IOMMU (6.1).
 * Where the kernel has put one between us, that would be somebody else's memory.
 */
static bool goes_round(const struct virtio *v)
{
	const char *uri = medio_card_uri(v->card);
	struct medio_card_dma_info dma;

	if (strncmp(uri, "vfio:", 5) != 0 && strncmp(uri, "iommufd:", 8) != 0)
		return false;
	medio_card_get_dma_info(v->card, &dma);
	/* A mediated device (vfio:UUID) is software, and sees what is mapped for it. */
	return strchr(uri, '.') && !dma.physical;
}

static int choose(struct virtio *v, uint64_t wanted, uint64_t required)
{
	uint64_t offered = v->info.offered;
	char name[48];

	required |= VIRTIO_F_VERSION_1;
	if (required & ~offered) {
		virtio_feature_name(v->info.id, required & ~offered, name, sizeof(name));
		return virtio_fail(v, -ENOTSUP, "the device does not offer the feature %s", name);
	}
	v->info.accepted = offered & ((wanted | RING_FEATURES) & ~v->opts.refuse);
	v->info.accepted |= required;
	if (!virtio_has(v, VIRTIO_F_ACCESS_PLATFORM) && goes_round(v))
		return virtio_fail(v, -ENOTSUP,
			"%s: its DMA would go round the IOMMU; in QEMU the option iommu_platform=on "
			"of the device changes that",
			offered & VIRTIO_F_ACCESS_PLATFORM
				? "ACCESS_PLATFORM is refused"
				: "the device does not offer ACCESS_PLATFORM");
	return 0;
}

int virtio_accept(struct virtio *v, uint64_t wanted, uint64_t required)
{
	uint8_t status = 0;
	/* Step 4: read what there is, write what is understood of it. */
	int ret = read_features(v);

	if (!ret)
		ret = choose(v, wanted, required);
	if (!ret)
		ret = write_features(v);
	/* Step 5: no more to come. */
	if (!ret)
		ret = add_status(v, VIRTIO_FEATURES_OK);
	/* Step 6: the device may not do with that selection. */
	if (!ret)
		ret = read_status(v, &status);
	if (!ret && !(status & VIRTIO_FEATURES_OK)) {
		v->status &= (uint8_t)~VIRTIO_FEATURES_OK;
		ret = virtio_fail(v, -ENOTSUP,
			"the device refuses the features 0x%llx, of 0x%llx that it offers",
			(unsigned long long)v->info.accepted, (unsigned long long)v->info.offered);
	}
	return ret ? virtio_give_up(v, ret) : 0;
}

bool virtio_has(const struct virtio *v, uint64_t feature)
{
	return (v->info.accepted & feature) == feature;
}

/* ---- Step 7 is virtio_queue(), in virtio_queue.c. Step 8: ready -------------------------------- */

int virtio_ready(struct virtio *v)
{
	uint8_t status = 0;
	int ret = virtio_get8(v, VIRTIO_GENERATION, &v->generation);

	/* Step 8: the device is alive. */
	if (!ret)
		ret = add_status(v, VIRTIO_DRIVER_OK);
	if (!ret)
		ret = read_status(v, &status);
	if (!ret && status & VIRTIO_NEEDS_RESET)
		ret = virtio_fail(
			v, -EIO, "the device needs a reset at once (status 0x%02x)", status);
	return ret ? virtio_give_up(v, ret) : 0;
}

/* ---- The kind's configuration ------------------------------------------------------------------ */

#define CONFIG_TRIES 100

static int read_fields(struct virtio *v, unsigned offset, uint8_t *buf, size_t count)
{
	size_t width = count == 2 ? 2 : count == 4 || count == 8 ? 4 : 1;
	int ret = 0;

	for (size_t at = 0; !ret && at < count; at += width)
		ret = medio_card_read(
			v->card, v->device.bar, v->device.offset + offset + at, buf + at, width);
	return ret ? virtio_card_failed(v, ret, "configuration") : 0;
}

int virtio_config(struct virtio *v, unsigned offset, void *buf, size_t count)
{
	uint8_t before = 0, after = 0;
	int ret = v->broken;

	if (!ret && (count > v->device.size || offset > v->device.size - count))
		ret = virtio_fail(v, -EPROTO,
			"its configuration has %u bytes, of which %zu from %u are none",
			v->device.size, count, offset);
	for (unsigned i = 0; !ret && i < CONFIG_TRIES; i++) {
		ret = virtio_get8(v, VIRTIO_GENERATION, &before);
		if (!ret)
			ret = read_fields(v, offset, buf, count);
		if (!ret)
			ret = virtio_get8(v, VIRTIO_GENERATION, &after);
		if (ret || before == after)
			return ret;
	}
	return ret ? ret
		   : virtio_fail(
			     v, -EPROTO, "its configuration changes while it is read, for ever");
}

bool virtio_config_changed(struct virtio *v)
{
	bool changed = v->config_changed;

	v->config_changed = false;
	return changed;
}

/* ---- The end, and what there is to know -------------------------------------------------------- */

void virtio_close(struct virtio *v)
{
	if (!v)
		return;
	bool knows = false; /* of our memory */
	for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++)
		knows |= !!v->queues[i];
	/* The driver above has failed before it was ready. */
	if (v->common.size && !(v->status & (VIRTIO_DRIVER_OK | VIRTIO_FAILED)))
		virtio_give_up(v, -ECANCELED);
	/* It must not reach into memory that is somebody else's soon. One that knows of none stays as it
	 * is, for whoever looks. */
	if (v->common.size && knows && reset(v))
		virtio_pci_off(v);
	virtio_irq_close(v);
	for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++)
		virtio_queue_free(v->queues[i]);
	free(v);
}

void virtio_get_info(const struct virtio *v, struct virtio_info *out)
{
	*out = v->info;
}

struct medio_card *virtio_card(const struct virtio *v)
{
	return v->card;
}
