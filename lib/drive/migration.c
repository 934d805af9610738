/* SPDX-License-Identifier: BSD-3-Clause */
/* The device's state out of one place and into another: VFIO migration, version 2. */
#include <medio/driver.h>

#include <errno.h>

#include "drive/backend.h"
#include "proto/vfio_user.h"

int medio_card_mig_set(struct medio_card *card, enum medio_card_mig_state state)
{
	struct medio_vu_mig_state data = { .device_state = state, .data_fd = UINT32_MAX };

	return medio_card_feature(card, MEDIO_CARD_FEATURE_SET | MEDIO_VU_FEATURE_MIG_DEVICE_STATE,
		&data, sizeof(data), sizeof(data), NULL);
}

int medio_card_mig_get(struct medio_card *card, enum medio_card_mig_state *out)
{
	struct medio_vu_mig_state data = { 0 };
	size_t got = 0;
	int ret = medio_card_feature(card,
		MEDIO_CARD_FEATURE_GET | MEDIO_VU_FEATURE_MIG_DEVICE_STATE, &data, 0, sizeof(data),
		&got);

	if (ret)
		return ret;
	if (got < sizeof(data.device_state))
		return medio_card_fail(card, EPROTO, "the migration state has %zu bytes", got);
	*out = (enum medio_card_mig_state)data.device_state;
	return 0;
}

int medio_card_mig_read(struct medio_card *card, void *buf, size_t cap, size_t *got)
{
	if (!card->backend->mig_read)
		return medio_card_fail(card, ENOTTY, "this kind of device cannot migrate");
	if (cap > card->info.max_data_xfer)
		cap = card->info.max_data_xfer;
	return medio_card_result(card, card->backend->mig_read(card, buf, cap, got));
}

int medio_card_mig_write(struct medio_card *card, const void *buf, size_t size)
{
	const uint8_t *p = buf;
	int ret = 0;

	if (!card->backend->mig_write)
		return medio_card_fail(card, ENOTTY, "this kind of device cannot migrate");
	while (!ret && size) {
		size_t n = size < card->info.max_data_xfer ? size : card->info.max_data_xfer;
		ret = medio_card_result(card, card->backend->mig_write(card, p, n));
		p += n;
		size -= n;
	}
	return ret;
}
