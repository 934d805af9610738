/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * medio/local.h: drive a device in the same process.
 *
 *     struct medio_card *card;
 *
 *     medio_local_types(find_type);
 *     medio_card_open("local:mtty-2,port0=null", NULL, &card, &err);
 *
 * The driver's calls reach the device directly: no socket, no message, no other thread. The device
 * gets on with its own things (timers, watches, answers it owes) while the driver waits for an
 * interrupt, calls medio_card_process(), or has made register accesses for 50 us without doing so.
 * A driver that waits by looking at memory alone must call medio_card_process() in its loop.
 *
 * Threads: card, instance and loop belong to one thread.
 */
#ifndef MEDIO_LOCAL_H
#define MEDIO_LOCAL_H

#include <medio/driver.h>
#include <medio/serve.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Find a type by what stands behind `local:` up to the first comma. Errors with words. */
typedef int medio_local_find(
	const char *name, const struct medio_type **out, struct medio_error **err);
/* What `local:NAME` may name in this process; NULL: nothing. Set it before threads open cards. */
MEDIO_API void medio_local_types(medio_local_find *find);

/*
 * Open an instance of the caller's own as a card. The instance stays the caller's and must outlive the
 * card; nobody else may have it open. -EBUSY: somebody has. -ENOMEM.
 */
MEDIO_API int medio_card_open_instance(
	struct medio_instance *inst, struct medio_card **out, struct medio_error **err);

#ifdef __cplusplus
}
#endif

#endif
