/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtual functions of a hosted instance. They come and go with its SR-IOV capability, whoever writes that;
 * mediod is told how many there are, and starts those that it wants to be served.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "worker/private.h"

#define MAX_VFS	  256u
#define LINGER_NS 500000000u /* for all clients of a card's VFs together, when these go */

/* ---- What is told ---------------------------------------------------------------------------------- */

bool medio_hosted_vfs_describe(const struct medio_hosted *host, struct medio_wire_sriov *out)
{
	struct medio_sriov_info info;
	if (host->pf || medio_instance_sriov(host->inst, &info))
		return false;
	*out = (struct medio_wire_sriov){
		.total = info.total,
		.num = host->num_vfs,
		.offset = info.offset,
		.stride = info.stride,
		.vf_device = info.vf_device,
	};
	return true;
}

void medio_hosted_vfs_tell(struct medio_hosted *host)
{
	struct medio_wire_msg msg = { .kind = MEDIO_WIRE_VFS, .value = host->num_vfs };
	memcpy(msg.uuid, host->uuid, sizeof(msg.uuid));
	if (host->worker->link && host->started && host->told)
		medio_link_send(host->worker->link, &msg);
}

/* They have come or gone. The card's state says so too, and its counters do not. */
static void changed(struct medio_hosted *pf)
{
	memset(&pf->saved, 0xff, sizeof(pf->saved));
	medio_checkpoint_kick(pf);
	medio_hosted_vfs_tell(pf);
}

/* ---- They come ---------------------------------------------------------------------------------------- */

/* The place of VF index, with a host that has no instance yet. It is kept when the VF goes: its last lines
 * are logged by it. NULL: -ENOMEM. */
static struct medio_hosted *place_of(struct medio_hosted *pf, unsigned index)
{
	if (index >= MAX_VFS)
		return NULL;
	if (!pf->vfs) {
		pf->vfs = calloc(MAX_VFS, sizeof(struct medio_hosted *));
		pf->max_vfs = pf->vfs ? MAX_VFS : 0;
	}
	if (!pf->vfs)
		return NULL;
	struct medio_hosted *vf = pf->vfs[index];
	if (vf)
		return vf;
	vf = calloc(1, sizeof(*vf));
	if (!vf)
		return NULL;
	vf->worker = pf->worker;
	vf->pf = pf;
	vf->vf = index;
	vf->slot = pf->slot + 1 + index;
	vf->listener = vf->checkpoint = -1;
	medio_list_init(&vf->item);
	medio_list_init(&vf->clients);
	pf->vfs[index] = vf;
	return vf;
}

void medio_hosted_vfs_options(void *opaque, unsigned index, struct medio_instance_options *opts)
{
	struct medio_hosted *pf = opaque;
	struct medio_worker *w = pf->worker;
	struct medio_hosted *vf = place_of(pf, index);
	/* Without one it is made and not served; its log is its card's. */
	if (!vf || !opts->uuid || medio_uuid_parse(opts->uuid, MEDIO_UUID_TEXT - 1, vf->uuid))
		return;
	opts->log = medio_hosted_log;
	opts->log_opaque = vf;
	opts->stats = w->counters && vf->slot < w->num_slots ? &w->counters[vf->slot].stats : NULL;
}

static void came(struct medio_hosted *pf, struct medio_instance *inst, unsigned index)
{
	struct medio_hosted *vf = place_of(pf, index);
	struct medio_sriov_info info;
	if (vf && !vf->inst) {
		vf->inst = inst;
		vf->told = true;
		if (medio_hosts_add(pf->worker, vf))
			medio_worker_log(pf->worker, pf->uuid, MEDIO_LOG_ERROR,
				"out of memory: a virtual function cannot be served");
	}
	pf->num_vfs++;
	pf->cut_ns = 0;
	if (medio_instance_sriov(pf->inst, &info) == 0 && pf->num_vfs == info.num)
		changed(pf);
}

/* ---- They go ------------------------------------------------------------------------------------------ */

/* All clients hear at once that it is over; those who take no notice share the time for that. */
static void begin_to_go(struct medio_hosted *pf)
{
	pf->cut_ns = medio_now_ns() + LINGER_NS;
	for (unsigned i = 0; i < pf->max_vfs; i++)
		if (pf->vfs[i] && pf->vfs[i]->server)
			medio_server_disconnect(pf->vfs[i]->server);
}

static void went(struct medio_hosted *pf, unsigned index)
{
	struct medio_hosted *vf = index < pf->max_vfs ? pf->vfs[index] : NULL;
	if (!pf->cut_ns)
		begin_to_go(pf);
	if (vf && vf->inst) {
		if (medio_now_ns() > pf->cut_ns)
			medio_hosted_cut(vf);
		medio_hosted_unserve(vf);
		medio_hosts_remove(pf->worker, vf);
		vf->inst = NULL;
	}
	if (pf->num_vfs)
		pf->num_vfs--;
	if (pf->num_vfs)
		return;
	pf->cut_ns = 0;
	changed(pf);
}

void medio_hosted_vfs_present(
	void *opaque, struct medio_instance *inst, unsigned index, bool present)
{
	if (present)
		came(opaque, inst, index);
	else
		went(opaque, index);
}

void medio_hosted_vfs_fini(struct medio_hosted *host)
{
	for (unsigned i = 0; i < host->max_vfs; i++)
		free(host->vfs[i]);
	free((void *)medio_steal_ptr(host->vfs));
	host->max_vfs = 0;
}

/* ---- What mediod wants -------------------------------------------------------------------------------- */

void medio_hosted_vfs_set(struct medio_worker *w, const struct medio_wire_msg *msg)
{
	struct medio_hosted *host = medio_hosts_find(w, msg->uuid);
	struct medio_wire_msg answer = { .kind = MEDIO_WIRE_VFS_SET, .cookie = msg->cookie };
	struct medio_error *err = NULL;
	memcpy(answer.uuid, msg->uuid, sizeof(answer.uuid));
	answer.ret = host && !host->pf ? medio_instance_set_vfs(host->inst, msg->value, &err)
				       : -ENODEV;
	const char *strings[] = { err ? medio_error_text(err) : strerror(-answer.ret) };
	if (answer.ret) {
		answer.strings = strings;
		answer.nstrings = 1;
	}
	medio_link_send(w->link, &answer);
	medio_error_free(err);
}
