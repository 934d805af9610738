/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtqueue of the device's side on an instance of its own. */
#include "test_virtq_core_bed.h"

#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "device/instance.h"

#define PAGE 4096u

static const struct medio_device_ops ops;
static const struct medio_type type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "queue",
	.ops = &ops,
};

static const struct medio_transport_ops transport;

/* ---- The owner ------------------------------------------------------------------------------------- */

static void on_broken(void *opaque, struct medio_virtq *q, const char *words)
{
	struct bed *bed = opaque;

	assert_ptr_equal(q, bed->q);
	bed->broken++;
	snprintf(bed->words, sizeof(bed->words), "%s", words);
}

static void on_interrupt(void *opaque, struct medio_virtq *q)
{
	struct bed *bed = opaque;

	bed->interrupts++;
}

static void on_idle(void *opaque, struct medio_virtq *q)
{
	struct bed *bed = opaque;

	assert_int_equal(medio_virtq_in_flight(q), 0);
	bed->idles++;
}

static void on_again(void *opaque, struct medio_virtq *q)
{
	struct bed *bed = opaque;

	bed->agains++;
}

static const struct medio_virtq_owner owner = {
	.broken = on_broken,
	.interrupt = on_interrupt,
	.idle = on_idle,
	.again = on_again,
};

/* ---- A filter -------------------------------------------------------------------------------------- */

unsigned bed_filter_gets;

static void *filter_get(struct medio_dev *dev, uint64_t iova, size_t len, unsigned prot, int *err)
{
	bed_filter_gets++;
	return medio_dma_get(dev, iova, len, prot, err);
}

static const struct medio_host_ops filter_up = { .dma_get = filter_get };
static const struct medio_filter filter = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "watch",
	.up = &filter_up,
};

/* ---- Memory ---------------------------------------------------------------------------------------- */

static void nothing(void *opaque, enum medio_log_level level, const char *line)
{
}

static void map(struct bed *bed, uint64_t iova, uint64_t size, unsigned prot, int fd, uint64_t at)
{
	assert_int_equal(medio_instance_dma_map(bed->inst, iova, size, prot, fd, at, NULL), 0);
}

static size_t data_at(const struct bed *bed)
{
	return bed->ring_bytes;
}

static size_t ro_at(const struct bed *bed)
{
	return data_at(bed) + BED_DATA_BYTES;
}

static size_t scatter_at(const struct bed *bed)
{
	return ro_at(bed) + BED_RO_BYTES;
}

static void memory(struct bed *bed, size_t ring_bytes, bool filtered)
{
	const struct medio_filter *const known[] = { &filter, NULL };
	const char *const filters[] = { "watch" };
	struct medio_instance_options opts = {
		.log = nothing,
		.known_filters = known,
		.filters = filters,
		.nfilters = filtered,
	};
	const unsigned both = MEDIO_PROT_READ | MEDIO_PROT_WRITE;

	bed->ring_bytes = (ring_bytes + PAGE - 1) / PAGE * PAGE;
	bed->mem_bytes = scatter_at(bed) + BED_SCATTER_BYTES;
	assert_int_equal(medio_loop_new(&bed->loop), 0);
	assert_int_equal(medio_instance_new(bed->loop, &type, &opts, &bed->inst, NULL), 0);
	bed->dev = medio_instance_device(bed->inst);
	assert_int_equal(medio_instance_attach(bed->inst, &transport, NULL), 0);
	bed_bus_master(bed, true);

	bed->fd = memfd_create("queue", MFD_CLOEXEC);
	bed->vast_fd = memfd_create("vast", MFD_CLOEXEC);
	assert_true(bed->fd >= 0 && bed->vast_fd >= 0);
	assert_int_equal(ftruncate(bed->fd, (off_t)bed->mem_bytes), 0);
	assert_int_equal(ftruncate(bed->vast_fd, (off_t)BED_VAST_BYTES), 0);
	map(bed, BED_RING, bed->ring_bytes, both, bed->fd, 0);
	map(bed, BED_DATA, BED_DATA_BYTES, both, bed->fd, data_at(bed));
	map(bed, BED_RO, BED_RO_BYTES, MEDIO_PROT_READ, bed->fd, ro_at(bed));
	map(bed, BED_REMOTE, BED_REMOTE_BYTES, both, -1, 0);
	map(bed, BED_VAST, BED_VAST_BYTES, both, bed->vast_fd, 0);
	for (unsigned i = 0; i < BED_SCATTER_BYTES; i += PAGE)
		map(bed, BED_SCATTER + i, PAGE, both, bed->fd,
			scatter_at(bed) + BED_SCATTER_BYTES - PAGE - i);
	/* The driver uses the mapping of the device, so that a sanitizer sees who meets whom. */
	bed->mem = medio_dma_get(bed->dev, BED_RING, bed->ring_bytes, both, NULL);
	assert_non_null(bed->mem);
	assert_ptr_equal(medio_dma_get(bed->dev, BED_SCATTER, PAGE, both, NULL),
		bed->mem + bed->mem_bytes - PAGE);
}

void *bed_at(const struct bed *bed, uint64_t iova)
{
	if (iova >= BED_RING && iova - BED_RING < bed->ring_bytes)
		return bed->mem + (iova - BED_RING);
	if (iova >= BED_DATA && iova - BED_DATA < BED_DATA_BYTES)
		return bed->mem + data_at(bed) + (iova - BED_DATA);
	if (iova >= BED_RO && iova - BED_RO < BED_RO_BYTES)
		return bed->mem + ro_at(bed) + (iova - BED_RO);
	assert_true(iova >= BED_SCATTER && iova - BED_SCATTER < BED_SCATTER_BYTES);
	const size_t page = (iova - BED_SCATTER) / PAGE * PAGE;
	return bed->mem + scatter_at(bed) + BED_SCATTER_BYTES - PAGE - page +
	       (iova - BED_SCATTER - page);
}

void bed_bus_master(struct bed *bed, bool on)
{
	const uint16_t command = on ? 6 : 2;

	assert_int_equal(medio_instance_write(bed->inst, MEDIO_REGION_CONFIG, 4, &command, 2), 0);
}

/* ---- Life ------------------------------------------------------------------------------------------ */

static void live(struct bed *bed, unsigned kind, unsigned size)
{
	char words[MEDIO_VIRTQ_WORDS];

	bed->setup.size = size;
	bed->setup.packed = kind & PACKED;
	bed->setup.event_idx = kind & EVENT_IDX;
	bed->setup.indirect = kind & INDIRECT;
	bed->setup.in_order = kind & IN_ORDER;
	bed->setup.request_size = BED_REQUEST;
	assert_int_equal(medio_virtq_new(bed->dev, 0, &owner, bed, &bed->q), 0);
	if (medio_virtq_start(bed->q, &bed->setup, NULL, words))
		fail_msg("%s", words);
}

void bed_new(struct bed *bed, unsigned kind, unsigned size, unsigned tables)
{
	struct virtq_options opts = {
		.size = size,
		.packed = kind & PACKED,
		.event_idx = kind & EVENT_IDX,
		.indirect = kind & INDIRECT ? tables : 0,
	};
	struct virtq_places places;

	memset(bed, 0, sizeof(*bed));
	memory(bed, virtq_bytes(&opts), false);
	assert_int_equal(virtq_new(&opts, bed->mem, BED_RING, &bed->vq), 0);
	virtq_get_places(bed->vq, &places);
	bed->setup.desc = places.desc;
	bed->setup.driver = places.driver;
	bed->setup.device = places.device;
	live(bed, kind, size);
}

static void bare(struct bed *bed, unsigned kind, unsigned size, bool filtered)
{
	memset(bed, 0, sizeof(*bed));
	memory(bed, 16 * 1024 + 6 + 2 * 1024 + 6 + 8 * 1024 + 4, filtered);
	bed->setup.desc = BED_RING;
	bed->setup.driver = BED_AVAIL(size);
	bed->setup.device = BED_USED(size);
	live(bed, kind, size);
}

void bed_bare(struct bed *bed, unsigned kind, unsigned size)
{
	bare(bed, kind, size, false);
}

void bed_bare_filtered(struct bed *bed, unsigned kind, unsigned size)
{
	bare(bed, kind, size, true);
}

void bed_queue_anew(struct bed *bed)
{
	medio_virtq_free(bed->q);
	assert_int_equal(medio_virtq_new(bed->dev, 0, &owner, bed, &bed->q), 0);
}

void bed_free(struct bed *bed)
{
	if (bed->broken && !bed->show)
		fail_msg("the driver: %s", bed->words);
	if (bed->vq && *virtq_words(bed->vq))
		fail_msg("the device: %s", virtq_words(bed->vq));
	medio_virtq_stop(bed->q);
	medio_virtq_free(bed->q);
	virtq_free(bed->vq);
	medio_instance_detach(bed->inst);
	medio_instance_free(bed->inst);
	medio_loop_free(bed->loop);
	close(bed->fd);
	close(bed->vast_fd);
}

/* ---- By hand --------------------------------------------------------------------------------------- */

void bed_entry(struct bed *bed, uint64_t table, unsigned i, uint64_t addr, uint32_t len, uint16_t a,
	uint16_t b)
{
	uint8_t *at = bed_at(bed, table + UINT64_C(16) * i);
	const uint64_t le_addr = htole64(addr);
	const uint32_t le_len = htole32(len);
	const uint16_t le_a = htole16(a), le_b = htole16(b);

	memcpy(at, &le_addr, 8);
	memcpy(at + 8, &le_len, 4);
	memcpy(at + 12, &le_a, 2);
	memcpy(at + 14, &le_b, 2);
}

void bed_desc(struct bed *bed, unsigned i, uint64_t addr, uint32_t len, uint16_t a, uint16_t b)
{
	bed_entry(bed, bed->setup.desc, i, addr, len, a, b);
}

uint16_t bed_get16(const struct bed *bed, uint64_t iova)
{
	uint16_t value;

	memcpy(&value, bed_at(bed, iova), sizeof(value));
	return le16toh(value);
}

uint32_t bed_get32(const struct bed *bed, uint64_t iova)
{
	uint32_t value;

	memcpy(&value, bed_at(bed, iova), sizeof(value));
	return le32toh(value);
}

void bed_put16(struct bed *bed, uint64_t iova, uint16_t value)
{
	value = htole16(value);
	memcpy(bed_at(bed, iova), &value, sizeof(value));
}

void bed_avail(struct bed *bed, unsigned head)
{
	const uint16_t idx = bed_get16(bed, bed->setup.driver + 2);

	bed_put16(bed, bed->setup.driver + 4 + UINT64_C(2) * (idx % bed->setup.size), head);
	bed_put16(bed, bed->setup.driver + 2, (uint16_t)(idx + 1));
}

/* ---- Both sides ------------------------------------------------------------------------------------ */

void bed_add(struct bed *bed, unsigned out, unsigned in, uintptr_t tag)
{
	struct virtq_seg segs[64];

	assert_true(out + in <= 64);
	for (unsigned i = 0; i < out + in; i++)
		segs[i] = (struct virtq_seg){ BED_DATA + UINT64_C(16) * i, 16 };
	assert_int_equal(virtq_add(bed->vq, segs, out, in, BED_TAG(tag)), 0);
}

void bed_take(struct bed *bed, uintptr_t tag, uint32_t len)
{
	struct virtq_done done = { 0 };
	int ret = virtq_take(bed->vq, &done);

	if (ret < 0)
		fail_msg("the device: %s", virtq_words(bed->vq));
	assert_int_equal(ret, 1);
	assert_ptr_equal(done.tag, BED_TAG(tag));
	assert_int_equal(done.len, len);
}

struct medio_virtq_chain *bed_pop(struct bed *bed)
{
	struct medio_virtq_chain *chain = medio_virtq_pop(bed->q);

	if (bed->broken)
		fail_msg("the driver: %s", bed->words);
	assert_non_null(chain);
	return chain;
}

void bed_breaks(struct bed *bed, const char *words)
{
	bed->show = true;
	assert_null(medio_virtq_pop(bed->q));
	assert_int_equal(bed->broken, 1);
	if (!strstr(bed->words, words))
		fail_msg("'%s' does not say '%s'", bed->words, words);
	/* It stays so, and is told once. */
	assert_null(medio_virtq_pop(bed->q));
	assert_true(medio_virtq_is_empty(bed->q));
	assert_int_equal(bed->broken, 1);
}
