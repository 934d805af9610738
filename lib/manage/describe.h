/* SPDX-License-Identifier: BSD-3-Clause */
/* What mediod knows, as JSON: for the control socket, and so for every command's --json. */
#ifndef MEDIO_MANAGE_DESCRIBE_H
#define MEDIO_MANAGE_DESCRIBE_H

#include <json-c/json.h>

#include "manage/managed.h"

/* {"uuid","parent","type","group","state","trouble","owner":{"uid","gid"},"socket","qemu_device",
 * "pid","sharing","restart","restarts","created","params":[…],"filters":[…],"client":{"pid","uid"}|null}.
 * NULL: out of memory. */
struct json_object *medio_describe_mdev(const struct medio_mdev *mdev);
/* {"uuid","messages","reads","writes","irqs","dma_read","dma_written","faults","errors","clients",
 * "connected","cpu_ns","rss","sharing"}: what `medio top` shows; counters since the start. */
struct json_object *medio_describe_stats(const struct medio_mdev *mdev);
/* {"name","path","units":{…},"types":[{"name","summary","description","device_api",
 * "available_instances","params":[…]}]}. */
struct json_object *medio_describe_parent(struct medio_parent *parent);
/* {"action","path","subsystem","driver","env","uuid","parent","type","seqnum","time"}. */
struct json_object *medio_describe_event(const struct medio_mdev_event *event);
/* -device {"driver":"vfio-user-pci",…} for a socket; free() it. */
char *medio_describe_qemu(const char *socket);

#endif
