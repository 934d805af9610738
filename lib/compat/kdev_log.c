/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_DEVICE_FEATURE_DMA_LOGGING_*: the log that a device keeps of what it writes. The card's own is the same but for
 * pointers: ranges and bitmap follow in place (lib/proto/vfio_user.h). A card of the kernel's would want the pointers,
 * and is said to have no log.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compat/kdev_inside.h"
#include "compat/kmap.h"
#include "util/cleanup.h"

#define MAX_RANGES 256u	  /* a page of them, as the kernel has it */
#define CHUNK	   32768u /* bytes of a bitmap at once */

typedef struct vfio_device_feature_dma_logging_range log_range;

/* What goes to the card before the ranges, and before the bitmap. */
struct start {
	uint64_t page_size;
	uint32_t num_ranges, reserved;
};
struct report {
	uint64_t iova, length, page_size;
};

static bool is_kernels(const struct medio_card *card)
{
	const char *uri = medio_card_uri(card);

	return !strncmp(uri, "vfio:", 5) || !strncmp(uri, "iommufd:", 8) ||
	       !strncmp(uri, "uio:", 4);
}

/* -ENOTTY: nobody keeps a log. */
static int64_t can_log(const struct medio_kdev_feature *f)
{
	struct start data = { 0 };

	if (is_kernels(f->kdev->card))
		return -ENOTTY;
	int ret = medio_card_feature(f->kdev->card,
		MEDIO_CARD_FEATURE_PROBE | MEDIO_CARD_FEATURE_SET |
			VFIO_DEVICE_FEATURE_DMA_LOGGING_START,
		&data, 0, sizeof(data), NULL);
	return ret == -EINVAL || ret == -EOPNOTSUPP ? -ENOTTY : ret;
}

/* ---- Start and stop ---------------------------------------------------------------------------- */

static bool overlaps(const log_range *ranges, uint32_t count, const log_range *one)
{
	for (uint32_t i = 0; i < count; i++)
		if (one->iova - ranges[i].iova < ranges[i].length ||
			ranges[i].iova - one->iova < one->length)
			return true;
	return false;
}

static int check_ranges(const log_range *ranges, uint32_t count, uint64_t page_size)
{
	uint64_t end;

	for (uint32_t i = 0; i < count; i++) {
		const log_range *range = &ranges[i];
		if ((range->iova | range->length) & (page_size - 1))
			return -EINVAL;
		if (__builtin_add_overflow(range->iova, range->length, &end))
			return -EOVERFLOW;
		if (!range->length || overlaps(ranges, i, range))
			return -EINVAL;
	}
	return 0;
}

static int64_t start(const struct medio_kdev_feature *f,
	const struct vfio_device_feature_dma_logging_control *control)
{
	struct {
		struct start head;
		log_range ranges[MAX_RANGES];
	} data = { { control->page_size, control->num_ranges, 0 }, { { 0 } } };
	size_t size = control->num_ranges * sizeof(data.ranges[0]);
	int64_t ret = medio_call_read(f->call, control->ranges, data.ranges, size);

	if (!ret)
		ret = check_ranges(data.ranges, control->num_ranges, control->page_size);
	if (ret)
		return ret;
	if (f->kdev->state->logging)
		return -EINVAL;
	/* In the kernel a container's log is the IOMMU's; ours has the card's, which has but one. */
	medio_kmap_log_yield(f->kdev);
	ret = medio_card_feature(f->kdev->card,
		MEDIO_CARD_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START, &data,
		sizeof(data.head) + size, sizeof(data), NULL);
	if (ret)
		return ret;
	f->kdev->state->logging = true;
	return 0;
}

int64_t medio_kdev_feature_log_start(const struct medio_kdev_feature *f)
{
	struct vfio_device_feature_dma_logging_control control;
	int64_t ret = can_log(f);

	if (!ret)
		ret = medio_kdev_check_feature(f, VFIO_DEVICE_FEATURE_SET, sizeof(control));
	if (ret != 1)
		return ret;
	ret = medio_call_read(f->call, f->data, &control, sizeof(control));
	if (ret)
		return ret;
	if (!control.num_ranges || control.num_ranges > MAX_RANGES)
		return control.num_ranges ? -E2BIG : -EINVAL;
	ret = start(f, &control);
	/* The page size that it is done with: the one that was asked for. */
	if (!ret && medio_call_write(f->call, f->data, &control, sizeof(control))) {
		medio_kdev_log_off(f->kdev);
		ret = -EFAULT;
	}
	return ret;
}

static int stop(struct medio_kdev *kdev)
{
	uint64_t nothing = 0;

	if (!kdev->state->logging)
		return 0;
	kdev->state->logging = false;
	return medio_card_feature(kdev->card,
		MEDIO_CARD_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, &nothing, 0,
		sizeof(nothing), NULL);
}

int64_t medio_kdev_feature_log_stop(const struct medio_kdev_feature *f)
{
	int64_t ret = can_log(f);

	if (!ret)
		ret = medio_kdev_check_feature(f, VFIO_DEVICE_FEATURE_SET, 0);
	return ret == 1 ? stop(f->kdev) : ret;
}

void medio_kdev_log_off(struct medio_kdev *kdev)
{
	medio_kdev_result(kdev, stop(kdev));
}

/* ---- Report ------------------------------------------------------------------------------------ */

/* Bytes of the bitmap that one request of the card's carries: a word at least, whatever a server says of itself. */
static uint64_t chunk_of(struct medio_card *card)
{
	struct medio_card_info info;

	medio_card_get_info(card, &info);
	uint64_t most = info.max_data_xfer > 64 + 8 ? info.max_data_xfer - 64 : 8;
	return (most < CHUNK ? most : CHUNK) & ~UINT64_C(7);
}

/* The bits of part's pages into the program's bitmap at addr, beside those that are set there. */
static int64_t report_part(
	const struct medio_kdev_feature *f, const struct report *part, uint64_t addr)
{
	uint64_t bytes = ((part->length - 1) / part->page_size / 64 + 1) * 8;
	struct {
		struct report head;
		uint64_t bits[CHUNK / 8];
	} *data = calloc(1, sizeof(*data));
	_cleanup_free_ void *owned = data;
	uint64_t bits[64];
	size_t got = 0;

	if (!owned)
		return -ENOMEM;
	data->head = *part;
	int64_t ret = medio_card_feature(f->kdev->card,
		MEDIO_CARD_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, data,
		sizeof(data->head), sizeof(data->head) + bytes, &got);
	if (!ret && got != sizeof(data->head) + bytes)
		ret = -EIO;
	for (uint64_t at = 0; !ret && at < bytes; at += sizeof(bits)) {
		size_t some = bytes - at < sizeof(bits) ? (size_t)(bytes - at) : sizeof(bits);
		ret = medio_call_read(f->call, addr + at, bits, some);
		for (size_t i = 0; i < some / 8; i++)
			bits[i] |= data->bits[at / 8 + i];
		if (!ret)
			ret = medio_call_write(f->call, addr + at, bits, some);
	}
	return ret;
}

static int64_t report(const struct medio_kdev_feature *f,
	const struct vfio_device_feature_dma_logging_report *what)
{
	uint64_t most = chunk_of(f->kdev->card) * 8; /* pages */
	struct report part = { what->iova, 0, what->page_size };
	uint64_t left = what->length, addr = what->bitmap;
	int64_t ret = 0;

	while (!ret && left) {
		part.length = left / part.page_size >= most ? most * part.page_size : left;
		ret = report_part(f, &part, addr);
		part.iova += part.length;
		left -= part.length;
		addr += most / 8;
	}
	return ret;
}

int64_t medio_kdev_feature_log_report(const struct medio_kdev_feature *f)
{
	struct vfio_device_feature_dma_logging_report what;
	uint64_t end;
	int64_t ret = can_log(f);

	if (!ret)
		ret = medio_kdev_check_feature(f, VFIO_DEVICE_FEATURE_GET, sizeof(what));
	if (ret != 1)
		return ret;
	ret = medio_call_read(f->call, f->data, &what, sizeof(what));
	if (ret)
		return ret;
	if (what.page_size < 4096 || what.page_size & (what.page_size - 1))
		return -EINVAL;
	if (__builtin_add_overflow(what.iova, what.length, &end))
		return -EOVERFLOW;
	if (!f->kdev->state->logging || !what.length)
		return -EINVAL;
	return report(f, &what);
}
