/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtual functions: what there is to tell of them, and the files sriov_*. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manage/functions.h"
#include "util/uuid.h"

/* ---- Cards --------------------------------------------------------------------------------------- */

const struct medio_functions *medio_functions_of(const struct medio_managed *inst)
{
	return inst && inst->vfs && inst->vfs->total ? inst->vfs : NULL;
}

unsigned medio_functions_num(const struct medio_managed *inst)
{
	return !inst->vfs ? 0 : inst->run ? inst->vfs->there : inst->vfs->wanted;
}

struct medio_managed *medio_functions_card(const struct medio_managed *inst)
{
	const struct medio_mdev *pf = medio_mdev_pf(inst->mdev);

	return pf ? medio_managed_of(pf) : NULL;
}

bool medio_functions_name(const struct medio_mdev *mdev, char *buf, size_t size)
{
	const struct medio_managed *inst = medio_managed_of(mdev);

	if (!medio_functions_of(inst) || inst->vfs->number < 0)
		return false;
	snprintf(buf, size, "%s%d", medio_parent_desc(medio_mdev_parent(mdev))->name,
		inst->vfs->number);
	return true;
}

struct medio_mdev *medio_functions_find(const struct medio_bus *bus, const char *name)
{
	struct medio_mdev *mdev = NULL;
	char own[96];

	while ((mdev = medio_bus_next_mdev(bus, mdev))) {
		if (medio_functions_name(mdev, own, sizeof(own)) && !strcmp(own, name))
			return mdev;
	}
	return NULL;
}

void medio_functions_card_uuid(const char *parent, unsigned number, char uuid[37])
{
	static const uint8_t cards[MEDIO_UUID_SIZE] = { 0x5c, 0x1e, 0x7a, 0x0d, 0x93, 0xb4, 0x4f,
		0x62, 0x8e, 0x51, 0x2a, 0xd7, 0xc6, 0x0f, 0x38, 0xb9 };
	uint8_t bytes[MEDIO_UUID_SIZE];
	char name[96];

	snprintf(name, sizeof(name), "%s%u", parent, number);
	medio_uuid_by_name(cards, name, bytes);
	medio_uuid_format(bytes, uuid);
}

static const struct medio_param *find_param(const struct medio_type *type, const char *name)
{
	const struct medio_param *param = type->params;

	while (param && param->name && strcmp(param->name, name) != 0)
		param++;
	return param && param->name ? param : NULL;
}

bool medio_functions_ever(const struct medio_type *type)
{
	return type->sriov || find_param(type, "vfs");
}

bool medio_functions_possible(const struct medio_type *type, const struct medio_strv *params)
{
	const struct medio_param *param = find_param(type, "vfs");
	const char *value = param ? param->deflt : NULL;
	unsigned num;

	for (unsigned i = 0; param && i < params->count; i++)
		if (!strncmp(params->items[i], "vfs=", 4))
			value = params->items[i] + 4;
	if (!param)
		return type->sriov;
	return value && (medio_functions_parse(value, &num) || num);
}

/* ---- Text ---------------------------------------------------------------------------------------- */

int medio_functions_parse(const char *text, unsigned *out)
{
	unsigned base = 10, value = 0, digits = 0;
	bool over = false;

	if (*text == '+')
		text++;
	if (text[0] == '0') {
		base = 8;
		if ((text[1] | 0x20) == 'x' && strspn(text + 2, "0123456789abcdefABCDEF")) {
			base = 16;
			text += 2;
		}
	}
	for (; *text; text++, digits++) {
		char c = *text;
		unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0')
				 : (c | 0x20) >= 'a' && (c | 0x20) <= 'f'
					 ? (unsigned)((c | 0x20) - 'a') + 10
					 : base;

		if (digit >= base)
			return -EINVAL;
		value = over ? value : value * base + digit;
		over |= value > UINT16_MAX;
	}
	if (!digits)
		return -EINVAL;
	if (over)
		return -ERANGE;
	*out = value;
	return 0;
}

static ssize_t show_number(char *buf, size_t size, const char *fmt, unsigned value)
	__attribute__((format(printf, 3, 0)));

static ssize_t show_number(char *buf, size_t size, const char *fmt, unsigned value)
{
	int len = snprintf(buf, size, fmt, value);

	return len >= 0 && (size_t)len < size ? len : -ENOBUFS;
}

static ssize_t show_autoprobe(struct medio_managed *inst, char *buf, size_t size)
{
	return show_number(buf, size, "%u\n", !inst->vfs->leave_unbound);
}

static ssize_t show_numvfs(struct medio_managed *inst, char *buf, size_t size)
{
	return show_number(buf, size, "%u\n", medio_functions_num(inst));
}

static ssize_t show_offset(struct medio_managed *inst, char *buf, size_t size)
{
	return show_number(buf, size, "%u\n", inst->vfs->offset);
}

static ssize_t show_stride(struct medio_managed *inst, char *buf, size_t size)
{
	return show_number(buf, size, "%u\n", inst->vfs->stride);
}

static ssize_t show_totalvfs(struct medio_managed *inst, char *buf, size_t size)
{
	return show_number(buf, size, "%u\n", inst->vfs->total);
}

static ssize_t show_vf_device(struct medio_managed *inst, char *buf, size_t size)
{
	return show_number(buf, size, "%x\n", inst->vfs->vf_device);
}

/* Source: Linux lib/kstrtox.c, kstrtobool(): the first letter counts. */
static void store_autoprobe(struct medio_managed *inst, const char *text, size_t size,
	medio_mdev_done *done, void *opaque)
{
	static const char yes[] = "yYtT1", no[] = "nNfF0";
	int value = -1;

	if (size && strchr(yes, text[0]))
		value = 1;
	else if (size && strchr(no, text[0]))
		value = 0;
	else if (size > 1 && (text[0] | 0x20) == 'o')
		value = (text[1] | 0x20) == 'n' ? 1 : (text[1] | 0x20) == 'f' ? 0 : -1;
	done(opaque, value < 0 ? -EINVAL : medio_functions_set_autoprobe(inst, value));
}

static void store_numvfs(struct medio_managed *inst, const char *text, size_t size,
	medio_mdev_done *done, void *opaque)
{
	unsigned num;

	(void)size;
	int ret = medio_functions_parse(text, &num);
	if (ret)
		done(opaque, ret);
	else
		medio_functions_set(inst, num, done, opaque);
}

const struct medio_managed_attr medio_functions_attrs[] = {
	{ "sriov_drivers_autoprobe", show_autoprobe, store_autoprobe },
	{ "sriov_numvfs", show_numvfs, store_numvfs },
	{ "sriov_offset", show_offset, NULL },
	{ "sriov_stride", show_stride, NULL },
	{ "sriov_totalvfs", show_totalvfs, NULL },
	{ "sriov_vf_device", show_vf_device, NULL },
	{ NULL },
};
