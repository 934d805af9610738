/* SPDX-License-Identifier: BSD-3-Clause */
#include "test_vnet_bed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "virtio-net/virtio-net.h"

#define MAX_WAITING 600
/* Feature bits of a kind (2.2). */
#define OF_THE_KIND (UINT64_C(0xffffff) | UINT64_C(0x3fff) << 50)

/* ---- The network --------------------------------------------------------------------------------- */

struct vnet_fake vnet_fake;

struct net {
	const struct net_events *events;
	void *opaque;
	bool up, blocked, starved;
	struct vnet_sent waiting[MAX_WAITING];
	unsigned first;
};

static struct net *the_net;

/* A frame in pieces, each in memory of its own so that what is read beyond one is found. */
static struct net_frame make(const struct vnet_sent *sent, struct iovec iov[NET_MAX_IOV])
{
	size_t part = vnet_fake.cut ? vnet_fake.cut : sent->bytes;
	unsigned n = 0;

	for (size_t at = 0; at < sent->bytes; n++) {
		size_t len = sent->bytes - at < part || n == NET_MAX_IOV - 1 ? sent->bytes - at
									     : part;
		iov[n].iov_base = malloc(len);
		iov[n].iov_len = len;
		memcpy(iov[n].iov_base, sent->data + at, len);
		at += len;
	}
	return (struct net_frame){ .iov = iov, .niov = n, .bytes = sent->bytes, .hdr = sent->hdr };
}

/* Is it one of those that come in bursts? */
static bool is_plain(const struct vnet_sent *sent)
{
	static const struct virtio_net_hdr_v1 none;

	return sent->bytes >= 14 && !memcmp(&sent->hdr, &none, sizeof(none));
}

/* The first frames, as many at once as can be: how many were taken. */
static unsigned give(struct net *net, bool *blocked)
{
	static struct iovec iov[NET_BURST][NET_MAX_IOV];
	struct net_frame frames[NET_BURST];
	unsigned n = 0, taken;

	do {
		frames[n] = make(&net->waiting[(net->first + n) % MAX_WAITING], iov[n]);
		n++;
	} while (n < vnet_fake.waiting && n < NET_BURST && is_plain(&net->waiting[net->first]) &&
		 is_plain(&net->waiting[(net->first + n) % MAX_WAITING]));
	if (n > 1) {
		taken = net->events->receive_many(net->opaque, frames, n);
	} else {
		int ret = net->events->receive(net->opaque, frames);
		card_bed_must(ret == 0 || ret == -EAGAIN);
		taken = !ret;
	}
	card_bed_must(taken <= n);
	*blocked = taken < n;
	while (n--)
		while (frames[n].niov)
			free(iov[n][--frames[n].niov].iov_base);
	return taken;
}

static void pump(struct net *net)
{
	bool any = false;

	while (!net->blocked && vnet_fake.waiting) {
		for (unsigned taken = give(net, &net->blocked); taken; taken--) {
			struct vnet_sent *sent = &net->waiting[net->first];
			any = true;
			free(sent->data);
			sent->data = NULL;
			net->first = (net->first + 1) % MAX_WAITING;
			vnet_fake.waiting--;
		}
	}
	if (any) {
		vnet_fake.batches++;
		net->events->received(net->opaque);
	}
}

int net_open(struct medio_dev *dev, const struct net_options *opts, const struct net_events *events,
	void *opaque, struct net **out)
{
	(void)dev;
	(void)opts;
	card_bed_must(!the_net);
	vnet_fake = (struct vnet_fake){ .room = UINT32_MAX };
	the_net = calloc(1, sizeof(*the_net));
	the_net->events = events;
	the_net->opaque = opaque;
	the_net->up = true;
	*out = the_net;
	return 0;
}

void net_close(struct net *net)
{
	for (unsigned i = 0; i < MAX_WAITING; i++)
		free(net->waiting[i].data);
	for (unsigned i = 0; i < VNET_SENT; i++)
		free(vnet_fake.sent[i].data);
	memset(vnet_fake.sent, 0, sizeof(vnet_fake.sent));
	free(net);
	the_net = NULL;
}

void net_set_can(struct net *net, unsigned can)
{
	(void)net;
	vnet_fake.can = can;
}

int net_set_macs(struct net *net, const uint8_t mac[6], const uint8_t (*others)[6], unsigned count)
{
	(void)net;
	memcpy(vnet_fake.mac, mac, 6);
	card_bed_must(count <= 64 && (!count || others[0]));
	vnet_fake.other_macs = count;
	return vnet_fake.own_mac_only && memcmp(mac, vnet_fake.own_mac, 6) ? -EPERM : 0;
}

unsigned net_can(const struct net *net)
{
	(void)net;
	return 0;
}

int net_send(struct net *net, const struct net_frame *frame)
{
	struct vnet_sent *sent = &vnet_fake.sent[vnet_fake.num_sent % VNET_SENT];
	size_t at = 0;

	if (!vnet_fake.room) {
		net->starved = true;
		return -EAGAIN;
	}
	vnet_fake.room--;
	card_bed_must(frame->niov && frame->niov <= NET_MAX_IOV && frame->bytes <= NET_MAX_FRAME);
	free(sent->data);
	*sent = (struct vnet_sent){ frame->hdr, frame->bytes, frame->niov, malloc(frame->bytes) };
	for (unsigned i = 0; i < frame->niov; i++) {
		card_bed_must(frame->iov[i].iov_len <= frame->bytes - at);
		memcpy(sent->data + at, frame->iov[i].iov_base, frame->iov[i].iov_len);
		at += frame->iov[i].iov_len;
	}
	card_bed_must(at == frame->bytes);
	vnet_fake.num_sent++;
	return 0;
}

unsigned net_send_many(struct net *net, const struct net_frame *frames, unsigned n)
{
	unsigned i = 0;

	card_bed_must(n && n <= NET_BURST);
	vnet_fake.bursts++;
	while (i < n && net_send(net, &frames[i]) == 0)
		i++;
	return i;
}

void net_flush(struct net *net)
{
	(void)net;
	vnet_fake.flushes++;
}

void net_resume(struct net *net)
{
	vnet_fake.resumes++;
	net->blocked = false;
	pump(net);
}

bool net_is_up(const struct net *net)
{
	return net->up;
}

bool net_poll(struct net *net)
{
	(void)net;
	return false;
}

const char *net_describe(const struct net *net)
{
	(void)net;
	return "a test's";
}

void net_get_counts(const struct net *net, struct net_counts *out)
{
	(void)net;
	*out = (struct net_counts){ 0 };
}

/* ---- What it does ---------------------------------------------------------------------------------- */

struct delivery {
	const void *frame;
	size_t len;
	const struct virtio_net_hdr_v1 *hdr;
	unsigned count;
	const size_t *lens; /* of each; their bytes come one behind the other */
};

static void do_deliver(void *arg)
{
	const struct delivery *d = arg;
	struct net *net = the_net;

	const uint8_t *at = d->frame;

	for (unsigned i = 0; i < d->count; i++) {
		const size_t len = d->lens ? d->lens[i] : d->len;
		card_bed_must(vnet_fake.waiting < MAX_WAITING);
		struct vnet_sent *sent =
			&net->waiting[(net->first + vnet_fake.waiting++) % MAX_WAITING];
		*sent = (struct vnet_sent){ .bytes = len, .data = malloc(len) };
		memcpy(sent->data, at, len);
		if (d->lens)
			at += len;
		if (d->hdr)
			sent->hdr = *d->hdr;
	}
	pump(net);
}

void vnet_bed_deliver(
	struct vnet_bed *bed, const void *frame, size_t len, const struct virtio_net_hdr_v1 *hdr)
{
	card_bed_on_device(&bed->bed, do_deliver, &(struct delivery){ frame, len, hdr, 1, NULL });
}

void vnet_bed_deliver_many(struct vnet_bed *bed, const void *frame, size_t len, unsigned count)
{
	card_bed_on_device(
		&bed->bed, do_deliver, &(struct delivery){ frame, len, NULL, count, NULL });
}

void vnet_bed_deliver_burst(
	struct vnet_bed *bed, const void *frames, const size_t *lens, unsigned count)
{
	card_bed_on_device(
		&bed->bed, do_deliver, &(struct delivery){ frames, 0, NULL, count, lens });
}

static void do_room(void *arg)
{
	vnet_fake.room = *(unsigned *)arg;
	if (the_net->starved) {
		the_net->starved = false;
		the_net->events->ready(the_net->opaque);
	}
}

void vnet_bed_room(struct vnet_bed *bed, unsigned frames)
{
	card_bed_on_device(&bed->bed, do_room, &frames);
}

static void do_carrier(void *arg)
{
	the_net->up = *(bool *)arg;
	the_net->events->link(the_net->opaque, the_net->up);
}

void vnet_bed_carrier(struct vnet_bed *bed, bool up)
{
	card_bed_on_device(&bed->bed, do_carrier, &up);
}

/* ---- The driver -------------------------------------------------------------------------------------- */

static void begin(struct vnet_bed *bed)
{
	if (virtio_open(bed->bed.card, VIRTIO_ID_NET, &bed->opts, &bed->v, bed->words,
		    sizeof(bed->words)))
		fail_msg("%s", bed->words);
}

void vnet_bed_open(struct vnet_bed *bed, const char *const *params, enum card_bed_way way)
{
	void *ptr;

	bed->opts.irq = VIRTIO_IRQ_BEST;
	assert_int_equal(card_bed_open(&bed->bed, &medio_virtio_net, params, way), 0);
	assert_int_equal(medio_card_dma_alloc_any(bed->bed.card, VNET_MEMORY,
				 MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, &bed->iova, &ptr),
		0);
	bed->memory = ptr;
	begin(bed);
}

static void must(struct vnet_bed *bed, int ret)
{
	if (ret)
		fail_msg("%s", virtio_words(bed->v));
}

void vnet_bed_start(struct vnet_bed *bed, uint64_t features, unsigned pairs)
{
	struct virtio_info info;
	uint16_t most = 1;

	must(bed, virtio_accept(bed->v, features, features));
	virtio_get_info(bed->v, &info);
	assert_int_equal(info.accepted & OF_THE_KIND, features & OF_THE_KIND);
	if (features & VNET(MQ))
		must(bed, virtio_config(bed->v, 8, &most, 2));
	bed->control = 2 * most;
	for (unsigned i = 0; i < 2 * pairs; i++)
		must(bed, virtio_queue(bed->v, i, 0, 64, &bed->queues[i]));
	if (features & VNET(CTRL_VQ))
		must(bed, virtio_queue(bed->v, bed->control, 0, 64, &bed->queues[bed->control]));
	must(bed, virtio_ready(bed->v));
}

void vnet_bed_reset(struct vnet_bed *bed)
{
	virtio_close(bed->v);
	memset(bed->queues, 0, sizeof(bed->queues));
	bed->used = 0;
	begin(bed);
}

void vnet_bed_close(struct vnet_bed *bed)
{
	virtio_close(bed->v);
	card_bed_close(&bed->bed);
}

static size_t take_memory(struct vnet_bed *bed, size_t bytes)
{
	size_t at = bed->used;

	bed->used += (bytes + 63) & ~(size_t)63;
	assert_true(bed->used <= VNET_MEMORY);
	memset(bed->memory + at, 0, bytes);
	return at;
}

/* bytes from `at` on as n segments of about the same length. */
static unsigned cut(
	struct vnet_bed *bed, size_t at, size_t bytes, unsigned n, struct virtq_seg *segs)
{
	for (unsigned i = 0; i < n; i++) {
		size_t len = i == n - 1 ? bytes : bytes / (n - i);
		segs[i] = (struct virtq_seg){ bed->iova + at, (uint32_t)len };
		at += len;
		bytes -= len;
	}
	return n;
}

struct vnet_chain *vnet_bed_add(struct vnet_bed *bed, unsigned queue, size_t out_bytes,
	unsigned out, size_t in_bytes, unsigned in)
{
	struct vnet_chain *chain = (void *)(bed->memory +
					    take_memory(bed, sizeof(struct vnet_chain)));
	size_t out_at = take_memory(bed, out_bytes), in_at = take_memory(bed, in_bytes);
	struct virtq_seg segs[256];
	struct virtq *ring = virtio_ring(bed->queues[queue]);

	*chain = (struct vnet_chain){ queue, bed->memory + out_at, bed->memory + in_at, out_bytes,
		in_bytes };
	cut(bed, out_at, out_bytes, out, segs);
	cut(bed, in_at, in_bytes, in, segs + out);
	if (virtq_add(ring, segs, out, in, chain))
		fail_msg("a chain for queue %u: %s", queue, virtq_words(ring));
	return chain;
}

void vnet_bed_kick(struct vnet_bed *bed, unsigned queue)
{
	must(bed, virtio_kick(bed->queues[queue]));
}

bool vnet_bed_is_used(struct vnet_bed *bed, unsigned queue)
{
	medio_card_process(bed->bed.card);
	return virtq_ready(virtio_ring(bed->queues[queue]));
}

uint32_t vnet_bed_take(struct vnet_bed *bed, unsigned queue, struct vnet_chain **out)
{
	struct virtq *ring = virtio_ring(bed->queues[queue]);
	struct virtq_done done;
	int ret = virtio_wait(bed->v, &bed->queues[queue], 1, VNET_LONG_MS);

	if (ret != 1 || virtq_take(ring, &done) != 1)
		fail_msg("nothing of queue %u was used: %d, %s%s", queue, ret, virtio_words(bed->v),
			virtq_words(ring));
	*out = done.tag;
	return done.len;
}

uint32_t vnet_bed_takes(struct vnet_bed *bed, struct vnet_chain *chain)
{
	struct vnet_chain *got;
	uint32_t len = vnet_bed_take(bed, chain->queue, &got);

	assert_ptr_equal(got, chain);
	return len;
}

void vnet_bed_send(struct vnet_bed *bed, unsigned queue, const struct virtio_net_hdr_v1 *hdr,
	const void *frame, size_t len)
{
	struct vnet_chain *chain = vnet_bed_add(bed, queue, VNET_HEADER + len, 1, 0, 0);

	if (hdr)
		memcpy(chain->out, hdr, VNET_HEADER);
	memcpy(chain->out + VNET_HEADER, frame, len);
	vnet_bed_kick(bed, queue);
	assert_int_equal(vnet_bed_takes(bed, chain), 0);
}

uint8_t vnet_bed_command(
	struct vnet_bed *bed, uint8_t class, uint8_t command, const void *data, size_t len)
{
	struct vnet_chain *chain = vnet_bed_add(bed, bed->control, 2 + len, len ? 2 : 1, 1, 1);

	chain->out[0] = class;
	chain->out[1] = command;
	if (len)
		memcpy(chain->out + 2, data, len);
	chain->in[0] = 0xff;
	vnet_bed_kick(bed, bed->control);
	assert_int_equal(vnet_bed_takes(bed, chain), 1);
	return chain->in[0];
}

/* ---- What operators see --------------------------------------------------------------------------- */

struct attr {
	struct vnet_bed *bed;
	const char *name, *text;
	ssize_t ret;
};

static void do_show(void *arg)
{
	struct attr *a = arg;

	a->ret = medio_instance_attr_show(
		a->bed->bed.inst, a->name, a->bed->text, sizeof(a->bed->text) - 1);
	if (a->ret >= 0)
		a->bed->text[a->ret] = '\0';
}

const char *vnet_bed_show(struct vnet_bed *bed, const char *name)
{
	struct attr a = { bed, name, NULL, 0 };

	card_bed_on_device(&bed->bed, do_show, &a);
	assert_true(a.ret > 0);
	return bed->text;
}

static void do_store(void *arg)
{
	struct attr *a = arg;

	a->ret = medio_instance_attr_store(a->bed->bed.inst, a->name, a->text, strlen(a->text));
}

int vnet_bed_store(struct vnet_bed *bed, const char *name, const char *text)
{
	struct attr a = { bed, name, text, 0 };

	card_bed_on_device(&bed->bed, do_store, &a);
	return (int)a.ret;
}

uint64_t vnet_bed_count(struct vnet_bed *bed, const char *name)
{
	const char *text = vnet_bed_show(bed, "net/counters");
	char line[64];

	snprintf(line, sizeof(line), "%s ", name);
	const char *at = strncmp(text, line, strlen(line)) ? NULL : text;
	snprintf(line, sizeof(line), "\n%s ", name);
	if (!at && (at = strstr(text, line)))
		at++;
	if (!at)
		fail_msg("there is no counter %s", name);
	return strtoull(strchr(at, ' ') + 1, NULL, 10);
}

void vnet_bed_counts(struct vnet_bed *bed, const char *name, uint64_t value)
{
	for (unsigned i = 0; i < 100000 && vnet_bed_count(bed, name) != value; i++)
		medio_card_process(bed->bed.card);
	assert_int_equal(vnet_bed_count(bed, name), value);
}

static void do_sent(void *arg)
{
	*(unsigned *)arg = vnet_fake.num_sent;
}

const struct vnet_sent *vnet_bed_sent(struct vnet_bed *bed, unsigned count)
{
	unsigned sent = 0;

	for (unsigned i = 0; i < 100000 && sent < count; i++) {
		medio_card_process(bed->bed.card);
		card_bed_on_device(&bed->bed, do_sent, &sent);
	}
	assert_int_equal(sent, count);
	return &vnet_fake.sent[(count - 1) % VNET_SENT];
}

uint8_t vnet_bed_status(struct vnet_bed *bed)
{
	uint8_t status;

	assert_int_equal(medio_card_read8(bed->bed.card, 4, 0x14, &status), 0);
	return status;
}

void vnet_bed_frame(uint8_t *frame, size_t len, uint32_t seed)
{
	static const uint8_t head[14] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x02, 0x01, 0x02,
		0x03, 0x04, 0x05, 0x88, 0xb5 };

	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		frame[i] = (uint8_t)(seed >> 24);
	}
	memcpy(frame, head, len < sizeof(head) ? len : sizeof(head));
}
