/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers that come later: deferred region accesses, and quiescing. */
#include "device/private.h"

#include <errno.h>
#include <stdlib.h>

/* ---- Deferred accesses -------------------------------------------------------------------------- */

/* Tokens are recycled, so that a device which defers every access allocates only at first. */
struct medio_token *medio_defer(struct medio_dev *dev)
{
	struct medio_instance *inst = dev->inst;
	struct medio_token *token;
	if (!medio_list_empty(&inst->free_tokens)) {
		token = medio_container_of(inst->free_tokens.next, struct medio_token, link);
		medio_list_remove(&token->link);
	} else {
		token = malloc(sizeof(*token));
		if (!token)
			return NULL;
	}
	*token = (struct medio_token){ .dev = dev, .outer = inst->outer };
	medio_list_init(&token->link);
	medio_list_append(&inst->tokens, &token->link);
	return token;
}

static void recycle(struct medio_instance *inst, struct medio_token *token)
{
	medio_list_remove(&token->link);
	medio_list_append(&inst->free_tokens, &token->link);
}

void medio_complete(struct medio_token *token, int ret, const void *data, size_t count)
{
	struct medio_dev *dev = token->dev;
	struct medio_instance *inst = dev->inst;
	struct medio_token *outer = token->outer;
	bool cancelled = token->cancelled;
	recycle(inst, token);
	if (ret > 0) /* not an answer; a device's mistake must not look like MEDIO_DEFERRED */
		ret = -EIO;
	if (!cancelled) {
		const struct medio_dev *stop = outer ? outer->dev : NULL;
		for (struct medio_dev *d = dev->prev[MEDIO_UP_COMPLETED]; d && d != stop;
			d = d->prev[MEDIO_UP_COMPLETED])
			d->up->completed(d, ret, data, count);
	}
	if (outer)
		medio_complete(outer, ret, data, count);
	else if (!cancelled && inst->transport)
		inst->transport->completed(inst->transport_opaque, ret, data, count);
}

void medio_next_complete_read(
	struct medio_token *token, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct medio_instance *inst = token->dev->inst;
	inst->outer = token;
	int ret = medio_next_region_read(token->dev, region, offset, buf, count);
	inst->outer = NULL;
	if (ret != MEDIO_DEFERRED)
		medio_complete(token, ret, buf, count);
}

void medio_next_complete_write(
	struct medio_token *token, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct medio_instance *inst = token->dev->inst;
	inst->outer = token;
	int ret = medio_next_region_write(token->dev, region, offset, buf, count);
	inst->outer = NULL;
	if (ret != MEDIO_DEFERRED)
		medio_complete(token, ret, NULL, 0);
}

void medio_tokens_cancel(struct medio_instance *inst)
{
	medio_list_for_each (item, &inst->tokens)
		medio_container_of(item, struct medio_token, link)->cancelled = true;
}

void medio_tokens_disown(struct medio_dev *dev)
{
	medio_list_for_each (item, &dev->inst->tokens) {
		struct medio_token *token = medio_container_of(item, struct medio_token, link);
		if (token->dev == dev) {
			token->cancelled = true;
			token->outer = NULL;
		}
	}
}

static void free_all(struct medio_list *list)
{
	medio_list_for_each (item, list) {
		medio_list_remove(item);
		free(medio_container_of(item, struct medio_token, link));
	}
}

void medio_tokens_fini(struct medio_instance *inst)
{
	free_all(&inst->tokens);
	free_all(&inst->free_tokens);
}

/* ---- Quiescing ---------------------------------------------------------------------------------- */

/* Ask the whole chain, again if it became quiet from within (a device may do so at once). */
static int ask(struct medio_instance *inst)
{
	int ret;
	unsigned tries = 0;
	do {
		inst->quiesce_again = false;
		inst->quiesce_asking = true;
		ret = medio_next_quiesce(&inst->chain.head);
		inst->quiesce_asking = false;
	} while (ret == -EBUSY && inst->quiesce_again && ++tries < 10);
	return ret == -EBUSY ? ret : 0; /* who cannot say when it is quiet is taken to be */
}

int medio_instance_quiesce(struct medio_instance *inst)
{
	int ret = ask(inst);
	inst->quiescing = ret != 0;
	return ret;
}

/* More than one link may have been busy, so the chain is asked again: quiesce() is idempotent. */
void medio_quiesce_done(struct medio_dev *dev)
{
	struct medio_instance *inst = dev->inst;
	if (inst->quiesce_asking) {
		inst->quiesce_again = true;
		return;
	}
	if (!inst->quiescing || ask(inst) != 0)
		return;
	inst->quiescing = false;
	if (inst->transport && inst->transport->quiesced)
		inst->transport->quiesced(inst->transport_opaque);
}

void medio_instance_resume(struct medio_instance *inst)
{
	inst->quiescing = false;
	/* A stopped device (migration) stays quiet until it runs again. */
	if (inst->migration.state == MEDIO_MIGRATION_RUNNING)
		medio_next_resume(&inst->chain.head);
}
