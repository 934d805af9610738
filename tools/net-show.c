/* SPDX-License-Identifier: BSD-3-Clause */
/* medio net without an option: what card it is, and what it can. */
#include "net-describe.h"
#include "net.h"
#include "util/cleanup.h"
#include "value.h"
#include "virtio/names.h"

/* Feature bits of network cards and of every kind in words (VIRTIO 1.3, 5.1.3 and 6). */
static const char *const words[64] = {
	[0] = "computes checksums",
	[1] = "leaves checksums to the driver",
	[2] = "offloads can be switched",
	[3] = "says its MTU",
	[5] = "says its MAC address",
	[7] = "gives TCP over IPv4 in large pieces",
	[8] = "gives TCP over IPv6 in large pieces",
	[9] = "gives large pieces with ECN",
	[10] = "gives UDP in large pieces",
	[11] = "cuts TCP over IPv4 into frames",
	[12] = "cuts TCP over IPv6 into frames",
	[13] = "cuts TCP with ECN into frames",
	[14] = "cuts UDP into frames",
	[15] = "puts a frame into several buffers",
	[16] = "says whether its link is up",
	[17] = "has a control queue",
	[18] = "filters what it receives",
	[19] = "filters VLANs",
	[20] = "has more filters",
	[21] = "asks for announcements after a migration",
	[22] = "has several pairs of queues",
	[23] = "takes another MAC address",
	[28] = "takes indirect descriptors",
	[29] = "is told when to interrupt",
	[32] = "is of version 1 of virtio",
	[33] = "goes through the IOMMU",
	[34] = "takes packed rings",
	[35] = "uses buffers in order",
	[36] = "needs barriers of the platform",
	[37] = "has virtual functions",
	[38] = "takes more with a notification",
	[39] = "says what a notification is to be",
	[40] = "resets single queues",
	[41] = "has administration queues",
	[50] = "counts what it does",
	[51] = "hashes what is inside of a tunnel",
	[52] = "collects interrupts of single queues",
	[53] = "collects interrupts",
	[54] = "gives UDP over IPv4 in large pieces",
	[55] = "gives UDP over IPv6 in large pieces",
	[56] = "cuts UDP into frames",
	[57] = "gives frames with a hash",
	[59] = "is told the length of headers",
	[60] = "spreads frames over queues",
	[61] = "says how large pieces came about",
	[62] = "stands by for another card",
	[63] = "says its speed",
};

static const char *name_of(unsigned bit)
{
	const char *name = medio_virtio_feature_name(VIRTIO_ID_NET, bit);

	return name ? name : "";
}

static void show_features_json(const struct medio_net *net, struct json_object *object)
{
	const struct virtio_info *info = &net->info.virtio;
	struct json_object *list = json_object_new_array();

	for (unsigned bit = 0; bit < 64; bit++) {
		if (!(info->offered >> bit & 1))
			continue;
		struct json_object *feature = json_object_new_object();
		json_object_object_add(feature, "bit", json_object_new_int((int)bit));
		json_object_object_add(feature, "name", json_object_new_string(name_of(bit)));
		json_object_object_add(
			feature, "used", json_object_new_boolean(info->accepted >> bit & 1));
		json_object_array_add(list, feature);
	}
	json_object_object_add(object, "features", list);
}

static void show_json(const struct medio_net *net)
{
	const struct virtio_net_info *info = &net->info;
	struct json_object *object = json_object_new_object();
	char mac[MEDIO_NET_MAC];

	medio_net_mac_format(info->mac, mac);
	json_object_object_add(object, "device", json_object_new_string(net->device));
	json_object_object_add(object, "driver", json_object_new_string("virtio-net"));
	json_object_object_add(object, "mac", info->has_mac ? json_object_new_string(mac) : NULL);
	json_object_object_add(object, "link", json_object_new_boolean(info->link));
	json_object_object_add(object, "mtu", json_object_new_int64(info->mtu));
	json_object_object_add(object, "receive_depth", json_object_new_int64(info->receive_depth));
	json_object_object_add(object, "send_depth", json_object_new_int64(info->send_depth));
	json_object_object_add(
		object, "irq", json_object_new_string(medio_value_irq_name(info->virtio.irq)));
	show_features_json(net, object);
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

static void show_features(uint64_t bits, const char *title)
{
	if (bits)
		printf("  %s:\n", title);
	for (unsigned bit = 0; bit < 64; bit++) {
		if (bits >> bit & 1)
			printf("    %2u %-19s %s\n", bit, name_of(bit),
				words[bit] ? words[bit] : "no name in this version");
	}
}

int medio_net_show(struct medio_net *net)
{
	const struct virtio_net_info *info = &net->info;
	const struct virtio_info *virtio = &info->virtio;
	char mac[MEDIO_NET_MAC];

	if (net->json) {
		show_json(net);
		return MEDIO_EXIT_OK;
	}
	medio_net_mac_format(info->mac, mac);
	printf("%s%s%s: %s, link %s, MTU %u\n", medio_bold(stdout), net->device,
		medio_plain(stdout), info->has_mac ? mac : "no MAC address",
		info->link ? "up" : "down", info->mtu);
	printf("  driver virtio-net, %s rings, %u frames to receive, %u to send\n",
		virtio->accepted & VIRTIO_F_RING_PACKED ? "packed" : "split", info->receive_depth,
		info->send_depth);
	printf("  interrupts: %s\n", medio_value_irq_name(virtio->irq));
	show_features(virtio->accepted, "features in use");
	show_features(virtio->offered & ~virtio->accepted, "other features that it has");
	return MEDIO_EXIT_OK;
}
