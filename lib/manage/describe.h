/* SPDX-License-Identifier: BSD-3-Clause */
/* What mediod knows, as JSON: for the control socket, and so for every command's --json. */
#ifndef MEDIO_MANAGE_DESCRIBE_H
#define MEDIO_MANAGE_DESCRIBE_H

#include <json-c/json.h>

#include "manage/managed.h"
#include "manage/usage.h"

/*
 * {"uuid","parent","type","group","state","trouble","owner":{"uid","gid"},"socket","qemu_device",
 * "pid","sharing","restart","restarts","created","params":[…],"filters":[…],
 * "client":{"pid","uid"}|null}; of a card that can have virtual functions also "name":"nic0","totalvfs","numvfs",
 * of a virtual function "pf":UUID,"vf". Times are numbers: seconds since 1970, with a fraction.
 * NULL: out of memory.
 */
struct json_object *medio_describe_mdev(const struct medio_mdev *mdev);
/* {"uuid","messages","reads","writes","irqs","dma_read","dma_written","faults","errors","clients",
 * "connected","cpu_ns","rss","pid","sharing"}: what `medio top` shows; counters since the start. last
 * (zeros at first) keeps the process looked at last, so that a shared one is looked at once. */
struct json_object *medio_describe_stats(const struct medio_mdev *mdev, struct medio_usage *last);
/* {"name","path","units":{"capacity","left"}|null,"types":[{"name","summary","description",
 * "device_api","available_instances","vf":true|false,"id","class","as":[…],"bars":[…],"irqs":{…},"parameters":[…]}]}. */
struct json_object *medio_describe_parent(struct medio_parent *parent);
/* {"action","path","subsystem","driver","env":{…},"uuid","parent","type","time"}. */
struct json_object *medio_describe_event(const struct medio_mdev_event *event);
/* [{"name","value","default","help"}]: a table of parameters. */
struct json_object *medio_describe_params(const struct medio_param *params);
/* Seconds since 1970, with microseconds. */
struct json_object *medio_describe_time(const struct timespec *time);
/* -device {"driver":"vfio-user-pci",…} for a socket; free() it. */
char *medio_describe_qemu(const char *socket);

/* A virtio device that is served over vhost-user. */
struct medio_describe_vhost {
	unsigned virtio_id;
	const char *socket;
	const char *id;		     /* for QEMU's parts: letters, digits and '-' */
	unsigned queues, queue_size; /* all that the device has; descriptors of each */
	const char *mac;	     /* of a network card; NULL: QEMU's choice */
	bool qemu_listens;
};
/* ["-chardev","socket,…","-device","vhost-user-blk-pci,…"]: the words that QEMU needs. NULL: it has no
 * front-end for such a device (or there is no memory). */
struct json_object *medio_describe_qemu_vhost(const struct medio_describe_vhost *vhost);

#endif
