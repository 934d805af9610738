/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of medio virtio share: the state of a virtio device as the JSON object that medio's own
 * devices show of themselves (attribute "virtio/state", lib/virtio/show.c), whoever has read it.
 */
#ifndef MEDIO_TOOLS_VIRTIO_H
#define MEDIO_TOOLS_VIRTIO_H

#include <json-c/json.h>
#include <stdio.h>

struct medio_card;
struct medio_error;

/* Read a card's registers, which nobody drives: what they tell. -ENODEV: no virtio device, -ENOTSUP: one
 * without the structures of version 1, -EPROTO: its capabilities cannot be; or the card's errno. With
 * words. */
int medio_virtio_read(struct medio_card *card, struct json_object **out, struct medio_error **err);
/* For people. device is what the user called it. */
void medio_virtio_show(const char *device, struct json_object *state, FILE *out);

#endif
