/* SPDX-License-Identifier: BSD-3-Clause */
#include "test_nvme_model.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../../drivers/nvme/nvme.h"
#include "../../drivers/nvme/nvme_spec.h"
#include "test_card_bed.h"

struct quirks quirks;
struct seen seen;

struct queue {
	uint64_t sq, cq;
	unsigned sq_size, cq_size, sq_head, cq_head, cq_tail, phase;
	bool has_cq, has_sq;
};

struct model {
	uint32_t cc, csts, aqa;
	uint64_t asq, acq;
	struct queue queues[2];
	uint8_t *disk;
	/* I/O commands that are served later. */
	struct nvme_command pending[64];
	unsigned num_pending;
	struct medio_timer *timer;
};

static bool pending(const struct model *m)
{
	bool any = false;

	for (unsigned i = 0; i < 2; i++)
		any |= m->queues[i].has_cq && m->queues[i].cq_head != m->queues[i].cq_tail;
	return any;
}

static void put_level(struct medio_dev *dev)
{
	medio_irq_set(dev, 0, pending(medio_priv(dev)));
}

static void complete_one(struct medio_dev *dev, unsigned id, const struct nvme_command *c,
	uint16_t status, uint32_t result)
{
	struct model *m = medio_priv(dev);
	struct queue *q = &m->queues[id];
	unsigned add = id ? 1 : 0;
	bool more = pending(m);
	uint32_t dw[4] = { result, 0,
		((id + add * quirks.queue_add) << 16) |
			((q->sq_head + add * quirks.head_add) & 0xffff),
		(uint32_t)status << 17 | q->phase << 16 |
			((c->id + add * quirks.id_add) & 0xffff) };

	/* The driver may be looking: what says that the entry is there comes last. */
	card_bed_must(medio_dma_write(dev, q->cq + 16ul * q->cq_tail, dw, 12) == 0);
	atomic_thread_fence(memory_order_release);
	card_bed_must(medio_dma_write(dev, q->cq + 16ul * q->cq_tail + 12, &dw[3], 4) == 0);
	if (++q->cq_tail == q->cq_size) {
		q->cq_tail = 0;
		q->phase ^= 1;
	}
	/* A completion that nobody has taken is never overwritten. */
	card_bed_must(q->cq_tail != q->cq_head);
	put_level(dev);
	/* A message for each, since the driver may have looked before this one came. */
	if (more)
		medio_irq_pulse(dev, 0);
}

static void complete(struct medio_dev *dev, unsigned id, const struct nvme_command *c,
	uint16_t status, uint32_t result)
{
	complete_one(dev, id, c, status, result);
	if (id && quirks.twice)
		complete_one(dev, id, c, status, result);
}

static void identify(struct medio_dev *dev, const struct nvme_command *c)
{
	uint8_t data[NVME_IDENTIFY_SIZE] = { 0 };
	uint32_t nsid = quirks.nsid ? quirks.nsid : 1;
	uint64_t blocks = NVME_MODEL_BLOCKS;

	if (c->cdw10 == NVME_IDENTIFY_CONTROLLER) {
		memset(data + 4, ' ', 68);
		memcpy(data + 4, "S-1", 3);
		memcpy(data + 24, "A disk of \033[2J tests", 20);
		memcpy(data + 64, "1.0", 3);
		data[77] = quirks.mdts;
		data[512] = quirks.sqes ? quirks.sqes : 0x66;
		data[513] = 0x44;
		data[516] = 4;
	} else if (c->cdw10 == NVME_IDENTIFY_LIST) {
		if (!quirks.no_namespace && (c->nsid < nsid || quirks.names_wrong))
			memcpy(data, &nsid, sizeof(nsid));
	} else if (c->nsid == nsid) {
		memcpy(data, &blocks, sizeof(blocks));
		data[25] = 1;
		data[26] = quirks.format;
		data[128 + 2] = quirks.shift ? quirks.shift : 9;
		data[128] = quirks.metadata;
		data[132 + 2] = 12;
	}
	card_bed_must(medio_dma_write(dev, c->prp1, data, sizeof(data)) == 0);
}

static void create_queue(struct model *m, const struct nvme_command *c)
{
	struct queue *q = &m->queues[1];

	card_bed_must((c->cdw10 & 0xffff) == 1);
	if (c->opcode == NVME_ADMIN_CREATE_CQ) {
		*q = (struct queue){
			.cq = c->prp1, .cq_size = (c->cdw10 >> 16) + 1, .phase = 1, .has_cq = true
		};
		return;
	}
	/* Its completion queue comes first. */
	card_bed_must(q->has_cq);
	card_bed_must(c->cdw11 >> 16 == 1);
	q->sq = c->prp1;
	q->sq_size = (c->cdw10 >> 16) + 1;
	q->has_sq = true;
}

static void admin(struct medio_dev *dev, const struct nvme_command *c)
{
	struct model *m = medio_priv(dev);

	if (quirks.mute)
		return;
	switch (c->opcode) {
	case NVME_ADMIN_IDENTIFY:
		identify(dev, c);
		break;
	case NVME_ADMIN_CREATE_CQ:
	case NVME_ADMIN_CREATE_SQ:
		create_queue(m, c);
		break;
	case NVME_ADMIN_DELETE_SQ:
		card_bed_must(m->queues[1].has_sq);
		m->queues[1].has_sq = false;
		seen.deleted++;
		break;
	case NVME_ADMIN_DELETE_CQ:
		card_bed_must(!m->queues[1].has_sq);
		m->queues[1].has_cq = false;
		seen.deleted++;
		break;
	case NVME_ADMIN_SET_FEATURES:
		break;
	default:
		complete(dev, 0, c, 0x4001, 0);
		return;
	}
	complete(dev, 0, c, 0, 0);
}

static void move_data(struct medio_dev *dev, bool in, uint64_t at, uint8_t *data, size_t size)
{
	card_bed_must((in ? medio_dma_read(dev, at, data, size)
			  : medio_dma_write(dev, at, data, size)) == 0);
}

/* As the standard has it: PRP 1, then PRP 2 or the list it points to. */
static void transfer(
	struct medio_dev *dev, const struct nvme_command *c, uint8_t *data, size_t size)
{
	bool in = c->opcode == NVME_IO_WRITE;
	size_t n = 4096 - (c->prp1 & 4095);
	uint64_t entry;

	n = n < size ? n : size;
	move_data(dev, in, c->prp1, data, n);
	bool list = size - n > 4096;
	seen.lists += list;
	for (unsigned i = 0; n < size; i++) {
		size_t piece = size - n < 4096 ? size - n : 4096;
		entry = c->prp2;
		if (list)
			card_bed_must(medio_dma_read(dev, c->prp2 + 8ul * i, &entry, 8) == 0);
		card_bed_must(i < 512);
		card_bed_must((entry & 4095) == 0);
		move_data(dev, in, entry, data + n, piece);
		n += piece;
	}
}

static void input_output(struct medio_dev *dev, const struct nvme_command *c)
{
	struct model *m = medio_priv(dev);
	uint64_t block = (uint64_t)c->cdw11 << 32 | c->cdw10;
	uint32_t count = (c->cdw12 & 0xffff) + 1;
	uint16_t status = 0;

	seen.commands++;
	if (quirks.gone_after && seen.commands >= quirks.gone_after)
		quirks.gone = true;
	if (quirks.silent || quirks.gone)
		return;
	card_bed_must(c->nsid == quirks.nsid ? quirks.nsid : 1);
	if (c->opcode == NVME_IO_FLUSH) {
		seen.flushes++;
	} else {
		card_bed_must(block + count <= NVME_MODEL_BLOCKS);
		if (quirks.fail_status && block <= quirks.fail_block &&
			quirks.fail_block < block + count)
			status = quirks.fail_status;
		else
			transfer(dev, c, m->disk + block * NVME_MODEL_BLOCK,
				(size_t)count * NVME_MODEL_BLOCK);
	}
	complete(dev, 1, c, status, 0);
}

void nvme_model_serve(struct medio_dev *dev, uint64_t block, uint32_t count, uint64_t iova)
{
	struct model *m = medio_priv(dev);
	const struct nvme_command c = { .opcode = NVME_IO_READ,
		.nsid = 1,
		.prp1 = iova,
		.cdw10 = (uint32_t)block,
		.cdw11 = (uint32_t)(block >> 32),
		.cdw12 = count - 1 };

	input_output(dev, &c);
	m->queues[1].cq_head = m->queues[1].cq_tail;
	put_level(dev);
}

static void on_later(void *opaque)
{
	struct medio_dev *dev = opaque;
	struct model *m = medio_priv(dev);
	unsigned n = m->num_pending;

	m->num_pending = 0;
	for (unsigned i = 0; i < n; i++)
		input_output(dev, &m->pending[i]);
}

static void ring_sq(struct medio_dev *dev, unsigned id, uint32_t tail)
{
	struct model *m = medio_priv(dev);
	struct queue *q = &m->queues[id];
	struct nvme_command batch[64];
	unsigned n = 0;

	card_bed_must(q->has_sq && tail < q->sq_size);
	for (; q->sq_head != tail; q->sq_head = (q->sq_head + 1) % q->sq_size) {
		card_bed_must(n < 64);
		card_bed_must(medio_dma_read(dev, q->sq + 64ul * q->sq_head, &batch[n++], 64) == 0);
	}
	for (unsigned i = 0; i < n; i++) {
		const struct nvme_command *c = &batch[quirks.backwards ? n - 1 - i : i];
		if (id && quirks.later)
			m->pending[m->num_pending++] = *c;
		else if (id)
			input_output(dev, c);
		else
			admin(dev, c);
	}
	if (m->num_pending)
		medio_timer_arm(m->timer, 10000);
}

static void set_cc(struct medio_dev *dev, uint32_t value)
{
	struct model *m = medio_priv(dev);

	if (value & NVME_CC_EN && !(m->cc & NVME_CC_EN)) {
		m->queues[0] = (struct queue){ m->asq, m->acq, (m->aqa & 0xfff) + 1,
			(m->aqa >> 16 & 0xfff) + 1, .phase = 1, .has_cq = true, .has_sq = true };
		m->csts = quirks.never_ready ? 0 : quirks.fatal ? NVME_CSTS_CFS : NVME_CSTS_RDY;
	}
	if (!(value & NVME_CC_EN)) {
		m->csts = 0;
		memset(m->queues, 0, sizeof(m->queues));
		m->num_pending = 0;
	} else if (value & NVME_CC_SHN && !(m->cc & NVME_CC_SHN)) {
		seen.shutdowns++;
		seen.early = m->queues[1].has_sq || m->queues[1].has_cq;
		m->csts |= NVME_CSTS_SHST_DONE;
	}
	seen.cc = m->cc = value;
	put_level(dev);
}

static void set_half(uint64_t *reg, bool high, uint32_t value)
{
	*reg = high ? (*reg & UINT32_MAX) | (uint64_t)value << 32
		    : (*reg & ~(uint64_t)UINT32_MAX) | value;
}

static int model_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct model *m = medio_priv(dev);
	uint32_t value = (uint32_t)medio_get_le(buf, count);

	card_bed_must(region == 0);
	card_bed_must(count == 4);
	if (quirks.gone)
		return 0;
	if (offset >= NVME_DOORBELLS && offset < NVME_DOORBELLS + 16) {
		unsigned n = (unsigned)(offset - NVME_DOORBELLS) / 4;
		if (n & 1)
			m->queues[n / 2].cq_head = value;
		else
			ring_sq(dev, n / 2, value);
		put_level(dev);
	} else if (offset == NVME_CC) {
		set_cc(dev, value);
	} else if (offset == NVME_AQA) {
		m->aqa = value;
	} else if (offset - NVME_ASQ < 8) {
		set_half(&m->asq, offset & 4, value);
	} else if (offset - NVME_ACQ < 8) {
		set_half(&m->acq, offset & 4, value);
	}
	return 0;
}

static int model_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct model *m = medio_priv(dev);
	uint64_t cap = ((quirks.mqes ? quirks.mqes : 256) - 1) | 1ull << 24 | 1ull << 37 |
		       (uint64_t)quirks.mpsmin << 48;
	uint64_t value = 0;

	if (offset < 8)
		value = cap >> 8 * offset;
	else if (offset == NVME_VS)
		value = quirks.version ? quirks.version : 0x00010400;
	else if (offset == NVME_CC)
		value = m->cc;
	else if (offset == NVME_CSTS)
		value = m->csts;
	if (quirks.offline)
		value = offset == NVME_CSTS ? NVME_CSTS_CFS : 0;
	medio_put_le(buf, count, quirks.gone ? UINT64_MAX : value);
	return 0;
}

static int model_init(struct medio_dev *dev)
{
	struct model *m = medio_priv(dev);

	m->disk = calloc(NVME_MODEL_BLOCKS, NVME_MODEL_BLOCK);
	m->timer = medio_timer_new(dev, on_later, dev);
	return m->disk && m->timer ? 0 : -ENOMEM;
}

static void model_fini(struct medio_dev *dev)
{
	struct model *m = medio_priv(dev);

	medio_timer_free(m->timer);
	free(m->disk);
}

static const struct medio_device_ops model_ops = {
	.init = model_init,
	.fini = model_fini,
	.region_read = model_read,
	.region_write = model_write,
};

const struct medio_type nvme_model_type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "disk",
	.summary = "A disk for tests",
	.id = { 0x1234, 0x5678, 0x1234, 0x5678, 1, NVME_CLASS },
	.bars = { { .kind = MEDIO_BAR_MEM64, .size = 16384 } },
	.irqs = { .intx_pin = 1,
		.msi = 1,
		.msix = { .vectors = 1, .table_offset = 0x2000, .pba_offset = 0x3000 } },
	.state_size = sizeof(struct model),
	.ops = &model_ops,
};
