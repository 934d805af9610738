/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench-lane.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int medio_lane_fail(struct medio_lane *lane, int ret, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(lane->words, sizeof(lane->words), fmt, ap);
	va_end(ap);
	return ret;
}

int medio_lane_check(struct medio_lane *lane, int ret, const char *what)
{
	if (ret >= 0)
		return ret;
	return medio_lane_fail(lane, ret, "%s: %s", what, medio_card_last_error(lane->card));
}

int medio_lane_open(struct medio_card *card, enum medio_lane_kind kind, bool polled,
	struct medio_lane **out, char words[LANE_WORDS])
{
	struct medio_lane *lane = calloc(1, sizeof(*lane));

	if (!lane) {
		medio_card_close(card);
		snprintf(words, LANE_WORDS, "out of memory");
		return -ENOMEM;
	}
	lane->card = card;
	lane->kind = kind;
	lane->polled = polled;
	lane->ops = kind == LANE_VIRTIO ? &medio_lane_virtio : &medio_lane_frames;
	int ret = lane->ops->open(lane);
	if (ret) {
		snprintf(words, LANE_WORDS, "%s", lane->words);
		medio_lane_close(lane);
		return ret;
	}
	*out = lane;
	return 0;
}

void medio_lane_close(struct medio_lane *lane)
{
	if (!lane)
		return;
	lane->ops->close(lane);
	medio_card_close(lane->card);
	free(lane);
}

const char *medio_lane_words(const struct medio_lane *lane)
{
	return lane->words;
}

void medio_lane_mac(const struct medio_lane *lane, uint8_t mac[6])
{
	memcpy(mac, lane->mac, 6);
}

int medio_lane_send(struct medio_lane *lane, const void *frame, size_t bytes)
{
	return lane->ops->send(lane, frame, bytes);
}

int medio_lane_flush(struct medio_lane *lane)
{
	return lane->ops->flush(lane);
}

int medio_lane_receive(struct medio_lane *lane, void *frame)
{
	return lane->ops->receive(lane, frame);
}

int medio_lane_wait(struct medio_lane *lane)
{
	return lane->ops->wait(lane);
}
