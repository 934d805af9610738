/* SPDX-License-Identifier: BSD-3-Clause */
/* Observers: clients that only look at a device's attributes, beside the one who has it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/session.h"
#include "util/cleanup.h"

static ssize_t names(struct medio_instance *inst, char *buf, size_t size)
{
	const struct medio_attr *attr;
	char path[256];
	size_t at = 0;

	for (unsigned n = 0; (attr = medio_instance_attr(inst, n, path, sizeof(path))); n++) {
		int len = snprintf(buf + at, size - at, "%c%c %s\n", attr->show ? 'r' : '-',
			attr->store ? 'w' : '-', path);
		if (len < 0 || (size_t)len >= size - at)
			return -ENOBUFS;
		at += (size_t)len;
	}
	return (ssize_t)at;
}

static ssize_t show(struct medio_session *s, const char *name, char *buf, size_t size)
{
	return *name ? medio_instance_attr_show(s->inst, name, buf, size)
		     : names(s->inst, buf, size);
}

int medio_handle_attribute(struct medio_session *s, struct medio_request *req)
{
	const char *name = (const char *)req->payload;
	const char *nul = memchr(name, 0, req->size);

	if (!nul)
		return -EINVAL;
	size_t value = (size_t)(nul - name) + 1;
	if (value < req->size)
		return medio_instance_attr_store(s->inst, name, nul + 1, req->size - value);
	_cleanup_free_ char *buf = malloc(MEDIO_VU_MAX_ATTRIBUTE);
	if (!buf)
		return -ENOMEM;
	ssize_t len = show(s, name, buf, MEDIO_VU_MAX_ATTRIBUTE);
	return len < 0 ? (int)len : medio_session_answer(s, req, buf, (size_t)len);
}
