/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci/decode.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>

#include "pci/bytes.h"
#include "pci/decode-cap.h"

#define BASE_CLASS_BRIDGE 0x06
#define CLASS_PCI_BRIDGE  0x0604

static uint16_t get16(const struct medio_pci_decode *d, unsigned offset)
{
	return medio_pci_get16(d->bytes + offset);
}

static uint32_t get32(const struct medio_pci_decode *d, unsigned offset)
{
	return medio_pci_get32(d->bytes + offset);
}

static void print_heading(const struct medio_pci_decode *d, FILE *out)
{
	uint16_t class_code = get16(d, PCI_CLASS_DEVICE);
	char class_name[128], device[128];

	medio_pci_names_class(d->names, d->numeric, class_code, class_name, sizeof(class_name));
	medio_pci_names_device(d->names, d->numeric, get16(d, PCI_VENDOR_ID),
		get16(d, PCI_DEVICE_ID), device, sizeof(device));
	fprintf(out, "%s %s: %s", d->slot, class_name, device);
	if (d->bytes[PCI_REVISION_ID])
		fprintf(out, " (rev %02x)", d->bytes[PCI_REVISION_ID]);
	if (d->verbose) {
		uint8_t prog_if = d->bytes[PCI_CLASS_PROG];
		char name[128];
		medio_pci_names_prog_if(d->names, class_code, prog_if, name, sizeof(name));
		if (*name)
			fprintf(out, " (prog-if %02x [%s])", prog_if, name);
		else if (prog_if)
			fprintf(out, " (prog-if %02x)", prog_if);
	}
	fputc('\n', out);
}

static void print_subsystem(const struct medio_pci_decode *d, FILE *out)
{
	uint16_t vendor = get16(d, PCI_SUBSYSTEM_VENDOR_ID);
	char name[256];

	if (!vendor || vendor == 0xffff)
		return;
	medio_pci_names_subsystem(d->names, d->numeric, get16(d, PCI_VENDOR_ID),
		get16(d, PCI_DEVICE_ID), vendor, get16(d, PCI_SUBSYSTEM_ID), name, sizeof(name));
	fprintf(out, "\tSubsystem: %s\n", name);
}

static const char *devsel(uint16_t status)
{
	static const char *const names[] = { "fast", "medium", "slow", "??" };
	return names[(status & PCI_STATUS_DEVSEL_MASK) >> 9];
}

static void print_latency(const struct medio_pci_decode *d, FILE *out)
{
	bool normal = (d->bytes[PCI_HEADER_TYPE] & 0x7f) == PCI_HEADER_TYPE_NORMAL;
	unsigned min = normal ? d->bytes[PCI_MIN_GNT] * 250u : 0;
	unsigned max = normal ? d->bytes[PCI_MAX_LAT] * 250u : 0;

	fprintf(out, "\tLatency: %u", d->bytes[PCI_LATENCY_TIMER]);
	if (min && max)
		fprintf(out, " (%uns min, %uns max)", min, max);
	else if (min)
		fprintf(out, " (%uns min)", min);
	else if (max)
		fprintf(out, " (%uns max)", max);
	if (d->bytes[PCI_CACHE_LINE_SIZE])
		fprintf(out, ", Cache Line Size: %u bytes", d->bytes[PCI_CACHE_LINE_SIZE] * 4u);
	fputc('\n', out);
}

/* -vv: command, status and interrupt, one flag each. */
static void print_registers(const struct medio_pci_decode *d, FILE *out)
{
	uint16_t c = get16(d, PCI_COMMAND), s = get16(d, PCI_STATUS);
	uint8_t pin = d->bytes[PCI_INTERRUPT_PIN], line = d->bytes[PCI_INTERRUPT_LINE];

	fprintf(out,
		"\tControl: I/O%c Mem%c BusMaster%c SpecCycle%c MemWINV%c VGASnoop%c ParErr%c "
		"Stepping%c SERR%c FastB2B%c DisINTx%c\n",
		FLAG(c, PCI_COMMAND_IO), FLAG(c, PCI_COMMAND_MEMORY), FLAG(c, PCI_COMMAND_MASTER),
		FLAG(c, PCI_COMMAND_SPECIAL), FLAG(c, PCI_COMMAND_INVALIDATE),
		FLAG(c, PCI_COMMAND_VGA_PALETTE), FLAG(c, PCI_COMMAND_PARITY),
		FLAG(c, PCI_COMMAND_WAIT), FLAG(c, PCI_COMMAND_SERR),
		FLAG(c, PCI_COMMAND_FAST_BACK), FLAG(c, PCI_COMMAND_INTX_DISABLE));
	fprintf(out,
		"\tStatus: Cap%c 66MHz%c UDF%c FastB2B%c ParErr%c DEVSEL=%s >TAbort%c <TAbort%c "
		"<MAbort%c >SERR%c <PERR%c INTx%c\n",
		FLAG(s, PCI_STATUS_CAP_LIST), FLAG(s, PCI_STATUS_66MHZ), FLAG(s, PCI_STATUS_UDF),
		FLAG(s, PCI_STATUS_FAST_BACK), FLAG(s, PCI_STATUS_PARITY), devsel(s),
		FLAG(s, PCI_STATUS_SIG_TARGET_ABORT), FLAG(s, PCI_STATUS_REC_TARGET_ABORT),
		FLAG(s, PCI_STATUS_REC_MASTER_ABORT), FLAG(s, PCI_STATUS_SIG_SYSTEM_ERROR),
		FLAG(s, PCI_STATUS_DETECTED_PARITY), FLAG(s, PCI_STATUS_INTERRUPT));
	if (c & PCI_COMMAND_MASTER)
		print_latency(d, out);
	if (pin || line)
		fprintf(out, "\tInterrupt: pin %c routed to IRQ %u\n",
			pin >= 1 && pin <= 4 ? (char)('A' + pin - 1) : '?', line);
}

/* -v: the same in one line. */
static void print_flags(const struct medio_pci_decode *d, FILE *out)
{
	uint16_t c = get16(d, PCI_COMMAND), s = get16(d, PCI_STATUS);

	fprintf(out, "\tFlags: %s%s%s%s%s%s%s devsel", c & PCI_COMMAND_MASTER ? "bus master, " : "",
		c & PCI_COMMAND_VGA_PALETTE ? "VGA palette snoop, " : "",
		c & PCI_COMMAND_WAIT ? "stepping, " : "",
		c & PCI_COMMAND_FAST_BACK ? "fast Back2Back, " : "",
		s & PCI_STATUS_66MHZ ? "66MHz, " : "",
		s & PCI_STATUS_UDF ? "user-definable features, " : "", devsel(s));
	if (c & PCI_COMMAND_MASTER)
		fprintf(out, ", latency %u", d->bytes[PCI_LATENCY_TIMER]);
	if (d->bytes[PCI_INTERRUPT_LINE])
		fprintf(out, ", IRQ %u", d->bytes[PCI_INTERRUPT_LINE]);
	fputc('\n', out);
}

static void print_size(uint64_t size, FILE *out)
{
	static const char suffix[][2] = { "", "K", "M", "G", "T" };
	unsigned i = 0;

	if (!size)
		return;
	while (i < 4 && size % 1024 == 0) {
		size /= 1024;
		i++;
	}
	fprintf(out, " [size=%u%s]", (unsigned)size, suffix[i]);
}

/* One BAR. Returns how many slots it takes. */
static unsigned print_region(
	const struct medio_pci_decode *d, unsigned n, unsigned total, FILE *out)
{
	uint32_t low = get32(d, PCI_BASE_ADDRESS_0 + 4 * n);
	uint64_t size = d->sizes ? d->sizes[n] : 0, address = low;
	uint16_t command = get16(d, PCI_COMMAND);
	unsigned slots = 1;

	if (low == 0xffffffff)
		low = address = 0;
	if (!low && !size)
		return 1;
	bool io = low & PCI_BASE_ADDRESS_SPACE_IO;
	unsigned kind = low & PCI_BASE_ADDRESS_MEM_TYPE_MASK;
	bool broken = !io && kind == PCI_BASE_ADDRESS_MEM_TYPE_64 && n + 1 == total;
	if (!io && kind == PCI_BASE_ADDRESS_MEM_TYPE_64 && !broken) {
		address |= (uint64_t)get32(d, PCI_BASE_ADDRESS_0 + 4 * (n + 1)) << 32;
		slots = 2;
	}
	if (d->verbose > 1)
		fprintf(out, "\tRegion %u: ", n);
	else
		fputc('\t', out);
	if (io) {
		address &= ~UINT64_C(3);
		if (address || (command & PCI_COMMAND_IO))
			fprintf(out, "I/O ports at %04" PRIx64, address);
		else
			fputs("I/O ports at <unassigned>", out);
		if (!(command & PCI_COMMAND_IO))
			fputs(" [disabled]", out);
	} else {
		static const char *const kinds[] = { "32-bit", "low-1M", "64-bit", "type 3" };
		address &= ~UINT64_C(15);
		if (broken)
			fputs("Memory at <broken-64-bit-slot>", out);
		else if (address)
			fprintf(out, "Memory at %08" PRIx64, address);
		else
			fputs("Memory at <unassigned>", out);
		fprintf(out, " (%s, %sprefetchable)%s", kinds[kind >> 1],
			low & PCI_BASE_ADDRESS_MEM_PREFETCH ? "" : "non-",
			command & PCI_COMMAND_MEMORY ? "" : " [disabled]");
	}
	print_size(size, out);
	fputc('\n', out);
	return slots;
}

static void print_rom(const struct medio_pci_decode *d, unsigned reg, FILE *out)
{
	uint32_t rom = get32(d, reg);

	if (!rom || rom == 0xffffffff)
		return;
	if (rom & (uint32_t)PCI_ROM_ADDRESS_MASK)
		fprintf(out, "\tExpansion ROM at %08x", rom & (uint32_t)PCI_ROM_ADDRESS_MASK);
	else
		fputs("\tExpansion ROM at <unassigned>", out);
	if (!(rom & PCI_ROM_ADDRESS_ENABLE))
		fputs(" [disabled]", out);
	else if (!(get16(d, PCI_COMMAND) & PCI_COMMAND_MEMORY))
		fputs(" [disabled by cmd]", out);
	fputc('\n', out);
}

static void print_bist(const struct medio_pci_decode *d, FILE *out)
{
	uint8_t bist = d->bytes[PCI_BIST];

	if (!(bist & PCI_BIST_CAPABLE))
		return;
	if (bist & PCI_BIST_START)
		fputs("\tBIST is running\n", out);
	else
		fprintf(out, "\tBIST result: %02x\n", bist & PCI_BIST_CODE_MASK);
}

static void print_verbose(const struct medio_pci_decode *d, FILE *out)
{
	unsigned header = d->bytes[PCI_HEADER_TYPE] & 0x7f;
	bool bridge = header == PCI_HEADER_TYPE_BRIDGE;
	uint16_t class_code = get16(d, PCI_CLASS_DEVICE);

	if (header == PCI_HEADER_TYPE_NORMAL)
		print_subsystem(d, out);
	if (header > PCI_HEADER_TYPE_BRIDGE) {
		fprintf(out, "\t!!! Unknown header type %02x\n", header);
		return;
	}
	if (bridge ? class_code >> 8 != BASE_CLASS_BRIDGE : class_code == CLASS_PCI_BRIDGE)
		fprintf(out, "\t!!! Invalid class %04x for header type %02x\n", class_code, header);
	if (d->verbose > 1)
		print_registers(d, out);
	else
		print_flags(d, out);
	print_bist(d, out);
	unsigned total = bridge ? 2 : 6;
	for (unsigned n = 0; n < total;)
		n += print_region(d, n, total, out);
	if (bridge)
		fprintf(out,
			"\tBus: primary=%02x, secondary=%02x, subordinate=%02x, sec-latency=%u\n",
			d->bytes[PCI_PRIMARY_BUS], d->bytes[PCI_SECONDARY_BUS],
			d->bytes[PCI_SUBORDINATE_BUS], d->bytes[PCI_SEC_LATENCY_TIMER]);
	print_rom(d, bridge ? PCI_ROM_ADDRESS1 : PCI_ROM_ADDRESS, out);
	medio_pci_decode_caps(d, out);
}

static void print_hex(const struct medio_pci_decode *d, FILE *out)
{
	size_t count = d->hex >= 4 ? 4096 : d->hex >= 3 ? 256 : 64;

	/* Some devices end in the middle of a line: the kernel's sample mtty has 255 bytes. */
	if (count > d->count)
		count = d->count;
	for (size_t i = 0; i < count; i++) {
		if (i % 16 == 0)
			fprintf(out, "%02zx:", i);
		fprintf(out, " %02x", d->bytes[i]);
		if (i % 16 == 15 || i + 1 == count)
			fputc('\n', out);
	}
}

int medio_pci_decode_text(const struct medio_pci_decode *decode, FILE *out)
{
	if (decode->count < 64)
		return -EINVAL;
	print_heading(decode, out);
	if (decode->verbose)
		print_verbose(decode, out);
	if (decode->hex)
		print_hex(decode, out);
	if (decode->verbose || decode->hex)
		fputc('\n', out);
	return ferror(out) ? -EIO : 0;
}
