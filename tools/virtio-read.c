/* SPDX-License-Identifier: BSD-3-Clause */
/* The registers of a virtio device on the PCI bus, read by somebody who does not drive it. */
#include "virtio.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <string.h>

#include <medio/driver.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "virtio/names.h"

#define VENDOR	   0x1af4
#define FIRST	   0x1000
#define MODERN	   0x1040
#define LAST	   0x107f
#define MAX_CAPS   32 /* vendor capabilities that are looked at */
#define MAX_QUEUES 1024
/* A structure has its offset and length in 32 bits, or in 64 (4.1.4.7). */
#define CAP_SHARED_MEMORY 8

struct window {
	unsigned at, type, bar, id;
	uint64_t offset, length;
	uint32_t multiplier; /* of the one for notifications */
};

struct reader {
	struct medio_card *card;
	struct medio_error **err;
	struct window windows[MAX_CAPS];
	unsigned count;
	struct window common;
	bool has_common;
	uint16_t id;
};

static int card_failed(struct reader *r, int ret)
{
	return medio_error_set(r->err, -ret, "%s", medio_card_last_error(r->card));
}

/* ---- Capabilities (4.1.4) ----------------------------------------------------------------------- */

static int config_read(struct reader *r, unsigned offset, void *buf, size_t count)
{
	int ret = medio_card_read(r->card, MEDIO_CARD_CONFIG, offset, buf, count);

	return ret ? card_failed(r, ret) : 0;
}

static uint32_t le32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

static int add_window(struct reader *r, unsigned at)
{
	uint8_t cap[24] = { 0 };
	size_t size = at + sizeof(cap) <= 256 ? sizeof(cap) : 256 - at;

	int ret = config_read(r, at, cap, size);
	if (ret)
		return ret;
	struct window *w = &r->windows[r->count++];
	*w = (struct window){
		.at = at,
		.type = cap[3],
		.bar = cap[4],
		.id = cap[5],
		.offset = le32(cap + 8),
		.length = le32(cap + 12),
	};
	if (w->type == VIRTIO_PCI_CAP_NOTIFY_CFG && cap[2] >= 20)
		w->multiplier = le32(cap + 16);
	if (w->type == CAP_SHARED_MEMORY && cap[2] >= 24) {
		w->offset |= (uint64_t)le32(cap + 16) << 32;
		w->length |= (uint64_t)le32(cap + 20) << 32;
	}
	if (w->type == VIRTIO_PCI_CAP_COMMON_CFG && !r->has_common) {
		r->common = *w;
		r->has_common = true;
	}
	return 0;
}

static int find_windows(struct reader *r)
{
	uint8_t at, cap[2];

	int ret = config_read(r, PCI_CAPABILITY_LIST, &at, 1);
	/* A list that bites its tail ends too. */
	for (unsigned n = 0; !ret && at >= 0x40 && n < 48; n++) {
		at &= 0xfc;
		ret = config_read(r, at, cap, sizeof(cap));
		if (!ret && cap[0] == PCI_CAP_ID_VNDR && r->count < MAX_CAPS && at <= 256 - 16)
			ret = add_window(r, at);
		at = cap[1];
	}
	return ret;
}

static int identify(struct reader *r)
{
	uint8_t ids[4];

	int ret = config_read(r, PCI_VENDOR_ID, ids, sizeof(ids));
	if (ret)
		return ret;
	unsigned vendor = ids[0] | ids[1] << 8, device = ids[2] | ids[3] << 8;
	if (vendor != VENDOR || device < FIRST || device > LAST)
		return medio_error_set(r->err, ENODEV,
			"%04x:%04x is no virtio device; those are %04x:%04x to %04x:%04x", vendor,
			device, VENDOR, FIRST, VENDOR, LAST);
	if (device >= MODERN) {
		r->id = (uint16_t)(device - MODERN);
		return 0;
	}
	/* A transitional device says it in its subsystem (4.1.2.1). */
	ret = config_read(r, PCI_SUBSYSTEM_ID, ids, 2);
	r->id = (uint16_t)(ids[0] | ids[1] << 8);
	return ret;
}

static int check_common(struct reader *r)
{
	struct medio_card_region region;
	const struct window *c = &r->common;

	if (!r->has_common)
		return medio_error_set(r->err, ENOTSUP,
			"a legacy virtio device: it has none of the structures of version 1");
	if (c->bar > MEDIO_CARD_BAR5)
		return medio_error_set(
			r->err, EPROTO, "its common configuration is in BAR %u", c->bar);
	int ret = medio_card_get_region(r->card, c->bar, &region);
	if (ret)
		return card_failed(r, ret);
	if (c->length < 56 || c->offset > region.size || c->length > region.size - c->offset)
		return medio_error_set(r->err, EPROTO,
			"its common configuration, %" PRIu64 " bytes at %" PRIu64
			", is not inside of BAR %u, or is less than 56 bytes",
			c->length, c->offset, c->bar);
	return 0;
}

/* ---- The common configuration (4.1.4.3) --------------------------------------------------------- */

static int get(struct reader *r, unsigned reg, unsigned width, uint64_t *out)
{
	uint8_t buf[8] = { 0 };

	for (unsigned i = 0; i < width; i += 4) {
		int ret = medio_card_read(r->card, r->common.bar, r->common.offset + reg + i,
			buf + i, width < 4 ? width : 4);
		if (ret)
			return card_failed(r, ret);
	}
	*out = le32(buf) | (uint64_t)le32(buf + 4) << 32;
	return 0;
}

static int set(struct reader *r, unsigned reg, unsigned width, uint32_t value)
{
	uint8_t buf[4] = { (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
		(uint8_t)(value >> 24) };
	int ret = medio_card_write(r->card, r->common.bar, r->common.offset + reg, buf, width);

	return ret ? card_failed(r, ret) : 0;
}

static int get_features(struct reader *r, unsigned select, unsigned reg, uint64_t *out)
{
	uint64_t half = 0;

	*out = 0;
	for (unsigned i = 0; i < 2; i++) {
		int ret = set(r, select, 4, i);
		if (ret == 0)
			ret = get(r, reg, 4, &half);
		if (ret)
			return ret;
		*out |= half << (32 * i);
	}
	return 0;
}

/* ---- As JSON ------------------------------------------------------------------------------------ */

static void add_int(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

static void add_features(
	struct json_object *object, uint16_t id, const char *key, uint64_t features)
{
	struct json_object *names = json_object_new_array();
	char text[32];

	snprintf(text, sizeof(text), "0x%" PRIx64, features);
	json_object_object_add(object, key, json_object_new_string(text));
	for (unsigned bit = 0; bit < 64; bit++) {
		const char *name = medio_virtio_feature_name(id, bit);
		if (!(features & UINT64_C(1) << bit))
			continue;
		snprintf(text, sizeof(text), "bit %u", bit);
		json_object_array_add(names, json_object_new_string(name ? name : text));
	}
	snprintf(text, sizeof(text), "%s_names", key);
	json_object_object_add(object, text, names);
}

static void add_status(struct json_object *object, uint8_t status)
{
	struct json_object *bits = json_object_new_array();
	struct json_object *set = json_object_new_object();

	add_int(set, "value", status);
	for (unsigned bit = 1; bit < 256; bit <<= 1) {
		const char *name = medio_virtio_status_name((uint8_t)bit);
		if (status & bit)
			json_object_array_add(bits, json_object_new_string(name ? name : "?"));
	}
	json_object_object_add(set, "bits", bits);
	json_object_object_add(object, "status", set);
}

static const char *window_name(unsigned type)
{
	static const char *const names[] = { NULL, "common", "notify", "isr", "device", "pci", NULL,
		NULL, "shared-memory" };

	return type < MEDIO_ARRAY_SIZE(names) && names[type] ? names[type] : "other";
}

static void add_windows(struct json_object *object, const struct reader *r)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < r->count; i++) {
		const struct window *w = &r->windows[i];
		struct json_object *one = json_object_new_object();
		json_object_object_add(one, "type", json_object_new_string(window_name(w->type)));
		add_int(one, "at", w->at);
		add_int(one, "bar", w->bar);
		add_int(one, "offset", w->offset);
		add_int(one, "length", w->length);
		if (w->type == VIRTIO_PCI_CAP_NOTIFY_CFG)
			add_int(one, "multiplier", w->multiplier);
		if (w->type == CAP_SHARED_MEMORY)
			add_int(one, "id", w->id);
		json_object_array_add(list, one);
	}
	json_object_object_add(object, "capabilities", list);
}

static int add_queue(struct json_object *list, struct reader *r, unsigned index)
{
	static const struct {
		const char *key;
		unsigned reg, width;
	} fields[] = {
		{ "size", VIRTIO_PCI_COMMON_Q_SIZE, 2 },
		{ "enabled", VIRTIO_PCI_COMMON_Q_ENABLE, 2 },
		{ "vector", VIRTIO_PCI_COMMON_Q_MSIX, 2 },
		{ "notify_offset", VIRTIO_PCI_COMMON_Q_NOFF, 2 },
		{ "desc", VIRTIO_PCI_COMMON_Q_DESCLO, 8 },
		{ "driver", VIRTIO_PCI_COMMON_Q_AVAILLO, 8 },
		{ "device", VIRTIO_PCI_COMMON_Q_USEDLO, 8 },
	};
	struct json_object *one = json_object_new_object();
	uint64_t value = 0;

	json_object_array_add(list, one);
	add_int(one, "index", index);
	int ret = set(r, VIRTIO_PCI_COMMON_Q_SELECT, 2, index);
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(fields) && !ret; i++) {
		ret = get(r, fields[i].reg, fields[i].width, &value);
		if (!ret && !strcmp(fields[i].key, "enabled"))
			json_object_object_add(one, "enabled", json_object_new_boolean(value != 0));
		else if (!ret && (strcmp(fields[i].key, "vector") != 0 || value != 0xffff))
			add_int(one, fields[i].key, value);
	}
	return ret;
}

static int add_registers(struct json_object *object, struct reader *r)
{
	uint64_t offered = 0, accepted = 0, status = 0, queues = 0;

	int ret = get(r, VIRTIO_PCI_COMMON_STATUS, 1, &status);
	if (ret == 0)
		ret = get_features(r, VIRTIO_PCI_COMMON_DFSELECT, VIRTIO_PCI_COMMON_DF, &offered);
	if (ret == 0)
		ret = get_features(r, VIRTIO_PCI_COMMON_GFSELECT, VIRTIO_PCI_COMMON_GF, &accepted);
	if (ret == 0)
		ret = get(r, VIRTIO_PCI_COMMON_NUMQ, 2, &queues);
	if (ret)
		return ret;
	add_status(object, (uint8_t)status);
	struct json_object *features = json_object_new_object();
	add_features(features, r->id, "offered", offered);
	add_features(features, r->id, "accepted", accepted);
	json_object_object_add(object, "features", features);
	struct json_object *list = json_object_new_array();
	json_object_object_add(object, "queues", list);
	for (unsigned i = 0; i < queues && i < MAX_QUEUES && !ret; i++)
		ret = add_queue(list, r, i);
	return ret;
}

int medio_virtio_read(struct medio_card *card, struct json_object **out, struct medio_error **err)
{
	struct reader r = { .card = card, .err = err };

	int ret = identify(&r);
	if (ret == 0)
		ret = find_windows(&r);
	if (ret == 0)
		ret = check_common(&r);
	if (ret)
		return ret;
	struct json_object *object = json_object_new_object();
	const char *kind = medio_virtio_kind_name(r.id);
	add_int(object, "id", r.id);
	json_object_object_add(object, "kind", kind ? json_object_new_string(kind) : NULL);
	add_windows(object, &r);
	ret = add_registers(object, &r);
	if (ret)
		json_object_put(object);
	else
		*out = object;
	return ret;
}
