/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration space as one JSON object. */
#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>

#include "pci/bytes.h"
#include "pci/caplist.h"
#include "pci/decode-cap.h"
#include "pci/sriov.h"
#include "util/cleanup.h"

/* Where a value goes, and whether a comma must stand before the next member. */
struct json {
	FILE *out;
	bool more;
};

static void put_text(struct json *j, const char *text)
{
	fputc('"', j->out);
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(j->out, "\\%c", *c);
		else if (*c < 0x20 || *c == 0x7f)
			fprintf(j->out, "\\u%04x", *c);
		else
			fputc(*c, j->out);
	}
	fputc('"', j->out);
}

static void put_key(struct json *j, const char *key)
{
	if (j->more)
		fputs(", ", j->out);
	j->more = true;
	if (key)
		fprintf(j->out, "\"%s\": ", key);
}

static void open_group(struct json *j, const char *key, char bracket)
{
	put_key(j, key);
	fputc(bracket, j->out);
	j->more = false;
}

static void close_group(struct json *j, char bracket)
{
	fputc(bracket, j->out);
	j->more = true;
}

static void put_string(struct json *j, const char *key, const char *text)
{
	put_key(j, key);
	put_text(j, text);
}

static void put_number(struct json *j, const char *key, uint64_t value)
{
	put_key(j, key);
	fprintf(j->out, "%" PRIu64, value);
}

/* An id of so many digits, as text: "4348". */
static void put_id(struct json *j, const char *key, int digits, uint32_t id)
{
	put_key(j, key);
	fprintf(j->out, "\"%0*" PRIx32 "\"", digits, id);
}

static void put_address(struct json *j, const char *key, uint64_t address)
{
	put_key(j, key);
	fprintf(j->out, "\"0x%" PRIx64 "\"", address);
}

static void put_bool(struct json *j, const char *key, bool value)
{
	put_key(j, key);
	fputs(value ? "true" : "false", j->out);
}

struct bit_name {
	uint16_t bit;
	const char *name;
};

static void put_bits(struct json *j, const char *key, uint16_t value, const struct bit_name *names,
	unsigned count)
{
	open_group(j, key, '{');
	for (unsigned i = 0; i < count; i++)
		put_bool(j, names[i].name, value & names[i].bit);
	close_group(j, '}');
}

static void put_identity(struct json *j, const struct medio_pci_decode *d)
{
	const uint8_t *b = d->bytes;
	uint16_t vendor = medio_pci_get16(b), device = medio_pci_get16(b + PCI_DEVICE_ID);
	uint16_t class_code = medio_pci_get16(b + PCI_CLASS_DEVICE);
	char name[256];

	put_string(j, "slot", d->slot);
	put_id(j, "class", 4, class_code);
	medio_pci_names_class(d->names, MEDIO_PCI_NAMES_ONLY, class_code, name, sizeof(name));
	put_string(j, "class_name", name);
	put_id(j, "prog_if", 2, b[PCI_CLASS_PROG]);
	medio_pci_names_prog_if(d->names, class_code, b[PCI_CLASS_PROG], name, sizeof(name));
	if (*name)
		put_string(j, "prog_if_name", name);
	put_id(j, "vendor", 4, vendor);
	put_id(j, "device", 4, device);
	medio_pci_names_device(d->names, MEDIO_PCI_NAMES_ONLY, vendor, device, name, sizeof(name));
	put_string(j, "device_name", name);
	put_id(j, "revision", 2, b[PCI_REVISION_ID]);
	put_id(j, "header_type", 2, b[PCI_HEADER_TYPE]);
	if (b[PCI_HEADER_TYPE] & 0x7f)
		return;
	uint16_t subvendor = medio_pci_get16(b + PCI_SUBSYSTEM_VENDOR_ID);
	uint16_t subdevice = medio_pci_get16(b + PCI_SUBSYSTEM_ID);
	put_id(j, "subsystem_vendor", 4, subvendor);
	put_id(j, "subsystem_device", 4, subdevice);
	medio_pci_names_subsystem(d->names, MEDIO_PCI_NAMES_ONLY, vendor, device, subvendor,
		subdevice, name, sizeof(name));
	put_string(j, "subsystem_name", name);
}

static void put_registers(struct json *j, const struct medio_pci_decode *d)
{
	static const struct bit_name command[] = {
		{ PCI_COMMAND_IO, "io" },
		{ PCI_COMMAND_MEMORY, "memory" },
		{ PCI_COMMAND_MASTER, "bus_master" },
		{ PCI_COMMAND_PARITY, "parity" },
		{ PCI_COMMAND_SERR, "serr" },
		{ PCI_COMMAND_INTX_DISABLE, "intx_disable" },
	};
	static const struct bit_name status[] = {
		{ PCI_STATUS_INTERRUPT, "intx" },
		{ PCI_STATUS_CAP_LIST, "capabilities" },
		{ PCI_STATUS_PARITY, "master_parity" },
		{ PCI_STATUS_SIG_TARGET_ABORT, "signaled_target_abort" },
		{ PCI_STATUS_REC_TARGET_ABORT, "received_target_abort" },
		{ PCI_STATUS_REC_MASTER_ABORT, "received_master_abort" },
		{ PCI_STATUS_SIG_SYSTEM_ERROR, "signaled_system_error" },
		{ PCI_STATUS_DETECTED_PARITY, "detected_parity" },
	};
	const uint8_t *b = d->bytes;

	put_bits(
		j, "command", medio_pci_get16(b + PCI_COMMAND), command, MEDIO_ARRAY_SIZE(command));
	put_bits(j, "status", medio_pci_get16(b + PCI_STATUS), status, MEDIO_ARRAY_SIZE(status));
	put_number(j, "latency_timer", b[PCI_LATENCY_TIMER]);
	put_number(j, "cache_line_size", b[PCI_CACHE_LINE_SIZE] * 4u);
	put_number(j, "interrupt_pin", b[PCI_INTERRUPT_PIN]);
	put_number(j, "interrupt_line", b[PCI_INTERRUPT_LINE]);
}

/* Returns how many slots the BAR takes. */
static unsigned put_region(
	struct json *j, const struct medio_pci_decode *d, unsigned n, unsigned total)
{
	const uint8_t *reg = d->bytes + PCI_BASE_ADDRESS_0 + 4 * (size_t)n;
	uint32_t low = medio_pci_get32(reg);
	uint64_t size = d->sizes ? d->sizes[n] : 0;

	if (low == 0xffffffff)
		low = 0;
	if (!low && !size)
		return 1;
	bool io = low & PCI_BASE_ADDRESS_SPACE_IO;
	bool wide = !io && (low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64 &&
		    n + 1 < total;
	open_group(j, NULL, '{');
	put_number(j, "index", n);
	put_string(j, "type", io ? "io" : "memory");
	if (!io) {
		put_number(j, "width", wide ? 64 : 32);
		put_bool(j, "prefetchable", low & PCI_BASE_ADDRESS_MEM_PREFETCH);
	}
	uint64_t address = wide ? medio_pci_get64(reg) : low;
	put_address(j, "address", address & (io ? ~UINT64_C(3) : ~UINT64_C(15)));
	if (d->sizes)
		put_number(j, "size", size);
	close_group(j, '}');
	return wide ? 2 : 1;
}

static void put_interrupt_cap(
	struct json *j, const struct medio_pci_decode *d, const struct medio_pci_caplist *list)
{
	const uint8_t *cap = d->bytes + list->offset;
	uint16_t flags = medio_pci_get16(cap + 2);

	if (list->id == PCI_CAP_ID_MSI) {
		put_bool(j, "enabled", flags & PCI_MSI_FLAGS_ENABLE);
		put_number(j, "vectors", UINT64_C(1) << (flags >> 1 & 7));
		put_number(j, "vectors_enabled", UINT64_C(1) << (flags >> 4 & 7));
		put_bool(j, "maskable", flags & PCI_MSI_FLAGS_MASKBIT);
	} else {
		put_bool(j, "enabled", flags & PCI_MSIX_FLAGS_ENABLE);
		put_bool(j, "masked", flags & PCI_MSIX_FLAGS_MASKALL);
		put_number(j, "vectors", (flags & PCI_MSIX_FLAGS_QSIZE) + 1u);
		if (!medio_pci_decode_has(d, list->offset, PCI_CAP_MSIX_SIZEOF))
			return;
		uint32_t table = medio_pci_get32(cap + PCI_MSIX_TABLE);
		uint32_t pba = medio_pci_get32(cap + PCI_MSIX_PBA);
		put_number(j, "table_bar", table & 7);
		put_address(j, "table_offset", table & ~7u);
		put_number(j, "pba_bar", pba & 7);
		put_address(j, "pba_offset", pba & ~7u);
	}
}

static void put_sriov(struct json *j, const struct medio_pci_decode *d, unsigned at)
{
	const uint8_t *cap = d->bytes + at;
	if (!medio_pci_decode_has(d, at, MEDIO_PCI_SRIOV_SIZE))
		return;
	uint16_t ctrl = medio_pci_get16(cap + PCI_SRIOV_CTRL);
	put_bool(j, "enabled", ctrl & PCI_SRIOV_CTRL_VFE);
	put_bool(j, "memory", ctrl & PCI_SRIOV_CTRL_MSE);
	put_bool(j, "ari", ctrl & PCI_SRIOV_CTRL_ARI);
	put_number(j, "total_vfs", medio_pci_get16(cap + PCI_SRIOV_TOTAL_VF));
	put_number(j, "num_vfs", medio_pci_get16(cap + PCI_SRIOV_NUM_VF));
	put_number(j, "vf_offset", medio_pci_get16(cap + PCI_SRIOV_VF_OFFSET));
	put_number(j, "vf_stride", medio_pci_get16(cap + PCI_SRIOV_VF_STRIDE));
	put_id(j, "vf_device", 4, medio_pci_get16(cap + PCI_SRIOV_VF_DID));
}

static void put_cap(
	struct json *j, const struct medio_pci_decode *d, const struct medio_pci_caplist *list)
{
	const uint8_t *cap = d->bytes + list->offset;
	const char *name = list->extended ? medio_pci_decode_ext_name(list->id)
					  : medio_pci_decode_cap_name(list->id);

	open_group(j, NULL, '{');
	put_address(j, "offset", list->offset);
	put_id(j, "id", list->extended ? 4 : 2, list->id);
	if (name)
		put_string(j, "name", name);
	if (list->extended) {
		put_number(j, "version", list->version);
		if (list->id == PCI_EXT_CAP_ID_SRIOV)
			put_sriov(j, d, list->offset);
	} else if (list->id == PCI_CAP_ID_MSI || list->id == PCI_CAP_ID_MSIX)
		put_interrupt_cap(j, d, list);
	else if (list->id == PCI_CAP_ID_VNDR)
		put_number(j, "length", cap[2]);
	else if (list->id == PCI_CAP_ID_PM) {
		put_number(j, "version", cap[PCI_PM_PMC] & PCI_PM_CAP_VER_MASK);
		if (medio_pci_decode_has(d, list->offset, PCI_PM_SIZEOF))
			put_number(j, "power_state", cap[PCI_PM_CTRL] & PCI_PM_CTRL_STATE_MASK);
	} else if (list->id == PCI_CAP_ID_EXP) {
		put_number(j, "version", cap[PCI_EXP_FLAGS] & PCI_EXP_FLAGS_VERS);
		put_number(j, "port_type", cap[PCI_EXP_FLAGS] >> 4);
		if (medio_pci_decode_has(d, list->offset, PCI_EXP_DEVCTL))
			put_bool(j, "flr",
				medio_pci_get32(cap + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR);
	}
	close_group(j, '}');
}

static void put_caps(
	struct json *j, const struct medio_pci_decode *d, const char *key, bool extended)
{
	struct medio_pci_caplist list;
	enum medio_pci_caplist_step step;

	open_group(j, key, '[');
	medio_pci_caplist_init(&list, d->bytes, d->count, extended);
	while ((step = medio_pci_caplist_next(&list)) == MEDIO_PCI_CAPLIST_CAP)
		put_cap(j, d, &list);
	close_group(j, ']');
	if (step != MEDIO_PCI_CAPLIST_END && !extended)
		put_string(j, "capabilities_fault",
			step == MEDIO_PCI_CAPLIST_LOOPED   ? "looped"
			: step == MEDIO_PCI_CAPLIST_BROKEN ? "broken"
							   : "unreadable");
}

int medio_pci_decode_json(const struct medio_pci_decode *d, FILE *out)
{
	struct json j = { .out = out };

	if (d->count < 64)
		return -EINVAL;
	unsigned header = d->bytes[PCI_HEADER_TYPE] & 0x7f;
	unsigned bars = header == PCI_HEADER_TYPE_NORMAL   ? 6
			: header == PCI_HEADER_TYPE_BRIDGE ? 2
							   : 0;
	open_group(&j, NULL, '{');
	put_identity(&j, d);
	put_registers(&j, d);
	open_group(&j, "regions", '[');
	for (unsigned n = 0; n < bars;)
		n += put_region(&j, d, n, bars);
	close_group(&j, ']');
	if (bars)
		put_caps(&j, d, "capabilities", false);
	if (bars && medio_pci_caplist_find(d->bytes, d->count, false, PCI_CAP_ID_EXP))
		put_caps(&j, d, "extended_capabilities", true);
	if (d->hex) {
		size_t count = d->count < 4096 ? d->count : 4096;
		put_key(&j, "config");
		fputc('"', out);
		for (size_t i = 0; i < count; i++)
			fprintf(out, "%02x", d->bytes[i]);
		fputc('"', out);
	}
	close_group(&j, '}');
	return ferror(out) ? -EIO : 0;
}
