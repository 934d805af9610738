/* SPDX-License-Identifier: BSD-3-Clause */
/* The words of devices. Source of the structures: linux/vfio.h. */
#include <inttypes.h>
#include <linux/vfio.h>

#include "compat/story_words.h"
#include "proto/iommufd.h"

static const char *interrupt(uint32_t index)
{
	static const char *const names[] = { "INTx", "MSI", "MSI-X", "ERR", "REQ" };

	return index < sizeof(names) / sizeof(names[0]) ? names[index] : "an interrupt";
}

static void info(struct medio_words *w, struct medio_call *call, uint64_t arg, int64_t ret)
{
	struct vfio_device_info i;

	medio_words_add(w, "what the device is");
	if (ret || medio_call_read(call, arg, &i, sizeof(i)))
		return;
	medio_words_add(w, ": %s, %u regions, %u kinds of interrupts%s",
		i.flags & VFIO_DEVICE_FLAGS_PCI ? "a PCI device" : "a device", i.num_regions,
		i.num_irqs, i.flags & VFIO_DEVICE_FLAGS_RESET ? ", can be reset" : "");
}

static void region(struct medio_words *w, struct medio_call *call, uint64_t arg, int64_t ret)
{
	struct vfio_region_info r;

	if (medio_call_read(call, arg, &r, sizeof(r)))
		return;
	medio_words_region(w, r.index);
	if (ret)
		return;
	medio_words_add(w, ": ");
	if (!r.size) {
		medio_words_add(w, "none");
		return;
	}
	medio_words_size(w, r.size);
	medio_words_add(w, " at offset 0x%" PRIx64 "%s%s%s", (uint64_t)r.offset,
		r.flags & VFIO_REGION_INFO_FLAG_READ ? ", read" : "",
		r.flags & VFIO_REGION_INFO_FLAG_WRITE ? ", write" : "",
		r.flags & VFIO_REGION_INFO_FLAG_MMAP ? ", can be mapped" : "");
}

static void irq(struct medio_words *w, struct medio_call *call, uint64_t arg, int64_t ret)
{
	struct vfio_irq_info i;

	if (medio_call_read(call, arg, &i, sizeof(i)))
		return;
	medio_words_add(w, "%s", interrupt(i.index));
	if (ret == 0)
		medio_words_add(w, ": %u vector%s%s%s", i.count, i.count == 1 ? "" : "s",
			i.flags & VFIO_IRQ_INFO_MASKABLE ? ", can be masked" : "",
			i.flags & VFIO_IRQ_INFO_AUTOMASKED ? ", masked at each event" : "");
}

static void vectors(struct medio_words *w, const struct vfio_irq_set *set)
{
	medio_words_add(w, "%s", interrupt(set->index));
	if (set->count == 1)
		medio_words_add(w, " vector %u", set->start);
	else if (set->count)
		medio_words_add(w, " vectors %u to %u", set->start, set->start + set->count - 1);
}

/* Of eventfds it tells how many there are: -1 takes one away. */
static void eventfds(struct medio_words *w, struct medio_call *call, uint64_t arg, uint32_t count)
{
	unsigned wired = 0;
	int32_t fd;

	for (uint32_t i = 0; i < count && i < 2048; i++)
		if (medio_call_read(call, arg + sizeof(struct vfio_irq_set) + 4u * i, &fd, 4) ==
				0 &&
			fd >= 0)
			wired++;
	if (wired == count)
		medio_words_add(w, " wired to %s", count == 1 ? "an eventfd" : "eventfds");
	else
		medio_words_add(w, ": %u of %u wired to eventfds", wired, count);
}

static void set_irqs(struct medio_words *w, struct medio_call *call, uint64_t arg)
{
	struct vfio_irq_set set;

	if (medio_call_read(call, arg, &set, sizeof(set)))
		return;
	vectors(w, &set);
	const bool fds = set.flags & VFIO_IRQ_SET_DATA_EVENTFD;
	if (set.flags & VFIO_IRQ_SET_ACTION_MASK)
		medio_words_add(w, fds ? ", masked by an eventfd" : " masked");
	else if (set.flags & VFIO_IRQ_SET_ACTION_UNMASK)
		medio_words_add(w, fds ? ", unmasked by an eventfd" : " unmasked");
	else if (fds)
		eventfds(w, call, arg, set.count);
	else if (!set.count)
		medio_words_add(w, " disabled");
	else
		medio_words_add(w, " triggered");
}

static void feature(struct medio_words *w, struct medio_call *call, uint64_t arg)
{
	static const char *const names[] = { "the VF token", "migration", "the migration state",
		"low power", "low power with wake-up", "end of low power", "start of the dirty log",
		"end of the dirty log", "report of the dirty log", "size of the migration data",
		"bus mastering" };
	struct vfio_device_feature f;

	if (medio_call_read(call, arg, &f, sizeof(f)))
		return;
	const unsigned n = f.flags & VFIO_DEVICE_FEATURE_MASK;
	if (n < sizeof(names) / sizeof(names[0]))
		medio_words_add(w, "%s", names[n]);
	else
		medio_words_add(w, "feature %u", n);
	medio_words_add(w, "%s%s%s", f.flags & VFIO_DEVICE_FEATURE_PROBE ? ": is it there" : "",
		f.flags & VFIO_DEVICE_FEATURE_GET ? ": get" : "",
		f.flags & VFIO_DEVICE_FEATURE_SET ? ": set" : "");
}

void medio_words_device(
	struct medio_words *w, struct medio_call *call, unsigned cmd, uint64_t arg, int64_t ret)
{
	struct medio_vfio_attach_pt attach;

	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		info(w, call, arg, ret);
		break;
	case VFIO_DEVICE_GET_REGION_INFO:
		region(w, call, arg, ret);
		break;
	case VFIO_DEVICE_GET_IRQ_INFO:
		irq(w, call, arg, ret);
		break;
	case VFIO_DEVICE_SET_IRQS:
		set_irqs(w, call, arg);
		break;
	case VFIO_DEVICE_RESET:
		medio_words_add(w, "the device is reset");
		break;
	case VFIO_DEVICE_FEATURE:
		feature(w, call, arg);
		break;
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		medio_words_add(w, "who is reset together with it");
		break;
	case VFIO_DEVICE_PCI_HOT_RESET:
		medio_words_add(w, "a reset of its bus");
		break;
	case VFIO_DEVICE_IOEVENTFD:
		medio_words_add(w, "a doorbell by an eventfd");
		break;
	case MEDIO_VFIO_BIND_IOMMUFD:
		medio_words_add(w, "the device is bound to /dev/iommu");
		break;
	case MEDIO_VFIO_ATTACH_PT:
		if (medio_call_read(call, arg, &attach, sizeof(attach)) == 0)
			medio_words_add(w, "the device gets address space %u", attach.pt_id);
		break;
	default:
		break;
	}
}
