/* SPDX-License-Identifier: BSD-3-Clause */
#include "mdev/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Where the next pointer and the next character of a copy go. */
struct packer {
	const char **ptr;
	char *text;
};

static size_t strings_size(const char *const *strings, unsigned count)
{
	size_t size = 0;

	for (unsigned i = 0; i < count; i++)
		size += sizeof(char *) + strlen(strings[i]) + 1;
	return size;
}

static const char *const *pack(struct packer *packer, const char *const *strings, unsigned count)
{
	const char **first = packer->ptr;

	for (unsigned i = 0; i < count; i++) {
		size_t size = strlen(strings[i]) + 1;

		memcpy(packer->text, strings[i], size);
		*packer->ptr++ = packer->text;
		packer->text += size;
	}
	return count ? first : NULL;
}

int medio_mdev_options_copy(const struct medio_mdev_options *opts, struct medio_mdev_options **out)
{
	struct medio_mdev_options *copy;
	struct packer packer;

	if (!opts || (!opts->nparams && !opts->nfilters && !opts->group && !opts->bare &&
			     !opts->context && !opts->pf && !opts->unbound && !opts->vf_present)) {
		*out = NULL;
		return 0;
	}
	/* The record, all pointers, all text. */
	copy = calloc(1, sizeof(*copy) + strings_size(opts->params, opts->nparams) +
				 strings_size(opts->filters, opts->nfilters));
	if (!copy)
		return -ENOMEM;
	packer.ptr = (const char **)(copy + 1);
	packer.text = (char *)(packer.ptr + opts->nparams + opts->nfilters);
	copy->params = pack(&packer, opts->params, opts->nparams);
	copy->nparams = opts->nparams;
	copy->filters = pack(&packer, opts->filters, opts->nfilters);
	copy->nfilters = opts->nfilters;
	copy->known_filters = opts->known_filters;
	copy->group = opts->group;
	copy->bare = opts->bare;
	copy->context = opts->context;
	copy->pf = opts->pf;
	copy->vf = opts->vf;
	copy->unbound = opts->unbound;
	copy->vf_present = opts->vf_present;
	copy->vf_opaque = opts->vf_opaque;
	*out = copy;
	return 0;
}
