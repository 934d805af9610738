/* SPDX-License-Identifier: BSD-3-Clause */
#include "test_virtio_echo.h"

#include <errno.h>
#include <string.h>

struct echo {
	struct medio_virtio virtio;
	struct medio_virtq_chain *held[ECHO_HELD];
	unsigned num_held;
	uint64_t value; /* of the configuration, saved and loaded */
};

struct echo_quirks echo_quirks;
struct echo_seen echo_seen;
static struct medio_dev *latest;

struct medio_dev *echo_latest(void)
{
	return latest;
}

void echo_clear(void)
{
	memset(&echo_quirks, 0, sizeof(echo_quirks));
	memset(&echo_seen, 0, sizeof(echo_seen));
}

static void note(char what)
{
	size_t len = strlen(echo_seen.order);
	if (len + 1 < sizeof(echo_seen.order)) {
		echo_seen.order[len] = what;
		echo_seen.order[len + 1] = '\0';
	}
}

static void answer(struct medio_virtq_chain *chain)
{
	uint8_t buf[256];
	size_t at = 0, n;
	/* What the device keeps with a chain is its own, and aligned. */
	uint64_t *own = chain->data;
	*own = chain->in_bytes;
	while ((n = medio_virtq_read(chain, at, buf, sizeof(buf)))) {
		for (size_t i = 0; i < n; i++)
			buf[i] ^= ECHO_FLIP;
		at += medio_virtq_write(chain, at, buf, n);
		if (at == *own)
			break;
	}
	medio_virtq_push(chain, (uint32_t)at);
}

static void kick(struct medio_dev *dev, struct medio_virtq *queue)
{
	struct echo *e = medio_priv(dev);
	struct medio_virtq_chain *chain;
	echo_seen.kicks++;
	for (unsigned n = 0; !echo_quirks.limit || n < echo_quirks.limit; n++) {
		if (!(chain = medio_virtq_pop(queue)))
			return;
		echo_seen.chains++;
		if (echo_quirks.break_queue)
			medio_virtio_broken(dev, "queue %u: told to", medio_virtq_index(queue));
		if (echo_quirks.hold && e->num_held < ECHO_HELD)
			e->held[e->num_held++] = chain;
		else
			answer(chain);
	}
	medio_virtq_again(queue);
}

void echo_release(struct medio_dev *dev, unsigned n, bool backwards)
{
	struct echo *e = medio_priv(dev);
	while (n-- && e->num_held) {
		unsigned i = backwards ? e->num_held - 1 : 0;
		struct medio_virtq_chain *chain = e->held[i];
		struct medio_virtq *queue = chain->queue;
		e->num_held--;
		for (; i < e->num_held; i++)
			e->held[i] = e->held[i + 1];
		answer(chain);
		medio_virtq_flush(queue);
	}
}

void echo_change(struct medio_dev *dev, uint64_t value)
{
	struct echo *e = medio_priv(dev);
	e->value = value;
	medio_virtio_config_changed(dev);
}

static int init(struct medio_dev *dev)
{
	echo_seen.inits++;
	if (echo_quirks.fail_init)
		return medio_fail(dev, EDOM, "echo: told to fail");
	medio_virtio_offer(dev, MEDIO_VIRTIO_BIT(ECHO_F_EXTRA));
	medio_virtio_withdraw(dev, echo_quirks.withdraw);
	if (echo_quirks.queues)
		medio_virtio_set_queues(dev, echo_quirks.queues);
	latest = dev;
	return 0;
}

static void fini(struct medio_dev *dev)
{
	(void)dev;
	echo_seen.finis++;
	latest = NULL;
}

static int features(struct medio_dev *dev, uint64_t accepted)
{
	note('F');
	echo_seen.features++;
	echo_seen.accepted = accepted;
	/* Too late to change anything. */
	medio_virtio_offer(dev, MEDIO_VIRTIO_BIT(ECHO_F_LATE));
	medio_virtio_set_queues(dev, 1);
	if (echo_quirks.refuse)
		medio_guest_error(dev, "echo: A without B");
	return echo_quirks.refuse ? -EINVAL : 0;
}

static void config_read(struct medio_dev *dev, uint8_t *config)
{
	const struct echo *e = medio_priv(dev);
	medio_put_le(config, 8, e->value);
	medio_put_le(config + 8, 8, ~e->value);
	medio_put_le(config + 16, 4, 0x0403u);
}

static void config_write(struct medio_dev *dev, unsigned offset, const void *buf, unsigned count)
{
	(void)dev;
	echo_seen.writes++;
	echo_seen.write_offset = offset;
	echo_seen.write_count = count;
	memcpy(echo_seen.written, buf, count < 16 ? count : 16);
}

static void live(struct medio_dev *dev)
{
	note('L');
	echo_seen.lives++;
	echo_seen.live_when_told = medio_virtio_is_live(dev);
}

static void queue_op(struct medio_dev *dev, struct medio_virtq *queue, bool on)
{
	(void)dev;
	note(on ? 'Q' : 'q');
	if (on)
		echo_seen.on[medio_virtq_index(queue)]++;
	else
		echo_seen.off[medio_virtq_index(queue)]++;
}

static bool poll(struct medio_dev *dev)
{
	(void)dev;
	echo_seen.polls++;
	return false;
}

static void drain(struct medio_dev *dev)
{
	echo_seen.drains++;
	if (!echo_quirks.no_drain)
		echo_release(dev, ECHO_HELD, true);
}

static void reset(struct medio_dev *dev)
{
	struct echo *e = medio_priv(dev);
	note('R');
	echo_seen.resets++;
	echo_seen.in_flight_at_reset += e->num_held;
	e->value = 0;
}

static ssize_t save(struct medio_dev *dev, void *buf, size_t cap)
{
	const struct echo *e = medio_priv(dev);
	echo_seen.saves++;
	if (cap >= 8)
		medio_put_le(buf, 8, e->value);
	return 8;
}

static int load(struct medio_dev *dev, const void *buf, size_t size)
{
	struct echo *e = medio_priv(dev);
	note('l');
	echo_seen.loads++;
	if (size != 8 || echo_quirks.bad_load)
		return -EINVAL;
	e->value = medio_get_le(buf, 8);
	return 0;
}

static const struct medio_virtio_ops ops = {
	.init = init,
	.fini = fini,
	.features = features,
	.config_read = config_read,
	.config_write = config_write,
	.live = live,
	.queue = queue_op,
	.kick = kick,
	.poll = poll,
	.drain = drain,
	.reset = reset,
	.save = save,
	.load = load,
};

static const struct medio_virtio_type virtio = {
	.id = ECHO_ID,
	.max_queues = ECHO_QUEUES,
	.config_size = ECHO_CONFIG,
	.features = MEDIO_VIRTIO_BIT(ECHO_F_A) | MEDIO_VIRTIO_BIT(ECHO_F_B),
	.request_size = 24,
	.ops = &ops,
};

static const struct medio_param params[] = { MEDIO_VIRTIO_PARAMS, { .name = NULL } };
static const struct medio_attr attrs[] = { MEDIO_VIRTIO_ATTRS, { .name = NULL } };

const struct medio_type echo_type = {
	MEDIO_VIRTIO_TYPE(&virtio, struct echo, ECHO_ID, ECHO_QUEUES, 0xff0000),
	.name = "virtio-echo",
	.summary = "What a driver says, changed",
	.params = params,
	.attrs = attrs,
};

static const struct medio_mmap_area shm_areas[] = { { 0x1000, 0x2000 }, { 0, 0 } };
static const struct medio_cap shm_caps[] = {
	MEDIO_VIRTIO_CAPS,
	MEDIO_VIRTIO_SHM_CAP(3, ECHO_SHM_BAR, 0x1000, 0x2000),
	{ .kind = MEDIO_CAP_NONE },
};

const struct medio_type echo_shm_type = {
	MEDIO_VIRTIO_TYPE_CAPS(&virtio, struct echo, ECHO_ID, ECHO_QUEUES, 0xff0000, shm_caps),
	.bars[ECHO_SHM_BAR] = { .kind = MEDIO_BAR_MEM64,
		.prefetchable = true,
		.size = ECHO_SHM,
		.areas = shm_areas },
	.name = "virtio-echo-shm",
	.summary = "What a driver says, with memory in common",
	.params = params,
	.attrs = attrs,
};

/* More queues in its data than the card has doorbells for. */
const struct medio_type echo_wrong_type = {
	MEDIO_VIRTIO_TYPE(&virtio, struct echo, ECHO_ID, ECHO_QUEUES - 1, 0xff0000),
	.name = "virtio-echo-wrong",
	.summary = "What cannot be",
	.params = params,
};
