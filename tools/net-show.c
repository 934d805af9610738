/* SPDX-License-Identifier: BSD-3-Clause */
/* medio net without an option: what card it is, and what it can. */
#include "net-describe.h"
#include "net.h"
#include "util/cleanup.h"
#include "value.h"

/* Feature bits of network cards and of every kind (VIRTIO 1.3, 5.1.3 and 6), as the specification calls
 * them and in words. */
static const struct {
	unsigned bit;
	const char *name, *words;
} features[] = {
	{ 0, "CSUM", "computes checksums" },
	{ 1, "GUEST_CSUM", "leaves checksums to the driver" },
	{ 2, "CTRL_GUEST_OFFLOADS", "offloads can be switched" },
	{ 3, "MTU", "says its MTU" },
	{ 5, "MAC", "says its MAC address" },
	{ 7, "GUEST_TSO4", "gives TCP over IPv4 in large pieces" },
	{ 8, "GUEST_TSO6", "gives TCP over IPv6 in large pieces" },
	{ 9, "GUEST_ECN", "gives large pieces with ECN" },
	{ 10, "GUEST_UFO", "gives UDP in large pieces" },
	{ 11, "HOST_TSO4", "cuts TCP over IPv4 into frames" },
	{ 12, "HOST_TSO6", "cuts TCP over IPv6 into frames" },
	{ 13, "HOST_ECN", "cuts TCP with ECN into frames" },
	{ 14, "HOST_UFO", "cuts UDP into frames" },
	{ 15, "MRG_RXBUF", "puts a frame into several buffers" },
	{ 16, "STATUS", "says whether its link is up" },
	{ 17, "CTRL_VQ", "has a control queue" },
	{ 18, "CTRL_RX", "filters what it receives" },
	{ 19, "CTRL_VLAN", "filters VLANs" },
	{ 20, "CTRL_RX_EXTRA", "has more filters" },
	{ 21, "GUEST_ANNOUNCE", "asks for announcements after a migration" },
	{ 22, "MQ", "has several pairs of queues" },
	{ 23, "CTRL_MAC_ADDR", "takes another MAC address" },
	{ 28, "INDIRECT_DESC", "takes indirect descriptors" },
	{ 29, "EVENT_IDX", "is told when to interrupt" },
	{ 32, "VERSION_1", "is of version 1 of virtio" },
	{ 33, "ACCESS_PLATFORM", "goes through the IOMMU" },
	{ 34, "RING_PACKED", "takes packed rings" },
	{ 35, "IN_ORDER", "uses buffers in order" },
	{ 36, "ORDER_PLATFORM", "needs barriers of the platform" },
	{ 37, "SR_IOV", "has virtual functions" },
	{ 38, "NOTIFICATION_DATA", "takes more with a notification" },
	{ 39, "NOTIF_CONFIG_DATA", "says what a notification is to be" },
	{ 40, "RING_RESET", "resets single queues" },
	{ 41, "ADMIN_VQ", "has administration queues" },
	{ 51, "DEVICE_STATS", "counts what it does" },
	{ 52, "VQ_NOTF_COAL", "collects interrupts of single queues" },
	{ 53, "NOTF_COAL", "collects interrupts" },
	{ 54, "GUEST_USO4", "gives UDP over IPv4 in large pieces" },
	{ 55, "GUEST_USO6", "gives UDP over IPv6 in large pieces" },
	{ 56, "HOST_USO", "cuts UDP into frames" },
	{ 57, "HASH_REPORT", "gives frames with a hash" },
	{ 59, "GUEST_HDRLEN", "is told the length of headers" },
	{ 60, "RSS", "spreads frames over queues" },
	{ 61, "RSC_EXT", "says how large pieces came about" },
	{ 62, "STANDBY", "stands by for another card" },
	{ 63, "SPEED_DUPLEX", "says its speed" },
};

static const char *name_of(unsigned bit, const char **words)
{
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(features); i++) {
		if (features[i].bit == bit) {
			*words = features[i].words;
			return features[i].name;
		}
	}
	*words = "no name in this version";
	return "";
}

static void show_features_json(const struct medio_net *net, struct json_object *object)
{
	const struct virtio_info *info = &net->info.virtio;
	struct json_object *list = json_object_new_array();

	for (unsigned bit = 0; bit < 64; bit++) {
		const char *words, *name = name_of(bit, &words);
		if (!(info->offered >> bit & 1))
			continue;
		struct json_object *feature = json_object_new_object();
		json_object_object_add(feature, "bit", json_object_new_int((int)bit));
		json_object_object_add(feature, "name", json_object_new_string(name));
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
		const char *words, *name = name_of(bit, &words);
		if (bits >> bit & 1)
			printf("    %2u %-19s %s\n", bit, name, words);
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
