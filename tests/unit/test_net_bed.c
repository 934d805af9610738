/* SPDX-License-Identifier: BSD-3-Clause */
#include "test_net_bed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char words[16384];
static struct net_bed *opened;

static void add_words(const char *line)
{
	size_t len = strlen(words);

	snprintf(words + len, sizeof(words) - len, "%s\n", line);
}

static void on_log(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	add_words(line);
}

static int on_receive(void *opaque, const struct net_frame *frame)
{
	struct net_bed *bed = opaque;

	if (!bed->room) {
		bed->refused++;
		return -EAGAIN;
	}
	bed->room--;
	bed->count++;
	if (bed->drop)
		return 0;
	if (bed->num_frames == NET_BED_FRAMES)
		abort();
	struct net_bed_frame *kept = &bed->frames[bed->num_frames++];
	kept->bytes = frame->bytes;
	kept->hdr = frame->hdr;
	kept->data = malloc(frame->bytes + !frame->bytes);
	if (!kept->data)
		abort();
	size_t at = 0;
	for (unsigned i = 0; i < frame->niov; at += frame->iov[i++].iov_len) {
		if (frame->iov[i].iov_len > frame->bytes - at)
			abort();
		memcpy(kept->data + at, frame->iov[i].iov_base, frame->iov[i].iov_len);
	}
	if (at != frame->bytes)
		abort();
	return 0;
}

static unsigned on_receive_many(void *opaque, const struct net_frame *frames, unsigned n)
{
	static const struct virtio_net_hdr_v1 none;
	unsigned i = 0;

	((struct net_bed *)opaque)->bursts++;
	for (; i < n; i++) {
		if (memcmp(&frames[i].hdr, &none, sizeof(none)) != 0)
			abort();
		if (on_receive(opaque, &frames[i]))
			break;
	}
	return i;
}

static void on_received(void *opaque)
{
	((struct net_bed *)opaque)->batches++;
}

static void on_card_ready(void *opaque)
{
	((struct net_bed *)opaque)->ready++;
}

static void on_link(void *opaque, bool up)
{
	struct net_bed *bed = opaque;

	if (up)
		bed->ups++;
	else
		bed->downs++;
}

static const struct net_events events = {
	.receive = on_receive,
	.receive_many = on_receive_many,
	.received = on_received,
	.ready = on_card_ready,
	.link = on_link,
};

static int bed_init(struct medio_dev *dev)
{
	struct net_bed *bed = medio_priv(dev);

	bed->dev = dev;
	bed->room = UINT32_MAX;
	opened = bed;
	return net_open(dev, &bed->options, &events, bed, &bed->net);
}

static void bed_fini(struct medio_dev *dev)
{
	struct net_bed *bed = medio_priv(dev);

	net_bed_forget(bed);
	net_close(bed->net);
}

static const struct medio_device_ops ops = { .init = bed_init, .fini = bed_fini };

static const struct medio_type type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "net-bed",
	.summary = "A card of a test",
	.id = { .vendor = 0x1234, .device = 1, .class_code = 0x020000 },
	.params = (const struct medio_param[]){ NET_PARAMS(struct net_bed, options), { NULL } },
	.state_size = sizeof(struct net_bed),
	.ops = &ops,
};

struct net_bed *net_bed_open(struct medio_loop *loop, const char *const *params)
{
	struct medio_instance_options opts = { .params = params, .log = on_log };
	struct medio_instance *inst;
	struct medio_error *err = NULL;

	while (params[opts.nparams])
		opts.nparams++;
	if (medio_instance_new(loop, &type, &opts, &inst, &err)) {
		add_words(medio_error_text(err));
		medio_error_free(err);
		return NULL;
	}
	opened->inst = inst;
	opened->loop = loop;
	return opened;
}

void net_bed_close(struct net_bed *bed)
{
	if (bed)
		medio_instance_free(bed->inst);
}

void net_bed_forget(struct net_bed *bed)
{
	for (unsigned i = 0; i < bed->num_frames; i++)
		free(bed->frames[i].data);
	bed->num_frames = 0;
}

const char *net_bed_words(void)
{
	return words;
}

void net_bed_forget_words(void)
{
	words[0] = '\0';
}

int net_bed_send_hdr(
	struct net_bed *bed, const void *bytes, size_t len, const struct virtio_net_hdr_v1 *hdr)
{
	const struct iovec iov[2] = {
		{ (void *)bytes, len / 2 },
		{ (uint8_t *)bytes + len / 2, len - len / 2 },
	};
	struct net_frame frame = { .iov = iov, .niov = 2, .bytes = len };

	if (hdr)
		frame.hdr = *hdr;
	return net_send(bed->net, &frame);
}

int net_bed_send(struct net_bed *bed, const void *bytes, size_t len)
{
	int ret = net_bed_send_hdr(bed, bytes, len, NULL);

	net_flush(bed->net);
	return ret;
}

bool net_bed_until(struct medio_loop *loop, bool (*cond)(void *arg), void *arg)
{
	uint64_t end = medio_now_ns() + 60000000000u;

	while (!cond(arg)) {
		if (medio_now_ns() > end || medio_loop_run_once(loop, 10) < 0)
			return false;
	}
	return true;
}

struct wait {
	const struct net_bed *bed;
	unsigned count;
};

static bool has_come(void *arg)
{
	const struct wait *wait = arg;

	return wait->bed->num_frames >= wait->count;
}

bool net_bed_wait(struct net_bed *bed, unsigned count)
{
	struct wait wait = { bed, count };

	return net_bed_until(bed->loop, has_come, &wait);
}
