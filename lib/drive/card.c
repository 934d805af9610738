/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening a card, what it has, and access to its regions. */
#include <medio/driver.h>

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "drive/backend.h"
#include "drive/uri.h"
#include "drive/calls.h"
#include "util/cleanup.h"
#include "util/error.h"

static void set_words(struct medio_card *card, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

static void set_words(struct medio_card *card, const char *fmt, va_list ap)
{
	vsnprintf(card->words, sizeof(card->words), fmt, ap);
	card->failed = true;
}

int medio_card_fail(struct medio_card *card, int errnum, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_words(card, fmt, ap);
	va_end(ap);
	card->said = false;
	return -errnum;
}

int medio_card_say(struct medio_card *card, int errnum, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_words(card, fmt, ap);
	va_end(ap);
	card->said = true;
	return -errnum;
}

int medio_card_result(struct medio_card *card, int ret)
{
	if (ret < 0) {
		if (!card->said)
			card->words[0] = 0;
		card->failed = true;
	}
	card->said = false;
	return ret;
}

const char *medio_card_last_error(const struct medio_card *card)
{
	if (!card->failed)
		return "";
	return card->words[0] || !card->backend->words ? card->words : card->backend->words(card);
}

const char *medio_card_uri(const struct medio_card *card)
{
	return card->uri;
}

/* ---- Open -------------------------------------------------------------------------------------- */

static int check_options(const struct medio_card_options *opts, struct medio_error **err)
{
	uint32_t max = opts->max_data_xfer;

	if (max && (max < 4096 || max > 64u * 1024 * 1024))
		return medio_error_set(
			err, EINVAL, "max_data_xfer is %u, allowed are 4096 to 67108864", max);
	return 0;
}

void medio_card_region_fini(struct medio_card_region_state *region)
{
	for (unsigned i = 0; i < region->num_doorbells; i++)
		if (region->doorbells[i].fd >= 0)
			close(region->doorbells[i].fd);
	free(region->doorbells);
	free((void *)region->view.areas);
	if (region->fd >= 0)
		close(region->fd);
}

struct medio_card *medio_card_alloc(
	const struct medio_backend *backend, const char *uri, struct medio_container *container)
{
	struct medio_card *card = calloc(1, sizeof(*card));

	if (!card)
		return NULL;
	card->uri = strdup(uri);
	card->container = container ? container : medio_container_alloc();
	if (!card->uri || !card->container) {
		free(card->uri);
		if (!container)
			medio_container_unref(card->container);
		free(card);
		return NULL;
	}
	if (container)
		medio_container_ref(container);
	medio_list_init(&card->member);
	card->kernel = &medio_kernel_real;
	for (unsigned i = 0; i < MEDIO_CARD_MAX_REGIONS; i++)
		card->regions[i].fd = -1;
	card->backend = backend;
	return card;
}

void medio_card_discard(struct medio_card *card)
{
	if (card) {
		medio_container_unref(card->container);
		free(card->uri);
	}
	free(card);
}

/* Let go of an open card. */
static void let_go(struct medio_card *card)
{
	for (unsigned i = 0; i < MEDIO_CARD_MAX_REGIONS; i++)
		medio_card_region_fini(&card->regions[i]);
	medio_dirty_end(card);
	/* The device forgets mappings when the driver goes; they only have to outlive that. */
	card->backend->close(card);
	medio_container_leave(card);
	medio_card_discard(card);
}

int medio_card_join(struct medio_card *card, struct medio_error **err)
{
	int ret = medio_container_join(card);

	if (ret) {
		medio_error_set(err, -ret, "%s", medio_card_last_error(card));
		let_go(card);
	}
	return ret;
}

static int card_new(const struct medio_kernel *kernel, const struct medio_backend *backend,
	const char *uri, const char *address, int fd, const struct medio_card_options *opts,
	struct medio_card **out, struct medio_error **err)
{
	static const struct medio_card_options none;
	_cleanup_close_ int owned = fd;
	int ret = check_options(opts ? opts : &none, err);

	if (ret)
		return ret;
	struct medio_card *card = medio_card_alloc(backend, uri, opts ? opts->container : NULL);
	if (!card)
		return medio_error_set(err, ENOMEM, "out of memory");
	card->kernel = kernel;
	ret = backend->open(card, address, medio_steal_fd(owned), opts ? opts : &none, err);
	if (ret) {
		medio_card_discard(card);
		return ret;
	}
	if (card->returns)
		medio_card_identify(card);
	ret = medio_card_join(card, err);
	if (!ret)
		*out = card;
	return ret;
}

int medio_card_open_kernel(const struct medio_kernel *kernel, const char *uri,
	const struct medio_card_options *opts, struct medio_card **out, struct medio_error **err)
{
	const struct medio_backend *backend = NULL;
	_cleanup_free_ char *address = NULL;
	int ret = medio_uri_parse(uri, &backend, &address, err);

	return ret ? ret : card_new(kernel, backend, uri, address, -1, opts, out, err);
}

int medio_card_open(const char *uri, const struct medio_card_options *opts, struct medio_card **out,
	struct medio_error **err)
{
	return medio_card_open_kernel(&medio_kernel_real, uri, opts, out, err);
}

int medio_card_open_fd(int fd, const struct medio_card_options *opts, struct medio_card **out,
	struct medio_error **err)
{
	return card_new(
		&medio_kernel_real, &medio_backend_vfio_user, "vfio-user", "", fd, opts, out, err);
}

void medio_card_close(struct medio_card *card)
{
	if (!card)
		return;
	medio_card_irqs_fini(card);
	let_go(card);
}

/* ---- What it has ------------------------------------------------------------------------------- */

void medio_card_get_info(const struct medio_card *card, struct medio_card_info *out)
{
	*out = card->info;
}

/* The region's state, asked for at first use; NULL with *ret. */
static struct medio_card_region_state *region_get(struct medio_card *card, unsigned index, int *ret)
{
	if (index >= card->info.num_regions) {
		*ret = medio_card_fail(
			card, EINVAL, "region %u: the card has %u", index, card->info.num_regions);
		return NULL;
	}
	struct medio_card_region_state *region = &card->regions[index];
	*ret = 0;
	if (!region->known) {
		*ret = medio_card_result(card, card->backend->region(card, index, region));
		if (*ret)
			return NULL;
		region->known = true;
	}
	return region;
}

int medio_card_get_region(struct medio_card *card, unsigned index, struct medio_card_region *out)
{
	int ret;
	const struct medio_card_region_state *region = region_get(card, index, &ret);

	if (region)
		*out = region->view;
	return ret;
}

/* ---- Access ------------------------------------------------------------------------------------ */

static int check_access(
	struct medio_card *card, unsigned index, uint64_t offset, size_t count, bool write)
{
	int ret;
	struct medio_card_region_state *region = region_get(card, index, &ret);

	if (!region)
		return ret;
	uint64_t size = region->view.size;
	if (count > size || offset > size - count)
		return medio_card_fail(card, EINVAL,
			"region %u: %zu bytes at 0x%llx are outside its %llu", index, count,
			(unsigned long long)offset, (unsigned long long)size);
	if (write ? !region->view.writable : !region->view.readable)
		return medio_card_fail(
			card, EPERM, "region %u cannot be %s", index, write ? "written" : "read");
	return 0;
}

static size_t piece(const struct medio_card *card, size_t count)
{
	return count < card->info.max_data_xfer ? count : card->info.max_data_xfer;
}

int medio_card_read(
	struct medio_card *card, unsigned region, uint64_t offset, void *buf, size_t count)
{
	int ret = check_access(card, region, offset, count, false);
	uint8_t *p = buf;

	while (!ret && count) {
		size_t n = piece(card, count);
		ret = medio_card_result(card, card->backend->read(card, region, offset, p, n));
		p += n;
		offset += n;
		count -= n;
	}
	return ret;
}

static int write_split(struct medio_card *card, unsigned region, uint64_t offset, const void *buf,
	size_t count, bool posted)
{
	int ret = check_access(card, region, offset, count, true);
	const uint8_t *p = buf;

	posted = posted && card->backend->post;
	while (!ret && count) {
		size_t n = piece(card, count);
		ret = posted ? card->backend->post(card, region, offset, p, n)
			     : card->backend->write(card, region, offset, p, n);
		ret = medio_card_result(card, ret);
		p += n;
		offset += n;
		count -= n;
	}
	return ret;
}

int medio_card_write(
	struct medio_card *card, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	return write_split(card, region, offset, buf, count, false);
}

int medio_card_post(
	struct medio_card *card, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	return write_split(card, region, offset, buf, count, true);
}

int medio_card_flush(struct medio_card *card)
{
	return card->backend->flush ? medio_card_result(card, card->backend->flush(card)) : 0;
}

int medio_card_read8(struct medio_card *card, unsigned region, uint64_t offset, uint8_t *out)
{
	return medio_card_read(card, region, offset, out, 1);
}

int medio_card_read8_rep(
	struct medio_card *card, unsigned region, uint64_t offset, uint8_t *buf, size_t count)
{
	int ret = check_access(card, region, offset, 1, false);

	if (!ret && card->backend->read_rep)
		return medio_card_result(
			card, card->backend->read_rep(card, region, offset, buf, count));
	for (size_t i = 0; !ret && i < count; i++)
		ret = medio_card_result(
			card, card->backend->read(card, region, offset, &buf[i], 1));
	return ret;
}

/* out is written on success only, so a failed read must not leave half a value in it. */
#define DEFINE_READ(bits) \
	int medio_card_read##bits( \
		struct medio_card *card, unsigned region, uint64_t offset, uint##bits##_t *out) \
	{ \
		uint##bits##_t value = 0; \
		int ret = medio_card_read(card, region, offset, &value, sizeof(value)); \
		if (!ret) \
			*out = le##bits##toh(value); \
		return ret; \
	}
DEFINE_READ(16)
DEFINE_READ(32)
DEFINE_READ(64)

int medio_card_write8(struct medio_card *card, unsigned region, uint64_t offset, uint8_t value)
{
	return medio_card_write(card, region, offset, &value, 1);
}

#define DEFINE_WRITE(bits) \
	int medio_card_write##bits( \
		struct medio_card *card, unsigned region, uint64_t offset, uint##bits##_t value) \
	{ \
		value = htole##bits(value); \
		return medio_card_write(card, region, offset, &value, sizeof(value)); \
	}
DEFINE_WRITE(16)
DEFINE_WRITE(32)
DEFINE_WRITE(64)

/* ---- Mapping ----------------------------------------------------------------------------------- */

static bool inside(const struct medio_card_region *view, uint64_t offset, uint64_t size)
{
	for (unsigned i = 0; i < view->num_areas; i++) {
		const struct medio_card_area *area = &view->areas[i];
		if (offset >= area->offset && size <= area->size &&
			offset - area->offset <= area->size - size)
			return true;
	}
	return false;
}

/* A file shorter than what the other side promised would end this program with SIGBUS. A device's own file in the kernel has no
 * size (nor has it under `medio run`, where it is a regular one). */
static int check_file(struct medio_card *card, int fd, uint64_t offset, uint64_t size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return medio_card_fail(card, errno, "fstat: %s", strerror(errno));
	if (S_ISREG(st.st_mode) && !(card->backend->near && !st.st_size) &&
		((uint64_t)st.st_size < size || offset > (uint64_t)st.st_size - size))
		return medio_card_fail(card, EINVAL,
			"%llu bytes at 0x%llx are outside the file's %llu",
			(unsigned long long)size, (unsigned long long)offset,
			(unsigned long long)st.st_size);
	return 0;
}

/* The region, if it can be mapped, else NULL with *ret. */
static struct medio_card_region_state *mappable_get(
	struct medio_card *card, unsigned index, int *ret)
{
	struct medio_card_region_state *region = region_get(card, index, ret);

	if (region && (!region->view.mappable || region->fd < 0)) {
		*ret = medio_card_fail(card, ENODEV, "region %u cannot be mapped", index);
		return NULL;
	}
	return region;
}

/* Where offset of the region is in its file. */
static int place_in_file(
	struct medio_card *card, unsigned index, uint64_t offset, uint64_t size, uint64_t *at)
{
	const struct medio_card_region_state *region = &card->regions[index];
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE) - 1;

	if (__builtin_add_overflow(region->fd_offset, offset, at) || *at > INT64_MAX || *at & page)
		return medio_card_fail(
			card, ENODEV, "region %u: its memory is at no possible offset", index);
	return check_file(card, region->fd, *at, size);
}

int medio_card_mmap(
	struct medio_card *card, unsigned index, uint64_t offset, size_t size, void **out)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE) - 1;
	uint64_t at;
	int ret;
	struct medio_card_region_state *region = mappable_get(card, index, &ret);

	if (!region)
		return ret;
	if (!size || (offset | size) & page || !inside(&region->view, offset, size))
		return medio_card_fail(card, EINVAL,
			"region %u: %zu bytes at 0x%llx are not pages of one mappable area", index,
			size, (unsigned long long)offset);
	if (place_in_file(card, index, offset, size, &at))
		return -ENODEV;
	int prot = (region->view.readable ? PROT_READ : 0) |
		   (region->view.writable ? PROT_WRITE : 0);
	void *ptr = mmap(NULL, size, prot, MAP_SHARED, region->fd, (off_t)at);
	if (ptr == MAP_FAILED)
		return medio_card_fail(card, errno, "mmap: %s", strerror(errno));
	medio_calls_say(0, "mmap 0x%zx bytes of region %u from 0x%llx", size, index,
		(unsigned long long)offset);
	*out = ptr;
	return 0;
}

int medio_card_region_file(struct medio_card *card, unsigned index, int *fd, uint64_t *offset)
{
	uint64_t start, at;
	int ret;
	struct medio_card_region_state *region = mappable_get(card, index, &ret);

	if (!region)
		return ret;
	for (unsigned i = 0; i < region->view.num_areas; i++) {
		const struct medio_card_area *area = &region->view.areas[i];
		ret = place_in_file(card, index, area->offset, area->size, &at);
		if (ret)
			return ret;
	}
	ret = place_in_file(card, index, 0, 0, &start);
	if (ret)
		return ret;
	*fd = region->fd;
	*offset = start;
	return 0;
}

void medio_card_munmap(void *ptr, size_t size)
{
	munmap(ptr, size);
}

int medio_card_doorbells(
	struct medio_card *card, unsigned index, struct medio_card_doorbell *out, unsigned cap)
{
	int ret;
	struct medio_card_region_state *region = region_get(card, index, &ret);

	if (!region)
		return ret;
	if (!region->doorbells_known && card->backend->doorbells) {
		ret = card->backend->doorbells(
			card, index, &region->doorbells, &region->num_doorbells);
		if (ret)
			return medio_card_result(card, ret);
	}
	region->doorbells_known = true;
	for (unsigned i = 0; i < region->num_doorbells && i < cap; i++)
		out[i] = region->doorbells[i];
	return (int)region->num_doorbells;
}

/* ---- The rest ---------------------------------------------------------------------------------- */

int medio_card_fd(const struct medio_card *card)
{
	return card->backend->fd ? card->backend->fd(card) : -1;
}

int medio_card_process(struct medio_card *card)
{
	return card->backend->process ? medio_card_result(card, card->backend->process(card)) : 0;
}

int medio_card_reset(struct medio_card *card)
{
	if (!card->info.can_reset)
		return medio_card_fail(card, ENOTSUP, "the card has no reset");
	return medio_card_result(card, card->backend->reset(card));
}

int medio_card_feature(
	struct medio_card *card, uint32_t flags, void *data, size_t size, size_t cap, size_t *got)
{
	size_t unused;

	if (!card->backend->feature)
		return medio_card_fail(card, ENOTTY, "this kind of device has no features");
	return medio_card_result(
		card, card->backend->feature(card, flags, data, size, cap, got ? got : &unused));
}
