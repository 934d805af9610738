/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests of each kind that are wrong. */
#include "virtio_malice.h"

#include <endian.h>
#include <string.h>

#define OUT(n_, len_) \
	{ \
		buf_iova(n_), len_, false \
	}
#define IN(n_, len_) \
	{ \
		buf_iova(n_), len_, true \
	}
#define PIECES(...) \
	(const struct piece[]) \
	{ \
		__VA_ARGS__ \
	}
#define NUM(...)       (sizeof((const struct piece[]){ __VA_ARGS__ }) / sizeof(struct piece))
#define ASK(bed_, ...) asked(bed_, (bed_)->good, PIECES(__VA_ARGS__), NUM(__VA_ARGS__))

/* Answered somehow, or broken: not left alone. */
static const char *asked(struct bed *bed, unsigned queue, const struct piece *pieces, unsigned n)
{
	return request(bed, queue, pieces, n, NULL) == NOTHING
		       ? fail("a request is neither answered nor refused, the status is 0x%02x",
				 status(bed))
		       : NULL;
}

static void put_le(uint8_t *at, unsigned count, uint64_t value)
{
	for (unsigned i = 0; i < count; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

/* ---- 5.2: disks ------------------------------------------------------------------------------------ */

enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_ZEROES = 13 };
enum { OK = 0, IOERR = 1, UNSUPP = 2 };

/* A request of a header, `out` bytes of data, room for `in` bytes and a status that must be `wanted`. */
static const char *blk(
	struct bed *bed, uint32_t type, uint64_t sector, unsigned out, unsigned in, int wanted)
{
	struct piece pieces[4] = { OUT(0, 16) };
	unsigned n = 1;
	uint8_t *head = buf_at(bed, 0);

	put_le(head, 4, type);
	put_le(head + 4, 4, 0xffffffff);
	put_le(head + 8, 8, sector);
	*buf_at(bed, 3) = 0xee;
	if (out)
		pieces[n++] = (struct piece)OUT(1, out);
	if (in)
		pieces[n++] = (struct piece)IN(2, in);
	pieces[n++] = (struct piece)IN(3, 1);
	if (request(bed, 0, pieces, n, NULL) != USED_IT)
		return fail("type %u, %u out, %u in: no answer", type, out, in);
	return *buf_at(bed, 3) == wanted
		       ? NULL
		       : fail("type %u, sector 0x%llx, %u out, %u in: status %u, not %u", type,
				 (unsigned long long)sector, out, in, *buf_at(bed, 3), wanted);
}

static const char *blk_beyond(struct bed *bed)
{
	static const uint64_t sectors[] = { UINT64_C(1) << 23, UINT64_MAX, UINT64_MAX / 512 + 1,
		UINT64_MAX / 512, UINT64_C(1) << 55 };
	const char *words = NULL;

	for (unsigned i = 0; i < sizeof(sectors) / sizeof(*sectors) && !words; i++) {
		words = blk(bed, T_IN, sectors[i], 0, 512, IOERR);
		if (!words)
			words = blk(bed, T_OUT, sectors[i], 512, 0, IOERR);
	}
	return words;
}

static const char *blk_lengths(struct bed *bed)
{
	static const unsigned lengths[] = { 1, 511, 513, 4095 };
	const char *words = NULL;

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(*lengths) && !words; i++) {
		words = blk(bed, T_IN, 0, 0, lengths[i], IOERR);
		if (!words)
			words = blk(bed, T_OUT, 0, lengths[i], 0, IOERR);
	}
	return words;
}

static const char *blk_types(struct bed *bed)
{
	static const uint32_t types[] = { 2, 3, 5, 9, 10, 12, 14, 15, 16, 17, 18, 19, 20, 24, 26,
		0x80000000, UINT32_MAX };
	const char *words = NULL;

	for (unsigned i = 0; i < sizeof(types) / sizeof(*types) && !words; i++)
		words = blk(bed, types[i], 0, 512, 512, UNSUPP);
	return words;
}

static const char *blk_directions(struct bed *bed)
{
	const char *words = blk(bed, T_IN, 0, 512, 0, OK); /* nothing to be read into */

	if (!words)
		words = blk(bed, T_OUT, 0, 0, 512, OK);
	if (!words)
		words = blk(bed, T_FLUSH, UINT64_MAX, 4096, 4096, OK);
	if (!words)
		words = blk(bed, T_GET_ID, UINT64_MAX, 4096, 1, OK);
	return words ? words : blk(bed, T_GET_ID, 0, 0, 4096, OK);
}

static const char *blk_short(struct bed *bed)
{
	memset(buf_at(bed, 0), 0, 16);
	for (unsigned len = 1; len < 16; len += 7) {
		const char *words = ASK(bed, OUT(0, len), IN(3, 1));
		if (words)
			return words;
	}
	return ASK(bed, IN(2, 512), IN(3, 1));
}

static const char *blk_no_status(struct bed *bed)
{
	memset(buf_at(bed, 0), 0, 16);
	return ASK(bed, OUT(0, 16));
}

/* "Assume no framing" (2.7.4.1): as odd as can be, and good. */
static const char *blk_framing(struct bed *bed)
{
	struct piece pieces[SIZE];
	unsigned n = 0;

	put_le(buf_at(bed, 0), 8, T_IN);
	put_le(buf_at(bed, 0) + 8, 8, 0);
	for (unsigned i = 0; i < 16; i++)
		pieces[n++] = (struct piece){ buf_iova(0) + i, 1, false };
	for (unsigned i = 0; i < 27; i++)
		pieces[n++] = (struct piece){ buf_iova(1) + 19 * i, 19, true };
	buf_at(bed, 1)[512] = 0xee;
	if (request(bed, 0, pieces, n, NULL) != USED_IT || buf_at(bed, 1)[512] != OK)
		return fail("status %u", buf_at(bed, 1)[512]);
	return NULL;
}

static const char *blk_segment(
	struct bed *bed, uint32_t type, uint64_t sector, uint32_t num, uint32_t flags, int wanted)
{
	put_le(buf_at(bed, 1), 8, sector);
	put_le(buf_at(bed, 1) + 8, 4, num);
	put_le(buf_at(bed, 1) + 12, 4, flags);
	return blk(bed, type, 0, 16, 0, wanted);
}

static const char *blk_segments(struct bed *bed)
{
	const char *words = blk_segment(bed, T_ZEROES, 0, 8, 0xfffffffe, UNSUPP);

	up_with(bed, bed->wanted | (bed->offered & (F(13) | F(14) | F(9))));
	for (uint32_t type = T_DISCARD; type <= T_ZEROES && !words; type += 2) {
		if (!(bed->offered & F(type == T_DISCARD ? 13 : 14)))
			continue;
		words = blk_segment(bed, type, 0, 8, 0xfffffffe, UNSUPP);
		if (!words && type == T_DISCARD)
			words = blk_segment(bed, type, 0, 8, 1, UNSUPP);
		if (!words)
			words = blk_segment(bed, type, UINT64_MAX, 8, 0, IOERR);
		if (!words)
			words = blk_segment(bed, type, 0, UINT32_MAX, 0, IOERR);
		if (!words)
			words = blk_segment(bed, type, UINT64_MAX - 7, 8, 0, IOERR);
		if (!words)
			words = blk(bed, type, 0, 15, 0, IOERR);
		if (!words)
			words = blk(bed, type, 0, 17, 0, IOERR);
		if (!words)
			words = blk(bed, type, 0, 0, 0, IOERR);
		memset(buf_at(bed, 1), 0, 4096);
		if (!words)
			words = blk_segment(bed, type, 0, 0, 0, OK);
	}
	return words;
}

static const char *blk_cache(struct bed *bed)
{
	uint8_t value;

	up_with(bed, bed->wanted | (bed->offered & (F(9) | F(11))));
	for (unsigned i = 0; i < 4 * bed->rounds; i++) {
		value = (uint8_t)(i % 7 ? i & 1 : i);
		put(bed, MEDIO_VIRTIO_CONFIG + 0x20, &value, 1);
		if (i % 3 == 0) {
			good_offer(bed);
			kick(bed, 0);
		}
		if (i % 50 == 49)
			up_with(bed, bed->wanted | (bed->offered & (F(9) | F(11))));
	}
	return NULL;
}

/* ---- 5.1: network cards --------------------------------------------------------------------------------- */

static const char *net_frame(struct bed *bed, uint8_t flags, uint8_t gso, unsigned header,
	unsigned size, unsigned start, unsigned offset, unsigned len)
{
	uint8_t *head = buf_at(bed, 0);

	memset(head, 0, 12);
	head[0] = flags;
	head[1] = gso;
	put_le(head + 2, 2, header);
	put_le(head + 4, 2, size);
	put_le(head + 6, 2, start);
	put_le(head + 8, 2, offset);
	return ASK(bed, OUT(0, 12), OUT(1, len));
}

static const char *net_headers(struct bed *bed)
{
	static const unsigned numbers[] = { 0, 1, 13, 14, 34, 53, 59, 60, 61, 1514, 0x7fff, 0x8000,
		65535 };
	const unsigned n = sizeof(numbers) / sizeof(*numbers);
	const char *words = NULL;

	/* Without, and with all that can be left to the device. */
	for (unsigned all = 0; all < 2 && !words; all++) {
		for (unsigned i = 0; i < 8 * bed->rounds && !words; i++) {
			uint64_t all_of_it = bed->offered & ~F_PACKED & ~F_NOTIFY & ~F_EVENT_IDX;
			if (i % 16 == 0)
				up_with(bed,
					all ? all_of_it | (bed->wanted & F_PACKED) : bed->wanted);
			memset(buf_at(bed, 1), 0, 64);
			memset(buf_at(bed, 1), 0xff, 6);
			buf_at(bed, 1)[12] = i & 1 ? 0x08 : 0x86;
			buf_at(bed, 1)[13] = i & 1 ? 0x00 : 0xdd;
			buf_at(bed, 1)[14] = (uint8_t)(i & 1 ? 0x40 + i / 2 % 16 : 0x60);
			buf_at(bed, 1)[23] = i & 2 ? 6 : 17;
			buf_at(bed, 1)[20] = i & 2 ? 6 : 17;
			buf_at(bed, 1)[46] = (uint8_t)roll(bed);
			words = net_frame(bed, (uint8_t)(i % 11 ? 1 : roll(bed)),
				(uint8_t)(i % 13 ? roll(bed) % 6 : roll(bed)),
				numbers[roll(bed) % n], numbers[roll(bed) % n],
				numbers[roll(bed) % n], numbers[roll(bed) % n],
				i % 5 ? 60 + roll(bed) % 1500 : 1 + roll(bed) % 4096);
		}
	}
	return words;
}

static const char *net_long(struct bed *bed)
{
	struct piece pieces[SIZE];
	const char *words;

	memset(buf_at(bed, 0), 0, 12);
	for (unsigned i = 0; i < 60; i++)
		pieces[i] = (struct piece){ buf_iova(i), 4096, false };
	words = asked(bed, 1, pieces, 60);
	if (words)
		return words;
	for (unsigned i = 0; i < 60; i++)
		pieces[i] = (struct piece){ buf_iova(1) + i, 1, false };
	return asked(bed, 1, pieces, 60);
}

static const char *net_short(struct bed *bed)
{
	const char *words = NULL;

	memset(buf_at(bed, 0), 0, 64);
	for (unsigned len = 1; len < 30 && !words; len++)
		words = ASK(bed, OUT(0, len));
	return words;
}

static const char *net_writable(struct bed *bed)
{
	return ASK(bed, OUT(0, 12), OUT(1, 60), IN(2, 64));
}

static const char *net_receive(struct bed *bed)
{
	static const unsigned lengths[] = { 1, 11, 12, 13, 60, 4096 };
	const char *words;

	bed->hungry = true;
	up(bed);
	/* Readable buffers for what comes; a frame then comes back where the network is a loop. */
	for (unsigned i = 0; i < 4; i++) {
		offer(bed, &bed->ring[0], PIECES(OUT(8, 64)), 1);
		kick(bed, 0);
	}
	good_offer(bed);
	kick(bed, 1);
	status(bed);
	words = NULL;
	up(bed);
	for (unsigned i = 0; i < 6 && !words; i++) {
		offer(bed, &bed->ring[0], PIECES(IN(8, lengths[i])), 1);
		kick(bed, 0);
		good_offer(bed);
		kick(bed, 1);
	}
	status(bed);
	bed->hungry = false;
	return words;
}

/* Where the network is a loop it is copied onto itself. */
static const char *net_overlap(struct bed *bed)
{
	bed->hungry = true;
	up(bed);
	bed->hungry = false;
	memset(buf_at(bed, 0), 0, 12);
	memset(buf_at(bed, 1), 0xff, 600);
	for (unsigned i = 0; i < 8; i++)
		offer(bed, &bed->ring[0], PIECES({ buf_iova(1) + 4 * i, 2048, true }), 1);
	for (unsigned i = 0; i < 4; i++) {
		const char *words = ASK(bed, OUT(0, 12), OUT(1, 600));
		if (!words)
			words = ASK(bed, OUT(0, 12), OUT(1, 100), OUT(1, 500));
		if (words)
			return words;
	}
	return NULL;
}

static const char *net_command(struct bed *bed, unsigned class, unsigned cmd, unsigned len)
{
	buf_at(bed, 0)[0] = (uint8_t) class;
	buf_at(bed, 0)[1] = (uint8_t)cmd;
	if (len)
		return asked(bed, bed->queues - 1, PIECES(OUT(0, 2), OUT(1, len), IN(2, 1)), 3);
	return asked(bed, bed->queues - 1, PIECES(OUT(0, 2), IN(2, 1)), 2);
}

static const char *net_commands(struct bed *bed)
{
	uint64_t control = bed->offered & (F(17) | F(18) | F(19) | F(20) | F(21) | F(23) | F(2));
	const char *words = NULL;

	/* The last queue is the one of commands with MQ, or if there is one pair. */
	up_with(bed, bed->wanted | control | (bed->offered & F(22)));
	for (unsigned class = 0; class < 9 && !words; class ++)
		for (unsigned cmd = 0; cmd < 8 && !words; cmd++)
			for (unsigned i = 0; i < 6 && !words; i++) {
				memset(buf_at(bed, 1), i % 2 ? 0xff : i, 4096);
				if (i == 2)
					put_le(buf_at(bed, 1), 4, 0x2aaaaaab); /* times 6 wraps */
				words = net_command(
					bed, class, cmd, (unsigned[]){ 0, 1, 4, 8, 4096, 7 }[i]);
				if (!words && class < 7 && i == 1 && buf_at(bed, 2)[0] > 1)
					words = fail("an answer of %u", buf_at(bed, 2)[0]);
			}
	if (!words)
		words = asked(bed, bed->queues - 1, PIECES(OUT(0, 1), IN(2, 1)), 2);
	return words;
}

static const char *net_command_no_answer(struct bed *bed)
{
	up_with(bed, bed->wanted | (bed->offered & (F(17) | F(22))));
	return asked(bed, bed->queues - 1, PIECES(OUT(0, 2)), 1);
}

static const char *net_needs(struct bed *bed)
{
	/* One without what it needs (5.1.3.1). What needs CTRL_VQ may be without: front-ends answer commands. */
	static const uint8_t bits[] = { 7, 8, 9, 11, 12, 13 };

	for (unsigned i = 0; i < sizeof(bits); i++) {
		reset(bed);
		if (bed->offered & F(bits[i]) &&
			negotiate(bed, (bed->wanted & ~UINT64_C(0xffffff)) | F(bits[i])))
			return fail("feature %u is taken without what it needs", bits[i]);
	}
	return NULL;
}

/* ---- 5.3: consoles ------------------------------------------------------------------------------------------ */

static const char *console_writable(struct bed *bed)
{
	return ASK(bed, IN(0, 64));
}

static const char *console_receive(struct bed *bed)
{
	for (unsigned i = 0; i < 4; i++) {
		offer(bed, &bed->ring[0], PIECES(OUT(8, 64)), 1);
		kick(bed, 0);
	}
	status(bed);
	/* Where it is an echo these come back. */
	memset(buf_at(bed, 0), 'x', 100);
	return ASK(bed, OUT(0, 100));
}

static const char *console_control(struct bed *bed)
{
	uint8_t *message = buf_at(bed, 0);
	const char *words = NULL;

	if (bed->queues < 4)
		return NULL;
	up_with(bed, bed->wanted | (bed->offered & F(1)));
	for (unsigned i = 0; i < 8; i++)
		offer(bed, &bed->ring[2], PIECES(IN(8 + i, i * 3 + 1)), 1);
	kick(bed, 2);
	for (unsigned i = 0; i < 4 * bed->rounds && !words; i++) {
		static const uint32_t ids[] = { 0, 1, 2, 34, 255, 0x7fffffff, UINT32_MAX };
		put_le(message, 4, ids[i % 7]);
		put_le(message + 4, 2, i % 50 ? roll(bed) % 10 : roll(bed));
		put_le(message + 6, 2, roll(bed) % 3);
		words = asked(bed, 3, PIECES(OUT(0, i % 9 ? 8 : 1 + roll(bed) % 60)), 1);
		if (status(bed) != LIVE)
			up_with(bed, bed->wanted | (bed->offered & F(1)));
	}
	return words;
}

static const char *console_control_readable(struct bed *bed)
{
	if (bed->queues < 4)
		return NULL;
	up_with(bed, bed->wanted | (bed->offered & F(1)));
	offer(bed, &bed->ring[2], PIECES(OUT(8, 64)), 1);
	kick(bed, 2);
	put_le(buf_at(bed, 0), 8, (uint64_t)1 << 48); /* DEVICE_READY, 1 */
	return asked(bed, 3, PIECES(OUT(0, 8)), 1);
}

static const char *console_long(struct bed *bed)
{
	struct piece pieces[60];

	for (unsigned i = 0; i < 60; i++)
		pieces[i] = (struct piece){ buf_iova(i), 4096, false };
	return asked(bed, 1, pieces, 60);
}

/* ---- 5.4: entropy --------------------------------------------------------------------------------------------- */

static const char *rng_readable(struct bed *bed)
{
	return ASK(bed, OUT(0, 64));
}

static const char *rng_both(struct bed *bed)
{
	return ASK(bed, OUT(0, 64), IN(1, 64));
}

static const char *rng_nothing(struct bed *bed)
{
	return ASK(bed, IN(1, 0));
}

static const char *rng_much(struct bed *bed)
{
	struct piece pieces[60];

	for (unsigned i = 0; i < 60; i++)
		pieces[i] = (struct piece){ buf_iova(0), BUFS, true };
	return asked(bed, 0, pieces, 60);
}

/* ---- 5.6: SCSI --------------------------------------------------------------------------------------------------- */

static void scsi_lun(struct bed *bed, unsigned target, unsigned lun)
{
	uint8_t *head = buf_at(bed, 0);

	memset(head, 0, 64);
	head[0] = 1;
	head[1] = (uint8_t)target;
	head[2] = (uint8_t)(0x40 | lun >> 8);
	head[3] = (uint8_t)lun;
}

static const char *scsi_cdbs(struct bed *bed)
{
	const char *words = NULL;

	for (unsigned op = 0; op < 256 && !words; op++)
		for (unsigned how = 0; how < 3 && !words; how++) {
			scsi_lun(bed, 0, op == 0xa0 ? 0 : roll(bed) % 3);
			memset(buf_at(bed, 0) + 19, how ? (int)roll(bed) : 0xff, 32);
			buf_at(bed, 0)[19] = (uint8_t)op;
			if (how == 0)
				words = ASK(
					bed, OUT(0, 51), IN(1, 108), IN(2, 1 + roll(bed) % 4000));
			else if (how == 1)
				words = ASK(
					bed, OUT(0, 51), OUT(2, 1 + roll(bed) % 4000), IN(1, 108));
			else
				words = ASK(bed, OUT(0, 51), IN(1, 108));
		}
	return words;
}

static const char *scsi_transfers(struct bed *bed)
{
	/* Numbers of blocks and places that have nothing to do with the data there is. */
	static const uint8_t ops[] = { 0x08, 0x0a, 0x28, 0x2a, 0x88, 0x8a, 0xa8, 0xaa, 0x35, 0x41,
		0x42, 0x93, 0x91, 0x9e, 0x5a, 0x1a, 0x55, 0x15, 0x12, 0xa0, 0x2f, 0x8f, 0x7f };
	const char *words = NULL;

	for (unsigned i = 0; i < 6 * bed->rounds && !words; i++) {
		uint8_t *cdb = buf_at(bed, 0) + 19;
		scsi_lun(bed, 0, 0);
		for (unsigned n = 1; n < 32; n++)
			cdb[n] = (uint8_t)(roll(bed) % 3 ? 0 : roll(bed) % 2 ? 0xff : roll(bed));
		cdb[0] = ops[roll(bed) % sizeof(ops)];
		for (unsigned n = 0; n < 64; n++)
			buf_at(bed, 2)[n] = (uint8_t)(roll(bed) % 2 ? 0xff : n);
		if (i & 1)
			words = ASK(bed, OUT(0, 51), IN(1, 108), IN(2, 1 + roll(bed) % 4096));
		else
			words = ASK(bed, OUT(0, 51), OUT(2, 1 + roll(bed) % 4096), IN(1, 108));
	}
	return words;
}

static const char *scsi_luns(struct bed *bed)
{
	static const uint8_t luns[][8] = { { 0 }, { 1, 1, 0x40, 0 }, { 1, 255, 0x40, 0 },
		{ 1, 0, 0x7f, 0xff }, { 1, 0, 0xff, 0xff },
		{ 255, 255, 255, 255, 255, 255, 255, 255 }, { 0xc1, 1, 0, 0 }, { 1, 0, 0, 0 },
		{ 1, 0, 0x40, 0, 1 } };
	const char *words = NULL;

	for (unsigned i = 0; i < sizeof(luns) / sizeof(*luns) && !words; i++) {
		scsi_lun(bed, 0, 0);
		memcpy(buf_at(bed, 0), luns[i], 8);
		buf_at(bed, 0)[19] = i & 1 ? 0x12 : 0xa0;
		words = ASK(bed, OUT(0, 51), IN(1, 108), IN(2, 64));
	}
	return words;
}

static const char *scsi_short(struct bed *bed)
{
	scsi_lun(bed, 0, 0);
	return ASK(bed, OUT(0, 50), IN(1, 108));
}

static const char *scsi_short_response(struct bed *bed)
{
	scsi_lun(bed, 0, 0);
	return ASK(bed, OUT(0, 51), IN(1, 107));
}

static const char *scsi_both(struct bed *bed)
{
	scsi_lun(bed, 0, 0);
	return ASK(bed, OUT(0, 51), OUT(2, 512), IN(1, 108), IN(3, 512));
}

static const char *scsi_sizes(struct bed *bed)
{
	static const uint32_t sizes[] = { 0, 1, 18, 95, 252, 253, 4096, 65536, 0x7fffffff,
		UINT32_MAX };
	const char *words = NULL;

	for (unsigned i = 0; i < 100 && !words; i++) {
		uint32_t sense = htole32(sizes[i / 10]), cdb = htole32(sizes[i % 10]);
		put(bed, MEDIO_VIRTIO_CONFIG + 20, &sense, 4);
		put(bed, MEDIO_VIRTIO_CONFIG + 24, &cdb, 4);
		scsi_lun(bed, 0, 0);
		buf_at(bed, 0)[19] = 0xff; /* a sense follows */
		words = ASK(bed, OUT(0, 4096), IN(1, 4096));
		if (!words && status(bed) == LIVE)
			words = ASK(bed, OUT(0, 51), IN(1, 108));
		up(bed);
	}
	return words;
}

static const char *scsi_tasks(struct bed *bed)
{
	const char *words = NULL;

	for (unsigned i = 0; i < 3 * bed->rounds && !words; i++) {
		uint8_t *head = buf_at(bed, 8);
		if (i % 4 == 0) {
			good_offer(bed);
			kick(bed, bed->good);
		}
		put_le(head, 4, i % 7 ? roll(bed) % 4 : roll(bed));
		put_le(head + 4, 4, i % 5 ? roll(bed) % 9 : roll(bed));
		memcpy(head + 8,
			(const uint8_t[]){ 1, (uint8_t)(i % 3 == 2), 0x40, (uint8_t)(i % 4) }, 4);
		put_le(head + 16, 8, roll(bed) % 2);
		words = asked(bed, 0,
			PIECES(OUT(8, i % 6 ? 24 : 1 + roll(bed) % 30), IN(9, 1 + roll(bed) % 16)),
			2);
		if (status(bed) != LIVE)
			up(bed);
		if (i % 4 == 3)
			up(bed);
	}
	return words;
}

static const char *scsi_events(struct bed *bed)
{
	up_with(bed, bed->wanted | (bed->offered & (F(1) | F(2))));
	for (unsigned i = 0; i < 8; i++)
		offer(bed, &bed->ring[1], i & 1 ? PIECES(OUT(8, 16)) : PIECES(IN(8, i)), 1);
	kick(bed, 1);
	return good(bed);
}

/* ---- Every kind ------------------------------------------------------------------------------------------------------ */

static const char *fuzz(struct bed *bed)
{
	for (unsigned i = 0; i < 4 * bed->rounds; i++) {
		struct piece pieces[6];
		unsigned n = 1 + roll(bed) % 6, out = roll(bed) % (n + 1);
		unsigned queue = roll(bed) % (bed->queues < RINGS ? bed->queues : RINGS);
		for (unsigned k = 0; k < n; k++)
			pieces[k] = (struct piece){ buf_iova(k),
				1 + roll(bed) % (roll(bed) % 3 ? 64 : 4096), k >= out };
		for (unsigned k = 0; k < 64; k++)
			buf_at(bed, 0)[k] = (uint8_t)(roll(bed) % 4 ? 0 : roll(bed));
		offer(bed, &bed->ring[queue], pieces, n);
		kick(bed, queue);
		if (i % 8 == 0 && (status(bed) != LIVE || i % 32 == 0))
			up(bed);
	}
	return NULL;
}

const struct malice_case device_cases[] = {
	{ "5.2.6", "sectors beyond the disk", blk_beyond, FINE, BLK },
	{ "5.2.6", "data that is not whole sectors", blk_lengths, FINE, BLK },
	{ "5.2.6", "types that there are not", blk_types, FINE, BLK },
	{ "5.2.6", "data in the wrong direction", blk_directions, FINE, BLK },
	{ "5.2.6", "requests shorter than a header", blk_short, FINE, BLK },
	{ "5.2.6", "no place for the status", blk_no_status, BROKEN, BLK },
	{ "2.7.4.1", "odd framing, which is allowed", blk_framing, FINE, BLK },
	{ "5.2.6.1", "segments that cannot be", blk_segments, FINE | RAW, BLK },
	{ "5.2.5.2", "the cache mode is switched about", blk_cache, STUCK | RAW, BLK },
	{ "5.1.6.2", "headers that cannot be", net_headers, FINE, NET },
	{ "5.1.6.2", "frames that are too long", net_long, FINE, NET },
	{ "5.1.6.2", "frames that are too short", net_short, ANY, NET },
	{ "5.1.6.2", "a buffer to write in a transmitq", net_writable, ANY, NET },
	{ "5.1.6.3", "buffers that nothing can be received in", net_receive, ANY, NET },
	{ "5.1.6.3", "a frame that comes where it was sent from", net_overlap, STUCK, NET },
	{ "5.1.6.5", "commands that cannot be", net_commands, FINE | RAW, NET },
	{ "5.1.6.5", "a command without place for the answer", net_command_no_answer, BROKEN | RAW,
		NET },
	{ "5.1.3.1", "features without what they need", net_needs, STUCK, NET },
	{ "5.3.6.1", "a buffer to write in a transmitq", console_writable, BROKEN, CONSOLE },
	{ "5.3.6.1", "a buffer to read in a receiveq", console_receive, ANY, CONSOLE },
	{ "5.3.6.2", "control messages that cannot be", console_control, ANY | RAW, CONSOLE },
	{ "5.3.6.2", "a buffer to read for control messages", console_control_readable, ANY | RAW,
		CONSOLE },
	{ "5.3.6.1", "much to send", console_long, FINE, CONSOLE },
	{ "5.4.6.1", "a buffer to read", rng_readable, BROKEN, RNG },
	{ "5.4.6.1", "a buffer to read before one to write", rng_both, BROKEN, RNG },
	{ "5.4.6", "a request for nothing", rng_nothing, BROKEN, RNG },
	{ "5.4.6", "a request for very much", rng_much, FINE, RNG },
	{ "5.6.6.1", "every operation code", scsi_cdbs, FINE, SCSI },
	{ "5.6.6.1", "lengths that have nothing to do with the data", scsi_transfers, FINE, SCSI },
	{ "5.6.6.1", "units that there are not", scsi_luns, FINE, SCSI },
	{ "5.6.6.1", "a request shorter than its header", scsi_short, BROKEN, SCSI },
	{ "5.6.6.1", "no place for the response", scsi_short_response, BROKEN, SCSI },
	{ "5.6.6.1", "data both ways", scsi_both, FINE, SCSI },
	{ "5.6.4", "sizes of CDB and sense that cannot be", scsi_sizes, ANY, SCSI },
	{ "5.6.6.2", "task management that cannot be", scsi_tasks, ANY, SCSI },
	{ "5.6.6.3", "buffers that no event fits in", scsi_events, ANY | RAW, SCSI },
	{ "5", "noise in requests", fuzz, ANY, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
