/* SPDX-License-Identifier: BSD-3-Clause */
/* What there is to tell of an instance. */
#include "manage/client.h"
#include "manage/functions.h"
#include "manage/run.h"

pid_t medio_managed_pid(const struct medio_managed *inst, unsigned *sharing)
{
	const struct medio_run *run = inst->run ? inst->run : inst->next;

	if (sharing)
		*sharing = run ? run->process->count : 0;
	return run ? run->process->pid : 0;
}

/* The server serves the first that came, and sends the others away. */
pid_t medio_managed_client(const struct medio_managed *inst, uid_t *uid)
{
	if (medio_list_empty(&inst->clients))
		return 0;
	const struct medio_client *client = medio_container_of(
		inst->clients.next, struct medio_client, item);
	if (uid)
		*uid = client->who.uid;
	return client->who.pid;
}

const char *medio_managed_state(const struct medio_managed *inst)
{
	enum medio_mdev_state state = medio_mdev_state(inst->mdev);

	if (state == MEDIO_MDEV_REMOVING || state == MEDIO_MDEV_UNBINDING)
		return "removing";
	if (inst->change)
		return "changing";
	if (inst->run)
		return "running";
	const struct medio_managed *card = medio_functions_card(inst);
	if (inst->waiting || (card && !inst->next && (card->waiting || card->next)))
		return "waiting";
	return inst->next || !inst->probed ? "starting" : "dead";
}
