/* SPDX-License-Identifier: BSD-3-Clause */
/* A disk (5.2): it serves what comes, and insists on what the specification says of requests (5.2.6). */
#include "test_virtio_blk_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };

#define F_SIZE_MAX (UINT64_C(1) << 1)
#define F_SEG_MAX  (UINT64_C(1) << 2)
#define F_RO	   (UINT64_C(1) << 5)
#define F_BLK_SIZE (UINT64_C(1) << 6)
#define F_FLUSH	   (UINT64_C(1) << 9)

#define SECTOR	   VIRTIO_BLK_MODEL_SECTOR
#define SECTORS	   VIRTIO_BLK_MODEL_SECTORS
#define MAX_CHAINS 256u

struct virtio_blk_quirks virtio_blk_quirks;
struct virtio_blk_seen virtio_blk_seen;

struct disk {
	uint8_t *data;
	struct vqd_chain *chains; /* MAX_CHAINS */
};

void virtio_blk_model_clear(void)
{
	virtio_blk_quirks = (struct virtio_blk_quirks){ 0 };
	virtio_blk_seen = (struct virtio_blk_seen){ 0 };
	virtio_model_clear();
}

static uint32_t seg_max(void)
{
	return virtio_blk_quirks.seg_max ? virtio_blk_quirks.seg_max : 8;
}

/* While it is restless it has another size, of which no half is that of the true one. */
static void config(struct virtio_model *m, uint8_t *out)
{
	uint64_t capacity = virtio_blk_quirks.capacity ? virtio_blk_quirks.capacity : SECTORS;

	(void)m;
	medio_put_le(out, 8, virtio_quirks.unrest ? UINT64_C(0x1200000034) : capacity);
	medio_put_le(out + 8, 4, virtio_blk_quirks.size_max);
	medio_put_le(out + 12, 4, seg_max());
	medio_put_le(out + 20, 4, virtio_blk_quirks.blk_size ? virtio_blk_quirks.blk_size : SECTOR);
}

static const struct virtio_model_field fields[] = {
	{ .offset = 0, .width = 8 },
	{ .offset = 8, .width = 4, .feature = F_SIZE_MAX },
	{ .offset = 12, .width = 4, .feature = F_SEG_MAX },
	{ .offset = 20, .width = 4, .feature = F_BLK_SIZE },
	{ 0 },
};

/* ---- Requests ---------------------------------------------------------------------------------- */

/* The segments of data: all but those of the header and the status. */
static void check_segments(struct virtio_model *m, const struct vqd_chain *chain)
{
	unsigned n = chain->out + chain->in - 2;

	virtio_blk_seen.segments = n > virtio_blk_seen.segments ? n : virtio_blk_seen.segments;
	if (n > (virtio_model_accepted(m) & F_SEG_MAX ? seg_max() : 1))
		virtio_model_wrong("a request of %u segments", n);
	for (unsigned i = 0; virtio_model_accepted(m) & F_SIZE_MAX && i < chain->out + chain->in;
		i++)
		if (chain->segs[i].len > virtio_blk_quirks.size_max)
			virtio_model_wrong("a segment of %u bytes", chain->segs[i].len);
}

static uint64_t bytes_of(const struct vqd_chain *chain, bool out)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < chain->out + chain->in; i++)
		if ((i < chain->out) == out)
			n += chain->segs[i].len;
	return n;
}

static uint8_t transfer(struct virtio_model *m, const struct vqd_chain *chain, bool write,
	uint64_t sector, uint64_t bytes)
{
	struct disk *disk = virtio_model_state(m);
	uint64_t count = bytes / SECTOR;

	check_segments(m, chain);
	if (!count || bytes % SECTOR || sector >= SECTORS || count > SECTORS - sector) {
		virtio_model_wrong("%llu bytes from sector %llu", (unsigned long long)bytes,
			(unsigned long long)sector);
		return S_IOERR;
	}
	if (write && virtio_model_accepted(m) & F_RO)
		virtio_model_wrong("a write to a disk that is read-only");
	if (virtio_blk_quirks.fail_status && sector <= virtio_blk_quirks.fail_sector &&
		virtio_blk_quirks.fail_sector < sector + count)
		return virtio_blk_quirks.fail_status;
	if (write)
		vqd_read(chain, 16, disk->data + sector * SECTOR, bytes);
	else
		vqd_write(chain, 0, disk->data + sector * SECTOR, bytes);
	virtio_blk_seen.writes += write;
	virtio_blk_seen.reads += !write;
	return S_OK;
}

static uint8_t identify(const struct vqd_chain *chain, uint64_t bytes)
{
	char id[20] = VIRTIO_BLK_MODEL_SERIAL;

	if (bytes != sizeof(id))
		virtio_model_wrong("%llu bytes for an id", (unsigned long long)bytes);
	if (virtio_blk_quirks.no_serial)
		return S_UNSUPP;
	vqd_write(chain, 0, id, sizeof(id));
	return S_OK;
}

/* What came of it; *written are the bytes of data that were. */
static uint8_t serve(struct virtio_model *m, const struct vqd_chain *chain, uint32_t *written)
{
	uint8_t header[16] = { 0 };
	uint64_t out = bytes_of(chain, true), in = bytes_of(chain, false), sector;

	*written = 0;
	if (vqd_read(chain, 0, header, sizeof(header)) != sizeof(header) || !in) {
		virtio_model_wrong("a request without a header or a status");
		return S_IOERR;
	}
	sector = medio_get_le(header + 8, 8);
	switch (medio_get_le(header, 4)) {
	case T_IN:
		*written = (uint32_t)in - 1;
		return transfer(m, chain, false, sector, in - 1);
	case T_OUT:
		return transfer(m, chain, true, sector, out - sizeof(header));
	case T_FLUSH:
		if (sector || !(virtio_model_accepted(m) & F_FLUSH))
			virtio_model_wrong("a flush, of sector %llu", (unsigned long long)sector);
		virtio_blk_seen.flushes++;
		return S_OK;
	case T_GET_ID:
		*written = (uint32_t)in - 1;
		return identify(chain, in - 1);
	default:
		virtio_model_wrong("a request of type %u", (unsigned)medio_get_le(header, 4));
		return S_UNSUPP;
	}
}

static void finish(struct virtio_model *m, const struct vqd_chain *chain)
{
	uint32_t written;
	uint8_t status = serve(m, chain, &written);

	if (!virtio_blk_quirks.no_status)
		vqd_write(chain, bytes_of(chain, false) - 1, &status, 1);
	virtio_model_push(m, 0, chain, written + 1);
}

static void kick(struct virtio_model *m, unsigned queue)
{
	struct disk *disk = virtio_model_state(m);
	unsigned n = 0;

	while (n < MAX_CHAINS && virtio_model_pop(m, queue, &disk->chains[n]))
		n++;
	for (unsigned i = 0; i < n; i++)
		finish(m, &disk->chains[virtio_quirks.backwards ? n - 1 - i : i]);
}

/* ---- The kind ---------------------------------------------------------------------------------- */

static int init(struct virtio_model *m)
{
	struct disk *disk = virtio_model_state(m);

	disk->data = calloc(SECTORS, SECTOR);
	disk->chains = calloc(MAX_CHAINS, sizeof(*disk->chains));
	return disk->data && disk->chains ? 0 : -ENOMEM;
}

static void fini(struct virtio_model *m)
{
	struct disk *disk = virtio_model_state(m);

	free(disk->data);
	free(disk->chains);
}

const struct virtio_model_kind virtio_model_blk = {
	.id = 2,
	.name = "virtio-blk",
	.class_code = 0x010000,
	.features = F_SEG_MAX | F_BLK_SIZE | F_FLUSH,
	.num_queues = 1,
	.fields = fields,
	.state_size = sizeof(struct disk),
	.init = init,
	.fini = fini,
	.config = config,
	.kick = kick,
};
