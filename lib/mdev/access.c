/* SPDX-License-Identifier: BSD-3-Clause */
/* What is asked of an instance: its facts, its attributes, its guest's memory. */
#include "mdev/private.h"

#include "device/instance.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define PAGE 4096u

/* ---- Facts ------------------------------------------------------------------------------------- */

const char *medio_mdev_uuid(const struct medio_mdev *mdev)
{
	return mdev->text;
}

const struct medio_type *medio_mdev_type(const struct medio_mdev *mdev)
{
	return mdev->type;
}

struct medio_parent *medio_mdev_parent(const struct medio_mdev *mdev)
{
	return mdev->parent;
}

enum medio_mdev_state medio_mdev_state(const struct medio_mdev *mdev)
{
	return mdev->state;
}

const char *medio_mdev_state_name(enum medio_mdev_state state)
{
	switch (state) {
	case MEDIO_MDEV_ADDING:
		return "adding";
	case MEDIO_MDEV_PROBING:
		return "probing";
	case MEDIO_MDEV_ACTIVE:
		return "active";
	case MEDIO_MDEV_UNBINDING:
		return "unbinding";
	case MEDIO_MDEV_UNBOUND:
		return "unbound";
	case MEDIO_MDEV_REMOVING:
		return "removing";
	}
	return "unknown";
}

const struct medio_mdev_driver *medio_mdev_driver(const struct medio_mdev *mdev)
{
	return mdev->bound ? mdev->binding->driver : NULL;
}

int medio_mdev_group(const struct medio_mdev *mdev)
{
	return mdev->group;
}

unsigned medio_mdev_opens(const struct medio_mdev *mdev)
{
	return mdev->opens;
}

const struct medio_mdev_options *medio_mdev_options(const struct medio_mdev *mdev)
{
	static const struct medio_mdev_options none;

	return mdev->opts ? mdev->opts : &none;
}

int medio_mdev_path(const struct medio_mdev *mdev, char *buf, size_t size)
{
	int len = medio_parent_path(mdev->parent, buf, size);

	if (len < 0)
		return len;
	if ((size_t)len >= size)
		return len + 1 + MEDIO_UUID_TEXT - 1;
	return len + snprintf(buf + len, size - (size_t)len, "/%s", mdev->text);
}

/* ---- For drivers ------------------------------------------------------------------------------- */

int medio_mdev_fail(struct medio_mdev *mdev, int errnum, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	medio_error_setv(&mdev->words, errnum, fmt, ap);
	va_end(ap);
	return -errnum;
}

void medio_mdev_set_data(struct medio_mdev *mdev, void *data)
{
	mdev->data = data;
}

void *medio_mdev_data(const struct medio_mdev *mdev)
{
	return mdev->data;
}

void *medio_mdev_driver_opaque(const struct medio_mdev *mdev)
{
	return mdev->binding ? mdev->binding->opaque : NULL;
}

void medio_mdev_changed(struct medio_mdev *mdev, const char *env)
{
	medio_mdev_hold(mdev);
	medio_bus_emit(mdev->parent->bus, MEDIO_MDEV_CHANGE, mdev->parent, mdev, env);
	medio_mdev_release(mdev);
}

/* ---- Attributes -------------------------------------------------------------------------------- */

int medio_mdev_attr_show(
	struct medio_mdev *mdev, const char *name, medio_mdev_attr_done *done, void *opaque)
{
	const struct medio_attr *attr = medio_attr_find(mdev->type, name);
	const struct medio_mdev_driver *driver;
	int ret;

	if (!attr)
		return -ENOENT;
	if (!medio_mdev_usable(mdev))
		return -ENODEV;
	driver = mdev->binding->driver;
	if (!attr->show || !driver->attr_show)
		return -EIO;
	medio_mdev_hold(mdev);
	ret = driver->attr_show(mdev, attr, done, opaque);
	medio_mdev_release(mdev);
	return ret;
}

int medio_mdev_attr_store(struct medio_mdev *mdev, const char *name, const char *text, size_t size,
	medio_mdev_attr_done *done, void *opaque)
{
	const struct medio_attr *attr = medio_attr_find(mdev->type, name);
	const struct medio_mdev_driver *driver;
	int ret;

	if (!attr)
		return -ENOENT;
	if (!medio_mdev_usable(mdev))
		return -ENODEV;
	driver = mdev->binding->driver;
	if (!attr->store || !driver->attr_store)
		return -EIO;
	medio_mdev_hold(mdev);
	ret = driver->attr_store(mdev, attr, text, size, done, opaque);
	medio_mdev_release(mdev);
	return ret;
}

/* ---- Guest memory ------------------------------------------------------------------------------ */

static const struct medio_mdev_driver *opened(const struct medio_mdev *mdev)
{
	return mdev->bound && mdev->opens ? mdev->binding->driver : NULL;
}

int medio_mdev_pin_pages(
	struct medio_mdev *mdev, uint64_t iova, unsigned npage, unsigned prot, void **pages)
{
	const struct medio_mdev_driver *driver = opened(mdev);
	uint64_t last;
	int ret;

	if (!pages || !npage || !driver)
		return -EINVAL;
	if (npage > MEDIO_MDEV_PIN_MAX)
		return -E2BIG;
	if (iova % PAGE || !prot || prot & ~(MEDIO_PROT_READ | MEDIO_PROT_WRITE) ||
		__builtin_add_overflow(iova, (uint64_t)npage * PAGE - 1, &last))
		return -EINVAL;
	if (!driver->pin_pages)
		return -EOPNOTSUPP;
	medio_mdev_hold(mdev);
	ret = driver->pin_pages(mdev, iova, npage, prot, pages);
	medio_mdev_release(mdev);
	return ret;
}

void medio_mdev_unpin_pages(struct medio_mdev *mdev, uint64_t iova, unsigned npage)
{
	const struct medio_mdev_driver *driver = opened(mdev);
	uint64_t last;

	if (!driver || !driver->unpin_pages || !npage || npage > MEDIO_MDEV_PIN_MAX ||
		iova % PAGE || __builtin_add_overflow(iova, (uint64_t)npage * PAGE - 1, &last))
		return;
	medio_mdev_hold(mdev);
	driver->unpin_pages(mdev, iova, npage);
	medio_mdev_release(mdev);
}

int medio_mdev_dma_rw(struct medio_mdev *mdev, uint64_t iova, void *buf, size_t len, bool write)
{
	const struct medio_mdev_driver *driver = opened(mdev);
	uint64_t last;
	int ret;

	if (!buf || !len || !driver || __builtin_add_overflow(iova, (uint64_t)len - 1, &last))
		return -EINVAL;
	if (!driver->dma_rw)
		return -EOPNOTSUPP;
	medio_mdev_hold(mdev);
	ret = driver->dma_rw(mdev, iova, buf, len, write);
	medio_mdev_release(mdev);
	return ret;
}

/* ---- `remove` ---------------------------------------------------------------------------------- */

int medio_mdev_parse_remove(const char *text, size_t len, bool *remove)
{
	unsigned long value = 0;
	unsigned base = 10;
	size_t at = 0, digits = 0;

	if (len && text[len - 1] == '\n')
		len--;
	if (at < len && text[at] == '+')
		at++;
	if (len - at > 1 && text[at] == '0') {
		base = 8;
		if (len - at > 2 && (text[at + 1] | 0x20) == 'x') {
			base = 16;
			at += 2;
		}
	}
	for (; at < len; at++, digits++) {
		char c = text[at];
		unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0')
				 : (c | 0x20) >= 'a' && (c | 0x20) <= 'f'
					 ? (unsigned)((c | 0x20) - 'a') + 10
					 : UINT_MAX;

		if (digit >= base || __builtin_mul_overflow(value, (unsigned long)base, &value) ||
			__builtin_add_overflow(value, (unsigned long)digit, &value))
			return -EINVAL;
	}
	if (!digits)
		return -EINVAL;
	*remove = value != 0;
	return 0;
}
