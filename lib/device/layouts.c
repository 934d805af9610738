/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The config-space layout of each type in use, shared by all its instances in this process: ten
 * thousand cards of a type check and lay it out once. The only process-wide state of this layer.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "device/private.h"
#include "util/error.h"

struct entry {
	const struct medio_type *type;
	bool vf;
	struct medio_pci_layout *layout;
	unsigned users;
	struct medio_list link;
};

/* Guards the list; taken at creation and end of an instance only. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct medio_list entries = { &entries, &entries };

static struct entry *find(
	const struct medio_type *type, bool vf, const struct medio_pci_layout *layout)
{
	medio_list_for_each (item, &entries) {
		struct entry *e = medio_container_of(item, struct entry, link);
		if ((e->type == type && e->vf == vf) || e->layout == layout)
			return e;
	}
	return NULL;
}

static int add(const struct medio_type *type, bool vf, struct entry **out, struct medio_error **err)
{
	struct entry *e = calloc(1, sizeof(*e));
	if (!e) {
		medio_error_set(err, ENOMEM, "out of memory");
		return -ENOMEM;
	}
	int ret = (vf ? medio_pci_layout_new_vf : medio_pci_layout_new)(type, &e->layout, err);
	if (ret) {
		free(e);
		return ret;
	}
	e->type = type;
	e->vf = vf;
	medio_list_append(&entries, &e->link);
	*out = e;
	return 0;
}

int medio_layout_get(const struct medio_type *type, bool vf, struct medio_pci_layout **out,
	struct medio_error **err)
{
	int ret = 0;
	pthread_mutex_lock(&lock);
	struct entry *e = find(type, vf, NULL);
	if (!e) {
		ret = add(type, vf, &e, err);
		if (ret)
			goto out;
	}
	e->users++;
	*out = e->layout;
out:
	pthread_mutex_unlock(&lock);
	return ret;
}

void medio_layout_put(struct medio_pci_layout *layout)
{
	if (!layout)
		return;
	pthread_mutex_lock(&lock);
	struct entry *e = find(NULL, false, layout);
	if (e && --e->users == 0) {
		medio_list_remove(&e->link);
		medio_pci_layout_unref(e->layout);
		free(e);
	}
	pthread_mutex_unlock(&lock);
}
