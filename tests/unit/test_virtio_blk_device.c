/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests of virtio-blk, each kind, right and wrong, in every layout; what is asked of the disk behind. */
#include <endian.h>
#include <errno.h>

#include "test_virtio_blk_device_bed.h"

static void tells_what_it_is(void **state)
{
	struct bed *bed = *state;
	struct virtio_info info;

	plugs(bed, NULL, PARAMS("serial=S1"));
	brings_up(bed, F_ALL, 4);
	virtio_get_info(bed->v, &info);
	assert_int_equal(info.num_queues, 4);
	assert_int_equal(info.offered & F_ALL, F(F_SEG_MAX) | F(F_GEOMETRY) | F(F_BLK_SIZE) |
						       F(F_FLUSH) | F(F_TOPOLOGY) | F(F_WCE) |
						       F(F_MQ) | F(F_DISCARD) | F(F_ZEROES));
	assert_int_equal(config(bed, CAPACITY, 8), FAKE_DISK_BYTES / 512);
	assert_int_equal(config(bed, 8, 4), 0);
	assert_int_equal(config(bed, SEG_MAX, 4), 126);
	assert_int_equal(config(bed, GEOMETRY, 2), FAKE_DISK_BYTES / 512 / (16 * 63));
	assert_int_equal(config(bed, GEOMETRY + 2, 1), 16);
	assert_int_equal(config(bed, GEOMETRY + 3, 1), 63);
	assert_int_equal(config(bed, BLK_SIZE, 4), 512);
	assert_int_equal(config(bed, PHYSICAL_EXP, 1), 3);
	assert_int_equal(config(bed, MIN_IO, 2), 8);
	assert_int_equal(config(bed, OPT_IO, 4), 128);
	assert_int_equal(config(bed, WRITEBACK, 1), 1);
	assert_int_equal(config(bed, NUM_QUEUES, 2), 4);
	assert_int_equal(config(bed, DISCARD_ALIGN, 4), 8);
	assert_true(config(bed, MAX_DISCARD, 4) && config(bed, DISCARD_SEG, 4));
	assert_true(config(bed, MAX_ZEROES, 4) && config(bed, ZEROES_SEG, 4));
	assert_int_equal(config(bed, MAY_UNMAP, 1), 1);
	shows(bed, "blk/backend", "a test's\n");
	shows(bed, "blk/capacity", "1048576\n");
}

static void offers_what_the_disk_can(void **state)
{
	struct bed *bed = *state;
	struct virtio_info info;

	fake_disk.info.discards = fake_disk.info.zeroes = false;
	opens(bed, NULL, PARAMS("num-queues=1"));
	virtio_get_info(bed->v, &info);
	assert_true(info.offered & F(F_FLUSH));
	assert_false(info.offered & (F(F_DISCARD) | F(F_ZEROES) | F(F_MQ)));
	assert_int_equal(info.num_queues, 1);
	closes(bed);
	fake_disk.info.discards = fake_disk.info.zeroes = fake_disk.info.readonly = true;
	opens(bed, NULL, NULL);
	virtio_get_info(bed->v, &info);
	assert_int_equal(info.offered & (F(F_RO) | F(F_DISCARD) | F(F_ZEROES)), F(F_RO));
}

/* A driver that refuses all it can, and every kind of ring. */
static void reads_and_writes(void **state)
{
	static const size_t sizes[] = { 512, 1024, 4096, 65536, 1 << 19 };
	struct bed *bed = *state;

	for (unsigned kind = 0; kind < 8; kind++) {
		const struct virtio_options opts = {
			.irq = VIRTIO_IRQ_BEST,
			.refuse = (kind & 1 ? VIRTIO_F_RING_PACKED : 0) |
				  (kind & 2 ? VIRTIO_F_INDIRECT_DESC : 0) |
				  (kind & 4 ? VIRTIO_F_EVENT_IDX : 0),
		};
		opens(bed, &opts, NULL);
		for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			uint64_t sector = i * 7 + kind;
			scramble(bed->buf, sizes[i], kind * 16 + i);
			uint64_t sum = checksum(bed->buf, sizes[i]);
			assert_int_equal(writes(bed, sector, sizes[i]), OK);
			assert_int_equal(checksum(fake_disk.data + sector * 512, sizes[i]), sum);
			memset(bed->buf, 0, sizes[i] + 1);
			assert_int_equal(reads(bed, sector, sizes[i]), OK);
			assert_int_equal(checksum(bed->buf, sizes[i]), sum);
			assert_int_equal(bed->buf[sizes[i]], 0);
		}
		/* One as such, though only some bytes long. */
		assert_int_equal(seen(bed)->most_pieces, 1);
		closes(bed);
	}
}

/* ---- Layouts (2.7.4.1: none is to be assumed) ----------------------------------------------------- */

/* Cut len bytes at ptr into pieces of these sizes, over and over. */
static unsigned cut(const struct bed *bed, const uint8_t *ptr, size_t len, const size_t *sizes,
	unsigned count, struct virtq_seg *segs)
{
	unsigned n = 0;

	for (size_t done = 0; done < len; n++) {
		size_t size = sizes[n % count];
		if (size > len - done)
			size = len - done;
		assert_true(n < SEGS);
		segs[n] = at(bed, ptr + done, size);
		done += size;
	}
	return n;
}

/* Write and read these bytes with header, data and status one after another, cut anywhere. */
static void goes_both_ways(struct bed *bed, size_t bytes, const size_t *sizes, unsigned count)
{
	static unsigned seed;
	struct header header = { htole32(T_OUT), 0, htole64(3) };
	struct virtq_seg segs[2 * SEGS];
	uint8_t *data = bed->buf + 64;

	memcpy(data - 16, &header, 16);
	scramble(data, bytes, ++seed);
	uint64_t sum = checksum(data, bytes);
	data[bytes] = NOTHING;
	unsigned out = cut(bed, data - 16, 16 + bytes, sizes, count, segs);
	segs[out] = at(bed, data + bytes, 1);
	sends(bed, 0, segs, out, 1, data);
	assert_int_equal(comes(bed, 0, data), 1);
	assert_int_equal(data[bytes], OK);
	assert_int_equal(checksum(fake_disk.data + 3 * 512, bytes), sum);

	header.type = htole32(T_IN);
	memcpy(data - 16, &header, 16);
	memset(data, 0, bytes);
	data[bytes] = NOTHING;
	out = cut(bed, data - 16, 16, sizes, count, segs);
	unsigned in = cut(bed, data, bytes + 1, sizes, count, segs + out);
	sends(bed, 0, segs, out, in, data);
	assert_int_equal(comes(bed, 0, data), bytes + 1);
	assert_int_equal(data[bytes], OK);
	assert_int_equal(checksum(data, bytes), sum);
}

#define BOTH_WAYS(bed, bytes, ...) \
	goes_both_ways(bed, bytes, (const size_t[]){ __VA_ARGS__ }, \
		sizeof((const size_t[]){ __VA_ARGS__ }) / sizeof(size_t))

static void takes_every_layout(void **state)
{
	struct bed *bed = *state;

	for (unsigned kind = 0; kind < 4; kind++) {
		const struct virtio_options opts = {
			.irq = VIRTIO_IRQ_BEST,
			.refuse = (kind & 1 ? VIRTIO_F_RING_PACKED : 0) |
				  (kind & 2 ? VIRTIO_F_INDIRECT_DESC : 0),
		};
		opens(bed, &opts, NULL);
		BOTH_WAYS(bed, 4096, 65536);	/* each side in one */
		BOTH_WAYS(bed, 4096, 16, 4096); /* as drivers do */
		BOTH_WAYS(bed, 1024, 8, 8, 512);
		BOTH_WAYS(bed, 1024, 1, 15, 512);
		BOTH_WAYS(bed, 1536, 17, 511);
		BOTH_WAYS(bed, 4096, 1000);
		shows(bed, "blk/bounced", "0\n");
		/* Long, but whole. */
		BOTH_WAYS(bed, 512, 4);
		BOTH_WAYS(bed, 33280, 16, 1024);
		closes(bed);
	}
}

/* Pieces that are many, and begin in the middle of one. */
static void bounces_what_is_too_odd(void **state)
{
	struct bed *bed = *state;

	opens(bed, NULL, NULL);
	BOTH_WAYS(bed, 1024, 15);
	shows(bed, "blk/bounced", "2\n");
	BOTH_WAYS(bed, 512, 5);
	/* In parts: more than the buffer holds. */
	BOTH_WAYS(bed, 512 * 1000, 4097);
	shows(bed, "blk/bounced", "6\n");
	assert_true(seen(bed)->ops[DISK_READ] > 3);
}

/* There is one buffer to bounce by: they have it one after another, and errors let it go. */
static void bounces_one_after_another(void **state)
{
	static const size_t odd[] = { 100 };
	struct bed *bed = *state;
	uint8_t *base;

	opens(bed, NULL, NULL);
	base = bed->buf;
	holds(bed, true);
	for (unsigned i = 0; i < 20; i++) {
		struct virtq_seg segs[SEGS];
		uint8_t *ptr = base + i * 8192;
		struct header header = { htole32(T_OUT), 0, htole64(i * 8) };
		memcpy(ptr, &header, 16);
		memset(ptr + 16, (int)i + 1, 4096);
		ptr[8000] = NOTHING;
		unsigned out = cut(bed, ptr, 16 + 4096, odd, 1, segs);
		segs[out] = at(bed, ptr + 8000, 1);
		sends(bed, 0, segs, out, 1, ptr);
	}
	waits_for_held(bed, 1);
	/* Every other one fails. */
	for (unsigned i = 0; i < 20; i++) {
		fake_disk.fails[DISK_WRITE] = i % 2 ? -EIO : 0;
		releases(bed, 1);
		comes(bed, 0, base + i * 8192);
		assert_int_equal(base[i * 8192 + 8000], i % 2 ? IOERR : OK);
		assert_int_equal(fake_disk.data[i * 4096 + 4095], i % 2 ? 0 : i + 1);
	}
	shows(bed, "blk/errors", "10\n");
	assert_int_equal(seen(bed)->num_held, 0);
}

/* ---- What cannot be --------------------------------------------------------------------------------- */

static void unknown_types_are_unsupported(void **state)
{
	static const uint32_t types[] = { 2, 3, 5, 6, 7, 9, 10, 12, 14, 15, 16, 24, 26, 0x80000000,
		0x80000001, 0xffffffff };
	struct bed *bed = *state;

	opens(bed, NULL, NULL);
	for (unsigned i = 0; i < sizeof(types) / sizeof(*types); i++) {
		assert_int_equal(asks(bed, types[i], 0, 0, 512), UNSUPP);
		assert_int_equal(asks(bed, types[i], 0, 512, 0), UNSUPP);
		assert_int_equal(asks(bed, types[i], 0, 0, 0), UNSUPP);
	}
	shows(bed, "blk/unsupported", "48\n");
	assert_int_equal(reads(bed, 0, 512), OK);
}

static void ranges_are_looked_at(void **state)
{
	static const uint64_t last = FAKE_DISK_BYTES / 512;
	static const struct {
		uint64_t sector;
		size_t bytes;
		unsigned status;
	} cases[] = {
		{ last - 1, 512, OK },
		{ last - 8, 4096, OK },
		{ last, 512, IOERR },
		{ last - 1, 1024, IOERR },
		{ last - 7, 4096, IOERR },
		{ last + 1, 512, IOERR },
		{ UINT64_MAX, 512, IOERR },
		{ UINT64_MAX / 512, 512, IOERR },
		{ (UINT64_MAX / 512) + 1, 512, IOERR },
		{ (UINT64_MAX / 512) + 2, 512, IOERR },
		{ UINT64_C(1) << 63, 512, IOERR },
		{ 0, 1, IOERR },
		{ 0, 511, IOERR },
		{ 0, 513, IOERR },
		{ 0, 768, IOERR },
	};
	struct bed *bed = *state;

	opens(bed, NULL, NULL);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(reads(bed, cases[i].sector, cases[i].bytes), cases[i].status);
		assert_int_equal(writes(bed, cases[i].sector, cases[i].bytes), cases[i].status);
	}
	assert_int_equal(seen(bed)->ops[DISK_WRITE], 2);
	/* Nothing is soon done, wherever it is inside. */
	assert_int_equal(asks(bed, T_IN, 0, 0, 0), OK);
	assert_int_equal(asks(bed, T_OUT, last, 0, 0), OK);
	assert_int_equal(asks(bed, T_OUT, last + 1, 0, 0), IOERR);
	assert_int_equal(seen(bed)->ops[DISK_READ] + seen(bed)->ops[DISK_WRITE], 4);
}

/* Fewer bytes than a header, with a status that can be written. */
static void a_header_cut_short(void **state)
{
	struct bed *bed = *state;

	opens(bed, NULL, NULL);
	for (size_t len = 0; len < 16; len++) {
		uint8_t *ptr = puts_header(bed, 0, T_GET_ID, 0);
		struct virtq_seg segs[2] = { at(bed, ptr, len), at(bed, ptr + 32, 1) };
		sends(bed, 0, segs + !len, len ? 1 : 0, 1, ptr);
		assert_int_equal(comes(bed, 0, ptr), 1);
		assert_int_equal(ptr[32], IOERR);
	}
	shows(bed, "blk/errors", "16\n");
}

/* Nothing can be said where no byte is for it: the device needs a reset, and lives after that. What stands
 * behind such a request in the ring is not done. */
static void no_room_for_a_status(void **state)
{
	struct bed *bed = *state;
	struct virtq_seg seg;
	uint8_t *ptr;

	for (unsigned i = 0; i < 2; i++) {
		opens(bed, NULL, NULL);
		assert_int_equal(reads(bed, 0, 512), OK);
		ptr = puts_header(bed, 0, i ? T_OUT : T_FLUSH, 0);
		seg = at(bed, ptr, i ? 16 + 512 : 16);
		assert_int_equal(virtq_add(virtio_ring(bed->queues[0]), &seg, 1, 0, ptr), 0);
		submits(bed, 0, 1, T_OUT, 3, bed->buf, 512, 0);
		int ret;
		do {
			ret = virtio_wait(bed->v, &bed->queues[0], 1, 120000);
			struct virtq_done done;
			if (ret == 1)
				virtq_take(virtio_ring(bed->queues[0]), &done);
		} while (ret == 1);
		assert_int_equal(ret, -EIO);
		assert_int_equal(seen(bed)->ops[DISK_FLUSH] + seen(bed)->ops[DISK_WRITE], 0);
		assert_int_equal(status_of(bed, 1), NOTHING);
		/* The next driver. */
		virtio_close(bed->v);
		bed->v = NULL;
		if (virtio_open(bed->card, 2, NULL, &bed->v, bed->words, sizeof(bed->words)))
			fail_msg("%s", bed->words);
		brings_up(bed, F_ALL, 1);
		assert_int_equal(reads(bed, 0, 512), OK);
		closes(bed);
	}
}

static void read_only(void **state)
{
	const struct segment one = { 0, 8, 0 };
	struct bed *bed = *state;

	fake_disk.info.readonly = true;
	opens(bed, NULL, NULL);
	assert_true(virtio_has(bed->v, F(F_RO)));
	assert_int_equal(reads(bed, 0, 4096), OK);
	assert_int_equal(writes(bed, 0, 512), IOERR);
	assert_int_equal(flushes(bed), OK);
	/* They are not even known. */
	assert_int_equal(segments(bed, T_DISCARD, &one, 1), UNSUPP);
	assert_int_equal(segments(bed, T_ZEROES, &one, 1), UNSUPP);
	assert_int_equal(seen(bed)->ops[DISK_WRITE], 0);
}

/* ---- Errors of the disk behind ---------------------------------------------------------------------- */

static void no_error_is_lost(void **state)
{
	static const int errors[] = { -EIO, -ENOSPC, -EROFS, -ENOMEM, -EINVAL, -ESHUTDOWN };
	const struct segment two[] = { { 0, 8, 0 }, { 64, 8, 0 } };
	struct bed *bed = *state;
	unsigned held;

	opens(bed, NULL, NULL);
	for (held = 0; held < sizeof(errors) / sizeof(*errors); held++) {
		for (unsigned op = 0; op < FAKE_DISK_OPS; op++)
			fake_disk.fails[op] = errors[held];
		assert_int_equal(reads(bed, 0, 512), IOERR);
		assert_int_equal(writes(bed, 0, 512), IOERR);
		assert_int_equal(flushes(bed), IOERR);
		assert_int_equal(segments(bed, T_DISCARD, two, 2), IOERR);
		assert_int_equal(segments(bed, T_ZEROES, two, 2), IOERR);
	}
	shows(bed, "blk/errors", "30\n");
	/* Not that, say backends; then drivers ask no more. Of a read that would be nonsense. */
	for (unsigned op = 0; op < FAKE_DISK_OPS; op++)
		fake_disk.fails[op] = -EOPNOTSUPP;
	assert_int_equal(reads(bed, 0, 512), IOERR);
	assert_int_equal(flushes(bed), IOERR);
	assert_int_equal(segments(bed, T_DISCARD, two, 1), UNSUPP);
	assert_int_equal(segments(bed, T_ZEROES, two, 1), UNSUPP);
	/* In the second of two segments. */
	memset(fake_disk.fails, 0, sizeof(fake_disk.fails));
	fake_disk.fails[DISK_ZEROES] = -EIO;
	fake_disk.fails_after = 1;
	assert_int_equal(segments(bed, T_ZEROES, two, 2), IOERR);
	/* All is well after that. */
	memset(fake_disk.fails, 0, sizeof(fake_disk.fails));
	assert_int_equal(writes(bed, 0, 512), OK);
}

/* ---- Discard, write zeroes ---------------------------------------------------------------------------- */

static void discards(void **state)
{
	const struct segment some[] = { { 8, 8, 0 }, { 64, 0, 0 }, { 2040, 8, 0 } };
	struct bed *bed = *state;

	opens(bed, NULL, NULL);
	memset(fake_disk.data, 0x11, sizeof(fake_disk.data));
	assert_int_equal(segments(bed, T_DISCARD, some, 3), OK);
	assert_int_equal(seen(bed)->ops[DISK_DISCARD], 2);
	assert_int_equal(fake_disk.data[8 * 512 - 1], 0x11);
	assert_int_equal(fake_disk.data[8 * 512], 0xdd);
	assert_int_equal(fake_disk.data[16 * 512 - 1], 0xdd);
	assert_int_equal(fake_disk.data[16 * 512], 0x11);
	assert_int_equal(fake_disk.data[FAKE_DISK_BYTES - 1], 0xdd);
	shows(bed, "blk/discards", "1\n");
}

static void writes_zeroes(void **state)
{
	const struct segment some[] = { { 1, 1, 0 }, { 8, 16, 1 } };
	struct bed *bed = *state;

	opens(bed, NULL, NULL);
	memset(fake_disk.data, 0x11, sizeof(fake_disk.data));
	assert_int_equal(segments(bed, T_ZEROES, some, 2), OK);
	assert_int_equal(seen(bed)->ops[DISK_ZEROES], 2);
	assert_int_equal(seen(bed)->unmapped, 1);
	assert_int_equal(seen(bed)->ops[DISK_FLUSH], 0);
	assert_int_equal(fake_disk.data[511], 0x11);
	assert_int_equal(fake_disk.data[512], 0);
	assert_int_equal(fake_disk.data[1024], 0x11);
	assert_int_equal(fake_disk.data[24 * 512 - 1], 0);
	assert_int_equal(fake_disk.data[24 * 512], 0x11);
}

/* Nothing has been done when one of them is wrong, wherever it stands. */
static void wrong_segments(void **state)
{
	static const struct {
		struct segment segment;
		unsigned discard, zeroes;
	} cases[] = {
		{ { 0, 8, 1 }, UNSUPP, OK },
		{ { 0, 8, 2 }, UNSUPP, UNSUPP },
		{ { 0, 8, 3 }, UNSUPP, UNSUPP },
		{ { 0, 8, 0x80000000 }, UNSUPP, UNSUPP },
		{ { 2048, 1, 0 }, IOERR, IOERR },
		{ { 2047, 2, 0 }, IOERR, IOERR },
		{ { UINT64_MAX, 1, 0 }, IOERR, IOERR },
		{ { UINT64_MAX / 512 + 1, 8, 0 }, IOERR, IOERR },
		{ { 0, UINT32_MAX, 0 }, IOERR, IOERR },
		{ { 2048, 0, 0 }, OK, OK },
	};
	struct bed *bed = *state;
	unsigned ops = 0;

	opens(bed, NULL, NULL);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct segment good = { 0, 8, 0 };
		const struct segment three[] = { good, cases[i].segment, good };
		ops = seen(bed)->ops[DISK_DISCARD];
		assert_int_equal(segments(bed, T_DISCARD, three, 3), cases[i].discard);
		assert_int_equal(seen(bed)->ops[DISK_DISCARD] > ops, cases[i].discard == OK);
		ops = seen(bed)->ops[DISK_ZEROES];
		assert_int_equal(segments(bed, T_ZEROES, three, 3), cases[i].zeroes);
		assert_int_equal(seen(bed)->ops[DISK_ZEROES] > ops, cases[i].zeroes == OK);
	}
}

static void numbers_of_segments(void **state)
{
	struct segment many[300] = { 0 };
	struct bed *bed = *state;

	for (unsigned i = 0; i < 300; i++)
		many[i] = (struct segment){ i, 1, 0 };
	opens(bed, NULL, NULL);
	unsigned discards = (unsigned)config(bed, DISCARD_SEG, 4);
	unsigned zeroes = (unsigned)config(bed, ZEROES_SEG, 4);
	assert_true(discards < 300 && zeroes < 300);
	assert_int_equal(segments(bed, T_DISCARD, many, discards), OK);
	assert_int_equal(seen(bed)->ops[DISK_DISCARD], discards);
	assert_int_equal(segments(bed, T_ZEROES, many, zeroes), OK);
	assert_int_equal(seen(bed)->ops[DISK_ZEROES], zeroes);
	assert_int_equal(segments(bed, T_DISCARD, many, discards + 1), IOERR);
	assert_int_equal(segments(bed, T_ZEROES, many, zeroes + 1), IOERR);
	assert_int_equal(segments(bed, T_DISCARD, many, 0), IOERR);
	assert_int_equal(segments(bed, T_ZEROES, many, 0), IOERR);
	/* Not whole ones. */
	assert_int_equal(asks(bed, T_DISCARD, 0, 15, 0), IOERR);
	assert_int_equal(asks(bed, T_ZEROES, 0, 17, 0), IOERR);
	assert_int_equal(seen(bed)->ops[DISK_DISCARD], discards);
	assert_int_equal(seen(bed)->ops[DISK_ZEROES], zeroes);
}

static void not_without_the_feature(void **state)
{
	const struct segment one = { 0, 8, 0 };
	struct bed *bed = *state;

	plugs(bed, NULL, NULL);
	brings_up(bed, F_ALL & ~(F(F_DISCARD) | F(F_ZEROES)), 1);
	assert_int_equal(segments(bed, T_DISCARD, &one, 1), UNSUPP);
	assert_int_equal(segments(bed, T_ZEROES, &one, 1), UNSUPP);
	assert_int_equal(seen(bed)->ops[DISK_DISCARD] + seen(bed)->ops[DISK_ZEROES], 0);
}

/* ---- The cache (5.2.5.2, 5.2.6.2) --------------------------------------------------------------------- */

static void written_back(void **state)
{
	const struct segment one = { 0, 8, 0 };
	struct bed *bed = *state;

	plugs(bed, NULL, NULL);
	brings_up(bed, F(F_FLUSH) | F(F_ZEROES), 1);
	assert_int_equal(writes(bed, 0, 512), OK);
	assert_int_equal(segments(bed, T_ZEROES, &one, 1), OK);
	assert_int_equal(seen(bed)->durable, 0);
	assert_int_equal(seen(bed)->ops[DISK_FLUSH], 0);
	assert_int_equal(flushes(bed), OK);
	assert_int_equal(seen(bed)->ops[DISK_FLUSH], 1);
	shows(bed, "blk/cache", "write back\n");
	/* It did not accept that it can choose. */
	sets_writeback(bed, 0);
	assert_int_equal(writes(bed, 0, 512), OK);
	assert_int_equal(seen(bed)->durable, 0);
}

/* One that cannot flush has no need to. */
static void without_flush_each_write_is_durable(void **state)
{
	const struct segment one = { 0, 8, 0 };
	struct bed *bed = *state;

	plugs(bed, NULL, NULL);
	brings_up(bed, F(F_ZEROES) | F(F_DISCARD), 1);
	shows(bed, "blk/cache", "write through\n");
	assert_int_equal(writes(bed, 0, 512), OK);
	assert_int_equal(seen(bed)->durable, 1);
	assert_int_equal(reads(bed, 0, 512), OK);
	assert_int_equal(segments(bed, T_ZEROES, &one, 1), OK);
	assert_int_equal(seen(bed)->ops[DISK_FLUSH], 1);
	assert_int_equal(segments(bed, T_DISCARD, &one, 1), OK);
	assert_int_equal(seen(bed)->durable, 1);
	assert_int_equal(seen(bed)->ops[DISK_FLUSH], 1);
	/* Bounced too. */
	BOTH_WAYS(bed, 1024, 15);
	assert_int_equal(seen(bed)->durable, 2);
	/* If zeroes were written and are not durable, that is an error. */
	fake_disk.fails[DISK_FLUSH] = -EIO;
	assert_int_equal(segments(bed, T_ZEROES, &one, 1), IOERR);
}

static void the_driver_chooses(void **state)
{
	struct bed *bed = *state;

	opens(bed, NULL, NULL);
	assert_int_equal(config(bed, WRITEBACK, 1), 1);
	assert_int_equal(writes(bed, 0, 512), OK);
	assert_int_equal(seen(bed)->durable, 0);
	sets_writeback(bed, 0);
	assert_int_equal(config(bed, WRITEBACK, 1), 0);
	/* What was written before is flushed: nobody else will. */
	assert_int_equal(seen(bed)->ops[DISK_FLUSH], 1);
	assert_int_equal(writes(bed, 0, 512), OK);
	assert_int_equal(seen(bed)->durable, 1);
	sets_writeback(bed, 1);
	assert_int_equal(writes(bed, 0, 512), OK);
	assert_int_equal(seen(bed)->durable, 1);
	/* Nonsense changes nothing. */
	sets_writeback(bed, 2);
	assert_int_equal(config(bed, WRITEBACK, 1), 1);
	assert_int_equal(
		medio_card_write64(bed->card, MEDIO_VIRTIO_BAR, MEDIO_VIRTIO_CONFIG, 1), 0);
	assert_int_equal(config(bed, CAPACITY, 8), FAKE_DISK_BYTES / 512);
	assert_int_equal(seen(bed)->ops[DISK_FLUSH], 1);
}

/* CONFIG_WCE alone: it begins as one that cannot flush; and each driver begins anew. */
static void begins_anew_with_each_driver(void **state)
{
	struct bed *bed = *state;

	plugs(bed, NULL, NULL);
	brings_up(bed, F(F_WCE), 1);
	assert_int_equal(config(bed, WRITEBACK, 1), 0);
	assert_int_equal(writes(bed, 0, 512), OK);
	assert_int_equal(seen(bed)->durable, 1);
	virtio_close(bed->v);
	bed->v = NULL;
	shows(bed, "blk/cache", "write back\n");
	if (virtio_open(bed->card, 2, NULL, &bed->v, bed->words, sizeof(bed->words)))
		fail_msg("%s", bed->words);
	brings_up(bed, F_ALL, 1);
	assert_int_equal(config(bed, WRITEBACK, 1), 1);
	assert_int_equal(writes(bed, 0, 512), OK);
	assert_int_equal(seen(bed)->durable, 1);
}

/* ---- Its name ------------------------------------------------------------------------------------------ */

static void says_its_name(void **state)
{
	struct bed *bed = *state;

	opens(bed, NULL, PARAMS("serial=0123456789abcdefghij"));
	memset(bed->buf, 'x', 64);
	assert_int_equal(asks(bed, T_GET_ID, 0, 0, 20), OK);
	assert_memory_equal(bed->buf, "0123456789abcdefghijxxx", 23);
	/* A driver with less room, or more. */
	memset(bed->buf, 'x', 64);
	assert_int_equal(asks(bed, T_GET_ID, 0, 0, 5), OK);
	assert_memory_equal(bed->buf, "01234xxx", 8);
	assert_int_equal(asks(bed, T_GET_ID, 0, 0, 0), OK);
	assert_int_equal(asks(bed, T_GET_ID, 0, 0, 40), OK);
	assert_memory_equal(bed->buf, "0123456789abcdefghijxxx", 23);
	closes(bed);
	opens(bed, NULL, PARAMS("serial=S1"));
	memset(bed->buf, 'x', 64);
	assert_int_equal(asks(bed, T_GET_ID, 0, 0, 20), OK);
	assert_memory_equal(bed->buf, "S1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0x", 21);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tells_what_it_is),
		TEST(offers_what_the_disk_can),
		TEST(reads_and_writes),
		TEST(takes_every_layout),
		TEST(bounces_what_is_too_odd),
		TEST(bounces_one_after_another),
		TEST(unknown_types_are_unsupported),
		TEST(ranges_are_looked_at),
		TEST(a_header_cut_short),
		TEST(no_room_for_a_status),
		TEST(read_only),
		TEST(no_error_is_lost),
		TEST(discards),
		TEST(writes_zeroes),
		TEST(wrong_segments),
		TEST(numbers_of_segments),
		TEST(not_without_the_feature),
		TEST(written_back),
		TEST(without_flush_each_write_is_durable),
		TEST(the_driver_chooses),
		TEST(begins_anew_with_each_driver),
		TEST(says_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
